/* The main job of the library through its C interface: a tilt series and a first guess of the atoms go in, refined
 * atoms and a report come out.
 *
 *   demo DATA_FOLDER OUT_FOLDER
 *
 * Reads the dataset folder DATA_FOLDER and the guess DATA_FOLDER/start.xyz, refines positions, heights and widths, and
 * compares with the true atoms of the folder. Ctrl-C ends the run and keeps the best state. Writes to OUT_FOLDER:
 *   atoms.xyz                     the atoms found (extended xyz, A)
 *   measured.f64, calculated.f64  the images of the middle tilt [images, rows, columns], little-endian doubles
 *   errors.csv                    found minus true of the matched atoms, A
 *   summary.json                  shapes and results
 */
#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <direct.h>
#define make_folder(path) _mkdir(path)
#else
#include <sys/stat.h>
#define make_folder(path) mkdir(path, 0777)
#endif

#include "aet.h"

enum { PATH_CAPACITY = 4096 };

/* ---- errors, memory, files: each of these ends the program where something fails ---- */

static void check(aet_status status)
{
    if (status >= 100) {
        fprintf(stderr, "\n%s: %s\n", aet_status_name(status), aet_last_error_message());
        exit(EXIT_FAILURE);
    }
}

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "\n%s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

static double *doubles(int64_t count)
{
    double *memory = calloc(count > 0 ? (size_t)count : 1, sizeof *memory);
    if (memory == NULL) fail("memory", "not enough for an array");
    return memory;
}

typedef struct {
    char text[PATH_CAPACITY];
} path;

static path join(const char *folder, const char *name)
{
    path joined;
    const int length = snprintf(joined.text, sizeof joined.text, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof joined.text) fail(folder, "path too long");
    return joined;
}

static FILE *open_output(const char *folder, const char *name)
{
    const path file = join(folder, name);
    FILE *stream = fopen(file.text, "wb");
    if (stream == NULL) fail(file.text, strerror(errno));
    return stream;
}

static void close_output(FILE *stream, const char *name)
{
    const int failed = ferror(stream);
    if (fclose(stream) != 0 || failed) fail(name, "could not be written");
}

static void write_doubles(const char *folder, const char *name, const double *values, int64_t count)
{
    FILE *stream = open_output(folder, name);
    fwrite(values, sizeof *values, (size_t)count, stream);
    close_output(stream, name);
}

/* ---- cancelling and progress ---- */

static aet_context *context_to_cancel;

static void interrupted(int number)
{
    (void)number;
    aet_context_request_cancel(context_to_cancel); /* signal-safe */
}

/* Draws the bar; `user` may point to an aet_progress that keeps what was shown last. */
static int32_t show_progress(void *user, const aet_progress *progress)
{
    enum { WIDTH = 30 };
    if (user != NULL) *(aet_progress *)user = *progress;
    const double fraction = fmin(fmax(progress->fraction, 0), 1);
    char bar[WIDTH + 1];
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)(fraction * WIDTH));
    bar[WIDTH] = '\0';
    if (progress->phase == AET_PHASE_READING) {
        fprintf(stderr, "\rreading  [%s] %3.0f %%", bar, 100 * fraction);
    } else {
        fprintf(stderr, "\rrefining [%s] %3.0f %%  iteration %3d  loss %.6e  %5.1f s ", bar, 100 * fraction,
                (int)progress->iteration, progress->loss, progress->seconds);
    }
    fflush(stderr);
    return 0; /* go on */
}

/* ---- the job ---- */

typedef struct {
    aet_context *context;
    aet_dataset *dataset;
    aet_atoms *start, *truth, *found;
    aet_probe *probe;
    aet_recon *recon;
} job;

