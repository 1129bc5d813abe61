"""Detectors on measured patterns, and bad input."""

import numpy as np

import aet
from checks import check, check_fault


def electrons_and_patterns():
    """Pattern [i, j] of a 2 x 3 scan has its only electrons at row i + 3, column j + 2 of 8 x 7: the zero angle at
    (4, 3) is that of [1, 1]."""
    electrons = np.array([[11, 12, 13], [21, 22, 23]])
    patterns = np.zeros((2, 3, 8, 7), np.uint16)
    for i in range(2):
        for j in range(3):
            patterns[i, j, i + 3, j + 2] = electrons[i, j]
    return electrons, patterns


def detectors_measure_patterns():
    electrons, patterns = electrons_and_patterns()
    everything = aet.Detector("annular")
    check("kind", everything.kind == "annular" and "annular" in repr(everything))
    check("a scan becomes an image", (everything.measure(patterns, 2) == electrons).all())
    check("in any memory order", (everything.measure(np.asfortranarray(patterns), 2) == electrons).all())
    check("one pattern becomes a number", everything.measure(patterns[1, 0], 2) == 21)
    out = np.zeros((2, 3), np.float32)
    check("into an array of the user's", everything.measure(patterns, 2, out=out) is out and (out == electrons).all())
    center = aet.Detector("annular", outer_mrad=1.5)
    shifted = np.fft.ifftshift(patterns, axes=(2, 3))
    check("the central pixel", (center.measure(patterns, 2) == [[0, 0, 0], [0, 22, 0]]).all())
    check("fft order", (center.measure(shifted, 2, order="fft") == [[0, 0, 0], [0, 22, 0]]).all())
    half = aet.Detector("annular", np.full((21, 21), 0.5), sensitivity_row_step_mrad=2, outer_mrad=6)
    check("a map of efficiencies", (half.measure(patterns, 2) == electrons / 2).all())
    rings = aet.Detector("flexible_annular", outer_mrad=7, step_mrad=3.5).measure(patterns, 2)
    check("rings come last", rings.shape == (2, 3, 2) and (rings.sum(axis=-1) == electrons).all())
    camera = aet.Detector("pixelated", rows=3, columns=4)
    check("shape of a camera", camera.signal_shape((8, 7), 2) == (3, 4) and everything.signal_shape((8, 7), 2) == ())
    check("a camera crops", (camera.measure(patterns, 2) == patterns[:, :, 3:6, 1:5]).all())
    com = aet.Detector("center_of_mass").measure(patterns, 2, column_step_mrad=3, energy_ev=300e3)
    k = 1e-3 / aet.Probe(300e3, 25).wavelength
    wanted = np.stack(np.broadcast_arrays(3 * k * np.arange(-1, 2), 2 * k * np.arange(-1, 1)[:, None]), axis=-1)
    check("centres of mass, x and y", np.abs(com - wanted).max() < 1e-12, com)
    angle = 2 * np.pi * (np.arange(8) / 8 + np.arange(6)[:, None] / 6)
    field = -2 * np.pi * np.sin(angle)[..., None] / [8 * 0.25, 6 * 0.5]
    error = np.abs(aet.integrate_center_of_mass(field, 0.5, 0.25) - np.cos(angle)).max()
    check("the image of which a field is the gradient", error < 1e-14, error)


def detectors_refuse():
    _, patterns = electrons_and_patterns()
    everything = aet.Detector("annular")
    check_fault(lambda: aet.Detector("round"), "unknown kind", "unknown_option", "round", "annular")
    check_fault(lambda: aet.Detector("annular", outer=3), "unknown option", "unknown_option", "outer")
    check_fault(lambda: aet.Detector("annular", inner_mrad=5, outer_mrad=4), "crossed angles", "range", "outer angle")
    check_fault(lambda: aet.Detector("annular", step_mrad=1), "an option of another kind", "range", "step_mrad")
    check_fault(lambda: everything.measure(patterns, 0), "no angle step", "range", "angle step between rows")
    wide = aet.Detector("annular", outer_mrad=8)
    check_fault(lambda: wide.measure(patterns, 2), "an angle beyond the pattern", "range", "at most 7")
    check_fault(lambda: everything.measure([1.0], 2), "patterns of one axis", "shape", "patterns")
    check_fault(lambda: everything.measure([[1.0, np.nan]], 2), "NaN in a pattern", "non_finite", "pixel 1")
    check_fault(lambda: everything.measure(patterns, 2, out=np.zeros(3)), "another shape to fill", "shape", "out")
    com = aet.Detector("center_of_mass")
    check_fault(lambda: com.measure(patterns, 2), "no energy", "not_ready", "energy")
    stop = lambda p: False
    check_fault(lambda: everything.measure(patterns, 2, progress=stop), "a measurement cancelled", "cancelled")
    silicon, gold = (aet.adf_transfer(300e3, 40, 200, species) for species in (14, 79))
    check("one atom on a detector", 0 < silicon.collected < 1 and silicon.cross_section < gold.cross_section)
    check_fault(lambda: aet.adf_transfer(300e3, 40, 30, 14), "a detector inside out", "range", "outer_mrad")
    check_fault(lambda: aet.integrate_center_of_mass(np.zeros((4, 4, 3)), 1), "three components", "shape", "field")
    everything.close()
    check_fault(lambda: everything.measure(patterns, 2), "closed detector", "stale_handle", "closed Detector")
