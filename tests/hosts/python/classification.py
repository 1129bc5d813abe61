"""Species of traced atoms: what comes back, and bad input."""

import numpy as np

import aet
from checks import check, check_fault, check_raises


def crystal():
    """27 places on a lattice, every third empty, Cu or Au: a volume, positions and heights."""
    i = np.arange(27)
    places = 6 + 6 * np.stack([i % 3, i // 3 % 3, i // 9], axis=1)
    heights = i % 3 * (1 + 0.01 * (7 * i % 5)) + 0.003 * (i % 4)
    z, y, x = np.indices((24, 24, 24))
    square = sum((axis[..., None] - places[:, a]) ** 2 for a, axis in enumerate((x, y, z)))
    return aet.Volume((heights * np.exp(-square / 3)).sum(axis=-1), 0.4), 0.4 * (places - 12), heights


def atoms_are_classified():
    volume, positions, heights = crystal()
    traced, truth = aet.Atoms(positions), np.arange(27) % 3
    for method in ("gaussian", "k_means", "profile_global", "profile_local"):
        found = traced.classify([29, 79], volume, non_atoms=True, method=method, smoothing=0.2)
        check(f"classes by {method}", np.array_equal(found.table["class"], truth))
        check("their species", np.array_equal(found.atoms.species, np.array([0, 29, 79])[truth[truth > 0]]))
        check("classes have means", np.all(np.diff(found.classes["mean"]) > 0))
        check("it converges", found.classes.value("converged") == 1)
    found = aet.Atoms(positions, heights=heights).classify([29, 79], non_atoms=True)
    check("classes by heights", np.array_equal(found.table["class"], truth))
    known = aet.Atoms(positions[truth > 0], heights=heights[truth > 0])
    expected = known.classify([29, 79], method="expected", expected=[0.4, 1])
    check("classes by what is expected", np.array_equal(expected.table["class"], truth[truth > 0]))
    sparse = aet.Atoms(positions[truth > 1], heights=heights[truth > 1]).classify([29, 79], method="expected")
    check("a species that is missing", np.array_equal(sparse.classes["count"], [0, 9]) and (sparse.atoms.species == 79).all())
    refused = lambda: known.classify([29, 79], method="expected", expected=[1, 0.4])
    check_fault(refused, "strengths that descend", "inconsistent", "strength")
    counts = found.table.histogram("intensity", by="class")
    check("a histogram per class", counts["count_2"].sum() == 9)
    ball = traced.classify([29, 79], volume, non_atoms=True, region="sphere", region_size=1)
    check("a sphere", np.array_equal(ball.table["class"], truth))


def bad_classifications_are_refused():
    volume, positions, _ = crystal()
    traced = aet.Atoms(positions)
    check_fault(lambda: traced.classify(29, volume), "one species", "inconsistent", "nothing to tell apart")
    check_fault(lambda: traced.classify(range(1, 10), volume), "nine species", "shape", "at most 8")
    check_fault(lambda: traced.classify([29, 79], volume, method="magic"), "unknown method", "unknown_option", "method")
    check_fault(lambda: traced.classify([29, 79], volume, smoothing=np.nan), "smoothing NaN", "range", "smoothing")
    check_fault(lambda: traced.classify([29, 79]), "no heights", "not_ready", "heights")
    check_fault(lambda: traced.classify([29, 79], volume, progress=lambda p: False), "stopped", "cancelled")

    def fail(_):
        raise KeyError("mine")

    stopped = lambda: traced.classify([29, 79], volume, progress=fail)
    check_raises(stopped, "what the progress function raises", KeyError, "mine")
    flat = aet.Volume(np.ones((24, 24, 24)), 0.4)
    check_fault(lambda: traced.classify([29, 79], flat), "constant volume", "inconsistent", "tells species apart")
    volume.close()
    check_fault(lambda: traced.classify([29, 79], volume), "closed volume", "stale_handle")
