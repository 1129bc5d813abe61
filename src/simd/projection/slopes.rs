//! How a sum over an image changes when the points of a row of voxels move.

use super::{FrameShape, VoxelRow};
use crate::simd::SimdPath;

/// For a row of voxels V_i that fall on (c_i, r_i): the sums over i of V_i d/dc, i V_i d/dc, V_i d/dr and i V_i d/dr of
/// the value that bilinear interpolation of `frame` gives at (c_i, r_i). With the residual image in `frame` these are the
/// derivatives of a loss with respect to start and step of the row. At pixel centres the derivative is that of the side
/// with larger coordinates. Sums in double precision.
pub fn row_slopes(path: SimdPath, row: &VoxelRow, voxels: &[f32], frame: &[f32], shape: FrameShape) -> [f64; 4] {
    assert_eq!(frame.len(), shape.len());
    match path {
        // SAFETY: paths are made by `SimdPath::detect` or `checked`, which test the processor for their features.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { slopes_avx512(row, voxels, frame, shape) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { slopes_avx2(row, voxels, frame, shape) },
        _ => slopes_any::<false>(row, voxels, frame, shape),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn slopes_avx512(row: &VoxelRow, voxels: &[f32], frame: &[f32], shape: FrameShape) -> [f64; 4] {
    slopes_any::<true>(row, voxels, frame, shape)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn slopes_avx2(row: &VoxelRow, voxels: &[f32], frame: &[f32], shape: FrameShape) -> [f64; 4] {
    slopes_any::<true>(row, voxels, frame, shape)
}

#[inline(always)]
fn slopes_any<const FUSED: bool>(row: &VoxelRow, voxels: &[f32], frame: &[f32], shape: FrameShape) -> [f64; 4] {
    let range = super::rows::inside::<FUSED>(row, shape, voxels.len());
    let pitch = shape.columns;
    let mut sums = [0.0; 4];
    for i in range {
        let c = super::rows::coordinate::<FUSED>(row.start[0], row.step[0], i);
        let r = super::rows::coordinate::<FUSED>(row.start[1], row.step[1], i);
        let (ci, ri) = (c as usize, r as usize);
        let (fc, fr) = (c - ci as f32, r - ri as f32);
        let at = ri * pitch + ci;
        let [a, b, d, e] = [frame[at], frame[at + 1], frame[at + pitch], frame[at + pitch + 1]];
        let along_column = f64::from(voxels[i] * ((1.0 - fr) * (b - a) + fr * (e - d)));
        let along_row = f64::from(voxels[i] * ((1.0 - fc) * (d - a) + fc * (e - b)));
        sums[0] += along_column;
        sums[1] += i as f64 * along_column;
        sums[2] += along_row;
        sums[3] += i as f64 * along_row;
    }
    sums
}
