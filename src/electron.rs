//! From the beam energy to wavelength and interaction constant.
//!
//! lambda = h / sqrt(2 m e E (1 + e E / (2 m c^2))), sigma = 2 pi m_rel e lambda / h^2.

use crate::error::{Error, Result};
use crate::units::{ANGSTROM_PER_METRE, ELECTRON_MASS, ELEMENTARY_CHARGE, PLANCK, SPEED_OF_LIGHT};

/// Relativistic wavelength in angstrom of electrons of `energy_ev` (eV).
pub fn wavelength(energy_ev: f64) -> Result<f64> {
    check_energy(energy_ev)?;
    let energy = energy_ev * ELEMENTARY_CHARGE;
    let rest = ELECTRON_MASS * SPEED_OF_LIGHT * SPEED_OF_LIGHT;
    Ok(PLANCK / (2.0 * ELECTRON_MASS * energy * (1.0 + energy / (2.0 * rest))).sqrt() * ANGSTROM_PER_METRE)
}

/// Interaction constant sigma in rad / (V A): a projected potential V (V A) shifts the phase by sigma V.
pub fn interaction_constant(energy_ev: f64) -> Result<f64> {
    let lambda = wavelength(energy_ev)? / ANGSTROM_PER_METRE;
    let gamma = 1.0 + energy_ev * ELEMENTARY_CHARGE / (ELECTRON_MASS * SPEED_OF_LIGHT * SPEED_OF_LIGHT);
    let sigma = 2.0 * std::f64::consts::PI * gamma * ELECTRON_MASS * ELEMENTARY_CHARGE * lambda / (PLANCK * PLANCK);
    Ok(sigma / ANGSTROM_PER_METRE)
}

fn check_energy(energy_ev: f64) -> Result<()> {
    if energy_ev.is_finite() && energy_ev > 0.0 {
        return Ok(());
    }
    Err(Error::range("energy_ev", energy_ev, "a positive number (eV), 300e3 for 300 kV"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_simulation_reference() {
        assert!((wavelength(300e3).unwrap() / 0.01968748889772767 - 1.0).abs() < 1e-9);
        assert!((wavelength(200e3).unwrap() / 0.0250793403 - 1.0).abs() < 1e-8);
        assert!((interaction_constant(300e3).unwrap() / 6.526161465e-4 - 1.0).abs() < 1e-8);
        assert!((interaction_constant(200e3).unwrap() / 7.288401086e-4 - 1.0).abs() < 1e-8);
    }

    #[test]
    fn refuses_impossible_energies() {
        for energy in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(wavelength(energy).unwrap_err().code(), 103);
        }
    }
}
