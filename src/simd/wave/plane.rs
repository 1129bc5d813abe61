//! Complex planes of waves and objects: real and imaginary parts apart, rows padded so that packs never leave them.

use super::butterfly::Cx;
use super::pack::Pack;
use crate::simd::Real;
use num_complex::Complex;

/// Lanes of the widest pack.
const WIDEST: usize = 16;

/// One cache line of single precision.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Chunk<T>([T; WIDEST]);

fn chunks<T: Real>(values: usize) -> Vec<Chunk<T>> {
    vec![Chunk([T::of(0.0); WIDEST]); values.div_ceil(WIDEST)]
}

fn flat<T>(chunks: &[Chunk<T>]) -> &[T] {
    // SAFETY: a chunk is an array of T without padding: its size is a multiple of its alignment for the 4 and 8 byte
    // numbers of kernels.
    unsafe { std::slice::from_raw_parts(chunks.as_ptr().cast(), chunks.len() * WIDEST) }
}

fn flat_mut<T>(chunks: &mut [Chunk<T>]) -> &mut [T] {
    // SAFETY: as in `flat`.
    unsafe { std::slice::from_raw_parts_mut(chunks.as_mut_ptr().cast(), chunks.len() * WIDEST) }
}

/// A complex plane `[rows, columns]`. What pads it beyond its columns and rows is zero.
#[derive(Clone)]
pub struct ComplexPlane<T> {
    rows: usize,
    columns: usize,
    pitch: usize,
    re: Vec<Chunk<T>>,
    im: Vec<Chunk<T>>,
}

fn pitch(columns: usize) -> usize {
    // a cache line more than needed: rows a multiple of 4 KiB apart would all compete for the same places of the cache
    columns.next_multiple_of(WIDEST) + WIDEST
}

impl<T: Real> ComplexPlane<T> {
    /// A plane of zeros.
    pub fn new(rows: usize, columns: usize) -> Self {
        let pitch = pitch(columns);
        let values = rows.next_multiple_of(WIDEST) * pitch;
        Self { rows, columns, pitch, re: chunks(values), im: chunks(values) }
    }

    /// Bytes of a plane.
    pub fn bytes(rows: usize, columns: usize) -> usize {
        2 * rows.next_multiple_of(WIDEST) * pitch(columns) * size_of::<T>()
    }

    /// Rows without padding.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns without padding.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Value at \[row, column\].
    pub fn get(&self, row: usize, column: usize) -> Complex<T> {
        let at = row * self.pitch + column;
        Complex::new(flat(&self.re)[at], flat(&self.im)[at])
    }

    /// Sets the value at \[row, column\].
    pub fn set(&mut self, row: usize, column: usize, value: Complex<T>) {
        assert!(row < self.rows && column < self.columns, "beyond the plane");
        let at = row * self.pitch + column;
        (flat_mut(&mut self.re)[at], flat_mut(&mut self.im)[at]) = (value.re, value.im);
    }

    /// Real and imaginary parts of a row.
    pub fn row(&self, row: usize) -> (&[T], &[T]) {
        let range = row * self.pitch..row * self.pitch + self.columns;
        (&flat(&self.re)[range.clone()], &flat(&self.im)[range])
    }

    /// Real and imaginary parts of a row.
    pub fn row_mut(&mut self, row: usize) -> (&mut [T], &mut [T]) {
        let range = row * self.pitch..row * self.pitch + self.columns;
        (&mut flat_mut(&mut self.re)[range.clone()], &mut flat_mut(&mut self.im)[range])
    }

    /// Sets all values to zero.
    pub fn clear(&mut self) {
        flat_mut(&mut self.re).fill(T::of(0.0));
        flat_mut(&mut self.im).fill(T::of(0.0));
    }

    pub(super) fn parts(&self) -> (&[T], &[T], usize) {
        (flat(&self.re), flat(&self.im), self.pitch)
    }

    pub(super) fn parts_mut(&mut self) -> (&mut [T], &mut [T], usize) {
        (flat_mut(&mut self.re), flat_mut(&mut self.im), self.pitch)
    }

    pub(super) fn holds(&self, rows: usize, columns: usize) -> bool {
        rows <= self.rows && columns <= self.columns
    }

