//! The two floating-point types of the kernels, and their exponential over lanes.

use rustfft::FftNum;
use std::ops::{AddAssign, MulAssign, SubAssign};

/// f32 (kernels) or f64 (verification).
pub trait Real:
    FftNum
    + Default
    + PartialOrd
    + AddAssign
    + SubAssign
    + MulAssign
    + std::iter::Sum
    + super::wave::Packs
    + super::matrix::Product
{
    /// Half width of an orbital's window in units of sqrt(B) beyond which exp(-r^2 / B) is negligible in this type.
    const CUTOFF: f64;
    /// Distance from 1 to the next larger value.
    const EPSILON: f64;
    /// Name in records.
    const NAME: &'static str;
    /// Nearest value of this type.
    fn of(value: f64) -> Self;
    /// Exact value as f64.
    fn f64(self) -> f64;
    /// Fused multiply-add where the path has it (`FUSED`), else two roundings: the fused one is a slow call without hardware.
    fn multiply_add<const FUSED: bool>(self, factor: Self, addend: Self) -> Self;
    /// exp of every lane, for arguments in [-87, 0]; smaller ones count as -87.
    fn exp_lanes<const W: usize>(x: &mut [Self; W]);
}

impl Real for f32 {
    const CUTOFF: f64 = 3.4;
    const EPSILON: f64 = f32::EPSILON as f64;
    const NAME: &'static str = "single";
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn multiply_add<const FUSED: bool>(self, factor: Self, addend: Self) -> Self {
        if FUSED {
            self.mul_add(factor, addend)
        } else {
            self * factor + addend
        }
    }
    /// 2^i times the Taylor polynomial of the rest, |rest| <= ln 2 / 2: relative error about 2e-7.
    #[inline(always)]
    fn exp_lanes<const W: usize>(x: &mut [Self; W]) {
        // In t + 1.5 * 2^23 the lowest bits hold the nearest integer; a cast would be done lane by lane.
        const ROUND: f32 = 12_582_912.0;
        for v in x.iter_mut() {
            let t = v.max(-87.0) * std::f32::consts::LOG2_E;
            let i = t + ROUND;
            let f = (t - (i - ROUND)) * std::f32::consts::LN_2;
            let p = 1.0 / 120.0 + f * (1.0 / 720.0 + f * (1.0 / 5040.0));
            let p = 1.0 + f * (1.0 + f * (0.5 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * p))));
            *v = p * f32::from_bits((i.to_bits() << 23).wrapping_add(127 << 23));
        }
    }
}

impl Real for f64 {
    const CUTOFF: f64 = 6.2;
    const EPSILON: f64 = f64::EPSILON;
    const NAME: &'static str = "double";
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn multiply_add<const FUSED: bool>(self, factor: Self, addend: Self) -> Self {
        if FUSED {
            self.mul_add(factor, addend)
        } else {
            self * factor + addend
        }
    }
    /// The same in double precision: relative error about 3e-16.
    #[inline(always)]
    fn exp_lanes<const W: usize>(x: &mut [Self; W]) {
        const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
        const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        const ROUND: f64 = 6_755_399_441_055_744.0;
        for v in x.iter_mut() {
            let t = v.max(-87.0);
            let rounded = t * std::f64::consts::LOG2_E + ROUND;
            let i = rounded - ROUND;
            let f = (t - i * LN_2_HIGH) - i * LN_2_LOW;
            let mut p = 1.0;
            for n in (1..=14).rev() {
                p = 1.0 + f * p / n as f64;
            }
            *v = p * f64::from_bits((rounded.to_bits() << 52).wrapping_add(1023 << 52));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_over_lanes_is_accurate() {
        for step in 0..1000 {
            let x = -0.0123456 * step as f64;
            let mut single = [x as f32; 16];
            f32::exp_lanes(&mut single);
            assert!((single[3].f64() / (x as f32).f64().exp() - 1.0).abs() < 2e-6, "{x}");
            let mut double = [x; 8];
            f64::exp_lanes(&mut double);
            assert!((double[3] / x.exp() - 1.0).abs() < 2e-15, "{x}");
        }
        let mut far = [-1e4f32; 16];
        f32::exp_lanes(&mut far);
        assert!(far[0] > 0.0 && far[0] < 1e-37);
    }
}
