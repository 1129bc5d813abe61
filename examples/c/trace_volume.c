/* From a volume to atoms, in C: tracing, classification, and how right they are. The volume is made here: a core-shell
 * particle of copper and gold, its atoms spread over the nearest voxels, noise, and a blur. The same example exists in every
 * host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "aet.h"

/* voxels along each axis */
enum { EDGE = 56, VOXELS = EDGE * EDGE * EDGE };

static const double VOXEL = 0.5; /* A */
static const double NOISE = 5;   /* width of the noise of a voxel, in electrons of an atom */
static const double BLUR = 0.5;  /* standard deviation, A */

/* Ends the program when a call failed; outcomes (codes below 100) are no faults. */
static void check(aet_status status)
{
    if (status < 100) return;
    fprintf(stderr, "%s: %s\n", aet_status_name(status), aet_last_error_message());
    exit(EXIT_FAILURE);
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory != NULL) return memory;
    fprintf(stderr, "no memory for %lu values\n", (unsigned long)count);
    exit(EXIT_FAILURE);
}

static aet_atoms *core_shell_particle(void)
{
    aet_structure_options options;
    aet_atoms *atoms = NULL;
    check(aet_structure_options_preset(&options, sizeof options, "cuau"));
    options.count = 300;
    check(aet_atoms_generate(&options, NULL, NULL, &atoms));
    return atoms;
}

/* Each atom as its atomic number, shared among the eight voxels around it so that their centroid is its position. */
static void spread(const aet_atoms *atoms, double *values)
{
    const int64_t shape[2] = {aet_atoms_count(atoms), 3};
    double *positions = room((size_t)shape[0] * 3, sizeof *positions);
    int32_t *species = room((size_t)shape[0], sizeof *species);
    const aet_view position_view = aet_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_view species_view = aet_view_c(species, AET_DTYPE_I32, 1, shape);
    check(aet_atoms_copy_column(atoms, "positions", &position_view));
    check(aet_atoms_copy_column(atoms, "species", &species_view));
    for (int64_t i = 0; i < shape[0]; i++) {
        int voxel[3];
        double part[3][2]; /* of the lower and the upper voxel */
        for (int k = 0; k < 3; k++) {
            const double at = positions[3 * i + k] / VOXEL + EDGE / 2;
            voxel[k] = (int)at;
            part[k][1] = at - floor(at);
            part[k][0] = 1 - part[k][1];
        }
        for (int corner = 0; corner < 8; corner++) {
            const int x = corner % 2, y = corner / 2 % 2, z = corner / 4;
            values[((voxel[2] + z) * EDGE + voxel[1] + y) * EDGE + voxel[0] + x] +=
                part[2][z] * part[1][y] * part[0][x] * species[i];
        }
    }
    free(positions);
    free(species);
}

/* The particle with uniform noise from a linear congruential generator, which every language computes alike, blurred. */
static aet_volume *blurred_volume(const aet_context *context, const aet_atoms *atoms)
{
    const int64_t shape[3] = {EDGE, EDGE, EDGE};
    double *values = room(VOXELS, sizeof *values);
    spread(atoms, values);
    uint64_t state = 1;
    for (int i = 0; i < VOXELS; i++) {
        state = (1664525 * state + 1013904223) % 4294967296;
        values[i] += NOISE * ((double)state / 4294967296.0 - 0.5);
    }
    const aet_const_view view = aet_const_view_c(values, AET_DTYPE_F64, 3, shape);
    aet_filter_options filter;
    aet_volume *raw = NULL, *blurred = NULL;
    check(aet_volume_create(context, &view, VOXEL, &raw));
    check(aet_filter_options_init(&filter, sizeof filter));
    filter.gaussian = BLUR;
    check(aet_volume_filter(raw, &filter, NULL, NULL, NULL, NULL, &blurred));
    aet_volume_free(raw);
    free(values);
    return blurred;
}

static aet_atoms *traced_atoms(const aet_volume *volume)
{
    aet_trace_options options;
    aet_atoms *atoms = NULL;
    check(aet_trace_options_init(&options, sizeof options));
    options.smoothing = 0; /* the volume is smooth already */
    options.minimum_distance = 1.6;
    options.threshold = 0.2;
    check(aet_volume_trace(volume, &options, NULL, NULL, &atoms, NULL));
    return atoms;
}

static double value_of(const aet_table *table, const char *name)
{
    double value = 0;
    check(aet_table_value(table, name, &value));
    return value;
}

enum row { FIRST, LAST, LARGEST };

/* One number of a column; the largest of those that are known. */
static double number_of(const aet_table *table, const char *column, enum row which)
{
    const int64_t rows = aet_table_row_count(table);
    double *values = room((size_t)rows, sizeof *values);
    const aet_view view = aet_view_c(values, AET_DTYPE_F64, 1, &rows);
    check(aet_table_copy_column(table, column, &view));
    double number = values[which == LAST ? rows - 1 : 0];
    for (int64_t i = 0; which == LARGEST && i < rows; i++) number = fmax(number, values[i]);
    free(values);
    return number;
}

int main(void)
{
    aet_context *context = NULL;
    check(aet_context_create(NULL, &context));
    aet_atoms *truth = core_shell_particle();
    aet_volume *volume = blurred_volume(context, truth);
    aet_atoms *traced = traced_atoms(volume), *atoms = NULL;

    aet_classify_options options;
    check(aet_classify_options_init(&options, sizeof options));
    options.species[0] = 29; /* copper, then gold, which is brighter */
    options.species[1] = 79;
    options.non_atoms = 1;
    aet_table *table = NULL, *classes = NULL, *histogram = NULL;
    check(aet_atoms_classify(traced, volume, &options, NULL, NULL, &atoms, &table, &classes));
    check(aet_table_histogram(table, "intensity", "class", 0, &histogram));

    aet_table *report = NULL, *surface = NULL, *confusion = NULL;
    check(aet_atoms_accuracy(context, atoms, truth, NULL, NULL, NULL, &report));
    check(aet_table_error_profile(report, "surface_distance", 2, &surface));
    check(aet_table_confusion(report, &confusion));
    printf("traced=%d true=%.0f matched=%.0f missing=%.0f extra=%.0f tracing_error=%.12e species_correct=%.12e "
           "rmsd_pm=%.12e worst_shell_rmsd_pm=%.12e copper_rate=%.12e gold_mean=%.12e bins=%d highest_bin=%.0f\n",
           (int)aet_atoms_count(traced), value_of(report, "true_count"), value_of(report, "matched"),
           value_of(report, "missing"), value_of(report, "extra"), value_of(report, "tracing_error"),
           value_of(report, "species_correct"), value_of(report, "rmsd"), number_of(surface, "rmsd", LARGEST),
           number_of(confusion, "rate", FIRST), number_of(classes, "mean", LAST),
           (int)aet_table_row_count(histogram), number_of(histogram, "count", LARGEST));

    aet_table *const tables[] = {table, classes, histogram, report, surface, confusion};
    for (int i = 0; i < 6; i++) aet_table_free(tables[i]);
    aet_atoms_free(truth);
    aet_atoms_free(traced);
    aet_atoms_free(atoms);
    aet_volume_free(volume);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
