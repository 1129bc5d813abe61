//! What is done to volumes and images between the microscope and the search for atoms: filters, smoothing, masks,
//! supports.

mod components;
mod distance;
mod mask;
mod masked_images;
pub(crate) mod planes;
mod seen;
mod smooth;
mod support;
mod volume_filter;

pub use components::Connectivity;
pub(crate) use mask::check_alike;
pub use mask::{mask, multiply, otsu_threshold, MaskOptions};
pub use masked_images::{mask_images, ImageMaskOptions};
pub use seen::SeenWeights;
pub use smooth::{gaussian_smooth, smooth, Smoothing};
pub(crate) use smooth::{smooth_in_place, smooth_values, MAX_SIGMA};
pub use support::{support, Support};
pub use volume_filter::{filter, FilterOptions, Padding, SoftCut, Wiener};
