//! The object that hosts drive.

use super::super::driver::Watch;
use super::super::interface::{Reconstruct, Saved, StateView, Values};
use super::super::state::{Fingerprint, Record};
use super::super::Geometry;
use super::evaluate::{Active, Gradients, Model};
use super::measured::{geometry_of, Imaging, Measured, Misfit};
use super::method::{buffers_of, method_of, Method};
use super::options::TomographyOptions;
use super::saved::{Course, SavedTomography};
use crate::context::{log, Context};
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::projection::{Projector, View};
use crate::geometry::IDENTITY;
use crate::optimize::{Outlook, RunOptions, Step, Stopping, Termination};
use crate::problem::{Block, Evaluation, Layout, Observer, Progress, Waiting, Want};
use crate::specimen::Volume;
use arc_swap::ArcSwap;
use ndarray::Array3;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// A tomographic reconstruction: a volume, the images of a dataset and a method. All methods take `&self`: those that
/// change it answer [`Error::Busy`] while another of them works, all others may be called from any thread at any time.
pub struct Tomography {
    context: Context,
    series: TiltSeries,
    options: TomographyOptions,
    support: Option<Arc<Vec<bool>>>,
    latest: ArcSwap<State>,
    driver: Mutex<Driver>,
}

/// The latest consistent state; immutable.
#[derive(Clone)]
struct State {
    plan: Arc<Plan>,
    volume: Arc<Vec<f32>>,
    course: Arc<Course>,
}

/// What does not change from iteration to iteration.
struct Plan {
    version: Arc<SeriesVersion>,
    imaging: Imaging,
    /// All values of `imaging`.
    values: Vec<f64>,
    layout: Layout,
    generation: u64,
    /// `None` while the dataset has no image in use.
    measured: Option<Measured>,
    /// Sizes of volume and images.
    sizes: Projector,
}

/// What only the driver has.
#[derive(Default)]
struct Driver {
    method: Option<Box<dyn Method>>,
    course: Course,
    /// The volume with the lowest R factor of the views that are held out.
    best: Option<Arc<Vec<f32>>>,
}

/// A held-out R factor that was not lowered for so many iterations ends a run.
const PATIENCE: usize = 5;

const BLOCKS: [&str; 5] = ["volume", "drift", "angles", "scale", "background"];

/// Bytes that a reconstruction with these options needs beside the dataset, at most.
///
/// # Errors
/// Those of the options.
pub fn tomography_memory_estimate(series: &TiltSeries, options: &TomographyOptions) -> Result<u64> {
    options.check()?;
    memory_of(&series.version(), options)
}

fn memory_of(version: &SeriesVersion, options: &TomographyOptions) -> Result<u64> {
    /// Beyond so many threads their scratch no longer grows with them.
    const THREADS: usize = 16;
    let geometry = geometry_of(version, options);
    // Sizes are checked before anything is multiplied.
    let sizes = Projector::new(geometry, vec![View { rotation: IDENTITY, drift: [0.0; 2] }])?;
    let views = version.used_images().len() as u64;
    let (frame, voxels) = (sizes.frame().len() as u64, sizes.voxels() as u64);
    let (volumes, frames) = buffers_of(options.method);
    // Published volume and the one that is worked on; data and weights; lines of slices, padded to whole blocks.
    let lines = views * (frame + 32 * (geometry.rows + geometry.columns) as u64);
    let of_views = (views as usize, geometry.rows, geometry.columns);
    let engine = super::engines::engine_bytes(geometry.shape, of_views, options, THREADS);
    let terms = options.regularization.memory_bytes(geometry.shape);
    Ok(4 * ((volumes + 2) * voxels + (frames + 2) * views * frame + lines) + engine + terms)
}

/// An error where the reconstruction would need more than its limit.
pub(super) fn tomography_memory(version: &SeriesVersion, options: &TomographyOptions) -> Result<()> {
    let needed = memory_of(version, options)?;
    match options.memory_limit.filter(|limit| needed > *limit) {
        Some(available) => {
            Err(Error::Memory { what: "the tomogram (option memory_limit)".into(), needed, available })
        }
        None => Ok(()),
    }
}

