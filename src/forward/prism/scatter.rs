//! The scattering matrix: every plane wave of the aperture behind the object.

use super::plan::PrismPlan;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::forward::multislice::{Form, Multislice, MultisliceWorkspace, Object};
use crate::grid::Plane;
use crate::problem::Waiting;
use crate::simd::matrix::Matrix;
use crate::simd::wave::{ComplexPlane, SweepScratch};
use crate::simd::Real;
use num_complex::Complex;
use std::sync::{Mutex, MutexGuard, PoisonError};

const PHASE: &str = "taking plane waves through the object";

/// The exit waves S_b(r) of all plane waves: \[wave, real or imaginary part, row, column\], of the sampling
/// [`PrismPlan::plane`]. It is a real matrix with two rows per wave, as products read it.
pub struct ScatteringMatrix<T> {
    values: Vec<T>,
    columns: usize,
    /// Distance of the parts of a wave, and of waves after the other.
    stride: usize,
    waves: usize,
}

/// What a worker needs for one wave after the other.
struct Worker<T: Real> {
    wave: ComplexPlane<T>,
    coarse: ComplexPlane<T>,
    engine: MultisliceWorkspace<T>,
    scratch: SweepScratch<T>,
}

/// Where coefficients of the engine stand among those of the coarser plane, for rows and for columns.
struct Places {
    rows: Vec<Option<usize>>,
    columns: Vec<Option<usize>>,
}

impl<T: Real> ScatteringMatrix<T> {
    /// Rows of the real matrix at pixel (row, column): `pixels` of that row, which it holds.
    pub(super) fn at(&self, row: usize, column: usize, pixels: usize) -> Matrix<'_, T> {
        assert!(column + pixels <= self.columns, "pixels beyond the row");
        let first = row * self.columns + column;
        Matrix { values: &self.values[first..], rows: 2 * self.waves, columns: pixels, pitch: self.stride }
    }

    /// Refuses a matrix that was made for another plan.
    pub(super) fn expect_of(&self, plan: &PrismPlan<T>) -> Result<()> {
        if (self.waves, self.columns, self.stride) == (plan.waves(), plan.plane.columns, plan.stride()) {
            return Ok(());
        }
        let wanted = format!("[{}, {}, {}] of the plan", plan.waves(), plan.plane.rows, plan.plane.columns);
        Err(Error::shape("scattering matrix (waves, columns)", &[self.waves, self.columns], wanted))
    }
}

/// Values between the parts of a wave: a cache line more than needed, since parts a power of two apart would all
/// compete for the same places of the cache.
fn stride(plane: &Plane) -> usize {
    plane.pixels().next_multiple_of(16) + 16
}

/// Bytes of the scattering matrix of so many waves.
pub(super) fn matrix_bytes<T>(waves: usize, plane: &Plane) -> u64 {
    2 * (waves as u64) * (stride(plane) as u64) * size_of::<T>() as u64
}

impl<T: Real> PrismPlan<T> {
    fn stride(&self) -> usize {
        stride(&self.plane)
    }

    /// Bytes of a scattering matrix.
    pub fn matrix_bytes(&self) -> u64 {
        matrix_bytes::<T>(self.waves(), &self.plane)
    }

    /// A scattering matrix of zeros, to be filled by [`Self::scatter`].
    ///
    /// # Errors
    /// `Memory` where the system does not grant it.
    pub fn matrix(&self) -> Result<ScatteringMatrix<T>> {
        let too_much = || Error::Memory {
            what: format!("the scattering matrix of {} plane waves", self.waves()),
            needed: self.matrix_bytes(),
            available: 0,
        };
        let values = self.waves().checked_mul(2).and_then(|n| n.checked_mul(self.stride())).ok_or_else(too_much)?;
        Vec::<T>::new().try_reserve_exact(values).map_err(|_| too_much())?;
        // pages of zeros come from the system when workers touch them
        let values = vec![T::of(0.0); values];
        Ok(ScatteringMatrix { values, columns: self.plane.columns, stride: self.stride(), waves: self.waves() })
    }

