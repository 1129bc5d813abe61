"""
What every reconstruction can do, whatever its method ([`LocalOrbital`](@ref), [`Tomography`](@ref)):
parameters in named blocks, loss and gradient, runs, history, files. What a method lacks throws
`AET_ERROR_UNSUPPORTED`.
"""
abstract type Reconstruction <: Handle end

free(::Reconstruction, pointer) = aet_recon_free(pointer)

function Base.show(io::IO, recon::Reconstruction)
    name = nameof(typeof(recon))
    isopen(recon) || return print(io, name, " (closed)")
    print(io, name, " (", parameter_count(recon), " parameters, generation ", generation(recon), ")")
end

"""
    LocalOrbital(series[, probe]; start, model, loss, ..., context = default_context())

Reconstruction by local orbitals: every atom is a Gaussian `H exp(-rho^2 / B)`, or of the
shape of `orbital`, every image a sum over slices of orbitals convolved with the probe. `start` are the first [`Atoms`](@ref), or an
n x 3 matrix of positions (A).

Options, by default the library's own choice:
- `model`: `:direct` (no probe), `:rigid` (the probe at every depth) or `:adaptive` (its pixels are fitted, too);
- `probe_sharing`: the pixels belong to each `:section` or `:image`; `probe_side`: edge of their squares, odd;
- `probe_smoothness`: weight of differences between their neighbours;
- `loss`: `:automatic`, `:mse`, `:poisson`, `:anscombe` (roots of counts), `:huber` (wrong pixels) or
  `:gaussian` (over the noise variance of each image);
- `huber_threshold`: difference beyond which a pixel pulls no harder, in the unit of the images;
- `precision`: `:single` or `:double`;
- `height_sharing`, `width_sharing`: one value per `:atom`, per `:species` or `:common` to all;
- `mode`: `:slices` as in the papers, `:templates`, which serve all depths with fewer transforms, or `:knots`, with fewest;
  `depth_error`: their largest error, relative to an atom in focus;
- `slicing`: `:linear` or `:hard`; `slice_thickness` (A, default 4);
- `width_start`, `width_min`, `width_max`: B in A^2;
- `cutoff`: half width of an orbital's window in sqrt(B); `memory_limit` in bytes;
- `orbital`: an [`Orbital`](@ref), the shape of all orbitals instead of the Gaussian.

Throws `AET_ERROR_NULL` for a model that needs a probe without one, `AET_ERROR_EMPTY` without
atoms, `AET_ERROR_UNKNOWN_OPTION` and `AET_ERROR_RANGE` for options it cannot follow.
"""
mutable struct LocalOrbital <: Reconstruction
    pointer::Ptr{Cvoid}
    series::TiltSeries
    # References to terms and projection, whose addresses the library keeps.
    functions::Vector{Ref{Any}}
    LocalOrbital(pointer::Ptr{Cvoid}, series::TiltSeries) = finalizer(close, new(pointer, series, Ref{Any}[]))
end

function LocalOrbital(series::TiltSeries, probe::Union{Probe,Nothing} = nothing;
                      start, context::Context = default_context(), keywords...)
    options = set_options!(defaults(LotOptions, aet_lot_options_init), keywords)
    first_atoms = start isa Atoms ? start : Atoms(start)
    foreach(live, (context, series, first_atoms))
    # `options` point to the orbital among the keywords; the reconstruction keeps a copy.
    pointer = GC.@preserve keywords created() do out
        aet_recon_create_lot(context, series, optional_handle(probe), first_atoms, options, out)
    end
    return LocalOrbital(pointer, series)
end

optional_handle(::Nothing) = C_NULL
optional_handle(handle::Handle) = live(handle)

# ---- probes ----

