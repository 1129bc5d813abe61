/* Filters, masks and resolution of volumes: what comes back, and bad input. */
#ifndef AET_TESTS_VOLUME_FILTERS_H
#define AET_TESTS_VOLUME_FILTERS_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { BALL_EDGE = 24, BALL_VOXELS = BALL_EDGE * BALL_EDGE * BALL_EDGE };

static int32_t stop_filter(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static double sum_of(const aet_volume *volume)
{
    static float values[BALL_VOXELS];
    const int64_t shape[3] = {BALL_EDGE, BALL_EDGE, BALL_EDGE};
    const aet_view out = aet_view_c(values, AET_DTYPE_F32, 3, shape);
    double sum = 0;
    if (aet_volume_copy_to(volume, &out) != AET_OK) return NAN;
    for (int i = 0; i < BALL_VOXELS; i++) sum += values[i];
    return sum;
}

static aet_support_options ball_options(void)
{
    aet_support_options options;
    (void)aet_support_options_init(&options, sizeof options);
    options.nz = options.ny = options.nx = BALL_EDGE;
    options.voxel_size = 0.5;
    options.radius = 4;
    return options;
}

static void check_masks(const aet_context *context, const aet_volume *ball)
{
    aet_support_options support = ball_options();
    aet_volume *none = NULL, *mask = NULL, *grown = NULL, *product = NULL, *cylinder = NULL;
    support.shape = AET_SUPPORT_SHAPE_CYLINDER_Y;
    expect("cylinder", aet_volume_create_support(context, &support, NULL, NULL, &cylinder), AET_OK, "");
    check("a cylinder is a disk in every row", sum_of(cylinder) == 197.0 * BALL_EDGE);
    support.radius = 0;
    expect("radius 0", aet_volume_create_support(context, &support, NULL, NULL, &none), AET_ERROR_RANGE, "radius");
    support = ball_options();
    support.centre[1] = 100;
    expect("support beside the volume", aet_volume_create_support(context, &support, NULL, NULL, &none),
           AET_ERROR_EMPTY, "support");
    support = ball_options();
    support.nz = -1;
    expect("-1 planes", aet_volume_create_support(context, &support, NULL, NULL, &none), AET_ERROR_RANGE, "nz");
    expect("support of no options", aet_volume_create_support(context, NULL, NULL, NULL, &none), AET_ERROR_NULL,
           "options");

    double threshold = 0;
    expect("threshold", aet_volume_otsu_threshold(ball, NULL, NULL, &threshold), AET_OK, "");
    check("it parts 0 and 1", threshold > 0.4 && threshold < 0.6);
    aet_mask_options options;
    (void)aet_mask_options_init(&options, sizeof options);
    check("the published chain", options.minimum_island == 50000 && options.factor == 0.9 && options.erosion == 15);
    expect("islands of 50000 voxels", aet_volume_mask(ball, NULL, NULL, NULL, &none), AET_ERROR_EMPTY,
           "minimum_island of 50000");
    options.smoothing = AET_SMOOTHING_NONE;
    options.closing = options.dilation = options.erosion = 0;
    options.minimum_island = 100;
    expect("mask", aet_volume_mask(ball, &options, NULL, NULL, &mask), AET_OK, "");
    check("the mask of a mask is itself", sum_of(mask) == sum_of(ball));
    options.dilation = 1;
    expect("grown mask", aet_volume_mask(mask, &options, NULL, NULL, &grown), AET_OK, "");
    check("it has grown", sum_of(grown) > 1.2 * sum_of(mask));
    expect("product", aet_volume_multiply(grown, mask, NULL, NULL, &product), AET_OK, "");
    check("a product is the smaller of two masks", sum_of(product) == sum_of(mask));
    expect("mask stopped", aet_volume_mask(ball, &options, stop_filter, NULL, &none), AET_CANCELLED, "");
    options.factor = NAN;
    expect("factor NaN", aet_volume_mask(ball, &options, NULL, NULL, &none), AET_ERROR_RANGE, "factor");
    (void)aet_mask_options_init(&options, sizeof options);
    options.smoothing_width = 4;
    expect("box of 4 voxels", aet_volume_mask(ball, &options, NULL, NULL, &none), AET_ERROR_RANGE, "smoothing box");
    options.smoothing = 9;
    expect("unknown smoothing", aet_volume_mask(ball, &options, NULL, NULL, &none), AET_ERROR_UNKNOWN_OPTION,
           "AET_SMOOTHING_BOX = 2");
    check("failures write no handle", none == NULL);
    aet_volume_free(cylinder);
    aet_volume_free(product);
    aet_volume_free(grown);
    aet_volume_free(mask);
}

static void check_filters(const aet_volume *ball, const aet_dataset *dataset)
{
    aet_filter_options options;
    aet_volume *filtered = NULL, *smoothed = NULL, *seen = NULL, *none = NULL;
    (void)aet_filter_options_init(&options, sizeof options);
    options.low_pass = 0.4;
    options.padding = AET_PADDING_PERIODIC;
    expect("low pass", aet_volume_filter(ball, &options, NULL, NULL, NULL, NULL, &filtered), AET_OK, "");
    check("the sum stays", fabs(sum_of(filtered) / sum_of(ball) - 1) < 1e-5);
    options.object_size = 6;
    expect("with what was seen", aet_volume_filter(ball, &options, dataset, NULL, NULL, NULL, &seen), AET_OK, "");
    check("the sum stays there, too", fabs(sum_of(seen) / sum_of(ball) - 1) < 1e-5);
    expect("smoothing", aet_volume_smooth(ball, AET_SMOOTHING_BOX, 3, NULL, NULL, &smoothed), AET_OK, "");
    check("the sum of what is far from the faces stays", fabs(sum_of(smoothed) / sum_of(ball) - 1) < 1e-5);
    options.low_pass = 1.01;
    expect("beyond Nyquist", aet_volume_filter(ball, &options, NULL, NULL, NULL, NULL, &none), AET_ERROR_RANGE,
           "Nyquist frequency of the voxels, 1 ");
    options.low_pass = NAN;
    expect("cut NaN", aet_volume_filter(ball, &options, NULL, NULL, NULL, NULL, &none), AET_ERROR_RANGE, "low_pass");
    (void)aet_filter_options_init(&options, sizeof options);
    options.floor = 2;
    expect("floor 2", aet_volume_filter(ball, &options, dataset, NULL, NULL, NULL, &none), AET_ERROR_RANGE, "floor");
    (void)aet_filter_options_init(&options, sizeof options);
    const double points[4] = {0, 1, 0, 0.5};
    const int64_t shape[2] = {2, 2}, flat[1] = {4};
    aet_const_view curve = aet_const_view_c(points, AET_DTYPE_F64, 2, shape);
    expect("curve that does not rise", aet_volume_filter(ball, &options, NULL, &curve, NULL, NULL, &none),
           AET_ERROR_INCONSISTENT, "rising");
    curve = aet_const_view_c(points, AET_DTYPE_F64, 1, flat);
    expect("flat curve", aet_volume_filter(ball, &options, NULL, &curve, NULL, NULL, &none), AET_ERROR_SHAPE, "curve");
    options.padding = 5;
    expect("unknown padding", aet_volume_filter(ball, &options, NULL, NULL, NULL, NULL, &none),
           AET_ERROR_UNKNOWN_OPTION, "AET_PADDING_MIRROR = 1");
    expect("Gaussian of -1", aet_volume_smooth(ball, AET_SMOOTHING_GAUSSIAN, -1, NULL, NULL, &none), AET_ERROR_RANGE,
           "smoothing");
    check("failures write no handle", none == NULL);
    aet_volume_free(seen);
    aet_volume_free(smoothed);
    aet_volume_free(filtered);
}

static void check_resolution(const aet_context *context, const aet_volume *ball, const aet_dataset *dataset)
{
    static double rows[4 * (BALL_EDGE / 2 + 1)];
    const int64_t shells = aet_volume_shell_count(ball), shape[2] = {BALL_EDGE / 2 + 1, 4};
    const aet_view curve = aet_view_c(rows, AET_DTYPE_F64, 2, shape);
    aet_resolution resolution;
    resolution.struct_size = sizeof resolution;
    check("shells", shells == BALL_EDGE / 2 + 1 && aet_volume_shell_count(NULL) == 0);
    expect("correlation", aet_volume_shell_correlation(ball, ball, NULL, NULL, NULL, NULL, &curve, &resolution),
           AET_OK, "");
    check("a volume agrees with itself", fabs(rows[4 * 5 + 1] - 1) < 1e-6 && isnan(resolution.half_bit) &&
                                             fabs(resolution.nyquist - 1) < 1e-12);
    aet_support_options support = ball_options();
    aet_volume *shorter = NULL;
    support.nz = BALL_EDGE - 1;
    expect("another volume", aet_volume_create_support(context, &support, NULL, NULL, &shorter), AET_OK, "");
    expect("two shapes", aet_volume_shell_correlation(ball, shorter, NULL, NULL, NULL, NULL, &curve, NULL),
           AET_ERROR_SHAPE, "second volume");
    aet_volume_free(shorter);
    aet_correlation_options options;
    (void)aet_correlation_options_init(&options, sizeof options);
    options.filling = NAN;
    expect("filling NaN", aet_volume_shell_correlation(ball, ball, NULL, &options, NULL, NULL, &curve, NULL),
           AET_ERROR_RANGE, "filling");
    (void)aet_correlation_options_init(&options, sizeof options);
    options.half_angle_deg = 20;
    expect("cone without direction", aet_volume_shell_correlation(ball, ball, NULL, &options, NULL, NULL, &curve, NULL),
           AET_ERROR_RANGE, "direction");

    int32_t half[64];
    const int64_t images = aet_dataset_image_count(dataset);
    expect("half sets", aet_dataset_half_sets(dataset, half, images), AET_OK, "");
    check("every other tilt", half[0] == 0 && half[images - 1] >= 0);
    expect("too few places", aet_dataset_half_sets(dataset, half, images - 1), AET_ERROR_SHAPE, "half");
}

static void check_masked_images(const aet_context *context)
{
    static float pixels[3 * BALL_EDGE * BALL_EDGE];
    const int64_t shape[3] = {3, BALL_EDGE, BALL_EDGE}, three = 3, two = 2;
    const double angles[3] = {-50, 0, 50};
    int32_t kept[3] = {0, 0, 0};
    for (int i = 0; i < 3 * BALL_EDGE * BALL_EDGE; i++) pixels[i] = 2;
    const aet_const_view images = aet_const_view_c(pixels, AET_DTYPE_F32, 3, shape);
    const aet_const_view angles_view = aet_const_view_c(angles, AET_DTYPE_F64, 1, &three);
    const aet_view place = aet_view_c(kept, AET_DTYPE_I32, 1, &three);
    const aet_view short_one = aet_view_c(kept, AET_DTYPE_I32, 1, &two);
    aet_frames frames;
    aet_dataset_options options;
    (void)aet_frames_init(&frames, sizeof frames);
    (void)aet_dataset_options_init(&options, sizeof options);
    frames.angles_deg = &angles_view;
    frames.tilt_axis = AET_TILT_AXIS_Y;
    options.pixel_size = 0.5;
    aet_dataset *dataset = NULL;
    aet_volume *ball = NULL, *large = NULL, *zeros = NULL;
    aet_support_options support = ball_options();
    expect("images to be masked", aet_dataset_create(context, &options, &images, &frames, &dataset), AET_OK, "");
    expect("a ball", aet_volume_create_support(context, &support, NULL, NULL, &ball), AET_OK, "");
    support.voxel_size = 0.6;
    expect("a ball of large voxels", aet_volume_create_support(context, &support, NULL, NULL, &large), AET_OK, "");
    const int64_t cube[3] = {2, 2, 2};
    const float nothing[8] = {0};
    const aet_const_view nothing_view = aet_const_view_c(nothing, AET_DTYPE_F32, 3, cube);
    expect("a mask of zeros", aet_volume_create(context, &nothing_view, 0.5, &zeros), AET_OK, "");
    expect("masked by zeros", aet_dataset_mask_images(dataset, zeros, NULL, NULL, NULL, NULL), AET_ERROR_EMPTY, "mask");
    expect("masked by large voxels", aet_dataset_mask_images(dataset, large, NULL, NULL, NULL, NULL), AET_ERROR_RANGE,
           "voxel_size");
    expect("too few places", aet_dataset_mask_images(dataset, ball, NULL, NULL, NULL, &short_one), AET_ERROR_SHAPE,
           "kept");
    expect("no mask", aet_dataset_mask_images(dataset, NULL, NULL, NULL, NULL, NULL), AET_ERROR_NULL, "mask");
    double threshold = 0;
    expect("constant volume", aet_volume_otsu_threshold(zeros, NULL, NULL, &threshold), AET_ERROR_INCONSISTENT,
           "all voxels are 0");
    check("nothing has changed", aet_dataset_version(dataset) == 1);
    expect("masked images", aet_dataset_mask_images(dataset, ball, NULL, NULL, NULL, &place), AET_OK, "");
    check("disks are kept", aet_dataset_version(dataset) == 2 && kept[0] > 150 && kept[0] < 270 && kept[1] > 150);
    aet_volume_free(zeros);
    aet_volume_free(large);
    aet_volume_free(ball);
    aet_dataset_free(dataset);
}

static void check_volume_filters(const aet_context *context, const aet_dataset *dataset)
{
    printf("# filters, masks and resolution of volumes\n");
    const aet_support_options support = ball_options();
    aet_volume *ball = NULL;
    expect("ball", aet_volume_create_support(context, &support, NULL, NULL, &ball), AET_OK, "");
    check("its voxels", fabs(sum_of(ball) - 2109) < 1);
    check_masks(context, ball);
    check_filters(ball, dataset);
    check_resolution(context, ball, dataset);
    check_masked_images(context);
    aet_volume_free(ball);
}

#endif
