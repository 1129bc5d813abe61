# Every function of aet.h, in its order. Handles are Ptr{Cvoid}; the objects of this module
# convert to them and stay rooted during the call.

const HandlePtr = Ptr{Cvoid}
const OutHandlePtr = Ptr{Ptr{Cvoid}}

# status, errors, versions
@declare aet_status_name(status::Int32)::Cstring
@declare aet_last_error_message()::Cstring
@declare aet_last_error_copy(buffer::Ptr{UInt8}, capacity::Csize_t)::Csize_t
@declare aet_version_number()::UInt32
@declare aet_version_string()::Cstring
@declare aet_abi_version()::Int32
@declare aet_struct_size(name::Cstring)::Csize_t

# log
@declare aet_log_set(level::Int32, fn::Ptr{Cvoid}, user::Ref{Any})::Int32

# context
@declare aet_context_options_init(options::Ptr{ContextOptions}, struct_size::Csize_t)::Int32
@declare aet_context_create(options::Ptr{ContextOptions}, context::OutHandlePtr)::Int32
@declare aet_context_free(context::HandlePtr)::Cvoid
@declare aet_context_threads(context::HandlePtr)::Int32
@declare aet_context_simd(context::HandlePtr)::Int32
@declare aet_context_request_cancel(context::HandlePtr)::Cvoid

