//! Means over ensembles
//!
//! What differs from electron to electron: thermal displacements of the atoms, defocus and semi-angle of the beam.

use super::atoms::aet_atoms;
use super::detector::aet_detector;
use super::guard::{guard, Host};
use super::options::CStruct;
use super::probe::aet_probe;
use super::progress::aet_progress_fn;
use super::simulation::{aet_simulation, with_engine};
use super::simulation_scan::{array, Scan};
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::problem::Phase;
use crate::simulate::coherence::Spread;
use crate::simulate::stem::Ensemble;
use crate::simulate::{phonons, FrozenPhonons};
use crate::Result;
use std::ffi::c_void;

/// What signals are means over. Fill with aet_ensemble_options_init; zeros: atoms at rest, a coherent beam.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_ensemble_options {
    /// sizeof(aet_ensemble_options).
    pub struct_size: usize,
    /// Standard deviation of the defocus, angstrom.
    pub defocus_spread: f64,
    /// Standard deviation of the semi-angle, mrad.
    pub semiangle_spread_mrad: f64,
    /// Configurations of displaced atoms (frozen phonons); 0: none, Debye-Waller factors blur the potential.
    pub phonon_configurations: i64,
    /// Seed of the displacements; configuration i of a seed is the same however many there are.
    pub phonon_seed: i64,
    /// Probes into which a spread of the defocus is divided, 1 to 64; 0: 7. Time grows with their number.
    pub defocus_nodes: i32,
    /// Probes into which a spread of the semi-angle is divided, 1 to 64; 0: 5. Both spreads: all pairs.
    pub semiangle_nodes: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
unsafe impl CStruct for aet_ensemble_options {
    const NAME: &'static str = "aet_ensemble_options";

    fn defaults() -> Self {
        aet_ensemble_options {
            struct_size: size_of::<Self>(),
            defocus_spread: 0.0,
            semiangle_spread_mrad: 0.0,
            phonon_configurations: 0,
            phonon_seed: 0,
            defocus_nodes: 0,
            semiangle_nodes: 0,
        }
    }
}

/// Spread of an illumination; 0 nodes are automatic.
pub(super) fn spread_of(
    host: &Host,
    (defocus, defocus_nodes): (f64, i32),
    (semiangle_mrad, semiangle_nodes): (f64, i32),
) -> Result<Spread> {
    let nodes = |value: i32, name: &'static str, automatic: usize| {
        Ok(Some(host.count(value.into(), name)?).filter(|nodes| *nodes > 0).unwrap_or(automatic))
    };
    let automatic = Spread::default();
    Ok(Spread {
        defocus,
        defocus_nodes: nodes(defocus_nodes, "defocus_nodes", automatic.defocus_nodes)?,
        semiangle_mrad,
        semiangle_nodes: nodes(semiangle_nodes, "semiangle_nodes", automatic.semiangle_nodes)?,
    })
}

/// Frozen phonons; none for 0 configurations.
pub(super) fn phonons_of(host: &Host, configurations: i64, seed: i64) -> Result<Option<FrozenPhonons>> {
    match host.count(configurations, "phonon_configurations")? {
        0 => Ok(None),
        configurations => Ok(Some(FrozenPhonons { configurations, seed: seed as u64 })),
    }
}

/// Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_ensemble_options_init(
    options: *mut aet_ensemble_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_ensemble_options_init", |host| host.init(options, struct_size))
}

