//! The published polynomial fit of maxima: all monomials of total degree up to 4 about the current position, weighted by
//! a Gaussian; the position moves to the stationary point of the quadratic part, and so on until it stands still.
//!
//! The published codes oversample the whole volume by three with cubic splines and fit the fine voxels around a position
//! that moves between them. Here the points of the fit move with the position and the spline is evaluated there, from the
//! coefficients of a small block of voxels. The points then lie alike about every position: the pseudo-inverse of the
//! fit is one matrix for all atoms, and no fit prefers the middle of a voxel. Fitting 35 terms to the voxels themselves
//! would need a ball of at least two voxels, which reaches the neighbours.

use crate::error::{Error, Result};
use crate::geometry::Vec3;
use nalgebra::{DMatrix, DVector, Matrix3, Vector3};
use ndarray::ArrayView3;

/// Points along an axis on each side of the centre; the fitted ball has 3.5 steps.
const HALF: i32 = 3;
const SIDE: usize = 2 * HALF as usize + 1;
const STEPS: f64 = 3.5;
/// Terms of degree up to 4 in three variables.
const TERMS: usize = 35;
/// A position further from its voxel than this, in voxels, left its box.
const BOX: f64 = 1.0;
/// Largest move along an axis, steps; the fit stands still below `STILL`.
const LARGEST_MOVE: f64 = 0.5;
const STILL: f64 = 1e-4;
const MOST_MOVES: usize = 40;

/// Pole of the filter that turns values into coefficients of cubic splines, sqrt(3) - 2, and how far it is followed.
const POLE: f64 = -0.267_949_192_431_122_7;
const FILTER: usize = 8;

/// The fit that all maxima share.
pub(super) struct Polynomial {
    /// Voxels between the points.
    step: f64,
    /// Places of the points, in steps along z, y, x.
    points: Vec<[i32; 3]>,
    /// Terms by points: weights^2 of the points stand in it.
    inverse: DMatrix<f64>,
    /// Points by terms.
    terms: DMatrix<f64>,
    /// Squared weights of the points.
    weights: Vec<f64>,
    /// Coefficients along an axis on each side of the maximum.
    reach: i32,
}

/// Where a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Still,
    NotAMaximum,
    LeftItsBox,
    NotConverged,
}

/// A fitted maximum; lengths in voxels along z, y, x.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub position: Vec3,
    pub height: f64,
    pub hessian: [Vec3; 3],
    /// Root of the weighted mean square of what the polynomial does not follow.
    pub residual: f64,
    pub moves: usize,
    pub end: End,
}

/// Exponents of the terms, by degree: 1, then z, y, x, then the six products, then the rest.
fn exponents() -> Vec<[i32; 3]> {
    let mut all = Vec::with_capacity(TERMS);
    for degree in 0..=4 {
        for z in (0..=degree).rev() {
            (0..=degree - z).rev().for_each(|y| all.push([z, y, degree - z - y]));
        }
    }
    all
}

impl Polynomial {
    /// The fit to a ball of `radius` voxels.
    pub fn new(radius: f64) -> Result<Self> {
        let cube = (0..SIDE.pow(3) as i32).map(|i| [i / 49 - HALF, i / 7 % 7 - HALF, i % 7 - HALF]);
        let square = |p: &[i32; 3]| f64::from(p.iter().map(|v| v * v).sum::<i32>());
        let points: Vec<[i32; 3]> = cube.filter(|p| square(p) <= STEPS * STEPS).collect();
        // exp(-d^2 / 3^2) on both sides of the equations
        let weights: Vec<f64> = points.iter().map(|p| (-2.0 * square(p) / 9.0).exp()).collect();
        let exponents = exponents();
        let term = |i: usize, t: usize| (0..3).map(|a| f64::from(points[i][a]).powi(exponents[t][a])).product::<f64>();
        let terms = DMatrix::from_fn(points.len(), TERMS, term);
        let weighted = DMatrix::from_fn(points.len(), TERMS, |i, t| weights[i].sqrt() * terms[(i, t)]);
        let inverse = weighted
            .pseudo_inverse(1e-10)
            .map_err(|why| Error::Internal(format!("inverse of the polynomial fit: {why}")))?;
        let inverse = DMatrix::from_fn(TERMS, points.len(), |t, i| inverse[(t, i)] * weights[i].sqrt());
        let step = radius / STEPS;
        let reach = (BOX + f64::from(HALF) * step).floor() as i32 + 2;
        Ok(Self { step, points, inverse, terms, weights, reach })
    }

