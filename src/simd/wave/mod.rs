//! Waves in fast Fourier transforms along rows and columns, several lines at once: what multislice is made of.
//!
//! A wave is a [`ComplexPlane`]. A [`Sweep`] passes over it along rows or columns and does on each line, while it lies in
//! the cache, what its list of [`Step`]s says.

mod butterfly;
mod line;
mod pack;
mod plane;
mod sweep;

pub use line::LinePlan;
pub use pack::Packs;
pub use plane::{ComplexPlane, Window};
pub use sweep::{sweep, Lines, Step, Sweep, SweepScratch};

use super::{Real, SimdPath};

#[cfg(test)]
mod tests;

/// Plan of the transforms of lines of `length` points on an instruction-set path.
pub fn plan_lines<T: Real>(path: SimdPath, length: usize) -> LinePlan<T> {
    LinePlan::new(length, sweep::largest_radix::<T>(path))
}
