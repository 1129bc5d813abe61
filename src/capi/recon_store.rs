//! Storing a reconstruction, and its research knobs

use super::guard::{guard, guard_plain};
use super::recon::aet_recon;
use super::status::aet_status;
use super::{aet_context, aet_dataset, aet_probe};
use crate::context::Context;
use crate::io::{state_file, Monitor};
use crate::reconstruct::{resume, Param};
use crate::Result;
use std::ffi::{c_char, CString};
use std::ptr;
use std::sync::OnceLock;

/// Reads or writes a file; only aet_context_request_cancel ends it early.
fn cancellable<R>(context: &Context, work: impl FnOnce(&mut Monitor<'_>) -> Result<R>) -> Result<R> {
    let cancel = context.cancel_token();
    work(&mut |_| !cancel.is_cancelled())
}

/// Writes the latest state to the file `path`: all that is needed, beside dataset and probe, to go on with the same
/// numbers to the last bit. An older file of that name stays until the new one is complete. AET_ERROR_FILE,
/// AET_CANCELLED. Any thread; while a run works it is the state after the latest iteration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_save(recon: *const aet_recon, path: *const c_char) -> aet_status {
    guard("aet_recon_save", |host| {
        let recon = host.object(recon, "recon")?;
        let path = host.path(path, "path")?;
        cancellable(recon.context(), |monitor| state_file::write(&path, &recon.saved_state(), monitor))
    })
}

/// Creates a reconstruction from a file of aet_recon_save. `dataset` holds the images it was saved with; tilts appended
/// since are taken up by the next iteration. `probe` is that of its creation (NULL if it had none). On the same
/// instruction-set path it goes on with the same numbers to the last bit, whatever the number of threads.
///
/// AET_ERROR_FILE, AET_ERROR_FORMAT (no state file, or a damaged one), AET_ERROR_FILE_VERSION, AET_ERROR_TRUNCATED,
/// AET_ERROR_INCONSISTENT (another dataset or probe), AET_ERROR_FORKED, AET_CANCELLED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_load(
    context: *const aet_context,
    dataset: *const aet_dataset,
    probe: *const aet_probe,
    path: *const c_char,
    recon: *mut *mut aet_recon,
) -> aet_status {
    guard("aet_recon_load", |host| {
        let place = host.new_handle(recon, "recon")?;
        let context = host.input(context, "context")?;
        let series = &host.input(dataset, "dataset")?.series;
        let probe = host.optional_input(probe, "probe")?;
        let path = host.path(path, "path")?;
        let saved = cancellable(context, |monitor| state_file::read(&path, monitor))?;
        place.set(resume(context, series, probe.map(AsRef::as_ref), saved)?);
        Ok(())
    })
}

/// Names of the research knobs for C.
fn param_names() -> &'static [CString] {
    static NAMES: OnceLock<Vec<CString>> = OnceLock::new();
    NAMES.get_or_init(|| Param::ALL.iter().filter_map(|param| CString::new(param.name).ok()).collect())
}

/// Number of research knobs. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn aet_recon_param_count() -> i64 {
    guard_plain(0, || param_names().len() as i64)
}

/// Name of research knob `index`, counted from 0, in static storage; NULL beyond the last:
///
/// - lbfgs.memory: pairs that L-BFGS remembers, 1 to 1000
/// - line_search.decrease: sufficient decrease of the Armijo rule, 0 to 0.5
/// - line_search.curvature: slope, relative to the start, at which a step is long enough, 0 to 1
/// - line_search.evaluations: evaluations of one line search at most, 1 to 1000
///
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn aet_recon_param_name(index: i64) -> *const c_char {
    guard_plain(ptr::null(), || {
        let name = usize::try_from(index).ok().and_then(|index| param_names().get(index));
        name.map_or(ptr::null(), |name| name.as_ptr())
    })
}

