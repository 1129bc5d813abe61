//! Densities in g / cm^3 from atomic weights.

use crate::error::{Error, Result};
use crate::specimen::elements::{mass, symbol, MAX_ATOMIC_NUMBER};

/// Avogadro's number x 1e-24: atoms per angstrom^3 of 1 g / cm^3 at an atomic weight of 1.
const PER_ANGSTROM3: f64 = 0.602_214_076;

/// Standard atomic weight of an element.
fn weight(atomic_number: u8) -> Result<f64> {
    mass(atomic_number).ok_or_else(|| {
        let wanted = format!("1 to {MAX_ATOMIC_NUMBER}: a density needs an element");
        Error::range("species[0]", atomic_number, wanted)
    })
}

/// Atoms per angstrom^3 of an element at a density in g / cm^3.
pub(super) fn number_density(density: f64, atomic_number: u8) -> Result<f64> {
    if !(density.is_finite() && density > 0.0) {
        return Err(Error::range("density", density, "a positive number (g / cm^3)"));
    }
    Ok(density * PER_ANGSTROM3 / weight(atomic_number)?)
}

/// Density in g / cm^3 of so many atoms per angstrom^3.
pub(super) fn mass_density(number_density: f64, atomic_number: u8) -> Result<f64> {
    Ok(number_density * weight(atomic_number)? / PER_ANGSTROM3)
}

/// "2 g / cm^3 of C" in messages.
pub(super) fn described(density: f64, atomic_number: u8) -> String {
    format!("{density:.4} g / cm^3 of {}", symbol(atomic_number).unwrap_or("X"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities() {
        // gold 19.3 g / cm^3: four atoms in a cube of 4.08 angstrom
        assert!((number_density(19.3, 79).unwrap() * 4.08_f64.powi(3) - 4.0).abs() < 0.02);
        assert!((mass_density(number_density(2.0, 6).unwrap(), 6).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(number_density(2.0, 0).unwrap_err().code(), 103);
        assert_eq!(number_density(f64::NAN, 6).unwrap_err().code(), 103);
    }
}
