//! Volumes from tilt series: the classical methods behind one object.
//!
//! [`Measured`](measured::Measured) is one version of a dataset as views with data and weights; a
//! [`Method`](method::Method) makes one iteration after the other on a volume; [`Tomography`] drives it, publishes every
//! state, and offers loss and gradient to hosts.

mod art;
mod cgls;
mod evaluate;
mod measured;
mod method;
mod object;
mod options;
mod quick;
mod saved;
mod simultaneous;
mod weighted;

pub use object::{tomography_memory_estimate, Tomography};
pub use options::{Background, RampWindow, TomographyMethod, TomographyOptions, ViewSubset};
pub(super) use quick::QuickVolume;
pub use quick::{reconstruct_volume, Tomogram};
pub use saved::SavedTomography;
