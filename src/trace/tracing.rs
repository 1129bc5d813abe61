//! Tracing: from the maxima of a volume to atoms, with a flag for every candidate.
//!
//! 1. The volume is smoothed; voxels above the threshold that are not below any of their 26 neighbours are candidates.
//! 2. Each gets a sub-voxel position, a height and standard errors ([`Method`]).
//! 3. Those outside of the support and those removed by hand fall away. Of the rest the strongest is accepted and closes
//!    the ball of the minimum distance to all others, and so on; atoms added by hand come first.
//! 4. With `explain_rounds`, what Gaussians of all atoms do not explain is searched for more (`explain.rs`).

use super::explain::{Explainer, Site};
use super::gaussian::{self, Freedom, Gaussian, Samples};
use super::options::{Method, Threshold, TraceOptions, AUTOMATIC_PART};
use super::peaks::{voxel_maxima, Parabola};
use super::polynomial::{End, Polynomial};
use super::statistics::{noise, valley, Levels, LEAST_PART};
use crate::context::{log, Context};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::planes::collected;
use crate::prepare::{smooth_values, Smoothing};
use crate::problem::Waiting;
use crate::specimen::{Atoms, Neighbours, Property, Volume};
use crate::table::Table;
use ndarray::{ArrayView3, CowArray, Ix3};

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Flag {
    /// An atom.
    Accepted = 0,
    /// The fitted curvature is not that of a maximum.
    NotAMaximum = 1,
    /// The fit moved too far from the voxel where it began.
    LeftItsBox = 2,
    /// Nearer than the minimum distance to a stronger atom.
    TooClose = 3,
    /// The fit did not come to rest.
    NotConverged = 4,
    /// Outside of the support.
    OutOfSupport = 5,
    /// Removed by hand.
    Removed = 6,
    /// An atom added by hand.
    Added = 7,
    /// Weaker than the `max_atoms` strongest.
    Surplus = 8,
}

impl Flag {
    fn is_atom(self) -> bool {
        matches!(self, Flag::Accepted | Flag::Added)
    }
}

/// A maximum of the volume and what was found there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// (x, y, z), angstrom.
    pub position: Vec3,
    /// Value of the smoothed volume at the position; of fitted Gaussians the height above the background.
    pub height: f64,
    /// What became of it.
    pub flag: Flag,
    /// Round of explaining away that found it; 0: it is a maximum of the volume.
    pub round: usize,
    /// Eigenvalues of the curvature, the lowest first, unit of the volume per angstrom^2; NaN for Gaussians.
    pub curvature: Vec3,
    /// Widths B of the Gaussian along x, y, z, angstrom^2; NaN where none was fitted.
    pub widths: Vec3,
    /// Root mean square of what the fit does not follow, unit of the volume.
    pub residual: f64,
    /// Standard errors of x, y and z, angstrom; infinite where the fit does not determine them.
    pub standard_error: Vec3,
    /// Iterations of the fit.
    pub iterations: usize,
}

/// Atoms with what led to them.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// The accepted ones, the strongest first, with heights and standard errors, and widths where Gaussians were fitted.
    pub atoms: Atoms,
    /// All maxima above the threshold, the strongest first.
    pub candidates: Vec<Candidate>,
    /// Height that the smoothed volume had to exceed.
    pub threshold: f64,
    /// Median of the smoothed volume.
    pub background: f64,
    /// Standard deviation of white noise in the voxels of the volume, from its second differences.
    pub noise: f64,
}

