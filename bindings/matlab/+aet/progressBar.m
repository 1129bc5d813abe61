function goOn = progressBar(progress)
%AET.PROGRESSBAR  Progress function that draws a line of text.
%   recon.run('Progress', @aet.progressBar). It always goes on. Without an
%   argument it ends a line that was begun, as run does when it returns.

persistent lineIsOpen
goOn = true;
if nargin == 0
    if ~isempty(lineIsOpen) && lineIsOpen
        fprintf('\n');
    end
    lineIsOpen = false;
    return
end
width = 30;
fraction = min(max(progress.fraction, 0), 1);
if isnan(fraction)
    fraction = 0;
end
filled = round(width * fraction);
bar = [repmat('#', 1, filled), repmat('.', 1, width - filled)];
if progress.tilts > 0
    fprintf('\r%-10s [%s] tilt %d/%d  configuration %d/%d  probes %d/%d  %.1f s', progress.phase, bar, ...
        progress.tilt, progress.tilts, progress.configuration, progress.configurations, progress.probe, ...
        progress.probes, progress.seconds);
    lineIsOpen = true;
    return
end
fprintf('\r%-10s [%s] %4d/%d  loss %.6e  R %.4f  %.1f s', progress.phase, bar, ...
    progress.iteration, progress.maxIterations, progress.loss, progress.rFactor, progress.seconds);
lineIsOpen = true;
end
