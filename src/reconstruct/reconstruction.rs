//! The object that hosts drive.

use super::driver::{start, Scene, Watch};
use super::plan::{Plan, Recipe};
use super::state::{Fingerprint, Memory, Record, SavedState, Snapshot, State};
use super::LotOptions;
use crate::context::{CancelToken, Context};
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::geometry::Mat3;
use crate::optics::Probe;
use crate::optimize::{Stopping, Termination};
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
    /// Copy of the driver's record for readers.
    record: ArcSwap<RecordBook>,
}

#[derive(Default)]
struct RecordBook {
    history: Vec<Record>,
    termination: Option<Termination>,
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

/// Research knobs by name: one table for reading, writing and listing.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    get: fn(&Memory) -> f64,
    set: fn(&mut Memory, f64),
    lower: f64,
    upper: f64,
}

impl Param {
    /// All knobs.
    pub const ALL: [Param; 4] = [
        Param {
            name: "lbfgs.memory",
            help: "pairs that L-BFGS remembers",
            get: |m| m.lbfgs_options.memory as f64,
            set: |m, v| m.lbfgs_options.memory = v as usize,
            lower: 1.0,
            upper: 1000.0,
        },
        Param {
            name: "line_search.decrease",
            help: "sufficient decrease c of the Armijo rule",
            get: |m| m.lbfgs_options.decrease,
            set: |m, v| m.lbfgs_options.decrease = v,
            lower: 0.0,
            upper: 0.5,
        },
        Param {
            name: "line_search.curvature",
            help: "slope, relative to the start, at which a step is long enough",
            get: |m| m.lbfgs_options.curvature,
            set: |m, v| m.lbfgs_options.curvature = v,
            lower: 0.0,
            upper: 1.0,
        },
        Param {
            name: "line_search.evaluations",
            help: "evaluations of one line search at most",
            get: |m| m.lbfgs_options.line_search_evaluations as f64,
            set: |m, v| m.lbfgs_options.line_search_evaluations = v as usize,
            lower: 1.0,
            upper: 1000.0,
        },
    ];

