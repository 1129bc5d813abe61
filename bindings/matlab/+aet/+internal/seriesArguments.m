function arguments = seriesArguments(atoms, probe, detector, rotations, foci, options)
%SERIESARGUMENTS  What the commands of simulated series take first, as a cell.

aet.internal.require(atoms, 'aet.Atoms', 'atoms');
aet.internal.require(probe, 'aet.Probe', 'probe');
aet.internal.require(detector, 'aet.Detector', 'detector');
[context, options] = aet.internal.take(options, 'Context', []);
context = aet.internal.context(context);
known = aet.Simulation.options;
[simulation, options] = aet.internal.pairs(options, 'Simulation', known(~strcmp(known, 'Context')));
[instrument, options] = aet.internal.pairs(options, 'Instrument', aet.TiltSeries.instrumentOptions);
arguments = {context.key, atoms.key, probe.key, detector.key, rotations, foci, options, simulation, instrument};
end
