# A scan of a small gold particle and the gradient of its misfit with respect to the atoms, in Julia.
#
#   julia --project=bindings/julia examples/julia/simulate_scan.jl
#
# Progress goes to stderr. ENV["AET_LIBRARY"] names the shared library where it is not in
# target/release. The same example exists in every host language and prints the same numbers.

using AET, Printf

const CELL = 16.0 # edge of the cubic cell, A

show_progress(p) = @printf(stderr, "\rsimulating %3.0f %%", 100 * p.fraction)

"43 atoms of a face-centred crystal around the middle of the cell, the first one moved by `shift` A along x."
function particle(shift)
    steps = [[i, j, k] for i in -2:2 for j in -2:2 for k in -2:2 if iseven(i + j + k) && i^2 + j^2 + k^2 <= 6]
    positions = 0.5 * CELL .+ 2.039 .* permutedims(reduce(hcat, steps))
    positions[1, 1] += shift
    moving = with_column(Atoms(positions; species = 79), :debye_waller_b, 0.6)
    return with_cell(moving, [CELL, CELL, CELL])
end

function main()
    probe = Probe(energy_ev = 300e3, semiangle_mrad = 20, defocus = 4)
    # Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
    options = (rows = 128, columns = 128, precision = :double)
    truth = Simulation(show_progress, particle(0.1), 300e3; options...)
    guess = Simulation(show_progress, particle(0.0), 300e3; options...)

    detectors = [Detector(:annular; inner_mrad = 30, outer_mrad = 50), Detector(:center_of_mass)]
    positions = [axis == 1 ? x : y for (y, x) in vec([(y, x) for x in 4.0:11, y in 4.0:11]), axis in 1:2]
    measured = scan(show_progress, truth, probe, positions, detectors)
    signals = scan(show_progress, guess, probe, positions, detectors) # [n] and [2, n]

    # L = 1/2 sum (signal - measured)^2
    residuals = signals .- measured
    loss = sum(r -> sum(abs2, r), residuals) / 2
    gradient = pull_back(show_progress, guess, probe, positions, detectors, residuals)[:atom_positions]
    println(stderr)
    @printf("atoms=%d positions=%d haadf=%.12e center_of_mass=%.12e loss=%.12e gradient_norm=%.12e first=%.12e\n",
            size(gradient, 1), size(positions, 1), sum(signals[1]), sqrt(sum(abs2, signals[2])), loss,
            sqrt(sum(abs2, gradient)), gradient[1, 1])
end

main()
