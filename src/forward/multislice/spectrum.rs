//! Waves by their coefficients: probes at any position, diffraction patterns, and the gradients of both.

use super::propagate::{of, Flight};
use crate::grid::Plane;
use crate::simd::wave::ComplexPlane;
use crate::simd::Real;
use num_complex::Complex;
use std::f64::consts::TAU;

/// How the coefficients of waves on a window are stored: the frequency of each row and column of a plane.
#[derive(Debug, Clone)]
pub(super) struct Coefficients {
    /// Frequency index along y (FFT order) of each row.
    pub(super) rows: Vec<usize>,
    /// Frequency index along x (FFT order) of each column.
    pub(super) columns: Vec<usize>,
    /// Frequencies along y of each row, 1/angstrom.
    ky: Vec<f64>,
    /// Frequencies along x of each column, 1/angstrom.
    kx: Vec<f64>,
    plane: Plane,
}

impl Coefficients {
    pub(super) fn new(plane: &Plane, rows: Vec<usize>, columns: Vec<usize>) -> Self {
        let (ky, kx) = (plane.frequencies_y(), plane.frequencies_x());
        let ky = rows.iter().map(|f| ky[*f]).collect();
        let kx = columns.iter().map(|f| kx[*f]).collect();
        Self { rows, columns, ky, kx, plane: *plane }
    }

    /// Writes the pattern |FFT psi|^2 `[rows, columns]` (FFT order) of the wave with these coefficients.
    pub(super) fn pattern<T: Real>(&self, wave: &ComplexPlane<T>, pattern: &mut [T]) {
        self.spectrum_pattern(wave, (self.plane.pixels() as f64).powi(2), pattern);
    }

    /// Replaces the coefficients in `wave` by the gradient with respect to them, given that with respect to the pattern.
    pub(super) fn pattern_pull_back<T: Real>(&self, by_pattern: &[T], wave: &mut ComplexPlane<T>) {
        self.spectrum_pull_back(by_pattern, (self.plane.pixels() as f64).powi(2), wave);
    }

    /// Writes `scale` |value|^2 of all that is stored, 0 elsewhere.
    pub(super) fn spectrum_pattern<T: Real>(&self, wave: &ComplexPlane<T>, scale: f64, pattern: &mut [T]) {
        let (columns, scale) = (self.plane.columns, T::of(scale));
        if self.columns.len() < columns {
            pattern.fill(T::of(0.0));
        }
        for (row, fy) in self.rows.iter().enumerate() {
            let (re, im) = wave.row(row);
            let line = &mut pattern[fy * columns..(fy + 1) * columns];
            for (fx, (re, im)) in self.columns.iter().zip(re.iter().zip(im)) {
                line[*fx] = (*re * *re + *im * *im) * scale;
            }
        }
    }

    /// The adjoint of its derivative.
    pub(super) fn spectrum_pull_back<T: Real>(&self, by_pattern: &[T], scale: f64, wave: &mut ComplexPlane<T>) {
        let (columns, scale) = (self.plane.columns, T::of(2.0 * scale));
        for (row, fy) in self.rows.iter().enumerate() {
            let (re, im) = wave.row_mut(row);
            let line = &by_pattern[fy * columns..(fy + 1) * columns];
            for (fx, (re, im)) in self.columns.iter().zip(re.iter_mut().zip(im)) {
                let factor = line[*fx] * scale;
                (*re, *im) = (*re * factor, *im * factor);
            }
        }
    }
}

/// The pupil A(k) exp(-i chi(k)) of a probe on a window, normalised, as coefficients.
pub struct Pupil<T: Real> {
    coefficients: Coefficients,
    values: ComplexPlane<T>,
    /// Rows with a value that is not zero.
    open: Vec<usize>,
}

