function bytes = estimate_series_memory(atoms, probe, detector, rotations, foci, varargin)
%ESTIMATE_SERIES_MEMORY  Bytes that a simulated series will need.
%   BYTES = AET.ESTIMATE_SERIES_MEMORY(ATOMS, PROBE, DETECTOR, ROTATIONS, FOCI,
%   'Name', value, ...) with the arguments of aet.simulate_series.
%
%   See also aet.simulate_series

options = aet.internal.options('aet.estimate_series_memory', aet.internal.seriesOptions(), varargin);
arguments = aet.internal.seriesArguments(atoms, probe, detector, rotations, foci, options);
bytes = aet_mex('simulate_series_estimate_memory', arguments{:});
end
