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
} aet_progress;

/**
 * Is told the progress of a long call; returning anything but 0 ends that call with AET_CANCELLED and the best state
 * kept. Only ever called on the calling thread, with no lock held, at most about ten times per second and once per
 * step. `progress` is valid only during the call. It may use the library, but not change the object at work
 * (AET_ERROR_BUSY), and must return normally: no longjmp, no exception through the library.
 */
typedef int32_t (*aet_progress_fn)(void *user, const aet_progress *progress);

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
