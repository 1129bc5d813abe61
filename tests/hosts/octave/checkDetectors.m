function checkDetectors()
%CHECKDETECTORS  Detectors on measured patterns, and bad input.

section('detectors');
% Pattern (i, j) of a 2 x 3 scan has its only electrons at row i + 3, column j + 2 of 8 x 7; zero angle at (5, 4).
patterns = zeros(8, 7, 2, 3, 'uint16');
for i = 1:2
    for j = 1:3
        patterns(i + 3, j + 2, i, j) = 10 * i + j;
    end
end
electrons = [11 12 13; 21 22 23];
all = aet.Detector('annular');
check('kind', strcmp(all.kind, 'annular'));
check('a scan becomes an image', isequal(all.measure(patterns, 2), electrons));
check('one pattern becomes a number', isequal(all.measure(patterns(:, :, 2, 1), 2), 21));
center = aet.Detector('annular', 'OuterMrad', 1.5);
check('the central pixel', isequal(center.measure(patterns, 2), [0 0 0; 0 22 0]));
check('fft order', isequal(center.measure(ifftshift(ifftshift(patterns, 1), 2), 2, 'Order', 'fft'), [0 0 0; 0 22 0]));
half = aet.Detector('annular', 'Sensitivity', 0.5 * ones(21, 21), 'SensitivityRowStepMrad', 2, 'OuterMrad', 6);
check('a map of efficiencies', isequal(half.measure(single(patterns), 2), electrons / 2));
rings = aet.Detector('flexibleAnnular', 'OuterMrad', 7, 'StepMrad', 3.5).measure(patterns, 2);
check('rings first, then the scan', isequal(size(rings), [2 2 3]) && isequal(squeeze(sum(rings, 1)), electrons));
quarters = aet.Detector('segmented', 'OuterMrad', 7).measure(patterns, 2);
check('segments', isequal(size(quarters), [1 4 2 3]) && quarters(1, 1, 2, 2) == 22);
camera = aet.Detector('pixelated', 'Rows', 3, 'Columns', 4).measure(patterns, 2);
check('a camera crops', isequal(camera, double(patterns(4:6, 2:5, :, :))));
com = aet.Detector('centerOfMass').measure(patterns, 2, 'ColumnStepMrad', 3, 'EnergyEv', 300e3);
k = 1e-3 / aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25).wavelength;
wanted = zeros(2, 2, 3);
wanted(1, :, :) = repmat(3 * k * (-1:1), [2 1]);
wanted(2, :, :) = repmat(2 * k * (-1:0)', [1 3]);
check('centres of mass, x and y', max(abs(com(:) - wanted(:))) < 1e-12);

[c, r] = meshgrid((0:7) / 8, (0:5) / 6);
slope = -2 * pi * sin(2 * pi * (c + r));
field = permute(cat(3, slope / (8 * 0.25), slope / (6 * 0.5)), [3 1 2]);
difference = aet.Detector.integrate(field, 0.5, 0.25) - cos(2 * pi * (c + r));
check('the image of which a field is the gradient', max(abs(difference(:))) < 1e-14);

unknown = 'aet:unknownOption';
expect('no kind', unknown, 'kind', @() aet.Detector());
expect('unknown kind', unknown, 'round', @() aet.Detector('round'));
expect('unknown option of a detector', unknown, 'Outer', @() aet.Detector('annular', 'Outer', 3));
expect('crossed angles', 'aet:range', 'outer angle', @() aet.Detector('annular', 'InnerMrad', 5, 'OuterMrad', 4));
expect('an option of another kind', 'aet:range', 'step_mrad', @() aet.Detector('annular', 'StepMrad', 1));
expect('negative efficiency', 'aet:range', 'sensitivity', ...
    @() aet.Detector('annular', 'Sensitivity', -1, 'SensitivityRowStepMrad', 1));
wide = aet.Detector('annular', 'InnerMrad', 5, 'OuterMrad', 8);
expect('an angle beyond the pattern', 'aet:range', 'at most 7', @() wide.measure(patterns, 2));
expect('no step', 'aet:range', 'angle step', @() all.measure(patterns, 0));
expect('complex patterns', 'aet:dtype', 'patterns', @() all.measure(1i * ones(4), 1));
expect('NaN in a pattern', 'aet:nonFinite', 'pattern 1, pixel 2', @() all.measure(cat(3, ones(2), [1 1; NaN 1]), 1));
expect('unknown order', unknown, 'Order', @() all.measure(patterns, 2, 'Order', 'shifted'));
expect('no energy', 'aet:notReady', 'energy', @() aet.Detector('centerOfMass').measure(patterns, 2));
expect('a progress function that says stop', 'aet:cancelled', '', @() all.measure(patterns, 2, 'Progress', @(p) false));
expect('a field of three components', 'aet:shape', 'field', @() aet.Detector.integrate(zeros(3, 4, 4), 1));
delete(all);
expect('deleted detector', 'aet:staleHandle', 'detector', @() all.measure(patterns, 2));
end
