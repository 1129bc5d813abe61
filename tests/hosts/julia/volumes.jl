# Volumes, peaks and atoms from images alone.

function check_volumes(scratch)
    values = Float32[mod(y + 2x + 3z, 7) for y in 1:4, x in 1:5, z in 1:3]
    volume = Volume(values, 0.5)
    check("values of a volume", volume.values == values && volume.voxel_size == 0.5 && size(volume) == (4, 5, 3))
    check("no residuals", isempty(residuals(volume)))
    file = joinpath(scratch, "größe 1.mrc")
    write(file, volume)
    check("MRC and back", read_volume(file).values == values)
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
    check_fault(() -> trace(Volume(zeros(5, 5, 5), 1.0)), "no peaks", :empty, "peaks")
    found = find_atoms(series; species = 14)
    check("atoms were found", length(found) > 0 && all(==(14), found.species))
    check_fault(() -> find_atoms(series; weak = 2), "weak 2", :range, "weak")
    check_fault(() -> find_atoms(series; tomography = (voxel_size = 9,)), "bad option of the volume", :range, "voxel_size")
    close(tomogram)
    check_fault(() -> tomogram.values, "closed volume", :stale_handle)
end
