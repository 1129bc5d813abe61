classdef Tomography < aet.Reconstruction
    %AET.TOMOGRAPHY  Reconstruct a volume from a tilt series.
    %   RECON = AET.TOMOGRAPHY(SERIES, 'Method', 'resire', ...). Image i is
    %   s_i A_i V + c_i of the volume V: the sum of the volume is that of every
    %   complete image. aet.Volume.reconstruct does the same in one call.
    %
    %   Options
    %     Method          'resire' | 'sirt' | 'sart' | 'art' | 'cgls' | 'fbp' |
    %                     'wbp' | 'genfire' | 'est' | 'resireFourier'
    %     Initial         aet.Volume to start from (default: zeros)
    %     Support         aet.Volume: the result is 0 where it is 0
    %     Nz, Ny, Nx      voxels (default: a cube as wide as the images)
    %     VoxelSize       angstrom, at most a pixel, its default
    %     Iterations      of aet.Volume.reconstruct; 'genfire' spreads its
    %                     schedule over them in runs, too
    %     Positivity      true (default, in methods that can) | false
    %     UpperBound      largest value of a voxel
    %     Accelerated     true (default) | false: 'resire' and 'sirt'
    %     Relaxation      length of steps, below 2
    %     SubsetSize      views per update of 'sart' (default 1)
    %     Window          on the ramp of 'fbp' and 'wbp': 'ramLak' |
    %                     'sheppLogan' | 'cosine' | 'hamming' | 'hann'
    %     Background      'automatic' | 'none': what is taken off the images
    %     Subset          'all' | 'even' | 'odd': half sets of the tilts
    %     HeldOut, Seed   part of the views, up to 0.5, whose R factor ends a
    %                     run when it no longer falls; which ones
    %     ImageWeights    [n x 1] weight of each image in the loss
    %     MemoryLimit     bytes
    %     Context         aet.Context, default: the shared one
    %   Options of 'genfire' (Oversampling: 'est' and 'resireFourier', too;
    %   Iterate: 'est', too)
    %     Oversampling, Gridding 'exact' | 'nearest', GriddingCutoff,
    %     Resolution 'extension' | 'off' | 'suppression' | 'both', EndWithAll,
    %     HeldBack, KeepTotal, Iterate 'best' | 'last'
    %   Terms that 'resire' and 'resireFourier' add to the loss, by their lambda
    %     TotalVariation, InnerIterations, Tikhonov, TikhonovGradient,
    %     SoftThreshold, Edge, EdgePower, EdgeSqueeze; Blur, voxels
    %
    %   Methods beside those of aet.Reconstruction (run, step,
    %   lossAndGradient, freeze, rFactors, save, ...)
    %     volume, snapshot, static load, static estimateMemory
    %   Blocks of the parameters: volume [ny x nx x nz], free at the start;
    %   drift, angles, scale, background, for optimisers of your own.
    %   Parameters and gradients hold the volume with x fastest.
    %
    %   Example
    %     recon = aet.Tomography(series);
    %     recon.run('MaxIterations', 50, 'Progress', @aet.progressBar);
    %     recon.volume.write('volume.mrc')
    %
    %   See also aet.Reconstruction, aet.Volume, aet.LocalOrbital

    properties (SetAccess = private, Hidden)
        context      % aet.Context whose threads work on volumes
    end

    properties (Constant, Hidden)
        options = {'Method', 'Initial', 'Support', 'ImageWeights', 'Nz', 'Ny', 'Nx', 'VoxelSize', 'Iterations', ...
            'Relaxation', 'Accelerated', 'Positivity', 'UpperBound', 'SubsetSize', 'Window', 'Background', ...
            'Subset', 'HeldOut', 'Seed', 'MemoryLimit', 'Oversampling', 'Gridding', 'GriddingCutoff', ...
            'Resolution', 'EndWithAll', 'HeldBack', 'KeepTotal', 'Iterate', 'TotalVariation', ...
            'InnerIterations', 'Tikhonov', 'TikhonovGradient', 'SoftThreshold', 'Edge', 'EdgePower', ...
            'EdgeSqueeze', 'Blur'};
    end

    methods
        function this = Tomography(series, varargin)
            if nargin == 0
                return   % filled by load
            end
            known = [aet.Tomography.options, {'Context'}];
            options = aet.internal.options('aet.Tomography', known, varargin);
            [context, options] = aet.internal.take(options, 'Context', []);
            this.keep(series);
            this.context = aet.internal.context(context);
            options = aet.Volume.keysIn(options);
            this.key = aet_mex('recon_create_tomography', this.context.key, series.key, options);
        end

        function value = volume(this)
            %VOLUME  The reconstructed aet.Volume, also during a run.
            value = aet.Volume.fromKey(aet_mex('recon_get_volume', this.key));
        end

        function value = snapshot(this)
            %SNAPSHOT  The latest consistent state, also during a run.
            %   Struct: volume (aet.Volume), iteration, loss, generation.
            [key, value] = this.state('volume', this.context.key);
            value.volume = aet.Volume.fromKey(key);
        end
    end

    methods (Static)
        function recon = load(file, series, varargin)
            %LOAD  Load what save has saved.
            %   RECON = aet.Tomography.load(FILE, SERIES): with the same
            %   series; option 'Context'.
            options = aet.internal.options('aet.Tomography.load', {'Context'}, varargin);
            recon = aet.Tomography();
            recon.keep(series);
            recon.context = aet.internal.context(aet.internal.take(options, 'Context', []));
            recon.resume(file, 'volume', recon.context, []);
        end

        function bytes = estimateMemory(series, varargin)
            %ESTIMATEMEMORY  Bytes that such a reconstruction needs at most.
            %   BYTES = aet.Tomography.estimateMemory(SERIES, 'Name', value, ...)
            %   beside the series; options as for aet.Tomography.
            aet.internal.require(series, 'aet.TiltSeries', 'series');
            options = aet.internal.options('aet.Tomography.estimateMemory', aet.Tomography.options, varargin);
            bytes = aet_mex('tomography_estimate_memory', series.key, aet.Volume.keysIn(options));
        end
    end
end
