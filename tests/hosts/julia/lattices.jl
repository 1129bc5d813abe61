# Tracing with a lattice.

"A body-centred crystal of 4 A in voxels of 0.5 A, its corner at (0.3, -0.2, 0.1)."
function crystal_in_a_volume()
    wave(i, from) = cos(pi / 2 * (0.5 * (i - 21) - from))
    values = [1 + wave(x, 0.3) * wave(y, -0.2) + wave(y, -0.2) * wave(z, 0.1) + wave(z, 0.1) * wave(x, 0.3)
              for y in 1:40, x in 1:40, z in 1:40]
    return Volume(values, 0.5), Atoms([0.0 0 0; 2 2 2]; species = [26, 26])
end

function check_lattices()
    volume, bare = crystal_in_a_volume()
    crystal = with_cell(bare, [4, 4, 4])
    atoms, sites = trace_lattice(volume, crystal)
    values = sites.values
    check("every site has its atom", values["found_fraction"] == 1 && length(atoms) == sites.rows)
    check("near its site", values["mean_displacement"] < 0.05 && values["rotation_xx"] > 0.9999)
    check("indices from 1", sites["atom"] == 1:sites.rows && extrema(sites["basis"]) == (1, 2))
    edges = [4.0 0 0; 0 4 0; 0 0 4]
    same, _ = trace_lattice(volume, bare; vectors = edges, rotation = edges / 4, rotation_within_deg = 5, mask = volume)
    check("with vectors and mask", 0 < length(same) <= length(atoms))
    check_fault(() -> trace_lattice(volume, bare), "crystal without a cell", :not_ready, "cell")
    check_fault(() -> trace_lattice(volume, crystal; rotation = edges), "no rotation", :inconsistent, "rotation")
    check_fault(() -> trace_lattice(volume, crystal; species = 8), "oxygen in iron", :range, "species")
    check_fault(() -> trace_lattice(volume, with_cell(bare, [5.3, 5.3, 5.3])), "another crystal", :empty, "Bragg")
    flat = Volume(ones(20, 20, 20), 0.5)
    check_fault(() -> trace_lattice(flat, crystal), "constant volume", :inconsistent, "volume")
    check_fault(() -> trace_lattice(volume, crystal; mask = flat), "mask of another shape", :shape, "mask")
    check_fault(() -> trace_lattice(p -> false, volume, crystal), "a stopped search", :cancelled)
end
