//! Local maxima of a volume.
//!
//! A smoothed voxel that is not below any of its 26 neighbours is a maximum. Its position is that of the
//! parabola V + g.d + 1/2 d.H d through the neighbourhood, d = -H^-1 g, with gradient g and Hessian H from central
//! differences; where H is not negative definite, each axis by itself, at most half a voxel away. Of near ones the strongest
//! is taken first and removes all others within the minimum distance, and so on.

use crate::context::Context;
use crate::error::Result;
use crate::geometry::Vec3;
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use crate::specimen::{Neighbours, Volume};
use ndarray::ArrayView3;

/// A maximum: position (x, y, z) in the length unit, and the smoothed value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub position: Vec3,
    pub height: f64,
}

/// All maxima above `threshold` of values that lie on the voxels of `volume`, in the order of the voxels.
pub(crate) fn maxima(
    context: &Context,
    values: ArrayView3<'_, f32>,
    volume: &Volume,
    threshold: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<Peak>> {
    voxel_maxima(context, values, threshold, waiting, &|at| Parabola::around(&values, at).peak(volume, at))
}

/// What `make` says of every voxel `[z, y, x]` above `threshold` that is not below any of its 26 neighbours, in the order
/// of the voxels.
pub(super) fn voxel_maxima<T: Send>(
    context: &Context,
    values: ArrayView3<'_, f32>,
    threshold: f64,
    waiting: &mut Waiting<'_>,
    make: &(dyn Fn([usize; 3]) -> T + Sync),
) -> Result<Vec<T>> {
    let (nz, ny, nx) = values.dim();
    if nz < 3 || ny < 3 || nx < 3 {
        return Ok(vec![]);
    }
    let of_planes = collected(context, nz - 2, "looking for peaks", waiting, &|plane| {
        let mut of_plane = Vec::new();
        for y in 1..ny - 1 {
            for x in 1..nx - 1 {
                let at = [plane + 1, y, x];
                if f64::from(values[at]) > threshold && is_maximum(&values, at) {
                    of_plane.push(make(at));
                }
            }
        }
        of_plane
    })?;
    Ok(of_planes.into_iter().flatten().collect())
}

/// Not below any neighbour; of equal neighbours the last one in memory counts.
fn is_maximum(values: &ArrayView3<'_, f32>, at: [usize; 3]) -> bool {
    let value = values[at];
    (0..27).filter(|k| *k != 13).all(|k| {
        let neighbour = values[[at[0] + k / 9 - 1, at[1] + k / 3 % 3 - 1, at[2] + k % 3 - 1]];
        if k < 13 {
            value >= neighbour
        } else {
            value > neighbour
        }
    })
}

/// The parabola V + g.d + 1/2 d.H d through the neighbourhood of a voxel, by central differences; d along z, y, x in
/// voxels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parabola {
    pub value: f64,
    pub gradient: Vec3,
    pub hessian: [Vec3; 3],
}

impl Parabola {
    pub fn around(values: &ArrayView3<'_, f32>, at: [usize; 3]) -> Self {
        Self::of(|d| {
            let index: [usize; 3] = std::array::from_fn(|a| (at[a] as i32 + d[a]) as usize);
            f64::from(values[index])
        })
    }

    /// Through the values at d of -1, 0 and 1 along each axis.
    pub fn of(value_at: impl Fn([i32; 3]) -> f64) -> Self {
        let along = |pairs: &[(usize, i32)]| {
            let mut d = [0; 3];
            pairs.iter().for_each(|(axis, by)| d[*axis] += by);
            value_at(d)
        };
        let value = along(&[]);
        let gradient = std::array::from_fn(|a| 0.5 * (along(&[(a, 1)]) - along(&[(a, -1)])));
        let hessian = std::array::from_fn(|a| {
            std::array::from_fn(|b| {
                if a == b {
                    along(&[(a, 1)]) - 2.0 * value + along(&[(a, -1)])
                } else {
                    let of = |s: i32, t: i32| along(&[(a, s), (b, t)]);
                    0.25 * (of(1, 1) - of(1, -1) - of(-1, 1) + of(-1, -1))
                }
            })
        });
        Self { value, gradient, hessian }
    }

