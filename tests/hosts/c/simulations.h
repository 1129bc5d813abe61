/* Simulations of three atoms: waves, scans, patterns, gradients, and bad input. */
#ifndef AET_TESTS_SIMULATIONS_H
#define AET_TESTS_SIMULATIONS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"

enum { SIM_ATOMS = 3, SIM_ROWS = 32, SIM_COLUMNS = 40, SIM_PIXELS = SIM_ROWS * SIM_COLUMNS, SIM_SLICES = 3,
      PLACES = 4 };
static const double SIM_CELL[3] = {8, 8, 6}; /* A */
static const int64_t SIM_PLANE[2] = {SIM_ROWS, SIM_COLUMNS}, SIM_STACK[3] = {SIM_SLICES, SIM_ROWS, SIM_COLUMNS};
static double SCAN_PLACES[PLACES][2] = {{3, 4}, {4.3, 3.9}, {-1, 9.5}, {0, 0}};
static const int64_t PLACES_2[2] = {PLACES, 2}, SIGNALS_3[2] = {PLACES, 3};

typedef struct {
    const aet_context *context;
    aet_atoms *atoms;
    aet_probe *probe;
    aet_detector *detectors[2];
    aet_simulation *simulation;
} simulated;

static aet_simulation_options simulation_options(void)
{
    aet_simulation_options options;
    require(aet_simulation_options_init(&options, sizeof options), "simulation options");
    options.energy_ev = 300e3;
    options.rows = SIM_ROWS;
    options.columns = SIM_COLUMNS;
    options.precision = AET_PRECISION_DOUBLE;
    return options;
}

static simulated simulated_create(const aet_context *context)
{
    static double positions[SIM_ATOMS][3] = {{3, 4, 1}, {4.2, 4.1, 3}, {6, 2, 4.5}};
    static const int32_t species[SIM_ATOMS] = {79, 29, 14};
    const int64_t triples[2] = {SIM_ATOMS, 3};
    const aet_const_view places = aet_const_view_c(positions, AET_DTYPE_F64, 2, triples);
    const aet_const_view numbers = aet_const_view_c(species, AET_DTYPE_I32, 1, triples);
    const aet_const_view edges = aet_const_view_c(SIM_CELL, AET_DTYPE_F64, 1, triples + 1);
    simulated s;
    memset(&s, 0, sizeof s);
    s.context = context;
    aet_atoms *bare = NULL;
    require(aet_atoms_create(&places, &numbers, NULL, NULL, &bare), "atoms");
    require(aet_atoms_with_cell(bare, &edges, &s.atoms), "atoms in a cell");
    aet_atoms_free(bare);
    aet_probe_options probe;
    require(aet_probe_options_init(&probe, sizeof probe), "probe options");
    probe.energy_ev = 300e3;
    probe.semiangle_mrad = 15;
    require(aet_probe_create(&probe, &s.probe), "probe");
    aet_detector_options detector;
    require(aet_detector_options_init(&detector, sizeof detector), "detector options");
    require(aet_detector_create(&detector, NULL, &s.detectors[0]), "detector of everything");
    detector.kind = AET_DETECTOR_KIND_CENTER_OF_MASS;
    require(aet_detector_create(&detector, NULL, &s.detectors[1]), "centre of mass");
    const aet_simulation_options options = simulation_options();
    expect("a simulation", aet_simulation_create(context, s.atoms, &options, NULL, NULL, &s.simulation), AET_OK, "");
    return s;
}

static void simulated_free(simulated *s)
{
    aet_atoms_free(s->atoms);
    aet_probe_free(s->probe);
    aet_detector_free(s->detectors[0]);
    aet_detector_free(s->detectors[1]);
    aet_simulation_free(s->simulation);
}

