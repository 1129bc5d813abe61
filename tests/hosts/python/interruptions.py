"""Calls that end before they are done: cancelled, interrupted by an exception or a signal, cut off by a fork or the end
of the process. The exception arrives, the best state is kept, nothing hangs.

    python3 tests/hosts/python/interruptions.py DATA SCRATCH

DATA is a data folder with true atoms, SCRATCH an existing folder to write to.
"""

import ctypes.util
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import aet
from checks import check, check_fault, check_raises, finish, raised, run
from series import series_go_on
from problem import ENDLESS, IMAGES, long_reconstruction, runs, small_reconstruction, small_series

DATA, SCRATCH = map(pathlib.Path, sys.argv[1:])


# ---- cancelling ----


def cancelled_runs():
    context = aet.Context(threads=1)
    recon = long_reconstruction(DATA, context)
    first, asked = recon.loss(), []

    def stop(progress):
        asked.append(time.monotonic())
        return progress.iteration < 2

    outcome = recon.run(**ENDLESS, progress=stop)
    check(
        "cancelled by the progress function within a second",
        outcome == "cancelled" and time.monotonic() - asked[-1] < 1,
    )
    kept = recon.loss()
    check("the best state is kept", kept < first and kept == recon.history["loss"][-1])
    outcome = recon.run(**ENDLESS, progress=lambda p: context.request_cancel())
    check("cancelled by the context", outcome == "cancelled" and recon.loss() <= kept, outcome)
    outcomes = recon.step(progress=lambda p: False), recon.run(max_iterations=1, progress=lambda p: np.False_)
    check("cancelled step, and last iteration", outcomes == ("cancelled", "cancelled"), outcomes)
    read = lambda: aet.TiltSeries.read(DATA, context=context, progress=lambda p: False)
    check_fault(read, "cancelled while reading", "cancelled", "before it was done")
    check_fault(
        lambda: recon.series.write(SCRATCH / "never complete", progress=lambda p: False),
        "cancelled while writing",
        "cancelled",
    )
    check("nothing of it is left behind", not [name for name in os.listdir(SCRATCH) if "never" in name])
    context.request_cancel()
    check("a request with nothing under way is forgotten", runs(recon))


def cancelled_after(work, context):
    """Seconds between a request from a second thread and the end of `work`, repeated until a request falls into it."""
    requested, over = [time.monotonic()], threading.Event()

    def ask():
        while not over.wait(0.003):
            requested[0] = time.monotonic()
            context.request_cancel()

    worker = threading.Thread(target=ask)
    worker.start()
    began = time.monotonic()
    try:
        while time.monotonic() - began < 10:
            try:
                if work() == "cancelled":
                    return time.monotonic() - requested[0]
            except aet.AetError as error:
                if error.name != "AET_CANCELLED":
                    raise
                return time.monotonic() - requested[0]
    finally:
        over.set()
        worker.join()
    return np.inf


def cancelled_from_a_second_thread():
    context = aet.Context(threads=1)
    recon = long_reconstruction(DATA, context)
    series, atoms, x, loss = recon.series, recon.atoms, recon.parameters, recon.loss()
    residuals = np.zeros(series.images.shape)
    calls = {
        "run": lambda: recon.run(**ENDLESS),
        "evaluation": lambda: recon.loss_and_gradient(x) and None,
        "prediction": lambda: recon.predict(x) is None,
        "pull-back": lambda: recon.pull_back(x, residuals) is None,
        "creation": lambda: aet.LocalOrbital(series, recon.probe, start=atoms, context=context),
        "reading": lambda: aet.TiltSeries.read(DATA, context=context),
    }
    for name, work in calls.items():
        seconds = cancelled_after(work, context)
        check(f"{name} cancelled from a second thread within a second", seconds < 1, seconds)
    check("the best state is kept", recon.loss() <= loss and runs(recon))


# ---- callbacks ----


class Odd(BaseException):
    """An exception of the user's own kind."""


def failing(exception):
    def call(*_):
        raise exception

    return call


