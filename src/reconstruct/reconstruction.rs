//! The object that hosts drive.

use super::driver::{start, Scene, Watch};
use super::param::Param;
use super::plan::{Plan, Recipe};
use super::state::{Fingerprint, Memory, Record, SavedState, Snapshot, State};
use super::terms::SharedTerms;
use super::{LossChoice, LotOptions};
use crate::context::{CancelToken, Context};
use crate::dataset::TiltSeries;
use crate::error::{Error, Result};
use crate::geometry::Mat3;
use crate::optics::Probe;
use crate::optimize::{RunOptions, Stopping, Termination};
use crate::problem::{Evaluation, Layout, Observer, Waiting, Want};
use crate::specimen::Atoms;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A local-orbital reconstruction. All methods take `&self`: those that change it answer [`Error::Busy`] while another
/// of them works, all others may be called from any thread at any time.
pub struct Reconstruction {
    recipe: Recipe,
    series: TiltSeries,
    latest: ArcSwap<State>,
    driver: Mutex<Memory>,
}

/// Geometry of every image as refined.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// p' = R p.
    pub rotations: Vec<Mat3>,
    /// u, v in A.
    pub drift: Vec<[f64; 2]>,
    /// Recorded defocus plus correction, A.
    pub defocus: Vec<f64>,
}

