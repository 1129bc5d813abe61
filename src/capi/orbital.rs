//! Shapes of local orbitals
//!
//! What one atom looks like in an image before the probe blurs it, as a function of the distance from its centre.

use super::enums::{host_enum, HostEnum};
use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::options::chosen;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::forward::local_orbital::{Orbital, OrbitalTerm, RadialTable};
use crate::Error;
use ndarray::arr2;

/// What the values of a table of aet_orbital_create_table are.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_radial_table {
    /// f, the orbital as images show it.
    Projected = 0,
    /// The orbital in space, a function of the distance from the nucleus; f is its integral along the beam.
    Spatial = 1,
}

host_enum!(aet_radial_table:
    Projected = "AET_RADIAL_TABLE_PROJECTED",
    Spatial = "AET_RADIAL_TABLE_SPATIAL",
);

/// The shape f of local orbitals H f(rho / sqrt(B)), formula (2) of the LOT paper, a sum of Gaussian terms
/// f(q) = sum_t w_t exp(-q^2 / s_t). Immutable.
pub struct aet_orbital {
    _opaque: [u8; 0],
}

impl Handle for aet_orbital {
    const NAME: &'static str = "aet_orbital";
    const IMMUTABLE: bool = true;
    type Object = Orbital;
}

/// Creates an orbital of n = 1 to 12 Gaussian terms. `weights` `[n]`: w, single ones may be negative, the integral
/// sum w s must be positive; `widths` `[n]`: s in units of B, 1e-6 to 1e4. One term of weight 1 and width 1 is the
/// default of local-orbital tomography. AET_ERROR_SHAPE, AET_ERROR_EMPTY, AET_ERROR_RANGE, AET_ERROR_NON_FINITE. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_create_gaussians(
    weights: *const aet_const_view,
    widths: *const aet_const_view,
    orbital: *mut *mut aet_orbital,
) -> aet_status {
    guard("aet_orbital_create_gaussians", |host| {
        let place = host.new_handle(orbital, "orbital")?;
        let weights = host.view(weights, "weights")?.read::<f64, 1>([None])?;
        let widths = host.view(widths, "widths")?.read::<f64, 1>([Some(weights.len())])?;
        let terms = weights.iter().zip(&widths).map(|(&weight, &width)| OrbitalTerm { weight, width });
        place.set(Orbital::gaussians(&terms.collect::<Vec<_>>())?);
        Ok(())
    })
}

/// Creates the projection of the Slater function exp(-r / a), with B = 8 a^2: B is the mean square radius of the
/// projection, as it is for the Gaussian. f(q) = x K1(x) with x = sqrt(8) q and the Bessel function K1; f(0) = 1. It is
/// expanded in the fewest Gaussian terms that follow it within `tolerance` (1e-5 to 0.1; 0: 1e-3, with 6 terms).
/// AET_ERROR_RANGE for another tolerance, AET_ERROR_UNSUPPORTED for one that 12 terms do not reach. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_create_slater(tolerance: f64, orbital: *mut *mut aet_orbital) -> aet_status {
    guard("aet_orbital_create_slater", |host| {
        let place = host.new_handle(orbital, "orbital")?;
        place.set(Orbital::slater(chosen(tolerance))?);
        Ok(())
    })
}

/// Creates an orbital from a table of n >= 4 values. `radii` `[n]`, in units of sqrt(B), begin at 0 and increase;
/// `values` `[n]`, cubic between the radii and 0 beyond, end at a hundredth of the largest or less. `kind` is an
/// aet_radial_table. The function is expanded in the fewest Gaussian terms that follow f within `tolerance` of its
/// largest value (1e-5 to 0.1; 0: 1e-3).
///
/// AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE (radii, last value, tolerance), AET_ERROR_EMPTY (all values
/// 0), AET_ERROR_UNKNOWN_OPTION (`kind`), AET_ERROR_UNSUPPORTED where 12 terms do not reach the tolerance: steps and rings
/// need a larger one. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_create_table(
    radii: *const aet_const_view,
    values: *const aet_const_view,
    kind: i32,
    tolerance: f64,
    orbital: *mut *mut aet_orbital,
) -> aet_status {
    guard("aet_orbital_create_table", |host| {
        let place = host.new_handle(orbital, "orbital")?;
        let radii = host.view(radii, "radii")?.read::<f64, 1>([None])?;
        let values = host.view(values, "values")?.read::<f64, 1>([Some(radii.len())])?;
        let kind = match aet_radial_table::from_number(kind, "kind")? {
            aet_radial_table::Projected => RadialTable::Projected,
            aet_radial_table::Spatial => RadialTable::Spatial,
        };
        place.set(Orbital::tabulated(&radii.to_vec(), &values.to_vec(), kind, chosen(tolerance))?);
        Ok(())
    })
}

