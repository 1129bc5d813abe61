# Species of traced atoms.

"27 places on a lattice, every third empty, Cu or Au: a volume, positions and heights."
function crystal()
    places = [6 .+ 6 .* ((i % 3), (i ÷ 3 % 3), (i ÷ 9)) for i in 0:26] # x, y, z, from 0
    heights = [(i % 3) * (1 + 0.01 * (7i % 5)) + 0.003 * (i % 4) for i in 0:26]
    square(p, x, y, z) = (x - p[1])^2 + (y - p[2])^2 + (z - p[3])^2
    value(x, y, z) = sum(h * exp(-square(p, x, y, z) / 3) for (h, p) in zip(heights, places))
    values = [value(x, y, z) for y in 0:23, x in 0:23, z in 0:23]
    positions = [0.4 * (places[i][axis] - 12) for i in 1:27, axis in 1:3]
    return Volume(values, 0.4), positions, heights
end

function check_classification()
    volume, positions, heights = crystal()
    candidates, truth = Atoms(positions), [i % 3 for i in 0:26]
    for method in (:gaussian, :k_means, :profile_global, :profile_local)
        found = classify(candidates, volume; species = (29, 79), non_atoms = true, method = method, smoothing = 0.2)
        check("classes by $method", found.table["class"] == truth)
        check("species by $method", found.atoms.species == [29, 79][truth[truth.>0]])
        check("classes have means", issorted(found.classes["mean"]) && found.classes.values["converged"] == 1)
    end
    found = classify(Atoms(positions; heights = heights); species = [29, 79], non_atoms = true)
    check("classes by heights", found.table["class"] == truth && found.table["intensity"] == heights)
    known = Atoms(positions[truth .> 0, :]; heights = heights[truth .> 0])
    expected = classify(known; species = (29, 79), method = :expected, expected = (0.4, 1.0))
    check("classes by what is expected", expected.table["class"] == truth[truth .> 0])
    check_fault(() -> classify(known; species = (29, 79), method = :expected, expected = (1.0, 0.4)),
                "strengths that descend", :inconsistent, "strength")
    counts = histogram(found.table, :intensity; by = :class)
    check("a histogram per class", sum(counts["count_2"]) == 9)
    large = classify(candidates, volume; species = (29, 79), non_atoms = true, region = :sphere, region_size = 1.0)
    check("a sphere", large.table["class"] == truth)
    run(; keywords...) = classify(candidates, volume; keywords...)
    check_fault(() -> run(species = 29), "one species", :inconsistent, "nothing to tell apart")
    check_fault(() -> run(species = 1:9), "nine species", :shape, "at most 8")
    check_fault(() -> run(species = (29, 79), method = :magic), "unknown method", :unknown_option, "method")
    check_fault(() -> run(species = (29, 79), smoothing = NaN), "smoothing NaN", :range, "smoothing")
    check_fault(() -> classify(candidates; species = (29, 79)), "no heights", :not_ready, "heights")
    check_fault(() -> classify(p -> false, candidates, volume; species = (29, 79)), "stopped", :cancelled)
    check_throws(() -> classify(p -> error("mine"), candidates, volume; species = (29, 79)),
                 "errors of the progress function", e -> occursin("mine", sprint(showerror, e)))
    flat = Volume(ones(24, 24, 24), 0.4)
    check_fault(() -> classify(candidates, flat; species = (29, 79)), "constant volume", :inconsistent,
                "tells species apart")
    close(volume)
    check_fault(() -> run(species = (29, 79)), "closed volume", :stale_handle)
end
