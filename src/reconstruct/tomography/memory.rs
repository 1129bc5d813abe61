//! Bytes that reconstructions need.

use super::measured::geometry_of;
use super::method::buffers_of;
use super::options::TomographyOptions;
use crate::context::Context;
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::projection::{Projector, View};
use crate::geometry::IDENTITY;

/// Bytes that a reconstruction with these options needs beside the dataset, at most.
///
/// # Errors
/// Those of the options.
pub fn tomography_memory_estimate(context: &Context, series: &TiltSeries, options: &TomographyOptions) -> Result<u64> {
    options.check()?;
    memory_of(context, &series.version(), options)
}

pub(super) fn memory_of(context: &Context, version: &SeriesVersion, options: &TomographyOptions) -> Result<u64> {
    let geometry = geometry_of(version, options);
    // Sizes are checked before anything is multiplied.
    let sizes = Projector::new(geometry, vec![View { rotation: IDENTITY, drift: [0.0; 2] }])?;
    let views = version.used_images().len() as u64;
    let (frame, voxels) = (sizes.frame().len() as u64, sizes.voxels() as u64);
    let (volumes, frames) = buffers_of(options.method);
    // Published volume and the one that is worked on; data and weights; lines of slices, padded to whole blocks.
    let lines = views * (frame + 32 * (geometry.rows + geometry.columns) as u64);
    let engine = super::engines::engine_bytes(context, version, options)?;
    let terms = options.regularization.memory_bytes(geometry.shape);
    Ok(4 * ((volumes + 2) * voxels + (frames + 2) * views * frame + lines) + engine + terms)
}

/// An error where the reconstruction would need more than its limit.
pub(super) fn check_memory(context: &Context, version: &SeriesVersion, options: &TomographyOptions) -> Result<()> {
    let needed = memory_of(context, version, options)?;
    match options.memory_limit.filter(|limit| needed > *limit) {
        Some(available) => Err(Error::Memory { what: "the tomogram (option memory_limit)".into(), needed, available }),
        None => Ok(()),
    }
}
