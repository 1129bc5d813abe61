//! Gradients of a loss of scan signals with respect to all that a simulation is made of.

use super::scan::{ScanPositions, StemPlan, SCANNING};
use super::{Simulation, Specimen};
use crate::context::Context;
use crate::error::Result;
use crate::forward::multislice::{Flight, Kept, Object};
use crate::forward::potential::AtomGradient;
use crate::optics::DetectorPlan;
use crate::problem::Waiting;
use crate::simd::Real;
use ndarray::Array3;
use std::sync::Mutex;

/// Parts into which the positions are divided: each has a gradient of its own with respect to the object, and they are
/// added in order, so that results do not depend on the number of threads.
pub(super) const PARTS: usize = 8;

/// Writes dL/dsignals of a position, given its number and its signals.
pub type BySignal<'a> = dyn Fn(usize, &[f64], &mut [f64]) -> Result<()> + Sync + 'a;

/// What a pull-back should return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// dL/d(x, y) of every position.
    pub positions: bool,
    /// dL/dV of every slice and pixel.
    pub potential: bool,
    /// dL/d(position, B, occupancy) of every atom.
    pub atoms: bool,
}

/// Gradients of a loss.
#[derive(Debug, Clone, Default)]
pub struct StemGradient<T> {
    /// dL/d(x, y) of every position, 1/angstrom.
    pub positions: Vec<(f64, f64)>,
    /// dL/dV `[slice, row, column]`, 1/(V A), if wanted.
    pub potential: Option<Array3<T>>,
    /// dL/d atoms, if wanted.
    pub atoms: Option<AtomGradient>,
}

impl<T: Real> StemPlan<'_, T> {
    /// The adjoint of [`Self::scan`]: `by_signal(position, signals, dL/dsignals)` gets the signals of a position and
    /// writes the derivatives of the loss with respect to them; the gradient of the sum of these losses is returned.
    /// Positions are computed once, forth and back.
    ///
    /// # Errors
    /// `Unsupported` for gradients of atoms where the object was given as potential, and for PRISM; `Shape` for detectors planned for
    /// other patterns; `Cancelled`; what `by_signal` returns.
    pub fn pull_back(
        &self,
        context: &Context,
        positions: &ScanPositions,
        detectors: &DetectorPlan,
        by_signal: &BySignal<'_>,
        wanted: Wanted,
        waiting: &mut Waiting<'_>,
    ) -> Result<StemGradient<T>> {
        let simulation = self.simulation;
        if wanted.atoms && simulation.specimen.is_none() {
            return Err(simulation.no_atoms());
        }
        simulation.without_prism("gradients")?;
        self.check_detectors(detectors)?;
        self.check_positions(positions)?;
        let places = positions.as_slice();
        let object_wanted = wanted.potential || wanted.atoms;
        let parts = places.len().min(PARTS);
        let by_position = Mutex::new(vec![(0.0, 0.0); places.len()]);
        let by_object: Vec<Mutex<Option<Object<T>>>> = (0..parts).map(|_| Mutex::new(None)).collect();
        let done_positions = std::sync::atomic::AtomicUsize::new(0);
        let cancel = waiting.cancel;
        let mut tell = |_: usize| {
            let done = done_positions.load(std::sync::atomic::Ordering::Relaxed);
            waiting.at(done as f64 / places.len() as f64, SCANNING)
        };
        context.for_each(parts, &mut tell, &|part| {
            let mut way = Way::new(self, detectors, object_wanted);
            let own = places.len() * part / parts..places.len() * (part + 1) / parts;
            for (i, place) in own.clone().zip(&places[own]) {
                cancel.check(SCANNING)?;
                let gradient = way.there_and_back(self, *place, detectors, |s, d| by_signal(i, s, d))?;
                by_position.lock().unwrap_or_else(|p| p.into_inner())[i] = gradient;
                done_positions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            *by_object[part].lock().unwrap_or_else(|p| p.into_inner()) = way.by_object;
            Ok(())
        })?;
        let mut gradient = StemGradient {
            positions: by_position.into_inner().unwrap_or_else(|p| p.into_inner()),
            potential: None,
            atoms: None,
        };
        if object_wanted {
            let parts = by_object.into_iter().filter_map(|part| part.into_inner().unwrap_or_else(|p| p.into_inner()));
            let by_potential = simulation.by_potential(context, parts.collect(), waiting)?;
            if let (true, Some(Specimen { placed, potential, .. })) = (wanted.atoms, &simulation.specimen) {
                gradient.atoms = Some(potential.pull_back_all(context, placed, by_potential.view(), waiting)?);
            }
            gradient.potential = wanted.potential.then_some(by_potential);
        }
        if !wanted.positions {
            gradient.positions.clear();
        }
        Ok(gradient)
    }
}

