/**
 * @file aet.h
 * C interface of libaet, the library for atomic electron tomography. Generated from src/capi: change it there.
 *
 * @mainpage libaet
 *
 * From a tilt series of electron-microscope images to the 3D coordinates and species of every atom. Create a context, a
 * dataset, a probe and atoms to start from; create a reconstruction from them; ask it for loss and gradient or let it
 * run; take the atoms out.
 *
 * **Status.** Functions that can fail return an aet_status: 0 is success, codes below 100 are outcomes that are no
 * faults (cancelled, converged, ...), 100s faults of arguments, 200s states of an object, 300s faults of data, 400s
 * files, 500s memory, 900 a defect of the library. aet_last_error_message tells function, argument, what was got and
 * what was wanted. Results go through trailing pointers and are written on success only. Getters that cannot report a
 * failure return a neutral value (0, NaN where documented, NULL) for a NULL or stale handle.
 *
 * **Ownership.** Whoever creates a handle frees it once with the `_free` function of its type; `_free(NULL)` does
 * nothing. Objects made from others keep what they need of them, so handles may be freed in any order, also while calls
 * on other threads still work on them. A freed handle, or one of another type, gives AET_ERROR_STALE_HANDLE. Everything
 * handed in is copied before the call returns, if its name does not end in `_borrow`; results go into memory of the
 * caller.
 *
 * **Pointers** are NULL, where that is allowed, or point to as much memory as the documentation says. Strings are UTF-8
 * closed by NUL, paths too, on every system.
 *
 * **Threads.** A handle passed as `const` may be used by any number of threads at a time, one passed as non-const by one
 * call at a time (a second one gets AET_ERROR_BUSY); `const` calls may go on meanwhile. Callbacks come only on the
 * thread that made the call, with no lock held, and must return normally. After a fork, calls with a context of the
 * parent process give AET_ERROR_FORKED. Results do not depend on the number of threads.
 *
 * **Units.** Lengths are in angstrom, energies in eV (`_ev`), angles of the beam in mrad (`_mrad`), tilts in degrees
 * (`_deg`), position errors in picometres (`_pm`); projected potentials in V A, phases in rad. Axes are right-handed,
 * the beam travels towards +z'. Images are logically [image, row, column]: columns grow with x', rows with y', and the
 * origin falls on the centre of pixel (rows / 2, columns / 2), whole numbers counted from 0. Indices begin at 0.
 *
 * **Versions.** Structures that may grow begin with `struct_size`; their `_init` function sets it and all defaults.
 * Structures, enumerations and functions only ever gain members at their end. In options, 0 means automatic.
 */
#ifndef AET_H
#define AET_H

#include <stddef.h>
#include <stdint.h>

/** Version of this header: major * 10000 + minor * 100 + patch; aet_version_number() is that of the library. */
#define AET_VERSION_NUMBER 100
/** Version of this header as text; aet_version_string() is that of the library. */
#define AET_VERSION_STRING "0.1.0"
/** Binary interface of this header; the library's aet_abi_version() must be the same. */
#define AET_ABI_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status codes ---- */

/**
 * What every function that can fail returns. Codes below 100 are outcomes, not faults; the others come in blocks:
 * 100 arguments, 200 state of an object, 300 data, 400 files, 500 memory, 900 defects of the library.
 * Numbers are never reused; a later library may return new ones.
 */
enum {
  /** Done. */
  AET_OK = 0,
  /** The host ended the call through its progress callback or aet_context_request_cancel; the best state is kept. */
  AET_CANCELLED = 1,
  /** The optimiser met its tolerance. */
  AET_CONVERGED = 2,
  /** The optimiser made as many iterations as it was allowed. */
  AET_MAX_ITERATIONS = 3,
  /** The optimiser took as long as it was allowed. */
  AET_TIME_LIMIT = 4,
  /** There is nothing left to do or to read. */
  AET_END = 5,
  /** A required pointer is NULL. */
  AET_ERROR_NULL = 100,
  /** An array has the wrong shape. */
  AET_ERROR_SHAPE = 101,
  /** An array has an element type that is not accepted here. */
  AET_ERROR_DTYPE = 102,
  /** A value lies outside its range. */
  AET_ERROR_RANGE = 103,
  /** A name or an enumeration value that does not exist. */
  AET_ERROR_UNKNOWN_OPTION = 104,
  /** A handle that was freed, or that belongs to another type of object. */
  AET_ERROR_STALE_HANDLE = 105,
  /**
   * struct_size cannot belong to this library: the _init function was not called, or the structure is of a newer
   * library and uses members that this one does not know.
   */
  AET_ERROR_STRUCT_SIZE = 106,
  /** The method or model does not offer this operation. */
  AET_ERROR_UNSUPPORTED = 107,
  /** A parameter vector of an earlier generation of the reconstruction. */
  AET_ERROR_STALE_PARAMETERS = 108,
  /** An output view addresses one element twice. */
  AET_ERROR_OVERLAP = 109,
  /** A string is not valid UTF-8 or has no end. */
  AET_ERROR_TEXT = 110,
  /** The object lacks something that the call needs. */
  AET_ERROR_NOT_READY = 200,
  /** Another call that changes the object is at work. */
  AET_ERROR_BUSY = 201,
  /** The process was forked after the context was created. */
  AET_ERROR_FORKED = 202,
  /** An internal error damaged the object earlier; free it. */
  AET_ERROR_POISONED = 203,
  /** A function of the host that the library called back reported a failure or answered nonsense. */
  AET_ERROR_CALLBACK = 204,
  /** NaN or infinity in data. */
  AET_ERROR_NON_FINITE = 300,
  /** No data where some are needed. */
  AET_ERROR_EMPTY = 301,
  /** Data that contradict each other or physics. */
  AET_ERROR_INCONSISTENT = 302,
  /** The operating system refused a file operation. */
  AET_ERROR_FILE = 400,
  /** A file does not hold what it should. */
  AET_ERROR_FORMAT = 401,
  /** A file of another version of its format. */
  AET_ERROR_FILE_VERSION = 402,
  /** A file that ends too early. */
  AET_ERROR_TRUNCATED = 403,
  /** More memory than is allowed or available. */
  AET_ERROR_MEMORY = 500,
  /** A defect of the library; please report it. */
  AET_ERROR_INTERNAL = 900,
};
typedef int32_t aet_status;

/**
 * Name of a status code, as in this header ("AET_ERROR_SHAPE"): static storage, never NULL.
 * "AET_UNKNOWN" for a code that this library does not know. Any thread.
 */
const char *aet_status_name(int32_t status);

/* ---- Error text ---- */

/**
 * Text of the last failure on the calling thread: function, argument, what was got and what was wanted; empty before
 * the first one. UTF-8, at most 4095 bytes. The address is constant for the thread; the content stays until the next
 * failing call on it, so read it before the next call. Never NULL.
 */
const char *aet_last_error_message(void);

/**
 * Copies the text of aet_last_error_message into `buffer` of `capacity` bytes, cut where it does not fit, always
 * closed by NUL if `capacity` is not 0. `buffer` may be NULL. Returns the bytes needed for the whole text, NUL included.
 */
size_t aet_last_error_copy(char *buffer, size_t capacity);

/* ---- Version ---- */

/**
 * Version of the library that is loaded: major * 10000 + minor * 100 + patch. AET_VERSION_NUMBER is that of the header.
 */
uint32_t aet_version_number(void);

/** Version of the library that is loaded ("0.1.0"): static storage, never NULL. */
const char *aet_version_string(void);

/**
 * Number of the binary interface, which is also the number in the name of the shared library. A program built with
 * another AET_ABI_VERSION cannot use this library. While it is 0, every minor version may change the interface.
 */
int32_t aet_abi_version(void);

/**
 * Size in bytes of a structure of this header by its name ("aet_view"), as the library sees it; 0 if it is unknown.
 * With it, bindings compare their own layout when they load the library.
 */
size_t aet_struct_size(const char *name);

/* ---- Log ---- */

/** How much a log message matters; asking for one level asks for all before it, too. */
enum {
  /** No messages: the state at the start. */
  AET_LOG_LEVEL_OFF = 0,
  /** A defect of the library, or a result that must not be used. */
  AET_LOG_LEVEL_ERROR = 1,
  /** Something that is probably not what the user wants. */
  AET_LOG_LEVEL_WARNING = 2,
  /** What was chosen automatically, and milestones of long calls. */
  AET_LOG_LEVEL_INFO = 3,
  /** Details for developers. */
  AET_LOG_LEVEL_DEBUG = 4,
};
typedef int32_t aet_log_level;

/**
 * Takes one log message: `level` is an aet_log_level, `message` is UTF-8 and valid only during the call.
 * It is called on a thread that is inside a call of the library, and must return normally. It may call the library.
 */
typedef void (*aet_log_fn)(void *user, int32_t level, const char *message);

/**
 * Sets where log messages go, for the whole process; nothing is ever printed. `level` is an aet_log_level; NULL or
 * AET_LOG_LEVEL_OFF switches the log off. Messages are delivered at the end of a call of the library, and during long
 * ones between steps, on the thread that calls. After a change, calls at work on other threads may still deliver one
 * message to the former function. Any thread.
 */
aet_status aet_log_set(int32_t level, aet_log_fn function, void *user);

/* ---- Arrays ---- */

/** Type of the elements of a view. */
enum {
  /** float */
  AET_DTYPE_F32 = 0,
  /** double */
  AET_DTYPE_F64 = 1,
  /** two floats: real and imaginary part */
  AET_DTYPE_C64 = 2,
  /** two doubles: real and imaginary part */
  AET_DTYPE_C128 = 3,
  /** uint8_t */
  AET_DTYPE_U8 = 4,
  /** uint16_t */
  AET_DTYPE_U16 = 5,
  /** uint32_t */
  AET_DTYPE_U32 = 6,
  /** int16_t */
  AET_DTYPE_I16 = 7,
  /** int32_t */
  AET_DTYPE_I32 = 8,
};
typedef int32_t aet_dtype;

/** An array of the host that the library fills. Elements must not overlap. This structure never changes. */
typedef struct aet_view {
  /** Element with all indices 0; may be NULL where the array is empty. */
  void *data;
  /** An aet_dtype. */
  int32_t dtype;
  /** Number of axes, 0 to 8. */
  int32_t ndim;
  /** 0: host memory. Others are reserved and an error today. */
  int32_t device;
  /** Zero. */
  int32_t reserved;
  /** Extent of each axis. */
  int64_t shape[8];
  /** Step along each axis in elements, not bytes; may be negative. */
  int64_t strides[8];
} aet_view;

/** An array of the host that the library reads during the call. This structure never changes. */
typedef struct aet_const_view {
  /** Element with all indices 0; may be NULL where the array is empty. */
  const void *data;
  /** An aet_dtype. */
  int32_t dtype;
  /** Number of axes, 0 to 8. */
  int32_t ndim;
  /** 0: host memory. Others are reserved and an error today. */
  int32_t device;
  /** Zero. */
  int32_t reserved;
  /** Extent of each axis. */
  int64_t shape[8];
  /** Step along each axis in elements, not bytes; may be negative, or 0 to repeat. */
  int64_t strides[8];
} aet_const_view;

/* ---- Progress and cancellation ---- */

/** What a long call is doing. */
enum {
  /** Data are read. */
  AET_PHASE_READING = 0,
  /** Tables and work space are prepared. */
  AET_PHASE_PLANNING = 1,
  /** One loss and gradient is computed. */
  AET_PHASE_EVALUATING = 2,
  /** Iterations of the optimiser. */
  AET_PHASE_OPTIMIZING = 3,
  /** Results are written. */
  AET_PHASE_SAVING = 4,
  /** Waves travel through a specimen. */
  AET_PHASE_SIMULATING = 5,
};
typedef int32_t aet_phase;

/** State of a long call, filled by the library. What is not known yet is NaN. */
typedef struct aet_progress {
  /** Size of the structure in the library. */
  size_t struct_size;
  /** An aet_phase. */
  int32_t phase;
  /** Iterations completed. */
  int32_t iteration;
  /** Iterations allowed; 0 where iterations do not count. */
  int32_t max_iterations;
  /** Zero. */
  int32_t reserved;
  /** Losses and gradients computed so far; a subset of the images counts as its fraction, rounded down in the sum. */
  int64_t evaluations;
  /** Part of the phase that is done, 0 to 1. */
  double fraction;
  /** Present loss. */
  double loss;
  /** Present norm of the scaled gradient. */
  double gradient_norm;
  /** Mean over the images of sum |measured - calculated| / sum |measured|. */
  double r_factor;
  /** Seconds since the call began. */
  double seconds;
  /** Series: tilt at work, counted from 0. */
  int64_t tilt;
  /** Number of tilts; 0 in other calls. */
  int64_t tilts;
  /** Series: configuration of thermal displacements at work, counted from 0. */
  int64_t configuration;
  /** Number of configurations of each tilt. */
  int64_t configurations;
  /** Series: probes finished in all tilts, configurations and foci, those of earlier calls among them. */
  int64_t probe;
  /** Number of probes. */
  int64_t probes;
} aet_progress;

/**
 * Is told the progress of a long call; returning anything but 0 ends that call with AET_CANCELLED and the best state
 * kept. Only ever called on the calling thread, with no lock held, at most about ten times per second and once per
 * step. `progress` is valid only during the call. It may use the library, but not change the object at work
 * (AET_ERROR_BUSY), and must return normally: no longjmp, no exception through the library.
 */
typedef int32_t (*aet_progress_fn)(void *user, const aet_progress *progress);

/* ---- Context ---- */

/** Instruction-set path of the numerical kernels. Results are equal to the last bit for one path. */
enum {
  /** The best that the processor has. */
  AET_SIMD_AUTOMATIC = 0,
  /** No assumption about the processor: the same results everywhere. */
  AET_SIMD_PORTABLE = 1,
  /** x86-64 with AVX2 and FMA. */
  AET_SIMD_AVX2 = 2,
  /** x86-64 with AVX-512 F, BW, DQ and VL. */
  AET_SIMD_AVX512 = 3,
};
typedef int32_t aet_simd;

/**
 * Worker threads and settings shared by the objects made with it. Those keep what they need of it: it may be freed
 * before them. Create a new one after a fork.
 */
typedef struct aet_context aet_context;

/** How a context is made. */
typedef struct aet_context_options {
  /** sizeof(aet_context_options). */
  size_t struct_size;
  /** Worker threads, 1 to 4096; 0: the environment variable AET_NUM_THREADS, else all cores. */
  int32_t threads;
  /** An aet_simd. */
  int32_t simd;
} aet_context_options;

/** Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread. */
aet_status aet_context_options_init(aet_context_options *options, size_t struct_size);

/**
 * Creates a context and starts its worker threads, which sleep while there is no work. `options` may be NULL:
 * defaults. AET_ERROR_RANGE for a number of threads outside 0 to 4096, AET_ERROR_UNKNOWN_OPTION for an unknown
 * aet_simd, AET_ERROR_UNSUPPORTED for one that this processor lacks. Any thread.
 */
aet_status aet_context_create(const aet_context_options *options, aet_context **context);

/** Frees a context; its threads end with the last object that was made with it. NULL is left alone. Any thread. */
void aet_context_free(aet_context *context);

/** Number of worker threads; 0 for NULL. Any thread. */
int32_t aet_context_threads(const aet_context *context);

/** The aet_simd in use, never AET_SIMD_AUTOMATIC; 0 for NULL. Any thread. */
int32_t aet_context_simd(const aet_context *context);

/**
 * Ends the long calls in progress on this context's objects with AET_CANCELLED, within a second; nothing happens if
 * there is none. Any thread, also a signal handler.
 */
void aet_context_request_cancel(const aet_context *context);

/* ---- Tables ---- */

/**
 * An immutable table: named columns of doubles, one value per row, and single named values of the whole, all with units.
 * What is not known is NaN; codes are whole numbers, whose enumeration the making function names.
 */
typedef struct aet_table aet_table;

/** Frees a table. NULL is left alone. Any thread. */
void aet_table_free(aet_table *table);

/** Number of rows; 0 for NULL. Any thread. */
int64_t aet_table_row_count(const aet_table *table);

/** Number of columns; 0 for NULL. Any thread. */
int64_t aet_table_column_count(const aet_table *table);

/**
 * The name of the column `index`, from 0, as UTF-8 into `buffer` of `capacity` bytes. `needed` takes the bytes needed with
 * the closing NUL; `buffer` NULL only asks for them, else `needed` may be NULL. AET_ERROR_RANGE for an index that does not
 * exist or too small a buffer. Any thread.
 */
aet_status aet_table_column_name(const aet_table *table,
                                 int64_t index,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *needed);

/**
 * The unit of the column `index`, empty where it has none (counts, codes, ratios), written as by aet_table_column_name. Any
 * thread.
 */
aet_status aet_table_column_unit(const aet_table *table,
                                 int64_t index,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *needed);

/**
 * Copies the column `name` into `out` `[rows]`, of any real element type that holds its values. AET_ERROR_UNKNOWN_OPTION for
 * a column that does not exist, AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_RANGE for a value that `out` cannot hold. Any
 * thread.
 */
aet_status aet_table_copy_column(const aet_table *table,
                                 const char *name,
                                 const aet_view *out);

/** Number of single values; 0 for NULL. Any thread. */
int64_t aet_table_value_count(const aet_table *table);

/** The name of the single value `index`, from 0, written as by aet_table_column_name. Any thread. */
aet_status aet_table_value_name(const aet_table *table,
                                int64_t index,
                                char *buffer,
                                size_t capacity,
                                size_t *needed);

/** The unit of the single value `index`, empty where it has none, written as by aet_table_column_name. Any thread. */
aet_status aet_table_value_unit(const aet_table *table,
                                int64_t index,
                                char *buffer,
                                size_t capacity,
                                size_t *needed);

/** The single value `name`. AET_ERROR_UNKNOWN_OPTION for one that does not exist. Any thread. */
aet_status aet_table_value(const aet_table *table, const char *name, double *value);

/**
 * Counts the values of the column `column` in `bins` equal bins from the smallest to the largest; the largest falls into the
 * last bin, and values that are not finite into none. `*histogram` has the columns `lower`, `upper` (in the column's unit)
 * and `count`; where `by`, a column, is not NULL, also `count_c` for every value c of it, ascending. `bins` 0: the root of the
 * number of values, within 10 and 200. AET_ERROR_UNKNOWN_OPTION for a column that does not exist, AET_ERROR_EMPTY without a
 * finite value, AET_ERROR_RANGE for more than a million bins, AET_ERROR_INCONSISTENT where `by` has more than 256 different
 * values. Any thread.
 */
aet_status aet_table_histogram(const aet_table *table,
                               const char *column,
                               const char *by,
                               int64_t bins,
                               aet_table **histogram);

/**
 * Writes the table as text: lines `# name [unit] = value` for the single values, a line of column names with units in
 * brackets, then one line per row, columns between commas; numbers read back to the last bit. The file appears when it is
 * complete, an older one of that name is replaced. `path` is UTF-8. AET_ERROR_FILE. Any thread.
 */
aet_status aet_table_write(const aet_table *table, const char *path);

/* ---- Atoms ---- */

/**
 * An immutable list of atoms, never empty: positions and species, per atom what else is known of it, and the cell, if
 * any, that makes a specimen for simulations of it.
 */
typedef struct aet_atoms aet_atoms;

/**
 * Creates a list of n atoms. `positions` `[n,3]`: (x, y, z) in the specimen frame, angstrom. `species` `[n]`: atomic
 * numbers, 1 to 103, or 0 for unknown; NULL: all unknown. `heights` `[n]` of the orbitals (image unit) and `widths`
 * `[n]`, B of exp(-r^2 / B), angstrom^2, above 0; NULL: not known. Element types: any real one that holds the values.
 * AET_ERROR_EMPTY without atoms, AET_ERROR_SHAPE, AET_ERROR_RANGE and AET_ERROR_NON_FINITE with the atom that is
 * wrong. Any thread.
 */
aet_status aet_atoms_create(const aet_const_view *positions,
                            const aet_const_view *species,
                            const aet_const_view *heights,
                            const aet_const_view *widths,
                            aet_atoms **atoms);

/** Frees a list of atoms. NULL is left alone. Any thread. */
void aet_atoms_free(aet_atoms *atoms);

/** Number of atoms; 0 for NULL. Any thread. */
int64_t aet_atoms_count(const aet_atoms *atoms);

/**
 * Copies the column `name` of n atoms into `out`, of any real element type that holds its values; NaN where it is not
 * known. `positions` `[n,3]` or `x`, `y`, `z` `[n]`, angstrom; `species` `[n]`, atomic number, 0 where unknown;
 * `height` `[n]`, image unit; `width` `[n]`, angstrom^2; `occupancy` and `probability` (of the species) `[n]`, 0 to 1;
 * thermal motion `[n]` as `debye_waller_b` (B = 8 pi^2 <u^2>, angstrom^2), `debye_waller_u` (<u^2> along one axis,
 * angstrom^2) or `rms_displacement` (along one axis, angstrom); `standard_error` `[n,3]` of the positions, angstrom.
 * AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_DTYPE for a complex `out`, AET_ERROR_RANGE for
 * a value that it cannot hold. Any thread.
 */
aet_status aet_atoms_copy_column(const aet_atoms *atoms, const char *name, const aet_view *out);

/* ---- Files of atoms ---- */

/**
 * Reads the atoms of a file, and its cell, which must be orthogonal. The ending of its name tells the format:
 *
 * - extended xyz: positions in angstrom; columns `species`, `pos`, `height`, `width`, `occupancy`, `probability`,
 *   `debye_waller_b`, `standard_error`, others are passed over; plain xyz is read, too.
 * - CIF: all atoms of the cell by the symmetry operations that the file lists; occupancies, and B or U, where every
 *   site has them.
 * - POSCAR and CONTCAR of VASP 5.
 * - Data files of LAMMPS, styles atomic, charge, molecular and full: elements by label or mass, in the order of the
 *   atoms' numbers, the corner of the box at 0.
 * - PDB: atoms of the first model as listed, occupancies and B.
 *
 * `path` is UTF-8. AET_ERROR_FILE where it cannot be read, AET_ERROR_FORMAT with the line that is malformed,
 * AET_ERROR_UNKNOWN_OPTION for an ending that is none of these. Any thread.
 */
aet_status aet_atoms_read(const char *path, aet_atoms **atoms);

/**
 * aet_atoms_read for files of any name: `format` is `xyz`, `cif`, `poscar`, `lammps` or `pdb`.
 * AET_ERROR_UNKNOWN_OPTION for another format. Any thread.
 */
aet_status aet_atoms_read_as(const char *path, const char *format, aet_atoms **atoms);

/**
 * Writes the atoms in the format that the ending of the name tells. Extended xyz has all columns and the cell, and
 * reading gives the same numbers to the last bit. CIF (one cell without symmetry), POSCAR (Cartesian, atoms of one
 * element together) and LAMMPS (style atomic) need a cell; PDB rounds positions to 0.001 angstrom. CIF and PDB have
 * occupancies and `debye_waller_b`. The file appears when it is complete, an older one of that name is replaced.
 * `path` is UTF-8. AET_ERROR_FILE; AET_ERROR_NOT_READY without a cell; AET_ERROR_INCONSISTENT for LAMMPS atoms of
 * unknown species; AET_ERROR_RANGE for numbers that do not fit the columns of PDB; AET_ERROR_UNKNOWN_OPTION for
 * another ending. Any thread.
 */
aet_status aet_atoms_write(const aet_atoms *atoms, const char *path);

/**
 * aet_atoms_write for files of any name: `format` is `xyz`, `cif`, `poscar`, `lammps` or `pdb`.
 * AET_ERROR_UNKNOWN_OPTION for another format. Any thread.
 */
aet_status aet_atoms_write_as(const aet_atoms *atoms, const char *path, const char *format);

/* ---- Specimens ---- */

/**
 * The atoms with the column `name` set: `positions` and `standard_error` `[n,3]` or `x`, `y`, `z` `[n]`, angstrom;
 * `species` `[n]`; `height`, `width`, `occupancy`, `probability` `[n]`; thermal motion `[n]` as `debye_waller_b`
 * (B = 8 pi^2 <u^2>, angstrom^2), `debye_waller_u` (<u^2> along one axis, angstrom^2) or `rms_displacement` (along one
 * axis, angstrom): one of the three sets all. Any real element type. AET_ERROR_UNKNOWN_OPTION for another name,
 * AET_ERROR_SHAPE, AET_ERROR_RANGE and AET_ERROR_NON_FINITE with the atom that is wrong. Any thread.
 */
aet_status aet_atoms_with_column(const aet_atoms *atoms,
                                 const char *name,
                                 const aet_const_view *values,
                                 aet_atoms **changed);

/**
 * As aet_atoms_with_column, for a column of one number per atom, from one `value` per element: `species` `[k]` are the
 * atomic numbers of the `values` `[k]`. AET_ERROR_INCONSISTENT where an element of the list has no value. Any thread.
 */
aet_status aet_atoms_with_element_values(const aet_atoms *atoms,
                                         const char *name,
                                         const aet_const_view *species,
                                         const aet_const_view *values,
                                         aet_atoms **changed);

/**
 * The atoms in an orthogonal cell: `cell` `[3]`, its edges along x, y and z, angstrom, with a corner at 0; NULL:
 * without cell. Atoms may lie outside until a simulation wants them inside. AET_ERROR_SHAPE, AET_ERROR_RANGE for an
 * edge that is not positive. Any thread.
 */
aet_status aet_atoms_with_cell(const aet_atoms *atoms, const aet_const_view *cell, aet_atoms **changed);

/**
 * Copies the edges of the cell along x, y and z, angstrom, into `out` `[3]`, of any real element type; NaN where there
 * is no cell. AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_atoms_copy_cell(const aet_atoms *atoms, const aet_view *out);

/**
 * The atoms at R p, `rotation` `[3,3]` = R. Standard errors turn as those of independent coordinates; the cell does
 * not turn: the new list has none. AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_INCONSISTENT for a matrix that is
 * no proper rotation (within 1e-6). Any thread.
 */
aet_status aet_atoms_rotate(const aet_atoms *atoms, const aet_const_view *rotation, aet_atoms **changed);

/** The atoms at p + `shift` `[3]` (angstrom), in the same cell. AET_ERROR_SHAPE, AET_ERROR_NON_FINITE. Any thread. */
aet_status aet_atoms_shift(const aet_atoms *atoms, const aet_const_view *shift, aet_atoms **changed);

/**
 * The atoms shifted into a cell of their own. Exactly one of `extent` `[3]`, the edges of the cell, and `vacuum`
 * `[3]`, the distance of the outermost atoms from its faces, is given; the other is NULL; along x, y and z, angstrom,
 * above 0. `center_atoms` 0: the origin of the specimen frame, about which tilt series turn, goes to the middle of the
 * cell, which is pixel n/2 of an even number n; vacuum counts from the atoms farthest from it, on both sides. 1: the
 * middle between the outermost atoms goes there. AET_ERROR_INCONSISTENT where atoms would lie outside, or for both or
 * none of `extent` and `vacuum`; AET_ERROR_RANGE, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_atoms_place_in_cell(const aet_atoms *atoms,
                                   const aet_const_view *extent,
                                   const aet_const_view *vacuum,
                                   int32_t center_atoms,
                                   aet_atoms **changed);

/**
 * The atoms folded into their cell along x and y, and along z, too, where `periodic_z` is 1: 0 <= p < L.
 * AET_ERROR_NOT_READY without a cell, AET_ERROR_RANGE. Any thread.
 */
aet_status aet_atoms_wrap(const aet_atoms *atoms, int32_t periodic_z, aet_atoms **changed);

/**
 * The atoms with `from` <= p < `to` (angstrom) along `axis`, 0 for x, 1 for y, 2 for z; in place and in the same cell.
 * AET_ERROR_RANGE for another axis and for limits that are no interval, AET_ERROR_EMPTY where no atom is left. Any
 * thread.
 */
aet_status aet_atoms_cut_slab(const aet_atoms *atoms, int32_t axis, double from, double to, aet_atoms **changed);

/**
 * The atoms of the n `indices` (counted from 0), in that order, in the same cell. AET_ERROR_EMPTY without indices,
 * AET_ERROR_RANGE for one that is no atom. Any thread.
 */
