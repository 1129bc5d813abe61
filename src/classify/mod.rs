//! From traced atoms to their species: what the volume holds about each of them, classes of these numbers, classes of
//! whole profiles.

mod atoms;
mod expected;
mod kmeans;
mod mixture;
mod profile;
mod samples;
#[cfg(test)]
mod tests;

pub use atoms::{classify_atoms, classify_heights, intensities, Classification, ClassifyMethod, ClassifyOptions};
pub(crate) use expected::upper_group;
pub use expected::{expected_mixture, expected_strengths};
pub use mixture::{mixture, Mixture, MixtureMethod, MixtureOptions};
pub use samples::Region;
