//! Error text
//!
//! The text lives in a fixed buffer per thread: its address never changes, so a host that still holds the pointer reads
//! defined memory. The thread-local has no destructor; short-lived host threads leave nothing behind.

use super::guard::{guard_plain, guard_value};
use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::fmt::{Display, Write};
use std::ptr;

/// Bytes of the buffer, the closing NUL included.
const CAPACITY: usize = 4096;

thread_local! {
    static TEXT: UnsafeCell<[u8; CAPACITY]> = const { UnsafeCell::new([0; CAPACITY]) };
}

/// Writes text into a buffer, cut at a character boundary and closed by NUL.
struct Bounded<'a> {
    buffer: &'a mut [u8],
    length: usize,
    full: bool,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        // One byte stays for the closing NUL.
        let room = if self.full { 0 } else { self.buffer.len().saturating_sub(self.length + 1) };
        let end = text.floor_char_boundary_at(room);
        self.full |= end < text.len();
        for (to, from) in self.buffer.iter_mut().skip(self.length).zip(text.bytes().take(end)) {
            // A NUL inside would end the text for C.
            *to = if from == 0 { b' ' } else { from };
        }
        self.length += end;
        if let Some(last) = self.buffer.get_mut(self.length) {
            *last = 0;
        }
        Ok(())
    }
}

/// Where text may be cut.
trait CharBoundary {
    /// Largest index up to `limit` that does not divide a character.
    fn floor_char_boundary_at(&self, limit: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_at(&self, limit: usize) -> usize {
        (0..=limit.min(self.len())).rev().find(|&i| self.is_char_boundary(i)).unwrap_or(0)
    }
}

/// Sets the text of this thread to "function: what happened".
pub(super) fn set(function: &str, what: &dyn Display) {
    TEXT.with(|text| {
        // SAFETY: the buffer belongs to this thread, and no reference to it lives outside this function:
        // `what` is an error of the library, whose formatting does not come back here.
        let buffer = unsafe { &mut *text.get() };
        let mut bounded = Bounded { buffer, length: 0, full: false };
        // Writing into `Bounded` never fails; a Display that does leaves the text before it.
        let _ = write!(bounded, "{function}: {what}");
    });
}

/// The text of this thread as bytes without the closing NUL.
fn current<R>(read: impl FnOnce(&[u8]) -> R) -> R {
    TEXT.with(|text| {
        // SAFETY: only `set` writes the buffer, on this thread, and `read` does not call it.
        let buffer = unsafe { &*text.get() };
        read(buffer.split(|&byte| byte == 0).next().unwrap_or_default())
    })
}

/// Text of the last failure on the calling thread: function, argument, what was got and what was wanted; empty before
/// the first one. UTF-8, at most 4095 bytes. The address is constant for the thread; the content stays until the next
/// failing call on it, so read it before the next call. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn aet_last_error_message() -> *const c_char {
    guard_plain(c"".as_ptr(), || TEXT.with(|text| text.get().cast::<c_char>().cast_const()))
}

/// Copies the text of aet_last_error_message into `buffer` of `capacity` bytes, cut where it does not fit, always
/// closed by NUL if `capacity` is not 0. `buffer` may be NULL. Returns the bytes needed for the whole text, NUL included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_last_error_copy(buffer: *mut c_char, capacity: usize) -> usize {
    guard_value(0, |_| {
        Ok(current(|text| {
            if !buffer.is_null() && capacity > 0 {
                let whole = String::from_utf8_lossy(text);
                let fitting = whole.floor_char_boundary_at(capacity - 1);
                // SAFETY: the host promises `capacity` bytes at `buffer`; `fitting` is at most `capacity - 1`.
                unsafe {
                    ptr::copy(text.as_ptr(), buffer.cast(), fitting.min(text.len()));
                    buffer.add(fitting).write(0);
                }
            }
            text.len() + 1
        }))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn message() -> String {
        // SAFETY: the pointer is the terminated buffer of this thread.
        unsafe { CStr::from_ptr(aet_last_error_message()) }.to_str().unwrap().to_string()
    }

    #[test]
    fn the_address_is_constant_and_threads_are_apart() {
        let address = aet_last_error_message() as usize;
        assert_eq!(message(), "");
        set("aet_f", &"first");
        assert_eq!(message(), "aet_f: first");
        set("aet_g", &"2");
        assert_eq!(message(), "aet_g: 2");
        assert_eq!(aet_last_error_message() as usize, address);
        std::thread::spawn(|| assert_eq!(message(), "")).join().unwrap();
        assert_eq!(message(), "aet_g: 2");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        set("f", &"ä".repeat(CAPACITY));
        let text = message();
        // "f: " and 2-byte characters: 4095 bytes would end inside one.
        assert_eq!(text.len(), 3 + 2 * ((CAPACITY - 4) / 2));
        assert!(text.ends_with('ä'));
        set("f", &"nul\0inside");
        assert_eq!(message(), "f: nul inside");
    }

    #[test]
    fn copies_fit_the_buffer() {
        set("f", &"äö");
        let mut buffer = [1u8; 8];
        for (capacity, wanted) in
            [(0, None), (1, Some("")), (4, Some("f: ")), (5, Some("f: ")), (6, Some("f: ä")), (8, Some("f: äö"))]
        {
            buffer.fill(1);
            // SAFETY: the buffer has at least `capacity` bytes.
            let needed = unsafe { aet_last_error_copy(buffer.as_mut_ptr().cast(), capacity) };
            assert_eq!(needed, 8);
            match wanted {
                None => assert_eq!(buffer, [1; 8]),
                Some(wanted) => assert_eq!(CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap(), wanted),
            }
        }
        // SAFETY: NULL asks for the size only.
        assert_eq!(unsafe { aet_last_error_copy(ptr::null_mut(), 0) }, 8);
    }
}
