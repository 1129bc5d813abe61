//! Arrays
//!
//! A view is checked once, when it is taken from the host; after that, reading and writing are safe code on ndarray
//! views. The axis order is logical, the memory order is only in the strides: row-major and column-major hosts both
//! pass their arrays as they are.

use super::arguments::misaligned;
use super::enums::{host_enum, HostEnum};
use super::guard::Host;
use crate::{Error, Result};
use ndarray::{ArrayViewD, ArrayViewMutD, Axis, IxDyn, RawArrayView, RawArrayViewMut, ShapeBuilder};
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Type of the elements of a view.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_dtype {
    /// float
    F32 = 0,
    /// double
    F64 = 1,
    /// two floats: real and imaginary part
    C64 = 2,
    /// two doubles: real and imaginary part
    C128 = 3,
    /// uint8_t
    U8 = 4,
    /// uint16_t
    U16 = 5,
    /// uint32_t
    U32 = 6,
    /// int16_t
    I16 = 7,
    /// int32_t
    I32 = 8,
}

host_enum!(aet_dtype:
    F32 = "AET_DTYPE_F32",
    F64 = "AET_DTYPE_F64",
    C64 = "AET_DTYPE_C64",
    C128 = "AET_DTYPE_C128",
    U8 = "AET_DTYPE_U8",
    U16 = "AET_DTYPE_U16",
    U32 = "AET_DTYPE_U32",
    I16 = "AET_DTYPE_I16",
    I32 = "AET_DTYPE_I32",
);

/// An array of the host that the library fills. Elements must not overlap. This structure never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_view {
    /// Element with all indices 0; may be NULL where the array is empty.
    pub data: *mut c_void,
    /// An aet_dtype.
    pub dtype: i32,
    /// Number of axes, 0 to 8.
    pub ndim: i32,
    /// 0: host memory. Others are reserved and an error today.
    pub device: i32,
    /// Zero.
    pub reserved: i32,
    /// Extent of each axis.
    pub shape: [i64; 8],
    /// Step along each axis in elements, not bytes; may be negative.
    pub strides: [i64; 8],
}

/// An array of the host that the library reads during the call. This structure never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_const_view {
    /// Element with all indices 0; may be NULL where the array is empty.
    pub data: *const c_void,
    /// An aet_dtype.
    pub dtype: i32,
    /// Number of axes, 0 to 8.
    pub ndim: i32,
    /// 0: host memory. Others are reserved and an error today.
    pub device: i32,
    /// Zero.
    pub reserved: i32,
    /// Extent of each axis.
    pub shape: [i64; 8],
    /// Step along each axis in elements, not bytes; may be negative, or 0 to repeat.
    pub strides: [i64; 8],
}

/// Most axes of a view.
const MOST_AXES: usize = 8;

impl aet_dtype {
    /// Bytes of one element, and the alignment that it needs.
    fn size_and_alignment(self) -> (usize, usize) {
        match self {
            aet_dtype::U8 => (1, 1),
            aet_dtype::U16 | aet_dtype::I16 => (2, 2),
            aet_dtype::F32 | aet_dtype::U32 | aet_dtype::I32 => (4, align_of::<f32>()),
            aet_dtype::F64 => (8, align_of::<f64>()),
            aet_dtype::C64 => (8, align_of::<f32>()),
            aet_dtype::C128 => (16, align_of::<f64>()),
        }
    }

    /// Whether elements have an imaginary part.
    pub(super) fn is_complex(self) -> bool {
        matches!(self, aet_dtype::C64 | aet_dtype::C128)
    }

    /// Name in C, for messages.
    pub(super) fn name(self) -> &'static str {
        Self::KNOWN.iter().find(|(dtype, _)| *dtype == self).map_or("", |(_, name)| name)
    }
}

/// Name of an array in messages: the argument, or its part `[index]` along the first axis.
#[derive(Clone, Copy)]
struct Name {
    argument: &'static str,
    part: Option<usize>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            None => f.write_str(self.argument),
            Some(part) => write!(f, "{}[{part}]", self.argument),
        }
    }
}

/// A checked array of the host: all elements lie at possible, aligned addresses that the host has promised.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    /// The element with all indices 0; dangling where the array is empty.
    data: NonNull<u8>,
    dtype: aet_dtype,
    ndim: usize,
    /// Extents; 1 beyond `ndim`.
    shape: [usize; MOST_AXES],
    /// Steps in elements; 0 along axes with fewer than two elements, and where the array is empty.
    strides: [isize; MOST_AXES],
    name: Name,
}