impl Plan {
    fn new(
        context: &Context,
        version: Arc<SeriesVersion>,
        options: &TomographyOptions,
        imaging: Imaging,
        support: Option<Arc<Vec<bool>>>,
        former: Option<&Plan>,
    ) -> Result<Self> {
        let sizes = Projector::new(
            geometry_of(&version, options),
            vec![View { rotation: IDENTITY, drift: [0.0; 2] }],
        )?;
        let measured = match Measured::new(context, version.clone(), options, &imaging, support) {
            Ok(measured) => Some(measured),
            Err(Error::NotReady { .. }) => None,
            Err(error) => return Err(error),
        };
        let layout = layout_of(&sizes, &version, options, former);
        let generation = former.map_or(1, |plan| plan.generation + u64::from(plan.layout.len() != layout.len()));
        Ok(Self { values: imaging.to_values(), version, imaging, layout, generation, measured, sizes })
    }

    fn measured(&self) -> Result<&Measured> {
        self.measured.as_ref().ok_or_else(|| {
            let why = "the dataset has no image in use; append tilts first".into();
            Error::NotReady { what: "the reconstruction".into(), why }
        })
    }

    fn free(&self, name: &str) -> bool {
        self.layout.blocks.iter().any(|b| b.name == name && !b.frozen)
    }

    fn active(&self) -> Active {
        Active { volume: self.free("volume"), drift: self.free("drift"), angles: self.free("angles") }
    }
}

