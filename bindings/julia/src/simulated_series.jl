# Simulated tilt series: specimen, rotations and foci become a folder of images or diffraction patterns.

"Options of a series, with the structs that they point to: all live as long as this object."
struct SeriesSettings
    raw::WithViews{SeriesOptions}
    simulation::WithViews{SimulationOptions}
    instrument::WithViews{InstrumentOptions}
end

Base.cconvert(::Type{Ptr{SeriesOptions}}, settings::SeriesSettings) = settings
Base.unsafe_convert(T::Type{Ptr{SeriesOptions}}, settings::SeriesSettings) = Base.unsafe_convert(T, settings.raw)

function series_settings(rotations, foci, simulation, instrument_options, keywords)
    options = with_views(SeriesOptions, aet_series_options_init, keywords)
    set_view!(options, :rotations, input_view(rotations, Matrices))
    set_view!(options, :foci, input_view(foci))
    of_simulation = with_views(SimulationOptions, aet_simulation_options_init, pairs(simulation))
    of_instrument = instrument(pairs(instrument_options))
    options.raw.simulation = Ptr{SimulationOptions}(pointer_from_objref(of_simulation.raw))
    options.raw.instrument = Ptr{InstrumentOptions}(pointer_from_objref(of_instrument.raw))
    return SeriesSettings(options, of_simulation, of_instrument)
end

"""
    simulate_series([progress,] atoms, probe, detector, rotations, foci, folder; pixel_size = 0.34, ...)

Simulate the tilt and focus series of `atoms` that `probe` and `detector` see, into `folder`: images with
an annular detector ([`read_series`](@ref) reads them), diffraction patterns with a pixelated one.
`rotations[i, j, tilt]` turn the specimen about its origin, p' = R p, which falls on scan position
(rows ÷ 2, columns ÷ 2), counted from 0; `foci` are the heights of the crossover above it, A, one image per
tilt and focus.

- `pixel_size`, distance of scan positions (A); `rows`, `columns`, as many as hold all atoms in every tilt
  where they are not given; `vacuum` around specimen and scan (4 A);
- `simulation`, options of [`Simulation`](@ref) as a named tuple; `whole_window = true`: waves travel through
  the whole cell and not through a window chosen for the probe;
- `phonon_configurations` with `phonon_seed`: frozen phonons;
- `defocus_spread` (A) and `semiangle_spread_mrad`, with `defocus_nodes` (7) and `semiangle_nodes` (5) probes;
- `instrument`, options of [`record_series`](@ref) as a named tuple;
- `memory_cap` in bytes; `context`.

Finished parts lie in `folder`.partial: where a call was ended by `progress`, an exception, a kill or a
full disk, the same call goes on and the result is the same to the last bit. `progress` is a function as in
[`run!`](@ref) that is shown tilts, configurations and probes.

Throws `AET_ERROR_INCONSISTENT` for a folder that exists, or a partial one of another series,
`AET_ERROR_UNSUPPORTED` for other detectors, `AET_ERROR_RANGE` for angles beyond the band limit,
`AET_ERROR_NOT_READY` for frozen phonons of atoms without Debye-Waller factors, `AET_ERROR_MEMORY` with the
bytes needed and allowed, and `AET_CANCELLED`, all finished parts kept.
"""
simulate_series(atoms::Atoms, probe::Probe, detector::Detector, rotations, foci, folder::AbstractString; keywords...) =
    simulate_series(nothing, atoms, probe, detector, rotations, foci, folder; keywords...)

function simulate_series(progress, atoms::Atoms, probe::Probe, detector::Detector, rotations::AbstractArray{<:Real},
                         foci::AbstractVector{<:Real}, folder::AbstractString; context::Context = default_context(),
                         simulation = NamedTuple(), instrument = NamedTuple(), keywords...)
    foreach(live, (context, atoms, probe, detector))
    settings = series_settings(rotations, foci, simulation, instrument, keywords)
    status = with_progress(progress) do report, user
        aet_simulate_series(context, atoms, probe, detector, settings, folder, report, user)
    end
    check(status, "the simulation of a series")
    return nothing
end

"""
    estimate_memory(atoms, probe, detector, rotations, foci; ...)

Bytes that [`simulate_series`](@ref) with these arguments needs.
"""
function estimate_memory(atoms::Atoms, probe::Probe, detector::Detector, rotations::AbstractArray{<:Real},
                         foci::AbstractVector{<:Real}; context::Context = default_context(),
                         simulation = NamedTuple(), instrument = NamedTuple(), keywords...)
    foreach(live, (context, atoms, probe, detector))
    settings = series_settings(rotations, foci, simulation, instrument, keywords)
    bytes = Ref{UInt64}(0)
    check(aet_simulate_series_estimate_memory(context, atoms, probe, detector, settings, bytes))
    return Int(bytes[])
end
