//! Gaussian smoothing of volumes, axis by axis.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use crate::specimen::Volume;
use ndarray::{Array3, ArrayView3};
use std::sync::Mutex;

/// The kernel reaches this many standard deviations.
const REACH: f64 = 4.0;

/// Widest smoothing, voxels.
pub(crate) const MAX_SIGMA: f64 = 100.0;

/// The volume convolved with a Gaussian of standard deviation `sigma` voxels (0: as it is). At the faces the kernel is
/// normalised over the voxels that exist, so a constant stays constant.
///
/// # Errors
/// `Range` for a sigma outside 0 to 100, `Cancelled`.
pub fn gaussian_smooth(context: &Context, volume: &Volume, sigma: f64, waiting: &mut Waiting<'_>) -> Result<Volume> {
    let values = smooth_values(context, volume.values(), sigma, waiting)?;
    Volume::new(values, volume.voxel_size())
}

pub(super) fn smooth_values(
    context: &Context,
    values: ArrayView3<'_, f32>,
    sigma: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Array3<f32>> {
    let (nz, ny, nx) = values.dim();
    let mut out: Vec<f32> = values.iter().copied().collect();
    smooth_in_place(context, &mut out, [nz, ny, nx], sigma, waiting)?;
    Array3::from_shape_vec((nz, ny, nx), out).map_err(|e| Error::Internal(e.to_string()))
}

/// As [`gaussian_smooth`], for the values `[z, y, x]` themselves. A cancelled call leaves them half smoothed.
pub(crate) fn smooth_in_place(
    context: &Context,
    values: &mut [f32],
    shape: [usize; 3],
    sigma: f64,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    if !(0.0..=MAX_SIGMA).contains(&sigma) {
        return Err(Error::range("smoothing", sigma, format!("0 to {MAX_SIGMA} voxels")));
    }
    if sigma == 0.0 {
        return Ok(());
    }
    let [nz, ny, nx] = shape;
    let half = ((REACH * sigma).ceil() as usize).max(1);
    let kernel: Vec<f32> = (0..=half).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp() as f32).collect();
    let mut along_z = vec![0.0f32; values.len()];
    fill_planes(context, &mut along_z, ny * nx, waiting, &|z, plane| {
        let sum = weighted(nz, z, &kernel, |at, weight| {
            let source = &values[at * ny * nx..][..ny * nx];
            plane.iter_mut().zip(source).for_each(|(p, s)| *p += weight * s);
        });
        plane.iter_mut().for_each(|v| *v /= sum);
    })?;
    fill_planes(context, values, ny * nx, waiting, &|z, plane| {
        let source = &along_z[z * ny * nx..][..ny * nx];
        let mut rows = vec![0.0f32; ny * nx];
        for y in 0..ny {
            let row = &mut rows[y * nx..][..nx];
            let sum = weighted(ny, y, &kernel, |at, weight| {
                row.iter_mut().zip(&source[at * nx..][..nx]).for_each(|(r, s)| *r += weight * s);
            });
            row.iter_mut().for_each(|v| *v /= sum);
        }
        for (row, out) in rows.chunks_exact(nx).zip(plane.chunks_exact_mut(nx)) {
            for (x, value) in out.iter_mut().enumerate() {
                let mut total = 0.0;
                let sum = weighted(nx, x, &kernel, |at, weight| total += weight * row[at]);
                *value = total / sum;
            }
        }
    })
}

/// Calls `add` with every place that the kernel reaches from `centre`, and its weight; the sum of the weights.
#[inline]
fn weighted(n: usize, centre: usize, kernel: &[f32], mut add: impl FnMut(usize, f32)) -> f32 {
    let half = kernel.len() - 1;
    let mut sum = 0.0;
    for at in centre.saturating_sub(half)..(centre + half + 1).min(n) {
        let weight = kernel[at.abs_diff(centre)];
        add(at, weight);
        sum += weight;
    }
    sum
}

/// Each plane of `out` filled by `fill` on a worker.
fn fill_planes(
    context: &Context,
    out: &mut [f32],
    plane: usize,
    waiting: &mut Waiting<'_>,
    fill: &(dyn Fn(usize, &mut [f32]) + Sync),
) -> Result<()> {
    let items: Vec<Mutex<&mut [f32]>> = out.chunks_exact_mut(plane).map(Mutex::new).collect();
    let (count, cancel) = (items.len(), waiting.cancel);
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "smoothing"), &|z| {
        cancel.check("smoothing")?;
        fill(z, &mut items[z].lock().unwrap_or_else(|p| p.into_inner()));
        Ok(())
    })
}
