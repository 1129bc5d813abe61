//! Reading and writing arrays of the host: any real element type in, any that can hold the values out.
//!
//! Results of a call are one array each (`read`, `write`); large ones go part by part (`view.part(k)`), so that no second
//! copy of the whole is needed.

use super::view::{aet_dtype, InView, OutView};
use crate::{Error, Result};
use ndarray::{Array, ArrayBase, ArrayView, ArrayViewMut, Axis, Data, Dim, Dimension, Ix, IxDyn, Zip};
use num_complex::{Complex, Complex32, Complex64};
use std::any::TypeId;
use std::fmt::Debug;
use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

/// A number in the library: what arrays are read into and written from.
pub(super) trait Number: Copy + Debug + Send + Sync + 'static {
    /// Whether it has an imaginary part.
    const COMPLEX: bool;
    /// Values it can hold, for messages.
    const HOLDS: &'static str;

    /// The value as a complex number, which holds all of ours (integers up to 2^53).
    fn widen(self) -> Complex64;

    /// The number nearest to `value`; None where it cannot be held: a fraction or too large.
    fn narrow(value: Complex64) -> Option<Self>;
}

/// A number that hosts can store.
pub(super) trait Stored: Number {
    /// Its type in a view.
    const DTYPE: aet_dtype;
}

/// Largest integer up to which f64 holds all.
const EXACT: f64 = 9_007_199_254_740_992.0;

macro_rules! integers {
    ($($type:ty: $holds:literal),+ $(,)?) => {$(
        impl Number for $type {
            const COMPLEX: bool = false;
            const HOLDS: &'static str = $holds;

            fn widen(self) -> Complex64 {
                Complex::new(self as f64, 0.0)
            }

            fn narrow(value: Complex64) -> Option<Self> {
                let value = value.re;
                let fits = value.fract() == 0.0 && value.abs() <= EXACT
                    && value >= <$type>::MIN as f64 && value <= <$type>::MAX as f64;
                fits.then_some(value as $type)
            }
        }
    )+};
}

integers! {
    u8: "a whole number from 0 to 255",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    i16: "a whole number from -32768 to 32767",
    i32: "a whole number from -2147483648 to 2147483647",
    i64: "a whole number up to 2^53",
}

/// A double in single precision, unless that turns a finite value into infinity.
fn single(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_finite() || !value.is_finite()).then_some(narrow)
}

impl Number for f32 {
    const COMPLEX: bool = false;
    const HOLDS: &'static str = "within the range of single precision";

    fn widen(self) -> Complex64 {
        Complex::new(self.into(), 0.0)
    }

    fn narrow(value: Complex64) -> Option<Self> {
        single(value.re)
    }
}

impl Number for f64 {
    const COMPLEX: bool = false;
    const HOLDS: &'static str = "a number";

    fn widen(self) -> Complex64 {
        Complex::new(self, 0.0)
    }

    fn narrow(value: Complex64) -> Option<Self> {
        Some(value.re)
    }
}

impl Number for Complex32 {
    const COMPLEX: bool = true;
    const HOLDS: &'static str = f32::HOLDS;

    fn widen(self) -> Complex64 {
        Complex::new(self.re.into(), self.im.into())
    }

    fn narrow(value: Complex64) -> Option<Self> {
        Some(Complex::new(single(value.re)?, single(value.im)?))
    }
}

impl Number for Complex64 {
    const COMPLEX: bool = true;
    const HOLDS: &'static str = "a number";

    fn widen(self) -> Complex64 {
        self
    }

    fn narrow(value: Complex64) -> Option<Self> {
        Some(value)
    }
}

macro_rules! stored {
    ($($type:ty = $dtype:ident),+ $(,)?) => {$(
        impl Stored for $type {
            const DTYPE: aet_dtype = aet_dtype::$dtype;
        }
    )+};
}

stored! {
    f32 = F32, f64 = F64, Complex32 = C64, Complex64 = C128,
    u8 = U8, u16 = U16, u32 = U32, i16 = I16, i32 = I32,
}

