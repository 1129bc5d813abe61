//! Sampling of planes: pixels, frequencies in FFT order, and sizes that transform fast.

use crate::error::{Error, Result};

/// Most pixels along one axis of a plane.
const MAX_POINTS: usize = 1 << 16;

/// Sampling of one plane across the beam: `rows` x `columns` pixels, index \[row, column\], rows along y, columns
/// along x. Pixels need not be square. Which point of space lies on which pixel is up to the owner.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plane {
    /// Pixels along y.
    pub rows: usize,
    /// Pixels along x.
    pub columns: usize,
    /// Size of a pixel along y, angstrom.
    pub pixel_y: f64,
    /// Size of a pixel along x, angstrom.
    pub pixel_x: f64,
}

impl Plane {
    /// A plane of `rows` x `columns` pixels of `pixel_y` x `pixel_x` angstrom.
    ///
    /// # Errors
    /// `Shape` for an empty plane or more than 65536 pixels along one axis, `Range` for a pixel that is not positive.
    pub fn new(rows: usize, columns: usize, pixel_y: f64, pixel_x: f64) -> Result<Self> {
        if ![rows, columns].iter().all(|n| (1..=MAX_POINTS).contains(n)) {
            return Err(Error::shape("plane", &[rows, columns], format!("(rows, columns), each 1 to {MAX_POINTS}")));
        }
        for (name, pixel) in [("pixel size along y", pixel_y), ("pixel size along x", pixel_x)] {
            if !(pixel.is_finite() && pixel > 0.0) {
                return Err(Error::range(name, pixel, "a positive number (angstrom)"));
            }
        }
        Ok(Self { rows, columns, pixel_y, pixel_x })
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Length along (y, x), angstrom.
    pub fn extent(&self) -> (f64, f64) {
        (self.rows as f64 * self.pixel_y, self.columns as f64 * self.pixel_x)
    }

    /// Frequencies along y in FFT order, 1/angstrom.
    pub fn frequencies_y(&self) -> Vec<f64> {
        frequencies(self.rows, self.pixel_y)
    }

    /// Frequencies along x in FFT order, 1/angstrom.
    pub fn frequencies_x(&self) -> Vec<f64> {
        frequencies(self.columns, self.pixel_x)
    }
}

/// Frequencies (cycles per unit length) of an `n`-point transform of pixels of size `pixel`, in FFT order:
/// 0, 1, ..., then negative ones; for even `n` the Nyquist frequency is negative, as numpy's `fftfreq` has it.
pub fn frequencies(n: usize, pixel: f64) -> Vec<f64> {
    let step = 1.0 / (n as f64 * pixel);
    (0..n).map(|i| if i < n.div_ceil(2) { i as f64 * step } else { (i as f64 - n as f64) * step }).collect()
}

/// The even size from `n` on whose square transforms fastest: a product of 2, 3, 5 and at most one 7. Measured with
/// vectorised transforms: each 5 or 7 costs a tenth more than as many points made of twos, a 3 about 3 %; multiples of 25
/// with few twos take twice as long as their neighbours (450 points more than 512).
pub fn fast_size(n: usize) -> usize {
    let work = |m: usize| {
        let (mut rest, mut powers) = (m, [0i32; 4]);
        for (prime, power) in [2, 3, 5, 7].into_iter().zip(&mut powers) {
            while rest.is_multiple_of(prime) {
                rest /= prime;
                *power += 1;
            }
        }
        let [two, three, five, seven] = powers;
        let fast = rest == 1 && two > 0 && seven < 2 && (five < 2 || two > 3);
        fast.then(|| (m * m) as f64 * (1.0 + 0.03 * f64::from(three) + 0.1 * f64::from(five + seven)))
    };
    let n = n.max(2);
    let sizes = (n..=n + n / 3 + 2).filter_map(|m| work(m).map(|work| (work, m)));
    sizes.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(n, |(_, m)| m)
}

/// Pixel index (0-based) on which the origin falls, for odd and even sizes alike.
pub fn origin(n: usize) -> usize {
    n / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_checked_and_know_their_extent() {
        let plane = Plane::new(4, 6, 0.5, 0.25).unwrap();
        assert_eq!((plane.pixels(), plane.extent()), (24, (2.0, 1.5)));
        assert_eq!(plane.frequencies_y(), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(plane.frequencies_x().len(), 6);
        assert_eq!(Plane::new(0, 6, 0.5, 0.25).unwrap_err().code(), 101);
        assert_eq!(Plane::new(4, 6, 0.5, f64::NAN).unwrap_err().code(), 103);
    }

    #[test]
    fn frequencies_follow_fft_order() {
        assert_eq!(frequencies(4, 0.5), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(frequencies(5, 1.0), [0.0, 0.2, 0.4, -0.4, -0.2]);
    }

    #[test]
    fn fast_sizes_are_even_smooth_and_near() {
        assert_eq!([1, 2, 7, 88, 97, 145, 441, 511].map(fast_size), [2, 2, 8, 90, 108, 160, 448, 512]);
        for n in 2..5000 {
            let m = fast_size(n);
            assert!(m >= n && m.is_multiple_of(2) && m <= n + n / 5 + 6, "{n} {m}");
        }
    }
}
