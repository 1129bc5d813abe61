//! What volumes and models say: resolution, accuracy.

mod accuracy;
mod resolution;

pub use accuracy::{accuracy, confusion, error_profile, Accuracy, AccuracyOptions, AtomState};
pub use resolution::{half_bit, half_sets, shell_correlation, Cone, Crossing, ShellCorrelation, ShellOptions};
