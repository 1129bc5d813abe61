/* Simulated series of three atoms: images and patterns, counters, cancelling and going on, and bad input. */
#ifndef AET_TESTS_SIMULATED_SERIES_H
#define AET_TESTS_SIMULATED_SERIES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

enum { SER_TILTS = 3, SER_FOCI = 2, SER_SIDE = 8, SER_PHONONS = 2, SER_PLACES = SER_SIDE * SER_SIDE,
      SER_PROBES = SER_TILTS * SER_FOCI * SER_SIDE * SER_SIDE * SER_PHONONS, SER_PATH = 4200 };

/* Everything that a series is made of; options point to it. */
typedef struct {
    const aet_context *context;
    aet_atoms *still, *atoms; /* without Debye-Waller factors, and with them */
    aet_probe *probe;
    aet_detector *annular, *pixelated;
    double rotations[SER_TILTS][3][3], foci[SER_FOCI];
    aet_const_view rotation_view, focus_view;
    aet_simulation_options simulation;
    aet_instrument_options instrument;
    const char *scratch;
} series_parts;

static void parts_create(series_parts *s, const aet_context *context, const char *scratch)
{
    static const double positions[3][3] = {{0, 0, 0}, {1.2, 0.3, 2}, {-1, -1.1, -1.5}}, factors[3] = {0.5, 0.5, 0.6};
    static const int32_t species[3] = {79, 29, 14};
    static const double rotations[SER_TILTS][3][3] = {{{0.8, 0, 0.6}, {0, 1, 0}, {-0.6, 0, 0.8}},
                                                      {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                                      {{0.8, 0, -0.6}, {0, 1, 0}, {0.6, 0, 0.8}}};
    const int64_t triples[2] = {3, 3}, stack[3] = {SER_TILTS, 3, 3}, foci[1] = {SER_FOCI};
    const aet_const_view places = aet_const_view_c(positions, AET_DTYPE_F64, 2, triples);
    const aet_const_view numbers = aet_const_view_c(species, AET_DTYPE_I32, 1, triples);
    const aet_const_view motion = aet_const_view_c(factors, AET_DTYPE_F64, 1, triples);
    memset(s, 0, sizeof *s);
    s->context = context;
    s->scratch = scratch;
    memcpy(s->rotations, rotations, sizeof rotations);
    s->foci[0] = -5;
    s->foci[1] = 5;
    s->rotation_view = aet_const_view_c(s->rotations, AET_DTYPE_F64, 3, stack);
    s->focus_view = aet_const_view_c(s->foci, AET_DTYPE_F64, 1, foci);
    require(aet_atoms_create(&places, &numbers, NULL, NULL, &s->still), "atoms");
    require(aet_atoms_with_column(s->still, "debye_waller_b", &motion, &s->atoms), "atoms that move");
    aet_probe_options probe;
    require(aet_probe_options_init(&probe, sizeof probe), "probe options");
    probe.energy_ev = 300e3;
    probe.semiangle_mrad = 15;
    require(aet_probe_create(&probe, &s->probe), "probe");
    aet_detector_options detector;
    require(aet_detector_options_init(&detector, sizeof detector), "detector options");
    detector.inner_mrad = 10;
    require(aet_detector_create(&detector, NULL, &s->annular), "annular detector");
    require(aet_detector_options_init(&detector, sizeof detector), "detector options");
    detector.kind = AET_DETECTOR_KIND_PIXELATED;
    detector.outer_mrad = 20;
    detector.binning = 2;
    require(aet_detector_create(&detector, NULL, &s->pixelated), "pixelated detector");
    require(aet_simulation_options_init(&s->simulation, sizeof s->simulation), "simulation options");
    s->simulation.pixel_size = 0.2;
    require(aet_instrument_options_init(&s->instrument, sizeof s->instrument), "instrument options");
    s->instrument.dose_per_a2 = 1e4;
    s->instrument.seed = 3;
}

static void parts_free(series_parts *s)
{
    aet_atoms_free(s->still);
    aet_atoms_free(s->atoms);
    aet_probe_free(s->probe);
    aet_detector_free(s->annular);
    aet_detector_free(s->pixelated);
}

static aet_series_options series_options(const series_parts *s)
{
    aet_series_options options;
    require(aet_series_options_init(&options, sizeof options), "series options");
    options.rotations = &s->rotation_view;
    options.foci = &s->focus_view;
    options.simulation = &s->simulation;
    options.instrument = &s->instrument;
    options.pixel_size = 0.7;
    options.vacuum = 2;
    options.rows = options.columns = SER_SIDE;
    options.phonon_configurations = SER_PHONONS;
    options.phonon_seed = 4;
    return options;
}

static const char *series_path(const series_parts *s, const char *name)
{
    static char text[2][SER_PATH];
    static int turn;
    turn = 1 - turn;
    snprintf(text[turn], SER_PATH, "%s/%s", s->scratch, name);
    return text[turn];
}

static int series_exists(const series_parts *s, const char *name)
{
    struct stat status;
    return stat(series_path(s, name), &status) == 0;
}

/* What a progress function sees, and when it ends the call. */
typedef struct {
    int64_t end_at_tilt; /* -1: never */
    int64_t calls, last_probe;
    int consistent;
} series_observer;

static int32_t observe_series(void *user, const aet_progress *p)
{
    series_observer *seen = user;
    seen->calls++;
    seen->consistent = seen->consistent && p->phase == AET_PHASE_SIMULATING && p->tilts == SER_TILTS &&
                       p->configurations == SER_PHONONS && p->probes == SER_PROBES && p->tilt >= 0 &&
                       p->tilt < SER_TILTS && p->configuration >= 0 && p->configuration < SER_PHONONS &&
                       p->probe >= seen->last_probe && p->probe <= SER_PROBES && p->fraction >= 0 && p->fraction <= 1;
    seen->last_probe = p->probe;
    return seen->end_at_tilt >= 0 && p->tilt >= seen->end_at_tilt;
}

static aet_status simulate(const series_parts *s, const aet_detector *detector, const aet_series_options *options,
                           const char *folder, series_observer *seen)
{
    return aet_simulate_series(s->context, s->atoms, s->probe, detector, options, series_path(s, folder),
                               seen == NULL ? NULL : observe_series, seen);
}

/* Two files have the same bytes, and some. */
static int same_file(const series_parts *s, const char *one, const char *other, const char *name)
{
    char first[64], second[64];
    snprintf(first, sizeof first, "%s/%s", one, name);
    snprintf(second, sizeof second, "%s/%s", other, name);
    FILE *a = fopen(series_path(s, first), "rb"), *b = fopen(series_path(s, second), "rb");
    long bytes = 0;
    int same = a != NULL && b != NULL;
    while (same) {
        const int x = fgetc(a), y = fgetc(b);
        same = x == y;
        if (x == EOF) break;
        bytes++;
    }
    if (a != NULL) fclose(a);
    if (b != NULL) fclose(b);
    return same && bytes > 0;
}

/* An uninterrupted series in folder `whole`/series, and one in `cut`/series that is ended after the first tilt. */
static void check_going_on(const series_parts *s, const aet_detector *detector, const char *whole, const char *cut,
                           const char *const files[])
{
    char first[32], second[32], partial[48];
    snprintf(first, sizeof first, "%s/series", whole);
    snprintf(second, sizeof second, "%s/series", cut);
    snprintf(partial, sizeof partial, "%s.partial", second);
    const aet_series_options options = series_options(s);
    series_observer all = {-1, 0, 0, 1}, some = {1, 0, 0, 1}, rest = {-1, 0, 0, 1};
    expect("a series", simulate(s, detector, &options, first, &all), AET_OK, "");
    check("its counters", all.consistent && all.calls >= SER_TILTS * SER_FOCI * SER_PHONONS &&
                              all.last_probe == SER_PROBES);
    expect("ended after the first tilt", simulate(s, detector, &options, second, &some), AET_CANCELLED, "");
    check("which is kept", !series_exists(s, second) && series_exists(s, partial) && some.consistent &&
                               some.last_probe >= SER_PROBES / SER_TILTS && some.last_probe < SER_PROBES);
    aet_series_options other = options;
    other.phonon_seed = 5;
    expect("not for another seed", simulate(s, detector, &other, second, NULL), AET_ERROR_INCONSISTENT,
           "another series");
    rest.last_probe = SER_PROBES / SER_TILTS; /* those of the earlier call count, too */
    expect("the same call goes on", simulate(s, detector, &options, second, &rest), AET_OK, "");
    check("from there", rest.consistent && rest.calls <= all.calls && !series_exists(s, partial));
    for (int i = 0; files[i] != NULL; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s is the same to the last bit", files[i]);
        check(what, same_file(s, first, second, files[i]));
    }
    expect("a folder that exists", simulate(s, detector, &options, first, NULL), AET_ERROR_INCONSISTENT, "exists");
}

static void check_images(const series_parts *s)
{
    static const char *const files[] = {"dataset.json", "projections.npy", "rotations.npy", "defocus_A.npy",
                                        "atoms_truth.xyz", NULL};
    check_going_on(s, s->annular, "whole images", "cut images", files);
    aet_dataset *series = NULL;
    expect("read", aet_dataset_read(s->context, series_path(s, "cut images/series"), NULL, NULL, NULL, &series), AET_OK,
           "");
    check("images", aet_dataset_tilt_count(series) == SER_TILTS && aet_dataset_image_count(series) == 6 &&
                        aet_dataset_rows(series) == SER_SIDE && aet_dataset_columns(series) == SER_SIDE &&
                        aet_dataset_pixel_size(series) == 0.7 && aet_dataset_energy_ev(series) == 300e3);
    double defocus[6], images[6][SER_PLACES], sum = 0;
    const int64_t six[3] = {6, SER_SIDE, SER_SIDE};
    const aet_view out = aet_view_c(defocus, AET_DTYPE_F64, 1, six);
    const aet_view pixels = aet_view_c(images, AET_DTYPE_F64, 3, six);
    expect("foci", aet_dataset_copy_column(series, "defocus", &out), AET_OK, "");
    check("image number tilt x foci + focus", defocus[0] == -5 && defocus[1] == 5 && defocus[4] == -5);
    expect("pixels", aet_dataset_copy_column(series, "images", &pixels), AET_OK, "");
    int whole = 1;
    for (int i = 0; i < 6 * SER_PLACES; i++) {
        const double count = images[i / SER_PLACES][i % SER_PLACES];
        whole = whole && count >= 0 && count == (double)(int64_t)count;
        sum += count;
    }
    check("numbers of electrons", whole && sum > 0 && sum < 1e4 * 0.49 * 6 * SER_PLACES);
    aet_dataset_free(series);
}

static void check_series_memory(const series_parts *s)
{
    aet_series_options options = series_options(s);
    aet_simulation_options fine = s->simulation;
    uint64_t bytes = 0, more = 0;
    expect("memory", aet_simulate_series_estimate_memory(s->context, s->atoms, s->probe, s->annular, &options, &bytes),
           AET_OK, "");
    fine.precision = AET_PRECISION_DOUBLE;
    options.simulation = &fine;
    expect("in double",
           aet_simulate_series_estimate_memory(s->context, s->atoms, s->probe, s->annular, &options, &more), AET_OK, "");
    check("some, and more", bytes > 1 << 16 && more > bytes && more < (uint64_t)1 << 32);
    expect("nowhere to put it",
           aet_simulate_series_estimate_memory(s->context, s->atoms, s->probe, s->annular, &options, NULL),
           AET_ERROR_NULL, "bytes");
    require(aet_series_options_init(&options, sizeof options), "series options");
    options.rotations = &s->rotation_view;
    options.foci = &s->focus_view;
    more = 0;
    expect("of defaults",
           aet_simulate_series_estimate_memory(s->context, s->still, s->probe, s->pixelated, &options, &more), AET_OK,
           "");
    check("some, too", more > bytes);
    options = series_options(s);
    options.memory_cap = (int64_t)bytes - 1;
    expect("a cap one byte too low", simulate(s, s->annular, &options, "capped", NULL), AET_ERROR_MEMORY, "series");
    options.memory_cap = -1;
    expect("a cap of -1", simulate(s, s->annular, &options, "capped", NULL), AET_ERROR_RANGE, "memory_cap");
}

static void refuse_series(const series_parts *s, const char *what, const aet_series_options *options,
                          aet_status wanted, const char *mention)
{
    expect(what, simulate(s, s->annular, options, "refused", NULL), wanted, mention);
    if (series_exists(s, "refused") || series_exists(s, "refused.partial")) check("nothing is left behind", 0);
}

static void refuse_geometry(series_parts *s)
{
    const aet_series_options good = series_options(s);
    aet_series_options options = good;
    const int64_t none[1] = {0}, flat[2] = {3, 3};
    const aet_const_view no_foci = aet_const_view_c(s->foci, AET_DTYPE_F64, 1, none);
    const aet_const_view matrix = aet_const_view_c(s->rotations, AET_DTYPE_F64, 2, flat);
    options.foci = NULL;
    refuse_series(s, "NULL for foci", &options, AET_ERROR_NULL, "foci");
    options.foci = &no_foci;
    refuse_series(s, "no foci", &options, AET_ERROR_EMPTY, "foci");
    options = good, options.rotations = NULL;
    refuse_series(s, "NULL for rotations", &options, AET_ERROR_NULL, "rotations");
    options.rotations = &matrix;
    refuse_series(s, "one matrix", &options, AET_ERROR_SHAPE, "rotations");
    s->rotations[2][1][1] = -1;
    refuse_series(s, "a mirror", &good, AET_ERROR_INCONSISTENT, "rotation of tilt 2");
    s->rotations[2][1][1] = 1.01;
    refuse_series(s, "a stretched matrix", &good, AET_ERROR_INCONSISTENT, "rotation of tilt 2");
    s->rotations[2][1][1] = 1;
    options = good, options.pixel_size = -0.3;
    refuse_series(s, "negative pixels", &options, AET_ERROR_RANGE, "pixel_size");
    options = good, options.vacuum = -1;
    refuse_series(s, "negative vacuum", &options, AET_ERROR_RANGE, "vacuum");
    options = good, options.rows = -1;
    refuse_series(s, "-1 rows", &options, AET_ERROR_RANGE, "rows");
    options = good, options.columns = INT64_MAX;
    refuse_series(s, "columns beyond all bounds", &options, AET_ERROR_SHAPE, "scan");
    options = good, options.rows = 0, options.pixel_size = 1e-9;
    refuse_series(s, "a scan of tiny pixels", &options, AET_ERROR_SHAPE, "scan");
}

static void refuse_simulation(series_parts *s)
{
    const aet_series_options good = series_options(s);
    aet_series_options options = good;
    const aet_simulation_options simulation = s->simulation;
    const aet_instrument_options instrument = s->instrument;
    s->simulation.energy_ev = 200e3;
    refuse_series(s, "another energy", &good, AET_ERROR_INCONSISTENT, "200000");
    s->simulation = simulation, s->simulation.slice_edges = &s->focus_view;
    refuse_series(s, "edges of slices", &good, AET_ERROR_UNSUPPORTED, "slice_edges");
    s->simulation = simulation, s->simulation.pixel_size = 1;
    refuse_series(s, "pixels that are too large", &good, AET_ERROR_RANGE, "");
    s->simulation = simulation, s->simulation.window_rows = s->simulation.window_columns = 16;
    options.whole_window = 1;
    refuse_series(s, "a window and none", &options, AET_ERROR_INCONSISTENT, "whole_window");
    s->simulation = simulation, options.whole_window = 2;
    refuse_series(s, "whole_window 2", &options, AET_ERROR_RANGE, "whole_window");
    s->simulation.absorption = 2; /* found when the first tilt is prepared */
    refuse_series(s, "absorption 2", &good, AET_ERROR_RANGE, "absorption");
    s->simulation = simulation;
    s->instrument.electrons_per_position = 5;
    refuse_series(s, "two doses", &good, AET_ERROR_INCONSISTENT, "dose_per_a2");
    s->instrument = instrument;
    options = good, options.defocus_spread = -1;
    refuse_series(s, "a negative spread", &options, AET_ERROR_RANGE, "defocus spread");
    options.defocus_spread = 10, options.defocus_nodes = 65;
    refuse_series(s, "65 nodes", &options, AET_ERROR_RANGE, "nodes");
    options.defocus_nodes = -1;
    refuse_series(s, "-1 nodes", &options, AET_ERROR_RANGE, "defocus_nodes");
    options = good, options.phonon_configurations = -2;
    refuse_series(s, "-2 configurations", &options, AET_ERROR_RANGE, "phonon_configurations");
    options = good, options.struct_size = 3;
    refuse_series(s, "struct_size 3", &options, AET_ERROR_STRUCT_SIZE, "3");
    options = good, options.reserved = 1;
    refuse_series(s, "reserved", &options, AET_ERROR_RANGE, "reserved");
    refuse_series(s, "no options", NULL, AET_ERROR_NULL, "options");
}

static void refuse_detectors(const series_parts *s)
{
    const aet_series_options options = series_options(s);
    aet_detector_options wanted;
    aet_detector *detector = NULL;
    require(aet_detector_options_init(&wanted, sizeof wanted), "detector options");
    wanted.outer_mrad = 99;
    require(aet_detector_create(&wanted, NULL, &detector), "wide detector");
    expect("beyond the band limit", simulate(s, detector, &options, "refused", NULL), AET_ERROR_RANGE, "pixels of");
    aet_detector_free(detector);
    expect("a freed detector", simulate(s, detector, &options, "refused", NULL), AET_ERROR_STALE_HANDLE,
           "aet_detector");
    wanted.outer_mrad = 0;
    wanted.kind = AET_DETECTOR_KIND_CENTER_OF_MASS;
    require(aet_detector_create(&wanted, NULL, &detector), "centre of mass");
    expect("a kind that makes no series", simulate(s, detector, &options, "refused", NULL), AET_ERROR_UNSUPPORTED,
           "annular");
    aet_detector_free(detector);
    const double map[2][2] = {{1, 1}, {1, 0.5}};
    const int64_t square[2] = {2, 2};
    const aet_const_view view = aet_const_view_c(map, AET_DTYPE_F64, 2, square);
    wanted.kind = AET_DETECTOR_KIND_ANNULAR;
    wanted.sensitivity_row_step_mrad = 10;
    require(aet_detector_create(&wanted, &view, &detector), "measured detector");
    expect("a sensitivity map", simulate(s, detector, &options, "refused", NULL), AET_ERROR_UNSUPPORTED, "sensitivity");
    aet_detector_free(detector);
    expect("no detector", simulate(s, NULL, &options, "refused", NULL), AET_ERROR_NULL, "detector");
    expect("phonons without Debye-Waller factors",
           aet_simulate_series(s->context, s->still, s->probe, s->annular, &options, series_path(s, "refused"), NULL,
                               NULL),
           AET_ERROR_NOT_READY, "debye_waller_b");
    expect("no folder", aet_simulate_series(s->context, s->atoms, s->probe, s->annular, &options, NULL, NULL, NULL),
           AET_ERROR_NULL, "folder");
    check("nothing is left behind", !series_exists(s, "refused") && !series_exists(s, "refused.partial"));
}

static void check_simulated_series(const aet_context *context, const char *scratch)
{
    static const char *const patterns[] = {"dataset.json", "patterns.npy", "scan_positions.npy", "rotations.npy",
                                           "atoms_truth.xyz", NULL};
    printf("# simulated series\n");
    series_parts s;
    parts_create(&s, context, scratch);
    check_images(&s);
    check_going_on(&s, s.pixelated, "whole patterns", "cut patterns", patterns);
    check_series_memory(&s);
    refuse_geometry(&s);
    refuse_simulation(&s);
    refuse_detectors(&s);
    parts_free(&s);
}

#endif
