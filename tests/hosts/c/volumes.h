/* Volumes, peaks and atoms from images alone: what comes back, and bad input. */
#ifndef AET_TESTS_VOLUMES_H
#define AET_TESTS_VOLUMES_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { VOXELS_Z = 3, VOXELS_Y = 4, VOXELS_X = 5, VOXELS = VOXELS_Z * VOXELS_Y * VOXELS_X };

static int32_t stop_at_two(void *user, const aet_progress *progress)
{
    (void)user;
    return progress->iteration >= 2;
}

static int32_t stop_at_once(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static void sirt_options(aet_tomography_options *options)
{
    (void)aet_tomography_options_init(options, sizeof *options);
    options->method = AET_TOMOGRAPHY_METHOD_SIRT;
}

static void check_volume_files(const aet_context *context, const aet_volume *volume, const char *file)
{
    aet_volume *copy = NULL;
    aet_dataset *dataset = NULL;
    int64_t shape[3] = {0, 0, 0};
    expect("volume written", aet_volume_write(volume, file, NULL, NULL), AET_OK, "");
    expect("volume read", aet_volume_read(context, file, 0, NULL, NULL, &copy), AET_OK, "");
    expect("its shape", aet_volume_shape(copy, shape), AET_OK, "");
    check("shape and voxel size survive", shape[0] == VOXELS_Z && shape[1] == VOXELS_Y && shape[2] == VOXELS_X &&
                                              aet_volume_voxel_size(copy) > 0.4999 &&
                                              aet_volume_voxel_size(copy) < 0.5001);

    /* The same file as a stack of images. */
    const double angles[VOXELS_Z] = {-10, 0, 10};
    const int64_t count = VOXELS_Z;
    const aet_const_view angles_view = aet_const_view_c(angles, AET_DTYPE_F64, 1, &count);
    aet_frames frames;
    aet_dataset_options options;
    (void)aet_frames_init(&frames, sizeof frames);
    (void)aet_dataset_options_init(&options, sizeof options);
    frames.angles_deg = &angles_view;
    frames.tilt_axis = AET_TILT_AXIS_Y;
    expect("dataset from a file", aet_dataset_create_from_file(context, &options, file, &frames, NULL, NULL, &dataset),
           AET_OK, "");
    check("its images", aet_dataset_image_count(dataset) == VOXELS_Z && aet_dataset_rows(dataset) == VOXELS_Y &&
                            aet_dataset_columns(dataset) == VOXELS_X && aet_dataset_pixel_size(dataset) > 0.4999);
    aet_dataset *other = NULL;
    const int64_t two = 2;
    const aet_const_view too_few = aet_const_view_c(angles, AET_DTYPE_F64, 1, &two);
    frames.angles_deg = &too_few;
    expect("dataset with too few angles",
           aet_dataset_create_from_file(context, &options, file, &frames, NULL, NULL, &other), AET_ERROR_SHAPE,
           "angles_deg");
    expect("dataset from no file",
           aet_dataset_create_from_file(context, &options, "no such.mrc", &frames, NULL, NULL, &other), AET_ERROR_FILE,
           "no such.mrc");

    FILE *stream = fopen(file, "r+b");
    check("file opened", stream != NULL);
    if (stream != NULL) {
        const unsigned char huge[4] = {0, 0, 0xff, 0};
        fseek(stream, 8, SEEK_SET);
        fwrite(huge, 1, sizeof huge, stream);
        fclose(stream);
    }
    aet_volume *none = NULL;
    expect("header that tells of a huge volume", aet_volume_read(context, file, 0, NULL, NULL, &none),
           AET_ERROR_TRUNCATED, "cut short");
    expect("no file", aet_volume_read(context, "no such.mrc", 0, NULL, NULL, &none), AET_ERROR_FILE, "no such.mrc");
    check("failures write no handle", none == NULL && other == NULL);
    aet_dataset_free(dataset);
    aet_volume_free(copy);
}

/* Other formats, told by endings and by names; `scratch` is the beginning of the names of the files. */
static void check_volume_formats(const aet_context *context, const aet_volume *volume, const float *values,
                                 const char *scratch)
{
    const char *const endings[] = {".npy", ".tif", ".mat", ".emd", ".h5"};
    const int64_t shape[3] = {VOXELS_Z, VOXELS_Y, VOXELS_X};
    float back[VOXELS];
    const aet_view out = aet_view_c(back, AET_DTYPE_F32, 3, shape);
    aet_volume *none = NULL;
    char file[4096];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        aet_volume *copy = NULL;
        snprintf(file, sizeof file, "%s%s", scratch, endings[i]);
        expect("written", aet_volume_write(volume, file, NULL, NULL), AET_OK, "");
        expect("and read", aet_volume_read(context, file, i == 0 ? 0.5 : 0, NULL, NULL, &copy), AET_OK, "");
        memset(back, 0, sizeof back);
        expect("its values", aet_volume_copy_to(copy, &out), AET_OK, "");
        check("another format keeps all", memcmp(values, back, sizeof back) == 0 &&
                                              aet_volume_voxel_size(copy) > 0.4999 &&
                                              aet_volume_voxel_size(copy) < 0.5001);
        aet_volume_free(copy);
        if (i == 0) {
            expect("npy without a voxel size", aet_volume_read(context, file, 0, NULL, NULL, &none),
                   AET_ERROR_NOT_READY, "give one");
            expect("name in an npy file", aet_volume_read_named(context, file, "a", 1, NULL, NULL, &none),
                   AET_ERROR_UNSUPPORTED, "one array");
        }
        expect("write stopped", aet_volume_write(volume, file, stop_at_once, NULL), AET_CANCELLED, "");
        expect("read stopped", aet_volume_read(context, file, 0, stop_at_once, NULL, &none), AET_CANCELLED, "");
    }
    aet_volume *named = NULL;
    expect("level 7.3", aet_volume_write_as(volume, file, "mat73", "rec", NULL, NULL), AET_OK, "");
    expect("by its name", aet_volume_read_named(context, file, "rec", 0, NULL, NULL, &named), AET_OK, "");
    expect("by another", aet_volume_read_named(context, file, "volume", 0, NULL, NULL, &none),
           AET_ERROR_UNKNOWN_OPTION, "`rec`");
    expect("unknown format", aet_volume_write_as(volume, file, "raw", NULL, NULL, NULL), AET_ERROR_UNKNOWN_OPTION,
           "mat73");
    expect("name of no variable", aet_volume_write_as(volume, file, "mat5", "a b", NULL, NULL), AET_ERROR_RANGE,
           "letters, digits");
    expect("format and name of the library's", aet_volume_write_as(volume, file, NULL, NULL, NULL, NULL), AET_OK, "");
    snprintf(file, sizeof file, "%s.raw", scratch);
    expect("unknown ending", aet_volume_write(volume, file, NULL, NULL), AET_ERROR_UNKNOWN_OPTION, ".npy");
    FILE *stream = fopen(file, "wb");
    check("file of text", stream != NULL);
    if (stream != NULL) {
        fputs("no volume at all", stream);
        fclose(stream);
    }
    expect("text is no volume", aet_volume_read(context, file, 1, NULL, NULL, &none), AET_ERROR_FORMAT, "6e 6f 20");
    check("failures write no handle", none == NULL);
    aet_volume_free(named);
}

