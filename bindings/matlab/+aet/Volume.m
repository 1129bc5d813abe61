classdef Volume < aet.internal.Object
    %AET.VOLUME  A volume of cubic voxels; it does not change once made.
    %   VOLUME = AET.VOLUME(VALUES, VOXELSIZE) takes VALUES [ny x nx x nz] of a
    %   numeric class: rows along y, columns along x, pages along z, as images
    %   have them. VOXELSIZE is in angstrom. The specimen origin lies on voxel
    %   floor(n / 2) + 1 of each axis. Option 'Context'.
    %
    %   VOLUME = AET.VOLUME.RECONSTRUCT(SERIES, ...) makes one from images.
    %   VOLUME = AET.VOLUME.READ(FILE, VOXELSIZE) reads MRC, npy, TIFF, MAT and
    %   HDF5 files.
    %
    %   Properties: voxelSize (angstrom), residuals (relative, per iteration)
    %   Methods: values, trace, traceLattice, write; static reconstruct, read
    %   Methods: filter, smooth, mask, otsuThreshold, multiply,
    %     shellCorrelation; static support
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

        function [atoms, candidates] = trace(this, varargin)
            %TRACE  Maxima as atoms, the strongest first.
            %   [ATOMS, CANDIDATES] = volume.trace('Name', value, ...)
            %   CANDIDATES, an aet.Table, has a row per maximum: x, y, z, height,
            %   flag (0 accepted, 1 not a maximum, 2 left its box, 3 too close,
            %   4 not converged, 5 out of support, 6 removed, 7 added, 8 surplus),
            %   curvature_1 to _3, width_x to _z, standard_error_x to _z,
            %   residual, round, iterations; its values are threshold,
            %   background and noise.
            %     Smoothing        standard deviation in voxels (default 1)
            %     MinimumDistance  angstrom, at least two voxels (default)
            %     Thresholding     'part' of the 99.9 % quantile (default) |
            %                      'value' | 'histogram' of the maxima
            %     Threshold        part (default 0.25) or value
            %     Method           'parabola' (default) | 'polynomial' | 'gaussian'
            %     FitRadius        of the fitted ball, angstrom
            %     Anisotropic      true: Gaussians have a width along each axis
            %     Support          aet.Volume: only where it is above 0.5
            %     Added            [n x 3] atoms added by hand, angstrom
            %     Removed          [n x 3] where candidates are removed by hand,
            %     RemovalRadius    within this (default: half MinimumDistance)
            %     ExplainRounds    rounds of explaining away (default 0)
            %     ExplainPart      smallest height there, part of the threshold
            %     MaxAtoms         the strongest are kept
            %     Species          atomic number of all
            %     Progress         function as for aet.LocalOrbital.run
            known = {'Smoothing', 'MinimumDistance', 'Thresholding', 'Threshold', 'Method', 'FitRadius', ...
                'Anisotropic', 'Support', 'Added', 'Removed', 'RemovalRadius', 'ExplainRounds', 'ExplainPart', ...
                'MaxAtoms', 'Species', 'Progress'};
            options = aet.internal.options('trace', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [support, options] = aet.internal.take(options, 'Support', []);
            if ~isempty(support)
                aet.internal.require(support, 'aet.Volume', 'Support');
                support = support.key;
            end
            [atoms, candidates] = aet.internal.withProgress(progress, 'volume_trace', this.key, options, support);
            atoms = aet.Atoms.fromKey(atoms);
            candidates = aet.Table.fromKey(candidates);
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

        function filtered = filter(this, varargin)
            %FILTER  The volume times factors in Fourier space.
            %   FILTERED = volume.filter('Name', value, ...)
            %     LowPass, HighPass  cuts in cycles per angstrom, at most
            %                        1 / (2 voxelSize)
            %     LowPassWidth, HighPassWidth  of their soft edges
            %     Gaussian           standard deviation, angstrom
            %     SignalToNoise      Wiener filter from the ratio of variances
            %     Curve              Wiener filter from a shell correlation,
            %                        [m x 2 or more] frequency, correlation
            %     CurveOfHalf        true: this is one of the volumes compared
            %     Seen               aet.TiltSeries: how much it has seen of
            %                        each frequency
            %     ObjectSize         of the specimen for Seen, angstrom
            %     Floor              weight of what was not seen, 0 to 1
            %     Padding            'zeros' (default) | 'mirror' | 'periodic'
            %     PaddingVoxels      per axis (default: a quarter of the edge)
            %     Progress           function as for aet.LocalOrbital.run
            known = {'LowPass', 'LowPassWidth', 'HighPass', 'HighPassWidth', 'Gaussian', 'SignalToNoise', ...
                'Curve', 'CurveOfHalf', 'Seen', 'ObjectSize', 'Floor', 'Padding', 'PaddingVoxels', 'Progress'};
            options = aet.internal.options('filter', known, varargin);
            [series, options] = aet.internal.take(options, 'Seen', []);
            if ~isempty(series)
                aet.internal.require(series, 'aet.TiltSeries', 'Seen');
                series = series.key;
            end
            filtered = this.made('volume_filter', options, series);
        end

        function smoothed = smooth(this, varargin)
            %SMOOTH  The volume smoothed in real space.
            %   SMOOTHED = volume.smooth('Name', value, ...)
            %     Smoothing  'gaussian' (default) | 'box'
            %     Width      standard deviation, or odd edge of the box, voxels
            %     Progress   function as for aet.LocalOrbital.run
            options = aet.internal.options('smooth', {'Smoothing', 'Width', 'Progress'}, varargin);
            smoothed = this.made('volume_smooth', options);
        end

        function masked = mask(this, varargin)
            %MASK  Where the specimen is: a volume of 0 and 1.
            %   MASK = volume.mask('Name', value, ...); the defaults are the
            %   published chain for particles a few hundred voxels wide, lengths
            %   are in voxels, 0 leaves a step out. In their order:
            %     Smoothing       'box' (default) | 'gaussian' | 'none'
            %     SmoothingWidth  default 9
            %     Threshold       a value (default: a part of Otsu's threshold)
            %     Factor          that part, default 0.9
            %     Dilation        radius by which it grows, default 3
            %     Closing         once more to join parts, default 11
            %     MinimumIsland   smaller parts go, default 50000
            %     LargestOnly     true | false (default)
            %     Connectivity    'corners' (default) | 'faces'
            %     FillHoles       true | false (default)
            %     Erosion         radius by which it shrinks, default 15
            %     SoftEdge        width of a falling edge, default 0
            %     Progress        function as for aet.LocalOrbital.run
            known = {'Smoothing', 'SmoothingWidth', 'Threshold', 'Factor', 'Dilation', 'Closing', ...
                'MinimumIsland', 'LargestOnly', 'Connectivity', 'FillHoles', 'Erosion', 'SoftEdge', 'Progress'};
            masked = this.made('volume_mask', aet.internal.options('mask', known, varargin));
        end

        function threshold = otsuThreshold(this)
            %OTSUTHRESHOLD  The value that parts the voxels best into two groups.
            threshold = aet_mex('volume_otsu_threshold', this.key, []);
        end

        function product = multiply(this, mask)
            %MULTIPLY  The volume times a mask of its size.
            aet.internal.require(mask, 'aet.Volume', 'mask');
            product = aet.Volume();
            product.key = aet_mex('volume_multiply', this.key, mask.key, []);
        end

        function [atoms, sites] = traceLattice(this, crystal, varargin)
            %TRACELATTICE  Maxima above the sites of a crystal.
            %   [ATOMS, SITES] = volume.traceLattice(CRYSTAL, 'Name', value, ...)
            %   registers CRYSTAL, the aet.Atoms of one cell, to the volume and
            %   climbs from each of its sites to the maximum above it. SITES is an
            %   aet.Table of all sites, with how the crystal lies as single
            %   values. Its column state: 0 found, 1 displaced; missing: 2 the
            %   maximum is another site's, 3 too low, 4 none within reach.
            %     Mask               aet.Volume: only sites in it count
            %     Vectors            [3 x 3] lattice vectors, rows a, b, c
            %                        (default: the cell of the atoms)
            %     Rotation           [3 x 3] of the crystal to start from, p = R r
            %     RotationWithinDeg  largest angle to it (default 10)
            %     RegionEdge, RegionCentre  cube whose spectrum is taken
            %     Smoothing          standard deviation, voxels (default 1)
            %     Background         standard deviation of the average taken away
            %     KeepBackground     logical: nothing is taken away
            %     Reach, Displaced   largest distances from a site (angstrom)
            %     Threshold          part of the median height (default 0.25)
            %     Species            atomic number of the sites, 0: all
            %     Progress           function as for aet.LocalOrbital.run
            aet.internal.require(crystal, 'aet.Atoms', 'crystal');
            known = {'Mask', 'Vectors', 'Rotation', 'RotationWithinDeg', 'RegionEdge', 'RegionCentre', ...
                'Smoothing', 'Background', 'KeepBackground', 'Reach', 'Displaced', 'Threshold', 'Species', ...
                'Progress'};
            options = aet.internal.options('traceLattice', known, varargin);
            [mask, options] = aet.internal.take(options, 'Mask', []);
            if ~isempty(mask)
                aet.internal.require(mask, 'aet.Volume', 'Mask');
                mask = mask.key;
            end
            for name = {'Vectors', 'Rotation'}
                if isfield(options, name{1})
                    options.(name{1}) = options.(name{1}).';  % row by row in C
                end
            end
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [atomsKey, sitesKey] = aet.internal.withProgress(progress, 'volume_trace_lattice', this.key, ...
                crystal.key, mask, options);
            atoms = aet.Atoms.fromKey(atomsKey);
            sites = aet.Table.fromKey(sitesKey);
        end

        function [resolution, curve] = shellCorrelation(this, other, varargin)
            %SHELLCORRELATION  Resolution of two volumes, as of two half sets.
            %   [RESOLUTION, CURVE] = volume.shellCorrelation(OTHER, ...)
            %   RESOLUTION is a struct of lengths (angstrom) where the Fourier
            %   shell correlation falls below a threshold: oneSeventh, halfBit,
            %   half, and nyquist. NaN: it stays above; Inf: it begins below.
            %   CURVE [shells x 4]: frequency, correlation, half-bit threshold,
            %   number of Fourier coefficients.
            %     Mask          aet.Volume, with a soft edge, for both
            %     Direction     [x y z], HalfAngleDeg: a cone of frequencies
            %     Filling       part of the volume that the specimen fills
            %     Symmetry      number of asymmetric units
            %     Progress      function as for aet.LocalOrbital.run
            aet.internal.require(other, 'aet.Volume', 'other');
            known = {'Mask', 'Direction', 'HalfAngleDeg', 'Filling', 'Symmetry', 'Progress'};
            options = aet.internal.options('shellCorrelation', known, varargin);
            [mask, options] = aet.internal.take(options, 'Mask', []);
            if ~isempty(mask)
                aet.internal.require(mask, 'aet.Volume', 'Mask');
                mask = mask.key;
            end
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [resolution, curve] = aet.internal.withProgress(progress, 'volume_shell_correlation', this.key, ...
                other.key, mask, options);
        end

        function value = get.voxelSize(this)
            value = aet_mex('volume_voxel_size', this.key);
        end

        function value = get.residuals(this)
            value = aet_mex('volume_copy_residuals', this.key);
        end
    end

    methods (Access = private)
        function volume = made(this, command, options, varargin)
            % The volume that a command makes of this one: key, further arguments, options, progress.
            [progress, options] = aet.internal.take(options, 'Progress', []);
            key = aet.internal.withProgress(progress, command, this.key, varargin{:}, options);
            volume = aet.Volume.fromKey(key);
        end
    end

    methods (Static)
        function volume = support(sizes, voxelSize, radius, varargin)
            %SUPPORT  A mask of a simple shape.
            %   MASK = aet.Volume.support([NY NX NZ], VOXELSIZE, RADIUS, ...)
            %     Shape       'sphere' (default) | 'cylinderX' | 'cylinderY' |
            %                 'cylinderZ'
            %     Centre      [x y z] from the specimen origin, angstrom
            %     HalfHeight  of a cylinder (default: through the volume)
            %     SoftEdge    width of a falling edge, angstrom
            %     Progress, Context
            known = {'Shape', 'Centre', 'HalfHeight', 'SoftEdge', 'Progress', 'Context'};
            options = aet.internal.options('aet.Volume.support', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            key = aet.internal.withProgress(progress, 'volume_create_support', context.key, sizes, voxelSize, ...
                radius, options);
            volume = aet.Volume.fromKey(key);
        end

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
