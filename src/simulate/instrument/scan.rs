//! Where the beam really was when a pixel was recorded.
//!
//! With the place p of a pixel relative to the origin pixel (rows / 2, columns / 2), the time t = 0..1 of the pixel within
//! the image (rows downwards, columns along a row) and the distance l from the start of its row, the beam stands at
//!
//! R(rotation) [[1 + stretch_x, shear], [0, 1 + stretch_y]] p + drift t + walk(row) + jitter(row) + (flyback exp(-l / decay), 0).
//!
//! The image there is interpolated by cubic B-splines through its pixels (Unser, IEEE Signal Process. Mag. 16(6) (1999) 22):
//! exact at the pixels, of fourth order between. The specimen appears shifted the opposite way.

use super::not_negative;
use crate::error::{Error, Result};
use crate::fourier::{Edge, RealFilter};
use crate::grid::{origin, Plane};
use crate::simd::SimdPath;
use crate::simulate::random::{stream, Purpose};
use ndarray::Array3;
use rand::RngExt;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// Largest option of a scan: beyond, doubles lose the fractions of pixels.
const LARGEST: f64 = 1e6;

/// Distortions of a scan; all zero by default. Pairs are (along x', along y').
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Scan {
    /// Way of the beam over the specimen during one image, angstrom.
    pub drift: [f64; 2],
    /// Random walk from row to row: standard deviation at the end of an image per axis, angstrom. Each image starts at 0.
    pub walk: f64,
    /// Standard deviation of the place of each row, angstrom.
    pub row_jitter: [f64; 2],
    /// How far the beam lags behind, in +x', where a row starts, angstrom.
    pub flyback: f64,
    /// Distance along the row over which the lag falls to 1 / e, angstrom; needed where there is one.
    pub flyback_decay: f64,
    /// Rotation of the scan from x' to y', degree.
    pub rotation_deg: f64,
    /// Places move along x' by this times y'.
    pub shear: f64,
    /// Relative excess of the lengths of a scan.
    pub stretch: [f64; 2],
}

impl Scan {
    /// Whether the beam is where the pixels say.
    pub fn is_perfect(&self) -> bool {
        Scan { flyback_decay: 0.0, ..*self } == Scan::default()
    }

    pub(super) fn check(&self) -> Result<()> {
        let finite = [
            ("drift x", self.drift[0]),
            ("drift y", self.drift[1]),
            ("flyback", self.flyback),
            ("rotation_deg", self.rotation_deg),
            ("shear", self.shear),
        ];
        if let Some((what, value)) = finite.iter().find(|(_, v)| v.is_nan() || v.abs() > LARGEST) {
            return Err(Error::range(*what, value, format!("a number within +-{LARGEST:e}")));
        }
        for (what, value) in
            [("walk", self.walk), ("row_jitter x", self.row_jitter[0]), ("row_jitter y", self.row_jitter[1])]
        {
            if !(0.0..=LARGEST).contains(&value) {
                return Err(Error::range(what, value, format!("0 to {LARGEST:e} (angstrom)")));
            }
        }
        not_negative("flyback_decay", self.flyback_decay, "0 or a positive number (angstrom)")?;
        if self.flyback != 0.0 && self.flyback_decay == 0.0 {
            return Err(Error::range("flyback_decay", 0, "a positive number (angstrom) where there is a flyback"));
        }
        for (what, value) in [("stretch x", self.stretch[0]), ("stretch y", self.stretch[1])] {
            if !(value > -1.0 && value <= LARGEST) {
                return Err(Error::range(what, value, format!("a relative excess above -1, at most {LARGEST:e}")));
            }
        }
        Ok(())
    }

