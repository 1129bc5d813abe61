"""What Python gets back for bad input: the right exception, a message with what was got and what was wanted, and nothing
lost.

    python3 tests/hosts/python/bad_input.py DATA SCRATCH

DATA is a data folder with true atoms, SCRATCH an existing folder to write to.
"""

import copy
import ctypes.util
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import aet
from aet._library import lib
from aet._structs import STRUCTURES
from checks import check, check_fault, check_raises, finish, raised, run
from problem import (ATOMS, COLUMNS, ENDLESS, IMAGES, MEASURED, PIXEL_SIZE, POSITIONS, ROTATIONS, ROWS, TILTS,
                     long_reconstruction, runs, small_probe, small_reconstruction, small_series)

DATA, SCRATCH = map(pathlib.Path, sys.argv[1:])


def series_with(images=np.zeros((IMAGES, ROWS, COLUMNS)), **options):
    """A series of the problem with some options replaced."""
    return aet.TiltSeries(images, **{"rotations": ROTATIONS, "pixel_size": PIXEL_SIZE, **options})


def closed_objects():
    recon = small_reconstruction(aet.Context(threads=1))
    context, series, probe, atoms, snapshot = aet.Context(threads=1), small_series(), small_probe(), recon.atoms, recon.snapshot()
    for thing in (context, series, probe, atoms, snapshot, recon):
        thing.close()
        thing.close()
    stale = lambda name, call: check_fault(call, f"closed {name}", "stale_handle", "closed", "open")
    stale("context", lambda: series_with(context=context))
    stale("context, getter", lambda: context.threads)
    stale("series", lambda: series.images)
    stale("series, a reconstruction of it", lambda: aet.LocalOrbital(series, start=POSITIONS, model="direct"))
    stale("probe", lambda: probe.wave((8, 8), 0.5))
    stale("atoms", lambda: atoms.positions)
    stale("atoms, their number", lambda: len(atoms))
    stale("snapshot", lambda: snapshot.loss)
    stale("reconstruction, run", lambda: recon.run())
    stale("reconstruction, parameters", lambda: recon.parameters)
    stale("object that was never made", lambda: aet.TiltSeries.__new__(aet.TiltSeries).rows)
    with small_probe() as probe:
        pass
    stale("probe after its block", lambda: probe.wavelength)
    check_raises(lambda: pickle.dumps(small_probe()), "objects cannot be pickled", TypeError, "pickled")
    check_raises(lambda: copy.copy(small_probe()), "nor copied", TypeError, "copied")


def raw_pointers():
    recon, probe, series = small_reconstruction(), small_probe(), small_series()
    check_fault(lambda: lib.aet_recon_step(None, None, None), "NULL reconstruction", "null", "recon")
    check_fault(lambda: lib.aet_atoms_create(None, None, None, None), "NULL positions", "null", "positions")
    check_fault(lambda: lib.aet_probe_create(None), "NULL options of a probe", "null")
    options = STRUCTURES["aet_probe_options"]()
    for size in (0, 4):
        options.struct_size = size
        check_fault(lambda: lib.aet_probe_create(options), f"struct_size of {size}", "struct_size", size)
    forged = aet.LocalOrbital.__new__(aet.LocalOrbital)
    forged._pointer = probe._live()
    check_fault(lambda: forged.step(), "a probe as reconstruction", "stale_handle", "recon")
    forged._pointer = recon._live()
    recon.close()
    check_fault(lambda: forged.step(), "a freed pointer", "stale_handle", "recon")
    lib.aet_recon_free.without_checks(forged._pointer)
    check("a freed pointer freed again", lib.aet_recon_generation(forged) == 0)
    for name in ("context", "dataset", "probe", "atoms", "recon", "snapshot"):
        getattr(lib, f"aet_{name}_free").without_checks(None)
    check("free of NULL does nothing", series.tilt_count == TILTS and probe.energy_ev == 300e3)


