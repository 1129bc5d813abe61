/* A scan of a small gold particle and the gradient of its misfit with respect to the atoms, in C. The same example exists
 * in every host language and prints the same numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "aet.h"

enum { ATOMS = 43, SIDE = 8, POSITIONS = SIDE * SIDE, DETECTORS = 2, SIGNALS = 3 };

static const double CELL = 16; /* edge of the cubic cell, A */

/* Ends the program when a call failed; outcomes (codes below 100) are no faults. */
static void check(aet_status status)
{
    if (status < 100) return;
    fprintf(stderr, "%s: %s\n", aet_status_name(status), aet_last_error_message());
    exit(EXIT_FAILURE);
}

static int32_t show_progress(void *user, const aet_progress *progress)
{
    (void)user;
    fprintf(stderr, "\rsimulating %3.0f %%", 100 * progress->fraction);
    return 0; /* go on */
}

/* Atoms of a face-centred crystal around the middle of the cell, the first one moved by `shift` A along x. */
static aet_atoms *particle(double shift)
{
    double positions[ATOMS][3], factors[ATOMS];
    int32_t species[ATOMS];
    int count = 0;
    for (int i = -2; i <= 2; i++) {
        for (int j = -2; j <= 2; j++) {
            for (int k = -2; k <= 2; k++) {
                if ((i + j + k) % 2 != 0 || i * i + j * j + k * k > 6) continue;
                const int steps[3] = {i, j, k};
                for (int axis = 0; axis < 3; axis++) positions[count][axis] = 0.5 * CELL + 2.039 * steps[axis];
                species[count] = 79;
                factors[count] = 0.6; /* B, A^2 */
                count++;
            }
        }
    }
    positions[0][0] += shift;
    const double edges[3] = {CELL, CELL, CELL};
    const int64_t shape[2] = {ATOMS, 3};
    const aet_const_view position_view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_const_view species_view = aet_const_view_c(species, AET_DTYPE_I32, 1, shape);
    const aet_const_view factor_view = aet_const_view_c(factors, AET_DTYPE_F64, 1, shape);
    const aet_const_view cell_view = aet_const_view_c(edges, AET_DTYPE_F64, 1, shape + 1);
    aet_atoms *bare = NULL, *moving = NULL, *atoms = NULL;
    check(aet_atoms_create(&position_view, &species_view, NULL, NULL, &bare));
    check(aet_atoms_with_column(bare, "debye_waller_b", &factor_view, &moving));
    check(aet_atoms_with_cell(moving, &cell_view, &atoms));
    aet_atoms_free(bare);
    aet_atoms_free(moving);
    return atoms;
}

static aet_simulation *create_simulation(const aet_context *context, double shift)
{
    aet_simulation_options options;
    check(aet_simulation_options_init(&options, sizeof options));
    options.energy_ev = 300e3;
    options.rows = 128;
    options.columns = 128;
    /* Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits. */
    options.precision = AET_PRECISION_DOUBLE;
    aet_atoms *atoms = particle(shift);
    aet_simulation *simulation = NULL;
    check(aet_simulation_create(context, atoms, &options, show_progress, NULL, &simulation));
    aet_atoms_free(atoms);
    return simulation;
}

static aet_probe *create_probe(void)
{
    aet_probe_options options;
    aet_probe *probe = NULL;
    check(aet_probe_options_init(&options, sizeof options));
    options.energy_ev = 300e3;
    options.semiangle_mrad = 20;
    options.defocus = 4; /* A behind the face where the beam enters */
    check(aet_probe_create(&options, &probe));
    return probe;
}

static void create_detectors(aet_detector *detectors[DETECTORS])
{
    aet_detector_options options;
    check(aet_detector_options_init(&options, sizeof options));
    options.inner_mrad = 30;
    options.outer_mrad = 50;
    check(aet_detector_create(&options, NULL, &detectors[0]));
    check(aet_detector_options_init(&options, sizeof options));
    options.kind = AET_DETECTOR_KIND_CENTER_OF_MASS;
    check(aet_detector_create(&options, NULL, &detectors[1]));
}

static void print_results(double signals[POSITIONS][SIGNALS], double residuals[POSITIONS][SIGNALS],
                          double gradient[ATOMS][3])
{
    double haadf = 0, center = 0, loss = 0, square = 0;
    for (int i = 0; i < POSITIONS; i++) {
        haadf += signals[i][0];
        center += signals[i][1] * signals[i][1] + signals[i][2] * signals[i][2];
        for (int k = 0; k < SIGNALS; k++) loss += 0.5 * residuals[i][k] * residuals[i][k];
    }
    for (int i = 0; i < ATOMS; i++) {
        for (int axis = 0; axis < 3; axis++) square += gradient[i][axis] * gradient[i][axis];
    }
    printf("atoms=%d positions=%d haadf=%.12e center_of_mass=%.12e loss=%.12e gradient_norm=%.12e first=%.12e\n", ATOMS,
           POSITIONS, haadf, sqrt(center), loss, sqrt(square), gradient[0][0]);
}

int main(void)
{
    aet_context *context = NULL;
    check(aet_context_create(NULL, &context));
    aet_probe *probe = create_probe();
    aet_simulation *truth = create_simulation(context, 0.1), *guess = create_simulation(context, 0);
    aet_detector *detectors[DETECTORS];
    create_detectors(detectors);
    const aet_detector *const list[DETECTORS] = {detectors[0], detectors[1]};

    double places[POSITIONS][2];
    for (int i = 0; i < POSITIONS; i++) {
        places[i][0] = 4.0 + i % SIDE;
        places[i][1] = 4.0 + i / SIDE;
    }
    const int64_t pairs[2] = {POSITIONS, 2}, table[2] = {POSITIONS, SIGNALS}, triples[2] = {ATOMS, 3};
    const aet_const_view positions = aet_const_view_c(places, AET_DTYPE_F64, 2, pairs);
    /* [position][haadf, com x, com y] */
    double measured[POSITIONS][SIGNALS], signals[POSITIONS][SIGNALS], residuals[POSITIONS][SIGNALS];
    const aet_view measured_view = aet_view_c(measured, AET_DTYPE_F64, 2, table);
    const aet_view signal_view = aet_view_c(signals, AET_DTYPE_F64, 2, table);
    check(aet_simulation_scan(truth, probe, &positions, list, DETECTORS, show_progress, NULL, &measured_view));
    check(aet_simulation_scan(guess, probe, &positions, list, DETECTORS, show_progress, NULL, &signal_view));

    /* L = 1/2 sum (signal - measured)^2 */
    for (int i = 0; i < POSITIONS; i++) {
        for (int k = 0; k < SIGNALS; k++) residuals[i][k] = signals[i][k] - measured[i][k];
    }
    double gradient[ATOMS][3];
    const aet_const_view residual_view = aet_const_view_c(residuals, AET_DTYPE_F64, 2, table);
    const aet_view gradient_view = aet_view_c(gradient, AET_DTYPE_F64, 2, triples);
    aet_scan_gradients gradients;
    check(aet_scan_gradients_init(&gradients, sizeof gradients));
    gradients.by_signal = &residual_view;
    gradients.atom_positions = &gradient_view;
    check(aet_simulation_pull_back(guess, probe, &positions, list, DETECTORS, &gradients, show_progress, NULL));
    fprintf(stderr, "\n");
    print_results(signals, residuals, gradient);

    aet_simulation_free(truth);
    aet_simulation_free(guess);
    aet_detector_free(detectors[0]);
    aet_detector_free(detectors[1]);
    aet_probe_free(probe);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
