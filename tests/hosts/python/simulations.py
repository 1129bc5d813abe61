"""Simulations: potentials, waves, scans, patterns, gradients, and bad input."""

import numpy as np

import aet
from checks import check, check_fault, check_raises

CELL = [8.0, 7.0, 6.0]
OPTIONS = {"rows": 32, "columns": 40, "precision": "double"}
PLACES = np.array([[[3.0, 4.0], [4.3, 3.9]], [[-1.0, 9.5], [0.0, 0.0]]])  # [row, column, (x, y)]


def three_atoms(shift=0.0):
    positions = np.array([[3.0, 4, 1], [4.2, 4.1, 3], [6, 2, 4.5]])
    positions[0, 0] += shift
    return aet.Atoms(positions, [79, 29, 14]).with_column("debye_waller_b", 0.5).with_cell(CELL)


def detectors():
    return [
        aet.Detector("annular"),
        aet.Detector("center_of_mass"),
        aet.Detector("segmented", outer_mrad=20, radial_bins=2, azimuthal_bins=3),
    ]


def simulations_scan():
    simulation, probe = aet.Simulation(three_atoms(), 300e3, **OPTIONS), aet.Probe(300e3, 15)
    check("what it is", (simulation.shape, simulation.slice_count) == ((32, 40), 3) and "32 x 40" in repr(simulation))
    check("size of pixels", np.allclose(simulation.pixel_size, (7 / 32, 0.2)))
    check("wavelength", simulation.wavelength == probe.wavelength)
    check("bytes", simulation.memory == aet.Simulation.estimate_memory(three_atoms(), 300e3, **OPTIONS))
    everything, center, segments = simulation.scan(probe, PLACES, detectors())
    check("axes of signals", everything.shape == (2, 2) and center.shape == (2, 2, 2) and segments.shape == (2, 2, 2,
                                                                                                             3))
    check("one detector", (simulation.scan(probe, PLACES, detectors()[2]) == segments).all())
    check("the cell is periodic", np.allclose(simulation.scan(probe, PLACES + CELL[:2], detectors()[0]), everything))
    patterns = simulation.patterns(probe, PLACES)
    check("patterns", patterns.shape == (2, 2, 32, 40) and np.allclose(patterns.sum(axis=(2, 3)), everything))
    steps = 1e3 * simulation.wavelength / np.array([7.0, 8.0])
    measured = detectors()[2].measure(patterns, steps[0], column_step_mrad=steps[1])
    check("measured patterns give the same signals", np.allclose(measured, segments, atol=1e-7))
    out = np.zeros((4, 32, 40))
    filled = simulation.patterns(probe, PLACES, out=out)
    check("into an array", filled is out and np.allclose(out, patterns.reshape(out.shape)))
    wave, first = simulation.probe_exit_wave(probe, PLACES[0, 0])
    pattern = np.fft.fftshift(np.abs(np.fft.fft2(wave)) ** 2)
    check("a pattern is that of the wave", first == (0, 0) and np.allclose(pattern, patterns[0, 0], atol=1e-8))
    check("exit wave", np.array_equal(simulation.exit_wave(), simulation.exit_wave(np.ones((32, 40)), 3)))
    windowed = aet.Simulation(three_atoms(), 300e3, window_rows=16, window_columns=20, **OPTIONS)
    check("a window", windowed.window_shape == (16, 20) and windowed.patterns(probe, PLACES[0]).shape == (2, 16, 20))
    potential = np.stack([simulation.potential(k) for k in range(3)])
    given = aet.Simulation.from_potential(potential, CELL[:2], 300e3, precision="double")
    check("of a potential", np.allclose(given.scan(probe, PLACES, detectors()[1]), center, atol=1e-12))
    edges = aet.Simulation(three_atoms(), 300e3, slice_edges=[0, 1, 3, 6], **OPTIONS)
    check("unequal slices", edges.slice_count == 3 and not np.array_equal(edges.potential(0), potential[0]))


def simulations_have_gradients():
    probe, weights = aet.Probe(300e3, 15), [np.array([[1.0, 2], [0, -1]]), np.ones((2, 2, 2)), np.full((2, 2, 2, 3),
                                                                                                       0.3)]

    def loss(atoms, places=PLACES):
        signals = aet.Simulation(atoms, 300e3, **OPTIONS).scan(probe, places, detectors())
        return sum((w * s).sum() for w, s in zip(weights, signals))

    simulation = aet.Simulation(three_atoms(), 300e3, **OPTIONS)
    wanted = ("positions", "potential", "atom_positions", "debye_waller_b", "occupancy")
    gradient = simulation.pull_back(probe, PLACES, detectors(), weights, wanted)
    check("shapes", [gradient[name].shape for name in wanted] == [(2, 2, 2), (3, 32, 40), (3, 3), (3,), (3,)])
    step = 1e-4

    def agrees(name, got, plus, minus):
        difference = (plus - minus) / (2 * step)
        check(name, abs(difference - got) < 1e-6 * max(abs(difference), 1e-3), (got, difference))

    agrees("atom along x", gradient["atom_positions"][0, 0], loss(three_atoms(step)), loss(three_atoms(-step)))
    moved = lambda by: PLACES + np.array([[[0, 0], [0, by]], [[0, 0], [0, 0]]])
    agrees("position along y", gradient["positions"][0, 1, 1], loss(three_atoms(), moved(step)), loss(three_atoms(),
                                                                                                      moved(-step)))
    thermal = lambda by: three_atoms().with_column("debye_waller_b", [0.5, 0.5 + by, 0.5])
    agrees("Debye-Waller factor", gradient["debye_waller_b"][1], loss(thermal(step)), loss(thermal(-step)))
    single = simulation.pull_back(probe, PLACES, detectors()[1], weights[1], "positions")
    check("of one detector", list(single) == ["positions"] and single["positions"].shape == (2, 2, 2))


