"""Reconstructions: evaluating, driving and storing them."""

import collections
import ctypes
import json

import numpy as np

from ._arrays import DTYPES, indices, numeric, vector
from ._callbacks import LongCall, projection_function, term_function
from ._errors import fault, unknown_option
from ._handles import Handle
from ._library import copied_text, lib
from ._options import Options, result_members, result_values, takes_options
from ._structs import empty_structure, number_of
from .atoms import Atoms
from .context import default_context
from .orbital import Orbital
from .series import consistent
from .table import Table
from .volume import Volume

Block = collections.namedtuple("Block", "name unit dtype shape place scale lower upper frozen")
Block.__doc__ = """One block of the parameters.

`name`, `unit`, `dtype` and `shape`; `place`, the slice of the parameter vector that holds it, last axis contiguous,
None while it is frozen; `scale`, the typical change of one value; `lower` and `upper` bounds; `frozen`.
"""

Geometry = collections.namedtuple("Geometry", "rotations drift defocus")
Geometry.__doc__ = "Geometry of every image: `rotations` n x 3 x 3, p' = R p; `drift` n x 2, A; `defocus` n, A."

ErrorEstimate = collections.namedtuple("ErrorEstimate", ("atoms", "height_errors", *result_members("aet_error_report")))
ErrorEstimate.__doc__ = """How well the atoms are known.

`atoms`, whose column `standard_error` (n x 3, A) is infinite where the images do not determine a coordinate;
`height_errors`, NaN where heights are shared or frozen; `predicted_rmsd_pm`; `undetermined`, the number of atoms whose
error is infinite or longer than 0.9 A (left out of the RMSD); `method` and `noise`, those used.
"""

HISTORY_COLUMNS = (
    "iteration",
    "loss",
    "r_factor",
    "gradient_norm",
    "step",
    "seconds",
    "evaluations",
    "generation",
    "dataset_version",
    "optimizer",
    "r_free",
)


