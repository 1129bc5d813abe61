"""Lists of atoms and their comparison."""

import collections
import ctypes

import numpy as np

from ._arrays import indices, numeric
from ._callbacks import LongCall
from ._errors import fault
from ._handles import Handle
from ._library import lib
from ._options import Options, result_members, result_values, takes_options
from ._structs import empty_structure
from .context import default_context
from .table import Table


class Comparison(collections.namedtuple("Comparison", result_members("aet_comparison") + ("errors",))):
    """What the comparison of two lists of atoms says.

    Numbers of true, `matched`, `missing` and `extra` atoms; rms distances of the matched pairs in pm, in all and along
    x, y and z; `species_correct`, the fraction of true atoms found with their species; the common `shift` (A) that was
    removed; where asked for the common rotation (`rotation_deg`) and the rms distance without it (`rmsd_rotated_pm`);
    `tracing_error`, (missing + extra) / true atoms;
    and `errors`, found - true in A per found atom (n x 3), NaN where it has no partner.
    """

    __slots__ = ()

    def __str__(self):
        return (
            f"{self.matched} of {self.true_count} atoms matched, {self.missing} missing, {self.extra} extra, rmsd "
            f"{self.rmsd_pm:.3f} pm (x {self.rmsd_x_pm:.3f}, y {self.rmsd_y_pm:.3f}, z {self.rmsd_z_pm:.3f})"
        )


class Classification(collections.namedtuple("Classification", ("atoms", "table", "classes"))):
    """Atoms with species and its probability, and how they came by them.

    `atoms` are those that are none of the non-atoms. `table` has a row per atom that was given: `intensity`, `inside`
    (the part of the region in the volume), `class` (0 for non-atoms, from 1 on the species in their order), `species`,
    `probability` and `probability_1`, ... of each class. `classes` has a row per class: `class`, `species`, `count`,
    `mean`, `sigma`, `fraction`; its values are `iterations`, `converged` and, where there are such, `log_likelihood`,
    `bic`, `otsu_threshold` and `background`.
    """

    __slots__ = ()


AXES = ("x", "y", "z")


def column(name, documentation, width=1, dtype=np.float64):
    """A property that copies a column of the list."""

    def read(self):
        out = np.zeros((len(self), width) if width > 1 else len(self), dtype)
        lib.aet_atoms_copy_column(self, name, out)
        return out

    return property(read, doc=documentation)