/// Evaluates an expression with the Rust type `S` of the elements of a view.
macro_rules! with_dtype {
    ($dtype:expr, $S:ident => $body:expr) => {
        match $dtype {
            aet_dtype::F32 => with_dtype!(@ $S = f32, $body),
            aet_dtype::F64 => with_dtype!(@ $S = f64, $body),
            aet_dtype::C64 => with_dtype!(@ $S = Complex32, $body),
            aet_dtype::C128 => with_dtype!(@ $S = Complex64, $body),
            aet_dtype::U8 => with_dtype!(@ $S = u8, $body),
            aet_dtype::U16 => with_dtype!(@ $S = u16, $body),
            aet_dtype::U32 => with_dtype!(@ $S = u32, $body),
            aet_dtype::I16 => with_dtype!(@ $S = i16, $body),
            aet_dtype::I32 => with_dtype!(@ $S = i32, $body),
        }
    };
    (@ $S:ident = $type:ty, $body:expr) => {{
        type $S = $type;
        $body
    }};
}

impl InView<'_> {
    /// A copy of the array in row-major order: `let images: Array3<f32> = view.read([None, Some(rows), Some(columns)])?`.
    /// None takes any extent. Every value must be one that `T` can hold: indices may come as doubles, but not 1.5.
    pub(super) fn read<T: Number, const N: usize>(&self, wanted: [Option<usize>; N]) -> Result<Array<T, Dim<[Ix; N]>>>
    where
        Dim<[Ix; N]>: Dimension,
    {
        self.expect_shape(&wanted)?;
        if self.dtype().is_complex() && !T::COMPLEX {
            return Err(wrong_dtype(&self.name(), self.dtype(), "a real type"));
        }
        let mut copy = room(&self.name(), self.shape())?;
        with_dtype!(self.dtype(), S => convert(&self.name(), self.elements::<S>(), copy.view_mut())?);
        // SAFETY: `convert` has written every element.
        let copy: Array<T, IxDyn> = unsafe { copy.assume_init() };
        copy.into_dimensionality().map_err(|error| Error::Internal(format!("{}: {error}", self.name())))
    }
}

impl InView<'_> {
    /// Calls `work` with a function that copies one plane (the last two axes) of a real array into a place of that many
    /// numbers. Planes are counted row by row over the other axes; the function may be called from any thread, so that
    /// large arrays need no second copy.
    pub(super) fn with_planes<R>(&self, work: impl FnOnce(&(dyn Fn(usize, &mut [f64]) + Sync)) -> R) -> Result<R> {
        if self.dtype().is_complex() {
            return Err(wrong_dtype(&self.name(), self.dtype(), "a real type"));
        }
        with_dtype!(self.dtype(), S => {
            let all = self.elements::<S>();
            Ok(work(&|number, place| {
                let (mut plane, mut rest) = (all.view(), number);
                for axis in (0..all.ndim().saturating_sub(2)).rev() {
                    let count = plane.len_of(Axis(axis)).max(1);
                    plane = plane.index_axis_move(Axis(axis), rest % count);
                    rest /= count;
                }
                place.iter_mut().zip(&plane).for_each(|(to, from)| *to = from.widen().re);
            }))
        })
    }
}

/// Writes one plane of an array of the host: its number, and the value at (row, column).
type WritePlane<'a> = dyn Fn(usize, &dyn Fn(usize, usize) -> f64) + Sync + 'a;

