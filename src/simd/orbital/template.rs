//! Orbitals into the images of M depths at once, and sums over all of them: the weights of the images are smooth
//! functions of depth, cubic Hermite pieces of a table, whose derivative is that of what is computed.
//!
//! The images lie row by row beside each other: row r of image m starts at `(r * M + m) * pitch`.

use super::{finish_sums, profile, sum_lanes, OrbitalStamp, OrbitalSums, Real, SimdPath};

/// Most images.
pub const MAX_TEMPLATES: usize = 32;

/// Weights of M images as functions of depth.
#[derive(Debug, Clone)]
pub struct DepthTable<T> {
    templates: usize,
    knots: usize,
    /// \[knot\]\[weight of every image, then its derivative per step\].
    values: Vec<T>,
}

impl<T: Real> DepthTable<T> {
    /// From \[knot\]\[weight of every image, then its derivative per step\]; 1 to [`MAX_TEMPLATES`] images, at least two
    /// knots.
    pub fn new(templates: usize, values: &[f64]) -> Self {
        assert!((1..=MAX_TEMPLATES).contains(&templates) && values.len() >= 4 * templates, "shape of a depth table");
        Self { templates, knots: values.len() / (2 * templates), values: values.iter().map(|v| T::of(*v)).collect() }
    }

    /// M, the number of images.
    pub fn templates(&self) -> usize {
        self.templates
    }

    /// Weights and their derivatives per step at `place` (in steps from the first knot), the first M of each. Written
    /// where they are read: returned by value they would be copied in wide pieces, which wait for the narrow writes.
    #[inline(always)]
    fn at(&self, place: T, weights: &mut [T; MAX_TEMPLATES], slopes: &mut [T; MAX_TEMPLATES]) {
        let knot = (place.f64().max(0.0) as usize).min(self.knots - 2);
        let t = place - T::of(knot as f64);
        let (one, two, three, six) = (T::one(), T::of(2.0), T::of(3.0), T::of(6.0));
        let u = one - t;
        let (a, b) = (u * u * (one + two * t), t * u * u);
        let (c, d) = (t * t * (three - two * t), T::zero() - t * t * u);
        let (da, db, dd) = (T::zero() - six * t * u, u * (one - three * t), t * (three * t - two));
        let n = self.templates;
        let row = &self.values[knot * 2 * n..][..4 * n];
        let ((v0, s0), (v1, s1)) = (row[..2 * n].split_at(n), row[2 * n..].split_at(n));
        for m in 0..n {
            weights[m] = a * v0[m] + b * s0[m] + c * v1[m] + d * s1[m];
            slopes[m] = da * (v0[m] - v1[m]) + db * s0[m] + dd * s1[m];
        }
    }
}

/// Adds all `stamps` into the images with the weights of their depths. Windows as in [`super::splat`].
pub fn splat_templates<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    match path {
        // SAFETY: as in `splat`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { splat_avx512(stamps, table, images, pitch) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { splat_avx2(stamps, table, images, pitch) },
        _ => splat_any::<T, false>(stamps, table, images, pitch),
    }
}

/// Adds, for every stamp, the combination of g, g dx, g dy, g (dx^2 + dy^2) and of the derivative of g along the beam with
/// the numbers in `changes`: the exact adjoint of [`gather_templates`]. Heights are not used.
pub fn splat_templates_weighted<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    changes: &[OrbitalSums<T>],
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    match path {
        // SAFETY: as in `splat`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { weighted_avx512(stamps, changes, table, images, pitch) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { weighted_avx2(stamps, changes, table, images, pitch) },
        _ => weighted_any::<T, false>(stamps, changes, table, images, pitch),
    }
}

/// Sums of the images, joined with the weights of each stamp's depth, over its window; `depth` is the sum of the images
/// joined with the derivatives of the weights.
pub fn gather_templates<T: Real>(
    path: SimdPath,
    stamps: &[OrbitalStamp<T>],
    table: &DepthTable<T>,
    images: &[T],
    pitch: usize,
    sums: &mut [OrbitalSums<T>],
) {
    match path {
        // SAFETY: as in `splat`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { gather_avx512(stamps, table, images, pitch, sums) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { gather_avx2(stamps, table, images, pitch, sums) },
        _ => gather_any::<T, false>(stamps, table, images, pitch, sums),
    }
}

