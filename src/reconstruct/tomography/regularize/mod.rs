//! Regularisation of volumes: smooth terms that join a gradient, the others as one proximal step.
//!
//! With the volume V (voxels i, forward differences D V within the volume, 0 beyond its last planes), the terms are
//!
//!   R(V) = lambda_tv sum_i |(D V)_i|                        total variation, isotropic
//!        + 1/2 lambda_2 sum_i V_i^2                         Tikhonov
//!        + 1/2 lambda_d sum_i |(D V)_i|^2                   Tikhonov of the gradient
//!        + sum_i (lambda_1 + lambda_e w_i) |V_i|            soft threshold, edge penalty
//!
//! and none of them is divided by the number of voxels. The smooth terms offer value and gradient ([`Regularizer::value`],
//! [`Regularizer::add_gradient`]); total variation, soft threshold, edge penalty and the bounds of the volume have no
//! gradient everywhere and are one proximal step together ([`Regularizer::apply_prox`]), which is exact for their sum:
//! a chain of one prox after the other would not be. A Gaussian blur, where asked for, follows it.
//!
//! w_i is the weight of the published code for sequential ptychographic tomography: its volumes run along
//! [detector row, beam, detector column] = our [y, z, x], and
//!
//!   w_i = (sqrt(y^2 + k z^2 + x^2) / (n_y // 2))^p,  x, y, z in voxels from the origin voxel n // 2,
//!
//! with power p (5 there by default, 10 for its masks) and squeeze k (1; 2 and 4 for its rotations and masks): 1 in the
//! middle of the faces across y, above 1 in the corners. That code adds reg / N sum_i w_i |V_i| to the mean square of
//! its residuals; its reg is N lambda_e here. Its soft threshold takes |V_i| - tau without the sign, which turns negative
//! voxels into positive ones; the one here keeps the sign.

mod smooth;
mod total_variation;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::grid;
use crate::prepare::{smooth_in_place, Smoothing, MAX_SIGMA};
use crate::problem::Waiting;
use std::sync::Mutex;
use total_variation::Dual;

/// Weights of the terms, 0 for those that are not wanted. By default all are off.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Regularization {
    /// lambda_tv: total variation.
    pub total_variation: f64,
    /// Iterations of the fast gradient projection within one proximal step; each starts from the dual of the last step.
    pub inner_iterations: usize,
    /// lambda_2: half the squares of the voxels.
    pub tikhonov: f64,
    /// lambda_d: half the squares of the differences of neighbours.
    pub tikhonov_gradient: f64,
    /// lambda_1: soft threshold.
    pub soft_threshold: f64,
    /// lambda_e: edge penalty.
    pub edge: f64,
    /// p, the power of the edge penalty.
    pub edge_power: f64,
    /// k, by how much the edge penalty is squeezed along the beam.
    pub edge_squeeze: f64,
    /// Standard deviation of the Gaussian blur after each iteration, voxels.
    pub blur: f64,
}

impl Default for Regularization {
    fn default() -> Self {
        Self {
            total_variation: 0.0,
            inner_iterations: 20,
            tikhonov: 0.0,
            tikhonov_gradient: 0.0,
            soft_threshold: 0.0,
            edge: 0.0,
            edge_power: 5.0,
            edge_squeeze: 1.0,
            blur: 0.0,
        }
    }
}

/// Most inner iterations.
const MAX_INNER: usize = 10_000;

impl Regularization {
    /// Refuses weights that are negative or no numbers.
    ///
    /// # Errors
    /// `Range`, naming the option.
    pub fn check(&self) -> Result<()> {
        let weights = [
            ("total_variation", self.total_variation),
            ("tikhonov", self.tikhonov),
            ("tikhonov_gradient", self.tikhonov_gradient),
            ("soft_threshold", self.soft_threshold),
            ("edge", self.edge),
            ("blur", self.blur),
        ];
        for (name, weight) in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::range(name, weight, "0 or a positive number"));
            }
        }
        for (name, value, most) in [("edge_power", self.edge_power, 100.0), ("edge_squeeze", self.edge_squeeze, 1e6)] {
            if !(value > 0.0 && value <= most) {
                return Err(Error::range(name, value, format!("above 0, at most {most}")));
            }
        }
        if !(1..=MAX_INNER).contains(&self.inner_iterations) {
            return Err(Error::range("inner_iterations", self.inner_iterations, format!("1 to {MAX_INNER}")));
        }
        if self.blur > MAX_SIGMA {
            return Err(Error::range("blur", self.blur, format!("0 to {MAX_SIGMA} voxels")));
        }
        Ok(())
    }

    /// Does any term join the gradient?
    pub fn has_gradient(&self) -> bool {
        self.tikhonov > 0.0 || self.tikhonov_gradient > 0.0
    }

    /// Does any term act through the proximal step?
    pub fn has_prox(&self) -> bool {
        self.total_variation > 0.0 || self.soft_threshold > 0.0 || self.edge > 0.0 || self.blur > 0.0
    }

    /// Bytes that it takes while it works for a volume of `shape`, beside the volume.
    pub fn memory_bytes(&self, shape: [usize; 3]) -> u64 {
        let volume = 4 * shape.iter().map(|n| *n as u64).product::<u64>();
        let dual = if self.total_variation > 0.0 { 7 * volume } else { 0 };
        let weights = if self.edge > 0.0 { volume } else { 0 };
        // The blur gives its copy back, while the dual stays.
        dual + weights + if self.blur > 0.0 { volume } else { 0 }
    }
}

