"""
    TiltSeries(images, angles_deg; pixel_size, tilt_axis = :none, ...)
    TiltSeries(images; rotations, pixel_size, ...)
    TiltSeries(; rows, columns, pixel_size, ...)

A tilt series of `images[row, column, image]`, or an empty one to append to. The column grows with
x', the row with y'; the specimen origin falls on pixel (rows ÷ 2 + 1, columns ÷ 2 + 1).

What is known of the series: `pixel_size` (A), `length_unit` (`:angstrom`, or `:pixel` where no
pixel size is known), `energy_ev`, `semiangle_mrad`.

What is known of its n images, all optional but the orientation:
- `rotations`, 3 x 3 x n (or 3 x 3 for all), p' = R p; or `angles_deg`, n x 3 (phi, theta, psi in
  `angle_order` `:zyx`, `:zyz` or `:xyz`) or n angles about `tilt_axis` (`:x` or `:y`);
- `tilt` and `section`, n indices from 1: which tilt and which focus an image belongs to (default:
  every image its own tilt; sections counted within the tilt);
- `defocus`, n, A, positive: crossover at z' = +defocus;
- `drift`, n x 2, A along x' and y';
- `mask`, like the images, true where a pixel is used;
- `noise_variance`, n, variance of one pixel; `counts_per_unit`, n, electrons per image unit.

The same names read what the series holds, as new arrays (`series.images`, `series.rotations`, ...),
besides `excluded`, `version`, `image_count`, `tilt_count`, `section_count`, `rows`, `columns` and
`metadata`. `write(folder, series)` writes a data folder; `write(progress, folder, series)` reports.

Throws `AET_ERROR_SHAPE`, `AET_ERROR_NULL` without rotations and angles, `AET_ERROR_NON_FINITE` for
NaN or infinite pixels, `AET_ERROR_RANGE` for a pixel size that is not positive and
`AET_ERROR_INCONSISTENT` for a matrix that is no rotation.
"""
mutable struct TiltSeries <: Handle
    pointer::Ptr{Cvoid}
    TiltSeries(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

free(::TiltSeries, pointer) = aet_dataset_free(pointer)

function TiltSeries(images::AbstractArray{<:Real}, angles_deg = nothing;
                    context::Context = default_context(), keywords...)
    of_series, of_images = split_keywords(keywords)
    options = series_options(of_series)
    frames = frame_views(of_images, angles_deg)
    view = images_view(images)
    live(context)
    return TiltSeries(created(out -> aet_dataset_create(context, options, view, frames, out)))
end

function TiltSeries(; context::Context = default_context(), keywords...)
    options = series_options(keywords)
    live(context)
    return TiltSeries(created(out -> aet_dataset_create(context, options, C_NULL, C_NULL, out)))
end

series_options(keywords) = set_options!(defaults(DatasetOptions, aet_dataset_options_init), keywords)

"Keywords about the series, and those about its images."
function split_keywords(keywords)
    names = (option_names(DatasetOptions)..., option_names(Frames)...)
    for (name, _) in keywords
        name in names || throw(unknown_option(name, names))
    end
    of_series = filter(p -> first(p) in option_names(DatasetOptions), collect(Any, keywords))
    of_images = filter(p -> first(p) in option_names(Frames), collect(Any, keywords))
    return of_series, of_images
end

images_view(images::AbstractArray{<:Real,3}) = input_view(images, Images)
images_view(image::AbstractMatrix{<:Real}) = images_view(reshape(image, size(image)..., 1))
images_view(images::AbstractArray) =
    throw(AETError(:shape, "got images with $(ndims(images)) axes, wanted images[row, column, image]"))

# The struct points to views; both live as long as this object does.
mutable struct FrameViews
    frames::Frames
    views::Vector{ArrayView}
end

Base.cconvert(::Type{Ptr{Frames}}, value::FrameViews) = value
Base.unsafe_convert(::Type{Ptr{Frames}}, value::FrameViews) = Ptr{Frames}(pointer_from_objref(value.frames))

"What the keywords say of images; views of the arrays among them."
function frame_views(keywords, angles_deg = nothing)
    result = FrameViews(defaults(Frames, aet_frames_init), ArrayView[])
    set_frame!(result, :angles_deg, angles_deg)
    for (name, value) in keywords
        set_frame!(result, name, value)
    end
    return result
end

set_frame!(result::FrameViews, name::Symbol, ::Nothing) = result

function set_frame!(result::FrameViews, name::Symbol, value)
    fieldtype(Frames, name) === Ptr{View} || return set_option!(result.frames, name, value)
    order = name === :rotations ? Matrices : name === :mask ? Images : SameOrder
    view = input_view(frame_array(name, value), order)
    push!(result.views, view)
    setfield!(result.frames, name, Base.unsafe_convert(Ptr{View}, view))
    return result
end

"The array that the library is given for a keyword: numbers become vectors, indices count from 0."
function frame_array(name::Symbol, value)
    values = value isa Number ? [value] : value
    name in (:tilt, :section) && return from_one(string(name), values, Int32)
    name === :mask && ndims(values) == 2 && return reshape(values, size(values)..., 1)
    return values
end

# ---- files ----

"""
    read_series([progress,] folder; variant = nothing, context = default_context())

Read a data folder (schema `aet-tilt-series/1`), the image set `variant` where it has several.
`progress` is a function as in [`run!`](@ref). Throws `AET_ERROR_FILE` where a file is missing,
`AET_ERROR_TRUNCATED` where one is cut short, `AET_ERROR_FORMAT` where one is malformed,
`AET_ERROR_UNKNOWN_OPTION` for an unknown variant, and `AET_CANCELLED` where `progress` ends it.
"""
read_series(folder::AbstractString; keywords...) = read_series(nothing, folder; keywords...)

function read_series(progress, folder::AbstractString; variant = nothing, context::Context = default_context())
    live(context)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        aet_dataset_read(context, folder, optional_text(variant), report, user, out)
    end
    check(status, "reading $folder")
    return TiltSeries(out[])
end

"""
    series_from_file([progress,] path[, angles_deg]; rotations, pixel_size, ..., context = default_context())

A series of the images of an MRC, TIFF, npy, MAT or HDF5 file, with keywords as for [`TiltSeries`](@ref);
`pixel_size` may be left out where the file has one. Throws `AET_ERROR_FILE`, `AET_ERROR_FORMAT`,
`AET_ERROR_TRUNCATED` and `AET_ERROR_UNSUPPORTED` for files it cannot read.
"""
series_from_file(path::AbstractString, angles_deg = nothing; keywords...) =
    series_from_file(nothing, path, angles_deg; keywords...)

function series_from_file(progress, path::AbstractString, angles_deg = nothing;
                          context::Context = default_context(), keywords...)
    of_series, of_images = split_keywords(keywords)
    options, frames = series_options(of_series), frame_views(of_images, angles_deg)
    live(context)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        aet_dataset_create_from_file(context, options, path, frames, report, user, out)
    end
    check(status, "reading $path")
    return TiltSeries(out[])
end

function Base.write(progress::Function, folder::AbstractString, series::TiltSeries)
    live(series)
    status = with_progress((report, user) -> aet_dataset_write(series, folder, report, user), progress)
    check(status, "writing $folder")
    return nothing
end

Base.write(folder::AbstractString, series::TiltSeries) = write(_ -> true, folder, series)

# ---- versions ----

"""
    append_tilt!(series, images[, angles_deg]; rotations, section, defocus, ...)

Append the images of one tilt, [row, column, image] or one image, with keywords as for
[`TiltSeries`](@ref), and return the number of the new tilt, counted from 1. A reconstruction that
runs on the series takes it up at its next iteration. May be called from any thread.
"""
function append_tilt!(series::TiltSeries, images::AbstractArray{<:Real}, angles_deg = nothing; keywords...)
    view, frames, tilt = images_view(images), tilt_frames(keywords, angles_deg), Ref{Int64}(0)
    check(aet_dataset_append_tilt(live(series), view, frames, tilt))
    return Int(tilt[]) + 1
end

"""
    replace_tilt!(series, tilt, images[, angles_deg]; rotations, section, defocus, ...)

Replace all images of a tilt, counted from 1, as [`append_tilt!`](@ref) appends them.
"""
function replace_tilt!(series::TiltSeries, tilt::Integer, images::AbstractArray{<:Real}, angles_deg = nothing;
                       keywords...)
    view, frames = images_view(images), tilt_frames(keywords, angles_deg)
    check(aet_dataset_replace_tilt(live(series), tilt - 1, view, frames))
    return series
end

"""
    exclude_tilt!(series, tilt, excluded = true)

Leave a tilt, counted from 1, out of what follows, or take it in again.
"""
function exclude_tilt!(series::TiltSeries, tilt::Integer, excluded::Bool = true)
    check(aet_dataset_exclude_tilt(live(series), tilt - 1, excluded))
    return series
end

function tilt_frames(keywords, angles_deg)
    names = option_names(Frames)
    for (name, _) in keywords
        name in names || throw(unknown_option(name, names))
    end
    return frame_views(keywords, angles_deg)
end

# ---- contents ----

const SERIES_COLUMNS = (:images, :rotations, :angles_deg, :tilt, :section, :defocus, :drift, :excluded,
    :noise_variance, :counts_per_unit, :mask)

const SERIES_NUMBERS = (
    version = series -> Int(aet_dataset_version(series)),
    image_count = series -> Int(aet_dataset_image_count(series)),
    tilt_count = series -> Int(aet_dataset_tilt_count(series)),
    section_count = series -> Int(aet_dataset_section_count(series)),
    rows = series -> Int(aet_dataset_rows(series)),
    columns = series -> Int(aet_dataset_columns(series)),
    pixel_size = series -> aet_dataset_pixel_size(series),
    energy_ev = series -> aet_dataset_energy_ev(series),
    semiangle_mrad = series -> aet_dataset_semiangle_mrad(series),
    length_unit = series -> symbol_of(LENGTH_UNITS, aet_dataset_length_unit(series)),
    metadata = series -> metadata(series),
)

Base.propertynames(::TiltSeries) = (SERIES_COLUMNS..., keys(SERIES_NUMBERS)...)

function Base.getproperty(series::TiltSeries, name::Symbol)
    live(series)
    name in SERIES_COLUMNS && return series_column(series, name)
    haskey(SERIES_NUMBERS, name) && return SERIES_NUMBERS[name](series)
    throw(unknown_option(name, propertynames(series)))
end

function Base.show(io::IO, series::TiltSeries)
    isopen(series) || return print(io, "TiltSeries (closed)")
    unit = series.length_unit === :pixel ? "px" : "A"
    print(io, "TiltSeries (", series.image_count, " images of ", series.rows, " x ", series.columns,
          " pixels of ", series.pixel_size, " ", unit, ", ", series.tilt_count, " tilts)")
end

"A column of the series as a new array."
function series_column(series::TiltSeries, name::Symbol)
    n, rows, columns = series.image_count, series.rows, series.columns
    name === :images && return copy_column(series, name, zeros(rows, columns, n), Images)
    name === :mask && return copy_column(series, name, zeros(UInt8, rows, columns, n), Images) .!= 0
    name === :rotations && return copy_column(series, name, zeros(3, 3, n), Matrices)
    name === :angles_deg && return copy_column(series, name, zeros(n, 3))
    name === :drift && return copy_column(series, name, zeros(n, 2))
    name === :excluded && return copy_column(series, name, zeros(UInt8, n)) .!= 0
    name in (:tilt, :section) && return Int.(copy_column(series, name, zeros(Int32, n))) .+ 1
    return copy_column(series, name, zeros(n))
end

"""
    depth_axis(series)

The axis a along which a . p is the mean depth of an atom at p over all images in use, for the option
`depth_axis` of [`accuracy`](@ref).
"""
function depth_axis(series::TiltSeries)
    out = zeros(3)
    check(aet_dataset_depth_axis(live(series), output_view(out)))
    return out
end

function copy_column(series::TiltSeries, name::Symbol, out::AbstractArray, order = SameOrder)
    check(aet_dataset_copy_column(series, string(name), output_view(out, order)))
    return out
end

# ---- metadata ----

"""
    set_metadata!(series, key, value; unit = "")

Attach a note to the series. It is carried to every output; `series.metadata` lists all as
`key => (value = ..., unit = ...)`.
"""
function set_metadata!(series::TiltSeries, key::AbstractString, value; unit::AbstractString = "")
    check(aet_dataset_set_metadata(live(series), key, string(value), unit))
    return series
end

function metadata(series::TiltSeries)
    entries = Dict{String,NamedTuple{(:value, :unit),Tuple{String,String}}}()
    for index in 1:aet_dataset_metadata_count(series)
        key = copied_string((text...) -> aet_dataset_metadata_key(series, index - 1, text...))
        value = copied_string((text...) -> aet_dataset_metadata_value(series, key, text...))
        unit = copied_string((text...) -> aet_dataset_metadata_unit(series, key, text...))
        entries[key] = (value = value, unit = unit)
    end
    return entries
end
