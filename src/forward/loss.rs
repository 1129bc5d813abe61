//! Comparison of a calculated with a measured image: losses with their derivative, R factor, intensity fit.

use crate::simd::Real;

/// What is minimised; values are sums over pixels, divided by the number of pixels evaluated by the caller.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Loss {
    /// 1/2 (I_obs - I_cal)^2, formula (5) of the LOT paper.
    Mse,
    /// I_cal - I_obs ln I_cal, the negative log-likelihood of counts up to a constant. Calculated intensities may be
    /// small or negative, where it is not defined: below `floor` it goes on with the same value and slope as
    /// (I_obs - I_cal)^2 / (2 floor), that of Gaussian noise whose variance is `floor`. The whole is convex, and its
    /// curvature below the floor is the [`weight`](Self::weight) that second-order methods reckon with; the Taylor
    /// polynomial of the logarithm, with I_obs / floor^2, would be steeper by far.
    Poisson {
        /// Smallest intensity at which the logarithm is used, and smallest variance, in the unit of the images.
        floor: f64,
    },
}

impl Loss {
    /// Sum of the loss over the used pixels of one image; `calculated` becomes its derivative dL/dI_cal
    /// (0 at masked pixels). `mask`: true where a pixel is used.
    pub fn evaluate<T: Real>(self, observed: &[f32], mask: Option<&[bool]>, calculated: &mut [T]) -> f64 {
        let used = |i: usize| mask.is_none_or(|m| m[i]);
        let mut sum = 0.0;
        for (i, (value, observed)) in calculated.iter_mut().zip(observed).enumerate() {
            if !used(i) {
                *value = T::zero();
                continue;
            }
            let (loss, slope) = self.at(value.f64(), f64::from(*observed));
            sum += loss;
            *value = T::of(slope);
        }
        sum
    }

    /// Weight of a pixel in the Gauss-Newton matrix: the second derivative of the loss with respect to I_cal, expected
    /// over counts of that intensity (Fisher scoring). mse: 1; Poisson: 1 / max(I_cal, floor), where the observed
    /// curvature I_obs / I_cal^2 would vanish at empty pixels.
    pub fn weight(self, calculated: f64) -> f64 {
        match self {
            Loss::Mse => 1.0,
            Loss::Poisson { floor } => 1.0 / calculated.max(floor),
        }
    }

    /// Loss and derivative at one pixel.
    pub(crate) fn at(self, calculated: f64, observed: f64) -> (f64, f64) {
        match self {
            Loss::Mse => {
                let difference = calculated - observed;
                (0.5 * difference * difference, difference)
            }
            Loss::Poisson { floor } if calculated > floor => {
                (calculated - observed * calculated.ln(), 1.0 - observed / calculated)
            }
            Loss::Poisson { floor } => {
                let (difference, at_floor) = (calculated - observed, floor - observed);
                let joined = floor - observed * floor.ln();
                // (I - n)^2 - (f - n)^2 as a product, exact at the floor
                let rise = 0.5 * (calculated - floor) * (difference + at_floor) / floor;
                (joined + rise, difference / floor)
            }
        }
    }
}

/// Least-squares a and b of observed = a calculated + b over the used pixels.
pub fn fit_intensity<T: Real>(observed: &[f32], mask: Option<&[bool]>, calculated: &[T]) -> (f64, f64) {
    let (mut n, mut o, mut c, mut oc, mut cc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, (observed, calculated)) in observed.iter().zip(calculated).enumerate() {
        if mask.is_none_or(|m| m[i]) {
            let (x, y) = (calculated.f64(), f64::from(*observed));
            (n, o, c, oc, cc) = (n + 1.0, o + y, c + x, oc + x * y, cc + x * x);
        }
    }
    let variance = n * cc - c * c;
    if n == 0.0 || variance <= 1e-12 * n * cc {
        return (0.0, if n > 0.0 { o / n } else { 0.0 });
    }
    let a = (n * oc - o * c) / variance;
    (a, (o - a * c) / n)
}

