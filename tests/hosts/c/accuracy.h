/* Accuracy of traced atoms, and the tables in which results with many columns come. */
#ifndef AET_TESTS_ACCURACY_H
#define AET_TESTS_ACCURACY_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "aet.h"
#include "check.h"

/* A cube of 27 gold atoms, 3 angstrom apart; found: all but the last, the first as copper, and one too many. */
static aet_atoms *traced_cube(int found)
{
    double places[27][3];
    int32_t species[27];
    for (int i = 0; i < 27; i++) {
        const int at[3] = {i % 3, i / 3 % 3, i / 9};
        for (int k = 0; k < 3; k++) places[i][k] = 3.0 * at[k] - 3;
        species[i] = 79;
    }
    if (found) {
        places[26][0] = places[26][1] = 0, places[26][2] = 9;
        species[0] = 29;
    }
    const int64_t shape[2] = {27, 3};
    const aet_const_view positions = aet_const_view_c(places, AET_DTYPE_F64, 2, shape);
    const aet_const_view elements = aet_const_view_c(species, AET_DTYPE_I32, 1, shape);
    aet_atoms *atoms = NULL;
    require(aet_atoms_create(&positions, &elements, NULL, NULL, &atoms), "a cube of atoms");
    return atoms;
}

/* The column of a table whose rows fit into `values`; false where there is none. */
static int read_column(const aet_table *table, const char *name, double *values, int64_t most)
{
    const int64_t rows = aet_table_row_count(table);
    const aet_view view = aet_view_c(values, AET_DTYPE_F64, 1, &rows);
    return rows <= most && aet_table_copy_column(table, name, &view) == AET_OK;
}

static void check_accuracy_condensed(const aet_table *table)
{
    double values[28];
    aet_table *profile = NULL, *matrix = NULL, *histogram = NULL, *intervals = NULL, *none = NULL;
    expect("errors against depth", aet_table_error_profile(table, "depth", 4, &profile), AET_OK, "");
    const double atoms[4] = {9, 18, 0, 0};
    check("bins of 4 angstrom", aet_table_row_count(profile) == 4 && read_column(profile, "true_count", values, 28) &&
                                    memcmp(values, atoms, sizeof atoms) == 0);
    check("extra atoms in bins", read_column(profile, "extra", values, 28) && values[3] == 1 && values[0] == 0);
    check("whiskers", read_column(profile, "outliers", values, 28) && values[0] == 0 && values[1] == 0);
    expect("errors by depth", aet_table_error_histogram(table, "depth", 4, 3, &intervals), AET_OK, "");
    check("a histogram per slab", read_column(intervals, "count_0", values, 28) && values[0] + values[1] + values[2] == 17);
    aet_table_free(intervals);
    expect("histograms without slabs", aet_table_error_histogram(table, "depth", 0, 3, &none), AET_ERROR_RANGE, "width");
    expect("confusion", aet_table_confusion(table, &matrix), AET_OK, "");
    check("a matrix", aet_table_row_count(matrix) == 2 && aet_table_column_count(matrix) == 5);
    check("gold as copper", read_column(matrix, "Cu", values, 28) && values[0] == 1 && values[1] == 0);
    expect("histogram", aet_table_histogram(table, "surface_distance", "state", 3, &histogram), AET_OK, "");
    check("a column per state", aet_table_column_count(histogram) == 7 && read_column(histogram, "count_2", values, 28) &&
                                    values[0] == 1);
    expect("profile of no column", aet_table_error_profile(table, "height", 4, &none), AET_ERROR_UNKNOWN_OPTION, "depth");
    expect("profile without bins", aet_table_error_profile(table, "depth", 0, &none), AET_ERROR_RANGE, "width");
    expect("profile of a profile", aet_table_error_profile(profile, "lower", 1, &none), AET_ERROR_UNKNOWN_OPTION, "state");
    expect("confusion of a profile", aet_table_confusion(profile, &none), AET_ERROR_UNKNOWN_OPTION, "true_species");
    expect("bins below 0", aet_table_histogram(table, "depth", NULL, -1, &none), AET_ERROR_RANGE, "bins");
    check("nothing is written on failure", none == NULL);
    aet_table_free(histogram);
    aet_table_free(matrix);
    aet_table_free(profile);
}

/* A line through the errors of three models, and what has no line. */
static void check_trend(void)
{
    const double atoms[3] = {100, 200, 300}, rmsd[3] = {1.5, 2, 2.5};
    const int64_t three = 3, one = 1;
    const aet_const_view x = aet_const_view_c(atoms, AET_DTYPE_F64, 1, &three);
    const aet_const_view y = aet_const_view_c(rmsd, AET_DTYPE_F64, 1, &three);
    const aet_const_view few = aet_const_view_c(rmsd, AET_DTYPE_F64, 1, &one);
    aet_table *trend = NULL, *none = NULL;
    double slope = 0, count = 0;
    expect("a trend", aet_rmsd_trend(&x, &y, 0, &trend), AET_OK, "");
    expect("its slope", aet_table_value(trend, "slope", &slope), AET_OK, "");
    expect("atoms at 10 pm", aet_table_value(trend, "atoms_at_limit", &count), AET_OK, "");
    check("its line", fabs(slope - 5000) < 1e-8 && fabs(count - 1800) < 1e-8);
    expect("one error too few", aet_rmsd_trend(&x, &few, 0, &none), AET_ERROR_SHAPE, "rmsd");
    expect("a line through one point", aet_rmsd_trend(&few, &few, 0, &none), AET_ERROR_EMPTY, "two");
    expect("no numbers of atoms", aet_rmsd_trend(NULL, &y, 0, &none), AET_ERROR_NULL, "atoms");
    expect("a limit below 0", aet_rmsd_trend(&x, &y, -1, &none), AET_ERROR_RANGE, "limit");
    check("nothing is written on failure", none == NULL);
    aet_table_free(trend);
}

