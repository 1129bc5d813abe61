//! Stacks of images, whatever their format: told by the first bytes, not by the name.

use super::{file_error, mrc, tiff, Monitor};
use crate::error::Result;
use ndarray::Array3;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Images of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// `[image, row, column]`.
    pub values: Array3<f32>,
    /// Edge of a pixel, angstrom, where the file tells one for both axes.
    pub pixel_size: Option<f64>,
}

/// Reads a TIFF or MRC stack.
///
/// # Errors
/// Those of [`tiff::read`] and [`mrc::read`].
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<Stack> {
    let mut first = Vec::new();
    let file = File::open(path).map_err(file_error("opening", path))?;
    file.take(4).read_to_end(&mut first).map_err(file_error("reading", path))?;
    if [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].contains(&first.as_slice()) {
        return Ok(Stack { values: tiff::read(path, monitor)?, pixel_size: None });
    }
    let data = mrc::read(path, monitor)?;
    let pixel_size = data.voxel_size.filter(|v| (v[0] - v[1]).abs() <= 1e-3 * v[0]).map(|v| v[0]);
    Ok(Stack { values: data.values, pixel_size })
}
