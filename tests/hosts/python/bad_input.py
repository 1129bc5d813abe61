"""What Python gets back for bad input: the right exception, a message with what was got and what was wanted, and
nothing lost.

    python3 tests/hosts/python/bad_input.py DATA SCRATCH

DATA is a data folder with true atoms, SCRATCH an existing folder to write to.
"""

import copy
import pathlib
import pickle
import sys

import numpy as np

import aet
from aet._library import lib
from aet._structs import STRUCTURES
from checks import check, check_fault, check_raises, finish, raised, run
from detectors import detectors_refuse
from ensembles import ensembles_refuse
from finding import finding_refuses
from series import series_refuse
from simulations import simulations_refuse
from tomography import tomography_refuses as volumes_refuse
from problem import (
    ATOMS,
    COLUMNS,
    IMAGES,
    MEASURED,
    PIXEL_SIZE,
    POSITIONS,
    ROTATIONS,
    ROWS,
    TILTS,
    runs,
    small_probe,
    small_reconstruction,
    small_series,
)

DATA, SCRATCH = map(pathlib.Path, sys.argv[1:])


def series_with(images=np.zeros((IMAGES, ROWS, COLUMNS)), **options):
    """A series of the problem with some options replaced."""
    return aet.TiltSeries(images, **{"rotations": ROTATIONS, "pixel_size": PIXEL_SIZE, **options})


def closed_objects():
    recon = small_reconstruction(aet.Context(threads=1))
    context, series, probe, atoms, snapshot = (
        aet.Context(threads=1),
        small_series(),
        small_probe(),
        recon.atoms,
        recon.snapshot(),
    )
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
    for name in ("context", "dataset", "probe", "orbital", "atoms", "recon", "snapshot"):
        getattr(lib, f"aet_{name}_free").without_checks(None)
    check("free of NULL does nothing", series.tilt_count == TILTS and probe.energy_ev == 300e3)


def wrong_kinds():
    recon, series, probe = small_reconstruction(), small_series(), small_probe()
    check_raises(
        lambda: aet.LocalOrbital(MEASURED, probe, start=POSITIONS), "an array as series", TypeError, "aet_dataset"
    )
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


