//! Standard errors of atoms and of other fitted values

use super::aet_atoms;
use super::enums::{host_enum, HostEnum};
use super::guard::guard;
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::recon::{aet_recon, shaped};
use super::status::aet_status;
use super::view::aet_view;
use crate::reconstruct::{ErrorMethod, ErrorOptions, NoiseModel};
use crate::{Error, Result};
use ndarray::Array1;
use std::ffi::{c_char, c_void};

/// Which parameters the error of an atom takes into account.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_estimate_method {
    /// Dense for up to 400 free parameters, else local.
    Automatic = 0,
    /// Position, own height and own width of the atom and of its neighbours; atoms further away and parameters that many
    /// atoms share count as known. Its cost grows with the number of atoms only.
    Local = 1,
    /// All free parameters at once; for small problems: a prediction and two gradients per parameter.
    Dense = 2,
}

host_enum!(aet_estimate_method:
    Automatic = "AET_ESTIMATE_METHOD_AUTOMATIC",
    Local = "AET_ESTIMATE_METHOD_LOCAL",
    Dense = "AET_ESTIMATE_METHOD_DENSE",
);

/// Where the variance of the noise of a pixel is taken from.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_noise_model {
    /// What the dataset knows of all images: their noise variance, else their counts, else the residuals.
    Automatic = 0,
    /// The noise variance given with each image.
    Variance = 1,
    /// Poisson counts: calculated intensity / counts per unit.
    Counts = 2,
    /// The variance of the residuals of each image, so that errors of the model count as noise.
    Residual = 3,
}

host_enum!(aet_noise_model:
    Automatic = "AET_NOISE_MODEL_AUTOMATIC",
    Variance = "AET_NOISE_MODEL_VARIANCE",
    Counts = "AET_NOISE_MODEL_COUNTS",
    Residual = "AET_NOISE_MODEL_RESIDUAL",
);

/// Options of aet_recon_estimate_errors. Fill with aet_error_options_init; 0 means automatic in all members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_error_options {
    /// sizeof(aet_error_options).
    pub struct_size: usize,
    /// An aet_estimate_method.
    pub method: i32,
    /// An aet_noise_model.
    pub noise: i32,
    /// Neighbours within this distance belong to an atom's cluster (local method), angstrom; 0: where they overlap.
    pub radius: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand before the double.
unsafe impl CStruct for aet_error_options {
    const NAME: &'static str = "aet_error_options";

    fn defaults() -> Self {
        aet_error_options { struct_size: size_of::<Self>(), method: 0, noise: 0, radius: 0.0 }
    }
}

impl TryFrom<aet_error_options> for ErrorOptions {
    type Error = Error;

    fn try_from(options: aet_error_options) -> Result<Self> {
        Ok(ErrorOptions {
            method: match aet_estimate_method::from_number(options.method, "method")? {
                aet_estimate_method::Automatic => ErrorMethod::Automatic,
                aet_estimate_method::Local => ErrorMethod::Local,
                aet_estimate_method::Dense => ErrorMethod::Dense,
            },
            noise: noise_model(options.noise)?,
            radius: chosen(options.radius),
        })
    }
}

fn noise_model(number: i32) -> Result<NoiseModel> {
    Ok(match aet_noise_model::from_number(number, "noise")? {
        aet_noise_model::Automatic => NoiseModel::Automatic,
        aet_noise_model::Variance => NoiseModel::Variance,
        aet_noise_model::Counts => NoiseModel::Counts,
        aet_noise_model::Residual => NoiseModel::Residual,
    })
}

