# What Julia gets back for bad input: the right exception, a message with what was got and what
# was wanted, and nothing lost.
#
#   JULIA_NUM_THREADS=2 julia --compile=min --project=bindings/julia tests/hosts/julia/bad_input.jl DATA SCRATCH
#
# DATA is a data folder with true atoms, SCRATCH an existing folder to write to.
# Julia 1.5.3 cannot throw from compiled code on some systems, hence --compile=min.

using AET

include("checks.jl")
include("problem.jl")
include("detectors.jl")
include("simulations.jl")
include("ensembles.jl")
include("series.jl")
include("orbitals.jl")
include("volumes.jl")
include("finding.jl")
include("tomography.jl")
include("volume_filters.jl")
include("accuracy.jl")
include("classification.jl")
include("lattices.jl")
include("instrument.jl")
include("specimens.jl")
include("generated.jl")

length(ARGS) == 2 || (println(stderr, "usage: bad_input.jl DATA SCRATCH"); exit(2))
const DATA, SCRATCH = ARGS
const ROTATIONS = tilt_rotations()

"A series of the problem with some keywords replaced."
function series_with(images = zeros(ROWS, COLUMNS, IMAGES); keywords...)
    return TiltSeries(images; merge((rotations = ROTATIONS, pixel_size = PIXEL_SIZE), values(keywords))...)
end

function check_closed_handles()
    context, series, probe, recon = Context(threads = 1), small_series(), small_probe(), small_reconstruction()
    list, picture = atoms(recon), snapshot(recon)
    for object in (context, series, probe, list, picture, recon)
        close(object)
        close(object)
    end
    check_fault(() -> TiltSeries(zeros(4, 4, 1); context = context, pixel_size = 1.0), "closed context",
                :stale_handle, "closed")
    check_fault(() -> thread_count(context), "closed context, getter", :stale_handle)
    check_fault(() -> series.images, "closed series", :stale_handle)
    check_fault(() -> LocalOrbital(series; start = POSITIONS, model = :direct), "closed series, a recon on it",
                :stale_handle)
    check_fault(() -> wave(probe, 8, 8; pixel_size = 0.5), "closed probe", :stale_handle)
    check_fault(() -> list.positions, "closed atoms", :stale_handle)
    check_fault(() -> picture.loss, "closed snapshot", :stale_handle)
    check_fault(() -> run!(recon), "closed reconstruction, run!", :stale_handle)
    check_fault(() -> parameters(recon), "closed reconstruction, parameters", :stale_handle)
end

function check_null_and_struct_size()
    out = Ref{Ptr{Cvoid}}(C_NULL)
    null(status) = () -> AET.check(status)
    check_fault(null(AET.aet_recon_step(C_NULL, C_NULL, Ref{Any}(nothing))), "NULL reconstruction", :null, "recon")
    check_fault(null(AET.aet_atoms_create(C_NULL, C_NULL, C_NULL, C_NULL, out)), "NULL positions", :null, "positions")
    check_fault(null(AET.aet_probe_create(C_NULL, out)), "NULL options of a probe", :null)
    check("NULL getters are neutral", AET.aet_dataset_image_count(C_NULL) == 0 && AET.aet_recon_generation(C_NULL) == 0)
    foreach(free -> free(C_NULL), (AET.aet_context_free, AET.aet_dataset_free, AET.aet_probe_free,
                                   AET.aet_orbital_free, AET.aet_atoms_free, AET.aet_recon_free, AET.aet_snapshot_free))
    check("free of NULL does nothing", true)
    options = AET.defaults(AET.ProbeOptions, AET.aet_probe_options_init)
    options.struct_size = 4
    check_fault(null(AET.aet_probe_create(options, out)), "struct_size of 4", :struct_size, "4")
    options.struct_size = 0
    check_fault(null(AET.aet_probe_create(options, out)), "struct_size of 0", :struct_size, "0")
    check("failures write no handle", out[] == C_NULL)
end

function check_foreign_handles()
    probe, series, recon = small_probe(), small_series(), small_reconstruction()
    pointer = getfield(recon, :pointer)
    refused(status) = () -> AET.check(status)
    GC.@preserve probe series begin
        check_fault(refused(AET.aet_recon_step(getfield(probe, :pointer), C_NULL, Ref{Any}(nothing))),
                    "a probe as reconstruction", :stale_handle, "recon")
        check_fault(refused(AET.aet_recon_save(getfield(series, :pointer), "nowhere.aet")),
                    "a series as reconstruction", :stale_handle, "recon")
    end
    close(recon)
    check_fault(refused(AET.aet_recon_step(pointer, C_NULL, Ref{Any}(nothing))), "a freed pointer", :stale_handle)
    AET.aet_recon_free(pointer)
    check("a freed pointer freed again", AET.aet_recon_generation(pointer) == 0)
    check("what the pointers belong to lives on", series.tilt_count == TILTS && probe.energy_ev == 300e3)
