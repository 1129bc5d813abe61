function checkSimulations()
%CHECKSIMULATIONS  Simulations: waves, scans, patterns, gradients, and bad input.

section('simulations');
options = {'Rows', 32, 'Columns', 40, 'Precision', 'double'};
probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 15);
places = [3 4; 4.3 3.9; -1 9.5];
sim = aet.Simulation(threeAtoms(0), 300e3, options{:});
check('what it is', isequal(sim.gridSize, [32 40]) && sim.sliceCount == 3 && sim.atomCount == 3);
check('pixels', max(abs(sim.pixelSize - [7 / 32, 0.2])) < 1e-12 && sim.wavelength == probe.wavelength);
check('bytes', isequal(sim.memory, aet.Simulation.estimateMemory(threeAtoms(0), 300e3, options{:})));
detectors = {aet.Detector('annular'), aet.Detector('centerOfMass'), ...
    aet.Detector('segmented', 'OuterMrad', 20, 'RadialBins', 2, 'AzimuthalBins', 3)};
signals = sim.scan(probe, places, detectors);
check('axes of signals', isequal(cellfun(@size, signals, 'UniformOutput', false), {[3 1], [2 3], [2 3 3]}));
check('one detector', isequal(sim.scan(probe, places, detectors{3}), signals{3}));
patterns = sim.patterns(probe, places);
sums = squeeze(sum(sum(double(patterns), 1), 2));
check('patterns', isequal(size(patterns), [32 40 3]) && max(abs(sums - signals{1})) < 1e-6);
steps = 1e3 * sim.wavelength ./ [7 8];
measured = detectors{3}.measure(patterns, steps(1), 'ColumnStepMrad', steps(2));
check('measured patterns give the same signals', max(abs(measured(:) - signals{3}(:))) < 1e-7);
[psi, first] = sim.probeExitWave(probe, [3 4]);
check('a wave', isequal(first, [1 1]) && abs(sum(abs(psi(:)) .^ 2) * numel(psi) - signals{1}(1)) < 1e-12);
check('plane waves', isequal(sim.exitWave(), sim.exitWave(ones(32, 40), 3)));
potential = cat(3, sim.potential(1), sim.potential(2), sim.potential(3));
given = aet.Simulation.fromPotential(potential, [8 7], 300e3, 'Precision', 'double');
difference = given.scan(probe, places, detectors{2}) - signals{2};
check('of a potential', max(abs(difference(:))) < 1e-12);
windowed = aet.Simulation(threeAtoms(0), 300e3, options{:}, 'WindowRows', 16, 'WindowColumns', 20);
check('a window', isequal(windowed.windowSize, [16 20]) && isequal(size(windowed.patterns(probe, [0 0])), [16 20]));

weights = {[1; 2; -1], ones(2, 3), 0.3 * ones(2, 3, 3)};
loss = @(shift) total(weights, aet.Simulation(threeAtoms(shift), 300e3, options{:}).scan(probe, places, detectors));
wanted = {'positions', 'potential', 'atomPositions', 'debyeWallerB', 'occupancy'};
g = sim.pullBack(probe, places, detectors, weights, wanted);
sizes = {size(g.positions), size(g.potential), size(g.atomPositions), size(g.debyeWallerB), size(g.occupancy)};
check('sizes of gradients', isequal(sizes, {[3 2], [32 40 3], [3 3], [3 1], [3 1]}));
slope = (loss(1e-4) - loss(-1e-4)) / 2e-4;
check('finite difference', abs(g.atomPositions(1, 1) / slope - 1) < 1e-6);
single = sim.pullBack(probe, places, detectors{2}, ones(2, 3), 'positions');
check('of one detector', isequal(fieldnames(single), {'positions'}));

unknown = 'aet:unknownOption';
whole = detectors{1};
expect('no cell', 'aet:notReady', 'cell', @() aet.Simulation(threeAtoms(0).withCell([]), 300e3));
expect('no energy', 'aet:range', 'energy', @() aet.Simulation(threeAtoms(0), 0));
expect('unknown option of a simulation', unknown, 'Pixels', @() aet.Simulation(threeAtoms(0), 300e3, 'Pixels', 3));
expect('unknown projection', unknown, 'Projection', @() aet.Simulation(threeAtoms(0), 300e3, 'Projection', 'half'));
expect('a simulation cancelled', 'aet:cancelled', '', ...
    @() aet.Simulation(threeAtoms(0), 300e3, 'Progress', @(p) false));
expect('rows of a potential', 'aet:range', 'rows', ...
    @() aet.Simulation.fromPotential(ones(4, 4, 2), [8 8], 300e3, 'Rows', 4, 'Columns', 4));
other = aet.Probe('EnergyEv', 200e3, 'SemiAngleMrad', 15);
expect('another energy', 'aet:inconsistent', '200000', @() sim.scan(other, places, whole));
expect('no detectors', 'aet:empty', 'detectors', @() sim.scan(probe, places, {}));
expect('three coordinates', 'aet:shape', 'positions', @() sim.scan(probe, zeros(2, 3), whole));
expect('a place that is none', 'aet:nonFinite', 'position 0', @() sim.scan(probe, [NaN 0], whole));
expect('a scan cancelled', 'aet:cancelled', '', @() sim.scan(probe, places, whole, 'Progress', @(p) false));
expect('beyond the band limit', 'aet:range', 'at most', @() sim.signalSize(aet.Detector('annular', 'OuterMrad', 99)));
expect('slice 4', 'aet:range', '1 to 3', @() sim.potential(4));
expect('dL/dsignals too short', 'aet:shape', 'bySignal', @() sim.pullBack(probe, places, whole, [1; 2], 'positions'));
expect('unknown gradient', unknown, 'angles', @() sim.pullBack(probe, places, whole, [1; 2; 3], 'angles'));
expect('atoms of a potential', 'aet:unsupported', 'atoms', ...
    @() given.pullBack(probe, places, whole, [1; 2; 3], 'atomPositions'));
expect('a wave through windows', 'aet:unsupported', 'window', @() windowed.exitWave());
delete(sim);
expect('deleted simulation', 'aet:staleHandle', 'simulation', @() sim.scan(probe, places, whole));
end

function atoms = threeAtoms(shift)
atoms = aet.Atoms([3 + shift, 4, 1; 4.2 4.1 3; 6 2 4.5], 'Species', [79 29 14]);
atoms = atoms.withColumn('debye_waller_b', 0.5).withCell([8 7 6]);
end

function value = total(weights, signals)
value = sum(cellfun(@(w, s) sum(w(:) .* s(:)), weights, signals));
end
