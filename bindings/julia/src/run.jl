# Driving a reconstruction, and what it leaves behind.

"""
    step!([progress,] recon)

One iteration. Returns `:ok`, or as [`run!`](@ref) does.
"""
step!(recon::Reconstruction) = step!(nothing, recon)
function step!(progress, recon::Reconstruction)
    live(recon)
    status = with_progress((report, user) -> aet_recon_step(recon, report, user), progress)
    return symbol_of(OUTCOMES, status)
end

"""
    run!([progress,] recon; iterations, max_seconds, loss_tolerance, gradient_tolerance,
         optimizer, batch_fraction, seed)

Optimise until a rule says to stop, and return which: `:converged`, `:max_iterations`,
`:time_limit` or `:cancelled`. `progress(p::Progress)` is called at least once per iteration; it
returns `true` to go on, `false` to cancel, in which case the best state is kept. What it throws
cancels the run and is thrown again by `run!`.

    run!(recon; iterations = 60) do p
        println(p.iteration, " ", p.loss)
        true
    end

`optimizer` is `:automatic` (L-BFGS), `:lbfgs`, `:gradient_descent`, `:adam`, `:conjugate_gradient`
or `:levenberg_marquardt`. `:adam` works on mini-batches of tilts, `batch_fraction` of them (one tilt)
at a time in an order made from `seed`; an iteration is then a pass over all images, and the run ends
with `:max_iterations` when its schedule, `param(recon, "adam.passes")`, does. Another run with
another optimizer goes on from the best state.

Throws `AET_ERROR_BUSY` when called from its own progress function, and `AET_ERROR_NOT_READY` for
a series without images.
"""
run!(recon::Reconstruction; keywords...) = run!(nothing, recon; keywords...)

function run!(progress, recon::Reconstruction; iterations = nothing, keywords...)
    options = set_options!(defaults(RunOptions, aet_run_options_init), keywords)
    iterations === nothing || set_option!(options, :max_iterations, iterations)
    live(recon)
    status = with_progress((report, user) -> aet_recon_run(recon, options, report, user), progress)
    return symbol_of(OUTCOMES, status)
end

const HISTORY_COLUMNS = (:iteration, :loss, :r_factor, :gradient_norm, :step, :seconds, :evaluations,
    :generation, :dataset_version, :optimizer, :r_free)

"""
    history(recon)

What happened in every iteration so far, as a named tuple of vectors: `iteration`, `loss`,
`r_factor`, `gradient_norm`, `step`, `seconds`, `evaluations`, `generation`, `dataset_version`, `optimizer`
(number of the method, NaN for methods with steps of their own), `r_free` (of the images held out, NaN
without). With `:adam`, `loss` is the mean over the pass.
"""
function history(recon::Reconstruction)
    count = aet_recon_history_count(live(recon))
    columns = map(HISTORY_COLUMNS) do name
        out = zeros(count)
        check(aet_recon_copy_history(recon, string(name), output_view(out)))
        return out
    end
    return NamedTuple{HISTORY_COLUMNS}(columns)
end

"""
    r_factors(recon)

R factor of every image, sum |I_obs - I_cal| / sum |I_obs|; NaN where it is excluded or was not
evaluated yet.
"""
function r_factors(recon::Reconstruction)
    out = zeros(image_count(recon))
    check(aet_recon_copy_r_factors(recon, output_view(out)))
    return out
end

"""
    r_factor_table(recon)

R factors as a [`Table`](@ref) with a row per image: `image`, `tilt`, `section`, `defocus` (A),
`r_factor`; values `r_factor`, the mean, and `largest`.
"""
r_factor_table(recon::Reconstruction) = Table(created(out -> aet_recon_r_factor_table(live(recon), out)))

"""
    record(recon)

Record of the reconstruction as JSON text: options used, versions, instruction-set path, reason of
termination, timings.
"""
record(recon::Reconstruction) = copied_string((text...) -> aet_recon_record(live(recon), text...))

"""
    atoms(recon)
    atoms(snapshot)

The [`Atoms`](@ref) as they are now. Throws `AET_ERROR_UNSUPPORTED` for a [`Tomography`](@ref).
"""
atoms(recon::Reconstruction) = Atoms(created(out -> aet_recon_get_atoms(live(recon), out)))

"""
    geometry(recon)

The geometry as refined so far, a named tuple: `rotations` (3 x 3 x images), `drift` (images x 2,
A), `defocus` (images, A).
"""
function geometry(recon::Reconstruction)
    n = image_count(recon)
    rotations, drift, defocus = zeros(3, 3, n), zeros(n, 2), zeros(n)
    check(aet_recon_get_geometry(recon, output_view(rotations, Matrices), output_view(drift), output_view(defocus)))
    return (rotations = rotations, drift = drift, defocus = defocus)
end

# ---- files ----

"""
    save(recon, path)

Write the state to a file, from which [`load_reconstruction`](@ref) goes on with the same numbers
to the last bit.
"""
function save(recon::Reconstruction, path::AbstractString)
    check(aet_recon_save(live(recon), path))
    return nothing
end

"""
    load_reconstruction(path, series[, probe]; context = default_context())

Read a state that [`save`](@ref) wrote, for the series and probe it was made with: a
[`LocalOrbital`](@ref) or a [`Tomography`](@ref), whose file tells which. Throws
`AET_ERROR_TRUNCATED`, `AET_ERROR_FORMAT` or `AET_ERROR_FILE_VERSION` for files it cannot read and
`AET_ERROR_INCONSISTENT` for another series.
"""
function load_reconstruction(path::AbstractString, series::TiltSeries, probe::Union{Probe,Nothing} = nothing;
                             context::Context = default_context())
    foreach(live, (context, series))
    pointer = created(out -> aet_recon_load(context, series, optional_handle(probe), path, out))
    return holds_volume(pointer) ? Tomography(pointer, series) : LocalOrbital(pointer, series)
end

# ---- snapshots ----

"""
An immutable copy of the latest state of a reconstruction: `iteration`, `loss` (NaN while it is not
known), `generation`, and [`atoms`](@ref) or [`volume`](@ref).
"""
mutable struct Snapshot <: Handle
    pointer::Ptr{Cvoid}
    Snapshot(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

free(::Snapshot, pointer) = aet_snapshot_free(pointer)

"""
    snapshot(recon)

The latest consistent state, from any thread and also while [`run!`](@ref) works.
"""
snapshot(recon::Reconstruction) = Snapshot(created(out -> aet_recon_snapshot(live(recon), out)))

const SNAPSHOT_NUMBERS = (
    iteration = snapshot -> Int(aet_snapshot_iteration(snapshot)),
    loss = snapshot -> aet_snapshot_loss(snapshot),
    generation = snapshot -> Int(aet_snapshot_generation(snapshot)),
)

Base.propertynames(::Snapshot) = keys(SNAPSHOT_NUMBERS)

function Base.getproperty(snapshot::Snapshot, name::Symbol)
    haskey(SNAPSHOT_NUMBERS, name) || throw(unknown_option(name, propertynames(snapshot)))
    return SNAPSHOT_NUMBERS[name](live(snapshot))
end

atoms(snapshot::Snapshot) = Atoms(created(out -> aet_snapshot_get_atoms(live(snapshot), out)))