aet_status aet_atoms_subset(const aet_atoms *atoms, const int64_t *indices, int64_t n, aet_atoms **changed);

/**
 * `nx` x `ny` x `nz` copies of the cell and its atoms side by side, in one cell that holds them all; copies along x
 * come first. AET_ERROR_NOT_READY without a cell, AET_ERROR_RANGE for a number below 1 or more than 2^31 - 1 atoms.
 * Any thread.
 */
aet_status aet_atoms_repeat(const aet_atoms *atoms, int64_t nx, int64_t ny, int64_t nz, aet_atoms **changed);

/**
 * The atoms of both lists, first those of `atoms`, in the cell that either has. Where one list has no occupancies,
 * they are 1; probabilities and standard errors are NaN. AET_ERROR_INCONSISTENT for two different cells, and where
 * only one list has heights, widths or Debye-Waller factors. Any thread.
 */
aet_status aet_atoms_merge(const aet_atoms *atoms, const aet_atoms *other, aet_atoms **changed);

/**
 * Finds pairs of atoms nearer than `distance` (angstrom): doubled atoms, parts that overlap. In a cell, distances
 * count across its faces along x and y, and along z, too, where `periodic_z` is 1. `count` takes the number of pairs.
 * `pairs` `[count,2]` takes the indices of both atoms (from 0), `distances` `[count]` their distances, angstrom;
 * either may be NULL, as in a first call that asks for the count. AET_ERROR_RANGE for a distance that is not positive
 * or beyond half of a periodic edge, AET_ERROR_SHAPE, AET_ERROR_INCONSISTENT for more than ten million pairs. Any
 * thread.
 */
aet_status aet_atoms_close_pairs(const aet_atoms *atoms,
                                 double distance,
                                 int32_t periodic_z,
                                 const aet_view *pairs,
                                 const aet_view *distances,
                                 int64_t *count);

/* ---- Comparison of atoms ---- */

/** How two lists of atoms are compared. */
typedef struct aet_compare_options {
  /** sizeof(aet_compare_options). */
  size_t struct_size;
  /** Atoms farther apart than this never match, angstrom; 0: 0.9. */
  double cutoff;
  /** 1: also find the common rotation (where tilt angles were refined); 0: do not. */
  int32_t remove_rotation;
  /** Zero. */
  int32_t reserved;
} aet_compare_options;

/**
 * What a comparison of found atoms with the true ones says. Figures in pm are in 1/100 pixel where lengths are in
 * pixels.
 */
typedef struct aet_comparison {
  /** sizeof(aet_comparison), set by the caller. */
  size_t struct_size;
  /** Number of true atoms. */
  int64_t true_count;
  /** Pairs of mutually nearest atoms within the cutoff. */
  int64_t matched;
  /** True atoms without a partner. */
  int64_t missing;
  /** Found atoms without a partner. */
  int64_t extra;
  /** sqrt(mean |found + shift - truth|^2) over the pairs, pm; NaN without pairs. */
  double rmsd_pm;
  /** The same along x, pm. */
  double rmsd_x_pm;
  /** The same along y, pm. */
  double rmsd_y_pm;
  /** The same along z, pm. */
  double rmsd_z_pm;
  /** Fraction of the true atoms whose partner has the same species, 0 to 1. */
  double species_correct;
  /** Common shift (x, y, z) that was added to the found atoms, angstrom. */
  double shift[3];
  /** Angle of the common rotation, degrees; NaN where it was not asked for or there are fewer than three pairs. */
  double rotation_deg;
  /** RMSD with the common rotation removed, too, pm; NaN as `rotation_deg`. */
  double rmsd_rotated_pm;
  /** (missing + extra) / true_count. */
  double tracing_error;
} aet_comparison;

/** Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread. */
aet_status aet_compare_options_init(aet_compare_options *options, size_t struct_size);

/**
 * Compares found atoms with the true ones: mutually nearest atoms within the cutoff match, after their common shift
 * was iterated out. `options` may be NULL: defaults. `comparison->struct_size` must be set. `errors`, where not NULL,
 * takes found + shift - truth of each found atom, `[found,3]`, angstrom, NaN where it has no partner. AET_ERROR_RANGE
 * for a negative cutoff, AET_ERROR_SHAPE for `errors`, AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_atoms_compare(const aet_atoms *found,
                             const aet_atoms *truth,
                             const aet_compare_options *options,
                             aet_comparison *comparison,
                             const aet_view *errors);

/* ---- Accuracy of traced atoms ---- */

/** What became of an atom: the numbers in the column `state` of aet_atoms_accuracy. */
enum {
  /** Found, with its species. */
  AET_ATOM_STATE_CORRECT = 0,
  /** Found, with another species. */
  AET_ATOM_STATE_WRONG_SPECIES = 1,
  /** Found where there is none. */
  AET_ATOM_STATE_EXTRA = 2,
  /** Not found. */
  AET_ATOM_STATE_MISSING = 3,
};
typedef int32_t aet_atom_state;

/** Options of aet_atoms_accuracy. Fill with aet_accuracy_options_init; 0 means automatic. */
typedef struct aet_accuracy_options {
  /** sizeof(aet_accuracy_options). */
  size_t struct_size;
  /** Atoms farther apart than this never match, angstrom; 0: 0.9. */
  double cutoff;
  /**
   * The depth of an atom at p is a . p with this a; 0, 0, 0: z. That of aet_dataset_depth_axis gives the average depth
   * 1 / M sum_j z_j.
   */
  double depth_axis[3];
  /**
   * Radius of the ball that tells the surface of the particle, angstrom; 0: twice the median distance of nearest
   * neighbours among the true atoms. Holes that the ball does not fit into are no surface.
   */
  double probe_radius;
} aet_accuracy_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_accuracy_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_accuracy_options_init(aet_accuracy_options *options, size_t struct_size);

/**
 * Compares found atoms with the true ones as aet_atoms_compare does, atom by atom. `*table` has one row per found atom, in
 * their order, and then one per missing atom, in theirs. Columns:
 *
 * - `x`, `y`, `z`: position, angstrom, in the frame of the found atoms; missing ones are moved by minus the common shift;
 * - `state`: an aet_atom_state;
 * - `found_species`, `true_species`: atomic numbers, NaN where there is none;
 * - `true_index`: index of the true atom, from 0; NaN for extra atoms;
 * - `error_x`, `error_y`, `error_z`, `error`: found + shift - truth and its length, pm; NaN without a pair;
 * - `depth`, angstrom: that of the true atom, or of an extra atom;
 * - `surface_distance`, angstrom: distance of the true atom to the surface of the particle, which goes through its
 *   outermost atoms (alpha shape); of an extra atom its own, negative outside. The cell of the atoms plays no part.
 *
 * Single values: `true_count`, `matched`, `missing`, `extra`, `tracing_error` = (missing + extra) / true_count,
 * `species_correct`, the total classification rate, `rmsd`, `rmsd_x`, `rmsd_y`, `rmsd_z` (pm), `shift_x`, `shift_y`,
 * `shift_z` (angstrom). aet_table_error_profile and aet_table_confusion condense the table. `options` and `progress` may be
 * NULL; the result does not depend on the number of threads.
 *
 * AET_ERROR_RANGE for options without meaning; AET_CANCELLED. Any thread; `progress` is called on it. Tracing error and
 * classification rate as of J. Lee et al., "Multislice Electron Tomography using 4D-STEM", II F.
 */
aet_status aet_atoms_accuracy(const aet_context *context,
                              const aet_atoms *found,
                              const aet_atoms *truth,
                              const aet_accuracy_options *options,
                              aet_progress_fn progress,
                              void *user,
                              aet_table **table);

/**
 * Errors of position and of tracing against any column of a table of aet_atoms_accuracy, such as `depth` (the papers take
 * 4 angstrom) or `surface_distance`, in bins [k width, (k + 1) width) from the smallest to the largest value, empty ones
 * between them included. Columns: `lower`, `upper` (unit of the column); numbers of atoms: `true_count`, `matched`,
 * `missing`, `extra` and `wrong_species`; of the matched ones, in pm, `rmsd`, `rmsd_x`, `rmsd_y`, `rmsd_z`, and of the
 * lengths of their errors `quartile_1`, `median`, `quartile_3`, `largest`, `mean`, `smallest`, `whisker_low` and
 * `whisker_high`, NaN in bins without any, and the number of `outliers` beyond the whiskers, which end at the last errors
 * within 1.5 times the distance of the quartiles from the box (Tukey).
 * AET_ERROR_UNKNOWN_OPTION where the table has not these columns, AET_ERROR_RANGE for a width that is not positive or gives
 * more than a million bins, AET_ERROR_EMPTY where no value of the column is finite. Any thread.
 */
aet_status aet_table_error_profile(const aet_table *table, const char *column, double width, aet_table **profile);

/**
 * Histograms of the lengths of errors within bins [k width, (k + 1) width) of any column of a table of aet_atoms_accuracy,
 * such as `depth`, all over the same `bins` equal bins from the smallest to the largest error; 0: automatic. Columns `lower`,
 * `upper` (pm) and `count`, and for every bin that holds matched atoms `count_l`, where l is its lower edge. Errors as of
 * aet_table_error_profile; AET_ERROR_EMPTY where no atom is matched, AET_ERROR_INCONSISTENT for more than 256 bins of the
 * column, AET_ERROR_RANGE for more than a million `bins`. Any thread. Figure 3D of nLOT (Mao, Cui, Yu).
 */
aet_status aet_table_error_histogram(const aet_table *table,
                                     const char *column,
                                     double width,
                                     int64_t bins,
                                     aet_table **histogram);

/**
 * The confusion matrix of a table of aet_atoms_accuracy: a row per true species in ascending order, then one of extra atoms,
 * whose `true_species` is NaN; a column of numbers of atoms for each found species, called by its symbol (`X`: unknown), and
 * `missing`; `rate` is the part of the row that has its species, NaN for extra atoms. AET_ERROR_UNKNOWN_OPTION where the
 * table has no `true_species` and `found_species`. Any thread.
 */
aet_status aet_table_confusion(const aet_table *table,
                               aet_table **confusion);

/**
 * Straight lines through the errors `rmsd` `[n]` (pm) of models of `atoms` `[n]` atoms, by least squares of equal weights:
 * slope_origin N, and intercept + slope N as figure 5 of nLOT (Mao, Cui, Yu) has it. `*trend` has the columns `atoms`,
 * `rmsd`, `line` and `line_origin` (what the lines have there); values `slope`, `slope_origin` (pm per million atoms),
 * `intercept` (pm), their standard errors from the residuals `slope_error`, `slope_origin_error`, `intercept_error` (NaN for
 * two points), root mean squares of the residuals `residual`, `residual_origin` (pm), the numbers of atoms at which the
 * lines reach `limit` pm, `atoms_at_limit` and `atoms_at_limit_origin` (0 where a line begins above it, infinite where it
 * never gets there), and `limit`. `limit` 0: 10 pm. AET_ERROR_SHAPE for views of different lengths, AET_ERROR_NON_FINITE,
 * AET_ERROR_RANGE for numbers below 0, AET_ERROR_EMPTY for fewer than two models, AET_ERROR_INCONSISTENT where all have the
 * same number of atoms. Any thread.
 */
aet_status aet_rmsd_trend(const aet_const_view *atoms,
                          const aet_const_view *rmsd,
                          double limit,
                          aet_table **trend);

/* ---- What is known of the images of a dataset ---- */

/** Order in which three angles (phi, theta, psi), degrees, make the rotation R of p' = R p. */
enum {
  /** R = transpose(Rz(phi) Ry(theta) Rx(psi)), as the published codes of atomic electron tomography have it. */
  AET_ANGLE_ORDER_ZYX = 0,
  /** R = transpose(Rz(phi) Ry(theta) Rz(psi)), as files of GENFIRE have it. */
  AET_ANGLE_ORDER_ZYZ = 1,
  /** R = Rz(phi) Ry(theta) Rx(psi). */
  AET_ANGLE_ORDER_XYZ = 2,
};
typedef int32_t aet_angle_order;

/**
 * Axis of a single-axis tilt: R = transpose(R_axis(angle)), so that the angle is theta (y) or psi (x) of the order
 * zyx.
 */
enum {
  /** Three angles are given per image. */
  AET_TILT_AXIS_NONE = 0,
  /** The x axis. */
  AET_TILT_AXIS_X = 1,
  /** The y axis. */
  AET_TILT_AXIS_Y = 2,
};
typedef int32_t aet_tilt_axis;

/**
 * What is known of n images beside their pixels. Exactly one of `rotations` and `angles_deg` is required; all other
 * views may be NULL. Element types: any real one that holds the values.
 */
typedef struct aet_frames {
  /** sizeof(aet_frames). */
  size_t struct_size;
  /** `[n,3,3]`, or `[3,3]` for all images: proper rotations (within 1e-6), p' = R p. */
  const aet_const_view *rotations;
  /** `[n,3]`: phi, theta, psi in `angle_order`; or `[n,1]` or `[n]`: one angle about `tilt_axis`. Degrees. */
  const aet_const_view *angles_deg;
  /** An aet_angle_order. */
  int32_t angle_order;
  /** An aet_tilt_axis. */
  int32_t tilt_axis;
  /**
   * `[n]` whole numbers: images of one number make one tilt, and tilts count in rising order of their numbers. NULL:
   * every image its own tilt (aet_dataset_create), all one tilt (aet_dataset_append_tilt, aet_dataset_replace_tilt).
   */
  const aet_const_view *tilt;
  /**
   * `[n]` whole numbers: images of one focus have one number, and sections count in rising order of their numbers.
   * NULL: counted within the tilt; a replaced tilt keeps its own.
   */
  const aet_const_view *section;
  /** `[n]` angstrom: the crossover lies at z' = +defocus. NULL: 0. */
  const aet_const_view *defocus;
  /** `[n,2]` (u along x', v along y'), angstrom: the shift of the image. NULL: 0. */
  const aet_const_view *drift;
  /** `[n,rows,columns]`: non-zero = use the pixel. NULL: all. */
  const aet_const_view *mask;
  /** `[n]` variance of the noise of one pixel, (image unit)^2; NaN where not known. NULL: not known. */
  const aet_const_view *noise_variance;
  /** `[n]` electrons per image unit, 1 where images are counts; NaN where not known. NULL: not known. */
  const aet_const_view *counts_per_unit;
} aet_frames;

/** Sets `struct_size` and all views to NULL. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread. */
aet_status aet_frames_init(aet_frames *frames, size_t struct_size);

/* ---- Generated atoms ---- */

/** Kinds of generated structures. Where there are several elements, `species` has them in the order of the formula. */
enum {
  /** Random dense packing: a ball, or a box with free surfaces. */
  AET_STRUCTURE_AMORPHOUS = 0,
  /** Random dense packing, periodic along x and y: a support film, of carbon unless told otherwise. */
  AET_STRUCTURE_FILM = 1,
  /** One atom per lattice point. */
  AET_STRUCTURE_SIMPLE_CUBIC = 2,
  /** Cu, Au, Pt. */
  AET_STRUCTURE_FACE_CENTRED_CUBIC = 3,
  /** Fe, W. */
  AET_STRUCTURE_BODY_CENTRED_CUBIC = 4,
  /** Co, Ti; c is sqrt(8 / 3) a unless given. */
  AET_STRUCTURE_HEXAGONAL_CLOSE_PACKED = 5,
  /** Si, C. */
  AET_STRUCTURE_DIAMOND = 6,
  /** AB: NaCl, BaO. */
  AET_STRUCTURE_ROCK_SALT = 7,
  /** AB: CsCl, alloys of the type B2. */
  AET_STRUCTURE_CAESIUM_CHLORIDE = 8,
  /** AB: ZnS, GaAs. */
  AET_STRUCTURE_ZINC_BLENDE = 9,
  /** AB in layers along z: FePt of the type L1_0; c is a unless given. */
  AET_STRUCTURE_L10 = 10,
  /** A3B: Cu3Au, alloys of the type L1_2. */
  AET_STRUCTURE_L12 = 11,
  /** AB2X4: MgAl2O4; Co3O4 with A = B. */
  AET_STRUCTURE_SPINEL = 12,
  /** ABX3: SrTiO3. */
  AET_STRUCTURE_PEROVSKITE = 13,
  /** Five face-centred tetrahedra around an axis along z: Ino's and Marks's decahedra. */
  AET_STRUCTURE_DECAHEDRON = 14,
  /** Mackay's icosahedron: twenty face-centred tetrahedra around a point. */
  AET_STRUCTURE_ICOSAHEDRON = 15,
};
typedef int32_t aet_structure;

/** Outer shapes of particles. The width of a shape is the distance of opposite faces, of a ball the diameter. */
enum {
  /** A ball. */
  AET_PARTICLE_SHAPE_BALL = 0,
  /** A box of the edges `extent`; its width is the longest. */
  AET_PARTICLE_SHAPE_BOX = 1,
  /** {111} faces. */
  AET_PARTICLE_SHAPE_OCTAHEDRON = 2,
  /** {100} faces, and {111} faces that meet in the middle of its edges; the width is that of {100}. */
  AET_PARTICLE_SHAPE_CUBOCTAHEDRON = 3,
  /** {100} and {111} faces, all edges equal; the width is that of {100}. */
  AET_PARTICLE_SHAPE_TRUNCATED_OCTAHEDRON = 4,
  /** {110} faces. */
  AET_PARTICLE_SHAPE_RHOMBIC_DODECAHEDRON = 5,
  /** A ball whose radius varies smoothly and at random with the direction, by the rms fraction `roughness`. */
  AET_PARTICLE_SHAPE_IRREGULAR = 6,
};
typedef int32_t aet_particle_shape;

/** Where the support film of a particle lies. */
enum {
  /** There is none. */
  AET_SUPPORT_NONE = 0,
  /** Behind the particle as the beam sees it: larger z. */
  AET_SUPPORT_EXIT = 1,
  /** Before it: smaller z. */
  AET_SUPPORT_ENTRANCE = 2,
};
typedef int32_t aet_support;

/**
 * What aet_atoms_generate makes. Fill with aet_structure_options_init or aet_structure_options_preset; 0 means automatic
 * or none in all members. Lengths in angstrom.
 */
typedef struct aet_structure_options {
  /** sizeof(aet_structure_options). */
  size_t struct_size;
  /** An aet_structure. */
  int32_t structure;
  /** An aet_particle_shape of a crystal; amorphous particles are balls or boxes. */
  int32_t shape;
  /**
   * Edges of a box along x, y and z, also of a film: periods along x and y, and thickness. With a width or a count
   * only their ratios matter; all 0: a cube.
   */
  double extent[3];
  /** Width of the shape. */
  double width;
  /**
   * Atoms in all. A crystal takes the innermost as the shape grows, an icosahedron has magic numbers. Crystals need one
   * of width, count and species_counts, amorphous particles two of width, count and density.
   */
  int64_t count;
  /** Atoms of each element of a crystal. */
  int64_t species_counts[3];
  /** Atomic numbers, 1 to 103, in the order of the formula; film: 6. */
  int32_t species[3];
  /** 1: trims a crystal to complete formula units, so that ions are neutral. */
  int32_t stoichiometric;
  /** Density of amorphous structures, g / cm^3 of the first element; film: 2.0. */
  double density;
  /** No two atoms of an amorphous structure are nearer; film: 1.35. */
  double minimum_distance;
  /** The nearest neighbour of every atom of an amorphous structure is within this distance; 0: however far. */
  double maximum_distance;
  /** Lattice constant a; of twinned particles that of the face-centred crystal. */
  double lattice_a;
  /** Lattice constant c. */
  double lattice_c;
  /** Coordinate u of the anions of a spinel, origin at the centre of inversion; 0: 0.2631 (Co3O4). */
  double anion_parameter;
  /** The point of the cell, in fractions of its edges, at the centre of a crystalline particle. */
  double lattice_origin[3];
  /** Variation of the radius of an irregular shape, rms, up to 0.25 of it; 0: 0.08. */
  double roughness;
  /**
   * Icosahedron: shells around the central atom, first entry. Decahedron: p atoms along the {100} faces across the
   * axis, q along it, re-entrant grooves of depth r.
   */
  int32_t shells[3];
  /** An aet_angle_order. */
  int32_t angle_order;
  /** Rotation of the particle about its centre, degrees. */
  double angles_deg[3];
  /** Where the centre of the particle comes to lie. */
  double center[3];
  /** Gaussian random displacement of every atom, rms per axis. */
  double displacement;
  /** Part of the atoms that are missing, at random, below 1. */
  double vacancies;
  /** Part of the atoms that are replaced, at random, by `substitute`, below 1. */
  double substitution;
  /** Atomic number of the foreign atoms. */
  int32_t substitute;
  /** Atomic number of the core of a core-shell particle; 0: no core. */
  int32_t core_species;
  /** The core is what lies inside the alpha shape of this shrink factor, up to 1 (tightest); 0: 0.9. */
  double core_shrink;
  /** Periods of the support film along x and y. */
  double support_extent[2];
  /** Thickness of the support film, of carbon of 2.0 g / cm^3. */
  double support_thickness;
  /** An aet_support: the film lies 2 angstrom from the outermost atom. */
  int32_t support;
  /** Zero. */
  int32_t reserved;
  /** Seed of everything random. */
  uint64_t seed;
} aet_structure_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_structure_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_structure_options_init(aet_structure_options *options, size_t struct_size);

/**
 * Sets all members to those of a particle of the papers: "m0" (a decahedron of 25,790 platinum atoms), "m1" to "m8"
 * (amorphous silicon, 25,000 to 1,000,000 atoms; with another count a particle of the same density), "cuau" (core and
 * shell) or "bao"; `struct_size` is sizeof(aet_structure_options). AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE,
 * AET_ERROR_UNKNOWN_OPTION. Any thread.
 */
aet_status aet_structure_options_preset(aet_structure_options *options, size_t struct_size, const char *name);

/**
 * Generates atoms, species set, about `center`. The particle is packed, cut or built; its atoms are displaced, core and
 * shell told apart, foreign atoms and vacancies drawn; then it is rotated, moved and put on its support. The same options
 * give the same atoms. Amorphous structures and cores report to `progress`, which may be NULL.
 *
 * AET_ERROR_NULL for `options`; AET_ERROR_NOT_READY where a member is not set that the structure needs;
 * AET_ERROR_INCONSISTENT where the atoms of an amorphous structure would fill more than 55 % of its space (the message
 * has the largest possible number), or where width, count and density are all given; AET_ERROR_RANGE;
 * AET_ERROR_NON_FINITE; AET_ERROR_UNKNOWN_OPTION; AET_ERROR_UNSUPPORTED for an amorphous particle that is neither ball
 * nor box; AET_ERROR_EMPTY for a width that holds no atom; AET_CANCELLED. Any thread; `progress` is called on it.
 */
aet_status aet_atoms_generate(const aet_structure_options *options,
                              aet_progress_fn progress,
                              void *user,
                              aet_atoms **atoms);

/* ---- Dataset ---- */

/** Unit of all lengths of a dataset. */
enum {
  /** Angstrom. */
  AET_LENGTH_UNIT_ANGSTROM = 0,
  /** Pixels, where no pixel size is known. */
  AET_LENGTH_UNIT_PIXEL = 1,
};
typedef int32_t aet_length_unit;

/** An image tilt series. Image, tilt and section indices never change; changes make the next version. */
typedef struct aet_dataset aet_dataset;

/** What is fixed when a dataset is created. */
typedef struct aet_dataset_options {
  /** sizeof(aet_dataset_options). */
  size_t struct_size;
  /** Rows of every image; 0: from the images. */
  int64_t rows;
  /** Columns of every image; 0: from the images. */
  int64_t columns;
  /** Size of a pixel, angstrom; required, but 0 means 1 where lengths are in pixels. */
  double pixel_size;
  /** An aet_length_unit. */
  int32_t length_unit;
  /** Zero. */
  int32_t reserved;
  /** Energy of the beam, eV; 0: not known. */
  double energy_ev;
  /** Convergence semi-angle, mrad; 0: not known. */
  double semiangle_mrad;
} aet_dataset_options;

/**
 * Sets `struct_size` and all defaults, to which the pixel size must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
 * Any thread.
 */
aet_status aet_dataset_options_init(aet_dataset_options *options, size_t struct_size);

/**
 * Creates a dataset from `images` `[n,rows,columns]`, of any real element type (kept in single precision), and
 * `frames`, what is known of them. Both NULL: a dataset without images, to be filled by aet_dataset_append_tilt;
 * `options` must then have rows and columns. AET_ERROR_SHAPE where columns, images and options disagree;
 * AET_ERROR_RANGE for a pixel size, energy, semi-angle, variance or count that is not positive; AET_ERROR_NON_FINITE
 * with image, row and column of a bad pixel that the mask leaves in use; AET_ERROR_INCONSISTENT for matrices that are
 * no rotations, and for images of one tilt whose rotations differ; AET_ERROR_EMPTY for a mask that leaves nothing;
 * AET_ERROR_UNKNOWN_OPTION. Angles that look like radians give a warning in the log. Any thread.
 */
aet_status aet_dataset_create(const aet_context *context,
                              const aet_dataset_options *options,
                              const aet_const_view *images,
                              const aet_frames *frames,
                              aet_dataset **dataset);

/** Frees a dataset; reconstructions that use it keep what they need. NULL is left alone. Any thread. */
void aet_dataset_free(aet_dataset *dataset);

/**
 * Adds the images of one tilt, `[m,rows,columns]`, m >= 1, with `frames` of m images, as a new tilt at the end; all of
 * one rotation (within 1e-6) and, where `frames->tilt` is given, of one number. `tilt`, where not NULL, takes the
 * index of the new tilt. All indices before stay; the version number rises by one. Errors as of aet_dataset_create,
 * and AET_ERROR_EMPTY without images; the dataset then stays as it is. Any thread, also while a reconstruction runs on
 * the dataset.
 */
aet_status aet_dataset_append_tilt(const aet_dataset *dataset,
                                   const aet_const_view *images,
                                   const aet_frames *frames,
                                   int64_t *tilt);

/**
 * Replaces the images of one tilt by as many others, `[m,rows,columns]`, with `frames` of m images as of
 * aet_dataset_append_tilt. Exclusion and, where `frames->section` is NULL, sections stay. The version number rises by
 * one. AET_ERROR_RANGE for a tilt that does not exist, AET_ERROR_SHAPE for another number of images, and the errors of
 * aet_dataset_create; the dataset then stays as it is. Any thread, also while a reconstruction runs on the dataset.
 */
aet_status aet_dataset_replace_tilt(const aet_dataset *dataset,
                                    int64_t tilt,
                                    const aet_const_view *images,
                                    const aet_frames *frames);

/**
 * Excludes the images of one tilt from use (1), or takes them back in (0); they keep their indices. The version number
 * rises by one. AET_ERROR_RANGE for a tilt that does not exist. Any thread, also while a reconstruction runs on the
 * dataset.
 */
aet_status aet_dataset_exclude_tilt(const aet_dataset *dataset, int64_t tilt, int32_t excluded);

/** Number of the present version: 1 after creation, one more after each change; 0 for NULL. Any thread. */
uint64_t aet_dataset_version(const aet_dataset *dataset);

/** Number of images, excluded ones included; 0 for NULL. Any thread. */
int64_t aet_dataset_image_count(const aet_dataset *dataset);

/** Number of tilts, excluded ones included; 0 for NULL. Any thread. */
int64_t aet_dataset_tilt_count(const aet_dataset *dataset);

/** Number of sections (foci); 0 for NULL. Any thread. */
int64_t aet_dataset_section_count(const aet_dataset *dataset);

/** Rows of every image; 0 for NULL. Any thread. */
int64_t aet_dataset_rows(const aet_dataset *dataset);

/** Columns of every image; 0 for NULL. Any thread. */
int64_t aet_dataset_columns(const aet_dataset *dataset);

/** Size of a pixel in the length unit; NaN for NULL. Any thread. */
double aet_dataset_pixel_size(const aet_dataset *dataset);

/** Energy of the beam, eV; NaN where not known, and for NULL. Any thread. */
double aet_dataset_energy_ev(const aet_dataset *dataset);

/** Convergence semi-angle, mrad; NaN where not known, and for NULL. Any thread. */
double aet_dataset_semiangle_mrad(const aet_dataset *dataset);

/** The aet_length_unit; 0 for NULL. Any thread. */
int32_t aet_dataset_length_unit(const aet_dataset *dataset);

