/* Detectors on measured patterns, the integration of centres of mass, and bad input. */
#ifndef AET_TESTS_DETECTORS_H
#define AET_TESTS_DETECTORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"

enum { SCAN = 5, PATTERN_ROWS = 8, PATTERN_COLUMNS = 7 };
static const double ROW_STEP = 2, COLUMN_STEP = 3; /* mrad */

/* Pattern s has its only electrons, s + 1, at row s and column s: offsets s - 4 and s - 3 from the zero angle. */
static void fill_patterns(uint16_t values[SCAN][PATTERN_ROWS][PATTERN_COLUMNS])
{
    memset(values, 0, sizeof(uint16_t) * SCAN * PATTERN_ROWS * PATTERN_COLUMNS);
    for (int s = 0; s < SCAN; s++) values[s][s][s] = (uint16_t)(s + 1);
}

static aet_pattern_options sampling(void)
{
    aet_pattern_options options;
    require(aet_pattern_options_init(&options, sizeof options), "pattern options");
    options.row_step_mrad = ROW_STEP;
    options.column_step_mrad = COLUMN_STEP;
    options.energy_ev = 300e3;
    return options;
}

static aet_detector_options of_kind(int32_t kind)
{
    aet_detector_options options;
    require(aet_detector_options_init(&options, sizeof options), "detector options");
    options.kind = kind;
    return options;
}

static int32_t end_measuring(void *user, const aet_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

static void check_signals(const aet_context *context)
{
    uint16_t patterns[SCAN][PATTERN_ROWS][PATTERN_COLUMNS];
    fill_patterns(patterns);
    const int64_t shape[3] = {SCAN, PATTERN_ROWS, PATTERN_COLUMNS}, pair[2] = {SCAN, 2};
    const aet_const_view in = aet_const_view_c(patterns, AET_DTYPE_U16, 3, shape);
    const aet_pattern_options grid = sampling();
    aet_detector_options options = of_kind(AET_DETECTOR_KIND_ANNULAR);
    aet_detector *detector = NULL;
    double sums[SCAN], centers[SCAN][2];
    const aet_view out = aet_view_c(sums, AET_DTYPE_F64, 1, shape);
    const aet_view out_pair = aet_view_c(centers, AET_DTYPE_F64, 2, pair);

    options.outer_mrad = 7; /* of hypot(2 (s - 4), 3 (s - 3)) = 12.0, 8.5, 5.0, 2.0, 3.0 */
    expect("an annular detector", aet_detector_create(&options, NULL, &detector), AET_OK, "");
    check("its kind", aet_detector_get_kind(detector) == AET_DETECTOR_KIND_ANNULAR);
    expect("measured", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_OK, "");
    check("electrons within 7 mrad", sums[0] == 0 && sums[1] == 0 && sums[2] == 3 && sums[3] == 4 && sums[4] == 5);
    sums[0] = -1;
    expect("cancelled", aet_detector_measure(detector, context, &in, &grid, end_measuring, NULL, &out), AET_CANCELLED,
           "");
    check("which leaves the output alone", sums[0] == -1);
    aet_detector_free(detector);

    const float halves[2][2] = {{0.5f, 0.5f}, {0.5f, 0.5f}};
    const int64_t two[2] = {2, 2};
    const aet_const_view map = aet_const_view_c(halves, AET_DTYPE_F32, 2, two);
    options.sensitivity_row_step_mrad = 1000;
    expect("with a map", aet_detector_create(&options, &map, &detector), AET_OK, "");
    expect("measured", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_OK, "");
    check("half the efficiency", fabs(sums[3] - 2) < 0.01 && sums[3] > 0);
    aet_detector_free(detector);

    const double wavelength = 0.01968748889772767; /* 300 kV */
    options = of_kind(AET_DETECTOR_KIND_CENTER_OF_MASS);
    expect("a centre of mass", aet_detector_create(&options, NULL, &detector), AET_OK, "");
    expect("measured", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out_pair), AET_OK, "");
    double error = 0;
    for (int s = 0; s < SCAN; s++) {
        error = fmax(error, fabs(centers[s][0] - 1e-3 * COLUMN_STEP * (s - 3) / wavelength));
        error = fmax(error, fabs(centers[s][1] - 1e-3 * ROW_STEP * (s - 4) / wavelength));
    }
    check("x and y in 1/A", error < 1e-9);
    aet_detector_free(detector);
}

