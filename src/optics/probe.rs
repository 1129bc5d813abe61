//! The probe in any plane along the beam (paper 002, equations (8) to (10)):
//!
//! psi(r, z) = IFFT[ A(k) exp(-i chi(k)) exp(-i pi lambda z k^2) exp(-2 pi i k . r0) ], alpha = lambda |k|.
//!
//! The paper writes the propagator with the opposite sign of i; with this one and C10 = -defocus a positive defocus puts
//! the crossover at z = +defocus. z counts along the beam from the reference plane of the defocus.

use std::f64::consts::{PI, TAU};

use ndarray::Array2;
use num_complex::Complex64;

use super::aberrations::Aberrations;
use super::aperture::Aperture;
use super::fft::inverse_2d;
use super::transfer::ProbeTransfer;
use crate::electron;
use crate::error::{Error, Result};
use crate::grid::{frequencies, origin, Plane};

/// Largest semi-angle that is accepted (mrad); beyond, the small-angle formulas mean nothing.
const MAX_SEMIANGLE_MRAD: f64 = 500.0;
/// Most pixels per axis of a grid.
const MAX_PIXELS: usize = 1 << 15;

/// Description of a probe, checked by [`ProbeOptions::build`].
///
/// ```
/// # fn main() -> aet::Result<()> {
/// use aet::optics::ProbeOptions;
/// let probe = ProbeOptions::new(300e3, 25.0).defocus(50.0).aberration("C30", 1e5)?.source_size(0.4).build()?;
/// let blur = probe.intensity((64, 64), 0.2, 50.0)?;
/// assert!((blur.sum() - 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ProbeOptions {
    /// Energy of the beam in eV.
    pub energy_ev: f64,
    /// Convergence semi-angle in mrad, 0 < semi-angle <= 500.
    pub semiangle_mrad: f64,
    /// Edge of the aperture; default soft.
    pub aperture: Aperture,
    /// Aberrations including the defocus (C10 = -defocus); default none.
    pub aberrations: Aberrations,
    /// Standard deviation in angstrom of the Gaussian source image, applied to intensities; default 0.
    pub source_size: f64,
}

impl ProbeOptions {
    /// A perfect probe in focus: `energy_ev` in eV, `semiangle_mrad` in mrad.
    pub fn new(energy_ev: f64, semiangle_mrad: f64) -> Self {
        Self {
            energy_ev,
            semiangle_mrad,
            aperture: Aperture::default(),
            aberrations: Aberrations::default(),
            source_size: 0.0,
        }
    }

    /// Edge of the aperture.
    pub fn aperture(mut self, aperture: Aperture) -> Self {
        self.aperture = aperture;
        self
    }

    /// Defocus in angstrom: the crossover lies at +defocus along the beam.
    pub fn defocus(mut self, defocus: f64) -> Self {
        self.aberrations.set_defocus(defocus);
        self
    }

    /// All aberrations at once, the defocus (C10) included.
    pub fn aberrations(mut self, aberrations: Aberrations) -> Self {
        self.aberrations = aberrations;
        self
    }

    /// One aberration by name, see [`Aberrations::set`].
    ///
    /// # Errors
    /// `UnknownOption` for an unknown name, `Range` for a value that is not finite.
    pub fn aberration(mut self, name: &str, value: f64) -> Result<Self> {
        self.aberrations.set(name, value)?;
        Ok(self)
    }

    /// Standard deviation of the source image in angstrom.
    pub fn source_size(mut self, sigma: f64) -> Self {
        self.source_size = sigma;
        self
    }

    /// Checks the description and makes the probe.
    ///
    /// # Errors
    /// `Range` for an energy, semi-angle, aberration or source size that is not finite or outside its range.
    pub fn build(self) -> Result<Probe> {
        let wavelength = electron::wavelength(self.energy_ev)?;
        if !(self.semiangle_mrad > 0.0 && self.semiangle_mrad <= MAX_SEMIANGLE_MRAD) {
            let wanted = format!("above 0 and at most {MAX_SEMIANGLE_MRAD} mrad");
            return Err(Error::range("semiangle_mrad", self.semiangle_mrad, wanted));
        }
        if !(self.source_size >= 0.0 && self.source_size.is_finite()) {
            return Err(Error::range("source_size", self.source_size, "0 or a positive number (angstrom)"));
        }
        self.aberrations.check()?;
        Ok(Probe { options: self, wavelength })
    }
}

