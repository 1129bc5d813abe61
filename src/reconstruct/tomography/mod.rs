//! Volumes from tilt series: the classical methods behind one object.
//!
//! [`Measured`](measured::Measured) is one version of a dataset as views with data and weights; a
//! [`Method`](method::Method) makes one iteration after the other on a volume; [`Tomography`] drives it, publishes every
//! state, and offers loss and gradient to hosts.

mod art;
mod cgls;
mod engines;
mod est;
mod est_views;
mod evaluate;
mod fourier_resire;
#[cfg(test)]
mod gaussians;
mod genfire;
mod measured;
mod memory;
mod method;
mod object;
mod options;
mod pseudo_polar;
mod quick;
mod regularize;
mod saved;
mod shared;
mod simultaneous;
mod state;
mod views;
mod weighted;

pub use est::equal_slope_angles;
pub use genfire::{Gridding, Iterate, Resolution};
pub use memory::tomography_memory_estimate;
pub use object::Tomography;
pub use options::{Background, FourierOptions, RampWindow};
pub use options::{TomographyMethod, TomographyOptions, ViewSubset};
pub(super) use quick::QuickVolume;
pub use quick::{reconstruct_volume, Tomogram};
pub use regularize::Regularization;
pub use saved::SavedTomography;