/// What aet_recon_estimate_errors found beside the errors of each atom.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_error_report {
    /// sizeof(aet_error_report), set by the caller.
    pub struct_size: usize,
    /// sqrt(mean of the summed variances of x, y and z) over the atoms that are determined, pm (1/100 of the unit
    /// of lengths); NaN where there is none.
    pub predicted_rmsd_pm: f64,
    /// Atoms that the images do not determine: their standard error is infinite, or longer than 0.9 angstrom (pixels of a
    /// dataset in pixels), where a linear estimate ends and a comparison would not match them. Left out of the RMSD.
    pub undetermined: i64,
    /// An aet_estimate_method, the one used.
    pub method: i32,
    /// An aet_noise_model, the one used.
    pub noise: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; a pair of i32 stands at the end.
unsafe impl CStruct for aet_error_report {
    const NAME: &'static str = "aet_error_report";

    fn defaults() -> Self {
        let struct_size = size_of::<Self>();
        aet_error_report { struct_size, predicted_rmsd_pm: f64::NAN, undetermined: 0, method: 0, noise: 0 }
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_error_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_error_options_init(options: *mut aet_error_options, struct_size: usize) -> aet_status {
    guard("aet_error_options_init", |host| host.init(options, struct_size))
}

/// Standard errors of the atoms of the latest state, which should be that of a finished fit: how far the noise of the
/// images lets the fit wander. Errors of the model are not part of it. With the pixel weights W of the loss (1, or
/// 1 / I_cal for AET_LOSS_POISSON), the variances S of the noise and the derivatives J of the images, the covariance of
/// the parameters is C = F^-1 M F^-1, F = J^T W J, M = J^T W S W J (White, Econometrica 48, 817 (1980)); for the loss
/// that belongs to the noise it is the Cramer-Rao bound. Neighbours that overlap raise each other's errors.
///
/// `*atoms` gets a new handle: the atoms with their column `standard_error` [n,3], angstrom, infinite where the images do
/// not determine a coordinate. `height_errors` [n], which may be NULL, takes the standard errors of heights, unit of the
/// images; NaN where heights are shared or frozen. `report` may be NULL; else its `struct_size` must be set.
/// `options` NULL: defaults. `progress` may be NULL.
///
/// AET_ERROR_NOT_READY (no images, positions frozen, or an image that lacks what the noise model needs),
/// AET_ERROR_RANGE (radius; more than 20000 free parameters for the dense method), AET_ERROR_UNKNOWN_OPTION,
/// AET_ERROR_SHAPE, AET_CANCELLED. Any thread; callbacks come on the calling one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_estimate_errors(
    recon: *const aet_recon,
    options: *const aet_error_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
    height_errors: *const aet_view,
    report: *mut aet_error_report,
) -> aet_status {
    guard("aet_recon_estimate_errors", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.new_handle(atoms, "atoms")?;
        let options = ErrorOptions::try_from(host.options(options)?)?;
        let mut height_errors = host.optional_out_view(height_errors, "height_errors")?;
        let report = (!report.is_null()).then(|| host.out_struct(report, "report")).transpose()?;
        if let Some(out) = &height_errors {
            out.expect_shape(&[recon.atoms()?.len()])?;
            out.expect_holds::<f64>()?;
        }
        let estimate = recon.estimate_errors(&options, &mut host.progress(progress, user))?;
        if let Some(out) = &mut height_errors {
            out.write(&Array1::from(estimate.height_errors))?;
        }
        if let Some(report) = report {
            report.set(aet_error_report {
                predicted_rmsd_pm: estimate.predicted_rmsd_pm,
                undetermined: estimate.undetermined as i64,
                method: match estimate.method {
                    ErrorMethod::Automatic => aet_estimate_method::Automatic,
                    ErrorMethod::Local => aet_estimate_method::Local,
                    ErrorMethod::Dense => aet_estimate_method::Dense,
                } as i32,
                noise: match estimate.noise {
                    NoiseModel::Automatic => aet_noise_model::Automatic,
                    NoiseModel::Variance => aet_noise_model::Variance,
                    NoiseModel::Counts => aet_noise_model::Counts,
                    NoiseModel::Residual => aet_noise_model::Residual,
                } as i32,
                ..aet_error_report::defaults()
            });
        }
        place.set(estimate.atoms);
        Ok(())
    })
}

