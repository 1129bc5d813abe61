//! SIRT: the simultaneous iterative reconstruction technique, with positivity and Nesterov's acceleration.
//!
//! With the projection A, the measured images b, and the diagonal matrices R = 1 / (sums of the rows of A) and
//! C = 1 / (sums of the columns of A),
//!
//!   V <- max(0, W + C A* R (b - A W)),
//!
//! where W is V itself, or, accelerated, V extrapolated along its last step by (t - 1) / t' with
//! t' = (1 + sqrt(1 + 4 t^2)) / 2 (Nesterov); t starts again at 1 whenever the residual grows. C A* R A has no
//! eigenvalue above 1, so the full step is safe for both. Masked pixels have no row.

use super::driver::Watch;
use crate::context::Context;
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::projection::{ProjectionGeometry, Projector, View};
use crate::optimize::Termination;
use crate::problem::{Observer, Phase, Waiting};
use crate::specimen::Volume;
use ndarray::Array3;
use std::sync::Mutex;

/// What is taken off the images before a volume is reconstructed: a positive volume cannot explain an offset outside of
/// the specimen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Background {
    /// From every view its own: the 5 % quantile of the means over squares of 8 x 8 pixels.
    #[default]
    Automatic = 0,
    /// Nothing.
    None = 1,
}

/// Options of a SIRT reconstruction; `None` means automatic.
#[derive(Debug, Clone, PartialEq)]
pub struct SirtOptions {
    /// Voxels along z, y and x. `None`: a cube as wide as the longer side of the images.
    pub shape: Option<[usize; 3]>,
    /// Edge of a voxel, in the length unit of the series, at most a pixel. `None`: a pixel.
    pub voxel_size: Option<f64>,
    /// Iterations.
    pub iterations: usize,
    /// Extrapolate (Nesterov).
    pub accelerated: bool,
    /// Keep voxels at 0 or above.
    pub positivity: bool,
    /// What is taken off the images.
    pub background: Background,
    /// Bytes that the reconstruction may use; `None`: no limit.
    pub memory_limit: Option<u64>,
}

impl Default for SirtOptions {
    fn default() -> Self {
        Self {
            shape: None,
            voxel_size: None,
            iterations: 25,
            accelerated: true,
            positivity: true,
            background: Background::Automatic,
            memory_limit: None,
        }
    }
}

/// A reconstructed volume with the record of its making.
#[derive(Debug, Clone)]
pub struct Tomogram {
    /// The volume; its unit is the images', per voxel.
    pub volume: Volume,
    /// Norm of b - A W relative to b over the pixels in use, at the beginning of every iteration.
    pub residuals: Vec<f64>,
    /// `MaxIterations`, or `Cancelled`: then the volume is that of the iterations done.
    pub termination: Termination,
}

/// Reconstructs a volume from the latest version of `series`: the mean over the images of a tilt that share their drift,
/// excluded images and masked pixels left out. The observer sees the relative residual as `loss`, and may end the
/// reconstruction: the volume of the last full iteration is kept.
///
/// # Errors
/// `NotReady` without an image in use, `Range` for options without meaning (voxels larger than pixels, no iterations),
/// `Memory` above the limit, `Cancelled` before the first iteration was done.
pub fn sirt(
    context: &Context,
    series: &TiltSeries,
    options: &SirtOptions,
    observer: &mut Observer<'_>,
) -> Result<Tomogram> {
    context.check_process()?;
    let version = series.version();
    let cancel = context.cancel_token();
    let mut watch = Watch::new(&cancel, observer, 0, options.iterations);
    let (solver, data) = Sirt::new(context, &version, options, &mut watch)?;
    let solved = solver.solve(data, &Steps::of(options), &mut watch)?;
    let volume = solver.volume(solved.values)?;
    Ok(Tomogram { volume, residuals: solved.residuals, termination: solved.termination })
}

/// How a solver walks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub iterations: usize,
    pub accelerated: bool,
    pub positivity: bool,
}

impl Steps {
    fn of(options: &SirtOptions) -> Self {
        let SirtOptions { iterations, accelerated, positivity, .. } = *options;
        Self { iterations, accelerated, positivity }
    }
}

