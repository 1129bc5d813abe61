//! The engine: passes of a wave through slices, and of gradients back.

use super::object::{direction, Object};
use super::propagate::{check_thicknesses, tangents, Flight, Kind, Propagators, SeparableFactors};
use super::spectrum::{Coefficients, Pupil};
use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::{ComplexPlane, Lines, Step, SweepScratch, Window};
use crate::simd::{Real, SimdPath};
use num_complex::Complex;
use std::ops::Range;

/// Pixels times slices of a pass: below half a second.
const WORK_PER_PASS: usize = 1 << 26;

pub(super) fn passes(slices: usize, pixels: usize, start: Form, finish: Form) -> impl Iterator<Item = Pass> {
    let each = (WORK_PER_PASS / pixels).max(1);
    (0..slices).step_by(each).map(move |first| {
        let last = (first + each).min(slices);
        Pass {
            slices: first..last,
            start: if first == 0 { start } else { Form::Coefficients },
            finish: if last == slices { finish } else { Form::Coefficients },
        }
    })
}

/// How waves travel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultisliceOptions {
    /// Band limit of propagators (circular).
    pub band_limit: BandLimit,
    /// Mistilt (theta_x, theta_y) in mrad, (0, 0): a specimen whose deeper layers lie towards +x has negative theta_x.
    pub mistilt_mrad: (f64, f64),
    /// Rows and columns of the window of the object through which each wave travels; `None`: the whole object.
    pub window: Option<(usize, usize)>,
}

impl Default for MultisliceOptions {
    fn default() -> Self {
        Self { band_limit: BandLimit::default(), mistilt_mrad: (0.0, 0.0), window: None }
    }
}

/// What a [`ComplexPlane`] says of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// psi(r), \[row, column\].
    Wave,
    /// c(k) = 1/N sum over r of psi(r) exp(-2 pi i k r), in an order of its own; beyond the band limit there is nothing.
    Coefficients,
}

/// A pass through some slices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The slices, at least one.
    pub slices: Range<usize>,
    /// Form of the incident wave.
    pub start: Form,
    /// Form of the exit wave.
    pub finish: Form,
}

/// Waves in front of each slice, which the way back needs.
pub struct Kept<T: Real>(Vec<ComplexPlane<T>>);

/// Scratch of one worker.
#[derive(Default)]
pub struct MultisliceWorkspace<T> {
    scratch: SweepScratch<T>,
    points: [Vec<u32>; 2],
}

impl<T> MultisliceWorkspace<T> {
    /// Scratch of sweeps, for what is done with a wave before and after the slices.
    pub fn sweeps(&mut self) -> &mut SweepScratch<T> {
        &mut self.scratch
    }
}

/// Plan of multislice calculations on windows of one object. Immutable, shared by all workers.
pub struct Multislice<T: Real> {
    object: Plane,
    window: Plane,
    wavelength: f64,
    band_limit: BandLimit,
    propagators: Propagators<T>,
    /// Number of the propagator behind each slice.
    flights: Vec<usize>,
    /// Distance of the back of each slice from the entrance face.
    depths: Vec<f64>,
    tangents: (f64, f64),
    coefficients: Coefficients,
}

impl<T: Real> Multislice<T> {
    /// A plan for objects on `plane` of slices of `thicknesses` (angstrom, in the order of the beam).
    ///
    /// # Errors
    /// `Empty` without slices, `Range` for a thickness or mistilt that is impossible, `Shape` for a window that is larger
    /// than the object.
    pub fn new(
        path: SimdPath,
        plane: &Plane,
        wavelength: f64,
        thicknesses: &[f64],
        options: &MultisliceOptions,
    ) -> Result<Self> {
        check_thicknesses(thicknesses)?;
        let (x, y) = options.mistilt_mrad;
        for (axis, tilt) in [("x", x), ("y", y)] {
            if tilt.is_nan() || tilt.abs() > 500.0 {
                return Err(Error::range(format!("mistilt along {axis}"), tilt, "a number from -500 to 500 mrad"));
            }
        }
        let (rows, columns) = options.window.unwrap_or((plane.rows, plane.columns));
        if rows > plane.rows || columns > plane.columns {
            let wanted = format!("at most that of the object, [{}, {}]", plane.rows, plane.columns);
            return Err(Error::shape("window", &[rows, columns], wanted));
        }
        let window = Plane::new(rows, columns, plane.pixel_y, plane.pixel_x)?;
        let mut distances: Vec<f64> = vec![];
        let mut number = |thickness: &f64| {
            distances.iter().position(|d| d == thickness).unwrap_or_else(|| {
                distances.push(*thickness);
                distances.len() - 1
            })
        };
        let flights = thicknesses.iter().map(&mut number).collect();
        let depth = |depth: &mut f64, thickness: &f64| {
            *depth += thickness;
            Some(*depth)
        };
        let depths = thicknesses.iter().scan(0.0, depth).collect();
        let propagators =
            Propagators::new(path, &window, wavelength, options.band_limit, options.mistilt_mrad, &distances);
        let (by_row, by_column) = propagators.frequencies();
        let coefficients = Coefficients::new(&window, by_row, by_column);
        let band_limit = options.band_limit;
        let tangents = tangents(options.mistilt_mrad);
        Ok(Self {
            object: *plane,
            window,
            wavelength,
            band_limit,
            propagators,
            flights,
            depths,
            tangents,
            coefficients,
        })
    }