class Reconstruction(Handle, c_type="aet_recon", free=lib.aet_recon_free):
    """What all methods have in common: parameters in named blocks, loss and gradient, an optimiser, results.

    What only reads may be called from any thread at any time, also while `run` works and from its progress function,
    and sees the state after the latest iteration. What changes the reconstruction may be called one at a time; a second
    one gets AET_ERROR_BUSY.
    """

    #: What it was made of.
    series = probe = None
    _functions = ()
    #: Name of the block that tells a method's reconstructions from others.
    _first_block = None

    def _made_of(self, pointer, series, probe):
        self.series, self.probe = series, probe
        return self._take(pointer)

    # ---- parameters ----

    @property
    def layout(self):
        """The `Block`s of parameters, frozen ones included, in the order of the parameter vector."""
        return consistent(lambda: self.generation, self._layout)

    def _layout(self):
        return [self._block(index) for index in range(lib.aet_recon_block_count(self))]

    def _block(self, index):
        block = empty_structure("aet_block")
        lib.aet_recon_parameter_layout(self, index, block)
        place = None if block.frozen else slice(block.offset, block.offset + block.size)
        dtype = next((element for element, number in DTYPES.items() if number == block.dtype), None)
        return Block(
            block.name.decode(),
            block.unit.decode(),
            dtype,
            tuple(block.shape[: block.ndim]),
            place,
            block.scale,
            block.lower,
            block.upper,
            bool(block.frozen),
        )

    def _named_block(self, name):
        blocks = {block.name: block for block in self.layout}
        if name not in blocks:
            raise unknown_option(name, blocks)
        return blocks[name]

    def _per_parameter(self, attribute):
        free = [block for block in self.layout if not block.frozen]
        values = [np.full(block.place.stop - block.place.start, getattr(block, attribute)) for block in free]
        return np.concatenate(values) if values else np.zeros(0)

    @property
    def parameter_scale(self):
        """Scale of every element of the parameter vector: optimisers do best on `x / scale`, which mixes degrees,
        angstrom and intensities."""
        return self._per_parameter("scale")

    @property
    def parameter_bounds(self):
        """Bounds of every element of the parameter vector, n x 2, as scipy.optimize takes them."""
        return np.stack([self._per_parameter("lower"), self._per_parameter("upper")], axis=1)

    @property
    def generation(self):
        """A number that rises whenever length or meaning of the parameter vector changes: a block is frozen or freed,
        or a run takes up appended tilts. Fetch parameters and layout again then."""
        return lib.aet_recon_generation(self)

    @property
    def parameters(self):
        """The parameter vector: all blocks that are not frozen, in the order of `layout`. Assigning replaces it."""
        return consistent(lambda: self.generation, self._parameters)

    def _parameters(self):
        x = np.zeros(lib.aet_recon_parameter_count(self))
        lib.aet_recon_get_parameters(self, x.size, x)
        return x

    @parameters.setter
    def parameters(self, x):
        x = vector(x, "parameters")
        lib.aet_recon_set_parameters(self, x.size, x)

    def block(self, name):
        """Values of one block, frozen or not, as a new array of its shape."""
        return consistent(lambda: self.generation, lambda: self._block_values(name))

    def _block_values(self, name):
        out = np.zeros(self._named_block(name).shape)
        lib.aet_recon_get_block(self, name, out)
        return out

    def set_block(self, name, values):
        """Replaces the values of one block, frozen or not; one number serves all. The optimiser starts afresh.

        AET_ERROR_SHAPE, AET_ERROR_RANGE for a value outside the bounds of the block.
        """
        if np.ndim(values) == 0:
            values = np.broadcast_to(values, self._named_block(name).shape)
        lib.aet_recon_set_block(self, name, values)

    def freeze(self, name, frozen=True):
        """Takes a block out of the parameter vector, or into it. Raises the generation."""
        lib.aet_recon_freeze(self, name, frozen)

    @property
    def memory_estimate(self):
        """Memory that a run needs beside the series, bytes."""
        needed = ctypes.c_uint64()
        lib.aet_recon_memory_estimate(self, needed)
        return needed.value

    # ---- evaluation ----

    @property
    def image_count(self):
        """Number of images that the reconstruction knows of: those appended since its latest iteration are not yet."""
        return self._named_block("scale").shape[0]

    def _used_images(self):
        """Indices of the images that are not excluded."""
        return np.flatnonzero(~self.series.excluded[: self.image_count])

    def _x(self, x):
        return self.parameters if x is None else vector(x, "x")

    def _images(self, images):
        """Indices as the library takes them, and their number; None and 0 for all that are not excluded."""
        if images is None:
            return None, 0
        chosen = indices(images, "images", lambda: self.image_count)
        return chosen, chosen.size

    def loss(self, x=None, images=None, *, image_losses=None):
        """Loss at the parameters `x` (default: the present ones) over `images`, without its gradient.

        `images` are indices, or a mask of all images; by default all that are not excluded, of `Tomography` those that
        drive its steps: name them where it has a `subset` or views held out and `image_losses` are wanted.
        `image_losses`, an array of doubles, is filled with the loss of each image by itself. The reconstruction stays
        as it is; any number of threads may evaluate it.
        """
        return self._evaluated(self._x(x), images, None, image_losses)

    def loss_and_gradient(self, x=None, images=None, *, gradient=None, image_losses=None):
        """Loss and its gradient at the parameters `x`, as scipy.optimize.minimize takes them with `jac=True`.

        Arguments as for `loss`; the gradient is a new array, or the contiguous array of doubles `gradient`, filled.
        AET_ERROR_STALE_PARAMETERS where `x` belongs to another generation, AET_ERROR_NON_FINITE, AET_CANCELLED after
        `Context.request_cancel`.
        """
        x = self._x(x)
        gradient = np.zeros_like(x) if gradient is None else filled(gradient, "gradient", x.size)
        return self._evaluated(x, images, gradient, image_losses), gradient

    def _evaluated(self, x, images, gradient, image_losses):
        if image_losses is not None and images is None:
            images = self._used_images()
        chosen, count = self._images(images)
        if image_losses is not None:
            filled(image_losses, "image_losses", count)
        loss = ctypes.c_double()
        lib.aet_recon_loss_and_gradient(self, x.size, x, chosen, count, loss, gradient, image_losses)
        return loss.value

    def predict(self, x=None, images=None, *, out=None):
        """Calculated images, n x rows x columns, at the parameters `x`; into `out`, of any real type, where given."""
        x = self._x(x)
        chosen, count = self._images(self._used_images() if images is None else images)
        if out is None:
            out = np.zeros((count, self.series.rows, self.series.columns))
        lib.aet_recon_predict(self, x.size, x, chosen, count, out)
        return out

    def pull_back(self, x, residuals, images=None):
        """Gradient of the sum of `residuals * predict(x, images)` with respect to `x`: what a loss of your own needs,
        with its derivatives by the calculated images as `residuals`."""
        x = self._x(x)
        chosen, count = self._images(images)
        gradient = np.zeros_like(x)
        lib.aet_recon_pull_back(self, x.size, x, chosen, count, numeric(residuals, "residuals"), gradient)
        return gradient

    # ---- second order ----

    def _direction(self, direction, x):
        direction = vector(direction, "direction")
        if direction.size != x.size:
            raise fault("shape", f"direction: got {direction.size} values, wanted {x.size} like x")
        return direction

    def push_forward(self, x, direction, images=None, *, out=None):
        """Change of the images, n x rows x columns, at `x` per unit of `direction`: the exact derivative of `predict`,
        whose exact adjoint is `pull_back`."""
        x = self._x(x)
        direction = self._direction(direction, x)
        chosen, count = self._images(self._used_images() if images is None else images)
        if out is None:
            out = np.zeros((count, self.series.rows, self.series.columns))
        lib.aet_recon_push_forward(self, x.size, x, chosen, count, direction, out)
        return out

    def gauss_newton_product(self, x, direction, images=None):
        """Product of `direction` with the Gauss-Newton (Fisher) matrix of the loss at `x`, without the terms of
        `add_term`: symmetric and positive, for conjugate gradients and scipy.sparse.linalg.LinearOperator."""
        x = self._x(x)
        chosen, count = self._images(images)
        product = np.zeros_like(x)
        lib.aet_recon_gauss_newton_product(self, x.size, x, chosen, count, self._direction(direction, x), product)
        return product

    def gauss_newton_diagonal(self, x=None, images=None, *, probes=0):
        """Estimate of the diagonal of that matrix from `probes` random vectors of a fixed seed (0: 16), for
        preconditioners: each value has the relative standard error sqrt(2 / probes)."""
        x = self._x(x)
        chosen, count = self._images(images)
        diagonal = np.zeros_like(x)
        lib.aet_recon_gauss_newton_diagonal(self, x.size, x, chosen, count, probes, diagonal)
        return diagonal

    def index_map(self, generation):
        """For every element of the present parameter vector its index in that of an earlier `generation`, -1 where it
        was not part of it: what an optimiser remembers of a parameter can move with it."""
        return consistent(lambda: self.generation, lambda: self._index_map(generation))

    def _index_map(self, generation):
        numbers = np.zeros(lib.aet_recon_parameter_count(self), dtype=np.int64)
        lib.aet_recon_index_map(self, generation, numbers.size, numbers)
        return numbers

    # ---- terms ----

    def add_term(self, block, function, weight=1.0):
        """Adds `weight` times a differentiable function of one block to the loss of evaluations, steps and runs.

        `function(values, gradient)` returns the loss and fills `gradient`, zeros of the shape of `values`, unless that
        is None; neither may be kept. What it raises ends the call and is raised by it, AET_ERROR_CALLBACK where loss or
        gradient are not finite. Terms are not saved; `clear_terms` takes them away.
        """
        self._let_call(term_function(function), lambda f: lib.aet_recon_add_term(self, block, weight, f, None))

    def set_projection(self, function):
        """Lets `function(x)` move the free parameters in place after every step; None: nobody. The loss is evaluated
        again where it moves anything."""
        self._let_call(projection_function(function), lambda f: lib.aet_recon_set_projection(self, f, None))

    def _let_call(self, function, hand_over):
        hand_over(function)
        self._functions = (*self._functions, function)  # lives while the library may call it

    def clear_terms(self):
        """Takes all terms and the projection away."""
        lib.aet_recon_clear_terms(self)

    # ---- driving ----

    @takes_options(lib.aet_run_options_init)
    def run(self, *, progress=None, **options):
        """Optimises until a rule says to stop, and returns which: "converged", "max_iterations", "time_limit" or
        "cancelled". However it ends, the best state is kept, and another run goes on from there.

        `progress(p)` is called at least once per iteration with a `Progress`; it returns True or None to go on, False
        to cancel. What it raises ends the run and is raised here, and so are Ctrl-C and other signal handlers that
        raise. AET_ERROR_NOT_READY for a series without images, AET_ERROR_BUSY from its own progress function.
        """
        settings = Options(lib.aet_run_options_init, options)
        with LongCall(progress) as call:
            return lib.aet_recon_run.outcome(self, settings, call.report, None)

    def step(self, *, progress=None):
        """One iteration. Returns "ok" while more can be done, or as `run` does."""
        with LongCall(progress) as call:
            return lib.aet_recon_step.outcome(self, call.report, None)

    @staticmethod
    def param_names():
        """Names of the research knobs that `set_param` can turn."""
        return [lib.aet_recon_param_name(index) for index in range(lib.aet_recon_param_count())]

    def get_param(self, name):
        """Value of a research knob."""
        value = ctypes.c_double()
        lib.aet_recon_get_param(self, name, value)
        return value.value

    def set_param(self, name, value):
        """Sets a research knob. AET_ERROR_UNKNOWN_OPTION for names not listed by `param_names`."""
        lib.aet_recon_set_param(self, name, value)

    # ---- results ----

    @property
    def atoms(self):
        """The `Atoms` of the latest state, with height and width of each. AET_ERROR_UNSUPPORTED for a volume."""
        return Atoms._of(lib.aet_recon_get_atoms(self))

    @property
    def volume(self):
        """The `Volume` of the latest state, also while `run` works. AET_ERROR_UNSUPPORTED for atoms,
        AET_ERROR_NON_FINITE where iterations diverged."""
        return Volume._of(lib.aet_recon_get_volume(self))

    @property
    def geometry(self):
        """The `Geometry` as refined so far."""
        return consistent(lambda: self.generation, self._geometry)

    def _geometry(self):
        n = self.image_count
        geometry = Geometry(np.zeros((n, 3, 3)), np.zeros((n, 2)), np.zeros(n))
        lib.aet_recon_get_geometry(self, *geometry)
        return geometry

    @property
    def r_factors(self):
        """R factor of every image, sum |measured - calculated| / sum |measured|; NaN where it is excluded or was not
        evaluated yet."""
        return consistent(lambda: self.generation, self._r_factors)

    @property
    def r_factor_table(self):
        """The same as a `Table`: image, tilt, section, defocus (A), r_factor; values r_factor (mean) and largest."""
        return Table._of(lib.aet_recon_r_factor_table(self))

    def _r_factors(self):
        out = np.zeros(self.image_count)
        lib.aet_recon_copy_r_factors(self, out)
        return out

    @property
    def history(self):
        """What happened in every iteration so far: {"iteration": ..., "loss": ..., ...}, arrays of one length.
        `optimizer` is the number of the method in the enumeration aet_optimizer, NaN for methods with steps of their
        own; `r_free` the R factor of the images held out, NaN without."""
        count = lib.aet_recon_history_count(self)
        columns = {name: np.zeros(count) for name in HISTORY_COLUMNS}
        for name, out in columns.items():
            lib.aet_recon_copy_history(self, name, out)
        return columns

    @property
    def record(self):
        """Record of the reconstruction as a dict: options used, versions, instruction-set path, reason of the end."""
        return json.loads(copied_text(lib.aet_recon_record, self))

    def snapshot(self):
        """The latest consistent state as a `Snapshot`, from any thread and also while `run` works."""
        return Snapshot._of(lib.aet_recon_snapshot(self))

    @takes_options(lib.aet_error_options_init)
    def estimate_errors(self, *, progress=None, **options):
        """Standard errors of the atoms of the latest state, from the noise of the images, as an `ErrorEstimate`.

        AET_ERROR_NOT_READY without images, with frozen positions, or for an image that lacks what the noise model
        needs; AET_ERROR_RANGE for too many parameters of the dense method; AET_CANCELLED where `progress` ends it.
        """
        settings = Options(lib.aet_error_options_init, options)
        atoms = [block.shape[0] for block in self.layout if block.name == "positions"]
        heights = np.zeros(sum(atoms))
        report = empty_structure("aet_error_report")
        with LongCall(progress) as call:
            made = lib.aet_recon_estimate_errors(self, settings, call.report, None, heights, report)
            atoms = Atoms._of(made)
        return ErrorEstimate(atoms, heights, *result_values("aet_error_report", report))

    def block_errors(self, name, rows=None, noise="automatic", progress=None):
        """Standard errors of values of the free block `name`, in its shape and unit: optics, drift, angles, intensities, or
        atoms exactly. `rows` are indices along the first axis of the block, or a mask of it; None: all. At most 1000
        values, inf where the images do not determine one. `noise` as for `estimate_errors`.

            error = recon.block_errors("defocus")

        AET_ERROR_NOT_READY for a frozen block, AET_ERROR_RANGE for more values, AET_CANCELLED where `progress` ends it.
        """
        model, shape = number_of("aet_noise_model", noise, "noise"), self._named_block(name).shape
        chosen = None if rows is None else indices(rows, "rows", lambda: shape[0])
        out = np.zeros(shape if chosen is None else (chosen.size, *shape[1:]))
        with LongCall(progress) as call:
            count = 0 if chosen is None else chosen.size
            lib.aet_recon_block_errors(self, name, chosen, count, model, call.report, None, out)
        return out

    def fit_orbital(self, widths=None, progress=None):
        """The shape of the atoms that fits the images best at the latest state, as an `Orbital`: terms of `widths` (at
        most 10, in units of B; None: 0.5, 1, 2, 4, 8 and 16), with positions, heights and widths held, weights that are
        not negative and f(0) = 1.

            shaped = aet.LocalOrbital(series, start=recon.atoms, orbital=recon.fit_orbital())

        Repeat while the loss falls. AET_ERROR_RANGE, AET_ERROR_NOT_READY without images, AET_ERROR_EMPTY where no term
        brings the images nearer, AET_ERROR_UNSUPPORTED for a volume, AET_CANCELLED where `progress` ends it.
        """
        with LongCall(progress) as call:
            return Orbital._of(lib.aet_recon_fit_orbital(self, widths, call.report, None))

    # ---- files ----

    def save(self, path):
        """Writes the state to a file, from which `load` goes on with the same numbers to the last bit."""
        lib.aet_recon_save(self, path)

    @classmethod
    def load(cls, path, series, probe=None, *, context=None):
        """Reads a state that `save` wrote, for the series and probe it was made with. `Reconstruction.load` takes that
        of any method and returns an object of its class.

        AET_ERROR_TRUNCATED, AET_ERROR_FORMAT or AET_ERROR_FILE_VERSION for files it cannot read,
        AET_ERROR_INCONSISTENT for another series or probe, and for the state of another class.
        """
        made = Reconstruction._of(lib.aet_recon_load(context or default_context(), series, probe, path))
        made.series, made.probe = series, probe
        first = made._block(0).name
        kind = next(kind for kind in Reconstruction.__subclasses__() if kind._first_block == first)
        if not issubclass(kind, cls):
            made.close()
            raise fault("inconsistent", f"{path}: got the state of a {kind.__name__}, wanted that of a {cls.__name__}")
        made.__class__ = kind
        return made

    def _describe(self):
        return f"{lib.aet_recon_parameter_count(self)} parameters, generation {self.generation}"


