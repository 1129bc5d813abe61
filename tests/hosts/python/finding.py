"""The search for atoms: species, starts, supports, what it records, and bad input."""

import numpy as np

import aet
from checks import check, check_fault, check_raises
from problem import ATOMS, POSITIONS, small_probe, small_series

SHORT = {"max_cycles": 2, "fit_iterations": 15}


def atoms_are_found_from_a_start():
    series, start = small_series(), aet.Atoms(POSITIONS + 0.1)
    settings = dict(elements=[14, 79], free=("drift", "scale"), isolation=np.inf, split=np.inf)
    found = aet.find_atoms_recorded(series, start=start, **SHORT, **settings)
    check("all atoms of the start", len(found.atoms) == ATOMS and set(found.atoms.species) <= {14, 79})
    check("the start is handed back", np.array_equal(found.traced.positions, start.positions))
    fits = found.cycles["atoms"]
    check("a row per fit", len(fits) in (1, 2) and (fits == ATOMS).all())
    check("fits lower the R factor", 0 < found.cycles["r_factor"][-1] < found.cycles.value("r_factor_traced"))
    values = {name: found.cycles.value(name) for name in ("model", "moved")}
    check("direct without a probe, moved where no image is held out", values == {"model": 0, "moved": 1}, values)
    check("the atoms have a shape", found.orbital.term_count > 0 and (found.orbital.terms[:, 0] > 0).all())
    slater = aet.Orbital.slater()
    kept = aet.find_atoms_recorded(
        series,
        small_probe(),
        start=start,
        fit={"model": "rigid", "orbital": slater},
        keep_model=True,
        keep_orbital=True,
        hold_out=0,
        **SHORT,
    )
    check("the model is kept", kept.cycles.value("model") == 1 and kept.cycles.value("moved") == 1)
    check("the orbital is kept", np.array_equal(kept.orbital.terms, slater.terms))
    side = np.ones((20, 20, 20))
    side[:, :, 10:] = 0
    support = aet.Volume(side, series.pixel_size)
    cube = {"nx": 20, "ny": 20, "nz": 20}
    kept = aet.find_atoms(series, start=start, support=support, tomography=cube, free="drift", **SHORT)
    check("a support of one side", 0 < len(kept) < ATOMS)


def atoms_are_found_from_a_grid():
    found = aet.find_atoms_recorded(small_series(), first_guess="grid", grid_spacing=1, max_cycles=1)
    check("coarse fits come first", len(found.atoms) > 0 and found.cycles.rows == 3)
    check("what became of the orbitals is told", 4 in found.decisions["kind"])


def finding_refuses():
    series, start = small_series(), aet.Atoms(POSITIONS + 0.1)

    def refused(what, kind, *words, **options):
        check_fault(lambda: aet.find_atoms(series, start=start, **SHORT, **options), what, kind, *words)

    refused("element 104", "range", "104", elements=[14, 104])
    refused("an element twice", "range", "once", elements=[14, 14])
    refused("more elements than atoms", "inconsistent", "species", elements=list(range(1, ATOMS + 2)))
    refused("a block that is not there", "unknown_option", "nonsense", free=("drift", "nonsense"))
    refused("a block's name cut short", "text", "free", free="drift\0")
    refused("hold_out 0.6", "range", "hold_out", hold_out=0.6)
    refused("hold_out NaN", "range", "hold_out", hold_out=np.nan)
    refused("keep_orbital 2", "range", "keep_orbital", keep_orbital=2)
    refused("a grid and a start", "inconsistent", "start", first_guess="grid")
    check_fault(
        lambda: aet.find_atoms(series, first_guess="grid", grid_spacing=0.01),
        "a grid finer than pixels",
        "range",
        "size of a pixel",
    )
    refused("split 0.5", "range", "split", split=0.5)
    check_raises(lambda: aet.find_atoms(series, support=np.ones((2, 2, 2))), "an array as support", TypeError)
    small = aet.Volume(np.ones((2, 2, 2)), series.pixel_size)
    refused("support of another size", "shape", "support", support=small)
