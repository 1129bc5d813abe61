/* Species of atoms by a volume and by heights: what comes back, and bad input. */
#ifndef AET_TESTS_CLASSIFICATION_H
#define AET_TESTS_CLASSIFICATION_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { CRYSTAL_EDGE = 24, CRYSTAL_ATOMS = 27 };

/* 27 places on a lattice; every third is empty, every third holds Cu, the others Au. */
typedef struct crystal {
    aet_volume *volume;
    aet_atoms *atoms, *with_heights;
    double heights[CRYSTAL_ATOMS];
} crystal;

static int32_t stop_classification(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static crystal make_crystal(const aet_context *context)
{
    static float values[CRYSTAL_EDGE * CRYSTAL_EDGE * CRYSTAL_EDGE];
    const int64_t shape[3] = {CRYSTAL_EDGE, CRYSTAL_EDGE, CRYSTAL_EDGE};
    const int64_t of_positions[2] = {CRYSTAL_ATOMS, 3}, of_heights[1] = {CRYSTAL_ATOMS};
    double positions[CRYSTAL_ATOMS][3];
    crystal c = {NULL, NULL, NULL, {0}};
    memset(values, 0, sizeof values);
    for (int i = 0; i < CRYSTAL_ATOMS; i++) {
        const int at[3] = {6 + 6 * (i % 3), 6 + 6 * (i / 3 % 3), 6 + 6 * (i / 9)}; /* x, y, z */
        c.heights[i] = (i % 3) * (1 + 0.01 * (i * 7 % 5)) + 0.003 * (i % 4);
        for (int a = 0; a < 3; a++) positions[i][a] = 0.4 * (at[a] - CRYSTAL_EDGE / 2);
        for (int z = at[2] - 4; z <= at[2] + 4; z++)
            for (int y = at[1] - 4; y <= at[1] + 4; y++)
                for (int x = at[0] - 4; x <= at[0] + 4; x++) {
                    const int dx = x - at[0], dy = y - at[1], dz = z - at[2];
                    values[(z * CRYSTAL_EDGE + y) * CRYSTAL_EDGE + x] +=
                        (float)(c.heights[i] * exp(-(dx * dx + dy * dy + dz * dz) / 3.0));
                }
    }
    const aet_const_view volume = aet_const_view_c(values, AET_DTYPE_F32, 3, shape);
    const aet_const_view places = aet_const_view_c(positions, AET_DTYPE_F64, 2, of_positions);
    const aet_const_view heights = aet_const_view_c(c.heights, AET_DTYPE_F64, 1, of_heights);
    require(aet_volume_create(context, &volume, 0.4, &c.volume), "a crystal");
    require(aet_atoms_create(&places, NULL, NULL, NULL, &c.atoms), "its atoms");
    require(aet_atoms_create(&places, NULL, &heights, NULL, &c.with_heights), "its atoms with heights");
    return c;
}

static aet_classify_options copper_and_gold(void)
{
    aet_classify_options options;
    (void)aet_classify_options_init(&options, sizeof options);
    options.species[0] = 29;
    options.species[1] = 79;
    options.non_atoms = 1;
    return options;
}

/* Whether class i of the table is i % 3 everywhere. */
static int classes_are_true(const aet_table *table)
{
    double classes[CRYSTAL_ATOMS];
    const int64_t shape[1] = {CRYSTAL_ATOMS};
    const aet_view out = aet_view_c(classes, AET_DTYPE_F64, 1, shape);
    if (aet_table_copy_column(table, "class", &out) != AET_OK) return 0;
    for (int i = 0; i < CRYSTAL_ATOMS; i++)
        if (classes[i] != i % 3) return 0;
    return 1;
}

static void check_methods(const crystal *c)
{
    for (int32_t method = 0; method < 4; method++) {
        aet_classify_options options = copper_and_gold();
        aet_atoms *atoms = NULL;
        aet_table *table = NULL, *classes = NULL;
        double converged = 0;
        options.method = method;
        options.smoothing = 0.2;
        expect("classification",
               aet_atoms_classify(c->atoms, c->volume, &options, NULL, NULL, &atoms, &table, &classes), AET_OK, "");
        check("it finds the classes", classes_are_true(table));
        check("non-atoms are gone", aet_atoms_count(atoms) == 18 && aet_table_row_count(classes) == 3);
        check("it converges", aet_table_value(classes, "converged", &converged) == AET_OK && converged == 1);
        aet_table_free(classes);
        aet_table_free(table);
        aet_atoms_free(atoms);
    }
}

static void check_heights(const crystal *c)
{
    aet_classify_options options = copper_and_gold();
    aet_table *table = NULL, *histogram = NULL;
    aet_atoms *atoms = NULL;
    expect("by heights, one result of three",
           aet_atoms_classify(c->with_heights, NULL, &options, NULL, NULL, NULL, &table, NULL), AET_OK, "");
    check("heights find the classes", classes_are_true(table));
    expect("histogram", aet_table_histogram(table, "intensity", "class", 12, &histogram), AET_OK, "");
    check("a count per class", aet_table_column_count(histogram) == 6);
    expect("no heights", aet_atoms_classify(c->atoms, NULL, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_NOT_READY, "no heights");
    options.method = AET_CLASSIFY_METHOD_EXPECTED;
    expect("non-atoms of what is expected", aet_atoms_classify(c->with_heights, NULL, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_INCONSISTENT, "non-atoms");
    options.non_atoms = 0, options.expected[0] = 0.4, options.expected[1] = 1;
    aet_table *expected = NULL;
    expect("by what is expected", aet_atoms_classify(c->with_heights, NULL, &options, NULL, NULL, NULL, &expected, NULL),
           AET_OK, "");
    check("a class per species", aet_table_column_count(expected) == 7);
    aet_table_free(expected);
    options = copper_and_gold();
    options.expected[0] = 1;
    expect("strengths of another method", aet_atoms_classify(c->with_heights, NULL, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_INCONSISTENT, "strengths");
    options.expected[0] = 0;
    options.method = AET_CLASSIFY_METHOD_PROFILE_LOCAL;
    expect("profiles of heights", aet_atoms_classify(c->with_heights, NULL, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_UNSUPPORTED, "profiles");
    check("failures write no handle", atoms == NULL);
    aet_table_free(histogram);
    aet_table_free(table);
}

static void refuse_classification(const crystal *c, const char *what, const aet_classify_options *options,
                                  aet_status wanted, const char *mention)
{
    aet_atoms *atoms = NULL;
    aet_table *table = NULL, *classes = NULL;
    expect(what, aet_atoms_classify(c->atoms, c->volume, options, NULL, NULL, &atoms, &table, &classes), wanted,
           mention);
    if (atoms != NULL || table != NULL || classes != NULL) check("nothing is written on failure", 0);
}

static void check_bad_classification(const aet_context *context, const crystal *c)
{
    aet_classify_options options = copper_and_gold();
    refuse_classification(c, "no options", NULL, AET_ERROR_NULL, "options");
    options.species[1] = options.non_atoms = 0;
    refuse_classification(c, "one species", &options, AET_ERROR_INCONSISTENT, "nothing to tell apart");
    options.species[0] = 0;
    refuse_classification(c, "no species", &options, AET_ERROR_EMPTY, "species");
    options.species[2] = 79;
    refuse_classification(c, "a gap", &options, AET_ERROR_INCONSISTENT, "zero between");
    options.species[0] = options.species[1] = 104;
    refuse_classification(c, "element 104", &options, AET_ERROR_RANGE, "species");
    options.species[0] = options.species[1] = 79;
    refuse_classification(c, "gold twice", &options, AET_ERROR_INCONSISTENT, "twice");
    options = copper_and_gold();
    options.method = 9;
    refuse_classification(c, "unknown method", &options, AET_ERROR_UNKNOWN_OPTION, "AET_CLASSIFY_METHOD_K_MEANS = 1");
    options = copper_and_gold();
    options.region = 9;
    refuse_classification(c, "unknown region", &options, AET_ERROR_UNKNOWN_OPTION, "AET_REGION_SPHERE = 2");
    options = copper_and_gold();
    options.region_size = 4;
    refuse_classification(c, "box of 4 voxels", &options, AET_ERROR_RANGE, "edge of the box");
    options.region_size = NAN;
    refuse_classification(c, "box of NaN voxels", &options, AET_ERROR_RANGE, "region_size");
    options.region = AET_REGION_SPHERE;
    refuse_classification(c, "sphere of NaN", &options, AET_ERROR_RANGE, "radius of the sphere");
    options = copper_and_gold();
    options.smoothing = -1;
    refuse_classification(c, "smoothing -1", &options, AET_ERROR_RANGE, "smoothing");
    options = copper_and_gold();
    options.radius = INFINITY;
    refuse_classification(c, "infinite radius", &options, AET_ERROR_RANGE, "radius");
    options = copper_and_gold();
    options.otsu_mask = 2;
    refuse_classification(c, "mask 2", &options, AET_ERROR_RANGE, "otsu_mask");

    options = copper_and_gold();
    aet_atoms *atoms = NULL, *far = NULL, *two = NULL;
    const double shift[3] = {100, 0, 0};
    const int64_t few[2] = {0, 1}, three[1] = {3};
    const aet_const_view by = aet_const_view_c(shift, AET_DTYPE_F64, 1, three);
    expect("stopped", aet_atoms_classify(c->atoms, c->volume, &options, stop_classification, NULL, &atoms, NULL, NULL),
           AET_CANCELLED, "");
    require(aet_atoms_shift(c->atoms, &by, &far), "atoms elsewhere");
    require(aet_atoms_subset(c->atoms, few, 2, &two), "two atoms");
    expect("outside", aet_atoms_classify(far, c->volume, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_INCONSISTENT, "x of atom 0 is 97.6");
    expect("more classes than atoms", aet_atoms_classify(two, c->volume, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_INCONSISTENT, "3 distinct values, 2");
    const float ones[27] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t shape[3] = {3, 3, 3};
    const aet_const_view values = aet_const_view_c(ones, AET_DTYPE_F32, 3, shape);
    aet_volume *flat = NULL;
    require(aet_volume_create(context, &values, 5, &flat), "a constant volume");
    expect("constant", aet_atoms_classify(c->atoms, flat, &options, NULL, NULL, &atoms, NULL, NULL),
           AET_ERROR_INCONSISTENT, "nothing tells species apart");
    check("failures write no handle", atoms == NULL);
    aet_volume_free(flat);
    aet_atoms_free(two);
    aet_atoms_free(far);
}

static void check_classification(const aet_context *context)
{
    crystal c = make_crystal(context);
    check_methods(&c);
    check_heights(&c);
    check_bad_classification(context, &c);
    aet_atoms_free(c.with_heights);
    aet_atoms_free(c.atoms);
    aet_volume_free(c.volume);
}

#endif
