function checkAccuracy(scratch)
%CHECKACCURACY  Accuracy of traced atoms, and tables.

section('accuracy and tables');
[y, x, z] = meshgrid(-3:3:3);
places = [x(:) y(:) z(:)];
species = 79 * ones(27, 1);
truth = aet.Atoms(places, 'Species', species);
places(27, :) = [0 0 9];
species(1) = 29;
found = aet.Atoms(places, 'Species', species);
check('tracing error', abs(found.compare(truth).tracingError - 2 / 27) < 1e-15);
table = found.accuracy(truth);
state = table.column('state');
check('found and missing atoms', table.rows == 28 && isequal(state([1 2 27 28])', [1 0 2 3]));
check('single values', table.values.tracing_error == 2 / 27 && strcmp(table.valueUnits.rmsd, 'pm'));
index = table.column('true_index');
check('indices count from 1', index(1) == 1 && index(28) == 27 && isnan(index(27)));
check('units', strcmp(table.units{strcmp(table.columns, 'depth')}, 'A'));
all = table.toStruct();
check('a struct', isequal(size(all.surface_distance), [28 1]) && abs(all.surface_distance(14) - 3) < 1e-6);
profile = table.errorProfile('depth', 4);
check('errors against depth', isequal(profile.column('true_count')', [9 18 0 0]));
check('a box plot', sum(profile.column('outliers')) == 0 ...
    && isequal(profile.column('whisker_high')(2), profile.column('largest')(2)));
intervals = table.errorHistogram('depth', 4, 'Bins', 3);
check('errors by depth', sum(intervals.column('count')) == 26 && sum(intervals.column('count_0')) == 17);
trend = aet.rmsdTrend([100 200 300], [1.5 2 2.5]);
check('a trend', abs(trend.values.slope - 5000) < 1e-8 && abs(trend.values.atoms_at_limit - 1800) < 1e-8);
expect('a line through one point', 'aet:empty', 'two', @() aet.rmsdTrend(100, 1.5));
expect('one error too few', 'aet:shape', 'rmsd', @() aet.rmsdTrend([100 200], 1.5));
check('depth of field', abs(aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25).depthOfField - 63) < 0.01);
matrix = table.confusion();
check('confusion', isequal(matrix.columns, {'true_species', 'Cu', 'Au', 'missing', 'rate'}) ...
    && isequal(matrix.column('Cu')', [1 0]));
counts = table.histogram('surface_distance', 'By', 'state', 'Bins', 3);
check('histogram', sum(counts.column('count')) == 28 && isequal(counts.column('count_2')', [1 0 0]));
file = fullfile(scratch, 'accuracy.csv');
table.write(file);
check('file', ~isempty(strfind(fileread(file), 'tracing_error')));
along = found.accuracy(truth, 'DepthAxis', [2 0 0], 'ProbeRadius', 5).column('depth');
check('an axis of depth', isequal(along(1:2)', 2 * places(1:2, 1)'));
if ~isempty(available_graphics_toolkits())
    window = figure('Visible', 'off');
    handles = aet.plotTracing(aet.Volume(ones(20, 22, 24), 1), table, 7);
    check('a picture', numel(handles) == 3);   % gold, copper that is none, the missing one
    close(window);
end
expect('a picture of an array', 'aet:argumentType', 'volume', @() aet.plotTracing(ones(3, 3, 3), table));
expect('unknown column', 'aet:unknownOption', 'surface_distance', @() table.column('flag'));
expect('negative cutoff of accuracy', 'aet:range', 'cutoff', @() found.accuracy(truth, 'Cutoff', -1));
expect('truth of accuracy that is an array', 'aet:argumentType', 'truth', @() found.accuracy(places));
expect('no bins', 'aet:range', 'width', @() table.errorProfile('depth', 0));
expect('confusion of a profile', 'aet:unknownOption', 'true_species', @() profile.confusion());
expect('a stopped report', 'aet:cancelled', '', @() found.accuracy(truth, 'Progress', @(p) false));
delete(found);
check('tables outlive atoms', table.rows == 28);
delete(table);
expect('deleted table', 'aet:staleHandle', 'table', @() table.rows);
end
