"""NumPy arrays as views of the C interface: pointer, element type, shape and strides, without a copy."""

import numpy as np

from ._declarations import ENUMS
from ._errors import fault
from ._structs import STRUCTURES

DTYPES = {
    np.dtype(element): ENUMS["aet_dtype"][name]
    for element, name in [
        ("f4", "f32"),
        ("f8", "f64"),
        ("c8", "c64"),
        ("c16", "c128"),
        ("?", "u8"),
        ("u1", "u8"),
        ("u2", "u16"),
        ("u4", "u32"),
        ("i2", "i16"),
        ("i4", "i32"),
    ]
}
MOST_AXES = 8


def is_viewable(array):
    """Whether the library can read the array where it lies: native, aligned, strides of whole elements."""
    return (
        array.dtype in DTYPES
        and array.dtype.isnative
        and array.flags.aligned
        and all(stride % array.itemsize == 0 for stride in array.strides)
    )


def numeric(values, what):
    """`values` as an array of numbers."""
    if isinstance(values, np.ma.MaskedArray):
        raise fault("dtype", f"{what}: got a masked array, wanted a plain one; pass its mask as an argument of its own")
    try:
        array = np.asarray(values)
    except ValueError as problem:  # nested lists of unequal lengths
        raise fault("shape", f"{what}: {problem}") from None
    if array.dtype.kind not in "biufc":
        raise fault("dtype", f"{what}: got elements of type {array.dtype}, wanted numbers")
    return array


def view_of(array, what, kind):
    if array.ndim > MOST_AXES:
        raise fault("shape", f"{what}: got {array.ndim} axes, wanted {MOST_AXES} at most")
    view = STRUCTURES[kind]()
    view.data = array.ctypes.data
    view.dtype = DTYPES[array.dtype]
    view.ndim = array.ndim
    for axis, (extent, stride) in enumerate(zip(array.shape, array.strides)):
        view.shape[axis] = extent
        view.strides[axis] = stride // array.itemsize
    view.array = array  # lives as long as the view
    return view


def input_view(values, what):
    """View of something array-like: of a copy only where the library has no such elements (int64, float16, ...)."""
    array = numeric(values, what)
    if not is_viewable(array):
        element = array.dtype.newbyteorder("=")
        array = array.astype(element if element in DTYPES else np.float64, copy=True)
    return view_of(array, what, "aet_const_view")


def output_view(array, what):
    """View of an array that the library fills where it lies."""
    if not isinstance(array, np.ndarray) or not is_viewable(array):
        got = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        wanted = ", ".join(str(element) for element in DTYPES)
        raise fault("dtype", f"{what}: got {got}, wanted an aligned NumPy array of one of {wanted} to fill")
    if not array.flags.writeable:
        raise fault("overlap", f"{what}: got a read-only array, wanted one to fill")
    return view_of(array, what, "aet_view")


# ---- dense vectors, where the C interface takes a plain pointer ----


def vector(values, what):
    """`values` as a contiguous vector of doubles: itself where it is one."""
    array = numeric(values, what)
    if array.dtype.kind == "c":
        raise fault("dtype", f"{what}: got complex numbers, wanted real ones")
    if array.ndim != 1:
        raise fault("shape", f"{what}: got an array of shape {array.shape}, wanted one axis")
    return np.ascontiguousarray(array, dtype=np.float64)


def indices(values, what, count):
    """Whole numbers, or a mask of `count()` values, as a contiguous vector of 64-bit indices."""
    array = numeric(values, what)
    if array.dtype == bool:
        if array.shape != (count(),):
            raise fault("shape", f"{what}: got a mask of shape {array.shape}, wanted ({count()},)")
        array = np.flatnonzero(array)
    if array.ndim != 1:
        raise fault("shape", f"{what}: got an array of shape {array.shape}, wanted one axis")
    if array.size == 0:
        raise fault("empty", f"{what}: got none, wanted at least one, or None for all")
    with np.errstate(invalid="ignore"):
        result = np.ascontiguousarray(array, dtype=np.int64)
    inexact = np.flatnonzero(result != array)
    if inexact.size:
        raise fault("range", f"{what}: got {array[inexact[0]]} at place {inexact[0]}, wanted whole numbers")
    return result