"""
    continued(recon; model, ...)

A [`LocalOrbital`](@ref) with other options that goes on from the latest state of `recon`: its atoms, geometry, optics and
intensities, and what is frozen, as far as the model has it. So direct, rigid and adaptive follow each other.
"""
function continued(recon::LocalOrbital; keywords...)
    options = set_options!(defaults(LotOptions, aet_lot_options_init), keywords)
    pointer = GC.@preserve keywords created(out -> aet_recon_continue_lot(live(recon), options, out))
    return LocalOrbital(pointer, recon.series)
end

"""
    scan_defocus!([progress,] recon; range = 0, step = 0, tilts = 0)

Look for the defocus of every section up to `range` from the recorded one in steps of `step` (A; 0: 60 and 6) with the part
`tilts` of the tilts (0: 0.25), and set block `defocus`. Returns a [`Table`](@ref) with the columns section, defocus and misfit.
Throws `AET_ERROR_UNSUPPORTED` unless the model is rigid.
"""
scan_defocus!(recon::LocalOrbital; keywords...) = scan_defocus!(nothing, recon; keywords...)

function scan_defocus!(progress, recon::LocalOrbital; range::Real = 0, step::Real = 0, tilts::Real = 0)
    live(recon)
    return Table(created() do out
        with_progress((told, user) -> aet_recon_scan_defocus(recon, range, step, tilts, told, user, out), progress)
    end)
end

"""
    probe_table(recon)

How the probes of the latest state spread along the beam, for the first image of every section: a [`Table`](@ref) with the columns
section, image, depth (A), sum, x, y (A), half_radius (A) and peak, and the values focus_0 (of the first section), ... (A).
"""
probe_table(recon::LocalOrbital) = Table(created(out -> aet_recon_probe_table(live(recon), out)))

"""
    probe_images(recon, image)

Depths (A) and intensities (slices x side x side) of the probes of an image around the beam.
"""
function probe_images(recon::LocalOrbital, image::Integer)
    slices, side = Ref{Int64}(0), Ref{Int64}(0)
    check(aet_recon_probe_images(live(recon), image - 1, slices, side, C_NULL, C_NULL))
    depths, probes = zeros(slices[]), zeros(slices[], side[], side[])
    check(aet_recon_probe_images(live(recon), image - 1, slices, side, output_view(depths), output_view(probes)))
    return (depths = depths, probes = probes)
end

# ---- parameters ----

"""
One block of parameters: `name`, `unit`, `eltype`, `shape`, `range` (its place in the parameter
vector, empty where it is frozen; elements in row-major order), `scale` (typical size of a change),
`lower` and `upper` bounds, `frozen`.
"""
struct Block
    name::Symbol
    unit::String
    eltype::DataType
    shape::Tuple{Vararg{Int}}
    range::UnitRange{Int}
    scale::Float64
    lower::Float64
    upper::Float64
    frozen::Bool
end

function Block(b::CBlock)
    range = b.frozen != 0 ? (1:0) : ((b.offset + 1):(b.offset + b.size))
    return Block(Symbol(text_of(b.name)), text_of(b.unit), element_type(b.dtype), b.shape[1:b.ndim], range,
                 b.scale, b.lower, b.upper, b.frozen != 0)
end

"""
    layout(recon)

The [`Block`](@ref)s of parameters. Of [`LocalOrbital`](@ref) `positions` (atoms x 3, A), `heights`,
`widths` (A^2), `drift` (images x 2, A), `depth_offset` (tilts, A), `defocus` (sections, A, added to the
recorded one), `angles` (tilts x 3, deg), `scale` and `background` (images); of [`Tomography`](@ref)
`volume` (z x y x x), `drift`, `angles`, `scale` and `background`.
"""
function layout(recon::Reconstruction)
    return map(1:aet_recon_block_count(live(recon))) do index
        block = CBlock()
        check(aet_recon_parameter_layout(recon, index - 1, block))
        return Block(block)
    end
end

"The block of this name."
function named_block(recon::Reconstruction, name::Symbol)
    blocks = layout(recon)
    i = findfirst(b -> b.name === name, blocks)
    i === nothing && throw(unknown_option(name, [b.name for b in blocks]))
    return blocks[i]
end

