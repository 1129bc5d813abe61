//! Small functions on which optimisers are tested.

use super::{Iterate, Objective, Outlook, Space, Step};
use crate::error::Result;

/// A function of its variables that counts how often it is asked.
pub struct Function<F: Fn(&[f64]) -> (f64, Vec<f64>)> {
    pub function: F,
    pub evaluations: usize,
}

impl<F: Fn(&[f64]) -> (f64, Vec<f64>)> Function<F> {
    pub fn new(function: F) -> Self {
        Self { function, evaluations: 0 }
    }
}

impl<F: Fn(&[f64]) -> (f64, Vec<f64>)> Objective for Function<F> {
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluations += 1;
        let (loss, g) = (self.function)(x);
        gradient.copy_from_slice(&g);
        Ok(loss)
    }
}

pub fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
    (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
}

/// 0.5 sum of w (x - 1)^2 with weights over eight decades: hopeless without scales.
pub fn bad_units(x: &[f64]) -> (f64, Vec<f64>) {
    let w = [1e8, 1.0, 1e-6];
    let loss = (0..3).map(|i| 0.5 * w[i] * (x[i] - 1.0).powi(2)).sum();
    (loss, (0..3).map(|i| w[i] * (x[i] - 1.0)).collect())
}

/// Scales that make [`bad_units`] harmless.
pub fn good_scales() -> Space {
    Space { scale: vec![1e-4, 1.0, 1e3], ..unbounded(3) }
}

pub fn unbounded(n: usize) -> Space {
    let (lower, upper) = (vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n]);
    Space { scale: vec![1.0; n], lower, upper, step: vec![0.1; n] }
}

/// Takes at most `steps` steps from `x`.
pub fn minimise(
    objective: &mut dyn Objective,
    x: Vec<f64>,
    steps: usize,
    mut step: impl FnMut(&mut dyn Objective, &mut Iterate) -> Result<Step>,
) -> Iterate {
    let mut at = Iterate { gradient: vec![0.0; x.len()], x, loss: 0.0 };
    at.loss = objective.evaluate(&at.x.clone(), &mut at.gradient).unwrap();
    for _ in 0..steps {
        if matches!(step(objective, &mut at).unwrap().outlook, Outlook::Stalled | Outlook::Finished) {
            break;
        }
    }
    at
}

/// Twenty lines y = a + b t through noisy points, divided into ten parts of two points: a sum of squares whose parts
/// disagree about the minimum, with its Gauss-Newton products.
pub struct Points {
    pub t: Vec<f64>,
    pub y: Vec<f64>,
    pub evaluations: f64,
}

impl Points {
    pub fn new() -> Self {
        let t: Vec<f64> = (0..20).map(|i| f64::from(i) / 10.0 - 1.0).collect();
        let y = t.iter().enumerate().map(|(i, t)| 2.0 - 3.0 * t + 0.2 * (7.0 * i as f64).sin()).collect();
        Self { t, y, evaluations: 0.0 }
    }

    /// The least-squares solution.
    pub fn solution(&self) -> [f64; 2] {
        let n = self.t.len() as f64;
        let sum = |of: &dyn Fn(usize) -> f64| (0..self.t.len()).map(of).sum::<f64>();
        let (t, y) = (sum(&|i| self.t[i]) / n, sum(&|i| self.y[i]) / n);
        let b = sum(&|i| (self.t[i] - t) * (self.y[i] - y)) / sum(&|i| (self.t[i] - t).powi(2));
        [y - b * t, b]
    }

    fn over(&self, x: &[f64], points: &[usize], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let n = points.len() as f64;
        let mut loss = 0.0;
        for &i in points {
            let r = x[0] + x[1] * self.t[i] - self.y[i];
            loss += 0.5 * r * r / n;
            gradient[0] += r / n;
            gradient[1] += r * self.t[i] / n;
        }
        loss
    }
}

impl Objective for Points {
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluate_parts(x, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], gradient)
    }

    fn parts(&self) -> usize {
        10
    }

    fn evaluate_parts(&mut self, x: &[f64], parts: &[usize], gradient: &mut [f64]) -> Result<f64> {
        self.evaluations += parts.len() as f64 / 10.0;
        let points: Vec<usize> = parts.iter().flat_map(|p| [*p, p + 10]).collect();
        Ok(self.over(x, &points, gradient))
    }
}