# dataset
@declare aet_dataset_options_init(options::Ptr{DatasetOptions}, struct_size::Csize_t)::Int32
@declare aet_frames_init(frames::Ptr{Frames}, struct_size::Csize_t)::Int32
@declare aet_dataset_create(context::HandlePtr, options::Ptr{DatasetOptions}, images::Ptr{View}, frames::Ptr{Frames}, dataset::OutHandlePtr)::Int32
@declare aet_dataset_create_from_file(context::HandlePtr, options::Ptr{DatasetOptions}, path::Cstring, frames::Ptr{Frames}, progress::Ptr{Cvoid}, user::Ref{Any}, dataset::OutHandlePtr)::Int32
@declare aet_dataset_read(context::HandlePtr, folder::Cstring, variant::Cstring, progress::Ptr{Cvoid}, user::Ref{Any}, dataset::OutHandlePtr)::Int32
@declare aet_dataset_write(dataset::HandlePtr, folder::Cstring, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_dataset_read_atoms(context::HandlePtr, folder::Cstring, which::Cstring, variant::Cstring, atoms::OutHandlePtr)::Int32
@declare aet_dataset_free(dataset::HandlePtr)::Cvoid
@declare aet_dataset_append_tilt(dataset::HandlePtr, images::Ptr{View}, frames::Ptr{Frames}, tilt::Ptr{Int64})::Int32
@declare aet_dataset_replace_tilt(dataset::HandlePtr, tilt::Int64, images::Ptr{View}, frames::Ptr{Frames})::Int32
@declare aet_dataset_exclude_tilt(dataset::HandlePtr, tilt::Int64, excluded::Int32)::Int32
@declare aet_dataset_version(dataset::HandlePtr)::UInt64
@declare aet_dataset_image_count(dataset::HandlePtr)::Int64
@declare aet_dataset_tilt_count(dataset::HandlePtr)::Int64
@declare aet_dataset_section_count(dataset::HandlePtr)::Int64
@declare aet_dataset_rows(dataset::HandlePtr)::Int64
@declare aet_dataset_columns(dataset::HandlePtr)::Int64
@declare aet_dataset_pixel_size(dataset::HandlePtr)::Float64
@declare aet_dataset_energy_ev(dataset::HandlePtr)::Float64
@declare aet_dataset_semiangle_mrad(dataset::HandlePtr)::Float64
@declare aet_dataset_length_unit(dataset::HandlePtr)::Int32
@declare aet_dataset_copy_column(dataset::HandlePtr, name::Cstring, out::Ptr{View})::Int32
@declare aet_dataset_depth_axis(dataset::HandlePtr, out::Ptr{View})::Int32
@declare aet_dataset_set_metadata(dataset::HandlePtr, key::Cstring, value::Cstring, unit::Cstring)::Int32
@declare aet_dataset_metadata_count(dataset::HandlePtr)::Int64
@declare aet_dataset_metadata_key(dataset::HandlePtr, index::Int64, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_dataset_metadata_value(dataset::HandlePtr, key::Cstring, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_dataset_metadata_unit(dataset::HandlePtr, key::Cstring, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32

# tables
@declare aet_table_free(table::HandlePtr)::Cvoid
@declare aet_table_row_count(table::HandlePtr)::Int64
@declare aet_table_column_count(table::HandlePtr)::Int64
@declare aet_table_column_name(table::HandlePtr, index::Int64, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_table_column_unit(table::HandlePtr, index::Int64, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_table_copy_column(table::HandlePtr, name::Cstring, out::Ptr{View})::Int32
@declare aet_table_value_count(table::HandlePtr)::Int64
@declare aet_table_value_name(table::HandlePtr, index::Int64, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_table_value_unit(table::HandlePtr, index::Int64, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_table_value(table::HandlePtr, name::Cstring, value::Ptr{Float64})::Int32
@declare aet_table_histogram(table::HandlePtr, column::Cstring, by::Cstring, bins::Int64, histogram::OutHandlePtr)::Int32
@declare aet_table_write(table::HandlePtr, path::Cstring)::Int32
@declare aet_table_error_profile(table::HandlePtr, column::Cstring, width::Float64, profile::OutHandlePtr)::Int32
@declare aet_table_error_histogram(table::HandlePtr, column::Cstring, width::Float64, bins::Int64, histogram::OutHandlePtr)::Int32
@declare aet_rmsd_trend(atoms::Ptr{View}, rmsd::Ptr{View}, limit::Float64, trend::OutHandlePtr)::Int32
@declare aet_table_confusion(table::HandlePtr, confusion::OutHandlePtr)::Int32

# atoms
@declare aet_atoms_create(positions::Ptr{View}, species::Ptr{View}, heights::Ptr{View}, widths::Ptr{View}, atoms::OutHandlePtr)::Int32
@declare aet_atoms_free(atoms::HandlePtr)::Cvoid
@declare aet_atoms_count(atoms::HandlePtr)::Int64
@declare aet_atoms_copy_column(atoms::HandlePtr, name::Cstring, out::Ptr{View})::Int32
@declare aet_atoms_read(path::Cstring, atoms::OutHandlePtr)::Int32
@declare aet_atoms_read_as(path::Cstring, format::Cstring, atoms::OutHandlePtr)::Int32
@declare aet_atoms_write(atoms::HandlePtr, path::Cstring)::Int32
@declare aet_atoms_write_as(atoms::HandlePtr, path::Cstring, format::Cstring)::Int32
@declare aet_atoms_with_column(atoms::HandlePtr, name::Cstring, values::Ptr{View}, changed::OutHandlePtr)::Int32
@declare aet_atoms_with_element_values(atoms::HandlePtr, name::Cstring, species::Ptr{View}, values::Ptr{View}, changed::OutHandlePtr)::Int32
@declare aet_atoms_with_cell(atoms::HandlePtr, cell::Ptr{View}, changed::OutHandlePtr)::Int32
@declare aet_atoms_copy_cell(atoms::HandlePtr, out::Ptr{View})::Int32
@declare aet_atoms_rotate(atoms::HandlePtr, rotation::Ptr{View}, changed::OutHandlePtr)::Int32
@declare aet_atoms_shift(atoms::HandlePtr, shift::Ptr{View}, changed::OutHandlePtr)::Int32
@declare aet_atoms_place_in_cell(atoms::HandlePtr, extent::Ptr{View}, vacuum::Ptr{View}, center_atoms::Int32, changed::OutHandlePtr)::Int32
@declare aet_atoms_wrap(atoms::HandlePtr, periodic_z::Int32, changed::OutHandlePtr)::Int32
@declare aet_atoms_cut_slab(atoms::HandlePtr, axis::Int32, from::Float64, to::Float64, changed::OutHandlePtr)::Int32
@declare aet_atoms_subset(atoms::HandlePtr, indices::Ptr{Int64}, n::Int64, changed::OutHandlePtr)::Int32
@declare aet_atoms_repeat(atoms::HandlePtr, nx::Int64, ny::Int64, nz::Int64, changed::OutHandlePtr)::Int32
@declare aet_atoms_merge(atoms::HandlePtr, other::HandlePtr, changed::OutHandlePtr)::Int32
@declare aet_atoms_displace(atoms::HandlePtr, seed::Int64, number::Int64, changed::OutHandlePtr)::Int32
@declare aet_atoms_close_pairs(atoms::HandlePtr, distance::Float64, periodic_z::Int32, pairs::Ptr{View}, distances::Ptr{View}, count::Ptr{Int64})::Int32
@declare aet_compare_options_init(options::Ptr{CompareOptions}, struct_size::Csize_t)::Int32
@declare aet_atoms_compare(found::HandlePtr, truth::HandlePtr, options::Ptr{CompareOptions}, comparison::Ptr{CComparison}, errors::Ptr{View})::Int32
@declare aet_accuracy_options_init(options::Ptr{AccuracyOptions}, struct_size::Csize_t)::Int32
@declare aet_atoms_accuracy(context::HandlePtr, found::HandlePtr, truth::HandlePtr, options::Ptr{AccuracyOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, table::OutHandlePtr)::Int32

# generated atoms
@declare aet_structure_options_init(options::Ptr{StructureOptions}, struct_size::Csize_t)::Int32
@declare aet_structure_options_preset(options::Ptr{StructureOptions}, struct_size::Csize_t, name::Cstring)::Int32
@declare aet_atoms_generate(options::Ptr{StructureOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, atoms::OutHandlePtr)::Int32

# probe
@declare aet_probe_options_init(options::Ptr{ProbeOptions}, struct_size::Csize_t)::Int32
@declare aet_probe_create(options::Ptr{ProbeOptions}, probe::OutHandlePtr)::Int32
@declare aet_probe_free(probe::HandlePtr)::Cvoid
@declare aet_probe_wavelength(probe::HandlePtr)::Float64
@declare aet_probe_energy_ev(probe::HandlePtr)::Float64
@declare aet_probe_semiangle_mrad(probe::HandlePtr)::Float64
@declare aet_probe_defocus(probe::HandlePtr)::Float64
@declare aet_probe_depth_of_field(probe::HandlePtr)::Float64
@declare aet_probe_wave(probe::HandlePtr, pixel_size::Float64, depth::Float64, x::Float64, y::Float64, out::Ptr{View})::Int32
@declare aet_probe_intensity(probe::HandlePtr, pixel_size::Float64, depth::Float64, out::Ptr{View})::Int32

# detector
@declare aet_detector_options_init(options::Ptr{DetectorOptions}, struct_size::Csize_t)::Int32
@declare aet_pattern_options_init(options::Ptr{PatternOptions}, struct_size::Csize_t)::Int32
@declare aet_detector_create(options::Ptr{DetectorOptions}, sensitivity::Ptr{View}, detector::OutHandlePtr)::Int32
@declare aet_detector_free(detector::HandlePtr)::Cvoid
@declare aet_detector_get_kind(detector::HandlePtr)::Int32
@declare aet_detector_shape(detector::HandlePtr, options::Ptr{PatternOptions}, rows::Int64, columns::Int64, ndim::Ptr{Int32}, shape::Ptr{Int64})::Int32
@declare aet_detector_measure(detector::HandlePtr, context::HandlePtr, patterns::Ptr{View}, options::Ptr{PatternOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, out::Ptr{View})::Int32
@declare aet_adf_transfer(energy_ev::Float64, inner_mrad::Float64, outer_mrad::Float64, parametrization::Int32, species::Int32, cross_section::Ptr{Float64}, collected::Ptr{Float64})::Int32
@declare aet_integrate_center_of_mass(field::Ptr{View}, row_step::Float64, column_step::Float64, out::Ptr{View})::Int32

# orbital
@declare aet_orbital_create_gaussians(weights::Ptr{View}, widths::Ptr{View}, orbital::OutHandlePtr)::Int32
@declare aet_orbital_create_slater(tolerance::Float64, orbital::OutHandlePtr)::Int32
@declare aet_orbital_create_table(radii::Ptr{View}, values::Ptr{View}, kind::Int32, tolerance::Float64, orbital::OutHandlePtr)::Int32
@declare aet_orbital_free(orbital::HandlePtr)::Cvoid
@declare aet_orbital_term_count(orbital::HandlePtr)::Int64
@declare aet_orbital_expansion_error(orbital::HandlePtr)::Float64
@declare aet_orbital_copy_terms(orbital::HandlePtr, out::Ptr{View})::Int32
@declare aet_orbital_evaluate(orbital::HandlePtr, radii::Ptr{View}, width::Float64, out::Ptr{View})::Int32

# volume
@declare aet_trace_options_init(options::Ptr{TraceOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_create(context::HandlePtr, values::Ptr{View}, voxel_size::Float64, volume::OutHandlePtr)::Int32
@declare aet_volume_read(context::HandlePtr, path::Cstring, voxel_size::Float64, progress::Ptr{Cvoid}, user::Ref{Any}, volume::OutHandlePtr)::Int32
@declare aet_volume_read_named(context::HandlePtr, path::Cstring, name::Cstring, voxel_size::Float64, progress::Ptr{Cvoid}, user::Ref{Any}, volume::OutHandlePtr)::Int32
@declare aet_volume_write_as(volume::HandlePtr, path::Cstring, format::Cstring, name::Cstring, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_volume_write(volume::HandlePtr, path::Cstring, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_volume_free(volume::HandlePtr)::Cvoid
@declare aet_volume_shape(volume::HandlePtr, shape::Ptr{Int64})::Int32
@declare aet_volume_voxel_size(volume::HandlePtr)::Float64
@declare aet_volume_copy_to(volume::HandlePtr, out::Ptr{View})::Int32
@declare aet_volume_residual_count(volume::HandlePtr)::Int64
@declare aet_volume_copy_residuals(volume::HandlePtr, out::Ptr{View})::Int32
@declare aet_volume_trace(volume::HandlePtr, options::Ptr{TraceOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, atoms::OutHandlePtr, candidates::OutHandlePtr)::Int32

# volumes from tilt series
@declare aet_tomography_options_init(options::Ptr{TomographyOptions}, struct_size::Csize_t)::Int32
@declare aet_tomography_estimate_memory(dataset::HandlePtr, options::Ptr{TomographyOptions}, bytes::Ptr{UInt64})::Int32
@declare aet_recon_create_tomography(context::HandlePtr, dataset::HandlePtr, options::Ptr{TomographyOptions}, recon::OutHandlePtr)::Int32
@declare aet_recon_get_volume(recon::HandlePtr, volume::OutHandlePtr)::Int32
@declare aet_snapshot_get_volume(context::HandlePtr, snapshot::HandlePtr, volume::OutHandlePtr)::Int32
@declare aet_volume_reconstruct(context::HandlePtr, dataset::HandlePtr, options::Ptr{TomographyOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, volume::OutHandlePtr)::Int32

# filters, masks and resolution of volumes
@declare aet_filter_options_init(options::Ptr{FilterOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_filter(volume::HandlePtr, options::Ptr{FilterOptions}, dataset::HandlePtr, curve::Ptr{View}, progress::Ptr{Cvoid}, user::Ref{Any}, filtered::OutHandlePtr)::Int32
@declare aet_volume_smooth(volume::HandlePtr, smoothing::Int32, width::Float64, progress::Ptr{Cvoid}, user::Ref{Any}, smoothed::OutHandlePtr)::Int32
@declare aet_mask_options_init(options::Ptr{MaskOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_mask(volume::HandlePtr, options::Ptr{MaskOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, mask_of_volume::OutHandlePtr)::Int32
@declare aet_volume_otsu_threshold(volume::HandlePtr, progress::Ptr{Cvoid}, user::Ref{Any}, threshold::Ptr{Float64})::Int32
@declare aet_volume_multiply(volume::HandlePtr, mask::HandlePtr, progress::Ptr{Cvoid}, user::Ref{Any}, product::OutHandlePtr)::Int32
@declare aet_support_options_init(options::Ptr{SupportOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_create_support(context::HandlePtr, options::Ptr{SupportOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, volume::OutHandlePtr)::Int32
@declare aet_image_mask_options_init(options::Ptr{ImageMaskOptions}, struct_size::Csize_t)::Int32
@declare aet_dataset_mask_images(dataset::HandlePtr, mask::HandlePtr, options::Ptr{ImageMaskOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, kept::Ptr{View})::Int32
@declare aet_classify_options_init(options::Ptr{ClassifyOptions}, struct_size::Csize_t)::Int32
@declare aet_atoms_classify(atoms::HandlePtr, volume::HandlePtr, options::Ptr{ClassifyOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, classified::OutHandlePtr, table::OutHandlePtr, classes::OutHandlePtr)::Int32
@declare aet_lattice_options_init(options::Ptr{LatticeOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_trace_lattice(volume::HandlePtr, crystal::HandlePtr, mask::HandlePtr, options::Ptr{LatticeOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, atoms::OutHandlePtr, sites::OutHandlePtr)::Int32
@declare aet_correlation_options_init(options::Ptr{CorrelationOptions}, struct_size::Csize_t)::Int32
@declare aet_volume_shell_count(volume::HandlePtr)::Int64
@declare aet_volume_shell_correlation(volume::HandlePtr, other::HandlePtr, mask::HandlePtr, options::Ptr{CorrelationOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, curve::Ptr{View}, resolution::Ptr{CResolution})::Int32
@declare aet_dataset_half_sets(dataset::HandlePtr, half::Ptr{Int32}, n::Int64)::Int32

# atoms from images alone
@declare aet_find_options_init(options::Ptr{FindOptions}, struct_size::Csize_t)::Int32
@declare aet_dataset_find_atoms(dataset::HandlePtr, probe::HandlePtr, options::Ptr{FindOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, atoms::OutHandlePtr, traced::OutHandlePtr, cycles::OutHandlePtr, orbital::OutHandlePtr, decisions::OutHandlePtr)::Int32

# the recording instrument
@declare aet_instrument_options_init(options::Ptr{InstrumentOptions}, struct_size::Csize_t)::Int32
@declare aet_dataset_record(dataset::HandlePtr, options::Ptr{InstrumentOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, recorded::OutHandlePtr)::Int32
@declare aet_patterns_record(context::HandlePtr, patterns::Ptr{View}, options::Ptr{InstrumentOptions}, first::Int64, progress::Ptr{Cvoid}, user::Ref{Any}, out::Ptr{View})::Int32
@declare aet_instrument_copy_truth(options::Ptr{InstrumentOptions}, pixel_size::Float64, image::Int64, name::Cstring, out::Ptr{View})::Int32

# reconstruction
@declare aet_lot_options_init(options::Ptr{LotOptions}, struct_size::Csize_t)::Int32
@declare aet_recon_create_lot(context::HandlePtr, dataset::HandlePtr, probe::HandlePtr, start::HandlePtr, options::Ptr{LotOptions}, recon::OutHandlePtr)::Int32
@declare aet_recon_free(recon::HandlePtr)::Cvoid
@declare aet_recon_memory_estimate(recon::HandlePtr, bytes::Ptr{UInt64})::Int32
@declare aet_recon_generation(recon::HandlePtr)::UInt64
@declare aet_recon_block_count(recon::HandlePtr)::Int64
@declare aet_recon_parameter_layout(recon::HandlePtr, index::Int64, block::Ptr{CBlock})::Int32
@declare aet_recon_parameter_count(recon::HandlePtr)::Int64
@declare aet_recon_get_parameters(recon::HandlePtr, n::Int64, x::Ptr{Float64})::Int32
@declare aet_recon_set_parameters(recon::HandlePtr, n::Int64, x::Ptr{Float64})::Int32
@declare aet_recon_get_block(recon::HandlePtr, name::Cstring, out::Ptr{View})::Int32
@declare aet_recon_set_block(recon::HandlePtr, name::Cstring, values::Ptr{View})::Int32
@declare aet_recon_freeze(recon::HandlePtr, name::Cstring, frozen::Int32)::Int32
@declare aet_recon_loss_and_gradient(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, loss::Ptr{Float64}, gradient::Ptr{Float64}, image_losses::Ptr{Float64})::Int32
@declare aet_recon_predict(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, out::Ptr{View})::Int32
@declare aet_recon_pull_back(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, residuals::Ptr{View}, gradient::Ptr{Float64})::Int32
@declare aet_run_options_init(options::Ptr{RunOptions}, struct_size::Csize_t)::Int32
@declare aet_recon_step(recon::HandlePtr, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_recon_run(recon::HandlePtr, options::Ptr{RunOptions}, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_recon_history_count(recon::HandlePtr)::Int64
@declare aet_recon_copy_history(recon::HandlePtr, name::Cstring, out::Ptr{View})::Int32
@declare aet_recon_copy_r_factors(recon::HandlePtr, out::Ptr{View})::Int32
@declare aet_recon_r_factor_table(recon::HandlePtr, table::OutHandlePtr)::Int32
@declare aet_recon_record(recon::HandlePtr, buffer::Ptr{UInt8}, capacity::Csize_t, needed::Ptr{Csize_t})::Int32
@declare aet_recon_get_atoms(recon::HandlePtr, atoms::OutHandlePtr)::Int32
@declare aet_recon_get_geometry(recon::HandlePtr, rotations::Ptr{View}, drift::Ptr{View}, defocus::Ptr{View})::Int32
@declare aet_recon_continue_lot(recon::HandlePtr, options::Ptr{LotOptions}, next::OutHandlePtr)::Int32
@declare aet_recon_scan_defocus(recon::HandlePtr, range::Float64, step::Float64, tilts::Float64, progress::Ptr{Cvoid}, user::Ref{Any}, table::OutHandlePtr)::Int32
@declare aet_recon_probe_table(recon::HandlePtr, table::OutHandlePtr)::Int32
@declare aet_recon_probe_images(recon::HandlePtr, image::Int64, slices::Ptr{Int64}, side::Ptr{Int64}, depths::Ptr{View}, probes::Ptr{View})::Int32
@declare aet_recon_push_forward(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, direction::Ptr{Float64}, out::Ptr{View})::Int32
@declare aet_recon_gauss_newton_product(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, direction::Ptr{Float64}, product::Ptr{Float64})::Int32
@declare aet_recon_gauss_newton_diagonal(recon::HandlePtr, n::Int64, x::Ptr{Float64}, images::Ptr{Int64}, n_images::Int64, probes::Int32, diagonal::Ptr{Float64})::Int32
@declare aet_recon_index_map(recon::HandlePtr, generation::UInt64, n::Int64, map::Ptr{Int64})::Int32
@declare aet_recon_add_term(recon::HandlePtr, block::Cstring, weight::Float64, fn::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_recon_set_projection(recon::HandlePtr, fn::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_recon_clear_terms(recon::HandlePtr)::Int32
@declare aet_error_options_init(options::Ptr{ErrorOptions}, struct_size::Csize_t)::Int32
@declare aet_recon_estimate_errors(recon::HandlePtr, options::Ptr{ErrorOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, atoms::OutHandlePtr, height_errors::Ptr{View}, report::Ptr{CErrorReport})::Int32
@declare aet_recon_block_errors(recon::HandlePtr, name::Cstring, rows::Ptr{Int64}, n_rows::Int64, noise::Int32, progress::Ptr{Cvoid}, user::Ref{Any}, errors::Ptr{View})::Int32
@declare aet_recon_fit_orbital(recon::HandlePtr, widths::Ptr{View}, progress::Ptr{Cvoid}, user::Ref{Any}, orbital::OutHandlePtr)::Int32
@declare aet_recon_save(recon::HandlePtr, path::Cstring)::Int32
@declare aet_recon_load(context::HandlePtr, dataset::HandlePtr, probe::HandlePtr, path::Cstring, recon::OutHandlePtr)::Int32
@declare aet_recon_param_count()::Int64
@declare aet_recon_param_name(index::Int64)::Cstring
@declare aet_recon_set_param(recon::HandlePtr, name::Cstring, value::Float64)::Int32
@declare aet_recon_get_param(recon::HandlePtr, name::Cstring, value::Ptr{Float64})::Int32

# snapshots
@declare aet_recon_snapshot(recon::HandlePtr, snapshot::OutHandlePtr)::Int32
@declare aet_snapshot_free(snapshot::HandlePtr)::Cvoid
@declare aet_snapshot_iteration(snapshot::HandlePtr)::Int64
@declare aet_snapshot_loss(snapshot::HandlePtr)::Float64
@declare aet_snapshot_generation(snapshot::HandlePtr)::UInt64
@declare aet_snapshot_get_atoms(snapshot::HandlePtr, atoms::OutHandlePtr)::Int32

# simulations
@declare aet_simulation_options_init(options::Ptr{SimulationOptions}, struct_size::Csize_t)::Int32
@declare aet_simulation_create(context::HandlePtr, atoms::HandlePtr, options::Ptr{SimulationOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, simulation::OutHandlePtr)::Int32
@declare aet_simulation_create_from_potential(context::HandlePtr, potential::Ptr{View}, cell_x::Float64, cell_y::Float64, options::Ptr{SimulationOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, simulation::OutHandlePtr)::Int32
@declare aet_simulation_free(simulation::HandlePtr)::Cvoid
@declare aet_simulation_slice_count(simulation::HandlePtr)::Int64
@declare aet_simulation_atom_count(simulation::HandlePtr)::Int64
@declare aet_simulation_wavelength(simulation::HandlePtr)::Float64
@declare aet_simulation_shape(simulation::HandlePtr, rows::Ptr{Int64}, columns::Ptr{Int64})::Int32
@declare aet_simulation_window_shape(simulation::HandlePtr, rows::Ptr{Int64}, columns::Ptr{Int64})::Int32
@declare aet_simulation_pattern_shape(simulation::HandlePtr, rows::Ptr{Int64}, columns::Ptr{Int64})::Int32
@declare aet_simulation_pixel_size(simulation::HandlePtr, y::Ptr{Float64}, x::Ptr{Float64})::Int32
@declare aet_simulation_potential(simulation::HandlePtr, slice::Int64, out::Ptr{View})::Int32
@declare aet_simulation_exit_wave(simulation::HandlePtr, incident::Ptr{View}, slices::Int64, out::Ptr{View})::Int32
@declare aet_simulation_memory_estimate(simulation::HandlePtr, bytes::Ptr{UInt64}, with_gradients::Ptr{UInt64})::Int32
@declare aet_simulation_estimate_memory(context::HandlePtr, atoms::HandlePtr, options::Ptr{SimulationOptions}, bytes::Ptr{UInt64}, with_gradients::Ptr{UInt64})::Int32
@declare aet_simulation_probe_exit_wave(simulation::HandlePtr, probe::HandlePtr, x::Float64, y::Float64, slices::Int64, out::Ptr{View}, first_row::Ptr{Int64}, first_column::Ptr{Int64})::Int32
@declare aet_simulation_signal_count(simulation::HandlePtr, detectors::OutHandlePtr, n::Int64, count::Ptr{Int64})::Int32
@declare aet_simulation_signal_shape(simulation::HandlePtr, detector::HandlePtr, ndim::Ptr{Int32}, shape::Ptr{Int64})::Int32
@declare aet_simulation_scan(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, detectors::OutHandlePtr, n_detectors::Int64, progress::Ptr{Cvoid}, user::Ref{Any}, out::Ptr{View})::Int32
@declare aet_simulation_patterns(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, progress::Ptr{Cvoid}, user::Ref{Any}, out::Ptr{View})::Int32
@declare aet_simulation_choose_window(atoms::HandlePtr, probe::HandlePtr, focus::Float64, options::Ptr{SimulationOptions}, rows::Ptr{Int64}, columns::Ptr{Int64})::Int32
@declare aet_simulation_thickness_series(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, exit_slices::Ptr{View}, detectors::OutHandlePtr, n_detectors::Int64, progress::Ptr{Cvoid}, user::Ref{Any}, out::Ptr{View})::Int32
@declare aet_ensemble_options_init(options::Ptr{EnsembleOptions}, struct_size::Csize_t)::Int32
@declare aet_simulation_scan_ensemble(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, detectors::OutHandlePtr, n_detectors::Int64, options::Ptr{EnsembleOptions}, progress::Ptr{Cvoid}, user::Ref{Any}, mean::Ptr{View}, standard_error::Ptr{View})::Int32
@declare aet_simulation_window_error(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, detectors::OutHandlePtr, n_detectors::Int64, progress::Ptr{Cvoid}, user::Ref{Any}, largest::Ptr{Float64}, relative::Ptr{Float64})::Int32
@declare aet_scan_gradients_init(gradients::Ptr{ScanGradients}, struct_size::Csize_t)::Int32
@declare aet_simulation_pull_back(simulation::HandlePtr, probe::HandlePtr, positions::Ptr{View}, detectors::OutHandlePtr, n_detectors::Int64, gradients::Ptr{ScanGradients}, progress::Ptr{Cvoid}, user::Ref{Any})::Int32

# simulated tilt series
@declare aet_series_options_init(options::Ptr{SeriesOptions}, struct_size::Csize_t)::Int32
@declare aet_simulate_series(context::HandlePtr, atoms::HandlePtr, probe::HandlePtr, detector::HandlePtr, options::Ptr{SeriesOptions}, folder::Cstring, progress::Ptr{Cvoid}, user::Ref{Any})::Int32
@declare aet_simulate_series_estimate_memory(context::HandlePtr, atoms::HandlePtr, probe::HandlePtr, detector::HandlePtr, options::Ptr{SeriesOptions}, bytes::Ptr{UInt64})::Int32