/// R = sum |I_obs - I_cal| / sum |I_obs|, formula (11) of the LOT paper, after fitting scale and background.
pub fn r_factor<T: Real>(observed: &[f32], mask: Option<&[bool]>, calculated: &[T]) -> f64 {
    let (a, b) = fit_intensity(observed, mask, calculated);
    let (mut difference, mut total) = (0.0, 0.0);
    for (i, (observed, calculated)) in observed.iter().zip(calculated).enumerate() {
        if mask.is_none_or(|m| m[i]) {
            let observed = f64::from(*observed);
            difference += (observed - a * calculated.f64() - b).abs();
            total += observed.abs();
        }
    }
    difference / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_agree_with_differences_on_both_sides_of_the_floor() {
        for loss in [Loss::Mse, Loss::Poisson { floor: 0.5 }] {
            for calculated in [-2.0, 0.1, 0.499, 0.501, 3.0] {
                for observed in [0.0, 0.7, 5.0] {
                    let difference =
                        (loss.at(calculated + 1e-6, observed).0 - loss.at(calculated - 1e-6, observed).0) / 2e-6;
                    assert!((loss.at(calculated, observed).1 - difference).abs() < 1e-6 * (1.0 + difference.abs()));
                }
            }
        }
    }

    #[test]
    fn weights_are_the_expected_curvature() {
        let second = |loss: Loss, calculated: f64, observed: f64| {
            (loss.at(calculated + 1e-6, observed).1 - loss.at(calculated - 1e-6, observed).1) / 2e-6
        };
        assert_eq!(Loss::Mse.weight(3.0), 1.0);
        let loss = Loss::Poisson { floor: 0.5 };
        for calculated in [0.6, 2.0, 7.0] {
            // The curvature is linear in the counts, so that its expectation is the one at the expected counts.
            assert!((second(loss, calculated, calculated) * loss.weight(calculated).recip() - 1.0).abs() < 1e-6);
        }
        assert_eq!(loss.weight(-1.0), 2.0);
    }

    #[test]
    fn below_the_floor_counts_have_gaussian_noise_of_that_variance() {
        let loss = Loss::Poisson { floor: 0.5 };
        for observed in [0.0, 0.7, 5.0] {
            let (value, slope) = loss.at(0.5, observed);
            let (above, slope_above) = loss.at(0.5 + 1e-12, observed);
            assert!((above - value).abs() < 1e-10 && (slope_above - slope).abs() < 1e-10);
            for calculated in [0.3, -4.0] {
                let gaussian = |i: f64| (i - observed).powi(2) / (2.0 * 0.5);
                let (found, slope) = loss.at(calculated, observed);
                assert!((found - value - gaussian(calculated) + gaussian(0.5)).abs() < 1e-12);
                // Convex: the slope only rises, and its slope is the weight.
                assert!((slope - (calculated - observed) * loss.weight(calculated)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn masked_pixels_do_not_count() {
        let (observed, mask) = ([1.0f32, 2.0, 30.0], [true, true, false]);
        let mut calculated = [2.0f64, 2.0, 2.0];
        assert_eq!(Loss::Mse.evaluate(&observed, Some(&mask), &mut calculated), 0.5);
        assert_eq!(calculated, [1.0, 0.0, 0.0]);
        assert!(r_factor(&observed, Some(&mask), &[3.0f64, 5.0, 0.0]) < 1e-12);
        let (a, b) = fit_intensity(&observed, Some(&mask), &[3.0f64, 5.0, 0.0]);
        assert!((a - 0.5).abs() < 1e-12 && (b + 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_flat_calculated_image_fits_as_background() {
        assert_eq!(fit_intensity(&[1.0f32, 3.0], None, &[7.0f64, 7.0]), (0.0, 2.0));
    }
}
