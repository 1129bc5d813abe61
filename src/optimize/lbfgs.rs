//! Limited-memory BFGS with bounds (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5, projected).
//!
//! Variables at a bound whose gradient points outwards are held for the step; the line search runs along the
//! projection of the ray onto the bounds, accepts by the Armijo rule and lengthens the step while the slope stays
//! steep, so that the pairs (s, y) keep positive curvature.

use super::line::Line;
use super::{dot, negated, norm, Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;
use std::sync::Arc;

/// Settings of [`Lbfgs`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LbfgsOptions {
    /// Pairs remembered.
    pub memory: usize,
    /// Sufficient decrease (Armijo).
    pub decrease: f64,
    /// Slope, relative to the start of the line, below which a step is long enough.
    pub curvature: f64,
    /// Evaluations of one line search at most.
    pub line_search_evaluations: usize,
}

impl Default for LbfgsOptions {
    fn default() -> Self {
        Self { memory: 12, decrease: 1e-4, curvature: 0.9, line_search_evaluations: 20 }
    }
}

/// State of the method: the pairs in scaled variables, oldest first.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Lbfgs {
    /// Shared, so that publishing the state after every iteration copies none of them.
    pairs: Vec<Arc<Pair>>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    /// 1 / s.y
    rho: f64,
}

impl Lbfgs {
    /// Forgets the pairs: the problem or its variables changed.
    pub fn forget(&mut self) {
        self.pairs.clear();
    }

    /// Whether all pairs have `len` variables, as those of a problem with `len` parameters have.
    pub fn fits(&self, len: usize) -> bool {
        self.pairs.iter().all(|pair| pair.s.len() == len && pair.y.len() == len)
    }

    /// One iteration from `at`, which becomes the new point; on error it is unchanged.
    pub fn step(
        &mut self,
        options: &LbfgsOptions,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        let gradient = space.projected_gradient(&at.x, &at.gradient);
        let mut direction = self.direction(&gradient);
        if dot(&direction, &gradient) > -1e-12 * norm(&direction) * norm(&gradient) {
            self.forget();
            direction = negated(&gradient);
        }
        let mut found = search(options, objective, &Line { space, start: at, direction: &direction })?;
        if found.is_none() && !self.pairs.is_empty() {
            self.forget();
            direction = negated(&gradient);
            found = search(options, objective, &Line { space, start: at, direction: &direction })?;
        }
        let Some(next) = found else { return Ok(Step::to(space, at, 0.0, Outlook::Stalled)) };
        let s: Vec<f64> = (0..next.x.len()).map(|i| (next.x[i] - at.x[i]) / space.scale[i]).collect();
        let y: Vec<f64> = (0..next.x.len()).map(|i| (next.gradient[i] - at.gradient[i]) * space.scale[i]).collect();
        let length = norm(&s) / (s.len().max(1) as f64).sqrt();
        self.remember(options, s, y);
        *at = next;
        Ok(Step::to(space, at, length, Outlook::Open))
    }

    fn remember(&mut self, options: &LbfgsOptions, s: Vec<f64>, y: Vec<f64>) {
        let product = dot(&s, &y);
        if product > 1e-10 * norm(&s) * norm(&y) {
            if self.pairs.len() >= options.memory.max(1) {
                self.pairs.remove(0);
            }
            self.pairs.push(Arc::new(Pair { s, y, rho: 1.0 / product }));
        }
    }

    /// -H g by the two-loop recursion, only for variables with a projected gradient.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.to_vec();
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let alpha = pair.rho * dot(&pair.s, &q);
            q.iter_mut().zip(&pair.y).for_each(|(q, y)| *q -= alpha * y);
            alphas.push(alpha);
        }
        // Without a pair the scales already make the curvature about 1.
        let gamma = self.pairs.last().map_or(1.0, |p| 1.0 / (p.rho * dot(&p.y, &p.y)));
        q.iter_mut().for_each(|q| *q *= gamma);
        for (pair, alpha) in self.pairs.iter().zip(alphas.iter().rev()) {
            let beta = pair.rho * dot(&pair.y, &q);
            q.iter_mut().zip(&pair.s).for_each(|(q, s)| *q += (alpha - beta) * s);
        }
        q.iter().zip(gradient).map(|(q, g)| if *g == 0.0 { 0.0 } else { -q }).collect()
    }
}

