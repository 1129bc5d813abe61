/* Bad input and awkward hosts, from C: every case gives the right status and a text that names the argument, and
 * nothing is lost.
 *
 *   bad_input DATA_FOLDER SCRATCH_FOLDER
 *
 * DATA_FOLDER is a dataset folder with true atoms whose fit takes a few seconds; SCRATCH_FOLDER exists and is writable.
 * One line per check, then "N passed, N failed"; the exit code tells whether any failed.
 */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "aet.h"
#include "accuracy.h"
#include "check.h"
#include "classification.h"
#include "detectors.h"
#include "ensembles.h"
#include "finding.h"
#include "generated.h"
#include "lattices.h"
#include "orbitals.h"
#include "problem.h"
#include "simulated_series.h"
#include "simulations.h"
#include "specimens.h"
#include "volume_filters.h"
#include "tomography.h"
#include "volumes.h"
#include "instrument.h"

enum { PATH_CAPACITY = 4096, UNKNOWN = 99 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void rest(double seconds)
{
    const struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

/* ---- names, messages, log ---- */

static void *message_address(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)aet_last_error_message();
}

static void check_library(void)
{
    printf("# library\n");
    check("version", aet_version_number() > 0 && strlen(aet_version_string()) > 0 && aet_abi_version() >= 0);
    check("name of a status", strcmp(aet_status_name(AET_ERROR_SHAPE), "AET_ERROR_SHAPE") == 0);
    check("name of no status", aet_status_name(12345) != NULL);
    check("size of a structure", aet_struct_size("aet_view") == sizeof(aet_view) &&
                                     aet_struct_size("aet_lot_options") == sizeof(aet_lot_options) &&
                                     aet_struct_size("aet_block") == sizeof(aet_block));
    check("size of no structure", aet_struct_size("aet_nothing") == 0 && aet_struct_size(NULL) == 0);

    const char *address = aet_last_error_message();
    aet_atoms *atoms = NULL;
    (void)aet_atoms_read(NULL, &atoms);
    check("message stays at its address", address == aet_last_error_message() && address[0] != '\0');
    char copy[4096], cut[8];
    const size_t needed = aet_last_error_copy(copy, sizeof copy);
    check("message copied", needed == strlen(address) + 1 && strcmp(copy, address) == 0);
    memset(cut, 'x', sizeof cut);
    check("message cut to the buffer", aet_last_error_copy(cut, 4) == needed && cut[4] == 'x');
    pthread_t thread;
    void *other = NULL;
    pthread_create(&thread, NULL, message_address, NULL);
    pthread_join(thread, &other);
    check("message of each thread its own", other != (const void *)address);
}

/* ---- NULL ---- */

static void check_null_getters(void)
{
    check("getters of a NULL context", aet_context_threads(NULL) == 0);
    check("getters of a NULL dataset",
          aet_dataset_rows(NULL) == 0 && aet_dataset_columns(NULL) == 0 && aet_dataset_image_count(NULL) == 0 &&
              aet_dataset_tilt_count(NULL) == 0 && aet_dataset_section_count(NULL) == 0 &&
              aet_dataset_version(NULL) == 0 && aet_dataset_metadata_count(NULL) == 0);
    check("getters of NULL atoms", aet_atoms_count(NULL) == 0);
    check("getters of a NULL probe", !(aet_probe_wavelength(NULL) > 0) && !(aet_probe_energy_ev(NULL) > 0));
    check("getters of a NULL reconstruction",
          aet_recon_block_count(NULL) == 0 && aet_recon_parameter_count(NULL) == 0 &&
              aet_recon_history_count(NULL) == 0 && aet_recon_generation(NULL) == 0);
    check("getters of a NULL snapshot",
          aet_snapshot_iteration(NULL) == 0 && aet_snapshot_generation(NULL) == 0 && !(aet_snapshot_loss(NULL) > 0));
    check("name of a parameter past the end", aet_recon_param_name(aet_recon_param_count()) == NULL &&
                                                   aet_recon_param_name(-1) == NULL);
    aet_context_request_cancel(NULL);
    aet_context_free(NULL);
    aet_dataset_free(NULL);
    aet_probe_free(NULL);
    aet_atoms_free(NULL);
    aet_recon_free(NULL);
    aet_snapshot_free(NULL);
    check("freeing NULL", 1);
}

static void check_null(const fit *f)
{
    printf("# NULL\n");
    double number = 0;
    size_t needed = 0;
    aet_dataset *dataset = NULL;
    aet_atoms *atoms = NULL;
    aet_recon *recon = NULL;
    aet_snapshot *snapshot = NULL;
    const aet_view out = aet_view_c(&number, AET_DTYPE_F64, 0, NULL);
    check_null_getters();
    expect("options", aet_context_options_init(NULL, sizeof(aet_context_options)), AET_ERROR_NULL, "options");
    expect("context out", aet_context_create(NULL, NULL), AET_ERROR_NULL, "context");
    expect("context", aet_dataset_create(NULL, NULL, NULL, NULL, &dataset), AET_ERROR_NULL, "context");
    expect("dataset out", aet_dataset_create(f->context, NULL, NULL, NULL, NULL), AET_ERROR_NULL, "dataset");
    expect("folder", aet_dataset_read(f->context, NULL, NULL, NULL, NULL, &dataset), AET_ERROR_NULL, "folder");
    expect("dataset written", aet_dataset_write(NULL, "x", NULL, NULL), AET_ERROR_NULL, "dataset");
    expect("dataset appended to", aet_dataset_append_tilt(NULL, NULL, NULL, NULL), AET_ERROR_NULL, "dataset");
    expect("images appended", aet_dataset_append_tilt(f->dataset, NULL, NULL, NULL), AET_ERROR_NULL, "images");
    expect("column out", aet_dataset_copy_column(f->dataset, "tilt", NULL), AET_ERROR_NULL, "out");
    expect("column name", aet_dataset_copy_column(f->dataset, NULL, &out), AET_ERROR_NULL, "name");
    expect("metadata key", aet_dataset_set_metadata(f->dataset, NULL, "", ""), AET_ERROR_NULL, "key");
    expect("positions", aet_atoms_create(NULL, NULL, NULL, NULL, &atoms), AET_ERROR_NULL, "positions");
    expect("path", aet_atoms_read(NULL, &atoms), AET_ERROR_NULL, "path");
    expect("truth", aet_atoms_compare(f->atoms, NULL, NULL, NULL, NULL), AET_ERROR_NULL, "truth");
    expect("comparison", aet_atoms_compare(f->atoms, f->atoms, NULL, NULL, NULL), AET_ERROR_NULL, "comparison");
    expect("probe out", aet_probe_create(NULL, NULL), AET_ERROR_NULL, "");
    expect("wave of no probe", aet_probe_wave(NULL, 0.3, 0, 0, 0, &out), AET_ERROR_NULL, "probe");
    expect("start", aet_recon_create_lot(f->context, f->dataset, f->probe, NULL, NULL, &recon), AET_ERROR_NULL,
           "start");
    expect("reconstruction out", aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, NULL, NULL),
           AET_ERROR_NULL, "recon");
    const aet_lot_options rigid = lot_options(AET_LOT_MODEL_RIGID);
    expect("rigid model without a probe",
           aet_recon_create_lot(f->context, f->dataset, NULL, f->atoms, &rigid, &recon), AET_ERROR_NULL, "probe");
    expect("run of nothing", aet_recon_run(NULL, NULL, NULL, NULL), AET_ERROR_NULL, "recon");
    expect("step of nothing", aet_recon_step(NULL, NULL, NULL), AET_ERROR_NULL, "recon");
    expect("loss of nothing", aet_recon_loss_and_gradient(NULL, 0, NULL, NULL, 0, &number, NULL, NULL),
           AET_ERROR_NULL, "recon");
    expect("parameters",
           aet_recon_loss_and_gradient(f->recon, aet_recon_parameter_count(f->recon), NULL, NULL, 0, &number, NULL,
                                       NULL),
           AET_ERROR_NULL, "x");
    expect("record of nothing", aet_recon_record(NULL, NULL, 0, &needed), AET_ERROR_NULL, "recon");
    expect("snapshot of nothing", aet_recon_snapshot(NULL, &snapshot), AET_ERROR_NULL, "recon");
    expect("snapshot out", aet_recon_snapshot(f->recon, NULL), AET_ERROR_NULL, "snapshot");
    check("nothing is written on failure", dataset == NULL && atoms == NULL && recon == NULL && snapshot == NULL);
}

/* ---- options ---- */

