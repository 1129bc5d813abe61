//! The exact Euclidean distance transform, and what it makes cheap: growing and shrinking by balls of any radius.
//!
//! Axis by axis, the squared distance is the lower envelope of parabolas (x - i)^2 + f(i), in integers and in a time that
//! does not depend on the distances (A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance
//! transforms in linear time", 2000).

use super::planes::planes;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;

/// Farther than any voxel: there is none.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Largest radius, voxels.
const MAX_RADIUS: f64 = 1e4;

/// Squared distances of the voxels `[z][y][x]` to the nearest one that is `value` in `voxels`, voxels^2; [`NOWHERE`] where
/// none is.
pub(super) fn squared_distances(
    context: &Context,
    shape: [usize; 3],
    voxels: &[bool],
    value: bool,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<u32>> {
    let [nz, ny, nx] = shape;
    const PHASE: &str = "measuring distances";
    let in_planes = waiting.part(0.0, 0.5, |waiting| {
        planes(context, shape, PHASE, waiting, &|z, plane: &mut [u32]| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                along_row(&voxels[(z * ny + y) * nx..][..nx], value, row);
            }
            let mut line = Line::new(ny);
            for x in 0..nx {
                line.transform(|y| plane[y * nx + x]);
                line.result.iter().enumerate().for_each(|(y, d)| plane[y * nx + x] = *d);
            }
        })
    })?;
    // Planes of constant y, `[y][z][x]`: columns along z lie in one of them.
    let turned = waiting.part(0.5, 0.8, |waiting| {
        planes(context, [ny, nz, nx], PHASE, waiting, &|y, plane: &mut [u32]| {
            let mut line = Line::new(nz);
            for x in 0..nx {
                line.transform(|z| in_planes[(z * ny + y) * nx + x]);
                line.result.iter().enumerate().for_each(|(z, d)| plane[z * nx + x] = *d);
            }
        })
    })?;
    drop(in_planes);
    waiting.part(0.8, 1.0, |waiting| {
        planes(context, shape, PHASE, waiting, &|z, plane: &mut [u32]| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                row.copy_from_slice(&turned[(y * nz + z) * nx..][..nx]);
            }
        })
    })
}

