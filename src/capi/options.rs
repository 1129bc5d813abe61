//! Structures that grow: options and reports, whose first member tells how much of them the host knows.
//!
//! A host may have been compiled against an older header (its structure is shorter: members it does not know keep their
//! defaults) or a newer one (longer: members that this library does not know must be zero, which means automatic).

use super::guard::Host;
use super::{atoms_accuracy, atoms_classify, resolution, volume_filter, volume_lattice, volume_mask, volume_trace};
use super::{atoms_compare, atoms_generate, context, dataset, find, frames, lot, probe, progress, recon, view};
use super::{
    detector, instrument, recon_errors, recon_options, simulate_series, simulation_ensemble, simulation_gradient,
    simulation_options, tomography,
};
use crate::{Error, Result};
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr;

/// A number for which 0 means automatic.
pub(super) fn chosen(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}

/// Larger sizes are garbage, not structures of a later library.
const LARGEST: usize = 4096;

/// A structure of the header that begins with `struct_size`.
///
/// # Safety
/// The type is `#[repr(C)]`, its first member is `struct_size: usize`, it has no padding (fill it with `reserved`
/// members) and every bit pattern is valid: numbers, arrays of them and raw pointers.
pub(super) unsafe trait CStruct: Copy + 'static {
    /// Name in C.
    const NAME: &'static str;

    /// All members at their defaults; `struct_size` is set by the caller of this function.
    fn defaults() -> Self;

    /// The member `reserved` of options that have one: the host must leave it 0, so that it can get a meaning later.
    fn reserved(&self) -> i32 {
        0
    }
}

impl Host {
    /// Options by value: NULL means defaults.
    pub(super) fn options<T: CStruct>(&self, options: *const T) -> Result<T> {
        let mut value = T::defaults();
        if options.is_null() {
            return Ok(value);
        }
        let size = self.told_size(options)?;
        // SAFETY: the host promises `size` bytes, of which at most those of `T` are copied into a `T`, for which every
        // bit pattern is valid.
        unsafe { ptr::copy(options.cast::<u8>(), (&raw mut value).cast(), size.min(size_of::<T>())) };
        // SAFETY: the host promises `size` bytes.
        let mut unknown = (size_of::<T>()..size).map(|i| unsafe { *options.cast::<u8>().add(i) });
        if unknown.any(|byte| byte != 0) {
            let wanted = format!("at most {}, or zeros beyond: the rest is not known to this version", size_of::<T>());
            return Err(Error::StructSize { what: T::NAME, got: size, wanted });
        }
        match value.reserved() {
            0 => Ok(value),
            other => Err(Error::range(format!("reserved of {}", T::NAME), other, "0")),
        }
    }

    /// Options that the call cannot do without: NULL is an error.
    pub(super) fn required_options<T: CStruct>(&self, options: *const T, argument: &'static str) -> Result<T> {
        match options.is_null() {
            true => Err(Error::Null { argument, wanted: T::NAME }),
            false => self.options(options),
        }
    }

    /// The body of every `_init` function: defaults into a structure of which the host knows `size` bytes.
    pub(super) fn init<T: CStruct>(&self, options: *mut T, size: usize) -> Result<()> {
        self.init_with(options, size, T::defaults())
    }

    /// The same with a value that is not all defaults.
    pub(super) fn init_with<T: CStruct>(&self, options: *mut T, size: usize, value: T) -> Result<()> {
        if options.is_null() {
            return Err(Error::Null { argument: "options", wanted: T::NAME });
        }
        check_size::<T>(size)?;
        write(options, size, value);
        Ok(())
    }

