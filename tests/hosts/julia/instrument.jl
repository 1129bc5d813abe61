# What an instrument records of ideal images.

function check_instrument()
    series = small_series()
    check("a perfect instrument changes nothing", record_series(series).images == series.images)
    recorded = record_series(series; seed = 4, electrons_per_position = 25, gain = 2, mtf = [1.0, 0.7, 0.5],
                             noise_blurred = 1, drift_x = 0.4)
    check("electrons per unit", all(==(0.5), recorded.counts_per_unit) && recorded.images != series.images)
    again = record_series(series; seed = 4, electrons_per_position = 25, gain = 2, mtf = [1.0, 0.7, 0.5],
                          noise_blurred = 1, drift_x = 0.4)
    check("seeds repeat", recorded.images == again.images)
    patterns = fill(0.01f0, 12, 10, 3, 2)
    counts = record_patterns(patterns; electrons_per_position = 1e4, seed = 1)
    check("patterns keep their shape", size(counts) == size(patterns) && abs(sum(counts) / length(counts) - 100) < 3)
    check("patterns part by part", record_patterns(patterns[:, :, :, 2]; electrons_per_position = 1e4, seed = 1,
                                                   first = 4) == counts[:, :, :, 2])
    places = instrument_truth(:displacements, 6, 8; pixel_size = 0.5, stretch_x = 0.1)
    check("displacements", size(places) == (6, 8, 2) && isapprox(places[3, 1, 1], -0.2) && places[3, 1, 2] == 0)
    check("dead pixels", count(==(0), instrument_truth(:gain, 6, 8; dead_pixels = 5)) == 5)

    check_fault(() -> record_series(series; dqe = 2), "dqe 2", :range, "dqe")
    check_fault(() -> record_series(series; dose = 2), "unknown option", :unknown_option, "dose_per_a2")
    check_fault(() -> record_series(series; detection = :magic), "unknown detection", :unknown_option, "integrating")
    check_fault(() -> record_series(series; mtf = [0.5, 0.2]), "mtf at zero", :range, "mtf")
    check_fault(() -> record_series(_ -> false, series), "stopped recording", :cancelled)
    check_fault(() -> record_patterns(patterns; shear = 0.1), "shear of patterns", :unsupported, "scan")
    check_fault(() -> record_patterns([1.0, 2.0]), "patterns with one axis", :shape, "axes")
    check_fault(() -> record_patterns(patterns; first = 0), "first 0", :range, "first")
    check_fault(() -> record_patterns(fill(NaN, 4, 4)), "NaN in a pattern", :non_finite, "row 0")
    check_fault(() -> instrument_truth(:noise, 4, 4), "unknown truth", :unknown_option, "displacements")
end
