# Means over ensembles, thickness series, windows, padded patterns, PRISM, and bad input.

"Largest difference of any signal of two lists."
apart(got, wanted) = maximum(maximum(abs, g - w) for (g, w) in zip(got, wanted))

function check_ensembles()
    atoms, probe = three_atoms(), Probe(energy_ev = 300e3, semiangle_mrad = 15)
    simulation, places = Simulation(atoms, 300e3; SIMULATED...), [3.0 4.0; 4.3 3.9; -1.0 9.5]
    detectors = [Detector(:annular), Detector(:center_of_mass),
                 Detector(:segmented; outer_mrad = 20, radial_bins = 2, azimuthal_bins = 3)]
    whole = scan(simulation, probe, places, detectors)
    means, errors = scan_ensemble(simulation, probe, places, detectors; phonon_configurations = 3, phonon_seed = 5)
    scans = [scan(Simulation(displaced(atoms, 5, i), 300e3; SIMULATED...), probe, places, detectors) for i in 1:3]
    mine = [sum(s[k] for s in scans) / 3 for k in 1:3]
    spread = [sqrt.(sum((s[k] - mine[k]) .^ 2 for s in scans) / 6) for k in 1:3]
    check("means of frozen phonons", map(size, means) == map(size, whole) && apart(means, mine) < 1e-12)
    check("their standard errors", apart(errors, spread) < 1e-12)
    still, unknown = scan_ensemble(simulation, probe, places, detectors[2])
    check("an ensemble of one", still == whole[2] && size(unknown) == (2, 3) && all(isnan, unknown))
    nodes = (defocus_spread = 20, defocus_nodes = 2, semiangle_spread_mrad = 0.5, semiangle_nodes = 2)
    blurred, _ = scan_ensemble(simulation, probe, places, detectors; nodes...)
    check("a spread of the beam", 1e-6 < apart(blurred, whole) < 0.1)
    series = thickness_series(simulation, probe, places, [1, 3], detectors)
    check("exits come last", map(size, series) == [(3, 2), (2, 3, 2), (2, 3, 3, 2)])
    last_exit = [series[1][:, 2], series[2][:, :, 2], series[3][:, :, :, 2]]
    check("the last exit is the scan", apart(last_exit, whole) < 1e-12)
    thin = Simulation(reshape(potential(simulation, 1), 32, 40, 1), (8, 7), 300e3; precision = :double)
    thinnest = scan(thin, probe, places, detectors[3])
    check("the first is a thin specimen", apart([series[3][:, :, :, 1]], [thinnest]) < 1e-12)
    check("one detector", thickness_series(simulation, probe, places, [1, 3], detectors[2]) == series[2])
    check_windows(probe, places, detectors)
    check_prism(probe, places, detectors)
    check_ensemble_faults(simulation, probe, places, detectors[1])
end

function check_windows(probe, places, detectors)
    windowed(rows, columns; options...) =
        Simulation(three_atoms(), 300e3; SIMULATED..., window_rows = rows, window_columns = columns, options...)
    narrow, wide = (window_error(windowed(s...), probe, places, detectors) for s in ((16, 20), (24, 30)))
    check("a larger window costs less", 0 < wide.largest < narrow.largest && wide.relative < narrow.relative < 1)
    padded = windowed(16, 20; pattern_sampling = :padded)
    check("sizes", padded.pattern_size == (32, 40) && padded.window_size == (16, 20))
    images = patterns(padded, probe, places)
    check("padded patterns sum to about 1", size(images) == (32, 40, 3) &&
        maximum(abs, sum(images; dims = (1, 2)) .- 1) < 0.05)
    check("no smaller window", choose_window(three_atoms(), probe; SIMULATED...) == (32, 40))
    large = with_cell(three_atoms(), [100, 80, 6])
    sizes = [choose_window(large, probe, focus; pixel_size = 0.25) for focus in (0, 300)]
    check("a chosen window", all(sizes[1] .< sizes[2] .< (320, 400)), sizes)
end

