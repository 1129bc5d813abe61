function varargout = bad_input(dataFolder, scratchFolder)
%BAD_INPUT  Bad input and awkward hosts, from Octave.
%   FAILED = BAD_INPUT(DATA_FOLDER, SCRATCH_FOLDER) checks that every case gives the
%   right error identifier with a text that names the argument, and that
%   nothing is lost. DATA_FOLDER is a dataset folder with true atoms whose fit
%   takes a few seconds; SCRATCH_FOLDER exists and is writable. One line per
%   check, then "N passed, N failed". FAILED is the number of checks that
%   failed; without an output argument a failure ends Octave with code 1.
%   This folder, the package aet and aet_mex must be on the path.

scratch = fullfile(scratchFolder, sprintf('bad input %d', floor(1e6 * now())));
mkdir(scratch);
tally('reset');
checks = {@checkOptions, @checkOrbitals, @checkDetectors, @checkGenerated, @checkSimulations, @checkEnsembles, ...
    @checkShapes, @checkValues, @checkAngles, @checkLog, @checkAtoms, ...
    @checkEmptySeries, @checkParameters, @checkSubsets, @checkTermsAndProducts, @() checkFiles(scratch), ...
    @() checkVolumes(scratch), @checkFinding, @checkVolumeFilters, @checkClassification, @checkLattices, ...
    @() checkAccuracy(scratch), @() checkTomography(scratch), @() checkSpecimens(scratch), ...
    @checkInstrument, ...
    @() checkSeries(scratch), @checkCallbacks, ...
    @() checkOptimizers(dataFolder), @() checkCancel(dataFolder), ...
    @checkGrowingSeries, @checkFork, @checkFreedHandles, @checkFreeOrders};
for k = 1:numel(checks)
    expect('no other error', '', '', checks{k});
end
failed = checkClearAll();
if nargout > 0
    varargout{1} = failed;
elseif failed > 0
    exit(1);
end
end

% ---- options ----

function checkOptions()
section('options');
s = arrays();
f = makeFit();
orbital = @(varargin) aet.LocalOrbital(f.series, f.probe, 'Start', f.atoms, varargin{:});
unknown = 'aet:unknownOption';
expect('option that is not there', unknown, 'PixelSize', @() makeSeries(s, 'PixlSize', 1));
expect('option without a value', unknown, 'pairs', @() makeSeries(s, 'PixelSize'));
expect('option name that is no text', unknown, 'name', @() aet.Probe(5, 5));
expect('other letter case', '', '', @() aet.Probe('energyev', 300e3, 'SEMIANGLEMRAD', 25));
expect('unknown model', unknown, 'Model', @() orbital('Model', 'stiff'));
expect('unknown loss', unknown, 'Loss', @() orbital('Loss', 'tukey'));
expect('a threshold of mse', 'aet:inconsistent', 'huber_threshold', @() orbital('Loss', 'mse', 'HuberThreshold', 1));
check('a Huber loss', orbital('Loss', 'huber', 'HuberThreshold', 0.5).record().huber_threshold == 0.5);
expect('unknown slicing', unknown, 'Slicing', @() orbital('Slicing', 'soft'));
expect('unknown mode', unknown, 'Mode', @() orbital('Mode', 'layers'));
expect('templates with hard slices', 'aet:unsupported', 'hard slices', ...
    @() orbital('Mode', 'templates', 'Slicing', 'hard'));
expect('unknown precision', unknown, 'Precision', @() orbital('Precision', 'half'));
expect('unknown sharing', unknown, 'HeightSharing', @() orbital('HeightSharing', 'all'));
expect('model that is a number', 'aet:text', 'Model', @() orbital('Model', 1));
expect('probes of 8 pixels', 'aet:range', 'probe_side', @() orbital('Model', 'adaptive', 'ProbeSide', 8));
expect('negative slices', 'aet:range', 'slice_thickness', @() orbital('SliceThickness', -4));
expect('negative width', 'aet:range', 'width_start', @() orbital('WidthStart', -0.5));
expect('width bounds crossed', 'aet:range', 'width_m', @() orbital('WidthMin', 2, 'WidthMax', 1));
expect('one byte of memory', 'aet:memory', 'bytes', @() orbital('MemoryLimit', 1));
expect('two widths to start from', 'aet:shape', 'WidthStart', @() orbital('WidthStart', [1 2]));
expect('no start', 'aet:empty', 'Start', @() aet.LocalOrbital(f.series, f.probe));
expect('rigid model without a probe', {'aet:null', 'aet:inconsistent'}, 'probe', ...
    @() aet.LocalOrbital(f.series, [], 'Start', f.atoms, 'Model', 'rigid'));
expect('series that is an array', 'aet:argumentType', 'series', ...
    @() aet.LocalOrbital(s.images, f.probe, 'Start', f.atoms));
