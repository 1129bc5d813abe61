"""Tables of results."""

import collections.abc
import ctypes

import numpy as np

from ._arrays import numeric
from ._handles import Handle
from ._library import copied_text, lib


class Table(Handle, collections.abc.Mapping, c_type="aet_table", free=lib.aet_table_free):
    """An immutable table of results: a mapping of the names of its columns to arrays, one value per row, and single
    named values of the whole.

        table["intensity"]               # a new array; AET_ERROR_UNKNOWN_OPTION names the columns there are
        table.units["intensity"]
        table.value("threshold")         # or all: table.single_values
        pandas.DataFrame(dict(table))

    What is not known is NaN; codes are whole numbers. Columns of the unit "index" count from 0.
    """

    __slots__ = ()

    # Two tables are equal where they are the same: arrays have no single truth value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def rows(self):
        """Number of rows."""
        return lib.aet_table_row_count(self)

    @property
    def units(self):
        """Unit of every column by name, "" where it has none (counts, codes, ratios)."""
        return texts(self, lib.aet_table_column_count, lib.aet_table_column_name, lib.aet_table_column_unit)

    @property
    def single_values(self):
        """The single values by name."""
        return {name: self.value(name) for name in self.value_units}

    @property
    def value_units(self):
        """Unit of every single value by name."""
        return texts(self, lib.aet_table_value_count, lib.aet_table_value_name, lib.aet_table_value_unit)

    def value(self, name):
        """One of the single values. AET_ERROR_UNKNOWN_OPTION names those there are."""
        value = ctypes.c_double()
        lib.aet_table_value(self, name, value)
        return value.value

    def histogram(self, column, by=None, bins=0):
        """Counts the values of a column in equal bins: a table with the columns lower, upper and count; with `by`, another
        column, also count_c for every value c of it. `bins` 0: automatic."""
        return Table._of(lib.aet_table_histogram(self, column, by, bins))

    def error_profile(self, column, width=4):
        """Of a table of `Atoms.accuracy`: errors of position and of tracing in bins of `width` of a column such as "depth"
        (the papers take 4 A) or "surface_distance". Columns: lower, upper; true_count, matched, missing, extra,
        wrong_species; in pm rmsd, rmsd_x, rmsd_y, rmsd_z, quartile_1, median, quartile_3, largest, mean, smallest,
        whisker_low, whisker_high; the number of outliers beyond the whiskers."""
        return Table._of(lib.aet_table_error_profile(self, column, width))

    def error_histogram(self, column, width=4, bins=0):
        """Of a table of `Atoms.accuracy`: histograms of errors within bins of `width` of a column such as "depth", all over
        the same `bins` (0: automatic). Columns: lower, upper (pm), count, and count_l for the bin that begins at l."""
        return Table._of(lib.aet_table_error_histogram(self, column, width, bins))

    def confusion(self):
        """Of a table of `Atoms.accuracy`: a row per true species, then one of extra atoms; a column per found species,
        called by its symbol, `missing`, and the `rate` that was found with its species."""
        return Table._of(lib.aet_table_confusion(self))

    def write(self, path):
        """Writes text: single values as comments, names and units of the columns, then one line per row, columns between
        commas; numbers read back to the last bit."""
        lib.aet_table_write(self, path)

    def __getitem__(self, name):
        out = np.zeros(self.rows)
        lib.aet_table_copy_column(self, name, out)
        return out

    def __contains__(self, name):
        return name in self.units

    def get(self, name, default=None):
        """The column, or `default` where there is none."""
        return self[name] if name in self else default

    def __iter__(self):
        return iter(self.units)

    def __len__(self):
        return lib.aet_table_column_count(self)

    def _describe(self):
        return f"{self.rows} rows: {', '.join(self)}"


def rmsd_trend(atoms, rmsd, limit=0):
    """Lines through the errors `rmsd` (pm) of models of `atoms` atoms: a `Table` of the points with `line` and `line_origin`,
    and the values slope, slope_origin (pm per million atoms), intercept, standard errors and residuals (pm), and
    atoms_at_limit, atoms_at_limit_origin, where the lines reach `limit` pm (0: 10). AET_ERROR_EMPTY for fewer than two
    models."""
    atoms, rmsd = numeric(atoms, "atoms").astype(float), numeric(rmsd, "rmsd").astype(float)
    return Table._of(lib.aet_rmsd_trend(atoms, rmsd, limit))


def texts(table, count, name, unit):
    """Units by names."""
    return {copied_text(name, table, i): copied_text(unit, table, i) for i in range(count(table))}
