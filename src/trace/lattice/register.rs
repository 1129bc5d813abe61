//! Where the crystal lies in the volume: p = F r + t takes a point r of the crystal to the point p of the volume.
//!
//! 1. F from the Bragg peaks ([`super::orientation`]).
//! 2. t from their phases. Atoms at F r + t have the transform S(h) exp(-2 pi i h u), S the structure factor and u = t in
//!    parts of the lattice vectors; u maximises C(u) = Re sum conj(S) F(k) exp(2 pi i h u), a Fourier series over the cell.
//!    Of orientations that explain the amplitudes alike, those with the best phases are kept, and of these the one nearest to
//!    the start, or to no rotation.
//! 3. F and t in real space, by Newton's method on Q(F, t) = sum over sites of w V(F r + t), w the atomic number and V the
//!    flattened volume: first t alone, then all twelve numbers.

use super::crystal::{length, Crystal, Reflections};
use super::field::Field;
use super::orientation::{angle_between, orientations, polar, spacing, Orientation, Pattern};
use super::spectrum::{bragg_peaks, BraggPeak, Region};
use super::{Lattice, LatticeOptions};
use crate::context::{CancelToken, Context};
use crate::error::{Error, Result};
use crate::geometry::{apply, inverse, transpose, Mat3, Vec3, IDENTITY};
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use crate::trace::peaks::Parabola;
use nalgebra::{DMatrix, DVector};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// Peaks by whose phases the shift is found, the strongest.
const PHASED: usize = 60;

/// Points of the cell per period of the finest reflection, and along an edge at most.
const PER_PERIOD: i32 = 5;
const MOST_POINTS: i32 = 96;

/// Orientations whose phases agree this much less than the best are as good.
const AS_GOOD: f64 = 0.02;

/// Newton's method: steps at most, the longest step and the one at which it ends, voxels.
const STEPS: usize = 30;
const LONGEST_STEP: f64 = 0.5;
const SHORTEST_STEP: f64 = 1e-3;

/// Sites summed by one item of work.
const SITES_PER_ITEM: usize = 1024;

/// Where a crystal lies in a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// F: a point r of the crystal (angstrom) lies at F r + t.
    pub matrix: Mat3,
    /// t, the shortest of those that differ by lattice vectors, angstrom.
    pub shift: Vec3,
    /// R of F = R (1 + strain).
    pub rotation: Mat3,
    /// Symmetric, in the frame of the crystal: its first row and column belong to x of the crystal.
    pub strain: Mat3,
    /// Bragg peaks that lie on reflections.
    pub bragg_peaks: usize,
    /// Root mean square distance of these from their reflections, 1 / angstrom.
    pub bragg_error: f64,
    /// Agreement of the phases: C(t) as a part of the sum of |S F|, 1 for a perfect crystal.
    pub phase_agreement: f64,
}

/// Orientation and shift as the peaks have them.
struct Found {
    orientation: Orientation,
    fraction: Vec3,
    agreement: f64,
}

