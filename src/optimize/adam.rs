//! Adam over mini-batches (Kingma and Ba, Adam: a method for stochastic optimization, algorithm 1), with a step of its
//! own for every block, bounds, and steps that fall along a cosine (Loshchilov and Hutter, SGDR, formula 5):
//!
//! m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
//! x = P(x - eta step m/(1 - b1^t) / (sqrt(v/(1 - b2^t)) + epsilon)),
//! eta = last + (1 - last)(1 + cos(pi u/U))/2 at update u of U.
//!
//! Gradients g are per scale of the variable. Variables that no image of a batch shows (gradient exactly 0) stay as they
//! are, with their own count t: a background belongs to one image and is met once per pass.

use super::batches::{batches, BatchOptions};
use super::{norm, Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;
use std::sync::Arc;

/// Settings of [`Adam`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdamOptions {
    /// Step of the first updates, in the unit of the problem's leading block (A of the positions); [`Space::step`] is made
    /// from it.
    pub first_step: f64,
    /// Passes over the data in which the steps fall to their last value.
    pub passes: usize,
    /// The last step as part of the first.
    pub last: f64,
    /// Memory of the gradient, b1.
    pub beta1: f64,
    /// Memory of its square, b2.
    pub beta2: f64,
    /// Smallest root mean square of the scaled gradient that counts as one, relative to the square root of the loss.
    pub epsilon: f64,
    /// How a pass is divided.
    pub batch: BatchOptions,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            first_step: 0.06,
            passes: 20,
            last: 0.02,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            batch: BatchOptions::default(),
        }
    }
}

impl AdamOptions {
    /// Factor on the steps when the part `done` of the schedule is done.
    fn factor(&self, done: f64) -> f64 {
        self.last + (1.0 - self.last) * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
    }
}

/// State of the method.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Adam {
    /// Shared, so that publishing the state after every pass does not copy it.
    walk: Option<Arc<Walk>>,
}

/// Where the updates stand, which may be ahead of the best point so far.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Walk {
    x: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
    /// Updates of each variable.
    updates: Vec<u32>,
    passes: usize,
    /// Lowest mean loss of a pass.
    best: f64,
}

impl Adam {
    /// Whether what is remembered is of a problem with `len` parameters.
    pub fn fits(&self, len: usize) -> bool {
        let fits = |w: &Arc<Walk>| [w.x.len(), w.mean.len(), w.square.len(), w.updates.len()].iter().all(|l| *l == len);
        self.walk.as_ref().is_none_or(fits)
    }

    /// One pass over all data. `at` becomes the end of the best pass so far (lowest mean loss, and lower than the loss
    /// of `at` at the start where that is known), with that mean as its loss and the mean gradient as its gradient; the
    /// walk itself goes on from its own end. On error nothing changes.
    pub fn step(
        &mut self,
        options: &AdamOptions,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        let mut walk = self.walk.as_deref().cloned().unwrap_or_else(|| Walk::from(at));
        let from = walk.x.clone();
        let n = from.len();
        let (mut pass, mut weights) = (Iterate { x: from, loss: 0.0, gradient: vec![0.0; n] }, 0.0);
        let mut gradient = vec![0.0; n];
        let dealt = batches(objective.parts(), &options.batch, walk.passes);
        for (number, batch) in dealt.iter().enumerate() {
            let loss = objective.evaluate_parts(&walk.x, batch, &mut gradient)?;
            let weight: f64 = batch.iter().map(|part| objective.weight(*part)).sum();
            pass.loss += weight * loss;
            pass.gradient.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += weight * g);
            weights += weight;
            let done = (walk.passes as f64 + number as f64 / dealt.len() as f64) / options.passes.max(1) as f64;
            walk.update(options, options.factor(done), space, loss, &gradient);
        }
        pass.loss /= weights;
        pass.gradient.iter_mut().for_each(|g| *g /= weights);
        walk.passes += 1;
        objective.project(&mut walk.x)?;
        space.clamp(&mut walk.x);
        let step = Step {
            length: space.distance(&pass.x, &walk.x),
            loss: pass.loss,
            gradient_norm: norm(&space.projected_gradient(&walk.x, &pass.gradient)) / (n.max(1) as f64).sqrt(),
            outlook: if walk.passes < options.passes { Outlook::Annealing } else { Outlook::Finished },
        };
        if pass.loss <= walk.best {
            walk.best = pass.loss;
            *at = Iterate { x: walk.x.clone(), ..pass };
        }
        // A schedule that has ended is not gone on with: another run begins a new one at the best point.
        self.walk = (step.outlook == Outlook::Annealing).then(|| Arc::new(walk));
        Ok(step)
    }
}

