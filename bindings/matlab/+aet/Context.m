classdef Context < aet.internal.Object
    %AET.CONTEXT  Threads and cancellation of the library.
    %   CONTEXT = AET.CONTEXT('Threads', N) owns N worker threads (default:
    %   environment variable AET_NUM_THREADS, then the processor's cores).
    %   A context is optional: without one, all objects share a context that
    %   is made on first use. Results do not depend on the number of threads.
    %
    %   Options
    %     Threads   number of worker threads, 0 automatic
    %     Simd      'automatic' | 'portable' | 'avx2' | 'avx512'; for one value,
    %               results are equal to the last bit
    %
    %   Properties
    %     threads   worker threads in use
    %     simd      instruction-set path in use
    %
    %   Methods
    %     requestCancel   end the long call in progress (from a progress
    %                     function or a timer); the best state is kept
    %
    %   Example
    %     context = aet.Context('Threads', 4);
    %     series = aet.TiltSeries.read('series', '', 'Context', context);
    %
    %   See also aet.TiltSeries, aet.LocalOrbital

    properties (Dependent)
        threads
        simd
    end

    properties (Constant, Hidden)
        freeCommand = 'context_free';
    end

    methods
        function this = Context(varargin)
            options = aet.internal.options('aet.Context', {'Threads', 'Simd'}, varargin);
            this.key = aet_mex('context_create', options);
        end

        function value = get.threads(this)
            value = aet_mex('context_threads', this.key);
        end

        function value = get.simd(this)
            value = aet_mex('context_simd', this.key);
        end

        function requestCancel(this)
            %REQUESTCANCEL  End the long call in progress.
            aet_mex('context_request_cancel', this.key);
        end
    end

    methods (Static)
        function context = shared()
            %SHARED  The context used where none is given.
            context = aet.internal.context([]);
        end
    end
end
