/* The search for atoms: species, starts, supports, what it records, and bad input. */
#ifndef AET_TESTS_FINDING_H
#define AET_TESTS_FINDING_H

#include <math.h>

#include "problem.h"

enum { MANY = ATOMS + 1 };

static aet_find_options short_search(const aet_atoms *start)
{
    aet_find_options options;
    require(aet_find_options_init(&options, sizeof options), "find options");
    options.start = start;
    options.max_cycles = 2;
    options.fit_iterations = 15;
    return options;
}

static void check_species_of(const aet_atoms *atoms)
{
    int32_t species[ATOMS];
    const int64_t count = ATOMS;
    const aet_view view = aet_view_c(species, AET_DTYPE_I32, 1, &count);
    expect("species found", aet_atoms_copy_column(atoms, "species", &view), AET_OK, "");
    int named = 1;
    for (int i = 0; i < ATOMS; i++) named = named && (species[i] == 14 || species[i] == 79);
    check("species are those looked for", named);
}

static void check_recorded_search(const aet_dataset *dataset, const aet_atoms *start)
{
    const int32_t numbers[2] = {14, 79};
    const int64_t two = 2;
    const aet_const_view elements = aet_const_view_c(numbers, AET_DTYPE_I32, 1, &two);
    aet_find_options options = short_search(start);
    options.elements = &elements;
    options.free = "drift, scale";
    options.isolation = INFINITY;
    options.split = INFINITY;
    aet_atoms *found = NULL, *traced = NULL;
    aet_table *cycles = NULL, *decisions = NULL;
    aet_orbital *orbital = NULL;
    expect_any(
        "atoms found from a start",
        aet_dataset_find_atoms(dataset, NULL, &options, NULL, NULL, &found, &traced, &cycles, &orbital, &decisions),
        AET_OK, AET_MAX_ITERATIONS, "");
    check("all of them", aet_atoms_count(found) == ATOMS && aet_atoms_count(traced) == ATOMS);
    check_species_of(found);
    const int64_t fits = aet_table_row_count(cycles);
    check("a row per fit", fits == 1 || fits == 2);
    double r_factors[2] = {0, 0}, before = 0, model = -1, moved = -1;
    const aet_view view = aet_view_c(r_factors, AET_DTYPE_F64, 1, &fits);
    expect("R factors", aet_table_copy_column(cycles, "r_factor", &view), AET_OK, "");
    expect("that of the start", aet_table_value(cycles, "r_factor_traced", &before), AET_OK, "");
    check("fits lower it", r_factors[fits - 1] > 0 && r_factors[fits - 1] < before);
    expect("the model", aet_table_value(cycles, "model", &model), AET_OK, "");
    expect("what became of the positions", aet_table_value(cycles, "moved", &moved), AET_OK, "");
    check("direct without a probe, and moved where no image is held out", model == AET_LOT_MODEL_DIRECT && moved == 1);
    check("the atoms have a shape", aet_orbital_term_count(orbital) > 0);
    check("decisions have columns", aet_table_column_count(decisions) == 9);
    aet_orbital_free(orbital);
    aet_atoms_free(found);
    aet_atoms_free(traced);
    aet_table_free(cycles);
    aet_table_free(decisions);
}

static aet_status search(const aet_dataset *dataset, const aet_find_options *options, aet_atoms **found)
{
    return aet_dataset_find_atoms(dataset, NULL, options, NULL, NULL, found, NULL, NULL, NULL, NULL);
}

/* What the images decide unless they are not asked: the shape of the atoms, the model, whether atoms move. */
static void check_kept_search(const aet_dataset *dataset, const aet_probe *probe, const aet_atoms *start)
{
    aet_lot_options fit = lot_options(AET_LOT_MODEL_RIGID);
    require(aet_orbital_create_slater(0, (aet_orbital **)&fit.orbital), "Slater function");
    aet_find_options options = short_search(start);
    options.fit = &fit;
    options.keep_model = 1;
    options.keep_orbital = 1;
    options.hold_out = 0;
    aet_atoms *found = NULL;
    aet_table *cycles = NULL;
    aet_orbital *orbital = NULL;
    double model = -1, moved = -1;
    expect_any("atoms found without a choice",
               aet_dataset_find_atoms(dataset, probe, &options, NULL, NULL, &found, NULL, &cycles, &orbital, NULL),
               AET_OK, AET_MAX_ITERATIONS, "");
    require(aet_table_value(cycles, "model", &model), "model");
    require(aet_table_value(cycles, "moved", &moved), "moved");
    check("the model is kept", model == AET_LOT_MODEL_RIGID && moved == 1);
    check("the orbital is kept", aet_orbital_term_count(orbital) == aet_orbital_term_count(fit.orbital));
    aet_orbital_free((aet_orbital *)fit.orbital);
    aet_orbital_free(orbital);
    aet_table_free(cycles);
    aet_atoms_free(found);
}

