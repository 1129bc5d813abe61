//! GENFIRE: iterations between the volume, where it is positive and within its support, and its Fourier transform, where
//! the views have measured it (Pryor et al., Sci. Rep. 7, 10409 (2017)).
//!
//! By the Fourier slice theorem the transform of view k, B_k(k') exp(2 pi i k'.t_k), is that of the volume at R_k^T k'.
//! Once, the values F_m of the points of a padded transform are gathered from the slices (`gridding`):
//!
//!   F_m(g) = sum w F / sum w,    w = weight of the view / distance,    distance < cutoff.
//!
//! Then, in every iteration,
//!
//!   rho <- max(0, rho - tau) on the support, 0 elsewhere;    F = transform of rho;
//!   errK = sum | |F| - |F_m| | / sum |F_m|;    F <- F_m at the points of the present stage (`schedule`);
//!   rho <- inverse transform of F.
//!
//! The published method has tau = 0. Setting negative voxels to 0 then adds to the volume, in every iteration again, what
//! the sum of the views has forbidden: its total ends a tenth too large. tau >= 0 is what takes that off (`keep_total`):
//! the step is still a projection onto a convex set, that of volumes which are nowhere negative and sum to no more than
//! the views.
//!
//! Points held back (R-free) are compared, never imposed.

mod gridding;
mod schedule;

pub use schedule::Resolution;

use super::views::PlainViews;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fourier::{RealScratch3, RealTransform3, Slab};
use crate::grid::fast_size;
use crate::problem::Waiting;
use gridding::{view_size, Gridder, Measured, Point, SlabPoints, RADIUS_UNIT};
use schedule::Schedule;
use std::sync::{Mutex, MutexGuard};

/// How points of the transform get their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[repr(i32)]
pub enum Gridding {
    /// From the samples of the padded views' transforms that lie nearer than the cutoff ("FFT" of GENFIRE).
    Nearest = 0,
    /// From slices nearer than the cutoff, the transform of the view at the foot of the point ("DFT"), interpolated to
    /// single precision.
    #[default]
    Exact = 1,
}

/// Which volume a reconstruction returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[repr(i32)]
pub enum Iterate {
    /// The one with the smallest errK of the last stage.
    #[default]
    Best = 0,
    /// The last one.
    Last = 1,
}

/// Options of GENFIRE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GenfireOptions {
    /// Iterations, over which the stages of the resolution are spread.
    pub iterations: usize,
    /// Points of the padded transform over voxels along each axis, 1 to 8; rounded up to sizes that transform fast.
    pub oversampling: f64,
    /// How points get their values.
    pub gridding: Gridding,
    /// Points of the transform up to which samples (or slices) count, above 0 to 4.
    pub cutoff: f64,
    /// Nothing beyond the Nyquist frequency is imposed.
    pub resolution_circle: bool,
    /// Which frequencies are imposed when.
    pub resolution: Resolution,
    /// A last stage with all frequencies.
    pub end_with_all: bool,
    /// Voxels stay at 0 or above.
    pub positivity: bool,
    /// With positivity: what positivity adds is taken off again, so that the volume sums to no more than the views do.
    pub keep_total: bool,
    /// Voxels that may differ from 0, `[z][y][x]`; `None`: all of the volume.
    pub support: Option<Vec<bool>>,
    /// Part of the points that is held back for R-free, 0 to 0.5.
    pub held_back: f64,
    /// Seed of the draw of the points held back.
    pub seed: u64,
    /// Which volume is returned.
    pub iterate: Iterate,
}

impl Default for GenfireOptions {
    fn default() -> Self {
        Self {
            iterations: 100,
            oversampling: 2.0,
            gridding: Gridding::Exact,
            cutoff: 0.5,
            resolution_circle: true,
            resolution: Resolution::Extension,
            end_with_all: true,
            positivity: true,
            keep_total: true,
            support: None,
            held_back: 0.0,
            seed: 0,
            iterate: Iterate::Best,
        }
    }
}