def filled(array, what, size):
    """`array`, if the library can fill it with `size` doubles."""
    good = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.flags.c_contiguous
    if not good or not array.flags.writeable:
        raise fault("dtype", f"{what}: wanted a contiguous, writable array of float64 to fill")
    if array.shape != (size,):
        raise fault("shape", f"{what}: got an array of shape {array.shape}, wanted ({size},)")
    return array


class LocalOrbital(Reconstruction):
    """Local-orbital tomography: every atom is a Gaussian orbital H exp(-rho^2 / B), or of the shape of the `Orbital`
    given as `orbital`, every image a sum over slices of orbitals seen through the probe of their depth.

        recon = aet.LocalOrbital(series, probe, start=atoms, model="rigid")
        recon.run(max_iterations=200)
        recon.atoms.write("atoms.xyz")

    Blocks of parameters: positions (atoms x 3, A), heights, widths (A^2), drift (images x 2, A), depth_offset (tilts,
    A), defocus (sections, A, added to the recorded one), angles (tilts x 3, degrees), scale and background (images).
    """

    _first_block = "positions"

    @takes_options(lib.aet_lot_options_init)
    def __init__(self, series, probe=None, *, start, context=None, **options):
        """A reconstruction of `series` that starts from the `Atoms` `start`, or positions n x 3 (A). The model
        "direct" needs no `probe`. `loss` is "mse", "poisson", "anscombe" (roots of counts) or "huber" (images with wrong
        pixels, which pull no harder than at a difference of `huber_threshold`).

        AET_ERROR_NULL for a model that needs a probe without one, AET_ERROR_EMPTY without atoms,
        AET_ERROR_INCONSISTENT where all atoms lie outside every image, AET_ERROR_UNKNOWN_OPTION and AET_ERROR_RANGE
        for options it cannot follow, AET_ERROR_MEMORY beyond `memory_limit`.
        """
        settings = Options(lib.aet_lot_options_init, options)
        first = start if isinstance(start, Handle) else Atoms(start)
        pointer = lib.aet_recon_create_lot(context or default_context(), series, probe, first, settings)
        self._made_of(pointer, series, probe)

    @takes_options(lib.aet_lot_options_init)
    def continued(self, **options):
        """A reconstruction with other options that goes on from the latest state of this one: its atoms, geometry, optics
        and intensities, and what is frozen, as far as the model has it. So direct, rigid and adaptive follow each other."""
        made = LocalOrbital._of(lib.aet_recon_continue_lot(self, Options(lib.aet_lot_options_init, options)))
        made.series, made.probe = self.series, self.probe
        return made

    def scan_defocus(self, range=0, step=0, tilts=0, progress=None):
        """Looks for the defocus of every section up to `range` from the recorded one in steps of `step` (A; 0: 60 and 6)
        with the part `tilts` of the tilts (0: 0.25), and sets block `defocus`. Returns a `Table` with the columns section,
        defocus and misfit. AET_ERROR_UNSUPPORTED unless the model is rigid, AET_CANCELLED where `progress` ends it."""
        with LongCall(progress) as call:
            return Table._of(lib.aet_recon_scan_defocus(self, range, step, tilts, call.report, None))

    @property
    def probe_table(self):
        """How the probes of the latest state spread along the beam, for the first image of every section: a `Table` with the
        columns section, image, depth (A), sum, x, y (A), half_radius (A) and peak, and the values focus_0, ... (A)."""
        return Table._of(lib.aet_recon_probe_table(self))

    def probe_images(self, image):
        """Depths (A) and intensities (slices x side x side) of the probes of an image around the beam."""
        slices, side = ctypes.c_int64(), ctypes.c_int64()
        lib.aet_recon_probe_images(self, image, slices, side, None, None)
        depths, probes = np.zeros(slices.value), np.zeros((slices.value, side.value, side.value))
        lib.aet_recon_probe_images(self, image, slices, side, depths, probes)
        return depths, probes


