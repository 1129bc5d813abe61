"""
    Atoms(positions; species = nothing, heights = nothing, widths = nothing)

An immutable list of atoms. `positions` is n x 3 in A, specimen origin at 0; `species` are atomic
numbers (a vector, or one number for all). `heights` H, in the unit of the images, and `widths` B, in
A^2, are those of the orbitals H exp(-r^2 / B), n each.

Columns are read as properties, as new arrays: `positions` (n x 3, A), `x`, `y`, `z`, `species`,
`height`, `width`, `occupancy`, `probability`, `debye_waller_b`, `debye_waller_u`,
`rms_displacement` (n) and `standard_error` (n x 3, A), NaN where not known; `cell` is the edges of
the orthogonal cell (A), or `nothing`. `length(atoms)` counts them, `write(path, atoms)` writes them,
and functions as [`with_column`](@ref), [`rotate`](@ref) or [`place_in_cell`](@ref) make new lists.

Throws `AET_ERROR_SHAPE` for wrong shapes, `AET_ERROR_EMPTY` without atoms and
`AET_ERROR_NON_FINITE` for positions that are NaN or infinite.
"""
mutable struct Atoms <: Handle
    pointer::Ptr{Cvoid}
    Atoms(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

function Atoms(positions::AbstractMatrix{<:Real}; species = nothing, heights = nothing, widths = nothing)
    numbers = atomic_numbers(species, size(positions, 1))
    pointer = created() do out
        aet_atoms_create(input_view(positions), input_view(numbers), input_view(heights), input_view(widths), out)
    end
    return Atoms(pointer)
end

atomic_numbers(::Nothing, n) = nothing
atomic_numbers(species::Integer, n) = fill(Int32(species), n)
atomic_numbers(species::AbstractVector{<:Integer}, n) =
    dtype_of(eltype(species)) === nothing ? Vector{Int32}(species) : species

free(::Atoms, pointer) = aet_atoms_free(pointer)

const ATOM_COLUMNS = (:positions, :x, :y, :z, :species, :height, :width, :occupancy, :probability, :debye_waller_b,
                      :debye_waller_u, :rms_displacement, :standard_error)

Base.length(atoms::Atoms) = Int(aet_atoms_count(live(atoms)))
Base.propertynames(::Atoms) = (ATOM_COLUMNS..., :cell)
Base.show(io::IO, atoms::Atoms) =
    isopen(atoms) ? print(io, "Atoms (", length(atoms), ")") : print(io, "Atoms (closed)")

function Base.getproperty(atoms::Atoms, name::Symbol)
    name === :cell && return cell_of(atoms)
    name in ATOM_COLUMNS || throw(unknown_option(name, propertynames(atoms)))
    n = length(atoms)
    T = name === :species ? Int32 : Float64
    out = name in (:positions, :standard_error) ? zeros(T, n, 3) : zeros(T, n)
    check(aet_atoms_copy_column(atoms, string(name), output_view(out)))
    return out
end

"""
    read_atoms(path; format = nothing)
    read_atoms(folder, which; variant = nothing, context = default_context())

Atoms of a file, or those that a data folder has as `which` (`:truth` or `:published`), those of
`variant` where it has its own. The ending of the name, or `format`, says what the file is: `:xyz`
(plain or extended), `:cif`, `:poscar`, `:lammps` (data) or `:pdb`. Throws `AET_ERROR_FILE` for a
file that is not there, `AET_ERROR_FORMAT` with the line that is malformed, and `AET_ERROR_EMPTY` for
a folder that names no such atoms.
"""
function read_atoms(path::AbstractString; format = nothing)
    format === nothing && return Atoms(created(out -> aet_atoms_read(path, out)))
    return Atoms(created(out -> aet_atoms_read_as(path, string(format), out)))
end

function read_atoms(folder::AbstractString, which; variant = nothing, context::Context = default_context())
    live(context)
    return Atoms(created(out -> aet_dataset_read_atoms(context, folder, string(which), optional_text(variant), out)))
end

optional_text(::Nothing) = C_NULL
optional_text(text) = string(text)

"""
    write(path, atoms; format = nothing)

Write atoms in the format that the ending of the name, or `format`, says; see [`read_atoms`](@ref).
Extended xyz has all columns and the cell, to the last bit; CIF, POSCAR and LAMMPS need a cell.
"""
function Base.write(path::AbstractString, atoms::Atoms; format = nothing)
    live(atoms)
    check(format === nothing ? aet_atoms_write(atoms, path) : aet_atoms_write_as(atoms, path, string(format)))
    return nothing
end

"""
Comparison of two lists of atoms: numbers of true, `matched`, `missing` and `extra` atoms; rms
distances of the matched pairs in pm, in all and along x, y and z; `species_correct`, the fraction
of true atoms found with their species; the common `shift` (A) that was removed; where asked for
the common rotation (`rotation_deg`) and the rms distance without it (`rmsd_rotated_pm`);
`tracing_error`, (missing + extra) / true atoms; and `errors`, found - true in A per found atom (n x 3),
NaN where unmatched.
"""
struct Comparison
    true_count::Int
    matched::Int
    missing::Int
    extra::Int
    rmsd_pm::Float64
    rmsd_x_pm::Float64
    rmsd_y_pm::Float64
    rmsd_z_pm::Float64
    species_correct::Float64
    shift::NTuple{3,Float64}
    rotation_deg::Float64
    rmsd_rotated_pm::Float64
    tracing_error::Float64
    errors::Matrix{Float64}
end

Base.show(io::IO, ::MIME"text/plain", c::Comparison) =
    @printf(io, "%d of %d atoms matched, %d missing, %d extra, rmsd %.3f pm (x %.3f, y %.3f, z %.3f)",
            c.matched, c.true_count, c.missing, c.extra, c.rmsd_pm, c.rmsd_x_pm, c.rmsd_y_pm, c.rmsd_z_pm)

"""
    compare(found, truth; cutoff = 0.9, remove_rotation = false)

Match mutually nearest atoms within `cutoff` (A) after removing the common shift, with
`remove_rotation` also the common rotation, and return a [`Comparison`](@ref).
"""
function compare(found::Atoms, truth::Atoms; keywords...)
    options = set_options!(defaults(CompareOptions, aet_compare_options_init), keywords)
    comparison = CComparison()
    errors = zeros(length(found), 3)
    check(aet_atoms_compare(live(found), live(truth), options, comparison, output_view(errors)))
    figures = (getfield(comparison, name) for name in fieldnames(Comparison) if name !== :errors)
    return Comparison(figures..., errors)
end

"""
    accuracy([progress,] found, truth; cutoff, depth_axis, probe_radius, context = default_context())

Found atoms beside the true ones, as a [`Table`](@ref): a row per found atom, in their order, and then
one per missing atom. Columns: `x`, `y`, `z` (A); `state`, 0 correct, 1 wrong species, 2 extra, 3 missing;
`found_species`, `true_species` and `true_index`, `NaN` where there is none; `error_x`, `error_y`,
`error_z`, `error` (pm); `depth` and `surface_distance` (A; negative outside). Single values:
`tracing_error`, `species_correct`, `rmsd` (pm) and more.

`depth_axis` a makes the depth of an atom at p a . p, z unless given: the mean of the third rows of the
rotations of a series gives the average depth. `probe_radius` (A) is that of the ball that tells the
surface. See also [`error_profile`](@ref) and [`confusion`](@ref). Throws `AET_ERROR_RANGE`.
"""
accuracy(found::Atoms, truth::Atoms; keywords...) = accuracy(nothing, found, truth; keywords...)

function accuracy(progress, found::Atoms, truth::Atoms; context::Context = default_context(), keywords...)
    options = set_options!(defaults(AccuracyOptions, aet_accuracy_options_init), keywords)
    foreach(live, (context, found, truth))
    return kept(Table, "the comparison", progress) do report, user, out
        aet_atoms_accuracy(context, found, truth, options, report, user, out)
    end
end

"""
    error_profile(table, column, width = 4)

Errors of position and of tracing of a table of [`accuracy`](@ref) in bins of `width` of a column such
as `"depth"` (the papers take 4 A) or `"surface_distance"`, as a [`Table`](@ref) with the columns
`lower`, `upper`, `true_count`, `matched`, `missing`, `extra`, `wrong_species`, and in pm `rmsd`,
`rmsd_x`, `rmsd_y`, `rmsd_z`, `quartile_1`, `median`, `quartile_3`, `largest`, `mean`, `smallest`,
`whisker_low`, `whisker_high`, and the number of `outliers` beyond the whiskers.
"""
error_profile(table::Table, column, width::Real = 4) =
    Table(created(out -> aet_table_error_profile(live(table), string(column), width, out)))

"""
    error_histogram(table, column, width = 4; bins = 0)

Histograms of the errors of a table of [`accuracy`](@ref) within bins of `width` of a column such as
`"depth"`, all over the same `bins` (0: automatic), as a [`Table`](@ref) with the columns `lower`,
`upper` (pm), `count`, and `count_l` for the bin that begins at l.
"""
error_histogram(table::Table, column, width::Real = 4; bins::Integer = 0) =
    Table(created(out -> aet_table_error_histogram(live(table), string(column), width, bins, out)))

"""
    rmsd_trend(atoms, rmsd; limit = 0)

Lines through the errors `rmsd` (pm) of models of `atoms` atoms: a [`Table`](@ref) of the points with
`line` and `line_origin`, and the values `slope`, `slope_origin` (pm per million atoms), `intercept`,
standard errors and residuals (pm), and `atoms_at_limit`, `atoms_at_limit_origin`, where the lines reach
`limit` pm (0: 10).
"""
function rmsd_trend(atoms, rmsd; limit::Real = 0)
    atoms, rmsd = collect(Float64, atoms), collect(Float64, rmsd)
    return Table(created(out -> aet_rmsd_trend(input_view(atoms), input_view(rmsd), limit, out)))
end

"""
    confusion(table)

Confusion matrix of a table of [`accuracy`](@ref): a row per true species, then one of extra atoms; a
column per found species, called by its symbol, `missing`, and the `rate` found with their species.
"""
confusion(table::Table) = Table(created(out -> aet_table_confusion(live(table), out)))
