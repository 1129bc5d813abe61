//! The three ways in which tables give thermal motion, for isotropic harmonic motion:
//!
//! - the Debye-Waller factor B = 8 pi^2 \<u^2\>, angstrom^2, which damps the scattering factor by exp(-B q^2 / 4) at
//!   the spatial frequency q = 2 sin(theta) / lambda (1/angstrom);
//! - the mean square displacement U = \<u^2\> along one axis, angstrom^2;
//! - its root, the rms displacement along one axis, angstrom. (The displacement in space is sqrt(3) times as large.)

use std::f64::consts::PI;

const B_PER_U: f64 = 8.0 * PI * PI;

/// B (angstrom^2) from \<u^2\> along one axis (angstrom^2).
pub fn from_mean_square(u: f64) -> f64 {
    B_PER_U * u
}

/// B (angstrom^2) from the rms displacement along one axis (angstrom).
pub fn from_rms(rms: f64) -> f64 {
    B_PER_U * rms * rms
}

/// \<u^2\> along one axis (angstrom^2) from B (angstrom^2).
pub fn mean_square(b: f64) -> f64 {
    b / B_PER_U
}

/// Rms displacement along one axis (angstrom) from B (angstrom^2).
pub fn rms(b: f64) -> f64 {
    mean_square(b).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_agree() {
        // rms 0.078 angstrom is B = 0.4804 angstrom^2, about that of silicon at room temperature
        assert!((from_rms(0.078) - 0.48037338541).abs() < 1e-10);
        for b in [0.0, 0.3, 1.7] {
            assert!((from_mean_square(mean_square(b)) - b).abs() < 1e-15);
            assert!((from_rms(rms(b)) - b).abs() < 1e-15);
        }
    }
}
