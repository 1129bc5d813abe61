//! From images to atoms: traced in a volume, then refined against the images themselves.
//!
//! 1. A volume of the images is traced ([`crate::trace`]): its maxima, above the valley between noise and atoms in the
//!    histogram of their heights, are the first guess. Or the atoms that are given are, or what coarse fits leave of a dense
//!    grid of orbitals.
//! 2. The local-orbital model is fitted to the images: positions, a height for every atom, one width per species.
//! 3. The heights tell the species. Weak orbitals are dropped, and lonely ones; near ones are merged,
//!    those far too high become two.
//! 4. The images minus the fit give a residual volume (SIRT without positivity: linear in the data). Its peaks that are as
//!    high as those of a fitted atom, taken as a part, and neither too near to atoms nor far from all become new atoms.
//!
//! Between fits the atoms tell their common shape, the orbital ([`Reconstruction::fit_orbital`]), and where there is a probe
//! the first guess tells whether the rigid or the direct model follows the images better: columns of atoms guide the probe,
//! which then does not spread with depth as it would in vacuum.
//!
//! Where errors of model and alignment are larger than noise, as in measured images, a fit that moves atoms can follow them and
//! lose the atoms. Where it is asked for, images that are held out tell: unless they come nearer, too, the atoms stay where they were traced, and
//! only their heights are fitted.
//!
//! Steps 2 to 4 repeat until next to nothing changes. Adaptive probes come then, and the steps go on: pixels that follow atoms
//! which are not there yet would hide that they are missing. What one atom measures in the residual volume is measured, not assumed:
//! the same solver sees calculated images of some of the fitted atoms alone.

mod decide;
mod grid;
mod held_out;
mod journal;
mod options;
mod residual;
mod revise;

pub use options::{FindOptions, FirstGuess};

use self::journal::{Decision, Journal, Kind};
use self::revise::{Counts, Course};
use super::driver::Watch;
use super::optics::DefocusScan;
use super::options::{LotModel, LotOptions};
use super::reconstruction::Reconstruction;
use super::tomography::QuickVolume;
use crate::classify::{expected_mixture, expected_strengths};
use crate::context::{log, CancelToken, Context};
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::local_orbital::Sharing;
use crate::geometry::Vec3;
use crate::optics::Probe;
use crate::optimize::{Stopping, Termination};
use crate::prepare;
use crate::problem::{Observer, Progress};
use crate::specimen::Atoms;
use crate::statistics::median;
use crate::table::Table;
use crate::trace::{self, Threshold, TraceOptions};

/// Atoms with what led to them.
#[derive(Debug, Clone)]
pub struct Found {
    /// The atoms, with heights and widths as fitted; where there are several species, with the probabilities of theirs.
    pub atoms: Atoms,
    /// The first guess: what was traced in the volume, the atoms that were given, or what coarse fits left of the grid.
    pub traced: Atoms,
    /// One row per fit: see [`find_atoms`].
    pub cycles: Table,
    /// One row per orbital that came, went or changed: see [`find_atoms`].
    pub decisions: Table,
    /// The options of the last fit, for a final one: model, loss, and the orbital that heights and widths belong to.
    pub fit: LotOptions,
    /// Whether the fits moved the atoms; see [`FindOptions::hold_out`].
    pub moved: bool,
    /// Mean R factor of the last fit.
    pub r_factor: f64,
    /// Mean R factor of the first guess, with one height for all, the start width and the background of least squares.
    pub r_factor_traced: f64,
    /// `Stalled`: next to nothing changed any more; `MaxIterations`: the last cycle still changed something; `Cancelled`:
    /// the atoms of the last fit.
    pub termination: Termination,
}

/// The search ends where a cycle changes the number of atoms by no more than this part of them ...
const SETTLED: f64 = 5e-4;

/// ... and tries no more than this part of them, and one, at new places: noise always offers some.
const TRIED: f64 = 5e-3;

