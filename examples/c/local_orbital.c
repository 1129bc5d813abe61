/* Local-orbital tomography from C: everything is made from the host's own arrays, the host drives the fit itself, then
 * the library does.
 *
 *   local_orbital DATA_FOLDER
 *
 * DATA_FOLDER is a dataset folder whose true atoms are known. Progress goes to stderr; the last line on stdout holds
 * what was computed. The same example exists in every host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aet.h"

/* Ends the program when a call failed; outcomes (codes below 100) are no faults. */
static void check(aet_status status)
{
    if (status >= 100) {
        fprintf(stderr, "%s: %s\n", aet_status_name(status), aet_last_error_message());
        exit(EXIT_FAILURE);
    }
}

static void *allocate(int64_t count, size_t size)
{
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

static double *doubles(int64_t count) { return allocate(count, sizeof(double)); }

/* ---- the host's own data ---- */

/* A tilt series as a host has it: plain row-major arrays. Lengths in angstrom. */
typedef struct {
    int64_t count, rows, columns;
    double pixel_size, energy_ev, semiangle_mrad;
    double *images;          /* [count, rows, columns] */
    double *rotations;       /* [count, 3, 3], p' = R p */
    int32_t *tilt, *section; /* [count] */
    double *defocus;         /* [count] */
    double *counts_per_unit; /* [count], not finite where unknown */
} series;

static double *copy_column(const aet_dataset *dataset, const char *name, int32_t ndim, const int64_t *shape)
{
    int64_t size = 1;
    for (int32_t axis = 0; axis < ndim; axis++) size *= shape[axis];
    double *values = doubles(size);
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, ndim, shape);
    check(aet_dataset_copy_column(dataset, name, &out));
    return values;
}

static int32_t *copy_indices(const aet_dataset *dataset, const char *name, int64_t count)
{
    int32_t *values = allocate(count, sizeof *values);
    const aet_view out = aet_view_c(values, AET_DTYPE_I32, 1, &count);
    check(aet_dataset_copy_column(dataset, name, &out));
    return values;
}

/* Reads the folder and copies out all that the fit needs. */
static series read_series(const aet_context *context, const char *folder)
{
    aet_dataset *dataset = NULL;
    check(aet_dataset_read(context, folder, NULL, NULL, NULL, &dataset));

    series s;
    s.count = aet_dataset_image_count(dataset);
    s.rows = aet_dataset_rows(dataset);
    s.columns = aet_dataset_columns(dataset);
    s.pixel_size = aet_dataset_pixel_size(dataset);
    s.energy_ev = aet_dataset_energy_ev(dataset);
    s.semiangle_mrad = aet_dataset_semiangle_mrad(dataset);
    const int64_t stack[3] = {s.count, s.rows, s.columns}, matrices[3] = {s.count, 3, 3};
    s.images = copy_column(dataset, "images", 3, stack);
    s.rotations = copy_column(dataset, "rotations", 3, matrices);
    s.tilt = copy_indices(dataset, "tilt", s.count);
    s.section = copy_indices(dataset, "section", s.count);
    s.defocus = copy_column(dataset, "defocus", 1, &s.count);
    s.counts_per_unit = copy_column(dataset, "counts_per_unit", 1, &s.count);
    aet_dataset_free(dataset);
    return s;
}

static void free_series(series *s)
{
    free(s->images);
    free(s->rotations);
    free(s->tilt);
    free(s->section);
    free(s->defocus);
    free(s->counts_per_unit);
}

