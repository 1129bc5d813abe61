//! Gaussian orbitals into an image (splat) and sums over an image at the orbitals (gather): adjoint kernels.
//!
//! An orbital is exp(-(dx^2 + dy^2) c) in a square window around its nearest pixel; separable, so it costs two
//! vector exponentials and an outer product. With two images (neighbouring slices) the patch goes into the first
//! with weight 1 - t and into the second with weight t: formula (1) of the LOT paper with linear slice weights.

use super::{Real, SimdPath};

/// Largest half width of a window in pixels.
pub const MAX_HALF_WIDTH: usize = 63;

/// One orbital placed on a padded image.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrbitalStamp<T> {
    /// First row and column of the window in the padded image.
    pub corner: (u32, u32),
    /// Half width h: the window has 2 h + 1 rows and columns.
    pub half_width: u16,
    /// Number of the term of the atom's orbital.
    pub term: u16,
    /// Number of the atom.
    pub atom: u32,
    /// Centre minus corner in pixels (column, row).
    pub centre: (T, T),
    /// Height of the term.
    pub height: T,
    /// c = pixel^2 / B, B the width of the term.
    pub decay: T,
    /// Weight t of the second image, 0..1; with a [`DepthTable`] the depth in its steps.
    pub second: T,
}

/// Sums over the window, G being the image and g the orbital without its height.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrbitalSums<T> {
    /// sum G g
    pub value: T,
    /// sum G g dx (pixels)
    pub dx: T,
    /// sum G g dy (pixels)
    pub dy: T,
    /// sum G g (dx^2 + dy^2) (pixels^2)
    pub radius2: T,
    /// sum (G_second - G_first) g; 0 with one image; with a [`DepthTable`] the derivative by its step
    pub depth: T,
}

/// Adds all `stamps` into `first` (rows of `pitch` values) and, with their weight, into `second`.
/// Windows must lie inside the images together with the lanes to their right: `corner.1 + lanes <= pitch` where
/// lanes is 16, 32, 64 or 128, whichever holds the window (checked).
pub fn splat<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    first: &mut [T],
    second: Option<&mut [T]>,
    pitch: usize,
) {
    match path {
        // SAFETY: the path is made by `SimdPath::detect` or `checked`, which test the processor for its features.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { splat_avx512(stamps, first, second, pitch) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { splat_avx2(stamps, first, second, pitch) },
        _ => splat_any::<T, false>(stamps, first, second, pitch),
    }
}

/// Adds, for every stamp, the combination of g, g dx, g dy, g (dx^2 + dy^2) with the weights in `weights` into `first`
/// and, with its weight, into `second`; the weight `depth` adds g to `second` and takes it from `first`. The exact
/// adjoint of [`gather`]: the change of an image when the orbitals change. Heights are not used. Windows as in
/// [`splat`].
pub fn splat_weighted<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    weights: &[OrbitalSums<T>],
    first: &mut [T],
    second: Option<&mut [T]>,
    pitch: usize,
) {
    match path {
        // SAFETY: as in `splat`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { weighted_avx512(stamps, weights, first, second, pitch) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { weighted_avx2(stamps, weights, first, second, pitch) },
        _ => weighted_any::<T, false>(stamps, weights, first, second, pitch),
    }
}

/// Sums of `first` (blended with `second`) over the window of every stamp into `sums`; the adjoint of [`splat`]
/// with respect to the heights, and what its derivatives need.
pub fn gather<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    first: &[T],
    second: Option<&[T]>,
    pitch: usize,
    sums: &mut [OrbitalSums<T>],
) {
    match path {
        // SAFETY: as in `splat`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { gather_avx512(stamps, first, second, pitch, sums) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { gather_avx2(stamps, first, second, pitch, sums) },
        _ => gather_any::<T, false>(stamps, first, second, pitch, sums),
    }
}

