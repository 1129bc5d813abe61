//! Terms that a host adds to the loss, and its projection of the parameters.
//!
//! Every evaluation of loss and gradient, by the driver or for a host, goes through [`Plan::evaluate`]: the workers sum
//! over the images, then the calling thread adds the terms. Terms are functions of the host's own, so they are not part
//! of saved states.

use super::driver::Descent;
use super::plan::Plan;
use super::reconstruction::Reconstruction;
use crate::error::{Error, Result};
use crate::optimize::{Iterate, Space};
use crate::problem::{Block, Evaluation, Waiting, Want};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// A differentiable regulariser on one block: gets the block with its values (last axis fastest) and returns its loss;
/// where a gradient is wanted, it writes that into the last argument, which has as many values, all 0. Called on the
/// thread that asked for the evaluation, with no lock held; any number of threads may evaluate at once.
pub type TermFunction = dyn Fn(&Block, &[f64], Option<&mut [f64]>) -> Result<f64> + Send + Sync;

/// Moves the free parameters x in place to where they are allowed to be, after every step of the optimiser.
pub type Projection = dyn Fn(&mut [f64]) -> Result<()> + Send + Sync;

/// A term of the loss.
#[derive(Clone)]
struct Term {
    block: &'static str,
    weight: f64,
    function: Arc<TermFunction>,
}

/// What the host has added.
#[derive(Clone, Default)]
pub(super) struct Terms {
    terms: Vec<Term>,
    projection: Option<Arc<Projection>>,
}

/// Shared by all plans of a reconstruction, whatever version of the dataset they belong to.
pub(super) type SharedTerms = Arc<ArcSwap<Terms>>;

impl Terms {
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.projection.is_none()
    }
}

impl Plan {
    /// Loss and what else is wanted over `images`, smoothness and the terms of the host included: what the optimiser minimises.
    /// Losses of single images are those of the data alone.
    pub fn evaluate(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        want: Want,
        waiting: &mut Waiting<'_>,
    ) -> Result<Evaluation> {
        let mut evaluation = self.problem.evaluate(parameters, active, images, want, waiting)?;
        let slopes = want.gradient.then_some(&mut evaluation.gradient[..]);
        evaluation.loss += self.probe_roughness(parameters, slopes);
        for term in &self.terms.load().terms {
            let block = self.layout.block(term.block)?;
            evaluation.loss += term.add(block, &parameters[block.range()], want.gradient, &mut evaluation.gradient)?;
        }
        Ok(evaluation)
    }

    /// Whether the host moves parameters after each step.
    pub fn has_projection(&self) -> bool {
        self.terms.load().projection.is_some()
    }

    /// `x` as the host's projection moves it, if there is one.
    pub fn projected(&self, x: &[f64]) -> Result<Option<Vec<f64>>> {
        let Some(projection) = self.terms.load().projection.clone() else { return Ok(None) };
        let mut moved = x.to_vec();
        projection(&mut moved)?;
        match moved.iter().position(|v| !v.is_finite()) {
            None => Ok(Some(moved)),
            Some(at) => Err(Error::Callback {
                what: "the projection".into(),
                why: format!("parameter {at} of x became {}, wanted finite numbers", moved[at]),
            }),
        }
    }
}

impl Term {
    /// Weighted loss; the weighted derivatives are added to `gradient`.
    fn add(&self, block: &Block, values: &[f64], wants_gradient: bool, gradient: &mut [f64]) -> Result<f64> {
        let mut own = vec![0.0; if wants_gradient { values.len() } else { 0 }];
        let loss = (self.function)(block, values, wants_gradient.then_some(&mut own))?;
        let refuse = |why: String| Err(Error::Callback { what: format!("the term on block {}", self.block), why });
        if !loss.is_finite() {
            return refuse(format!("its loss is {loss}, wanted a finite number"));
        }
        if let Some(at) = own.iter().position(|g| !g.is_finite()) {
            return refuse(format!("its derivative by value {at} is {}, wanted a finite number", own[at]));
        }
        if wants_gradient && !block.frozen {
            gradient[block.range()].iter_mut().zip(&own).for_each(|(g, o)| *g += self.weight * o);
        }
        Ok(self.weight * loss)
    }
}

impl Descent<'_, '_, '_, '_> {
    /// Moves `at` to where the host's projection wants it; without one, or where it moves nothing, `at` stays. Where
    /// that fails, `at` goes back to the state before the step, which is the one that was published.
    pub fn project(&mut self, space: &Space, before: Option<Iterate>, at: &mut Iterate) -> Result<()> {
        let projected = self.projected(space, at);
        if let (Err(_), Some(before)) = (&projected, before) {
            *at = before;
        }
        projected
    }

    fn projected(&mut self, space: &Space, at: &mut Iterate) -> Result<()> {
        let Some(mut x) = self.plan.projected(&at.x)? else { return Ok(()) };
        space.clamp(&mut x);
        if x == at.x {
            return Ok(());
        }
        let mut gradient = vec![0.0; x.len()];
        let loss = crate::optimize::Objective::evaluate(self, &x, &mut gradient)?;
        *at = Iterate { x, loss, gradient };
        Ok(())
    }
}

impl Reconstruction {
    /// Adds `weight` times a function of one block, frozen or not, to the loss of every evaluation, step and run from
    /// now on. The optimiser starts afresh. Terms do not take part in Gauss-Newton products and error estimates, and
    /// are not saved.
    pub fn add_term(&self, block: &str, weight: f64, function: Arc<TermFunction>) -> Result<()> {
        if !weight.is_finite() {
            return Err(Error::range("weight", weight, "a finite number"));
        }
        let block = self.layout().block(block)?.name;
        self.change_terms(|terms| terms.terms.push(Term { block, weight, function }))
    }

    /// Sets the function that moves the free parameters after every step, `None` for none. It runs once when a step is
    /// done, before its state is published; the loss is evaluated again where it moves anything.
    pub fn set_projection(&self, projection: Option<Arc<Projection>>) -> Result<()> {
        self.change_terms(|terms| terms.projection = projection)
    }

    /// Takes all terms and the projection away.
    pub fn clear_terms(&self) -> Result<()> {
        self.change_terms(|terms| *terms = Terms::default())
    }

    fn change_terms(&self, change: impl FnOnce(&mut Terms)) -> Result<()> {
        let (memory, shared) = self.change_loss()?;
        let mut terms = (**shared.load()).clone();
        change(&mut terms);
        shared.store(Arc::new(terms));
        self.loss_changed(memory);
        Ok(())
    }
}