/* ---- Datasets in folders ---- */

/**
 * Reads a folder of schema aet-tilt-series/1: `dataset.json` beside NumPy arrays. `folder` is UTF-8; `variant` names
 * one of the image sets of the folder, NULL is its default. Keys that the library does not know become metadata.
 * `progress` may be NULL. AET_ERROR_FILE where a file cannot be read, AET_ERROR_FORMAT, AET_ERROR_FILE_VERSION and
 * AET_ERROR_TRUNCATED for bad ones, AET_ERROR_UNKNOWN_OPTION for an unknown variant, the errors of aet_dataset_create
 * for bad data; AET_CANCELLED. Angles that look like radians give a warning in the log. Any thread; `progress` is
 * called on it.
 */
aet_status aet_dataset_read(const aet_context *context,
                            const char *folder,
                            const char *variant,
                            aet_progress_fn progress,
                            void *user,
                            aet_dataset **dataset);

/**
 * Writes the present version as a folder that aet_dataset_read gives back to the last bit. `folder` is UTF-8, its
 * parent exists. The folder appears when it is complete; an older dataset of that name is replaced if it holds nothing
 * else. `progress` may be NULL. AET_ERROR_FILE where files cannot be written, AET_ERROR_INCONSISTENT for a folder with
 * other files, AET_ERROR_EMPTY without images; AET_CANCELLED, then nothing is left behind. Any thread; `progress` is
 * called on it.
 */
aet_status aet_dataset_write(const aet_dataset *dataset, const char *folder, aet_progress_fn progress, void *user);

/**
 * Reads the atoms that a folder of schema aet-tilt-series/1 names: `which` is "truth", those of a simulation, or
 * "published"; those of `variant` where it has its own, NULL is the default one. AET_ERROR_EMPTY where the folder
 * names none, AET_ERROR_UNKNOWN_OPTION for another `which` or an unknown variant, and the errors of aet_dataset_read
 * and aet_atoms_read. Any thread.
 */
aet_status aet_dataset_read_atoms(const aet_context *context,
                                  const char *folder,
                                  const char *which,
                                  const char *variant,
                                  aet_atoms **atoms);

/**
 * Creates a dataset from the images of a file: an MRC stack (modes 0, 1, 2, 6 and 12), a TIFF file whose pages are
 * images of one channel, or the only array `[image,row,column]` of an npy, MAT (rows x columns x images) or HDF5 file, as
 * for aet_volume_read. Its first bytes tell the format. Rows count from the first stored one. `frames` says what is known of
 * the images, as in aet_dataset_create; so do `options`, whose pixel size may be 0 where the file has one (angstrom).
 * `path` is UTF-8; `progress` may be NULL. AET_ERROR_FILE, AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, AET_ERROR_UNSUPPORTED
 * (complex numbers, colour), AET_ERROR_SHAPE (pages of several sizes), AET_ERROR_EMPTY and AET_ERROR_INCONSISTENT (no
 * stack in the file, or several), AET_ERROR_MEMORY, and the errors of aet_dataset_create; AET_CANCELLED. Any thread; `progress` is called on it.
 */
aet_status aet_dataset_create_from_file(const aet_context *context,
                                        const aet_dataset_options *options,
                                        const char *path,
                                        const aet_frames *frames,
                                        aet_progress_fn progress,
                                        void *user,
                                        aet_dataset **dataset);

/* ---- Columns of a dataset ---- */

/**
 * Copies the column `name` of the n images into `out`, of any real element type that holds its values. `images`
 * `[n,rows,columns]`, 0 where the mask leaves a pixel out; `rotations` `[n,3,3]`, p' = R p; `angles_deg` `[n,3]`, phi,
 * theta, psi of AET_ANGLE_ORDER_ZYX; `tilt` and `section` `[n]`, indices; `defocus` `[n]`, angstrom; `drift` `[n,2]`,
 * (u along x', v along y'), angstrom; `excluded` `[n]`, 0 or 1; `noise_variance` `[n]`, (image unit)^2, and
 * `counts_per_unit` `[n]`, electrons per image unit, NaN where not known; `mask` `[n,rows,columns]`, 1 = use the
 * pixel, all ones where there is none. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_DTYPE for
 * a complex `out`, AET_ERROR_RANGE for a value that it cannot hold. Any thread.
 */
aet_status aet_dataset_copy_column(const aet_dataset *dataset, const char *name, const aet_view *out);

/**
 * Writes the axis a of the average depth into `out` `[3]`: a . p is d = 1 / M sum_j z_j of an atom at p over the M images
 * that are not excluded (nLOT, figure 2), as aet_accuracy_options.depth_axis takes it. It is the mean of the third rows of
 * their rotations. AET_ERROR_EMPTY without images in use, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_dataset_depth_axis(const aet_dataset *dataset, const aet_view *out);

/* ---- Metadata of a dataset ---- */

/**
 * Sets one key of the metadata, which travel through to every output: in its old place where it exists, else at the
 * end. All texts are UTF-8; `unit` may be NULL: none. The version number rises by 1. AET_ERROR_EMPTY for an empty key,
 * AET_ERROR_TEXT. Any thread, also while a reconstruction runs on the dataset.
 */
aet_status aet_dataset_set_metadata(const aet_dataset *dataset, const char *key, const char *value, const char *unit);

/** Number of keys of the metadata; 0 for NULL. Any thread. */
int64_t aet_dataset_metadata_count(const aet_dataset *dataset);

/**
 * The key at `index`, in the order of setting, as UTF-8 into `buffer` of `capacity` bytes. `needed` takes the bytes
 * needed with the closing NUL; `buffer` NULL only asks for them, else `needed` may be NULL. AET_ERROR_RANGE for an
 * index that does not exist or too small a buffer. Any thread.
 */
aet_status aet_dataset_metadata_key(const aet_dataset *dataset,
                                    int64_t index,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *needed);

/**
 * The value of `key`, written as by aet_dataset_metadata_key. AET_ERROR_UNKNOWN_OPTION for a key that does not exist,
 * AET_ERROR_RANGE for too small a buffer. Any thread.
 */
aet_status aet_dataset_metadata_value(const aet_dataset *dataset,
                                      const char *key,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *needed);

/**
 * The unit of `key`, empty where it has none, written as by aet_dataset_metadata_key. AET_ERROR_UNKNOWN_OPTION for a
 * key that does not exist, AET_ERROR_RANGE for too small a buffer. Any thread.
 */
aet_status aet_dataset_metadata_unit(const aet_dataset *dataset,
                                     const char *key,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *needed);

/* ---- Probe ---- */

/** Edge of the round probe-forming aperture. */
enum {
  /** Falls from 1 to 0 over one frequency step of the grid, so that the probe is smooth in the semi-angle. */
  AET_APERTURE_SOFT = 0,
  /** 1 up to and including the semi-angle, 0 beyond. */
  AET_APERTURE_HARD = 1,
};
typedef int32_t aet_aperture;

/** A converged electron probe. Immutable. */
typedef struct aet_probe aet_probe;

/**
 * Description of a probe. Aberrations cnm, phinm enter the phase
 * chi(alpha, phi) = 2 pi / lambda * sum_nm alpha^(n+1) / (n+1) * cnm cos(m (phi - phinm)), used as exp(-i chi), with
 * c10 = -defocus: a positive defocus puts the crossover at +defocus along the beam. All coefficients are in angstrom,
 * all phinm in rad.
 */
typedef struct aet_probe_options {
  /** sizeof(aet_probe_options). */
  size_t struct_size;
  /** Energy of the beam, eV; required. */
  double energy_ev;
  /** Convergence semi-angle, mrad, above 0 to 500; required. */
  double semiangle_mrad;
  /** Height of the crossover along the beam, angstrom. */
  double defocus;
  /** Twofold astigmatism. */
  double c12;
  /** Its azimuth. */
  double phi12;
  /** Axial coma. */
  double c21;
  /** Its azimuth. */
  double phi21;
  /** Threefold astigmatism. */
  double c23;
  /** Its azimuth. */
  double phi23;
  /** Spherical aberration of third order. */
  double c30;
  /** Star aberration of third order. */
  double c32;
  /** Its azimuth. */
  double phi32;
  /** Fourfold astigmatism. */
  double c34;
  /** Its azimuth. */
  double phi34;
  /** Coma of fourth order. */
  double c41;
  /** Its azimuth. */
  double phi41;
  /** Three-lobe aberration. */
  double c43;
  /** Its azimuth. */
  double phi43;
  /** Fivefold astigmatism. */
  double c45;
  /** Its azimuth. */
  double phi45;
  /** Spherical aberration of fifth order. */
  double c50;
  /** Star aberration of fifth order. */
  double c52;
  /** Its azimuth. */
  double phi52;
  /** Rosette aberration. */
  double c54;
  /** Its azimuth. */
  double phi54;
  /** Sixfold astigmatism. */
  double c56;
  /** Its azimuth. */
  double phi56;
  /** Standard deviation of the Gaussian image of the source, angstrom. */
  double source_size;
  /** An aet_aperture. */
  int32_t aperture;
  /** Zero. */
  int32_t reserved;
} aet_probe_options;

/**
 * Sets `struct_size` and all defaults: a perfect lens in focus, to which energy and semi-angle must be added.
 * AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_probe_options_init(aet_probe_options *options, size_t struct_size);

/**
 * Creates a probe. `options` must not be NULL: there is no default energy. AET_ERROR_RANGE for an energy, semi-angle,
 * aberration or source size that is not finite or outside its range, AET_ERROR_UNKNOWN_OPTION for an unknown
 * aet_aperture. Any thread.
 */
aet_status aet_probe_create(const aet_probe_options *options, aet_probe **probe);

/** Frees a probe. NULL is left alone. Any thread. */
void aet_probe_free(aet_probe *probe);

/** Relativistic wavelength, angstrom; NaN for NULL. Any thread. */
double aet_probe_wavelength(const aet_probe *probe);

/** Energy of the beam, eV; NaN for NULL. Any thread. */
double aet_probe_energy_ev(const aet_probe *probe);

/** Convergence semi-angle, mrad; NaN for NULL. Any thread. */
double aet_probe_semiangle_mrad(const aet_probe *probe);

/**
 * Depth of field 2 lambda / alpha^2, angstrom, with the semi-angle alpha in radians (nLOT; Mao, Cui, Yu): the intensity on
 * the axis of a probe without aberrations is half that of the crossover at 0.44 of this distance from it on either side,
 * and 0 at this distance. NaN for NULL. Any thread.
 */
double aet_probe_depth_of_field(const aet_probe *probe);

/** Height of the crossover along the beam, angstrom; NaN for NULL. Any thread. */
double aet_probe_defocus(const aet_probe *probe);

/**
 * Samples the complex wave psi(r) = IFFT[A(k) exp(-i chi(k)) exp(-i pi lambda depth k^2) exp(-2 pi i k . (x, y))] on
 * the periodic grid of `out` `[rows,columns]`, c64 or c128, of square pixels of `pixel_size` (angstrom). `depth`
 * (angstrom) counts along the beam from the reference plane of the defocus; the probe stands at (x, y) (angstrom) from
 * the origin, which is pixel (rows / 2, columns / 2). Coherent: the source size plays no part. The sum over pixels of
 * |psi|^2 is 1 / (rows columns). AET_ERROR_RANGE for a depth, position or pixel size that is not finite or positive,
 * and, with the largest semi-angle and pixel size possible, where the aperture reaches beyond the Nyquist frequency;
 * AET_ERROR_SHAPE, AET_ERROR_DTYPE for `out`. Any thread.
 */
aet_status aet_probe_wave(const aet_probe *probe,
                          double pixel_size,
                          double depth,
                          double x,
                          double y,
                          const aet_view *out);

/**
 * Samples the intensity of the probe, blurred by its source, on the periodic grid of `out` `[rows,columns]`, f32 or
 * f64, of square pixels of `pixel_size` (angstrom), centred on pixel (rows / 2, columns / 2). `depth` (angstrom)
 * counts along the beam from the reference plane of the defocus. It sums to 1; where pixels are too coarse for the
 * probe, single ones may be slightly negative. AET_ERROR_RANGE for a depth or pixel size that is not finite or
 * positive; AET_ERROR_SHAPE, AET_ERROR_DTYPE for `out`. Any thread.
 */
aet_status aet_probe_intensity(const aet_probe *probe, double pixel_size, double depth, const aet_view *out);

/* ---- Detectors ---- */

/**
 * What a detector does with a pattern. Angles are alpha = lambda |k|, azimuths phi = atan2(ky, kx) from 0 to 2 pi; whole
 * pixels count, by their centres.
 */
enum {
  /** Sum over inner <= alpha < outer: one number, shape []. */
  AET_DETECTOR_KIND_ANNULAR = 0,
  /**
   * Sums over rings of equal width, ring floor((alpha - inner) / step): [rings]. The last one ends at the outer angle.
   */
  AET_DETECTOR_KIND_FLEXIBLE_ANNULAR = 1,
  /** Sums over rings of equal width cut in segments, segment floor(n (phi - rotation) / 2 pi): [radial, azimuthal]. */
  AET_DETECTOR_KIND_SEGMENTED = 2,
  /** The pattern, cropped and binned: [row = ky, column = kx] with the zero angle at n / 2. */
  AET_DETECTOR_KIND_PIXELATED = 3,
  /** Centre of mass, sum k I / sum I in 1/angstrom: [2], x and y; 0 where there is no intensity. */
  AET_DETECTOR_KIND_CENTER_OF_MASS = 4,
};
typedef int32_t aet_detector_kind;

/** Order of the pixels of diffraction patterns along both axes. */
enum {
  /** Zero angle at pixel n / 2 (0-based, rounded down). */
  AET_PATTERN_ORDER_CENTERED = 0,
  /** Zero angle at pixel 0, as a Fourier transform leaves it. */
  AET_PATTERN_ORDER_FFT = 1,
};
typedef int32_t aet_pattern_order;

/** A detector of diffraction patterns. Immutable. */
typedef struct aet_detector aet_detector;

/**
 * Description of a detector. Fill with aet_detector_options_init, set `kind` and what it needs; a member that the kind
 * has no use for must be 0.
 */
typedef struct aet_detector_options {
  /** sizeof(aet_detector_options). */
  size_t struct_size;
  /** Inner angle of annular, flexible and segmented detectors, mrad. */
  double inner_mrad;
  /**
   * Outer angle, mrad. Annular and centre of mass: 0 is the whole pattern with its corners. Pixelated: the pixels up to
   * this angle along each axis; 0: the whole pattern, or `rows` and `columns`. Flexible and segmented: required.
   */
  double outer_mrad;
  /** Width of the rings of a flexible detector, mrad; 0: 1. */
  double step_mrad;
  /** Azimuth at which the first segment begins, from +kx towards +ky, degree. */
  double rotation_deg;
  /** Angle from row to row of the sensitivity map, mrad; required with one. */
  double sensitivity_row_step_mrad;
  /** Angle from column to column of the sensitivity map, mrad; 0: as from row to row. */
  double sensitivity_column_step_mrad;
  /** Rows of a pixelated detector, after binning; 0: as many as there are. */
  int64_t rows;
  /** Columns of a pixelated detector, after binning; give both or none. */
  int64_t columns;
  /** An aet_detector_kind. */
  int32_t kind;
  /** Rings of a segmented detector; 0: 1. */
  int32_t radial_bins;
  /** Segments of a ring; 0: 4. */
  int32_t azimuthal_bins;
  /**
   * Pattern pixels per pixel of a pixelated detector, along both axes; 0: 1. The pixels of the detector are centred on
   * multiples of their width, so that the zero angle stays in the centre of one; those of an even binning share the
   * pattern pixels on their borders half and half.
   */
  int32_t binning;
  /** Centre of mass: 1: sum k I without the division by sum I; 0, the default: with it. */
  int32_t unnormalized;
  /** Zero. */
  int32_t reserved;
} aet_detector_options;

/** Sampling of diffraction patterns. Fill with aet_pattern_options_init and set the angle steps. */
typedef struct aet_pattern_options {
  /** sizeof(aet_pattern_options). */
  size_t struct_size;
  /** Angle from row to row, mrad; required. */
  double row_step_mrad;
  /** Angle from column to column, mrad; 0: as from row to row. */
  double column_step_mrad;
  /** Energy of the beam, eV; 0: unknown. Centres of mass need it. */
  double energy_ev;
  /** An aet_pattern_order. */
  int32_t order;
  /** Zero. */
  int32_t reserved;
} aet_pattern_options;

/**
 * Sets `struct_size` and all defaults: an annular detector of the whole pattern. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
 * Any thread.
 */
aet_status aet_detector_options_init(aet_detector_options *options, size_t struct_size);

/**
 * Sets `struct_size` and all defaults: centred patterns, to which the angle steps must be added. AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_pattern_options_init(aet_pattern_options *options, size_t struct_size);

/**
 * Creates a detector. `sensitivity` `[rows,columns]` of any real type is a measured map of efficiencies by which
 * patterns are multiplied first: 0 or more, zero angle at n / 2, bilinear between its points and 0 outside; NULL: 1
 * everywhere. `options` must not be NULL. AET_ERROR_RANGE for angles that are not 0 <= inner < outer, numbers of bins and
 * steps that are not positive, members that the kind has no use for, and negative efficiencies;
 * AET_ERROR_UNKNOWN_OPTION for an unknown aet_detector_kind; AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE, and
 * AET_ERROR_EMPTY without an efficiency above 0, for the map. Any thread.
 */
aet_status aet_detector_create(const aet_detector_options *options,
                               const aet_const_view *sensitivity,
                               aet_detector **detector);

/** Frees a detector. NULL is left alone. Any thread. */
void aet_detector_free(aet_detector *detector);

/** The aet_detector_kind; -1 for NULL. Any thread. */
int32_t aet_detector_get_kind(const aet_detector *detector);

/**
 * Shape of the signal of one pattern of `rows` x `columns` pixels: its number of axes, 0 to 2, into `ndim` and their
 * extents into `shape` [2], of which unused ones are 1. Errors are those of aet_detector_measure. Any thread.
 */
aet_status aet_detector_shape(const aet_detector *detector,
                              const aet_pattern_options *options,
                              int64_t rows,
                              int64_t columns,
                              int32_t *ndim,
                              int64_t *shape);

/**
 * Applies the detector to measured diffraction patterns `[...,rows,columns]` of any real type, row = ky and column = kx,
 * with any number of scan axes before (up to six). `out` `[...,signal]`, f32 or f64, has the scan axes of the patterns
 * and then those of aet_detector_shape. Signals are sums in double precision in the unit of the patterns, centres of mass
 * are in 1/angstrom. The results need 8 bytes per value beside `out`. `progress` may be NULL.
 *
 * AET_ERROR_RANGE for steps that are not positive and for an angle beyond the patterns, with the largest one that they
 * hold (rows / 2 or columns / 2 steps); where a sensitivity map alone tells the outer angle, patterns must hold all of
 * it. AET_ERROR_EMPTY where no pixel lies on the detector, AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE with
 * the number of the pattern, AET_ERROR_NOT_READY for a centre of mass without an energy, AET_ERROR_UNKNOWN_OPTION,
 * AET_ERROR_MEMORY; AET_CANCELLED, then `out` is untouched. Any thread; `progress` is called on it.
 */
aet_status aet_detector_measure(const aet_detector *detector,
                                const aet_context *context,
                                const aet_const_view *patterns,
                                const aet_pattern_options *options,
                                aet_progress_fn progress,
                                void *user,
                                const aet_view *out);

/**
 * Integrates a field of centres of mass (iCOM). `field` `[rows,columns,2]` of any real type, x and y in 1/angstrom, as
 * aet_detector_measure gives it for a scan; scan rows along y and columns along x, `row_step` and `column_step` apart
 * (angstrom). `out` `[rows,columns]`, f32 or f64, is the image I of mean 0 whose gradient fits the field best on the
 * periodic scan, I(q) = q . C(q) / (2 pi i q^2). For a thin specimen 2 pi I is the phase of the transmitted wave, blurred
 * by the intensity of the probe. AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE for steps that
 * are not positive. Any thread.
 */
aet_status aet_integrate_center_of_mass(const aet_const_view *field,
                                        double row_step,
                                        double column_step,
                                        const aet_view *out);

/* ---- Reconstruction ---- */

/**
 * A reconstruction, of atoms or of a volume: a forward model, the images of a dataset and an optimiser or a method. What
 * a method cannot do answers AET_ERROR_UNSUPPORTED. Functions that take it as `const` may be
 * called from any thread at any time, also while aet_recon_run works and from its progress callback; they see the state
 * after the latest iteration. The others may be called one at a time (AET_ERROR_BUSY).
 */
typedef struct aet_recon aet_recon;

/** One block of the parameters. */
typedef struct aet_block {
  /** sizeof(aet_block), set by the caller. */
  size_t struct_size;
  /** Name: "positions". */
  char name[32];
  /** Unit: "A", "A^2", "deg", "1", or "image" for the unit of the images. */
  char unit[16];
  /** AET_DTYPE_F64. */
  int32_t dtype;
  /** Number of axes. */
  int32_t ndim;
  /** Extent of each axis, 1 beyond `ndim`. In x the last axis is contiguous. */
  int64_t shape[4];
  /** Number of values. */
  int64_t size;
  /** Place of the first value in x; -1 while the block is frozen. */
  int64_t offset;
  /** Typical change of one value: optimisers do best on value / scale. */
  double scale;
  /** Smallest value, or minus infinity. */
  double lower;
  /** Largest value, or infinity. */
  double upper;
  /** 1 while the block is frozen, else 0. */
  int32_t frozen;
  /** Zero. */
  int32_t reserved;
} aet_block;

/**
 * Frees the handle. Calls at work on other threads finish first; atoms and snapshots taken from it live on.
 * NULL and freed handles are ignored. Any thread.
 */
void aet_recon_free(aet_recon *recon);

/**
 * Bytes that evaluations and iterations need beside the dataset, with all threads of the context at work.
 * Any thread.
 */
aet_status aet_recon_memory_estimate(const aet_recon *recon, uint64_t *bytes);

/**
 * Generation of the parameters. It rises whenever length or meaning of x changes: a block is frozen or freed, a run
 * takes up appended images. Fetch parameters and layout again then. 0 for NULL or a stale handle. Any thread.
 */
uint64_t aet_recon_generation(const aet_recon *recon);

/** Number of blocks, frozen ones included; 0 for NULL or a stale handle. Any thread. */
int64_t aet_recon_block_count(const aet_recon *recon);

/**
 * Describes block `index`, counted from 0. The caller sets `block->struct_size`. Blocks of
 * reconstructions of volumes are listed at aet_recon_create_tomography; those of local-orbital reconstructions, with
 * p' = R p + (u, v, w), formula (3) of the LOT paper:
 *
 * - positions [atoms,3]: x, y, z in the specimen frame, A
 * - heights [atoms, species or 1]: H, unit of the images
 * - widths [atoms, species or 1]: B, A^2
 * - drift [images,2]: u, v, A
 * - depth_offset [tilts]: w, A
 * - defocus [sections]: added to the recorded defocus, A
 * - angles [tilts,3]: phi, theta, psi of the order zyx, deg
 * - scale [images]: factor of the calculated image
 * - background [images]: added to it, unit of the images
 *
 * The parameter vector x holds the free blocks in this order. At the start positions, heights, widths and background
 * are free. AET_ERROR_RANGE for an index beyond the last block. Any thread.
 */
aet_status aet_recon_parameter_layout(const aet_recon *recon, int64_t index, aet_block *block);

/** Length of the parameter vector x: the values of all free blocks. 0 for NULL or a stale handle. Any thread. */
int64_t aet_recon_parameter_count(const aet_recon *recon);

/**
 * Copies the free parameters into `x` [n], n = aet_recon_parameter_count. AET_ERROR_STALE_PARAMETERS for another n.
 * Any thread.
 */
aet_status aet_recon_get_parameters(const aet_recon *recon, int64_t n, double *x);

/**
 * Sets the free parameters to `x` [n]; the optimiser starts afresh from there. AET_ERROR_STALE_PARAMETERS for another n
 * than aet_recon_parameter_count, AET_ERROR_NON_FINITE; AET_ERROR_BUSY while another call changes the reconstruction.
 */
aet_status aet_recon_set_parameters(aet_recon *recon, int64_t n, const double *x);

/**
 * Copies one block, frozen or not, into `out`, which has the shape of the block. AET_ERROR_UNKNOWN_OPTION for another
 * name, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_get_block(const aet_recon *recon, const char *name, const aet_view *out);

/**
 * Sets one block, frozen or not, to `values`, which have the shape of the block; the optimiser starts afresh from
 * there. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE for a value
 * outside the bounds of the block; AET_ERROR_BUSY while another call changes the reconstruction.
 */
aet_status aet_recon_set_block(aet_recon *recon, const char *name, const aet_const_view *values);

/**
 * Freezes (`frozen` 1) or frees (0) a block. That changes x, so the generation rises and the optimiser starts afresh;
 * scales are estimated anew. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_UNSUPPORTED for a block that the
 * model cannot refine (defocus and depth_offset without a probe, depth_offset with hard slices); AET_ERROR_BUSY while
 * another call changes the reconstruction.
 */
aet_status aet_recon_freeze(aet_recon *recon, const char *name, int32_t frozen);

/**
 * Loss at `x` [n], a mean over the used pixels of `images` [n_images], which are numbers of images of the dataset, each
 * at most once. NULL with n_images 0: all that are not excluded. Images named are evaluated even if excluded.
 *
 * `gradient` [n] gets the derivatives of the loss with respect to x; NULL saves their computation. `image_losses`
 * [n_images] gets the loss of each image by itself; it may be NULL. Where `images` is NULL it needs room for every image
 * of the dataset that is not excluded; name the images while other threads append or exclude tilts.
 *
 * AET_ERROR_STALE_PARAMETERS for another n than aet_recon_parameter_count, AET_ERROR_NON_FINITE (in x, or where x gives
 * an infinite loss), AET_ERROR_RANGE (image numbers), AET_ERROR_INCONSISTENT (an image named twice),
 * AET_ERROR_NOT_READY (no images), AET_CANCELLED. Any thread.
 */
aet_status aet_recon_loss_and_gradient(const aet_recon *recon,
                                       int64_t n,
                                       const double *x,
                                       const int64_t *images,
                                       int64_t n_images,
                                       double *loss,
                                       double *gradient,
                                       double *image_losses);

/**
 * Calculates `images` [n_images] at `x` [n] into `out` [n_images,rows,columns], any real element type that holds them.
 * NULL with n_images 0: all that are not excluded. The images are written one by one: after AET_CANCELLED some may be
 * there. Errors as for aet_recon_loss_and_gradient, and AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_predict(const aet_recon *recon,
                             int64_t n,
                             const double *x,
                             const int64_t *images,
                             int64_t n_images,
                             const aet_view *out);

/**
 * Gradient with respect to x of a loss of the host: J^T r at `x` [n], where `residuals` [n_images,rows,columns] are the
 * derivatives r of that loss with respect to the calculated images and J those of the images with respect to x. It is
 * the exact adjoint of the derivative of aet_recon_predict. `gradient` has n values. Images and errors as for
 * aet_recon_loss_and_gradient, and AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_pull_back(const aet_recon *recon,
                               int64_t n,
                               const double *x,
                               const int64_t *images,
                               int64_t n_images,
                               const aet_const_view *residuals,
                               double *gradient);

/* ---- Shapes of local orbitals ---- */

/** What the values of a table of aet_orbital_create_table are. */
enum {
  /** f, the orbital as images show it. */
  AET_RADIAL_TABLE_PROJECTED = 0,
  /** The orbital in space, a function of the distance from the nucleus; f is its integral along the beam. */
  AET_RADIAL_TABLE_SPATIAL = 1,
};
typedef int32_t aet_radial_table;

/**
 * The shape f of local orbitals H f(rho / sqrt(B)), formula (2) of the LOT paper, a sum of Gaussian terms
 * f(q) = sum_t w_t exp(-q^2 / s_t). Immutable.
 */
typedef struct aet_orbital aet_orbital;