def orbitals():
    q, series, slater = np.arange(81) * 0.05, small_series(), aet.Orbital.slater()
    check_fault(lambda: aet.Orbital.slater(2), "tolerance 2", "range", "tolerance", 2)
    check_fault(lambda: aet.Orbital.slater("fine"), "tolerance as text", "dtype", "fine", "tolerance")
    check_fault(lambda: aet.Orbital.gaussians([1, 1], [1]), "two shapes", "shape", "widths")
    check_fault(lambda: aet.Orbital.gaussians([], []), "no terms", "empty", "terms")
    check_fault(lambda: aet.Orbital.table(q[1:], np.exp(-q[1:])), "table that begins late", "range", "first radius")
    check_fault(lambda: aet.Orbital.table(q, np.exp(-q[1:])), "one value too few", "shape", "values")
    check_fault(lambda: aet.Orbital.table(q, np.exp(-q), "flat"), "unknown kind", "unknown_option", "flat", "spatial")
    check_fault(lambda: aet.Orbital.table(q, np.exp(-q), 99), "unknown kind by number", "unknown_option", "kind", 99)
    check_fault(lambda: slater.evaluate([-1], 0.6), "negative radius", "range", "radii")
    check_fault(lambda: slater.evaluate([[1]], 0.6), "radii in two axes", "shape", "radii")
    check_fault(lambda: slater.evaluate([1], 0), "width 0", "range", "width")
    fit = lambda orbital: small_reconstruction(orbital=orbital)
    check_raises(lambda: fit("slater"), "an orbital by name", TypeError, "aet_orbital")
    check_raises(lambda: fit(small_probe()), "a probe as orbital", TypeError, "aet_orbital")
    slater.close()
    check_fault(lambda: slater.terms, "terms of a closed orbital", "stale_handle", "closed Orbital")
    check_fault(lambda: fit(slater), "closed orbital", "stale_handle", "closed Orbital")
    check_fault(lambda: aet.find_atoms(series, fit={"orbital": slater}), "closed orbital of a search", "stale_handle")


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
    dtype(
        lambda: recon.predict(out=np.zeros((IMAGES, ROWS, COLUMNS), "i8")), "int64 images to fill", "int64", "float64"
    )
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
    check_fault(
        lambda: series_with(angles_deg=np.zeros((IMAGES, 3))), "both rotations and angles", "inconsistent", "angles_deg"
    )
    check_fault(lambda: series_with(None), "rotations without images", "null", "images", "rotations")
    check_fault(lambda: series_with(tilt=np.arange(IMAGES) + 0.5), "half tilt numbers", "range", "tilt")
    for size in (0, -0.3, np.nan):
        seen = raised(lambda: series_with(pixel_size=size))
        check(
            f"pixel size {size} -> {seen}",
            seen is not None
            and seen.name in ("AET_ERROR_RANGE", "AET_ERROR_NON_FINITE")
            and "pixel_size" in seen.message,
        )
    check_fault(lambda: aet.Probe(-1, 25), "negative energy", "range", "energy_ev", -1)
    check_fault(lambda: aet.Probe(300e3, 0), "semi-angle 0", "range", "semiangle_mrad")
    check_fault(lambda: aet.Context(threads=-1), "-1 threads", "range", "threads", -1)
    check_fault(lambda: aet.Atoms(np.zeros((0, 3))), "no atoms", "empty")
    check_fault(lambda: aet.Atoms([[np.nan, 0, 0]]), "NaN position", "non_finite", "positions")
    check_fault(lambda: aet.Atoms(POSITIONS, species=[14, 6, 79, 200]), "an element that is not there", "range", 200)
    check_fault(lambda: aet.Atoms(POSITIONS, species=14.5), "half an element", "range", "species")
    series, probe = small_series(), small_probe()
    check_fault(
        lambda: aet.LocalOrbital(series, probe, start=POSITIONS + 1e4),
        "atoms outside every image",
        "inconsistent",
        "outside",
    )
    check_fault(lambda: aet.LocalOrbital(series, start=POSITIONS), "rigid model without a probe", "null", "probe")
    empty = aet.TiltSeries(rows=ROWS, columns=COLUMNS, pixel_size=PIXEL_SIZE)
    check_fault(
        lambda: aet.LocalOrbital(empty, start=POSITIONS, model="direct").run(),
        "run on an empty series",
        "not_ready",
        "images",
    )
    few = aet.TiltSeries(np.ones((1, 3, 3)), rotations=np.eye(3)[None], pixel_size=PIXEL_SIZE)
    check_fault(
        lambda: aet.LocalOrbital(few, start=POSITIONS - POSITIONS[0], model="direct").run(),
        "more parameters than pixels",
        "inconsistent",
        "free parameters, but only 9 used pixels",
    )
    check_fault(lambda: aet.TiltSeries(pixel_size=1), "an empty series without a size", "range", "rows")
    check_fault(lambda: probe.wave((8, 8), 50.0), "pixels too coarse for the probe", "range", "pixels of 50 A")


def refused_changes_change_nothing():
    series, recon = small_series(), small_reconstruction()
    images, version, x = series.images, series.version, recon.parameters
    bad = images[:2].copy()
    bad[1, 5, 6] = np.nan
    rotations = ROTATIONS[:2]
    check_fault(lambda: series.append_tilt(bad, rotations=rotations), "appended NaN pixel", "non_finite", 1, 5, 6)
    check_fault(
        lambda: series.append_tilt(images[:2, 1:], rotations=rotations),
        "appended images of another size",
        "shape",
        ROWS,
    )
    check_fault(
        lambda: series.append_tilt(images[:2], rotations=ROTATIONS[1:3]), "one tilt of two rotations", "inconsistent"
    )
    check_fault(
        lambda: series.append_tilt(images[:2], pixel_size=1),
        "an option of series, appended",
        "unknown_option",
        "pixel_size",
    )
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
    unknown(
        lambda: series_with(rotations=None, angles_deg=np.zeros(IMAGES), tilt_axis="z"), "unknown axis", "tilt_axis = z"
    )
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
    check_fault(orbital(model="adaptive", probe_side=8), "probes of 8 pixels", "range", "probe_side")
    check_fault(orbital(width_min=2, width_max=1), "width bounds crossed", "range", "width_m")
    check_fault(orbital(slice_thickness=-4), "negative slices", "range", "slice_thickness")
    check_fault(orbital(memory_limit=1), "one byte of memory", "memory", "bytes")
    check_fault(lambda: recon.run(max_iterations=-1), "-1 iterations", "range", "max_iterations")
    check_fault(lambda: recon.atoms.compare(recon.atoms, cutoff=-1), "negative cutoff", "range", "cutoff")


