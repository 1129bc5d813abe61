/* Volumes from images as reconstructions that hosts drive: what comes back, and bad input. */
#ifndef AET_TESTS_TOMOGRAPHY_H
#define AET_TESTS_TOMOGRAPHY_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { METHODS = 10, CUBE = ROWS, CUBE_VOXELS = CUBE * CUBE * CUBE };

static const int64_t CUBE_SHAPE[3] = {CUBE, CUBE, CUBE};

static aet_tomography_options tomography_options(int32_t method)
{
    aet_tomography_options options;
    require(aet_tomography_options_init(&options, sizeof options), "tomography options");
    options.method = method;
    return options;
}

static aet_recon *tomography_create(const fit *f, const aet_tomography_options *options)
{
    aet_recon *recon = NULL;
    require(aet_recon_create_tomography(f->context, f->dataset, options, &recon), "tomography");
    return recon;
}

static aet_status tomography_run(aet_recon *recon, int32_t iterations)
{
    const aet_run_options options = long_run(iterations);
    return aet_recon_run(recon, &options, NULL, NULL);
}

/* Values of a volume of CUBE voxels an edge, to be freed by the caller, who gives the volume away. */
static float *voxels_of(aet_volume *volume)
{
    float *values = malloc(CUBE_VOXELS * sizeof *values);
    if (values == NULL) exit(EXIT_FAILURE);
    const aet_view out = aet_view_c(values, AET_DTYPE_F32, 3, CUBE_SHAPE);
    require(aet_volume_copy_to(volume, &out), "voxels");
    aet_volume_free(volume);
    return values;
}

static float *voxels_of_recon(const aet_recon *recon)
{
    aet_volume *volume = NULL;
    require(aet_recon_get_volume(recon, &volume), "volume");
    return voxels_of(volume);
}

static double sum_of_voxels(const float *values)
{
    double sum = 0;
    for (int i = 0; i < CUBE_VOXELS; i++) sum += values[i];
    return sum;
}

/* 1 where x is below the middle. */
static aet_volume *half_space(const aet_context *context, float left, float right)
{
    float *values = malloc(CUBE_VOXELS * sizeof *values);
    if (values == NULL) exit(EXIT_FAILURE);
    for (int i = 0; i < CUBE_VOXELS; i++) values[i] = i % CUBE < CUBE / 2 ? left : right;
    const aet_const_view view = aet_const_view_c(values, AET_DTYPE_F32, 3, CUBE_SHAPE);
    aet_volume *volume = NULL;
    require(aet_volume_create(context, &view, PIXEL_SIZE, &volume), "half space");
    free(values);
    return volume;
}

/* Value `index` of a column of the history, the last where it is negative. */
static double of_history(const aet_recon *recon, const char *column, int64_t index)
{
    double values[64];
    int64_t count = aet_recon_history_count(recon);
    if (count < 1 || count > 64) return NAN;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 1, &count);
    require(aet_recon_copy_history(recon, column, &out), "history");
    return values[index < 0 ? count - 1 : index];
}

/* ---- use ---- */

static void check_every_method(const fit *f)
{
    for (int32_t method = 0; method < METHODS; method++) {
        aet_tomography_options options = tomography_options(method);
        options.iterations = 3;
        aet_volume *volume = NULL;
        char what[64];
        snprintf(what, sizeof what, "method %d in one call", (int)method);
        expect(what, aet_volume_reconstruct(f->context, f->dataset, &options, NULL, NULL, &volume), AET_OK, "");
        const double size = aet_volume_voxel_size(volume);
        const int64_t residuals = aet_volume_residual_count(volume);
        float *quick = voxels_of(volume);
        const double sum = sum_of_voxels(quick);
        check("a finite volume that is not empty", isfinite(sum) && sum > 0 && size == PIXEL_SIZE && residuals >= 1);

        aet_recon *recon = tomography_create(f, &options);
        uint64_t bytes = 0, estimate = 0;
        snprintf(what, sizeof what, "method %d as an object", (int)method);
        expect(what, tomography_run(recon, 3), AET_MAX_ITERATIONS, "");
        float *driven = voxels_of_recon(recon);
        check("the same volume", memcmp(quick, driven, CUBE_VOXELS * sizeof *quick) == 0);
        check("its loss", isfinite(loss_of(recon)) && loss_of(recon) >= 0);
        expect("memory of the object", aet_recon_memory_estimate(recon, &bytes), AET_OK, "");
        expect("memory before it", aet_tomography_estimate_memory(f->dataset, &options, &estimate), AET_OK, "");
        check("both are the same", bytes == estimate && bytes > CUBE_VOXELS * sizeof(float));
        free(driven);
        free(quick);
        aet_recon_free(recon);
    }
}

