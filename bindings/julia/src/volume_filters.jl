# Filters, masks and resolution of volumes.

"The volume that `call(report, user, out)` makes under a progress function."
function made_volume(call, what::AbstractString, progress)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    check(with_progress((report, user) -> call(report, user, out), progress), what)
    return Volume(out[])
end

"""
    filter_volume([progress,] volume; low_pass, low_pass_width, high_pass, high_pass_width, gaussian,
                  signal_to_noise, curve, curve_of_half, seen, object_size, floor, padding, padding_voxels)

The volume with its spectrum times all factors that are given, as a new [`Volume`](@ref). Cuts are in
cycles per A, at most the Nyquist frequency; `gaussian` is a standard deviation in A. A Wiener filter
comes from `signal_to_noise`, or from a `curve` of (frequency, correlation) as [`shell_correlation`](@ref)
has it. `seen`, a [`TiltSeries`](@ref), weighs each frequency by how much its tilts have seen of it, for
an object of `object_size` A; `floor` is the weight of what none has seen. `padding` is `:zeros`,
`:mirror` or `:periodic`. Throws `AET_ERROR_RANGE` for cuts beyond the Nyquist frequency,
`AET_ERROR_INCONSISTENT` for a band without frequencies or a curve that does not rise.
"""
filter_volume(volume::Volume; keywords...) = filter_volume(nothing, volume; keywords...)

function filter_volume(progress, volume::Volume; seen::Union{TiltSeries,Nothing} = nothing, curve = nothing, keywords...)
    options = set_options!(defaults(FilterOptions, aet_filter_options_init), keywords)
    live(volume)
    view = input_view(curve)
    return made_volume("the filter", progress) do report, user, out
        aet_volume_filter(volume, options, optional_handle(seen), view, report, user, out)
    end
end

"""
    smooth([progress,] volume, width; smoothing = :gaussian)

The volume smoothed in real space by a Gaussian of standard deviation `width` voxels, or by a `:box` of
`width` voxels, an odd number. Throws `AET_ERROR_RANGE` for other widths.
"""
smooth(volume::Volume, width::Real; keywords...) = smooth(nothing, volume, width; keywords...)

function smooth(progress, volume::Volume, width::Real; smoothing = :gaussian)
    number = enumerated(SMOOTHINGS, :smoothing, smoothing)
    live(volume)
    return made_volume("smoothing", progress) do report, user, out
        aet_volume_smooth(volume, number, width, report, user, out)
    end
end

"""
    mask_volume([progress,] volume; smoothing, smoothing_width, threshold, factor, dilation, closing,
                minimum_island, largest_only, connectivity, fill_holes, erosion, soft_edge)

Where the specimen is, as a [`Volume`](@ref) of 0 and 1. The defaults are the published chain for
particles a few hundred voxels wide: a `:box` of 9 voxels, 0.9 (`factor`) of Otsu's threshold unless
`threshold` is a value, dilation by 3 and again by 11 (`closing`) voxels, no parts below 50000 voxels,
erosion by 15. A length of 0 leaves a step out. Throws `AET_ERROR_INCONSISTENT` for a constant volume
and `AET_ERROR_EMPTY` where a step leaves nothing.
"""
mask_volume(volume::Volume; keywords...) = mask_volume(nothing, volume; keywords...)

function mask_volume(progress, volume::Volume; threshold::Union{Real,Nothing} = nothing, keywords...)
    options = set_options!(defaults(MaskOptions, aet_mask_options_init), keywords)
    if threshold !== nothing
        set_options!(options, pairs((thresholding = :value, threshold = threshold)))
    end
    live(volume)
    return made_volume("the mask", progress) do report, user, out
        aet_volume_mask(volume, options, report, user, out)
    end
end

"""
    otsu_threshold(volume)

The value that parts the voxels best into two groups. Throws `AET_ERROR_INCONSISTENT` for a constant volume.
"""
function otsu_threshold(volume::Volume)
    live(volume)
    threshold = Ref(NaN)
    status = with_progress((report, user) -> aet_volume_otsu_threshold(volume, report, user, threshold), nothing)
    check(status, "the threshold")
    return threshold[]
end

"""
    multiply(volume, mask)

The volume times a mask of its size. Throws `AET_ERROR_SHAPE` and `AET_ERROR_INCONSISTENT` for others.
"""
function multiply(volume::Volume, mask::Volume)
    foreach(live, (volume, mask))
    return made_volume("the product", nothing) do report, user, out
        aet_volume_multiply(volume, mask, report, user, out)
    end
end

"""
    volume_support([progress,] (ny, nx, nz), voxel_size, radius; shape, centre, half_height, soft_edge,
                   context = default_context())

A mask of a simple `shape`: a `:sphere`, or a cylinder along an axis (`:cylinder_x`, `:cylinder_y`,
`:cylinder_z`) through the volume, or of a `half_height`. Lengths in A, `centre` (x, y, z) from the
specimen origin. Throws `AET_ERROR_RANGE`, and `AET_ERROR_EMPTY` where no voxel lies inside.
"""
volume_support(size::Tuple, voxel_size::Real, radius::Real; keywords...) =
    volume_support(nothing, size, voxel_size, radius; keywords...)

function volume_support(progress, (ny, nx, nz)::Tuple, voxel_size::Real, radius::Real;
                        context::Context = default_context(), keywords...)
    options = set_options!(defaults(SupportOptions, aet_support_options_init), keywords)
    set_options!(options, pairs((nz = nz, ny = ny, nx = nx, voxel_size = voxel_size, radius = radius)))
    live(context)
    return made_volume("the support", progress) do report, user, out
        aet_volume_create_support(context, options, report, user, out)
    end
