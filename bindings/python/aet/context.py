"""The threads that compute."""

import os
import threading

from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options
from ._structs import name_of


class Context(Handle, c_type="aet_context", free=lib.aet_context_free):
    """The threads that compute, and the switch that cancels.

    Objects that need a context take it as the keyword `context` and use `default_context()` otherwise. Results do not
    depend on the number of threads; for one `simd` path they are equal to the last bit.
    """

    @takes_options(lib.aet_context_options_init)
    def __init__(self, **options):
        """AET_ERROR_RANGE for a number of threads that cannot be, AET_ERROR_UNSUPPORTED for a path that this processor
        lacks."""
        self._take(lib.aet_context_create(Options(lib.aet_context_options_init, options)))

    @property
    def threads(self):
        """Number of threads that compute."""
        return lib.aet_context_threads(self)

    @property
    def simd(self):
        """Instruction-set path in use: "portable", "avx2" or "avx512"."""
        return name_of("aet_simd", lib.aet_context_simd(self))

    def request_cancel(self):
        """Ends the long calls in progress on this context within a second, from any thread.

        `run` and `step` return "cancelled" and keep the best state, others raise an AetError named AET_CANCELLED.
        """
        lib.aet_context_request_cancel(self)

    def _describe(self):
        return f"threads={self.threads} simd={self.simd!r}"


class Default:
    """The context used where none is given. A forked process gets one of its own: threads do not survive a fork."""

    context = None
    lock = threading.Lock()

    @classmethod
    def forget(cls):
        cls.lock = threading.Lock()  # another thread may have held the old one when the process forked
        cls.context = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Default.forget)


def default_context():
    """The context used where none is given, made on first use with the library's defaults."""
    with Default.lock:
        if Default.context is None or Default.context.closed:
            Default.context = Context()
        return Default.context
