# Multislice simulations of what a microscope sees of atoms.

function simulation_options(energy_ev, keywords)
    options = with_views(SimulationOptions, aet_simulation_options_init, keywords)
    set_option!(options.raw, :energy_ev, energy_ev)
    return options
end

"""
    Simulation([progress,] atoms, energy_ev; pixel_size = 0.1, slice_thickness = 2, ...)
    Simulation([progress,] potential, (x, y), energy_ev; slice_thickness = 2, ...)

Atoms with a cell and known species, ready to be seen by electrons of `energy_ev`; immutable. The frame
is the cell, periodic across the beam: pixel [row, column] lies at y = (row - 1) pixel_size[1],
x = (column - 1) pixel_size[2]; the beam enters at z = 0, and the defocus of a probe refers to that
face. Or a `potential[row, column, slice]` (V A) over a cell of (x, y) A; options of the sampling and of
atoms must be left out then. Lengths are in A.

- `pixel_size` at most, or `rows` and `columns` of the cell;
- `slice_thickness`, or `slice_edges` from 0 to the height of the cell;
- `window_rows`, `window_columns`: pixels of the window around the probe through which a wave travels
  (see [`choose_window`](@ref)); `pattern_sampling` (`:window`, `:padded`) of diffraction patterns;
- `prism_semiangle_mrad`: scans by PRISM, with the largest semi-angle of the probes to come;
  `prism_interpolation_y`, `prism_interpolation_x` (divisors of the pixels), `prism_downsampling` (0, 1);
- `within_cell` (0, 1): refuse scan positions outside of the cell, which is periodic;
- `parametrization` (`:lobato`, `:kirkland`), `placement` (`:exact`, `:gridding`) with `placement_error`,
  `projection` (`:infinite`, `:finite`) with `projection_error`;
- `band_limit` (`:circular`, `:square`, `:none`), `absorption`, `mistilt_x_mrad`, `mistilt_y_mrad`;
- `precision` (`:single`, `:double`), `context`.

Read as properties: `slice_count`, `atom_count`, `wavelength` (A), `size`, `window_size` and `pattern_size`
(rows, columns), `pixel_size` (along y, x). `progress` is a function as in [`run!`](@ref). Throws
`AET_ERROR_NOT_READY` without a cell, `AET_ERROR_RANGE` with the atom that lies outside of it along the
beam, `AET_ERROR_SHAPE` for a window larger than the cell, `AET_ERROR_UNSUPPORTED` for PRISM in a window or
with padded patterns, `AET_CANCELLED`.
"""
mutable struct Simulation <: Handle
    pointer::Ptr{Cvoid}
    Simulation(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

Simulation(atoms::Atoms, energy_ev::Real; keywords...) = Simulation(nothing, atoms, energy_ev; keywords...)

function Simulation(progress, atoms::Atoms, energy_ev::Real; context::Context = default_context(), keywords...)
    foreach(live, (context, atoms))
    options = simulation_options(energy_ev, keywords)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        aet_simulation_create(context, atoms, options, report, user, out)
    end
    check(status, "making a simulation")
    return Simulation(out[])
end

Simulation(potential::AbstractArray{<:Real,3}, extent, energy_ev::Real; keywords...) =
    Simulation(nothing, potential, extent, energy_ev; keywords...)

function Simulation(progress, potential::AbstractArray{<:Real,3}, extent, energy_ev::Real;
                    context::Context = default_context(), keywords...)
    live(context)
    options, view = simulation_options(energy_ev, keywords), input_view(potential, Images)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        aet_simulation_create_from_potential(context, view, extent[1], extent[2], options, report, user, out)
    end
    check(status, "making a simulation")
    return Simulation(out[])
end

free(::Simulation, pointer) = aet_simulation_free(pointer)

"Two results of a getter."
function pair_of(getter, T, simulation)
    first, second = Ref{T}(0), Ref{T}(0)
    check(getter(simulation, first, second))
    return first[], second[]
end

size_of(getter, simulation) = map(Int, pair_of(getter, Int64, simulation))

const SIMULATION_NUMBERS = (
    slice_count = simulation -> Int(aet_simulation_slice_count(simulation)),
    atom_count = simulation -> Int(aet_simulation_atom_count(simulation)),
    wavelength = simulation -> aet_simulation_wavelength(simulation),
    size = simulation -> size_of(aet_simulation_shape, simulation),
    window_size = simulation -> size_of(aet_simulation_window_shape, simulation),
    pattern_size = simulation -> size_of(aet_simulation_pattern_shape, simulation),
    pixel_size = simulation -> pair_of(aet_simulation_pixel_size, Float64, simulation),
)

Base.propertynames(::Simulation) = keys(SIMULATION_NUMBERS)

function Base.getproperty(simulation::Simulation, name::Symbol)
    haskey(SIMULATION_NUMBERS, name) || throw(unknown_option(name, propertynames(simulation)))
    return SIMULATION_NUMBERS[name](live(simulation))
end

function Base.show(io::IO, simulation::Simulation)
    isopen(simulation) || return print(io, "Simulation (closed)")
    rows, columns = simulation.size
    print(io, "Simulation (", rows, " x ", columns, " pixels, ", simulation.slice_count, " slices)")
end

memory_of((scans, with_gradients)) = (scans = Int(scans), with_gradients = Int(with_gradients))

"""
    estimate_memory(atoms, energy_ev; ...)

Bytes that a [`Simulation`](@ref) with these arguments and a scan will need, and with gradients, too:
`(scans = ..., with_gradients = ...)`; results do not count. `memory_estimate(simulation)` tells the
same of one that is made.
"""
function estimate_memory(atoms::Atoms, energy_ev::Real; context::Context = default_context(), keywords...)
    foreach(live, (context, atoms))
    options = simulation_options(energy_ev, keywords)
    scans, with_gradients = Ref{UInt64}(0), Ref{UInt64}(0)
    check(aet_simulation_estimate_memory(context, atoms, options, scans, with_gradients))
    return memory_of((scans[], with_gradients[]))
end

memory_estimate(simulation::Simulation) =
    memory_of(pair_of(aet_simulation_memory_estimate, UInt64, live(simulation)))

"""
    choose_window(atoms, probe, focus = 0.0; pixel_size = 0.1, ...)

Pixels (rows, columns) of a window for `probe` through the cell of `atoms`, with its crossover up to `focus` (A)
from the middle of the cell; those of the cell where nothing smaller will do. The sampling comes from the options
of a [`Simulation`](@ref). [`window_error`](@ref) measures what a window costs. Throws `AET_ERROR_NOT_READY` for
atoms without a cell, `AET_ERROR_RANGE` for `focus`.
"""
function choose_window(atoms::Atoms, probe::Probe, focus::Real = 0.0; keywords...)
    foreach(live, (atoms, probe))
    options = with_views(SimulationOptions, aet_simulation_options_init, keywords)
    rows, columns = Ref{Int64}(0), Ref{Int64}(0)
    check(aet_simulation_choose_window(atoms, probe, focus, options, rows, columns))
    return Int(rows[]), Int(columns[])
end

"""
    potential(simulation, slice)

Potential [row, column] of a slice (counted from 1), V A.
"""
function potential(simulation::Simulation, slice::Integer)
    number = from_one("slice", [slice], Int64)[1]
    out = zeros(live(simulation).size)
    check(aet_simulation_potential(simulation, number, output_view(out)))
    return out
end

"""
    exit_wave(simulation, incident = nothing; slices = 0)
    exit_wave(simulation, probe, (x, y); slices = 0)

The wave behind the first `slices` slices (0: all) of an `incident` one of the size of the cell, or of a
plane wave 1; throws `AET_ERROR_UNSUPPORTED` where waves travel through windows. Or of a probe at (x, y)
(A): then the wave, of the size of the window, and the pixel (row, column) of the cell that is its
first.
"""
function exit_wave(simulation::Simulation, incident::Union{AbstractMatrix,Nothing} = nothing; slices::Integer = 0)
    out = zeros(ComplexF64, live(simulation).size)
    check(aet_simulation_exit_wave(simulation, input_view(incident), slices, output_view(out)))
    return out
end

function exit_wave(simulation::Simulation, probe::Probe, position; slices::Integer = 0)
    foreach(live, (simulation, probe))
    out = zeros(ComplexF64, simulation.window_size)
    row, column = Ref{Int64}(0), Ref{Int64}(0)
    x, y = position
    check(aet_simulation_probe_exit_wave(simulation, probe, x, y, slices, output_view(out), row, column))
    return out, (Int(row[]) + 1, Int(column[]) + 1)
end

"""
    signal_size(simulation, detector)

Size of the signal of one detector; `()` for one number.
"""
function signal_size(simulation::Simulation, detector::Detector)
    ndim, shape = Ref{Int32}(0), zeros(Int64, 2)
    check(aet_simulation_signal_shape(live(simulation), live(detector), ndim, shape))
    return Tuple(Int(extent) for extent in shape[1:ndim[]])
end

"Pointers of detectors; these must stay alive during the call."
pointers_of(detectors) = Ptr{Cvoid}[getfield(live(detector), :pointer) for detector in detectors]

listed(detector::Detector) = Detector[detector]
listed(detectors) = collect(Detector, detectors)

# The library has the last axis of a signal fastest; each position is a row of its table.
to_signal(rows, ::Tuple{}) = vec(rows)
to_signal(rows, ::Tuple{Int}) = permutedims(rows)
to_signal(rows, (r, c)::Tuple{Int,Int}) = permutedims(reshape(permutedims(rows), c, r, :), (2, 1, 3))

from_signal(signal, ::Tuple{}) = reshape(signal, :, 1)
from_signal(signal, ::Tuple{Int}) = permutedims(signal)
from_signal(signal, (r, c)::Tuple{Int,Int}) = permutedims(reshape(permutedims(signal, (2, 1, 3)), r * c, :))

"""
    scan([progress,] simulation, probe, positions, detector)
    scan([progress,] simulation, probe, positions, detectors)

Signals of `probe` at `positions`, n x 2, x and y in A, anywhere: the cell is periodic. One detector
gives an array with the axes of its signal (see [`signal_size`](@ref)), then n; several give a vector of
such arrays. Signals are fractions of the beam, centres of mass are in 1/A. Throws `AET_ERROR_RANGE` for
an angle beyond the band limit, with the largest one and the pixel that would be needed.
"""
scan(simulation::Simulation, arguments...) = scan(nothing, simulation, arguments...)

scan(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real}, detector::Detector) =
    first(scan(progress, simulation, probe, positions, listed(detector)))

