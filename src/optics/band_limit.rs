//! Band limit A(k) of multislice calculations.
//!
//! The product of two sampled functions holds frequencies up to the sum of theirs; what lies beyond the Nyquist
//! frequency comes back as a wrong lower one. With both factors limited to 2/3 of the Nyquist frequency nothing wrong
//! falls within the limit. The edge is a cosine of width t, because a step would ring:
//!
//! A(k) = 1 for |k| <= kc - t, (1 + cos(pi (|k| - kc + t) / t)) / 2 up to kc, 0 beyond;
//! kc = 0.6666666 / (2 s) and t = 0.01 / s (1/angstrom) for pixels of size s.

use crate::grid::Plane;
use ndarray::Array2;
use std::f64::consts::PI;

/// Part of the Nyquist frequency that passes: 2/3, with the digits of the simulators that this one is compared with.
const PART_OF_NYQUIST: f64 = 0.666_666_6;
/// Width of the edge in units of 1 / pixel.
const TAPER: f64 = 0.01;

/// Which frequencies of a wave a multislice calculation keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BandLimit {
    /// Those within a circle, with s the larger pixel: the same resolution in all directions (default).
    #[default]
    Circular,
    /// A(kx) A(ky), each axis with its own pixel: separable, and the corners pass, too.
    Square,
    /// All that the grid has. Wide angles then hold what was aliased.
    None,
}

impl BandLimit {
    /// A(k) on the frequencies of `plane`, index \[row, column\] in FFT order.
    pub fn mask(self, plane: &Plane) -> Array2<f64> {
        let (ky, kx) = (plane.frequencies_y(), plane.frequencies_x());
        if let Some((along_y, along_x)) = self.axis_masks(plane) {
            return Array2::from_shape_fn((plane.rows, plane.columns), |(row, column)| along_y[row] * along_x[column]);
        }
        let pixel = plane.pixel_y.max(plane.pixel_x);
        Array2::from_shape_fn((plane.rows, plane.columns), |(row, column)| edge(ky[row].hypot(kx[column]), pixel))
    }

    /// Masks along y and x whose product is A(k), in FFT order; `None` for the circular limit, which has none.
    pub fn axis_masks(self, plane: &Plane) -> Option<(Vec<f64>, Vec<f64>)> {
        let along = |frequencies: Vec<f64>, pixel: f64| frequencies.into_iter().map(|k| edge(k.abs(), pixel)).collect();
        match self {
            BandLimit::Circular => None,
            BandLimit::Square => {
                Some((along(plane.frequencies_y(), plane.pixel_y), along(plane.frequencies_x(), plane.pixel_x)))
            }
            BandLimit::None => Some((vec![1.0; plane.rows], vec![1.0; plane.columns])),
        }
    }

    /// Largest frequencies (along y, along x) that pass, 1/angstrom. For the circular limit the radius, twice.
    pub fn cutoffs(self, plane: &Plane) -> (f64, f64) {
        let cutoff = |pixel: f64| self.part_of_nyquist() / (2.0 * pixel);
        match self {
            BandLimit::Circular => {
                let radius = cutoff(plane.pixel_y.max(plane.pixel_x));
                (radius, radius)
            }
            BandLimit::Square | BandLimit::None => (cutoff(plane.pixel_y), cutoff(plane.pixel_x)),
        }
    }

    /// Largest scattering angle up to which every direction passes, mrad: lambda kc of the coarser axis. Over the last
    /// 0.02 / 0.67 of it, the edge, intensity is lost; beyond it there is none, or not in all directions.
    pub fn largest_angle_mrad(self, plane: &Plane, wavelength: f64) -> f64 {
        let (along_y, along_x) = self.cutoffs(plane);
        1e3 * wavelength * along_y.min(along_x)
    }

    /// Size of the pixels with which `angle_mrad` is the largest angle, angstrom.
    pub fn pixel_for(self, angle_mrad: f64, wavelength: f64) -> f64 {
        1e3 * wavelength * self.part_of_nyquist() / (2.0 * angle_mrad)
    }

    /// Cutoff in units of the Nyquist frequency.
    fn part_of_nyquist(self) -> f64 {
        match self {
            BandLimit::Circular | BandLimit::Square => PART_OF_NYQUIST,
            BandLimit::None => 1.0,
        }
    }
}

/// A at |k| = `k` for pixels of size `pixel`.
fn edge(k: f64, pixel: f64) -> f64 {
    let (cutoff, width) = (PART_OF_NYQUIST / (2.0 * pixel), TAPER / pixel);
    if k <= cutoff - width {
        1.0
    } else if k <= cutoff {
        0.5 * (1.0 + (PI * (k - cutoff + width) / width).cos())
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::electron::wavelength;

    #[test]
    fn the_edge_falls_from_one_to_zero() {
        let (cutoff, width) = (PART_OF_NYQUIST / 0.2, 0.1);
        assert_eq!((edge(cutoff - width, 0.1), edge(cutoff + 1e-12, 0.1)), (1.0, 0.0));
        assert!((edge(cutoff - 0.5 * width, 0.1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn masks_follow_their_definition_on_pixels_that_are_not_square() {
        let plane = Plane::new(30, 24, 0.2, 0.1).unwrap();
        let (ky, kx) = (plane.frequencies_y(), plane.frequencies_x());
        let (circular, square) = (BandLimit::Circular.mask(&plane), BandLimit::Square.mask(&plane));
        for ((row, column), value) in circular.indexed_iter() {
            assert_eq!(*value, edge(ky[row].hypot(kx[column]), 0.2));
            assert_eq!(square[[row, column]], edge(ky[row].abs(), 0.2) * edge(kx[column].abs(), 0.1));
        }
        assert!(BandLimit::None.mask(&plane).iter().all(|v| *v == 1.0));
        assert!(BandLimit::Circular.axis_masks(&plane).is_none());
        let (y, x) = BandLimit::Square.cutoffs(&plane);
        assert!((x / y - 2.0).abs() < 1e-12 && BandLimit::Circular.cutoffs(&plane) == (y, y));
    }

    #[test]
    fn the_largest_angle_is_that_of_the_reference() {
        // 256 pixels over 25.6 angstrom at 300 kV: 65.62495642992926 mrad.
        let (plane, lambda) = (Plane::new(256, 256, 0.1, 0.1).unwrap(), wavelength(300e3).unwrap());
        let angle = BandLimit::Circular.largest_angle_mrad(&plane, lambda);
        assert!((angle / 65.62495642992926 - 1.0).abs() < 1e-8, "{angle}");
        for limit in [BandLimit::Circular, BandLimit::Square, BandLimit::None] {
            let pixel = limit.pixel_for(limit.largest_angle_mrad(&plane, lambda), lambda);
            assert!((pixel - 0.1).abs() < 1e-15);
        }
    }
}