static void check_half_sets(const fit *f)
{
    double axis[3] = {0, 0, 0};
    const int64_t three = 3;
    const aet_view place = aet_view_c(axis, AET_DTYPE_F64, 1, &three);
    expect("axis of the average depth", aet_dataset_depth_axis(f->dataset, &place), AET_OK, "");
    check("it points along z", axis[2] > 0 && axis[2] <= 1);
    expect("no dataset, no axis", aet_dataset_depth_axis(NULL, &place), AET_ERROR_NULL, "dataset");
    aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    int taken[2][IMAGES] = {{0}};
    const int64_t images = IMAGES;
    for (int half = 0; half < 2; half++) {
        double r_factors[IMAGES];
        const aet_view out = aet_view_c(r_factors, AET_DTYPE_F64, 1, &images);
        options.subset = half == 0 ? AET_VIEW_SUBSET_EVEN : AET_VIEW_SUBSET_ODD;
        aet_recon *recon = tomography_create(f, &options);
        expect("half set", tomography_run(recon, 2), AET_MAX_ITERATIONS, "");
        require(aet_recon_copy_r_factors(recon, &out), "R factors");
        for (int i = 0; i < IMAGES; i++) taken[half][i] = isfinite(r_factors[i]);
        aet_table *table = NULL;
        expect("R factors as a table", aet_recon_r_factor_table(recon, &table), AET_OK, "");
        check("a row per image", aet_table_row_count(table) == IMAGES && aet_table_column_count(table) == 5);
        aet_table_free(table);
        aet_recon_free(recon);
    }
    int parted = 1;
    for (int i = 0; i < IMAGES; i++) {
        const int even = (i / FOCI) % 2 == 0; /* the first tilt is of the even half */
        parted = parted && taken[0][i] == even && taken[1][i] == !even;
    }
    check("halves part the tilts", parted);
}

static void check_support_and_start(const fit *f)
{
    aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_volume *support = half_space(f->context, 1, 0), *initial = NULL;
    options.support = support;
    aet_recon *recon = tomography_create(f, &options);
    aet_volume_free(support); /* the reconstruction keeps what it needs */
    expect("within a support", tomography_run(recon, 3), AET_MAX_ITERATIONS, "");
    float *values = voxels_of_recon(recon);
    double outside = 0;
    for (int i = 0; i < CUBE_VOXELS; i++) outside += i % CUBE < CUBE / 2 ? 0 : fabs(values[i]);
    check("nothing outside", outside == 0 && sum_of_voxels(values) > 0);
    free(values);
    aet_recon_free(recon);

    options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    recon = tomography_create(f, &options);
    const double begun = loss_of(recon);
    expect("from nothing", tomography_run(recon, 5), AET_MAX_ITERATIONS, "");
    const double ended = loss_of(recon);
    require(aet_recon_get_volume(recon, &initial), "volume");
    aet_recon_free(recon);
    options.initial = initial;
    recon = tomography_create(f, &options);
    aet_volume_free(initial);
    const double again = loss_of(recon);
    check("from a volume", again < 0.5 * begun && fabs(again / ended - 1) < 1e-9);
    aet_recon_free(recon);
}

