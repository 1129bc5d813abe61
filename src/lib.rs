//! # aet: atomic electron tomography
//!
//! From a tilt series of electron-microscope images to the 3D coordinates and species of every atom.
//! The library is used through its C ABI (`include/aet.h`) by MATLAB, Octave, C++, Julia and Python hosts,
//! and through this crate by Rust programs; both offer the same objects under the same names.
//!
//! Rooms stand in the order in which data walks through them; `use crate::` points only upwards in this list.
#![deny(unsafe_code)]
#![warn(missing_docs)]

// Unit tests share the small problems of tests/common, which name the crate as its users do.
#[cfg(test)]
extern crate self as aet;

pub mod error;

pub mod electron;
pub mod geometry;
pub mod grid;
mod statistics;
pub mod table;
pub mod units;

pub mod check;
pub mod context;
pub mod problem;
pub mod simd;

pub mod fourier;
pub mod optics;
pub mod specimen;

pub mod dataset;

pub mod forward;
pub mod simulate;

pub mod prepare;
pub mod trace;

pub mod classify;

pub mod optimize;
pub mod reconstruct;

pub mod analyze;

pub mod io;

pub mod pipeline;

pub mod capi;

pub use error::{Error, Result};

// The programs of the book compile and run with the tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../docs/src/hosts/rust.md")]
    mod rust_host {}
    #[doc = include_str!("../docs/src/add_a_method.md")]
    mod add_a_method {}
}
