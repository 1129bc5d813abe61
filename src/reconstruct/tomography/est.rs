//! EST, equally sloped tomography: J. Miao, F. Foerster and O. Levi, Physical Review B 72 (2005) 052103; B. P. Fahimian,
//! Y. Mao, P. Cloetens and J. Miao, Physics in Medicine and Biology 58 (2013) 1383.
//!
//! One tilt axis, so that every slice across it is a problem in two dimensions. The transform of a row of a view is the
//! transform F of its slice on the line of that view (Fourier slice theorem). The published iteration goes between the
//! slice and a pseudo-polar grid of lines: transform, replace the lines measured and keep the others, transform back,
//! set to 0 what is negative or outside of the support.
//!
//! On the complete grid of lines with points k of area A_k (module `pseudo_polar`) the way back is the sum of
//! A_k Re(F_k exp(2 pi i k r)), which undoes F up to the discretisation of the plane. What is kept comes back as it
//! was; so, with the measured values b,
//!
//!   V <- P( V + beta / L sum over the measured k of  A_k w Re((b_k - F_k V) exp(2 pi i k r)) ),
//!
//! P positivity and support, w the weight of the view, beta the relaxation (their damping), and L the largest eigenvalue
//! of the sum as an operator on V: about 1, and the reason why no beta below 2 diverges. Lines that are kept need no
//! computing at all, hence the measured lines may have any slope: each view takes its own, exactly. There is no nearest
//! line of a grid, no angle to be refused, and equally sloped views ([`equal_slope_angles`]) are the case in which all
//! lines stand for equal parts of the plane.
//!
//! With `accelerated`, V on the right is extrapolated along its last step as in FISTA (A. Beck and M. Teboulle, SIAM Journal
//! on Imaging Sciences 2 (2009) 183); the papers on EST have no such thing, and it needs a third of their iterations.

use super::est_views::{transform, Lines, TiltAxis};
use super::pseudo_polar::{angle_of, cells, Point, PseudoPolar, Scratch, PERIOD};
use super::views::PlainViews;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use num_complex::{Complex, Complex32};
use std::sync::Mutex;

/// Options of EST.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EstOptions {
    /// Period of the transforms relative to the longest edge of a slice or row, 2 to 8. It is at least the sum of both
    /// edges of a slice.
    pub oversampling: f64,
    /// beta: part of the residual that an iteration takes away, above 0 and below 2; up to 1 if accelerated.
    pub relaxation: f64,
    /// Keep voxels at 0 or above.
    pub positivity: bool,
    /// Extrapolate along the last step.
    pub accelerated: bool,
    /// Bytes that the reconstruction may use beside volume and views; `None`: no limit.
    pub memory_limit: Option<u64>,
}

impl Default for EstOptions {
    fn default() -> Self {
        Self { oversampling: 2.0, relaxation: 1.0, positivity: true, accelerated: true, memory_limit: None }
    }
}

impl EstOptions {
    /// Refuses values without meaning.
    ///
    /// # Errors
    /// `Range`, naming the option.
    pub fn check(&self) -> Result<()> {
        if !(2.0..=8.0).contains(&self.oversampling) {
            return Err(Error::range("oversampling", self.oversampling, "2 to 8"));
        }
        let most = if self.accelerated { 1.0 } else { 1.99 };
        if !(self.relaxation > 0.0 && self.relaxation <= most) {
            return Err(Error::range("relaxation", self.relaxation, format!("above 0, at most {most}")));
        }
        Ok(())
    }
}

/// Angles in degrees of `count` equally sloped views, rising, above -90 to 90: tan(angle) in equal steps within 45 degrees
/// of 0, cot(angle) beyond, one of them 0. A tilt series takes those that the stage reaches.
pub fn equal_slope_angles(count: usize) -> Vec<f64> {
    let middle = count.saturating_sub(1) / 2;
    let pseudo = |i: usize| PERIOD * (i as f64 - middle as f64) / count as f64;
    (0..count).map(|i| angle_of(pseudo(i)).to_degrees()).collect()
}

/// Slices that a worker takes at a time.
const BATCH: usize = 16;

/// What must be stored to go on later, beside the volume.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EstState {
    /// R factor of the measured lines at the beginning of every iteration.
    pub r_factors: Vec<f64>,
    /// Lowest of them.
    pub best_r_factor: Option<f64>,
    /// The volume that had it.
    pub best: Vec<f32>,
    /// The volume before the last step, if accelerated.
    pub previous: Vec<f32>,
    /// t of FISTA.
    pub t: f64,
}

