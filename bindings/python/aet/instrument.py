"""What scan, dose and detector make of ideal images."""

import numpy as np

from ._arrays import numeric
from ._callbacks import LongCall
from ._errors import fault
from ._library import lib
from ._options import Options, takes_options
from .context import default_context


@takes_options(lib.aet_instrument_options_init)
def record_patterns(patterns, *, first=0, progress=None, context=None, **options):
    """What an instrument records of diffraction patterns [..., row, column], as a new array of float32.

    Patterns are numbered from `first` in the order of their leading axes, so that large sets may be recorded part by
    part. AET_ERROR_UNSUPPORTED for the options of the scan and for `dose_per_a2`, AET_ERROR_NON_FINITE for bad values.
    """
    patterns = numeric(patterns, "patterns")
    if patterns.ndim < 2:
        raise fault("shape", f"patterns: got {patterns.ndim} axes, wanted [..., row, column]")
    settings = Options(lib.aet_instrument_options_init, options)
    count = int(np.prod(patterns.shape[:-2]))
    out = np.zeros((count, *patterns.shape[-2:]), np.float32)
    stack = patterns.reshape(out.shape)
    with LongCall(progress) as call:
        lib.aet_patterns_record(context or default_context(), stack, settings, first, call.report, None, out)
    return out.reshape(patterns.shape)


@takes_options(lib.aet_instrument_options_init)
def instrument_truth(name, rows, columns, *, pixel_size=1.0, image=0, **options):
    """What an instrument with these options adds to images of `rows` x `columns` pixels of `pixel_size` (A).

    "displacements", rows x columns x 2, (along x', along y') in A, of the beam in image number `image` from where the
    pixels say it is; "gain", "dark" or "defects" (0 good, 1 dead, 2 hot), rows x columns.
    """
    settings = Options(lib.aet_instrument_options_init, options)
    out = np.zeros((rows, columns, 2) if name == "displacements" else (rows, columns))
    lib.aet_instrument_copy_truth(settings, pixel_size, image, name, out)
    return out
