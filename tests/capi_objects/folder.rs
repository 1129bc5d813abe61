use super::dataset::{options, ramp, tilted};
use super::support::*;
use aet::capi::*;
use ndarray::{array, Array3};
use std::ffi::{c_void, CString};
use std::path::PathBuf;
use std::ptr;

/// What a progress callback has seen, and when it wants to stop.
struct Seen {
    phases: Vec<i32>,
    fractions: Vec<f64>,
    stop: bool,
    cancel: *const aet_context,
}

impl Seen {
    fn new() -> Self {
        Seen { phases: vec![], fractions: vec![], stop: false, cancel: ptr::null() }
    }
}

unsafe extern "C" fn watch(user: *mut c_void, progress: *const aet_progress) -> i32 {
    // SAFETY: the tests below hand in a `Seen`, the library a progress.
    let (seen, progress) = unsafe { (&mut *user.cast::<Seen>(), &*progress) };
    seen.phases.push(progress.phase);
    seen.fractions.push(progress.fraction);
    // SAFETY: a live context or NULL.
    unsafe { aet_context_request_cancel(seen.cancel) };
    i32::from(seen.stop)
}

fn dataset(context: *const aet_context) -> *mut aet_dataset {
    let angles = array![-60.0, 60.0];
    let angles = view(&angles);
    let mut dataset = ptr::null_mut();
    // SAFETY: a live context, views of live arrays.
    ok(unsafe { aet_dataset_create(context, &options(), &view(&ramp(2)), &tilted(&angles), &mut dataset) });
    dataset
}

fn path(folder: &tempfile::TempDir, name: &str) -> CString {
    text(folder.path().join(name).to_str().unwrap())
}

#[test]
fn a_folder_comes_back() {
    let (context, root) = (context(), tempfile::tempdir().unwrap());
    let (written, folder) = (dataset(context), path(&root, "Gr\u{f6}\u{df}e mit Leerzeichen"));
    let (mut seen, mut read) = (Seen::new(), ptr::null_mut());
    let mut images = Array3::<f32>::zeros((2, 3, 4));
    // SAFETY: live handles, strings closed by NUL, a live `Seen`.
    unsafe {
        let user = ptr::from_mut(&mut seen).cast();
        ok(aet_dataset_set_metadata(written, c"sample".as_ptr(), c"gold".as_ptr(), ptr::null()));
        ok(aet_dataset_write(written, folder.as_ptr(), Some(watch), user));
        assert!(seen.phases.iter().all(|phase| *phase == aet_phase::Saving as i32));
        seen = Seen::new();
        let user = ptr::from_mut(&mut seen).cast();
        ok(aet_dataset_read(context, folder.as_ptr(), ptr::null(), Some(watch), user, &mut read));
        assert!(seen.phases.iter().all(|phase| *phase == aet_phase::Reading as i32));
        assert!(seen.fractions.is_sorted() && seen.fractions.last() == Some(&1.0), "{:?}", seen.fractions);
        ok(aet_dataset_copy_column(read, c"images".as_ptr(), &out(&mut images)));
        assert_eq!(images, ramp(2));
        assert_eq!(string(|b, c, n| aet_dataset_metadata_value(read, c"sample".as_ptr(), b, c, n)), "gold");
        ok(aet_dataset_write(read, folder.as_ptr(), None, ptr::null_mut()));

        let mut atoms = ptr::null_mut();
        let (truth, none) = (c"truth".as_ptr(), ptr::null());
        fails(aet_dataset_read_atoms(context, folder.as_ptr(), truth, none, &mut atoms), 301, &["atoms_truth"]);
        let status = aet_dataset_read_atoms(context, folder.as_ptr(), c"false".as_ptr(), none, &mut atoms);
        fails(status, 104, &["false", "truth, published"]);
        fails(aet_dataset_read_atoms(ptr::null(), folder.as_ptr(), truth, none, &mut atoms), 100, &["context"]);
        for dataset in [written, read] {
            aet_dataset_free(dataset);
        }
        aet_context_free(context);
    }
}

