use super::support::*;
use aet::capi::*;
use std::ptr;

fn create(options: &aet_context_options) -> (aet_status, *mut aet_context) {
    let mut context = ptr::null_mut();
    // SAFETY: local options and place.
    let status = unsafe { aet_context_create(options, &mut context) };
    (status, context)
}

#[test]
fn threads_and_paths() {
    let mut options = aet_context_options { struct_size: 0, threads: 9, simd: 9 };
    // SAFETY: local structures and live handles.
    unsafe {
        ok(aet_context_options_init(&mut options, size_of::<aet_context_options>()));
        assert_eq!((options.threads, options.simd), (0, aet_simd::Automatic as i32));
        options.threads = 3;
        options.simd = aet_simd::Portable as i32;
        let (status, context) = create(&options);
        ok(status);
        assert_eq!((aet_context_threads(context), aet_context_simd(context)), (3, aet_simd::Portable as i32));
        aet_context_request_cancel(context);
        aet_context_free(context);
        assert_eq!(aet_context_threads(context), 0);
        aet_context_free(context);
        aet_context_free(ptr::null_mut());

        let mut automatic = ptr::null_mut();
        ok(aet_context_create(ptr::null(), &mut automatic));
        assert!(aet_context_threads(automatic) >= 1);
        assert_ne!(aet_context_simd(automatic), aet_simd::Automatic as i32);
        aet_context_free(automatic);
        aet_context_request_cancel(ptr::null());
        assert_eq!((aet_context_threads(ptr::null()), aet_context_simd(ptr::null())), (0, 0));
    }
}

#[test]
fn bad_options() {
    let good = aet_context_options { struct_size: size_of::<aet_context_options>(), threads: 1, simd: 0 };
    fails(create(&aet_context_options { threads: -1, ..good }).0, 103, &["aet_context_create: threads is -1", "4096"]);
    fails(create(&aet_context_options { threads: 5000, ..good }).0, 103, &["threads is 5000"]);
    fails(create(&aet_context_options { simd: 7, ..good }).0, 104, &["simd", "7", "AET_SIMD_AVX2 = 2"]);
    fails(create(&aet_context_options { struct_size: 3, ..good }).0, 106, &["aet_context_options"]);
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        fails(aet_context_create(&good, ptr::null_mut()), 100, &["context"]);
        fails(aet_context_options_init(ptr::null_mut(), 16), 100, &[]);
    }
}

#[cfg(unix)]
#[test]
fn a_fork_gets_an_error_and_no_deadlock() {
    let context = context();
    let dataset = super::dataset::empty(context, 4, 5);
    let (key, value) = (text("sample"), text("gold"));
    // SAFETY: the child only calls the library and leaves without running anything of the parent.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            let mut other = ptr::null_mut();
            let create = aet_dataset_create(context, ptr::null(), ptr::null(), ptr::null(), &mut other);
            let set = aet_dataset_set_metadata(dataset, key.as_ptr(), value.as_ptr(), ptr::null());
            aet_context_free(context);
            let both = create == aet_status::AET_ERROR_FORKED && set == aet_status::AET_ERROR_FORKED;
            libc::_exit(if both && message().contains("fork") { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0, "in the child");
        aet_dataset_free(dataset);
        aet_context_free(context);
    }
}