/// What every voxel must obey; the proximal step ends inside of it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Lowest value.
    pub lower: f32,
    /// Highest value.
    pub upper: f32,
    /// Voxels that may differ from 0, `[z, y, x]`; `None`: all.
    pub support: Option<&'a [bool]>,
}

#[cfg(test)]
impl Bounds<'_> {
    /// No bounds.
    pub const NONE: Self = Self { lower: f32::NEG_INFINITY, upper: f32::INFINITY, support: None };
    /// 0 and above.
    pub const POSITIVE: Self = Self { lower: 0.0, upper: f32::INFINITY, support: None };
}

/// The regularisation of volumes of one shape, with the dual variable that consecutive proximal steps share.
pub struct Regularizer {
    options: Regularization,
    shape: [usize; 3],
    /// w_i of the edge penalty; empty without it.
    edge: Vec<f32>,
    /// Allocated by the first proximal step.
    dual: Option<Dual>,
}

impl Regularizer {
    /// For volumes of `shape` = voxels along z, y and x.
    ///
    /// # Errors
    /// `Range` for options without meaning, `Empty` for a shape without voxels.
    pub fn new(options: &Regularization, shape: [usize; 3]) -> Result<Self> {
        options.check()?;
        if shape.contains(&0) {
            let why = format!("shape {shape:?}, at least one voxel along every axis is needed");
            return Err(Error::Empty { what: "volume".into(), why });
        }
        let edge = if options.edge > 0.0 { edge_weights(options, shape) } else { Vec::new() };
        Ok(Self { options: options.clone(), shape, edge, dual: None })
    }

    /// Forgets the dual of earlier steps: the next one starts as the first did.
    #[cfg(test)]
    pub fn restart(&mut self) {
        self.dual = None;
    }

    /// R(`volume`), all terms with a weight.
    ///
    /// # Errors
    /// `Shape` for a volume of another size, `Cancelled`.
    pub fn value(&self, context: &Context, volume: &[f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        self.check_volume("volume", volume.len())?;
        smooth::value(self, context, volume, waiting)
    }

    /// Adds the gradient of the smooth terms (both of Tikhonov), lambda_2 V + lambda_d D* D V, to `gradient`.
    ///
    /// # Errors
    /// `Shape` for arrays of another size, `Cancelled`.
    pub fn add_gradient(
        &self,
        context: &Context,
        volume: &[f32],
        gradient: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check_volume("volume", volume.len())?;
        self.check_volume("gradient", gradient.len())?;
        if self.options.has_gradient() {
            smooth::add_gradient(self, context, volume, gradient, waiting)?;
        }
        Ok(())
    }

    /// Largest curvature of the smooth terms: lambda_2 + 12 lambda_d. What a step must allow for beside the data.
    pub fn curvature(&self) -> f64 {
        self.options.tikhonov + 12.0 * self.options.tikhonov_gradient
    }

    /// Replaces `volume` by
    ///
    ///   argmin_V  1/2 |V - volume|^2 + step (lambda_tv sum_i |(D V)_i| + sum_i (lambda_1 + lambda_e w_i) |V_i|)
    ///
    /// within `bounds`, then blurs it. Without total variation the minimum is closed: a soft threshold, then the bounds.
    /// With it, [`Regularization::inner_iterations`] iterations go on from the dual of the step before. The blur comes
    /// last and does not see the support.
    ///
    /// # Errors
    /// `Shape` for arrays of another size, `Range` for a step that is no positive number or bounds that hold no value,
    /// `Cancelled`: then `volume` may be half done.
    pub fn apply_prox(
        &mut self,
        context: &Context,
        volume: &mut [f32],
        step: f64,
        bounds: &Bounds<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check_volume("volume", volume.len())?;
        if let Some(support) = bounds.support {
            self.check_volume("support", support.len())?;
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::range("step", step, "a positive number"));
        }
        let allowed = bounds.lower..=bounds.upper;
        if allowed.is_empty() || (bounds.support.is_some() && !allowed.contains(&0.0)) {
            let got = format!("{} to {}", bounds.lower, bounds.upper);
            let wanted = "lower <= upper, and 0 between them where a support is given";
            return Err(Error::range("bounds", got, wanted));
        }
        let blurred = self.options.blur > 0.0;
        waiting.part(0.0, if blurred { 0.8 } else { 1.0 }, |waiting| {
            if self.options.total_variation > 0.0 {
                let mut dual = match self.dual.take() {
                    Some(dual) => dual,
                    None => Dual::new(volume.len())?,
                };
                let voxels = Voxels::new(self, step, bounds);
                let outcome = total_variation::denoise(&voxels, context, volume, &mut dual, waiting);
                self.dual = Some(dual);
                outcome
            } else {
                let voxels = Voxels::new(self, step, bounds);
                for_planes(context, self.shape, volume, waiting, &|first, planes| {
                    voxels.prox(first, planes);
                })
            }
        })?;
        if blurred {
            let by = Smoothing::Gaussian(self.options.blur);
            waiting.part(0.8, 1.0, |waiting| smooth_in_place(context, volume, self.shape, by, waiting))?;
        }
        Ok(())
    }

