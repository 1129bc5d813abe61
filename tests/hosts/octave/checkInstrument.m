function checkInstrument()
%CHECKINSTRUMENT  What an instrument records of ideal images.

section('instrument');
f = makeFit();
same = f.series.record();
check('a perfect instrument changes nothing', isequal(same.images(), f.series.images()));
recorded = f.series.record('Seed', 4, 'ElectronsPerPosition', 25, 'Gain', 2, 'Mtf', [1 0.7 0.5], ...
    'NoiseBlurred', true, 'Drift', [0.4 0]);
check('electrons per unit', all(recorded.countsPerUnit() == 0.5) && recorded.imageCount == f.series.imageCount);
patterns = 0.01 * ones(12, 10, 3, 2);
counts = aet.recordPatterns(patterns, 'ElectronsPerPosition', 1e4, 'Seed', 1);
check('patterns keep their size', isequal(size(counts), size(patterns)) && isa(counts, 'single') && ...
    abs(mean(counts(:)) - 100) < 3);
part = aet.recordPatterns(patterns(:, :, :, 2), 'ElectronsPerPosition', 1e4, 'Seed', 1, 'First', 4);
check('patterns part by part', isequal(part, counts(:, :, :, 2)));
places = aet.instrumentTruth('displacements', [6 8], 'PixelSize', 0.5, 'Stretch', [0.1 0]);
check('displacements', isequal(size(places), [6 8 2]) && abs(places(3, 1, 1) + 0.2) < 1e-12 && places(3, 1, 2) == 0);
gain = aet.instrumentTruth('gain', [6 8], 'DeadPixels', 5);
check('dead pixels', nnz(gain == 0) == 5);

expect('dqe 2', 'aet:range', 'dqe', @() f.series.record('Dqe', 2));
expect('unknown option', 'aet:unknownOption', 'Dose', @() f.series.record('Dose', 2));
expect('unknown detection', 'aet:unknownOption', 'Detection', @() f.series.record('Detection', 'magic'));
expect('one number for a pair', 'aet:shape', 'Drift', @() f.series.record('Drift', 1));
expect('stopped recording', 'aet:cancelled', '', @() f.series.record('Progress', @(p) false));
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() f.series.record('Progress', @(p) error('test:mine', 'mine')));
expect('shear of patterns', 'aet:unsupported', 'scan', @() aet.recordPatterns(patterns, 'Shear', 0.1));
expect('first 0', 'aet:range', 'First', @() aet.recordPatterns(patterns, 'First', 0));
expect('NaN in a pattern', 'aet:nonFinite', 'row 0', @() aet.recordPatterns(nan(4, 4)));
expect('unknown truth', 'aet:unknownOption', 'displacements', @() aet.instrumentTruth('noise', [4 4]));
expect('size of a truth', 'aet:shape', 'size', @() aet.instrumentTruth('dark', 4));
end
