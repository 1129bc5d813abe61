"""
Atomic electron tomography: atoms with picometre accuracy from electron microscope tilt series.

    using AET
    series = TiltSeries(images, angles_deg; pixel_size = 0.34)      # images[row, column, image]
    probe  = Probe(energy_ev = 300e3, semiangle_mrad = 25)
    recon  = LocalOrbital(series, probe; start = atoms0)
    run!(recon; iterations = 60) do p
        println(p.iteration, " ", p.loss)
        true                                                        # false ends the run
    end
    atoms(recon).positions                                          # n x 3, A

Lengths are in angstrom unless a name says otherwise (`_ev`, `_mrad`, `_deg`, `_pm`). Arrays are
passed without copies whenever they are strided; indices of images, tilts and sections count
from 1. Objects are released by the garbage collector, or at once with `close`.

The shared library is looked for in `ENV["AET_LIBRARY"]`, then under `library` in section `[AET]`
of the active project's `LocalPreferences.toml`, then in `target/release` of the source tree.
"""
module AET

import Libdl
using LinearAlgebra: Adjoint, Transpose
using Printf: @printf

export AETError
export Context, default_context, thread_count, instruction_set, request_cancel, set_log!
export TiltSeries, read_series, series_from_file, append_tilt!, replace_tilt!, exclude_tilt!, set_metadata!
export depth_axis
export Probe, wave, intensity
export Detector, signal_size, measure, integrate_center_of_mass, adf_transfer
export Orbital, gaussian_orbital, slater_orbital, tabulated_orbital, evaluate
export with_column, with_element_values, with_cell, rotate, shift, place_in_cell, wrap, cut_slab, displaced, close_pairs
export Table, histogram, accuracy, error_profile, error_histogram, confusion, rmsd_trend
export Atoms, read_atoms, generate_atoms, compare, Comparison
export Volume, read_volume, trace, trace_candidates, residuals, find_atoms, find_atoms_recorded
export trace_lattice
export Tomography, volume, reconstruct_volume, estimate_tomography_memory
export filter_volume, smooth, mask_volume, otsu_threshold, multiply, volume_support, mask_images!
export classify
export shell_correlation, ShellCorrelation, half_sets
export record_series, record_patterns, instrument_truth
export Simulation, estimate_memory, choose_window, potential, exit_wave, scan, patterns, simulate_series
export scan_ensemble, thickness_series, window_error
export Reconstruction, LocalOrbital, Block, Progress, Snapshot
export layout, parameter_scale, generation, memory_estimate
export parameters, set_parameters!, block, set_block!, freeze!
export loss_and_gradient, loss_and_gradient!, predict, predict!, pull_back
export push_forward, push_forward!, gauss_newton_product, gauss_newton_diagonal, index_map
export estimate_errors, block_errors, fit_orbital
export add_term!, set_projection!, clear_terms!
export continued, scan_defocus!, probe_table, probe_images
export step!, run!, history, r_factors, r_factor_table, record, snapshot
export atoms, geometry, save, load_reconstruction
export param_names, get_param, set_param!

include("structs.jl")
include("lib.jl")
include("functions.jl")
include("errors.jl")
include("views.jl")
include("options.jl")
include("callbacks.jl")
include("context.jl")
include("table.jl")
include("atoms.jl")
include("specimen.jl")
include("generate.jl")
include("dataset.jl")
include("probe.jl")
include("detector.jl")
include("orbital.jl")
include("recon.jl")
include("volume.jl")
include("volume_filters.jl")
include("classify.jl")
include("instrument.jl")
include("run.jl")
include("tomography.jl")
include("second_order.jl")
include("simulation.jl")
include("simulated_series.jl")

__init__() = load_library()

end