/// Frees an orbital. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_free(orbital: *mut aet_orbital) {
    guard_value((), |host| host.free(orbital))
}

/// Number of Gaussian terms; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_term_count(orbital: *const aet_orbital) -> i64 {
    guard_value(0, |host| Ok(host.object(orbital, "orbital")?.terms().len() as i64))
}

/// Largest difference of f from the function that was expanded, relative to its largest value; 0 for given terms, NaN for
/// NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_expansion_error(orbital: *const aet_orbital) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(orbital, "orbital")?.expansion_error()))
}

/// Copies the terms into `out` `[n,2]`, f32 or f64: weight w and width s (in units of B) of each. AET_ERROR_SHAPE,
/// AET_ERROR_DTYPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_copy_terms(orbital: *const aet_orbital, out: *const aet_view) -> aet_status {
    guard("aet_orbital_copy_terms", |host| {
        let orbital = host.object(orbital, "orbital")?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        let terms: Vec<[f64; 2]> = orbital.terms().iter().map(|t| [t.weight, t.width]).collect();
        out.write(&arr2(&terms))
    })
}

/// Evaluates f for the width B = `width` (angstrom^2, above 0) at n `radii` rho >= 0 (angstrom): `out` `[n,3]`, f32 or
/// f64, holds f(rho / sqrt(B)), its derivative with respect to rho (1 / angstrom) and that with respect to B
/// (1 / angstrom^2). AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_RANGE, AET_ERROR_NON_FINITE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_orbital_evaluate(
    orbital: *const aet_orbital,
    radii: *const aet_const_view,
    width: f64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_orbital_evaluate", |host| {
        let orbital = host.object(orbital, "orbital")?;
        let radii = host.view(radii, "radii")?.read::<f64, 1>([None])?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        if !(width.is_finite() && width > 0.0) {
            return Err(Error::range("width", width, "a positive number (angstrom^2)"));
        }
        if let Some(radius) = radii.iter().find(|r| **r < 0.0) {
            return Err(Error::range("radii", radius, "numbers from 0 (angstrom)"));
        }
        let values: Vec<[f64; 3]> = radii.iter().map(|radius| orbital.at(*radius, width)).collect();
        out.write(&arr2(&values))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{free, handle, message};
    use super::super::options::CStruct;
    use super::super::*;
    use super::*;
    use std::ptr;

    #[test]
    fn bad_input_is_named() {
        let mut made: *mut aet_orbital = ptr::null_mut();
        // SAFETY: NULL views and a local place.
        unsafe {
            assert_eq!(aet_orbital_create_gaussians(ptr::null(), ptr::null(), &raw mut made) as i32, 100);
            assert!(message().contains("`weights` is NULL"), "{}", message());
            assert_eq!(aet_orbital_create_slater(2.0, &raw mut made) as i32, 103);
            assert!(message().contains("tolerance of the orbital is 2"), "{}", message());
            assert_eq!(aet_orbital_create_slater(0.0, ptr::null_mut()) as i32, 100);
            assert!(made.is_null());
            assert_eq!(aet_orbital_term_count(ptr::null()), 0);
            assert!(aet_orbital_expansion_error(ptr::null()).is_nan());
            aet_orbital_free(ptr::null_mut());
        }
    }

    #[test]
    fn a_freed_orbital_is_told_by_the_creator_of_a_fit() {
        use super::super::fixture::{common, Scene};
        let orbital: *mut aet_orbital = handle(Orbital::default());
        let mut scene = Scene::inputs(common::series(2, 1, 21, 22), common::atoms());
        let mut options = aet_lot_options { orbital, ..CStruct::defaults() };
        assert_eq!(scene.create(&options), aet_status::AET_OK, "{}", message());
        free(std::mem::replace(&mut scene.recon, ptr::null_mut()));
        free(orbital);
        options.orbital = orbital;
        assert_eq!(scene.create(&options) as i32, 105, "{}", message());
        assert!(message().contains("orbital is no live handle"), "{}", message());
    }
}
