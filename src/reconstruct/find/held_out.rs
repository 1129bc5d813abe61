//! Whether images that a fit has not seen bear it out.

use super::super::driver::Watch;
use super::super::options::LotOptions;
use super::{Guess, Search};
use crate::context::log;
use crate::dataset::TiltSeries;
use crate::error::Result;
use crate::reconstruct::Reconstruction;

/// A fit of p parameters to N pixels follows their noise, which raises the mean square of other images by p / N of itself; more
/// than this many times as much is not noise.
const ALLOWED: f64 = 4.0;

/// Iterations that fit background and drift of held-out images to given atoms.
const ITERATIONS: usize = 20;

impl Search<'_> {
    /// Whether atoms that moved when they were fitted to most tilts come nearer to the images of the others than atoms of
    /// which the heights alone were fitted.
    pub(super) fn moves_are_borne_out(
        &self,
        guess: &Guess,
        fit: &LotOptions,
        watch: &mut Watch<'_, '_>,
    ) -> Result<bool> {
        let Some((seen, unseen)) = self.parted()? else { return Ok(true) };
        let mut left = |stay: bool| -> Result<f64> {
            let fitted = self.model(&seen, guess, fit, stay)?;
            self.run_quietly(&fitted, self.options.fit_iterations, watch)?;
            let atoms = fitted.atoms()?;
            let heights = atoms.heights().map_or_else(Vec::new, <[f64]>::to_vec);
            let widths = self.widths(&atoms, guess, &guess.classes);
            let there = Guess {
                positions: atoms.positions().to_vec(),
                heights,
                classes: guess.classes.clone(),
                widths,
                defocus: guess.defocus.clone(),
            };
            let held_out = self.model(&unseen, &there, fit, true)?;
            ["heights", "widths"].into_iter().try_for_each(|block| held_out.freeze(block, true))?;
            self.run_quietly(&held_out, ITERATIONS, watch)?;
            self.mean_square(&held_out)
        };
        let (there, moved) = (left(true)?, left(false)?);
        let version = seen.version();
        let pixels: usize = version.images().iter().filter(|i| !i.excluded).map(|i| i.used_pixels()).sum();
        let of_noise = 3.0 * guess.positions.len() as f64 / pixels as f64;
        if moved <= there * (1.0 + ALLOWED * of_noise) {
            return Ok(true);
        }
        log::warning(format!(
            "images that were held out do not bear out what a fit does to the positions (mean square left {moved:.4e} after, \
             {there:.4e} before): atoms stay where they were traced"
        ));
        Ok(false)
    }

    /// Mean of (o - c)^2 over the used pixels.
    fn mean_square(&self, recon: &Reconstruction) -> Result<f64> {
        let (images, used) = (self.version.images(), recon.used_images());
        let (mut sum, mut count) = (0.0, 0usize);
        recon.predict_each(&recon.parameters(), &used, &mut |place, calculated| {
            let image = &images[used[place]];
            for (i, c) in calculated.iter().enumerate().filter(|(i, _)| image.uses(*i)) {
                sum += (f64::from(image.pixels[i]) - c).powi(2);
                count += 1;
            }
            Ok(())
        })?;
        Ok(sum / count as f64)
    }

    pub(super) fn run_quietly(
        &self,
        recon: &Reconstruction,
        iterations: usize,
        watch: &mut Watch<'_, '_>,
    ) -> Result<()> {
        self.run_watched(recon, iterations, watch, |_, _| {})
    }

    /// The series with and with only the tilts that are held out; `None` where none are.
    fn parted(&self) -> Result<Option<(TiltSeries, TiltSeries)>> {
        let used: Vec<usize> = (0..self.version.tilts().len())
            .filter(|tilt| self.version.images().iter().any(|image| image.tilt == *tilt && !image.excluded))
            .collect();
        let count = (self.options.hold_out * used.len() as f64).round() as usize;
        if count == 0 || count >= used.len() {
            return Ok(None);
        }
        // evenly, and none of the outermost tilts, which alone tell the depth
        let held_out: Vec<usize> = (0..count).map(|i| used[(2 * i + 1) * used.len() / (2 * count)]).collect();
        let (seen, unseen) = (self.series.fork(), self.series.fork());
        for tilt in used {
            let of = if held_out.contains(&tilt) { &seen } else { &unseen };
            of.exclude_tilt(tilt, true)?;
        }
        Ok(Some((seen, unseen)))
    }
}