    /// The plane of the object.
    pub fn object_plane(&self) -> &Plane {
        &self.object
    }

    /// The plane of waves.
    pub fn window(&self) -> &Plane {
        &self.window
    }

    /// Wavelength of the electrons, angstrom.
    pub fn wavelength(&self) -> f64 {
        self.wavelength
    }

    /// Band limit of the propagators.
    pub fn band_limit(&self) -> BandLimit {
        self.band_limit
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.flights.len()
    }

    /// The way through the first `slices` slices, were they empty.
    pub fn flight(&self, slices: usize) -> Flight {
        let distance = slices.checked_sub(1).map_or(0.0, |last| self.depths[last]);
        Flight { wavelength: self.wavelength, tangents: self.tangents, distance }
    }

    /// A way through the first `slices` slices in passes that take a fraction of a second each, for looks at a cancel token
    /// in between. A wave that goes on from its coefficients is as good as one that never stopped.
    pub fn passes(&self, slices: usize, start: Form, finish: Form) -> impl Iterator<Item = Pass> {
        passes(slices, self.window.pixels(), start, finish)
    }

    /// Number of different distances between slices: each has a propagator.
    pub fn distances(&self) -> usize {
        self.flights.iter().max().map_or(0, |last| last + 1)
    }

    /// Lines of the window in that direction.
    fn lines(&self, lines: Lines) -> usize {
        match lines {
            Lines::Rows => self.window.rows,
            Lines::Columns => self.window.columns,
        }
    }

    /// Instruction-set path of the sweeps.
    pub(crate) fn path(&self) -> SimdPath {
        self.propagators.path
    }

    fn separable(&self) -> bool {
        matches!(self.propagators.kind, Kind::Separable(_))
    }

    /// An object of zeros for this plan, or a place for the gradient with respect to one.
    pub fn object(&self) -> Object<T> {
        Object::new(&self.object, (self.window.rows, self.window.columns), self.slices(), self.separable())
    }

    /// A wave of zeros.
    pub fn wave(&self) -> ComplexPlane<T> {
        ComplexPlane::new(self.window.rows, self.window.columns)
    }

    /// Memory for the waves of a pass through all slices.
    pub fn kept(&self) -> Kept<T> {
        let plane = |k: usize| match direction(k, self.separable()) {
            Lines::Rows => ComplexPlane::new(self.window.columns, self.window.rows),
            Lines::Columns => ComplexPlane::new(self.window.rows, self.window.columns),
        };
        Kept((0..self.slices()).map(plane).collect())
    }

    /// Bytes of [`Self::kept`].
    pub fn kept_bytes(&self) -> usize {
        self.slices() * ComplexPlane::<T>::bytes(self.window.rows, self.window.columns)
    }

    /// Frequency index (FFT order) of each row and each column of a wave given by its coefficients.
    pub fn frequencies(&self) -> (&[usize], &[usize]) {
        (&self.coefficients.rows, &self.coefficients.columns)
    }

    /// The pupil of a probe, from `pupil(kx, ky)` (1/angstrom).
    pub fn pupil(&self, pupil: impl Fn(f64, f64) -> Complex<f64>) -> Pupil<T> {
        Pupil::new(&self.coefficients, pupil)
    }

    /// Writes the diffraction pattern |FFT psi|^2 `[rows, columns]` in FFT order of a wave given by its coefficients.
    pub fn pattern(&self, wave: &ComplexPlane<T>, pattern: &mut [T]) {
        self.coefficients.pattern(wave, pattern);
    }