def wrong_kinds():
    recon, series, probe = small_reconstruction(), small_series(), small_probe()
    check_raises(lambda: aet.LocalOrbital(MEASURED, probe, start=POSITIONS), "an array as series", TypeError, "aet_dataset")
    check_raises(lambda: aet.LocalOrbital(series, series, start=POSITIONS), "a series as probe", TypeError, "aet_probe")
    check_raises(lambda: aet.LocalOrbital(series, probe, start=probe), "a probe to start from", TypeError, "aet_atoms")
    check_raises(lambda: recon.atoms.compare(POSITIONS), "an array as truth", TypeError, "aet_atoms")
    check_raises(lambda: recon.run(progress=5), "a progress function that is none", TypeError, "function")
    check_raises(lambda: aet.set_log("warning", "file"), "a log function that is none", TypeError, "function")
    check_raises(lambda: aet.LocalOrbital(series, probe), "no atoms to start from", TypeError, "start")
    check_fault(lambda: aet.Probe("fast", 20), "text as a number", "dtype", "fast", "energy_ev")
    check_fault(lambda: aet.Context(threads=0.5), "half a thread", "range", "0.5", "whole")
    check_fault(lambda: aet.Context(threads="2"), "threads as text", "range", "'2'")
    check_fault(lambda: aet.Context(threads=2**40), "more threads than an integer holds", "range", 2**40, "32 bits")
    check_fault(lambda: recon.loss(images=[0.5]), "half an image", "range", "0.5", "whole")
    check_fault(lambda: recon.loss(images=[[0, 1]]), "images in two axes", "shape", "(1, 2)")
    check_fault(lambda: recon.loss(images=np.ones(3, bool)), "a mask of other images", "shape", "(3,)", f"({IMAGES},)")
    check_fault(lambda: recon.loss(recon.parameters + 1j), "complex parameters", "dtype", "complex")
    check_fault(lambda: recon.loss(recon.parameters[None]), "parameters in two axes", "shape")
    check_fault(lambda: aet.Atoms.read("a\0b"), "NUL in a path", "text", "NUL")
    check_fault(lambda: aet.Atoms.read("a\ud800"), "a path that is no Unicode", "text")
    check_fault(lambda: aet.Atoms.read(5), "a number as path", "text", "5")


def shapes_and_types():
    shape = lambda call, name, *words: check_fault(call, name, "shape", *words)
    dtype = lambda call, name, *words: check_fault(call, name, "dtype", *words)
    shape(lambda: series_with(rotations=ROTATIONS[:2]), f"2 rotations for {IMAGES} images", 2, IMAGES)
    shape(lambda: series_with(rotations=None, angles_deg=np.zeros((IMAGES, 2))), "angles n x 2", "angles_deg")
    shape(lambda: series_with(drift=np.zeros((IMAGES, 3))), "drift n x 3", "drift", 3)
    shape(lambda: series_with(defocus=np.zeros(1)), f"1 defocus for {IMAGES} images", "defocus", 1, IMAGES)
    shape(lambda: series_with(mask=np.ones((IMAGES, 2, 2))), "mask of another size", "mask")
    shape(lambda: series_with(rows=25), "other rows than said", "25")
    shape(lambda: aet.TiltSeries(np.zeros((2, 2, 2, 2)), pixel_size=1), "images with four axes", "4 axes")
    shape(lambda: aet.TiltSeries([[1, 2], [3]], pixel_size=1), "lists of unequal lengths", "images")
    shape(lambda: aet.Atoms(np.zeros((3, 2))), "positions n x 2", 2, 3)
    shape(lambda: aet.Atoms(np.zeros((1,) * 9)), "positions with nine axes", 9, 8)
    shape(lambda: aet.Atoms(POSITIONS, heights=[1.0]), f"1 height for {ATOMS} atoms", 1, ATOMS)
    dtype(lambda: series_with(np.zeros((IMAGES, ROWS, COLUMNS), complex)), "complex images", "images")
    dtype(lambda: series_with(np.full((IMAGES, ROWS, COLUMNS), "a")), "images of text", "images", "<U1")
    dtype(lambda: series_with(np.full((IMAGES, ROWS, COLUMNS), None)), "images of objects", "object")
    dtype(lambda: series_with(np.ma.zeros((IMAGES, ROWS, COLUMNS))), "a masked array", "mask")
    recon = small_reconstruction()
    x = recon.parameters
    check_fault(lambda: recon.loss_and_gradient(gradient=np.zeros(3)), "gradient of another length", "shape", 3, x.size)
    check_fault(lambda: recon.loss(image_losses=np.zeros(3)), "image losses of another length", "shape", 3, IMAGES)
    dtype(lambda: recon.loss_and_gradient(gradient=np.zeros(x.size, "f4")), "gradient in single precision", "float64")
    dtype(lambda: recon.loss_and_gradient(gradient=np.zeros(2 * x.size)[::2]), "strided gradient", "contiguous")
    shape(lambda: recon.set_block("positions", np.zeros((3, ATOMS))), "positions 3 x n", 3, ATOMS)
    shape(lambda: recon.predict(out=np.zeros((1, ROWS, COLUMNS))), "too few images to fill", 1, IMAGES)
    shape(lambda: recon.pull_back(x, np.zeros((1, ROWS, COLUMNS))), "too few residuals", 1, IMAGES)
    dtype(lambda: recon.predict(out=np.zeros((IMAGES, ROWS, COLUMNS), "c8")), "complex images to fill")
    dtype(lambda: recon.predict(out=np.zeros((IMAGES, ROWS, COLUMNS), "i8")), "int64 images to fill", "int64", "float64")
    dtype(lambda: recon.predict(out=[0.0]), "a list to fill", "list")
    frozen = np.broadcast_to(np.zeros(1), (IMAGES, ROWS, COLUMNS))
    check_fault(lambda: recon.predict(out=frozen), "read-only images to fill", "overlap", "read-only")
    repeated = np.lib.stride_tricks.as_strided(np.zeros(1), (IMAGES, ROWS, COLUMNS), (0, 0, 0))
    check_fault(lambda: recon.predict(out=repeated), "images in one place to fill", "overlap", "out")
    check("the parameters are as before", (recon.parameters == x).all())


