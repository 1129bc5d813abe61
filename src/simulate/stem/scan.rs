//! Scans: a probe at many positions, patterns or signals of detectors.

use super::Simulation;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::forward::multislice::{Diffraction, Form, MultisliceWorkspace, Pass, Pupil};
use crate::forward::prism::PrismProbe;
use crate::optics::{DetectorPlan, Probe};
use crate::problem::Waiting;
use crate::simd::wave::ComplexPlane;
use crate::simd::Real;
use std::ops::Range;
use std::sync::Mutex;

/// What the calling thread is waiting for.
pub(super) const SCANNING: &str = "scanning";

/// Largest coordinate of a position, angstrom.
const FARTHEST: f64 = 1e7;

/// Positions of a probe in the cell, which is periodic.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanPositions(Vec<(f64, f64)>);

impl ScanPositions {
    /// Positions (x, y), angstrom, in any order.
    ///
    /// # Errors
    /// `Empty` without positions, `NonFinite` for a coordinate that is no number, `Range` for one so far out that phases
    /// would lose their digits.
    pub fn new(positions: Vec<(f64, f64)>) -> Result<Self> {
        if positions.is_empty() {
            return Err(Error::Empty { what: "scan".into(), why: "at least one position is needed".into() });
        }
        for (i, value) in positions.iter().enumerate().flat_map(|(i, p)| [(i, p.0), (i, p.1)]) {
            if !value.is_finite() {
                return Err(Error::NonFinite { what: "scan positions".into(), value, at: format!("position {i}") });
            }
            if value.abs() > FARTHEST {
                let wanted = format!("at most {FARTHEST:e} angstrom from the corner of the cell");
                return Err(Error::range(format!("scan position {i} (counted from 0)"), value, wanted));
            }
        }
        Ok(Self(positions))
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

/// Gets exit number, position number and pattern.
type Take<'a, T> = dyn Fn(usize, usize, &[T]) -> Result<()> + Sync + 'a;

/// A probe on the window of a simulation.
pub struct StemPlan<'a, T: Real> {
    pub(super) simulation: &'a Simulation<T>,
    pub(super) pupil: Pupil<T>,
    pub(super) pass: Pass,
    /// The probe on the frequencies of padded patterns.
    free: Option<Pupil<T>>,
    /// The probe on the plane waves of PRISM, where the simulation has them.
    prism: Option<PrismProbe>,
}

/// Where a probe stands.
pub(super) struct Place {
    /// First pixel (row, column) of its window.
    pub(super) corner: (i64, i64),
    /// (x, y) from there, angstrom.
    pub(super) local: (f64, f64),
}

/// What one worker of a scan holds.
pub(super) struct Worker<T: Real> {
    pub(super) wave: ComplexPlane<T>,
    pub(super) pattern: Vec<T>,
    /// The wave with zeros around it, where patterns are sampled as the whole object.
    pub(super) spectrum: Option<ComplexPlane<T>>,
    pub(super) workspace: MultisliceWorkspace<T>,
}

impl<T: Real> Simulation<T> {
    /// Checks that a probe fits, without any work; the errors of [`StemPlan::new`].
    pub(super) fn check_probe(&self, probe: &Probe) -> Result<()> {
        if (probe.energy_ev() / self.energy_ev() - 1.0).abs() > 1e-12 {
            let why = format!("{} eV, but the simulation is for {} eV", probe.energy_ev(), self.energy_ev());
            return Err(Error::Inconsistent { what: "energy of the probe".into(), why });
        }
        let (window, limit) = (self.engine.window(), self.options().band_limit);
        let largest = limit.largest_angle_mrad(window, self.wavelength());
        if probe.semiangle_mrad() > largest {
            let pixel = limit.pixel_for(probe.semiangle_mrad(), self.wavelength());
            let wanted =
                format!("at most {largest:.4} mrad (the band limit), or pixels of at most {pixel:.5} angstrom");
            return Err(Error::range("semiangle_mrad", probe.semiangle_mrad(), wanted));
        }
        self.prism.as_ref().map_or(Ok(()), |waves| waves.check(probe))
    }
}

impl<'a, T: Real> StemPlan<'a, T> {
    /// Samples `probe` for `simulation`.
    ///
    /// # Errors
    /// `Inconsistent` for a probe of another energy; `Range` where the aperture reaches beyond the band limit, with the
    /// largest semi-angle and the pixel that would be needed.
    pub fn new(simulation: &'a Simulation<T>, probe: &Probe) -> Result<Self> {
        simulation.check_probe(probe)?;
        let pupil = simulation.engine.pupil(probe.pupil_on(simulation.engine.window()));
        let of_pattern = |diffraction: &Diffraction<T>| diffraction.pupil(probe.pupil_on(diffraction.plane()));
        let free = simulation.diffraction.as_ref().map(of_pattern);
        let pass = Pass { slices: 0..simulation.slices(), start: Form::Coefficients, finish: Form::Coefficients };
        let prism = simulation.prism.as_ref().map(|waves| waves.probe(probe)).transpose()?;
        Ok(Self { simulation, pupil, pass, free, prism })
    }

