# Atoms from images alone, in Julia: a tomogram, its peaks, a fit that a term of one's own keeps on
# course, error bars, and the comparison with the truth.
#
#   julia --project=bindings/julia examples/julia/atoms_from_images.jl DATA_FOLDER OUT_FOLDER
#
# DATA_FOLDER has the layout `aet-tilt-series/1` and true atoms. Writes tomogram.mrc and atoms.xyz,
# with the standard error of every coordinate, to the existing folder OUT_FOLDER. Progress goes to
# stderr. ENV["AET_LIBRARY"] names the shared library where it is not in target/release. The same
# example exists in every host language and prints the same numbers.

using AET, Printf

show_progress(p) = @printf(stderr, "\riteration %3d  loss %.6e", p.iteration, p.loss)

"""
A term of the loss, minus the logarithm of a prior on the heights: atoms of one element are about as
high as each other.
"""
function alike(typical)
    return function (heights, gradient)
        deviation = heights ./ typical .- 1
        gradient === nothing || (gradient .= deviation ./ typical)
        return sum(abs2, deviation) / 2
    end
end

"First with the term, then without it: the result is that of the images alone."
function fit!(recon)
    heights = block(recon, :heights)
    # Peaks are sorted, so the middle one has the median height. The term keeps weak
    # peaks from fading before they have found their places; these images would do without.
    add_term!(alike(heights[end ÷ 2 + 1]), recon, :heights, 3)
    run!(show_progress, recon; iterations = 30)
    clear_terms!(recon)
    outcome = run!(show_progress, recon; optimizer = :levenberg_marquardt)
    println(stderr, "\n", outcome)
end

function main(folder, out)
    series = read_series(folder)
    truth = read_atoms(folder, :truth)

    tomogram = reconstruct_volume(show_progress, series; method = :sirt)
    write(joinpath(out, "tomogram.mrc"), tomogram)
    # Bonds of silicon are 2.35 A long: what is nearer than 1.6 A is one atom.
    start = trace(tomogram; minimum_distance = 1.6, species = 14)
    println("peaks: ", compare(start, truth))

    probe = Probe(energy_ev = series.energy_ev, semiangle_mrad = series.semiangle_mrad)
    # Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
    recon = LocalOrbital(series, probe; start = start, model = :rigid, precision = :double)
    fit!(recon)

    # Each atom with its neighbours: takes time in proportion to the number of atoms.
    errors = estimate_errors(recon; method = :local)
    write(joinpath(out, "atoms.xyz"), errors.atoms)
    @printf("error bars: %d atoms undetermined, predicted RMSD %.2f pm\n", errors.undetermined,
            errors.predicted_rmsd_pm)

    found, last_line = compare(errors.atoms, truth), map(last, history(recon))
    @printf("true=%d matched=%d missing=%d extra=%d rmsd_pm=%.12e predicted_rmsd_pm=%.12e loss=%.12e evaluations=%d\n",
            found.true_count, found.matched, found.missing, found.extra, found.rmsd_pm, errors.predicted_rmsd_pm,
            last_line.loss, last_line.evaluations)
end

if length(ARGS) == 2
    main(ARGS...)
else
    println(stderr, "usage: atoms_from_images.jl DATA_FOLDER OUT_FOLDER")
    exit(2)
end
