function atoms_from_images(folder, out)
%ATOMS_FROM_IMAGES  Atoms from images alone, in MATLAB or Octave.
%   ATOMS_FROM_IMAGES(DATA_FOLDER, OUT_FOLDER): a tomogram, its peaks, a fit
%   that a term of one's own keeps on course, error bars, and the comparison
%   with the truth. DATA_FOLDER is a dataset folder whose true atoms are
%   known; without arguments it is the small one beside the examples.
%   tomogram.mrc and atoms.xyz, with the standard error of every coordinate,
%   go to the existing folder OUT_FOLDER, by default the temporary one.
%   Progress goes to stderr. The same example exists in every host language
%   and prints the same numbers.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
if nargin < 1
    folder = fullfile(root, 'examples', 'data', 'small');
end
if nargin < 2
    out = tempdir();
end
addpath(fullfile(root, 'bindings', 'matlab'));

series = aet.TiltSeries.read(folder);
truth = aet.TiltSeries.readAtoms(folder, 'truth');

volume = aet.Volume.reconstruct(series, 'Method', 'sirt', 'Progress', @showProgress);
volume.write(fullfile(out, 'tomogram.mrc'));
% Bonds of silicon are 2.35 A long: what is nearer than 1.6 A is one atom.
start = volume.trace('MinimumDistance', 1.6, 'Species', 14);
peaks = start.compare(truth);
fprintf('peaks: %d atoms, %d of them true, RMSD %.2f pm\n', start.count, peaks.matched, peaks.rmsdPm);

probe = aet.Probe('EnergyEv', series.energyEv, 'SemiAngleMrad', series.semiAngleMrad);
% Single precision, the default, is faster and as accurate here; in double all
% hosts agree to 12 digits.
recon = aet.LocalOrbital(series, probe, 'Start', start, 'Model', 'rigid', 'Precision', 'double');
fit(recon);

% Each atom with its neighbours: takes time in proportion to the number of atoms.
errors = recon.estimateErrors('Method', 'local');
errors.atoms.write(fullfile(out, 'atoms.xyz'));
fprintf('error bars: %d atoms undetermined, predicted RMSD %.2f pm\n', errors.undetermined, errors.predictedRmsdPm);

found = errors.atoms.compare(truth);
history = recon.history;
fprintf(['true=%d matched=%d missing=%d extra=%d rmsd_pm=%.12e predicted_rmsd_pm=%.12e ' ...
    'loss=%.12e evaluations=%d\n'], found.trueCount, found.matched, found.missing, found.extra, ...
    found.rmsdPm, errors.predictedRmsdPm, history.loss(end), history.evaluations(end));
end

function fit(recon)
% First with the term, then without it: the result is that of the images alone.
heights = recon.block('heights');
% Peaks are sorted, so the middle one has the median height. The term keeps
% weak peaks from fading before they have found their places; these images would do without.
typical = heights(floor(end / 2) + 1);
recon.addTerm('heights', 3, @(heights) alike(heights, typical));
recon.run('MaxIterations', 30, 'Progress', @showProgress);
recon.clearTerms();
outcome = recon.run('Optimizer', 'levenbergMarquardt', 'Progress', @showProgress);
fprintf(2, '\n%s\n', outcome);
end

function [loss, gradient] = alike(heights, typical)
% Minus the logarithm of a prior on the heights: atoms of one element are about
% as high as each other.
deviation = heights / typical - 1;
loss = 0.5 * sum(deviation .^ 2);
gradient = deviation / typical;
end

function goOn = showProgress(progress)
fprintf(2, '\riteration %3d  loss %.6e', progress.iteration, progress.loss);
goOn = true;
end
