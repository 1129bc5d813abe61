//! Which plane waves and windows a PRISM calculation has, and probes by their coefficients.

use super::reduce::worker_bytes;
use super::scatter::matrix_bytes;
use super::spectrum::Transform;
use crate::error::{Error, Result};
use crate::forward::multislice::Multislice;
use crate::grid::{fast_size, Plane};
use crate::optics::BandLimit;
use crate::simd::Real;
use num_complex::Complex64;

/// What a PRISM calculation may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PrismOptions {
    /// (f_y, f_x): every f-th plane wave and a window of 1 / f of the pixels along each axis. 1: nothing is left out.
    pub interpolation: (usize, usize),
    /// Keeps S on the coarsest fast grid that holds the band limit, instead of the pixels of the object: about half the
    /// memory and work. The values on it are exact, but windows are cut between other pixels, and what the cut scatters
    /// beyond the coarser grid comes back at lower angles.
    pub downsampling: bool,
}

impl PrismOptions {
    /// The window of 1 / f of the pixels of `plane` along each axis.
    ///
    /// # Errors
    /// `Range` for an interpolation that does not divide the pixels, with those that do.
    pub fn window(&self, plane: &Plane) -> Result<Plane> {
        let (fy, fx) = self.interpolation;
        expect_divisor("interpolation along y", fy, plane.rows, "rows")?;
        expect_divisor("interpolation along x", fx, plane.columns, "columns")?;
        Plane::new(plane.rows / fy, plane.columns / fx, plane.pixel_y, plane.pixel_x)
    }

    /// Sampling of exit waves of `object`: the window, of the pixels of the coarser grid with downsampling.
    ///
    /// # Errors
    /// As [`Self::window`].
    pub fn exit_window(&self, limit: BandLimit, object: &Plane) -> Result<Plane> {
        self.window(&self.sampling(limit, object)?)
    }

    /// Sampling of the scattering matrix.
    fn sampling(&self, limit: BandLimit, object: &Plane) -> Result<Plane> {
        self.window(object)?;
        if self.downsampling {
            return coarser(limit, object, self.interpolation);
        }
        Ok(*object)
    }

    /// Bytes of the scattering matrix of numbers `T` that these options make, and of a worker that reduces it to `count`
    /// patterns, before there is a plan; see [`PrismPlan::new`].
    ///
    /// # Errors
    /// Those of [`PrismPlan::new`] for the interpolation and the pupil.
    pub fn bytes<T: Real>(
        &self,
        limit: BandLimit,
        object: &Plane,
        count: usize,
        pupil: impl Fn(f64, f64) -> Complex64,
    ) -> Result<(u64, u64)> {
        let (waves, plane) = layout(limit, object, self, pupil)?;
        let window = self.window(&plane)?;
        Ok((matrix_bytes::<T>(waves.len(), &plane), worker_bytes::<T>(waves.len(), &plane, &window, count)))
    }
}

impl Default for PrismOptions {
    fn default() -> Self {
        Self { interpolation: (1, 1), downsampling: false }
    }
}

/// A plane wave of the aperture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PlaneWave {
    /// Frequency indices (along y, along x) of the object, in FFT order.
    pub(super) index: (usize, usize),
    /// 1/angstrom.
    pub(super) ky: f64,
    /// 1/angstrom.
    pub(super) kx: f64,
}

/// Plan of PRISM calculations: plane waves, windows and transforms. Immutable, shared by all workers.
pub struct PrismPlan<T: Real> {
    pub(super) object: Plane,
    /// Sampling of S.
    pub(super) plane: Plane,
    pub(super) window: Plane,
    pub(super) waves: Vec<PlaneWave>,
    /// Of the window.
    pub(super) transform: Transform<T>,
    /// Of the plane of S where that is coarser than the object.
    pub(super) coarser: Option<Transform<T>>,
    interpolation: (usize, usize),
}

/// A probe on the plane waves of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PrismProbe {
    /// A exp(-i chi) of each wave, scaled.
    pub(super) coefficients: Vec<Complex64>,
}