/// A reconstruction by EST: plan, measured lines and state for one set of views.
pub(crate) struct Est {
    axis: TiltAxis,
    shape: [usize; 3],
    options: EstOptions,
    plan: PseudoPolar<f32>,
    /// Of each point: area times weight of its view times 1 / L.
    weights: Vec<f32>,
    /// b of each batch: `[point][slice]`.
    data: Vec<Vec<Complex32>>,
    /// sum |b|
    total: f64,
    support: Option<Vec<bool>>,
    scratch: Mutex<Vec<Work>>,
    /// What goes on from step to step.
    pub state: EstState,
}

/// Scratch of one worker.
struct Work {
    slices: Vec<f32>,
    change: Vec<f32>,
    scratch: Scratch<f32>,
}

impl Est {
    /// Plans the lines of `views` and transforms their rows. Slices are of the shape of the volume across the tilt axis,
    /// which should hold the whole specimen, as should every view: that is what EST assumes.
    ///
    /// # Errors
    /// `Unsupported` for views that are not turned about x or y alone, naming the worst; `Range` for options or weights
    /// without meaning; `Empty` without a view of weight above 0; `Shape` and `NonFinite` for bad images; `Memory` above
    /// the limit; `Cancelled`.
    pub fn new(context: &Context, views: &PlainViews, options: &EstOptions, waiting: &mut Waiting<'_>) -> Result<Self> {
        let lines = Lines::new(views, options)?;
        let needed = needed(context, &lines, options);
        if let Some(available) = options.memory_limit.filter(|limit| needed > *limit) {
            return Err(Error::Memory { what: "EST (option memory_limit)".into(), needed, available });
        }
        let planned = Mutex::new(None);
        waiting.part(0.0, 0.2, |waiting| {
            let cancel = waiting.cancel;
            context.for_each(1, &mut |_| waiting.at(0.0, "EST"), &|_| {
                let cells = cells(&lines.directions);
                let plan = PseudoPolar::new(context.simd(), lines.size, lines.period, &lines.directions, &cells);
                let weight = |p: &Point| (p.area * views.weights[lines.views[p.line]]) as f32;
                let mut weights: Vec<f32> = plan.points().iter().map(weight).collect();
                let largest = largest_eigenvalue(&plan, &weights, || cancel.check("EST"))?;
                weights.iter_mut().for_each(|w| *w = (f64::from(*w) / largest) as f32);
                *planned.lock().unwrap_or_else(|p| p.into_inner()) = Some((plan, weights));
                Ok(())
            })
        })?;
        let planned = planned.into_inner().unwrap_or_else(|p| p.into_inner());
        let (plan, weights) = planned.ok_or_else(|| Error::Internal("EST without a plan".into()))?;
        let mut est = Self {
            axis: lines.axis,
            shape: views.shape,
            options: options.clone(),
            plan,
            weights,
            data: Vec::new(),
            total: 0.0,
            support: None,
            scratch: Mutex::default(),
            state: EstState { t: 1.0, ..Default::default() },
        };
        let rows = waiting.part(0.2, 0.5, |waiting| lines.rows(context, views, waiting))?;
        let shifts: Vec<f64> = lines.views.iter().map(|v| lines.shift(views.shifts[*v]).1).collect();
        waiting.part(0.5, 1.0, |waiting| est.measure(context, &rows, lines.row, &shifts, waiting))?;
        Ok(est)
    }

    /// Bytes that EST needs beside `views` and the volume, on the threads of `context`.
    ///
    /// # Errors
    /// Those of [`Self::new`] about views and options.
    pub fn memory_estimate(context: &Context, views: &PlainViews, options: &EstOptions) -> Result<u64> {
        Ok(needed(context, &Lines::new(views, options)?, options))
    }

    /// Only voxels whose `support` (`[z, y, x]`) is true may differ from 0.
    ///
    /// # Errors
    /// `Shape` for a support of another size, `Empty` for one without voxels.
    pub fn set_support(&mut self, support: Option<Vec<bool>>) -> Result<()> {
        if let Some(support) = &support {
            self.check_volume("support", support.len())?;
            if !support.contains(&true) {
                let why = "no voxel is true, so that nothing could be reconstructed".into();
                return Err(Error::Empty { what: "support".into(), why });
            }
        }
        self.support = support;
        Ok(())
    }

