"""Multislice simulations of what a microscope sees of atoms."""

import collections
import ctypes

import numpy as np

from ._arrays import numeric
from ._callbacks import LongCall
from ._errors import fault, unknown_option
from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options
from .context import default_context
from .detector import Detector

Memory = collections.namedtuple("Memory", ("bytes", "with_gradients"))
Memory.__doc__ = "Bytes of a simulation and a scan with all threads, and with gradients, too; results not included."

WindowError = collections.namedtuple("WindowError", ("largest", "relative"))
WindowError.__doc__ = "Largest difference of any signal through a window, and the same over the largest signal."

#: What `Simulation.pull_back` can return.
GRADIENTS = ("positions", "potential", "atom_positions", "debye_waller_b", "occupancy")


class Simulation(Handle, c_type="aet_simulation", free=lib.aet_simulation_free):
    """One configuration of atoms, or a potential, ready to be seen by electrons of one energy; immutable.

        simulation = aet.Simulation(atoms, 300e3, pixel_size=0.1)
        haadf, com = simulation.scan(probe, positions, [aet.Detector("annular", inner_mrad=40, outer_mrad=60),
                                                        aet.Detector("center_of_mass")])

    Its frame is the cell of the atoms, periodic across the beam: pixel [row, column] lies at y = row * pixel_size[0] and
    x = column * pixel_size[1]; the beam enters at z = 0, and the defocus of a probe refers to that face.
    """

    @takes_options(lib.aet_simulation_options_init)
    def __init__(self, atoms, energy_ev, *, progress=None, context=None, **options):
        """`atoms` need a cell and known species. `progress` is a function as for `LocalOrbital.run`.

        AET_ERROR_NOT_READY without a cell, AET_ERROR_RANGE with the atom that lies outside of it along the beam,
        AET_ERROR_SHAPE for a window larger than the cell, AET_CANCELLED.
        """
        settings = Options(lib.aet_simulation_options_init, {**options, "energy_ev": energy_ev})
        with LongCall(progress) as call:
            made = lib.aet_simulation_create(context or default_context(), atoms, settings, call.report, None)
        self._take(made)

    @classmethod
    @takes_options(lib.aet_simulation_options_init)
    def from_potential(cls, potential, cell, energy_ev, *, progress=None, context=None, **options):
        """Of a `potential` [slices, rows, columns], V A, over a `cell` (x, y), A. The slices are `slice_thickness` (2 A)
        thick or lie between `slice_edges`; options of the sampling and of atoms must be left alone."""
        settings = Options(lib.aet_simulation_options_init, {**options, "energy_ev": energy_ev})
        x, y = cell
        with LongCall(progress) as call:
            made = lib.aet_simulation_create_from_potential(
                context or default_context(), potential, x, y, settings, call.report, None
            )
        return cls._of(made)

    @staticmethod
    @takes_options(lib.aet_simulation_options_init)
    def estimate_memory(atoms, energy_ev, *, context=None, **options):
        """The `Memory` that making a simulation and working with it will need."""
        settings = Options(lib.aet_simulation_options_init, {**options, "energy_ev": energy_ev})
        scan, gradients = ctypes.c_uint64(), ctypes.c_uint64()
        lib.aet_simulation_estimate_memory(context or default_context(), atoms, settings, scan, gradients)
        return Memory(scan.value, gradients.value)

    @staticmethod
    @takes_options(lib.aet_simulation_options_init)
    def choose_window(atoms, probe, focus=0.0, **options):
        """Pixels (rows, columns) of a window for `probe` through the cell of `atoms`, with its crossover up to `focus` (A)
        from the middle of the cell; those of the cell where nothing smaller will do. The sampling comes from the
        options. `window_error` measures what a window costs.

        AET_ERROR_NOT_READY for atoms without a cell, AET_ERROR_RANGE for `focus`.
        """
        settings = Options(lib.aet_simulation_options_init, options)
        rows, columns = ctypes.c_int64(), ctypes.c_int64()
        lib.aet_simulation_choose_window(atoms, probe, focus, settings, rows, columns)
        return rows.value, columns.value

    @property
    def memory(self):
        """The `Memory` of this simulation."""
        scan, gradients = ctypes.c_uint64(), ctypes.c_uint64()
        lib.aet_simulation_memory_estimate(self, scan, gradients)
        return Memory(scan.value, gradients.value)

    @property
    def slice_count(self):
        """Number of slices."""
        return lib.aet_simulation_slice_count(self)

    @property
    def wavelength(self):
        """Wavelength of the electrons, A."""
        return lib.aet_simulation_wavelength(self)

    @property
    def shape(self):
        """Pixels of the cell, (rows, columns)."""
        return self._pair(lib.aet_simulation_shape, ctypes.c_int64)

    @property
    def window_shape(self):
        """Pixels (rows, columns) of the window through which waves travel."""
        return self._pair(lib.aet_simulation_window_shape, ctypes.c_int64)

    @property
    def pattern_shape(self):
        """Pixels (rows, columns) of diffraction patterns: of the window, more with `pattern_sampling="padded"`."""
        return self._pair(lib.aet_simulation_pattern_shape, ctypes.c_int64)

    @property
    def pixel_size(self):
        """Size of a pixel along y and x, A."""
        return self._pair(lib.aet_simulation_pixel_size, ctypes.c_double)

    def _pair(self, function, kind):
        first, second = kind(), kind()
        function(self, first, second)
        return first.value, second.value

    def potential(self, slice):
        """Potential [rows, columns] of a slice, V A."""
        out = np.zeros(self.shape)
        lib.aet_simulation_potential(self, slice, out)
        return out

    def exit_wave(self, incident=None, slices=0):
        """The wave [rows, columns] behind the first `slices` slices (0: all) of an `incident` one, None: a plane wave 1.

        AET_ERROR_UNSUPPORTED where waves travel through windows.
        """
        out = np.zeros(self.shape, np.complex128)
        lib.aet_simulation_exit_wave(self, incident, slices, out)
        return out

    def probe_exit_wave(self, probe, position, slices=0):
        """The wave of `probe` at `position` (x, y), A, behind the first `slices` slices (0: all): an array of the window,
        and the pixel (row, column) of the cell that is its first."""
        out = np.zeros(self.window_shape, np.complex128)
        row, column = ctypes.c_int64(), ctypes.c_int64()
        x, y = position
        lib.aet_simulation_probe_exit_wave(self, probe, x, y, slices, out, row, column)
        return out, (row.value, column.value)

    def signal_shape(self, detector):
        """Shape of the signal of one detector; () for one number."""
        ndim, extents = np.zeros(1, np.int32), np.zeros(2, np.int64)
        lib.aet_simulation_signal_shape(self, detector, ndim, extents)
        return tuple(int(extent) for extent in extents[: ndim[0]])

    def scan(self, probe, positions, detectors, *, progress=None):
        """Signals of `probe` at `positions` [..., 2], (x, y) in A, anywhere: the cell is periodic. For one detector an
        array [..., signal] with the axes of the positions, then those of the signal; for a list of them a list.

        Signals are fractions of the beam, centres of mass are in 1/A. AET_ERROR_RANGE for an angle beyond the band
        limit, with the largest one and the pixel that would be needed, AET_CANCELLED.
        """
        places, scan_axes = flat_positions(positions)
        chosen = listed(detectors)
        out = np.zeros((len(places), self._signal_count(chosen)))
        with LongCall(progress) as call:
            lib.aet_simulation_scan(self, probe, places, chosen, len(chosen), call.report, None, out)
        return self._signals(out, detectors, scan_axes)

    def scan_ensemble(
        self,
        probe,
        positions,
        detectors,
        *,
        phonon_configurations=0,
        phonon_seed=0,
        defocus_spread=0.0,
        defocus_nodes=0,
        semiangle_spread_mrad=0.0,
        semiangle_nodes=0,
        progress=None,
    ):
        """Means of the signals of a scan over an ensemble, and the standard errors of these means over the
        configurations of atoms, NaN for fewer than two: both in the form of what `scan` returns.

        `phonon_configurations` of displaced atoms (frozen phonons, `Atoms.displaced`) are taken, 0 for atoms at rest
        whose Debye-Waller factors blur the potential; configuration i of a `phonon_seed` is the same however many there
        are. `defocus_spread` (A) and `semiangle_spread_mrad` are standard deviations; `defocus_nodes` (0: 7) and
        `semiangle_nodes` (0: 5) probes stand for them, all pairs for both.

        AET_ERROR_NOT_READY for frozen phonons of atoms without Debye-Waller factors, AET_ERROR_UNSUPPORTED for those of
        a potential, AET_ERROR_RANGE for a spread or number of nodes, AET_CANCELLED; else as `scan`.
        """
        spreads = {
            "phonon_configurations": phonon_configurations,
            "phonon_seed": phonon_seed,
            "defocus_spread": defocus_spread,
            "defocus_nodes": defocus_nodes,
            "semiangle_spread_mrad": semiangle_spread_mrad,
            "semiangle_nodes": semiangle_nodes,
        }
        settings = Options(lib.aet_ensemble_options_init, spreads)
        places, scan_axes = flat_positions(positions)
        chosen = listed(detectors)
        means, errors = (np.zeros((len(places), self._signal_count(chosen))) for _ in range(2))
        with LongCall(progress) as call:
            lib.aet_simulation_scan_ensemble(
                self, probe, places, chosen, len(chosen), settings, call.report, None, means, errors
            )
        return self._signals(means, detectors, scan_axes), self._signals(errors, detectors, scan_axes)

    def thickness_series(self, probe, positions, exit_slices, detectors, *, progress=None):
        """Signals of a scan behind the first `exit_slices` [exits] slices, rising numbers: those of specimens that end
        there, in one run. In the form of what `scan` returns with the exits as first axis: [exit, ..., signal].

        AET_ERROR_RANGE for an exit that is not behind the one before, or not behind a slice there is,
        AET_ERROR_UNSUPPORTED by PRISM for other exits than all slices, AET_CANCELLED; else as `scan`.
        """
        places, scan_axes = flat_positions(positions)
        chosen, exits = listed(detectors), numeric(exit_slices, "exit_slices")
        out = np.zeros((exits.size, len(places), self._signal_count(chosen)))
        with LongCall(progress) as call:
            lib.aet_simulation_thickness_series(
                self, probe, places, exits, chosen, len(chosen), call.report, None, out
            )
        return self._signals(out, detectors, (exits.size, *scan_axes))

    def window_error(self, probe, positions, detectors, *, progress=None):
        """The `WindowError` of the signals at `positions` [..., 2], a few that matter: through the window of this
        simulation against one of twice the size, or the whole cell where that is smaller.

        AET_ERROR_UNSUPPORTED for a simulation without window or of a potential, AET_CANCELLED; else as `scan`.
        """
        places, _ = flat_positions(positions)
        chosen = listed(detectors)
        largest, relative = ctypes.c_double(), ctypes.c_double()
        with LongCall(progress) as call:
            lib.aet_simulation_window_error(
                self, probe, places, chosen, len(chosen), call.report, None, largest, relative
            )
        return WindowError(largest.value, relative.value)

    def _signals(self, table, detectors, axes):
        """A table [..., values] as an array of these axes and those of the signal; for several detectors a list."""
        chosen = listed(detectors)
        shapes = [self.signal_shape(detector) for detector in chosen]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = np.split(table, ends[:-1], axis=-1) if chosen else []
        signals = [part.reshape(axes + shape) for part, shape in zip(parts, shapes)]
        return signals[0] if isinstance(detectors, Detector) else signals

    def _signal_count(self, detectors):
        count = ctypes.c_int64()
        lib.aet_simulation_signal_count(self, detectors, len(detectors), count)
        return count.value

    def patterns(self, probe, positions, *, out=None, progress=None):
        """Diffraction patterns [..., rows, columns] of `probe` at `positions` [..., 2]: fractions of the beam, zero angle
        at n // 2. `out` [n, rows, columns] of float32 or float64 is filled instead where it is given, without a copy."""
        places, scan_axes = flat_positions(positions)
        shape = self.pattern_shape
        made = np.zeros((len(places), *shape), np.float32) if out is None else out
        with LongCall(progress) as call:
            lib.aet_simulation_patterns(self, probe, places, call.report, None, made)
        return made.reshape(scan_axes + shape) if out is None else out

    def pull_back(self, probe, positions, detectors, by_signal, wanted=("atom_positions",), *, progress=None):
        """Gradients of a loss of the signals of a scan with these arguments: a dictionary of those `wanted`.

        `by_signal` is dL/dsignals in the form of what `scan` returns. "positions" [..., 2] and "atom_positions"
        [atoms, 3] are in 1/A, "potential" [slices, rows, columns] in 1/(V A), "debye_waller_b" [atoms] in 1/A^2,
        "occupancy" [atoms]. AET_ERROR_UNSUPPORTED for atoms of a potential.
        """
        places, scan_axes = flat_positions(positions)
        chosen = listed(detectors)
        parts = [by_signal] if isinstance(detectors, Detector) else list(by_signal)
        if len(parts) != len(chosen):
            raise fault("shape", f"by_signal: got {len(parts)} arrays, wanted one for each of {len(chosen)} detectors")
        rows = [self._rows(part, detector, scan_axes) for part, detector in zip(parts, chosen)]
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        unknown = [name for name in names if name not in GRADIENTS]
        if unknown:
            raise unknown_option(unknown[0], GRADIENTS)
        results = {name: np.zeros(self._gradient_shape(name, len(places))) for name in names}
        settings = Options(lib.aet_scan_gradients_init, results)
        settings.set("by_signal", np.concatenate(rows, axis=1) if rows else np.zeros((len(places), 0)))
        with LongCall(progress) as call:
            lib.aet_simulation_pull_back(self, probe, places, chosen, len(chosen), settings, call.report, None)
        if "positions" in results:
            results["positions"] = results["positions"].reshape(scan_axes + (2,))
        return results

    def _rows(self, part, detector, scan_axes):
        """dL/dsignal of one detector, [positions, values]."""
        array, wanted = numeric(part, "by_signal"), scan_axes + self.signal_shape(detector)
        if array.shape != wanted:
            raise fault("shape", f"by_signal: got an array of shape {array.shape}, wanted {wanted}")
        return array.reshape(int(np.prod(scan_axes)), -1)

    def _gradient_shape(self, name, count):
        if name == "positions":
            return (count, 2)
        if name == "potential":
            return (self.slice_count, *self.shape)
        atoms = lib.aet_simulation_atom_count(self)
        return (atoms, 3) if name == "atom_positions" else (atoms,)

    def _describe(self):
        rows, columns = self.shape
        return f"{rows} x {columns} pixels, {self.slice_count} slices"


def listed(detectors):
    """One detector, or several, as a list."""
    return [detectors] if isinstance(detectors, Detector) else list(detectors)


def flat_positions(positions):
    """Positions [n, 2] and the axes that they had, (n,) or (rows, columns)."""
    array = numeric(positions, "positions")
    if array.ndim < 1 or array.shape[-1] != 2:
        raise fault("shape", f"positions: got an array of shape {array.shape}, wanted [..., 2], x and y")
    return array.reshape(-1, 2), array.shape[:-1]
