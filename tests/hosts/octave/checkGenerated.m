function checkGenerated()
%CHECKGENERATED  Generated atoms.

section('generated atoms');
gold = @(varargin) aet.Atoms.generate('faceCentredCubic', 'Species', 79, 'LatticeA', 4.078, varargin{:});
particle = gold('Shape', 'truncatedOctahedron', 'Width', 20);
check('gold in a truncated octahedron', particle.count == 201 && all(particle.species == 79));
small = @(seed) aet.Atoms.generate('', 'Preset', 'm1', 'Count', 300, 'Seed', seed);
silicon = small(3).positions;
check('a small particle of the papers', isequal(size(silicon), [300 3]));
check('a seed', isequal(silicon, small(3).positions) && ~isequal(silicon, small(4).positions));
squares = sum(silicon.^2, 2);
distances = sqrt(max(squares + squares' - 2 * silicon * silicon', 0)) + 1e3 * eye(300);
check('its window of nearest neighbours', all(min(distances) > 2.3199 & min(distances) < 2.3601));
oxide = aet.Atoms.generate('rockSalt', 'Species', [56 8], 'LatticeA', 5.54, 'SpeciesCounts', [50 49]);
check('two elements', sum(oxide.species == 56) == 50 && sum(oxide.species == 8) == 49);
film = aet.Atoms.generate('film', 'Extent', [20 20 10]);
check('a carbon film', film.count == 401 && all(film.species == 6));

unknown = 'aet:unknownOption';
expect('unknown structure', unknown, 'Structure', @() aet.Atoms.generate('quartz'));
expect('unknown preset', unknown, 'm9', @() aet.Atoms.generate('', 'Preset', 'm9'));
expect('unknown option', unknown, 'Lattice', @() gold('Lattice', 4));
expect('no size', 'aet:notReady', 'width', @() gold());
expect('four elements', 'aet:shape', 'Species', @() aet.Atoms.generate('spinel', 'Species', [1 2 3 4]));
expect('half an element', 'aet:range', 'Species', @() gold('Width', 9, 'Species', 1.5));
expect('too dense', 'aet:inconsistent', 'at most', @() aet.Atoms.generate('amorphous', 'Species', 14, ...
    'Count', 9000, 'Width', 30, 'MinimumDistance', 2.3));
expect('stopped', 'aet:cancelled', 'cancelled', @() aet.Atoms.generate('', 'Preset', 'm1', 'Progress', @(p) false));
expect('error of the progress function', 'test:mine', 'mine', ...
    @() aet.Atoms.generate('', 'Preset', 'm1', 'Progress', @(p) error('test:mine', 'mine')));
end
