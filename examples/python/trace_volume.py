"""From a volume to atoms: tracing, classification, and how right they are. The volume is made here: a core-shell particle of
copper and gold, its atoms spread over the nearest voxels, noise, and a blur.

    PYTHONPATH=bindings/python python3 examples/python/trace_volume.py

The same example exists in every host language and prints the same numbers.
"""

import itertools

import numpy as np

import aet

EDGE = 56  # voxels along each axis
VOXEL = 0.5  # A
NOISE = 5.0  # width of the noise of a voxel, in electrons of an atom
BLUR = 0.5  # standard deviation, A


def spread(atoms):
    """Each atom as its atomic number, shared among the eight voxels around it so that their centroid is its position."""
    values = np.zeros((EDGE, EDGE, EDGE))  # [z, y, x]
    for position, species in zip(atoms.positions, atoms.species):
        at = position / VOXEL + EDGE // 2
        lower = np.floor(at).astype(int)
        part = np.stack([1 - (at - lower), at - lower])
        for z, y, x in itertools.product((0, 1), repeat=3):
            share = part[z, 2] * part[y, 1] * part[x, 0] * species
            values[lower[2] + z, lower[1] + y, lower[0] + x] += share
    return values


def noise(count):
    """Uniform noise from a linear congruential generator, which every language computes alike."""
    state = 1
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 4294967296
        yield NOISE * (state / 4294967296 - 0.5)


def main():
    truth = aet.Atoms.generate(preset="cuau", count=300)
    values = spread(truth)
    values += np.fromiter(noise(values.size), float).reshape(values.shape)
    volume = aet.Volume(values, VOXEL).filter(gaussian=BLUR)

    traced = volume.trace(smoothing=0, minimum_distance=1.6, threshold=0.2)
    found = traced.classify([29, 79], volume, non_atoms=True)
    histogram = found.table.histogram("intensity", by="class")

    report = found.atoms.accuracy(truth)
    shells = report.error_profile("surface_distance", 2)
    value = report.single_values
    print(
        f"traced={len(traced)} true={value['true_count']:.0f} matched={value['matched']:.0f} "
        f"missing={value['missing']:.0f} extra={value['extra']:.0f} tracing_error={value['tracing_error']:.12e} "
        f"species_correct={value['species_correct']:.12e} rmsd_pm={value['rmsd']:.12e} "
        f"worst_shell_rmsd_pm={np.nanmax(shells['rmsd']):.12e} "
        f"copper_rate={report.confusion()['rate'][0]:.12e} gold_mean={found.classes['mean'][-1]:.12e} "
        f"bins={histogram.rows} highest_bin={histogram['count'].max():.0f}"
    )


if __name__ == "__main__":
    main()