macro_rules! compile_for {
    ($features:literal, $splat:ident, $gather:ident, $weighted:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $splat<T: Real>(stamps: &[OrbitalStamp<T>], table: &DepthTable<T>, images: &mut [T], pitch: usize) {
            splat_any::<T, true>(stamps, table, images, pitch)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $gather<T: Real>(
            stamps: &[OrbitalStamp<T>],
            table: &DepthTable<T>,
            images: &[T],
            pitch: usize,
            sums: &mut [OrbitalSums<T>],
        ) {
            gather_any::<T, true>(stamps, table, images, pitch, sums)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $weighted<T: Real>(
            stamps: &[OrbitalStamp<T>],
            changes: &[OrbitalSums<T>],
            table: &DepthTable<T>,
            images: &mut [T],
            pitch: usize,
        ) {
            weighted_any::<T, true>(stamps, changes, table, images, pitch)
        }
    };
}
compile_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", splat_avx512, gather_avx512, weighted_avx512);
compile_for!("avx2,fma", splat_avx2, gather_avx2, weighted_avx2);

#[inline(always)]
fn splat_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    for stamp in stamps {
        by_lanes!(stamp, splat_one, FUSED, (stamp, table, images, pitch));
    }
}

#[inline(always)]
fn weighted_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    changes: &[OrbitalSums<T>],
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    for (stamp, change) in stamps.iter().zip(changes) {
        by_lanes!(stamp, weighted_one, FUSED, (stamp, change, table, images, pitch));
    }
}

#[inline(always)]
fn gather_any<T: Real, const FUSED: bool>(
    stamps: &[OrbitalStamp<T>],
    table: &DepthTable<T>,
    images: &[T],
    pitch: usize,
    sums: &mut [OrbitalSums<T>],
) {
    for (stamp, sums) in stamps.iter().zip(sums) {
        *sums = by_lanes!(stamp, gather_one, FUSED, (stamp, table, images, pitch));
    }
}

/// Rows of a window, and the place of its first value in image 0.
#[inline(always)]
fn window<T, const W: usize>(stamp: &OrbitalStamp<T>, templates: usize, pitch: usize, len: usize) -> (usize, usize) {
    let rows = (2 * stamp.half_width as usize + 1).min(W);
    let start = stamp.corner.0 as usize * templates * pitch + stamp.corner.1 as usize;
    // Once for all rows of all images: below, rows are read and written without a check.
    assert!(start + (rows * templates - 1) * pitch + W <= len, "a window reaches out of its images");
    (rows, start)
}

/// The lanes at `start`.
///
/// # Safety
/// `start + W` must not exceed the length of `image`.
#[inline(always)]
unsafe fn lanes<T, const W: usize>(image: &[T], start: usize) -> &[T; W] {
    // SAFETY: W values from `start` on lie in the slice (contract); [T; W] has their layout.
    unsafe { &*image.as_ptr().add(start).cast() }
}

/// As [`lanes`].
///
/// # Safety
/// As for [`lanes`].
#[inline(always)]
unsafe fn lanes_mut<T, const W: usize>(image: &mut [T], start: usize) -> &mut [T; W] {
    // SAFETY: as in `lanes`; the mutable borrow is passed on.
    unsafe { &mut *image.as_mut_ptr().add(start).cast() }
}

#[inline(always)]
fn splat_one<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let (mut weights, mut slopes) = ([T::zero(); MAX_TEMPLATES], [T::zero(); MAX_TEMPLATES]);
    table.at(stamp.second, &mut weights, &mut slopes);
    let (rows, mut start) = window::<T, W>(stamp, table.templates, pitch, images.len());
    let mut g = [T::zero(); W];
    for of_row in &gy[..rows] {
        let of_row = stamp.height * *of_row;
        for k in 0..W {
            g[k] = of_row * gx[k];
        }
        for weight in &weights[..table.templates] {
            // SAFETY: `window` checked the last row of the last image.
            let row = unsafe { lanes_mut::<T, W>(images, start) };
            for k in 0..W {
                row[k] = weight.multiply_add::<FUSED>(g[k], row[k]);
            }
            start += pitch;
        }
    }
}

/// images += w g (value + dx_weight dx + dy_weight dy + radius2 (dx^2 + dy^2)) + w' g depth
#[inline(always)]
fn weighted_one<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    change: &OrbitalSums<T>,
    table: &DepthTable<T>,
    images: &mut [T],
    pitch: usize,
) {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let (mut weights, mut slopes) = ([T::zero(); MAX_TEMPLATES], [T::zero(); MAX_TEMPLATES]);
    table.at(stamp.second, &mut weights, &mut slopes);
    let mut along = [T::zero(); W];
    for k in 0..W {
        along[k] = (change.value + dx[k] * (change.dx + change.radius2 * dx[k])) * gx[k];
    }
    let (rows, mut start) = window::<T, W>(stamp, table.templates, pitch, images.len());
    for r in 0..rows {
        let across = gy[r] * dy[r] * (change.dy + change.radius2 * dy[r]);
        for (weight, slope) in weights.iter().zip(&slopes).take(table.templates) {
            // SAFETY: `window` checked the last row of the last image.
            let row = unsafe { lanes_mut::<T, W>(images, start) };
            let (of_along, of_gx) = (*weight * gy[r], *weight * across + *slope * change.depth * gy[r]);
            for k in 0..W {
                let sum = of_along.multiply_add::<FUSED>(along[k], row[k]);
                row[k] = of_gx.multiply_add::<FUSED>(gx[k], sum);
            }
            start += pitch;
        }
    }
}

