//! Generated specimens.
mod cells;
mod packing;
mod region;

pub use packing::{pack, random_packing, Packing};
pub use region::Region;
