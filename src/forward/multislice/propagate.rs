//! Free flight between slices: the Fresnel propagator with its band limit, in the order of lane transforms.

use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::{plan_lines, sweep, ComplexPlane, LinePlan, Lines, Step, Sweep, SweepScratch};
use crate::simd::{Real, SimdPath};
use num_complex::Complex;
use std::f64::consts::{PI, TAU};

/// A way through free space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flight {
    pub(super) wavelength: f64,
    /// Tangents of the mistilt along x and y.
    pub(super) tangents: (f64, f64),
    pub(super) distance: f64,
}

impl Flight {
    /// None at all.
    pub const NONE: Self = Self { wavelength: 0.0, tangents: (0.0, 0.0), distance: 0.0 };

    /// Phase that a frequency along one axis gets; phases of both axes add up.
    pub(super) fn phase(&self, k: f64, tangent: f64) -> f64 {
        -PI * self.wavelength * self.distance * k * k - TAU * self.distance * k * tangent
    }
}

/// Tangents of a mistilt in mrad.
pub(super) fn tangents((x, y): (f64, f64)) -> (f64, f64) {
    ((x * 1e-3).tan(), (y * 1e-3).tan())
}

/// Propagators over a few distances on one plane.
///
/// P(k) = A(k) exp(-i pi lambda dz k^2) exp(-2 pi i dz (k_x tan theta_x + k_y tan theta_y)). After dz a wave has moved by
/// +dz tan(theta). Over dz = 0 it is the band limit A alone.
pub struct Propagators<T: Real> {
    pub(super) path: SimdPath,
    pub(super) along_x: LinePlan<T>,
    pub(super) along_y: LinePlan<T>,
    pub(super) kind: Kind<T>,
    plane: Plane,
}

pub(super) enum Kind<T> {
    /// A(kx) A(ky): per distance the factors along x and along y.
    Separable(Vec<SeparableFactors<T>>),
    /// Any other A(k): only columns that hold frequencies within the limit are kept.
    General {
        /// Places of a transformed row that lie within the limit.
        places: Vec<usize>,
        /// Per distance P / N over \[place along y, number of the kept column\], N pixels.
        factors: Vec<ComplexPlane<T>>,
    },
}

pub(super) struct SeparableFactors<T> {
    pub(super) x: AxisFactors<T>,
    pub(super) y: AxisFactors<T>,
}

impl<T> SeparableFactors<T> {
    pub(super) fn along(&self, lines: Lines) -> &AxisFactors<T> {
        match lines {
            Lines::Rows => &self.x,
            Lines::Columns => &self.y,
        }
    }
}

pub(super) struct AxisFactors<T> {
    /// P / n for a convolution along this axis of n points.
    pub(super) convolve: Vec<Complex<T>>,
    /// P / N for the end of a pass that leaves the coefficients of the wave, N pixels.
    pub(super) weigh: Vec<Complex<T>>,
}

impl<T: Real> Propagators<T> {
    /// Propagators over `distances` (angstrom) on `plane` for electrons of `wavelength` (angstrom) with the mistilt
    /// (theta_x, theta_y) in mrad.
    pub fn new(
        path: SimdPath,
        plane: &Plane,
        wavelength: f64,
        limit: BandLimit,
        mistilt_mrad: (f64, f64),
        distances: &[f64],
    ) -> Self {
        let (along_x, along_y) = (plan_lines(path, plane.columns), plan_lines(path, plane.rows));
        let tangents = tangents(mistilt_mrad);
        let (kx, ky) = (plane.frequencies_x(), plane.frequencies_y());
        let phase = |k: f64, tangent: f64, distance: f64| Flight { wavelength, tangents, distance }.phase(k, tangent);
        let kind = match limit.axis_masks(plane) {
            Some((mask_y, mask_x)) => {
                let axis = |plan: &LinePlan<T>, mask: &[f64], k: &[f64], tangent: f64, dz: f64| {
                    let factors = |scale: f64| {
                        let factor = |f: &usize| Complex::from_polar(mask[*f] * scale, phase(k[*f], tangent, dz));
                        plan.frequency_at().iter().map(factor).map(of).collect()
                    };
                    let (n, pixels) = (plan.length() as f64, plane.pixels() as f64);
                    AxisFactors { convolve: factors(1.0 / n), weigh: factors(1.0 / pixels) }
                };
                let both = |dz: &f64| SeparableFactors {
                    x: axis(&along_x, &mask_x, &kx, tangents.0, *dz),
                    y: axis(&along_y, &mask_y, &ky, tangents.1, *dz),
                };
                Kind::Separable(distances.iter().map(both).collect())
            }
            None => {
                let mask = limit.mask(plane);
                let open = |f: usize| mask.column(f).iter().any(|v| *v > 0.0);
                let places: Vec<usize> = (0..plane.columns).filter(|p| open(along_x.frequency_at()[*p])).collect();
                let scale = 1.0 / plane.pixels() as f64;
                let factors = distances.iter().map(|dz| {
                    let mut factors = ComplexPlane::new(plane.rows, places.len());
                    for (row, fy) in along_y.frequency_at().iter().enumerate() {
                        let of_row = phase(ky[*fy], tangents.1, *dz);
                        for (column, place) in places.iter().enumerate() {
                            let fx = along_x.frequency_at()[*place];
                            let angle = of_row + phase(kx[fx], tangents.0, *dz);
                            factors.set(row, column, of(Complex::from_polar(mask[[*fy, fx]] * scale, angle)));
                        }
                    }
                    factors
                });
                let factors = factors.collect();
                Kind::General { places, factors }
            }
        };
        Self { path, along_x, along_y, kind, plane: *plane }
    }

