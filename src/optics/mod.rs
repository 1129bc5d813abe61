//! Illumination: from energy, aperture and aberrations to the probe in every plane along the beam. Detection: from
//! diffraction patterns to signals.
//!
//! `ProbeOptions` (description, units, no grid) -> `Probe` (checked, immutable) -> `ProbeTransfer` (plan on one image
//! grid): the transfer function with which the probe blurs a slice at a given depth, and its exact depth derivative.

mod aberrations;
mod aperture;
mod band_limit;
mod depth;
pub mod detector;
mod fft;
mod probe;
mod transfer;

pub use aberrations::Aberrations;
pub use aperture::Aperture;
pub use band_limit::BandLimit;
pub use depth::{DepthInterpolation, DepthRange};
pub use detector::{Crop, Detector, DetectorKind, DetectorPlan, PatternGrid, PatternOrder, Sensitivity};
pub use probe::{Probe, ProbeOptions};
pub use transfer::{ProbeTransfer, Slope, TransferWorkspace, CORRECTIONS};
