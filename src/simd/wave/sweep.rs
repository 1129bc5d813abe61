//! One pass over a wave: `LANES` lines at a time are loaded, worked on while they lie in the cache, and stored.
//!
//! What is done to them is a list of [`Step`]s. Everything that propagates a wave or its adjoint is made of sweeps along
//! rows and along columns.

use super::butterfly::Cx;
use super::line::{Factors, LinePlan};
use super::pack::{Pack, Packs, Work};
use super::plane::{ComplexPlane, Packed, Window};
use crate::simd::{Real, SimdPath};
use num_complex::Complex;

/// Lines of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Along x: one line per row.
    Rows,
    /// Along y: one line per column.
    Columns,
}

impl Lines {
    /// The other direction.
    pub fn across(self) -> Self {
        match self {
            Lines::Rows => Lines::Columns,
            Lines::Columns => Lines::Rows,
        }
    }
}

/// Work on each line. A transform leaves frequencies in the order of [`LinePlan::frequency_at`]; factors stand in that
/// order, too. None of the transforms is normalised.
pub enum Step<'a, T: Real> {
    /// Forward transform.
    Forward,
    /// Backward transform.
    Backward,
    /// Product with one factor per point of a line (or its conjugate).
    Weigh(&'a [Complex<T>], bool),
    /// The same with factors of its own for each line: a plane of which point (line, place) is at \[place, line\].
    WeighEach(&'a ComplexPlane<T>, bool),
    /// Forward transform, product with one factor per frequency (or its conjugate), backward transform.
    Convolve(&'a [Complex<T>], bool),
    /// The same with factors of its own for each line.
    ConvolveEach(&'a ComplexPlane<T>, bool),
    /// Product with a window of an object (or its conjugate).
    Transmit(Window<'a, T>, bool),
    /// Copies the lines to \[point, line\] of a plane.
    Keep(&'a mut ComplexPlane<T>),
    /// Adds conj(kept) * line to the window of a gradient.
    Correlate(&'a ComplexPlane<T>, Window<'a, T>, &'a mut ComplexPlane<T>),
}

/// One pass along all lines of a plane.
pub struct Sweep<'a, T: Real> {
    /// Plan for the length of the lines.
    pub plan: &'a LinePlan<T>,
    /// Direction.
    pub lines: Lines,
    /// Lines with content.
    pub count: usize,
    /// Rows are loaded from a plane that holds these places of them only; the others are zero.
    pub load: Option<&'a [usize]>,
    /// Rows are stored to a plane that holds these places of them only.
    pub store: Option<&'a [usize]>,
}

/// Scratch of a sweep: garbage before and after each call.
#[derive(Default)]
pub struct SweepScratch<T>(Vec<[T; 16]>);

impl<T: Real> SweepScratch<T> {
    /// Bytes held for lines of `length` points.
    pub fn bytes(length: usize) -> usize {
        (2 * (length + 32) + 8) * 16 * size_of::<T>()
    }

    /// `count` packs, the memory aligned to cache lines.
    fn packs<P: Pack<Scalar = T>>(&mut self, count: usize) -> &mut [Cx<P>] {
        let needed = (count * size_of::<Cx<P>>() + 64).div_ceil(size_of::<[T; 16]>());
        if self.0.len() < needed {
            self.0.resize(needed, [T::of(0.0); 16]);
        }
        let start = self.0.as_mut_ptr().cast::<u8>();
        let start = start.wrapping_add(start.align_offset(64)).cast::<Cx<P>>();
        // SAFETY: `needed` holds `count` values behind up to 64 bytes of alignment; packs need at most 64; every bit
        // pattern is a number.
        unsafe { std::slice::from_raw_parts_mut(start, count) }
    }
}

/// Runs `steps` on every line of `wave`.
pub fn sweep<'b, T: Real>(
    path: SimdPath,
    sweep: &Sweep<'b, T>,
    wave: &mut ComplexPlane<T>,
    steps: &mut [Step<'b, T>],
    scratch: &mut SweepScratch<T>,
) {
    match path {
        SimdPath::Avx512 => Run::<<T as Packs>::Avx512> { sweep, wave, steps, scratch }.start(),
        SimdPath::Avx2 => Run::<<T as Packs>::Avx2> { sweep, wave, steps, scratch }.start(),
        SimdPath::Portable => Run::<<T as Packs>::Portable> { sweep, wave, steps, scratch }.start(),
    }
}

/// A sweep to be compiled for a pack.
struct Run<'a, 'b, P: Pack> {
    sweep: &'a Sweep<'b, P::Scalar>,
    wave: &'a mut ComplexPlane<P::Scalar>,
    steps: &'a mut [Step<'b, P::Scalar>],
    scratch: &'a mut SweepScratch<P::Scalar>,
}

impl<P: Pack> Run<'_, '_, P> {
    fn start(self) {
        // SAFETY: paths are made by `SimdPath::detect` or `checked`, which test the processor for their features.
        unsafe { P::compiled(self) }
    }
}

impl<P: Pack> Work for Run<'_, '_, P> {
    #[inline(always)]
    fn run(self) {
        self.sweep.run::<P>(self.wave, self.steps, self.scratch);
    }
}

/// The same factors for all lines.
#[derive(Clone, Copy)]
struct Common<'a, T> {
    factors: &'a [Complex<T>],
    conjugate: bool,
}

impl<P: Pack> Factors<P> for Common<'_, P::Scalar> {
    #[inline(always)]
    fn at(&self, place: usize) -> Cx<P> {
        // SAFETY: places are below the length of the line, which was compared with the factors.
        Cx::all(unsafe { *self.factors.get_unchecked(place) }).conjugate_if(self.conjugate)
    }
}

/// Factors of their own for each line.
struct Each<'a, P: Pack> {
    factors: Packed<'a, P>,
    conjugate: bool,
}

impl<P: Pack> Clone for Each<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Pack> Copy for Each<'_, P> {}

impl<P: Pack> Factors<P> for Each<'_, P> {
    #[inline(always)]
    fn at(&self, place: usize) -> Cx<P> {
        self.factors.load(place).conjugate_if(self.conjugate)
    }
}

