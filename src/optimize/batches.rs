//! Mini-batches: the parts of the data, dealt anew for every pass.

use crate::error::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// How a pass over the data is divided.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BatchOptions {
    /// Part of the data in one batch, above 0 up to 1; `None`: one part (tilt) at a time. There are round(1 / fraction) batches
    /// in a pass, as equal as whole parts allow, and no more than parts.
    pub fraction: Option<f64>,
    /// Seed of the order of the parts.
    pub seed: u64,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { fraction: None, seed: 1 }
    }
}

impl BatchOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        match self.fraction.filter(|fraction| !(*fraction > 0.0 && *fraction <= 1.0)) {
            Some(fraction) => Err(Error::range("batch_fraction", fraction, "above 0 up to 1 (all images)")),
            None => Ok(()),
        }
    }
}

/// The batches of pass number `pass` over `parts` parts: a shuffle that depends on seed and pass alone, so that nothing
/// need be stored to go on with it.
pub fn batches(parts: usize, options: &BatchOptions, pass: usize) -> Vec<Vec<usize>> {
    let mut random =
        Pcg64Mcg::seed_from_u64(options.seed.wrapping_add((pass as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut order: Vec<usize> = (0..parts).collect();
    for i in (1..parts).rev() {
        order.swap(i, random.random_range(0..=i));
    }
    let most = parts.max(1);
    let count = options.fraction.map_or(most, |fraction| ((1.0 / fraction).round() as usize).clamp(1, most));
    (0..count).map(|b| order[b * parts / count..(b + 1) * parts / count].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_once_in_every_pass() {
        let eighth = Some(0.125);
        for (parts, fraction, count) in
            [(24, eighth, 8), (10, eighth, 8), (3, eighth, 3), (7, Some(1.0), 1), (1, Some(0.5), 1), (9, None, 9)]
        {
            let options = BatchOptions { fraction, seed: 5 };
            for pass in 0..4 {
                let dealt = batches(parts, &options, pass);
                assert_eq!(dealt.len(), count);
                let sizes = || dealt.iter().map(Vec::len);
                assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
                let mut all = dealt.concat();
                all.sort_unstable();
                assert_eq!(all, (0..parts).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_pass_alone() {
        let deal = |seed, pass| batches(24, &BatchOptions { fraction: Some(0.125), seed }, pass);
        assert_eq!(deal(1, 3), deal(1, 3));
        assert_ne!(deal(1, 3), deal(1, 4));
        assert_ne!(deal(1, 3), deal(2, 3));
    }

    #[test]
    fn fractions_without_meaning_are_refused() {
        for fraction in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(BatchOptions { fraction: Some(fraction), seed: 1 }.check().unwrap_err().code(), 103);
        }
    }
}