    fn find(name: &str) -> Result<&'static Param> {
        static ALL: [Param; 4] = Param::ALL;
        ALL.iter().find(|p| p.name == name).ok_or_else(|| Error::UnknownOption {
            what: "parameter".into(),
            got: name.into(),
            known: Param::ALL.map(|p| p.name).join(", "),
        })
    }
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
        };
        let version = series.version();
        let mut parameters = recipe.start_parameters(&version, start_atoms)?;
        let mut plan = recipe.plan(version, &parameters, 1, None)?;
        let cancel = context.cancel_token();
        start(&mut plan, &mut parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?;
        Ok(Self::assemble(recipe, series.clone(), plan, parameters, Memory::default()))
    }

    fn assemble(recipe: Recipe, series: TiltSeries, plan: Plan, parameters: Vec<f64>, memory: Memory) -> Self {
        let loss = memory.at.as_ref().map_or(f64::NAN, |at| at.loss);
        let mut r_factors = memory.r_factors.clone();
        r_factors.resize(plan.version.images().len(), f64::NAN);
        let state = State {
            plan: Arc::new(plan),
            parameters: Arc::new(parameters),
            iteration: memory.iteration,
            loss,
            r_factors: Arc::new(r_factors),
        };
        let book = RecordBook { history: memory.history.clone(), termination: memory.termination };
        Self {
            recipe,
            series,
            latest: ArcSwap::from_pointee(state),
            driver: Mutex::new(memory),
            record: ArcSwap::from_pointee(book),
        }
    }

    /// The context it works on.
    pub fn context(&self) -> &Context {
        &self.recipe.context
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
        let parameters = state.insert(x)?;
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
        check_values(name, values)?;
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

    // ---- evaluation: any thread, any time ----

    /// Loss, and what is wanted beside it, at `x` over `images` (`None`: all that are not excluded). The gradient is
    /// that of x.
    pub fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation> {
        self.with_point(x, |state, parameters, waiting| {
            let active = state.plan.active();
            let mut evaluation =
                state.plan.problem.evaluate(&parameters, &active, state.images(images), want, waiting)?;
            if want.gradient {
                evaluation.gradient = state.plan.layout.gather(&evaluation.gradient);
            }
            Ok(evaluation)
        })
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
            state.plan.problem.predict(&parameters, images, &mut out, waiting)?;
            Ok(out)
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
            check_values("residuals", residuals)?;
            let active = state.plan.active();
            let gradient = state.plan.problem.pull_back(&parameters, &active, images, residuals, waiting)?;
            Ok(state.plan.layout.gather(&gradient))
        })
    }

    fn with_point<R>(&self, x: &[f64], run: impl FnOnce(&State, Vec<f64>, &mut Waiting<'_>) -> Result<R>) -> Result<R> {
        self.recipe.context.check_process()?;
        let state = self.latest.load_full();
        let parameters = state.insert(x)?;
        let cancel = self.recipe.context.cancel_token();
        run(&state, parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    /// Bytes an evaluation needs beside the dataset.
    pub fn memory_estimate(&self) -> u64 {
        let state = self.latest.load();
        state.plan.problem.memory_estimate() + 8 * (state.parameters.len() * (2 * 12 + 8)) as u64
    }

    // ---- driving ----

    /// One iteration.
    pub fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>> {
        let rules = Stopping { max_iterations: 1, ..Stopping::default() };
        self.watched(observer, 0, |memory, scene, watch| {
            let outcome = memory.iterate(scene, &rules, watch)?;
            memory.termination = outcome;
            Ok(outcome)
        })
    }

    /// Iterates until a rule ends it; cancelling is an outcome, the best state is kept.
    pub fn run(&self, stopping: &Stopping, observer: &mut Observer<'_>) -> Result<Termination> {
        stopping.check()?;
        self.watched(observer, stopping.max_iterations, |memory, scene, watch| memory.run(scene, stopping, watch))
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
        let mut watch = Watch::new(&cancel, &mut noted, max_iterations);
        let outcome = work(&mut memory, &self.scene(), &mut watch);
        self.record.store(Arc::new(RecordBook { history: memory.history.clone(), termination: memory.termination }));
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

    /// One record per iteration of the finished calls.
    pub fn history(&self) -> Vec<Record> {
        self.record.load().history.clone()
    }

    /// R factor of every image, NaN where excluded or not evaluated.
    pub fn r_factors(&self) -> Vec<f64> {
        self.latest.load().r_factors.to_vec()
    }

    /// Why the last run ended.
    pub fn termination(&self) -> Option<Termination> {
        self.record.load().termination
    }

    /// Loss of the latest state, NaN before the first evaluation.
    pub fn loss(&self) -> f64 {
        self.latest.load().loss
    }

    /// Options used, versions, instruction-set path, termination and totals, as JSON.
    pub fn record(&self) -> serde_json::Value {
        let state = self.latest.load();
        let book = self.record.load();
        let last = book.history.last();
        serde_json::json!({
            "library": env!("CARGO_PKG_VERSION"),
            "simd": self.recipe.context.simd().name(),
            "threads": self.recipe.context.threads(),
            "method": "local_orbital",
            "options": self.recipe.options,
            "probe": self.recipe.probe.as_ref().map(|p| p.options()),
            "loss_used": state.plan.loss,
            "slices": state.plan.slices,
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
            "termination": book.termination,
        })
    }

    // ---- knobs ----

    /// Value of a research knob.
    pub fn param(&self, name: &str) -> Result<f64> {
        let param = Param::find(name)?;
        Ok((param.get)(&*self.drive()?))
    }

    /// Sets a research knob.
    pub fn set_param(&self, name: &str, value: f64) -> Result<()> {
        let param = Param::find(name)?;
        if !(param.lower..=param.upper).contains(&value) {
            return Err(Error::range(name, value, format!("{} to {}", param.lower, param.upper)));
        }
        (param.set)(&mut *self.drive()?, value);
        Ok(())
    }

    // ---- storing ----

    /// All that is needed to go on to the last bit, beside dataset and probe.
    pub fn saved_state(&self) -> Result<SavedState> {
        let memory = self.drive()?;
        let state = self.latest.load();
        let layout = &state.plan.layout;
        Ok(SavedState {
            library: env!("CARGO_PKG_VERSION").into(),
            simd: self.recipe.context.simd().name().into(),
            options: self.recipe.options.clone(),
            probe: self.recipe.probe.as_ref().map(|p| p.options().clone()),
            species: self.recipe.species.clone(),
            generation: state.plan.generation,
            parameters: state.parameters.to_vec(),
            frozen: layout.blocks.iter().map(|b| b.frozen).collect(),
            scales: layout.blocks.iter().map(|b| b.scale).collect(),
            started: state.plan.started,
            poisson_floor: state.plan.poisson_floor,
            fingerprint: fingerprint(&state.plan.version, state.plan.version.images().len()),
            memory: memory.clone(),
        })
    }

    /// Goes on from a saved state with the same images (a series that has grown since is taken up by the next
    /// iteration). The probe must be the one it was made with.
    pub fn resume(context: &Context, series: &TiltSeries, probe: Option<&Probe>, saved: SavedState) -> Result<Self> {
        context.check_process()?;
        let version = series.version();
        let of_series = fingerprint(&version, saved.fingerprint.images.len());
        if (Fingerprint { dataset_version: saved.fingerprint.dataset_version, ..of_series }) != saved.fingerprint {
            return Err(Error::Inconsistent {
                what: "state file".into(),
                why: format!(
                    "it was made with {} images of {} x {} pixels; the dataset has {}, of {} x {}, or other pixel values",
                    saved.fingerprint.images.len(), saved.fingerprint.rows, saved.fingerprint.columns,
                    version.images().len(), version.rows(), version.columns()
                ),
            });
        }
        if probe.map(Probe::options) != saved.probe.as_ref() {
            return Err(Error::Inconsistent {
                what: "probe".into(),
                why: "it differs from the one the state was made with".into(),
            });
        }
        let recipe =
            Recipe { context: context.clone(), options: saved.options, probe: probe.cloned(), species: saved.species };
        let version = version.first_images(saved.fingerprint.images.len());
        let mut plan = recipe.plan(version, &saved.parameters, saved.generation, Some(saved.poisson_floor))?;
        for ((block, frozen), scale) in plan.layout.blocks.iter_mut().zip(&saved.frozen).zip(&saved.scales) {
            (block.frozen, block.scale) = (*frozen, *scale);
        }
        plan.started = saved.started;
        Ok(Self::assemble(recipe, series.clone(), plan, saved.parameters, saved.memory))
    }
}

impl State {
    /// All values with the free ones replaced by `x`.
    fn insert(&self, x: &[f64]) -> Result<Vec<f64>> {
        let wanted = self.plan.layout.free_len();
        if x.len() != wanted {
            return Err(Error::StaleParameters { got: x.len(), wanted, generation: self.plan.generation });
        }
        check_values("parameter vector x", x)?;
        let mut parameters = self.parameters.to_vec();
        self.plan.layout.scatter(x, &mut parameters);
        Ok(parameters)
    }

    fn images<'a>(&'a self, images: Option<&'a [usize]>) -> &'a [usize] {
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
            ..*self
        }
    }
}

fn check_values(what: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NonFinite { what: what.into(), value: values[at], at: format!("index {at}") }),
    }
}

fn fingerprint(version: &SeriesVersion, count: usize) -> Fingerprint {
    let of_image = |image: &Arc<crate::dataset::Image>| {
        let mut hasher = crc32fast::Hasher::new();
        image.pixels.iter().for_each(|v| hasher.update(&v.to_le_bytes()));
        hasher.finalize()
    };
    Fingerprint {
        rows: version.rows(),
        columns: version.columns(),
        pixel_size: version.pixel_size(),
        images: version.images().iter().take(count).map(of_image).collect(),
        dataset_version: version.number(),
    }
}