/* Orbitals on a grid are more than there are atoms; what became of each is told. */
static void check_grid_search(const aet_dataset *dataset, const aet_atoms *start)
{
    aet_find_options options = short_search(NULL);
    options.first_guess = AET_FIRST_GUESS_GRID;
    aet_atoms *found = NULL;
    aet_table *cycles = NULL, *decisions = NULL;
    expect_any("atoms found from a grid",
               aet_dataset_find_atoms(dataset, NULL, &options, NULL, NULL, &found, NULL, &cycles, NULL, &decisions),
               AET_OK, AET_MAX_ITERATIONS, "");
    check("atoms are left", aet_atoms_count(found) > 0);
    check("coarse fits come first", aet_table_row_count(cycles) > 2);
    check("what became of the others is told", aet_table_row_count(decisions) > aet_atoms_count(found));
    aet_atoms_free(found);
    aet_table_free(cycles);
    aet_table_free(decisions);

    found = NULL;
    options.start = start;
    expect_nothing("a grid and a start", search(dataset, &options, &found), AET_ERROR_INCONSISTENT, "start", found);
    options.start = NULL;
    options.grid_spacing = 0.01;
    expect_nothing("a grid finer than pixels", search(dataset, &options, &found), AET_ERROR_RANGE, "size of a pixel",
                   found);
    options.first_guess = 2;
    expect_nothing("first guess 2", search(dataset, &options, &found), AET_ERROR_UNKNOWN_OPTION, "first_guess", found);
}

static void check_refused_elements(const aet_dataset *dataset, const aet_atoms *start)
{
    const double unknown[2] = {14, 104}, twice[2] = {14, 14}, huge = 300, half = 1.5;
    const int32_t many[MANY] = {1, 2, 3, 4, 5, 6};
    const int64_t one = 1, two = 2, more = MANY;
    const aet_const_view views[5] = {
        aet_const_view_c(unknown, AET_DTYPE_F64, 1, &two), aet_const_view_c(twice, AET_DTYPE_F64, 1, &two),
        aet_const_view_c(&huge, AET_DTYPE_F64, 1, &one), aet_const_view_c(&half, AET_DTYPE_F64, 1, &one),
        aet_const_view_c(many, AET_DTYPE_I32, 1, &more)};
    const char *what[5] = {"element 104", "an element twice", "element 300", "half an element",
                           "more elements than atoms"};
    const char *mention[5] = {"104", "once", "elements[0]", "elements", "6 species"};
    const aet_status wanted[5] = {AET_ERROR_RANGE, AET_ERROR_RANGE, AET_ERROR_RANGE, AET_ERROR_RANGE,
                                  AET_ERROR_INCONSISTENT};
    aet_atoms *found = NULL;
    for (int i = 0; i < 5; i++) {
        aet_find_options options = short_search(start);
        options.elements = &views[i];
        expect_nothing(what[i], search(dataset, &options, &found), wanted[i], mention[i], found);
    }
}

static void check_refused_search(const aet_context *context, const aet_dataset *dataset, const aet_atoms *start)
{
    check_refused_elements(dataset, start);
    aet_atoms *found = NULL;
    aet_find_options options = short_search(start);
    options.free = "drift,nonsense";
    expect_nothing("a block that is not there", search(dataset, &options, &found), AET_ERROR_UNKNOWN_OPTION, "nonsense",
                   found);
    options = short_search(start);
    options.split = 0.5;
    expect_nothing("split 0.5", search(dataset, &options, &found), AET_ERROR_RANGE, "split", found);
    options = short_search(start);
    options.isolation = -1;
    expect_nothing("isolation -1", search(dataset, &options, &found), AET_ERROR_RANGE, "isolation", found);

    options = short_search(start);
    options.hold_out = 0.6;
    expect_nothing("hold_out 0.6", search(dataset, &options, &found), AET_ERROR_RANGE, "hold_out", found);
    options = short_search(start);
    options.hold_out = NAN;
    expect_nothing("hold_out NaN", search(dataset, &options, &found), AET_ERROR_RANGE, "hold_out", found);
    options = short_search(start);
    options.keep_model = 2;
    expect_nothing("keep_model 2", search(dataset, &options, &found), AET_ERROR_RANGE, "keep_model", found);
    options = short_search(start);
    options.keep_orbital = -1;
    expect_nothing("keep_orbital -1", search(dataset, &options, &found), AET_ERROR_RANGE, "keep_orbital", found);

    const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t shape[3] = {2, 2, 2};
    const aet_const_view view = aet_const_view_c(ones, AET_DTYPE_F32, 3, shape);
    aet_volume *small = NULL;
    require(aet_volume_create(context, &view, PIXEL_SIZE, &small), "a small volume");
    options = short_search(start);
    options.support = small;
    expect_nothing("support of another shape", search(dataset, &options, &found), AET_ERROR_SHAPE, "support", found);
    aet_volume_free(small);
    expect_nothing("a freed support", search(dataset, &options, &found), AET_ERROR_STALE_HANDLE, "aet_volume", found);
    options = short_search((const aet_atoms *)dataset);
    expect_nothing("a dataset as start", search(dataset, &options, &found), AET_ERROR_STALE_HANDLE, "aet_atoms", found);
}

/* The dataset shows the atoms, which lie a little beside it. */
static void check_finding(const fit *f)
{
    printf("# search for atoms\n");
    check_recorded_search(f->dataset, f->atoms);
    check_kept_search(f->dataset, f->probe, f->atoms);
    check_grid_search(f->dataset, f->atoms);
    check_refused_search(f->context, f->dataset, f->atoms);
}

#endif
