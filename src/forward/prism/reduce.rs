//! From the scattering matrix to patterns: matrix products over groups of neighbouring positions.
//!
//! The windows of a group overlap. Row by row of their union, those positions that see the row are the rows of one matrix,
//! plane waves its columns; its product with that row of S holds the row of all their exit waves. So S is read once per
//! group instead of once per position, and the sum runs at the speed of matrix products. Complex numbers are pairs of real
//! rows: (Re, Im) psi = ((Re c, -Im c), (Im c, Re c)) (Re, Im) S.

use super::plan::{PrismPlan, PrismProbe};
use super::scatter::{lock, ScatteringMatrix};
use crate::context::{CancelToken, Context};
use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::problem::Waiting;
use crate::simd::matrix::{multiply, Matrix};
use crate::simd::wave::{ComplexPlane, SweepScratch};
use crate::simd::Real;
use num_complex::Complex64;
use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Mutex;

/// Most positions of a group: beyond, products become no faster.
const POSITIONS_PER_GROUP: usize = 128;
/// Most bytes of the exit waves of a group (but one of them is always allowed).
const BYTES_PER_GROUP: usize = 1 << 25;
/// Groups into which even few positions are divided, for the workers.
const FEWEST_GROUPS: usize = 16;
/// Windows of a group begin within this part of their width, so that the union is hardly wider than one of them.
const STRIPS_PER_WINDOW: usize = 4;

const PHASE: &str = "adding plane waves to probes";

/// Takes the pattern of a position: its number, and |FFT psi|^2 `[rows, columns]` of the window in FFT order.
pub type TakePattern<'a, T> = dyn Fn(usize, &[T]) -> Result<()> + Sync + 'a;

/// A position and its window.
#[derive(Debug, Clone, Copy)]
struct Placed {
    number: usize,
    /// (x, y), angstrom.
    position: (f64, f64),
    /// First (row, column) of the window.
    corner: (usize, usize),
}

/// Memory of one worker: sized by the largest group at its first one.
struct Worker<T: Real> {
    /// Two rows per position, two columns per plane wave.
    coefficients: Vec<T>,
    product: Vec<T>,
    waves: Vec<ComplexPlane<T>>,
    pattern: Vec<T>,
    scratch: SweepScratch<T>,
}

/// Columns within which the windows of a group begin. The union of windows is never wider than the plane.
fn strip(plane: &Plane, window: &Plane) -> usize {
    (window.columns / STRIPS_PER_WINDOW).min(plane.columns - window.columns).max(1)
}

/// Most positions of a group.
fn group<T: Real>(window: &Plane, count: usize) -> usize {
    let bytes = ComplexPlane::<T>::bytes(window.rows, window.columns);
    POSITIONS_PER_GROUP.min(BYTES_PER_GROUP / bytes).min(count.div_ceil(FEWEST_GROUPS)).max(1)
}

/// Bytes of a worker that makes patterns of `count` positions out of so many waves.
pub(super) fn worker_bytes<T: Real>(waves: usize, plane: &Plane, window: &Plane, count: usize) -> u64 {
    let positions = group::<T>(window, count);
    let numbers = 2 * positions * (2 * waves + strip(plane, window) + window.columns) + window.pixels();
    (numbers * size_of::<T>() + positions * ComplexPlane::<T>::bytes(window.rows, window.columns)) as u64
}

impl<T: Real> PrismPlan<T> {
    /// Bytes that each worker needs in [`Self::patterns`] for `count` positions.
    pub fn worker_bytes(&self, count: usize) -> u64 {
        worker_bytes::<T>(self.waves(), &self.plane, &self.window, count)
    }

