"""Reconstructions of volumes, and bad input."""

import numpy as np

import aet
from checks import check, check_fault, check_raises
from problem import IMAGES, POSITIONS, ROWS, small_probe, small_series

METHODS = "resire sirt sart art cgls fbp wbp genfire est resire_fourier".split()


def every_method(series):
    """Two iterations of each, driven and in one call, give a finite volume of the same size."""
    for method in METHODS:
        recon = aet.Tomography(series, method=method, iterations=2)
        outcome = recon.run(max_iterations=2)
        values = recon.volume.values
        good = outcome == "max_iterations" and np.isfinite(values).all() and values.std() > 0
        check(f"{method} gives a volume", good and recon.record["method"] == method, (outcome, recon.record["method"]))
        quick = aet.Volume.reconstruct(series, method=method, iterations=2)
        check(f"{method} in one call", np.array_equal(quick.values, values) and len(quick.residuals) in (1, 2))


def volumes_are_reconstructed(data, scratch):
    series = aet.TiltSeries.read(data)
    every_method(series)
    recon = aet.Tomography(series)
    check("a new one", isinstance(recon, aet.Reconstruction) and "Tomography" in repr(recon))
    check("it begins with zeros", not recon.volume.values.any())
    blocks = {block.name: block for block in recon.layout}
    check("blocks", list(blocks) == ["volume", "drift", "angles", "scale", "background"])
    check("only the volume is free", [name for name, block in blocks.items() if not block.frozen] == ["volume"])
    check("it has bounds", (blocks["volume"].lower, blocks["volume"].upper) == (0.0, np.inf))
    seen = []
    outcome = recon.run(max_iterations=8, progress=seen.append)
    history = recon.history
    check("progress and history", outcome == "max_iterations" and len(seen) >= 8 and history["iteration"][-1] == 8)
    check("the loss falls", history["loss"][-1] < 0.5 * history["loss"][0] and np.isnan(history["r_free"]).all())
    check("methods make their own steps", np.isnan(history["optimizer"]).all())
    values = recon.volume.values
    check("parameters are voxels", np.array_equal(recon.parameters, values.ravel()))
    check("so is the block", np.array_equal(recon.block("volume"), values) and values.min() >= 0)
    check("voxels are pixels", recon.volume.voxel_size == series.pixel_size)
    snapshot = recon.snapshot()
    recon.step()
    kept = snapshot.volume
    check("snapshots keep their volume", np.array_equal(kept.values, values) and snapshot.iteration == 8)
    other = aet.Context(threads=1)
    check("on any context", np.array_equal(snapshot.volume_on(other).values, values))
    check("peaks are atoms", len(recon.volume.trace(minimum_distance=1.6)) >= 50)
    tracing(recon.volume)
    half_sets_and_start_values(series)
    loss_and_gradient_of_voxels(series)
    stored(series, recon, scratch)
    with aet.Context(threads=3) as three, aet.Context(threads=1) as one:
        volumes = [aet.Volume.reconstruct(series, iterations=3, context=context).values for context in (one, three)]
        check("threads do not matter", np.array_equal(*volumes))


def tracing(volume):
    """Candidates with flags, edits by hand, supports."""
    run = lambda **options: volume.trace_candidates(minimum_distance=1.6, method="polynomial", **options)
    atoms, candidates = run()
    check("accepted candidates are the atoms", np.count_nonzero(candidates["flag"] == 0) == len(atoms) > 1)
    check("values of the whole", candidates.value("threshold") > 0 <= candidates.value("noise"))
    strongest = np.array([[candidates[axis][0] for axis in "xyz"]])
    check("removed by hand", run(removed=strongest).candidates["flag"][0] == 6)
    again = run(added=strongest)
    check("added by hand", again.candidates["flag"][0] == 7 and len(again.atoms) == len(atoms))
    everywhere = aet.Volume(np.ones(volume.shape), volume.voxel_size)
    check("a support of all", np.array_equal(run(support=everywhere).candidates["x"], candidates["x"]))
    check("explained away", len(volume.trace(thresholding="histogram", explain_rounds=1)) > 0)
    check("widths of Gaussians", (volume.trace(method="gaussian", minimum_distance=1.6).width > 0).all())
    small = aet.Volume(np.ones((2, 2, 2)), volume.voxel_size)
    check_fault(lambda: run(support=small), "support of another size", "shape", "support")
    check_fault(lambda: volume.trace(minimum_distance=volume.voxel_size), "below two voxels", "range", "two voxels")
    check_fault(lambda: run(added=np.zeros((1, 2))), "places without z", "shape", "added")
    check_fault(lambda: volume.trace(method="spline"), "unknown method", "unknown_option", "gaussian")


