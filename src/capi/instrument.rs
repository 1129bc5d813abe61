//! The recording instrument
//!
//! What scan, dose and detector make of ideal images: everything that a preparation of data has to undo.

use super::context::aet_context;
use super::dataset::{aet_dataset, Dataset};
use super::dataset_folder::monitor;
use super::enums::{host_enum, HostEnum};
use super::frames::pixels;
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::context::Context;
use crate::fourier::Edge;
use crate::grid::Plane;
use crate::problem::{Phase, Waiting};
use crate::simd::SimdPath;
use crate::simulate::instrument::{
    record_images, record_series, Counting, Detector, Exposure, Instrument, Scan, Transfer, TransferTerm,
};
use crate::{Error, Result};
use std::ffi::{c_char, c_void};
use std::ptr;

/// What a detector makes of single electrons.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_detection {
    /// Each electron is counted with probability `dqe`, and adds one: a mean of n electrons gives a mean and a variance of
    /// dqe n.
    Counting = 0,
    /// Each electron adds an amount of mean 1 that varies as a Gamma distribution of variance 1 / dqe - 1: a mean of n
    /// electrons gives a mean of n and a variance of n / dqe.
    Integrating = 1,
}

host_enum!(aet_detection:
    Counting = "AET_DETECTION_COUNTING",
    Integrating = "AET_DETECTION_INTEGRATING",
);

/// What lies beyond the edges of an image.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_edge {
    /// Its mirror image, edge pixels repeated.
    Mirror = 0,
    /// Itself again, as in a periodic simulation cell.
    Periodic = 1,
}

host_enum!(aet_edge:
    Mirror = "AET_EDGE_MIRROR",
    Periodic = "AET_EDGE_PERIODIC",
);

/// An instrument. Fill with aet_instrument_options_init; the defaults, mostly 0, are a perfect one that changes no bit.
/// Pairs _x, _y are along x' (columns) and y' (rows). Images are in the unit of the ideal ones until the exposure makes
/// them electrons; "image units" are those of the recorded images.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_instrument_options {
    /// sizeof(aet_instrument_options).
    pub struct_size: usize,
    /// Seed of all random numbers. Image i of a seed depends on nothing else.
    pub seed: i64,
    /// Electrons per angstrom^2 and image, for images that are fractions of the beam; 0: any number, no statistics.
    pub dose_per_a2: f64,
    /// Electrons per scan position, or per diffraction pattern; 1 for images that are mean numbers of electrons. 0: as told
    /// by the dose; give at most one of the two.
    pub electrons_per_position: f64,
    /// Way of the beam over the specimen during one image, angstrom.
    pub drift_x: f64,
    /// The same along y'.
    pub drift_y: f64,
    /// Random walk from row to row: standard deviation at the end of an image per axis, angstrom.
    pub walk: f64,
    /// Standard deviation of the place of each row, angstrom.
    pub row_jitter_x: f64,
    /// The same along y'.
    pub row_jitter_y: f64,
    /// How far the beam lags behind, in +x', where a row starts, angstrom.
    pub flyback: f64,
    /// Distance over which the lag falls to 1 / e, angstrom; required with a flyback.
    pub flyback_decay: f64,
    /// Rotation of the scan from x' to y', degree.
    pub rotation_deg: f64,
    /// Places move along x' by this times y'.
    pub shear: f64,
    /// Relative excess of the scan's length along x'.
    pub stretch_x: f64,
    /// The same along y'.
    pub stretch_y: f64,
    /// Quantum efficiency at zero frequency, 1e-6 to 1; 0: 1.
    pub dqe: f64,
    /// Counting: after each count a pixel is blind for this part of the exposure, 0 to 1, not prolonged by what arrives
    /// meanwhile. A mean of n electrons gives n / (1 + n dead_time).
    pub dead_time: f64,
    /// `[n]`, n >= 2: transfer of the signal at equally spaced frequencies from 0 to the Nyquist frequency, linear between, 1
    /// at 0. NULL: 1, or as the next three say.
    pub mtf: *const aet_const_view,
    /// `[n]`: transfer of the noise. NULL: as noise_blurred says.
    pub noise_mtf: *const aet_const_view,
    /// Where a Gaussian mtf has fallen to 1 / e, cycles per pixel (the Nyquist frequency is 0.5); 0: none.
    pub mtf_gaussian: f64,
    /// Where an exponential mtf has fallen to 1 / e, cycles per pixel; 0: none.
    pub mtf_exponential: f64,
    /// Weight of the exponential where there are both, between 0 and 1.
    pub mtf_exponential_weight: f64,
    /// Relative standard deviation of the gain from pixel to pixel, the same in all images.
    pub gain_pattern: f64,
    /// Mean dark electrons per pixel and exposure.
    pub dark_current: f64,
    /// Relative standard deviation of the dark current from pixel to pixel, the same in all images.
    pub dark_pattern: f64,
    /// Standard deviation of the read noise, electrons.
    pub read_noise: f64,
    /// Mean dark electrons of a hot pixel beside those of all.
    pub hot_current: f64,
    /// Image units per electron; 0: 1.
    pub gain: f64,
    /// Image units added to every pixel.
    pub offset: f64,
    /// Largest value that can be stored, image units; 0: none.
    pub saturation: f64,
    /// Number of pixels that see no electrons, the same in all images.
    pub dead_pixels: i64,
    /// Number of hot pixels, the same in all images.
    pub hot_pixels: i64,
    /// An aet_detection.
    pub detection: i32,
    /// 1: each electron is blurred, so that the noise has the transfer of the signal; 0: white noise.
    pub noise_blurred: i32,
    /// 1: whole numbers from 0 on; 0: any.
    pub quantized: i32,
    /// An aet_edge, for the scan and the blur.
    pub edge: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, numbers and raw pointers; four i32 stand after the 8-byte