/// A probe: immutable, shared freely between threads. Sampled only when a grid is named.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    options: ProbeOptions,
    wavelength: f64,
}

impl Probe {
    /// The description it was made from.
    pub fn options(&self) -> &ProbeOptions {
        &self.options
    }

    /// Relativistic wavelength in angstrom.
    pub fn wavelength(&self) -> f64 {
        self.wavelength
    }

    /// Energy of the beam in eV.
    pub fn energy_ev(&self) -> f64 {
        self.options.energy_ev
    }

    /// Convergence semi-angle in mrad.
    pub fn semiangle_mrad(&self) -> f64 {
        self.options.semiangle_mrad
    }

    /// Depth of field 2 lambda / alpha^2 in angstrom, as nLOT (Mao, Cui, Yu) gives it: on the axis of a probe without
    /// aberrations the intensity falls as sinc^2(alpha^2 dz / 2 lambda) with the distance dz from the crossover, to half
    /// at 0.886 lambda / alpha^2 on either side, and to 0 at this distance. The inverse of the largest frequency along
    /// the beam that the probe carries.
    pub fn depth_of_field(&self) -> f64 {
        let alpha = 1e-3 * self.options.semiangle_mrad;
        2.0 * self.wavelength / (alpha * alpha)
    }

    /// Defocus in angstrom.
    pub fn defocus(&self) -> f64 {
        self.options.aberrations.defocus()
    }

    /// Aberrations, the defocus (C10) included.
    pub fn aberrations(&self) -> &Aberrations {
        &self.options.aberrations
    }

    /// Standard deviation of the Gaussian source image in angstrom.
    pub fn source_size(&self) -> f64 {
        self.options.source_size
    }

    /// Complex wave at `depth` (angstrom along the beam from the reference plane) on a periodic grid of
    /// `shape` = (rows, columns) square pixels of `pixel_size` (angstrom), for a probe at `position` = (x, y) (angstrom)
    /// from the specimen origin, which falls on pixel (rows / 2, columns / 2). Coherent: the source size plays no part.
    ///
    /// Returned as \[row, column\]. The sum over k of |psi(k)|^2 is 1; the inverse transform keeps its 1/N, so the sum
    /// over pixels of |psi|^2 is 1 / (rows columns). Where the extent is smaller than the probe, the probe wraps around.
    ///
    /// # Errors
    /// `Shape` and `Range` for an impossible grid, depth or position; `Range` naming the largest semi-angle and the pixel
    /// size needed where the aperture reaches beyond the Nyquist frequency.
    pub fn wave(
        &self,
        shape: (usize, usize),
        pixel_size: f64,
        depth: f64,
        position: (f64, f64),
    ) -> Result<Array2<Complex64>> {
        check_grid(shape, pixel_size)?;
        for (name, value) in [("depth", depth), ("position x", position.0), ("position y", position.1)] {
            check_finite(name, value)?;
        }
        self.check_aperture_fits(shape, pixel_size)?;
        let (rows, cols) = shape;
        let (ky, kx) = (frequencies(rows, pixel_size), frequencies(cols, pixel_size));
        let pupil = self.pupil(&self.options.aberrations, (rows, cols), pixel_size);
        let x = position.0 + origin(cols) as f64 * pixel_size;
        let y = position.1 + origin(rows) as f64 * pixel_size;
        let mut psi = Array2::from_shape_fn(shape, |(i, j)| {
            let (kx, ky) = (kx[j], ky[i]);
            let propagation = PI * self.wavelength * depth * (kx * kx + ky * ky);
            pupil(kx, ky) * Complex64::cis(-propagation - TAU * (kx * x + ky * y))
        });
        let norm = psi.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt() * (rows * cols) as f64;
        inverse_2d(&mut psi);
        psi.mapv_inplace(|v| v / norm);
        Ok(psi)
    }

