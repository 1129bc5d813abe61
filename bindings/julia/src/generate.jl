"""
    generate_atoms([progress,] structure; keywords...)
    generate_atoms([progress]; preset = "m1", keywords...)

Generated [`Atoms`](@ref). `structure` is `:amorphous`, `:film`, `:simple_cubic`, `:face_centred_cubic`,
`:body_centred_cubic`, `:hexagonal_close_packed`, `:diamond`, `:rock_salt`, `:caesium_chloride`,
`:zinc_blende`, `:l10`, `:l12`, `:spinel`, `:perovskite`, `:decahedron` or `:icosahedron`. Keywords are
the members of `aet_structure_options`: `species` (atomic numbers in the order of the formula),
`lattice_a`, `shape` (`:ball`, `:box`, `:octahedron`, ...), `width` or `count`, `minimum_distance`,
`maximum_distance`, `density`, `shells`, `displacement`, `core_species`, `seed`, ... `preset` takes the
particle of a paper, which the other keywords change: `"m0"` to `"m8"`, `"cuau"`, `"bao"`. Lengths are in
A. `progress` is a function as in [`run!`](@ref).

Throws `AET_ERROR_NOT_READY` where something is missing that the structure needs,
`AET_ERROR_INCONSISTENT` for a packing that is too dense, `AET_ERROR_RANGE`, and `AET_CANCELLED`.

    gold = generate_atoms(:face_centred_cubic; species = 79, lattice_a = 4.078, width = 30)
"""
generate_atoms(structure::Symbol; keywords...) = generate_atoms(nothing, structure; keywords...)
generate_atoms(progress, structure::Symbol; keywords...) =
    generate_atoms(progress; structure = structure, keywords...)

function generate_atoms(progress = nothing; preset = nothing, keywords...)
    options = defaults(StructureOptions, aet_structure_options_init)
    preset === nothing ||
        check(aet_structure_options_preset(options, sizeof(StructureOptions), string(preset)))
    set_options!(options, keywords)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress((report, user) -> aet_atoms_generate(options, report, user, out), progress)
    check(status, "the generation of atoms")
    return Atoms(out[])
end
