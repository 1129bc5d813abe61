//! From a volume to atoms: local maxima, sub-voxel positions.

mod peaks;

pub(crate) use peaks::{maxima, thin_out, Neighbours, Peak};
pub use peaks::{peaks, PeakOptions};
