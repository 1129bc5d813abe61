function checkVolumeFilters()
%CHECKVOLUMEFILTERS  Filters, masks and resolution of volumes.

section('filters, masks and resolution of volumes');
total = @(volume) sum(double(volume.values()(:)));
ball = aet.Volume.support([24 22 20], 0.5, 4);
check('a ball', isequal(size(ball.values()), [24 22 20]) && abs(total(ball) - 2109) < 1);
cylinder = aet.Volume.support([24 22 20], 0.5, 4, 'Shape', 'cylinderX');
check('a cylinder along x', all(cylinder.values()(13, :, 11) == 1) && cylinder.values()(13, 11, 1) == 0);
plain = {'Smoothing', 'none', 'Dilation', 0, 'Closing', 0, 'MinimumIsland', 50};
shrunk = ball.mask(plain{:}, 'Erosion', 1);
check('a mask that shrinks', total(shrunk) < total(ball) && total(shrunk) > 0.5 * total(ball));
check('threshold', ball.otsuThreshold() > 0.4 && ball.otsuThreshold() < 0.6);
fixed = ball.mask(plain{:}, 'Erosion', 0, 'Threshold', 0.5, 'SoftEdge', 2);
check('a soft edge', total(fixed) > total(ball) && max(double(fixed.values()(:))) == 1);
product = ball.multiply(shrunk);
check('product', total(product) == total(shrunk));
expect('islands that are too small', 'aet:empty', 'minimum_island', @() ball.mask());
expect('unknown smoothing', 'aet:unknownOption', 'Smoothing', @() ball.mask('Smoothing', 'fog'));
expect('factor NaN', 'aet:range', 'factor', @() ball.mask('Factor', nan));
flat = aet.Volume(ones(4, 4, 4), 0.5);
expect('constant volume', 'aet:inconsistent', 'all voxels are 1', @() flat.mask());
expect('masks of another size', 'aet:shape', 'mask', @() ball.multiply(flat));
expect('support of nothing', 'aet:range', 'radius', @() aet.Volume.support([4 4 4], 0.5, 0));

low = ball.filter('LowPass', 0.3, 'Padding', 'periodic');
check('a filter keeps the sum', abs(total(low) / total(ball) - 1) < 1e-5);
% The pole of the ball is a voxel off a face, where boxes are cut.
check('smoothing', abs(total(ball.smooth('Smoothing', 'box', 'Width', 3)) / total(ball) - 1) < 1e-3);
[resolution, curve] = ball.shellCorrelation(low);
check('resolution of a low pass', abs(1 / resolution.halfBit - 0.3) < 0.15 && isequal(size(curve), [13 4]));
same = ball.shellCorrelation(ball);
check('no resolution below Nyquist', isnan(same.half) && abs(same.nyquist - 1) < 1e-12);
wiener = ball.filter('Curve', curve, 'CurveOfHalf', true);
check('Wiener filter', isequal(size(wiener.values()), [24 22 20]));
expect('cut beyond Nyquist', 'aet:range', 'Nyquist', @() ball.filter('LowPass', 1.5));
expect('volumes of two shapes', 'aet:shape', 'second volume', @() ball.shellCorrelation(flat));
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() ball.mask(plain{:}, 'Progress', @(p) error('test:mine', 'mine')));
expect('a stopped mask', 'aet:cancelled', '', @() ball.mask(plain{:}, 'Progress', @(p) false));

f = makeFit();
seen = ball.filter('Seen', f.series, 'ObjectSize', 6, 'Floor', 0.1);
check('what was seen', isequal(size(seen.values()), [24 22 20]));
[first, second] = f.series.halfSets();
check('half sets', first(1) == 1 && ~isempty(second) && numel([first; second]) == f.series.imageCount);
series = aet.TiltSeries(2 * ones(24, 24, 3), 'AnglesDeg', [-50 0 50], 'TiltAxis', 'y', 'PixelSize', 0.5);
kept = series.maskImages(ball, 'LeaveOut', true);
used = series.mask();
check('masked images', isequal(kept, squeeze(sum(sum(used, 1), 2))) && kept(2) > 150 && kept(2) < 270);
zero = aet.Volume(zeros(4, 4, 4), 0.5);
expect('a mask of zeros', 'aet:empty', 'mask', @() series.maskImages(zero));
delete(ball);
expect('deleted volume', 'aet:staleHandle', '', @() ball.mask());
end
