/* Atoms from images alone, in C: a tomogram, its peaks, a fit that a term of one's own keeps on course, error bars, and
 * the comparison with the truth.
 *
 *   atoms_from_images DATA_FOLDER OUT_FOLDER
 *
 * DATA_FOLDER is a dataset folder whose true atoms are known. Writes tomogram.mrc and atoms.xyz, with the standard
 * error of every coordinate, to the existing folder OUT_FOLDER. Progress goes to stderr. The same example exists in
 * every host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- from the images to the first atoms ---- */

static aet_atoms *find_start(const aet_context *context, const aet_dataset *dataset, const char *tomogram)
{
    aet_volume *volume = NULL;
    aet_tomography_options sirt;
    check(aet_tomography_options_init(&sirt, sizeof sirt));
    sirt.method = AET_TOMOGRAPHY_METHOD_SIRT;
    check(aet_volume_reconstruct(context, dataset, &sirt, show_progress, NULL, &volume));
    fprintf(stderr, "\n");
    check(aet_volume_write(volume, tomogram, NULL, NULL));

    aet_trace_options options;
    check(aet_trace_options_init(&options, sizeof options));
    options.minimum_distance = 1.6; /* A: bonds of silicon are 2.35 A long, what is nearer is one atom */
    options.species = 14;
    aet_atoms *atoms = NULL;
    check(aet_volume_trace(volume, &options, NULL, NULL, &atoms, NULL));
    aet_volume_free(volume);
    return atoms;
}

static aet_probe *create_probe(const aet_dataset *dataset)
{
    aet_probe_options options;
    check(aet_probe_options_init(&options, sizeof options));
    options.energy_ev = aet_dataset_energy_ev(dataset);
    options.semiangle_mrad = aet_dataset_semiangle_mrad(dataset);
    aet_probe *probe = NULL;
    check(aet_probe_create(&options, &probe));
    return probe;
}

/* ---- the fit ---- */

static aet_recon *create_recon(const aet_context *context, const aet_dataset *dataset, const aet_probe *probe,
                               const aet_atoms *start)
{
    aet_lot_options options;
    check(aet_lot_options_init(&options, sizeof options));
    options.model = AET_LOT_MODEL_RIGID;
    /* Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits. */
    options.precision = AET_PRECISION_DOUBLE;
    aet_recon *recon = NULL;
    check(aet_recon_create_lot(context, dataset, probe, start, &options, &recon));
    return recon;
}

/* Minus the logarithm of a prior on the heights: atoms of one element are about as high as each other. `user` points to
 * the typical height. The library hands over contiguous doubles. */
static int32_t alike(void *user, const aet_const_view *heights, double *loss, const aet_view *gradient)
{
    const double typical = *(const double *)user;
    const double *height = heights->data;
    double *derivative = gradient != NULL ? gradient->data : NULL;
    double sum = 0;
    for (int64_t i = 0; i < heights->shape[0]; i++) {
        const double deviation = height[i] / typical - 1;
        if (derivative != NULL) derivative[i] = deviation / typical;
        sum += deviation * deviation;
    }
    *loss = 0.5 * sum;
    return 0; /* all is well */
}

/* Peaks are sorted, so the middle one has the median height. */
static double typical_height(const aet_recon *recon, int64_t atoms)
{
    double *heights = doubles(atoms);
    const aet_view out = aet_view_c(heights, AET_DTYPE_F64, 1, &atoms);
    check(aet_recon_get_block(recon, "heights", &out));
    const double typical = heights[atoms / 2];
    free(heights);
    return typical;
}

/* First with the term, then without it: the result is that of the images alone. The term keeps weak peaks
 * from fading before they have found their places; these images would do without. */
static void fit(aet_recon *recon, int64_t atoms)
{
    double typical = typical_height(recon, atoms); /* must live until the term is taken away */
    aet_run_options options;
    check(aet_run_options_init(&options, sizeof options));

    check(aet_recon_add_term(recon, "heights", 3, alike, &typical));
    options.max_iterations = 30;
    check(aet_recon_run(recon, &options, show_progress, NULL));
    check(aet_recon_clear_terms(recon));

    options.max_iterations = 0; /* automatic */
    options.optimizer = AET_OPTIMIZER_LEVENBERG_MARQUARDT;
    const aet_status outcome = aet_recon_run(recon, &options, show_progress, NULL);
    check(outcome);
    fprintf(stderr, "\n%s\n", aet_status_name(outcome));
}

/* ---- results ---- */

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

static aet_comparison compare(const aet_atoms *found, const aet_atoms *truth)
{
    aet_comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    comparison.struct_size = sizeof comparison;
    check(aet_atoms_compare(found, truth, NULL, &comparison, NULL));
    return comparison;
}

static void report_results(const aet_recon *recon, const aet_atoms *truth, const char *file)
{
    aet_error_options options;
    check(aet_error_options_init(&options, sizeof options));
    /* Each atom with its neighbours: takes time in proportion to the number of atoms. */
    options.method = AET_ESTIMATE_METHOD_LOCAL;
    aet_error_report errors;
    memset(&errors, 0, sizeof errors);
    errors.struct_size = sizeof errors;
    aet_atoms *atoms = NULL; /* with their standard errors */
    check(aet_recon_estimate_errors(recon, &options, NULL, NULL, &atoms, NULL, &errors));
    check(aet_atoms_write(atoms, file));
    printf("error bars: %lld atoms undetermined, predicted RMSD %.2f pm\n", (long long)errors.undetermined,
           errors.predicted_rmsd_pm);

    const aet_comparison found = compare(atoms, truth);
    printf("true=%lld matched=%lld missing=%lld extra=%lld rmsd_pm=%.12e predicted_rmsd_pm=%.12e loss=%.12e "
           "evaluations=%.0f\n",
           (long long)found.true_count, (long long)found.matched, (long long)found.missing, (long long)found.extra,
           found.rmsd_pm, errors.predicted_rmsd_pm, latest(recon, "loss"), latest(recon, "evaluations"));
    aet_atoms_free(atoms);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA_FOLDER OUT_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    const path tomogram = join(argv[2], "tomogram.mrc"), atoms = join(argv[2], "atoms.xyz");
    aet_context *context = NULL;
    aet_dataset *dataset = NULL;
    aet_atoms *truth = NULL;
    check(aet_context_create(NULL, &context));
    check(aet_dataset_read(context, argv[1], NULL, NULL, NULL, &dataset));
    check(aet_dataset_read_atoms(context, argv[1], "truth", NULL, &truth));

    aet_atoms *start = find_start(context, dataset, tomogram.text);
    const aet_comparison peaks = compare(start, truth);
    printf("peaks: %lld atoms, %lld of them true, RMSD %.2f pm\n", (long long)aet_atoms_count(start),
           (long long)peaks.matched, peaks.rmsd_pm);

    aet_probe *probe = create_probe(dataset);
    aet_recon *recon = create_recon(context, dataset, probe, start);
    fit(recon, aet_atoms_count(start));
    report_results(recon, truth, atoms.text);

    aet_recon_free(recon);
    aet_probe_free(probe);
    aet_atoms_free(start);
    aet_atoms_free(truth);
    aet_dataset_free(dataset);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