static void check_camera(const aet_context *context)
{
    uint16_t patterns[SCAN][PATTERN_ROWS][PATTERN_COLUMNS];
    fill_patterns(patterns);
    const int64_t one[2] = {PATTERN_ROWS, PATTERN_COLUMNS}, camera[2] = {3, 2};
    const aet_const_view in = aet_const_view_c(patterns[3], AET_DTYPE_U16, 2, one);
    const aet_pattern_options grid = sampling();
    aet_detector_options options = of_kind(AET_DETECTOR_KIND_PIXELATED);
    aet_detector *detector = NULL;
    int64_t shape[2] = {0, 0};
    int32_t ndim = 0;
    float pixels[3][2];
    const aet_view out = aet_view_c(pixels, AET_DTYPE_F32, 2, camera);
    options.rows = 3;
    options.columns = 2;
    expect("a camera", aet_detector_create(&options, NULL, &detector), AET_OK, "");
    expect("its shape", aet_detector_shape(detector, &grid, PATTERN_ROWS, PATTERN_COLUMNS, &ndim, shape), AET_OK, "");
    check("3 x 2", ndim == 2 && shape[0] == 3 && shape[1] == 2);
    expect("one pattern", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_OK, "");
    /* the electrons lie one row below and at the column of the zero angle, which is pixel [1, 1] */
    check("cropped about the zero angle", pixels[0][1] == 4 && pixels[1][1] == 0 && pixels[0][0] == 0);
    expect("too small a pattern", aet_detector_shape(detector, &grid, 2, 2, &ndim, shape), AET_ERROR_SHAPE, "at most");
    aet_detector_free(detector);
}

static void check_integration(void)
{
    enum { ROWS = 6, COLUMNS = 8 };
    const double turn = 8 * atan(1.0), row_step = 0.5, column_step = 0.25;
    const int64_t shape[3] = {ROWS, COLUMNS, 2};
    double field[ROWS][COLUMNS][2], image[ROWS][COLUMNS], error = 0;
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLUMNS; c++) { /* the gradient of cos(2 pi (c / COLUMNS + r / ROWS)) */
            const double slope = -turn * sin(turn * ((double)c / COLUMNS + (double)r / ROWS));
            field[r][c][0] = slope / (COLUMNS * column_step);
            field[r][c][1] = slope / (ROWS * row_step);
        }
    }
    const aet_const_view in = aet_const_view_c(field, AET_DTYPE_F64, 3, shape);
    const aet_view out = aet_view_c(image, AET_DTYPE_F64, 2, shape);
    expect("integrated", aet_integrate_center_of_mass(&in, row_step, column_step, &out), AET_OK, "");
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLUMNS; c++) {
            error = fmax(error, fabs(image[r][c] - cos(turn * ((double)c / COLUMNS + (double)r / ROWS))));
        }
    }
    check("the image of which it is the gradient", error < 1e-14);
    const aet_const_view flat = aet_const_view_c(field, AET_DTYPE_F64, 2, shape);
    double silicon = 0, part = 0;
    expect("one atom", aet_adf_transfer(300e3, 40, 200, AET_PARAMETRIZATION_LOBATO, 14, &silicon, &part), AET_OK, "");
    check("a cross-section", silicon > 0 && part > 0 && part < 1);
    expect("no atom", aet_adf_transfer(300e3, 40, 200, 0, 0, &silicon, NULL), AET_ERROR_RANGE, "species");
    expect("a detector inside out", aet_adf_transfer(300e3, 40, 30, 0, 14, &silicon, NULL), AET_ERROR_RANGE, "outer_mrad");
    expect("a field of two axes", aet_integrate_center_of_mass(&flat, 1, 1, &out), AET_ERROR_SHAPE, "field");
    expect("no step", aet_integrate_center_of_mass(&in, 0, 1, &out), AET_ERROR_RANGE, "scan step between rows");
    field[1][2][1] = NAN;
    expect("NaN in a field", aet_integrate_center_of_mass(&in, 1, 1, &out), AET_ERROR_NON_FINITE, "row 1, column 2");
}

