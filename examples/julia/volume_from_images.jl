# A volume from images, in Julia: RESIRE, loss and gradient of one's own at its result, a reconstruction
# stored and taken up again, and SIRT in one call.
#
#   julia --project=bindings/julia examples/julia/volume_from_images.jl DATA_FOLDER OUT_FOLDER
#
# Writes volume.mrc and recon.aet to the existing folder OUT_FOLDER. Progress goes to stderr.
# ENV["AET_LIBRARY"] names the shared library where it is not in target/release. The same example
# exists in every host language and prints the same numbers.

using AET, Printf

show_progress(p) = @printf(stderr, "\riteration %3d  loss %.6e", p.iteration, p.loss)

"Sum one by one: the same to the last bit in every language."
total(values) = foldl(+, Float64.(vec(values)))

"The voxels in the order of the file, x fastest."
x_fastest(volume) = permutedims(volume.values, (2, 1, 3))

function main(folder, out)
    series = read_series(folder)
    recon = Tomography(series; method = :resire)
    # So small a tolerance ends nothing early; 0 would be the automatic one.
    outcome = run!(show_progress, recon; iterations = 20, loss_tolerance = 1e-300)
    println(stderr, "\n", outcome)

    # What an optimiser of one's own would start from: every voxel is a parameter.
    loss, gradient = loss_and_gradient(recon)
    factors = filter(isfinite, r_factors(recon))
    result = volume(recon)
    write(joinpath(out, "volume.mrc"), result)

    # A stored reconstruction goes on as if it had never been interrupted.
    save(recon, joinpath(out, "recon.aet"))
    resumed = load_reconstruction(joinpath(out, "recon.aet"), series)
    run!(show_progress, resumed; iterations = 2, loss_tolerance = 1e-300)

    tomogram = reconstruct_volume(show_progress, series; method = :sirt, iterations = 10)
    println(stderr)

    @printf("iterations=%d loss=%.12e gradient_norm=%.12e r_factor=%.12e ", length(history(recon).iteration), loss,
            sqrt(total(abs2.(gradient))), total(factors) / length(factors))
    @printf("sum=%.12e maximum=%.12e resumed_loss=%.12e sirt_residual=%.12e\n", total(x_fastest(result)),
            maximum(result.values), last(history(resumed).loss), last(residuals(tomogram)))
end

if length(ARGS) == 2
    main(ARGS...)
else
    println(stderr, "usage: volume_from_images.jl DATA_FOLDER OUT_FOLDER")
    exit(2)
end
