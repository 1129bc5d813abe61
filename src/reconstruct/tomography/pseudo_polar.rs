//! The Fourier transform of slices on lines through the origin, sampled on concentric squares, and its exact adjoint.
//!
//! A. Averbuch, R. Coifman, D. Donoho, M. Israeli, Y. Shkolnisky and I. Sedelnikov, "A framework for discrete integral
//! transformations II: the 2D discrete Radon transform", SIAM Journal on Scientific Computing 30 (2008) 785, in the
//! use of J. Miao, F. Foerster and O. Levi, "Equally sloped tomography with oversampling reconstruction", Physical
//! Review B 72 (2005) 052103. A slice V has places a and b in pixels from its origin pixel n // 2, and
//!
//!   F(k_a, k_b) = sum V(a, b) exp(-2 pi i (k_a a + k_b b)).
//!
//! The points of a line lie where it crosses concentric squares of half edge m / M, m = 0 .. M / 2:
//!
//!   lines nearer to a:  (k_a, k_b) = (m / M) (1, s),      |s| <= 1,
//!   lines nearer to b:  (k_a, k_b) = (m / M) (s, 1),      |s| <  1,
//!
//! at distances sqrt(1 + s^2) / M along the line. One axis is transformed by an FFT of period M (of zero-padded rows),
//! the other by the sum over exp(-2 pi i (m / M) s b), which is a fractional transform if the slopes are equally spaced.
//! Here the slopes are what the microscope took, and the sum is a product of matrices over all slices at once: exact
//! for every slope, for the price of (lines x edge) multiplications per point, which is as fast as the transforms for
//! the some fifty lines of a tilt series. M must be at least the sum of both edges: then no line wraps around.
//!
//! Points beyond half a cycle per pixel along their line are left out; projections do not hold them. No point stands for
//! more of the plane than one over the edge of the slice across its line: farther apart, values of F are independent, and
//! what lies between two lines is known from neither.

use crate::grid;
use crate::simd::{Real, SimdPath};
use crate::statistics::median;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use num_complex::Complex;
use rustfft::{Fft, FftPlanner, FftPlannerScalar};
use std::f64::consts::PI;
use std::sync::Arc;

/// Highest frequency along a line, cycles per pixel.
const NYQUIST: f64 = 0.5;

/// Lines nearer to one axis.
struct Family<T> {
    /// Pixels and distance in memory along the axis of the FFT, and along the other.
    along: (usize, usize),
    across: (usize, usize),
    /// Number in [`PseudoPolar::points`] of the first point.
    first: usize,
    /// Lines with a point on square m; the first so many in the order of their slopes.
    counts: Vec<usize>,
    /// Per square its matrix: cosine and sine row of each line, over the places of the other axis.
    phases: Vec<T>,
}

/// A point of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Number of the line.
    pub line: usize,
    /// Number of the square.
    pub square: usize,
    /// Frequency along the direction that the line was given by, cycles per pixel, of either sign.
    pub k: f64,
    /// Area of the Fourier plane that the point and its mirror image stand for: sum over the points of
    /// area Re(F exp(2 pi i k r)) is V where the lines fill the plane to Nyquist's circle.
    pub area: f64,
}

/// Plan for slices of one size and one set of lines.
pub(super) struct PseudoPolar<T: Real> {
    /// Pixels along b and a.
    size: [usize; 2],
    period: usize,
    families: [Family<T>; 2],
    points: Vec<Point>,
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
}

/// Scratch for some slices at a time; garbage between calls.
pub(super) struct Scratch<T> {
    /// `[square][place across][slice][re, im]` of one family: real numbers, as products of matrices want them.
    spectra: Vec<T>,
    lines: Vec<Complex<T>>,
    fft: Vec<Complex<T>>,
    /// Rows of a product with the phases.
    product: Vec<T>,
    row: Vec<Complex<T>>,
}

