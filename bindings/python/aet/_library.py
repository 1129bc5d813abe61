"""The shared library, and its functions as Python sees them.

`lib.aet_recon_save(recon, path)` calls the C function of that name. Its declaration says how each argument crosses:
objects as their pointers, paths and text as UTF-8, arrays as views or plain pointers, options as structures. A status
that is a fault is raised as AetError; a new handle is returned as a pointer for the object's class to take. ctypes lets
other Python threads run during each call.
"""

import ctypes
import os
import pathlib
import sys
import threading
from types import SimpleNamespace

import numpy as np

from ._arrays import input_view, output_view
from ._declarations import ABI_VERSION, CALLBACKS, FUNCTIONS, HANDLES
from ._errors import STATUS, AetError, fault
from ._handles import live_pointer
from ._structs import SCALARS, STRUCTURES, name_of, real, whole

# ---- finding it ----

LIBRARY_FILE = {"win32": "aet.dll", "darwin": "libaet.dylib"}.get(sys.platform, "libaet.so")
SYSTEM_FILE = {"win32": "aet.dll", "darwin": f"libaet.{ABI_VERSION}.dylib"}.get(
    sys.platform, f"libaet.so.{ABI_VERSION}"
)


def candidates():
    """Where the library may be, and who says so."""
    chosen = os.environ.get("AET_LIBRARY")
    if chosen:
        return [(chosen, "AET_LIBRARY")]
    root = pathlib.Path(__file__).resolve().parents[3]
    built = [(str(root / "target" / "release" / LIBRARY_FILE), "the source tree")]
    return (built if (root / "Cargo.toml").exists() else []) + [(SYSTEM_FILE, "the system")]


def opened():
    """The first candidate that can be opened; ImportError names them all."""
    problems = []
    for path, origin in candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as problem:
            problems.append(f"{path} (from {origin}): {problem}")
    raise ImportError(
        "aet: the shared library cannot be opened; set AET_LIBRARY to its path, or build it with "
        "`cargo build --release`. Tried " + "; ".join(problems)
    )


# ---- arguments ----


def text_argument(value, what):
    if value is None:
        return None
    try:
        text = os.fspath(value)
        encoded = text if isinstance(text, bytes) else text.encode("utf-8")
    except (TypeError, UnicodeEncodeError) as problem:
        raise fault("text", f"{what}: got {value!r}, wanted text or a path ({problem})") from None
    if b"\0" in encoded:
        raise fault("text", f"{what}: got {value!r}, wanted text without NUL")
    return ctypes.c_char_p(encoded)


def handle_argument(wanted):
    def convert(value, what):
        if value is None:
            return None
        return ctypes.c_void_p(live_pointer(value, wanted, what))

    return convert


def handles_argument(wanted):
    def convert(values, what):
        pointers = [live_pointer(value, wanted, what) for value in values]
        array = (ctypes.c_void_p * len(pointers))(*pointers)
        array.objects = values  # alive as long as the array
        return array

    return convert


def structure_argument(wanted):
    def convert(value, what):
        if not isinstance(value, wanted):  # which may have a member of this name
            value = getattr(value, "structure", value)
        if value is not None and not isinstance(value, wanted):
            raise TypeError(f"{what}: got {type(value).__name__}, wanted {wanted.__name__}")
        return None if value is None else ctypes.byref(value)

    return convert


def view_argument(convert_array):
    """The view itself is converted to a pointer by ctypes, which keeps it, and its array, for the call."""

    def convert(value, what):
        return None if value is None else ctypes.pointer(convert_array(value, what))

    return convert


def pointer_argument(element):
    """A contiguous array of the element type, a ctypes value of it, or None."""
    dtype = np.dtype(element)

    def convert(value, what):
        if value is None:
            return None
        if isinstance(value, element):
            return ctypes.byref(value)
        if isinstance(value, np.ndarray) and value.dtype == dtype and value.flags.c_contiguous:
            return ctypes.c_void_p(value.ctypes.data)
        raise TypeError(f"{what}: wanted a contiguous array of {dtype}")

    return convert


def scalar_argument(c_type):
    if c_type in (ctypes.c_double, ctypes.c_float):
        return lambda value, what: c_type(real(value, what))
    return lambda value, what: c_type(whole(value, what, c_type))


def plain_argument(value, what):
    return value


def converter(declared):
    """How an argument of a C type is converted: a function of value and name."""
    base = declared.replace("const ", "").rstrip(" *")
    if declared == "const char *":
        return text_argument
    if declared == "const aet_const_view *":
        return view_argument(input_view)
    if declared == "const aet_view *":
        return view_argument(output_view)
    if declared.endswith("*const *"):
        return handles_argument(base.split()[0])
    if base in HANDLES:
        return handle_argument(base)
    if base in STRUCTURES:
        return structure_argument(STRUCTURES[base])
    if base in CALLBACKS or base in ("void", "char"):
        return plain_argument
    return pointer_argument(SCALARS[base]) if declared.endswith("*") else scalar_argument(SCALARS[base])