fn layout_of(
    sizes: &Projector,
    version: &SeriesVersion,
    options: &TomographyOptions,
    former: Option<&Plan>,
) -> Layout {
    let (images, tilts) = (version.images().len(), version.tilts().len());
    let (lower, upper) = options.bounds();
    let unbounded = (f64::NEG_INFINITY, f64::INFINITY);
    let shapes: [(Vec<usize>, &'static str, f64, (f64, f64)); 5] = [
        (sizes.geometry().shape.to_vec(), "image", 1.0, (f64::from(lower), f64::from(upper))),
        (vec![images, 2], "A", version.pixel_size(), unbounded),
        (vec![tilts, 3], "deg", 1.0, unbounded),
        (vec![images], "1", 0.1, unbounded),
        (vec![images], "image", 1.0, unbounded),
    ];
    let mut start = 0;
    let blocks = BLOCKS.iter().zip(shapes).enumerate().map(|(i, (&name, (shape, unit, scale, (lower, upper))))| {
        let len: usize = shape.iter().product();
        let frozen = former.map_or(i > 0, |plan| plan.layout.blocks[i].frozen);
        let block = Block { name, unit, shape, start, frozen, locked: None, scale, lower, upper };
        start += len;
        block
    });
    Layout { blocks: blocks.collect() }
}

/// Values to start from: those of `initial`, or zeros.
pub(super) fn initial_of(initial: Option<&Volume>, shape: [usize; 3]) -> Result<Vec<f32>> {
    match initial {
        Some(initial) if initial.shape() != shape => {
            let wanted = format!("that of the volume, {shape:?} [z,y,x]");
            Err(Error::shape("initial volume", &initial.shape(), wanted))
        }
        Some(initial) => Ok(initial.as_slice().to_vec()),
        None => super::measured::zeros(shape.iter().product()),
    }
}

/// 1 inside, 0 outside of the volume `support` of the wanted shape.
pub(super) fn support_of(support: Option<&Volume>, shape: [usize; 3]) -> Result<Option<Arc<Vec<bool>>>> {
    let Some(support) = support else { return Ok(None) };
    if support.shape() != shape {
        return Err(Error::shape("support", &support.shape(), format!("that of the volume, {shape:?} [z,y,x]")));
    }
    let mask: Vec<bool> = support.as_slice().iter().map(|v| *v != 0.0).collect();
    if !mask.contains(&true) {
        let why = "all its voxels are 0: nothing may be reconstructed".into();
        return Err(Error::Empty { what: "support".into(), why });
    }
    Ok(Some(Arc::new(mask)))
}

impl Tomography {
    /// A reconstruction of `series` that starts from `initial` (`None`: zeros) and stays within `support` (where it is not
    /// 0; `None`: everywhere). The series may be empty: a run then answers [`Error::NotReady`] until tilts are appended.
    ///
    /// # Errors
    /// Those of the options; `Shape` for volumes of another shape, `Empty` for a support of zeros and for images without
    /// content, `Memory` above the limit.
    pub fn new(
        context: &Context,
        series: &TiltSeries,
        options: &TomographyOptions,
        initial: Option<&Volume>,
        support: Option<&Volume>,
    ) -> Result<Self> {
        context.check_process()?;
        options.check()?;
        let version = series.version();
        tomography_memory(&version, options)?;
        let shape = geometry_of(&version, options).shape;
        let support = support_of(support, shape)?;
        let volume = initial_of(initial, shape)?;
        let imaging = Imaging::recorded(&version, options.background);
        let plan = Plan::new(context, version, options, imaging, support.clone(), None)?;
        Ok(Self::assemble(context, series, options, support, plan, volume, Course::default()))
    }

    fn assemble(
        context: &Context,
        series: &TiltSeries,
        options: &TomographyOptions,
        support: Option<Arc<Vec<bool>>>,
        plan: Plan,
        volume: Vec<f32>,
        course: Course,
    ) -> Self {
        let state = State { plan: Arc::new(plan), volume: Arc::new(volume), course: Arc::new(course.clone()) };
        Self {
            context: context.clone(),
            series: series.clone(),
            options: options.clone(),
            support,
            latest: ArcSwap::from_pointee(state),
            driver: Mutex::new(Driver { course, ..Driver::default() }),
        }
    }

    /// Goes on from a saved state with the same images.
    ///
    /// # Errors
    /// `Inconsistent` for another series or a damaged state.
    pub fn resume(context: &Context, series: &TiltSeries, saved: SavedTomography) -> Result<Self> {
        context.check_process()?;
        let version = series.version();
        let of_series = Fingerprint::of(&version, saved.fingerprint.images.len());
        if !of_series.same_images(&saved.fingerprint) {
            return Err(saved.fingerprint.difference(&version));
        }
        saved.options.check()?;
        let damaged = |why: String| Error::Inconsistent { what: "state file".into(), why };
        let version = version.first_images(saved.fingerprint.images.len());
        let voxels: usize = geometry_of(&version, &saved.options).shape.iter().product();
        let (images, tilts) = (version.images().len(), version.tilts().len());
        let support_fits = saved.support.as_ref().is_none_or(|s| s.len() == voxels);
        if saved.volume.len() != voxels || !support_fits || saved.imaging.len() != 4 * images + 3 * tilts {
            return Err(damaged(format!("{} voxels, wanted {voxels}", saved.volume.len())));
        }
        Error::unless_finite("state file: the geometry", "index", &saved.imaging)?;
        let imaging = Imaging::from_values(&saved.imaging, images, tilts);
        let support = saved.support.map(Arc::new);
        let mut plan = Plan::new(context, version, &saved.options, imaging, support.clone(), None)?;
        if saved.frozen.len() != plan.layout.blocks.len() {
            return Err(damaged(format!("{} blocks, wanted {}", saved.frozen.len(), plan.layout.blocks.len())));
        }
        plan.layout.blocks.iter_mut().zip(&saved.frozen).for_each(|(block, frozen)| block.frozen = *frozen);
        plan.generation = saved.generation;
        let mut course = saved.progress;
        if of_series.excluded != saved.fingerprint.excluded {
            course.memory = None;
        }
        Ok(Self::assemble(context, series, &saved.options, support, plan, saved.volume, course))
    }

    /// Options it was made with.
    pub fn options(&self) -> &TomographyOptions {
        &self.options
    }

    /// The volume of the latest state.
    ///
    /// # Errors
    /// `NonFinite` where an iteration diverged.
    pub fn volume(&self) -> Result<Volume> {
        self.latest.load_full().volume()
    }

    fn drive(&self) -> Result<MutexGuard<'_, Driver>> {
        self.context.check_process()?;
        match self.driver.try_lock() {
            Ok(driver) => Ok(driver),
            Err(std::sync::TryLockError::WouldBlock) => Err(Error::Busy { what: "the reconstruction" }),
            Err(std::sync::TryLockError::Poisoned(_)) => Err(Error::Poisoned { what: "the reconstruction" }),
        }
    }

    fn publish(&self, driver: &Driver, plan: Arc<Plan>, volume: Arc<Vec<f32>>) {
        self.latest.store(Arc::new(State { plan, volume, course: Arc::new(driver.course.clone()) }));
    }

    /// Puts other values into the state: what the method remembers is void.
    fn replace(&self, mut driver: MutexGuard<'_, Driver>, plan: Arc<Plan>, volume: Arc<Vec<f32>>) {
        driver.forget();
        self.publish(&driver, plan, volume);
    }

    fn plan_with(&self, former: &Plan, version: Arc<SeriesVersion>, imaging: Imaging) -> Result<Plan> {
        Plan::new(&self.context, version, &self.options, imaging, self.support.clone(), Some(former))
    }

    /// Takes up a newer version of the dataset.
    fn take_up_version(&self, driver: &mut Driver) -> Result<()> {
        let state = self.latest.load_full();
        let version = self.series.version();
        if version.number() == state.plan.version.number() {
            return Ok(());
        }
        tomography_memory(&version, &self.options)?;
        let mut imaging = Imaging::recorded(&version, self.options.background);
        let former = &state.plan.imaging;
        // What was refined stays; what was only recorded may have been appended or replaced.
        let known = former.drift.len().min(imaging.drift.len());
        if state.plan.free("drift") {
            imaging.drift[..known].copy_from_slice(&former.drift[..known]);
        }
        if state.plan.free("scale") {
            imaging.scale[..known].copy_from_slice(&former.scale[..known]);
        }
        if state.plan.free("background") {
            imaging.background[..known].copy_from_slice(&former.background[..known]);
        }
        let tilts = former.angles.len().min(imaging.angles.len());
        if state.plan.free("angles") {
            imaging.angles[..tilts].copy_from_slice(&former.angles[..tilts]);
        }
        let plan = self.plan_with(&state.plan, version, imaging)?;
        log::info(format!(
            "took up version {} of the dataset: {} images, generation {}",
            plan.version.number(),
            plan.version.images().len(),
            plan.generation
        ));
        driver.forget();
        self.publish(driver, Arc::new(plan), state.volume.clone());
        Ok(())
    }

    /// One iteration.
    fn iterate(
        &self,
        driver: &mut Driver,
        stopping: &Stopping,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Option<Termination>> {
        let clock = Instant::now();
        self.take_up_version(driver)?;
        let state = self.latest.load_full();
        let measured = state.plan.measured()?;
        if let Some(block) = BLOCKS[1..].iter().find(|name| state.plan.free(name)) {
            return Err(Error::Unsupported {
                what: format!("iterating with the block {block} free"),
                why: "the methods change the volume only: freeze it, or drive loss and gradient yourself".into(),
            });
        }
        if driver.method.is_none() {
            let mut method = watch.wait(|waiting| method_of(measured, &self.options, waiting))?;
            if let Some(memory) = &driver.course.memory {
                method.recall(memory)?;
            }
            driver.method = Some(method);
        }
        // Taken: after an error the method begins with what was remembered of the last full iteration.
        let mut method = driver.method.take().ok_or_else(|| Error::Internal("no method".into()))?;
        let working = driver.course.working.take().unwrap_or_else(|| state.volume.clone());
        let mut volume = working.to_vec();
        let held_out = watch.wait(|waiting| self.held_out(measured, &volume, waiting))?;
        let stepped = match watch.wait(|waiting| method.step(measured, &mut volume, waiting)) {
            Ok(stepped) => stepped,
            Err(error) => {
                driver.course.working = Some(working);
                return Err(error);
            }
        };
        let course = &mut driver.course;
        course.memory = Some(Arc::new(method.memory()));
        driver.method = Some(method);
        course.iteration += 1;
        course.seconds += clock.elapsed().as_secs_f64();
        course.evaluations += 1.0;
        note(course, measured, &stepped.driving, &held_out);
        let r_free = Misfit::mean_r1(&held_out);
        let step = Step {
            length: stepped.length,
            loss: Misfit::loss(&stepped.driving),
            gradient_norm: f64::NAN,
            outlook: if stepped.finished { Outlook::Finished } else { Outlook::Open },
        };
        let record = Record {
            iteration: course.iteration,
            optimizer: None,
            loss: step.loss,
            r_factor: stepped.error.unwrap_or_else(|| Misfit::mean_r1(&stepped.driving)),
            r_free,
            gradient_norm: f64::NAN,
            step: stepped.length,
            seconds: course.seconds,
            evaluations: course.evaluations,
            generation: state.plan.generation,
            dataset_version: state.plan.version.number(),
        };
        course.history.push(record);
        let since = course.note_held_out(r_free);
        let judged = course.stopping.judge(stopping, &step);
        if since == Some(0) {
            driver.best = Some(state.volume.clone());
        }
        let mut next = Arc::new(volume);
        let rises = since.is_some_and(|since| since >= PATIENCE);
        if let (true, Some(best)) = (rises, &driver.best) {
            next = best.clone();
            (driver.method, driver.course.memory, driver.course.working) = (None, None, None);
        }
        self.publish(driver, state.plan.clone(), next);
        watch.tell_record(&record);
        if watch.cancel.is_cancelled() {
            return Ok(Some(Termination::Cancelled)); // asked for while this iteration was told: it is kept
        }
        Ok(match step.outlook {
            Outlook::Finished => Some(Termination::MaxIterations),
            _ if rises => Some(Termination::LossTolerance),
            _ => judged,
        })
    }

    /// Misfits of the views that are held out.
    fn held_out(&self, measured: &Measured, volume: &[f32], waiting: &mut Waiting<'_>) -> Result<Vec<Misfit>> {
        if measured.held_out.is_empty() {
            return Ok(vec![]);
        }
        let mut frames = super::measured::zeros(measured.held_out.len() * measured.frame_len())?;
        measured.residual(&measured.held_out, volume, &|_| 0.0, &mut frames, waiting)
    }

    /// Loss and R factors of the state in which a run has ended.
    fn finish(&self, driver: &mut Driver, watch: &mut Watch<'_, '_>) -> Result<()> {
        let mut state = self.latest.load_full();
        let plan = state.plan.clone();
        let Some(measured) = &plan.measured else { return Ok(()) };
        if let Some(method) = &mut driver.method {
            let mut volume = state.volume.to_vec();
            let patient = self.context.cancel_token();
            let mut waiting = Waiting { cancel: &patient, tell: &mut |_| true };
            method.finish(measured, &mut volume, &mut waiting)?;
            driver.course.shells = method.shells();
            if volume != **state.volume {
                driver.course.working = Some(state.volume.clone());
            }
            self.publish(driver, plan.clone(), Arc::new(volume));
            state = self.latest.load_full();
        }
        let mut frames = super::measured::zeros(measured.driving.len() * measured.frame_len())?;
        let ended = watch.wait(|waiting| {
            // Short beside the run, and wanted after a cancelled one, too.
            let patient = self.context.cancel_token();
            let mut waiting = Waiting { cancel: &patient, tell: waiting.tell };
            let driving =
                measured.residual(&measured.driving, &state.volume, &|_| 0.0, &mut frames, &mut waiting)?;
            Ok::<_, Error>((driving, self.held_out(measured, &state.volume, &mut waiting)?))
        });
        if let Ok((driving, held_out)) = ended {
            note(&mut driver.course, measured, &driving, &held_out);
        }
        self.publish(driver, state.plan.clone(), state.volume.clone());
        Ok(())
    }

    fn watched<R>(
        &self,
        observer: &mut Observer<'_>,
        max_iterations: usize,
        work: impl FnOnce(&mut Driver, &mut Watch<'_, '_>) -> Result<R>,
    ) -> Result<R> {
        let mut driver = self.drive()?;
        let cancel = self.context.cancel_token();
        let mut noted = |progress: &Progress| observer(progress);
        let mut watch = Watch::new(&cancel, &mut noted, driver.course.iteration, max_iterations);
        let outcome = work(&mut driver, &mut watch);
        let state = self.latest.load_full();
        self.publish(&driver, state.plan.clone(), state.volume.clone());
        outcome
    }

    /// Runs `work` on the model at x.
    fn with_model<R>(
        &self,
        x: &[f64],
        work: impl FnOnce(&State, &Model<'_>, &mut Waiting<'_>) -> Result<R>,
    ) -> Result<R> {
        self.context.check_process()?;
        let state = self.latest.load_full();
        let (volume, imaging) = state.at(x)?;
        let model = Model {
            context: &self.context,
            version: &state.plan.version,
            projector: &state.plan.sizes,
            imaging: imaging.as_ref().unwrap_or(&state.plan.imaging),
            image_weights: self.options.image_weights.as_deref(),
            volume: volume.as_deref().unwrap_or(&state.volume),
        };
        let cancel = self.context.cancel_token();
        work(&state, &model, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }
}

/// Notes loss and R factors of the images of all views.
fn note(course: &mut Course, measured: &Measured, driving: &[Misfit], held_out: &[Misfit]) {
    course.r_factors = vec![f64::NAN; measured.version.images().len()];
    for (views, misfits) in [(&measured.driving, driving), (&measured.held_out, held_out)] {
        for (view, misfit) in views.iter().zip(misfits) {
            measured.images[*view].iter().for_each(|image| course.r_factors[*image] = misfit.r1());
        }
    }
    if !driving.is_empty() {
        course.loss = Misfit::loss(driving);
        course.r2 = driving.iter().map(Misfit::r2).sum::<f64>() / driving.len() as f64;
    }
}

impl Course {
    /// Takes the R factor of the views that are held out; the iterations since it was lowest.
    fn note_held_out(&mut self, r_free: f64) -> Option<usize> {
        if r_free.is_nan() {
            return None;
        }
        let (lowest, since) = self.held_out.unwrap_or((f64::INFINITY, 0));
        self.held_out = Some(if r_free < lowest { (r_free, 0) } else { (lowest, since + 1) });
        self.held_out.map(|(_, since)| since)
    }
}

impl Driver {
    /// The volume or the data changed: what was remembered is void.
    fn forget(&mut self) {
        (self.method, self.best) = (None, None);
        let course = &mut self.course;
        (course.memory, course.working, course.held_out, course.termination) = (None, None, None, None);
        course.stopping.forget();
        course.r_factors.fill(f64::NAN);
        (course.loss, course.r2) = (f64::NAN, f64::NAN);
    }
}

impl State {
    /// Volume and imaging at x; `None` for what x does not hold.
    fn at(&self, x: &[f64]) -> Result<(Option<Vec<f32>>, Option<Imaging>)> {
        let layout = &self.plan.layout;
        let wanted = layout.free_len();
        if x.len() != wanted {
            return Err(Error::StaleParameters { got: x.len(), wanted, generation: self.plan.generation });
        }
        Error::unless_finite("parameter vector x", "index", x)?;
        let values_of = |block: &Block| layout.offset(block.name).map(|at| &x[at..][..block.len()]);
        let volume = values_of(&layout.blocks[0]).map(|values| values.iter().map(|v| *v as f32).collect());
        if layout.blocks[1..].iter().all(|block| block.frozen) {
            return Ok((volume, None));
        }
        let mut values = self.plan.values.clone();
        let first = layout.blocks[1].start;
        for block in &layout.blocks[1..] {
            if let Some(free) = values_of(block) {
                values[block.start - first..][..block.len()].copy_from_slice(free);
            }
        }
        Ok((volume, Some(self.plan.imaging_of(&values))))
    }

    /// The values of x in gradients of all blocks.
    fn gather(&self, gradients: &Gradients) -> Vec<f64> {
        let layout = &self.plan.layout;
        let mut x = Vec::with_capacity(layout.free_len());
        let first = layout.blocks[1].start;
        for block in layout.blocks.iter().filter(|block| !block.frozen) {
            match block.start {
                0 => x.extend(gradients.volume.iter().map(|v| f64::from(*v))),
                start => x.extend(&gradients.imaging[start - first..][..block.len()]),
            }
        }
        x
    }

    fn images<'a>(&'a self, images: Option<&'a [usize]>, used: &'a [usize]) -> &'a [usize] {
        images.unwrap_or(used)
    }
}