expect('unknown path', unknown, 'Simd', @() aet.Context('Simd', 'abacus'));
expect('-1 threads', 'aet:range', 'threads', @() aet.Context('Threads', -1));
expect('half a thread', 'aet:range', 'Threads', @() aet.Context('Threads', 0.5));
expect('no energy', 'aet:range', 'energy_ev', @() aet.Probe('SemiAngleMrad', 25));
expect('semi-angle -1', 'aet:range', 'semiangle_mrad', @() aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', -1));
expect('unknown aperture', unknown, 'Aperture', ...
    @() aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25, 'Aperture', 'square'));
expect('defocus NaN', {'aet:nonFinite', 'aet:range'}, 'defocus', ...
    @() aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25, 'Defocus', NaN));
expect('-1 iterations', 'aet:range', 'max_iterations', @() f.recon.run('MaxIterations', -1));
expect('unknown optimizer', unknown, 'Optimizer', @() f.recon.run('Optimizer', 'newton'));
expect('batches of 150 %', 'aet:range', 'batch_fraction', @() f.recon.run('Optimizer', 'adam', 'BatchFraction', 1.5));
expect('batches of NaN', 'aet:range', 'batch_fraction', @() f.recon.run('Optimizer', 'adam', 'BatchFraction', NaN));
expect('a step of NaN', 'aet:range', 'adam.step', @() f.recon.setKnob('adam.step', NaN));
expect('progress that is no function', unknown, 'Progress', @() f.recon.run('Progress', 5));
expect('unknown log level', unknown, 'level', @() aet.setLog('loud'));
expect('unknown block', unknown, 'bricks', @() f.recon.block('bricks'));
expect('unknown block set', unknown, 'bricks', @() f.recon.setBlock('bricks', 1));
expect('unknown block frozen', unknown, 'bricks', @() f.recon.freeze('bricks'));
expect('unknown knob set', unknown, 'luck', @() f.recon.setKnob('luck', 1));
expect('unknown knob read', unknown, 'luck', @() f.recon.getKnob('luck'));
expect('unknown command of the gateway', unknown, 'dance', @() aet_mex('dance'));
expect('gateway without a command', unknown, 'aet', @() aet_mex());
end

% ---- arrays ----

