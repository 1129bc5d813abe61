//! Structure factors as products of real matrices.
//!
//! With c = cos(2 pi k r) exp(-B k^2 / 4) and s the same with the sine, per axis,
//!
//!   sum_j w_j exp(-2 pi i (kx x_j +- ky y_j)) exp(-B_j k^2 / 4) = (A -+ D) - i (C +- B),
//!   A = sum w cx cy,  B = sum w cx sy,  C = sum w sx cy,  D = sum w sx sy,
//!
//! so one product \[cx; sx\] \[cy; sy\]^T over the atoms gives all four quadrants of frequencies. At the Nyquist frequency
//! of an axis +k and -k are one: the real part of the image belongs to their mean, which has no sine of that axis.

use std::f64::consts::TAU;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use num_complex::Complex;

use super::atoms::AtomGradient;
use super::channel::{Entry, Filter};
use super::PlacedAtoms;
use crate::grid::Plane;
use crate::simd::Real;

/// Atoms per matrix product: their phases stay in the second-level cache.
const BLOCK: usize = 128;

/// Sizes of the plane.
pub(super) struct Exact {
    rows: usize,
    columns: usize,
    length_y: f64,
    length_x: f64,
}

/// Scratch.
pub(super) struct Workspace<T> {
    /// \[cx; sx\] and \[cy; sy\] of a block: rows are frequencies, columns atoms.
    x: Vec<T>,
    y: Vec<T>,
    /// A, B; C, D.
    product: Vec<T>,
    /// Products of the matrix of derivatives with `y` and, transposed, with `x`.
    of_y: Vec<T>,
    of_x: Vec<T>,
}

impl<T: Real> Workspace<T> {
    pub fn empty() -> Self {
        Self { x: vec![], y: vec![], product: vec![], of_y: vec![], of_x: vec![] }
    }

    #[cfg(test)]
    pub fn fill(&mut self, value: T) {
        for part in [&mut self.x, &mut self.y, &mut self.product, &mut self.of_y, &mut self.of_x] {
            part.fill(value);
        }
    }
}

/// One coordinate of an atom.
#[derive(Clone, Copy, Default)]
struct Coordinate {
    position: f64,
    debye_waller_b: f64,
    weight: f64,
}

impl Exact {
    pub fn new(plane: &Plane) -> Self {
        let (length_y, length_x) = plane.extent();
        Self { rows: plane.rows, columns: plane.columns, length_y, length_x }
    }

    pub fn workspace<T: Real>(&self) -> Workspace<T> {
        let (x, y) = (2 * (self.columns / 2 + 1), 2 * (self.rows / 2 + 1));
        let zeros = |n: usize| vec![T::zero(); n];
        Workspace {
            x: zeros(x * BLOCK),
            y: zeros(y * BLOCK),
            product: zeros(x * y),
            of_y: zeros(x * BLOCK),
            of_x: zeros(y * BLOCK),
        }
    }

    /// Adds F sum_j w_j exp(..) to the half spectrum \[kx\]\[ky\].
    pub fn add<T: Real>(
        &self,
        atoms: &PlacedAtoms,
        entries: &[Entry],
        filter: &Filter<T>,
        workspace: &mut Workspace<T>,
        spectrum: &mut [Complex<T>],
    ) {
        let (mx, my) = filter.extent();
        let Workspace { x, y, product, .. } = workspace;
        let product = &mut product[..4 * mx * my];
        for (number, block) in entries.chunks(BLOCK).enumerate() {
            self.phases(atoms, block, (mx, my), x, y, true);
            let beta = if number == 0 { T::zero() } else { T::one() };
            let (left, right) = (matrix(x, 2 * mx, BLOCK), matrix(y, 2 * my, BLOCK));
            let mut sum = matrix_mut(product, 2 * mx, 2 * my);
            general_mat_mul(T::one(), &left, &right.t(), beta, &mut sum);
        }
        for kx in 0..mx {
            let column = &mut spectrum[kx * self.rows..][..self.rows];
            let (cosines, sines) = (&product[kx * 2 * my..][..2 * my], &product[(mx + kx) * 2 * my..][..2 * my]);
            for ky in 0..my {
                let f = filter.at(kx, ky);
                let keep = self.kept(kx, ky);
                let (a, b) = (f * cosines[ky], f * keep.b::<T>() * cosines[my + ky]);
                let (c, d) = (f * keep.c::<T>() * sines[ky], f * keep.d::<T>() * sines[my + ky]);
                column[ky] = column[ky] + Complex::new(a - d, -b - c);
                if keep.mirrored {
                    let mirror = &mut column[self.rows - ky];
                    *mirror = *mirror + Complex::new(a + d, b - c);
                }
            }
        }
    }

