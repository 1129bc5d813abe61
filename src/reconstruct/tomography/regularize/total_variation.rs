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

use super::{for_planes, planes_per_piece, Voxels};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use std::sync::Mutex;

/// A vector per voxel: components along x, y and z. Those that point out of the volume stand for no difference; they
/// begin as 0 and stay 0.
type Field = [Vec<f32>; 3];

/// P of the last iteration, its extrapolation Q, and the volume that belongs to Q.
pub(super) struct Dual {
    latest: Field,
    extrapolated: Field,
    primal: Vec<f32>,
}

impl Dual {
    /// Zeros for `voxels`.
    pub fn new(voxels: usize) -> Result<Self> {
        let field = || -> Result<Field> { Ok([zeros(voxels)?, zeros(voxels)?, zeros(voxels)?]) };
        Ok(Self { latest: field()?, extrapolated: field()?, primal: zeros(voxels)? })
    }
}

/// Zeros, or an error where there is no memory for them.
fn zeros(len: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: "the dual of total variation".into(),
        needed: 28 * len as u64,
        available: 0,
    })?;
    values.resize(len, 0.0);
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
    let Dual { latest, extrapolated, .. } = dual;
    extrapolated.iter_mut().zip(latest).for_each(|(q, p)| q.copy_from_slice(p));
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

/// out = prox_h(B - mu D* P), (D* P)_i = sum over the axes of P_(i-1) - P_i.
fn primal(
    voxels: &Voxels<'_>,
    context: &Context,
    volume: &[f32],
    [px, py, pz]: &Field,
    out: &mut [f32],
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let shape @ [_, ny, nx] = voxels.shape;
    let mu = voxels.variation;
    for_planes(context, shape, out, waiting, &|first, planes| {
        for (k, out) in planes.chunks_exact_mut(nx).enumerate() {
            let i = first + k * nx;
            let (z, y) = (i / (nx * ny), i / nx % ny);
            let here = px[i..][..nx].iter().zip(&py[i..][..nx]).zip(&pz[i..][..nx]);
            out.iter_mut().zip(here).for_each(|(out, ((px, py), pz))| *out = px + py + pz);
            out[1..].iter_mut().zip(&px[i..]).for_each(|(out, before)| *out -= before);
            if y > 0 {
                out.iter_mut().zip(&py[i - nx..]).for_each(|(out, before)| *out -= before);
            }
            if z > 0 {
                out.iter_mut().zip(&pz[i - nx * ny..]).for_each(|(out, before)| *out -= before);
            }
            out.iter_mut().zip(&volume[i..]).for_each(|(out, from)| *out = from + mu * *out);
            voxels.prox(i, out);
        }
    })
}

/// The part of P and Q that one piece of work changes.
struct Piece<'a> {
    latest: [&'a mut [f32]; 3],
    extrapolated: [&'a mut [f32]; 3],
}

/// `len` voxels a piece.
fn pieces<'a>(latest: &'a mut Field, extrapolated: &'a mut Field, len: usize) -> Vec<Mutex<Piece<'a>>> {
    let [mut px, mut py, mut pz] = latest.each_mut().map(|values| values.chunks_mut(len));
    let [mut qx, mut qy, mut qz] = extrapolated.each_mut().map(|values| values.chunks_mut(len));
    let mut next = || {
        let latest = [px.next()?, py.next()?, pz.next()?];
        Some(Mutex::new(Piece { latest, extrapolated: [qx.next()?, qy.next()?, qz.next()?] }))
    };
    std::iter::from_fn(&mut next).collect()
}

/// P and Q of the next iteration from the volume of Q.
fn ascend(
    voxels: &Voxels<'_>,
    context: &Context,
    dual: &mut Dual,
    momentum: f32,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let shape @ [nz, ny, nx] = voxels.shape;
    let len = planes_per_piece(shape) * ny * nx;
    let step = 1.0 / (12.0 * voxels.variation);
    let Dual { latest, extrapolated, primal } = dual;
    let pieces = pieces(latest, extrapolated, len);
    let (count, cancel) = (pieces.len(), waiting.cancel);
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "regularisation"), &|number| {
        cancel.check("regularisation")?;
        let mut piece = pieces[number].lock().unwrap_or_else(|p| p.into_inner());
        let mut differences: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; nx]);
        for start in (0..piece.latest[0].len()).step_by(nx) {
            let i = number * len + start;
            let (z, y) = (i / (nx * ny), i / nx % ny);
            let here = &primal[i..][..nx];
            // 0 where there is no next voxel.
            for (d, next) in differences.iter_mut().zip([
                Some(&here[1..]),
                (y + 1 < ny).then(|| &primal[i + nx..][..nx]),
                (z + 1 < nz).then(|| &primal[i + nx * ny..][..nx]),
            ]) {
                d.fill(0.0);
                let pairs = next.unwrap_or_default().iter().zip(here);
                d.iter_mut().zip(pairs).for_each(|(d, (next, here))| *d = next - here);
            }
            advance(&mut piece, start, &differences, step, momentum);
        }
        Ok(())
    })
}

/// One row of P and Q, from `start` on.
fn advance(piece: &mut Piece<'_>, start: usize, [dx, dy, dz]: &[Vec<f32>; 3], step: f32, momentum: f32) {
    let nx = dx.len();
    let [px, py, pz] = piece.latest.each_mut().map(|values| &mut values[start..][..nx]);
    let [qx, qy, qz] = piece.extrapolated.each_mut().map(|values| &mut values[start..][..nx]);
    let (dy, dz) = (&dy[..nx], &dz[..nx]);
    for x in 0..nx {
        let moved = [qx[x] + step * dx[x], qy[x] + step * dy[x], qz[x] + step * dz[x]];
        let length = (moved[0] * moved[0] + moved[1] * moved[1] + moved[2] * moved[2]).sqrt().max(1.0);
        let next = moved.map(|v| v / length);
        qx[x] = next[0] + momentum * (next[0] - px[x]);
        qy[x] = next[1] + momentum * (next[1] - py[x]);
        qz[x] = next[2] + momentum * (next[2] - pz[x]);
        (px[x], py[x], pz[x]) = (next[0], next[1], next[2]);
    }
}
