//! Transform of a real image to its half spectrum and back.
//!
//! Two rows travel as real and imaginary part of one complex row, which serves even and odd sizes alike and costs
//! what a dedicated real transform does. Rows known to be zero (forward) or not needed (inverse) are skipped: the
//! slices of a particle fill only part of the image.
//!
//! F(kx, ky) = sum over x, y of f(x, y) exp(-2 pi i (kx x / nx + ky y / ny)), stored as [kx][ky] with
//! kx in 0..=nx/2 and ky in 0..ny in FFT order. The inverse includes the factor 1 / (nx ny).

use crate::simd::{Real, SimdPath};
use num_complex::Complex;
use rustfft::{Fft, FftPlanner, FftPlannerScalar};
use std::ops::Range;
use std::sync::Arc;

/// Rows per block: 16 complex values per column fill whole cache lines when the block is written transposed.
const BLOCK: usize = 16;

/// Plan for images of `rows` x `columns`.
pub struct RealTransform2<T: Real> {
    rows: usize,
    columns: usize,
    row_forward: Arc<dyn Fft<T>>,
    row_inverse: Arc<dyn Fft<T>>,
    column_forward: Arc<dyn Fft<T>>,
    column_inverse: Arc<dyn Fft<T>>,
}

/// Scratch of a [`RealTransform2`]: garbage before and after each call.
pub struct RealTransformScratch<T> {
    block: Vec<Complex<T>>,
    fft: Vec<Complex<T>>,
}

impl<T: Real> RealTransform2<T> {
    /// Plan for images of `rows` x `columns` (any sizes from 1; even products of 2, 3, 5 are fast). The portable path
    /// uses scalar transforms, the others what rustfft finds best on this processor.
    pub fn new(path: SimdPath, rows: usize, columns: usize) -> Self {
        let (mut best, mut scalar) = (FftPlanner::new(), FftPlannerScalar::new());
        let mut plan = |n: usize, inverse: bool| -> Arc<dyn Fft<T>> {
            match (path, inverse) {
                (SimdPath::Portable, false) => scalar.plan_fft_forward(n),
                (SimdPath::Portable, true) => scalar.plan_fft_inverse(n),
                (_, false) => best.plan_fft_forward(n),
                (_, true) => best.plan_fft_inverse(n),
            }
        };
        Self {
            rows,
            columns,
            row_forward: plan(columns, false),
            row_inverse: plan(columns, true),
            column_forward: plan(rows, false),
            column_inverse: plan(rows, true),
        }
    }

    /// Rows of the image.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the image.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Values of kx in the half spectrum: columns / 2 + 1.
    pub fn half_columns(&self) -> usize {
        self.columns / 2 + 1
    }

    /// Values in the half spectrum.
    pub fn spectrum_len(&self) -> usize {
        self.half_columns() * self.rows
    }

    /// Scratch for this plan.
    pub fn scratch(&self) -> RealTransformScratch<T> {
        let plans = [&self.row_forward, &self.row_inverse, &self.column_forward, &self.column_inverse];
        let fft = plans.iter().map(|p| p.get_inplace_scratch_len()).max().unwrap_or(0);
        let zero = Complex::new(T::zero(), T::zero());
        RealTransformScratch { block: vec![zero; BLOCK / 2 * self.columns], fft: vec![zero; fft] }
    }

    /// Bytes of [`Self::scratch`].
    pub fn scratch_bytes(&self) -> usize {
        let scratch = self.scratch();
        (scratch.block.len() + scratch.fft.len()) * size_of::<Complex<T>>()
    }

    /// Spectrum of the image whose rows start at `image[r * pitch]`; rows outside `filled` count as zero.
    pub fn forward(
        &self,
        image: &[T],
        pitch: usize,
        filled: Range<usize>,
        spectrum: &mut [Complex<T>],
        scratch: &mut RealTransformScratch<T>,
    ) {
        let zero = Complex::new(T::zero(), T::zero());
        let used = filled.start.min(self.rows)..filled.end.min(self.rows);
        for column in spectrum.chunks_exact_mut(self.rows) {
            column[..used.start / BLOCK * BLOCK].fill(zero);
            column[used.end.next_multiple_of(BLOCK).min(self.rows)..].fill(zero);
        }
        for start in (used.start / BLOCK * BLOCK..used.end).step_by(BLOCK) {
            self.forward_block(image, pitch, &used, start, spectrum, scratch);
        }
        self.column_forward.process_with_scratch(spectrum, &mut scratch.fft);
    }

