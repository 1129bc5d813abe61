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
checkVolumeFiles(volume, values, scratch);
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
checkTracing();
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

function checkTracing()
%CHECKTRACING  Candidates with flags, edits by hand, supports.
% six Gaussian atoms in a row along z, 2.2 A apart, of heights 1 to 2.5
[y, x, z] = ndgrid(1:24, 1:24, 1:40);
values = 0.1;
for k = 0:5
    values = values + (1 + 0.3 * k) * exp(-((x - 12.1).^2 + (y - 12.2).^2 + (z - 7 - 5.5 * k).^2) / 4);
end
volume = aet.Volume(values, 0.4);
apart = 3 * volume.voxelSize;
run = @(varargin) volume.trace('MinimumDistance', apart, 'Method', 'polynomial', varargin{:});
[atoms, candidates] = run();
check('accepted candidates are the atoms', sum(candidates.column('flag') == 0) == atoms.count && atoms.count == 6);
check('values of the whole', candidates.values.threshold > 0 && candidates.values.noise >= 0);
positions = [candidates.column('x') candidates.column('y') candidates.column('z')];
strongest = positions(1, :);
[~, candidates] = run('Removed', strongest);
flags = candidates.column('flag');
check('removed by hand', flags(1) == 6);
[again, candidates] = run('Added', strongest);
flags = candidates.column('flag');
check('added by hand', flags(1) == 7 && again.count == atoms.count);
inside = volume.mask('SmoothingWidth', 1, 'Dilation', 0, 'Closing', 0, 'Erosion', 0, 'MinimumIsland', 0);
within = run('Support', inside);
check('within a support', within.count > 0 && within.count <= atoms.count);
check('explained away', volume.trace('Thresholding', 'histogram', 'ExplainRounds', 1).count > 0);
check('widths of Gaussians', all(volume.trace('Method', 'gaussian', 'MinimumDistance', apart).width > 0));
expect('support of another size', 'aet:shape', 'support', ...
    @() run('Support', aet.Volume(ones(2, 2, 2), volume.voxelSize)));
expect('below two voxels', 'aet:range', 'two voxels', @() volume.trace('MinimumDistance', apart / 2));
expect('places without z', 'aet:shape', 'added', @() run('Added', [1 2]));
expect('unknown method', 'aet:unknownOption', 'gaussian', @() volume.trace('Method', 'spline'));
end

function checkVolumeFiles(volume, values, scratch)
%CHECKVOLUMEFILES  What other formats keep, and what save and load make of them.
for file = {'volume.npy', 'volume.mat', 'volume.tif', 'volume.emd', 'volume.h5'}
    path = fullfile(scratch, file{1});
    volume.write(path);
    size = 0.5 * strcmp(file{1}, 'volume.npy');
    copy = aet.Volume.read(path, size);
    check([file{1} ' and back'], isequal(copy.values(), values) && abs(copy.voxelSize - 0.5) < 1e-6);
end
loaded = load(fullfile(scratch, 'volume.mat'));
check('load gives the values', isequal(loaded.volume, values) && isa(loaded.volume, 'single'));
check('and the voxel size', loaded.voxel_size == 0.5);
path = fullfile(scratch, 'named');
volume.write(path, 'Format', 'mat73', 'Name', 'rec');
check('level 7.3 by name', isequal(aet.Volume.read(path, 0, 'Name', 'rec').values(), values));

rec = double(values);
voxel_size = 0.5;
angles = (1:9).';
for version = {'-v6', '-v7', '-hdf5'}
    path = fullfile(scratch, ['saved' version{1}]);
    save(version{1}, path, 'rec', 'voxel_size', 'angles');
    copy = aet.Volume.read(path, 0.5);
    check(['saved with ' version{1}], isequal(copy.values(), values));
end
path = fullfile(scratch, 'saved-v7');
check('voxel size of a variable', aet.Volume.read(path).voxelSize == 0.5);
page = values(:, :, 1);
save('-v7', path, 'page', 'angles');
check('one page', isequal(aet.Volume.read(path, 1).values(), page));
other = rec + 1;
save('-v7', path, 'rec', 'other');
expect('two volumes', 'aet:inconsistent', '`other` (double 4 x 5 x 3)', @() aet.Volume.read(path, 1));
check('one of two', isequal(aet.Volume.read(path, 1, 'Name', 'other').values(), values + 1));
expect('no voxel size', 'aet:notReady', 'give one', @() aet.Volume.read(path, 0, 'Name', 'rec'));
expect('no such variable', 'aet:unknownOption', '`rec`', @() aet.Volume.read(path, 1, 'Name', 'nothing'));
expect('name of no variable', 'aet:range', 'letters, digits', @() volume.write(path, 'Format', 'mat5', 'Name', 'a b'));
expect('ending that tells nothing', 'aet:unknownOption', '.npy', @() volume.write(fullfile(scratch, 'a.raw')));
expect('format that is none', 'aet:unknownOption', 'mat73', @() volume.write(path, 'Format', 'raw'));
end
