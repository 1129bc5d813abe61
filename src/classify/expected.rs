//! Species by how strongly atoms scatter, from what is expected of each element.
//!
//! Values of a species scatter by a part of themselves, so that their logarithms are a mixture of Gaussians: that of
//! [`super::mixture()`], with an imagined value of each species where it is expected, [`SCATTER`] wide. A species of which there
//! are none yet keeps its place, and many atoms outvote it: no ratio of scattering has to be exact.
//!
//! What is expected is relative to the strongest species, whose typical value the values tell. From there medians lead to the
//! first classes: orbitals of noise are among the values, too, and a mean would follow them.

use super::mixture::{Found, Gaussian, Mixture, Run};
use crate::error::{Error, Result};
use crate::statistics::{median, MAD_TO_DEVIATION};

/// Exponent of the atomic number in the intensity of dark-field images, as a guess only: measured exponents lie between 1.5
/// and 1.9.
const Z_EXPONENT: f64 = 1.6;

/// Width of an imagined value, in its logarithm.
const SCATTER: f64 = 0.3;

/// Least width of the first classes, in the logarithm.
const LEAST_SCATTER: f64 = 0.02;

/// No value counts as less than this part of the weakest species that is expected.
const FLOOR: f64 = 0.2;

/// Rounds of the first classes at most; it takes a few.
const ROUNDS: usize = 100;

/// How strongly atoms scatter, in any unit: Z^1.6 where the atomic numbers ascend, else, in an order that they do not tell, each
/// half as strong as the next.
pub fn expected_strengths(species: &[u8]) -> Vec<f64> {
    let known = species.first().is_some_and(|z| *z > 0) && species.windows(2).all(|pair| pair[0] < pair[1]);
    let of = |(i, z): (usize, &u8)| match known {
        true => f64::from(*z).powf(Z_EXPONENT),
        false => 0.5f64.powi((species.len() - 1 - i) as i32),
    };
    species.iter().enumerate().map(of).collect()
}

/// Sorts `values`, heights or intensities, into as many classes as strengths are `expected`, in ascending order and in any unit:
/// those of [`expected_strengths`], or cross-sections ([`crate::forward::AdfTransfer::cross_section`]). Means are geometric;
/// `sigmas` are the deviations of the logarithms times the means.
///
/// # Errors
/// `Empty` without values or strengths, `NonFinite`, `Range` for strengths that are not positive, `Inconsistent` for ones that do
/// not ascend and for values of which the larger ones are not positive.
pub fn expected_mixture(values: &[f64], expected: &[f64]) -> Result<Mixture> {
    check_expected(expected)?;
    if values.is_empty() {
        return Err(Error::Empty { what: "values to classify".into(), why: "at least one is needed".into() });
    }
    Error::unless_finite("values to classify", "value", values)?;
    let strongest = median(&upper_group(values));
    if strongest.is_nan() || strongest <= 0.0 {
        let why = "the larger ones are not positive, as heights and intensities of atoms are".into();
        return Err(Error::Inconsistent { what: "values to classify".into(), why });
    }
    let last = expected.last().copied().unwrap_or(1.0);
    let ratios: Vec<f64> = expected.iter().map(|strength| strength / last).collect();
    let floor = FLOOR * ratios.first().copied().unwrap_or(1.0);
    let logs: Vec<f64> = values.iter().map(|v| (v / strongest).max(floor).ln()).collect();
    let imagined: Vec<Gaussian> = ratios
        .iter()
        .map(|ratio| Gaussian { weight: 1.0 / ratios.len() as f64, mean: ratio.ln(), sigma: SCATTER })
        .collect();
    let mut run = Run::from(first_classes(&logs, &imagined), imagined);
    run.follow(&logs, &|| Ok(()))?;
    let mut found = Found::of_run(run, 3 * ratios.len() - 1).told(&logs);
    found.means.iter_mut().zip(&mut found.sigmas).for_each(|(mean, sigma)| {
        *mean = strongest * mean.exp();
        *sigma *= *mean;
    });
    Ok(found)
}

/// Refuses strengths without meaning.
pub(super) fn check_expected(expected: &[f64]) -> Result<()> {
    if expected.is_empty() {
        return Err(Error::Empty { what: "expected strengths".into(), why: "one per species is needed".into() });
    }
    for (i, strength) in expected.iter().enumerate() {
        if !(strength.is_finite() && *strength > 0.0) {
            return Err(Error::range(format!("expected strength {i}"), strength, "a positive number"));
        }
        if i > 0 && *strength <= expected[i - 1] {
            let why = format!("{strength} follows {}; species stand in ascending order", expected[i - 1]);
            return Err(Error::Inconsistent { what: format!("expected strength {i}"), why });
        }
    }
    Ok(())
}

