//! One iteration after the other: the only code that changes a reconstruction's state.

use super::plan::{Plan, Recipe};
use super::state::{Memory, Record, State};
use crate::context::{log, CancelToken};
use crate::dataset::TiltSeries;
use crate::error::Result;
use crate::optimize::{Iterate, Objective, Space, Stopping, Termination};
use crate::problem::{Observer, Phase, Progress, Waiting, Want};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Progress is told at most this often while one evaluation works.
const TELL_EVERY: Duration = Duration::from_millis(100);

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
    evaluations: f64,
    tried: Vec<(u64, Vec<f64>)>,
}

impl<'p, 'a, 'w, 'o> Descent<'p, 'a, 'w, 'o> {
    fn new(plan: &'p Plan, parameters: &[f64], watch: &'w mut Watch<'a, 'o>) -> Self {
        let (active, parameters) = (plan.active(), parameters.to_vec());
        Self { plan, active, parameters, watch, evaluations: 0.0, tried: Vec::new() }
    }

    /// Loss and gradient at the parameters it was made with, moved into their bounds.
    fn first_point(&mut self, space: &Space) -> Result<Iterate> {
        let mut x = self.plan.layout.gather(&self.parameters);
        space.clamp(&mut x);
        let mut gradient = vec![0.0; x.len()];
        let loss = self.evaluate(&x, &mut gradient)?;
        Ok(Iterate { x, loss, gradient })
    }
}

impl Objective for Descent<'_, '_, '_, '_> {
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.plan.layout.scatter(x, &mut self.parameters);
        let want = Want { gradient: true, r_factors: true };
        let images = self.plan.problem.images();
        let mut evaluation =
            self.watch.wait(|waiting| self.plan.evaluate(&self.parameters, &self.active, images, want, waiting))?;
        self.plan.layout.gather_in_place(&mut evaluation.gradient);
        gradient.copy_from_slice(&evaluation.gradient);
        self.plan.problem.buffers().give(evaluation.gradient);
        self.evaluations += 1.0;
        self.tried.push((evaluation.loss.to_bits(), evaluation.r_factors));
        Ok(evaluation.loss)
    }
}

impl Plan {
    fn space(&self) -> Space {
        Space {
            scale: self.layout.per_parameter(|b| b.scale),
            lower: self.layout.per_parameter(|b| b.lower),
            upper: self.layout.per_parameter(|b| b.upper),
        }
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
    /// Runs until a rule of `stopping` ends it. Cancelling is an outcome: the best state is kept.
    pub fn run(&mut self, scene: &Scene<'_>, stopping: &Stopping, watch: &mut Watch<'_, '_>) -> Result<Termination> {
        self.termination = None;
        let mut outcome = Termination::MaxIterations;
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
        self.termination = Some(outcome);
        Ok(outcome)
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
        let space = plan.space();
        let mut descent = Descent::new(plan, &state.parameters, watch);
        let mut at = match self.at.take() {
            Some(at) => at,
            None => descent.first_point(&space)?,
        };
        let before = plan.has_projection().then(|| at.clone());
        let step = self.lbfgs.step(&self.lbfgs_options, &mut descent, &space, &mut at);
        let step = step.and_then(|step| descent.project(&space, before, &mut at).map(|()| step));
        let (evaluations, tried) = (descent.evaluations, descent.tried);
        let mut parameters = descent.parameters;
        if let Some((_, r)) = tried.iter().rev().find(|(loss, _)| *loss == at.loss.to_bits()) {
            self.r_factors = plan.spread(r);
        }
        self.evaluations += evaluations;
        plan.layout.scatter(&at.x, &mut parameters);
        let norm = space.gradient_norm(&at);
        self.at = Some(at);
        let step = step?; // a cancelled step leaves the former point, with its loss and gradient
        self.iteration += 1;
        self.seconds += clock.elapsed().as_secs_f64();
        let loss = self.at.as_ref().map_or(f64::NAN, |at| at.loss);
        let record = Record {
            iteration: self.iteration,
            loss,
            r_factor: mean_of_finite(&self.r_factors),
            gradient_norm: norm,
            step: step.length,
            seconds: self.seconds,
            evaluations: self.evaluations,
            generation: plan.generation,
            dataset_version: plan.version.number(),
        };
        self.history.push(record);
        let judged = self.stopping.judge(stopping, loss, norm);
        self.publish(scene, plan.clone(), parameters, loss);
        self.tell_record(&record, watch);
        if watch.cancel.is_cancelled() {
            return Ok(Some(Termination::Cancelled)); // asked for while this iteration was told: it is kept
        }
        Ok(if step.stalled { Some(Termination::Stalled) } else { judged })
    }

    fn tell_record(&self, record: &Record, watch: &mut Watch<'_, '_>) {
        let done = record.iteration.saturating_sub(watch.first_iteration);
        let of_max = done as f64 / watch.max_iterations.max(1) as f64;
        watch.progress = Progress {
            phase: Phase::Optimizing,
            iteration: record.iteration,
            evaluations: record.evaluations,
            fraction: if watch.max_iterations > 0 { of_max.min(1.0) } else { 1.0 },
            loss: record.loss,
            gradient_norm: record.gradient_norm,
            r_factor: record.r_factor,
            ..watch.progress
        };
        watch.tell();
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
        self.lbfgs.forget();
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
        let floor = former.started.then_some(former.poisson_floor);
        let generation = former.generation + u64::from(grown);
        let mut plan = scene.recipe.plan(version, &parameters, generation, floor)?;
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
            _ => Some(descent.first_point(&plan.space())?),
        };
        let (evaluations, tried) = (descent.evaluations, descent.tried);
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
    plan.fit_intensities(parameters, waiting)?;
    plan.estimate_scales(parameters, waiting)?;
    plan.started = true;
    Ok(())
}