static void check_struct_size(void)
{
    printf("# struct_size\n");
    aet_context *context = NULL;
    aet_context_options options;
    require(aet_context_options_init(&options, sizeof options), "context options");
    options.struct_size = 0;
    expect_nothing("zero", aet_context_create(&options, &context), AET_ERROR_STRUCT_SIZE, "struct_size", context);
    options.struct_size = 3;
    expect_nothing("too small", aet_context_create(&options, &context), AET_ERROR_STRUCT_SIZE, "struct_size",
                   context);
    expect("init of nothing", aet_lot_options_init((aet_lot_options *)&options, 0), AET_ERROR_STRUCT_SIZE, "size");

    /* A caller built against a later, longer structure. */
    struct {
        aet_context_options known;
        double later;
    } longer;
    memset(&longer, 0, sizeof longer);
    expect("init of a longer structure", aet_context_options_init(&longer.known, sizeof longer), AET_OK, "");
    longer.known.threads = 1;
    expect("longer, the rest zero", aet_context_create(&longer.known, &context), AET_OK, "");
    aet_context_free(context);
    context = NULL;
    longer.later = 1;
    expect_nothing("longer, the rest set", aet_context_create(&longer.known, &context), AET_ERROR_STRUCT_SIZE,
                   "struct_size", context);

    /* A caller built against an earlier, shorter one. */
    aet_dataset_options shorter;
    memset(&shorter, 0x5a, sizeof shorter);
    const size_t prefix = offsetof(aet_dataset_options, energy_ev);
    expect("init of a shorter structure", aet_dataset_options_init(&shorter, prefix), AET_OK, "");
    const unsigned char *rest_of_it = (const unsigned char *)&shorter + prefix;
    check("only its bytes are written", rest_of_it[0] == 0x5a && shorter.struct_size == prefix);
}

static void expect_lot(const fit *f, const char *what, const aet_lot_options *options, aet_status wanted,
                       const char *mention)
{
    aet_recon *recon = NULL;
    const aet_status status = aet_recon_create_lot(f->context, f->dataset, f->probe, f->atoms, options, &recon);
    expect_nothing(what, status, wanted, mention, recon);
    aet_recon_free(recon);
}

static void check_lot_options(const fit *f)
{
    printf("# options of a reconstruction\n");
    const aet_lot_options good = lot_options(AET_LOT_MODEL_RIGID);
    aet_lot_options bad;
    bad = good, bad.model = UNKNOWN, expect_lot(f, "model 99", &bad, AET_ERROR_UNKNOWN_OPTION, "model");
    bad = good, bad.loss = UNKNOWN, expect_lot(f, "loss 99", &bad, AET_ERROR_UNKNOWN_OPTION, "loss");
    bad = good, bad.loss = AET_LOSS_HUBER, bad.huber_threshold = -1;
    expect_lot(f, "threshold below 0", &bad, AET_ERROR_RANGE, "huber_threshold");
    bad = good, bad.loss = AET_LOSS_MSE, bad.huber_threshold = 1;
    expect_lot(f, "threshold of mse", &bad, AET_ERROR_INCONSISTENT, "huber_threshold");
    bad = good, bad.slicing = UNKNOWN, expect_lot(f, "slicing 99", &bad, AET_ERROR_UNKNOWN_OPTION, "slicing");
    bad = good, bad.mode = UNKNOWN, expect_lot(f, "mode 99", &bad, AET_ERROR_UNKNOWN_OPTION, "mode");
    bad = good, bad.reserved = 1, expect_lot(f, "reserved 1", &bad, AET_ERROR_RANGE, "reserved");
    bad = good, bad.mode = AET_LOT_MODE_TEMPLATES, bad.slicing = AET_SLICING_HARD;
    expect_lot(f, "templates with hard slices", &bad, AET_ERROR_UNSUPPORTED, "hard slices");
    bad = good, bad.precision = UNKNOWN;
    expect_lot(f, "precision 99", &bad, AET_ERROR_UNKNOWN_OPTION, "precision");
    bad = good, bad.height_sharing = UNKNOWN;
    expect_lot(f, "height_sharing 99", &bad, AET_ERROR_UNKNOWN_OPTION, "height_sharing");
    bad = good, bad.width_sharing = -1;
    expect_lot(f, "width_sharing -1", &bad, AET_ERROR_UNKNOWN_OPTION, "width_sharing");
    bad = good, bad.model = AET_LOT_MODEL_ADAPTIVE, bad.probe_side = 8;
    expect_lot(f, "probes of 8 pixels", &bad, AET_ERROR_RANGE, "probe_side");
    bad = good, bad.slice_thickness = -4;
    expect_lot(f, "negative slices", &bad, AET_ERROR_RANGE, "slice_thickness");
    bad = good, bad.width_start = -0.5;
    expect_lot(f, "negative width", &bad, AET_ERROR_RANGE, "width_start");
    bad = good, bad.width_min = 2, bad.width_max = 1;
    expect_lot(f, "width bounds crossed", &bad, AET_ERROR_RANGE, "width_m");
    bad = good, bad.memory_limit = 1;
    expect_lot(f, "one byte of memory", &bad, AET_ERROR_MEMORY, "bytes");
}

static void check_other_options(const fit *f)
{
    printf("# other options and names\n");
    aet_context *context = NULL;
    aet_context_options c;
    require(aet_context_options_init(&c, sizeof c), "context options");
    c.simd = UNKNOWN;
    expect_nothing("simd 99", aet_context_create(&c, &context), AET_ERROR_UNKNOWN_OPTION, "simd", context);
    c.simd = AET_SIMD_AUTOMATIC, c.threads = -1;
    expect_nothing("-1 threads", aet_context_create(&c, &context), AET_ERROR_RANGE, "threads", context);

    aet_probe *probe = NULL;
    aet_probe_options p;
    require(aet_probe_options_init(&p, sizeof p), "probe options");
    p.semiangle_mrad = 25;
    expect_nothing("no energy", aet_probe_create(&p, &probe), AET_ERROR_RANGE, "energy_ev", probe);
    p.energy_ev = 300e3, p.semiangle_mrad = -1;
    expect_nothing("semi-angle -1", aet_probe_create(&p, &probe), AET_ERROR_RANGE, "semiangle_mrad", probe);
    p.semiangle_mrad = 25, p.aperture = UNKNOWN;
    expect_nothing("aperture 99", aet_probe_create(&p, &probe), AET_ERROR_UNKNOWN_OPTION, "aperture", probe);
    p.aperture = AET_APERTURE_SOFT, p.defocus = NAN;
    expect_any("defocus NaN", aet_probe_create(&p, &probe), AET_ERROR_NON_FINITE, AET_ERROR_RANGE, "defocus");

    aet_run_options run = long_run(-1);
    expect("-1 iterations", aet_recon_run(f->recon, &run, NULL, NULL), AET_ERROR_RANGE, "max_iterations");
    run = long_run(1), run.optimizer = UNKNOWN;
    expect("optimizer 99", aet_recon_run(f->recon, &run, NULL, NULL), AET_ERROR_UNKNOWN_OPTION,
           "AET_OPTIMIZER_ADAM = 3");
    run.optimizer = AET_OPTIMIZER_ADAM, run.batch_fraction = 1.5;
    expect("batches of 150 %", aet_recon_run(f->recon, &run, NULL, NULL), AET_ERROR_RANGE, "batch_fraction");
    run.batch_fraction = NAN;
    expect("batches of NaN", aet_recon_run(f->recon, &run, NULL, NULL), AET_ERROR_RANGE, "batch_fraction");
    expect("a step of NaN", aet_recon_set_param(f->recon, "adam.step", NAN), AET_ERROR_RANGE, "adam.step");
    expect("a step factor of 0", aet_recon_set_param(f->recon, "step.positions", 0), AET_ERROR_RANGE,
           "step.positions");
    expect("log level 99", aet_log_set(UNKNOWN, NULL, NULL), AET_ERROR_UNKNOWN_OPTION, "level");

    double values[IMAGES], value;
    char small[2];
    size_t needed = 0;
    aet_atoms *atoms = NULL;
    const aet_view out = aet_view_c(values, AET_DTYPE_F64, 1, SCALARS);
    expect("unknown column", aet_dataset_copy_column(f->dataset, "nothing", &out), AET_ERROR_UNKNOWN_OPTION,
           "nothing");
    expect("unknown column of atoms", aet_atoms_copy_column(f->atoms, "colour", &out), AET_ERROR_UNKNOWN_OPTION,
           "colour");
    expect("unknown column of the history", aet_recon_copy_history(f->recon, "mood", &out),
           AET_ERROR_UNKNOWN_OPTION, "mood");
    expect("unknown block", aet_recon_get_block(f->recon, "bricks", &out), AET_ERROR_UNKNOWN_OPTION, "bricks");
    expect("unknown block frozen", aet_recon_freeze(f->recon, "bricks", 1), AET_ERROR_UNKNOWN_OPTION, "bricks");
    expect("unknown parameter set", aet_recon_set_param(f->recon, "luck", 1), AET_ERROR_UNKNOWN_OPTION, "luck");
    expect("unknown parameter read", aet_recon_get_param(f->recon, "luck", &value), AET_ERROR_UNKNOWN_OPTION,
           "luck");
    expect("not UTF-8", aet_atoms_read("\xff\xfe.xyz", &atoms), AET_ERROR_TEXT, "path");

    expect("metadata", aet_dataset_set_metadata(f->dataset, "operator", "Ren\xc3\xa9", ""), AET_OK, "");
    expect("metadata without a key", aet_dataset_metadata_value(f->dataset, "nobody", NULL, 0, &needed),
           AET_ERROR_UNKNOWN_OPTION, "nobody");
    expect("size of a text", aet_dataset_metadata_value(f->dataset, "operator", NULL, 0, &needed), AET_OK, "");
    check("size of a text in bytes", needed == 6);
    expect("buffer too small",
           aet_dataset_metadata_value(f->dataset, "operator", small, sizeof small, &needed), AET_ERROR_RANGE, "6");
}