    pub(super) fn worker(&self) -> Worker<T> {
        Worker {
            wave: self.simulation.engine.wave(),
            pattern: vec![T::of(0.0); self.simulation.pattern_plane().pixels()],
            spectrum: self.simulation.diffraction.as_ref().map(Diffraction::wave),
            workspace: MultisliceWorkspace::default(),
        }
    }

    /// Brings the probe at `position` to the entrance face; returns where its window lies.
    pub(super) fn enter(&self, position: (f64, f64), worker: &mut Worker<T>) -> Place {
        let (corner, local) = self.simulation.place(position);
        self.pupil.place(local, &mut worker.wave);
        Place { corner, local }
    }

    /// Takes the wave on through `slices`. A wave that goes on from its coefficients is as good as one that never stopped,
    /// and costs as much.
    fn cross(&self, slices: Range<usize>, place: &Place, worker: &mut Worker<T>) {
        let (engine, object) = (&self.simulation.engine, &self.simulation.object);
        let pass = Pass { slices, ..self.pass.clone() };
        engine.propagate(object, place.corner, &pass, &mut worker.wave, None, &mut worker.workspace);
    }

    /// Writes the pattern of the wave behind so many slices (FFT order). Padded, the wave is lost.
    ///
    /// A window cuts off the outer rings of a probe, and the edge of the aperture in the pattern is as sharp as they reach
    /// far. So that part of the wave that no atom changed, which is known everywhere, is taken out of the window and added
    /// to the spectrum as it would be on the larger plane: FFT_pad[psi - psi_free] + FFT[psi_free]. Only what atoms make
    /// of the rings beyond the window is left out.
    pub(super) fn diffract(&self, slices: usize, place: &Place, worker: &mut Worker<T>) {
        let Worker { wave, pattern, spectrum, workspace } = worker;
        let engine = &self.simulation.engine;
        match (&self.simulation.diffraction, &self.free, spectrum) {
            (Some(diffraction), Some(free), Some(spectrum)) => {
                let flight = engine.flight(slices);
                self.pupil.add(place.local, &flight, -1.0, wave);
                engine.to_wave(wave, workspace);
                diffraction.spectrum(wave, spectrum, workspace.sweeps());
                free.add(place.local, &flight, diffraction.unit(), spectrum);
                diffraction.pattern(spectrum, pattern);
            }
            _ => engine.pattern(wave, pattern),
        }
    }

    /// Leaves in `worker.wave` the gradient with respect to the coefficients behind all slices, given that with respect to
    /// the pattern; returns the part of dL/d(x, y) that does not go through the slices.
    pub(super) fn diffract_back(&self, by_pattern: &[T], place: &Place, worker: &mut Worker<T>) -> (f64, f64) {
        let Worker { wave, spectrum, workspace, .. } = worker;
        let engine = &self.simulation.engine;
        match (&self.simulation.diffraction, &self.free, spectrum) {
            (Some(diffraction), Some(free), Some(spectrum)) => {
                let flight = engine.flight(self.simulation.slices());
                diffraction.pattern_pull_back(by_pattern, spectrum);
                let added = free.position_gradient(place.local, &flight, diffraction.unit(), spectrum);
                diffraction.spectrum_pull_back(spectrum, wave, workspace.sweeps());
                engine.to_wave_pull_back(wave, workspace);
                let taken = self.pupil.position_gradient(place.local, &flight, -1.0, wave);
                (added.0 + taken.0, added.1 + taken.1)
            }
            _ => {
                engine.pattern_pull_back(by_pattern, wave);
                (0.0, 0.0)
            }
        }
    }