function scan(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real}, detectors)
    chosen = listed(detectors)
    foreach(live, (simulation, probe))
    out = zeros(size(positions, 1), signal_count(simulation, chosen))
    places, signals = input_view(positions), output_view(out)
    GC.@preserve chosen begin
        pointers = pointers_of(chosen)
        status = with_progress(progress) do report, user
            aet_simulation_scan(simulation, probe, places, pointers, length(chosen), report, user, signals)
        end
        check(status, "scanning")
    end
    return signals_of(simulation, chosen, out, (size(positions, 1),))
end

function signal_count(simulation, detectors)
    count = Ref{Int64}(0)
    GC.@preserve detectors begin
        check(aet_simulation_signal_count(simulation, pointers_of(detectors), length(detectors), count))
    end
    return Int(count[])
end

"A table, one row per place of an array of these axes, as arrays with the axes of each signal and then these."
function signals_of(simulation, detectors, table, axes)
    sizes = [signal_size(simulation, detector) for detector in detectors]
    ends = cumsum(Int[prod(extent) for extent in sizes])
    return [reshape(to_signal(table[:, last-prod(extent)+1:last], extent), extent..., axes...)
            for (extent, last) in zip(sizes, ends)]
end

"""
    scan_ensemble([progress,] simulation, probe, positions, detectors; phonon_configurations = 0, phonon_seed = 0, ...)

Means of the signals of a [`scan`](@ref) over an ensemble, and the standard errors of these means over the
configurations of atoms, `NaN` for fewer than two: both in the form of what `scan` returns.

- `phonon_configurations` of displaced atoms (frozen phonons, [`displaced`](@ref)) with a `phonon_seed`, of which
  configuration i is the same however many there are; 0: atoms at rest, whose Debye-Waller factors blur the
  potential;
- `defocus_spread` (A) and `semiangle_spread_mrad`, standard deviations, with `defocus_nodes` (7) and
  `semiangle_nodes` (5) probes that stand for them, all pairs for both.

Throws `AET_ERROR_NOT_READY` for frozen phonons of atoms without Debye-Waller factors, `AET_ERROR_UNSUPPORTED`
for those of a potential, `AET_ERROR_RANGE` for a spread or number of nodes, `AET_CANCELLED`; else as `scan`.
"""
scan_ensemble(simulation::Simulation, arguments...; keywords...) =
    scan_ensemble(nothing, simulation, arguments...; keywords...)