/// Voxels nearer than or as near as `radius` voxels to one that is `inside`: dilation by a ball.
pub(super) fn dilated(
    context: &Context,
    shape: [usize; 3],
    inside: Vec<bool>,
    radius: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<bool>> {
    if radius < 1.0 {
        return Ok(inside);
    }
    let limit = square(radius);
    compared(context, shape, (&inside, true), &|d| d != NOWHERE && f64::from(d) <= limit, waiting)
}

/// Voxels farther than `radius` voxels from all that are not `inside`: erosion by a ball. What lies beyond the faces of
/// the volume counts as inside, so that an object that leaves the volume is not cut back from there.
pub(super) fn eroded(
    context: &Context,
    shape: [usize; 3],
    inside: Vec<bool>,
    radius: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<bool>> {
    if radius < 1.0 {
        return Ok(inside);
    }
    let limit = square(radius);
    compared(context, shape, (&inside, false), &|d| d == NOWHERE || f64::from(d) > limit, waiting)
}

/// Which voxels have a squared distance to those of one value that passes the test.
fn compared(
    context: &Context,
    shape: [usize; 3],
    (voxels, value): (&[bool], bool),
    passes: &(dyn Fn(u32) -> bool + Sync),
    waiting: &mut Waiting<'_>,
) -> Result<Vec<bool>> {
    let distances = waiting.part(0.0, 0.9, |waiting| squared_distances(context, shape, voxels, value, waiting))?;
    let size = shape[1] * shape[2];
    waiting.part(0.9, 1.0, |waiting| {
        planes(context, shape, "comparing distances", waiting, &|z, plane: &mut [bool]| {
            plane.iter_mut().zip(&distances[z * size..]).for_each(|(v, d)| *v = passes(*d));
        })
    })
}

/// Refuses radii without meaning.
pub(super) fn check_radius(what: &str, radius: f64) -> Result<()> {
    if (0.0..=MAX_RADIUS).contains(&radius) {
        return Ok(());
    }
    Err(Error::range(what, radius, format!("0 to {MAX_RADIUS} voxels")))
}

/// The square of a radius, a little larger so that sqrt(2) reaches voxels at sqrt(2).
fn square(radius: f64) -> f64 {
    radius * radius * (1.0 + 1e-12)
}

/// Squared distances along a row.
fn along_row(voxels: &[bool], value: bool, out: &mut [u32]) {
    let mut steps = u32::MAX;
    let count = |steps: &mut u32, at: bool| {
        *steps = if at { 0 } else { steps.saturating_add(1) };
        *steps
    };
    out.iter_mut().zip(voxels).for_each(|(d, v)| *d = count(&mut steps, *v == value));
    steps = u32::MAX;
    for (d, v) in out.iter_mut().zip(voxels).rev() {
        let nearest = (*d).min(count(&mut steps, *v == value));
        *d = if nearest == u32::MAX { NOWHERE } else { nearest.saturating_mul(nearest).min(NOWHERE - 1) };
    }
}

/// Lower envelope of the parabolas over one line; its buffers are kept from line to line.
struct Line {
    values: Vec<u32>,
    /// Apex of each parabola of the envelope, and the place from which on it is the lowest.
    parabolas: Vec<(i64, i64)>,
    result: Vec<u32>,
}

impl Line {
    fn new(n: usize) -> Self {
        Self { values: vec![0; n], parabolas: Vec::with_capacity(n), result: vec![0; n] }
    }

    /// result(x) = min over i of (x - i)^2 + value(i)
    fn transform(&mut self, value: impl Fn(usize) -> u32) {
        let Self { values, parabolas, result } = self;
        values.iter_mut().enumerate().for_each(|(i, v)| *v = value(i));
        parabolas.clear();
        let n = values.len() as i64;
        let at = |x: i64, apex: i64| (x - apex) * (x - apex) + i64::from(values[apex as usize]);
        for u in (0..n).filter(|u| values[*u as usize] != NOWHERE) {
            while parabolas.last().is_some_and(|(apex, from)| at(*from, *apex) > at(*from, u)) {
                parabolas.pop();
            }
            let Some((apex, _)) = parabolas.last() else {
                parabolas.push((u, 0));
                continue;
            };
            // Up to this place the earlier parabola is not above the new one; the numerator is not negative, because
            // it was not above at its own beginning.
            let rise = i64::from(values[u as usize]) - i64::from(values[*apex as usize]);
            let from = 1 + (u * u - apex * apex + rise).div_euclid(2 * (u - apex));
            if from < n {
                parabolas.push((u, from));
            }
        }
        for x in (0..n).rev() {
            let Some((apex, from)) = parabolas.last().copied() else {
                result.fill(NOWHERE);
                return;
            };
            result[x as usize] = u32::try_from(at(x, apex)).unwrap_or(NOWHERE).min(NOWHERE - 1);
            if x == from {
                parabolas.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    fn with<R>(threads: usize, run: impl FnOnce(&Context, &mut Waiting<'_>) -> R) -> R {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let cancel = context.cancel_token();
        run(&context, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    /// Every 17th to 40th voxel, in no order.
    fn points(shape: [usize; 3], sparsity: u64) -> Vec<bool> {
        let mixed = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i << 7)).rotate_left(23);
        let hash = |i: u64| mixed(i).is_multiple_of(sparsity);
        (0..shape.iter().product::<usize>() as u64).map(hash).collect()
    }

    fn place(i: usize, [_, ny, nx]: [usize; 3]) -> [i64; 3] {
        [(i / (ny * nx)) as i64, (i / nx % ny) as i64, (i % nx) as i64]
    }

    #[test]
    fn distances_are_those_of_the_direct_search() {
        for (shape, sparsity) in [([9, 11, 13], 17), ([6, 1, 40], 31), ([1, 7, 1], 3), ([12, 5, 8], 200)] {
            let from = points(shape, sparsity);
            let distances =
                with(2, |context, waiting| squared_distances(context, shape, &from, true, waiting)).unwrap();
            for (i, distance) in distances.iter().enumerate() {
                let to = |j: usize| -> u32 {
                    let (a, b) = (place(i, shape), place(j, shape));
                    (0..3).map(|axis| (a[axis] - b[axis]).pow(2) as u32).sum()
                };
                let nearest = (0..from.len()).filter(|j| from[*j]).map(to).min();
                assert_eq!(*distance, nearest.unwrap_or(NOWHERE), "{shape:?} {i}");
            }
        }
    }

    #[test]
    fn dilation_and_erosion_are_by_balls_and_dual() {
        let shape = [15, 16, 17];
        let mut one = vec![false; 15 * 16 * 17];
        one[(7 * 16 + 8) * 17 + 8] = true;
        for (radius, count) in [(0.9, 1), (1.0, 7), (2f64.sqrt(), 19), (3f64.sqrt(), 27), (3.0, 123)] {
            let ball = with(2, |context, waiting| dilated(context, shape, one.clone(), radius, waiting)).unwrap();
            assert_eq!(ball.iter().filter(|v| **v).count(), count, "{radius}");
            // Closing a single voxel gives it back.
            let closed = with(2, |context, waiting| eroded(context, shape, ball, radius, waiting)).unwrap();
            assert_eq!(closed, one);
        }
        let all = vec![true; one.len()];
        assert_eq!(with(1, |context, waiting| eroded(context, shape, all.clone(), 5.0, waiting)).unwrap(), all);
        let none = vec![false; one.len()];
        assert_eq!(with(1, |context, waiting| dilated(context, shape, none.clone(), 5.0, waiting)).unwrap(), none);
    }

    #[test]
    fn threads_do_not_matter_and_bad_radii_are_refused() {
        let shape = [13, 12, 11];
        let run = |threads| {
            with(threads, |context, waiting| squared_distances(context, shape, &points(shape, 97), true, waiting))
                .unwrap()
        };
        assert!(run(1) == run(2) && run(1) == run(3));
        for radius in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(check_radius("dilation", radius).unwrap_err().code(), 103);
        }
    }
}
