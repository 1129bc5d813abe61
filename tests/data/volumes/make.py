"""Makes the files beside it: one volume as programs other than this library write it.

    python make.py       h5py 3.16, scipy 1.17, tifffile 2026.3
    octave make.m        Octave 7.3

volume[z, y, x] = 100 z + 10 y + x - 20 with 3 x 4 x 5 voxels of 0.34 A. No MATLAB was at hand: matlab73.mat has
the block of 512 bytes, the attributes, the order of axes and the packing that MATLAB's `save -v7.3` gives.
"""
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import tifffile

HERE = Path(__file__).parent
SIZE = 0.34
z, y, x = np.meshgrid(range(3), range(4), range(5), indexing="ij")
volume = 100.0 * z + 10.0 * y + x - 20.0
matlab = volume.transpose(1, 2, 0)  # A(y, x, z)


def level5():
    beside = {
        "angles": np.linspace(-70, 70, 9)[:, None],
        "title": "a volume",
        "options": {"iterations": 5, "mask": np.ones((2, 2, 2))},
        "cells": np.array([np.zeros(2), "text"], dtype=object),
        "phases": np.ones((2, 2, 2)) * 1j,
        "sparse": scipy.sparse.eye(3).tocsc(),
    }
    scipy.io.savemat(HERE / "scipy.mat", {"before": 1.0, **beside, "rec": matlab, "voxel_size": SIZE})
    integers = {"rec": matlab.astype(np.int16), "other": matlab.astype(np.uint8) + 1.0}
    scipy.io.savemat(HERE / "scipy_packed.mat", integers, do_compression=True)


def level73():
    path = HERE / "matlab73.mat"
    with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:

        def put(name, array, kind, **options):
            array = np.asarray(array)
            data = file.create_dataset(name, data=array.transpose(), **options)
            data.attrs["MATLAB_class"] = np.bytes_(kind)

        put("rec", matlab, "double", chunks=(2, 3, 4), compression="gzip", compression_opts=3)
        put("voxel_size", [[SIZE]], "double")
        put("angles", np.linspace(-70, 70, 9)[:, None], "double")
        file.create_group("#refs#").create_dataset("a", data=np.zeros((2, 2, 2)))
    with open(path, "r+b") as file:
        text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sat Nov 21 12:00:00 2026 HDF5 schema 1.00 ."
        file.write(text.ljust(116) + bytes(8) + bytes([0, 2]) + b"IM")


def emd():
    def vectors(group, names, unit, step, first=1):
        for i, name in enumerate(names):
            n = group["data"].shape[i]
            vector = group.create_dataset(f"dim{i + first}", data=(np.arange(n) * step))
            vector.attrs["name"] = np.bytes_(name)
            vector.attrs["units"] = unit

    with h5py.File(HERE / "berkeley.emd", "w", libver="earliest") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        group = file.create_group("data/rec")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=volume.astype(np.float32))
        vectors(group, "zyx", np.bytes_("[n_m]"), SIZE / 10)
        file.create_dataset("thumbnail", data=np.zeros((2, 2, 2)))
    with h5py.File(HERE / "x_first.emd", "w") as file:
        group = file.create_group("data/tomography")
        group.attrs["emd_group_type"] = np.int32(1)
        group.create_dataset("data", data=volume.transpose(2, 1, 0).astype(">f4"), chunks=(5, 4, 3), compression="lzf")
        vectors(group, "xyz", "Å", SIZE)
    with h5py.File(HERE / "emd1.h5", "w", libver=("v110", "v110")) as file:
        group = file.create_group("root/rec")
        group.attrs["emd_group_type"] = "array"
        group.create_dataset("data", data=volume.astype(np.float16), chunks=(1, 4, 5), shuffle=True, compression="gzip")
        vectors(group, "zyx", "nm", SIZE / 10, first=0)
    with h5py.File(HERE / "velox.emd", "w") as file:
        file.create_dataset("Data/Image/0123456789abcdef/Data", data=np.zeros((4, 5, 2), np.uint16))


def plain():
    with h5py.File(HERE / "plain.h5", "w") as file:
        file.create_dataset("entry/counts", data=volume.astype(np.int16), chunks=True, fletcher32=True, compression="gzip")
        file.create_dataset("entry/angles", data=np.zeros(9))
        file.create_dataset("entry/phases", data=np.zeros((2, 2, 2), complex))
        file["entry/self"] = h5py.SoftLink("/entry")
        file["entry/again"] = file["entry"]  # a circle


def circles():
    with h5py.File(HERE / "circles.h5", "w") as file:
        file.create_dataset("volume", data=volume.astype(np.int16))
        for name in "abcd":
            file[name] = file["/"]


def tiff():
    tifffile.imwrite(
        HERE / "imagej.tif",
        (volume + 20).astype(np.uint16),
        imagej=True,
        resolution=(1 / (SIZE / 10), 1 / (SIZE / 10)),
        metadata={"spacing": SIZE / 10, "unit": "nm", "axes": "ZYX"},
    )


level5()
level73()
emd()
plain()
circles()
tiff()