impl<T: Real> Pupil<T> {
    /// From `pupil(kx, ky)`; scaled so that the sum over k of |psi(k)|^2 is 1.
    pub(super) fn new(coefficients: &Coefficients, pupil: impl Fn(f64, f64) -> Complex<f64>) -> Self {
        let all = |row: usize| coefficients.kx.iter().map(move |kx| (*kx, row));
        let value = |(kx, row): (f64, usize)| pupil(kx, coefficients.ky[row]);
        let norm = (0..coefficients.rows.len()).flat_map(all).map(|p| value(p).norm_sqr()).sum::<f64>().sqrt();
        let scale = 1.0 / (norm * coefficients.plane.pixels() as f64);
        let mut values = ComplexPlane::new(coefficients.rows.len(), coefficients.columns.len());
        let mut open = vec![];
        for row in 0..coefficients.rows.len() {
            let mut any = false;
            for (column, kx) in coefficients.kx.iter().enumerate() {
                let v = value((*kx, row)) * scale;
                any |= v.norm_sqr() > 0.0;
                values.set(row, column, of(v));
            }
            if any {
                open.push(row);
            }
        }
        Self { coefficients: coefficients.clone(), values, open }
    }

    /// Phase factors exp(-2 pi i k x) of the position and those of the flight along both axes, in the order of the
    /// coefficients, times `factor`.
    fn phases(&self, position: (f64, f64), flight: &Flight, factor: f64) -> (Vec<Complex<T>>, Vec<Complex<T>>) {
        let turn = |k: &[f64], x: f64, tangent: f64, factor: f64| {
            let turn = |k: &f64| of(Complex::from_polar(factor, flight.phase(*k, tangent) - TAU * k * x));
            k.iter().map(turn).collect()
        };
        let (x, y) = position;
        (
            turn(&self.coefficients.ky, y, flight.tangents.1, factor),
            turn(&self.coefficients.kx, x, flight.tangents.0, 1.0),
        )
    }

    /// Writes the coefficients of the probe at `position` = (x, y), angstrom from pixel (0, 0) of the window.
    pub fn place(&self, position: (f64, f64), wave: &mut ComplexPlane<T>) {
        wave.clear();
        self.add(position, &Flight::NONE, 1.0, wave);
    }

    /// Adds `factor` times the coefficients of the probe at `position` behind a free flight.
    pub fn add(&self, position: (f64, f64), flight: &Flight, factor: f64, wave: &mut ComplexPlane<T>) {
        let (by_row, by_column) = self.phases(position, flight, factor);
        for row in &self.open {
            let (re, im) = self.values.row(*row);
            let (to_re, to_im) = wave.row_mut(*row);
            for (column, turn) in by_column.iter().enumerate() {
                let value = Complex::new(re[column], im[column]) * *turn * by_row[*row];
                (to_re[column], to_im[column]) = (to_re[column] + value.re, to_im[column] + value.im);
            }
        }
    }

    /// dL/d(x, y), given the gradient with respect to what [`Self::add`] adds at this position.
    pub fn position_gradient(
        &self,
        position: (f64, f64),
        flight: &Flight,
        factor: f64,
        by_coefficient: &ComplexPlane<T>,
    ) -> (f64, f64) {
        let (by_row, by_column) = self.phases(position, flight, factor);
        let (mut by_x, mut by_y) = (0.0, 0.0);
        for row in &self.open {
            let (mut sum_x, mut sum) = (0.0, 0.0);
            for (column, turn) in by_column.iter().enumerate() {
                let value = self.values.get(*row, column) * *turn * by_row[*row];
                let gradient = by_coefficient.get(*row, column);
                // Re conj(G) (-2 pi i k) c = 2 pi k Im(conj(G) c)
                let slope = gradient.re.f64() * value.im.f64() - gradient.im.f64() * value.re.f64();
                sum += slope;
                sum_x += slope * self.coefficients.kx[column];
            }
            by_x += TAU * sum_x;
            by_y += TAU * sum * self.coefficients.ky[*row];
        }
        (by_x, by_y)
    }
}
