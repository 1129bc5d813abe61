//! Structure factors by a non-uniform transform with Gaussian spreading (Greengard & Lee, SIAM Review 46 (2004) 443).
//!
//! Every atom is spread onto a grid 1.5 times finer as a Gaussian of variance v = v0 + B / (8 pi^2) per axis; the
//! transform of the grid, times exp(2 pi^2 v0 k^2), is the structure factor with the atom's own Debye-Waller factor. A
//! kernel with a narrower window would not be a Gaussian after thermal motion and need transforms for each B.
//!
//! With oversampling R and v0 = sigma^2 (in fine pixels), the frequency at Nyquist is wrong by
//! exp(-2 pi^2 sigma^2 (1 - 1/R)) from aliasing, and by exp(-U^2 / 2) exp(pi^2 sigma^2 / (2 R^2)) from ending the
//! window at U standard deviations. Both are set to the wanted error. The last part of the window fades to 0 by a
//! polynomial with two continuous derivatives, so the potential is twice differentiable in the positions.

use std::f64::consts::PI;
use std::ops::Range;

use num_complex::Complex;

use super::atoms::AtomGradient;
use super::channel::{Entry, Filter, VARIANCE_PER_B};
use super::exact::Sums;
use super::PlacedAtoms;
use crate::fourier::{RealTransform2, RealTransformScratch};
use crate::grid::{fast_size, Plane};
use crate::simd::{Real, SimdPath};

/// Least oversampling.
const OVERSAMPLING: f64 = 1.5;
/// Standard deviations over which the window fades.
const FADE: f64 = 0.5;

/// Smallest error in units of rounding: the wider the Gaussian, the more its division raises what rounding left.
const FLOOR: f64 = 8.0;

/// Plan.
pub(super) struct Gridding<T: Real> {
    rows: usize,
    columns: usize,
    transform: RealTransform2<T>,
    x: Axis<T>,
    y: Axis<T>,
}

/// Spreading along one axis.
struct Axis<T> {
    /// Points of the fine grid, and their distance (A).
    points: usize,
    spacing: f64,
    /// v0, A^2.
    variance: f64,
    /// End of the window in standard deviations.
    end: f64,
    /// exp(2 pi^2 v0 k^2) for the frequencies from 0 to Nyquist.
    undo: Vec<T>,
}

/// Scratch.
#[derive(Default)]
pub(super) struct Workspace<T: Real> {
    image: Vec<T>,
    spectrum: Vec<Complex<T>>,
    transform: Option<RealTransformScratch<T>>,
    x: Window<T>,
    y: Window<T>,
}

/// Values of one atom's Gaussian along one axis, from point `first` on (periodic), and their derivatives.
#[derive(Default)]
struct Window<T> {
    first: i64,
    value: Vec<T>,
    by_position: Vec<T>,
    by_variance: Vec<T>,
}

#[cfg(test)]
impl<T: Real> Workspace<T> {
    pub fn fill(&mut self, value: T) {
        self.image.fill(value);
        self.spectrum.fill(Complex::new(value, value));
    }
}

impl<T: Real> Axis<T> {
    fn new(pixels: usize, length: f64, error: f64) -> Self {
        let points = fast_size((OVERSAMPLING * pixels as f64).ceil() as usize);
        let spacing = length / points as f64;
        // aliasing and the end of the window, on both sides
        let digits = (4.0 / error.max(FLOOR * T::EPSILON)).ln();
        let ratio = points as f64 / pixels as f64;
        let sigma2 = digits / (2.0 * PI * PI * (1.0 - 1.0 / ratio));
        let end = (2.0 * digits + PI * PI * sigma2 / (ratio * ratio)).sqrt() + FADE;
        let variance = sigma2 * spacing * spacing;
        let undo = |i: usize| T::of((2.0 * PI * PI * variance * (i as f64 / length).powi(2)).exp());
        Self { points, spacing, variance, end, undo: (0..=pixels / 2).map(undo).collect() }
    }

    /// g(t) = spacing / sqrt(2 pi v) exp(-u^2 / 2) fade(u), u = |t| / sqrt(v), at the points within reach.
    fn window(&self, position: f64, debye_waller_b: f64, window: &mut Window<T>) {
        let variance = self.variance + debye_waller_b * VARIANCE_PER_B;
        let (deviation, reach) = (variance.sqrt(), self.end * variance.sqrt());
        let first = ((position - reach) / self.spacing).ceil();
        let last = ((position + reach) / self.spacing).floor();
        let height = self.spacing / (2.0 * PI * variance).sqrt();
        window.first = first as i64;
        window.value.clear();
        window.by_position.clear();
        window.by_variance.clear();
        for i in 0..=(last - first) as usize {
            let t = (first + i as f64) * self.spacing - position;
            let u = t.abs() / deviation;
            let (fade, slope) = self.fade(u);
            let gaussian = height * (-0.5 * u * u).exp();
            window.value.push(T::of(gaussian * fade));
            window.by_position.push(T::of(gaussian * t.signum() * (u * fade - slope) / deviation));
            window.by_variance.push(T::of(gaussian * ((u * u - 1.0) * fade - u * slope) / (2.0 * variance)));
        }
    }

