//! Second-order access at a point: J, and products with the Gauss-Newton matrix of the loss.

use super::reconstruction::Reconstruction;
use super::state::State;
use crate::error::{Error, Result};

/// Most random vectors of one estimate of the diagonal.
const MAX_PROBES: usize = 10_000;

impl Reconstruction {
    /// J d: the change of the images [images, rows, columns] at `x` per unit of the direction `direction` of x. The
    /// exact derivative of [`Self::predict`], and the exact adjoint of [`Self::pull_back`].
    pub fn push_forward(&self, x: &[f64], direction: &[f64], images: Option<&[usize]>) -> Result<Vec<f64>> {
        self.with_point(x, |state, parameters, waiting| {
            let direction = state.direction(direction)?;
            let active = state.plan.active();
            state.plan.problem.push_forward(parameters, &active, state.images(images), &direction, waiting)
        })
    }

    /// J^T W J d / n at `x`: the product of a direction of x with the Gauss-Newton (Fisher) approximation of the second
    /// derivatives of the loss over `images`, n used pixels; W is 1 (mse) or 1 / I_cal (Poisson), see
    /// [`crate::forward::Loss::weight`]. Terms of the host are not part of it.
    pub fn gauss_newton_product(&self, x: &[f64], direction: &[f64], images: Option<&[usize]>) -> Result<Vec<f64>> {
        self.with_point(x, |state, parameters, waiting| {
            let direction = state.direction(direction)?;
            let (active, images, problem) = (state.plan.active(), state.images(images), &state.plan.problem);
            let mut product = problem.gauss_newton_product(parameters, &active, images, &direction, waiting)?;
            state.plan.layout.gather_in_place(&mut product);
            Ok(product)
        })
    }

    /// An unbiased estimate of the diagonal of that matrix from `probes` random vectors of a fixed seed, for
    /// preconditioners: each value has the relative standard error sqrt(2 / probes).
    pub fn gauss_newton_diagonal(&self, x: &[f64], images: Option<&[usize]>, probes: usize) -> Result<Vec<f64>> {
        if !(1..=MAX_PROBES).contains(&probes) {
            return Err(Error::range("probes", probes, format!("1 to {MAX_PROBES}")));
        }
        self.with_point(x, |state, parameters, waiting| {
            let (active, images, problem) = (state.plan.active(), state.images(images), &state.plan.problem);
            let mut diagonal = problem.gauss_newton_diagonal(parameters, &active, images, probes, waiting)?;
            state.plan.layout.gather_in_place(&mut diagonal);
            Ok(diagonal)
        })
    }
}

impl State {
    /// A direction of x as one of all values, 0 in frozen blocks.
    fn direction(&self, direction: &[f64]) -> Result<Vec<f64>> {
        let wanted = self.plan.layout.free_len();
        if direction.len() != wanted {
            let wanted = format!("{wanted} values, as many as x");
            return Err(Error::shape("direction", &[direction.len()], wanted));
        }
        Error::unless_finite("direction", "index", direction)?;
        let mut all = vec![0.0; self.parameters.len()];
        self.plan.layout.scatter(direction, &mut all);
        Ok(all)
    }
}
