//! What a host has beside the header: views of its arrays, and the text of the last error.

use aet::capi::*;
use ndarray::{ArrayBase, Data, DataMut, Dimension};
use num_complex::{Complex32, Complex64};
use std::ffi::{c_char, CStr, CString};
use std::ptr;

/// Element types of views.
pub trait Element: Copy {
    const DTYPE: aet_dtype;
}

macro_rules! elements {
    ($($type:ty = $dtype:ident),+) => { $(impl Element for $type { const DTYPE: aet_dtype = aet_dtype::$dtype; })+ };
}
elements!(f32 = F32, f64 = F64, Complex32 = C64, Complex64 = C128, u8 = U8, u16 = U16, i16 = I16, i32 = I32);

fn fixed(values: impl Iterator<Item = i64>) -> [i64; 8] {
    let mut all = [0; 8];
    values.enumerate().for_each(|(axis, value)| all[axis] = value);
    all
}

/// A view of an array in whatever memory order it has.
pub fn view<A: Element, D: Dimension>(array: &ArrayBase<impl Data<Elem = A>, D>) -> aet_const_view {
    aet_const_view {
        data: array.as_ptr().cast(),
        dtype: A::DTYPE as i32,
        ndim: array.ndim() as i32,
        device: 0,
        reserved: 0,
        shape: fixed(array.shape().iter().map(|&n| n as i64)),
        strides: fixed(array.strides().iter().map(|&s| s as i64)),
    }
}

/// A view for results.
pub fn out<A: Element, D: Dimension>(array: &mut ArrayBase<impl DataMut<Elem = A>, D>) -> aet_view {
    let aet_const_view { dtype, ndim, device, reserved, shape, strides, .. } = view(array);
    aet_view { data: array.as_mut_ptr().cast(), dtype, ndim, device, reserved, shape, strides }
}

/// Text of the last error on this thread.
pub fn message() -> String {
    // SAFETY: the text of this thread is closed by NUL.
    unsafe { CStr::from_ptr(aet_last_error_message()) }.to_str().unwrap().to_string()
}

pub fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// Success, or the text of the error.
#[track_caller]
pub fn ok(status: aet_status) {
    assert_eq!(status, aet_status::AET_OK, "{}", message());
}

/// A failure with this code whose text has all of these parts.
#[track_caller]
pub fn fails(status: aet_status, code: i32, parts: &[&str]) {
    assert_eq!(status as i32, code, "{}", message());
    for part in parts {
        assert!(message().contains(part), "`{part}` is not in: {}", message());
    }
}

/// A context of two threads.
pub fn context() -> *mut aet_context {
    let options = aet_context_options { struct_size: size_of::<aet_context_options>(), threads: 2, simd: 0 };
    let mut context = ptr::null_mut();
    // SAFETY: local options and place.
    ok(unsafe { aet_context_create(&options, &mut context) });
    context
}

/// A string that a function writes into a buffer: `call(buffer, capacity, needed)`.
pub fn string(call: impl Fn(*mut c_char, usize, *mut usize) -> aet_status) -> String {
    let mut needed = 0;
    ok(call(ptr::null_mut(), 0, &mut needed));
    let mut buffer = vec![0_u8; needed];
    fails(call(buffer.as_mut_ptr().cast(), needed - 1, &mut needed), 103, &["capacity"]);
    ok(call(buffer.as_mut_ptr().cast(), needed, ptr::null_mut()));
    assert_eq!(buffer.pop(), Some(0));
    String::from_utf8(buffer).unwrap()
}