class Tomography(Reconstruction):
    """Reconstruction of a volume: image i is s_i A_i V + c_i, every voxel of V shared among the four pixels around its
    projection, so that the sum of the volume is that of every complete image.

        recon = aet.Tomography(series, support=aet.Volume(mask, 0.35))
        recon.run(max_iterations=100)
        recon.volume.write("volume.mrc")

    Blocks of parameters: volume (z x y x x, free at the start), drift (images x 2, A), angles (tilts x 3, degrees),
    scale and background (images). `loss_and_gradient` takes whatever is free; `run` iterates the method, on the volume alone:
    AET_ERROR_UNSUPPORTED while another block is free, and for an `optimizer`.
    """

    _first_block = "volume"

    @takes_options(lib.aet_tomography_options_init)
    def __init__(self, series, *, context=None, **options):
        """A reconstruction of a volume from `series`, which may be empty still.

        AET_ERROR_SHAPE for volumes or weights that do not fit, AET_ERROR_EMPTY for a support of zeros,
        AET_ERROR_UNKNOWN_OPTION, AET_ERROR_RANGE and AET_ERROR_UNSUPPORTED for options it cannot follow,
        AET_ERROR_MEMORY beyond `memory_limit`.
        """
        settings = Options(lib.aet_tomography_options_init, options)
        pointer = lib.aet_recon_create_tomography(context or default_context(), series, settings)
        self._made_of(pointer, series, None)

    @staticmethod
    @takes_options(lib.aet_tomography_options_init)
    def estimate_memory(series, **options):
        """Bytes that a reconstruction of `series` with these options needs beside the series, at most."""
        needed = ctypes.c_uint64()
        lib.aet_tomography_estimate_memory(series, Options(lib.aet_tomography_options_init, options), needed)
        return needed.value


class Snapshot(Handle, c_type="aet_snapshot", free=lib.aet_snapshot_free):
    """An immutable state of a reconstruction, which lives on when that is closed."""

    @property
    def iteration(self):
        """Iterations made when it was taken."""
        return lib.aet_snapshot_iteration(self)

    @property
    def loss(self):
        """Loss when it was taken; NaN while it is not known."""
        return lib.aet_snapshot_loss(self)

    @property
    def generation(self):
        """Generation of the parameters when it was taken."""
        return lib.aet_snapshot_generation(self)

    @property
    def atoms(self):
        """The `Atoms` when it was taken. AET_ERROR_UNSUPPORTED for a volume."""
        return Atoms._of(lib.aet_snapshot_get_atoms(self))

    @property
    def volume(self):
        """The `Volume` when it was taken, on the default context. AET_ERROR_UNSUPPORTED for atoms."""
        return self.volume_on(default_context())

    def volume_on(self, context):
        """The `Volume` when it was taken; the threads of `context` work on it."""
        return Volume._of(lib.aet_snapshot_get_volume(context, self))

    def _describe(self):
        return f"iteration {self.iteration}, loss {self.loss:g}"