    /// Intensity at `depth` (angstrom) on a periodic grid of `shape` = (rows, columns) pixels of `pixel_size` (angstrom),
    /// centred on pixel (rows / 2, columns / 2), source size included. Returned as \[row, column\], sums to 1.
    ///
    /// Pixels too coarse for the probe are no error: the intensity is made on a finer grid of the same extent and its
    /// spectrum cropped to this one, so that single pixels may then be slightly negative.
    ///
    /// # Errors
    /// `Shape` and `Range` for an impossible grid or depth.
    pub fn intensity(&self, shape: (usize, usize), pixel_size: f64, depth: f64) -> Result<Array2<f64>> {
        check_finite("depth", depth)?;
        let (rows, cols) = shape;
        let half = ProbeTransfer::new(self, rows, cols, pixel_size)?.otf(self.defocus(), depth);
        let mut spectrum = Array2::from_shape_fn(shape, |(i, j)| {
            if j <= cols / 2 {
                half[[j, i]]
            } else {
                half[[cols - j, (rows - i) % rows]].conj()
            }
        });
        inverse_2d(&mut spectrum);
        let (oy, ox) = (rows - origin(rows), cols - origin(cols));
        let scale = 1.0 / (rows * cols) as f64;
        Ok(Array2::from_shape_fn(shape, |(i, j)| spectrum[[(i + oy) % rows, (j + ox) % cols]].re * scale))
    }

    /// A(k) exp(-i chi(k)) (equation (9)) as a function of kx, ky (1/angstrom), not normalised, for waves on `plane`, whose
    /// extent sets the width of a soft edge.
    pub fn pupil_on(&self, plane: &Plane) -> impl Fn(f64, f64) -> Complex64 {
        self.pupil_of(&self.options.aberrations, plane.extent())
    }

    /// The same for the given aberrations on a grid of `shape` = (rows, columns) square pixels.
    pub(super) fn pupil(
        &self,
        aberrations: &Aberrations,
        shape: (usize, usize),
        pixel_size: f64,
    ) -> impl Fn(f64, f64) -> Complex64 {
        self.pupil_of(aberrations, (shape.0 as f64 * pixel_size, shape.1 as f64 * pixel_size))
    }

    fn pupil_of(&self, aberrations: &Aberrations, extent: (f64, f64)) -> impl Fn(f64, f64) -> Complex64 {
        let (lambda, aberrations, aperture) = (self.wavelength, *aberrations, self.options.aperture);
        let alpha_max = self.options.semiangle_mrad * 1e-3;
        let steps = (lambda / extent.1, lambda / extent.0);
        move |kx: f64, ky: f64| {
            let (alpha, phi) = (lambda * kx.hypot(ky), ky.atan2(kx));
            let amplitude = aperture.amplitude(alpha, phi, alpha_max, steps);
            if amplitude == 0.0 {
                return Complex64::ZERO;
            }
            Complex64::from_polar(amplitude, -aberrations.phase(alpha, phi, lambda))
        }
    }

    /// Frequency (1/angstrom) beyond which the aperture is closed, on a grid of this shape and pixel size.
    pub(super) fn cutoff(&self, (rows, cols): (usize, usize), pixel_size: f64) -> f64 {
        let step = self.wavelength / (rows.min(cols) as f64 * pixel_size);
        (self.options.semiangle_mrad * 1e-3 + self.options.aperture.overhang(step)) / self.wavelength
    }

    fn check_aperture_fits(&self, shape: (usize, usize), pixel_size: f64) -> Result<()> {
        if self.cutoff(shape, pixel_size) < 0.5 / pixel_size {
            return Ok(());
        }
        // alpha + overhang(step) < lambda / (2 pixel), with step = lambda / (n pixel), solved for alpha and for the pixel
        let n = shape.0.min(shape.1) as f64;
        let open = 0.5 - self.options.aperture.overhang(1.0) / n;
        let largest_mrad = 1e3 * self.wavelength * open / pixel_size;
        let needed = 1e3 * self.wavelength * open / self.options.semiangle_mrad;
        let round_down = |v: f64| (v * 1e4).floor() / 1e4;
        let wanted = format!(
            "less than {} mrad with pixels of {pixel_size} A (Nyquist), or pixels below {} A for this semi-angle",
            round_down(largest_mrad),
            round_down(needed)
        );
        Err(Error::range("semiangle_mrad", self.options.semiangle_mrad, wanted))
    }
}

/// Refuses empty and absurd grids.
pub(super) fn check_grid((rows, cols): (usize, usize), pixel_size: f64) -> Result<()> {
    if rows == 0 || cols == 0 || rows > MAX_PIXELS || cols > MAX_PIXELS {
        let wanted = format!("(rows, columns), each 1 to {MAX_PIXELS}");
        return Err(Error::shape("grid of the probe", &[rows, cols], wanted));
    }
    if !(pixel_size > 0.0 && pixel_size.is_finite()) {
        return Err(Error::range("pixel_size", pixel_size, "a positive number (angstrom)"));
    }
    Ok(())
}

fn check_finite(name: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::range(name, value, "a finite number (angstrom)"))
}