static void check_trace_bad_input(const aet_context *context, const aet_volume *volume)
{
    aet_trace_options trace;
    aet_atoms *atoms = NULL;
    aet_table *candidates = NULL;
    const int64_t one[3] = {1, 1, 1}, two[2] = {1, 2};
    const double numbers[2] = {0, 0};
    const aet_const_view cube = aet_const_view_c(numbers, AET_DTYPE_F64, 3, one);
    const aet_const_view pair = aet_const_view_c(numbers, AET_DTYPE_F64, 2, two);
    aet_volume *small = NULL;
    expect("one voxel", aet_volume_create(context, &cube, 0.5, &small), AET_OK, "");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.minimum_distance = 0.9; /* voxels of 0.5 A */
    expect("below two voxels", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates), AET_ERROR_RANGE,
           "two voxels of 0.5");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.method = 7;
    expect("method 7", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates), AET_ERROR_UNKNOWN_OPTION,
           "AET_TRACE_METHOD_GAUSSIAN = 2");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.support = small;
    expect("support of another size", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates),
           AET_ERROR_SHAPE, "support");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.added = &pair;
    expect("places without z", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates), AET_ERROR_SHAPE,
           "added");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.thresholding = AET_TRACE_THRESHOLD_VALUE;
    trace.threshold = 100;
    expect("threshold above all", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates), AET_ERROR_EMPTY,
           "highest smoothed value");
    expect("one voxel is constant", aet_volume_trace(small, NULL, NULL, NULL, &atoms, &candidates), AET_ERROR_EMPTY,
           "all voxels are 0");
    check("failures write no handle", atoms == NULL && candidates == NULL);
    aet_volume_free(small);
}

