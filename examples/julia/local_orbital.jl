# Local-orbital tomography from Julia: a tilt series made from arrays, an optimiser of one's own
# on loss and gradient, then the library's, and the comparison with the true atoms.
#
#   julia --project=bindings/julia examples/julia/local_orbital.jl DATA_FOLDER
#
# DATA_FOLDER has the layout `aet-tilt-series/1` and true atoms. ENV["AET_LIBRARY"] names the
# shared library where it is not in target/release.

using AET, LinearAlgebra, Printf

# ---- an optimiser: L-BFGS in scaled variables, within bounds ----

"Two-loop recursion: minus the approximate inverse Hessian times the gradient."
function descent_direction(pairs, gradient)
    d = -gradient
    isempty(pairs) && return d .* (0.1 / norm(gradient))
    weights = zeros(length(pairs))
    for i in length(pairs):-1:1
        s, y = pairs[i]
        weights[i] = dot(s, d) / dot(s, y)
        d .-= weights[i] .* y
    end
    s, y = pairs[end]
    d .*= dot(s, y) / dot(y, y)
    for i in 1:length(pairs)
        s, y = pairs[i]
        d .+= (weights[i] - dot(y, d) / dot(s, y)) .* s
    end
    return d
end

"""
Point along `direction` that lowers the loss enough, by backtracking; fills `gradient` there.
Returns the old point where there is none within rounding.
"""
function line_search!(gradient, evaluate!, x, loss, slope_of, direction, lower, upper)
    step = 1.0
    while step > 1e-8
        trial = clamp.(x .+ step .* direction, lower, upper)
        trial_loss, slope = evaluate!(gradient, trial), slope_of(trial)
        trial_loss <= loss + 1e-4 * slope && return trial, trial_loss
        minimiser = -slope / (2 * (trial_loss - loss - slope))
        step *= clamp(minimiser, 0.1, 0.5)
    end
    return x, loss
end

"Minimise `evaluate!(gradient, x) -> loss` from `x`; `scale` is the typical change of each element."
function minimise(evaluate!, x, scale, lower, upper; iterations = 400, memory = 12, tolerance = 1e-12)
    gradient, trial_gradient = similar(x), similar(x)
    loss = evaluate!(gradient, x)
    pairs = Tuple{Vector{Float64},Vector{Float64}}[]
    for _ in 1:iterations
        direction = scale .* descent_direction(pairs, scale .* gradient)
        slope_of = trial -> dot(gradient, trial .- x)
        trial, trial_loss = line_search!(trial_gradient, evaluate!, x, loss, slope_of, direction, lower, upper)
        if trial === x      # no descent within rounding: once more along the gradient, then enough
            isempty(pairs) && break
            empty!(pairs)
            continue
        end
        s, y = (trial .- x) ./ scale, (trial_gradient .- gradient) .* scale
        dot(s, y) > 1e-12 * norm(s) * norm(y) && push!(pairs, (s, y))
        length(pairs) > memory && popfirst!(pairs)
        change, x, loss = loss - trial_loss, trial, trial_loss
        copyto!(gradient, trial_gradient)
        change <= tolerance * abs(loss) && break
    end
    return x, loss
end

"Lower and upper bound of every element of the parameter vector."
function bounds(recon)
    n = length(parameters(recon))
    lower, upper = fill(-Inf, n), fill(Inf, n)
    for block in layout(recon)
        lower[block.range] .= block.lower
        upper[block.range] .= block.upper
    end
    return lower, upper
end

# ---- the problem ----

"A new series from the arrays of the one in the folder, as a microscope's own software would make it."
function series_from_arrays(recorded)
    counts = recorded.counts_per_unit
    return TiltSeries(recorded.images; rotations = recorded.rotations, tilt = recorded.tilt,
                      section = recorded.section, defocus = recorded.defocus,
                      counts_per_unit = all(isfinite, counts) ? counts : nothing,
                      pixel_size = recorded.pixel_size, energy_ev = recorded.energy_ev)
end

"The true atoms, displaced by 0.15 A at most in a way that every language repeats exactly."
function displaced(truth)
    positions = truth.positions
    for i in axes(positions, 1), a in 1:3
        positions[i, a] += 0.15 * sin(12.9898 * (3 * (i - 1) + a))
    end
    return Atoms(positions)
end

reconstruction(series, probe, start) =
    LocalOrbital(series, probe; start = start, model = :rigid, precision = :double, loss = :mse,
                 height_sharing = :common, width_sharing = :common, width_start = 0.5)

function main(folder)
    recorded = read_series(folder)
    truth = read_atoms(folder, :truth)
    series = series_from_arrays(recorded)
    probe = Probe(energy_ev = recorded.energy_ev, semiangle_mrad = recorded.semiangle_mrad)
    start = displaced(truth)
    println(series, ", ", length(truth), " atoms")

    # Host-driven: the library evaluates, this script optimises.
    recon = reconstruction(series, probe, start)
    x = parameters(recon)
    loss, gradient = loss_and_gradient(recon, x)
    lower, upper = bounds(recon)
    evaluate!(g, x) = loss_and_gradient!(g, recon, x)
    _, host_loss = minimise(evaluate!, x, parameter_scale(recon), lower, upper)
    @printf("own L-BFGS: loss %.6e -> %.6e\n", loss, host_loss)

    # The library's own optimiser, with progress; returning false would cancel and keep the best.
    recon = reconstruction(series, probe, start)
    outcome = run!(recon; iterations = 60, loss_tolerance = 1e-12) do p
        p.iteration % 10 == 0 && @printf(stderr, "iteration %3d  loss %.6e\n", p.iteration, p.loss)
        return true
    end
    run_loss, run_iterations = last(history(recon).loss), Int(last(history(recon).iteration))
    comparison = compare(atoms(recon), truth)
    @printf("run: %s after %d iterations, loss %.6e\n", outcome, run_iterations, run_loss)

    @printf("loss=%.12e gradient_norm=%.12e run_loss=%.12e run_iterations=%d rmsd_pm=%.6f matched=%d host_loss=%.12e\n",
            loss, norm(gradient), run_loss, run_iterations, comparison.rmsd_pm, comparison.matched, host_loss)
end

if length(ARGS) == 1
    main(ARGS[1])
else
    println(stderr, "usage: local_orbital.jl DATA_FOLDER")
    exit(2)
end
