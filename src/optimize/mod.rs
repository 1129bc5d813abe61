//! Optimisers behind one interface: each takes one step at a time on a loss with gradient, keeps what it must
//! remember in a state that can be stored, and never holds the problem. The driver around them owns stopping,
//! progress, cancellation and the record.
//!
//! All of them work on x / scale (see [`Space`]), keep the bounds, and are deterministic functions of their state.
//!
//! | [`Optimizer`] | one iteration | evaluations of all images in it |
//! |---|---|---|
//! | L-BFGS | quasi-Newton step with line search | 1, sometimes more |
//! | gradient descent | step along the gradient with backtracking | 1 to 3 |
//! | Adam | a pass: one update per mini-batch of parts of the data | 1 |
//! | conjugate gradients | step along a conjugate direction with line search | 1 to 3 |
//! | Levenberg-Marquardt | damped Gauss-Newton step by inner conjugate gradients | 1 and one per Gauss-Newton product |

mod adam;
mod batches;
mod conjugate_gradient;
mod gradient_descent;
mod lbfgs;
mod levenberg_marquardt;
mod line;
mod method;
mod stopping;
#[cfg(test)]
mod toys;

pub use adam::{Adam, AdamOptions};
pub use batches::{batches, BatchOptions};
pub use conjugate_gradient::{ConjugateGradient, ConjugateGradientOptions};
pub use gradient_descent::{GradientDescent, GradientDescentOptions};
pub use lbfgs::{Lbfgs, LbfgsOptions};
pub use levenberg_marquardt::{LevenbergMarquardt, LevenbergMarquardtOptions};
pub use method::{Optimizer, OptimizerState, RunOptions, Settings};
pub use stopping::{Stopping, StoppingState, Termination};

use crate::error::{Error, Result};

/// Loss and gradient, fused; what else a method may need has a default for objectives that cannot give it.
pub trait Objective {
    /// Loss at `x`; `gradient` (same length) is overwritten.
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64>;

    /// Parts into which the data can be divided: tilts. 1 where they cannot.
    fn parts(&self) -> usize {
        1
    }

    /// Weight of a part in the loss of all: its number of images.
    fn weight(&self, _part: usize) -> f64 {
        1.0
    }

    /// As `evaluate`, over some parts of the data only.
    fn evaluate_parts(&mut self, x: &[f64], _parts: &[usize], gradient: &mut [f64]) -> Result<f64> {
        self.evaluate(x, gradient)
    }

    /// Moves `x` to where the host allows it to be, after a pass over mini-batches; the driver does so after the steps of
    /// the other methods.
    fn project(&mut self, _x: &mut Vec<f64>) -> Result<()> {
        Ok(())
    }

    /// J^T W J `direction` at `x`: the product with the Gauss-Newton matrix of the loss that `evaluate` returns, in the
    /// units of x.
    fn gauss_newton_product(&mut self, _x: &[f64], _direction: &[f64]) -> Result<Vec<f64>> {
        Err(Error::Unsupported {
            what: "the optimiser levenberg_marquardt".into(),
            why: "this problem offers no Gauss-Newton products; use another".into(),
        })
    }
}

/// Scales and bounds of the variables: optimisers work on x / scale and keep lower <= x <= upper.
#[derive(Debug, Clone)]
pub struct Space {
    /// Typical change of each variable, positive.
    pub scale: Vec<f64>,
    /// Smallest values.
    pub lower: Vec<f64>,
    /// Largest values.
    pub upper: Vec<f64>,
    /// Change of each variable by one update of a method whose steps do not follow from the loss (Adam).
    pub step: Vec<f64>,
}

/// A point with its loss and gradient, in the units of x.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Iterate {
    /// Variables.
    pub x: Vec<f64>,
    /// Loss at x.
    pub loss: f64,
    /// Gradient at x.
    pub gradient: Vec<f64>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Length of the move in scaled variables (root mean square).
    pub length: f64,
    /// Loss after the step; of a mini-batch method, the mean over the pass.
    pub loss: f64,
    /// Root mean square of the scaled, projected gradient that belongs to `loss`.
    pub gradient_norm: f64,
    /// What the step says about going on.
    pub outlook: Outlook,
}

/// What a step says about going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The rules of the run decide.
    Open,
    /// No descent was found along the gradient itself: the loss is at its numerical minimum.
    Stalled,
    /// A schedule is lowering the steps: that the loss does not fall says nothing yet.
    Annealing,
    /// The schedule has come to its end.
    Finished,
}

impl Step {
    /// A step whose end point `at` has been evaluated over all data.
    fn to(space: &Space, at: &Iterate, length: f64, outlook: Outlook) -> Self {
        Step { length, loss: at.loss, gradient_norm: space.gradient_norm(at), outlook }
    }
}

impl Space {
    /// A space in which one update changes a variable by its scale.
    pub fn new(scale: Vec<f64>, lower: Vec<f64>, upper: Vec<f64>) -> Self {
        Self { step: scale.clone(), scale, lower, upper }
    }

    /// Moves every variable into its bounds.
    pub fn clamp(&self, x: &mut [f64]) {
        for ((x, lower), upper) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = x.clamp(*lower, *upper);
        }
    }

    /// Gradient in scaled variables, without the components that would only push a variable out of its bounds.
    pub fn projected_gradient(&self, x: &[f64], gradient: &[f64]) -> Vec<f64> {
        (0..x.len())
            .map(|i| {
                let outwards =
                    (x[i] <= self.lower[i] && gradient[i] > 0.0) || (x[i] >= self.upper[i] && gradient[i] < 0.0);
                if outwards {
                    0.0
                } else {
                    gradient[i] * self.scale[i]
                }
            })
            .collect()
    }

    /// Root mean square of the projected gradient.
    pub fn gradient_norm(&self, iterate: &Iterate) -> f64 {
        norm(&self.projected_gradient(&iterate.x, &iterate.gradient)) / (iterate.x.len().max(1) as f64).sqrt()
    }

    /// Root mean square of the scaled way from `from` to `to`.
    fn distance(&self, from: &[f64], to: &[f64]) -> f64 {
        let squares: f64 = (0..to.len()).map(|i| ((to[i] - from[i]) / self.scale[i]).powi(2)).sum();
        (squares / to.len().max(1) as f64).sqrt()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn negated(a: &[f64]) -> Vec<f64> {
    a.iter().map(|v| -v).collect()
}
