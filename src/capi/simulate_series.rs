//! Simulated tilt series
//!
//! A specimen, rotations and foci become a folder with images or diffraction patterns, in parts that survive a kill.

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::detector::aet_detector;
use super::guard::{guard, Host};
use super::instrument::aet_instrument_options;
use super::log;
use super::lot::aet_precision;
use super::options::{chosen, CStruct};
use super::probe::aet_probe;
use super::progress::{aet_progress, aet_progress_fn};
use super::simulation_ensemble::{phonons_of, spread_of};
use super::simulation_options::aet_simulation_options;
use super::status::aet_status;
use super::view::aet_const_view;
use crate::optics::{Detector, DetectorKind, Probe};
use crate::pipeline::{memory_estimate, simulate_series, SeriesProgress, SeriesRun};
use crate::problem::Phase;
use crate::simulate::stem::WindowSize;
use crate::simulate::tilt_series::{MultisliceSeries, SeriesSignal};
use crate::specimen::Atoms;
use crate::{Error, Result};
use std::ffi::{c_char, c_void};
use std::ptr;

/// What a simulated series consists of. Fill with aet_series_options_init and set `rotations` and `foci`; 0 and NULL mean
/// automatic or none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_series_options {
    /// sizeof(aet_series_options).
    pub struct_size: usize,
    /// `[tilts,3,3]`: proper rotations about the origin of the specimen, p' = R p. Required.
    pub rotations: *const aet_const_view,
    /// `[n]`: heights z' of the crossover above the origin, angstrom, one image per tilt and focus; the defocus of the probe
    /// is added. Required.
    pub foci: *const aet_const_view,
    /// Sampling, slices, potential, window, precision; NULL: defaults. Its energy must be 0 or that of the probe. `rows`
    /// and `columns` are those of the cell, which all tilts have in common across the beam. Tilts differ in their height:
    /// slices are told by their thickness, `slice_edges` must be NULL. Without a window one is chosen (see `whole_window`).
    pub simulation: *const aet_simulation_options,
    /// What records the signals; NULL: a perfect instrument. A dose per A^2 is that of every image, also where the images
    /// are scans of patterns; distortions of the scan are for images only.
    pub instrument: *const aet_instrument_options,
    /// Distance of scan positions along both axes, angstrom; 0: 0.34.
    pub pixel_size: f64,
    /// Vacuum around specimen and scan in the cell, on every side, angstrom; 0: 4.
    pub vacuum: f64,
    /// Standard deviation of the defocus, angstrom; 0: one defocus.
    pub defocus_spread: f64,
    /// Standard deviation of the semi-angle, mrad; 0: one semi-angle.
    pub semiangle_spread_mrad: f64,
    /// Rows of scan positions; 0: so many that all atoms stay within the images in every tilt.
    pub rows: i64,
    /// Columns of scan positions; 0: as for the rows.
    pub columns: i64,
    /// Configurations of frozen phonons in every tilt; 0: none, Debye-Waller factors blur the potential.
    pub phonon_configurations: i64,
    /// Seed of the displacements. Configuration c of tilt t depends on nothing else.
    pub phonon_seed: i64,
    /// Bytes that the run may need; 0: no limit.
    pub memory_cap: i64,
    /// Probes into which a spread of the defocus is divided, 1 to 64; 0: 7. Time grows with their number.
    pub defocus_nodes: i32,
    /// Probes into which a spread of the semi-angle is divided, 1 to 64; 0: 5. Both spreads: all pairs.
    pub semiangle_nodes: i32,
    /// 1: waves travel through the whole cell; 0: through the window of `simulation`, or through one chosen from the spread
    /// of the probe and the largest angle.
    pub whole_window: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, numbers and raw pointers; four i32 stand after the 8-byte
// members.
unsafe impl CStruct for aet_series_options {
    const NAME: &'static str = "aet_series_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_series_options {
            struct_size: size_of::<Self>(),
            rotations: ptr::null(),
            foci: ptr::null(),
            simulation: ptr::null(),
            instrument: ptr::null(),
            pixel_size: 0.0,
            vacuum: 0.0,
            defocus_spread: 0.0,
            semiangle_spread_mrad: 0.0,
            rows: 0,
            columns: 0,
            phonon_configurations: 0,
            phonon_seed: 0,
            memory_cap: 0,
            defocus_nodes: 0,
            semiangle_nodes: 0,
            whole_window: 0,
            reserved: 0,
        }
    }
}

