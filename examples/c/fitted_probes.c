/* Probes that images tell, in C: the foci of a series that recorded none, by a scan and a fit, then the pixels of the
 * probes, which find an astigmatism that the fit was not told of.
 *
 *   fitted_probes DATA_FOLDER
 *
 * DATA_FOLDER is a dataset folder of two foci per tilt with true atoms and, as start.xyz, atoms to start from. Its
 * particle is thin for a focus to matter, so a longer one is imaged in the same way, by the rigid model. Progress goes
 * to stderr. The same example exists in every host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aet.h"

enum { SECTIONS = 2 };

static const double STRETCH = 1.5;                               /* of the particle along z */
static const double ASTIGMATISM[SECTIONS][2] = {{6, 0}, {6, 0}}; /* C12 cos and C12 sin of each section, A */

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

static void *allocate(int64_t count, size_t size)
{
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);
    if (memory == NULL) fail("memory", "not enough for an array");
    return memory;
}

static double *doubles(int64_t count) { return allocate(count, sizeof(double)); }

static int32_t show_progress(void *user, const aet_progress *progress)
{
    (void)user;
    fprintf(stderr, "\riteration %3d  loss %.6e", (int)progress->iteration, progress->loss);
    return 0; /* go on */
}

/* ---- the images ---- */

/* Takes the atoms, and makes a longer particle of them. */
static aet_atoms *stretched(aet_atoms *atoms)
{
    const int64_t shape[2] = {aet_atoms_count(atoms), 3};
    double *positions = doubles(3 * shape[0]);
    const aet_view out = aet_view_c(positions, AET_DTYPE_F64, 2, shape);
    check(aet_atoms_copy_column(atoms, "positions", &out));
    for (int64_t i = 0; i < shape[0]; i++) positions[3 * i + 2] *= STRETCH;
    const aet_const_view view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    aet_atoms *longer = NULL;
    check(aet_atoms_create(&view, NULL, NULL, NULL, &longer));
    free(positions);
    aet_atoms_free(atoms);
    return longer;
}