/* ---- views ---- */

static void expect_series(const fit *f, const char *what, const series *s, aet_status wanted, aet_status alternative,
                          const char *mention)
{
    aet_dataset *dataset = NULL;
    expect_any(what, series_create(f->context, s, &dataset), wanted, alternative, mention);
    if (dataset != NULL) check("nothing is written on failure", 0);
    aet_dataset_free(dataset);
}

static void check_shapes(const fit *f)
{
    static series s;
    printf("# shapes of inputs\n");
    const int64_t short_stack[2] = {IMAGES, PIXELS}, oblong[3] = {IMAGES, 2, 3}, fewer[1] = {IMAGES - 1};
    const int64_t negative[3] = {-1, ROWS, COLUMNS}, pairs[2] = {IMAGES, 3};
    series_fill(&s), s.images = aet_const_view_c(s.pixels, AET_DTYPE_F64, 2, short_stack);
    expect_series(f, "images with two axes", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "images");
    series_fill(&s), s.images = aet_const_view_c(s.pixels, AET_DTYPE_F64, 3, negative);
    expect_series(f, "-1 images", &s, AET_ERROR_SHAPE, AET_ERROR_RANGE, "images");
    series_fill(&s), s.images.ndim = 9;
    expect_series(f, "images with nine axes", &s, AET_ERROR_SHAPE, AET_ERROR_RANGE, "images");
    series_fill(&s), s.images.dtype = UNKNOWN;
    expect_series(f, "images of dtype 99", &s, AET_ERROR_DTYPE, AET_ERROR_DTYPE, "images");
    series_fill(&s), s.images.dtype = AET_DTYPE_C64;
    expect_series(f, "complex images", &s, AET_ERROR_DTYPE, AET_ERROR_DTYPE, "images");
    series_fill(&s), s.images.device = 1;
    expect_series(f, "images on a device", &s, AET_ERROR_UNSUPPORTED, AET_ERROR_UNSUPPORTED, "device");
    series_fill(&s), s.images.data = NULL;
    expect_series(f, "images without data", &s, AET_ERROR_NULL, AET_ERROR_NULL, "images");
    series_fill(&s), s.rotations = aet_const_view_c(s.matrices, AET_DTYPE_F64, 3, oblong);
    expect_series(f, "rotations of 2 x 3", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "rotations");
    series_fill(&s), s.defocus = aet_const_view_c(s.foci, AET_DTYPE_F64, 1, fewer);
    expect_series(f, "one defocus too few", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "defocus");
    series_fill(&s), s.options.rows = ROWS + 1, s.options.columns = COLUMNS;
    expect_series(f, "other rows than said", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "wanted [n, 25, 20]");
    series_fill(&s);
    const aet_const_view drift = aet_const_view_c(s.matrices, AET_DTYPE_F64, 2, pairs);
    s.frames.drift = &drift;
    expect_series(f, "drift of three components", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "drift");
    series_fill(&s);
    const aet_const_view mask = aet_const_view_c(s.pixels, AET_DTYPE_U8, 1, SCALARS);
    s.frames.mask = &mask;
    expect_series(f, "mask of one axis", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "mask");
    series_fill(&s), s.frames.rotations = NULL;
    expect_series(f, "neither rotations nor angles", &s, AET_ERROR_NULL, AET_ERROR_NULL, "rotations");
    series_fill(&s), s.frames.angles_deg = &s.rotations;
    expect_series(f, "both rotations and angles", &s, AET_ERROR_INCONSISTENT, AET_ERROR_INCONSISTENT, "angles_deg");

    double pixels[PIXELS] = {0};
    const int64_t one[3] = {1, ROWS - 1, COLUMNS};
    aet_frames frames;
    require(aet_frames_init(&frames, sizeof frames), "frames");
    const int64_t matrix[2] = {3, 3};
    const aet_const_view identity = aet_const_view_c(s.matrices, AET_DTYPE_F64, 2, matrix);
    const aet_const_view image = aet_const_view_c(pixels, AET_DTYPE_F64, 3, one);
    frames.rotations = &identity;
    expect("appended image with a row too few", aet_dataset_append_tilt(f->dataset, &image, &frames, NULL),
           AET_ERROR_SHAPE, "images");
    check("nothing appended", aet_dataset_tilt_count(f->dataset) == TILTS);
    expect("tilt that is not there", aet_dataset_exclude_tilt(f->dataset, TILTS, 1), AET_ERROR_RANGE, "tilt");
}

static void check_out_views(const fit *f)
{
    static double buffer[IMAGES * PIXELS];
    printf("# views that are filled\n");
    const int64_t fewer[3] = {IMAGES, ROWS, COLUMNS - 1};
    aet_view out = aet_view_c(buffer, AET_DTYPE_F64, 3, fewer);
    expect("a column too few", aet_dataset_copy_column(f->dataset, "images", &out), AET_ERROR_SHAPE, "out");
    out = aet_view_c(buffer, UNKNOWN, 3, STACK);
    expect("dtype 99", aet_dataset_copy_column(f->dataset, "images", &out), AET_ERROR_DTYPE, "out");
    out = aet_view_c(NULL, AET_DTYPE_F64, 3, STACK);
    expect("no data", aet_dataset_copy_column(f->dataset, "images", &out), AET_ERROR_NULL, "out");
    out = aet_view_c(buffer, AET_DTYPE_F64, 3, STACK), out.strides[0] = 0;
    expect("stride 0", aet_dataset_copy_column(f->dataset, "images", &out), AET_ERROR_OVERLAP, "out");
    out = aet_view_c(buffer, AET_DTYPE_F64, 3, STACK), out.strides[1] = COLUMNS - 1;
    expect("rows that overlap", aet_dataset_copy_column(f->dataset, "images", &out), AET_ERROR_OVERLAP, "out");

    int64_t n;
    double *x = parameters_of(f->recon, &n);
    out = aet_view_c(buffer, AET_DTYPE_F64, 3, STACK), out.strides[0] = 1;
    expect("predicted images that overlap", aet_recon_predict(f->recon, n, x, NULL, 0, &out), AET_ERROR_OVERLAP,
           "out");
    out = aet_view_c(buffer, AET_DTYPE_F64, 3, fewer);
    expect("predicted images of another shape", aet_recon_predict(f->recon, n, x, NULL, 0, &out), AET_ERROR_SHAPE,
           "out");
    free(x);

    const int64_t square[2] = {16, 16};
    out = aet_view_c(buffer, AET_DTYPE_F64, 2, square);
    expect("real view of a wave", aet_probe_wave(f->probe, 0.3, 0, 0, 0, &out), AET_ERROR_DTYPE, "out");
    out = aet_view_c(buffer, AET_DTYPE_C128, 2, square);
    expect("complex view of an intensity", aet_probe_intensity(f->probe, 0.3, 0, &out), AET_ERROR_DTYPE, "out");
}

/* ---- data ---- */

/* Any whole numbers name tilts, which count in rising order of them. */
static void check_tilt_numbers(const fit *f)
{
    static series s;
    double fractions[IMAGES];
    aet_dataset *dataset = NULL;
    series_fill(&s), s.tilt_index[0] = -1;
    expect("negative tilt number", series_create(f->context, &s, &dataset), AET_OK, "");
    check("makes a tilt of its own", aet_dataset_tilt_count(dataset) == TILTS + 1);
    aet_dataset_free(dataset);
    series_fill(&s), s.tilt_index[0] = 1;
    expect_series(f, "one tilt of two rotations", &s, AET_ERROR_INCONSISTENT, AET_ERROR_INCONSISTENT, "tilt");
    series_fill(&s);
    for (int k = 0; k < IMAGES; k++) fractions[k] = 0.5 * k;
    s.tilt = aet_const_view_c(fractions, AET_DTYPE_F64, 1, SCALARS);
    expect_series(f, "half a tilt number", &s, AET_ERROR_RANGE, AET_ERROR_RANGE, "tilt");
}

static void check_values(const fit *f)
{
    static series s;
    printf("# values\n");
    series_fill(&s), s.pixels[7 * PIXELS + 13] = NAN;
    expect_series(f, "NaN pixel", &s, AET_ERROR_NON_FINITE, AET_ERROR_NON_FINITE, "images");
    series_fill(&s), s.pixels[0] = INFINITY;
    expect_series(f, "infinite pixel", &s, AET_ERROR_NON_FINITE, AET_ERROR_NON_FINITE, "images");
    series_fill(&s), s.foci[3] = NAN;
    expect_series(f, "NaN defocus", &s, AET_ERROR_NON_FINITE, AET_ERROR_NON_FINITE, "defocus");
    series_fill(&s), s.matrices[9] = 1.5;
    expect_series(f, "matrix that is no rotation", &s, AET_ERROR_INCONSISTENT, AET_ERROR_INCONSISTENT,
                  "rotation of image 1");
    series_fill(&s), s.matrices[4] = -1;
    expect_series(f, "reflection", &s, AET_ERROR_INCONSISTENT, AET_ERROR_INCONSISTENT, "determinant -1");
    series_fill(&s), s.matrices[0] = NAN;
    expect_series(f, "NaN in a rotation", &s, AET_ERROR_NON_FINITE, AET_ERROR_NON_FINITE, "rotation of image 0");
    series_fill(&s), s.options.pixel_size = 0;
    expect_series(f, "zero pixel size", &s, AET_ERROR_RANGE, AET_ERROR_RANGE, "pixel_size");
    series_fill(&s), s.options.pixel_size = -0.5;
    expect_series(f, "negative pixel size", &s, AET_ERROR_RANGE, AET_ERROR_RANGE, "pixel_size");
    series_fill(&s), s.options.pixel_size = NAN;
    expect_series(f, "NaN pixel size", &s, AET_ERROR_RANGE, AET_ERROR_NON_FINITE, "pixel_size");
    series_fill(&s), s.options.length_unit = UNKNOWN;
    expect_series(f, "length_unit 99", &s, AET_ERROR_UNKNOWN_OPTION, AET_ERROR_UNKNOWN_OPTION, "length_unit");
    check_tilt_numbers(f);
}