end

function check_shapes()
    check_fault(() -> series_with(rotations = ROTATIONS[:, :, 1:2]), "2 rotations for $IMAGES images", :shape,
                "2", "$IMAGES")
    check_fault(() -> series_with(rotations = nothing, angles_deg = zeros(IMAGES, 2)), "angles n x 2", :shape)
    check_fault(() -> series_with(rotations = nothing), "neither rotations nor angles", :null, "rotations", "angles_deg")
    check_fault(() -> series_with(angles_deg = zeros(IMAGES, 3)), "both rotations and angles", :inconsistent,
                "rotations", "angles_deg")
    check_fault(() -> series_with(drift = zeros(IMAGES, 3)), "drift n x 3", :shape, "3")
    check_fault(() -> series_with(defocus = zeros(1)), "1 defocus for $IMAGES images", :shape)
    check_fault(() -> series_with(mask = trues(2, 2, IMAGES)), "mask of another size", :shape)
    check_fault(() -> TiltSeries(zeros(2, 2, 2, 2); pixel_size = 1.0), "images with four axes", :shape, "4 axes")
    check_fault(() -> Atoms(zeros(3, 2)), "positions n x 2", :shape, "2", "3")
    check_fault(() -> Atoms(POSITIONS; heights = [1.0]), "1 height for $ATOMS atoms", :shape)
    recon = small_reconstruction()
    x = parameters(recon)
    check_fault(() -> loss_and_gradient!(zeros(3), recon, x), "gradient of another length", :shape, "3", "$(length(x))")
    check_fault(() -> set_block!(recon, :positions, zeros(3, ATOMS)), "positions 3 x n", :shape)
    check_fault(() -> predict!(zeros(ROWS, COLUMNS, 1), recon, x), "too few images to fill", :shape)
    check_fault(() -> predict!(zeros(ComplexF32, ROWS, COLUMNS, IMAGES), recon, x), "complex images to fill", :dtype)
    check_fault(() -> predict!(zeros(Int64, ROWS, COLUMNS, IMAGES), recon, x), "Int64 images to fill", :dtype)
    check_fault(() -> loss_and_gradient(recon, x; images = [0]), "image 0", :range, "0")
    check_fault(() -> loss_and_gradient(recon, x; images = [IMAGES + 1]), "image beyond the last", :range)
    check_fault(() -> loss_and_gradient(recon, x; images = Int[]), "no images", :empty)
    check_fault(() -> pull_back(recon, x, zeros(ROWS, COLUMNS, 1)), "too few residuals", :shape, "1", "$IMAGES")
    check("the parameters are as before", parameters(recon) == x)
end

function check_overlap()
    recon = small_reconstruction()
    out = AET.output_view(zeros(ATOMS, 3))
    v = out.view
    out.view = AET.View(v.data, v.dtype, v.ndim, 0, 0, v.shape, (1, 0, 0, 0, 0, 0, 0, 0))
    check_fault(() -> AET.check(AET.aet_recon_get_block(recon, "positions", out)), "out view with stride 0", :overlap)
end

function check_values()
    for (name, value) in ("NaN" => NaN, "Inf" => Inf), T in (Float32, Float64)
        images = zeros(T, ROWS, COLUMNS, IMAGES)
        images[3, 4, 2] = value
        check_fault(() -> series_with(images), "$name pixel, $T", :non_finite)
    end
    skewed = copy(ROTATIONS)
    skewed[1, 1, 2] += 0.1
    check_fault(() -> series_with(rotations = skewed), "matrix that is no rotation", :inconsistent, "rotation")
    check_fault(() -> series_with(pixel_size = 0.0), "pixel size 0", :range, "0")
    check_fault(() -> series_with(pixel_size = -0.3), "pixel size -0.3", :range)
    check_fault(() -> Probe(energy_ev = -1.0, semiangle_mrad = 25.0), "negative energy", :range)
    check_fault(() -> Probe(energy_ev = 300e3, semiangle_mrad = 0.0), "semi-angle 0", :range)
    check_fault(() -> Context(threads = -1), "-1 threads", :range, "-1")
    check_fault(() -> Atoms(zeros(0, 3)), "no atoms", :empty)
    check_fault(() -> Atoms([NaN 0.0 0.0]), "NaN position", :non_finite)
    check_kept_after_bad_values()
    series = small_series()
    check_fault(() -> LocalOrbital(series, small_probe(); start = POSITIONS .+ 1e4, model = :rigid),
                "atoms outside every image", :inconsistent)
    check_fault(() -> LocalOrbital(series; start = POSITIONS, model = :rigid), "rigid model without a probe",
                :null, "probe")
    empty = TiltSeries(rows = ROWS, columns = COLUMNS, pixel_size = PIXEL_SIZE)
    check_fault(() -> run!(LocalOrbital(empty; start = POSITIONS, model = :direct)), "run on an empty series", :not_ready)
