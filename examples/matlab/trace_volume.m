function trace_volume()
%TRACE_VOLUME  From a volume to atoms, in MATLAB or Octave.
%   Tracing, classification, and how right they are. The volume is made here: a
%   core-shell particle of copper and gold, its atoms spread over the nearest
%   voxels, noise, and a blur. The same example exists in every host language
%   and prints the same numbers.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
addpath(fullfile(root, 'bindings', 'matlab'));

edge = 56;      % voxels along each axis
voxel = 0.5;    % angstrom
truth = aet.Atoms.generate('', 'Preset', 'cuau', 'Count', 300);
values = spread(truth, edge, voxel) + noise(edge);
volume = aet.Volume(values, voxel).filter('Gaussian', 0.5);

traced = volume.trace('Smoothing', 0, 'MinimumDistance', 1.6, 'Threshold', 0.2);
[atoms, table, classes] = traced.classify([29 79], 'Volume', volume, 'NonAtoms', true);
histogram = table.histogram('intensity', 'By', 'class');

report = atoms.accuracy(truth);
value = report.values;
shells = report.errorProfile('surface_distance', 2).column('rmsd');
rates = report.confusion().column('rate');
means = classes.column('mean');
fprintf(['traced=%d true=%d matched=%d missing=%d extra=%d tracing_error=%.12e species_correct=%.12e ' ...
    'rmsd_pm=%.12e worst_shell_rmsd_pm=%.12e copper_rate=%.12e gold_mean=%.12e bins=%d highest_bin=%d\n'], ...
    traced.count, value.true_count, value.matched, value.missing, value.extra, value.tracing_error, ...
    value.species_correct, value.rmsd, max(shells), rates(1), means(end), histogram.rows, ...
    max(histogram.column('count')));
end

function values = spread(atoms, edge, voxel)
% Each atom as its atomic number, shared among the eight voxels around it so
% that their centroid is its position.
values = zeros(edge, edge, edge);   % y, x, z
positions = atoms.positions / voxel + edge / 2;
species = double(atoms.species);
for i = 1:numel(species)
    at = positions(i, :);
    lower = floor(at);
    part = [1 - (at - lower); at - lower];   % of the lower and the upper voxel
    for corner = 0:7
        above = [mod(corner, 2) mod(floor(corner / 2), 2) floor(corner / 4)];
        share = part(above(3) + 1, 3) * part(above(2) + 1, 2) * part(above(1) + 1, 1) * species(i);
        place = lower + above + 1;
        values(place(2), place(1), place(3)) = values(place(2), place(1), place(3)) + share;
    end
end
end

function values = noise(edge)
% Uniform noise from a linear congruential generator, which every language
% computes alike: along x first, then y, then z.
width = 5;   % electrons of an atom
values = zeros(edge, edge, edge);
state = 1;
for i = 1:numel(values)
    state = mod(1664525 * state + 1013904223, 4294967296);
    values(i) = width * (state / 4294967296 - 0.5);
end
values = permute(values, [2 1 3]);
end