/**
 * Creates an orbital of n = 1 to 12 Gaussian terms. `weights` `[n]`: w, single ones may be negative, the integral
 * sum w s must be positive; `widths` `[n]`: s in units of B, 1e-6 to 1e4. One term of weight 1 and width 1 is the
 * default of local-orbital tomography. AET_ERROR_SHAPE, AET_ERROR_EMPTY, AET_ERROR_RANGE, AET_ERROR_NON_FINITE. Any
 * thread.
 */
aet_status aet_orbital_create_gaussians(const aet_const_view *weights,
                                        const aet_const_view *widths,
                                        aet_orbital **orbital);

/**
 * Creates the projection of the Slater function exp(-r / a), with B = 8 a^2: B is the mean square radius of the
 * projection, as it is for the Gaussian. f(q) = x K1(x) with x = sqrt(8) q and the Bessel function K1; f(0) = 1. It is
 * expanded in the fewest Gaussian terms that follow it within `tolerance` (1e-5 to 0.1; 0: 1e-3, with 6 terms).
 * AET_ERROR_RANGE for another tolerance, AET_ERROR_UNSUPPORTED for one that 12 terms do not reach. Any thread.
 */
aet_status aet_orbital_create_slater(double tolerance, aet_orbital **orbital);

/**
 * Creates an orbital from a table of n >= 4 values. `radii` `[n]`, in units of sqrt(B), begin at 0 and increase;
 * `values` `[n]`, cubic between the radii and 0 beyond, end at a hundredth of the largest or less. `kind` is an
 * aet_radial_table. The function is expanded in the fewest Gaussian terms that follow f within `tolerance` of its
 * largest value (1e-5 to 0.1; 0: 1e-3).
 *
 * AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE (radii, last value, tolerance), AET_ERROR_EMPTY (all values
 * 0), AET_ERROR_UNKNOWN_OPTION (`kind`), AET_ERROR_UNSUPPORTED where 12 terms do not reach the tolerance: steps and rings
 * need a larger one. Any thread.
 */
aet_status aet_orbital_create_table(const aet_const_view *radii,
                                    const aet_const_view *values,
                                    int32_t kind,
                                    double tolerance,
                                    aet_orbital **orbital);

/** Frees an orbital. NULL is left alone. Any thread. */
void aet_orbital_free(aet_orbital *orbital);

/** Number of Gaussian terms; 0 for NULL. Any thread. */
int64_t aet_orbital_term_count(const aet_orbital *orbital);

/**
 * Largest difference of f from the function that was expanded, relative to its largest value; 0 for given terms, NaN for
 * NULL. Any thread.
 */
double aet_orbital_expansion_error(const aet_orbital *orbital);

/**
 * Copies the terms into `out` `[n,2]`, f32 or f64: weight w and width s (in units of B) of each. AET_ERROR_SHAPE,
 * AET_ERROR_DTYPE. Any thread.
 */
aet_status aet_orbital_copy_terms(const aet_orbital *orbital, const aet_view *out);

/**
 * Evaluates f for the width B = `width` (angstrom^2, above 0) at n `radii` rho >= 0 (angstrom): `out` `[n,3]`, f32 or
 * f64, holds f(rho / sqrt(B)), its derivative with respect to rho (1 / angstrom) and that with respect to B
 * (1 / angstrom^2). AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_RANGE, AET_ERROR_NON_FINITE. Any thread.
 */
aet_status aet_orbital_evaluate(const aet_orbital *orbital,
                                const aet_const_view *radii,
                                double width,
                                const aet_view *out);

/* ---- Local-orbital tomography (LOT) ---- */

/** How probe and atoms interact in an image. */
enum {
  /** Independent of depth: an atom is a Gaussian spot in every image. Needs no probe and no pixel size. */
  AET_LOT_MODEL_DIRECT = 0,
  /** The probe of the optics at the depth of every slice, formula (4) of the LOT paper. The default. */
  AET_LOT_MODEL_RIGID = 1,
  /**
   * Rigid, with the pixels of the probes as one more block of parameters, `probe` [groups, slices, side, side]: not negative,
   * from the probes of the optics on; around the square these stay. Optics cannot be freed beside them.
   */
  AET_LOT_MODEL_ADAPTIVE = 2,
};
typedef int32_t aet_lot_model;

/** What is minimised, as a mean over the used pixels of all images. */
enum {
  /** Poisson where the counts per unit of every image are known, else the mean square. */
  AET_LOSS_AUTOMATIC = 0,
  /** (measured - calculated)^2 / 2, formula (5) of the LOT paper. */
  AET_LOSS_MSE = 1,
  /**
   * calculated - measured ln(calculated), the negative log-likelihood of counts. Pixels must not be negative. Where the
   * calculated intensity is below a floor, 1e-3 of the mean of all images: (measured - calculated)^2 / (2 floor), joined
   * with the same value and slope.
   */
  AET_LOSS_POISSON = 2,
  /**
   * 2 (sqrt(measured + e) - sqrt(calculated + e))^2 with e 3/8 of a count, least squares of counts whose root makes their
   * noise alike. Needs counts_per_unit of every image; pixels must not be negative. Below 0: a parabola of the curvature
   * 1 / e, joined with the same value and slope.
   */
  AET_LOSS_ANSCOMBE = 3,
  /**
   * (measured - calculated)^2 / 2 up to a difference of `huber_threshold` t, t |measured - calculated| - t^2 / 2 beyond: dead
   * and hot pixels pull no harder than t.
   */
  AET_LOSS_HUBER = 4,
  /**
   * (measured - calculated)^2 v / (2 v_j), v_j the noise_variance of image j, which every image needs, and v the mean of them:
   * the likelihood of noise that differs from tilt to tilt.
   */
  AET_LOSS_GAUSSIAN = 5,
};
typedef int32_t aet_loss;

/** How neighbouring slices of the rigid model share an atom. */
enum {
  /** Linear weights between the two nearest slice centres: differentiable along the beam. */
  AET_SLICING_LINEAR = 0,
  /** The nearest slice has the whole atom, as in the papers; no derivative along the beam. */
  AET_SLICING_HARD = 1,
};
typedef int32_t aet_slicing;

/** How the rigid model follows the probe along the beam. */
enum {
  /** Templates where they take less work than slices and these are not hard, else slices. */
  AET_LOT_MODE_AUTOMATIC = 0,
  /** Slices of `slice_thickness`, as in the papers. */
  AET_LOT_MODE_SLICES = 1,
  /**
   * Every atom is shared by the probes of a few depths: all depths within an error of about 1e-4 and with fewer
   * transforms. `slice_thickness` plays no part; AET_ERROR_UNSUPPORTED with hard slices.
   */
  AET_LOT_MODE_TEMPLATES = 2,
  /** As templates, with fewer depths: an error of at most 5e-3, or `depth_error`. */
  AET_LOT_MODE_KNOTS = 3,
};
typedef int32_t aet_lot_mode;

/** Type of numbers in the kernels; parameters and sums are double in both. */
enum {
  /** float: fast. */
  AET_PRECISION_SINGLE = 0,
  /** double: for verification. */
  AET_PRECISION_DOUBLE = 1,
};
typedef int32_t aet_precision;

/** Which atoms have one value in common. */
enum {
  /** Heights: each atom its own. Widths: one per species. */
  AET_SHARING_AUTOMATIC = 0,
  /** Each atom its own. */
  AET_SHARING_ATOM = 1,
  /** One per species. */
  AET_SHARING_SPECIES = 2,
  /** One for all. */
  AET_SHARING_COMMON = 3,
};
typedef int32_t aet_sharing;

/** Which images share the pixels of probes. */
enum {
  /** All images of a section, which then need the same recorded defocus. */
  AET_PROBE_SHARING_SECTION = 0,
  /** None: each image has probes of its own. */
  AET_PROBE_SHARING_IMAGE = 1,
};
typedef int32_t aet_probe_sharing;

/** Options of aet_recon_create_lot. Fill with aet_lot_options_init; 0 means automatic in all members but `model`. */
typedef struct aet_lot_options {
  /** sizeof(aet_lot_options). */
  size_t struct_size;
  /** An aet_lot_model. */
  int32_t model;
  /** An aet_loss. */
  int32_t loss;
  /** An aet_slicing. */
  int32_t slicing;
  /** An aet_precision. */
  int32_t precision;
  /** An aet_sharing: which atoms share a height H. */
  int32_t height_sharing;
  /** An aet_sharing: which atoms share a width B. */
  int32_t width_sharing;
  /** Thickness of slices, angstrom; 0: 4. */
  double slice_thickness;
  /** Width B of the orbitals H exp(-r^2 / B) at the start, angstrom^2; 0: those of the start atoms, else 0.5. */
  double width_start;
  /** Smallest width B, angstrom^2; 0: 0.1 pixel^2. */
  double width_min;
  /** Largest width B, angstrom^2; 0: 100 pixel^2. */
  double width_max;
  /**
   * Half width of the window in which an orbital is computed, in sqrt(B); 0: 3.4 in single, 6.2 in double precision.
   */
  double cutoff;
  /** Bytes that an evaluation may need beside the dataset; 0: no limit. */
  double memory_limit;
  /** An aet_lot_mode. */
  int32_t mode;
  /** 0. */
  int32_t reserved;
  /** Shape of the orbitals; NULL: the Gaussian exp(-q^2). Kept by what is created with these options. */
  const aet_orbital *orbital;
  /**
   * Largest error of the images that templates and knots may have, relative to an atom in focus; 0: 2e-4, of knots 5e-3.
   */
  double depth_error;
  /** An aet_probe_sharing, of the adaptive model. */
  int32_t probe_sharing;
  /** Edge of the adaptive model's probes in pixels, an odd number; 0: what the rays of the aperture need. */
  int32_t probe_side;
  /**
   * Difference beyond which a pixel pulls no harder with AET_LOSS_HUBER, in the unit of the images; 0: 1.345 robust standard
   * deviations of the residuals at the start (the median over images of 1.4826 median absolute deviations), kept by runs and
   * state files. AET_ERROR_INCONSISTENT with another loss.
   */
  double huber_threshold;
  /**
   * Weight w of smooth probes, of the adaptive model: w / 2 sum (d_i - d_j)^2 over neighbouring pixels of a slice and of
   * neighbouring slices, d what the pixels add to the probe of the optics, in units of the mean curvature of the loss by a
   * pixel when the fit starts; 0: none. AET_ERROR_INCONSISTENT with another model.
   */
  double probe_smoothness;
} aet_lot_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_lot_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_lot_options_init(aet_lot_options *options, size_t struct_size);

/**
 * Creates a local-orbital reconstruction of `dataset` that starts from the atoms `start`. An image is the sum over
 * slices of the orbitals H exp(-r^2 / B) of their atoms (or of another shape: member `orbital`), seen through the probe
 * of the slice, times a scale, plus a background (formulas (1) to (4) of the LOT paper; of the nLOT paper where a tilt
 * has several foci).
 *
 * `probe` may be NULL for AET_LOT_MODEL_DIRECT; its own defocus is added to that of the images. Heights and widths of
 * `start` are used where it has them. All heights are then multiplied by one factor, and the backgrounds set, by least
 * squares over all images. `options` may be NULL. The dataset may be empty: evaluations and runs answer
 * AET_ERROR_NOT_READY until tilts are appended.
 *
 * AET_ERROR_UNKNOWN_OPTION, AET_ERROR_RANGE (options, widths of the start atoms), AET_ERROR_NULL (also for a probe that
 * the model needs), AET_ERROR_UNSUPPORTED (rigid or adaptive model on a dataset in pixels;
 * templates with hard slices, or for a specimen too thick for them), AET_ERROR_INCONSISTENT
 * (all atoms outside every image, negative pixels with a loss of counts, no counts_per_unit with Anscombe's, residuals that
 * tell no threshold, images of one section with several values of defocus in the adaptive model), AET_ERROR_MEMORY
 * (`memory_limit`),
 * AET_ERROR_FORKED, AET_CANCELLED. Any thread.
 */
aet_status aet_recon_create_lot(const aet_context *context,
                                const aet_dataset *dataset,
                                const aet_probe *probe,
                                const aet_atoms *start,
                                const aet_lot_options *options,
                                aet_recon **recon);

/* ---- Running a reconstruction ---- */

/**
 * How a run lowers the loss. All work on parameters / scale, keep the bounds of the blocks and do not depend on the
 * number of threads; a state file holds what they remember.
 */
enum {
  /** AET_OPTIMIZER_LBFGS. */
  AET_OPTIMIZER_AUTOMATIC = 0,
  /** Limited-memory BFGS with bounds (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5). */
  AET_OPTIMIZER_LBFGS = 1,
  /** Gradient descent with backtracking (the same, algorithm 3.1), constants of the MSET paper: c = 0, rho = 0.1. */
  AET_OPTIMIZER_GRADIENT_DESCENT = 2,
  /**
   * Adam over mini-batches of tilts, steps falling along a cosine: an iteration is a pass over all images, its loss the
   * mean over the pass. The run ends with AET_MAX_ITERATIONS when the schedule (param adam.passes) does.
   */
  AET_OPTIMIZER_ADAM = 3,
  /** Nonlinear conjugate gradients (Polak and Ribiere, with restart). */
  AET_OPTIMIZER_CONJUGATE_GRADIENT = 4,
  /** Damped Gauss-Newton steps by inner conjugate gradients. */
  AET_OPTIMIZER_LEVENBERG_MARQUARDT = 5,
};
typedef int32_t aet_optimizer;

/** How aet_recon_run works and when it ends. Fill with aet_run_options_init; 0 means automatic in all members. */
typedef struct aet_run_options {
  /** sizeof(aet_run_options). */
  size_t struct_size;
  /** Iterations of this run at most; 0: 200. */
  int32_t max_iterations;
  /** An aet_optimizer. A run with another than the run before begins afresh at the best point so far. */
  int32_t optimizer;
  /** Seconds of this run at most, looked at after each iteration; 0: no limit. */
  double max_seconds;
  /**
   * Converged when the loss fell by less than this part of itself over 5 iterations; 0: 1e-7. Not looked at while
   * the schedule of Adam lowers the steps.
   */
  double loss_tolerance;
  /**
   * Converged when the root mean square of the scaled gradient is below this part of the square root of the loss;
   * 0: 1e-9. Not looked at while the schedule of Adam lowers the steps.
   */
  double gradient_tolerance;
  /**
   * Adam: part of the tilts in one mini-batch, up to 1; all sections of a tilt stay together; 0: one tilt at a time.
   */
  double batch_fraction;
  /** Adam: seed of the order of the tilts, which is another in each pass; any number, 0: automatic, always the same. */
  int64_t seed;
} aet_run_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_run_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_run_options_init(aet_run_options *options, size_t struct_size);

/* ---- Running a reconstruction, its results ---- */

/**
 * Makes one iteration: takes up a new version of the dataset, if there is one, and lowers the loss by one step of the
 * optimiser of the latest aet_recon_run (before the first: automatic). `progress` may be NULL.
 *
 * AET_OK while more can be done, AET_CONVERGED, AET_MAX_ITERATIONS (the schedule of Adam has ended), AET_CANCELLED (the
 * best state is kept); AET_ERROR_NOT_READY (no images), AET_ERROR_INCONSISTENT (more free parameters than used pixels,
 * and no term of the host), AET_ERROR_NON_FINITE; AET_ERROR_BUSY while another call changes the reconstruction.
 * Callbacks come on the calling thread.
 */
aet_status aet_recon_step(aet_recon *recon, aet_progress_fn progress, void *user);

/**
 * Iterates until a rule of `options` (NULL: defaults) ends it: AET_CONVERGED, AET_MAX_ITERATIONS, AET_TIME_LIMIT or
 * AET_CANCELLED. In every case the best state is kept, and another run goes on from there. Versions of the dataset that
 * appear meanwhile are taken up at the next iteration. `progress` may be NULL; it ends the run by returning non-zero,
 * and so does aet_context_request_cancel, within a second.
 *
 * A run goes on with what its optimiser remembers, also after aet_recon_load; with Adam, the best state is the end of
 * the pass with the lowest mean loss. To fit some blocks first, or with one optimiser before another, call
 * aet_recon_freeze and aet_recon_run in turn.
 *
 * AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION (options), AET_ERROR_NOT_READY (no images),
 * AET_ERROR_INCONSISTENT (more free parameters than used pixels, and no term of the host), AET_ERROR_NON_FINITE;
 * AET_ERROR_BUSY while another call changes the reconstruction. Callbacks come on the calling thread.
 */
aet_status aet_recon_run(aet_recon *recon, const aet_run_options *options, aet_progress_fn progress, void *user);

/**
 * Number of iterations in the history, those before a save included; 0 for NULL or a stale handle. Any thread; while a
 * run works it grows.
 */
int64_t aet_recon_history_count(const aet_recon *recon);

/**
 * Copies the first values of one column of the history into `out` [count], count at most aet_recon_history_count:
 *
 * - iteration: number of the iteration, from 1
 * - loss: after the iteration; of Adam, the mean over the pass, each batch at the parameters of its moment
 * - r_factor: mean over the images of sum |measured - calculated| / sum |measured|, formula (11) of the LOT paper
 * - gradient_norm: root mean square of the gradient in parameters / scale
 * - step: root mean square of the step in parameters / scale
 * - seconds: spent in iterations so far
 * - evaluations: of all images so far; a batch counts as its part of the images, a Gauss-Newton product as one
 * - generation: of the parameters
 * - dataset_version: of the dataset
 * - optimizer: the aet_optimizer of the iteration, NaN for methods with steps of their own
 * - r_free: mean R factor over the images that are held out, NaN where none is
 *
 * AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_copy_history(const aet_recon *recon, const char *name, const aet_view *out);

/**
 * Copies the R factor of every image in the latest state, sum |measured - calculated| / sum |measured| (formula (11) of
 * the LOT paper), into `out` [images]; NaN where the image is excluded or was not evaluated yet. AET_ERROR_SHAPE. Any
 * thread.
 */
aet_status aet_recon_copy_r_factors(const aet_recon *recon, const aet_view *out);

/**
 * The R factors as a table, a row per image of the latest state: `image`, `tilt`, `section` (indices from 0), `defocus`,
 * recorded plus refined (angstrom), and `r_factor` as aet_recon_copy_r_factors has it. Values: `r_factor`, the mean, and
 * `largest` of those that are known; NaN where none is. Any thread.
 */
aet_status aet_recon_r_factor_table(const aet_recon *recon, aet_table **table);

/**
 * The record of the reconstruction as JSON (UTF-8): options used, versions, instruction-set path, reason of the end,
 * totals. `*needed` is set to the bytes with the closing NUL; `buffer` NULL only asks for them. AET_ERROR_RANGE where
 * `capacity` is less. Any thread; while a run works it changes.
 */
aet_status aet_recon_record(const aet_recon *recon, char *buffer, size_t capacity, size_t *needed);

/**
 * The atoms of the latest state, with height and width of each, as a new handle. AET_ERROR_UNSUPPORTED for a
 * reconstruction of a volume. Any thread.
 */
aet_status aet_recon_get_atoms(const aet_recon *recon, aet_atoms **atoms);

/**
 * The geometry of every image, excluded ones too, in the latest state: `rotations` [images,3,3], p' = R p; `drift`
 * [images,2], (u along x', v along y') in A; `defocus` [images], recorded plus refined, in A. Any of them may be NULL.
 * AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_get_geometry(const aet_recon *recon,
                                  const aet_view *rotations,
                                  const aet_view *drift,
                                  const aet_view *defocus);

/* ---- Second-order access to a reconstruction ---- */

/**
 * Change of the images `images` [n_images] at `x` [n] per unit of the direction `direction` [n] of x: J d into `out`
 * [n_images,rows,columns], any real element type that holds it. It is the exact derivative of aet_recon_predict along
 * the direction, and aet_recon_pull_back is its exact adjoint. NULL with n_images 0: all that are not excluded.
 *
 * AET_ERROR_STALE_PARAMETERS for another n than aet_recon_parameter_count, AET_ERROR_NON_FINITE (in x or direction),
 * AET_ERROR_RANGE (image numbers), AET_ERROR_INCONSISTENT (an image named twice), AET_ERROR_SHAPE,
 * AET_ERROR_NOT_READY (no images), AET_CANCELLED. Any thread.
 */
aet_status aet_recon_push_forward(const aet_recon *recon,
                                  int64_t n,
                                  const double *x,
                                  const int64_t *images,
                                  int64_t n_images,
                                  const double *direction,
                                  const aet_view *out);

/**
 * Product of the direction `direction` [n] of x with the Gauss-Newton matrix of the loss over `images` [n_images] at
 * `x` [n]: J^T W J d / p into `product` [n], with p used pixels and the derivatives J of the images with respect to x.
 * W is the second derivative of the loss with respect to a calculated pixel: 1 for AET_LOSS_MSE; 1 / I_cal for
 * AET_LOSS_POISSON (Fisher scoring: expected over counts; not below 1e-3 of the mean intensity). The matrix is
 * symmetric and positive semi-definite and belongs to the loss that aet_recon_loss_and_gradient returns, terms of the
 * host left out. A product costs about three losses. Solvers: conjugate gradients, Nocedal and Wright, Numerical
 * Optimization, algorithm 7.1. `product` may be `direction`.
 *
 * Images and errors as for aet_recon_push_forward. Any thread.
 */
aet_status aet_recon_gauss_newton_product(const aet_recon *recon,
                                          int64_t n,
                                          const double *x,
                                          const int64_t *images,
                                          int64_t n_images,
                                          const double *direction,
                                          double *product);

/**
 * Estimates the diagonal of that matrix into `diagonal` [n], for preconditioners and scales: the mean of `probes`
 * squares (J^T sqrt(W) e)^2 / p with random signs e of a fixed seed (0: 16 probes). It is unbiased and not negative;
 * each value has the relative standard error sqrt(2 / probes), so that means over blocks or species are much better.
 * A probe costs about as much as a loss with its gradient. Results are the same for every number of threads.
 *
 * Images and errors as for aet_recon_push_forward; AET_ERROR_RANGE for probes below 0 or above 10000. Any thread.
 */
aet_status aet_recon_gauss_newton_diagonal(const aet_recon *recon,
                                           int64_t n,
                                           const double *x,
                                           const int64_t *images,
                                           int64_t n_images,
                                           int32_t probes,
                                           double *diagonal);

/**
 * For every value of the present x the number that it had in the x of an earlier `generation`, counted from 0, or -1
 * where it was no part of that x: `map` [n], n = aet_recon_parameter_count. With it an optimiser of the host keeps what
 * it remembers of each parameter when a block is frozen or freed or a run has taken up appended images. For the present
 * generation it is 0, 1, 2, ...
 *
 * AET_ERROR_RANGE for a generation that this reconstruction has not had (those before a state was loaded are not
 * known), AET_ERROR_STALE_PARAMETERS for another n. Any thread.
 */
aet_status aet_recon_index_map(const aet_recon *recon, uint64_t generation, int64_t n, int64_t *map);

/* ---- Terms of the host in the loss of a reconstruction ---- */

/**
 * A differentiable function of one block of parameters, a term of the loss: gets its `values` (AET_DTYPE_F64, the shape
 * of the block) and writes its loss to `*loss` and its derivatives by the values into `gradient` (the same shape, all 0
 * before the call), which is NULL where no derivatives are wanted. Views and memory are valid only during the call.
 * Returns 0; another value ends the call of the library with AET_ERROR_CALLBACK, as a loss or derivative that is not
 * finite does.
 *
 * Only ever called on the thread that called the library, with no lock held; evaluations on several threads call it on
 * all of them at once. It may use the library, but not change the reconstruction (AET_ERROR_BUSY), and must return
 * normally: no longjmp, no exception through the library.
 */
typedef int32_t (*aet_term_fn)(void *user, const aet_const_view *values, double *loss, const aet_view *gradient);

/**
 * Moves the free parameters `x` [n] (AET_DTYPE_F64) in place to where they are allowed to be. Returns 0; another value,
 * or a parameter that is not finite, ends the call of the library with AET_ERROR_CALLBACK and the state before the step
 * kept. Calls as for aet_term_fn, only from aet_recon_step and aet_recon_run.
 */
typedef int32_t (*aet_projection_fn)(void *user, const aet_view *x);

/**
 * Adds `weight` times a function of the host of one block, frozen or not, to the loss: aet_recon_loss_and_gradient,
 * aet_recon_step and aet_recon_run minimise and return the sum. Over a subset of the images the term counts in full,
 * and losses of single images are without it. Gauss-Newton products, predictions and error estimates know nothing of
 * it. The optimiser starts afresh.
 *
 * `user` is handed to `fn` and must stay valid until aet_recon_clear_terms or aet_recon_free has returned and no call
 * on the reconstruction is at work. Functions are not saved: add them again after aet_recon_load, which then starts the
 * optimiser afresh.
 *
 * AET_ERROR_NULL (fn), AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_RANGE for a weight that is not finite;
 * AET_ERROR_BUSY while another call changes the reconstruction.
 */
aet_status aet_recon_add_term(aet_recon *recon, const char *block, double weight, aet_term_fn fn, void *user);

/**
 * Sets the function that moves the free parameters after every iteration of aet_recon_step and aet_recon_run: the step
 * of the optimiser, then the projection, then, where it moved anything, the loss again; that state is published.
 * Parameters are also kept within the bounds of their blocks. NULL: no projection. Everything else as for
 * aet_recon_add_term.
 */
aet_status aet_recon_set_projection(aet_recon *recon, aet_projection_fn fn, void *user);

/**
 * Takes all terms and the projection away; the optimiser starts afresh. AET_ERROR_BUSY while another call changes the
 * reconstruction; evaluations at work on other threads may still call a term until they return.
 */
aet_status aet_recon_clear_terms(aet_recon *recon);

/* ---- Standard errors of atoms and of other fitted values ---- */

/** Which parameters the error of an atom takes into account. */
enum {
  /** Dense for up to 400 free parameters, else local. */
  AET_ESTIMATE_METHOD_AUTOMATIC = 0,
  /**
   * Position, own height and own width of the atom and of its neighbours; atoms further away and parameters that many
   * atoms share count as known. Its cost grows with the number of atoms only.
   */
  AET_ESTIMATE_METHOD_LOCAL = 1,
  /** All free parameters at once; for small problems: a prediction and two gradients per parameter. */
  AET_ESTIMATE_METHOD_DENSE = 2,
};
typedef int32_t aet_estimate_method;

/** Where the variance of the noise of a pixel is taken from. */
enum {
  /** What the dataset knows of all images: their noise variance, else their counts, else the residuals. */
  AET_NOISE_MODEL_AUTOMATIC = 0,
  /** The noise variance given with each image. */
  AET_NOISE_MODEL_VARIANCE = 1,
  /** Poisson counts: calculated intensity / counts per unit. */
  AET_NOISE_MODEL_COUNTS = 2,
  /** The variance of the residuals of each image, so that errors of the model count as noise. */
  AET_NOISE_MODEL_RESIDUAL = 3,
};
typedef int32_t aet_noise_model;

/** Options of aet_recon_estimate_errors. Fill with aet_error_options_init; 0 means automatic in all members. */
typedef struct aet_error_options {
  /** sizeof(aet_error_options). */
  size_t struct_size;
  /** An aet_estimate_method. */
  int32_t method;
  /** An aet_noise_model. */
  int32_t noise;
  /** Neighbours within this distance belong to an atom's cluster (local method), angstrom; 0: where they overlap. */
  double radius;
} aet_error_options;

/** What aet_recon_estimate_errors found beside the errors of each atom. */
typedef struct aet_error_report {
  /** sizeof(aet_error_report), set by the caller. */
  size_t struct_size;
  /**
   * sqrt(mean of the summed variances of x, y and z) over the atoms that are determined, pm (1/100 of the unit
   * of lengths); NaN where there is none.
   */
  double predicted_rmsd_pm;
  /**
   * Atoms that the images do not determine: their standard error is infinite, or longer than 0.9 angstrom (pixels of a
   * dataset in pixels), where a linear estimate ends and a comparison would not match them. Left out of the RMSD.
   */
  int64_t undetermined;
  /** An aet_estimate_method, the one used. */
  int32_t method;
  /** An aet_noise_model, the one used. */
  int32_t noise;
} aet_error_report;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_error_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_error_options_init(aet_error_options *options, size_t struct_size);