impl Reconstruction {
    /// A local-orbital reconstruction of `series` from `start`. `probe` is needed by the rigid model. The series may
    /// be empty: a run then answers [`Error::NotReady`] until tilts are appended. All heights are multiplied by one
    /// factor and backgrounds set by least squares; positions, heights, widths and backgrounds are free.
    pub fn local_orbital(
        context: &Context,
        series: &TiltSeries,
        probe: Option<&Probe>,
        start_atoms: &Atoms,
        options: &LotOptions,
    ) -> Result<Self> {
        context.check_process()?;
        options.check()?;
        let recipe = Recipe {
            context: context.clone(),
            options: options.clone(),
            probe: probe.cloned(),
            species: start_atoms.species().to_vec(),
            terms: SharedTerms::default(),
        };
        let version = series.version();
        let mut parameters = recipe.start_parameters(&version, start_atoms)?;
        let mut plan = recipe.plan(version, &parameters, 1, None)?;
        plan.complete(&mut parameters, None);
        let cancel = context.cancel_token();
        start(&mut plan, &mut parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?;
        Ok(Self::assemble(recipe, series.clone(), plan, parameters, Memory::default()))
    }

    pub(super) fn assemble(
        recipe: Recipe,
        series: TiltSeries,
        plan: Plan,
        parameters: Vec<f64>,
        memory: Memory,
    ) -> Self {
        let loss = memory.at.as_ref().map_or(f64::NAN, |at| at.loss);
        let mut r_factors = memory.r_factors.clone();
        r_factors.resize(plan.version.images().len(), f64::NAN);
        let state = State {
            plan: Arc::new(plan),
            parameters: Arc::new(parameters),
            iteration: memory.iteration,
            loss,
            r_factors: Arc::new(r_factors),
            memory: Arc::new(memory.clone()),
        };
        Self { recipe, series, latest: ArcSwap::from_pointee(state), driver: Mutex::new(memory) }
    }

    /// The context it works on.
    pub fn context(&self) -> &Context {
        &self.recipe.context
    }

    pub(super) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    pub(super) fn series(&self) -> &TiltSeries {
        &self.series
    }

    fn drive(&self) -> Result<MutexGuard<'_, Memory>> {
        self.recipe.context.check_process()?;
        match self.driver.try_lock() {
            Ok(memory) => Ok(memory),
            Err(std::sync::TryLockError::WouldBlock) => Err(Error::Busy { what: "the reconstruction" }),
            Err(std::sync::TryLockError::Poisoned(_)) => Err(Error::Poisoned { what: "the reconstruction" }),
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { recipe: &self.recipe, series: &self.series, latest: &self.latest }
    }

    // ---- parameters ----

    /// Generation of the parameters: raised whenever the meaning or length of x changes.
    pub fn generation(&self) -> u64 {
        self.latest.load().plan.generation
    }

    /// The blocks with shapes, scales, bounds and what is frozen.
    pub fn layout(&self) -> Layout {
        self.latest.load().plan.layout.clone()
    }

    /// The free parameters x of the latest state.
    pub fn parameters(&self) -> Vec<f64> {
        let state = self.latest.load();
        state.plan.layout.gather(&state.parameters)
    }

    /// Sets the free parameters.
    pub fn set_parameters(&self, x: &[f64]) -> Result<()> {
        let memory = self.drive()?;
        let state = self.latest.load_full();
        let mut parameters = vec![0.0; state.parameters.len()];
        state.insert(x, &mut parameters)?;
        self.replace(memory, state.plan.clone(), parameters)
    }

    /// Values of one block, frozen or not.
    pub fn block(&self, name: &str) -> Result<Vec<f64>> {
        let state = self.latest.load();
        let range = state.plan.layout.block(name)?.range();
        Ok(state.parameters[range].to_vec())
    }

    /// Sets one block, frozen or not.
    pub fn set_block(&self, name: &str, values: &[f64]) -> Result<()> {
        let memory = self.drive()?;
        let state = self.latest.load_full();
        let block = state.plan.layout.block(name)?;
        if values.len() != block.len() {
            return Err(Error::shape(format!("block {name}"), &[values.len()], format!("{:?}", block.shape)));
        }
        Error::unless_finite(name, "index", values)?;
        if let Some(value) = values.iter().find(|v| !(block.lower..=block.upper).contains(*v)) {
            return Err(Error::range(
                format!("block {name}"),
                value,
                format!("{} to {} {}", block.lower, block.upper, block.unit),
            ));
        }
        let mut parameters = state.parameters.to_vec();
        parameters[block.range()].copy_from_slice(values);
        self.replace(memory, state.plan.clone(), parameters)
    }

    /// Freezes or frees a block: x changes, so the generation rises and the optimiser starts afresh.
    pub fn freeze(&self, name: &str, frozen: bool) -> Result<()> {
        let memory = self.drive()?;
        let state = self.latest.load_full();
        let at = state.plan.layout.index(name)?;
        let block = &state.plan.layout.blocks[at];
        if block.frozen == frozen {
            return Ok(());
        }
        if let (false, Some(why)) = (frozen, block.locked) {
            return Err(Error::Unsupported { what: format!("freeing block {name}"), why: why.into() });
        }
        let mut plan = state.plan.renew();
        plan.layout.blocks[at].frozen = frozen;
        plan.generation += 1;
        plan.follow(&state.plan);
        if plan.started {
            let cancel = self.recipe.context.cancel_token();
            plan.estimate_scales(&state.parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?;
        }
        self.replace(memory, Arc::new(plan), state.parameters.to_vec())
    }

    fn replace(&self, mut memory: MutexGuard<'_, Memory>, plan: Arc<Plan>, parameters: Vec<f64>) -> Result<()> {
        memory.forget();
        memory.publish(&self.scene(), plan, parameters, f64::NAN);
        Ok(())
    }

    /// Before a change of what the loss is made of.
    pub(super) fn change_loss(&self) -> Result<(MutexGuard<'_, Memory>, &SharedTerms)> {
        Ok((self.drive()?, &self.recipe.terms))
    }

    /// After it: the loss of the latest state is not known, the optimiser starts afresh.
    pub(super) fn loss_changed(&self, mut memory: MutexGuard<'_, Memory>) {
        let state = self.latest.load_full();
        memory.forget();
        memory.publish(&self.scene(), state.plan.clone(), state.parameters.to_vec(), f64::NAN);
    }

    // ---- evaluation: any thread, any time ----

    /// Loss, and what is wanted beside it, at `x` over `images` (`None`: all that are not excluded). The gradient is
    /// that of x.
    pub fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation> {
        self.with_point(x, |state, parameters, waiting| {
            let active = state.plan.active();
            let mut evaluation = state.plan.evaluate(parameters, &active, state.images(images), want, waiting)?;
            if want.gradient {
                state.plan.layout.gather_in_place(&mut evaluation.gradient);
            }
            Ok(evaluation)
        })
    }

    /// Takes an evaluation back that is no longer needed: the next one reuses its memory.
    pub fn recycle(&self, evaluation: Evaluation) {
        self.latest.load().plan.problem.buffers().give(evaluation.gradient);
    }

    /// Loss and gradient at `x` over all images that are not excluded.
    pub fn loss_and_gradient(&self, x: &[f64]) -> Result<(f64, Vec<f64>)> {
        let evaluation = self.evaluate(x, None, Want { gradient: true, r_factors: false })?;
        Ok((evaluation.loss, evaluation.gradient))
    }

    /// Calculated images [images, rows, columns] at `x`.
    pub fn predict(&self, x: &[f64], images: Option<&[usize]>) -> Result<Vec<f64>> {
        self.with_point(x, |state, parameters, waiting| {
            let images = state.images(images);
            let mut out = vec![0.0; images.len() * state.plan.problem.pixels()];
            state.plan.problem.predict(parameters, images, &mut out, waiting)?;
            Ok(out)
        })
    }

    /// As `predict`, a few tilts at a time: `take` gets each image's place in the request and its pixels
    /// [rows * columns], in no particular order, so that no second copy of all images is needed.
    pub fn predict_each(
        &self,
        x: &[f64],
        images: &[usize],
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.with_point(x, |state, parameters, waiting| {
            let (pixels, buffers) = (state.plan.problem.pixels(), state.plan.problem.buffers());
            for places in state.plan.tilts_at_once(images)? {
                let part: Vec<usize> = places.iter().map(|place| images[*place]).collect();
                let mut out = buffers.take(part.len() * pixels);
                state.plan.problem.predict(parameters, &part, &mut out, waiting)?;
                places.iter().zip(out.chunks_exact(pixels)).try_for_each(|(place, image)| take(*place, image))?;
                buffers.give(out);
            }
            Ok(())
        })
    }

    /// J^T residuals with respect to x: the gradient of a loss of the host, whose derivatives with respect to the
    /// images [images, rows, columns] are `residuals`.
    pub fn pull_back(&self, x: &[f64], images: Option<&[usize]>, residuals: &[f64]) -> Result<Vec<f64>> {
        self.with_point(x, |state, parameters, waiting| {
            let images = state.images(images);
            let wanted = images.len() * state.plan.problem.pixels();
            if residuals.len() != wanted {
                return Err(Error::shape("residuals", &[residuals.len()], format!("{wanted} values")));
            }
            Error::unless_finite("residuals", "index", residuals)?;
            let active = state.plan.active();
            let mut gradient = state.plan.problem.pull_back(parameters, &active, images, residuals, waiting)?;
            state.plan.layout.gather_in_place(&mut gradient);
            Ok(gradient)
        })
    }

    /// Rows and columns of every image.
    pub fn image_shape(&self) -> (usize, usize) {
        let state = self.latest.load();
        (state.plan.version.rows(), state.plan.version.columns())
    }

    /// Number of images in the latest state, excluded ones included.
    pub fn image_count(&self) -> usize {
        self.latest.load().plan.version.images().len()
    }

    /// The images that take part when a request names none.
    pub fn used_images(&self) -> Vec<usize> {
        self.latest.load().plan.problem.images().to_vec()
    }

    pub(super) fn with_point<R>(
        &self,
        x: &[f64],
        run: impl FnOnce(&State, &[f64], &mut Waiting<'_>) -> Result<R>,
    ) -> Result<R> {
        self.recipe.context.check_process()?;
        let state = self.latest.load_full();
        let buffers = state.plan.problem.buffers();
        let mut parameters = buffers.take(state.parameters.len());
        state.insert(x, &mut parameters)?;
        let cancel = self.recipe.context.cancel_token();
        let result = run(&state, &parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true });
        buffers.give(parameters);
        result
    }

    /// Bytes an evaluation needs beside the dataset.
    pub fn memory_estimate(&self) -> u64 {
        let state = self.latest.load();
        state.plan.problem.memory_estimate() + 8 * (state.parameters.len() * (2 * 12 + 8)) as u64
    }

    // ---- driving ----

    /// One iteration of the method of the latest run, before the first of L-BFGS.
    pub fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>> {
        let rules = Stopping { max_iterations: 1, ..Stopping::default() };
        self.watched(observer, 0, |memory, scene, watch| {
            let outcome = memory.iterate(scene, &rules, watch)?;
            memory.termination = outcome;
            Ok(outcome)
        })
    }

    /// Iterates until a rule ends it; cancelling is an outcome, the best state is kept.
    ///
    /// `options` are [`RunOptions`], or [`Stopping`] rules alone. A run goes on with what the method remembers, also
    /// after [`Self::resume`]; another method than that of the run before begins afresh at the best point so far.
    pub fn run(&self, options: impl Into<RunOptions>, observer: &mut Observer<'_>) -> Result<Termination> {
        let options = options.into();
        options.check()?;
        let iterations = options.stopping.max_iterations;
        self.watched(observer, iterations, |memory, scene, watch| memory.run(scene, &options, watch))
    }

    fn watched<R>(
        &self,
        observer: &mut Observer<'_>,
        max_iterations: usize,
        work: impl FnOnce(&mut Memory, &Scene<'_>, &mut Watch<'_, '_>) -> Result<R>,
    ) -> Result<R> {
        let mut memory = self.drive()?;
        let cancel: CancelToken<'_> = self.recipe.context.cancel_token();
        let mut noted = |progress: &crate::problem::Progress| observer(progress);
        let mut watch = Watch::new(&cancel, &mut noted, memory.iteration, max_iterations);
        let outcome = work(&mut memory, &self.scene(), &mut watch);
        memory.republish(&self.scene());
        outcome
    }

    // ---- results: any thread, any time ----

    /// The latest consistent state, also while a run works.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { state: self.latest.load_full() }
    }

    /// The atoms of the latest state.
    pub fn atoms(&self) -> Result<Atoms> {
        self.snapshot().atoms()
    }

    /// The geometry of every image in the latest state.
    pub fn geometry(&self) -> Geometry {
        let state = self.latest.load();
        let (plan, parameters) = (&state.plan, &state.parameters);
        let images = plan.version.images();
        Geometry {
            rotations: images.iter().map(|i| plan.rotation(parameters, i.tilt)).collect(),
            drift: (0..images.len()).map(|i| plan.blocks.drift_of(parameters, i)).collect(),
            defocus: images.iter().map(|i| i.defocus + parameters[plan.blocks.defocus.start + i.section]).collect(),
        }
    }

    /// One record per iteration so far.
    pub fn history(&self) -> Vec<Record> {
        self.latest.load().memory.history.clone()
    }

    /// R factor of every image, NaN where excluded or not evaluated.
    pub fn r_factors(&self) -> Vec<f64> {
        self.latest.load().r_factors.to_vec()
    }

    /// Why the last run ended.
    pub fn termination(&self) -> Option<Termination> {
        self.latest.load().memory.termination
    }

    /// Loss of the latest state, NaN before the first evaluation.
    pub fn loss(&self) -> f64 {
        self.latest.load().loss
    }

    /// The loss in use: that of the options, else the one that the dataset calls for.
    pub fn loss_choice(&self) -> LossChoice {
        self.latest.load().plan.loss
    }

    /// Options used, versions, instruction-set path, termination and totals, as JSON.
    pub fn record(&self) -> serde_json::Value {
        let state = self.latest.load();
        let book = &state.memory;
        let last = book.history.last();
        serde_json::json!({
            "library": env!("CARGO_PKG_VERSION"),
            "simd": self.recipe.context.simd().name(),
            "threads": self.recipe.context.threads(),
            "method": "local_orbital",
            "options": self.recipe.options,
            "probe": self.recipe.probe.as_ref().map(|p| p.options()),
            "loss_used": state.plan.loss,
            "huber_threshold": (state.plan.loss == LossChoice::Huber).then_some(state.plan.loss_scale),
            "mode": state.plan.mode,
            "slices": state.plan.depths.len(),
            "template_error": state.plan.template_error,
            "atoms": state.plan.species.len(),
            "images": state.plan.version.images().len(),
            "dataset_version": state.plan.version.number(),
            "generation": state.plan.generation,
            "frozen": state.plan.layout.blocks.iter().filter(|b| b.frozen).map(|b| b.name).collect::<Vec<_>>(),
            "iterations": state.iteration,
            "loss": state.loss,
            "r_factors": *state.r_factors,
            "evaluations": last.map(|r| r.evaluations),
            "seconds": last.map(|r| r.seconds),
            "optimizer": book.optimizer.method(),
            "optimizer_settings": book.knobs.settings,
            "step_factors": book.knobs.step_factors,
            "termination": book.termination,
        })
    }

    // ---- knobs ----

    /// Value of a research knob.
    pub fn param(&self, name: &str) -> Result<f64> {
        let param = Param::find(name)?;
        Ok(param.get(&self.latest.load().memory.knobs))
    }

    /// Sets a research knob.
    pub fn set_param(&self, name: &str, value: f64) -> Result<()> {
        let param = Param::find(name)?;
        let mut memory = self.drive()?;
        param.set(&mut memory.knobs, value)?;
        if param.resets {
            memory.optimizer.forget();
        }
        memory.republish(&self.scene());
        Ok(())
    }

    // ---- storing ----

    /// All that is needed to go on to the last bit, beside dataset and probe. Any thread, also during a run: then it is
    /// the state after the latest iteration.
    pub fn saved_state(&self) -> SavedState {
        let state = self.latest.load();
        let layout = &state.plan.layout;
        let mut memory = (*state.memory).clone();
        if !state.plan.terms.load().is_empty() {
            memory.forget(); // its loss and curvature are those of a sum that the file does not hold
        }
        SavedState {
            library: env!("CARGO_PKG_VERSION").into(),
            simd: self.recipe.context.simd().name().into(),
            options: self.recipe.options.clone(),
            probe: self.recipe.probe.as_ref().map(|p| p.options().clone()),
            species: self.recipe.species.clone(),
            generation: state.plan.generation,
            parameters: state.parameters.to_vec(),
            laid_out_for: state.plan.laid_out_for.to_vec(),
            frozen: layout.blocks.iter().map(|b| b.frozen).collect(),
            scales: layout.blocks.iter().map(|b| b.scale).collect(),
            started: state.plan.started,
            loss_scale: state.plan.loss_scale,
            fingerprint: Fingerprint::of(&state.plan.version, state.plan.version.images().len()),
            memory,
        }
    }

    /// Goes on from a saved state with the same images (a series that has grown since, or excludes others, is taken up
    /// by the next iteration). The probe must be the one it was made with.
    pub fn resume(context: &Context, series: &TiltSeries, probe: Option<&Probe>, saved: SavedState) -> Result<Self> {
        context.check_process()?;
        let version = series.version();
        let of_series = Fingerprint::of(&version, saved.fingerprint.images.len());
        if !of_series.same_images(&saved.fingerprint) {
            return Err(saved.fingerprint.difference(&version));
        }
        if probe.map(Probe::options) != saved.probe.as_ref() {
            return Err(Error::Inconsistent {
                what: "probe".into(),
                why: format!(
                    "got {}, wanted the one that the state was made with, {}",
                    describe(probe.map(Probe::options)),
                    describe(saved.probe.as_ref())
                ),
            });
        }
        saved.options.check()?;
        let recipe = Recipe {
            context: context.clone(),
            options: saved.options,
            probe: probe.cloned(),
            species: saved.species,
            terms: SharedTerms::default(),
        };
        let version = version.first_images(saved.fingerprint.images.len());
        let wanted = recipe.parameter_count(&version);
        let counted = |values: &[f64], wanted: usize| match values.len() == wanted && !recipe.species.is_empty() {
            true => Error::unless_finite("state file: the parameters", "index", values),
            false => Err(damaged(format!("{} parameters, wanted {wanted}", values.len()))),
        };
        counted(&saved.laid_out_for, wanted)?;
        let mut plan = recipe.plan(version, &saved.laid_out_for, saved.generation, Some(saved.loss_scale))?;
        counted(&saved.parameters, plan.blocks.probe.end)?;
        plan.take_frozen(&saved.frozen, &saved.scales)?;
        plan.started = saved.started;
        let mut memory = saved.memory;
        memory.check(plan.layout.free_len())?;
        if of_series.excluded != saved.fingerprint.excluded {
            memory.forget();
        }
        Ok(Self::assemble(recipe, series.clone(), plan, saved.parameters, memory))
    }
}

fn damaged(why: String) -> Error {
    Error::Inconsistent { what: "state file".into(), why }
}

impl State {
    /// Makes `parameters` all values, the free ones replaced by `x`.
    fn insert(&self, x: &[f64], parameters: &mut [f64]) -> Result<()> {
        let wanted = self.plan.layout.free_len();
        if x.len() != wanted {
            return Err(Error::StaleParameters { got: x.len(), wanted, generation: self.plan.generation });
        }
        Error::unless_finite("parameter vector x", "index", x)?;
        parameters.copy_from_slice(&self.parameters);
        self.plan.layout.scatter(x, parameters);
        Ok(())
    }

    pub(super) fn images<'a>(&'a self, images: Option<&'a [usize]>) -> &'a [usize] {
        images.unwrap_or_else(|| self.plan.problem.images())
    }
}

impl Plan {
    /// The same plan as a value of its own, sharing model and data.
    fn renew(&self) -> Self {
        Self {
            problem: self.problem.clone(),
            layout: self.layout.clone(),
            blocks: self.blocks.clone(),
            version: self.version.clone(),
            species: self.species.clone(),
            height_groups: self.height_groups.clone(),
            width_groups: self.width_groups.clone(),
            laid_out_for: self.laid_out_for.clone(),
            depths: self.depths.clone(),
            start_probes: self.start_probes.clone(),
            terms: self.terms.clone(),
            lineage: self.lineage.clone(),
            ..*self
        }
    }
}

impl Plan {
    /// Freezes and scales the blocks as they were saved.
    fn take_frozen(&mut self, frozen: &[bool], scales: &[f64]) -> Result<()> {
        let count = self.layout.blocks.len();
        if frozen.len() != count || scales.len() != count {
            return Err(damaged(format!("{} blocks, wanted {count}", frozen.len())));
        }
        for ((block, frozen), scale) in self.layout.blocks.iter_mut().zip(frozen).zip(scales) {
            if !(scale.is_finite() && *scale > 0.0) || (block.locked.is_some() && !frozen) {
                return Err(damaged(format!("block {} with scale {scale}, frozen: {frozen}", block.name)));
            }
            (block.frozen, block.scale) = (*frozen, *scale);
        }
        Ok(())
    }
}

impl Memory {
    /// An error unless it belongs to a problem with `len` free parameters.
    fn check(&self, len: usize) -> Result<()> {
        let fits = self.at.as_ref().is_none_or(|at| at.x.len() == len && at.gradient.len() == len);
        if fits && self.optimizer.fits(len) {
            return Ok(());
        }
        Err(damaged(format!("the optimiser's memory is not one of {len} free parameters")))
    }
}

fn describe(probe: Option<&crate::optics::ProbeOptions>) -> String {
    probe.map_or("none".into(), |p| serde_json::to_string(p).unwrap_or_else(|_| format!("{p:?}")))
}
