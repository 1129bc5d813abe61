"""
    Probe(; energy_ev, semiangle_mrad, defocus = 0, c12, phi12, ..., source_size, aperture)

An immutable convergent-beam probe. `defocus` is in A, positive: crossover at +defocus along the
beam (C10 = -defocus). Aberrations to fifth order are `c12`, `c21`, `c23`, `c30`, `c32`, `c34`,
`c41`, `c43`, `c45`, `c50`, `c52`, `c54`, `c56` in A, their angles `phi12`, ... in rad.
`source_size` is the Gaussian sigma of the source in A, `aperture` is `:soft` or `:hard`.

`probe.wavelength` (A), `probe.energy_ev`, `probe.semiangle_mrad`, `probe.defocus` (A) and
`probe.depth_of_field` (A, 2 lambda / alpha^2) read
what it holds. Throws `AET_ERROR_RANGE` for an energy or angle that is not positive.
"""
mutable struct Probe <: Handle
    pointer::Ptr{Cvoid}

    function Probe(; keywords...)
        options = set_options!(defaults(ProbeOptions, aet_probe_options_init), keywords)
        return finalizer(close, new(created(out -> aet_probe_create(options, out))))
    end
end

free(::Probe, pointer) = aet_probe_free(pointer)

const PROBE_NUMBERS = (
    wavelength = probe -> aet_probe_wavelength(probe),
    energy_ev = probe -> aet_probe_energy_ev(probe),
    semiangle_mrad = probe -> aet_probe_semiangle_mrad(probe),
    defocus = probe -> aet_probe_defocus(probe),
    depth_of_field = probe -> aet_probe_depth_of_field(probe),
)

Base.propertynames(::Probe) = keys(PROBE_NUMBERS)

function Base.getproperty(probe::Probe, name::Symbol)
    haskey(PROBE_NUMBERS, name) || throw(unknown_option(name, propertynames(probe)))
    return PROBE_NUMBERS[name](live(probe))
end

function Base.show(io::IO, probe::Probe)
    isopen(probe) || return print(io, "Probe (closed)")
    print(io, "Probe(energy_ev = ", probe.energy_ev, ", semiangle_mrad = ", probe.semiangle_mrad,
          ", defocus = ", probe.defocus, ")")
end

"""
    wave(probe, rows, columns; pixel_size, depth = 0.0, position = (0.0, 0.0))

Complex wave of the probe, rows x columns, in the plane `depth` (A) along the beam from the
reference plane, centred `position` (x, y) (A) from the pixel (rows ÷ 2 + 1, columns ÷ 2 + 1). The
sum of |psi(k)|^2 is 1.
"""
function wave(probe::Probe, rows::Integer, columns::Integer; pixel_size::Real, depth::Real = 0.0, position = (0.0, 0.0))
    out = zeros(ComplexF64, rows, columns)
    check(aet_probe_wave(live(probe), pixel_size, depth, position[1], position[2], output_view(out)))
    return out
end

"""
    intensity(probe, rows, columns; pixel_size, depth = 0.0)

Intensity of the probe, rows x columns, as [`wave`](@ref) has its arguments, with the source size
applied. It sums to 1.
"""
function intensity(probe::Probe, rows::Integer, columns::Integer; pixel_size::Real, depth::Real = 0.0)
    out = zeros(rows, columns)
    check(aet_probe_intensity(live(probe), pixel_size, depth, output_view(out)))
    return out
end
