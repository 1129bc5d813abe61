//! Files: the dataset folder, volumes and stacks of images (MRC, NumPy, TIFF, MATLAB, HDF5), atoms and states of
//! reconstructions, in and out.
//!
//! Readers check sizes before they allocate and name the file, the line or the key that is wrong. Writers never
//! leave half a file: everything is written beside its place and renamed at the end.

pub mod atomic;
pub mod dataset_folder;
mod hdf5;
mod length;
mod matlab;
pub mod mrc;
pub mod npy;
pub mod stack;
pub mod state_file;
pub mod structure;
pub mod table;
pub mod tiff;
pub mod volume;
mod voxels;
pub mod xyz;

use std::path::Path;

use crate::error::{Error, Result};

/// Watches a long read or write: gets the fraction that is done, returns whether to keep going.
/// It is asked at least once per 64 MiB.
pub type Monitor<'a> = dyn FnMut(f64) -> bool + 'a;

/// Tells `monitor` the fraction; `Cancelled` where it wants no more.
fn report(monitor: &mut Monitor, phase: &'static str, fraction: f64) -> Result<()> {
    if monitor(fraction.clamp(0.0, 1.0)) {
        Ok(())
    } else {
        Err(Error::Cancelled { phase })
    }
}

/// Makes an error of the system one of the library: `.map_err(file_error("reading", path))`.
pub(crate) fn file_error<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::File { operation, path: path.to_path_buf(), source }
}
