//! Probe
//!
//! The electron probe: immutable, described without a grid, sampled where the host names one.

use super::enums::{host_enum, HostEnum};
use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::options::CStruct;
use super::status::aet_status;
use super::view::{aet_view, OutView};
use crate::optics::{Aperture, Probe, ProbeOptions};
use crate::{Error, Result};
use num_complex::Complex64;

/// Edge of the round probe-forming aperture.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_aperture {
    /// Falls from 1 to 0 over one frequency step of the grid, so that the probe is smooth in the semi-angle.
    Soft = 0,
    /// 1 up to and including the semi-angle, 0 beyond.
    Hard = 1,
}

host_enum!(aet_aperture:
    Soft = "AET_APERTURE_SOFT",
    Hard = "AET_APERTURE_HARD",
);

impl From<aet_aperture> for Aperture {
    fn from(aperture: aet_aperture) -> Self {
        match aperture {
            aet_aperture::Soft => Aperture::Soft,
            aet_aperture::Hard => Aperture::Hard,
        }
    }
}

/// A converged electron probe. Immutable.
pub struct aet_probe {
    _opaque: [u8; 0],
}

impl Handle for aet_probe {
    const NAME: &'static str = "aet_probe";
    const IMMUTABLE: bool = true;
    type Object = Probe;
}

/// Description of a probe. Aberrations cnm, phinm enter the phase
/// chi(alpha, phi) = 2 pi / lambda * sum_nm alpha^(n+1) / (n+1) * cnm cos(m (phi - phinm)), used as exp(-i chi), with
/// c10 = -defocus: a positive defocus puts the crossover at +defocus along the beam. All coefficients are in angstrom,
/// all phinm in rad.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_probe_options {
    /// sizeof(aet_probe_options).
    pub struct_size: usize,
    /// Energy of the beam, eV; required.
    pub energy_ev: f64,
    /// Convergence semi-angle, mrad, above 0 to 500; required.
    pub semiangle_mrad: f64,
    /// Height of the crossover along the beam, angstrom.
    pub defocus: f64,
    /// Twofold astigmatism.
    pub c12: f64,
    /// Its azimuth.
    pub phi12: f64,
    /// Axial coma.
    pub c21: f64,
    /// Its azimuth.
    pub phi21: f64,
    /// Threefold astigmatism.
    pub c23: f64,
    /// Its azimuth.
    pub phi23: f64,
    /// Spherical aberration of third order.
    pub c30: f64,
    /// Star aberration of third order.
    pub c32: f64,
    /// Its azimuth.
    pub phi32: f64,
    /// Fourfold astigmatism.
    pub c34: f64,
    /// Its azimuth.
    pub phi34: f64,
    /// Coma of fourth order.
    pub c41: f64,
    /// Its azimuth.
    pub phi41: f64,
    /// Three-lobe aberration.
    pub c43: f64,
    /// Its azimuth.
    pub phi43: f64,
    /// Fivefold astigmatism.
    pub c45: f64,
    /// Its azimuth.
    pub phi45: f64,
    /// Spherical aberration of fifth order.
    pub c50: f64,
    /// Star aberration of fifth order.
    pub c52: f64,
    /// Its azimuth.
    pub phi52: f64,
    /// Rosette aberration.
    pub c54: f64,
    /// Its azimuth.
    pub phi54: f64,
    /// Sixfold astigmatism.
    pub c56: f64,
    /// Its azimuth.
    pub phi56: f64,
    /// Standard deviation of the Gaussian image of the source, angstrom.
    pub source_size: f64,
    /// An aet_aperture.
    pub aperture: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers, two i32 at the end: no padding.
unsafe impl CStruct for aet_probe_options {
    const NAME: &'static str = "aet_probe_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_probe_options {
            struct_size: size_of::<Self>(),
            energy_ev: 0.0,
            semiangle_mrad: 0.0,
            defocus: 0.0,
            c12: 0.0,
            phi12: 0.0,
            c21: 0.0,
            phi21: 0.0,
            c23: 0.0,
            phi23: 0.0,
            c30: 0.0,
            c32: 0.0,
            phi32: 0.0,
            c34: 0.0,
            phi34: 0.0,
            c41: 0.0,
            phi41: 0.0,
            c43: 0.0,
            phi43: 0.0,
            c45: 0.0,
            phi45: 0.0,
            c50: 0.0,
            c52: 0.0,
            phi52: 0.0,
            c54: 0.0,
            phi54: 0.0,
            c56: 0.0,
            phi56: 0.0,
            source_size: 0.0,
            aperture: aet_aperture::Soft as i32,
            reserved: 0,
        }
    }
}

