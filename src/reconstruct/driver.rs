//! One iteration after the other: the only code that changes a reconstruction's state.

use super::plan::{Plan, Recipe};
use super::state::{Knobs, Memory, Record, State};
use crate::context::{log, CancelToken};
use crate::dataset::TiltSeries;
use crate::error::Result;
use crate::forward::local_orbital::Blocks;
use crate::optimize::{Iterate, Objective, OptimizerState, Outlook, RunOptions, Space, Stopping, Termination};
use crate::problem::{Block, Evaluation, Observer, Phase, Progress, Waiting, Want};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Progress is told at most this often while one evaluation works.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Step of Adam in blocks other than the positions, as part of that with an equal effect on the images.
const OTHER_BLOCKS: f64 = 0.5;

/// Where the driver works: inputs and the published state.
pub(super) struct Scene<'a> {
    pub recipe: &'a Recipe,
    pub series: &'a TiltSeries,
    pub latest: &'a ArcSwap<State>,
}

/// How one call is watched.
pub(super) struct Watch<'a, 'o> {
    pub cancel: &'a CancelToken<'a>,
    pub observer: &'a mut Observer<'o>,
    pub began: Instant,
    told: Option<Instant>,
    /// Iterations that this call may make, 0 for a single step.
    pub max_iterations: usize,
    /// Iterations before this call.
    first_iteration: usize,
    /// Last known numbers.
    pub progress: Progress,
}

impl<'a, 'o> Watch<'a, 'o> {
    pub fn new(
        cancel: &'a CancelToken<'a>,
        observer: &'a mut Observer<'o>,
        first_iteration: usize,
        max_iterations: usize,
    ) -> Self {
        let mut progress = Progress::of_phase(Phase::Planning, 0.0, 0.0);
        progress.iteration = first_iteration;
        if max_iterations > 0 {
            progress.max_iterations = first_iteration + max_iterations;
        }
        Self { cancel, observer, began: Instant::now(), told: None, max_iterations, first_iteration, progress }
    }

    /// Tells the observer now; remembers its wish to end.
    pub fn tell(&mut self) {
        self.told = Some(Instant::now());
        self.progress.seconds = self.began.elapsed().as_secs_f64();
        if !(self.observer)(&self.progress) {
            self.cancel.cancel();
        }
    }

    /// Tells what an iteration has come to.
    pub fn tell_record(&mut self, record: &Record) {
        let done = record.iteration.saturating_sub(self.first_iteration);
        let of_max = done as f64 / self.max_iterations.max(1) as f64;
        self.progress = Progress {
            phase: Phase::Optimizing,
            iteration: record.iteration,
            evaluations: record.evaluations,
            fraction: if self.max_iterations > 0 { of_max.min(1.0) } else { 1.0 },
            loss: record.loss,
            gradient_norm: record.gradient_norm,
            r_factor: record.r_factor,
            ..self.progress
        };
        self.tell();
    }

    fn tell_sometimes(&mut self) -> bool {
        if self.told.unwrap_or(self.began).elapsed() >= TELL_EVERY {
            self.tell();
        }
        !self.cancel.is_cancelled()
    }

    /// Runs `work` with a waiting side that serves this watch.
    pub fn wait<R>(&mut self, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
        let cancel = self.cancel;
        let mut tell = |_: f64| self.tell_sometimes();
        work(&mut Waiting { cancel, tell: &mut tell })
    }
}

/// Loss and gradient of the free parameters; keeps the R factors of every point tried in this step.
pub(super) struct Descent<'p, 'a, 'w, 'o> {
    pub plan: &'p Plan,
    active: Vec<bool>,
    parameters: Vec<f64>,
    watch: &'w mut Watch<'a, 'o>,
    /// Used images of every tilt that has some.
    tilts: Vec<Vec<usize>>,
    /// Images evaluated so far in this step.
    images: usize,
    tried: Vec<(u64, Vec<f64>)>,
    /// R factor of every image of the series as it was last met in a batch.
    met: Vec<f64>,
}

impl<'p, 'a, 'w, 'o> Descent<'p, 'a, 'w, 'o> {
    fn new(plan: &'p Plan, parameters: &[f64], watch: &'w mut Watch<'a, 'o>) -> Self {
        let (active, parameters) = (plan.active(), parameters.to_vec());
        let (tilts, met) = (plan.used_by_tilt(), vec![f64::NAN; plan.version.images().len()]);
        Self { plan, active, parameters, watch, tilts, images: 0, tried: Vec::new(), met }
    }

