//! Transforms along lines: one plan per length, `LANES` lines at once.
//!
//! The forward transform splits in frequency: points enter in their order, frequencies leave in that of
//! [`LinePlan::frequency_at`]. The backward transform splits in time and undoes exactly this. Nothing is ever put in
//! order: factors in Fourier space are stored in the order in which frequencies leave.

use super::butterfly::{butterfly, Cx, RADICES};
use super::pack::{Pack, Work};
use crate::simd::Real;
use num_complex::Complex;

/// One split of a transform of `length` points into `radix` ones of `length / radix`.
#[derive(Debug, Clone)]
struct Stage<T> {
    radix: usize,
    length: usize,
    /// exp(-2 pi i j k / length) for j in 0..length / radix and k in 1..radix, k fastest; empty where all are 1.
    twiddles: Vec<Complex<T>>,
    /// exp(-2 pi i j / radix) for a radix without a butterfly of its own.
    roots: Vec<Complex<T>>,
}

/// Plan of the transforms of lines of one length, of any length from 1: fast for products of 2, 3, 5 and 7.
#[derive(Debug, Clone)]
pub struct LinePlan<T> {
    length: usize,
    stages: Vec<Stage<T>>,
    frequency_at: Vec<usize>,
}

/// Prime factors, large ones first, twos joined to radices up to `largest`.
fn radices(length: usize, largest: usize) -> Vec<usize> {
    let (mut rest, mut odd, mut prime) = (length, vec![], 3);
    let twos = rest.trailing_zeros() as usize;
    rest >>= twos;
    while rest > 1 {
        while rest.is_multiple_of(prime) {
            odd.push(prime);
            rest /= prime;
        }
        prime += 2;
    }
    odd.reverse();
    let bits = largest.trailing_zeros() as usize;
    // What does not fill whole large radices goes to the front: as two fours rather than an eight and a two.
    let mut even = vec![1 << bits; twos / bits];
    match twos % bits {
        0 => {}
        1 if bits > 2 && !even.is_empty() => {
            even.pop();
            even.splice(0..0, [4, 4]);
        }
        left => even.insert(0, 1 << left),
    }
    odd.extend(even);
    odd
}

impl<T: Real> LinePlan<T> {
    /// Plan for lines of `length` points, with power-of-two radices up to `largest` (4 or 8).
    pub(super) fn new(length: usize, largest: usize) -> Self {
        let radices = radices(length, largest);
        let turn = |part: usize, whole: usize| {
            let turn = Complex::<f64>::cis(-std::f64::consts::TAU * (part % whole) as f64 / whole as f64);
            Complex::new(T::of(turn.re), T::of(turn.im))
        };
        let (mut stages, mut left) = (vec![], length);
        for &radix in &radices {
            let points = left / radix;
            let pairs = (0..if points > 1 { points } else { 0 }).flat_map(|j| (1..radix).map(move |k| j * k));
            let roots = if RADICES.contains(&radix) { 0 } else { radix };
            stages.push(Stage {
                radix,
                length: left,
                twiddles: pairs.map(|product| turn(product, left)).collect(),
                roots: (0..roots).map(|j| turn(j, radix)).collect(),
            });
            left = points;
        }
        let frequency_at = (0..length).map(|place| frequency(place, length, &radices)).collect();
        Self { length, stages, frequency_at }
    }

    /// Points of a line.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The frequency index (FFT order) that stands at each place after the forward transform.
    pub fn frequency_at(&self) -> &[usize] {
        &self.frequency_at
    }

    /// Values that a radix without a butterfly of its own needs beside the line.
    pub(super) fn spare(&self) -> usize {
        self.stages.iter().filter(|s| !s.roots.is_empty()).map(|s| s.radix).max().unwrap_or(0)
    }

    /// Forward transform of `line`, unnormalised.
    pub(super) fn forward<P: Pack<Scalar = T>>(&self, line: &mut [Cx<P>], spare: &mut [Cx<P>]) {
        self.stages.iter().for_each(|stage| stage.run::<P, false>(line, spare));
    }