def half_sets_and_start_values(series):
    even, odd = (aet.Volume.reconstruct(series, subset=half, iterations=5).values for half in ("even", "odd"))
    alike = np.corrcoef(even.ravel(), odd.ravel())[0, 1]
    check("half sets agree and differ", 0.1 < alike < 0.999, alike)
    held = aet.Tomography(series, held_out=0.25, seed=3)
    held.run(max_iterations=3)
    free = held.history["r_free"]
    check("views are held out", np.isfinite(free).all() and free[-1] < free[0] and len(held.record["held_out"]) == 4)

    first = aet.Volume.reconstruct(series, iterations=5)
    on = aet.Tomography(series, initial=first, positivity=False)
    check("a volume to start from", np.array_equal(on.volume.values, first.values))
    mask = np.zeros(first.shape, "u1")
    mask[tuple(slice(n // 4, -(n // 4)) for n in first.shape)] = 1
    within = aet.Volume.reconstruct(series, support=aet.Volume(mask, first.voxel_size), iterations=3).values
    check("a support", not within[mask == 0].any() and within.any())
    shape = aet.Volume.reconstruct(series, nz=12, ny=series.rows, nx=series.columns, iterations=2).shape
    check("any shape", shape == (12, series.rows, series.columns), shape)
    weights = np.ones(series.image_count)
    weights[0] = 0.5
    heavy = aet.Volume.reconstruct(series, image_weights=weights, iterations=5).values
    check("images have weights", not np.array_equal(heavy, first.values))
    smooth = aet.Volume.reconstruct(series, total_variation=5.0, iterations=5).values
    check("regularisation smooths", np.abs(np.diff(smooth)).sum() < np.abs(np.diff(first.values)).sum())
    signed = aet.Volume.reconstruct(series, positivity=False, iterations=5).values
    check("positivity is an option", signed.min() < 0)
    estimate = aet.Tomography.estimate_memory(series)
    same = estimate == aet.Tomography(series).memory_estimate
    check("memory is known beforehand", same and estimate > 4 * first.values.size)

    def stop(progress):
        return progress.iteration < 3

    stopped = aet.Volume.reconstruct(series, iterations=50, progress=stop)
    check("what was done is kept", stopped.values.any() and len(stopped.residuals) == 3, stopped.residuals)
    recon = aet.Tomography(series)
    check("by a run, too", recon.run(progress=stop) == "cancelled" and recon.volume.values.any())


def loss_and_gradient_of_voxels(series):
    """Central differences, of the geometry's blocks, too."""
    recon = aet.Tomography(series, positivity=False)
    recon.run(max_iterations=4)
    voxel = np.zeros(recon.volume.shape)
    voxel[30, 20, 25] = 7.0
    calculated = recon.predict(voxel.ravel()) - recon.block("background")[:, None, None]
    check("the sum of a volume is that of each image", np.allclose(calculated.sum(axis=(1, 2)), 7.0, rtol=1e-5))
    for name in ("drift", "angles", "scale", "background"):
        recon.freeze(name, False)
    random = np.random.default_rng(5)
    # Projections have kinks where voxels project onto the middle of pixels, as all do at tilt 0 without drift.
    recon.set_block("drift", 0.05 * random.standard_normal((series.image_count, 2)))
    x = recon.parameters
    loss, gradient = recon.loss_and_gradient(x)
    check("the loss alone is the same", recon.loss(x) == loss)
    residuals = np.random.default_rng(1).standard_normal((1, series.rows, series.columns))
    pulled = recon.pull_back(x, residuals, images=[0])
    check("residuals come back", pulled.shape == x.shape and pulled.any())
    for block in recon.layout:
        direction = np.zeros_like(x)
        place = block.place
        step = {"volume": 0.1, "drift": 1e-3, "angles": 1e-3, "scale": 1e-2, "background": 1e-2}[block.name]
        direction[place] = random.standard_normal(place.stop - place.start)
        measured = (recon.loss(x + step * direction) - recon.loss(x - step * direction)) / (2 * step)
        error = abs(measured - gradient @ direction) / (abs(measured) + 1e-6 * loss)
        check(f"gradient of {block.name}", error < 0.02, (measured, gradient @ direction))
    check("images may be chosen", recon.loss(x, images=[1, 3]) > 0)


def stored(series, recon, scratch):
    path = scratch / "tomography.aet"
    recon.save(path)
    again = aet.Tomography.load(path, series)
    check("a stored one", isinstance(again, aet.Tomography) and np.array_equal(again.parameters, recon.parameters))
    for each in (recon, again):
        each.run(max_iterations=2)
    check("goes on to the last bit", np.array_equal(again.parameters, recon.parameters))
    check("any class loads it", isinstance(aet.Reconstruction.load(path, series), aet.Tomography))
    check_fault(lambda: aet.LocalOrbital.load(path, series), "a volume as atoms", "inconsistent", "Tomography")
    check_fault(lambda: aet.Tomography.load(path, series, small_probe()), "with a probe", "inconsistent", "probe")
    check_fault(lambda: aet.Tomography.load(path, small_series()), "another series", "inconsistent")


def tomography_refuses():
    series, voxels = small_series(), (ROWS, ROWS, ROWS)
    make = lambda **options: lambda: aet.Tomography(series, **options)
    quick = lambda **options: lambda: aet.Volume.reconstruct(series, **options)
    volume = lambda shape: aet.Volume(np.ones(shape), series.pixel_size)
    check_fault(make(support=aet.Volume(np.zeros(voxels), 0.5)), "a support of zeros", "empty", "support")
    check_fault(make(support=volume((4, 5, 6))), "a support of another shape", "shape", "support", "[4, 5, 6]", ROWS)
    check_fault(make(initial=volume((4, 5, 6))), "a start of another shape", "shape", "initial", "[4, 5, 6]", ROWS)
    check_raises(make(initial=np.zeros(voxels)), "an array as start", TypeError, "initial")
    check_raises(make(support=small_probe()), "a probe as support", TypeError, "support")
    check_fault(make(method="magic"), "an unknown method", "unknown_option", "magic", "resire_fourier")
    check_fault(make(method=77), "an unknown number", "unknown_option", "77")
    check_fault(make(metod="sirt"), "a wrong word", "unknown_option", "metod", "method")
    check_fault(make(n_image_weights=3), "a count without its array", "unknown_option", "n_image_weights")
    check_fault(make(window="box", method="fbp"), "an unknown window", "unknown_option", "box", "hann")
    waived = aet.Tomography(series, method="cgls", positivity=True)
    check("positivity is waived where it cannot be", waived.layout[0].lower < 0)
    check_fault(make(method="cgls", upper_bound=1.0), "a bound that cannot be", "unsupported", "upper_bound", "cgls")
    check_fault(make(method="fbp", held_out=0.3), "views held out of one step", "unsupported", "held_out", "fbp")
    check_fault(make(method="sart", total_variation=1.0), "terms that cannot be", "unsupported", "sart", "resire")
    check_fault(make(total_variation=-1.0), "a negative weight", "range", "total_variation", "-1")
    check_fault(make(held_out=0.9), "most views held out", "range", "held_out", "0.9", "0.5")
    check_fault(make(held_out=float("nan")), "NaN held out", "range", "held_out")
    check_fault(make(relaxation=2.5), "long steps", "range", "relaxation", "2.5")
    check_fault(make(upper_bound=-1.0), "an upper bound below 0", "range", "upper_bound", "-1")
    check_fault(make(voxel_size=9.0), "voxels larger than pixels", "range", "voxel_size")
    check_fault(make(method="genfire", voxel_size=0.25), "small voxels in Fourier space", "range", "voxel_size", "0.5")
    check_fault(make(nz=5), "one edge of three", "range")
    check_fault(make(nz=-1, ny=4, nx=4), "a negative edge", "range", "nz", "-1")
    check_fault(make(image_weights=[1.0, 2.0]), "two weights", "shape", "image_weights", IMAGES)
    check_fault(make(image_weights=[]), "no weights", "empty", "image_weights")
    check_fault(make(image_weights=[-1.0] * IMAGES), "negative weights", "range", "weight", "-1")
    check_fault(make(image_weights="heavy"), "words as weights", "dtype", "image_weights")
    check_fault(make(memory_limit=1e3), "a small memory", "memory", "memory_limit", "1000")
    check_fault(quick(memory_limit=1e3), "in one call, too", "memory", "memory_limit")
    check_fault(quick(method="est", subset_size=-1), "a negative subset", "range", "subset_size")
    check_fault(quick(iterations=-2), "negative iterations", "range", "iterations")
    empty = aet.TiltSeries(rows=8, columns=8, pixel_size=0.5)
    check_fault(lambda: aet.Tomography(empty).run(), "no images", "not_ready", "append")
    check_fault(lambda: aet.Volume.reconstruct(empty), "no images in one call", "not_ready")
    flat = small_series(images=np.ones_like(series.images))
    check_fault(lambda: aet.Tomography(flat), "images of one value", "empty", "image 0")
    refused_of_volumes(series)


def refused_of_volumes(series):
    """What a reconstruction of a volume is not, and the other way round."""
    recon = aet.Tomography(series)
    for name, call in {
        "atoms": lambda: recon.atoms,
        "atoms of a snapshot": lambda: recon.snapshot().atoms,
        "errors of atoms": recon.estimate_errors,
        "shape of atoms": recon.fit_orbital,
        "an optimiser": lambda: recon.run(optimizer="lbfgs"),
        "J d": lambda: recon.push_forward(None, recon.parameters),
        "terms": lambda: recon.add_term("volume", lambda values, gradient: 0.0),
    }.items():
        check_fault(call, f"no {name} of a volume", "unsupported")
    recon.freeze("drift", False)
    check_fault(recon.run, "a run with drift free", "unsupported", "drift", "freeze")
    check_fault(recon.step, "a step with drift free", "unsupported", "drift")
    recon.freeze("drift")
    check("frozen again, it runs", recon.run(max_iterations=1) == "max_iterations")
    x = recon.parameters
    check_fault(lambda: recon.loss(x[:-1]), "too few voxels", "stale_parameters", x.size)
    check_fault(lambda: recon.loss(np.full_like(x, np.nan)), "NaN voxels", "non_finite")
    check_fault(lambda: recon.set_block("volume", np.zeros((2, 2, 2))), "a block of another shape", "shape")
    check_fault(lambda: recon.set_block("volume", -1.0), "voxels below 0", "range", "volume")
    check("it is as before", np.array_equal(recon.parameters, x))
    orbitals = aet.LocalOrbital(series, start=POSITIONS, model="direct")
    check_fault(lambda: orbitals.volume, "no volume of atoms", "unsupported")
    check_fault(lambda: orbitals.snapshot().volume, "no volume of a snapshot of atoms", "unsupported")
    recon.close()
    check_fault(lambda: recon.volume, "a closed one", "stale_handle")
