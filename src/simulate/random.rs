//! Random numbers of simulations: one stream per seed, purpose and item (image, phonon configuration). What is drawn for
//! one item depends neither on the other items nor on threads, and one effect can be switched on or off without changing
//! the numbers of another.

use crate::error::{Error, Result};
use rand_distr::{Distribution, Poisson};
use rand_pcg::Pcg64Mcg;

/// Largest mean of a Poisson law; doubles hold no single electrons long before.
const MOST_ELECTRONS: f64 = 1e18;

/// What random numbers are drawn for. The numbers are part of the seeds: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Number of electrons in each pixel, and what the detector makes of each.
    Shot = 0,
    /// Thermal displacements of atoms.
    Phonons = 1,
    /// Random walk of the specimen.
    Walk = 2,
    /// Jitter of scan rows.
    Jitter = 3,
    /// Dark electrons.
    Dark = 4,
    /// Read noise.
    Read = 5,
    /// Dark current of each pixel.
    DarkPattern = 6,
    /// Gain of each pixel.
    GainPattern = 7,
    /// Which pixels are dead or hot.
    Defects = 8,
}

/// The stream of `item` for one purpose under `seed`.
///
/// Seeds and items are scattered over the state by a bijective hash: states of a multiplicative generator that differ by
/// a multiple of 2^64 give correlated numbers (over 64 neighbouring seeds the variance of means was 1.4 times too large).
pub(crate) fn stream(seed: u64, purpose: Purpose, item: u64) -> Pcg64Mcg {
    let high = scattered(seed ^ scattered(purpose as u64));
    let low = scattered(high ^ scattered(item));
    Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low))
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014), a bijection of 64-bit numbers.
pub(crate) fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number of electrons whose mean is `mean`; 0 where the mean is not positive.
///
/// # Errors
/// `Range` for a mean that is no number or too large.
pub(crate) fn poisson(mean: f64, random: &mut Pcg64Mcg) -> Result<f64> {
    if mean <= 0.0 {
        return Ok(0.0);
    }
    let law = Some(mean).filter(|mean| *mean <= MOST_ELECTRONS).and_then(|mean| Poisson::new(mean).ok());
    let too_many = || Error::range("mean number of electrons in a pixel", mean, format!("at most {MOST_ELECTRONS:e}"));
    Ok(law.ok_or_else(too_many)?.sample(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_distr::StandardNormal;

    /// Variance of the means over `block` items of the n-th normal number, relative to independent streams.
    fn variance_of_means(make: impl Fn(u64) -> Pcg64Mcg, block: u64, skip: usize) -> f64 {
        let blocks = 2000;
        let squares: f64 = (0..blocks)
            .map(|b| {
                let sum: f64 = (b * block..(b + 1) * block)
                    .map(|item| {
                        let mut random = make(item);
                        (0..skip).for_each(|_| {
                            random.random::<u64>();
                        });
                        random.sample::<f64, _>(StandardNormal)
                    })
                    .sum();
                sum * sum / block as f64
            })
            .sum();
        squares / blocks as f64
    }

    #[test]
    fn neighbouring_items_and_seeds_are_independent() {
        // The relative variance of 2000 blocks has a standard error of sqrt(2 / 2000) = 0.032.
        for skip in [0, 1, 5] {
            for block in [2, 64] {
                for by_item in [true, false] {
                    let make = |i| if by_item { stream(7, Purpose::Shot, i) } else { stream(i, Purpose::Shot, 3) };
                    let v = variance_of_means(make, block, skip);
                    assert!((v - 1.0).abs() < 0.14, "skip {skip}, block {block}, {by_item}: {v}");
                }
            }
        }
    }

    #[test]
    fn streams_differ_by_each_part_of_their_name() {
        let first = |seed, purpose, item| stream(seed, purpose, item).random::<u64>();
        let all = [
            first(1, Purpose::Shot, 0),
            first(2, Purpose::Shot, 0),
            first(1, Purpose::Read, 0),
            first(1, Purpose::Shot, 1),
        ];
        assert!((0..4).all(|i| (0..i).all(|j| all[i] != all[j])));
        assert_eq!(all[0], first(1, Purpose::Shot, 0));
    }

    #[test]
    fn counts_of_nothing_and_of_too_much() {
        let random = &mut stream(1, Purpose::Shot, 0);
        assert_eq!(poisson(0.0, random).unwrap(), 0.0);
        assert_eq!(poisson(-3.0, random).unwrap(), 0.0);
        assert_eq!(poisson(1e30, random).unwrap_err().code(), 103);
        assert_eq!(poisson(f64::NAN, random).unwrap_err().code(), 103);
    }
}
