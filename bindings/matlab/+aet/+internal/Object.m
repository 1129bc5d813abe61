classdef Object < handle
    %OBJECT  Base of the classes that stand for an object of the library.
    %   It holds the key of that object in the gateway. Keys never repeat and
    %   the gateway ignores stale ones, so freeing twice does no harm.

    properties (SetAccess = protected, Hidden, Transient)
        key = uint64(0);   % 0: nothing behind it, calls answer aet:staleHandle
    end

    properties (Abstract, Constant, Hidden)
        freeCommand        % command of aet_mex that frees the object
    end

    methods
        function delete(this)
            if this.key ~= 0
                aet_mex(this.freeCommand, this.key);
            end
        end
    end
end