impl aet_series_options {
    fn checked(
        &self,
        host: &Host,
        atoms: &Atoms,
        probe: &Probe,
        detector: &Detector,
    ) -> Result<(MultisliceSeries, SeriesRun)> {
        let rotations = host.view(self.rotations, "rotations")?.read::<f64, 3>([None, Some(3), Some(3)])?;
        let rotations: Vec<f64> = rotations.into_iter().collect();
        let rotations = rotations.as_chunks::<3>().0.as_chunks::<3>().0.to_vec();
        let foci = host.view(self.foci, "foci")?.read::<f64, 1>([None])?.to_vec();
        let simulation = host.options(self.simulation)?;
        let mut series = MultisliceSeries::new(probe.options().clone(), rotations, foci);
        self.set_simulation(host, &simulation, &mut series)?;
        series.instrument = host.options(self.instrument)?.checked(host)?;
        series.signal = signal_of(detector)?;
        series.pixel_size = chosen(self.pixel_size).unwrap_or(series.pixel_size);
        series.vacuum = chosen(self.vacuum).unwrap_or(series.vacuum);
        series.spread = spread_of(
            host,
            (self.defocus_spread, self.defocus_nodes),
            (self.semiangle_spread_mrad, self.semiangle_nodes),
        )?;
        (series.rows, series.columns) = (host.count(self.rows, "rows")?, host.count(self.columns, "columns")?);
        series.phonons = phonons_of(host, self.phonon_configurations, self.phonon_seed)?;
        series.fit_to(atoms);
        let double = simulation.precision()? == aet_precision::Double;
        let memory_cap = match host.count(self.memory_cap, "memory_cap")? {
            0 => None,
            cap => Some(cap as u64),
        };
        Ok((series, SeriesRun { double, memory_cap }))
    }

    /// What `simulation` and `whole_window` say, as far as it makes sense for many tilts of one probe.
    fn set_simulation(
        &self,
        host: &Host,
        simulation: &aet_simulation_options,
        series: &mut MultisliceSeries,
    ) -> Result<()> {
        let (energy, of_probe) = (simulation.energy_ev, series.probe.energy_ev);
        if energy != 0.0 && energy != of_probe {
            let why = format!("it is {energy} eV, the energy of the probe {of_probe}");
            return Err(Error::Inconsistent { what: "energy_ev of simulation".into(), why });
        }
        if !simulation.slice_edges.is_null() {
            let why = "every tilt has a height of its own; give slice_thickness".into();
            return Err(Error::Unsupported { what: "slice_edges of simulation".into(), why });
        }
        series.simulation = simulation.checked(host)?;
        series.automatic_window = match (host.flag(self.whole_window, "whole_window")?, series.simulation.window) {
            (whole, WindowSize::Whole) => !whole,
            (false, WindowSize::Pixels { .. }) => false,
            (true, WindowSize::Pixels { rows, columns }) => {
                let why = format!("it is 1 beside a window of [{rows}, {columns}] pixels, wanted one of the two");
                return Err(Error::Inconsistent { what: "whole_window".into(), why });
            }
        };
        Ok(())
    }
}

/// What a detector records at every scan position.
fn signal_of(detector: &Detector) -> Result<SeriesSignal> {
    let unsupported =
        |why: &str| Err(Error::Unsupported { what: format!("detector {}", detector.name()), why: why.into() });
    match *detector.kind() {
        _ if detector.sensitivity().is_some() => unsupported("series are made without a sensitivity map"),
        DetectorKind::Annular { inner_mrad, outer_mrad } => Ok(SeriesSignal::Annular { inner_mrad, outer_mrad }),
        DetectorKind::Pixelated { crop, binning } => Ok(SeriesSignal::Patterns { crop, binning }),
        _ => unsupported("series are made of annular detectors (images) and pixelated ones (patterns)"),
    }
}

/// Sets `struct_size` and all defaults, to which rotations and foci must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_series_options_init(options: *mut aet_series_options, struct_size: usize) -> aet_status {
    guard("aet_series_options_init", |host| host.init(options, struct_size))
}

