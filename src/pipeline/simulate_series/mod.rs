//! A tilt series of a specimen in one call: specimen + rotations + foci -> folder with images or diffraction patterns.
//!
//! Work is a sequence of parts: tilt, configuration of thermal displacements, focus, group of scan positions. What is
//! finished goes to a folder beside the result (its name ends in `.partial`) part by part, and tilt by tilt in its final
//! form, so that a run that was cancelled, killed, or stopped by a full disk goes on where it was. Results do not depend on
//! where it was interrupted, nor on the number of threads.

mod finish;
mod partial;
mod parts;

use super::journal::Journal;
use crate::context::{CancelToken, Context};
use crate::error::{Error, Result};
use crate::io::file_error;
use crate::optics::DetectorPlan;
use crate::problem::Waiting;
use crate::simd::Real;
use crate::simulate::tilt_series::{MultisliceSeries, SeriesFrame, SeriesSignal, TiltPlan};
use crate::specimen::Atoms;
use partial::Partial;
use parts::Parts;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of an atom in its tilt, displaced and placed in slices, all copies.
const BYTES_PER_ATOM: u64 = 400;
/// Least time between two reports within a part.
const INTERVAL: Duration = Duration::from_millis(100);

/// What the folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    /// Images, `aet-tilt-series/1`.
    Images,
    /// Diffraction patterns, `aet-4dstem-series/1`.
    Patterns,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesProgress {
    /// Tilt being computed, and their number.
    pub tilt: (usize, usize),
    /// Configuration of thermal displacements being computed, and their number.
    pub configuration: (usize, usize),
    /// Probes finished in all tilts, configurations and foci, and their number.
    pub probes: (usize, usize),
    /// Part of the whole that is done, 0..1.
    pub fraction: f64,
    /// Seconds since the call began.
    pub seconds: f64,
}

/// Receives progress on the calling thread; `false` ends the run with [`Error::Cancelled`], all parts kept.
pub type SeriesObserver<'a> = dyn FnMut(&SeriesProgress) -> bool + 'a;

/// How a series is run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SeriesRun {
    /// Double precision, for verification.
    pub double: bool,
    /// Bytes that the run may need; `None`: no limit. Parts are made small enough, or the error names what is needed.
    pub memory_cap: Option<u64>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesReport {
    /// What the folder holds.
    pub kind: SeriesKind,
    /// Probes computed by this call; fewer than all where a run was taken up again.
    pub probes_computed: usize,
    /// All probes.
    pub probes: usize,
    /// Seconds of this call.
    pub seconds: f64,
}

/// Simulates `series` of `atoms` into the folder `folder`, or goes on with a run of the same series and atoms that was
/// interrupted.
///
/// # Errors
/// `Inconsistent` where `folder` exists already, or the part of an earlier run beside it belongs to another series;
/// `Memory` where the cap is too low, with what is needed; `Cancelled`; `File`; and the errors of the simulation. A run that
/// fails before its first part leaves nothing behind.
pub fn simulate_series(
    context: &Context,
    atoms: &Atoms,
    series: &MultisliceSeries,
    folder: &Path,
    run: &SeriesRun,
    observe: &mut SeriesObserver<'_>,
) -> Result<SeriesReport> {
    if folder.exists() {
        let why = "it exists already; name another folder or remove it".into();
        return Err(Error::Inconsistent { what: format!("{}", folder.display()), why });
    }
    series.check_atoms(atoms)?;
    let frame = &series.frame(atoms)?;
    let needed = memory(series, atoms, frame, context.threads(), run.double)?;
    if let Some(cap) = run.memory_cap.filter(|cap| *cap < needed) {
        return Err(Error::Memory { what: "the simulation of the series".into(), needed, available: cap });
    }
    let partial = Partial::open(folder, atoms, series, run)?;
    let started = Instant::now();
    let (cancel, told) = (&context.cancel_token(), (0, started));
    let mut driver =
        Driver { context, cancel, atoms, series, frame, partial, observe, started, computed: 0, done: 0, told };
    let outcome = driver.run(folder, run.double);
    // what failed before the first part is finished leaves nothing that would stand in the way of a better call
    match &outcome {
        Ok(_) => driver.partial.remove()?,
        Err(_) if driver.done == 0 && driver.partial.fresh => drop(driver.partial.remove()),
        Err(_) => {}
    }
    outcome
}

/// Bytes that [`simulate_series`] needs: the object of the thickest tilt, what each worker holds, and the signals of the
/// pieces that are finished together; or all images, where they are more.
///
/// # Errors
/// Those of planning the tilts.
pub fn memory_estimate(series: &MultisliceSeries, atoms: &Atoms, threads: usize, double: bool) -> Result<u64> {
    memory(series, atoms, &series.frame(atoms)?, threads, double)
}

