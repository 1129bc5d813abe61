//! From traced atoms to their species: what the volume holds about each of them, classes of these numbers, classes of
//! whole profiles.

mod atoms;
mod kmeans;
mod mixture;
mod profile;
mod samples;
#[cfg(test)]
mod tests;

pub use atoms::{classify_atoms, classify_heights, intensities, Classification, ClassifyMethod, ClassifyOptions};
pub use mixture::{mixture, Mixture, MixtureMethod, MixtureOptions};
pub use samples::Region;