    /// Replaces the coefficients in `wave` by the gradient with respect to them, given dL/d pattern.
    pub fn pattern_pull_back(&self, by_pattern: &[T], wave: &mut ComplexPlane<T>) {
        self.coefficients.pattern_pull_back(by_pattern, wave);
    }

    /// From the coefficients of a wave to the wave.
    pub fn to_wave(&self, wave: &mut ComplexPlane<T>, workspace: &mut MultisliceWorkspace<T>) {
        let (steps, scratch) = (&mut [Step::Backward], &mut workspace.scratch);
        match &self.propagators.kind {
            Kind::Separable(_) => {
                self.propagators.pass(Lines::Columns, wave, steps, scratch);
                self.propagators.pass(Lines::Rows, wave, steps, scratch);
            }
            Kind::General { places, .. } => {
                self.propagators.columns(places, wave, steps, scratch);
                self.propagators.rows(Some(places), None, wave, steps, scratch);
            }
        }
    }

    /// The adjoint of [`Self::to_wave`].
    pub fn to_wave_pull_back(&self, wave: &mut ComplexPlane<T>, workspace: &mut MultisliceWorkspace<T>) {
        let (steps, scratch) = (&mut [Step::Forward], &mut workspace.scratch);
        match &self.propagators.kind {
            Kind::Separable(_) => {
                self.propagators.pass(Lines::Rows, wave, steps, scratch);
                self.propagators.pass(Lines::Columns, wave, steps, scratch);
            }
            Kind::General { places, .. } => {
                self.propagators.rows(None, Some(places), wave, steps, scratch);
                self.propagators.columns(places, wave, steps, scratch);
            }
        }
    }

    /// Takes `wave` through slices of `object`, whose pixel `corner` = (row, column) is pixel (0, 0) of the wave; the
    /// object is periodic. With `kept`, the waves in front of the slices are kept there for [`Self::pull_back`].
    pub fn propagate(
        &self,
        object: &Object<T>,
        corner: (i64, i64),
        pass: &Pass,
        wave: &mut ComplexPlane<T>,
        kept: Option<&mut Kept<T>>,
        workspace: &mut MultisliceWorkspace<T>,
    ) {
        assert!(!pass.slices.is_empty() && pass.slices.end <= self.slices() && object.slices() == self.slices());
        let MultisliceWorkspace { scratch, points } = workspace;
        let view = View { object, first: self.place(corner, points), points };
        let mut way = Way { engine: self, view, wave, scratch };
        let kept = kept.map(|kept| kept.0.as_mut_slice());
        match &self.propagators.kind {
            Kind::Separable(factors) => way.out_separable(factors, pass, kept),
            Kind::General { places, factors } => way.out_general(places, factors, pass, kept),
        }
    }

    /// Takes the gradient in `wave` with respect to the exit wave back to the incident wave; with `gradient`, adds the
    /// gradient with respect to the object there. `kept` is that of [`Self::propagate`] with the same object, corner
    /// and pass.
    #[allow(clippy::too_many_arguments)] // the pass, what it left, and where gradients go
    pub fn pull_back(
        &self,
        object: &Object<T>,
        corner: (i64, i64),
        pass: &Pass,
        kept: &Kept<T>,
        wave: &mut ComplexPlane<T>,
        gradient: Option<&mut Object<T>>,
        workspace: &mut MultisliceWorkspace<T>,
    ) {
        assert!(!pass.slices.is_empty() && pass.slices.end <= self.slices() && object.slices() == self.slices());
        let MultisliceWorkspace { scratch, points } = workspace;
        let view = View { object, first: self.place(corner, points), points };
        let mut way = Way { engine: self, view, wave, scratch };
        match &self.propagators.kind {
            Kind::Separable(factors) => way.back_separable(factors, pass, &kept.0, gradient),
            Kind::General { places, factors } => way.back_general(places, factors, pass, &kept.0, gradient),
        }
    }

