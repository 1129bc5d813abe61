function checkSpecimens(scratch)
%CHECKSPECIMENS  Cells, columns, changes and files of atoms.

section('specimens');
positions = [0 0 0; 2 2 0; 2 0 2; 0 2 2; 2 2 2; 0 0 2; 0 2 0; 2 0 0];
bare = aet.Atoms(positions, 'Species', [11 11 11 11 17 17 17 17]);
check('no cell', isempty(bare.cell));
unit = bare.withCell([4 4 4]);
crystal = unit.repeat(2, 1, 3);
check('repeated', crystal.count == 48 && isequal(crystal.cell, [8 4 12]) && isequal(unit.cell, [4 4 4]));
slab = crystal.cutSlab('z', 4, 8);
check('slab', slab.count == 16 && all(slab.z >= 4 & slab.z < 8));
thermal = slab.withElementValues('debye_waller_b', [17 11], [0.5 0.25]);
check('B per element', isequal(thermal.debyeWallerB(1:8), [0.25; 0.25; 0.25; 0.25; 0.5; 0.5; 0.5; 0.5]));
thermal = slab.withColumn('rms_displacement', 0.1);
check('one displacement for all', all(abs(thermal.debyeWallerU - 0.01) < 1e-15) && ...
    all(abs(thermal.rmsDisplacement - 0.1) < 1e-15));
turned = thermal.rotate([0 -1 0; 1 0 0; 0 0 1]);
check('turned', isequal(turned.x, -thermal.y) && isequal(turned.y, thermal.x) && isempty(turned.cell));
placed = turned.placeInCell('Vacuum', [5 5 5], 'CenterAtoms', true);
check('placed', isequal(placed.cell, [12 16 12]) && abs(min(placed.x) - 5) < 1e-12);
check('mask and indices', isequal(placed.subset(placed.species == 17).species, 17 * ones(8, 1)) && ...
    isequal(placed.subset([16 1]).x, placed.x([16; 1])));
check('set positions', isequal(bare.withColumn('positions', positions + 1).positions, positions + 1));
copy = unit.shift([3.9 0 0]).wrap();
[pairs, distances] = unit.merge(copy).closePairs(0.2);
check('close pairs across the face', isequal(pairs, [(1:8)' (9:16)']) && all(abs(distances - 0.1) < 1e-12));
check('no close pairs', isempty(unit.closePairs(1.9, 'PeriodicZ', true)));

names = {'größe 1.xyz', 'a.cif', 'POSCAR', 'a.lmp', 'a.pdb'};
for i = 1:numel(names)
    file = fullfile(scratch, names{i});
    unit.write(file);
    again = aet.Atoms.read(file);
    check(['back from ' names{i}], isequal(again.cell, [4 4 4]) && isequal(again.species, unit.species) && ...
        max(max(abs(again.positions - positions))) < 1e-9);
end
file = fullfile(scratch, 'atoms.txt');
unit.write(file, 'cif');
check('format by name', aet.Atoms.read(file, 'cif').count == 8);
expect('unknown ending', 'aet:unknownOption', 'atoms.txt', @() aet.Atoms.read(file));
expect('unknown format', 'aet:unknownOption', 'cube', @() aet.Atoms.read(file, 'cube'));
expect('CIF read as POSCAR', 'aet:format', 'line', @() aet.Atoms.read(file, 'poscar'));
expect('CIF without cell', 'aet:notReady', 'cell', @() bare.write(file, 'cif'));

expect('flat cell', 'aet:range', 'along y', @() unit.withCell([4 0 4]));
expect('two edges', 'aet:shape', 'cell', @() unit.withCell([4 4]));
expect('unknown column', 'aet:unknownOption', 'colour', @() unit.withColumn('colour', 1));
expect('negative B', 'aet:range', 'debye_waller_b of atom 0', @() unit.withColumn('debye_waller_b', -1));
expect('no value for chlorine', 'aet:inconsistent', 'Cl', @() unit.withElementValues('debye_waller_b', 11, 0.5));
expect('reflection', 'aet:inconsistent', 'rotation', @() unit.rotate(diag([-1 1 1])));
expect('cell too small', 'aet:inconsistent', 'outside', @() unit.placeInCell('Extent', [1 1 1]));
expect('no size', 'aet:inconsistent', 'extent', @() unit.placeInCell());
expect('unknown axis', 'aet:unknownOption', 'w', @() unit.cutSlab('w', 0, 1));
expect('empty slab', 'aet:empty', 'slab', @() unit.cutSlab('x', 2.5, 3));
expect('atom 9 of 8', 'aet:range', '9', @() unit.subset([1 9]));
expect('no atom', 'aet:empty', 'subset', @() unit.subset([]));
expect('0 repeats', 'aet:range', 'along x', @() unit.repeat(0, 1, 1));
expect('repeats without cell', 'aet:notReady', 'cell', @() bare.repeat(2, 2, 2));
expect('merged with a number', 'aet:argumentType', 'other', @() unit.merge(3));
expect('distance 0', 'aet:range', 'distance', @() unit.closePairs(0));
delete(copy);
expect('deleted atoms', 'aet:staleHandle', 'atom list', @() unit.merge(copy));
end
