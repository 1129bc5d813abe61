//! The specimen as nouns: chemical elements, lists of atoms, their comparison, generated structures,
//! and volumes.
//!
//! [`Atoms`] is immutable: it is built once (`Atoms::new(positions)?.with_species(..)?`), shared, and compared
//! with [`compare`]. Positions are in angstrom in the specimen frame; where a data set knows no pixel size,
//! all lengths are in pixels instead.

mod atoms;
mod compare;
pub mod elements;
pub mod structures;
mod superpose;
mod volume;

pub use atoms::{Atoms, Column, COLUMN_NAMES};
pub use compare::{compare, CompareOptions, Comparison};
pub use structures::random_packing;
pub use superpose::{superpose, Superposition};
pub use volume::Volume;