/// Radix that suits the packs of a path, for [`LinePlan::new`].
pub(super) fn largest_radix<T: Real>(path: SimdPath) -> usize {
    match path {
        SimdPath::Avx512 => <T as Packs>::Avx512::RADIX,
        SimdPath::Avx2 => <T as Packs>::Avx2::RADIX,
        SimdPath::Portable => <T as Packs>::Portable::RADIX,
    }
}

impl<T: Real> Sweep<'_, T> {
    #[inline(always)]
    fn run<P: Pack<Scalar = T>>(
        &self,
        wave: &mut ComplexPlane<T>,
        steps: &mut [Step<'_, T>],
        scratch: &mut SweepScratch<T>,
    ) {
        let length = self.plan.length();
        self.check(wave);
        let padded = length.next_multiple_of(P::LANES);
        let (line, rest) = scratch.packs::<P>(padded + P::LANES + self.plan.spare()).split_at_mut(padded);
        let (tile, spare) = rest.split_at_mut(P::LANES);
        for first in (0..self.count).step_by(P::LANES) {
            match (self.lines, self.load) {
                (Lines::Columns, _) => load_columns(wave, first, &mut line[..length]),
                (Lines::Rows, None) => load_rows(wave, first, line),
                (Lines::Rows, Some(places)) => {
                    line.fill(Cx::zero());
                    load_places(wave, first, places, line, tile);
                }
            }
            for step in steps.iter_mut() {
                step.run(self.plan, first, &mut line[..length], spare);
            }
            match (self.lines, self.store) {
                (Lines::Columns, _) => store_columns(wave, first, &line[..length]),
                (Lines::Rows, None) => {
                    line[length..].fill(Cx::zero()); // the columns behind the last stay zero
                    store_rows(wave, first, line);
                }
                (Lines::Rows, Some(places)) => store_places(wave, first, places, line, tile),
            }
        }
    }

    /// What the unchecked accesses below rely on.
    fn check(&self, wave: &ComplexPlane<T>) {
        let length = self.plan.length();
        let (rows, columns) = match self.lines {
            Lines::Rows => (self.count, [self.load, self.store].map(|p| p.map_or(length, <[usize]>::len))),
            Lines::Columns => (length, [self.count; 2]),
        };
        assert!(wave.holds(rows, columns[0]) && wave.holds(rows, columns[1]), "a sweep beyond its plane");
        let places = [self.load, self.store].into_iter().flatten().flatten();
        assert!(places.into_iter().all(|p| *p < length), "places beyond the line");
    }
}

impl<T: Real> Step<'_, T> {
    #[inline(always)]
    fn run<P: Pack<Scalar = T>>(&mut self, plan: &LinePlan<T>, first: usize, line: &mut [Cx<P>], spare: &mut [Cx<P>]) {
        match self {
            Step::Forward => plan.forward(line, spare),
            Step::Backward => plan.backward(line, spare),
            Step::Weigh(factor, conjugate) => {
                let factors = line.iter_mut().zip(*factor);
                factors.for_each(|(v, f)| *v = v.times(Cx::all(*f).conjugate_if(*conjugate)));
            }
            Step::WeighEach(factors, conjugate) => {
                let factors = factors.lines_at::<P>(first, line.len());
                let values = line.iter_mut().enumerate();
                values.for_each(|(i, v)| *v = v.times(factors.load(i).conjugate_if(*conjugate)));
            }
            Step::Convolve(factor, conjugate) => {
                assert!(factor.len() >= line.len(), "a factor for each frequency");
                plan.convolve(line, spare, Common { factors: factor, conjugate: *conjugate });
            }
            Step::ConvolveEach(factors, conjugate) => {
                let factors = factors.lines_at::<P>(first, line.len());
                plan.convolve(line, spare, Each { factors, conjugate: *conjugate });
            }
            Step::Transmit(window, conjugate) => {
                let window = window.at::<P>(first, line.len());
                match conjugate {
                    false => line.iter_mut().enumerate().for_each(|(i, v)| *v = v.times(window.load(i))),
                    true => line.iter_mut().enumerate().for_each(|(i, v)| *v = v.times_conjugate(window.load(i))),
                }
            }
            Step::Keep(plane) => {
                let mut lines = plane.lines_at_mut::<P>(first, line.len());
                line.iter().enumerate().for_each(|(i, v)| lines.store(i, *v));
            }
            Step::Correlate(kept, window, gradient) => {
                let kept = kept.lines_at::<P>(first, line.len());
                let mut gradient = window.place_in::<P>(gradient, first, line.len());
                for (i, v) in line.iter().enumerate() {
                    gradient.store(i, gradient.load(i).plus(v.times_conjugate(kept.load(i))));
                }
            }
        }
    }
}