"""
    parameter_scale(recon)

The scale of every element of the parameter vector: an optimiser that works on `x ./ scale` can
mix degrees, angstrom and intensities.
"""
function parameter_scale(recon::Reconstruction)
    scale = ones(parameter_count(recon))
    for block in layout(recon)
        scale[block.range] .= block.scale
    end
    return scale
end

parameter_count(recon::Reconstruction) = Int(aet_recon_parameter_count(live(recon)))

"""
    generation(recon)

A number that rises whenever length or meaning of the parameter vector changes: when a block is frozen
or freed, or a run takes up appended tilts. Fetch parameters and layout again then.
"""
generation(recon::Reconstruction) = Int(aet_recon_generation(live(recon)))

"""
    memory_estimate(recon)

Memory that a run needs, in bytes.
"""
function memory_estimate(recon::Reconstruction)
    bytes = Ref{UInt64}(0)
    check(aet_recon_memory_estimate(live(recon), bytes))
    return Int(bytes[])
end

"""
    parameters(recon)

The parameter vector: all blocks that are not frozen, in the order of [`layout`](@ref).
"""
function parameters(recon::Reconstruction)
    x = zeros(parameter_count(recon))
    check(aet_recon_get_parameters(recon, length(x), x))
    return x
end

"""
    set_parameters!(recon, x)

Replace the parameter vector. Throws `AET_ERROR_STALE_PARAMETERS` for one of another length.
"""
function set_parameters!(recon::Reconstruction, x::AbstractVector{<:Real})
    check(aet_recon_set_parameters(live(recon), length(x), contiguous(x)))
    return recon
end

"""
    block(recon, name)

Values of one block as a new array of the shape in [`layout`](@ref), also where it is frozen.
"""
function block(recon::Reconstruction, name::Symbol)
    out = zeros(named_block(recon, name).shape)
    check(aet_recon_get_block(recon, string(name), output_view(out)))
    return out
end

"""
    set_block!(recon, name, values)

Replace the values of one block. Throws `AET_ERROR_SHAPE` where the shape is not the block's.
"""
function set_block!(recon::Reconstruction, name::Symbol, values::AbstractArray{<:Real})
    check(aet_recon_set_block(live(recon), string(name), input_view(values)))
    return recon
end

"""
    freeze!(recon, name, frozen = true)

Take a block out of the parameter vector, or into it. Raises the generation.
"""
function freeze!(recon::Reconstruction, name::Symbol, frozen::Bool = true)
    check(aet_recon_freeze(live(recon), string(name), frozen))
    return recon
end

# ---- evaluation ----

"Indices of the images an evaluation uses, for C: `nothing` means all that are not excluded."
image_indices(::Nothing) = nothing
function image_indices(images)
    isempty(images) && throw(AETError(:empty, "got no indices of images, wanted at least one or nothing for all"))
    return from_one("images", images, Int64)
end

image_count(recon::Reconstruction) = named_block(recon, :scale).shape[1]

"The images of this reconstruction that are not excluded, counted from 1."
used_images(recon::Reconstruction) = findall(!, recon.series.excluded[1:image_count(recon)])

same_length(what, got, wanted) =
    got == wanted || throw(AETError(:shape, "got $got elements of $what, wanted $wanted"))

