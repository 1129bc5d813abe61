//! Accuracy of traced atoms

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::enums::host_enum;
use super::guard::guard;
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::table::aet_table;
use super::view::aet_const_view;
use super::volume_filter::watched;
use crate::analyze::{self, accuracy, AccuracyOptions, AtomState, PRECISION_LIMIT_PM};
use crate::specimen::CompareOptions;
use std::ffi::{c_char, c_void};

/// What became of an atom: the numbers in the column `state` of aet_atoms_accuracy.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_atom_state {
    /// Found, with its species.
    Correct = 0,
    /// Found, with another species.
    WrongSpecies = 1,
    /// Found where there is none.
    Extra = 2,
    /// Not found.
    Missing = 3,
}

host_enum!(aet_atom_state:
    Correct = "AET_ATOM_STATE_CORRECT",
    WrongSpecies = "AET_ATOM_STATE_WRONG_SPECIES",
    Extra = "AET_ATOM_STATE_EXTRA",
    Missing = "AET_ATOM_STATE_MISSING",
);

/// The numbers of the header are those in the table.
const _: () = {
    assert!(aet_atom_state::Correct as u8 == AtomState::Correct as u8);
    assert!(aet_atom_state::WrongSpecies as u8 == AtomState::WrongSpecies as u8);
    assert!(aet_atom_state::Extra as u8 == AtomState::Extra as u8);
    assert!(aet_atom_state::Missing as u8 == AtomState::Missing as u8);
};

/// Options of aet_atoms_accuracy. Fill with aet_accuracy_options_init; 0 means automatic.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_accuracy_options {
    /// sizeof(aet_accuracy_options).
    pub struct_size: usize,
    /// Atoms farther apart than this never match, angstrom; 0: 0.9.
    pub cutoff: f64,
    /// The depth of an atom at p is a . p with this a; 0, 0, 0: z. That of aet_dataset_depth_axis gives the average depth
    /// 1 / M sum_j z_j.
    pub depth_axis: [f64; 3],
    /// Radius of the ball that tells the surface of the particle, angstrom; 0: twice the median distance of nearest
    /// neighbours among the true atoms. Holes that the ball does not fit into are no surface.
    pub probe_radius: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only 8-byte numbers behind it.
unsafe impl CStruct for aet_accuracy_options {
    const NAME: &'static str = "aet_accuracy_options";

    fn defaults() -> Self {
        aet_accuracy_options { struct_size: size_of::<Self>(), cutoff: 0.0, depth_axis: [0.0; 3], probe_radius: 0.0 }
    }
}

impl aet_accuracy_options {
    fn checked(&self) -> AccuracyOptions {
        let automatic = CompareOptions::default();
        AccuracyOptions {
            compare: CompareOptions { cutoff: chosen(self.cutoff).unwrap_or(automatic.cutoff), ..automatic },
            depth_axis: (self.depth_axis != [0.0; 3]).then_some(self.depth_axis),
            probe_radius: chosen(self.probe_radius),
        }
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_accuracy_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_accuracy_options_init(
    options: *mut aet_accuracy_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_accuracy_options_init", |host| host.init(options, struct_size))
}

/// Compares found atoms with the true ones as aet_atoms_compare does, atom by atom. `*table` has one row per found atom, in
/// their order, and then one per missing atom, in theirs. Columns:
///
/// - `x`, `y`, `z`: position, angstrom, in the frame of the found atoms; missing ones are moved by minus the common shift;
/// - `state`: an aet_atom_state;
/// - `found_species`, `true_species`: atomic numbers, NaN where there is none;
/// - `true_index`: index of the true atom, from 0; NaN for extra atoms;
/// - `error_x`, `error_y`, `error_z`, `error`: found + shift - truth and its length, pm; NaN without a pair;
/// - `depth`, angstrom: that of the true atom, or of an extra atom;
/// - `surface_distance`, angstrom: distance of the true atom to the surface of the particle, which goes through its
///   outermost atoms (alpha shape); of an extra atom its own, negative outside. The cell of the atoms plays no part.
///
/// Single values: `true_count`, `matched`, `missing`, `extra`, `tracing_error` = (missing + extra) / true_count,
/// `species_correct`, the total classification rate, `rmsd`, `rmsd_x`, `rmsd_y`, `rmsd_z` (pm), `shift_x`, `shift_y`,
/// `shift_z` (angstrom). aet_table_error_profile and aet_table_confusion condense the table. `options` and `progress` may be
/// NULL; the result does not depend on the number of threads.
///
/// AET_ERROR_RANGE for options without meaning; AET_CANCELLED. Any thread; `progress` is called on it. Tracing error and
/// classification rate as of J. Lee et al., "Multislice Electron Tomography using 4D-STEM", II F.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_accuracy(
    context: *const aet_context,
    found: *const aet_atoms,
    truth: *const aet_atoms,
    options: *const aet_accuracy_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    table: *mut *mut aet_table,
) -> aet_status {
    guard("aet_atoms_accuracy", |host| {
        let place = host.new_handle(table, "table")?;
        let context = host.object(context, "context")?;
        let (found, truth) = (host.input(found, "found")?, host.input(truth, "truth")?);
        let options = host.options(options)?.checked();
        let report =
            watched(host, context, (progress, user), |waiting| accuracy(context, found, truth, &options, waiting))?;
        place.set(report.atoms);
        Ok(())
    })
}

/// Errors of position and of tracing against any column of a table of aet_atoms_accuracy, such as `depth` (the papers take
/// 4 angstrom) or `surface_distance`, in bins [k width, (k + 1) width) from the smallest to the largest value, empty ones
/// between them included. Columns: `lower`, `upper` (unit of the column); numbers of atoms: `true_count`, `matched`,
/// `missing`, `extra` and `wrong_species`; of the matched ones, in pm, `rmsd`, `rmsd_x`, `rmsd_y`, `rmsd_z`, and of the
/// lengths of their errors `quartile_1`, `median`, `quartile_3`, `largest`, `mean`, `smallest`, `whisker_low` and
/// `whisker_high`, NaN in bins without any, and the number of `outliers` beyond the whiskers, which end at the last errors
/// within 1.5 times the distance of the quartiles from the box (Tukey).
/// AET_ERROR_UNKNOWN_OPTION where the table has not these columns, AET_ERROR_RANGE for a width that is not positive or gives
/// more than a million bins, AET_ERROR_EMPTY where no value of the column is finite. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_error_profile(
    table: *const aet_table,
    column: *const c_char,
    width: f64,
    profile: *mut *mut aet_table,
) -> aet_status {
    guard("aet_table_error_profile", |host| {
        let place = host.new_handle(profile, "profile")?;
        let table = host.object(table, "table")?;
        place.set(analyze::error_profile(table, &host.text(column, "column")?, width)?);
        Ok(())
    })
}

