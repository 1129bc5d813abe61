/* Means over ensembles, thickness series, windows, padded patterns and PRISM of three atoms, and bad input. */
#ifndef AET_TESTS_ENSEMBLES_H
#define AET_TESTS_ENSEMBLES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "simulations.h"

enum { CONFIGURATIONS = 3, EXITS = 2, ENSEMBLE_SEED = 5 };

/* What a scan needs of a simulation of atoms that vibrate. */
typedef struct {
    simulated parts;
    aet_atoms *atoms; /* with Debye-Waller factors */
    aet_simulation *simulation;
    aet_const_view positions;
} vibrating;

static aet_simulation *simulation_of(const aet_context *context, const aet_atoms *atoms,
                                     const aet_simulation_options *options)
{
    aet_simulation *simulation = NULL;
    require(aet_simulation_create(context, atoms, options, NULL, NULL, &simulation), "simulation");
    return simulation;
}

static vibrating vibrating_create(const aet_context *context)
{
    static const double factors[SIM_ATOMS] = {0.5, 0.6, 0.7};
    static const int64_t three[1] = {SIM_ATOMS};
    const aet_const_view column = aet_const_view_c(factors, AET_DTYPE_F64, 1, three);
    const aet_simulation_options options = simulation_options();
    vibrating v;
    memset(&v, 0, sizeof v);
    v.parts = simulated_create(context);
    v.positions = aet_const_view_c(SCAN_PLACES, AET_DTYPE_F64, 2, PLACES_2);
    require(aet_atoms_with_column(v.parts.atoms, "debye_waller_b", &column, &v.atoms), "Debye-Waller factors");
    v.simulation = simulation_of(context, v.atoms, &options);
    return v;
}

static void vibrating_free(vibrating *v)
{
    aet_atoms_free(v->atoms);
    aet_simulation_free(v->simulation);
    simulated_free(&v->parts);
}

static double largest_difference(double a[PLACES][3], double b[PLACES][3])
{
    double largest = 0;
    for (int n = 0; n < PLACES; n++) {
        for (int i = 0; i < 3; i++) largest = fmax(largest, fabs(a[n][i] - b[n][i]));
    }
    return largest;
}

