//! Lines through the space of variables, bent by the bounds, and the searches along them.

use super::{Iterate, Objective, Space};
use crate::error::{Error, Result};

/// One line: from `start` along `direction` (scaled variables), projected onto the bounds.
pub(super) struct Line<'a> {
    pub space: &'a Space,
    pub start: &'a Iterate,
    pub direction: &'a [f64],
}

/// Rules of a search for a point where the slope is nearly gone.
pub(super) struct Wolfe {
    /// Sufficient decrease (Armijo).
    pub decrease: f64,
    /// Slope, relative to that at the start, that is accepted.
    pub curvature: f64,
    /// Evaluations at most.
    pub evaluations: usize,
}

/// A place on a line with its loss and slope.
#[derive(Clone, Copy)]
struct Place {
    length: f64,
    loss: f64,
    slope: f64,
}

impl Line<'_> {
    /// The point at `length`, projected onto the bounds.
    pub fn at(&self, length: f64) -> Vec<f64> {
        let mut x: Vec<f64> = (0..self.direction.len())
            .map(|i| self.start.x[i] + length * self.direction[i] * self.space.scale[i])
            .collect();
        self.space.clamp(&mut x);
        x
    }

    /// gradient . (x - start)
    pub fn slope_to(&self, gradient: &[f64], x: &[f64]) -> f64 {
        (0..x.len()).map(|i| gradient[i] * (x[i] - self.start.x[i])).sum()
    }

    /// Derivative of the loss along the line at `x`, where variables that wait at a bound no longer move.
    pub fn slope_at(&self, gradient: &[f64], x: &[f64]) -> f64 {
        let d = self.direction;
        let waits =
            |i: usize| (d[i] < 0.0 && x[i] <= self.space.lower[i]) || (d[i] > 0.0 && x[i] >= self.space.upper[i]);
        (0..x.len()).filter(|i| !waits(*i)).map(|i| gradient[i] * d[i] * self.space.scale[i]).sum()
    }

    /// Loss and gradient at `x`; infinitely high where the loss is not finite, so that the step is shortened.
    pub fn evaluate(&self, objective: &mut dyn Objective, x: Vec<f64>) -> Result<Iterate> {
        let mut gradient = vec![0.0; x.len()];
        let loss = match objective.evaluate(&x, &mut gradient) {
            Err(Error::NonFinite { .. }) => f64::INFINITY,
            other => other?,
        };
        Ok(Iterate { x, loss: if loss.is_nan() { f64::INFINITY } else { loss }, gradient })
    }

    /// A fall of the loss by `expected` (negative) that a double could show?
    pub fn can_fall(&self, expected: f64) -> bool {
        -expected > 1e-17 * self.start.loss.abs()
    }

    /// A point of sufficient decrease whose slope is small (strong Wolfe conditions; Nocedal and Wright, section 3.5),
    /// found by secants of the slope between brackets, with its length; the lowest point met if there are not enough
    /// evaluations, `None` if none falls enough.
    pub fn search(&self, rules: &Wolfe, first: f64, objective: &mut dyn Objective) -> Result<Option<(Iterate, f64)>> {
        let slope = self.slope_at(&self.start.gradient, &self.start.x);
        let mut near = Place { length: 0.0, loss: self.start.loss, slope };
        let (mut far, mut length): (Option<Place>, f64) = (None, first);
        let mut best: Option<(Iterate, f64)> = None;
        for _ in 0..rules.evaluations.max(1) {
            let x = self.at(length);
            let expected = self.slope_to(&self.start.gradient, &x);
            if !self.can_fall(expected) {
                break;
            }
            let point = self.evaluate(objective, x)?;
            let here = Place { length, loss: point.loss, slope: self.slope_at(&point.gradient, &point.x) };
            let falls = here.loss <= self.start.loss + rules.decrease * expected;
            if falls && best.as_ref().is_none_or(|(b, _)| here.loss < b.loss) {
                best = Some((point, length));
            }
            if falls && here.slope.abs() <= rules.curvature * slope.abs() {
                break;
            }
            if !falls || here.slope >= 0.0 || here.loss > near.loss {
                far = Some(here);
                length = inside(near, here);
            } else {
                let former = std::mem::replace(&mut near, here);
                length = far.map_or_else(|| beyond(former, here), |far| inside(here, far));
            }
        }
        Ok(best)
    }
}

/// Between two places: the zero of the secant of the slopes, or the minimum of the parabola through both losses.
fn inside(near: Place, far: Place) -> f64 {
    let width = far.length - near.length;
    let by_slope = near.slope / (near.slope - far.slope);
    let by_loss = -0.5 * near.slope * width / (far.loss - near.loss - near.slope * width);
    let part = if far.slope > 0.0 && far.loss.is_finite() { by_slope } else { by_loss };
    near.length + width * if part.is_finite() { part.clamp(0.1, 0.9) } else { 0.1 }
}

/// Beyond two places that both fall: where the secant of the slopes has its zero, within 1.5 to 10 times.
fn beyond(former: Place, here: Place) -> f64 {
    let zero = here.length - here.slope * (here.length - former.length) / (here.slope - former.slope);
    let longest = 10.0 * here.length;
    if here.slope > former.slope && zero.is_finite() {
        zero.clamp(1.5 * here.length, longest)
    } else {
        4.0 * here.length
    }
}