/* Hands the arrays to the library, which copies them. */
static aet_dataset *create_dataset(const aet_context *context, const series *s)
{
    const int64_t stack[3] = {s->count, s->rows, s->columns}, matrices[3] = {s->count, 3, 3};
    const aet_const_view images = aet_const_view_c(s->images, AET_DTYPE_F64, 3, stack);
    const aet_const_view rotations = aet_const_view_c(s->rotations, AET_DTYPE_F64, 3, matrices);
    const aet_const_view tilt = aet_const_view_c(s->tilt, AET_DTYPE_I32, 1, &s->count);
    const aet_const_view section = aet_const_view_c(s->section, AET_DTYPE_I32, 1, &s->count);
    const aet_const_view defocus = aet_const_view_c(s->defocus, AET_DTYPE_F64, 1, &s->count);
    const aet_const_view counts = aet_const_view_c(s->counts_per_unit, AET_DTYPE_F64, 1, &s->count);

    aet_frames frames;
    check(aet_frames_init(&frames, sizeof frames));
    frames.rotations = &rotations;
    frames.tilt = &tilt;
    frames.section = &section;
    frames.defocus = &defocus;
    if (isfinite(s->counts_per_unit[0])) frames.counts_per_unit = &counts;

    aet_dataset_options options;
    check(aet_dataset_options_init(&options, sizeof options));
    options.pixel_size = s->pixel_size;

    aet_dataset *dataset = NULL;
    check(aet_dataset_create(context, &options, &images, &frames, &dataset));
    return dataset;
}

static aet_probe *create_probe(double energy_ev, double semiangle_mrad)
{
    aet_probe_options options;
    check(aet_probe_options_init(&options, sizeof options));
    options.energy_ev = energy_ev;
    options.semiangle_mrad = semiangle_mrad;
    aet_probe *probe = NULL;
    check(aet_probe_create(&options, &probe));
    return probe;
}

/* The true atoms, each displaced by up to 0.15 A per axis, the same way in every language. */
static aet_atoms *displaced(const aet_atoms *truth)
{
    const int64_t shape[2] = {aet_atoms_count(truth), 3};
    double *positions = doubles(3 * shape[0]);
    const aet_view out = aet_view_c(positions, AET_DTYPE_F64, 2, shape);
    check(aet_atoms_copy_column(truth, "positions", &out));
    for (int64_t i = 0; i < shape[0]; i++) {
        for (int64_t axis = 0; axis < 3; axis++) {
            positions[3 * i + axis] += 0.15 * sin(12.9898 * (double)(3 * i + axis + 1));
        }
    }
    const aet_const_view view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    aet_atoms *start = NULL;
    check(aet_atoms_create(&view, NULL, NULL, NULL, &start));
    free(positions);
    return start;
}

/* ---- the host's own optimiser: L-BFGS within bounds, in parameters divided by the scales of their blocks ---- */

enum { MEMORY = 10, HOST_ITERATIONS = 200 };

typedef struct {
    const aet_recon *recon;
    int64_t n;
    double *scale, *lower, *upper; /* [n], bounds already divided by the scale */
    double *x, *gradient;          /* [n], what the library sees */
} problem;

typedef struct {
    int count, newest;
    double *step[MEMORY], *change[MEMORY]; /* [n] each: of the parameters, of the gradient */
    double curvature[MEMORY];              /* step . change */
} history;

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static problem describe(const aet_recon *recon)
{
    problem p;
    p.recon = recon;
    p.n = aet_recon_parameter_count(recon);
    p.scale = doubles(p.n);
    p.lower = doubles(p.n);
    p.upper = doubles(p.n);
    p.x = doubles(p.n);
    p.gradient = doubles(p.n);
    for (int64_t index = 0; index < aet_recon_block_count(recon); index++) {
        aet_block block;
        memset(&block, 0, sizeof block);
        block.struct_size = sizeof block;
        check(aet_recon_parameter_layout(recon, index, &block));
        if (block.frozen) continue;
        for (int64_t i = block.offset; i < block.offset + block.size; i++) {
            p.scale[i] = block.scale;
            p.lower[i] = block.lower / block.scale;
            p.upper[i] = block.upper / block.scale;
        }
    }
    return p;
}

static void free_problem(problem *p)
{
    free(p->scale);
    free(p->lower);
    free(p->upper);
    free(p->x);
    free(p->gradient);
}

/* Loss and gradient in scaled parameters u = x / scale. */
static double evaluate(problem *p, const double *u, double *gradient)
{
    double loss;
    for (int64_t i = 0; i < p->n; i++) p->x[i] = u[i] * p->scale[i];
    check(aet_recon_loss_and_gradient(p->recon, p->n, p->x, NULL, 0, &loss, p->gradient, NULL));
    for (int64_t i = 0; i < p->n; i++) gradient[i] = p->gradient[i] * p->scale[i];
    return loss;
}