    /// Displacements `[row, column, 2]` of the beam, (u along x', v along y') in angstrom, from where the pixels of image
    /// number `image` of `plane` say it is. A simulation that places its own probes adds them to its scan positions.
    pub fn displacements(&self, plane: &Plane, seed: u64, image: u64) -> Array3<f64> {
        let (rows, columns) = (plane.rows, plane.columns);
        let of_rows = self.rows(rows, seed, image);
        let (sin, cos) = self.rotation_deg.to_radians().sin_cos();
        // The matrix minus 1, so that zeros give zero to the last bit.
        let (sx, sy) = (1.0 + self.stretch[0], 1.0 + self.stretch[1]);
        let m = [[cos * sx - 1.0, cos * self.shear - sin * sy], [sin * sx, sin * self.shear + cos * sy - 1.0]];
        let lag = |column: usize| match self.flyback {
            0.0 => 0.0,
            flyback => flyback * (-(column as f64 * plane.pixel_x) / self.flyback_decay).exp(),
        };
        Array3::from_shape_fn((rows, columns, 2), |(r, c, axis)| {
            let x = (c as f64 - origin(columns) as f64) * plane.pixel_x;
            let y = (r as f64 - origin(rows) as f64) * plane.pixel_y;
            let time = (r * columns + c) as f64 / (rows * columns) as f64;
            let along_row = if axis == 0 { lag(c) } else { 0.0 };
            m[axis][0] * x + m[axis][1] * y + self.drift[axis] * time + of_rows[r][axis] + along_row
        })
    }

    /// Random displacement of each row.
    fn rows(&self, rows: usize, seed: u64, image: u64) -> Vec<[f64; 2]> {
        let mut steps = stream(seed, Purpose::Walk, image);
        let mut jitter = stream(seed, Purpose::Jitter, image);
        let step = self.walk / (rows as f64).sqrt();
        let mut walked = [0.0; 2];
        (0..rows)
            .map(|_| {
                std::array::from_fn(|axis| {
                    walked[axis] += step * steps.sample::<f64, _>(StandardNormal);
                    walked[axis] + self.row_jitter[axis] * jitter.sample::<f64, _>(StandardNormal)
                })
            })
            .collect()
    }
}

/// Coefficients of the cubic B-spline through the pixels: each axis has the filter 3 / (2 + cos(2 pi k)).
pub(super) fn spline_coefficients(path: SimdPath, plane: &Plane, edge: Edge) -> RealFilter {
    let axis = |k: f64| 3.0 / (2.0 + (TAU * k).cos());
    RealFilter::new(path, (plane.rows, plane.columns), edge, |ky, kx| axis(ky) * axis(kx))
}

/// The spline with these `coefficients` at the displaced places, row by row into `image`.
pub(super) fn resample(
    coefficients: &[f64],
    displacements: &Array3<f64>,
    plane: &Plane,
    edge: Edge,
    image: &mut [f64],
) {
    let places = displacements.as_slice().unwrap_or_default().chunks_exact(2);
    for (i, (value, displacement)) in image.iter_mut().zip(places).enumerate() {
        let x = (i % plane.columns) as f64 + displacement[0] / plane.pixel_x;
        let y = (i / plane.columns) as f64 + displacement[1] / plane.pixel_y;
        let (columns, wx) = neighbours(x, plane.columns, edge);
        let (rows, wy) = neighbours(y, plane.rows, edge);
        *value = (0..4)
            .map(|j| {
                let row = &coefficients[rows[j] * plane.columns..][..plane.columns];
                wy[j] * (0..4).map(|k| wx[k] * row[columns[k]]).sum::<f64>()
            })
            .sum();
    }
}

/// The four pixels about place `x` of an axis, with the values of their cubic B-splines there.
fn neighbours(x: f64, n: usize, edge: Edge) -> ([usize; 4], [f64; 4]) {
    // Whole turns first: a double far out holds no fractions of pixels, and no i64 either.
    let x = x.rem_euclid(edge.period(n) as f64);
    let (below, t) = (x.floor(), x - x.floor());
    let s = 1.0 - t;
    let middle = |t: f64| (4.0 + t * t * (3.0 * t - 6.0)) / 6.0;
    let weights = [s * s * s / 6.0, middle(t), middle(s), t * t * t / 6.0];
    (std::array::from_fn(|i| edge.pixel(below as i64 + i as i64 - 1, n)), weights)
}
