/* Shapes of local orbitals: their values, a fit with another shape, and bad input. */
#ifndef AET_TESTS_ORBITALS_H
#define AET_TESTS_ORBITALS_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { TABLE = 81 };

static aet_const_view column_of(const double *values, int64_t n)
{
    return aet_const_view_c(values, AET_DTYPE_F64, 1, &n);
}

/* A Gaussian of unit width from 0 to 4 in steps of 0.05. */
static void fill_table(double *radii, double *values)
{
    for (int i = 0; i < TABLE; i++) {
        radii[i] = 0.05 * i;
        values[i] = exp(-radii[i] * radii[i]);
    }
}

static void check_gaussian(void)
{
    const double one = 1, radii[3] = {0, 0.4, 1.1}, width = 0.6;
    const int64_t shape[2] = {3, 3}, pair[2] = {1, 2};
    const aet_const_view ones = column_of(&one, 1), at = column_of(radii, 3);
    double values[3][3], term[2] = {0, 0}, error = 0;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 2, shape), terms = aet_view_c(term, AET_DTYPE_F64, 2, pair);
    const aet_view flat = aet_view_c(values, AET_DTYPE_F64, 1, shape);
    aet_orbital *orbital = NULL;
    expect("a Gaussian", aet_orbital_create_gaussians(&ones, &ones, &orbital), AET_OK, "");
    check("one exact term", aet_orbital_term_count(orbital) == 1 && aet_orbital_expansion_error(orbital) == 0);
    expect("its term", aet_orbital_copy_terms(orbital, &terms), AET_OK, "");
    check("weight and width", term[0] == 1 && term[1] == 1);
    expect("evaluated", aet_orbital_evaluate(orbital, &at, width, &out), AET_OK, "");
    for (int i = 0; i < 3; i++) {
        const double r = radii[i], f = exp(-r * r / width);
        error = fmax(error, fabs(values[i][0] - f));
        error = fmax(error, fabs(values[i][1] + 2 * r / width * f));
        error = fmax(error, fabs(values[i][2] - r * r / (width * width) * f));
    }
    check("exp(-rho^2 / B) and its derivatives", error < 1e-14);

    const double negative = -0.1;
    const aet_const_view behind = column_of(&negative, 1);
    expect("flat output", aet_orbital_evaluate(orbital, &at, width, &flat), AET_ERROR_SHAPE, "out");
    expect("terms into a flat view", aet_orbital_copy_terms(orbital, &flat), AET_ERROR_SHAPE, "out");
    expect("width 0", aet_orbital_evaluate(orbital, &at, 0, &out), AET_ERROR_RANGE, "width");
    expect("width NaN", aet_orbital_evaluate(orbital, &at, NAN, &out), AET_ERROR_RANGE, "width");
    expect("negative radius", aet_orbital_evaluate(orbital, &behind, width, &out), AET_ERROR_RANGE, "radii");
    expect("no radii", aet_orbital_evaluate(orbital, NULL, width, &out), AET_ERROR_NULL, "radii");
    expect("no orbital", aet_orbital_evaluate(NULL, &at, width, &out), AET_ERROR_NULL, "orbital");
    aet_orbital_free(orbital);
}

static void check_expansions(void)
{
    const double zero = 0;
    const int64_t shape[2] = {1, 3};
    const aet_const_view origin = column_of(&zero, 1);
    double value[3] = {0, 0, 0}, radii[TABLE], values[TABLE];
    const aet_view out = aet_view_c(value, AET_DTYPE_F64, 2, shape);
    aet_orbital *orbital = NULL;
    expect("a Slater function", aet_orbital_create_slater(0, &orbital), AET_OK, "");
    check("in 6 terms", aet_orbital_term_count(orbital) == 6);
    check("within the tolerance",
          aet_orbital_expansion_error(orbital) > 0 && aet_orbital_expansion_error(orbital) <= 1e-3);
    expect("at the nucleus", aet_orbital_evaluate(orbital, &origin, 0.5, &out), AET_OK, "");
    check("f(0) is 1 within the tolerance", fabs(value[0] - 1) <= 1.001e-3);
    aet_orbital_free(orbital);
    orbital = NULL;

    fill_table(radii, values);
    const aet_const_view at = column_of(radii, TABLE), given = column_of(values, TABLE);
    expect("a table", aet_orbital_create_table(&at, &given, AET_RADIAL_TABLE_PROJECTED, 0, &orbital), AET_OK, "");
    check("of a Gaussian is one term", aet_orbital_term_count(orbital) == 1);
    aet_orbital_free(orbital);
}