    /// One iteration: `volume` becomes the next one. Returns the R factor of the volume as it was given,
    /// sum |b - F V| / sum |b| over all points of the measured lines (of the extrapolated volume, if accelerated).
    ///
    /// # Errors
    /// `Shape` for a volume of another size; `Cancelled`: then `volume` and state are as they were.
    pub fn step(&mut self, context: &Context, volume: &mut [f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        self.check_volume("volume", volume.len())?;
        let (t, momentum) = self.momentum(volume.len());
        let count = self.data.len();
        let results: Vec<Mutex<(f64, Vec<f32>)>> = (0..count).map(|_| Mutex::default()).collect();
        let (cancel, given) = (waiting.cancel, &*volume);
        context.for_each(count, &mut |done| waiting.at(0.9 * done as f64 / count as f64, "EST"), &|batch| {
            cancel.check("EST")?;
            *results[batch].lock().unwrap_or_else(|p| p.into_inner()) = self.stepped(batch, given, momentum);
            Ok(())
        })?;
        let results: Vec<_> = results.into_iter().map(|r| r.into_inner().unwrap_or_else(|p| p.into_inner())).collect();
        let difference: f64 = results.iter().map(|(difference, _)| difference).sum();
        let r_factor = if self.total > 0.0 { difference / self.total } else { 0.0 };
        self.remember(volume, r_factor, t);
        let batches: Vec<Vec<f32>> = results.into_iter().map(|(_, values)| values).collect();
        self.scatter(context, &batches, volume)?;
        Ok(r_factor)
    }

    /// The R factor of `volume`.
    ///
    /// # Errors
    /// `Shape` for a volume of another size, `Cancelled`.
    pub fn r_factor(&self, context: &Context, volume: &[f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        self.check_volume("volume", volume.len())?;
        let sums: Vec<Mutex<f64>> = self.data.iter().map(|_| Mutex::new(0.0)).collect();
        let (count, cancel) = (sums.len(), waiting.cancel);
        context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "EST"), &|batch| {
            cancel.check("EST")?;
            let mut work = self.work();
            self.gather(batch, volume, 0.0, &mut work.slices);
            *sums[batch].lock().unwrap_or_else(|p| p.into_inner()) = self.residual(batch, &mut work, false);
            self.give(work);
            Ok(())
        })?;
        let difference: f64 = sums.iter().map(|s| *s.lock().unwrap_or_else(|p| p.into_inner())).sum();
        Ok(if self.total > 0.0 { difference / self.total } else { 0.0 })
    }

    /// Replaces `volume`, whose R factor is `r_factor`, by the best one that a step was given, if that is better.
    pub fn restore_best(&self, volume: &mut [f32], r_factor: f64) {
        if self.state.best_r_factor.is_some_and(|best| best < r_factor) && self.state.best.len() == volume.len() {
            volume.copy_from_slice(&self.state.best);
        }
    }

    /// t of the next step, and the factor of this one's extrapolation. Both start again whenever the residual grew.
    fn momentum(&self, voxels: usize) -> (f64, f32) {
        let state = &self.state;
        if !self.options.accelerated {
            return (1.0, 0.0);
        }
        let grew = matches!(state.r_factors[..], [.., before, last] if last > before);
        let t = if grew || state.previous.len() != voxels { 1.0 } else { state.t.max(1.0) };
        let next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
        (next, ((t - 1.0) / next) as f32)
    }

    fn remember(&mut self, volume: &[f32], r_factor: f64, t: f64) {
        let state = &mut self.state;
        state.r_factors.push(r_factor);
        state.t = t;
        if state.best_r_factor.is_none_or(|best| r_factor < best) {
            state.best_r_factor = Some(r_factor);
            state.best.resize(volume.len(), 0.0);
            state.best.copy_from_slice(volume);
        }
        if self.options.accelerated {
            state.previous.resize(volume.len(), 0.0);
            state.previous.copy_from_slice(volume);
        }
    }

    /// sum |b - F V| of a batch, and its slices one iteration later.
    fn stepped(&self, batch: usize, volume: &[f32], momentum: f32) -> (f64, Vec<f32>) {
        let mut work = self.work();
        let count = self.gather(batch, volume, momentum, &mut work.slices);
        let difference = self.residual(batch, &mut work, true);
        let len = count * self.slice();
        let (relaxation, lowest) =
            (self.options.relaxation as f32, if self.options.positivity { 0.0 } else { f32::NEG_INFINITY });
        let steps = work.slices[..len].iter().zip(&work.change[..len]);
        let next = steps.map(|(v, change)| (v + relaxation * change).max(lowest)).collect();
        self.give(work);
        (difference, next)
    }

