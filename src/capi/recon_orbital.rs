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
/// 10: s in units of B; NULL: 0.5, 1, 2, 4, 8, 16. Terms that add less than a thousandth are left out. Start another
/// reconstruction with this orbital from the atoms of this one, and repeat while the loss falls. `progress` may be NULL.
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
