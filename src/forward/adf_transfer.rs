//! From scattering factors to what an annular detector sees of one atom: absolute intensities and heights of orbitals.
//!
//! A thin object of phase phi(r) = sigma V(r) turns a wave into psi exp(i phi). What it scatters is psi (exp(i phi) - 1),
//! and |exp(i phi) - 1|^2 = 2 (1 - cos phi); of this a detector catches the part C, so that the image of the object is the
//! incident intensity, correlated with it (paper 002, formula (7)):
//!
//!   F{I}(k) = 2 C conj F{|psi_in|^2}(k) F{1 - cos phi}(k)
//!
//! The paper leaves C as a constant of the detector. For an atom it follows from the spectrum of what it scatters,
//! S(k) = integral of (exp(i phi(r)) - 1) exp(-2 pi i k r) over r: with Parseval's theorem
//!
//!   C = integral of |S|^2 over the detector / integral of |S|^2 over all k,   2 integral of (1 - cos phi) = integral |S|^2.
//!
//! The numerator is the cross-section of the atom for this detector, in A^2. A probe whose intensity is p(r) (1/A^2) at the
//! atom puts the part p * cross-section of its electrons on the detector; the image of the atom integrates to the
//! cross-section, and so does its orbital H exp(-rho^2 / B): pi B H = cross-section.
//!
//! Neglected: the angle of convergence beside the inner angle (it blurs the limits of the detector), the extent of the atom
//! beside the probe, and what other atoms do to the wave. Thermal motion moves an atom but does not change how much it
//! scatters to high angles.

use crate::electron;
use crate::error::{Error, Result};
use crate::specimen::{Parametrization, ScatteringFactor};
use num_complex::Complex64;
use std::f64::consts::{PI, TAU};

/// Radius within which an atom scatters, angstrom.
const RADIUS: f64 = 8.0;
/// Points along the radius, at the squares of equal steps: V diverges like a logarithm at the nucleus.
const RADII: usize = 6000;
/// Points along the angle of the detector: |S|^2 is smooth.
const ANGLES: usize = 200;

/// What an annular detector sees of single atoms. Immutable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdfTransfer {
    sigma: f64,
    /// Limits of the detector, 1/angstrom.
    inner: f64,
    outer: f64,
    parametrization: Parametrization,
}

impl AdfTransfer {
    /// For electrons of `energy_ev` and a detector from `inner_mrad` to `outer_mrad`.
    ///
    /// # Errors
    /// `Range` for an energy that is not positive or angles that are no interval from 0 to 1000 mrad.
    pub fn new(energy_ev: f64, inner_mrad: f64, outer_mrad: f64, parametrization: Parametrization) -> Result<Self> {
        let (wavelength, sigma) = (electron::wavelength(energy_ev)?, electron::interaction_constant(energy_ev)?);
        if !(0.0..1000.0).contains(&inner_mrad) {
            return Err(Error::range("inner_mrad", inner_mrad, "a number from 0 to 1000 (mrad)"));
        }
        if !(outer_mrad > inner_mrad && outer_mrad <= 1000.0) {
            return Err(Error::range("outer_mrad", outer_mrad, format!("above inner_mrad, {inner_mrad}, up to 1000")));
        }
        let frequency = |angle: f64| angle * 1e-3 / wavelength;
        Ok(Self { sigma, inner: frequency(inner_mrad), outer: frequency(outer_mrad), parametrization })
    }

    /// What an atom of element `z` scatters: (r, weight 2 pi r dr, exp(i phi) - 1) along the radius.
    fn scattered(&self, z: u8) -> Result<Vec<(f64, f64, Complex64)>> {
        let factor = ScatteringFactor::new(self.parametrization, z)?;
        let step = RADIUS.sqrt() / RADII as f64;
        let point = |i: usize| {
            let u = (i as f64 + 0.5) * step;
            let r = u * u;
            let phase = self.sigma * factor.projected_potential(r);
            (r, TAU * r * 2.0 * u * step, Complex64::cis(phase) - 1.0)
        };
        Ok((0..RADII).map(point).collect())
    }

    /// Cross-section (A^2) of an atom of element `z` (1 to 103) for the detector: the integral of |S|^2 over it.
    ///
    /// # Errors
    /// `Range` for an unknown element.
    pub fn cross_section(&self, z: u8) -> Result<f64> {
        let atom = self.scattered(z)?;
        let spectrum = |k: f64| -> Complex64 {
            atom.iter().map(|(r, weight, wave)| wave * (weight * libm::j0(TAU * k * r))).sum()
        };
        let step = (self.outer - self.inner) / ANGLES as f64;
        let ring = |i: usize| {
            let k = self.inner + (i as f64 + 0.5) * step;
            spectrum(k).norm_sqr() * TAU * k * step
        };
        Ok((0..ANGLES).map(ring).sum())
    }

    /// 2 integral of (1 - cos phi) over the atom (A^2): all that it scatters.
    ///
    /// # Errors
    /// `Range` for an unknown element.
    pub fn total_cross_section(&self, z: u8) -> Result<f64> {
        Ok(self.scattered(z)?.iter().map(|(_, weight, wave)| weight * wave.norm_sqr()).sum())
    }

    /// C of formula (7): the part of what the atom scatters that the detector catches.
    ///
    /// # Errors
    /// `Range` for an unknown element.
    pub fn collected(&self, z: u8) -> Result<f64> {
        Ok(self.cross_section(z)? / self.total_cross_section(z)?)
    }