    /// The plane on which waves are given.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Bytes of the factors of one distance.
    pub fn bytes(plane: &Plane, limit: BandLimit) -> usize {
        match limit {
            BandLimit::Circular => ComplexPlane::<T>::bytes(plane.rows, plane.columns),
            _ => 2 * (plane.rows + plane.columns) * size_of::<Complex<T>>(),
        }
    }

    pub(super) fn plan(&self, lines: Lines) -> &LinePlan<T> {
        match lines {
            Lines::Rows => &self.along_x,
            Lines::Columns => &self.along_y,
        }
    }

    /// A sweep along all rows or all columns.
    pub(super) fn pass<'b>(
        &'b self,
        lines: Lines,
        wave: &mut ComplexPlane<T>,
        steps: &mut [Step<'b, T>],
        scratch: &mut SweepScratch<T>,
    ) {
        let count = self.plan(lines.across()).length();
        let all = Sweep { plan: self.plan(lines), lines, count, load: None, store: None };
        sweep(self.path, &all, wave, steps, scratch);
    }

    /// Takes `wave` over the distance of that number (or its adjoint back).
    pub fn apply(&self, distance: usize, adjoint: bool, wave: &mut ComplexPlane<T>, scratch: &mut SweepScratch<T>) {
        match &self.kind {
            Kind::Separable(factors) => {
                for lines in [Lines::Rows, Lines::Columns] {
                    let factor = &factors[distance].along(lines).convolve;
                    self.pass(lines, wave, &mut [Step::Convolve(factor, adjoint)], scratch);
                }
            }
            Kind::General { places, factors } => {
                self.rows(None, Some(places), wave, &mut [Step::Forward], scratch);
                self.columns(places, wave, &mut [Step::ConvolveEach(&factors[distance], adjoint)], scratch);
                self.rows(Some(places), None, wave, &mut [Step::Backward], scratch);
            }
        }
    }

    /// A sweep along all rows of which a plane before, after the sweep holds these places only.
    pub(super) fn rows<'b>(
        &'b self,
        load: Option<&'b [usize]>,
        store: Option<&'b [usize]>,
        wave: &mut ComplexPlane<T>,
        steps: &mut [Step<'b, T>],
        scratch: &mut SweepScratch<T>,
    ) {
        let rows = Sweep { plan: &self.along_x, lines: Lines::Rows, count: self.plane.rows, load, store };
        sweep(self.path, &rows, wave, steps, scratch);
    }

    /// A sweep along the kept columns.
    pub(super) fn columns<'b>(
        &'b self,
        places: &[usize],
        wave: &mut ComplexPlane<T>,
        steps: &mut [Step<'b, T>],
        scratch: &mut SweepScratch<T>,
    ) {
        let columns =
            Sweep { plan: &self.along_y, lines: Lines::Columns, count: places.len(), load: None, store: None };
        sweep(self.path, &columns, wave, steps, scratch);
    }

    /// Frequency index (FFT order) of each row and each column of a plane of coefficients.
    pub fn frequencies(&self) -> (Vec<usize>, Vec<usize>) {
        let x = self.along_x.frequency_at();
        let columns = match &self.kind {
            Kind::Separable(_) => x.to_vec(),
            Kind::General { places, .. } => places.iter().map(|p| x[*p]).collect(),
        };
        (self.along_y.frequency_at().to_vec(), columns)
    }
}

/// A double-precision factor in the precision of the wave.
pub(super) fn of<T: Real>(value: Complex<f64>) -> Complex<T> {
    Complex::new(T::of(value.re), T::of(value.im))
}

/// Refuses slice thicknesses that are no positive numbers.
pub(super) fn check_thicknesses(thicknesses: &[f64]) -> Result<()> {
    if thicknesses.is_empty() {
        return Err(Error::Empty { what: "slices".into(), why: "at least one slice is needed".into() });
    }
    match thicknesses.iter().enumerate().find(|(_, t)| !(t.is_finite() && **t > 0.0)) {
        Some((i, t)) => Err(Error::range(format!("thickness of slice {i}"), t, "a positive number (angstrom)")),
        None => Ok(()),
    }
}
