//! Optimisers behind one interface: each takes one step at a time on a loss with gradient, keeps what it must
//! remember in a state that can be stored, and never holds the problem. The driver around them owns stopping,
//! progress, cancellation and the record.

mod lbfgs;
mod stopping;

pub use lbfgs::{Lbfgs, LbfgsOptions};
pub use stopping::{Stopping, StoppingState, Termination};

use crate::error::Result;

/// Loss and gradient, fused.
pub trait Objective {
    /// Loss at `x`; `gradient` (same length) is overwritten.
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64>;
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
    /// No descent was found along the gradient itself: the loss is at its numerical minimum.
    pub stalled: bool,
}

impl Space {
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
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
