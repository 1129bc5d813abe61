# A small tilt and focus series of a gold particle with frozen phonons and a limited dose, simulated
# into a folder and read back, in Julia.
#
#   julia --project=bindings/julia examples/julia/simulate_series.jl FOLDER
#
# Progress goes to stderr; a run that was stopped goes on when it is started again. ENV["AET_LIBRARY"]
# names the shared library where it is not in target/release. The same example exists in every host
# language and prints the same numbers.

using AET, Printf

"43 atoms of a face-centred crystal around the origin."
function particle()
    steps = [[i, j, k] for i in -2:2 for j in -2:2 for k in -2:2 if iseven(i + j + k) && i^2 + j^2 + k^2 <= 6]
    positions = 2.039 .* permutedims(reduce(hcat, steps))
    return with_column(Atoms(positions; species = 79), :debye_waller_b, 0.6)
end

# Exact in decimals, so that all languages have the same matrices: p' = R p.
about_y(cosine, sine) = [cosine 0 sine; 0 1 0; -sine 0 cosine]

function main(folder)
    atoms, probe = particle(), Probe(energy_ev = 300e3, semiangle_mrad = 20)
    detector = Detector(:annular; inner_mrad = 30, outer_mrad = 50)
    rotations = cat(about_y(0.8, -0.6), about_y(1.0, 0.0), about_y(0.8, 0.6); dims = 3)
    foci = [-4.0, 4.0]
    # Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
    options = (rows = 8, columns = 8, pixel_size = 1, vacuum = 2, phonon_configurations = 2, phonon_seed = 1,
               simulation = (pixel_size = 0.12, precision = :double), instrument = (dose_per_a2 = 1e5, seed = 2))
    memory = estimate_memory(atoms, probe, detector, rotations, foci; options...)
    probes = 0
    simulate_series(atoms, probe, detector, rotations, foci, folder; options...) do p
        probes = p.probes
        @printf(stderr, "\rtilt %d of %d, probe %d of %d", p.tilt, p.tilts, p.probe, p.probes)
    end
    println(stderr)

    counts = Float64.(read_series(folder).images)
    @printf("atoms=%d images=%d rows=%d columns=%d probes=%d memory=%d electrons=%.12e squares=%.12e brightest=%.12e\n",
            size(atoms.positions, 1), size(counts, 3), size(counts, 1), size(counts, 2), probes, memory, sum(counts),
            sum(abs2, counts), maximum(counts))
end

length(ARGS) == 1 || (println(stderr, "usage: simulate_series.jl FOLDER"); exit(2))
main(ARGS[1])
