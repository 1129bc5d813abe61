# What scan, dose and detector make of ideal images.

"Keywords as an instrument; `mtf` and `noise_mtf` are vectors."
instrument(keywords) = with_views(InstrumentOptions, aet_instrument_options_init, keywords)

"""
    record_series([progress,] series; seed, dose_per_a2, electrons_per_position, ...)

The [`TiltSeries`](@ref) that an instrument would have recorded of the ideal images of `series`, with
the same geometry and metadata; without options the images are the same to the last bit. Image i
depends on the seed and on i only. Lengths are in A, `_x` along x' (columns), `_y` along y' (rows).

- exposure: `dose_per_a2` (electrons per A^2, images are fractions of the beam) or
  `electrons_per_position` (1 where images are mean numbers of electrons); neither: no statistics;
- scan: `drift_x`, `drift_y` during one image, `walk` (its standard deviation at the end of an image),
  `row_jitter_x`, `row_jitter_y`, `flyback` with `flyback_decay`, `rotation_deg`, `shear`,
  `stretch_x`, `stretch_y`;
- electrons: `detection` (`:counting` or `:integrating`), `dqe` at zero frequency, `dead_time` (part of
  the exposure of a pixel);
- blur: `mtf` (a vector of samples from 0 to the Nyquist frequency), or `mtf_gaussian`,
  `mtf_exponential` (frequencies of 1 / e, cycles per pixel) with `mtf_exponential_weight`;
  `noise_mtf`, or `noise_blurred = true` where each electron is blurred;
- pixels: `gain_pattern`, `dark_current`, `dark_pattern`, `read_noise`, `dead_pixels`, `hot_pixels`,
  `hot_current`, all in electrons;
- storage: `gain` (image units per electron), `offset`, `saturation`, `quantized`;
- `edge`, `:mirror` or `:periodic`: what lies beyond the images.

`progress` is a function as in [`run!`](@ref). Throws `AET_ERROR_RANGE` for options outside their range,
`AET_ERROR_INCONSISTENT` for both kinds of exposure, `AET_ERROR_UNSUPPORTED` for masks where images are
resampled or blurred, and `AET_CANCELLED` where `progress` ends it.
"""
record_series(series::TiltSeries; keywords...) = record_series(nothing, series; keywords...)

function record_series(progress, series::TiltSeries; keywords...)
    options = instrument(keywords)
    live(series)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress((report, user) -> aet_dataset_record(series, options, report, user, out), progress)
    check(status, "recording a series")
    return TiltSeries(out[])
end

"""
    record_patterns([progress,] patterns; first = 1, context = default_context(), ...)

The same for diffraction patterns `[row, column, ...]`, as an array of the same shape and of `Float32`.
Patterns are numbered in the order of memory from `first`, so that large sets may be recorded part by
part. Options as of [`record_series`](@ref) but those of the scan and `dose_per_a2`, which throw
`AET_ERROR_UNSUPPORTED`.
"""
record_patterns(patterns::AbstractArray{<:Real}; keywords...) = record_patterns(nothing, patterns; keywords...)

function record_patterns(progress, patterns::AbstractArray{<:Real}; first::Integer = 1,
                         context::Context = default_context(), keywords...)
    ndims(patterns) >= 2 ||
        throw(AETError(:shape, "got patterns with $(ndims(patterns)) axes, wanted [row, column, ...]"))
    number = from_one("first", [first], Int64)[1]
    options = instrument(keywords)
    live(context)
    rows, columns = size(patterns)
    count = isempty(patterns) ? 0 : length(patterns) ÷ (rows * columns)
    recorded = zeros(Float32, size(patterns))
    view = input_view(reshape(patterns, rows, columns, count), Images)
    out = output_view(reshape(recorded, rows, columns, count), Images)
    status = with_progress(progress) do report, user
        aet_patterns_record(context, view, options, number, report, user, out)
    end
    check(status, "recording patterns")
    return recorded
end

"""
    instrument_truth(name, rows, columns; pixel_size = 1, image = 1, ...)

What an instrument with these options (see [`record_series`](@ref)) adds to images of `rows` x `columns`
pixels of `pixel_size` A: `:displacements`, rows x columns x 2, (along x', along y') in A, of the beam in
image number `image`; `:gain`, `:dark` or `:defects` (0 good, 1 dead, 2 hot), rows x columns.
"""
function instrument_truth(name::Symbol, rows::Integer, columns::Integer; pixel_size::Real = 1,
                          image::Integer = 1, keywords...)
    number = from_one("image", [image], Int64)[1]
    options = instrument(keywords)
    out = name === :displacements ? zeros(rows, columns, 2) : zeros(rows, columns)
    check(aet_instrument_copy_truth(options, pixel_size, number, string(name), output_view(out)))
    return out
end
