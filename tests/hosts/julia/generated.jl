# Generated atoms.

function check_generated()
    gold(; keywords...) = generate_atoms(:face_centred_cubic; species = 79, lattice_a = 4.078, keywords...)
    particle = gold(shape = :truncated_octahedron, width = 20)
    check("gold in a truncated octahedron", length(particle) == 201 && all(particle.species .== 79))
    small(seed) = generate_atoms(preset = "m1", count = 300, seed = seed).positions
    silicon = small(3)
    check("a seed", silicon == small(3) != small(4))
    distance(i, j) = i == j ? Inf : sqrt(sum(abs2, silicon[i, :] - silicon[j, :]))
    nearest = [minimum(distance(i, j) for j in 1:300) for i in 1:300]
    check("its window of nearest neighbours", all(2.32 .<= nearest .<= 2.36), extrema(nearest))
    oxide = generate_atoms(:rock_salt; species = (56, 8), lattice_a = 5.54, species_counts = (50, 49))
    check("two elements", count(==(56), oxide.species) == 50 && count(==(8), oxide.species) == 49)
    shells = [length(generate_atoms(:icosahedron; species = 78, lattice_a = 3.924, shells = n)) for n in 1:4]
    check("magic numbers", shells == [13, 55, 147, 309], shells)

    check_fault(() -> generate_atoms(:quartz), "unknown structure", :unknown_option, "quartz", ":diamond")
    check_fault(() -> generate_atoms(preset = "m9"), "unknown preset", :unknown_option, "m9", "cuau")
    check_fault(() -> gold(lattice = 4), "unknown option", :unknown_option, "lattice_a")
    check_fault(() -> gold(), "no size", :not_ready, "width")
    check_fault(() -> gold(width = -1), "negative width", :range, "width")
    check_fault(() -> generate_atoms(:spinel; species = (1, 2, 3, 4)), "four elements", :shape, "species")
    check_fault(() -> generate_atoms(:amorphous; species = 14, count = 9000, width = 30, minimum_distance = 2.3),
                "too dense", :inconsistent, "at most")
    check_fault(() -> generate_atoms(progress -> false; preset = "m1"), "stopped", :cancelled)
end