# ---- files ----


def second_order_and_terms():
    recon = small_reconstruction()
    x = recon.parameters
    short = x[1:]
    check_fault(lambda: recon.push_forward(x, short), "short direction", "shape", "direction", str(x.size))
    check_fault(lambda: recon.gauss_newton_product(x, x * np.nan), "NaN direction", "non_finite", "direction")
    check_fault(lambda: recon.gauss_newton_diagonal(probes=-1), "negative probes", "range", "probes")
    check_fault(lambda: recon.index_map(7), "generation to come", "range", "generation")
    check_fault(lambda: recon.add_term("colours", lambda v, g: 0.0), "term on no block", "unknown_option", "colours")
    check_raises(lambda: recon.add_term("heights", 3), "a number as term", TypeError, "function")

    check_fault(lambda: recon.estimate_errors(noise="counts"), "unknown noise", "not_ready", "counts_per_unit")
    check_fault(lambda: recon.estimate_errors(method="guess"), "another method", "unknown_option", "local")
    check_fault(lambda: recon.estimate_errors(radius=-1), "negative radius", "range", "radius")
    check_fault(lambda: recon.estimate_errors(progress=lambda p: False), "errors cancelled", "cancelled")
    check_fault(lambda: recon.block_errors("positions", [1000]), "errors of no atom", "range", "rows")
    check_fault(lambda: recon.block_errors("scale"), "errors of a frozen block", "not_ready", "frozen")
    check_fault(lambda: recon.block_errors("background", noise="guess"), "another noise", "unknown_option", "residual")
    stopped = lambda: recon.block_errors("background", progress=lambda p: False)
    check_fault(stopped, "errors of a block cancelled", "cancelled")
    check_fault(lambda: recon.scan_defocus(range=-1), "a negative range of a scan", "range", "range")
    check_fault(lambda: recon.probe_images(1000), "probes of no image", "range", "image")
    check_fault(lambda: recon.fit_orbital([]), "no widths", "range", "widths")
    check_fault(lambda: recon.fit_orbital(range(1, 12)), "11 widths", "range", "11")
    check_fault(lambda: recon.fit_orbital([1, -1]), "a negative width", "range", "width of term 1")
    check_fault(lambda: recon.fit_orbital("wide"), "a width by name", "dtype", "widths")
    check_fault(lambda: recon.fit_orbital(progress=lambda p: False), "shape cancelled", "cancelled")
    check_fault(lambda: recon.run(optimizer="newton"), "no such optimiser", "unknown_option", "newton", "lbfgs")
    check_fault(lambda: recon.run(batch_fraction=2.0), "a batch of twice the data", "range", "batch_fraction")

    def failing(*_):
        raise LookupError("from the term")

    recon.add_term("heights", failing)
    check_raises(lambda: recon.loss(x), "exception of a term is raised again", LookupError, "from the term")
    check_raises(recon.run, "by a run, too", LookupError, "from the term")
    recon.clear_terms()
    recon.add_term("heights", lambda v, g: np.nan)
    check_fault(recon.step, "NaN loss of a term", "callback", "heights")
    recon.clear_terms()
    recon.set_projection(failing)
    check_raises(recon.step, "exception of a projection is raised again", LookupError, "from the term")
    recon.set_projection(None)
    check("the reconstruction works after all that", runs(recon))


def instruments():
    series, patterns = aet.TiltSeries.read(DATA), np.ones((2, 4, 4))
    check_fault(lambda: series.record(dqe=2.0), "dqe 2", "range", "dqe")
    check_fault(lambda: series.record(dose=2.0), "wrong word", "unknown_option", "dose_per_a2")
    check_fault(lambda: series.record(detection="magic"), "detection", "unknown_option", "integrating")
    check_fault(lambda: series.record(mtf=[0.5, 0.2]), "mtf at zero", "range", "mtf")
    check_fault(lambda: series.record(dose_per_a2=1.0, electrons_per_position=1.0), "two doses", "inconsistent")
    check_fault(lambda: series.record(progress=lambda p: False), "stopped", "cancelled")
    check_fault(lambda: aet.record_patterns(patterns, shear=0.1), "shear of patterns", "unsupported", "scan")
    check_fault(lambda: aet.record_patterns(np.ones(3)), "one axis", "shape", "axes")
    check_fault(lambda: aet.record_patterns(patterns, first=-1), "first -1", "range", "first")
    check_fault(lambda: aet.record_patterns(patterns * np.nan), "NaN in a pattern", "non_finite", "row 0")
    check_fault(lambda: aet.instrument_truth("noise", 4, 4), "unknown truth", "unknown_option", "displacements")