static void read_inputs(job *j, const char *folder)
{
    const path start = join(folder, "start.xyz");
    check(aet_dataset_read(j->context, folder, NULL, show_progress, NULL, &j->dataset));
    if (j->dataset == NULL) fail(folder, "reading was cancelled");
    fprintf(stderr, "\n");
    check(aet_dataset_read_atoms(j->context, folder, "truth", NULL, &j->truth));
    check(aet_atoms_read(start.text, &j->start));
    fprintf(stderr, "%lld images of %lld x %lld pixels in %lld tilts, %lld atoms to start with\n",
            (long long)aet_dataset_image_count(j->dataset), (long long)aet_dataset_rows(j->dataset),
            (long long)aet_dataset_columns(j->dataset), (long long)aet_dataset_tilt_count(j->dataset),
            (long long)aet_atoms_count(j->start));
}

static void create_recon(job *j)
{
    aet_probe_options probe;
    check(aet_probe_options_init(&probe, sizeof probe));
    probe.energy_ev = aet_dataset_energy_ev(j->dataset);
    probe.semiangle_mrad = aet_dataset_semiangle_mrad(j->dataset);
    check(aet_probe_create(&probe, &j->probe));

    aet_lot_options options;
    check(aet_lot_options_init(&options, sizeof options));
    options.model = AET_LOT_MODEL_RIGID;
    options.width_start = 0.2; /* angstrom^2: atoms are sharp where the probe is part of the model */
    check(aet_recon_create_lot(j->context, j->dataset, j->probe, j->start, &options, &j->recon));
}

static void run(const job *j)
{
    aet_progress shown;
    memset(&shown, 0, sizeof shown);
    signal(SIGINT, interrupted);
    const aet_status outcome = aet_recon_run(j->recon, NULL, show_progress, &shown);
    signal(SIGINT, SIG_DFL);
    check(outcome);
    if (outcome == AET_CONVERGED) { /* done before the largest number of iterations */
        shown.fraction = 1;
        (void)show_progress(NULL, &shown);
    }
    fprintf(stderr, "\n%s%s\n", aet_status_name(outcome),
            outcome == AET_CANCELLED ? ": the best state so far is kept" : "");
}

/* ---- results ---- */

typedef struct {
    aet_comparison comparison;
    double *errors; /* [found, 3] A, NaN where unmatched */
    double r_factor, loss, seconds;
    int iterations;
} report;

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

/* Mean over the images in use. */
static double mean_r_factor(const job *j)
{
    const int64_t count = aet_dataset_image_count(j->dataset);
    double *values = doubles(count), sum = 0, used = 0;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 1, &count);
    check(aet_recon_copy_r_factors(j->recon, &out));
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            sum += values[i];
            used += 1;
        }
    }
    free(values);
    return sum / used;
}

static report compare(job *j)
{
    report r;
    memset(&r, 0, sizeof r);
    check(aet_recon_get_atoms(j->recon, &j->found));
    const int64_t shape[2] = {aet_atoms_count(j->found), 3};
    r.errors = doubles(3 * shape[0]);
    const aet_view errors = aet_view_c(r.errors, AET_DTYPE_F64, 2, shape);
    r.comparison.struct_size = sizeof r.comparison;
    check(aet_atoms_compare(j->found, j->truth, NULL, &r.comparison, &errors));
    r.r_factor = mean_r_factor(j);
    r.loss = latest(j->recon, "loss");
    r.seconds = latest(j->recon, "seconds");
    r.iterations = (int)latest(j->recon, "iteration");
    return r;
}

