"""Simulated series: images, patterns, going on, and bad input."""

import json
import os
import signal

import numpy as np

import aet
from checks import check, check_fault, check_raises

TURN = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
TURNS = np.stack([TURN, np.eye(3), TURN.T])
FOCI = (-5, 5)
SERIES = {
    "pixel_size": 0.7,
    "rows": 8,
    "columns": 8,
    "vacuum": 2,
    "simulation": {"pixel_size": 0.2},
    "instrument": {"dose_per_a2": 1e4, "seed": 3},
    "phonon_configurations": 2,
    "phonon_seed": 4,
}
PROBES = 3 * 2 * 64 * 2


def still_atoms():
    return aet.Atoms([[0, 0, 0], [1.2, 0.3, 2]], [79, 29])


def parts(detector="annular", **options):
    options = options or {"inner_mrad": 10}
    return still_atoms().with_column("debye_waller_b", 0.5), aet.Probe(300e3, 15), aet.Detector(detector, **options)


def pixelated():
    return parts("pixelated", outer_mrad=20, binning=2)


def contents(folder):
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def series_are_simulated(scratch):
    folder, seen = scratch / "a series" / "series", []
    bytes_needed = aet.estimate_series_memory(*parts(), TURNS, FOCI, **SERIES)
    check("memory", 1 << 16 < bytes_needed < 1 << 32, bytes_needed)
    aet.simulate_series(*parts(), TURNS, FOCI, folder, progress=seen.append, **SERIES)
    wholes = {(p.phase, p.tilts, p.configurations, p.probes) for p in seen}
    check("numbers of all", wholes == {("simulating", 3, 2, PROBES)}, wholes)
    check("tilts and configurations", {(p.tilt, p.configuration) for p in seen} == {(t, c) for t in range(3) for c in
                                                                                  range(2)})
    probes = [p.probe for p in seen]
    check("probes", probes == sorted(probes) and probes[-1] == PROBES and seen[-1].fraction == 1)
    with aet.TiltSeries.read(folder) as series:
        counts = series.images
        check("images", counts.shape == (6, 8, 8) and series.pixel_size == 0.7 and series.energy_ev == 300e3)
        check("geometry", np.allclose(series.rotations[2], TURNS[1]) and np.allclose(series.defocus[:2], FOCI))
        check("electrons", (counts == np.round(counts)).all() and 0 < counts.mean() < 4900)
    again = scratch / "any order" / "series"
    aet.simulate_series(*parts(), np.asfortranarray(TURNS), list(FOCI), str(again), **SERIES)
    check("rotations in any memory order", contents(again) == contents(folder))


def series_of_patterns(scratch):
    folder = scratch / "patterns" / "series"
    options = {"defocus_spread": 3, "defocus_nodes": 2, "semiangle_spread_mrad": 0.1, "semiangle_nodes": 2}
    aet.simulate_series(*pixelated(), TURNS[:1], [0.0], folder, whole_window=True, **options, **SERIES)
    header = json.loads((folder / "dataset.json").read_text())
    patterns = np.load(folder / "patterns.npy")
    check("schema", header["schema"] == "aet-4dstem-series/1", header["schema"])
    check("patterns", patterns.ndim == 5 and patterns.shape[:3] == (1, 8, 8) and patterns.min() >= 0, patterns.shape)
    check("source of the probe", np.allclose(np.load(folder / "scan_positions.npy")[4, 4], 0))


def series_by_prism(scratch):
    """By PRISM without interpolation the images are those of multislice through the whole cell."""
    images = []
    for name, more in [("multislice", {}), ("PRISM", {"prism_semiangle_mrad": 15})]:
        settings = {"pixel_size": 0.2, "precision": "double", **more}
        folder = scratch / f"by {name}" / "series"
        grid = {"pixel_size": 0.7, "rows": 8, "columns": 8, "vacuum": 2, "whole_window": True}
        aet.simulate_series(*parts(), TURNS[:1], FOCI, folder, simulation=settings, **grid)
        with aet.TiltSeries.read(folder) as series:
            images.append(series.images)
    check("a series by PRISM", np.ptp(images[0]) > 0 and np.allclose(*images, rtol=1e-6, atol=0))


