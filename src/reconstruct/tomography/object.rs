//! The object that hosts drive.

use super::super::driver::Watch;
use super::super::interface::StateView;
use super::super::state::{Fingerprint, Record};
use super::evaluate::Model;
use super::measured::{geometry_of, Imaging, Measured, Misfit};
use super::memory::check_memory;
use super::method::{method_of, Method};
use super::options::TomographyOptions;
use super::regularize::Regularizer;
use super::saved::{Course, SavedTomography};
use super::state::{Plan, State, BLOCKS};
use crate::context::{log, Context};
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::optimize::{Outlook, Step, Stopping, Termination};
use crate::problem::{Observer, Progress, Waiting};
use crate::specimen::Volume;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// A tomographic reconstruction: a volume, the images of a dataset and a method. All methods take `&self`: those that
/// change it answer [`Error::Busy`] while another of them works, all others may be called from any thread at any time.
pub struct Tomography {
    pub(super) context: Context,
    series: TiltSeries,
    pub(super) options: TomographyOptions,
    pub(super) support: Option<Arc<Vec<bool>>>,
    pub(super) latest: ArcSwap<State>,
    driver: Mutex<Driver>,
}

/// What only the driver has.
#[derive(Default)]
pub(super) struct Driver {
    method: Option<Box<dyn Method>>,
    pub course: Course,
    /// The volume with the lowest R factor of the views that are held out.
    best: Option<Arc<Vec<f32>>>,
}

/// A held-out R factor that was not lowered for so many iterations ends a run.
const PATIENCE: usize = 5;

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
        check_memory(context, &version, options)?;
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

    pub(super) fn drive(&self) -> Result<MutexGuard<'_, Driver>> {
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
    pub(super) fn replace(&self, mut driver: MutexGuard<'_, Driver>, plan: Arc<Plan>, volume: Arc<Vec<f32>>) {
        driver.forget();
        self.publish(&driver, plan, volume);
    }

    pub(super) fn plan_with(&self, former: &Plan, version: Arc<SeriesVersion>, imaging: Imaging) -> Result<Plan> {
        Plan::new(&self.context, version, &self.options, imaging, self.support.clone(), Some(former))
    }

    /// Takes up a newer version of the dataset.
    fn take_up_version(&self, driver: &mut Driver) -> Result<()> {
        let state = self.latest.load_full();
        let version = self.series.version();
        if version.number() == state.plan.version.number() {
            return Ok(());
        }
        check_memory(&self.context, &version, &self.options)?;
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
    pub(super) fn iterate(
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
    pub(super) fn finish(&self, driver: &mut Driver, watch: &mut Watch<'_, '_>) -> Result<()> {
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
            let driving = measured.residual(&measured.driving, &state.volume, &|_| 0.0, &mut frames, &mut waiting)?;
            let held_out = self.held_out(measured, &state.volume, &mut waiting)?;
            let regularizer = Regularizer::new(&self.options.regularization, measured.projector.geometry().shape)?;
            let penalty = regularizer.value(&self.context, &state.volume, &mut waiting)?;
            Ok::<_, Error>((driving, held_out, penalty))
        });
        if let Ok((driving, held_out, penalty)) = ended {
            driver.course.penalty = penalty;
            note(&mut driver.course, measured, &driving, &held_out);
        }
        self.publish(driver, state.plan.clone(), state.volume.clone());
        Ok(())
    }

    pub(super) fn watched<R>(
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
    pub(super) fn with_model<R>(
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
