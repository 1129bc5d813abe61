function local_orbital(folder)
%LOCAL_ORBITAL  Local-orbital tomography from MATLAB or Octave.
%   LOCAL_ORBITAL(DATA_FOLDER): everything is made from the host's own arrays,
%   the host drives the fit itself, then the library does. DATA_FOLDER is a
%   dataset folder whose true atoms are known; without the argument it is the
%   small one beside the examples. Progress goes to stderr; the last line on
%   stdout holds what was computed. The same example exists in every host
%   language and prints the same numbers.

root = fileparts(fileparts(fileparts(mfilename('fullpath'))));
if nargin < 1
    folder = fullfile(root, 'examples', 'data', 'small');
end
addpath(fullfile(root, 'bindings', 'matlab'));

data = readSeries(folder);
series = createSeries(data);
probe = aet.Probe('EnergyEv', data.energyEv, 'SemiAngleMrad', data.semiAngleMrad);
truth = aet.TiltSeries.readAtoms(folder, 'truth');
start = displaced(truth);

recon = createRecon(series, probe, start);
[loss, gradient] = recon.lossAndGradient(recon.parameters);
hostLoss = hostDrivenFit(recon);

recon = createRecon(series, probe, start);
outcome = recon.run('MaxIterations', 60, 'LossTolerance', 1e-12, 'Progress', @showProgress);
fprintf(2, '\n%s\n', outcome);

history = recon.history;
report = recon.atoms.compare(truth);
fprintf(['loss=%.12e gradient_norm=%.12e run_loss=%.12e run_iterations=%d ' ...
    'rmsd_pm=%.6f matched=%d host_loss=%.12e\n'], loss, norm(gradient), history.loss(end), ...
    history.iteration(end), report.rmsdPm, report.matched, hostLoss);
end

function data = readSeries(folder)
% Reads the folder and copies out all that the fit needs. Lengths in angstrom.
series = aet.TiltSeries.read(folder);
data.images = series.images;                 % rows x columns x n
data.rotations = series.rotations;           % 3 x 3 x n, p' = R p
data.tilt = series.tilt;
data.section = series.section;
data.defocus = series.defocus;
data.countsPerUnit = series.countsPerUnit;   % not finite where unknown
data.pixelSize = series.pixelSize;
data.energyEv = series.energyEv;
data.semiAngleMrad = series.semiAngleMrad;
end

function series = createSeries(data)
% Hands the arrays to the library, which copies them.
known = {};
if all(isfinite(data.countsPerUnit))
    known = {'CountsPerUnit', data.countsPerUnit};
end
series = aet.TiltSeries(data.images, 'Rotations', data.rotations, 'Tilt', data.tilt, ...
    'Section', data.section, 'Defocus', data.defocus, 'PixelSize', data.pixelSize, known{:});
end

function start = displaced(truth)
% The true atoms, each moved by up to 0.15 A per axis, the same way in every language.
[axis, atom] = meshgrid(1:3, 1:truth.count);
start = aet.Atoms(truth.positions + 0.15 * sin(12.9898 * (3 * (atom - 1) + axis)));
end

function recon = createRecon(series, probe, start)
recon = aet.LocalOrbital(series, probe, 'Start', start, 'Model', 'rigid', 'Precision', 'double', ...
    'Loss', 'mse', 'HeightSharing', 'common', 'WidthSharing', 'common', 'WidthStart', 0.5);
end

function goOn = showProgress(progress)
fprintf(2, '\rrun iteration %3d  loss %.9e  %5.1f s', progress.iteration, progress.loss, progress.seconds);
goOn = true;
end

% ---- the host's own optimiser, in parameters divided by the scales of their blocks ----

function loss = hostDrivenFit(recon)
% fminunc keeps a dense Hessian: fine for a thousand parameters, not for more.
x = recon.parameters;
[scale, lower, upper] = describe(recon);
objective = @(u) scaledLoss(recon, u, scale);
if numel(x) <= 1000 && exist('fminunc', 'file')
    options = optimset('GradObj', 'on', 'MaxIter', 200, 'MaxFunEvals', 1000, 'TolFun', 1e-10, 'TolX', 1e-10);
    [~, loss] = fminunc(objective, x ./ scale, options);
else
    loss = minimise(objective, x ./ scale, lower ./ scale, upper ./ scale);
end
end

function [scale, lower, upper] = describe(recon)
scale = zeros(numel(recon.parameters), 1);
lower = scale;
upper = scale;
for block = recon.layout'
    if ~block.frozen
        range = block.offset + (0:block.size - 1);
        scale(range) = block.scale;
        lower(range) = block.lower;
        upper(range) = block.upper;
    end
end
end

function [loss, gradient] = scaledLoss(recon, u, scale)
if nargout < 2
    loss = recon.lossAndGradient(u .* scale);
else
    [loss, gradient] = recon.lossAndGradient(u .* scale);
    gradient = gradient .* scale;
end
end

function loss = minimise(objective, u, lower, upper)
% L-BFGS within bounds.
memory = 10;
steps = zeros(numel(u), 0);
changes = steps;
[loss, gradient] = objective(u);
for iteration = 1:200
    [trial, next, nextGradient] = lineSearch(objective, u, loss, gradient, ...
        descentDirection(steps, changes, gradient), lower, upper);
    if isempty(trial)
        return
    end
    step = trial - u;
    change = nextGradient - gradient;
    if step' * change > 1e-12 * (change' * change)
        first = max(1, size(steps, 2) - memory + 2);
        steps = [steps(:, first:end), step];
        changes = [changes(:, first:end), change];
    end
    fall = loss - next;
    u = trial;
    loss = next;
    gradient = nextGradient;
    fprintf(2, '\rhost iteration %3d  loss %.9e', iteration, loss);
    if fall <= 1e-10 * abs(loss)
        break
    end
end
fprintf(2, '\n');
end

function direction = descentDirection(steps, changes, gradient)
% The two-loop recursion: - (inverse Hessian) gradient. Newest pair last.
direction = -gradient;
count = size(steps, 2);
curvature = sum(steps .* changes, 1);
weight = zeros(1, count);
for k = count:-1:1
    weight(k) = steps(:, k)' * direction / curvature(k);
    direction = direction - weight(k) * changes(:, k);
end
if count > 0
    direction = direction * curvature(count) / (changes(:, count)' * changes(:, count));
end
for k = 1:count
    direction = direction + (weight(k) - changes(:, k)' * direction / curvature(k)) * steps(:, k);
end
end

function [best, loss, gradient] = lineSearch(objective, u, start, slope, direction, lower, upper)
% Bisection for the weak Wolfe conditions; BEST is [] where no step lowers the loss enough.
best = [];
loss = start;
gradient = slope;
short = 0;
long = Inf;
length = 1;
for k = 1:30
    trial = min(max(u + length * direction, lower), upper);
    [trialLoss, trialGradient] = objective(trial);
    if ~(trialLoss <= start + 1e-4 * slope' * (trial - u))
        long = length;
    else
        best = trial;
        loss = trialLoss;
        gradient = trialGradient;
        if trialGradient' * direction >= 0.9 * slope' * direction
            return
        end
        short = length;
    end
    if isinf(long)
        length = 2 * short;
    else
        length = (short + long) / 2;
    end
end
end
