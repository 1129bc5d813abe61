//! Atoms from images alone

use super::atoms::aet_atoms;
use super::dataset::aet_dataset;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::lot::{aet_loss, aet_lot_model, aet_lot_options};
use super::options::{chosen, CStruct};
use super::orbital::aet_orbital;
use super::probe::aet_probe;
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::table::aet_table;
use super::tomography::aet_tomography_options;
use super::view::aet_const_view;
use super::volume::aet_volume;
use crate::optimize::Termination;
use crate::reconstruct::{find_atoms, FindOptions, FirstGuess};
use crate::specimen::Atoms;
use crate::{Error, Result};
use std::ffi::{c_char, c_void};
use std::ptr;

/// Where the first guess of a search comes from, where no atoms are given.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_first_guess {
    /// The peaks of a volume of the images. The default.
    Volume = 0,
    /// A regular grid of orbitals, denser than atoms, which coarse fits draw to them, as in the papers: no volume comes in
    /// between.
    Grid = 1,
}

host_enum!(aet_first_guess:
    Volume = "AET_FIRST_GUESS_VOLUME",
    Grid = "AET_FIRST_GUESS_GRID",
);

/// Options of aet_dataset_find_atoms. Fill with aet_find_options_init; 0 and NULL mean automatic in all members. Lengths
/// are in the unit of the dataset.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_find_options {
    /// sizeof(aet_find_options).
    pub struct_size: usize,
    /// The model that is fitted; each atom has its own height whatever is said there, and probes become adaptive once the
    /// search has settled with rigid ones. NULL: the defaults, and the direct model without a probe.
    pub fit: *const aet_lot_options,
    /// The volume of the first guess, whose shape residual volumes have, too; without `initial` and `support`. NULL: 20
    /// iterations of SIRT without positivity, whose noise is alike everywhere and of either sign.
    pub tomography: *const aet_tomography_options,
    /// Atoms nearer than this are one: below the shortest bond; 0: 1.6 angstrom. Required for a dataset in pixels.
    pub minimum_distance: f64,
    /// Standard deviation by which volumes are smoothed; 0: a quarter of the minimum distance.
    pub smoothing: f64,
    /// Smallest peak of the first guess as a part of the 99.9 % quantile of the smoothed volume; 0: the lowest valley in
    /// the histogram of the peaks' heights.
    pub threshold: f64,
    /// Orbitals lower than this part of the typical height of the lightest species are no atoms; 0: 2.65 standard
    /// deviations of the heights below 1, within 0.4 and 0.55.
    pub weak: f64,
    /// Fits at most; 0: 12.
    pub max_cycles: i32,
    /// Iterations of each fit; 0: 40.
    pub fit_iterations: i32,
    /// Atomic number of all atoms; 0: as `elements` says.
    pub species: i32,
    /// 1: the model of `fit` is used whatever the images say; 0: the first guess is fitted by the direct model, too, and the
    /// one that follows the images better goes on.
    pub keep_model: i32,
    /// 1: the orbital of `fit` is the shape of the atoms; 0: the images tell it, from the second fit on, as
    /// aet_recon_fit_orbital does.
    pub keep_orbital: i32,
    /// An aet_first_guess; AET_ERROR_INCONSISTENT for a grid and `start`.
    pub first_guess: i32,
    /// Atomic numbers `[n]` of several species, the weakest scatterer first: the heights tell which atom is which. NULL:
    /// `species`, and where that is 0 the elements that the dataset's metadata name as `elements`, in the order of their
    /// numbers; else one unknown species.
    pub elements: *const aet_const_view,
    /// The first guess, with species of `elements`, instead of what is traced in a volume. NULL: none.
    pub start: *const aet_atoms,
    /// Atoms lie only where this volume, of the voxels of `tomography`, is above 0.5. NULL: everywhere.
    pub support: *const aet_volume,
    /// Names of blocks, between commas, that are fitted beside positions, heights, widths and backgrounds, such as
    /// "drift,scale", as aet_recon_freeze takes them. NULL: none.
    pub free: *const c_char,
    /// Orbitals higher than this many times the typical height of the heaviest species are two atoms; 0: 3.5 standard
    /// deviations of the heights above 1, at least 1.6; infinity: none are.
    pub split: f64,
    /// Atoms further than this from all others are noise; 0: twice the median distance of nearest neighbours, at least 2.5
    /// times the minimum distance; infinity: none are.
    pub isolation: f64,
    /// The part of the tilts, 0 to 0.5, that is held out to tell whether the atoms of the first guess should move, and which
    /// else stay where they were traced; 0: none, they move.
    pub hold_out: f64,
    /// Distance of the orbitals of a grid, d_est of the papers: at least a pixel; 0: 1 angstrom. Required for a grid and a
    /// dataset in pixels. The grid fills the volume that `tomography` describes, within `support`, where all
    /// images that see a place show the specimen; its memory counts against `memory_limit` of `fit` and of `tomography`.
    pub grid_spacing: f64,
    /// The defocus of every section is looked for up to so many angstrom from the recorded one, as aet_recon_scan_defocus does,
    /// and fitted from there on; 0: it is as recorded. The values `defocus_0`, `defocus_1`, ... (angstrom) of the table of cycles
    /// tell the corrections found. The rigid model is then kept.
    pub defocus_range: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, raw pointers and numbers; six i32 stand between 8-byte