// members.
unsafe impl CStruct for aet_instrument_options {
    const NAME: &'static str = "aet_instrument_options";

    fn defaults() -> Self {
        aet_instrument_options {
            struct_size: size_of::<Self>(),
            seed: 0,
            dose_per_a2: 0.0,
            electrons_per_position: 0.0,
            drift_x: 0.0,
            drift_y: 0.0,
            walk: 0.0,
            row_jitter_x: 0.0,
            row_jitter_y: 0.0,
            flyback: 0.0,
            flyback_decay: 0.0,
            rotation_deg: 0.0,
            shear: 0.0,
            stretch_x: 0.0,
            stretch_y: 0.0,
            dqe: 0.0,
            dead_time: 0.0,
            mtf: ptr::null(),
            noise_mtf: ptr::null(),
            mtf_gaussian: 0.0,
            mtf_exponential: 0.0,
            mtf_exponential_weight: 0.0,
            gain_pattern: 0.0,
            dark_current: 0.0,
            dark_pattern: 0.0,
            read_noise: 0.0,
            hot_current: 0.0,
            gain: 0.0,
            offset: 0.0,
            saturation: 0.0,
            dead_pixels: 0,
            hot_pixels: 0,
            detection: aet_detection::Counting as i32,
            noise_blurred: 0,
            quantized: 0,
            edge: aet_edge::Mirror as i32,
        }
    }
}

impl aet_instrument_options {
    pub(super) fn checked(&self, host: &Host) -> Result<Instrument> {
        let exposure = match (chosen(self.dose_per_a2), chosen(self.electrons_per_position)) {
            (None, None) => Exposure::Unlimited,
            (Some(dose), None) => Exposure::Dose(dose),
            (None, Some(electrons)) => Exposure::Electrons(electrons),
            (Some(_), Some(_)) => {
                let why = "both dose_per_a2 and electrons_per_position are given, wanted one of them at most".into();
                return Err(Error::Inconsistent { what: "aet_instrument_options".into(), why });
            }
        };
        let scan = Scan {
            drift: [self.drift_x, self.drift_y],
            walk: self.walk,
            row_jitter: [self.row_jitter_x, self.row_jitter_y],
            flyback: self.flyback,
            flyback_decay: self.flyback_decay,
            rotation_deg: self.rotation_deg,
            shear: self.shear,
            stretch: [self.stretch_x, self.stretch_y],
        };
        let edge = match aet_edge::from_number(self.edge, "edge")? {
            aet_edge::Mirror => Edge::Mirror,
            aet_edge::Periodic => Edge::Periodic,
        };
        let instrument = Instrument { seed: self.seed as u64, scan, exposure, detector: self.detector(host)?, edge };
        instrument.check()?;
        Ok(instrument)
    }

