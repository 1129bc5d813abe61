function simulate_series(folder)
%SIMULATE_SERIES  A small simulated tilt and focus series, in MATLAB or Octave.
%   SIMULATE_SERIES(FOLDER) simulates a gold particle with frozen phonons and
%   a limited dose into FOLDER and reads it back. A run that was stopped goes
%   on when it is started again. The same example exists in every host
%   language and prints the same numbers. Progress goes to stderr.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
addpath(fullfile(root, 'bindings', 'matlab'));

atoms = particle();
probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 20);
detector = aet.Detector('annular', 'InnerMrad', 30, 'OuterMrad', 50);
rotations = cat(3, aboutY(0.8, -0.6), aboutY(1, 0), aboutY(0.8, 0.6));
foci = [-4 4];
% Single precision, the default, is faster and as good here; in double all
% hosts agree to 12 digits.
options = {'Rows', 8, 'Columns', 8, 'PixelSize', 1, 'Vacuum', 2, 'PhononConfigurations', 2, 'PhononSeed', 1, ...
    'Simulation', {'PixelSize', 0.12, 'Precision', 'double'}, 'Instrument', {'DosePerA2', 1e5, 'Seed', 2}};
memory = aet.estimateSeriesMemory(atoms, probe, detector, rotations, foci, options{:});
aet.simulateSeries(atoms, probe, detector, rotations, foci, folder, options{:}, 'Progress', @showProgress);
fprintf(2, '\n');

series = aet.TiltSeries.read(folder);
counts = series.images();
fprintf(['atoms=%d images=%d rows=%d columns=%d probes=%d memory=%.0f electrons=%.12e squares=%.12e ' ...
    'brightest=%.12e\n'], size(atoms.positions, 1), series.imageCount, series.rows, series.columns, ...
    showProgress(), memory, sum(counts(:)), sum(counts(:) .^ 2), max(counts(:)));
end

function atoms = particle()
% 43 atoms of a face-centred crystal around the origin.
[k, j, i] = ndgrid(-2:2, -2:2, -2:2);
steps = [i(:) j(:) k(:)];
steps = steps(mod(sum(steps, 2), 2) == 0 & sum(steps .^ 2, 2) <= 6, :);
atoms = aet.Atoms(2.039 * steps, 'Species', 79).withColumn('debye_waller_b', 0.6);
end

function rotation = aboutY(cosine, sine)
% Exact in decimals, so that all languages have the same matrices: p' = R p.
rotation = [cosine 0 sine; 0 1 0; -sine 0 cosine];
end

function answer = showProgress(progress)
% True to go on; without an argument the number of probes that it was shown.
persistent probes
if nargin == 0
    answer = probes;
    return
end
probes = progress.probes;
fprintf(2, '\rtilt %d of %d, probe %d of %d', progress.tilt, progress.tilts, progress.probe, probes);
answer = true;
end
