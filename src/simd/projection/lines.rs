//! Lines of voxels, many slices at a time, splatted into lines of pixels and gathered from them.
//!
//! Where a view's tilt axis lies along a row of voxels, all slices across it see the same geometry: voxel i of a line
//! falls on pixel start + i step in every slice, with the same two weights. The slices are the lanes.

use crate::simd::SimdPath;

/// Slices worked on together: two vectors of the widest path.
pub const SLICES: usize = 32;

/// Where a line of voxels falls in a line of pixels with a margin of one pixel at both ends.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Pixel of the first voxel.
    pub start: f32,
    /// Pixels from one voxel to the next.
    pub step: f32,
}

type Lanes = [f32; SLICES];

/// Adds every voxel to the two pixels beside its point, in all slices.
pub fn splat_line(path: SimdPath, line: Line, voxels: &[Lanes], pixels: &mut [Lanes]) {
    match path {
        // SAFETY: paths are made by `SimdPath::detect` or `checked`, which test the processor for their features.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { splat_avx512(line, voxels, pixels) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { splat_avx2(line, voxels, pixels) },
        _ => splat_any::<false>(line, voxels, pixels),
    }
}

/// Adds to every voxel the two pixels beside its point, by the same weights: the adjoint of [`splat_line`].
pub fn gather_line(path: SimdPath, line: Line, pixels: &[Lanes], voxels: &mut [Lanes]) {
    match path {
        // SAFETY: as in `splat_line`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { gather_avx512(line, pixels, voxels) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { gather_avx2(line, pixels, voxels) },
        _ => gather_any::<false>(line, pixels, voxels),
    }
}

macro_rules! compile_for {
    ($features:literal, $splat:ident, $gather:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $splat(line: Line, voxels: &[Lanes], pixels: &mut [Lanes]) {
            splat_any::<true>(line, voxels, pixels)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $gather(line: Line, pixels: &[Lanes], voxels: &mut [Lanes]) {
            gather_any::<true>(line, pixels, voxels)
        }
    };
}
compile_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", splat_avx512, gather_avx512);
compile_for!("avx2,fma", splat_avx2, gather_avx2);

#[inline(always)]
fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// The pixel of voxel `i` and the weight of the pixel after it, where both lie in a line of `pixels`.
#[inline(always)]
fn place<const FUSED: bool>(line: Line, i: usize, pixels: usize) -> Option<(usize, f32)> {
    let at = fused::<FUSED>(i as f32, line.step, line.start);
    // NaN is in no range.
    (0.0..(pixels - 1) as f32).contains(&at).then(|| {
        let pixel = at as i32;
        (pixel as usize, at - pixel as f32)
    })
}

#[inline(always)]
fn splat_any<const FUSED: bool>(line: Line, voxels: &[Lanes], pixels: &mut [Lanes]) {
    for (i, voxel) in voxels.iter().enumerate() {
        let Some((at, after)) = place::<FUSED>(line, i, pixels.len()) else { continue };
        let before = 1.0 - after;
        for (pixel, weight) in pixels[at..at + 2].iter_mut().zip([before, after]) {
            for k in 0..SLICES {
                pixel[k] = fused::<FUSED>(weight, voxel[k], pixel[k]);
            }
        }
    }
}

#[inline(always)]
fn gather_any<const FUSED: bool>(line: Line, pixels: &[Lanes], voxels: &mut [Lanes]) {
    for (i, voxel) in voxels.iter_mut().enumerate() {
        let Some((at, after)) = place::<FUSED>(line, i, pixels.len()) else { continue };
        let before = 1.0 - after;
        let (first, second) = (&pixels[at], &pixels[at + 1]);
        for k in 0..SLICES {
            voxel[k] += fused::<FUSED>(before, first[k], after * second[k]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_adjoint_and_stay_inside() {
        for path in [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512] {
            if path.checked().is_err() {
                continue;
            }
            for (start, step) in [(1.0, 1.0), (12.5, -0.7), (-3.2, 0.33), (f32::NAN, 1.0), (0.0, 1e30), (1e9, -1e9)] {
                let line = Line { start, step };
                let value = |i: usize, k: usize| ((i * 37 + k * 11) % 17) as f32 - 8.0;
                let voxels: Vec<Lanes> = (0..21).map(|i| std::array::from_fn(|k| value(i, k))).collect();
                let given: Vec<Lanes> = (0..14).map(|i| std::array::from_fn(|k| value(i + 5, k + 3))).collect();
                let (mut pixels, mut back) = (vec![[0.0; SLICES]; 14], vec![[0.0; SLICES]; 21]);
                splat_line(path, line, &voxels, &mut pixels);
                gather_line(path, line, &given, &mut back);
                let dot = |a: &[Lanes], b: &[Lanes]| -> f64 {
                    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                let (left, right) = (dot(&pixels, &given), dot(&voxels, &back));
                assert!((left - right).abs() <= 1e-5 * left.abs().max(1.0), "{start} {step}: {left} {right}");
            }
        }
    }
}