def exceptions_of_callbacks():
    recon = small_reconstruction()
    before = recon.loss()
    check_raises(
        lambda: recon.run(progress=failing(ValueError("from the callback"))),
        "an exception is raised again",
        ValueError,
        "from the callback",
    )
    check("and the best state is kept", recon.loss() <= before)
    for exception in (KeyboardInterrupt(), SystemExit(3), Odd("odd")):
        check_raises(
            lambda: recon.run(progress=failing(exception)), f"{type(exception).__name__}, too", type(exception)
        )
    check_raises(lambda: recon.step(progress=failing(KeyError("a"))), "in a step", KeyError, "a")
    check_raises(lambda: recon.run(progress=lambda p: "yes"), "an answer that is text", TypeError, "'yes'")
    check_raises(lambda: recon.run(progress=lambda: True), "a function of no argument", TypeError)
    check_raises(lambda: aet.TiltSeries.read(DATA, progress=failing(Odd("odd"))), "while reading", Odd)
    aet.set_log("debug", failing(OSError("the log is full")))
    radians = lambda: small_series(rotations=None, tilt=None, angles_deg=np.linspace(-1, 1, IMAGES), tilt_axis="y")
    check_raises(radians, "an exception of a log function is raised again", OSError, "the log is full")
    aet.set_log()
    check("everything works after all that", runs(recon))


def calls_within_calls():
    recon, other = small_reconstruction(), small_reconstruction()
    within = lambda call: lambda: recon.run(max_iterations=3, progress=lambda p: call() is None or True)
    busy = lambda call, name: check_fault(within(call), name, "busy")
    busy(lambda: recon.run(), "run from its own progress function")
    busy(lambda: recon.step(), "step from a progress function")
    busy(lambda: setattr(recon, "parameters", recon.parameters), "parameters set during a run")
    busy(lambda: recon.freeze("widths"), "freeze during a run")
    outcome = within(lambda: raised(recon.run))()
    check("a refused inner run does not harm the outer one", outcome in ("max_iterations", "converged"), outcome)
    outcome = within(lambda: other.run(max_iterations=1))()
    check("another run within the run", outcome in ("max_iterations", "converged"), outcome)
    check_raises(
        within(lambda: other.run(progress=failing(Odd("inner")))), "an exception through two runs", Odd, "inner"
    )
    outcome = within(recon.close)()
    check("closed during a run, the run ends as usual", outcome in ("max_iterations", "converged"), outcome)
    check_fault(lambda: recon.parameters, "and is closed afterwards", "stale_handle", "closed")


def interrupted_by_signals():
    """Ctrl-C, at any moment of the run and whatever it is doing, arrives as KeyboardInterrupt, and nothing is lost."""
    recon = long_reconstruction(DATA, aet.Context(threads=1))
    start, interrupted = recon.parameters, 0
    for attempt in range(40):
        progress = [None, lambda p: time.sleep(0.002), lambda p: None][attempt % 3]
        timer = threading.Timer(0.01 + 0.002 * attempt, lambda: os.kill(os.getpid(), signal.SIGINT))
        recon.parameters = start
        began = time.monotonic()
        try:
            timer.start()
            recon.run(max_seconds=5, **ENDLESS, progress=progress)
            timer.join()
        except KeyboardInterrupt:
            interrupted += time.monotonic() - began < 2
    check("forty interrupts", interrupted == 40, interrupted)
    check("the handler is back", signal.getsignal(signal.SIGINT) is signal.default_int_handler)

    def wait_for_interrupt(_):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    began = time.monotonic()
    check_raises(
        lambda: recon.run(progress=wait_for_interrupt), "inside the progress function at once", KeyboardInterrupt
    )
    check("without waiting for its end", time.monotonic() - began < 5)
    former = signal.signal(signal.SIGALRM, failing(Odd("alarm")))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    check_raises(lambda: recon.run(**ENDLESS), "other signals that raise", Odd, "alarm")
    signal.signal(signal.SIGALRM, former)
    check("the reconstruction works after all that", runs(recon))


# ---- processes ----


