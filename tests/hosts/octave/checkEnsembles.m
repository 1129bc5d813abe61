function checkEnsembles()
%CHECKENSEMBLES  Means over ensembles, thicknesses, windows, PRISM, and bad input.

section('ensembles, thicknesses, windows, PRISM');
probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 15);
places = [3 4; 4.3 3.9; -1 9.5];
still = aet.Atoms([3 4 1; 4.2 4.1 3; 6 2 4.5], 'Species', [79 29 14]).withCell([8 7 6]);
atoms = still.withColumn('debye_waller_b', 0.5);
sim = simulate(atoms);
detectors = {aet.Detector('annular'), aet.Detector('centerOfMass'), ...
    aet.Detector('segmented', 'OuterMrad', 20, 'RadialBins', 2, 'AzimuthalBins', 3)};
whole = sim.scan(probe, places, detectors);

[means, errors] = sim.scanEnsemble(probe, places, detectors, 'PhononConfigurations', 3, 'PhononSeed', 5);
scans = cell(1, 3);
for number = 1:3
    scans{number} = simulate(atoms.displaced(5, number)).scan(probe, places, detectors);
end
mine = cellfun(@(a, b, c) (a + b + c) / 3, scans{:}, 'UniformOutput', false);
spread = cellfun(@(a, b, c, m) sqrt(((a - m) .^ 2 + (b - m) .^ 2 + (c - m) .^ 2) / 6), scans{:}, mine, ...
    'UniformOutput', false);
check('means of frozen phonons', apart(means, mine) < 1e-12);
check('their standard errors', apart(errors, spread) < 1e-12);
[rest, unknown] = sim.scanEnsemble(probe, places, detectors{2});
check('an ensemble of one', isequal(rest, whole{2}) && isequal(size(unknown), [2 3]) && all(isnan(unknown(:))));
blurred = sim.scanEnsemble(probe, places, detectors, 'DefocusSpread', 20, 'DefocusNodes', 2, ...
    'SemiAngleSpreadMrad', 0.5, 'SemiAngleNodes', 2);
check('a spread of the beam', apart(blurred, whole) > 1e-6 && apart(blurred, whole) < 0.1);

series = sim.thicknessSeries(probe, places, [1 3], detectors);
sizes = cellfun(@size, series, 'UniformOutput', false);
check('exits come last', isequal(sizes, {[3 2], [2 3 2], [2 3 3 2]}));
exits = {series{1}(:, 2), series{2}(:, :, 2), series{3}(:, :, :, 2)};
check('the last exit is the scan', apart(exits, whole) < 1e-12);
thin = aet.Simulation.fromPotential(sim.potential(1), [8 7], 300e3, 'Precision', 'double');
check('the first is a thin specimen', apart({series{3}(:, :, :, 1)}, {thin.scan(probe, places, detectors{3})}) < 1e-12);
check('one exit', isequal(size(sim.thicknessSeries(probe, places, 2, detectors{3})), [2 3 3]));

windowed = simulate(atoms, 'WindowRows', 16, 'WindowColumns', 20);
[narrow, relative] = windowed.windowError(probe, places, detectors);
wide = simulate(atoms, 'WindowRows', 24, 'WindowColumns', 30).windowError(probe, places, detectors);
check('a larger window costs less', wide > 0 && wide < narrow && relative > 0 && relative < 1);
padded = simulate(atoms, 'WindowRows', 16, 'WindowColumns', 20, 'PatternSampling', 'padded');
check('sizes', isequal(padded.patternSize, [32 40]) && isequal(padded.windowSize, [16 20]));
patterns = padded.patterns(probe, places);
sums = sum(sum(double(patterns), 1), 2);
check('padded patterns sum to about 1', isequal(size(patterns), [32 40 3]) && max(abs(sums(:) - 1)) < 0.05);
check('no smaller window', isequal(aet.Simulation.chooseWindow(atoms, probe, 0, 'Rows', 32, 'Columns', 40), [32 40]));
choose = @(focus) aet.Simulation.chooseWindow(atoms.withCell([100 80 6]), probe, focus, 'PixelSize', 0.25);
check('a chosen window', all(choose(0) < choose(300)) && all(choose(300) < [320 400]));

precisions = {'single', 'double'};
limits = [1e-4 1e-9];
for i = 1:2
    pair = {'Precision', precisions{i}};
    prism = simulate(atoms, pair{:}, 'PrismSemiAngleMrad', 15).scan(probe, places, detectors);
    multislice = simulate(atoms, pair{:}).scan(probe, places, detectors);
    check(['PRISM in ' precisions{i} ' precision'], apart(prism, multislice) < limits(i));
