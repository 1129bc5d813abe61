function f = makeFit()
%MAKEFIT  Every object of a fit of the problem.

f.context = aet.Context('Threads', 2);
f.series = makeSeries(arrays(), 'Context', f.context);
f.probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25);
f.atoms = aet.Atoms(truePositions() + 0.1);
f.recon = aet.LocalOrbital(f.series, f.probe, 'Start', f.atoms, 'Model', 'rigid', 'Precision', 'double', ...
    'Context', f.context);
end
