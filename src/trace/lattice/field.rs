//! The volume as sites are looked for in it: smoothed, without its slowly varying part, and interpolated.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::{Mat3, Vec3};
use crate::prepare::planes::{collected, fill_planes};
use crate::prepare::{smooth_values, Smoothing, MAX_SIGMA};
use crate::problem::Waiting;
use crate::specimen::{volume, Volume};

/// A flattened volume.
pub(super) struct Field {
    pub values: Vec<f32>,
    pub shape: [usize; 3],
    pub voxel: f64,
}

/// Value, gradient and second derivatives, per angstrom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub value: f64,
    pub gradient: Vec3,
    pub hessian: Mat3,
}

impl Field {
    /// `volume` smoothed by a Gaussian of `smoothing` voxels, less the same smoothed by one of `background` voxels (0: less
    /// nothing).
    ///
    /// # Errors
    /// `Inconsistent` for a constant volume, `Range` for widths without meaning, `Memory`, `Cancelled`.
    pub fn new(
        context: &Context,
        volume: &Volume,
        (smoothing, background): (f64, f64),
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        let shape = volume.shape();
        unless_constant(context, volume, waiting)?;
        let fine = waiting.part(0.0, 0.3, |waiting| {
            smooth_values(context, volume.values(), Smoothing::Gaussian(smoothing), waiting)
        })?;
        let mut values = fine.into_raw_vec_and_offset().0;
        if background > 0.0 {
            let width = Smoothing::Gaussian(background.min(MAX_SIGMA));
            let coarse = waiting.part(0.3, 0.9, |waiting| smooth_values(context, volume.values(), width, waiting))?;
            let plane = shape[1] * shape[2];
            let coarse = coarse.into_raw_vec_and_offset().0;
            waiting.part(0.9, 1.0, |waiting| {
                fill_planes(context, &mut values, plane, "flattening a volume", waiting, &|z, plane: &mut [f32]| {
                    let coarse = &coarse[z * plane.len()..];
                    plane.iter_mut().zip(coarse).for_each(|(v, slow)| *v -= slow);
                })
            })?;
        }
        Ok(Self { values, shape, voxel: volume.voxel_size() })
    }

    /// Fractional voxel index (z, y, x) of a position (x, y, z).
    pub fn index(&self, position: &Vec3) -> [f64; 3] {
        volume::index(position, self.shape, self.voxel)
    }

    /// Position (x, y, z) of a fractional voxel index (z, y, x).
    pub fn position(&self, index: [f64; 3]) -> Vec3 {
        volume::position(index, self.shape, self.voxel)
    }

    /// Place of the voxel (z, y, x) in `values`.
    pub fn place(&self, [z, y, x]: [usize; 3]) -> usize {
        (z * self.shape[1] + y) * self.shape[2] + x
    }

    /// Whether a position lies at least `margin` voxels inside of the outermost voxels.
    pub fn holds(&self, position: &Vec3, margin: f64) -> bool {
        let index = self.index(position);
        (0..3).all(|a| index[a] >= margin && index[a] <= (self.shape[a] - 1) as f64 - margin)
    }

    /// Value and derivatives at a position by cubic convolution (R. Keys, 1981); `None` less than two voxels from a face.
    pub fn sample(&self, position: &Vec3) -> Option<Sample> {
        if !self.holds(position, 2.0) {
            return None;
        }
        let index = self.index(position);
        let first = index.map(|i| i.floor() as usize - 1);
        let weights: [[[f64; 4]; 3]; 3] = std::array::from_fn(|a| cubic(index[a] - index[a].floor()));
        // sums over x, y and z of products of weights, of which (dz, dy, dx) are derivatives
        let mut sums = [0.0; 10];
        for (j, i) in (0..16).map(|k| (k / 4, k % 4)) {
            let row = self.place([first[0] + j, first[1] + i, first[2]]);
            let row = &self.values[row..row + 4];
            let along = |d: usize| (0..4).map(|x| weights[2][d][x] * f64::from(row[x])).sum::<f64>();
            let x = [along(0), along(1), along(2)];
            let (z, y) = (|d: usize| weights[0][d][j], |d: usize| weights[1][d][i]);
            for (sum, [dz, dy, dx]) in sums.iter_mut().zip(DERIVATIVES) {
                *sum += z(dz) * y(dy) * x[dx];
            }
        }
        let (h, h2) = (1.0 / self.voxel, 1.0 / (self.voxel * self.voxel));
        let [value, x, y, z, xx, yy, zz, xy, xz, yz] = sums;
        let hessian = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]].map(|row| row.map(|v| v * h2));
        Some(Sample { value, gradient: [x * h, y * h, z * h], hessian })
    }
}

