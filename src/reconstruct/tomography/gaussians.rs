//! What tests reconstruct: Gaussians at points without any symmetry, whose projections are known in closed form; the
//! published sample.

use super::views::PlainViews;
use crate::geometry::{apply, AngleOrder, Mat3};
use std::f64::consts::TAU;

/// Points (x, y, z) from the origin voxel, voxels, and totals.
pub(super) struct Gaussians {
    pub atoms: Vec<([f64; 3], f64)>,
    /// Standard deviation, voxels.
    pub sigma: f64,
}

impl Gaussians {
    /// Seven of them within a radius of 6.7 voxels, a right-handed arrangement: no rotation brings it to its mirror image.
    pub fn chiral() -> Self {
        let atoms = vec![
            ([0.0, 0.0, 0.0], 1.0),
            ([5.2, 0.3, -0.4], 1.5),
            ([-0.2, 5.7, 0.6], 2.0),
            ([0.4, -0.6, 6.1], 2.5),
            ([-4.6, -2.2, 1.3], 1.2),
            ([2.6, -4.4, -2.9], 0.8),
            ([-1.8, 2.7, -5.3], 1.7),
        ];
        Self { atoms, sigma: 1.2 }
    }

    /// Sampled at the voxels of `[z][y][x]`.
    pub fn volume(&self, shape: [usize; 3]) -> Vec<f32> {
        let norm = (TAU * self.sigma * self.sigma).powf(-1.5);
        let from = |i: usize, n: usize| i as f64 - (n / 2) as f64;
        let value = |p: [f64; 3]| -> f64 {
            let term = |(q, total): &([f64; 3], f64)| {
                let square: f64 = (0..3).map(|a| (p[a] - q[a]).powi(2)).sum();
                total * norm * (-0.5 * square / (self.sigma * self.sigma)).exp()
            };
            self.atoms.iter().map(term).sum()
        };
        let [nz, ny, nx] = shape;
        let voxel = |i: usize| [from(i % nx, nx), from(i / nx % ny, ny), from(i / (nx * ny), nz)];
        (0..nz * ny * nx).map(|i| value(voxel(i)) as f32).collect()
    }

    /// Its exact views.
    pub fn views(
        &self,
        shape: [usize; 3],
        (rows, columns): (usize, usize),
        rotations: Vec<Mat3>,
        shifts: Vec<[f64; 2]>,
    ) -> PlainViews {
        let norm = 1.0 / (TAU * self.sigma * self.sigma);
        let mut images = Vec::new();
        for (rotation, [u, v]) in rotations.iter().zip(&shifts) {
            for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                let (x, y) = (column as f64 - (columns / 2) as f64, row as f64 - (rows / 2) as f64);
                let term = |(q, total): &([f64; 3], f64)| {
                    let [qx, qy, _] = apply(rotation, q);
                    let square = (x - qx - u).powi(2) + (y - qy - v).powi(2);
                    total * norm * (-0.5 * square / (self.sigma * self.sigma)).exp()
                };
                images.push(self.atoms.iter().map(term).sum::<f64>() as f32);
            }
        }
        let weights = vec![1.0; rotations.len()];
        PlainViews { shape, rows, columns, rotations, shifts, weights, images }
    }

    pub fn total(&self) -> f64 {
        self.atoms.iter().map(|(_, total)| total).sum()
    }
}

/// Tilts from -`most` to `most` degrees with three refined angles each, and shifts of parts of pixels.
pub(super) fn tilts(count: usize, most: f64) -> (Vec<Mat3>, Vec<[f64; 2]>) {
    let of = |i: usize| {
        let (i, step) = (i as f64, 2.0 * most / (count - 1) as f64);
        let angles = [2.2 * (i * 1.7).sin(), -most + step * i, 2.8 * (i * 0.9).cos()];
        (AngleOrder::Zyx.rotation(&angles), [0.8 * (i * 2.3).sin(), 0.6 * (i * 1.1).cos()])
    };
    (0..count).map(of).unzip()
}

/// Pearson's coefficient.
pub(super) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| sum(v) / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |u: &[f32], mu: f64, v: &[f32], mv: f64| -> f64 {
        u.iter().zip(v).map(|(u, v)| (f64::from(*u) - mu) * (f64::from(*v) - mv)).sum()
    };
    dot(a, ma, b, mb) / (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt()
}

pub(super) fn sum(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v)).sum()
}

/// Mean position (x, y, z) from the origin voxel, weighted by the values.
pub(super) fn centre(volume: &[f32], [nz, ny, nx]: [usize; 3]) -> [f64; 3] {
    let mut centre = [0.0; 3];
    for (i, value) in volume.iter().enumerate() {
        let place = [i % nx, i / nx % ny, i / (nx * ny)];
        for (a, n) in [nx, ny, nz].into_iter().enumerate() {
            centre[a] += f64::from(*value) * (place[a] as f64 - (n / 2) as f64);
        }
    }
    centre.map(|c| c / sum(volume))
}

/// The published sample, where its folder is there.
pub(super) fn sample() -> Option<(PlainViews, Vec<f32>)> {
    let folder = std::env::var("AET_DATA_DIR").unwrap_or("../shared/data".into()) + "/mg_resire_sample/";
    let bytes = |name: &str| std::fs::read(folder.clone() + name).ok();
    let single = |name: &str| npyz::NpyFile::new(&bytes(name)?[..]).ok()?.into_vec::<f32>().ok();
    let rotations: Vec<f64> = npyz::NpyFile::new(&bytes("rotations.npy")?[..]).ok()?.into_vec().ok()?;
    let rows = |r: &[f64]| [[r[0], r[1], r[2]], [r[3], r[4], r[5]], [r[6], r[7], r[8]]];
    let rotations: Vec<Mat3> = rotations.chunks_exact(9).map(rows).collect();
    let (shifts, weights) = (vec![[0.0; 2]; rotations.len()], vec![1.0; rotations.len()]);
    let images = single("projections.npy")?;
    let views = PlainViews { shape: [64; 3], rows: 64, columns: 64, rotations, shifts, weights, images };
    Some((views, single("volume_truth_zyx.npy")?))
}
