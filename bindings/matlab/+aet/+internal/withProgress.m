function varargout = withProgress(progress, command, varargin)
%WITHPROGRESS  A command of aet_mex whose last argument is a progress function.
%   PROGRESS gets a struct and returns true to go on; [] for none. Its errors
%   end the command and are thrown here, after the library has returned.

if ~isempty(progress) && ~isa(progress, 'function_handle')
    error('aet:unknownOption', 'Progress: got class %s, wanted a function handle', class(progress));
end
guard = aet.internal.ProgressGuard(progress);
try
    [varargout{1:max(1, nargout)}] = aet_mex(command, varargin{:}, guard.callback());
catch failure
    aet.progressBar();
    guard.rethrow();
    rethrow(failure);
end
aet.progressBar();
if ~isempty(guard.failure)
    keys = varargout(cellfun(@(value) isa(value, 'uint64'), varargout));
    cellfun(@(key) aet_mex('handle_free', key), keys);   % what was done before the function failed
end
guard.rethrow();
end