def values():
    for value in (np.nan, np.inf, -np.inf):
        for element in ("f4", "f8"):
            images = np.zeros((IMAGES, ROWS, COLUMNS), element)
            images[1, 3, 4] = value
            check_fault(lambda: series_with(images), f"{value} pixel of {element}", "non_finite", "images", 1, 3, 4)
    skewed, mirrored = ROTATIONS.copy(), ROTATIONS.copy()
    skewed[1, 0, 0] += 0.1
    mirrored[0, 1, 1] = -1
    check_fault(lambda: series_with(rotations=skewed), "matrix that is no rotation", "inconsistent", "rotation")
    check_fault(lambda: series_with(rotations=mirrored), "reflection", "inconsistent", "determinant")
    check_fault(lambda: series_with(rotations=None), "neither rotations nor angles", "null", "rotations", "angles_deg")
    check_fault(lambda: series_with(angles_deg=np.zeros((IMAGES, 3))), "both rotations and angles", "inconsistent", "angles_deg")
    check_fault(lambda: series_with(None), "rotations without images", "null", "images", "rotations")
    check_fault(lambda: series_with(tilt=np.arange(IMAGES) + 0.5), "half tilt numbers", "range", "tilt")
    for size in (0, -0.3, np.nan):
        seen = raised(lambda: series_with(pixel_size=size))
        check(f"pixel size {size} -> {seen}", seen is not None and seen.name in ("AET_ERROR_RANGE", "AET_ERROR_NON_FINITE")
              and "pixel_size" in seen.message)
    check_fault(lambda: aet.Probe(-1, 25), "negative energy", "range", "energy_ev", -1)
    check_fault(lambda: aet.Probe(300e3, 0), "semi-angle 0", "range", "semiangle_mrad")
    check_fault(lambda: aet.Context(threads=-1), "-1 threads", "range", "threads", -1)
    check_fault(lambda: aet.Atoms(np.zeros((0, 3))), "no atoms", "empty")
    check_fault(lambda: aet.Atoms([[np.nan, 0, 0]]), "NaN position", "non_finite", "positions")
    check_fault(lambda: aet.Atoms(POSITIONS, species=[14, 6, 79, 200]), "an element that is not there", "range", 200)
    check_fault(lambda: aet.Atoms(POSITIONS, species=14.5), "half an element", "range", "species")
    series, probe = small_series(), small_probe()
    check_fault(lambda: aet.LocalOrbital(series, probe, start=POSITIONS + 1e4), "atoms outside every image", "inconsistent", "outside")
    check_fault(lambda: aet.LocalOrbital(series, start=POSITIONS), "rigid model without a probe", "null", "probe")
    empty = aet.TiltSeries(rows=ROWS, columns=COLUMNS, pixel_size=PIXEL_SIZE)
    check_fault(lambda: aet.LocalOrbital(empty, start=POSITIONS, model="direct").run(), "run on an empty series", "not_ready", "images")
    check_fault(lambda: aet.TiltSeries(pixel_size=1), "an empty series without a size", "range", "rows")
    check_fault(lambda: probe.wave((8, 8), 50.0), "pixels too coarse for the probe", "range", "pixels of 50 A")