def specimens():
    bare = aet.Atoms(np.array([[0, 0, 0], [2, 2, 2.0]]), species=[55, 17])
    unit = bare.with_cell([4, 4, 4])
    check_fault(lambda: unit.with_cell([4, 0, 4]), "flat cell", "range", "along y")
    check_fault(lambda: unit.with_column("colour", 1), "unknown column", "unknown_option", "colour")
    check_fault(lambda: unit.with_column("debye_waller_b", -1), "negative B", "range", "debye_waller_b of atom 0")
    check_fault(lambda: unit.with_element_values("debye_waller_b", {55: 0.5}), "no value", "inconsistent", "Cl")
    check_fault(lambda: unit.with_element_values("occupancy", {}), "no values at all", "inconsistent", "Cs")
    check_fault(lambda: unit.rotate(np.diag([-1, 1, 1])), "reflection", "inconsistent", "rotation")
    check_fault(lambda: unit.place_in_cell(extent=[1, 1, 1]), "cell too small", "inconsistent", "outside")
    check_fault(lambda: unit.place_in_cell(), "no size", "inconsistent", "extent")
    check_fault(lambda: unit.cut_slab("w", 0, 1), "unknown axis", "unknown_option", "w")
    check_fault(lambda: unit.cut_slab("x", 2.5, 3), "empty slab", "empty", "slab")
    check_fault(lambda: unit.subset([0, 2]), "atom 2 of 2", "range", 2)
    check_fault(lambda: unit.repeat(0, 1, 1), "0 repeats", "range", "along x")
    check_fault(lambda: bare.repeat(2, 2, 2), "repeats without cell", "not_ready", "cell")
    check_fault(lambda: unit.close_pairs(0), "distance 0", "range", "distance")
    check_raises(lambda: unit.merge(3), "merged with a number", TypeError, "aet_atoms")
    check_fault(lambda: unit.write(SCRATCH / "atoms.cube"), "unknown ending", "unknown_option", "atoms.cube")
    check_fault(lambda: unit.write(SCRATCH / "a", "cube"), "unknown format", "unknown_option", "cube")
    check_fault(lambda: bare.write(SCRATCH / "a.cif"), "CIF without cell", "not_ready", "cell")
    (SCRATCH / "POSCAR").write_text("comment\n1.0\n3 0 0\n-1.5 2.6 0\n0 0 5\nC\n1\nDirect\n0 0 0\n")
    check_fault(lambda: aet.Atoms.read(SCRATCH / "POSCAR"), "hexagonal cell", "format", "line 3", "not orthogonal")
def generated_atoms():
    make = aet.Atoms.generate
    check_fault(lambda: make("quartz"), "unknown structure", "unknown_option", "quartz", "diamond")
    check_fault(lambda: make(preset="m9"), "unknown preset", "unknown_option", "m9", "cuau")
    check_fault(lambda: make("diamond", lattice_a=5.43), "no size", "not_ready", "width")
    check_fault(lambda: make("diamond", lattice=5.43), "unknown option", "unknown_option", "lattice_a")
    check_fault(lambda: make("spinel", species=[1, 2, 3, 4]), "four elements", "shape", "species")
    check_fault(lambda: make("diamond", species=[1.5]), "half an element", "range", "species")
    check_fault(lambda: make("diamond", center="here"), "text as a place", "dtype", "center")
    check_fault(lambda: make(preset="m1", progress=lambda p: False), "stopped", "cancelled")