    fn detector(&self, host: &Host) -> Result<Detector> {
        let counting = match aet_detection::from_number(self.detection, "detection")? {
            aet_detection::Counting => Counting::Counts { dead_time: self.dead_time },
            aet_detection::Integrating if self.dead_time == 0.0 => Counting::Integrates,
            aet_detection::Integrating => {
                return Err(Error::range("dead_time", self.dead_time, "0 for a detector that integrates"));
            }
        };
        let samples = |view, name| -> Result<Option<Transfer>> {
            let Some(view) = host.optional_view(view, name)? else { return Ok(None) };
            Ok(Some(Transfer::Samples(view.read::<f64, 1>([None])?.to_vec())))
        };
        let mtf = match samples(self.mtf, "mtf")? {
            Some(samples) if self.parametric_mtf()? == Transfer::Perfect => samples,
            Some(_) => {
                let why = "mtf is given beside mtf_gaussian or mtf_exponential, wanted one of them".into();
                return Err(Error::Inconsistent { what: "aet_instrument_options".into(), why });
            }
            None => self.parametric_mtf()?,
        };
        let noise_mtf = match (samples(self.noise_mtf, "noise_mtf")?, host.flag(self.noise_blurred, "noise_blurred")?) {
            (Some(noise), _) => noise,
            (None, true) => mtf.clone(),
            (None, false) => Transfer::Perfect,
        };
        Ok(Detector {
            dqe: chosen(self.dqe).unwrap_or(1.0),
            counting,
            mtf,
            noise_mtf,
            gain_pattern: self.gain_pattern,
            dark_current: self.dark_current,
            dark_pattern: self.dark_pattern,
            read_noise: self.read_noise,
            dead_pixels: host.count(self.dead_pixels, "dead_pixels")?,
            hot_pixels: host.count(self.hot_pixels, "hot_pixels")?,
            hot_current: self.hot_current,
            gain: chosen(self.gain).unwrap_or(1.0),
            offset: self.offset,
            saturation: chosen(self.saturation),
            quantized: host.flag(self.quantized, "quantized")?,
        })
    }

    /// The mixture of a Gaussian and an exponential.
    fn parametric_mtf(&self) -> Result<Transfer> {
        let term = |weight, frequency, exponent| TransferTerm { weight, frequency, exponent };
        let weight = self.mtf_exponential_weight;
        Ok(match (chosen(self.mtf_gaussian), chosen(self.mtf_exponential)) {
            (Some(gaussian), Some(exponential)) => {
                if !(weight > 0.0 && weight < 1.0) {
                    return Err(Error::range("mtf_exponential_weight", weight, "between 0 and 1 for a mixture"));
                }
                Transfer::Terms(vec![term(1.0 - weight, gaussian, 2.0), term(weight, exponential, 1.0)])
            }
            _ if weight != 0.0 => {
                let wanted = "0 unless both mtf_gaussian and mtf_exponential are given";
                return Err(Error::range("mtf_exponential_weight", weight, wanted));
            }
            (Some(gaussian), None) => Transfer::Terms(vec![term(1.0, gaussian, 2.0)]),
            (None, Some(exponential)) => Transfer::Terms(vec![term(1.0, exponential, 1.0)]),
            (None, None) => Transfer::Perfect,
        })
    }
}

/// Sets all members to their defaults, those of a perfect instrument; `struct_size` is sizeof(aet_instrument_options).
/// AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_instrument_options_init(
    options: *mut aet_instrument_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_instrument_options_init", |host| host.init(options, struct_size))
}

/// Creates the dataset that an instrument would have recorded of the ideal images of `dataset`, with the same geometry,
/// labels, exclusions and metadata. In this order: the scan displaces the pixels (cubic B-splines through the image); the
/// exposure makes signals mean numbers of electrons (dose x pixel area x signal), blurred by mtf / noise_mtf; Poisson
/// statistics, quantum efficiency, dead time; blur by noise_mtf; gain of the pixels, dark electrons, read noise, gain,
/// offset, whole numbers, saturation. Then DQE(f) = dqe mtf(f)^2 / noise_mtf(f)^2.
///
/// Image i takes the numbers i of the seed; the result does not depend on the number of threads. counts_per_unit is
/// 1 / gain where the exposure is limited, else divided by the gain; noise_variance is no longer known unless images are
/// only scaled. The metadata key "instrument" holds the description as JSON. What was applied is given by
/// aet_instrument_copy_truth. `options` and `progress` may be NULL.
///
/// AET_ERROR_RANGE, AET_ERROR_SHAPE, AET_ERROR_UNKNOWN_OPTION, AET_ERROR_INCONSISTENT for the options,
/// AET_ERROR_UNSUPPORTED for a dose per angstrom^2 of a dataset in pixels, and for masks where images are resampled or
/// blurred; AET_ERROR_EMPTY without images; AET_CANCELLED, then without a dataset. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_record(
    dataset: *const aet_dataset,
    options: *const aet_instrument_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    recorded: *mut *mut aet_dataset,
) -> aet_status {
    guard("aet_dataset_record", |host| {
        let place = host.new_handle(recorded, "recorded")?;
        let Dataset { context, series } = host.dataset(dataset)?;
        let instrument = host.options(options)?.checked(host)?;
        let series = {
            let token = context.cancel_token();
            let tell = &mut monitor(Phase::Evaluating, host.progress(progress, user), &token);
            record_series(context, &instrument, series, &mut Waiting { cancel: &token, tell })?
        };
        place.set(Dataset { context: Context::clone(context), series });
        Ok(())
    })
}

