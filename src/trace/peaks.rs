//! Local maxima of a volume as atoms.
//!
//! A smoothed voxel that is not below any of its 26 neighbours is a candidate. Its position is the maximum of the
//! parabola V + g.d + 1/2 d.H d through the neighbourhood, d = -H^-1 g, with gradient g and Hessian H from central
//! differences; where H is not negative definite, each axis by itself, at most half a voxel away. The strongest
//! candidate is taken first and removes all others within the minimum distance, and so on.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::{smooth_values, Smoothing};
use crate::problem::Waiting;
use crate::specimen::{Atoms, Volume};
use kiddo::{ImmutableKdTree, SquaredEuclidean};
use ndarray::{Array3, ArrayView3};
use std::sync::Mutex;

/// How peaks are found; `None` means automatic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeakOptions {
    /// Standard deviation of the smoothing, voxels; 0: none.
    pub smoothing: f64,
    /// Smallest distance of two atoms, in the unit of the voxel size (angstrom). `None`: 2 voxels.
    pub minimum_distance: Option<f64>,
    /// Smallest height, as a part of the 99.9 % quantile of the smoothed volume. `None`:
    /// [`PeakOptions::AUTOMATIC`].
    pub threshold: Option<f64>,
    /// Keep at most this many, the strongest.
    pub max_atoms: Option<usize>,
    /// Atomic number of all atoms, 0: unknown.
    pub species: u8,
}

impl PeakOptions {
    /// Part of the 99.9 % quantile that counts as an atom where no threshold is given.
    pub const AUTOMATIC: f64 = 0.25;
}

impl Default for PeakOptions {
    fn default() -> Self {
        Self { smoothing: 1.0, minimum_distance: None, threshold: None, max_atoms: None, species: 0 }
    }
}

impl PeakOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        if let Some(distance) = self.minimum_distance {
            if !(distance.is_finite() && distance >= 0.0) {
                return Err(Error::range("minimum_distance", distance, "0 or more (angstrom)"));
            }
        }
        if let Some(threshold) = self.threshold {
            if !(0.0..=100.0).contains(&threshold) {
                return Err(Error::range("threshold", threshold, "0 to 100 (parts of the 99.9 % quantile)"));
            }
        }
        match self.max_atoms {
            Some(0) => Err(Error::range("max_atoms", 0, "at least 1")),
            _ => Ok(()),
        }
    }
}

/// A maximum: position (x, y, z) in the length unit, and the smoothed value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub position: Vec3,
    pub height: f64,
}