    /// sum |b - F V| of the slices in `work`; with `back` also their change, the weighted adjoint of b - F V.
    fn residual(&self, batch: usize, work: &mut Work, back: bool) -> f64 {
        let count = self.count(batch);
        let len = count * self.slice();
        let Work { slices, change, scratch } = work;
        change[..len].fill(0.0);
        let (data, mut difference) = (&self.data[batch], 0.0);
        let mut visit = |point: usize, values: &mut [Complex32]| {
            let weight = self.weights[point];
            let mut sum = 0.0;
            for (value, measured) in values.iter_mut().zip(&data[point * count..]) {
                let residual = measured - *value;
                sum += f64::from(residual.norm_sqr()).sqrt();
                *value = residual.scale(weight);
            }
            difference += sum;
        };
        self.plan.walk(&slices[..len], count, scratch, &mut visit, back.then_some(&mut change[..len]));
        difference
    }
}

/// Data.
impl Est {
    /// b of all points: the transform of each row p at the points of its line,
    /// b(k) = sum_j p_j exp(-2 pi i k (j - n // 2 - shift)), a direct sum in double precision.
    fn measure(
        &mut self,
        context: &Context,
        rows: &[f32],
        across: usize,
        shifts: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let slices = self.slices();
        let mut points: Vec<Vec<(usize, usize)>> = vec![Vec::new(); shifts.len()];
        let mut step = vec![0.0; shifts.len()]; // k of square 1
        for (i, point) in self.plan.points().iter().enumerate() {
            points[point.line].push((i, point.square));
            if point.square == 1 {
                step[point.line] = point.k;
            }
        }
        let count = slices.div_ceil(BATCH);
        let results: Vec<Mutex<(f64, Vec<Complex32>)>> = (0..count).map(|_| Mutex::default()).collect();
        let cancel = waiting.cancel;
        context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "EST"), &|batch| {
            let width = self.count(batch);
            let mut data = vec![Complex32::default(); self.plan.points().len() * width];
            let mut total = 0.0;
            for (line, points) in points.iter().enumerate() {
                cancel.check("EST")?;
                let rows = &rows[(line * slices + batch * BATCH) * across..][..width * across];
                let squares = points.iter().map(|(_, square)| square + 1).max().unwrap_or(0);
                let values = transform(rows, across, squares, step[line], shifts[line]);
                for (point, square) in points {
                    for (slice, out) in data[point * width..][..width].iter_mut().enumerate() {
                        let value = values[square * width + slice];
                        total += value.norm();
                        *out = Complex::new(value.re as f32, value.im as f32);
                    }
                }
            }
            *results[batch].lock().unwrap_or_else(|p| p.into_inner()) = (total, data);
            Ok(())
        })?;
        for result in results {
            let (total, data) = result.into_inner().unwrap_or_else(|p| p.into_inner());
            self.total += total;
            self.data.push(data);
        }
        Ok(())
    }
}

/// Places.
impl Est {
    fn slices(&self) -> usize {
        self.shape[if self.axis == TiltAxis::Y { 1 } else { 2 }]
    }

    /// Pixels of a slice.
    fn slice(&self) -> usize {
        self.shape.iter().product::<usize>() / self.slices()
    }

    /// Slices of a batch.
    fn count(&self, batch: usize) -> usize {
        BATCH.min(self.slices() - batch * BATCH)
    }

    fn check_volume(&self, what: &str, len: usize) -> Result<()> {
        let [z, y, x] = self.shape;
        if len == z * y * x {
            return Ok(());
        }
        let wanted = format!("{} values [z, y, x] = [{z}, {y}, {x}]", z * y * x);
        Err(Error::Shape { what: what.into(), got: vec![len], wanted })
    }

    fn work(&self) -> Work {
        let kept = self.scratch.lock().unwrap_or_else(|p| p.into_inner()).pop();
        kept.unwrap_or_else(|| {
            let slices = BATCH.min(self.slices());
            let len = slices * self.slice();
            Work { slices: vec![0.0; len], change: vec![0.0; len], scratch: self.plan.scratch(slices) }
        })
    }

    fn give(&self, work: Work) {
        self.scratch.lock().unwrap_or_else(|p| p.into_inner()).push(work);
    }

