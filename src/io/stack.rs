//! Stacks of images, whatever their format: the arrays that volumes come in, with images in the place of planes.

use super::{volume, Monitor};
use crate::error::Result;
use ndarray::Array3;
use std::path::Path;

/// Images of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// `[image, row, column]`.
    pub values: Array3<f32>,
    /// Edge of a pixel, angstrom, where the file tells one for both axes.
    pub pixel_size: Option<f64>,
}

/// Reads the only array of three axes of a file: MRC, TIFF, npy, MAT (rows x columns x images) or HDF5.
///
/// # Errors
/// Those of [`volume::read_voxels`].
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<Stack> {
    let data = volume::read_voxels(path, None, monitor)?;
    let pixel_size = match data.voxel_size {
        [Some(x), Some(y), _] if (x - y).abs() <= 1e-3 * x => Some(x),
        _ => None,
    };
    Ok(Stack { values: data.values, pixel_size })
}
