# Accuracy of traced atoms, and tables.

function check_accuracy(scratch)
    places = [3.0 * (k == 1 ? i : k == 2 ? j : l) for (i, j, l) in vec([(i, j, l) for i in -1:1, j in -1:1, l in -1:1]), k in 1:3]
    species = fill(79, 27)
    truth = Atoms(places; species = species)
    places[27, :] = [0, 0, 9]
    species[1] = 29
    found = Atoms(places; species = species)
    check("tracing error", compare(found, truth).tracing_error == 2 / 27)
    table = accuracy(found, truth)
    check("found and missing atoms", table.rows == 28 && table["state"][[1, 2, 27, 28]] == [1, 0, 2, 3])
    check("single values", table.values["tracing_error"] == 2 / 27 && table.value_units["rmsd"] == "pm")
    index = table[:true_index]
    check("indices count from 1", index[1] == 1 && index[28] == 27 && isnan(index[27]))
    check("units", table.units["depth"] == "A" && haskey(table, :depth) && !haskey(table, "flag"))
    all_columns = NamedTuple(table)
    check("a named tuple", length(all_columns) == length(keys(table)) && abs(all_columns.surface_distance[14] - 3) < 1e-6)
    profile = error_profile(table, :depth, 4)
    check("errors against depth", profile["true_count"] == [9, 18, 0, 0])
    matrix = confusion(table)
    check("confusion", keys(matrix) == ["true_species", "Cu", "Au", "missing", "rate"] && matrix["Cu"] == [1, 0])
    counts = histogram(table, :surface_distance; by = :state, bins = 3)
    check("histogram", sum(counts["count"]) == 28 && counts["count_2"] == [1, 0, 0])
    file = joinpath(scratch, "accuracy.csv")
    write(file, table)
    check("file", occursin("tracing_error", read(file, String)))
    along = accuracy(found, truth; depth_axis = (2, 0, 0), probe_radius = 5)["depth"]
    check("an axis of depth", along[1:2] == 2 .* places[1:2, 1])
    check_fault(() -> table["flag"], "unknown column", :unknown_option, "surface_distance")
    check_fault(() -> accuracy(found, truth; cutoff = -1), "negative cutoff of accuracy", :range, "cutoff")
    check_fault(() -> accuracy(found, truth; cut = 1), "misspelt option of accuracy", :unknown_option, "cutoff")
    check_fault(() -> error_profile(table, :depth, 0), "no bins", :range, "width")
    check_fault(() -> confusion(profile), "confusion of a profile", :unknown_option, "true_species")
    check_fault(() -> accuracy(p -> false, found, truth), "a stopped report", :cancelled)
    close(found)
    check_fault(() -> accuracy(found, truth), "closed atoms", :stale_handle)
    check("tables outlive atoms", table.rows == 28)
    close(table)
    check_fault(() -> table.rows, "closed table", :stale_handle, "Table")
end
