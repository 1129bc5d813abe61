function checkVolumes(scratch)
%CHECKVOLUMES  Volumes, peaks and atoms from images alone.

section('volumes');
values = single(mod(reshape(0:59, 4, 5, 3), 7));
volume = aet.Volume(values, 0.5);
check('values come back', isequal(volume.values(), values) && isa(volume.values('double'), 'double'));
check('voxel size', volume.voxelSize == 0.5 && isempty(volume.residuals));
file = fullfile(scratch, 'größe 1.mrc');
volume.write(file);
copy = aet.Volume.read(file);
check('MRC and back', isequal(copy.values(), values) && abs(copy.voxelSize - 0.5) < 1e-6);
series = aet.TiltSeries.fromFile(file, 'AnglesDeg', [-10 0 10], 'TiltAxis', 'y');
check('series from a file', isequal(single(series.images()), values) && abs(series.pixelSize - 0.5) < 1e-6);
expect('too few angles', 'aet:shape', 'angles_deg', ...
    @() aet.TiltSeries.fromFile(file, 'AnglesDeg', [-10 0], 'TiltAxis', 'y'));
expect('no such file', 'aet:file', 'no such', @() aet.Volume.read('no such.mrc'));
expect('voxel size -1', 'aet:range', 'voxel_size', @() aet.Volume(values, -1));
expect('values NaN', 'aet:nonFinite', 'volume', @() aet.Volume(nan(3, 3, 3), 1));

f = makeFit();
sirt = @(varargin) aet.Volume.reconstruct(f.series, 'Method', 'sirt', varargin{:});
tomogram = sirt();
check('residuals fall', numel(tomogram.residuals) == 25 && tomogram.residuals(25) < 0.5 * tomogram.residuals(1));
short = sirt('Progress', @(p) p.iteration < 2);
check('a stopped reconstruction is kept', numel(short.residuals) == 2);
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() sirt('Progress', @(p) error('test:mine', 'mine')));
expect('errors of the progress function when there is a volume', 'test:mine', 'mine', ...
    @() sirt('Progress', @(p) p.iteration < 3 || error('test:mine', 'mine')));
expect('voxels larger than pixels', 'aet:range', 'voxel_size', @() sirt('VoxelSize', 9));
expect('unknown background', 'aet:unknownOption', 'Background', ...
    @() sirt('Background', 'blue'));
peaks = tomogram.trace('MaxAtoms', 3);
check('peaks', peaks.count <= 3);
flat = aet.Volume(zeros(5, 5, 5), 1);
expect('no peaks', 'aet:empty', 'peaks', @() flat.trace());
found = f.series.findAtoms([], 'Species', 14);
report = found.compare(f.atoms);
check('all atoms were found', report.missing == 0 && report.extra == 0 && all(found.species == 14));
expect('weak 2', 'aet:range', 'weak', @() f.series.findAtoms([], 'Weak', 2));
expect('unknown option', 'aet:unknownOption', 'Weka', @() f.series.findAtoms([], 'Weka', 2));
delete(tomogram);
expect('deleted volume', 'aet:staleHandle', '', @() tomogram.values());
end
