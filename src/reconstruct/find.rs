//! From images to atoms without a model to start from.
//!
//! 1. A SIRT volume, smoothed; its peaks are the first guess.
//! 2. The local-orbital model is fitted to the images.
//! 3. Weak orbitals are dropped, near ones merged; where any were, the fit is made again.
//! 4. The images minus the fit give a residual volume (SIRT without positivity: linear in the data). Its peaks that are
//!    as high as those of a fitted atom, taken as a part, and far enough from all atoms become new atoms.
//!
//! Steps 2 to 4 repeat until nothing changes. What one atom measures in the residual volume is measured, not assumed:
//! the same solver sees calculated images of some of the fitted atoms alone.

use super::driver::Watch;
use super::options::{LotModel, LotOptions};
use super::reconstruction::Reconstruction;
use super::tomography::{QuickVolume, TomographyMethod, TomographyOptions};
use crate::context::{log, CancelToken, Context};
use crate::dataset::{LengthUnit, SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::local_orbital::Sharing;
use crate::geometry::{self, Vec3};
use crate::grid;
use crate::optics::Probe;
use crate::optimize::{Stopping, Termination};
use crate::prepare;
use crate::problem::{Observer, Progress};
use crate::specimen::{elements, Atoms, Volume};
use crate::trace::{self, Neighbours, Peak, PeakOptions};

/// How atoms are found; lengths are in the unit of the series, `None` means automatic.
#[derive(Debug, Clone, PartialEq)]
pub struct FindOptions {
    /// The model that is fitted. Each atom has its own height whatever is said here, and without a probe the model is
    /// direct.
    pub fit: LotOptions,
    /// The volume of the first guess, by SIRT if nothing is said; residual volumes have its shape.
    pub tomography: TomographyOptions,
    /// Atoms nearer than this are one: below the shortest bond. `None`: 1.6 A.
    pub minimum_distance: Option<f64>,
    /// Standard deviation by which volumes are smoothed. `None`: a quarter of the minimum distance.
    pub smoothing: Option<f64>,
    /// Smallest peak of the first guess, as a part of the 99.9 % quantile of the smoothed volume. `None`: as in
    /// [`PeakOptions`].
    pub threshold: Option<f64>,
    /// Orbitals lower than this part of the median height are no atoms. With species of very different heights it must
    /// lie below the ratio of the lightest to the median.
    pub weak: f64,
    /// Fits at most.
    pub max_cycles: usize,
    /// Iterations of each fit.
    pub fit_iterations: usize,
    /// Atomic number of all atoms. `None`: that of the series, where its key `elements` names one element; else unknown.
    pub species: Option<u8>,
}

impl Default for FindOptions {
    fn default() -> Self {
        Self {
            fit: LotOptions::default(),
            tomography: TomographyOptions { method: TomographyMethod::Sirt, ..Default::default() },
            minimum_distance: None,
            smoothing: None,
            threshold: None,
            weak: 0.4,
            max_cycles: 12,
            fit_iterations: 40,
            species: None,
        }
    }
}

/// Atoms with what led to them.
#[derive(Debug, Clone)]
pub struct Found {
    /// The atoms, with heights and widths as fitted.
    pub atoms: Atoms,
    /// Fits made.
    pub cycles: usize,
    /// Peaks of the first guess.
    pub first_guess: usize,
    /// Mean R factor of the last fit.
    pub r_factor: f64,
    /// `Stalled`: nothing changed any more; `MaxIterations`: the last cycle still changed something; `Cancelled`: the
    /// atoms of the last fit.
    pub termination: Termination,
}

/// Shortest bond that is told apart where nothing is said, A. Bonds of the solids seen by ADF imaging are longer.
const MINIMUM_DISTANCE: f64 = 1.6;

/// SIRT iterations of a residual volume.
const RESIDUAL_ITERATIONS: usize = 10;

/// Atoms that measure what one atom is in a residual volume.
const SAMPLES: usize = 24;

/// A place that lost its atom this often gets no more.
const REFUSALS: usize = 2;

impl FindOptions {
    fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.weak) {
            return Err(Error::range("weak", self.weak, "0 up to below 1 (part of the median height)"));
        }
        for (name, value) in [("minimum_distance", self.minimum_distance), ("smoothing", self.smoothing)] {
            if let Some(v) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(Error::range(name, v, "a positive number (length unit of the series)"));
            }
        }
        for (name, count) in [("max_cycles", self.max_cycles), ("fit_iterations", self.fit_iterations)] {
            if count == 0 {
                return Err(Error::range(name, count, "at least 1"));
            }
        }
        match self.species {
            Some(z) if z > elements::MAX_ATOMIC_NUMBER => {
                Err(Error::range("species", z, format!("an atomic number 0 to {}", elements::MAX_ATOMIC_NUMBER)))
            }
            _ => Ok(()),
        }
    }

    fn minimum_distance(&self, version: &SeriesVersion) -> Result<f64> {
        match (self.minimum_distance, version.length_unit()) {
            (Some(distance), _) => Ok(distance),
            (None, LengthUnit::Angstrom) => Ok(MINIMUM_DISTANCE),
            (None, LengthUnit::Pixel) => Err(Error::NotReady {
                what: "minimum_distance".into(),
                why: "the series is in pixels, so that there is no automatic value; give it in pixels".into(),
            }),
        }
    }
}