/* The two-loop recursion: direction = - (inverse Hessian) gradient. */
static void descent_direction(const history *h, int64_t n, const double *gradient, double *direction)
{
    double weight[MEMORY];
    for (int64_t i = 0; i < n; i++) direction[i] = -gradient[i];
    for (int age = 0; age < h->count; age++) {
        const int k = (h->newest - age + MEMORY) % MEMORY;
        weight[k] = dot(n, h->step[k], direction) / h->curvature[k];
        for (int64_t i = 0; i < n; i++) direction[i] -= weight[k] * h->change[k][i];
    }
    if (h->count > 0) {
        const int k = h->newest;
        const double factor = h->curvature[k] / dot(n, h->change[k], h->change[k]);
        for (int64_t i = 0; i < n; i++) direction[i] *= factor;
    }
    for (int age = h->count - 1; age >= 0; age--) {
        const int k = (h->newest - age + MEMORY) % MEMORY;
        const double correction = dot(n, h->change[k], direction) / h->curvature[k];
        for (int64_t i = 0; i < n; i++) direction[i] += (weight[k] - correction) * h->step[k][i];
    }
}

/* Keeps the latest pair, unless the curvature along it is not positive. */
static void remember(history *h, int64_t n, const double *step, const double *change)
{
    const double curvature = dot(n, step, change);
    if (curvature <= 1e-12 * dot(n, change, change)) return;
    h->newest = (h->newest + 1) % MEMORY;
    if (h->count < MEMORY) h->count++;
    memcpy(h->step[h->newest], step, (size_t)n * sizeof *step);
    memcpy(h->change[h->newest], change, (size_t)n * sizeof *change);
    h->curvature[h->newest] = curvature;
}

typedef struct {
    double *u, *gradient;      /* [n] accepted point */
    double *trial, *trial_gradient;
    double *direction;
} workspace;

/* Halves the step until the loss falls enough (Armijo). Leaves the point in `trial`; NAN where no step helps. */
static double line_search(problem *p, workspace *w, double loss)
{
    double length = 1;
    for (int attempt = 0; attempt < 30; attempt++, length *= 0.5) {
        double expected = 0;
        for (int64_t i = 0; i < p->n; i++) {
            w->trial[i] = fmin(fmax(w->u[i] + length * w->direction[i], p->lower[i]), p->upper[i]);
            expected += w->gradient[i] * (w->trial[i] - w->u[i]);
        }
        const double trial = evaluate(p, w->trial, w->trial_gradient);
        if (expected < 0 && trial <= loss + 1e-4 * expected) return trial;
    }
    return NAN;
}

static double minimise(problem *p, workspace *w, history *h)
{
    check(aet_recon_get_parameters(p->recon, p->n, p->x));
    for (int64_t i = 0; i < p->n; i++) w->u[i] = p->x[i] / p->scale[i];
    double loss = evaluate(p, w->u, w->gradient);
    for (int iteration = 1; iteration <= HOST_ITERATIONS; iteration++) {
        descent_direction(h, p->n, w->gradient, w->direction);
        const double next = line_search(p, w, loss);
        if (isnan(next)) break;
        const double fall = loss - next;
        loss = next;
        for (int64_t i = 0; i < p->n; i++) {
            const double trial = w->trial[i], gradient = w->trial_gradient[i];
            w->trial[i] -= w->u[i]; /* becomes the step, the change of the gradient */
            w->trial_gradient[i] -= w->gradient[i];
            w->u[i] = trial;
            w->gradient[i] = gradient;
        }
        remember(h, p->n, w->trial, w->trial_gradient);
        fprintf(stderr, "\rhost iteration %3d  loss %.9e", iteration, loss);
        if (fall <= 1e-10 * fabs(loss)) break;
    }
    fprintf(stderr, "\n");
    return loss;
}