/// Registers `crystal` to `field`. `inside` says which positions count in real space.
///
/// # Errors
/// `Empty` without Bragg peaks that fit, `Memory`, `Cancelled`.
pub(super) fn register(
    context: &Context,
    (field, region): (&Field, &Region),
    lattice: &Lattice<'_>,
    options: &LatticeOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Registration> {
    let crystal = lattice.crystal;
    let chosen = waiting.part(0.0, 0.6, |waiting| by_peaks(context, (field, region), lattice, options, waiting))?;
    let singular = || Error::Internal("singular orientation".into());
    let matrix = transpose(&inverse(&chosen.orientation.matrix).ok_or_else(singular)?);
    let middle = field.position(region.middle());
    let along = apply(&matrix, &crystal.point(&chosen.fraction));
    let shift = nearest_shift(crystal, &matrix, &std::array::from_fn(|a| middle[a] + along[a]));
    let (matrix, shift) =
        waiting.part(0.6, 1.0, |waiting| in_real_space(context, field, lattice, (matrix, shift), waiting))?;
    let (rotation, stretch) = polar(&matrix).ok_or_else(singular)?;
    Ok(Registration {
        matrix,
        shift: nearest_shift(crystal, &matrix, &shift),
        rotation,
        strain: std::array::from_fn(|i| std::array::from_fn(|j| stretch[i][j] - IDENTITY[i][j])),
        bragg_peaks: chosen.orientation.matches.len(),
        bragg_error: chosen.orientation.error,
        phase_agreement: chosen.agreement,
    })
}

/// Orientation and shift by the Bragg peaks and their phases.
fn by_peaks(
    context: &Context,
    (field, region): (&Field, &Region),
    lattice: &Lattice<'_>,
    options: &LatticeOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Found> {
    let (lowest, spacing) = (0.85 * lattice.lowest, spacing(lattice.crystal));
    let peaks =
        waiting.part(0.0, 0.6, |waiting| bragg_peaks(context, field, region, (lowest, 0.6 * spacing), waiting))?;
    let highest = peaks.iter().map(|p| length(&p.frequency)).fold(lowest, f64::max).min(0.5 / field.voxel);
    let reflections = waiting.part(0.6, 0.65, |waiting| {
        collected(context, 1, "calculating reflections", waiting, &|_| lattice.crystal.reflections(1.1 * highest))
    })?;
    let Some(reflections) = reflections.first() else { return Err(Error::Internal("no reflections".into())) };
    let pattern = Pattern { peaks: &peaks, reflections, step: region.step(field.voxel), spacing };
    let near = options.rotation.map(|rotation| (rotation, options.rotation_within_deg));
    let found = waiting.part(0.65, 0.9, |waiting| orientations(context, &pattern, near, waiting))?;
    let phased = waiting.part(0.9, 1.0, |waiting| {
        collected(context, found.len(), "matching phases", waiting, &|i| {
            let (fraction, agreement) = fraction_by_phases(&peaks, reflections, &found[i]);
            Found { orientation: found[i].clone(), fraction, agreement }
        })
    })?;
    let best = phased.iter().map(|f| f.agreement).fold(f64::NEG_INFINITY, f64::max);
    let start = options.rotation.unwrap_or(IDENTITY);
    let turn = |f: &Found| angle_between(&start, &f.orientation.matrix);
    let as_good = phased.into_iter().filter(|f| f.agreement >= best - AS_GOOD);
    let nearest = as_good.min_by(|a, b| turn(a).total_cmp(&turn(b)));
    nearest.ok_or_else(|| Error::Internal("no orientation left".into()))
}

/// The shortest shift that differs by a lattice vector.
fn nearest_shift(crystal: &Crystal, matrix: &Mat3, shift: &Vec3) -> Vec3 {
    let Some(back) = inverse(matrix) else { return *shift };
    let fraction = crystal.fraction(&apply(&back, shift));
    apply(matrix, &crystal.point(&fraction.map(|u| u - u.round())))
}

/// u that maximises C(u), and C there as a part of sum |S F|.
fn fraction_by_phases(peaks: &[BraggPeak], reflections: &Reflections, orientation: &Orientation) -> (Vec3, f64) {
    let of = |(i, index): &(usize, [i32; 3])| {
        let factor = reflections.get(*index)?.0.factor;
        Some((*index, factor.conj() * peaks[*i].value))
    };
    let terms: Vec<([i32; 3], Complex64)> = orientation.matches.iter().take(PHASED).filter_map(of).collect();
    let finest: [i32; 3] = std::array::from_fn(|a| terms.iter().map(|(h, _)| h[a].abs()).max().unwrap_or(0));
    let points = finest.map(|h| (PER_PERIOD * h).clamp(1, MOST_POINTS));
    let waves: [Vec<Complex64>; 3] =
        points.map(|n| (0..n).map(|i| Complex64::from_polar(1.0, TAU * f64::from(i) / f64::from(n))).collect());
    let wave = |a: usize, h: i32, i: i32| waves[a][(h * i).rem_euclid(points[a]) as usize];
    let mut best = ([0; 3], f64::MIN);
    for x in 0..points[0] {
        let first: Vec<Complex64> = terms.iter().map(|(h, c)| c * wave(0, h[0], x)).collect();
        for y in 0..points[1] {
            let second: Vec<Complex64> = terms.iter().zip(&first).map(|((h, _), c)| c * wave(1, h[1], y)).collect();
            for z in 0..points[2] {
                let sum: f64 = terms.iter().zip(&second).map(|((h, _), c)| (c * wave(2, h[2], z)).re).sum();
                // maxima that symmetry makes equal differ by roundoff: the first is taken
                if sum > best.1 + 1e-9 * best.1.abs() {
                    best = ([x, y, z], sum);
                }
            }
        }
    }
    let series = |u: &Vec3| -> f64 {
        let phase = |h: &[i32; 3]| TAU * (0..3).map(|a| f64::from(h[a]) * u[a]).sum::<f64>();
        terms.iter().map(|(h, c)| (c * Complex64::from_polar(1.0, phase(h))).re).sum()
    };
    let grid: Vec3 = std::array::from_fn(|a| f64::from(best.0[a]) / f64::from(points[a]));
    let near = |d: [i32; 3]| series(&std::array::from_fn(|a| grid[a] + f64::from(d[a]) / f64::from(points[a])));
    let offset = Parabola::of(near).offset();
    let fraction: Vec3 = std::array::from_fn(|a| grid[a] + offset[a] / f64::from(points[a]));
    let total: f64 = terms.iter().map(|(_, c)| c.norm()).sum();
    (fraction, series(&fraction) / total.max(f64::MIN_POSITIVE))
}

/// Sums of Q, of its gradient and of its second derivatives by the twelve numbers of a change of F and t.
struct Sums {
    value: f64,
    gradient: DVector<f64>,
    hessian: DMatrix<f64>,
}

/// The sites that are laid on the maxima: their points in the crystal, weights, and how those are counted as parameters.
struct Fit<'a> {
    field: &'a Field,
    sites: Vec<(Vec3, f64)>,
    /// Middle of the sites, and their extent: parameters count from there, so that all are lengths.
    middle: Vec3,
    extent: f64,
}

fn in_real_space(
    context: &Context,
    field: &Field,
    lattice: &Lattice<'_>,
    (mut matrix, mut shift): (Mat3, Vec3),
    waiting: &mut Waiting<'_>,
) -> Result<(Mat3, Vec3)> {
    let sites = waiting.part(0.0, 0.1, |waiting| lattice.sites(context, field, (&matrix, &shift), waiting))?;
    let weights = lattice.crystal.weights();
    let sites: Vec<(Vec3, f64)> = sites.iter().map(|s| (lattice.point(s), weights[s.basis])).collect();
    let count = sites.len().max(1) as f64;
    let middle: Vec3 = std::array::from_fn(|a| sites.iter().map(|(r, _)| r[a]).sum::<f64>() / count);
    let away = |r: &Vec3| length(&std::array::from_fn(|a| r[a] - middle[a]));
    let extent = sites.iter().map(|(r, _)| away(r)).fold(1e-6, f64::max);
    let fit = Fit { field, sites, middle, extent };
    for (from, to, parameters) in [(0.1, 0.4, 3), (0.4, 1.0, 12)] {
        waiting.part(from, to, |waiting| fit.climb(context, (&mut matrix, &mut shift), parameters, waiting))?;
    }
    Ok((matrix, shift))
}

impl Fit<'_> {
    /// Newton's method over the first `parameters` of (t, F), with steps that are halved until Q rises.
    fn climb(
        &self,
        context: &Context,
        (matrix, shift): (&mut Mat3, &mut Vec3),
        parameters: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let mut here = self.sums(context, (matrix, shift), parameters, waiting.cancel)?;
        for step in 0..STEPS {
            waiting.at(step as f64 / STEPS as f64, "registering a crystal")?;
            // -H must be positive definite: else there is no maximum near, and the start is the best that is known
            let Some(factors) = (-&here.hessian).cholesky() else { return Ok(()) };
            let mut change = factors.solve(&here.gradient);
            let longest = LONGEST_STEP * self.field.voxel / change.norm().max(f64::MIN_POSITIVE);
            change *= longest.min(1.0);
            loop {
                if change.norm() < SHORTEST_STEP * self.field.voxel {
                    return Ok(());
                }
                let next = self.moved((matrix, shift), &change);
                let there = self.sums(context, (&next.0, &next.1), parameters, waiting.cancel)?;
                if there.value > here.value {
                    (*matrix, *shift, here) = (next.0, next.1, there);
                    break;
                }
                change *= 0.5;
            }
        }
        Ok(())
    }

    fn moved(&self, (matrix, shift): (&Mat3, &Vec3), change: &DVector<f64>) -> (Mat3, Vec3) {
        if change.len() == 3 {
            return (*matrix, std::array::from_fn(|a| shift[a] + change[a]));
        }
        let tilt: Mat3 = std::array::from_fn(|i| std::array::from_fn(|j| change[3 + 3 * i + j] / self.extent));
        let turned = apply(&tilt, &self.middle);
        (
            std::array::from_fn(|i| std::array::from_fn(|j| matrix[i][j] + tilt[i][j])),
            std::array::from_fn(|a| shift[a] + change[a] - turned[a]),
        )
    }

    fn sums(
        &self,
        context: &Context,
        (matrix, shift): (&Mat3, &Vec3),
        parameters: usize,
        cancel: &CancelToken<'_>,
    ) -> Result<Sums> {
        let items = self.sites.len().div_ceil(SITES_PER_ITEM);
        let zero = || Sums {
            value: 0.0,
            gradient: DVector::zeros(parameters),
            hessian: DMatrix::zeros(parameters, parameters),
        };
        // a sum is short: its caller tells how far the steps are
        let mut waiting = Waiting { cancel, tell: &mut |_| true };
        let parts = collected(context, items, "registering a crystal", &mut waiting, &|item| {
            let mut sums = zero();
            for (r, weight) in self.sites.iter().skip(item * SITES_PER_ITEM).take(SITES_PER_ITEM) {
                let turned = apply(matrix, r);
                let Some(s) = self.field.sample(&std::array::from_fn(|a| turned[a] + shift[a])) else { continue };
                let lever: Vec3 = std::array::from_fn(|a| (r[a] - self.middle[a]) / self.extent);
                // parameter n moves the site along axis(n) by arm(n) per unit
                let axis = |n: usize| if n < 3 { n } else { (n - 3) / 3 };
                let arm = |n: usize| if n < 3 { 1.0 } else { lever[n % 3] };
                sums.value += weight * s.value;
                for i in 0..parameters {
                    sums.gradient[i] += weight * s.gradient[axis(i)] * arm(i);
                    for j in 0..=i {
                        sums.hessian[(i, j)] += weight * s.hessian[axis(i)][axis(j)] * arm(i) * arm(j);
                    }
                }
            }
            sums
        })?;
        let mut total = zero();
        for part in parts {
            total.value += part.value;
            total.gradient += part.gradient;
            total.hessian += part.hessian;
        }
        total.hessian.fill_upper_triangle_with_lower_triangle();
        Ok(total)
    }
}
