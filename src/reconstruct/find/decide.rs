//! What the images decide beside the atoms: the model, whether atoms move, the shape of the atoms and the loss.

use super::super::driver::Watch;
use super::super::options::{LossChoice, LotModel, LotOptions};
use super::revise::Course;
use super::{Fitted, Guess, Search};
use crate::context::log;
use crate::error::{Error, Result};
use crate::forward::local_orbital::Orbital;

/// The fit after which the loss is decided: most atoms are there, and their shape is known. Before, the weights of counts
/// would spread atoms over what the model lacks where images are dark.
const LOSS_CYCLE: usize = 3;

/// The exponent b of (o - c)^2 ~ c^b above which the weights of counts, b = 1, suit the images better than equal ones.
const GROWING: f64 = 0.5;

/// Classes of the calculated intensity, equal in its logarithm, from this part of the largest one on, and the fewest pixels of
/// one.
const CLASSES: usize = 24;
const DARKEST: f64 = 0.02;
const LEAST_PIXELS: usize = 50;

/// The shape has settled where it changes by less than this part of its peak: atoms that are still missing are mistaken for a
/// skirt.
const SHAPED: f64 = 1e-3;

impl Search<'_> {
    /// The fit of a cycle, and what it decides.
    pub(super) fn decided(
        &self,
        guess: &Guess,
        fit: &mut LotOptions,
        course: &mut Course,
        cycle: usize,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Fitted> {
        let waits = cycle <= LOSS_CYCLE && self.loss_waits(fit);
        let mut options = LotOptions { loss: if waits { Some(LossChoice::Mse) } else { fit.loss }, ..fit.clone() };
        let fitted = match cycle {
            1 => self.first_fitted(guess, &mut options, course, watch)?,
            _ => self.fitted(guess, &options, course.stay, cycle, watch)?,
        };
        fit.model = options.model;
        if cycle == LOSS_CYCLE && self.loss_is_open(fit) {
            fit.loss = Some(self.loss_for(&fitted)?);
        }
        Ok(fitted)
    }

    /// Whether the fit of a cycle had the loss of the fits to come.
    pub(super) fn had_its_loss(&self, fitted: &Fitted, fit: &LotOptions, cycle: usize) -> bool {
        match self.loss_waits(fit) {
            true => cycle > LOSS_CYCLE,
            false => fit.loss.is_none_or(|loss| fitted.fit.loss == Some(loss)),
        }
    }

    /// Takes the shape of the atoms for the next fit from the images, and tells whether it is the one of this fit. Where no
    /// shape brings the images nearer it stays, and beside pixels of probes, which broaden all atoms alike.
    pub(super) fn shaped(&self, fitted: &Fitted, fit: &mut LotOptions) -> Result<bool> {
        if self.options.keep_orbital || fitted.fit.model == LotModel::Adaptive {
            return Ok(true);
        }
        match fitted.recon.fit_orbital(None, &mut |_| !self.cancel.is_cancelled()) {
            Err(Error::Empty { .. }) => Ok(true),
            orbital => {
                fit.orbital = orbital?;
                Ok(difference(&fit.orbital, &fitted.fit.orbital) < SHAPED)
            }
        }
    }

    fn first_fitted(
        &self,
        guess: &Guess,
        fit: &mut LotOptions,
        course: &mut Course,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Fitted> {
        let mut fitted = self.fitted(guess, fit, false, 1, watch)?;
        if !self.options.keep_model && fit.model != LotModel::Direct && !self.scans(fit) {
            let direct = LotOptions { model: LotModel::Direct, ..fit.clone() };
            let of_direct = self.fitted(guess, &direct, false, 1, watch)?;
            let losses = (self.shaped_loss(&fitted, watch)?, self.shaped_loss(&of_direct, watch)?);
            log::info(format!("loss of the first fit: {:.6e} {:?}, {:.6e} Direct", losses.0, fit.model, losses.1));
            if losses.1 < losses.0 {
                (fitted, *fit) = (of_direct, direct);
            }
        }
        course.stay = !self.moves_are_borne_out(guess, fit, watch)?;
        match course.stay {
            true => self.fitted(guess, fit, true, 1, watch),
            false => Ok(fitted),
        }
    }

    /// Loss of a fit with the shape that it tells: the skirt of a probe in vacuum is one that a Gaussian lacks. The search does
    /// not go on from there: it would take atoms that are still missing for a skirt.
    fn shaped_loss(&self, first: &Fitted, watch: &mut Watch<'_, '_>) -> Result<f64> {
        if self.options.keep_orbital {
            return Ok(first.recon.loss());
        }
        let mut fit = first.fit.clone();
        self.shaped(first, &mut fit)?;
        let recon = self.model(self.series, &first.orbitals, &fit, false)?;
        self.run_quietly(&recon, self.options.fit_iterations, watch)?;
        Ok(recon.loss())
    }

    /// Whether the first fits are by mean squares whatever comes then: while nothing says which loss is right, or while whole
    /// species may be missing.
    fn loss_waits(&self, fit: &LotOptions) -> bool {
        fit.loss.is_none() && (self.species.len() > 1 || self.loss_is_open(fit))
    }

    /// Whether nothing says how the errors of pixels grow with their intensity.
    fn loss_is_open(&self, fit: &LotOptions) -> bool {
        let known = self.version.counts_per_unit_all().is_some() || self.version.noise_variance_all().is_some();
        let used = || self.version.images().iter().filter(|image| !image.excluded);
        fit.loss.is_none() && !known && used().all(|image| image.pixels.iter().all(|v| *v >= 0.0))
    }

    /// The loss that suits what a fit has left. Images without noise are left with errors of the model, which are a part of
    /// the intensity: the weights of counts then keep those of heavy atoms from hiding light ones.
    fn loss_for(&self, fitted: &Fitted) -> Result<LossChoice> {
        let recon = &fitted.recon;
        let (images, used) = (self.version.images(), recon.used_images());
        let calculated = recon.predict(&recon.parameters(), None)?;
        let pixels = calculated.len() / used.len().max(1);
        let largest = calculated.iter().copied().fold(0.0, f64::max);
        let mut sums = [(0usize, 0.0, 0.0); CLASSES];
        for (image, calculated) in used.iter().map(|i| &images[*i]).zip(calculated.chunks_exact(pixels)) {
            for (i, c) in calculated.iter().enumerate().filter(|(i, c)| image.uses(*i) && **c > DARKEST * largest) {
                let part = 1.0 - (c / largest).ln() / DARKEST.ln();
                let (count, logs, squares) = &mut sums[((part * CLASSES as f64) as usize).min(CLASSES - 1)];
                *count += 1;
                *logs += c.ln();
                *squares += (f64::from(image.pixels[i]) - c).powi(2);
            }
        }
        let classes = sums.iter().filter(|(count, _, squares)| *count >= LEAST_PIXELS && *squares > 0.0);
        let points: Vec<(f64, f64)> =
            classes.map(|(count, logs, squares)| (logs / *count as f64, (squares / *count as f64).ln())).collect();
        let exponent = slope(&points);
        log::info(format!("squares of what the fit left grow with the intensity to the power of {exponent:.2}"));
        Ok(if exponent > GROWING { LossChoice::Poisson } else { LossChoice::Mse })
    }
}

/// Largest difference of two shapes of the same width, in parts of their peaks; NaN where one has none.
fn difference(one: &Orbital, other: &Orbital) -> f64 {
    let of = |orbital: &Orbital, radius: f64| orbital.at(radius, 1.0)[0] / orbital.at(0.0, 1.0)[0];
    let off = |i: u32| (of(one, 0.05 * f64::from(i)) - of(other, 0.05 * f64::from(i))).abs();
    (0..200).map(off).max_by(f64::total_cmp).unwrap_or(0.0)
}

/// Slope of the line through points; 0 where it is not determined.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (up, across) =
        points.iter().fold((0.0, 0.0), |(up, across), p| (up + (p.0 - x) * (p.1 - y), across + (p.0 - x).powi(2)));
    if across > 0.0 {
        up / across
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn slopes_are_those_of_lines() {
        let line: Vec<(f64, f64)> = (0..5).map(|i| (f64::from(i), 3.0 - 1.5 * f64::from(i))).collect();
        assert!((slope(&line) + 1.5).abs() < 1e-12);
        assert_eq!(slope(&line[..1]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }
}
