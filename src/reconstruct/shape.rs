//! The shape of the atoms, from the images themselves.
//!
//! What an atom looks like in an image depends on probe, detector, thermal motion and on the columns that guide the probe:
//! more than a Gaussian, or a probe in vacuum, tells. With positions, heights and widths held, the images are linear in the
//! weights of the orbital's terms, f(q) = sum_t w_t exp(-q^2 / s_t) (see [`Orbital`]), so that all atoms together tell their
//! common shape. Weights below 0 would be fitted to what other errors of the model leave: the best of those that are not is
//! found exactly, by trying all subsets of the few terms.

use super::plan::{Plan, Recipe};
use super::reconstruction::Reconstruction;
use super::state::State;
use crate::error::{Error, Result};
use crate::forward::local_orbital::{Orbital, OrbitalTerm};
use crate::problem::{Observer, Phase, Progress, Waiting};
use nalgebra::{DMatrix, DVector};
use std::time::Instant;

/// Widths s of the terms unless told otherwise: half the width that was fitted to a skirt of four times its radius.
pub const SHAPE_WIDTHS: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// Most terms: all their subsets are tried.
const MOST_TERMS: usize = 10;

/// Terms whose weight times width is below this part of the sum are left out: a wide one makes every evaluation slow.
const NEGLIGIBLE: f64 = 0.01;

/// Terms wider than this, sqrt(s B) in pixels, are not tried.
const WIDEST: f64 = 5.0;

impl Reconstruction {
    /// The shape that fits the images best at the latest state, with f(0) = 1 and terms of the widths `widths` (in units of
    /// B, as [`OrbitalTerm::width`]; `None`: those of [`SHAPE_WIDTHS`] that are not wider than 5 pixels). Weights are not
    /// negative; the background of each image, where it is free, follows them. A fit with this shape starts from the atoms
    /// of this one.
    ///
    /// # Errors
    /// `Range` for widths that are not positive or more than 10; `NotReady` without an image; `Empty` where no
    /// term of positive weight brings the images nearer; `Cancelled`.
    pub fn fit_orbital(&self, widths: Option<&[f64]>, observer: &mut Observer<'_>) -> Result<Orbital> {
        let context = self.context();
        context.check_process()?;
        let snapshot = self.snapshot();
        let state = &*snapshot.state;
        let widest = WIDEST * state.plan.version.pixel_size();
        let automatic =
            || SHAPE_WIDTHS.into_iter().filter(|s| *s <= 1.0 || s * state.largest_width() <= widest * widest);
        let widths = widths.map_or_else(|| automatic().collect(), <[f64]>::to_vec);
        if widths.is_empty() || widths.len() > MOST_TERMS {
            return Err(Error::range("number of widths", widths.len(), format!("1 to {MOST_TERMS}")));
        }
        // names the width that has no meaning
        Orbital::gaussians(&widths.iter().map(|&width| OrbitalTerm { weight: 1.0, width }).collect::<Vec<_>>())?;
        if state.plan.problem.images().is_empty() {
            let why = "it has no images; append tilts to the dataset, or include some again".into();
            return Err(Error::NotReady { what: "the reconstruction".into(), why });
        }
        let cancel = context.cancel_token();
        let began = Instant::now();
        let mut tell =
            |fraction: f64| observer(&Progress::of_phase(Phase::Evaluating, fraction, began.elapsed().as_secs_f64()));
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        let terms = Terms::new(self.recipe(), state, &widths)?;
        terms.moments(state, &mut waiting)?.orbital(&widths)
    }
}

impl State {
    fn largest_width(&self) -> f64 {
        self.parameters[self.plan.blocks.widths.clone()].iter().copied().fold(0.0, f64::max)
    }
}

/// One plan per term: the model with that term alone.
struct Terms {
    plans: Vec<Plan>,
}