impl Strided {
    /// Checks what can be checked without the host's promise.
    fn check(view: &aet_const_view, argument: &'static str) -> Result<Self> {
        let of = |what: &str| format!("{what} of {argument}");
        let dtype = aet_dtype::from_number(view.dtype, argument).map_err(|_| Error::Dtype {
            what: argument.into(),
            got: view.dtype.to_string(),
            wanted: format!("an aet_dtype, 0 to {}", aet_dtype::KNOWN.len() - 1),
        })?;
        if view.device != 0 {
            let why = "only host memory, device 0, is known to this version".into();
            return Err(Error::Unsupported { what: format!("{} {}", of("device"), view.device), why });
        }
        if view.reserved != 0 {
            return Err(Error::range(of("reserved"), view.reserved, "0"));
        }
        let ndim = usize::try_from(view.ndim).ok().filter(|&n| n <= MOST_AXES);
        let ndim = ndim.ok_or_else(|| Error::range(of("ndim"), view.ndim, format!("0 to {MOST_AXES}")))?;
        let (size, alignment) = dtype.size_and_alignment();
        let (shape, mut strides) = Self::extents(view, ndim, size, argument)?;

        let empty = shape.contains(&0);
        if empty {
            strides = [0; MOST_AXES];
        }
        let data = NonNull::new(view.data.cast_mut().cast::<u8>()).filter(|_| !empty);
        if data.is_none() && !empty {
            return Err(Error::Null { argument, wanted: "a view whose `data` is not NULL" });
        }
        if let Some(data) = data.filter(|data| !data.addr().get().is_multiple_of(alignment)) {
            return Err(misaligned(argument, data.addr().get(), alignment));
        }
        // An aligned address that is never read.
        let data = data.unwrap_or(NonNull::<u128>::dangling().cast());
        Ok(Strided { data, dtype, ndim, shape, strides, name: Name { argument, part: None } })
    }

    /// Shape and strides of an array that fits the address space.
    fn extents(
        view: &aet_const_view,
        ndim: usize,
        size: usize,
        argument: &'static str,
    ) -> Result<([usize; MOST_AXES], [isize; MOST_AXES])> {
        let (mut shape, mut strides) = ([1; MOST_AXES], [0; MOST_AXES]);
        let mut elements = size;
        let mut reach = size;
        let axes = view.shape.iter().zip(&view.strides).zip(shape.iter_mut().zip(strides.iter_mut()));
        for (axis, ((&extent, &stride), (to_extent, to_stride))) in axes.enumerate().take(ndim) {
            let too_far = || {
                let what = format!("stride of axis {axis} of {argument} (extent {extent})");
                Error::range(what, stride, "one with which the array fits the address space")
            };
            let what = || format!("extent of axis {axis} of {argument}");
            let count =
                usize::try_from(extent).map_err(|_| Error::range(what(), extent, "zero or a positive number"))?;
            let fits = |bytes: Option<usize>| bytes.filter(|&bytes| isize::try_from(bytes).is_ok());
            // Empty axes count as 1: ndarray wants that the others fit even so.
            elements = fits(elements.checked_mul(count.max(1)))
                .ok_or_else(|| Error::range(what(), extent, "one with which the array fits the address space"))?;
            *to_extent = count;
            if count > 1 {
                let stride = isize::try_from(stride).map_err(|_| too_far())?;
                let bytes = stride.unsigned_abs().checked_mul(count - 1).and_then(|steps| steps.checked_mul(size));
                reach = fits(bytes.and_then(|bytes| bytes.checked_add(reach))).ok_or_else(too_far)?;
                *to_stride = stride;
            }
        }
        Ok((shape, strides))
    }

    /// Extent of each axis.
    pub(super) fn shape(&self) -> &[usize] {
        self.shape.get(..self.ndim).unwrap_or_default()
    }