impl<T: Real> PseudoPolar<T> {
    /// Lines along the unit vectors `directions` = (a, b), standing for `cells` each (as [`cells`] has them), for slices of
    /// `size` = pixels along (b, a), on squares of spacing 1 / `period`, an even number.
    pub fn new(path: SimdPath, size: [usize; 2], period: usize, directions: &[[f64; 2]], cells: &[f64]) -> Self {
        let (mut best, mut scalar) = (FftPlanner::new(), FftPlannerScalar::new());
        let (forward, inverse) = match path {
            SimdPath::Portable => (scalar.plan_fft_forward(period), scalar.plan_fft_inverse(period)),
            _ => (best.plan_fft_forward(period), best.plan_fft_inverse(period)),
        };
        let (b, a) = ((size[0], size[1]), (size[1], 1));
        let mut points = Vec::new();
        let near_a = |d: &[f64; 2]| d[0].abs() >= d[1].abs();
        let mut family = |main: usize, along, across| {
            let lines = directions.iter().enumerate().filter(|(_, d)| near_a(d) == (main == 0));
            // s, and k of square 1 along the direction.
            let mut lines: Vec<_> = lines.map(|(i, d)| (i, d[1 - main] / d[main], 1.0 / d[main])).collect();
            lines.sort_by(|p, q| p.1.abs().total_cmp(&q.1.abs()));
            let finest = 1.0 / size[0].max(size[1]) as f64;
            Family::new((along, across), period, finest, (&lines, cells), &mut points)
        };
        let families = [family(0, a, b), family(1, b, a)];
        let covered: f64 = cells.iter().sum();
        // The origin lies on every line, however few of the plane they cover.
        for point in points.iter_mut().filter(|p| p.square == 0) {
            point.area *= (PERIOD / covered).max(1.0);
        }
        Self { size, period, families, points, forward, inverse }
    }

    /// All points, in the order in which they are visited.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Scratch for up to `slices` slices at a time.
    pub fn scratch(&self, slices: usize) -> Scratch<T> {
        let zero = Complex::new(T::zero(), T::zero());
        let longest = self.size[0].max(self.size[1]);
        let most = self.families.iter().map(|f| f.counts.first().copied().unwrap_or(0)).max().unwrap_or(0);
        let fft = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        Scratch {
            spectra: vec![T::zero(); 2 * (self.period / 2 + 1) * longest * slices],
            lines: vec![zero; self.period * slices.div_ceil(2)],
            fft: vec![zero; fft],
            product: vec![T::zero(); 4 * most * slices],
            row: vec![zero; slices],
        }
    }

