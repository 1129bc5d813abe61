//! From a volume to atoms: local maxima, sub-voxel positions.

mod lattice;
mod peaks;

pub use lattice::{trace_lattice, Crystal, LatticeOptions, LatticeSite, LatticeTrace, Registration, SiteState};
pub(crate) use peaks::{maxima, thin_out, Neighbours, Peak};
pub use peaks::{peaks, PeakOptions};
