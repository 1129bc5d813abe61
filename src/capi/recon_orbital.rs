//! The shape of the atoms, from the images of a reconstruction

use super::guard::guard;
use super::orbital::aet_orbital;
use super::progress::aet_progress_fn;
use super::recon::aet_recon;
use super::status::aet_status;
use super::view::aet_const_view;
use std::ffi::c_void;

/// Creates the shape of the atoms that fits the images best at the latest state of a local-orbital reconstruction: with
/// positions, heights and widths held, the images are linear in the weights of the terms of f(q) = sum_t w_t exp(-q^2 / s_t).
/// Weights are not negative; f(0) = 1; the background of each image, where it is free, follows them. `widths` `[n]`, n at most
/// 10: s in units of B; NULL: 0.5, 1, 2, 4, 8, 16, without those wider than 5 pixels. Terms of less than a hundredth of the
/// integral are left out. Start another reconstruction with this orbital from the atoms of this one, and repeat while the loss
/// falls. `progress` may be NULL.
///
/// AET_ERROR_UNSUPPORTED for a reconstruction without orbitals, AET_ERROR_NOT_READY without images, AET_ERROR_RANGE (widths),
/// AET_ERROR_EMPTY where no term of positive weight brings the images nearer, AET_CANCELLED. Any thread; `progress` is called
/// on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_fit_orbital(
    recon: *const aet_recon,
    widths: *const aet_const_view,
    progress: aet_progress_fn,
    user: *mut c_void,
    orbital: *mut *mut aet_orbital,
) -> aet_status {
    guard("aet_recon_fit_orbital", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.new_handle(orbital, "orbital")?;
        let widths = host.optional_view(widths, "widths")?.map(|view| view.read::<f64, 1>([None])).transpose()?;
        let widths = widths.as_ref().map(|widths| widths.to_vec());
        place.set(recon.fit_orbital(widths.as_deref(), &mut host.progress(progress, user))?);
        Ok(())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{const_view, free, message, observe, Scene};
    use super::super::*;
    use super::*;
    use std::ptr;

    /// The code of a request, and what it made.
    fn call(recon: *const aet_recon, widths: Option<&[f64]>, go_on: bool) -> (i32, *mut aet_orbital) {
        let mut made = ptr::null_mut();
        let view = widths.map(|widths| const_view(widths, &[widths.len()]));
        let of_terms = view.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut closure: &mut dyn FnMut(&aet_progress) -> i32 = &mut |_| i32::from(!go_on);
        let user = (&raw mut closure).cast();
        // SAFETY: a handle or NULL, and a view and a closure that live here.
        let status = unsafe { aet_recon_fit_orbital(recon, of_terms, Some(observe), user, &raw mut made) };
        (status as i32, made)
    }

    #[test]
    fn a_shape_of_the_widths_that_are_asked_for() {
        let scene = Scene::small(aet_lot_model::Direct);
        assert_eq!(scene.run(10, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
        for (widths, most) in [(None, 6), (Some([1.0].as_slice()), 1), (Some(&[0.5, 1.0, 2.0]), 3)] {
            let (status, made) = call(scene.recon, widths, true);
            assert_eq!(status, 0, "{}", message());
            // SAFETY: a handle.
            let terms = unsafe { aet_orbital_term_count(made) };
            assert!((1..=most).contains(&terms), "{terms}");
            free(made);
        }
    }

    #[test]
    fn bad_requests() {
        let scene = Scene::small(aet_lot_model::Direct);
        let refused = |widths: &[f64], mention: &str| {
            let (status, made) = call(scene.recon, Some(widths), true);
            assert_eq!((status, made.is_null()), (103, true), "{}", message());
            assert!(message().contains(mention), "{}", message());
        };
        refused(&[], "number of widths is 0");
        refused(&[1.0; 11], "number of widths is 11");
        refused(&[1.0, -1.0], "width of term 1 is -1");
        refused(&[f64::INFINITY], "width of term 0 is inf");
        assert_eq!(call(scene.recon, None, false), (1, ptr::null_mut()));
        assert_eq!(call(ptr::null(), None, true), (100, ptr::null_mut()));
        assert!(message().contains("`recon` is NULL"), "{}", message());
        let null = ptr::null_mut();
        // SAFETY: a handle and NULL.
        assert_eq!(unsafe { aet_recon_fit_orbital(scene.recon, ptr::null(), None, null, ptr::null_mut()) } as i32, 100);
        assert!(message().contains("`orbital` is NULL"), "{}", message());
    }
}
