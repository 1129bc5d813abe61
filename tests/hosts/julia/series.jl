# Simulated series: images, patterns, going on, and bad input.

const TURN = [0.8 0 0.6; 0 1 0; -0.6 0 0.8]
const TURNS = cat(TURN, [1.0 0 0; 0 1 0; 0 0 1], TURN'; dims = 3)
const SERIES = (pixel_size = 0.7, rows = 8, columns = 8, vacuum = 2, simulation = (pixel_size = 0.2,),
                instrument = (dose_per_a2 = 1e4, seed = 3), phonon_configurations = 2, phonon_seed = 4)

"Every file of a folder with its bytes."
contents(folder) = Dict(name => read(joinpath(folder, name)) for name in readdir(folder))

function check_series(scratch)
    still = Atoms([0.0 0 0; 1.2 0.3 2]; species = [79, 29])
    atoms = with_column(still, :debye_waller_b, 0.5)
    probe, annular = Probe(energy_ev = 300e3, semiangle_mrad = 15), Detector(:annular; inner_mrad = 10)
    foci, whole, cut = [-5, 5], joinpath(scratch, "whole", "series"), joinpath(scratch, "cut", "series")
    bytes = estimate_memory(atoms, probe, annular, TURNS, foci; SERIES...)
    check("bytes of a series", 2^16 < bytes < 2^32, bytes)
    seen = []
    simulate_series(p -> (push!(seen, p); true), atoms, probe, annular, TURNS, foci, whole; SERIES...)
    check("counters of a series", sort(unique(p.tilt for p in seen)) == 1:3 && seen[end].probe == 768 &&
        all(p -> (p.phase, p.tilts, p.configurations, p.probes) == (:simulating, 3, 2, 768), seen))
    series = read_series(whole)
    check("images of a series", size(series.images) == (8, 8, 6) && series.defocus[1:2] == foci)
    ended(p) = simulate_series(p, atoms, probe, annular, TURNS, foci, cut; SERIES...)
    check_fault(() -> ended(p -> p.tilt < 2), "a series cancelled", :cancelled)
    check_throws(() -> ended(_ -> error("from the callback")), "exception of its progress function",
                 e -> e isa ErrorException && e.msg == "from the callback")
    check("what is finished is kept", isdir(string(cut, ".partial")))
    ended(nothing)
    check("the same call goes on", contents(cut) == contents(whole))
    patterns = joinpath(scratch, "patterns")
    simulate_series(atoms, probe, Detector(:pixelated; outer_mrad = 20, binning = 2), TURNS[:, :, 1:1], [0.0], patterns;
                    SERIES..., whole_window = true, defocus_spread = 3, defocus_nodes = 2,
                    semiangle_spread_mrad = 0.1, semiangle_nodes = 2)
    check("patterns of a series", isfile(joinpath(patterns, "patterns.npy")))
    refused = joinpath(scratch, "refused")
    check_fault(() -> simulate_series(still, probe, annular, TURNS, foci, refused; SERIES...),
                "phonons of still atoms", :not_ready, "debye_waller_b")
    check_series_faults(atoms, probe, annular, foci, whole, refused)
end

function check_series_faults(atoms, probe, annular, foci, whole, refused)
    attempt(; detector = annular, turns = TURNS, at = foci, options...) =
        () -> simulate_series(atoms, probe, detector, turns, at, refused; SERIES..., options...)
    check_fault(() -> simulate_series(atoms, probe, annular, TURNS, foci, whole; SERIES...), "a folder that exists",
                :inconsistent, "exists")
    mirror = reshape([1.0 0 0; 0 1 0; 0 0 -1], 3, 3, 1)
    check_fault(attempt(turns = mirror), "a mirror", :inconsistent, "rotation of tilt 0")
    check_fault(attempt(turns = TURN), "one matrix", :shape, "rotations")
    check_fault(attempt(at = Float64[]), "no foci", :empty, "foci")
    check_fault(attempt(detector = Detector(:center_of_mass)), "a centre of mass", :unsupported, "annular")
    check_fault(attempt(detector = Detector(:annular; outer_mrad = 99)), "too wide a detector", :range, "pixels of")
    check_fault(attempt(simulation = (energy_ev = 200e3,)), "another energy", :inconsistent, "200000")
    check_fault(attempt(simulation = (prism_interpolation_x = 2,)), "a series with interpolation but no PRISM", :range,
                "prism_semiangle_mrad")
    check_fault(attempt(simulation = (pixels = 3,)), "unknown option of the simulation", :unknown_option, "pixels")
    check_fault(attempt(instrument = (dose = 3,)), "unknown option of the instrument", :unknown_option, "dose")
    check_fault(attempt(dose = 3), "unknown option of a series", :unknown_option, "dose")
    check_fault(attempt(memory_cap = 1000), "a cap", :memory, "series")
    check("nothing is left behind", !ispath(refused) && !ispath(string(refused, ".partial")))
    close(annular)
    check_fault(attempt(), "closed detector", :stale_handle)
end