    /// Rows of stored slices for the points of rows and columns of the window, and the first line of each direction.
    fn place(&self, corner: (i64, i64), points: &mut [Vec<u32>; 2]) -> [usize; 2] {
        let wrap = |at: i64, n: usize| at.rem_euclid(n as i64) as usize;
        let (row, column) = (wrap(corner.0, self.object.rows), wrap(corner.1, self.object.columns));
        // nothing continues the object where the window is as large as it
        assert!(row == 0 || self.window.rows < self.object.rows, "a whole window begins at row 0");
        assert!(column == 0 || self.window.columns < self.object.columns, "a whole window begins at column 0");
        let fill = |points: &mut Vec<u32>, start: usize, window: usize, period: usize| {
            points.clear();
            points.extend((start..start + window).map(|i| (i % period) as u32));
        };
        fill(&mut points[0], column, self.window.columns, self.object.columns);
        fill(&mut points[1], row, self.window.rows, self.object.rows);
        [row, column]
    }
}

/// The part of an object that a wave sees.
struct View<'a, T: Real> {
    object: &'a Object<T>,
    /// Rows of stored slices for the points of a line along x, along y.
    points: &'a [Vec<u32>; 2],
    /// The first line of slices that meet rows, columns.
    first: [usize; 2],
}

impl<T: Real> View<'_, T> {
    fn of(&self, slice: usize, lines: Lines, count: usize) -> Window<'_, T> {
        let axis = usize::from(lines == Lines::Columns);
        Window::new(self.object.slice(slice), &self.points[axis], self.first[axis], count)
    }
}

/// A wave on its way.
struct Way<'a, T: Real> {
    engine: &'a Multislice<T>,
    view: View<'a, T>,
    wave: &'a mut ComplexPlane<T>,
    scratch: &'a mut SweepScratch<T>,
}

