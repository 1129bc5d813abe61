# Volumes, peaks and atoms from images alone.

function check_volumes(scratch)
    values = Float32[mod(y + 2x + 3z, 7) for y in 1:4, x in 1:5, z in 1:3]
    volume = Volume(values, 0.5)
    check("values of a volume", volume.values == values && volume.voxel_size == 0.5 && size(volume) == (4, 5, 3))
    check("no residuals", isempty(residuals(volume)))
    file = joinpath(scratch, "größe 1.mrc")
    write(file, volume)
    check("MRC and back", read_volume(file).values == values)
    check_volume_files(volume, values, scratch)
    series = series_from_file(file, [-10.0, 0.0, 10.0]; tilt_axis = :y)
    check("series from a file", series.images == values && isapprox(series.pixel_size, 0.5; rtol = 1e-6))
    check_fault(() -> series_from_file(file, [0.0, 10.0]; tilt_axis = :y), "too few angles", :shape, "angles_deg")
    check_fault(() -> read_volume("no such.mrc"), "no such volume", :file, "no such.mrc")
    check_fault(() -> Volume(values, -1.0), "voxel size -1", :range, "voxel_size")
    check_fault(() -> Volume(fill(NaN, 3, 3, 3), 1.0), "NaN in a volume", :non_finite, "volume")

    series = small_series()
    tomogram = reconstruct_volume(series; method = :sirt)
    r = residuals(tomogram)
    check("residuals fall", length(r) == 25 && r[25] < 0.5 * r[1])
    check("a stopped reconstruction is kept", length(residuals(reconstruct_volume(p -> p.iteration < 2, series))) == 2)
    thrown = try
        reconstruct_volume(p -> error("mine"), series)
        nothing
    catch exception
        exception
    end
    check("what the progress function throws", thrown isa ErrorException && thrown.msg == "mine")
    check("peaks", 1 <= length(trace(tomogram; max_atoms = 3)) <= 3)
    check_tracing()
    check_fault(() -> trace(Volume(zeros(5, 5, 5), 1.0)), "no peaks", :empty, "peaks")
    found = find_atoms(series; species = 14)
    check("atoms were found", length(found) > 0 && all(==(14), found.species))
    check_fault(() -> find_atoms(series; weak = 2), "weak 2", :range, "weak")
    check_fault(() -> find_atoms(series; tomography = (voxel_size = 9,)), "bad option of the volume", :range, "voxel_size")
    close(tomogram)
    check_fault(() -> tomogram.values, "closed volume", :stale_handle)
end

# Candidates with flags, edits by hand, supports.
function check_tracing()
    # six Gaussian atoms in a row along z, 2.2 A apart, of heights 1 to 2.5
    values = fill(0.1, 24, 24, 40)
    for k in 0:5, z in 1:40, x in 9:15, y in 9:15
        values[y, x, z] += (1 + 0.3k) * exp(-((x - 12.1)^2 + (y - 12.2)^2 + (z - 7 - 5.5k)^2) / 4)
    end
    volume = Volume(values, 0.4)
    apart = 3 * volume.voxel_size
    run(; keywords...) = trace_candidates(volume; minimum_distance = apart, method = :polynomial, keywords...)
    atoms, candidates = run()
    check("accepted candidates are the atoms", count(iszero, candidates["flag"]) == length(atoms) == 6)
    check("values of the whole", candidates.values["threshold"] > 0 && candidates.values["noise"] >= 0)
    strongest = [candidates[axis][1] for _ in 1:1, axis in ("x", "y", "z")]
    check("removed by hand", run(; removed = strongest).candidates["flag"][1] == 6)
    again = run(; added = strongest)
    check("added by hand", again.candidates["flag"][1] == 7 && length(again.atoms) == length(atoms))
    all_of_it = Volume(ones(size(volume)), volume.voxel_size)
    check("a support of all", run(; support = all_of_it).candidates["x"] == candidates["x"])
    check("explained away", length(trace(volume; thresholding = :histogram, explain_rounds = 1)) > 0)
    check("widths of Gaussians", all(>(0), trace(volume; method = :gaussian, minimum_distance = apart).width))
    small = Volume(ones(2, 2, 2), volume.voxel_size)
    check_fault(() -> run(; support = small), "support of another size", :shape, "support")
    check_fault(() -> trace(volume; minimum_distance = apart / 2), "below two voxels", :range, "two voxels")
    check_fault(() -> run(; added = [1.0 2.0]), "places without z", :shape, "added")
    check_fault(() -> trace(volume; method = :spline), "unknown method", :unknown_option, "gaussian")
end

function check_volume_files(volume, values, scratch)
    for file in ("volume.npy", "volume.mat", "volume.tif", "volume.emd")
        path = joinpath(scratch, file)
        write(path, volume)
        copy = read_volume(path; voxel_size = endswith(file, "npy") ? 0.5 : 0)
        check("$file and back", copy.values == values && isapprox(copy.voxel_size, 0.5; rtol = 1e-6))
    end
    path = joinpath(scratch, "named")
    write(path, volume; format = :mat73, name = :rec)
    check("level 7.3 by name", read_volume(path; name = :rec).values == values)
    check_fault(() -> read_volume(path; name = :volume), "no such variable", :unknown_option, "`rec`")
    check_fault(() -> read_volume(joinpath(scratch, "volume.npy")), "no voxel size", :not_ready, "give one")
    check_fault(() -> write(joinpath(scratch, "a.raw"), volume), "no such ending", :unknown_option, ".npy")
    check_fault(() -> write(path, volume; format = :raw), "no such format", :unknown_option, "mat73")
    check_fault(() -> write(path, volume; format = :emd, name = "a/b"), "bad name", :range, "EMD")
end
