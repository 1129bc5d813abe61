//! Means over configurations with their standard errors.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Mean and standard error, value by value, of arrays that arrive one after the other, by Welford's recurrence
/// (B. P. Welford, Technometrics 4 (1962) 419), which loses no digits where the spread is small beside the mean:
///
/// m_n = m_(n-1) + (x_n - m_(n-1)) / n,   S_n = S_(n-1) + (x_n - m_(n-1)) (x_n - m_n),
/// standard error of the mean = sqrt(S_n / (n (n - 1))).
///
/// Arrays are taken in rising order of their numbers, whatever the order of delivery: the result does not depend on who
/// was done first. Early ones wait; with items walked in order there are fewer of them than threads. It can be stored
/// and go on later.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MeanAccumulator {
    count: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
    waiting: BTreeMap<u64, Vec<f64>>,
}

impl MeanAccumulator {
    /// For arrays of `len` values.
    pub fn new(len: usize) -> Self {
        Self { count: 0, mean: vec![0.0; len], squares: vec![0.0; len], waiting: BTreeMap::new() }
    }

    /// Takes the array with number `index`, counted from 0.
    ///
    /// # Errors
    /// `Shape` for another length, `NonFinite` with the place of a bad value, `Inconsistent` for an index that came before.
    pub fn deliver(&mut self, index: u64, values: Vec<f64>) -> Result<()> {
        if values.len() != self.mean.len() {
            return Err(Error::shape("values", &[values.len()], format!("[{}] as the first ones", self.mean.len())));
        }
        Error::unless_finite(&format!("configuration {index}"), "value", &values)?;
        if index < self.count || self.waiting.contains_key(&index) {
            let why = format!("number {index} was taken before");
            return Err(Error::Inconsistent { what: "configurations".into(), why });
        }
        self.waiting.insert(index, values);
        while let Some(values) = self.waiting.remove(&self.count) {
            self.add(&values);
        }
        Ok(())
    }

    fn add(&mut self, values: &[f64]) {
        self.count += 1;
        let n = self.count as f64;
        for ((mean, square), x) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let before = x - *mean;
            *mean += before / n;
            *square += before * (x - *mean);
        }
    }

    /// Arrays taken into the mean.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of the lowest array that has not come yet: where an interrupted run goes on.
    pub fn next(&self) -> u64 {
        self.count
    }

    /// The mean.
    ///
    /// # Errors
    /// `NotReady` before the first array, or while later ones wait for a missing one.
    pub fn mean(&self) -> Result<&[f64]> {
        self.at_least(1)?;
        Ok(&self.mean)
    }

    /// Estimated variance of one array's values about the mean, n - 1 in the denominator.
    ///
    /// # Errors
    /// `NotReady` with fewer than two arrays, or while later ones wait for a missing one.
    pub fn variance(&self) -> Result<Vec<f64>> {
        self.at_least(2)?;
        Ok(self.squares.iter().map(|s| s / (self.count - 1) as f64).collect())
    }

    /// Estimated standard error of the mean.
    ///
    /// # Errors
    /// As for [`Self::variance`].
    pub fn standard_error(&self) -> Result<Vec<f64>> {
        Ok(self.variance()?.iter().map(|v| (v / self.count as f64).sqrt()).collect())
    }

    fn at_least(&self, wanted: u64) -> Result<()> {
        let why = match self.waiting.keys().next() {
            Some(early) => format!("array {early} is here, number {} is missing", self.count),
            None if self.count < wanted => format!("it has {} arrays, wanted at least {wanted}", self.count),
            None => return Ok(()),
        };
        Err(Error::NotReady { what: "mean over configurations".into(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::{stream, Purpose};
    use rand::RngExt;
    use rand_distr::StandardNormal;

    #[test]
    fn agrees_with_the_two_pass_formulas_where_one_pass_sums_of_squares_fail() {
        let values: Vec<f64> = (0..9).map(|i| 1e9 + f64::from(i * i % 7)).collect();
        let mut sum = MeanAccumulator::new(1);
        values.iter().zip(0..).for_each(|(v, i)| sum.deliver(i, vec![*v]).unwrap());
        let mean = values.iter().map(|v| v - 1e9).sum::<f64>() / 9.0;
        let variance = values.iter().map(|v| (v - 1e9 - mean).powi(2)).sum::<f64>() / 8.0;
        assert!((sum.mean().unwrap()[0] - 1e9 - mean).abs() < 1e-6);
        assert!((sum.variance().unwrap()[0] - variance).abs() < 1e-6 * variance);
        assert!((sum.standard_error().unwrap()[0] - (variance / 9.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn the_order_of_delivery_does_not_matter_to_the_last_bit() {
        let value = |i: u64| vec![(i as f64 + 0.3).sin(), 1e8 / (i as f64 + 1.0)];
        let (mut forward, mut mixed) = (MeanAccumulator::new(2), MeanAccumulator::new(2));
        (0..7).for_each(|i| forward.deliver(i, value(i)).unwrap());
        [3, 0, 2, 6].iter().for_each(|i| mixed.deliver(*i, value(*i)).unwrap());
        assert_eq!(mixed.mean().unwrap_err().code(), 200);
        assert_eq!(mixed.next(), 1);
        let stored = postcard::to_allocvec(&mixed).unwrap();
        let mut mixed: MeanAccumulator = postcard::from_bytes(&stored).unwrap();
        [4, 5, 1].iter().for_each(|i| mixed.deliver(*i, value(*i)).unwrap());
        assert_eq!(forward, mixed);
    }

    #[test]
    fn the_standard_error_is_the_spread_of_means() {
        // 400 means of 25 numbers of variance 4: their spread is 2 / 5, known to 1 / sqrt(800) = 3.5 %; the mean of the
        // estimated squared errors is known to sqrt(2 / 24 / 400) = 1.4 %.
        let mut sum = MeanAccumulator::new(400);
        for i in 0..25 {
            let mut random = stream(3, Purpose::Phonons, i);
            sum.deliver(i, (0..400).map(|_| 2.0 * random.sample::<f64, _>(StandardNormal)).collect()).unwrap();
        }
        let spread = sum.mean().unwrap().iter().map(|m| m * m).sum::<f64>() / 400.0;
        let estimated = sum.standard_error().unwrap().iter().map(|e| e * e).sum::<f64>() / 400.0;
        assert!((spread / 0.16 - 1.0).abs() < 0.25 && (estimated / 0.16 - 1.0).abs() < 0.06, "{spread} {estimated}");
    }

    #[test]
    fn bad_input() {
        let mut sum = MeanAccumulator::new(2);
        assert_eq!(sum.mean().unwrap_err().code(), 200);
        assert_eq!(sum.deliver(0, vec![1.0]).unwrap_err().code(), 101);
        assert_eq!(sum.deliver(0, vec![1.0, f64::NAN]).unwrap_err().code(), 300);
        sum.deliver(0, vec![1.0, 2.0]).unwrap();
        assert_eq!(sum.deliver(0, vec![1.0, 2.0]).unwrap_err().code(), 302);
        assert_eq!((sum.mean().unwrap(), sum.standard_error().unwrap_err().code()), (&[1.0, 2.0][..], 200));
    }
}