def refused_changes_change_nothing():
    series, recon = small_series(), small_reconstruction()
    images, version, x = series.images, series.version, recon.parameters
    bad = images[:2].copy()
    bad[1, 5, 6] = np.nan
    rotations = ROTATIONS[:2]
    check_fault(lambda: series.append_tilt(bad, rotations=rotations), "appended NaN pixel", "non_finite", 1, 5, 6)
    check_fault(lambda: series.append_tilt(images[:2, 1:], rotations=rotations), "appended images of another size", "shape", ROWS)
    check_fault(lambda: series.append_tilt(images[:2], rotations=ROTATIONS[1:3]), "one tilt of two rotations", "inconsistent")
    check_fault(lambda: series.append_tilt(images[:2], pixel_size=1), "an option of series, appended", "unknown_option", "pixel_size")
    check_fault(lambda: series.replace_tilt(0, bad, rotations=rotations), "NaN pixel as replacement", "non_finite")
    for tilt in (TILTS, -1):
        check_fault(lambda: series.exclude_tilt(tilt), f"tilt {tilt}", "range", tilt, TILTS - 1)
    check_fault(lambda: series.exclude_tilt(0.5), "half a tilt", "range", "tilt", "0.5")
    check_fault(lambda: series.set_metadata("", 1), "metadata without a key", "empty", "key")
    check("the series is as before", series.version == version and (series.images == images).all())

    def assign(values):
        recon.parameters = values

    check_fault(lambda: assign(np.full(x.size, np.nan)), "NaN parameters", "non_finite")
    check_fault(lambda: assign(x[1:]), "a parameter too few", "stale_parameters", x.size - 1, x.size)
    check_fault(lambda: recon.loss(np.full(x.size, np.inf)), "infinite parameters", "non_finite")
    check_fault(lambda: recon.set_block("widths", -1), "negative widths", "range", "widths")
    check_fault(lambda: recon.predict(x[1:]), "a parameter too few to predict", "stale_parameters")
    for image in (-1, IMAGES):
        check_fault(lambda: recon.loss(images=[image]), f"image {image}", "range", image, IMAGES - 1)
    check_fault(lambda: recon.loss(images=[2, 2]), "an image named twice", "inconsistent", "twice")
    check_fault(lambda: recon.loss(images=[]), "no images", "empty")
    check("the reconstruction is as before", (recon.parameters == x).all() and recon.generation == 1)
    recon.freeze("widths")
    check_fault(lambda: recon.loss(x), "parameters of another generation", "stale_parameters", x.size)
    check_fault(lambda: assign(x), "setting them", "stale_parameters")
    check("the new parameters work", np.isfinite(recon.loss()))


def options():
    series, probe, recon = small_series(), small_probe(), small_reconstruction()
    orbital = lambda **keywords: lambda: aet.LocalOrbital(series, probe, start=POSITIONS, **keywords)
    unknown = lambda call, name, *words: check_fault(call, name, "unknown_option", *words)
    unknown(orbital(model="curved"), "unknown model by name", "curved", "rigid")
    unknown(orbital(model=99), "unknown model by number", 99)
    unknown(orbital(loss=-3), "unknown loss by number", -3)
    unknown(orbital(modle="rigid"), "misspelt option", "modle", "model")
    unknown(orbital(reserved=1), "a member that is no option", "reserved")
    unknown(lambda: series_with(pixelsize=1), "misspelt option of a series", "pixelsize", "pixel_size", "rotations")
    unknown(lambda: series_with(length_unit="inch"), "unknown unit of length", "inch", "angstrom")
    unknown(lambda: series_with(rotations=None, angles_deg=np.zeros(IMAGES), tilt_axis="z"), "unknown axis", "tilt_axis = z")
    unknown(lambda: aet.Probe(300e3, 20, c99=1), "unknown aberration", "c99", "c12")
    unknown(lambda: aet.Context(simd="abacus"), "unknown instruction set", "abacus", "avx2")
    unknown(lambda: aet.set_log("loud"), "unknown log level", "loud", "warning")
    unknown(lambda: recon.run(iterations=3), "misspelt option of run", "iterations", "max_iterations")
    unknown(lambda: recon.atoms.compare(recon.atoms, cut=1), "misspelt option of compare", "cut", "cutoff")
    unknown(lambda: recon.block("bricks"), "unknown block", "bricks", "positions")
    unknown(lambda: recon.set_block("bricks", [1.0]), "unknown block set", "bricks")
    unknown(lambda: recon.freeze("bricks"), "unknown block frozen", "bricks")
    unknown(lambda: recon.set_param("luck", 1), "unknown knob set", "luck")
    unknown(lambda: recon.get_param("luck"), "unknown knob read", "luck")
    check_fault(orbital(model="adaptive"), "adaptive model", "unsupported", "adaptive")
    check_fault(orbital(width_min=2, width_max=1), "width bounds crossed", "range", "width_m")
    check_fault(orbital(slice_thickness=-4), "negative slices", "range", "slice_thickness")
    check_fault(orbital(memory_limit=1), "one byte of memory", "memory", "bytes")
    check_fault(lambda: recon.run(max_iterations=-1), "-1 iterations", "range", "max_iterations")
    check_fault(lambda: recon.atoms.compare(recon.atoms, cutoff=-1), "negative cutoff", "range", "cutoff")


