# Detectors on measured patterns.

function check_detectors()
    # Pattern (i, j) of a 2 x 3 scan has its only electrons at row i + 3, column j + 2 of 8 x 7; zero angle at (5, 4).
    patterns = zeros(UInt16, 8, 7, 2, 3)
    electrons = [11.0 12 13; 21 22 23]
    for i in 1:2, j in 1:3
        patterns[i+3, j+2, i, j] = electrons[i, j]
    end
    all_of_it = Detector(:annular)
    check("kind", all_of_it.kind === :annular)
    check("a scan becomes an image", measure(all_of_it, patterns; row_step_mrad = 2) == electrons)
    check("one pattern becomes a number", measure(all_of_it, patterns[:, :, 2, 1]; row_step_mrad = 2) == 21.0)
    moved = PermutedDimsArray(permutedims(patterns, (3, 4, 1, 2)), (3, 4, 1, 2))
    check("any memory order", measure(all_of_it, moved; row_step_mrad = 2) == electrons)
    center = Detector(:annular; outer_mrad = 1.5)
    check("the central pixel", measure(center, patterns; row_step_mrad = 2) == [0 0 0; 0 22 0])
    shifted = circshift(patterns, (-4, -3, 0, 0))
    check("fft order", measure(center, shifted; row_step_mrad = 2, order = :fft) == [0 0 0; 0 22 0])
    half = Detector(:annular; sensitivity = fill(0.5f0, 21, 21), sensitivity_row_step_mrad = 2, outer_mrad = 6)
    check("a map of efficiencies", measure(half, patterns; row_step_mrad = 2) == electrons ./ 2)
    rings = measure(Detector(:flexible_annular; outer_mrad = 7, step_mrad = 3.5), patterns; row_step_mrad = 2)
    check("rings first, then the scan", size(rings) == (2, 2, 3) && sum(rings; dims = 1)[1, :, :] == electrons)
    camera = Detector(:pixelated; rows = 3, columns = 4)
    check("size of a camera", signal_size(camera, 8, 7; row_step_mrad = 2) == (3, 4))
    check("a camera crops", measure(camera, patterns; row_step_mrad = 2) == patterns[4:6, 2:5, :, :])
    com = measure(Detector(:center_of_mass), patterns; row_step_mrad = 2, column_step_mrad = 3, energy_ev = 300e3)
    k = 1e-3 / small_probe().wavelength
    wanted = [a == 1 ? 3k * (j - 2) : 2k * (i - 2) for a in 1:2, i in 1:2, j in 1:3]
    check("centres of mass, x and y", maximum(abs, com - wanted) < 1e-12)
    angle = [2pi * ((c - 1) / 8 + (r - 1) / 6) for r in 1:6, c in 1:8]
    field = [-2pi * sin(angle[r, c]) / (a == 1 ? 8 * 0.25 : 6 * 0.5) for a in 1:2, r in 1:6, c in 1:8]
    check("the image of which a field is the gradient",
          maximum(abs, integrate_center_of_mass(field, 0.5, 0.25) - cos.(angle)) < 1e-14)
    check_detector_faults(all_of_it, patterns)
end

function check_detector_faults(all_of_it, patterns)
    check_fault(() -> Detector(:round), "unknown kind of detector", :unknown_option, "round", ":annular")
    check_fault(() -> Detector(:annular; outer = 3), "unknown option of a detector", :unknown_option, "outer")
    check_fault(() -> Detector(:annular; inner_mrad = 5, outer_mrad = 4), "crossed angles", :range, "outer angle")
    check_fault(() -> Detector(:annular; step_mrad = 1), "an option of another kind", :range, "step_mrad")
    check_fault(() -> measure(all_of_it, patterns), "no angle step", :range, "angle step between rows")
    check_fault(() -> measure(Detector(:annular; outer_mrad = 8), patterns; row_step_mrad = 2),
                "an angle beyond the pattern", :range, "at most 7")
    check_fault(() -> measure(all_of_it, [1.0]; row_step_mrad = 2), "patterns of one axis", :shape, "patterns")
    check_fault(() -> measure(all_of_it, [1.0 NaN]; row_step_mrad = 2), "NaN in a pattern", :non_finite, "pixel 1")
    check_fault(() -> measure(Detector(:center_of_mass), patterns; row_step_mrad = 2), "no energy", :not_ready, "energy")
    check_fault(() -> measure(p -> false, all_of_it, patterns; row_step_mrad = 2), "a measurement cancelled", :cancelled)
    silicon = adf_transfer(300e3, 40, 200, 14)
    check("one atom on a detector", 0 < silicon.collected < 1 &&
          silicon.cross_section < adf_transfer(300e3, 40, 200, 79).cross_section)
    check_fault(() -> adf_transfer(300e3, 40, 30, 14), "a detector inside out", :range, "outer_mrad")
    check_fault(() -> integrate_center_of_mass(zeros(3, 4, 4), 1), "a field of three components", :shape, "field")
    close(all_of_it)
    check_fault(() -> measure(all_of_it, patterns; row_step_mrad = 2), "closed detector", :stale_handle)
end