    fn strides(&self) -> &[isize] {
        self.strides.get(..self.ndim).unwrap_or_default()
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Type of the elements.
    pub(super) fn dtype(&self) -> aet_dtype {
        self.dtype
    }

    /// Name of the array for messages: `images`, or `images[3]` for a part.
    pub(super) fn name(&self) -> String {
        self.name.to_string()
    }

    /// An error unless the shape is as wanted: numbers, or options of which None takes any extent.
    pub(super) fn expect_shape<E: Into<Option<usize>> + Copy>(&self, wanted: &[E]) -> Result<()> {
        let wanted: Vec<Option<usize>> = wanted.iter().map(|&extent| extent.into()).collect();
        let same = self.shape().len() == wanted.len()
            && self.shape().iter().zip(&wanted).all(|(&got, wanted)| wanted.is_none_or(|wanted| wanted == got));
        if same {
            return Ok(());
        }
        let wanted: Vec<String> = wanted.iter().map(|w| w.map_or("any".into(), |w| w.to_string())).collect();
        Err(Error::shape(self.name(), self.shape(), format!("[{}]", wanted.join(", "))))
    }

    /// An error unless two indices always mean two elements. Sorted by step, each axis must step over all that the axes
    /// before it reach. Interleavings that would be allowed beyond that do not occur in arrays of any host.
    fn expect_distinct(&self) -> Result<()> {
        let several = self.strides().iter().zip(self.shape()).filter(|(_, &count)| count > 1 && self.len() > 0);
        let mut axes: Vec<(usize, usize)> = several.map(|(stride, &count)| (stride.unsigned_abs(), count)).collect();
        axes.sort_unstable();
        let mut reach = 0;
        for (stride, count) in axes {
            if stride <= reach {
                return Err(Error::Overlap {
                    what: self.name(),
                    shape: self.shape().to_vec(),
                    strides: self.strides().iter().map(|&s| s as i64).collect(),
                });
            }
            reach += stride * (count - 1);
        }
        Ok(())
    }

    /// The part with this index along the first axis.
    fn part(&self, index: usize) -> Result<Self> {
        let (Some((&count, shape)), Some((&stride, strides))) =
            (self.shape().split_first(), self.strides().split_first())
        else {
            return Err(Error::Internal(format!("{} has no first axis", self.name())));
        };
        if index >= count {
            return Err(Error::Internal(format!("{} has {count} parts, not {index}", self.name())));
        }
        let mut part = Strided { ndim: self.ndim - 1, shape: [1; MOST_AXES], strides: [0; MOST_AXES], ..*self };
        part.shape.iter_mut().zip(shape).for_each(|(to, &from)| *to = from);
        part.strides.iter_mut().zip(strides).for_each(|(to, &from)| *to = from);
        part.name.part = Some(index);
        let bytes = stride * index as isize * self.dtype.size_and_alignment().0 as isize;
        // SAFETY: the index is within the axis, so the element lies within the array (see `extents`); the step is 0 where
        // the array is empty.
        part.data = unsafe { self.data.offset(bytes) };
        Ok(part)
    }

    /// The lowest element, the extents, the sizes of the steps, and the axes along which steps go down.
    fn upward<S>(&self) -> (*mut S, IxDyn, IxDyn, impl Iterator<Item = Axis> + '_) {
        let axes = self.strides().iter().zip(self.shape());
        let lowest: isize = axes.map(|(&stride, &count)| stride.min(0) * (count as isize - 1)).sum();
        // SAFETY: the sum leads to an element of the array (see `extents`); it is 0 for an empty one.
        let lowest = unsafe { self.data.as_ptr().cast::<S>().offset(lowest) };
        let steps: Vec<usize> = self.strides().iter().map(|stride| stride.unsigned_abs()).collect();
        let down = self.strides().iter().enumerate().filter(|(_, &stride)| stride < 0).map(|(axis, _)| Axis(axis));
        (lowest, IxDyn(self.shape()), IxDyn(&steps), down)
    }
}

/// An array that the host lends for reading during the call.
#[derive(Clone, Copy)]
pub(super) struct InView<'c> {
    strided: Strided,
    host: PhantomData<&'c Host>,
}

/// An array of the host that the call fills.
pub(super) struct OutView<'c> {
    strided: Strided,
    host: PhantomData<&'c Host>,
}

impl<'c> InView<'c> {
    /// The part with this index along the first axis; not for arrays without axes.
    #[cfg(test)]
    pub(super) fn part(&self, index: usize) -> Result<InView<'c>> {
        Ok(InView { strided: self.strided.part(index)?, host: PhantomData })
    }

    /// The elements, whose Rust type must be that of the view.
    pub(super) fn elements<S: super::elements::Stored>(&self) -> ArrayViewD<'c, S> {
        debug_assert_eq!(self.dtype, S::DTYPE);
        let (lowest, shape, steps, down) = self.strided.upward::<S>();
        // SAFETY: `Strided::check` has verified address, alignment and extents; the host promises the elements until the
        // call, whose `Host` this view borrows, returns.
        let mut view = unsafe { RawArrayView::from_shape_ptr(shape.strides(steps), lowest.cast_const()) };
        down.for_each(|axis| view.invert_axis(axis));
        // SAFETY: as above; every bit pattern is a value of a `Stored` type.
        unsafe { view.deref_into_view() }
    }
}