/// Orders of the derivatives along (z, y, x) in the sums of [`Field::sample`].
const DERIVATIVES: [[usize; 3]; 10] =
    [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 2], [0, 2, 0], [2, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]];

/// Weights of the voxels -1, 0, 1 and 2 at the distance `t` from voxel 0, and their first two derivatives.
fn cubic(t: f64) -> [[f64; 4]; 3] {
    let (t2, t3) = (t * t, t * t * t);
    [
        [
            0.5 * (-t3 + 2.0 * t2 - t),
            0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
            0.5 * (-3.0 * t3 + 4.0 * t2 + t),
            0.5 * (t3 - t2),
        ],
        [
            0.5 * (-3.0 * t2 + 4.0 * t - 1.0),
            0.5 * (9.0 * t2 - 10.0 * t),
            0.5 * (-9.0 * t2 + 8.0 * t + 1.0),
            0.5 * (3.0 * t2 - 2.0 * t),
        ],
        [-3.0 * t + 2.0, 9.0 * t - 5.0, -9.0 * t + 4.0, 3.0 * t - 1.0],
    ]
}

fn unless_constant(context: &Context, volume: &Volume, waiting: &mut Waiting<'_>) -> Result<()> {
    let (values, size) = (volume.as_slice(), volume.shape()[1] * volume.shape()[2]);
    let first = values[0];
    let same = waiting.part(0.0, 0.0, |waiting| {
        collected(context, volume.shape()[0], "looking at a volume", waiting, &|z| {
            values[z * size..][..size].iter().all(|v| *v == first)
        })
    })?;
    if same.into_iter().all(|same| same) {
        let why = format!("all of its voxels are {first}: it shows no lattice");
        return Err(Error::Inconsistent { what: "volume".into(), why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_exact_for_a_parabola_and_its_derivatives_fit() {
        let shape = [9, 10, 11];
        let mut field = Field { values: vec![0.0; 990], shape, voxel: 0.5 };
        let of = |p: &Vec3| 1.0 + p[0] - 2.0 * p[1] + 0.5 * p[2] + p[0] * p[0] - p[1] * p[2] + 0.25 * p[0] * p[2];
        for i in 0..990 {
            let at = [i / 110, i / 11 % 10, i % 11];
            field.values[i] = of(&field.position(at.map(|v| v as f64))) as f32;
        }
        let p = [0.13, -0.41, 0.22];
        let s = field.sample(&p).unwrap();
        assert!((s.value - of(&p)).abs() < 1e-5, "{s:?}");
        let gradient = [1.0 + 2.0 * p[0] + 0.25 * p[2], -2.0 - p[2], 0.5 - p[1] + 0.25 * p[0]];
        let hessian = [[2.0, 0.0, 0.25], [0.0, 0.0, -1.0], [0.25, -1.0, 0.0]];
        for a in 0..3 {
            assert!((s.gradient[a] - gradient[a]).abs() < 1e-5, "{s:?}");
            (0..3).for_each(|b| assert!((s.hessian[a][b] - hessian[a][b]).abs() < 1e-4, "{s:?}"));
        }
        assert!(field.sample(&[-2.4, 0.0, 0.0]).is_none() && field.sample(&[f64::NAN, 0.0, 0.0]).is_none());
    }
}
