"""Volumes, and atoms from images alone."""

import collections
import ctypes

import numpy as np

from ._callbacks import LongCall
from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options
from ._structs import empty_structure, number_of
from .atoms import Atoms
from .context import default_context
from .orbital import Orbital
from .table import Table


#: A Fourier shell correlation. Per shell the frequency (1/A), the correlation, the half-bit threshold and the number of
#: Fourier coefficients; then where it falls below 1/7, the half-bit threshold and 1/2, A: NaN where it stays above up to
#: the Nyquist frequency, infinite where it begins below.
ShellCorrelation = collections.namedtuple(
    "ShellCorrelation",
    "frequency correlation half_bit_threshold coefficients one_seventh half_bit half nyquist",
)


class Tracing(collections.namedtuple("Tracing", ("atoms", "candidates"))):
    """Atoms of a volume, and the table of all candidates.

    `candidates` has the columns `x`, `y`, `z`, `height`, `flag` (0 accepted, 1 not a maximum, 2 left its box, 3 too close,
    4 not converged, 5 out of support, 6 removed, 7 added, 8 surplus), `curvature_1` to `_3`, `width_x` to `_z`,
    `standard_error_x` to `_z`, `residual`, `round` and `iterations`, and the values `threshold`, `background` and `noise`.
    """

    __slots__ = ()


