"""A problem small enough to be made a hundred times: four atoms, three tilts of two foci each."""

import numpy as np

import aet

ROWS, COLUMNS, PIXEL_SIZE = 24, 20, 0.5
TILTS, SECTIONS = 3, 2
IMAGES = TILTS * SECTIONS
POSITIONS = np.array([[-2.1, -1.3, 0.4], [1.9, -0.8, -1.7], [-0.6, 2.2, 1.1], [1.2, 1.9, -0.3]])
ATOMS = len(POSITIONS)


def rotation(tilt):
    """Tilts of -30, 0 and 30 degrees about y."""
    angle = np.radians(30.0 * (tilt - 1))
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


TILT = np.arange(IMAGES) // SECTIONS
ROTATIONS = np.stack([rotation(tilt) for tilt in TILT])
GEOMETRY = dict(
    rotations=ROTATIONS,
    tilt=TILT,
    section=np.arange(IMAGES) % SECTIONS,
    defocus=np.tile([-20.0, 20.0], TILTS),
    pixel_size=PIXEL_SIZE,
)


def small_probe():
    return aet.Probe(energy_ev=300e3, semiangle_mrad=20.0)


def calculated_images():
    """Images that the library itself calculates for the atoms."""
    aet.set_log("off")  # it says that black images do not look like atoms
    empty = aet.TiltSeries(np.zeros((IMAGES, ROWS, COLUMNS)), **GEOMETRY)
    truth = aet.Atoms(POSITIONS, species=14, heights=1.0, widths=0.6)
    recon = aet.LocalOrbital(empty, small_probe(), start=truth, model="rigid", precision="double")
    aet.set_log()
    return recon.predict()


MEASURED = calculated_images()


def small_series(images=MEASURED, context=None, **options):
    return aet.TiltSeries(images, context=context, **{**GEOMETRY, **options})


def small_reconstruction(context=None, series=None, **options):
    series = series or small_series(context=context)
    return aet.LocalOrbital(
        series,
        small_probe(),
        start=POSITIONS + 0.1,
        context=context,
        **{"model": "rigid", "precision": "double", **options},
    )


# Rules that no run meets before it is cancelled.
ENDLESS = dict(max_iterations=1_000_000, loss_tolerance=1e-300, gradient_tolerance=1e-300)


def long_reconstruction(folder, context):
    """A reconstruction of a data folder, whose fit takes a while."""
    series = aet.TiltSeries.read(folder, context=context)
    truth = aet.TiltSeries.read_atoms(folder, context=context)
    probe = aet.Probe(series.energy_ev, series.semiangle_mrad)
    return aet.LocalOrbital(
        series, probe, start=truth.positions + 0.1, model="rigid", precision="double", context=context
    )


def runs(recon):
    """Whether a reconstruction still runs."""
    return recon.run(max_iterations=2) in ("max_iterations", "converged")
