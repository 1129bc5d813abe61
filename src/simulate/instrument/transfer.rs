//! Modulation transfer of a detector.
//!
//! With the signal transfer MTF(f) and the noise transfer NTF(f), both 1 at f = 0, the quantum efficiency falls as
//! DQE(f) = DQE(0) MTF(f)^2 / NTF(f)^2 (McMullan, Chen, Henderson, Faruqi, Ultramicroscopy 109 (2009) 1126, equation (1)).
//! A counting camera gives every electron to one pixel, wherever in its neighbourhood: NTF = 1, white noise. A
//! scintillator spreads the light of each electron: NTF = MTF, the noise is blurred with the signal.

use super::positive;
use crate::error::{Error, Result};

/// Weights and the value at zero frequency may differ from 1 by this much.
const TOLERANCE: f64 = 1e-6;
/// Smallest noise transfer: by it signals are divided.
const SMALLEST: f64 = 1e-3;

/// One term of a parametric transfer function: weight * exp(-(f / frequency)^exponent).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TransferTerm {
    /// Value at zero frequency; those of all terms sum to 1.
    pub weight: f64,
    /// Where the term has fallen to 1 / e, cycles per pixel (the Nyquist frequency is 0.5).
    pub frequency: f64,
    /// 1: exponential, 2: Gaussian.
    pub exponent: f64,
}

/// A transfer function of the radial frequency, even and 1 at zero.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum Transfer {
    /// 1 everywhere.
    #[default]
    Perfect,
    /// A sum of terms.
    Terms(Vec<TransferTerm>),
    /// Values at equally spaced frequencies from 0 to the Nyquist frequency 0.5, linear between; the last one beyond.
    Samples(Vec<f64>),
}

impl Transfer {
    /// A Gaussian that has fallen to 1 / e at `frequency` (cycles per pixel).
    pub fn gaussian(frequency: f64) -> Self {
        Transfer::Terms(vec![TransferTerm { weight: 1.0, frequency, exponent: 2.0 }])
    }

    /// Checks the parameters; `what` names the function in errors.
    pub(super) fn check(&self, what: &str, smallest: f64) -> Result<()> {
        let one_at_zero = |got: f64| match (got - 1.0).abs() <= TOLERANCE {
            true => Ok(()),
            false => Err(Error::range(format!("{what} at zero frequency"), got, "1")),
        };
        match self {
            Transfer::Perfect => Ok(()),
            Transfer::Terms(terms) => {
                for term in terms {
                    positive(&format!("weight of {what}"), term.weight, "a positive number")?;
                    positive(&format!("frequency of {what}"), term.frequency, "a positive number (cycles per pixel)")?;
                    positive(&format!("exponent of {what}"), term.exponent, "a positive number")?;
                }
                one_at_zero(terms.iter().map(|t| t.weight).sum())
            }
            Transfer::Samples(samples) => {
                let [first, _, ..] = samples[..] else {
                    return Err(Error::shape(what, &[samples.len()], "[n], from 0 to the Nyquist frequency, n >= 2"));
                };
                if let Some((i, bad)) = samples.iter().enumerate().find(|(_, v)| !(smallest..=2.0).contains(*v)) {
                    let wanted = format!("{smallest} to 2 (it is 1 at zero frequency)");
                    return Err(Error::range(format!("{what}[{i}]"), bad, wanted));
                }
                one_at_zero(first)
            }
        }
    }

    /// Checks a noise transfer, by which signals are divided.
    pub(super) fn check_noise(&self, what: &str) -> Result<()> {
        self.check(what, SMALLEST)
    }

    /// The value at frequency `f` >= 0, cycles per pixel.
    pub fn at(&self, f: f64) -> f64 {
        match self {
            Transfer::Perfect => 1.0,
            Transfer::Terms(terms) => {
                terms.iter().map(|t| t.weight * (-(f / t.frequency).powf(t.exponent)).exp()).sum()
            }
            Transfer::Samples(samples) => {
                let place = (f / 0.5).min(1.0) * (samples.len() - 1) as f64;
                let below = (place as usize).min(samples.len() - 2);
                let t = place - below as f64;
                samples[below] * (1.0 - t) + samples[below + 1] * t
            }
        }
    }
}
