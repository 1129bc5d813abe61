//! Filters of whole real images in Fourier space, with a choice of what lies beyond the edges.

use super::{RealTransform2, RealTransformScratch};
use crate::grid::frequencies;
use crate::simd::SimdPath;
use num_complex::Complex64;

/// What lies beyond the edges of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Edge {
    /// Its mirror image, edge pixels repeated: nothing of one side leaks to the opposite one.
    #[default]
    Mirror,
    /// Itself again, as in a periodic simulation cell.
    Periodic,
}

impl Edge {
    /// Pixels along one axis of `n` until the extended image repeats.
    pub fn period(self, n: usize) -> usize {
        match self {
            Edge::Mirror => 2 * n,
            Edge::Periodic => n,
        }
    }

    /// The pixel of an axis of `n` that stands for place `i` of the extended axis.
    pub fn pixel(self, i: i64, n: usize) -> usize {
        let wrapped = i.rem_euclid(self.period(n) as i64) as usize;
        if wrapped < n {
            wrapped
        } else {
            2 * n - 1 - wrapped
        }
    }
}

/// A plan that multiplies the spectrum of `rows` x `columns` images by a real even function of the frequency. As an
/// operator on images it is symmetric, so that it is its own adjoint.
pub struct RealFilter {
    rows: usize,
    columns: usize,
    edge: Edge,
    transform: RealTransform2<f64>,
    /// `[kx][ky]`, as the transform stores spectra.
    factors: Vec<f64>,
}

/// Scratch of one caller; garbage between calls.
pub struct RealFilterScratch {
    extended: Vec<f64>,
    spectrum: Vec<Complex64>,
    transform: RealTransformScratch<f64>,
}

impl RealFilter {
    /// The filter with `factor(ky, kx)`, frequencies in cycles per pixel, which must be even in both.
    pub fn new(path: SimdPath, (rows, columns): (usize, usize), edge: Edge, factor: impl Fn(f64, f64) -> f64) -> Self {
        let (y, x) = (edge.period(rows), edge.period(columns));
        let transform = RealTransform2::new(path, y, x);
        let ky = frequencies(y, 1.0);
        let factors = (frequencies(x, 1.0).iter().take(transform.half_columns()))
            .flat_map(|kx| ky.iter().map(|ky| factor(*ky, *kx)))
            .collect();
        Self { rows, columns, edge, transform, factors }
    }

    /// Scratch for this plan.
    pub fn scratch(&self) -> RealFilterScratch {
        RealFilterScratch {
            extended: vec![0.0; self.transform.rows() * self.transform.columns()],
            spectrum: vec![Complex64::ZERO; self.transform.spectrum_len()],
            transform: self.transform.scratch(),
        }
    }

    /// Bytes of [`Self::scratch`].
    pub fn scratch_bytes(&self) -> usize {
        let points = self.transform.rows() * self.transform.columns();
        8 * points + 16 * self.transform.spectrum_len() + self.transform.scratch_bytes()
    }

    /// Filters `image` (rows x columns, row by row) in place.
    pub fn apply(&self, image: &mut [f64], scratch: &mut RealFilterScratch) {
        let (rows, columns) = (self.transform.rows(), self.transform.columns());
        for (r, row) in scratch.extended.chunks_exact_mut(columns).enumerate() {
            let from = &image[self.edge.pixel(r as i64, self.rows) * self.columns..][..self.columns];
            row.iter_mut().enumerate().for_each(|(c, v)| *v = from[self.edge.pixel(c as i64, self.columns)]);
        }
        let RealFilterScratch { extended, spectrum, transform } = scratch;
        self.transform.forward(extended, columns, 0..rows, spectrum, transform);
        spectrum.iter_mut().zip(&self.factors).for_each(|(value, factor)| *value *= *factor);
        self.transform.inverse(spectrum, 1.0, extended, columns, 0..self.rows, transform);
        for (row, from) in image.chunks_exact_mut(self.columns).zip(extended.chunks_exact(columns)) {
            row.copy_from_slice(&from[..self.columns]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(n: usize, phase: f64) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * 0.37 + phase).sin() + 0.02 * (i % 11) as f64).collect()
    }

    /// exp(-2 pi^2 s^2 k^2), the spectrum of a Gaussian of standard deviation s pixels.
    fn gauss(ky: f64, kx: f64) -> f64 {
        (-2.0 * std::f64::consts::PI.powi(2) * 3.24 * (kx * kx + ky * ky)).exp()
    }

    #[test]
    fn the_extension_repeats_edge_pixels_or_wraps() {
        let places = |edge: Edge| (-4..8).map(|i| edge.pixel(i, 3)).collect::<Vec<_>>();
        assert_eq!(places(Edge::Mirror), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(places(Edge::Periodic), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn agrees_with_the_direct_sum_over_a_gaussian() {
        let (rows, columns) = (9, 14);
        let pixels = image(rows * columns, 0.3);
        for edge in [Edge::Mirror, Edge::Periodic] {
            let filter = RealFilter::new(SimdPath::detect(), (rows, columns), edge, gauss);
            let (mut filtered, mut scratch) = (pixels.clone(), filter.scratch());
            scratch.extended.fill(f64::NAN);
            scratch.spectrum.fill(Complex64::new(f64::NAN, f64::NAN));
            filter.apply(&mut filtered, &mut scratch);
            for (r, c) in [(0, 0), (4, 7), (8, 13), (0, 6)] {
                let weight =
                    |d: i64| (-(d as f64).powi(2) / (2.0 * 3.24)).exp() / (std::f64::consts::TAU * 3.24).sqrt();
                let mut wanted = 0.0;
                for (dr, dc) in (-15..=15).flat_map(|dr| (-15..=15).map(move |dc| (dr, dc))) {
                    let (y, x) = (edge.pixel(r + dr, rows), edge.pixel(c + dc, columns));
                    wanted += weight(dr) * weight(dc) * pixels[y * columns + x];
                }
                // A Gaussian of 1.8 pixels is 1e-7 at the Nyquist frequency.
                let got = filtered[r as usize * columns + c as usize];
                assert!((got - wanted).abs() < 1e-6, "{edge:?} {r} {c}: {got} {wanted}");
            }
        }
    }

    #[test]
    fn is_its_own_adjoint_and_keeps_the_mean() {
        for edge in [Edge::Mirror, Edge::Periodic] {
            let filter = RealFilter::new(SimdPath::Portable, (7, 10), edge, gauss);
            let (a, b) = (image(70, 0.0), image(70, 1.9));
            let (mut fa, mut fb) = (a.clone(), b.clone());
            let mut scratch = filter.scratch();
            filter.apply(&mut fa, &mut scratch);
            filter.apply(&mut fb, &mut scratch);
            let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
            assert!((dot(&fa, &b) - dot(&a, &fb)).abs() < 1e-12 * dot(&a, &a));
            assert!((fa.iter().sum::<f64>() - a.iter().sum::<f64>()).abs() < 1e-11);
        }
    }
}
