function setLog(level, sink)
%AET.SETLOG  Choose which messages of the library arrive, and where.
%   AET.SETLOG(LEVEL) lets messages up to LEVEL ('off', 'error', 'warning',
%   'info' or 'debug') become warnings with the identifier aet:log; 'warning'
%   is the default. AET.SETLOG(LEVEL, SINK) calls SINK(level, text) instead;
%   errors in SINK become warnings.

guarded = [];
if nargin > 1
    guarded = @(level, text) aet.internal.callSink(sink, level, text);
end
if nargin > 1 && ~isa(sink, 'function_handle')
    error('aet:unknownOption', 'aet.setLog: got a sink of class %s, wanted a function handle', class(sink));
end
aet_mex('log_set', char(level), guarded);
end
