function checkFinding()
%CHECKFINDING  The search for atoms: species, starts, supports, what it records.

section('search for atoms');
f = makeFit();
search = @(varargin) f.series.findAtoms([], 'Start', f.atoms, 'MaxCycles', 2, 'FitIterations', 15, varargin{:});
[found, traced, cycles, orbital] = search('Elements', [14 79], 'Free', {'drift', 'scale'}, 'Isolation', Inf, 'Split', Inf);
check('all atoms of the start', found.count == f.atoms.count && all(ismember(found.species, [14 79])));
check('the start is handed back', isequal(traced.positions, f.atoms.positions));
check('a row per fit', any(cycles.rows == [1 2]) && all(cycles.column('atoms') == f.atoms.count));
r = cycles.column('r_factor');
check('fits lower the R factor', r(end) > 0 && r(end) < cycles.values.r_factor_traced);
check('direct without a probe', cycles.values.model == 0 && cycles.values.moved == 1);
check('the atoms have a shape', orbital.termCount > 0 && all(orbital.terms(:, 1) > 0));
slater = aet.Orbital.slater();
[~, ~, cycles, orbital] = f.series.findAtoms(f.probe, 'Start', f.atoms, 'MaxCycles', 2, 'FitIterations', 15, ...
    'Model', 'rigid', 'Orbital', slater, 'KeepModel', true, 'KeepOrbital', true, 'HoldOut', 0);
check('model and orbital are kept', cycles.values.model == 1 && isequal(orbital.terms, slater.terms));
[found, ~, cycles, ~, decisions] = f.series.findAtoms([], 'FirstGuess', 'grid', 'GridSpacing', 1, 'MaxCycles', 1);
check('a grid and what became of it', found.count > 0 && cycles.rows == 3 && any(decisions.column('kind') == 4));
whole = aet.Volume(ones(20, 20, 20), 0.5);
cube = {'Tomography', {'Nx', 20, 'Ny', 20, 'Nz', 20}};
check('a support of all', search('Support', whole, cube{:}).count == f.atoms.count);
left = ones(20, 20, 20);
left(:, 11:end, :) = 0;
kept = search('Support', aet.Volume(left, 0.5), cube{:});
check('a support of one side', kept.count > 0 && kept.count < f.atoms.count && all(kept.positions(:, 1) < 0.25));
expect('support of another size', 'aet:shape', 'support', @() search('Support', whole));
expect('a matrix as support', 'aet:argumentType', 'Support', @() search('Support', ones(3, 3, 3)));
expect('a matrix as start', 'aet:argumentType', 'Start', @() f.series.findAtoms([], 'Start', truePositions()));
expect('element 104', 'aet:range', '104', @() search('Elements', [14 104]));
expect('an element twice', 'aet:range', 'once', @() search('Elements', [14 14]));
expect('more elements than atoms', 'aet:inconsistent', 'species', @() search('Elements', 1:f.atoms.count + 1));
expect('a block that is not there', 'aet:unknownOption', 'nonsense', @() search('Free', {'drift', 'nonsense'}));
expect('hold out 0.6', 'aet:range', 'hold_out', @() search('HoldOut', 0.6));
expect('hold out NaN', 'aet:range', 'hold_out', @() search('HoldOut', NaN));
expect('a grid and a start', 'aet:inconsistent', 'start', @() search('FirstGuess', 'grid'));
expect('a grid finer than pixels', 'aet:range', 'size of a pixel', ...
    @() f.series.findAtoms([], 'FirstGuess', 'grid', 'GridSpacing', 0.01));
expect('split 0.5', 'aet:range', 'split', @() search('Split', 0.5));
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() search('Progress', @(p) error('test:mine', 'mine')));
end
