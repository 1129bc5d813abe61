//! What a window costs: signals of a few positions through it against those through a larger one.

use super::{PatternSampling, ScanPositions, Simulation, SimulationOptions, StemPlan, WindowSize};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::optics::{Detector, DetectorPlan, Probe};
use crate::problem::Waiting;
use crate::simd::Real;
use crate::specimen::Atoms;

/// Error of signals by the truncation of waves to a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// Largest difference of any signal of any position, in the unit of the signals.
    pub largest: f64,
    /// The same as a part of the largest signal.
    pub relative: f64,
}

/// Compares the signals of `detectors` at `positions` (a few that matter) with those through a window of twice the size, or
/// the whole object where that is smaller.
///
/// # Errors
/// `Unsupported` where the options have no window; else as [`Simulation::new`] and [`StemPlan::scan`].
pub fn truncation_error<T: Real>(
    context: &Context,
    atoms: &Atoms,
    probe: &Probe,
    options: &SimulationOptions,
    detectors: &[Detector],
    positions: &ScanPositions,
    waiting: &mut Waiting<'_>,
) -> Result<Truncation> {
    let WindowSize::Pixels { rows, columns } = options.window else {
        let why = "waves travel through the whole object";
        return Err(Error::Unsupported { what: "the error of a window".into(), why: why.into() });
    };
    let plane = options.plane(atoms.require_cell()?)?;
    let wide = WindowSize::Pixels { rows: plane.rows.min(2 * rows), columns: plane.columns.min(2 * columns) };
    let mut signals = |window: WindowSize, patterns: PatternSampling| -> Result<Vec<f64>> {
        let options = SimulationOptions { window, patterns, ..options.clone() };
        let simulation = Simulation::<T>::new(context, atoms, probe.energy_ev(), &options, waiting)?;
        let plane = simulation.pattern_plane();
        let plan = DetectorPlan::new(detectors, plane, simulation.wavelength(), options.band_limit)?;
        StemPlan::new(&simulation, probe)?.scan(context, positions, &plan, waiting)
    };
    // both on the same pixels of the detectors, so that only the window differs
    let narrow = signals(options.window, PatternSampling::Padded)?;
    let wide = signals(wide, PatternSampling::Window)?;
    let largest = narrow.iter().zip(&wide).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let scale = wide.iter().map(|v| v.abs()).fold(f64::MIN_POSITIVE, f64::max);
    Ok(Truncation { largest, relative: largest / scale })
}