def volumes():
    series = aet.TiltSeries.read(DATA)
    check_fault(lambda: aet.Volume(np.zeros((2, 2)), 1.0), "two axes", "shape", "values")
    check_fault(lambda: aet.Volume(np.zeros((2, 0, 2)), 1.0), "no voxels", "empty", "volume")
    check_fault(lambda: aet.Volume(np.full((2, 2, 2), np.nan), 1.0), "NaN voxels", "non_finite")
    check_fault(lambda: aet.Volume(np.zeros((2, 2, 2)), -1.0), "negative voxels", "range", "voxel_size", "-1")
    flat = aet.Volume(np.ones((4, 4, 4)), 1.0)
    check_fault(flat.trace, "no peak", "empty")
    check_fault(lambda: flat.trace(smoothing=-1.0), "negative smoothing", "range", "smoothing")
    check_fault(lambda: flat.copy_to(np.zeros((4, 4, 5))), "wrong size", "shape", "[4, 4, 4]")
    check_fault(lambda: aet.Volume.reconstruct(series, background="black"), "background", "unknown_option", "automatic")
    wrong = {"voxel_size": 9.0}
    check_fault(lambda: aet.find_atoms(series, tomography=wrong), "large voxels", "range", "voxel_size")
    check_fault(lambda: aet.find_atoms(series, fit={"modell": "direct"}), "wrong word", "unknown_option", "modell")
    check_fault(lambda: aet.find_atoms(series, weak=2.0), "weak above 1", "range", "weak")
    path = SCRATCH / "cut.mrc"
    flat.write(path)
    path.write_bytes(path.read_bytes()[:-7])
    check_fault(lambda: aet.Volume.read(path), "a file cut short", "truncated", "cut.mrc")
    path.write_bytes(b"no volume at all" * 100)
    check_fault(lambda: aet.Volume.read(path), "no MRC file", "format", "cut.mrc")
    check_fault(lambda: flat.write(SCRATCH / "a.raw"), "an ending of no format", "unknown_option", ".npy")
    check_fault(lambda: flat.write(path, format="raw"), "no format", "unknown_option", "mat73")
    check_fault(lambda: flat.write(path, format="mat5", name="a b"), "no variable", "range", "letters")
    other = SCRATCH / "flat.mat"
    flat.write(other)
    check_fault(lambda: aet.Volume.read(other, name="rec"), "no such variable", "unknown_option", "`volume`")
    check_fault(lambda: aet.TiltSeries.from_file(path, pixel_size=1.0), "no stack", "format", "cut.mrc")

    def failing(_):
        raise LookupError("from the progress function")

    stopped = lambda: aet.Volume.reconstruct(series, progress=failing)
    check_raises(stopped, "exceptions of progress come out", LookupError, "progress function")


def cut(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])


def bad_folders():
    folder, series = SCRATCH / "to be damaged", small_series()
    series.write(folder)
    read = lambda *arguments: lambda: aet.TiltSeries.read(folder, *arguments)
    check_fault(lambda: aet.TiltSeries.read(SCRATCH / "nowhere"), "folder that is not there", "file", "nowhere")
    check_fault(read("no_such"), "variant that is not there", "unknown_option", "no_such")
    check_fault(lambda: aet.TiltSeries.read_atoms(folder), "folder without true atoms", "empty", "truth")
    check_fault(
        lambda: aet.TiltSeries.read_atoms(folder, "best"),
        "atoms of an unknown kind",
        "unknown_option",
        "best",
        "published",
    )
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
    check_fault(
        lambda: aet.Atoms(POSITIONS).write(SCRATCH / "nowhere" / "a.xyz"), "atoms into no folder", "file", "nowhere"
    )


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
        damaged(f"state cut to {fraction}", "truncated", lambda data: data[: int(fraction * len(data))])
    damaged("state of another version", "file_version", changed(8, 0xFE), 2)
    damaged("state with a bit flipped", "format", changed(len(content) // 2, 0x10))
    damaged("file that is no state", "format", lambda data: bytes([1, 2, 3, 4]) * 250, "AETSTATE")
    path.write_bytes(content)
    check_fault(
        lambda: aet.LocalOrbital.load(path, small_series(MEASURED + 1), probe),
        "state of another series",
        "inconsistent",
    )
    check_fault(lambda: aet.LocalOrbital.load(path, series), "state without its probe", "inconsistent", "probe")
    check_fault(
        lambda: aet.LocalOrbital.load(SCRATCH / "no.aet", series, probe), "state that is not there", "file", "no.aet"
    )
    check_fault(lambda: recon.save(SCRATCH / "nowhere" / "a.aet"), "state into no folder", "file", "nowhere")
    check("the whole file still loads", runs(load()))


def tomography():
    volumes_refuse()


def simulated_series():
    series_refuse(SCRATCH)


run(
    closed_objects,
    raw_pointers,
    wrong_kinds,
    orbitals,
    detectors_refuse,
    simulations_refuse,
    ensembles_refuse,
    simulated_series,
    shapes_and_types,
    values,
    refused_changes_change_nothing,
    options,
    second_order_and_terms,
    specimens,
    generated_atoms,
    volumes,
    finding_refuses,
    tomography,
    instruments,
    bad_folders,
    bad_states,
)
finish()
