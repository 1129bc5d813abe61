"""Atoms from images alone: a tomogram, its peaks, a fit that a term of one's own keeps on course, error bars, and the
comparison with the truth.

    PYTHONPATH=bindings/python python3 examples/python/atoms_from_images.py DATA_FOLDER OUT_FOLDER

DATA_FOLDER is a dataset folder whose true atoms are known. Writes tomogram.mrc and atoms.xyz, with the standard error
of every coordinate, to the existing folder OUT_FOLDER. Progress goes to stderr. The same example exists in every host
language and prints the same numbers.
"""

import pathlib
import sys

import aet


def show(progress):
    print(f"\riteration {progress.iteration:3d}  loss {progress.loss:.6e}", end="", file=sys.stderr)


def alike(typical):
    """Minus the logarithm of a prior on the heights: atoms of one element are about as high as each other."""

    def term(heights, gradient):
        deviation = heights / typical - 1
        if gradient is not None:
            gradient[:] = deviation / typical
        return 0.5 * (deviation**2).sum()

    return term


def fit(recon):
    """First with the term, then without it: the result is that of the images alone."""
    heights = recon.block("heights")
    # Peaks are sorted, so the middle one has the median height. The term keeps weak peaks from fading before they
    # have found their places; these images would do without.
    recon.add_term("heights", alike(heights[len(heights) // 2]), weight=3)
    recon.run(max_iterations=30, progress=show)
    recon.clear_terms()
    outcome = recon.run(optimizer="levenberg_marquardt", progress=show)
    print(f"\n{outcome}", file=sys.stderr)


def main(data, out):
    series = aet.TiltSeries.read(data)
    truth = aet.TiltSeries.read_atoms(data, "truth")

    volume = aet.Volume.reconstruct(series, method="sirt", progress=show)
    volume.write(out / "tomogram.mrc")
    # Bonds of silicon are 2.35 A long: what is nearer than 1.6 A is one atom.
    start = volume.trace(minimum_distance=1.6, species=14)
    print(f"peaks: {start.compare(truth)}")

    probe = aet.Probe(series.energy_ev, series.semiangle_mrad)
    # Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
    recon = aet.LocalOrbital(series, probe, start=start, model="rigid", precision="double")
    fit(recon)

    # Each atom with its neighbours: takes time in proportion to the number of atoms.
    errors = recon.estimate_errors(method="local")
    errors.atoms.write(out / "atoms.xyz")
    print(f"error bars: {errors.undetermined} atoms undetermined, predicted RMSD {errors.predicted_rmsd_pm:.2f} pm")

    found, history = errors.atoms.compare(truth), recon.history
    print(
        f"true={found.true_count} matched={found.matched} missing={found.missing} extra={found.extra} "
        f"rmsd_pm={found.rmsd_pm:.12e} predicted_rmsd_pm={errors.predicted_rmsd_pm:.12e} "
        f"loss={history['loss'][-1]:.12e} evaluations={history['evaluations'][-1]:.0f}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