static void check_bad_orbitals(void)
{
    const double one = 1, minus = -1;
    double radii[TABLE], values[TABLE];
    fill_table(radii, values);
    const aet_const_view ones = column_of(&one, 1), negative = column_of(&minus, 1), none = column_of(&one, 0);
    const aet_const_view at = column_of(radii, TABLE), given = column_of(values, TABLE);
    const aet_const_view later = column_of(radii + 1, TABLE - 1), rest = column_of(values + 1, TABLE - 1);
    const aet_const_view three = column_of(values, 3);
    aet_orbital *orbital = NULL;
    expect_nothing("two shapes", aet_orbital_create_gaussians(&three, &ones, &orbital), AET_ERROR_SHAPE, "widths",
                   orbital);
    expect_nothing("no terms", aet_orbital_create_gaussians(&none, &none, &orbital), AET_ERROR_EMPTY, "terms", orbital);
    expect_nothing("negative integral", aet_orbital_create_gaussians(&negative, &ones, &orbital), AET_ERROR_RANGE,
                   "integral", orbital);
    expect_nothing("weights NULL", aet_orbital_create_gaussians(NULL, &ones, &orbital), AET_ERROR_NULL, "weights",
                   orbital);
    expect_nothing("tolerance 2", aet_orbital_create_slater(2, &orbital), AET_ERROR_RANGE, "tolerance", orbital);
    expect("nowhere to put it", aet_orbital_create_slater(0, NULL), AET_ERROR_NULL, "orbital");
    expect_nothing("table from 0.05 on", aet_orbital_create_table(&later, &rest, 0, 0, &orbital), AET_ERROR_RANGE,
                   "first radius", orbital);
    expect_nothing("table cut early", aet_orbital_create_table(&three, &three, 0, 0, &orbital), AET_ERROR_SHAPE,
                   "radii", orbital);
    expect_nothing("one value too few", aet_orbital_create_table(&at, &rest, 0, 0, &orbital), AET_ERROR_SHAPE,
                   "values", orbital);
    expect_nothing("unknown kind", aet_orbital_create_table(&at, &given, 99, 0, &orbital), AET_ERROR_UNKNOWN_OPTION,
                   "kind", orbital);
    expect_nothing("table with tolerance NaN", aet_orbital_create_table(&at, &given, 0, NAN, &orbital),
                   AET_ERROR_RANGE, "tolerance", orbital);
    values[7] = NAN;
    expect_nothing("NaN in a table", aet_orbital_create_table(&at, &given, 0, 0, &orbital), AET_ERROR_NON_FINITE,
                   "index 7 (counted from 0), wanted", orbital);
    check("getters of NULL", aet_orbital_term_count(NULL) == 0 && isnan(aet_orbital_expansion_error(NULL)));
    aet_orbital_free(NULL);
}

/* The loss after three iterations of a fit with these options. */
static double fitted_loss(const fit *f, const aet_lot_options *options)
{
    aet_recon *recon = NULL;
    require(aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, options, &recon), "reconstruction");
    const aet_run_options run = long_run(3);
    require(aet_recon_run(recon, &run, NULL, NULL), "run");
    const double loss = loss_of(recon);
    aet_recon_free(recon);
    return loss;
}

