function bytes = estimateSeriesMemory(atoms, probe, detector, rotations, foci, varargin)
%ESTIMATE_SERIES_MEMORY  Bytes that a simulated series will need.
%   BYTES = AET.ESTIMATE_SERIES_MEMORY(ATOMS, PROBE, DETECTOR, ROTATIONS, FOCI,
%   'Name', value, ...) with the arguments of aet.simulateSeries.
%
%   See also aet.simulateSeries

options = aet.internal.options('aet.estimateSeriesMemory', aet.internal.seriesOptions(), varargin);
arguments = aet.internal.seriesArguments(atoms, probe, detector, rotations, foci, options);
bytes = aet_mex('simulate_series_estimate_memory', arguments{:});
end