/// Finds the atoms of `series`; `probe` is needed by the rigid model. The observer sees the cycle as iteration, the
/// volume's residual or the fit's loss, and may end the search: the atoms of the last fit are kept.
///
/// The table of the fits has the columns `atoms` (fitted), `dropped` (weak, unseen, outside of the support), `lonely`,
/// `merged`, `split`, `added`, `reclassified` (atoms whose species changed), `loss` and `r_factor`, and the values
/// `defocus_0`, ... (A) where the defocus was looked for. Before the last fit is
/// handed out, its weak, lonely and near orbitals are taken away; nothing is added to it. The coarse fits of a grid come first.
///
/// The table of decisions has the columns `cycle` (row of the table of fits, from 1), `kind` (1 weak, 2 outside of all images
/// or of the support, 3 lonely, 4 merged, 5 split, 6 added, 7 reclassified), `orbital` (its number in that fit; of an added one
/// in the next), `x`, `y`, `z`, `height`, `partner` (the orbital of the fit that took a merged one up; the other half, in the
/// next fit, of one that was split) and `ratio`: height to least height, distance to the one that takes up or to the nearest
/// in parts of the limit, height to the largest one, height of a peak to the least (0.7 to 1: doubtful), or probability of the
/// new species.
///
/// # Errors
/// As for [`super::reconstruct_volume`], [`trace::trace`] and [`Reconstruction::local_orbital`]; `Empty` where the volume has
/// no peak or no atom is left; `Inconsistent` for more species than atoms; `Cancelled` before the first fit was done.
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
    let mut fit = LotOptions { height_sharing: Some(Sharing::Atom), ..options.fit.before_pixels() };
    if probe.is_none() {
        fit.model = LotModel::Direct;
    }
    fit.check()?;
    let cancel = context.cancel_token();
    let mut watch = Watch::new(&cancel, observer, 0, options.max_cycles);
    let solver = QuickVolume::new(context, version.clone(), &options.tomography, None)?;
    if let Some(support) = &options.support {
        prepare::check_alike("support", support, &solver.empty()?)?;
    }
    let search = Search {
        context,
        series,
        version: &version,
        probe,
        options,
        solver,
        distance: options.minimum_distance(&version)?,
        species: options.species_of(&version),
        cancel: &cancel,
    };
    search.run(fit, &mut watch)
}

struct Search<'a> {
    context: &'a Context,
    series: &'a TiltSeries,
    version: &'a SeriesVersion,
    probe: Option<&'a Probe>,
    options: &'a FindOptions,
    solver: QuickVolume,
    distance: f64,
    /// Atomic numbers, the weakest scatterer first; never empty.
    species: Vec<u8>,
    cancel: &'a CancelToken<'a>,
}

/// Orbitals that a fit starts from or ended with.
#[derive(Debug, Clone)]
struct Guess {
    positions: Vec<Vec3>,
    heights: Vec<f64>,
    /// Class of each orbital, a place in [`Search::species`].
    classes: Vec<usize>,
    /// Width of each class, where known.
    widths: Vec<Option<f64>>,
    /// Corrections to the defocus of the sections, A; empty: not looked for, or not yet.
    defocus: Vec<f64>,
}

/// A fit and what it gave.
struct Fitted {
    recon: Reconstruction,
    fit: LotOptions,
    orbitals: Guess,
    /// Probability of each orbital's class.
    probabilities: Vec<f64>,
    r_factor: f64,
    r_factor_start: f64,
}

/// What a search has come to.
#[derive(Default)]
struct Record {
    rows: Vec<[f64; Counts::COLUMNS.len()]>,
    journal: Journal,
}

impl Record {
    /// The next fit: decisions that follow are its own.
    fn begin_cycle(&mut self) {
        self.journal.cycle = self.rows.len() + 1;
    }

    fn end_cycle(&mut self, counts: &Counts, loss: f64, r_factor: f64) {
        log::info(format!("fit {}: {counts}", self.journal.cycle));
        self.rows.push(counts.row(loss, r_factor));
    }
}