end

"""
    mask_images!([progress,] series, mask; minimum_path = 0.5, leave_out = false)

Set the pixels of all images beside the projections of `mask` to 0, as the next version of the series,
and return how many pixels are kept of each image. With `leave_out` they also drop out of use. A pixel is
kept where the beam passes more than `minimum_path` voxels of the mask. Throws `AET_ERROR_EMPTY` for a
mask that leaves an image without a pixel, `AET_ERROR_RANGE` for voxels larger than pixels.
"""
mask_images!(series::TiltSeries, mask::Volume; keywords...) = mask_images!(nothing, series, mask; keywords...)

function mask_images!(progress, series::TiltSeries, mask::Volume; keywords...)
    options = set_options!(defaults(ImageMaskOptions, aet_image_mask_options_init), keywords)
    foreach(live, (series, mask))
    kept = zeros(Int32, series.image_count)
    view = output_view(kept)
    status = with_progress(progress) do report, user
        aet_dataset_mask_images(series, mask, options, report, user, view)
    end
    check(status, "masking images")
    return Int.(kept)
end

"""
A Fourier shell correlation, one value per shell: `frequency` (cycles per A), `correlation`,
`half_bit_threshold` and the number of Fourier `coefficients`; and the resolutions (A) where it falls
below 1/7 (`one_seventh`), the half-bit threshold (`half_bit`) and 1/2 (`half`): `NaN` where it stays
above up to the `nyquist` resolution, `Inf` where it begins below.
"""
struct ShellCorrelation
    frequency::Vector{Float64}
    correlation::Vector{Float64}
    half_bit_threshold::Vector{Float64}
    coefficients::Vector{Float64}
    one_seventh::Float64
    half_bit::Float64
    half::Float64
    nyquist::Float64
end

"""
    shell_correlation([progress,] volume, other; mask = nothing, direction, half_angle_deg, filling, symmetry)

The [`ShellCorrelation`](@ref) of two volumes, such as those of two [`half_sets`](@ref), both times `mask`
where there is one. `half_angle_deg` keeps only frequencies within that angle of `direction` (x, y, z).
Throws `AET_ERROR_SHAPE` and `AET_ERROR_INCONSISTENT` where they differ in shape or voxel size,
`AET_ERROR_EMPTY` for a volume of zeros.
"""
shell_correlation(volume::Volume, other::Volume; keywords...) = shell_correlation(nothing, volume, other; keywords...)

function shell_correlation(progress, volume::Volume, other::Volume; mask::Union{Volume,Nothing} = nothing, keywords...)
    options = set_options!(defaults(CorrelationOptions, aet_correlation_options_init), keywords)
    foreach(live, (volume, other))
    curve, resolution = zeros(aet_volume_shell_count(volume), 4), CResolution()
    view = output_view(curve)
    status = with_progress(progress) do report, user
        aet_volume_shell_correlation(volume, other, optional_handle(mask), options, report, user, view, resolution)
    end
    check(status, "the correlation")
    return ShellCorrelation((curve[:, column] for column in 1:4)..., resolution.one_seventh, resolution.half_bit,
                            resolution.half, resolution.nyquist)
end

"""
    trace_lattice([progress,] volume, crystal; mask = nothing, vectors, rotation, rotation_within_deg, region_edge,
                  region_centre, smoothing, background, keep_background, reach, displaced, threshold, species)

Register a crystal, the [`Atoms`](@ref) of one cell, to a volume and climb from each of its sites to the
maximum above it: the atoms found, and a [`Table`](@ref) of all sites with how the crystal lies as single
values. `state` is 0 where the site has an atom, 1 where that is farther than `displaced`, and of missing
ones 2 where their maximum is another site's, 3 where it is below `threshold`, 4 where there is none within
`reach`. `rotation` and `vectors` (rows a, b, c; default: the cell of the atoms) are 3 x 3 matrices. Only
sites in `mask` count, where there is one. Throws `AET_ERROR_EMPTY` without Bragg peaks that fit the
crystal, `AET_ERROR_NOT_READY` for a crystal without a cell.
"""
trace_lattice(volume::Volume, crystal::Atoms; keywords...) = trace_lattice(nothing, volume, crystal; keywords...)

function trace_lattice(progress, volume::Volume, crystal::Atoms; mask::Union{Volume,Nothing} = nothing, keywords...)
    options = defaults(LatticeOptions, aet_lattice_options_init)
    for (name, value) in keywords
        # row by row in C
        set_option!(options, name, value isa AbstractMatrix ? vec(permutedims(value)) : value)
    end
    foreach(live, (volume, crystal))
    atoms, sites = Ref{Ptr{Cvoid}}(C_NULL), Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        aet_volume_trace_lattice(volume, crystal, optional_handle(mask), options, report, user, atoms, sites)
    end
    check(status, "the search for lattice sites")
    return Atoms(atoms[]), Table(sites[])
end

"""
    half_sets(series)

Indices of the images of every other tilt in use: two halves to be reconstructed apart and compared.
Throws `AET_ERROR_NOT_READY` with fewer than two tilts in use.
"""
function half_sets(series::TiltSeries)
    half = zeros(Int32, live(series).image_count)
    check(aet_dataset_half_sets(series, half, length(half)))
    return findall(==(0), half), findall(==(1), half)
end
