//! # aet: atomic electron tomography
//!
//! From a tilt series of electron-microscope images to the 3D coordinates and species of every atom.
//! The library is used through its C ABI (`include/aet.h`) by MATLAB, Octave, C++, Julia and Python hosts,
//! and through this crate by Rust programs; both offer the same objects under the same names.
//!
//! Rooms stand in the order in which data walks through them; `use crate::` points only upwards in this list.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod error;

pub mod electron;
pub mod geometry;
pub mod grid;
pub mod units;

pub mod context;

pub(crate) mod simd;

pub mod capi;

pub use error::{Error, Result};
