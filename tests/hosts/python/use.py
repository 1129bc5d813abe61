"""Good use from Python: what goes in comes back, whatever its type and memory order, and threads do not disturb it.

    python3 tests/hosts/python/use.py DATA SCRATCH

DATA is a data folder with true atoms, SCRATCH an existing folder to write to.
"""

import gc
import itertools
import logging
import pathlib
import sys
import threading
import time

import numpy as np

import aet
from aet._arrays import input_view
from accuracy import accuracy_is_told
from checks import check, check_fault, finish, run
from classification import atoms_are_classified, bad_classifications_are_refused
from detectors import detectors_measure_patterns
from ensembles import ensembles_are_means, prism_is_multislice, specimens_of_many_thicknesses, windows_cost
from series import series_are_simulated, series_by_prism, series_of_patterns
from simulations import simulations_do_not_depend_on_threads, simulations_have_gradients, simulations_scan
from finding import atoms_are_found_from_a_grid, atoms_are_found_from_a_start
from tomography import volumes_are_reconstructed
from lattices import a_lattice_tells_where_to_look
from volume_filters import filters_and_resolution, masks_find_the_specimen
from problem import (
    ATOMS,
    COLUMNS,
    GEOMETRY,
    IMAGES,
    MEASURED,
    POSITIONS,
    ROTATIONS,
    ROWS,
    TILTS,
    TILT,
    long_reconstruction,
    runs,
    small_reconstruction,
    small_series,
)

DATA, SCRATCH = map(pathlib.Path, sys.argv[1:])


# ---- arrays ----