class Atoms(Handle, c_type="aet_atoms", free=lib.aet_atoms_free):
    """An immutable list of atoms. Columns are read as new arrays, NaN where not known; `len(atoms)` counts them."""

    def __init__(self, positions, species=None, heights=None, widths=None):
        """`positions` is n x 3 in A, specimen origin at 0; `species` are atomic numbers, n or one for all, 0 where
        unknown. `heights` H, in the unit of the images, and `widths` B, in A^2, are those of the orbitals
        H exp(-r^2 / B), n each or one for all.

        AET_ERROR_SHAPE, AET_ERROR_EMPTY without atoms, AET_ERROR_NON_FINITE and AET_ERROR_RANGE with the atom that is
        wrong.
        """
        positions = numeric(positions, "positions")
        count = positions.shape[0] if positions.ndim else 1
        columns = [None if values is None else repeated(values, count) for values in (species, heights, widths)]
        self._take(lib.aet_atoms_create(positions, *columns))

    @classmethod
    def read(cls, path, format=None):
        """Atoms of a file. The ending of its name, or `format`, says what it is: "xyz" (plain or extended), "cif",
        "poscar", "lammps" (data) or "pdb". AET_ERROR_FILE, or AET_ERROR_FORMAT with the line that is malformed."""
        return cls._of(lib.aet_atoms_read(path) if format is None else lib.aet_atoms_read_as(path, format))

    def write(self, path, format=None):
        """Writes the format that the ending of the name, or `format`, says; the file appears when it is complete.
        Extended xyz has all columns and the cell, to the last bit; CIF, POSCAR and LAMMPS need a cell."""
        if format is None:
            lib.aet_atoms_write(self, path)
        else:
            lib.aet_atoms_write_as(self, path, format)

    # ---- new lists from this one; columns that are not named go along ----

    def with_column(self, name, values):
        """The atoms with a column set: n values, n x 3 for positions and standard_error, or one for all.

        Thermal motion is set as debye_waller_b (B = 8 pi^2 <u^2>, A^2), debye_waller_u (<u^2> along one axis, A^2) or
        rms_displacement (along one axis, A): one of the three sets all.
        """
        return self._of(lib.aet_atoms_with_column(self, name, repeated(values, len(self))))

    def with_element_values(self, name, values):
        """The atoms with a column set from one value per element, `{79: 0.6, 14: 0.5}`. AET_ERROR_INCONSISTENT where an
        element of the list has none."""
        species = np.array(list(values.keys()))
        return self._of(lib.aet_atoms_with_element_values(self, name, species, list(values.values())))

    def with_cell(self, cell):
        """The atoms in an orthogonal cell with these edges along x, y and z (A) and a corner at 0; None: without."""
        return self._of(lib.aet_atoms_with_cell(self, cell))

    @property
    def cell(self):
        """Edges of the cell along x, y and z, A; None where there is none."""
        edges = np.zeros(3)
        lib.aet_atoms_copy_cell(self, edges)
        return None if np.isnan(edges[0]) else edges

    def rotate(self, rotation):
        """The atoms at R p, without their cell; `rotation` is a 3 x 3 rotation matrix."""
        return self._of(lib.aet_atoms_rotate(self, rotation))

    def shift(self, by):
        """The atoms moved by a vector (A), in the same cell."""
        return self._of(lib.aet_atoms_shift(self, by))

    def place_in_cell(self, extent=None, vacuum=None, center_atoms=False):
        """The atoms shifted into a cell of their own: one with the edges `extent`, or one that leaves `vacuum` on both
        sides (x, y, z; A). The origin of the specimen, about which tilt series turn, goes to its middle; with
        `center_atoms` the middle between the outermost atoms. AET_ERROR_INCONSISTENT where atoms would lie outside."""
        return self._of(lib.aet_atoms_place_in_cell(self, extent, vacuum, center_atoms))

    def wrap(self, periodic_z=False):
        """The atoms folded into their cell along x and y, with `periodic_z` also along z."""
        return self._of(lib.aet_atoms_wrap(self, periodic_z))

    def cut_slab(self, axis, begin, end):
        """The atoms with begin <= p < end (A) along `axis`, "x", "y" or "z"."""
        if axis not in AXES:
            raise fault("unknown_option", f"axis: got {axis!r}, wanted one of {', '.join(AXES)}")
        return self._of(lib.aet_atoms_cut_slab(self, AXES.index(axis), begin, end))

    def subset(self, chosen):
        """The atoms of these indices, or where a mask is true, in the same cell."""
        chosen = indices(chosen, "chosen", lambda: len(self))
        return self._of(lib.aet_atoms_subset(self, chosen, len(chosen)))

    def repeat(self, nx, ny, nz):
        """Copies of the cell and its atoms side by side, in one cell that holds them all."""
        return self._of(lib.aet_atoms_repeat(self, nx, ny, nz))

    def merge(self, other):
        """The atoms of both lists, in the cell that either has. AET_ERROR_INCONSISTENT where only one has heights,
        widths or Debye-Waller factors, and for two different cells."""
        return self._of(lib.aet_atoms_merge(self, other))

    def displaced(self, seed, number):
        """The atoms as they stand in configuration `number` (from 0) of the frozen phonons of a `seed`: displaced as their
        Debye-Waller factors tell, and without these. AET_ERROR_NOT_READY without Debye-Waller factors."""
        return self._of(lib.aet_atoms_displace(self, seed, number))

    def close_pairs(self, distance, periodic_z=False):
        """Pairs of atoms nearer than `distance` (A): their indices, n x 2, and distances. In a cell they count across
        its faces along x and y, with `periodic_z` also along z."""
        count = ctypes.c_int64()
        lib.aet_atoms_close_pairs(self, distance, periodic_z, None, None, count)
        pairs, distances = np.zeros((count.value, 2), np.int32), np.zeros(count.value)
        if count.value > 0:
            lib.aet_atoms_close_pairs(self, distance, periodic_z, pairs, distances, count)
        return pairs, distances
    @classmethod
    @takes_options(lib.aet_structure_options_init)
    def generate(cls, structure=None, *, preset=None, progress=None, **options):
        """Generated atoms: amorphous particles and films, crystals cut to a shape, twinned and core-shell particles.

            gold = aet.Atoms.generate("face_centred_cubic", species=79, lattice_a=4.078, width=30)
            small = aet.Atoms.generate(preset="m1", count=2000)

        `preset` takes the particle of a paper, which the other options change: "m0" to "m8", "cuau", "bao". Lengths are
        in A. `progress` is a function as for `LocalOrbital.run`.

        AET_ERROR_NOT_READY where something is missing that the structure needs, AET_ERROR_INCONSISTENT for a packing
        that is too dense, AET_ERROR_RANGE, AET_CANCELLED.
        """
        settings = Options(lib.aet_structure_options_init, {})
        if preset is not None:
            size = ctypes.sizeof(settings.structure)
            lib.aet_structure_options_preset(settings.structure, size, preset)
        for member, value in dict(options, structure=structure).items():
            settings.set(member, value)
        with LongCall(progress) as call:
            return cls._of(lib.aet_atoms_generate(settings, call.report, None))

    @takes_options(lib.aet_compare_options_init)
    def compare(self, truth, **options):
        """Matches mutually nearest atoms after removing the common shift; returns a `Comparison`."""
        comparison = empty_structure("aet_comparison")
        errors = np.zeros((len(self), 3))
        lib.aet_atoms_compare(self, truth, Options(lib.aet_compare_options_init, options), comparison, errors)
        return Comparison(*result_values("aet_comparison", comparison), errors)

    @takes_options(lib.aet_accuracy_options_init)
    def accuracy(self, truth, *, context=None, progress=None, **options):
        """These atoms beside the true ones, as a `Table`: a row per found atom, in their order, and then one per missing
        atom.

        Columns: x, y, z (A); state, 0 correct, 1 wrong species, 2 extra, 3 missing; found_species, true_species and
        true_index, NaN where there is none; error_x, error_y, error_z, error (pm); depth and surface_distance (A; negative
        outside). Single values: tracing_error, species_correct, rmsd (pm) and more. `depth_axis` a makes the depth of an
        atom at p a . p, z unless given: the mean of the third rows of the rotations of a series gives the average depth.
        See `Table.error_profile` and `Table.confusion`.
        """
        settings = Options(lib.aet_accuracy_options_init, options)
        with LongCall(progress) as call:
            made = lib.aet_atoms_accuracy(context or default_context(), self, truth, settings, call.report, None)
            return Table._of(made)

    @takes_options(lib.aet_classify_options_init)
    def classify(self, species, volume=None, *, progress=None, **options):
        """Gives the atoms their species by the intensities of `volume` about them, or by their heights; returns a
        `Classification`. `species` are up to eight atomic numbers in ascending order of the intensity that is expected.

            found = traced.classify([29, 79], volume, non_atoms=True, smoothing=0.3)
            found.table.histogram("intensity", by="class")

        The method "expected" sorts logarithms about how strongly each species is `expected` to scatter, in any unit, such as
        the cross-sections of `adf_transfer`; by default Z^1.6.

        AET_ERROR_INCONSISTENT for one species without non-atoms, for more classes than distinct intensities and for
        atoms outside of the volume, AET_ERROR_NOT_READY for atoms without heights, AET_ERROR_EMPTY where all are
        non-atoms.
        """
        settings = Options(lib.aet_classify_options_init, {**options, "species": species})
        with LongCall(progress) as call:
            made = lib.aet_atoms_classify(self, volume, settings, call.report, None)
        atoms, table, classes = made
        return Classification(Atoms._of(atoms), Table._of(table), Table._of(classes))

    positions = column("positions", "Positions, n x 3, A.", 3)
    x = column("x", "x, A.")
    y = column("y", "y, A.")
    z = column("z", "z, A.")
    species = column("species", "Atomic numbers, 0 where unknown.", dtype=np.int32)
    height = column("height", "Heights H of the orbitals, unit of the images.")
    width = column("width", "Widths B of the orbitals, A^2.")
    occupancy = column("occupancy", "Occupancies, 0 to 1.")
    probability = column("probability", "Probabilities of the species, 0 to 1.")
    debye_waller_b = column("debye_waller_b", "Debye-Waller factors B = 8 pi^2 <u^2>, A^2.")
    debye_waller_u = column("debye_waller_u", "Mean square displacements <u^2> along one axis, A^2.")
    rms_displacement = column("rms_displacement", "Rms displacements along one axis, A.")
    standard_error = column("standard_error", "Standard errors of the positions, n x 3, A.", 3)

    def __len__(self):
        return lib.aet_atoms_count(self)

    def _describe(self):
        return f"{len(self)} atoms"


def repeated(values, count):
    """One value for all, or the values as they are."""
    return np.broadcast_to(values, (count,)) if np.ndim(values) == 0 else values
