# Species of traced atoms.

"""
    classify([progress,] atoms[, volume]; species, non_atoms = false, method = :gaussian, smoothing = 0, region = :box,
             region_size, radius, otsu_mask = false, seed = 0, expected)

Give atoms their species by the intensities of `volume` about them, or by their heights. `species` are up to
eight atomic numbers in ascending order of the intensity that is expected; with `non_atoms` there is a class
below them, whose members are removed. `method` is `:gaussian`, `:k_means`, `:profile_global`,
`:profile_local` with the means of the atoms within `radius` (A, default 10), or `:expected`: logarithms about
how strongly each species is `expected` to scatter, such as the cross-sections of [`adf_transfer`](@ref), by
default Z^1.6. The volume may be smoothed by a
Gaussian first (`smoothing`, A) and be 0 beside its Otsu mask. `region` is a `:box` of `region_size` voxels
(default 5), the box nearest to a `:box_length` in A, or a `:sphere` of a radius in A.

Returns a named tuple: `atoms` with species and their probability; `table`, a [`Table`](@ref) with a row per
atom that was given: `intensity`, `inside`, `class` (0 for non-atoms, from 1 on the species), `species`,
`probability` and `probability_1`, ... of each class; `classes`, a row per class: `class`, `species`, `count`,
`mean`, `sigma`, `fraction`, with the values `iterations`, `converged` and others.

Throws `AET_ERROR_INCONSISTENT` for one species without non-atoms, for more classes than distinct intensities
and for atoms outside of the volume, `AET_ERROR_NOT_READY` for atoms without heights and `AET_ERROR_EMPTY` where
all are non-atoms.
"""
classify(atoms::Atoms, volume::Union{Volume,Nothing} = nothing; keywords...) =
    classify(nothing, atoms, volume; keywords...)

function classify(progress, atoms::Atoms, volume::Union{Volume,Nothing} = nothing; keywords...)
    options = set_options!(defaults(ClassifyOptions, aet_classify_options_init), keywords)
    live(atoms)
    kept, table, classes = (Ref{Ptr{Cvoid}}(C_NULL) for _ in 1:3)
    status = with_progress(progress) do report, user
        aet_atoms_classify(atoms, optional_handle(volume), options, report, user, kept, table, classes)
    end
    check(status, "the classification")
    return (atoms = Atoms(kept[]), table = Table(table[]), classes = Table(classes[]))
end
