use super::support::*;
use aet::capi::*;
use ndarray::{array, Array1, Array2, Array3, ShapeBuilder};
use std::ffi::{c_char, c_void, CStr};
use std::ptr;
use std::sync::Mutex;

pub fn options() -> aet_dataset_options {
    // SAFETY: the structure holds numbers only.
    let mut options: aet_dataset_options = unsafe { std::mem::zeroed() };
    // SAFETY: a local structure.
    ok(unsafe { aet_dataset_options_init(&mut options, size_of::<aet_dataset_options>()) });
    aet_dataset_options { pixel_size: 0.4, ..options }
}

pub fn frames() -> aet_frames {
    // SAFETY: the structure holds numbers and pointers, which may be NULL.
    let mut frames: aet_frames = unsafe { std::mem::zeroed() };
    // SAFETY: a local structure.
    ok(unsafe { aet_frames_init(&mut frames, size_of::<aet_frames>()) });
    frames
}

/// A dataset without images.
pub fn empty(context: *const aet_context, rows: i64, columns: i64) -> *mut aet_dataset {
    let options = aet_dataset_options { rows, columns, ..options() };
    let mut dataset = ptr::null_mut();
    // SAFETY: a live context, local options and place.
    ok(unsafe { aet_dataset_create(context, &options, ptr::null(), ptr::null(), &mut dataset) });
    dataset
}

/// Frames with one angle per image about y.
pub fn tilted(angles: &aet_const_view) -> aet_frames {
    aet_frames { angles_deg: angles, tilt_axis: aet_tilt_axis::Y as i32, ..frames() }
}

/// Creates and frees a dataset of these images; the status.
fn status(options: &aet_dataset_options, images: &aet_const_view, frames: &aet_frames) -> aet_status {
    let context = context();
    let mut dataset = ptr::null_mut();
    // SAFETY: live handles, views of live arrays.
    unsafe {
        let status = aet_dataset_create(context, options, images, frames, &mut dataset);
        aet_context_free(context);
        aet_dataset_free(dataset);
        status
    }
}

pub fn ramp(n: usize) -> Array3<f32> {
    Array3::from_shape_fn((n, 3, 4), |(i, r, c)| (100 * i + 10 * r + c) as f32)
}

fn column<A: Element + Default, const N: usize>(dataset: *const aet_dataset, name: &str, shape: [usize; N]) -> Vec<A> {
    let name = text(name);
    let mut values = ndarray::ArrayD::from_elem(&shape[..], A::default());
    // SAFETY: a live handle, a local array.
    ok(unsafe { aet_dataset_copy_column(dataset, name.as_ptr(), &out(&mut values)) });
    values.into_iter().collect()
}

