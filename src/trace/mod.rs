//! From a volume to atoms: local maxima, sub-voxel positions, what no maximum tells.

mod explain;
mod gaussian;
mod lattice;
mod options;
mod peaks;
mod polynomial;
mod statistics;
#[cfg(test)]
mod tests;
mod tracing;

pub use lattice::{trace_lattice, Crystal, LatticeOptions, LatticeSite, LatticeTrace, Registration, SiteState};
pub use options::{Method, Threshold, TraceOptions, AUTOMATIC_PART};
pub(crate) use peaks::{maxima, thin_out, Peak};
pub use tracing::{trace, Candidate, Flag, Tracing};
