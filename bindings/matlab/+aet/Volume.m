classdef Volume < aet.internal.Object
    %AET.VOLUME  A volume of cubic voxels; it does not change once made.
    %   VOLUME = AET.VOLUME(VALUES, VOXELSIZE) takes VALUES [ny x nx x nz] of a
    %   numeric class: rows along y, columns along x, pages along z, as images
    %   have them. VOXELSIZE is in angstrom. The specimen origin lies on voxel
    %   floor(n / 2) + 1 of each axis. Option 'Context'.
    %
    %   VOLUME = AET.VOLUME.RECONSTRUCT(SERIES, ...) makes one from images.
    %   VOLUME = AET.VOLUME.READ(FILE, VOXELSIZE) reads an MRC file.
    %
    %   Properties: voxelSize (angstrom), residuals (relative, per iteration)
    %   Methods: values, trace, write; static reconstruct, read
    %
    %   Example
    %     volume = aet.Volume.reconstruct(series, 'Method', 'sirt');
    %     atoms = volume.trace('MinimumDistance', 1.6);
    %
    %   See also aet.Tomography, aet.TiltSeries, aet.Atoms

    properties (Dependent)
        voxelSize       % angstrom
        residuals       % [n x 1] relative residual at the start of each iteration
    end

    properties (Constant, Hidden)
        freeCommand = 'volume_free';
    end

    methods
        function this = Volume(values, voxelSize, varargin)
            if nargin == 0
                return   % filled by the static methods
            end
            options = aet.internal.options('aet.Volume', {'Context'}, varargin);
            context = aet.internal.context(aet.internal.take(options, 'Context', []));
            this.key = aet_mex('volume_create', context.key, values, voxelSize);
        end

        function value = values(this, class)
            %VALUES  [ny x nx x nz] single, or volume.values('double').
            if nargin < 2
                class = 'single';
            end
            value = aet_mex('volume_copy_to', this.key, char(class));
        end

        function atoms = trace(this, varargin)
            %TRACE  Peaks as atoms, the strongest first.
            %   ATOMS = volume.trace('Name', value, ...)
            %     Smoothing        standard deviation in voxels (default 1)
            %     MinimumDistance  angstrom (default: two voxels)
            %     Threshold        part of the 99.9 % quantile (default 0.25)
            %     MaxAtoms         the strongest are kept
            %     Species          atomic number of all
            %     Progress         function as for aet.LocalOrbital.run
            known = {'Smoothing', 'MinimumDistance', 'Threshold', 'MaxAtoms', 'Species', 'Progress'};
            options = aet.internal.options('trace', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            atoms = aet.Atoms.fromKey(aet.internal.withProgress(progress, 'volume_trace', this.key, options));
        end

        function write(this, file, varargin)
            %WRITE  Write an MRC file of floats.
            %   volume.write(FILE), volume.write(FILE, 'Progress', @fn)
            options = aet.internal.options('write', {'Progress'}, varargin);
            progress = aet.internal.take(options, 'Progress', []);
            outcome = aet.internal.withProgress(progress, 'volume_write', this.key, char(file));
            if strcmp(outcome, 'cancelled')
                error('aet:cancelled', 'write: cancelled, %s was not written', file);
            end
        end

        function value = get.voxelSize(this)
            value = aet_mex('volume_voxel_size', this.key);
        end

        function value = get.residuals(this)
            value = aet_mex('volume_copy_residuals', this.key);
        end
    end

    methods (Static)
        function volume = reconstruct(series, varargin)
            %RECONSTRUCT  Reconstruct a volume from a tilt series in one call.
            %   VOLUME = aet.Volume.reconstruct(SERIES, 'Name', value, ...)
            %     Method      'resire' (default), 'sirt', ...
            %     Iterations  default: that of the method
            %     Progress    function as for aet.LocalOrbital.run, loss is the
            %                 relative residual; where it ends the work, the
            %                 iterations done are kept
            %   and the other options of aet.Tomography.
            aet.internal.require(series, 'aet.TiltSeries', 'series');
            known = [aet.Tomography.options, {'Progress', 'Context'}];
            options = aet.internal.options('aet.Volume.reconstruct', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            options = aet.Volume.keysIn(options);
            key = aet.internal.withProgress(progress, 'volume_reconstruct', context.key, series.key, options);
            volume = aet.Volume.fromKey(key);
        end

        function volume = read(file, voxelSize, varargin)
            %READ  Read an MRC file.
            %   aet.Volume.read(FILE), aet.Volume.read(FILE, VOXELSIZE) where
            %   the header is wrong or silent; options 'Progress', 'Context'.
            if nargin < 2
                voxelSize = 0;
            end
            options = aet.internal.options('aet.Volume.read', {'Progress', 'Context'}, varargin);
            context = aet.internal.context(aet.internal.take(options, 'Context', []));
            progress = aet.internal.take(options, 'Progress', []);
            key = aet.internal.withProgress(progress, 'volume_read', context.key, char(file), voxelSize);
            volume = aet.Volume.fromKey(key);
        end
    end

    methods (Static, Hidden)
        function volume = fromKey(key)
            % Wraps a volume that the gateway has just made.
            volume = aet.Volume();
            volume.key = key;
        end

        function options = keysIn(options)
            % The options Initial and Support as the gateway wants them: by their keys.
            names = {'Initial', 'Support'};
            for i = 1:numel(names)
                if isfield(options, names{i}) && ~isempty(options.(names{i}))
                    aet.internal.require(options.(names{i}), 'aet.Volume', names{i});
                    options.(names{i}) = options.(names{i}).key;
                end
            end
        end
    end
end