#[inline(always)]
fn gather_one<T: Real, const FUSED: bool, const W: usize>(
    stamp: &OrbitalStamp<T>,
    table: &DepthTable<T>,
    images: &[T],
    pitch: usize,
) -> OrbitalSums<T> {
    let (mut dx, mut dy, mut gx, mut gy) = ([T::zero(); W], [T::zero(); W], [T::zero(); W], [T::zero(); W]);
    profile(stamp.centre.0, stamp.decay, stamp.half_width, &mut dx, &mut gx);
    profile(stamp.centre.1, stamp.decay, stamp.half_width, &mut dy, &mut gy);
    let (mut weights, mut slopes) = ([T::zero(); MAX_TEMPLATES], [T::zero(); MAX_TEMPLATES]);
    table.at(stamp.second, &mut weights, &mut slopes);
    let mut columns = [[T::zero(); W]; 3];
    let mut along = [T::zero(); W];
    let (rows, mut start) = window::<T, W>(stamp, table.templates, pitch, images.len());
    for r in 0..rows {
        let (mut joined, mut derivative) = ([T::zero(); W], [T::zero(); W]);
        for (weight, slope) in weights.iter().zip(&slopes).take(table.templates) {
            // SAFETY: `window` checked the last row of the last image.
            let row = unsafe { lanes::<T, W>(images, start) };
            for k in 0..W {
                joined[k] = weight.multiply_add::<FUSED>(row[k], joined[k]);
                derivative[k] = slope.multiply_add::<FUSED>(row[k], derivative[k]);
            }
            start += pitch;
        }
        let (w0, w1) = (gy[r], gy[r] * dy[r]);
        let w2 = w1 * dy[r];
        for k in 0..W {
            along[k] = w0.multiply_add::<FUSED>(derivative[k], along[k]);
            columns[0][k] = w0.multiply_add::<FUSED>(joined[k], columns[0][k]);
            columns[1][k] = w1.multiply_add::<FUSED>(joined[k], columns[1][k]);
            columns[2][k] = w2.multiply_add::<FUSED>(joined[k], columns[2][k]);
        }
    }
    for k in 0..W {
        along[k] *= gx[k];
    }
    OrbitalSums { depth: sum_lanes(along), ..finish_sums(&columns, &dx, &gx) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{stamps, PITCH};
    use super::*;

    const TEMPLATES: usize = 5;

    fn paths() -> impl Iterator<Item = SimdPath> {
        [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512].into_iter().filter_map(|p| p.checked().ok())
    }

    /// Weights sin(z + m) at knots 0, 0.1, ...
    fn table<T: Real>() -> DepthTable<T> {
        let row = |knot: usize| {
            let z = move |m: usize| 0.1 * knot as f64 + m as f64;
            (0..2 * TEMPLATES).map(move |i| if i < TEMPLATES { z(i).sin() } else { 0.1 * z(i - TEMPLATES).cos() })
        };
        DepthTable::new(TEMPLATES, &(0..20).flat_map(row).collect::<Vec<f64>>())
    }

    #[test]
    fn weights_interpolate_with_the_derivative_of_the_interpolant() {
        let table = table::<f64>();
        let at = |place: f64| {
            let (mut weights, mut slopes) = ([0.0; MAX_TEMPLATES], [0.0; MAX_TEMPLATES]);
            table.at(place, &mut weights, &mut slopes);
            (weights, slopes)
        };
        for place in [0.0, 0.3, 1.0, 7.25, 18.999, 19.0] {
            let (weights, slopes) = at(place);
            for m in 0..TEMPLATES {
                let z = 0.1 * place + m as f64;
                assert!((weights[m] - z.sin()).abs() < 1e-6 && (slopes[m] - 0.1 * z.cos()).abs() < 1e-5);
                if place > 0.0 && place.fract() > 1e-6 {
                    let difference = (at(place + 1e-6).0[m] - at(place - 1e-6).0[m]) / 2e-6;
                    assert!((slopes[m] - difference).abs() < 1e-9, "{place} {m}");
                }
            }
        }
    }

    fn placed<T: Real>(half_width: u16) -> Vec<OrbitalStamp<T>> {
        let place = |i: usize, stamp| OrbitalStamp { second: T::of(4.6 * i as f64 + 0.3), ..stamp };
        stamps::<T>(half_width).into_iter().enumerate().map(|(i, s)| place(i, s)).collect()
    }

    fn image<T: Real>(size: usize) -> Vec<T> {
        (0..size).map(|i| T::of((i as f64 * 3.1).sin())).collect()
    }

    /// Splat and gather against plain loops, all paths, window sizes of all lane counts.
    fn check<T: Real>(tolerance: f64) {
        let (table, size) = (table::<T>(), PITCH * 100 * TEMPLATES);
        for (path, half_width) in paths().flat_map(|p| [0, 3, 7, 8, 15, 16, 40].map(|h| (p, h))) {
            let stamps = placed::<T>(half_width);
            let (mut images, mut wanted) = (vec![T::zero(); size], vec![0.0; size]);
            splat_templates(path, &stamps, &table, &mut images, PITCH);
            let given = image::<T>(size);
            let mut sums = vec![OrbitalSums::default(); stamps.len()];
            gather_templates(path, &stamps, &table, &given, PITCH, &mut sums);
            for (stamp, sums) in stamps.iter().zip(&sums) {
                let (mut weights, mut slopes) = ([T::zero(); MAX_TEMPLATES], [T::zero(); MAX_TEMPLATES]);
                table.at(stamp.second, &mut weights, &mut slopes);
                let mut s = [0.0; 5];
                for (r, c) in (0..=2 * half_width).flat_map(|r| (0..=2 * half_width).map(move |c| (r, c))) {
                    let (x, y) = (f64::from(c) - stamp.centre.0.f64(), f64::from(r) - stamp.centre.1.f64());
                    let g = (-(x * x + y * y) * stamp.decay.f64()).exp();
                    for m in 0..TEMPLATES {
                        let row = (stamp.corner.0 + u32::from(r)) as usize * TEMPLATES + m;
                        let at = row * PITCH + (stamp.corner.1 + u32::from(c)) as usize;
                        wanted[at] += stamp.height.f64() * weights[m].f64() * g;
                        let v = given[at].f64() * weights[m].f64() * g;
                        let along = given[at].f64() * slopes[m].f64() * g;
                        s.iter_mut().zip([v, v * x, v * y, v * (x * x + y * y), along]).for_each(|(s, a)| *s += a);
                    }
                }
                let got = [sums.value, sums.dx, sums.dy, sums.radius2, sums.depth];
                for (s, g) in s.iter().zip(got) {
                    assert!((s - g.f64()).abs() < tolerance * 40.0, "{path:?} {half_width} {s} {g:?}");
                }
            }
            let worst = images.iter().zip(&wanted).map(|(a, b)| (a.f64() - b).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "{path:?} {half_width}: {worst}");
        }
    }

    #[test]
    fn kernels_agree_with_plain_loops() {
        check::<f32>(1e-5);
        check::<f64>(1e-13);
    }

    /// <changes, gather G> = <splat_templates_weighted changes, G>
    fn check_adjoint<T: Real>(tolerance: f64) {
        let (table, size) = (table::<T>(), PITCH * 100 * TEMPLATES);
        let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>();
        let list = |s: &OrbitalSums<T>| [s.value, s.dx, s.dy, s.radius2, s.depth];
        for (path, half_width) in paths().flat_map(|p| [0, 3, 7, 8, 15, 16, 40].map(|h| (p, h))) {
            let stamps = placed::<T>(half_width);
            let number = |i: u32, f: f64| T::of((f64::from(i) + f).sin() / f64::from(half_width + 1).powf(f / 2.0));
            let changes: Vec<OrbitalSums<T>> = (0..5)
                .map(|i| OrbitalSums {
                    value: number(i, 0.3),
                    dx: number(i, 2.1),
                    dy: number(i, 2.5),
                    radius2: number(i, 4.2),
                    depth: number(i, 0.7),
                })
                .collect();
            let (mut images, given) = (vec![T::zero(); size], image::<T>(size));
            splat_templates_weighted(path, &stamps, &changes, &table, &mut images, PITCH);
            let mut sums = vec![OrbitalSums::default(); stamps.len()];
            gather_templates(path, &stamps, &table, &given, PITCH, &mut sums);
            let norm = (dot(&images, &images) * size as f64).sqrt();
            let (forward, backward) =
                (dot(&images, &given), changes.iter().zip(&sums).map(|(w, s)| dot(&list(w), &list(s))).sum::<f64>());
            assert!((forward - backward).abs() < tolerance * norm, "{path:?} {half_width} {forward} {backward}");
        }
    }

    #[test]
    fn weighted_splat_is_the_adjoint_of_gather() {
        check_adjoint::<f32>(1e-6);
        check_adjoint::<f64>(1e-14);
    }
}