/// Histograms of the lengths of errors within bins [k width, (k + 1) width) of any column of a table of aet_atoms_accuracy,
/// such as `depth`, all over the same `bins` equal bins from the smallest to the largest error; 0: automatic. Columns `lower`,
/// `upper` (pm) and `count`, and for every bin that holds matched atoms `count_l`, where l is its lower edge. Errors as of
/// aet_table_error_profile; AET_ERROR_EMPTY where no atom is matched, AET_ERROR_INCONSISTENT for more than 256 bins of the
/// column, AET_ERROR_RANGE for more than a million `bins`. Any thread. Figure 3D of nLOT (Mao, Cui, Yu).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_error_histogram(
    table: *const aet_table,
    column: *const c_char,
    width: f64,
    bins: i64,
    histogram: *mut *mut aet_table,
) -> aet_status {
    guard("aet_table_error_histogram", |host| {
        let place = host.new_handle(histogram, "histogram")?;
        let table = host.object(table, "table")?;
        let bins = Some(host.count(bins, "bins")?).filter(|bins| *bins > 0);
        place.set(analyze::error_histogram(table, &host.text(column, "column")?, width, bins)?);
        Ok(())
    })
}

/// The confusion matrix of a table of aet_atoms_accuracy: a row per true species in ascending order, then one of extra atoms,
/// whose `true_species` is NaN; a column of numbers of atoms for each found species, called by its symbol (`X`: unknown), and
/// `missing`; `rate` is the part of the row that has its species, NaN for extra atoms. AET_ERROR_UNKNOWN_OPTION where the
/// table has no `true_species` and `found_species`. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_table_confusion(table: *const aet_table, confusion: *mut *mut aet_table) -> aet_status {
    guard("aet_table_confusion", |host| {
        let place = host.new_handle(confusion, "confusion")?;
        place.set(analyze::confusion(host.object(table, "table")?)?);
        Ok(())
    })
}

/// Straight lines through the errors `rmsd` `[n]` (pm) of models of `atoms` `[n]` atoms, by least squares of equal weights:
/// slope_origin N, and intercept + slope N as figure 5 of nLOT (Mao, Cui, Yu) has it. `*trend` has the columns `atoms`,
/// `rmsd`, `line` and `line_origin` (what the lines have there); values `slope`, `slope_origin` (pm per million atoms),
/// `intercept` (pm), their standard errors from the residuals `slope_error`, `slope_origin_error`, `intercept_error` (NaN for
/// two points), root mean squares of the residuals `residual`, `residual_origin` (pm), the numbers of atoms at which the
/// lines reach `limit` pm, `atoms_at_limit` and `atoms_at_limit_origin` (0 where a line begins above it, infinite where it
/// never gets there), and `limit`. `limit` 0: 10 pm. AET_ERROR_SHAPE for views of different lengths, AET_ERROR_NON_FINITE,
/// AET_ERROR_RANGE for numbers below 0, AET_ERROR_EMPTY for fewer than two models, AET_ERROR_INCONSISTENT where all have the
/// same number of atoms. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_rmsd_trend(
    atoms: *const aet_const_view,
    rmsd: *const aet_const_view,
    limit: f64,
    trend: *mut *mut aet_table,
) -> aet_status {
    guard("aet_rmsd_trend", |host| {
        let place = host.new_handle(trend, "trend")?;
        let atoms = host.view(atoms, "atoms")?.read::<f64, 1>([None])?.to_vec();
        let rmsd = host.view(rmsd, "rmsd")?.read::<f64, 1>([None])?.to_vec();
        place.set(analyze::rmsd_trend(&atoms, &rmsd, chosen(limit).unwrap_or(PRECISION_LIMIT_PM))?);
        Ok(())
    })
}