    /// Patterns of `probe` at `positions` (x, y) in angstrom from pixel (0, 0) of the object, which is periodic. Each is
    /// handed to `take` by a worker, once, in no order; values do not depend on the number of workers.
    ///
    /// # Errors
    /// `Empty` without positions, `NonFinite` with the number of a position, `Shape` for a matrix or probe of another
    /// plan, `Cancelled`, and what `take` returns.
    pub fn patterns(
        &self,
        context: &Context,
        matrix: &ScatteringMatrix<T>,
        probe: &PrismProbe,
        positions: &[(f64, f64)],
        take: &TakePattern<'_, T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        matrix.expect_of(self)?;
        if probe.coefficients.len() != self.waves() {
            let wanted = format!("[{}], the plane waves of the plan", self.waves());
            return Err(Error::shape("coefficients of the probe", &[probe.coefficients.len()], wanted));
        }
        let placed = self.place(positions)?;
        let groups = self.groups(&placed);
        let rests: Mutex<Vec<Worker<T>>> = Mutex::default();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / groups.len() as f64, PHASE);
        context.for_each(groups.len(), &mut tell, &|item| {
            let mut worker = lock(&rests).pop().unwrap_or_else(|| self.reducer(placed.len()));
            let group = &placed[groups[item].clone()];
            self.fill(probe, group, &mut worker.coefficients);
            self.reduce(matrix, group, &mut worker, cancel)?;
            let Worker { waves, pattern, scratch, .. } = &mut worker;
            for (placed, wave) in group.iter().zip(waves) {
                cancel.check(PHASE)?;
                self.transform.pattern(wave, pattern, scratch);
                take(placed.number, pattern)?;
            }
            lock(&rests).push(worker);
            Ok(())
        })
    }

    fn strip(&self) -> usize {
        strip(&self.plane, &self.window)
    }

    fn group(&self, count: usize) -> usize {
        group::<T>(&self.window, count)
    }

    /// Positions in the order of strips, then down their rows.
    fn place(&self, positions: &[(f64, f64)]) -> Result<Vec<Placed>> {
        if positions.is_empty() {
            return Err(Error::Empty { what: "positions of probes".into(), why: "at least one is needed".into() });
        }
        let place = |(number, (x, y)): (usize, &(f64, f64))| {
            if !(x.is_finite() && y.is_finite()) {
                let value = if x.is_finite() { *y } else { *x };
                return Err(Error::NonFinite { what: "positions of probes".into(), value, at: number.to_string() });
            }
            Ok(Placed { number, position: (*x, *y), corner: self.corner((*x, *y)) })
        };
        let mut placed = positions.iter().enumerate().map(place).collect::<Result<Vec<_>>>()?;
        placed.sort_by_key(|p| (p.corner.1 / self.strip(), p.corner, p.number));
        Ok(placed)
    }

    fn groups(&self, placed: &[Placed]) -> Vec<Range<usize>> {
        let (most, mut groups, mut first) = (self.group(placed.len()), vec![], 0);
        for strip in placed.chunk_by(|a, b| a.corner.1 / self.strip() == b.corner.1 / self.strip()) {
            let end = first + strip.len();
            groups.extend((first..end).step_by(most).map(|start| start..(start + most).min(end)));
            first = end;
        }
        groups
    }

    fn reducer(&self, count: usize) -> Worker<T> {
        let (positions, window) = (self.group(count), &self.window);
        let zeros = |n: usize| vec![T::of(0.0); n];
        Worker {
            coefficients: zeros(2 * positions * 2 * self.waves()),
            product: zeros(2 * positions * (self.strip() + window.columns)),
            waves: (0..positions).map(|_| ComplexPlane::new(window.rows, window.columns)).collect(),
            pattern: zeros(window.pixels()),
            scratch: SweepScratch::default(),
        }
    }

    /// Writes c_b(p) = c_b exp(-2 pi i k_b . p) as two real rows per position.
    fn fill(&self, probe: &PrismProbe, group: &[Placed], coefficients: &mut [T]) {
        let inner = 2 * self.waves();
        for (placed, rows) in group.iter().zip(coefficients.chunks_exact_mut(2 * inner)) {
            let (to_re, to_im) = rows.split_at_mut(inner);
            let pairs = to_re.chunks_exact_mut(2).zip(to_im.chunks_exact_mut(2));
            for ((wave, coefficient), (to_re, to_im)) in self.waves.iter().zip(&probe.coefficients).zip(pairs) {
                let turns = wave.kx * placed.position.0 + wave.ky * placed.position.1;
                let value = coefficient * Complex64::cis(-TAU * turns);
                to_re.copy_from_slice(&[T::of(value.re), T::of(-value.im)]);
                to_im.copy_from_slice(&[T::of(value.im), T::of(value.re)]);
            }
        }
    }

    /// The exit waves of a group, row by row of the union of its windows.
    fn reduce(
        &self,
        matrix: &ScatteringMatrix<T>,
        group: &[Placed],
        worker: &mut Worker<T>,
        cancel: &CancelToken<'_>,
    ) -> Result<()> {
        let (window, plane, inner) = (&self.window, &self.plane, 2 * self.waves());
        let columns = || group.iter().map(|p| p.corner.1);
        let (Some(left), Some(right)) = (columns().min(), columns().max().map(|last| last + window.columns)) else {
            return Ok(());
        };
        // the union may reach over the edge of the plane, beyond which that continues at column 0
        let spans = [left..right.min(plane.columns), plane.columns..right.max(plane.columns)];
        let (top, bottom) = (group[0].corner.0, group[group.len() - 1].corner.0 + window.rows);
        for row in top..bottom {
            cancel.check(PHASE)?;
            let first = group.partition_point(|p| p.corner.0 + window.rows <= row);
            let seeing = first..group.partition_point(|p| p.corner.0 <= row);
            if seeing.is_empty() {
                continue;
            }
            let factors = &worker.coefficients[2 * seeing.start * inner..2 * seeing.end * inner];
            let factors = Matrix::dense(factors, 2 * seeing.len(), inner);
            for span in spans.iter().filter(|span| !span.is_empty()) {
                let waves = matrix.at(row % plane.rows, span.start % plane.columns, span.len());
                let product = &mut worker.product[..factors.rows * span.len()];
                multiply(factors, waves, product);
                for (position, lines) in seeing.clone().zip(product.chunks_exact(2 * span.len())) {
                    let corner = group[position].corner;
                    let line = worker.waves[position].row_mut(row - corner.0);
                    crop(lines, span, corner.1..corner.1 + window.columns, line);
                }
            }
        }
        Ok(())
    }
}

/// Copies what a window of these columns sees of the columns `span`: a line of real and one of imaginary parts.
fn crop<T: Real>(lines: &[T], span: &Range<usize>, window: Range<usize>, (re, im): (&mut [T], &mut [T])) {
    let seen = span.start.max(window.start)..span.end.min(window.end);
    if seen.is_empty() {
        return;
    }
    let (from_re, from_im) = lines.split_at(span.len());
    let (from, to) =
        (seen.start - span.start..seen.end - span.start, seen.start - window.start..seen.end - window.start);
    re[to.clone()].copy_from_slice(&from_re[from.clone()]);
    im[to].copy_from_slice(&from_im[from]);
}
