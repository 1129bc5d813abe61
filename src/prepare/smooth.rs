//! Smoothing of volumes by separable kernels, axis by axis.

use super::planes::{fill_planes, planes};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use crate::specimen::Volume;
use ndarray::{Array3, ArrayView3};

/// A Gaussian kernel reaches this many standard deviations.
const REACH: f64 = 4.0;

/// Widest smoothing, voxels.
pub(crate) const MAX_SIGMA: f64 = 100.0;

/// Longest edge of a box, voxels.
const MAX_BOX: usize = 801;

/// By what a volume is smoothed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Smoothing {
    /// Nothing.
    #[default]
    None,
    /// A Gaussian of this standard deviation, voxels: 0 to 100.
    Gaussian(f64),
    /// The mean over a cube whose edge is this odd number of voxels, at most 801.
    Box(usize),
}

impl Smoothing {
    /// Half of the symmetric kernel, from its centre on; `None` where nothing changes.
    fn kernel(self) -> Result<Option<Vec<f32>>> {
        match self {
            Smoothing::None => Ok(None),
            Smoothing::Gaussian(sigma) if !(0.0..=MAX_SIGMA).contains(&sigma) => {
                Err(Error::range("smoothing", sigma, format!("0 to {MAX_SIGMA} voxels")))
            }
            Smoothing::Gaussian(sigma) => Ok((sigma > 0.0).then(|| {
                let half = ((REACH * sigma).ceil() as usize).max(1);
                (0..=half).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp() as f32).collect()
            })),
            Smoothing::Box(edge) if edge > MAX_BOX || edge.is_multiple_of(2) => {
                Err(Error::range("edge of the smoothing box", edge, format!("an odd number of voxels, 1 to {MAX_BOX}")))
            }
            Smoothing::Box(edge) => Ok((edge > 1).then(|| vec![1.0; edge / 2 + 1])),
        }
    }

    /// Half of the symmetric kernel, from its centre on, of sum 1.
    pub(crate) fn normalised(self) -> Result<Vec<f64>> {
        let half: Vec<f64> = self.kernel()?.map_or_else(|| vec![1.0], |k| k.iter().map(|v| f64::from(*v)).collect());
        let sum = 2.0 * half.iter().sum::<f64>() - half[0];
        Ok(half.iter().map(|v| v / sum).collect())
    }

    /// Refuses widths without meaning.
    pub(crate) fn check(self) -> Result<()> {
        self.kernel().map(|_| ())
    }
}

/// The volume convolved with a Gaussian or a box. At the faces the kernel is normalised over the voxels that exist, so a
/// constant stays constant.
///
/// # Errors
/// `Range` for a width outside of what [`Smoothing`] says, `Cancelled`.
pub fn smooth(context: &Context, volume: &Volume, by: Smoothing, waiting: &mut Waiting<'_>) -> Result<Volume> {
    let values = smooth_values(context, volume.values(), by, waiting)?;
    Volume::new(values, volume.voxel_size())
}

/// The volume convolved with a Gaussian of standard deviation `sigma` voxels (0: as it is), as [`smooth`] does it.
///
/// # Errors
/// `Range` for a sigma outside 0 to 100, `Cancelled`.
pub fn gaussian_smooth(context: &Context, volume: &Volume, sigma: f64, waiting: &mut Waiting<'_>) -> Result<Volume> {
    smooth(context, volume, Smoothing::Gaussian(sigma), waiting)
}

pub(crate) fn smooth_values(
    context: &Context,
    values: ArrayView3<'_, f32>,
    by: Smoothing,
    waiting: &mut Waiting<'_>,
) -> Result<Array3<f32>> {
    let (nz, ny, nx) = values.dim();
    let mut out: Vec<f32> = values.iter().copied().collect();
    smooth_in_place(context, &mut out, [nz, ny, nx], by, waiting)?;
    Array3::from_shape_vec((nz, ny, nx), out).map_err(|e| Error::Internal(e.to_string()))
}