    /// 1 inside, 0 from the end on, and the derivative: 1 - s^3 (10 - 15 s + 6 s^2) between.
    fn fade(&self, u: f64) -> (f64, f64) {
        let s = ((u - self.end) / FADE + 1.0).clamp(0.0, 1.0);
        (1.0 - s * s * s * (10.0 - 15.0 * s + 6.0 * s * s), -30.0 * (s * (1.0 - s)).powi(2) / FADE)
    }
}

impl<T: Real> Gridding<T> {
    pub fn new(simd: SimdPath, plane: &Plane, error: f64) -> Self {
        let (length_y, length_x) = plane.extent();
        let (x, y) = (Axis::new(plane.columns, length_x, error), Axis::new(plane.rows, length_y, error));
        let transform = RealTransform2::new(simd, y.points, x.points);
        Self { rows: plane.rows, columns: plane.columns, transform, x, y }
    }

    pub fn workspace(&self) -> Workspace<T> {
        Workspace {
            image: vec![T::zero(); self.x.points * self.y.points],
            spectrum: vec![Complex::new(T::zero(), T::zero()); self.transform.spectrum_len()],
            transform: Some(self.transform.scratch()),
            x: Window::default(),
            y: Window::default(),
        }
    }

    /// Adds F sum_j w_j exp(..) to the half spectrum \[kx\]\[ky\].
    pub fn add(
        &self,
        atoms: &PlacedAtoms,
        entries: &[Entry],
        filter: &Filter<T>,
        workspace: &mut Workspace<T>,
        spectrum: &mut [Complex<T>],
    ) {
        let (mx, my) = filter.extent();
        let filled = self.spread(atoms, entries, workspace);
        let Workspace { image, spectrum: fine, transform: Some(scratch), .. } = workspace else { return };
        let fine = &mut fine[..mx * self.y.points]; // further frequencies are not needed
        self.transform.forward(image, self.x.points, filled, fine, scratch);
        let half = T::of(0.5);
        for kx in 0..mx {
            let (from, to) =
                (&fine[kx * self.y.points..][..self.y.points], &mut spectrum[kx * self.rows..][..self.rows]);
            let own_x = 2 * kx == self.columns;
            for ky in 0..my {
                let factor = filter.at(kx, ky) * self.x.undo[kx] * self.y.undo[ky];
                let (plus, minus) = (from[ky] * factor, from[(self.y.points - ky) % self.y.points] * factor);
                let own_y = ky == 0 || 2 * ky == self.rows;
                // the mean of +k and -k at the Nyquist frequency of an axis, as in `exact`
                let (plus, minus) = match (own_x, own_y) {
                    (false, false) => (plus, minus),
                    (true, false) => ((plus + minus.conj()) * half, (plus.conj() + minus) * half),
                    (false, true) => ((plus + minus) * half, minus),
                    (true, true) => (Complex::new(plus.re, T::zero()), minus),
                };
                to[ky] = to[ky] + plus;
                if !own_y {
                    to[self.rows - ky] = to[self.rows - ky] + minus;
                }
            }
        }
    }

    /// The adjoint of the derivative of [`Self::add`]; `slope` holds dL/d(re, im) of the half spectrum.
    pub fn pull_back(
        &self,
        atoms: &PlacedAtoms,
        entries: &[Entry],
        filter: &Filter<T>,
        slope: &[Complex<T>],
        workspace: &mut Workspace<T>,
        gradient: &mut AtomGradient,
    ) {
        self.slope_of_image(filter, slope, workspace);
        for entry in entries {
            let atom = &atoms.atoms[entry.atom];
            let Workspace { image, x, y, .. } = &mut *workspace;
            self.x.window(atom.position[0], atom.debye_waller_b, x);
            self.y.window(atom.position[1], atom.debye_waller_b, y);
            self.gather(image, x, y).add_to(gradient, atoms, entry);
        }
    }

