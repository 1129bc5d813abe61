function checkFiles(scratch)
%CHECKFILES  Bad files, and paths that are not plain. SCRATCH is a writable folder.

checkFolders(scratch);
checkPaths(scratch);
checkStateFiles(scratch);
end

function checkFolders(scratch)
section('dataset folders');
f = makeFit();
folder = fullfile(scratch, 'truncated');
mkdir(folder);
read = @(varargin) aet.TiltSeries.read(folder, varargin{:});
expect('folder that is not there', 'aet:file', 'nowhere', @() aet.TiltSeries.read(fullfile(scratch, 'nowhere')));
expect('writing one', '', '', @() f.series.write(folder));
expect('atoms that it does not have', {'aet:empty', 'aet:file'}, 'truth', ...
    @() aet.TiltSeries.readAtoms(folder, 'truth'));
expect('atoms of an unknown kind', 'aet:unknownOption', 'best', @() aet.TiltSeries.readAtoms(folder, 'best'));
expect('variant that it does not have', 'aet:unknownOption', 'no such', @() read('no such'));
images = largestFile(folder);
bytes = readBytes(images);
writeBytes(images, bytes(1:floor(end / 2)));
expect('images cut short', 'aet:truncated', 'truncated', @() read());
unlink(images);
expect('images gone', 'aet:file', 'truncated', @() read());
description = fullfile(folder, 'dataset.json');
bytes = readBytes(description);
writeBytes(description, bytes(1:40));
expect('description cut short', {'aet:format', 'aet:truncated'}, 'dataset.json', @() read());
writeBytes(description, []);
expect('description empty', {'aet:format', 'aet:truncated'}, 'dataset.json', @() read());
expect('folder read as atoms', {'aet:file', 'aet:format'}, 'truncated', @() aet.Atoms.read(folder));
end

function file = largestFile(folder)
listed = dir(folder);
listed = listed(~[listed.isdir]);
[~, largest] = max([listed.bytes]);
file = fullfile(folder, listed(largest).name);
end

function bytes = readBytes(file)
stream = fopen(file, 'rb');
bytes = fread(stream, Inf, '*uint8');
fclose(stream);
end

function writeBytes(file, bytes)
stream = fopen(file, 'wb');
fwrite(stream, bytes, 'uint8');
fclose(stream);
end

function checkPaths(scratch)
section('paths with spaces and letters beyond ASCII');
f = makeFit();
folder = fullfile(scratch, 'données 測定 d''été');
mkdir(folder);
data = fullfile(folder, 'série 1');
mkdir(data);
f.series.setMetadata('operator', 'René', '');
f.series.write(data);
series = aet.TiltSeries.read(data);
check('dataset', isequal(series.images, f.series.images) && series.pixelSize == 0.5);
entries = series.metadata;
found = strcmp({entries.key}, 'operator');
check('metadata', sum(found) == 1 && strcmp(entries(found).value, 'René'));
file = fullfile(folder, 'åtomes 1.xyz');
f.atoms.write(file);
atoms = aet.Atoms.read(file);
check('atoms', max(max(abs(atoms.positions - f.atoms.positions))) < 1e-6);
file = fullfile(folder, 'état 1.aet');
f.recon.save(file);
recon = aet.LocalOrbital.load(file, f.series, f.probe);
check('state, the same loss to the last bit', lossOf(recon) == lossOf(f.recon));
file = fullfile(scratch, 'no such folder', 'atoms.xyz');
expect('atoms into no folder', 'aet:file', 'no such folder', @() f.atoms.write(file));
expect('state into no folder', 'aet:file', 'no such folder', @() f.recon.save(file));
end

function checkStateFiles(scratch)
section('state files');
f = makeFit();
f.recon.run('MaxIterations', 3);
file = fullfile(scratch, 'bad state.aet');
f.recon.save(file);
good = readBytes(file);
load = @() aet.LocalOrbital.load(file, f.series, f.probe);
recon = load();
recon.run('MaxIterations', 3);
f.recon.run('MaxIterations', 3);
check('resuming gives the same numbers', isequal(recon.parameters, f.recon.parameters));
for size = [0, floor(numel(good) / 2), numel(good) - 1]
    writeBytes(file, good(1:size));
    expect(sprintf('cut to %d of %d bytes', size, numel(good)), {'aet:truncated', 'aet:format'}, 'bad state', load);
end
refused = 0;
versions = 0;
for i = 1:16
    bytes = good;
    bytes(i) = bitxor(bytes(i), 1);
    writeBytes(file, bytes);
    try
        load();
    catch failure
        refused = refused + ~isempty(strfind(failure.message, 'bad state'));
        versions = versions + strcmp(failure.identifier, 'aet:fileVersion');
    end
end
check('any byte of the head changed is refused', refused == 16);
check('another version is named as such', versions > 0);
bytes = good;
bytes(floor(end / 2)) = bitxor(bytes(floor(end / 2)), 16);
writeBytes(file, bytes);
expect('a bit flipped', 'aet:format', 'bad state', load);
writeBytes(file, good);
expect('without its probe', {'aet:null', 'aet:inconsistent'}, 'probe', @() aet.LocalOrbital.load(file, f.series, []));
expect('not there', 'aet:file', 'nowhere', @() aet.LocalOrbital.load(fullfile(scratch, 'nowhere'), f.series, f.probe));
end