/// A point of sufficient decrease along the line, `None` if there is none to numerical precision.
fn search(options: &LbfgsOptions, objective: &mut dyn Objective, line: &Line<'_>) -> Result<Option<Iterate>> {
    let (mut length, mut too_long): (f64, Option<f64>) = (1.0, None);
    let mut best: Option<Iterate> = None;
    for _ in 0..options.line_search_evaluations.max(1) {
        let x = line.at(length);
        let expected = line.slope_to(&line.start.gradient, &x);
        if !line.can_fall(expected) {
            return Ok(best);
        }
        let point = line.evaluate(objective, x)?;
        let loss = point.loss;
        if loss > line.start.loss + options.decrease * expected {
            if best.is_some() {
                return Ok(best); // the longer step was too long
            }
            too_long = Some(length);
            length *= shortening(line.start.loss, loss, expected);
            continue;
        }
        let steep = line.slope_to(&point.gradient, &point.x) < options.curvature * expected;
        let better = best.as_ref().is_none_or(|b| loss < b.loss);
        if better {
            best = Some(point);
        }
        if !(steep && better && too_long.is_none()) {
            return Ok(best);
        }
        length *= 4.0;
    }
    Ok(best)
}

/// Factor to the minimum of the parabola through both values and the slope at the start, within 0.1 to 0.5.
fn shortening(start: f64, end: f64, slope: f64) -> f64 {
    let curvature = 2.0 * (end - start - slope);
    let factor = -slope / curvature;
    if factor.is_finite() {
        factor.clamp(0.1, 0.5)
    } else {
        0.1
    }
}

#[cfg(test)]
mod tests {
    use super::super::toys::{self, rosenbrock, unbounded, Function};
    use super::*;

    fn minimise(
        function: impl Fn(&[f64]) -> (f64, Vec<f64>),
        x: Vec<f64>,
        space: &Space,
        steps: usize,
    ) -> (Iterate, usize) {
        let (mut objective, mut method) = (Function::new(function), Lbfgs::default());
        let at = toys::minimise(&mut objective, x, steps, |objective, at| {
            method.step(&LbfgsOptions::default(), objective, space, at)
        });
        (at, objective.evaluations)
    }

    #[test]
    fn rosenbrock_is_solved() {
        let (at, evaluations) = minimise(rosenbrock, vec![-1.2, 1.0], &unbounded(2), 60);
        assert!((at.x[0] - 1.0).abs() < 1e-6 && (at.x[1] - 1.0).abs() < 1e-6, "{at:?}");
        assert!(evaluations < 100, "{evaluations}");
    }

    #[test]
    fn bounds_hold_and_the_constrained_minimum_is_found() {
        let mut space = unbounded(2);
        space.upper[0] = 0.5;
        let (at, _) = minimise(rosenbrock, vec![-1.2, 1.0], &space, 100);
        assert!((at.x[0] - 0.5).abs() < 1e-9 && (at.x[1] - 0.25).abs() < 1e-6, "{at:?}");
    }

    #[test]
    fn scales_make_bad_units_harmless() {
        let quadratic = |x: &[f64]| {
            let w = [1e8, 1.0, 1e-6];
            let loss = (0..3).map(|i| 0.5 * w[i] * (x[i] - 1.0).powi(2)).sum();
            (loss, (0..3).map(|i| w[i] * (x[i] - 1.0)).collect())
        };
        let mut space = unbounded(3);
        space.scale = vec![1e-4, 1.0, 1e3];
        let (at, evaluations) = minimise(quadratic, vec![0.0; 3], &space, 3);
        assert!(at.x.iter().all(|x| (x - 1.0).abs() < 1e-6) && evaluations < 6, "{at:?}");
    }

    #[test]
    fn the_minimum_itself_stalls() {
        let mut objective = Function::new(rosenbrock);
        let mut at = Iterate { x: vec![1.0, 1.0], loss: 0.0, gradient: vec![0.0, 0.0] };
        let step = Lbfgs::default().step(&LbfgsOptions::default(), &mut objective, &unbounded(2), &mut at).unwrap();
        assert!(step.outlook == Outlook::Stalled && at.x == [1.0, 1.0]);
    }
}
