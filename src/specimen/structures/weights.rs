//! Standard atomic weights, from which densities in g / cm^3 follow.

use crate::error::{Error, Result};
use crate::specimen::elements::{symbol, MAX_ATOMIC_NUMBER};

/// Abridged standard atomic weights (IUPAC 2021) by atomic number; of elements without stable isotopes the mass number
/// of the longest-lived.
#[rustfmt::skip]
const WEIGHTS: [f64; MAX_ATOMIC_NUMBER as usize + 1] = [
    0.0, 1.008, 4.0026, 6.94, 9.0122, 10.81, 12.011, 14.007, 15.999, 18.998, 20.180, 22.990, 24.305, 26.982, 28.085,
    30.974, 32.06, 35.45, 39.95, 39.098, 40.078, 44.956, 47.867, 50.942, 51.996, 54.938, 55.845, 58.933, 58.693, 63.546,
    65.38, 69.723, 72.630, 74.922, 78.971, 79.904, 83.798, 85.468, 87.62, 88.906, 91.224, 92.906, 95.95, 97.0, 101.07,
    102.91, 106.42, 107.87, 112.41, 114.82, 118.71, 121.76, 127.60, 126.90, 131.29, 132.91, 137.33, 138.91, 140.12,
    140.91, 144.24, 145.0, 150.36, 151.96, 157.25, 158.93, 162.50, 164.93, 167.26, 168.93, 173.05, 174.97, 178.49,
    180.95, 183.84, 186.21, 190.23, 192.22, 195.08, 196.97, 200.59, 204.38, 207.2, 208.98, 209.0, 210.0, 222.0, 223.0,
    226.0, 227.0, 232.04, 231.04, 238.03, 237.0, 244.0, 243.0, 247.0, 247.0, 251.0, 252.0, 257.0, 258.0, 259.0, 262.0,
];

/// Avogadro's number x 1e-24: atoms per angstrom^3 of 1 g / cm^3 at an atomic weight of 1.
const PER_ANGSTROM3: f64 = 0.602_214_076;

/// Standard atomic weight of an element.
fn weight(atomic_number: u8) -> Result<f64> {
    let known = WEIGHTS.get(usize::from(atomic_number)).copied().filter(|w| *w > 0.0);
    known.ok_or_else(|| {
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
        assert!(WEIGHTS[1..].windows(2).filter(|w| w[1] < w[0]).count() < 9, "weights grow but for the known pairs");
    }
}
