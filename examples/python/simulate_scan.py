"""A scan of a small gold particle and the gradient of its misfit with respect to the atoms.

    PYTHONPATH=bindings/python python3 examples/python/simulate_scan.py

The same example exists in every host language and prints the same numbers. Progress goes to stderr.
"""

import sys

import numpy as np

import aet

CELL = 16.0  # edge of the cubic cell, A


def particle(shift):
    """43 atoms of a face-centred crystal around the middle of the cell, the first one moved by `shift` A along x."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[(steps.sum(axis=1) % 2 == 0) & ((steps**2).sum(axis=1) <= 6)]
    positions = 0.5 * CELL + 2.039 * steps
    positions[0, 0] += shift
    count = len(positions)
    return aet.Atoms(positions, [79] * count).with_column("debye_waller_b", 0.6).with_cell([CELL] * 3)


def show(progress):
    print(f"\rsimulating {100 * progress.fraction:3.0f} %", end="", file=sys.stderr)


def main():
    probe = aet.Probe(300e3, 20, defocus=4)
    # Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
    options = {"rows": 128, "columns": 128, "precision": "double", "progress": show}
    truth = aet.Simulation(particle(0.1), 300e3, **options)
    guess = aet.Simulation(particle(0.0), 300e3, **options)

    detectors = [aet.Detector("annular", inner_mrad=30, outer_mrad=50), aet.Detector("center_of_mass")]
    y, x = np.mgrid[4:12, 4:12]
    positions = np.stack([x, y], axis=-1)  # [row, column, (x, y)]
    measured = truth.scan(probe, positions, detectors, progress=show)
    haadf, center = guess.scan(probe, positions, detectors, progress=show)

    # L = 1/2 sum (signal - measured)^2
    residuals = [haadf - measured[0], center - measured[1]]
    loss = 0.5 * sum((r**2).sum() for r in residuals)
    gradient = guess.pull_back(probe, positions, detectors, residuals, "atom_positions", progress=show)
    gradient = gradient["atom_positions"]
    print(file=sys.stderr)
    print(
        f"atoms={len(gradient)} positions={haadf.size} haadf={haadf.sum():.12e} "
        f"center_of_mass={np.sqrt((center**2).sum()):.12e} loss={loss:.12e} "
        f"gradient_norm={np.sqrt((gradient**2).sum()):.12e} first={gradient[0, 0]:.12e}"
    )


if __name__ == "__main__":
    main()
