//! The C ABI (`include/aet.h`): the only `extern "C"`, one file per object, no numerics.
//!
//! A call enters through `guard` or `guard_value` and reads its arguments through the `Host` token that these hand
//! out: handles, views, options, slices and strings become Rust values, or errors that name the argument.
//! Results leave through `Out`, `OutView`, `OutHandle` and `OutText`, written on success only.
#![allow(unsafe_code, non_camel_case_types)]
// The promise behind every pointer argument is made once for all functions, in the head of the header.
#![allow(clippy::missing_safety_doc)]
// The documentation is written for the header, where `[n,3]` is a shape, not a link.
#![allow(rustdoc::broken_intra_doc_links)]
// Until the objects that use all of it stand beside it.
#![allow(dead_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod arguments;
mod elements;
mod enums;
#[cfg(test)]
mod fixture;
mod guard;
mod handle;
mod log;
mod lot;
mod message;
mod options;
mod panics;
mod progress;
mod recon;
mod recon_run;
mod recon_store;
mod snapshot;
mod standin;
mod status;
mod text;
mod version;
mod view;

pub use log::*;
pub use lot::*;
pub use message::*;
pub use progress::*;
pub use recon::*;
pub use recon_run::*;
pub use recon_store::*;
pub use snapshot::*;
pub use standin::*;
pub use status::*;
pub use version::*;
pub use view::*;
