//! Gradient descent with backtracking (Nocedal and Wright, Numerical Optimization, algorithm 3.1), projected onto the
//! bounds: x' = P(x - a S^2 g) with the scales S, where a is multiplied by rho until
//! loss(x') <= loss(x) + c g.(x' - x). The constants are those of the MSET paper (Lee et al.), c = 0 and rho = 0.1.

use super::line::Line;
use super::{negated, Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;

/// Settings of [`GradientDescent`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GradientDescentOptions {
    /// Sufficient decrease c.
    pub decrease: f64,
    /// Factor rho on a step that was too long.
    pub shrink: f64,
    /// Factor on the last accepted step, with which the next search begins.
    pub grow: f64,
    /// Length with which the first search begins, in scaled variables, where the curvature is about 1.
    pub first_step: f64,
    /// Evaluations of one search at most.
    pub evaluations: usize,
}

impl Default for GradientDescentOptions {
    fn default() -> Self {
        Self { decrease: 0.0, shrink: 0.1, grow: 2.0, first_step: 1.0, evaluations: 20 }
    }
}

/// State of the method: the last accepted step.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct GradientDescent {
    accepted: Option<f64>,
}

impl GradientDescent {
    /// One iteration from `at`, which becomes the new point; on error it is unchanged.
    pub fn step(
        &mut self,
        options: &GradientDescentOptions,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        let direction = negated(&space.projected_gradient(&at.x, &at.gradient));
        let line = Line { space, start: at, direction: &direction };
        let mut length = self.accepted.map_or(options.first_step, |a| options.grow * a);
        for _ in 0..options.evaluations.max(1) {
            let x = line.at(length);
            let expected = line.slope_to(&at.gradient, &x);
            if !line.can_fall(expected) {
                break;
            }
            let next = line.evaluate(objective, x)?;
            if next.loss <= at.loss + options.decrease * expected {
                self.accepted = Some(length);
                let moved = space.distance(&at.x, &next.x);
                *at = next;
                return Ok(Step::to(space, at, moved, Outlook::Open));
            }
            length *= options.shrink;
        }
        Ok(Step::to(space, at, 0.0, Outlook::Stalled))
    }
}

#[cfg(test)]
mod tests {
    use super::super::toys::{self, bad_units, good_scales, rosenbrock, unbounded, Function};
    use super::*;

    fn minimise(
        function: impl Fn(&[f64]) -> (f64, Vec<f64>),
        options: &GradientDescentOptions,
        space: &Space,
        steps: usize,
    ) -> (Iterate, usize) {
        let (mut objective, mut method) = (Function::new(function), GradientDescent::default());
        let x = vec![-1.0; space.scale.len()];
        let at = toys::minimise(&mut objective, x, steps, |objective, at| method.step(options, objective, space, at));
        (at, objective.evaluations)
    }

    #[test]
    fn a_scaled_quadratic_takes_one_step() {
        let (at, evaluations) = minimise(bad_units, &GradientDescentOptions::default(), &good_scales(), 1);
        assert!(at.loss < 1e-20 && evaluations == 2, "{at:?}");
    }

    #[test]
    fn a_step_that_is_too_long_shrinks_by_rho() {
        // loss x^2 / 2 from -1 with a = 100: 1 -> 99, at a = 10 -> 9, at a = 1 -> 0.
        let options = GradientDescentOptions { first_step: 100.0, ..Default::default() };
        let half_square = |x: &[f64]| (0.5 * x[0] * x[0], vec![x[0]]);
        let (at, evaluations) = minimise(half_square, &options, &unbounded(1), 1);
        assert_eq!((at.x[0], evaluations), (0.0, 4));
    }

    #[test]
    fn the_loss_never_rises_and_bounds_hold() {
        let mut space = unbounded(2);
        space.upper[0] = 0.5;
        let (at, _) = minimise(rosenbrock, &GradientDescentOptions::default(), &space, 4000);
        assert!((at.x[0] - 0.5).abs() < 1e-9 && (at.x[1] - 0.25).abs() < 1e-4, "{at:?}");
    }
}
