//! The object: one transmission function per slice, stored as the passes of the engine read it.

use super::propagate::Propagators;
use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::{ComplexPlane, Lines, SweepScratch};
use crate::simd::{Real, SimdPath};
use num_complex::Complex;

/// Transmission functions of all slices, or the gradient with respect to them.
///
/// A slice that meets rows is stored as \[x, y\], one that meets columns as \[y, x\]; both are continued periodically
/// where windows may reach over the edge.
#[derive(Clone)]
pub struct Object<T: Real> {
    plane: Plane,
    directions: Vec<Lines>,
    slices: Vec<ComplexPlane<T>>,
}

/// Which lines of the wave slice `slice` meets: rows and columns in turn where the propagator is separable.
pub(super) fn direction(slice: usize, separable: bool) -> Lines {
    if separable && slice % 2 == 1 {
        Lines::Columns
    } else {
        Lines::Rows
    }
}

impl<T: Real> Object<T> {
    /// An object of zeros of `slices` slices on `plane`, to be seen through windows of `window` = (rows, columns).
    pub(super) fn new(plane: &Plane, window: (usize, usize), slices: usize, separable: bool) -> Self {
        let directions: Vec<Lines> = (0..slices).map(|k| direction(k, separable)).collect();
        let stored = |lines: &Lines| {
            let (points, lines) = Self::stored_shape(plane, window, *lines);
            ComplexPlane::new(points, lines)
        };
        Self { plane: *plane, slices: directions.iter().map(stored).collect(), directions }
    }

    /// Points and lines of a stored slice, its periodic continuation included.
    fn stored_shape(plane: &Plane, window: (usize, usize), lines: Lines) -> (usize, usize) {
        let continued = |n: usize, window: usize| if window == n { n } else { n + window };
        match lines {
            Lines::Rows => (plane.columns, continued(plane.rows, window.0)),
            Lines::Columns => (plane.rows, continued(plane.columns, window.1)),
        }
    }

    /// Bytes of an object.
    pub fn bytes(plane: &Plane, window: (usize, usize), slices: usize, separable: bool) -> usize {
        let shapes = (0..slices).map(|k| Self::stored_shape(plane, window, direction(k, separable)));
        shapes.map(|(points, lines)| ComplexPlane::<T>::bytes(points, lines)).sum()
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    /// Its plane.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Sets slice `slice` to `values(row, column)`.
    pub fn set_slice(&mut self, slice: usize, values: impl Fn(usize, usize) -> Complex<T>) {
        if let Some(mut slice) = self.slices_mut().nth(slice) {
            slice.set(values);
        }
    }

    /// The slices, each to be set by a worker of its own.
    pub fn slices_mut(&mut self) -> impl Iterator<Item = ObjectSlice<'_, T>> {
        let plane = self.plane;
        self.slices.iter_mut().zip(&self.directions).map(move |(stored, direction)| ObjectSlice {
            plane,
            direction: *direction,
            stored,
        })
    }

    /// Value of slice `slice` at \[row, column\].
    pub fn get(&self, slice: usize, row: usize, column: usize) -> Complex<T> {
        match self.directions[slice] {
            Lines::Rows => self.slices[slice].get(column, row),
            Lines::Columns => self.slices[slice].get(row, column),
        }
    }

    /// Value of a gradient, which gathers what windows added in the periodic continuation.
    pub fn folded(&self, slice: usize, row: usize, column: usize) -> Complex<T> {
        let stored = &self.slices[slice];
        let (point, line, period) = match self.directions[slice] {
            Lines::Rows => (column, row, self.plane.rows),
            Lines::Columns => (row, column, self.plane.columns),
        };
        let first = stored.get(point, line);
        if line + period < stored.columns() {
            first + stored.get(point, line + period)
        } else {
            first
        }
    }

    /// Sets all values to zero.
    pub fn clear(&mut self) {
        self.slices.iter_mut().for_each(ComplexPlane::clear);
    }

    pub(super) fn slice(&self, slice: usize) -> &ComplexPlane<T> {
        &self.slices[slice]
    }

    pub(super) fn slice_mut(&mut self, slice: usize) -> &mut ComplexPlane<T> {
        &mut self.slices[slice]
    }
}

/// One slice of an [`Object`], to be set.
pub struct ObjectSlice<'a, T: Real> {
    plane: Plane,
    direction: Lines,
    stored: &'a mut ComplexPlane<T>,
}