/// Finds the atoms of `series`; `probe` is needed by the rigid model. The observer sees the cycle as iteration, the
/// volume's residual or the fit's loss, and may end the search: the atoms of the last fit are kept.
///
/// # Errors
/// As for [`super::reconstruct_volume`] and [`Reconstruction::local_orbital`]; `Empty` where the volume has no peak or no atom is left;
/// `Cancelled` before the first fit was done.
pub fn find_atoms(
    context: &Context,
    series: &TiltSeries,
    probe: Option<&Probe>,
    options: &FindOptions,
    observer: &mut Observer<'_>,
) -> Result<Found> {
    context.check_process()?;
    options.check()?;
    let version = series.version();
    let mut fit = LotOptions { height_sharing: Some(Sharing::Atom), ..options.fit.clone() };
    if probe.is_none() {
        fit.model = LotModel::Direct;
    }
    fit.check()?;
    let cancel = context.cancel_token();
    let mut watch = Watch::new(&cancel, observer, 0, options.max_cycles);
    let solver = QuickVolume::new(context, version.clone(), &options.tomography, None)?;
    let distance = options.minimum_distance(&version)?;
    let search = Search {
        context,
        series,
        version: &version,
        probe,
        fit,
        options,
        solver,
        distance,
        species: options.species.unwrap_or_else(|| single_element(&version)),
        cancel: &cancel,
    };
    search.run(&mut watch)
}

struct Search<'a> {
    context: &'a Context,
    series: &'a TiltSeries,
    version: &'a SeriesVersion,
    probe: Option<&'a Probe>,
    fit: LotOptions,
    options: &'a FindOptions,
    solver: QuickVolume,
    distance: f64,
    species: u8,
    cancel: &'a CancelToken<'a>,
}

/// Positions, heights and width of a fit: what the next one starts from.
#[derive(Debug, Clone)]
struct Guess {
    positions: Vec<Vec3>,
    heights: Vec<f64>,
    width: Option<f64>,
}

/// What changes from cycle to cycle.
struct Course {
    refused: Vec<(Vec3, usize)>,
    /// Height of an atom of median height in the smoothed residual volume.
    atom_height: Option<f64>,
}

