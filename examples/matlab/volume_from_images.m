function volume_from_images(folder, out)
%VOLUME_FROM_IMAGES  A volume from images, in MATLAB or Octave.
%   VOLUME_FROM_IMAGES(DATA_FOLDER, OUT_FOLDER): RESIRE with progress, loss and
%   gradient at the result as an optimiser of one's own would ask for them, a
%   state that is saved and goes on, and SIRT in one call. Without arguments
%   DATA_FOLDER is the small one beside the examples. volume.mrc and the state
%   recon.aet go to the existing folder OUT_FOLDER, by default the temporary
%   one. Progress goes to stderr. The same example exists in every host
%   language and prints the same numbers.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
if nargin < 1
    folder = fullfile(root, 'examples', 'data', 'small');
end
if nargin < 2
    out = tempdir();
end
addpath(fullfile(root, 'bindings', 'matlab'));

series = aet.TiltSeries.read(folder);

% A cube as wide as the images, voxels as large as pixels, started from nothing,
% kept positive.
recon = aet.Tomography(series);
run(recon, 20);
[loss, gradient] = recon.lossAndGradient(recon.parameters);

volume = recon.volume();
volume.write(fullfile(out, 'volume.mrc'));
voxels = volume.values('double');

file = fullfile(out, 'recon.aet');
recon.save(file);
resumed = aet.Tomography.load(file, series);
run(resumed, 2);
history = resumed.history();

tomogram = aet.Volume.reconstruct(series, 'Method', 'sirt', 'Iterations', 10, 'Progress', @showProgress);
fprintf(2, '\n');

rFactors = recon.rFactors();
fprintf(['iterations=%d loss=%.12e gradient_norm=%.12e r_factor=%.12e sum=%.12e maximum=%.12e ' ...
    'resumed_loss=%.12e sirt_residual=%.12e\n'], numel(recon.history().iteration), loss, norm(gradient), ...
    mean(rFactors(isfinite(rFactors))), sum(voxels(:)), max(voxels(:)), history.loss(end), tomogram.residuals(end));
end

function run(recon, iterations)
% Iterations that nothing ends early: a tolerance of 0 would be the automatic one.
outcome = recon.run('MaxIterations', iterations, 'LossTolerance', 1e-300, 'Progress', @showProgress);
fprintf(2, '\n%s\n', outcome);
end

function goOn = showProgress(progress)
fprintf(2, '\riteration %3d  loss %.6e', progress.iteration, progress.loss);
goOn = true;
end