impl OutView<'_> {
    /// Calls `work` with a function that fills one plane of a `[planes,rows,columns]` array of floats or doubles; it may
    /// be called from any thread, so that large results need no second copy. Values beyond single precision become
    /// infinite there.
    pub(super) fn with_planes<R>(&mut self, work: impl FnOnce(&WritePlane<'_>) -> R) -> Result<R> {
        self.expect_fractions()?;
        match self.dtype() {
            aet_dtype::F32 => Ok(work(&plane_writer(self.places::<f32>(), |value| value as f32))),
            _ => Ok(work(&plane_writer(self.places::<f64>(), |value| value))),
        }
    }

    /// An error unless numbers of type `A` can go into this view: ask before long work.
    pub(super) fn expect_holds<A: Number>(&self) -> Result<()> {
        match self.dtype().is_complex() == A::COMPLEX {
            true => Ok(()),
            false if A::COMPLEX => Err(wrong_dtype(&self.name(), self.dtype(), "AET_DTYPE_C64 or AET_DTYPE_C128")),
            false => Err(wrong_dtype(&self.name(), self.dtype(), "a real type")),
        }
    }

    /// An error unless the view has floats or doubles, for results that whole numbers never hold.
    pub(super) fn expect_fractions(&self) -> Result<()> {
        match self.dtype() {
            aet_dtype::F32 | aet_dtype::F64 => Ok(()),
            other => Err(wrong_dtype(&self.name(), other, "AET_DTYPE_F32 or AET_DTYPE_F64")),
        }
    }

    /// An error unless `write` would write this array: ask for all parts before the first is written.
    pub(super) fn expect_fits<A: Number, D: Dimension>(&self, array: &ArrayBase<impl Data<Elem = A>, D>) -> Result<()> {
        self.expect_holds::<A>()?;
        self.expect_shape(array.shape())?;
        with_dtype!(self.dtype(), S => expect_all_fit::<A, S>(&self.name(), array.view().into_dyn()))
    }

    /// Writes an array of the same shape, all of it or, where the view's type cannot hold a value, nothing.
    pub(super) fn write<A: Number, D: Dimension>(&mut self, array: &ArrayBase<impl Data<Elem = A>, D>) -> Result<()> {
        self.expect_fits(array)?;
        let name = self.name();
        with_dtype!(self.dtype(), S => convert(&name, array.view().into_dyn(), self.places::<S>()))
    }
}

/// Planes are written one at a time: making one takes far longer.
fn plane_writer<'a, S: Stored>(
    places: ArrayViewMut<'a, MaybeUninit<S>, IxDyn>,
    narrow: impl Fn(f64) -> S + Sync + 'a,
) -> impl Fn(usize, &dyn Fn(usize, usize) -> f64) + Sync + 'a {
    let places = Mutex::new(places);
    move |number, value| {
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, place) in places.index_axis_mut(Axis(0), number).indexed_iter_mut() {
            if let [row, column] = index.slice() {
                place.write(narrow(value(*row, *column)));
            }
        }
    }
}

/// Memory for a copy, not yet written.
fn room<T: Number>(name: &str, shape: &[usize]) -> Result<Array<MaybeUninit<T>, IxDyn>> {
    let length: usize = shape.iter().product();
    let mut memory: Vec<MaybeUninit<T>> = Vec::new();
    memory.try_reserve_exact(length).map_err(|_| Error::Memory {
        what: format!("a copy of {name}"),
        needed: (length as u64).saturating_mul(size_of::<T>() as u64),
        available: 0,
    })?;
    // SAFETY: the capacity is at least `length`, and `MaybeUninit` needs no initial value.
    unsafe { memory.set_len(length) };
    Array::from_shape_vec(IxDyn(shape), memory).map_err(|error| Error::Internal(format!("{name}: {error}")))
}

/// Converts all elements, in the order that suits the memory. After an error the places hold anything.
fn convert<S: Number, T: Number>(
    name: &str,
    from: ArrayView<'_, S, IxDyn>,
    to: ndarray::ArrayViewMut<'_, MaybeUninit<T>, IxDyn>,
) -> Result<()> {
    let mut all_fit = true;
    Zip::from(to).and(&from).for_each(|to, &from| {
        match T::narrow(from.widen()) {
            Some(value) => _ = to.write(value),
            None => all_fit = false,
        };
    });
    if all_fit {
        return Ok(());
    }
    first_misfit::<S, T>(name, from)
}

/// An error if `T` cannot hold one of the values.
fn expect_all_fit<S: Number, T: Number>(name: &str, values: ArrayView<'_, S, IxDyn>) -> Result<()> {
    let same = TypeId::of::<S>() == TypeId::of::<T>();
    if same || TypeId::of::<T>() == TypeId::of::<f64>() || TypeId::of::<T>() == TypeId::of::<Complex64>() {
        return Ok(());
    }
    first_misfit::<S, T>(name, values)
}

/// Names the first value that `T` cannot hold.
fn first_misfit<S: Number, T: Number>(name: &str, values: ArrayView<'_, S, IxDyn>) -> Result<()> {
    match values.indexed_iter().find(|(_, value)| T::narrow(value.widen()).is_none()) {
        None => Ok(()),
        Some((index, value)) => {
            Err(Error::range(format!("{name}{:?}", index.slice()), format_args!("{value:?}"), T::HOLDS))
        }
    }
}