end

"Neither a series nor a reconstruction changes where a change is refused."
function check_kept_after_bad_values()
    series, recon = small_series(), small_reconstruction()
    images, version, x = series.images, series.version, parameters(recon)
    bad = images[:, :, 1:2]
    bad[5, 6, 2] = NaN
    rotations = ROTATIONS[:, :, 1:2]
    check_fault(() -> append_tilt!(series, bad; rotations = rotations), "appended NaN pixel", :non_finite)
    check_fault(() -> append_tilt!(series, bad[:, 2:end, :]; rotations = rotations), "appended images of another size",
                :shape)
    check_fault(() -> append_tilt!(series, images[:, :, 1:2]; rotations = ROTATIONS[:, :, 2:3]),
                "one tilt of two rotations", :inconsistent)
    check_fault(() -> replace_tilt!(series, 1, bad; rotations = rotations), "NaN pixel as replacement", :non_finite)
    check("the series is as before", series.version == version && series.images == images)
    check_fault(() -> set_parameters!(recon, fill(NaN, length(x))), "NaN parameters", :non_finite)
    check_fault(() -> loss_and_gradient(recon, fill(Inf, length(x))), "infinite parameters", :non_finite)
    check_fault(() -> set_block!(recon, :widths, fill(-1.0, size(block(recon, :widths)))), "negative widths", :range)
    check("the reconstruction is as before", parameters(recon) == x)
end

function check_options()
    series, probe = small_series(), small_probe()
    recon(; keywords...) = () -> LocalOrbital(series, probe; start = POSITIONS, keywords...)
    check_fault(recon(model = :curved), "unknown model by name", :unknown_option, "curved", ":rigid")
    check_fault(recon(model = 99), "unknown model by number", :unknown_option, "99")
    check_fault(recon(loss = -3), "unknown loss by number", :unknown_option, "-3")
    check_fault(recon(modle = :rigid), "misspelt option", :unknown_option, "modle", "model")
    check_fault(recon(width_min = 2.0, width_max = 1.0), "width_min above width_max", :range)
    check_fault(() -> series_with(pixelsize = 1.0), "misspelt keyword of a series", :unknown_option, "pixelsize")
    small = small_reconstruction()
    check_fault(() -> set_param!(small, "no_such_name", 1.0), "unknown parameter", :unknown_option, "no_such_name")
    check_fault(() -> block(small, :colours), "unknown block", :unknown_option, "colours", "positions")
    check_fault(() -> run!(small; optimizer = :newton), "unknown optimizer by name", :unknown_option, "newton", ":adam")
    check_fault(() -> run!(small; optimizer = 99), "unknown optimizer by number", :unknown_option, "99")
    check_fault(() -> run!(small; optimizer = :adam, batch_fraction = 1.5), "batches of 150 %", :range, "batch_fraction")
    check_fault(() -> run!(small; optimizer = :adam, batch_fraction = NaN), "batches of NaN", :range, "batch_fraction")
    check_fault(() -> set_param!(small, "adam.step", NaN), "a step of NaN", :range, "adam.step")
    check_fault(() -> run!(small; iteration = 3), "misspelt option of run!", :unknown_option, "iteration")
end

function check_radians()
    lines = String[]
    set_log!((level, message) -> push!(lines, string(level, " ", message)), :warning)
    TiltSeries(zeros(ROWS, COLUMNS, 3), [-1.0, 0.0, 1.0]; tilt_axis = :y, pixel_size = PIXEL_SIZE)
    check("angles in radians: a warning", length(lines) == 1 && occursin(r"^warning .*radian", lines[1]), lines)
    TiltSeries(zeros(ROWS, COLUMNS, 3), [-60.0, 0.0, 60.0]; tilt_axis = :y, pixel_size = PIXEL_SIZE)
    set_log!(nothing)
    check("angles in degrees: none", length(lines) == 1, lines)
end

# ---- runs ----

"Whether a reconstruction still runs."
runs(recon) = run!(recon; iterations = 2) in (:max_iterations, :converged)

