"""Tomography by ASTRA (one tilt axis along the rows, slice by slice, on the CPU) or by GENFIRE, of a dataset folder.

usage: python tomography_bench.py FOLDER {sirt|fbp|cgls|genfire} ITERATIONS
Prints one JSON object: seconds, seconds_per_iteration, correlation (with volume_truth, where there is one).
ASTRA's geometric centre is our origin pixel n // 2 only for odd sizes, so that arrays are padded to them. GENFIRE's Euler
order is zyz, which equals zyx where phi = psi = 0.
"""

import json
import os
import sys
import time

import numpy as np


def astra_volume(images, tilt_deg, method, iterations):
    import astra

    views, rows, n = images.shape
    m = n + 1 - n % 2
    projection = astra.create_proj_geom("parallel", 1.0, m, np.deg2rad(tilt_deg))
    projector = astra.create_projector("linear", projection, astra.create_vol_geom(m, m))
    sinogram = astra.data2d.create("-sino", projection)
    result = astra.data2d.create("-vol", astra.create_vol_geom(m, m))
    volume = np.zeros((n, rows, n), np.float32)
    for y in range(rows):
        lines = np.zeros((views, m), np.float32)
        lines[:, :n] = images[:, y]
        astra.data2d.store(sinogram, lines)
        astra.data2d.store(result, 0)
        config = astra.astra_dict(method.upper())
        config.update(ReconstructionDataId=result, ProjectionDataId=sinogram, ProjectorId=projector)
        if method == "sirt":
            config["option"] = {"MinConstraint": 0.0}
        algorithm = astra.algorithm.create(config)
        astra.algorithm.run(algorithm, iterations)
        astra.algorithm.delete(algorithm)
        volume[:, y] = astra.data2d.get(result)[:n, :n]
    return volume


def genfire_volume(images, angles, iterations):
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    import genfire.reconstruct as gr

    clock = time.time()
    engine = gr.GenfireReconstructor(
        projections=np.transpose(images, (2, 1, 0)).astype(float),
        eulerAngles=np.asarray(angles, float),
        numIterations=iterations,
        oversamplingRatio=2,
        interpolationCutoffDistance=0.5,
        griddingMethod="FFT",
        resolutionExtensionSuppressionState=3,
        verbose=False,
        calculateRfree=False,
    )
    volume = np.transpose(engine.reconstruct()["reconstruction"], (2, 1, 0))
    return volume, time.time() - clock


def main():
    folder, method, iterations = sys.argv[1], sys.argv[2], int(sys.argv[3])
    files = json.load(open(os.path.join(folder, "dataset.json")))["files"]
    load = lambda key: np.load(os.path.join(folder, files[key])) if files.get(key) else None
    images, angles, truth = load("projections").astype(np.float32), load("angles_deg"), load("volume_truth")
    if method == "genfire":
        volume, seconds = genfire_volume(images, angles, iterations)
    else:
        clock = time.time()
        volume = astra_volume(images, angles[:, 1], method, iterations)
        seconds = time.time() - clock
    same = truth is not None and truth.shape == volume.shape
    correlation = float(np.corrcoef(volume.ravel(), truth.ravel())[0, 1]) if same else None
    answer = {"seconds": seconds, "seconds_per_iteration": seconds / iterations, "correlation": correlation}
    print(json.dumps(answer))


main()