// members.
unsafe impl CStruct for aet_find_options {
    const NAME: &'static str = "aet_find_options";

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
            keep_model: 0,
            keep_orbital: 0,
            first_guess: aet_first_guess::Volume as i32,
            elements: ptr::null(),
            start: ptr::null(),
            support: ptr::null(),
            free: ptr::null(),
            split: 0.0,
            isolation: 0.0,
            hold_out: 0.0,
            grid_spacing: 0.0,
            defocus_range: 0.0,
        }
    }
}

impl Host {
    fn find_options(&self, options: *const aet_find_options) -> Result<FindOptions> {
        let options = self.options(options)?;
        let default = FindOptions::default();
        let count = |n: i32, argument: &'static str, automatic: usize| {
            self.count(n.into(), argument).map(|n| if n == 0 { automatic } else { n })
        };
        Ok(FindOptions {
            keep_model: self.flag(options.keep_model, "keep_model")?,
            keep_orbital: self.flag(options.keep_orbital, "keep_orbital")?,
            hold_out: options.hold_out,
            first_guess: match aet_first_guess::from_number(options.first_guess, "first_guess")? {
                aet_first_guess::Volume => FirstGuess::Volume,
                aet_first_guess::Grid => FirstGuess::Grid,
            },
            grid_spacing: chosen(options.grid_spacing),
            defocus_range: options.defocus_range,
            fit: self.lot_options(options.fit)?,
            tomography: match options.tomography.is_null() {
                true => default.tomography,
                false => self.tomography_options(options.tomography)?.alone("aet_dataset_find_atoms")?,
            },
            minimum_distance: chosen(options.minimum_distance),
            smoothing: chosen(options.smoothing),
            threshold: chosen(options.threshold),
            weak: chosen(options.weak),
            max_cycles: count(options.max_cycles, "max_cycles", default.max_cycles)?,
            fit_iterations: count(options.fit_iterations, "fit_iterations", default.fit_iterations)?,
            species: self.species_to_find(&options)?,
            start: self.optional_input(options.start, "start")?.map(|atoms| Atoms::clone(atoms)),
            support: self.optional_input(options.support, "support")?.map(|held| held.volume.clone()),
            free: self.block_names(options.free)?,
            split: chosen(options.split),
            isolation: chosen(options.isolation),
        })
    }

    fn species_to_find(&self, options: &aet_find_options) -> Result<Vec<u8>> {
        match self.atomic_numbers(options.elements, "elements", None, &|i| format!("elements[{i}]"))? {
            Some(numbers) => Ok(numbers),
            None => Ok(self.atomic_number(options.species, "species")?.into_iter().collect()),
        }
    }

    /// Names between commas.
    fn block_names(&self, names: *const c_char) -> Result<Vec<String>> {
        let names = self.optional_text(names, "free")?.unwrap_or_default();
        Ok(names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect())
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_find_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_find_options_init(options: *mut aet_find_options, struct_size: usize) -> aet_status {
    guard("aet_find_options_init", |host| host.init(options, struct_size))
}

/// Finds the atoms of the images. A volume of the images is traced, or `start` is taken; local orbitals are fitted to the
/// images; their heights tell the species; weak and lonely ones are dropped, near ones merged, those far too high parted; a
/// volume of the images minus the fit shows atoms that are missing; and so on until next to nothing changes. The atoms carry
/// heights, widths and, of several species, probabilities. Start aet_recon_create_lot from them for a final fit with error
/// bars. `probe` is needed by the rigid model; NULL: the direct one. `options` and `progress` may be NULL; progress tells the
/// cycle as iteration. `*traced`, where `traced` is not NULL, is the first guess; `*cycles`, where `cycles` is not NULL, has
/// one row per fit with columns `atoms`, `dropped`, `lonely`, `merged`, `split`, `added`, `reclassified`, `loss`, `r_factor`,
/// and the value `r_factor_traced` of the first guess; the coarse fits of a grid come first. `*decisions`, where `decisions` is
/// not NULL, has one row per orbital that came, went or changed, in the order of the decisions: columns `cycle` (row of
/// `cycles`, from 1), `kind` (1 weak, 2 outside of every image or of the support, 3 lonely, 4 merged, 5 split, 6 added,
/// 7 reclassified), `orbital` (its number in that fit; of an added one in the next), `x`, `y`, `z`, `height`, `partner` (the
/// orbital of that fit that took a merged one up, or the other half, in the next fit, of one that was split; else NaN) and
/// `ratio`: what decided in parts of its limit (height to the least one, distance to the orbital that took it up or to the
/// nearest, height to the largest one, height of a peak to the least, below 1 for a doubtful one), or the probability of the new species. `*orbital`, where `orbital` is not NULL, is the shape of the atoms in
/// the last fit: set it for the final fit, since
/// heights and widths belong to it, with the model and the loss that the values `model` (an aet_lot_model) and `loss` (an
/// aet_loss) of the table name: where `fit` leaves the loss open, and images without negative values have neither counts nor
/// variances, that of counts is used where the squares of
/// what a fit leaves grow with the intensity. The value `moved` is 0 where held-out images did not bear out what a fit does to the
/// positions: they are then those of the first guess. The result does not depend on the number of threads.
///
/// AET_OK where next to nothing changed any more, AET_MAX_ITERATIONS where the last cycle still changed something,
/// AET_CANCELLED where `progress` or aet_context_request_cancel ended it: `*atoms` are then those of the last fit, or NULL, as
/// the others, where none was finished. AET_ERROR_EMPTY where nothing looks like an atom, AET_ERROR_NOT_READY without an
/// image in use or, for a dataset in pixels, without minimum_distance, AET_ERROR_INCONSISTENT for more elements than atoms,
/// AET_ERROR_UNKNOWN_OPTION for a block that does not exist, and the errors of aet_volume_reconstruct, aet_volume_trace and
/// aet_recon_create_lot. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_find_atoms(
    dataset: *const aet_dataset,
    probe: *const aet_probe,
    options: *const aet_find_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
    traced: *mut *mut aet_atoms,
    cycles: *mut *mut aet_table,
    orbital: *mut *mut aet_orbital,
    decisions: *mut *mut aet_table,
) -> aet_status {
    guard("aet_dataset_find_atoms", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let (traced, cycles) = (host.optional_new_handle(traced), host.optional_new_handle(cycles));
        let (orbital, decisions) = (host.optional_new_handle(orbital), host.optional_new_handle(decisions));
        let dataset = host.dataset(dataset)?;
        let probe = host.optional_input(probe, "probe")?.map(AsRef::as_ref);
        let options = host.find_options(options)?;
        match find_atoms(&dataset.context, &dataset.series, probe, &options, &mut host.progress(progress, user)) {
            Ok(found) => {
                if let Some(cycles) = cycles {
                    let table = found.cycles.with_value("r_factor_traced", "", found.r_factor_traced)?;
                    let table = table.with_value("moved", "", f64::from(i32::from(found.moved)))?;
                    let table = table.with_value("model", "", f64::from(aet_lot_model::of(found.fit.model) as i32))?;
                    let loss = found.fit.loss.map_or(aet_loss::Automatic, aet_loss::of);
                    cycles.set(table.with_value("loss", "", f64::from(loss as i32))?);
                }
                if let Some(orbital) = orbital {
                    orbital.set(found.fit.orbital);
                }
                if let Some(decisions) = decisions {
                    decisions.set(found.decisions);
                }
                if let Some(traced) = traced {
                    traced.set(found.traced);
                }
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
                    traced.into_iter().for_each(|place| place.clear());
                    cycles.into_iter().for_each(|place| place.clear());
                    orbital.into_iter().for_each(|place| place.clear());
                    decisions.into_iter().for_each(|place| place.clear());
                }
                Err(error)
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{common, free, message, observe, Scene};
    use super::super::*;
    use super::*;

    /// Inputs of a search from a start, and options that make it short.
    fn short() -> (Scene, aet_find_options) {
        let scene = Scene::inputs(common::series(3, 1, 41, 38), common::moved(&common::atoms(), 0.1));
        let options = aet_find_options {
            start: scene.start,
            max_cycles: 1,
            fit_iterations: 3,
            isolation: f64::INFINITY,
            ..aet_find_options::defaults()
        };
        (scene, options)
    }

    /// What a search makes; dangling until it says so.
    struct Made {
        atoms: *mut aet_atoms,
        traced: *mut aet_atoms,
        cycles: *mut aet_table,
        orbital: *mut aet_orbital,
        decisions: *mut aet_table,
    }

    /// A search of which all results are wanted, or the atoms alone.
    fn search(scene: &Scene, options: &aet_find_options, all: bool, go_on: bool) -> (i32, Made) {
        let (atoms, traced) = (ptr::dangling_mut(), ptr::dangling_mut());
        let (cycles, decisions) = (ptr::dangling_mut(), ptr::dangling_mut());
        let mut made = Made { atoms, traced, cycles, orbital: ptr::dangling_mut(), decisions };
        let mut closure: &mut dyn FnMut(&aet_progress) -> i32 = &mut |_| i32::from(!go_on);
        let (user, progress, probe) = ((&raw mut closure).cast(), Some(observe as _), ptr::null());
        let atoms = &raw mut made.atoms;
        let (traced, cycles, orbital, decisions) = match all {
            true => (&raw mut made.traced, &raw mut made.cycles, &raw mut made.orbital, &raw mut made.decisions),
            false => (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut()),
        };
        let (dataset, one) = (scene.dataset, ptr::from_ref(options));
        // SAFETY: handles, NULL, and options, places and a closure that live here.
        let status = unsafe {
            aet_dataset_find_atoms(dataset, probe, one, progress, user, atoms, traced, cycles, orbital, decisions)
        };
        (status as i32, made)
    }

    #[test]
    fn results_that_nobody_wants_may_be_null() {
        let (scene, options) = short();
        let (status, made) = search(&scene, &options, true, true);
        assert!(status < 100, "{}", message());
        for (name, wanted) in [(c"model", 0.0), (c"moved", 1.0)] {
            let mut value = f64::NAN;
            // SAFETY: a handle and a local.
            let status = unsafe { aet_table_value(made.cycles, name.as_ptr(), &raw mut value) };
            assert_eq!((status as i32, value), (0, wanted), "{name:?} {}", message());
        }
        // SAFETY: a handle.
        assert!(unsafe { aet_orbital_term_count(made.orbital) } > 0);
        free(made.atoms);
        free(made.traced);
        free(made.cycles);
        free(made.orbital);
        free(made.decisions);
        let (status, made) = search(&scene, &options, false, true);
        assert!(status < 100, "{}", message());
        free(made.atoms);
    }

    #[test]
    fn a_search_that_is_stopped_at_once_clears_its_places() {
        let (scene, options) = short();
        let (status, made) = search(&scene, &options, true, false);
        assert_eq!(status, 1, "{}", message());
        assert!(made.atoms.is_null() && made.traced.is_null() && made.cycles.is_null());
        assert!(made.orbital.is_null() && made.decisions.is_null());
    }

    #[test]
    fn bad_options_are_named() {
        let (scene, good) = short();
        let fails = |options: &aet_find_options, code: i32, mention: &str| {
            let (status, made) = search(&scene, options, true, true);
            assert_eq!(status, code, "{}", message());
            assert!(message().contains(mention), "{}", message());
            assert!(!made.atoms.is_null() && !made.orbital.is_null(), "failures write nothing");
        };
        fails(&aet_find_options { keep_model: 2, ..good }, 103, "keep_model");
        fails(&aet_find_options { keep_orbital: -1, ..good }, 103, "keep_orbital");
        fails(&aet_find_options { hold_out: 0.51, ..good }, 103, "hold_out is 0.51");
        fails(&aet_find_options { hold_out: f64::NAN, ..good }, 103, "hold_out is NaN");
        fails(&aet_find_options { first_guess: 2, ..good }, 104, "AET_FIRST_GUESS_GRID = 1");
        fails(&aet_find_options { first_guess: 1, ..good }, 302, "`start`");
        let grid = aet_find_options { start: ptr::null(), first_guess: 1, ..good };
        fails(&aet_find_options { grid_spacing: -1.0, ..grid }, 103, "grid_spacing is -1");
        fails(&aet_find_options { grid_spacing: 1e-3, ..grid }, 103, "size of a pixel");
        fails(&aet_find_options { struct_size: 12, ..good }, 106, "aet_find_options");
    }

    #[test]
    fn missing_arguments_are_named() {
        let (scene, options) = short();
        let (mut atoms, user, probe) = (ptr::null_mut(), ptr::null_mut(), ptr::null());
        let (traced, cycles) = (ptr::null_mut(), ptr::null_mut());
        let (orbital, decisions) = (ptr::null_mut(), ptr::null_mut());
        let fails = |dataset: *const aet_dataset, place, mention: &str| {
            // SAFETY: handles and NULL.
            let status = unsafe {
                let one = &raw const options;
                aet_dataset_find_atoms(dataset, probe, one, None, user, place, traced, cycles, orbital, decisions)
            };
            assert_eq!((status as i32, message().contains(mention)), (100, true), "{}", message());
        };
        fails(scene.dataset.cast_const(), ptr::null_mut(), "`atoms` is NULL");
        fails(ptr::null(), &raw mut atoms, "`dataset` is NULL");
        assert!(atoms.is_null());
    }
}
