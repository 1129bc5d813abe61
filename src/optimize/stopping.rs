//! When to stop, and why it stopped.

use super::{Outlook, Step};
use crate::error::{Error, Result};
use std::time::Duration;

/// Rules of a run; whichever is met first ends it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stopping {
    /// Iterations of this run at most.
    pub max_iterations: usize,
    /// Wall time of this run at most.
    pub max_time: Option<Duration>,
    /// Converged when the loss fell by less than this part of itself over [`StoppingState::WINDOW`] iterations.
    pub loss_tolerance: f64,
    /// Converged when the root mean square of the scaled gradient is below this part of the square root of the loss.
    pub gradient_tolerance: f64,
}

impl Default for Stopping {
    fn default() -> Self {
        Self { max_iterations: 200, max_time: None, loss_tolerance: 1e-7, gradient_tolerance: 1e-9 }
    }
}

impl Stopping {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("loss_tolerance", self.loss_tolerance), ("gradient_tolerance", self.gradient_tolerance)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::range(name, value, "0 (never) up to below 1"));
            }
        }
        if self.max_iterations == 0 {
            return Err(Error::range("max_iterations", 0, "at least 1"));
        }
        Ok(())
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Termination {
    /// The loss no longer falls.
    LossTolerance,
    /// The gradient is small.
    GradientTolerance,
    /// No descent is left to numerical precision.
    Stalled,
    /// As many iterations as allowed.
    MaxIterations,
    /// As much time as allowed.
    TimeLimit,
    /// The host asked for the end.
    Cancelled,
}

impl Termination {
    /// Converged in one of its meanings?
    pub fn is_converged(self) -> bool {
        matches!(self, Termination::LossTolerance | Termination::GradientTolerance | Termination::Stalled)
    }
}

/// The latest losses, which outlive a run so that resuming gives the same decisions.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct StoppingState {
    losses: Vec<f64>,
}

impl StoppingState {
    /// Iterations over which the fall of the loss is judged.
    pub const WINDOW: usize = 5;

    /// Forgets the losses: the problem changed.
    pub fn forget(&mut self) {
        self.losses.clear();
    }

    /// Takes the loss and gradient norm after an iteration; a reason if the run has converged. While a schedule lowers
    /// the steps, neither is judged: a loss that rests then is that of the present step, not of the problem.
    pub fn judge(&mut self, rules: &Stopping, step: &Step) -> Option<Termination> {
        let (loss, gradient_norm) = (step.loss, step.gradient_norm);
        if step.outlook == Outlook::Annealing {
            return None;
        }
        self.losses.push(loss);
        if gradient_norm <= rules.gradient_tolerance * loss.abs().sqrt() {
            return Some(Termination::GradientTolerance);
        }
        if self.losses.len() <= Self::WINDOW {
            return None;
        }
        let former = self.losses.remove(0);
        (former - loss <= rules.loss_tolerance * loss.abs()).then_some(Termination::LossTolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_loss_converges_after_the_window() {
        let (rules, mut state) = (Stopping::default(), StoppingState::default());
        let step = Step { length: 1.0, loss: 2.0, gradient_norm: 1.0, outlook: Outlook::Annealing };
        assert!((0..8).all(|_| state.judge(&rules, &step).is_none()));
        let step = Step { outlook: Outlook::Open, ..step };
        let judged: Vec<_> = (0..8).map(|_| state.judge(&rules, &step)).collect();
        assert_eq!(judged.iter().position(Option::is_some), Some(StoppingState::WINDOW));
        assert_eq!(judged[7], Some(Termination::LossTolerance));
    }

    #[test]
    fn rules_without_meaning_are_refused() {
        assert_eq!(Stopping { max_iterations: 0, ..Default::default() }.check().unwrap_err().code(), 103);
        assert!(Stopping { loss_tolerance: f64::NAN, ..Default::default() }.check().is_err());
    }
}
