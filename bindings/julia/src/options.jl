# Keyword arguments as option structs: the library fills in its defaults, keywords replace them.

"Which enumeration an option takes its values from."
const OPTION_ENUMERATIONS = Dict{Tuple{DataType,Symbol},Enumeration}(
    (ContextOptions, :simd) => SIMDS,
    (DatasetOptions, :length_unit) => LENGTH_UNITS,
    (Frames, :angle_order) => ANGLE_ORDERS,
    (Frames, :tilt_axis) => TILT_AXES,
    (ProbeOptions, :aperture) => APERTURES,
    (DetectorOptions, :kind) => DETECTOR_KINDS,
    (PatternOptions, :order) => PATTERN_ORDERS,
    (LotOptions, :model) => LOT_MODELS,
    (LotOptions, :loss) => LOSSES,
    (LotOptions, :slicing) => SLICINGS,
    (LotOptions, :precision) => PRECISIONS,
    (LotOptions, :mode) => LOT_MODES,
    (LotOptions, :probe_sharing) => PROBE_SHARINGS,
    (LotOptions, :height_sharing) => SHARINGS,
    (LotOptions, :width_sharing) => SHARINGS,
    (RunOptions, :optimizer) => OPTIMIZERS,
    (StructureOptions, :structure) => STRUCTURES,
    (StructureOptions, :shape) => PARTICLE_SHAPES,
    (StructureOptions, :angle_order) => ANGLE_ORDERS,
    (StructureOptions, :support) => SUPPORTS,
    (TomographyOptions, :method) => TOMOGRAPHY_METHODS,
    (TomographyOptions, :window) => RAMP_WINDOWS,
    (TomographyOptions, :background) => BACKGROUNDS,
    (FindOptions, :first_guess) => FIRST_GUESSES,
    (TomographyOptions, :subset) => VIEW_SUBSETS,
    (TomographyOptions, :gridding) => GRIDDINGS,
    (TomographyOptions, :resolution) => RESOLUTION_SCHEDULES,
    (TomographyOptions, :iterate) => ITERATES,
    (FilterOptions, :padding) => PADDINGS,
    (MaskOptions, :smoothing) => SMOOTHINGS,
    (MaskOptions, :thresholding) => THRESHOLDS,
    (MaskOptions, :connectivity) => CONNECTIVITIES,
    (SupportOptions, :shape) => SUPPORT_SHAPES,
    (TraceOptions, :method) => TRACE_METHODS,
    (TraceOptions, :thresholding) => TRACE_THRESHOLDS,
    (ClassifyOptions, :method) => CLASSIFY_METHODS,
    (ClassifyOptions, :region) => REGIONS,
    (InstrumentOptions, :detection) => DETECTIONS,
    (InstrumentOptions, :edge) => EDGES,
    (SimulationOptions, :parametrization) => PARAMETRIZATIONS,
    (SimulationOptions, :placement) => PLACEMENTS,
    (SimulationOptions, :projection) => PROJECTIONS,
    (SimulationOptions, :band_limit) => BAND_LIMITS,
    (SimulationOptions, :precision) => PRECISIONS,
    (SimulationOptions, :pattern_sampling) => PATTERN_SAMPLINGS,
    (ErrorOptions, :method) => ERROR_METHODS,
    (ErrorOptions, :noise) => NOISE_MODELS,
)

"Names of the options of a struct."
option_names(T::Type) = filter(name -> !(name in (:struct_size, :reserved)), collect(fieldnames(T)))

"The number of an enumerated option; numbers pass through for the library to judge."
enumerated(::Enumeration, ::Symbol, value::Integer) = Int32(value)
function enumerated(enumeration::Enumeration, option::Symbol, value::Symbol)
    number = number_of(enumeration, value)
    number === nothing || return number
    throw(AETError(:unknown_option, "got $option = :$value, wanted $(names_of(enumeration))"))
end

unknown_option(name, names) =
    AETError(:unknown_option, "got the unknown option $name, wanted one of $(join(names, ", "))")

"What a member is set to. An object stays with the caller, who keeps it alive as long as the struct is used."
member_value(T::Type, ::Symbol, value) = convert(T, value)
member_value(T::Type{<:NTuple{N,Any}}, option::Symbol, values) where {N} =
    length(values) <= N ? convert(T, (values..., ntuple(_ -> 0, N - length(values))...)) :
    throw(AETError(:shape, "got $(length(values)) values as $option, wanted at most $N"))
member_value(::Type{Ptr{Cvoid}}, ::Symbol, object::Handle) = getfield(live(object), :pointer)
member_value(::Type{Ptr{Cvoid}}, ::Symbol, ::Nothing) = C_NULL
member_value(::Type{Ptr{Cvoid}}, option::Symbol, value) =
    throw(AETError(:dtype, "got a $(typeof(value)) as $option, wanted an object of the library or nothing"))

"Set one option, by symbol where it is enumerated."
function set_option!(options::T, name::Symbol, value) where {T<:CStruct}
    name in option_names(T) || throw(unknown_option(name, option_names(T)))
    enumeration = get(OPTION_ENUMERATIONS, (T, name), nothing)
    number = enumeration === nothing ? value : enumerated(enumeration, name, value)
    setfield!(options, name, member_value(fieldtype(T, name), name, number))
    return options
end

function set_options!(options::CStruct, keywords)
    for (name, value) in keywords
        set_option!(options, name, value)
    end
    return options
end

"Options with the library's defaults, from the struct's own `init` function."
function defaults(T::Type, init)
    options = T()
    check(init(options, sizeof(T)))
    return options
end

# ---- options that point to arrays ----

# The struct points to views; both live as long as this object does.
mutable struct WithViews{T<:CStruct}
    raw::T
    views::Vector{ArrayView}
end

Base.cconvert(::Type{Ptr{T}}, value::WithViews{T}) where {T<:CStruct} = value
Base.unsafe_convert(::Type{Ptr{T}}, value::WithViews{T}) where {T<:CStruct} = Ptr{T}(pointer_from_objref(value.raw))

function set_view!(value::WithViews, name::Symbol, view::ArrayView)
    push!(value.views, view)
    setfield!(value.raw, name, Base.unsafe_convert(Ptr{View}, view))
    return value
end

"Options with the library's defaults and these keywords; those that are views take arrays."
function with_views(T::Type, init, keywords)
    options = WithViews(defaults(T, init), ArrayView[])
    for (name, value) in keywords
        if name in fieldnames(T) && fieldtype(T, name) === Ptr{View}
            value === nothing || set_view!(options, name, input_view(value))
        else
            set_option!(options.raw, name, value)
        end
    end
    return options
end