    /// The adjoint of the derivative of [`Self::add`]; `slope` holds dL/d(re, im) of the half spectrum.
    pub fn pull_back<T: Real>(
        &self,
        atoms: &PlacedAtoms,
        entries: &[Entry],
        filter: &Filter<T>,
        slope: &[Complex<T>],
        workspace: &mut Workspace<T>,
        gradient: &mut AtomGradient,
    ) {
        let (mx, my) = filter.extent();
        let Workspace { x, y, product, of_y, of_x } = workspace;
        let product = &mut product[..4 * mx * my];
        self.slope_of_products(filter, slope, product);
        for block in entries.chunks(BLOCK) {
            self.phases(atoms, block, (mx, my), x, y, false);
            let slopes = matrix(product, 2 * mx, 2 * my);
            let mut right = matrix_mut(of_y, 2 * mx, BLOCK);
            general_mat_mul(T::one(), &slopes, &matrix(y, 2 * my, BLOCK), T::zero(), &mut right);
            let mut left = matrix_mut(of_x, 2 * my, BLOCK);
            general_mat_mul(T::one(), &slopes.t(), &matrix(x, 2 * mx, BLOCK), T::zero(), &mut left);
            let along_x = sums(x, of_y, mx, self.length_x);
            let along_y = sums(y, of_x, my, self.length_y);
            for (lane, entry) in block.iter().enumerate() {
                let (sx, sy) = (along_x[lane], along_y[lane]);
                let by = Sums { value: sx.value, x: sx.by_position, y: sy.by_position, b: sx.by_b + sy.by_b };
                by.add_to(gradient, atoms, entry);
            }
        }
    }

    /// dL/d(A, B, C, D): the transpose of what [`Self::add`] does with the products.
    fn slope_of_products<T: Real>(&self, filter: &Filter<T>, slope: &[Complex<T>], product: &mut [T]) {
        let (mx, my) = filter.extent();
        let (cosines, sines) = product.split_at_mut(2 * mx * my);
        for kx in 0..mx {
            let column = &slope[kx * self.rows..][..self.rows];
            for ky in 0..my {
                let f = filter.at(kx, ky);
                let keep = self.kept(kx, ky);
                let plus = column[ky] * f;
                let zero = Complex::new(T::zero(), T::zero());
                let minus = if keep.mirrored { column[self.rows - ky] * f } else { zero };
                cosines[kx * 2 * my + ky] = plus.re + minus.re;
                cosines[kx * 2 * my + my + ky] = keep.b::<T>() * (minus.im - plus.im);
                sines[kx * 2 * my + ky] = -keep.c::<T>() * (minus.im + plus.im);
                sines[kx * 2 * my + my + ky] = keep.d::<T>() * (minus.re - plus.re);
            }
        }
    }

    /// Which of the products count at a frequency.
    fn kept(&self, kx: usize, ky: usize) -> Kept {
        let (own_x, own_y) = (2 * kx == self.columns, ky == 0 || 2 * ky == self.rows);
        Kept { b: !own_y, c: !own_x, d: own_x == own_y, mirrored: !own_y }
    }

    /// \[cx; sx\], times the weight where `weighted`, and \[cy; sy\] of up to [`BLOCK`] atoms; columns beyond are 0.
    fn phases<T: Real>(
        &self,
        atoms: &PlacedAtoms,
        block: &[Entry],
        (mx, my): (usize, usize),
        x: &mut [T],
        y: &mut [T],
        weighted: bool,
    ) {
        let (mut along_x, mut along_y) = ([Coordinate::default(); BLOCK], [Coordinate::default(); BLOCK]);
        for (lane, entry) in block.iter().enumerate() {
            let atom = &atoms.atoms[entry.atom];
            let ([px, py, _], debye_waller_b) = (atom.position, atom.debye_waller_b);
            let weight = if weighted { entry.weight * atom.occupancy } else { 1.0 };
            along_x[lane] = Coordinate { position: px, debye_waller_b, weight };
            along_y[lane] = Coordinate { position: py, debye_waller_b, weight: 1.0 };
        }
        phases_of_axis(&along_x, self.length_x, mx, x);
        phases_of_axis(&along_y, self.length_y, my, y);
    }
}

