% The other half of make.py: one volume as Octave saves it.
[y, x, z] = ndgrid(0:3, 0:4, 0:2);
rec = 100 * z + 10 * y + x - 20;
voxel_size = 0.34;
angles = linspace(-70, 70, 9).';
name = 'a volume';
save('-v6', 'octave_v6.mat', 'angles', 'name', 'rec', 'voxel_size');
rec = single(rec);
save('-v7', 'octave_v7.mat', 'angles', 'name', 'rec', 'voxel_size');
save('-hdf5', 'octave.h5', 'angles', 'name', 'rec', 'voxel_size');
page = rec(:, :, 1);
save('-v7', 'octave_page.mat', 'angles', 'page');
