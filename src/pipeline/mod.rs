//! Chains of steps that users run in one call, built from the rooms above: long ones stream to the disk and are taken up
//! again where they were left.

mod journal;
mod simulate_series;

pub use simulate_series::{
    memory_estimate, simulate_series, SeriesKind, SeriesObserver, SeriesProgress, SeriesReport, SeriesRun,
};