impl Tracing {
    /// The candidates as columns `x`, `y`, `z` (A), `height`, `flag` (a [`Flag`]), `round`, `curvature_1` to `_3` (lowest
    /// first, 1/A^2 times the unit of the volume), `width_x`, `_y`, `_z` (A^2), `residual`, `standard_error_x`, `_y`, `_z`
    /// (A) and `iterations`; and the values `threshold`, `background` and `noise`.
    ///
    /// # Errors
    /// None: names and lengths are right.
    pub fn table(&self) -> Result<Table> {
        type Vectors<'n> = (&'n str, [&'n str; 3], &'n str, fn(&Candidate) -> Vec3);
        type Numbers<'n> = (&'n str, fn(&Candidate) -> f64);
        let column = |of: &dyn Fn(&Candidate) -> f64| self.candidates.iter().map(of).collect::<Vec<f64>>();
        let vectors: [Vectors<'_>; 4] = [
            ("", ["x", "y", "z"], "A", |c| c.position),
            ("curvature_", ["1", "2", "3"], "1/A^2", |c| c.curvature),
            ("width_", ["x", "y", "z"], "A^2", |c| c.widths),
            ("standard_error_", ["x", "y", "z"], "A", |c| c.standard_error),
        ];
        let numbers: [Numbers<'_>; 5] = [
            ("height", |c| c.height),
            ("flag", |c| f64::from(c.flag as i32)),
            ("round", |c| c.round as f64),
            ("residual", |c| c.residual),
            ("iterations", |c| c.iterations as f64),
        ];
        let mut table = Table::new(self.candidates.len());
        for (name, axes, unit, of) in vectors {
            for (a, axis) in axes.into_iter().enumerate() {
                table = table.with_column(&format!("{name}{axis}"), unit, column(&|c| of(c)[a]))?;
            }
        }
        for (name, of) in numbers {
            table = table.with_column(name, "", column(&of))?;
        }
        let values = [("threshold", self.threshold), ("background", self.background), ("noise", self.noise)];
        values.into_iter().try_fold(table, |table, (name, value)| table.with_value(name, "", value))
    }
}

/// Candidates that a worker takes at a time.
const CHUNK: usize = 64;

/// Traces the atoms of `volume`. The outermost voxels hold none. The result does not depend on the number of threads.
///
/// # Errors
/// Those of [`TraceOptions::check`]; `Empty` for a constant volume, and where nothing rises above the threshold or nothing
/// is accepted; `Cancelled`.
pub fn trace(
    context: &Context,
    volume: &Volume,
    options: &TraceOptions<'_>,
    waiting: &mut Waiting<'_>,
) -> Result<Tracing> {
    options.check(volume)?;
    let first = volume.values()[[0, 0, 0]];
    if volume.as_slice().iter().all(|v| *v == first) {
        let why = format!("all voxels are {first}");
        return Err(Error::Empty { what: "peaks of the volume".into(), why });
    }
    let by = Smoothing::Gaussian(options.smoothing);
    let smoothed: CowArray<'_, f32, Ix3> = match options.smoothing > 0.0 {
        false => volume.values().into(),
        true => waiting.part(0.0, 0.2, |w| smooth_values(context, volume.values(), by, w))?.into(),
    };
    let levels = waiting.part(0.2, 0.3, |w| Levels::of(context, smoothed.view(), w))?;
    let noise = waiting.part(0.3, 0.35, |w| noise(context, volume.values(), w))?;
    let tracer = Tracer { context, volume, smoothed: smoothed.view(), options, levels, noise };
    let (threshold, seeds) = waiting.part(0.35, 0.5, |w| tracer.seeds(w))?;
    let last = if options.explain_rounds > 0 { 0.65 } else { 1.0 };
    let mut candidates = waiting.part(0.5, last, |w| tracer.fitted(&seeds, w))?;
    tracer.select(&mut candidates)?;
    if options.explain_rounds > 0 {
        waiting.part(last, 1.0, |w| tracer.explain(&mut candidates, threshold, w))?;
    }
    let atoms = tracer.atoms(&mut candidates, threshold)?;
    Ok(Tracing { atoms, candidates, threshold, background: levels.median, noise })
}

struct Tracer<'a> {
    context: &'a Context,
    volume: &'a Volume,
    smoothed: ArrayView3<'a, f32>,
    options: &'a TraceOptions<'a>,
    levels: Levels,
    noise: f64,
}