    /// Height H of the orbital of an atom of element `z` with width `width_b` (B, A^2), in images that hold fractions of the
    /// beam: H = cross-section / (pi B).
    ///
    /// # Errors
    /// `Range` for an unknown element or a width that is not positive.
    pub fn orbital_height(&self, z: u8, width_b: f64) -> Result<f64> {
        if !(width_b.is_finite() && width_b > 0.0) {
            return Err(Error::range("width", width_b, "a positive number (angstrom^2)"));
        }
        Ok(self.cross_section(z)? / (PI * width_b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::multislice::{Form, Multislice, MultisliceOptions, MultisliceWorkspace, Pass, Transmission};
    use crate::forward::potential::{Potential, PotentialOptions, Scatterers};
    use crate::grid::Plane;
    use crate::optics::BandLimit;
    use crate::simd::SimdPath;
    use num_complex::Complex;

    fn transfer(inner: f64, outer: f64) -> AdfTransfer {
        AdfTransfer::new(300e3, inner, outer, Parametrization::Lobato).unwrap()
    }

    /// Part of a plane wave that one atom in a cell of 12 A scatters between the angles, times the area of the cell.
    fn by_multislice(z: u8, inner: f64, outer: f64) -> f64 {
        let (n, edge, path) = (400, 12.0, SimdPath::detect());
        let plane = Plane::new(n, n, edge / n as f64, edge / n as f64).unwrap();
        let potential = Potential::<f64>::new(path, plane, &[0.0, 2.0], &[z], PotentialOptions::default()).unwrap();
        let scatterers =
            Scatterers { positions: vec![[5.31, 6.42, 1.0]], species: vec![z], debye_waller_b: None, occupancy: None };
        let atoms = potential.place(&scatterers).unwrap();
        let mut values = vec![0.0; n * n];
        potential.slice(&atoms, 0, &mut potential.workspace(), &mut values);
        let sigma = electron::interaction_constant(300e3).unwrap();
        let transmission = Transmission::new(path, &plane, sigma, 0.0, BandLimit::None).unwrap();
        let wavelength = electron::wavelength(300e3).unwrap();
        let options = MultisliceOptions { band_limit: BandLimit::None, ..Default::default() };
        let engine = Multislice::<f64>::new(path, &plane, wavelength, &[2.0], &options).unwrap();
        let mut object = engine.object();
        let mut workspace = transmission.workspace();
        let t = transmission.of_potential(&values, &mut workspace);
        object.set_slice(0, |row, column| t.get(row, column));
        let mut wave = engine.wave();
        (0..n * n).for_each(|i| wave.set(i / n, i % n, Complex::new(1.0, 0.0)));
        let pass = Pass { slices: 0..1, start: Form::Wave, finish: Form::Coefficients };
        engine.propagate(&object, (0, 0), &pass, &mut wave, None, &mut MultisliceWorkspace::default());
        let mut pattern = vec![0.0; n * n];
        engine.pattern(&wave, &mut pattern);
        let (kx, ky) = (plane.frequencies_x(), plane.frequencies_y());
        let angle = |i: usize| 1e3 * wavelength * kx[i % n].hypot(ky[i / n]);
        let caught = pattern.iter().enumerate().filter(|(i, _)| (inner..outer).contains(&angle(*i))).map(|(_, v)| v);
        caught.sum::<f64>() / (n as f64).powi(4) * edge * edge
    }

    #[test]
    fn agrees_with_multislice_of_single_atoms() {
        for z in [6, 14, 29, 56, 79] {
            let (wanted, got) = (by_multislice(z, 40.0, 200.0), transfer(40.0, 200.0).cross_section(z).unwrap());
            assert!((got / wanted - 1.0).abs() < 0.02, "Z = {z}: {got} for {wanted}");
        }
    }

    #[test]
    fn weak_atoms_follow_the_scattering_factor() {
        // For phi << 1, S = i sigma K f_e: the Born approximation.
        let transfer = transfer(20.0, 60.0);
        let factor = ScatteringFactor::new(Parametrization::Lobato, 1).unwrap();
        let steps = 2000;
        let step = (transfer.outer - transfer.inner) / steps as f64;
        let born: f64 = (0..steps)
            .map(|i| transfer.inner + (i as f64 + 0.5) * step)
            .map(|k| (transfer.sigma * factor.projected(k)).powi(2) * TAU * k * step)
            .sum();
        let got = transfer.cross_section(1).unwrap();
        assert!((got / born - 1.0).abs() < 5e-3, "{got} for {born}");
    }

    #[test]
    fn heights_rise_with_the_atomic_number_and_parts_sum_up() {
        let haadf = transfer(60.0, 200.0);
        let heights: Vec<f64> = [6, 14, 29, 47, 79].iter().map(|z| haadf.orbital_height(*z, 0.5).unwrap()).collect();
        assert!(heights.windows(2).all(|h| h[1] > h[0]), "{heights:?}");
        // between Z^1.5 and Z^2, as every textbook says
        let exponent = (heights[4] / heights[1]).ln() / (79.0f64 / 14.0).ln();
        assert!((1.4..2.0).contains(&exponent), "{exponent}");
        let (low, high) = (transfer(0.0, 60.0).collected(79).unwrap(), transfer(60.0, 1000.0).collected(79).unwrap());
        assert!((low + high - 1.0).abs() < 0.01, "{low} + {high}");
    }

    #[test]
    fn impossible_detectors_and_elements_are_refused() {
        let new = |inner, outer| AdfTransfer::new(300e3, inner, outer, Parametrization::Lobato).map_err(|e| e.code());
        assert_eq!(new(60.0, 60.0).unwrap_err(), 103);
        assert_eq!(new(-1.0, 60.0).unwrap_err(), 103);
        assert_eq!(new(10.0, f64::NAN).unwrap_err(), 103);
        assert_eq!(transfer(10.0, 60.0).cross_section(0).unwrap_err().code(), 103);
        assert_eq!(transfer(10.0, 60.0).orbital_height(14, 0.0).unwrap_err().code(), 103);
    }
}
