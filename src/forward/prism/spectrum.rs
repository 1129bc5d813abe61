//! Transforms of whole planes: diffraction patterns of windows, and waves on coarser pixels.

use crate::grid::Plane;
use crate::simd::wave::{plan_lines, sweep, ComplexPlane, LinePlan, Lines, Step, Sweep, SweepScratch};
use crate::simd::{Real, SimdPath};

/// Two-dimensional transforms of waves `[rows, columns]`. Coefficients stand in the order of lane transforms: that at
/// place (i, j) has the frequency indices `rows()[i]`, `columns()[j]` (FFT order).
pub(super) struct Transform<T: Real> {
    path: SimdPath,
    along_y: LinePlan<T>,
    along_x: LinePlan<T>,
}

impl<T: Real> Transform<T> {
    pub(super) fn new(path: SimdPath, plane: &Plane) -> Self {
        Self { path, along_y: plan_lines(path, plane.rows), along_x: plan_lines(path, plane.columns) }
    }

    /// Frequency index of each row of coefficients.
    pub(super) fn rows(&self) -> &[usize] {
        self.along_y.frequency_at()
    }

    /// Frequency index of each column of coefficients.
    pub(super) fn columns(&self) -> &[usize] {
        self.along_x.frequency_at()
    }

    fn pass(&self, lines: Lines, step: Step<'_, T>, wave: &mut ComplexPlane<T>, scratch: &mut SweepScratch<T>) {
        let (plan, across) = match lines {
            Lines::Rows => (&self.along_x, &self.along_y),
            Lines::Columns => (&self.along_y, &self.along_x),
        };
        let all = Sweep { plan, lines, count: across.length(), load: None, store: None };
        sweep(self.path, &all, wave, &mut [step], scratch);
    }

    /// sum over r of psi(r) exp(-2 pi i k r)
    pub(super) fn forward(&self, wave: &mut ComplexPlane<T>, scratch: &mut SweepScratch<T>) {
        self.pass(Lines::Rows, Step::Forward, wave, scratch);
        self.pass(Lines::Columns, Step::Forward, wave, scratch);
    }

    /// sum over k of c(k) exp(2 pi i k r)
    pub(super) fn backward(&self, wave: &mut ComplexPlane<T>, scratch: &mut SweepScratch<T>) {
        self.pass(Lines::Columns, Step::Backward, wave, scratch);
        self.pass(Lines::Rows, Step::Backward, wave, scratch);
    }

    /// Writes |FFT psi|^2 `[rows, columns]` in FFT order and leaves FFT psi in `wave`.
    pub(super) fn pattern(&self, wave: &mut ComplexPlane<T>, pattern: &mut [T], scratch: &mut SweepScratch<T>) {
        self.forward(wave, scratch);
        let columns = self.columns();
        for (row, fy) in self.rows().iter().enumerate() {
            let (re, im) = wave.row(row);
            let line = &mut pattern[fy * columns.len()..(fy + 1) * columns.len()];
            for (fx, (re, im)) in columns.iter().zip(re.iter().zip(im)) {
                line[*fx] = *re * *re + *im * *im;
            }
        }
    }
}