static aet_atoms *read_start(const char *folder)
{
    char file[4096];
    const int length = snprintf(file, sizeof file, "%s/start.xyz", folder);
    if (length < 0 || (size_t)length >= sizeof file) fail(folder, "path too long");
    aet_atoms *atoms = NULL;
    check(aet_atoms_read(file, &atoms));
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

static aet_lot_options lot_options(aet_lot_model model)
{
    aet_lot_options options;
    check(aet_lot_options_init(&options, sizeof options));
    options.model = model;
    /* Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits. */
    options.precision = AET_PRECISION_DOUBLE;
    return options;
}

/* A series of `images` that knows the sections of the recorded one but not their foci, which are then 0. */
static aet_dataset *without_foci(const aet_context *context, const aet_dataset *recorded, const aet_const_view *images)
{
    const int64_t n = aet_dataset_image_count(recorded), matrices[3] = {n, 3, 3};
    double *rotation = doubles(9 * n);
    int32_t *tilt = allocate(n, sizeof *tilt), *section = allocate(n, sizeof *section);
    const aet_view rotation_out = aet_view_c(rotation, AET_DTYPE_F64, 3, matrices);
    const aet_view tilt_out = aet_view_c(tilt, AET_DTYPE_I32, 1, &n);
    const aet_view section_out = aet_view_c(section, AET_DTYPE_I32, 1, &n);
    check(aet_dataset_copy_column(recorded, "rotations", &rotation_out));
    check(aet_dataset_copy_column(recorded, "tilt", &tilt_out));
    check(aet_dataset_copy_column(recorded, "section", &section_out));

    const aet_const_view rotations = aet_const_view_c(rotation, AET_DTYPE_F64, 3, matrices);
    const aet_const_view tilts = aet_const_view_c(tilt, AET_DTYPE_I32, 1, &n);
    const aet_const_view sections = aet_const_view_c(section, AET_DTYPE_I32, 1, &n);
    aet_frames frames;
    check(aet_frames_init(&frames, sizeof frames));
    frames.rotations = &rotations;
    frames.tilt = &tilts;
    frames.section = &sections;
    aet_dataset_options options;
    check(aet_dataset_options_init(&options, sizeof options));
    options.pixel_size = aet_dataset_pixel_size(recorded);
    aet_dataset *dataset = NULL;
    check(aet_dataset_create(context, &options, images, &frames, &dataset));
    free(rotation);
    free(tilt);
    free(section);
    return dataset;
}

/* Images of the longer particle at the foci recorded, with heights and backgrounds as the recorded images have them. */
static aet_dataset *make_series(const aet_context *context, const aet_dataset *recorded, const aet_probe *probe,
                                const aet_atoms *truth)
{
    const aet_lot_options options = lot_options(AET_LOT_MODEL_RIGID);
    aet_recon *model = NULL;
    check(aet_recon_create_lot(context, recorded, probe, truth, &options, &model));
    const int64_t of_astigmatism[2] = {SECTIONS, 2};
    const aet_const_view astigmatism = aet_const_view_c(ASTIGMATISM, AET_DTYPE_F64, 2, of_astigmatism);
    check(aet_recon_set_block(model, "astigmatism", &astigmatism));

    const int64_t stack[3] = {aet_dataset_image_count(recorded), aet_dataset_rows(recorded),
                              aet_dataset_columns(recorded)};
    const int64_t n = aet_recon_parameter_count(model);
    double *x = doubles(n), *pixels = doubles(stack[0] * stack[1] * stack[2]);
    const aet_view out = aet_view_c(pixels, AET_DTYPE_F64, 3, stack);
    check(aet_recon_get_parameters(model, n, x));
    check(aet_recon_predict(model, n, x, NULL, 0, &out));
    const aet_const_view images = aet_const_view_c(pixels, AET_DTYPE_F64, 3, stack);
    aet_dataset *dataset = without_foci(context, recorded, &images);
    free(x);
    free(pixels);
    aet_recon_free(model);
    return dataset;
}

/* ---- the fits ---- */

/* Runs, and returns the loss reached. */
static double reach(aet_recon *recon, int32_t iterations)
{
    aet_run_options options;
    check(aet_run_options_init(&options, sizeof options));
    options.max_iterations = iterations;
    const aet_status outcome = aet_recon_run(recon, &options, show_progress, NULL);
    check(outcome);
    fprintf(stderr, "\n%s\n", aet_status_name(outcome));

    const int64_t count = aet_recon_history_count(recon);
    double *losses = doubles(count);
    const aet_view out = aet_view_c(losses, AET_DTYPE_F64, 1, &count);
    check(aet_recon_copy_history(recon, "loss", &out));
    const double loss = count > 0 ? losses[count - 1] : NAN;
    free(losses);
    return loss;
}

static void get_defocus(const aet_recon *recon, double *defocus)
{
    const int64_t sections = SECTIONS;
    const aet_view out = aet_view_c(defocus, AET_DTYPE_F64, 1, &sections);
    check(aet_recon_get_block(recon, "defocus", &out));
}

/* The rigid model goes on as the adaptive one. */
static aet_recon *free_the_pixels(const aet_recon *recon)
{
    aet_lot_options options = lot_options(AET_LOT_MODEL_ADAPTIVE);
    options.probe_side = 15;
    aet_recon *next = NULL;
    check(aet_recon_continue_lot(recon, &options, &next));
    return next;
}

/* Depths at which the probes of the sections are narrowest. */
static void get_foci(const aet_recon *recon, double *foci)
{
    aet_table *table = NULL;
    check(aet_recon_probe_table(recon, &table));
    check(aet_table_value(table, "focus_0", &foci[0]));
    check(aet_table_value(table, "focus_1", &foci[1]));
    aet_table_free(table);
}

static double rmsd_pm(const aet_recon *recon, const aet_atoms *truth)
{
    aet_atoms *found = NULL;
    check(aet_recon_get_atoms(recon, &found));
    aet_comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    comparison.struct_size = sizeof comparison;
    check(aet_atoms_compare(found, truth, NULL, &comparison, NULL));
    aet_atoms_free(found);
    return comparison.rmsd_pm;
}

/* What the fit leaves, which is the astigmatism here, counts as noise. */
static void get_errors(const aet_recon *recon, double *errors)
{
    const int64_t shape = SECTIONS;
    const aet_view out = aet_view_c(errors, AET_DTYPE_F64, 1, &shape);
    check(aet_recon_block_errors(recon, "defocus", NULL, 0, AET_NOISE_MODEL_RESIDUAL, NULL, NULL, &out));
}

static void fit(aet_recon *recon, const aet_atoms *truth)
{
    double scan[SECTIONS], defocus[SECTIONS], errors[SECTIONS], foci[SECTIONS];
    reach(recon, 10); /* atoms far out of place tell little of a focus */
    check(aet_recon_scan_defocus(recon, 30, 5, 0, NULL, NULL, NULL));
    get_defocus(recon, scan);
    printf("scan: defocus %.2f and %.2f A\n", scan[0], scan[1]);

    /* The widths had taken up a part of the blur; now both find their values. */
    check(aet_recon_freeze(recon, "defocus", 0));
    const double rigid_loss = reach(recon, 60);
    get_defocus(recon, defocus);
    get_errors(recon, errors);
    printf("fit: defocus %.2f +- %.2f and %.2f +- %.2f A\n", defocus[0], errors[0], defocus[1], errors[1]);

    aet_recon *pixels = free_the_pixels(recon);
    const double adaptive_loss = reach(pixels, 30);
    get_foci(pixels, foci);
    printf("scan_0=%.12e scan_1=%.12e defocus_0=%.12e defocus_1=%.12e error_0=%.12e error_1=%.12e "
           "rigid_loss=%.12e adaptive_loss=%.12e focus_0=%.12e focus_1=%.12e rmsd_pm=%.12e\n",
           scan[0], scan[1], defocus[0], defocus[1], errors[0], errors[1], rigid_loss, adaptive_loss, foci[0],
           foci[1], rmsd_pm(pixels, truth));
    aet_recon_free(pixels);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DATA_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    aet_context *context = NULL;
    aet_dataset *recorded = NULL;
    aet_atoms *truth = NULL;
    check(aet_context_create(NULL, &context));
    check(aet_dataset_read(context, argv[1], NULL, NULL, NULL, &recorded));
    check(aet_dataset_read_atoms(context, argv[1], "truth", NULL, &truth));
    truth = stretched(truth);
    aet_atoms *start = stretched(read_start(argv[1]));
    aet_probe *probe = create_probe(recorded);
    aet_dataset *series = make_series(context, recorded, probe, truth);

    const aet_lot_options options = lot_options(AET_LOT_MODEL_RIGID);
    aet_recon *recon = NULL;
    check(aet_recon_create_lot(context, series, probe, start, &options, &recon));
    fit(recon, truth);

    aet_recon_free(recon);
    aet_dataset_free(series);
    aet_probe_free(probe);
    aet_atoms_free(start);
    aet_atoms_free(truth);
    aet_dataset_free(recorded);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