impl<T: Real> ObjectSlice<'_, T> {
    /// Sets all pixels to `values(row, column)`.
    pub fn set(&mut self, values: impl Fn(usize, usize) -> Complex<T>) {
        let (points, lines) = (self.stored.rows(), self.stored.columns());
        for point in 0..points {
            let (re, im) = self.stored.row_mut(point);
            for line in 0..lines {
                let value = match self.direction {
                    Lines::Rows => values(line % self.plane.rows, point),
                    Lines::Columns => values(point, line % self.plane.columns),
                };
                (re[line], im[line]) = (value.re, value.im);
            }
        }
    }
}

/// From potentials to transmission functions: T = IFFT[A FFT[exp((i - kappa) sigma V)]], and the gradient back.
///
/// kappa is the absorptive factor: the imaginary part of the potential in units of the real one (0: none).
pub struct Transmission<T: Real> {
    filter: Option<Propagators<T>>,
    plane: Plane,
    sigma: f64,
    absorption: f64,
}

/// Scratch of [`Transmission`].
pub struct TransmissionWorkspace<T: Real> {
    wave: ComplexPlane<T>,
    scratch: SweepScratch<T>,
}

impl<T: Real> Transmission<T> {
    /// For potentials in V A on `plane`, interaction constant `sigma` in rad / (V A).
    ///
    /// # Errors
    /// `Range` for an absorption that is not a number from 0 to 1.
    pub fn new(path: SimdPath, plane: &Plane, sigma: f64, absorption: f64, limit: BandLimit) -> Result<Self> {
        if !(0.0..=1.0).contains(&absorption) {
            return Err(Error::range("absorption", absorption, "a number from 0 (none) to 1"));
        }
        // the band limit alone: flight over no distance, for which the wavelength has no meaning
        let filter = (limit != BandLimit::None).then(|| Propagators::new(path, plane, 1.0, limit, (0.0, 0.0), &[0.0]));
        Ok(Self { filter, plane: *plane, sigma, absorption })
    }

    /// Scratch for one worker.
    pub fn workspace(&self) -> TransmissionWorkspace<T> {
        let wave = ComplexPlane::new(self.plane.rows, self.plane.columns);
        TransmissionWorkspace { wave, scratch: SweepScratch::default() }
    }

    fn phase_factor(&self, potential: T) -> Complex<f64> {
        let phase = self.sigma * potential.f64();
        Complex::from_polar((-self.absorption * phase).exp(), phase)
    }

    /// The transmission function of `potential` `[rows, columns]`, V A; it lies in `workspace` until the next call.
    pub fn of_potential<'w>(
        &self,
        potential: &[T],
        workspace: &'w mut TransmissionWorkspace<T>,
    ) -> &'w ComplexPlane<T> {
        for (row, values) in potential.chunks_exact(self.plane.columns).enumerate() {
            let (re, im) = workspace.wave.row_mut(row);
            for ((re, im), value) in re.iter_mut().zip(im).zip(values) {
                let t = self.phase_factor(*value);
                (*re, *im) = (T::of(t.re), T::of(t.im));
            }
        }
        if let Some(filter) = &self.filter {
            filter.apply(0, false, &mut workspace.wave, &mut workspace.scratch);
        }
        &workspace.wave
    }

    /// Adds dL/dV of one slice to `gradient` `[rows, columns]`, given its potential and dL/dT in
    /// `by_transmission(row, column)`.
    pub fn pull_back(
        &self,
        potential: &[T],
        by_transmission: impl Fn(usize, usize) -> Complex<T>,
        gradient: &mut [T],
        workspace: &mut TransmissionWorkspace<T>,
    ) {
        let columns = self.plane.columns;
        for row in 0..self.plane.rows {
            let (re, im) = workspace.wave.row_mut(row);
            for (column, (re, im)) in re.iter_mut().zip(im).enumerate() {
                let value = by_transmission(row, column);
                (*re, *im) = (value.re, value.im);
            }
        }
        if let Some(filter) = &self.filter {
            filter.apply(0, true, &mut workspace.wave, &mut workspace.scratch);
        }
        let slope = Complex::new(-self.absorption, 1.0) * self.sigma;
        for (row, (values, gradient)) in
            potential.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)).enumerate()
        {
            let (re, im) = workspace.wave.row(row);
            for ((value, gradient), (re, im)) in values.iter().zip(gradient).zip(re.iter().zip(im)) {
                let derivative = slope * self.phase_factor(*value);
                *gradient += T::of(re.f64() * derivative.re + im.f64() * derivative.im);
            }
        }
    }
}