static void check_table(const aet_table *table, const char *file)
{
    char name[16] = "";
    size_t needed = 0;
    double value = 0, short_one[3];
    const int64_t three = 3;
    const aet_view place = aet_view_c(short_one, AET_DTYPE_F64, 1, &three);
    expect("size of a name", aet_table_column_name(table, 3, NULL, 0, &needed), AET_OK, "");
    expect("name of a column", aet_table_column_name(table, 3, name, sizeof name, NULL), AET_OK, "");
    check("state", needed == 6 && strcmp(name, "state") == 0);
    expect("unit of a column", aet_table_column_unit(table, 0, name, sizeof name, NULL), AET_OK, "");
    check("angstrom", strcmp(name, "A") == 0);
    expect("name of a value", aet_table_value_name(table, 0, name, sizeof name, NULL), AET_OK, "");
    check("true_count", strcmp(name, "true_count") == 0 && aet_table_value_count(table) == 13);
    expect("no column of this number", aet_table_column_name(table, 99, name, sizeof name, NULL), AET_ERROR_RANGE, "index");
    expect("no value of this number", aet_table_value_unit(table, -1, name, sizeof name, NULL), AET_ERROR_RANGE, "index");
    expect("too small a buffer", aet_table_column_name(table, 3, name, 2, NULL), AET_ERROR_RANGE, "6");
    expect("no such column", aet_table_copy_column(table, "flag", &place), AET_ERROR_UNKNOWN_OPTION, "surface_distance");
    expect("too few places", aet_table_copy_column(table, "state", &place), AET_ERROR_SHAPE, "[28]");
    expect("no such value", aet_table_value(table, "flag", &value), AET_ERROR_UNKNOWN_OPTION, "tracing_error");
    expect("no place for a value", aet_table_value(table, "rmsd", NULL), AET_ERROR_NULL, "value");
    expect("a value", aet_table_value(table, "tracing_error", &value), AET_OK, "");
    check("tracing error", value == 2.0 / 27);
    expect("a folder that is not there", aet_table_write(table, "/nowhere/at/all.csv"), AET_ERROR_FILE, "nowhere");
    expect("a file", aet_table_write(table, file), AET_OK, "");
}

static void check_accuracy(const aet_context *context, const char *file)
{
    printf("# accuracy and tables\n");
    aet_atoms *truth = traced_cube(0), *found = traced_cube(1);
    aet_accuracy_options options;
    aet_table *table = NULL, *none = NULL;
    aet_comparison comparison = {sizeof comparison, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, 0, 0, 0};
    double values[28];
    expect("options of accuracy", aet_accuracy_options_init(&options, sizeof options), AET_OK, "");
    expect("compared", aet_atoms_compare(found, truth, NULL, &comparison, NULL), AET_OK, "");
    check("tracing error of a comparison", comparison.tracing_error == 2.0 / 27);
    expect("no true atoms", aet_atoms_accuracy(context, found, NULL, NULL, NULL, NULL, &none), AET_ERROR_NULL, "truth");
    expect("no place for the table", aet_atoms_accuracy(context, found, truth, NULL, NULL, NULL, NULL), AET_ERROR_NULL,
           "table");
    options.probe_radius = -1;
    expect("negative probe", aet_atoms_accuracy(context, found, truth, &options, NULL, NULL, &none), AET_ERROR_RANGE,
           "probe_radius");
    options.probe_radius = 0;
    options.depth_axis[0] = NAN;
    expect("depth NaN", aet_atoms_accuracy(context, found, truth, &options, NULL, NULL, &none), AET_ERROR_RANGE,
           "depth_axis");
    check("nothing is written on failure", none == NULL);
    expect("accuracy", aet_atoms_accuracy(context, found, truth, NULL, NULL, NULL, &table), AET_OK, "");
    check("found and missing atoms", aet_table_row_count(table) == 28 && read_column(table, "state", values, 28) &&
                                         values[0] == AET_ATOM_STATE_WRONG_SPECIES && values[1] == AET_ATOM_STATE_CORRECT &&
                                         values[26] == AET_ATOM_STATE_EXTRA && values[27] == AET_ATOM_STATE_MISSING);
    check("distances to the surface", read_column(table, "surface_distance", values, 28) &&
                                          fabs(values[13] - 3) < 1e-6 && values[0] < 1e-6 && fabs(values[26] + 6) < 1e-6);
    check_accuracy_condensed(table);
    check_trend();
    check_table(table, file);
    aet_atoms_free(truth); /* tables need nothing of what they were made from */
    aet_atoms_free(found);
    check("tables outlive atoms", read_column(table, "true_index", values, 28) && values[27] == 26 && isnan(values[26]));
    aet_table_free(table);
    check("no rows of a freed table", aet_table_row_count(table) == 0 && aet_table_row_count(NULL) == 0);
}

#endif
