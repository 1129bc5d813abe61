//! Status codes

use super::guard::guard_plain;
use crate::Error;
use std::ffi::c_char;

/// What every function that can fail returns. Codes below 100 are outcomes, not faults; the others come in blocks:
/// 100 arguments, 200 state of an object, 300 data, 400 files, 500 memory, 900 defects of the library.
/// Numbers are never reused; a later library may return new ones.
///
/// cbindgen:rename-all=None
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_status {
    /// Done.
    AET_OK = 0,
    /// The host ended the call through its progress callback or aet_context_request_cancel; the best state is kept.
    AET_CANCELLED = 1,
    /// The optimiser met its tolerance.
    AET_CONVERGED = 2,
    /// The optimiser made as many iterations as it was allowed.
    AET_MAX_ITERATIONS = 3,
    /// The optimiser took as long as it was allowed.
    AET_TIME_LIMIT = 4,
    /// There is nothing left to do or to read.
    AET_END = 5,
    /// A required pointer is NULL.
    AET_ERROR_NULL = 100,
    /// An array has the wrong shape.
    AET_ERROR_SHAPE = 101,
    /// An array has an element type that is not accepted here.
    AET_ERROR_DTYPE = 102,
    /// A value lies outside its range.
    AET_ERROR_RANGE = 103,
    /// A name or an enumeration value that does not exist.
    AET_ERROR_UNKNOWN_OPTION = 104,
    /// A handle that was freed, or that belongs to another type of object.
    AET_ERROR_STALE_HANDLE = 105,
    /// struct_size cannot belong to this library: the _init function was not called, or the structure is of a newer
    /// library and uses members that this one does not know.
    AET_ERROR_STRUCT_SIZE = 106,
    /// The method or model does not offer this operation.
    AET_ERROR_UNSUPPORTED = 107,
    /// A parameter vector of an earlier generation of the reconstruction.
    AET_ERROR_STALE_PARAMETERS = 108,
    /// An output view addresses one element twice.
    AET_ERROR_OVERLAP = 109,
    /// A string is not valid UTF-8 or has no end.
    AET_ERROR_TEXT = 110,
    /// The object lacks something that the call needs.
    AET_ERROR_NOT_READY = 200,
    /// Another call that changes the object is at work.
    AET_ERROR_BUSY = 201,
    /// The process was forked after the context was created.
    AET_ERROR_FORKED = 202,
    /// An internal error damaged the object earlier; free it.
    AET_ERROR_POISONED = 203,
    /// A function of the host that the library called back reported a failure or answered nonsense.
    AET_ERROR_CALLBACK = 204,
    /// NaN or infinity in data.
    AET_ERROR_NON_FINITE = 300,
    /// No data where some are needed.
    AET_ERROR_EMPTY = 301,
    /// Data that contradict each other or physics.
    AET_ERROR_INCONSISTENT = 302,
    /// The operating system refused a file operation.
    AET_ERROR_FILE = 400,
    /// A file does not hold what it should.
    AET_ERROR_FORMAT = 401,
    /// A file of another version of its format.
    AET_ERROR_FILE_VERSION = 402,
    /// A file that ends too early.
    AET_ERROR_TRUNCATED = 403,
    /// More memory than is allowed or available.
    AET_ERROR_MEMORY = 500,
    /// A defect of the library; please report it.
    AET_ERROR_INTERNAL = 900,
}

/// The codes with their names, which are those of the enumeration.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {
        [$((aet_status::$name, concat!(stringify!($name), "\0"))),+]
    };
}

const NAMES: [(aet_status, &str); 31] = names![
    AET_OK,
    AET_CANCELLED,
    AET_CONVERGED,
    AET_MAX_ITERATIONS,
    AET_TIME_LIMIT,
    AET_END,
    AET_ERROR_NULL,
    AET_ERROR_SHAPE,
    AET_ERROR_DTYPE,
    AET_ERROR_RANGE,
    AET_ERROR_UNKNOWN_OPTION,
    AET_ERROR_STALE_HANDLE,
    AET_ERROR_STRUCT_SIZE,
    AET_ERROR_UNSUPPORTED,
    AET_ERROR_STALE_PARAMETERS,
    AET_ERROR_OVERLAP,
    AET_ERROR_TEXT,
    AET_ERROR_NOT_READY,
    AET_ERROR_BUSY,
    AET_ERROR_FORKED,
    AET_ERROR_POISONED,
    AET_ERROR_CALLBACK,
    AET_ERROR_NON_FINITE,
    AET_ERROR_EMPTY,
    AET_ERROR_INCONSISTENT,
    AET_ERROR_FILE,
    AET_ERROR_FORMAT,
    AET_ERROR_FILE_VERSION,
    AET_ERROR_TRUNCATED,
    AET_ERROR_MEMORY,
    AET_ERROR_INTERNAL,
];

impl From<()> for aet_status {
    fn from((): ()) -> Self {
        aet_status::AET_OK
    }
}

impl From<&Error> for aet_status {
    fn from(error: &Error) -> Self {
        let code = error.code();
        let known = NAMES.iter().find(|(status, _)| *status as i32 == code);
        known.map_or(aet_status::AET_ERROR_INTERNAL, |(status, _)| *status)
    }
}

/// Name of a status code, as in this header ("AET_ERROR_SHAPE"): static storage, never NULL.
/// "AET_UNKNOWN" for a code that this library does not know. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn aet_status_name(status: i32) -> *const c_char {
    let unknown = c"AET_UNKNOWN".as_ptr();
    guard_plain(unknown, || {
        let known = NAMES.iter().find(|(known, _)| *known as i32 == status);
        known.map_or(unknown, |(_, name)| name.as_ptr().cast())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn name(code: i32) -> &'static str {
        // SAFETY: the function returns static, terminated text.
        unsafe { CStr::from_ptr(aet_status_name(code)) }.to_str().unwrap()
    }

    #[test]
    fn every_code_has_its_name() {
        let source = include_str!("status.rs");
        let declared: Vec<(&str, i32)> = source
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "))
            .filter_map(|(name, code)| Some((name, code.parse().ok()?)))
            .collect();
        assert_eq!(declared.len(), NAMES.len());
        for (declared, code) in declared {
            assert_eq!(name(code), declared);
        }
        assert_eq!(name(-1), "AET_UNKNOWN");
    }

    #[test]
    fn errors_cross_under_their_code() {
        let error = Error::range("pixel_size", 0, "a positive number");
        assert_eq!(aet_status::from(&error), aet_status::AET_ERROR_RANGE);
        assert_eq!(aet_status::from(&error) as i32, error.code());
        assert_eq!(aet_status::from(&Error::Cancelled { phase: "saving" }), aet_status::AET_CANCELLED);
    }
}