    /// Backward transform of `line`, unnormalised: its adjoint, and `length` times its inverse.
    pub(super) fn backward<P: Pack<Scalar = T>>(&self, line: &mut [Cx<P>], spare: &mut [Cx<P>]) {
        self.stages.iter().rev().for_each(|stage| stage.run::<P, true>(line, spare));
    }

    /// Forward transform, product with the factor of each place, backward transform; the innermost stages and the
    /// product run in registers.
    pub(super) fn convolve<P: Pack<Scalar = T>>(
        &self,
        line: &mut [Cx<P>],
        spare: &mut [Cx<P>],
        factors: impl Factors<P>,
    ) {
        let Some((innermost, outer)) = self.stages.split_last() else {
            return middle::<P, 1>(line, factors);
        };
        outer.iter().for_each(|stage| stage.run::<P, false>(line, spare));
        match innermost.radix {
            2 => middle::<P, 2>(line, factors),
            3 => middle::<P, 3>(line, factors),
            4 => middle::<P, 4>(line, factors),
            5 => middle::<P, 5>(line, factors),
            7 => middle::<P, 7>(line, factors),
            8 => middle::<P, 8>(line, factors),
            _ => {
                innermost.run::<P, false>(line, spare);
                middle::<P, 1>(line, factors);
                innermost.run::<P, true>(line, spare);
            }
        }
        outer.iter().rev().for_each(|stage| stage.run::<P, true>(line, spare));
    }
}

/// Factors of a product in Fourier space, by place.
pub(super) trait Factors<P>: Copy {
    fn at(&self, place: usize) -> Cx<P>;
}

/// The frequency at a place: the digits of the place, most significant first, are those of the frequency, least
/// significant first.
fn frequency(place: usize, length: usize, radices: &[usize]) -> usize {
    let (mut place, mut frequency, mut weight, mut points) = (place, 0, 1, length);
    for radix in radices {
        points /= radix;
        frequency += place / points * weight;
        place %= points;
        weight *= radix;
    }
    frequency
}

impl<T: Real> Stage<T> {
    fn run<P: Pack<Scalar = T>, const BACKWARD: bool>(&self, line: &mut [Cx<P>], spare: &mut [Cx<P>]) {
        match self.radix {
            2 => Butterflies::<P, BACKWARD, 2> { stage: self, line }.start(),
            3 => Butterflies::<P, BACKWARD, 3> { stage: self, line }.start(),
            4 => Butterflies::<P, BACKWARD, 4> { stage: self, line }.start(),
            5 => Butterflies::<P, BACKWARD, 5> { stage: self, line }.start(),
            7 => Butterflies::<P, BACKWARD, 7> { stage: self, line }.start(),
            8 => Butterflies::<P, BACKWARD, 8> { stage: self, line }.start(),
            _ => self.sums::<P, BACKWARD>(line, spare),
        }
    }

    /// The same by plain sums, for large primes.
    fn sums<P: Pack<Scalar = T>, const BACKWARD: bool>(&self, line: &mut [Cx<P>], spare: &mut [Cx<P>]) {
        let (radix, points) = (self.radix, self.length / self.radix);
        let twiddle = |j: usize, k: usize| match (self.twiddles.is_empty(), k) {
            (true, _) | (_, 0) => None,
            _ => Some(Cx::all(self.twiddles[j * (radix - 1) + k - 1])),
        };
        let turned = |value: Cx<P>, twiddle: Option<Cx<P>>| twiddle.map_or(value, |w| value.times(w));
        for block in line.chunks_exact_mut(self.length) {
            for j in 0..points {
                for (k, value) in spare[..radix].iter_mut().enumerate() {
                    let point = block[k * points + j];
                    *value = if BACKWARD { turned(point.swapped(), twiddle(j, k)) } else { point };
                }
                for k in 0..radix {
                    let terms = spare[..radix].iter().enumerate();
                    let sum = terms
                        .fold(Cx::zero(), |sum, (i, value)| sum.plus(value.times(Cx::all(self.roots[i * k % radix]))));
                    block[k * points + j] = if BACKWARD { sum.swapped() } else { turned(sum, twiddle(j, k)) };
                }
            }
        }
    }
}