fn wrong_dtype(name: &str, got: aet_dtype, wanted: &str) -> Error {
    Error::Dtype { what: name.into(), got: got.name().into(), wanted: wanted.into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::guard::with_host;
    use super::super::view::{aet_const_view, aet_view};
    use super::*;
    use ndarray::{array, Array1, Array2, Array3};
    use std::ffi::c_void;

    /// A view with these strides.
    fn view<S: Stored>(data: *const S, shape: &[i64], strides: &[i64]) -> aet_const_view {
        let (dtype, ndim) = (S::DTYPE as i32, shape.len() as i32);
        let data = data.cast::<c_void>();
        let mut view = aet_const_view { data, dtype, ndim, device: 0, reserved: 0, shape: [0; 8], strides: [0; 8] };
        view.shape[..shape.len()].copy_from_slice(shape);
        view.strides[..strides.len()].copy_from_slice(strides);
        view
    }

    fn out<S: Stored>(data: &mut [S], shape: &[i64], strides: &[i64]) -> aet_view {
        let aet_const_view { dtype, ndim, device, reserved, shape, strides, .. } = view(data.as_ptr(), shape, strides);
        aet_view { data: data.as_mut_ptr().cast(), dtype, ndim, device, reserved, shape, strides }
    }

    fn read<T: Number, const N: usize>(raw: &aet_const_view) -> Result<Array<T, Dim<[Ix; N]>>>
    where
        Dim<[Ix; N]>: Dimension,
    {
        with_host(|host| host.view(raw, "images")?.read([None; N]))
    }

    #[test]
    fn planes_of_any_memory_order() {
        let data: Vec<u16> = (0..24).collect();
        let wanted = Array::from_shape_vec((2, 2, 3, 2), data.clone()).unwrap();
        let plane = |raw: &aet_const_view, number| {
            let mut place = [f64::NAN; 6];
            with_host(|host| host.view(raw, "patterns")?.with_planes(|copy| copy(number, &mut place))).unwrap();
            place
        };
        for number in 0..4 {
            let of_c = plane(&view(data.as_ptr(), &[2, 2, 3, 2], &[12, 6, 2, 1]), number);
            let expected = wanted.slice(ndarray::s![number / 2, number % 2, .., ..]).mapv(f64::from);
            assert!(of_c.iter().eq(&expected));
            // the same elements with the scan axes fastest in memory
            let scan_last = wanted.view().permuted_axes([2, 3, 0, 1]).as_standard_layout().into_owned();
            let of_f = plane(&view(scan_last.as_ptr(), &[2, 2, 3, 2], &[2, 1, 8, 4]), number);
            assert_eq!(of_c, of_f);
        }
        let complex = [Complex64::new(1.0, 0.0)];
        let error =
            with_host(|host| host.view(&view(complex.as_ptr(), &[1, 1], &[1, 1]), "patterns")?.with_planes(|_| ()));
        assert_eq!(error.unwrap_err().code(), 102);
    }

    #[test]
    fn every_memory_order() {
        let data: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let wanted: Array2<f64> = array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]];
        let rows = read::<f64, 2>(&view(data.as_ptr(), &[2, 3], &[3, 1])).unwrap();
        assert_eq!(rows, wanted);
        let columns = read::<f64, 2>(&view(data.as_ptr(), &[3, 2], &[1, 3])).unwrap();
        assert_eq!(columns, wanted.t());
        let backward = read::<f64, 2>(&view(data[5..].as_ptr(), &[2, 3], &[-3, -1])).unwrap();
        assert_eq!(backward, array![[5.0, 4.0, 3.0], [2.0, 1.0, 0.0]]);
        let mirrored = read::<f64, 2>(&view(data[2..].as_ptr(), &[2, 3], &[3, -1])).unwrap();
        assert_eq!(mirrored, array![[2.0, 1.0, 0.0], [5.0, 4.0, 3.0]]);
        let every_second = read::<f64, 1>(&view(data.as_ptr(), &[3], &[2])).unwrap();
        assert_eq!(every_second, array![0.0, 2.0, 4.0]);
        let repeated = read::<f64, 2>(&view(data.as_ptr(), &[2, 3], &[0, 1])).unwrap();
        assert_eq!(repeated, array![[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]);
        let scalar = read::<f64, 0>(&view(data[4..].as_ptr(), &[], &[])).unwrap();
        assert_eq!(scalar.into_scalar(), 4.0);
        let empty = read::<f64, 3>(&view::<f64>(std::ptr::null(), &[0, 4, 5], &[-20, 5, 1])).unwrap();
        assert_eq!(empty.shape(), [0, 4, 5]);
    }

    #[test]
    fn every_element_type_in() {
        fn check<S: Stored>(data: [S; 3]) {
            let raw = view(data.as_ptr(), &[3], &[1]);
            assert_eq!(read::<f32, 1>(&raw).unwrap(), array![1.0, 2.0, 3.0]);
            assert_eq!(read::<f64, 1>(&raw).unwrap(), array![1.0, 2.0, 3.0]);
            assert_eq!(read::<i64, 1>(&raw).unwrap(), array![1, 2, 3]);
            assert_eq!(read::<u8, 1>(&raw).unwrap(), array![1, 2, 3]);
            assert_eq!(read::<Complex64, 1>(&raw).unwrap()[2], Complex::new(3.0, 0.0));
        }
        check::<f32>([1.0, 2.0, 3.0]);
        check::<f64>([1.0, 2.0, 3.0]);
        check::<u8>([1, 2, 3]);
        check::<u16>([1, 2, 3]);
        check::<u32>([1, 2, 3]);
        check::<i16>([1, 2, 3]);
        check::<i32>([1, 2, 3]);

        let waves = [Complex::new(1.0_f32, -2.0)];
        let raw = view(waves.as_ptr(), &[1], &[1]);
        assert_eq!(read::<Complex64, 1>(&raw).unwrap(), array![Complex::new(1.0, -2.0)]);
        let error = read::<f64, 1>(&raw).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().contains("AET_DTYPE_C64, wanted a real type")),
            (102, true),
            "{error}"
        );
        let waves = [Complex::new(1.0_f64, -2.0)];
        assert_eq!(read::<Complex32, 1>(&view(waves.as_ptr(), &[1], &[1])).unwrap()[0], Complex::new(1.0, -2.0));
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        let data = [0.0, 1.0, 2.0, 1.5];
        let error = read::<i64, 2>(&view(data.as_ptr(), &[2, 2], &[2, 1])).unwrap_err();
        assert_eq!(error.to_string(), "images[1, 1] is 1.5, wanted a whole number up to 2^53");
        for bad in [-1.0, 256.0, f64::NAN, f64::INFINITY] {
            assert_eq!(read::<u8, 1>(&view(&bad, &[1], &[1])).unwrap_err().code(), 103, "{bad}");
        }
        assert_eq!(read::<f32, 1>(&view(&1e300, &[1], &[1])).unwrap_err().code(), 103);
        assert!(read::<f32, 1>(&view(&f64::NAN, &[1], &[1])).unwrap()[0].is_nan());
        assert_eq!(read::<f32, 1>(&view(&f64::INFINITY, &[1], &[1])).unwrap()[0], f32::INFINITY);
    }

    #[test]
    fn shapes_are_compared() {
        let data = [0.0; 6];
        let raw = view(data.as_ptr(), &[2, 3], &[3, 1]);
        with_host(|host| {
            let images = host.view(&raw, "images").unwrap();
            assert!(images.read::<f64, 2>([None, Some(3)]).is_ok());
            let error = images.read::<f64, 2>([None, Some(4)]).unwrap_err();
            assert_eq!(error.to_string(), "images has shape [2, 3], wanted [any, 4]");
            assert_eq!(images.read::<f64, 3>([None; 3]).unwrap_err().code(), 101);
        });
        let endless = view(data.as_ptr(), &[1 << 58], &[0]);
        assert_eq!(read::<f64, 1>(&endless).unwrap_err().code(), 500);
    }

    #[test]
    fn every_element_type_out() {
        fn check<S: Stored + Default + PartialEq>(wanted: [S; 3]) {
            let mut data = [S::default(); 3];
            let raw = out(&mut data, &[3], &[1]);
            let write = |values: &Array1<f64>| with_host(|host| host.out_view(&raw, "out")?.write(values));
            write(&array![1.0, 2.0, 3.0]).unwrap();
            assert_eq!(data, wanted);
            let integers: Array1<i64> = array![3, 2, 1];
            with_host(|host| host.out_view(&raw, "out").unwrap().write(&integers)).unwrap();
            assert_eq!((data[0], data[2]), (wanted[2], wanted[0]));
        }
        check::<f32>([1.0, 2.0, 3.0]);
        check::<f64>([1.0, 2.0, 3.0]);
        check::<u8>([1, 2, 3]);
        check::<u16>([1, 2, 3]);
        check::<u32>([1, 2, 3]);
        check::<i16>([1, 2, 3]);
        check::<i32>([1, 2, 3]);

        let wave: Array1<Complex64> = array![Complex::new(1.0, -2.0)];
        let mut single = [Complex32::default()];
        let raw = out(&mut single, &[1], &[1]);
        with_host(|host| host.out_view(&raw, "out").unwrap().write(&wave)).unwrap();
        assert_eq!(single[0], Complex::new(1.0, -2.0));
        let code = with_host(|host| host.out_view(&raw, "out").unwrap().write(&array![1.0_f64]).unwrap_err().code());
        assert_eq!(code, 102);
        let mut real = [0.0_f64];
        let raw = out(&mut real, &[1], &[1]);
        let error = with_host(|host| host.out_view(&raw, "out").unwrap().write(&wave).unwrap_err());
        assert!(error.to_string().ends_with("wanted AET_DTYPE_C64 or AET_DTYPE_C128"), "{error}");
    }

    #[test]
    fn strided_outputs_and_their_parts() {
        let values: Array2<f64> = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let mut data = [0.0_f32; 8];
        let raw = out(&mut data, &[2, 3], &[1, 2]);
        with_host(|host| host.out_view(&raw, "out").unwrap().write(&values)).unwrap();
        assert_eq!(data, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 0.0, 0.0]);

        let mut data = [0_u16; 8];
        let raw = aet_view { data: (&raw mut data[5]).cast(), ..out(&mut data, &[2, 3], &[-3, -1]) };
        with_host(|host| {
            let mut view = host.out_view(&raw, "out").unwrap();
            for (k, row) in values.rows().into_iter().enumerate() {
                view.part(k).unwrap().write(&row).unwrap();
            }
        });
        assert_eq!(data, [6, 5, 4, 3, 2, 1, 0, 0]);

        let empty: Array3<f32> = Array3::zeros((0, 2, 2));
        let raw = out::<f32>(&mut [], &[0, 2, 2], &[4, 2, 1]);
        with_host(|host| host.out_view(&raw, "out").unwrap().write(&empty)).unwrap();
    }

    #[test]
    fn what_does_not_fit_leaves_the_output_alone() {
        let mut data = [9_u8; 3];
        let raw = out(&mut data, &[3], &[1]);
        for (values, index) in [(array![1.0, 2.0, 256.0], 2), (array![1.0, -1.0, 0.0], 1), (array![0.5, 1.0, 1.0], 0)] {
            let error = with_host(|host| host.out_view(&raw, "out").unwrap().write::<f64, _>(&values).unwrap_err());
            assert!(error.to_string().starts_with(&format!("out[{index}] is ")), "{error}");
            assert_eq!(data, [9; 3]);
        }
        let mut data = [9.0_f32; 2];
        let raw = out(&mut data, &[2], &[1]);
        let values: Array1<f64> = array![1.0, 1e300];
        assert_eq!(with_host(|host| host.out_view(&raw, "out").unwrap().write(&values).unwrap_err().code()), 103);
        assert_eq!(data, [9.0; 2]);
        let values: Array1<f64> = array![1.0, f64::NAN];
        with_host(|host| host.out_view(&raw, "out").unwrap().write(&values)).unwrap();
        assert!(data[1].is_nan());
        let code = with_host(|host| host.out_view(&raw, "out").unwrap().write(&array![1.0_f64]).unwrap_err().code());
        assert_eq!(code, 101);
    }
}