function scan_ensemble(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real}, detectors;
                       phonon_configurations::Integer = 0, phonon_seed::Integer = 0, defocus_spread::Real = 0,
                       defocus_nodes::Integer = 0, semiangle_spread_mrad::Real = 0, semiangle_nodes::Integer = 0)
    chosen = listed(detectors)
    foreach(live, (simulation, probe))
    of_ensemble = (phonon_configurations = phonon_configurations, phonon_seed = phonon_seed,
                   defocus_spread = defocus_spread, defocus_nodes = defocus_nodes, semiangle_spread_mrad = semiangle_spread_mrad,
                   semiangle_nodes = semiangle_nodes)
    options = set_options!(defaults(EnsembleOptions, aet_ensemble_options_init), pairs(of_ensemble))
    means, errors = (zeros(size(positions, 1), signal_count(simulation, chosen)) for _ in 1:2)
    places, mean_view, error_view = input_view(positions), output_view(means), output_view(errors)
    GC.@preserve chosen begin
        pointers = pointers_of(chosen)
        status = with_progress(progress) do report, user
            aet_simulation_scan_ensemble(simulation, probe, places, pointers, length(chosen), options, report, user,
                                         mean_view, error_view)
        end
        check(status, "scanning an ensemble")
    end
    signals = (signals_of(simulation, chosen, table, (size(positions, 1),)) for table in (means, errors))
    return detectors isa Detector ? Tuple(first.(signals)) : Tuple(signals)
