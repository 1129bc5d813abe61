//! Interpolation of transfer functions along the beam from a few depths.
//!
//! A transfer function is an integral over pairs of angles of the aperture (paper 002, equations (8) to (10)):
//!
//! OTF(k; d) = 1/N integral A(q + k/2) A*(q - k/2) exp(-2 pi i lambda d k . q) d^2 q,
//!
//! a function of the depth d whose frequencies lambda k u, u = q . k / |k|, are bounded: |lambda k u| <= alpha^2 / (2 lambda),
//! one period per depth of field. At the frequency of u its amplitude is at most the chord of the lens in which the two
//! apertures overlap, c(k, u) = 2 sqrt(k0^2 - (|u| + k/2)^2), whatever the aberrations (which are phases) and the defocus
//! (a phase, too). Averaged over all foci the correlation of two depths is therefore
//!
//! K(z - z') = integral k dk exp(-2 pi^2 k^2 (B + 2 sigma^2)) integral c(k, u)^2 cos(2 pi lambda k u (z - z')) du,
//!
//! B being the width of an orbital and sigma the source size. The estimate with the least mean square error from the
//! values at M depths z_p is the combination with the weights w(z) = K_pp^-1 K(z_p - z) (kriging); its relative error,
//! averaged over foci, is e(z)^2 = 1 - w . K(z_p - z) / K(0). With Chebyshev points as depths, M is near the number of
//! degrees of freedom: 5, 6 and 8 points for 40, 70 and 120 A at 300 kV and 25 mrad and an error of 1e-4.

use super::probe::Probe;
use std::f64::consts::{PI, TAU};

/// Points per axis of the integral over k and u, and frequencies that are told apart.
const POINTS: usize = 64;
const FREQUENCIES: usize = 160;
/// Step of the table of weights, in radians of the highest frequency: the error of cubic pieces is its 4th power / 384.
const TABLE_STEP: f64 = 0.05;
/// Smallest half range, in radians of the highest frequency.
const SHORTEST_RANGE: f64 = 0.5;
/// Pivots below this part of K(0) are rounding errors.
const SMALLEST_PIVOT: f64 = 1e-13;

/// K(z - z') / K(0) as a sum of cosines.
#[derive(Debug, Clone)]
struct DepthCorrelation {
    /// Angular frequency (rad / A) and weight; the weights sum to 1.
    terms: Vec<(f64, f64)>,
}

impl DepthCorrelation {
    /// For orbitals of width `width` (A^2), cutoff k0 (1/A) of the aperture and the highest frequency (1/A) of the images.
    fn new(probe: &Probe, k0: f64, width: f64, nyquist: f64) -> Self {
        let (lambda, sigma) = (probe.wavelength(), probe.source_size());
        let highest = TAU * lambda * k0 * k0 / 2.0;
        let step = highest / (FREQUENCIES - 1) as f64;
        let mut weights = vec![0.0; FREQUENCIES];
        let k_end = (2.0 * k0).min(nyquist);
        for i in 0..POINTS {
            let k = (i as f64 + 0.5) / POINTS as f64 * k_end;
            let u_end = k0 - 0.5 * k;
            let blur = (-2.0 * PI * PI * k * k * (width + 2.0 * sigma * sigma)).exp();
            for j in 0..POINTS {
                let u = (j as f64 + 0.5) / POINTS as f64 * u_end;
                let chord2 = k0 * k0 - (u + 0.5 * k).powi(2);
                let at = (TAU * lambda * k * u / step).round() as usize;
                weights[at.min(FREQUENCIES - 1)] += k * blur * u_end * chord2;
            }
        }
        let sum: f64 = weights.iter().sum();
        Self { terms: weights.iter().enumerate().map(|(i, w)| (i as f64 * step, w / sum)).collect() }
    }