fn memory(series: &MultisliceSeries, atoms: &Atoms, frame: &SeriesFrame, threads: usize, double: bool) -> Result<u64> {
    let heights = frame.heights();
    let tallest = (0..heights.len()).max_by(|a, b| heights[*a].total_cmp(&heights[*b])).unwrap_or(0);
    let plan = series.tilt(atoms, frame, tallest)?;
    let cell = plan.atoms().require_cell()?;
    let estimate = match double {
        true => plan.options().memory_estimate::<f64>(cell, series.probe.energy_ev, threads)?,
        false => plan.options().memory_estimate::<f32>(cell, series.probe.energy_ev, threads)?,
    };
    let object = estimate.of_scans() as u64 + BYTES_PER_ATOM * atoms.len() as u64;
    let signals = series.detectors(frame)?.len();
    let parts = Parts::new(series, signals);
    let piece = match series.probe.source_size {
        0.0 => parts.range(0).len(),
        _ => series.positions(),
    };
    // mean and one configuration in double precision, before and after recording in single
    let piece = 24 * (piece * signals) as u64;
    let images = match series.signal {
        // ideal, as a series, and recorded
        SeriesSignal::Annular { .. } => 12 * (series.rotations.len() * series.foci.len() * series.positions()) as u64,
        SeriesSignal::Patterns { .. } => 0,
    };
    Ok((object + piece).max(images))
}

struct Driver<'a, 'o> {
    context: &'a Context,
    /// Of the whole call: a request that comes between two parts counts, too.
    cancel: &'a CancelToken<'a>,
    atoms: &'a Atoms,
    series: &'a MultisliceSeries,
    frame: &'a SeriesFrame,
    partial: Partial,
    observe: &'a mut SeriesObserver<'o>,
    started: Instant,
    /// Probes computed by this call.
    computed: usize,
    /// Probes finished before or by this call.
    done: usize,
    /// Probes finished at the last report, and when that was.
    told: (usize, Instant),
}

impl Driver<'_, '_> {
    fn run(&mut self, folder: &Path, double: bool) -> Result<SeriesReport> {
        for tilt in 0..self.series.rotations.len() {
            match double {
                true => self.tilt::<f64>(tilt)?,
                false => self.tilt::<f32>(tilt)?,
            }
        }
        self.finish(folder)
    }

    fn probes_per_tilt(&self) -> usize {
        self.series.configurations() * self.series.foci.len() * self.series.positions()
    }

    /// Computes a tilt, unless it is finished.
    fn tilt<T: Real>(&mut self, tilt: usize) -> Result<()> {
        if self.partial.tilt(tilt).exists() {
            self.done += self.probes_per_tilt();
            return Ok(());
        }
        let plan = self.series.tilt(self.atoms, self.frame, tilt)?;
        let detectors = self.series.detectors(self.frame)?;
        let parts = Parts::new(self.series, detectors.len());
        let mut journal = Journal::open(&self.partial.journal(tilt), parts.lengths())?;
        for configuration in 0..self.series.configurations() {
            self.configuration::<T>(tilt, configuration, &plan, &detectors, &parts, &mut journal)?;
        }
        self.finish_tilt(tilt, &parts, &mut journal, &detectors)?;
        let path = self.partial.journal(tilt);
        drop(journal);
        std::fs::remove_file(&path).map_err(file_error("removing", &path))
    }

    /// The parts of a configuration that are not in the journal.
    fn configuration<T: Real>(
        &mut self,
        tilt: usize,
        configuration: usize,
        plan: &TiltPlan<'_>,
        detectors: &DetectorPlan,
        parts: &Parts,
        journal: &mut Journal,
    ) -> Result<()> {
        let all: Vec<(usize, usize)> =
            (0..self.series.foci.len()).flat_map(|focus| (0..parts.groups).map(move |group| (focus, group))).collect();
        let first = parts.record(configuration, 0, 0);
        let finished = journal.finished().saturating_sub(first).min(all.len());
        self.done += all[..finished].iter().map(|(_, group)| parts.range(*group).len()).sum::<usize>();
        if finished == all.len() {
            return Ok(());
        }
        let (context, cancel) = (self.context, self.cancel);
        let place = (tilt, configuration);
        let object = {
            let mut tell = |_: f64| self.tell(place, 0.0);
            let mut waiting = Waiting { cancel, tell: &mut tell };
            plan.object::<T>(context, configuration, &mut waiting)?
        };
        for (focus, group) in &all[finished..] {
            let range = parts.range(*group);
            let count = range.len();
            let signals = {
                let mut tell = |fraction: f64| self.tell(place, fraction * count as f64);
                let mut waiting = Waiting { cancel, tell: &mut tell };
                object.signals(context, *focus, range, detectors, &mut waiting)?
            };
            journal.append(&signals)?;
            self.done += count;
            self.computed += count;
            if !self.tell(place, 0.0) {
                return Err(Error::Cancelled { phase: "simulating a tilt series" });
            }
        }
        Ok(())
    }

    /// Tells the observer where the run stands, `probes` probes into the present part: after every part, and within one not
    /// too often. Answers whether to go on.
    fn tell(&mut self, (tilt, configuration): (usize, usize), probes: f64) -> bool {
        if self.cancel.is_cancelled() || self.told.0 == self.done && self.told.1.elapsed() < INTERVAL {
            return !self.cancel.is_cancelled();
        }
        self.told = (self.done, Instant::now());
        let tilts = self.series.rotations.len();
        let all = tilts * self.probes_per_tilt();
        let progress = SeriesProgress {
            tilt: (tilt, tilts),
            configuration: (configuration, self.series.configurations()),
            probes: (self.done + probes as usize, all),
            fraction: (self.done as f64 + probes) / all as f64,
            seconds: self.started.elapsed().as_secs_f64(),
        };
        (self.observe)(&progress)
    }
}