    /// Evaluations of all images that this step has cost.
    fn evaluations(&self) -> f64 {
        self.images as f64 / self.plan.problem.images().len().max(1) as f64
    }

    /// The parameters it was made with, moved into their bounds; loss and gradient are not known.
    fn unknown_point(&self, space: &Space) -> Iterate {
        let mut x = self.plan.layout.gather(&self.parameters);
        space.clamp(&mut x);
        Iterate { gradient: vec![0.0; x.len()], x, loss: f64::NAN }
    }

    /// As `unknown_point`, with loss and gradient.
    fn first_point(&mut self, space: &Space) -> Result<Iterate> {
        let Iterate { x, mut gradient, .. } = self.unknown_point(space);
        let loss = self.evaluate(&x, &mut gradient)?;
        Ok(Iterate { x, loss, gradient })
    }

    fn evaluate_images(&mut self, x: &[f64], images: &[usize], gradient: &mut [f64]) -> Result<Evaluation> {
        self.plan.layout.scatter(x, &mut self.parameters);
        let want = Want { gradient: true, r_factors: true };
        let (plan, parameters, active) = (self.plan, &self.parameters, &self.active);
        let mut evaluation = self.watch.wait(|waiting| plan.evaluate(parameters, active, images, want, waiting))?;
        self.plan.layout.gather_in_place(&mut evaluation.gradient);
        gradient.copy_from_slice(&evaluation.gradient);
        plan.problem.buffers().give(std::mem::take(&mut evaluation.gradient));
        self.images += images.len();
        Ok(evaluation)
    }
}

impl Objective for Descent<'_, '_, '_, '_> {
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let evaluation = self.evaluate_images(x, self.plan.problem.images(), gradient)?;
        self.tried.push((evaluation.loss.to_bits(), evaluation.r_factors));
        Ok(evaluation.loss)
    }

    fn gauss_newton_product(&mut self, x: &[f64], direction: &[f64]) -> Result<Vec<f64>> {
        self.plan.layout.scatter(x, &mut self.parameters);
        let (problem, parameters, active) = (&self.plan.problem, &self.parameters, &self.active);
        let mut along = vec![0.0; parameters.len()];
        self.plan.layout.scatter(direction, &mut along);
        let images = problem.images();
        let mut product =
            self.watch.wait(|waiting| problem.gauss_newton_product(parameters, active, images, &along, waiting))?;
        self.plan.layout.gather_in_place(&mut product);
        self.images += images.len();
        Ok(product)
    }

    fn project(&mut self, x: &mut Vec<f64>) -> Result<()> {
        if let Some(moved) = self.plan.projected(x)? {
            *x = moved;
        }
        Ok(())
    }

    /// Tilts: all foci of a tilt share its slices and stay together.
    fn parts(&self) -> usize {
        self.tilts.len()
    }

    fn weight(&self, part: usize) -> f64 {
        self.tilts[part].len() as f64
    }

    fn evaluate_parts(&mut self, x: &[f64], parts: &[usize], gradient: &mut [f64]) -> Result<f64> {
        // In the order of the series, so that a batch of all images gives the same bits as `evaluate`.
        let mut images: Vec<usize> = parts.iter().flat_map(|part| self.tilts[*part].iter().copied()).collect();
        images.sort_unstable();
        let evaluation = self.evaluate_images(x, &images, gradient)?;
        images.iter().zip(&evaluation.r_factors).for_each(|(image, r)| self.met[*image] = *r);
        Ok(evaluation.loss)
    }
}

impl Plan {
    /// Scales, bounds and steps. Steps of Adam change the images by the same root mean square in every block: with random
    /// signs, variables that move by d change them by d sqrt(n) / scale, where n is their number; the step of the
    /// positions is set, those of the other blocks are [`OTHER_BLOCKS`] of what follows from it.
    fn space(&self, knobs: &Knobs) -> Space {
        let factor = |b: &Block| knobs.step_factors.get(b.name).copied().unwrap_or(1.0);
        let reach = |b: &Block| b.scale / (b.len().max(1) as f64).sqrt();
        let positions = &self.layout.blocks[Blocks::POSITIONS];
        let of_images = knobs.settings.adam.first_step / reach(positions);
        let share = |b: &Block| if b.name == positions.name { 1.0 } else { OTHER_BLOCKS };
        Space {
            scale: self.layout.per_parameter(|b| factor(b) * b.scale),
            lower: self.layout.per_parameter(|b| b.lower),
            upper: self.layout.per_parameter(|b| b.upper),
            step: self.layout.per_parameter(|b| factor(b) * share(b) * of_images * reach(b)),
        }
    }

