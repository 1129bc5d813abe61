//! Vectors of numbers in which every lane works on a line of its own: 16, 8 or 4 lines of a wave at once.

use crate::simd::Real;

/// A piece of work to be compiled with the instructions of a pack; its `run` must be `#[inline(always)]`.
#[doc(hidden)]
pub trait Work {
    /// Does it.
    fn run(self);
}

/// `LANES` numbers in one register.
///
/// The methods are thin: they are compiled into functions that enable the instructions they stand for, and must be
/// called from [`Work`] only.
#[doc(hidden)]
pub trait Pack: Copy + Send + Sync + 'static {
    /// Type of a lane.
    type Scalar: Real;
    /// Lanes per register.
    const LANES: usize;
    /// Largest power of two whose butterfly stays in registers.
    const RADIX: usize;

    /// Runs `work` as a function of its own that is compiled with the instructions of this pack.
    ///
    /// # Safety
    /// The processor has these instructions.
    unsafe fn compiled<W: Work>(work: W);
    /// The same number in all lanes.
    fn all(value: Self::Scalar) -> Self;
    /// # Safety
    /// `LANES` numbers can be read from `from`.
    unsafe fn load(from: *const Self::Scalar) -> Self;
    /// # Safety
    /// `LANES` numbers can be written to `to`.
    unsafe fn store(self, to: *mut Self::Scalar);
    /// self + other
    fn plus(self, other: Self) -> Self;
    /// self - other
    fn minus(self, other: Self) -> Self;
    /// self * other
    fn times(self, other: Self) -> Self;
    /// self * factor + addend
    fn times_plus(self, factor: Self, addend: Self) -> Self;
    /// addend - self * factor
    fn times_minus(self, factor: Self, addend: Self) -> Self;
    /// Transposes a square of `LANES` x `LANES` numbers; the pitches are the distances between its rows.
    ///
    /// # Safety
    /// Both squares lie within their allocations and do not overlap.
    unsafe fn transpose(from: *const Self::Scalar, from_pitch: usize, to: *mut Self::Scalar, to_pitch: usize);
}