# ---- cancelling ----

def cancelled_runs():
    context = aet.Context(threads=1)
    recon = long_reconstruction(DATA, context)
    first, asked = recon.loss(), []

    def stop(progress):
        asked.append(time.monotonic())
        return progress.iteration < 2

    outcome = recon.run(**ENDLESS, progress=stop)
    check("cancelled by the progress function within a second", outcome == "cancelled" and time.monotonic() - asked[-1] < 1)
    kept = recon.loss()
    check("the best state is kept", kept < first and kept == recon.history["loss"][-1])
    outcome = recon.run(**ENDLESS, progress=lambda p: context.request_cancel())
    check("cancelled by the context", outcome == "cancelled" and recon.loss() <= kept, outcome)
    outcomes = recon.step(progress=lambda p: False), recon.run(max_iterations=1, progress=lambda p: np.False_)
    check("cancelled step, and last iteration", outcomes == ("cancelled", "cancelled"), outcomes)
    read = lambda: aet.TiltSeries.read(DATA, context=context, progress=lambda p: False)
    check_fault(read, "cancelled while reading", "cancelled", "before it was done")
    check_fault(lambda: recon.series.write(SCRATCH / "never complete", progress=lambda p: False), "cancelled while writing", "cancelled")
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
    check_raises(lambda: recon.run(progress=failing(ValueError("from the callback"))), "an exception is raised again", ValueError,
                 "from the callback")
    check("and the best state is kept", recon.loss() <= before)
    for exception in (KeyboardInterrupt(), SystemExit(3), Odd("odd")):
        check_raises(lambda: recon.run(progress=failing(exception)), f"{type(exception).__name__}, too", type(exception))
    check_raises(lambda: recon.step(progress=failing(KeyError("a"))), "in a step", KeyError, "a")
    check_raises(lambda: recon.run(progress=lambda p: "yes"), "an answer that is text", TypeError, "'yes'")
    check_raises(lambda: recon.run(progress=lambda: True), "a function of no argument", TypeError)
    check_raises(lambda: aet.TiltSeries.read(DATA, progress=failing(Odd("odd"))), "while reading", Odd)
    aet.set_log("debug", failing(OSError("the log is full")))
    radians = lambda: series_with(rotations=None, angles_deg=np.linspace(-1, 1, IMAGES), tilt_axis="y")
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
    check_raises(within(lambda: other.run(progress=failing(Odd("inner")))), "an exception through two runs", Odd, "inner")
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
        timer.start()
        try:
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
    check_raises(lambda: recon.run(progress=wait_for_interrupt), "inside the progress function at once", KeyboardInterrupt)
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
    calls = [lambda: recon.run(), lambda: recon.step(), lambda: recon.loss(x), lambda: recon.predict(x),
             lambda: small_series(context=context), lambda: small_series(context=default), lambda: recon.save(SCRATCH / "child.aet"),
             lambda: aet.TiltSeries.read(DATA, context=context)]
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


