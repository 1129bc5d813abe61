//! What is done to volumes and images between the microscope and the search for atoms: smoothing, masks, supports.

mod components;
mod distance;
mod mask;
pub(crate) mod planes;
mod smooth;
mod support;

pub use components::Connectivity;
pub use mask::{mask, multiply, otsu_threshold, MaskOptions};
pub(crate) use smooth::smooth_values;
pub use smooth::{gaussian_smooth, smooth, Smoothing};
pub use support::{support, Support};
