//! Filters of volumes

use super::dataset::aet_dataset;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::{aet_const_view, InView};
use super::volume::{aet_volume, HeldVolume};
use crate::context::Context;
use crate::dataset::TiltSeries;
use crate::prepare::{filter, smooth, FilterOptions, Padding, SeenWeights, Smoothing, SoftCut, Wiener};
use crate::problem::{Phase, Waiting};
use crate::{Error, Result};
use std::ffi::c_void;

/// By what a volume is smoothed.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_smoothing {
    /// Nothing.
    None = 0,
    /// A Gaussian, whose width is its standard deviation in voxels, at most 100.
    Gaussian = 1,
    /// The mean over a cube, whose width is its edge, an odd number of voxels, at most 801.
    Box = 2,
}

host_enum!(aet_smoothing:
    None = "AET_SMOOTHING_NONE",
    Gaussian = "AET_SMOOTHING_GAUSSIAN",
    Box = "AET_SMOOTHING_BOX",
);

impl aet_smoothing {
    /// The smoothing with this number and width.
    pub(super) fn checked(number: i32, width: f64) -> Result<Smoothing> {
        Ok(match aet_smoothing::from_number(number, "smoothing")? {
            aet_smoothing::None => Smoothing::None,
            aet_smoothing::Gaussian => Smoothing::Gaussian(width),
            // A width that is no whole number is one that no box has.
            aet_smoothing::Box if (0.0..1e6).contains(&width) && width.fract() == 0.0 => Smoothing::Box(width as usize),
            aet_smoothing::Box => {
                return Err(Error::range("edge of the smoothing box", width, "an odd number of voxels"));
            }
        })
    }
}

/// What lies beyond the faces of a volume.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_padding {
    /// Zeros.
    Zeros = 0,
    /// Its mirror image: for films, which leave the volume at its sides.
    Mirror = 1,
    /// The volume again.
    Periodic = 2,
}

host_enum!(aet_padding:
    Zeros = "AET_PADDING_ZEROS",
    Mirror = "AET_PADDING_MIRROR",
    Periodic = "AET_PADDING_PERIODIC",
);

/// Factors of a filter in Fourier space, each 1 where nothing is said. Frequencies k are in cycles per unit of the voxel
/// size (1 / angstrom). Fill with aet_filter_options_init; 0 means none in all members but those that say otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_filter_options {
    /// sizeof(aet_filter_options).
    pub struct_size: usize,
    /// Cut c of the low pass, at most the Nyquist frequency 1 / (2 voxel size): 1 up to c - w/2, 0 from c + w/2 on,
    /// (1 + cos(pi (k - c + w/2) / w)) / 2 between.
    pub low_pass: f64,
    /// Its width w, at most 2 c; 0: a tenth of the Nyquist frequency, or c where that is less.
    pub low_pass_width: f64,
    /// Cut of the high pass, 1 minus a low pass.
    pub high_pass: f64,
    /// Its width; 0: automatic, as that of the low pass.
    pub high_pass_width: f64,
    /// Standard deviation s of a Gaussian, angstrom: exp(-2 pi^2 s^2 k^2).
    pub gaussian: f64,
    /// Wiener filter from the ratio of the variances of signal and white noise in the volume: max(0, P - N) / P, P being
    /// the mean of |F|^2 over the shell of k and N = mean |F|^2 / (1 + ratio), the mean over all shells but that of 0.
    pub signal_to_noise: f64,
    /// Size D of the object for the weights of what a dataset has seen, angstrom; 0: the longest edge of the volume.
    pub object_size: f64,
    /// Weight of what no view has seen, 0 to 1.
    pub floor: f64,
    /// Voxels beyond the faces, per axis, at least; 0: a quarter of the edge, at least 8.
    pub padding_voxels: i64,
    /// An aet_padding.
    pub padding: i32,
    /// 1: the volume is one of the two whose correlation is given as curve, and its Wiener factor FSC; 0: it is made of
    /// the data of both, and its factor 2 FSC / (1 + FSC).
    pub curve_of_half: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
unsafe impl CStruct for aet_filter_options {
    const NAME: &'static str = "aet_filter_options";

    fn defaults() -> Self {
        aet_filter_options {
            struct_size: size_of::<Self>(),
            low_pass: 0.0,
            low_pass_width: 0.0,
            high_pass: 0.0,
            high_pass_width: 0.0,
            gaussian: 0.0,
            signal_to_noise: 0.0,
            object_size: 0.0,
            floor: 0.0,
            padding_voxels: 0,
            padding: aet_padding::Zeros as i32,
            curve_of_half: 0,
        }
    }
}