"""
    loss_and_gradient!(gradient, recon, x; images = nothing, image_losses = nothing)

Loss at the parameters `x`, over all images or those at the indices `images`. Fills `gradient`
with its derivative unless that is `nothing`, and `image_losses` with the loss of each image
evaluated. All images are those not excluded, of [`Tomography`](@ref) those that drive its steps: name
them where it has a `subset` or views held out and `image_losses` are wanted. The reconstruction
itself stays as it is; any number of threads may evaluate it.

    optimize(Optim.only_fg!((F, G, x) -> loss_and_gradient!(G, recon, x)), parameters(recon), LBFGS())

Throws `AET_ERROR_STALE_PARAMETERS` where `x` belongs to another generation, and `AET_CANCELLED`
after [`request_cancel`](@ref).
"""
function loss_and_gradient!(gradient, recon::Reconstruction, x::AbstractVector{<:Real};
                            images = nothing, image_losses = nothing)
    if image_losses !== nothing
        images = something(images, used_images(recon))
        same_length("image_losses", length(image_losses), length(images))
    end
    gradient === nothing || same_length("the gradient", length(gradient), length(x))
    indices, loss = image_indices(images), Ref(0.0)
    into(gradient) do g
        into(image_losses) do losses
            check_terms(aet_recon_loss_and_gradient(live(recon), length(x), contiguous(x), something(indices, C_NULL),
                                              count_of(indices), loss, g, losses))
        end
    end
    return loss[]
end

count_of(::Nothing) = 0
count_of(indices) = length(indices)

"Call `f` with a contiguous vector of doubles that stands for `out`, and copy it there if it is another."
into(f, ::Nothing) = f(C_NULL)
function into(f, out::AbstractVector)
    is_contiguous(out) && return f(out)
    buffer = zeros(length(out))
    f(buffer)
    copyto!(out, buffer)
    return nothing
end

"""
    loss_and_gradient(recon, x = parameters(recon); images = nothing)

Loss and a new gradient, as [`loss_and_gradient!`](@ref) computes them.
"""
function loss_and_gradient(recon::Reconstruction, x::AbstractVector{<:Real} = parameters(recon); images = nothing)
    gradient = zeros(length(x))
    loss = loss_and_gradient!(gradient, recon, x; images = images)
    return loss, gradient
end

"""
    predict!(out, recon, x; images = nothing)

Fill `out[row, column, image]` with the calculated images at `x`: of all images that are not
excluded, or of those at the indices `images`.
"""
function predict!(out::AbstractArray{<:Any,3}, recon::Reconstruction, x::AbstractVector{<:Real}; images = nothing)
    indices = image_indices(images)
    check(aet_recon_predict(live(recon), length(x), contiguous(x), something(indices, C_NULL), count_of(indices),
                            output_view(out, Images)))
    return out
end

"""
    predict(recon, x = parameters(recon); images = nothing)

Calculated images, rows x columns x images, as [`predict!`](@ref) computes them.
"""
function predict(recon::Reconstruction, x::AbstractVector{<:Real} = parameters(recon); images = nothing)
    series = recon.series
    wanted = something(images, used_images(recon))
    return predict!(zeros(series.rows, series.columns, length(wanted)), recon, x; images = wanted)
end

"""
    pull_back(recon, x, residuals; images = nothing)

Gradient of the sum of `residuals[row, column, image] .* predict(recon, x; images)` with respect to
`x`: what a loss of your own needs, with its derivative by the images as `residuals`.
"""
function pull_back(recon::Reconstruction, x::AbstractVector{<:Real}, residuals::AbstractArray{<:Real,3}; images = nothing)
    indices = image_indices(images)
    gradient = zeros(length(x))
    check(aet_recon_pull_back(live(recon), length(x), contiguous(x), something(indices, C_NULL), count_of(indices),
                              input_view(residuals, Images), gradient))
    return gradient
end

# ---- research parameters ----

"""
    param_names()

Names of the numbers that [`set_param!`](@ref) can change.
"""
param_names() = [unsafe_string(aet_recon_param_name(index - 1)) for index in 1:aet_recon_param_count()]

"""
    get_param(recon, name)

Value of a named number of the method.
"""
function get_param(recon::Reconstruction, name::AbstractString)
    value = Ref(0.0)
    check(aet_recon_get_param(live(recon), name, value))
    return value[]
end

"""
    set_param!(recon, name, value)

Change a named number of the method. Throws `AET_ERROR_UNKNOWN_OPTION` for names not listed by
[`param_names`](@ref).
"""
function set_param!(recon::Reconstruction, name::AbstractString, value::Real)
    check(aet_recon_set_param(live(recon), name, value))
    return recon
end