#[test]
fn cancelled_by_callback_and_by_request() {
    let (context, root) = (context(), tempfile::tempdir().unwrap());
    let (written, folder) = (dataset(context), path(&root, "set"));
    let mut read = ptr::null_mut();
    for (stop, cancel) in [(true, ptr::null()), (false, context.cast_const())] {
        let mut seen = Seen { stop, cancel, ..Seen::new() };
        let user = ptr::from_mut(&mut seen).cast();
        // SAFETY: live handles, strings closed by NUL, a live `Seen`.
        unsafe {
            fails(aet_dataset_write(written, folder.as_ptr(), Some(watch), user), 1, &["cancelled"]);
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "nothing is left behind");
            ok(aet_dataset_write(written, folder.as_ptr(), None, ptr::null_mut()));
            let user = ptr::from_mut(&mut seen).cast();
            let status = aet_dataset_read(context, folder.as_ptr(), ptr::null(), Some(watch), user, &mut read);
            fails(status, 1, &["cancelled", "reading"]);
            assert!(read.is_null() && seen.fractions.len() == 2);
        }
        std::fs::remove_dir_all(root.path().join("set")).unwrap();
    }
    // SAFETY: live handles.
    unsafe {
        aet_dataset_free(written);
        aet_context_free(context);
    }
}

#[test]
fn bad_folders() {
    let (context, root) = (context(), tempfile::tempdir().unwrap());
    let (written, folder) = (dataset(context), path(&root, "set"));
    let empty = super::dataset::empty(context, 3, 4);
    let mut read = ptr::null_mut();
    // SAFETY: live handles, strings closed by NUL.
    unsafe {
        let missing = path(&root, "missing");
        let mut open = |folder: &CString, variant: &std::ffi::CStr| {
            aet_dataset_read(context, folder.as_ptr(), variant.as_ptr(), None, ptr::null_mut(), &mut read)
        };
        fails(open(&missing, c"a"), 400, &["missing"]);
        ok(aet_dataset_write(written, folder.as_ptr(), None, ptr::null_mut()));
        fails(open(&folder, c"no such variant"), 104, &["no such variant"]);
        std::fs::write(root.path().join("set").join("dataset.json"), "{").unwrap();
        fails(open(&folder, c"a"), 401, &["dataset.json"]);
        std::fs::write(root.path().join("set").join("notes.txt"), "keep me").unwrap();
        fails(aet_dataset_write(written, folder.as_ptr(), None, ptr::null_mut()), 302, &["notes.txt"]);
        fails(aet_dataset_write(empty, missing.as_ptr(), None, ptr::null_mut()), 301, &["at least one image"]);
        fails(aet_dataset_write(written, ptr::null(), None, ptr::null_mut()), 100, &["folder"]);
        fails(aet_dataset_read(context, c"\xc3".as_ptr(), ptr::null(), None, ptr::null_mut(), &mut read), 110, &[]);
        for dataset in [written, empty] {
            aet_dataset_free(dataset);
        }
        aet_context_free(context);
    }
}

/// A simulated series with its true atoms, where the data are.
#[test]
fn a_simulated_series() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("AET_DATA_DIR").map_or_else(beside, PathBuf::from).join("np1_asi208");
    if !folder.join("dataset.json").is_file() {
        eprintln!("skipped: no data set np1_asi208 (set AET_DATA_DIR)");
        return;
    }
    let (context, folder) = (context(), text(folder.to_str().unwrap()));
    let (mut dataset, mut atoms) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: live handles, strings closed by NUL.
    unsafe {
        ok(aet_dataset_read(context, folder.as_ptr(), ptr::null(), None, ptr::null_mut(), &mut dataset));
        ok(aet_dataset_read_atoms(context, folder.as_ptr(), c"truth".as_ptr(), ptr::null(), &mut atoms));
        assert!(aet_dataset_image_count(dataset) > 0 && aet_atoms_count(atoms) > 0);
        aet_atoms_free(atoms);
        aet_dataset_free(dataset);
        aet_context_free(context);
    }
}