static aet_status scan_mean(const vibrating *v, const aet_simulation *simulation, const aet_ensemble_options *options,
                            double means[PLACES][3], double errors[PLACES][3])
{
    const aet_detector *const list[2] = {v->parts.detectors[0], v->parts.detectors[1]};
    const aet_view mean = aet_view_c(means, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_view error = aet_view_c(errors, AET_DTYPE_F64, 2, SIGNALS_3);
    return aet_simulation_scan_ensemble(simulation, v->parts.probe, &v->positions, list, 2, options, NULL, NULL, &mean,
                                        errors == NULL ? NULL : &error);
}

static aet_ensemble_options ensemble_options(void)
{
    aet_ensemble_options options;
    require(aet_ensemble_options_init(&options, sizeof options), "ensemble options");
    return options;
}

static void check_frozen_phonons(const vibrating *v)
{
    double signals[CONFIGURATIONS][PLACES][3], mine[PLACES][3] = {{0}}, spread[PLACES][3] = {{0}};
    double means[PLACES][3], errors[PLACES][3];
    const aet_simulation_options options = simulation_options();
    for (int c = 0; c < CONFIGURATIONS; c++) {
        aet_atoms *displaced = NULL;
        expect("displaced atoms", aet_atoms_displace(v->atoms, ENSEMBLE_SEED, c, &displaced), AET_OK, "");
        aet_simulation *simulation = simulation_of(v->parts.context, displaced, &options);
        require(scan_signals(&v->parts, simulation, signals[c]), "scan of displaced atoms");
        aet_simulation_free(simulation);
        aet_atoms_free(displaced);
        for (int i = 0; i < 3 * PLACES; i++) mine[i / 3][i % 3] += signals[c][i / 3][i % 3] / CONFIGURATIONS;
    }
    for (int c = 0; c < CONFIGURATIONS; c++) {
        for (int i = 0; i < 3 * PLACES; i++) {
            const double deviation = signals[c][i / 3][i % 3] - mine[i / 3][i % 3];
            spread[i / 3][i % 3] += deviation * deviation / (CONFIGURATIONS - 1) / CONFIGURATIONS;
        }
    }
    for (int i = 0; i < 3 * PLACES; i++) spread[i / 3][i % 3] = sqrt(spread[i / 3][i % 3]);
    aet_ensemble_options ensemble = ensemble_options();
    ensemble.phonon_configurations = CONFIGURATIONS;
    ensemble.phonon_seed = ENSEMBLE_SEED;
    expect("frozen phonons", scan_mean(v, v->simulation, &ensemble, means, errors), AET_OK, "");
    check("means of scans of displaced atoms", largest_difference(means, mine) < 1e-12);
    check("and their standard errors", largest_difference(errors, spread) < 1e-12 && errors[0][1] > 0);
    expect("no options", scan_mean(v, v->simulation, NULL, means, errors), AET_OK, "");
    require(scan_signals(&v->parts, v->simulation, mine), "scan");
    check("atoms at rest", largest_difference(means, mine) == 0 && isnan(errors[0][0]) && isnan(errors[3][2]));
    expect("no place for errors", scan_mean(v, v->simulation, NULL, means, NULL), AET_OK, "");
}

static void refuse_ensemble(const vibrating *v, const char *what, const aet_simulation *simulation,
                            const aet_ensemble_options *options, aet_status wanted, const char *mention)
{
    double means[PLACES][3] = {{-7}}, errors[PLACES][3] = {{-7}};
    expect(what, scan_mean(v, simulation, options, means, errors), wanted, mention);
    if (means[0][0] != -7 || errors[0][0] != -7) check("outputs are left alone", 0);
}

static void check_ensemble_faults(const vibrating *v)
{
    const aet_ensemble_options good = ensemble_options();
    aet_ensemble_options options = good;
    options.defocus_spread = -1;
    refuse_ensemble(v, "spread -1", v->simulation, &options, AET_ERROR_RANGE, "defocus spread is -1");
    options = good, options.semiangle_spread_mrad = NAN;
    refuse_ensemble(v, "spread NaN", v->simulation, &options, AET_ERROR_RANGE, "semi-angle spread");
    options = good, options.defocus_spread = 1, options.defocus_nodes = 65;
    refuse_ensemble(v, "65 nodes", v->simulation, &options, AET_ERROR_RANGE, "65");
    options = good, options.semiangle_nodes = -1;
    refuse_ensemble(v, "-1 nodes", v->simulation, &options, AET_ERROR_RANGE, "semiangle_nodes is -1");
    options = good, options.phonon_configurations = -2;
    refuse_ensemble(v, "-2 configurations", v->simulation, &options, AET_ERROR_RANGE, "phonon_configurations is -2");
    options.phonon_configurations = 2;
    refuse_ensemble(v, "phonons of still atoms", v->parts.simulation, &options, AET_ERROR_NOT_READY, "debye_waller_b");
    options.struct_size = 3;
    refuse_ensemble(v, "struct_size 3", v->simulation, &options, AET_ERROR_STRUCT_SIZE, "3");
    refuse_ensemble(v, "no simulation", NULL, &good, AET_ERROR_NULL, "simulation");
    expect("no options to fill", aet_ensemble_options_init(NULL, sizeof good), AET_ERROR_NULL, "options");
    aet_atoms *displaced = NULL;
    expect_nothing("still atoms", aet_atoms_displace(v->parts.atoms, 0, 0, &displaced), AET_ERROR_NOT_READY,
                   "debye_waller_b", displaced);
    expect_nothing("configuration -1", aet_atoms_displace(v->atoms, 0, -1, &displaced), AET_ERROR_RANGE,
                   "number is -1", displaced);

    double means[PLACES][3] = {{-7}};
    const aet_detector *const list[2] = {v->parts.detectors[0], v->parts.detectors[1]};
    const aet_view mean = aet_view_c(means, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_view narrow = aet_view_c(means, AET_DTYPE_F64, 2, PLACES_2);
    int32_t phase = -1;
    options = good, options.phonon_configurations = 2;
    expect("an ensemble cancelled",
           aet_simulation_scan_ensemble(v->simulation, v->parts.probe, &v->positions, list, 2, &options,
                                        end_simulating, &phase, &mean, NULL),
           AET_CANCELLED, "");
    check("leaves the means alone", means[0][0] == -7 && phase == AET_PHASE_SIMULATING);
    expect("errors too narrow",
           aet_simulation_scan_ensemble(v->simulation, v->parts.probe, &v->positions, list, 2, NULL, NULL, NULL, &mean,
                                        &narrow),
           AET_ERROR_SHAPE, "standard_error");
}

static aet_status scan_thicknesses(const vibrating *v, const aet_simulation *simulation, const double *exits, int64_t n,
                                   double *signals)
{
    const int64_t shape[3] = {n, PLACES, 3};
    const aet_const_view slices = aet_const_view_c(exits, AET_DTYPE_F64, 1, shape);
    const aet_view out = aet_view_c(signals, AET_DTYPE_F64, 3, shape);
    const aet_detector *const list[2] = {v->parts.detectors[0], v->parts.detectors[1]};
    return aet_simulation_thickness_series(simulation, v->parts.probe, &v->positions, &slices, list, 2, NULL, NULL,
                                           &out);
}

static void check_thicknesses(const vibrating *v)
{
    double exits[EXITS] = {1, SIM_SLICES}, signals[EXITS][PLACES][3] = {{{-7}}}, whole[PLACES][3];
    expect("two thicknesses", scan_thicknesses(v, v->simulation, exits, EXITS, &signals[0][0][0]), AET_OK, "");
    require(scan_signals(&v->parts, v->simulation, whole), "scan");
    check("the last exit is the scan", largest_difference(signals[1], whole) < 1e-12);
    check("the first is not", largest_difference(signals[0], whole) > 1e-6);
    signals[0][0][0] = -7;
    exits[0] = 3;
    expect("exits that do not rise", scan_thicknesses(v, v->simulation, exits, EXITS, &signals[0][0][0]),
           AET_ERROR_RANGE, "exit 1");
    exits[0] = 0;
    expect("exit 0", scan_thicknesses(v, v->simulation, exits, EXITS, &signals[0][0][0]), AET_ERROR_RANGE, "1 to 3");
    exits[0] = 1.5;
    expect("half a slice", scan_thicknesses(v, v->simulation, exits, EXITS, &signals[0][0][0]), AET_ERROR_RANGE,
           "1.5");
    exits[0] = 4;
    expect("below the specimen", scan_thicknesses(v, v->simulation, exits, 1, &signals[0][0][0]), AET_ERROR_RANGE,
           "1 to 3");
    expect("no exits", scan_thicknesses(v, v->simulation, exits, 0, &signals[0][0][0]), AET_ERROR_EMPTY, "exit");
    check("nothing is written then", signals[0][0][0] == -7);
}

static double window_error_of(const vibrating *v, int64_t rows, int64_t columns)
{
    const aet_detector *const list[2] = {v->parts.detectors[0], v->parts.detectors[1]};
    aet_simulation_options options = simulation_options();
    options.window_rows = rows;
    options.window_columns = columns;
    aet_simulation *simulation = simulation_of(v->parts.context, v->atoms, &options);
    double largest = -1, relative = -1;
    expect("error of a window",
           aet_simulation_window_error(simulation, v->parts.probe, &v->positions, list, 2, NULL, NULL, &largest,
                                       &relative),
           AET_OK, "");
    check("is a part of the signals", largest > 0 && relative > 0 && relative < 1);
    expect("with no place for it",
           aet_simulation_window_error(simulation, v->parts.probe, &v->positions, list, 2, NULL, NULL, NULL, NULL),
           AET_OK, "");
    int32_t phase = -1;
    expect("cancelled",
           aet_simulation_window_error(simulation, v->parts.probe, &v->positions, list, 2, end_simulating, &phase,
                                       &largest, NULL),
           AET_CANCELLED, "");
    aet_simulation_free(simulation);
    return largest;
}

static void check_truncation(const vibrating *v)
{
    check("a larger window costs less", window_error_of(v, 24, 30) < window_error_of(v, 16, 20));
    const aet_detector *const list[2] = {v->parts.detectors[0], v->parts.detectors[1]};
    double largest = -7;
    expect("without a window",
           aet_simulation_window_error(v->simulation, v->parts.probe, &v->positions, list, 2, NULL, NULL, &largest,
                                       NULL),
           AET_ERROR_UNSUPPORTED, "whole");
    check("nothing is measured", largest == -7);

    aet_simulation_options options = simulation_options();
    int64_t rows = 0, columns = 0, more = 0;
    expect("a window for a small cell",
           aet_simulation_choose_window(v->atoms, v->parts.probe, 0, &options, &rows, &columns), AET_OK, "");
    check("is the cell", rows == SIM_ROWS && columns == SIM_COLUMNS);
    static const double edges[3] = {100, 80, 6};
    static const int64_t three[1] = {3};
    const aet_const_view cell = aet_const_view_c(edges, AET_DTYPE_F64, 1, three);
    aet_atoms *wide = NULL, *bare = NULL;
    require(aet_atoms_with_cell(v->atoms, &cell, &wide), "a wide cell");
    require(aet_atoms_with_cell(v->atoms, NULL, &bare), "no cell");
    options.rows = options.columns = 0;
    options.pixel_size = 0.25;
    expect("in focus", aet_simulation_choose_window(wide, v->parts.probe, 0, &options, &rows, &columns), AET_OK, "");
    expect("out of focus", aet_simulation_choose_window(wide, v->parts.probe, 300, &options, &more, &columns), AET_OK,
           "");
    check("takes more room", rows < more && more < 320);
    expect("no cell", aet_simulation_choose_window(bare, v->parts.probe, 0, &options, &rows, &columns),
           AET_ERROR_NOT_READY, "cell");
    expect("focus NaN", aet_simulation_choose_window(wide, v->parts.probe, NAN, &options, &rows, &columns),
           AET_ERROR_RANGE, "focus");
    expect("no options", aet_simulation_choose_window(wide, v->parts.probe, 0, NULL, &rows, &columns), AET_ERROR_NULL,
           "options");
    expect("no place", aet_simulation_choose_window(wide, v->parts.probe, 0, &options, &rows, NULL), AET_ERROR_NULL,
           "columns");
    aet_atoms_free(wide);
    aet_atoms_free(bare);
}

static void check_padded_patterns(const vibrating *v)
{
    static double patterns[PLACES][SIM_PIXELS];
    static const int64_t stack[3] = {PLACES, SIM_ROWS, SIM_COLUMNS}, small[3] = {PLACES, 16, 20};
    const aet_view out = aet_view_c(patterns, AET_DTYPE_F64, 3, stack);
    const aet_view narrow = aet_view_c(patterns, AET_DTYPE_F64, 3, small);
    aet_simulation_options options = simulation_options();
    options.window_rows = 16;
    options.window_columns = 20;
    options.pattern_sampling = AET_PATTERN_SAMPLING_PADDED;
    aet_simulation *simulation = simulation_of(v->parts.context, v->atoms, &options);
    int64_t rows = 0, columns = 0;
    expect("shape of patterns", aet_simulation_pattern_shape(simulation, &rows, &columns), AET_OK, "");
    check("twice the window", rows == SIM_ROWS && columns == SIM_COLUMNS);
    expect("shape of the window", aet_simulation_window_shape(simulation, &rows, &columns), AET_OK, "");
    check("half of it", rows == 16 && columns == 20);
    expect("as large as the window",
           aet_simulation_patterns(simulation, v->parts.probe, &v->positions, NULL, NULL, &narrow), AET_ERROR_SHAPE,
           "out");
    expect("padded patterns", aet_simulation_patterns(simulation, v->parts.probe, &v->positions, NULL, NULL, &out),
           AET_OK, "");
    double signals[PLACES][3], from_one = 0, from_whole = 0;
    require(scan_signals(&v->parts, v->simulation, signals), "scan of the whole cell");
    for (int n = 0; n < PLACES; n++) {
        double sum = 0;
        for (int i = 0; i < SIM_PIXELS; i++) sum += patterns[n][i];
        from_one = fmax(from_one, fabs(sum - 1));
        from_whole = fmax(from_whole, fabs(sum - signals[n][0]));
    }
    check("sum to about 1", from_one < 0.05);
    check("and lose little to the window", from_whole < 5e-3);
    expect("no place for rows", aet_simulation_pattern_shape(simulation, NULL, &columns), AET_ERROR_NULL, "rows");
    aet_simulation_free(simulation);
    expect("patterns of a freed simulation", aet_simulation_pattern_shape(simulation, &rows, &columns),
           AET_ERROR_STALE_HANDLE, "aet_simulation");
}

static void check_prism(const vibrating *v)
{
    static const int32_t precisions[2] = {AET_PRECISION_SINGLE, AET_PRECISION_DOUBLE};
    static const double errors[2] = {1e-4, 1e-9};
    double by_slices[PLACES][3], by_waves[PLACES][3];
    aet_simulation *prism = NULL;
    for (int i = 0; i < 2; i++) {
        aet_simulation_free(prism);
        aet_simulation_options options = simulation_options();
        options.precision = precisions[i];
        aet_simulation *multislice = simulation_of(v->parts.context, v->atoms, &options);
        options.prism_semiangle_mrad = 15;
        prism = simulation_of(v->parts.context, v->atoms, &options);
        require(scan_signals(&v->parts, multislice, by_slices), "multislice");
        expect("a scan by PRISM", scan_signals(&v->parts, prism, by_waves), AET_OK, "");
        check("is that by multislice", largest_difference(by_slices, by_waves) < errors[i]);
        aet_simulation_free(multislice);
    }
    const double exits[EXITS] = {1, SIM_SLICES};
    double signals[EXITS][PLACES][3];
    expect("thicknesses by PRISM", scan_thicknesses(v, prism, exits, EXITS, &signals[0][0][0]),
           AET_ERROR_UNSUPPORTED, "PRISM");
    aet_simulation_free(prism);

    aet_simulation_options options = simulation_options();
    options.prism_interpolation_y = 2;
    refuse_options(&v->parts, "interpolation without PRISM", &options, AET_ERROR_RANGE, "prism_semiangle_mrad");
    options.prism_semiangle_mrad = 15, options.prism_interpolation_y = 3;
    refuse_options(&v->parts, "interpolation 3 of 32 pixels", &options, AET_ERROR_RANGE, "interpolation");
    options.prism_interpolation_y = -1;
    refuse_options(&v->parts, "interpolation -1", &options, AET_ERROR_RANGE, "prism_interpolation_y is -1");
    options.prism_interpolation_y = 0, options.prism_downsampling = 2;
    refuse_options(&v->parts, "downsampling 2", &options, AET_ERROR_RANGE, "prism_downsampling");
    options.prism_downsampling = 0, options.pattern_sampling = AET_PATTERN_SAMPLING_PADDED;
    refuse_options(&v->parts, "padded patterns of PRISM", &options, AET_ERROR_UNSUPPORTED, "padded");
    options.pattern_sampling = 7;
    refuse_options(&v->parts, "pattern sampling 7", &options, AET_ERROR_UNKNOWN_OPTION, "pattern_sampling");
    options.pattern_sampling = AET_PATTERN_SAMPLING_WINDOW, options.window_rows = 16, options.window_columns = 20;
    refuse_options(&v->parts, "PRISM in a window", &options, AET_ERROR_UNSUPPORTED, "window");
    options = simulation_options(), options.prism_semiangle_mrad = -1;
    refuse_options(&v->parts, "semi-angle -1", &options, AET_ERROR_RANGE, "semi-angle of PRISM");
}

static void check_given_potential(const vibrating *v)
{
    static double potential[SIM_SLICES][SIM_PIXELS];
    const aet_const_view slices = aet_const_view_c(potential, AET_DTYPE_F64, 3, SIM_STACK);
    aet_simulation_options options = simulation_options();
    options.rows = options.columns = 0;
    aet_simulation *given = NULL;
    int32_t phase = -1;
    expect_nothing("a potential cancelled",
                   aet_simulation_create_from_potential(v->parts.context, &slices, SIM_CELL[0], SIM_CELL[1], &options,
                                                        end_simulating, &phase, &given),
                   AET_CANCELLED, "", given);
    check("while planning", phase == AET_PHASE_PLANNING);
    require(aet_simulation_create_from_potential(v->parts.context, &slices, SIM_CELL[0], SIM_CELL[1], &options, NULL,
                                                 NULL, &given),
            "a potential");
    aet_ensemble_options ensemble = ensemble_options();
    ensemble.phonon_configurations = 2;
    refuse_ensemble(v, "phonons of a potential", given, &ensemble, AET_ERROR_UNSUPPORTED, "potential");
    aet_simulation_free(given);
}

static void check_ensembles(const aet_context *context)
{
    printf("# ensembles, thicknesses, windows, PRISM\n");
    vibrating v = vibrating_create(context);
    check_frozen_phonons(&v);
    check_ensemble_faults(&v);
    check_thicknesses(&v);
    check_truncation(&v);
    check_padded_patterns(&v);
    check_prism(&v);
    check_given_potential(&v);
    vibrating_free(&v);
}

#endif