/// As [`smooth`], for the values `[z, y, x]` themselves. A cancelled call leaves them half smoothed.
pub(crate) fn smooth_in_place(
    context: &Context,
    values: &mut [f32],
    shape: [usize; 3],
    by: Smoothing,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    const PHASE: &str = "smoothing";
    let Some(kernel) = by.kernel()? else { return Ok(()) };
    let [nz, ny, nx] = shape;
    let along_z = waiting.part(0.0, 0.4, |waiting| {
        planes(context, shape, PHASE, waiting, &|z, plane: &mut [f32]| {
            let sum = weighted(nz, z, &kernel, |at, weight| {
                let source = &values[at * ny * nx..][..ny * nx];
                plane.iter_mut().zip(source).for_each(|(p, s)| *p += weight * s);
            });
            plane.iter_mut().for_each(|v| *v /= sum);
        })
    })?;
    waiting.part(0.4, 1.0, |waiting| {
        fill_planes(context, values, ny * nx, PHASE, waiting, &|z, plane: &mut [f32]| {
            let mut rows = vec![0.0f32; ny * nx];
            for (y, row) in rows.chunks_exact_mut(nx).enumerate() {
                let sum = weighted(ny, y, &kernel, |at, weight| {
                    let source = &along_z[(z * ny + at) * nx..][..nx];
                    row.iter_mut().zip(source).for_each(|(r, s)| *r += weight * s);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    fn run(threads: usize, volume: &Volume, by: Smoothing) -> Result<Volume> {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let cancel = context.cancel_token();
        smooth(&context, volume, by, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    fn noise() -> Volume {
        let value = |(z, y, x): (usize, usize, usize)| ((z * 97 + y * 31 + x) as f32 * 12.9898).sin();
        Volume::new(Array3::from_shape_fn((6, 7, 9), value), 0.5).unwrap()
    }

    #[test]
    fn a_box_is_the_mean_over_the_cube_of_voxels_that_exist() {
        let volume = noise();
        let smoothed = run(2, &volume, Smoothing::Box(3)).unwrap();
        let values = volume.values();
        for at in [[0usize, 0, 0], [3, 3, 4], [5, 0, 8], [2, 6, 1]] {
            let range = |axis: usize, n: usize| at[axis].saturating_sub(1)..(at[axis] + 2).min(n);
            let (mut sum, mut count) = (0.0, 0.0);
            for (z, y, x) in range(0, 6).flat_map(|z| range(1, 7).map(move |y| (z, y))).flat_map(|(z, y)| {
                let xs = range(2, 9);
                xs.map(move |x| (z, y, x))
            }) {
                sum += f64::from(values[[z, y, x]]);
                count += 1.0;
            }
            assert!((f64::from(smoothed.values()[at]) - sum / count).abs() < 1e-6, "{at:?}");
        }
        assert_eq!(run(1, &volume, Smoothing::Box(1)).unwrap(), volume);
        assert_eq!(run(1, &volume, Smoothing::None).unwrap(), volume);
    }

    #[test]
    fn constants_stay_and_threads_do_not_matter() {
        let flat = Volume::new(Array3::from_elem((5, 4, 6), 2.0), 1.0).unwrap();
        for by in [Smoothing::Gaussian(1.5), Smoothing::Box(9)] {
            assert!(run(2, &flat, by).unwrap().as_slice().iter().all(|v| (v - 2.0).abs() < 1e-5));
            let one = run(1, &noise(), by).unwrap();
            assert!([2, 3].iter().all(|threads| run(*threads, &noise(), by).unwrap() == one));
        }
    }

    #[test]
    fn widths_without_meaning_are_refused() {
        for by in [Smoothing::Gaussian(f64::NAN), Smoothing::Gaussian(-1.0), Smoothing::Gaussian(101.0)] {
            assert_eq!(run(1, &noise(), by).unwrap_err().code(), 103);
        }
        for edge in [0, 2, 803] {
            assert_eq!(run(1, &noise(), Smoothing::Box(edge)).unwrap_err().code(), 103);
        }
    }
}