function check_prism(probe, places, detectors)
    for (precision, wanted) in ((:single, 1e-4), (:double, 1e-9))
        made(; options...) = Simulation(three_atoms(), 300e3; SIMULATED..., precision = precision, options...)
        of(; options...) = scan(made(; options...), probe, places, detectors)
        check("PRISM in $precision precision", apart(of(prism_semiangle_mrad = 15), of()) < wanted)
    end
    halves = Simulation(three_atoms(), 300e3; SIMULATED..., prism_semiangle_mrad = 15, prism_interpolation_y = 2,
                        prism_interpolation_x = 2)
    check("an interpolation makes windows", halves.pattern_size == (16, 20) && halves.window_size == (16, 20))
    coarser = Simulation(three_atoms(), 300e3; SIMULATED..., prism_semiangle_mrad = 15, prism_downsampling = 1)
    check("downsampled patterns", all(size(patterns(coarser, probe, places))[1:2] .< (32, 40)))
end

function check_ensemble_faults(simulation, probe, places, detector)
    atoms = three_atoms()
    made(; options...) = () -> Simulation(atoms, 300e3; SIMULATED..., options...)
    check_fault(made(prism_semiangle_mrad = 15, window_rows = 16, window_columns = 20), "PRISM in a window",
                :unsupported, "window")
    check_fault(made(prism_semiangle_mrad = 15, pattern_sampling = :padded), "padded patterns of PRISM", :unsupported,
                "padded")
    check_fault(made(prism_semiangle_mrad = 15, prism_interpolation_x = 3), "interpolation 3 of 40 pixels", :range,
                "divisor")
    check_fault(made(prism_interpolation_y = 2), "interpolation without PRISM", :range, "prism_semiangle_mrad")
    check_fault(made(pattern_sampling = :fine), "unknown sampling", :unknown_option, "padded")
    ensemble(; options...) = () -> scan_ensemble(simulation, probe, places, detector; options...)
    check_fault(ensemble(defocus_spread = -1), "spread -1", :range, "defocus", "-1")
    check_fault(ensemble(semiangle_spread_mrad = NaN), "spread NaN", :range, "semi-angle")
    check_fault(ensemble(defocus_spread = 1, defocus_nodes = 65), "65 nodes", :range, "65")
    check_fault(ensemble(phonon_configurations = -1), "-1 configurations", :range, "phonon_configurations")
    check_fault(() -> scan_ensemble(p -> false, simulation, probe, places, detector; phonon_configurations = 2),
                "an ensemble cancelled", :cancelled)
    still = with_cell(Atoms(atoms.positions; species = atoms.species), [8, 7, 6])
    resting = Simulation(still, 300e3; SIMULATED...)
    check_fault(() -> scan_ensemble(resting, probe, places, detector; phonon_configurations = 2), "phonons of still atoms",
                :not_ready, "debye_waller_b")
    check_fault(() -> displaced(still, 1, 1), "displaced still atoms", :not_ready, "debye_waller_b")
    check_fault(() -> displaced(atoms, 1, 0), "configuration 0", :range, "counted from 1")
    given = Simulation(ones(32, 40, 2), (8, 7), 300e3)
    check_fault(() -> scan_ensemble(given, probe, places, detector; phonon_configurations = 2), "phonons of a potential",
                :unsupported, "potential")
    check_fault(() -> Simulation(p -> false, ones(32, 40, 2), (8, 7), 300e3), "a potential cancelled", :cancelled)
    exits(numbers) = () -> thickness_series(simulation, probe, places, numbers, detector)
    check_fault(exits([2, 2]), "exits that do not rise", :range, "exit 1", "3 to 3")
    check_fault(exits([4]), "an exit below the specimen", :range, "1 to 3")
    check_fault(exits([1.5]), "half a slice", :range, "1.5")
    check_fault(exits(Int[]), "no exits", :empty, "exit")
    check_fault(() -> window_error(simulation, probe, places, detector), "no window", :unsupported, "whole")
    check_fault(() -> choose_window(with_cell(atoms, nothing), probe), "a window without cell", :not_ready, "cell")
    check_fault(() -> choose_window(atoms, probe, -1), "focus -1", :range, "focus")
end
