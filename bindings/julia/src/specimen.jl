# New lists of atoms from old ones.

function cell_of(atoms::Atoms)
    edges = zeros(3)
    check(aet_atoms_copy_cell(live(atoms), output_view(edges)))
    return isnan(edges[1]) ? nothing : edges
end

"""
    with_column(atoms, name, values)

The atoms with a column set: `values` are n, or n x 3 for `:positions` and `:standard_error`, or one
number for all. Thermal motion is set as `:debye_waller_b` (B = 8 pi^2 <u^2>, A^2), `:debye_waller_u`
(<u^2> along one axis, A^2) or `:rms_displacement` (A): one of the three sets all.
"""
with_column(atoms::Atoms, name, values::AbstractArray{<:Real}) =
    changed(atoms, out -> aet_atoms_with_column(atoms, string(name), input_view(values), out))
with_column(atoms::Atoms, name, value::Real) = with_column(atoms, name, fill(Float64(value), length(atoms)))

"""
    with_element_values(atoms, name, values)

The atoms with a column set from one value per element, `values = Dict(79 => 0.6, 14 => 0.5)`. Throws
`AET_ERROR_INCONSISTENT` where an element of the list has none.
"""
function with_element_values(atoms::Atoms, name, values::AbstractDict{<:Integer,<:Real})
    species, of_element = Int32[keys(values)...], Float64[v for v in Base.values(values)]
    return changed(atoms, out ->
        aet_atoms_with_element_values(atoms, string(name), input_view(species), input_view(of_element), out))
end

"""
    with_cell(atoms, cell)

The atoms in an orthogonal cell with these edges along x, y and z (A) and a corner at 0; `nothing`:
without cell. `atoms.cell` reads it.
"""
with_cell(atoms::Atoms, cell::Union{AbstractVector{<:Real},Nothing}) =
    changed(atoms, out -> aet_atoms_with_cell(atoms, input_view(cell), out))

"""
    rotate(atoms, rotation)

The atoms at R p, without their cell; `rotation` is a 3 x 3 rotation matrix.
"""
rotate(atoms::Atoms, rotation::AbstractMatrix{<:Real}) =
    changed(atoms, out -> aet_atoms_rotate(atoms, input_view(rotation), out))

"""
    shift(atoms, by)

The atoms moved by a vector (A), in the same cell.
"""
shift(atoms::Atoms, by::AbstractVector{<:Real}) = changed(atoms, out -> aet_atoms_shift(atoms, input_view(by), out))

"""
    place_in_cell(atoms; extent, center_atoms = false)
    place_in_cell(atoms; vacuum, center_atoms = false)

The atoms shifted into a cell of their own: one with the edges `extent`, or one that leaves `vacuum`
on both sides (x, y, z; A). The origin of the specimen, about which tilt series turn, goes to its
middle; with `center_atoms` the middle between the outermost atoms. Throws `AET_ERROR_INCONSISTENT`
where atoms would lie outside.
"""
place_in_cell(atoms::Atoms; extent = nothing, vacuum = nothing, center_atoms::Bool = false) =
    changed(atoms, out ->
        aet_atoms_place_in_cell(atoms, input_view(extent), input_view(vacuum), Int32(center_atoms), out))

"""
    wrap(atoms; periodic_z = false)

The atoms folded into their cell along x and y, with `periodic_z` also along z.
"""
wrap(atoms::Atoms; periodic_z::Bool = false) = changed(atoms, out -> aet_atoms_wrap(atoms, Int32(periodic_z), out))

"""
    cut_slab(atoms, axis, from, to)

The atoms with from <= p < to (A) along `axis`, `:x`, `:y` or `:z`.
"""
function cut_slab(atoms::Atoms, axis::Symbol, from::Real, to::Real)
    number = findfirst(==(axis), (:x, :y, :z))
    number === nothing && throw(unknown_option(axis, (:x, :y, :z)))
    return changed(atoms, out -> aet_atoms_cut_slab(atoms, Int32(number - 1), Float64(from), Float64(to), out))
end

"""
    atoms[indices]

The atoms of these indices (or where a mask is true), in the same cell.
"""
Base.getindex(atoms::Atoms, indices::AbstractVector{<:Integer}) = subset(atoms, from_one("indices", indices, Int64))
Base.getindex(atoms::Atoms, mask::AbstractVector{Bool}) = subset(atoms, Int64.(findall(mask)) .- 1)

subset(atoms::Atoms, from_zero::Vector{Int64}) =
    changed(atoms, out -> aet_atoms_subset(atoms, from_zero, length(from_zero), out))

"""
    repeat(atoms, nx, ny, nz)

Copies of the cell and its atoms side by side, in one cell that holds them all.
"""
Base.repeat(atoms::Atoms, nx::Integer, ny::Integer, nz::Integer) =
    changed(atoms, out -> aet_atoms_repeat(atoms, nx, ny, nz, out))

"""
    merge(atoms, other)

The atoms of both lists, in the cell that either has. Throws `AET_ERROR_INCONSISTENT` where only one
has heights, widths or Debye-Waller factors, and for two different cells.
"""
function Base.merge(atoms::Atoms, other::Atoms)
    live(other)
    return changed(atoms, out -> aet_atoms_merge(atoms, other, out))
end

"""
    displaced(atoms, seed, number)

The atoms as they stand in configuration `number` (from 1) of the frozen phonons of a `seed`: displaced as
their Debye-Waller factors tell, and without these. Throws `AET_ERROR_NOT_READY` without Debye-Waller
factors.
"""
function displaced(atoms::Atoms, seed::Integer, number::Integer)
    from_zero = from_one("number", [number], Int64)[1]
    return changed(atoms, out -> aet_atoms_displace(atoms, seed, from_zero, out))
end

"""
    close_pairs(atoms, distance; periodic_z = false)

Pairs of atoms nearer than `distance` (A): their indices, n x 2, and distances. In a cell they count
across its faces along x and y, with `periodic_z` also along z.
"""
function close_pairs(atoms::Atoms, distance::Real; periodic_z::Bool = false)
    live(atoms)
    count = Ref{Int64}(0)
    find(pairs, distances) =
        check(aet_atoms_close_pairs(atoms, Float64(distance), Int32(periodic_z), pairs, distances, count))
    find(C_NULL, C_NULL)
    pairs, distances = zeros(Int32, count[], 2), zeros(count[])
    count[] > 0 && find(output_view(pairs), output_view(distances))
    return Int.(pairs) .+ 1, distances
end

"The list that `make` creates from `atoms`."
function changed(atoms::Atoms, make)
    live(atoms)
    return Atoms(created(make))
end