impl aet_filter_options {
    fn checked(&self, host: &Host, series: Option<&TiltSeries>, curve: Option<&InView<'_>>) -> Result<FilterOptions> {
        let cut = |frequency, width| chosen(frequency).map(|frequency| SoftCut { frequency, width: chosen(width) });
        let half = host.flag(self.curve_of_half, "curve_of_half")?;
        let wiener = match (chosen(self.signal_to_noise), curve) {
            (Some(_), Some(_)) => {
                let why = "both signal_to_noise and curve are given, wanted one of the two".into();
                return Err(Error::Inconsistent { what: "Wiener filter".into(), why });
            }
            (Some(ratio), None) => Some(Wiener::SignalToNoise(ratio)),
            (None, Some(curve)) => Some(Wiener::Correlation { curve: points(curve)?, half }),
            (None, None) => None,
        };
        let seen = series.map(|series| SeenWeights::of(&series.version())).transpose()?;
        let voxels = host.count(self.padding_voxels, "padding_voxels")?;
        let voxels = (voxels > 0).then_some(voxels);
        Ok(FilterOptions {
            low_pass: cut(self.low_pass, self.low_pass_width),
            high_pass: cut(self.high_pass, self.high_pass_width),
            gaussian: chosen(self.gaussian),
            wiener,
            seen: seen.map(|seen| SeenWeights { object_size: chosen(self.object_size), floor: self.floor, ..seen }),
            padding: match aet_padding::from_number(self.padding, "padding")? {
                aet_padding::Zeros => Padding::Zeros(voxels),
                aet_padding::Mirror => Padding::Mirror(voxels),
                aet_padding::Periodic => Padding::Periodic,
            },
        })
    }
}

/// (frequency, correlation) from the first two columns.
fn points(curve: &InView<'_>) -> Result<Vec<[f64; 2]>> {
    if curve.shape().len() != 2 || curve.shape().get(1).is_none_or(|columns| *columns < 2) {
        return Err(Error::shape("curve", curve.shape(), "[m, 2 or more]: frequency, correlation"));
    }
    let values = curve.read::<f64, 2>([None; 2])?;
    let value = |row: &[f64], column: usize| row.get(column).copied().unwrap_or(f64::NAN);
    Ok(values.rows().into_iter().map(|row| row.to_vec()).map(|row| [value(&row, 0), value(&row, 1)]).collect())
}

/// Runs a long call on volumes: `work` waits on this thread, whose progress it tells.
pub(super) fn watched<R>(
    host: &Host,
    context: &Context,
    (progress, user): (aet_progress_fn, *mut c_void),
    work: impl FnOnce(&mut Waiting<'_>) -> Result<R>,
) -> Result<R> {
    context.check_process()?;
    let token = context.cancel_token();
    let mut tell = super::dataset_folder::monitor(Phase::Evaluating, host.progress(progress, user), &token);
    work(&mut Waiting { cancel: &token, tell: &mut tell })
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_filter_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_filter_options_init(options: *mut aet_filter_options, struct_size: usize) -> aet_status {
    guard("aet_filter_options_init", |host| host.init(options, struct_size))
}

/// The volume with its spectrum times all factors of `options` (NULL: none), as a new one. `dataset`, where not NULL,
/// adds how much its tilts in use have seen of each frequency: floor + (1 - floor) (1 - product over the views of
/// (1 - cos^2(pi/2 D k_z'))), k_z' being the part of k along the beam of a view, and the factor 1 where D |k_z'| >= 1: 1 on
/// the planes that the views have measured and within 1 / D of them, 0 in the missing wedge. `curve` `[m,2 or more]`, where
/// not NULL, is a Fourier shell correlation, frequency and correlation as of aet_volume_shell_correlation, for a Wiener
/// filter: linear between its points, 0 from the first correlation on that is not positive. `progress` may be NULL.
///
/// AET_ERROR_RANGE for cuts beyond the Nyquist frequency and numbers without meaning, AET_ERROR_INCONSISTENT for a high
/// pass above the low pass, a curve whose frequencies do not rise, and a curve beside signal_to_noise,
/// AET_ERROR_NON_FINITE, AET_ERROR_EMPTY and AET_ERROR_SHAPE for a bad curve, AET_ERROR_NOT_READY for a dataset without an
/// image in use, AET_ERROR_MEMORY; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_filter(
    volume: *const aet_volume,
    options: *const aet_filter_options,
    dataset: *const aet_dataset,
    curve: *const aet_const_view,
    progress: aet_progress_fn,
    user: *mut c_void,
    filtered: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_filter", |host| {
        let place = host.new_handle(filtered, "filtered")?;
        let held = host.object(volume, "volume")?;
        let series = host.optional_input(dataset, "dataset")?.map(|dataset| &dataset.series);
        let curve = host.optional_view(curve, "curve")?;
        let options = host.options(options)?.checked(host, series, curve.as_ref())?;
        let made = watched(host, &held.context, (progress, user), |waiting| {
            filter(&held.context, &held.volume, &options, waiting)
        })?;
        place.set(HeldVolume::new(&held.context, made));
        Ok(())
    })
}

/// The volume smoothed by `smoothing`, an aet_smoothing, of `width` voxels, in real space, as a new one. At the faces the
/// kernel is normalised over the voxels that exist. `progress` may be NULL. AET_ERROR_RANGE for a width that the smoothing
/// cannot have, AET_ERROR_UNKNOWN_OPTION; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_smooth(
    volume: *const aet_volume,
    smoothing: i32,
    width: f64,
    progress: aet_progress_fn,
    user: *mut c_void,
    smoothed: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_smooth", |host| {
        let place = host.new_handle(smoothed, "smoothed")?;
        let held = host.object(volume, "volume")?;
        let by = aet_smoothing::checked(smoothing, width)?;
        let made =
            watched(host, &held.context, (progress, user), |waiting| smooth(&held.context, &held.volume, by, waiting))?;
        place.set(HeldVolume::new(&held.context, made));
        Ok(())
    })
}