static void check_held_out(const fit *f)
{
    aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_SIRT);
    options.held_out = 0.34;
    aet_recon *recon = tomography_create(f, &options);
    expect("views held out", tomography_run(recon, 3), AET_MAX_ITERATIONS, "");
    const double r_free = of_history(recon, "r_free", -1);
    check("their R factor", of_history(recon, "r_free", 0) == 1 && r_free > 0); /* 1 of zeros */
    aet_recon_free(recon);
    options.held_out = 0;
    recon = tomography_create(f, &options);
    expect("none held out", tomography_run(recon, 1), AET_MAX_ITERATIONS, "");
    check("no R factor", isnan(of_history(recon, "r_free", -1)));
    aet_recon_free(recon);
}

/* What a progress function sees of a run of which it keeps and stops the second iteration. */
typedef struct {
    const aet_context *context;
    const aet_recon *recon;
    aet_volume *from_snapshot, *from_recon;
    aet_status got[3];
    int64_t iteration;
} onlooker;

static int32_t keep_the_second(void *user, const aet_progress *progress)
{
    onlooker *o = user;
    if (progress->iteration < 2 || o->from_snapshot != NULL) return 0;
    aet_snapshot *snapshot = NULL;
    o->got[0] = aet_recon_snapshot(o->recon, &snapshot);
    o->got[1] = aet_snapshot_get_volume(o->context, snapshot, &o->from_snapshot);
    o->got[2] = aet_recon_get_volume(o->recon, &o->from_recon);
    o->iteration = aet_snapshot_iteration(snapshot);
    aet_snapshot_free(snapshot);
    return 1;
}

static void check_looking_on(const fit *f)
{
    const aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_recon *recon = tomography_create(f, &options), *other = tomography_create(f, &options);
    onlooker o = {f->context, recon, NULL, NULL, {AET_OK, AET_OK, AET_OK}, -1};
    const aet_run_options run = long_run(50);
    expect("stopped after two iterations", aet_recon_run(recon, &run, keep_the_second, &o), AET_CANCELLED, "");
    expect("snapshot of a run", o.got[0], AET_OK, "");
    expect("its volume", o.got[1], AET_OK, "");
    expect("volume of a run", o.got[2], AET_OK, "");
    expect("two iterations", tomography_run(other, 2), AET_MAX_ITERATIONS, "");
    float *seen = voxels_of(o.from_snapshot), *told = voxels_of(o.from_recon);
    float *kept = voxels_of_recon(recon), *wanted = voxels_of_recon(other);
    const size_t bytes = CUBE_VOXELS * sizeof *seen;
    check("what a run has done is seen and kept", o.iteration == 2 && memcmp(seen, wanted, bytes) == 0 &&
                                                      memcmp(told, wanted, bytes) == 0 &&
                                                      memcmp(kept, wanted, bytes) == 0);
    free(seen);
    free(told);
    free(kept);
    free(wanted);
    aet_recon_free(other);
    aet_recon_free(recon);
}

static void check_saved_tomography(const fit *f, const char *file)
{
    const int32_t methods[3] = {AET_TOMOGRAPHY_METHOD_RESIRE, AET_TOMOGRAPHY_METHOD_CGLS, AET_TOMOGRAPHY_METHOD_ART};
    for (int i = 0; i < 3; i++) {
        const aet_tomography_options options = tomography_options(methods[i]);
        aet_recon *recon = tomography_create(f, &options), *loaded = NULL;
        expect("two iterations", tomography_run(recon, 2), AET_MAX_ITERATIONS, "");
        expect("saved", aet_recon_save(recon, file), AET_OK, "");
        expect("loaded", aet_recon_load(f->context, f->dataset, NULL, file, &loaded), AET_OK, "");
        expect("going on", tomography_run(recon, 2), AET_MAX_ITERATIONS, "");
        expect("going on from the file", tomography_run(loaded, 2), AET_MAX_ITERATIONS, "");
        float *ours = voxels_of_recon(recon), *theirs = voxels_of_recon(loaded);
        check("to the last bit", memcmp(ours, theirs, CUBE_VOXELS * sizeof *ours) == 0 &&
                                     aet_recon_history_count(loaded) == 4);
        free(ours);
        free(theirs);
        aet_recon_free(loaded);
        aet_recon_free(recon);
    }
    aet_recon *none = NULL;
    expect_nothing("loaded with a probe", aet_recon_load(f->context, f->dataset, f->probe, file, &none),
                   AET_ERROR_INCONSISTENT, "probe", none);
}