impl Terms {
    fn new(recipe: &Recipe, state: &State, widths: &[f64]) -> Result<Self> {
        let plan = &state.plan;
        let largest = state.largest_width();
        let of_term = |width: &f64| {
            let mut recipe = recipe.clone();
            recipe.options.orbital = Orbital::gaussians(&[OrbitalTerm { weight: 1.0, width: *width }])?;
            // windows as wide as these orbitals need
            recipe.options.width_max = Some(1.01 * largest);
            recipe.plan(plan.version.clone(), &state.parameters, plan.generation, Some(plan.loss_scale))
        };
        Ok(Self { plans: widths.iter().map(of_term).collect::<Result<_>>()? })
    }

    /// Sums over all used pixels of all used images.
    fn moments(&self, state: &State, waiting: &mut Waiting<'_>) -> Result<Moments> {
        let plan = &state.plan;
        let problem = &plan.problem;
        let (pixels, buffers, images) = (problem.pixels(), problem.buffers(), problem.images());
        let mut parameters = state.parameters.to_vec();
        parameters[plan.blocks.background.clone()].fill(0.0);
        let background = &plan.layout.block("background")?;
        let mut moments = Moments::new(self.plans.len());
        let groups = plan.tilts_at_once(images)?;
        for (done, places) in groups.iter().enumerate() {
            waiting.at(done as f64 / groups.len() as f64, "fitting the shape of the atoms")?;
            let part: Vec<usize> = places.iter().map(|place| images[*place]).collect();
            let mut quiet = Waiting { cancel: waiting.cancel, tell: &mut |_| true };
            let mut now = buffers.take(part.len() * pixels);
            problem.predict(&state.parameters, &part, &mut now, &mut quiet)?;
            let mut of_terms = Vec::with_capacity(self.plans.len());
            for term in &self.plans {
                let mut calculated = buffers.take(part.len() * pixels);
                term.problem.predict(&parameters, &part, &mut calculated, &mut quiet)?;
                of_terms.push(calculated);
            }
            for (at, image) in part.iter().enumerate() {
                let shift = state.parameters[plan.blocks.background.start + image];
                let (of_image, loss) = (&plan.version.images()[*image], plan.compared_by(*image));
                let mut sums = Moments::new(self.plans.len());
                let mut row = vec![0.0; self.plans.len()];
                for pixel in (0..pixels).filter(|pixel| of_image.uses(*pixel)) {
                    let place = at * pixels + pixel;
                    row.iter_mut().zip(&of_terms).for_each(|(value, term)| *value = term[place]);
                    let observed = f64::from(of_image.pixels[pixel]);
                    sums.add(loss.weight(now[place], observed), &row, observed - shift);
                }
                moments.join(&sums, !background.frozen);
            }
            of_terms.into_iter().for_each(|calculated| buffers.give(calculated));
            buffers.give(now);
        }
        Ok(moments)
    }
}

/// Sums of products of the terms and of the images, which decide the weights.
struct Moments {
    weight: f64,
    of_terms: DVector<f64>,
    of_images: f64,
    products: DMatrix<f64>,
    with_images: DVector<f64>,
}

impl Moments {
    fn new(terms: usize) -> Self {
        Self {
            weight: 0.0,
            of_terms: DVector::zeros(terms),
            of_images: 0.0,
            products: DMatrix::zeros(terms, terms),
            with_images: DVector::zeros(terms),
        }
    }

    fn add(&mut self, weight: f64, terms: &[f64], observed: f64) {
        self.weight += weight;
        self.of_images += weight * observed;
        for (i, a) in terms.iter().enumerate() {
            let weighted = weight * a;
            self.of_terms[i] += weighted;
            self.with_images[i] += weighted * observed;
            for (j, b) in terms.iter().enumerate().take(i + 1) {
                self.products[(i, j)] += weighted * b;
            }
        }
    }