/// One worker's memory for positions there and back.
struct Way<T: Real> {
    worker: super::scan::Worker<T>,
    kept: Kept<T>,
    signals: Vec<f64>,
    by_signal: Vec<f64>,
    by_pattern: Vec<T>,
    by_object: Option<Object<T>>,
}

impl<T: Real> Way<T> {
    fn new(plan: &StemPlan<'_, T>, detectors: &DetectorPlan, object_wanted: bool) -> Self {
        let engine = &plan.simulation.engine;
        Self {
            worker: plan.worker(),
            kept: engine.kept(),
            signals: vec![0.0; detectors.len()],
            by_signal: vec![0.0; detectors.len()],
            by_pattern: vec![T::of(0.0); plan.simulation.pattern_plane().pixels()],
            by_object: object_wanted.then(|| engine.object()),
        }
    }

    /// The gradient with respect to the position; that with respect to the object is added up.
    fn there_and_back(
        &mut self,
        plan: &StemPlan<'_, T>,
        position: (f64, f64),
        detectors: &DetectorPlan,
        by_signal: impl FnOnce(&[f64], &mut [f64]) -> Result<()>,
    ) -> Result<(f64, f64)> {
        let Self { worker, kept, signals, by_pattern, by_object, .. } = self;
        let (simulation, engine) = (plan.simulation, &plan.simulation.engine);
        let place = plan.enter(position, worker);
        let corner = place.corner;
        let (wave, workspace) = (&mut worker.wave, &mut worker.workspace);
        engine.propagate(&simulation.object, corner, &plan.pass, wave, Some(&mut *kept), workspace);
        plan.diffract(simulation.slices(), &place, worker);
        detectors.signals(&worker.pattern, signals)?;
        self.by_signal.fill(0.0);
        by_signal(signals, &mut self.by_signal)?;
        by_pattern.fill(T::of(0.0));
        detectors.pull_back(&self.by_signal, &worker.pattern, by_pattern)?;
        let outside = plan.diffract_back(by_pattern, &place, worker);
        let (wave, workspace, by_object) = (&mut worker.wave, &mut worker.workspace, by_object.as_mut());
        engine.pull_back(&simulation.object, corner, &plan.pass, kept, wave, by_object, workspace);
        let through = plan.pupil.position_gradient(place.local, &Flight::NONE, 1.0, &worker.wave);
        Ok((through.0 + outside.0, through.1 + outside.1))
    }
}

impl<T: Real> Simulation<T> {
    /// dL/dV `[slice, row, column]` from the gradients with respect to the transmission functions of all parts.
    fn by_potential(&self, context: &Context, parts: Vec<Object<T>>, waiting: &mut Waiting<'_>) -> Result<Array3<T>> {
        let plane = self.plane();
        let mut gradient = Array3::from_elem((self.slices(), plane.rows, plane.columns), T::of(0.0));
        let slices: Vec<Mutex<&mut [T]>> =
            gradient.as_slice_mut().unwrap_or_default().chunks_exact_mut(plane.pixels()).map(Mutex::new).collect();
        let cancel = waiting.cancel;
        let mut tell = |_: usize| cancel.check(SCANNING);
        context.for_each(self.slices(), &mut tell, &|k| {
            let by_transmission = |row: usize, column: usize| {
                parts.iter().map(|part| part.folded(k, row, column)).fold(Default::default(), |a, b| a + b)
            };
            let potential = self.potential_values(k);
            let mut slice = slices[k].lock().unwrap_or_else(|p| p.into_inner());
            let workspace = &mut self.transmission.workspace();
            self.transmission.pull_back(&potential, by_transmission, &mut slice, workspace);
            Ok(())
        })?;
        drop(slices);
        Ok(gradient)
    }
}