impl Walk {
    fn from(at: &Iterate) -> Self {
        let n = at.x.len();
        let best = if at.loss.is_nan() { f64::INFINITY } else { at.loss };
        Self { x: at.x.clone(), mean: vec![0.0; n], square: vec![0.0; n], updates: vec![0; n], passes: 0, best }
    }

    fn update(&mut self, options: &AdamOptions, factor: f64, space: &Space, loss: f64, gradient: &[f64]) {
        let floor = options.epsilon * loss.abs().sqrt();
        let former = 1.0 - options.beta1;
        for (i, g) in gradient.iter().zip(&space.scale).map(|(g, scale)| g * scale).enumerate() {
            if g == 0.0 {
                continue;
            }
            self.updates[i] = self.updates[i].saturating_add(1);
            let t = self.updates[i] as i32;
            self.mean[i] += former * (g - self.mean[i]);
            self.square[i] += (1.0 - options.beta2) * (g * g - self.square[i]);
            let mean = self.mean[i] / (1.0 - options.beta1.powi(t));
            let root = (self.square[i] / (1.0 - options.beta2.powi(t))).sqrt();
            let to = self.x[i] - factor * space.step[i] * mean / (root + floor);
            self.x[i] = to.clamp(space.lower[i], space.upper[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::toys::{unbounded, Points};
    use super::*;

    fn start() -> Iterate {
        Iterate { x: vec![0.0, 0.0], loss: f64::NAN, gradient: vec![0.0; 2] }
    }

    fn run(options: &AdamOptions, space: &Space) -> (Iterate, Points, Vec<Step>) {
        let (mut points, mut at, mut adam) = (Points::new(), start(), Adam::default());
        let mut steps = Vec::new();
        while steps.last().is_none_or(|s: &Step| s.outlook == Outlook::Annealing) {
            steps.push(adam.step(options, &mut points, space, &mut at).unwrap());
        }
        (at, points, steps)
    }

    #[test]
    fn a_line_through_points_is_found_and_the_schedule_ends() {
        let options = AdamOptions { passes: 40, ..Default::default() };
        let (at, points, steps) = run(&options, &unbounded(2));
        let wanted = points.solution();
        assert!((at.x[0] - wanted[0]).abs() < 0.02 && (at.x[1] - wanted[1]).abs() < 0.04, "{at:?} {wanted:?}");
        assert_eq!(steps.len(), 40);
        assert!((points.evaluations - 40.0).abs() < 1e-9, "a pass counts as one evaluation");
        assert!(steps[0].length > 5.0 * steps[39].length);
    }

    #[test]
    fn bounds_hold() {
        let mut space = unbounded(2);
        (space.lower[1], space.upper[0]) = (-1.5, 1.0);
        let (at, ..) = run(&AdamOptions { passes: 30, ..Default::default() }, &space);
        assert_eq!(at.x, [1.0, -1.5]);
    }

    #[test]
    fn the_best_pass_is_kept_when_steps_are_too_long() {
        let mut space = unbounded(2);
        space.step = vec![30.0; 2];
        let (mut points, mut at, mut adam) = (Points::new(), start(), Adam::default());
        let options = AdamOptions { passes: 1000, ..Default::default() };
        let losses: Vec<f64> =
            (0..20).map(|_| adam.step(&options, &mut points, &space, &mut at).unwrap().loss).collect();
        let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(at.loss, lowest);
        assert_ne!(losses[19], lowest);
    }

    #[test]
    fn a_variable_without_gradient_stays() {
        struct Half;
        impl Objective for Half {
            fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
                gradient.copy_from_slice(&[x[0], 0.0]);
                Ok(0.5 * x[0] * x[0])
            }
        }
        let mut at = Iterate { x: vec![1.0, 1.0], loss: f64::NAN, gradient: vec![0.0; 2] };
        Adam::default().step(&AdamOptions::default(), &mut Half, &unbounded(2), &mut at).unwrap();
        assert!((at.x[0] - 0.9).abs() < 1e-8 && at.x[1] == 1.0, "{at:?}");
    }

    #[test]
    fn steps_fall_along_a_cosine() {
        let options = AdamOptions { last: 0.05, ..Default::default() };
        assert_eq!(options.factor(0.0), 1.0);
        assert!((options.factor(0.5) - 0.525).abs() < 1e-12);
        assert!((options.factor(1.0) - 0.05).abs() < 1e-12 && (options.factor(2.0) - 0.05).abs() < 1e-12);
    }
}