    /// Copies the slices of a batch, `[slice][z][across]`, extrapolated by `momentum`; how many they are.
    fn gather(&self, batch: usize, volume: &[f32], momentum: f32, out: &mut [f32]) -> usize {
        let ([nz, ny, nx], count, first) = (self.shape, self.count(batch), batch * BATCH);
        let previous = if momentum == 0.0 { volume } else { &self.state.previous[..] };
        let at = |i: usize| volume[i] + momentum * (volume[i] - previous[i]);
        match self.axis {
            TiltAxis::Y => {
                for (row, out) in out.chunks_exact_mut(nx).take(count * nz).enumerate() {
                    let from = (row % nz * ny + first + row / nz) * nx;
                    out.iter_mut().enumerate().for_each(|(x, out)| *out = at(from + x));
                }
            }
            TiltAxis::X => {
                for row in 0..nz * ny {
                    (0..count).for_each(|slice| out[slice * nz * ny + row] = at(row * nx + first + slice));
                }
            }
        }
        count
    }

    /// Puts the slices of all batches into `volume`, 0 outside of the support.
    fn scatter(&self, context: &Context, batches: &[Vec<f32>], volume: &mut [f32]) -> Result<()> {
        let [nz, ny, nx] = self.shape;
        let planes: Vec<Mutex<&mut [f32]>> = volume.chunks_exact_mut(ny * nx).map(Mutex::new).collect();
        // Ends soon, and belongs to a step that is done: not to be cancelled.
        context.for_each(nz, &mut |_| Ok(()), &|z| {
            let mut plane = planes[z].lock().unwrap_or_else(|p| p.into_inner());
            for (batch, values) in batches.iter().enumerate() {
                let (count, first) = (self.count(batch), batch * BATCH);
                match self.axis {
                    TiltAxis::Y => (0..count).for_each(|slice| {
                        plane[(first + slice) * nx..][..nx].copy_from_slice(&values[(slice * nz + z) * nx..][..nx]);
                    }),
                    TiltAxis::X => (0..count * ny).for_each(|i| {
                        let (slice, y) = (i / ny, i % ny);
                        plane[y * nx + first + slice] = values[(slice * nz + z) * ny + y];
                    }),
                }
            }
            if let Some(support) = &self.support {
                let inside = &support[z * ny * nx..][..ny * nx];
                plane.iter_mut().zip(inside).filter(|(_, inside)| !**inside).for_each(|(v, _)| *v = 0.0);
            }
            Ok(())
        })
    }
}

/// Upper bound of the bytes that EST needs beside views and volume.
fn needed(context: &Context, lines: &Lines, options: &EstOptions) -> u64 {
    let [nz, edge] = lines.size;
    let (count, slice) = (lines.directions.len(), nz * edge);
    let batch = BATCH.min(lines.slices);
    let (plan, scratch) = PseudoPolar::<f32>::memory_bytes(lines.size, lines.period, count, batch);
    let points = (count * (lines.period / 2 + 1)) as u64;
    let data = points * 8 * lines.slices as u64 + 4 * points;
    let rows = 4 * (count * lines.slices * lines.row) as u64;
    let workers = context.threads().min(lines.slices.div_ceil(BATCH)) as u64;
    // The next volume, the best, and the one before.
    let volumes = if options.accelerated { 3 } else { 2 };
    plan + data + rows + workers * (scratch + 8 * (batch * slice) as u64) + volumes * 4 * (lines.slices * slice) as u64
}

/// The largest eigenvalue of the weighted transform there and back, the same for every slice: power iteration from a
/// slice without order, 1 % above what it found.
fn largest_eigenvalue(plan: &PseudoPolar<f32>, weights: &[f32], check: impl Fn() -> Result<()>) -> Result<f64> {
    let norm = |v: &[f32]| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let mut scratch = plan.scratch(1);
    let mut v: Vec<f32> = (0..plan.slice()).map(|i| ((i as f64 * 12.9898).sin() * 43758.5453).fract() as f32).collect();
    v[0] += 1.0; // never all zeros, even where there is but one pixel
    let mut largest = 0.0;
    for _ in 0..POWER_ITERATIONS {
        check()?;
        let scale = 1.0 / norm(&v).max(f64::MIN_POSITIVE);
        v.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
        let mut next = vec![0.0; v.len()];
        let mut visit = |point: usize, values: &mut [Complex32]| {
            values.iter_mut().for_each(|value| *value = value.scale(weights[point]));
        };
        plan.walk(&v, 1, &mut scratch, &mut visit, Some(&mut next));
        largest = norm(&next);
        v = next;
    }
    Ok((1.01 * largest).max(f64::MIN_POSITIVE))
}

/// Enough for the largest eigenvalue within a percent: the spectrum ends in a plateau, not in a peak.
const POWER_ITERATIONS: usize = 30;

#[cfg(test)]
#[path = "est_tests.rs"]
mod tests;
