//! Standard errors of atoms: how far noise alone lets the fit wander.
//!
//! A fit minimises a loss with pixel weights W (1 for mse, 1 / I_cal for Poisson counts). With the derivatives J of all
//! used pixels by the parameters and the variance S of each pixel's noise, the estimate has the covariance
//!
//! C = F^-1 M F^-1, F = J^T W J, M = J^T W S W J
//!
//! to first order (the sandwich formula; White, Econometrica 48, 817 (1980)); where W S is one number, as for the right
//! loss, C = W S F^-1, which is the Cramer-Rao bound. Two ways to F and M:
//!
//! * dense: all free parameters, from changes of images along each ([`dense`]); exact, for small problems;
//! * local: position, height and width of an atom and of its neighbours, from patches ([`local`]); atoms further away
//!   and parameters that many atoms share count as known. Its cost grows with the number of atoms only.
//!
//! The few values of a block beside the atoms, among all that is fitted, come from products with F alone ([`block`]).

mod block;
mod dense;
mod local;
mod noise;
mod pairs;
mod solve;

use super::plan::{Plan, Recipe};
use super::reconstruction::Reconstruction;
use super::state::State;
use crate::context::{log, Context};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::problem::{Observer, Phase, Progress, Waiting};
use crate::specimen::Atoms;
use std::time::{Duration, Instant};

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Most free parameters of a problem that is solved in full unless told otherwise, and at all.
const DENSE_AUTOMATIC: usize = 400;
const DENSE_MOST: usize = 20_000;

/// Which parameters an atom's error takes into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorMethod {
    /// Dense for up to 400 free parameters, else local.
    #[default]
    Automatic,
    /// The atom and its neighbours.
    Local,
    /// All free parameters.
    Dense,
}

/// Where the variance of a pixel's noise is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoiseModel {
    /// What the series knows: its noise variance, else its counts, else the residuals.
    #[default]
    Automatic,
    /// The noise variance recorded with each image.
    Variance,
    /// Poisson counts: I_cal / counts per unit.
    Counts,
    /// The variance of each image's residuals: model errors count as noise.
    Residual,
}

/// Options of an error estimate.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorOptions {
    /// Local, dense or automatic.
    pub method: ErrorMethod,
    /// Noise of the pixels.
    pub noise: NoiseModel,
    /// Neighbours within this distance (A) belong to an atom's cluster; `None`: where orbitals and probes overlap.
    pub radius: Option<f64>,
}

/// Standard errors of all atoms.
#[derive(Debug, Clone)]
pub struct ErrorEstimate {
    /// The atoms of the latest state with their standard errors (A); infinite where the data do not determine a
    /// coordinate.
    pub atoms: Atoms,
    /// Standard error of every height that belongs to one atom, in the unit of the images; NaN where heights are shared
    /// or frozen.
    pub height_errors: Vec<f64>,
    /// sqrt(mean over the atoms that are determined of the summed variances of x, y and z), in pm; NaN where none is.
    pub predicted_rmsd_pm: f64,
    /// Atoms whose standard error, sqrt(x^2 + y^2 + z^2), is infinite or longer than 0.9 A (pixels): beyond it the linear
    /// estimate says only that the images do not hold them, and a comparison would not match them.
    pub undetermined: usize,
    /// The method used.
    pub method: ErrorMethod,
    /// The noise model used.
    pub noise: NoiseModel,
}

/// Longest standard error of an atom that counts as determined, as far as [`crate::specimen::compare`] matches.
const LONGEST: f64 = 0.9;

/// Variances of one atom: of x, y, z, and of its own height.
#[derive(Debug, Clone, Copy)]
struct AtomVariance {
    position: Vec3,
    height: f64,
}

/// What both methods work on.
struct Estimation<'a> {
    context: &'a Context,
    recipe: &'a Recipe,
    plan: &'a Plan,
    parameters: &'a [f64],
    weights: noise::Weights,
}

