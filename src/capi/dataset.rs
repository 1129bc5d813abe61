//! Dataset: image tilt series
//!
//! A dataset is a sequence of immutable versions; whoever changes it makes the next version, and reconstructions take
//! it up when they are ready for it.

use super::context::aet_context;
use super::enums::{host_enum, HostEnum};
use super::frames::{aet_frames, Images};
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::options::{chosen, CStruct};
use super::status::aet_status;
use super::view::aet_const_view;
use crate::context::{log, Context};
use crate::dataset::{LengthUnit, SeriesOptions, SeriesVersion, TiltSeries};
use crate::Result;

/// Unit of all lengths of a dataset.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_length_unit {
    /// Angstrom.
    Angstrom = 0,
    /// Pixels, where no pixel size is known.
    Pixel = 1,
}

host_enum!(aet_length_unit:
    Angstrom = "AET_LENGTH_UNIT_ANGSTROM",
    Pixel = "AET_LENGTH_UNIT_PIXEL",
);

impl From<LengthUnit> for aet_length_unit {
    fn from(unit: LengthUnit) -> Self {
        match unit {
            LengthUnit::Angstrom => aet_length_unit::Angstrom,
            LengthUnit::Pixel => aet_length_unit::Pixel,
        }
    }
}

impl From<aet_length_unit> for LengthUnit {
    fn from(unit: aet_length_unit) -> Self {
        match unit {
            aet_length_unit::Angstrom => LengthUnit::Angstrom,
            aet_length_unit::Pixel => LengthUnit::Pixel,
        }
    }
}

/// An image tilt series. Image, tilt and section indices never change; changes make the next version.
pub struct aet_dataset {
    _opaque: [u8; 0],
}

/// A series, and the context with which it was made.
pub(super) struct Dataset {
    /// Its threads and its cancellation.
    pub(super) context: Context,
    /// The images.
    pub(super) series: TiltSeries,
}

impl Handle for aet_dataset {
    const NAME: &'static str = "aet_dataset";
    // Versions are immutable, and a change that fails leaves the latest one in place.
    const IMMUTABLE: bool = true;
    type Object = Dataset;
}

impl Dataset {
    /// The index of a tilt that exists.
    pub(super) fn tilt(&self, host: &Host, tilt: i64) -> Result<usize> {
        host.index(tilt, self.series.version().tilts().len(), "tilt")
    }

    /// Changes the series and logs the doubts that are new in it.
    pub(super) fn with_new_warnings<R>(&self, change: impl FnOnce(&TiltSeries) -> Result<R>) -> Result<R> {
        let before = self.series.version().warnings().len();
        let result = change(&self.series)?;
        self.series.version().warnings().iter().skip(before).for_each(log::warning);
        Ok(result)
    }
}

impl Host {
    /// The dataset of a call, whose context must be of this process.
    pub(super) fn dataset(&self, dataset: *const aet_dataset) -> Result<&Dataset> {
        let dataset = self.object(dataset, "dataset")?;
        dataset.context.check_process()?;
        Ok(dataset)
    }

    /// A property of the present version; for getters.
    fn version_of<R>(&self, dataset: *const aet_dataset, get: impl FnOnce(&SeriesVersion) -> R) -> Result<R> {
        Ok(get(&self.object(dataset, "dataset")?.series.version()))
    }
}

/// What is fixed when a dataset is created.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_dataset_options {
    /// sizeof(aet_dataset_options).
    pub struct_size: usize,
    /// Rows of every image; 0: from the images.
    pub rows: i64,
    /// Columns of every image; 0: from the images.
    pub columns: i64,
    /// Size of a pixel, angstrom; required, but 0 means 1 where lengths are in pixels.
    pub pixel_size: f64,
    /// An aet_length_unit.
    pub length_unit: i32,
    /// Zero.
    pub reserved: i32,
    /// Energy of the beam, eV; 0: not known.
    pub energy_ev: f64,
    /// Convergence semi-angle, mrad; 0: not known.
    pub semiangle_mrad: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers, no padding.
unsafe impl CStruct for aet_dataset_options {
    const NAME: &'static str = "aet_dataset_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_dataset_options {
            struct_size: size_of::<Self>(),
            rows: 0,
            columns: 0,
            pixel_size: 0.0,
            length_unit: aet_length_unit::Angstrom as i32,
            reserved: 0,
            energy_ev: 0.0,
            semiangle_mrad: 0.0,
        }
    }
}

impl aet_dataset_options {
    pub(super) fn checked(&self, host: &Host) -> Result<SeriesOptions> {
        let extent = |n, argument| host.count(n, argument).map(|n| (n > 0).then_some(n));
        let length_unit = aet_length_unit::from_number(self.length_unit, "length_unit")?.into();
        let automatic = self.pixel_size == 0.0 && length_unit == LengthUnit::Pixel;
        Ok(SeriesOptions {
            rows: extent(self.rows, "rows")?,
            columns: extent(self.columns, "columns")?,
            pixel_size: if automatic { 1.0 } else { self.pixel_size },
            length_unit,
            energy_ev: chosen(self.energy_ev),
            semiangle_mrad: chosen(self.semiangle_mrad),
            ..Default::default()
        })
    }
}

/// Sets `struct_size` and all defaults, to which the pixel size must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_options_init(options: *mut aet_dataset_options, struct_size: usize) -> aet_status {
    guard("aet_dataset_options_init", |host| host.init(options, struct_size))
}