    /// Takes all plane waves through `object`, in parallel over waves, and stores their exit waves in `matrix`, whatever
    /// it held. `engine` is that of the plan, or one of the same plane with other slices.
    ///
    /// # Errors
    /// `Shape` for an engine, object or matrix that does not belong to this plan; `Cancelled`.
    pub fn scatter(
        &self,
        context: &Context,
        engine: &Multislice<T>,
        object: &Object<T>,
        matrix: &mut ScatteringMatrix<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        matrix.expect_of(self)?;
        for (what, plane) in [("window of the engine", engine.window()), ("object", object.plane())] {
            if *plane != self.object {
                let wanted = format!("[{}, {}] and its pixels", self.object.rows, self.object.columns);
                return Err(Error::shape(what, &[plane.rows, plane.columns], wanted));
            }
        }
        if object.slices() != engine.slices() {
            return Err(Error::shape("slices of the object", &[object.slices()], format!("[{}]", engine.slices())));
        }
        let places = self.coarser.as_ref().map(|coarser| Places {
            rows: map(engine.frequencies().0, self.object.rows, coarser.rows()),
            columns: map(engine.frequencies().1, self.object.columns, coarser.columns()),
        });
        let rests: Mutex<Vec<Worker<T>>> = Mutex::default();
        let slots: Vec<Mutex<&mut [T]>> = matrix.values.chunks_mut(2 * self.stride()).map(Mutex::new).collect();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / slots.len() as f64, PHASE);
        context.for_each(slots.len(), &mut tell, &|item| {
            let mut worker = lock(&rests).pop().unwrap_or_else(|| self.worker(engine));
            self.incident(engine, item, &mut worker.wave)?;
            let finish = if self.coarser.is_some() { Form::Coefficients } else { Form::Wave };
            for pass in engine.passes(engine.slices(), Form::Coefficients, finish) {
                cancel.check(PHASE)?;
                engine.propagate(object, (0, 0), &pass, &mut worker.wave, None, &mut worker.engine);
            }
            let exit = self.resampled(places.as_ref(), &mut worker);
            store(exit, &mut lock(&slots[item]));
            lock(&rests).push(worker);
            Ok(())
        })
    }

    fn worker(&self, engine: &Multislice<T>) -> Worker<T> {
        let (rows, columns) = if self.coarser.is_some() { (self.plane.rows, self.plane.columns) } else { (0, 0) };
        Worker {
            wave: engine.wave(),
            coarse: ComplexPlane::new(rows, columns),
            engine: MultisliceWorkspace::default(),
            scratch: SweepScratch::default(),
        }
    }

    /// The plane wave of that number: one coefficient is 1.
    fn incident(&self, engine: &Multislice<T>, number: usize, wave: &mut ComplexPlane<T>) -> Result<()> {
        let index = self.waves[number].index;
        let place = |at: &[usize], index: usize| at.iter().position(|f| *f == index);
        let (rows, columns) = engine.frequencies();
        let (Some(row), Some(column)) = (place(rows, index.0), place(columns, index.1)) else {
            // the plan compared the aperture with the band limit of its own engine
            let why = format!("it does not hold the frequency indices {index:?} of plane wave {number}");
            return Err(Error::Inconsistent { what: "band limit of the engine".into(), why });
        };
        wave.clear();
        wave.set(row, column, Complex::new(T::of(1.0), T::of(0.0)));
        Ok(())
    }

    /// The exit wave on the pixels of S.
    fn resampled<'w>(&self, places: Option<&Places>, worker: &'w mut Worker<T>) -> &'w ComplexPlane<T> {
        let (Some(transform), Some(places)) = (&self.coarser, places) else {
            return &worker.wave;
        };
        worker.coarse.clear();
        for (from, to) in places.rows.iter().enumerate().filter_map(|(from, to)| Some((from, (*to)?))) {
            let (re, im) = worker.wave.row(from);
            let (to_re, to_im) = worker.coarse.row_mut(to);
            for (from, to) in places.columns.iter().enumerate().filter_map(|(from, to)| Some((from, (*to)?))) {
                (to_re[to], to_im[to]) = (re[from], im[from]);
            }
        }
        transform.backward(&mut worker.coarse, &mut worker.scratch);
        &worker.coarse
    }
}

/// The place among `coarser` (frequency indices of fewer points, FFT order) of each of the frequency indices `from` of `n`
/// points; none for frequencies that the fewer points do not hold.
fn map(from: &[usize], n: usize, coarser: &[usize]) -> Vec<Option<usize>> {
    let m = coarser.len();
    let mut place = vec![0; m];
    coarser.iter().enumerate().for_each(|(at, f)| place[*f] = at);
    let index = |f: &usize| {
        let negative = n - f;
        if m == n || 2 * f < m {
            Some(*f)
        } else if 2 * negative < m {
            Some(m - negative)
        } else {
            None
        }
    };
    from.iter().map(|f| index(f).map(|f| place[f])).collect()
}

fn store<T: Real>(wave: &ComplexPlane<T>, slot: &mut [T]) {
    let (part_re, part_im) = slot.split_at_mut(slot.len() / 2);
    let columns = wave.columns();
    let lines = part_re.chunks_exact_mut(columns).zip(part_im.chunks_exact_mut(columns));
    for (row, (to_re, to_im)) in lines.take(wave.rows()).enumerate() {
        let (re, im) = wave.row(row);
        to_re.copy_from_slice(re);
        to_im.copy_from_slice(im);
    }
}

/// A panic elsewhere reaches the caller by itself; what it left here is overwritten.
pub(super) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