    /// Rows start..start + BLOCK: transform in pairs, separate, write transposed.
    fn forward_block(
        &self,
        image: &[T],
        pitch: usize,
        used: &Range<usize>,
        start: usize,
        spectrum: &mut [Complex<T>],
        scratch: &mut RealTransformScratch<T>,
    ) {
        let (n, end) = (self.columns, (start + BLOCK).min(self.rows));
        let row = |r: usize| (used.contains(&r)).then(|| &image[r * pitch..r * pitch + n]);
        for (pair, packed) in scratch.block.chunks_exact_mut(n).enumerate() {
            let (upper, lower) = (row(start + 2 * pair), row(start + 2 * pair + 1));
            match (upper, lower) {
                (Some(a), Some(b)) => {
                    packed.iter_mut().zip(a.iter().zip(b)).for_each(|(p, (a, b))| *p = Complex::new(*a, *b))
                }
                (Some(a), None) => packed.iter_mut().zip(a).for_each(|(p, a)| *p = Complex::new(*a, T::zero())),
                (None, Some(b)) => packed.iter_mut().zip(b).for_each(|(p, b)| *p = Complex::new(T::zero(), *b)),
                (None, None) => packed.fill(Complex::new(T::zero(), T::zero())),
            }
        }
        self.row_forward.process_with_scratch(&mut scratch.block, &mut scratch.fft);
        let half = T::of(0.5);
        for (kx, column) in spectrum.chunks_exact_mut(self.rows).enumerate() {
            let mirror = if kx == 0 { 0 } else { n - kx };
            for (pair, out) in column[start..end].chunks_mut(2).enumerate() {
                let (z, w) = (scratch.block[pair * n + kx], scratch.block[pair * n + mirror].conj());
                out[0] = (z + w) * half;
                if let Some(lower) = out.get_mut(1) {
                    let d = (z - w) * half;
                    *lower = Complex::new(d.im, -d.re);
                }
            }
        }
    }

    /// Image of a spectrum (destroyed), `scale` times; only rows `wanted` are written, at `image[r * pitch]`.
    pub fn inverse(
        &self,
        spectrum: &mut [Complex<T>],
        scale: T,
        image: &mut [T],
        pitch: usize,
        wanted: Range<usize>,
        scratch: &mut RealTransformScratch<T>,
    ) {
        self.column_inverse.process_with_scratch(spectrum, &mut scratch.fft);
        let wanted = wanted.start.min(self.rows)..wanted.end.min(self.rows);
        let scale = scale * T::of(1.0 / (self.rows * self.columns) as f64);
        for start in (wanted.start / BLOCK * BLOCK..wanted.end).step_by(BLOCK) {
            self.inverse_block(spectrum, scale, start, scratch);
            for (pair, packed) in scratch.block.chunks_exact(self.columns).enumerate() {
                let r = start + 2 * pair;
                if wanted.contains(&r) {
                    let row = &mut image[r * pitch..r * pitch + self.columns];
                    row.iter_mut().zip(packed).for_each(|(v, p)| *v = p.re);
                }
                if wanted.contains(&(r + 1)) {
                    let row = &mut image[(r + 1) * pitch..(r + 1) * pitch + self.columns];
                    row.iter_mut().zip(packed).for_each(|(v, p)| *v = p.im);
                }
            }
        }
    }

