# Second-order access to a reconstruction, and terms of your own in its loss.

"""
    push_forward!(out, recon, x, direction; images = nothing)

Fill `out[row, column, image]` with the change of the images at `x` per unit of `direction`: the
exact derivative of [`predict!`](@ref), whose exact adjoint is [`pull_back`](@ref).
"""
function push_forward!(out::AbstractArray{<:Any,3}, recon::Reconstruction, x::AbstractVector{<:Real},
                       direction::AbstractVector{<:Real}; images = nothing)
    same_length("the direction", length(direction), length(x))
    indices = image_indices(images)
    check(aet_recon_push_forward(live(recon), length(x), contiguous(x), something(indices, C_NULL), count_of(indices),
                                 contiguous(direction), output_view(out, Images)))
    return out
end

"""
    push_forward(recon, x, direction; images = nothing)

Change of the images, rows x columns x images, as [`push_forward!`](@ref) computes it.
"""
function push_forward(recon::Reconstruction, x::AbstractVector{<:Real}, direction::AbstractVector{<:Real};
                      images = nothing)
    wanted = something(images, used_images(recon))
    out = zeros(recon.series.rows, recon.series.columns, length(wanted))
    return push_forward!(out, recon, x, direction; images = wanted)
end

"""
    gauss_newton_product(recon, x, direction; images = nothing)

Product of `direction` with the Gauss-Newton (Fisher) matrix of the loss at `x`, without the terms of
[`add_term!`](@ref): symmetric and positive, for conjugate gradients.
"""
function gauss_newton_product(recon::Reconstruction, x::AbstractVector{<:Real}, direction::AbstractVector{<:Real};
                              images = nothing)
    same_length("the direction", length(direction), length(x))
    indices, product = image_indices(images), zeros(length(x))
    check(aet_recon_gauss_newton_product(live(recon), length(x), contiguous(x), something(indices, C_NULL),
                                         count_of(indices), contiguous(direction), product))
    return product
end

"""
    gauss_newton_diagonal(recon, x; images = nothing, probes = 16)

Estimate of the diagonal of that matrix from random vectors of a fixed seed, for preconditioners:
each value has the relative standard error `sqrt(2 / probes)`.
"""
function gauss_newton_diagonal(recon::Reconstruction, x::AbstractVector{<:Real}; images = nothing, probes::Integer = 16)
    indices, diagonal = image_indices(images), zeros(length(x))
    check(aet_recon_gauss_newton_diagonal(live(recon), length(x), contiguous(x), something(indices, C_NULL),
                                          count_of(indices), probes, diagonal))
    return diagonal
end

"""
    index_map(recon, generation)

For every element of the present parameter vector its index in that of an earlier `generation`, 0
where it was not part of it: what an optimiser remembers of a parameter can move with it.
"""
function index_map(recon::Reconstruction, generation::Integer)
    map = zeros(Int64, parameter_count(recon))
    check(aet_recon_index_map(live(recon), generation, length(map), map))
    return map .+ 1
end

# ---- terms ----

# Terms are called on the task that called the library, which also throws what they threw.
const TERM_EXCEPTION = :aet_term_exception

function rethrow_term_exception()
    haskey(task_local_storage(), TERM_EXCEPTION) && throw(pop!(task_local_storage(), TERM_EXCEPTION))
    return nothing
end

"As `check`, for a call that evaluates the terms of its user."
function check_terms(status::Int32)
    rethrow_term_exception()
    return check(status)
end

"Row-major memory of the library as an array with its axes in their order."
function row_major(view::View)
    n = Int(view.ndim)
    shape = ntuple(i -> Int(view.shape[n + 1 - i]), n)
    array = unsafe_wrap(Array, Ptr{Float64}(view.data), shape)
    return n < 2 ? array : PermutedDimsArray(array, ntuple(i -> n + 1 - i, n))
end

function term_trampoline(user, values::Ptr{View}, loss::Ptr{Float64}, gradient::Ptr{View})::Int32
    try
        given = copy(row_major(unsafe_load(values)))
        to = gradient == C_NULL ? nothing : row_major(unsafe_load(gradient))
        unsafe_store!(loss, Float64(user(given, to)))
        return Int32(0)
    catch exception
        task_local_storage(TERM_EXCEPTION, exception)
        return Int32(1)
    end
end

function projection_trampoline(user, x::Ptr{View})::Int32
    try
        view = unsafe_load(x)
        user(unsafe_wrap(Array, Ptr{Float64}(view.data), (Int(view.shape[1]),)))
        return Int32(0)
    catch exception
        task_local_storage(TERM_EXCEPTION, exception)
        return Int32(1)
    end
end

"""
    add_term!(f, recon, block, weight = 1.0)

Add `weight` times a differentiable function of one block to the loss of evaluations, steps and
runs. `f(values, gradient)` returns the loss; it fills `gradient`, an array of zeros like `values`,
unless that is `nothing`. What it throws ends the call and is thrown again by it. Terms are not
saved; [`clear_terms!`](@ref) takes them away.

    add_term!(recon, :heights, 1e-3) do h, g
        g === nothing || (g .= h .- 1)
        sum(abs2, h .- 1) / 2
    end
"""
function add_term!(f, recon::Reconstruction, block::Symbol, weight::Real = 1.0)
    reference = Ref{Any}(f)
    trampoline = @cfunction(term_trampoline, Int32, (Ref{Any}, Ptr{View}, Ptr{Float64}, Ptr{View}))
    check(aet_recon_add_term(live(recon), string(block), weight, trampoline, reference))
    push!(recon.functions, reference)
    return recon
