//! Plain arguments: results through pointers, arrays of numbers, counts.

use super::guard::Host;
use crate::{Error, Result};
use std::marker::PhantomData;
use std::{ptr, slice};

/// Place for one result, checked before any work is done and written on success.
pub(super) struct Out<'c, T> {
    place: *mut T,
    host: PhantomData<&'c Host>,
}

impl<T: Copy> Out<'_, T> {
    /// Writes the result.
    pub(super) fn set(self, value: T) {
        // SAFETY: not NULL (see `out`); the host promises room for a `T`.
        unsafe { self.place.write(value) };
    }
}

/// Place for an array of results.
pub(super) struct OutSlice<'c, T> {
    place: *mut T,
    length: usize,
    argument: &'static str,
    host: PhantomData<&'c Host>,
}

impl<T: Copy> OutSlice<'_, T> {
    /// Writes all results; their number must be the length that the host gave.
    pub(super) fn set(self, values: &[T]) -> Result<()> {
        if values.len() != self.length {
            return Err(Error::shape(self.argument, &[self.length], format!("[{}]", values.len())));
        }
        // SAFETY: not NULL unless empty (see `out_slice`), the host promises room for `length` values. The host may have
        // given one array for input and result: `copy` allows that, and no input is read after it.
        unsafe { ptr::copy(values.as_ptr(), self.place, values.len()) };
        Ok(())
    }
}

impl Host {
    /// A number of elements.
    pub(super) fn count(&self, n: i64, argument: &'static str) -> Result<usize> {
        usize::try_from(n).map_err(|_| Error::range(argument, n, "zero or a positive number"))
    }

    /// An index below `count`; `what` is counted ("images").
    pub(super) fn index(&self, index: i64, count: usize, argument: &'static str) -> Result<usize> {
        usize::try_from(index).ok().filter(|&i| i < count).ok_or_else(|| match count {
            0 => Error::range(argument, index, "nothing: there are none"),
            _ => Error::range(argument, index, format!("0 to {}", count - 1)),
        })
    }

    /// A yes or no.
    pub(super) fn flag(&self, flag: i32, argument: &'static str) -> Result<bool> {
        match flag {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::range(argument, flag, "0 or 1")),
        }
    }

    /// Place for a required result.
    pub(super) fn out<T: Copy>(&self, place: *mut T, argument: &'static str) -> Result<Out<'_, T>> {
        self.optional_out(place).ok_or(Error::Null { argument, wanted: "a place for the result" })
    }

    /// Place for a result that the host may not want.
    pub(super) fn optional_out<T: Copy>(&self, place: *mut T) -> Option<Out<'_, T>> {
        (!place.is_null()).then_some(Out { place, host: PhantomData })
    }

    /// An array of `n` numbers. It may be NULL where `n` is 0.
    pub(super) fn slice<T: Copy>(&self, data: *const T, n: i64, argument: &'static str) -> Result<&[T]> {
        let n = self.array(data, n, argument)?;
        if n == 0 {
            return Ok(&[]);
        }
        // SAFETY: not NULL, aligned, of a possible size (see `array`); the host promises `n` values.
        Ok(unsafe { slice::from_raw_parts(data, n) })
    }

    /// Place for `n` numbers. It may be NULL where `n` is 0.
    pub(super) fn out_slice<T: Copy>(&self, data: *mut T, n: i64, argument: &'static str) -> Result<OutSlice<'_, T>> {
        let length = self.array(data.cast_const(), n, argument)?;
        // For an empty array the pointer is never used but must not be NULL.
        let place = if length == 0 { ptr::NonNull::dangling().as_ptr() } else { data };
        Ok(OutSlice { place, length, argument, host: PhantomData })
    }

    /// Place for `n` numbers that the host may not want: NULL gives None.
    pub(super) fn optional_out_slice<T: Copy>(
        &self,
        data: *mut T,
        n: i64,
        argument: &'static str,
    ) -> Result<Option<OutSlice<'_, T>>> {
        (!data.is_null()).then(|| self.out_slice(data, n, argument)).transpose()
    }

    /// Length of an array that can exist.
    fn array<T>(&self, data: *const T, n: i64, argument: &'static str) -> Result<usize> {
        let length = usize::try_from(n)
            .map_err(|_| Error::range(format!("n_{argument} (length of {argument})"), n, "0 or more"))?;
        let bytes = length.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
        if bytes.is_none() {
            return Err(Error::range(
                argument,
                n,
                format!("a length that fits the memory ({} bytes each)", size_of::<T>()),
            ));
        }
        if length > 0 && data.is_null() {
            return Err(Error::Null { argument, wanted: "an array" });
        }
        if length > 0 && !data.is_aligned() {
            return Err(misaligned(argument, data.addr(), align_of::<T>()));
        }
        Ok(length)
    }
}

/// Data at an address at which the processor does not want it.
pub(super) fn misaligned(argument: &str, address: usize, wanted: usize) -> Error {
    Error::range(
        format!("address of {argument}"),
        format_args!("{address:#x}"),
        format!("a multiple of {wanted} bytes"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::guard::with_host;
    use super::*;

    #[test]
    fn numbers_and_places() {
        with_host(|host| {
            assert_eq!(host.count(-1, "n").unwrap_err().to_string(), "n is -1, wanted zero or a positive number");
            assert_eq!(host.index(2, 2, "tilt").unwrap_err().to_string(), "tilt is 2, wanted 0 to 1");
            assert_eq!(host.index(1, 2, "tilt").unwrap(), 1);
            assert_eq!(host.index(0, 0, "tilt").unwrap_err().code(), 103);
            assert_eq!((host.flag(1, "frozen").unwrap(), host.flag(7, "frozen").unwrap_err().code()), (true, 103));
            assert_eq!(host.out::<f64>(ptr::null_mut(), "loss").err().unwrap().code(), 100);
            let mut loss = 0.0;
            host.out(&raw mut loss, "loss").unwrap().set(2.5);
            assert_eq!(loss, 2.5);
        });
    }

    #[test]
    fn arrays() {
        with_host(|host| {
            let x = [1.0, 2.0, 3.0];
            assert_eq!(host.slice(x.as_ptr(), 2, "x").unwrap(), [1.0, 2.0]);
            assert_eq!(host.slice::<f64>(ptr::null(), 0, "x").unwrap(), [0.0; 0]);
            assert_eq!(host.slice::<f64>(ptr::null(), 1, "x").unwrap_err().code(), 100);
            assert_eq!(host.slice(x.as_ptr(), i64::MAX, "x").unwrap_err().code(), 103);
            let odd = x.as_ptr().cast::<u8>().wrapping_add(1).cast::<f64>();
            assert_eq!(host.slice(odd, 1, "x").unwrap_err().code(), 103);

            let mut gradient = [0.0; 3];
            let place = host.out_slice(gradient.as_mut_ptr(), 3, "gradient").unwrap();
            assert_eq!(place.set(&[1.0]).unwrap_err().code(), 101);
            host.out_slice(gradient.as_mut_ptr(), 3, "gradient").unwrap().set(&x).unwrap();
            assert_eq!(gradient, x);
            assert!(host.optional_out_slice::<f64>(ptr::null_mut(), 3, "gradient").unwrap().is_none());
        });
    }
}
