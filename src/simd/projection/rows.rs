//! Rows of voxels splatted into an image and gathered from it, for any rotation.
//!
//! Voxel i of a row falls on column c0 + i dc and row r0 + i dr of a frame: an image with a margin of one pixel on all
//! sides, in which every footprint lies whose point is less than a pixel off the image. Both directions compute the same
//! coordinates and weights by the same code, so one is the exact adjoint of the other.

use crate::simd::SimdPath;

/// Voxels whose coordinates are computed together.
const LANES: usize = 16;

/// Where a row of voxels falls in a frame, in pixels of the frame.
#[derive(Debug, Clone, Copy)]
pub struct VoxelRow {
    /// Column and row of the first voxel.
    pub start: [f32; 2],
    /// Columns and rows from one voxel to the next.
    pub step: [f32; 2],
}

/// Rows and columns of a frame, margins included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameShape {
    /// Rows of the image + 2.
    pub rows: usize,
    /// Columns of the image + 2: also the distance from row to row in memory.
    pub columns: usize,
}

impl FrameShape {
    /// The frame of an image.
    pub fn around(rows: usize, columns: usize) -> Self {
        Self { rows: rows + 2, columns: columns + 2 }
    }

    /// Values of a frame.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// False: a frame has at least its margins.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Adds every voxel to the four pixels around its point.
pub fn splat_row(path: SimdPath, row: &VoxelRow, voxels: &[f32], frame: &mut [f32], shape: FrameShape) {
    assert_eq!(frame.len(), shape.len());
    match path {
        // SAFETY: paths are made by `SimdPath::detect` or `checked`, which test the processor for their features.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { splat_avx512(row, voxels, frame, shape) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { splat_avx2(row, voxels, frame, shape) },
        _ => splat_any::<false>(row, voxels, frame, shape),
    }
}

/// Adds to every voxel the four pixels around its point, by the same weights: the adjoint of [`splat_row`].
pub fn gather_row(path: SimdPath, row: &VoxelRow, frame: &[f32], shape: FrameShape, voxels: &mut [f32]) {
    assert_eq!(frame.len(), shape.len());
    match path {
        // SAFETY: as in `splat_row`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { gather_avx512(row, frame, shape, voxels) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { gather_avx2(row, frame, shape, voxels) },
        _ => gather_any::<false>(row, frame, shape, voxels),
    }
}

macro_rules! compile_for {
    ($features:literal, $splat:ident, $gather:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $splat(row: &VoxelRow, voxels: &[f32], frame: &mut [f32], shape: FrameShape) {
            splat_any::<true>(row, voxels, frame, shape)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $gather(row: &VoxelRow, frame: &[f32], shape: FrameShape, voxels: &mut [f32]) {
            gather_any::<true>(row, frame, shape, voxels)
        }
    };
}
compile_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", splat_avx512, gather_avx512);
compile_for!("avx2,fma", splat_avx2, gather_avx2);

/// Coordinate of voxel `i`; monotonic in i, since every rounding is.
#[inline(always)]
pub(super) fn coordinate<const FUSED: bool>(start: f32, step: f32, i: usize) -> f32 {
    let i = i as f32;
    if FUSED {
        i.mul_add(step, start)
    } else {
        i * step + start
    }
}

/// The voxels whose four pixels lie in the frame: coordinates in [0, columns - 1) and [0, rows - 1). An estimate by
/// division, corrected by the very coordinates that the loops compute, which are monotonic: both ends inside, all inside.
#[inline(always)]
pub(super) fn inside<const FUSED: bool>(row: &VoxelRow, shape: FrameShape, n: usize) -> std::ops::Range<usize> {
    let limits = [(shape.columns - 1) as f32, (shape.rows - 1) as f32];
    let (mut first, mut end) = (0, n);
    for ((start, step), limit) in row.start.into_iter().zip(row.step).zip(limits) {
        if step == 0.0 {
            continue;
        }
        let (a, b) = (-start / step, (limit - start) / step);
        // the casts saturate, and take NaN to 0
        first = first.max((a.min(b) as usize).saturating_sub(1));
        end = end.min((a.max(b) as usize).saturating_add(2));
    }
    let is_inside = |i: usize| {
        (0..2).all(|axis| {
            let at = coordinate::<FUSED>(row.start[axis], row.step[axis], i);
            (0.0..limits[axis]).contains(&at)
        })
    };
    while first < end && !is_inside(first) {
        first += 1;
    }
    while first < end && !is_inside(end - 1) {
        end -= 1;
    }
    first..end.max(first)
}

/// First pixel and weights (this column and the next, this row and the next) of some voxels.
struct Footprints {
    pixel: [u32; LANES],
    column: [[f32; LANES]; 2],
    row: [[f32; LANES]; 2],
}

#[inline(always)]
fn footprints<const FUSED: bool>(row: &VoxelRow, first: usize, pitch: usize) -> Footprints {
    let mut f = Footprints { pixel: [0; LANES], column: [[0.0; LANES]; 2], row: [[0.0; LANES]; 2] };
    for k in 0..LANES {
        let c = coordinate::<FUSED>(row.start[0], row.step[0], first + k);
        let r = coordinate::<FUSED>(row.start[1], row.step[1], first + k);
        let (ci, ri) = (c as i32, r as i32);
        (f.column[1][k], f.row[1][k]) = (c - ci as f32, r - ri as f32);
        (f.column[0][k], f.row[0][k]) = (1.0 - f.column[1][k], 1.0 - f.row[1][k]);
        f.pixel[k] = ri.wrapping_mul(pitch as i32).wrapping_add(ci) as u32;
    }
    f
}

#[inline(always)]
fn splat_any<const FUSED: bool>(row: &VoxelRow, voxels: &[f32], frame: &mut [f32], shape: FrameShape) {
    let range = inside::<FUSED>(row, shape, voxels.len());
    let pitch = shape.columns;
    for first in range.clone().step_by(LANES) {
        let f = footprints::<FUSED>(row, first, pitch);
        let count = LANES.min(range.end - first);
        for (k, value) in voxels[first..first + count].iter().enumerate() {
            let (upper, lower) = (value * f.row[0][k], value * f.row[1][k]);
            let at = f.pixel[k] as usize;
            // SAFETY: `inside` leaves only points with 0 <= c < columns - 1 and 0 <= r < rows - 1, so the largest index,
            // at + columns + 1, is at most rows * columns - 1; the callers checked the length of the frame.
            unsafe {
                *frame.get_unchecked_mut(at) += upper * f.column[0][k];
                *frame.get_unchecked_mut(at + 1) += upper * f.column[1][k];
                *frame.get_unchecked_mut(at + pitch) += lower * f.column[0][k];
                *frame.get_unchecked_mut(at + pitch + 1) += lower * f.column[1][k];
            }
        }
    }
}

#[inline(always)]
fn gather_any<const FUSED: bool>(row: &VoxelRow, frame: &[f32], shape: FrameShape, voxels: &mut [f32]) {
    let range = inside::<FUSED>(row, shape, voxels.len());
    let pitch = shape.columns;
    for first in range.clone().step_by(LANES) {
        let f = footprints::<FUSED>(row, first, pitch);
        let count = LANES.min(range.end - first);
        for (k, value) in voxels[first..first + count].iter_mut().enumerate() {
            let at = f.pixel[k] as usize;
            // SAFETY: as in `splat_any`.
            let (upper, lower) = unsafe {
                (
                    frame.get_unchecked(at) * f.column[0][k] + frame.get_unchecked(at + 1) * f.column[1][k],
                    frame.get_unchecked(at + pitch) * f.column[0][k]
                        + frame.get_unchecked(at + pitch + 1) * f.column[1][k],
                )
            };
            *value += upper * f.row[0][k] + lower * f.row[1][k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<SimdPath> {
        [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512].into_iter().filter(|p| p.checked().is_ok()).collect()
    }

    #[test]
    fn rows_of_all_directions_stay_in_the_frame_and_lose_nothing_inside() {
        let shape = FrameShape::around(9, 13);
        for path in paths() {
            for (start, step) in [
                ([1.0, 1.0], [1.0, 0.0]),
                ([13.999, 9.999], [-0.3, -0.2]),
                ([-1e9, 3.0], [1e7, 0.0]),
                ([-5.0, -4.0], [0.77, 0.64]),
                ([4.0, 4.0], [0.0, 0.0]),
                ([f32::NAN, 0.0], [1.0, 1.0]),
                ([3.0, 2.0], [f32::INFINITY, 1e-30]),
                ([14.0, 3.0], [-1e-20, 0.0]),
            ] {
                let row = VoxelRow { start, step };
                let mut frame = vec![0.0; shape.len()];
                splat_row(path, &row, &[1.0; 37], &mut frame, shape);
                let hit = (0..37).filter(|i| {
                    let at = |a: usize| start[a] + *i as f32 * step[a];
                    (0.0..14.0).contains(&at(0)) && (0.0..10.0).contains(&at(1))
                });
                let (sum, wanted) = (frame.iter().sum::<f32>(), hit.count() as f32);
                assert!((sum - wanted).abs() < 1e-4, "{start:?} {step:?}: {sum} {wanted}");
            }
        }
    }
}