/// The peaks of `volume` as atoms with heights (unit of the volume, smoothed), the strongest first. The outermost layer
/// of voxels holds none.
///
/// # Errors
/// `Range` for options without meaning, `Empty` where no voxel rises above the threshold, `Cancelled`.
pub fn peaks(context: &Context, volume: &Volume, options: &PeakOptions, waiting: &mut Waiting<'_>) -> Result<Atoms> {
    options.check()?;
    let smoothed = smooth_values(context, volume.values(), Smoothing::Gaussian(options.smoothing), waiting)?;
    let reference = quantile(&smoothed, 0.999);
    let threshold = options.threshold.unwrap_or(PeakOptions::AUTOMATIC) * f64::from(reference.max(0.0));
    let found = maxima(context, smoothed.view(), volume, threshold, waiting)?;
    let distance = options.minimum_distance.unwrap_or(2.0 * volume.voxel_size());
    let mut kept = thin_out(found, distance)?;
    kept.truncate(options.max_atoms.unwrap_or(usize::MAX));
    if kept.is_empty() {
        let why =
            format!("no maximum above {threshold:.4e} (99.9 % quantile {reference:.4e}) inside the outermost layer");
        return Err(Error::Empty { what: "peaks of the volume".into(), why });
    }
    let heights = kept.iter().map(|p| p.height).collect();
    let species = vec![options.species; kept.len()];
    Atoms::new(kept.iter().map(|p| p.position).collect())?.with_species(species)?.with_heights(heights)
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
    let found: Vec<Mutex<Vec<T>>> = (0..nz - 2).map(|_| Mutex::default()).collect();
    let cancel = waiting.cancel;
    let mut tell = |done: usize| waiting.at(done as f64 / nz as f64, "looking for peaks");
    context.for_each(nz - 2, &mut tell, &|item| {
        cancel.check("looking for peaks")?;
        let mut of_plane = Vec::new();
        for y in 1..ny - 1 {
            for x in 1..nx - 1 {
                let value = values[[item + 1, y, x]];
                if f64::from(value) > threshold && is_maximum(&values, [item + 1, y, x]) {
                    of_plane.push(make([item + 1, y, x]));
                }
            }
        }
        *found[item].lock().unwrap_or_else(|p| p.into_inner()) = of_plane;
        Ok(())
    })?;
    Ok(found.into_iter().flat_map(|f| f.into_inner().unwrap_or_else(|p| p.into_inner())).collect())
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

/// A tree of points.
pub(crate) struct Neighbours {
    tree: ImmutableKdTree<f64, 3>,
}

impl Neighbours {
    /// A tree of at least one point.
    pub fn new(points: &[Vec3]) -> Result<Self> {
        let tree = ImmutableKdTree::new_from_slice(points)
            .map_err(|e| Error::Internal(format!("neighbour tree of {} atoms: {e}", points.len())))?;
        Ok(Self { tree })
    }

    /// Distance from each of the points of the tree, given again, to the nearest other one; infinite for a single point.
    pub fn nearest_others(&self, points: &[Vec3]) -> Vec<f64> {
        let two = std::num::NonZeroUsize::MIN.saturating_add(1);
        let second = |point: &Vec3| {
            let hits = self.tree.query(point).nearest_n::<SquaredEuclidean<f64>>(two).execute();
            hits.get(1).map_or(f64::INFINITY, |hit| hit.distance.sqrt())
        };
        points.iter().map(second).collect()
    }

    /// Numbers of the points nearer than `distance`.
    pub fn within(&self, point: &Vec3, distance: f64) -> Vec<usize> {
        let hits = self.tree.query(point).within::<SquaredEuclidean<f64>>(distance * distance).execute();
        hits.iter().filter_map(|hit| usize::try_from(hit.item).ok()).collect()
    }
}

/// The value below which `part` of all values lie.
fn quantile(values: &Array3<f32>, part: f64) -> f32 {
    let mut sorted: Vec<f32> = values.iter().copied().collect();
    let at = ((part * sorted.len() as f64) as usize).min(sorted.len() - 1);
    *sorted.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::specimen::{compare, random_packing, CompareOptions};

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
    }

    fn run(threads: usize, volume: &Volume, options: &PeakOptions) -> Result<Atoms> {
        let context = context(threads);
        let cancel = context.cancel_token();
        peaks(&context, volume, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    /// Gaussian atoms of `sigma` voxels in a volume.
    fn blurred(atoms: &[Vec3], shape: (usize, usize, usize), voxel: f64, sigma: f64) -> Volume {
        let mut values = Array3::zeros(shape);
        let empty = Volume::new(values.clone(), voxel).unwrap();
        for ((z, y, x), value) in values.indexed_iter_mut() {
            let p = empty.position([z as f64, y as f64, x as f64]);
            for atom in atoms {
                let r2: f64 = (0..3).map(|a| (p[a] - atom[a]).powi(2)).sum::<f64>() / (voxel * voxel);
                if r2 < 40.0 * sigma * sigma {
                    *value += (-0.5 * r2 / (sigma * sigma)).exp() as f32;
                }
            }
        }
        Volume::new(values, voxel).unwrap()
    }

    #[test]
    fn a_dense_packing_comes_back_within_a_fraction_of_a_voxel() {
        for (seed, voxel) in [(3, 0.34), (4, 0.4)] {
            let truth = random_packing(150, 15.0, 2.3, seed).unwrap();
            let volume = blurred(&truth, (56, 54, 57), voxel, 1.3);
            let options = PeakOptions { smoothing: 0.8, minimum_distance: Some(1.5), ..Default::default() };
            let found = run(2, &volume, &options).unwrap();
            let truth = Atoms::new(truth).unwrap();
            let c = compare(&found, &truth, &CompareOptions::default()).unwrap();
            assert_eq!((c.matched, c.missing, c.extra), (150, 0, 0), "seed {seed}");
            assert!(c.rmsd_pm < 0.15 * voxel * 100.0, "{} pm of {voxel} A voxels", c.rmsd_pm);
            assert!(found.heights().unwrap().windows(2).all(|h| h[0] >= h[1]));
            assert_eq!(found, run(3, &volume, &options).unwrap());
            let few = run(1, &volume, &PeakOptions { max_atoms: Some(7), ..options }).unwrap();
            assert_eq!(few.positions(), &found.positions()[..7]);
        }
    }

    #[test]
    fn near_peaks_leave_the_strongest() {
        let peak = |x: f64, height: f64| Peak { position: [x, 0.0, 0.0], height };
        let kept = thin_out(vec![peak(0.0, 1.0), peak(1.0, 3.0), peak(1.9, 2.0), peak(3.0, 1.0)], 1.5).unwrap();
        assert_eq!(kept, [peak(1.0, 3.0), peak(3.0, 1.0)]);
    }

    #[test]
    fn constants_smooth_to_themselves_and_have_no_peaks() {
        let volume = Volume::new(Array3::from_elem((9, 8, 7), 2.5), 1.0).unwrap();
        let context = context(2);
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        let smoothed = smooth_values(&context, volume.values(), Smoothing::Gaussian(2.0), &mut waiting).unwrap();
        assert!(smoothed.iter().all(|v| (v - 2.5).abs() < 1e-5));
        assert_eq!(run(1, &volume, &PeakOptions { smoothing: 0.0, ..Default::default() }).unwrap_err().code(), 301);
        let flat = Volume::new(Array3::zeros((2, 8, 8)), 1.0).unwrap();
        assert_eq!(run(1, &flat, &PeakOptions::default()).unwrap_err().code(), 301);
    }

    #[test]
    fn bad_options_are_refused() {
        let volume = Volume::new(Array3::zeros((4, 4, 4)), 1.0).unwrap();
        let code = |options: PeakOptions| run(1, &volume, &options).unwrap_err().code();
        assert_eq!(code(PeakOptions { smoothing: f64::NAN, ..Default::default() }), 103);
        assert_eq!(code(PeakOptions { minimum_distance: Some(-1.0), ..Default::default() }), 103);
        assert_eq!(code(PeakOptions { threshold: Some(f64::NAN), ..Default::default() }), 103);
        assert_eq!(code(PeakOptions { max_atoms: Some(0), ..Default::default() }), 103);
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