/// Classes about medians, from the means of `imagined`; a class without members stays where it is.
fn first_classes(logs: &[f64], imagined: &[Gaussian]) -> Vec<Gaussian> {
    let mut means: Vec<f64> = imagined.iter().map(|g| g.mean).collect();
    let nearest = |log: f64, means: &[f64]| {
        let off = |class: &usize| (log - means[*class]).abs();
        (0..means.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
    };
    let members = |classes: &[usize], class: usize| -> Vec<f64> {
        logs.iter().zip(classes).filter(|(_, c)| **c == class).map(|(log, _)| *log).collect()
    };
    let mut classes: Vec<usize> = logs.iter().map(|log| nearest(*log, &means)).collect();
    for _ in 0..ROUNDS {
        for (class, mean) in means.iter_mut().enumerate() {
            let of_class = members(&classes, class);
            *mean = if of_class.is_empty() { *mean } else { median(&of_class) };
        }
        let again: Vec<usize> = logs.iter().map(|log| nearest(*log, &means)).collect();
        if std::mem::replace(&mut classes, again) == classes {
            break;
        }
    }
    let off: Vec<f64> = logs.iter().zip(&classes).map(|(log, class)| (log - means[*class]).abs()).collect();
    let sigma = (MAD_TO_DEVIATION * median(&off)).max(LEAST_SCATTER);
    let total = (logs.len() + means.len()) as f64;
    let weight = |class: usize| (members(&classes, class).len() + 1) as f64 / total;
    means.iter().enumerate().map(|(class, mean)| Gaussian { weight: weight(class), mean: *mean, sigma }).collect()
}

/// The values of the strongest species, ascending: those above half of the 95 % quantile.
pub(crate) fn upper_group(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = sorted[(0.95 * (sorted.len() - 1) as f64) as usize];
    sorted.into_iter().filter(|v| *v > 0.5 * high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, Normal};

    #[test]
    fn strengths_follow_atomic_numbers_that_ascend() {
        let strengths = expected_strengths(&[29, 79]);
        assert!((strengths[0] / strengths[1] - 0.2).abs() < 0.01);
        assert_eq!(expected_strengths(&[79, 29, 14]), [0.25, 0.5, 1.0]);
        assert_eq!(expected_strengths(&[0]), [1.0]);
    }

    #[test]
    fn heights_tell_the_species_even_where_one_is_missing() {
        let heavy: Vec<f64> = (0..100).map(|i| 3.0 * (0.8 + 0.004 * f64::from(i))).collect();
        let expected = expected_strengths(&[29, 79]);
        let found = expected_mixture(&heavy, &expected).unwrap();
        assert!(found.class.iter().all(|class| *class == 1) && found.probabilities.iter().all(|p| p[1] > 0.99));
        assert!((found.means[0] / found.means[1] - 0.2).abs() < 0.01, "a missing species stays: {:?}", found.means);
        let light: Vec<f64> = (0..40).map(|i| 0.7 * (0.7 + 0.015 * f64::from(i))).collect();
        let both = expected_mixture(&[heavy, light].concat(), &expected).unwrap();
        assert!(both.class[..100].iter().all(|class| *class == 1) && both.class[100..].iter().all(|class| *class == 0));
        let few = expected_mixture(&[1.0, 0.0, -1.0, 1.0], &expected).unwrap();
        assert_eq!(few.class, [1, 0, 0, 1]);
    }

    /// Heights of three species, the middle one rare, whose strengths are not quite those expected; and orbitals of noise.
    #[test]
    fn rare_species_and_noise_are_told_apart() {
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(3);
        let (mut heights, mut truth) = (Vec::new(), Vec::new());
        for (class, count, strength) in [(0, 400, 0.16), (1, 12, 0.5), (2, 600, 1.0)] {
            let scatter = Normal::new(0.0, 0.08).unwrap();
            heights.extend((0..count).map(|_| 7.0 * strength * f64::exp(scatter.sample(&mut random))));
            truth.extend(vec![class; count]);
        }
        let expected = expected_strengths(&[29, 56, 79]);
        let found = expected_mixture(&heights, &expected).unwrap();
        let wrong = found.class.iter().zip(&truth).filter(|(a, b)| a != b).count();
        assert!(wrong == 0 && found.converged, "{wrong} of {}", truth.len());
        assert!((found.means[1] / 3.5 - 1.0).abs() < 0.1 && (found.fractions[2] - 0.59).abs() < 0.01, "{found:?}");
        heights.extend((0..30).map(|i| 0.01 * f64::from(i) - 0.1));
        let noisy = expected_mixture(&heights, &expected).unwrap();
        assert_eq!(noisy.class[..truth.len()], found.class);
        assert!(noisy.class[truth.len()..].iter().all(|class| *class == 0));
    }

    #[test]
    fn probabilities_are_those_of_the_odds() {
        // Two species that overlap: of the atoms told at p, a part p is right.
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
        let scatter = Normal::new(0.0, 0.25).unwrap();
        let draw = |strength: f64, random: &mut _| strength * f64::exp(scatter.sample(random));
        let truth: Vec<usize> = (0..4000).map(|i| usize::from(i % 4 == 0)).collect();
        let heights: Vec<f64> = truth.iter().map(|k| draw([1.0, 2.0][*k], &mut random)).collect();
        let found = expected_mixture(&heights, &[1.0, 2.2]).unwrap();
        let right = found.class.iter().zip(&truth).filter(|(a, b)| a == b).count() as f64;
        let told: f64 = found.probabilities.iter().zip(&found.class).map(|(p, k)| p[*k]).sum();
        assert!((right - told).abs() < 3.0 * (right * (1.0 - right / 4000.0)).sqrt(), "{right} {told}");
        assert!(right / 4000.0 > 0.9, "{right}");
    }

    #[test]
    fn bad_strengths_and_values_are_refused() {
        let code = |values: &[f64], expected: &[f64]| expected_mixture(values, expected).unwrap_err().code();
        assert_eq!(code(&[1.0], &[]), 301);
        assert_eq!(code(&[], &[1.0]), 301);
        assert_eq!(code(&[1.0], &[1.0, 0.0]), 103);
        assert_eq!(code(&[1.0], &[1.0, 1.0]), 302);
        assert_eq!(code(&[f64::NAN], &[1.0, 2.0]), 300);
        assert_eq!(code(&[-1.0, -2.0, -1.5], &[1.0, 2.0]), 302);
    }
}