end

"""
    thickness_series([progress,] simulation, probe, positions, exit_slices, detectors)

Signals of a [`scan`](@ref) behind the first `exit_slices` slices, rising numbers: those of specimens that end
there, in one run. In the form of what `scan` returns with the exits as last axis: [signal..., n, exit]. Throws
`AET_ERROR_RANGE` for an exit that is not behind the one before, or not behind a slice there is,
`AET_ERROR_UNSUPPORTED` by PRISM for other exits than all slices, `AET_CANCELLED`; else as `scan`.
"""
thickness_series(simulation::Simulation, arguments...) = thickness_series(nothing, simulation, arguments...)

function thickness_series(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real},
                          exit_slices::AbstractVector{<:Real}, detectors)
    chosen = listed(detectors)
    foreach(live, (simulation, probe))
    axes = (size(positions, 1), length(exit_slices))
    out = zeros(axes..., signal_count(simulation, chosen))
    places, exits, signals = input_view(positions), input_view(exit_slices), output_view(out, (2, 1, 3))
    GC.@preserve chosen begin
        pointers = pointers_of(chosen)
        status = with_progress(progress) do report, user
            aet_simulation_thickness_series(simulation, probe, places, exits, pointers, length(chosen), report, user,
                                            signals)
        end
        check(status, "a thickness series")
    end
    series = signals_of(simulation, chosen, reshape(out, prod(axes), :), axes)
    return detectors isa Detector ? first(series) : series
end

"""
    window_error([progress,] simulation, probe, positions, detectors)

What the window of a simulation costs the signals at `positions`, n x 2, a few that matter, against a window of
twice the size, or the whole cell where that is smaller: `(largest = ..., relative = ...)`, the largest difference
of any signal, and the same over the largest signal. Throws `AET_ERROR_UNSUPPORTED` for a simulation without
window or of a potential, `AET_CANCELLED`; else as [`scan`](@ref).
"""
window_error(simulation::Simulation, arguments...) = window_error(nothing, simulation, arguments...)