    /// Images that are not excluded, tilt by tilt.
    fn used_by_tilt(&self) -> Vec<Vec<usize>> {
        let used = |i: &usize| !self.version.images()[*i].excluded;
        let tilts = self.version.tilts().iter().map(|t| t.images.iter().copied().filter(used).collect::<Vec<_>>());
        tilts.filter(|images| !images.is_empty()).collect()
    }

    /// R factors of the used images placed by image number.
    fn spread(&self, of_used: &[f64]) -> Vec<f64> {
        let mut all = vec![f64::NAN; self.version.images().len()];
        self.problem.images().iter().zip(of_used).for_each(|(i, r)| all[*i] = *r);
        all
    }
}

fn mean_of_finite(values: &[f64]) -> f64 {
    let (sum, n) = values.iter().filter(|v| v.is_finite()).fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    sum / n as f64
}

impl Memory {
    /// Runs until a rule of `options` ends it. Cancelling is an outcome: the best state is kept.
    pub fn run(&mut self, scene: &Scene<'_>, options: &RunOptions, watch: &mut Watch<'_, '_>) -> Result<Termination> {
        let stopping = &options.stopping;
        self.termination = None;
        self.choose(options);
        let mut outcome = Termination::MaxIterations;
        let hidden = |state: &State| state.plan.hidden(&state.parameters);
        let before = hidden(&scene.latest.load());
        for _ in 0..stopping.max_iterations {
            match self.iterate(scene, stopping, watch) {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    outcome = reason;
                    break;
                }
                Err(error) if error.code() == 1 => {
                    outcome = Termination::Cancelled;
                    break;
                }
                Err(error) => return Err(error),
            }
            if stopping.max_time.is_some_and(|limit| watch.began.elapsed() >= limit) {
                outcome = Termination::TimeLimit;
                break;
            }
        }
        let state = scene.latest.load();
        let left = hidden(&state).saturating_sub(before);
        if left > 0 {
            log::warning(format!("{left} of {} atoms left the field of view of every image", state.plan.species.len()));
        }
        self.termination = Some(outcome);
        Ok(outcome)
    }

    /// Takes the method of a run; another than the former one begins without memories.
    fn choose(&mut self, options: &RunOptions) {
        self.knobs.settings.adam.batch = options.batch;
        let (former, wanted) = (self.optimizer.method(), options.optimizer.unwrap_or_default());
        if wanted != former {
            self.optimizer = OptimizerState::new(wanted);
            self.stopping.forget();
            if former.is_stochastic() {
                self.at = None; // its loss and gradient are those of no single point
            }
        }
    }

    /// One iteration: takes up a new version of the dataset, steps, publishes, records.
    pub fn iterate(
        &mut self,
        scene: &Scene<'_>,
        stopping: &Stopping,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Option<Termination>> {
        let clock = Instant::now();
        self.take_up_version(scene, watch)?;
        let state = scene.latest.load_full();
        let plan = &state.plan;
        plan.check_determined()?;
        let space = plan.space(&self.knobs);
        let method = self.optimizer.method();
        let mut descent = Descent::new(plan, &state.parameters, watch);
        let mut at = match self.at.take() {
            Some(at) => at,
            None if method.is_stochastic() => descent.unknown_point(&space),
            None => descent.first_point(&space)?,
        };
        let before = plan.has_projection().then(|| at.clone());
        let mut projected = Ok(());
        let mut step = self.optimizer.step(&self.knobs.settings, &mut descent, &space, &mut at);
        if let (Ok(step), false) = (&mut step, method.is_stochastic()) {
            projected = descent.project(&space, before, &mut at);
            (step.loss, step.gradient_norm) = (at.loss, space.gradient_norm(&at));
        }
        let step = step.and_then(|step| projected.map(|()| step));
        self.evaluations += descent.evaluations();
        let Descent { tried, met, mut parameters, .. } = descent;
        if let Some((_, r)) = tried.iter().rev().find(|(loss, _)| *loss == at.loss.to_bits()) {
            self.r_factors = plan.spread(r);
        } else if method.is_stochastic() && step.as_ref().is_ok_and(|step| step.loss == at.loss) {
            self.r_factors = met;
        }
        plan.layout.scatter(&at.x, &mut parameters);
        let best = at.loss;
        self.at = Some(at);
        let step = step?; // a cancelled step leaves the former point, with its loss and gradient
        self.iteration += 1;
        self.seconds += clock.elapsed().as_secs_f64();
        let record = Record {
            iteration: self.iteration,
            optimizer: Some(method),
            loss: step.loss,
            r_factor: mean_of_finite(&self.r_factors),
            r_free: f64::NAN,
            gradient_norm: step.gradient_norm,
            step: step.length,
            seconds: self.seconds,
            evaluations: self.evaluations,
            generation: plan.generation,
            dataset_version: plan.version.number(),
        };
        self.history.push(record);
        let judged = self.stopping.judge(stopping, &step);
        self.publish(scene, plan.clone(), parameters, best);
        watch.tell_record(&record);
        if watch.cancel.is_cancelled() {
            return Ok(Some(Termination::Cancelled)); // asked for while this iteration was told: it is kept
        }
        Ok(match step.outlook {
            Outlook::Stalled => Some(Termination::Stalled),
            Outlook::Finished => Some(Termination::MaxIterations),
            Outlook::Open | Outlook::Annealing => judged,
        })
    }

    pub fn publish(&self, scene: &Scene<'_>, plan: Arc<Plan>, parameters: Vec<f64>, loss: f64) {
        scene.latest.store(Arc::new(State {
            plan,
            parameters: Arc::new(parameters),
            iteration: self.iteration,
            loss,
            r_factors: Arc::new(self.r_factors.clone()),
            memory: Arc::new(self.clone()),
        }));
    }

    /// Publishes what changed beside plan and parameters: knobs, the reason of the end.
    pub fn republish(&self, scene: &Scene<'_>) {
        let state = scene.latest.load_full();
        scene.latest.store(Arc::new(State { memory: Arc::new(self.clone()), ..(*state).clone() }));
    }

    /// The parameters or the problem changed: what was remembered of the former one is void.
    pub fn forget(&mut self) {
        self.optimizer.forget();
        self.stopping.forget();
        self.at = None;
        self.r_factors.fill(f64::NAN);
        self.termination = None;
    }

    /// Plans anew if the dataset has a newer version; fits the intensities the first time there are images.
    pub fn take_up_version(&mut self, scene: &Scene<'_>, watch: &mut Watch<'_, '_>) -> Result<()> {
        let state = scene.latest.load_full();
        let version = scene.series.version();
        if version.number() == state.plan.version.number() && (state.plan.started || version.images().is_empty()) {
            return Ok(());
        }
        let former = &state.plan;
        let grown = version.images().len() != former.version.images().len();
        let mut parameters = scene.recipe.grown_parameters(former, &state.parameters, &version);
        let scale = former.started.then_some(former.loss_scale);
        let generation = former.generation + u64::from(grown);
        let mut plan = scene.recipe.plan(version, &parameters, generation, scale)?;
        plan.complete(&mut parameters, Some((former, &state.parameters)));
        for (block, old) in plan.layout.blocks.iter_mut().zip(&former.layout.blocks) {
            (block.frozen, block.scale) = (old.frozen, old.scale);
        }
        plan.started = former.started;
        plan.follow(former);
        watch.wait(|waiting| start(&mut plan, &mut parameters, waiting))?;
        log::info(format!(
            "took up version {} of the dataset: {} images, generation {}",
            plan.version.number(),
            plan.version.images().len(),
            plan.generation
        ));
        let mut descent = Descent::new(&plan, &parameters, watch);
        let at = match plan.problem.images() {
            [] => None,
            _ => Some(descent.first_point(&plan.space(&self.knobs))?),
        };
        let (evaluations, tried) = (descent.evaluations(), descent.tried);
        self.forget();
        self.evaluations += evaluations;
        self.r_factors = plan.spread(tried.first().map_or(&[], |(_, r)| r));
        self.at = at;
        let loss = self.at.as_ref().map_or(f64::NAN, |at| {
            plan.layout.scatter(&at.x, &mut parameters);
            at.loss
        });
        self.publish(scene, Arc::new(plan), parameters, loss);
        Ok(())
    }
}

/// Intensities and scales, once there are images.
pub(super) fn start(plan: &mut Plan, parameters: &mut [f64], waiting: &mut Waiting<'_>) -> Result<()> {
    if plan.started || plan.problem.images().is_empty() {
        return Ok(());
    }
    let hidden = plan.check_visible(parameters)?;
    if hidden > 0 {
        log::warning(format!("{hidden} of {} start atoms lie outside every image", plan.species.len()));
    }
    plan.depth_doubt(parameters).into_iter().for_each(log::warning);
    plan.fit_intensities(parameters, waiting)?;
    plan.settle_threshold(parameters, waiting)?;
    plan.estimate_scales(parameters, waiting)?;
    plan.started = true;
    Ok(())
}