    /// Root mean square over the image of an orbital at a distance (A) from the crossover, relative to that in focus, for
    /// a lens without aberrations.
    fn strength(probe: &Probe, k0: f64, width: f64, nyquist: f64, distance: f64) -> f64 {
        let (lambda, k_end) = (probe.wavelength(), (2.0 * k0).min(nyquist));
        let (mut there, mut in_focus) = (0.0, 0.0);
        for i in 0..POINTS {
            let k = (i as f64 + 0.5) / POINTS as f64 * k_end;
            let u_end = k0 - 0.5 * k;
            let (mut sum, mut chords) = (0.0, 0.0);
            for j in 0..POINTS {
                let u = (j as f64 + 0.5) / POINTS as f64 * u_end;
                let chord = u_end * (k0 * k0 - (u + 0.5 * k).powi(2)).max(0.0).sqrt();
                sum += chord * (TAU * lambda * k * u * distance).cos();
                chords += chord;
            }
            let blur = k * (-2.0 * PI * PI * k * k * (width + 2.0 * probe.source_size().powi(2))).exp();
            (there, in_focus) = (there + blur * sum * sum, in_focus + blur * chords * chords);
        }
        (there / in_focus).sqrt()
    }

    fn highest(&self) -> f64 {
        self.terms.last().map_or(0.0, |t| t.0)
    }

    /// K and dK/dz at a distance in A.
    fn at(&self, distance: f64) -> (f64, f64) {
        self.terms.iter().fold((0.0, 0.0), |(value, slope), (omega, weight)| {
            let (sin, cos) = (omega * distance).sin_cos();
            (value + weight * cos, slope - weight * omega * sin)
        })
    }
}

/// What an interpolation must serve.
#[derive(Debug, Clone, Copy)]
pub struct DepthRange {
    /// Shape of an image: it sets the soft edge of the aperture.
    pub shape: (usize, usize),
    /// A.
    pub pixel_size: f64,
    /// Depths from -`half_range` to `half_range`, A.
    pub half_range: f64,
    /// Smallest distance of a depth from the crossover in that image where it is largest, A: far from focus images are
    /// weak, and the same error counts more.
    pub from_focus: f64,
    /// Smallest width of an orbital, A^2.
    pub width: f64,
}

/// Depths whose transfer functions stand for all depths of a range, and the weights with which they do.
#[derive(Debug, Clone)]
pub struct DepthInterpolation {
    /// The depths z_p in A, ascending.
    pub depths: Vec<f64>,
    /// Depth of the first knot of the table, A.
    pub first: f64,
    /// Distance of the knots, A.
    pub step: f64,
    /// \[knot\]\[weight of every depth, then its derivative per step\].
    pub table: Vec<f64>,
    /// Largest e(z) in the range.
    pub error: f64,
}

impl DepthInterpolation {
    /// The fewest depths, at most `most`, that serve the range; `None` if these are not enough.
    pub fn new(probe: &Probe, range: &DepthRange, tolerance: f64, most: usize) -> Option<Self> {
        let nyquist = std::f64::consts::FRAC_1_SQRT_2 / range.pixel_size;
        let k0 = probe.cutoff(range.shape, range.pixel_size);
        let correlation = DepthCorrelation::new(probe, k0, range.width, nyquist);
        let strength = DepthCorrelation::strength(probe, k0, range.width, nyquist, range.from_focus);
        // Within a fraction of the shortest period K_pp would have no more than rounding errors to invert.
        let half_range = range.half_range.max(SHORTEST_RANGE / correlation.highest());
        // Degrees of freedom; two depths or one would answer without any slope along the beam.
        let fewest = (half_range * correlation.highest() / PI).max(3.0);
        if fewest > most as f64 {
            return None;
        }
        let enough = |count: &usize| Self::worst(&correlation, half_range, *count) <= (tolerance * strength).powi(2);
        let count = (fewest as usize..=most).find(enough)?;
        Self::with_depths(&correlation, half_range, count)
    }

