//! The specimen as nouns: chemical elements, lists of atoms, their comparison, generated structures,
//! and volumes.
//!
//! [`Atoms`] is immutable: it is built once (`Atoms::new(positions)?.with_species(..)?`), shared, and compared
//! with [`compare`]. Positions are in angstrom in the specimen frame; where a data set knows no pixel size,
//! all lengths are in pixels instead.

mod atoms;
mod close_pairs;
mod compare;
pub mod debye_waller;
pub mod elements;
mod neighbours;
pub mod scattering;
pub mod structures;
mod superpose;
mod surface;
mod transform;
pub(crate) mod volume;

pub use atoms::{Atoms, Column, Property, COLUMN_NAMES};
pub use close_pairs::{close_pairs, ClosePair};
pub use compare::{compare, CompareOptions, Comparison};
pub(crate) use neighbours::Neighbours;
pub use scattering::{Parametrization, ScatteringFactor};
pub use structures::random_packing;
pub use superpose::{superpose, Superposition};
pub use surface::Surface;
pub use transform::{CellCentre, CellSize};
pub(crate) use volume::check_voxel_size;
pub use volume::Volume;