/// Simulates a tilt and focus series of `atoms`, whose origin falls on scan position (rows / 2, columns / 2), into
/// `folder` (UTF-8): images of schema aet-tilt-series/1 with an annular `detector`, whose outer angle 0 is the band limit;
/// patterns of schema aet-4dstem-series/1 with a pixelated one. Image number tilt x foci + focus. The probe is the same in
/// all images but for its defocus; its source size blurs across the scan. A cell of the atoms is not used.
///
/// Finished parts lie in `folder`.partial until the result is complete: the same call goes on where one was cancelled,
/// killed or ran out of disk, and the result is the same to the last bit, whatever the number of threads. `progress` (may be
/// NULL) sees AET_PHASE_SIMULATING, `fraction` of the whole, and where the work stands: tilt, configuration, probe.
///
/// AET_ERROR_INCONSISTENT for a folder that exists, or a partial one of another series or at work, for a matrix that is no
/// rotation and for an energy of `simulation` that is not that of the probe; AET_ERROR_EMPTY without rotations, foci or
/// atoms; AET_ERROR_NOT_READY for frozen phonons of atoms without Debye-Waller factors; AET_ERROR_RANGE for angles beyond
/// the band limit, with the largest one and the pixel that would be needed; AET_ERROR_SHAPE, AET_ERROR_NON_FINITE;
/// AET_ERROR_UNSUPPORTED for detectors of other kinds or with a sensitivity map; AET_ERROR_MEMORY with the bytes needed and
/// allowed; none of these leaves anything behind. AET_ERROR_FILE; AET_CANCELLED, all finished parts kept. Any thread;
/// `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulate_series(
    context: *const aet_context,
    atoms: *const aet_atoms,
    probe: *const aet_probe,
    detector: *const aet_detector,
    options: *const aet_series_options,
    folder: *const c_char,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_simulate_series", |host| {
        let context = host.input(context, "context")?;
        context.check_process()?;
        let (atoms, probe) = (host.input(atoms, "atoms")?, host.input(probe, "probe")?);
        let detector = host.input(detector, "detector")?;
        let options = host.required_options(options, "options")?;
        let (series, run) = options.checked(host, atoms, probe, detector)?;
        let folder = host.path(folder, "folder")?;
        simulate_series(context, atoms, &series, &folder, &run, &mut host.series_progress(progress, user))?;
        Ok(())
    })
}

/// Bytes that aet_simulate_series with these arguments and the threads of `context` needs, into `bytes`; `memory_cap` is
/// not looked at. Errors are those of that function for its arguments. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulate_series_estimate_memory(
    context: *const aet_context,
    atoms: *const aet_atoms,
    probe: *const aet_probe,
    detector: *const aet_detector,
    options: *const aet_series_options,
    bytes: *mut u64,
) -> aet_status {
    guard("aet_simulate_series_estimate_memory", |host| {
        let threads = host.input(context, "context")?.threads();
        let (atoms, probe) = (host.input(atoms, "atoms")?, host.input(probe, "probe")?);
        let detector = host.input(detector, "detector")?;
        let bytes = host.out(bytes, "bytes")?;
        let options = host.required_options(options, "options")?;
        let (series, run) = options.checked(host, atoms, probe, detector)?;
        bytes.set(memory_estimate(&series, atoms, threads, run.double)?);
        Ok(())
    })
}

impl Host {
    /// The host's callback as an observer of a series; see [`Host::progress`].
    fn series_progress(
        &self,
        function: aet_progress_fn,
        user: *mut c_void,
    ) -> impl FnMut(&SeriesProgress) -> bool + '_ {
        move |series| {
            self.call_back(|| {
                log::deliver();
                let Some(function) = function else { return true };
                let progress = aet_progress {
                    phase: Phase::Simulating as i32,
                    fraction: series.fraction,
                    seconds: series.seconds,
                    tilt: series.tilt.0 as i64,
                    tilts: series.tilt.1 as i64,
                    configuration: series.configuration.0 as i64,
                    configurations: series.configuration.1 as i64,
                    probe: series.probes.0 as i64,
                    probes: series.probes.1 as i64,
                    ..aet_progress::defaults()
                };
                // SAFETY: the host promises a function that takes these arguments and returns normally; the structure
                // lives until it does.
                unsafe { function(user, &progress) == 0 }
            })
        }
    }
}
