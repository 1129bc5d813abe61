//! Multislice written down plainly, in double precision and with another library's transforms, circular band limit: the
//! formulas of the engine without anything that makes them fast. Index \[row = y, column = x\].
#![allow(dead_code)]

use ndarray::{Array2, Axis};
use num_complex::Complex64;
use rustfft::FftPlanner;
use std::f64::consts::{PI, TAU};

/// Projected scattering factor by frequency, and place (x, y) of an atom.
pub type PlacedAtom<'a> = (&'a dyn Fn(f64) -> f64, f64, f64);

/// Pixels and lengths (angstrom) along y and x, and the electrons.
pub struct Plain {
    pub points: (usize, usize),
    pub lengths: (f64, f64),
    pub wavelength: f64,
    pub sigma: f64,
}

pub fn transform(values: &mut Array2<Complex64>, inverse: bool) {
    for axis in [Axis(0), Axis(1)] {
        let n = values.len_of(axis);
        let mut planner = FftPlanner::new();
        let plan = if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) };
        for mut lane in values.lanes_mut(axis) {
            let mut line = lane.to_vec();
            plan.process(&mut line);
            lane.iter_mut().zip(line).for_each(|(to, from)| *to = if inverse { from / n as f64 } else { from });
        }
    }
}

impl Plain {
    /// (ky, kx) of pixel \[row, column\] of a spectrum; the Nyquist frequency is negative.
    fn k(&self, (row, column): (usize, usize)) -> (f64, f64) {
        let of = |i: usize, n: usize, length: f64| (i as f64 - if 2 * i >= n { n as f64 } else { 0.0 }) / length;
        (of(row, self.points.0, self.lengths.0), of(column, self.points.1, self.lengths.1))
    }

    fn spectrum(&self, value: impl Fn(f64, f64) -> Complex64) -> Array2<Complex64> {
        Array2::from_shape_fn(self.points, |at| {
            let (ky, kx) = self.k(at);
            value(ky, kx)
        })
    }

    fn band_limit(&self, ky: f64, kx: f64) -> f64 {
        let pixel = (self.lengths.0 / self.points.0 as f64).max(self.lengths.1 / self.points.1 as f64);
        let (k, cutoff, taper) = (ky.hypot(kx), 0.6666666 / (2.0 * pixel), 0.01 / pixel);
        match k {
            k if k <= cutoff - taper => 1.0,
            k if k <= cutoff => 0.5 * (1.0 + (PI * (k - cutoff + taper) / taper).cos()),
            _ => 0.0,
        }
    }

    /// Infinite projection (V A) of atoms (projected scattering factor of |k| in V A^3, x, y).
    pub fn potential(&self, atoms: &[PlacedAtom<'_>]) -> Array2<f64> {
        let mut v = self.spectrum(|ky, kx| {
            let of_atom = |(f, x, y): &PlacedAtom<'_>| Complex64::from_polar(f(ky.hypot(kx)), -TAU * (kx * x + ky * y));
            atoms.iter().map(of_atom).sum()
        });
        transform(&mut v, true);
        let pixels = (self.points.0 * self.points.1) as f64;
        v.mapv(|v| v.re * pixels / (self.lengths.0 * self.lengths.1))
    }

    pub fn transmission(&self, potential: &Array2<f64>) -> Array2<Complex64> {
        let mut t = potential.mapv(|v| Complex64::cis(self.sigma * v));
        transform(&mut t, false);
        t.indexed_iter_mut().for_each(|(at, v)| *v *= self.band_limit(self.k(at).0, self.k(at).1));
        transform(&mut t, true);
        t
    }

    /// A soft-edged probe at (x, y); `chi(alpha, phi)` in angstrom, to be multiplied by 2 pi / lambda.
    pub fn probe(&self, semiangle_mrad: f64, chi: impl Fn(f64, f64) -> f64, (x, y): (f64, f64)) -> Array2<Complex64> {
        let mut psi = self.spectrum(|ky, kx| {
            let (alpha, phi) = (self.wavelength * ky.hypot(kx), ky.atan2(kx));
            let step = self.wavelength * (phi.cos() / self.lengths.1).hypot(phi.sin() / self.lengths.0);
            let open = ((semiangle_mrad * 1e-3 - alpha) / step + 0.5).clamp(0.0, 1.0);
            let open = if alpha == 0.0 { 1.0 } else { open };
            Complex64::from_polar(open, -TAU / self.wavelength * chi(alpha, phi) - TAU * (kx * x + ky * y))
        });
        let norm = psi.iter().map(|v| v.norm_sqr()).sum::<f64>().sqrt();
        psi.mapv_inplace(|v| v / norm);
        transform(&mut psi, true);
        psi
    }

    /// Through one slice and on over `thickness`.
    pub fn slice(&self, psi: &mut Array2<Complex64>, transmission: &Array2<Complex64>, thickness: f64) {
        psi.zip_mut_with(transmission, |psi, t| *psi *= t);
        transform(psi, false);
        for (at, v) in psi.indexed_iter_mut() {
            let (ky, kx) = self.k(at);
            let phase = -PI * self.wavelength * thickness * (kx * kx + ky * ky);
            *v *= Complex64::from_polar(self.band_limit(ky, kx), phase);
        }
        transform(psi, true);
    }

    /// |FFT psi|^2 in FFT order.
    pub fn pattern(&self, psi: &Array2<Complex64>) -> Array2<f64> {
        let mut psi = psi.clone();
        transform(&mut psi, false);
        psi.mapv(|v| v.norm_sqr())
    }
}
