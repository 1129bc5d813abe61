//! Scans
//!
//! A probe at any positions of a simulation: waves, diffraction patterns, signals of detectors.

use super::detector::aet_detector;
use super::elements::Number;
use super::guard::{guard, Host};
use super::probe::aet_probe;
use super::progress::aet_progress_fn;
use super::simulation::{aet_simulation, on_worker, slices_of, with_engine, HeldSimulation};
use super::status::aet_status;
use super::view::{aet_const_view, aet_view, OutView};
use crate::context::Context;
use crate::grid::{self, Plane};
use crate::optics::{Detector, Probe};
use crate::problem::{Phase, Waiting};
use crate::simd::Real;
use crate::simulate::stem::{ScanPositions, StemPlan};
use crate::{Error, Result};
use ndarray::{Array, ArrayView2, ShapeBuilder};
use num_complex::Complex64;
use std::ffi::c_void;
use std::slice;

/// The wave of `probe` at (`x`, `y`) angstrom of the cell behind the first `slices` slices (0: all) into `out`
/// `[rows,columns]` of the window, complex. Its first pixel is pixel (`first_row`, `first_column`) of the cell, which is
/// periodic; they may be negative. Either place may be NULL. In the empty cell |FFT psi|^2 sums to 1.
///
/// AET_ERROR_INCONSISTENT for a probe of another energy; AET_ERROR_RANGE for a semi-angle beyond the band limit, with the
/// largest one and the pixel that would be needed, and for `slices`; AET_ERROR_NON_FINITE, AET_ERROR_SHAPE,
/// AET_ERROR_DTYPE; AET_ERROR_UNSUPPORTED by PRISM; AET_CANCELLED on request. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_probe_exit_wave(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    x: f64,
    y: f64,
    slices: i64,
    out: *const aet_view,
    first_row: *mut i64,
    first_column: *mut i64,
) -> aet_status {
    guard("aet_simulation_probe_exit_wave", |host| {
        let held = host.simulation(simulation)?;
        let probe = host.input(probe, "probe")?;
        let mut out = host.out_view(out, "out")?;
        out.expect_holds::<Complex64>()?;
        let (row, column) = with_engine!(held, simulation => {
            let (window, slices) = (simulation.window(), slices_of(host, slices, simulation.slices())?);
            out.expect_shape(&[window.rows, window.columns])?;
            let (wave, first) = on_worker(&held.context, |cancel| simulation.probe_exit_wave(probe, (x, y), slices, cancel))?;
            out.write(&wave)?;
            first
        });
        for (place, value) in [(first_row, row), (first_column, column)] {
            if let Some(place) = host.optional_out(place) {
                place.set(value);
            }
        }
        Ok(())
    })
}

/// Number of values that the `n` `detectors` give per position, one after the other, into `count`. Errors are those of
/// aet_simulation_scan for the detectors. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_signal_count(
    simulation: *const aet_simulation,
    detectors: *const *const aet_detector,
    n: i64,
    count: *mut i64,
) -> aet_status {
    guard("aet_simulation_signal_count", |host| {
        let held = host.object(simulation, "simulation")?;
        let count = host.out(count, "count")?;
        let detectors = detectors_of(host, detectors, n)?;
        count.set(with_engine!(held, simulation => simulation.detectors(&detectors))?.len() as i64);
        Ok(())
    })
}

/// Shape of the signal of one detector on the patterns of the simulation: its number of axes, 0 to 2, into `ndim` and their
/// extents into `shape` [2], of which unused ones are 1. Errors are those of aet_simulation_scan for the detector. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_signal_shape(
    simulation: *const aet_simulation,
    detector: *const aet_detector,
    ndim: *mut i32,
    shape: *mut i64,
) -> aet_status {
    guard("aet_simulation_signal_shape", |host| {
        let held = host.object(simulation, "simulation")?;
        let detector = host.input(detector, "detector")?;
        let (ndim, place) = (host.out(ndim, "ndim")?, host.out_slice(shape, 2, "shape")?);
        let plan = with_engine!(held, simulation => simulation.detectors(slice::from_ref(&**detector)))?;
        let of_pattern = plan.layout().first().map_or(&[][..], |signal| signal.shape.as_slice());
        let mut extents = [1; 2];
        extents.iter_mut().zip(of_pattern).for_each(|(to, from)| *to = *from as i64);
        ndim.set(of_pattern.len() as i32);
        place.set(&extents)
    })
}

