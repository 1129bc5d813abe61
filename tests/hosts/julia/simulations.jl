# Simulations: potentials, waves, scans, patterns, gradients, and bad input.

const SIMULATED = (rows = 32, columns = 40, precision = :double)

three_atoms(shift = 0.0) =
    with_cell(with_column(Atoms([3+shift 4 1; 4.2 4.1 3; 6 2 4.5]; species = [79, 29, 14]), :debye_waller_b, 0.5),
              [8, 7, 6])

function check_simulations()
    simulation, probe = Simulation(three_atoms(), 300e3; SIMULATED...), Probe(energy_ev = 300e3, semiangle_mrad = 15)
    places = [3.0 4.0; 4.3 3.9; -1.0 9.5]
    check("what it is", simulation.size == (32, 40) && simulation.slice_count == 3 && simulation.atom_count == 3)
    check("pixels", all(isapprox.(simulation.pixel_size, (7 / 32, 0.2))) && simulation.wavelength == probe.wavelength)
    check("bytes", memory_estimate(simulation) == estimate_memory(three_atoms(), 300e3; SIMULATED...))
    detectors = [Detector(:annular), Detector(:center_of_mass),
                 Detector(:segmented; outer_mrad = 20, radial_bins = 2, azimuthal_bins = 3)]
    everything, center, segments = scan(simulation, probe, places, detectors)
    check("axes of signals", size(everything) == (3,) && size(center) == (2, 3) && size(segments) == (2, 3, 3))
    check("one detector", scan(simulation, probe, places, detectors[3]) == segments)
    images = patterns(simulation, probe, places)
    check("patterns", size(images) == (32, 40, 3) && maximum(abs, vec(sum(images; dims = (1, 2))) - everything) < 1e-6)
    steps = 1e3 * simulation.wavelength ./ (7, 8)
    measured = measure(detectors[3], images; row_step_mrad = steps[1], column_step_mrad = steps[2])
    check("measured patterns give the same signals", maximum(abs, measured - segments) < 1e-7)
    psi, first_pixel = exit_wave(simulation, probe, (3.0, 4.0))
    check("a wave", first_pixel == (1, 1) && abs(sum(abs2, psi) * length(psi) - everything[1]) < 1e-12)
    check("plane waves", exit_wave(simulation) == exit_wave(simulation, ones(32, 40); slices = 3))
    slices = cat((potential(simulation, k) for k in 1:3)...; dims = 3)
    given = Simulation(slices, (8, 7), 300e3; precision = :double)
    check("of a potential", maximum(abs, scan(given, probe, places, detectors[2]) - center) < 1e-12)
    weights = [[1.0, 2, -1], ones(2, 3), fill(0.3, 2, 3, 3)]
    loss(shift) = sum(sum(w .* s) for (w, s) in
                      zip(weights, scan(Simulation(three_atoms(shift), 300e3; SIMULATED...), probe, places, detectors)))
    wanted = (:positions, :potential, :atom_positions, :debye_waller_b, :occupancy)
    gradient = pull_back(simulation, probe, places, detectors, weights; wanted = wanted)
    check("shapes of gradients", [size(gradient[name]) for name in wanted] == [(3, 2), (32, 40, 3), (3, 3), (3,), (3,)])
    difference = (loss(1e-4) - loss(-1e-4)) / 2e-4
    check("finite difference", abs(gradient[:atom_positions][1, 1] / difference - 1) < 1e-6)
    check_simulation_faults(simulation, probe, places, detectors[1])
end

function check_simulation_faults(simulation, probe, places, detector)
    atoms = three_atoms()
    strict = Simulation(atoms, 300e3; SIMULATED..., within_cell = 1)
    check_fault(() -> scan(strict, Probe(energy_ev = 300e3, semiangle_mrad = 15), [-1.0 1.0], Detector(:annular)),
                "outside of the cell", :range, "scan position 0")
    check_fault(() -> Simulation(with_cell(atoms, nothing), 300e3), "no cell", :not_ready, "cell")
    check_fault(() -> Simulation(atoms, 0), "no energy", :range, "energy")
    check_fault(() -> Simulation(atoms, 300e3; pixels = 3), "unknown option of a simulation", :unknown_option, "pixels")
    check_fault(() -> Simulation(atoms, 300e3; projection = :half), "unknown projection", :unknown_option, "finite")
    check_fault(() -> Simulation(p -> false, atoms, 300e3), "a simulation cancelled", :cancelled)
    check_fault(() -> Simulation(ones(4, 4, 2), (8, 8), 300e3; rows = 4, columns = 4), "rows of a potential", :range,
                "rows")
    other = Probe(energy_ev = 200e3, semiangle_mrad = 15)
    check_fault(() -> scan(simulation, other, places, detector), "another energy", :inconsistent, "200000")
    check_fault(() -> scan(simulation, probe, places, Detector[]), "no detectors", :empty, "detectors")
    check_fault(() -> scan(simulation, probe, zeros(2, 3), detector), "three coordinates", :shape, "positions")
    check_fault(() -> scan(simulation, probe, [NaN 0.0], detector), "a place that is none", :non_finite, "position 0")
    check_fault(() -> scan(p -> false, simulation, probe, places, detector), "a scan cancelled", :cancelled)
    check_fault(() -> signal_size(simulation, Detector(:annular; outer_mrad = 99)), "beyond the band limit", :range,
                "at most")
    check_fault(() -> potential(simulation, 4), "slice 4", :range, "0 to 2")
    check_fault(() -> pull_back(simulation, probe, places, detector, zeros(2)), "dL/dsignals too short", :shape,
                "by_signal")
    check_fault(() -> pull_back(simulation, probe, places, detector, zeros(3); wanted = :angles), "unknown gradient",
                :unknown_option, "angles")
    given = Simulation(ones(32, 40, 2), (8, 7), 300e3)
    check_fault(() -> pull_back(given, probe, places, detector, zeros(3)), "atoms of a potential", :unsupported,
                "atoms")
    close(simulation)
    check_fault(() -> scan(simulation, probe, places, detector), "closed simulation", :stale_handle)
end