function window_error(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real}, detectors)
    chosen, places = listed(detectors), input_view(positions)
    foreach(live, (simulation, probe))
    largest, relative = Ref(0.0), Ref(0.0)
    GC.@preserve chosen begin
        pointers = pointers_of(chosen)
        status = with_progress(progress) do report, user
            aet_simulation_window_error(simulation, probe, places, pointers, length(chosen), report, user, largest,
                                        relative)
        end
        check(status, "measuring the error of a window")
    end
    return (largest = largest[], relative = relative[])
end

"""
    patterns([progress,] simulation, probe, positions)

Diffraction patterns [ky, kx, n], `Float32`, of `probe` at `positions`, n x 2 (x, y; A): fractions of
the beam, zero angle at n ÷ 2 + 1.
"""
patterns(simulation::Simulation, arguments...) = patterns(nothing, simulation, arguments...)

function patterns(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real})
    foreach(live, (simulation, probe))
    rows, columns = simulation.pattern_size
    out = zeros(Float32, rows, columns, size(positions, 1))
    places, view = input_view(positions), output_view(out, Images)
    status = with_progress(progress) do report, user
        aet_simulation_patterns(simulation, probe, places, report, user, view)
    end
    check(status, "computing patterns")
    return out
end

"What `pull_back` of a simulation can return, with the order of their axes."
const SCAN_GRADIENTS = (:positions, :potential, :atom_positions, :debye_waller_b, :occupancy)

"""
    pull_back([progress,] simulation, probe, positions, detectors, by_signal; wanted = (:atom_positions,))

Gradients of a loss of the signals of a [`scan`](@ref) with these arguments, as a dictionary of those
`wanted`. `by_signal` is dL/dsignals in the form of what `scan` returns. `:positions` (n x 2) and
`:atom_positions` (atoms x 3) are in 1/A, `:potential` (row, column, slice) in 1/(V A),
`:debye_waller_b` in 1/A^2, `:occupancy`. Throws `AET_ERROR_UNSUPPORTED` for atoms of a potential.
"""
pull_back(simulation::Simulation, arguments...; keywords...) = pull_back(nothing, simulation, arguments...; keywords...)

function pull_back(progress, simulation::Simulation, probe::Probe, positions::AbstractMatrix{<:Real}, detectors,
                   by_signal; wanted = (:atom_positions,))
    foreach(live, (simulation, probe))
    chosen = listed(detectors)
    rows = signal_rows(simulation, chosen, detectors isa Detector ? [by_signal] : by_signal, size(positions, 1))
    gradients = with_views(ScanGradients, aet_scan_gradients_init, ())
    set_view!(gradients, :by_signal, input_view(rows))
    results = Dict{Symbol,Array{Float64}}()
    for name in (wanted isa Symbol ? (wanted,) : wanted)
        name in SCAN_GRADIENTS || throw(unknown_option(name, SCAN_GRADIENTS))
        results[name] = gradient_room(simulation, name, size(positions, 1))
        set_view!(gradients, name, output_view(results[name], name === :potential ? Images : SameOrder))
    end
    places = input_view(positions)
    GC.@preserve chosen begin
        pointers = pointers_of(chosen)
        status = with_progress(progress) do report, user
            aet_simulation_pull_back(simulation, probe, places, pointers, length(chosen), gradients, report, user)
        end
        check(status, "a pull-back")
    end
    return results
end

"The table of dL/dsignals, one row per position."
function signal_rows(simulation, detectors, by_signal, count)
    length(by_signal) == length(detectors) ||
        throw(AETError(:shape, "got by_signal of $(length(by_signal)) arrays, wanted $(length(detectors))"))
    parts = Matrix{Float64}[]
    for (signal, detector) in zip(by_signal, detectors)
        extent = signal_size(simulation, detector)
        size(signal) == (extent..., count) ||
            throw(AETError(:shape, "got by_signal of size $(size(signal)), wanted $((extent..., count))"))
        push!(parts, from_signal(signal, extent))
    end
    return isempty(parts) ? zeros(count, 0) : reduce(hcat, parts)
end

function gradient_room(simulation, name, count)
    name === :positions && return zeros(count, 2)
    name === :potential && return zeros(simulation.size..., simulation.slice_count)
    name === :atom_positions && return zeros(simulation.atom_count, 3)
    return zeros(simulation.atom_count)
end
