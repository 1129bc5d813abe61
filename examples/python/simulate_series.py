"""A small tilt and focus series of a gold particle with frozen phonons and a limited dose, simulated into a folder and
read back.

    PYTHONPATH=bindings/python python3 examples/python/simulate_series.py FOLDER

A run that was stopped goes on when it is started again. The same example exists in every host language and prints the
same numbers. Progress goes to stderr.
"""

import sys

import numpy as np

import aet


def particle():
    """43 atoms of a face-centred crystal around the origin."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[(steps.sum(axis=1) % 2 == 0) & ((steps**2).sum(axis=1) <= 6)]
    return aet.Atoms(2.039 * steps, [79] * len(steps)).with_column("debye_waller_b", 0.6)


def about_y(cosine, sine):
    """Exact in decimals, so that all languages have the same matrices: p' = R p."""
    return [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]


def main(folder):
    atoms, probe = particle(), aet.Probe(300e3, 20)
    detector = aet.Detector("annular", inner_mrad=30, outer_mrad=50)
    rotations = np.array([about_y(0.8, -0.6), about_y(1, 0), about_y(0.8, 0.6)])
    options = {
        "rows": 8,
        "columns": 8,
        "pixel_size": 1,
        "vacuum": 2,
        "phonon_configurations": 2,
        "phonon_seed": 1,
        # Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
        "simulation": {"pixel_size": 0.12, "precision": "double"},
        "instrument": {"dose_per_a2": 1e5, "seed": 2},
    }
    memory = aet.estimate_series_memory(atoms, probe, detector, rotations, [-4, 4], **options)
    shown = None

    def show(progress):
        nonlocal shown
        shown = progress
        counters = f"tilt {progress.tilt + 1} of {progress.tilts}, probe {progress.probe} of {progress.probes}"
        print(f"\r{counters}", end="", file=sys.stderr)

    aet.simulate_series(atoms, probe, detector, rotations, [-4, 4], folder, progress=show, **options)
    print(file=sys.stderr)

    counts = aet.TiltSeries.read(folder).images
    images, rows, columns = counts.shape
    print(
        f"atoms={len(atoms.positions)} images={images} rows={rows} columns={columns} probes={shown.probes} "
        f"memory={memory} electrons={counts.sum():.12e} squares={(counts**2).sum():.12e} brightest={counts.max():.12e}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    main(sys.argv[1])
