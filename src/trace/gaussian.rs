//! Gaussian atoms fitted to voxels by least squares.
//!
//! V(r) = b + sum_i h_i exp(-sum_a (r_a - c_ia)^2 / B_ia): heights h, centres c, widths B (one per atom, or one per axis;
//! the standard deviation is sqrt(B / 2)), background b. Levenberg-Marquardt with analytic derivatives; the logarithm of
//! B is what is fitted, so that B stays positive. Standard errors are those of linear least squares in the solution: the
//! inverse of J^T J times the residual's variance, the number of voxels less the number of parameters in its denominator.

use crate::geometry::Vec3;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// An atom; lengths in voxels along z, y, x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gaussian {
    pub centre: Vec3,
    pub height: f64,
    pub widths: Vec3,
}

/// exp(-x) counts up to here.
const TAIL: f64 = 12.0;

impl Gaussian {
    pub fn at(&self, place: &Vec3) -> f64 {
        let x = self.exponent(place);
        if x > TAIL {
            0.0
        } else {
            self.height * (-x).exp()
        }
    }

    fn exponent(&self, place: &Vec3) -> f64 {
        (0..3).map(|a| (place[a] - self.centre[a]).powi(2) / self.widths[a]).sum()
    }

    /// Beyond this distance it is nothing.
    pub fn reach(&self) -> f64 {
        (TAIL * self.widths.iter().copied().fold(0.0, f64::max)).sqrt()
    }

    /// Height after smoothing by a Gaussian of standard deviation `sigma`.
    pub fn smoothed_height(&self, sigma: f64) -> f64 {
        self.widths.iter().fold(self.height, |h, b| h * (b / (b + 2.0 * sigma * sigma)).sqrt())
    }
}

/// What is fitted besides heights and centres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freedom {
    /// A width along each axis.
    pub anisotropic: bool,
    /// Smallest and largest width B, voxels^2.
    pub widths: (f64, f64),
    /// The background, too.
    pub background: bool,
}

/// Values at places; the model of what is not fitted has been subtracted.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub places: Vec<Vec3>,
    pub values: Vec<f64>,
}

/// What a fit found.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub atoms: Vec<Gaussian>,
    /// Standard errors of the centres, voxels.
    pub errors: Vec<Vec3>,
    /// Root mean square of what the model does not follow.
    pub residual: f64,
    pub iterations: usize,
    pub converged: bool,
}

const MOST_ITERATIONS: usize = 60;
/// Centres that move less, in voxels, and heights and widths that change by less of themselves, stand still.
const STILL: f64 = 1e-5;
const FIRST_DAMPING: f64 = 1e-3;
const LARGEST_DAMPING: f64 = 1e9;

/// Where the parameters stand: per atom height, centre, logarithms of one or three widths; at the end the background.
struct Layout {
    atoms: usize,
    freedom: Freedom,
}

impl Layout {
    fn per_atom(&self) -> usize {
        if self.freedom.anisotropic {
            7
        } else {
            5
        }
    }

    fn len(&self) -> usize {
        self.atoms * self.per_atom() + usize::from(self.freedom.background)
    }

    fn pack(&self, atoms: &[Gaussian], background: f64) -> Vec<f64> {
        let mut p = Vec::with_capacity(self.len());
        for atom in atoms {
            p.push(atom.height);
            p.extend(atom.centre);
            p.extend(atom.widths.iter().take(self.per_atom() - 4).map(|b| b.ln()));
        }
        if self.freedom.background {
            p.push(background);
        }
        p
    }

    fn unpack(&self, p: &[f64], fixed: f64) -> (Vec<Gaussian>, f64) {
        let of = |p: &[f64]| Gaussian {
            height: p[0],
            centre: [p[1], p[2], p[3]],
            widths: std::array::from_fn(|a| p[if self.freedom.anisotropic { 4 + a } else { 4 }].exp()),
        };
        let atoms = p.chunks_exact(self.per_atom()).take(self.atoms).map(of).collect();
        (atoms, if self.freedom.background { p[p.len() - 1] } else { fixed })
    }

    /// Keeps the widths within their limits.
    fn bound(&self, p: &mut [f64]) {
        let (low, high) = (self.freedom.widths.0.ln(), self.freedom.widths.1.ln());
        for of_atom in p.chunks_exact_mut(self.per_atom()).take(self.atoms) {
            of_atom[4..].iter_mut().for_each(|b| *b = b.clamp(low, high));
        }
    }

