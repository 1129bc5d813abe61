# Reconstructions of volumes, and bad input.

# Small volumes: Julia interprets this script.
const CUBE = (nz = 20, ny = 20, nx = 20)
const METHODS = (:resire, :sirt, :sart, :art, :cgls, :fbp, :wbp, :genfire, :est, :resire_fourier)

"Two iterations of each method, driven and in one call, give a finite volume of the same voxels."
function check_methods(series)
    for method in METHODS
        recon = Tomography(series; method = method, iterations = 2, CUBE...)
        outcome = run!(recon; iterations = 2)
        values = volume(recon).values
        finite = all(isfinite, values) && any(!=(0), values)
        check("$method gives a volume", outcome === :max_iterations && finite, outcome)
        quick = reconstruct_volume(series; method = method, iterations = 2, CUBE...)
        check("$method in one call", quick.values == values && length(residuals(quick)) in (1, 2))
    end
end

function check_tomography(data, scratch)
    series = read_series(data)
    check_methods(series)
    recon = Tomography(series; CUBE...)
    check("a new one", recon isa Reconstruction && occursin("Tomography", repr(recon)))
    check("it begins with zeros", all(==(0), volume(recon).values))
    check("blocks", [b.name for b in layout(recon)] == [:volume, :drift, :angles, :scale, :background])
    check("only the volume is free", [b.frozen for b in layout(recon)] == [false, true, true, true, true])
    seen = Int[]
    outcome = run!(p -> (push!(seen, p.iteration); true), recon; iterations = 8)
    told, values = history(recon), volume(recon).values
    check("progress and history", outcome === :max_iterations && maximum(seen) == 8 && last(told.iteration) == 8)
    # Foci of a tilt share a view and differ: that part of the loss stays.
    check("the loss falls", last(told.loss) < first(told.loss) && all(isnan, told.r_free))
    check("the R factor falls", last(told.r_factor) < first(told.r_factor))
    check("parameters are voxels, z slowest", parameters(recon) == vec(permutedims(values, (2, 1, 3))))
    check("so is the block", block(recon, :volume) == permutedims(values, (3, 1, 2)))
    picture = snapshot(recon)
    step!(recon)
    check("snapshots keep their volume", volume(picture).values == values && picture.iteration == 8)
    check_start_values(series)
    check_gradient(series)
    check_stored(series, recon, scratch)
    on(n) = reconstruct_volume(series; CUBE..., iterations = 3, context = Context(threads = n)).values
    one, three = on(1), on(3)
    check("threads do not matter", one == three)
end

"Half sets, held-out views, volumes to start from and to stay in, weights, bounds, memory, stopping."
function check_start_values(series)
    even, odd = (reconstruct_volume(series; CUBE..., subset = half, iterations = 5).values for half in (:even, :odd))
    check("half sets differ", even != odd && any(!=(0), even) && any(!=(0), odd))
    held = Tomography(series; CUBE..., held_out = 0.25, seed = 3)
    run!(held; iterations = 3)
    free = history(held).r_free
    check("views are held out", all(isfinite, free) && last(free) < first(free))

    start = reconstruct_volume(series; CUBE..., iterations = 5)
    check("a volume to start from", volume(Tomography(series; CUBE..., initial = start)).values == start.values)
    mask = zeros(size(start))
    mask[(n ÷ 4 + 1:n - n ÷ 4 for n in size(mask))...] .= 1
    within = reconstruct_volume(series; CUBE..., support = Volume(mask, start.voxel_size), iterations = 3).values
    check("a support", all(==(0), within[mask .== 0]) && any(!=(0), within))
    flat = reconstruct_volume(series; nz = 4, ny = series.rows, nx = series.columns, iterations = 2)
    check("any shape", size(flat) == (series.rows, series.columns, 4))
    weights = [0.5; ones(series.image_count - 1)]
    heavy = reconstruct_volume(series; CUBE..., image_weights = weights, iterations = 5)
    check("images have weights", heavy.values != start.values)
    signed = reconstruct_volume(series; CUBE..., positivity = false, iterations = 5)
    check("positivity is an option", minimum(signed.values) < 0)
    bytes = estimate_tomography_memory(series; CUBE...)
    same = bytes == memory_estimate(Tomography(series; CUBE...))
    check("memory is known beforehand", same && bytes > 4 * length(mask))
    stopped = reconstruct_volume(p -> p.iteration < 3, series; CUBE..., iterations = 50)
    check("what was done is kept", any(!=(0), stopped.values) && length(residuals(stopped)) == 3)
    recon = Tomography(series; CUBE...)
    check("by a run, too", run!(p -> p.iteration < 3, recon) === :cancelled && any(!=(0), volume(recon).values))
end

"Loss and gradient against a difference along random directions of the voxels."
function check_gradient(series)
    recon = Tomography(series; CUBE..., positivity = false)
    run!(recon; iterations = 4)
    x = parameters(recon)
    direction = [sin(7.1i) for i in 1:length(x)]
    loss, gradient = loss_and_gradient(recon, x)
    at(step) = loss_and_gradient!(nothing, recon, x .+ step .* direction)
    slope, measured = sum(gradient .* direction), (at(0.1) - at(-0.1)) / 0.2
    check("gradient of the voxels", isapprox(slope, measured; rtol = 1e-3), (slope, measured))
    check("the loss alone is the same", at(0) == loss)
    check("calculated images", size(predict(recon, x; images = [1])) == (series.rows, series.columns, 1))
    for name in (:drift, :angles, :scale, :background)
        freeze!(recon, name, false)
    end
    all_loss, all_gradient = loss_and_gradient(recon)
    check("with all blocks free", all_loss == loss && all_gradient[1:length(x)] == gradient)
    check("they have gradients, too", any(!=(0), all_gradient[length(x)+1:end]))
