//! Comparison of a calculated with a measured image: losses with their derivative, R factor, intensity fit.

use crate::simd::Real;

/// What is minimised; values are sums over pixels, divided by the number of pixels evaluated by the caller.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Loss {
    /// 1/2 (I_obs - I_cal)^2, formula (5) of the LOT paper.
    Mse,
    /// w/2 (I_obs - I_cal)^2 with a weight of the whole image: the likelihood of Gaussian noise of the variance 1 / w.
    Gaussian {
        /// w.
        weight: f64,
    },
    /// I_cal - I_obs ln I_cal, the negative log-likelihood of counts up to a constant. Calculated intensities may be
    /// small or negative, where it is not defined: below `floor` it goes on with the same value and slope as
    /// (I_obs - I_cal)^2 / (2 floor), that of Gaussian noise whose variance is `floor`. The whole is convex, and its
    /// curvature below the floor is the [`weight`](Self::weight) that second-order methods reckon with; the Taylor
    /// polynomial of the logarithm, with I_obs / floor^2, would be steeper by far.
    Poisson {
        /// Smallest intensity at which the logarithm is used, and smallest variance, in the unit of the images.
        floor: f64,
    },
    /// 2 (sqrt(I_obs + e) - sqrt(I_cal + e))^2, with e 3/8 of a count in the unit of the images: least squares of counts whose
    /// root makes their noise alike (Anscombe, Biometrika 35, 246 (1948)), per count of the unit, so that it has the scale of
    /// [`Self::Poisson`]. Below 0, where no intensity of counts is, it goes on with the same value and slope and the
    /// curvature 1 / e: the whole is convex. Its minimum lies a quarter of a count below the mean of bright pixels.
    Anscombe {
        /// e, 3/8 of a count.
        offset: f64,
    },
    /// 1/2 (I_obs - I_cal)^2 up to a difference of the threshold t, t |I_obs - I_cal| - t^2 / 2 beyond (Huber, Ann. Math.
    /// Stat. 35, 73 (1964)): pixels that have nothing to do with the specimen pull with t at most. Infinite t: mse.
    Huber {
        /// t, in the unit of the images.
        threshold: f64,
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
    /// over counts of that intensity (Fisher scoring). mse: 1; Gaussian: w; Poisson: 1 / max(I_cal, floor), where the observed
    /// curvature I_obs / I_cal^2 would vanish at empty pixels; Anscombe: 1 / (max(I_cal, 0) + e). Huber: that of the
    /// parabola which touches the loss there and is above it everywhere, min(1, t / |I_obs - I_cal|), so that a full step
    /// never overshoots; its own curvature is 0 beyond t.
    pub fn weight(self, calculated: f64, observed: f64) -> f64 {
        match self {
            Loss::Mse => 1.0,
            Loss::Gaussian { weight } => weight,
            Loss::Poisson { floor } => 1.0 / calculated.max(floor),
            Loss::Anscombe { offset } => 1.0 / (calculated.max(0.0) + offset),
            Loss::Huber { threshold } => (threshold / (calculated - observed).abs()).min(1.0),
        }
    }

    /// Loss and derivative at one pixel.
    pub(crate) fn at(self, calculated: f64, observed: f64) -> (f64, f64) {
        match self {
            Loss::Mse => {
                let difference = calculated - observed;
                (0.5 * difference * difference, difference)
            }
            Loss::Gaussian { weight } => {
                let difference = calculated - observed;
                (0.5 * weight * difference * difference, weight * difference)
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
            Loss::Anscombe { offset } => {
                let (of_observed, above) = ((observed + offset).sqrt(), calculated.max(0.0));
                let root = (above + offset).sqrt();
                let (value, slope) = (2.0 * (of_observed - root).powi(2), 2.0 * (1.0 - of_observed / root));
                let below = calculated.min(0.0);
                (value + below * (slope + 0.5 * below / offset), slope + below / offset)
            }
            Loss::Huber { threshold } => {
                let difference = calculated - observed;
                match difference.abs() {
                    far if far > threshold => (threshold * (far - 0.5 * threshold), threshold.copysign(difference)),
                    _ => (0.5 * difference * difference, difference),
                }
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
        for loss in ALL {
            for calculated in [-2.0, -1e-3, 0.1, 0.499, 0.501, 3.0] {
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
        assert_eq!(Loss::Mse.weight(3.0, 1.0), 1.0);
        let loss = Loss::Poisson { floor: 0.5 };
        for calculated in [0.6, 2.0, 7.0] {
            // The curvature is linear in the counts, so that its expectation is the one at the expected counts.
            assert!((second(loss, calculated, calculated) * loss.weight(calculated, 0.0).recip() - 1.0).abs() < 1e-6);
        }
        assert_eq!(loss.weight(-1.0, 0.0), 2.0);
        // Of Anscombe's, where the counts are what is expected; below 0 everywhere.
        let loss = Loss::Anscombe { offset: 0.375 };
        for calculated in [0.1, 2.0, 70.0] {
            assert!((second(loss, calculated, calculated) / loss.weight(calculated, 0.0) - 1.0).abs() < 1e-4);
        }
        assert!((second(loss, -1.0, 5.0) / loss.weight(-1.0, 5.0) - 1.0).abs() < 1e-6);
    }

    const ALL: [Loss; 5] = [
        Loss::Mse,
        Loss::Gaussian { weight: 0.3 },
        Loss::Poisson { floor: 0.5 },
        Loss::Anscombe { offset: 0.375 },
        Loss::Huber { threshold: 0.9 },
    ];

    #[test]
    fn losses_are_convex_and_least_at_the_measured_value() {
        for loss in ALL {
            for observed in [0.0, 0.7, 5.0] {
                let slopes: Vec<f64> = (-40..80).map(|i| loss.at(0.1 * f64::from(i), observed).1).collect();
                assert!(slopes.windows(2).all(|s| s[0] <= s[1]), "{loss:?} {observed}");
                // Below its floor, that of Poisson is least at the measured value, too: no count is between 0 and the floor.
                let least = loss.at(observed, observed).1;
                assert!(least.abs() < 1e-12, "{loss:?} {observed}: {least}");
            }
        }
    }

    #[test]
    fn outliers_pull_with_the_threshold_and_weigh_no_more() {
        let loss = Loss::Huber { threshold: 0.9 };
        assert_eq!(loss.at(3.0, 2.5), Loss::Mse.at(3.0, 2.5));
        assert_eq!((loss.at(3.0, 1e6).1, loss.at(3.0, -1e6).1), (-0.9, 0.9));
        for (calculated, observed) in [(0.0, 0.3), (0.0, 4.0), (2.0, -3.0)] {
            // the parabola of the weight touches the loss, and is above it
            let (value, slope) = loss.at(calculated, observed);
            let weight = loss.weight(calculated, observed);
            for step in [-4.0, -0.5, 0.1, 1.0, 7.0] {
                let above = value + slope * step + 0.5 * weight * step * step;
                assert!(loss.at(calculated + step, observed).0 <= above + 1e-12, "{calculated} {observed} {step}");
            }
        }
        let endless = Loss::Huber { threshold: f64::INFINITY };
        assert_eq!((endless.at(1.0, 1e6), endless.weight(1.0, 1e6)), (Loss::Mse.at(1.0, 1e6), 1.0));
    }

    #[test]
    fn roots_of_counts_are_the_loss_of_anscombe() {
        // In images of 4 counts per unit, loss per count of the unit.
        let loss = Loss::Anscombe { offset: 0.375 / 4.0 };
        for (calculated, observed) in [(0.0, 0.0), (0.25, 1.0), (20.0, 17.25)] {
            let transformed = |v: f64| 2.0 * (4.0 * v + 0.375).sqrt();
            let half_square = 0.5 * (transformed(observed) - transformed(calculated)).powi(2);
            assert!((loss.at(calculated, observed).0 - half_square / 4.0).abs() < 1e-12);
        }
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
                assert!((slope - (calculated - observed) * loss.weight(calculated, observed)).abs() < 1e-12);
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
