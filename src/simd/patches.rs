//! Small patches of several derivatives: joined from tables, combined, multiplied pixel by pixel.
//!
//! What is multiplied lies pixel by pixel, `L` numbers each: a pixel of two patches adds an outer product, which leaves no
//! remainder at any overlap, however narrow.

use super::{Real, SimdPath};

/// Values of a plane of a table are a multiple of this.
pub const PLANE_LANES: usize = 32;

/// Part of a patch: its pixels from the first one on, and the distance of rows in pixels.
#[derive(Debug, Clone, Copy)]
pub struct PatchRows<'a, const L: usize> {
    /// `L` numbers per pixel.
    pub pixels: &'a [[f64; L]],
    /// Pixels from row to row.
    pub pitch: usize,
}

/// Calls a kernel on the path's instructions.
macro_rules! on_path {
    ($path:expr, $kernel:ident, [$($generic:ident),*], ($($argument:expr),*)) => {
        match $path {
            // SAFETY: the path is made by `SimdPath::detect` or `checked`, which test the processor for its features.
            #[cfg(target_arch = "x86_64")]
            SimdPath::Avx512 => unsafe { avx512::$kernel::<$($generic),*>($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            SimdPath::Avx2 => unsafe { avx2::$kernel::<$($generic),*>($($argument),*) },
            _ => any::$kernel::<false, $($generic),*>($($argument),*),
        }
    };
}

/// Adds, over `rows` x `columns` pixels, the products of the first `D` numbers of the one patch with all of the other:
/// `sums[p][q] += first[p] * second[q]`.
///
/// # Panics
/// If the pixels lie beyond the slices. `L` is 4 or 8.
pub fn add_products<const D: usize, const L: usize>(
    path: SimdPath,
    first: PatchRows<'_, L>,
    second: PatchRows<'_, L>,
    shape: (usize, usize),
    sums: &mut [[f64; L]; D],
) {
    on_path!(path, add_products, [D, L], (first, second, shape, sums))
}

/// Pixels of `to` from planes: `to[i] = sum_j planes[j][i] columns[j]` for i in row-major order of the middle
/// `side` x `side` pixels of planes of `pitch` x `pitch`, `plane` values apart.
///
/// # Panics
/// If the pixels lie beyond the slices.
pub fn combine<T: Real, const L: usize>(
    path: SimdPath,
    planes: &[T],
    (plane, pitch): (usize, usize),
    columns: &[[f64; L]],
    side: usize,
    to: &mut [[f64; L]],
) {
    on_path!(path, combine, [T, L], (planes, (plane, pitch), columns, side, to))
}

/// Writes the sum of weight times plane to `to`.
///
/// # Panics
/// If `to` is no multiple of [`PLANE_LANES`] or longer than a plane.
pub fn join(path: SimdPath, parts: &[(f32, &[f32])], to: &mut [f32]) {
    on_path!(path, join, [], (parts, to))
}

macro_rules! compile_for {
    ($path:ident, $features:literal) => {
        #[cfg(target_arch = "x86_64")]
        mod $path {
            pub use super::quads::add_products;
            use super::{any, Real};

            #[target_feature(enable = $features)]
            pub fn combine<T: Real, const L: usize>(
                planes: &[T],
                layout: (usize, usize),
                columns: &[[f64; L]],
                side: usize,
                to: &mut [[f64; L]],
            ) {
                any::combine::<true, T, L>(planes, layout, columns, side, to)
            }

            #[target_feature(enable = $features)]
            pub fn join(parts: &[(f32, &[f32])], to: &mut [f32]) {
                any::join::<true>(parts, to)
            }
        }
    };
}
compile_for!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
compile_for!(avx2, "avx2,fma");

/// Sums in registers of four doubles: from plain arrays the compiler makes one scalar sum after the other.
#[cfg(target_arch = "x86_64")]
mod quads {
    use super::PatchRows;
    use std::arch::x86_64::{__m256d, _mm256_storeu_pd};
    use std::arch::x86_64::{_mm256_add_pd, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_set1_pd, _mm256_setzero_pd};

    /// Up to eight sums per row.
    type Sums<const D: usize> = [[__m256d; 2]; D];

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_outer<const D: usize, const L: usize>(a: &[f64; L], b: &[f64; L], sums: &mut Sums<D>) {
        for (quad, b) in b.as_chunks::<4>().0.iter().enumerate() {
            // SAFETY: four numbers can be read from an array of four.
            let b = unsafe { _mm256_loadu_pd(b.as_ptr()) };
            for p in 0..D {
                sums[p][quad] = _mm256_fmadd_pd(_mm256_set1_pd(a[p]), b, sums[p][quad]);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn add_products<const D: usize, const L: usize>(
        first: PatchRows<'_, L>,
        second: PatchRows<'_, L>,
        (rows, columns): (usize, usize),
        sums: &mut [[f64; L]; D],
    ) {
        const { assert!((L == 4 || L == 8) && D <= L) };
        // Two sums: additions to one would wait for each other.
        let (mut even, mut odd) = ([[_mm256_setzero_pd(); 2]; D], [[_mm256_setzero_pd(); 2]; D]);
        for row in 0..rows {
            let a = &first.pixels[row * first.pitch..][..columns];
            let b = &second.pixels[row * second.pitch..][..columns];
            let (pairs_a, last_a) = a.as_chunks::<2>();
            let (pairs_b, last_b) = b.as_chunks::<2>();
            for (a, b) in pairs_a.iter().zip(pairs_b) {
                add_outer(&a[0], &b[0], &mut even);
                // Eight lanes have sums enough, and two sets of them do not fit into sixteen registers.
                add_outer(&a[1], &b[1], if L == 4 { &mut odd } else { &mut even });
            }
            for (a, b) in last_a.iter().zip(last_b) {
                add_outer(a, b, &mut even);
            }
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            for (quad, sums) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                // SAFETY: four numbers can be read from and written to an array of four.
                unsafe {
                    let sum = _mm256_add_pd(_mm256_loadu_pd(sums.as_ptr()), even[p][quad]);
                    _mm256_storeu_pd(sums.as_mut_ptr(), _mm256_add_pd(sum, odd[p][quad]));
                }
            }
        }
    }
}

mod any {
    use super::{PatchRows, Real, PLANE_LANES};

    #[inline(always)]
    fn add_outer<const FUSED: bool, const D: usize, const L: usize>(
        a: &[f64; L],
        b: &[f64; L],
        sums: &mut [[f64; L]; D],
    ) {
        for p in 0..D {
            for q in 0..L {
                sums[p][q] = a[p].multiply_add::<FUSED>(b[q], sums[p][q]);
            }
        }
    }

    #[inline(always)]
    pub fn add_products<const FUSED: bool, const D: usize, const L: usize>(
        first: PatchRows<'_, L>,
        second: PatchRows<'_, L>,
        (rows, columns): (usize, usize),
        sums: &mut [[f64; L]; D],
    ) {
        // Two sums: additions to one would wait for each other.
        let (mut even, mut odd) = ([[0.0; L]; D], [[0.0; L]; D]);
        for row in 0..rows {
            let a = &first.pixels[row * first.pitch..][..columns];
            let b = &second.pixels[row * second.pitch..][..columns];
            let (pairs_a, last_a) = a.as_chunks::<2>();
            let (pairs_b, last_b) = b.as_chunks::<2>();
            for (a, b) in pairs_a.iter().zip(pairs_b) {
                add_outer::<FUSED, D, L>(&a[0], &b[0], &mut even);
                add_outer::<FUSED, D, L>(&a[1], &b[1], &mut odd);
            }
            for (a, b) in last_a.iter().zip(last_b) {
                add_outer::<FUSED, D, L>(a, b, &mut even);
            }
        }
        for p in 0..D {
            for q in 0..L {
                sums[p][q] += even[p][q] + odd[p][q];
            }
        }
    }

    #[inline(always)]
    pub fn combine<const FUSED: bool, T: Real, const L: usize>(
        planes: &[T],
        (plane, pitch): (usize, usize),
        columns: &[[f64; L]],
        side: usize,
        to: &mut [[f64; L]],
    ) {
        let first = (pitch / 2 - side / 2) * (pitch + 1);
        for (row, to) in to[..side * side].chunks_exact_mut(side).enumerate() {
            to.fill([0.0; L]);
            for (j, column) in columns.iter().enumerate() {
                let values = &planes[j * plane + first + row * pitch..][..side];
                for (to, value) in to.iter_mut().zip(values) {
                    let value = value.f64();
                    for q in 0..L {
                        to[q] = value.multiply_add::<FUSED>(column[q], to[q]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    pub fn join<const FUSED: bool>(parts: &[(f32, &[f32])], to: &mut [f32]) {
        let (pieces, rest) = to.as_chunks_mut::<PLANE_LANES>();
        assert!(rest.is_empty(), "planes of a multiple of {PLANE_LANES} values");
        for (at, piece) in pieces.iter_mut().enumerate() {
            let mut sum = [0.0; PLANE_LANES];
            for (weight, plane) in parts {
                let values = &plane[at * PLANE_LANES..][..PLANE_LANES];
                for k in 0..PLANE_LANES {
                    sum[k] = weight.multiply_add::<FUSED>(values[k], sum[k]);
                }
            }
            *piece = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> impl Iterator<Item = SimdPath> {
        [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512].into_iter().filter_map(|p| p.checked().ok())
    }

    fn value(i: usize) -> f64 {
        ((i * 37 % 101) as f64 - 50.0) * 0.02
    }

    fn pixels<const L: usize>(count: usize, from: usize) -> Vec<[f64; L]> {
        (0..count).map(|i| std::array::from_fn(|q| value(from + i * L + q))).collect()
    }

    fn check_products<const D: usize, const L: usize>() {
        let (pitch_a, pitch_b) = (13, 17);
        let (a, b) = (pixels::<L>(pitch_a * 13, 3), pixels::<L>(pitch_b * 17, 71));
        for (path, (rows, columns)) in
            paths().flat_map(|p| [(0, 0), (1, 1), (3, 2), (1, 13), (9, 7), (13, 13)].map(|shape| (p, shape)))
        {
            let mut sums = [[0.25; L]; D];
            let first = PatchRows { pixels: &a, pitch: pitch_a };
            let second = PatchRows { pixels: &b[5..], pitch: pitch_b };
            add_products(path, first, second, (rows, columns), &mut sums);
            for (p, q) in (0..D).flat_map(|p| (0..L).map(move |q| (p, q))) {
                let mut wanted = 0.25;
                for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                    wanted += a[r * pitch_a + c][p] * second.pixels[r * pitch_b + c][q];
                }
                let got = sums[p][q];
                assert!((got - wanted).abs() < 1e-12, "{path:?} {rows} x {columns} [{p}, {q}]: {got} for {wanted}");
            }
        }
    }

    #[test]
    fn products_agree_with_plain_loops() {
        check_products::<3, 4>();
        check_products::<4, 4>();
        check_products::<5, 8>();
    }

    fn check_combination<T: Real, const L: usize>() {
        let (pitch, plane) = (9, 96);
        let planes: Vec<T> = (0..5 * plane).map(|i| T::of(value(i))).collect();
        let columns = pixels::<L>(5, 11);
        for (path, side) in paths().flat_map(|p| [1, 3, 7, 9].map(|side| (p, side))) {
            let mut got = vec![[f64::NAN; L]; 81];
            combine(path, &planes, (plane, pitch), &columns, side, &mut got);
            for (i, got) in got[..side * side].iter().enumerate() {
                let (row, column) = (4 - side / 2 + i / side, 4 - side / 2 + i % side);
                for q in 0..L {
                    let wanted: f64 =
                        (0..5).map(|j| planes[j * plane + row * pitch + column].f64() * columns[j][q]).sum();
                    assert!((got[q] - wanted).abs() < 1e-12, "{path:?} {side} {i}: {} for {wanted}", got[q]);
                }
            }
        }
    }

    #[test]
    fn combinations_agree_with_plain_loops() {
        check_combination::<f32, 4>();
        check_combination::<f64, 8>();
    }

    #[test]
    fn planes_are_joined() {
        let table: Vec<f32> = (0..500).map(|i| value(i) as f32).collect();
        let parts = [(0.5f32, 0), (-1.5, 33), (0.25, 400)].map(|(weight, begin)| (weight, &table[begin..]));
        for path in paths() {
            let mut got = vec![f32::NAN; 3 * PLANE_LANES];
            join(path, &parts, &mut got);
            for (i, got) in got.iter().enumerate() {
                let wanted: f32 = parts.iter().map(|(weight, plane)| weight * plane[i]).sum();
                assert!((got - wanted).abs() < 1e-6, "{path:?} {i}: {got} for {wanted}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn short_planes_are_refused() {
        join(SimdPath::detect(), &[(1.0, &[0.0; 40])], &mut [0.0; 2 * PLANE_LANES]);
    }
}