static void check_orbital_of_fit(const fit *f)
{
    const double one = 1;
    const aet_const_view ones = column_of(&one, 1);
    aet_lot_options options = lot_options(AET_LOT_MODEL_RIGID);
    const double gaussian = fitted_loss(f, &options);
    aet_orbital *orbital = NULL, *slater = NULL;
    require(aet_orbital_create_gaussians(&ones, &ones, &orbital), "Gaussian");
    require(aet_orbital_create_slater(0, &slater), "Slater function");
    options.orbital = orbital;
    check("the Gaussian is the default", fitted_loss(f, &options) == gaussian);
    aet_orbital_free(orbital);
    options.orbital = slater;
    const double other = fitted_loss(f, &options);
    check("a fit with another shape is another one", isfinite(other) && other != gaussian);

    aet_recon *recon = NULL;
    require(aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, &options, &recon), "reconstruction");
    aet_orbital_free(slater);
    const aet_run_options run = long_run(3);
    require(aet_recon_run(recon, &run, NULL, NULL), "run");
    check("the fit keeps its orbital", loss_of(recon) == other);
    aet_recon_free(recon);
    recon = NULL;
    expect_nothing("a freed orbital",
                   aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, &options, &recon),
                   AET_ERROR_STALE_HANDLE, "orbital", recon);
    aet_find_options find;
    aet_atoms *found = NULL;
    require(aet_find_options_init(&find, sizeof find), "find options");
    find.fit = &options;
    expect_nothing("a freed orbital of a search",
                   aet_dataset_find_atoms(f->dataset, f->probe, &find, NULL, NULL, &found, NULL, NULL, NULL, NULL),
                   AET_ERROR_STALE_HANDLE, "orbital", found);

    /* A caller built before there were orbitals. */
    const size_t prefix = offsetof(aet_lot_options, orbital);
    memset(&options, 0x5a, sizeof options);
    expect("init of options without an orbital", aet_lot_options_init(&options, prefix), AET_OK, "");
    check("the orbital is not theirs to write", *(const unsigned char *)&options.orbital == 0x5a);
    options.model = AET_LOT_MODEL_RIGID;
    options.precision = AET_PRECISION_DOUBLE;
    check("nor to read", fitted_loss(f, &options) == gaussian);
}

