//! Nonlinear conjugate gradients after Polak and Ribiere with restart (Nocedal and Wright, Numerical Optimization,
//! section 5.2, PR+), projected onto the bounds, in scaled variables:
//! p' = -g' + beta p with beta = max(0, g'.(g' - g) / g.g).

use super::line::{Line, Wolfe};
use super::{dot, negated, norm, Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;
use std::sync::Arc;

/// Settings of [`ConjugateGradient`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConjugateGradientOptions {
    /// Sufficient decrease (Armijo).
    pub decrease: f64,
    /// Slope, relative to the start of the line, at which the search ends.
    pub curvature: f64,
    /// Evaluations of one line search at most.
    pub evaluations: usize,
}

impl Default for ConjugateGradientOptions {
    fn default() -> Self {
        Self { decrease: 1e-4, curvature: 0.3, evaluations: 20 }
    }
}

/// State of the method: what the former iteration left.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct ConjugateGradient {
    /// Shared, so that publishing the state after every iteration does not copy it.
    former: Option<Arc<Former>>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Former {
    gradient: Vec<f64>,
    direction: Vec<f64>,
    length: f64,
}

impl ConjugateGradient {
    /// Whether what is remembered is of a problem with `len` parameters.
    pub fn fits(&self, len: usize) -> bool {
        self.former.as_ref().is_none_or(|f| f.gradient.len() == len && f.direction.len() == len)
    }

    /// One iteration from `at`, which becomes the new point; on error it is unchanged.
    pub fn step(
        &mut self,
        options: &ConjugateGradientOptions,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        let rules =
            Wolfe { decrease: options.decrease, curvature: options.curvature, evaluations: options.evaluations };
        let gradient = space.projected_gradient(&at.x, &at.gradient);
        let conjugate = self.former.as_ref().and_then(|former| former.go_on(&gradient));
        let mut found = None;
        let mut direction = Vec::new();
        for (d, first) in conjugate.into_iter().chain([(negated(&gradient), 1.0)]) {
            direction = d;
            found = Line { space, start: at, direction: &direction }.search(&rules, first, objective)?;
            if found.is_some() {
                break;
            }
        }
        let Some((next, length)) = found else {
            self.former = None;
            return Ok(Step::to(space, at, 0.0, Outlook::Stalled));
        };
        let moved = space.distance(&at.x, &next.x);
        *at = next;
        self.former = Some(Arc::new(Former { gradient, direction, length }));
        Ok(Step::to(space, at, moved, Outlook::Open))
    }
}

impl Former {
    /// The next direction and the length with which its search begins (the former fall of the loss to first order;
    /// Nocedal and Wright, formula 3.60); `None` asks for a restart: beta is 0 or the direction does not descend.
    fn go_on(&self, gradient: &[f64]) -> Option<(Vec<f64>, f64)> {
        let change = dot(gradient, gradient) - dot(gradient, &self.gradient);
        let beta = change / dot(&self.gradient, &self.gradient);
        if !(beta.is_finite() && beta > 0.0) {
            return None;
        }
        // A variable that waits at a bound does not move, whatever it did before.
        let direction: Vec<f64> =
            gradient.iter().zip(&self.direction).map(|(g, d)| if *g == 0.0 { 0.0 } else { beta * d - g }).collect();
        let slope = dot(&direction, gradient);
        let first = self.length * dot(&self.direction, &self.gradient) / slope;
        (slope < -1e-6 * norm(&direction) * norm(gradient)).then_some((direction, first.clamp(1e-12, 1e12)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::toys::{self, bad_units, good_scales, rosenbrock, unbounded, Function};
    use super::*;

    fn minimise(
        function: impl Fn(&[f64]) -> (f64, Vec<f64>),
        x: Vec<f64>,
        space: &Space,
        steps: usize,
    ) -> (Iterate, usize) {
        let (mut objective, mut method) = (Function::new(function), ConjugateGradient::default());
        let options = ConjugateGradientOptions::default();
        let at = toys::minimise(&mut objective, x, steps, |objective, at| method.step(&options, objective, space, at));
        (at, objective.evaluations)
    }

    #[test]
    fn rosenbrock_is_solved() {
        let (at, evaluations) = minimise(rosenbrock, vec![-1.2, 1.0], &unbounded(2), 100);
        assert!((at.x[0] - 1.0).abs() < 1e-5 && (at.x[1] - 1.0).abs() < 1e-5, "{at:?}");
        assert!(evaluations < 300, "{evaluations}");
    }

    #[test]
    fn a_quadratic_of_n_variables_takes_about_n_steps() {
        let n = 12;
        let quadratic = |x: &[f64]| {
            let w = |i: usize| 1.0 + (i * i) as f64;
            let loss = (0..n).map(|i| 0.5 * w(i) * (x[i] - 1.0).powi(2)).sum();
            (loss, (0..n).map(|i| w(i) * (x[i] - 1.0)).collect())
        };
        let exact = ConjugateGradientOptions { curvature: 1e-3, ..Default::default() };
        let (mut objective, mut method) = (Function::new(quadratic), ConjugateGradient::default());
        let space = unbounded(n);
        let at = toys::minimise(&mut objective, vec![0.0; n], n + 2, |o, at| method.step(&exact, o, &space, at));
        assert!(at.loss < 1e-9, "{at:?}");
    }

    #[test]
    fn bounds_hold_and_the_constrained_minimum_is_found() {
        let mut space = unbounded(2);
        space.upper[0] = 0.5;
        let (at, _) = minimise(rosenbrock, vec![-1.2, 1.0], &space, 200);
        assert!((at.x[0] - 0.5).abs() < 1e-9 && (at.x[1] - 0.25).abs() < 1e-5, "{at:?}");
    }

    #[test]
    fn scales_make_bad_units_harmless() {
        let (at, evaluations) = minimise(bad_units, vec![0.0; 3], &good_scales(), 3);
        assert!(at.loss < 1e-12 && evaluations < 8, "{at:?} {evaluations}");
    }
}
