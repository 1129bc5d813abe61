"""Tilt series."""

import collections
import ctypes

import numpy as np

from ._arrays import numeric
from ._callbacks import LongCall
from ._errors import AetError, fault
from ._handles import Handle
from ._library import copied_text, lib
from ._options import Options, split, takes_options
from ._structs import name_of
from .atoms import Atoms
from .context import default_context

#: One entry of the metadata.
Metadata = collections.namedtuple("Metadata", ["value", "unit"])


def consistent(version, read):
    """What `read()` returns of an object that other threads may change: again where it changed meanwhile."""
    while True:
        before = version()
        try:
            result = read()
        except AetError:
            if version() == before:
                raise
        else:
            if version() == before:
                return result


def column(name, documentation, tail=(), dtype=np.float64, stored=None):
    """A property that copies a column; `tail` is its shape after the images, `stored` its type in the library."""

    def copy(self):
        extents = [getattr(self, extent) if isinstance(extent, str) else extent for extent in tail]
        out = np.zeros([self.image_count, *extents], stored or dtype)
        lib.aet_dataset_copy_column(self, name, out)
        return out.astype(dtype, copy=False)

    return property(lambda self: consistent(lambda: self.version, lambda: copy(self)), doc=documentation)


class TiltSeries(Handle, c_type="aet_dataset", free=lib.aet_dataset_free):
    """Images of a specimen at several tilts and foci.

    Images are [image, row, column]: the column grows with x', the row with y'; the specimen origin falls on pixel
    (rows // 2, columns // 2). Indices of images, tilts and sections count from 0 and never change; each change makes
    the next `version`. Columns are read as new arrays.

        series = aet.TiltSeries(images, angles_deg=angles, pixel_size=0.34, defocus=defocus)
    """

    @takes_options(lib.aet_dataset_options_init, lib.aet_frames_init)
    def __init__(self, images=None, *, context=None, **options):
        """A series of `images`, n x rows x columns (or one image) of any real type, with `rotations` or `angles_deg`
        and whatever else is known; one number, or one mask, serves all images. Without images: a series of `rows` x
        `columns` to append to.

        AET_ERROR_SHAPE; AET_ERROR_NULL without rotations and angles; AET_ERROR_NON_FINITE for NaN or infinite pixels;
        AET_ERROR_RANGE for a pixel size that is not positive; AET_ERROR_INCONSISTENT for a matrix that is no rotation.
        """
        of_series, of_frames = split(options, lib.aet_dataset_options_init, lib.aet_frames_init)
        settings = Options(lib.aet_dataset_options_init, of_series)
        frames = None
        if images is not None:
            images, frames = image_arguments(images, of_frames)
        elif of_frames:
            raise fault("null", f"images: got none, but {', '.join(of_frames)} of them")
        self._take(lib.aet_dataset_create(context or default_context(), settings, images, frames))

    @classmethod
    @takes_options(lib.aet_dataset_options_init, lib.aet_frames_init)
    def from_file(cls, path, *, progress=None, context=None, **options):
        """A series of the images in an MRC, TIFF, npy, MAT or HDF5 file, with options as for `TiltSeries(...)`:
        arrays of one value or row per image.

        AET_ERROR_FILE, AET_ERROR_FORMAT, AET_ERROR_TRUNCATED and AET_ERROR_UNSUPPORTED for files it cannot read.
        """
        of_series, of_frames = split(options, lib.aet_dataset_options_init, lib.aet_frames_init)
        settings = Options(lib.aet_dataset_options_init, of_series)
        frames = Options(lib.aet_frames_init, of_frames)
        with LongCall(progress) as call:
            made = lib.aet_dataset_create_from_file(
                context or default_context(), settings, path, frames, call.report, None
            )
            return cls._of(made)

    # ---- folders ----

    @classmethod
    def read(cls, folder, variant=None, *, progress=None, context=None):
        """Reads a data folder (schema aet-tilt-series/1), the image set `variant` where it has several.

        `progress` is a function as for `LocalOrbital.run`. AET_ERROR_FILE where a file is missing, AET_ERROR_TRUNCATED
        where one is cut short, AET_ERROR_FORMAT where one is malformed, AET_ERROR_UNKNOWN_OPTION for an unknown
        variant, AET_CANCELLED where `progress` ends it.
        """
        with LongCall(progress) as call:
            return cls._of(lib.aet_dataset_read(context or default_context(), folder, variant, call.report, None))

    def write(self, folder, *, progress=None):
        """Writes a data folder, which appears when it is complete."""
        with LongCall(progress) as call:
            lib.aet_dataset_write(self, folder, call.report, None)

    @staticmethod
    def read_atoms(folder, which="truth", variant=None, *, context=None):
        """Atoms that a data folder has as "truth" or "published"; AET_ERROR_EMPTY where it names none."""
        return Atoms._of(lib.aet_dataset_read_atoms(context or default_context(), folder, which, variant))

    # ---- simulation ----

    @takes_options(lib.aet_instrument_options_init)
    def record(self, *, progress=None, **options):
        """The series that an instrument would have recorded of these ideal images, with the same geometry and metadata.

        Image i depends on the seed and on i only; without options images stay the same to the last bit.
        AET_ERROR_RANGE, AET_ERROR_INCONSISTENT for both kinds of exposure, AET_ERROR_UNSUPPORTED for masks where images
        are resampled or blurred, AET_CANCELLED where `progress` ends it.
        """
        settings = Options(lib.aet_instrument_options_init, options)
        with LongCall(progress) as call:
            return type(self)._of(lib.aet_dataset_record(self, settings, call.report, None))

    # ---- masks and halves ----

    @takes_options(lib.aet_image_mask_options_init)
    def mask_images(self, mask, *, progress=None, **options):
        """Sets the pixels of all images beside the projections of the volume `mask` to 0, as the next version; returns
        how many pixels are kept of each image.

        AET_ERROR_EMPTY for a mask that leaves an image without a used pixel, AET_ERROR_RANGE for voxels larger than
        pixels.
        """
        settings = Options(lib.aet_image_mask_options_init, options)
        kept = np.zeros(self.image_count, np.int32)
        with LongCall(progress) as call:
            lib.aet_dataset_mask_images(self, mask, settings, call.report, None, kept)
        return kept

    def half_sets(self):
        """Indices of the images of every other tilt in use: two halves to be reconstructed apart and compared.

        AET_ERROR_NOT_READY with fewer than two tilts in use.
        """
        half = np.zeros(self.image_count, np.int32)
        lib.aet_dataset_half_sets(self, half, len(half))
        return np.flatnonzero(half == 0), np.flatnonzero(half == 1)

    # ---- versions ----

    @takes_options(lib.aet_frames_init)
    def append_tilt(self, images, **options):
        """Appends the images of one tilt and returns its index. A reconstruction that runs on the series takes it up
        at its next iteration. Any thread, at any time."""
        tilt = ctypes.c_int64()
        lib.aet_dataset_append_tilt(self, *image_arguments(images, options), tilt)
        return tilt.value

    @takes_options(lib.aet_frames_init)
    def replace_tilt(self, tilt, images, **options):
        """Replaces the images of a tilt by as many others, as `append_tilt` appends them."""
        lib.aet_dataset_replace_tilt(self, tilt, *image_arguments(images, options))

    def exclude_tilt(self, tilt, excluded=True):
        """Leaves a tilt out of what follows, or takes it in again."""
        lib.aet_dataset_exclude_tilt(self, tilt, excluded)

    # ---- contents ----

    images = column(
        "images",
        "Images, n x rows x columns, in the precision in which the library keeps them; 0 where a " "pixel is masked.",
        ("rows", "columns"),
        np.float32,
    )
    mask = column("mask", "Pixels in use, n x rows x columns, bool.", ("rows", "columns"), bool, np.uint8)
    rotations = column("rotations", "Rotations, n x 3 x 3: p' = R p.", (3, 3))
    angles_deg = column("angles_deg", "phi, theta, psi of the order zyx, n x 3, degrees.", (3,))
    tilt = column("tilt", "Index of the tilt of each image.", (), np.int64, np.int32)
    section = column("section", "Index of the focus of each image.", (), np.int64, np.int32)
    defocus = column("defocus", "Defocus of each image, A.")
    drift = column("drift", "Shift of each image along x' and y', n x 2, A.", (2,))
    excluded = column("excluded", "Images that are left out, bool.", (), bool, np.uint8)
    noise_variance = column("noise_variance", "Variance of the noise of one pixel of each image, NaN where not known.")
    counts_per_unit = column("counts_per_unit", "Electrons per image unit of each image, NaN where not known.")

    @property
    def depth_axis(self):
        """The axis a along which a . p is the mean depth of an atom at p over all images in use, for `Atoms.accuracy`."""
        out = np.zeros(3)
        lib.aet_dataset_depth_axis(self, out)
        return out

    @property
    def version(self):
        """Number of the present version: 1, and one more after each change."""
        return lib.aet_dataset_version(self)

    @property
    def image_count(self):
        """Number of images, excluded ones included."""
        return lib.aet_dataset_image_count(self)

    @property
    def tilt_count(self):
        """Number of tilts, excluded ones included."""
        return lib.aet_dataset_tilt_count(self)

    @property
    def section_count(self):
        """Number of foci."""
        return lib.aet_dataset_section_count(self)

    @property
    def rows(self):
        """Rows of every image."""
        return lib.aet_dataset_rows(self)

    @property
    def columns(self):
        """Columns of every image."""
        return lib.aet_dataset_columns(self)

    @property
    def pixel_size(self):
        """Size of a pixel in the length unit."""
        return lib.aet_dataset_pixel_size(self)

    @property
    def length_unit(self):
        """ "angstrom", or "pixel" where no pixel size is known."""
        return name_of("aet_length_unit", lib.aet_dataset_length_unit(self))

    @property
    def energy_ev(self):
        """Energy of the beam, eV; NaN where not known."""
        return lib.aet_dataset_energy_ev(self)

    @property
    def semiangle_mrad(self):
        """Convergence semi-angle, mrad; NaN where not known."""
        return lib.aet_dataset_semiangle_mrad(self)

    @property
    def metadata(self):
        """Notes that are carried to every output, as a new dict: {key: Metadata(value, unit)}."""
        return consistent(lambda: self.version, self._metadata)

    def _metadata(self):
        keys = [
            copied_text(lib.aet_dataset_metadata_key, self, index)
            for index in range(lib.aet_dataset_metadata_count(self))
        ]
        return {
            key: Metadata(
                copied_text(lib.aet_dataset_metadata_value, self, key),
                copied_text(lib.aet_dataset_metadata_unit, self, key),
            )
            for key in keys
        }

    def set_metadata(self, key, value, unit=""):
        """Sets one note, in its old place where there is one of that name."""
        lib.aet_dataset_set_metadata(self, key, value if isinstance(value, str) else str(value), unit)

    def __len__(self):
        return self.image_count

    def __bool__(self):
        return True  # an empty series is a series

    def _describe(self):
        return (
            f"{self.image_count} images of {self.rows} x {self.columns} pixels of {self.pixel_size:g} "
            f"{self.length_unit}, {self.tilt_count} tilts"
        )


def image_arguments(images, options):
    """Images as n x rows x columns, and what is known of them with single values repeated for all."""
    images = numeric(images, "images")
    if images.ndim == 2:
        images = images[np.newaxis]
    if images.ndim != 3:
        raise fault("shape", f"images: got {images.ndim} axes, wanted [image, row, column]")
    return images, Options(
        lib.aet_frames_init, {name: per_image(name, value, images) for name, value in options.items()}
    )


def per_image(name, value, images):
    if value is None or isinstance(value, str):
        return value
    if name == "mask":
        return (
            np.broadcast_to(value, images.shape)
            if np.ndim(value) == 2 and np.shape(value) == images.shape[1:]
            else value
        )
    if name in ("angle_order", "tilt_axis", "rotations"):
        return value
    return np.broadcast_to(value, images.shape[:1]) if np.ndim(value) == 0 else value