typedef struct {
    int warnings, about_radians;
} heard;

static void listen(void *user, int32_t level, const char *message)
{
    heard *h = user;
    if (level != AET_LOG_LEVEL_WARNING) return;
    h->warnings++;
    if (strstr(message, "radian") != NULL) h->about_radians++;
}

static void check_angles(const fit *f)
{
    static series s;
    printf("# angles\n");
    double angles[3 * IMAGES] = {0};
    for (int k = 0; k < IMAGES; k++) angles[3 * k + 1] = (k / FOCI - 2.5) * 0.4;
    const aet_const_view view = aet_const_view_c(angles, AET_DTYPE_F64, 2, TRIPLES);
    series_fill(&s), s.frames.rotations = NULL, s.frames.angles_deg = &view;
    heard h = {0, 0};
    aet_dataset *dataset = NULL;
    require(aet_log_set(AET_LOG_LEVEL_WARNING, listen, &h), "log");
    expect("angles in radians", series_create(f->context, &s, &dataset), AET_OK, "");
    check("a warning says so", h.about_radians == 1);
    aet_dataset_free(dataset);
    for (int k = 0; k < IMAGES; k++) angles[3 * k + 1] *= 57.29577951308232;
    dataset = NULL;
    expect("angles in degrees", series_create(f->context, &s, &dataset), AET_OK, "");
    check("no warning", h.about_radians == 1);
    aet_dataset_free(dataset);
    require(aet_log_set(AET_LOG_LEVEL_OFF, NULL, NULL), "log");

    s.frames.angle_order = UNKNOWN;
    expect_series(f, "angle_order 99", &s, AET_ERROR_UNKNOWN_OPTION, AET_ERROR_UNKNOWN_OPTION, "angle_order");
    s.frames.angle_order = AET_ANGLE_ORDER_ZYX, s.frames.tilt_axis = UNKNOWN;
    expect_series(f, "tilt_axis 99", &s, AET_ERROR_UNKNOWN_OPTION, AET_ERROR_UNKNOWN_OPTION, "tilt_axis");
    const aet_const_view single = aet_const_view_c(angles, AET_DTYPE_F64, 1, SCALARS);
    s.frames.tilt_axis = AET_TILT_AXIS_NONE, s.frames.angles_deg = &single;
    expect_series(f, "one angle per image and no axis", &s, AET_ERROR_SHAPE, AET_ERROR_SHAPE, "tilt_axis");
}

static void check_atoms(const fit *f)
{
    printf("# atoms\n");
    double positions[2][3] = {{0, 0, 0}, {1, NAN, 0}};
    const int64_t none[2] = {0, 3}, planar[2] = {3, 2}, two[2] = {2, 3}, three = 3;
    aet_atoms *atoms = NULL;
    aet_recon *recon = NULL;
    aet_const_view view = aet_const_view_c(positions, AET_DTYPE_F64, 2, planar);
    expect_nothing("positions in a plane", aet_atoms_create(&view, NULL, NULL, NULL, &atoms), AET_ERROR_SHAPE,
                   "positions", atoms);
    view = aet_const_view_c(positions, AET_DTYPE_F64, 2, two);
    expect_nothing("NaN position", aet_atoms_create(&view, NULL, NULL, NULL, &atoms), AET_ERROR_NON_FINITE,
                   "positions", atoms);
    positions[1][1] = 0;
    const aet_const_view heights = aet_const_view_c(positions, AET_DTYPE_F64, 1, &three);
    expect_nothing("three heights of two atoms", aet_atoms_create(&view, NULL, &heights, NULL, &atoms),
                   AET_ERROR_SHAPE, "heights", atoms);

    /* An empty list is refused where it is made, or where it is fitted. */
    view = aet_const_view_c(positions, AET_DTYPE_F64, 2, none);
    aet_status status = aet_atoms_create(&view, NULL, NULL, NULL, &atoms);
    if (status == AET_OK) status = aet_recon_create_lot(f->context, f->dataset, f->probe, atoms, NULL, &recon);
    expect_nothing("no atoms", status, AET_ERROR_EMPTY, "atoms", recon);
    aet_atoms_free(atoms);

    atoms = atoms_at(1000);
    expect_any("atoms outside every image",
               aet_recon_create_lot(f->context, f->dataset, f->probe, atoms, NULL, &recon), AET_ERROR_INCONSISTENT,
               AET_ERROR_RANGE, "outside");
    aet_atoms_free(atoms);

    aet_comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    expect("comparison without a size", aet_atoms_compare(f->atoms, f->atoms, NULL, &comparison, NULL),
           AET_ERROR_STRUCT_SIZE, "struct_size");
}

static void check_empty_dataset(const fit *f)
{
    printf("# a dataset without images\n");
    aet_dataset_options options;
    aet_dataset *dataset = NULL;
    aet_recon *recon = NULL;
    require(aet_dataset_options_init(&options, sizeof options), "dataset options");
    options.pixel_size = PIXEL_SIZE;
    expect_any("without a shape", aet_dataset_create(f->context, &options, NULL, NULL, &dataset), AET_ERROR_RANGE,
               AET_ERROR_SHAPE, "rows");
    options.rows = ROWS, options.columns = COLUMNS;
    expect("with a shape", aet_dataset_create(f->context, &options, NULL, NULL, &dataset), AET_OK, "");
    aet_status status = aet_recon_create_lot(f->context, dataset, f->probe, f->atoms, NULL, &recon);
    if (status == AET_OK) status = aet_recon_run(recon, NULL, NULL, NULL);
    expect("run", status, AET_ERROR_NOT_READY, "images");
    aet_recon_free(recon);
    aet_dataset_free(dataset);
}

/* Nine pixels for 22 numbers: refused before any work, whatever the loss would be. */
static void check_too_few_pixels(const fit *f)
{
    printf("# more parameters than pixels\n");
    static const int64_t stack[3] = {1, 3, 3}, matrix[3] = {1, 3, 3};
    const double pixels[9] = {0, 1, 0, 1, 2, 1, 0, 1, 0}, identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const aet_const_view images = aet_const_view_c(pixels, AET_DTYPE_F64, 3, stack);
    const aet_const_view rotations = aet_const_view_c(identity, AET_DTYPE_F64, 3, matrix);
    aet_dataset_options options;
    aet_frames frames;
    aet_dataset *dataset = NULL;
    aet_recon *recon = NULL;
    require(aet_dataset_options_init(&options, sizeof options), "dataset options");
    require(aet_frames_init(&frames, sizeof frames), "frames");
    options.pixel_size = PIXEL_SIZE;
    frames.rotations = &rotations;
    require(aet_dataset_create(f->context, &options, &images, &frames, &dataset), "dataset");
    const aet_lot_options direct = lot_options(AET_LOT_MODEL_DIRECT);
    require(aet_recon_create_lot(f->context, dataset, NULL, f->atoms, &direct, &recon), "reconstruction");
    expect("run", aet_recon_run(recon, NULL, NULL, NULL), AET_ERROR_INCONSISTENT,
           "22 free parameters, but only 9 used pixels in 1 image(s)");
    expect("step", aet_recon_step(recon, NULL, NULL), AET_ERROR_INCONSISTENT, "22 free parameters");
    aet_recon_free(recon);
    aet_dataset_free(dataset);
}

/* ---- parameters ---- */

