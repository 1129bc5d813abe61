//! The dataset folder of schema `aet-tilt-series/1`: `dataset.json` beside NumPy arrays and atom lists; and, so far to
//! be written only, that of diffraction patterns, `aet-4dstem-series/1`.
//!
//! Keys this library does not know are kept as metadata and written again: texts as they are, other JSON values as
//! JSON text with the unit `json`. Metadata with a unit of their own stand under the key `metadata`.
//! Optional keys of `files` beyond the first ones: `mask`, `noise_variance`, `counts_per_unit`, `drift`, `excluded`.

mod diffraction;
mod header;
mod reader;
mod writer;

pub use diffraction::{write_diffraction, DiffractionHeader, DIFFRACTION_SCHEMA};
pub use reader::{read, read_atoms, read_volume, Which};
pub use writer::write;

/// The schema that is read and written.
pub const SCHEMA: &str = "aet-tilt-series/1";
/// Name of the file that makes a folder a dataset.
const HEADER_FILE: &str = "dataset.json";
/// Unit of metadata that hold a JSON value other than a text.
const JSON_UNIT: &str = "json";

#[cfg(test)]
mod tests;