static aet_status scan_signals(const simulated *s, const aet_simulation *simulation, double signals[PLACES][3])
{
    const aet_const_view positions = aet_const_view_c(SCAN_PLACES, AET_DTYPE_F64, 2, PLACES_2);
    const aet_view out = aet_view_c(signals, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_detector *const list[2] = {s->detectors[0], s->detectors[1]};
    return aet_simulation_scan(simulation, s->probe, &positions, list, 2, NULL, NULL, &out);
}

static void check_simulation_facts(const simulated *s)
{
    const aet_simulation *simulation = s->simulation;
    const aet_simulation_options options = simulation_options();
    const aet_detector *const list[2] = {s->detectors[0], s->detectors[1]};
    int64_t rows = 0, columns = 0, count = 0, shape[2] = {0, 0};
    int32_t ndim = -1;
    double y = 0, x = 0;
    uint64_t before[2] = {0, 0}, after[2] = {0, 0};
    check("slices and atoms", aet_simulation_slice_count(simulation) == SIM_SLICES &&
                                  aet_simulation_atom_count(simulation) == SIM_ATOMS);
    check("wavelength", fabs(aet_simulation_wavelength(simulation) - 0.01968748889772767) < 1e-12);
    expect("shape", aet_simulation_shape(simulation, &rows, &columns), AET_OK, "");
    check("of the cell", rows == SIM_ROWS && columns == SIM_COLUMNS);
    expect("window", aet_simulation_window_shape(simulation, &rows, &columns), AET_OK, "");
    check("as large", rows == SIM_ROWS && columns == SIM_COLUMNS);
    expect("pixels", aet_simulation_pixel_size(simulation, &y, &x), AET_OK, "");
    check("of their size", fabs(y - 0.25) < 1e-15 && fabs(x - 0.2) < 1e-15);
    expect("bytes before", aet_simulation_estimate_memory(s->context, s->atoms, &options, &before[0], &before[1]),
           AET_OK,
           "");
    expect("bytes after", aet_simulation_memory_estimate(simulation, &after[0], &after[1]), AET_OK, "");
    check("are the same", before[0] == after[0] && before[1] == after[1] && before[1] > before[0] &&
                              before[0] > SIM_SLICES * SIM_PIXELS * 16);
    expect("signals", aet_simulation_signal_count(simulation, list, 2, &count), AET_OK, "");
    expect("shape of one", aet_simulation_signal_shape(simulation, list[1], &ndim, shape), AET_OK, "");
    check("three in all, two of them centres", count == 3 && ndim == 1 && shape[0] == 2 && shape[1] == 1);
}

static void check_waves(const simulated *s)
{
    static double potential[SIM_SLICES][SIM_PIXELS], wave[SIM_PIXELS][2], again[SIM_PIXELS][2];
    static float patterns[PLACES][SIM_PIXELS];
    const int64_t stack[3] = {PLACES, SIM_ROWS, SIM_COLUMNS};
    const aet_view out = aet_view_c(wave, AET_DTYPE_C128, 2, SIM_PLANE);
    const aet_view out2 = aet_view_c(again, AET_DTYPE_C128, 2, SIM_PLANE);
    const aet_const_view incident = aet_const_view_c(again, AET_DTYPE_C128, 2, SIM_PLANE);
    double sum = 0, error = 0, signals[PLACES][3], mine[PLACES][3];
    for (int k = 0; k < SIM_SLICES; k++) {
        const aet_view slice = aet_view_c(potential[k], AET_DTYPE_F64, 2, SIM_PLANE);
        require(aet_simulation_potential(s->simulation, k, &slice), "potential");
        for (int i = 0; i < SIM_PIXELS; i++) sum += potential[k][i] * 0.25 * 0.2 / (SIM_PIXELS * 0.25 * 0.2);
    }
    check("mean potential", sum > 1 && sum < 100);
    expect("plane wave", aet_simulation_exit_wave(s->simulation, NULL, 0, &out), AET_OK, "");
    for (int i = 0; i < SIM_PIXELS; i++) again[i][0] = 1, again[i][1] = 0;
    expect("given", aet_simulation_exit_wave(s->simulation, &incident, SIM_SLICES, &out2), AET_OK, "");
    for (int i = 0; i < SIM_PIXELS; i++) error = fmax(error, hypot(wave[i][0] - again[i][0], wave[i][1] - again[i][1]));
    check("the same wave", error == 0);
    int64_t row = 99, column = 99;
    expect("probe", aet_simulation_probe_exit_wave(s->simulation, s->probe, 3, 4, 0, &out, &row, &column), AET_OK, "");
    sum = 0;
    for (int i = 0; i < SIM_PIXELS; i++) sum += (wave[i][0] * wave[i][0] + wave[i][1] * wave[i][1]) * SIM_PIXELS;
    check("its window begins at pixel 0 and it is not lost", row == 0 && column == 0 && sum > 0.9 && sum < 1 + 1e-9);

    const aet_const_view positions = aet_const_view_c(SCAN_PLACES, AET_DTYPE_F64, 2, PLACES_2);
    const aet_view cameras = aet_view_c(patterns, AET_DTYPE_F32, 3, stack);
    expect("a scan", scan_signals(s, s->simulation, signals), AET_OK, "");
    check("sum |psi|^2 N is the signal of everything", fabs(signals[0][0] - sum) < 1e-12);
    expect("patterns", aet_simulation_patterns(s->simulation, s->probe, &positions, NULL, NULL, &cameras), AET_OK, "");
    error = 0;
    for (int n = 0; n < PLACES; n++) {
        sum = 0;
        for (int i = 0; i < SIM_PIXELS; i++) sum += patterns[n][i];
        error = fmax(error, fabs(sum - signals[n][0]));
    }
    check("sums of patterns", error < 1e-6);

    aet_simulation *given = NULL;
    const aet_const_view slices = aet_const_view_c(potential, AET_DTYPE_F64, 3, SIM_STACK);
    aet_simulation_options options = simulation_options();
    options.rows = options.columns = 0;
    expect("of a potential", aet_simulation_create_from_potential(s->context, &slices, SIM_CELL[0], SIM_CELL[1],
                                                                  &options, NULL, NULL, &given),
           AET_OK, "");
    expect("scanned", scan_signals(s, given, mine), AET_OK, "");
    error = 0;
    for (int n = 0; n < PLACES; n++) {
        for (int i = 0; i < 3; i++) error = fmax(error, fabs(mine[n][i] - signals[n][i]));
    }
    check("with the same signals", error < 1e-12 && aet_simulation_atom_count(given) == 0);

    double by_signal[PLACES][3] = {{0}}, gradient[SIM_ATOMS][3];
    const int64_t triples[2] = {SIM_ATOMS, 3};
    const aet_const_view by_view = aet_const_view_c(by_signal, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_view place = aet_view_c(gradient, AET_DTYPE_F64, 2, triples);
    const aet_detector *const list[2] = {s->detectors[0], s->detectors[1]};
    aet_scan_gradients gradients;
    require(aet_scan_gradients_init(&gradients, sizeof gradients), "gradients");
    gradients.by_signal = &by_view;
    gradients.atom_positions = &place;
    expect("atoms of a potential",
           aet_simulation_pull_back(given, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_UNSUPPORTED, "atoms");
    aet_simulation_free(given);
}

static int32_t end_simulating(void *user, const aet_progress *progress)
{
    *(int32_t *)user = progress->phase;
    return 1;
}

static void check_gradients(const simulated *s)
{
    static double by_potential[SIM_SLICES][SIM_PIXELS];
    double by_signal[PLACES][3] = {{1, -2, 3}, {0, 1, 0}, {2, 0, 1}, {0, 0, -1}}, signals[PLACES][3];
    double by_place[PLACES][2], by_atom[SIM_ATOMS][3], by_factor[SIM_ATOMS], by_occupancy[SIM_ATOMS];
    const int64_t triples[2] = {SIM_ATOMS, 3};
    const aet_const_view positions = aet_const_view_c(SCAN_PLACES, AET_DTYPE_F64, 2, PLACES_2);
    const aet_const_view by_view = aet_const_view_c(by_signal, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_view place_view = aet_view_c(by_place, AET_DTYPE_F64, 2, PLACES_2);
    const aet_view potential_view = aet_view_c(by_potential, AET_DTYPE_F64, 3, SIM_STACK);
    const aet_view atom_view = aet_view_c(by_atom, AET_DTYPE_F64, 2, triples);
    const aet_view factor_view = aet_view_c(by_factor, AET_DTYPE_F64, 1, triples);
    const aet_view occupancy_view = aet_view_c(by_occupancy, AET_DTYPE_F64, 1, triples);
    const aet_detector *const list[2] = {s->detectors[0], s->detectors[1]};
    aet_scan_gradients gradients;
    require(aet_scan_gradients_init(&gradients, sizeof gradients), "gradients");
    expect("no gradient wanted",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_EMPTY, "at least one");
    gradients.positions = &place_view;
    expect("no dL/dsignals",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_NULL, "by_signal");
    gradients.by_signal = &by_view;
    gradients.potential = &potential_view;
    gradients.atom_positions = &atom_view;
    gradients.debye_waller_b = &factor_view;
    gradients.occupancy = &occupancy_view;
    by_place[0][0] = -7;
    int32_t phase = -1;
    expect("cancelled",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, end_simulating, &phase),
           AET_CANCELLED, "");
    check("nothing is written then", by_place[0][0] == -7 && phase == AET_PHASE_SIMULATING);
    expect("all gradients",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL), AET_OK, "");
    const double step = 1e-4;
    double difference = 0;
    for (int sign = -1; sign <= 1; sign += 2) {
        SCAN_PLACES[1][0] += sign * step;
        require(scan_signals(s, s->simulation, signals), "displaced scan");
        SCAN_PLACES[1][0] -= sign * step;
        for (int n = 0; n < PLACES; n++) {
            for (int i = 0; i < 3; i++) difference += sign * by_signal[n][i] * signals[n][i] / (2 * step);
        }
    }
    check("finite difference along x", fabs(difference / by_place[1][0] - 1) < 1e-6);
    check("z has no influence", by_atom[0][2] == 0 && by_atom[0][0] != 0 && by_factor[1] != 0 && by_occupancy[2] != 0);

    const aet_view wrong = aet_view_c(by_atom, AET_DTYPE_F64, 1, triples);
    const aet_view whole = aet_view_c(by_atom, AET_DTYPE_I32, 2, triples);
    gradients.atom_positions = &wrong;
    expect("atoms of one axis",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_SHAPE, "atom_positions of gradients");
    gradients.atom_positions = &whole;
    expect("integers", aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_DTYPE, "atom_positions of gradients");
    gradients.atom_positions = NULL;
    by_signal[2][1] = NAN;
    expect("NaN", aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_NON_FINITE, "position 2, signal 1");
    gradients.struct_size = 3;
    expect("struct_size 3",
           aet_simulation_pull_back(s->simulation, s->probe, &positions, list, 2, &gradients, NULL, NULL),
           AET_ERROR_STRUCT_SIZE, "3");
}

static void refuse_options(const simulated *s, const char *what, const aet_simulation_options *options,
                           aet_status wanted,
                           const char *mention)
{
    aet_simulation *simulation = NULL;
    expect_nothing(what, aet_simulation_create(s->context, s->atoms, options, NULL, NULL, &simulation), wanted, mention,
                   simulation);
}

static void check_simulation_options(const simulated *s)
{
    const aet_simulation_options good = simulation_options();
    aet_simulation_options options = good;
    const double edges[3] = {0, 2, 5}, flat[3] = {0, 0, 6};
    const int64_t three[1] = {3};
    const aet_const_view short_view = aet_const_view_c(edges, AET_DTYPE_F64, 1, three);
    const aet_const_view flat_view = aet_const_view_c(flat, AET_DTYPE_F64, 1, three);
    aet_simulation *simulation = NULL;
    refuse_options(s, "no options", NULL, AET_ERROR_NULL, "options");
    options.energy_ev = -1;
    refuse_options(s, "energy -1", &options, AET_ERROR_RANGE, "energy");
    options = good, options.columns = 0;
    refuse_options(s, "rows alone", &options, AET_ERROR_RANGE, "columns is 0");
    options = good, options.pixel_size = 0.1;
    refuse_options(s, "pixels twice", &options, AET_ERROR_RANGE, "pixel_size is 0.1");
    options = good, options.slice_thickness = -1;
    refuse_options(s, "negative slices", &options, AET_ERROR_RANGE, "slice thickness");
    options = good, options.slice_edges = &short_view;
    refuse_options(s, "edges that end early", &options, AET_ERROR_INCONSISTENT, "edges");
    options.slice_edges = &flat_view;
    refuse_options(s, "a slice without thickness", &options, AET_ERROR_RANGE, "edge");
    options = good, options.window_rows = 64, options.window_columns = 64;
    refuse_options(s, "a window larger than the cell", &options, AET_ERROR_SHAPE, "window");
    options = good, options.placement_error = 1e-4;
    refuse_options(s, "an error of exact placement", &options, AET_ERROR_RANGE, "placement_error");
    options.placement = AET_PLACEMENT_GRIDDING, options.placement_error = 1;
    refuse_options(s, "error 1", &options, AET_ERROR_RANGE, "gridding");
    options = good, options.band_limit = 7;
    refuse_options(s, "band limit 7", &options, AET_ERROR_UNKNOWN_OPTION, "band_limit");
    options = good, options.precision = 2;
    refuse_options(s, "precision 2", &options, AET_ERROR_UNKNOWN_OPTION, "precision");
    options = good, options.absorption = 2;
    refuse_options(s, "absorption 2", &options, AET_ERROR_RANGE, "absorption");
    options = good, options.within_cell = 2;
    refuse_options(s, "within_cell 2", &options, AET_ERROR_RANGE, "within_cell");
    int32_t phase = -1;
    expect("cancelled", aet_simulation_create(s->context, s->atoms, &good, end_simulating, &phase, &simulation),
           AET_CANCELLED, "");
    check("while planning, without a simulation", phase == AET_PHASE_PLANNING && simulation == NULL);
    aet_atoms *bare = NULL;
    require(aet_atoms_with_cell(s->atoms, NULL, &bare), "atoms without cell");
    expect("no cell", aet_simulation_create(s->context, bare, &good, NULL, NULL, &simulation), AET_ERROR_NOT_READY,
           "cell");
    expect("bytes without cell", aet_simulation_estimate_memory(s->context, bare, &good, NULL, NULL),
           AET_ERROR_NOT_READY, "cell");
    aet_atoms_free(bare);
    const double one[1] = {NAN};
    const int64_t cube[3] = {1, 1, 1};
    const aet_const_view nan = aet_const_view_c(one, AET_DTYPE_F64, 3, cube);
    expect("options of atoms",
           aet_simulation_create_from_potential(s->context, &nan, 8, 8, &good, NULL, NULL, &simulation),
           AET_ERROR_RANGE, "rows is 32");
    options = good, options.rows = options.columns = 0;
    expect("NaN in a potential",
           aet_simulation_create_from_potential(s->context, &nan, 8, 8, &options, NULL, NULL, &simulation),
           AET_ERROR_NON_FINITE, "slice 0, row 0");
    expect("a flat cell",
           aet_simulation_create_from_potential(s->context, &nan, 8, 0, &options, NULL, NULL, &simulation),
           AET_ERROR_RANGE, "cell_y");
}

static void check_scan_faults(const simulated *s)
{
    double signals[PLACES][3], place[1][2] = {{NAN, 0}};
    static double wave[SIM_PIXELS][2];
    const int64_t one[2] = {1, 2}, none[2] = {0, 2};
    const aet_view out = aet_view_c(signals, AET_DTYPE_F64, 2, SIGNALS_3);
    const aet_view narrow = aet_view_c(signals, AET_DTYPE_F64, 2, PLACES_2);
    const aet_view complex_out = aet_view_c(wave, AET_DTYPE_C128, 2, SIM_PLANE);
    const aet_view real_out = aet_view_c(wave, AET_DTYPE_F64, 2, SIM_PLANE);
    const aet_const_view positions = aet_const_view_c(SCAN_PLACES, AET_DTYPE_F64, 2, PLACES_2);
    const aet_const_view nan = aet_const_view_c(place, AET_DTYPE_F64, 2, one);
    const aet_const_view empty = aet_const_view_c(place, AET_DTYPE_F64, 2, none);
    const aet_detector *list[2] = {s->detectors[0], s->detectors[1]};
    const aet_simulation *sim = s->simulation;
    int64_t count = -1;
    expect("out too narrow", aet_simulation_scan(sim, s->probe, &positions, list, 2, NULL, NULL, &narrow),
           AET_ERROR_SHAPE, "out");
    expect("no positions", aet_simulation_scan(sim, s->probe, &empty, list, 2, NULL, NULL, &out), AET_ERROR_EMPTY,
           "scan");
    expect("NaN", aet_simulation_scan(sim, s->probe, &nan, list, 2, NULL, NULL, &out), AET_ERROR_NON_FINITE,
           "position 0");
    expect("no detectors", aet_simulation_scan(sim, s->probe, &positions, list, 0, NULL, NULL, &out),
           AET_ERROR_EMPTY, "detectors");
    expect("-1 detectors", aet_simulation_signal_count(sim, list, -1, &count), AET_ERROR_RANGE, "detectors");
    expect("no list", aet_simulation_signal_count(sim, NULL, 2, &count), AET_ERROR_NULL, "detectors");
    list[1] = NULL;
    expect("half a list", aet_simulation_signal_count(sim, list, 2, &count), AET_ERROR_NULL, "detectors");
    aet_probe_options options;
    aet_probe *probe = NULL;
    require(aet_probe_options_init(&options, sizeof options), "probe options");
    options.energy_ev = 200e3;
    options.semiangle_mrad = 15;
    require(aet_probe_create(&options, &probe), "probe");
    expect("another energy", aet_simulation_scan(sim, probe, &positions, list, 1, NULL, NULL, &out),
           AET_ERROR_INCONSISTENT, "200000");
    aet_probe_free(probe);
    options.energy_ev = 300e3;
    options.semiangle_mrad = 80;
    require(aet_probe_create(&options, &probe), "probe");
    expect("beyond the band limit", aet_simulation_scan(sim, probe, &positions, list, 1, NULL, NULL, &out),
           AET_ERROR_RANGE, "at most 26.2");
    aet_probe_free(probe);
    aet_detector_options wide;
    aet_detector *detector = NULL;
    require(aet_detector_options_init(&wide, sizeof wide), "detector options");
    wide.outer_mrad = 60;
    require(aet_detector_create(&wide, NULL, &detector), "wide detector");
    const aet_detector *const wides[1] = {detector};
    expect("a detector beyond it", aet_simulation_signal_count(sim, wides, 1, &count), AET_ERROR_RANGE, "at most 26.2");
    aet_detector_free(detector);
    expect("a freed detector", aet_simulation_signal_count(sim, wides, 1, &count), AET_ERROR_STALE_HANDLE,
           "aet_detector");
    expect("slice 3", aet_simulation_potential(sim, SIM_SLICES, &real_out), AET_ERROR_RANGE, "0 to 2");
    expect("complex potential", aet_simulation_potential(sim, 0, &complex_out), AET_ERROR_DTYPE, "out");
    expect("4 slices", aet_simulation_exit_wave(sim, NULL, 4, &complex_out), AET_ERROR_RANGE, "slices is 4");
    expect("real wave", aet_simulation_exit_wave(sim, NULL, 0, &real_out), AET_ERROR_DTYPE, "out");
    expect("probe at NaN", aet_simulation_probe_exit_wave(sim, s->probe, NAN, 0, 0, &complex_out, NULL, NULL),
           AET_ERROR_NON_FINITE, "position");
    int32_t phase = -1;
    list[1] = s->detectors[1];
    signals[0][0] = -7;
    expect("a scan cancelled", aet_simulation_scan(sim, s->probe, &positions, list, 2, end_simulating, &phase, &out),
           AET_CANCELLED, "");
    check("leaves the signals alone", signals[0][0] == -7 && phase == AET_PHASE_SIMULATING);
    check("neutral values", aet_simulation_slice_count(NULL) == 0 && aet_simulation_atom_count(NULL) == 0 &&
                                isnan(aet_simulation_wavelength(NULL)));
    aet_simulation_free(NULL);
}

static void check_window(const simulated *s)
{
    static double wave[16 * 20][2];
    const int64_t shape[2] = {16, 20};
    const aet_view out = aet_view_c(wave, AET_DTYPE_C128, 2, shape);
    aet_simulation_options options = simulation_options();
    aet_simulation *simulation = NULL;
    int64_t rows = 0, columns = 0;
    options.window_rows = 16;
    options.window_columns = 20;
    options.precision = AET_PRECISION_SINGLE;
    expect("through a window", aet_simulation_create(s->context, s->atoms, &options, NULL, NULL, &simulation),
           AET_OK, "");
    expect("its shape", aet_simulation_window_shape(simulation, &rows, &columns), AET_OK, "");
    check("16 x 20", rows == 16 && columns == 20);
    expect("a probe", aet_simulation_probe_exit_wave(simulation, s->probe, 0, 8, 1, &out, &rows, &columns), AET_OK, "");
    check("whose window begins before the cell", rows == 32 - 8 && columns == -10);
    static double whole[SIM_PIXELS][2];
    const aet_view all = aet_view_c(whole, AET_DTYPE_C128, 2, SIM_PLANE);
    expect("a plane wave needs no window", aet_simulation_exit_wave(simulation, NULL, 0, &all),
           AET_ERROR_UNSUPPORTED, "window");
    aet_simulation_free(simulation);
    expect("freed", aet_simulation_window_shape(simulation, &rows, &columns), AET_ERROR_STALE_HANDLE, "aet_simulation");
}

static void check_simulations(const aet_context *context)
{
    printf("# simulations\n");
    simulated s = simulated_create(context);
    check_simulation_facts(&s);
    check_waves(&s);
    check_gradients(&s);
    check_simulation_options(&s);
    check_scan_faults(&s);
    check_window(&s);
    simulated_free(&s);
}

#endif