/// What [`Sirt::solve`] found.
pub(super) struct Solved {
    pub values: Vec<f32>,
    pub residuals: Vec<f64>,
    pub termination: Termination,
}

/// Projector and weights for one version of a series and one volume: solves for any data on the same pixels.
pub(super) struct Sirt<'a> {
    context: &'a Context,
    version: &'a SeriesVersion,
    projector: Projector,
    /// Images of each view.
    images: Vec<Vec<usize>>,
    /// 1 / row sum; 0 for pixels that do not count.
    rows: Vec<f32>,
    /// 1 / column sum; 0 for voxels that no image sees.
    columns: Vec<f32>,
}

/// Rows and columns that are seen by less than this part of the best seen one take no part.
const FAINT: f32 = 1e-3;

impl<'a> Sirt<'a> {
    /// Weights for `version`, and its data.
    pub fn new(
        context: &'a Context,
        version: &'a SeriesVersion,
        options: &SirtOptions,
        watch: &mut Watch<'_, '_>,
    ) -> Result<(Self, Vec<f32>)> {
        if options.iterations == 0 {
            return Err(Error::range("iterations", 0, "at least 1"));
        }
        let (views, images) = views_of(version);
        if views.is_empty() {
            let why = "it has no image in use; append tilts first".into();
            return Err(Error::NotReady { what: "the dataset".into(), why });
        }
        let edge = version.rows().max(version.columns());
        let geometry = ProjectionGeometry {
            shape: options.shape.unwrap_or([edge; 3]),
            voxel_size: options.voxel_size.unwrap_or(version.pixel_size()),
            rows: version.rows(),
            columns: version.columns(),
            pixel_size: version.pixel_size(),
        };
        let projector = Projector::new(geometry, views)?;
        let frames = projector.views().len() as u64 * projector.frame().len() as u64;
        let needed = 4 * (5 * projector.voxels() as u64 + 3 * frames);
        if let Some(available) = options.memory_limit.filter(|limit| needed > *limit) {
            return Err(Error::Memory { what: "the tomogram (option memory_limit)".into(), needed, available });
        }
        let mut solver = Self { context, version, projector, images, rows: vec![], columns: vec![] };
        watch.wait(|waiting| solver.weigh(waiting))?;
        let mut data = solver.frames(|image| &version.images()[image].pixels)?;
        if options.background == Background::Automatic {
            solver.subtract_background(&mut data);
        }
        Ok((solver, data))
    }

    /// The volume of `values`.
    pub fn volume(&self, values: Vec<f32>) -> Result<Volume> {
        let geometry = self.projector.geometry();
        let [z, y, x] = geometry.shape;
        let values = Array3::from_shape_vec((z, y, x), values).map_err(|e| Error::Internal(e.to_string()))?;
        Volume::new(values, geometry.voxel_size)
    }