    /// Knots of the table.
    pub fn knots(&self) -> usize {
        self.table.len() / (2 * self.depths.len())
    }

    /// Largest e(z)^2 between Chebyshev points.
    fn worst(correlation: &DepthCorrelation, half_range: f64, count: usize) -> f64 {
        let depths = chebyshev_points(half_range, count);
        let Some(factor) = Cholesky::new(&depths, correlation) else { return f64::INFINITY };
        let samples = 4 * count;
        (0..=samples)
            .map(|i| {
                let z = half_range * (2 * i) as f64 / samples as f64 - half_range;
                let known: Vec<f64> = depths.iter().map(|depth| correlation.at(z - depth).0).collect();
                let mut weights = known.clone();
                factor.solve(&mut weights);
                1.0 - weights.iter().zip(&known).map(|(w, k)| w * k).sum::<f64>()
            })
            .fold(0.0, f64::max)
    }

    fn with_depths(correlation: &DepthCorrelation, half_range: f64, count: usize) -> Option<Self> {
        let depths = chebyshev_points(half_range, count);
        let factor = Cholesky::new(&depths, correlation)?;
        let knots = ((2.0 * half_range * correlation.highest() / TABLE_STEP).ceil() as usize).max(8) + 1;
        let step = 2.0 * half_range / (knots - 1) as f64;
        let mut table = vec![0.0; 2 * count * knots];
        let mut worst = 0.0f64;
        for (knot, row) in table.chunks_exact_mut(2 * count).enumerate() {
            let z = knot as f64 * step - half_range;
            let (values, slopes) = row.split_at_mut(count);
            for (p, depth) in depths.iter().enumerate() {
                let (value, slope) = correlation.at(z - depth);
                (values[p], slopes[p]) = (value, slope * step);
            }
            let known = values.to_vec();
            factor.solve(values);
            factor.solve(slopes);
            worst = worst.max(1.0 - values.iter().zip(&known).map(|(w, k)| w * k).sum::<f64>());
        }
        Some(Self { depths, first: -half_range, step, table, error: worst.max(0.0).sqrt() })
    }
}

fn chebyshev_points(half_range: f64, count: usize) -> Vec<f64> {
    (0..count).map(|p| -half_range * (PI * (p as f64 + 0.5) / count as f64).cos()).collect()
}

/// L with L L^T = K_pp, row after row.
struct Cholesky {
    factor: Vec<f64>,
    n: usize,
}

