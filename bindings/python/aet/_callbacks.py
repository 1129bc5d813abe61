"""Progress and log. Nothing may be thrown through the library, so exceptions are kept, the call is cancelled, and they
are raised again once it has returned."""

import atexit
import collections
import ctypes
import logging
import os
import signal
import threading

import numpy as np

from ._declarations import ENUMS
from ._library import lib, pending
from ._options import result_members, result_values
from ._structs import CALLBACK_TYPES, STRUCTURES, name_of, number_of

Progress = collections.namedtuple("Progress", result_members("aet_progress"))
Progress.__doc__ = """What a progress function is shown; what is not known yet is NaN.

`phase` is "reading", "planning", "evaluating", "optimizing", "saving" or "simulating"; `iteration` of `max_iterations`;
`evaluations` so far; `fraction` of the phase that is done; present `loss`, `gradient_norm` and `r_factor`; `seconds` since
the call began. Of a simulated series `tilt` of `tilts` and `configuration` of `configurations`, counted from 0, and
finished ones of all `probes` as `probe`; 0 in other calls.
"""


def goes_on(answer):
    """Whether a progress function's answer means to go on."""
    if answer is None:
        return True
    if isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    raise TypeError(f"the progress function returned {answer!r}, wanted True or None to go on, or False to cancel")


class LongCall:
    """One long call of the library, as a context: `report` goes to it as its progress function, with None for `user`.

    A signal handler that raises, as that of Ctrl-C does, may run when the library has just called back: there nobody
    could catch it. For the time of the call such handlers therefore keep their exception, which ends the call; only
    inside the user's progress function, where it can be caught, it is raised at once.
    """

    working = set()

    def __init__(self, progress):
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: got {progress!r}, wanted a function of one argument")
        self.progress = progress
        self.exception = None
        self.stopped = False
        self.in_progress_function = False
        self.former_handlers = {}
        self.report = CALLBACK_TYPES["aet_progress_fn"](self._called_back)

    def __enter__(self):
        LongCall.working.add(self)
        if threading.current_thread() is threading.main_thread():
            for number in signal.valid_signals():
                handler = signal.getsignal(number)
                if callable(handler):
                    self.former_handlers[number] = handler
                    signal.signal(number, self._signalled)
        return self

    def __exit__(self, *exception):
        for number, handler in self.former_handlers.items():
            signal.signal(number, handler)
        LongCall.working.discard(self)
        self.report = None  # it refers to this object, and so both would wait for the cycle collector
        kept, self.exception = self.exception, None
        if kept is not None:
            raise kept from None

    def _signalled(self, number, frame):
        at_once, self.in_progress_function = self.in_progress_function, False
        try:
            self.former_handlers[number](number, frame)
            self.in_progress_function = at_once
        except BaseException as exception:
            if at_once:
                raise
            self.exception = exception

    def _called_back(self, _user, progress):
        try:
            if self.progress is not None and not self._ends():
                structure = STRUCTURES["aet_progress"].from_address(progress)
                shown = Progress(*result_values("aet_progress", structure))
                self.in_progress_function = True
                answer = self.progress(shown)
                self.in_progress_function = False
                self.stopped = not goes_on(answer)
        except BaseException as exception:
            self.in_progress_function = False
            self.exception = exception
        return 1 if self._ends() else 0

    def _ends(self):
        return self.stopped or self.exception is not None or pending.exception is not None


if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads that were at work.
    os.register_at_fork(after_in_child=LongCall.working.clear)


@atexit.register
def end_working_calls():
    """Daemon threads still inside the library could not come back from it once the interpreter is gone."""
    lib.aet_log_set(ENUMS["aet_log_level"]["off"], None, None)
    for call in list(LongCall.working):
        call.stopped = True
    waiting = threading.Event()
    for _ in range(200):
        if not LongCall.working:
            break
        waiting.wait(0.01)


# ---- terms of the loss ----


def array_at(view):
    """The array that a view of doubles at an address describes; it belongs to the library."""
    view = STRUCTURES["aet_view"].from_address(view)
    shape = tuple(view.shape[: view.ndim])
    elements = (ctypes.c_double * int(np.prod(shape))).from_address(view.data)
    return np.frombuffer(elements, dtype=np.float64).reshape(shape)


def guarded(work):
    """0, or 1 after an exception, which the call at work raises once it has returned."""
    try:
        work()
        return 0
    except BaseException as exception:
        pending.exception = exception
        return 1


def term_function(function):
    """A function of values and gradient for the library; to be kept as long as the library may call it."""
    if not callable(function):
        raise TypeError(f"function: got {function!r}, wanted a function of values and gradient")

    def called(_user, values, loss, gradient):
        def work():
            to_gradient = None if gradient is None else array_at(gradient)
            ctypes.c_double.from_address(loss).value = float(function(array_at(values).copy(), to_gradient))

        return guarded(work)

    return CALLBACK_TYPES["aet_term_fn"](called)


def projection_function(function):
    """A function that moves the parameters for the library, kept likewise; None for none."""
    if function is None:
        return None
    if not callable(function):
        raise TypeError(f"function: got {function!r}, wanted a function of the parameters")
    return CALLBACK_TYPES["aet_projection_fn"](lambda _user, x: guarded(lambda: function(array_at(x))))


# ---- log ----

LOGGING_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def to_logger(level, message):
    """The function that takes messages where none is given: Python's own logger "aet"."""
    logging.getLogger("aet").log(LOGGING_LEVELS.get(level, logging.ERROR), "%s", message)


class Log:
    """Where messages go. The library gets one function for ever, because threads may still be in it after a change."""

    function = staticmethod(to_logger)

    @CALLBACK_TYPES["aet_log_fn"]
    def entry(_user, level, message):
        try:
            Log.function(name_of("aet_log_level", level), message.decode("utf-8", "replace"))
        except BaseException as exception:
            pending.exception = exception


def set_log(level="warning", function=None):
    """Hands messages up to `level` ("off", "error", "warning", "info", "debug") to `function(level, message)`.

    Without a function they go to Python's logger "aet", which is the state at the start, with the level "warning". The
    function is called inside the library call that reports; what it raises ends that call and is raised by it.
    """
    if function is not None and not callable(function):
        raise TypeError(f"function: got {function!r}, wanted a function of level and message")
    number = number_of("aet_log_level", level, "level")
    Log.function = staticmethod(to_logger if function is None else function)
    lib.aet_log_set(number, Log.entry, None)


set_log()
