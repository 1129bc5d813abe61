"""Local-orbital tomography from Python: a tilt series made from arrays, SciPy's optimiser on loss and gradient, then
the library's own, and the comparison with the true atoms.

    PYTHONPATH=bindings/python python3 examples/python/local_orbital.py DATA_FOLDER

DATA_FOLDER is a dataset folder whose true atoms are known. Progress goes to stderr; the last line on stdout holds what
was computed. The same example exists in every host language and prints the same numbers.
"""

import sys

import numpy as np
from scipy.optimize import minimize

import aet


def series_from_arrays(recorded):
    """A new series from the arrays of the one in the folder, as a microscope's own software would make it."""
    counts = recorded.counts_per_unit
    return aet.TiltSeries(
        recorded.images,
        rotations=recorded.rotations,
        tilt=recorded.tilt,
        section=recorded.section,
        defocus=recorded.defocus,
        counts_per_unit=counts if np.isfinite(counts).all() else None,
        pixel_size=recorded.pixel_size,
        energy_ev=recorded.energy_ev,
    )


def displaced(truth):
    """The true atoms, each moved by up to 0.15 A per axis, the same way in every language."""
    places = np.arange(1, 3 * len(truth) + 1).reshape(-1, 3)
    return aet.Atoms(truth.positions + 0.15 * np.sin(12.9898 * places))


def reconstruction(series, probe, start):
    return aet.LocalOrbital(
        series,
        probe,
        start=start,
        model="rigid",
        precision="double",
        loss="mse",
        height_sharing="common",
        width_sharing="common",
        width_start=0.5,
    )


def host_driven_fit(recon):
    """The library evaluates, SciPy optimises: L-BFGS-B in parameters divided by their scales, within their bounds."""
    scale = recon.parameter_scale

    def scaled(u):
        loss, gradient = recon.loss_and_gradient(u * scale)
        return loss, gradient * scale

    result = minimize(
        scaled,
        recon.parameters / scale,
        jac=True,
        method="L-BFGS-B",
        bounds=recon.parameter_bounds / scale[:, np.newaxis],
        options={"maxiter": 200, "maxcor": 10, "ftol": 1e-12, "gtol": 1e-12},
    )
    print(f"L-BFGS-B: {result.nit} iterations, loss {result.fun:.6e}", file=sys.stderr)
    return result.fun


def show(progress):
    if progress.iteration % 10 == 0:
        print(f"iteration {progress.iteration:3d}  loss {progress.loss:.6e}", file=sys.stderr)


def main(folder):
    with aet.TiltSeries.read(folder) as recorded:
        series = series_from_arrays(recorded)
        probe = aet.Probe(recorded.energy_ev, recorded.semiangle_mrad)
    truth = aet.TiltSeries.read_atoms(folder, "truth")
    start = displaced(truth)
    print(series, probe, start, sep="\n")

    recon = reconstruction(series, probe, start)
    loss, gradient = recon.loss_and_gradient()
    host_loss = host_driven_fit(recon)

    recon = reconstruction(series, probe, start)
    outcome = recon.run(max_iterations=60, loss_tolerance=1e-12, progress=show)
    history, comparison = recon.history, recon.atoms.compare(truth)
    print(f"{outcome}: {comparison}")

    print(
        f"loss={loss:.12e} gradient_norm={np.linalg.norm(gradient):.12e} run_loss={history['loss'][-1]:.12e} "
        f"run_iterations={history['iteration'][-1]:.0f} rmsd_pm={comparison.rmsd_pm:.6f} "
        f"matched={comparison.matched} host_loss={host_loss:.12e}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