def the_end_of_the_process():
    command = [sys.executable, "-c", EXITING, str(DATA), str(pathlib.Path(__file__).parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    check("a daemon thread inside a run does not disturb the end", ended.returncode == 0 and "leaving" in ended.stdout,
          (ended.returncode, ended.stderr))
    environment = {**os.environ, "AET_LIBRARY": str(SCRATCH / "nowhere.so")}
    missing = subprocess.run([sys.executable, "-c", "import aet"], capture_output=True, text=True, env=environment)
    check("a library that is not there", missing.returncode == 1 and "ImportError" in missing.stderr
          and "nowhere.so" in missing.stderr and "AET_LIBRARY" in missing.stderr, missing.stderr)
    environment["AET_LIBRARY"] = ctypes.util.find_library("m") or "libm.so.6"
    another = subprocess.run([sys.executable, "-c", "import aet"], capture_output=True, text=True, env=environment)
    check("another library", another.returncode == 1 and "lacks aet_" in another.stderr, another.stderr)


# ---- files ----

def cut(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[:int(fraction * len(content))])


def bad_folders():
    folder, series = SCRATCH / "to be damaged", small_series()
    series.write(folder)
    read = lambda *arguments: lambda: aet.TiltSeries.read(folder, *arguments)
    check_fault(lambda: aet.TiltSeries.read(SCRATCH / "nowhere"), "folder that is not there", "file", "nowhere")
    check_fault(read("no_such"), "variant that is not there", "unknown_option", "no_such")
    check_fault(lambda: aet.TiltSeries.read_atoms(folder), "folder without true atoms", "empty", "truth")
    check_fault(lambda: aet.TiltSeries.read_atoms(folder, "best"), "atoms of an unknown kind", "unknown_option", "best", "published")
    check_fault(lambda: aet.Atoms.read(folder), "folder read as atoms", "file", "damaged")
    images = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    cut(images, 0.5)
    check_fault(read(), "images cut short", "truncated", images.name)
    images.unlink()
    check_fault(read(), "images gone", "file", images.name)
    cut(folder / "dataset.json", 0.5)
    check_fault(read(), "dataset.json cut short", "format", "dataset.json")
    (folder / "dataset.json").unlink()
    check_fault(read(), "folder without dataset.json", "file", "dataset.json")
    path = SCRATCH / "cut.xyz"
    aet.Atoms(POSITIONS).write(path)
    cut(path, 0.6)
    check_fault(lambda: aet.Atoms.read(path), "extended xyz cut short", "format", ATOMS)
    check_fault(lambda: aet.Atoms(POSITIONS).write(SCRATCH / "nowhere" / "a.xyz"), "atoms into no folder", "file", "nowhere")


def bad_states():
    path, recon = SCRATCH / "state.aet", small_reconstruction()
    series, probe = recon.series, recon.probe
    recon.save(path)
    content = path.read_bytes()
    load = lambda: aet.LocalOrbital.load(path, series, probe)

    def damaged(name, kind, damage, *words):
        path.write_bytes(damage(bytearray(content)))
        check_fault(load, name, kind, path.name, *words)

    def changed(place, value):
        def damage(data):
            data[place] ^= value
            return data
        return damage

    for fraction in (0.9, 0.5, 0.01):
        damaged(f"state cut to {fraction}", "truncated", lambda data: data[:int(fraction * len(data))])
    damaged("state of another version", "file_version", changed(8, 0xfe), 1)
    damaged("state with a bit flipped", "format", changed(len(content) // 2, 0x10))
    damaged("file that is no state", "format", lambda data: bytes([1, 2, 3, 4]) * 250, "AETSTATE")
    path.write_bytes(content)
    check_fault(lambda: aet.LocalOrbital.load(path, small_series(MEASURED + 1), probe), "state of another series", "inconsistent")
    check_fault(lambda: aet.LocalOrbital.load(path, series), "state without its probe", "inconsistent", "probe")
    check_fault(lambda: aet.LocalOrbital.load(SCRATCH / "no.aet", series, probe), "state that is not there", "file", "no.aet")
    check_fault(lambda: recon.save(SCRATCH / "nowhere" / "a.aet"), "state into no folder", "file", "nowhere")
    check("the whole file still loads", runs(load()))


run(closed_objects, raw_pointers, wrong_kinds, shapes_and_types, values, refused_changes_change_nothing, options,
    cancelled_runs, cancelled_from_a_second_thread, exceptions_of_callbacks, calls_within_calls, interrupted_by_signals,
    a_fork, a_fork_during_a_run, the_end_of_the_process, bad_folders, bad_states)
finish()
