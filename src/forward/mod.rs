//! Every physical model once, each beside its adjoint; and the comparison of calculated with measured images.

mod adf_transfer;
pub mod local_orbital;
mod loss;
pub mod multislice;
pub mod potential;
pub mod prism;
pub mod projection;

pub use adf_transfer::AdfTransfer;
pub use local_orbital::LocalOrbital;
pub use loss::{fit_intensity, r_factor, Loss};
pub use potential::Potential;
pub use projection::Projector;
