//! Scans: a probe at many positions, patterns or signals of detectors.

use super::Simulation;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::forward::multislice::{Form, MultisliceWorkspace, Pass, Pupil};
use crate::optics::{DetectorPlan, Probe};
use crate::problem::Waiting;
use crate::simd::wave::ComplexPlane;
use crate::simd::Real;
use std::sync::Mutex;

/// What the calling thread is waiting for.
pub(super) const SCANNING: &str = "scanning";

/// Positions of a probe in the cell.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanPositions(Vec<(f64, f64)>);

impl ScanPositions {
    /// Positions (x, y), angstrom, in any order.
    ///
    /// # Errors
    /// `Empty` without positions, `NonFinite` for a coordinate that is no number.
    pub fn new(positions: Vec<(f64, f64)>) -> Result<Self> {
        if positions.is_empty() {
            return Err(Error::Empty { what: "scan".into(), why: "at least one position is needed".into() });
        }
        let bad = positions.iter().enumerate().flat_map(|(i, p)| [(i, p.0), (i, p.1)]).find(|(_, v)| !v.is_finite());
        match bad {
            Some((i, value)) => {
                Err(Error::NonFinite { what: "scan positions".into(), value, at: format!("position {i}") })
            }
            None => Ok(Self(positions)),
        }
    }

    /// A raster of `points` = (rows, columns) positions from `start` = (x, y) on; `end` is not part of it. Row after row.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn raster(start: (f64, f64), end: (f64, f64), points: (usize, usize)) -> Result<Self> {
        let at = |from: f64, to: f64, i: usize, n: usize| from + (to - from) * i as f64 / n as f64;
        let position = |i: usize| {
            let (row, column) = (i / points.1.max(1), i % points.1.max(1));
            (at(start.0, end.0, column, points.1), at(start.1, end.1, row, points.0))
        };
        Self::new((0..points.0 * points.1).map(position).collect())
    }

    /// The positions (x, y), angstrom.
    pub fn as_slice(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// Refuses positions outside the cell of `lengths` (x, y), for users who want no periodic continuation.
    ///
    /// # Errors
    /// `Range` with the first position outside.
    pub fn expect_within(&self, lengths: (f64, f64)) -> Result<()> {
        let outside = |(x, y): (f64, f64)| !(0.0..lengths.0).contains(&x) || !(0.0..lengths.1).contains(&y);
        match self.0.iter().position(|p| outside(*p)) {
            None => Ok(()),
            Some(i) => {
                let (x, y) = self.0[i];
                let wanted = format!("within the cell, [0, {}) x [0, {}) angstrom", lengths.0, lengths.1);
                Err(Error::range(format!("scan position {i}"), format!("({x}, {y})"), wanted))
            }
        }
    }
}

/// A probe on the window of a simulation.
pub struct StemPlan<'a, T: Real> {
    pub(super) simulation: &'a Simulation<T>,
    pub(super) pupil: Pupil<T>,
    pub(super) pass: Pass,
}

/// What one worker of a scan holds.
pub(super) struct Worker<T: Real> {
    pub(super) wave: ComplexPlane<T>,
    pub(super) pattern: Vec<T>,
    pub(super) workspace: MultisliceWorkspace<T>,
}

impl<'a, T: Real> StemPlan<'a, T> {
    /// Samples `probe` for `simulation`.
    ///
    /// # Errors
    /// `Inconsistent` for a probe of another energy; `Range` where the aperture reaches beyond the band limit, with the
    /// largest semi-angle and the pixel that would be needed.
    pub fn new(simulation: &'a Simulation<T>, probe: &Probe) -> Result<Self> {
        if (probe.energy_ev() / simulation.energy_ev() - 1.0).abs() > 1e-12 {
            let why = format!("{} eV, but the simulation is for {} eV", probe.energy_ev(), simulation.energy_ev());
            return Err(Error::Inconsistent { what: "energy of the probe".into(), why });
        }
        let (window, limit) = (simulation.window(), simulation.options().band_limit);
        let largest = limit.largest_angle_mrad(window, simulation.wavelength());
        if probe.semiangle_mrad() > largest {
            let pixel = limit.pixel_for(probe.semiangle_mrad(), simulation.wavelength());
            let wanted = format!("at most {largest:.4} mrad (the band limit), or pixels of at most {pixel:.5} angstrom");
            return Err(Error::range("semiangle_mrad", probe.semiangle_mrad(), wanted));
        }
        let pupil = simulation.engine.pupil(probe.pupil_on(window));
        let pass =
            Pass { slices: 0..simulation.slices(), start: Form::Coefficients, finish: Form::Coefficients };
        Ok(Self { simulation, pupil, pass })
    }

    pub(super) fn worker(&self) -> Worker<T> {
        Worker {
            wave: self.simulation.engine.wave(),
            pattern: vec![T::of(0.0); self.simulation.window().pixels()],
            workspace: MultisliceWorkspace::default(),
        }
    }

    /// The diffraction pattern of the probe at `position` into `worker.pattern`, in FFT order.
    fn diffract(&self, position: (f64, f64), worker: &mut Worker<T>) {
        let simulation = self.simulation;
        let (corner, local) = simulation.place(position);
        self.pupil.place(local, &mut worker.wave);
        simulation.engine.propagate(
            &simulation.object,
            corner,
            &self.pass,
            &mut worker.wave,
            None,
            &mut worker.workspace,
        );
        simulation.engine.pattern(&worker.wave, &mut worker.pattern);
    }

    /// Bytes that one worker holds.
    pub fn worker_bytes(&self) -> usize {
        let window = self.simulation.window();
        ComplexPlane::<T>::bytes(window.rows, window.columns)
            + window.pixels() * size_of::<T>()
            + crate::simd::wave::SweepScratch::<T>::bytes(window.rows.max(window.columns))
    }

    /// Calls `take(position number, pattern)` on the workers for the pattern `[rows, columns]` (FFT order, sum 1 for an
    /// empty specimen) of every position, in any order.
    ///
    /// # Errors
    /// `Cancelled`, and what `take` returns.
    pub fn patterns(
        &self,
        context: &Context,
        positions: &ScanPositions,
        take: &(dyn Fn(usize, &[T]) -> Result<()> + Sync),
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let (count, pool) = (positions.0.len(), Mutex::new(Vec::new()));
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, SCANNING);
        context.for_each(count, &mut tell, &|i| {
            cancel.check(SCANNING)?;
            let taken = pool.lock().unwrap_or_else(|p| p.into_inner()).pop();
            let mut worker = taken.unwrap_or_else(|| self.worker());
            self.diffract(positions.0[i], &mut worker);
            let outcome = take(i, &worker.pattern);
            pool.lock().unwrap_or_else(|p| p.into_inner()).push(worker);
            outcome
        })
    }

    /// Signals of `detectors` (planned on the window of this simulation), one position after the other.
    ///
    /// # Errors
    /// `Cancelled`; `Shape` for detectors planned for other patterns.
    pub fn scan(
        &self,
        context: &Context,
        positions: &ScanPositions,
        detectors: &DetectorPlan,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let mut signals = vec![0.0; positions.0.len() * detectors.len()];
        let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(detectors.len().max(1)).map(Mutex::new).collect();
        let take = |i: usize, pattern: &[T]| {
            detectors.signals(pattern, &mut places[i].lock().unwrap_or_else(|p| p.into_inner()))
        };
        self.patterns(context, positions, &take, waiting)?;
        drop(places);
        Ok(signals)
    }
}
