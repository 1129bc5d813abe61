function checkTomography(scratch)
%CHECKTOMOGRAPHY  Volumes from images as reconstructions that hosts drive.

section('tomography');
f = makeFit();
create = @(varargin) aet.Tomography(f.series, 'Context', f.context, varargin{:});
methods = {'resire', 'sirt', 'sart', 'art', 'cgls', 'fbp', 'wbp', 'genfire', 'est', 'resireFourier'};
for k = 1:numel(methods)
    options = {'Method', methods{k}, 'Iterations', 2};
    recon = create(options{:});
    recon.run('MaxIterations', 2);
    values = recon.volume().values();
    quick = aet.Volume.reconstruct(f.series, options{:}, 'Context', f.context);
    check(methods{k}, isequal(size(values), [24 24 24]) && all(isfinite(values(:))) && sum(values(:)) > 0 && ...
        isequal(values, quick.values()));
    check('its memory', recon.memoryEstimate() == aet.Tomography.estimateMemory(f.series, options{:}));
end
checkOptions(create);
checkDriving(create, f);
checkStates(create, f, fullfile(scratch, 'tomography.aet'));
checkWhatIsRefused(create, f);
end

function checkOptions(create)
given = {'Method', 'resireFourier', 'Nz', 12, 'Ny', 24, 'Nx', 20, 'VoxelSize', 0.5, 'Iterations', 7, ...
    'Relaxation', 0.5, 'Accelerated', false, 'Positivity', false, 'UpperBound', 9, 'SubsetSize', 2, ...
    'Window', 'hann', 'Background', 'none', 'Subset', 'odd', 'HeldOut', 0.34, 'Seed', 5, ...
    'ImageWeights', ones(12, 1), 'MemoryLimit', 1e9, 'Oversampling', 2.5, 'Gridding', 'nearest', ...
    'GriddingCutoff', 0.7, 'Resolution', 'both', 'EndWithAll', false, 'HeldBack', 0.1, 'KeepTotal', false, ...
    'Iterate', 'last', 'TotalVariation', 1, 'InnerIterations', 3, 'Tikhonov', 2, 'TikhonovGradient', 3, ...
    'SoftThreshold', 4, 'Edge', 5, 'EdgePower', 6, 'EdgeSqueeze', 0.5, 'Blur', 0.25};