/// Sets a research knob. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_RANGE; AET_ERROR_BUSY while another call
/// changes the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_set_param(recon: *mut aet_recon, name: *const c_char, value: f64) -> aet_status {
    guard("aet_recon_set_param", |host| {
        host.object_exclusive(recon, "recon")?.set_param(&host.text(name, "name")?, value)
    })
}

/// Value of a research knob. AET_ERROR_UNKNOWN_OPTION for another name. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_param(
    recon: *const aet_recon,
    name: *const c_char,
    value: *mut f64,
) -> aet_status {
    guard("aet_recon_get_param", |host| {
        let place = host.out(value, "value")?;
        place.set(host.object(recon, "recon")?.param(&host.text(name, "name")?)?);
        Ok(())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::fixture::{free, message, Scene};
    use super::super::options::CStruct;
    use super::super::*;
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn saving_and_loading() {
        let mut scene = Scene::small(aet_lot_model::Rigid);
        assert_eq!(scene.run(8, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
        let whole = scene.parameters();
        free(std::mem::replace(&mut scene.recon, ptr::null_mut()));
        let options = aet_lot_options { width_start: 0.6, ..aet_lot_options::defaults() };
        assert_eq!(scene.create(&options), aet_status::AET_OK);
        assert_eq!(scene.run(4, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);

        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| CString::new(folder.path().join(name).to_str().unwrap()).unwrap();
        let (path, missing) = (name("Zwischen stand \u{e4}\u{212b}.aet"), name("missing"));
        std::fs::write(folder.path().join("other"), b"no state file at all").unwrap();
        // SAFETY: handles, strings and locals.
        unsafe {
            assert_eq!(aet_recon_save(scene.recon, path.as_ptr()) as i32, 0, "{}", message());
            assert_eq!(aet_recon_save(scene.recon, c"".as_ptr()) as i32, 103);
            assert_eq!(aet_recon_save(scene.recon, name("no folder/state").as_ptr()) as i32, 400);
            free(std::mem::replace(&mut scene.recon, ptr::null_mut()));
            let Scene { context, dataset, probe, .. } = scene;
            let recon = &raw mut scene.recon;
            let load = |probe, path: &CStr| aet_recon_load(context, dataset, probe, path.as_ptr(), recon) as i32;
            assert_eq!(load(probe, &missing), 400);
            assert_eq!(load(probe, &name("other")), 401);
            assert_eq!(load(ptr::null_mut(), &path), 302);
            assert_eq!(load(probe, &path), 0, "{}", message());
        }
        // SAFETY: a handle.
        assert_eq!(unsafe { aet_recon_history_count(scene.recon) }, 4);
        assert_eq!(scene.run(4, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
        assert_eq!(scene.parameters(), whole);
    }

    #[test]
    fn knobs() {
        let scene = Scene::small(aet_lot_model::Direct);
        // SAFETY: a handle, strings and locals.
        unsafe {
            let count = aet_recon_param_count();
            assert!(count >= 4 && aet_recon_param_name(count).is_null() && aet_recon_param_name(-1).is_null());
            for index in 0..count {
                let mut value = f64::NAN;
                let name = aet_recon_param_name(index);
                assert_eq!(aet_recon_get_param(scene.recon, name, &raw mut value) as i32, 0);
                assert_eq!(aet_recon_set_param(scene.recon, name, value) as i32, 0, "{}", message());
            }
            let (memory, mut value) = (c"lbfgs.memory".as_ptr(), 0.0);
            assert_eq!(aet_recon_set_param(scene.recon, memory, 5.0) as i32, 0);
            assert_eq!(aet_recon_get_param(scene.recon, memory, &raw mut value) as i32, 0);
            assert_eq!(value, 5.0);
            assert_eq!(aet_recon_set_param(scene.recon, memory, f64::NAN) as i32, 103);
            assert_eq!(aet_recon_set_param(scene.recon, c"luck".as_ptr(), 1.0) as i32, 104);
            assert!(message().contains("lbfgs.memory, line_search.decrease"), "{}", message());
        }
    }
}
