//! Sampling of planes: frequencies in FFT order, and sizes that transform fast.

/// Frequencies (cycles per unit length) of an `n`-point transform of pixels of size `pixel`, in FFT order:
/// 0, 1, ..., then negative ones; for even `n` the Nyquist frequency is negative, as numpy's `fftfreq` has it.
pub fn frequencies(n: usize, pixel: f64) -> Vec<f64> {
    let step = 1.0 / (n as f64 * pixel);
    (0..n).map(|i| if i < n.div_ceil(2) { i as f64 * step } else { (i as f64 - n as f64) * step }).collect()
}

/// The smallest even product of 2, 3 and 5 that is not below `n`.
pub fn fast_size(n: usize) -> usize {
    let smooth = |mut m: usize| {
        for prime in [2, 3, 5] {
            while m.is_multiple_of(prime) {
                m /= prime;
            }
        }
        m == 1
    };
    (n.max(2)..).find(|&m| m.is_multiple_of(2) && smooth(m)).unwrap_or(n)
}

/// Pixel index (0-based) on which the origin falls, for odd and even sizes alike.
pub fn origin(n: usize) -> usize {
    n / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_fft_order() {
        assert_eq!(frequencies(4, 0.5), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(frequencies(5, 1.0), [0.0, 0.2, 0.4, -0.4, -0.2]);
    }

    #[test]
    fn fast_sizes_are_even_and_smooth() {
        assert_eq!([1, 2, 7, 88, 97, 145, 511].map(fast_size), [2, 2, 8, 90, 100, 150, 512]);
    }
}
