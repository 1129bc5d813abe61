classdef LocalOrbital < aet.internal.Object
    %AET.LOCALORBITAL  Reconstruct atoms as local orbitals from a tilt series.
    %   RECON = AET.LOCALORBITAL(SERIES, PROBE, 'Start', ATOMS, ...) fits one
    %   orbital per atom, a Gaussian or of the shape 'Orbital', to all images.
    %   PROBE is [] for the model 'direct'. ATOMS is an aet.Atoms or positions
    %   [n x 3] in angstrom.
    %
    %   Options
    %     Start           atoms to start from
    %     Model           'direct' | 'rigid': probe of the optics
    %     Loss            'automatic' | 'mse' | 'poisson'
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
    %     MemoryLimit     bytes
    %     Context         aet.Context, default: the shared one
    %
    %   Properties
    %     parameters      vector of the free blocks, may be set
    %     generation      grows when that vector changes its meaning; vectors
    %                     of an older one give aet:staleParameters
    %     series, probe   what the reconstruction was made of
    %   Methods: driving it
    %     run, step, save, static load, history, record
    %   Methods: driving it by an optimiser of your own
    %     lossAndGradient, predict, pullBack, layout, block, setBlock, freeze,
    %     pushForward, gaussNewtonProduct, gaussNewtonDiagonal, indexMap
    %   Methods: terms of your own in the loss
    %     addTerm, setProjection, clearTerms
    %   Methods: results
    %     atoms, geometry, rFactors, snapshot, memoryEstimate, estimateErrors
    %   Methods: research knobs
    %     knobs, getKnob, setKnob
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
    %   See also aet.TiltSeries, aet.Probe, aet.Orbital, aet.Atoms, aet.progressBar

    properties (Dependent)
        parameters   % [n x 1] free blocks in the order of layout
        generation   % of the parameter vector
    end

    properties (SetAccess = private)
        series       % aet.TiltSeries
        probe        % aet.Probe or []
    end

    properties (Access = private, Transient)
        guards = {};   % aet.internal.FunctionGuard of every term and projection
    end

    properties (Constant, Hidden)
        freeCommand = 'recon_free';
    end

    properties (Constant, Hidden)
        options = {'Start', 'Model', 'Loss', 'Precision', 'Mode', 'Slicing', 'SliceThickness', ...
            'HeightSharing', 'WidthSharing', 'WidthStart', 'WidthMin', 'WidthMax', 'Cutoff', ...
            'Orbital', 'MemoryLimit', 'Context'};
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

        function outcome = run(this, varargin)
            %RUN  Optimise until a stopping rule holds.
            %   OUTCOME = recon.run('MaxIterations', N, 'MaxSeconds', T,
            %   'LossTolerance', L, 'GradientTolerance', G, 'Optimizer', NAME,
            %   'BatchFraction', F, 'Seed', S, 'Progress', @fn) returns
            %   'converged', 'maxIterations', 'timeLimit' or 'cancelled'. FN gets
            %   a struct with the fields phase, iteration, maxIterations,
            %   evaluations, fraction, loss, gradientNorm, rFactor, seconds (and
            %   those of simulated series, help aet.simulateSeries) and
            %   returns true to go on. Its errors end the run and are thrown
            %   here. However a run ends, Ctrl-C in Octave included, the best
            %   state is kept.
            %   NAME is 'automatic' ('lbfgs'), 'lbfgs', 'gradientDescent',
            %   'adam', 'conjugateGradient' or 'levenbergMarquardt'. 'adam'
            %   works on mini-batches, a part F (1/8) of the tilts at a time, in
            %   an order made from S; an iteration is then a pass over all
            %   images, and the run ends with 'maxIterations' when its
            %   schedule, recon.getKnob('adam.passes'), does.
            known = {'MaxIterations', 'MaxSeconds', 'LossTolerance', 'GradientTolerance', 'Optimizer', ...
                'BatchFraction', 'Seed', 'Progress'};
            options = aet.internal.options('run', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            try
                outcome = aet.internal.withProgress(progress, 'recon_run', this.key, options);
            catch failure
                this.rethrow(failure);
            end
        end

        function outcome = step(this, varargin)
            %STEP  One step of the optimiser.
            %   OUTCOME = recon.step('Progress', @fn); 'ok' means: not finished.
            options = aet.internal.options('step', {'Progress'}, varargin);
            progress = aet.internal.take(options, 'Progress', []);
            try
                outcome = aet.internal.withProgress(progress, 'recon_step', this.key);
            catch failure
                this.rethrow(failure);
            end
        end

        function [loss, gradient, imageLosses] = lossAndGradient(this, x, images)
            %LOSSANDGRADIENT  Loss at a parameter vector, as fminunc wants it.
            %   [LOSS, GRADIENT, IMAGELOSSES] = recon.lossAndGradient(X, IMAGES)
            %   evaluates the images listed (from 1), or all that are not
            %   excluded. GRADIENT [n x 1]; it is computed only if asked for.
            if nargin < 3
                images = [];
            end
            try
                if nargout < 2
                    loss = aet_mex('recon_loss_and_gradient', this.key, double(x), images);
                elseif nargout < 3
                    [loss, gradient] = aet_mex('recon_loss_and_gradient', this.key, double(x), images);
                else
                    [loss, gradient, imageLosses] = aet_mex('recon_loss_and_gradient', this.key, double(x), images);
                end
            catch failure
                this.rethrow(failure);
            end
        end

        function images = predict(this, x, images)
            %PREDICT  Calculated images [rows x columns x n].
            %   recon.predict() of the current state, recon.predict(X),
            %   recon.predict(X, IMAGES); X [] is the current state.
            if nargin < 2 || isempty(x)
                x = this.parameters;
            end
            if nargin < 3 || isempty(images)
                images = this.usedImages();
            end
            images = aet_mex('recon_predict', this.key, double(x), images, [this.series.rows, this.series.columns]);
        end

        function gradient = pullBack(this, x, residuals, images)
            %PULLBACK  Gradient of a loss of your own.
            %   GRADIENT = recon.pullBack(X, RESIDUALS, IMAGES): RESIDUALS
            %   [rows x columns x n] holds its derivatives with respect to the
            %   pixels of predict(X, IMAGES).
            if nargin < 4
                images = [];
            end
            gradient = aet_mex('recon_pull_back', this.key, double(x), images, residuals);
        end

        function change = pushForward(this, x, direction, images)
            %PUSHFORWARD  Change of the images per unit of a direction of x.
            %   CHANGE = recon.pushForward(X, DIRECTION, IMAGES) [rows x columns
            %   x n] is the exact derivative of predict along DIRECTION.
            if nargin < 4 || isempty(images)
                images = this.usedImages();
            end
            size = [this.series.rows, this.series.columns];
            change = aet_mex('recon_push_forward', this.key, double(x), double(direction), images, size);
        end

        function product = gaussNewtonProduct(this, x, direction, images)
            %GAUSSNEWTONPRODUCT  Gauss-Newton (Fisher) matrix times a direction.
            %   PRODUCT = recon.gaussNewtonProduct(X, DIRECTION, IMAGES): the
            %   matrix is symmetric and positive; use it in pcg. Terms of your
            %   own are not part of it.
            if nargin < 4
                images = [];
            end
            product = aet_mex('recon_gauss_newton_product', this.key, double(x), double(direction), images);
        end

        function diagonal = gaussNewtonDiagonal(this, x, images, probes)
            %GAUSSNEWTONDIAGONAL  Estimate of the diagonal of that matrix.
            %   DIAGONAL = recon.gaussNewtonDiagonal(X, IMAGES, PROBES) from
            %   PROBES random vectors (default 16) of a fixed seed: each value
            %   has the relative standard error sqrt(2 / PROBES).
            if nargin < 3
                images = [];
            end
            if nargin < 4
                probes = 0;
            end
            diagonal = aet_mex('recon_gauss_newton_diagonal', this.key, double(x), images, probes);
        end

        function map = indexMap(this, generation)
            %INDEXMAP  Where the parameters stood in an earlier generation.
            %   MAP = recon.indexMap(GENERATION) [n x 1]: the index of every
            %   present parameter in the vector of that generation, 0 where it
            %   was no part of it.
            map = aet_mex('recon_index_map', this.key, generation);
        end

        function addTerm(this, block, weight, f)
            %ADDTERM  Add a differentiable function of one block to the loss.
            %   recon.addTerm('heights', WEIGHT, F) with [LOSS, GRADIENT] =
            %   F(VALUES); lossAndGradient, run and step then use the sum. An
            %   error in F ends the call and is thrown by it. Terms are not
            %   saved.
            guard = aet.internal.FunctionGuard(f, true);
            aet_mex('recon_add_term', this.key, char(block), weight, guard.callback());
            this.guards{end + 1} = guard;
        end

        function setProjection(this, f)
            %SETPROJECTION  Move the parameters after every step.
            %   recon.setProjection(F) with X = F(X); F [] for none.
            if isempty(f)
                aet_mex('recon_set_projection', this.key, []);
                return
            end
            guard = aet.internal.FunctionGuard(f, false);
            aet_mex('recon_set_projection', this.key, guard.callback());
            this.guards{end + 1} = guard;
        end

        function clearTerms(this)
            %CLEARTERMS  Take all terms and the projection away.
            aet_mex('recon_clear_terms', this.key);
            this.guards = {};
        end

        function blocks = layout(this)
            %LAYOUT  Struct array of the parameter blocks.
            %   Fields name, unit, class, shape, size, offset, scale, lower,
            %   upper, frozen. Block b occupies X(b.offset + (0:b.size-1));
            %   offset is 0 where the block is frozen. A typical change of a
            %   parameter is scale: optimisers work best on x ./ scale.
            blocks = aet_mex('recon_layout', this.key);
        end

        function values = block(this, name)
            %BLOCK  Values of a parameter block, e.g. recon.block('positions').
            values = aet_mex('recon_get_block', this.key, char(name));
        end

        function setBlock(this, name, values)
            %SETBLOCK  Set a parameter block, frozen or not.
            aet_mex('recon_set_block', this.key, char(name), values);
        end

        function freeze(this, name, frozen)
            %FREEZE  Take a block out of the parameter vector, or back in.
            %   recon.freeze('background'), recon.freeze('drift', false)
            %   The vector changes: the generation grows.
            if nargin < 3
                frozen = true;
            end
            aet_mex('recon_freeze', this.key, char(name), frozen);
        end

        function value = history(this)
            %HISTORY  Struct of columns, one row per iteration.
            %   Fields iteration, loss, rFactor, gradientNorm, step, seconds,
            %   evaluations, generation, datasetVersion, optimizer (the number of
            %   the method in the enumeration aet_optimizer).
            value = aet_mex('recon_copy_history', this.key);
        end

        function value = rFactors(this)
            %RFACTORS  [n x 1] R factor per image, NaN where excluded.
            value = aet_mex('recon_copy_r_factors', this.key);
        end

        function value = record(this)
            %RECORD  Struct: options used, versions, termination, timings.
            value = jsondecode(aet_mex('recon_record', this.key));
        end

        function value = atoms(this)
            %ATOMS  The reconstructed aet.Atoms.
            value = aet.Atoms.fromKey(aet_mex('recon_get_atoms', this.key));
        end

        function value = geometry(this)
            %GEOMETRY  Struct: rotations [3 x 3 x n], drift [n x 2], defocus [n x 1].
            value = struct();
            [value.rotations, value.drift, value.defocus] = aet_mex('recon_get_geometry', this.key);
        end

        function value = snapshot(this)
            %SNAPSHOT  The latest consistent state, also during a run.
            %   Struct: atoms (aet.Atoms), iteration, loss, generation.
            value = struct();
            [key, value.iteration, value.loss, value.generation] = aet_mex('recon_snapshot', this.key);
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

        function bytes = memoryEstimate(this)
            %MEMORYESTIMATE  Bytes that an evaluation needs.
            bytes = aet_mex('recon_memory_estimate', this.key);
        end

        function save(this, file)
            %SAVE  Save the state; load goes on with the same numbers.
            aet_mex('recon_save', this.key, char(file));
        end

        function names = knobs(this) %#ok<MANU> the same for all reconstructions
            %KNOBS  Names of the research knobs, a cell column.
            names = aet_mex('recon_param_names');
        end

        function value = getKnob(this, name)
            %GETKNOB  Value of a research knob.
            value = aet_mex('recon_get_param', this.key, char(name));
        end

        function setKnob(this, name, value)
            %SETKNOB  Set a research knob.
            aet_mex('recon_set_param', this.key, char(name), value);
        end

        function value = get.parameters(this)
            value = aet_mex('recon_get_parameters', this.key);
        end

        function set.parameters(this, x)
            aet_mex('recon_set_parameters', this.key, double(x));
        end

        function value = get.generation(this)
            value = aet_mex('recon_generation', this.key);
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
            recon.key = aet_mex('recon_load', context.key, series.key, probeKey, char(file));
        end
    end

    methods (Access = private)
        function probeKey = setInputs(this, series, probe)
            % Keeps series and probe; returns the probe's key, or [] without one.
            aet.internal.require(series, 'aet.TiltSeries', 'series');
            probeKey = [];
            if ~isempty(probe)
                aet.internal.require(probe, 'aet.Probe', 'probe');
                probeKey = probe.key;
            end
            this.series = series;
            this.probe = probe;
        end

        function rethrow(this, failure)
            % The error of a term or projection, else FAILURE.
            for i = 1:numel(this.guards)
                this.guards{i}.rethrow();
            end
            rethrow(failure);
        end

        function images = usedImages(this)
            % Images that are not excluded; tilts appended since the last step
            % are not part of the reconstruction yet.
            excluded = this.series.excluded();
            known = size(this.block('drift'), 1);
            images = find(~excluded(1:min(end, known)));
        end
    end
end