impl Reconstruction {
    /// Standard errors of the atoms of the latest state, which should be that of a finished fit: noise of the images,
    /// propagated by the derivatives of the model. Errors of the model itself are not part of it, except as far as
    /// [`NoiseModel::Residual`] takes them for noise. Terms of the host count as nothing. Cancelling gives
    /// [`Error::Cancelled`].
    pub fn estimate_errors(&self, options: &ErrorOptions, observer: &mut Observer<'_>) -> Result<ErrorEstimate> {
        if let Some(radius) = options.radius.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return Err(Error::range("radius", radius, "a positive number (A)"));
        }
        let method = |plan: &Plan| method_for(options.method, plan);
        self.estimating(options.noise, observer, method, |state, estimation, method, noise, waiting| {
            let variances = match method {
                ErrorMethod::Dense => estimation.dense(waiting)?,
                _ => estimation.local(options.radius, waiting)?,
            };
            report(state, &variances, method, noise)
        })
    }

    /// Standard errors of values of the free block `name` at the latest state, among all that is fitted, in the unit of the
    /// block: those at the places `rows` of its first axis (atoms, images, tilts, sections), `None`: all. Infinite where the
    /// images do not determine a value. Exact to 0.1 % for the linear model of the fit, whatever the number of atoms; each of
    /// the at most 1000 values costs some tens of gradients.
    ///
    /// # Errors
    /// `UnknownOption` for another name, `Range` for more values and rows that do not exist, `NotReady` for a frozen block,
    /// without images, or where an image lacks what the noise model needs, `Cancelled`.
    pub fn block_errors(
        &self,
        name: &str,
        rows: Option<&[usize]>,
        noise: NoiseModel,
        observer: &mut Observer<'_>,
    ) -> Result<Vec<f64>> {
        let places = |plan: &Plan| block::places(plan, name, rows);
        self.estimating(noise, observer, places, |_, estimation, places, _, waiting| {
            let variances = estimation.of_places(&places, waiting)?;
            Ok(variances.into_iter().map(f64::sqrt).collect())
        })
    }

    /// Calls `check` with the plan of the latest state, which refuses what cannot be done before any work, then `work` with
    /// the state, what estimates of its errors need, what `check` returned, the noise model used, and how to wait.
    fn estimating<C, R>(
        &self,
        noise: NoiseModel,
        observer: &mut Observer<'_>,
        check: impl FnOnce(&Plan) -> Result<C>,
        work: impl FnOnce(&State, &Estimation<'_>, C, NoiseModel, &mut Waiting<'_>) -> Result<R>,
    ) -> Result<R> {
        let context = self.context();
        context.check_process()?;
        let snapshot = self.snapshot();
        let state = &*snapshot.state;
        let checked = check(&state.plan)?;
        let cancel = context.cancel_token();
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut tell = |fraction: f64| {
            if told.elapsed() < TELL_EVERY && fraction < 1.0 {
                return true;
            }
            told = Instant::now();
            observer(&Progress::of_phase(Phase::Evaluating, fraction, began.elapsed().as_secs_f64()))
        };
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        let (noise, weights) = noise::weights(noise, &state.plan, &state.parameters, &mut waiting)?;
        let estimation =
            Estimation { context, recipe: self.recipe(), plan: &state.plan, parameters: &state.parameters, weights };
        let result = work(state, &estimation, checked, noise, &mut waiting)?;
        waiting.at(1.0, "an error estimate")?;
        Ok(result)
    }
}

impl Estimation<'_> {
    /// J^T W J x, or J^T W S W J x `with_noise`, for a direction of the free parameters.
    fn product(&self, x: &[f64], with_noise: bool, waiting: &mut Waiting<'_>) -> Result<Vec<f64>> {
        let (layout, problem) = (&self.plan.layout, &self.plan.problem);
        let active = self.plan.active();
        let mut direction = vec![0.0; self.parameters.len()];
        layout.scatter(x, &mut direction);
        let mut product = vec![0.0; self.parameters.len()];
        let mut quiet = Waiting { cancel: waiting.cancel, tell: &mut |_| true };
        for places in self.plan.tilts_at_once(&self.weights.images)? {
            let images: Vec<usize> = places.iter().map(|place| self.weights.images[*place]).collect();
            let mut change = problem.push_forward(self.parameters, &active, &images, &direction, &mut quiet)?;
            for (place, image) in places.iter().zip(change.chunks_exact_mut(problem.pixels())) {
                self.weights.pixels[*place].apply(image, with_noise);
            }
            let part = problem.pull_back(self.parameters, &active, &images, &change, &mut quiet)?;
            product.iter_mut().zip(&part).for_each(|(p, v)| *p += v);
            problem.buffers().give(part);
        }
        layout.gather_in_place(&mut product);
        Ok(product)
    }
}

fn method_for(wanted: ErrorMethod, plan: &Plan) -> Result<ErrorMethod> {
    let free = plan.layout.free_len();
    if plan.layout.block("positions")?.frozen {
        let why = "the block positions is frozen: there is nothing to estimate; free it first".into();
        return Err(Error::NotReady { what: "an error estimate".into(), why });
    }
    match wanted {
        ErrorMethod::Dense if free > DENSE_MOST => Err(Error::range(
            "free parameters for dense errors",
            free,
            format!("at most {DENSE_MOST}; use the local method or freeze blocks"),
        )),
        ErrorMethod::Automatic if free <= DENSE_AUTOMATIC => Ok(ErrorMethod::Dense),
        ErrorMethod::Automatic => Ok(ErrorMethod::Local),
        method => Ok(method),
    }
}

fn report(state: &State, variances: &[AtomVariance], method: ErrorMethod, noise: NoiseModel) -> Result<ErrorEstimate> {
    let errors: Vec<Vec3> = variances.iter().map(|v| v.position.map(f64::sqrt)).collect();
    let sums: Vec<f64> =
        variances.iter().map(|v| v.position.iter().sum::<f64>()).filter(|s| *s <= LONGEST * LONGEST).collect();
    let undetermined = errors.len() - sums.len();
    if undetermined > 0 {
        log::warning(format!(
            "{undetermined} of {} atoms are not determined by the images: their standard error is infinite or above {LONGEST}",
            errors.len()
        ));
    }
    Ok(ErrorEstimate {
        atoms: state.plan.atoms(&state.parameters)?.with_standard_errors(errors)?,
        height_errors: variances.iter().map(|v| v.height.sqrt()).collect(),
        predicted_rmsd_pm: 100.0 * (sums.iter().sum::<f64>() / sums.len() as f64).sqrt(),
        undetermined,
        method,
        noise,
    })
}

impl Plan {
    /// Whether every atom has a height (block 1) or width (block 2) of its own that is free.
    fn free_per_atom(&self, block: usize) -> bool {
        let block = &self.layout.blocks[block];
        !block.frozen && block.len() == self.species.len()
    }
}