/* The loss is a parabola along any direction of the volume: its slope is that of the gradient. */
static void check_tomography_gradient(const fit *f)
{
    const aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_recon *recon = tomography_create(f, &options);
    const uint64_t generation = aet_recon_generation(recon);
    expect("drift freed", aet_recon_freeze(recon, "drift", 0), AET_OK, "");
    check("another vector", aet_recon_generation(recon) > generation &&
                                aet_recon_parameter_count(recon) == CUBE_VOXELS + 2 * IMAGES);
    expect("a run with the drift free", tomography_run(recon, 1), AET_ERROR_UNSUPPORTED, "drift");
    expect("drift frozen", aet_recon_freeze(recon, "drift", 1), AET_OK, "");
    expect("a run without", tomography_run(recon, 2), AET_MAX_ITERATIONS, "");
    expect("drift freed again", aet_recon_freeze(recon, "drift", 0), AET_OK, "");

    int64_t n;
    double *x = parameters_of(recon, &n), loss = NAN, ahead = NAN, behind = NAN, slope = 0;
    double *gradient = calloc((size_t)n, sizeof *gradient), *at = calloc((size_t)n, sizeof *at);
    if (gradient == NULL || at == NULL) exit(EXIT_FAILURE);
    expect("gradient", aet_recon_loss_and_gradient(recon, n, x, NULL, 0, &loss, gradient, NULL), AET_OK, "");
    for (int64_t i = 0; i < CUBE_VOXELS; i++) slope += gradient[i] * gradient[i];
    const double step = 0.1 * loss / slope;
    for (int side = -1; side <= 1; side += 2) {
        for (int64_t i = 0; i < n; i++) at[i] = x[i] + (i < CUBE_VOXELS ? side * step * gradient[i] : 0);
        double *to = side < 0 ? &behind : &ahead;
        require(aet_recon_loss_and_gradient(recon, n, at, NULL, 0, to, NULL, NULL), "loss");
    }
    const double measured = (ahead - behind) / (2 * step);
    check("gradient and differences", slope > 0 && fabs(measured / slope - 1) < 1e-4);
    free(at);
    free(gradient);
    free(x);
    aet_recon_free(recon);
}

/* ---- bad input ---- */

static void expect_refused(const fit *f, const char *what, const aet_tomography_options *options, aet_status wanted,
                           const char *mention)
{
    aet_recon *recon = NULL;
    aet_volume *volume = NULL;
    expect_nothing(what, aet_recon_create_tomography(f->context, f->dataset, options, &recon), wanted, mention, recon);
    expect_nothing(what, aet_volume_reconstruct(f->context, f->dataset, options, NULL, NULL, &volume), wanted, mention,
                   volume);
}

