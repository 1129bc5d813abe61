//! Atoms from images alone

use super::atoms::aet_atoms;
use super::dataset::aet_dataset;
use super::guard::{guard, Host};
use super::lot::aet_lot_options;
use super::options::{chosen, CStruct};
use super::probe::aet_probe;
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::tomography::aet_tomography_options;
use crate::optimize::Termination;
use crate::reconstruct::{find_atoms, FindOptions};
use crate::specimen::elements;
use crate::{Error, Result};
use std::ffi::c_void;
use std::ptr;

/// Options of aet_dataset_find_atoms. Fill with aet_find_options_init; 0 and NULL mean automatic in all members. Lengths
/// are in the unit of the dataset.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_find_options {
    /// sizeof(aet_find_options).
    pub struct_size: usize,
    /// The model that is fitted; each atom has its own height whatever is said there. NULL: the defaults, and the direct
    /// model without a probe.
    pub fit: *const aet_lot_options,
    /// The volume of the first guess, whose shape residual volumes have, too; without `initial` and `support`. NULL: SIRT
    /// with its defaults.
    pub tomography: *const aet_tomography_options,
    /// Atoms nearer than this are one: below the shortest bond; 0: 1.6 angstrom. Required for a dataset in pixels.
    pub minimum_distance: f64,
    /// Standard deviation by which volumes are smoothed; 0: a quarter of the minimum distance.
    pub smoothing: f64,
    /// Smallest peak of the first guess as a part of the 99.9 % quantile of the smoothed volume; 0: 0.25.
    pub threshold: f64,
    /// Orbitals lower than this part of the median height are no atoms; 0: 0.4. With species of very different heights
    /// it must lie below the ratio of the lightest to the median.
    pub weak: f64,
    /// Fits at most; 0: 12.
    pub max_cycles: i32,
    /// Iterations of each fit; 0: 40.
    pub fit_iterations: i32,
    /// Atomic number of all atoms; 0: that of the dataset's metadata, where `elements` names one element, else unknown.
    pub species: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, raw pointers and numbers; four i32 stand after the 8-byte
// members.
unsafe impl CStruct for aet_find_options {
    const NAME: &'static str = "aet_find_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_find_options {
            struct_size: size_of::<Self>(),
            fit: ptr::null(),
            tomography: ptr::null(),
            minimum_distance: 0.0,
            smoothing: 0.0,
            threshold: 0.0,
            weak: 0.0,
            max_cycles: 0,
            fit_iterations: 0,
            species: 0,
            reserved: 0,
        }
    }
}

impl Host {
    /// An atomic number, 0 is None.
    pub(super) fn atomic_number(&self, number: i32, argument: &'static str) -> Result<Option<u8>> {
        let wanted = || format!("an atomic number 0 (unknown) to {}", elements::MAX_ATOMIC_NUMBER);
        let known = u8::try_from(number).ok().filter(|z| *z <= elements::MAX_ATOMIC_NUMBER);
        let known = known.ok_or_else(|| Error::range(argument, number, wanted()))?;
        Ok((known > 0).then_some(known))
    }

    fn find_options(&self, options: *const aet_find_options) -> Result<FindOptions> {
        let options = self.options(options)?;
        let default = FindOptions::default();
        let count = |n: i32, argument: &'static str, automatic: usize| {
            self.count(n.into(), argument).map(|n| if n == 0 { automatic } else { n })
        };
        Ok(FindOptions {
            fit: self.lot_options(options.fit)?,
            tomography: match options.tomography.is_null() {
                true => default.tomography,
                false => self.tomography_options(options.tomography)?.alone("aet_dataset_find_atoms")?,
            },
            minimum_distance: chosen(options.minimum_distance),
            smoothing: chosen(options.smoothing),
            threshold: chosen(options.threshold),
            weak: chosen(options.weak).unwrap_or(default.weak),
            max_cycles: count(options.max_cycles, "max_cycles", default.max_cycles)?,
            fit_iterations: count(options.fit_iterations, "fit_iterations", default.fit_iterations)?,
            species: self.atomic_number(options.species, "species")?,
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_find_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_find_options_init(options: *mut aet_find_options, struct_size: usize) -> aet_status {
    guard("aet_find_options_init", |host| host.init(options, struct_size))
}

/// Finds atoms without a model to start from: the peaks of a SIRT volume are fitted as local orbitals; weak ones are
/// dropped, near ones merged; a volume of the images minus the fit shows atoms that are missing; and so on until nothing
/// changes. Start aet_recon_create_lot from the result for the final fit. `probe` is needed by the rigid model; NULL: the
/// direct one. `options` and `progress` may be NULL; progress tells the cycle as iteration. The result does not depend on
/// the number of threads.
///
/// AET_OK where nothing changed any more, AET_MAX_ITERATIONS where the last cycle still changed something, AET_CANCELLED
/// where `progress` or aet_context_request_cancel ended it: `*atoms` are then those of the last fit, or NULL where none
/// was finished. AET_ERROR_EMPTY where nothing looks like an atom, AET_ERROR_NOT_READY without an image in use or, for a
/// dataset in pixels, without minimum_distance, and the errors of aet_volume_reconstruct and aet_recon_create_lot. Any
/// thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_find_atoms(
    dataset: *const aet_dataset,
    probe: *const aet_probe,
    options: *const aet_find_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_dataset_find_atoms", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let dataset = host.dataset(dataset)?;
        let probe = host.optional_input(probe, "probe")?.map(AsRef::as_ref);
        let options = host.find_options(options)?;
        match find_atoms(&dataset.context, &dataset.series, probe, &options, &mut host.progress(progress, user)) {
            Ok(found) => {
                place.set(found.atoms);
                Ok(match found.termination {
                    Termination::Cancelled => aet_status::AET_CANCELLED,
                    Termination::MaxIterations => aet_status::AET_MAX_ITERATIONS,
                    _ => aet_status::AET_OK,
                })
            }
            Err(error) => {
                if matches!(error, Error::Cancelled { .. }) {
                    place.clear();
                }
                Err(error)
            }
        }
    })
}
