"""Simulated tilt series: specimen, rotations and foci become a folder of images or diffraction patterns."""

import ctypes

from ._callbacks import LongCall
from ._library import lib
from ._options import Options, takes_options
from .context import default_context


def settings_of(rotations, foci, simulation, instrument, options):
    """The structure of options, with those that it points to."""
    settings = Options(lib.aet_series_options_init, options)
    settings.set("rotations", rotations)
    settings.set("foci", foci)
    settings.set("simulation", None if simulation is None else Options(lib.aet_simulation_options_init, simulation))
    settings.set("instrument", None if instrument is None else Options(lib.aet_instrument_options_init, instrument))
    return settings


@takes_options(lib.aet_series_options_init)
def simulate_series(
    atoms,
    probe,
    detector,
    rotations,
    foci,
    folder,
    *,
    simulation=None,
    instrument=None,
    progress=None,
    context=None,
    **options,
):
    """Simulates the tilt and focus series of `atoms` that `probe` and `detector` see, into `folder`: images with an
    annular detector (`TiltSeries.read` reads them), diffraction patterns with a pixelated one.

    `rotations` [tilts, 3, 3] turn the specimen about its origin, p' = R p, which falls on scan position (rows // 2,
    columns // 2); `foci` are the heights of the crossover above it, A, one image per tilt and focus. `simulation` are
    options of `Simulation`, `instrument` those of `record_patterns` and `TiltSeries.record`, as dicts.

    Finished parts lie in `folder`.partial: where a call was ended by `progress`, an exception, a kill or a full disk,
    the same call goes on and the result is the same to the last bit. `progress` is shown `tilt` of `tilts`,
    `configuration` of `configurations` (both count from 0) and `probe` of `probes`, those of earlier calls among them.

    AET_ERROR_INCONSISTENT for a folder that exists, or a partial one of another series; AET_ERROR_UNSUPPORTED for other
    detectors; AET_ERROR_RANGE for angles beyond the band limit; AET_ERROR_NOT_READY for frozen phonons of atoms without
    Debye-Waller factors; AET_ERROR_MEMORY with the bytes needed and allowed; AET_CANCELLED, all finished parts kept.
    """
    settings = settings_of(rotations, foci, simulation, instrument, options)
    with LongCall(progress) as call:
        lib.aet_simulate_series(
            context or default_context(), atoms, probe, detector, settings, folder, call.report, None
        )


@takes_options(lib.aet_series_options_init)
def estimate_series_memory(
    atoms, probe, detector, rotations, foci, *, simulation=None, instrument=None, context=None, **options
):
    """Bytes that `simulate_series` with these arguments needs."""
    settings = settings_of(rotations, foci, simulation, instrument, options)
    needed = ctypes.c_uint64()
    lib.aet_simulate_series_estimate_memory(
        context or default_context(), atoms, probe, detector, settings, needed
    )
    return needed.value