/// Creates a dataset from `images` `[n,rows,columns]`, of any real element type (kept in single precision), and
/// `frames`, what is known of them. Both NULL: a dataset without images, to be filled by aet_dataset_append_tilt;
/// `options` must then have rows and columns. AET_ERROR_SHAPE where columns, images and options disagree;
/// AET_ERROR_RANGE for a pixel size, energy, semi-angle, variance or count that is not positive; AET_ERROR_NON_FINITE
/// with image, row and column of a bad pixel that the mask leaves in use; AET_ERROR_INCONSISTENT for matrices that are
/// no rotations, and for images of one tilt whose rotations differ; AET_ERROR_EMPTY for a mask that leaves nothing;
/// AET_ERROR_UNKNOWN_OPTION. Angles that look like radians give a warning in the log. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_create(
    context: *const aet_context,
    options: *const aet_dataset_options,
    images: *const aet_const_view,
    frames: *const aet_frames,
    dataset: *mut *mut aet_dataset,
) -> aet_status {
    guard("aet_dataset_create", |host| {
        let place = host.new_handle(dataset, "dataset")?;
        let context = host.input(context, "context")?;
        context.check_process()?;
        let options = host.options(options)?.checked(host)?;
        let series = if images.is_null() && frames.is_null() {
            TiltSeries::empty(options)?
        } else {
            let Images { pixels, frames } = host.images(images, frames)?;
            TiltSeries::new(options, pixels.view(), &frames)?
        };
        series.warnings().iter().for_each(log::warning);
        place.set(Dataset { context: Context::clone(context), series });
        Ok(())
    })
}

/// Frees a dataset; reconstructions that use it keep what they need. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_free(dataset: *mut aet_dataset) {
    guard_value((), |host| host.free(dataset))
}

/// Adds the images of one tilt, `[m,rows,columns]`, m >= 1, with `frames` of m images, as a new tilt at the end; all of
/// one rotation (within 1e-6) and, where `frames->tilt` is given, of one number. `tilt`, where not NULL, takes the
/// index of the new tilt. All indices before stay; the version number rises by one. Errors as of aet_dataset_create,
/// and AET_ERROR_EMPTY without images; the dataset then stays as it is. Any thread, also while a reconstruction runs on
/// the dataset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_append_tilt(
    dataset: *const aet_dataset,
    images: *const aet_const_view,
    frames: *const aet_frames,
    tilt: *mut i64,
) -> aet_status {
    guard("aet_dataset_append_tilt", |host| {
        let dataset = host.dataset(dataset)?;
        let Images { pixels, frames } = host.images(images, frames)?;
        let index = dataset.with_new_warnings(|series| series.append_tilt(pixels.view(), &frames))?;
        if let Some(place) = host.optional_out(tilt) {
            place.set(index as i64);
        }
        Ok(())
    })
}

/// Replaces the images of one tilt by as many others, `[m,rows,columns]`, with `frames` of m images as of
/// aet_dataset_append_tilt. Exclusion and, where `frames->section` is NULL, sections stay. The version number rises by
/// one. AET_ERROR_RANGE for a tilt that does not exist, AET_ERROR_SHAPE for another number of images, and the errors of
/// aet_dataset_create; the dataset then stays as it is. Any thread, also while a reconstruction runs on the dataset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_replace_tilt(
    dataset: *const aet_dataset,
    tilt: i64,
    images: *const aet_const_view,
    frames: *const aet_frames,
) -> aet_status {
    guard("aet_dataset_replace_tilt", |host| {
        let dataset = host.dataset(dataset)?;
        let tilt = dataset.tilt(host, tilt)?;
        let Images { pixels, frames } = host.images(images, frames)?;
        dataset.with_new_warnings(|series| series.replace_tilt(tilt, pixels.view(), &frames))
    })
}

/// Excludes the images of one tilt from use (1), or takes them back in (0); they keep their indices. The version number
/// rises by one. AET_ERROR_RANGE for a tilt that does not exist. Any thread, also while a reconstruction runs on the
/// dataset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_exclude_tilt(dataset: *const aet_dataset, tilt: i64, excluded: i32) -> aet_status {
    guard("aet_dataset_exclude_tilt", |host| {
        let dataset = host.dataset(dataset)?;
        dataset.series.exclude_tilt(dataset.tilt(host, tilt)?, host.flag(excluded, "excluded")?)
    })
}

/// Number of the present version: 1 after creation, one more after each change; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_version(dataset: *const aet_dataset) -> u64 {
    guard_value(0, |host| host.version_of(dataset, SeriesVersion::number))
}

/// Number of images, excluded ones included; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_image_count(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| host.version_of(dataset, |version| version.images().len() as i64))
}

/// Number of tilts, excluded ones included; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_tilt_count(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| host.version_of(dataset, |version| version.tilts().len() as i64))
}

/// Number of sections (foci); 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_section_count(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| host.version_of(dataset, |version| version.section_count() as i64))
}

/// Rows of every image; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_rows(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| host.version_of(dataset, |version| version.rows() as i64))
}

/// Columns of every image; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_columns(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| host.version_of(dataset, |version| version.columns() as i64))
}

/// Size of a pixel in the length unit; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_pixel_size(dataset: *const aet_dataset) -> f64 {
    guard_value(f64::NAN, |host| host.version_of(dataset, SeriesVersion::pixel_size))
}

/// Energy of the beam, eV; NaN where not known, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_energy_ev(dataset: *const aet_dataset) -> f64 {
    guard_value(f64::NAN, |host| host.version_of(dataset, |version| version.energy_ev().unwrap_or(f64::NAN)))
}

/// Convergence semi-angle, mrad; NaN where not known, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_semiangle_mrad(dataset: *const aet_dataset) -> f64 {
    guard_value(f64::NAN, |host| host.version_of(dataset, |version| version.semiangle_mrad().unwrap_or(f64::NAN)))
}

/// The aet_length_unit; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_length_unit(dataset: *const aet_dataset) -> i32 {
    guard_value(0, |host| host.version_of(dataset, |version| aet_length_unit::from(version.length_unit()) as i32))
}
