/* A small tilt and focus series of a gold particle with frozen phonons and a limited dose, simulated into a folder and
 * read back, in C. The same example exists in every host language and prints the same numbers.
 *
 *   simulate_series FOLDER
 *
 * A run that was stopped goes on when it is started again.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "aet.h"

enum { ATOMS = 43, TILTS = 3, FOCI = 2, IMAGES = TILTS * FOCI, SIDE = 8, PIXELS = SIDE * SIDE };

/* Ends the program when a call failed; outcomes (codes below 100) are no faults. */
static void check(aet_status status)
{
    if (status < 100) return;
    fprintf(stderr, "%s: %s\n", aet_status_name(status), aet_last_error_message());
    exit(EXIT_FAILURE);
}

/* Atoms of a face-centred crystal around the origin. */
static aet_atoms *particle(void)
{
    double positions[ATOMS][3], factors[ATOMS];
    int32_t species[ATOMS];
    int count = 0;
    for (int i = -2; i <= 2; i++) {
        for (int j = -2; j <= 2; j++) {
            for (int k = -2; k <= 2; k++) {
                if ((i + j + k) % 2 != 0 || i * i + j * j + k * k > 6) continue;
                const int steps[3] = {i, j, k};
                for (int axis = 0; axis < 3; axis++) positions[count][axis] = 2.039 * steps[axis];
                species[count] = 79;
                factors[count] = 0.6; /* B, A^2 */
                count++;
            }
        }
    }
    const int64_t shape[2] = {ATOMS, 3};
    const aet_const_view position_view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_const_view species_view = aet_const_view_c(species, AET_DTYPE_I32, 1, shape);
    const aet_const_view factor_view = aet_const_view_c(factors, AET_DTYPE_F64, 1, shape);
    aet_atoms *still = NULL, *atoms = NULL;
    check(aet_atoms_create(&position_view, &species_view, NULL, NULL, &still));
    check(aet_atoms_with_column(still, "debye_waller_b", &factor_view, &atoms));
    aet_atoms_free(still);
    return atoms;
}

static aet_probe *create_probe(void)
{
    aet_probe_options options;
    aet_probe *probe = NULL;
    check(aet_probe_options_init(&options, sizeof options));
    options.energy_ev = 300e3;
    options.semiangle_mrad = 20;
    check(aet_probe_create(&options, &probe));
    return probe;
}

static aet_detector *create_detector(void)
{
    aet_detector_options options;
    aet_detector *detector = NULL;
    check(aet_detector_options_init(&options, sizeof options)); /* annular; a pixelated one makes 4D-STEM */
    options.inner_mrad = 30;
    options.outer_mrad = 50;
    check(aet_detector_create(&options, NULL, &detector));
    return detector;
}

/* Shows where the work stands, and keeps the number of probes. */
static int32_t show_progress(void *user, const aet_progress *progress)
{
    *(int64_t *)user = progress->probes;
    fprintf(stderr, "\rtilt %" PRId64 " of %" PRId64 ", probe %" PRId64 " of %" PRId64, progress->tilt + 1,
            progress->tilts, progress->probe, progress->probes);
    return 0; /* go on */
}

static void print_results(const aet_context *context, const char *folder, int64_t probes, uint64_t memory)
{
    static double counts[IMAGES][PIXELS];
    const int64_t shape[3] = {IMAGES, SIDE, SIDE};
    const aet_view view = aet_view_c(counts, AET_DTYPE_F64, 3, shape);
    aet_dataset *series = NULL;
    check(aet_dataset_read(context, folder, NULL, NULL, NULL, &series));
    check(aet_dataset_copy_column(series, "images", &view));
    double electrons = 0, squares = 0, brightest = 0;
    for (int i = 0; i < IMAGES; i++) {
        for (int pixel = 0; pixel < PIXELS; pixel++) {
            electrons += counts[i][pixel];
            squares += counts[i][pixel] * counts[i][pixel];
            if (counts[i][pixel] > brightest) brightest = counts[i][pixel];
        }
    }
    printf("atoms=%d images=%" PRId64 " rows=%" PRId64 " columns=%" PRId64 " probes=%" PRId64 " memory=%" PRIu64
           " electrons=%.12e squares=%.12e brightest=%.12e\n",
           ATOMS, aet_dataset_image_count(series), aet_dataset_rows(series), aet_dataset_columns(series), probes,
           memory, electrons, squares, brightest);
    aet_dataset_free(series);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    /* Three tilts about y whose matrices are exact in decimals, so that all languages have the same ones: p' = R p. */
    static const double rotations[TILTS][3][3] = {{{0.8, 0, -0.6}, {0, 1, 0}, {0.6, 0, 0.8}},
                                                  {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                                  {{0.8, 0, 0.6}, {0, 1, 0}, {-0.6, 0, 0.8}}};
    static const double foci[FOCI] = {-4, 4};
    const int64_t matrices[3] = {TILTS, 3, 3}, numbers[1] = {FOCI};
    const aet_const_view rotation_view = aet_const_view_c(rotations, AET_DTYPE_F64, 3, matrices);
    const aet_const_view focus_view = aet_const_view_c(foci, AET_DTYPE_F64, 1, numbers);

    aet_simulation_options simulation;
    check(aet_simulation_options_init(&simulation, sizeof simulation));
    simulation.pixel_size = 0.12;
    /* Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits. */
    simulation.precision = AET_PRECISION_DOUBLE;
    aet_instrument_options instrument;
    check(aet_instrument_options_init(&instrument, sizeof instrument));
    instrument.dose_per_a2 = 1e5;
    instrument.seed = 2;
    aet_series_options options;
    check(aet_series_options_init(&options, sizeof options));
    options.rotations = &rotation_view;
    options.foci = &focus_view;
    options.simulation = &simulation;
    options.instrument = &instrument;
    options.rows = options.columns = SIDE;
    options.pixel_size = 1;
    options.vacuum = 2;
    options.phonon_configurations = 2;
    options.phonon_seed = 1;

    aet_context *context = NULL;
    check(aet_context_create(NULL, &context));
    aet_atoms *atoms = particle();
    aet_probe *probe = create_probe();
    aet_detector *detector = create_detector();
    uint64_t memory = 0;
    int64_t probes = 0;
    check(aet_simulate_series_estimate_memory(context, atoms, probe, detector, &options, &memory));
    check(aet_simulate_series(context, atoms, probe, detector, &options, argv[1], show_progress, &probes));
    fprintf(stderr, "\n");
    print_results(context, argv[1], probes, memory);
    aet_atoms_free(atoms);
    aet_probe_free(probe);
    aet_detector_free(detector);
    aet_context_free(context);
    return EXIT_SUCCESS;
}