impl OutView<'_> {
    /// The part with this index along the first axis; not for arrays without axes. Parts of one view, and only those of
    /// different index, may be alive together.
    pub(super) fn part(&mut self, index: usize) -> Result<OutView<'_>> {
        Ok(OutView { strided: self.strided.part(index)?, host: PhantomData })
    }

    /// The elements as places to write to, whose Rust type must be that of the view.
    pub(super) fn places<S: super::elements::Stored>(&mut self) -> ArrayViewMutD<'_, MaybeUninit<S>> {
        debug_assert_eq!(self.dtype, S::DTYPE);
        let (lowest, shape, steps, down) = self.strided.upward::<MaybeUninit<S>>();
        // SAFETY: as in `InView::elements`; besides, no element is reached twice (see `expect_distinct`), and this view
        // is borrowed exclusively.
        let mut view = unsafe { RawArrayViewMut::from_shape_ptr(shape.strides(steps), lowest) };
        down.for_each(|axis| view.invert_axis(axis));
        // SAFETY: as above.
        unsafe { view.deref_into_view_mut() }
    }
}

impl std::ops::Deref for InView<'_> {
    type Target = Strided;

    fn deref(&self) -> &Strided {
        &self.strided
    }
}

impl std::ops::Deref for OutView<'_> {
    type Target = Strided;

    fn deref(&self) -> &Strided {
        &self.strided
    }
}

impl Host {
    /// A required array for reading.
    pub(super) fn view(&self, view: *const aet_const_view, argument: &'static str) -> Result<InView<'_>> {
        self.optional_view(view, argument)?.ok_or(Error::Null { argument, wanted: "an aet_const_view" })
    }

    /// An array for reading that may be missing: NULL gives None.
    pub(super) fn optional_view(
        &self,
        view: *const aet_const_view,
        argument: &'static str,
    ) -> Result<Option<InView<'_>>> {
        if view.is_null() {
            return Ok(None);
        }
        if !view.is_aligned() {
            return Err(misaligned(argument, view.addr(), align_of::<aet_const_view>()));
        }
        // SAFETY: neither NULL nor misaligned; the host promises a view, for which every bit pattern is valid.
        let view = unsafe { view.read() };
        Ok(Some(InView { strided: Strided::check(&view, argument)?, host: PhantomData }))
    }

