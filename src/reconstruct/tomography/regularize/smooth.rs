//! Values of all terms, and the gradient of the two smooth ones.

use super::{for_planes, planes_per_piece, Regularizer};
use crate::context::Context;
use crate::error::Result;
use crate::problem::Waiting;
use std::sync::Mutex;

/// Forward differences of `volume` at voxel `i` = (z, y, x) towards the next x, y and z; 0 where there is none.
#[inline]
fn differences(volume: &[f32], [nz, ny, nx]: [usize; 3], [z, y, x]: [usize; 3], i: usize) -> [f32; 3] {
    let here = volume[i];
    [
        if x + 1 < nx { volume[i + 1] - here } else { 0.0 },
        if y + 1 < ny { volume[i + nx] - here } else { 0.0 },
        if z + 1 < nz { volume[i + nx * ny] - here } else { 0.0 },
    ]
}

/// R(volume): sums in double precision over pieces of whole planes, joined in their order.
pub(super) fn value(of: &Regularizer, context: &Context, volume: &[f32], waiting: &mut Waiting<'_>) -> Result<f64> {
    let shape = of.shape;
    let [nz, ny, nx] = shape;
    let planes = planes_per_piece(shape);
    let sums: Vec<Mutex<f64>> = (0..nz.div_ceil(planes)).map(|_| Mutex::new(0.0)).collect();
    let cancel = waiting.cancel;
    let count = sums.len();
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "regularisation"), &|piece| {
        cancel.check("regularisation")?;
        let mut sum = 0.0;
        for z in piece * planes..((piece + 1) * planes).min(nz) {
            for y in 0..ny {
                for x in 0..nx {
                    sum += value_at(of, volume, [z, y, x], (z * ny + y) * nx + x);
                }
            }
        }
        *sums[piece].lock().unwrap_or_else(|p| p.into_inner()) = sum;
        Ok(())
    })?;
    Ok(sums.iter().map(|sum| *sum.lock().unwrap_or_else(|p| p.into_inner())).sum())
}

/// What voxel `i` adds to R.
#[inline]
fn value_at(of: &Regularizer, volume: &[f32], at: [usize; 3], i: usize) -> f64 {
    let options = &of.options;
    let v = f64::from(volume[i]);
    let weight = options.soft_threshold + options.edge * of.edge.get(i).map_or(0.0, |w| f64::from(*w));
    let mut sum = weight * v.abs() + 0.5 * options.tikhonov * v * v;
    if options.total_variation > 0.0 || options.tikhonov_gradient > 0.0 {
        let square: f64 = differences(volume, of.shape, at, i).iter().map(|d| f64::from(*d).powi(2)).sum();
        sum += options.total_variation * square.sqrt() + 0.5 * options.tikhonov_gradient * square;
    }
    sum
}

/// gradient += lambda_2 V + lambda_d D* D V, where (D* D V)_i = sum over the neighbours j of i of V_i - V_j.
pub(super) fn add_gradient(
    of: &Regularizer,
    context: &Context,
    volume: &[f32],
    gradient: &mut [f32],
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let shape @ [nz, ny, nx] = of.shape;
    let (square, slope) = (of.options.tikhonov as f32, of.options.tikhonov_gradient as f32);
    for_planes(context, shape, gradient, waiting, &|first, planes| {
        for (k, row) in planes.chunks_exact_mut(nx).enumerate() {
            let (z, y) = ((first / nx + k) / ny, (first / nx + k) % ny);
            for (x, out) in row.iter_mut().enumerate() {
                let i = first + k * nx + x;
                let here = volume[i];
                let mut sum = 0.0;
                for (at, n, stride) in [(x, nx, 1), (y, ny, nx), (z, nz, nx * ny)] {
                    if at > 0 {
                        sum += here - volume[i - stride];
                    }
                    if at + 1 < n {
                        sum += here - volume[i + stride];
                    }
                }
                *out += square * here + slope * sum;
            }
        }
    })
}