"A reconstruction of the data folder, whose fit takes a while."
function long_reconstruction(context)
    series = read_series(DATA; context = context)
    probe = Probe(energy_ev = series.energy_ev, semiangle_mrad = series.semiangle_mrad)
    start = Atoms(read_atoms(DATA, :truth; context = context).positions .+ 0.1)
    return LocalOrbital(series, probe; start = start, model = :rigid, precision = :double, context = context)
end

present_loss(recon) = loss_and_gradient!(nothing, recon, parameters(recon))

# Rules that no run meets before it is cancelled.
const ENDLESS = (iterations = 1_000_000, loss_tolerance = 1e-300, gradient_tolerance = 1e-300)

function check_cancel()
    context = Context(threads = 1)
    recon = long_reconstruction(context)
    first_loss, asked = present_loss(recon), Ref(0.0)
    outcome = run!(recon; ENDLESS...) do p
        p.iteration < 2 && return true
        asked[] = time()
        return false
    end
    check("cancelled run says so", outcome === :cancelled, outcome)
    check("cancelled run returns within a second", time() - asked[] < 1)
    kept = present_loss(recon)
    check("cancelled run keeps the best state", kept < first_loss && kept == last(history(recon).loss), kept)
    outcome = run!(recon; ENDLESS...) do p
        request_cancel(context)
        true
    end
    check("request_cancel ends the run", outcome === :cancelled, outcome)
    check("and keeps the best state", present_loss(recon) <= kept)
    outcomes = (step!(_ -> false, recon), run!(_ -> false, recon; iterations = 1))
    check("cancelled step, and last iteration", outcomes == (:cancelled, :cancelled), outcomes)
    check("they keep the best state", present_loss(recon) <= kept)
    check_fault(() -> read_series(_ -> false, DATA; context = context), "cancelled while reading", :cancelled, "reading")
    folder = joinpath(SCRATCH, "never complete")
    check_fault(() -> write(_ -> false, folder, recon.series), "cancelled while writing", :cancelled, "writing")
    check("nothing of it is left behind", !any(name -> occursin("never", name), readdir(SCRATCH)), readdir(SCRATCH))
    request_cancel(context)
    check("a request with nothing under way is forgotten", runs(recon))
end

"""
Seconds between a request from a second thread and the end of `work`, which is repeated until one request falls
into it; `nothing` where none did in ten seconds.
"""
function cancelled_after(work, context)
    requested, over = Threads.Atomic{Float64}(time()), Threads.Atomic{Bool}(false)
    worker = Threads.@spawn while !over[]
        Libc.systemsleep(0.003)
        requested[] = time()
        request_cancel(context)
    end
    began, seconds = time(), nothing
    while seconds === nothing && time() - began < 10
        try
            work() === :cancelled && (seconds = time() - requested[])
        catch exception
            exception isa AETError && exception.name == "AET_CANCELLED" || rethrow()
            seconds = time() - requested[]
        end
    end
    over[] = true
    wait(worker)
    return seconds
end

function check_cancel_from_second_thread()
    Threads.nthreads() > 1 || return println("skip  cancelling from a second thread: needs JULIA_NUM_THREADS=2")
    context = Context(threads = 1)
    recon = long_reconstruction(context)
    series, start = recon.series, atoms(recon)
    probe = Probe(energy_ev = series.energy_ev, semiangle_mrad = series.semiangle_mrad)
    x, loss = parameters(recon), present_loss(recon)
    residuals = zeros(series.rows, series.columns, series.image_count)
    phases = ("run" => () -> run!(recon; ENDLESS...), "evaluation" => () -> loss_and_gradient(recon, x),
              "prediction" => () -> predict(recon, x), "pull-back" => () -> pull_back(recon, x, residuals),
              "creation" => () -> LocalOrbital(series, probe; start = start, model = :rigid, context = context),
              "reading" => () -> read_series(DATA; context = context))
    for (name, work) in phases
        seconds = cancelled_after(work, context)
        check("$name cancelled from a second thread within a second", seconds !== nothing && seconds < 1, seconds)
    end
    check("the best state is kept", present_loss(recon) <= loss && runs(recon))
end

# Every optimiser comes as near to the loss of L-BFGS as stated, relative to the fall from the start.
function check_optimizers()
    series = read_series(DATA)
    start = Atoms(read_atoms(DATA, :truth).positions .+ 0.1)
    create() = LocalOrbital(series; start = start, model = :direct)
    run(recon; keywords...) = run!(recon; iterations = 200, loss_tolerance = 1e-12, keywords...)
    reference = create()
    first_loss = present_loss(reference)
    run(reference)
    lowest = present_loss(reference)
    for (optimizer, tolerance) in (:lbfgs => 1e-12, :gradient_descent => 1e-3, :adam => 2e-2,
                                   :conjugate_gradient => 1e-5, :levenberg_marquardt => 1e-5)
        recon = create()
        run(recon; optimizer = optimizer, seed = 3, batch_fraction = 0.2)
        excess = (present_loss(recon) - lowest) / (first_loss - lowest)
        check("$optimizer reaches the loss of L-BFGS", excess < tolerance, excess)
    end
