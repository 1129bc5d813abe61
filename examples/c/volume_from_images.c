/* A volume from images, in C: RESIRE with progress, loss and gradient at the result as an optimiser of one's own would ask
 * for them, a state that is saved and goes on, and SIRT in one call.
 *
 *   volume_from_images DATA_FOLDER OUT_FOLDER
 *
 * Writes volume.mrc and the state recon.aet to the existing folder OUT_FOLDER. Progress goes to stderr. The same example
 * exists in every host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "aet.h"

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Ends the program when a call failed; outcomes (codes below 100) are no faults. */
static void check(aet_status status)
{
    if (status >= 100) fail(aet_status_name(status), aet_last_error_message());
}

static double *doubles(int64_t count)
{
    double *memory = calloc(count > 0 ? (size_t)count : 1, sizeof *memory);
    if (memory == NULL) fail("memory", "not enough for an array");
    return memory;
}

typedef struct {
    char text[4096];
} path;

static path join(const char *folder, const char *name)
{
    path joined;
    const int length = snprintf(joined.text, sizeof joined.text, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof joined.text) fail(folder, "path too long");
    return joined;
}

static int32_t show_progress(void *user, const aet_progress *progress)
{
    (void)user;
    fprintf(stderr, "\riteration %3d  loss %.6e", (int)progress->iteration, progress->loss);
    return 0; /* go on */
}

/* Iterations that nothing ends early. */
static void run(aet_recon *recon, int32_t iterations)
{
    aet_run_options options;
    check(aet_run_options_init(&options, sizeof options));
    options.max_iterations = iterations;
    options.loss_tolerance = 1e-300; /* 0 would be automatic */
    const aet_status outcome = aet_recon_run(recon, &options, show_progress, NULL);
    check(outcome);
    fprintf(stderr, "\n%s\n", aet_status_name(outcome));
}

/* Loss, and the length of its gradient, where the reconstruction stands. */
static double loss_and_gradient_norm(const aet_recon *recon, double *norm)
{
    const int64_t count = aet_recon_parameter_count(recon);
    double *x = doubles(count), *gradient = doubles(count), loss = NAN, squares = 0;
    check(aet_recon_get_parameters(recon, count, x));
    check(aet_recon_loss_and_gradient(recon, count, x, NULL, 0, &loss, gradient, NULL));
    for (int64_t i = 0; i < count; i++) squares += gradient[i] * gradient[i];
    *norm = sqrt(squares);
    free(gradient);
    free(x);
    return loss;
}

/* Mean over the images that take part. */
static double mean_r_factor(const aet_recon *recon, int64_t images)
{
    double *values = doubles(images), sum = 0;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 1, &images);
    int64_t used = 0;
    check(aet_recon_copy_r_factors(recon, &out));
    for (int64_t i = 0; i < images; i++) {
        if (!isfinite(values[i])) continue;
        sum += values[i];
        used++;
    }
    free(values);
    return sum / (double)used;
}

/* Writes the volume and tells its sum and its largest value. */
static double write_volume(const aet_recon *recon, const char *file, double *maximum)
{
    aet_volume *volume = NULL;
    int64_t shape[3];
    check(aet_recon_get_volume(recon, &volume));
    check(aet_volume_write(volume, file, NULL, NULL));
    check(aet_volume_shape(volume, shape));
    const int64_t count = shape[0] * shape[1] * shape[2];
    double *values = doubles(count), sum = 0;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 3, shape);
    check(aet_volume_copy_to(volume, &out));
    *maximum = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        sum += values[i];
        if (values[i] > *maximum) *maximum = values[i];
    }
    free(values);
    aet_volume_free(volume);
    return sum;
}

/* Last entry of a column of the history. */
static double latest(const aet_recon *recon, const char *column)
{
    const int64_t count = aet_recon_history_count(recon);
    double *values = doubles(count);
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 1, &count);
    check(aet_recon_copy_history(recon, column, &out));
    const double value = count > 0 ? values[count - 1] : NAN;
    free(values);
    return value;
}

/* Saves the reconstruction, goes on from the file, and tells the loss that its last iteration saw. */
static double resumed_loss(const aet_context *context, const aet_dataset *dataset, const aet_recon *recon,
                           const char *file)
{
    aet_recon *resumed = NULL;
    check(aet_recon_save(recon, file));
    check(aet_recon_load(context, dataset, NULL, file, &resumed));
    run(resumed, 2);
    const double loss = latest(resumed, "loss");
    aet_recon_free(resumed);
    return loss;
}

/* SIRT in one call; the residual that its last iteration saw. */
static double sirt_residual(const aet_context *context, const aet_dataset *dataset)
{
    aet_tomography_options options;
    aet_volume *volume = NULL;
    check(aet_tomography_options_init(&options, sizeof options));
    options.method = AET_TOMOGRAPHY_METHOD_SIRT;
    options.iterations = 10;
    check(aet_volume_reconstruct(context, dataset, &options, show_progress, NULL, &volume));
    fprintf(stderr, "\n");
    const int64_t count = aet_volume_residual_count(volume);
    double *residuals = doubles(count);
    const aet_view out = aet_view_c(residuals, AET_DTYPE_F64, 1, &count);
    check(aet_volume_copy_residuals(volume, &out));
    const double last = count > 0 ? residuals[count - 1] : NAN;
    free(residuals);
    aet_volume_free(volume);
    return last;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA_FOLDER OUT_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    const path volume = join(argv[2], "volume.mrc"), state = join(argv[2], "recon.aet");
    aet_context *context = NULL;
    aet_dataset *dataset = NULL;
    aet_recon *recon = NULL;
    check(aet_context_create(NULL, &context));
    check(aet_dataset_read(context, argv[1], NULL, NULL, NULL, &dataset));

    /* RESIRE for a cube as wide as the images, voxels as large as pixels, started from nothing, kept positive. */
    check(aet_recon_create_tomography(context, dataset, NULL, &recon));
    run(recon, 20);

    double gradient_norm, maximum;
    const double loss = loss_and_gradient_norm(recon, &gradient_norm);
    const double r_factor = mean_r_factor(recon, aet_dataset_image_count(dataset));
    const double sum = write_volume(recon, volume.text, &maximum);
    const double resumed = resumed_loss(context, dataset, recon, state.text);
    printf("iterations=%lld loss=%.12e gradient_norm=%.12e r_factor=%.12e sum=%.12e maximum=%.12e resumed_loss=%.12e "
           "sirt_residual=%.12e\n",
           (long long)aet_recon_history_count(recon), loss, gradient_norm, r_factor, sum, maximum, resumed,
           sirt_residual(context, dataset));

    aet_recon_free(recon);
    aet_dataset_free(dataset);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