/**
 * Standard errors of the atoms of the latest state, which should be that of a finished fit: how far the noise of the
 * images lets the fit wander. Errors of the model are not part of it. With the pixel weights W of the loss (1, or
 * 1 / I_cal for AET_LOSS_POISSON), the variances S of the noise and the derivatives J of the images, the covariance of
 * the parameters is C = F^-1 M F^-1, F = J^T W J, M = J^T W S W J (White, Econometrica 48, 817 (1980)); for the loss
 * that belongs to the noise it is the Cramer-Rao bound. Neighbours that overlap raise each other's errors.
 *
 * `*atoms` gets a new handle: the atoms with their column `standard_error` [n,3], angstrom, infinite where the images do
 * not determine a coordinate. `height_errors` [n], which may be NULL, takes the standard errors of heights, unit of the
 * images; NaN where heights are shared or frozen. `report` may be NULL; else its `struct_size` must be set.
 * `options` NULL: defaults. `progress` may be NULL.
 *
 * AET_ERROR_NOT_READY (no images, positions frozen, or an image that lacks what the noise model needs),
 * AET_ERROR_RANGE (radius; more than 20000 free parameters for the dense method), AET_ERROR_UNKNOWN_OPTION,
 * AET_ERROR_SHAPE, AET_CANCELLED. Any thread; callbacks come on the calling one.
 */
aet_status aet_recon_estimate_errors(const aet_recon *recon,
                                     const aet_error_options *options,
                                     aet_progress_fn progress,
                                     void *user,
                                     aet_atoms **atoms,
                                     const aet_view *height_errors,
                                     aet_error_report *report);

/**
 * Standard errors of values of the free block `name` at the latest state, among all that is fitted, as
 * aet_recon_estimate_errors does for atoms, in the unit of the block: of optics, drift, angles, intensities, or of some atoms
 * exactly. `rows` [n_rows] are places along the first axis of the block (atoms, images, tilts, sections); NULL with n_rows 0:
 * all. `errors` has the shape of the block, with n_rows for the first axis; values are infinite where the images do not
 * determine them. `noise` is an aet_noise_model. Exact to 0.1 % for the linear model of the fit, whatever the number of atoms;
 * each value costs some tens of gradients. `progress` may be NULL.
 *
 * AET_ERROR_UNKNOWN_OPTION (name, noise), AET_ERROR_SHAPE, AET_ERROR_RANGE (rows, more than 1000 values),
 * AET_ERROR_NOT_READY (no images, a frozen block, or an image that lacks what the noise model needs), AET_ERROR_UNSUPPORTED for a
 * reconstruction without orbitals, AET_CANCELLED. Any thread; callbacks come on the calling one.
 */
aet_status aet_recon_block_errors(const aet_recon *recon,
                                  const char *name,
                                  const int64_t *rows,
                                  int64_t n_rows,
                                  int32_t noise,
                                  aet_progress_fn progress,
                                  void *user,
                                  const aet_view *errors);

/* ---- The shape of the atoms, from the images of a reconstruction ---- */

/**
 * Creates the shape of the atoms that fits the images best at the latest state of a local-orbital reconstruction: with
 * positions, heights and widths held, the images are linear in the weights of the terms of f(q) = sum_t w_t exp(-q^2 / s_t).
 * Weights are not negative; f(0) = 1; the background of each image, where it is free, follows them. `widths` `[n]`, n at most
 * 10: s in units of B; NULL: 0.5, 1, 2, 4, 8, 16, without those wider than 5 pixels. Terms of less than a hundredth of the
 * integral are left out. Start another reconstruction with this orbital from the atoms of this one, and repeat while the loss
 * falls. `progress` may be NULL.
 *
 * AET_ERROR_UNSUPPORTED for a reconstruction without orbitals, AET_ERROR_NOT_READY without images, AET_ERROR_RANGE (widths),
 * AET_ERROR_EMPTY where no term of positive weight brings the images nearer, AET_CANCELLED. Any thread; `progress` is called
 * on it.
 */
aet_status aet_recon_fit_orbital(const aet_recon *recon,
                                 const aet_const_view *widths,
                                 aet_progress_fn progress,
                                 void *user,
                                 aet_orbital **orbital);

/* ---- Storing a reconstruction, and its research knobs ---- */

/**
 * Writes the latest state to the file `path`: all that is needed, beside dataset and probe, to go on with the same
 * numbers to the last bit. An older file of that name stays until the new one is complete. AET_ERROR_FILE,
 * AET_CANCELLED. Any thread; while a run works it is the state after the latest iteration.
 */
aet_status aet_recon_save(const aet_recon *recon, const char *path);

/**
 * Creates a reconstruction from a file of aet_recon_save. `dataset` holds the images it was saved with; tilts appended
 * since are taken up by the next iteration. `probe` is that of its creation (NULL if it had none). On the same
 * instruction-set path it goes on with the same numbers to the last bit, whatever the number of threads.
 *
 * AET_ERROR_FILE, AET_ERROR_FORMAT (no state file, or a damaged one), AET_ERROR_FILE_VERSION, AET_ERROR_TRUNCATED,
 * AET_ERROR_INCONSISTENT (another dataset or probe), AET_ERROR_FORKED, AET_CANCELLED. Any thread.
 */
aet_status aet_recon_load(const aet_context *context,
                          const aet_dataset *dataset,
                          const aet_probe *probe,
                          const char *path,
                          aet_recon **recon);

/** Number of research knobs. Any thread. */
int64_t aet_recon_param_count(void);

/**
 * Name of research knob `index`, counted from 0, in static storage; NULL beyond the last:
 *
 * - lbfgs.memory: pairs that L-BFGS remembers, 1 to 1000
 * - line_search.decrease: sufficient decrease of the Armijo rule, 0 to 0.5
 * - line_search.curvature: slope, relative to the start, at which a step is long enough, 0 to 1
 * - line_search.evaluations: evaluations of one line search at most, 1 to 1000
 *
 * Any thread.
 */
const char *aet_recon_param_name(int64_t index);

/**
 * Sets a research knob. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_RANGE; AET_ERROR_BUSY while another call
 * changes the reconstruction.
 */
aet_status aet_recon_set_param(aet_recon *recon, const char *name, double value);

/** Value of a research knob. AET_ERROR_UNKNOWN_OPTION for another name. Any thread. */
aet_status aet_recon_get_param(const aet_recon *recon, const char *name, double *value);

/* ---- Snapshot ---- */

/**
 * The state of a reconstruction after some iteration. Immutable: any number of threads may use it, and it lives on when
 * the reconstruction is freed.
 */
typedef struct aet_snapshot aet_snapshot;

/**
 * Takes the state after the latest iteration, without waiting and without copying. Any thread at any time, also while
 * aet_recon_run works and from its progress callback; never AET_ERROR_BUSY.
 */
aet_status aet_recon_snapshot(const aet_recon *recon, aet_snapshot **snapshot);

/** Frees the handle; NULL and freed handles are ignored. Any thread. */
void aet_snapshot_free(aet_snapshot *snapshot);

/** Iterations made when it was taken; 0 for NULL or a stale handle. Any thread. */
int64_t aet_snapshot_iteration(const aet_snapshot *snapshot);

/**
 * Loss when it was taken; NaN while it is not known: before the first iteration and
 * after the host changed parameters, until the next one; and for NULL or a stale handle. Any thread.
 */
double aet_snapshot_loss(const aet_snapshot *snapshot);

/** Generation of the parameters when it was taken; 0 for NULL or a stale handle. Any thread. */
uint64_t aet_snapshot_generation(const aet_snapshot *snapshot);

/** The atoms when it was taken, with height and width of each, as a new handle. Any thread. */
aet_status aet_snapshot_get_atoms(const aet_snapshot *snapshot, aet_atoms **atoms);

/* ---- Volumes ---- */

/**
 * An immutable volume of cubic voxels, logically `[z,y,x]`; the specimen origin is the centre of voxel n / 2 (0-based,
 * rounded down) of each axis.
 */
typedef struct aet_volume aet_volume;

/**
 * Creates a volume from `values` `[z,y,x]`, of any real element type (kept in single precision), with voxels of edge
 * `voxel_size`, angstrom. AET_ERROR_SHAPE, AET_ERROR_EMPTY without voxels, AET_ERROR_RANGE for a voxel size that is not
 * positive, AET_ERROR_NON_FINITE with the place of a bad value. Any thread.
 */
aet_status aet_volume_create(const aet_context *context,
                             const aet_const_view *values,
                             double voxel_size,
                             aet_volume **volume);

/** Frees a volume. NULL is left alone. Any thread. */
void aet_volume_free(aet_volume *volume);

/** Number of voxels along z, y and x, into `shape` [3]. AET_ERROR_NULL. Any thread. */
aet_status aet_volume_shape(const aet_volume *volume, int64_t *shape);

/** Edge of a voxel, angstrom (or pixels); NaN for NULL. Any thread. */
double aet_volume_voxel_size(const aet_volume *volume);

/**
 * Copies the values into `out` `[z,y,x]`, of any real element type that holds them. AET_ERROR_SHAPE, AET_ERROR_DTYPE,
 * AET_ERROR_RANGE for a value that it cannot hold. Any thread.
 */
aet_status aet_volume_copy_to(const aet_volume *volume, const aet_view *out);

/**
 * Number of iterations that made the volume; 0 for one that aet_volume_reconstruct did not make, and for NULL. Any thread.
 */
int64_t aet_volume_residual_count(const aet_volume *volume);

/**
 * Copies the norm of b - A V relative to b, in the state from which every iteration was made, into `out` `[n]`, n as of
 * aet_volume_residual_count. AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_volume_copy_residuals(const aet_volume *volume, const aet_view *out);

/* ---- Filters of volumes ---- */

/** By what a volume is smoothed. */
enum {
  /** Nothing. */
  AET_SMOOTHING_NONE = 0,
  /** A Gaussian, whose width is its standard deviation in voxels, at most 100. */
  AET_SMOOTHING_GAUSSIAN = 1,
  /** The mean over a cube, whose width is its edge, an odd number of voxels, at most 801. */
  AET_SMOOTHING_BOX = 2,
};
typedef int32_t aet_smoothing;

/** What lies beyond the faces of a volume. */
enum {
  /** Zeros. */
  AET_PADDING_ZEROS = 0,
  /** Its mirror image: for films, which leave the volume at its sides. */
  AET_PADDING_MIRROR = 1,
  /** The volume again. */
  AET_PADDING_PERIODIC = 2,
};
typedef int32_t aet_padding;

/**
 * Factors of a filter in Fourier space, each 1 where nothing is said. Frequencies k are in cycles per unit of the voxel
 * size (1 / angstrom). Fill with aet_filter_options_init; 0 means none in all members but those that say otherwise.
 */
typedef struct aet_filter_options {
  /** sizeof(aet_filter_options). */
  size_t struct_size;
  /**
   * Cut c of the low pass, at most the Nyquist frequency 1 / (2 voxel size): 1 up to c - w/2, 0 from c + w/2 on,
   * (1 + cos(pi (k - c + w/2) / w)) / 2 between.
   */
  double low_pass;
  /** Its width w, at most 2 c; 0: a tenth of the Nyquist frequency, or c where that is less. */
  double low_pass_width;
  /** Cut of the high pass, 1 minus a low pass. */
  double high_pass;
  /** Its width; 0: automatic, as that of the low pass. */
  double high_pass_width;
  /** Standard deviation s of a Gaussian, angstrom: exp(-2 pi^2 s^2 k^2). */
  double gaussian;
  /**
   * Wiener filter from the ratio of the variances of signal and white noise in the volume: max(0, P - N) / P, P being
   * the mean of |F|^2 over the shell of k and N = mean |F|^2 / (1 + ratio), the mean over all shells but that of 0.
   */
  double signal_to_noise;
  /** Size D of the object for the weights of what a dataset has seen, angstrom; 0: the longest edge of the volume. */
  double object_size;
  /** Weight of what no view has seen, 0 to 1. */
  double floor;
  /** Voxels beyond the faces, per axis, at least; 0: a quarter of the edge, at least 8. */
  int64_t padding_voxels;
  /** An aet_padding. */
  int32_t padding;
  /**
   * 1: the volume is one of the two whose correlation is given as curve, and its Wiener factor FSC; 0: it is made of
   * the data of both, and its factor 2 FSC / (1 + FSC).
   */
  int32_t curve_of_half;
} aet_filter_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_filter_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_filter_options_init(aet_filter_options *options, size_t struct_size);

/**
 * The volume with its spectrum times all factors of `options` (NULL: none), as a new one. `dataset`, where not NULL,
 * adds how much its tilts in use have seen of each frequency: floor + (1 - floor) (1 - product over the views of
 * (1 - cos^2(pi/2 D k_z'))), k_z' being the part of k along the beam of a view, and the factor 1 where D |k_z'| >= 1: 1 on
 * the planes that the views have measured and within 1 / D of them, 0 in the missing wedge. `curve` `[m,2 or more]`, where
 * not NULL, is a Fourier shell correlation, frequency and correlation as of aet_volume_shell_correlation, for a Wiener
 * filter: linear between its points, 0 from the first correlation on that is not positive. `progress` may be NULL.
 *
 * AET_ERROR_RANGE for cuts beyond the Nyquist frequency and numbers without meaning, AET_ERROR_INCONSISTENT for a high
 * pass above the low pass, a curve whose frequencies do not rise, and a curve beside signal_to_noise,
 * AET_ERROR_NON_FINITE, AET_ERROR_EMPTY and AET_ERROR_SHAPE for a bad curve, AET_ERROR_NOT_READY for a dataset without an
 * image in use, AET_ERROR_MEMORY; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
 */
aet_status aet_volume_filter(const aet_volume *volume,
                             const aet_filter_options *options,
                             const aet_dataset *dataset,
                             const aet_const_view *curve,
                             aet_progress_fn progress,
                             void *user,
                             aet_volume **filtered);

/**
 * The volume smoothed by `smoothing`, an aet_smoothing, of `width` voxels, in real space, as a new one. At the faces the
 * kernel is normalised over the voxels that exist. `progress` may be NULL. AET_ERROR_RANGE for a width that the smoothing
 * cannot have, AET_ERROR_UNKNOWN_OPTION; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
 */
aet_status aet_volume_smooth(const aet_volume *volume,
                             int32_t smoothing,
                             double width,
                             aet_progress_fn progress,
                             void *user,
                             aet_volume **smoothed);

/* ---- Masks of volumes and images ---- */

/** Above which value a voxel is in a mask. */
enum {
  /** lowest + factor (Otsu's threshold - lowest), lowest being the smallest value. */
  AET_THRESHOLD_OTSU = 0,
  /** The member `threshold`. */
  AET_THRESHOLD_VALUE = 1,
};
typedef int32_t aet_threshold;

/** Which voxels of a mask are connected. */
enum {
  /** Those that share a corner, an edge or a face: 26 neighbours. */
  AET_CONNECTIVITY_CORNERS = 0,
  /** Those that share a face: 6 neighbours. */
  AET_CONNECTIVITY_FACES = 1,
};
typedef int32_t aet_connectivity;

/** Shape of a support. */
enum {
  /** A sphere. */
  AET_SUPPORT_SHAPE_SPHERE = 0,
  /** A cylinder along x. */
  AET_SUPPORT_SHAPE_CYLINDER_X = 1,
  /** A cylinder along y. */
  AET_SUPPORT_SHAPE_CYLINDER_Y = 2,
  /** A cylinder along z. */
  AET_SUPPORT_SHAPE_CYLINDER_Z = 3,
};
typedef int32_t aet_support_shape;

/**
 * Steps of aet_volume_mask, in their order; lengths are in voxels. Fill with aet_mask_options_init, which sets the chain
 * of published reconstructions of particles a few hundred voxels wide. 0 leaves a step out.
 */
typedef struct aet_mask_options {
  /** sizeof(aet_mask_options). */
  size_t struct_size;
  /** Width of the smoothing before all else, as aet_smoothing says; default 9. */
  double smoothing_width;
  /** The threshold, where `thresholding` is AET_THRESHOLD_VALUE. */
  double threshold;
  /** Part of the way from the smallest value to Otsu's threshold, above 0; default 0.9. */
  double factor;
  /** Radius of the ball by which the mask grows, for good; default 3. */
  double dilation;
  /** Radius of the ball by which it grows once more, so that near parts join; default 11. */
  double closing;
  /** Connected parts of fewer voxels are dropped; default 50000. */
  int64_t minimum_island;
  /** Radius of the ball by which the mask shrinks at the end, not from the faces of the volume; default 15. */
  double erosion;
  /** Width w of a soft edge outside of the mask: (1 + cos(pi d / w)) / 2 at distance d; default 0. */
  double soft_edge;
  /** An aet_smoothing; default AET_SMOOTHING_BOX. */
  int32_t smoothing;
  /** An aet_threshold. */
  int32_t thresholding;
  /** An aet_connectivity. */
  int32_t connectivity;
  /** 1: only the largest connected part is kept. */
  int32_t largest_only;
  /** 1: what the mask encloses on all sides is filled, after islands were dropped. */
  int32_t fill_holes;
  /** Zero. */
  int32_t reserved;
} aet_mask_options;

/**
 * A support for aet_volume_create_support. Fill with aet_support_options_init; voxels, voxel size and radius are
 * required. Lengths are in the unit of the voxel size.
 */
typedef struct aet_support_options {
  /** sizeof(aet_support_options). */
  size_t struct_size;
  /** Voxels along z. */
  int64_t nz;
  /** Voxels along y. */
  int64_t ny;
  /** Voxels along x. */
  int64_t nx;
  /** Edge of a voxel, angstrom. */
  double voxel_size;
  /** Radius of the sphere or cylinder, angstrom. */
  double radius;
  /** Its centre (x, y, z) from the specimen origin, angstrom. */
  double centre[3];
  /** Half the height of a cylinder, angstrom; 0: through the whole volume. */
  double half_height;
  /** Width w of a soft edge outside of it, angstrom: (1 + cos(pi d / w)) / 2 at distance d; 0: none. */
  double soft_edge;
  /** An aet_support_shape. */
  int32_t shape;
  /** Zero. */
  int32_t reserved;
} aet_support_options;

/** How a mask is applied to images. Fill with aet_image_mask_options_init. */
typedef struct aet_image_mask_options {
  /** sizeof(aet_image_mask_options). */
  size_t struct_size;
  /** A pixel is in the mask where the beam passes more than this length of it, voxels; 0: 0.5. */
  double minimum_path;
  /**
   * 1: pixels beside the mask drop out of use, no loss sees them; 0: they are 0, and the volume has to be empty there.
   */
  int32_t leave_out;
  /** Zero. */
  int32_t reserved;
} aet_image_mask_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_mask_options). AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
 * Any thread.
 */
aet_status aet_mask_options_init(aet_mask_options *options, size_t struct_size);

/**
 * The mask of a volume, as a volume of 1 where the specimen is and 0 elsewhere, values between in a soft edge: smoothing,
 * threshold, growing by two balls, dropping islands, filling holes, shrinking by a ball. A mask may be the volume, too:
 * with AET_THRESHOLD_VALUE, threshold 0.5 and all other steps 0 but one, it grows, shrinks or loses its islands. `options`
 * and `progress` may be NULL.
 *
 * AET_ERROR_INCONSISTENT for a constant volume, which has no threshold of Otsu's; AET_ERROR_EMPTY where a step leaves
 * nothing, with the number of voxels that the largest island has; AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION,
 * AET_ERROR_MEMORY; AET_CANCELLED, then without a mask. Any thread; `progress` is called on it.
 */
aet_status aet_volume_mask(const aet_volume *volume,
                           const aet_mask_options *options,
                           aet_progress_fn progress,
                           void *user,
                           aet_volume **mask_of_volume);

/**
 * Otsu's threshold of a volume into `threshold`: of 256 classes of values between the smallest and the largest, the
 * border that gives two groups of sizes w0, w1 and means m0, m1 the largest w0 w1 (m0 - m1)^2. `progress` may be NULL.
 * AET_ERROR_INCONSISTENT for a constant volume; AET_CANCELLED. Any thread; `progress` is called on it.
 */
aet_status aet_volume_otsu_threshold(const aet_volume *volume, aet_progress_fn progress, void *user, double *threshold);

/**
 * The volume times a mask, voxel by voxel, as a new one. `progress` may be NULL. AET_ERROR_SHAPE for other numbers of
 * voxels, AET_ERROR_INCONSISTENT for another voxel size, AET_ERROR_NON_FINITE for a product beyond single precision;
 * AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
 */
aet_status aet_volume_multiply(const aet_volume *volume,
                               const aet_volume *mask,
                               aet_progress_fn progress,
                               void *user,
                               aet_volume **product);

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_support_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_support_options_init(aet_support_options *options, size_t struct_size);

/**
 * A mask of a simple shape: 1 in voxels whose centres lie in it or on its surface, 0 elsewhere, values between in a soft
 * edge. `progress` may be NULL. AET_ERROR_RANGE for lengths that are not positive and volumes without voxels,
 * AET_ERROR_NON_FINITE for the centre, AET_ERROR_EMPTY where no voxel lies inside, AET_ERROR_UNKNOWN_OPTION,
 * AET_ERROR_MEMORY; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
 */
aet_status aet_volume_create_support(const aet_context *context,
                                     const aet_support_options *options,
                                     aet_progress_fn progress,
                                     void *user,
                                     aet_volume **volume);

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_image_mask_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_image_mask_options_init(aet_image_mask_options *options, size_t struct_size);

/**
 * Sets the pixels of all n images beside the projections of `mask` to 0, as the next version of the dataset: substrate
 * and support film need not be explained by the volume then. Rotations and drifts are those of the images, the mask lies
 * about the specimen origin. `kept` `[n]`, where not NULL, takes the number of pixels that the mask keeps of each image.
 * `options` and `progress` may be NULL.
 *
 * AET_ERROR_EMPTY for a mask of zeros and one that leaves an image without a used pixel, AET_ERROR_NOT_READY without an
 * image, AET_ERROR_RANGE for voxels larger than pixels and a path without meaning, AET_ERROR_SHAPE; AET_CANCELLED. The
 * dataset then stays as it is. Any thread, also while a reconstruction runs on the dataset; `progress` is called on it.
 */
aet_status aet_dataset_mask_images(const aet_dataset *dataset,
                                   const aet_volume *mask,
                                   const aet_image_mask_options *options,
                                   aet_progress_fn progress,
                                   void *user,
                                   const aet_view *kept);

/* ---- Atoms of volumes ---- */

/** How a maximum of a volume gets its sub-voxel position, height and standard errors. */
enum {
  /** The maximum of the parabola V + g.d + 1/2 d.H d through the 26 neighbours in the smoothed volume, d = -H^-1 g. */
  AET_TRACE_METHOD_PARABOLA = 0,
  /**
   * The published fit of all monomials of total degree up to 4 to the smoothed volume (cubic splines) around the
   * position, weighted by a Gaussian; the position moves to the maximum of the quadratic part until it stands still.
   * What has none is no maximum.
   */
  AET_TRACE_METHOD_POLYNOMIAL = 1,
  /** A Gaussian h exp(-r^2 / B) on a background, by least squares against the volume as it is, not the smoothed one. */
  AET_TRACE_METHOD_GAUSSIAN = 2,
};
typedef int32_t aet_trace_method;

/** From which height on a maximum of the smoothed volume is a candidate. */
enum {
  /** The member `threshold` times the 99.9 % quantile of the smoothed volume. */
  AET_TRACE_THRESHOLD_PART = 0,
  /** The member `threshold`, unit of the volume. */
  AET_TRACE_THRESHOLD_VALUE = 1,
  /**
   * The lowest valley between two groups in the histogram of the heights of all maxima; where there is one group only,
   * 0.25 times the 99.9 % quantile.
   */
  AET_TRACE_THRESHOLD_HISTOGRAM = 2,
};
typedef int32_t aet_trace_threshold;

/** What became of a candidate: column `flag` of the table of aet_volume_trace. */
enum {
  /** An atom. */
  AET_TRACE_FLAG_ACCEPTED = 0,
  /** The fitted curvature is not that of a maximum. */
  AET_TRACE_FLAG_NOT_A_MAXIMUM = 1,
  /** The fit moved too far from the voxel where it began. */
  AET_TRACE_FLAG_LEFT_ITS_BOX = 2,
  /** Nearer than the minimum distance to a stronger atom. */
  AET_TRACE_FLAG_TOO_CLOSE = 3,
  /** The fit did not come to rest; or what was found in a round of explaining away was too weak after the joint fit. */
  AET_TRACE_FLAG_NOT_CONVERGED = 4,
  /** Outside of the support. */
  AET_TRACE_FLAG_OUT_OF_SUPPORT = 5,
  /** Removed by hand. */
  AET_TRACE_FLAG_REMOVED = 6,
  /** An atom added by hand. */
  AET_TRACE_FLAG_ADDED = 7,
  /** Weaker than the `max_atoms` strongest. */
  AET_TRACE_FLAG_SURPLUS = 8,
};
typedef int32_t aet_trace_flag;

/**
 * Options of aet_volume_trace. Fill with aet_trace_options_init; lengths are in the unit of the voxel size (angstrom).
 */
typedef struct aet_trace_options {
  /** sizeof(aet_trace_options). */
  size_t struct_size;
  /** Standard deviation of the Gaussian smoothing before the search for maxima, voxels; default 1; 0: none. */
  double smoothing;
  /** Smallest distance of two atoms, at least two voxels; 0: two voxels. */
  double minimum_distance;
  /**
   * Smallest height of a candidate, as `thresholding` says; with AET_TRACE_THRESHOLD_PART 0 is 0.25, and with
   * AET_TRACE_THRESHOLD_HISTOGRAM it is not used.
   */
  double threshold;
  /** Most atoms, the strongest are kept; 0: all. */
  int64_t max_atoms;
  /** Atomic number of all atoms; 0: unknown. */
  int32_t species;
  /** Zero. */
  int32_t reserved;
  /** Only atoms where this volume, of the same voxels, is above 0.5, as aet_volume_mask makes it; NULL: everywhere. */
  const aet_volume *support;
  /**
   * Atoms added by hand, `[n,3]` (x, y, z): each is fitted from the place given, where it stays if there is no maximum, and
   * taken before all others, which may not come nearer than the minimum distance. NULL: none.
   */
  const aet_const_view *added;
  /** Places `[n,3]` near which candidates are dropped by hand, before near ones are compared. NULL: none. */
  const aet_const_view *removed;
  /** How near; 0: half the minimum distance. */
  double removal_radius;
  /**
   * Radius of the ball that is fitted; 0: 3.5 / 3 voxels for AET_TRACE_METHOD_POLYNOMIAL as published, and half the
   * minimum distance, but 2 to 6 voxels, for AET_TRACE_METHOD_GAUSSIAN.
   */
  double fit_radius;
  /**
   * Smallest height of an atom in what is left, as a part of the height of the threshold above the background; 0: 0.5.
   * It never lies below five times the white noise there.
   */
  double explain_part;
  /** An aet_trace_method. */
  int32_t method;
  /** An aet_trace_threshold. */
  int32_t thresholding;
  /** 1: fitted Gaussians have a width along each axis. */
  int32_t anisotropic;
  /**
   * Rounds of explaining away at most: Gaussians of all atoms are fitted together and subtracted, and what is left is
   * searched for more; 0: none.
   */
  int32_t explain_rounds;
} aet_trace_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_trace_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_trace_options_init(aet_trace_options *options, size_t struct_size);

/**
 * Traces the atoms of the volume: Gaussian smoothing; voxels above the threshold that are not below any of their 26
 * neighbours are candidates; each gets a sub-voxel position; the strongest is accepted and closes the ball of the minimum
 * distance to all others, and so on. `*atoms` has the accepted ones, the strongest first (those added by hand before
 * them), with heights (values of the smoothed volume; of Gaussians the height above the background), standard errors for
 * white noise and, where Gaussians were fitted, widths B. The outermost voxels hold none. The result does not depend on
 * the number of threads. `options` and `progress` may be NULL.
 *
 * With `explain_rounds`, Gaussians of all atoms are fitted together and subtracted, what is left is smoothed and searched
 * for more, and so on until nothing is found: weak atoms in the tails of strong ones, and two atoms with a single maximum.
 * Positions, heights and widths are then those of the joint fit.
 *
 * `*candidates` (NULL: not wanted) has a row per candidate: `x`, `y`, `z` (A), `curvature_1`, `_2`, `_3` (eigenvalues, the
 * lowest first; unit of the volume per A^2; NaN for Gaussians), `width_x`, `_y`, `_z` (B in A^2, NaN where no Gaussian was
 * fitted), `standard_error_x`, `_y`, `_z` (A), `height`, `flag` (an aet_trace_flag), `round` (of explaining away, 0: a
 * maximum of the volume), `residual` (root mean square of what the fit does not follow), `iterations`; and the values
 * `threshold`, `background` (median of the smoothed volume) and `noise` (standard deviation of white noise per voxel).
 *
 * AET_ERROR_EMPTY for a constant volume, and where no voxel rises above the threshold or no candidate is accepted,
 * AET_ERROR_SHAPE for a support of another shape or places that are not `[n,3]`, AET_ERROR_INCONSISTENT for a support with
 * other voxels, AET_ERROR_RANGE (a minimum distance below two voxels, places outside of the volume),
 * AET_ERROR_UNKNOWN_OPTION; AET_CANCELLED, then without results. Any thread; `progress` is called on it.
 */