impl Plan {
    fn imaging_of(&self, values: &[f64]) -> Imaging {
        Imaging::from_values(values, self.version.images().len(), self.version.tilts().len())
    }

    /// Images of the views that drive.
    fn used(&self) -> Vec<usize> {
        let Some(measured) = &self.measured else { return vec![] };
        let mut used: Vec<usize> = measured.driving.iter().flat_map(|view| measured.images[*view].clone()).collect();
        used.sort_unstable();
        used
    }
}

impl StateView for State {
    fn iteration(&self) -> usize {
        self.course.iteration
    }

    fn loss(&self) -> f64 {
        self.course.loss
    }

    fn generation(&self) -> u64 {
        self.plan.generation
    }

    fn block(&self, name: &str) -> Result<(&Block, Values<'_>)> {
        let layout = &self.plan.layout;
        let block = layout.block(name)?;
        let first = layout.blocks[1].start;
        Ok(match block.start {
            0 => (block, Values::F32(&self.volume)),
            start => (block, Values::F64(&self.plan.values[start - first..][..block.len()])),
        })
    }

    fn volume(&self) -> Result<Volume> {
        let geometry = self.plan.sizes.geometry();
        let [z, y, x] = geometry.shape;
        let values = Array3::from_shape_vec((z, y, x), self.volume.to_vec());
        Volume::new(values.map_err(|e| Error::Internal(e.to_string()))?, geometry.voxel_size)
    }
}

