//! What volumes and models say: resolution, accuracy.

mod accuracy;
mod resolution;
mod trend;

pub use accuracy::{
    accuracy, confusion, error_histogram, error_profile, Accuracy, AccuracyOptions, AtomState, DEPTH_INTERVAL,
};
pub use resolution::{half_bit, half_sets, shell_correlation, Cone, Crossing, ShellCorrelation, ShellOptions};
pub use trend::{rmsd_trend, PRECISION_LIMIT_PM};