    /// dL/d(fine image) in `workspace.image`: the transpose of what [`Self::add`] does with it.
    fn slope_of_image(&self, filter: &Filter<T>, slope: &[Complex<T>], workspace: &mut Workspace<T>) {
        let (mx, my) = filter.extent();
        let Workspace { image, spectrum: fine, transform: Some(scratch), .. } = workspace else { return };
        fine.fill(Complex::new(T::zero(), T::zero()));
        let half = T::of(0.5);
        for kx in 0..mx {
            let (to, from) = (&mut fine[kx * self.y.points..][..self.y.points], &slope[kx * self.rows..][..self.rows]);
            let own_x = 2 * kx == self.columns;
            for ky in 0..my {
                let factor = filter.at(kx, ky) * self.x.undo[kx] * self.y.undo[ky];
                let (plus, minus) = (from[ky] * factor, from[(self.rows - ky) % self.rows] * factor);
                let own_y = ky == 0 || 2 * ky == self.rows;
                let zero = Complex::new(T::zero(), T::zero());
                let (mut plus, mut minus) = match (own_x, own_y) {
                    (false, false) => (plus, minus),
                    (true, false) => ((plus + minus.conj()) * half, (plus.conj() + minus) * half),
                    (false, true) => (plus * half, plus * half),
                    (true, true) => (Complex::new(plus.re, T::zero()), zero),
                };
                // The inverse transform of a half spectrum counts every column but the first twice.
                if kx == 0 {
                    (plus, minus) = ((plus + minus.conj()) * half, (plus.conj() + minus) * half);
                } else {
                    (plus, minus) = (plus * half, minus * half);
                }
                to[ky] = to[ky] + plus;
                let mirror = (self.y.points - ky) % self.y.points;
                to[mirror] = to[mirror] + minus;
            }
        }
        let scale = T::of((self.x.points * self.y.points) as f64);
        self.transform.inverse(fine, scale, image, self.x.points, 0..self.y.points, scratch);
    }

    /// The atoms as Gaussians in `workspace.image`; which of its rows may differ from 0.
    fn spread(&self, atoms: &PlacedAtoms, entries: &[Entry], workspace: &mut Workspace<T>) -> Range<usize> {
        let Workspace { image, x, y, .. } = workspace;
        image.fill(T::zero());
        let (mut from, mut to) = (i64::MAX, i64::MIN);
        for entry in entries {
            let atom = &atoms.atoms[entry.atom];
            self.x.window(atom.position[0], atom.debye_waller_b, x);
            self.y.window(atom.position[1], atom.debye_waller_b, y);
            let weight = T::of(entry.weight * atom.occupancy);
            (from, to) = (from.min(y.first), to.max(y.first + y.value.len() as i64));
            for (row, along_y) in (y.first..).zip(&y.value) {
                let row = &mut image[self.row(row)];
                for (columns, part) in segments(x.first, x.value.len(), self.x.points) {
                    let weight = weight * *along_y;
                    row[columns].iter_mut().zip(&x.value[part]).for_each(|(sum, v)| *sum += weight * *v);
                }
            }
        }
        let points = self.y.points as i64;
        if from >= 0 && to <= points {
            from as usize..to as usize
        } else {
            0..self.y.points
        }
    }

    /// Sums of the image over one window, with the values of the Gaussian and its derivatives.
    fn gather(&self, image: &[T], x: &Window<T>, y: &Window<T>) -> Sums {
        let mut sums = Sums { value: 0.0, x: 0.0, y: 0.0, b: 0.0 };
        for (i, row) in (y.first..).take(y.value.len()).enumerate() {
            let row = &image[self.row(row)];
            let (mut value, mut by_x, mut by_variance) = (T::zero(), T::zero(), T::zero());
            for (columns, part) in segments(x.first, x.value.len(), self.x.points) {
                for (pixel, j) in row[columns].iter().zip(part) {
                    value += *pixel * x.value[j];
                    by_x += *pixel * x.by_position[j];
                    by_variance += *pixel * x.by_variance[j];
                }
            }
            sums.value += (y.value[i] * value).f64();
            sums.x += (y.value[i] * by_x).f64();
            sums.y += (y.by_position[i] * value).f64();
            sums.b += VARIANCE_PER_B * (y.value[i] * by_variance + y.by_variance[i] * value).f64();
        }
        sums
    }

    fn row(&self, row: i64) -> Range<usize> {
        let start = row.rem_euclid(self.y.points as i64) as usize * self.x.points;
        start..start + self.x.points
    }
}

/// `count` points from `first` on of a periodic axis, as ranges of the axis and of the count.
fn segments(first: i64, count: usize, points: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut start = first.rem_euclid(points as i64) as usize;
    let mut done = 0;
    std::iter::from_fn(move || {
        let length = (points - start).min(count - done);
        let segment = (start..start + length, done..done + length);
        (start, done) = (0, done + length);
        (length > 0).then_some(segment)
    })
}