/// A place where a fit begins: voxels of the maxima, or near positions that the user added.
#[derive(Debug, Clone, Copy)]
struct Seed {
    voxel: [usize; 3],
    /// Whether the voxel is a maximum; all are but some that the user added.
    is_maximum: bool,
    /// What the user added, along z, y, x in voxels.
    added: Option<Vec3>,
}

impl Tracer<'_> {
    fn voxel_size(&self) -> f64 {
        self.volume.voxel_size()
    }

    /// The voxel of a fractional index, not one of the outermost.
    fn inner_voxel(&self, index: &Vec3) -> [usize; 3] {
        let shape = self.volume.shape();
        std::array::from_fn(|a| (index[a].round().max(1.0) as usize).min(shape[a].saturating_sub(2)))
    }

    /// The threshold, and the voxels above it that are maxima, after the places that the user added.
    fn seeds(&self, waiting: &mut Waiting<'_>) -> Result<(f64, Vec<Seed>)> {
        let Levels { median, high, .. } = self.levels;
        let from = match self.options.threshold {
            Threshold::Part(part) => part * high.max(0.0),
            Threshold::Value(value) => value,
            Threshold::Histogram => median + LEAST_PART * (high - median),
        };
        if self.levels.highest <= from && self.options.added.is_empty() {
            return Err(self.nothing(from));
        }
        let mut found = voxel_maxima(self.context, self.smoothed, from, waiting, &|voxel| {
            (voxel, f64::from(self.smoothed[voxel]))
        })?;
        let threshold = match self.options.threshold {
            Threshold::Histogram => {
                let heights: Vec<f64> = found.iter().map(|(_, value)| value - median).collect();
                let border = valley(&heights).map(|height| median + height);
                border.unwrap_or_else(|| {
                    let part = AUTOMATIC_PART;
                    log::info(format!("the histogram of maxima has one hill: threshold {part} of the 99.9 % quantile"));
                    part * high.max(0.0)
                })
            }
            _ => from,
        };
        found.retain(|(_, value)| *value > threshold);
        let added = self.options.added.iter().map(|place| self.climbed(self.volume.index(place)));
        let maxima = found.iter().map(|(voxel, _)| Seed { voxel: *voxel, is_maximum: true, added: None });
        Ok((threshold, added.chain(maxima).collect()))
    }

    /// The maximum to which voxels rise from a place that the user added, if it is near.
    fn climbed(&self, start: Vec3) -> Seed {
        let mut voxel = self.inner_voxel(&start);
        for _ in 0..=FURTHEST as usize {
            let around = (0..27).map(|k| [voxel[0] + k / 9, voxel[1] + k / 3 % 3, voxel[2] + k % 3]);
            let inside = around.map(|at| self.inner_voxel(&at.map(|v| v as f64 - 1.0)));
            let higher = inside.filter(|at| self.smoothed[*at] > self.smoothed[voxel]);
            match higher.max_by(|a, b| self.smoothed[*a].total_cmp(&self.smoothed[*b])) {
                Some(next) => voxel = next,
                None => return Seed { voxel, is_maximum: true, added: Some(start) },
            }
        }
        Seed { voxel: self.inner_voxel(&start), is_maximum: false, added: Some(start) }
    }

    fn nothing(&self, threshold: f64) -> Error {
        let Levels { high, highest, .. } = self.levels;
        let why = format!(
            "no maximum above {threshold:.4e} inside the outermost layer: highest smoothed value {highest:.4e}, 99.9 % \
             quantile {high:.4e}"
        );
        Error::Empty { what: "peaks of the volume".into(), why }
    }

    /// A candidate for every seed, on the workers.
    fn fitted(&self, seeds: &[Seed], waiting: &mut Waiting<'_>) -> Result<Vec<Candidate>> {
        if self.volume.shape().iter().any(|n| *n < 3) {
            return Ok(vec![]); // no neighbourhoods
        }
        let kernel = Smoothing::Gaussian(self.options.smoothing).normalised()?;
        let polynomial = Polynomial::new(match self.options.method {
            Method::Polynomial => self.options.radius(self.voxel_size()),
            _ => 1.0,
        })?;
        let slope = match self.options.method {
            Method::Polynomial => polynomial.gradient_variance(&kernel).sqrt(),
            _ => difference_variance(&kernel).sqrt(),
        };
        let chunks = seeds.len().div_ceil(CHUNK);
        let of_chunks = collected(self.context, chunks, "fitting maxima", waiting, &|chunk| {
            let of_chunk = seeds[chunk * CHUNK..].iter().take(CHUNK);
            let fit = |seed: &Seed| match self.options.method {
                Method::Parabola => self.parabola(seed, slope),
                Method::Polynomial => self.polynomial(&polynomial, seed, slope),
                Method::Gaussian => self.gaussian(seed),
            };
            of_chunk.map(|seed| self.checked(fit(seed), seed)).collect::<Vec<_>>()
        })?;
        Ok(of_chunks.concat())
    }

    /// A candidate at the fractional index `at` (z, y, x), its other numbers unknown.
    fn candidate(&self, at: Vec3, height: f64, flag: Flag) -> Candidate {
        Candidate {
            position: self.volume.position(at),
            height,
            flag,
            round: 0,
            curvature: [f64::NAN; 3],
            widths: [f64::NAN; 3],
            residual: f64::NAN,
            standard_error: [f64::NAN; 3],
            iterations: 0,
        }
    }

    /// Sets curvature and standard errors from a Hessian along z, y, x; `slope` is the standard deviation of the gradient
    /// in noise of standard deviation 1.
    fn with_curvature(&self, mut candidate: Candidate, hessian: &[Vec3; 3], slope: f64) -> Candidate {
        let h = nalgebra::Matrix3::from_fn(|a, b| hessian[a][b]);
        let mut eigenvalues: Vec3 = h.symmetric_eigenvalues().into();
        eigenvalues.sort_by(f64::total_cmp);
        candidate.curvature = eigenvalues.map(|v| v / self.voxel_size().powi(2));
        candidate.standard_error = match h.try_inverse() {
            // d = -H^-1 g, the components of g independent
            Some(inverse) => {
                std::array::from_fn(|a| inverse.row(2 - a).norm() * slope * self.noise * self.voxel_size())
            }
            None => [f64::INFINITY; 3],
        };
        candidate
    }

    fn parabola(&self, seed: &Seed, slope: f64) -> Candidate {
        let parabola = Parabola::around(&self.smoothed, seed.voxel);
        let offset = parabola.offset();
        let at = std::array::from_fn(|a| seed.voxel[a] as f64 + offset[a]);
        let mut candidate = self.candidate(at, parabola.height(&offset), Flag::Accepted);
        candidate.iterations = 1;
        let misfit = |k: usize| {
            let d = [k / 9, k / 3 % 3, k % 3];
            let voxel: [usize; 3] = std::array::from_fn(|a| seed.voxel[a] + d[a] - 1);
            f64::from(self.smoothed[voxel]) - parabola.at(&d.map(|v| v as f64 - 1.0))
        };
        candidate.residual = ((0..27).map(|k| misfit(k).powi(2)).sum::<f64>() / 27.0).sqrt();
        self.with_curvature(candidate, &parabola.hessian, slope)
    }

    fn polynomial(&self, fit: &Polynomial, seed: &Seed, slope: f64) -> Candidate {
        let found = fit.fit(&self.smoothed, seed.voxel);
        let flag = match found.end {
            End::Still => Flag::Accepted,
            End::NotAMaximum => Flag::NotAMaximum,
            End::LeftItsBox => Flag::LeftItsBox,
            End::NotConverged => Flag::NotConverged,
        };
        let mut candidate = self.candidate(found.position, found.height, flag);
        candidate.residual = found.residual;
        candidate.iterations = found.moves;
        self.with_curvature(candidate, &found.hessian, slope)
    }

    /// A Gaussian on a background, by the voxels of the volume itself. Where they do not tell width and background apart,
    /// the background stays where it is lowest.
    fn gaussian(&self, seed: &Seed) -> Candidate {
        let radius = self.options.radius(self.voxel_size());
        let samples = self.ball(seed.voxel, radius);
        let lowest = samples.places.iter().map(|p| f64::from(self.smoothed[p.map(|v| v as usize)]));
        let lowest = lowest.fold(f64::INFINITY, f64::min);
        let start = self.start(seed.voxel, lowest, (0.5, radius * radius));
        let widths = (0.1, 4.0 * radius * radius);
        let free = Freedom { anisotropic: self.options.anisotropic, widths, background: true };
        let flag_of = |fitted: &gaussian::Fitted| {
            let [atom] = fitted.atoms.as_slice() else { return Flag::NotConverged };
            let moved = (0..3).map(|a| (atom.centre[a] - seed.voxel[a] as f64).powi(2)).sum::<f64>().sqrt();
            match () {
                () if !fitted.converged => Flag::NotConverged,
                () if atom.height <= 0.0 => Flag::NotAMaximum,
                () if atom.widths.iter().any(|b| *b >= widths.1 || *b <= widths.0) => Flag::NotConverged,
                () if moved > FURTHEST => Flag::LeftItsBox,
                () => Flag::Accepted,
            }
        };
        let mut fitted = gaussian::fit(&samples, &[start], lowest, free);
        let mut flag = flag_of(&fitted);
        if flag != Flag::Accepted {
            let fixed = gaussian::fit(&samples, &[start], lowest, Freedom { background: false, ..free });
            if flag_of(&fixed) == Flag::Accepted {
                (flag, fitted) = (Flag::Accepted, fixed);
            }
        }
        let atom = fitted.atoms.first().filter(|_| flag == Flag::Accepted).copied();
        let errors = fitted.errors.first().copied().unwrap_or([f64::INFINITY; 3]);
        let mut candidate = match atom {
            Some(atom) => self.of_gaussian(&atom, &errors, 0, flag),
            None => self.candidate(start.centre, start.height, flag),
        };
        candidate.residual = fitted.residual;
        candidate.iterations = fitted.iterations;
        candidate
    }

    fn of_gaussian(&self, atom: &Gaussian, errors: &Vec3, round: usize, flag: Flag) -> Candidate {
        let voxel = self.voxel_size();
        Candidate {
            round,
            widths: std::array::from_fn(|a| atom.widths[2 - a] * voxel * voxel),
            standard_error: std::array::from_fn(|a| errors[2 - a] * voxel),
            ..self.candidate(atom.centre, atom.height, flag)
        }
    }

    /// Voxels of the volume within `radius` of a voxel.
    fn ball(&self, voxel: [usize; 3], radius: f64) -> Samples {
        let mut samples = Samples::default();
        let shape = self.volume.shape();
        let values = self.volume.values();
        let reach = radius.floor() as usize;
        let range = |a: usize| voxel[a].saturating_sub(reach)..(voxel[a] + reach + 1).min(shape[a]);
        for (z, y) in range(0).flat_map(|z| range(1).map(move |y| (z, y))) {
            for x in range(2) {
                let at = [z, y, x];
                let square: f64 = (0..3).map(|a| (at[a] as f64 - voxel[a] as f64).powi(2)).sum();
                if square <= radius * radius {
                    samples.places.push(at.map(|v| v as f64));
                    samples.values.push(f64::from(values[at]));
                }
            }
        }
        samples
    }

    /// A Gaussian as high and as curved as the smoothed volume, before the smoothing.
    fn start(&self, voxel: [usize; 3], background: f64, widths: (f64, f64)) -> Gaussian {
        let parabola = Parabola::around(&self.smoothed, voxel);
        let offset = parabola.offset();
        let height = (parabola.height(&offset) - background).max(f64::MIN_POSITIVE);
        let curvature = (0..3).map(|a| parabola.hessian[a][a]).sum::<f64>() / 3.0;
        let smoothed = if curvature < 0.0 { -2.0 * height / curvature } else { widths.1 };
        let by = 2.0 * self.options.smoothing.powi(2);
        let width = (smoothed - by).clamp(widths.0, widths.1);
        Gaussian {
            centre: std::array::from_fn(|a| voxel[a] as f64 + offset[a].clamp(-1.0, 1.0)),
            height: height * ((width + by) / width).powf(1.5),
            widths: [width; 3],
        }
    }

    /// Says what became of a fit: places added by hand are atoms in any case, at the place given where the fit has none.
    fn checked(&self, mut candidate: Candidate, seed: &Seed) -> Candidate {
        if let Some(start) = seed.added {
            let at = self.volume.index(&candidate.position);
            let moved = (0..3).map(|a| (at[a] - start[a]).powi(2)).sum::<f64>().sqrt();
            if candidate.flag != Flag::Accepted || moved > FURTHEST || !seed.is_maximum {
                candidate = self.candidate(start, f64::from(self.smoothed[self.inner_voxel(&start)]), Flag::Added);
            }
            candidate.flag = Flag::Added;
        } else if candidate.flag == Flag::Accepted && !self.is_supported(&candidate.position) {
            candidate.flag = Flag::OutOfSupport;
        }
        candidate
    }

    fn is_supported(&self, position: &Vec3) -> bool {
        self.options.support.is_none_or(|support| support.nearest(position) > 0.5)
    }

    /// Flags what was removed by hand and what lies too close to a stronger one.
    fn select(&self, candidates: &mut [Candidate]) -> Result<()> {
        sort(candidates);
        if !self.options.removed.is_empty() {
            let removed = Neighbours::new(&self.options.removed)?;
            let radius = self.options.removal(self.voxel_size());
            for candidate in candidates.iter_mut().filter(|c| c.flag == Flag::Accepted) {
                if !removed.within(&candidate.position, radius).is_empty() {
                    candidate.flag = Flag::Removed;
                }
            }
        }
        let order: Vec<usize> = (0..candidates.len()).filter(|i| candidates[*i].flag.is_atom()).collect();
        if order.is_empty() {
            return Ok(());
        }
        let points: Vec<Vec3> = order.iter().map(|i| candidates[*i].position).collect();
        let near = Neighbours::new(&points)?;
        let distance = self.options.distance(self.voxel_size());
        for (rank, point) in points.iter().enumerate() {
            if candidates[order[rank]].flag.is_atom() {
                for other in near.within(point, distance).into_iter().filter(|other| *other > rank) {
                    let other = &mut candidates[order[other]];
                    if other.flag == Flag::Accepted {
                        other.flag = Flag::TooClose;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts the atoms of the joint fit in the place of the candidates, and adds those found in what is left.
    fn explain(&self, candidates: &mut Vec<Candidate>, threshold: f64, waiting: &mut Waiting<'_>) -> Result<()> {
        let chosen: Vec<usize> = (0..candidates.len()).filter(|i| candidates[*i].flag.is_atom()).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let voxel = self.voxel_size();
        let limits = (0.5, 72.0);
        let sites = chosen.iter().map(|i| {
            let at = self.volume.index(&candidates[*i].position);
            let start = self.start(self.inner_voxel(&at), self.levels.median, limits);
            Site::new(Gaussian { centre: at, ..start }, 0)
        });
        let part = self.options.explain_part.unwrap_or(EXPLAIN_PART);
        let kernel = Smoothing::Gaussian(self.options.smoothing).normalised()?;
        let gain: f64 = (-(kernel.len() as i32 - 1)..kernel.len() as i32)
            .map(|i| kernel[i.unsigned_abs() as usize].powi(2))
            .sum::<f64>()
            .powf(1.5);
        let explainer = Explainer {
            context: self.context,
            volume: self.volume,
            anisotropic: self.options.anisotropic,
            smoothing: self.options.smoothing,
            threshold: (part * (threshold - self.levels.median)).max(FIVE_SIGMA * gain * self.noise),
            distance: self.options.distance(voxel) / voxel,
            rounds: self.options.explain_rounds,
            allowed: &|index| {
                let position = self.volume.position(*index);
                let radius = self.options.removal(voxel);
                let near = |p: &Vec3| (0..3).map(|a| (p[a] - position[a]).powi(2)).sum::<f64>() < radius * radius;
                self.is_supported(&position) && !self.options.removed.iter().any(near)
            },
        };
        let explained = explainer.run(sites.collect(), self.levels.median, waiting)?;
        for (k, site) in explained.into_iter().enumerate() {
            let flag = match chosen.get(k).map(|i| candidates[*i].flag) {
                Some(Flag::Added) => Flag::Added,
                _ => site.flag,
            };
            let made = Candidate {
                residual: site.residual,
                iterations: site.iterations,
                ..self.of_gaussian(&site.atom, &site.errors, site.round, flag)
            };
            match chosen.get(k) {
                Some(i) => candidates[*i] = made,
                None => candidates.push(made),
            }
        }
        Ok(())
    }

    /// The accepted ones, at most as many as asked for.
    fn atoms(&self, candidates: &mut [Candidate], threshold: f64) -> Result<Atoms> {
        sort(candidates);
        let most = self.options.max_atoms.unwrap_or(usize::MAX);
        candidates.iter_mut().filter(|c| c.flag.is_atom()).skip(most).for_each(|c| c.flag = Flag::Surplus);
        let kept: Vec<&Candidate> = candidates.iter().filter(|c| c.flag.is_atom()).collect();
        if kept.is_empty() {
            if candidates.is_empty() {
                return Err(self.nothing(threshold));
            }
            let why = format!("none of {} maxima above {threshold:.4e} was accepted", candidates.len());
            return Err(Error::Empty { what: "peaks of the volume".into(), why });
        }
        let atoms = Atoms::new(kept.iter().map(|c| c.position).collect())?
            .with_species(vec![self.options.species; kept.len()])?
            .with_heights(kept.iter().map(|c| c.height).collect())?
            .with_standard_errors(kept.iter().map(|c| c.standard_error).collect())?;
        // B of the same volume under the Gaussian
        let widths: Vec<f64> = kept.iter().map(|c| c.widths.iter().product::<f64>().cbrt()).collect();
        match widths.iter().all(|b| b.is_finite()) {
            true => atoms.with_property(Property::Width, widths),
            false => Ok(atoms),
        }
    }
}

/// A Gaussian further than this from its voxel belongs to another, voxels.
const FURTHEST: f64 = 1.75;

const EXPLAIN_PART: f64 = 0.5;
const FIVE_SIGMA: f64 = 5.0;

/// Added ones first, then the strongest; equal ones as they stand.
fn sort(candidates: &mut [Candidate]) {
    let rank = |c: &Candidate| c.flag != Flag::Added;
    candidates.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.height.total_cmp(&a.height)));
}

/// Variance of a central difference of voxels that were smoothed with `kernel` along each axis, for noise of unit
/// variance: (C(0) - C(2)) / 2 with the covariance C along the axis.
fn difference_variance(kernel: &[f64]) -> f64 {
    let half = kernel.len() as i32 - 1;
    let at = |i: i32| kernel.get(i.unsigned_abs() as usize).copied().unwrap_or(0.0);
    let covariance = |shift: i32| (-half..=half).map(|i| at(i) * at(i + shift)).sum::<f64>();
    0.5 * covariance(0).powi(2) * (covariance(0) - covariance(2))
}
