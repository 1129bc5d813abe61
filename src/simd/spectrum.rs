//! Products of spectra: the inner loops of convolutions with many probes.

use super::{Real, SimdPath};
use num_complex::Complex;

/// A transfer function over a half spectrum. That of a centrosymmetric probe is real: half the memory and traffic.
#[derive(Debug, Clone)]
pub enum Transfer<T> {
    /// Real values.
    Real(Vec<T>),
    /// Complex values.
    Complex(Vec<Complex<T>>),
}

impl<T: Real> Transfer<T> {
    /// From double precision; `real` drops the imaginary parts.
    pub fn new(values: &[Complex<f64>], real: bool) -> Self {
        if real {
            Transfer::Real(values.iter().map(|v| T::of(v.re)).collect())
        } else {
            Transfer::Complex(values.iter().map(|v| Complex::new(T::of(v.re), T::of(v.im))).collect())
        }
    }

    /// The value at an index.
    pub fn at(&self, index: usize) -> Complex<T> {
        match self {
            Transfer::Real(values) => Complex::new(values[index], T::zero()),
            Transfer::Complex(values) => values[index],
        }
    }
}

/// sum += transfer * spectrum
pub fn add_product<T: Real>(path: SimdPath, transfer: &Transfer<T>, spectrum: &[Complex<T>], sum: &mut [Complex<T>]) {
    match path {
        // SAFETY: paths are made by `SimdPath::detect` or `checked`, which test the processor for their features.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { product_avx512::<T, false>(transfer, spectrum, sum) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { product_avx2::<T, false>(transfer, spectrum, sum) },
        _ => product_any::<T, false, false>(transfer, spectrum, sum),
    }
}

/// sum += conj(transfer) * spectrum, the adjoint of [`add_product`] with respect to the spectrum
pub fn add_adjoint_product<T: Real>(
    path: SimdPath,
    transfer: &Transfer<T>,
    spectrum: &[Complex<T>],
    sum: &mut [Complex<T>],
) {
    match path {
        // SAFETY: as in `add_product`.
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx512 => unsafe { product_avx512::<T, true>(transfer, spectrum, sum) },
        #[cfg(target_arch = "x86_64")]
        SimdPath::Avx2 => unsafe { product_avx2::<T, true>(transfer, spectrum, sum) },
        _ => product_any::<T, true, false>(transfer, spectrum, sum),
    }
}

macro_rules! compile_for {
    ($features:literal, $name:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $name<T: Real, const CONJUGATE: bool>(
            transfer: &Transfer<T>,
            spectrum: &[Complex<T>],
            sum: &mut [Complex<T>],
        ) {
            product_any::<T, CONJUGATE, true>(transfer, spectrum, sum)
        }
    };
}
compile_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", product_avx512);
compile_for!("avx2,fma", product_avx2);

#[inline(always)]
fn product_any<T: Real, const CONJUGATE: bool, const FUSED: bool>(
    transfer: &Transfer<T>,
    spectrum: &[Complex<T>],
    sum: &mut [Complex<T>],
) {
    match transfer {
        Transfer::Real(transfer) => {
            for ((sum, value), factor) in sum.iter_mut().zip(spectrum).zip(transfer) {
                sum.re = value.re.multiply_add::<FUSED>(*factor, sum.re);
                sum.im = value.im.multiply_add::<FUSED>(*factor, sum.im);
            }
        }
        Transfer::Complex(transfer) => {
            for ((sum, value), factor) in sum.iter_mut().zip(spectrum).zip(transfer) {
                let im = if CONJUGATE { -factor.im } else { factor.im };
                sum.re += factor.re * value.re - im * value.im;
                sum.im += factor.re * value.im + im * value.re;
            }
        }
    }
}