/// What is needed, beside the volume, to go on to the last bit.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct GenfireState {
    /// Iterations done.
    pub iteration: usize,
    /// Smallest errK of the present stage; infinite where there was none.
    pub best_error: f64,
    /// The volume that had it; empty unless [`Iterate::Best`] is wanted.
    pub best: Vec<f32>,
}

/// Errors of one shell of the transform, a voxel of the unpadded transform thick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ShellError {
    /// Outer radius, over the Nyquist frequency.
    pub radius: f64,
    /// sum | |F| - |F_m| | / sum |F_m| over the points that may be imposed; NaN where there are none.
    pub imposed: f64,
    /// The same over the points held back: R-free.
    pub held: f64,
}

/// Sums over the points of a shell, imposed and held back: of | |F| - |F_m| | and of |F_m|.
type ShellSums = [[f64; 2]; 2];

/// A reconstruction under way.
pub(crate) struct Genfire {
    options: GenfireOptions,
    plan: RealTransform3<f32>,
    scratch: RealScratch3<f32>,
    measured: Measured,
    schedule: Schedule,
    /// Of every slab, shell by shell.
    sums: Vec<Mutex<Vec<ShellSums>>>,
    totals: Vec<ShellSums>,
    /// The mean of the sums of the views: F_m(0).
    total_of_views: f64,
    state: GenfireState,
    /// The volume of the running step that fulfils the constraints, of which errK speaks.
    candidate: Vec<f32>,
}

impl Genfire {
    /// Gathers the measured values of the transform.
    ///
    /// # Errors
    /// `Shape`, `Empty`, `NonFinite`, `Inconsistent` for views that do not fit together; `Range` for options without
    /// meaning; `Empty` for a support or views of zeros; `Cancelled`.
    pub fn new(
        context: &Context,
        views: &PlainViews,
        options: &GenfireOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        views.check()?;
        check_options(options, views.shape)?;
        let size = padded(views.shape, options.oversampling);
        let origin = views.shape.map(|n| n / 2);
        let plan = RealTransform3::padded(context.simd(), views.shape, size, origin)?;
        let gridder = waiting.part(0.0, 0.5, |waiting| Gridder::new(context, views, options, size, waiting))?;
        let measured = waiting.part(0.5, 1.0, |waiting| gridder.measured(context, plan.kz_of_row(), waiting))?;
        if measured.imposed.iter().all(|slab| slab.points.iter().all(|p| p.value.norm_sqr() == 0.0)) {
            let why = "their transforms are 0 at all points; the images, or the weights of all views, are 0";
            return Err(Error::Empty { what: "views".into(), why: why.into() });
        }
        // one shell per frequency of the unpadded volume, plus one for corners beyond Nyquist
        let shells = views.shape.into_iter().max().unwrap_or(1) / 2 + 2;
        let voxels = if options.iterate == Iterate::Best { views.shape.iter().product() } else { 0 };
        Ok(Self {
            schedule: Schedule::new(options.resolution, options.end_with_all, options.iterations),
            scratch: plan.scratch(context.threads()),
            sums: (0..size[1]).map(|_| Mutex::new(vec![ShellSums::default(); shells])).collect(),
            totals: vec![ShellSums::default(); shells],
            state: GenfireState { iteration: 0, best_error: f64::INFINITY, best: vec![0.0; voxels] },
            candidate: vec![0.0; views.shape.iter().product()],
            total_of_views: mean_total(views),
            options: options.clone(),
            plan,
            measured,
        })
    }

    /// Bytes that a reconstruction of volumes of `shape` from `views` images of `rows` x `columns` needs at its peak,
    /// beside the images and the volume.
    pub fn memory_bytes(
        shape: [usize; 3],
        (views, rows, columns): (usize, usize, usize),
        options: &GenfireOptions,
        threads: usize,
    ) -> u64 {
        let size = padded(shape, options.oversampling);
        let [height, width] = view_size((rows, columns), size, options.oversampling).map(|n| n as u64);
        let spectra = views as u64 * height * (width / 2 + 1) * 8;
        // A slice is 2 cutoffs thick; half of its disc, and no more points than there are.
        let most = size.iter().map(|n| *n as u64).product::<u64>() / 2;
        let largest = size.into_iter().max().unwrap_or(1) as f64;
        let touched = views as f64 * options.cutoff * largest * largest;
        let points = (touched.min(most as f64) as u64) * size_of::<Point>() as u64;
        let starts = 2 * 4 * (size[0] as u64 + 1) * size[1] as u64;
        let transform = RealTransform3::<f32>::scratch_bytes(shape, size, threads);
        let best = 8 * shape.iter().map(|n| *n as u64).product::<u64>();
        spectra.max(transform + best) + points + starts
    }

