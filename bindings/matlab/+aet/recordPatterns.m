function recorded = recordPatterns(patterns, varargin)
%RECORDPATTERNS  What an instrument records of diffraction patterns.
%   RECORDED = AET.RECORDPATTERNS(PATTERNS, 'Name', value, ...) takes ideal
%   patterns [rows x columns x ...] and returns singles of the same size.
%   Options are those of aet.TiltSeries.record except the scan's and
%   DosePerA2, which are errors (aet:unsupported), and
%     First     number of the first pattern (default 1); patterns count in
%               the order of memory, so that large sets may be recorded part
%               by part with the same result
%     Progress  function as for aet.LocalOrbital.run
%     Context   aet.Context, default: the shared one
%
%   Example
%     counts = aet.recordPatterns(patterns, 'ElectronsPerPosition', 1e4, 'Seed', 1);
%
%   See also aet.TiltSeries, aet.instrumentTruth

known = [aet.TiltSeries.instrumentOptions, {'First', 'Progress', 'Context'}];
options = aet.internal.options('aet.recordPatterns', known, varargin);
[first, options] = aet.internal.take(options, 'First', 1);
[progress, options] = aet.internal.take(options, 'Progress', []);
[context, options] = aet.internal.take(options, 'Context', []);
context = aet.internal.context(context);
extent = size(patterns);
% Counted here: Octave's reshape cannot divide by an empty image.
stack = reshape(patterns, extent(1), extent(2), prod(extent(3:end)));
recorded = aet.internal.withProgress(progress, 'patterns_record', context.key, stack, options, first);
recorded = reshape(recorded, extent);
end