/// Scans `probe` over `positions` `[n,2]`, (x, y) in the cell, angstrom, in any order and as far out as one likes: the cell
/// is periodic. `out` `[n,count]`, f32 or f64, gets the signals of the `n_detectors` `detectors`, one after the other as
/// they are given (see aet_simulation_signal_count). A pattern |FFT psi|^2 of the empty cell sums to 1, so that signals
/// are fractions of the beam; centres of mass are in 1/angstrom. `progress` may be NULL.
///
/// AET_ERROR_RANGE for an angle of a detector or a probe beyond the band limit, with the largest one and the pixel that
/// would be needed; AET_ERROR_INCONSISTENT for a probe of another energy; AET_ERROR_EMPTY without positions or
/// detectors and for a detector that covers no pixel; AET_ERROR_NON_FINITE, AET_ERROR_SHAPE, AET_ERROR_DTYPE; AET_CANCELLED,
/// then `out` is untouched. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_scan(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    detectors: *const *const aet_detector,
    n_detectors: i64,
    progress: aet_progress_fn,
    user: *mut c_void,
    out: *const aet_view,
) -> aet_status {
    guard("aet_simulation_scan", |host| {
        let scan = host.scan(simulation, probe, positions, (detectors, n_detectors))?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        with_engine!(scan.held, simulation => {
            let Scan { held, probe, positions, detectors } = &scan;
            let (plan, detectors) = (StemPlan::new(simulation, probe)?, simulation.detectors(detectors)?);
            let shape = (positions.as_slice().len(), detectors.len());
            out.expect_shape(&[shape.0, shape.1])?;
            let signals = host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                plan.scan(&held.context, positions, &detectors, waiting)
            })?;
            out.write(&array(shape, signals)?)
        })
    })
}

/// The diffraction patterns of `probe` at `positions` `[n,2]`, (x, y) in the cell, angstrom, into `out` `[n,rows,columns]` of
/// aet_simulation_pattern_shape, f32 or f64: |FFT psi|^2, of sum 1 for the empty cell, row = ky and column = kx with the
/// zero angle at n / 2. Patterns are written as they come, without a second copy. `progress` may be NULL. Errors are those of
/// aet_simulation_scan; after AET_CANCELLED some patterns are written, the others are as they were. Any thread; `progress`
/// is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_patterns(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    progress: aet_progress_fn,
    user: *mut c_void,
    out: *const aet_view,
) -> aet_status {
    guard("aet_simulation_patterns", |host| {
        let held = host.simulation(simulation)?;
        let probe = host.input(probe, "probe")?;
        let positions = positions_of(host, positions)?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        with_engine!(held, simulation => {
            let (plan, window) = (StemPlan::new(simulation, probe)?, simulation.pattern_plane());
            out.expect_shape(&[positions.as_slice().len(), window.rows, window.columns])?;
            host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                write_patterns(&held.context, &plan, &positions, &mut out, window, waiting)
            })
        })
    })
}

/// Every pattern into its plane of `out`, centred.
fn write_patterns<T: Real + Number>(
    context: &Context,
    plan: &StemPlan<'_, T>,
    positions: &ScanPositions,
    out: &mut OutView<'_>,
    window: &Plane,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let (rows, columns) = (window.rows, window.columns);
    out.with_planes(|write| {
        plan.patterns(
            context,
            positions,
            &|number, pattern| {
                let pattern = ArrayView2::from_shape((rows, columns), pattern);
                let pattern = pattern.map_err(|error| Error::Internal(format!("pattern: {error}")))?;
                let from = |i: usize, n: usize| (i + n - grid::origin(n)) % n;
                write(number, &|row, column| {
                    pattern.get((from(row, rows), from(column, columns))).map_or(f64::NAN, |v| v.f64())
                });
                Ok(())
            },
            waiting,
        )
    })?
}

