//! Illumination: from energy, aperture and aberrations to the probe in every plane along the beam.
//!
//! `ProbeOptions` (description, units, no grid) -> `Probe` (checked, immutable) -> `ProbeTransfer` (plan on one image
//! grid): the transfer function with which the probe blurs a slice at a given depth, and its exact depth derivative.

mod aberrations;
mod aperture;
mod depth;
mod fft;
mod probe;
mod transfer;

pub use aberrations::Aberrations;
pub use aperture::Aperture;
pub use depth::{DepthInterpolation, DepthRange};
pub use probe::{Probe, ProbeOptions};
pub use transfer::{ProbeTransfer, TransferWorkspace};