static void print_report(const job *j, const report *r)
{
    const aet_comparison *c = &r->comparison;
    aet_comparison start;
    memset(&start, 0, sizeof start);
    start.struct_size = sizeof start;
    check(aet_atoms_compare(j->start, j->truth, NULL, &start, NULL));

    printf("comparison with the truth       start    refined\n");
    printf("  true atoms               %10lld %10lld\n", (long long)start.true_count, (long long)c->true_count);
    printf("  matched                  %10lld %10lld\n", (long long)start.matched, (long long)c->matched);
    printf("  missing                  %10lld %10lld\n", (long long)start.missing, (long long)c->missing);
    printf("  extra                    %10lld %10lld\n", (long long)start.extra, (long long)c->extra);
    printf("  RMSD, pm                 %10.2f %10.2f\n", start.rmsd_pm, c->rmsd_pm);
    printf("    along x                %10.2f %10.2f\n", start.rmsd_x_pm, c->rmsd_x_pm);
    printf("    along y                %10.2f %10.2f\n", start.rmsd_y_pm, c->rmsd_y_pm);
    printf("    along z                %10.2f %10.2f\n", start.rmsd_z_pm, c->rmsd_z_pm);
    printf("  R factor                            %10.5f\n", r->r_factor);
    printf("true=%lld matched=%lld missing=%lld extra=%lld rmsd_pm=%.4f rmsd_x_pm=%.4f rmsd_y_pm=%.4f rmsd_z_pm=%.4f "
           "r_factor=%.6f loss=%.9e iterations=%d seconds=%.2f\n",
           (long long)c->true_count, (long long)c->matched, (long long)c->missing, (long long)c->extra, c->rmsd_pm,
           c->rmsd_x_pm, c->rmsd_y_pm, c->rmsd_z_pm, r->r_factor, r->loss, r->iterations, r->seconds);
}

/* ---- what later programs draw ---- */

enum { MAX_SECTIONS = 64 };

typedef struct {
    int64_t tilt, count;
    int64_t images[MAX_SECTIONS]; /* indices in the dataset */
    double defocus[MAX_SECTIONS]; /* A */
} selection;

static double *copy_all(const aet_dataset *dataset, const char *name, int32_t ndim)
{
    const int64_t shape[3] = {aet_dataset_image_count(dataset), aet_dataset_rows(dataset),
                              aet_dataset_columns(dataset)};
    double *values = doubles(ndim == 3 ? shape[0] * shape[1] * shape[2] : shape[0]);
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, ndim, shape);
    check(aet_dataset_copy_column(dataset, name, &out));
    return values;
}

/* The images of the middle tilt, one per focus. */
static selection middle_tilt(const aet_dataset *dataset)
{
    selection s;
    memset(&s, 0, sizeof s);
    s.tilt = aet_dataset_tilt_count(dataset) / 2;
    const int64_t count = aet_dataset_image_count(dataset);
    int32_t *tilt = calloc((size_t)count, sizeof *tilt);
    if (tilt == NULL) fail("memory", "not enough for the tilt indices");
    const aet_view out = aet_view_c(tilt, AET_DTYPE_I32, 1, &count);
    check(aet_dataset_copy_column(dataset, "tilt", &out));
    double *defocus = copy_all(dataset, "defocus", 1);
    for (int64_t i = 0; i < count && s.count < MAX_SECTIONS; i++) {
        if (tilt[i] != s.tilt) continue;
        s.images[s.count] = i;
        s.defocus[s.count++] = defocus[i];
    }
    free(tilt);
    free(defocus);
    if (s.count == 0) fail("dataset", "the middle tilt has no images");
    return s;
}

static void write_images(const job *j, const selection *s, const char *folder)
{
    const int64_t shape[3] = {s->count, aet_dataset_rows(j->dataset), aet_dataset_columns(j->dataset)};
    const int64_t pixels = shape[1] * shape[2], n = aet_recon_parameter_count(j->recon);
    double *all = copy_all(j->dataset, "images", 3), *chosen = doubles(s->count * pixels), *x = doubles(n);
    for (int64_t i = 0; i < s->count; i++) {
        memcpy(chosen + i * pixels, all + s->images[i] * pixels, (size_t)pixels * sizeof *chosen);
    }
    write_doubles(folder, "measured.f64", chosen, s->count * pixels);

    const aet_view out = aet_view_c(chosen, AET_DTYPE_F64, 3, shape);
    check(aet_recon_get_parameters(j->recon, n, x));
    check(aet_recon_predict(j->recon, n, x, s->images, s->count, &out));
    write_doubles(folder, "calculated.f64", chosen, s->count * pixels);
    free(all);
    free(chosen);
    free(x);
}

