"""
    Orbital

The immutable shape f of local orbitals H f(rho / sqrt(B)), a sum of Gaussian terms
f(q) = sum_t w_t exp(-q^2 / s_t). Made by [`gaussian_orbital`](@ref), [`slater_orbital`](@ref) and
[`tabulated_orbital`](@ref), or fitted to images by [`fit_orbital`](@ref); used as option `orbital` of [`LocalOrbital`](@ref).

`orbital.terms` (n x 2: weight w and width s, in units of B, of each), `orbital.term_count` and
`orbital.expansion_error` (largest difference from the function that was expanded, relative to its
largest value; 0 for given terms) read what it holds.
"""
mutable struct Orbital <: Handle
    pointer::Ptr{Cvoid}
    Orbital(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

free(::Orbital, pointer) = aet_orbital_free(pointer)

"""
    gaussian_orbital(weights, widths)

An [`Orbital`](@ref) of 1 to 12 Gaussian terms of these weights and widths (in units of B); one term
of weight 1 and width 1 is the default of local-orbital tomography. Throws `AET_ERROR_SHAPE`,
`AET_ERROR_EMPTY` without terms, and `AET_ERROR_RANGE` where the integral is not positive.
"""
function gaussian_orbital(weights::AbstractVector{<:Real}, widths::AbstractVector{<:Real})
    return Orbital(created(out -> aet_orbital_create_gaussians(input_view(weights), input_view(widths), out)))
end

"""
    slater_orbital(; tolerance = 0)

The projection of the Slater function exp(-r / a), B = 8 a^2, as an [`Orbital`](@ref) of the fewest
Gaussian terms that follow it within `tolerance` of its largest value (0: 1e-3, with 6 terms). Throws
`AET_ERROR_RANGE` for a tolerance outside 1e-5 to 0.1.
"""
slater_orbital(; tolerance::Real = 0) = Orbital(created(out -> aet_orbital_create_slater(tolerance, out)))

"""
    tabulated_orbital(radii, values; kind = :projected, tolerance = 0)

An [`Orbital`](@ref) that follows a table within `tolerance` of its largest value (0: 1e-3). `radii`,
in units of sqrt(B), begin at 0; the last of `values` is at most a hundredth of the largest. `kind` is
`:projected` for f itself or `:spatial` for the function in space, whose integral along the beam is f.
Throws `AET_ERROR_SHAPE`, `AET_ERROR_NON_FINITE`, `AET_ERROR_RANGE`, `AET_ERROR_EMPTY` where all values
are 0, and `AET_ERROR_UNSUPPORTED` where 12 terms do not reach the tolerance.
"""
function tabulated_orbital(radii::AbstractVector{<:Real}, values::AbstractVector{<:Real};
                           kind = :projected, tolerance::Real = 0)
    number = enumerated(RADIAL_TABLES, :kind, kind)
    return Orbital(created() do out
        aet_orbital_create_table(input_view(radii), input_view(values), number, tolerance, out)
    end)
end

Base.propertynames(::Orbital) = (:terms, :term_count, :expansion_error)

function Base.getproperty(orbital::Orbital, name::Symbol)
    name === :term_count && return Int(aet_orbital_term_count(live(orbital)))
    name === :expansion_error && return aet_orbital_expansion_error(live(orbital))
    name === :terms || throw(unknown_option(name, propertynames(orbital)))
    out = zeros(orbital.term_count, 2)
    check(aet_orbital_copy_terms(orbital, output_view(out)))
    return out
end

Base.show(io::IO, orbital::Orbital) =
    isopen(orbital) ? print(io, "Orbital (", orbital.term_count, " terms)") : print(io, "Orbital (closed)")

"""
    evaluate(orbital, radii, width)

The orbital of the width B = `width` (A^2) at `radii` (A): n x 3, f(rho / sqrt(B)), its derivative with
respect to rho (1 / A) and that with respect to B (1 / A^2). Throws `AET_ERROR_RANGE` for a negative
radius or a width that is not positive.
"""
function evaluate(orbital::Orbital, radii::AbstractVector{<:Real}, width::Real)
    out = zeros(length(radii), 3)
    check(aet_orbital_evaluate(live(orbital), input_view(radii), width, output_view(out)))
    return out
end
