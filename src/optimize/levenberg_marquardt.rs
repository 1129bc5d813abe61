//! Levenberg-Marquardt with inner conjugate gradients (Nocedal and Wright, Numerical Optimization, sections 7.1 and
//! 10.3): in scaled variables the step p solves
//!
//! (G + lambda) p = -g, G = S J^T W J S,
//!
//! by linear conjugate gradients, which end when the residual is below eta |g| (Eisenstat and Walker: eta falls with
//! the gradient, so that early steps are cheap and late ones accurate) or after a number of products. lambda follows
//! the ratio of the real to the predicted fall of the loss (Nielsen, Damping parameter in Marquardt's method, 1999).
//! The scales make the mean diagonal of G about 1, so that lambda has no unit.

use super::line::Line;
use super::{dot, norm, Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;

/// Settings of [`LevenbergMarquardt`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LevenbergMarquardtOptions {
    /// lambda at the start. Small values jump into the basin of another minimum where the start is rough.
    pub damping: f64,
    /// Gauss-Newton products of one step at most.
    pub products: usize,
    /// Residual of the inner system, relative to the gradient, at which it counts as solved in the first step.
    pub accuracy: f64,
}

impl Default for LevenbergMarquardtOptions {
    fn default() -> Self {
        Self { damping: 1.0, products: 10, accuracy: 0.3 }
    }
}

/// Trials of one iteration at most, each with a larger lambda.
const TRIALS: usize = 12;

/// Smallest and largest lambda.
const DAMPING: (f64, f64) = (1e-12, 1e12);

/// State of the method.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct LevenbergMarquardt {
    memory: Option<Memory>,
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Memory {
    damping: f64,
    /// Factor on lambda if the next trial fails.
    rise: f64,
    /// Norm of the scaled gradient at the first point.
    first_gradient: f64,
}

/// A solution of the inner system: the step, and the fall of the loss that the quadratic model expects (positive).
struct Inner {
    step: Vec<f64>,
    fall: f64,
}

impl LevenbergMarquardt {
    /// One iteration from `at`, which becomes the new point; on error it is unchanged.
    pub fn step(
        &mut self,
        options: &LevenbergMarquardtOptions,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        let gradient = space.projected_gradient(&at.x, &at.gradient);
        let size = norm(&gradient);
        let fresh = Memory { damping: options.damping, rise: 2.0, first_gradient: size };
        let mut memory = self.memory.unwrap_or(fresh);
        for _ in 0..TRIALS {
            let relative = (size / memory.first_gradient).sqrt();
            let accuracy = options.accuracy * if relative.is_finite() { relative.clamp(1e-3, 1.0) } else { 1.0 };
            let inner = solve(objective, space, at, &gradient, (memory.damping, accuracy * size, options.products))?;
            let line = Line { space, start: at, direction: &inner.step };
            let x = line.at(1.0);
            if !line.can_fall(-inner.fall) {
                break;
            }
            let next = line.evaluate(objective, x)?;
            let gain = (at.loss - next.loss) / inner.fall;
            if gain > 1e-4 {
                memory.damping *= (1.0 - (2.0 * gain - 1.0).powi(3)).clamp(1.0 / 3.0, 2.0);
                memory.damping = memory.damping.clamp(DAMPING.0, DAMPING.1);
                memory.rise = 2.0;
                self.memory = Some(memory);
                let moved = space.distance(&at.x, &next.x);
                *at = next;
                return Ok(Step::to(space, at, moved, Outlook::Open));
            }
            memory.damping = (memory.damping * memory.rise).min(DAMPING.1);
            memory.rise *= 2.0;
        }
        self.memory = Some(memory);
        Ok(Step::to(space, at, 0.0, Outlook::Stalled))
    }
}

