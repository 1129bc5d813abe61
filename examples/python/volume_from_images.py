"""A volume from images: RESIRE, loss and gradient of one's own at its result, a reconstruction stored and taken up
again, and SIRT in one call.

    PYTHONPATH=bindings/python python3 examples/python/volume_from_images.py DATA_FOLDER OUT_FOLDER

Writes volume.mrc and recon.aet to the existing folder OUT_FOLDER. Progress goes to stderr. The same example exists in
every host language and prints the same numbers.
"""

import pathlib
import sys

import numpy as np

import aet


def show(progress):
    print(f"\riteration {progress.iteration:3d}  loss {progress.loss:.6e}", end="", file=sys.stderr)


def total(values):
    """Sum in the order of the memory, x fastest: the same to the last bit in every language."""
    return np.cumsum(values, dtype=np.float64, axis=None)[-1]


def main(data, out):
    series = aet.TiltSeries.read(data)
    recon = aet.Tomography(series, method="resire")
    # So small a tolerance ends nothing early; 0 would be the automatic one.
    outcome = recon.run(max_iterations=20, loss_tolerance=1e-300, progress=show)
    print(f"\n{outcome}", file=sys.stderr)

    # What an optimiser of one's own would start from: every voxel is a parameter.
    loss, gradient = recon.loss_and_gradient()
    r_factors = recon.r_factors
    volume = recon.volume
    volume.write(out / "volume.mrc")

    # A stored reconstruction goes on as if it had never been interrupted.
    recon.save(out / "recon.aet")
    resumed = aet.Tomography.load(out / "recon.aet", series)
    resumed.run(max_iterations=2, loss_tolerance=1e-300, progress=show)

    tomogram = aet.Volume.reconstruct(series, method="sirt", iterations=10, progress=show)
    print(file=sys.stderr)

    print(
        f"iterations={len(recon.history['iteration'])} loss={loss:.12e} gradient_norm={total(gradient**2) ** 0.5:.12e} "
        f"r_factor={total(r_factors[np.isfinite(r_factors)]) / np.isfinite(r_factors).sum():.12e} "
        f"sum={total(volume.values):.12e} maximum={volume.values.max():.12e} "
        f"resumed_loss={resumed.history['loss'][-1]:.12e} sirt_residual={tomogram.residuals[-1]:.12e}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