impl<T: Real> PrismPlan<T> {
    /// A plan for `engine`, whose window is the whole object, with the plane waves at which `pupil(kx, ky)`
    /// (1/angstrom; its size does not matter) is not zero. A soft edge is to be one frequency step of the window wide, f
    /// times as wide as one of the object.
    ///
    /// # Errors
    /// `Shape` for an engine of smaller windows; `Range` for an interpolation that does not divide the pixels, with those
    /// that do, and for a pupil that is open beyond the band limit; `Empty` for one that is closed; `NonFinite`.
    pub fn new(engine: &Multislice<T>, options: &PrismOptions, pupil: impl Fn(f64, f64) -> Complex64) -> Result<Self> {
        let (object, window) = (*engine.object_plane(), engine.window());
        if *window != object {
            let wanted = format!("that of the whole object, [{}, {}]", object.rows, object.columns);
            return Err(Error::shape("window of plane waves", &[window.rows, window.columns], wanted));
        }
        let (fy, fx) = options.interpolation;
        let limit = engine.band_limit();
        let (waves, plane) = layout(limit, &object, options, pupil)?;
        if waves.is_empty() {
            let why = format!("the aperture is closed at every multiple of ({fy}, {fx}) frequency steps");
            return Err(Error::Empty { what: "plane waves".into(), why });
        }
        waves.iter().try_for_each(|wave| expect_within(limit, &object, engine.wavelength(), wave))?;
        let window = options.window(&plane)?;
        Ok(Self {
            object,
            plane,
            window,
            waves,
            transform: Transform::new(engine.path(), &window),
            coarser: (plane != object).then(|| Transform::new(engine.path(), &plane)),
            interpolation: options.interpolation,
        })
    }

    /// Number of plane waves.
    pub fn waves(&self) -> usize {
        self.waves.len()
    }

    /// Sampling of the scattering matrix.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Sampling of exit waves; patterns are on its frequencies.
    pub fn window(&self) -> &Plane {
        &self.window
    }

    /// A probe on these plane waves, from its pupil A exp(-i chi) as a function of (kx, ky) in 1/angstrom; scaled so that
    /// its pattern in vacuum sums to 1.
    ///
    /// # Errors
    /// `Inconsistent` for a pupil that is open where the plan has no wave, `Empty` for one that is closed, `NonFinite`.
    pub fn probe(&self, pupil: impl Fn(f64, f64) -> Complex64) -> Result<PrismProbe> {
        let mut coefficients = vec![Complex64::ZERO; self.waves.len()];
        // both lists have the order of the lattice
        let mut places = self.waves.iter().enumerate();
        for (wave, value) in open_waves(&self.object, self.interpolation, pupil)? {
            let place = places.by_ref().find(|(_, known)| **known == wave);
            let place = place.and_then(|(i, _)| coefficients.get_mut(i)).ok_or_else(|| Error::Inconsistent {
                what: "pupil of the probe".into(),
                why: format!(
                    "it is open at (ky, kx) = ({}, {}) 1/A, where the scattering matrix has no plane wave",
                    wave.ky, wave.kx
                ),
            })?;
            *place = value;
        }
        // by Parseval the pattern sums to (pixels of the window)^2 sum |c|^2
        let norm = coefficients.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt() * self.window.pixels() as f64;
        if norm == 0.0 {
            let why = "the aperture is closed at every plane wave".into();
            return Err(Error::Empty { what: "pupil of the probe".into(), why });
        }
        coefficients.iter_mut().for_each(|c| *c /= norm);
        Ok(PrismProbe { coefficients })
    }

    /// Pixel (row, column) of S on which the window around `position` = (x, y) in angstrom begins: that nearest to the
    /// position comes to lie on pixel (rows / 2, columns / 2), exact halves round to even ones. The whole plane begins at
    /// (0, 0).
    pub(super) fn corner(&self, position: (f64, f64)) -> (usize, usize) {
        let corner = |x: f64, pixel: f64, window: usize, n: usize| {
            let from_middle = ((x / pixel).rem_euclid(n as f64) - (window / 2) as f64).round_ties_even() as i64;
            if window == n {
                0
            } else {
                from_middle.rem_euclid(n as i64) as usize
            }
        };
        let (plane, window) = (&self.plane, &self.window);
        let row = corner(position.1, plane.pixel_y, window.rows, plane.rows);
        (row, corner(position.0, plane.pixel_x, window.columns, plane.columns))
    }
}

/// The plane waves, and the sampling of what becomes of them.
fn layout(
    limit: BandLimit,
    object: &Plane,
    options: &PrismOptions,
    pupil: impl Fn(f64, f64) -> Complex64,
) -> Result<(Vec<PlaneWave>, Plane)> {
    let plane = options.sampling(limit, object)?;
    let open = open_waves(object, options.interpolation, pupil)?;
    Ok((open.into_iter().map(|(wave, _)| wave).collect(), plane))
}