/// Conjugate gradients for (G + damping) p = -gradient among the variables that are not held at a bound; `rules` are
/// damping, residual that is small enough, and products at most.
fn solve(
    objective: &mut dyn Objective,
    space: &Space,
    at: &Iterate,
    gradient: &[f64],
    rules: (f64, f64, usize),
) -> Result<Inner> {
    let (damping, enough, products) = rules;
    let n = gradient.len();
    let (mut step, mut curved) = (vec![0.0; n], vec![0.0; n]); // p and G p
    let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut direction = residual.clone();
    let mut square = dot(&residual, &residual);
    for _ in 0..products.max(1) {
        if square.sqrt() <= enough || square == 0.0 {
            break;
        }
        let unscaled: Vec<f64> = direction.iter().zip(&space.scale).map(|(d, s)| d * s).collect();
        let mut product = objective.gauss_newton_product(&at.x, &unscaled)?;
        for (i, p) in product.iter_mut().enumerate() {
            *p = if gradient[i] == 0.0 { 0.0 } else { *p * space.scale[i] };
        }
        let curvature = dot(&direction, &product) + damping * dot(&direction, &direction);
        if !(curvature.is_finite() && curvature > 0.0) {
            break;
        }
        let length = square / curvature;
        for i in 0..n {
            step[i] += length * direction[i];
            curved[i] += length * product[i];
            residual[i] -= length * (product[i] + damping * direction[i]);
        }
        let next = dot(&residual, &residual);
        let beta = next / square;
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + beta * *d);
        square = next;
    }
    let fall = -dot(&step, gradient) - 0.5 * dot(&step, &curved);
    Ok(Inner { step, fall })
}

#[cfg(test)]
mod tests {
    use super::super::toys::{self, rosenbrock, unbounded, Function};
    use super::*;

    /// Rosenbrock's function as the sum of squares that it is, with J^T W J where W = 2.
    struct Squares(usize);

    impl Objective for Squares {
        fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
            let (loss, g) = rosenbrock(x);
            gradient.copy_from_slice(&g);
            Ok(loss)
        }

        fn gauss_newton_product(&mut self, x: &[f64], d: &[f64]) -> Result<Vec<f64>> {
            self.0 += 1;
            let along = [-d[0], 10.0 * (d[1] - 2.0 * x[0] * d[0])];
            Ok(vec![2.0 * (-along[0] - 20.0 * x[0] * along[1]), 20.0 * along[1]])
        }
    }

    fn minimise(space: &Space, steps: usize) -> (Iterate, usize) {
        let (mut objective, mut method) = (Squares(0), LevenbergMarquardt::default());
        let options = LevenbergMarquardtOptions::default();
        let x = vec![-1.2, 1.0];
        let at = toys::minimise(&mut objective, x, steps, |objective, at| method.step(&options, objective, space, at));
        (at, objective.0)
    }

    #[test]
    fn rosenbrock_is_solved_in_few_steps() {
        let (at, products) = minimise(&unbounded(2), 40);
        assert!((at.x[0] - 1.0).abs() < 1e-8 && (at.x[1] - 1.0).abs() < 1e-8, "{at:?}");
        assert!(products < 100, "{products}");
    }

    #[test]
    fn bounds_hold_and_the_constrained_minimum_is_found() {
        let mut space = unbounded(2);
        space.upper[0] = 0.5;
        let (at, _) = minimise(&space, 60);
        assert!((at.x[0] - 0.5).abs() < 1e-9 && (at.x[1] - 0.25).abs() < 1e-6, "{at:?}");
    }

    #[test]
    fn a_problem_without_products_is_refused() {
        let mut at = Iterate { x: vec![0.0, 0.0], loss: 1.0, gradient: vec![-2.0, 0.0] };
        let (mut method, options) = (LevenbergMarquardt::default(), LevenbergMarquardtOptions::default());
        let error = method.step(&options, &mut Function::new(rosenbrock), &unbounded(2), &mut at).unwrap_err();
        assert!(error.to_string().contains("levenberg_marquardt"), "{error}");
    }
}
