classdef Volume < aet.internal.Object
    %AET.VOLUME  A volume of cubic voxels; it does not change once made.
    %   VOLUME = AET.VOLUME(VALUES, VOXELSIZE) takes VALUES [ny x nx x nz] of a
    %   numeric class: rows along y, columns along x, pages along z, as images
    %   have them. VOXELSIZE is in angstrom. The specimen origin lies on voxel
    %   floor(n / 2) + 1 of each axis. Option 'Context'.
    %
    %   VOLUME = AET.VOLUME.SIRT(SERIES, ...) reconstructs one from images.
    %   VOLUME = AET.VOLUME.READ(FILE, VOXELSIZE) reads MRC, npy, TIFF, MAT and
    %   HDF5 files.
    %
    %   Properties: voxelSize (angstrom), residuals (relative, per iteration)
    %   Methods: values, trace, write; static sirt, read
    %
    %   Example
    %     volume = aet.Volume.sirt(series, 'Iterations', 40);
    %     atoms = volume.trace('MinimumDistance', 1.6);
    %
    %   See also aet.TiltSeries, aet.Atoms

    properties (Dependent)
        voxelSize       % angstrom
        residuals       % [n x 1] relative residual at the start of each iteration
    end

    properties (Constant, Hidden)
        freeCommand = 'volume_free';
    end

    properties (Constant, Hidden)
        sirtOptions = {'Nz', 'Ny', 'Nx', 'VoxelSize', 'SirtMemoryLimit', 'Iterations', 'Accelerated', ...
            'Positivity', 'Background'};
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
            %WRITE  Write a file of floats.
            %   volume.write(FILE, 'Name', value, ...) takes the format from the
            %   ending: .mrc, .map, .rec; .npy; .tif, .tiff; .mat (level 5, from
            %   2 GiB on 7.3); .emd, .h5, .hdf5 (EMD 0.2). What LOAD gives of a
            %   MAT file is volume.values(), and the scalar voxel_size (A).
            %     Format    'mrc', 'npy', 'tiff', 'mat5', 'mat73' or 'emd'
            %     Name      of the variable or EMD group (default 'volume')
            %     Progress  function as for aet.LocalOrbital.run
            options = aet.internal.options('write', {'Format', 'Name', 'Progress'}, varargin);
            progress = aet.internal.take(options, 'Progress', []);
            format = char(aet.internal.take(options, 'Format', ''));
            name = char(aet.internal.take(options, 'Name', ''));
            outcome = aet.internal.withProgress(progress, 'volume_write', this.key, char(file), format, name);
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
        function volume = sirt(series, varargin)
            %SIRT  Reconstruct a volume from a tilt series.
            %   VOLUME = aet.Volume.sirt(SERIES, 'Name', value, ...)
            %     Iterations       default 25
            %     Accelerated      true (default) | false: plain SIRT
            %     Positivity       true (default) | false
            %     Background       'automatic' | 'none': what is taken off
            %     Nz, Ny, Nx       voxels (default: a cube as wide as the images)
            %     VoxelSize        at most a pixel, its default
            %     SirtMemoryLimit  bytes
            %     Progress         function as for aet.LocalOrbital.run; where it
            %                      ends the work, the iterations done are kept
            %     Context          aet.Context, default: the shared one
            aet.internal.require(series, 'aet.TiltSeries', 'series');
            known = [aet.Volume.sirtOptions, {'Progress', 'Context'}];
            options = aet.internal.options('aet.Volume.sirt', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            key = aet.internal.withProgress(progress, 'volume_create_sirt', context.key, series.key, options);
            volume = aet.Volume();
            volume.key = key;
        end

        function volume = read(file, voxelSize, varargin)
            %READ  Read MRC, npy, TIFF, MAT (5, 7.3, Octave's) or HDF5 (EMD).
            %   aet.Volume.read(FILE), aet.Volume.read(FILE, VOXELSIZE) where
            %   the file is wrong or silent. What SAVE wrote of an array
            %   [ny x nx x nz] comes back as it was. Options:
            %     Name      of the variable or HDF5 array, where there are several
            %     Progress  function as for aet.LocalOrbital.run
            %     Context   aet.Context, default: the shared one
            if nargin < 2
                voxelSize = 0;
            end
            options = aet.internal.options('aet.Volume.read', {'Name', 'Progress', 'Context'}, varargin);
            context = aet.internal.context(aet.internal.take(options, 'Context', []));
            progress = aet.internal.take(options, 'Progress', []);
            name = char(aet.internal.take(options, 'Name', ''));
            key = aet.internal.withProgress(progress, 'volume_read', context.key, char(file), name, voxelSize);
            volume = aet.Volume();
            volume.key = key;
        end
    end
end
