"""Tracing with a lattice: what comes back, and bad input."""

import numpy as np

import aet
from checks import check, check_fault


def crystal_in_a_volume():
    """A body-centred crystal of 4 A in voxels of 0.5 A, its corner at (0.3, -0.2, 0.1)."""
    z, y, x = np.meshgrid(*[0.5 * (np.arange(40) - 20)] * 3, indexing="ij")
    a, b, c = (np.cos(np.pi / 2 * v) for v in (x - 0.3, y + 0.2, z - 0.1))
    volume = aet.Volume(1 + a * b + b * c + c * a, 0.5)
    return volume, aet.Atoms([[0, 0, 0], [2, 2, 2]], species=[26, 26])


def a_lattice_tells_where_to_look():
    volume, bare = crystal_in_a_volume()
    crystal = bare.with_cell([4, 4, 4])
    atoms, sites = volume.trace_lattice(crystal)
    check("every site has its atom", sites.value("found_fraction") == 1 and len(atoms) == sites.rows)
    check("near its site", sites.value("mean_displacement") < 0.05 and np.all(sites["displacement"] < 0.2))
    check("states", np.all(sites["state"] == 0) and np.array_equal(sites["atom"], np.arange(len(atoms))))
    check("where it is", np.allclose(atoms.positions[:, 0], sites["x"]) and sites.value("rotation_zz") > 0.9999)
    same, _ = volume.trace_lattice(bare, vectors=4 * np.eye(3), rotation=np.eye(3), rotation_within_deg=5)
    check("the same with vectors", np.allclose(same.positions, atoms.positions))
    check("in a mask", len(volume.trace_lattice(crystal, mask=volume)[0]) <= len(atoms))
    check_fault(lambda: volume.trace_lattice(bare), "crystal without a cell", "not_ready", "cell")
    check_fault(lambda: volume.trace_lattice(crystal, rotation=2 * np.eye(3)), "no rotation", "inconsistent", "rotation")
    check_fault(lambda: volume.trace_lattice(crystal, species=8), "oxygen in iron", "range", "species")
    check_fault(lambda: volume.trace_lattice(crystal, reach=np.nan), "reach NaN", "range", "reach")
    other = bare.with_cell([5.3, 5.3, 5.3])
    check_fault(lambda: volume.trace_lattice(other), "another crystal", "empty", "Bragg")
    flat = aet.Volume(np.ones((20, 20, 20)), 0.5)
    check_fault(lambda: flat.trace_lattice(crystal), "constant volume", "inconsistent", "volume")
    check_fault(lambda: volume.trace_lattice(crystal, mask=flat), "mask of another shape", "shape", "mask")
    check_fault(lambda: volume.trace_lattice(crystal, progress=lambda p: False), "a stopped search", "cancelled")