end
halves = {'PrismSemiAngleMrad', 15, 'PrismInterpolationY', 2, 'PrismInterpolationX', 2};
check('an interpolation makes windows', isequal(simulate(atoms, halves{:}).patternSize, [16 20]));
coarser = simulate(atoms, 'PrismSemiAngleMrad', 15, 'PrismDownsampling', true);
check('downsampled patterns', all(size(coarser.patterns(probe, [3 4])) < [32 40]));

unknown = 'aet:unknownOption';
everything = detectors{1};
prism = @(varargin) simulate(atoms, 'PrismSemiAngleMrad', 15, varargin{:});
strict = simulate(atoms, 'WithinCell', true);
expect('outside of the cell', 'aet:range', 'scan position 0', @() strict.scan(probe, [-1 1], detectors));
expect('PRISM in a window', 'aet:unsupported', 'window', @() prism('WindowRows', 16, 'WindowColumns', 20));
expect('padded patterns of PRISM', 'aet:unsupported', 'padded', @() prism('PatternSampling', 'padded'));
expect('interpolation 3 of 40 pixels', 'aet:range', 'divisor', @() prism('PrismInterpolationX', 3));
expect('interpolation without PRISM', 'aet:range', 'prism_semiangle_mrad', ...
    @() simulate(atoms, 'PrismInterpolationY', 2));
expect('unknown sampling', unknown, 'PatternSampling', @() simulate(atoms, 'PatternSampling', 'fine'));
ensemble = @(varargin) sim.scanEnsemble(probe, places, everything, varargin{:});
expect('spread -1', 'aet:range', 'defocus spread is -1', @() ensemble('DefocusSpread', -1));
expect('spread NaN', 'aet:range', 'semi-angle spread', @() ensemble('SemiAngleSpreadMrad', NaN));
expect('65 nodes', 'aet:range', '65', @() ensemble('DefocusSpread', 1, 'DefocusNodes', 65));
expect('-1 configurations', 'aet:range', 'phonon_configurations', @() ensemble('PhononConfigurations', -1));
expect('unknown option of an ensemble', unknown, 'Phonon', @() ensemble('Phonon', 2));
expect('an ensemble cancelled', 'aet:cancelled', '', @() ensemble('PhononConfigurations', 2, 'Progress', @(p) false));
expect('phonons of still atoms', 'aet:notReady', 'debye_waller_b', ...
    @() simulate(still).scanEnsemble(probe, places, everything, 'PhononConfigurations', 2));
expect('displaced still atoms', 'aet:notReady', 'debye_waller_b', @() still.displaced(1, 1));
expect('configuration 0', 'aet:range', 'counted from 1', @() atoms.displaced(1, 0));
expect('phonons of a potential', 'aet:unsupported', 'potential', ...
    @() thin.scanEnsemble(probe, places, everything, 'PhononConfigurations', 2));
expect('a potential cancelled', 'aet:cancelled', '', ...
    @() aet.Simulation.fromPotential(ones(32, 40, 2), [8 7], 300e3, 'Progress', @(p) false));
behind = @(numbers) sim.thicknessSeries(probe, places, numbers, everything);
expect('exits that do not rise', 'aet:range', 'exit 1', @() behind([2 2]));
expect('an exit below the specimen', 'aet:range', '1 to 3', @() behind(4));
expect('half a slice', 'aet:range', '1.5', @() behind(1.5));
expect('no exits', 'aet:empty', 'exit', @() behind([]));
expect('thicknesses by PRISM', 'aet:unsupported', 'PRISM', ...
    @() simulate(atoms, 'PrismSemiAngleMrad', 15).thicknessSeries(probe, places, [1 3], everything));
expect('no window', 'aet:unsupported', 'whole', @() sim.windowError(probe, places, everything));
expect('a window without cell', 'aet:notReady', 'cell', @() aet.Simulation.chooseWindow(atoms.withCell([]), probe));
expect('focus -1', 'aet:range', 'focus', @() aet.Simulation.chooseWindow(atoms, probe, -1));
end

function sim = simulate(atoms, varargin)
sim = aet.Simulation(atoms, 300e3, 'Rows', 32, 'Columns', 40, 'Precision', 'double', varargin{:});
end

function largest = apart(got, wanted)
% Largest difference of any signal; endless where the sizes differ.
if ~isequal(cellfun(@size, got, 'UniformOutput', false), cellfun(@size, wanted, 'UniformOutput', false))
    largest = Inf;
    return
end
largest = max(cellfun(@(g, w) max(abs(g(:) - w(:))), got, wanted));
end
