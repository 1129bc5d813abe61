# The structs and enumerations of aet.h, field by field. Sizes are compared with the library's
# when it is loaded; names and numbers with the header by the tests.

"Supertype of the C structs; passed to C functions by address."
abstract type CStruct end

Base.cconvert(::Type{Ptr{T}}, value::T) where {T<:CStruct} = value
Base.unsafe_convert(::Type{Ptr{T}}, value::T) where {T<:CStruct} = Ptr{T}(pointer_from_objref(value))

"`aet_view` and `aet_const_view`: an array in host memory, strides in elements, logical axis order."
struct View
    data::Ptr{Cvoid}
    dtype::Int32
    ndim::Int32
    device::Int32
    reserved::Int32
    shape::NTuple{8,Int64}
    strides::NTuple{8,Int64}
end

mutable struct ContextOptions <: CStruct
    struct_size::Csize_t
    threads::Int32
    simd::Int32
    ContextOptions() = new(0, 0, 0)
end

"`aet_progress`: what a progress callback is shown."
struct CProgress
    struct_size::Csize_t
    phase::Int32
    iteration::Int32
    max_iterations::Int32
    reserved::Int32
    evaluations::Int64
    fraction::Float64
    loss::Float64
    gradient_norm::Float64
    r_factor::Float64
    seconds::Float64
    tilt::Int64
    tilts::Int64
    configuration::Int64
    configurations::Int64
    probe::Int64
    probes::Int64
end

