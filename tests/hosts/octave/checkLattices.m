function checkLattices()
%CHECKLATTICES  Tracing with a lattice.

section('tracing with a lattice');
% a body-centred crystal of 4 A in voxels of 0.5 A, its corner at (0.3, -0.2, 0.1)
[x, y, z] = meshgrid(0.5 * (-20:19));
a = cos(pi / 2 * (x - 0.3));
b = cos(pi / 2 * (y + 0.2));
c = cos(pi / 2 * (z - 0.1));
volume = aet.Volume(1 + a .* b + b .* c + c .* a, 0.5);
bare = aet.Atoms([0 0 0; 2 2 2], 'Species', [26 26]);
crystal = bare.withCell([4 4 4]);
[atoms, sites] = volume.traceLattice(crystal);
values = sites.values;
check('every site has its atom', values.found_fraction == 1 && sites.rows > 100);
check('near its site', values.mean_displacement < 0.05 && values.rotation_xx > 0.9999);
check('indices from 1', isequal(sites.column('atom'), (1:sites.rows)'));
check('where it is', max(abs(atoms.positions(:, 1) - sites.column('x'))) < 1e-12);
same = volume.traceLattice(bare, 'Vectors', 4 * eye(3), 'Rotation', eye(3), 'RotationWithinDeg', 5, 'Mask', volume);
check('with vectors and mask', size(same.positions, 1) > 0);
expect('crystal without a cell', 'aet:notReady', 'cell', @() volume.traceLattice(bare));
expect('no rotation', 'aet:inconsistent', 'rotation', @() volume.traceLattice(crystal, 'Rotation', 2 * eye(3)));
expect('oxygen in iron', 'aet:range', 'species', @() volume.traceLattice(crystal, 'Species', 8));
expect('another crystal', 'aet:empty', 'Bragg', @() volume.traceLattice(bare.withCell([5.3 5.3 5.3])));
flat = aet.Volume(ones(20, 20, 20), 0.5);
expect('constant volume', 'aet:inconsistent', 'volume', @() flat.traceLattice(crystal));
expect('mask of another shape', 'aet:shape', 'mask', @() volume.traceLattice(crystal, 'Mask', flat));
expect('a stopped search', 'aet:cancelled', '', @() volume.traceLattice(crystal, 'Progress', @(p) false));
expect('errors of the progress function', 'test:mine', 'mine', ...
    @() volume.traceLattice(crystal, 'Progress', @(p) error('test:mine', 'mine')));
end