# ---- functions ----


class PendingException(threading.local):
    """What a log function raised inside the present call; the thread that made the call raises it again."""

    exception = None

    def raise_it(self):
        exception, self.exception = self.exception, None
        if exception is not None:
            raise exception


pending = PendingException()


class Function:
    """One C function. Calling it converts the arguments, calls, and raises what is no success."""

    def __init__(self, library, name, returns, arguments):
        try:
            self.address = library[name]
        except AttributeError:
            raise ImportError(f"aet: the library lacks {name}; is it older than this package?") from None
        self.name = name
        self.returns = returns
        self.arguments = [pair for pair in arguments if not pair[1].endswith("**")]
        # What the function creates through its arguments is its result here: a handle, or a tuple of several.
        self.created = [
            (at, declared.rstrip(" *")) for at, (_, declared) in enumerate(arguments) if declared.endswith("**")
        ]
        self.converters = [(converter(declared), argument) for argument, declared in self.arguments]
        self.address.restype = {"void": None, "const char *": ctypes.c_char_p}.get(returns) or SCALARS.get(returns)
        self.address.argtypes = [SCALARS.get(declared, ctypes.c_void_p) for _, declared in arguments]

    def __call__(self, *arguments):
        """The value of a getter, the new handle or handles; AetError for every status but AET_OK."""
        value, handle = self._called(arguments)
        if self.returns == "aet_status":
            outcome = self._outcome(value)
            if outcome != "ok":
                raise self._unfinished(value, outcome)
            return handle
        pending.raise_it()
        return value.decode("utf-8") if isinstance(value, bytes) else value

    def outcome(self, *arguments):
        """Name of the outcome ("converged") of a function with several good ones; AetError for faults."""
        value, _ = self._called(arguments)
        return self._outcome(value)

    def kept(self, *arguments):
        """The new handles of a function that keeps what it has when it ends early; AetError where that is nothing."""
        value, handle = self._called(arguments)
        outcome = self._outcome(value)
        if handle is None or (isinstance(handle, tuple) and handle[0] is None):
            raise self._unfinished(value, outcome)
        return handle

    def _unfinished(self, value, outcome):
        return AetError(value, status_name(value), f"{self.name} ended before it was done: {outcome}")

    def without_checks(self, pointer):
        """Frees a pointer: for finalizers, which have nobody to report to."""
        self.address(ctypes.c_void_p(pointer))

    def _called(self, arguments):
        if len(arguments) != len(self.converters):
            raise TypeError(f"{self.name} takes {len(self.converters)} arguments, got {len(arguments)}")
        values = [convert(value, what) for (convert, what), value in zip(self.converters, arguments)]
        places = [ctypes.c_void_p() for _ in self.created]
        for (at, _), place in zip(self.created, places):
            values.insert(at, ctypes.byref(place))
        value = self.address(*values)
        handles = tuple(place.value for place in places)
        if pending.exception is not None:
            for (_, kind), handle in zip(self.created, handles):
                if handle is not None:
                    getattr(lib, kind + "_free").without_checks(handle)
        return value, handles if len(handles) > 1 else next(iter(handles), None)

    def _outcome(self, status):
        pending.raise_it()
        if status >= STATUS["error_null"]:
            raise AetError(status, status_name(status), last_error_message())
        return name_of("aet_status", status)


def loaded():
    """All functions of the library, after its binary interface and structures were compared with ours."""
    library = opened()
    functions = SimpleNamespace(
        **{name: Function(library, name, returns, arguments) for name, (returns, arguments) in FUNCTIONS.items()}
    )
    abi = functions.aet_abi_version()
    if abi != ABI_VERSION:
        raise ImportError(f"aet: the library has binary interface {abi}, this package needs {ABI_VERSION}")
    for name, structure in STRUCTURES.items():
        ours, theirs = ctypes.sizeof(structure), functions.aet_struct_size(name)
        # Views are frozen; the others carry struct_size and may have grown at their end.
        if ours > theirs or ("struct_size" not in dir(structure) and ours != theirs):
            raise ImportError(f"aet: {name} has {theirs} bytes in the library and {ours} here; rebuild one of them")
    return functions


lib = loaded()


def status_name(status):
    return lib.aet_status_name(status)


def last_error_message():
    """Text of the last fault on this thread."""
    return lib.aet_last_error_message()


def copied_text(function, *arguments):
    """The text that `function(..., buffer, capacity, needed)` writes, asked for its size first, as it may grow."""
    needed = ctypes.c_size_t()
    function(*arguments, None, 0, needed)
    while True:
        buffer = ctypes.create_string_buffer(needed.value)
        try:
            function(*arguments, buffer, len(buffer), needed)
            return buffer.value.decode("utf-8")
        except AetError as error:
            function(*arguments, None, 0, needed)
            if error.name != "AET_ERROR_RANGE" or needed.value <= len(buffer):
                raise


def version():
    """Version of the loaded library, "0.1.0"."""
    return lib.aet_version_string()