def series_go_on(scratch):
    """Cancelled, ended by an exception or a signal after the first tilt, the same call makes the same folder."""

    def interrupted(progress):
        if progress.tilt == 1:
            os.kill(os.getpid(), signal.SIGINT)

    def failing(progress):
        if progress.tilt == 1:
            raise OSError("mine")

    for name, made in [("images", parts), ("patterns", pixelated)]:
        whole, cut = scratch / f"whole {name}" / "series", scratch / f"cut {name}" / "series"
        aet.simulate_series(*made(), TURNS, FOCI, whole, **SERIES)
        call = lambda progress: aet.simulate_series(*made(), TURNS, FOCI, cut, progress=progress, **SERIES)
        check_fault(lambda: call(lambda p: p.tilt < 1), f"{name} cancelled after a tilt", "cancelled", "before it was")
        check("the tilt is kept", cut.with_name("series.partial").exists() and not cut.exists())
        check_raises(lambda: call(failing), "an exception", OSError, "mine")
        check_raises(lambda: call(interrupted), "Ctrl-C", KeyboardInterrupt)
        check_raises(lambda: call(lambda p: 3), "an odd answer", TypeError, "3")
        seen = []
        call(seen.append)
        check("goes on behind the first tilt", seen[0].probe >= PROBES // 3, seen[0])
        check(f"the folder of {name} is the same to the last bit", contents(cut) == contents(whole))
        check("no part is left", not cut.with_name("series.partial").exists())


def series_refuse(scratch):
    refused, good = scratch / "refused", parts()
    attempt = lambda made=good, turns=TURNS, foci=FOCI, **options: lambda: aet.simulate_series(
        *made, turns, foci, refused, **{**SERIES, **options}
    )
    (scratch / "there").mkdir()
    there = lambda: aet.simulate_series(*good, TURNS, FOCI, scratch / "there", **SERIES)
    check_fault(there, "a folder that exists", "inconsistent", "exists")
    check_fault(attempt(turns=np.diag([1.0, 1, -1])[None]), "a mirror", "inconsistent", "rotation of tilt 0")
    check_fault(attempt(turns=TURN), "one matrix", "shape", "rotations")
    check_fault(attempt(turns=None), "no rotations", "null", "rotations")
    check_fault(attempt(turns=TURNS[:0]), "an empty list of rotations", "empty", "rotations")
    check_fault(attempt(foci=[]), "no foci", "empty", "foci")
    check_fault(attempt(foci=[np.nan]), "NaN", "non_finite", "foci")
    check_fault(attempt(parts("center_of_mass", outer_mrad=20)), "a centre of mass", "unsupported", "annular")
    check_fault(attempt(parts("annular", outer_mrad=99)), "too wide a detector", "range", "pixels of")
    check_fault(attempt(simulation={"energy_ev": 200e3}), "another energy", "inconsistent", "200000")
    check_fault(attempt(simulation={"slice_edges": [0, 1]}), "edges of slices", "unsupported", "slice_edges")
    stray = {"prism_interpolation_x": 2}
    check_fault(attempt(simulation=stray), "interpolation without PRISM", "range", "prism_semiangle_mrad")
    check_fault(attempt(simulation={"pixels": 3}), "unknown option of the simulation", "unknown_option", "pixels")
    check_fault(attempt(instrument={"dose": 3}), "unknown option of the instrument", "unknown_option", "dose")
    check_fault(attempt(dose=3), "unknown option", "unknown_option", "dose")
    check_fault(attempt(vacuum=np.inf), "endless vacuum", "range", "vacuum")
    check_fault(attempt(memory_cap=1000), "a cap", "memory", "1000")
    check_fault(attempt((still_atoms(), *good[1:])), "phonons of still atoms", "not_ready", "debye_waller_b")
    unknown = aet.Atoms([[0, 0, 0.0]]).with_column("debye_waller_b", 0.5)
    check_fault(attempt((unknown, *good[1:])), "unknown species", "range", "0")
    check_raises(attempt((good[1], *good[1:])), "a probe in place of atoms", TypeError, "aet_atoms")
    left = [name for name in os.listdir(scratch) if "refused" in name]
    check("nothing is left behind", not left, left)
    check_fault(lambda: aet.simulate_series(*good, TURNS, FOCI, "", **SERIES), "no folder", "range", "folder")
    good[2].close()
    check_fault(attempt(), "closed detector", "stale_handle")