def in_child(work):
    """Exit code of a forked child that does `work`; it is ended after ten seconds."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(call):
    """1 where the call is refused as AET_ERROR_FORKED with a text."""
    seen = raised(call)
    return int(isinstance(seen, aet.AetError) and seen.name == "AET_ERROR_FORKED" and len(seen.message) > 10)


def a_fork():
    context = aet.Context(threads=2)
    recon, default = small_reconstruction(context), aet.default_context()
    loss, x = recon.loss(), recon.parameters
    calls = [
        lambda: recon.run(),
        lambda: recon.step(),
        lambda: recon.loss(x),
        lambda: recon.predict(x),
        lambda: small_series(context=context),
        lambda: small_series(context=default),
        lambda: recon.save(SCRATCH / "child.aet"),
        lambda: aet.TiltSeries.read(DATA, context=context),
    ]
    refused = [in_child(lambda: forked(call)) for call in calls[:4]]
    check("calls with a context of before are refused", refused == [1] * 4, refused)
    others = [in_child(lambda: raised(call) and 0 or 0) for call in calls[4:]]
    check("no other call hangs", others == [0] * 4, others)
    fresh = in_child(lambda: int(small_reconstruction().loss() == loss))
    check("the child gets a context of its own where none is given", fresh == 1, fresh)

    def freed():
        recon.close(), context.close(), default.close()
        return 1

    check("objects of the parent are freed in the child", in_child(freed) == 1)
    check("nothing happened to the parent", recon.loss() == loss and runs(recon))


def a_fork_during_a_run():
    """The child has none of the parent's threads, neither workers nor the one that runs."""
    recon = small_reconstruction(precision="double")
    codes, over = [], threading.Event()
    worker = threading.Thread(target=lambda: recon.run(**ENDLESS, progress=lambda p: not over.is_set()))
    worker.start()
    while recon.snapshot().iteration < 1:
        time.sleep(0.001)

    def child():
        refused = forked(recon.run) or isinstance(raised(recon.run), aet.AetError)
        recon.snapshot().close()
        fresh = np.isfinite(small_reconstruction().loss())
        recon.close()
        return int(refused and fresh)

    for _ in range(10):
        codes.append(in_child(child))
        time.sleep(0.01)
    over.set()
    worker.join()
    check("refused, never deadlocked", codes == [1] * 10, codes)
    check("the parent works on", runs(recon))


EXITING = """
import sys, threading, time
sys.path.insert(0, sys.argv[2])
import aet
from problem import ENDLESS, long_reconstruction
recon = long_reconstruction(sys.argv[1], None)
threading.Thread(target=lambda: recon.run(**ENDLESS, progress=lambda p: None), daemon=True).start()
while recon.snapshot().iteration < 1:
    time.sleep(0.001)
print("leaving")
"""


FORKING = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[2])
import aet
from problem import ENDLESS, long_reconstruction
recon = long_reconstruction(sys.argv[1], None)
over = threading.Event()
threading.Thread(target=lambda: recon.run(**ENDLESS, progress=lambda p: not over.is_set())).start()
while recon.snapshot().iteration < 1:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    sys.exit(7)
began = time.monotonic()
status = os.waitpid(child, 0)[1]
over.set()
print(os.waitstatus_to_exitcode(status), time.monotonic() - began < 1.5)
"""


def the_end_of_the_process():
    command = [sys.executable, "-c", EXITING, str(DATA), str(pathlib.Path(__file__).parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    check(
        "a daemon thread inside a run does not disturb the end",
        ended.returncode == 0 and "leaving" in ended.stdout,
        (ended.returncode, ended.stderr),
    )
    command[2] = FORKING
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    check("a child forked during a run ends in the ordinary way, at once", ended.stdout.split() == ["7", "True"], ended)
    environment = {**os.environ, "AET_LIBRARY": str(SCRATCH / "nowhere.so")}
    missing = subprocess.run([sys.executable, "-c", "import aet"], capture_output=True, text=True, env=environment)
    check(
        "a library that is not there",
        missing.returncode == 1
        and "ImportError" in missing.stderr
        and "nowhere.so" in missing.stderr
        and "AET_LIBRARY" in missing.stderr,
        missing.stderr,
    )
    environment["AET_LIBRARY"] = ctypes.util.find_library("m") or "libm.so.6"
    another = subprocess.run([sys.executable, "-c", "import aet"], capture_output=True, text=True, env=environment)
    check("another library", another.returncode == 1 and "lacks aet_" in another.stderr, another.stderr)


def interrupted_series():
    series_go_on(SCRATCH)


# a job in the background of a shell ignores Ctrl-C, and so would Python
signal.signal(signal.SIGINT, signal.default_int_handler)
run(
    cancelled_runs,
    cancelled_from_a_second_thread,
    exceptions_of_callbacks,
    calls_within_calls,
    interrupted_by_signals,
    interrupted_series,
    a_fork,
    a_fork_during_a_run,
    the_end_of_the_process,
)
finish()
