//! Files of volumes
//!
//! Formats, by name and by what files of theirs are called: `mrc` (.mrc, .map, .rec, .st, .ali, .mrcs), `npy` (.npy),
//! `tiff` (.tif, .tiff), `mat5` (.mat below 2 GiB), `mat73` (.mat from there on) and `emd` (.emd, .h5, .hdf5).

use super::context::aet_context;
use super::dataset_folder::monitor;
use super::guard::guard;
use super::options::chosen;
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::volume::{aet_volume, HeldVolume};
use crate::context::Context;
use crate::io::volume;
use crate::problem::Phase;
use std::ffi::{c_char, c_void};

/// Reads a volume from a file. Its first bytes, not its name, tell the format:
///
/// - MRC: modes 0, 1, 2, 6 and 12, either byte order, any extended header, axes in any order.
/// - npy: real numbers of any type, either byte order and memory order, `[z,y,x]`.
/// - TIFF: pages along z, rows along y, columns along x, of integers or floats; voxel size as ImageJ writes it.
/// - MAT files of level 5, compressed or not, of level 7.3 and of Octave (-hdf5): the only numeric variable of three
///   axes, A(y,x,z): what MATLAB shows as A is what aet_volume_copy_to gives it. Programs that call the first index x
///   (GENFIRE, RESIRE) have y and x exchanged. Voxel size: the scalar `voxel_size` (angstrom) beside it, if any.
/// - HDF5: the data of an EMD group, with the voxel size and the order of axes that its `dim` vectors tell, else the only
///   numeric array of three axes, `[z,y,x]`, with a scalar `voxel_size` (angstrom) beside it, if any.
///
/// `path` is UTF-8. `voxel_size` replaces that of the file, angstrom; 0: that of the file. `progress` may be NULL.
/// AET_ERROR_FILE; AET_ERROR_FORMAT where no format is recognised and for damaged files; AET_ERROR_TRUNCATED;
/// AET_ERROR_UNSUPPORTED, AET_ERROR_DTYPE and AET_ERROR_SHAPE for complex numbers, colour, text and other numbers of axes;
/// AET_ERROR_EMPTY and AET_ERROR_INCONSISTENT where a file holds no volume or several, or voxels are no cubes;
/// AET_ERROR_NOT_READY where the size of voxels is told nowhere; AET_ERROR_NON_FINITE; AET_ERROR_RANGE; AET_ERROR_MEMORY;
/// AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_read(
    context: *const aet_context,
    path: *const c_char,
    voxel_size: f64,
    progress: aet_progress_fn,
    user: *mut c_void,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_read", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let path = host.path(path, "path")?;
        let volume = {
            let token = context.cancel_token();
            let mut monitor = monitor(Phase::Reading, host.progress(progress, user), &token);
            volume::read(&path, None, chosen(voxel_size), &mut monitor)?
        };
        place.set(HeldVolume { context, volume, residuals: vec![] });
        Ok(())
    })
}

/// aet_volume_read for files with several arrays: `name` is that of a variable (MAT), the path of an array or the name of
/// an EMD group (HDF5); NULL: the only volume of the file. AET_ERROR_UNKNOWN_OPTION with the names that there are;
/// AET_ERROR_UNSUPPORTED for formats whose arrays have no names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_read_named(
    context: *const aet_context,
    path: *const c_char,
    name: *const c_char,
    voxel_size: f64,
    progress: aet_progress_fn,
    user: *mut c_void,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_read_named", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let path = host.path(path, "path")?;
        let name = host.optional_text(name, "name")?;
        let volume = {
            let token = context.cancel_token();
            let mut monitor = monitor(Phase::Reading, host.progress(progress, user), &token);
            volume::read(&path, name.as_deref(), chosen(voxel_size), &mut monitor)?
        };
        place.set(HeldVolume { context, volume, residuals: vec![] });
        Ok(())
    })
}

/// Writes the volume as a file of floats. The ending of its name tells the format:
///
/// - `.mrc`, `.map`, `.rec`, `.st`, `.ali`, `.mrcs`: MRC2014, with the voxel size, and the origin at voxel n / 2 so that
///   atoms lie where they are in other programs, too.
/// - `.npy`: `[z,y,x]`; the format has no voxel size.
/// - `.tif`, `.tiff`: pages along z, rows along y, columns along x; voxel size as ImageJ has it.
/// - `.mat`: the variable `volume`, A(y,x,z), and the scalar `voxel_size` (angstrom); level 5, which every MATLAB and
///   Octave loads, and from 2 GiB on level 7.3, as MATLAB itself wants it.
/// - `.emd`, `.h5`, `.hdf5`: HDF5 by the rules of Berkeley's EMD 0.2: `/data/volume/data` `[z,y,x]` and `dim1` (z) to
///   `dim3` (x) in nm.
///
/// The file appears when it is complete. `path` is UTF-8; `progress` may be NULL. AET_ERROR_UNKNOWN_OPTION for other
/// endings, AET_ERROR_RANGE for volumes that the format cannot hold, AET_ERROR_FILE; AET_CANCELLED, then nothing is left
/// behind. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_write(
    volume: *const aet_volume,
    path: *const c_char,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_volume_write", |host| {
        let held = host.object(volume, "volume")?;
        let path = host.path(path, "path")?;
        let token = held.context.cancel_token();
        let mut monitor = monitor(Phase::Saving, host.progress(progress, user), &token);
        volume::write(&path, &held.volume, None, None, &mut monitor)
    })
}

/// aet_volume_write for files of any name: `format` is `mrc`, `npy`, `tiff`, `mat5`, `mat73` or `emd`, NULL: that of the
/// ending. `name` is that of the variable (MAT: a letter, then letters, digits and _) or of the EMD group, NULL: `volume`;
/// the other formats have none. AET_ERROR_UNKNOWN_OPTION for other formats, AET_ERROR_RANGE for other names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_write_as(
    volume: *const aet_volume,
    path: *const c_char,
    format: *const c_char,
    name: *const c_char,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_volume_write_as", |host| {
        let held = host.object(volume, "volume")?;
        let path = host.path(path, "path")?;
        let format = host.optional_text(format, "format")?.map(|name| name.parse()).transpose()?;
        let name = host.optional_text(name, "name")?;
        let token = held.context.cancel_token();
        let mut monitor = monitor(Phase::Saving, host.progress(progress, user), &token);
        volume::write(&path, &held.volume, format, name.as_deref(), &mut monitor)
    })
}
