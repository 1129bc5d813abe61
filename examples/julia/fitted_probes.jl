# Probes that images tell, in Julia: the foci of a series that recorded none, by a scan and a fit, then
# the pixels of the probes, which find an astigmatism that the fit was not told of.
#
#   julia --project=bindings/julia examples/julia/fitted_probes.jl DATA_FOLDER
#
# DATA_FOLDER has the layout `aet-tilt-series/1`, two foci per tilt, true atoms and, as start.xyz, atoms
# to start from. Its particle is thin for a focus to matter, so a longer one is imaged in the same way,
# by the rigid model. Progress goes to stderr. ENV["AET_LIBRARY"] names the shared library where it is
# not in target/release. The same example exists in every host language and prints the same numbers.

using AET, Printf

const STRETCH = 1.5                     # of the particle along z
const ASTIGMATISM = [6.0 0.0; 6.0 0.0]  # C12 cos and C12 sin of each section, A

show_progress(p) = @printf(stderr, "\riteration %3d  loss %.6e", p.iteration, p.loss)

stretched(atoms) = Atoms(atoms.positions .* [1 1 STRETCH])

"""
Images of the longer particle at the foci recorded, with heights and backgrounds as the recorded images
have them; as a series that knows the sections but not their foci, which are then 0.
"""
function series_without_foci(recorded, probe, truth)
    model = LocalOrbital(recorded, probe; start = truth, model = :rigid, precision = :double)
    set_block!(model, :astigmatism, ASTIGMATISM)
    return TiltSeries(predict(model); rotations = recorded.rotations, tilt = recorded.tilt, section = recorded.section,
                      pixel_size = recorded.pixel_size)
end

"Run, and return the loss reached."
function reach!(recon, iterations)
    outcome = run!(show_progress, recon; iterations = iterations)
    println(stderr, "\n", outcome)
    return last(history(recon).loss)
end

function main(folder)
    recorded = read_series(folder)
    truth = stretched(read_atoms(folder, :truth))
    start = stretched(read_atoms(joinpath(folder, "start.xyz")))
    probe = Probe(energy_ev = recorded.energy_ev, semiangle_mrad = recorded.semiangle_mrad)
    series = series_without_foci(recorded, probe, truth)

    # Atoms far out of place tell little of a focus: a few iterations first. Single precision, the default, is
    # faster and as accurate here; in double all hosts agree to 12 digits.
    recon = LocalOrbital(series, probe; start = start, model = :rigid, precision = :double)
    reach!(recon, 10)
    scan_defocus!(recon; range = 30, step = 5)
    scan = block(recon, :defocus)
    @printf("scan: defocus %.2f and %.2f A\n", scan...)

    # The widths had taken up a part of the blur; now both find their values.
    freeze!(recon, :defocus, false)
    rigid_loss = reach!(recon, 60)
    defocus = block(recon, :defocus)
    # What the fit leaves, which is the astigmatism here, counts as noise.
    errors = block_errors(recon, :defocus; noise = :residual)
    @printf("fit: defocus %.2f +- %.2f and %.2f +- %.2f A\n", defocus[1], errors[1], defocus[2], errors[2])

    pixels = continued(recon; model = :adaptive, probe_side = 15, precision = :double)
    adaptive_loss = reach!(pixels, 30)
    probes, found = probe_table(pixels).values, compare(atoms(pixels), truth)
    @printf("scan_0=%.12e scan_1=%.12e defocus_0=%.12e defocus_1=%.12e ", scan..., defocus...)
    @printf("error_0=%.12e error_1=%.12e ", errors...)
    @printf("rigid_loss=%.12e adaptive_loss=%.12e focus_0=%.12e focus_1=%.12e rmsd_pm=%.12e\n", rigid_loss,
            adaptive_loss, probes["focus_0"], probes["focus_1"], found.rmsd_pm)
end

if length(ARGS) == 1
    main(ARGS...)
else
    println(stderr, "usage: fitted_probes.jl DATA_FOLDER")
    exit(2)
end