static void check_parameters(fit *f)
{
    printf("# parameters\n");
    int64_t n;
    double loss = -1, *x = parameters_of(f->recon, &n);
    expect("one parameter too many", aet_recon_loss_and_gradient(f->recon, n + 1, x, NULL, 0, &loss, NULL, NULL),
           AET_ERROR_STALE_PARAMETERS, "parameters");
    expect("one too few", aet_recon_set_parameters(f->recon, n - 1, x), AET_ERROR_STALE_PARAMETERS, "parameters");
    const double kept = x[0];
    x[0] = NAN;
    expect("NaN parameter", aet_recon_loss_and_gradient(f->recon, n, x, NULL, 0, &loss, NULL, NULL),
           AET_ERROR_NON_FINITE, "x");
    expect("NaN parameter set", aet_recon_set_parameters(f->recon, n, x), AET_ERROR_NON_FINITE, "x");
    x[0] = kept;
    const int64_t beyond = IMAGES, first = 0;
    expect("image that is not there", aet_recon_loss_and_gradient(f->recon, n, x, &beyond, 1, &loss, NULL, NULL),
           AET_ERROR_RANGE, "images");
    expect("images without indices", aet_recon_loss_and_gradient(f->recon, n, x, NULL, 3, &loss, NULL, NULL),
           AET_ERROR_NULL, "images");
    expect("-1 images", aet_recon_loss_and_gradient(f->recon, n, x, &first, -1, &loss, NULL, NULL),
           AET_ERROR_RANGE, "n_images");
    check("no loss is written on failure", loss == -1);
    aet_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    expect("block that is not there",
           aet_recon_parameter_layout(f->recon, aet_recon_block_count(f->recon), &block), AET_ERROR_RANGE, "index");

    const uint64_t generation = aet_recon_generation(f->recon);
    expect("freezing a block", aet_recon_freeze(f->recon, "widths", 1), AET_OK, "");
    check("raises the generation", aet_recon_generation(f->recon) > generation);
    expect("parameters of before", aet_recon_loss_and_gradient(f->recon, n, x, NULL, 0, &loss, NULL, NULL),
           AET_ERROR_STALE_PARAMETERS, "parameters");
    expect("thawing it", aet_recon_freeze(f->recon, "widths", 0), AET_OK, "");
    free(x);
}

/* ---- files ---- */

typedef struct {
    char text[PATH_CAPACITY];
} path;

static path join(const path *folder, const char *name)
{
    path joined;
    if (snprintf(joined.text, sizeof joined.text, "%s/%s", folder->text, name) >= PATH_CAPACITY) exit(EXIT_FAILURE);
    return joined;
}

/* A new folder inside another. */
static path make_folder(const path *parent, const char *name)
{
    const path folder = join(parent, name);
    if (mkdir(folder.text, 0777) != 0) {
        perror(folder.text);
        exit(EXIT_FAILURE);
    }
    return folder;
}

/* The largest file of a folder: its images. */
static path largest_file(const path *folder, off_t *size)
{
    path largest = *folder;
    DIR *directory = opendir(folder->text);
    *size = 0;
    if (directory == NULL) exit(EXIT_FAILURE);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status;
        const path file = join(folder, entry->d_name);
        if (stat(file.text, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= *size) continue;
        *size = status.st_size;
        largest = file;
    }
    closedir(directory);
    return largest;
}

static void cut(const path *file, off_t size)
{
    if (truncate(file->text, size) != 0) perror(file->text);
}

static void check_dataset_files(const fit *f, const path *scratch)
{
    printf("# dataset folders\n");
    aet_dataset *dataset = NULL;
    aet_atoms *atoms = NULL;
    off_t size;
    const path nowhere = join(scratch, "nowhere"), folder = make_folder(scratch, "truncated");
    expect_nothing("folder that is not there",
                   aet_dataset_read(f->context, nowhere.text, NULL, NULL, NULL, &dataset), AET_ERROR_FILE, "nowhere",
                   dataset);
    expect("writing one", aet_dataset_write(f->dataset, folder.text, NULL, NULL), AET_OK, "");
    expect_any("atoms that it does not have",
               aet_dataset_read_atoms(f->context, folder.text, "truth", NULL, &atoms), AET_ERROR_EMPTY,
               AET_ERROR_FILE, "truth");
    expect("atoms of an unknown kind", aet_dataset_read_atoms(f->context, folder.text, "best", NULL, &atoms),
           AET_ERROR_UNKNOWN_OPTION, "best");
    expect("variant that it does not have",
           aet_dataset_read(f->context, folder.text, "no such", NULL, NULL, &dataset), AET_ERROR_UNKNOWN_OPTION,
           "no such");
    const path images = largest_file(&folder, &size), description = join(&folder, "dataset.json");
    cut(&images, size / 2);
    expect_nothing("images cut short", aet_dataset_read(f->context, folder.text, NULL, NULL, NULL, &dataset),
                   AET_ERROR_TRUNCATED, "truncated", dataset);
    unlink(images.text);
    expect_nothing("images gone", aet_dataset_read(f->context, folder.text, NULL, NULL, NULL, &dataset),
                   AET_ERROR_FILE, "truncated", dataset);
    cut(&description, 40);
    expect_any("description cut short", aet_dataset_read(f->context, folder.text, NULL, NULL, NULL, &dataset),
               AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, "dataset.json");
    cut(&description, 0);
    expect_any("description empty", aet_dataset_read(f->context, folder.text, NULL, NULL, NULL, &dataset),
               AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, "dataset.json");
    expect_any("folder read as atoms", aet_atoms_read(folder.text, &atoms), AET_ERROR_FILE, AET_ERROR_FORMAT,
               "truncated");
    check("nothing is written on failure", dataset == NULL && atoms == NULL);
}

static void check_paths(const fit *f, const path *scratch)
{
    printf("# paths with spaces and letters beyond ASCII\n");
    const path folder = make_folder(scratch, "donn\xc3\xa9" "es \xe6\xb8\xac\xe5\xae\x9a d'\xc3\xa9t\xc3\xa9");
    const path atoms_file = join(&folder, "\xc3\xa5tomes 1.xyz"), state = join(&folder, "\xc3\xa9tat 1.aet");
    aet_dataset *dataset = NULL;
    aet_atoms *atoms = NULL;
    aet_recon *recon = NULL;
    const path data = make_folder(&folder, "s\xc3\xa9rie 1");
    expect("dataset written", aet_dataset_write(f->dataset, data.text, NULL, NULL), AET_OK, "");
    expect("dataset read", aet_dataset_read(f->context, data.text, NULL, NULL, NULL, &dataset), AET_OK, "");
    check("the same images", aet_dataset_image_count(dataset) == IMAGES && aet_dataset_rows(dataset) == ROWS &&
                                 aet_dataset_columns(dataset) == COLUMNS &&
                                 aet_dataset_pixel_size(dataset) == PIXEL_SIZE);
    expect("atoms written", aet_atoms_write(f->atoms, atoms_file.text), AET_OK, "");
    expect("atoms read", aet_atoms_read(atoms_file.text, &atoms), AET_OK, "");
    check("the same atoms", aet_atoms_count(atoms) == ATOMS);
    expect("state written", aet_recon_save(f->recon, state.text), AET_OK, "");
    expect("state read", aet_recon_load(f->context, f->dataset, f->probe, state.text, &recon), AET_OK, "");
    check("the same loss to the last bit", loss_of(recon) == loss_of(f->recon));
    const path nowhere = join(scratch, "no such folder");
    const path file = join(&nowhere, "atoms.xyz");
    expect("atoms into no folder", aet_atoms_write(f->atoms, file.text), AET_ERROR_FILE, "no such folder");
    expect("state into no folder", aet_recon_save(f->recon, file.text), AET_ERROR_FILE, "no such folder");
    aet_recon_free(recon);
    aet_atoms_free(atoms);
    aet_dataset_free(dataset);
}

typedef struct {
    unsigned char *bytes;
    size_t size;
} contents;

static contents read_file(const path *file)
{
    contents c = {NULL, 0};
    struct stat status;
    FILE *stream = fopen(file->text, "rb");
    if (stream == NULL || stat(file->text, &status) != 0) exit(EXIT_FAILURE);
    c.size = (size_t)status.st_size;
    c.bytes = malloc(c.size + 1);
    if (c.bytes == NULL || fread(c.bytes, 1, c.size, stream) != c.size) exit(EXIT_FAILURE);
    fclose(stream);
    return c;
}

static aet_status load_bytes(const fit *f, const path *file, const unsigned char *bytes, size_t size)
{
    aet_recon *recon = NULL;
    FILE *stream = fopen(file->text, "wb");
    if (stream == NULL || fwrite(bytes, 1, size, stream) != size) exit(EXIT_FAILURE);
    fclose(stream);
    const aet_status status = aet_recon_load(f->context, f->dataset, f->probe, file->text, &recon);
    if (status >= 100 && recon != NULL) check("nothing is written on failure", 0);
    aet_recon_free(recon);
    return status;
}

static void check_state_files(const fit *f, const path *scratch)
{
    enum { HEAD = 16 };
    printf("# state files\n");
    const path file = join(scratch, "state.aet"), bad = join(scratch, "bad state.aet");
    aet_recon *recon = NULL;
    require(aet_recon_save(f->recon, file.text), "state");
    const contents good = read_file(&file);
    expect("whole", load_bytes(f, &bad, good.bytes, good.size), AET_OK, "");
    expect_any("empty", load_bytes(f, &bad, good.bytes, 0), AET_ERROR_TRUNCATED, AET_ERROR_FORMAT, "bad state");
    expect("cut in the middle", load_bytes(f, &bad, good.bytes, good.size / 2), AET_ERROR_TRUNCATED, "bad state");
    expect("cut by a byte", load_bytes(f, &bad, good.bytes, good.size - 1), AET_ERROR_TRUNCATED, "bad state");

    /* The version stands somewhere in the first bytes. */
    int refused = 0, of_version = 0;
    for (size_t i = 0; i < HEAD && i < good.size; i++) {
        good.bytes[i]++;
        const aet_status status = load_bytes(f, &bad, good.bytes, good.size);
        refused += status >= 400 && status < 500 && strstr(aet_last_error_message(), "bad state") != NULL;
        of_version += status == AET_ERROR_FILE_VERSION;
        good.bytes[i]--;
    }
    check("any byte of the head changed is refused", refused == HEAD);
    check("another version is named as such", of_version > 0);
    good.bytes[good.size / 2] ^= 0x10;
    expect("a bit flipped", load_bytes(f, &bad, good.bytes, good.size), AET_ERROR_FORMAT, "bad state");
    free(good.bytes);

    const path nowhere = join(scratch, "nowhere.aet");
    expect_nothing("not there", aet_recon_load(f->context, f->dataset, f->probe, nowhere.text, &recon),
                   AET_ERROR_FILE, "nowhere", recon);
    expect_nothing("without its probe", aet_recon_load(f->context, f->dataset, NULL, file.text, &recon),
                   AET_ERROR_INCONSISTENT, "probe", recon);
    aet_probe *other = probe_of(200e3, 20);
    expect_nothing("with another probe", aet_recon_load(f->context, f->dataset, other, file.text, &recon),
                   AET_ERROR_INCONSISTENT, "probe", recon);
    aet_probe_free(other);
}

