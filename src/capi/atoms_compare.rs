//! Comparison of atoms

use super::atoms::aet_atoms;
use super::guard::{guard, Host};
use super::options::CStruct;
use super::status::aet_status;
use super::view::aet_view;
use crate::specimen::{compare, CompareOptions, Comparison};
use crate::Result;
use ndarray::Array2;

/// How two lists of atoms are compared.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_compare_options {
    /// sizeof(aet_compare_options).
    pub struct_size: usize,
    /// Atoms farther apart than this never match, angstrom; 0: 0.9.
    pub cutoff: f64,
    /// 1: also find the common rotation (where tilt angles were refined); 0: do not.
    pub remove_rotation: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers, no padding.
unsafe impl CStruct for aet_compare_options {
    const NAME: &'static str = "aet_compare_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_compare_options { struct_size: size_of::<Self>(), cutoff: 0.0, remove_rotation: 0, reserved: 0 }
    }
}

impl aet_compare_options {
    fn checked(&self, host: &Host) -> Result<CompareOptions> {
        let automatic = CompareOptions::default();
        let cutoff = if self.cutoff == 0.0 { automatic.cutoff } else { self.cutoff };
        Ok(CompareOptions { cutoff, remove_rotation: host.flag(self.remove_rotation, "remove_rotation")? })
    }
}

/// What a comparison of found atoms with the true ones says. Figures in pm are in 1/100 pixel where lengths are in
/// pixels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_comparison {
    /// sizeof(aet_comparison), set by the caller.
    pub struct_size: usize,
    /// Number of true atoms.
    pub true_count: i64,
    /// Pairs of mutually nearest atoms within the cutoff.
    pub matched: i64,
    /// True atoms without a partner.
    pub missing: i64,
    /// Found atoms without a partner.
    pub extra: i64,
    /// sqrt(mean |found + shift - truth|^2) over the pairs, pm; NaN without pairs.
    pub rmsd_pm: f64,
    /// The same along x, pm.
    pub rmsd_x_pm: f64,
    /// The same along y, pm.
    pub rmsd_y_pm: f64,
    /// The same along z, pm.
    pub rmsd_z_pm: f64,
    /// Fraction of the true atoms whose partner has the same species, 0 to 1.
    pub species_correct: f64,
    /// Common shift (x, y, z) that was added to the found atoms, angstrom.
    pub shift: [f64; 3],
    /// Angle of the common rotation, degrees; NaN where it was not asked for or there are fewer than three pairs.
    pub rotation_deg: f64,
    /// RMSD with the common rotation removed, too, pm; NaN as `rotation_deg`.
    pub rmsd_rotated_pm: f64,
    /// (missing + extra) / true_count.
    pub tracing_error: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only 8-byte numbers behind it.
unsafe impl CStruct for aet_comparison {
    const NAME: &'static str = "aet_comparison";

    fn defaults() -> Self {
        let nan = f64::NAN;
        aet_comparison {
            struct_size: size_of::<Self>(),
            true_count: 0,
            matched: 0,
            missing: 0,
            extra: 0,
            rmsd_pm: nan,
            rmsd_x_pm: nan,
            rmsd_y_pm: nan,
            rmsd_z_pm: nan,
            species_correct: nan,
            shift: [nan; 3],
            rotation_deg: nan,
            rmsd_rotated_pm: nan,
            tracing_error: nan,
        }
    }
}

impl From<&Comparison> for aet_comparison {
    fn from(comparison: &Comparison) -> Self {
        let [rmsd_x_pm, rmsd_y_pm, rmsd_z_pm] = comparison.rmsd_axis_pm;
        aet_comparison {
            struct_size: size_of::<Self>(),
            true_count: comparison.true_count as i64,
            matched: comparison.matched as i64,
            missing: comparison.missing as i64,
            extra: comparison.extra as i64,
            rmsd_pm: comparison.rmsd_pm,
            rmsd_x_pm,
            rmsd_y_pm,
            rmsd_z_pm,
            species_correct: comparison.species_correct,
            shift: comparison.shift,
            rotation_deg: comparison.rotation_deg,
            rmsd_rotated_pm: comparison.rmsd_rotated_pm,
            tracing_error: comparison.tracing_error,
        }
    }
}

/// Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_compare_options_init(options: *mut aet_compare_options, struct_size: usize) -> aet_status {
    guard("aet_compare_options_init", |host| host.init(options, struct_size))
}

/// Compares found atoms with the true ones: mutually nearest atoms within the cutoff match, after their common shift
/// was iterated out. `options` may be NULL: defaults. `comparison->struct_size` must be set. `errors`, where not NULL,
/// takes found + shift - truth of each found atom, `[found,3]`, angstrom, NaN where it has no partner. AET_ERROR_RANGE
/// for a negative cutoff, AET_ERROR_SHAPE for `errors`, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_compare(
    found: *const aet_atoms,
    truth: *const aet_atoms,
    options: *const aet_compare_options,
    comparison: *mut aet_comparison,
    errors: *const aet_view,
) -> aet_status {
    guard("aet_atoms_compare", |host| {
        let found = host.object(found, "found")?;
        let truth = host.input(truth, "truth")?;
        let options = host.options(options)?.checked(host)?;
        let place = host.out_struct(comparison, "comparison")?;
        let mut errors = host.optional_out_view(errors, "errors")?;
        if let Some(errors) = &errors {
            errors.expect_shape(&[Some(found.len()), Some(3)])?;
            errors.expect_holds::<f64>()?;
        }
        let report = compare(found, truth, &options)?;
        if let Some(errors) = &mut errors {
            let rows: Vec<[f64; 3]> = report.errors.iter().map(|error| error.unwrap_or([f64::NAN; 3])).collect();
            errors.write(&Array2::from(rows))?;
        }
        place.set(aet_comparison::from(&report));
        Ok(())
    })
}
