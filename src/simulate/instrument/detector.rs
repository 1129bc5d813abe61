//! From mean numbers of electrons to what a detector makes of them.

use super::transfer::Transfer;
use super::{not_negative, positive};
use crate::error::{Error, Result};
use crate::simulate::random;
use rand_distr::{Beta, Distribution, Gamma};
use rand_pcg::Pcg64Mcg;

/// Smaller quantum efficiencies are slips of a unit.
const SMALLEST_DQE: f64 = 1e-6;
/// Smaller patterns drown in rounding, and their Gamma distributions have no shape.
const SMALLEST_PATTERN: f64 = 1e-6;
/// Recorded events per pixel and exposure beyond which a dead time is not simulated event by event any more.
const MAX_EVENTS: f64 = 1e9;

/// What a detector makes of single electrons.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Counting {
    /// Each electron is counted with probability DQE(0) (binomial thinning), and adds one: n electrons of Poisson statistics
    /// give a mean and a variance of DQE(0) n. After each count the pixel is blind for `dead_time`, in parts of the
    /// exposure, without being prolonged by what arrives meanwhile: the mean is n / (1 + n dead_time).
    Counts {
        /// Dead time / exposure of a pixel; 0: none.
        dead_time: f64,
    },
    /// Each electron adds an amount of mean 1 that varies as a Gamma distribution of variance 1 / DQE(0) - 1: n electrons
    /// give a mean of n and a variance of n / DQE(0). At DQE(0) = 0.5 the amounts are distributed exponentially.
    Integrates,
}

/// A detector; by default a perfect one, which counts. All numbers are in electrons unless another unit is named.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Detector {
    /// Quantum efficiency at zero frequency, 1e-6 to 1.
    pub dqe: f64,
    /// What it makes of single electrons.
    pub counting: Counting,
    /// Transfer of the signal.
    pub mtf: Transfer,
    /// Transfer of the noise: `Perfect` for white noise, as `mtf` where each electron is blurred.
    pub noise_mtf: Transfer,
    /// Relative standard deviation of the gain from pixel to pixel, the same in all images (Gamma distribution).
    pub gain_pattern: f64,
    /// Mean dark electrons per pixel and exposure, of Poisson statistics.
    pub dark_current: f64,
    /// Relative standard deviation of the dark current from pixel to pixel, the same in all images (Gamma distribution).
    pub dark_pattern: f64,
    /// Standard deviation of the normal read noise.
    pub read_noise: f64,
    /// Number of pixels that see no electrons, the same in all images.
    pub dead_pixels: usize,
    /// Number of pixels with `hot_current`, the same in all images, none of them dead.
    pub hot_pixels: usize,
    /// Mean dark electrons of a hot pixel beside those of all pixels.
    pub hot_current: f64,
    /// Image units per electron.
    pub gain: f64,
    /// Image units added to every pixel.
    pub offset: f64,
    /// Largest value that can be stored, image units.
    pub saturation: Option<f64>,
    /// Whole numbers from 0 on.
    pub quantized: bool,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            dqe: 1.0,
            counting: Counting::Counts { dead_time: 0.0 },
            mtf: Transfer::Perfect,
            noise_mtf: Transfer::Perfect,
            gain_pattern: 0.0,
            dark_current: 0.0,
            dark_pattern: 0.0,
            read_noise: 0.0,
            dead_pixels: 0,
            hot_pixels: 0,
            hot_current: 0.0,
            gain: 1.0,
            offset: 0.0,
            saturation: None,
            quantized: false,
        }
    }
}

impl Detector {
    pub(super) fn check(&self) -> Result<()> {
        if !(SMALLEST_DQE..=1.0).contains(&self.dqe) {
            return Err(Error::range("dqe", self.dqe, format!("{SMALLEST_DQE} to 1")));
        }
        if let Counting::Counts { dead_time } = self.counting {
            if !(0.0..=1.0).contains(&dead_time) {
                return Err(Error::range("dead_time", dead_time, "0 to 1 (a part of the exposure of a pixel)"));
            }
        }
        self.mtf.check("mtf", 0.0)?;
        self.noise_mtf.check_noise("noise_mtf")?;
        for (what, value) in
            [("dark_current", self.dark_current), ("read_noise", self.read_noise), ("hot_current", self.hot_current)]
        {
            not_negative(what, value, "0 or a positive number (electrons)")?;
        }
        for (what, value) in [("gain_pattern", self.gain_pattern), ("dark_pattern", self.dark_pattern)] {
            if value != 0.0 && !(SMALLEST_PATTERN..=10.0).contains(&value) {
                let wanted = format!("0, or {SMALLEST_PATTERN} to 10 (a relative standard deviation)");
                return Err(Error::range(what, value, wanted));
            }
        }
        positive("gain", self.gain, "a positive number (image units per electron)")?;
        if !self.offset.is_finite() {
            return Err(Error::range("offset", self.offset, "a finite number (image units)"));
        }
        self.saturation.map_or(Ok(()), |v| positive("saturation", v, "a positive number (image units)"))
    }

