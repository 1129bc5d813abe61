# Volumes from tilt series.

"""
    Tomography(series; method = :resire, initial = nothing, support = nothing, ...,
               context = default_context())

Reconstruction of a [`Volume`](@ref): image i is `s_i A_i V + c_i`, where every voxel of V is shared among the
four pixels around its projection, so that the sum of the volume is that of every complete image. It is
driven as a [`LocalOrbital`](@ref) is, by [`run!`](@ref) or by an optimiser of yours;
[`volume`](@ref) is the result.

    recon = Tomography(series; support = Volume(mask, 0.35))
    run!(recon; iterations = 100)
    write("volume.mrc", volume(recon))

Options, by default the library's own choice:
- `method`: `:resire`, `:sirt`, `:sart`, `:art`, `:cgls`, `:fbp`, `:wbp`, `:genfire`, `:est` or
  `:resire_fourier`;
- `initial`: a [`Volume`](@ref) to start from; `support`: one that is 0 where the result has to be;
- `nz`, `ny`, `nx`: voxels, by default a cube as wide as the images; `voxel_size` (a pixel);
- `iterations` of [`reconstruct_volume`](@ref) (and the length of the schedule of `:genfire`);
  `relaxation`, the length of steps; `accelerated` (`true`);
- `positivity` (`true` where the method can), `upper_bound` of a voxel;
- `image_weights`, one per image; `subset`: `:all`, or the half sets `:even` and `:odd` of the tilts;
- `held_out`, part of the views that only tell when to stop; `seed`, which;
- `background`: `:automatic` or `:none`, what is taken off the images;
- `subset_size`, views per update of `:sart`; `window` of `:fbp` and `:wbp`: `:ram_lak`, `:shepp_logan`,
  `:cosine`, `:hamming` or `:hann`;
- terms beside the data, of `:resire` and `:resire_fourier`: `total_variation`, `tikhonov`,
  `tikhonov_gradient`, `soft_threshold`, `edge` (`edge_power`, `edge_squeeze`), `blur`,
  `inner_iterations`;
- `oversampling` of `:genfire`, `:est` and `:resire_fourier`; `gridding` (`:exact`, `:nearest`),
  `gridding_cutoff`, `resolution` (`:extension`, `:off`, `:suppression`, `:both`), `end_with_all`,
  `keep_total`, `held_back` of `:genfire`; `iterate` (`:best`, `:last`) of `:genfire` and `:est`;
- `memory_limit` in bytes, against [`estimate_tomography_memory`](@ref).

Blocks of parameters: `volume` (z x y x x, free at the start), `drift` (images x 2, A), `angles` (tilts x 3,
deg), `scale` and `background` (images). [`loss_and_gradient`](@ref) takes whatever is free;
[`run!`](@ref) iterates the method, on the volume alone, and throws `AET_ERROR_UNSUPPORTED` while another
block is free.

Throws `AET_ERROR_SHAPE` for volumes or weights that do not fit, `AET_ERROR_EMPTY` for a support of
zeros, `AET_ERROR_UNKNOWN_OPTION`, `AET_ERROR_RANGE` and `AET_ERROR_UNSUPPORTED` for options it cannot
follow, and `AET_ERROR_MEMORY` beyond `memory_limit`.
"""
mutable struct Tomography <: Reconstruction
    pointer::Ptr{Cvoid}
    series::TiltSeries
    functions::Vector{Ref{Any}}
    Tomography(pointer::Ptr{Cvoid}, series::TiltSeries) = finalizer(close, new(pointer, series, Ref{Any}[]))
end

function Tomography(series::TiltSeries; context::Context = default_context(), keywords...)
    foreach(live, (context, series))
    pointer = with_tomography(keywords) do options
        created(out -> aet_recon_create_tomography(context, series, options, out))
    end
    return Tomography(pointer, series)
end

"""
Call `f` with the library's options of tomography and these keywords. They point to volumes and to weights,
which live until `f` has returned.
"""
function with_tomography(f, keywords)
    weights = Float64[]
    options = defaults(TomographyOptions, aet_tomography_options_init)
    for (name, value) in pairs(keywords)
        if name === :image_weights
            weights = value === nothing ? weights : weights_of(value)
        else
            set_option!(options, name, value)
        end
    end
    GC.@preserve keywords weights options begin
        isempty(weights) || (options.image_weights = pointer(weights))
        options.n_image_weights = length(weights)
        return f(options)
    end
end

weights_of(values::AbstractVector{<:Real}) =
    isempty(values) ? throw(AETError(:empty, "got no image_weights, wanted one per image or nothing")) :
    Vector{Float64}(values)
weights_of(value) = throw(AETError(:dtype, "got a $(typeof(value)) as image_weights, wanted a vector of numbers"))

"Whether a reconstruction just handed out is one of a volume."
function holds_volume(recon::Ptr{Cvoid})
    block = CBlock()
    check(aet_recon_parameter_layout(recon, 0, block))
    return text_of(block.name) == "volume"
end

"""
    volume(recon)
    volume(snapshot; context = default_context())

The [`Volume`](@ref) as it is now, also while [`run!`](@ref) works. Throws `AET_ERROR_UNSUPPORTED` for a
[`LocalOrbital`](@ref).
"""
volume(recon::Reconstruction) = Volume(created(out -> aet_recon_get_volume(live(recon), out)))

function volume(snapshot::Snapshot; context::Context = default_context())
    foreach(live, (context, snapshot))
    return Volume(created(out -> aet_snapshot_get_volume(context, snapshot, out)))
end

"""
    reconstruct_volume([progress,] series; method = :resire, iterations, ..., context = default_context())

Reconstruct a [`Volume`](@ref) in one call, with the options of [`Tomography`](@ref). `progress` is a function
as in [`run!`](@ref), which is shown the norm of the residual relative to the images as loss; where it ends
the work, the volume of the iterations done is returned. Throws what [`Tomography`](@ref) does, and
`AET_ERROR_NOT_READY` without an image in use.
"""
reconstruct_volume(series::TiltSeries; keywords...) = reconstruct_volume(nothing, series; keywords...)

function reconstruct_volume(progress, series::TiltSeries; context::Context = default_context(), keywords...)
    foreach(live, (context, series))
    return with_tomography(keywords) do options
        kept(Volume, "the reconstruction", progress) do report, user, out
            aet_volume_reconstruct(context, series, options, report, user, out)
        end
    end
end

"""
    estimate_tomography_memory(series; keywords...)

Bytes that a [`Tomography`](@ref) with these options needs beside the series, at most.
"""
function estimate_tomography_memory(series::TiltSeries; keywords...)
    bytes = Ref{UInt64}(0)
    with_tomography(options -> check(aet_tomography_estimate_memory(live(series), options, bytes)), keywords)
    return Int(bytes[])
end
