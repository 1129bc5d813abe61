"""Means over ensembles, thickness series, windows, padded patterns, PRISM, and bad input."""

import numpy as np

import aet
from checks import check, check_fault
from simulations import CELL, OPTIONS, PLACES, detectors, three_atoms

WINDOW = {"window_rows": 16, "window_columns": 20}
PRISM = {"prism_semiangle_mrad": 15}


def close(got, wanted, error):
    """Whether all signals agree with those of another list."""
    return all(np.abs(g - w).max() < error for g, w in zip(got, wanted))


def ensembles_are_means():
    probe, atoms = aet.Probe(300e3, 15), three_atoms()
    simulation = aet.Simulation(atoms, 300e3, **OPTIONS)
    means, errors = simulation.scan_ensemble(probe, PLACES, detectors(), phonon_configurations=3, phonon_seed=5)
    displaced = [atoms.displaced(5, number) for number in range(3)]
    moved = displaced[1].positions - atoms.positions
    check("displacements", 0 < np.abs(moved).max() < 0.5 and np.isnan(displaced[1].debye_waller_b).all())
    scans = [aet.Simulation(list_, 300e3, **OPTIONS).scan(probe, PLACES, detectors()) for list_ in displaced]
    by_detector = [np.stack(signals) for signals in zip(*scans)]
    check("shapes", [m.shape for m in means] == [s.shape[1:] for s in by_detector] == [e.shape for e in errors])
    check("means of frozen phonons", close(means, [s.mean(axis=0) for s in by_detector], 1e-12))
    check("standard errors", close(errors, [s.std(axis=0, ddof=1) / 3**0.5 for s in by_detector], 1e-12))
    still, unknown = simulation.scan_ensemble(probe, PLACES, detectors()[2])
    check("an ensemble of one", (still == simulation.scan(probe, PLACES, detectors()[2])).all())
    check("which has no error", unknown.shape == still.shape and np.isnan(unknown).all())
    nodes = {"defocus_spread": 20, "defocus_nodes": 2, "semiangle_spread_mrad": 0.5, "semiangle_nodes": 2}
    spread, _ = simulation.scan_ensemble(probe, PLACES, detectors(), **nodes)
    members = [aet.Probe(300e3, 15 + by, defocus=focus) for focus in (-20, 20) for by in (-0.5, 0.5)]
    wanted = [np.mean(s, axis=0) for s in zip(*(simulation.scan(p, PLACES, detectors()) for p in members))]
    check("two nodes stand at one standard deviation", close(spread, wanted, 1e-12))
    seen = []
    simulation.scan_ensemble(probe, PLACES, detectors()[0], phonon_configurations=2, progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    check("progress", fractions == sorted(fractions) and fractions[-1] == 1, fractions)


def prism_is_multislice():
    probe = aet.Probe(300e3, 15)
    for precision, error in [("single", 1e-4), ("double", 1e-9)]:
        options = {**OPTIONS, "precision": precision}
        scans = [aet.Simulation(three_atoms(), 300e3, **options, **more).scan(probe, PLACES, detectors())
                 for more in ({}, PRISM)]
        check(f"PRISM in {precision} precision", close(*scans, error))
    halves = {**PRISM, "prism_interpolation_y": 2, "prism_interpolation_x": 2}
    interpolated = aet.Simulation(three_atoms(), 300e3, **OPTIONS, **halves)
    check("an interpolation makes windows", interpolated.pattern_shape == (16, 20) == interpolated.window_shape)
    coarser = aet.Simulation(three_atoms(), 300e3, **OPTIONS, **PRISM, prism_downsampling=1)
    rows, columns = coarser.pattern_shape
    patterns = coarser.patterns(probe, PLACES[0])
    check("downsampled patterns", rows < 32 and columns < 40 and patterns.shape == (2, rows, columns))
    whole = aet.Simulation(three_atoms(), 300e3, **OPTIONS).patterns(probe, PLACES[0])
    sums = [p.sum(axis=(1, 2)) for p in (patterns, whole)]
    check("lose nothing", np.allclose(*sums, atol=1e-5), sums)


def specimens_of_many_thicknesses():
    simulation, probe = aet.Simulation(three_atoms(), 300e3, **OPTIONS), aet.Probe(300e3, 15)
    everything, center, segments = simulation.thickness_series(probe, PLACES, [1, 3], detectors())
    check("exits come first", (everything.shape, center.shape, segments.shape) == ((2, 2, 2), (2, 2, 2, 2), (2, 2, 2, 2,
                                                                                                           3)))
    whole = simulation.scan(probe, PLACES, detectors())
    check("the last exit is the scan", close([everything[1], center[1], segments[1]], whole, 1e-12))
    thin = np.stack([simulation.potential(0)])
    given = aet.Simulation.from_potential(thin, CELL[:2], 300e3, precision="double")
    check("the first is a thin specimen", close([segments[0]], [given.scan(probe, PLACES, detectors()[2])], 1e-12))
    single = simulation.thickness_series(probe, PLACES, np.array([2]), detectors()[0])
    check("one exit, one detector", single.shape == (1, 2, 2))


def windows_cost():
    probe, errors = aet.Probe(300e3, 15), []
    for rows, columns in [(16, 20), (24, 30)]:
        simulation = aet.Simulation(three_atoms(), 300e3, window_rows=rows, window_columns=columns, **OPTIONS)
        errors.append(simulation.window_error(probe, PLACES, detectors()))
    check("a window costs", errors[0].largest > 0 and 0 < errors[0].relative < 1, errors)
    narrow, wide = errors
    check("a larger one less", wide.largest < narrow.largest and wide.relative < narrow.relative, errors)
    padded = aet.Simulation(three_atoms(), 300e3, pattern_sampling="padded", **WINDOW, **OPTIONS)
    check("shape of padded patterns", padded.pattern_shape == (32, 40) and padded.window_shape == (16, 20))
    patterns = padded.patterns(probe, PLACES)
    check("padded patterns", patterns.shape == (2, 2, 32, 40))
    whole = aet.Simulation(three_atoms(), 300e3, **OPTIONS).patterns(probe, PLACES)
    sums = [p.sum(axis=(2, 3)) for p in (patterns, whole)]
    check("sum to about 1", np.allclose(sums[0], 1, atol=0.05), sums[0])
    check("and lose little to the window", np.allclose(*sums, atol=5e-3), sums)
    out = np.zeros((4, 32, 40))
    check("into an array", np.allclose(padded.patterns(probe, PLACES, out=out), patterns.reshape(out.shape)))
    choose = aet.Simulation.choose_window
    check("no smaller window", choose(three_atoms(), probe, **OPTIONS) == (32, 40))
    wide = three_atoms().with_cell([100, 80, 6])
    sizes = [choose(wide, probe, focus, pixel_size=0.25) for focus in (0, 300)]
    check("a chosen window", sizes[0][0] < sizes[1][0] < 320 and sizes[0][1] < sizes[1][1] < 400, sizes)


def ensembles_refuse():
    atoms, probe, everything = three_atoms(), aet.Probe(300e3, 15), aet.Detector("annular")
    simulation = aet.Simulation(atoms, 300e3, **OPTIONS)
    made = lambda **more: lambda: aet.Simulation(atoms, 300e3, **OPTIONS, **more)
    check_fault(made(**PRISM, **WINDOW), "PRISM in a window", "unsupported", "window")
    check_fault(made(**PRISM, pattern_sampling="padded"), "padded patterns of PRISM", "unsupported", "padded")
    check_fault(made(**PRISM, prism_interpolation_x=3), "interpolation 3 of 40 pixels", "range", "interpolation", "3")
    check_fault(made(prism_interpolation_y=2), "interpolation without PRISM", "range", "prism_semiangle_mrad")
    check_fault(made(prism_semiangle_mrad=-1), "semi-angle -1 of PRISM", "range", "semi-angle", "-1")
    check_fault(made(pattern_sampling="fine"), "unknown sampling", "unknown_option", "padded")
    prism = made(**PRISM)()
    check_fault(lambda: prism.scan(aet.Probe(300e3, 16), PLACES, everything), "a wider probe", "range", "at most 15")
    scan = lambda of=simulation, **options: lambda: of.scan_ensemble(probe, PLACES, everything, **options)
    check_fault(scan(defocus_spread=-1), "spread -1", "range", "defocus", "-1")
    check_fault(scan(semiangle_spread_mrad=np.nan), "spread NaN", "range", "semi-angle")
    check_fault(scan(defocus_spread=1, defocus_nodes=65), "65 nodes", "range", "65")
    check_fault(scan(phonon_configurations=-1), "-1 configurations", "range", "phonon_configurations", "-1")
    check_fault(scan(phonon_configurations=2, progress=lambda p: False), "cancelled", "cancelled")
    bare = aet.Atoms(atoms.positions, atoms.species).with_cell(CELL)
    still = aet.Simulation(bare, 300e3, **OPTIONS)
    check_fault(scan(still, phonon_configurations=2), "phonons of still atoms", "not_ready", "debye_waller_b")
    check_fault(lambda: bare.displaced(1, 0), "displaced still atoms", "not_ready", "debye_waller_b")
    check_fault(lambda: atoms.displaced(1, -1), "configuration -1", "range", "number", "-1")
    stack = np.ones((2, 32, 40))
    given = aet.Simulation.from_potential(stack, CELL[:2], 300e3)
    check_fault(scan(given, phonon_configurations=2), "phonons of a potential", "unsupported", "potential")
    exits = lambda numbers, of=simulation: lambda: of.thickness_series(probe, PLACES, numbers, everything)
    check_fault(exits([2, 2]), "exits that do not rise", "range", "exit 1", "3 to 3")
    check_fault(exits([4]), "an exit below the specimen", "range", "exit 0", "1 to 3")
    check_fault(exits([1.5]), "half a slice", "range", "exit 0", "1.5")
    check_fault(exits([]), "no exits", "empty", "exit")
    check_fault(exits([1, 3], prism), "thicknesses by PRISM", "unsupported", "PRISM")
    check_fault(lambda: simulation.window_error(probe, PLACES, everything), "no window", "unsupported", "whole")
    check_fault(lambda: aet.Simulation.choose_window(bare.with_cell(None), probe), "no cell", "not_ready", "cell")
    check_fault(lambda: aet.Simulation.choose_window(bare, probe, -1), "focus -1", "range", "focus", "-1")
    stopped = lambda: aet.Simulation.from_potential(stack, CELL[:2], 300e3, progress=lambda p: False)
    check_fault(stopped, "a potential cancelled", "cancelled")