/* Minimises the loss from the present parameters, which stay as they are. */
static double host_driven_fit(const aet_recon *recon)
{
    problem p = describe(recon);
    history h = {0};
    workspace w;
    w.u = doubles(p.n);
    w.gradient = doubles(p.n);
    w.trial = doubles(p.n);
    w.trial_gradient = doubles(p.n);
    w.direction = doubles(p.n);
    for (int k = 0; k < MEMORY; k++) {
        h.step[k] = doubles(p.n);
        h.change[k] = doubles(p.n);
    }
    const double loss = minimise(&p, &w, &h);
    for (int k = 0; k < MEMORY; k++) {
        free(h.step[k]);
        free(h.change[k]);
    }
    free(w.u);
    free(w.gradient);
    free(w.trial);
    free(w.trial_gradient);
    free(w.direction);
    free_problem(&p);
    return loss;
}

/* ---- the library's optimiser ---- */

static int32_t show_progress(void *user, const aet_progress *progress)
{
    (void)user;
    fprintf(stderr, "\rrun iteration %3d  loss %.9e  %5.1f s", (int)progress->iteration, progress->loss,
            progress->seconds);
    return 0; /* go on */
}

static void run(aet_recon *recon)
{
    aet_run_options options;
    check(aet_run_options_init(&options, sizeof options));
    options.max_iterations = 60;
    options.loss_tolerance = 1e-12;
    const aet_status outcome = aet_recon_run(recon, &options, show_progress, NULL);
    check(outcome);
    fprintf(stderr, "\n%s\n", aet_status_name(outcome));
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

static aet_recon *create_recon(const aet_context *context, const aet_dataset *dataset, const aet_probe *probe,
                               const aet_atoms *start)
{
    aet_lot_options options;
    check(aet_lot_options_init(&options, sizeof options));
    options.model = AET_LOT_MODEL_RIGID;
    options.precision = AET_PRECISION_DOUBLE;
    options.loss = AET_LOSS_MSE;
    options.height_sharing = AET_SHARING_COMMON;
    options.width_sharing = AET_SHARING_COMMON;
    options.width_start = 0.5; /* A^2 */
    aet_recon *recon = NULL;
    check(aet_recon_create_lot(context, dataset, probe, start, &options, &recon));
    return recon;
}

/* Loss and norm of the gradient at the present parameters. */
static double evaluate_start(const aet_recon *recon, double *gradient_norm)
{
    const int64_t n = aet_recon_parameter_count(recon);
    double *x = doubles(n), *gradient = doubles(n), loss;
    check(aet_recon_get_parameters(recon, n, x));
    check(aet_recon_loss_and_gradient(recon, n, x, NULL, 0, &loss, gradient, NULL));
    *gradient_norm = sqrt(dot(n, gradient, gradient));
    free(x);
    free(gradient);
    return loss;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DATA_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    aet_context *context = NULL;
    aet_atoms *truth = NULL, *found = NULL;
    check(aet_context_create(NULL, &context));
    check(aet_dataset_read_atoms(context, argv[1], "truth", NULL, &truth));
    series data = read_series(context, argv[1]);
    aet_dataset *dataset = create_dataset(context, &data);
    aet_probe *probe = create_probe(data.energy_ev, data.semiangle_mrad);
    aet_atoms *start = displaced(truth);
    aet_recon *recon = create_recon(context, dataset, probe, start);
    free_series(&data);

    double gradient_norm;
    const double loss = evaluate_start(recon, &gradient_norm);
    const double host_loss = host_driven_fit(recon);
    run(recon);

    aet_comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    comparison.struct_size = sizeof comparison;
    check(aet_recon_get_atoms(recon, &found));
    check(aet_atoms_compare(found, truth, NULL, &comparison, NULL));
    printf("loss=%.12e gradient_norm=%.12e run_loss=%.12e run_iterations=%d rmsd_pm=%.6f matched=%lld host_loss=%.12e\n",
           loss, gradient_norm, latest(recon, "loss"), (int)latest(recon, "iteration"), comparison.rmsd_pm,
           (long long)comparison.matched, host_loss);

    aet_atoms_free(found);
    aet_recon_free(recon);
    aet_atoms_free(start);
    aet_probe_free(probe);
    aet_dataset_free(dataset);
    aet_atoms_free(truth);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