    /// Pixels of a slice.
    pub fn slice(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Upper bound of the bytes of a plan of `lines` lines, and of a scratch for `slices` slices.
    pub fn memory_bytes(size: [usize; 2], period: usize, lines: usize, slices: usize) -> (u64, u64) {
        let (longest, squares) = (size[0].max(size[1]), period / 2 + 1);
        let plan = lines * squares * (2 * longest * size_of::<T>() + size_of::<Point>());
        let scratch = 2 * squares * longest * slices + period * (slices + 5) + 4 * lines * slices + 2 * slices;
        (plan as u64, (scratch * size_of::<T>()) as u64)
    }

    /// Transforms `count` slices `[slice][b][a]` and calls `visit(point, values of all slices)` for each point. What `visit`
    /// leaves in the values goes back through the adjoint, sum of Re(value exp(2 pi i k r)), and is added to `back` if
    /// there is one.
    pub fn walk(
        &self,
        slices: &[T],
        count: usize,
        scratch: &mut Scratch<T>,
        visit: &mut dyn FnMut(usize, &mut [Complex<T>]),
        mut back: Option<&mut [T]>,
    ) {
        for family in &self.families {
            if family.counts.first().is_none_or(|lines| *lines == 0) {
                continue;
            }
            self.spectra(family, slices, count, scratch);
            self.visit(family, count, scratch, visit, back.is_some());
            if let Some(back) = back.as_deref_mut() {
                self.back(family, count, scratch, back);
            }
        }
    }

    /// FFT along the family's axis of all rows, two real ones in one complex.
    fn spectra(&self, family: &Family<T>, slices: &[T], count: usize, scratch: &mut Scratch<T>) {
        let ((n, stride), (others, other_stride)) = (family.along, family.across);
        let (slice, period, half) = (self.slice(), self.period, T::of(0.5));
        let Scratch { spectra, lines, fft, .. } = scratch;
        let lines = &mut lines[..period * count.div_ceil(2)];
        for other in 0..others {
            lines.fill(Complex::new(T::zero(), T::zero()));
            for (pair, line) in lines.chunks_exact_mut(period).enumerate() {
                let first = 2 * pair * slice + other * other_stride;
                let second = (2 * pair + 1 < count).then_some(first + slice);
                for i in 0..n {
                    let im = second.map_or(T::zero(), |second| slices[second + i * stride]);
                    line[place(i, n, period)] = Complex::new(slices[first + i * stride], im);
                }
            }
            self.forward.process_with_scratch(lines, fft);
            for square in 0..family.counts.len() {
                let row = &mut spectra[(square * others + other) * 2 * count..][..2 * count];
                for (pair, values) in row.chunks_mut(4).enumerate() {
                    let line = &lines[pair * period..][..period];
                    let (up, down) = (line[square], line[(period - square) % period].conj());
                    let (sum, difference) = ((up + down).scale(half), (up - down).scale(half));
                    (values[0], values[1]) = (sum.re, sum.im);
                    if let [_, _, re, im] = values {
                        (*re, *im) = (difference.im, -difference.re);
                    }
                }
            }
        }
    }

    /// The other axis: points of every square, and back again in place.
    fn visit(
        &self,
        family: &Family<T>,
        count: usize,
        scratch: &mut Scratch<T>,
        visit: &mut dyn FnMut(usize, &mut [Complex<T>]),
        back: bool,
    ) {
        let others = family.across.0;
        let Scratch { spectra, product, row, .. } = scratch;
        let row = &mut row[..count];
        let (mut point, mut start) = (family.first, 0);
        for (square, lines) in family.counts.iter().copied().enumerate() {
            let phases = &family.phases[start..][..2 * lines * others];
            start += phases.len();
            let spectrum = &mut spectra[square * others * 2 * count..][..others * 2 * count];
            let product = &mut product[..4 * lines * count];
            multiply(phases, [2 * lines, others], false, spectrum, 2 * count, product);
            for both in product.chunks_exact_mut(4 * count) {
                let (cosine, sine) = both.split_at_mut(2 * count);
                for (s, value) in row.iter_mut().enumerate() {
                    *value = Complex::new(cosine[2 * s] - sine[2 * s + 1], cosine[2 * s + 1] + sine[2 * s]);
                }
                visit(point, row);
                point += 1;
                for (s, value) in row.iter().enumerate() {
                    (cosine[2 * s], cosine[2 * s + 1]) = (value.re, value.im);
                    (sine[2 * s], sine[2 * s + 1]) = (value.im, -value.re);
                }
            }
            if back {
                multiply(phases, [2 * lines, others], true, product, 2 * count, spectrum);
            }
        }
    }

    /// Adds the real rows of the half spectra to `back`.
    fn back(&self, family: &Family<T>, count: usize, scratch: &mut Scratch<T>, back: &mut [T]) {
        let ((n, stride), (others, other_stride)) = (family.along, family.across);
        let (slice, period, half) = (self.slice(), self.period, T::of(0.5));
        let Scratch { spectra, lines, fft, .. } = scratch;
        let lines = &mut lines[..period * count.div_ceil(2)];
        for other in 0..others {
            lines.fill(Complex::new(T::zero(), T::zero()));
            for square in 0..family.counts.len() {
                let row = &spectra[(square * others + other) * 2 * count..][..2 * count];
                for (pair, values) in row.chunks(4).enumerate() {
                    let line = &mut lines[pair * period..][..period];
                    let value = |i: usize| match values.get(2 * i..2 * i + 2) {
                        Some(value) => Complex::new(value[0], value[1]).scale(half),
                        None => Complex::new(T::zero(), T::zero()),
                    };
                    let (first, second) = (value(0), value(1));
                    // first + i second, and their mirror images.
                    let mirror = (period - square) % period;
                    line[square] = line[square] + Complex::new(first.re - second.im, first.im + second.re);
                    line[mirror] = line[mirror] + Complex::new(first.re + second.im, second.re - first.im);
                }
            }
            self.inverse.process_with_scratch(lines, fft);
            for (pair, line) in lines.chunks_exact(period).enumerate() {
                let first = 2 * pair * slice + other * other_stride;
                let second = (2 * pair + 1 < count).then_some(first + slice);
                for i in 0..n {
                    let value = line[place(i, n, period)];
                    back[first + i * stride] += value.re;
                    if let Some(second) = second {
                        back[second + i * stride] += value.im;
                    }
                }
            }
        }
    }
}

impl<T: Real> Family<T> {
    /// `lines`: (number, slope, k of square 1), by rising slope. Appends their points.
    fn new(
        (along, across): ((usize, usize), (usize, usize)),
        period: usize,
        finest: f64,
        (lines, cells): (&[(usize, f64, f64)], &[f64]),
        points: &mut Vec<Point>,
    ) -> Self {
        let first = points.len();
        // Number of the square, and a fraction, at which a line ends.
        let end = |slope: f64| NYQUIST * period as f64 / slope.hypot(1.0);
        let (mut counts, mut phases) = (Vec::new(), Vec::new());
        for square in 0..=period / 2 {
            let m = square as f64;
            let inside = lines.iter().take_while(|(_, slope, _)| m <= end(*slope) + 1e-9);
            let mut count = 0;
            for (line, slope, k) in inside {
                let (low, high) = ((m - 0.5).max(0.0), (m + 0.5).min(end(*slope)).max(m));
                let width = (cells[*line] * 0.5 * (high + low) / period as f64).min(finest);
                let area = 2.0 * width * (high - low) / period as f64;
                points.push(Point { line: *line, square, k: k * m / period as f64, area });
                let turn = -2.0 * PI * m / period as f64 * slope;
                let angles = || (0..across.0).map(|i| turn * (i as f64 - grid::origin(across.0) as f64));
                phases.extend(angles().map(|angle| T::of(angle.cos())));
                phases.extend(angles().map(|angle| T::of(angle.sin())));
                count += 1;
            }
            counts.push(count);
        }
        Self { along, across, first, counts, phases }
    }
}

/// Where pixel `i` of `n` stands in a row of `period` that begins with the origin.
#[inline]
fn place(i: usize, n: usize, period: usize) -> usize {
    (i + period - grid::origin(n)) % period
}

/// out = left right, or with `transposed` out = left^T right; `left` is row-major of `shape`, `right` and `out` have
/// `columns`.
fn multiply<T: Real>(left: &[T], shape: [usize; 2], transposed: bool, right: &[T], columns: usize, out: &mut [T]) {
    let [rows, inner] = shape;
    if rows == 0 {
        out.fill(T::zero()); // ndarray leaves the result of an empty sum alone
        return;
    }
    let (rights, outs) = if transposed { (rows, inner) } else { (inner, rows) };
    let views = (
        ArrayView2::from_shape((rows, inner), left),
        ArrayView2::from_shape((rights, columns), right),
        ArrayViewMut2::from_shape((outs, columns), out),
    );
    if let (Ok(left), Ok(right), Ok(mut out)) = views {
        let left = if transposed { left.reversed_axes() } else { left };
        general_mat_mul(T::one(), &left, &right, T::zero(), &mut out);
    }
}

/// Period of the pseudo-angle.
pub(super) const PERIOD: f64 = 4.0;

/// The pseudo-angle of a line: its slope from -1 to 1 where it is nearer to a, and on by 2 minus its inverse slope from 1 to 3
/// where it is nearer to b. The area of the Fourier plane between two lines and two squares is proportional to its
/// difference; equally sloped lines are equally spaced in it.
pub(super) fn pseudo_angle([a, b]: [f64; 2]) -> f64 {
    if a.abs() >= b.abs() {
        b / a
    } else {
        2.0 - a / b
    }
}

/// The angle in radians, -pi/2 to pi/2, of a pseudo-angle -2 to 2.
pub(super) fn angle_of(pseudo: f64) -> f64 {
    match pseudo {
        p if p > 1.0 => 0.5 * PI - (2.0 - p).atan(),
        p if p < -1.0 => -0.5 * PI + (p + 2.0).atan(),
        p => p.atan(),
    }
}

/// Lines closer than this in pseudo-angle share one cell.
const SAME: f64 = 1e-9;

/// The part of the pseudo-angle that each line stands for: half way to its neighbours, but not beyond the median distance of
/// neighbours, so that a missing wedge stays empty. Lines that coincide share.
pub(super) fn cells(directions: &[[f64; 2]]) -> Vec<f64> {
    let angles: Vec<f64> = directions.iter().map(|d| pseudo_angle(*d)).collect();
    let mut order: Vec<usize> = (0..angles.len()).collect();
    order.sort_by(|p, q| angles[*p].total_cmp(&angles[*q]));
    // Groups of lines that coincide, the first and last across the end of the period, too.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for line in order {
        match groups.last_mut().filter(|group| angles[line] - angles[group[0]] < SAME) {
            Some(group) => group.push(line),
            None => groups.push(vec![line]),
        }
    }
    if let [first, .., last] = &groups[..] {
        if angles[first[0]] + PERIOD - angles[last[0]] < SAME {
            let last = groups.pop().unwrap_or_default();
            groups[0].extend(last);
        }
    }
    let count = groups.len();
    let at = |group: usize| angles[groups[group % count][0]];
    let gap = |group: usize| {
        let gap = at(group + 1) - at(group);
        if gap > 0.0 {
            gap
        } else {
            gap + PERIOD
        }
    };
    let mut gaps: Vec<f64> = (0..count).map(gap).collect();
    let most = median(&gaps);
    gaps.iter_mut().for_each(|gap| *gap = (0.5 * *gap).min(most));
    let mut cells = vec![0.0; angles.len()];
    for (i, group) in groups.iter().enumerate() {
        let width = gaps[i] + gaps[(i + count - 1) % count];
        group.iter().for_each(|line| cells[*line] = width / group.len() as f64);
    }
    cells
}

#[cfg(test)]
#[path = "pseudo_polar_tests.rs"]
mod tests;