recon = create(given{:});
options = recon.record().options;
terms = options.regularization;
fourier = options.fourier;
check('options arrive', strcmp(options.method, 'resire_fourier') && isequal(options.shape(:)', [12 24 20]) && ...
    options.voxel_size == 0.5 && options.iterations == 7 && options.relaxation == 0.5 && ~options.accelerated && ...
    ~options.positivity && options.upper_bound == 9 && options.subset_size == 2 && ...
    strcmp(options.window, 'hann') && strcmp(options.background, 'none') && strcmp(options.subset, 'odd') && ...
    options.held_out == 0.34 && options.seed == 5 && numel(options.image_weights) == 12 && ...
    options.memory_limit == 1e9 && options.oversampling == 2.5);
check('those of Fourier methods', strcmpi(fourier.gridding, 'nearest') && fourier.cutoff == 0.7 && ...
    strcmpi(fourier.resolution, 'both') && ~fourier.end_with_all && fourier.held_back == 0.1 && ...
    ~fourier.keep_total && strcmpi(fourier.iterate, 'last'));
check('those of terms', terms.total_variation == 1 && terms.inner_iterations == 3 && terms.tikhonov == 2 && ...
    terms.tikhonov_gradient == 3 && terms.soft_threshold == 4 && terms.edge == 5 && terms.edge_power == 6 && ...
    terms.edge_squeeze == 0.5 && terms.blur == 0.25);
end

function checkDriving(create, f)
recon = create();
[loss, gradient] = recon.lossAndGradient(recon.parameters);
step = 0.1 * loss / sum(gradient .^ 2);
slope = (recon.lossAndGradient(step * gradient) - recon.lossAndGradient(-step * gradient)) / (2 * step);
check('gradient and differences', abs(slope / sum(gradient .^ 2) - 1) < 1e-4);

% The block has the axes of a volume, the vector x fastest.
values = rand(24, 24, 24);
recon.setBlock('volume', values);
back = recon.block('volume');
check('the block of the volume', isequal(size(back), [24 24 24]) && max(abs(back(:) - values(:))) < 1e-6 && ...
    isequal(recon.volume().values('double'), back));
check('the vector of the volume', isequal(recon.parameters, reshape(permute(back, [2 1 3]), [], 1)));
predicted = recon.predict([], 1);
check('the sum of an image is that of the volume', predicted(12, 10) > 0 && sum(predicted(:)) <= sum(back(:)));

recon.freeze('drift', false);
expect('a run with the drift free', 'aet:unsupported', 'drift', @() recon.run('MaxIterations', 1));
check('drift in the vector', numel(recon.parameters) == 24 ^ 3 + 2 * 12);
expect('an optimiser that is not the method''s', 'aet:unsupported', 'adam', ...
    @() create().run('MaxIterations', 1, 'Optimizer', 'adam'));
check('the series', recon.series.version == f.series.version);
end

function checkStates(create, f, file)
recon = create();
seen = containers.Map();
outcome = recon.run('MaxIterations', 9, 'Progress', @(p) lookOn(seen, recon, p));
check('a run that was ended', strcmp(outcome, 'cancelled') && numel(recon.history().loss) == 3);
check('its second state', seen('iteration') == 2 && ~isequal(seen('values'), recon.volume().values()));
recon.save(file);
loaded = aet.Tomography.load(file, f.series, 'Context', f.context);
recon.run('MaxIterations', 1);
loaded.run('MaxIterations', 1);
check('going on from a file', isequal(loaded.volume().values(), recon.volume().values()));
check('what it is', strcmp(loaded.record().method, 'resire') && loaded.series.tiltCount == 6);
expect('a volume loaded as atoms', 'aet:unsupported', 'positions', @() aet.LocalOrbital.load(file, f.series));
f.recon.save(file);
expect('atoms loaded as a volume', {'aet:unsupported', 'aet:inconsistent'}, '', ...
    @() aet.Tomography.load(file, f.series));

start = recon.volume();
again = create('Initial', start, 'Support', start);
check('a volume to start from', isequal(again.volume().values(), start.values()));
again = create('HeldOut', 0.34, 'Seed', 2);
again.run('MaxIterations', 2);
history = again.history();
check('views held out', history.rFree(1) == 1 && all(history.rFree > 0));   % 1 of zeros
half = create('Subset', 'even');
half.run('MaxIterations', 1);
check('half sets', isequal(isfinite(half.rFactors())', [1 1 0 0 1 1 0 0 1 1 0 0] == 1));
end

function goOn = lookOn(seen, recon, progress)
if progress.iteration == 2
    state = recon.snapshot();
    seen('iteration') = state.iteration;
    seen('values') = state.volume.values();
end
goOn = progress.iteration < 3;
end

function checkWhatIsRefused(create, f)
unknown = 'aet:unknownOption';
expect('unknown method', unknown, '''resireFourier''', @() create('Method', 'magic'));
expect('unknown window', unknown, 'Window', @() create('Window', 'door'));
expect('unknown option', unknown, 'Itertions', @() create('Itertions', 3));
expect('options of no tomography', unknown, 'Voxel', @() f.series.findAtoms([], 'Tomography', {'Voxel', 3}));
expect('options that are no cell', unknown, 'Tomography', @() f.series.findAtoms([], 'Tomography', 3));
cube = aet.Volume(zeros(24, 24, 24), 0.5, 'Context', f.context);
flat = aet.Volume(ones(24, 20, 3), 0.5, 'Context', f.context);
expect('a support of zeros', 'aet:empty', 'support', @() create('Support', cube));
expect('a support of another shape', 'aet:shape', '[3, 24, 20]', @() create('Support', flat));
expect('a start of another shape', 'aet:shape', 'initial', @() create('Initial', flat));
expect('a start that is no volume', 'aet:argumentType', 'Initial', @() create('Initial', 3));
expect('a bound with cgls', 'aet:unsupported', 'upper_bound', @() create('Method', 'cgls', 'UpperBound', 1));
expect('held out of fbp', 'aet:unsupported', 'held_out', @() create('Method', 'fbp', 'HeldOut', 0.2));
expect('too few weights', 'aet:shape', 'image_weights', @() create('ImageWeights', ones(3, 1)));
expect('too little memory', 'aet:memory', 'memory_limit', @() create('MemoryLimit', 1000));
expect('steps too long', 'aet:range', 'relaxation', @() create('Relaxation', 3));
expect('no series', 'aet:argumentType', 'series', @() aet.Tomography(3));
expect('memory of no series', 'aet:argumentType', 'series', @() aet.Tomography.estimateMemory(3));
expect('products that it does not have', 'aet:unsupported', 'gauss_newton_product', ...
    @() create().gaussNewtonProduct(zeros(24 ^ 3, 1), zeros(24 ^ 3, 1)));
delete(cube);
expect('a deleted volume', 'aet:staleHandle', '', @() create('Initial', cube));
end