aet_status aet_volume_trace(const aet_volume *volume,
                            const aet_trace_options *options,
                            aet_progress_fn progress,
                            void *user,
                            aet_atoms **atoms,
                            aet_table **candidates);

/* ---- Classification of atoms ---- */

/** How species are told apart. */
enum {
  /** A mixture of Gaussians of the intensities, by expectation-maximisation. */
  AET_CLASSIFY_METHOD_GAUSSIAN = 0,
  /** The classes of intensities of least squares; probabilities by classes of equal weight and width. */
  AET_CLASSIFY_METHOD_K_MEANS = 1,
  /**
   * Unbiased profiles: from the classes of the mixture, each atom moves to the class whose mean profile, the values
   * at all points of the region, is nearest to its own, until nothing changes. The profile of non-atoms is flat.
   */
  AET_CLASSIFY_METHOD_PROFILE_GLOBAL = 2,
  /**
   * From the classes of AET_CLASSIFY_METHOD_PROFILE_GLOBAL, the same with the mean profiles of the atoms within
   * `radius`.
   */
  AET_CLASSIFY_METHOD_PROFILE_LOCAL = 3,
  /**
   * A mixture of Gaussians of the logarithms, since what a species shows scatters by a part of itself, with an imagined value
   * of each species where it is `expected`: a species of which there are no atoms keeps its place, and few atoms suffice.
   * Without a volume, atoms with widths of their own are told by height times width, which is what they scatter. Has no class
   * of non-atoms.
   */
  AET_CLASSIFY_METHOD_EXPECTED = 4,
};
typedef int32_t aet_classify_method;

/** The points about an atom at which the volume is read, one voxel apart, the central one at the atom. */
enum {
  /** A cube of `region_size` points along each edge, an odd number up to 21. */
  AET_REGION_BOX = 0,
  /** The cube of an odd number of points whose edge is nearest to `region_size` angstrom. */
  AET_REGION_BOX_LENGTH = 1,
  /** All points within `region_size` angstrom. */
  AET_REGION_SPHERE = 2,
};
typedef int32_t aet_region;

/**
 * Options of aet_atoms_classify. Fill with aet_classify_options_init. Lengths are in the unit of the voxel size
 * (angstrom).
 */
typedef struct aet_classify_options {
  /** sizeof(aet_classify_options). */
  size_t struct_size;
  /**
   * Standard deviation of the Gaussian by which the volume is smoothed first; default 0: none. A published chain
   * takes 0.3 angstrom.
   */
  double smoothing;
  /** Size of the region, as aet_region says; 0: automatic, a cube of 5 voxels, as published. */
  double region_size;
  /** Radius of AET_CLASSIFY_METHOD_PROFILE_LOCAL; 0: 10, as published. */
  double radius;
  /** Of the random starts of the mixture; any number. */
  int64_t seed;
  /** Atomic numbers in ascending order of the intensity that is expected, all different; zeros behind the last. */
  int32_t species[8];
  /** 1: there is a class below all species, of what was traced but is no atom; its members are removed. */
  int32_t non_atoms;
  /** An aet_classify_method. */
  int32_t method;
  /** An aet_region. */
  int32_t region;
  /** 1: the smoothed volume is 0 where it is not above its Otsu threshold. */
  int32_t otsu_mask;
  /**
   * How strongly each of the species scatters, for AET_CLASSIFY_METHOD_EXPECTED: ascending, in any unit, zeros behind the last,
   * such as the cross-sections of aet_adf_transfer; all zeros: Z^1.6.
   */
  double expected[8];
} aet_classify_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_classify_options). `species` must be filled in.
 * AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_classify_options_init(aet_classify_options *options, size_t struct_size);

/**
 * Gives atoms their species by the intensities about them: the sum of `volume`, smoothed and masked as the options
 * say, over the region at each sub-voxel position, by trilinear interpolation; where a part of the region lies beyond
 * the faces, the sum over the rest, in proportion. With `volume` NULL by the heights of the atoms, and then without
 * smoothing, mask, region and profiles. The result depends on the options and the seed, not on the number of threads.
 *
 * `*classified`: the atoms that are none of the non-atoms, in their order, with species and its probability; all other
 * columns stay. `*table`: one row per atom of the input, with the columns `intensity`; `inside`, the part of the
 * region in the volume; `class`, 0 for non-atoms and from 1 on the species in their order; `species`, 0 for non-atoms;
 * `probability` of the class; `probability_1`, `probability_2`, ... of each species and, with non-atoms,
 * `probability_0`. Its histogram of `intensity` by `class` is the picture of the classification. `*classes`: one row
 * per class, with `class`, `species`, `count`, and of its intensities `mean`, `sigma` and `fraction` (the weight in
 * the mixture, else the part of the atoms); its values are `iterations`, `converged` (1 or 0), `log_likelihood` and
 * `bic` of mixtures, `otsu_threshold` where there is a mask, and `background`, the level of the flat profile of
 * non-atoms. Each of the three places may be NULL: not wanted. `options` are required, because species have no
 * default; `progress` may be NULL.
 *
 * AET_ERROR_EMPTY without species and where all are non-atoms; AET_ERROR_INCONSISTENT for one species without
 * non-atoms, which leaves nothing to tell apart, for `expected` strengths that do not ascend, are not as many as species or belong
 * to another method, for a species that stands there twice, for more classes than distinct
 * intensities, for atoms outside of the volume and for a constant volume; AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION;
 * AET_ERROR_NOT_READY for atoms without heights and AET_ERROR_UNSUPPORTED for profiles and masks where there is no
 * volume; AET_ERROR_MEMORY; AET_CANCELLED, then without results. Any thread; `progress` is called on it, not without a
 * volume.
 */
aet_status aet_atoms_classify(const aet_atoms *atoms,
                              const aet_volume *volume,
                              const aet_classify_options *options,
                              aet_progress_fn progress,
                              void *user,
                              aet_atoms **classified,
                              aet_table **table,
                              aet_table **classes);

/* ---- Tracing with a lattice ---- */

/** What became of a site of a lattice. */
enum {
  /** It has an atom. */
  AET_SITE_STATE_FOUND = 0,
  /** It has an atom, farther from it than `displaced`. */
  AET_SITE_STATE_DISPLACED = 1,
  /** Missing: the maximum above it belongs to a site that is nearer to it. */
  AET_SITE_STATE_MERGED = 2,
  /** Missing: its maximum is below `threshold`. */
  AET_SITE_STATE_WEAK = 3,
  /** Missing: there is no maximum within `reach`. */
  AET_SITE_STATE_LOST = 4,
};
typedef int32_t aet_site_state;

/**
 * Options of aet_volume_trace_lattice. Fill with aet_lattice_options_init; 0 means automatic where nothing else is said.
 * Lengths are in the unit of the voxel size, angstrom.
 */
typedef struct aet_lattice_options {
  /** sizeof(aet_lattice_options). */
  size_t struct_size;
  /** Lattice vectors a, b, c of the crystal, one after the other, right-handed; all 0: the edges of its atoms' cell. */
  double vectors[9];
  /**
   * Rotation R of the crystal to start from, row by row, p = R r; all 0: all rotations are looked at, and of those that
   * symmetry makes equal the smallest is taken.
   */
  double rotation[9];
  /** Largest angle to the given rotation, at most 180 degrees; 0: 10. */
  double rotation_within_deg;
  /**
   * Middle (x, y, z), from the specimen origin, of the cube whose spectrum is taken; all 0: that of the mask, or the
   * origin.
   */
  double region_centre[3];
  /** Edge of that cube, at most 320 voxels; 0: 320 voxels, or the volume. */
  double region_edge;
  /** Standard deviation of the smoothing, voxels, at most 10; default 1; 0: none. */
  double smoothing;
  /**
   * Standard deviation of the Gaussian whose average is taken away as the slowly varying part; 0: 0.75 of the longest
   * period of the crystal that scatters strongly.
   */
  double background;
  /** A maximum farther from its site is another's; 0: the distance of neighbouring sites. */
  double reach;
  /** An atom farther from its site is displaced; 0: a quarter of the distance of neighbouring sites. */
  double displaced;
  /** Smallest height of an atom as a part of the median height of its species, at most 1; 0: 0.25. */
  double threshold;
  /** Atomic number of the sites that are traced; 0: all. */
  int32_t species;
  /** 1: no slowly varying part is taken away. */
  int32_t keep_background;
} aet_lattice_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_lattice_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_lattice_options_init(aet_lattice_options *options, size_t struct_size);

/**
 * Traces a volume with the help of a lattice, where the contrast varies too much for one threshold. `crystal` holds the
 * atoms of one cell, at most 2048, with an orthogonal cell or with `vectors` in the options. It is registered to the
 * volume, p = F r + t for a point r of the crystal: F by least squares from the Bragg peaks of the flattened volume's
 * spectrum, t from their phases, and both by Newton's method on the sum of the flattened volume over the sites, weighted by
 * atomic number. From every site of the lattice the nearest maximum is then climbed voxel by voxel; the maximum of the
 * parabola there is the atom. A maximum that several sites lead to belongs to the one nearest to it. Only sites in `mask`
 * (voxels of 0.5 and more) count, where it is not NULL; else all but for the three outermost voxels.
 *
 * `atoms`, where not NULL, takes the atoms of found and displaced sites, in their order, with species and heights (those of
 * the flattened volume). `sites`, where not NULL, takes a table, one row per site: `cell_a`, `cell_b`, `cell_c`, `basis`
 * (index of the atom in `crystal`), `species`, `site_x`, `site_y`, `site_z` (A), `state` (an aet_site_state), the maximum
 * `x`, `y`, `z` (A), `dx`, `dy`, `dz`, `displacement` (A) from site to maximum, `height`, all NaN for lost sites, and
 * `atom`, the index of the atom, NaN for missing ones. Its values: `sites`, `found`, `displaced`, `merged`, `weak`, `lost`,
 * `found_fraction` (found and displaced sites), `mean_dx`, `mean_dy`, `mean_dz` (means of |dx|, |dy|, |dz| over the atoms,
 * A), `mean_displacement` (A); of F = R (1 + strain) `rotation_xx` to `rotation_zz` and, in the frame of the crystal,
 * `strain_xx`, `strain_yy`, `strain_zz`, `strain_yz`, `strain_xz`, `strain_xy`; the shortest t, `shift_x`, `shift_y`,
 * `shift_z` (A); `bragg_peaks` that lie on reflections, their rms distance `bragg_error` (1/A), and `phase_agreement`, at
 * most 1. `options` and `progress` may be NULL. The result does not depend on the number of threads.
 *
 * AET_ERROR_NOT_READY for a crystal without a cell, AET_ERROR_EMPTY without Bragg peaks that fit the crystal, and where no
 * site lies in the mask or none has a maximum, AET_ERROR_INCONSISTENT for a constant volume, a rotation that is none, atoms
 * of the crystal that coincide, a mask with other voxels, AET_ERROR_SHAPE for a mask of another shape and a volume of fewer
 * than 16 voxels along an axis, AET_ERROR_RANGE for a cell below two voxels, a species that the crystal has not, and
 * options without meaning, AET_ERROR_NON_FINITE, AET_ERROR_MEMORY; AET_CANCELLED. Any thread; `progress` is called on it.
 */
aet_status aet_volume_trace_lattice(const aet_volume *volume,
                                    const aet_atoms *crystal,
                                    const aet_volume *mask,
                                    const aet_lattice_options *options,
                                    aet_progress_fn progress,
                                    void *user,
                                    aet_atoms **atoms,
                                    aet_table **sites);

/* ---- Resolution ---- */

/** Options of aet_volume_shell_correlation. Fill with aet_correlation_options_init; 0 means automatic. */
typedef struct aet_correlation_options {
  /** sizeof(aet_correlation_options). */
  size_t struct_size;
  /** Only frequencies within this angle of `direction` count, at both of its ends, degrees; 0: all directions. */
  double half_angle_deg;
  /** The direction (x, y, z), of any length. */
  double direction[3];
  /** Part f of the volume that the specimen fills, at most 1; 0: 1. */
  double filling;
  /** Number m of asymmetric units of the specimen; 0: 1. */
  double symmetry;
} aet_correlation_options;

/**
 * Resolutions by the thresholds in use, in the unit of the voxel size. NaN: the curve stays above the threshold up to the
 * Nyquist frequency, so that not the data but the voxels are the limit. Infinity: it begins below, the volumes have nothing
 * in common.
 */
typedef struct aet_resolution {
  /** sizeof(aet_resolution), set by the caller. */
  size_t struct_size;
  /** Where the correlation falls below 1/7 (0.143). */
  double one_seventh;
  /** Where it falls below the half-bit threshold. */
  double half_bit;
  /** Where it falls below 1/2. */
  double half;
  /** That of the Nyquist frequency: two voxels. */
  double nyquist;
} aet_resolution;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_correlation_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_correlation_options_init(aet_correlation_options *options, size_t struct_size);

/**
 * Number of shells of a correlation: n / 2 + 1 for n voxels along the longest edge, that of the mean included; 0 for NULL.
 * Any thread.
 */
int64_t aet_volume_shell_count(const aet_volume *volume);

/**
 * The Fourier shell correlation of two volumes, such as those of two half sets:
 * FSC(s) = Re sum F G* / sqrt(sum |F|^2 sum |G|^2) over the frequencies of shell s, round(n |k| voxel size) = s with n
 * voxels along the longest edge; 0 where a volume has nothing in the shell. `mask`, where not NULL, multiplies both first;
 * its edge should be soft, because a hard one correlates by itself. `curve` `[shells,4]`, shells as of
 * aet_volume_shell_count, where not NULL takes per shell the frequency in cycles per unit of the voxel size, FSC, the
 * half-bit threshold (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)) with n = f n(s) / (2 m) (van Heel and Schatz
 * 2005), and the number n(s) of Fourier coefficients of the whole shell, or of its part in the cone. `resolution`, where
 * not NULL, takes where the curve first falls below the thresholds, on the straight line between two shells; shells
 * without coefficients, and for the half-bit threshold those of one independent coefficient, are passed over. `options` and `progress` may be NULL.
 *
 * AET_ERROR_SHAPE and AET_ERROR_INCONSISTENT where shapes or voxel sizes differ, AET_ERROR_EMPTY for a volume of zeros,
 * also under the mask, AET_ERROR_RANGE, AET_ERROR_NON_FINITE for the direction, AET_ERROR_MEMORY; AET_CANCELLED. Any
 * thread; `progress` is called on it.
 */
aet_status aet_volume_shell_correlation(const aet_volume *volume,
                                        const aet_volume *other,
                                        const aet_volume *mask,
                                        const aet_correlation_options *options,
                                        aet_progress_fn progress,
                                        void *user,
                                        const aet_view *curve,
                                        aet_resolution *resolution);

/**
 * Parts the images of the present version into two half sets of every other tilt in use: `half` `[n]`, n images, takes 0
 * for the images of even tilts, counted over the tilts in use in their order, 1 for those of odd ones, and -1 for excluded
 * images. Reconstruct both and compare them with aet_volume_shell_correlation. AET_ERROR_NOT_READY with fewer than two
 * tilts in use, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_dataset_half_sets(const aet_dataset *dataset, int32_t *half, int64_t n);

/* ---- Tomography ---- */

/** How a volume is reconstructed. */
enum {
  /** Gradient descent on the squared residual, with a safe step that is found, not given (RESIRE). */
  AET_TOMOGRAPHY_METHOD_RESIRE = 0,
  /** Simultaneous iterative reconstruction technique: steps weighted by the sums of rows and columns. */
  AET_TOMOGRAPHY_METHOD_SIRT = 1,
  /** Simultaneous algebraic reconstruction technique: an update per view, or per `subset_size` views. */
  AET_TOMOGRAPHY_METHOD_SART = 2,
  /** Algebraic reconstruction technique: an update per ray (Kaczmarz). */
  AET_TOMOGRAPHY_METHOD_ART = 3,
  /** Conjugate gradients on the normal equations; cannot keep values to bounds. */
  AET_TOMOGRAPHY_METHOD_CGLS = 4,
  /** Filtered back-projection for one tilt axis, weighted for uneven angles. */
  AET_TOMOGRAPHY_METHOD_FBP = 5,
  /** Back-projection with exact weights for any views. */
  AET_TOMOGRAPHY_METHOD_WBP = 6,
  /** Iterations between volume and Fourier space, where the views have measured it (GENFIRE). */
  AET_TOMOGRAPHY_METHOD_GENFIRE = 7,
  /** Equally sloped tomography: the same on the lines of the views, for one tilt axis along x or y. */
  AET_TOMOGRAPHY_METHOD_EST = 8,
  /** RESIRE through the transform of the volume, as published first; the exact adjoint all the same. */
  AET_TOMOGRAPHY_METHOD_RESIRE_FOURIER = 9,
};
typedef int32_t aet_tomography_method;

/** What is taken off the images before a volume is reconstructed. */
enum {
  /**
   * From every image its own: the 5 % quantile of the means over squares of 8 x 8 pixels. A positive volume cannot
   * explain an offset beside the specimen.
   */
  AET_BACKGROUND_AUTOMATIC = 0,
  /** Nothing. */
  AET_BACKGROUND_NONE = 1,
};
typedef int32_t aet_background;

/** Window on the ramp of filtered back-projection; q is the frequency relative to Nyquist's. */
enum {
  /** 1 */
  AET_RAMP_WINDOW_RAM_LAK = 0,
  /** sin(pi q / 2) / (pi q / 2) */
  AET_RAMP_WINDOW_SHEPP_LOGAN = 1,
  /** cos(pi q / 2) */
  AET_RAMP_WINDOW_COSINE = 2,
  /** 0.54 + 0.46 cos(pi q) */
  AET_RAMP_WINDOW_HAMMING = 3,
  /** 0.5 + 0.5 cos(pi q) */
  AET_RAMP_WINDOW_HANN = 4,
};
typedef int32_t aet_ramp_window;

/** Which tilts take part. */
enum {
  /** All. */
  AET_VIEW_SUBSET_ALL = 0,
  /** The first, third, ... tilt in use: one half set for Fourier shell correlation. */
  AET_VIEW_SUBSET_EVEN = 1,
  /** The second, fourth, ...: the other half set. */
  AET_VIEW_SUBSET_ODD = 2,
};
typedef int32_t aet_view_subset;

/** How views and points of the Fourier space meet in GENFIRE and RESIRE_FOURIER. */
enum {
  /**
   * GENFIRE: from slices nearer than the cutoff, the transform of the view at the foot of the point ("DFT").
   * RESIRE_FOURIER: interpolation among four points along each axis, its weakening corrected.
   */
  AET_GRIDDING_EXACT = 0,
  /**
   * GENFIRE: from the samples of the padded views' transforms that lie nearer than the cutoff ("FFT"). RESIRE_FOURIER:
   * interpolation between two points along each axis, as published (oversampling 3 there).
   */
  AET_GRIDDING_NEAREST = 1,
};
typedef int32_t aet_gridding;

/** Which frequencies GENFIRE imposes in the course of its iterations. */
enum {
  /** From low ones to all. */
  AET_RESOLUTION_SCHEDULE_EXTENSION = 0,
  /** All measured ones, always. */
  AET_RESOLUTION_SCHEDULE_OFF = 1,
  /** From all to low ones. */
  AET_RESOLUTION_SCHEDULE_SUPPRESSION = 2,
  /** Extension, then suppression: the published default. */
  AET_RESOLUTION_SCHEDULE_BOTH = 3,
};
typedef int32_t aet_resolution_schedule;

/** Which iterate GENFIRE and EST return. */
enum {
  /** The one with the smallest error. */
  AET_ITERATE_BEST = 0,
  /** The last one. */
  AET_ITERATE_LAST = 1,
};
typedef int32_t aet_iterate;

/**
 * Options of aet_recon_create_tomography and aet_volume_reconstruct. Fill with aet_tomography_options_init; 0 and NULL
 * mean automatic where it is said.
 */
typedef struct aet_tomography_options {
  /** sizeof(aet_tomography_options). */
  size_t struct_size;
  /** Volume to start from, in the unit of the images per voxel; NULL: zeros. */
  const aet_volume *initial;
  /** Where this volume is 0 the result is 0; NULL: everywhere is allowed. */
  const aet_volume *support;
  /** Weight of each image in the sum over images, `[n_image_weights]`, 0 or above; NULL: 1 each. */
  const double *image_weights;
  /** 0, or the number of images of the dataset. */
  int64_t n_image_weights;
  /**
   * Voxels along z; 0: as many as the longer side of the images has pixels. Give all three numbers or none. The volume
   * may be larger than the images (films) or smaller.
   */
  int64_t nz;
  /** Voxels along y. */
  int64_t ny;
  /** Voxels along x. */
  int64_t nx;
  /** Views per update of SART; 0: 1. */
  int64_t subset_size;
  /** Which views are held out: another number draws others. */
  int64_t seed;
  /** Edge of a voxel in the length unit of the dataset, at most a pixel; 0: a pixel. */
  double voxel_size;
  /**
   * Length of steps, below 2. 0: of RESIRE 1.9 relative to 1 / (largest eigenvalue of A* A), of SIRT 1, of both 1 where
   * accelerated; of SART and ART 0.3.
   */
  double relaxation;
  /** Largest value of a voxel, not with GENFIRE and EST; 0: none. */
  double upper_bound;
  /**
   * Part of the views, up to 0.5, that is held out: their R factor is told beside that of the others (column r_free of
   * the history), and a run ends with the best volume when it has not fallen for 5 iterations. 0: none.
   */
  double held_out;
  /** Bytes that the reconstruction may need beside the dataset; 0: no limit. */
  double memory_limit;
  /** Points of the padded transform over voxels along each axis: GENFIRE (0: 2), EST (0: 2), RESIRE_FOURIER (0: 2). */
  double oversampling;
  /** GENFIRE: points of the transform up to which samples or slices count; 0: 0.5. */
  double gridding_cutoff;
  /** GENFIRE: part of the points of the transform, up to 0.5, that is held back for R-free; 0: none. */
  double held_back;
  /**
   * lambda of total variation, sum |(D V)_i|, isotropic: RESIRE and RESIRE_FOURIER. This and the terms below add to
   * the loss in its unit: to the sum of w_i ||A_i V - b_i||^2 / 2 over the views. 0: none, as for all terms.
   */
  double total_variation;
  /** lambda of 1/2 sum V_i^2 (Tikhonov). */
  double tikhonov;
  /** lambda of 1/2 sum |(D V)_i|^2. */
  double tikhonov_gradient;
  /** lambda of sum |V_i|. */
  double soft_threshold;
  /** lambda of sum w_i |V_i| with w_i = (sqrt(y^2 + k z^2 + x^2) / (ny / 2))^p in voxels from the origin. */
  double edge;
  /** p of the edge penalty; 0: 5. */
  double edge_power;
  /** k of the edge penalty; 0: 1. */
  double edge_squeeze;
  /** Standard deviation of a Gaussian blur after every iteration, voxels; 0: none. */
  double blur;
  /** An aet_tomography_method. */
  int32_t method;
  /**
   * Iterations of aet_volume_reconstruct; 0: 50 of RESIRE, 25 of SIRT (100 where not accelerated), 20 of CGLS, 10 of SART,
   * 5 of ART, 100 of GENFIRE (whose schedule is spread over them, so that its runs need it, too), 50 of EST. Runs of an
   * aet_recon are told theirs by aet_run_options.
   */
  int32_t iterations;
  /** 1: extrapolate along former steps, the default; 0: plain steps. RESIRE, RESIRE_FOURIER, SIRT and EST. */
  int32_t accelerated;
  /** 1: voxels stay at 0 or above in methods that can, the default; 0: not. */
  int32_t positivity;
  /** An aet_ramp_window: FBP and WBP. */
  int32_t window;
  /** An aet_background. */
  int32_t background;
  /** An aet_view_subset. */
  int32_t subset;
  /** An aet_gridding: GENFIRE, RESIRE_FOURIER. */
  int32_t gridding;
  /** An aet_resolution_schedule: GENFIRE. */
  int32_t resolution;
  /** GENFIRE: 1: a last stage with all frequencies, the default; 0: the schedule's last. */
  int32_t end_with_all;
  /**
   * GENFIRE: 1: what positivity adds to the sum of the volume is taken off again, the default; 0: not, as published.
   */
  int32_t keep_total;
  /** An aet_iterate: GENFIRE, EST. */
  int32_t iterate;
  /** Iterations of total variation within one step; 0: 20. */
  int32_t inner_iterations;
  /** Zero. */
  int32_t reserved;
} aet_tomography_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_tomography_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_tomography_options_init(aet_tomography_options *options, size_t struct_size);

/**
 * Bytes that a reconstruction of the present version of `dataset` with `options` (NULL: defaults) needs at most beside the
 * dataset. The errors of the options. Any thread.
 */
aet_status aet_tomography_estimate_memory(const aet_dataset *dataset,
                                          const aet_tomography_options *options,
                                          uint64_t *bytes);

/**
 * Creates a reconstruction of a volume from `dataset`. Image i is s_i A_i V + c_i: every voxel of V is shared among the four
 * pixels around its projection, so that the sum of the volume is the sum of every complete image, whatever the voxel
 * size; s_i is 1 and c_i the background at the start. Excluded images and masked pixels take no part; images of a tilt
 * that share their drift are one view. `options` may be NULL. The dataset may be empty: evaluations and runs answer
 * AET_ERROR_NOT_READY until tilts are appended.
 *
 * Blocks of the parameters:
 *
 * - volume [nz,ny,nx]: V, unit of the images per voxel; kept in single precision, free at the start
 * - drift [images,2]: u, v, A
 * - angles [tilts,3]: phi, theta, psi of the order zyx, deg
 * - scale [images]: s
 * - background [images]: c
 *
 * The loss of aet_recon_loss_and_gradient is the sum over images of w_i ||s_i A_i V + c_i - b_i||^2 / (2 n), n used pixels in
 * all, whatever the method, without regularisation; images NULL means those in use that are not held out. Hosts may free
 * the other blocks and drive all of them. aet_recon_step and aet_recon_run
 * iterate the method, on the volume alone; AET_ERROR_UNSUPPORTED while another block is free, and for an optimiser in the
 * options of the run. Every iteration records loss and R factor of the volume from which it was made,
 * extrapolated where it is; when a run has
 * ended, those of its result are known. Get the volume by aet_recon_get_volume, or from a snapshot while it runs.
 *
 * AET_ERROR_UNKNOWN_OPTION, AET_ERROR_RANGE (options), AET_ERROR_UNSUPPORTED (bounds or views held out with methods that
 * cannot), AET_ERROR_SHAPE (volumes, weights), AET_ERROR_EMPTY (a support of zeros, an image whose used pixels are all the
 * same), AET_ERROR_MEMORY, AET_ERROR_FORKED. Any thread.
 */
aet_status aet_recon_create_tomography(const aet_context *context,
                                       const aet_dataset *dataset,
                                       const aet_tomography_options *options,
                                       aet_recon **recon);

/**
 * The volume of the latest state as a new handle. AET_ERROR_UNSUPPORTED for a reconstruction of atoms,
 * AET_ERROR_NON_FINITE where iterations diverged. Any thread, also while a run works.
 */
aet_status aet_recon_get_volume(const aet_recon *recon, aet_volume **volume);

/**
 * The volume when the snapshot was taken, as a new handle; `context` is whose threads work on it. AET_ERROR_UNSUPPORTED for
 * a reconstruction of atoms. Any thread.
 */