    /// The maximum near the voxel `seed`.
    pub fn fit(&self, values: &ArrayView3<'_, f32>, seed: [usize; 3]) -> Fitted {
        let block = Block::new(values, seed, self.reach);
        let mut offset = [0.0; 3];
        let (mut moves, mut end) = (0, End::NotConverged);
        let mut samples = self.samples(&block, &offset);
        while moves < MOST_MOVES {
            moves += 1;
            let Some(by) = ascent(&self.quadratic(&samples)) else {
                end = End::NotAMaximum;
                break;
            };
            let by = by.map(|v| v.clamp(-LARGEST_MOVE, LARGEST_MOVE));
            if by.iter().all(|v| v.abs() < STILL) {
                end = End::Still;
                break;
            }
            let next: Vec3 = std::array::from_fn(|a| offset[a] + by[a] * self.step);
            if next.iter().any(|v| v.abs() > BOX) {
                end = End::LeftItsBox;
                break;
            }
            offset = next;
            samples = self.samples(&block, &offset);
        }
        self.fitted(&samples, std::array::from_fn(|a| seed[a] as f64 + offset[a]), moves, end)
    }

    fn samples(&self, block: &Block, offset: &Vec3) -> DVector<f64> {
        let cube = block.sampled(offset, self.step);
        let at = |p: &[i32; 3]| p.iter().fold(0, |i, v| i * SIDE + (v + HALF) as usize);
        DVector::from_iterator(self.points.len(), self.points.iter().map(|p| cube[at(p)]))
    }

    /// The terms up to degree 2: 1, z, y, x, zz, zy, zx, yy, yx, xx, in steps.
    fn quadratic(&self, samples: &DVector<f64>) -> [f64; 10] {
        let found = self.inverse.rows(0, 10) * samples;
        std::array::from_fn(|t| found[t])
    }

    fn fitted(&self, samples: &DVector<f64>, position: Vec3, moves: usize, end: End) -> Fitted {
        let coefficients = &self.inverse * samples;
        let misfit = samples - &self.terms * &coefficients;
        let square: f64 = misfit.iter().zip(&self.weights).map(|(m, w)| w * m * m).sum();
        let total: f64 = self.weights.iter().sum();
        let found = self.quadratic(samples);
        let per_voxel = |v: f64| v / (self.step * self.step);
        Fitted {
            position,
            height: found[0],
            hessian: hessian(&found).map(|row| row.map(per_voxel)),
            residual: (square / total).sqrt(),
            moves,
            end,
        }
    }

    /// Variance of a component of the gradient, per voxel, for noise of unit variance in voxels of which the fit sees
    /// the convolution with `kernel` (one half of a symmetric one, from its centre on, of sum 1) along each axis. The mean
    /// of maxima on voxels and amid them.
    pub fn gradient_variance(&self, kernel: &[f64]) -> f64 {
        let slope: Vec<f64> = self.inverse.row(3).iter().map(|w| w / self.step).collect(); // along x
        let of_phase = |phase: f64| {
            let covariance = self.covariance(kernel, phase);
            let mut variance = 0.0;
            for (p, w) in self.points.iter().zip(&slope) {
                for (q, v) in self.points.iter().zip(&slope) {
                    let of_axis = |a: usize| covariance[(p[a] + HALF) as usize][(q[a] + HALF) as usize];
                    variance += w * v * of_axis(0) * of_axis(1) * of_axis(2);
                }
            }
            variance
        };
        0.5 * (of_phase(0.0) + of_phase(0.5))
    }

    /// Along one axis: covariance of the spline at two points of the fit, whose centre lies `phase` voxels off a voxel.
    fn covariance(&self, kernel: &[f64], phase: f64) -> [[f64; SIDE]; SIDE] {
        let half = kernel.len() as i32 - 1;
        let reach = FILTER as i32 + self.reach + half + 2;
        // Answer at each point to one voxel of noise: spline after smoothing.
        let answers: Vec<[f64; SIDE]> = (-reach..=reach)
            .map(|voxel| {
                let smoothed = |i: i32| kernel.get((i - voxel).unsigned_abs() as usize).copied().unwrap_or(0.0);
                let taps = -(FILTER as i32)..=FILTER as i32;
                let coefficient = |i: i32| taps.clone().map(|k| filter(k) * smoothed(i + k)).sum::<f64>();
                std::array::from_fn(|p| {
                    let at = phase + (p as i32 - HALF) as f64 * self.step;
                    let (first, weights) = spline(at);
                    (0..4).map(|k| weights[k] * coefficient(first + k as i32)).sum()
                })
            })
            .collect();
        std::array::from_fn(|p| std::array::from_fn(|q| answers.iter().map(|a| a[p] * a[q]).sum()))
    }
}

