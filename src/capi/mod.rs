//! The C ABI (`include/aet.h`): the only `extern "C"`, one file per object, no numerics.
//!
//! A call enters through `guard` or `guard_value` and reads its arguments through the `Host` token that these hand
//! out: handles, views, options, slices and strings become Rust values, or errors that name the argument.
//! Results leave through `Out`, `OutView`, `OutHandle` and `OutText`, written on success only.
#![allow(unsafe_code, non_camel_case_types)]
// Documentation is written for the C header, where [n] is a shape and not a link.
#![allow(rustdoc::broken_intra_doc_links)]
// The promise behind every pointer argument is made once for all functions, in the head of the header.
#![allow(clippy::missing_safety_doc)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod adf_transfer;
mod arguments;
mod atoms;
mod atoms_accuracy;
mod atoms_change;
mod atoms_classify;
mod atoms_compare;
mod atoms_files;
mod atoms_generate;
mod context;
mod dataset;
mod dataset_columns;
mod dataset_folder;
mod dataset_metadata;
mod detector;
mod elements;
mod enums;
mod find;
#[cfg(test)]
mod fixture;
mod frames;
mod guard;
mod handle;
mod instrument;
mod log;
mod lot;
mod message;
mod options;
mod orbital;
mod panics;
mod probe;
mod progress;
mod recon;
mod recon_errors;
mod recon_optics;
mod recon_options;
mod recon_orbital;
mod recon_run;
mod recon_second_order;
mod recon_store;
mod recon_terms;
mod resolution;
mod simulate_series;
mod simulation;
mod simulation_ensemble;
mod simulation_gradient;
mod simulation_options;
mod simulation_scan;
mod snapshot;
mod status;
mod table;
mod text;
mod tomography;
mod version;
mod view;
mod volume;
mod volume_files;
mod volume_filter;
mod volume_lattice;
mod volume_mask;
mod volume_trace;

pub use adf_transfer::*;
pub use atoms::*;
pub use atoms_accuracy::*;
pub use atoms_change::*;
pub use atoms_classify::*;
pub use atoms_compare::*;
pub use atoms_files::*;
pub use atoms_generate::*;
pub use context::*;
pub use dataset::*;
pub use dataset_columns::*;
pub use dataset_folder::*;
pub use dataset_metadata::*;
pub use detector::*;
pub use find::*;
pub use frames::*;
pub use instrument::*;
pub use log::*;
pub use lot::*;
pub use message::*;
pub use orbital::*;
pub use probe::*;
pub use progress::*;
pub use recon::*;
pub use recon_errors::*;
pub use recon_optics::*;
pub use recon_options::*;
pub use recon_orbital::*;
pub use recon_run::*;
pub use recon_second_order::*;
pub use recon_store::*;
pub use recon_terms::*;
pub use resolution::*;
pub use simulate_series::*;
pub use simulation::*;
pub use simulation_ensemble::*;
pub use simulation_gradient::*;
pub use simulation_options::*;
pub use simulation_scan::*;
pub use snapshot::*;
pub use status::*;
pub use table::*;
pub use tomography::*;
pub use version::*;
pub use view::*;
pub use volume::*;
pub use volume_filter::*;
pub use volume_lattice::*;
pub use volume_mask::*;
pub use volume_trace::*;