def laid_out(values):
    """The same values in every memory order that NumPy knows, by name."""
    wide = np.zeros((2 * values.shape[0], values.shape[1] + 3, 3 * values.shape[2]), values.dtype)
    wide[::2, 2:-1, ::3] = values
    padded = np.zeros(values.shape, [("flag", values.dtype), ("pixel", values.dtype)])
    padded["pixel"] = values
    return {
        "C order": np.ascontiguousarray(values),
        "Fortran order": np.asfortranarray(values),
        "axes moved": np.ascontiguousarray(np.moveaxis(values, 0, -1)).transpose(2, 0, 1),
        "negative strides": np.ascontiguousarray(values[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
        "every second of a larger one": wide[::2, 2:-1, ::3],
        "a field of a record": padded["pixel"],
    }


def every_type_and_memory_order_is_taken_as_it_is():
    whole = np.abs(np.round(50 * MEASURED))
    for dtype in ("f4", "f8", "u1", "u2", "u4", "i2", "i4"):
        for order, images in laid_out(whole.astype(dtype)).items():
            copied = input_view(images, "images").array is not images
            check(
                f"{images.dtype} in {order}, without a copy",
                not copied and (small_series(images).images == whole).all(),
            )
    others = {
        "int64": whole.astype("i8"),
        "float16": whole.astype("f2"),
        "big-endian": whole.astype(">f8"),
        "bool": whole > 5,
        "a list": whole.tolist(),
    }
    for name, images in others.items():
        check(f"{name} is converted", (small_series(images).images == np.asarray(images)).all())
    odd = np.frombuffer(b"\0" + whole.astype("f4").tobytes(), np.uint8)[1:].view("f4").reshape(whole.shape)
    check("unaligned memory is copied", (small_series(odd).images == whole).all())
    repeated = np.broadcast_to(whole[0], whole.shape)
    check("strides of 0 repeat", (small_series(repeated).images == repeated).all())
    frozen = whole.copy()
    frozen.flags.writeable = False
    check("a read-only array is read", (small_series(frozen).images == whole).all())


def results_go_into_any_array():
    recon = small_reconstruction()
    wanted = recon.predict()
    for dtype in ("f4", "f8"):
        for order, out in laid_out(np.full(wanted.shape, np.nan, dtype)).items():
            same = recon.predict(out=out) is out and (out == wanted.astype(dtype)).all()
            check(f"predicted into {np.dtype(dtype)} in {order}", same)
    x = np.repeat(recon.parameters, 2)[::-1][1::2][::-1]
    check("strided parameters", recon.loss(x) == recon.loss())
    check("parameters in single precision are taken", np.isfinite(recon.loss(recon.parameters.astype("f4"))))
    gradient, losses = np.zeros(x.size), np.zeros(IMAGES)
    loss, returned = recon.loss_and_gradient(gradient=gradient, image_losses=losses)
    check(
        "gradient into an array of one's own",
        returned is gradient and gradient.any() and np.isclose(losses.mean(), loss),
    )


def a_series_gives_back_what_it_was_given():
    drift, mask = np.stack([np.arange(IMAGES), -np.arange(IMAGES)], 1), MEASURED > np.median(MEASURED)
    variance = np.linspace(1, 2, IMAGES)
    series = small_series(
        drift=drift, mask=mask, noise_variance=variance, counts_per_unit=3, energy_ev=2e5, semiangle_mrad=21
    )
    images = np.where(mask, MEASURED, 0).astype("f4")
    given = dict(
        images=images,
        drift=drift,
        mask=mask,
        noise_variance=variance,
        counts_per_unit=np.full(IMAGES, 3.0),
        tilt=TILT,
        section=GEOMETRY["section"],
        defocus=GEOMETRY["defocus"],
        excluded=np.zeros(IMAGES, bool),
    )
    for name, values in given.items():
        column = getattr(series, name)
        check(f"{name} as {column.dtype}", column.shape == np.shape(values) and (column == values).all(), column)
    check("rotations", np.allclose(series.rotations, ROTATIONS, atol=1e-12))
    check("angles of the order zyx", np.allclose(series.angles_deg[:, 1], -30.0 * (TILT - 1)), series.angles_deg)
    check(
        "numbers",
        (
            series.rows,
            series.columns,
            series.image_count,
            series.tilt_count,
            series.section_count,
            series.pixel_size,
            series.energy_ev,
            series.semiangle_mrad,
            series.length_unit,
            len(series),
        )
        == (ROWS, COLUMNS, IMAGES, TILTS, 2, 0.5, 2e5, 21, "angstrom", IMAGES),
    )
    check("one mask for all", (small_series(mask=mask[0]).mask == mask[0]).all())
    check("one defocus for all", (small_series(defocus=7).defocus == 7).all())
    single = aet.TiltSeries(np.ones((3, TILTS, ROWS))[0], angles_deg=[10.0], tilt_axis="x", length_unit="pixel")
    check("one image, one angle, lengths in pixels", single.image_count == 1 and single.length_unit == "pixel")
    check("what is not known is NaN", np.isnan(single.energy_ev) and np.isnan(single.noise_variance).all())


def atoms_give_back_what_they_were_given():
    atoms = aet.Atoms(np.asfortranarray(POSITIONS), species=[14, 6, 79, 0], heights=np.arange(1, 5), widths=0.5)
    check("positions", (atoms.positions == POSITIONS).all() and (atoms.y == POSITIONS[:, 1]).all())
    check(
        "species, heights, widths",
        atoms.species.tolist() == [14, 6, 79, 0]
        and atoms.height.tolist() == [1, 2, 3, 4]
        and atoms.width.tolist() == [0.5] * 4,
    )
    check("what is not known is NaN", np.isnan(atoms.occupancy).all() and np.isnan(atoms.standard_error).all())
    check("len and repr", len(atoms) == ATOMS and "4 atoms" in repr(atoms))
    moved = aet.Atoms(POSITIONS + [0.01, 0, 0.02])
    comparison = moved.compare(atoms, cutoff=0.5)
    check(
        "comparison",
        comparison.matched == ATOMS
        and np.allclose(comparison.shift, (-0.01, 0, -0.02))
        and comparison.rmsd_pm < 1e-6
        and comparison.errors.shape == (ATOMS, 3)
        and "4 of 4" in str(comparison),
    )
    check("with the rotation removed", moved.compare(atoms, remove_rotation=True).rotation_deg < 1e-5)


def specimens_are_made_from_atoms():
    positions = np.array([[0, 0, 0], [2, 2, 2.0]])
    bare = aet.Atoms(positions, species=[55, 17])
    unit = bare.with_cell([4, 4, 4]).with_element_values("debye_waller_b", {55: 0.5, 17: 0.25})
    check("cells", bare.cell is None and np.array_equal(unit.cell, [4, 4, 4]))
    crystal = unit.repeat(2, 3, 1)
    check("repeated", len(crystal) == 12 and np.array_equal(crystal.cell, [8, 12, 4]))
    check("columns go along", np.array_equal(crystal.debye_waller_b, [0.5, 0.25] * 6))
    slab = crystal.cut_slab("y", 4, 8)
    turned = slab.rotate(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    check("turned", np.array_equal(turned.x, -slab.y) and turned.cell is None)
    placed = turned.place_in_cell(vacuum=(5, 5, 5), center_atoms=True)
    check("placed", np.allclose(placed.cell, [12, 16, 12]) and np.isclose(placed.x.min(), 5))
    check("mask", np.array_equal(placed.subset(placed.species == 17).species, [17, 17]))
    displaced = unit.with_column("rms_displacement", 0.1)
    check("displacements", np.allclose(displaced.debye_waller_u, 0.01) and np.allclose(displaced.rms_displacement, 0.1))
    pairs, distances = unit.merge(unit.shift([3.9, 0, 0]).wrap()).close_pairs(0.2)
    check("close pairs", np.array_equal(pairs, [[0, 2], [1, 3]]) and np.allclose(distances, 0.1))
    check("no close pairs", unit.close_pairs(1, periodic_z=True)[0].shape == (0, 2))
    for name in ("a.xyz", "a.cif", "POSCAR", "a.lmp", "a.pdb"):
        unit.write(SCRATCH / name)
        again = aet.Atoms.read(SCRATCH / name)
        good = np.array_equal(again.cell, unit.cell) and np.allclose(again.positions, positions)
        check(f"back from {name}", good and np.array_equal(again.species, unit.species))
    unit.write(SCRATCH / "atoms.txt", "lammps")
    check("format by name", len(aet.Atoms.read(SCRATCH / "atoms.txt", format="lammps")) == 2)


def a_probe_is_sampled():
    probe = aet.Probe(300e3, 20, defocus=10, c30=1e4, source_size=0.2, aperture="hard")
    intensity, wave = probe.intensity((32, 48), 0.3, depth=5), probe.wave((32, 48), 0.3, position=(1, -2))
    check("intensity sums to 1", intensity.shape == (32, 48) and abs(intensity.sum() - 1) < 1e-12)
    check("wave is normalised", wave.dtype == complex and abs((abs(wave) ** 2).sum() * wave.size - 1) < 1e-12)
    check("numbers of the probe", probe.defocus == 10 and abs(probe.wavelength - 0.0196875) < 1e-6, probe.wavelength)


def atoms_are_generated():
    gold = aet.Atoms.generate("face_centred_cubic", species=79, lattice_a=4.078, shape="truncated_octahedron", width=20)
    check("gold in a truncated octahedron", len(gold) == 201 and (gold.species == 79).all())
    silicon = aet.Atoms.generate(preset="m1", count=300).positions
    distances = np.linalg.norm(silicon[:, None] - silicon, axis=2) + 1e3 * np.eye(300)
    nearest = distances.min(axis=1)
    check("a window of nearest neighbours", (nearest >= 2.32 - 1e-9).all() and (nearest <= 2.36 + 1e-9).all())
    oxide = aet.Atoms.generate("rock_salt", species=[56, 8], lattice_a=5.54, species_counts=[50, 49])
    check("two elements", (oxide.species == 56).sum() == 50 and (oxide.species == 8).sum() == 49)
    check("a seed", (aet.Atoms.generate(preset="m2", count=50, seed=2).positions
                     == aet.Atoms.generate(preset="m2", count=50, seed=2).positions).all())


def orbitals_have_shapes():
    radii = np.array([0, 0.4, 1.1])
    f = np.exp(-(radii**2) / 0.6)
    gaussian = aet.Orbital.gaussians([1], [1])
    wanted = np.stack([f, -2 * radii / 0.6 * f, radii**2 / 0.36 * f], axis=1)
    check("a Gaussian orbital", np.abs(gaussian.evaluate(radii, 0.6) - wanted).max() < 1e-14)
    check("its term", gaussian.terms.tolist() == [[1, 1]] and gaussian.expansion_error == 0, gaussian)
    slater = aet.Orbital.slater()
    check("a Slater function in 6 terms", slater.term_count == 6 and 0 < slater.expansion_error <= 1e-3, slater)
    check("f(0) of it is near 1", abs(slater.evaluate([0], 0.6)[0, 0] - 1) <= 1.001e-3)
    q = np.arange(81) * 0.05
    check("a table of a Gaussian is one term", aet.Orbital.table(q, np.exp(-(q**2))).term_count == 1)

    def fitted(**options):
        recon = small_reconstruction(**options)
        gc.collect()  # nobody else holds the orbital: the fit has its own
        recon.run(max_iterations=3)
        return recon.loss()

    loss, other = fitted(), fitted(orbital=slater)
    check("none is the Gaussian", fitted(orbital=None) == loss == fitted(orbital=gaussian))
    check("a fit with another shape is another one", np.isfinite(other) and other != loss, (other, loss))
    check("and keeps its orbital", fitted(orbital=aet.Orbital.slater()) == other)
    check("atoms found with it", len(aet.find_atoms(small_series(), fit={"orbital": aet.Orbital.slater()})) > 0)

    recon = small_reconstruction(model="direct")
    recon.run(max_iterations=20)
    shape = recon.fit_orbital()
    check("the shape of the atoms", shape.term_count >= 1 and (shape.terms[:, 0] > 0).all(), shape.terms)
    check("f(0) of it is 1", abs(shape.terms[:, 0].sum() - 1) < 1e-12, shape.terms)
    first = small_reconstruction(model="rigid")
    table = first.scan_defocus(range=20, step=10, tilts=1)
    check("a scan of the defocus", len(table["misfit"]) > 0 and np.isfinite(table["misfit"]).all())
    following = first.continued(model="adaptive", probe_side=5, precision="double")
    following.run(max_iterations=2)
    depths, probes = following.probe_images(0)
    check("probes of 5 pixels", probes.shape == (len(depths), 5, 5) and probes[0, 2, 2] > probes[0, 0, 0], probes.shape)
    check("pixels are a block", (following.block("probe") >= 0).all())
    check("a table of probes", len(following.probe_table["depth"]) >= len(depths))

    told = []
    one = recon.fit_orbital([1], progress=lambda p: told.append(p.fraction) or True)
    check("a shape of one term, with progress", one.terms.tolist() == [[1, 1]] and len(told) > 0, told)


# ---- reconstructions ----


def evaluations_agree_with_each_other():
    recon = small_reconstruction()
    x, losses = recon.parameters, np.zeros(IMAGES)
    loss, gradient = recon.loss_and_gradient(x)
    check("the loss alone", recon.loss(x, image_losses=losses) == loss and np.isclose(losses.mean(), loss, rtol=1e-13))
    parts = [recon.loss_and_gradient(x, [image, image + 3]) for image in range(3)]
    check("losses of subsets", np.isclose(np.mean([part for part, _ in parts]), loss, rtol=1e-13))
    check("gradients of subsets", np.allclose(np.mean([part for _, part in parts], 0), gradient, rtol=1e-12))
    chosen = np.array([1, 4])
    check("a mask of images", recon.loss(x, np.isin(np.arange(IMAGES), chosen)) == recon.loss(x, chosen))
    check("predicted subset", (recon.predict(x, chosen) == recon.predict(x)[chosen]).all())
    check(
        "pull-back of the residuals is the gradient",
        np.allclose(recon.pull_back(x, (recon.predict(x) - MEASURED) / MEASURED.size), gradient, rtol=1e-6),
    )
    step = 1e-5 * np.random.default_rng(1).standard_normal(x.size) * recon.parameter_scale
    slope = (recon.loss(x + step) - recon.loss(x - step)) / 2
    check("central difference", np.isclose(slope, gradient @ step, rtol=1e-6), (slope, gradient @ step))
    check("the reconstruction stayed as it is", (recon.parameters == x).all() and recon.generation == 1)


def second_order_agrees_with_first():
    recon = small_reconstruction()
    x = recon.parameters
    direction = np.full_like(x, 0.01)
    change = recon.push_forward(x, direction)
    product = recon.gauss_newton_product(x, direction)
    check("the product is J'J", np.isclose(direction @ product, np.sum(change**2) / change.size, rtol=1e-12))
    step = (recon.predict(x + 1e-4 * direction) - recon.predict(x - 1e-4 * direction)) / 2e-4
    check("the change is the derivative", np.abs(step - change).max() < 1e-6 * np.abs(change).max())
    check("the diagonal is positive", np.all(recon.gauss_newton_diagonal(probes=3) > 0))
    first = recon.generation
    recon.freeze("heights")
    heights = 3 * ATOMS + np.arange(ATOMS)
    wanted = np.delete(np.arange(x.size), heights)
    check("indices follow a frozen block", np.array_equal(recon.index_map(first), wanted))


def errors_are_estimated():
    recon = small_reconstruction()
    estimate = recon.estimate_errors()
    bars = estimate.atoms.standard_error
    check("an error for every coordinate", bars.shape == (ATOMS, 3) and np.all(bars > 0))
    mean = 100 * np.sqrt(np.mean(np.sum(bars**2, axis=1)))
    check("their mean is the predicted RMSD", np.isclose(estimate.predicted_rmsd_pm, mean, rtol=1e-9), estimate)
    check("nothing is undetermined", estimate.undetermined == 0 and estimate.noise == "residual", estimate)
    dense = recon.estimate_errors(method="dense")
    of_background = recon.block_errors("background")
    check("errors of a block", of_background.shape == recon.block("background").shape and np.all(of_background > 0))
    of_two = recon.block_errors("positions", [1, 0])
    check("and of two atoms, as dense", np.allclose(of_two, dense.atoms.standard_error[[1, 0]], rtol=2e-3), of_two)
    check("all parameters at once", dense.method == "dense" and dense.predicted_rmsd_pm > 0)


def optimizers_have_names():
    losses = {}
    for name in ("lbfgs", "conjugate_gradient", "levenberg_marquardt"):
        recon = small_reconstruction()
        recon.run(optimizer=name, max_iterations=60)
        losses[name] = recon.history["loss"][-1]
    check("optimisers agree", max(losses.values()) <= 1.05 * min(losses.values()) + 1e-9, losses)


def terms_are_part_of_the_loss():
    recon = small_reconstruction()
    x = recon.parameters
    before, slope = recon.loss_and_gradient(x)
    seen = []

    def spring(values, gradient):
        seen.append(values)
        if gradient is not None:
            gradient[...] = values
        return 0.5 * np.sum(values**2)

    recon.add_term("positions", spring, 0.5)
    loss, gradient = recon.loss_and_gradient(x)
    check("a term sees its block", np.array_equal(seen[-1], recon.block("positions")))
    check("and adds to the loss", np.isclose(loss - before, 0.25 * np.sum(seen[-1] ** 2), rtol=1e-9))
    check("and to the gradient", np.allclose((gradient - slope)[: 3 * ATOMS], 0.5 * x[: 3 * ATOMS], rtol=1e-6))
    recon.clear_terms()
    check("and goes", recon.loss(x) == before)

    def pin(parameters):
        parameters[2] = 0.25

    recon.set_projection(pin)
    recon.step()
    check("a projection acts", recon.parameters[2] == 0.25)


def parameters_are_blocks():
    recon = small_reconstruction()
    blocks = {block.name: block for block in recon.layout}
    free = [block for block in recon.layout if not block.frozen]
    check("free blocks", [block.name for block in free] == ["positions", "heights", "widths", "background"], free)
    check("places", recon.parameters[blocks["positions"].place].tolist() == recon.block("positions").ravel().tolist())
    check(
        "frozen blocks have none",
        blocks["drift"].frozen
        and blocks["drift"].place is None
        and blocks["drift"].shape == (IMAGES, 2)
        and blocks["drift"].unit == "A",
    )
    bounds, scale = recon.parameter_bounds, recon.parameter_scale
    check(
        "bounds and scale",
        bounds.shape == (scale.size, 2) and (bounds[:, 0] < bounds[:, 1]).all() and (scale > 0).all(),
    )
    recon.set_block("positions", np.asfortranarray(POSITIONS))
    recon.set_block("drift", 0.25)
    check("blocks set", (recon.block("positions") == POSITIONS).all() and (recon.block("drift") == 0.25).all())
    check("drift is in the geometry", (recon.geometry.drift == 0.25).all())
    before, x = recon.generation, recon.parameters
    recon.freeze("drift", False)
    check("freeing a block", recon.generation > before and recon.parameters.size == x.size + 2 * IMAGES)
    recon.freeze("drift")
    recon.parameters = x
    check("parameters set", (recon.parameters == x).all())
    check("knobs", "lbfgs.memory" in recon.param_names() and recon.get_param("lbfgs.memory") > 0)
    recon.set_param("lbfgs.memory", 7)
    check("a knob turned", recon.get_param("lbfgs.memory") == 7)


def volumes_and_atoms_from_images_alone():
    values = np.zeros((9, 10, 11), order="F")
    values[2:6, 3:7, 4:8] = [[[1], [2], [2], [1]]]
    values[4, 5, 6] = 7.5
    volume = aet.Volume(values, 0.5)
    check("a volume gives back what it was given", np.array_equal(volume.values, values.astype("f4")))
    check("and its sizes", (volume.shape, volume.voxel_size, volume.residuals.size) == ((9, 10, 11), 0.5, 0))
    backwards = np.zeros((11, 10, 9))[::-1].T
    check("into any array", np.array_equal(volume.copy_to(backwards), values))
    atoms = volume.trace(smoothing=0.3, minimum_distance=1.0, max_atoms=1)
    wanted = 0.5 * (np.array([6, 5, 4]) - [11 // 2, 10 // 2, 9 // 2])
    check("its peak is an atom", len(atoms) == 1 and np.abs(atoms.positions[0] - wanted).max() < 0.3, atoms.positions)
    path = SCRATCH / "volume.mrc"
    volume.write(path)
    read = aet.Volume.read(path)
    check("a file keeps it", np.array_equal(read.values, volume.values) and abs(read.voxel_size - 0.5) < 1e-6)
    for ending in ("npy", "tif", "mat", "emd", "h5"):
        path = SCRATCH / f"volume.{ending}"
        volume.write(path)
        read = aet.Volume.read(path, voxel_size=0.5 if ending == "npy" else 0.0)
        check(f"{ending} keeps it", np.array_equal(read.values, volume.values) and abs(read.voxel_size - 0.5) < 1e-6)
    check("npy is NumPy's", np.array_equal(np.load(SCRATCH / "volume.npy"), volume.values))
    np.save(path, np.asfortranarray(values))
    check("any order", np.array_equal(aet.Volume.read(path, voxel_size=1.0).values, volume.values))
    volume.write(path, format="mat73", name="rec")
    check("a variable by its name", np.array_equal(aet.Volume.read(path, name="rec").values, volume.values))

    series = aet.TiltSeries.read(DATA)
    tomogram = aet.Volume.reconstruct(series, method="sirt", iterations=8)
    check("SIRT lowers the residual", tomogram.residuals.size == 8 and tomogram.residuals[-1] < tomogram.residuals[0])
    stopped = aet.Volume.reconstruct(series, method="sirt", iterations=50, progress=lambda p: p.iteration < 2)
    check("a cancelled one is kept", 0 < stopped.residuals.size < 50)
    truth = aet.TiltSeries.read_atoms(DATA)
    found = aet.find_atoms(series, fit={"model": "direct"}, tomography={"iterations": 10})
    report = found.compare(truth)
    check("atoms are found from images alone", report.matched >= 0.9 * len(truth), report)


def tomography():
    volumes_are_reconstructed(DATA, SCRATCH)


def an_instrument_records_ideal_images():
    series = small_series()
    check("a perfect one changes nothing", np.array_equal(series.record().images, series.images))
    settings = dict(seed=4, electrons_per_position=25.0, gain=2.0, mtf=[1.0, 0.7, 0.5], noise_blurred=1, drift_x=0.4)
    recorded = series.record(**settings)
    check("electrons per unit", (recorded.counts_per_unit == 0.5).all())
    check("seeds repeat", np.array_equal(recorded.images, series.record(**settings).images))
    patterns = np.full((2, 3, 12, 10), 0.01)
    counts = aet.record_patterns(patterns, electrons_per_position=1e4, seed=1)
    check("patterns keep their shape", counts.shape == patterns.shape and abs(counts.mean() - 100) < 3)
    part = aet.record_patterns(patterns[1], electrons_per_position=1e4, seed=1, first=3)
    check("patterns part by part", np.array_equal(part, counts[1]))
    places = aet.instrument_truth("displacements", 6, 8, pixel_size=0.5, stretch_x=0.1)
    check("displacements", places.shape == (6, 8, 2) and abs(places[2, 0, 0] + 0.2) < 1e-12)
    check("dead pixels", (aet.instrument_truth("gain", 6, 8, dead_pixels=5) == 0).sum() == 5)


def a_run_tells_what_it_does():
    recon, seen = small_reconstruction(), []
    outcome = recon.run(max_iterations=20, progress=seen.append)
    history = recon.history
    check("outcome", outcome in ("max_iterations", "converged"), outcome)
    check(
        "progress",
        len(seen) >= 2 and seen[-1].phase == "optimizing" and seen[-1].loss == history["loss"][-1],
        seen[-1:],
    )
    check(
        "history",
        history["iteration"].tolist() == list(range(1, len(history["loss"]) + 1))
        and (np.diff(history["loss"]) <= 0).all(),
    )
    check("atoms are found", recon.atoms.compare(aet.Atoms(POSITIONS)).rmsd_pm < 1, recon.atoms.positions)
    check("R factors", recon.r_factors.shape == (IMAGES,) and (recon.r_factors < 0.1).all())
    robust = small_reconstruction(loss="huber", huber_threshold=0.5).record
    check("a Huber loss", robust["loss_used"] == "huber" and robust["huber_threshold"] == 0.5)
    check("its threshold from residuals", small_reconstruction(loss="huber").record["huber_threshold"] > 0)
    of_mse = lambda: small_reconstruction(loss="mse", huber_threshold=0.5)
    check_fault(of_mse, "a threshold of mse", "inconsistent", "huber_threshold")
    check_fault(lambda: small_reconstruction(loss="anscombe"), "roots of no counts", "inconsistent", "counts_per_unit")
    table = recon.r_factor_table
    check("their table", (table["r_factor"] == recon.r_factors).all() and (table["tilt"] == recon.series.tilt).all())
    depth = (recon.geometry.rotations[:, 2] @ [1.0, 2.0, 3.0]).mean()
    check("average depth", abs(recon.series.depth_axis @ [1.0, 2.0, 3.0] - depth) < 1e-9, recon.series.depth_axis)
    check("record", recon.record and isinstance(recon.record, dict))
    check(
        "geometry",
        np.allclose(recon.geometry.rotations, ROTATIONS) and (recon.geometry.defocus == GEOMETRY["defocus"]).all(),
    )
    snapshot = recon.snapshot()
    check(
        "snapshot",
        snapshot.iteration == len(history["loss"])
        and snapshot.loss == history["loss"][-1]
        and snapshot.generation == recon.generation,
    )
    check("memory estimate", recon.memory_estimate > 1000)
    check("one step more", recon.step() in ("ok", "converged"))
    recon.close()
    check("a snapshot outlives its reconstruction", len(snapshot.atoms) == ATOMS)


def results_do_not_depend_on_threads():
    results = []
    for threads in (1, 2, 3):
        with aet.Context(threads=threads) as context:
            recon = small_reconstruction(context)
            check(f"{context.threads} threads", context.threads == threads)
        recon.run(max_iterations=5)
        results.append(recon.parameters)
    check("the same bits", (results[0] == results[1]).all() and (results[0] == results[2]).all())


def a_series_grows_during_a_run():
    series = small_series()
    recon = small_reconstruction(series=series, precision="single")
    tilts = []

    def grow(progress):
        if progress.iteration == 2 and not tilts:
            tilts.append(series.append_tilt(MEASURED[:2], rotations=ROTATIONS[:2], defocus=[-20, 20]))

    recon.run(max_iterations=6, loss_tolerance=1e-300, progress=grow)
    check("the index of the new tilt", tilts == [TILTS], tilts)
    check("the run took it up", recon.image_count == IMAGES + 2 and recon.history["dataset_version"][-1] == 2)
    series.replace_tilt(0, MEASURED[:2], rotations=ROTATIONS[:2])
    series.exclude_tilt(TILTS)
    check("replaced and excluded", series.version == 4 and series.excluded.sum() == 2)
    recon.step()
    check("excluded images have no R factor", np.isnan(recon.r_factors).tolist() == series.excluded.tolist())
    check("and are not predicted", len(recon.predict()) == IMAGES)


# ---- files and log ----


def files_keep_everything():
    folder, series = SCRATCH / "Kippserie mit Ümläuten 傾斜", small_series()
    series.set_metadata("operator", "Åsa")
    series.set_metadata("dose", 1.6e5, "e/A^2")
    seen = []
    series.write(folder, progress=lambda p: seen.append(p.phase))
    again = aet.TiltSeries.read(str(folder), progress=lambda p: seen.append(p.phase))
    check(
        "a folder with spaces and letters beyond ASCII",
        (again.images == series.images).all() and (again.rotations == series.rotations).all(),
    )
    check("progress of reading and writing", {"reading", "saving"} <= set(seen), seen)
    check("metadata", again.metadata["operator"] == ("Åsa", "") and again.metadata["dose"].unit == "e/A^2")
    path = SCRATCH / "Atome ä.xyz"
    atoms = aet.Atoms(POSITIONS, species=14)
    atoms.write(path)
    check("atoms", (aet.Atoms.read(path).positions == POSITIONS).all())
    path, recon = SCRATCH / "Zustand é.aet", small_reconstruction(series=series)
    recon.run(max_iterations=3)
    recon.save(path)
    again = aet.LocalOrbital.load(path, series, recon.probe)
    check("a loaded state", isinstance(again, aet.LocalOrbital) and (again.parameters == recon.parameters).all())
    outcomes = recon.run(max_iterations=3), again.run(max_iterations=3)
    check("goes on with the same bits", (again.parameters == recon.parameters).all(), outcomes)


def messages_go_to_the_logger():
    lines = []
    handler = logging.Handler()
    handler.emit = lambda message: lines.append((message.levelname, message.getMessage()))
    logger = logging.getLogger("aet")
    logger.addHandler(handler)
    logger.propagate = False
    radians = lambda: aet.TiltSeries(np.zeros((3, 8, 8)), angles_deg=[-1.0, 0, 1], tilt_axis="y", pixel_size=1)
    radians()
    check(
        "angles in radians: a warning", len(lines) == 1 and lines[0][0] == "WARNING" and "radian" in lines[0][1], lines
    )
    aet.set_log("off")
    radians()
    check("the log is off", len(lines) == 1, lines)
    own = []
    aet.set_log("warning", lambda level, message: own.append(level))
    radians()
    check("a function of one's own", own == ["warning"] and len(lines) == 1, (own, lines))
    aet.set_log()
    logger.removeHandler(handler)


# ---- threads and lifetimes ----


def other_threads_go_on_during_a_call():
    recon, counted, over = long_reconstruction(DATA, aet.Context(threads=1)), [0], threading.Event()

    def count():
        while not over.is_set():
            counted[0] += 1
            time.sleep(0.001)

    worker = threading.Thread(target=count)
    worker.start()
    before, began = counted[0], time.monotonic()
    recon.loss_and_gradient(np.tile(recon.parameters, 1))
    while time.monotonic() - began < 0.3:
        recon.loss_and_gradient()
    check("Python runs during calls", counted[0] - before > 30, counted[0] - before)
    over.set()
    worker.join()


def snapshots_and_changes_from_a_second_thread():
    series = small_series()
    recon = small_reconstruction(series=series, precision="single")
    begun, over, losses, tilts, problems = threading.Event(), threading.Event(), [], [], []

    def accompany():
        try:
            begun.wait(10)
            tilts.append(series.append_tilt(MEASURED[:1], rotations=ROTATIONS[:1]))
            series.exclude_tilt(0)
            while not over.is_set():
                with recon.snapshot() as snapshot:
                    losses.append(snapshot.loss)
                    check_shape = snapshot.atoms.positions.shape == (ATOMS, 3)
                values = recon.geometry, recon.r_factors, recon.block("drift"), recon.history, recon.layout
                if not check_shape or len(values) != 5 or not np.isfinite(recon.loss()):
                    problems.append(values)
        except aet.AetError as error:
            if error.name != "AET_ERROR_STALE_PARAMETERS":  # the run took up the tilt between parameters and loss
                problems.append(error)

    worker = threading.Thread(target=accompany)
    worker.start()
    outcome = recon.run(
        max_iterations=200,
        loss_tolerance=1e-300,
        gradient_tolerance=1e-300,
        progress=lambda p: begun.set() if p.iteration >= 1 else None,
    )
    over.set()
    worker.join()
    check("the run ends by itself", outcome in ("max_iterations", "converged"), outcome)
    check("appended and excluded meanwhile", tilts == [TILTS] and series.version == 3, (tilts, series.version))
    check("snapshots meanwhile", losses and np.isfinite(losses).all() and not problems, (len(losses), problems[:1]))
    check("the history tells", recon.history["dataset_version"][-1] == 3)


def many_threads_evaluate_one_reconstruction():
    recon = small_reconstruction()
    x, wanted, wrong = recon.parameters, recon.loss(), []

    def evaluate():
        wrong.extend(1 for _ in range(50) if recon.loss(x) != wanted)

    workers = [threading.Thread(target=evaluate) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check("four threads, one answer", not wrong, len(wrong))


def objects_are_freed_in_any_order():
    for order in itertools.permutations(range(5)):
        context = aet.Context(threads=1)
        recon = small_reconstruction(context)
        objects = [context, recon.series, recon.probe, recon, recon.snapshot()]
        for index in order:
            objects[index].close()
            objects[index].close()
    check("each of 120 orders", all(thing.closed and "closed" in repr(thing) for thing in objects))
    recon = small_reconstruction()
    recon.series.close(), recon.probe.close()
    check("a reconstruction outlives what it was made of", runs(recon))


def the_garbage_collector_frees():
    for _ in range(300):
        recon = small_reconstruction()
        recon.me = recon  # a cycle, which only the collector can undo
        recon.atoms, recon.snapshot(), recon.loss()
    gc.collect()
    survivor = small_reconstruction()
    outcome = survivor.run(max_iterations=3, progress=lambda p: gc.collect() >= 0)
    check("storm survived", outcome in ("max_iterations", "converged"))
    leftover = sum(isinstance(thing, aet.Reconstruction) for thing in gc.get_objects())
    check("nothing is left but the survivor and the last", leftover <= 2, leftover)


def simulated_series():
    series_are_simulated(SCRATCH)
    series_of_patterns(SCRATCH)
    series_by_prism(SCRATCH)


run(
    every_type_and_memory_order_is_taken_as_it_is,
    results_go_into_any_array,
    a_series_gives_back_what_it_was_given,
    atoms_give_back_what_they_were_given,
    specimens_are_made_from_atoms,
    a_probe_is_sampled,
    atoms_are_generated,
    orbitals_have_shapes,
    detectors_measure_patterns,
    simulations_scan,
    simulations_have_gradients,
    simulations_do_not_depend_on_threads,
    ensembles_are_means,
    prism_is_multislice,
    specimens_of_many_thicknesses,
    windows_cost,
    simulated_series,
    evaluations_agree_with_each_other,
    second_order_agrees_with_first,
    errors_are_estimated,
    optimizers_have_names,
    terms_are_part_of_the_loss,
    parameters_are_blocks,
    volumes_and_atoms_from_images_alone,
    atoms_are_found_from_a_start,
    atoms_are_found_from_a_grid,
    tomography,
    masks_find_the_specimen,
    atoms_are_classified,
    bad_classifications_are_refused,
    filters_and_resolution,
    a_lattice_tells_where_to_look,
    accuracy_is_told,
    an_instrument_records_ideal_images,
    a_run_tells_what_it_does,
    results_do_not_depend_on_threads,
    a_series_grows_during_a_run,
    files_keep_everything,
    messages_go_to_the_logger,
    other_threads_go_on_during_a_call,
    snapshots_and_changes_from_a_second_thread,
    many_threads_evaluate_one_reconstruction,
    objects_are_freed_in_any_order,
    the_garbage_collector_frees,
)
finish()