/* ---- runs that are cancelled ---- */

typedef struct {
    int calls, cancel_at;
    double cancelled_at; /* s */
} counter;

static int32_t count_and_cancel(void *user, const aet_progress *progress)
{
    counter *c = user;
    (void)progress;
    if (++c->calls < c->cancel_at) return 0;
    if (c->cancelled_at == 0) c->cancelled_at = now();
    return 1;
}

typedef struct {
    const aet_context *context;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int begun;
    double requested_at; /* s */
} canceller;

static int32_t announce(void *user, const aet_progress *progress)
{
    canceller *c = user;
    (void)progress;
    pthread_mutex_lock(&c->mutex);
    c->begun = 1;
    pthread_cond_signal(&c->condition);
    pthread_mutex_unlock(&c->mutex);
    return 0;
}

static void *cancel_soon(void *user)
{
    canceller *c = user;
    pthread_mutex_lock(&c->mutex);
    while (!c->begun) pthread_cond_wait(&c->condition, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
    rest(0.05);
    c->requested_at = now();
    aet_context_request_cancel(c->context);
    return NULL;
}

/* A folder that is being written when the host ends it leaves nothing behind. */
static void check_cancelled_write(const fit *f, const path *scratch)
{
    counter in_write = {0, 1, 0};
    struct stat status;
    const path folder = join(scratch, "cancelled");
    expect("while writing", aet_dataset_write(f->dataset, folder.text, count_and_cancel, &in_write), AET_CANCELLED,
           "");
    check("within a second, without a folder", now() - in_write.cancelled_at < 1 && stat(folder.text, &status) != 0);
}

/* The direct model of a fit from its atoms. */
static aet_recon *direct_of(const fit *f)
{
    aet_recon *recon = NULL;
    const aet_lot_options lot = lot_options(AET_LOT_MODEL_DIRECT);
    require(aet_recon_create_lot(f->context, f->dataset, NULL, f->atoms, &lot, &recon), "direct reconstruction");
    return recon;
}

/* Every optimiser comes as near to the loss of L-BFGS as stated, relative to the fall from the start. */
static void check_optimizers(const char *data)
{
    static const struct {
        const char *name;
        aet_optimizer optimizer;
        double tolerance;
    } cases[] = {{"gradient descent", AET_OPTIMIZER_GRADIENT_DESCENT, 1e-3},
                 {"adam", AET_OPTIMIZER_ADAM, 2e-2},
                 {"conjugate gradients", AET_OPTIMIZER_CONJUGATE_GRADIENT, 1e-5},
                 {"levenberg-marquardt", AET_OPTIMIZER_LEVENBERG_MARQUARDT, 1e-5}};
    printf("# optimisers\n");
    fit f = fit_read(data);
    aet_recon *reference = direct_of(&f);
    const double start = loss_of(reference);
    aet_run_options options = long_run(200);
    options.loss_tolerance = 1e-12;
    (void)aet_recon_run(reference, &options, NULL, NULL);
    const double lowest = loss_of(reference);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        aet_recon *recon = direct_of(&f);
        options.optimizer = cases[i].optimizer;
        const aet_status outcome = aet_recon_run(recon, &options, NULL, NULL);
        const double excess = (loss_of(recon) - lowest) / (start - lowest);
        printf("  %s: %.1e above L-BFGS\n", cases[i].name, excess);
        check(cases[i].name, (outcome == AET_CONVERGED || outcome == AET_MAX_ITERATIONS) && excess < cases[i].tolerance);
        aet_recon_free(recon);
    }
    aet_recon_free(reference);
    fit_free(&f);
}

static void check_cancel(const char *data, const path *scratch)
{
    printf("# cancelling\n");
    fit f = fit_read(data);
    const double before = loss_of(f.recon);
    const aet_run_options options = long_run(1000000);
    canceller c = {f.context, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_soon, &c);
    expect("from another thread", aet_recon_run(f.recon, &options, announce, &c), AET_CANCELLED, "");
    const double returned = now();
    pthread_join(thread, NULL);
    check("within a second", returned - c.requested_at < 1);
    const double after = loss_of(f.recon);
    check("the best state is kept", isfinite(after) && after <= before);

    counter in_run = {0, 4, 0};
    expect("by the progress function", aet_recon_run(f.recon, &options, count_and_cancel, &in_run), AET_CANCELLED,
           "");
    check("within a second", now() - in_run.cancelled_at < 1);
    check("the best state is kept", loss_of(f.recon) <= after);

    counter in_read = {0, 1, 0};
    aet_dataset *dataset = NULL;
    expect("while reading", aet_dataset_read(f.context, data, NULL, count_and_cancel, &in_read, &dataset),
           AET_CANCELLED, "");
    check("within a second, without a dataset", now() - in_read.cancelled_at < 1 && dataset == NULL);
    check_cancelled_write(&f, scratch);
    counter in_step = {0, 1, 0};
    expect("in a step", aet_recon_step(f.recon, count_and_cancel, &in_step), AET_CANCELLED, "");
    check("within a second", now() - in_step.cancelled_at < 1);

    aet_context_request_cancel(f.context);
    const aet_run_options one = long_run(1);
    const aet_status outcome = aet_recon_run(f.recon, &one, NULL, NULL);
    check("a request with nothing under way is forgotten", outcome == AET_MAX_ITERATIONS || outcome == AET_CONVERGED);
    fit_free(&f);
}

/* ---- callbacks that call ---- */

typedef struct {
    fit *f;
    int done;
} reentry;

static int32_t call_back_in(void *user, const aet_progress *progress)
{
    reentry *r = user;
    (void)progress;
    if (r->done++) return 0;
    aet_recon *recon = r->f->recon;
    int64_t n;
    double *x = parameters_of(recon, &n), loss = NAN;
    aet_snapshot *snapshot = NULL;
    expect("run", aet_recon_run(recon, NULL, NULL, NULL), AET_ERROR_BUSY, "run");
    expect("step", aet_recon_step(recon, NULL, NULL), AET_ERROR_BUSY, "");
    expect("set parameters", aet_recon_set_parameters(recon, n, x), AET_ERROR_BUSY, "");
    expect("freeze", aet_recon_freeze(recon, "heights", 1), AET_ERROR_BUSY, "");
    expect("loss and gradient", aet_recon_loss_and_gradient(recon, n, x, NULL, 0, &loss, NULL, NULL), AET_OK, "");
    check("a finite loss", isfinite(loss));
    expect("snapshot", aet_recon_snapshot(recon, &snapshot), AET_OK, "");
    aet_snapshot_free(snapshot);
    free(x);
    /* Inputs are no longer needed. */
    aet_dataset_free(r->f->dataset);
    aet_probe_free(r->f->probe);
    aet_atoms_free(r->f->atoms);
    r->f->dataset = NULL;
    r->f->probe = NULL;
    r->f->atoms = NULL;
    return 0;
}

static void check_reentry(void)
{
    printf("# calls from a progress function\n");
    fit f = fit_create(2);
    reentry r = {&f, 0};
    const aet_run_options options = long_run(5);
    const aet_status outcome = aet_recon_run(f.recon, &options, call_back_in, &r);
    check("the run goes on", outcome == AET_MAX_ITERATIONS || outcome == AET_CONVERGED);
    check("the function was called", r.done > 0);
    check("a step afterwards", aet_recon_step(f.recon, NULL, NULL) < 100);
    fit_free(&f);
}

/* ---- a second thread during a run ---- */

typedef struct {
    fit *f;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int iterating, appended, over;
    int snapshots, snapshot_failures;
    aet_status append_status, exclude_status, replace_status;
    uint64_t version;
} companion;

