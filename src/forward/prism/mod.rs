//! PRISM (C. Ophus, Advanced Structural and Chemical Imaging 3, 13 (2017)): a probe is a sum of plane waves, and so is its
//! exit wave. Every plane wave of the aperture, or every f-th along each axis, travels once through the object,
//!
//! S_b(r) = multislice of exp(2 pi i k_b . r), k_b = (f_x m_x / L_x, f_y m_y / L_y) for whole m_x, m_y,
//!
//! and a probe at p is put together of what arrived,
//!
//! psi_p(r) = sum over b of c_b(p) S_b(r), c_b(p) = A(k_b) exp(-i chi(k_b)) exp(-2 pi i k_b . p).
//!
//! With f > 1 that sum repeats itself f times along each axis; it is taken in a window of 1 / f of the pixels around p.
//! That is an approximation, good where the probe has faded at the edge of its window: f = 1 gives multislice to rounding.
//! The coefficients are scaled so that the pattern |FFT psi_p|^2 over the window sums to 1 in vacuum.
//!
//! Work: one multislice calculation per plane wave, whatever the number of positions, and 8 operations per wave, pixel of
//! the window and position. [`PrismPlan`] (immutable) knows waves and windows; its [`ScatteringMatrix`] belongs to one
//! object; a [`PrismProbe`] has aberrations of its own, so that foci cost the second part only.

mod plan;
mod reduce;
mod scatter;
mod spectrum;

pub use plan::{PrismOptions, PrismPlan, PrismProbe};
pub use scatter::ScatteringMatrix;

#[cfg(test)]
mod tests;
