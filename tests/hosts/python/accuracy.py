"""Accuracy of traced atoms, and tables: what comes back, and bad input."""

import pathlib
import sys

import numpy as np

import aet
from checks import check, check_fault

SCRATCH = pathlib.Path(sys.argv[-1])


def accuracy_is_told():
    places = 3.0 * np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1).reshape(27, 3)
    places = places[:, ::-1].copy()
    species = np.full(27, 79)
    truth = aet.Atoms(places, species=species)
    places[26] = [0, 0, 9]
    species[0] = 29
    found = aet.Atoms(places, species=species)
    check("tracing error", found.compare(truth).tracing_error == 2 / 27)
    table = found.accuracy(truth)
    check("found and missing atoms", table.rows == 28 and list(table["state"][[0, 1, 26, 27]]) == [1, 0, 2, 3])
    check("single values", table.single_values["tracing_error"] == table.value("tracing_error") == 2 / 27)
    check("units", table.units["depth"] == "A" and table.value_units["rmsd"] == "pm")
    check("indices", table["true_index"][27] == 26 and np.isnan(table["true_index"][26]))
    columns = dict(table)
    check("a mapping", len(columns) == len(table) and "depth" in table and "flag" not in table and table.get("flag") is None)
    check("surface", abs(columns["surface_distance"][13] - 3) < 1e-6)
    profile = table.error_profile("depth", 4)
    check("errors against depth", list(profile["true_count"]) == [9, 18, 0, 0])
    check("a box plot", profile["outliers"].sum() == 0 and profile["whisker_high"][1] == profile["largest"][1])
    intervals = table.error_histogram("depth", bins=3)
    check("errors by depth", intervals["count"].sum() == 26 and intervals["count_0"].sum() == 17)
    trend = aet.rmsd_trend([100, 200, 300], [1.5, 2.0, 2.5])
    check("a trend", abs(trend.value("slope") - 5000) < 1e-8 and abs(trend.value("atoms_at_limit") - 1800) < 1e-8)
    check_fault(lambda: aet.rmsd_trend([100], [1.5]), "a line through one point", "empty", "two")
    check_fault(lambda: aet.rmsd_trend([100, 200], [1.5]), "one error too few", "shape", "rmsd")
    check("depth of field", abs(aet.Probe(300e3, 25).depth_of_field - 63) < 0.01)
    matrix = table.confusion()
    check("confusion", list(matrix) == ["true_species", "Cu", "Au", "missing", "rate"] and list(matrix["Cu"]) == [1, 0])
    counts = table.histogram("surface_distance", by="state", bins=3)
    check("histogram", counts["count"].sum() == 28 and list(counts["count_2"]) == [1, 0, 0])
    table.write(SCRATCH / "accuracy.csv")
    check("file", "tracing_error" in (SCRATCH / "accuracy.csv").read_text())
    along = found.accuracy(truth, depth_axis=(2, 0, 0), probe_radius=5)["depth"]
    check("an axis of depth", np.array_equal(along[:2], 2 * places[:2, 0]))
    check_fault(lambda: table["flag"], "unknown column", "unknown_option", "surface_distance")
    check_fault(lambda: found.accuracy(truth, cutoff=-1), "negative cutoff of accuracy", "range", "cutoff")
    check_fault(lambda: table.error_profile("depth", 0), "no bins", "range", "width")
    check_fault(profile.confusion, "confusion of a profile", "unknown_option", "true_species")
    check_fault(lambda: found.accuracy(truth, progress=lambda p: False), "a stopped report", "cancelled")
    found.close()
    check("tables outlive atoms", table.rows == 28 and "28 rows" in repr(table))
    table.close()
    check_fault(lambda: table["state"], "closed table", "stale_handle", "Table")
