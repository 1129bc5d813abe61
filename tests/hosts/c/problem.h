/* A tilt series that the C host tests make themselves: five atoms, six tilts with two foci each. */
#ifndef AET_TESTS_PROBLEM_H
#define AET_TESTS_PROBLEM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

enum { ATOMS = 5, TILTS = 6, FOCI = 2, IMAGES = TILTS * FOCI, ROWS = 24, COLUMNS = 20, PIXELS = ROWS * COLUMNS };

static const double PIXEL_SIZE = 0.5; /* A */
static const double ATOM_POSITIONS[ATOMS][3] = {
    {0.3, -0.2, 0.5}, {2.1, 1.4, -1.0}, {-2.2, 1.9, 0.8}, {-1.7, -2.6, -0.4}, {1.8, -2.3, 1.2}}; /* A */

static const int64_t STACK[3] = {IMAGES, ROWS, COLUMNS};
static const int64_t MATRICES[3] = {IMAGES, 3, 3};
static const int64_t TRIPLES[2] = {IMAGES, 3};
static const int64_t SCALARS[1] = {IMAGES};

/* Arrays, views of them and the structures that hold the views; never copied, for the views point inside. */
typedef struct {
    double pixels[IMAGES * PIXELS], matrices[IMAGES * 9], foci[IMAGES];
    int32_t tilt_index[IMAGES], section_index[IMAGES];
    aet_const_view images, rotations, tilt, section, defocus;
    aet_frames frames;
    aet_dataset_options options;
} series;

static void fill_image(double *pixels, const double *matrix)
{
    for (int row = 0; row < ROWS; row++) {
        for (int column = 0; column < COLUMNS; column++) {
            double sum = 0;
            for (int i = 0; i < ATOMS; i++) {
                const double *p = ATOM_POSITIONS[i];
                const double x = matrix[0] * p[0] + matrix[1] * p[1] + matrix[2] * p[2];
                const double y = matrix[3] * p[0] + matrix[4] * p[1] + matrix[5] * p[2];
                const double dx = (column - COLUMNS / 2) * PIXEL_SIZE - x, dy = (row - ROWS / 2) * PIXEL_SIZE - y;
                sum += exp(-(dx * dx + dy * dy) / 0.6);
            }
            pixels[row * COLUMNS + column] = sum;
        }
    }
}

static void series_fill(series *s)
{
    for (int k = 0; k < IMAGES; k++) {
        const double angle = (k / FOCI - 2.5) * 0.4, c = cos(angle), w = sin(angle);
        const double matrix[9] = {c, 0, w, 0, 1, 0, -w, 0, c};
        memcpy(s->matrices + 9 * k, matrix, sizeof matrix);
        fill_image(s->pixels + PIXELS * k, matrix);
        s->tilt_index[k] = k / FOCI;
        s->section_index[k] = k % FOCI;
        s->foci[k] = 10.0 * (k % FOCI);
    }
    s->images = aet_const_view_c(s->pixels, AET_DTYPE_F64, 3, STACK);
    s->rotations = aet_const_view_c(s->matrices, AET_DTYPE_F64, 3, MATRICES);
    s->tilt = aet_const_view_c(s->tilt_index, AET_DTYPE_I32, 1, SCALARS);
    s->section = aet_const_view_c(s->section_index, AET_DTYPE_I32, 1, SCALARS);
    s->defocus = aet_const_view_c(s->foci, AET_DTYPE_F64, 1, SCALARS);
    require(aet_frames_init(&s->frames, sizeof s->frames), "frames");
    s->frames.rotations = &s->rotations;
    s->frames.tilt = &s->tilt;
    s->frames.section = &s->section;
    s->frames.defocus = &s->defocus;
    require(aet_dataset_options_init(&s->options, sizeof s->options), "dataset options");
    s->options.pixel_size = PIXEL_SIZE;
}

static aet_status series_create(const aet_context *context, const series *s, aet_dataset **dataset)
{
    return aet_dataset_create(context, &s->options, &s->images, &s->frames, dataset);
}

/* The true atoms, displaced by `shift` A along x. */
static aet_atoms *atoms_at(double shift)
{
    const int64_t shape[2] = {ATOMS, 3};
    double positions[ATOMS][3];
    for (int i = 0; i < ATOMS; i++) {
        memcpy(positions[i], ATOM_POSITIONS[i], sizeof positions[i]);
        positions[i][0] += shift;
    }
    const aet_const_view view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    aet_atoms *atoms = NULL;
    require(aet_atoms_create(&view, NULL, NULL, NULL, &atoms), "atoms");
    return atoms;
}