    /// Adds those of one image, whose background is what makes its mean right where it is free.
    fn join(&mut self, image: &Self, free_background: bool) {
        let by = if free_background && image.weight > 0.0 { image.weight.recip() } else { 0.0 };
        self.weight += image.weight;
        self.products += &image.products - by * &image.of_terms * image.of_terms.transpose();
        self.with_images += &image.with_images - by * image.of_images * &image.of_terms;
    }

    /// The shape of the least squares among those without negative weights.
    fn orbital(&self, widths: &[f64]) -> Result<Orbital> {
        let n = widths.len();
        let mut best: Option<(f64, Vec<f64>)> = None;
        for subset in 1usize..1 << n {
            let members: Vec<usize> = (0..n).filter(|i| subset >> i & 1 == 1).collect();
            let lower = |i: usize, j: usize| self.products[(members[i.max(j)], members[i.min(j)])];
            let matrix = DMatrix::from_fn(members.len(), members.len(), lower);
            let right = DVector::from_fn(members.len(), |i, _| self.with_images[members[i]]);
            let Some(solved) = matrix.cholesky().map(|c| c.solve(&right)) else { continue };
            let gain = right.dot(&solved);
            let better = best.as_ref().is_none_or(|(known, _)| gain > *known);
            if better && gain > 0.0 && solved.iter().all(|w| w.is_finite() && *w > 0.0) {
                let mut weights = vec![0.0; n];
                members.iter().zip(&solved).for_each(|(i, w)| weights[*i] = *w);
                best = Some((gain, weights));
            }
        }
        let Some((_, weights)) = best else {
            let why = "no term of positive weight brings the calculated images nearer to the measured ones".into();
            return Err(Error::Empty { what: "shape of the atoms".into(), why });
        };
        let mass: f64 = weights.iter().zip(widths).map(|(w, s)| w * s).sum();
        let kept = || weights.iter().zip(widths).filter(|(w, s)| *w * *s > NEGLIGIBLE * mass);
        let peak: f64 = kept().map(|(w, _)| w).sum();
        Orbital::gaussians(&kept().map(|(w, s)| OrbitalTerm { weight: w / peak, width: *s }).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(rows: &[[f64; 3]], observed: &[f64]) -> Moments {
        let mut sums = Moments::new(3);
        rows.iter().zip(observed).for_each(|(row, o)| sums.add(1.0, row, *o));
        let mut all = Moments::new(3);
        all.join(&sums, true);
        all
    }

    fn rows() -> Vec<[f64; 3]> {
        let x = |i: usize| i as f64 / 20.0;
        (0..40).map(|i| [4.0, 1.0, 0.25].map(|by| (-by * x(i) * x(i)).exp())).collect()
    }

    #[test]
    fn weights_that_made_the_images_are_found_whatever_the_background() {
        let rows = rows();
        let observed: Vec<f64> = rows.iter().map(|r| 3.0 * r[0] + 1.0 * r[2] + 17.0).collect();
        let orbital = moments(&rows, &observed).orbital(&[0.25, 1.0, 4.0]).unwrap();
        let found: Vec<(f64, f64)> = orbital.terms().iter().map(|t| (t.weight, t.width)).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!((found[0].0 - 0.75).abs() < 1e-6 && found[0].1 == 0.25, "{found:?}");
        assert!((found[1].0 - 0.25).abs() < 1e-6 && found[1].1 == 4.0, "{found:?}");
    }

    #[test]
    fn weights_are_never_negative() {
        let rows = rows();
        let observed: Vec<f64> = rows.iter().map(|r| 2.0 * r[0] - 0.3 * r[2]).collect();
        let orbital = moments(&rows, &observed).orbital(&[0.25, 1.0, 4.0]).unwrap();
        assert!(orbital.terms().iter().all(|t| t.weight > 0.0));
        let upside_down: Vec<f64> = rows.iter().map(|r| -r[0]).collect();
        assert!(matches!(moments(&rows, &upside_down).orbital(&[0.25, 1.0, 4.0]), Err(Error::Empty { .. })));
    }
}
