//! Strings: UTF-8 closed by NUL, copied on entry; out strings go into buffers of the host.

use super::arguments::Out;
use super::guard::Host;
use crate::{Error, Result};
use std::ffi::c_char;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::{ptr, slice};

/// Longest string that is read, so that one without end is an error: 1 MiB.
const LONGEST: usize = 1 << 20;

impl Host {
    /// A required string.
    pub(super) fn text(&self, text: *const c_char, argument: &'static str) -> Result<String> {
        if text.is_null() {
            return Err(Error::Null { argument, wanted: "a string" });
        }
        // SAFETY: the host promises bytes up to and including a NUL; none is read beyond the first.
        let end = (0..LONGEST).find(|&i| unsafe { *text.add(i) } == 0).ok_or(Error::Text { argument })?;
        // SAFETY: these bytes have just been read.
        let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), end) };
        Ok(std::str::from_utf8(bytes).map_err(|_| Error::Text { argument })?.to_string())
    }

    /// A string that may be missing: NULL gives None.
    pub(super) fn optional_text(&self, text: *const c_char, argument: &'static str) -> Result<Option<String>> {
        (!text.is_null()).then(|| self.text(text, argument)).transpose()
    }

    /// The path of a file or folder: UTF-8 on every system, not empty.
    pub(super) fn path(&self, path: *const c_char, argument: &'static str) -> Result<PathBuf> {
        let text = self.text(path, argument)?;
        match text.is_empty() {
            true => Err(Error::range(argument, "an empty string", "a path")),
            false => Ok(PathBuf::from(text)),
        }
    }

    /// Place for a string: `capacity` bytes at `buffer`, the bytes needed at `needed`. One of the two may be NULL.
    pub(super) fn out_text(&self, buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Result<OutText<'_>> {
        if buffer.is_null() && needed.is_null() {
            return Err(Error::Null { argument: "needed", wanted: "a place for the size, or a buffer" });
        }
        Ok(OutText { buffer, capacity, needed: self.optional_out(needed), host: PhantomData })
    }
}

/// A string in a member of fixed size, cut at a character boundary and closed by NUL.
pub(super) fn fixed_text<const N: usize>(text: &str) -> [c_char; N] {
    let mut room = [0; N];
    let end = (0..N.min(text.len() + 1)).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    room.iter_mut().zip(text.bytes().take(end)).for_each(|(to, from)| *to = from as c_char);
    room
}

/// Where a string goes.
pub(super) struct OutText<'c> {
    buffer: *mut c_char,
    capacity: usize,
    needed: Option<Out<'c, usize>>,
    host: PhantomData<&'c Host>,
}

impl OutText<'_> {
    /// Writes the string and its NUL. The bytes needed are told also where the buffer is too small, which is an error.
    pub(super) fn set(self, text: &str) -> Result<()> {
        let bytes = text.len() + 1;
        if let Some(needed) = self.needed {
            needed.set(bytes);
        }
        if self.buffer.is_null() {
            return Ok(());
        }
        if self.capacity < bytes {
            return Err(Error::range("capacity", self.capacity, format!("at least {bytes} bytes")));
        }
        // SAFETY: the host promises `capacity` bytes at `buffer`, at least as many as are written.
        unsafe {
            ptr::copy(text.as_ptr(), self.buffer.cast(), text.len());
            self.buffer.add(text.len()).write(0);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::guard::with_host;
    use super::*;

    #[test]
    fn strings_come_in() {
        with_host(|host| {
            assert_eq!(host.text(c"K\u{f6}ln \u{212b}".as_ptr(), "key").unwrap(), "K\u{f6}ln \u{212b}");
            assert_eq!(host.text(c"".as_ptr(), "key").unwrap(), "");
            assert_eq!(host.text(ptr::null(), "key").unwrap_err().code(), 100);
            assert_eq!(host.optional_text(ptr::null(), "key").unwrap(), None);
            assert_eq!(host.text(c"\xff".as_ptr(), "key").unwrap_err().code(), 110);
            let endless = vec![b'a'; LONGEST];
            assert_eq!(host.text(endless.as_ptr().cast(), "key").unwrap_err().code(), 110);
            assert_eq!(host.path(c"".as_ptr(), "folder").unwrap_err().code(), 103);
            assert_eq!(host.path(c"a b/\u{e4}".as_ptr(), "folder").unwrap(), PathBuf::from("a b/\u{e4}"));
        });
    }

    #[test]
    fn strings_go_out() {
        with_host(|host| {
            let mut needed = 0_usize;
            host.out_text(ptr::null_mut(), 0, &raw mut needed).unwrap().set("\u{e4}b").unwrap();
            assert_eq!(needed, 4);
            let mut buffer = [1_u8; 4];
            needed = 0;
            let small =
                host.out_text(buffer.as_mut_ptr().cast(), 3, &raw mut needed).unwrap().set("\u{e4}b").unwrap_err();
            assert_eq!(small.to_string(), "capacity is 3, wanted at least 4 bytes");
            assert_eq!((needed, buffer), (4, [1; 4]));
            host.out_text(buffer.as_mut_ptr().cast(), 4, ptr::null_mut()).unwrap().set("\u{e4}b").unwrap();
            assert_eq!(&buffer, "\u{e4}b\0".as_bytes());
            assert_eq!(host.out_text(ptr::null_mut(), 0, ptr::null_mut()).err().unwrap().code(), 100);
        });
    }

    #[test]
    fn members_of_fixed_size_are_closed() {
        let bytes = |room: &[c_char]| room.iter().map(|&c| c as u8).collect::<Vec<_>>();
        assert_eq!(bytes(&fixed_text::<4>("ab")), b"ab\0\0");
        assert_eq!(bytes(&fixed_text::<3>("abc")), b"ab\0");
        assert_eq!(bytes(&fixed_text::<3>("a\u{e4}")), b"a\0\0");
    }
}
