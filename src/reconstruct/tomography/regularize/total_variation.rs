//! The proximal step of isotropic total variation by fast gradient projection: A. Beck and M. Teboulle, "Fast
//! gradient-based algorithms for constrained total variation image denoising and deblurring problems", IEEE Transactions
//! on Image Processing 18 (2009) 2419, in three dimensions.
//!
//! For the volume B, mu = step lambda_tv and a convex function h of each voxel alone (threshold and bounds),
//!
//!   V = argmin 1/2 |V - B|^2 + mu sum_i |(D V)_i| + h(V) = prox_h(B - mu D* P),                    (their 4.3)
//!
//! where P, one vector of length at most 1 per voxel, is the minimum of the dual. Its gradient is -mu D prox_h(...), with a
//! Lipschitz constant of 12 mu^2 (4 per axis; 8 mu^2 in their two dimensions), so that one iteration is (their FGP, h
//! instead of the projection on a convex set; prox_h is as non-expansive)
//!
//!   P_k = project(Q_k + 1 / (12 mu) D prox_h(B - mu D* Q_k)),   project: p -> p / max(1, |p|),
//!   t_(k+1) = (1 + sqrt(1 + 4 t_k^2)) / 2,
//!   Q_(k+1) = P_k + (t_k - 1) / t_(k+1) (P_k - P_(k-1)).
//!
//! P does not scale with mu and changes little between the steps of a reconstruction: each goes on from the last.

use super::smooth::differences;
use super::{for_planes, planes_per_piece, Voxels};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use std::sync::Mutex;

/// P of the last iteration and its extrapolation Q, components along x, y and z of every voxel; and the volume that
/// belongs to Q.
pub(super) struct Dual {
    latest: Vec<[f32; 3]>,
    extrapolated: Vec<[f32; 3]>,
    primal: Vec<f32>,
}

impl Dual {
    /// Zeros for `voxels`.
    pub fn new(voxels: usize) -> Result<Self> {
        Ok(Self { latest: filled(voxels)?, extrapolated: filled(voxels)?, primal: filled(voxels)? })
    }
}

/// `len` default values, or an error where there is no memory for them.
fn filled<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: "the dual of total variation".into(),
        needed: (len * size_of::<T>()) as u64,
        available: 0,
    })?;
    values.resize(len, T::default());
    Ok(values)
}

/// Replaces `volume` (B) by V after the inner iterations that the options want.
pub(super) fn denoise(
    voxels: &Voxels<'_>,
    context: &Context,
    volume: &mut [f32],
    dual: &mut Dual,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let iterations = voxels.options.inner_iterations;
    dual.extrapolated.copy_from_slice(&dual.latest);
    let mut t = 1.0f64;
    for iteration in 0..iterations {
        let (from, to) = (iteration as f64 / iterations as f64, (iteration + 1) as f64 / iterations as f64);
        let t_next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
        let momentum = ((t - 1.0) / t_next) as f32;
        t = t_next;
        waiting.part(from, to, |waiting| {
            waiting.part(0.0, 0.5, |w| primal(voxels, context, volume, &dual.extrapolated, &mut dual.primal, w))?;
            waiting.part(0.5, 1.0, |w| ascend(voxels, context, dual, momentum, w))
        })?;
    }
    primal(voxels, context, volume, &dual.latest, &mut dual.primal, waiting)?;
    volume.copy_from_slice(&dual.primal);
    Ok(())
}

/// out = prox_h(B - mu D* P), (D* P)_i = sum over the axes of P_(i-1) - P_i. The component of P that points out of the
/// volume is never read: it stands for no difference.
fn primal(
    voxels: &Voxels<'_>,
    context: &Context,
    volume: &[f32],
    dual: &[[f32; 3]],
    out: &mut [f32],
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let shape @ [nz, ny, nx] = voxels.shape;
    let mu = voxels.variation;
    for_planes(context, shape, out, waiting, &|first, planes| {
        for (k, row) in planes.chunks_exact_mut(nx).enumerate() {
            let (z, y) = ((first / nx + k) / ny, (first / nx + k) % ny);
            for (x, out) in row.iter_mut().enumerate() {
                let i = first + k * nx + x;
                let mut sum = 0.0;
                for (axis, (at, n, stride)) in [(x, nx, 1), (y, ny, nx), (z, nz, nx * ny)].into_iter().enumerate() {
                    if at > 0 {
                        sum += dual[i - stride][axis];
                    }
                    if at + 1 < n {
                        sum -= dual[i][axis];
                    }
                }
                *out = voxels.prox(i, volume[i] - mu * sum);
            }
        }
    })
}

/// P and Q of the next iteration from the volume of Q.
fn ascend(
    voxels: &Voxels<'_>,
    context: &Context,
    dual: &mut Dual,
    momentum: f32,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let shape @ [_, ny, nx] = voxels.shape;
    let len = planes_per_piece(shape) * ny * nx;
    let step = 1.0 / (12.0 * voxels.variation);
    let Dual { latest, extrapolated, primal } = dual;
    let pieces: Vec<_> = latest.chunks_mut(len).zip(extrapolated.chunks_mut(len)).map(Mutex::new).collect();
    let (count, cancel) = (pieces.len(), waiting.cancel);
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "regularisation"), &|piece| {
        cancel.check("regularisation")?;
        let mut guard = pieces[piece].lock().unwrap_or_else(|p| p.into_inner());
        let (latest, extrapolated) = &mut *guard;
        for (k, (p, q)) in latest.iter_mut().zip(extrapolated.iter_mut()).enumerate() {
            let i = piece * len + k;
            let d = differences(primal, shape, [i / (nx * ny), i / nx % ny, i % nx], i);
            let moved: [f32; 3] = std::array::from_fn(|axis| q[axis] + step * d[axis]);
            let length = (moved[0] * moved[0] + moved[1] * moved[1] + moved[2] * moved[2]).sqrt().max(1.0);
            let next = moved.map(|v| v / length);
            *q = std::array::from_fn(|axis| next[axis] + momentum * (next[axis] - p[axis]));
            *p = next;
        }
        Ok(())
    })
}