end

function check_callbacks()
    recon = small_reconstruction()
    check_throws(() -> run!(_ -> error("from the callback"), recon), "exception of a progress function is rethrown",
                 e -> e isa ErrorException && e.msg == "from the callback")
    check_throws(() -> run!(_ -> "yes", recon), "answer that is no Bool", e -> e isa ArgumentError)
    check_throws(() -> run!(_ -> throw(KeyError(:a)), recon), "another kind of exception", e -> e isa KeyError)
    set_log!((level, message) -> error("from the log"), :debug)
    check_throws(() -> series_with(rotations = nothing, angles_deg = range(-1, 1, length = IMAGES), tilt_axis = :y),
                 "exception of a log function is rethrown", e -> e isa ErrorException && e.msg == "from the log")
    set_log!(nothing)
    check("the reconstruction works after all that", runs(recon))
end

function check_terms_and_products()
    recon = small_reconstruction()
    x, before = parameters(recon), present_loss(recon)
    direction = fill(0.01, length(x))
    product = gauss_newton_product(recon, x, direction)
    change = push_forward(recon, x, direction)
    check("the product is J'J", isapprox(direction' * product, sum(abs2, change) / length(change); rtol = 1e-12))
    check("the diagonal is positive", all(>(0), gauss_newton_diagonal(recon, x; probes = 3)))
    check_fault(() -> push_forward(recon, x, direction[2:end]), "short direction", :shape, "direction")
    check_fault(() -> gauss_newton_product(recon, x, fill(NaN, length(x))), "NaN direction", :non_finite, "direction")
    check_fault(() -> gauss_newton_diagonal(recon, x; probes = -1), "negative probes", :range, "probes")
    check_fault(() -> index_map(recon, 7), "generation to come", :range, "generation")
    freeze!(recon, :heights)
    check("indices follow a frozen block", index_map(recon, 1) == [1:3ATOMS; 4ATOMS+1:length(x)])
    freeze!(recon, :heights, false)

    check_fault(() -> add_term!((h, g) -> 0.0, recon, :colours), "term on no block", :unknown_option, "colours")
    seen = Ref{Any}(nothing)
    add_term!(recon, :positions, 0.5) do p, g
        seen[] = copy(p)
        g === nothing || (g .= p)
        sum(abs2, p) / 2
    end
    GC.gc()
    loss, gradient = loss_and_gradient(recon, x)
    check("a term sees its block", seen[] == block(recon, :positions))
    check("and adds to the loss", isapprox(loss - before, sum(abs2, POSITIONS .+ 0.1) / 4; rtol = 1e-9))
    check("and to the gradient", isapprox(gradient[2] - loss_and_gradient(small_reconstruction(), x)[2][2], x[2] / 2;
                                          rtol = 1e-6))
    clear_terms!(recon)
    add_term!((h, g) -> error("from the term"), recon, :heights)
    thrown(e) = e isa ErrorException && e.msg == "from the term"
    check_throws(() -> loss_and_gradient(recon, x), "exception of a term is rethrown", thrown)
    check_throws(() -> run!(recon), "by a run, too", thrown)
    clear_terms!(recon)
    add_term!((h, g) -> NaN, recon, :heights)
    check_fault(() -> step!(recon), "NaN loss of a term", :callback, "heights")
    clear_terms!(recon)
    set_projection!(v -> (v[3] = 0.25), recon)
    step!(recon)
    check("a projection acts", parameters(recon)[3] == 0.25)
    set_projection!(v -> error("from the term"), recon)
    check_throws(() -> step!(recon), "exception of a projection is rethrown", thrown)
    set_projection!(nothing, recon)
    check("the reconstruction works after all that", runs(recon))
    errors = estimate_errors(recon)
    bars = errors.atoms.standard_error
    check("error bars", size(bars) == (ATOMS, 3) && all(>(0), bars) && errors.undetermined == 0)
    check("what they predict", isapprox(errors.predicted_rmsd_pm, 100 * sqrt(sum(abs2, bars) / ATOMS); rtol = 1e-12))
    check("method and noise are told", errors.method === :dense && errors.noise === :residual)
    check_fault(() -> estimate_errors(recon; noise = :counts), "noise that is not known", :not_ready, "counts_per_unit")
    check_fault(() -> estimate_errors(recon; method = :guess), "another method", :unknown_option, "local")
    check_fault(() -> estimate_errors(recon; radius = -1), "negative radius", :range, "radius")
    check_fault(() -> estimate_errors(_ -> false, recon), "errors cancelled", :cancelled)
    of_background = block_errors(recon, :background)
    check("errors of a block", size(of_background) == size(block(recon, :background)) && all(>(0), of_background))
    of_two = block_errors(recon, :positions; rows = [2, 1])
    check("and of two atoms", size(of_two) == (2, 3) && all(>(0), of_two))
    check_fault(() -> block_errors(recon, :positions; rows = [ATOMS + 1]), "and of none", :range, "rows")
    check_fault(() -> block_errors(recon, :scale), "errors of a frozen block", :not_ready, "frozen")
    check_fault(() -> block_errors(recon, :background; noise = :guess), "another noise", :unknown_option, "residual")
    check_fault(() -> block_errors(_ -> false, recon, :background), "errors of a block cancelled", :cancelled)
    freeze!(recon, :positions)
    check_fault(() -> estimate_errors(recon), "errors of frozen positions", :not_ready, "positions")
end

function check_reentry()
    recon = small_reconstruction()
    reenter(f) = () -> run!(recon; iterations = 3) do p
        f()
        true
    end
    check_fault(reenter(() -> run!(recon)), "run! from its own progress function", :busy)
    check_fault(reenter(() -> step!(recon)), "step! from a progress function", :busy)
    check_fault(reenter(() -> set_parameters!(recon, parameters(recon))), "set_parameters! during a run", :busy)
    check_fault(reenter(() -> freeze!(recon, :widths)), "freeze! during a run", :busy)
    check("the reconstruction works after all that", runs(recon))
    outcome = reenter(() -> close(recon))()
    check("closed during a run, the run ends as usual", outcome in (:max_iterations, :converged), outcome)
    check_fault(() -> parameters(recon), "closed during a run, used afterwards", :stale_handle)
end

function check_stale_parameters()
    recon = small_reconstruction()
    x, before = parameters(recon), generation(recon)
    freeze!(recon, :widths)
    check("freeze! raises the generation", generation(recon) > before)
    check_fault(() -> loss_and_gradient(recon, x), "parameters of another generation", :stale_parameters, "$(length(x))")
    check_fault(() -> set_parameters!(recon, x), "setting parameters of another generation", :stale_parameters)
    check("the new parameters work", isfinite(first(loss_and_gradient(recon))))
end

function check_changes_during_run()
    series = small_series()
    recon = LocalOrbital(series, small_probe(); start = POSITIONS .+ 0.1, model = :rigid)
    images, version = series.images[:, :, 1:2], series.version
    losses, tilts = Float64[], Int[]
    run!(recon; iterations = 6, loss_tolerance = 1e-300) do p
        push!(losses, snapshot(recon).loss)
        if p.iteration == 2 && isempty(tilts)
            push!(tilts, append_tilt!(series, images; rotations = ROTATIONS[:, :, 1:2]))
        end
        true
    end
    check("snapshots during a run", all(isfinite, losses) && !isempty(losses), losses)
    check("appending during a run", tilts == [TILTS + 1] && series.version > version, tilts)
    versions = history(recon).dataset_version
    check("the run took it up", maximum(versions) >= series.version, versions)
    exclude_tilt!(series, TILTS + 1)
    replace_tilt!(series, 1, images; rotations = ROTATIONS[:, :, 1:2])
    check("excluding and replacing", count(series.excluded) == 2, series.excluded)
    check_fault(() -> exclude_tilt!(series, TILTS + 5), "a tilt that is not there", :range, "$(TILTS + 4)")
end

"""
Appends, excludes and takes snapshots while a run is at work; says when it has begun and goes on until the run is over.
"""
function accompany(series, recon, begun, over)
    image, rotation = series.images[:, :, 1:1], ROTATIONS[:, :, 1:1]
    tilt = append_tilt!(series, image; rotations = rotation)
    exclude_tilt!(series, 1)
    begun[] = true
    losses = Float64[]
    while !over[]
        picture = snapshot(recon)
        push!(losses, picture.loss)
        length(atoms(picture)) == ATOMS || push!(losses, NaN)
    end
    return tilt, losses, Threads.threadid()
end

function check_second_thread()
    Threads.nthreads() > 1 || return println("skip  second thread: needs JULIA_NUM_THREADS=2")
    series = small_series()
    recon = LocalOrbital(series, small_probe(); start = POSITIONS .+ 0.1, model = :rigid)
    version, begun, over = series.version, Threads.Atomic{Bool}(false), Threads.Atomic{Bool}(false)
    worker = nothing
    outcome = run!(recon; iterations = 60, loss_tolerance = 1e-300, gradient_tolerance = 1e-300) do p
        p.iteration < 1 && return true
        worker === nothing && (worker = Threads.@spawn accompany(series, recon, begun, over))
        while !begun[] && !istaskdone(worker)     # without yielding, so that the other thread has to do it
            GC.safepoint()
            Libc.systemsleep(0.001)
        end
        return true
    end
    over[] = true
    tilt, losses, thread = fetch(worker)
    check("the run ends by itself", outcome in (:max_iterations, :converged), outcome)
    check("a second thread", thread != Threads.threadid(), thread)
    check("appending and excluding from a second thread", tilt == TILTS + 1 && series.version == version + 2, tilt)
    check("snapshots from a second thread", !isempty(losses) && all(isfinite, losses),
          "$(count(!isfinite, losses)) of $(length(losses)) losses are not finite")
    versions = history(recon).dataset_version
    check("the history tells what was taken up", first(versions) == version && last(versions) == version + 2, versions)
end

# ---- process state ----

function check_flush_to_zero()
    recon = small_reconstruction()
    x = parameters(recon) .+ 0.01
    plain = loss_and_gradient(recon, x)
    set_zero_subnormals(true)
    flushed = loss_and_gradient(recon, x)
    kept = get_zero_subnormals()
    set_zero_subnormals(false)
    check("flush-to-zero changes no bit", plain == flushed)
    check("the host's flush-to-zero is kept", kept)
end

function check_fork()
    Sys.islinux() || return println("skip  fork: Linux only")
    recon = small_reconstruction()
    x, loss = parameters(recon), Ref(0.0)
    evaluate() = AET.aet_recon_loss_and_gradient(recon, length(x), x, C_NULL, 0, loss, C_NULL, C_NULL)
    evaluate()
    child = ccall(:fork, Cint, ())
    child == 0 && ccall(:_exit, Cvoid, (Cint,), evaluate())     # in the child; only the status comes back
    status = Ref{Cint}(-1)
    ccall(:waitpid, Cint, (Cint, Ptr{Cint}, Cint), child, status, 0)
    check("a call after a fork is refused", (status[] >> 8) & 0xff == 202, status[])
    check("the parent works on", evaluate() == 0)
end

# ---- lifetimes ----

"All orders of some items."
permutations_of(items) = isempty(items) ? [items] :
    [vcat(first, rest) for first in items for rest in permutations_of(filter(!=(first), items))]

function check_order_of_release()
    for order in permutations_of(collect(1:5))
        context = Context(threads = 1)
        series, probe = small_series(context = context), small_probe()
        recon = LocalOrbital(series, probe; start = POSITIONS, model = :rigid, context = context)
        objects = [context, series, probe, recon, snapshot(recon)]
        foreach(i -> close(objects[i]), order)
    end
    check("released in each of 120 orders", true)
    context = Context(threads = 1)
    series, probe = small_series(context = context), small_probe()
    recon = LocalOrbital(series, probe; start = POSITIONS, model = :rigid, context = context)
    foreach(close, (context, series, probe))
    check("a reconstruction outlives what it was made of", runs(recon))
end

function check_finalizer_storm()
    for _ in 1:300
        series, probe = small_series(), small_probe()
        recon = LocalOrbital(series, probe; start = POSITIONS, model = :rigid)
        atoms(recon), snapshot(recon), loss_and_gradient(recon)
    end
    GC.gc(true)
    GC.gc(true)
    recon = small_reconstruction()
    run!(recon; iterations = 3) do p
        GC.gc(true)
        true
    end
    check("finalizer storm survived", isfinite(first(loss_and_gradient(recon))))
end

# ---- files ----

"Cut a file to a part of its bytes."
function truncate_file(path, fraction)
    bytes = read(path)
    write(path, bytes[1:floor(Int, fraction * length(bytes))])
end

function check_folders(directory)
    folder = joinpath(directory, "Kippserie mit Ümläuten 傾斜")
    series = small_series()
    set_metadata!(series, "operator", "Åsa"; unit = "")
    write(folder, series)
    again = read_series(folder)
    check("folder with spaces and non-ASCII letters",
          again.images == series.images && again.rotations ≈ series.rotations)
    check("metadata comes through", get(again.metadata, "operator", (value = "",)).value == "Åsa", again.metadata)
    check_fault(() -> read_series(joinpath(directory, "nowhere")), "folder that is not there", :file, "nowhere")
    check_fault(() -> read_series(folder; variant = "no_such"), "variant that is not there", :unknown_option, "no_such")
    check_fault(() -> read_atoms(folder, :truth), "folder without true atoms", :empty, "truth")
    check_fault(() -> read_atoms(folder, :best), "atoms of an unknown kind", :unknown_option, "best", "published")
    check_throws(() -> read_series(_ -> error("stop reading"), folder), "exception while reading is rethrown",
                 e -> e isa ErrorException)
    largest = argmax(Dict(file => filesize(joinpath(folder, file)) for file in readdir(folder)))
    truncate_file(joinpath(folder, largest), 0.5)
    check_fault(() -> read_series(folder), "images cut short", :truncated, largest)
    truncate_file(joinpath(folder, "dataset.json"), 0.5)
    check_fault(() -> read_series(folder), "dataset.json cut short", :format, "dataset.json")
    rm(joinpath(folder, "dataset.json"))
    check_fault(() -> read_series(folder), "folder without dataset.json", :file, "dataset.json")
end

function check_atom_files(directory)
    path = joinpath(directory, "Atome ä.xyz")
    list = Atoms(POSITIONS; species = 14)
    write(path, list)
    again = read_atoms(path)
    check("atoms through a file", again.positions ≈ POSITIONS && all(==(14), again.species))
    truncate_file(path, 0.6)
    check_fault(() -> read_atoms(path), "extended xyz cut short", :format, "2 atoms", "$ATOMS")
    write(path, "no atoms here\n")
    check_fault(() -> read_atoms(path), "file that is no extended xyz", :format)
end

function check_states(directory)
    path = joinpath(directory, "Zustand é.aet")
    series, probe = small_series(), small_probe()
    recon = LocalOrbital(series, probe; start = POSITIONS .+ 0.1, model = :rigid, precision = :double)
    run!(recon; iterations = 3)
    save(recon, path)
    again = load_reconstruction(path, series, probe)
    run!(recon; iterations = 3)
    run!(again; iterations = 3)
    check("a run goes on with the same bits", parameters(again) == parameters(recon))
    bytes = read(path)
    for fraction in (0.9, 0.5, 0.01)
        write(path, bytes[1:floor(Int, fraction * length(bytes))])
        check_fault(() -> load_reconstruction(path, series, probe), "state file cut to $fraction", :truncated)
    end
    write(path, vcat(bytes[1:8], 0xff, bytes[10:end]))      # after eight letters the version
    check_fault(() -> load_reconstruction(path, series, probe), "state file of another version", :file_version, "255", "reads")
    flipped = copy(bytes)
    flipped[end ÷ 2] ⊻= 0x10
    write(path, flipped)
    check_fault(() -> load_reconstruction(path, series, probe), "state file with a bit flipped", :format)
    write(path, repeat(UInt8[1, 2, 3, 4], 250))
    check_fault(() -> load_reconstruction(path, series, probe), "file that is no state", :format, "AETSTATE")
    missing_file = joinpath(directory, "no.aet")
    check_fault(() -> load_reconstruction(missing_file, series, probe), "state file that is not there", :file, "no.aet")
    write(path, bytes)
    check_fault(() -> load_reconstruction(path, small_series_of(MEASURED .+ 1), probe), "state of another series",
                :inconsistent)
    check_fault(() -> load_reconstruction(path, series), "state without its probe", :inconsistent, "probe")
    check_fault(() -> save(recon, joinpath(directory, "nowhere", "a.aet")), "state into no folder", :file, "nowhere")
    check("the whole file still loads", runs(load_reconstruction(path, series, probe)))
end

check_closed_handles()
check_null_and_struct_size()
check_foreign_handles()
check_shapes()
check_overlap()
check_values()
check_options()
check_orbitals()
check_detectors()
check_simulations()
check_ensembles()
check_generated()
check_radians()
check_cancel()
check_cancel_from_second_thread()
check_optimizers()
check_callbacks()
check_terms_and_products()
check_reentry()
check_stale_parameters()
check_changes_during_run()
check_second_thread()
check_flush_to_zero()
check_fork()
check_order_of_release()
check_finalizer_storm()
check_folders(SCRATCH)
check_atom_files(SCRATCH)
check_states(SCRATCH)
check_volumes(SCRATCH)
check_finding()
check_tomography(DATA, SCRATCH)
check_tomography_refuses()
check_volume_filters()
check_accuracy(SCRATCH)
check_classification()
check_lattices()
check_instrument()
check_specimens(SCRATCH)
check_series(SCRATCH)
finish()