static void check_volume_bad_input(const aet_context *context, const aet_const_view *values, const aet_volume *volume,
                                   const aet_dataset *dataset)
{
    aet_volume *none = NULL;
    aet_atoms *atoms = NULL;
    expect("voxel size 0", aet_volume_create(context, values, 0, &none), AET_ERROR_RANGE, "voxel_size");
    expect("no values", aet_volume_create(context, NULL, 1, &none), AET_ERROR_NULL, "values");
    expect("shape of nothing", aet_volume_shape(NULL, NULL), AET_ERROR_NULL, "volume");
    expect("no place for the shape", aet_volume_shape(volume, NULL), AET_ERROR_NULL, "shape");
    float few[2] = {0, 0};
    const int64_t two = 2;
    const aet_view out = aet_view_c(few, AET_DTYPE_F32, 1, &two);
    expect("too small a place", aet_volume_copy_to(volume, &out), AET_ERROR_SHAPE, "out");

    aet_tomography_options sirt;
    sirt_options(&sirt);
    sirt.voxel_size = 9;
    expect("voxels larger than pixels", aet_volume_reconstruct(context, dataset, &sirt, NULL, NULL, &none),
           AET_ERROR_RANGE, "voxel_size");
    sirt_options(&sirt);
    sirt.background = 7;
    expect("unknown background", aet_volume_reconstruct(context, dataset, &sirt, NULL, NULL, &none),
           AET_ERROR_UNKNOWN_OPTION, "AET_BACKGROUND_NONE = 1");
    expect("reconstruction of nothing", aet_volume_reconstruct(context, NULL, NULL, NULL, NULL, &none), AET_ERROR_NULL,
           "dataset");

    aet_trace_options trace;
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.species = 200;
    expect("species 200", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, NULL), AET_ERROR_RANGE, "species");
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.smoothing = -1;
    expect("smoothing -1", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, NULL), AET_ERROR_RANGE, "smoothing");
    check_trace_bad_input(context, volume);

    aet_find_options find;
    (void)aet_find_options_init(&find, sizeof find);
    find.weak = 2;
    expect("weak 2", aet_dataset_find_atoms(dataset, NULL, &find, NULL, NULL, &atoms, NULL, NULL, NULL, NULL),
           AET_ERROR_RANGE, "weak");
    (void)aet_find_options_init(&find, sizeof find);
    find.max_cycles = -1;
    expect("-1 cycles", aet_dataset_find_atoms(dataset, NULL, &find, NULL, NULL, &atoms, NULL, NULL, NULL, NULL),
           AET_ERROR_RANGE, "max_cycles");
    check("failures write no handle", none == NULL && atoms == NULL);
}

enum { ATOM_EDGE = 24, ATOM_VOXELS = ATOM_EDGE * ATOM_EDGE * ATOM_EDGE };

/* Two Gaussian atoms of height 2 and 1, 3.2 A apart along x, B = 0.5 A^2, in voxels of 0.4 A. */
static aet_volume *two_atoms(const aet_context *context)
{
    static float values[ATOM_VOXELS];
    const int64_t shape[3] = {ATOM_EDGE, ATOM_EDGE, ATOM_EDGE};
    for (int i = 0; i < ATOM_VOXELS; i++) {
        const double z = 0.4 * (i / ATOM_EDGE / ATOM_EDGE - 12), y = 0.4 * (i / ATOM_EDGE % ATOM_EDGE - 12);
        const double x = 0.4 * (i % ATOM_EDGE - 12);
        const double left = (x + 1.7) * (x + 1.7) + y * y + z * z, right = (x - 1.5) * (x - 1.5) + y * y + z * z;
        values[i] = (float)(0.1 + 2 * exp(-left / 0.5) + exp(-right / 0.5));
    }
    const aet_const_view view = aet_const_view_c(values, AET_DTYPE_F32, 3, shape);
    aet_volume *volume = NULL;
    expect("two atoms", aet_volume_create(context, &view, 0.4, &volume), AET_OK, "");
    return volume;
}

static void check_tracing(const aet_context *context)
{
    aet_volume *volume = two_atoms(context);
    const double place[3] = {1.5, 0, 0};
    const int64_t one[2] = {1, 3}, two = 2;
    const aet_const_view places = aet_const_view_c(place, AET_DTYPE_F64, 2, one);
    double flags[2], widths[2], errors[2], noise = -1;
    const aet_view flag_view = aet_view_c(flags, AET_DTYPE_F64, 1, &two);
    const aet_view width_view = aet_view_c(widths, AET_DTYPE_F64, 1, &two);
    const aet_view error_view = aet_view_c(errors, AET_DTYPE_F64, 1, &two);
    aet_trace_options trace;
    aet_atoms *atoms = NULL;
    aet_table *candidates = NULL;
    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.method = AET_TRACE_METHOD_GAUSSIAN;
    trace.fit_radius = 1.2;
    trace.minimum_distance = 1.6;
    trace.removed = &places;
    expect("traced", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, &candidates), AET_OK, "");
    check("one is left", aet_atoms_count(atoms) == 1 && aet_table_row_count(candidates) == 2);
    expect("flags", aet_table_copy_column(candidates, "flag", &flag_view), AET_OK, "");
    expect("widths", aet_table_copy_column(candidates, "width_x", &width_view), AET_OK, "");
    expect("errors", aet_table_copy_column(candidates, "standard_error_z", &error_view), AET_OK, "");
    expect("noise", aet_table_value(candidates, "noise", &noise), AET_OK, "");
    check("the stronger is accepted, the other removed",
          flags[0] == AET_TRACE_FLAG_ACCEPTED && flags[1] == AET_TRACE_FLAG_REMOVED);
    check("widths are told", fabs(widths[0] - 0.5) < 0.02 && fabs(widths[1] - 0.5) < 0.02);
    check("numbers of the whole", noise >= 0 && errors[0] < 0.01);
    aet_table_free(candidates);
    aet_atoms_free(atoms);

    (void)aet_trace_options_init(&trace, sizeof trace);
    trace.thresholding = AET_TRACE_THRESHOLD_VALUE;
    trace.threshold = 0.3;
    trace.support = volume; /* above 0.5 around both atoms */
    trace.explain_rounds = 2;
    expect("explained", aet_volume_trace(volume, &trace, NULL, NULL, &atoms, NULL), AET_OK, "");
    check("both are there", aet_atoms_count(atoms) == 2);
    aet_atoms_free(atoms);
    aet_volume_free(volume);
}