static aet_probe *probe_of(double energy_ev, double semiangle_mrad)
{
    aet_probe_options options;
    aet_probe *probe = NULL;
    require(aet_probe_options_init(&options, sizeof options), "probe options");
    options.energy_ev = energy_ev;
    options.semiangle_mrad = semiangle_mrad;
    require(aet_probe_create(&options, &probe), "probe");
    return probe;
}

static aet_lot_options lot_options(int32_t model)
{
    aet_lot_options options;
    require(aet_lot_options_init(&options, sizeof options), "lot options");
    options.model = model;
    options.precision = AET_PRECISION_DOUBLE;
    return options;
}

/* Every object of a fit of the small problem. */
typedef struct {
    aet_context *context;
    aet_dataset *dataset;
    aet_probe *probe;
    aet_atoms *atoms;
    aet_recon *recon;
} fit;

static fit fit_create(int32_t threads)
{
    static series s;
    fit f;
    memset(&f, 0, sizeof f);
    aet_context_options options;
    require(aet_context_options_init(&options, sizeof options), "context options");
    options.threads = threads;
    require(aet_context_create(&options, &f.context), "context");
    series_fill(&s);
    require(series_create(f.context, &s, &f.dataset), "dataset");
    f.probe = probe_of(300e3, 25);
    f.atoms = atoms_at(0.1);
    const aet_lot_options lot = lot_options(AET_LOT_MODEL_RIGID);
    require(aet_recon_create_lot(f.context, f.dataset, f.probe, f.atoms, &lot, &f.recon), "reconstruction");
    return f;
}

/* The same with a dataset folder, from its true atoms displaced by 0.1 A along x. */
static fit fit_read(const char *folder)
{
    fit f;
    memset(&f, 0, sizeof f);
    require(aet_context_create(NULL, &f.context), "context");
    require(aet_dataset_read(f.context, folder, NULL, NULL, NULL, &f.dataset), "dataset folder");
    aet_atoms *truth = NULL;
    require(aet_dataset_read_atoms(f.context, folder, "truth", NULL, &truth), "true atoms");
    const int64_t shape[2] = {aet_atoms_count(truth), 3};
    double *positions = malloc((size_t)shape[0] * 3 * sizeof *positions);
    if (positions == NULL) exit(EXIT_FAILURE);
    const aet_view out = aet_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_const_view in = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    require(aet_atoms_copy_column(truth, "positions", &out), "positions");
    for (int64_t i = 0; i < shape[0]; i++) positions[3 * i] += 0.1 * ((i % 2) ? 1 : -1);
    require(aet_atoms_create(&in, NULL, NULL, NULL, &f.atoms), "start");
    free(positions);
    aet_atoms_free(truth);
    f.probe = probe_of(aet_dataset_energy_ev(f.dataset), aet_dataset_semiangle_mrad(f.dataset));
    aet_lot_options lot = lot_options(AET_LOT_MODEL_RIGID);
    lot.precision = AET_PRECISION_SINGLE;
    require(aet_recon_create_lot(f.context, f.dataset, f.probe, f.atoms, &lot, &f.recon), "reconstruction");
    return f;
}

static void fit_free(fit *f)
{
    aet_context_free(f->context); /* its parts keep what they need */
    aet_dataset_free(f->dataset);
    aet_probe_free(f->probe);
    aet_atoms_free(f->atoms);
    aet_recon_free(f->recon);
    memset(f, 0, sizeof *f);
}

/* The present parameters, to be freed by the caller. */
static double *parameters_of(const aet_recon *recon, int64_t *n)
{
    *n = aet_recon_parameter_count(recon);
    double *x = calloc((size_t)*n + 1, sizeof *x); /* one more than needed, for lengths that are wrong on purpose */
    if (x == NULL) exit(EXIT_FAILURE);
    require(aet_recon_get_parameters(recon, *n, x), "parameters");
    return x;
}

static double loss_of(const aet_recon *recon)
{
    int64_t n;
    double loss = NAN, *x = parameters_of(recon, &n);
    require(aet_recon_loss_and_gradient(recon, n, x, NULL, 0, &loss, NULL, NULL), "loss");
    free(x);
    return loss;
}

/* Options of a run that ends only by its number of iterations, or by being told to. */
static aet_run_options long_run(int32_t max_iterations)
{
    aet_run_options options;
    require(aet_run_options_init(&options, sizeof options), "run options");
    options.max_iterations = max_iterations;
    options.loss_tolerance = 1e-300;
    options.gradient_tolerance = 1e-300;
    return options;
}

#endif