def simulations_do_not_depend_on_threads():
    probe, results = aet.Probe(300e3, 15), []
    for threads in (1, 2, 3):
        with aet.Context(threads=threads) as context:
            simulation = aet.Simulation(three_atoms(), 300e3, context=context, **{**OPTIONS, "precision": "single"})
            signals = simulation.scan(probe, PLACES, detectors()[2])
            gradient = simulation.pull_back(probe, PLACES, detectors()[2], np.ones(signals.shape))
            results.append((signals.tobytes(), gradient["atom_positions"].tobytes()))
    check("the same bits", results[0] == results[1] == results[2])


def simulations_refuse():
    atoms, probe = three_atoms(), aet.Probe(300e3, 15)
    simulation, everything = aet.Simulation(atoms, 300e3, **OPTIONS), aet.Detector("annular")
    check_fault(lambda: aet.Simulation(atoms.with_cell(None), 300e3), "no cell", "not_ready", "cell")
    check_fault(lambda: aet.Simulation(atoms, 0), "no energy", "range", "energy")
    check_fault(lambda: aet.Simulation(atoms, 300e3, pixels=3), "unknown option", "unknown_option", "pixels")
    check_fault(lambda: aet.Simulation(atoms, 300e3, placement="best"), "unknown placement", "unknown_option",
                "gridding")
    check_fault(lambda: aet.Simulation(atoms.shift([0, 0, 9]), 300e3), "atoms below the cell", "range", "atom 0")
    check_fault(lambda: aet.Simulation(aet.Atoms([[1, 1, 1.0]]).with_cell(CELL), 300e3), "no species", "range", "0")
    check_fault(lambda: aet.Simulation(atoms, 300e3, window_rows=99, window_columns=99, **OPTIONS), "window", "shape")
    check_fault(lambda: aet.Simulation(atoms, 300e3, progress=lambda p: False), "cancelled", "cancelled")
    check_fault(lambda: aet.Simulation.from_potential(np.ones((2, 4, 4)), (8, 8), 300e3, rows=4, columns=4), "rows",
                "range", "rows")
    check_fault(lambda: aet.Simulation.from_potential(np.ones((4, 4)), (8, 8), 300e3), "one slice", "shape",
                "potential")
    check_fault(lambda: simulation.scan(aet.Probe(200e3, 15), PLACES, everything), "energy", "inconsistent", "200000")
    check_fault(lambda: simulation.scan(aet.Probe(300e3, 90), PLACES, everything), "aperture", "range", "at most")
    check_fault(lambda: simulation.scan(probe, PLACES, []), "no detectors", "empty", "detectors")
    check_raises(lambda: simulation.scan(probe, PLACES, [probe]), "a probe as detector", TypeError, "aet_detector")
    check_fault(lambda: simulation.scan(probe, [1.0, 2, 3], everything), "three coordinates", "shape", "positions")
    held = aet.Simulation(three_atoms(), 300e3, **OPTIONS, within_cell=1)
    check_fault(lambda: held.scan(probe, PLACES + CELL[:2], everything), "outside", "range", "scan position 0")
    check_fault(lambda: simulation.scan(probe, [[np.nan, 0]], everything), "NaN", "non_finite", "position 0")
    wide = aet.Detector("annular", outer_mrad=99)
    check_fault(lambda: simulation.signal_shape(wide), "beyond the band limit", "range", "at most", "pixels of")
    stop = lambda p: p.phase != "simulating"
    check_fault(lambda: simulation.scan(probe, PLACES, everything, progress=stop), "a scan cancelled", "cancelled")
    check_fault(lambda: simulation.potential(3), "slice 3", "range", "0 to 2")
    check_fault(lambda: simulation.exit_wave(np.ones((3, 3))), "a wave too small", "shape", "incident")
    back = lambda by, wanted="positions": simulation.pull_back(probe, PLACES, everything, by, wanted)
    check_fault(lambda: back(np.ones(3)), "dL/dsignals of another shape", "shape", "by_signal")
    check_fault(lambda: back(np.ones((2, 2)), "angles"), "unknown gradient", "unknown_option", "angles")
    check_fault(lambda: back(np.ones((2, 2)), ()), "no gradient", "empty", "gradients")
    given = aet.Simulation.from_potential(np.ones((2, 32, 40)), (8, 7), 300e3)
    check_fault(lambda: given.pull_back(probe, PLACES, everything, np.ones((2, 2))), "no atoms", "unsupported", "atoms")
    simulation.close()
    check_fault(lambda: simulation.scan(probe, PLACES, everything), "closed simulation", "stale_handle", "closed Sim")
