//! Datasets in folders

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::dataset::{aet_dataset, aet_dataset_options, Dataset};
use super::frames::aet_frames;
use super::guard::guard;
use super::progress::aet_progress_fn;
use super::status::aet_status;
use crate::context::{log, CancelToken, Context};
use crate::dataset::{LengthUnit, TiltSeries};
use crate::io::{dataset_folder, stack};
use crate::problem::{Phase, Progress};
use crate::Error;
use std::ffi::{c_char, c_void};
use std::time::{Duration, Instant};

/// Least time between two calls of a progress callback.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reads a folder of schema aet-tilt-series/1: `dataset.json` beside NumPy arrays. `folder` is UTF-8; `variant` names
/// one of the image sets of the folder, NULL is its default. Keys that the library does not know become metadata.
/// `progress` may be NULL. AET_ERROR_FILE where a file cannot be read, AET_ERROR_FORMAT, AET_ERROR_FILE_VERSION and
/// AET_ERROR_TRUNCATED for bad ones, AET_ERROR_UNKNOWN_OPTION for an unknown variant, the errors of aet_dataset_create
/// for bad data; AET_CANCELLED. Angles that look like radians give a warning in the log. Any thread; `progress` is
/// called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_read(
    context: *const aet_context,
    folder: *const c_char,
    variant: *const c_char,
    progress: aet_progress_fn,
    user: *mut c_void,
    dataset: *mut *mut aet_dataset,
) -> aet_status {
    guard("aet_dataset_read", |host| {
        let place = host.new_handle(dataset, "dataset")?;
        let context = host.input(context, "context")?;
        context.check_process()?;
        let (folder, variant) = (host.path(folder, "folder")?, host.optional_text(variant, "variant")?);
        let token = context.cancel_token();
        let mut monitor = monitor(Phase::Reading, host.progress(progress, user), &token);
        let series = dataset_folder::read(&folder, variant.as_deref(), &mut monitor)?;
        if !monitor(1.0) {
            return Err(Error::Cancelled { phase: "reading" });
        }
        series.warnings().iter().for_each(log::warning);
        place.set(Dataset { context: Context::clone(context), series });
        Ok(())
    })
}

/// Writes the present version as a folder that aet_dataset_read gives back to the last bit. `folder` is UTF-8, its
/// parent exists. The folder appears when it is complete; an older dataset of that name is replaced if it holds nothing
/// else. `progress` may be NULL. AET_ERROR_FILE where files cannot be written, AET_ERROR_INCONSISTENT for a folder with
/// other files, AET_ERROR_EMPTY without images; AET_CANCELLED, then nothing is left behind. Any thread; `progress` is
/// called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_write(
    dataset: *const aet_dataset,
    folder: *const c_char,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_dataset_write", |host| {
        let dataset = host.dataset(dataset)?;
        let folder = host.path(folder, "folder")?;
        let token = dataset.context.cancel_token();
        let mut monitor = monitor(Phase::Saving, host.progress(progress, user), &token);
        dataset_folder::write(&dataset.series, None, &folder, &mut monitor)
    })
}

/// Reads the atoms that a folder of schema aet-tilt-series/1 names: `which` is "truth", those of a simulation, or
/// "published"; those of `variant` where it has its own, NULL is the default one. AET_ERROR_EMPTY where the folder
/// names none, AET_ERROR_UNKNOWN_OPTION for another `which` or an unknown variant, and the errors of aet_dataset_read
/// and aet_atoms_read. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_read_atoms(
    context: *const aet_context,
    folder: *const c_char,
    which: *const c_char,
    variant: *const c_char,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_dataset_read_atoms", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        host.input(context, "context")?.check_process()?;
        let folder = host.path(folder, "folder")?;
        let which = host.text(which, "which")?.parse()?;
        let variant = host.optional_text(variant, "variant")?;
        place.set(dataset_folder::read_atoms(&folder, which, variant.as_deref())?);
        Ok(())
    })
}

/// Creates a dataset from the images of a file: an MRC stack (modes 0, 1, 2, 6 and 12), a TIFF file whose pages are
/// images of one channel, or the only array `[image,row,column]` of an npy, MAT (rows x columns x images) or HDF5 file, as
/// for aet_volume_read. Its first bytes tell the format. Rows count from the first stored one. `frames` says what is known of
/// the images, as in aet_dataset_create; so do `options`, whose pixel size may be 0 where the file has one (angstrom).
/// `path` is UTF-8; `progress` may be NULL. AET_ERROR_FILE, AET_ERROR_FORMAT, AET_ERROR_TRUNCATED, AET_ERROR_UNSUPPORTED
/// (complex numbers, colour), AET_ERROR_SHAPE (pages of several sizes), AET_ERROR_EMPTY and AET_ERROR_INCONSISTENT (no
/// stack in the file, or several), AET_ERROR_MEMORY, and the errors of aet_dataset_create; AET_CANCELLED. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_create_from_file(
    context: *const aet_context,
    options: *const aet_dataset_options,
    path: *const c_char,
    frames: *const aet_frames,
    progress: aet_progress_fn,
    user: *mut c_void,
    dataset: *mut *mut aet_dataset,
) -> aet_status {
    guard("aet_dataset_create_from_file", |host| {
        let place = host.new_handle(dataset, "dataset")?;
        let context = host.input(context, "context")?;
        context.check_process()?;
        let mut options = host.options(options)?.checked(host)?;
        let path = host.path(path, "path")?;
        let token = context.cancel_token();
        let mut monitor = monitor(Phase::Reading, host.progress(progress, user), &token);
        let read = stack::read(&path, &mut monitor)?;
        if let (Some(size), LengthUnit::Angstrom, 0.0) = (read.pixel_size, options.length_unit, options.pixel_size) {
            options.pixel_size = size;
        }
        let frames = host.frames(frames, read.values.dim())?;
        let series = TiltSeries::new(options, read.values.view(), &frames)?;
        series.warnings().iter().for_each(log::warning);
        place.set(Dataset { context: Context::clone(context), series });
        Ok(())
    })
}

/// Hands fractions on to the host, not too often and at the end, and answers whether to go on.
pub(super) fn monitor<'a>(
    phase: Phase,
    observer: impl FnMut(&Progress) -> bool + 'a,
    token: &'a CancelToken<'a>,
) -> impl FnMut(f64) -> bool + 'a {
    let mut goes_on = throttled(phase, observer);
    move |fraction| {
        if !goes_on(fraction) {
            token.cancel();
        }
        !token.is_cancelled()
    }
}

/// The same for a call without a context, which only its observer can end.
pub(super) fn throttled<'a>(
    phase: Phase,
    mut observer: impl FnMut(&Progress) -> bool + 'a,
) -> impl FnMut(f64) -> bool + 'a {
    let start = Instant::now();
    let mut next = Duration::ZERO;
    move |fraction| {
        let elapsed = start.elapsed();
        if elapsed >= next || fraction >= 1.0 {
            next = elapsed + INTERVAL;
            return observer(&Progress::of_phase(phase, fraction, elapsed.as_secs_f64()));
        }
        true
    }
}