function checkShapes()
section('shapes and classes');
s = arrays();
n = size(s.images, 3);
create = @(images, varargin) aet.TiltSeries(images, 'PixelSize', 0.5, varargin{:});
turned = @(varargin) create(s.images, 'Rotations', s.rotations, varargin{:});
expect('images with four axes', 'aet:shape', 'images', @() create(zeros(4, 4, 2, 2), 'Rotations', eye(3)));
expect('images of int8', 'aet:dtype', 'images', @() create(int8(s.images), 'Rotations', s.rotations));
expect('images of text', 'aet:dtype', 'images', @() create('images', 'Rotations', eye(3)));
expect('images in a cell', 'aet:dtype', 'images', @() create({1}, 'Rotations', eye(3)));
expect('sparse image', 'aet:dtype', 'images', @() create(sparse(eye(8)), 'Rotations', eye(3)));
expect('complex images', 'aet:dtype', 'images', @() create(complex(s.images, 1), 'Rotations', s.rotations));
expect('rotations of 2 x 3', 'aet:shape', 'rotations', @() create(s.images, 'Rotations', s.rotations(1:2, :, :)));
expect('one rotation too few', 'aet:shape', 'rotations', @() create(s.images, 'Rotations', s.rotations(:, :, 1:n - 1)));
expect('one defocus too few', 'aet:shape', 'defocus', @() turned('Defocus', s.defocus(1:n - 1)));
expect('other rows than said', 'aet:shape', '[n, 25, 20]', @() turned('Rows', 25, 'Columns', 20));
expect('drift of three components', 'aet:shape', 'drift', @() turned('Drift', zeros(n, 3)));
expect('mask of another size', 'aet:shape', 'mask', @() turned('Mask', true(24, 19, n)));
expect('tilt number 1.5', 'aet:range', 'Tilt', @() turned('Tilt', 0.5 + (1:n)));
check('tilt numbers count in rising order', isequal(turned('Tilt', 10 * (n:-1:1) - 20).tilt, (n:-1:1)'));
expect('neither rotations nor angles', {'aet:inconsistent', 'aet:null'}, 'rotations', @() create(s.images));
expect('both rotations and angles', 'aet:inconsistent', 'angles_deg', @() turned('AnglesDeg', zeros(n, 3)));
checkHostOrder(s);

f = makeFit();
expect('appended image with a row too few', 'aet:shape', 'images', ...
    @() f.series.appendTilt(zeros(23, 20), 'Rotations', eye(3)));
check('nothing appended', f.series.tiltCount == 6);
expect('tilt that is not there', 'aet:range', 'got 7, wanted 1 to 6', @() f.series.excludeTilt(7));
expect('tilt zero', 'aet:range', 'got 0, wanted 1 to 6', @() f.series.excludeTilt(0));
expect('tilt zero replaced', 'aet:range', 'got 0, wanted 1 to 6', ...
    @() f.series.replaceTilt(0, zeros(24, 20), 'Rotations', eye(3)));
check('no version more', f.series.version == 1);
end

function checkHostOrder(s)
% Every class arrives with its axes in the order of the host.
whole = round(100 * s.images);
for class = {'double', 'single', 'uint8', 'uint16', 'uint32', 'int16', 'int32'}
    series = aet.TiltSeries(cast(whole, class{1}), 'Rotations', s.rotations, 'PixelSize', 0.5);
    check(['images of ' class{1} ' come back'], isequal(series.images, whole));
end
check('as single', isequal(series.images('single'), single(whole)));
difference = series.rotations - s.rotations;
check('rotations come back', max(abs(difference(:))) < 1e-12);
mask = whole(:, :, 1) > 5;
series = makeSeries(s, 'Mask', mask, 'Section', repmat([1 2], 1, 6), 'Drift', [s.defocus' -s.defocus']);
check('one mask for all images', isequal(series.mask, repmat(mask, [1 1 12])));
check('indices count from 1', isequal(series.tilt, s.tilt') && isequal(series.section, repmat([1; 2], 6, 1)));
check('drift comes back', isequal(series.drift, [s.defocus' -s.defocus']));
check('defocus comes back', isequal(series.defocus, s.defocus'));
end

function checkValues()
section('values');
good = arrays();
s = good; s.images(13, 7, 8) = NaN;
expect('NaN pixel', 'aet:nonFinite', 'images', @() makeSeries(s));
s = good; s.images(1) = Inf;
expect('infinite pixel', 'aet:nonFinite', 'images', @() makeSeries(s));
s = good; s.images(5) = -Inf;
expect('infinite pixel of single', 'aet:nonFinite', 'images', @() makeSeries(setfield(s, 'images', single(s.images))));
s = good; s.defocus(4) = NaN;
expect('NaN defocus', 'aet:nonFinite', 'defocus', @() makeSeries(s));
s = good; s.rotations(1, 1, 2) = 1.5;
expect('matrix that is no rotation', 'aet:inconsistent', 'rotation', @() makeSeries(s));
s = good; s.rotations(2, 2, 1) = -1;
expect('reflection', 'aet:inconsistent', 'determinant', @() makeSeries(s));
s = good; s.rotations(1) = NaN;
expect('NaN in a rotation', 'aet:nonFinite', 'rotation', @() makeSeries(s));
for pixelSize = [0, -0.5, NaN]
    s = good; s.pixelSize = pixelSize;
    expect(sprintf('pixel size %g', pixelSize), {'aet:range', 'aet:nonFinite'}, 'pixel_size', @() makeSeries(s));
end
expect('unknown unit of length', 'aet:unknownOption', 'LengthUnit', @() makeSeries(good, 'LengthUnit', 'inch'));
end

% ---- angles, log ----

function checkAngles()
section('angles');
s = arrays();
create = @(varargin) aet.TiltSeries(s.images, 'PixelSize', 0.5, varargin{:});
radians = [zeros(12, 1), (s.tilt' - 3.5) * 0.4, zeros(12, 1)];
heard = listen();
expect('angles in radians', '', '', @() create('AnglesDeg', radians));
check('a warning says so', aboutRadians(heard) == 1);
expect('angles in degrees', '', '', @() create('AnglesDeg', radians * 180 / pi));
check('no warning', aboutRadians(heard) == 1);
aet.setLog('warning');
lastwarn('', '');
before = warning('off', 'aet:log');
expect('radians without a log function', '', '', @() create('AnglesDeg', radians));
warning(before);
aet.setLog('off');
lastwarn('', '');
expect('radians with the log off', '', '', @() create('AnglesDeg', radians));
check('nothing said', isempty(lastwarn()));
aet.setLog('warning');
unknown = 'aet:unknownOption';
expect('unknown order', unknown, 'AngleOrder', @() create('AnglesDeg', radians, 'AngleOrder', 'zzz'));
expect('unknown axis', unknown, 'TiltAxis', @() create('AnglesDeg', radians, 'TiltAxis', 'z'));
expect('one angle per image and no axis', 'aet:shape', 'tilt_axis', ...
    @() create('AnglesDeg', radians(:, 2) * 180 / pi));
expect('one angle per image about y', '', '', ...
    @() create('AnglesDeg', radians(:, 2)' * 180 / pi, 'TiltAxis', 'y'));
end

function heard = listen()
heard = containers.Map({'texts'}, {{}});
aet.setLog('warning', @(level, text) keep(heard, level, text));
end

function keep(heard, level, text)
heard('texts') = [heard('texts'), {[level ': ' text]}];
end

function count = aboutRadians(heard)
count = sum(~cellfun(@isempty, regexp(heard('texts'), '^warning: .*radian', 'once')));
end

function checkLog()
section('log');
s = arrays();
radians = [zeros(12, 1), (s.tilt' - 3.5) * 0.4, zeros(12, 1)];
create = @() aet.TiltSeries(s.images, 'PixelSize', 0.5, 'AnglesDeg', radians);
aet.setLog('warning', @(level, text) error('test:sink', 'the sink is full'));
lastwarn('', '');
before = warning('off', 'aet:log');
expect('error in the log function', '', '', create);
expect('and the series is made', '', '', @() create().images);
warning(before);
expect('log function that is none', 'aet:unknownOption', 'sink', @() aet.setLog('warning', 'file'));
aet.setLog('warning');
end

% ---- atoms ----

function checkAtoms()
section('atoms');
f = makeFit();
expect('positions in a plane', 'aet:shape', 'positions', @() aet.Atoms(zeros(3, 2)));
expect('positions with three axes', 'aet:shape', 'positions', @() aet.Atoms(zeros(3, 3, 3)));
expect('NaN position', 'aet:nonFinite', 'positions', @() aet.Atoms([0 0 0; 1 NaN 0]));
expect('three heights of two atoms', 'aet:shape', 'heights', @() aet.Atoms(eye(2, 3), 'Height', [1 2 3]));
expect('half an atomic number', 'aet:range', 'Species', @() aet.Atoms(eye(2, 3), 'Species', [14 14.5]));
atoms = aet.Atoms(single(eye(2, 3)), 'Species', 14, 'Width', [0.5; 0.6]);
check('one species for all', isequal(atoms.species, [14; 14]) && isequal(atoms.positions, eye(2, 3)));
check('what is not known is NaN', all(isnan(atoms.standardError(:))));
orbital = @(start) aet.LocalOrbital(f.series, f.probe, 'Start', start, 'Model', 'rigid');
expect('no atoms', 'aet:empty', 'atoms', @() orbital(aet.Atoms(zeros(0, 3))));
expect('atoms outside every image', {'aet:inconsistent', 'aet:range'}, 'outside', @() orbital(truePositions() + 1000));
expect('start that is text', 'aet:argumentType', 'Start', @() orbital('grid'));
expect('truth that is an array', 'aet:argumentType', 'truth', @() f.atoms.compare(truePositions()));
expect('negative cutoff', 'aet:range', 'cutoff', @() f.atoms.compare(f.atoms, 'Cutoff', -1));
end

function checkEmptySeries()
section('a series without images');
f = makeFit();
expect('without a shape', {'aet:range', 'aet:shape'}, 'rows', @() aet.TiltSeries([], 'PixelSize', 0.5));
series = aet.TiltSeries([], 'PixelSize', 0.5, 'Rows', 24, 'Columns', 20);
check('with a shape', series.rows == 24 && series.imageCount == 0 && isempty(series.images));
expect('run', 'aet:notReady', 'images', @() runOn(series, f));
check('first tilt appended', series.appendTilt(zeros(24, 20), 'Rotations', eye(3)) == 1 && series.tiltCount == 1);
end

function runOn(series, f)
recon = aet.LocalOrbital(series, f.probe, 'Start', f.atoms, 'Model', 'rigid');
recon.run();
end

% ---- parameters ----

function checkParameters()
section('parameters');
f = makeFit();
recon = f.recon;
x = recon.parameters;
expect('one parameter too many', 'aet:staleParameters', 'parameters', @() recon.lossAndGradient([x; 0]));
expect('one too few', 'aet:staleParameters', 'parameters', @() recon.lossAndGradient(x(2:end)));
expect('one too few set', 'aet:staleParameters', 'parameters', @() setParameters(recon, x(2:end)));
expect('one too few to predict', 'aet:staleParameters', 'parameters', @() recon.predict(x(2:end)));
expect('NaN parameter', 'aet:nonFinite', 'x', @() recon.lossAndGradient([NaN; x(2:end)]));
expect('NaN parameter set', 'aet:nonFinite', 'x', @() setParameters(recon, [NaN; x(2:end)]));
expect('complex parameters', 'aet:dtype', 'x', @() recon.lossAndGradient(complex(x, 1)));
expect('widths outside their bounds', 'aet:range', 'widths', @() recon.setBlock('widths', -1));
expect('positions with a row too few', 'aet:shape', '', @() recon.setBlock('positions', zeros(4, 3)));
expect('residuals of another size', 'aet:shape', 'residuals', @() recon.pullBack(x, zeros(24, 19, 12)));
check('nothing has changed', isequal(recon.parameters, x) && recon.generation == 1);
check('a row serves as well as a column', recon.lossAndGradient(x') == recon.lossAndGradient(x));
generation = recon.generation;
recon.freeze('widths');
check('freezing a block raises the generation', recon.generation > generation);
expect('parameters of before', 'aet:staleParameters', 'parameters', @() recon.lossAndGradient(x));
recon.freeze('widths', false);
check('thawing it', numel(recon.parameters) == numel(x));
positions = recon.block('positions');
recon.setBlock('positions', positions + 0.01);
check('block set', max(max(abs(recon.block('positions') - positions - 0.01))) < 1e-12);
end

function setParameters(recon, x)
recon.parameters = x;
end

function checkSubsets()
section('subsets of images');
f = makeFit();
recon = f.recon;
x = recon.parameters;
[loss, gradient, each] = recon.lossAndGradient(x);
check('one loss per image', numel(each) == 12);
check('the loss is their mean', abs(mean(each) - loss) <= 1e-12 * loss);
parts = 0;
for first = 1:4
    subset = first:4:12;
    [part, partGradient, partEach] = recon.lossAndGradient(x, subset);
    check(sprintf('subset %d', first), isequal(partEach, each(subset)) && abs(part - mean(partEach)) <= 1e-12 * part);
    parts = parts + partGradient / 4;
end
check('gradients of subsets add up', norm(parts - gradient) <= 1e-10 * norm(gradient));
calculated = recon.predict(x, [3 5]);
all12 = recon.predict(x);
check('predicted images of a subset', isequal(calculated, all12(:, :, [3 5])));
residuals = (all12 - f.series.images) / numel(all12);
check('pull back of the residuals is the gradient', ...
    norm(recon.pullBack(x, residuals) - gradient) <= 1e-8 * norm(gradient));
expect('image that is not there', 'aet:range', 'got 13, wanted 1 to 12', @() recon.lossAndGradient(x, 13));
expect('image zero', 'aet:range', 'got 0, wanted 1 to 12', @() recon.predict(x, 0));
expect('image named twice', 'aet:inconsistent', 'named twice', @() recon.lossAndGradient(x, [2 2]));
expect('half an image', 'aet:range', 'images', @() recon.lossAndGradient(x, 1.5));
f.series.excludeTilt(2);
recon.step();
[~, ~, each] = recon.lossAndGradient(recon.parameters);
check('a tilt excluded', numel(each) == 10 && size(recon.predict(), 3) == 10);
check('R factors of excluded images are NaN', isequal(find(isnan(recon.rFactors))', [3 4]));
of_images = recon.rFactorTable();
check('R factors with their images', isequaln(of_images.column('r_factor'), recon.rFactors) ...
    && isequal(of_images.column('tilt'), f.series.tilt));
rotations = f.series.rotations;
check('average depth', norm(f.series.depthAxis - squeeze(mean(rotations(3, :, [1 2 5:end]), 3))') < 1e-9);
end

% ---- second order, terms ----

function checkTermsAndProducts()
section('second order, terms');
f = makeFit();
recon = f.recon;
x = recon.parameters;
before = lossOf(recon);
direction = 0.01 * ones(size(x));
change = recon.pushForward(x, direction);
product = recon.gaussNewtonProduct(x, direction);
check('the product is J''J', abs(direction' * product / mean(change(:) .^ 2) - 1) < 1e-12);
check('the diagonal is positive', all(recon.gaussNewtonDiagonal(x, [], 3) > 0));
expect('short direction', 'aet:shape', 'direction', @() recon.pushForward(x, direction(2:end)));
expect('NaN direction', 'aet:nonFinite', 'direction', @() recon.gaussNewtonProduct(x, NaN * x));
expect('negative probes', 'aet:range', 'probes', @() recon.gaussNewtonDiagonal(x, [], -1));
expect('generation to come', 'aet:range', 'generation', @() recon.indexMap(7));
recon.freeze('widths');
map = recon.indexMap(1);
check('indices follow a frozen block', map(1) == 1 && map(end) == numel(x) && numel(map) < numel(x));
recon.freeze('widths', false);
expect('term on no block', 'aet:unknownOption', 'colours', @() recon.addTerm('colours', 1, @squares));
expect('term that is no function', 'aet:unknownOption', 'function handle', @() recon.addTerm('heights', 1, 7));
recon.addTerm('positions', 0.5, @squares);
positions = recon.block('positions');
[loss, gradient] = recon.lossAndGradient(x);
check('a term adds to the loss', abs(loss - before - sum(positions(:) .^ 2) / 4) < 1e-9);
recon.clearTerms();
[~, plain] = recon.lossAndGradient(x);
check('and to the gradient', abs(gradient(2) - plain(2) - x(2) / 2) < 1e-9);
recon.addTerm('heights', 1, @(h) error('test:term', 'from the term'));
expect('error in a term', 'test:term', 'from the term', @() recon.lossAndGradient(x));
expect('error in a term of a run', 'test:term', 'from the term', @() recon.run());
recon.clearTerms();
recon.addTerm('heights', 1, @(h) deal(NaN, h));
expect('NaN loss of a term', 'aet:callback', 'heights', @() recon.step());
recon.clearTerms();
recon.addTerm('heights', 1, @(h) deal(1, h(1)));
expect('short gradient of a term', 'aet:callback', 'gradient', @() recon.step());
recon.clearTerms();
recon.setProjection(@flattened);
recon.step();
check('a projection acts', recon.parameters(3) == 0.25);
recon.setProjection(@(x) error('test:projection', 'from the projection'));
expect('error in a projection', 'test:projection', 'from the projection', @() recon.step());
recon.setProjection([]);
check('it works after all that', ischar(recon.step()));
errors = recon.estimateErrors('Noise', 'residual');
bars = errors.atoms.standardError;
check('error bars', isequal(size(bars), [5 3]) && all(bars(:) > 0) && errors.undetermined == 0);
check('and what they predict', abs(errors.predictedRmsdPm - 100 * sqrt(mean(sum(bars .^ 2, 2)))) < 1e-9);
check('the method is told', strcmp(errors.method, 'dense') && numel(errors.heightErrors) == 5);
expect('noise that is not known', 'aet:notReady', 'counts_per_unit', @() recon.estimateErrors('Noise', 'counts'));
expect('another method', 'aet:unknownOption', 'local', @() recon.estimateErrors('Method', 'guess'));
expect('negative radius', 'aet:range', 'radius', @() recon.estimateErrors('Radius', -1));
ofBackground = recon.blockErrors('background', 'Noise', 'residual');
check('errors of a block', isequal(size(ofBackground), size(recon.block('background'))) && all(ofBackground > 0));
ofTwo = recon.blockErrors('positions', 'Rows', [2 1], 'Noise', 'residual');
check('and of two atoms', isequal(size(ofTwo), [2 3]) && all(ofTwo(:) > 0));
expect('and of none', 'aet:range', 'Rows', @() recon.blockErrors('positions', 'Rows', 6));
expect('errors of a frozen block', 'aet:notReady', 'frozen', @() recon.blockErrors('scale'));
expect('another noise', 'aet:unknownOption', 'residual', @() recon.blockErrors('background', 'Noise', 'guess'));
expect('error in progress of errors', 'test:broken', 'broken', ...
    @() recon.estimateErrors('Progress', @(p) error('test:broken', 'broken')));
end

function [loss, gradient] = squares(values)
loss = sum(values(:) .^ 2) / 2;
gradient = values;
end

function x = flattened(x)
x(3) = 0.25;
end

% ---- callbacks ----

function checkCallbacks()
section('progress functions');
f = makeFit();
recon = f.recon;
endless = {'LossTolerance', 1e-300, 'GradientTolerance', 1e-300};
run = @(progress) recon.run('MaxIterations', 20, endless{:}, 'Progress', progress);
before = lossOf(recon);
expect('error in the function', 'test:broken', 'broken', ...
    @() run(@(p) error('test:broken', 'broken at %d', p.iteration)));
check('and the best state is kept', lossOf(recon) < before);
expect('error without an identifier', '', '', @() expectText(run, @(p) error('no identifier'), 'no identifier'));
expect('answer that is text', 'aet:callback', 'true or false', @() run(@(p) 'yes'));
expect('function of no argument', 'Octave:invalid-fun-call', 'called with too many inputs', @() run(@() true));
expect('run within the run', 'aet:busy', '', @() run(@(p) ~isempty(recon.run())));
expect('step within the run', 'aet:busy', '', @() run(@(p) ~isempty(recon.step())));
expect('parameters set within the run', 'aet:busy', '', @() run(@(p) setWithin(recon)));
expect('the run goes on to work', '', '', @() run(@(p) true));
caught = containers.Map({'id', 'iterations'}, {'', 0});
outcome = run(@(p) tryToRun(recon, caught));
check('a refused inner run does not harm the outer one', ...
    strcmp(caught('id'), 'aet:busy') && ~strcmp(outcome, 'cancelled'));
snapshotIsTaken = @(p) recon.snapshot().iteration == p.iteration && recon.snapshot().loss == p.loss;
recon.setBlock('positions', recon.block('positions') + 0.1);
check('snapshot within the run', ~strcmp(run(snapshotIsTaken), 'cancelled'));
first = containers.Map({'fraction'}, {NaN});
run(@(p) keepFirst(first, p));
check('a further run begins at its own beginning', first('fraction') <= 0.1);
for k = 1:5
    run(@(p) true);   % to the minimum
end
check('a stop at the minimum counts', strcmp(run(@(p) false), 'cancelled'));
check('a stop in the last iteration, too', strcmp(recon.run('MaxIterations', 1, 'Progress', @(p) false), 'cancelled'));
other = makeFit();
expect('another run within the run', '', '', @() run(@(p) ~isempty(other.recon.run('MaxIterations', 1))));
doomed = makeFit();
expect('reconstruction deleted within its run', '', '', @() deletedWithin(doomed.recon));
expect('and used afterwards', 'aet:staleHandle', 'reconstruction', @() doomed.recon.generation);
folder = tempname();
expect('error while reading', {'test:broken', 'aet:file'}, '', ...
    @() aet.TiltSeries.read(folder, '', 'Progress', @(p) error('test:broken', 'broken')));
end

function expectText(run, progress, wanted)
try
    run(progress);
catch failure
    if ~isempty(strfind(failure.message, wanted))
        return
    end
    rethrow(failure);
end
error('test:nothing', 'no error');
end

function goOn = tryToRun(recon, caught)
goOn = true;
try
    recon.run();
catch failure
    caught('id') = failure.identifier;
end
end

function goOn = keepFirst(first, progress)
goOn = true;
if isnan(first('fraction'))
    first('fraction') = progress.fraction;
end
end

function goOn = setWithin(recon)
recon.parameters = recon.snapshot().atoms.x;
goOn = true;
end

function deletedWithin(recon)
recon.run('MaxIterations', 3, 'Progress', @(p) isempty(delete_(recon)));
end

function nothing = delete_(recon)
delete(recon);
nothing = [];
end

function checkOptimizers(dataFolder)
% Every optimiser comes as near to the loss of L-BFGS as stated, relative to the fall from the start.
section('optimisers');
series = aet.TiltSeries.read(dataFolder, '');
truth = aet.TiltSeries.readAtoms(dataFolder, 'truth');
create = @() aet.LocalOrbital(series, [], 'Start', truth.positions + 0.1, 'Model', 'direct');
rules = {'MaxIterations', 200, 'LossTolerance', 1e-12};
reference = create();
first = lossOf(reference);
reference.run(rules{:});
lowest = lossOf(reference);
cases = {'lbfgs', 1e-12; 'gradientDescent', 1e-3; 'adam', 2e-2; 'conjugateGradient', 1e-5; 'levenbergMarquardt', 1e-5};
for k = 1:size(cases, 1)
    recon = create();
    recon.run(rules{:}, 'Optimizer', cases{k, 1}, 'Seed', 3, 'BatchFraction', 0.2);
    excess = (lossOf(recon) - lowest) / (first - lowest);
    check(sprintf('%s: %.1e above L-BFGS', cases{k, 1}, excess), excess < cases{k, 2});
end
history = recon.history();
check('the history names the optimizer', all(history.optimizer == 5));
end

function checkCancel(dataFolder)
section('cancelled runs');
context = aet.Context();
series = aet.TiltSeries.read(dataFolder, '', 'Context', context);
truth = aet.TiltSeries.readAtoms(dataFolder, 'truth');
probe = aet.Probe('EnergyEv', series.energyEv, 'SemiAngleMrad', series.semiAngleMrad);
recon = aet.LocalOrbital(series, probe, 'Start', truth.positions + 0.1, 'Model', 'rigid', 'Context', context);
endless = {'MaxIterations', 10000, 'LossTolerance', 1e-300, 'GradientTolerance', 1e-300};
before = lossOf(recon);
clock = containers.Map({'at', 'calls'}, {0, 0});
outcome = recon.run(endless{:}, 'Progress', @(p) stopAt(clock, p, 3, @() false));
check('by the progress function', strcmp(outcome, 'cancelled') && toc(clock('at')) < 1);
check('the best state is kept', lossOf(recon) < before);
outcome = recon.run(endless{:}, 'Progress', @(p) stopAt(clock, p, 3, @() isempty(cancel(context))));
check('by the context', strcmp(outcome, 'cancelled') && toc(clock('at')) < 1);
kept = lossOf(recon);
outcome = recon.run('MaxIterations', 1);
check('and it goes on from there', ~strcmp(outcome, 'cancelled') && lossOf(recon) <= kept);
started = tic();
outcome = recon.run(endless{:}, 'MaxSeconds', 0.5);
check('time limit', strcmp(outcome, 'timeLimit') && toc(started) < 1.5);
expect('while reading', 'aet:cancelled', '', @() aet.TiltSeries.read(dataFolder, '', 'Progress', @(p) false));
end

function goOn = stopAt(clock, progress, iteration, answer)
clock('calls') = clock('calls') + 1;
goOn = true;
if progress.iteration >= iteration || clock('calls') > 20
    if ~isa(clock('at'), 'uint64')
        clock('at') = tic();
    end
    goOn = answer();
end
if ~goOn
    clock('at') = tic();
end
end

function nothing = cancel(context)
context.requestCancel();
nothing = [];
end

function checkGrowingSeries()
section('a series that changes during a run');
f = makeFit();
s = arrays();
version = f.series.version;
done = containers.Map({'done'}, {false});
f.recon.run('MaxIterations', 15, 'LossTolerance', 1e-300, 'GradientTolerance', 1e-300, ...
    'Progress', @(p) change(f.series, s, p, done));
check('append, replace, exclude', done('done') && f.series.version == version + 3 && f.series.tiltCount == 7);
versions = f.recon.history.datasetVersion;
check('the history tells when they were taken up', versions(1) == version && versions(end) == version + 3);
check('the new images are fitted', numel(f.recon.rFactors) == 14);
end

function goOn = change(series, s, progress, done)
goOn = true;
if done('done') || progress.iteration < 2
    return
end
tilted = {'Rotations', s.rotations(:, :, 1), 'Defocus', [0 10]};
series.appendTilt(s.images(:, :, 1:2), tilted{:});
series.replaceTilt(1, s.images(:, :, 1:2), tilted{:});
series.excludeTilt(2);
done('done') = true;
end

% ---- fork ----

function checkFork()
section('a fork');
f = makeFit();
loss = lossOf(f.recon);
fflush(stdout);
child = fork();
if child == 0
    exit(inChild(f, loss));   % the handles of the parent are freed on the way
end
[~, status] = waitpid(child);
check('refused in the child, where a new context works', WIFEXITED(status) && WEXITSTATUS(status) == 3);
check('nothing happened to the parent', lossOf(f.recon) == loss);
end

function code = inChild(f, loss)
% 1 for a refusal with text, 2 for the right loss with a context of its own.
code = 0;
try
    f.recon.run();
catch failure
    code = strcmp(failure.identifier, 'aet:forked') && ~isempty(failure.message);
end
own = makeFit();
code = code + 2 * (lossOf(own.recon) == loss);
end

% ---- handles ----

function checkFreedHandles()
section('freed handles');
f = makeFit();
delete(f.recon);
delete(f.recon);
expect('reconstruction', 'aet:staleHandle', 'reconstruction', @() f.recon.parameters);
delete(f.atoms);
expect('atoms', 'aet:staleHandle', 'atom list', @() f.atoms.positions);
expect('atoms to start from', 'aet:staleHandle', 'atom list', ...
    @() aet.LocalOrbital(f.series, f.probe, 'Start', f.atoms));
delete(f.probe);
expect('probe', 'aet:staleHandle', 'probe', @() f.probe.wave([8 8], 'PixelSize', 1));
delete(f.series);
expect('series', 'aet:staleHandle', 'tilt series', @() f.series.images);
expect('series appended to', 'aet:staleHandle', 'tilt series', @() f.series.appendTilt(1, 'Rotations', eye(3)));
delete(f.context);
expect('context', 'aet:staleHandle', 'context', @() f.context.threads);
expect('object that was never made', 'aet:staleHandle', 'tilt series', @() aet.TiltSeries().rows);
probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25);
expect('key of another kind', 'aet:staleHandle', 'tilt series', @() aet_mex('dataset_rows', probe.key));
expect('key that is no key', 'aet:staleHandle', 'handle', @() aet_mex('dataset_rows', 1));
expect('key missing', 'aet:null', 'argument 1', @() aet_mex('dataset_rows'));
shared = aet.Context.shared();
delete(shared);
expect('the shared context deleted: a new one', '', '', @() makeSeries(arrays()).images);
end

function checkFreeOrders()
section('freeing');
names = {'context', 'series', 'probe', 'atoms', 'recon'};
f = makeFit();
loss = lossOf(f.recon);
snapshot = f.recon.snapshot();
clear f
check('atoms of a snapshot outlive all', snapshot.atoms.count == 5);
orders = perms(1:5);
holds = true;
for k = 1:size(orders, 1)
    f = makeFit();
    for which = orders(k, :)
        delete(f.(names{which}));
        if which == 5
            break
        end
        holds = holds && lossOf(f.recon) == loss;
    end
    for which = orders(k, :)
        delete(f.(names{which}));
    end
end
check('every order of five handles', holds && size(orders, 1) == 120);
end

function failed = checkClearAll()
% Last, for it also forgets the counts of the checks.
section('clear all');
counts = tally('none');
evalin('base', 'aetSeries = aet.TiltSeries(ones(4, 4), ''Rotations'', eye(3), ''PixelSize'', 1);');
evalin('base', 'aetAtoms = aet.Atoms(eye(3)); aetShared = aet.Context.shared();');
locked = mislocked('aet_mex');
evalin('base', 'clear all');
freed = ~mislocked('aet_mex');
works = ~isempty(aet.version());
counts = counts + [locked, ~locked] + [freed, ~freed] + [works, ~works];
words = {'FAIL ', 'ok   '};
printf('%s the gateway is locked while objects live\n', words{locked + 1});
printf('%s clear all frees them\n', words{freed + 1});
printf('%s and the library still works\n', words{works + 1});
printf('%d passed, %d failed\n', counts);
failed = counts(2);
end