/// As aet_dataset_record for diffraction patterns or other images outside a dataset: `patterns` `[n,rows,columns]`, of any
/// real element type (taken in single precision), into `out` of the same shape, of any real element type that holds the
/// values. Several scan axes count as one. Pattern i takes the numbers `first` + i of the seed, so that large sets may be
/// recorded part by part with the same result. The scan must be perfect and the exposure in electrons per position:
/// patterns cannot be shifted between scan positions; put the displacements of aet_instrument_copy_truth into the scan of
/// the simulation instead. `options` and `progress` may be NULL.
///
/// AET_ERROR_NON_FINITE with the place of a bad value, AET_ERROR_UNSUPPORTED for scan options and doses,
/// AET_ERROR_SHAPE, AET_ERROR_DTYPE, and the errors of the options as of aet_dataset_record; AET_CANCELLED, then `out` is as
/// it was. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_patterns_record(
    context: *const aet_context,
    patterns: *const aet_const_view,
    options: *const aet_instrument_options,
    first: i64,
    progress: aet_progress_fn,
    user: *mut c_void,
    out: *const aet_view,
) -> aet_status {
    guard("aet_patterns_record", |host| {
        let context = host.input(context, "context")?;
        context.check_process()?;
        let patterns = pixels(&host.view(patterns, "patterns")?)?;
        let mut out = host.out_view(out, "out")?;
        out.expect_shape(&[patterns.dim().0, patterns.dim().1, patterns.dim().2])?;
        out.expect_holds::<f32>()?;
        let first = host.count(first, "first")? as u64;
        let instrument = host.options(options)?.checked(host)?;
        for_patterns(&instrument)?;
        let plane = Plane::new(patterns.dim().1, patterns.dim().2, 1.0, 1.0)?;
        let recorder = instrument.recorder(context.simd(), plane)?;
        let token = context.cancel_token();
        let tell = &mut monitor(Phase::Evaluating, host.progress(progress, user), &token);
        let waiting = &mut Waiting { cancel: &token, tell };
        out.write(&record_images(context, &recorder, patterns.view(), first, waiting)?)
    })
}

/// Refuses what has no meaning for single patterns.
fn for_patterns(instrument: &Instrument) -> Result<()> {
    let unsupported = |what: &str, why: &str| Err(Error::Unsupported { what: what.into(), why: why.into() });
    if !instrument.scan.is_perfect() {
        return unsupported("a scan distortion of patterns", "simulate them at displaced scan positions instead");
    }
    if matches!(instrument.exposure, Exposure::Dose(_)) {
        return unsupported("a dose per angstrom^2 of patterns", "give electrons_per_position instead");
    }
    Ok(())
}

/// Copies what an instrument adds to images of `out`'s rows and columns, of pixels of `pixel_size` angstrom, into `out`:
/// `name` is "displacements" `[rows,columns,2]`, (u along x', v along y') in angstrom, of the beam in image number `image`
/// from where the pixels say it is (the specimen appears shifted the opposite way); or, of any image, "gain"
/// `[rows,columns]`, relative, 0 of dead pixels; "dark" `[rows,columns]`, mean electrons; "defects" `[rows,columns]`,
/// 0 good, 1 dead, 2 hot. `options` may be NULL. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE,
/// AET_ERROR_DTYPE, AET_ERROR_RANGE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_instrument_copy_truth(
    options: *const aet_instrument_options,
    pixel_size: f64,
    image: i64,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_instrument_copy_truth", |host| {
        let instrument = host.options(options)?.checked(host)?;
        let image = host.count(image, "image")? as u64;
        let name = host.text(name, "name")?;
        let mut out = host.out_view(out, "out")?;
        let (rows, columns) = match (out.shape(), name.as_ref()) {
            ([rows, columns, 2], "displacements") => (*rows, *columns),
            (shape, "displacements") => return Err(Error::shape("out", shape, "[rows, columns, 2]")),
            ([rows, columns], "gain" | "dark" | "defects") => (*rows, *columns),
            (shape, "gain" | "dark" | "defects") => return Err(Error::shape("out", shape, "[rows, columns]")),
            (_, other) => {
                let known = "displacements, gain, dark, defects".into();
                return Err(Error::UnknownOption { what: "name".into(), got: other.into(), known });
            }
        };
        let recorder = instrument.recorder(SimdPath::Portable, Plane::new(rows, columns, pixel_size, pixel_size)?)?;
        match name.as_ref() {
            "displacements" => out.write(&recorder.displacements(image)),
            "gain" => out.write(&recorder.gain()),
            "dark" => out.write(&recorder.dark()),
            _ => out.write(&recorder.defects().mapv(|defect| defect as u8)),
        }
    })
}
