classdef FunctionGuard < handle
    %FUNCTIONGUARD  Keeps the error of a user's term or projection for later.
    %   The library must not be left by an error: the guard answers [], which
    %   ends the call, and rethrow throws the error once it has returned.

    properties (Access = private)
        userFunction
        isTerm
        failure = [];
    end

    methods
        function this = FunctionGuard(userFunction, isTerm)
            if ~isa(userFunction, 'function_handle')
                error('aet:unknownOption', 'got class %s, wanted a function handle', class(userFunction));
            end
            this.userFunction = userFunction;
            this.isTerm = isTerm;
        end

        function handle = callback(this)
            handle = @(values) this.ask(values);
        end

        function answer = ask(this, values)
            answer = [];
            try
                if this.isTerm
                    [loss, gradient] = this.userFunction(values);
                    this.requireNumbers('loss', loss, 1);
                    this.requireNumbers('gradient', gradient, numel(values));
                    answer = [double(loss); double(gradient(:))];
                else
                    x = this.userFunction(values);
                    this.requireNumbers('projected x', x, numel(values));
                    answer = double(x(:));
                end
            catch failure
                this.failure = failure;
            end
        end

        function rethrow(this)
            if ~isempty(this.failure)
                failure = this.failure;
                this.failure = [];
                rethrow(failure);
            end
        end
    end

    methods (Access = private)
        function requireNumbers(~, what, values, count)
            if ~(isnumeric(values) && isreal(values) && numel(values) == count)
                error('aet:callback', '%s: got %d elements of class %s, wanted %d real numbers', what, ...
                    numel(values), class(values), count);
            end
        end
    end
end
