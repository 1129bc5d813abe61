function fitted_probes(folder)
%FITTED_PROBES  Probes that images tell, in MATLAB or Octave.
%   FITTED_PROBES(DATA_FOLDER): the foci of a series that recorded none, by a
%   scan and a fit, then the pixels of the probes, which find an astigmatism
%   that the fit was not told of. DATA_FOLDER is a dataset folder of two foci
%   per tilt with true atoms and, as start.xyz, atoms to start from; without
%   the argument it is the small one beside the examples. Its particle is thin
%   for a focus to matter, so a longer one is imaged in the same way, by the
%   rigid model. Progress goes to stderr. The same example exists in every host
%   language and prints the same numbers.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
if nargin < 1
    folder = fullfile(root, 'examples', 'data', 'small');
end
addpath(fullfile(root, 'bindings', 'matlab'));

recorded = aet.TiltSeries.read(folder);
truth = stretched(aet.TiltSeries.readAtoms(folder, 'truth'));
start = stretched(aet.Atoms.read(fullfile(folder, 'start.xyz')));
probe = aet.Probe('EnergyEv', recorded.energyEv, 'SemiAngleMrad', recorded.semiAngleMrad);
series = seriesWithoutFoci(recorded, probe, truth);

% Atoms far out of place tell little of a focus: a few iterations first. Single
% precision, the default, is faster and as accurate here; in double all hosts
% agree to 12 digits.
recon = aet.LocalOrbital(series, probe, 'Start', start, 'Model', 'rigid', 'Precision', 'double');
reach(recon, 10);
recon.scanDefocus('Range', 30, 'Step', 5);
scan = recon.block('defocus');
fprintf('scan: defocus %.2f and %.2f A\n', scan);

% The widths had taken up a part of the blur; now both find their values.
recon.freeze('defocus', false);
rigidLoss = reach(recon, 60);
defocus = recon.block('defocus');
% What the fit leaves, which is the astigmatism here, counts as noise.
errors = recon.blockErrors('defocus', 'Noise', 'residual');
fprintf('fit: defocus %.2f +- %.2f and %.2f +- %.2f A\n', [defocus(:), errors(:)]');

pixels = recon.continued('Model', 'adaptive', 'ProbeSide', 15, 'Precision', 'double');
adaptiveLoss = reach(pixels, 30);
probes = pixels.probeTable().values;
found = pixels.atoms.compare(truth);
fprintf(['scan_0=%.12e scan_1=%.12e defocus_0=%.12e defocus_1=%.12e error_0=%.12e error_1=%.12e ' ...
    'rigid_loss=%.12e adaptive_loss=%.12e focus_0=%.12e focus_1=%.12e rmsd_pm=%.12e\n'], scan, defocus, errors, rigidLoss, ...
    adaptiveLoss, probes.focus_0, probes.focus_1, found.rmsdPm);
end

function longer = stretched(atoms)
% The particle 1.5 times as long along z.
longer = aet.Atoms(atoms.positions .* [1, 1, 1.5]);
end

function series = seriesWithoutFoci(recorded, probe, truth)
% Images of the longer particle at the foci recorded, with heights and
% backgrounds as the recorded images have them; as a series that knows the
% sections but not their foci, which are then 0.
model = aet.LocalOrbital(recorded, probe, 'Start', truth, 'Model', 'rigid', 'Precision', 'double');
model.setBlock('astigmatism', [6, 0; 6, 0]);   % C12 cos and C12 sin of each section, angstrom
series = aet.TiltSeries(model.predict(), 'Rotations', recorded.rotations, 'Tilt', recorded.tilt, ...
    'Section', recorded.section, 'PixelSize', recorded.pixelSize);
end

function loss = reach(recon, iterations)
% Runs, and returns the loss reached.
outcome = recon.run('MaxIterations', iterations, 'Progress', @showProgress);
fprintf(2, '\n%s\n', outcome);
history = recon.history;
loss = history.loss(end);
end

function goOn = showProgress(progress)
fprintf(2, '\riteration %3d  loss %.6e', progress.iteration, progress.loss);
goOn = true;
end