    /// Frames of all views: the mean of the images of each, pixel by pixel over those that use it.
    pub fn frames<'p>(&self, pixels_of: impl Fn(usize) -> &'p [f32]) -> Result<Vec<f32>> {
        let shape = self.projector.frame();
        let columns = self.version.columns();
        let mut frames = zeros(self.images.len() * shape.len())?;
        for (frame, images) in frames.chunks_exact_mut(shape.len()).zip(&self.images) {
            let mut counts = vec![0u32; self.version.rows() * columns];
            for image in images {
                let of = &self.version.images()[*image];
                for (i, value) in pixels_of(*image).iter().enumerate().filter(|(i, _)| of.uses(*i)) {
                    frame[(i / columns + 1) * shape.columns + i % columns + 1] += value;
                    counts[i] += 1;
                }
            }
            for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 1) {
                frame[(i / columns + 1) * shape.columns + i % columns + 1] /= *count as f32;
            }
        }
        Ok(frames)
    }

    /// Sums of rows over a volume of ones, of columns over the pixels in use.
    fn weigh(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        let shape = self.projector.frame();
        let mut volume = zeros(self.projector.voxels())?;
        volume.fill(1.0);
        let mut rows = zeros(self.images.len() * shape.len())?;
        let in_use = |view: usize, frame: &mut [f32]| {
            let columns = self.version.columns();
            let uses = |i: usize| self.images[view].iter().any(|image| self.version.images()[*image].uses(i));
            for (at, value) in frame.iter_mut().enumerate() {
                let (row, column) = (at / shape.columns, at % shape.columns);
                let inside = (1..shape.rows - 1).contains(&row) && (1..shape.columns - 1).contains(&column);
                if !(inside && uses((row - 1) * columns + column - 1)) {
                    *value = 0.0;
                }
            }
        };
        self.projector.project_all(self.context, &volume, &mut rows, waiting, &in_use)?;
        let most = rows.iter().copied().fold(0.0, f32::max);
        let mut used = rows.clone();
        used.iter_mut().for_each(|v| *v = if *v > FAINT * most { 1.0 } else { 0.0 });
        self.projector.back_project_all(self.context, &used, &mut volume, waiting, &|_, _| {})?;
        invert(&mut rows);
        invert(&mut volume);
        (self.rows, self.columns) = (rows, volume);
        Ok(())
    }

    fn subtract_background(&self, frames: &mut [f32]) {
        let shape = self.projector.frame();
        for (frame, weights) in frames.chunks_exact_mut(shape.len()).zip(self.rows.chunks_exact(shape.len())) {
            let background = lowest_squares(frame, weights, shape.columns);
            frame.iter_mut().zip(weights).filter(|(_, w)| **w > 0.0).for_each(|(v, _)| *v -= background);
        }
    }

    /// Solves for `data` (frames of all views), from an empty volume. Cancelling keeps what full iterations gave.
    pub fn solve(&self, data: Vec<f32>, steps: &Steps, watch: &mut Watch<'_, '_>) -> Result<Solved> {
        let voxels = self.projector.voxels();
        let (mut latest, mut extrapolated, mut next) = (zeros(voxels)?, zeros(voxels)?, zeros(voxels)?);
        let mut residual = zeros(data.len())?;
        let total = self.norm(&data);
        let (mut residuals, mut t) = (Vec::new(), 1.0f64);
        let mut termination = Termination::MaxIterations;
        for iteration in 0..steps.iterations {
            let stepped = watch.wait(|waiting| {
                self.residual(&data, &extrapolated, &mut residual, waiting).and_then(|norm| {
                    self.step(&extrapolated, &residual, steps.positivity, &mut next, waiting)?;
                    Ok(norm)
                })
            });
            match stepped {
                Ok(norm) => residuals.push(if total > 0.0 { norm / total } else { 0.0 }),
                Err(Error::Cancelled { .. }) if iteration > 0 => {
                    termination = Termination::Cancelled;
                    break;
                }
                Err(error) => return Err(error),
            }
            // Without positivity the result is linear in the data as long as t walks its fixed way.
            if steps.positivity && residuals.len() > 1 && residuals[iteration] > residuals[iteration - 1] {
                t = 1.0;
            }
            let t_next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
            let momentum = if steps.accelerated { ((t - 1.0) / t_next) as f32 } else { 0.0 };
            t = t_next;
            watch.wait(|waiting| self.extrapolate(&latest, &next, momentum, &mut extrapolated, waiting))?;
            std::mem::swap(&mut latest, &mut next);
            watch.progress.phase = Phase::Optimizing;
            watch.progress.iteration = iteration + 1;
            watch.progress.evaluations = (iteration + 1) as f64;
            watch.progress.fraction = (iteration + 1) as f64 / steps.iterations as f64;
            watch.progress.loss = residuals[iteration];
            watch.tell();
            if watch.cancel.is_cancelled() {
                termination = Termination::Cancelled;
                break;
            }
        }
        Ok(Solved { values: latest, residuals, termination })
    }

    /// residual = R (data - A volume); the norm of data - A volume over the pixels in use.
    fn residual(&self, data: &[f32], volume: &[f32], residual: &mut [f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        let len = self.projector.frame().len();
        let squares: Vec<Mutex<f64>> = self.images.iter().map(|_| Mutex::new(0.0)).collect();
        self.projector.project_all(self.context, volume, residual, waiting, &|view, frame| {
            let range = view * len..(view + 1) * len;
            let mut sum = 0.0;
            for ((value, data), weight) in frame.iter_mut().zip(&data[range.clone()]).zip(&self.rows[range]) {
                let difference = if *weight > 0.0 { data - *value } else { 0.0 };
                sum += f64::from(difference) * f64::from(difference);
                *value = weight * difference;
            }
            *squares[view].lock().unwrap_or_else(|p| p.into_inner()) = sum;
        })?;
        Ok(squares.iter().map(|s| *s.lock().unwrap_or_else(|p| p.into_inner())).sum::<f64>().sqrt())
    }

    /// next = volume + C A* residual, not below 0 where asked for.
    fn step(
        &self,
        volume: &[f32],
        residual: &[f32],
        positivity: bool,
        next: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.projector.geometry().shape;
        let lowest = if positivity { 0.0 } else { f32::NEG_INFINITY };
        self.projector.back_project_all(self.context, residual, next, waiting, &|z, plane| {
            let range = z * ny * nx..(z + 1) * ny * nx;
            let others = volume[range.clone()].iter().zip(&self.columns[range]);
            plane.iter_mut().zip(others).for_each(|(v, (from, weight))| *v = (from + weight * *v).max(lowest));
        })
    }

    /// out = next + momentum (next - latest)
    fn extrapolate(
        &self,
        latest: &[f32],
        next: &[f32],
        momentum: f32,
        out: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.projector.geometry().shape;
        let items: Vec<Mutex<&mut [f32]>> = out.chunks_exact_mut(ny * nx).map(Mutex::new).collect();
        // Ends soon, and its result belongs to an iteration that is done: not to be cancelled.
        let mut tell = |_| {
            (waiting.tell)(1.0);
            Ok(())
        };
        self.context.for_each(items.len(), &mut tell, &|z| {
            let mut out = items[z].lock().unwrap_or_else(|p| p.into_inner());
            let range = z * ny * nx..(z + 1) * ny * nx;
            for ((out, next), latest) in out.iter_mut().zip(&next[range.clone()]).zip(&latest[range]) {
                *out = next + momentum * (next - latest);
            }
            Ok(())
        })
    }

    fn norm(&self, frames: &[f32]) -> f64 {
        let counted = frames.iter().zip(&self.rows).filter(|(_, weight)| **weight > 0.0);
        counted.map(|(v, _)| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
    }
}

/// One view for all images of a tilt that share their drift; excluded images are in none.
fn views_of(version: &SeriesVersion) -> (Vec<View>, Vec<Vec<usize>>) {
    let (mut views, mut images): (Vec<View>, Vec<Vec<usize>>) = (vec![], vec![]);
    for tilt in version.tilts() {
        let first = views.len();
        for &i in tilt.images.iter().filter(|i| !version.images()[**i].excluded) {
            let image = &version.images()[i];
            match views[first..].iter().position(|view| view.drift == image.drift) {
                Some(at) => images[first + at].push(i),
                None => {
                    views.push(View { rotation: image.rotation, drift: image.drift });
                    images.push(vec![i]);
                }
            }
        }
    }
    (views, images)
}

/// 1 / v, and 0 where v is faint.
fn invert(values: &mut [f32]) {
    let most = values.iter().copied().fold(0.0, f32::max);
    values.iter_mut().for_each(|v| *v = if *v > FAINT * most { 1.0 / *v } else { 0.0 });
}

/// The 5 % quantile of the means over squares of pixels that all count; 0 where there is no such square.
fn lowest_squares(frame: &[f32], weights: &[f32], columns: usize) -> f32 {
    const EDGE: usize = 8;
    let rows = frame.len() / columns;
    let mut means = Vec::new();
    for top in (1..rows.saturating_sub(EDGE)).step_by(EDGE) {
        for left in (1..columns.saturating_sub(EDGE)).step_by(EDGE) {
            let pixels = || (0..EDGE * EDGE).map(|k| (top + k / EDGE) * columns + left + k % EDGE);
            if pixels().all(|i| weights[i] > 0.0) {
                means.push(pixels().map(|i| frame[i]).sum::<f32>() / (EDGE * EDGE) as f32);
            }
        }
    }
    means.sort_by(f32::total_cmp);
    means.get(means.len() / 20).copied().unwrap_or(0.0)
}

/// Zeros, or an error where there is no memory for them.
fn zeros(len: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: "a volume or its images".into(),
        needed: 4 * len as u64,
        available: 0,
    })?;
    values.resize(len, 0.0);
    Ok(values)
}
