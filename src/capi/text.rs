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
            return Err(Error::Null { argument });
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
            return Err(Error::Null { argument: "needed" });
        }
        Ok(OutText { buffer, capacity, needed: self.optional_out(needed), host: PhantomData })
    }
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