    /// Place for a report whose `struct_size` the host has set.
    pub(super) fn out_struct<T: CStruct>(&self, place: *mut T, argument: &'static str) -> Result<OutStruct<'_, T>> {
        if place.is_null() {
            return Err(Error::Null { argument, wanted: T::NAME });
        }
        Ok(OutStruct { place, size: self.told_size(place.cast_const())?, host: PhantomData })
    }

    /// The checked `struct_size` of a structure that is not NULL.
    fn told_size<T: CStruct>(&self, place: *const T) -> Result<usize> {
        if !place.is_aligned() {
            return Err(super::arguments::misaligned(T::NAME, place.addr(), align_of::<T>()));
        }
        // SAFETY: the host promises at least the first member.
        let size = unsafe { place.cast::<usize>().read() };
        check_size::<T>(size)?;
        Ok(size)
    }
}

/// Where a report goes.
pub(super) struct OutStruct<'c, T> {
    place: *mut T,
    size: usize,
    host: PhantomData<&'c Host>,
}

impl<T: CStruct> OutStruct<'_, T> {
    /// Writes as much as the host knows and leaves its `struct_size`.
    pub(super) fn set(self, value: T) {
        write(self.place, self.size, value);
    }
}

/// A size that a structure of this or another version can have.
fn check_size<T: CStruct>(size: usize) -> Result<()> {
    let possible = size > size_of::<usize>() && size <= LARGEST && size.is_multiple_of(align_of::<T>());
    match possible {
        true => Ok(()),
        false => Err(Error::StructSize { what: T::NAME, got: size, wanted: format!("sizeof({})", T::NAME) }),
    }
}

/// Writes the first `size` bytes of `value`, zeros where the host's structure is longer, and `size` as struct_size.
fn write<T: CStruct>(place: *mut T, size: usize, value: T) {
    let known = size.min(size_of::<T>());
    // SAFETY: the host promises `size` bytes at `place`; `known` is at most the size of `value`; `size` was checked to
    // hold at least the first member, which is the `usize`.
    unsafe {
        ptr::copy((&raw const value).cast::<u8>(), place.cast(), known);
        place.cast::<u8>().add(known).write_bytes(0, size - known);
        place.cast::<usize>().write_unaligned(size);
    }
}

/// The size of a structure of the header by its name, 0 if unknown.
pub(super) fn struct_size(name: &str) -> usize {
    STRUCTURES.iter().find(|(known, _)| *known == name).map_or(0, |(_, size)| *size)
}

/// Every structure of the header with its size.
const STRUCTURES: &[(&str, usize)] = &[
    ("aet_view", size_of::<view::aet_view>()),
    ("aet_const_view", size_of::<view::aet_const_view>()),
    grown::<progress::aet_progress>(),
    grown::<context::aet_context_options>(),
    grown::<atoms_compare::aet_compare_options>(),
    grown::<atoms_compare::aet_comparison>(),
    grown::<atoms_accuracy::aet_accuracy_options>(),
    grown::<atoms_classify::aet_classify_options>(),
    grown::<atoms_generate::aet_structure_options>(),
    grown::<dataset::aet_dataset_options>(),
    grown::<frames::aet_frames>(),
    grown::<probe::aet_probe_options>(),
    grown::<detector::aet_detector_options>(),
    grown::<detector::aet_pattern_options>(),
    grown::<lot::aet_lot_options>(),
    grown::<recon::aet_block>(),
    grown::<recon_options::aet_run_options>(),
    grown::<tomography::aet_tomography_options>(),
    grown::<volume_trace::aet_trace_options>(),
    grown::<volume_filter::aet_filter_options>(),
    grown::<volume_lattice::aet_lattice_options>(),
    grown::<volume_mask::aet_mask_options>(),
    grown::<volume_mask::aet_support_options>(),
    grown::<volume_mask::aet_image_mask_options>(),
    grown::<resolution::aet_correlation_options>(),
    grown::<resolution::aet_resolution>(),
    grown::<find::aet_find_options>(),
    grown::<instrument::aet_instrument_options>(),
    grown::<simulation_options::aet_simulation_options>(),
    grown::<simulation_ensemble::aet_ensemble_options>(),
    grown::<simulate_series::aet_series_options>(),
    grown::<simulation_gradient::aet_scan_gradients>(),
    grown::<recon_errors::aet_error_options>(),
    grown::<recon_errors::aet_error_report>(),
];

/// Name and size of a structure that grows.
const fn grown<T: CStruct>() -> (&'static str, usize) {
    (T::NAME, size_of::<T>())
}

