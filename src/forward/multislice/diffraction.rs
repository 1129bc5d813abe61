//! Diffraction patterns of windows, sampled more finely: up to the sampling of the whole object.
//!
//! A window has coarser steps in angle than the whole object, and rings of whole pixels then have other borders. Zeros
//! around the exit wave make the steps finer, at the cost of about two slices for twice the window.

use super::spectrum::Coefficients;
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::{plan_lines, sweep, ComplexPlane, LinePlan, Lines, Step, Sweep, SweepScratch};
use crate::simd::{Real, SimdPath};

/// Plan of patterns sampled as those of `plane`, of waves on a window within it. Immutable.
pub struct Diffraction<T: Real> {
    path: SimdPath,
    window: Plane,
    plane: Plane,
    along_x: LinePlan<T>,
    along_y: LinePlan<T>,
    /// Places of transformed rows that lie within the band limit.
    places: Vec<usize>,
    coefficients: Coefficients,
}

impl<T: Real> Diffraction<T> {
    /// For waves on `window`, limited by `limit` on `plane`.
    pub fn new(path: SimdPath, window: &Plane, plane: &Plane, limit: BandLimit) -> Self {
        let (along_x, along_y) = (plan_lines::<T>(path, plane.columns), plan_lines(path, plane.rows));
        let (cutoff, kx) = (limit.cutoffs(plane).1, plane.frequencies_x());
        let within = |place: &usize| limit == BandLimit::None || kx[along_x.frequency_at()[*place]].abs() <= cutoff;
        let places: Vec<usize> = (0..plane.columns).filter(within).collect();
        let columns = places.iter().map(|p| along_x.frequency_at()[*p]).collect();
        let coefficients = Coefficients::new(plane, along_y.frequency_at().to_vec(), columns);
        Self { path, window: *window, plane: *plane, along_x, along_y, places, coefficients }
    }

    /// The plane of patterns.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Memory for one wave with zeros around it.
    pub fn wave(&self) -> ComplexPlane<T> {
        ComplexPlane::new(self.plane.rows, self.plane.columns)
    }

    /// Writes the pattern `[rows, columns]` (FFT order) of the exit wave `exit` on the window, scaled so that an empty
    /// object still gives the sum 1. `spectrum` then holds what [`Self::pull_back`] needs.
    pub fn pattern(
        &self,
        exit: &ComplexPlane<T>,
        spectrum: &mut ComplexPlane<T>,
        pattern: &mut [T],
        scratch: &mut SweepScratch<T>,
    ) {
        spectrum.clear();
        for row in 0..self.window.rows {
            let ((re, im), (to_re, to_im)) = (exit.row(row), spectrum.row_mut(row));
            to_re[..self.window.columns].copy_from_slice(&re[..self.window.columns]);
            to_im[..self.window.columns].copy_from_slice(&im[..self.window.columns]);
        }
        self.rows(None, Some(&self.places), spectrum, &mut [Step::Forward], scratch);
        self.columns(spectrum, &mut [Step::Forward], scratch);
        self.coefficients.spectrum_pattern(spectrum, self.scale(), pattern);
    }

    /// Writes the gradient with respect to the exit wave on the window to `exit`, given that with respect to the pattern;
    /// `spectrum` is that of [`Self::pattern`] and is destroyed.
    pub fn pull_back(
        &self,
        by_pattern: &[T],
        spectrum: &mut ComplexPlane<T>,
        exit: &mut ComplexPlane<T>,
        scratch: &mut SweepScratch<T>,
    ) {
        self.coefficients.spectrum_pull_back(by_pattern, self.scale(), spectrum);
        self.columns(spectrum, &mut [Step::Backward], scratch);
        self.rows(Some(&self.places), None, spectrum, &mut [Step::Backward], scratch);
        for row in 0..self.window.rows {
            let ((re, im), (to_re, to_im)) = (spectrum.row(row), exit.row_mut(row));
            to_re[..self.window.columns].copy_from_slice(&re[..self.window.columns]);
            to_im[..self.window.columns].copy_from_slice(&im[..self.window.columns]);
        }
    }

    /// |FFT psi|^2 of the padded wave sums to this many times less than that of the window.
    fn scale(&self) -> f64 {
        self.window.pixels() as f64 / self.plane.pixels() as f64
    }

    fn rows<'b>(
        &'b self,
        load: Option<&'b [usize]>,
        store: Option<&'b [usize]>,
        wave: &mut ComplexPlane<T>,
        steps: &mut [Step<'b, T>],
        scratch: &mut SweepScratch<T>,
    ) {
        // rows below the window are zero, and their gradient is not asked for
        let rows = Sweep { plan: &self.along_x, lines: Lines::Rows, count: self.window.rows, load, store };
        sweep(self.path, &rows, wave, steps, scratch);
    }

    fn columns<'b>(&'b self, wave: &mut ComplexPlane<T>, steps: &mut [Step<'b, T>], scratch: &mut SweepScratch<T>) {
        let count = self.places.len();
        let columns = Sweep { plan: &self.along_y, lines: Lines::Columns, count, load: None, store: None };
        sweep(self.path, &columns, wave, steps, scratch);
    }
}
