function simulateSeries(atoms, probe, detector, rotations, foci, folder, varargin)
%SIMULATE_SERIES  Simulate a tilt and focus series into a folder.
%   AET.SIMULATE_SERIES(ATOMS, PROBE, DETECTOR, ROTATIONS, FOCI, FOLDER,
%   'Name', value, ...): images with an annular DETECTOR, which
%   aet.TiltSeries.read reads, diffraction patterns with a pixelated one.
%   ROTATIONS [3 x 3 x tilts] turn the specimen about its origin, p' = R p,
%   which falls on scan position (floor(rows / 2), floor(columns / 2)) + 1.
%   FOCI are the heights of the crossover above the origin, angstrom: one
%   image per tilt and focus.
%
%   Options
%     PixelSize        distance of scan positions, angstrom (default 0.34)
%     Rows, Columns    scan positions (default: so many that all atoms stay
%                      within the images in every tilt)
%     Vacuum           around specimen and scan, angstrom (default 4)
%     Simulation       options of aet.Simulation as a cell of pairs, for
%                      instance {'PixelSize', 0.1, 'Precision', 'double'}
%     WholeWindow      true: waves travel through the whole cell and not
%                      through a window chosen for the probe
%     PhononConfigurations, PhononSeed
%                      frozen phonons (default: none)
%     DefocusSpread, SemiAngleSpreadMrad
%                      standard deviations, angstrom and mrad, with
%     DefocusNodes, SemiAngleNodes
%                      probes that stand for them (default 7 and 5)
%     Instrument       options of aet.TiltSeries.record as a cell of pairs
%     MemoryCap        bytes that the run may need
%     Progress         function as for aet.LocalOrbital.run
%     Context          aet.Context, default: the shared one
%
%   Finished parts lie in FOLDER.partial. Where a call was ended by Progress,
%   an error, Ctrl-C, a kill or a full disk, the same call goes on and the
%   result is the same to the last bit. What Progress gets has the fields
%   tilt of tilts, configuration of configurations and probe of probes, those
%   of earlier calls among them.
%
%   Example
%     haadf = aet.Detector('annular', 'InnerMrad', 40);
%     aet.simulateSeries(atoms, probe, haadf, rotations, 0, 'series', ...
%         'Instrument', {'DosePerA2', 1e5, 'Seed', 1}, ...
%         'Progress', @aet.progressBar);
%     series = aet.TiltSeries.read('series');
%
%   See also aet.estimateSeriesMemory, aet.Simulation, aet.TiltSeries

options = aet.internal.options('aet.simulateSeries', [aet.internal.seriesOptions(), {'Progress'}], varargin);
[progress, options] = aet.internal.take(options, 'Progress', []);
arguments = aet.internal.seriesArguments(atoms, probe, detector, rotations, foci, options);
aet.internal.withProgress(progress, 'simulate_series', arguments{:}, char(folder));
end
