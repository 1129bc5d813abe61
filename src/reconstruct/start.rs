//! Start values and scales: intensities of the least loss, scales from the diagonal of the Gauss-Newton matrix.

use super::intensities::{classes, Intensities};
use super::plan::Plan;
use super::LossChoice;
use crate::context::log;
use crate::error::{Error, Result};
use crate::forward::local_orbital::Blocks;
use crate::forward::Loss;
use crate::problem::Waiting;
use crate::statistics::{median, robust_deviation};
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Tilts whose images are held at once: a constant, so that sums do not depend on the number of threads.
const TILTS_AT_ONCE: usize = 16;

/// Threshold of the Huber loss in standard deviations.
const HUBER: f64 = 1.345;

/// Random vectors per scale estimate.
const PROBES: usize = 2;

impl Plan {
    fn batches(&self) -> Vec<Vec<usize>> {
        let used = |images: &[usize]| -> Vec<usize> {
            images.iter().copied().filter(|i| !self.version.images()[*i].excluded).collect()
        };
        let tilts: Vec<Vec<usize>> = self.version.tilts().iter().map(|t| used(&t.images)).collect();
        tilts.chunks(TILTS_AT_ONCE).map(|tilts| tilts.concat()).filter(|images| !images.is_empty()).collect()
    }

    /// Places in a request, tilt by tilt, as many as are held at once.
    pub fn tilts_at_once(&self, images: &[usize]) -> Result<Vec<Vec<usize>>> {
        let mut by_tilt = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for (place, &image) in images.iter().enumerate() {
            let count = self.version.images().len();
            let known = self.version.images().get(image);
            let known = known.ok_or_else(|| Error::range("image", image, format!("a number below {count}")))?;
            by_tilt.entry(known.tilt).or_default().push(place);
        }
        let tilts: Vec<Vec<usize>> = by_tilt.into_values().collect();
        Ok(tilts.chunks(TILTS_AT_ONCE).map(|tilts| tilts.concat()).collect())
    }

    /// One factor for all heights and one background per image. For mse by least squares over all images:
    /// a = sum_j cov(M_j, I_j) / sum_j var(M_j), b_j = mean(I_j) - a mean(M_j). For counts, whose loss would be far from
    /// its minimum there, see [`super::intensities`].
    pub fn fit_intensities(&self, parameters: &mut [f64], waiting: &mut Waiting<'_>) -> Result<()> {
        let pixels = self.problem.pixels();
        let counts = self.loss.is_of_counts();
        let (mut moments, mut pooled) = (Vec::new(), Vec::new());
        for images in self.batches() {
            let mut calculated = vec![0.0; images.len() * pixels];
            self.problem.predict(parameters, &images, &mut calculated, waiting)?;
            for (image, calculated) in images.iter().zip(calculated.chunks_exact(pixels)) {
                moments.push((*image, self.moments(*image, calculated)));
                if counts {
                    pooled.push(classes(&self.version.images()[*image], calculated));
                }
            }
        }
        let covariance: f64 = moments.iter().map(|(_, m)| m.covariance).sum();
        let variance: f64 = moments.iter().map(|(_, m)| m.variance).sum();
        let mut factor = covariance / variance;
        let correlated = factor.is_finite() && factor > 0.0;
        if !correlated {
            let (of_images, of_model) =
                moments.iter().fold((0.0, 0.0), |s, (_, m)| (s.0 + m.observed.abs(), s.1 + m.calculated.abs()));
            factor = if of_model > 0.0 && of_images > 0.0 { of_images / of_model } else { 1.0 };
            log::warning(format!(
                "the images do not correlate with the start atoms (covariance {covariance:.3e}): check tilt axis, sign of the angles, pixel size and origin; heights start at {factor:.3e}"
            ));
        }
        let squares = || Intensities {
            factor,
            backgrounds: moments.iter().map(|(_, m)| m.observed - factor * m.calculated).collect(),
        };
        let poisson = Loss::Poisson { floor: self.loss_scale };
        let of_counts = (counts && correlated).then(|| Intensities::of_least_loss(poisson, &pooled)).flatten();
        let start = of_counts.filter(|found| found.factor > 0.0).unwrap_or_else(squares);
        parameters[self.blocks.heights.clone()].iter_mut().for_each(|h| *h *= start.factor);
        for ((image, _), background) in moments.iter().zip(&start.backgrounds) {
            parameters[self.blocks.background.start + image] = *background;
        }
        Ok(())
    }

    fn moments(&self, image: usize, calculated: &[f64]) -> Moments {
        let observed = &self.version.images()[image];
        let used = || (0..calculated.len()).filter(|i| observed.uses(*i));
        let n = used().count() as f64;
        let mean = |of: &dyn Fn(usize) -> f64| used().map(of).sum::<f64>() / n;
        let o = mean(&|i| f64::from(observed.pixels[i]));
        let c = mean(&|i| calculated[i]);
        Moments {
            observed: o,
            calculated: c,
            covariance: used().map(|i| (f64::from(observed.pixels[i]) - o) * (calculated[i] - c)).sum(),
            variance: used().map(|i| (calculated[i] - c).powi(2)).sum(),
        }
    }

