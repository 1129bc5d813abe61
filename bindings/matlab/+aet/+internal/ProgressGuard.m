classdef ProgressGuard < handle
    %PROGRESSGUARD  Keeps the error of a user's progress function for later.
    %   The library must not be left by an error: the guard answers "stop"
    %   and the error goes on, whole, once the library has returned.

    properties (SetAccess = private)
        failure = [];
    end

    properties (Access = private)
        userFunction
    end

    methods
        function this = ProgressGuard(userFunction)
            this.userFunction = userFunction;
        end

        function handle = callback(this)
            handle = [];
            if ~isempty(this.userFunction)
                handle = @(progress) this.ask(progress);
            end
        end

        function goOn = ask(this, progress)
            try
                goOn = this.userFunction(progress);
                if ~isscalar(goOn) || ~(islogical(goOn) || isnumeric(goOn))
                    error('aet:callback', 'the progress function must return true or false, got %s', class(goOn));
                end
                goOn = logical(goOn);
            catch failure
                this.failure = failure;
                goOn = false;
            end
        end

        function rethrow(this)
            if ~isempty(this.failure)
                rethrow(this.failure);
            end
        end
    end
end
