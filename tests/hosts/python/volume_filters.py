"""Filters, masks and resolution of volumes: what comes back, and bad input."""

import numpy as np

import aet
from checks import check, check_fault
from problem import small_series

PLAIN = dict(smoothing="none", dilation=0, closing=0, minimum_island=50)


def total(volume):
    return volume.values.sum(dtype=float)


def masks_find_the_specimen():
    ball = aet.Volume.support((20, 24, 22), 0.5, 4)
    check("a ball", ball.shape == (20, 24, 22) and abs(total(ball) - 2109) < 1)
    cylinder = aet.Volume.support((20, 24, 22), 0.5, 4, shape="cylinder_x").values
    check("a cylinder along x", np.all(cylinder[10, 12] == 1) and cylinder[0, 12, 10] == 0)
    shrunk = ball.mask(**PLAIN, erosion=1)
    check("a mask that shrinks", 0.5 * total(ball) < total(shrunk) < total(ball))
    check("threshold", 0.4 < ball.otsu_threshold() < 0.6)
    check("product", total(ball.multiply(shrunk)) == total(shrunk))
    soft = ball.mask(**PLAIN, erosion=0, threshold=0.5, soft_edge=2)
    check("a soft edge", total(soft) > total(ball) and soft.values.max() == 1)
    images = aet.TiltSeries(np.full((3, 24, 24), 2.0), angles_deg=[-50, 0, 50], tilt_axis="y", pixel_size=0.5)
    kept = images.mask_images(ball, leave_out=1)
    check("masked images", np.array_equal(kept, images.mask.sum(axis=(1, 2))) and 150 < kept[1] < 270)
    zeros = aet.Volume(np.zeros((4, 4, 4)), 0.5)
    check_fault(lambda: images.mask_images(zeros), "a mask of zeros", "empty", "mask")
    check_fault(ball.mask, "islands that are too small", "empty", "minimum_island")
    check_fault(lambda: ball.mask(factor=np.nan), "factor NaN", "range", "factor")
    check_fault(zeros.mask, "constant volume", "inconsistent", "all voxels are 0")
    check_fault(lambda: ball.multiply(zeros), "masks of another size", "shape", "mask")
    check_fault(lambda: ball.mask(**PLAIN, progress=lambda p: False), "a stopped mask", "cancelled")


def filters_and_resolution():
    ball, series = aet.Volume.support((20, 24, 22), 0.5, 4), small_series()
    low = ball.filter(low_pass=0.3, padding="periodic")
    check("a filter keeps the sum", abs(total(low) / total(ball) - 1) < 1e-5)
    check("smoothing", abs(total(ball.smooth(3, "box")) / total(ball) - 1) < 1e-3)
    check("what was seen", ball.filter(seen=series, object_size=6, floor=0.1).shape == ball.shape)
    curve = ball.shell_correlation(low)
    check("resolution of a low pass", abs(1 / curve.half_bit - 0.3) < 0.15 and len(curve.correlation) == 13)
    check("no resolution below Nyquist", np.isnan(ball.shell_correlation(ball).half))
    points = np.stack([curve.frequency, curve.correlation], axis=1)
    check("Wiener filter", ball.filter(curve=points, curve_of_half=1).shape == ball.shape)
    first, second = series.half_sets()
    check("half sets", first[0] == 0 and sorted([*first, *second]) == list(range(series.image_count)))
    check_fault(lambda: ball.filter(low_pass=1.5), "cut beyond Nyquist", "range", "Nyquist")
    other = aet.Volume(np.ones((4, 4, 4)), 0.5)
    check_fault(lambda: ball.shell_correlation(other), "volumes of two shapes", "shape", "second volume")
