function checkSeries(scratch)
%CHECKSERIES  Simulated series: images, patterns, going on, and bad input.

section('simulated series');
still = aet.Atoms([0 0 0; 1.2 0.3 2], 'Species', [79 29]);
atoms = still.withColumn('debye_waller_b', 0.5);
probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 15);
annular = aet.Detector('annular', 'InnerMrad', 10);
turn = [0.8 0 0.6; 0 1 0; -0.6 0 0.8];
rotations = cat(3, turn, eye(3), turn');
foci = [-5 5];
options = {'PixelSize', 0.7, 'Rows', 8, 'Columns', 8, 'Vacuum', 2, 'Simulation', {'PixelSize', 0.2}, ...
    'Instrument', {'DosePerA2', 1e4, 'Seed', 3}, 'PhononConfigurations', 2, 'PhononSeed', 4};
whole = fullfile(scratch, 'whole', 'series');
cut = fullfile(scratch, 'cut', 'series');
bytes = aet.estimateSeriesMemory(atoms, probe, annular, rotations, foci, options{:});
check('bytes', bytes > 2 ^ 16 && bytes < 2 ^ 32);
seen = counter([]);
aet.simulateSeries(atoms, probe, annular, rotations, foci, whole, options{:}, 'Progress', @counter);
seen = counter([]);
check('counters', ~isempty(seen) && all([seen.tilts] == 3) && all([seen.configurations] == 2) && ...
    all([seen.probes] == 768) && isequal(unique([seen.tilt]), 1:3) && seen(end).probe == 768 && ...
    all(strcmp({seen.phase}, 'simulating')));
series = aet.TiltSeries.read(whole);
defocus = series.defocus();
check('images', isequal(size(series.images()), [8 8 6]) && isequal(defocus(1:2), foci'));
expect('cancelled', 'aet:cancelled', '', @() aet.simulateSeries(atoms, probe, annular, rotations, foci, cut, ...
    options{:}, 'Progress', @(p) p.tilt < 2));
expect('errors of the progress function', 'test:mine', 'mine', @() aet.simulateSeries(atoms, probe, annular, ...
    rotations, foci, cut, options{:}, 'Progress', @(p) error('test:mine', 'mine')));
check('what is finished is kept', exist([cut '.partial'], 'dir') == 7);
aet.simulateSeries(atoms, probe, annular, rotations, foci, cut, options{:}, 'Progress', @aet.progressBar);
again = aet.TiltSeries.read(cut);
check('the same call goes on', isequal(again.images(), series.images()));
pixelated = aet.Detector('pixelated', 'OuterMrad', 20, 'Binning', 2);
patterns = fullfile(scratch, 'patterns');
aet.simulateSeries(atoms, probe, pixelated, eye(3), 0, patterns, options{:}, 'WholeWindow', true, ...
    'DefocusSpread', 3, 'DefocusNodes', 2, 'SemiAngleSpreadMrad', 0.1, 'SemiAngleNodes', 2);
check('patterns', exist(fullfile(patterns, 'patterns.npy'), 'file') == 2);

unknown = 'aet:unknownOption';
refused = fullfile(scratch, 'refused');
run = @(detector, rotations, foci, varargin) aet.simulateSeries(atoms, probe, detector, rotations, foci, refused, ...
    options{:}, varargin{:});
expect('a folder that exists', 'aet:inconsistent', 'exists', ...
    @() aet.simulateSeries(atoms, probe, annular, rotations, foci, whole, options{:}));
expect('a mirror', 'aet:inconsistent', 'rotation of tilt 0', @() run(annular, diag([1 1 -1]), foci));
expect('no foci', 'aet:empty', 'foci', @() run(annular, rotations, []));
expect('a centre of mass', 'aet:unsupported', 'annular', @() run(aet.Detector('centerOfMass'), rotations, foci));
expect('beyond the band limit', 'aet:range', 'pixels of', ...
    @() run(aet.Detector('annular', 'OuterMrad', 99), rotations, foci));
expect('a cap', 'aet:memory', 'series', @() run(annular, rotations, foci, 'MemoryCap', 1000));
expect('unknown option', unknown, 'Dose', @() run(annular, rotations, foci, 'Dose', 3));
expect('unknown option of the simulation', unknown, 'Pixel', ...
    @() run(annular, rotations, foci, 'Simulation', {'Pixel', 3}));
expect('interpolation without PRISM', 'aet:range', 'prism_semiangle_mrad', ...
    @() run(annular, rotations, foci, 'Simulation', {'PrismInterpolationX', 2}));
expect('a struct of options', unknown, 'wanted a cell', @() run(annular, rotations, foci, 'Simulation', struct()));
expect('unknown option of the instrument', unknown, 'Dose', ...
    @() run(annular, rotations, foci, 'Instrument', {'Dose', 3}));
expect('edges of slices', 'aet:unsupported', 'slice_edges', ...
    @() run(annular, rotations, foci, 'Simulation', {'SliceEdges', [0 2 4]}));
expect('phonons of still atoms', 'aet:notReady', 'debye_waller_b', ...
    @() aet.simulateSeries(still, probe, annular, rotations, foci, refused, options{:}));
expect('a probe in place of atoms', 'aet:argumentType', 'atoms', ...
    @() aet.simulateSeries(probe, probe, annular, rotations, foci, refused));
check('nothing is left behind', ~exist(refused, 'dir') && ~exist([refused '.partial'], 'dir'));
end

function result = counter(progress)
% Keeps what it is shown; with [] it hands that out and begins anew.
persistent shown
if isempty(progress)
    result = shown;
    shown = [];
    return
end
shown = [shown progress];
result = true;
end