    /// A required array for results.
    pub(super) fn out_view(&self, view: *const aet_view, argument: &'static str) -> Result<OutView<'_>> {
        self.optional_out_view(view, argument)?.ok_or(Error::Null { argument, wanted: "an aet_view" })
    }

    /// An array for results that the host may not want: NULL gives None.
    pub(super) fn optional_out_view(
        &self,
        view: *const aet_view,
        argument: &'static str,
    ) -> Result<Option<OutView<'_>>> {
        // The two structures differ only in what `data` points to.
        let Some(InView { strided, .. }) = self.optional_view(view.cast(), argument)? else { return Ok(None) };
        strided.expect_distinct()?;
        Ok(Some(OutView { strided, host: PhantomData }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::guard::with_host;
    use super::*;

    /// A view of doubles at `data`.
    fn f64_view(data: *const f64, shape: &[i64], strides: &[i64]) -> aet_const_view {
        let dtype = aet_dtype::F64 as i32;
        let ndim = shape.len() as i32;
        let data = data.cast();
        let mut view = aet_const_view { data, dtype, ndim, device: 0, reserved: 0, shape: [0; 8], strides: [0; 8] };
        view.shape[..shape.len()].copy_from_slice(shape);
        view.strides[..strides.len()].copy_from_slice(strides);
        view
    }

    fn error_in(view: &aet_const_view) -> Error {
        with_host(|host| host.view(view, "images").map(|_| ()).unwrap_err())
    }

    fn error_out(view: &aet_const_view) -> Option<Error> {
        with_host(|host| host.out_view(std::ptr::from_ref(view).cast(), "out").err())
    }

    #[test]
    fn impossible_views() {
        let data = [0.0; 6];
        let good = f64_view(data.as_ptr(), &[2, 3], &[3, 1]);
        let cases: [(aet_const_view, i32, &str); 13] = [
            (aet_const_view { dtype: 9, ..good }, 102, "images has element type 9, wanted an aet_dtype, 0 to 8"),
            (aet_const_view { dtype: -1, ..good }, 102, "element type -1"),
            (aet_const_view { ndim: 9, ..good }, 103, "ndim of images is 9, wanted 0 to 8"),
            (aet_const_view { ndim: -1, ..good }, 103, "ndim of images is -1"),
            (aet_const_view { device: 1, ..good }, 107, "device of images 1 is not supported"),
            (aet_const_view { reserved: 1, ..good }, 103, "reserved of images is 1"),
            (aet_const_view { data: std::ptr::null(), ..good }, 100, "argument `images` is NULL"),
            (f64_view(data.as_ptr(), &[2, -3], &[3, 1]), 103, "extent of axis 1 of images is -3"),
            (f64_view(data.as_ptr(), &[i64::MAX, 3], &[0, 1]), 103, "extent of axis 0 of images"),
            (f64_view(data.as_ptr(), &[1 << 40, 1 << 40], &[0, 0]), 103, "extent of axis 1 of images"),
            (f64_view(data.as_ptr(), &[2, 3], &[i64::MIN, 1]), 103, "stride of axis 0 of images (extent 2)"),
            (f64_view(data.as_ptr(), &[1000, 3], &[1 << 58, 1]), 103, "stride of axis 0"),
            (f64_view(data.as_ptr().cast::<u8>().wrapping_add(4).cast(), &[1], &[1]), 103, "address of images"),
        ];
        for (view, code, text) in cases {
            let error = error_in(&view);
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
        with_host(|host| {
            assert_eq!(host.view(std::ptr::null(), "images").err().unwrap().code(), 100);
            assert!(host.optional_view(std::ptr::null(), "mask").unwrap().is_none());
        });
    }

    #[test]
    fn overlaps_of_outputs() {
        let data = [0.0; 64];
        let overlap = |shape: &[i64], strides: &[i64]| {
            let view = f64_view(data[32..].as_ptr(), shape, strides);
            assert!(with_host(|host| host.view(&view, "in").is_ok()), "inputs may overlap");
            error_out(&view).map(|error| error.code())
        };
        for (shape, strides) in [
            (&[2, 3][..], &[3, 1][..]),
            (&[2, 3], &[1, 2]),
            (&[2, 3], &[-3, -1]),
            (&[2, 3], &[10, -2]),
            (&[1, 3], &[0, 1]),
            (&[1, 1], &[0, 0]),
            (&[0, 3], &[0, 0]),
            (&[], &[]),
            (&[2, 2, 2], &[1, 4, 2]),
        ] {
            assert_eq!(overlap(shape, strides), None, "{shape:?} {strides:?}");
        }
        for (shape, strides) in [
            (&[2, 3][..], &[2, 1][..]),
            (&[2, 3], &[0, 1]),
            (&[3], &[0]),
            (&[2, 3], &[-2, 1]),
            (&[2, 2, 2], &[1, 2, 2]),
        ] {
            assert_eq!(overlap(shape, strides), Some(109), "{shape:?} {strides:?}");
        }
        let error = error_out(&f64_view(data.as_ptr(), &[2, 3], &[2, 1])).unwrap();
        assert_eq!(error.to_string(), "output out overlaps itself (shape [2, 3], strides [2, 1])");
    }

    #[test]
    fn parts_along_the_first_axis() {
        let data: Vec<f64> = (0..6).map(f64::from).collect();
        with_host(|host| {
            let raw = f64_view(data[3..].as_ptr(), &[2, 3], &[-3, 1]);
            let view = host.view(&raw, "images").unwrap();
            assert_eq!((view.len(), view.shape()), (6, &[2, 3][..]));
            let part = view.part(1).unwrap();
            assert_eq!(part.elements::<f64>().iter().copied().collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
            assert_eq!(part.expect_shape(&[Some(4)]).unwrap_err().to_string(), "images[1] has shape [3], wanted [4]");
            assert_eq!(part.part(2).unwrap().elements::<f64>().first(), Some(&2.0));
            assert_eq!(view.part(2).err().unwrap().code(), 900);
            assert_eq!(part.part(0).unwrap().part(0).err().unwrap().code(), 900);
        });
    }
}