/* Lets the run begin, then holds it until the second thread has changed the dataset. */
static int32_t wait_for_companion(void *user, const aet_progress *progress)
{
    companion *c = user;
    if (progress->phase != AET_PHASE_OPTIMIZING || progress->iteration < 1) return 0;
    pthread_mutex_lock(&c->mutex);
    c->iterating = 1;
    pthread_cond_broadcast(&c->condition);
    while (!c->appended) pthread_cond_wait(&c->condition, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
    return 0;
}

static void change_dataset(companion *c)
{
    static series s;
    series_fill(&s);
    const int64_t stack[3] = {FOCI, ROWS, COLUMNS}, matrices[3] = {FOCI, 3, 3}, scalars = FOCI;
    const aet_const_view images = aet_const_view_c(s.pixels + 4 * PIXELS, AET_DTYPE_F64, 3, stack);
    const aet_const_view rotations = aet_const_view_c(s.matrices + 4 * 9, AET_DTYPE_F64, 3, matrices);
    const aet_const_view defocus = aet_const_view_c(s.foci + 4, AET_DTYPE_F64, 1, &scalars);
    aet_frames frames;
    require(aet_frames_init(&frames, sizeof frames), "frames");
    frames.rotations = &rotations;
    frames.defocus = &defocus;
    int64_t tilt = -1;
    c->append_status = aet_dataset_append_tilt(c->f->dataset, &images, &frames, &tilt);
    c->replace_status = aet_dataset_replace_tilt(c->f->dataset, 2, &images, &frames);
    c->exclude_status = aet_dataset_exclude_tilt(c->f->dataset, 0, 1);
    c->version = aet_dataset_version(c->f->dataset);
}

static void take_snapshot(companion *c)
{
    aet_snapshot *snapshot = NULL;
    aet_atoms *atoms = NULL;
    const int works = aet_recon_snapshot(c->f->recon, &snapshot) == AET_OK &&
                      aet_snapshot_get_atoms(snapshot, &atoms) == AET_OK && aet_atoms_count(atoms) == ATOMS &&
                      aet_snapshot_iteration(snapshot) >= 0 && isfinite(aet_snapshot_loss(snapshot));
    c->snapshots++;
    c->snapshot_failures += !works;
    aet_atoms_free(atoms);
    aet_snapshot_free(snapshot);
}

static void *accompany(void *user)
{
    companion *c = user;
    pthread_mutex_lock(&c->mutex);
    while (!c->iterating && !c->over) pthread_cond_wait(&c->condition, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
    take_snapshot(c);
    change_dataset(c);
    pthread_mutex_lock(&c->mutex);
    c->appended = 1;
    pthread_cond_broadcast(&c->condition);
    int over = c->over;
    pthread_mutex_unlock(&c->mutex);
    while (!over) {
        take_snapshot(c);
        pthread_mutex_lock(&c->mutex);
        over = c->over;
        pthread_mutex_unlock(&c->mutex);
    }
    return NULL;
}

static void check_second_thread(void)
{
    printf("# a second thread during a run\n");
    fit f = fit_create(2);
    companion c;
    memset(&c, 0, sizeof c);
    c.f = &f;
    pthread_mutex_init(&c.mutex, NULL);
    pthread_cond_init(&c.condition, NULL);
    const uint64_t version = aet_dataset_version(f.dataset);
    const aet_run_options options = long_run(40);
    pthread_t thread;
    pthread_create(&thread, NULL, accompany, &c);
    const aet_status outcome = aet_recon_run(f.recon, &options, wait_for_companion, &c);
    pthread_mutex_lock(&c.mutex);
    c.over = 1;
    pthread_cond_broadcast(&c.condition);
    pthread_mutex_unlock(&c.mutex);
    pthread_join(thread, NULL);

    check("the run ends by itself", outcome == AET_MAX_ITERATIONS || outcome == AET_CONVERGED);
    check("append, replace, exclude", c.append_status == AET_OK && c.replace_status == AET_OK &&
                                          c.exclude_status == AET_OK);
    check("snapshots", c.snapshots > 1 && c.snapshot_failures == 0);
    check("three new versions", c.version == version + 3 && aet_dataset_tilt_count(f.dataset) == TILTS + 1);
    const int64_t count = aet_recon_history_count(f.recon);
    double *versions = calloc((size_t)count + 1, sizeof *versions);
    const aet_view out = aet_view_c(versions, AET_DTYPE_F64, 1, &count);
    require(aet_recon_copy_history(f.recon, "dataset_version", &out), "history");
    check("the history tells when they were taken up",
          count > 1 && versions[0] == (double)version && versions[count - 1] == (double)c.version);
    free(versions);
    pthread_cond_destroy(&c.condition);
    pthread_mutex_destroy(&c.mutex);
    fit_free(&f);
}

/* ---- floating-point state ---- */

typedef struct {
    double loss, *gradient;
} evaluation;

static evaluation evaluate(const aet_recon *recon)
{
    int64_t n;
    double *x = parameters_of(recon, &n);
    evaluation e = {NAN, calloc((size_t)n, sizeof(double))};
    require(aet_recon_loss_and_gradient(recon, n, x, NULL, 0, &e.loss, e.gradient, NULL), "evaluation");
    free(x);
    return e;
}

static void check_same_bits(const char *what, const evaluation *expected, const aet_recon *recon)
{
    evaluation e = evaluate(recon);
    const size_t bytes = (size_t)aet_recon_parameter_count(recon) * sizeof(double);
    check(what, memcmp(&e.loss, &expected->loss, sizeof e.loss) == 0 &&
                    memcmp(e.gradient, expected->gradient, bytes) == 0);
    free(e.gradient);
}

/* A term of the loss that pulls heights to 1, or fails. */
static int32_t pull_heights(void *user, const aet_const_view *values, double *loss, const aet_view *gradient)
{
    const double *h = values->data;
    *loss = 0;
    for (int i = 0; i < ATOMS; i++) {
        *loss += 0.5 * (h[i] - 1) * (h[i] - 1);
        if (gradient != NULL) ((double *)gradient->data)[i] = h[i] - 1;
    }
    if (*(const int *)user == 2) *loss = NAN;
    return *(const int *)user == 1;
}

static int32_t into_plane(void *user, const aet_view *x)
{
    for (int i = 0; i < ATOMS; i++) ((double *)x->data)[3 * i + 2] = 0.25;
    return *(const int *)user;
}

static void check_second_order(fit *f)
{
    printf("# second order, terms\n");
    const int64_t shape[3] = {1, ROWS, COLUMNS}, first = 0, beyond = IMAGES;
    static double change[PIXELS];
    const aet_view out = aet_view_c(change, AET_DTYPE_F64, 3, shape), flat = aet_view_c(change, AET_DTYPE_F64, 1, shape);
    int64_t n, *map;
    double *x = parameters_of(f->recon, &n), *d = parameters_of(f->recon, &n), *product = parameters_of(f->recon, &n);
    for (int64_t i = 0; i < n; i++) d[i] = 0.01;
    map = calloc((size_t)n, sizeof *map);
    if (map == NULL) exit(EXIT_FAILURE);
    expect("change of an image", aet_recon_push_forward(f->recon, n, x, &first, 1, d, &out), AET_OK, "");
    expect("no direction", aet_recon_push_forward(f->recon, n, x, &first, 1, NULL, &out), AET_ERROR_NULL, "direction");
    expect("flat output", aet_recon_push_forward(f->recon, n, x, &first, 1, d, &flat), AET_ERROR_SHAPE, "out");
    expect("image beyond", aet_recon_push_forward(f->recon, n, x, &beyond, 1, d, &out), AET_ERROR_RANGE, "images");
    expect("one value too many", aet_recon_push_forward(f->recon, n + 1, x, &first, 1, d, &out),
           AET_ERROR_STALE_PARAMETERS, "parameter");
    expect("product", aet_recon_gauss_newton_product(f->recon, n, x, &first, 1, d, product), AET_OK, "");
    double squares = 0, through = 0;
    for (int i = 0; i < PIXELS; i++) squares += change[i] * change[i] / PIXELS;
    for (int64_t i = 0; i < n; i++) through += d[i] * product[i];
    check("the product is J^T J", fabs(through - squares) < 1e-12 * squares);
    d[3] = NAN;
    expect("NaN in the direction", aet_recon_gauss_newton_product(f->recon, n, x, NULL, 0, d, product),
           AET_ERROR_NON_FINITE, "direction");
    expect("diagonal", aet_recon_gauss_newton_diagonal(f->recon, n, x, NULL, 0, 2, product), AET_OK, "");
    expect("negative probes", aet_recon_gauss_newton_diagonal(f->recon, n, x, NULL, 0, -2, product), AET_ERROR_RANGE,
           "probes");
    expect("generation to come", aet_recon_index_map(f->recon, 99, n, map), AET_ERROR_RANGE, "generation");
    expect("map of this one", aet_recon_index_map(f->recon, aet_recon_generation(f->recon), n, map), AET_OK, "");
    check("it is 0, 1, 2, ...", map[0] == 0 && map[n - 1] == n - 1);

    int answer = 0;
    const double before = loss_of(f->recon);
    expect("term without a function", aet_recon_add_term(f->recon, "heights", 1, NULL, &answer), AET_ERROR_NULL, "fn");
    expect("term on no block", aet_recon_add_term(f->recon, "colours", 1, pull_heights, &answer),
           AET_ERROR_UNKNOWN_OPTION, "colours");
    expect("weight NaN", aet_recon_add_term(f->recon, "heights", NAN, pull_heights, &answer), AET_ERROR_RANGE, "weight");
    expect("term", aet_recon_add_term(f->recon, "heights", 1, pull_heights, &answer), AET_OK, "");
    expect("projection", aet_recon_set_projection(f->recon, into_plane, &answer), AET_OK, "");
    const double with_term = loss_of(f->recon);
    check("a term adds to the loss", with_term > before);
    for (answer = 1; answer <= 2; answer++) {
        expect("term that fails", aet_recon_loss_and_gradient(f->recon, n, x, NULL, 0, d, NULL, NULL),
               AET_ERROR_CALLBACK, "heights");
        expect("a run with it", aet_recon_run(f->recon, NULL, NULL, NULL), AET_ERROR_CALLBACK, "heights");
    }
    answer = 0;
    check("nothing is lost", loss_of(f->recon) == with_term);
    expect("step with term and projection", aet_recon_step(f->recon, NULL, NULL), AET_OK, "");
    require(aet_recon_get_parameters(f->recon, n, d), "parameters");
    check("the projection acts", d[2] == 0.25 && d[14] == 0.25);
    expect("terms cleared", aet_recon_clear_terms(f->recon), AET_OK, "");
    require(aet_recon_set_parameters(f->recon, n, x), "parameters");
    check("and nothing is left of them", loss_of(f->recon) == before);

    aet_error_options options;
    aet_error_report told;
    aet_atoms *atoms = NULL;
    require(aet_error_options_init(&options, sizeof options), "error options");
    told.struct_size = sizeof told;
    expect("errors", aet_recon_estimate_errors(f->recon, &options, NULL, NULL, &atoms, NULL, &told), AET_OK, "");
    check("they are finite", told.undetermined == 0 && told.predicted_rmsd_pm >= 0);
    aet_atoms_free(atoms);
    atoms = NULL;
    expect_nothing("errors into a flat view of another size",
                   aet_recon_estimate_errors(f->recon, NULL, NULL, NULL, &atoms, &flat, NULL), AET_ERROR_SHAPE,
                   "height_errors", atoms);
    told.struct_size = 0;
    expect_nothing("report without a size", aet_recon_estimate_errors(f->recon, NULL, NULL, NULL, &atoms, NULL, &told),
                   AET_ERROR_STRUCT_SIZE, "aet_error_report", atoms);
    options.noise = 99;
    expect_nothing("noise model 99", aet_recon_estimate_errors(f->recon, &options, NULL, NULL, &atoms, NULL, NULL),
                   AET_ERROR_UNKNOWN_OPTION, "noise", atoms);
    expect("errors of a block of another size",
           aet_recon_block_errors(f->recon, "background", NULL, 0, AET_NOISE_MODEL_AUTOMATIC, NULL, NULL, &flat),
           AET_ERROR_SHAPE, "errors");
    expect("errors of a block with noise model 99",
           aet_recon_block_errors(f->recon, "background", NULL, 0, 99, NULL, NULL, &flat), AET_ERROR_UNKNOWN_OPTION,
           "noise");
    expect("errors of no block", aet_recon_block_errors(f->recon, "colours", NULL, 0, 0, NULL, NULL, &flat),
           AET_ERROR_UNKNOWN_OPTION, "colours");
    expect("errors into nothing", aet_recon_estimate_errors(f->recon, NULL, NULL, NULL, NULL, NULL, NULL),
           AET_ERROR_NULL, "atoms");
    free(map);
    free(product);
    free(d);
    free(x);
}

static void check_float_state(const fit *f)
{
    printf("# floating-point state of the host\n");
    evaluation expected = evaluate(f->recon);
    check_same_bits("evaluated twice", &expected, f->recon);
#ifdef __SSE__
    const unsigned int normal = _mm_getcsr(), flushing = normal | 0x8040;
    _mm_setcsr(flushing);
    check_same_bits("with flush to zero", &expected, f->recon);
    check("flush to zero is left on", (_mm_getcsr() & ~0x3fu) == (flushing & ~0x3fu));
    _mm_setcsr(normal);
#endif
    fesetround(FE_UPWARD);
    evaluation upward = evaluate(f->recon);
    const int rounding = fegetround();
    fesetround(FE_TONEAREST);
    check("rounding upward", memcmp(&upward.loss, &expected.loss, sizeof upward.loss) == 0);
    check("rounding is left upward", rounding == FE_UPWARD);
    free(upward.gradient);
    free(expected.gradient);
}

/* ---- handles freed in every order ---- */

static void free_one(fit *f, int which)
{
    switch (which) {
    case 0: aet_context_free(f->context), f->context = NULL; break;
    case 1: aet_dataset_free(f->dataset), f->dataset = NULL; break;
    case 2: aet_probe_free(f->probe), f->probe = NULL; break;
    case 3: aet_atoms_free(f->atoms), f->atoms = NULL; break;
    default: aet_recon_free(f->recon), f->recon = NULL; break;
    }
}

/* Frees in the given order; as long as the reconstruction lives it must give the same loss. */
static int free_in_order(const int *order, double loss)
{
    fit f = fit_create(1);
    int holds = 1;
    for (int k = 0; k < 5; k++) {
        free_one(&f, order[k]);
        if (f.recon != NULL) holds = holds && loss_of(f.recon) == loss;
    }
    return holds;
}

static int free_permutations(int *order, int first, double loss, int *count)
{
    int holds = 1;
    if (first == 4) {
        ++*count;
        return free_in_order(order, loss);
    }
    for (int k = first; k < 5; k++) {
        const int kept = order[first];
        order[first] = order[k], order[k] = kept;
        holds = free_permutations(order, first + 1, loss, count) && holds;
        order[k] = order[first], order[first] = kept;
    }
    return holds;
}

static void check_free_orders(void)
{
    printf("# freeing\n");
    int order[5] = {0, 1, 2, 3, 4}, count = 0;
    fit f = fit_create(1);
    const double loss = loss_of(f.recon);
    aet_snapshot *snapshot = NULL;
    aet_atoms *atoms = NULL;
    require(aet_recon_snapshot(f.recon, &snapshot), "snapshot");
    fit_free(&f);
    expect("atoms of a snapshot that outlives all", aet_snapshot_get_atoms(snapshot, &atoms), AET_OK, "");
    aet_snapshot_free(snapshot);
    check("atoms that outlive it", aet_atoms_count(atoms) == ATOMS);
    aet_atoms_free(atoms);
    check("every order of five handles", free_permutations(order, 0, loss, &count) && count == 120);
}

/* ---- fork ---- */

static void check_fork(const fit *f)
{
    printf("# fork\n");
    fflush(stdout);
    int64_t n;
    double unused, *x = parameters_of(f->recon, &n);
    const double before = loss_of(f->recon); /* the pool is warm */
    const pid_t child = fork();
    if (child == 0) {
        alarm(10); /* a deadlock ends here */
        const int run = aet_recon_run(f->recon, NULL, NULL, NULL) == AET_ERROR_FORKED;
        const int explained = strstr(aet_last_error_message(), "fork") != NULL;
        const int loss =
            aet_recon_loss_and_gradient(f->recon, n, x, NULL, 0, &unused, NULL, NULL) == AET_ERROR_FORKED;
        _exit(run && explained && loss ? 0 : 1 + !run + 2 * !explained + 4 * !loss);
    }
    int status = -1;
    check("a child starts", child > 0);
    waitpid(child, &status, 0);
    check("no deadlock in the child", WIFEXITED(status));
    check("AET_ERROR_FORKED in the child", WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check("the parent works on", loss_of(f->recon) == before);
    free(x);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA_FOLDER SCRATCH_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    path scratch;
    char name[64];
    snprintf(scratch.text, sizeof scratch.text, "%s", argv[2]);
    snprintf(name, sizeof name, "bad input %ld", (long)getpid());
    scratch = make_folder(&scratch, name);

    fit f = fit_create(2);
    check_library();
    check_null(&f);
    check_struct_size();
    check_lot_options(&f);
    check_orbitals(&f);
    check_detectors(f.context);
    check_simulations(f.context);
    check_ensembles(f.context);
    check_generated();
    check_other_options(&f);
    check_shapes(&f);
    check_out_views(&f);
    check_values(&f);
    check_angles(&f);
    check_atoms(&f);
    check_empty_dataset(&f);
    check_too_few_pixels(&f);
    check_parameters(&f);
    check_dataset_files(&f, &scratch);
    check_paths(&f, &scratch);
    check_state_files(&f, &scratch);
    check_second_order(&f);
    const path volume_file = join(&scratch, "volume.mrc");
    check_volumes(f.context, f.dataset, f.atoms, volume_file.text);
    check_finding(&f);
    check_volume_filters(f.context, f.dataset);
    const path accuracy_file = join(&scratch, "accuracy.csv");
    check_accuracy(f.context, accuracy_file.text);
    check_classification(f.context);
    check_lattices(f.context);
    const path tomography_file = join(&scratch, "tomography.aet");
    check_tomography(&f, tomography_file.text);
    check_instrument(f.context, f.dataset);
    check_simulated_series(f.context, scratch.text);
    const path specimen_file = join(&scratch, "specimen");
    check_specimens(specimen_file.text);
    check_float_state(&f);
    check_fork(&f);
    fit_free(&f);
    check_optimizers(argv[1]);
    check_cancel(argv[1], &scratch);
    check_reentry();
    check_second_thread();
    check_free_orders();
    return report();
}
