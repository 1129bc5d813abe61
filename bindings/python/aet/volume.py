"""Volumes, and atoms from images alone."""

import numpy as np

from ._callbacks import LongCall
from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options
from .atoms import Atoms
from .context import default_context


class Volume(Handle, c_type="aet_volume", free=lib.aet_volume_free):
    """An immutable volume of cubic voxels [z, y, x]; the specimen origin is voxel n // 2 of each axis.

        volume = aet.Volume.reconstruct(series, method="sirt", iterations=25)
        atoms = volume.trace(minimum_distance=1.6)
    """

    def __init__(self, values, voxel_size, *, context=None):
        """A volume of real `values` with voxels of `voxel_size` (A).

        AET_ERROR_EMPTY without voxels, AET_ERROR_RANGE for a voxel size that is not positive, AET_ERROR_NON_FINITE.
        """
        self._take(lib.aet_volume_create(context or default_context(), values, voxel_size))

    @classmethod
    def read(cls, path, *, voxel_size=0.0, progress=None, context=None):
        """Reads an MRC file; a `voxel_size` (A) other than 0 replaces that of its header.

        AET_ERROR_FILE, AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, AET_ERROR_UNSUPPORTED for modes that are not real
        numbers, AET_ERROR_NOT_READY where no voxel size is known.
        """
        with LongCall(progress) as call:
            return cls._of(lib.aet_volume_read(context or default_context(), path, voxel_size, call.report, None))

    def write(self, path, *, progress=None):
        """Writes an MRC file of floats."""
        with LongCall(progress) as call:
            lib.aet_volume_write(self, path, call.report, None)

    @classmethod
    @takes_options(lib.aet_tomography_options_init)
    def reconstruct(cls, series, *, progress=None, context=None, **options):
        """Reconstructs a volume from a tilt series in one call, by RESIRE unless another `method` is named. Where
        `progress`, a function as for `Tomography.run`, ends the work, the volume of the iterations done is returned;
        it is shown the norm of the residual relative to the images as loss.

        AET_ERROR_NOT_READY without an image in use, and the errors of `Tomography`.
        """
        settings = Options(lib.aet_tomography_options_init, options)
        with LongCall(progress) as call:
            made = lib.aet_volume_reconstruct.kept(context or default_context(), series, settings, call.report, None)
            return cls._of(made)

    @takes_options(lib.aet_trace_options_init)
    def trace(self, *, progress=None, **options):
        """The peaks of the volume as `Atoms`, the strongest first. AET_ERROR_EMPTY where there is none."""
        settings = Options(lib.aet_trace_options_init, options)
        with LongCall(progress) as call:
            return Atoms._of(lib.aet_volume_trace(self, settings, call.report, None))

    @property
    def shape(self):
        """Voxels along z, y and x."""
        shape = np.zeros(3, np.int64)
        lib.aet_volume_shape(self, shape)
        return tuple(int(extent) for extent in shape)

    @property
    def voxel_size(self):
        """Edge of a voxel, A."""
        return lib.aet_volume_voxel_size(self)

    @property
    def values(self):
        """The voxels [z, y, x], a new array of float32."""
        return self.copy_to(np.zeros(self.shape, np.float32))

    def copy_to(self, out):
        """Fills `out` [z, y, x], of any real type that holds the values, and returns it."""
        lib.aet_volume_copy_to(self, out)
        return out

    @property
    def residuals(self):
        """What `reconstruct` told of every iteration: the norm of the residual relative to the images, in the state
        from which it was made; of "genfire" and "est" the method's own error. Empty for other volumes."""
        out = np.zeros(lib.aet_volume_residual_count(self))
        lib.aet_volume_copy_residuals(self, out)
        return out

    def _describe(self):
        return f"{' x '.join(map(str, self.shape))} voxels of {self.voxel_size:g} A"


@takes_options(lib.aet_find_options_init)
def find_atoms(series, probe=None, *, fit=None, tomography=None, progress=None, **options):
    """Finds atoms without a model to start from: the peaks of a volume are fitted as local orbitals, weak ones
    dropped, near ones merged, missing ones added, until nothing changes.

    `fit` are options of `LocalOrbital`, `tomography` those of `Volume.reconstruct`, `method` "sirt" unless another is
    named, as dicts. The model is direct without a probe. The iterations that `progress` is shown are the cycles; where
    it ends the work, the atoms of the last fit are returned. AET_ERROR_EMPTY where nothing looks like an atom,
    AET_ERROR_NOT_READY for a series in pixels without a `minimum_distance`.
    """
    settings = Options(lib.aet_find_options_init, options)
    settings.set("fit", None if fit is None else Options(lib.aet_lot_options_init, fit))
    of_volume = None if tomography is None else {"method": "sirt", **tomography}
    settings.set("tomography", of_volume and Options(lib.aet_tomography_options_init, of_volume))
    with LongCall(progress) as call:
        return Atoms._of(lib.aet_dataset_find_atoms.kept(series, probe, settings, call.report, None))