impl aet_probe_options {
    /// The aberrations beside the defocus, by the names they have in the library.
    fn aberrations(&self) -> [(&'static str, f64); 24] {
        [
            ("C12", self.c12),
            ("phi12", self.phi12),
            ("C21", self.c21),
            ("phi21", self.phi21),
            ("C23", self.c23),
            ("phi23", self.phi23),
            ("C30", self.c30),
            ("C32", self.c32),
            ("phi32", self.phi32),
            ("C34", self.c34),
            ("phi34", self.phi34),
            ("C41", self.c41),
            ("phi41", self.phi41),
            ("C43", self.c43),
            ("phi43", self.phi43),
            ("C45", self.c45),
            ("phi45", self.phi45),
            ("C50", self.c50),
            ("C52", self.c52),
            ("phi52", self.phi52),
            ("C54", self.c54),
            ("phi54", self.phi54),
            ("C56", self.c56),
            ("phi56", self.phi56),
        ]
    }

    fn checked(&self) -> Result<ProbeOptions> {
        if !self.defocus.is_finite() {
            return Err(Error::range("defocus", self.defocus, "a finite number (angstrom)"));
        }
        let aperture = aet_aperture::from_number(self.aperture, "aperture")?;
        let options = ProbeOptions::new(self.energy_ev, self.semiangle_mrad)
            .aperture(aperture.into())
            .source_size(self.source_size)
            .defocus(self.defocus);
        self.aberrations().into_iter().try_fold(options, |options, (name, value)| options.aberration(name, value))
    }
}

/// Sets `struct_size` and all defaults: a perfect lens in focus, to which energy and semi-angle must be added.
/// AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_options_init(options: *mut aet_probe_options, struct_size: usize) -> aet_status {
    guard("aet_probe_options_init", |host| host.init(options, struct_size))
}

/// Creates a probe. `options` must not be NULL: there is no default energy. AET_ERROR_RANGE for an energy, semi-angle,
/// aberration or source size that is not finite or outside its range, AET_ERROR_UNKNOWN_OPTION for an unknown
/// aet_aperture. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_create(options: *const aet_probe_options, probe: *mut *mut aet_probe) -> aet_status {
    guard("aet_probe_create", |host| {
        let place = host.new_handle(probe, "probe")?;
        let options = host.required_options(options, "options")?.checked()?;
        place.set(options.build()?);
        Ok(())
    })
}

/// Frees a probe. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_free(probe: *mut aet_probe) {
    guard_value((), |host| host.free(probe))
}

/// Relativistic wavelength, angstrom; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_wavelength(probe: *const aet_probe) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(probe, "probe")?.wavelength()))
}

/// Energy of the beam, eV; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_energy_ev(probe: *const aet_probe) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(probe, "probe")?.energy_ev()))
}

/// Convergence semi-angle, mrad; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_semiangle_mrad(probe: *const aet_probe) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(probe, "probe")?.semiangle_mrad()))
}

/// Depth of field 2 lambda / alpha^2, angstrom, with the semi-angle alpha in radians (nLOT; Mao, Cui, Yu): the intensity on
/// the axis of a probe without aberrations is half that of the crossover at 0.44 of this distance from it on either side,
/// and 0 at this distance. NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_depth_of_field(probe: *const aet_probe) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(probe, "probe")?.depth_of_field()))
}

/// Height of the crossover along the beam, angstrom; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_defocus(probe: *const aet_probe) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(probe, "probe")?.defocus()))
}

/// Samples the complex wave psi(r) = IFFT[A(k) exp(-i chi(k)) exp(-i pi lambda depth k^2) exp(-2 pi i k . (x, y))] on
/// the periodic grid of `out` `[rows,columns]`, c64 or c128, of square pixels of `pixel_size` (angstrom). `depth`
/// (angstrom) counts along the beam from the reference plane of the defocus; the probe stands at (x, y) (angstrom) from
/// the origin, which is pixel (rows / 2, columns / 2). Coherent: the source size plays no part. The sum over pixels of
/// |psi|^2 is 1 / (rows columns). AET_ERROR_RANGE for a depth, position or pixel size that is not finite or positive,
/// and, with the largest semi-angle and pixel size possible, where the aperture reaches beyond the Nyquist frequency;
/// AET_ERROR_SHAPE, AET_ERROR_DTYPE for `out`. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_wave(
    probe: *const aet_probe,
    pixel_size: f64,
    depth: f64,
    x: f64,
    y: f64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_probe_wave", |host| {
        let probe = host.object(probe, "probe")?;
        let mut out = host.out_view(out, "out")?;
        out.expect_holds::<Complex64>()?;
        out.write(&probe.wave(plane(&out)?, pixel_size, depth, (x, y))?)
    })
}

/// Samples the intensity of the probe, blurred by its source, on the periodic grid of `out` `[rows,columns]`, f32 or
/// f64, of square pixels of `pixel_size` (angstrom), centred on pixel (rows / 2, columns / 2). `depth` (angstrom)
/// counts along the beam from the reference plane of the defocus. It sums to 1; where pixels are too coarse for the
/// probe, single ones may be slightly negative. AET_ERROR_RANGE for a depth or pixel size that is not finite or
/// positive; AET_ERROR_SHAPE, AET_ERROR_DTYPE for `out`. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_probe_intensity(
    probe: *const aet_probe,
    pixel_size: f64,
    depth: f64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_probe_intensity", |host| {
        let probe = host.object(probe, "probe")?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        out.write(&probe.intensity(plane(&out)?, pixel_size, depth)?)
    })
}

/// Rows and columns of a plane.
fn plane(out: &OutView<'_>) -> Result<(usize, usize)> {
    match *out.shape() {
        [rows, columns] => Ok((rows, columns)),
        _ => Err(Error::shape(out.name(), out.shape(), "[rows, columns]")),
    }
}
