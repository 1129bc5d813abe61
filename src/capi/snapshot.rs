//! Snapshot: a live view of a reconstruction

use super::aet_atoms;
use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::recon::aet_recon;
use super::status::aet_status;
use crate::reconstruct::StateView;

/// The state of a reconstruction after some iteration. Immutable: any number of threads may use it, and it lives on when
/// the reconstruction is freed.
pub struct aet_snapshot {
    _opaque: [u8; 0],
}

impl Handle for aet_snapshot {
    const NAME: &'static str = "aet_snapshot";
    const IMMUTABLE: bool = true;
    type Object = Box<dyn StateView>;
}

/// Takes the state after the latest iteration, without waiting and without copying. Any thread at any time, also while
/// aet_recon_run works and from its progress callback; never AET_ERROR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_snapshot(recon: *const aet_recon, snapshot: *mut *mut aet_snapshot) -> aet_status {
    guard("aet_recon_snapshot", |host| {
        let place = host.new_handle(snapshot, "snapshot")?;
        place.set(host.object(recon, "recon")?.snapshot());
        Ok(())
    })
}

/// Frees the handle; NULL and freed handles are ignored. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_free(snapshot: *mut aet_snapshot) {
    guard_value((), |host| host.free(snapshot))
}

/// Iterations made when it was taken; 0 for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_iteration(snapshot: *const aet_snapshot) -> i64 {
    guard_value(0, |host| Ok(host.object(snapshot, "snapshot")?.iteration() as i64))
}

/// Loss when it was taken; NaN while it is not known: before the first iteration and
/// after the host changed parameters, until the next one; and for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_loss(snapshot: *const aet_snapshot) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(snapshot, "snapshot")?.loss()))
}

/// Generation of the parameters when it was taken; 0 for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_generation(snapshot: *const aet_snapshot) -> u64 {
    guard_value(0, |host| Ok(host.object(snapshot, "snapshot")?.generation()))
}

/// The atoms when it was taken, with height and width of each, as a new handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_get_atoms(
    snapshot: *const aet_snapshot,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_snapshot_get_atoms", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        place.set(host.object(snapshot, "snapshot")?.atoms()?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{free, Scene};
    use super::super::*;
    use std::ptr;

    #[test]
    fn a_snapshot_does_not_change() {
        let mut scene = Scene::small(aet_lot_model::Direct);
        let (mut snapshot, mut atoms) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: handles, live, freed or NULL, and locals.
        unsafe {
            assert_eq!(aet_recon_snapshot(scene.recon, &raw mut snapshot), aet_status::AET_OK);
            assert!(aet_snapshot_loss(snapshot).is_nan(), "nothing was evaluated yet");
            aet_snapshot_free(snapshot);
            assert_eq!(scene.run(2, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
            assert_eq!(aet_recon_snapshot(scene.recon, &raw mut snapshot), aet_status::AET_OK);
            let loss = aet_snapshot_loss(snapshot);
            assert_eq!(scene.run(2, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
            free(std::mem::replace(&mut scene.recon, ptr::null_mut()));
            assert_eq!((aet_snapshot_iteration(snapshot), aet_snapshot_generation(snapshot)), (2, 1));
            assert_eq!(aet_snapshot_loss(snapshot), loss);
            assert_eq!(aet_snapshot_get_atoms(snapshot, &raw mut atoms), aet_status::AET_OK);
            aet_snapshot_free(snapshot);
            aet_snapshot_free(snapshot);
            aet_snapshot_free(ptr::null_mut());
            assert_eq!(aet_snapshot_get_atoms(snapshot, &raw mut atoms), aet_status::AET_ERROR_STALE_HANDLE);
            assert_eq!((aet_snapshot_iteration(snapshot), aet_snapshot_loss(ptr::null()).is_nan()), (0, true));
            assert_eq!(aet_recon_snapshot(scene.recon, &raw mut snapshot), aet_status::AET_ERROR_NULL);
        }
        free(atoms);
    }
}