    /// Whether `by` moves the parameters `p` by next to nothing.
    fn is_still(&self, p: &[f64], by: &[f64]) -> bool {
        let atoms = p.chunks_exact(self.per_atom()).zip(by.chunks_exact(self.per_atom())).take(self.atoms);
        atoms.into_iter().all(|(p, by)| by[0].abs() <= STILL * p[0].abs() && by[1..].iter().all(|v| v.abs() <= STILL))
    }
}

/// Sum of squares, J^T J and J^T (values - model).
struct Normal {
    square: f64,
    matrix: DMatrix<f64>,
    right: DVector<f64>,
}

impl Normal {
    fn new(layout: &Layout, samples: &Samples, p: &[f64], fixed: f64) -> Self {
        let n = layout.len();
        let (atoms, background) = layout.unpack(p, fixed);
        let mut normal = Self { square: 0.0, matrix: DMatrix::zeros(n, n), right: DVector::zeros(n) };
        let mut row = vec![0.0; n];
        for (place, value) in samples.places.iter().zip(&samples.values) {
            let mut misfit = value - background;
            for (atom, row) in atoms.iter().zip(row.chunks_exact_mut(layout.per_atom())) {
                let g = (-atom.exponent(place)).exp();
                misfit -= atom.height * g;
                row[0] = g;
                row[4..].fill(0.0);
                for a in 0..3 {
                    let d = place[a] - atom.centre[a];
                    let slope = atom.height * g * d / atom.widths[a];
                    row[1 + a] = 2.0 * slope;
                    row[if layout.freedom.anisotropic { 4 + a } else { 4 }] += slope * d;
                }
            }
            if layout.freedom.background {
                row[n - 1] = 1.0;
            }
            normal.square += misfit * misfit;
            for i in 0..n {
                normal.right[i] += row[i] * misfit;
                for j in 0..=i {
                    normal.matrix[(i, j)] += row[i] * row[j];
                }
            }
        }
        for i in 0..n {
            (0..i).for_each(|j| normal.matrix[(j, i)] = normal.matrix[(i, j)]);
        }
        normal
    }

    fn damped(&self, damping: f64) -> Option<Cholesky<f64, Dyn>> {
        let mut matrix = self.matrix.clone();
        let floor = 1e-12 * matrix.diagonal().max();
        (0..matrix.nrows()).for_each(|i| matrix[(i, i)] += damping * matrix[(i, i)].max(floor));
        matrix.cholesky()
    }
}