static void check_bad_numbers(const fit *f)
{
    const aet_tomography_options good = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_tomography_options bad = good;
    bad.method = 77;
    expect_refused(f, "unknown method", &bad, AET_ERROR_UNKNOWN_OPTION, "AET_TOMOGRAPHY_METHOD_RESIRE = 0");
    bad = good;
    bad.positivity = 2;
    expect_refused(f, "positivity 2", &bad, AET_ERROR_RANGE, "positivity");
    bad = good;
    bad.relaxation = 2.5;
    expect_refused(f, "steps too long", &bad, AET_ERROR_RANGE, "relaxation");
    bad = good;
    bad.held_out = 0.7;
    expect_refused(f, "most views held out", &bad, AET_ERROR_RANGE, "held_out");
    bad = good;
    bad.nz = 4;
    expect_refused(f, "one edge of three", &bad, AET_ERROR_RANGE, "along y");
    bad = good;
    bad.nz = bad.ny = bad.nx = INT64_MAX / 2;
    expect_refused(f, "more voxels than memory", &bad, AET_ERROR_RANGE, "along z");
    bad = good;
    bad.nx = -1;
    expect_refused(f, "-1 voxels", &bad, AET_ERROR_RANGE, "nx");
    bad = good;
    bad.voxel_size = 3 * PIXEL_SIZE;
    expect_refused(f, "voxels larger than pixels", &bad, AET_ERROR_RANGE, "voxel_size");
    bad = good;
    bad.total_variation = -1;
    expect_refused(f, "a negative weight", &bad, AET_ERROR_RANGE, "total_variation");
    bad = good;
    bad.upper_bound = NAN;
    expect_refused(f, "a bound that is no number", &bad, AET_ERROR_RANGE, "upper_bound");
    bad = good;
    bad.memory_limit = 1000;
    expect_refused(f, "too little memory", &bad, AET_ERROR_MEMORY, "memory_limit");
    bad = good;
    bad.memory_limit = NAN;
    expect_refused(f, "memory that is no number", &bad, AET_ERROR_RANGE, "memory_limit");
    bad = good;
    bad.struct_size = 4;
    expect_refused(f, "a structure of another size", &bad, AET_ERROR_STRUCT_SIZE, "struct_size");
}

static void check_what_methods_cannot(const fit *f)
{
    aet_tomography_options bad = tomography_options(AET_TOMOGRAPHY_METHOD_CGLS);
    bad.positivity = 1;
    aet_recon *recon = tomography_create(f, &bad);
    check("positivity holds where it can", recon != NULL);
    aet_recon_free(recon);
    bad.upper_bound = 3;
    expect_refused(f, "a bound with CGLS", &bad, AET_ERROR_UNSUPPORTED, "upper_bound");
    bad = tomography_options(AET_TOMOGRAPHY_METHOD_CGLS);
    bad.total_variation = 1;
    expect_refused(f, "total variation with CGLS", &bad, AET_ERROR_UNSUPPORTED, "cgls");
    bad = tomography_options(AET_TOMOGRAPHY_METHOD_FBP);
    bad.held_out = 0.2;
    expect_refused(f, "views held out of FBP", &bad, AET_ERROR_UNSUPPORTED, "held_out");
}

static void check_bad_volumes(const fit *f)
{
    aet_tomography_options bad = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_volume *zeros = half_space(f->context, 0, 0), *small = NULL;
    const float one = 1;
    const int64_t single[3] = {1, 1, 1};
    const aet_const_view view = aet_const_view_c(&one, AET_DTYPE_F32, 3, single);
    require(aet_volume_create(f->context, &view, PIXEL_SIZE, &small), "small volume");
    bad.support = zeros;
    expect_refused(f, "a support of zeros", &bad, AET_ERROR_EMPTY, "support");
    bad.support = small;
    expect_refused(f, "a support of another shape", &bad, AET_ERROR_SHAPE, "support");
    bad.support = NULL;
    bad.initial = small;
    expect_refused(f, "a start of another shape", &bad, AET_ERROR_SHAPE, "initial");
    bad.initial = (const aet_volume *)f->atoms;
    expect_refused(f, "atoms to start from", &bad, AET_ERROR_STALE_HANDLE, "aet_volume");
    aet_volume_free(small);
    bad.initial = small;
    expect_refused(f, "a freed volume", &bad, AET_ERROR_STALE_HANDLE, "aet_volume");
    bad.initial = NULL;

    double weights[IMAGES];
    for (int i = 0; i < IMAGES; i++) weights[i] = i == 3 ? -1 : 1;
    bad.image_weights = weights;
    bad.n_image_weights = IMAGES - 1;
    weights[3] = 1;
    expect_refused(f, "too few weights", &bad, AET_ERROR_SHAPE, "image_weights");
    bad.n_image_weights = IMAGES;
    weights[3] = -1;
    expect_refused(f, "a negative weight", &bad, AET_ERROR_RANGE, "image 3");
    bad.image_weights = NULL;
    expect_refused(f, "weights that are nowhere", &bad, AET_ERROR_NULL, "image_weights");
    aet_volume_free(zeros);
}

