//! What reconstructions in Fourier space take: views as plain arrays.

use crate::geometry::Mat3;

/// Views as plain arrays, one pixel to a voxel.
pub(crate) struct PlainViews {
    pub shape: [usize; 3], // voxels along z, y, x of the volume wanted
    pub rows: usize,
    pub columns: usize,
    pub rotations: Vec<Mat3>,  // p' = R p
    pub shifts: Vec<[f64; 2]>, // (u, v) in pixels
    pub weights: Vec<f64>,     // of each view, 1 = normal
    pub images: Vec<f32>,      // [view][row][column], background taken off, masked pixels 0
}
