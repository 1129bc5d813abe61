//! What every long call needs beside its data: threads, cancellation and the log.

pub mod log;