impl Search<'_> {
    fn run(&self, mut fit: LotOptions, watch: &mut Watch<'_, '_>) -> Result<Found> {
        let mut record = Record::default();
        let mut guess = self.first_guess(&fit, &mut record, watch)?;
        let traced = self.atoms(&guess, None)?;
        let mut course = Course::default();
        let mut kept: Option<Found> = None;
        let mut r_factor_traced = f64::NAN;
        for cycle in 1..=self.options.max_cycles {
            let fitted = match self.decided(&guess, &mut fit, &mut course, cycle, watch) {
                Ok(fitted) => fitted,
                Err(Error::Cancelled { .. }) if kept.is_some() => break,
                Err(error) => return Err(error),
            };
            if cycle == 1 {
                r_factor_traced = fitted.r_factor_start;
            }
            let (atoms, mut next, counts) = self.cleaned(&guess, &fitted, (&mut course, &mut record), watch)?;
            record.end_cycle(&counts, fitted.recon.loss(), fitted.r_factor);
            let mut settled = course.settles(atoms.len(), &counts) && self.had_its_loss(&fitted, &fit, cycle);
            match self.shaped(&fitted, &mut fit) {
                Ok(shaped) => settled = settled && shaped,
                Err(Error::Cancelled { .. }) => next = None,
                Err(error) => return Err(error),
            }
            if settled && cycle < self.options.max_cycles && self.pixels_wait(&fit) {
                settled = false;
                fit = self.with_pixels(&fit);
                course.begin_anew();
            }
            let termination = match (&next, settled) {
                (None, _) => Termination::Cancelled,
                (_, true) => Termination::Stalled,
                (_, false) => Termination::MaxIterations,
            };
            kept = Some(Found {
                atoms,
                traced: traced.clone(),
                cycles: with_defocus(Counts::table(&record.rows)?, &fitted.orbitals.defocus)?,
                decisions: record.journal.table(self.version.length_unit())?,
                fit: fitted.fit.clone(),
                moved: !course.stay,
                r_factor: fitted.r_factor,
                r_factor_traced,
                termination,
            });
            match next {
                Some(next) if !settled => guess = next,
                _ => break,
            }
            if cycle < self.options.max_cycles && self.cancel.is_cancelled() {
                kept.iter_mut().for_each(|k| k.termination = Termination::Cancelled);
                break;
            }
        }
        if let Some(found) = kept.as_mut().filter(|_| self.cancel.is_cancelled()) {
            found.termination = Termination::Cancelled;
        }
        kept.ok_or_else(|| Error::Internal("no fit was made".into()))
    }

    /// What is left of a fit, what the next one starts from (`None` where that was cancelled), and what changed.
    fn cleaned(
        &self,
        guess: &Guess,
        fitted: &Fitted,
        (course, record): (&mut Course, &mut Record),
        watch: &mut Watch<'_, '_>,
    ) -> Result<(Atoms, Option<Guess>, Counts)> {
        record.begin_cycle();
        let journal = &mut record.journal;
        let orbitals = &fitted.orbitals;
        let (left, mut counts) = self.pruned(orbitals, &self.rules(orbitals), journal)?;
        course.refuse(&left.lost, self.distance);
        let survivors = self.atoms(&left.orbitals, Some(&left.of(&fitted.probabilities)))?;
        for i in (0..orbitals.classes.len()).filter(|i| orbitals.classes[*i] != guess.classes[*i]) {
            counts.reclassified += 1;
            journal.note(Decision {
                kind: Kind::Reclassified,
                orbital: i,
                place: orbitals.positions[i],
                height: orbitals.heights[i],
                partner: None,
                ratio: fitted.probabilities[i],
            });
        }
        let next = match self.revised(fitted, left.orbitals, &mut counts, (course, journal), watch) {
            Ok(next) => Some(next),
            Err(Error::Cancelled { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok((survivors, next, counts))
    }

    fn smoothing_voxels(&self) -> f64 {
        let smoothing = self.options.smoothing.unwrap_or(0.25 * self.distance);
        smoothing / self.options.tomography.voxel_size.unwrap_or(self.version.pixel_size())
    }

    /// The atoms that were given, those of the volume or of the grid; the last two all of the heaviest species.
    fn first_guess(&self, fit: &LotOptions, record: &mut Record, watch: &mut Watch<'_, '_>) -> Result<Guess> {
        let heaviest = self.species.len() - 1;
        if let Some(start) = &self.options.start {
            let class = |z: &u8| self.species.iter().position(|known| known == z).unwrap_or(heaviest);
            return Ok(Guess {
                positions: start.positions().to_vec(),
                heights: heights_of(start),
                classes: start.species().iter().map(class).collect(),
                widths: vec![self.options.fit.width_start; self.species.len()],
                defocus: vec![],
            });
        }
        if self.options.first_guess == FirstGuess::Grid {
            return self.grid_guess(fit, record, watch);
        }
        let volume = self.solver.solve(None, watch)?.volume;
        self.cancel.check("reconstructing the start volume")?;
        let options = TraceOptions {
            smoothing: self.smoothing_voxels(),
            minimum_distance: Some(self.distance.max(2.0 * volume.voxel_size())),
            threshold: self.options.threshold.map_or(Threshold::Histogram, Threshold::Part),
            support: self.options.support.as_ref(),
            ..Default::default()
        };
        let atoms = watch.wait(|waiting| trace::trace(self.context, &volume, &options, waiting))?.atoms;
        log::info(format!("{} atoms traced in the start volume", atoms.len()));
        let heights = heights_of(&atoms);
        Ok(Guess {
            positions: atoms.positions().to_vec(),
            // Peaks of one species differ by noise and what lies near: their images agree better with one height.
            heights: if self.species.len() > 1 { heights } else { vec![1.0; atoms.len()] },
            classes: vec![heaviest; atoms.len()],
            widths: vec![self.options.fit.width_start; self.species.len()],
            defocus: vec![],
        })
    }

    fn atoms(&self, orbitals: &Guess, probabilities: Option<&[f64]>) -> Result<Atoms> {
        let species = orbitals.classes.iter().map(|class| self.species[*class]).collect();
        let mut atoms =
            Atoms::new(orbitals.positions.clone())?.with_species(species)?.with_heights(orbitals.heights.clone())?;
        let widths: Option<Vec<f64>> = orbitals.classes.iter().map(|class| orbitals.widths[*class]).collect();
        if let Some(widths) = widths {
            atoms = atoms.with_widths(widths)?;
        }
        match probabilities {
            Some(probabilities) if self.species.len() > 1 => atoms.with_probabilities(probabilities.to_vec()),
            _ => Ok(atoms),
        }
    }

    /// The model of some images that starts from `guess`, with what is to be fitted free; atoms that `stay` do not move.
    fn model(&self, series: &TiltSeries, guess: &Guess, fit: &LotOptions, stay: bool) -> Result<Reconstruction> {
        let atoms = self.atoms(guess, None)?;
        // widths that the atoms carry are those of the last fit
        let carried = atoms.widths().is_some();
        let options = LotOptions { width_start: fit.width_start.filter(|_| !carried), ..fit.clone() };
        let recon = Reconstruction::local_orbital(self.context, series, self.probe, &atoms, &options)?;
        self.options.free.iter().try_for_each(|block| recon.freeze(block, false))?;
        recon.freeze("positions", stay)?;
        if self.scans(fit) {
            recon.freeze("defocus", guess.defocus.is_empty())?;
            if !guess.defocus.is_empty() {
                recon.set_block("defocus", &guess.defocus)?;
            }
        }
        Ok(recon)
    }

    /// Whether the fits have been rigid so far although probes are to be adaptive.
    fn pixels_wait(&self, fit: &LotOptions) -> bool {
        self.options.fit.model == LotModel::Adaptive && fit.model == LotModel::Rigid
    }

    /// The fits to come, with pixels of probes. Loss and orbital are those that the rigid fits have led to.
    fn with_pixels(&self, fit: &LotOptions) -> LotOptions {
        let asked = &self.options.fit;
        LotOptions { model: asked.model, probe_smoothness: asked.probe_smoothness, ..fit.clone() }
    }

    /// Whether the defocus is looked for: the direct model has none.
    fn scans(&self, fit: &LotOptions) -> bool {
        self.options.defocus_range > 0.0 && fit.model != LotModel::Direct
    }

    /// Looks for the defocus once a few iterations have brought the atoms near.
    fn find_defocus(&self, recon: &Reconstruction, watch: &mut Watch<'_, '_>) -> Result<()> {
        self.run_quietly(recon, self.options.fit_iterations.div_ceil(4), watch)?;
        let range = self.options.defocus_range;
        let scan = DefocusScan { range, step: DefocusScan::default().step.min(range), ..Default::default() };
        recon.scan_defocus(&scan, &mut |_| !watch.cancel.is_cancelled())?;
        recon.freeze("defocus", false)
    }

    fn stopping(&self, max_iterations: usize) -> Stopping {
        Stopping { max_iterations, loss_tolerance: 1e-4, ..Default::default() }
    }

    /// The fit that starts from `guess`.
    fn fitted(
        &self,
        guess: &Guess,
        fit: &LotOptions,
        stay: bool,
        cycle: usize,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Fitted> {
        let rigid = self.model(self.series, guess, &fit.before_pixels(), stay)?;
        let r_factor_start = if cycle == 1 { self.r_factor(&rigid)? } else { f64::NAN };
        if self.scans(fit) && guess.defocus.is_empty() {
            self.find_defocus(&rigid, watch)?;
        }
        self.run_fit(&rigid, cycle, watch)?;
        let recon = match fit.model {
            LotModel::Adaptive => {
                let adaptive = rigid.continued(fit)?;
                self.run_fit(&adaptive, cycle, watch)?;
                adaptive
            }
            LotModel::Direct | LotModel::Rigid => rigid,
        };
        let r_factor = mean_r_factor(&recon);
        let atoms = recon.atoms()?;
        let heights = heights_of(&atoms);
        let (classes, probabilities) = self.classified(&heights)?;
        let widths = self.widths(&atoms, guess, &classes);
        let defocus = if self.scans(fit) { recon.block("defocus")? } else { guess.defocus.clone() };
        let orbitals = Guess { positions: atoms.positions().to_vec(), heights, classes, widths, defocus };
        let fit = LotOptions { loss: Some(recon.loss_choice()), ..fit.clone() };
        Ok(Fitted { recon, fit, orbitals, probabilities, r_factor, r_factor_start })
    }

    /// Runs the fit of a cycle.
    fn run_fit(&self, recon: &Reconstruction, cycle: usize, watch: &mut Watch<'_, '_>) -> Result<()> {
        let cycles = self.options.max_cycles;
        self.run_watched(recon, self.options.fit_iterations, watch, |told, p| {
            *told = Progress {
                iteration: cycle,
                max_iterations: cycles,
                fraction: ((cycle - 1) as f64 + p.fraction) / cycles as f64,
                ..*p
            };
        })
    }

    /// Runs a fit; `update` takes over its progress into the one that is told.
    fn run_watched(
        &self,
        recon: &Reconstruction,
        iterations: usize,
        watch: &mut Watch<'_, '_>,
        update: impl Fn(&mut Progress, &Progress),
    ) -> Result<()> {
        let ended = recon.run(&self.stopping(iterations), &mut |p: &Progress| {
            update(&mut watch.progress, p);
            watch.tell();
            !watch.cancel.is_cancelled()
        })?;
        match ended {
            Termination::Cancelled => Err(Error::Cancelled { phase: "fitting" }),
            _ => Ok(()),
        }
    }

    /// Class of every orbital by its height, and its probability.
    fn classified(&self, heights: &[f64]) -> Result<(Vec<usize>, Vec<f64>)> {
        let classes = self.species.len();
        if classes == 1 {
            return Ok((vec![0; heights.len()], vec![1.0; heights.len()]));
        }
        if heights.len() < classes {
            let why = format!("{classes} species for {} atoms", heights.len());
            return Err(Error::Inconsistent { what: "species".into(), why });
        }
        let found = expected_mixture(heights, &expected_strengths(&self.species))?;
        let probabilities = found.class.iter().zip(&found.probabilities).map(|(class, p)| p[*class]).collect();
        Ok((found.class, probabilities))
    }

    /// Width of each class: the mean of what its atoms had in the fit, whose classes were those of before.
    fn widths(&self, atoms: &Atoms, before: &Guess, classes: &[usize]) -> Vec<Option<f64>> {
        let fitted = atoms.widths().unwrap_or_default();
        let of_class = |class: usize| {
            let members = || fitted.iter().zip(classes).filter(move |(_, c)| **c == class).map(|(w, _)| *w);
            let count = members().count();
            match count {
                0 => before.widths[class].or_else(|| fitted.first().copied()),
                _ => Some(members().sum::<f64>() / count as f64),
            }
        };
        (0..self.species.len()).map(of_class).collect()
    }

    /// Mean of sum |o - c| / sum |o| of the images at the state of `recon`.
    fn r_factor(&self, recon: &Reconstruction) -> Result<f64> {
        let used = recon.used_images();
        let calculated = recon.predict(&recon.parameters(), None)?;
        let pixels = self.version.rows() * self.version.columns();
        let of_image = |(image, calculated): (&usize, &[f64])| {
            let observed = &self.version.images()[*image].pixels;
            let (mut off, mut total) = (0.0, 0.0);
            for (o, c) in observed.iter().zip(calculated) {
                off += (f64::from(*o) - c).abs();
                total += f64::from(*o).abs();
            }
            off / total
        };
        let r_factors: Vec<f64> = used.iter().zip(calculated.chunks_exact(pixels)).map(of_image).collect();
        Ok(r_factors.iter().sum::<f64>() / r_factors.len() as f64)
    }
}

/// The table with the corrections to the defocus that were found.
fn with_defocus(table: Table, defocus: &[f64]) -> Result<Table> {
    let name = |section: usize| format!("defocus_{section}");
    defocus.iter().enumerate().try_fold(table, |table, (section, value)| table.with_value(&name(section), "A", *value))
}

/// Heights, 1 where atoms have none.
fn heights_of(atoms: &Atoms) -> Vec<f64> {
    atoms.heights().map_or_else(|| vec![1.0; atoms.len()], <[f64]>::to_vec)
}

/// Mean over the images of the R factors that a fit has left.
fn mean_r_factor(recon: &Reconstruction) -> f64 {
    let r_factors: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
    r_factors.iter().sum::<f64>() / r_factors.len() as f64
}