#[inline(always)]
fn load_columns<P: Pack>(wave: &ComplexPlane<P::Scalar>, first: usize, line: &mut [Cx<P>]) {
    let columns = wave.lines_at::<P>(first, line.len());
    line.iter_mut().enumerate().for_each(|(i, v)| *v = columns.load(i));
}

#[inline(always)]
fn store_columns<P: Pack>(wave: &mut ComplexPlane<P::Scalar>, first: usize, line: &[Cx<P>]) {
    let mut columns = wave.lines_at_mut::<P>(first, line.len());
    line.iter().enumerate().for_each(|(i, v)| columns.store(i, *v));
}

/// Squares of the plane, transposed, into consecutive points of the lines.
#[inline(always)]
fn load_rows<P: Pack>(wave: &ComplexPlane<P::Scalar>, first: usize, line: &mut [Cx<P>]) {
    let (re, im, pitch) = wave.parts();
    for (square, points) in line.chunks_exact_mut(P::LANES).enumerate() {
        let (from, to) = (first * pitch + square * P::LANES, points.as_mut_ptr().cast::<P::Scalar>());
        // SAFETY: planes are padded to whole squares, and `check` compared them with the lines; `points` holds
        // LANES complex packs, real and imaginary ones in turn.
        unsafe {
            P::transpose(re.as_ptr().add(from), pitch, to, 2 * P::LANES);
            P::transpose(im.as_ptr().add(from), pitch, to.add(P::LANES), 2 * P::LANES);
        }
    }
}

#[inline(always)]
fn store_rows<P: Pack>(wave: &mut ComplexPlane<P::Scalar>, first: usize, line: &[Cx<P>]) {
    let (re, im, pitch) = wave.parts_mut();
    for (square, points) in line.chunks_exact(P::LANES).enumerate() {
        let (from, to) = (points.as_ptr().cast::<P::Scalar>(), first * pitch + square * P::LANES);
        // SAFETY: as in `load_rows`.
        unsafe {
            P::transpose(from, 2 * P::LANES, re.as_mut_ptr().add(to), pitch);
            P::transpose(from.add(P::LANES), 2 * P::LANES, im.as_mut_ptr().add(to), pitch);
        }
    }
}

#[inline(always)]
fn load_places<P: Pack>(
    wave: &ComplexPlane<P::Scalar>,
    first: usize,
    places: &[usize],
    line: &mut [Cx<P>],
    tile: &mut [Cx<P>],
) {
    let (re, im, pitch) = wave.parts();
    for (square, places) in places.chunks(P::LANES).enumerate() {
        let (from, to) = (first * pitch + square * P::LANES, tile.as_mut_ptr().cast::<P::Scalar>());
        // SAFETY: as in `load_rows`; the tile holds LANES complex packs.
        unsafe {
            P::transpose(re.as_ptr().add(from), pitch, to, 2 * P::LANES);
            P::transpose(im.as_ptr().add(from), pitch, to.add(P::LANES), 2 * P::LANES);
        }
        places.iter().zip(tile.iter()).for_each(|(place, value)| line[*place] = *value);
    }
}

#[inline(always)]
fn store_places<P: Pack>(
    wave: &mut ComplexPlane<P::Scalar>,
    first: usize,
    places: &[usize],
    line: &[Cx<P>],
    tile: &mut [Cx<P>],
) {
    let (re, im, pitch) = wave.parts_mut();
    for (square, places) in places.chunks(P::LANES).enumerate() {
        places.iter().zip(tile.iter_mut()).for_each(|(place, value)| *value = line[*place]);
        tile[places.len()..].fill(Cx::zero());
        let (from, to) = (tile.as_ptr().cast::<P::Scalar>(), first * pitch + square * P::LANES);
        // SAFETY: as in `load_places`.
        unsafe {
            P::transpose(from, 2 * P::LANES, re.as_mut_ptr().add(to), pitch);
            P::transpose(from.add(P::LANES), 2 * P::LANES, im.as_mut_ptr().add(to), pitch);
        }
    }
}