macro_rules! compile_for {
    ($features:literal, $splat:ident, $gather:ident, $weighted:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $splat<T: Real>(stamps: &[OrbitalStamp<T>], first: &mut [T], second: Option<&mut [T]>, pitch: usize) {
            splat_any::<T, true>(stamps, first, second, pitch)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $gather<T: Real>(
            stamps: &[OrbitalStamp<T>],
            first: &[T],
            second: Option<&[T]>,
            pitch: usize,
            sums: &mut [OrbitalSums<T>],
        ) {
            gather_any::<T, true>(stamps, first, second, pitch, sums)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $weighted<T: Real>(
            stamps: &[OrbitalStamp<T>],
            weights: &[OrbitalSums<T>],
            first: &mut [T],
            second: Option<&mut [T]>,
            pitch: usize,
        ) {
            weighted_any::<T, true>(stamps, weights, first, second, pitch)
        }
    };
}
compile_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", splat_avx512, gather_avx512, weighted_avx512);
compile_for!("avx2,fma", splat_avx2, gather_avx2, weighted_avx2);

/// Calls `$kernel` with the number of lanes that holds the window.
macro_rules! by_lanes {
    ($stamp:expr, $kernel:ident, $fused:ident, ($($argument:expr),*)) => {
        match $stamp.half_width {
            0..=7 => $kernel::<T, $fused, 16>($($argument),*),
            8..=15 => $kernel::<T, $fused, 32>($($argument),*),
            16..=31 => $kernel::<T, $fused, 64>($($argument),*),
            _ => $kernel::<T, $fused, 128>($($argument),*),
        }
    };
}

mod template;
pub use template::{gather_templates, splat_templates, splat_templates_weighted, DepthTable, MAX_TEMPLATES};

#[inline(always)]
fn splat_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    first: &mut [T],
    mut second: Option<&mut [T]>,
    pitch: usize,
) {
    for stamp in stamps {
        match second.as_deref_mut() {
            None => by_lanes!(stamp, splat_one, FUSED, (stamp, first, pitch)),
            Some(second) => by_lanes!(stamp, splat_two, FUSED, (stamp, first, second, pitch)),
        }
    }
}

#[inline(always)]
fn weighted_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    weights: &[OrbitalSums<T>],
    first: &mut [T],
    mut second: Option<&mut [T]>,
    pitch: usize,
) {
    for (stamp, w) in stamps.iter().zip(weights) {
        let share = |of: T, depth: T| OrbitalSums {
            value: of * w.value + depth,
            dx: of * w.dx,
            dy: of * w.dy,
            radius2: of * w.radius2,
            depth: T::zero(),
        };
        match second.as_deref_mut() {
            None => by_lanes!(stamp, weighted_one, FUSED, (stamp, w, first, pitch)),
            Some(second) => {
                let of_first = share(T::one() - stamp.second, T::zero() - w.depth);
                let of_second = share(stamp.second, w.depth);
                by_lanes!(stamp, weighted_one, FUSED, (stamp, &of_first, first, pitch));
                by_lanes!(stamp, weighted_one, FUSED, (stamp, &of_second, second, pitch));
            }
        }
    }
}

#[inline(always)]
fn gather_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    first: &[T],
    second: Option<&[T]>,
    pitch: usize,
    sums: &mut [OrbitalSums<T>],
) {
    for (stamp, sums) in stamps.iter().zip(sums) {
        *sums = match second {
            None => by_lanes!(stamp, gather_one, FUSED, (stamp, first, pitch)),
            Some(second) => by_lanes!(stamp, gather_two, FUSED, (stamp, first, second, pitch)),
        };
    }
}

/// Distances to the centre along one axis and exp(-distance^2 c), zero outside the window.
#[inline(always)]
fn profile<T: Real, const W: usize>(centre: T, decay: T, half_width: u16, distance: &mut [T; W], gauss: &mut [T; W]) {
    for k in 0..W {
        distance[k] = T::of(k as f64) - centre;
        gauss[k] = -(distance[k] * distance[k] * decay);
    }
    T::exp_lanes(gauss);
    let end = 2 * half_width as usize + 1;
    for (k, value) in gauss.iter_mut().enumerate() {
        if k >= end {
            *value = T::zero();
        }
    }
}

/// The lanes of row `row` of the window.
#[inline(always)]
fn row_of<T, const W: usize>(image: &[T], start: usize) -> &[T; W] {
    // The slice has exactly W values, so the conversion cannot fail; a window outside the image stops here.
    let row: &[T] = &image[start..start + W];
    // SAFETY: `row` is W contiguous values of T, and [T; W] has the same layout.
    unsafe { &*row.as_ptr().cast() }
}