    /// Sum of the squares that the best scale and background leave of an image, and of those about its mean.
    pub(super) fn left_over(&self, image: usize, calculated: &[f64]) -> (f64, f64) {
        let observed = &self.version.images()[image];
        let moments = self.moments(image, calculated);
        let squares = |i: usize| (f64::from(observed.pixels[i]) - moments.observed).powi(2);
        let all: f64 = (0..calculated.len()).filter(|i| observed.uses(*i)).map(squares).sum();
        let explained = if moments.variance > 0.0 { moments.covariance.powi(2) / moments.variance } else { 0.0 };
        (all - explained, all)
    }

    /// The threshold of Huber where nobody gave it: 1.345 robust standard deviations of the residuals at the start, the median
    /// over images of those about each image's median, which an offset of the background does not move. With Gaussian noise
    /// alone an estimate with this threshold is 95 % as efficient as least squares (Huber, Robust Statistics, 1981).
    pub fn settle_threshold(&mut self, parameters: &[f64], waiting: &mut Waiting<'_>) -> Result<()> {
        if self.loss != LossChoice::Huber || self.loss_scale.is_finite() {
            return Ok(());
        }
        let (pixels, mut deviations) = (self.problem.pixels(), Vec::new());
        for images in self.batches() {
            let mut calculated = vec![0.0; images.len() * pixels];
            self.problem.predict(parameters, &images, &mut calculated, waiting)?;
            for (image, calculated) in images.iter().zip(calculated.chunks_exact(pixels)) {
                let observed = &self.version.images()[*image];
                let used = calculated.iter().enumerate().filter(|(i, _)| observed.uses(*i));
                let residuals: Vec<f64> = used.map(|(i, c)| f64::from(observed.pixels[i]) - c).collect();
                deviations.push(robust_deviation(&residuals));
            }
        }
        let deviation = median(&deviations);
        if deviation <= 0.0 {
            let why = "half of the pixels and more agree exactly with the start atoms, so that the residuals tell no \
                       threshold; give huber_threshold, or use loss mse";
            return Err(Error::Inconsistent { what: "loss huber".into(), why: why.into() });
        }
        self.loss_scale = HUBER * deviation;
        log::info(format!("threshold of the Huber loss: {:.4e}, in the unit of the images", self.loss_scale));
        let losses = (0..self.version.images().len()).map(|i| self.compared_by(i)).collect();
        let problem = Arc::get_mut(&mut self.problem);
        problem.ok_or_else(|| Error::Internal("a plan that starts is shared".into()))?.compare_by(losses);
        Ok(())
    }

    /// Sets the scale of every free block to 1 / sqrt(mean diagonal of its part of the Gauss-Newton matrix J^T W J / N).
    /// The diagonal is estimated without forming J: with random signs e, E[(J^T sqrt(W) e)_i^2] = (J^T W J)_ii
    /// (Hutchinson); the signs have a fixed seed. W is that of [`Loss::weight`].
    pub fn estimate_scales(&mut self, parameters: &[f64], waiting: &mut Waiting<'_>) -> Result<()> {
        let pixels = self.problem.pixels();
        let active = self.active();
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(0x5eed);
        let mut squares = vec![0.0; parameters.len()];
        let mut count = 0usize;
        for _ in 0..PROBES {
            let mut sum = vec![0.0; parameters.len()];
            count = 0;
            for images in self.batches() {
                let mut signs = vec![1.0; images.len() * pixels];
                if self.loss != LossChoice::Mse {
                    self.problem.predict(parameters, &images, &mut signs, waiting)?;
                    for (image, signs) in images.iter().zip(signs.chunks_exact_mut(pixels)) {
                        let (loss, observed) = (self.compared_by(*image), &self.version.images()[*image].pixels);
                        let each = signs.iter_mut().zip(observed.iter());
                        each.for_each(|(v, o)| *v = loss.weight(*v, f64::from(*o)).sqrt());
                    }
                }
                for (at, sign) in signs.iter_mut().enumerate() {
                    let image = &self.version.images()[images[at / pixels]];
                    *sign *= if !image.uses(at % pixels) {
                        0.0
                    } else if random.next_u32() & 1 == 1 {
                        1.0
                    } else {
                        -1.0
                    };
                }
                let part = self.problem.pull_back(parameters, &active, &images, &signs, waiting)?;
                sum.iter_mut().zip(&part).for_each(|(s, p)| *s += p);
                count += signs.len();
            }
            squares.iter_mut().zip(&sum).for_each(|(q, s)| *q += s * s);
        }
        for block in self.layout.blocks.iter_mut().filter(|b| !b.frozen) {
            let diagonal: f64 = squares[block.range()].iter().sum::<f64>();
            let mean = diagonal / (PROBES * block.len().max(1) * count.max(1)) as f64;
            block.scale = if mean > 0.0 { 1.0 / mean.sqrt() } else { 1.0 };
        }
        debug_assert!(!self.layout.blocks[Blocks::POSITIONS].is_empty());
        Ok(())
    }
}

struct Moments {
    observed: f64,
    calculated: f64,
    covariance: f64,
    variance: f64,
}