/// Second derivatives of a polynomial from its terms.
fn hessian(c: &[f64; 10]) -> [Vec3; 3] {
    [[2.0 * c[4], c[5], c[6]], [c[5], 2.0 * c[7], c[8]], [c[6], c[8], 2.0 * c[9]]]
}

/// Newton step to the maximum of the quadratic part; `None` where it has none.
fn ascent(c: &[f64; 10]) -> Option<Vec3> {
    let h = hessian(c);
    let cholesky = Matrix3::from_fn(|a, b| -h[a][b]).cholesky()?;
    let step = cholesky.solve(&Vector3::new(c[1], c[2], c[3]));
    Some([step[0], step[1], step[2]])
}

/// Tap `k` of the filter that turns values into coefficients of cubic splines.
fn filter(k: i32) -> f64 {
    3f64.sqrt() * POLE.powi(k.abs())
}

/// Cubic B-spline weights at `at`: of the coefficient `first` and the three after it.
fn spline(at: f64) -> (i32, [f64; 4]) {
    let floor = at.floor();
    let t = at - floor;
    let u = 1.0 - t;
    let weights =
        [u * u * u / 6.0, 2.0 / 3.0 - 0.5 * t * t * (2.0 - t), 2.0 / 3.0 - 0.5 * u * u * (2.0 - u), t * t * t / 6.0];
    (floor as i32 - 1, weights)
}

/// Spline coefficients of the voxels around a maximum. The volume goes on mirrored at the centres of its outermost
/// voxels.
struct Block {
    coefficients: Vec<f64>,
    reach: i32,
}

impl Block {
    fn new(values: &ArrayView3<'_, f32>, seed: [usize; 3], reach: i32) -> Self {
        let n = 2 * reach as usize + 1;
        let wide = n + 2 * FILTER;
        let shape = values.dim();
        let index = |a: usize, length: usize| -> Vec<usize> {
            let first = seed[a] as i64 - i64::from(reach) - FILTER as i64;
            (0..wide as i64).map(|i| mirrored(first + i, length)).collect()
        };
        let (zs, ys, xs) = (index(0, shape.0), index(1, shape.1), index(2, shape.2));
        let taps: Vec<f64> = (0..=FILTER as i32).map(filter).collect();
        let taken = |line: &dyn Fn(usize) -> f64, i: usize| {
            let c = i + FILTER;
            taps[0] * line(c) + (1..=FILTER).map(|k| taps[k] * (line(c - k) + line(c + k))).sum::<f64>()
        };
        let mut along_x = Vec::with_capacity(wide * wide * n);
        let mut row = vec![0.0; wide];
        for (z, y) in zs.iter().flat_map(|z| ys.iter().map(move |y| (*z, *y))) {
            row.iter_mut().zip(&xs).for_each(|(v, x)| *v = f64::from(values[[z, y, *x]]));
            along_x.extend((0..n).map(|i| taken(&|k| row[k], i)));
        }
        let mut along_y = Vec::with_capacity(wide * n * n);
        for plane in along_x.chunks_exact(wide * n) {
            (0..n * n).for_each(|i| along_y.push(taken(&|k| plane[k * n + i % n], i / n)));
        }
        let mut coefficients = Vec::with_capacity(n * n * n);
        (0..n * n * n).for_each(|i| coefficients.push(taken(&|k| along_y[k * n * n + i % (n * n)], i / (n * n))));
        Self { coefficients, reach }
    }

    /// The spline at a cube of points `step` voxels apart around `offset`, x fastest.
    fn sampled(&self, offset: &Vec3, step: f64) -> Vec<f64> {
        let n = 2 * self.reach as usize + 1;
        let weights: [[(usize, [f64; 4]); SIDE]; 3] = std::array::from_fn(|a| {
            std::array::from_fn(|p| {
                let (first, weights) = spline(offset[a] + (p as i32 - HALF) as f64 * step);
                ((first + self.reach) as usize, weights)
            })
        });
        let sum = |w: &[f64; 4], of: &dyn Fn(usize) -> f64| (0..4).map(|k| w[k] * of(k)).sum::<f64>();
        let mut along_x = Vec::with_capacity(n * n * SIDE);
        for row in self.coefficients.chunks_exact(n) {
            along_x.extend(weights[2].iter().map(|(first, w)| sum(w, &|k| row[first + k])));
        }
        let mut along_y = Vec::with_capacity(n * SIDE * SIDE);
        for plane in along_x.chunks_exact(n * SIDE) {
            for (first, w) in &weights[1] {
                along_y.extend((0..SIDE).map(|x| sum(w, &|k| plane[(first + k) * SIDE + x])));
            }
        }
        let mut out = Vec::with_capacity(SIDE.pow(3));
        for (first, w) in &weights[0] {
            out.extend((0..SIDE * SIDE).map(|i| sum(w, &|k| along_y[(first + k) * SIDE * SIDE + i])));
        }
        out
    }
}