#[test]
fn everything_that_is_known_comes_back() {
    let (context, images) = (context(), ramp(4));
    // Memory as MATLAB has it, in another element type, with the same logical order.
    let mut foreign = Array3::<f64>::zeros((4, 3, 4).f());
    foreign.assign(&images.mapv(f64::from));
    let angles = array![[0.0, 30.0, 0.0], [0.0, 30.0, 0.0], [10.0, -20.0, 40.0], [10.0, -20.0, 40.0]];
    let (tilt, section) = (array![5_i32, 5, 9, 9], array![0_i16, 1, 0, 1]);
    let (defocus, drift) = (array![-30.0, 30.0, -30.0, 30.0], array![[0.5, -0.5], [0.0, 0.0], [0.0, 0.0], [1.0, 2.0]]);
    let (noise, counts) = (array![0.1, f64::NAN, 0.3, 0.4], array![1.0_f32, 1.0, 2.0, 2.0]);
    let mut mask = Array3::<u8>::ones((4, 3, 4));
    mask[[2, 1, 3]] = 0;
    let views = [view(&angles), view(&tilt), view(&section), view(&defocus), view(&drift), view(&mask)];
    let [angles_deg, tilt, section, defocus, drift, mask] = views.each_ref().map(ptr::from_ref);
    let (noise, counts) = (view(&noise), view(&counts));
    let frames = aet_frames { angles_deg, tilt, section, defocus, drift, mask, ..frames() };
    let frames = aet_frames { noise_variance: &noise, counts_per_unit: &counts, ..frames };
    let options = aet_dataset_options { energy_ev: 300e3, semiangle_mrad: 25.0, rows: 3, ..options() };
    let mut dataset = ptr::null_mut();
    // SAFETY: live handles, views of live arrays.
    unsafe {
        ok(aet_dataset_create(context, &options, &view(&foreign), &frames, &mut dataset));
        aet_context_free(context);
        assert_eq!((aet_dataset_image_count(dataset), aet_dataset_tilt_count(dataset)), (4, 2));
        assert_eq!((aet_dataset_section_count(dataset), aet_dataset_version(dataset)), (2, 1));
        assert_eq!((aet_dataset_rows(dataset), aet_dataset_columns(dataset)), (3, 4));
        assert_eq!((aet_dataset_pixel_size(dataset), aet_dataset_length_unit(dataset)), (0.4, 0));
        assert_eq!((aet_dataset_energy_ev(dataset), aet_dataset_semiangle_mrad(dataset)), (300e3, 25.0));
    }
    let mut wanted = images.clone();
    wanted[[2, 1, 3]] = 0.0;
    assert_eq!(column::<f32, 3>(dataset, "images", [4, 3, 4]), wanted.iter().copied().collect::<Vec<_>>());
    assert_eq!(column::<u16, 3>(dataset, "images", [4, 3, 4])[12], 100);
    let mask: Vec<u8> = column(dataset, "mask", [4, 3, 4]);
    assert_eq!((mask[2 * 12 + 7], mask.iter().map(|m| i32::from(*m)).sum::<i32>()), (0, 47));
    assert_eq!(column::<i32, 1>(dataset, "tilt", [4]), [0, 0, 1, 1]);
    assert_eq!(column::<u8, 1>(dataset, "section", [4]), [0, 1, 0, 1]);
    assert_eq!(column::<f64, 1>(dataset, "defocus", [4]), [-30.0, 30.0, -30.0, 30.0]);
    assert_eq!(column::<f64, 2>(dataset, "drift", [4, 2])[..2], [0.5, -0.5]);
    assert_eq!(column::<u8, 1>(dataset, "excluded", [4]), [0; 4]);
    assert!(column::<f64, 1>(dataset, "noise_variance", [4])[1].is_nan());
    assert_eq!(column::<f32, 1>(dataset, "counts_per_unit", [4]), [1.0, 1.0, 2.0, 2.0]);
    let back: Vec<f64> = column(dataset, "angles_deg", [4, 3]);
    assert!(back.iter().zip(&angles).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
    let rotations: Vec<f64> = column(dataset, "rotations", [4, 3, 3]);
    assert!((rotations[0] - 30_f64.to_radians().cos()).abs() < 1e-15);
    // SAFETY: a live handle, then a stale one.
    unsafe {
        aet_dataset_free(dataset);
        assert_eq!((aet_dataset_rows(dataset), aet_dataset_version(dataset)), (0, 0));
        assert!(aet_dataset_pixel_size(dataset).is_nan());
    }
}

#[test]
fn columns_refuse_what_does_not_fit() {
    let (context, angles) = (context(), array![10.0, 20.0]);
    let (images, angles) = (ramp(2) * 3.0, view(&angles));
    let mut dataset = ptr::null_mut();
    let mut bytes = Array3::<u8>::from_elem((2, 3, 4), 7);
    // SAFETY: live handles, local arrays.
    unsafe {
        ok(aet_dataset_create(context, &options(), &view(&images), &tilted(&angles), &mut dataset));
        let copy = |name: &CStr, view: &aet_view| aet_dataset_copy_column(dataset, name.as_ptr(), view);
        fails(copy(c"images", &out(&mut bytes)), 103, &["out[1]", "0 to 255"]);
        assert!(bytes.iter().all(|b| *b == 7), "nothing is written unless all fit");
        fails(copy(c"colours", &out(&mut bytes)), 104, &["colours", "counts_per_unit"]);
        fails(copy(c"images", &out(&mut Array3::<f32>::zeros((2, 4, 3)))), 101, &["[2, 4, 3], wanted [2, 3, 4]"]);
        fails(copy(c"drift", &out(&mut Array1::<f32>::zeros(2))), 101, &["wanted [2, 2]"]);
        fails(copy(c"noise_variance", &out(&mut Array1::<i32>::zeros(2))), 103, &["NaN"]);
        fails(copy(c"mask", &out(&mut Array3::<num_complex::Complex64>::zeros((2, 3, 4)))), 102, &[]);
        fails(aet_dataset_copy_column(dataset, c"mask".as_ptr(), ptr::null()), 100, &["out"]);
        fails(aet_dataset_copy_column(dataset, ptr::null(), &out(&mut bytes)), 100, &["name"]);
        ok(copy(c"mask", &out(&mut bytes)));
        assert!(bytes.iter().all(|b| *b == 1));
        aet_dataset_free(dataset);
        aet_context_free(context);
    }
}

#[test]
fn bad_images_and_frames() {
    let (images, both) = (ramp(2), array![10.0, 20.0]);
    let (images, angles) = (view(&images), view(&both));
    let good = tilted(&angles);
    let refused = |frames: &aet_frames, code, parts: &[&str]| fails(status(&options(), &images, frames), code, parts);
    ok(status(&options(), &images, &good));
    refused(&aet_frames { tilt_axis: 0, ..good }, 101, &["angles_deg has shape [2]", "set tilt_axis"]);
    refused(&aet_frames { tilt_axis: 3, ..good }, 104, &["tilt_axis", "AET_TILT_AXIS_Y = 2"]);
    refused(&aet_frames { angle_order: 5, ..good }, 104, &["angle_order", "AET_ANGLE_ORDER_XYZ = 2"]);
    refused(&aet_frames { struct_size: 8, ..good }, 106, &["aet_frames"]);
    refused(&frames(), 100, &["one of rotations and angles_deg"]);
    let three = Array2::<f64>::zeros((2, 3));
    let three = view(&three);
    refused(&aet_frames { angles_deg: &three, ..good }, 101, &["[2, 3]", "AET_TILT_AXIS_NONE"]);

    let (one, nan, negative) = (array![1.0], array![1.0, f64::NAN], array![1.0, -1.0]);
    let (one, nan, negative) = (view(&one), view(&nan), view(&negative));
    refused(&aet_frames { defocus: &one, ..good }, 101, &["defocus has shape [1], wanted [2]"]);
    refused(&aet_frames { defocus: &nan, ..good }, 300, &["defocus", "image 1"]);
    refused(&aet_frames { angles_deg: &nan, ..good }, 300, &["angles_deg", "image 1"]);
    refused(&aet_frames { noise_variance: &negative, ..good }, 103, &["noise_variance of image 1 is -1"]);
    refused(&aet_frames { counts_per_unit: &negative, ..good }, 103, &["counts_per_unit of image 1"]);
    refused(&aet_frames { drift: &one, ..good }, 101, &["drift", "[2, 2]"]);
    let halves = array![0.5, 1.0];
    let halves = view(&halves);
    refused(&aet_frames { tilt: &halves, ..good }, 103, &["tilt[0] is 0.5", "whole number"]);
    let unknown = aet_const_view { dtype: 17, ..angles };
    refused(&aet_frames { section: &unknown, ..good }, 102, &["section has element type 17"]);
    let mask = Array3::<u8>::zeros((2, 3, 4));
    let mask = view(&mask);
    refused(&aet_frames { mask: &mask, ..good }, 301, &["mask of image 0"]);
    let same = array![0_i32, 0];
    let same = view(&same);
    refused(&aet_frames { tilt: &same, ..good }, 302, &["rotations differ"]);
}

#[test]
fn rotations_are_checked() {
    let images = ramp(2);
    let mut matrices = Array3::<f64>::from_shape_fn((2, 3, 3), |(_, r, c)| if r == c { 1.0 } else { 0.0 });
    let single = matrices.index_axis(ndarray::Axis(0), 0).to_owned();
    let (good, single) = (view(&matrices), view(&single));
    let with = |rotations: &aet_const_view| status(&options(), &view(&images), &aet_frames { rotations, ..frames() });
    ok(with(&good));
    ok(with(&single));
    let three = Array3::<f64>::zeros((3, 3, 3));
    fails(with(&view(&three)), 101, &["rotations has shape [3, 3, 3], wanted [2, 3, 3] or [3, 3]"]);
    let angles = Array2::<f64>::zeros((2, 3));
    let angles = view(&angles);
    let both = aet_frames { rotations: &good, angles_deg: &angles, ..frames() };
    fails(status(&options(), &view(&images), &both), 302, &["both rotations and angles_deg"]);
    matrices[[1, 2, 2]] = -1.0;
    fails(with(&view(&matrices)), 302, &["rotation of image 1", "determinant"]);
    matrices[[1, 2, 2]] = f64::NAN;
    fails(with(&view(&matrices)), 300, &["rotation of image 1"]);
}

#[test]
fn bad_options_and_pixels() {
    let angles = array![10.0, 20.0];
    let angles = view(&angles);
    let (mut images, frames) = (ramp(2), tilted(&angles));
    let refused = |options: aet_dataset_options, code, parts: &[&str]| {
        fails(status(&options, &view(&ramp(2)), &frames), code, parts);
    };
    refused(aet_dataset_options { pixel_size: 0.0, ..options() }, 103, &["pixel_size is 0"]);
    refused(aet_dataset_options { pixel_size: f64::NAN, ..options() }, 103, &["pixel_size is NaN"]);
    refused(aet_dataset_options { energy_ev: -1.0, ..options() }, 103, &["energy_ev is -1"]);
    refused(aet_dataset_options { semiangle_mrad: -1.0, ..options() }, 103, &["semiangle_mrad is -1"]);
    refused(aet_dataset_options { length_unit: 4, ..options() }, 104, &["AET_LENGTH_UNIT_PIXEL = 1"]);
    refused(aet_dataset_options { reserved: 7, ..options() }, 103, &["reserved of aet_dataset_options is 7"]);
    refused(aet_dataset_options { rows: -3, ..options() }, 103, &["rows is -3"]);
    refused(aet_dataset_options { rows: 5, ..options() }, 101, &["[n, 5, 4]"]);
    refused(aet_dataset_options { struct_size: usize::MAX, ..options() }, 106, &["aet_dataset_options"]);
    ok(status(&aet_dataset_options { pixel_size: 0.0, length_unit: 1, ..options() }, &view(&images), &frames));
    images[[1, 2, 3]] = f32::NAN;
    fails(status(&options(), &view(&images), &frames), 300, &["image 1, row 2, column 3"]);
    fails(status(&options(), &view(&images.mapv(f64::from)), &frames), 300, &["image 1, row 2, column 3"]);
    let mut mask = Array3::<u8>::ones((2, 3, 4));
    mask[[1, 2, 3]] = 0;
    let mask = view(&mask);
    ok(status(&options(), &view(&images), &aet_frames { mask: &mask, ..frames }));
    let flat = Array2::<f32>::zeros((3, 4));
    fails(status(&options(), &view(&flat), &frames), 101, &["images has shape [3, 4], wanted [any, any, any]"]);
    let waves = Array3::<num_complex::Complex64>::zeros((2, 3, 4));
    fails(status(&options(), &view(&waves), &frames), 102, &["AET_DTYPE_C128"]);

    let context = context();
    let mut dataset = ptr::null_mut();
    // SAFETY: live handles or NULL, views of live arrays.
    unsafe {
        let status = aet_dataset_create(context, &options(), ptr::null(), &frames, &mut dataset);
        fails(status, 100, &["`images`"]);
        let status = aet_dataset_create(context, &options(), &view(&ramp(2)), ptr::null(), &mut dataset);
        fails(status, 100, &["`frames`"]);
        let status = aet_dataset_create(context, &options(), ptr::null(), ptr::null(), &mut dataset);
        fails(status, 103, &["rows is 0"]);
        let status = aet_dataset_create(ptr::null(), &options(), ptr::null(), ptr::null(), &mut dataset);
        fails(status, 100, &["`context`"]);
        let status = aet_dataset_create(context, &options(), ptr::null(), ptr::null(), ptr::null_mut());
        fails(status, 100, &["`dataset`"]);
        aet_context_free(context);
        let status = aet_dataset_create(context, &options(), ptr::null(), ptr::null(), &mut dataset);
        fails(status, 105, &["aet_context"]);
    }
}

#[test]
fn versions_grow() {
    let context = context();
    let dataset = empty(context, 3, 4);
    let (images, angle, other) = (ramp(1), array![10.0], array![20.0]);
    let (images, angle, other) = (view(&images), view(&angle), view(&other));
    let mut index = -1;
    // SAFETY: live handles, views of live arrays.
    unsafe {
        assert!(aet_dataset_energy_ev(dataset).is_nan() && aet_dataset_semiangle_mrad(dataset).is_nan());
        assert_eq!((aet_dataset_image_count(dataset), aet_dataset_version(dataset)), (0, 1));
        assert!(column::<f32, 3>(dataset, "images", [0, 3, 4]).is_empty());
        ok(aet_dataset_append_tilt(dataset, &images, &tilted(&angle), &mut index));
        assert_eq!(index, 0);
        ok(aet_dataset_append_tilt(dataset, &images, &tilted(&other), ptr::null_mut()));
        ok(aet_dataset_replace_tilt(dataset, 0, &images, &tilted(&other)));
        ok(aet_dataset_exclude_tilt(dataset, 1, 1));
        assert_eq!((aet_dataset_tilt_count(dataset), aet_dataset_version(dataset)), (2, 5));
        assert_eq!(column::<u8, 1>(dataset, "excluded", [2]), [0, 1]);

        fails(aet_dataset_exclude_tilt(dataset, 2, 1), 103, &["tilt is 2, wanted 0 to 1"]);
        fails(aet_dataset_exclude_tilt(dataset, -1, 1), 103, &["tilt is -1"]);
        fails(aet_dataset_exclude_tilt(dataset, 0, 2), 103, &["excluded is 2"]);
        fails(aet_dataset_replace_tilt(dataset, 7, &images, &tilted(&other)), 103, &["tilt is 7"]);
        let (two, both) = (ramp(2), array![5.0, 5.0]);
        let (two, both) = (view(&two), view(&both));
        fails(aet_dataset_replace_tilt(dataset, 0, &two, &tilted(&both)), 101, &["keeps its number of images"]);
        let none = Array3::<f32>::zeros((0, 3, 4));
        let no_angle = Array1::<f64>::zeros(0);
        let no_angle = view(&no_angle);
        fails(aet_dataset_append_tilt(dataset, &view(&none), &tilted(&no_angle), &mut index), 301, &["images"]);
        fails(aet_dataset_append_tilt(dataset, ptr::null(), &tilted(&angle), &mut index), 100, &["images"]);
        assert_eq!((aet_dataset_version(dataset), index), (5, 0), "failures change nothing");
        aet_dataset_free(dataset);
        fails(aet_dataset_append_tilt(dataset, &images, &tilted(&angle), &mut index), 105, &["aet_dataset"]);
        fails(aet_dataset_append_tilt(ptr::null(), &images, &tilted(&angle), &mut index), 100, &["dataset"]);
        aet_dataset_free(ptr::null_mut());
        aet_context_free(context);
    }
}

#[test]
fn metadata_are_texts() {
    let context = context();
    let dataset = empty(context, 3, 4);
    let set = |key: &str, value: &str, unit: Option<&str>| {
        let (key, value, unit) = (text(key), text(value), unit.map(text));
        let unit = unit.as_ref().map_or(ptr::null(), |unit| unit.as_ptr());
        // SAFETY: a live handle, strings closed by NUL.
        unsafe { aet_dataset_set_metadata(dataset, key.as_ptr(), value.as_ptr(), unit) }
    };
    ok(set("sample", "Gr\u{f6}\u{df}e 5", Some("nm")));
    ok(set("operator", "", None));
    fails(set("", "x", None), 301, &["key"]);
    // SAFETY: live handles, strings closed by NUL, buffers of the size that is told.
    unsafe {
        assert_eq!((aet_dataset_metadata_count(dataset), aet_dataset_metadata_count(ptr::null())), (2, 0));
        let key = |index| string(|b, c, n| aet_dataset_metadata_key(dataset, index, b, c, n));
        assert_eq!((key(0), key(1)), ("sample".into(), "operator".into()));
        let sample = c"sample".as_ptr();
        assert_eq!(string(|b, c, n| aet_dataset_metadata_value(dataset, sample, b, c, n)), "Gr\u{f6}\u{df}e 5");
        assert_eq!(string(|b, c, n| aet_dataset_metadata_unit(dataset, sample, b, c, n)), "nm");
        let operator = c"operator".as_ptr();
        assert_eq!(string(|b, c, n| aet_dataset_metadata_unit(dataset, operator, b, c, n)), "");
        let mut needed = 0;
        let status = aet_dataset_metadata_value(dataset, c"dose".as_ptr(), ptr::null_mut(), 0, &mut needed);
        fails(status, 104, &["dose", "sample, operator"]);
        let status = aet_dataset_metadata_key(dataset, 2, ptr::null_mut(), 0, &mut needed);
        fails(status, 103, &["index is 2, wanted 0 to 1"]);
        fails(aet_dataset_metadata_key(dataset, 0, ptr::null_mut(), 0, ptr::null_mut()), 100, &["needed"]);
        aet_dataset_free(dataset);
        aet_context_free(context);
    }
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" fn listen(_: *mut c_void, level: i32, message: *const c_char) {
    assert_eq!(level, aet_log_level::Warning as i32);
    // SAFETY: the library hands over text closed by NUL.
    let message = unsafe { CStr::from_ptr(message) }.to_str().unwrap();
    WARNINGS.lock().unwrap().push(message.into());
}

#[test]
fn radians_are_noticed() {
    let angles = array![-1.0, 1.0];
    let angles = view(&angles);
    // SAFETY: the function takes these arguments.
    ok(unsafe { aet_log_set(aet_log_level::Warning as i32, Some(listen), ptr::null_mut()) });
    ok(status(&options(), &view(&ramp(2)), &tilted(&angles)));
    // A call on the thread of another test may be the one that delivers.
    while WARNINGS.lock().unwrap().is_empty() {
        options();
    }
    // SAFETY: NULL switches the log off.
    ok(unsafe { aet_log_set(0, None, ptr::null_mut()) });
    let warnings = WARNINGS.lock().unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("radians"), "{warnings:?}");
}
