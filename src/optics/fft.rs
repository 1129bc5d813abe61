//! Two-dimensional inverse transform of a whole array, for calls that are made once.

use ndarray::Array2;
use num_complex::Complex64;
use rustfft::FftPlanner;

/// Inverse transform in place, kernel exp(+2 pi i k x), without the factor 1/N.
pub(super) fn inverse_2d(array: &mut Array2<Complex64>) {
    for _ in 0..2 {
        let n = array.ncols();
        let mut transformed = array.as_standard_layout().into_owned();
        if let Some(slice) = transformed.as_slice_mut() {
            FftPlanner::new().plan_fft_inverse(n).process(slice);
        }
        *array = transformed.reversed_axes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frequency_becomes_one_wave() {
        let (rows, cols) = (6, 5);
        let mut a = Array2::zeros((rows, cols));
        a[[2, 4]] = Complex64::new(1.0, 0.0);
        inverse_2d(&mut a);
        assert_eq!(a.dim(), (rows, cols));
        for ((y, x), value) in a.indexed_iter() {
            let turns = 2.0 * y as f64 / rows as f64 + 4.0 * x as f64 / cols as f64;
            assert!((value - Complex64::cis(std::f64::consts::TAU * turns)).norm() < 1e-14);
        }
    }
}