    /// One iteration on `volume` `[z][y][x]`, in place; errK of the volume as it came, made positive and cut to the
    /// support. A cancelled step leaves all as it was. Iterations beyond those of the options go on with the last stage.
    ///
    /// # Errors
    /// `Shape` for a volume of another shape, `NonFinite` where its transform is no number, `Cancelled`.
    pub fn step(&mut self, context: &Context, volume: &mut [f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        self.check_volume(volume)?;
        let (iteration, schedule) = (self.state.iteration, &self.schedule);
        let stage = schedule.stage(iteration);
        let furthest = schedule.furthest(stage);
        let stage_begins = iteration == 0 || schedule.stage(iteration - 1) != stage;
        self.constrain(context, volume)?;
        let Self { plan, scratch, measured, sums, candidate, .. } = self;
        let half = plan.half();
        plan.filter_into(context, (&*candidate, volume), scratch, waiting, &|slab| {
            let mut sums = lock(&sums[slab.ky]);
            sums.fill(ShellSums::default());
            compare(&slab, half, &measured.held[slab.ky], &mut sums, 1);
            let imposed = &measured.imposed[slab.ky];
            impose(slab, half, imposed, furthest, &mut sums);
            Ok(())
        })?;
        let error = self.total()?;
        if self.options.iterate == Iterate::Best && (stage_begins || error < self.state.best_error) {
            self.state.best_error = error;
            std::mem::swap(&mut self.state.best, &mut self.candidate);
        }
        self.state.iteration += 1;
        Ok(error)
    }

    /// The volume to be returned after any number of steps: the best one of the last stage, or `volume` itself, made
    /// positive and cut to the support.
    ///
    /// # Errors
    /// `Shape` for a volume of another shape.
    pub fn finish(&mut self, context: &Context, volume: &mut [f32]) -> Result<()> {
        self.check_volume(volume)?;
        if self.options.iterate == Iterate::Best && self.state.best_error.is_finite() {
            volume.copy_from_slice(&self.state.best);
            return Ok(());
        }
        self.constrain(context, volume)?;
        volume.copy_from_slice(&self.candidate);
        Ok(())
    }

    /// What is needed to go on.
    pub fn state(&self) -> &GenfireState {
        &self.state
    }

    /// Goes on from a state of an engine with equal views and options.
    ///
    /// # Errors
    /// `Shape` for a volume of another shape.
    pub fn set_state(&mut self, state: GenfireState) -> Result<()> {
        if state.best.len() != self.state.best.len() {
            let wanted = format!("{} voxels", self.state.best.len());
            return Err(Error::shape("best volume of GENFIRE's state", &[state.best.len()], wanted));
        }
        self.state = state;
        Ok(())
    }

    /// Errors of the latest step, shell by shell outwards; the last shell holds what lies beyond the Nyquist frequency.
    pub fn rfree(&self) -> Vec<ShellError> {
        let inner = (self.totals.len() - 1) as f64;
        let ratio = |[apart, whole]: [f64; 2]| if whole > 0.0 { apart / whole } else { f64::NAN };
        let shell = |(i, sums): (usize, &ShellSums)| {
            let radius = if i as f64 == inner { f64::INFINITY } else { (i + 1) as f64 / inner };
            ShellError { radius, imposed: ratio(sums[0]), held: ratio(sums[1]) }
        };
        self.totals.iter().enumerate().map(shell).collect()
    }

    fn check_volume(&self, volume: &[f32]) -> Result<()> {
        let shape = self.plan.volume();
        if volume.len() != shape.iter().product::<usize>() {
            return Err(Error::shape("volume of GENFIRE", &[volume.len()], format!("{shape:?} (z, y, x)")));
        }
        Ok(())
    }

    /// candidate <- max(0, rho - tau) on the support, 0 elsewhere.
    fn constrain(&mut self, context: &Context, volume: &[f32]) -> Result<()> {
        let Self { options, candidate, total_of_views, .. } = self;
        let blocks = candidate.chunks_mut(BLOCK).zip(volume.chunks(BLOCK)).enumerate();
        let support = options.support.as_deref();
        each(context, blocks, &|(i, (to, from))| {
            if let Some(at) = from.iter().position(|v| !v.is_finite()) {
                let (value, at) = (f64::from(from[at]), format!("voxel {}", i * BLOCK + at));
                return Err(Error::NonFinite { what: "the volume of an iteration".into(), value, at });
            }
            to.copy_from_slice(from);
            if let Some(support) = support {
                let inside = &support[i * BLOCK..];
                to.iter_mut().zip(inside).filter(|(_, inside)| !**inside).for_each(|(v, _)| *v = 0.0);
            }
            Ok(())
        })?;
        if !options.positivity {
            return Ok(());
        }
        let tau = if options.keep_total { excess(context, candidate, *total_of_views)? } else { 0.0 };
        each(context, candidate.chunks_mut(BLOCK), &|voxels| {
            voxels.iter_mut().for_each(|v| *v = (*v - tau).max(0.0));
            Ok(())
        })
    }

    /// Joins the sums of the slabs, in their order; errK over the points that may be imposed.
    fn total(&mut self) -> Result<f64> {
        self.totals.fill(ShellSums::default());
        for slab in &self.sums {
            for (total, sums) in self.totals.iter_mut().zip(lock(slab).iter()) {
                let sums = sums.iter().flatten();
                total.iter_mut().flatten().zip(sums).for_each(|(total, sum)| *total += sum);
            }
        }
        let [apart, whole] = self.totals.iter().fold([0.0; 2], |sum, t| [sum[0] + t[0][0], sum[1] + t[0][1]]);
        let error = apart / whole;
        if !error.is_finite() {
            let at = "the volume handed to an iteration".into();
            return Err(Error::NonFinite { what: "the transform of a volume".into(), value: error, at });
        }
        Ok(error)
    }
}

/// The tau >= 0 for which the sum of max(0, rho - tau) is `total`; 0 where that of max(0, rho) is smaller. With it,
/// max(0, rho - tau) is the nearest volume to rho among those that are nowhere negative and sum to `total` at most.
///
/// The sum is a convex, falling function of tau made of straight lines: Newton's steps from 0 never pass the root, and
/// end on it.
fn excess(context: &Context, volume: &[f32], total: f64) -> Result<f32> {
    let sums: Vec<Mutex<[f64; 2]>> = volume.chunks(BLOCK).map(|_| Mutex::default()).collect();
    let mut tau = 0.0f64;
    for _ in 0..MOST_NEWTON_STEPS {
        let limit = tau as f32;
        each(context, volume.chunks(BLOCK).zip(&sums), &|(voxels, sums)| {
            let above = voxels.iter().filter(|v| **v > limit);
            *lock(sums) = above.fold([0.0; 2], |[sum, count], v| [sum + f64::from(*v), count + 1.0]);
            Ok(())
        })?;
        let [sum, count] = sums.iter().map(lock).fold([0.0; 2], |t, s| [t[0] + s[0], t[1] + s[1]]);
        let next = (sum - total) / count;
        // no excess, or no more than single precision can tell; also where nothing is left
        if !(count > 0.0 && next > tau + 1e-7 * next.abs()) {
            break;
        }
        tau = next;
    }
    Ok(tau as f32)
}

/// Runs `work` on every block of a volume.
fn each<T: Send>(
    context: &Context,
    blocks: impl Iterator<Item = T>,
    work: &(dyn Fn(T) -> Result<()> + Sync),
) -> Result<()> {
    let items: Vec<_> = blocks.map(|block| Mutex::new(Some(block))).collect();
    context.for_each(items.len(), &mut |_| Ok(()), &|i| lock(&items[i]).take().map_or(Ok(()), work))
}

/// Voxels that a worker takes at once.
const BLOCK: usize = 1 << 15;

/// Steps towards tau: three to six are usual.
const MOST_NEWTON_STEPS: usize = 50;

/// Shell of a point: those up to the Nyquist frequency are equally thick, the last one is the rest.
fn shell_of(point: &Point, shells: usize) -> usize {
    (f64::from(point.radius) / RADIUS_UNIT * (shells - 1) as f64) as usize
}

/// Adds | |F| - |F_m| | and |F_m| of the points of a slab to the sums of their shells. Points with kx > 0 count twice,
/// for their mirror images.
fn compare(slab: &Slab<'_, f32>, half: usize, list: &SlabPoints, sums: &mut [ShellSums], kind: usize) {
    let shells = sums.len();
    for row in 0..slab.values.rows() {
        let (re, im) = slab.values.row(row);
        debug_assert!(re.len() == half);
        for point in list.row(row) {
            add(point, (re[usize::from(point.column)], im[usize::from(point.column)]), shells, sums, kind);
        }
    }
}

fn add(point: &Point, (re, im): (f32, f32), shells: usize, sums: &mut [ShellSums], kind: usize) {
    let times = if point.column == 0 { 1.0 } else { 2.0 };
    let measured = f64::from(point.value.norm_sqr().sqrt());
    let calculated = f64::from((re * re + im * im).sqrt());
    let sum = &mut sums[shell_of(point, shells).min(shells - 1)][kind];
    sum[0] += times * (calculated - measured).abs();
    sum[1] += times * measured;
}

/// F <- F_m at the points up to the radius `furthest`; all are compared before.
fn impose(slab: Slab<'_, f32>, half: usize, list: &SlabPoints, furthest: u16, sums: &mut [ShellSums]) {
    let shells = sums.len();
    for row in 0..slab.values.rows() {
        let (re, im) = slab.values.row_mut(row);
        debug_assert!(re.len() == half);
        for point in list.row(row) {
            let column = usize::from(point.column);
            add(point, (re[column], im[column]), shells, sums, 0);
            if point.radius <= furthest {
                (re[column], im[column]) = (point.value.re, point.value.im);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Points of the padded transform.
fn padded(shape: [usize; 3], oversampling: f64) -> [usize; 3] {
    shape.map(|n| fast_size((n as f64 * oversampling).ceil() as usize))
}

/// Mean of the sums of the views, by their weights.
fn mean_total(views: &PlainViews) -> f64 {
    let sums = views.images.chunks_exact(views.rows * views.columns);
    let sums = sums.map(|image| image.iter().map(|v| f64::from(*v)).sum::<f64>());
    let weighed: f64 = sums.zip(&views.weights).map(|(sum, weight)| sum * weight).sum();
    weighed / views.weights.iter().sum::<f64>()
}

fn check_options(options: &GenfireOptions, shape: [usize; 3]) -> Result<()> {
    if options.iterations == 0 {
        return Err(Error::range("iterations", 0, "at least 1"));
    }
    for (name, value, (low, high), wanted) in [
        ("oversampling", options.oversampling, (1.0, 8.0), "1 to 8 points of the transform per voxel"),
        ("cutoff", options.cutoff, (1e-3, 4.0), "0.001 to 4 points of the transform"),
        ("part held back for R-free", options.held_back, (0.0, 0.5), "0 to 0.5"),
    ] {
        if !(low..=high).contains(&value) {
            return Err(Error::range(name, value, wanted));
        }
    }
    if let Some(support) = &options.support {
        if support.len() != shape.iter().product::<usize>() {
            return Err(Error::shape("support", &[support.len()], format!("{shape:?} (z, y, x)")));
        }
        if !support.contains(&true) {
            let why = "no voxel may differ from 0; mark the voxels of the specimen";
            return Err(Error::Empty { what: "support".into(), why: why.into() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