/// Standard errors of values of the free block `name` at the latest state, among all that is fitted, as
/// aet_recon_estimate_errors does for atoms, in the unit of the block: of optics, drift, angles, intensities, or of some atoms
/// exactly. `rows` [n_rows] are places along the first axis of the block (atoms, images, tilts, sections); NULL with n_rows 0:
/// all. `errors` has the shape of the block, with n_rows for the first axis; values are infinite where the images do not
/// determine them. `noise` is an aet_noise_model. Exact to 0.1 % for the linear model of the fit, whatever the number of atoms;
/// each value costs some tens of gradients. `progress` may be NULL.
///
/// AET_ERROR_UNKNOWN_OPTION (name, noise), AET_ERROR_SHAPE, AET_ERROR_RANGE (rows, more than 1000 values),
/// AET_ERROR_NOT_READY (no images, a frozen block, or an image that lacks what the noise model needs), AET_ERROR_UNSUPPORTED for a
/// reconstruction without orbitals, AET_CANCELLED. Any thread; callbacks come on the calling one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_block_errors(
    recon: *const aet_recon,
    name: *const c_char,
    rows: *const i64,
    n_rows: i64,
    noise: i32,
    progress: aet_progress_fn,
    user: *mut c_void,
    errors: *const aet_view,
) -> aet_status {
    guard("aet_recon_block_errors", |host| {
        let recon = host.object(recon, "recon")?;
        let (name, noise) = (host.text(name, "name")?, noise_model(noise)?);
        let mut out = host.out_view(errors, "errors")?;
        let layout = recon.layout();
        let mut shape = layout.block(&name)?.shape.clone();
        let count = shape.first_mut().ok_or_else(|| Error::Internal(format!("block {name} has no axis")))?;
        let rows = host.numbers(rows, n_rows, "rows", *count)?;
        *count = rows.as_ref().map_or(*count, Vec::len);
        out.expect_shape(&shape)?;
        out.expect_holds::<f64>()?;
        let errors = recon.block_errors(&name, rows.as_deref(), noise, &mut host.progress(progress, user))?;
        out.write(&shaped(&shape, &errors)?)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{free, message, observe, view, Scene};
    use super::super::*;
    use super::*;
    use std::ptr;

    #[test]
    fn errors_of_all_atoms() {
        let scene = Scene::small(aet_lot_model::Rigid);
        assert_eq!(scene.run(20, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
        let mut report = aet_error_report::defaults();
        let (mut errors, mut of_heights) = ([0.0; 36], [0.0; 12]);
        let (none, heights) = (ptr::null_mut(), view(&mut of_heights, &[12]));
        for method in [aet_estimate_method::Dense, aet_estimate_method::Local] {
            let options = aet_error_options { method: method as i32, ..aet_error_options::defaults() };
            let mut atoms = ptr::null_mut();
            // SAFETY: handles, and views and structures that live here.
            unsafe {
                let recon = scene.recon;
                let status =
                    aet_recon_estimate_errors(recon, &options, None, none, &raw mut atoms, &heights, &raw mut report);
                assert_eq!(status, aet_status::AET_OK, "{}", message());
                let out = view(&mut errors, &[12, 3]);
                assert_eq!(aet_atoms_copy_column(atoms, c"standard_error".as_ptr(), &out) as i32, 0);
            }
            free(atoms);
            let told = (errors.iter().map(|e| e * e).sum::<f64>() / 12.0).sqrt();
            assert!((report.predicted_rmsd_pm / (100.0 * told) - 1.0).abs() < 1e-12);
            assert_eq!((report.method, report.noise, report.undetermined), (method as i32, 3, 0));
            assert!(of_heights.iter().all(|e| *e > 0.0));
        }
    }

    #[test]
    fn errors_of_a_block() {
        let scene = Scene::small(aet_lot_model::Rigid);
        assert_eq!(scene.run(20, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
        let mut errors = [0.0; 6];
        let call = |name: &std::ffi::CStr, noise, out: *const aet_view| {
            // SAFETY: handles, NULL, a text and views that live here.
            unsafe {
                let recon = scene.recon;
                aet_recon_block_errors(recon, name.as_ptr(), ptr::null(), 0, noise, None, ptr::null_mut(), out) as i32
            }
        };
        assert_eq!(call(c"background", 0, &view(&mut errors, &[6])), 0, "{}", message());
        assert!(errors.iter().all(|e| *e > 0.0 && e.is_finite()), "{errors:?}");
        let of_rows = |name: &std::ffi::CStr, rows: &[i64], out: *const aet_view| {
            // SAFETY: handles, NULL, a text, numbers and views that live here.
            unsafe {
                let (recon, n, null) = (scene.recon, rows.len() as i64, ptr::null_mut());
                aet_recon_block_errors(recon, name.as_ptr(), rows.as_ptr(), n, 0, None, null, out) as i32
            }
        };
        let mut of_atoms = [0.0; 6];
        assert_eq!(of_rows(c"positions", &[11, 0], &view(&mut of_atoms, &[2, 3])), 0, "{}", message());
        assert!(of_atoms.iter().all(|e| *e > 0.0 && e.is_finite()), "{of_atoms:?}");
        assert_eq!(of_rows(c"positions", &[12], &view(&mut of_atoms[..3], &[1, 3])), 103);
        assert_eq!(of_rows(c"positions", &[1], &view(&mut of_atoms, &[2, 3])), 101);
        assert_eq!(of_rows(c"positions", &[], &view(&mut of_atoms, &[2, 3])), 103);
        assert_eq!(call(c"background", 9, &view(&mut errors, &[6])), 104);
        assert_eq!(call(c"colours", 0, &view(&mut errors, &[6])), 104);
        assert_eq!(call(c"background", 0, &view(&mut errors, &[2, 3])), 101);
        assert_eq!(call(c"background", 0, ptr::null()), 100);
        assert_eq!(call(c"scale", 0, &view(&mut errors, &[6])), 200);
        assert!(message().contains("scale is frozen"), "{}", message());
    }

    #[test]
    fn bad_requests() {
        let scene = Scene::small(aet_lot_model::Direct);
        let mut atoms = ptr::null_mut();
        let mut short = [0.0; 11];
        let out = view(&mut short, &[11]);
        let mut call = |options: &aet_error_options, heights: *const aet_view, progress, user| {
            let (recon, null) = (scene.recon, ptr::null_mut());
            // SAFETY: handles, NULL, and views and structures that live here.
            unsafe { aet_recon_estimate_errors(recon, options, progress, user, &raw mut atoms, heights, null) as i32 }
        };
        let (good, none) = (aet_error_options::defaults(), ptr::null_mut());
        assert_eq!(call(&aet_error_options { method: 7, ..good }, ptr::null(), None, none), 104);
        assert_eq!(call(&aet_error_options { noise: -1, ..good }, ptr::null(), None, none), 104);
        assert_eq!(call(&aet_error_options { noise: 2, ..good }, ptr::null(), None, none), 200);
        assert!(message().contains("counts_per_unit"), "{}", message());
        assert_eq!(call(&aet_error_options { radius: f64::NAN, ..good }, ptr::null(), None, none), 103);
        assert_eq!(call(&good, &out, None, none), 101);
        let mut closure: &mut dyn FnMut(&aet_progress) -> i32 = &mut |_| 1;
        assert_eq!(call(&good, ptr::null(), Some(observe), (&raw mut closure).cast()), 1);
        assert!(atoms.is_null());
        let mut options = good;
        // SAFETY: a local.
        assert_eq!(unsafe { aet_error_options_init(&raw mut options, 4) } as i32, 106);
    }
}
