"""Probes that images tell: the foci of a series that recorded none, by a scan and a fit, then the pixels of the probes,
which find an astigmatism that the fit was not told of.

    PYTHONPATH=bindings/python python3 examples/python/fitted_probes.py DATA_FOLDER

DATA_FOLDER is a dataset folder of two foci per tilt with true atoms and, as start.xyz, atoms to start from. Its particle
is thin for a focus to matter, so a longer one is imaged in the same way, by the rigid model. Progress goes to stderr.
The same example exists in every host language and prints the same numbers.
"""

import pathlib
import sys

import aet

STRETCH = 1.5  # of the particle along z
ASTIGMATISM = [6, 0]  # C12 cos and C12 sin of both sections, A


def show(progress):
    print(f"\riteration {progress.iteration:3d}  loss {progress.loss:.6e}", end="", file=sys.stderr)


def stretched(atoms):
    return aet.Atoms(atoms.positions * [1, 1, STRETCH])


def series_without_foci(recorded, probe, truth):
    """Images of the longer particle at the foci recorded, with heights and backgrounds as the recorded images have them;
    as a series that knows the sections but not their foci, which are then 0."""
    model = aet.LocalOrbital(recorded, probe, start=truth, model="rigid", precision="double")
    model.set_block("astigmatism", [ASTIGMATISM, ASTIGMATISM])
    geometry = {"rotations": recorded.rotations, "tilt": recorded.tilt, "section": recorded.section}
    return aet.TiltSeries(model.predict(), pixel_size=recorded.pixel_size, **geometry)


def run(recon, iterations):
    outcome = recon.run(max_iterations=iterations, progress=show)
    print(f"\n{outcome}", file=sys.stderr)
    return recon.history["loss"][-1]


def main(data):
    recorded = aet.TiltSeries.read(data)
    truth = stretched(aet.TiltSeries.read_atoms(data, "truth"))
    start = stretched(aet.Atoms.read(data / "start.xyz"))
    probe = aet.Probe(recorded.energy_ev, recorded.semiangle_mrad)
    series = series_without_foci(recorded, probe, truth)

    # Atoms far out of place tell little of a focus: a few iterations first. Single precision, the default, is faster and
    # as accurate here; in double all hosts agree to 12 digits.
    recon = aet.LocalOrbital(series, probe, start=start, model="rigid", precision="double")
    run(recon, 10)
    recon.scan_defocus(range=30, step=5)
    scan = recon.block("defocus")
    print(f"scan: defocus {scan[0]:.2f} and {scan[1]:.2f} A")

    # The widths had taken up a part of the blur; now both find their values.
    recon.freeze("defocus", False)
    rigid_loss = run(recon, 60)
    defocus = recon.block("defocus")
    # What the fit leaves, which is the astigmatism here, counts as noise.
    errors = recon.block_errors("defocus", noise="residual")
    print(f"fit: defocus {defocus[0]:.2f} +- {errors[0]:.2f} and {defocus[1]:.2f} +- {errors[1]:.2f} A")

    pixels = recon.continued(model="adaptive", probe_side=15, precision="double")
    adaptive_loss = run(pixels, 30)
    probes, found = pixels.probe_table, pixels.atoms.compare(truth)
    print(
        f"scan_0={scan[0]:.12e} scan_1={scan[1]:.12e} defocus_0={defocus[0]:.12e} defocus_1={defocus[1]:.12e} "
        f"error_0={errors[0]:.12e} error_1={errors[1]:.12e} rigid_loss={rigid_loss:.12e} adaptive_loss={adaptive_loss:.12e} focus_0={probes.value('focus_0'):.12e} "
        f"focus_1={probes.value('focus_1'):.12e} rmsd_pm={found.rmsd_pm:.12e}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