end

function check_stored(series, recon, scratch)
    file = joinpath(scratch, "tomography.aet")
    save(recon, file)
    again = load_reconstruction(file, series)
    check("a stored one", again isa Tomography && parameters(again) == parameters(recon))
    foreach(each -> run!(each; iterations = 2), (recon, again))
    check("goes on to the last bit", parameters(again) == parameters(recon))
    check_fault(() -> load_reconstruction(file, series, small_probe()), "with a probe", :inconsistent, "probe")
    check_fault(() -> load_reconstruction(file, small_series()), "a volume of another series", :inconsistent)
end

function check_tomography_refuses()
    series = small_series()
    make(; keywords...) = () -> Tomography(series; keywords...)
    cube(value) = Volume(fill(value, ROWS, ROWS, ROWS), PIXEL_SIZE)
    other = Volume(ones(5, 6, 4), PIXEL_SIZE)
    check_fault(make(support = cube(0.0)), "a support of zeros", :empty, "support")
    check_fault(make(support = other), "a support of another shape", :shape, "support", "[4, 5, 6]", "$ROWS")
    check_fault(make(initial = other), "a start of another shape", :shape, "initial", "[4, 5, 6]", "$ROWS")
    check_fault(make(initial = zeros(ROWS, ROWS, ROWS)), "an array as start", :dtype, "initial")
    check_fault(make(support = small_probe()), "a probe as support", :stale_handle, "aet_volume")
    closed = cube(1.0)
    close(closed)
    check_fault(make(support = closed), "a closed support", :stale_handle)
    check_fault(make(method = :magic), "an unknown method", :unknown_option, "magic", "resire_fourier")
    check_fault(make(method = 77), "an unknown number", :unknown_option, "77")
    check_fault(make(metod = :sirt), "a misspelt option", :unknown_option, "metod", "method")
    check_fault(make(background = :blue), "unknown background", :unknown_option, "background")
    waived = Tomography(series; method = :cgls, positivity = true)
    check("positivity is waived where it cannot be", layout(waived)[1].lower < 0)
    check_fault(make(method = :cgls, upper_bound = 1), "a bound that cannot be", :unsupported, "upper_bound", "cgls")
    check_fault(make(method = :fbp, held_out = 0.3), "views held out of one step", :unsupported, "held_out", "fbp")
    check_fault(make(method = :sart, total_variation = 1), "terms that cannot be", :unsupported, "sart", "resire")
    check_fault(make(held_out = 0.9), "most views held out", :range, "held_out", "0.9")
    check_fault(make(relaxation = 2.5), "long steps", :range, "relaxation", "2.5")
    check_fault(make(voxel_size = 9), "voxels larger than pixels", :range, "voxel_size")
    check_fault(make(nz = -1, ny = 4, nx = 4), "a negative edge", :range, "nz", "-1")
    check_fault(make(image_weights = [1.0, 2.0]), "two weights", :shape, "image_weights", "$IMAGES")
    check_fault(make(image_weights = Float64[]), "no weights", :empty, "image_weights")
    check_fault(make(image_weights = "heavy"), "words as weights", :dtype, "image_weights")
    check_fault(make(memory_limit = 1e3), "a small memory", :memory, "memory_limit", "1000")
    check_fault(() -> reconstruct_volume(series; memory_limit = 1e3), "in one call, too", :memory, "memory_limit")
    empty = TiltSeries(rows = ROWS, columns = COLUMNS, pixel_size = PIXEL_SIZE)
    check_fault(() -> run!(Tomography(empty)), "no images", :not_ready, "append")
    check_not_of_volumes(series)
end

"What a reconstruction of a volume is not, and the other way round."
function check_not_of_volumes(series)
    recon = Tomography(series)
    x = parameters(recon)
    check_fault(() -> atoms(recon), "no atoms of a volume", :unsupported)
    check_fault(() -> atoms(snapshot(recon)), "no atoms of its snapshot", :unsupported)
    check_fault(() -> estimate_errors(recon), "no error bars", :unsupported)
    check_fault(() -> run!(recon; optimizer = :lbfgs), "no optimiser", :unsupported, "lbfgs")
    check_fault(() -> push_forward(recon, x, x), "no J d", :unsupported)
    check_fault(() -> add_term!((v, g) -> 0.0, recon, :volume), "no terms", :unsupported)
    freeze!(recon, :drift, false)
    check_fault(() -> run!(recon), "a run with drift free", :unsupported, "drift", "freeze")
    freeze!(recon, :drift)
    check("frozen again, it runs", run!(recon; iterations = 1) === :max_iterations)
    check_fault(() -> loss_and_gradient(recon, x[1:end-1]), "too few voxels", :stale_parameters)
    check_fault(() -> set_block!(recon, :volume, zeros(2, 2, 2)), "a block of another shape", :shape)
    orbitals = small_reconstruction()
    check_fault(() -> volume(orbitals), "no volume of atoms", :unsupported)
    check_fault(() -> volume(snapshot(orbitals)), "no volume of a snapshot of atoms", :unsupported)
    close(recon)
    check_fault(() -> volume(recon), "a closed one", :stale_handle)
end