impl Search<'_> {
    fn run(&self, watch: &mut Watch<'_, '_>) -> Result<Found> {
        let mut guess = self.first_guess(watch)?;
        let first_guess = guess.positions.len();
        let mut course = Course { refused: vec![], atom_height: None };
        let mut kept: Option<Found> = None;
        for cycle in 1..=self.options.max_cycles {
            let (atoms, recon) = match self.fitted(&guess, cycle, watch) {
                Ok(fitted) => fitted,
                Err(Error::Cancelled { .. }) if kept.is_some() => break,
                Err(error) => return Err(error),
            };
            let r_factors: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
            let r_factor = r_factors.iter().sum::<f64>() / r_factors.len() as f64;
            let termination = Termination::Cancelled; // unless this cycle is followed through
            kept = Some(Found { atoms: atoms.clone(), cycles: cycle, first_guess, r_factor, termination });
            let next = match self.revised(&atoms, &recon, cycle, &mut course, watch) {
                Ok(next) => next,
                Err(Error::Cancelled { .. }) => break,
                Err(error) => return Err(error),
            };
            if let Some(found) = &mut kept {
                found.termination = if next.is_none() { Termination::Stalled } else { Termination::MaxIterations };
            }
            match next {
                Some(next) => guess = next,
                None => break,
            }
            if cycle < self.options.max_cycles && self.cancel.is_cancelled() {
                kept.iter_mut().for_each(|k| k.termination = Termination::Cancelled);
                break;
            }
        }
        kept.ok_or_else(|| Error::Internal("no fit was made".into()))
    }

    fn smoothing_voxels(&self) -> f64 {
        let smoothing = self.options.smoothing.unwrap_or(0.25 * self.distance);
        smoothing / self.options.tomography.voxel_size.unwrap_or(self.version.pixel_size())
    }

    fn first_guess(&self, watch: &mut Watch<'_, '_>) -> Result<Guess> {
        let volume = self.solver.solve(None, watch)?.volume;
        self.cancel.check("reconstructing the start volume")?;
        let options = PeakOptions {
            smoothing: self.smoothing_voxels(),
            minimum_distance: Some(self.distance),
            threshold: self.options.threshold,
            ..Default::default()
        };
        let atoms = watch.wait(|waiting| trace::peaks(self.context, &volume, &options, waiting))?;
        log::info(format!("{} peaks in the start volume", atoms.len()));
        Ok(Guess {
            positions: atoms.positions().to_vec(),
            heights: vec![1.0; atoms.len()],
            width: self.fit.width_start,
        })
    }

    /// The fit that starts from `guess`.
    fn fitted(&self, guess: &Guess, cycle: usize, watch: &mut Watch<'_, '_>) -> Result<(Atoms, Reconstruction)> {
        let n = guess.positions.len();
        let atoms = Atoms::new(guess.positions.clone())?
            .with_species(vec![self.species; n])?
            .with_heights(guess.heights.clone())?;
        let options = LotOptions { width_start: guess.width, ..self.fit.clone() };
        let recon = Reconstruction::local_orbital(self.context, self.series, self.probe, &atoms, &options)?;
        let stopping =
            Stopping { max_iterations: self.options.fit_iterations, loss_tolerance: 1e-4, ..Default::default() };
        let cycles = self.options.max_cycles;
        let ended = recon.run(&stopping, &mut |p: &Progress| {
            watch.progress = Progress {
                iteration: cycle,
                max_iterations: cycles,
                fraction: ((cycle - 1) as f64 + p.fraction) / cycles as f64,
                ..*p
            };
            watch.tell();
            !watch.cancel.is_cancelled()
        })?;
        if ended == Termination::Cancelled {
            return Err(Error::Cancelled { phase: "fitting" });
        }
        Ok((recon.atoms()?, recon))
    }

    /// What the next fit should start from; `None` where the atoms stay as they are.
    fn revised(
        &self,
        atoms: &Atoms,
        recon: &Reconstruction,
        cycle: usize,
        course: &mut Course,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Option<Guess>> {
        let width = atoms.widths().and_then(|w| w.first().copied());
        let (mut next, removed) = self.pruned(atoms, width)?;
        if next.positions.is_empty() {
            let why = "no orbital is left after weak ones were dropped".into();
            return Err(Error::Empty { what: "atoms".into(), why });
        }
        removed.iter().for_each(|p| course.refuse(p, 0.5 * self.distance));
        let dropped = removed.len();
        let mut added = 0;
        if dropped == 0 {
            let new = self.missing(&next, recon, course, watch)?;
            added = new.len();
            let height = median(&next.heights);
            next.heights.extend(new.iter().map(|_| height));
            next.positions.extend(new);
        }
        log::info(format!("cycle {cycle}: {} atoms fitted, {dropped} dropped or merged, {added} added", atoms.len()));
        Ok((dropped + added > 0).then_some(next))
    }

    /// Without weak orbitals, those outside of every image, and the weaker of near ones, which moves the stronger to the
    /// mean of both weighted by height; and where some were removed.
    fn pruned(&self, atoms: &Atoms, width: Option<f64>) -> Result<(Guess, Vec<Vec3>)> {
        let positions = atoms.positions();
        let heights = atoms.heights().map_or_else(|| vec![1.0; atoms.len()], <[f64]>::to_vec);
        let lowest = self.options.weak * median(&heights);
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by(|a, b| heights[*b].total_cmp(&heights[*a]));
        let near = Neighbours::new(positions)?;
        let mut gone = vec![false; positions.len()];
        let mut next = Guess { positions: vec![], heights: vec![], width };
        let mut removed = Vec::new();
        for i in order {
            if gone[i] {
                continue;
            }
            gone[i] = true;
            if heights[i] <= lowest.max(0.0) || !self.is_seen(&positions[i]) {
                removed.push(positions[i]);
                continue;
            }
            let (mut sum, mut weight) = (positions[i].map(|v| v * heights[i]), heights[i]);
            for j in near.within(&positions[i], self.distance) {
                if gone[j] {
                    continue;
                }
                gone[j] = true;
                removed.push(positions[j]);
                let h = heights[j].max(0.0);
                (0..3).for_each(|a| sum[a] += h * positions[j][a]);
                weight += h;
            }
            next.positions.push(sum.map(|v| v / weight));
            next.heights.push(weight);
        }
        Ok((next, removed))
    }

    /// Whether a point lies in any image in use.
    fn is_seen(&self, point: &Vec3) -> bool {
        let (rows, columns, pixel) = (self.version.rows(), self.version.columns(), self.version.pixel_size());
        let inside = |at: f64, n: usize| {
            let index = grid::origin(n) as f64 + at / pixel;
            (0.0..=(n - 1) as f64).contains(&index)
        };
        self.version.images().iter().filter(|image| !image.excluded).any(|image| {
            let p = geometry::apply(&image.rotation, point);
            inside(p[0] + image.drift[0], columns) && inside(p[1] + image.drift[1], rows)
        })
    }

    /// Places in the residual volume that look like atoms.
    fn missing(
        &self,
        guess: &Guess,
        recon: &Reconstruction,
        course: &mut Course,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Vec<Vec3>> {
        let x = recon.parameters();
        let calculated = recon.predict(&x, None)?;
        let of_atom = match course.atom_height {
            Some(height) => height,
            None => *course.atom_height.insert(self.height_of_one(guess, recon, &x, watch)?),
        };
        let images = self.version.images();
        let pixels = self.version.rows() * self.version.columns();
        let mut residuals = vec![Vec::new(); images.len()];
        for (of_image, image) in calculated.chunks_exact(pixels).zip(recon.used_images()) {
            let observed = images[image].pixels.iter();
            residuals[image] = observed.zip(of_image).map(|(o, c)| o - *c as f32).collect();
        }
        let (volume, smoothed) = self.residual_volume(&residuals, watch)?;
        let lowest = self.options.weak * of_atom;
        let maxima = watch.wait(|w| trace::maxima(self.context, smoothed.values(), &volume, lowest, w))?;
        let known = Neighbours::new(&guess.positions)?;
        let free = |peak: &Peak| {
            known.within(&peak.position, self.distance).is_empty()
                && self.is_seen(&peak.position)
                && !course.is_refused(&peak.position, 0.5 * self.distance)
        };
        let candidates = maxima.into_iter().filter(free).collect();
        Ok(trace::thin_out(candidates, self.distance)?.into_iter().map(|peak| peak.position).collect())
    }

    fn residual_volume(&self, images: &[Vec<f32>], watch: &mut Watch<'_, '_>) -> Result<(Volume, Volume)> {
        let options = TomographyOptions {
            method: TomographyMethod::Sirt,
            iterations: Some(RESIDUAL_ITERATIONS),
            positivity: Some(false),
            accelerated: true,
            ..self.options.tomography.clone()
        };
        let before = watch.progress;
        let volume = self.solver.of_pixels(images, options)?.solve(None, watch)?.volume;
        watch.progress = before;
        self.cancel.check("reconstructing the residual volume")?;
        let sigma = self.smoothing_voxels();
        let smoothed = watch.wait(|waiting| prepare::gaussian_smooth(self.context, &volume, sigma, waiting))?;
        Ok((volume, smoothed))
    }

    /// Height in the smoothed residual volume of an atom of median height that the model lacks.
    fn height_of_one(
        &self,
        guess: &Guess,
        recon: &Reconstruction,
        x: &[f64],
        watch: &mut Watch<'_, '_>,
    ) -> Result<f64> {
        let layout = recon.layout();
        let median = median(&guess.heights);
        let atoms = recon.atoms()?;
        let samples = spread(atoms.positions(), 4.0 * self.distance);
        let mut alone = x.to_vec();
        let heights = layout.offset("heights").ok_or_else(|| Error::Internal("heights are frozen".into()))?;
        alone[heights..heights + atoms.len()].fill(0.0);
        samples.iter().for_each(|i| alone[heights + i] = median);
        if let Some(background) = layout.offset("background") {
            alone[background..background + layout.block("background")?.len()].fill(0.0);
        }
        let pixels = self.version.rows() * self.version.columns();
        let calculated = recon.predict(&alone, None)?;
        let mut images = vec![Vec::new(); self.version.images().len()];
        for (of_image, image) in calculated.chunks_exact(pixels).zip(recon.used_images()) {
            images[image] = of_image.iter().map(|v| *v as f32).collect();
        }
        let (volume, smoothed) = self.residual_volume(&images, watch)?;
        let values: Vec<f64> =
            samples.iter().filter_map(|i| highest_near(&volume, &smoothed, &atoms.positions()[*i])).collect();
        Ok(if values.is_empty() { f64::INFINITY } else { self::median(&values) })
    }
}

impl Course {
    fn refuse(&mut self, point: &Vec3, radius: f64) {
        match self.refused.iter_mut().find(|(at, _)| near(at, point, radius)) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((*point, 1)),
        }
    }

    fn is_refused(&self, point: &Vec3, radius: f64) -> bool {
        self.refused.iter().any(|(at, count)| *count >= REFUSALS && near(at, point, radius))
    }
}