#[inline(never)]
fn plain<W: Work>(work: W) {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
fn with_avx2<W: Work>(work: W) {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
fn with_avx512<W: Work>(work: W) {
    work.run()
}

/// An array as a pack: what the compiler makes of it, on any processor.
#[derive(Clone, Copy)]
pub struct Array<T, const W: usize, const FUSED: bool>([T; W]);

impl<T: Real, const W: usize, const FUSED: bool> Array<T, W, FUSED> {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        let mut result = self;
        for (a, b) in result.0.iter_mut().zip(other.0) {
            *a = f(*a, b);
        }
        result
    }
}

impl<T: Real, const W: usize, const FUSED: bool> Pack for Array<T, W, FUSED> {
    type Scalar = T;
    const LANES: usize = W;
    const RADIX: usize = 4;

    unsafe fn compiled<K: Work>(work: K) {
        if !FUSED {
            return plain(work);
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller grants the instructions.
        unsafe {
            with_avx2(work)
        }
    }
    #[inline(always)]
    fn all(value: T) -> Self {
        Self([value; W])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller grants W numbers; an array of them needs no more than their alignment.
        Self(unsafe { from.cast::<[T; W]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[T; W]>().write(self.0) }
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, addend: Self) -> Self {
        let mut result = addend;
        for (r, (a, b)) in result.0.iter_mut().zip(self.0.into_iter().zip(factor.0)) {
            *r = a.multiply_add::<FUSED>(b, *r);
        }
        result
    }
    #[inline(always)]
    fn times_minus(self, factor: Self, addend: Self) -> Self {
        let mut result = addend;
        for (r, (a, b)) in result.0.iter_mut().zip(self.0.into_iter().zip(factor.0)) {
            *r = (-a).multiply_add::<FUSED>(b, *r);
        }
        result
    }
    #[inline(always)]
    unsafe fn transpose(from: *const T, from_pitch: usize, to: *mut T, to_pitch: usize) {
        for i in 0..W {
            for j in 0..W {
                // SAFETY: the caller grants both squares.
                unsafe { *to.add(j * to_pitch + i) = *from.add(i * from_pitch + j) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{with_avx2, with_avx512, Pack, Work};
    use std::arch::x86_64::*;

    macro_rules! methods {
        ($register:ident, $all:ident, $load:ident, $store:ident, $plus:ident, $minus:ident, $times:ident, $fused:ident, $negated:ident) => {
            #[inline(always)]
            fn all(value: f32) -> Self {
                // SAFETY: packs are used in functions only that enable their instructions; the same below.
                Self(unsafe { $all(value) })
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller grants `LANES` numbers; unaligned access is what this instruction is for.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as in `load`.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                // SAFETY: as in `all`.
                Self(unsafe { $plus(self.0, other.0) })
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                // SAFETY: as in `all`.
                Self(unsafe { $minus(self.0, other.0) })
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                // SAFETY: as in `all`.
                Self(unsafe { $times(self.0, other.0) })
            }
            #[inline(always)]
            fn times_plus(self, factor: Self, addend: Self) -> Self {
                // SAFETY: as in `all`.
                Self(unsafe { $fused(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            fn times_minus(self, factor: Self, addend: Self) -> Self {
                // SAFETY: as in `all`.
                Self(unsafe { $negated(self.0, factor.0, addend.0) })
            }
        };
    }

    /// 8 numbers of single precision in an AVX register.
    #[derive(Clone, Copy)]
    pub struct Avx(__m256);

    impl Pack for Avx {
        type Scalar = f32;
        const LANES: usize = 8;
        // 16 registers do not hold 8 complex numbers and their intermediate results.
        const RADIX: usize = 4;

        unsafe fn compiled<W: Work>(work: W) {
            // SAFETY: the caller grants the instructions.
            unsafe { with_avx2(work) }
        }
        methods!(
            __m256,
            _mm256_set1_ps,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_add_ps,
            _mm256_sub_ps,
            _mm256_mul_ps,
            _mm256_fmadd_ps,
            _mm256_fnmadd_ps
        );

        /// Quarters of 4 x 4 numbers are gathered from memory in their places; two levels of shuffles remain.
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
            // SAFETY: the caller grants both squares.
            unsafe {
                for half in 0..2 {
                    let row = |k: usize| {
                        let quarter = |j: usize| _mm_loadu_ps(from.add((4 * j + k) * from_pitch + 4 * half));
                        _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(quarter(0)), quarter(1))
                    };
                    let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
                    let a = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
                    let b = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
                    let c = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
                    let d = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
                    let place = |k: usize| to.add((4 * half + k) * to_pitch);
                    _mm256_storeu_ps(place(0), _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)));
                    _mm256_storeu_ps(place(1), _mm256_castpd_ps(_mm256_unpackhi_pd(a, c)));
                    _mm256_storeu_ps(place(2), _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)));
                    _mm256_storeu_ps(place(3), _mm256_castpd_ps(_mm256_unpackhi_pd(b, d)));
                }
            }
        }
    }

    /// 16 numbers of single precision in an AVX-512 register.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Pack for Avx512 {
        type Scalar = f32;
        const LANES: usize = 16;
        const RADIX: usize = 8;

        unsafe fn compiled<W: Work>(work: W) {
            // SAFETY: the caller grants the instructions.
            unsafe { with_avx512(work) }
        }
        methods!(
            __m512,
            _mm512_set1_ps,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_add_ps,
            _mm512_sub_ps,
            _mm512_mul_ps,
            _mm512_fmadd_ps,
            _mm512_fnmadd_ps
        );

        /// As for 8 lanes, with four quarters.
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
            // SAFETY: the caller grants both squares.
            unsafe {
                for column in 0..4 {
                    let row = |k: usize| {
                        let quarter = |j: usize| _mm_loadu_ps(from.add((4 * j + k) * from_pitch + 4 * column));
                        let row = _mm512_castps128_ps512(quarter(0));
                        let row = _mm512_insertf32x4::<1>(row, quarter(1));
                        let row = _mm512_insertf32x4::<2>(row, quarter(2));
                        _mm512_insertf32x4::<3>(row, quarter(3))
                    };
                    let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
                    let a = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
                    let b = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
                    let c = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
                    let d = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
                    let place = |k: usize| to.add((4 * column + k) * to_pitch);
                    _mm512_storeu_ps(place(0), _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)));
                    _mm512_storeu_ps(place(1), _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)));
                    _mm512_storeu_ps(place(2), _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)));
                    _mm512_storeu_ps(place(3), _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)));
                }
            }
        }
    }
}

/// The packs of a scalar type, one per instruction-set path.
#[doc(hidden)]
pub trait Packs: Sized {
    /// Of the AVX-512 path.
    type Avx512: Pack<Scalar = Self>;
    /// Of the AVX2 path.
    type Avx2: Pack<Scalar = Self>;
    /// Of the portable path.
    type Portable: Pack<Scalar = Self>;
}

impl Packs for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::Avx512;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::Avx;
    #[cfg(not(target_arch = "x86_64"))]
    type Avx512 = Array<f32, 4, false>;
    #[cfg(not(target_arch = "x86_64"))]
    type Avx2 = Array<f32, 4, false>;
    type Portable = Array<f32, 4, false>;
}

/// Double precision is for verification: what the compiler makes of arrays is fast enough.
impl Packs for f64 {
    type Avx512 = Array<f64, 4, true>;
    type Avx2 = Array<f64, 4, true>;
    type Portable = Array<f64, 2, false>;
}
