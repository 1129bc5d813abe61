/* The recording instrument: what comes back, and bad input. */
#ifndef AET_TESTS_INSTRUMENT_H
#define AET_TESTS_INSTRUMENT_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { RECORD_N = 3, RECORD_ROWS = 20, RECORD_COLUMNS = 16, RECORD_PIXELS = RECORD_ROWS * RECORD_COLUMNS };

static int32_t stop_recording(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static aet_instrument_options perfect_instrument(void)
{
    aet_instrument_options options;
    expect("instrument options", aet_instrument_options_init(&options, sizeof options), AET_OK, "");
    return options;
}

static double mean_of(const float *values, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

static void check_patterns(const aet_context *context)
{
    static float patterns[RECORD_N][RECORD_PIXELS], out[RECORD_N][RECORD_PIXELS], last[RECORD_PIXELS];
    for (int i = 0; i < RECORD_N * RECORD_PIXELS; i++)
        patterns[i / RECORD_PIXELS][i % RECORD_PIXELS] = 1.0F / RECORD_PIXELS;
    const int64_t shape[3] = {RECORD_N, RECORD_ROWS, RECORD_COLUMNS}, one[3] = {1, RECORD_ROWS, RECORD_COLUMNS};
    const aet_const_view in = aet_const_view_c(patterns, AET_DTYPE_F32, 3, shape);
    const aet_view to = aet_view_c(out, AET_DTYPE_F32, 3, shape);
    aet_instrument_options options = perfect_instrument();
    expect("perfect instrument", aet_patterns_record(context, &in, &options, 0, NULL, NULL, &to), AET_OK, "");
    check("it changes no bit", memcmp(patterns, out, sizeof out) == 0);
    expect("no options", aet_patterns_record(context, &in, NULL, 0, NULL, NULL, &to), AET_OK, "");

    options.electrons_per_position = 32000;
    options.seed = 5;
    expect("patterns recorded", aet_patterns_record(context, &in, &options, 0, NULL, NULL, &to), AET_OK, "");
    const double mean = mean_of(out[0], RECORD_N * RECORD_PIXELS);
    check("mean number of electrons", fabs(mean - 100) < 2);
    const aet_const_view last_in = aet_const_view_c(patterns[2], AET_DTYPE_F32, 3, one);
    const aet_view last_out = aet_view_c(last, AET_DTYPE_F32, 3, one);
    expect("the last alone", aet_patterns_record(context, &last_in, &options, 2, NULL, NULL, &last_out), AET_OK, "");
    check("does not depend on the others", memcmp(last, out[2], sizeof last) == 0);

    expect("shape of out", aet_patterns_record(context, &in, &options, 0, NULL, NULL, &last_out), AET_ERROR_SHAPE, "out");
    expect("first -1", aet_patterns_record(context, &in, &options, -1, NULL, NULL, &to), AET_ERROR_RANGE, "first");
    expect("no patterns", aet_patterns_record(context, NULL, &options, 0, NULL, NULL, &to), AET_ERROR_NULL, "patterns");
    expect("stopped", aet_patterns_record(context, &in, &options, 0, stop_recording, NULL, &to), AET_CANCELLED, "");
    options.drift_x = 1;
    expect("drift of patterns", aet_patterns_record(context, &in, &options, 0, NULL, NULL, &to), AET_ERROR_UNSUPPORTED,
           "scan");
    options.drift_x = 0;
    patterns[1][17] = NAN;
    expect("NaN in a pattern", aet_patterns_record(context, &in, &options, 0, NULL, NULL, &to), AET_ERROR_NON_FINITE,
           "image 1, row 1, column 1");
}

static void check_truth(void)
{
    static double displacements[RECORD_ROWS][RECORD_COLUMNS][2], dark[RECORD_ROWS][RECORD_COLUMNS];
    const int64_t pairs[3] = {RECORD_ROWS, RECORD_COLUMNS, 2};
    const aet_view places = aet_view_c(displacements, AET_DTYPE_F64, 3, pairs);
    const aet_view plane = aet_view_c(dark, AET_DTYPE_F64, 2, pairs);
    aet_instrument_options options = perfect_instrument();
    options.drift_x = 2;
    options.shear = 0.1;
    expect("displacements", aet_instrument_copy_truth(&options, 0.5, 0, "displacements", &places), AET_OK, "");
    const double time = 19 * 16 / (double)RECORD_PIXELS;
    check("drift and shear", fabs(displacements[19][0][0] - (2 * time + 0.1 * 0.5 * 9)) < 1e-12 &&
                                 displacements[19][0][1] == 0);
    options.dark_current = 3;
    options.hot_pixels = 2;
    options.hot_current = 100;
    expect("dark current", aet_instrument_copy_truth(&options, 0.5, 0, "dark", &plane), AET_OK, "");
    int hot = 0;
    for (int i = 0; i < RECORD_PIXELS; i++)
        hot += dark[i / RECORD_COLUMNS][i % RECORD_COLUMNS] == 103;
    check("two hot pixels", hot == 2);
    expect("gain", aet_instrument_copy_truth(&options, 0.5, 0, "gain", &plane), AET_OK, "");
    expect("defects", aet_instrument_copy_truth(NULL, 0.5, 0, "defects", &plane), AET_OK, "");
    expect("unknown truth", aet_instrument_copy_truth(&options, 0.5, 0, "noise", &plane), AET_ERROR_UNKNOWN_OPTION,
           "displacements");
    expect("truth of another shape", aet_instrument_copy_truth(&options, 0.5, 0, "displacements", &plane),
           AET_ERROR_SHAPE, "[rows, columns, 2]");
    expect("pixel size 0", aet_instrument_copy_truth(&options, 0, 0, "dark", &plane), AET_ERROR_RANGE, "pixel size");
}

static void refuse_instrument(const aet_dataset *dataset, const aet_instrument_options *options, const char *what,
                              aet_status status, const char *text)
{
    aet_dataset *recorded = NULL;
    expect(what, aet_dataset_record(dataset, options, NULL, NULL, &recorded), status, text);
    check("nothing was made", recorded == NULL);
}

static void check_bad_instruments(const aet_dataset *dataset)
{
    const aet_instrument_options good = perfect_instrument();
    aet_instrument_options bad = good;
    bad.dose_per_a2 = -1;
    refuse_instrument(dataset, &bad, "dose -1", AET_ERROR_RANGE, "dose_per_a2");
    bad.dose_per_a2 = 100;
    bad.electrons_per_position = 100;
    refuse_instrument(dataset, &bad, "two exposures", AET_ERROR_INCONSISTENT, "electrons_per_position");
    bad = good;
    bad.dqe = 1.5;
    refuse_instrument(dataset, &bad, "dqe 1.5", AET_ERROR_RANGE, "dqe");
    bad = good;
    bad.detection = 7;
    refuse_instrument(dataset, &bad, "detection 7", AET_ERROR_UNKNOWN_OPTION, "detection");
    bad.detection = AET_DETECTION_INTEGRATING;
    bad.dead_time = 0.1;
    refuse_instrument(dataset, &bad, "dead time of an integrating detector", AET_ERROR_RANGE, "dead_time");
    bad = good;
    bad.walk = NAN;
    refuse_instrument(dataset, &bad, "walk NaN", AET_ERROR_RANGE, "walk");
    bad = good;
    bad.mtf_gaussian = 0.4;
    bad.mtf_exponential = 0.2;
    refuse_instrument(dataset, &bad, "mixture without weight", AET_ERROR_RANGE, "mtf_exponential_weight");
    const double samples[2] = {1, 0.5};
    const int64_t two = 2, just_one = 1;
    const aet_const_view mtf = aet_const_view_c(samples, AET_DTYPE_F64, 1, &two);
    const aet_const_view short_mtf = aet_const_view_c(samples, AET_DTYPE_F64, 1, &just_one);
    bad = good;
    bad.mtf = &mtf;
    bad.mtf_gaussian = 0.4;
    refuse_instrument(dataset, &bad, "two mtf", AET_ERROR_INCONSISTENT, "mtf_gaussian");
    bad = good;
    bad.noise_mtf = &short_mtf;
    refuse_instrument(dataset, &bad, "one sample", AET_ERROR_SHAPE, "noise_mtf");
    bad = good;
    bad.dead_pixels = 1000000;
    refuse_instrument(dataset, &bad, "more dead pixels than pixels", AET_ERROR_RANGE, "dead_pixels");
    bad = good;
    bad.struct_size = 3;
    refuse_instrument(dataset, &bad, "size of the structure", AET_ERROR_STRUCT_SIZE, "aet_instrument_options");
    refuse_instrument(NULL, &good, "no dataset", AET_ERROR_NULL, "dataset");
}

static void check_instrument(const aet_context *context, const aet_dataset *dataset)
{
    printf("# instrument\n");
    check_patterns(context);
    check_truth();
    check_bad_instruments(dataset);
    aet_instrument_options options = perfect_instrument();
    options.electrons_per_position = 50;
    options.gain = 2;
    options.drift_y = 0.3;
    options.quantized = 1;
    aet_dataset *recorded = NULL;
    expect("dataset recorded", aet_dataset_record(dataset, &options, NULL, NULL, &recorded), AET_OK, "");
    check("its images", aet_dataset_image_count(recorded) == aet_dataset_image_count(dataset) &&
                            aet_dataset_pixel_size(recorded) == aet_dataset_pixel_size(dataset));
    double counts[64];
    const int64_t n = aet_dataset_image_count(recorded);
    const aet_view view = aet_view_c(counts, AET_DTYPE_F64, 1, &n);
    if (n <= 64)
        expect("counts per unit", aet_dataset_copy_column(recorded, "counts_per_unit", &view), AET_OK, "");
    check("electrons per unit are 1 / gain", n <= 64 && counts[0] == 0.5);
    aet_dataset_free(recorded);
    recorded = NULL;
    expect("recording stopped", aet_dataset_record(dataset, &options, stop_recording, NULL, &recorded), AET_CANCELLED,
           "");
    check("a stopped recording makes nothing", recorded == NULL);
}

#endif
