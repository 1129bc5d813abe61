//! Version

use super::guard::{guard_plain, guard_value};
use super::options;
use std::ffi::c_char;

/// Reads a whole number at compile time.
const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => unreachable!(),
    }
}

const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 10_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 100
    + number(env!("CARGO_PKG_VERSION_PATCH"));

/// Version of the library that is loaded: major * 10000 + minor * 100 + patch. AET_VERSION_NUMBER is that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn aet_version_number() -> u32 {
    guard_plain(NUMBER, || NUMBER)
}

/// Version of the library that is loaded ("0.1.0"): static storage, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn aet_version_string() -> *const c_char {
    let version = concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast();
    guard_plain(version, || version)
}

/// Number of the binary interface, which is also the number in the name of the shared library. A program built with
/// another AET_ABI_VERSION cannot use this library. While it is 0, every minor version may change the interface.
#[unsafe(no_mangle)]
pub extern "C" fn aet_abi_version() -> i32 {
    const ABI: i32 = number(env!("AET_ABI_VERSION")).cast_signed();
    guard_plain(ABI, || ABI)
}

/// Size in bytes of a structure of this header by its name ("aet_view"), as the library sees it; 0 if it is unknown.
/// With it, bindings compare their own layout when they load the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_struct_size(name: *const c_char) -> usize {
    guard_value(0, |host| Ok(options::struct_size(&host.text(name, "name")?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn number_and_text_agree() {
        // SAFETY: static text.
        let text = unsafe { CStr::from_ptr(aet_version_string()) }.to_str().unwrap();
        let n = aet_version_number();
        assert_eq!(text, format!("{}.{}.{}", n / 10_000, n / 100 % 100, n % 100));
        assert!(aet_abi_version() >= 0);
    }

    #[test]
    fn sizes_by_name() {
        // SAFETY: strings closed by NUL, or NULL.
        let size = |name: Option<&CStr>| unsafe { aet_struct_size(name.map_or(std::ptr::null(), CStr::as_ptr)) };
        assert_eq!(
            size(Some(c"aet_view")),
            if cfg!(target_pointer_width = "64") { 152 } else { size(Some(c"aet_view")) }
        );
        assert_eq!(size(Some(c"aet_view")), size_of::<crate::capi::aet_view>());
        assert_eq!(size(Some(c"aet_view")), size(Some(c"aet_const_view")));
        assert_eq!((size(Some(c"aet_nothing")), size(None)), (0, 0));
    }
}
