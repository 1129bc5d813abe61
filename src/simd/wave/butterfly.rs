//! Discrete Fourier transforms of a few points over lanes: the butterflies of the stages of a transform.

use super::pack::Pack;
use crate::simd::Real;
use num_complex::Complex;

/// A complex number per lane.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Cx<P> {
    pub(super) re: P,
    pub(super) im: P,
}

impl<P: Pack> Cx<P> {
    #[inline(always)]
    pub(super) fn zero() -> Self {
        let zero = P::all(P::Scalar::of(0.0));
        Self { re: zero, im: zero }
    }
    #[inline(always)]
    pub(super) fn all(value: Complex<P::Scalar>) -> Self {
        Self { re: P::all(value.re), im: P::all(value.im) }
    }
    /// Real and imaginary part exchanged: turns a forward transform into a backward one.
    #[inline(always)]
    pub(super) fn swapped(self) -> Self {
        Self { re: self.im, im: self.re }
    }
    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        Self { re: self.re.plus(other.re), im: self.im.plus(other.im) }
    }
    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        Self { re: self.re.minus(other.re), im: self.im.minus(other.im) }
    }
    /// self - i other
    #[inline(always)]
    fn minus_i(self, other: Self) -> Self {
        Self { re: self.re.plus(other.im), im: self.im.minus(other.re) }
    }
    /// self + i other
    #[inline(always)]
    fn plus_i(self, other: Self) -> Self {
        Self { re: self.re.minus(other.im), im: self.im.plus(other.re) }
    }
    /// self + factor other
    #[inline(always)]
    fn plus_times(self, factor: P, other: Self) -> Self {
        Self { re: other.re.times_plus(factor, self.re), im: other.im.times_plus(factor, self.im) }
    }
    /// self - factor other
    #[inline(always)]
    fn minus_times(self, factor: P, other: Self) -> Self {
        Self { re: other.re.times_minus(factor, self.re), im: other.im.times_minus(factor, self.im) }
    }
    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        Self {
            re: self.im.times_minus(other.im, self.re.times(other.re)),
            im: self.im.times_plus(other.re, self.re.times(other.im)),
        }
    }
    #[inline(always)]
    pub(super) fn conjugate_if(self, yes: bool) -> Self {
        let sign = P::all(P::Scalar::of(if yes { -1.0 } else { 1.0 }));
        Self { re: self.re, im: self.im.times(sign) }
    }
    /// self * conj(other)
    #[inline(always)]
    pub(super) fn times_conjugate(self, other: Self) -> Self {
        Self {
            re: self.im.times_plus(other.im, self.re.times(other.re)),
            im: self.re.times_minus(other.im, self.im.times(other.re)),
        }
    }
}

#[inline(always)]
fn four<P: Pack>(x: [Cx<P>; 4]) -> [Cx<P>; 4] {
    let (even, odd) = (x[0].plus(x[2]), x[1].plus(x[3]));
    let (even_minus, odd_minus) = (x[0].minus(x[2]), x[1].minus(x[3]));
    [even.plus(odd), even_minus.minus_i(odd_minus), even.minus(odd), even_minus.plus_i(odd_minus)]
}

#[inline(always)]
fn eight<P: Pack>(x: &mut [Cx<P>]) {
    let half = P::all(P::Scalar::of(std::f64::consts::FRAC_1_SQRT_2));
    let even = four([x[0], x[2], x[4], x[6]]);
    let odd = four([x[1], x[3], x[5], x[7]]);
    (x[0], x[4]) = (even[0].plus(odd[0]), even[0].minus(odd[0]));
    // exp(-i pi/4) z sqrt(2) = (re + im) + i (im - re)
    let turned = Cx { re: odd[1].re.plus(odd[1].im), im: odd[1].im.minus(odd[1].re) };
    (x[1], x[5]) = (even[1].plus_times(half, turned), even[1].minus_times(half, turned));
    (x[2], x[6]) = (even[2].minus_i(odd[2]), even[2].plus_i(odd[2]));
    // exp(-3 i pi/4) z sqrt(2) = (im - re) - i (re + im)
    let turned = Cx { re: odd[3].im.minus(odd[3].re), im: odd[3].re.plus(odd[3].im) };
    x[3] = Cx { re: turned.re.times_plus(half, even[3].re), im: turned.im.times_minus(half, even[3].im) };
    x[7] = Cx { re: turned.re.times_minus(half, even[3].re), im: turned.im.times_plus(half, even[3].im) };
}