    /// Bytes that one worker holds.
    pub fn worker_bytes(&self) -> usize {
        let (window, plane) = (self.simulation.window(), self.simulation.pattern_plane());
        let spectrum = if plane == window { 0 } else { ComplexPlane::<T>::bytes(plane.rows, plane.columns) };
        ComplexPlane::<T>::bytes(window.rows, window.columns)
            + spectrum
            + plane.pixels() * size_of::<T>()
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
        let take = |_: usize, i: usize, pattern: &[T]| take(i, pattern);
        self.walk(context, positions, &[self.simulation.slices()], &take, waiting)
    }

    /// Calls `take(exit number, position number, pattern)` for every exit plane (behind so many slices, rising) of every
    /// position.
    fn walk(
        &self,
        context: &Context,
        positions: &ScanPositions,
        exits: &[usize],
        take: &Take<'_, T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check_positions(positions)?;
        if let (Some(waves), Some(probe)) = (&self.simulation.prism, &self.prism) {
            if exits != [self.simulation.slices()] {
                self.simulation.without_prism("a thickness series")?;
            }
            let take = |i: usize, pattern: &[T]| take(0, i, pattern);
            return waves.plan.patterns(context, &waves.matrix, probe, &positions.0, &take, waiting);
        }
        let (count, pool) = (positions.0.len(), Mutex::new(Vec::new()));
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, SCANNING);
        context.for_each(count, &mut tell, &|i| {
            let taken = pool.lock().unwrap_or_else(|p| p.into_inner()).pop();
            let mut worker = taken.unwrap_or_else(|| self.worker());
            let place = self.enter(positions.0[i], &mut worker);
            let mut from = 0;
            for (exit, to) in exits.iter().enumerate() {
                cancel.check(SCANNING)?;
                self.cross(from..*to, &place, &mut worker);
                let goes_on = (self.free.is_some() && exit + 1 < exits.len()).then(|| worker.wave.clone());
                self.diffract(*to, &place, &mut worker);
                take(exit, i, &worker.pattern)?;
                worker.wave = goes_on.unwrap_or(worker.wave);
                from = *to;
            }
            pool.lock().unwrap_or_else(|p| p.into_inner()).push(worker);
            Ok(())
        })
    }

    /// Signals of `detectors` (planned on the patterns of this simulation), one position after the other.
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
        self.thickness_series(context, positions, detectors, &[self.simulation.slices()], waiting)
    }

    /// Signals `[exit][position][signal]` behind the first `exit_slices[exit]` slices, for specimens that end there: all
    /// thicknesses in one run through the thickest.
    ///
    /// # Errors
    /// `Empty` without exits; `Range` for an exit that is not behind the one before, or not behind a slice there is; and
    /// as [`Self::scan`].
    pub fn thickness_series(
        &self,
        context: &Context,
        positions: &ScanPositions,
        detectors: &DetectorPlan,
        exit_slices: &[usize],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        self.check_detectors(detectors)?;
        self.check_exits(exit_slices)?;
        let count = positions.0.len();
        let mut signals = vec![0.0; exit_slices.len() * count * detectors.len()];
        let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(detectors.len().max(1)).map(Mutex::new).collect();
        let take = |exit: usize, i: usize, pattern: &[T]| {
            let mut place = places[exit * count + i].lock().unwrap_or_else(|p| p.into_inner());
            detectors.signals(pattern, &mut place)
        };
        self.walk(context, positions, exit_slices, &take, waiting)?;
        drop(places);
        Ok(signals)
    }

    pub(super) fn check_positions(&self, positions: &ScanPositions) -> Result<()> {
        if !self.simulation.options.within_cell {
            return Ok(());
        }
        let (height, width) = self.simulation.plane().extent();
        positions.expect_within((width, height))
    }

    pub(super) fn check_detectors(&self, detectors: &DetectorPlan) -> Result<()> {
        let plane = self.simulation.pattern_plane();
        if detectors.pixels() == plane.pixels() {
            return Ok(());
        }
        let wanted = format!("[{}, {}], the patterns of the simulation", plane.rows, plane.columns);
        Err(Error::shape("pattern of the detectors", &[detectors.pixels()], wanted))
    }

    fn check_exits(&self, exits: &[usize]) -> Result<()> {
        if exits.is_empty() {
            return Err(Error::Empty { what: "list of exit slices".into(), why: "at least one is needed".into() });
        }
        let mut least = 1;
        for (number, exit) in exits.iter().enumerate() {
            if !(least..=self.simulation.slices()).contains(exit) {
                let wanted = format!("rising numbers of slices, here {least} to {}", self.simulation.slices());
                return Err(Error::range(format!("exit {number} (counted from 0)"), exit, wanted));
            }
            least = exit + 1;
        }
        Ok(())
    }
}