mutable struct DatasetOptions <: CStruct
    struct_size::Csize_t
    rows::Int64
    columns::Int64
    pixel_size::Float64
    length_unit::Int32
    reserved::Int32
    energy_ev::Float64
    semiangle_mrad::Float64
    DatasetOptions() = new(0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct Frames <: CStruct
    struct_size::Csize_t
    rotations::Ptr{View}
    angles_deg::Ptr{View}
    angle_order::Int32
    tilt_axis::Int32
    tilt::Ptr{View}
    section::Ptr{View}
    defocus::Ptr{View}
    drift::Ptr{View}
    mask::Ptr{View}
    noise_variance::Ptr{View}
    counts_per_unit::Ptr{View}
    Frames() = new(0, C_NULL, C_NULL, 0, 0, C_NULL, C_NULL, C_NULL, C_NULL, C_NULL, C_NULL, C_NULL)
end

mutable struct CompareOptions <: CStruct
    struct_size::Csize_t
    cutoff::Float64
    remove_rotation::Int32
    reserved::Int32
    CompareOptions() = new(0, 0, 0, 0)
end

mutable struct CComparison <: CStruct
    struct_size::Csize_t
    true_count::Int64
    matched::Int64
    missing::Int64
    extra::Int64
    rmsd_pm::Float64
    rmsd_x_pm::Float64
    rmsd_y_pm::Float64
    rmsd_z_pm::Float64
    species_correct::Float64
    shift::NTuple{3,Float64}
    rotation_deg::Float64
    rmsd_rotated_pm::Float64
    tracing_error::Float64
    CComparison() = new(sizeof(CComparison), 0, 0, 0, 0, 0, 0, 0, 0, 0, (0.0, 0.0, 0.0), 0, 0, 0)
end

mutable struct AccuracyOptions <: CStruct
    struct_size::Csize_t
    cutoff::Float64
    depth_axis::NTuple{3,Float64}
    probe_radius::Float64
    AccuracyOptions() = new(0, 0, (0.0, 0.0, 0.0), 0)
end

mutable struct StructureOptions <: CStruct
    struct_size::Csize_t
    structure::Int32
    shape::Int32
    extent::NTuple{3,Float64}
    width::Float64
    count::Int64
    species_counts::NTuple{3,Int64}
    species::NTuple{3,Int32}
    stoichiometric::Int32
    density::Float64
    minimum_distance::Float64
    maximum_distance::Float64
    lattice_a::Float64
    lattice_c::Float64
    anion_parameter::Float64
    lattice_origin::NTuple{3,Float64}
    roughness::Float64
    shells::NTuple{3,Int32}
    angle_order::Int32
    angles_deg::NTuple{3,Float64}
    center::NTuple{3,Float64}
    displacement::Float64
    vacancies::Float64
    substitution::Float64
    substitute::Int32
    core_species::Int32
    core_shrink::Float64
    support_extent::NTuple{2,Float64}
    support_thickness::Float64
    support::Int32
    reserved::Int32
    seed::UInt64
    StructureOptions() = new(0)
end

mutable struct ProbeOptions <: CStruct
    struct_size::Csize_t
    energy_ev::Float64
    semiangle_mrad::Float64
    defocus::Float64
    c12::Float64
    phi12::Float64
    c21::Float64
    phi21::Float64
    c23::Float64
    phi23::Float64
    c30::Float64
    c32::Float64
    phi32::Float64
    c34::Float64
    phi34::Float64
    c41::Float64
    phi41::Float64
    c43::Float64
    phi43::Float64
    c45::Float64
    phi45::Float64
    c50::Float64
    c52::Float64
    phi52::Float64
    c54::Float64
    phi54::Float64
    c56::Float64
    phi56::Float64
    source_size::Float64
    aperture::Int32
    reserved::Int32
    ProbeOptions() = new(0, zeros(28)..., 0, 0)
end

mutable struct LotOptions <: CStruct
    struct_size::Csize_t
    model::Int32
    loss::Int32
    slicing::Int32
    precision::Int32
    height_sharing::Int32
    width_sharing::Int32
    slice_thickness::Float64
    width_start::Float64
    width_min::Float64
    width_max::Float64
    cutoff::Float64
    memory_limit::Float64
    mode::Int32
    reserved::Int32
    orbital::Ptr{Cvoid}
    depth_error::Float64
    probe_sharing::Int32
    probe_side::Int32
    huber_threshold::Float64
    probe_smoothness::Float64
    LotOptions() = new(zeros(15)..., C_NULL, 0, 0, 0, 0, 0)
end

mutable struct CBlock <: CStruct
    struct_size::Csize_t
    name::NTuple{32,UInt8}
    unit::NTuple{16,UInt8}
    dtype::Int32
    ndim::Int32
    shape::NTuple{4,Int64}
    size::Int64
    offset::Int64
    scale::Float64
    lower::Float64
    upper::Float64
    frozen::Int32
    reserved::Int32
    CBlock() = new(sizeof(CBlock), ntuple(_ -> 0x00, 32), ntuple(_ -> 0x00, 16), 0, 0,
                   (0, 0, 0, 0), 0, 0, 0, 0, 0, 0, 0)
end

mutable struct RunOptions <: CStruct
    struct_size::Csize_t
    max_iterations::Int32
    optimizer::Int32
    max_seconds::Float64
    loss_tolerance::Float64
    gradient_tolerance::Float64
    batch_fraction::Float64
    seed::Int64
    RunOptions() = new(0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct TomographyOptions <: CStruct
    struct_size::Csize_t
    initial::Ptr{Cvoid}
    support::Ptr{Cvoid}
    image_weights::Ptr{Float64}
    n_image_weights::Int64
    nz::Int64
    ny::Int64
    nx::Int64
    subset_size::Int64
    seed::Int64
    voxel_size::Float64
    relaxation::Float64
    upper_bound::Float64
    held_out::Float64
    memory_limit::Float64
    oversampling::Float64
    gridding_cutoff::Float64
    held_back::Float64
    total_variation::Float64
    tikhonov::Float64
    tikhonov_gradient::Float64
    soft_threshold::Float64
    edge::Float64
    edge_power::Float64
    edge_squeeze::Float64
    blur::Float64
    method::Int32
    iterations::Int32
    accelerated::Int32
    positivity::Int32
    window::Int32
    background::Int32
    subset::Int32
    gridding::Int32
    resolution::Int32
    end_with_all::Int32
    keep_total::Int32
    iterate::Int32
    inner_iterations::Int32
    reserved::Int32
    TomographyOptions() = new(0, C_NULL, C_NULL, C_NULL, zeros(Int, 36)...)
end

mutable struct TraceOptions <: CStruct
    struct_size::Csize_t
    smoothing::Float64
    minimum_distance::Float64
    threshold::Float64
    max_atoms::Int64
    species::Int32
    reserved::Int32
    support::Ptr{Cvoid}
    added::Ptr{View}
    removed::Ptr{View}
    removal_radius::Float64
    fit_radius::Float64
    explain_part::Float64
    method::Int32
    thresholding::Int32
    anisotropic::Int32
    explain_rounds::Int32
    TraceOptions() = new(0, 0, 0, 0, 0, 0, 0, C_NULL, C_NULL, C_NULL, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct FilterOptions <: CStruct
    struct_size::Csize_t
    low_pass::Float64
    low_pass_width::Float64
    high_pass::Float64
    high_pass_width::Float64
    gaussian::Float64
    signal_to_noise::Float64
    object_size::Float64
    floor::Float64
    padding_voxels::Int64
    padding::Int32
    curve_of_half::Int32
    FilterOptions() = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct ClassifyOptions <: CStruct
    struct_size::Csize_t
    smoothing::Float64
    region_size::Float64
    radius::Float64
    seed::Int64
    species::NTuple{8,Int32}
    non_atoms::Int32
    method::Int32
    region::Int32
    otsu_mask::Int32
    expected::NTuple{8,Float64}
    ClassifyOptions() = new(0, 0, 0, 0, 0, ntuple(_ -> 0, 8), 0, 0, 0, 0, ntuple(_ -> 0.0, 8))
end

mutable struct MaskOptions <: CStruct
    struct_size::Csize_t
    smoothing_width::Float64
    threshold::Float64
    factor::Float64
    dilation::Float64
    closing::Float64
    minimum_island::Int64
    erosion::Float64
    soft_edge::Float64
    smoothing::Int32
    thresholding::Int32
    connectivity::Int32
    largest_only::Int32
    fill_holes::Int32
    reserved::Int32
    MaskOptions() = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct LatticeOptions <: CStruct
    struct_size::Csize_t
    vectors::NTuple{9,Float64}
    rotation::NTuple{9,Float64}
    rotation_within_deg::Float64
    region_centre::NTuple{3,Float64}
    region_edge::Float64
    smoothing::Float64
    background::Float64
    reach::Float64
    displaced::Float64
    threshold::Float64
    species::Int32
    keep_background::Int32
    LatticeOptions() = new(0, ntuple(i -> 0.0, 9), ntuple(i -> 0.0, 9), 0, (0.0, 0.0, 0.0), 0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct SupportOptions <: CStruct
    struct_size::Csize_t
    nz::Int64
    ny::Int64
    nx::Int64
    voxel_size::Float64
    radius::Float64
    centre::NTuple{3,Float64}
    half_height::Float64
    soft_edge::Float64
    shape::Int32
    reserved::Int32
    SupportOptions() = new(0, 0, 0, 0, 0, 0, (0.0, 0.0, 0.0), 0, 0, 0, 0)
end

mutable struct ImageMaskOptions <: CStruct
    struct_size::Csize_t
    minimum_path::Float64
    leave_out::Int32
    reserved::Int32
    ImageMaskOptions() = new(0, 0, 0, 0)
end

mutable struct CorrelationOptions <: CStruct
    struct_size::Csize_t
    half_angle_deg::Float64
    direction::NTuple{3,Float64}
    filling::Float64
    symmetry::Float64
    CorrelationOptions() = new(0, 0, (0.0, 0.0, 0.0), 0, 0)
end

mutable struct CResolution <: CStruct
    struct_size::Csize_t
    one_seventh::Float64
    half_bit::Float64
    half::Float64
    nyquist::Float64
    CResolution() = new(sizeof(CResolution), 0, 0, 0, 0)
end

mutable struct FindOptions <: CStruct
    struct_size::Csize_t
    fit::Ptr{LotOptions}
    tomography::Ptr{TomographyOptions}
    minimum_distance::Float64
    smoothing::Float64
    threshold::Float64
    weak::Float64
    max_cycles::Int32
    fit_iterations::Int32
    species::Int32
    keep_model::Int32
    keep_orbital::Int32
    first_guess::Int32
    elements::Ptr{View}
    start::Ptr{Cvoid}
    support::Ptr{Cvoid}
    free::Ptr{UInt8}
    split::Float64
    isolation::Float64
    hold_out::Float64
    grid_spacing::Float64
    defocus_range::Float64
    FindOptions() = new(0, C_NULL, C_NULL, zeros(Int, 10)..., C_NULL, C_NULL, C_NULL, C_NULL, zeros(Int, 5)...)
end

mutable struct InstrumentOptions <: CStruct
    struct_size::Csize_t
    seed::Int64
    dose_per_a2::Float64
    electrons_per_position::Float64
    drift_x::Float64
    drift_y::Float64
    walk::Float64
    row_jitter_x::Float64
    row_jitter_y::Float64
    flyback::Float64
    flyback_decay::Float64
    rotation_deg::Float64
    shear::Float64
    stretch_x::Float64
    stretch_y::Float64
    dqe::Float64
    dead_time::Float64
    mtf::Ptr{View}
    noise_mtf::Ptr{View}
    mtf_gaussian::Float64
    mtf_exponential::Float64
    mtf_exponential_weight::Float64
    gain_pattern::Float64
    dark_current::Float64
    dark_pattern::Float64
    read_noise::Float64
    hot_current::Float64
    gain::Float64
    offset::Float64
    saturation::Float64
    dead_pixels::Int64
    hot_pixels::Int64
    detection::Int32
    noise_blurred::Int32
    quantized::Int32
    edge::Int32
    InstrumentOptions() = new(zeros(Int, 17)..., C_NULL, C_NULL, zeros(Int, 17)...)
end

mutable struct SimulationOptions <: CStruct
    struct_size::Csize_t
    energy_ev::Float64
    pixel_size::Float64
    slice_thickness::Float64
    absorption::Float64
    mistilt_x_mrad::Float64
    mistilt_y_mrad::Float64
    placement_error::Float64
    projection_error::Float64
    prism_semiangle_mrad::Float64
    slice_edges::Ptr{View}
    rows::Int64
    columns::Int64
    window_rows::Int64
    window_columns::Int64
    prism_interpolation_y::Int64
    prism_interpolation_x::Int64
    parametrization::Int32
    placement::Int32
    projection::Int32
    band_limit::Int32
    precision::Int32
    pattern_sampling::Int32
    prism_downsampling::Int32
    within_cell::Int32
    SimulationOptions() = new(zeros(Int, 10)..., C_NULL, zeros(Int, 14)...)
end

mutable struct EnsembleOptions <: CStruct
    struct_size::Csize_t
    defocus_spread::Float64
    semiangle_spread_mrad::Float64
    phonon_configurations::Int64
    phonon_seed::Int64
    defocus_nodes::Int32
    semiangle_nodes::Int32
    EnsembleOptions() = new(0, 0, 0, 0, 0, 0, 0)
end

mutable struct ScanGradients <: CStruct
    struct_size::Csize_t
    by_signal::Ptr{View}
    positions::Ptr{View}
    potential::Ptr{View}
    atom_positions::Ptr{View}
    debye_waller_b::Ptr{View}
    occupancy::Ptr{View}
    ScanGradients() = new(0, C_NULL, C_NULL, C_NULL, C_NULL, C_NULL, C_NULL)
end

mutable struct ErrorOptions <: CStruct
    struct_size::Csize_t
    method::Int32
    noise::Int32
    radius::Float64
    ErrorOptions() = new(0, 0, 0, 0)
end

mutable struct CErrorReport <: CStruct
    struct_size::Csize_t
    predicted_rmsd_pm::Float64
    undetermined::Int64
    method::Int32
    noise::Int32
    CErrorReport() = new(sizeof(CErrorReport), 0, 0, 0, 0)
end

mutable struct SeriesOptions <: CStruct
    struct_size::Csize_t
    rotations::Ptr{View}
    foci::Ptr{View}
    simulation::Ptr{SimulationOptions}
    instrument::Ptr{InstrumentOptions}
    pixel_size::Float64
    vacuum::Float64
    defocus_spread::Float64
    semiangle_spread_mrad::Float64
    rows::Int64
    columns::Int64
    phonon_configurations::Int64
    phonon_seed::Int64
    memory_cap::Int64
    defocus_nodes::Int32
    semiangle_nodes::Int32
    whole_window::Int32
    reserved::Int32
    SeriesOptions() = new(0, C_NULL, C_NULL, C_NULL, C_NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct DetectorOptions <: CStruct
    struct_size::Csize_t
    inner_mrad::Float64
    outer_mrad::Float64
    step_mrad::Float64
    rotation_deg::Float64
    sensitivity_row_step_mrad::Float64
    sensitivity_column_step_mrad::Float64
    rows::Int64
    columns::Int64
    kind::Int32
    radial_bins::Int32
    azimuthal_bins::Int32
    binning::Int32
    unnormalized::Int32
    reserved::Int32
    DetectorOptions() = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
end

mutable struct PatternOptions <: CStruct
    struct_size::Csize_t
    row_step_mrad::Float64
    column_step_mrad::Float64
    energy_ev::Float64
    order::Int32
    reserved::Int32
    PatternOptions() = new(0, 0, 0, 0, 0, 0)
end

"C name and Julia type of every struct of the interface."
const CSTRUCTS = (
    "aet_view" => View, "aet_const_view" => View,
    "aet_context_options" => ContextOptions, "aet_progress" => CProgress,
    "aet_dataset_options" => DatasetOptions, "aet_frames" => Frames,
    "aet_compare_options" => CompareOptions, "aet_comparison" => CComparison,
    "aet_accuracy_options" => AccuracyOptions,
    "aet_detector_options" => DetectorOptions, "aet_pattern_options" => PatternOptions,
    "aet_structure_options" => StructureOptions,
    "aet_probe_options" => ProbeOptions, "aet_lot_options" => LotOptions,
    "aet_block" => CBlock, "aet_run_options" => RunOptions,
    "aet_tomography_options" => TomographyOptions,
    "aet_trace_options" => TraceOptions, "aet_find_options" => FindOptions,
    "aet_filter_options" => FilterOptions, "aet_mask_options" => MaskOptions,
    "aet_lattice_options" => LatticeOptions,
    "aet_support_options" => SupportOptions, "aet_image_mask_options" => ImageMaskOptions,
    "aet_classify_options" => ClassifyOptions,
    "aet_correlation_options" => CorrelationOptions, "aet_resolution" => CResolution,
    "aet_instrument_options" => InstrumentOptions,
    "aet_simulation_options" => SimulationOptions, "aet_scan_gradients" => ScanGradients,
    "aet_ensemble_options" => EnsembleOptions, "aet_series_options" => SeriesOptions,
    "aet_error_options" => ErrorOptions, "aet_error_report" => CErrorReport,
)

"A C enumeration: `PREFIX_NAME` in the header is `:name` here."
struct Enumeration
    prefix::String
    values::Vector{Pair{Symbol,Int32}}
end
Enumeration(prefix::String, values::Pair...) = Enumeration(prefix, collect(Pair{Symbol,Int32}, values))

names_of(e::Enumeration) = join((repr(first(p)) for p in e.values), ", ", " or ")

"Name of a number, `:unknown` where this version of the bindings has none."
function symbol_of(e::Enumeration, number::Integer)
    i = findfirst(p -> last(p) == number, e.values)
    return i === nothing ? :unknown : first(e.values[i])
end

"Number of a name, `nothing` where there is none."
function number_of(e::Enumeration, name::Symbol)
    i = findfirst(p -> first(p) === name, e.values)
    return i === nothing ? nothing : last(e.values[i])
end

const OUTCOMES = Enumeration("AET", :ok => 0, :cancelled => 1, :converged => 2,
    :max_iterations => 3, :time_limit => 4, :end => 5)
const FAULTS = Enumeration("AET_ERROR", :null => 100, :shape => 101, :dtype => 102, :range => 103,
    :unknown_option => 104, :stale_handle => 105, :struct_size => 106, :unsupported => 107,
    :stale_parameters => 108, :overlap => 109, :text => 110, :not_ready => 200, :busy => 201,
    :forked => 202, :poisoned => 203, :callback => 204, :non_finite => 300, :empty => 301, :inconsistent => 302,
    :file => 400, :format => 401, :file_version => 402, :truncated => 403, :memory => 500,
    :internal => 900)
const DTYPES = Enumeration("AET_DTYPE", :f32 => 0, :f64 => 1, :c64 => 2, :c128 => 3, :u8 => 4,
    :u16 => 5, :u32 => 6, :i16 => 7, :i32 => 8)
const LOG_LEVELS = Enumeration("AET_LOG_LEVEL", :off => 0, :error => 1, :warning => 2, :info => 3,
    :debug => 4)
const SIMDS = Enumeration("AET_SIMD", :automatic => 0, :portable => 1, :avx2 => 2, :avx512 => 3)
const PHASES = Enumeration("AET_PHASE", :reading => 0, :planning => 1, :evaluating => 2,
    :optimizing => 3, :saving => 4, :simulating => 5)
const ANGLE_ORDERS = Enumeration("AET_ANGLE_ORDER", :zyx => 0, :zyz => 1, :xyz => 2)
const SITE_STATES = Enumeration("AET_SITE_STATE", :found => 0, :displaced => 1, :merged => 2, :weak => 3, :lost => 4)
const ATOM_STATES = Enumeration("AET_ATOM_STATE", :correct => 0, :wrong_species => 1, :extra => 2, :missing => 3)
const TILT_AXES = Enumeration("AET_TILT_AXIS", :none => 0, :x => 1, :y => 2)
const LENGTH_UNITS = Enumeration("AET_LENGTH_UNIT", :angstrom => 0, :pixel => 1)
const APERTURES = Enumeration("AET_APERTURE", :soft => 0, :hard => 1)
const DETECTOR_KINDS = Enumeration("AET_DETECTOR_KIND", :annular => 0, :flexible_annular => 1, :segmented => 2,
    :pixelated => 3, :center_of_mass => 4)
const PATTERN_ORDERS = Enumeration("AET_PATTERN_ORDER", :centered => 0, :fft => 1)
const RADIAL_TABLES = Enumeration("AET_RADIAL_TABLE", :projected => 0, :spatial => 1)
const LOT_MODELS = Enumeration("AET_LOT_MODEL", :direct => 0, :rigid => 1, :adaptive => 2)
const LOSSES = Enumeration("AET_LOSS", :automatic => 0, :mse => 1, :poisson => 2,
    :anscombe => 3, :huber => 4, :gaussian => 5)
const LOT_MODES = Enumeration("AET_LOT_MODE", :automatic => 0, :slices => 1, :templates => 2, :knots => 3)
const PROBE_SHARINGS = Enumeration("AET_PROBE_SHARING", :section => 0, :image => 1)
const SLICINGS = Enumeration("AET_SLICING", :linear => 0, :hard => 1)
const PRECISIONS = Enumeration("AET_PRECISION", :single => 0, :double => 1)
const SHARINGS = Enumeration("AET_SHARING", :automatic => 0, :atom => 1, :species => 2, :common => 3)
const OPTIMIZERS = Enumeration("AET_OPTIMIZER", :automatic => 0, :lbfgs => 1, :gradient_descent => 2,
    :adam => 3, :conjugate_gradient => 4, :levenberg_marquardt => 5)

const STRUCTURES = Enumeration("AET_STRUCTURE", :amorphous => 0, :film => 1, :simple_cubic => 2,
    :face_centred_cubic => 3, :body_centred_cubic => 4, :hexagonal_close_packed => 5, :diamond => 6,
    :rock_salt => 7, :caesium_chloride => 8, :zinc_blende => 9, :l10 => 10, :l12 => 11, :spinel => 12,
    :perovskite => 13, :decahedron => 14, :icosahedron => 15)
const PARTICLE_SHAPES = Enumeration("AET_PARTICLE_SHAPE", :ball => 0, :box => 1, :octahedron => 2,
    :cuboctahedron => 3, :truncated_octahedron => 4, :rhombic_dodecahedron => 5, :irregular => 6)
const SUPPORTS = Enumeration("AET_SUPPORT", :none => 0, :exit => 1, :entrance => 2)

const TOMOGRAPHY_METHODS = Enumeration("AET_TOMOGRAPHY_METHOD", :resire => 0, :sirt => 1, :sart => 2, :art => 3,
    :cgls => 4, :fbp => 5, :wbp => 6, :genfire => 7, :est => 8, :resire_fourier => 9)
const RAMP_WINDOWS = Enumeration("AET_RAMP_WINDOW", :ram_lak => 0, :shepp_logan => 1, :cosine => 2, :hamming => 3,
    :hann => 4)
const VIEW_SUBSETS = Enumeration("AET_VIEW_SUBSET", :all => 0, :even => 1, :odd => 2)
const GRIDDINGS = Enumeration("AET_GRIDDING", :exact => 0, :nearest => 1)
const RESOLUTION_SCHEDULES = Enumeration("AET_RESOLUTION_SCHEDULE", :extension => 0, :off => 1, :suppression => 2,
    :both => 3)
const ITERATES = Enumeration("AET_ITERATE", :best => 0, :last => 1)
const FIRST_GUESSES = Enumeration("AET_FIRST_GUESS", :volume => 0, :grid => 1)
const BACKGROUNDS = Enumeration("AET_BACKGROUND", :automatic => 0, :none => 1)
const SMOOTHINGS = Enumeration("AET_SMOOTHING", :none => 0, :gaussian => 1, :box => 2)
const PADDINGS = Enumeration("AET_PADDING", :zeros => 0, :mirror => 1, :periodic => 2)
const THRESHOLDS = Enumeration("AET_THRESHOLD", :otsu => 0, :value => 1)
const TRACE_METHODS = Enumeration("AET_TRACE_METHOD", :parabola => 0, :polynomial => 1, :gaussian => 2)
const TRACE_THRESHOLDS = Enumeration("AET_TRACE_THRESHOLD", :part => 0, :value => 1, :histogram => 2)
const TRACE_FLAGS = Enumeration("AET_TRACE_FLAG", :accepted => 0, :not_a_maximum => 1, :left_its_box => 2,
    :too_close => 3, :not_converged => 4, :out_of_support => 5, :removed => 6, :added => 7, :surplus => 8)
const CONNECTIVITIES = Enumeration("AET_CONNECTIVITY", :corners => 0, :faces => 1)
const SUPPORT_SHAPES = Enumeration("AET_SUPPORT_SHAPE", :sphere => 0, :cylinder_x => 1, :cylinder_y => 2,
    :cylinder_z => 3)
const CLASSIFY_METHODS = Enumeration("AET_CLASSIFY_METHOD", :gaussian => 0, :k_means => 1, :profile_global => 2,
    :profile_local => 3, :expected => 4)
const REGIONS = Enumeration("AET_REGION", :box => 0, :box_length => 1, :sphere => 2)
const DETECTIONS = Enumeration("AET_DETECTION", :counting => 0, :integrating => 1)
const EDGES = Enumeration("AET_EDGE", :mirror => 0, :periodic => 1)
const ERROR_METHODS = Enumeration("AET_ESTIMATE_METHOD", :automatic => 0, :local => 1, :dense => 2)
const NOISE_MODELS = Enumeration("AET_NOISE_MODEL", :automatic => 0, :variance => 1, :counts => 2,
    :residual => 3)

const PARAMETRIZATIONS = Enumeration("AET_PARAMETRIZATION", :lobato => 0, :kirkland => 1)
const PLACEMENTS = Enumeration("AET_PLACEMENT", :exact => 0, :gridding => 1)
const PROJECTIONS = Enumeration("AET_PROJECTION", :infinite => 0, :finite => 1)
const BAND_LIMITS = Enumeration("AET_BAND_LIMIT", :circular => 0, :square => 1, :none => 2)
const PATTERN_SAMPLINGS = Enumeration("AET_PATTERN_SAMPLING", :window => 0, :padded => 1)

"Every enumeration of the interface."
const ENUMERATIONS = (OUTCOMES, FAULTS, DTYPES, LOG_LEVELS, SIMDS, PHASES, ANGLE_ORDERS, ATOM_STATES, SITE_STATES,
    TILT_AXES,
    LENGTH_UNITS, APERTURES, RADIAL_TABLES, LOT_MODELS, LOT_MODES, PROBE_SHARINGS, LOSSES, SLICINGS, PRECISIONS, SHARINGS, OPTIMIZERS,
    TOMOGRAPHY_METHODS, RAMP_WINDOWS, VIEW_SUBSETS, GRIDDINGS, RESOLUTION_SCHEDULES, ITERATES,
    SMOOTHINGS, PADDINGS, THRESHOLDS, CONNECTIVITIES, SUPPORT_SHAPES,
    TRACE_METHODS, TRACE_THRESHOLDS, TRACE_FLAGS,
    CLASSIFY_METHODS, REGIONS,
    FIRST_GUESSES, BACKGROUNDS, DETECTIONS, EDGES, ERROR_METHODS, NOISE_MODELS, DETECTOR_KINDS, PATTERN_ORDERS,
    PARAMETRIZATIONS, PLACEMENTS, PROJECTIONS, BAND_LIMITS, PATTERN_SAMPLINGS,
    STRUCTURES, PARTICLE_SHAPES, SUPPORTS)