static void check_what_is_missing(const fit *f)
{
    const aet_tomography_options options = tomography_options(AET_TOMOGRAPHY_METHOD_RESIRE);
    aet_recon *recon = NULL;
    aet_volume *volume = NULL;
    aet_snapshot *snapshot = NULL;
    aet_atoms *atoms = NULL;
    uint64_t bytes = 0;
    expect("nothing to reconstruct", aet_recon_create_tomography(f->context, NULL, &options, &recon), AET_ERROR_NULL,
           "dataset");
    expect("no context", aet_recon_create_tomography(NULL, f->dataset, &options, &recon), AET_ERROR_NULL, "context");
    expect("no place", aet_recon_create_tomography(f->context, f->dataset, &options, NULL), AET_ERROR_NULL, "recon");
    expect("no place for bytes", aet_tomography_estimate_memory(f->dataset, NULL, NULL), AET_ERROR_NULL, "bytes");
    expect("bytes of nothing", aet_tomography_estimate_memory(NULL, NULL, &bytes), AET_ERROR_NULL, "dataset");
    expect("volume of nothing", aet_recon_get_volume(NULL, &volume), AET_ERROR_NULL, "recon");
    expect("volume of atoms", aet_recon_get_volume(f->recon, &volume), AET_ERROR_UNSUPPORTED, "volume");
    require(aet_recon_snapshot(f->recon, &snapshot), "snapshot");
    expect("volume of a snapshot of atoms", aet_snapshot_get_volume(f->context, snapshot, &volume),
           AET_ERROR_UNSUPPORTED, "volume");
    aet_snapshot_free(snapshot);
    check("failures write nothing", recon == NULL && volume == NULL && bytes == 0);

    recon = tomography_create(f, &options);
    expect("atoms of a volume", aet_recon_get_atoms(recon, &atoms), AET_ERROR_UNSUPPORTED, "atoms");
    aet_run_options run = long_run(1);
    run.optimizer = AET_OPTIMIZER_ADAM;
    expect("an optimiser that is not the method's", aet_recon_run(recon, &run, NULL, NULL), AET_ERROR_UNSUPPORTED,
           "adam");
    aet_recon_free(recon);

    aet_dataset *empty = NULL;
    aet_dataset_options shape;
    require(aet_dataset_options_init(&shape, sizeof shape), "dataset options");
    shape.rows = shape.columns = CUBE;
    shape.pixel_size = PIXEL_SIZE;
    require(aet_dataset_create(f->context, &shape, NULL, NULL, &empty), "empty dataset");
    expect("of no images yet", aet_recon_create_tomography(f->context, empty, &options, &recon), AET_OK, "");
    expect("a run without images", tomography_run(recon, 1), AET_ERROR_NOT_READY, "image");
    expect("a volume without images", aet_volume_reconstruct(f->context, empty, &options, NULL, NULL, &volume),
           AET_ERROR_NOT_READY, "image");
    aet_recon_free(recon);
    aet_dataset_free(empty);
}

static void check_tomography(const fit *f, const char *file)
{
    printf("# tomography\n");
    check_every_method(f);
    check_half_sets(f);
    check_support_and_start(f);
    check_held_out(f);
    check_looking_on(f);
    check_saved_tomography(f, file);
    check_tomography_gradient(f);
    check_bad_numbers(f);
    check_what_methods_cannot(f);
    check_bad_volumes(f);
    check_what_is_missing(f);
}

#endif
