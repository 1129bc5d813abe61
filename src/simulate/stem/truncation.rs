//! What a window costs: signals of a few positions through it against those through a larger one.

use super::{PatternSampling, ScanPositions, Simulation, SimulationOptions, StemPlan, WindowSize};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::optics::{Detector, Probe};
use crate::problem::Waiting;
use crate::simd::Real;

/// Error of signals by the truncation of waves to a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// Largest difference of any signal of any position, in the unit of the signals.
    pub largest: f64,
    /// The same as a part of the largest signal.
    pub relative: f64,
}

impl<T: Real> Simulation<T> {
    /// Compares the signals of `detectors` at `positions` (a few that matter) with those through a window of twice the
    /// size, or the whole object where that is smaller.
    ///
    /// # Errors
    /// `Unsupported` without a window, and for an object that was given as potential; else as [`Simulation::new`] and
    /// [`StemPlan::scan`].
    pub fn window_error(
        &self,
        context: &Context,
        probe: &Probe,
        detectors: &[Detector],
        positions: &ScanPositions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Truncation> {
        let unsupported = |why: &str| Error::Unsupported { what: "the error of a window".into(), why: why.into() };
        let WindowSize::Pixels { rows, columns } = self.options.window else {
            return Err(unsupported("waves travel through the whole object"));
        };
        let Some(specimen) = &self.specimen else {
            return Err(unsupported("the object was given as a potential; make another of a larger window"));
        };
        let plane = self.plane();
        let wide = WindowSize::Pixels { rows: plane.rows.min(2 * rows), columns: plane.columns.min(2 * columns) };
        let mut signals = |window: WindowSize, patterns: PatternSampling, from: f64, to: f64| -> Result<Vec<f64>> {
            let options = SimulationOptions { window, patterns, ..self.options.clone() };
            let (atoms, energy) = (&specimen.atoms, self.energy_ev);
            let middle = 0.5 * (from + to);
            let simulation =
                waiting.part(from, middle, |waiting| Self::new(context, atoms, energy, &options, waiting))?;
            let plan = simulation.detectors(detectors)?;
            let scan = StemPlan::new(&simulation, probe)?;
            waiting.part(middle, to, |waiting| scan.scan(context, positions, &plan, waiting))
        };
        // both on the same pixels of the detectors, so that only the window differs
        let narrow = signals(self.options.window, PatternSampling::Padded, 0.0, 0.3)?;
        let wide = signals(wide, PatternSampling::Window, 0.3, 1.0)?;
        let largest = narrow.iter().zip(&wide).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let scale = wide.iter().map(|v| v.abs()).fold(f64::MIN_POSITIVE, f64::max);
        Ok(Truncation { largest, relative: largest / scale })
    }
}