impl<T: Real> Way<'_, T> {
    /// One sweep per slice, along rows and columns in turn: each ends the flight behind the slice before along its
    /// direction and begins the flight behind its own.
    fn out_separable(
        &mut self,
        factors: &[SeparableFactors<T>],
        pass: &Pass,
        mut kept: Option<&mut [ComplexPlane<T>]>,
    ) {
        let engine = self.engine;
        let flight = |k: usize| &factors[engine.flights[k]];
        let (first, last) = (pass.slices.start, pass.slices.end - 1);
        let start = direction(first, true);
        if pass.start == Form::Coefficients {
            engine.propagators.pass(start.across(), self.wave, &mut [Step::Backward], self.scratch);
        }
        for k in pass.slices.clone() {
            let lines = direction(k, true);
            let mut steps = Vec::with_capacity(5);
            match (k == first, pass.start) {
                (true, Form::Coefficients) => steps.push(Step::Backward),
                (true, Form::Wave) => {}
                (false, _) => steps.push(Step::Convolve(&flight(k - 1).along(lines).convolve, false)),
            }
            if let Some(kept) = kept.as_deref_mut() {
                steps.push(Step::Keep(&mut kept[k]));
            }
            steps.push(Step::Transmit(self.view.of(k, lines, engine.lines(lines)), false));
            steps.push(Step::Convolve(&flight(k).along(lines).convolve, false));
            engine.propagators.pass(lines, self.wave, &mut steps, self.scratch);
        }
        let lines = direction(last, true).across();
        let factors = flight(last).along(lines);
        match pass.finish {
            Form::Wave => {
                let steps = &mut [Step::Convolve(&factors.convolve, false)];
                engine.propagators.pass(lines, self.wave, steps, self.scratch);
            }
            Form::Coefficients => {
                let steps = &mut [Step::Forward, Step::Weigh(&factors.weigh, false)];
                engine.propagators.pass(lines, self.wave, steps, self.scratch);
                engine.propagators.pass(lines.across(), self.wave, &mut [Step::Forward], self.scratch);
            }
        }
    }

    fn back_separable(
        &mut self,
        factors: &[SeparableFactors<T>],
        pass: &Pass,
        kept: &[ComplexPlane<T>],
        mut gradient: Option<&mut Object<T>>,
    ) {
        let engine = self.engine;
        let flight = |k: usize| &factors[engine.flights[k]];
        let (first, last) = (pass.slices.start, pass.slices.end - 1);
        let lines = direction(last, true).across();
        let factors = flight(last).along(lines);
        match pass.finish {
            Form::Wave => {
                let steps = &mut [Step::Convolve(&factors.convolve, true)];
                engine.propagators.pass(lines, self.wave, steps, self.scratch);
            }
            Form::Coefficients => {
                engine.propagators.pass(lines.across(), self.wave, &mut [Step::Backward], self.scratch);
                let steps = &mut [Step::Weigh(&factors.weigh, true), Step::Backward];
                engine.propagators.pass(lines, self.wave, steps, self.scratch);
            }
        }
        for k in pass.slices.clone().rev() {
            let lines = direction(k, true);
            let window = self.view.of(k, lines, engine.lines(lines));
            let mut steps = Vec::with_capacity(4);
            steps.push(Step::Convolve(&flight(k).along(lines).convolve, true));
            if let Some(gradient) = gradient.as_deref_mut() {
                steps.push(Step::Correlate(&kept[k], window, gradient.slice_mut(k)));
            }
            steps.push(Step::Transmit(window, true));
            match (k == first, pass.start) {
                (true, Form::Coefficients) => steps.push(Step::Forward),
                (true, Form::Wave) => {}
                (false, _) => steps.push(Step::Convolve(&flight(k - 1).along(lines).convolve, true)),
            }
            engine.propagators.pass(lines, self.wave, &mut steps, self.scratch);
        }
        if pass.start == Form::Coefficients {
            let lines = direction(first, true).across();
            engine.propagators.pass(lines, self.wave, &mut [Step::Forward], self.scratch);
        }
    }

    /// Two sweeps per slice: along rows, where the slice is met, and along the columns within the band limit.
    fn out_general(
        &mut self,
        places: &[usize],
        factors: &[ComplexPlane<T>],
        pass: &Pass,
        mut kept: Option<&mut [ComplexPlane<T>]>,
    ) {
        let engine = self.engine;
        let flight = |k: usize| &factors[engine.flights[k]];
        let (first, last) = (pass.slices.start, pass.slices.end - 1);
        if pass.start == Form::Coefficients {
            engine.propagators.columns(places, self.wave, &mut [Step::Backward], self.scratch);
        }
        for k in pass.slices.clone() {
            let whole = k == first && pass.start == Form::Wave;
            let mut steps = Vec::with_capacity(4);
            if !whole {
                steps.push(Step::Backward);
            }
            if let Some(kept) = kept.as_deref_mut() {
                steps.push(Step::Keep(&mut kept[k]));
            }
            steps.push(Step::Transmit(self.view.of(k, Lines::Rows, engine.window.rows), false));
            steps.push(Step::Forward);
            engine.propagators.rows((!whole).then_some(places), Some(places), self.wave, &mut steps, self.scratch);
            let steps = &mut match (k == last, pass.finish) {
                (true, Form::Coefficients) => vec![Step::Forward, Step::WeighEach(flight(k), false)],
                _ => vec![Step::ConvolveEach(flight(k), false)],
            };
            engine.propagators.columns(places, self.wave, steps, self.scratch);
        }
        if pass.finish == Form::Wave {
            engine.propagators.rows(Some(places), None, self.wave, &mut [Step::Backward], self.scratch);
        }
    }

    fn back_general(
        &mut self,
        places: &[usize],
        factors: &[ComplexPlane<T>],
        pass: &Pass,
        kept: &[ComplexPlane<T>],
        mut gradient: Option<&mut Object<T>>,
    ) {
        let engine = self.engine;
        let flight = |k: usize| &factors[engine.flights[k]];
        let (first, last) = (pass.slices.start, pass.slices.end - 1);
        if pass.finish == Form::Wave {
            engine.propagators.rows(None, Some(places), self.wave, &mut [Step::Forward], self.scratch);
        }
        for k in pass.slices.clone().rev() {
            let steps = &mut match (k == last, pass.finish) {
                (true, Form::Coefficients) => vec![Step::WeighEach(flight(k), true), Step::Backward],
                _ => vec![Step::ConvolveEach(flight(k), true)],
            };
            engine.propagators.columns(places, self.wave, steps, self.scratch);
            let whole = k == first && pass.start == Form::Wave;
            let window = self.view.of(k, Lines::Rows, engine.window.rows);
            let mut steps = Vec::with_capacity(4);
            steps.push(Step::Backward);
            if let Some(gradient) = gradient.as_deref_mut() {
                steps.push(Step::Correlate(&kept[k], window, gradient.slice_mut(k)));
            }
            steps.push(Step::Transmit(window, true));
            if !whole {
                steps.push(Step::Forward);
            }
            engine.propagators.rows(Some(places), (!whole).then_some(places), self.wave, &mut steps, self.scratch);
        }
        if pass.start == Form::Coefficients {
            engine.propagators.columns(places, self.wave, &mut [Step::Forward], self.scratch);
        }
    }
}