    /// Packs of the lines from `first` on, one per row for `length` rows.
    #[inline(always)]
    pub(super) fn lines_at<P: Pack<Scalar = T>>(&self, first: usize, length: usize) -> Packed<'_, P> {
        assert!(self.holds(length, first + 1), "lines beyond the plane");
        Packed { place: Place { start: first, pitch: self.pitch, rows: None }, re: flat(&self.re), im: flat(&self.im) }
    }

    /// The same to be written.
    #[inline(always)]
    pub(super) fn lines_at_mut<P: Pack<Scalar = T>>(&mut self, first: usize, length: usize) -> PackedMut<'_, P> {
        assert!(self.holds(length, first + 1), "lines beyond the plane");
        let place = Place { start: first, pitch: self.pitch, rows: None };
        PackedMut { place, re: flat_mut(&mut self.re), im: flat_mut(&mut self.im) }
    }
}

/// A window of an object: point i of line j lies at \[rows\[i\], first + j\] of its plane.
#[derive(Clone, Copy)]
pub struct Window<'a, T> {
    plane: &'a ComplexPlane<T>,
    rows: &'a [u32],
    first: usize,
    lines: usize,
}

impl<'a, T: Real> Window<'a, T> {
    /// The window of `plane` with its row for each point of a line, and the column of the first of `lines` lines.
    pub fn new(plane: &'a ComplexPlane<T>, rows: &'a [u32], first: usize, lines: usize) -> Self {
        assert!(rows.iter().all(|row| (*row as usize) < plane.rows), "rows beyond the object");
        assert!(first + lines.next_multiple_of(WIDEST) <= plane.pitch, "lines beyond the object");
        Self { plane, rows, first, lines }
    }

    #[inline(always)]
    pub(super) fn at<P: Pack<Scalar = T>>(&self, first: usize, length: usize) -> Packed<'_, P> {
        let (re, im, pitch) = self.plane.parts();
        Packed { place: self.place(first, length, pitch), re, im }
    }

    /// The same place of another plane of this shape, to be written.
    #[inline(always)]
    pub(super) fn place_in<'b, P: Pack<Scalar = T>>(
        &'b self,
        plane: &'b mut ComplexPlane<T>,
        first: usize,
        length: usize,
    ) -> PackedMut<'b, P> {
        assert!(plane.rows == self.plane.rows && plane.pitch == self.plane.pitch, "a gradient unlike its object");
        let (re, im, pitch) = plane.parts_mut();
        PackedMut { place: self.place(first, length, pitch), re, im }
    }

    #[inline(always)]
    fn place(&self, first: usize, length: usize, pitch: usize) -> Place<'_> {
        assert!(self.rows.len() == length && first < self.lines, "a line beyond its window");
        Place { start: self.first + first, pitch, rows: Some(self.rows) }
    }
}

/// Where the packs of a line lie, point by point.
#[derive(Clone, Copy)]
struct Place<'a> {
    start: usize,
    pitch: usize,
    rows: Option<&'a [u32]>,
}

impl Place<'_> {
    #[inline(always)]
    fn offset(&self, point: usize) -> usize {
        let row = match self.rows {
            None => point,
            // SAFETY: windows have a row for each point of a line, which was checked where this was made.
            Some(rows) => unsafe { *rows.get_unchecked(point) as usize },
        };
        self.start + row * self.pitch
    }
}

/// `LANES` neighbouring columns of a plane. Points must be below the length with which it was made.
pub(super) struct Packed<'a, P: Pack> {
    place: Place<'a>,
    re: &'a [P::Scalar],
    im: &'a [P::Scalar],
}

impl<P: Pack> Clone for Packed<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Pack> Copy for Packed<'_, P> {}

impl<P: Pack> Packed<'_, P> {
    #[inline(always)]
    pub(super) fn load(&self, point: usize) -> Cx<P> {
        let offset = self.place.offset(point);
        debug_assert!(offset + P::LANES <= self.re.len());
        // SAFETY: rows and columns were checked where this was made, and planes are padded to whole packs.
        unsafe { Cx { re: P::load(self.re.as_ptr().add(offset)), im: P::load(self.im.as_ptr().add(offset)) } }
    }
}

/// The same to be written.
pub(super) struct PackedMut<'a, P: Pack> {
    place: Place<'a>,
    re: &'a mut [P::Scalar],
    im: &'a mut [P::Scalar],
}

impl<P: Pack> PackedMut<'_, P> {
    #[inline(always)]
    pub(super) fn load(&self, point: usize) -> Cx<P> {
        Packed { place: self.place, re: self.re, im: self.im }.load(point)
    }

    #[inline(always)]
    pub(super) fn store(&mut self, point: usize, value: Cx<P>) {
        let offset = self.place.offset(point);
        debug_assert!(offset + P::LANES <= self.re.len());
        // SAFETY: as in `Packed::load`.
        unsafe {
            value.re.store(self.re.as_mut_ptr().add(offset));
            value.im.store(self.im.as_mut_ptr().add(offset));
        }
    }
}
