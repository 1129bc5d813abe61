function checkClassification()
%CHECKCLASSIFICATION  Species of traced atoms.

section('classification');
i = (0:26)';
places = 6 + 6 * [mod(i, 3), mod(floor(i / 3), 3), floor(i / 9)];   % x, y, z, from 0
heights = mod(i, 3) .* (1 + 0.01 * mod(7 * i, 5)) + 0.003 * mod(i, 4);
[y, x, z] = ndgrid(0:23, 0:23, 0:23);
values = zeros(24, 24, 24);
for k = 1:27
    square = (x - places(k, 1)).^2 + (y - places(k, 2)).^2 + (z - places(k, 3)).^2;
    values = values + heights(k) * exp(-square / 3);
end
volume = aet.Volume(values, 0.4);
traced = aet.Atoms(0.4 * (places - 12));
truth = mod(i, 3);
elements = [29; 79];
methods = {'gaussian', 'kMeans', 'profileGlobal', 'profileLocal'};
for k = 1:4
    [found, table, classes] = traced.classify([29 79], 'Volume', volume, 'NonAtoms', true, ...
        'Method', methods{k}, 'Smoothing', 0.2);
    check(['classes by ' methods{k}], isequal(table.column('class'), truth));
    check('their species', isequal(double(found.species), elements(truth(truth > 0))));
    check('classes have means', issorted(classes.column('mean')) && classes.values.converged == 1);
end
known = aet.Atoms(0.4 * (places - 12), 'Height', heights);
[~, table, ~] = known.classify([29 79], 'NonAtoms', true);
check('classes by heights', isequal(table.column('class'), truth) && isequal(table.column('intensity'), heights));
sure = aet.Atoms(0.4 * (places(truth > 0, :) - 12), 'Height', heights(truth > 0));
[~, expected, ~] = sure.classify([29 79], 'Method', 'expected', 'Expected', [0.4 1]);
check('classes by what is expected', isequal(expected.column('class'), truth(truth > 0)));
expect('strengths that descend', 'aet:inconsistent', 'strength', ...
    @() sure.classify([29 79], 'Method', 'expected', 'Expected', [1 0.4]));
counts = table.histogram('intensity', 'By', 'class');
check('a histogram per class', sum(counts.column('count_2')) == 9);
[~, table, ~] = traced.classify([29 79], 'Volume', volume, 'NonAtoms', true, 'Region', 'sphere', 'RegionSize', 1);
check('a sphere', isequal(table.column('class'), truth));
expect('one species', 'aet:inconsistent', 'nothing to tell apart', @() traced.classify(29, 'Volume', volume));
expect('nine species', 'aet:shape', 'Species', @() traced.classify(1:9, 'Volume', volume));
expect('unknown method', 'aet:unknownOption', 'Method', ...
    @() traced.classify([29 79], 'Volume', volume, 'Method', 'magic'));
expect('smoothing NaN', 'aet:range', 'smoothing', ...
    @() traced.classify([29 79], 'Volume', volume, 'Smoothing', nan));
expect('no heights', 'aet:notReady', 'heights', @() traced.classify([29 79]));
expect('a stopped classification', 'aet:cancelled', '', ...
    @() traced.classify([29 79], 'Volume', volume, 'Progress', @(p) false));
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() traced.classify([29 79], 'Volume', volume, 'Progress', @(p) error('test:mine', 'mine')));
flat = aet.Volume(ones(24, 24, 24), 0.4);
expect('constant volume', 'aet:inconsistent', 'tells species apart', @() traced.classify([29 79], 'Volume', flat));
delete(volume);
expect('deleted volume', 'aet:staleHandle', '', @() traced.classify([29 79], 'Volume', volume));
end