    /// Packs rows start..start + BLOCK of the column-transformed spectrum in pairs and transforms them.
    fn inverse_block(&self, spectrum: &[Complex<T>], scale: T, start: usize, scratch: &mut RealTransformScratch<T>) {
        let (n, end) = (self.columns, (start + BLOCK).min(self.rows));
        let zero = Complex::new(T::zero(), T::zero());
        if end - start < BLOCK {
            scratch.block.fill(zero);
        }
        for (kx, column) in spectrum.chunks_exact(self.rows).enumerate() {
            let mirror = if kx == 0 { 0 } else { n - kx };
            for (pair, rows) in column[start..end].chunks(2).enumerate() {
                let a = rows[0] * scale;
                let b = rows.get(1).map_or(zero, |b| *b * scale);
                // a + i b, and its mirror conj(a) + i conj(b); written in this order so that kx = 0 and Nyquist end
                // as a + i b of values that are real up to rounding.
                scratch.block[pair * n + mirror] = Complex::new(a.re + b.im, b.re - a.im);
                scratch.block[pair * n + kx] = Complex::new(a.re - b.im, a.im + b.re);
            }
        }
        self.row_inverse.process_with_scratch(&mut scratch.block, &mut scratch.fft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn image(rows: usize, columns: usize, filled: &Range<usize>) -> Vec<f64> {
        (0..rows * columns)
            .map(|i| if filled.contains(&(i / columns)) { (i as f64 * 0.7).sin() + 0.1 * (i % 7) as f64 } else { 0.0 })
            .collect()
    }

    fn direct(image: &[f64], rows: usize, columns: usize, kx: usize, ky: usize) -> Complex<f64> {
        (0..rows * columns)
            .map(|i| {
                let turn = (kx * (i % columns)) as f64 / columns as f64 + (ky * (i / columns)) as f64 / rows as f64;
                Complex::from_polar(image[i], -2.0 * PI * turn)
            })
            .sum()
    }

    fn check<T: Real>(path: SimdPath, rows: usize, columns: usize, filled: Range<usize>, tolerance: f64) {
        let plan = RealTransform2::<T>::new(path, rows, columns);
        let pitch = columns + 3;
        let values = image(rows, columns, &filled);
        let nan = T::of(f64::NAN);
        let mut padded = vec![nan; rows * pitch]; // dirty outside the filled rows: they must not be read
        for r in filled.clone() {
            for c in 0..columns {
                padded[r * pitch + c] = T::of(values[r * columns + c]);
            }
        }
        let mut spectrum = vec![Complex::new(nan, nan); plan.spectrum_len()];
        let mut scratch = plan.scratch();
        scratch.block.fill(Complex::new(nan, nan));
        scratch.fft.fill(Complex::new(nan, nan));
        plan.forward(&padded, pitch, filled.clone(), &mut spectrum, &mut scratch);
        for kx in 0..plan.half_columns() {
            for ky in 0..rows {
                let got = spectrum[kx * rows + ky];
                let wanted = direct(&values, rows, columns, kx, ky);
                assert!(
                    (got.re.f64() - wanted.re).abs() + (got.im.f64() - wanted.im).abs() < tolerance,
                    "{rows} x {columns}, {kx} {ky}"
                );
            }
        }
        scratch.block.fill(Complex::new(nan, nan));
        let mut back = vec![nan; rows * pitch];
        plan.inverse(&mut spectrum, T::of(2.0), &mut back, pitch, filled.clone(), &mut scratch);
        for r in 0..rows {
            for c in 0..columns {
                let got = back[r * pitch + c].f64();
                if filled.contains(&r) {
                    assert!((got - 2.0 * values[r * columns + c]).abs() < tolerance);
                } else {
                    assert!(got.is_nan(), "rows that are not wanted stay untouched");
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_direct_sum_for_all_parities_and_row_ranges() {
        for path in [SimdPath::Portable, SimdPath::detect()] {
            for (rows, columns) in [(8, 8), (24, 18), (17, 20), (20, 15), (33, 9), (1, 6), (6, 1)] {
                for filled in [0..rows, rows / 3..rows, 0..rows / 2, rows / 2..rows / 2] {
                    check::<f64>(path, rows, columns, filled.clone(), 1e-10);
                    check::<f32>(path, rows, columns, filled, 2e-3);
                }
            }
        }
    }
}