/// All butterflies of a stage. Forward: butterfly, then twiddles; backward: twiddles, then butterfly, on exchanged real
/// and imaginary parts.
struct Butterflies<'a, P: Pack, const BACKWARD: bool, const R: usize> {
    stage: &'a Stage<P::Scalar>,
    line: &'a mut [Cx<P>],
}

impl<P: Pack, const BACKWARD: bool, const R: usize> Butterflies<'_, P, BACKWARD, R> {
    fn start(self) {
        // SAFETY: sweeps choose packs whose instructions were tested for.
        unsafe { P::compiled(self) }
    }
}

impl<P: Pack, const BACKWARD: bool, const R: usize> Work for Butterflies<'_, P, BACKWARD, R> {
    #[inline(always)]
    fn run(self) {
        match self.stage.twiddles.is_empty() {
            true => self.all::<false>(),
            false => self.all::<true>(),
        }
    }
}

impl<P: Pack, const BACKWARD: bool, const R: usize> Butterflies<'_, P, BACKWARD, R> {
    /// Every loop over `x` has a length known to the compiler: only then do its values stay in registers.
    #[inline(always)]
    fn all<const TURNED: bool>(self) {
        let points = self.stage.length / R;
        let twiddles = &self.stage.twiddles;
        assert!(!TURNED || twiddles.len() == points * (R - 1), "twiddles of another stage");
        for block in self.line.chunks_exact_mut(R * points) {
            for j in 0..points {
                let turn = |x: &mut [Cx<P>; R]| {
                    for (k, x) in x.iter_mut().enumerate().skip(1) {
                        // SAFETY: j < points and 1 <= k < R; the length was asserted.
                        *x = x.times(Cx::all(unsafe { *twiddles.get_unchecked(j * (R - 1) + k - 1) }));
                    }
                };
                let mut x = [Cx::zero(); R];
                for (k, x) in x.iter_mut().enumerate() {
                    // SAFETY: k < R and j < points, and the block has R * points values; the same below.
                    let value = unsafe { *block.get_unchecked(k * points + j) };
                    *x = if BACKWARD { value.swapped() } else { value };
                }
                if TURNED && BACKWARD {
                    turn(&mut x);
                }
                butterfly::<P, R>(&mut x);
                if TURNED && !BACKWARD {
                    turn(&mut x);
                }
                for (k, x) in x.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { *block.get_unchecked_mut(k * points + j) = if BACKWARD { x.swapped() } else { *x } };
                }
            }
        }
    }
}

/// The innermost stages of a convolution.
struct Middle<'a, P: Pack, F, const R: usize> {
    line: &'a mut [Cx<P>],
    factors: F,
}

fn middle<P: Pack, const R: usize>(line: &mut [Cx<P>], factors: impl Factors<P>) {
    // SAFETY: as in `Butterflies::start`.
    unsafe { P::compiled(Middle::<P, _, R> { line, factors }) }
}

impl<P: Pack, F: Factors<P>, const R: usize> Work for Middle<'_, P, F, R> {
    #[inline(always)]
    fn run(self) {
        for (block, values) in self.line.chunks_exact_mut(R).enumerate() {
            let mut x = [Cx::zero(); R];
            x.copy_from_slice(values);
            butterfly::<P, R>(&mut x);
            for (k, value) in x.iter_mut().enumerate() {
                *value = value.times(self.factors.at(block * R + k)).swapped();
            }
            butterfly::<P, R>(&mut x);
            values.iter_mut().zip(&x).for_each(|(value, x)| *value = x.swapped());
        }
    }
}
