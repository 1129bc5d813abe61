//! From values of traced atoms to their species: classes of numbers in one dimension.

mod kmeans;
mod mixture;

pub use mixture::{mixture, Mixture, MixtureMethod, MixtureOptions};