/// Index of a line of `length` values that goes on mirrored at its first and last one.
fn mirrored(index: i64, length: usize) -> usize {
    let period = 2 * (length as i64 - 1).max(1);
    let folded = index.rem_euclid(period);
    folded.min(period - folded).min(length as i64 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn the_terms_come_by_degree() {
        let all = exponents();
        assert_eq!(all.len(), TERMS);
        assert_eq!(all[1..4], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
        assert_eq!(all[4..10], [[2, 0, 0], [1, 1, 0], [1, 0, 1], [0, 2, 0], [0, 1, 1], [0, 0, 2]]);
    }

    /// An atom of standard deviation `sigma` voxels at `centre` (z, y, x).
    fn atom(centre: Vec3, sigma: f64) -> Array3<f32> {
        Array3::from_shape_fn((17, 18, 19), |(z, y, x)| {
            let d = [z as f64 - centre[0], y as f64 - centre[1], x as f64 - centre[2]];
            (3.0 * (-0.5 * d.iter().map(|v| v * v).sum::<f64>() / (sigma * sigma)).exp()) as f32
        })
    }

    #[test]
    fn the_spline_goes_through_the_voxels() {
        let values = atom([8.3, 8.0, 9.1], 1.2);
        let block = Block::new(&values.view(), [8, 8, 9], 4);
        let samples = block.sampled(&[0.0; 3], 1.0 / 3.0);
        for (z, y, x) in [(0, 0, 0), (-1, 0, 1), (1, 1, -1)] {
            let at = ((3 * (z + 1)) * 7 + 3 * (y + 1)) * 7 + 3 * (x + 1);
            let voxel = f64::from(values[[(8 + z) as usize, (8 + y) as usize, (9 + x) as usize]]);
            assert!((samples[at as usize] - voxel).abs() < 1e-4, "{z} {y} {x}: {} {voxel}", samples[at as usize]);
        }
    }

    #[test]
    fn a_gaussian_is_found_to_a_hundredth_of_a_voxel() {
        let fit = Polynomial::new(3.5 / 3.0).unwrap();
        for centre in [[8.0, 8.0, 9.0], [8.4, 7.7, 9.2], [7.8, 8.49, 8.6], [8.49, 8.49, 8.51]] {
            let values = atom(centre, 1.5);
            let seed = centre.map(|v| v.round() as usize);
            let fitted = fit.fit(&values.view(), seed);
            assert_eq!(fitted.end, End::Still);
            for a in 0..3 {
                assert!((fitted.position[a] - centre[a]).abs() < 0.01, "{centre:?} {fitted:?}");
                assert!((fitted.hessian[a][a] + 3.0 / 2.25).abs() < 0.08, "{fitted:?}");
            }
            assert!((fitted.height - 3.0).abs() < 0.03 && fitted.residual < 0.01 && fitted.moves < 12, "{fitted:?}");
        }
    }

    #[test]
    fn saddles_and_slopes_are_told() {
        let fit = Polynomial::new(3.5 / 3.0).unwrap();
        let saddle = Array3::from_shape_fn((17, 17, 17), |(z, y, x)| {
            let d = [z, y, x].map(|v| v as f32 - 8.0);
            -d[0] * d[0] - d[1] * d[1] + 0.1 * d[2] * d[2]
        });
        assert_eq!(fit.fit(&saddle.view(), [8; 3]).end, End::NotAMaximum);
        let far = atom([8.0, 8.0, 12.0], 2.0);
        let end = fit.fit(&far.view(), [8, 8, 9]).end;
        assert!(matches!(end, End::LeftItsBox | End::NotAMaximum), "{end:?}");
    }

    #[test]
    fn faces_mirror() {
        assert_eq!([-2, -1, 0, 1, 4, 5, 6].map(|i| mirrored(i, 5)), [2, 1, 0, 1, 4, 3, 2]);
        assert_eq!(mirrored(-9, 1), 0);
    }
}
