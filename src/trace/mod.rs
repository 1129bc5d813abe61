//! From a volume to atoms: smoothing, local maxima, sub-voxel positions.

mod peaks;
mod smooth;

pub(crate) use peaks::{maxima, thin_out, Neighbours, Peak};
pub use peaks::{peaks, PeakOptions};
pub use smooth::gaussian_smooth;
pub(crate) use smooth::{smooth_in_place, MAX_SIGMA};