fn near(a: &Vec3, b: &Vec3, radius: f64) -> bool {
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>() < radius * radius
}

/// Some atoms that are `distance` apart, in their order.
fn spread(positions: &[Vec3], distance: f64) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for (i, p) in positions.iter().enumerate() {
        if chosen.len() < SAMPLES && chosen.iter().all(|j| !near(&positions[*j], p, distance)) {
            chosen.push(i);
        }
    }
    chosen
}

/// The highest value of the voxels around a position; `None` outside.
fn highest_near(grid_of: &Volume, values: &Volume, position: &Vec3) -> Option<f64> {
    let shape = grid_of.shape();
    let index = |axis: usize| {
        let at = position[2 - axis] / grid_of.voxel_size() + grid::origin(shape[axis]) as f64;
        (at >= 0.0 && at < shape[axis] as f64 - 0.5).then(|| at.round() as usize)
    };
    let at = [index(0)?, index(1)?, index(2)?];
    let around = |axis: usize| at[axis].saturating_sub(1)..(at[axis] + 2).min(shape[axis]);
    let of_plane = |z| around(1).flat_map(move |y| around(2).map(move |x| [z, y, x]));
    around(0).flat_map(of_plane).map(|i| f64::from(values.values()[i])).reduce(f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The atomic number of a series whose metadata name one element: `["Si"]` or `Si`; else 0.
fn single_element(version: &SeriesVersion) -> u8 {
    let Some(entry) = version.metadata().get("elements") else { return 0 };
    let symbols: Vec<String> =
        serde_json::from_str(&entry.value).unwrap_or_else(|_| vec![entry.value.trim().to_string()]);
    match symbols.as_slice() {
        [one] => elements::atomic_number(one).unwrap_or(0),
        _ => 0,
    }
}