    /// Where the maximum is; where H is not negative definite, each axis by itself, at most half a voxel away.
    pub fn offset(&self) -> Vec3 {
        newton(&self.hessian, &self.gradient).unwrap_or_else(|| {
            std::array::from_fn(|a| {
                let curvature = self.hessian[a][a];
                if curvature < 0.0 {
                    (-self.gradient[a] / curvature).clamp(-0.5, 0.5)
                } else {
                    0.0
                }
            })
        })
    }

    /// V + g.d + 1/2 d.H d
    pub fn at(&self, d: &Vec3) -> f64 {
        let curved: f64 = (0..3).map(|a| d[a] * (0..3).map(|b| self.hessian[a][b] * d[b]).sum::<f64>()).sum();
        self.value + (0..3).map(|a| self.gradient[a] * d[a]).sum::<f64>() + 0.5 * curved
    }

    /// Value at the maximum `offset`, exact where that is the Newton step.
    pub fn height(&self, offset: &Vec3) -> f64 {
        self.value + 0.5 * (0..3).map(|a| self.gradient[a] * offset[a]).sum::<f64>()
    }

    fn peak(&self, volume: &Volume, at: [usize; 3]) -> Peak {
        let offset = self.offset();
        let position = volume.position(std::array::from_fn(|a| at[a] as f64 + offset[a]));
        Peak { position, height: self.height(&offset) }
    }
}

/// -H^-1 g for a negative definite H, if no component exceeds one voxel.
fn newton(h: &[Vec3; 3], g: &Vec3) -> Option<Vec3> {
    let minor = h[0][0] * h[1][1] - h[0][1] * h[1][0];
    let determinant = crate::geometry::determinant(h);
    if !(h[0][0] < 0.0 && minor > 0.0 && determinant < 0.0) {
        return None;
    }
    let d: Vec3 = std::array::from_fn(|a| {
        let mut replaced = *h;
        (0..3).for_each(|row| replaced[row][a] = -g[row]);
        crate::geometry::determinant(&replaced) / determinant
    });
    d.iter().all(|v| v.abs() <= 1.0).then_some(d)
}

/// Keeps the strongest peaks that are at least `distance` apart, the strongest first; equal ones in the order of voxels.
pub(crate) fn thin_out(mut peaks: Vec<Peak>, distance: f64) -> Result<Vec<Peak>> {
    peaks.sort_by(|a, b| b.height.total_cmp(&a.height));
    if distance <= 0.0 || peaks.len() < 2 {
        return Ok(peaks);
    }
    let points: Vec<Vec3> = peaks.iter().map(|p| p.position).collect();
    let near = Neighbours::new(&points)?;
    let mut gone = vec![false; peaks.len()];
    for (i, point) in points.iter().enumerate() {
        if !gone[i] {
            near.within(point, distance).into_iter().filter(|j| *j > i).for_each(|j| gone[j] = true);
        }
    }
    Ok(peaks.into_iter().zip(gone).filter(|(_, gone)| !gone).map(|(peak, _)| peak).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn near_peaks_leave_the_strongest() {
        let peak = |x: f64, height: f64| Peak { position: [x, 0.0, 0.0], height };
        let kept = thin_out(vec![peak(0.0, 1.0), peak(1.0, 3.0), peak(1.9, 2.0), peak(3.0, 1.0)], 1.5).unwrap();
        assert_eq!(kept, [peak(1.0, 3.0), peak(3.0, 1.0)]);
    }

    #[test]
    fn the_parabola_is_exact_for_a_parabola() {
        let volume = Volume::new(Array3::zeros((3, 3, 3)), 1.0).unwrap();
        let top = [0.2, -0.3, 0.1];
        let values = Array3::from_shape_fn((3, 3, 3), |(z, y, x)| {
            let d = [z as f64 - 1.0 - top[0], y as f64 - 1.0 - top[1], x as f64 - 1.0 - top[2]];
            (7.0 - d[0] * d[0] - 2.0 * d[1] * d[1] - 1.5 * d[2] * d[2] + 0.5 * d[0] * d[1] - 0.3 * d[1] * d[2]) as f32
        });
        let peak = Parabola::around(&values.view(), [1, 1, 1]).peak(&volume, [1, 1, 1]);
        for a in 0..3 {
            assert!((peak.position[a] - top[2 - a]).abs() < 1e-6, "{peak:?}");
        }
        assert!((peak.height - 7.0).abs() < 1e-6);
    }
}