#[inline(always)]
fn row_of_mut<T, const W: usize>(image: &mut [T], start: usize) -> &mut [T; W] {
    let row: &mut [T] = &mut image[start..start + W];
    // SAFETY: as in `row_of`; the mutable borrow is passed on.
    unsafe { &mut *row.as_mut_ptr().cast() }
}

#[inline(always)]
fn splat_one<T: Real, const FUSED: bool, const W: usize>(stamp: &OrbitalStamp<T>, image: &mut [T], pitch: usize) {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let start = stamp.corner.0 as usize * pitch + stamp.corner.1 as usize;
    for (r, gauss) in gy.iter().enumerate().take(2 * stamp.half_width as usize + 1) {
        let g = stamp.height * *gauss;
        let row = row_of_mut::<T, W>(image, start + r * pitch);
        for k in 0..W {
            row[k] = g.multiply_add::<FUSED>(gx[k], row[k]);
        }
    }
}

#[inline(always)]
fn splat_two<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    first: &mut [T],
    second: &mut [T],
    pitch: usize,
) {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let start = stamp.corner.0 as usize * pitch + stamp.corner.1 as usize;
    let (h1, h2) = (stamp.height * (T::one() - stamp.second), stamp.height * stamp.second);
    for (r, gauss) in gy.iter().enumerate().take(2 * stamp.half_width as usize + 1) {
        let (g1, g2) = (h1 * *gauss, h2 * *gauss);
        let row = row_of_mut::<T, W>(first, start + r * pitch);
        for k in 0..W {
            row[k] = g1.multiply_add::<FUSED>(gx[k], row[k]);
        }
        let row = row_of_mut::<T, W>(second, start + r * pitch);
        for k in 0..W {
            row[k] = g2.multiply_add::<FUSED>(gx[k], row[k]);
        }
    }
}

/// image += gy gx (value + dx_weight dx + radius2 dx^2) + gy (dy_weight dy + radius2 dy^2) gx
#[inline(always)]
fn weighted_one<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    weights: &OrbitalSums<T>,
    image: &mut [T],
    pitch: usize,
) {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let start = stamp.corner.0 as usize * pitch + stamp.corner.1 as usize;
    let mut along = [T::zero(); W];
    for k in 0..W {
        along[k] = (weights.value + dx[k] * (weights.dx + weights.radius2 * dx[k])) * gx[k];
    }
    for r in 0..(2 * stamp.half_width as usize + 1).min(W) {
        let across = gy[r] * dy[r] * (weights.dy + weights.radius2 * dy[r]);
        let row = row_of_mut::<T, W>(image, start + r * pitch);
        for k in 0..W {
            let sum = gy[r].multiply_add::<FUSED>(along[k], row[k]);
            row[k] = across.multiply_add::<FUSED>(gx[k], sum);
        }
    }
}

/// Sum of the lanes in a fixed order (pairwise), which vectorises and does not depend on the path's width.
#[inline(always)]
fn sum_lanes<T: Real, const W: usize>(mut v: [T; W]) -> T {
    let mut width = W / 2;
    while width > 0 {
        for k in 0..width {
            let upper = v[k + width];
            v[k] += upper;
        }
        width /= 2;
    }
    v[0]
}

/// Column sums weighted by the rows' profile: sum over rows of G gy, G gy dy, G gy dy^2.
#[inline(always)]
fn finish_sums<T: Real, const W: usize>(columns: &[[T; W]; 3], dx: &[T; W], gx: &[T; W]) -> OrbitalSums<T> {
    let (mut s, mut sx, mut sy, mut sr) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    for k in 0..W {
        s[k] = columns[0][k] * gx[k];
        sx[k] = s[k] * dx[k];
        sy[k] = columns[1][k] * gx[k];
        sr[k] = sx[k] * dx[k] + columns[2][k] * gx[k];
    }
    OrbitalSums { value: sum_lanes(s), dx: sum_lanes(sx), dy: sum_lanes(sy), radius2: sum_lanes(sr), depth: T::zero() }
}