    /// Signal, in electrons, that one exposure of a mean of `electrons` gives.
    pub(super) fn expose(&self, electrons: f64, random: &mut Pcg64Mcg) -> Result<f64> {
        match self.counting {
            Counting::Counts { dead_time } if dead_time > 0.0 => {
                counts_with_dead_time(self.dqe * electrons, dead_time, random)
            }
            Counting::Counts { .. } => random::poisson(self.dqe * electrons, random),
            Counting::Integrates => {
                let count = random::poisson(electrons, random)?;
                let variance = 1.0 / self.dqe - 1.0;
                if count == 0.0 || variance == 0.0 {
                    return Ok(count);
                }
                // The sum of n Gamma variables of shape 1 / v and scale v is one of shape n / v.
                gamma(count / variance, variance, random)
            }
        }
    }

    /// Mean signal, in electrons, of `electrons` in an exposure without statistics.
    pub(super) fn mean_signal(&self, electrons: f64) -> f64 {
        match self.counting {
            Counting::Counts { dead_time } => {
                let seen = self.dqe * electrons;
                seen / (1.0 + seen.max(0.0) * dead_time)
            }
            Counting::Integrates => electrons,
        }
    }

    /// From electrons to the value that is stored.
    pub(super) fn digitize(&self, electrons: f64) -> f64 {
        // Written so that gain 1 and offset 0 change no bit, that of -0 included.
        let value = electrons * self.gain;
        let value = if self.offset == 0.0 { value } else { value + self.offset };
        let value = if self.quantized { value.round_ties_even().max(0.0) } else { value };
        self.saturation.map_or(value, |largest| value.min(largest))
    }
}

/// A variable of the Gamma distribution.
pub(super) fn gamma(shape: f64, scale: f64, random: &mut Pcg64Mcg) -> Result<f64> {
    let law = Gamma::new(shape, scale)
        .map_err(|e| Error::Internal(format!("Gamma distribution of shape {shape}, scale {scale}: {e}")))?;
    Ok(law.sample(random))
}

/// Number of counts in an exposure of length 1 in which a mean of `rate` electrons arrives, each count blinding the pixel
/// for `dead` without prolongation; an exact sample. The count k comes at (k - 1) dead + G_k, where G_k, the time that
/// the pixel was open, is a sum of k exponential times: a Gamma variable. Between two known sums the middle one is their
/// difference times a Beta variable, so that bisection finds the last count within the exposure.
fn counts_with_dead_time(rate: f64, dead: f64, random: &mut Pcg64Mcg) -> Result<f64> {
    if rate <= 0.0 {
        return Ok(0.0);
    }
    let expected = rate / (1.0 + rate * dead);
    if expected.is_nan() || expected > MAX_EVENTS {
        let wanted = format!("at most {MAX_EVENTS:e} counts per pixel and exposure with a dead time");
        return Err(Error::range("mean number of electrons in a pixel", rate, wanted));
    }
    let stride = expected.ceil() + 4.0 * expected.sqrt().ceil();
    let in_time = |count: f64, open: f64| open + (count - 1.0) * dead <= 1.0;
    let (mut count, mut open) = (0.0, 0.0);
    let (mut beyond, mut beyond_open) = loop {
        let next = open + gamma(stride, 1.0 / rate, random)?;
        if !in_time(count + stride, next) {
            break (count + stride, next);
        }
        (count, open) = (count + stride, next);
    };
    while beyond - count > 1.0 {
        let middle = ((count + beyond) / 2.0).floor();
        let part = Beta::new(middle - count, beyond - middle)
            .map_err(|e| Error::Internal(format!("Beta distribution between counts {count} and {beyond}: {e}")))?;
        let middle_open = open + (beyond_open - open) * part.sample(random);
        if in_time(middle, middle_open) {
            (count, open) = (middle, middle_open);
        } else {
            (beyond, beyond_open) = (middle, middle_open);
        }
    }
    Ok(count)
}