// `told_size` and `write` rely on it for all structures; one stands for all, the rest is the contract of `CStruct`.
const _: () = assert!(offset_of!(progress::aet_progress, struct_size) == 0);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::guard::with_host;
    use super::*;

    /// A structure of this version ...
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Present {
        struct_size: usize,
        a: f64,
        b: i32,
        c: i32,
    }

    // SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, numbers without padding.
    unsafe impl CStruct for Present {
        const NAME: &'static str = "present";
        fn defaults() -> Self {
            Present { struct_size: size_of::<Self>(), a: 1.5, b: 2, c: 3 }
        }
    }

    /// ... of an older one ...
    #[repr(C)]
    struct Older {
        struct_size: usize,
        a: f64,
    }

    /// ... and of a newer one.
    #[repr(C)]
    struct Newer {
        present: Present,
        d: f64,
    }

    #[test]
    fn older_and_newer_hosts() {
        with_host(|host| {
            assert_eq!(host.options::<Present>(ptr::null()).unwrap(), Present::defaults());
            assert_eq!(host.required_options::<Present>(ptr::null(), "frames").unwrap_err().code(), 100);

            let older = Older { struct_size: size_of::<Older>(), a: 7.0 };
            let got = host.options((&raw const older).cast::<Present>()).unwrap();
            assert_eq!((got.a, got.b, got.c), (7.0, 2, 3));

            let present = Present { struct_size: size_of::<Newer>(), a: 1.0, b: 5, c: 6 };
            let mut newer = Newer { present, d: 0.0 };
            assert_eq!(host.options((&raw const newer).cast::<Present>()).unwrap().c, 6);
            newer.d = 1.0;
            let error = host.options((&raw const newer).cast::<Present>()).unwrap_err();
            assert_eq!(error.code(), 106);
            assert!(error.to_string().contains("is 32, wanted at most 24"), "{error}");
        });
    }

    #[test]
    fn impossible_sizes() {
        with_host(|host| {
            for size in [0, 1, size_of::<usize>(), size_of::<Present>() - 1, LARGEST + 8, usize::MAX] {
                let mut options = Present { struct_size: size, ..Present::defaults() };
                assert_eq!(host.options(&raw const options).unwrap_err().code(), 106, "{size}");
                assert_eq!(host.init(&raw mut options, size).unwrap_err().code(), 106, "{size}");
                assert_eq!(host.out_struct(&raw mut options, "report").err().unwrap().code(), 106, "{size}");
            }
            assert_eq!(host.init::<Present>(ptr::null_mut(), 24).unwrap_err().code(), 100);
            assert_eq!(host.out_struct::<Present>(ptr::null_mut(), "report").err().unwrap().code(), 100);
        });
    }

    #[test]
    fn init_and_reports_write_what_the_host_knows() {
        with_host(|host| {
            let mut two = [Older { struct_size: 0, a: 0.0 }, Older { struct_size: 99, a: 99.0 }];
            host.init(two.as_mut_ptr().cast::<Present>(), size_of::<Older>()).unwrap();
            assert_eq!((two[0].struct_size, two[0].a), (size_of::<Older>(), 1.5));
            assert_eq!((two[1].struct_size, two[1].a), (99, 99.0));

            let mut newer = Newer { present: Present { struct_size: 0, a: 0.0, b: 0, c: 0 }, d: 9.0 };
            host.init((&raw mut newer).cast::<Present>(), size_of::<Newer>()).unwrap();
            assert_eq!((newer.present.struct_size, newer.present.c, newer.d), (size_of::<Newer>(), 3, 0.0));

            let mut report = [Older { struct_size: size_of::<Older>(), a: 0.0 }, Older { struct_size: 99, a: 99.0 }];
            host.out_struct(report.as_mut_ptr().cast::<Present>(), "report").unwrap().set(Present::defaults());
            assert_eq!((report[0].struct_size, report[0].a, report[1].a), (size_of::<Older>(), 1.5, 99.0));
        });
    }
}
