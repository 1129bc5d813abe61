# From a volume to atoms, in Julia: tracing, classification, and how right they are. The volume is made here: a core-shell
# particle of copper and gold, its atoms spread over the nearest voxels, noise, and a blur.
#
#   julia --project=bindings/julia examples/julia/trace_volume.jl
#
# ENV["AET_LIBRARY"] names the shared library where it is not in target/release. The same example exists in every host
# language and prints the same numbers.

using AET, Printf

const EDGE = 56    # voxels along each axis
const VOXEL = 0.5  # A
const NOISE = 5.0  # width of the noise of a voxel, in electrons of an atom
const BLUR = 0.5   # standard deviation, A

"Each atom as its atomic number, shared among the eight voxels around it so that their centroid is its position."
function spread!(values, atoms)
    positions, species = atoms.positions, atoms.species
    for i in 1:length(species)
        at = positions[i, :] ./ VOXEL .+ EDGE ÷ 2
        lower = floor.(Int, at)
        upper = at .- lower
        part(axis, above) = above == 1 ? upper[axis] : 1 - upper[axis]
        for z in 0:1, y in 0:1, x in 0:1
            share = part(3, z) * part(2, y) * part(1, x) * species[i]
            values[lower[2] + y + 1, lower[1] + x + 1, lower[3] + z + 1] += share
        end
    end
end

"The particle with uniform noise from a linear congruential generator, which every language computes alike, blurred."
function blurred_volume(atoms)
    values = zeros(EDGE, EDGE, EDGE) # [y, x, z]
    spread!(values, atoms)
    state = 1
    for z in 1:EDGE, y in 1:EDGE, x in 1:EDGE
        state = (1664525 * state + 1013904223) % 4294967296
        values[y, x, z] += NOISE * (state / 4294967296 - 0.5)
    end
    return filter_volume(Volume(values, VOXEL); gaussian = BLUR)
end

function main()
    truth = generate_atoms(preset = :cuau, count = 300)
    volume = blurred_volume(truth)

    traced = trace(volume; smoothing = 0, minimum_distance = 1.6, threshold = 0.2)
    found = classify(traced, volume; species = [29, 79], non_atoms = true)
    intensities = histogram(found.table, :intensity; by = :class)

    report = accuracy(found.atoms, truth)
    value = report.values
    @printf("traced=%d true=%d matched=%d missing=%d extra=%d tracing_error=%.12e species_correct=%.12e rmsd_pm=%.12e ",
            length(traced), value["true_count"], value["matched"], value["missing"], value["extra"],
            value["tracing_error"], value["species_correct"], value["rmsd"])
    @printf("worst_shell_rmsd_pm=%.12e copper_rate=%.12e gold_mean=%.12e bins=%d highest_bin=%d\n",
            maximum(filter(!isnan, error_profile(report, :surface_distance, 2)["rmsd"])), first(confusion(report)["rate"]),
            last(found.classes["mean"]), intensities.rows, maximum(intensities["count"]))
end

main()