#[inline(always)]
fn three<P: Pack>(x: &mut [Cx<P>]) {
    let (sine, half) = (P::all(P::Scalar::of(0.75f64.sqrt())), P::all(P::Scalar::of(0.5)));
    let (sum, difference) = (x[1].plus(x[2]), x[1].minus(x[2]));
    let middle = x[0].minus_times(half, sum);
    x[0] = x[0].plus(sum);
    let turned = Cx { re: difference.im.times(sine), im: difference.re.times(sine) };
    x[1] = Cx { re: middle.re.plus(turned.re), im: middle.im.minus(turned.im) };
    x[2] = Cx { re: middle.re.minus(turned.re), im: middle.im.plus(turned.im) };
}

#[inline(always)]
fn five<P: Pack>(x: &mut [Cx<P>]) {
    let number = |value: f64| P::all(P::Scalar::of(value));
    let (c1, c2) = (number((0.4 * std::f64::consts::PI).cos()), number((0.8 * std::f64::consts::PI).cos()));
    let (s1, s2) = (number((0.4 * std::f64::consts::PI).sin()), number((0.8 * std::f64::consts::PI).sin()));
    let (outer, outer_minus) = (x[1].plus(x[4]), x[1].minus(x[4]));
    let (inner, inner_minus) = (x[2].plus(x[3]), x[2].minus(x[3]));
    let u1 = x[0].plus_times(c1, outer).plus_times(c2, inner);
    let u2 = x[0].plus_times(c2, outer).plus_times(c1, inner);
    let v1 = Cx::zero().plus_times(s1, outer_minus).plus_times(s2, inner_minus);
    let v2 = Cx::zero().plus_times(s2, outer_minus).minus_times(s1, inner_minus);
    x[0] = x[0].plus(outer).plus(inner);
    (x[1], x[4]) = (u1.minus_i(v1), u1.plus_i(v1));
    (x[2], x[3]) = (u2.minus_i(v2), u2.plus_i(v2));
}

#[inline(always)]
fn seven<P: Pack>(x: &mut [Cx<P>]) {
    let angle = |k: usize| std::f64::consts::TAU * k as f64 / 7.0;
    let (mut sums, mut differences) = ([Cx::zero(); 3], [Cx::zero(); 3]);
    for k in 0..3 {
        (sums[k], differences[k]) = (x[k + 1].plus(x[6 - k]), x[k + 1].minus(x[6 - k]));
    }
    let first = x[0];
    x[0] = first.plus(sums[0]).plus(sums[1]).plus(sums[2]);
    for k in 1..4 {
        let (mut u, mut v) = (first, Cx::zero());
        for j in 1..4 {
            u = u.plus_times(P::all(P::Scalar::of(angle(j * k).cos())), sums[j - 1]);
            v = v.plus_times(P::all(P::Scalar::of(angle(j * k).sin())), differences[j - 1]);
        }
        (x[k], x[7 - k]) = (u.minus_i(v), u.plus_i(v));
    }
}

/// Forward transform of `R` points per lane, in place; `R` is 1 or one of [`RADICES`].
#[inline(always)]
pub(super) fn butterfly<P: Pack, const R: usize>(x: &mut [Cx<P>; R]) {
    match R {
        1 => {}
        2 => (x[0], x[1]) = (x[0].plus(x[1]), x[0].minus(x[1])),
        3 => three(x),
        4 => {
            let y = four([x[0], x[1], x[2], x[3]]);
            x.copy_from_slice(&y);
        }
        5 => five(x),
        7 => seven(x),
        8 => eight(x),
        _ => unreachable!("a radix without a butterfly"),
    }
}

/// Radices with a butterfly of their own.
pub(super) const RADICES: [usize; 6] = [2, 3, 4, 5, 7, 8];
