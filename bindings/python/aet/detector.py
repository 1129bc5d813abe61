"""Detectors of diffraction patterns."""

import collections
import ctypes

import numpy as np

from ._arrays import numeric
from ._callbacks import LongCall
from ._errors import fault
from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options
from ._structs import name_of, number_of
from .context import default_context


class Detector(Handle, c_type="aet_detector", free=lib.aet_detector_free):
    """What makes signals of diffraction patterns; immutable, described without a grid.

        haadf = aet.Detector("annular", inner_mrad=60, outer_mrad=200)
        image = haadf.measure(patterns, 0.8)                            # patterns[scan row, scan column, ky, kx]

    Kinds are "annular" (one number), "flexible_annular" ([rings]), "segmented" ([rings, segments]), "pixelated"
    ([ky, kx], zero angle at n // 2) and "center_of_mass" ([2], x and y in 1/A). Whole pixels count, by their centres.
    """

    @takes_options(lib.aet_detector_options_init)
    def __init__(self, kind, sensitivity=None, **options):
        """`sensitivity` [rows, columns] is a map of measured efficiencies, zero angle at n // 2, by which patterns are
        multiplied first.

        AET_ERROR_RANGE for angles that are not 0 <= inner < outer and for options that the kind has no use for.
        """
        settings = Options(lib.aet_detector_options_init, options)
        settings.set("kind", kind)
        self._take(lib.aet_detector_create(settings, sensitivity))

    @property
    def kind(self):
        """ "annular", "flexible_annular", "segmented", "pixelated" or "center_of_mass"."""
        return name_of("aet_detector_kind", lib.aet_detector_get_kind(self))

    @takes_options(lib.aet_pattern_options_init)
    def signal_shape(self, shape, row_step_mrad, **options):
        """Shape of the signal of one pattern of `shape` (rows, columns); () for one number."""
        options.update(row_step_mrad=row_step_mrad)
        return self._signal_shape(shape, Options(lib.aet_pattern_options_init, options))

    def _signal_shape(self, shape, settings):
        rows, columns = shape
        ndim, extents = np.zeros(1, np.int32), np.zeros(2, np.int64)
        lib.aet_detector_shape(self, settings, rows, columns, ndim, extents)
        return tuple(int(extent) for extent in extents[: ndim[0]])

    @takes_options(lib.aet_pattern_options_init)
    def measure(self, patterns, row_step_mrad, *, out=None, progress=None, context=None, **options):
        """Signals of measured `patterns` [..., ky, kx]: an array [..., signal] with the scan axes, then those of the
        signal, or `out` of that shape, filled. `progress` is a function as for `LocalOrbital.run`.

        AET_ERROR_RANGE with the largest angle that the patterns hold, AET_ERROR_NON_FINITE, AET_ERROR_NOT_READY for a
        centre of mass without `energy_ev`.
        """
        options.update(row_step_mrad=row_step_mrad)
        settings = Options(lib.aet_pattern_options_init, options)
        patterns = numeric(patterns, "patterns")
        if patterns.ndim < 2:
            raise fault("shape", f"patterns: got an array of shape {patterns.shape}, wanted [..., ky, kx]")
        if out is None:
            out = np.zeros(patterns.shape[:-2] + self._signal_shape(patterns.shape[-2:], settings))
        with LongCall(progress) as call:
            lib.aet_detector_measure(self, context or default_context(), patterns, settings, call.report, None, out)
        return out

    def _describe(self):
        return self.kind


def integrate_center_of_mass(field, row_step, column_step=None):
    """The image [rows, columns] of mean 0 whose gradient fits a `field` [rows, columns, 2] of centres of mass (x, y,
    1/A) best (iCOM), as `Detector.measure` gives it for a scan with these steps between rows and columns (A).

    For a thin specimen 2 pi times the image is the phase. AET_ERROR_SHAPE, AET_ERROR_RANGE, AET_ERROR_NON_FINITE.
    """
    field = numeric(field, "field")
    out = np.zeros(field.shape[:2])
    lib.aet_integrate_center_of_mass(field, row_step, row_step if column_step is None else column_step, out)
    return out


#: What an annular detector sees of one atom: the cross-section (A^2), which is pi B H of the orbital that stands for the
#: atom in images of fractions of the beam, and the part of all that it scatters that the detector catches.
AdfTransfer = collections.namedtuple("AdfTransfer", ["cross_section", "collected"])


def adf_transfer(energy_ev, inner_mrad, outer_mrad, species, parametrization="lobato"):
    """Of the element `species` (atomic number) for a detector from `inner_mrad` to `outer_mrad`: an `AdfTransfer`.

    `parametrization` is "lobato" or "kirkland". AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION.
    """
    table = number_of("aet_parametrization", parametrization, "parametrization")
    cross_section, collected = ctypes.c_double(), ctypes.c_double()
    lib.aet_adf_transfer(energy_ev, inner_mrad, outer_mrad, table, species, cross_section, collected)
    return AdfTransfer(cross_section.value, collected.value)