    fn check_volume(&self, what: &str, len: usize) -> Result<()> {
        let [z, y, x] = self.shape;
        if len == z * y * x {
            return Ok(());
        }
        let wanted = format!("{} values [z, y, x] = [{z}, {y}, {x}]", z * y * x);
        Err(Error::Shape { what: what.into(), got: vec![len], wanted })
    }
}

/// What acts on each voxel alone: threshold and bounds.
struct Voxels<'a> {
    options: &'a Regularization,
    shape: [usize; 3],
    /// step lambda_tv.
    variation: f32,
    /// step lambda_1.
    threshold: f32,
    /// step lambda_e.
    edge: f32,
    edge_weights: &'a [f32],
    bounds: Bounds<'a>,
}

impl<'a> Voxels<'a> {
    fn new(of: &'a Regularizer, step: f64, bounds: &Bounds<'a>) -> Self {
        let options = &of.options;
        let scaled = |weight: f64| (step * weight) as f32;
        Self {
            options,
            shape: of.shape,
            variation: scaled(options.total_variation),
            threshold: scaled(options.soft_threshold),
            edge: scaled(options.edge),
            edge_weights: &of.edge,
            bounds: *bounds,
        }
    }

    /// The soft threshold of the `values` of voxels `first` and following, clipped to their bounds: exact for their sum,
    /// since both are functions of one variable that fall towards their minimum.
    fn prox(&self, first: usize, values: &mut [f32]) {
        let Bounds { lower, upper, support } = self.bounds;
        let shrunk = |v: f32, threshold: f32| (v.abs() - threshold).max(0.0).copysign(v).clamp(lower, upper);
        match self.edge_weights {
            [] => values.iter_mut().for_each(|v| *v = shrunk(*v, self.threshold)),
            weights => {
                let weights = &weights[first..];
                let each = values.iter_mut().zip(weights);
                each.for_each(|(v, weight)| *v = shrunk(*v, self.threshold + self.edge * weight));
            }
        }
        if let Some(support) = support {
            let outside = values.iter_mut().zip(&support[first..]).filter(|(_, inside)| !**inside);
            outside.for_each(|(v, _)| *v = 0.0);
        }
    }
}

/// w_i of the edge penalty.
fn edge_weights(options: &Regularization, [nz, ny, nx]: [usize; 3]) -> Vec<f32> {
    let square = |i: usize, n: usize| (i as f64 - grid::origin(n) as f64).powi(2);
    let face = grid::origin(ny).max(1) as f64;
    let mut weights = Vec::with_capacity(nz * ny * nx);
    for z in 0..nz {
        for y in 0..ny {
            let row = options.edge_squeeze * square(z, nz) + square(y, ny);
            weights.extend((0..nx).map(|x| ((row + square(x, nx)).sqrt() / face).powf(options.edge_power) as f32));
        }
    }
    weights
}

/// Voxels of one piece of work at least, so that small planes do not wait for the scheduler.
const PIECE: usize = 1 << 15;

/// Planes of one piece of work. It depends on the shape alone, never on the number of threads.
fn planes_per_piece([nz, ny, nx]: [usize; 3]) -> usize {
    PIECE.div_ceil(ny * nx).clamp(1, nz)
}

/// Runs `work(place of the first voxel, planes)` over all planes of `out`, several whole planes at a time.
fn for_planes(
    context: &Context,
    shape: [usize; 3],
    out: &mut [f32],
    waiting: &mut Waiting<'_>,
    work: &(dyn Fn(usize, &mut [f32]) + Sync),
) -> Result<()> {
    let len = planes_per_piece(shape) * shape[1] * shape[2];
    let pieces: Vec<Mutex<&mut [f32]>> = out.chunks_mut(len).map(Mutex::new).collect();
    let count = pieces.len();
    let cancel = waiting.cancel;
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "regularisation"), &|i| {
        cancel.check("regularisation")?;
        work(i * len, &mut pieces[i].lock().unwrap_or_else(|p| p.into_inner()));
        Ok(())
    })
}

#[cfg(test)]
mod tests;