static void write_errors(const job *j, const report *r, const char *folder)
{
    FILE *stream = open_output(folder, "errors.csv");
    fprintf(stream, "dx,dy,dz\n");
    for (int64_t i = 0; i < aet_atoms_count(j->found); i++) {
        const double *error = r->errors + 3 * i;
        if (isfinite(error[0])) fprintf(stream, "%.9g,%.9g,%.9g\n", error[0], error[1], error[2]);
    }
    close_output(stream, "errors.csv");
}

/* A JSON number; null where there is none. */
static void write_number(FILE *stream, const char *key, double value)
{
    if (isfinite(value)) {
        fprintf(stream, "  \"%s\": %.12g,\n", key, value);
    } else {
        fprintf(stream, "  \"%s\": null,\n", key);
    }
}

static void write_summary(const job *j, const selection *s, const report *r, const char *folder)
{
    FILE *stream = open_output(folder, "summary.json");
    fprintf(stream, "{\n  \"measured\": \"measured.f64\",\n  \"calculated\": \"calculated.f64\",\n");
    fprintf(stream, "  \"errors\": \"errors.csv\",\n  \"atoms\": \"atoms.xyz\",\n  \"dtype\": \"<f8\",\n");
    fprintf(stream, "  \"shape\": [%lld, %lld, %lld],\n", (long long)s->count, (long long)aet_dataset_rows(j->dataset),
            (long long)aet_dataset_columns(j->dataset));
    fprintf(stream, "  \"tilt\": %lld,\n  \"defocus_A\": [", (long long)s->tilt);
    for (int64_t i = 0; i < s->count; i++) {
        const char *separator = i > 0 ? ", " : "";
        if (isfinite(s->defocus[i])) {
            fprintf(stream, "%s%.12g", separator, s->defocus[i]);
        } else {
            fprintf(stream, "%snull", separator);
        }
    }
    fprintf(stream, "],\n");
    write_number(stream, "pixel_size_A", aet_dataset_pixel_size(j->dataset));
    write_number(stream, "rmsd_pm", r->comparison.rmsd_pm);
    write_number(stream, "r_factor", r->r_factor);
    write_number(stream, "loss", r->loss);
    write_number(stream, "seconds", r->seconds);
    fprintf(stream, "  \"matched\": %lld,\n  \"true\": %lld,\n  \"iterations\": %d\n}\n",
            (long long)r->comparison.matched, (long long)r->comparison.true_count, r->iterations);
    close_output(stream, "summary.json");
}

static void write_outputs(const job *j, const report *r, const char *folder)
{
    const path atoms = join(folder, "atoms.xyz");
    const selection middle = middle_tilt(j->dataset);
    check(aet_atoms_write(j->found, atoms.text));
    write_images(j, &middle, folder);
    write_errors(j, r, folder);
    write_summary(j, &middle, r, folder);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA_FOLDER OUT_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (make_folder(argv[2]) != 0 && errno != EEXIST) fail(argv[2], strerror(errno));

    job j;
    memset(&j, 0, sizeof j);
    check(aet_context_create(NULL, &j.context));
    context_to_cancel = j.context;
    read_inputs(&j, argv[1]);
    create_recon(&j);
    run(&j);
    report r = compare(&j);
    write_outputs(&j, &r, argv[2]);
    print_report(&j, &r);

    free(r.errors);
    aet_recon_free(j.recon);
    aet_probe_free(j.probe);
    aet_atoms_free(j.found);
    aet_atoms_free(j.start);
    aet_atoms_free(j.truth);
    aet_dataset_free(j.dataset);
    aet_context_free(j.context);
    return EXIT_SUCCESS;
}