/// Scans as aet_simulation_scan does and writes the mean over an ensemble into `mean` `[n,count]`, f32 or f64: with frozen
/// phonons, over simulations of displaced atoms with the options of this one, as the Debye-Waller factors of its atoms
/// tell; over defocus and semi-angle by Gauss-Hermite quadrature, in intensity. `standard_error`, alike or NULL, gets the
/// standard errors of the means over the configurations, NaN for fewer than two. `options` and `progress` may be NULL.
///
/// AET_ERROR_NOT_READY for frozen phonons of atoms without Debye-Waller factors; AET_ERROR_UNSUPPORTED for those of a
/// simulation that was made of a potential; AET_ERROR_RANGE for a spread or number of nodes outside its range; else as
/// aet_simulation_scan. After AET_CANCELLED both outputs are untouched. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_scan_ensemble(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    detectors: *const *const aet_detector,
    n_detectors: i64,
    options: *const aet_ensemble_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    mean: *const aet_view,
    standard_error: *const aet_view,
) -> aet_status {
    guard("aet_simulation_scan_ensemble", |host| {
        let scan = host.scan(simulation, probe, positions, (detectors, n_detectors))?;
        let options = host.options(options)?;
        let ensemble = Ensemble {
            phonons: phonons_of(host, options.phonon_configurations, options.phonon_seed)?,
            spread: spread_of(
                host,
                (options.defocus_spread, options.defocus_nodes),
                (options.semiangle_spread_mrad, options.semiangle_nodes),
            )?,
        };
        let mut mean = host.out_view(mean, "mean")?;
        let mut errors = host.optional_out_view(standard_error, "standard_error")?;
        with_engine!(scan.held, simulation => {
            let Scan { held, probe, positions, detectors } = &scan;
            let detectors = simulation.detectors(detectors)?;
            let shape = (positions.as_slice().len(), detectors.len());
            for out in [Some(&mut mean), errors.as_mut()].into_iter().flatten() {
                out.expect_fractions()?;
                out.expect_shape(&[shape.0, shape.1])?;
            }
            let signals = host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                simulation.scan_ensemble(&held.context, probe.options(), positions, &detectors, &ensemble, waiting)
            })?;
            if let Some(out) = &mut errors {
                let unknown = || vec![f64::NAN; shape.0 * shape.1];
                out.write(&array(shape, signals.standard_error.unwrap_or_else(unknown))?)?;
            }
            mean.write(&array(shape, signals.mean)?)
        })
    })
}

/// What the window of a simulation of atoms costs: the signals of `detectors` at `positions` `[n,2]` (a few that matter)
/// through it against those through one of twice the size, or the whole cell where that is smaller. `largest` gets the
/// largest difference of any signal, `relative` the same over the largest signal; either may be NULL, as may `progress`.
///
/// AET_ERROR_UNSUPPORTED for a simulation without window or of a potential; else as aet_simulation_scan. Any thread;
/// `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_window_error(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    detectors: *const *const aet_detector,
    n_detectors: i64,
    progress: aet_progress_fn,
    user: *mut c_void,
    largest: *mut f64,
    relative: *mut f64,
) -> aet_status {
    guard("aet_simulation_window_error", |host| {
        let scan = host.scan(simulation, probe, positions, (detectors, n_detectors))?;
        let Scan { held, probe, positions, detectors } = &scan;
        let truncation = with_engine!(held, simulation => {
            host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                simulation.window_error(&held.context, probe, detectors, positions, waiting)
            })?
        });
        for (place, value) in [(largest, truncation.largest), (relative, truncation.relative)] {
            if let Some(place) = host.optional_out(place) {
                place.set(value);
            }
        }
        Ok(())
    })
}

/// The atoms in configuration `number` of frozen phonons of a seed: displaced by independent normal displacements, as
/// their Debye-Waller factors tell, without these, for which the displacements stand. Those that would leave a cell
/// through its entrance or exit face stay on it; across the beam atoms may leave it. The same on every machine, whatever
/// else is drawn. AET_ERROR_NOT_READY without Debye-Waller factors, AET_ERROR_RANGE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_displace(
    atoms: *const aet_atoms,
    seed: i64,
    number: i64,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_displace", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let number = host.count(number, "number")?;
        place.set(phonons::displaced_atoms(atoms, seed as u64, number as u64)?);
        Ok(())
    })
}
