function simulate_scan()
%SIMULATE_SCAN  A scan of a small gold particle, in MATLAB or Octave.
%   And the gradient of its misfit with respect to the atoms. The same example
%   exists in every host language and prints the same numbers. Progress goes
%   to stderr.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
addpath(fullfile(root, 'bindings', 'matlab'));

probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 20, 'Defocus', 4);
% Single precision, the default, is faster and as good here; in double all
% hosts agree to 12 digits.
options = {'Rows', 128, 'Columns', 128, 'Precision', 'double', 'Progress', @showProgress};
truth = aet.Simulation(particle(0.1), 300e3, options{:});
guess = aet.Simulation(particle(0), 300e3, options{:});

detectors = {aet.Detector('annular', 'InnerMrad', 30, 'OuterMrad', 50), aet.Detector('centerOfMass')};
[x, y] = meshgrid(4:11, 4:11);
positions = [reshape(x', [], 1) reshape(y', [], 1)];   % row after row
measured = truth.scan(probe, positions, detectors, 'Progress', @showProgress);
signals = guess.scan(probe, positions, detectors, 'Progress', @showProgress);   % {[n x 1], [2 x n]}

% L = 1/2 sum (signal - measured)^2
residuals = cellfun(@minus, signals, measured, 'UniformOutput', false);
loss = 0.5 * (sum(residuals{1} .^ 2) + sum(residuals{2}(:) .^ 2));
gradient = guess.pullBack(probe, positions, detectors, residuals, 'atomPositions', 'Progress', @showProgress);
gradient = gradient.atomPositions;
fprintf(2, '\n');
fprintf('atoms=%d positions=%d haadf=%.12e center_of_mass=%.12e loss=%.12e gradient_norm=%.12e first=%.12e\n', ...
    size(gradient, 1), size(positions, 1), sum(signals{1}), norm(signals{2}(:)), loss, norm(gradient(:)), ...
    gradient(1, 1));
end

function atoms = particle(shift)
% 43 atoms of a face-centred crystal around the middle of the cell, the first
% one moved by SHIFT angstrom along x.
edge = 16;
[k, j, i] = ndgrid(-2:2, -2:2, -2:2);
steps = [i(:) j(:) k(:)];
steps = steps(mod(sum(steps, 2), 2) == 0 & sum(steps .^ 2, 2) <= 6, :);
positions = 0.5 * edge + 2.039 * steps;
positions(1, 1) = positions(1, 1) + shift;
atoms = aet.Atoms(positions, 'Species', 79).withColumn('debye_waller_b', 0.6).withCell([edge edge edge]);
end

function go_on = showProgress(progress)
fprintf(2, '\rsimulating %3.0f %%', 100 * progress.fraction);
go_on = true;
end
