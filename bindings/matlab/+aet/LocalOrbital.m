classdef LocalOrbital < aet.Reconstruction
    %AET.LOCALORBITAL  Reconstruct atoms as local orbitals from a tilt series.
    %   RECON = AET.LOCALORBITAL(SERIES, PROBE, 'Start', ATOMS, ...) fits one
    %   orbital per atom, a Gaussian or of the shape 'Orbital', to all images.
    %   PROBE is [] for the model 'direct'. ATOMS is an aet.Atoms or positions
    %   [n x 3] in angstrom.
    %
    %   Options
    %     Start           atoms to start from
    %     Model           'direct' | 'rigid': probe of the optics
    %     Loss            'automatic' | 'mse' | 'poisson' | 'anscombe' (roots of
    %                     counts) | 'huber' (images with wrong pixels) |
    %                     'gaussian' (over the noise variance of each image)
    %     HuberThreshold  difference beyond which a pixel pulls no harder, in
    %                     the unit of the images (default: from the residuals)
    %     Precision       'single' | 'double'
    %     Mode            'automatic' | 'slices' | 'templates': how the rigid
    %                     model follows the probe along the beam
    %     Slicing         'linear' | 'hard'
    %     SliceThickness  angstrom (default 4)
    %     HeightSharing, WidthSharing
    %                     'automatic' | 'atom' | 'species' | 'common'
    %     WidthStart, WidthMin, WidthMax
    %                     B of exp(-rho^2 / B), angstrom^2
    %     Cutoff          half width of an orbital's window, in sqrt(B)
    %     Orbital         aet.Orbital: shape of all orbitals instead of the
    %                     Gaussian
    %     DepthError      largest error of templates and knots, relative to
    %                     an atom in focus
    %     ProbeSharing    'section' | 'image', ProbeSide: pixels of the
    %                     adaptive model's probes; ProbeSmoothness: weight of
    %                     differences between their neighbours
    %     MemoryLimit     bytes
    %     Context         aet.Context, default: the shared one
    %
    %   Properties and methods beside those of aet.Reconstruction (run, step,
    %   lossAndGradient, addTerm, save, ...)
    %     probe           what the reconstruction was made of
    %     atoms, snapshot, estimateErrors, fitOrbital, continued,
    %     scanDefocus, probeTable, probeImages, static load
    %
    %   Example
    %     recon = aet.LocalOrbital(series, probe, 'Start', atoms, 'Model', 'rigid');
    %     recon.run('MaxIterations', 200, 'Progress', @aet.progressBar);
    %     aet.plotAtoms(recon.atoms)
    %
    %   Example: fminunc
    %     f = @(x) recon.lossAndGradient(x);
    %     recon.parameters = fminunc(f, recon.parameters, optimset('GradObj', 'on'));
    %
    %   See also aet.Reconstruction, aet.Tomography, aet.TiltSeries, aet.Probe, aet.Orbital, aet.Atoms, aet.progressBar

    properties (SetAccess = private)
        probe        % aet.Probe or []
    end

    properties (Constant, Hidden)
        options = {'Start', 'Model', 'Loss', 'Precision', 'Mode', 'Slicing', 'SliceThickness', ...
            'HeightSharing', 'WidthSharing', 'WidthStart', 'WidthMin', 'WidthMax', 'Cutoff', ...
            'Orbital', 'MemoryLimit', 'DepthError', 'ProbeSharing', 'ProbeSide', ...
            'ProbeSmoothness', 'HuberThreshold', 'Context'};
    end

    methods
        function this = LocalOrbital(series, probe, varargin)
            if nargin == 0
                return   % filled by load
            end
            options = aet.internal.options('aet.LocalOrbital', aet.LocalOrbital.options, varargin);
            [context, options] = aet.internal.take(options, 'Context', []);
            [start, options] = aet.internal.take(options, 'Start', []);
            if isnumeric(start)
                if isempty(start)
                    error('aet:empty', 'aet.LocalOrbital: option ''Start'' is missing: atoms to start from');
                end
                start = aet.Atoms(start);
            end
            aet.internal.require(start, 'aet.Atoms', 'Start');
            probeKey = this.setInputs(series, probe);
            context = aet.internal.context(context);
            options = aet.Orbital.keyIn(options);
            this.key = aet_mex('recon_create_lot', context.key, series.key, probeKey, start.key, options);
        end

        function value = atoms(this)
            %ATOMS  The reconstructed aet.Atoms.
            value = aet.Atoms.fromKey(aet_mex('recon_get_atoms', this.key));
        end

        function value = snapshot(this)
            %SNAPSHOT  The latest consistent state, also during a run.
            %   Struct: atoms (aet.Atoms), iteration, loss, generation.
            [key, value] = this.state('atoms');
            value.atoms = aet.Atoms.fromKey(key);
        end

        function value = estimateErrors(this, varargin)
            %ESTIMATEERRORS  Standard errors of the atoms, from the noise.
            %   VALUE = recon.estimateErrors('Method', 'automatic' | 'local' |
            %   'dense', 'Noise', 'automatic' | 'variance' | 'counts' |
            %   'residual', 'Radius', ANGSTROM, 'Progress', @fn). Fields: atoms
            %   (with the column standard_error [n x 3], infinite where the
            %   images do not determine a coordinate), heightErrors,
            %   predictedRmsdPm, undetermined (number of atoms with an error that
            %   is infinite or longer than 0.9 A, left out of the RMSD), method,
            %   noise.
            options = aet.internal.options('estimateErrors', {'Method', 'Noise', 'Radius', 'Progress'}, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            value = struct();
            [key, value.heightErrors, value.predictedRmsdPm, value.undetermined, value.method, value.noise] = ...
                aet.internal.withProgress(progress, 'recon_estimate_errors', this.key, options);
            value.atoms = aet.Atoms.fromKey(key);
        end

        function errors = blockErrors(this, name, varargin)
            %BLOCKERRORS  Standard errors of the values of a block.
            %   ERRORS = recon.blockErrors(NAME, 'Rows', INDICES, 'Noise',
            %   'automatic' | 'variance' | 'counts' | 'residual', 'Progress',
            %   @fn), in the shape and unit of the free block NAME: optics, drift,
            %   angles, intensities, or atoms exactly. Rows are indices along
            %   its first axis, default all. At most 1000 values, Inf where the
            %   images do not determine one.
            options = aet.internal.options('blockErrors', {'Rows', 'Noise', 'Progress'}, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            errors = aet.internal.withProgress(progress, 'recon_block_errors', this.key, char(name), options);
        end

        function orbital = fitOrbital(this, varargin)
            %FITORBITAL  The shape of the atoms, from the images.
            %   ORBITAL = recon.fitOrbital('Widths', S, 'Progress', @fn): the
            %   aet.Orbital of terms of the widths S (at most 10, in units of B;
            %   default 0.5, 1, 2, 4, 8, 16) that fits the images best at the
            %   latest state. Weights are not negative, f(0) is 1. Start another
            %   reconstruction with it from the atoms of this one, and repeat
            %   while the loss falls.
            options = aet.internal.options('fitOrbital', {'Widths', 'Progress'}, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            orbital = aet.Orbital.fromKey(aet.internal.withProgress(progress, 'recon_fit_orbital', this.key, options));
        end

        function next = continued(this, varargin)
            %CONTINUED  Go on with other options: direct, rigid, adaptive.
            %   NEXT = recon.continued('Model', 'adaptive', ...): an
            %   aet.LocalOrbital that begins with the atoms, geometry, optics
            %   and intensities of the latest state, and what is frozen.
            allowed = setdiff(aet.LocalOrbital.options, {'Start', 'Context'});
            options = aet.Orbital.keyIn(aet.internal.options('continued', allowed, varargin));
            next = aet.LocalOrbital();
            next.setInputs(this.series, this.probe);
            next.key = aet_mex('recon_continue_lot', this.key, options);
        end

        function table = scanDefocus(this, varargin)
            %SCANDEFOCUS  Find the defocus of every section by a scan.
            %   TABLE = recon.scanDefocus('Range', A, 'Step', A, 'Tilts', PART,
            %   'Progress', @fn): sets block defocus. Default: up to 60
            %   angstrom from the recorded one in steps of 6, with a quarter of
            %   the tilts. Columns section, defocus, misfit.
            options = aet.internal.options('scanDefocus', {'Range', 'Step', 'Tilts', 'Progress'}, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            table = aet.Table.fromKey(aet.internal.withProgress(progress, 'recon_scan_defocus', this.key, options));
        end

        function table = probeTable(this)
            %PROBETABLE  How the probes spread along the beam.
            %   Columns section, image, depth (angstrom), sum, x, y, half_radius
            %   (angstrom) and peak; values focus_0 (of the first section), ...
            table = aet.Table.fromKey(aet_mex('recon_probe_table', this.key));
        end

        function [depths, probes] = probeImages(this, image)
            %PROBEIMAGES  Probes of an image around the beam.
            %   [DEPTHS, PROBES] = recon.probeImages(IMAGE): angstrom, and
            %   side x side x slices; IMAGE counts from 1.
            [depths, probes] = aet_mex('recon_probe_images', this.key, image);
        end
    end

    methods (Static)
        function recon = load(file, series, probe, varargin)
            %LOAD  Load what save has saved.
            %   RECON = aet.LocalOrbital.load(FILE, SERIES, PROBE): with the
            %   same series and probe ([] for 'direct'); option 'Context'.
            if nargin < 3
                probe = [];
            end
            options = aet.internal.options('aet.LocalOrbital.load', {'Context'}, varargin);
            context = aet.internal.context(aet.internal.take(options, 'Context', []));
            recon = aet.LocalOrbital();
            probeKey = recon.setInputs(series, probe);
            recon.resume(file, 'positions', context, probeKey);
        end
    end

    methods (Access = private)
        function probeKey = setInputs(this, series, probe)
            % Keeps series and probe; returns the probe's key, or [] without one.
            this.keep(series);
            probeKey = [];
            if ~isempty(probe)
                aet.internal.require(probe, 'aet.Probe', 'probe');
                probeKey = probe.key;
            end
            this.probe = probe;
        end
    end
end