/// The Gaussians nearest to `samples`, from `start` on; `background` is where its fit starts, or its value.
pub(super) fn fit(samples: &Samples, start: &[Gaussian], background: f64, freedom: Freedom) -> Fitted {
    let layout = Layout { atoms: start.len(), freedom };
    let mut p = layout.pack(start, background);
    layout.bound(&mut p);
    let mut normal = Normal::new(&layout, samples, &p, background);
    let (mut damping, mut iterations, mut converged) = (FIRST_DAMPING, 0, false);
    while iterations < MOST_ITERATIONS && damping < LARGEST_DAMPING && !converged {
        iterations += 1;
        let Some(cholesky) = normal.damped(damping) else {
            damping *= 10.0;
            continue;
        };
        let step = cholesky.solve(&normal.right);
        let mut trial: Vec<f64> = p.iter().zip(step.iter()).map(|(p, s)| p + s).collect();
        layout.bound(&mut trial);
        let by: Vec<f64> = trial.iter().zip(&p).map(|(t, p)| t - p).collect();
        let next = Normal::new(&layout, samples, &trial, background);
        converged = layout.is_still(&p, &by);
        if next.square <= normal.square {
            (p, normal, damping) = (trial, next, (0.2 * damping).max(1e-12));
        } else {
            damping *= 8.0;
        }
    }
    let (atoms, _) = layout.unpack(&p, background);
    let count = samples.values.len();
    let variance = normal.square / (count.saturating_sub(layout.len()).max(1)) as f64;
    let covariance = normal.damped(0.0).map(|cholesky| cholesky.inverse());
    let error = |i: usize| covariance.as_ref().map_or(f64::INFINITY, |c| (c[(i, i)].max(0.0) * variance).sqrt());
    let errors = (0..atoms.len()).map(|k| std::array::from_fn(|a| error(k * layout.per_atom() + 1 + a))).collect();
    Fitted {
        atoms,
        errors,
        residual: (normal.square / count.max(1) as f64).sqrt(),
        iterations,
        converged: converged && count > layout.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(model: impl Fn(&Vec3) -> f64, radius: i32) -> Samples {
        let mut samples = Samples::default();
        for (z, y, x) in (-radius..=radius)
            .flat_map(|z| (-radius..=radius).flat_map(move |y| (-radius..=radius).map(move |x| (z, y, x))))
        {
            if z * z + y * y + x * x <= radius * radius {
                let place = [z, y, x].map(f64::from);
                samples.values.push(model(&place));
                samples.places.push(place);
            }
        }
        samples
    }

    const FREE: Freedom = Freedom { anisotropic: true, widths: (0.1, 50.0), background: true };

    fn truth() -> Gaussian {
        Gaussian { centre: [0.3, -0.2, 0.45], height: 2.5, widths: [3.0, 4.0, 5.0] }
    }

    #[test]
    fn the_derivatives_are_those_of_the_model() {
        let layout = Layout { atoms: 2, freedom: FREE };
        let other = Gaussian { centre: [-1.0, 1.5, 0.2], height: 1.2, widths: [2.0, 2.5, 3.0] };
        let samples = samples(|p| (p[0] - 0.3 * p[1]).cos() + 0.1 * p[2], 3);
        let p = layout.pack(&[truth(), other], 0.2);
        let right = Normal::new(&layout, &samples, &p, 0.0).right;
        for i in 0..p.len() {
            let square = |by: f64| {
                let mut q = p.clone();
                q[i] += by;
                Normal::new(&layout, &samples, &q, 0.0).square
            };
            let slope = (square(1e-6) - square(-1e-6)) / 2e-6;
            assert!((slope + 2.0 * right[i]).abs() < 1e-6 * right.amax(), "{i}: {slope} {}", -2.0 * right[i]);
        }
    }

    #[test]
    fn a_gaussian_comes_back() {
        let found = samples(|p| 0.7 + truth().at(p), 4);
        let start = Gaussian { centre: [0.0; 3], height: 1.5, widths: [2.0; 3] };
        let fitted = fit(&found, &[start], 0.0, FREE);
        assert!(fitted.converged && fitted.residual < 1e-6, "{fitted:?}");
        for a in 0..3 {
            assert!((fitted.atoms[0].centre[a] - truth().centre[a]).abs() < 1e-4, "{fitted:?}");
            assert!((fitted.atoms[0].widths[a] - truth().widths[a]).abs() < 1e-3, "{fitted:?}");
        }
        assert!((fitted.atoms[0].height - 2.5).abs() < 1e-4);
    }

    #[test]
    fn two_that_overlap_are_told_apart() {
        let pair = [
            Gaussian { centre: [0.0, 0.0, -1.2], height: 2.0, widths: [4.5; 3] },
            Gaussian { centre: [0.0, 0.0, 1.2], height: 1.0, widths: [4.5; 3] },
        ];
        let found = samples(|p| pair[0].at(p) + pair[1].at(p), 6);
        let start = [
            Gaussian { centre: [0.2, 0.0, -0.7], height: 2.5, widths: [4.0; 3] },
            Gaussian { centre: [0.0, -0.1, 2.5], height: 0.4, widths: [4.0; 3] },
        ];
        let fitted = fit(&found, &start, 0.0, Freedom { anisotropic: false, background: false, ..FREE });
        assert!(fitted.converged, "{fitted:?}");
        for (found, wanted) in fitted.atoms.iter().zip(&pair) {
            assert!((found.centre[2] - wanted.centre[2]).abs() < 1e-3, "{fitted:?}");
            assert!((found.height - wanted.height).abs() < 2e-3, "{fitted:?}");
        }
    }

    #[test]
    fn what_voxels_do_not_determine_does_not_converge() {
        let flat = samples(|_| 1.0, 2);
        let start = Gaussian { centre: [0.0; 3], height: 1.0, widths: [2.0; 3] };
        let fitted = fit(&flat, &[start], 0.0, FREE);
        assert!(!fitted.converged || fitted.atoms[0].height.abs() < 1e-3 || fitted.atoms[0].widths[0] > 40.0);
        let few = Samples { places: vec![[0.0; 3]; 3], values: vec![1.0; 3] };
        assert!(!fit(&few, &[start], 0.0, FREE).converged);
    }
}