impl Cholesky {
    fn new(depths: &[f64], correlation: &DepthCorrelation) -> Option<Self> {
        let n = depths.len();
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = correlation.at(depths[i] - depths[j]).0 - known;
                l[i * n + j] = match i == j {
                    true if rest < SMALLEST_PIVOT => return None,
                    true => rest.sqrt(),
                    false => rest / l[j * n + j],
                };
            }
        }
        Some(Self { factor: l, n })
    }

    /// K_pp^-1 x in place.
    fn solve(&self, x: &mut [f64]) {
        let (n, l) = (self.n, &self.factor);
        for i in 0..n {
            let known: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
            x[i] = (x[i] - known) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
            x[i] = (x[i] - known) / l[i * n + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optics::{ProbeOptions, ProbeTransfer};

    const PIXEL: f64 = 0.34;

    fn range(half_range: f64) -> DepthRange {
        DepthRange { shape: (96, 96), pixel_size: PIXEL, half_range, from_focus: 0.0, width: 0.2 }
    }

    #[test]
    fn weights_reproduce_the_depths_and_have_their_derivatives() {
        let probe = ProbeOptions::new(300e3, 25.0).build().unwrap();
        let found = DepthInterpolation::new(&probe, &range(30.0), 1e-4, 32).unwrap();
        let (count, knots) = (found.depths.len(), found.knots());
        assert_eq!(found.table.len(), 2 * count * knots);
        assert!((found.first + found.step * (knots - 1) as f64 - 30.0).abs() < 1e-9);
        for rows in found.table.windows(6 * count).step_by(2 * count) {
            for p in 0..count {
                let (before, here, after) = (rows[p], &rows[2 * count..], rows[4 * count + p]);
                let difference = 0.5 * (after - before);
                assert!((difference - here[count + p]).abs() < 1e-3, "{difference} {}", here[count + p]);
            }
        }
        // Cubic pieces at the depths themselves: one weight is 1, the others vanish.
        for (p, depth) in found.depths.iter().enumerate() {
            let place = (depth - found.first) / found.step;
            let (knot, t) = (place as usize, place.fract());
            let of = |i: usize| {
                let at = |knot: usize, j: usize| found.table[knot * 2 * count + j];
                let (v0, v1, s0, s1) = (at(knot, i), at(knot + 1, i), at(knot, count + i), at(knot + 1, count + i));
                let u = 1.0 - t;
                v0 * u * u * (1.0 + 2.0 * t) + v1 * t * t * (3.0 - 2.0 * t) + s0 * t * u * u - s1 * t * t * u
            };
            for i in 0..count {
                assert!((of(i) - f64::from(u8::from(i == p))).abs() < 1e-6, "{p} {i} {}", of(i));
            }
        }
    }

    #[test]
    fn transfer_functions_of_all_depths_and_foci_are_within_the_error() {
        let lens = ProbeOptions::new(200e3, 22.0).aberration("C30", 1e5).unwrap().aberration("C21", 500.0).unwrap();
        let probe = lens.build().unwrap();
        let found = DepthInterpolation::new(&probe, &range(30.0), 4e-4, 32).unwrap();
        let transfer = ProbeTransfer::new(&probe, 96, 96, PIXEL).unwrap();
        let (columns, rows) = transfer.shape();
        for focus in [-25.0, 0.0, 40.0] {
            let known: Vec<_> = found.depths.iter().map(|z| transfer.otf(focus, *z)).collect();
            for knot in [0, 1, found.knots() / 3, found.knots() / 2 + 1, found.knots() - 1] {
                let exact = transfer.otf(focus, found.first + found.step * knot as f64);
                let (mut error, mut norm) = (0.0, 0.0);
                for (kx, ky) in (0..columns).flat_map(|kx| (0..rows).map(move |ky| (kx, ky))) {
                    let k = (kx as f64).hypot(ky.min(rows - ky) as f64) / (96.0 * PIXEL);
                    let orbital = (-PI * PI * 0.2 * k * k).exp();
                    let weights = &found.table[knot * 2 * known.len()..];
                    let joined: num_complex::Complex64 = known.iter().zip(weights).map(|(o, w)| o[[kx, ky]] * w).sum();
                    error += (joined - exact[[kx, ky]]).norm_sqr() * orbital * orbital;
                    norm += exact[[kx, ky]].norm_sqr() * orbital * orbital;
                }
                assert!((error / norm).sqrt() < found.error, "{focus} {knot} {:.1e}", (error / norm).sqrt());
            }
        }
    }

    #[test]
    fn more_depth_needs_more_points_and_too_much_is_refused() {
        let probe = ProbeOptions::new(300e3, 25.0).build().unwrap();
        let count = |half_range| DepthInterpolation::new(&probe, &range(half_range), 4e-4, 32).map(|f| f.depths.len());
        assert_eq!(count(0.0), Some(3));
        let counts = [20.0, 34.0, 60.0, 200.0].map(count);
        println!("{counts:?}");
        assert!(counts.is_sorted() && counts[0] < counts[2] && counts[3].is_some());
        assert_eq!(count(5000.0), None);
        let far = DepthRange { from_focus: 100.0, ..range(20.0) };
        let of_far = DepthInterpolation::new(&probe, &far, 4e-4, 32).unwrap();
        assert!(of_far.error < DepthInterpolation::new(&probe, &range(20.0), 4e-4, 32).unwrap().error);
    }
}