#[inline(always)]
fn gather_one<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    image: &[T],
    pitch: usize,
) -> OrbitalSums<T> {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let start = stamp.corner.0 as usize * pitch + stamp.corner.1 as usize;
    let mut columns = [[T::zero(); W]; 3];
    for r in 0..(2 * stamp.half_width as usize + 1).min(W) {
        let row = row_of::<T, W>(image, start + r * pitch);
        let (w0, w1) = (gy[r], gy[r] * dy[r]);
        let w2 = w1 * dy[r];
        for k in 0..W {
            columns[0][k] = w0.multiply_add::<FUSED>(row[k], columns[0][k]);
            columns[1][k] = w1.multiply_add::<FUSED>(row[k], columns[1][k]);
            columns[2][k] = w2.multiply_add::<FUSED>(row[k], columns[2][k]);
        }
    }
    finish_sums(&columns, &dx, &gx)
}

#[inline(always)]
fn gather_two<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    first: &[T],
    second: &[T],
    pitch: usize,
) -> OrbitalSums<T> {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let start = stamp.corner.0 as usize * pitch + stamp.corner.1 as usize;
    let mut columns = [[T::zero(); W]; 3];
    let mut difference = [T::zero(); W];
    for r in 0..(2 * stamp.half_width as usize + 1).min(W) {
        let a = row_of::<T, W>(first, start + r * pitch);
        let b = row_of::<T, W>(second, start + r * pitch);
        let (w0, w1) = (gy[r], gy[r] * dy[r]);
        let w2 = w1 * dy[r];
        for k in 0..W {
            let step = b[k] - a[k];
            let blend = stamp.second.multiply_add::<FUSED>(step, a[k]);
            difference[k] = w0.multiply_add::<FUSED>(step, difference[k]);
            columns[0][k] = w0.multiply_add::<FUSED>(blend, columns[0][k]);
            columns[1][k] = w1.multiply_add::<FUSED>(blend, columns[1][k]);
            columns[2][k] = w2.multiply_add::<FUSED>(blend, columns[2][k]);
        }
    }
    for k in 0..W {
        difference[k] *= gx[k];
    }
    OrbitalSums { depth: sum_lanes(difference), ..finish_sums(&columns, &dx, &gx) }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const PITCH: usize = 200;

    pub(super) fn stamps<T: Real>(half_width: u16) -> Vec<OrbitalStamp<T>> {
        (0..5)
            .map(|i| OrbitalStamp {
                corner: (3 + i, 7 + 2 * i),
                half_width,
                term: 0,
                atom: i,
                centre: (T::of(half_width as f64 + 0.3 - 0.1 * i as f64), T::of(half_width as f64 - 0.4)),
                height: T::of(1.0 + i as f64),
                decay: T::of(0.3),
                second: T::of(0.2 * i as f64),
            })
            .collect()
    }

    /// Splat and gather against plain loops, all paths, window sizes of all lane counts.
    fn check<T: Real>(tolerance: f64) {
        for path in [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512] {
            let Ok(path) = path.checked() else { continue };
            for half_width in [0, 3, 7, 8, 15, 16, 40] {
                let stamps = stamps::<T>(half_width);
                let size = PITCH * 100;
                let (mut first, mut second) = (vec![T::zero(); size], vec![T::zero(); size]);
                splat(path, &stamps, &mut first, Some(&mut second), PITCH);
                let mut wanted = vec![[0.0; 2]; size];
                let image: [Vec<T>; 2] =
                    [3.0, 5.0].map(|f: f64| (0..size).map(|i| T::of((i as f64 * f).sin())).collect());
                let mut sums = vec![OrbitalSums::default(); stamps.len()];
                gather(path, &stamps, &image[0], Some(&image[1]), PITCH, &mut sums);
                for (stamp, sums) in stamps.iter().zip(&sums) {
                    let mut s = [0.0; 5];
                    for r in 0..=2 * half_width as usize {
                        for c in 0..=2 * half_width as usize {
                            let (x, y) = (c as f64 - stamp.centre.0.f64(), r as f64 - stamp.centre.1.f64());
                            let g = (-(x * x + y * y) * stamp.decay.f64()).exp();
                            let at = (stamp.corner.0 as usize + r) * PITCH + stamp.corner.1 as usize + c;
                            let t = stamp.second.f64();
                            wanted[at][0] += stamp.height.f64() * (1.0 - t) * g;
                            wanted[at][1] += stamp.height.f64() * t * g;
                            let (a, b) = (image[0][at].f64(), image[1][at].f64());
                            let v = (a + t * (b - a)) * g;
                            for (s, add) in s.iter_mut().zip([v, v * x, v * y, v * (x * x + y * y), (b - a) * g]) {
                                *s += add;
                            }
                        }
                    }
                    let got = [sums.value, sums.dx, sums.dy, sums.radius2, sums.depth];
                    for (s, g) in s.iter().zip(got) {
                        assert!((s - g.f64()).abs() < tolerance * 20.0, "{path:?} {half_width} {s} {g:?}");
                    }
                }
                for i in 0..size {
                    let worst = (first[i].f64() - wanted[i][0]).abs().max((second[i].f64() - wanted[i][1]).abs());
                    assert!(worst < tolerance, "{path:?} {half_width}: {worst}");
                }
            }
        }
    }

    #[test]
    fn kernels_agree_with_plain_loops() {
        check::<f32>(1e-5);
        check::<f64>(1e-13);
    }

    /// <weights, gather G> = <splat_weighted weights, G>, with one image and with two.
    fn check_adjoint<T: Real>(tolerance: f64) {
        for path in [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512] {
            let Ok(path) = path.checked() else { continue };
            for half_width in [0, 3, 7, 8, 15, 16, 40] {
                let (stamps, size) = (stamps::<T>(half_width), PITCH * 100);
                let weight = |i: u32, f: f64| T::of((f64::from(i) + f).sin() / f64::from(half_width + 1).powf(f / 2.0));
                let weights: Vec<OrbitalSums<T>> = (0..5)
                    .map(|i| OrbitalSums {
                        value: weight(i, 0.3),
                        dx: weight(i, 2.1),
                        dy: weight(i, 2.5),
                        radius2: weight(i, 4.2),
                        depth: weight(i, 0.7),
                    })
                    .collect();
                let image: [Vec<T>; 2] =
                    [3.0, 5.0].map(|f: f64| (0..size).map(|i| T::of((i as f64 * f).sin())).collect());
                for two in [false, true] {
                    let (mut first, mut second) = (vec![T::zero(); size], vec![T::zero(); size]);
                    splat_weighted(path, &stamps, &weights, &mut first, two.then_some(&mut second), PITCH);
                    let mut sums = vec![OrbitalSums::default(); stamps.len()];
                    gather(path, &stamps, &image[0], two.then_some(&image[1]), PITCH, &mut sums);
                    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>();
                    let norm = (dot(&first, &first) + dot(&second, &second)).sqrt() * (size as f64).sqrt();
                    let forward = dot(&first, &image[0]) + dot(&second, &image[1]);
                    let list = |s: &OrbitalSums<T>| [s.value, s.dx, s.dy, s.radius2, s.depth];
                    let backward: f64 = weights.iter().zip(&sums).map(|(w, s)| dot(&list(w), &list(s))).sum();
                    assert!(
                        (forward - backward).abs() < tolerance * norm,
                        "{path:?} {half_width} {forward} {backward}"
                    );
                }
            }
        }
    }

    #[test]
    fn weighted_splat_is_the_adjoint_of_gather() {
        check_adjoint::<f32>(1e-6);
        check_adjoint::<f64>(1e-14);
    }

    #[test]
    fn one_image_is_the_first_of_two() {
        let path = SimdPath::detect();
        let mut stamps = stamps::<f64>(6);
        for stamp in &mut stamps {
            stamp.second = 0.0;
        }
        let (mut one, mut two, mut rest) = (vec![0.0; PITCH * 40], vec![0.0; PITCH * 40], vec![0.0; PITCH * 40]);
        splat(path, &stamps, &mut one, None, PITCH);
        splat(path, &stamps, &mut two, Some(&mut rest), PITCH);
        assert_eq!(one, two);
    }
}