aet_status aet_snapshot_get_volume(const aet_context *context, const aet_snapshot *snapshot, aet_volume **volume);

/**
 * Reconstructs a volume from the present version of `dataset` in one call: aet_recon_create_tomography, `iterations` and
 * aet_recon_get_volume, without the object. `options` and `progress` may be NULL; progress tells the norm of b - A V
 * relative to b as loss. Members `initial` and `support` of the options are heeded.
 *
 * AET_CANCELLED where `progress` or aet_context_request_cancel ended it: `*volume` is then the volume of the iterations
 * done, or NULL where not one was. Errors as for aet_recon_create_tomography, and AET_ERROR_NOT_READY without an image in
 * use. Any thread; `progress` is called on it.
 */
aet_status aet_volume_reconstruct(const aet_context *context,
                                  const aet_dataset *dataset,
                                  const aet_tomography_options *options,
                                  aet_progress_fn progress,
                                  void *user,
                                  aet_volume **volume);

/* ---- Atoms from images alone ---- */

/** Where the first guess of a search comes from, where no atoms are given. */
enum {
  /** The peaks of a volume of the images. The default. */
  AET_FIRST_GUESS_VOLUME = 0,
  /**
   * A regular grid of orbitals, denser than atoms, which coarse fits draw to them, as in the papers: no volume comes in
   * between.
   */
  AET_FIRST_GUESS_GRID = 1,
};
typedef int32_t aet_first_guess;

/**
 * Options of aet_dataset_find_atoms. Fill with aet_find_options_init; 0 and NULL mean automatic in all members. Lengths
 * are in the unit of the dataset.
 */
typedef struct aet_find_options {
  /** sizeof(aet_find_options). */
  size_t struct_size;
  /**
   * The model that is fitted; each atom has its own height whatever is said there, and probes become adaptive once the
   * search has settled with rigid ones. NULL: the defaults, and the direct model without a probe.
   */
  const aet_lot_options *fit;
  /**
   * The volume of the first guess, whose shape residual volumes have, too; without `initial` and `support`. NULL: 20
   * iterations of SIRT without positivity, whose noise is alike everywhere and of either sign.
   */
  const aet_tomography_options *tomography;
  /** Atoms nearer than this are one: below the shortest bond; 0: 1.6 angstrom. Required for a dataset in pixels. */
  double minimum_distance;
  /** Standard deviation by which volumes are smoothed; 0: a quarter of the minimum distance. */
  double smoothing;
  /**
   * Smallest peak of the first guess as a part of the 99.9 % quantile of the smoothed volume; 0: the lowest valley in
   * the histogram of the peaks' heights.
   */
  double threshold;
  /**
   * Orbitals lower than this part of the typical height of the lightest species are no atoms; 0: 2.65 standard
   * deviations of the heights below 1, within 0.4 and 0.55.
   */
  double weak;
  /** Fits at most; 0: 12. */
  int32_t max_cycles;
  /** Iterations of each fit; 0: 40. */
  int32_t fit_iterations;
  /** Atomic number of all atoms; 0: as `elements` says. */
  int32_t species;
  /**
   * 1: the model of `fit` is used whatever the images say; 0: the first guess is fitted by the direct model, too, and the
   * one that follows the images better goes on.
   */
  int32_t keep_model;
  /**
   * 1: the orbital of `fit` is the shape of the atoms; 0: the images tell it, from the second fit on, as
   * aet_recon_fit_orbital does.
   */
  int32_t keep_orbital;
  /** An aet_first_guess; AET_ERROR_INCONSISTENT for a grid and `start`. */
  int32_t first_guess;
  /**
   * Atomic numbers `[n]` of several species, the weakest scatterer first: the heights tell which atom is which. NULL:
   * `species`, and where that is 0 the elements that the dataset's metadata name as `elements`, in the order of their
   * numbers; else one unknown species.
   */
  const aet_const_view *elements;
  /** The first guess, with species of `elements`, instead of what is traced in a volume. NULL: none. */
  const aet_atoms *start;
  /** Atoms lie only where this volume, of the voxels of `tomography`, is above 0.5. NULL: everywhere. */
  const aet_volume *support;
  /**
   * Names of blocks, between commas, that are fitted beside positions, heights, widths and backgrounds, such as
   * "drift,scale", as aet_recon_freeze takes them. NULL: none.
   */
  const char *free;
  /**
   * Orbitals higher than this many times the typical height of the heaviest species are two atoms; 0: 3.5 standard
   * deviations of the heights above 1, at least 1.6; infinity: none are.
   */
  double split;
  /**
   * Atoms further than this from all others are noise; 0: twice the median distance of nearest neighbours, at least 2.5
   * times the minimum distance; infinity: none are.
   */
  double isolation;
  /**
   * The part of the tilts, 0 to 0.5, that is held out to tell whether the atoms of the first guess should move, and which
   * else stay where they were traced; 0: none, they move.
   */
  double hold_out;
  /**
   * Distance of the orbitals of a grid, d_est of the papers: at least a pixel; 0: 1 angstrom. Required for a grid and a
   * dataset in pixels. The grid fills the volume that `tomography` describes, within `support`, where all
   * images that see a place show the specimen; its memory counts against `memory_limit` of `fit` and of `tomography`.
   */
  double grid_spacing;
  /**
   * The defocus of every section is looked for up to so many angstrom from the recorded one, as aet_recon_scan_defocus does,
   * and fitted from there on; 0: it is as recorded. The values `defocus_0`, `defocus_1`, ... (angstrom) of the table of cycles
   * tell the corrections found. The rigid model is then kept.
   */
  double defocus_range;
} aet_find_options;

/**
 * Sets all members to their defaults; `struct_size` is sizeof(aet_find_options). AET_ERROR_NULL,
 * AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_find_options_init(aet_find_options *options, size_t struct_size);

/**
 * Finds the atoms of the images. A volume of the images is traced, or `start` is taken; local orbitals are fitted to the
 * images; their heights tell the species; weak and lonely ones are dropped, near ones merged, those far too high parted; a
 * volume of the images minus the fit shows atoms that are missing; and so on until next to nothing changes. The atoms carry
 * heights, widths and, of several species, probabilities. Start aet_recon_create_lot from them for a final fit with error
 * bars. `probe` is needed by the rigid model; NULL: the direct one. `options` and `progress` may be NULL; progress tells the
 * cycle as iteration. `*traced`, where `traced` is not NULL, is the first guess; `*cycles`, where `cycles` is not NULL, has
 * one row per fit with columns `atoms`, `dropped`, `lonely`, `merged`, `split`, `added`, `reclassified`, `loss`, `r_factor`,
 * and the value `r_factor_traced` of the first guess; the coarse fits of a grid come first. `*decisions`, where `decisions` is
 * not NULL, has one row per orbital that came, went or changed, in the order of the decisions: columns `cycle` (row of
 * `cycles`, from 1), `kind` (1 weak, 2 outside of every image or of the support, 3 lonely, 4 merged, 5 split, 6 added,
 * 7 reclassified), `orbital` (its number in that fit; of an added one in the next), `x`, `y`, `z`, `height`, `partner` (the
 * orbital of that fit that took a merged one up, or the other half, in the next fit, of one that was split; else NaN) and
 * `ratio`: what decided in parts of its limit (height to the least one, distance to the orbital that took it up or to the
 * nearest, height to the largest one, height of a peak to the least, below 1 for a doubtful one), or the probability of the new species. `*orbital`, where `orbital` is not NULL, is the shape of the atoms in
 * the last fit: set it for the final fit, since
 * heights and widths belong to it, with the model and the loss that the values `model` (an aet_lot_model) and `loss` (an
 * aet_loss) of the table name: where `fit` leaves the loss open, and images without negative values have neither counts nor
 * variances, that of counts is used where the squares of
 * what a fit leaves grow with the intensity. The value `moved` is 0 where held-out images did not bear out what a fit does to the
 * positions: they are then those of the first guess. The result does not depend on the number of threads.
 *
 * AET_OK where next to nothing changed any more, AET_MAX_ITERATIONS where the last cycle still changed something,
 * AET_CANCELLED where `progress` or aet_context_request_cancel ended it: `*atoms` are then those of the last fit, or NULL, as
 * the others, where none was finished. AET_ERROR_EMPTY where nothing looks like an atom, AET_ERROR_NOT_READY without an
 * image in use or, for a dataset in pixels, without minimum_distance, AET_ERROR_INCONSISTENT for more elements than atoms,
 * AET_ERROR_UNKNOWN_OPTION for a block that does not exist, and the errors of aet_volume_reconstruct, aet_volume_trace and
 * aet_recon_create_lot. Any thread; `progress` is called on it.
 */
aet_status aet_dataset_find_atoms(const aet_dataset *dataset,
                                  const aet_probe *probe,
                                  const aet_find_options *options,
                                  aet_progress_fn progress,
                                  void *user,
                                  aet_atoms **atoms,
                                  aet_atoms **traced,
                                  aet_table **cycles,
                                  aet_orbital **orbital,
                                  aet_table **decisions);

/* ---- The recording instrument ---- */

/** What a detector makes of single electrons. */
enum {
  /**
   * Each electron is counted with probability `dqe`, and adds one: a mean of n electrons gives a mean and a variance of
   * dqe n.
   */
  AET_DETECTION_COUNTING = 0,
  /**
   * Each electron adds an amount of mean 1 that varies as a Gamma distribution of variance 1 / dqe - 1: a mean of n
   * electrons gives a mean of n and a variance of n / dqe.
   */
  AET_DETECTION_INTEGRATING = 1,
};
typedef int32_t aet_detection;

/** What lies beyond the edges of an image. */
enum {
  /** Its mirror image, edge pixels repeated. */
  AET_EDGE_MIRROR = 0,
  /** Itself again, as in a periodic simulation cell. */
  AET_EDGE_PERIODIC = 1,
};
typedef int32_t aet_edge;

/**
 * An instrument. Fill with aet_instrument_options_init; the defaults, mostly 0, are a perfect one that changes no bit.
 * Pairs _x, _y are along x' (columns) and y' (rows). Images are in the unit of the ideal ones until the exposure makes
 * them electrons; "image units" are those of the recorded images.
 */
typedef struct aet_instrument_options {
  /** sizeof(aet_instrument_options). */
  size_t struct_size;
  /** Seed of all random numbers. Image i of a seed depends on nothing else. */
  int64_t seed;
  /** Electrons per angstrom^2 and image, for images that are fractions of the beam; 0: any number, no statistics. */
  double dose_per_a2;
  /**
   * Electrons per scan position, or per diffraction pattern; 1 for images that are mean numbers of electrons. 0: as told
   * by the dose; give at most one of the two.
   */
  double electrons_per_position;
  /** Way of the beam over the specimen during one image, angstrom. */
  double drift_x;
  /** The same along y'. */
  double drift_y;
  /** Random walk from row to row: standard deviation at the end of an image per axis, angstrom. */
  double walk;
  /** Standard deviation of the place of each row, angstrom. */
  double row_jitter_x;
  /** The same along y'. */
  double row_jitter_y;
  /** How far the beam lags behind, in +x', where a row starts, angstrom. */
  double flyback;
  /** Distance over which the lag falls to 1 / e, angstrom; required with a flyback. */
  double flyback_decay;
  /** Rotation of the scan from x' to y', degree. */
  double rotation_deg;
  /** Places move along x' by this times y'. */
  double shear;
  /** Relative excess of the scan's length along x'. */
  double stretch_x;
  /** The same along y'. */
  double stretch_y;
  /** Quantum efficiency at zero frequency, 1e-6 to 1; 0: 1. */
  double dqe;
  /**
   * Counting: after each count a pixel is blind for this part of the exposure, 0 to 1, not prolonged by what arrives
   * meanwhile. A mean of n electrons gives n / (1 + n dead_time).
   */
  double dead_time;
  /**
   * `[n]`, n >= 2: transfer of the signal at equally spaced frequencies from 0 to the Nyquist frequency, linear between, 1
   * at 0. NULL: 1, or as the next three say.
   */
  const aet_const_view *mtf;
  /** `[n]`: transfer of the noise. NULL: as noise_blurred says. */
  const aet_const_view *noise_mtf;
  /** Where a Gaussian mtf has fallen to 1 / e, cycles per pixel (the Nyquist frequency is 0.5); 0: none. */
  double mtf_gaussian;
  /** Where an exponential mtf has fallen to 1 / e, cycles per pixel; 0: none. */
  double mtf_exponential;
  /** Weight of the exponential where there are both, between 0 and 1. */
  double mtf_exponential_weight;
  /** Relative standard deviation of the gain from pixel to pixel, the same in all images. */
  double gain_pattern;
  /** Mean dark electrons per pixel and exposure. */
  double dark_current;
  /** Relative standard deviation of the dark current from pixel to pixel, the same in all images. */
  double dark_pattern;
  /** Standard deviation of the read noise, electrons. */
  double read_noise;
  /** Mean dark electrons of a hot pixel beside those of all. */
  double hot_current;
  /** Image units per electron; 0: 1. */
  double gain;
  /** Image units added to every pixel. */
  double offset;
  /** Largest value that can be stored, image units; 0: none. */
  double saturation;
  /** Number of pixels that see no electrons, the same in all images. */
  int64_t dead_pixels;
  /** Number of hot pixels, the same in all images. */
  int64_t hot_pixels;
  /** An aet_detection. */
  int32_t detection;
  /** 1: each electron is blurred, so that the noise has the transfer of the signal; 0: white noise. */
  int32_t noise_blurred;
  /** 1: whole numbers from 0 on; 0: any. */
  int32_t quantized;
  /** An aet_edge, for the scan and the blur. */
  int32_t edge;
} aet_instrument_options;

/**
 * Sets all members to their defaults, those of a perfect instrument; `struct_size` is sizeof(aet_instrument_options).
 * AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
 */
aet_status aet_instrument_options_init(aet_instrument_options *options, size_t struct_size);

/**
 * Creates the dataset that an instrument would have recorded of the ideal images of `dataset`, with the same geometry,
 * labels, exclusions and metadata. In this order: the scan displaces the pixels (cubic B-splines through the image); the
 * exposure makes signals mean numbers of electrons (dose x pixel area x signal), blurred by mtf / noise_mtf; Poisson
 * statistics, quantum efficiency, dead time; blur by noise_mtf; gain of the pixels, dark electrons, read noise, gain,
 * offset, whole numbers, saturation. Then DQE(f) = dqe mtf(f)^2 / noise_mtf(f)^2.
 *
 * Image i takes the numbers i of the seed; the result does not depend on the number of threads. counts_per_unit is
 * 1 / gain where the exposure is limited, else divided by the gain; noise_variance is no longer known unless images are
 * only scaled. The metadata key "instrument" holds the description as JSON. What was applied is given by
 * aet_instrument_copy_truth. `options` and `progress` may be NULL.
 *
 * AET_ERROR_RANGE, AET_ERROR_SHAPE, AET_ERROR_UNKNOWN_OPTION, AET_ERROR_INCONSISTENT for the options,
 * AET_ERROR_UNSUPPORTED for a dose per angstrom^2 of a dataset in pixels, and for masks where images are resampled or
 * blurred; AET_ERROR_EMPTY without images; AET_CANCELLED, then without a dataset. Any thread; `progress` is called on it.
 */
aet_status aet_dataset_record(const aet_dataset *dataset,
                              const aet_instrument_options *options,
                              aet_progress_fn progress,
                              void *user,
                              aet_dataset **recorded);

/**
 * As aet_dataset_record for diffraction patterns or other images outside a dataset: `patterns` `[n,rows,columns]`, of any
 * real element type (taken in single precision), into `out` of the same shape, of any real element type that holds the
 * values. Several scan axes count as one. Pattern i takes the numbers `first` + i of the seed, so that large sets may be
 * recorded part by part with the same result. The scan must be perfect and the exposure in electrons per position:
 * patterns cannot be shifted between scan positions; put the displacements of aet_instrument_copy_truth into the scan of
 * the simulation instead. `options` and `progress` may be NULL.
 *
 * AET_ERROR_NON_FINITE with the place of a bad value, AET_ERROR_UNSUPPORTED for scan options and doses,
 * AET_ERROR_SHAPE, AET_ERROR_DTYPE, and the errors of the options as of aet_dataset_record; AET_CANCELLED, then `out` is as
 * it was. Any thread; `progress` is called on it.
 */
aet_status aet_patterns_record(const aet_context *context,
                               const aet_const_view *patterns,
                               const aet_instrument_options *options,
                               int64_t first,
                               aet_progress_fn progress,
                               void *user,
                               const aet_view *out);

/**
 * Copies what an instrument adds to images of `out`'s rows and columns, of pixels of `pixel_size` angstrom, into `out`:
 * `name` is "displacements" `[rows,columns,2]`, (u along x', v along y') in angstrom, of the beam in image number `image`
 * from where the pixels say it is (the specimen appears shifted the opposite way); or, of any image, "gain"
 * `[rows,columns]`, relative, 0 of dead pixels; "dark" `[rows,columns]`, mean electrons; "defects" `[rows,columns]`,
 * 0 good, 1 dead, 2 hot. `options` may be NULL. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE,
 * AET_ERROR_DTYPE, AET_ERROR_RANGE. Any thread.
 */
aet_status aet_instrument_copy_truth(const aet_instrument_options *options,
                                     double pixel_size,
                                     int64_t image,
                                     const char *name,
                                     const aet_view *out);

/* ---- Options of simulations ---- */

/** Table of electron scattering factors. */
enum {
  /** Lobato and Van Dyck 2014. */
  AET_PARAMETRIZATION_LOBATO = 0,
  /** Kirkland 2010. */
  AET_PARAMETRIZATION_KIRKLAND = 1,
};
typedef int32_t aet_parametrization;

/** How atoms are brought onto the pixels of a potential. */
enum {
  /** Each by its own phase factors: the reference. Time grows as atoms times pixels. */
  AET_PLACEMENT_EXACT = 0,
  /** Spread as narrow Gaussians on a finer grid, with a chosen error: time grows as atoms plus pixels. */
  AET_PLACEMENT_GRIDDING = 1,
};
typedef int32_t aet_placement;

/** What of an atom a slice gets. */
enum {
  /** All of it, in the slice that holds the nucleus. */
  AET_PROJECTION_INFINITE = 0,
  /** What lies between the faces of the slice. */
  AET_PROJECTION_FINITE = 1,
};
typedef int32_t aet_projection;

/** Which spatial frequencies of waves are kept. The edge is soft. */
enum {
  /** Those within a circle of 2/3 of the Nyquist frequency of the larger pixel. */
  AET_BAND_LIMIT_CIRCULAR = 0,
  /** Those up to 2/3 of the Nyquist frequency along each axis: faster. */
  AET_BAND_LIMIT_SQUARE = 1,
  /** All; wide angles then hold what was aliased. */
  AET_BAND_LIMIT_NONE = 2,
};
typedef int32_t aet_band_limit;

/** How finely diffraction patterns are sampled. */
enum {
  /** As the window through which waves travel: patterns are as large as it. */
  AET_PATTERN_SAMPLING_WINDOW = 0,
  /**
   * Twice as finely, at most as the whole cell. The borders of detectors follow their circles better, and that part of
   * the wave which no atom changed is not cut off by the window.
   */
  AET_PATTERN_SAMPLING_PADDED = 1,
};
typedef int32_t aet_pattern_sampling;

/**
 * Options of a simulation. Fill with aet_simulation_options_init and set `energy_ev`; 0 means automatic where it is said.
 */
typedef struct aet_simulation_options {
  /** sizeof(aet_simulation_options). */
  size_t struct_size;
  /** Energy of the electrons, eV; required. */
  double energy_ev;
  /** Largest size of a pixel, angstrom; 0: 0.1, or `rows` and `columns`. The cell gets as many as transform fast. */
  double pixel_size;
  /** Thickness of slices, angstrom; 0: 2. The cell is cut in as few equal slices that are not thicker. */
  double slice_thickness;
  /** Imaginary part of the potential in units of the real one, 0 to 1. */
  double absorption;
  /** Mistilt of the specimen along x, mrad: deeper layers lie towards +x where it is negative. */
  double mistilt_x_mrad;
  /** Mistilt of the specimen along y, mrad. */
  double mistilt_y_mrad;
  /** Largest relative error of any spatial frequency with AET_PLACEMENT_GRIDDING, 1e-12 to 1e-2; 0: 1e-6. */
  double placement_error;
  /** Largest error of the share of a slice with AET_PROJECTION_FINITE, 1e-9 to 1e-2; 0: 1e-6. */
  double projection_error;
  /**
   * PRISM: largest semi-angle of the probes to come, mrad. The plane waves of that aperture travel through the whole
   * cell once, when the simulation is made; scans put probes together of what arrived. 0: each probe travels itself.
   */
  double prism_semiangle_mrad;
  /**
   * Faces of the slices `[slices+1]` along the beam, from 0 to the height of the cell, angstrom; NULL: equal slices.
   */
  const aet_const_view *slice_edges;
  /** Pixels along y; 0: from the pixel size. Give both numbers or none. */
  int64_t rows;
  /** Pixels along x. */
  int64_t columns;
  /**
   * Pixels along y of the window around the probe through which a wave travels; 0: the whole cell. Give both or none.
   */
  int64_t window_rows;
  /** Pixels along x of the window. */
  int64_t window_columns;
  /**
   * PRISM: every f-th plane wave along y and windows of 1 / f of the pixels; divides them. 0: 1, which leaves nothing
   * out.
   */
  int64_t prism_interpolation_y;
  /** PRISM: the same along x. */
  int64_t prism_interpolation_x;
  /** An aet_parametrization. */
  int32_t parametrization;
  /** An aet_placement. */
  int32_t placement;
  /** An aet_projection. */
  int32_t projection;
  /** An aet_band_limit. */
  int32_t band_limit;
  /** An aet_precision of potentials and waves. */
  int32_t precision;
  /** An aet_pattern_sampling. */
  int32_t pattern_sampling;
  /**
   * PRISM: 1 keeps plane waves on the coarsest grid that holds the band limit: about half the memory and work, and an
   * approximation for interpolations above 1.
   */
  int32_t prism_downsampling;
  /** 1: scan positions outside of [0, Lx) x [0, Ly) are AET_ERROR_RANGE; 0: the cell is periodic. */
  int32_t within_cell;
} aet_simulation_options;

/**
 * Pixels of a window for `probe` through the `atoms`, into `rows` and `columns`: room for the geometric spread of the probe
 * at the faces of the cell, with its crossover up to `focus` angstrom from the middle of it, for its rings, and for what
 * scatters to the largest angle. They are those of the cell where nothing smaller will do, and go into `window_rows` and
 * `window_columns` as they are. aet_simulation_window_error measures what a window costs. Sampling comes from `options`,
 * which must not be NULL.
 *
 * AET_ERROR_NOT_READY for atoms without a cell; AET_ERROR_RANGE for `focus`; those of aet_simulation_create for the
 * options. Any thread.
 */
aet_status aet_simulation_choose_window(const aet_atoms *atoms,
                                        const aet_probe *probe,
                                        double focus,
                                        const aet_simulation_options *options,
                                        int64_t *rows,
                                        int64_t *columns);

/**
 * Sets `struct_size` and all defaults, to which the energy must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any
 * thread.
 */
aet_status aet_simulation_options_init(aet_simulation_options *options, size_t struct_size);

/* ---- Simulations ---- */

/** One configuration of atoms, or a potential, ready to be seen by electrons of one energy. Immutable. */
typedef struct aet_simulation aet_simulation;

/**
 * Computes the potential of `atoms` and its transmission functions, T = IFFT[A FFT[exp((i - absorption) sigma V)]] of
 * each slice with the band limit A. The atoms need a cell and known species; their Debye-Waller factors and
 * occupancies count. `options` must not be NULL; `progress` may be. The potential of a slice is the projection of its
 * atoms, V A, from tables of scattering factors; see aet_simulation_options. aet_atoms_close_pairs finds atoms that
 * are given twice.
 *
 * AET_ERROR_NOT_READY for atoms without a cell; AET_ERROR_RANGE with the atom that lies outside of [0, Lz) (across the
 * beam they may lie anywhere) or has no species, and for options outside their range; AET_ERROR_SHAPE for a window larger
 * than the cell; AET_ERROR_UNSUPPORTED for PRISM in a window or with padded patterns; AET_ERROR_MEMORY for a scattering
 * matrix that the system does not grant; AET_ERROR_UNKNOWN_OPTION, AET_ERROR_INCONSISTENT for edges of slices that do not
 * end at the height of the cell; AET_CANCELLED, then without a simulation. Any thread; `progress` is called on it.
 */
aet_status aet_simulation_create(const aet_context *context,
                                 const aet_atoms *atoms,
                                 const aet_simulation_options *options,
                                 aet_progress_fn progress,
                                 void *user,
                                 aet_simulation **simulation);

/**
 * A simulation of a potential of the host's own: `potential` `[slices,rows,columns]` of any real type, projected slice
 * by slice, V A, over a cell of `cell_x` x `cell_y` angstrom. The slices are `slice_thickness` thick (0: 2 angstrom) or
 * lie between the `slice_edges` of the options; those about the sampling, the atoms and their placement must be 0.
 * Gradients with respect to atoms are AET_ERROR_UNSUPPORTED then. `progress` may be NULL.
 *
 * AET_ERROR_NON_FINITE with the place of a bad value, AET_ERROR_SHAPE, AET_ERROR_EMPTY without slices,
 * AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION for the options; AET_CANCELLED, then without a simulation. Any thread;
 * `progress` is called on it.
 */
aet_status aet_simulation_create_from_potential(const aet_context *context,
                                                const aet_const_view *potential,
                                                double cell_x,
                                                double cell_y,
                                                const aet_simulation_options *options,
                                                aet_progress_fn progress,
                                                void *user,
                                                aet_simulation **simulation);

/** Frees a simulation. NULL is left alone. Any thread. */
void aet_simulation_free(aet_simulation *simulation);

/** Number of slices; 0 for NULL. Any thread. */
int64_t aet_simulation_slice_count(const aet_simulation *simulation);

/** Number of atoms; 0 where the simulation was made of a potential, and for NULL. Any thread. */
int64_t aet_simulation_atom_count(const aet_simulation *simulation);

/** Wavelength of the electrons, angstrom; NaN for NULL. Any thread. */
double aet_simulation_wavelength(const aet_simulation *simulation);

/** Pixels of the cell along y and x. AET_ERROR_NULL. Any thread. */
aet_status aet_simulation_shape(const aet_simulation *simulation, int64_t *rows, int64_t *columns);

/**
 * Pixels along y and x of the window through which waves travel: those of the cell where no window was chosen.
 * AET_ERROR_NULL. Any thread.
 */
aet_status aet_simulation_window_shape(const aet_simulation *simulation, int64_t *rows, int64_t *columns);

/**
 * Pixels along y and x of diffraction patterns: those of the window, or of the larger plane that
 * AET_PATTERN_SAMPLING_PADDED samples them on. AET_ERROR_NULL. Any thread.
 */
aet_status aet_simulation_pattern_shape(const aet_simulation *simulation, int64_t *rows, int64_t *columns);

/**
 * Size of a pixel along y and x, angstrom. Diffraction patterns have steps of wavelength / (pixel size x pixels of the
 * pattern) rad; with `prism_downsampling`, whose pixels are coarser, of wavelength x interpolation / length of the cell.
 * AET_ERROR_NULL. Any thread.
 */
aet_status aet_simulation_pixel_size(const aet_simulation *simulation, double *y, double *x);

/**
 * The potential of slice `slice` into `out` `[rows,columns]`, f32 or f64, V A. AET_ERROR_RANGE for a slice that there is
 * not, AET_ERROR_SHAPE, AET_ERROR_DTYPE. Any thread.
 */
aet_status aet_simulation_potential(const aet_simulation *simulation, int64_t slice, const aet_view *out);

/**
 * The wave behind the first `slices` slices (0: all) of an `incident` one `[rows,columns]`, real or complex; NULL: the
 * plane wave 1. `out` `[rows,columns]` is complex. psi <- IFFT[P FFT[T psi]] for each slice, with the propagator
 * P = A exp(-i pi wavelength dz k^2) over its thickness. AET_ERROR_UNSUPPORTED where waves travel through windows,
 * AET_ERROR_NON_FINITE for the incident wave, AET_ERROR_RANGE, AET_ERROR_SHAPE, AET_ERROR_DTYPE; AET_CANCELLED on
 * request. Any thread.
 */
