"""
    Detector(kind; sensitivity = nothing, inner_mrad, outer_mrad, step_mrad, radial_bins, azimuthal_bins,
             rotation_deg, rows, columns, binning, unnormalized, sensitivity_row_step_mrad,
             sensitivity_column_step_mrad)

What makes signals of diffraction patterns; immutable. Angles are in mrad; whole pixels count, by their
centres. `kind` is

- `:annular`: the sum over `inner_mrad` <= angle < `outer_mrad`;
- `:flexible_annular`: sums over rings `step_mrad` (1) wide, `[rings]`;
- `:segmented`: sums over `azimuthal_bins` (4) segments, the first from `rotation_deg` on, of `radial_bins`
  (1) rings, `[rings, segments]`;
- `:pixelated`: the pattern up to `outer_mrad`, or `rows` x `columns` of it, each pixel `binning` (1) wide,
  `[ky, kx]` with the zero angle at n ÷ 2 + 1;
- `:center_of_mass`: sum k I / sum I, `[2]`, x and y in 1/A; `unnormalized = 1`: sum k I.

Without `outer_mrad` annular, pixelated and centre-of-mass detectors take the whole pattern.
`sensitivity` is a matrix of measured efficiencies, zero angle at n ÷ 2 + 1, by which patterns are
multiplied first. `detector.kind` reads the kind. Throws `AET_ERROR_RANGE` for angles that are not
0 <= inner < outer and for options that the kind has no use for.
"""
mutable struct Detector <: Handle
    pointer::Ptr{Cvoid}

    function Detector(kind; sensitivity::Union{AbstractMatrix{<:Real},Nothing} = nothing, keywords...)
        options = set_options!(defaults(DetectorOptions, aet_detector_options_init), keywords)
        set_option!(options, :kind, kind)
        view = input_view(sensitivity)
        return finalizer(close, new(created(out -> aet_detector_create(options, view, out))))
    end
end

free(::Detector, pointer) = aet_detector_free(pointer)

Base.propertynames(::Detector) = (:kind,)

function Base.getproperty(detector::Detector, name::Symbol)
    name === :kind || throw(unknown_option(name, propertynames(detector)))
    return symbol_of(DETECTOR_KINDS, aet_detector_get_kind(live(detector)))
end

Base.show(io::IO, detector::Detector) =
    isopen(detector) ? print(io, "Detector (", detector.kind, ")") : print(io, "Detector (closed)")

"""
    signal_size(detector, rows, columns; row_step_mrad, column_step_mrad, energy_ev, order)

Size of the signal of one pattern; `()` for one number. Keywords as for [`measure`](@ref).
"""
function signal_size(detector::Detector, rows::Integer, columns::Integer; keywords...)
    options = set_options!(defaults(PatternOptions, aet_pattern_options_init), keywords)
    return signal_size(detector, rows, columns, options)
end

function signal_size(detector::Detector, rows::Integer, columns::Integer, options::PatternOptions)
    ndim, shape = Ref{Int32}(0), zeros(Int64, 2)
    check(aet_detector_shape(live(detector), options, rows, columns, ndim, shape))
    return Tuple(Int(extent) for extent in shape[1:ndim[]])
end

"""
    measure([progress,] detector, patterns; row_step_mrad, column_step_mrad = row_step_mrad, energy_ev,
            order = :centered, context = default_context())

Signals of measured diffraction `patterns[ky, kx, scan...]`: an array with the axes of the signal (see
[`signal_size`](@ref)) and then those of the scan; for one pattern and one number a number. Centres of
mass need `energy_ev`. `order` is `:centered` for the zero angle at n ÷ 2 + 1, or `:fft` for it at 1.
`progress` is a function as in [`run!`](@ref). Throws `AET_ERROR_RANGE` with the largest angle that the
patterns hold, `AET_ERROR_NON_FINITE`, and `AET_ERROR_NOT_READY` for a centre of mass without an energy.
"""
measure(detector::Detector, patterns::AbstractArray{<:Real}; keywords...) =
    measure(nothing, detector, patterns; keywords...)

function measure(progress, detector::Detector, patterns::AbstractArray{<:Real};
                 context::Context = default_context(), keywords...)
    ndims(patterns) >= 2 ||
        throw(AETError(:shape, "got patterns of $(ndims(patterns)) axes, wanted [ky, kx, scan...]"))
    foreach(live, (detector, context))
    options = set_options!(defaults(PatternOptions, aet_pattern_options_init), keywords)
    signal = signal_size(detector, size(patterns, 1), size(patterns, 2), options)
    out = zeros(signal..., size(patterns)[3:end]...)
    pixels, signals = input_view(patterns, axes_last(2, patterns)), output_view(out, axes_last(length(signal), out))
    status = with_progress(progress) do report, user
        aet_detector_measure(detector, context, pixels, options, report, user, signals)
    end
    check(status, "measuring patterns")
    return ndims(out) == 0 ? out[] : out
end

"The axes of an array, the first `count` of them at the end."
axes_last(count, array) = Int[count+1:ndims(array); 1:count]

"""
    integrate_center_of_mass(field, row_step, column_step = row_step)

The image `[rows, columns]` of mean 0 whose gradient fits the `field[2, rows, columns]` (x, y, 1/A) of a
[`measure`](@ref)d scan best (iCOM); the steps between scan rows and columns are in A. For a thin
specimen 2 pi times the image is the phase. Throws `AET_ERROR_SHAPE`, `AET_ERROR_RANGE`,
`AET_ERROR_NON_FINITE`.
"""
function integrate_center_of_mass(field::AbstractArray{<:Real,3}, row_step::Real, column_step::Real = row_step)
    out = zeros(size(field, 2), size(field, 3))
    check(aet_integrate_center_of_mass(input_view(field, (2, 3, 1)), row_step, column_step, output_view(out)))
    return out
end

"""
    adf_transfer(energy_ev, inner_mrad, outer_mrad, species; parametrization = :lobato)

What an annular detector sees of one atom of the element with this atomic number: `cross_section`
(A^2), which is pi B H of the orbital that stands for the atom in images of fractions of the beam,
and `collected`, the part of all that the atom scatters that the detector catches. `parametrization`
is `:lobato` or `:kirkland`. Throws `AET_ERROR_RANGE`.
"""
function adf_transfer(energy_ev::Real, inner_mrad::Real, outer_mrad::Real, species::Integer;
                      parametrization::Symbol = :lobato)
    table = number_of(PARAMETRIZATIONS, parametrization)
    table === nothing && throw(unknown_option(parametrization, first.(PARAMETRIZATIONS.values)))
    seen = (Ref(NaN), Ref(NaN))
    check(aet_adf_transfer(energy_ev, inner_mrad, outer_mrad, table, species, seen[1], seen[2]))
    return (cross_section = seen[1][], collected = seen[2][])
end
