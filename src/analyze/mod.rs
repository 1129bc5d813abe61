//! What volumes and models say: resolution.

mod resolution;

pub use resolution::{half_bit, half_sets, shell_correlation, Cone, Crossing, ShellCorrelation, ShellOptions};