class FoundAtoms(collections.namedtuple("FoundAtoms", ("atoms", "traced", "cycles", "orbital", "decisions"))):
    """Atoms of a series, the first guess that they come from, the table of fits, the shape of the atoms, and what was
    decided.

    `cycles` has a row per fit with the columns `atoms`, `dropped`, `lonely`, `merged`, `split`, `added`, `reclassified`,
    `loss` and `r_factor`, and the values `r_factor_traced` of the first guess, `model` (the number of the model that
    followed the images best, an aet_lot_model) and `moved` (0 where held-out images did not bear out what a fit does to
    the positions). `orbital` is the shape of the atoms in the last fit, an `Orbital`: heights and widths belong to it, so
    give it to the `LocalOrbital` that starts from the atoms. `decisions` has a row per orbital that came, went or
    changed: `cycle` (row of `cycles`, from 1), `kind` (1 weak, 2 outside, 3 lonely, 4 merged, 5 split, 6 added,
    7 reclassified), `orbital`, `x`, `y`, `z`, `height`, `partner` and `ratio`, as aet_dataset_find_atoms tells.
    """

    __slots__ = ()


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
    def read(cls, path, *, name=None, voxel_size=0.0, progress=None, context=None):
        """Reads an MRC, npy, TIFF, MAT (level 5 and 7.3, Octave's) or HDF5 (EMD) file, as its first bytes tell; a
        `voxel_size` (A) other than 0 replaces that of the file, and `name` is that of the variable or the HDF5 array
        where there are several. MAT files hold A(y, x, z).

        AET_ERROR_FILE, AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, AET_ERROR_UNSUPPORTED and AET_ERROR_DTYPE for what are
        not real numbers, AET_ERROR_EMPTY and AET_ERROR_INCONSISTENT where the file has no volume or several,
        AET_ERROR_NOT_READY where no voxel size is known.
        """
        where = (context or default_context(), path)
        with LongCall(progress) as call:
            rest = (voxel_size, call.report, None)
            if name is None:
                return cls._of(lib.aet_volume_read(*where, *rest))
            return cls._of(lib.aet_volume_read_named(*where, name, *rest))

    def write(self, path, *, format=None, name=None, progress=None):
        """Writes a file of floats. The ending of the name, or `format`, says which: "mrc" (.mrc, .map, .rec), "npy",
        "tiff" (.tif, .tiff), "mat5" (.mat), "mat73" (.mat from 2 GiB on) or "emd" (.emd, .h5, .hdf5). `name` is that
        of the variable or EMD group, "volume" unless given."""
        with LongCall(progress) as call:
            if format is None and name is None:
                lib.aet_volume_write(self, path, call.report, None)
            else:
                lib.aet_volume_write_as(self, path, format, name, call.report, None)

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
        """The maxima of the volume as `Atoms`, the strongest first. AET_ERROR_EMPTY where there is none,
        AET_ERROR_RANGE for a minimum distance below two voxels."""
        return self.trace_candidates(progress=progress, **options).atoms

    @takes_options(lib.aet_trace_options_init)
    def trace_candidates(self, *, progress=None, **options):
        """As `trace`, with what became of every maximum: a `Tracing`."""
        settings = Options(lib.aet_trace_options_init, options)
        with LongCall(progress) as call:
            atoms, candidates = lib.aet_volume_trace(self, settings, call.report, None)
        return Tracing(Atoms._of(atoms), Table._of(candidates))

    @takes_options(lib.aet_lattice_options_init)
    def trace_lattice(self, crystal, *, mask=None, progress=None, **options):
        """The maxima above the sites of a crystal, as `Atoms` and a `Table` of all sites: state, displacement, height, and
        how the crystal lies as single values. For volumes whose contrast varies too much for one threshold.

        `crystal` holds the atoms of one cell. Only sites in `mask` count, where there is one. `state` is an
        `aet_site_state`: 0 found, 1 displaced, 2 merged, 3 weak, 4 lost. AET_ERROR_EMPTY without Bragg peaks that fit the
        crystal, AET_ERROR_NOT_READY for a crystal without a cell.
        """
        settings = Options(lib.aet_lattice_options_init, options)
        with LongCall(progress) as call:
            atoms, sites = lib.aet_volume_trace_lattice(self, crystal, mask, settings, call.report, None)
            return Atoms._of(atoms), Table._of(sites)

    @takes_options(lib.aet_filter_options_init)
    def filter(self, *, seen=None, curve=None, progress=None, **options):
        """The volume with its spectrum times all factors that are given, as a new one.

        `seen`, a `TiltSeries`, weighs each frequency by how much its tilts have seen of it. `curve`, m x 2 or more of
        frequency (1/A) and correlation, is a Fourier shell correlation for a Wiener filter. AET_ERROR_RANGE for cuts
        beyond the Nyquist frequency, AET_ERROR_INCONSISTENT for a band without frequencies or a curve that does not
        rise.
        """
        settings = Options(lib.aet_filter_options_init, options)
        with LongCall(progress) as call:
            return Volume._of(lib.aet_volume_filter(self, settings, seen, curve, call.report, None))

    def smooth(self, width, smoothing="gaussian", *, progress=None):
        """The volume smoothed in real space by a Gaussian of standard deviation `width` voxels, or by a "box" of an odd
        number of voxels. AET_ERROR_RANGE for other widths."""
        kind = number_of("aet_smoothing", smoothing, "smoothing")
        with LongCall(progress) as call:
            return Volume._of(lib.aet_volume_smooth(self, kind, width, call.report, None))

    @takes_options(lib.aet_mask_options_init)
    def mask(self, *, threshold=None, progress=None, **options):
        """Where the specimen is, as a volume of 0 and 1: by default the published chain for particles a few hundred
        voxels wide. A `threshold` takes the place of a part of Otsu's; 0 leaves a step out.

        AET_ERROR_INCONSISTENT for a constant volume, AET_ERROR_EMPTY where a step leaves nothing.
        """
        settings = Options(lib.aet_mask_options_init, options)
        if threshold is not None:
            settings.set("thresholding", "value")
            settings.set("threshold", threshold)
        with LongCall(progress) as call:
            return Volume._of(lib.aet_volume_mask(self, settings, call.report, None))

    def otsu_threshold(self):
        """The value that parts the voxels best into two groups; AET_ERROR_INCONSISTENT for a constant volume."""
        threshold = ctypes.c_double()
        with LongCall(None) as call:
            lib.aet_volume_otsu_threshold(self, call.report, None, threshold)
        return threshold.value

    def multiply(self, mask):
        """The volume times a mask of its shape and voxel size."""
        with LongCall(None) as call:
            return Volume._of(lib.aet_volume_multiply(self, mask, call.report, None))

    @classmethod
    @takes_options(lib.aet_support_options_init)
    def support(cls, extents, voxel_size, radius, *, progress=None, context=None, **options):
        """A mask of a simple shape with `extents` (nz, ny, nx): a sphere, or a cylinder along an axis. Lengths in A.

        AET_ERROR_RANGE for lengths that are not positive, AET_ERROR_EMPTY where no voxel lies inside.
        """
        nz, ny, nx = extents
        sizes = dict(nz=nz, ny=ny, nx=nx, voxel_size=voxel_size, radius=radius)
        settings = Options(lib.aet_support_options_init, {**options, **sizes})
        with LongCall(progress) as call:
            made = lib.aet_volume_create_support(context or default_context(), settings, call.report, None)
            return cls._of(made)

    @takes_options(lib.aet_correlation_options_init)
    def shell_correlation(self, other, *, mask=None, progress=None, **options):
        """The `ShellCorrelation` of two volumes, such as those of two half sets, both times `mask` where there is one.

        AET_ERROR_SHAPE and AET_ERROR_INCONSISTENT where they differ in shape or voxel size, AET_ERROR_EMPTY for a volume
        of zeros.
        """
        settings = Options(lib.aet_correlation_options_init, options)
        curve = np.zeros((lib.aet_volume_shell_count(self), 4))
        resolution = empty_structure("aet_resolution")
        with LongCall(progress) as call:
            lib.aet_volume_shell_correlation(self, other, mask, settings, call.report, None, curve, resolution)
        lengths = (resolution.one_seventh, resolution.half_bit, resolution.half, resolution.nyquist)
        return ShellCorrelation(*curve.T, *lengths)

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
def find_atoms(series, probe=None, *, fit=None, tomography=None, free=(), progress=None, **options):
    """Finds atoms without a model to start from: a volume is traced, local orbitals are fitted to the images, their
    heights tell the species, weak and lonely ones are dropped, near ones merged, high ones split, missing ones added,
    until next to nothing changes.

    `fit` are options of `LocalOrbital`, `tomography` those of `Volume.reconstruct`, as dicts; without a `method` the
    volume comes from 20 iterations of SIRT without positivity. `first_guess="grid"` does without a volume: coarse fits
    draw a regular grid of orbitals, `grid_spacing` apart (1 A), to the atoms; `start` are atoms instead. `free` names blocks that are fitted beside positions,
    heights, widths and backgrounds: `("drift", "scale")`. The model is direct without a probe. The images tell the
    shape of the atoms, and whether the rigid or the direct model follows them better; `keep_orbital` and `keep_model`
    keep those of `fit`. `hold_out` is the part of the tilts that is held out to tell whether the first guess should
    move at all; 0: none. The iterations that
    `progress` is shown are the cycles; where it ends the work, the atoms of the last fit are returned. AET_ERROR_EMPTY
    where nothing looks like an atom, AET_ERROR_NOT_READY for a series in pixels without a `minimum_distance`.
    """
    return find_atoms_recorded(
        series, probe, fit=fit, tomography=tomography, free=free, progress=progress, **options
    ).atoms


@takes_options(lib.aet_find_options_init)
def find_atoms_recorded(series, probe=None, *, fit=None, tomography=None, free=(), progress=None, **options):
    """As `find_atoms`, with what led to the atoms: a `FoundAtoms`."""
    settings = Options(lib.aet_find_options_init, options)
    settings.set("fit", None if fit is None else Options(lib.aet_lot_options_init, fit))
    if tomography is not None and "method" not in tomography:
        tomography = {"method": "sirt", "iterations": 20, "positivity": False, **tomography}
    settings.set("tomography", None if tomography is None else Options(lib.aet_tomography_options_init, tomography))
    settings.set("free", (free if isinstance(free, str) else ",".join(free)) or None)
    with LongCall(progress) as call:
        kept = lib.aet_dataset_find_atoms.kept(series, probe, settings, call.report, None)
        return FoundAtoms(*(of._of(handle) for of, handle in zip((Atoms, Atoms, Table, Orbital, Table), kept)))
