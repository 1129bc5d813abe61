//! What the images decide beside the atoms: the model, whether atoms move, the shape of the atoms and the loss.

use super::super::driver::Watch;
use super::super::options::{LossChoice, LotModel, LotOptions};
use super::revise::Course;
use super::{Fitted, Guess, Search};
use crate::context::log;
use crate::error::Result;

/// The fit that decides on the loss: most atoms are there, and their shape is known. Before, counts' weights would spread
/// atoms over what the model lacks where images are dark.
const LOSS_CYCLE: usize = 3;

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
        match cycle {
            1 => self.first_fitted(guess, fit, course, watch),
            LOSS_CYCLE if self.loss_is_open(fit) => self.with_better_loss(guess, fit, course.stay, watch),
            _ => self.fitted(guess, fit, course.stay, cycle, watch),
        }
    }

    /// The first cycle after which nothing is left to decide.
    pub(super) fn decisive_cycle(&self, fit: &LotOptions) -> usize {
        match self.options.keep_orbital {
            _ if self.loss_is_open(fit) => LOSS_CYCLE,
            true => 1,
            false => 2,
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
        if !self.options.keep_model && fit.model != LotModel::Direct {
            let options = LotOptions { model: LotModel::Direct, ..fit.clone() };
            let direct = self.fitted(guess, &options, false, 1, watch)?;
            let (of_model, of_direct) = (fitted.recon.loss(), direct.recon.loss());
            log::info(format!("loss of the first fit: {of_model:.4e} {:?}, {of_direct:.4e} Direct", fit.model));
            if of_direct < of_model {
                (fitted, *fit) = (direct, options);
            }
        }
        course.stay = !self.moves_are_borne_out(guess, fit, watch)?;
        match course.stay {
            true => self.fitted(guess, fit, true, 1, watch),
            false => Ok(fitted),
        }
    }

    /// Whether nothing says how the errors of pixels grow with their intensity.
    fn loss_is_open(&self, fit: &LotOptions) -> bool {
        let known = self.version.counts_per_unit_all().is_some() || self.version.noise_variance_all().is_some();
        let used = || self.version.images().iter().filter(|image| !image.excluded);
        fit.loss.is_none() && !known && used().all(|image| image.pixels.iter().all(|v| *v >= 0.0))
    }

    /// Fits of both losses, and the better by sum |o - c|, which neither of them minimises. Images without noise are left
    /// with errors of the model, a part of the intensity: the weights of counts keep those of heavy atoms from hiding light
    /// ones.
    fn with_better_loss(
        &self,
        guess: &Guess,
        fit: &mut LotOptions,
        stay: bool,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Fitted> {
        let [mse, poisson] =
            [LossChoice::Mse, LossChoice::Poisson].map(|loss| LotOptions { loss: Some(loss), ..fit.clone() });
        let of_mse = self.fitted(guess, &mse, stay, LOSS_CYCLE, watch)?;
        let of_poisson = self.fitted(guess, &poisson, stay, LOSS_CYCLE, watch)?;
        log::info(format!("R factor {:.4} by mean squares, {:.4} by counts", of_mse.r_factor, of_poisson.r_factor));
        let (better, options) =
            if of_poisson.r_factor < of_mse.r_factor { (of_poisson, poisson) } else { (of_mse, mse) };
        *fit = options;
        Ok(better)
    }
}