/// What every scan is told.
pub(super) struct Scan<'h> {
    pub(super) held: &'h HeldSimulation,
    pub(super) probe: &'h Probe,
    pub(super) positions: ScanPositions,
    pub(super) detectors: Vec<Detector>,
}

impl Host {
    /// The arguments of a scan.
    pub(super) fn scan(
        &self,
        simulation: *const aet_simulation,
        probe: *const aet_probe,
        positions: *const aet_const_view,
        (detectors, n): (*const *const aet_detector, i64),
    ) -> Result<Scan<'_>> {
        Ok(Scan {
            held: self.simulation(simulation)?,
            probe: self.input(probe, "probe")?,
            positions: positions_of(self, positions)?,
            detectors: detectors_of(self, detectors, n)?,
        })
    }
}

/// Signals as an array.
pub(super) fn array<S: ShapeBuilder>(shape: S, signals: Vec<f64>) -> Result<Array<f64, S::Dim>> {
    Array::from_shape_vec(shape.into_shape_with_order(), signals)
        .map_err(|error| Error::Internal(format!("signals: {error}")))
}

/// Scan positions, `[n,2]`.
pub(super) fn positions_of(host: &Host, positions: *const aet_const_view) -> Result<ScanPositions> {
    let positions = host.view(positions, "positions")?.read::<f64, 2>([None, Some(2)])?;
    let (values, _) = positions.into_raw_vec_and_offset();
    ScanPositions::new(values.as_chunks::<2>().0.iter().map(|[x, y]| (*x, *y)).collect())
}

/// Descriptions of detectors.
pub(super) fn detectors_of(host: &Host, detectors: *const *const aet_detector, n: i64) -> Result<Vec<Detector>> {
    Ok(host.inputs(detectors, n, "detectors")?.iter().map(|detector| Detector::clone(detector)).collect())
}

/// Scans as aet_simulation_scan does, behind the first `exit_slices` `[exits]` slices, rising numbers: specimens that end
/// there, all in one run through the thickest. `out` `[exits,n,count]`, f32 or f64. `progress` may be NULL.
///
/// AET_ERROR_RANGE for an exit that is not behind the one before, or not behind a slice there is; AET_ERROR_EMPTY without
/// exits; AET_ERROR_UNSUPPORTED for simulations by PRISM and other exits than the one behind all slices; else as
/// aet_simulation_scan. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_thickness_series(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    exit_slices: *const aet_const_view,
    detectors: *const *const aet_detector,
    n_detectors: i64,
    progress: aet_progress_fn,
    user: *mut c_void,
    out: *const aet_view,
) -> aet_status {
    guard("aet_simulation_thickness_series", |host| {
        let scan = host.scan(simulation, probe, positions, (detectors, n_detectors))?;
        let exits = host.view(exit_slices, "exit_slices")?.read::<f64, 1>([None])?;
        let exits = exits.iter().enumerate().map(|(i, exit)| whole_number(i, *exit)).collect::<Result<Vec<_>>>()?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        with_engine!(scan.held, simulation => {
            let Scan { held, probe, positions, detectors } = &scan;
            let (plan, detectors) = (StemPlan::new(simulation, probe)?, simulation.detectors(detectors)?);
            let shape = (exits.len(), positions.as_slice().len(), detectors.len());
            out.expect_shape(&[shape.0, shape.1, shape.2])?;
            let signals = host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                plan.thickness_series(&held.context, positions, &detectors, &exits, waiting)
            })?;
            out.write(&array(shape, signals)?)
        })
    })
}

/// A number of slices that came as a double.
fn whole_number(index: usize, value: f64) -> Result<usize> {
    if value.fract() == 0.0 && (0.0..1e9).contains(&value) {
        return Ok(value as usize);
    }
    Err(Error::range(format!("exit {index} (counted from 0)"), value, "a whole number of slices"))
}
