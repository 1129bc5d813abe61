# The search for atoms: species, starts, supports, what it records.

function check_finding()
    series = small_series()
    start = Atoms(POSITIONS .+ 0.1)
    search(; keywords...) = find_atoms(series; start = start, max_cycles = 2, fit_iterations = 15, keywords...)
    found, traced, cycles, orbital = find_atoms_recorded(series; start = start, max_cycles = 2, fit_iterations = 15,
                                                         elements = [14, 79], free = (:drift, :scale),
                                                         isolation = Inf, split = Inf)
    check("all atoms of the start", length(found) == ATOMS && all(in((14, 79)), found.species))
    check("the start is handed back", traced.positions == start.positions)
    check("a row per fit", length(cycles["atoms"]) in (1, 2) && all(==(ATOMS), cycles["atoms"]))
    check("fits lower the R factor", 0 < cycles["r_factor"][end] < cycles.values["r_factor_traced"])
    check("direct without a probe", cycles.values["model"] == 0 && cycles.values["moved"] == 1)
    check("the atoms have a shape", orbital.term_count > 0 && all(>(0), orbital.terms[:, 1]))
    slater = slater_orbital()
    kept = find_atoms_recorded(series, small_probe(); start = start, max_cycles = 2, fit_iterations = 15,
                               fit = (model = :rigid, orbital = slater), keep_model = true, keep_orbital = true,
                               hold_out = 0)
    check("model and orbital are kept", kept.cycles.values["model"] == 1 && kept.orbital.terms == slater.terms)
    grid = find_atoms_recorded(series; first_guess = :grid, grid_spacing = 1, max_cycles = 1)
    check("a grid and what became of it", length(grid.atoms) > 0 && length(grid.cycles["atoms"]) == 3 &&
          4 in grid.decisions["kind"])
    cube = (nx = 20, ny = 20, nz = 20)
    sides = [Float64(x <= 10) for y in 1:20, x in 1:20, z in 1:20]
    kept = search(; support = Volume(sides, series.pixel_size), tomography = cube)
    check("a support of one side", 0 < length(kept) < ATOMS)
    small = Volume(ones(2, 2, 2), series.pixel_size)
    check_fault(() -> search(; support = small), "support of another size", :shape, "support")
    check_fault(() -> search(; support = sides), "an array as support", :dtype, "support")
    check_fault(() -> search(; elements = [14, 104]), "element 104", :range, "104")
    check_fault(() -> search(; elements = [14, 14]), "an element twice", :range, "once")
    check_fault(() -> search(; elements = collect(1:ATOMS+1)), "more elements than atoms", :inconsistent, "species")
    check_fault(() -> search(; free = (:drift, :nonsense)), "a block that is not there", :unknown_option, "nonsense")
    check_fault(() -> search(; hold_out = 0.6), "hold_out 0.6", :range, "hold_out")
    check_fault(() -> search(; keep_model = 2), "keep_model 2", :range, "keep_model")
    check_fault(() -> search(; split = 0.5), "split 0.5", :range, "split")
    check_fault(() -> search(; first_guess = :grid), "a grid and a start", :inconsistent, "start")
    check_fault(() -> find_atoms(series; first_guess = :grid, grid_spacing = 0.01), "a grid finer than pixels", :range,
                "size of a pixel")
    check_fault(() -> search(; splitt = 2), "no such option", :unknown_option, "splitt")
end
