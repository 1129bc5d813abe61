//! The one error type of the library. Each variant knows the status code under which it crosses the C ABI.

use std::path::PathBuf;

/// Result of every fallible function of the library.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: the text names what was got and what was wanted, with numbers where a limit is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host asked for the end of a long call (outcome, not a fault); the best state is kept.
    #[error("cancelled by the host during {phase}")]
    Cancelled {
        /// What was being done.
        phase: &'static str,
    },
    /// A required pointer is NULL.
    #[error("argument `{argument}` is NULL, wanted {wanted}")]
    Null {
        /// Name of the argument.
        argument: &'static str,
        /// What it should point to.
        wanted: &'static str,
    },
    /// An array has the wrong shape.
    #[error("{what} has shape {got:?}, wanted {wanted}")]
    Shape {
        /// Name of the array.
        what: String,
        /// Shape that was got.
        got: Vec<usize>,
        /// Shape that was wanted, in words.
        wanted: String,
    },
    /// An array has an element type that is not accepted here.
    #[error("{what} has element type {got}, wanted {wanted}")]
    Dtype {
        /// Name of the array.
        what: String,
        /// Type that was got.
        got: String,
        /// Types that are accepted.
        wanted: String,
    },
    /// A value lies outside its range.
    #[error("{what} is {got}, wanted {wanted}")]
    Range {
        /// Name of the quantity.
        what: String,
        /// Value that was got.
        got: String,
        /// Range that is accepted, with its unit.
        wanted: String,
    },
    /// A name or an enum value that does not exist.
    #[error("unknown {what} `{got}`, known are {known}")]
    UnknownOption {
        /// Kind of name.
        what: String,
        /// Name that was got.
        got: String,
        /// Names that exist.
        known: String,
    },
    /// A handle that was freed, or that belongs to another object type.
    #[error("{what} is no live handle of this type")]
    StaleHandle {
        /// Type of the handle.
        what: &'static str,
    },
    /// `struct_size` of an options structure cannot belong to this library.
    #[error("`struct_size` of {what} is {got}, wanted {wanted}; call its _init function first")]
    StructSize {
        /// Name of the structure.
        what: &'static str,
        /// Size that was got.
        got: usize,
        /// Sizes that are accepted.
        wanted: String,
    },
    /// The method or model does not offer this operation.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The operation.
        what: String,
        /// The reason, and what to do instead.
        why: String,
    },
    /// A parameter vector of an earlier generation of the reconstruction.
    #[error("parameter vector has {got} values, generation {generation} of this reconstruction has {wanted}; fetch the parameters again")]
    StaleParameters {
        /// Length that was got.
        got: usize,
        /// Length that is wanted.
        wanted: usize,
        /// Present generation.
        generation: u64,
    },
    /// An output view addresses one element twice.
    #[error("output {what} overlaps itself (shape {shape:?}, strides {strides:?})")]
    Overlap {
        /// Name of the array.
        what: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its strides in elements.
        strides: Vec<i64>,
    },
    /// A string is not valid UTF-8 or has no end.
    #[error("argument `{argument}` is no valid UTF-8 text")]
    Text {
        /// Name of the argument.
        argument: &'static str,
    },
    /// The object lacks something that the call needs.
    #[error("{what} is not ready: {why}")]
    NotReady {
        /// The object.
        what: String,
        /// What is missing.
        why: String,
    },
    /// Another call that changes the object is at work.
    #[error("{what} is busy with another call; wait for it or use its snapshot")]
    Busy {
        /// The object.
        what: &'static str,
    },
    /// The process was forked after the context was created: its threads do not exist here.
    #[error("the context belongs to process {owner}, this is its fork {here}; create a new context after a fork")]
    Forked {
        /// Process that created the context.
        owner: u32,
        /// Calling process.
        here: u32,
    },
    /// An internal error left the object in an unknown state earlier.
    #[error("{what} was damaged by an earlier internal error; free it and create a new one")]
    Poisoned {
        /// The object.
        what: &'static str,
    },
    /// A function of the host, called back, reported a failure or answered nonsense.
    #[error("{what} of the host failed: {why}")]
    Callback {
        /// The function, and what it was called for.
        what: String,
        /// What it answered, and what was wanted.
        why: String,
    },
    /// NaN or infinity in data.
    #[error("{what} holds a non-finite value ({value}) at {at} (counted from 0), wanted finite numbers")]
    NonFinite {
        /// Name of the data.
        what: String,
        /// The value.
        value: f64,
        /// Its place.
        at: String,
    },
    /// No data where some are needed.
    #[error("{what} is empty: {why}")]
    Empty {
        /// Name of the data.
        what: String,
        /// What is needed.
        why: String,
    },
    /// Data that contradict each other or physics.
    #[error("{what}: {why}")]
    Inconsistent {
        /// Name of the data.
        what: String,
        /// The contradiction, with numbers.
        why: String,
    },
    /// The operating system refused a file operation.
    #[error("{operation} {path:?}: {source}")]
    File {
        /// What was tried, as a verb ("reading").
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path:?} is no valid {format}: {why}")]
    Format {
        /// The path.
        path: PathBuf,
        /// The format expected.
        format: &'static str,
        /// The reason.
        why: String,
    },
    /// A file of another version of its format.
    #[error("{path:?} is version {got} of {format}, this library reads {wanted}")]
    FileVersion {
        /// The path.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// Version that was got.
        got: String,
        /// Versions that are read.
        wanted: String,
    },
    /// A file that ends too early.
    #[error("{path:?} is cut short: {got} bytes, wanted {wanted}")]
    Truncated {
        /// The path.
        path: PathBuf,
        /// Bytes found.
        got: u64,
        /// Bytes wanted.
        wanted: u64,
    },
    /// More memory than is allowed or available.
    #[error("{what} needs {needed} bytes, {available} are allowed")]
    Memory {
        /// What needs it.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        available: u64,
    },
    /// A defect of the library.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// Status code under which this error crosses the C ABI. Numbers are never reused.
    pub fn code(&self) -> i32 {
        match self {
            Error::Cancelled { .. } => 1,
            Error::Null { .. } => 100,
            Error::Shape { .. } => 101,
            Error::Dtype { .. } => 102,
            Error::Range { .. } => 103,
            Error::UnknownOption { .. } => 104,
            Error::StaleHandle { .. } => 105,
            Error::StructSize { .. } => 106,
            Error::Unsupported { .. } => 107,
            Error::StaleParameters { .. } => 108,
            Error::Overlap { .. } => 109,
            Error::Text { .. } => 110,
            Error::NotReady { .. } => 200,
            Error::Busy { .. } => 201,
            Error::Forked { .. } => 202,
            Error::Poisoned { .. } => 203,
            Error::Callback { .. } => 204,
            Error::NonFinite { .. } => 300,
            Error::Empty { .. } => 301,
            Error::Inconsistent { .. } => 302,
            Error::File { .. } => 400,
            Error::Format { .. } => 401,
            Error::FileVersion { .. } => 402,
            Error::Truncated { .. } => 403,
            Error::Memory { .. } => 500,
            Error::Internal(_) => 900,
        }
    }

    /// A value outside its range, in one line: `Error::range("pixel_size", 0.0, "a positive number (angstrom)")`.
    pub fn range(what: impl Into<String>, got: impl std::fmt::Display, wanted: impl Into<String>) -> Self {
        Error::Range { what: what.into(), got: got.to_string(), wanted: wanted.into() }
    }

    /// Refuses values that are not finite; the first of them is named as `place` (index, parameter) so and so.
    pub(crate) fn unless_finite(what: &str, place: &str, values: &[f64]) -> Result<()> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::NonFinite { what: what.into(), value: values[at], at: format!("{place} {at}") }),
        }
    }

    /// A wrong shape, in one line.
    pub fn shape(what: impl Into<String>, got: &[usize], wanted: impl Into<String>) -> Self {
        Error::Shape { what: what.into(), got: got.to_vec(), wanted: wanted.into() }
    }
}
