classdef TiltSeries < aet.internal.Object
    %AET.TILTSERIES  Images of a specimen at several tilts and foci.
    %   SERIES = AET.TILTSERIES(IMAGES, 'Name', value, ...) takes IMAGES
    %   [rows x columns x n] of class double, single, uint8, uint16, uint32,
    %   int16 or int32. Columns grow with x', rows with y' of the image; the
    %   specimen origin lies on pixel (floor(rows/2)+1, floor(columns/2)+1).
    %   SERIES = AET.TILTSERIES([], 'Rows', R, 'Columns', C, ...) is empty, to
    %   be filled by appendTilt. Lengths are in angstrom.
    %
    %   Options: orientation (exactly one of the first two)
    %     Rotations      [3 x 3 x n], or [3 x 3] for all: p' = R p
    %     AnglesDeg      [n x 3] phi, theta, psi, or n tilts about TiltAxis;
    %                    degrees
    %     AngleOrder     'zyx' (default) | 'zyz' | 'xyz'
    %     TiltAxis       'x' | 'y', for one angle per image
    %   Options: per image (one value serves all images)
    %     Defocus        positive: crossover behind the specimen origin
    %     Tilt, Section  whole numbers: images of one tilt, of one focus, have one
    %                    number; in rising order they get the indices 1, 2, ...
    %     Drift          [n x 2] shift along x' and y'
    %     Mask           [rows x columns x n], or one for all; true: use pixel
    %     CountsPerUnit  electrons per image unit (1 where images are counts)
    %     NoiseVariance  variance of the noise of one pixel
    %   Options: whole series
    %     PixelSize      side of a pixel
    %     LengthUnit     'A' (default) | 'px' where no pixel size is known
    %     EnergyEv       energy of the beam
    %     SemiAngleMrad  convergence semi-angle
    %     Rows, Columns  size of the images of an empty series
    %     Context        aet.Context, default: the shared one
    %
    %   SERIES = AET.TILTSERIES.READ(FOLDER, VARIANT) reads a folder.
    %
    %   Properties: rows, columns, imageCount, tiltCount, sectionCount,
    %     pixelSize, lengthUnit, energyEv, semiAngleMrad, version
    %   Methods, per image: images, rotations, anglesDeg, tilt, section,
    %     defocus, drift, mask, excluded, noiseVariance, countsPerUnit
    %   Method depthAxis: for the option DepthAxis of aet.Atoms.accuracy
    %   Methods: write, appendTilt, replaceTilt, excludeTilt, metadata,
    %     setMetadata, findAtoms, record, maskImages, halfSets; static read,
    %     readAtoms, fromFile
    %
    %   Example
    %     series = aet.TiltSeries(images, 'AnglesDeg', angles, ...
    %         'PixelSize', 0.34, 'Defocus', defocus);
    %
    %   See also aet.Probe, aet.Atoms, aet.LocalOrbital

    properties (Dependent)
        rows            % rows of an image
        columns         % columns of an image
        imageCount      % images, excluded ones included
        tiltCount       % tilts
        sectionCount    % foci
        pixelSize       % angstrom
        lengthUnit      % 'A' or 'px'
        energyEv        % eV, NaN where unknown
        semiAngleMrad   % mrad, NaN where unknown
        version         % grows with every change
    end

    properties (SetAccess = private, Hidden)
        context         % keeps the threads alive
    end

    properties (Constant, Hidden)
        freeCommand = 'dataset_free';
    end

    properties (Constant, Hidden)
        frameOptions = {'Rotations', 'AnglesDeg', 'AngleOrder', 'TiltAxis', 'Tilt', 'Section', ...
            'Defocus', 'Drift', 'Mask', 'CountsPerUnit', 'NoiseVariance'};
        instrumentOptions = {'Seed', 'DosePerA2', 'ElectronsPerPosition', 'Drift', 'Walk', 'RowJitter', ...
            'Flyback', 'FlybackDecay', 'RotationDeg', 'Shear', 'Stretch', 'Edge', 'Detection', 'Dqe', ...
            'DeadTime', 'Mtf', 'NoiseMtf', 'MtfGaussian', 'MtfExponential', 'MtfExponentialWeight', ...
            'NoiseBlurred', 'GainPattern', 'DarkCurrent', 'DarkPattern', 'ReadNoise', 'DeadPixels', ...
            'HotPixels', 'HotCurrent', 'Gain', 'Offset', 'Saturation', 'Quantized'};
        seriesOptions = {'PixelSize', 'LengthUnit', 'EnergyEv', 'SemiAngleMrad', 'Rows', 'Columns', 'Context'};
    end

    methods
        function this = TiltSeries(images, varargin)
            if nargin == 0
                return   % filled by the static methods
            end
            known = [aet.TiltSeries.frameOptions, aet.TiltSeries.seriesOptions];
            options = aet.internal.options('aet.TiltSeries', known, varargin);
            [context, options] = aet.internal.take(options, 'Context', []);
            this.context = aet.internal.context(context);
            this.key = aet_mex('dataset_create', this.context.key, images, options);
        end

        function write(this, folder, varargin)
            %WRITE  Write the series as a folder that read reads.
            %   series.write(FOLDER), series.write(FOLDER, 'Progress', @fn)
            options = aet.internal.options('write', {'Progress'}, varargin);
            progress = aet.internal.take(options, 'Progress', []);
            outcome = aet.internal.withProgress(progress, 'dataset_write', this.key, char(folder));
            if strcmp(outcome, 'cancelled')
                error('aet:cancelled', 'write: cancelled, %s is not complete', folder);
            end
        end

        function tilt = appendTilt(this, images, varargin)
            %APPENDTILT  Append the images of one tilt, also during a run.
            %   TILT = series.appendTilt(IMAGES, 'Name', value, ...) takes the
            %   options of one image each (help aet.TiltSeries) and returns the
            %   index of the new tilt.
            options = aet.internal.options('appendTilt', this.frameOptions, varargin);
            tilt = aet_mex('dataset_append_tilt', this.key, images, options);
        end

        function replaceTilt(this, tilt, images, varargin)
            %REPLACETILT  Replace the images of a tilt.
            %   series.replaceTilt(TILT, IMAGES, 'Name', value, ...)
            options = aet.internal.options('replaceTilt', this.frameOptions, varargin);
            aet_mex('dataset_replace_tilt', this.key, tilt, images, options);
        end

        function excludeTilt(this, tilt, excluded)
            %EXCLUDETILT  Leave a tilt out of reconstructions.
            %   series.excludeTilt(TILT), series.excludeTilt(TILT, false)
            if nargin < 3
                excluded = true;
            end
            aet_mex('dataset_exclude_tilt', this.key, tilt, excluded);
        end

        function kept = maskImages(this, mask, varargin)
            %MASKIMAGES  Set pixels beside the projections of a mask to 0.
            %   KEPT = series.maskImages(MASK, ...) makes the next version of the
            %   series; KEPT [n x 1] is the number of pixels kept of each image.
            %     MinimumPath  voxels that the beam must pass (default 0.5)
            %     LeaveOut     true: pixels drop out of use; false (default)
            %     Progress     function as for aet.LocalOrbital.run
            aet.internal.require(mask, 'aet.Volume', 'mask');
            options = aet.internal.options('maskImages', {'MinimumPath', 'LeaveOut', 'Progress'}, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            kept = aet.internal.withProgress(progress, 'dataset_mask_images', this.key, mask.key, options);
        end

        function [first, second] = halfSets(this)
            %HALFSETS  Indices of the images of every other tilt in use.
            half = aet_mex('dataset_half_sets', this.key);
            first = find(half == 0);
            second = find(half == 1);
        end

        function [atoms, traced, cycles, orbital, decisions] = findAtoms(this, probe, varargin)
            %FINDATOMS  Find atoms without a model to start from.
            %   ATOMS = series.findAtoms(), series.findAtoms(PROBE, 'Name', value,
            %   ...) traces a volume, fits local orbitals, tells the species by
            %   their heights, drops, merges, splits and adds atoms until next to
            %   nothing changes. PROBE is [] for the model 'direct'.
            %   [ATOMS, TRACED, CYCLES, ORBITAL, DECISIONS] = ... has the
            %   first guess, too; an aet.Table with a row per fit: atoms, dropped,
            %   lonely, merged, split, added, reclassified, loss, r_factor; and the
            %   shape of the atoms in the last fit, an aet.Orbital: heights and
            %   widths belong to it, so give it to aet.LocalOrbital. The table's
            %   value r_factor_traced is that of the first guess, model is 0 where
            %   the direct and 1 where the rigid model followed the images better,
            %   moved is 0 where held-out images did not bear out what a fit does
            %   to the positions. DECISIONS, an aet.Table, has a row per orbital
            %   that came, went or changed: cycle (row of CYCLES, from 1), kind (1
            %   weak, 2 outside, 3 lonely, 4 merged, 5 split, 6 added, 7
            %   reclassified), orbital, x, y, z, height, partner, ratio; orbitals
            %   are counted from 0 there.
            %     Elements         atomic numbers, the weakest scatterer first
            %                      (default: the series' elements, else one)
            %     Species          atomic number of all atoms instead
            %     FirstGuess       'volume', which is traced, or 'grid', a regular
            %                      grid of orbitals that coarse fits draw to atoms
            %     GridSpacing      distance of its orbitals (default 1 angstrom)
            %     Start            aet.Atoms instead
            %     Support          aet.Volume: atoms only where it is above 0.5
            %     Free             {'drift', ...}: blocks fitted beside positions,
            %                      heights, widths and backgrounds
            %     KeepModel, KeepOrbital
            %                      true: Model and Orbital are used whatever the
            %                      images say
            %     DefocusRange     the defocus of every section is looked for this
            %                      far (angstrom) from the recorded one, and fitted
            %     HoldOut          part of the tilts, at most 0.5, that is held
            %                      out to tell whether the first guess should
            %                      move (default 0: it moves)
            %     MinimumDistance  below the shortest bond, angstrom (default 1.6)
            %     Smoothing        of volumes, angstrom (default: a quarter of it)
            %     Threshold        of the first peaks, part of the 99.9 % quantile
            %                      (default: the valley of their histogram)
            %     Weak             part of the typical height of the lightest
            %                      species (default: by the scatter of heights)
            %     Split            times that of the heaviest (the same); Inf
            %     Isolation        distance beyond which an atom is noise; Inf
            %     MaxCycles, FitIterations
            %     Progress         function as for aet.LocalOrbital.run; where it
            %                      ends the work, the last fit is kept
            %     Tomography       {'Name', value, ...}: options of aet.Tomography
            %                      for the volume; without a Method 20 iterations
            %                      of 'sirt' without positivity
            %   and the options of aet.LocalOrbital (Model, Loss, ...).
            if nargin < 2
                probe = [];
            end
            probeKey = [];
            if ~isempty(probe)
                aet.internal.require(probe, 'aet.Probe', 'probe');
                probeKey = probe.key;
            end
            known = [{'MinimumDistance', 'Smoothing', 'Threshold', 'Weak', 'Split', 'Isolation', 'MaxCycles', ...
                'FitIterations', 'Species', 'Elements', 'Start', 'Support', 'Free', 'Tomography', ...
                'FirstGuess', 'GridSpacing', 'DefocusRange', 'KeepModel', 'KeepOrbital', 'HoldOut', 'Progress'}, ...
                setdiff(aet.LocalOrbital.options, {'Start', 'Context'})];
            options = aet.internal.options('findAtoms', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            known = setdiff(aet.Tomography.options, {'Initial', 'Support'});
            [tomography, options] = aet.internal.pairs(options, 'Tomography', known);
            if ~isfield(tomography, 'Method')
                usual = struct('Method', 'sirt', 'Iterations', 20, 'Positivity', false);
                for name = setdiff(fieldnames(usual), fieldnames(tomography)).'
                    tomography.(name{1}) = usual.(name{1});
                end
            end
            [start, options] = aet.internal.takeKey(options, 'Start', 'aet.Atoms');
            [support, options] = aet.internal.takeKey(options, 'Support', 'aet.Volume');
            [free, options] = aet.internal.take(options, 'Free', '');
            if iscell(free)
                free = strjoin(free, ',');
            end
            options = aet.Orbital.keyIn(options);
            [atoms, traced, cycles, orbital, decisions] = aet.internal.withProgress(progress, ...
                'dataset_find_atoms', this.key, probeKey, options, tomography, start, support, free);
            atoms = aet.Atoms.fromKey(atoms);
            traced = aet.Atoms.fromKey(traced);
            cycles = aet.Table.fromKey(cycles);
            orbital = aet.Orbital.fromKey(orbital);
            decisions = aet.Table.fromKey(decisions);
        end

        function recorded = record(this, varargin)
            %RECORD  What an instrument would have recorded of ideal images.
            %   RECORDED = series.record('Name', value, ...) has the geometry and
            %   metadata of the series. Without options the images stay the same
            %   to the last bit; image i depends on Seed and i only. Lengths in
            %   angstrom, pairs [x y] along x' and y'.
            %     DosePerA2             electrons per angstrom^2; images are
            %                           fractions of the beam
            %     ElectronsPerPosition  instead; 1 where images are mean numbers
            %                           of electrons. Neither: no statistics
            %     Drift [x y], Walk, RowJitter [x y], Flyback, FlybackDecay,
            %     RotationDeg, Shear, Stretch [x y]    of the scan
            %     Detection             'counting' (default) | 'integrating'
            %     Dqe, DeadTime         quantum efficiency at zero frequency;
            %                           part of the exposure of a pixel
            %     Mtf, NoiseMtf         samples from 0 to the Nyquist frequency
            %     MtfGaussian, MtfExponential, MtfExponentialWeight
            %                           instead: where they fall to 1/e, cycles
            %                           per pixel
            %     NoiseBlurred          true: each electron is blurred
            %     GainPattern, DarkCurrent, DarkPattern, ReadNoise, DeadPixels,
            %     HotPixels, HotCurrent   of the pixels, in electrons
            %     Gain, Offset, Saturation, Quantized  image units per electron
            %     Edge                  'mirror' (default) | 'periodic'
            %     Progress              function as for aet.LocalOrbital.run
            options = aet.internal.options('record', [this.instrumentOptions, {'Progress'}], varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            recorded = aet.TiltSeries();
            recorded.context = this.context;
            recorded.key = aet.internal.withProgress(progress, 'dataset_record', this.key, options);
        end

        function value = images(this, class)
            %IMAGES  [rows x columns x n] double, or series.images('single').
            if nargin < 2
                class = 'double';
            end
            value = this.column('images', class);
        end

        function value = rotations(this)
            %ROTATIONS  [3 x 3 x n], p' = R p.
            value = this.column('rotations');
        end

        function value = anglesDeg(this)
            %ANGLESDEG  [n x 3] phi, theta, psi in degrees, order zyx.
            value = this.column('angles_deg');
        end

        function value = tilt(this)
            %TILT  [n x 1] index of the tilt of each image, from 1.
            value = this.column('tilt');
        end

        function value = section(this)
            %SECTION  [n x 1] index of the focus of each image, from 1.
            value = this.column('section');
        end

        function value = defocus(this)
            %DEFOCUS  [n x 1] angstrom.
            value = this.column('defocus');
        end

        function value = drift(this)
            %DRIFT  [n x 2] angstrom along x' and y'.
            value = this.column('drift');
        end

        function value = mask(this)
            %MASK  [rows x columns x n] logical, true: the pixel is used.
            value = this.column('mask');
        end

        function value = depthAxis(this)
            %DEPTHAXIS  [3 x 1] the A with which A' * P is the mean depth of an
            %   atom at P over all images in use.
            value = aet_mex('dataset_depth_axis', this.key);
        end

        function value = excluded(this)
            %EXCLUDED  [n x 1] logical.
            value = this.column('excluded');
        end

        function value = noiseVariance(this)
            %NOISEVARIANCE  [n x 1], NaN where not known.
            value = this.column('noise_variance');
        end

        function value = countsPerUnit(this)
            %COUNTSPERUNIT  [n x 1] electrons per image unit, NaN where not known.
            value = this.column('counts_per_unit');
        end

        function entries = metadata(this)
            %METADATA  Struct array with fields key, value and unit.
            entries = aet_mex('dataset_metadata', this.key);
        end

        function setMetadata(this, key, value, unit)
            %SETMETADATA  Set an entry that goes with the data to every output.
            %   series.setMetadata('specimen', 'Ta film')
            %   series.setMetadata('dose', '1.6e5', 'e/A^2')
            if nargin < 4
                unit = '';
            end
            aet_mex('dataset_set_metadata', this.key, char(key), char(value), char(unit));
        end

        function value = get.rows(this)
            value = aet_mex('dataset_rows', this.key);
        end

        function value = get.columns(this)
            value = aet_mex('dataset_columns', this.key);
        end

        function value = get.imageCount(this)
            value = aet_mex('dataset_image_count', this.key);
        end

        function value = get.tiltCount(this)
            value = aet_mex('dataset_tilt_count', this.key);
        end

        function value = get.sectionCount(this)
            value = aet_mex('dataset_section_count', this.key);
        end

        function value = get.pixelSize(this)
            value = aet_mex('dataset_pixel_size', this.key);
        end

        function value = get.lengthUnit(this)
            value = aet_mex('dataset_length_unit', this.key);
        end

        function value = get.energyEv(this)
            value = aet_mex('dataset_energy_ev', this.key);
        end

        function value = get.semiAngleMrad(this)
            value = aet_mex('dataset_semiangle_mrad', this.key);
        end

        function value = get.version(this)
            value = aet_mex('dataset_version', this.key);
        end
    end

    methods (Static)
        function series = read(folder, variant, varargin)
            %READ  Read the folder of a tilt series.
            %   aet.TiltSeries.read(FOLDER), read(FOLDER, VARIANT),
            %   read(FOLDER, VARIANT, 'Progress', @fn, 'Context', context);
            %   VARIANT '' is the folder's default.
            if nargin < 2
                variant = '';
            end
            options = aet.internal.options('aet.TiltSeries.read', {'Progress', 'Context'}, varargin);
            series = aet.TiltSeries();
            series.context = aet.internal.context(aet.internal.take(options, 'Context', []));
            progress = aet.internal.take(options, 'Progress', []);
            series.key = aet.internal.withProgress(progress, 'dataset_read', ...
                series.context.key, char(folder), char(variant));
        end

        function series = fromFile(file, varargin)
            %FROMFILE  Images of an MRC, TIFF, npy, MAT or HDF5 file.
            %   aet.TiltSeries.fromFile(FILE, 'AnglesDeg', angles, ...) takes the
            %   options of aet.TiltSeries, and 'Progress'. PixelSize may be left
            %   out where the file has one. One value for all images is taken
            %   as many times as there are orientations.
            known = [aet.TiltSeries.frameOptions, aet.TiltSeries.seriesOptions, {'Progress'}];
            options = aet.internal.options('aet.TiltSeries.fromFile', known, varargin);
            [context, options] = aet.internal.take(options, 'Context', []);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            series = aet.TiltSeries();
            series.context = aet.internal.context(context);
            series.key = aet.internal.withProgress(progress, 'dataset_create_from_file', ...
                series.context.key, char(file), options);
        end

        function atoms = readAtoms(folder, which, variant, varargin)
            %READATOMS  Atoms that a folder carries.
            %   aet.TiltSeries.readAtoms(FOLDER, WHICH, VARIANT) where WHICH is
            %   'truth' or 'published'; option 'Context'.
            if nargin < 3
                variant = '';
            end
            options = aet.internal.options('aet.TiltSeries.readAtoms', {'Context'}, varargin);
            context = aet.internal.context(aet.internal.take(options, 'Context', []));
            key = aet_mex('dataset_read_atoms', context.key, char(folder), char(which), char(variant));
            atoms = aet.Atoms.fromKey(key);
        end
    end

    methods (Access = private)
        function value = column(this, name, class)
            if nargin < 3
                class = 'double';
            end
            value = aet_mex('dataset_copy_column', this.key, name, char(class));
        end
    end
end
