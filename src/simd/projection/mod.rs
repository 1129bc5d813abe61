//! Voxels splatted into an image and gathered from it, with bilinear weights: row by row for any rotation ([`rows`]),
//! many slices at a time where the slices of the volume are those of the image ([`lines`]).

mod lines;
mod rows;
mod slopes;

pub use lines::{gather_line, splat_line, Line, SLICES};
pub use rows::{gather_row, splat_row, FrameShape, VoxelRow};
pub use slopes::row_slopes;