impl Reconstruct for Tomography {
    fn method(&self) -> &'static str {
        self.options.method.name()
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn generation(&self) -> u64 {
        self.latest.load().plan.generation
    }

    fn layout(&self) -> Layout {
        self.latest.load().plan.layout.clone()
    }

    fn parameters(&self) -> Vec<f64> {
        let state = self.latest.load();
        let free = state.plan.layout.blocks.iter().filter(|block| !block.frozen);
        free.flat_map(|b| state.block(b.name).map_or(vec![], |(_, values)| values.to_vec())).collect()
    }

    fn set_parameters(&self, x: &[f64]) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let (volume, imaging) = state.at(x)?;
        let plan = match imaging {
            Some(imaging) => Arc::new(self.plan_with(&state.plan, state.plan.version.clone(), imaging)?),
            None => state.plan.clone(),
        };
        self.replace(driver, plan, volume.map_or_else(|| state.volume.clone(), Arc::new));
        Ok(())
    }

    fn set_block(&self, name: &str, values: &[f64]) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let block = state.plan.layout.block(name)?;
        if values.len() != block.len() {
            return Err(Error::shape(format!("block {name}"), &[values.len()], format!("{:?}", block.shape)));
        }
        Error::unless_finite(name, "index", values)?;
        if let Some(value) = values.iter().find(|v| !(block.lower..=block.upper).contains(*v)) {
            let wanted = format!("{} to {} {}", block.lower, block.upper, block.unit);
            return Err(Error::range(format!("block {name}"), value, wanted));
        }
        let first = state.plan.layout.blocks[1].start;
        if block.start < first {
            let volume = Arc::new(values.iter().map(|v| *v as f32).collect());
            self.replace(driver, state.plan.clone(), volume);
            return Ok(());
        }
        let mut all = state.plan.values.clone();
        all[block.start - first..][..values.len()].copy_from_slice(values);
        let imaging = state.plan.imaging_of(&all);
        let plan = self.plan_with(&state.plan, state.plan.version.clone(), imaging)?;
        self.replace(driver, Arc::new(plan), state.volume.clone());
        Ok(())
    }

    fn freeze(&self, name: &str, frozen: bool) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let at = state.plan.layout.index(name)?;
        if state.plan.layout.blocks[at].frozen == frozen {
            return Ok(());
        }
        let imaging = state.plan.imaging.clone();
        let mut plan = self.plan_with(&state.plan, state.plan.version.clone(), imaging)?;
        plan.layout.blocks[at].frozen = frozen;
        plan.generation += 1;
        self.replace(driver, Arc::new(plan), state.volume.clone());
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn StateView> {
        Box::new((*self.latest.load_full()).clone())
    }

    fn image_shape(&self) -> (usize, usize) {
        let state = self.latest.load();
        (state.plan.version.rows(), state.plan.version.columns())
    }

    fn image_count(&self) -> usize {
        self.latest.load().plan.version.images().len()
    }

    fn used_images(&self) -> Vec<usize> {
        self.latest.load().plan.used()
    }

    fn memory_estimate(&self) -> u64 {
        memory_of(&self.latest.load().plan.version, &self.options).unwrap_or(0)
    }

    fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation> {
        self.with_model(x, |state, model, waiting| {
            let used = state.plan.used();
            let images = state.images(images, &used);
            let (mut evaluation, gradients) = model.evaluate(images, want, state.plan.active(), waiting)?;
            if want.gradient {
                evaluation.gradient = state.gather(&gradients);
            }
            Ok(evaluation)
        })
    }

    fn predict_each(
        &self,
        x: &[f64],
        images: &[usize],
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.with_model(x, |_, model, waiting| model.predict_each(images, waiting, take))
    }

    fn pull_back(&self, x: &[f64], images: Option<&[usize]>, residuals: &[f64]) -> Result<Vec<f64>> {
        self.with_model(x, |state, model, waiting| {
            let used = state.plan.used();
            let images = state.images(images, &used);
            let wanted = images.len() * model.version.rows() * model.version.columns();
            if residuals.len() != wanted {
                return Err(Error::shape("residuals", &[residuals.len()], format!("{wanted} values")));
            }
            Error::unless_finite("residuals", "index", residuals)?;
            Ok(state.gather(&model.pull_back(images, residuals, state.plan.active(), waiting)?))
        })
    }

    fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>> {
        let rules = Stopping { max_iterations: 1, loss_tolerance: 0.0, ..Stopping::default() };
        self.watched(observer, 0, |driver, watch| {
            let outcome = self.iterate(driver, &rules, watch)?;
            driver.course.termination = outcome;
            Ok(outcome)
        })
    }

    fn run(&self, options: &RunOptions, observer: &mut Observer<'_>) -> Result<Termination> {
        options.check()?;
        if let Some(optimizer) = options.optimizer {
            return Err(Error::Unsupported {
                what: format!("the optimiser {}", optimizer.name()),
                why: format!("the method {} makes its own steps; leave it automatic", self.method()),
            });
        }
        let stopping = &options.stopping;
        self.watched(observer, stopping.max_iterations, |driver, watch| {
            driver.course.termination = None;
            driver.course.stopping.forget();
            let mut outcome = Termination::MaxIterations;
            for _ in 0..stopping.max_iterations {
                match self.iterate(driver, stopping, watch) {
                    Ok(None) => {}
                    Ok(Some(reason)) => {
                        outcome = reason;
                        break;
                    }
                    Err(Error::Cancelled { .. }) => {
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
            driver.course.termination = Some(outcome);
            self.finish(driver, watch)?;
            Ok(outcome)
        })
    }

    fn history(&self) -> Vec<Record> {
        self.latest.load().course.history.clone()
    }

    fn r_factors(&self) -> Vec<f64> {
        let state = self.latest.load();
        let mut r_factors = state.course.r_factors.clone();
        r_factors.resize(state.plan.version.images().len(), f64::NAN);
        r_factors
    }

    fn record(&self) -> serde_json::Value {
        let state = self.latest.load();
        let (plan, course) = (&state.plan, &state.course);
        let used: Vec<f64> = course.r_factors.iter().copied().filter(|r| r.is_finite()).collect();
        let last = course.history.last();
        serde_json::json!({
            "library": env!("CARGO_PKG_VERSION"),
            "simd": self.context.simd().name(),
            "threads": self.context.threads(),
            "method": self.method(),
            "options": self.options,
            "shape": plan.sizes.geometry().shape,
            "voxel_size": plan.sizes.geometry().voxel_size,
            "support": self.support.is_some(),
            "images": plan.version.images().len(),
            "held_out": plan.measured.as_ref().map(|m| m.held_out.iter().flat_map(|v| m.images[*v].clone()).collect::<Vec<_>>()),
            "dataset_version": plan.version.number(),
            "generation": plan.generation,
            "frozen": plan.layout.blocks.iter().filter(|b| b.frozen).map(|b| b.name).collect::<Vec<_>>(),
            "iterations": course.iteration,
            "loss": course.loss,
            "r1": used.iter().sum::<f64>() / used.len() as f64,
            "r2": course.r2,
            "r_free": last.map(|r| r.r_free),
            "shells": course.shells,
            "r_factors": course.r_factors,
            "seconds": last.map(|r| r.seconds),
            "termination": course.termination,
        })
    }

    fn geometry(&self) -> Geometry {
        let state = self.latest.load();
        let (images, imaging) = (state.plan.version.images(), &state.plan.imaging);
        Geometry {
            rotations: images.iter().map(|image| imaging.rotation(image.tilt)).collect(),
            drift: imaging.drift.clone(),
            defocus: images.iter().map(|image| image.defocus).collect(),
        }
    }

    fn saved_state(&self) -> Saved {
        let state = self.latest.load();
        let version = &state.plan.version;
        Saved::Tomography(Box::new(SavedTomography {
            library: env!("CARGO_PKG_VERSION").into(),
            simd: self.context.simd().name().into(),
            options: self.options.clone(),
            generation: state.plan.generation,
            fingerprint: Fingerprint::of(version, version.images().len()),
            support: self.support.as_ref().map(|support| support.to_vec()),
            volume: state.volume.to_vec(),
            imaging: state.plan.values.clone(),
            frozen: state.plan.layout.blocks.iter().map(|block| block.frozen).collect(),
            progress: (*state.course).clone(),
        }))
    }
}
