classdef (Abstract) Reconstruction < aet.internal.Object
    %AET.RECONSTRUCTION  What all reconstructions have in common.
    %   Parameters in named blocks, a loss with its gradient, and iterations:
    %   aet.LocalOrbital reconstructs atoms, aet.Tomography a volume. What a
    %   method cannot do gives aet:unsupported.
    %
    %   Properties
    %     parameters      vector of the free blocks, may be set
    %     generation      grows when that vector changes its meaning; vectors
    %                     of an older one give aet:staleParameters
    %     series          what the reconstruction was made of
    %   Methods: driving it
    %     run, step, save, history, record
    %   Methods: driving it by an optimiser of your own
    %     lossAndGradient, predict, pullBack, layout, block, setBlock, freeze,
    %     pushForward, gaussNewtonProduct, gaussNewtonDiagonal, indexMap
    %   Methods: terms of your own in the loss
    %     addTerm, setProjection, clearTerms
    %   Methods: results
    %     geometry, rFactors, rFactorTable, memoryEstimate
    %   Methods: research knobs
    %     knobs, getKnob, setKnob
    %
    %   See also aet.LocalOrbital, aet.Tomography, aet.progressBar

    properties (Dependent)
        parameters   % [n x 1] free blocks in the order of layout
        generation   % of the parameter vector
    end

    properties (SetAccess = protected)
        series       % aet.TiltSeries
    end

    properties (Access = private, Transient)
        guards = {};   % aet.internal.FunctionGuard of every term and projection
    end

    properties (Constant, Hidden)
        freeCommand = 'recon_free';
    end

    methods
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
            %   works on mini-batches, a part F of the tilts (one tilt) at a time, in
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
            %   Fields iteration, loss, rFactor, rFree (of images held out),
            %   gradientNorm, step, seconds, evaluations, generation,
            %   datasetVersion, optimizer (the number of the method in the
            %   enumeration aet_optimizer).
            value = aet_mex('recon_copy_history', this.key);
        end

        function value = rFactors(this)
            %RFACTORS  [n x 1] R factor per image, NaN where excluded.
            value = aet_mex('recon_copy_r_factors', this.key);
        end

        function table = rFactorTable(this)
            %RFACTORTABLE  The same as an aet.Table with a row per image.
            %   Columns image, tilt, section, defocus (angstrom), r_factor;
            %   values r_factor, the mean, and largest.
            table = aet.Table.fromKey(aet_mex('recon_r_factor_table', this.key));
        end

        function value = record(this)
            %RECORD  Struct: options used, versions, termination, timings.
            value = jsondecode(aet_mex('recon_record', this.key));
        end

        function value = geometry(this)
            %GEOMETRY  Struct: rotations [3 x 3 x n], drift [n x 2], defocus [n x 1].
            value = struct();
            [value.rotations, value.drift, value.defocus] = aet_mex('recon_get_geometry', this.key);
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

    methods (Access = protected)
        function keep(this, series)
            % Keeps the series.
            aet.internal.require(series, 'aet.TiltSeries', 'series');
            this.series = series;
        end

        function resume(this, file, wanted, context, probeKey)
            % Goes on from the state in FILE, which must have the block WANTED.
            this.key = aet_mex('recon_load', context.key, this.series.key, probeKey, char(file));
            blocks = this.layout();
            if ~any(strcmp(wanted, {blocks.name}))
                error('aet:unsupported', '%s: got a reconstruction of the blocks %s, wanted one of %s', char(file), ...
                    strjoin({blocks.name}, ', '), wanted);
            end
        end

        function [key, value] = state(this, varargin)
            % What the latest state holds, 'atoms' or 'volume', and the numbers that go with it.
            value = struct();
            [key, value.iteration, value.loss, value.generation] = aet_mex('recon_snapshot', this.key, varargin{:});
        end
    end

    methods (Access = private)
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