aet_status aet_simulation_exit_wave(const aet_simulation *simulation,
                                    const aet_const_view *incident,
                                    int64_t slices,
                                    const aet_view *out);

/**
 * Bytes that the simulation and a scan with all threads of its context need, results not included, into `bytes`; with
 * pull-backs, too, into `with_gradients`. Either may be NULL. Any thread.
 */
aet_status aet_simulation_memory_estimate(const aet_simulation *simulation,
                                          uint64_t *bytes,
                                          uint64_t *with_gradients);

/**
 * As aet_simulation_memory_estimate before the simulation is created: what aet_simulation_create with these arguments and
 * a scan will need. AET_ERROR_NOT_READY for atoms without a cell, AET_ERROR_RANGE, AET_ERROR_SHAPE,
 * AET_ERROR_UNKNOWN_OPTION. Any thread.
 */
aet_status aet_simulation_estimate_memory(const aet_context *context,
                                          const aet_atoms *atoms,
                                          const aet_simulation_options *options,
                                          uint64_t *bytes,
                                          uint64_t *with_gradients);

/* ---- Scans ---- */

/**
 * The wave of `probe` at (`x`, `y`) angstrom of the cell behind the first `slices` slices (0: all) into `out`
 * `[rows,columns]` of the window, complex. Its first pixel is pixel (`first_row`, `first_column`) of the cell, which is
 * periodic; they may be negative. Either place may be NULL. In the empty cell |FFT psi|^2 sums to 1.
 *
 * AET_ERROR_INCONSISTENT for a probe of another energy; AET_ERROR_RANGE for a semi-angle beyond the band limit, with the
 * largest one and the pixel that would be needed, and for `slices`; AET_ERROR_NON_FINITE, AET_ERROR_SHAPE,
 * AET_ERROR_DTYPE; AET_ERROR_UNSUPPORTED by PRISM; AET_CANCELLED on request. Any thread.
 */
aet_status aet_simulation_probe_exit_wave(const aet_simulation *simulation,
                                          const aet_probe *probe,
                                          double x,
                                          double y,
                                          int64_t slices,
                                          const aet_view *out,
                                          int64_t *first_row,
                                          int64_t *first_column);

/**
 * Number of values that the `n` `detectors` give per position, one after the other, into `count`. Errors are those of
 * aet_simulation_scan for the detectors. Any thread.
 */
aet_status aet_simulation_signal_count(const aet_simulation *simulation,
                                       const aet_detector *const *detectors,
                                       int64_t n,
                                       int64_t *count);

/**
 * Shape of the signal of one detector on the patterns of the simulation: its number of axes, 0 to 2, into `ndim` and their
 * extents into `shape` [2], of which unused ones are 1. Errors are those of aet_simulation_scan for the detector. Any
 * thread.
 */
aet_status aet_simulation_signal_shape(const aet_simulation *simulation,
                                       const aet_detector *detector,
                                       int32_t *ndim,
                                       int64_t *shape);

/**
 * Scans `probe` over `positions` `[n,2]`, (x, y) in the cell, angstrom, in any order and as far out as one likes: the cell
 * is periodic. `out` `[n,count]`, f32 or f64, gets the signals of the `n_detectors` `detectors`, one after the other as
 * they are given (see aet_simulation_signal_count). A pattern |FFT psi|^2 of the empty cell sums to 1, so that signals
 * are fractions of the beam; centres of mass are in 1/angstrom. `progress` may be NULL.
 *
 * AET_ERROR_RANGE for an angle of a detector or a probe beyond the band limit, with the largest one and the pixel that
 * would be needed; AET_ERROR_INCONSISTENT for a probe of another energy; AET_ERROR_EMPTY without positions or
 * detectors and for a detector that covers no pixel; AET_ERROR_NON_FINITE, AET_ERROR_SHAPE, AET_ERROR_DTYPE; AET_CANCELLED,
 * then `out` is untouched. Any thread; `progress` is called on it.
 */
aet_status aet_simulation_scan(const aet_simulation *simulation,
                               const aet_probe *probe,
                               const aet_const_view *positions,
                               const aet_detector *const *detectors,
                               int64_t n_detectors,
                               aet_progress_fn progress,
                               void *user,
                               const aet_view *out);

/**
 * The diffraction patterns of `probe` at `positions` `[n,2]`, (x, y) in the cell, angstrom, into `out` `[n,rows,columns]` of
 * aet_simulation_pattern_shape, f32 or f64: |FFT psi|^2, of sum 1 for the empty cell, row = ky and column = kx with the
 * zero angle at n / 2. Patterns are written as they come, without a second copy. `progress` may be NULL. Errors are those of
 * aet_simulation_scan; after AET_CANCELLED some patterns are written, the others are as they were. Any thread; `progress`
 * is called on it.
 */
aet_status aet_simulation_patterns(const aet_simulation *simulation,
                                   const aet_probe *probe,
                                   const aet_const_view *positions,
                                   aet_progress_fn progress,
                                   void *user,
                                   const aet_view *out);

/**
 * Scans as aet_simulation_scan does, behind the first `exit_slices` `[exits]` slices, rising numbers: specimens that end
 * there, all in one run through the thickest. `out` `[exits,n,count]`, f32 or f64. `progress` may be NULL.
 *
 * AET_ERROR_RANGE for an exit that is not behind the one before, or not behind a slice there is; AET_ERROR_EMPTY without
 * exits; AET_ERROR_UNSUPPORTED for simulations by PRISM and other exits than the one behind all slices; else as
 * aet_simulation_scan. Any thread; `progress` is called on it.
 */
aet_status aet_simulation_thickness_series(const aet_simulation *simulation,
                                           const aet_probe *probe,
                                           const aet_const_view *positions,
                                           const aet_const_view *exit_slices,
                                           const aet_detector *const *detectors,
                                           int64_t n_detectors,
                                           aet_progress_fn progress,
                                           void *user,
                                           const aet_view *out);

/* ---- Gradients of scans ---- */

/**
 * The gradient that goes into aet_simulation_pull_back, and places for those that come out, f32 or f64; NULL: not wanted.
 * Fill with aet_scan_gradients_init.
 */
typedef struct aet_scan_gradients {
  /** sizeof(aet_scan_gradients). */
  size_t struct_size;
  /**
   * dL/dsignal of every position and signal `[n,count]`, of any real type, as aet_simulation_scan gives them; required.
   */
  const aet_const_view *by_signal;
  /** Place for dL/d(x, y) of every position `[n,2]`, 1/angstrom. */
  const aet_view *positions;
  /** Place for dL/dV of every slice and pixel `[slices,rows,columns]`, 1/(V A). */
  const aet_view *potential;
  /** Place for dL/d(x, y, z) of every atom `[atoms,3]`, 1/angstrom; z is 0 with AET_PROJECTION_INFINITE. */
  const aet_view *atom_positions;
  /** Place for dL/dB of every atom `[atoms]`, B its Debye-Waller factor, 1/angstrom^2. */
  const aet_view *debye_waller_b;
  /** Place for dL/d(occupancy) of every atom `[atoms]`. */
  const aet_view *occupancy;
} aet_scan_gradients;

/** Sets `struct_size` and all members to NULL. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread. */
aet_status aet_scan_gradients_init(aet_scan_gradients *gradients, size_t struct_size);

/**
 * The adjoint of aet_simulation_scan: from dL/dsignals of any loss L to its gradients with respect to the scan positions,
 * the potential and the atoms, as the members of `gradients` wish. The waves are computed again, there and back, which
 * costs two to three scans. Probe, positions and detectors are those of the scan. `progress` may be NULL.
 *
 * AET_ERROR_UNSUPPORTED for gradients of atoms where the simulation was made of a potential, AET_ERROR_EMPTY where no
 * gradient is wanted, AET_ERROR_NON_FINITE for `by_signal`, and the errors of aet_simulation_scan; AET_CANCELLED, then all
 * places are untouched. Any thread; `progress` is called on it.
 */
aet_status aet_simulation_pull_back(const aet_simulation *simulation,
                                    const aet_probe *probe,
                                    const aet_const_view *positions,
                                    const aet_detector *const *detectors,
                                    int64_t n_detectors,
                                    const aet_scan_gradients *gradients,
                                    aet_progress_fn progress,
                                    void *user);

/* ---- Atoms on an annular detector ---- */

/**
 * What an annular detector from `inner_mrad` to `outer_mrad` sees of one atom of the element `species` (1 to 103) at
 * `energy_ev`: the cross-section sigma (A^2) into `cross_section`, and into `collected` the part of all that the atom
 * scatters that the detector catches, C of formula (7) of the LOT paper; either may be NULL. A probe of intensity p(r)
 * (1/A^2) at the atom puts the part sigma p of its electrons on the detector; the image of the atom, in fractions of the
 * beam, integrates to sigma; the orbital H exp(-rho^2 / B) that stands for it has H = sigma / (pi B). Taken from
 * exp(i sigma V) of the free atom; convergence beside the inner angle and other atoms are neglected. `parametrization` is
 * an aet_parametrization. AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION. Any thread.
 */
aet_status aet_adf_transfer(double energy_ev,
                            double inner_mrad,
                            double outer_mrad,
                            int32_t parametrization,
                            int32_t species,
                            double *cross_section,
                            double *collected);

/* ---- Simulated tilt series ---- */

/**
 * What a simulated series consists of. Fill with aet_series_options_init and set `rotations` and `foci`; 0 and NULL mean
 * automatic or none.
 */
typedef struct aet_series_options {
  /** sizeof(aet_series_options). */
  size_t struct_size;
  /** `[tilts,3,3]`: proper rotations about the origin of the specimen, p' = R p. Required. */
  const aet_const_view *rotations;
  /**
   * `[n]`: heights z' of the crossover above the origin, angstrom, one image per tilt and focus; the defocus of the probe
   * is added. Required.
   */
  const aet_const_view *foci;
  /**
   * Sampling, slices, potential, window, precision; NULL: defaults. Its energy must be 0 or that of the probe. `rows`
   * and `columns` are those of the cell, which all tilts have in common across the beam. Tilts differ in their height:
   * slices are told by their thickness, `slice_edges` must be NULL. Without a window one is chosen (see `whole_window`).
   */
  const aet_simulation_options *simulation;
  /**
   * What records the signals; NULL: a perfect instrument. A dose per A^2 is that of every image, also where the images
   * are scans of patterns; distortions of the scan are for images only.
   */
  const aet_instrument_options *instrument;
  /** Distance of scan positions along both axes, angstrom; 0: 0.34. */
  double pixel_size;
  /** Vacuum around specimen and scan in the cell, on every side, angstrom; 0: 4. */
  double vacuum;
  /** Standard deviation of the defocus, angstrom; 0: one defocus. */
  double defocus_spread;
  /** Standard deviation of the semi-angle, mrad; 0: one semi-angle. */
  double semiangle_spread_mrad;
  /** Rows of scan positions; 0: so many that all atoms stay within the images in every tilt. */
  int64_t rows;
  /** Columns of scan positions; 0: as for the rows. */
  int64_t columns;
  /** Configurations of frozen phonons in every tilt; 0: none, Debye-Waller factors blur the potential. */
  int64_t phonon_configurations;
  /** Seed of the displacements. Configuration c of tilt t depends on nothing else. */
  int64_t phonon_seed;
  /** Bytes that the run may need; 0: no limit. */
  int64_t memory_cap;
  /** Probes into which a spread of the defocus is divided, 1 to 64; 0: 7. Time grows with their number. */
  int32_t defocus_nodes;
  /** Probes into which a spread of the semi-angle is divided, 1 to 64; 0: 5. Both spreads: all pairs. */
  int32_t semiangle_nodes;
  /**
   * 1: waves travel through the whole cell; 0: through the window of `simulation`, or through one chosen from the spread
   * of the probe and the largest angle.
   */
  int32_t whole_window;
  /** Zero. */
  int32_t reserved;
} aet_series_options;

/**
 * Sets `struct_size` and all defaults, to which rotations and foci must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
 * Any thread.
 */
aet_status aet_series_options_init(aet_series_options *options, size_t struct_size);

/**
 * Simulates a tilt and focus series of `atoms`, whose origin falls on scan position (rows / 2, columns / 2), into
 * `folder` (UTF-8): images of schema aet-tilt-series/1 with an annular `detector`, whose outer angle 0 is the band limit;
 * patterns of schema aet-4dstem-series/1 with a pixelated one. Image number tilt x foci + focus. The probe is the same in
 * all images but for its defocus; its source size blurs across the scan. A cell of the atoms is not used.
 *
 * Finished parts lie in `folder`.partial until the result is complete: the same call goes on where one was cancelled,
 * killed or ran out of disk, and the result is the same to the last bit, whatever the number of threads. `progress` (may be
 * NULL) sees AET_PHASE_SIMULATING, `fraction` of the whole, and where the work stands: tilt, configuration, probe.
 *
 * AET_ERROR_INCONSISTENT for a folder that exists, or a partial one of another series or at work, for a matrix that is no
 * rotation and for an energy of `simulation` that is not that of the probe; AET_ERROR_EMPTY without rotations, foci or
 * atoms; AET_ERROR_NOT_READY for frozen phonons of atoms without Debye-Waller factors; AET_ERROR_RANGE for angles beyond
 * the band limit, with the largest one and the pixel that would be needed; AET_ERROR_SHAPE, AET_ERROR_NON_FINITE;
 * AET_ERROR_UNSUPPORTED for detectors of other kinds or with a sensitivity map; AET_ERROR_MEMORY with the bytes needed and
 * allowed; none of these leaves anything behind. AET_ERROR_FILE; AET_CANCELLED, all finished parts kept. Any thread;
 * `progress` is called on it.
 */
aet_status aet_simulate_series(const aet_context *context,
                               const aet_atoms *atoms,
                               const aet_probe *probe,
                               const aet_detector *detector,
                               const aet_series_options *options,
                               const char *folder,
                               aet_progress_fn progress,
                               void *user);

/**
 * Bytes that aet_simulate_series with these arguments and the threads of `context` needs, into `bytes`; `memory_cap` is
 * not looked at. Errors are those of that function for its arguments. Any thread.
 */
aet_status aet_simulate_series_estimate_memory(const aet_context *context,
                                               const aet_atoms *atoms,
                                               const aet_probe *probe,
                                               const aet_detector *detector,
                                               const aet_series_options *options,
                                               uint64_t *bytes);

/* ---- Probes of a local-orbital reconstruction ---- */

/**
 * Creates a reconstruction with other options that goes on from the latest state of `recon`: its atoms, geometry, optics and
 * intensities, and what is frozen, as far as the new model has it. So direct, rigid and adaptive follow each other: fit the
 * defocus and other blocks of the optics with the rigid model, then the pixels of the probes. Those begin as the optics say, or
 * are those of `recon` where it has some. Iterations count from 0; terms of the host stay behind. `options` NULL: the defaults.
 *
 * AET_ERROR_UNSUPPORTED for a reconstruction without orbitals; otherwise as for aet_recon_create_lot. Any thread.
 */
aet_status aet_recon_continue_lot(const aet_recon *recon,
                                  const aet_lot_options *options,
                                  aet_recon **next);

/**
 * Looks for the defocus of every section where nothing is known of it: images of the part `tilts` (0 to 1; 0: 0.25) of the
 * tilts are calculated with equal corrections from -range to range (angstrom; 0: 60) in steps of `step` (0: 6), and each
 * section takes the one, refined by a parabola, that leaves the least squares once scale and background of each image are
 * fitted. Sets block `defocus`; all else stays, and the optimiser starts afresh. Free the block then for the last angstroms.
 * `table` (NULL: none) has a row per section and value: `section`, `defocus` (correction, angstrom), `misfit` (squares left, as
 * a part of the variance of the images).
 *
 * AET_ERROR_UNSUPPORTED unless the model is rigid, AET_ERROR_RANGE, AET_ERROR_NOT_READY without images, AET_ERROR_BUSY during a
 * run, AET_CANCELLED: nothing is changed. Any thread; `progress` is called on it.
 */
aet_status aet_recon_scan_defocus(aet_recon *recon,
                                  double range,
                                  double step,
                                  double tilts,
                                  aet_progress_fn progress,
                                  void *user,
                                  aet_table **table);

/**
 * How the probes of the latest state spread along the beam, for the first image of every section: columns `section`, `image`,
 * `depth` (angstrom), `sum` (1: all intensity), `x`, `y` (first moment, angstrom), `half_radius` (angstrom: half of the intensity
 * lies within) and `peak` (part of the intensity in the brightest pixel). The values `focus_0`, `focus_1`, ... (angstrom) are the
 * depths of the least half radius in each section: where its crossover lies, NaN where that is not between the first and the last
 * depth. AET_ERROR_UNSUPPORTED for the direct model and for
 * reconstructions without orbitals. Any thread.
 */
aet_status aet_recon_probe_table(const aet_recon *recon,
                                 aet_table **table);

/**
 * Copies the probes of image `image` at the latest state: `depths` [slices] in angstrom and `probes` [slices,side,side], the
 * intensities of pixels around the beam, any real element types that hold them. Both may be NULL: then only the numbers
 * `slices` and `side` are set. AET_ERROR_UNSUPPORTED as for aet_recon_probe_table, AET_ERROR_RANGE for an image that does not
 * exist, AET_ERROR_SHAPE. Any thread.
 */
aet_status aet_recon_probe_images(const aet_recon *recon,
                                  int64_t image,
                                  int64_t *slices,
                                  int64_t *side,
                                  const aet_view *depths,
                                  const aet_view *probes);

/* ---- Means over ensembles ---- */

/** What signals are means over. Fill with aet_ensemble_options_init; zeros: atoms at rest, a coherent beam. */
typedef struct aet_ensemble_options {
  /** sizeof(aet_ensemble_options). */
  size_t struct_size;
  /** Standard deviation of the defocus, angstrom. */
  double defocus_spread;
  /** Standard deviation of the semi-angle, mrad. */
  double semiangle_spread_mrad;
  /** Configurations of displaced atoms (frozen phonons); 0: none, Debye-Waller factors blur the potential. */
  int64_t phonon_configurations;
  /** Seed of the displacements; configuration i of a seed is the same however many there are. */
  int64_t phonon_seed;
  /** Probes into which a spread of the defocus is divided, 1 to 64; 0: 7. Time grows with their number. */
  int32_t defocus_nodes;
  /** Probes into which a spread of the semi-angle is divided, 1 to 64; 0: 5. Both spreads: all pairs. */
  int32_t semiangle_nodes;
} aet_ensemble_options;

/** Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread. */
aet_status aet_ensemble_options_init(aet_ensemble_options *options, size_t struct_size);

/**
 * Scans as aet_simulation_scan does and writes the mean over an ensemble into `mean` `[n,count]`, f32 or f64: with frozen
 * phonons, over simulations of displaced atoms with the options of this one, as the Debye-Waller factors of its atoms
 * tell; over defocus and semi-angle by Gauss-Hermite quadrature, in intensity. `standard_error`, alike or NULL, gets the
 * standard errors of the means over the configurations, NaN for fewer than two. `options` and `progress` may be NULL.
 *
 * AET_ERROR_NOT_READY for frozen phonons of atoms without Debye-Waller factors; AET_ERROR_UNSUPPORTED for those of a
 * simulation that was made of a potential; AET_ERROR_RANGE for a spread or number of nodes outside its range; else as
 * aet_simulation_scan. After AET_CANCELLED both outputs are untouched. Any thread; `progress` is called on it.
 */
aet_status aet_simulation_scan_ensemble(const aet_simulation *simulation,
                                        const aet_probe *probe,
                                        const aet_const_view *positions,
                                        const aet_detector *const *detectors,
                                        int64_t n_detectors,
                                        const aet_ensemble_options *options,
                                        aet_progress_fn progress,
                                        void *user,
                                        const aet_view *mean,
                                        const aet_view *standard_error);

/**
 * What the window of a simulation of atoms costs: the signals of `detectors` at `positions` `[n,2]` (a few that matter)
 * through it against those through one of twice the size, or the whole cell where that is smaller. `largest` gets the
 * largest difference of any signal, `relative` the same over the largest signal; either may be NULL, as may `progress`.
 *
 * AET_ERROR_UNSUPPORTED for a simulation without window or of a potential; else as aet_simulation_scan. Any thread;
 * `progress` is called on it.
 */
aet_status aet_simulation_window_error(const aet_simulation *simulation,
                                       const aet_probe *probe,
                                       const aet_const_view *positions,
                                       const aet_detector *const *detectors,
                                       int64_t n_detectors,
                                       aet_progress_fn progress,
                                       void *user,
                                       double *largest,
                                       double *relative);

/**
 * The atoms in configuration `number` of frozen phonons of a seed: displaced by independent normal displacements, as
 * their Debye-Waller factors tell, without these, for which the displacements stand. Those that would leave a cell
 * through its entrance or exit face stay on it; across the beam atoms may leave it. The same on every machine, whatever
 * else is drawn. AET_ERROR_NOT_READY without Debye-Waller factors, AET_ERROR_RANGE. Any thread.
 */
aet_status aet_atoms_displace(const aet_atoms *atoms, int64_t seed, int64_t number, aet_atoms **changed);

/* ---- Files of volumes ---- */

/**
 * Reads a volume from a file. Its first bytes, not its name, tell the format:
 *
 * - MRC: modes 0, 1, 2, 6 and 12, either byte order, any extended header, axes in any order.
 * - npy: real numbers of any type, either byte order and memory order, `[z,y,x]`.
 * - TIFF: pages along z, rows along y, columns along x, of integers or floats; voxel size as ImageJ writes it.
 * - MAT files of level 5, compressed or not, of level 7.3 and of Octave (-hdf5): the only numeric variable of three
 *   axes, A(y,x,z): what MATLAB shows as A is what aet_volume_copy_to gives it. Programs that call the first index x
 *   (GENFIRE, RESIRE) have y and x exchanged. Voxel size: the scalar `voxel_size` (angstrom) beside it, if any.
 * - HDF5: the data of an EMD group, with the voxel size and the order of axes that its `dim` vectors tell, else the only
 *   numeric array of three axes, `[z,y,x]`, with a scalar `voxel_size` (angstrom) beside it, if any.
 *
 * `path` is UTF-8. `voxel_size` replaces that of the file, angstrom; 0: that of the file. `progress` may be NULL.
 * AET_ERROR_FILE; AET_ERROR_FORMAT where no format is recognised and for damaged files; AET_ERROR_TRUNCATED;
 * AET_ERROR_UNSUPPORTED, AET_ERROR_DTYPE and AET_ERROR_SHAPE for complex numbers, colour, text and other numbers of axes;
 * AET_ERROR_EMPTY and AET_ERROR_INCONSISTENT where a file holds no volume or several, or voxels are no cubes;
 * AET_ERROR_NOT_READY where the size of voxels is told nowhere; AET_ERROR_NON_FINITE; AET_ERROR_RANGE; AET_ERROR_MEMORY;
 * AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
 */
aet_status aet_volume_read(const aet_context *context,
                           const char *path,
                           double voxel_size,
                           aet_progress_fn progress,
                           void *user,
                           aet_volume **volume);

/**
 * aet_volume_read for files with several arrays: `name` is that of a variable (MAT), the path of an array or the name of
 * an EMD group (HDF5); NULL: the only volume of the file. AET_ERROR_UNKNOWN_OPTION with the names that there are;
 * AET_ERROR_UNSUPPORTED for formats whose arrays have no names.
 */
aet_status aet_volume_read_named(const aet_context *context,
                                 const char *path,
                                 const char *name,
                                 double voxel_size,
                                 aet_progress_fn progress,
                                 void *user,
                                 aet_volume **volume);

/**
 * Writes the volume as a file of floats. The ending of its name tells the format:
 *
 * - `.mrc`, `.map`, `.rec`, `.st`, `.ali`, `.mrcs`: MRC2014, with the voxel size, and the origin at voxel n / 2 so that
 *   atoms lie where they are in other programs, too.
 * - `.npy`: `[z,y,x]`; the format has no voxel size.
 * - `.tif`, `.tiff`: pages along z, rows along y, columns along x; voxel size as ImageJ has it.
 * - `.mat`: the variable `volume`, A(y,x,z), and the scalar `voxel_size` (angstrom); level 5, which every MATLAB and
 *   Octave loads, and from 2 GiB on level 7.3, as MATLAB itself wants it.
 * - `.emd`, `.h5`, `.hdf5`: HDF5 by the rules of Berkeley's EMD 0.2: `/data/volume/data` `[z,y,x]` and `dim1` (z) to
 *   `dim3` (x) in nm.
 *
 * The file appears when it is complete. `path` is UTF-8; `progress` may be NULL. AET_ERROR_UNKNOWN_OPTION for other
 * endings, AET_ERROR_RANGE for volumes that the format cannot hold, AET_ERROR_FILE; AET_CANCELLED, then nothing is left
 * behind. Any thread; `progress` is called on it.
 */
aet_status aet_volume_write(const aet_volume *volume, const char *path, aet_progress_fn progress, void *user);

/**
 * aet_volume_write for files of any name: `format` is `mrc`, `npy`, `tiff`, `mat5`, `mat73` or `emd`, NULL: that of the
 * ending. `name` is that of the variable (MAT: a letter, then letters, digits and _) or of the EMD group, NULL: `volume`;
 * the other formats have none. AET_ERROR_UNKNOWN_OPTION for other formats, AET_ERROR_RANGE for other names.
 */
aet_status aet_volume_write_as(const aet_volume *volume,
                               const char *path,
                               const char *format,
                               const char *name,
                               aet_progress_fn progress,
                               void *user);

/* ---- Views of dense arrays ---- */

/**
 * A view of a dense row-major array (C, NumPy): the last axis is contiguous. `dtype` is an aet_dtype, `shape` has `ndim`
 * extents.
 */
static inline aet_view aet_view_c(void *data, int32_t dtype, int32_t ndim, const int64_t *shape)
{
  aet_view view;
  int64_t stride = 1;
  int32_t axis;
  view.data = data;
  view.dtype = dtype;
  view.ndim = ndim;
  view.device = 0;
  view.reserved = 0;
  for (axis = 7; axis >= 0; --axis) {
    view.shape[axis] = axis < ndim ? shape[axis] : 1;
    view.strides[axis] = stride;
    stride *= view.shape[axis];
  }
  return view;
}

/**
 * A view of a dense column-major array (MATLAB, Julia, Fortran): the first axis is contiguous. `dtype` is an aet_dtype,
 * `shape` has `ndim` extents. For an array whose axes the host counts in another order than the documentation of an
 * argument, permute shape and strides of the result.
 */
static inline aet_view aet_view_f(void *data, int32_t dtype, int32_t ndim, const int64_t *shape)
{
  aet_view view;
  int64_t stride = 1;
  int32_t axis;
  view.data = data;
  view.dtype = dtype;
  view.ndim = ndim;
  view.device = 0;
  view.reserved = 0;
  for (axis = 0; axis < 8; ++axis) {
    view.shape[axis] = axis < ndim ? shape[axis] : 1;
    view.strides[axis] = stride;
    stride *= view.shape[axis];
  }
  return view;
}

/** As aet_view_c, for an array that is only read. */
static inline aet_const_view aet_const_view_c(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape)
{
  aet_const_view view;
  int64_t stride = 1;
  int32_t axis;
  view.data = data;
  view.dtype = dtype;
  view.ndim = ndim;
  view.device = 0;
  view.reserved = 0;
  for (axis = 7; axis >= 0; --axis) {
    view.shape[axis] = axis < ndim ? shape[axis] : 1;
    view.strides[axis] = stride;
    stride *= view.shape[axis];
  }
  return view;
}

/** As aet_view_f, for an array that is only read. */
static inline aet_const_view aet_const_view_f(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape)
{
  aet_const_view view;
  int64_t stride = 1;
  int32_t axis;
  view.data = data;
  view.dtype = dtype;
  view.ndim = ndim;
  view.device = 0;
  view.reserved = 0;
  for (axis = 0; axis < 8; ++axis) {
    view.shape[axis] = axis < ndim ? shape[axis] : 1;
    view.strides[axis] = stride;
    stride *= view.shape[axis];
  }
  return view;
}

#ifdef __cplusplus
}
#endif

#endif /* AET_H */