end

"""
    set_projection!(f, recon)
    set_projection!(nothing, recon)

Let `f(x)` move the free parameters in place after every step, or nobody. The loss is evaluated
again where it moves anything.
"""
function set_projection!(f, recon::Reconstruction)
    reference = Ref{Any}(f)
    trampoline = f === nothing ? C_NULL : @cfunction(projection_trampoline, Int32, (Ref{Any}, Ptr{View}))
    check(aet_recon_set_projection(live(recon), trampoline, reference))
    push!(recon.functions, reference)
    return recon
end

"""
    clear_terms!(recon)

Take all terms and the projection away.
"""
function clear_terms!(recon::Reconstruction)
    check(aet_recon_clear_terms(live(recon)))
    empty!(recon.functions)
    return recon
end

# ---- error bars ----

"""
    estimate_errors([progress,] recon; method = :automatic, noise = :automatic, radius)

Standard errors of the atoms of the latest state, from the noise of the images. Returns a named
tuple: `atoms`, whose column `standard_error` (n x 3, A) is infinite where the images do not determine
a coordinate; `height_errors`; `predicted_rmsd_pm`; `undetermined`, the number of atoms whose
error is infinite or longer than 0.9 A (left out of the RMSD); `method` and `noise`, those used.

- `method`: `:local` (an atom and its neighbours within `radius`, A) or `:dense` (all free
  parameters; for small problems);
- `noise`: `:variance` or `:counts` of the series, or `:residual` of the fit.
"""
estimate_errors(recon::Reconstruction; keywords...) = estimate_errors(nothing, recon; keywords...)

function atom_count(recon::Reconstruction)
    blocks = layout(recon)
    i = findfirst(block -> block.name === :positions, blocks)
    return i === nothing ? 0 : blocks[i].shape[1]
end

function estimate_errors(progress, recon::Reconstruction; keywords...)
    options = set_options!(defaults(ErrorOptions, aet_error_options_init), keywords)
    report, heights = CErrorReport(), zeros(atom_count(recon))
    live(recon)
    pointer = created() do out
        with_progress(progress) do told, user
            aet_recon_estimate_errors(recon, options, told, user, out, output_view(heights), report)
        end
    end
    return (atoms = Atoms(pointer), height_errors = heights, predicted_rmsd_pm = report.predicted_rmsd_pm,
            undetermined = Int(report.undetermined), method = symbol_of(ERROR_METHODS, report.method),
            noise = symbol_of(NOISE_MODELS, report.noise))
end

"""
    block_errors([progress,] recon, name; rows = nothing, noise = :automatic)

Standard errors of values of the free block `name`, in its shape and unit: optics, drift, angles, intensities, or
atoms exactly. `rows` are indices along the first axis of the block; `nothing`: all. At most 1000 values, `Inf` where the
images do not determine one. `noise` as for [`estimate_errors`](@ref). Throws `AET_ERROR_NOT_READY` for a frozen block,
`AET_ERROR_RANGE` for more values, `AET_CANCELLED` where `progress` ends it.
"""
block_errors(recon::Reconstruction, name::Symbol; keywords...) = block_errors(nothing, recon, name; keywords...)

function block_errors(progress, recon::Reconstruction, name::Symbol; rows = nothing, noise = :automatic)
    model, shape = number_of(NOISE_MODELS, noise), named_block(recon, name).shape
    model === nothing && throw(unknown_option(noise, first.(NOISE_MODELS.values)))
    chosen = rows === nothing ? nothing : from_one("rows", rows, Int64)
    errors = zeros(chosen === nothing ? shape : (length(chosen), Base.tail(shape)...))
    live(recon)
    status = with_progress(progress) do told, user
        aet_recon_block_errors(recon, string(name), chosen === nothing ? C_NULL : chosen,
                               chosen === nothing ? 0 : length(chosen), model, told, user, output_view(errors))
    end
    check(status, "the estimate")
    return errors
end

# ---- the shape of the atoms ----

"""
    fit_orbital([progress,] recon; widths = nothing)

The [`Orbital`](@ref) that fits the images best at the latest state, with positions, heights and widths held: terms
of the widths `widths` (at most 10, in units of B; `nothing`: 0.5, 1, 2, 4, 8 and 16) with weights that are not
negative and f(0) = 1. Start another [`LocalOrbital`](@ref) with it from the atoms of this one, and repeat while the
loss falls. Throws `AET_ERROR_RANGE`, `AET_ERROR_NOT_READY` without images, `AET_ERROR_EMPTY` where no term brings the
images nearer, `AET_ERROR_UNSUPPORTED` for a volume and `AET_CANCELLED` where `progress` ends it.
"""
fit_orbital(recon::Reconstruction; keywords...) = fit_orbital(nothing, recon; keywords...)

function fit_orbital(progress, recon::Reconstruction; widths::Union{AbstractVector{<:Real},Nothing} = nothing)
    live(recon)
    terms = widths === nothing ? C_NULL : input_view(widths)
    return Orbital(created() do out
        with_progress((told, user) -> aet_recon_fit_orbital(recon, terms, told, user, out), progress)
    end)
end
