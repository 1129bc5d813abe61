//! Multislice: a wave meets the slices of an object in turn. Each slice multiplies it by its transmission function
//! T = exp(i sigma V), then it flies freely to the next one,
//!
//! psi <- IFFT[ A(k) exp(-i pi lambda dz k^2) exp(-2 pi i dz (k_x tan theta_x + k_y tan theta_y)) FFT[ T psi ] ],
//!
//! also after the last slice; A is the band limit, theta the mistilt. [`Multislice`] (plan, immutable) takes a wave through
//! an [`Object`], or through a window of it, and the gradient of any loss with respect to the exit wave back to the
//! object, to the incident wave and to the position of the probe. Gradients of complex numbers are
//! dL/dRe + i dL/dIm, so that dL = Re sum conj(gradient) d psi.
//!
//! A band limit that is separable (square, none) needs one pass over the wave per slice, along rows and columns in turn;
//! the circular one two, over two thirds of the columns.

mod diffraction;
mod engine;
mod object;
mod propagate;
mod spectrum;

pub use diffraction::Diffraction;
pub use engine::{Form, Kept, Multislice, MultisliceOptions, MultisliceWorkspace, Pass};
pub use object::{Object, ObjectSlice, Transmission, TransmissionWorkspace};
pub use propagate::{Flight, Propagators};
pub use spectrum::Pupil;

#[cfg(test)]
mod tests;
