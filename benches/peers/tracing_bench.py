"""The published polynomial tracing, written with numpy and scipy: the whole volume oversampled by three with cubic splines,
maxima among 26 neighbours, a weighted fit of 35 monomials per peak that moves until it rests, greedy minimum distance.

usage: python tracing_bench.py VOLUME.f32 EDGE VOXEL
Prints the seconds, then x y z (A) of every atom. The volume is smoothed by one voxel first, as ours is, and maxima below a
quarter of the 99.9 % quantile are left out.
"""

import itertools
import sys
import time

import numpy as np
from scipy import ndimage

MINIMUM_DISTANCE = 1.6
EXPONENTS = [e for e in itertools.product(range(5), repeat=3) if sum(e) <= 4]
OFFSETS = np.array([o for o in itertools.product(range(-3, 4), repeat=3) if sum(v * v for v in o) <= 3.5**2])


def refined(fine, peak):
    """Position of the maximum in fine voxels, None where there is none."""
    if (peak < 3).any() or (peak >= np.array(fine.shape) - 3).any():
        return None
    values = fine[tuple((peak + OFFSETS).T)]
    at, calm = np.zeros(3), 0
    for _ in range(14):
        d = OFFSETS - at
        weight = np.exp(-(d**2).sum(1) / 9)
        terms = np.stack([np.prod(d ** np.array(e), axis=1) for e in EXPONENTS], axis=1)
        c = dict(zip(EXPONENTS, np.linalg.lstsq(terms * weight[:, None], values * weight, rcond=None)[0]))
        g = np.array([c[1, 0, 0], c[0, 1, 0], c[0, 0, 1]])
        zy, zx, yx = c[1, 1, 0], c[1, 0, 1], c[0, 1, 1]
        h = np.array([[2 * c[2, 0, 0], zy, zx], [zy, 2 * c[0, 2, 0], yx], [zx, yx, 2 * c[0, 0, 2]]])
        move = np.clip(-np.linalg.solve(h, g), -0.5, 0.5)
        calm = calm + 1 if (np.abs(move) < 0.5).all() else 0
        at = at + move
        if (np.abs(at) > 3).any():
            return None
        if calm == 7:
            return peak + at
    return None


def main():
    path, edge, voxel = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    volume = np.fromfile(path, "<f4").reshape(edge, edge, edge)
    start = time.perf_counter()
    smoothed = ndimage.gaussian_filter(volume, 1.0, mode="nearest")
    axis = np.arange(3 * edge - 2) / 3
    coefficients = ndimage.spline_filter(smoothed, order=3)
    fine = np.stack(
        [
            ndimage.map_coordinates(coefficients, np.meshgrid([z], axis, axis, indexing="ij"), order=3, prefilter=False)[0]
            for z in axis
        ]
    )
    threshold = 0.25 * np.quantile(smoothed, 0.999)
    peaks = np.argwhere((fine == ndimage.maximum_filter(fine, 3)) & (fine > threshold))
    peaks = peaks[np.argsort(-fine[tuple(peaks.T)])]
    accepted = []
    for peak in peaks:
        at = refined(fine, peak)
        if at is None:
            continue
        position = (at / 3 - edge // 2) * voxel
        if not accepted or (((np.array(accepted) - position) ** 2).sum(1) >= MINIMUM_DISTANCE**2).all():
            accepted.append(position)
    print(time.perf_counter() - start)
    for z, y, x in accepted:
        print(x, y, z)


if __name__ == "__main__":
    main()