static int32_t stop_shape(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

/* The shape that images tell, and requests that have none. */
static void check_fitted_orbital(const fit *f)
{
    const double many[11] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, one = 1, negative[2] = {1, -1};
    const aet_const_view none = column_of(many, 0), eleven = column_of(many, 11), ones = column_of(&one, 1),
                         bad = column_of(negative, 2);
    const aet_lot_options direct = lot_options(AET_LOT_MODEL_DIRECT);
    aet_recon *recon = NULL, *volume = NULL;
    aet_orbital *orbital = NULL;
    require(aet_recon_create_lot(f->context, f->dataset, NULL, f->atoms, &direct, &recon), "reconstruction");
    const aet_run_options run = long_run(20);
    require(aet_recon_run(recon, &run, NULL, NULL), "run");
    expect("the shape of the atoms", aet_recon_fit_orbital(recon, NULL, NULL, NULL, &orbital), AET_OK, "");
    const int64_t count = aet_orbital_term_count(orbital), shape[2] = {count, 2};
    double terms[6][2] = {{0}}, sum = 0;
    const aet_view out = aet_view_c(terms, AET_DTYPE_F64, 2, shape);
    check("of at most six terms", count >= 1 && count <= 6);
    require(aet_orbital_copy_terms(orbital, &out), "terms");
    int positive = 1;
    for (int64_t t = 0; t < count; t++) {
        positive = positive && terms[t][0] > 0;
        sum += terms[t][0];
    }
    check("of positive weights and f(0) = 1", positive && fabs(sum - 1) < 1e-12);
    aet_orbital_free(orbital);
    orbital = NULL;
    expect("a shape of one term", aet_recon_fit_orbital(recon, &ones, NULL, NULL, &orbital), AET_OK, "");
    check("which has the weight 1", aet_orbital_term_count(orbital) == 1);
    aet_orbital_free(orbital);

    orbital = NULL;
    expect_nothing("no widths", aet_recon_fit_orbital(recon, &none, NULL, NULL, &orbital), AET_ERROR_RANGE, "widths",
                   orbital);
    expect_nothing("11 widths", aet_recon_fit_orbital(recon, &eleven, NULL, NULL, &orbital), AET_ERROR_RANGE, "11",
                   orbital);
    expect_nothing("a negative width", aet_recon_fit_orbital(recon, &bad, NULL, NULL, &orbital), AET_ERROR_RANGE,
                   "width of term 1", orbital);
    expect_nothing("shape cancelled", aet_recon_fit_orbital(recon, NULL, stop_shape, NULL, &orbital), AET_CANCELLED, "",
                   orbital);
    expect("shape into nothing", aet_recon_fit_orbital(recon, NULL, NULL, NULL, NULL), AET_ERROR_NULL, "orbital");
    expect_nothing("shape of nothing", aet_recon_fit_orbital(NULL, NULL, NULL, NULL, &orbital), AET_ERROR_NULL, "recon",
                   orbital);
    require(aet_recon_create_tomography(f->context, f->dataset, NULL, &volume), "tomography");
    expect_nothing("shape of a volume", aet_recon_fit_orbital(volume, NULL, NULL, NULL, &orbital),
                   AET_ERROR_UNSUPPORTED, "fit_orbital", orbital);
    aet_recon_free(volume);
    aet_recon_free(recon);
    expect_nothing("shape of a freed fit", aet_recon_fit_orbital(recon, NULL, NULL, NULL, &orbital),
                   AET_ERROR_STALE_HANDLE, "aet_recon", orbital);
}

/* Probes: another model that goes on, the defocus by a scan, how probes spread. */
static void check_probes(const fit *f)
{
    aet_lot_options rigid, adaptive;
    aet_lot_options_init(&rigid, sizeof rigid);
    rigid.precision = AET_PRECISION_DOUBLE;
    adaptive = rigid;
    adaptive.model = AET_LOT_MODEL_ADAPTIVE, adaptive.probe_side = 5;
    aet_recon *recon = NULL, *next = NULL, *flat = NULL;
    aet_table *table = NULL;
    require(aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, &rigid, &recon), "reconstruction");
    expect("a scan of the defocus", aet_recon_scan_defocus(recon, 20, 10, 1, NULL, NULL, &table), AET_OK, "");
    check("with a row per section and value", aet_table_row_count(table) == 5 * FOCI);
    aet_table_free(table), table = NULL;
    expect("a scan without its table", aet_recon_scan_defocus(recon, 20, 10, 1, NULL, NULL, NULL), AET_OK, "");
    expect_nothing("a negative range", aet_recon_scan_defocus(recon, -1, 0, 0, NULL, NULL, &table), AET_ERROR_RANGE,
                   "range", table);
    expect_nothing("a scan cancelled", aet_recon_scan_defocus(recon, 0, 0, 0, stop_shape, NULL, &table), AET_CANCELLED, "",
                   table);

    expect("the adaptive model goes on", aet_recon_continue_lot(recon, &adaptive, &next), AET_OK, "");
    const aet_run_options run = long_run(3);
    require(aet_recon_run(next, &run, NULL, NULL), "run of the adaptive model");
    int64_t slices = 0, side = 0;
    require(aet_recon_probe_images(next, 0, &slices, &side, NULL, NULL), "shape of probes");
    check("probes of 5 pixels", side == 5 && slices > 1 && slices <= 16);
    double depths[16], probes[16 * 25];
    const int64_t line[1] = {slices}, stack[3] = {slices, side, side};
    const aet_view to_depths = aet_view_c(depths, AET_DTYPE_F64, 1, line);
    const aet_view to_probes = aet_view_c(probes, AET_DTYPE_F64, 3, stack);
    expect("probes", aet_recon_probe_images(next, 0, &slices, &side, &to_depths, &to_probes), AET_OK, "");
    check("peak in the middle", depths[0] < depths[slices - 1] && probes[12] > probes[0]);
    expect("probes of no image", aet_recon_probe_images(next, IMAGES, &slices, &side, NULL, NULL), AET_ERROR_RANGE, "image");
    expect("a table of probes", aet_recon_probe_table(next, &table), AET_OK, "");
    check("with a row per section and slice", aet_table_row_count(table) == FOCI * slices);
    aet_table_free(table), table = NULL;
    expect("adaptive probes have no defocus", aet_recon_scan_defocus(next, 0, 0, 0, NULL, NULL, NULL), AET_ERROR_UNSUPPORTED,
           "adaptive");

    rigid.model = AET_LOT_MODEL_DIRECT;
    require(aet_recon_continue_lot(next, &rigid, &flat), "direct model");
    expect_nothing("the direct model has no probes", aet_recon_probe_table(flat, &table), AET_ERROR_UNSUPPORTED, "direct",
                   table);
    aet_recon_free(flat), flat = NULL;
    expect_nothing("nothing to go on from", aet_recon_continue_lot(NULL, &rigid, &flat), AET_ERROR_NULL, "recon", flat);
    aet_recon_free(next);
    aet_recon_free(recon);
}

static void check_orbitals(const fit *f)
{
    printf("# shapes of orbitals\n");
    check_gaussian();
    check_expansions();
    check_bad_orbitals();
    check_orbital_of_fit(f);
    check_fitted_orbital(f);
    check_probes(f);
}

#endif