/// See [`Exact::kept`].
struct Kept {
    b: bool,
    c: bool,
    d: bool,
    /// Is there another row for -ky?
    mirrored: bool,
}

impl Kept {
    fn b<T: Real>(&self) -> T {
        T::of(f64::from(u8::from(self.b)))
    }
    fn c<T: Real>(&self) -> T {
        T::of(f64::from(u8::from(self.c)))
    }
    fn d<T: Real>(&self) -> T {
        T::of(f64::from(u8::from(self.d)))
    }
}

fn matrix<T>(values: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &values[..rows * columns]).expect("as many values as the shape has")
}

fn matrix_mut<T>(values: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), &mut values[..rows * columns]).expect("as many values as the shape has")
}

/// weight cos(2 pi n r / L) exp(-B (n / L)^2 / 4) in row n < m, with the sine in row m + n. Powers of one phase factor,
/// in double precision: after n steps the error is n times 1e-16.
fn phases_of_axis<T: Real>(lanes: &[Coordinate; BLOCK], length: f64, m: usize, out: &mut [T]) {
    let column = |value: &dyn Fn(&Coordinate) -> f64| -> [f64; BLOCK] { std::array::from_fn(|j| value(&lanes[j])) };
    let turn = |c: &Coordinate| TAU * (c.position / length).rem_euclid(1.0);
    let (step_cos, step_sin) = (column(&|c| turn(c).cos()), column(&|c| turn(c).sin()));
    let unit = 0.25 / (length * length);
    // exp(-B n^2 unit) grows by exp(-B (2 n + 1) unit) per step, which in turn grows by exp(-2 B unit)
    let mut damping = column(&|c| (-c.debye_waller_b * unit).exp());
    let damping_step = column(&|c| (-2.0 * c.debye_waller_b * unit).exp());
    let (mut cos, mut sin) = (column(&|c| c.weight), [0.0; BLOCK]);
    let (cosines, sines) = out[..2 * m * BLOCK].split_at_mut(m * BLOCK);
    for (cos_row, sin_row) in cosines.chunks_exact_mut(BLOCK).zip(sines.chunks_exact_mut(BLOCK)) {
        for j in 0..BLOCK {
            cos_row[j] = T::of(cos[j]);
            sin_row[j] = T::of(sin[j]);
            let (c, s) = (cos[j] * damping[j], sin[j] * damping[j]);
            cos[j] = c * step_cos[j] - s * step_sin[j];
            sin[j] = s * step_cos[j] + c * step_sin[j];
            damping[j] *= damping_step[j];
        }
    }
}

/// Derivatives along one axis.
#[derive(Clone, Copy, Default)]
struct AxisSums {
    value: f64,
    by_position: f64,
    by_b: f64,
}

/// Inner products of the phases of every atom, and of their derivatives by position and B, with `slope`.
fn sums<T: Real>(phases: &[T], slope: &[T], m: usize, length: f64) -> [AxisSums; BLOCK] {
    let mut sums = [AxisSums::default(); BLOCK];
    for n in 0..m {
        let k = n as f64 / length;
        let row = |from: usize| from * BLOCK..(from + 1) * BLOCK;
        let (cos, sin) = (&phases[row(n)], &phases[row(m + n)]);
        let (by_cos, by_sin) = (&slope[row(n)], &slope[row(m + n)]);
        for (j, sum) in sums.iter_mut().enumerate() {
            let value = (cos[j] * by_cos[j] + sin[j] * by_sin[j]).f64();
            sum.value += value;
            sum.by_position += TAU * k * (cos[j] * by_sin[j] - sin[j] * by_cos[j]).f64();
            sum.by_b -= 0.25 * k * k * value;
        }
    }
    sums
}

/// Derivatives of L by what one atom puts into a channel of a slice, for weight 1.
pub(super) struct Sums {
    pub value: f64,
    pub x: f64,
    pub y: f64,
    pub b: f64,
}

impl Sums {
    /// The chain rule from weight and place to the atom.
    pub fn add_to(&self, gradient: &mut AtomGradient, atoms: &PlacedAtoms, entry: &Entry) {
        let atom = &atoms.atoms[entry.atom];
        let weight = atom.occupancy * entry.weight;
        let position = [weight * self.x, weight * self.y, atom.occupancy * entry.by_z * self.value];
        let by_b = weight * self.b + atom.occupancy * entry.by_b * self.value;
        gradient.add(atom.index, position, by_b, entry.weight * self.value);
    }
}