/* `dataset` shows `true_atoms`. */
static void check_volumes(const aet_context *context, const aet_dataset *dataset, const aet_atoms *true_atoms,
                          const char *file)
{
    printf("# volumes\n");
    const int64_t shape[3] = {VOXELS_Z, VOXELS_Y, VOXELS_X};
    float values[VOXELS], back[VOXELS];
    for (int i = 0; i < VOXELS; i++) {
        values[i] = (float)(i % 7);
    }
    const aet_const_view view = aet_const_view_c(values, AET_DTYPE_F32, 3, shape);
    const aet_view out = aet_view_c(back, AET_DTYPE_F32, 3, shape);
    aet_volume *volume = NULL;
    expect("volume", aet_volume_create(context, &view, 0.5, &volume), AET_OK, "");
    expect("its values", aet_volume_copy_to(volume, &out), AET_OK, "");
    check("values come back", memcmp(values, back, sizeof values) == 0 && aet_volume_residual_count(volume) == 0);
    check_volume_formats(context, volume, values, file);
    check_volume_files(context, volume, file);
    check_volume_bad_input(context, &view, volume, dataset);
    aet_volume_free(volume);
    aet_volume_free(volume);
    check_tracing(context);

    aet_tomography_options sirt;
    aet_volume *tomogram = NULL, *short_one = NULL, *none = (aet_volume *)&view;
    sirt_options(&sirt);
    expect("SIRT", aet_volume_reconstruct(context, dataset, &sirt, NULL, NULL, &tomogram), AET_OK, "");
    double residuals[25];
    const int64_t iterations = 25;
    const aet_view residuals_view = aet_view_c(residuals, AET_DTYPE_F64, 1, &iterations);
    expect("its residuals", aet_volume_copy_residuals(tomogram, &residuals_view), AET_OK, "");
    check("residuals fall", residuals[24] < 0.5 * residuals[0]);
    expect("SIRT stopped", aet_volume_reconstruct(context, dataset, &sirt, stop_at_two, NULL, &short_one), AET_CANCELLED,
           "");
    check("what was done is kept", aet_volume_residual_count(short_one) == 2);
    expect("SIRT stopped at once", aet_volume_reconstruct(context, dataset, &sirt, stop_at_once, NULL, &none),
           AET_CANCELLED, "");
    check("nothing done, nothing kept", none == NULL || aet_volume_residual_count(none) == 1);

    aet_find_options find;
    aet_atoms *peaks = NULL, *found = NULL;
    expect("peaks", aet_volume_trace(tomogram, NULL, NULL, NULL, &peaks, NULL), AET_OK, "");
    check("there are peaks", aet_atoms_count(peaks) > 0);
    (void)aet_find_options_init(&find, sizeof find);
    find.tomography = &sirt;
    find.species = 14;
    expect("atoms found", aet_dataset_find_atoms(dataset, NULL, &find, NULL, NULL, &found, NULL, NULL, NULL, NULL),
           AET_OK, "");
    aet_comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    comparison.struct_size = sizeof comparison;
    expect("compared", aet_atoms_compare(found, true_atoms, NULL, &comparison, NULL), AET_OK, "");
    check("all atoms were found", comparison.missing == 0 && comparison.extra == 0);
    aet_atoms_free(found);
    aet_atoms_free(peaks);
    aet_volume_free(none);
    aet_volume_free(short_one);
    aet_volume_free(tomogram);
    check("getters of a NULL volume", aet_volume_residual_count(NULL) == 0 && !(aet_volume_voxel_size(NULL) > 0));
    aet_volume_free(NULL);
}

#endif