/// Refuses a divisor that is none, and names those that are.
fn expect_divisor(what: &str, got: usize, n: usize, of: &str) -> Result<()> {
    if got > 0 && n.is_multiple_of(got) {
        return Ok(());
    }
    let divisors: Vec<String> = (1..=n).filter(|d| n.is_multiple_of(*d)).map(|d| d.to_string()).collect();
    Err(Error::range(what, got, format!("a divisor of the {n} {of} of the object: {}", divisors.join(", "))))
}

/// The plane waves at multiples of `interpolation` frequency steps at which `pupil` is not zero, by ky, then by kx. They
/// reach one multiple beyond the Nyquist frequency, so that an aperture which is cut there shows.
fn open_waves(
    object: &Plane,
    interpolation: (usize, usize),
    pupil: impl Fn(f64, f64) -> Complex64,
) -> Result<Vec<(PlaneWave, Complex64)>> {
    let lattice = |n: usize, pixel: f64, f: usize| {
        let (last, step) = ((n / (2 * f)) as i64 + 1, 1.0 / (n as f64 * pixel));
        (-last..=last).map(move |m| m * f as i64).map(move |i| (i.rem_euclid(n as i64) as usize, i as f64 * step))
    };
    let (fy, fx) = interpolation;
    let mut open = vec![];
    for (row, ky) in lattice(object.rows, object.pixel_y, fy) {
        for (column, kx) in lattice(object.columns, object.pixel_x, fx) {
            let value = pupil(kx, ky);
            if !value.is_finite() {
                let bad = if value.re.is_finite() { value.im } else { value.re };
                let at = format!("(ky, kx) = ({ky}, {kx}) 1/A");
                return Err(Error::NonFinite { what: "pupil of the probe".into(), value: bad, at });
            }
            if value != Complex64::ZERO {
                open.push((PlaneWave { index: (row, column), ky, kx }, value));
            }
        }
    }
    Ok(open)
}

/// Refuses waves that the first flight would remove, or that the grid cannot hold.
fn expect_within(limit: BandLimit, object: &Plane, wavelength: f64, wave: &PlaneWave) -> Result<()> {
    let (along_y, along_x) = limit.cutoffs(object);
    let within = match limit {
        BandLimit::Circular => wave.ky.hypot(wave.kx) < along_y,
        BandLimit::Square | BandLimit::None => wave.ky.abs() < along_y && wave.kx.abs() < along_x,
    };
    if within {
        return Ok(());
    }
    let mrad = |k: f64| 1e3 * wavelength * k;
    let angle = mrad(wave.ky.hypot(wave.kx));
    let wanted = format!(
        "below {:.3} mrad, the band limit of pixels of {} x {} A, or smaller pixels: {:.4} A",
        limit.largest_angle_mrad(object, wavelength),
        object.pixel_y,
        object.pixel_x,
        limit.pixel_for(angle, wavelength),
    );
    Err(Error::range("angle at which the aperture is still open", format!("{angle:.3} mrad"), wanted))
}

/// The smallest fast plane of the same extent that holds all frequencies within the limit and whose sizes the
/// interpolation divides; `object` along an axis that would not become smaller.
fn coarser(limit: BandLimit, object: &Plane, (fy, fx): (usize, usize)) -> Result<Plane> {
    let (along_y, along_x) = limit.cutoffs(object);
    let axis = |n: usize, pixel: f64, cutoff: f64, f: usize| {
        let highest = (cutoff * n as f64 * pixel).floor() as usize;
        let size = f * fast_size((2 * highest + 2).div_ceil(f));
        if size < n {
            size
        } else {
            n
        }
    };
    let rows = axis(object.rows, object.pixel_y, along_y, fy);
    let columns = axis(object.columns, object.pixel_x, along_x, fx);
    let (extent_y, extent_x) = object.extent();
    let pixel = |n: usize, size: usize, pixel: f64, extent: f64| if size == n { pixel } else { extent / size as f64 };
    let pixel_y = pixel(object.rows, rows, object.pixel_y, extent_y);
    Plane::new(rows, columns, pixel_y, pixel(object.columns, columns, object.pixel_x, extent_x))
}