static void check_detector_faults(const aet_context *context)
{
    double patterns[2][4][4] = {{{0}}}, sums[2];
    const int64_t shape[3] = {2, 4, 4}, stack[2] = {2, 1};
    const aet_const_view in = aet_const_view_c(patterns, AET_DTYPE_F64, 3, shape);
    const aet_const_view row = aet_const_view_c(patterns, AET_DTYPE_F64, 1, shape);
    const aet_view out = aet_view_c(sums, AET_DTYPE_F64, 1, shape), wrong = aet_view_c(sums, AET_DTYPE_F64, 2, stack);
    const aet_view whole = aet_view_c(sums, AET_DTYPE_I32, 1, shape);
    aet_pattern_options grid = sampling();
    aet_detector_options options = of_kind(99);
    aet_detector *detector = NULL;
    expect_nothing("kind 99", aet_detector_create(&options, NULL, &detector), AET_ERROR_UNKNOWN_OPTION, "kind",
                   detector);
    options = of_kind(AET_DETECTOR_KIND_FLEXIBLE_ANNULAR);
    expect_nothing("rings without an end", aet_detector_create(&options, NULL, &detector), AET_ERROR_RANGE,
                   "outer angle", detector);
    options = of_kind(AET_DETECTOR_KIND_ANNULAR);
    options.binning = 2;
    expect_nothing("a ring with pixels", aet_detector_create(&options, NULL, &detector), AET_ERROR_RANGE, "binning",
                   detector);
    expect_nothing("no options", aet_detector_create(NULL, NULL, &detector), AET_ERROR_NULL, "options", detector);
    options.struct_size = 3;
    expect("struct_size 3", aet_detector_create(&options, NULL, &detector), AET_ERROR_STRUCT_SIZE, "3");
    options = of_kind(AET_DETECTOR_KIND_ANNULAR);
    expect_nothing("a flat map", aet_detector_create(&options, &row, &detector), AET_ERROR_SHAPE, "sensitivity",
                   detector);
    const double negative[1][1] = {{-1}};
    const int64_t one[2] = {1, 1};
    const aet_const_view map = aet_const_view_c(negative, AET_DTYPE_F64, 2, one);
    options.sensitivity_row_step_mrad = 1;
    expect_nothing("a negative map", aet_detector_create(&options, &map, &detector), AET_ERROR_RANGE, "sensitivity",
                   detector);

    options = of_kind(AET_DETECTOR_KIND_ANNULAR);
    options.outer_mrad = 4;
    require(aet_detector_create(&options, NULL, &detector), "a detector");
    expect("output of another shape", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &wrong),
           AET_ERROR_SHAPE, "out");
    expect("output of integers", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &whole),
           AET_ERROR_DTYPE, "out");
    expect("patterns of one axis", aet_detector_measure(detector, context, &row, &grid, NULL, NULL, &out),
           AET_ERROR_SHAPE, "patterns");
    expect("no patterns", aet_detector_measure(detector, context, NULL, &grid, NULL, NULL, &out), AET_ERROR_NULL,
           "patterns");
    expect("no context", aet_detector_measure(detector, NULL, &in, &grid, NULL, NULL, &out), AET_ERROR_NULL,
           "context");
    patterns[1][2][3] = INFINITY;
    expect("infinity", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_ERROR_NON_FINITE,
           "pattern 1, pixel 11");
    grid.row_step_mrad = 1;
    expect("beyond the edge", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_ERROR_RANGE,
           "at most 2.000000 mrad");
    grid.row_step_mrad = 0;
    expect("no step", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_ERROR_RANGE,
           "angle step between rows");
    grid.row_step_mrad = ROW_STEP;
    grid.order = 7;
    expect("order 7", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_ERROR_UNKNOWN_OPTION,
           "order");
    aet_detector_free(detector);
    expect("a freed detector", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out),
           AET_ERROR_STALE_HANDLE, "detector");

    options = of_kind(AET_DETECTOR_KIND_CENTER_OF_MASS);
    require(aet_detector_create(&options, NULL, &detector), "a detector");
    grid = sampling();
    grid.energy_ev = 0;
    expect("no energy", aet_detector_measure(detector, context, &in, &grid, NULL, NULL, &out), AET_ERROR_NOT_READY,
           "energy");
    aet_detector_free(detector);
    aet_detector_free(NULL);
    check("kind of nothing", aet_detector_get_kind(NULL) == -1);
}

static void check_detectors(const aet_context *context)
{
    check_signals(context);
    check_camera(context);
    check_integration();
    check_detector_faults(context);
}

#endif
