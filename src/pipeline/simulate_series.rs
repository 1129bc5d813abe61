//! A tilt series of a specimen in one call: specimen + rotations + foci -> folder with images or diffraction patterns.
//!
//! Work is a sequence of parts: tilt, configuration of thermal displacements, focus, group of scan positions. What is
//! finished goes to a folder beside the result (its name ends in `.partial`) part by part, and tilt by tilt in its final
//! form, so that a run that was cancelled, killed, or stopped by a full disk goes on where it was. Results do not depend on
//! where it was interrupted, nor on the number of threads.

use super::journal::Journal;
use crate::context::Context;
use crate::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use crate::error::{Error, Result};
use crate::fourier::Edge;
use crate::grid::Plane;
use crate::io::{atomic, dataset_folder, file_error, npy};
use crate::optics::DetectorPlan;
use crate::problem::Waiting;
use crate::simd::Real;
use crate::simulate::coherence::source_blur;
use crate::simulate::instrument::{record_images, record_series, Exposure};
use crate::simulate::tilt_series::{MultisliceSeries, SeriesSignal, TiltPlan};
use crate::specimen::Atoms;
use ndarray::Array3;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Values of a part: groups of scan positions are as large as this allows, at least one position, at most 4096.
const VALUES_PER_PART: usize = 1 << 22;
/// Most positions of a part: seconds to minutes of work that a kill may lose.
const POSITIONS_PER_PART: usize = 256;

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
/// `Memory` where the cap is too low, with what is needed; `Cancelled`; `File`; and the errors of the simulation.
pub fn simulate_series(
    context: &Context,
    atoms: &Atoms,
    series: &MultisliceSeries,
    folder: &Path,
    run: &SeriesRun,
    observe: &mut SeriesObserver<'_>,
) -> Result<SeriesReport> {
    series.check()?;
    if folder.exists() {
        let why = "it exists already; name another folder or remove it".into();
        return Err(Error::Inconsistent { what: format!("{}", folder.display()), why });
    }
    // everything that can be wrong with angles and sampling is wrong in the first tilt as well
    series.tilt(atoms, 0)?.detectors()?;
    let needed = memory_estimate(series, atoms, context.threads(), run.double)?;
    if let Some(cap) = run.memory_cap.filter(|cap| *cap < needed) {
        return Err(Error::Memory { what: "the simulation of the series".into(), needed, available: cap });
    }
    let partial = Partial::open(folder, atoms, series, run)?;
    let mut driver = Driver { context, atoms, series, partial, observe, started: Instant::now(), computed: 0, done: 0 };
    for tilt in 0..series.rotations.len() {
        match run.double {
            true => driver.tilt::<f64>(tilt)?,
            false => driver.tilt::<f32>(tilt)?,
        }
    }
    driver.finish(folder)
}

/// Bytes that [`simulate_series`] needs: the largest object, what each worker holds, and the signals of a tilt.
///
/// # Errors
/// Those of planning a tilt.
pub fn memory_estimate(series: &MultisliceSeries, atoms: &Atoms, threads: usize, double: bool) -> Result<u64> {
    let mut largest = 0;
    for tilt in 0..series.rotations.len() {
        let plan = series.tilt(atoms, tilt)?;
        let bytes = match double {
            true => plan.options().memory::<f64>(plan.plane(), plan.atoms(), threads)?,
            false => plan.options().memory::<f32>(plan.plane(), plan.atoms(), threads)?,
        };
        let values = plan.detectors()?.len() * series.positions() * series.foci.len();
        largest = largest.max(bytes + 8 * values.min(4 * VALUES_PER_PART) as u64 + 4 * values as u64);
    }
    Ok(largest)
}

/// The folder of what is finished.
struct Partial {
    folder: PathBuf,
}

impl Partial {
    /// Creates it, or checks that it belongs to the same series.
    fn open(result: &Path, atoms: &Atoms, series: &MultisliceSeries, run: &SeriesRun) -> Result<Self> {
        let name = result.file_name().ok_or_else(|| Error::Inconsistent {
            what: format!("{}", result.display()),
            why: "it ends in no name that a new folder could have".into(),
        })?;
        let mut partial = name.to_os_string();
        partial.push(".partial");
        let folder = result.with_file_name(partial);
        std::fs::create_dir_all(&folder).map_err(file_error("creating", &folder))?;
        let plan = folder.join("plan.json");
        let text = description(atoms, series, run)?;
        match std::fs::read_to_string(&plan) {
            Ok(older) if older == text => {}
            Ok(_) => {
                let why = "it holds the parts of another series; remove it or name another folder".into();
                return Err(Error::Inconsistent { what: format!("{}", folder.display()), why });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => atomic::write(&plan, |file| {
                file.write_all(text.as_bytes()).map_err(file_error("writing", &plan))
            })?,
            Err(e) => return Err(file_error("reading", &plan)(e)),
        }
        Ok(Self { folder })
    }

    fn tilt(&self, tilt: usize) -> PathBuf {
        self.folder.join(format!("tilt_{tilt:04}.npy"))
    }

    fn journal(&self, tilt: usize) -> PathBuf {
        self.folder.join(format!("tilt_{tilt:04}.journal"))
    }
}

/// What the parts belong to: the series, the atoms to the last bit, and what else changes bits.
fn description(atoms: &Atoms, series: &MultisliceSeries, run: &SeriesRun) -> Result<String> {
    let mut hash = crc32fast::Hasher::new();
    for name in ["positions", "species", "occupancy", "debye_waller_b"] {
        atoms.column(name)?.values.iter().for_each(|v| hash.update(&v.to_le_bytes()));
    }
    let plan = serde_json::json!({
        "library": env!("CARGO_PKG_VERSION"),
        "atoms": atoms.len(),
        "atoms_crc32": hash.finalize(),
        "double": run.double,
        "series": series,
    });
    serde_json::to_string_pretty(&plan).map_err(|e| Error::Internal(format!("the series as text: {e}")))
}

struct Driver<'a, 'o> {
    context: &'a Context,
    atoms: &'a Atoms,
    series: &'a MultisliceSeries,
    partial: Partial,
    observe: &'a mut SeriesObserver<'o>,
    started: Instant,
    /// Probes computed by this call.
    computed: usize,
    /// Probes finished before or by this call.
    done: usize,
}

impl Driver<'_, '_> {
    fn probes_per_tilt(&self) -> usize {
        self.series.configurations() * self.series.foci.len() * self.series.positions()
    }

    /// Computes a tilt, unless it is finished.
    fn tilt<T: Real>(&mut self, tilt: usize) -> Result<()> {
        if self.partial.tilt(tilt).exists() {
            self.done += self.probes_per_tilt();
            return Ok(());
        }
        let plan = self.series.tilt(self.atoms, tilt)?;
        let detectors = plan.detectors()?;
        let parts = Parts::new(self.series, detectors.len());
        let mut journal = Journal::open(&self.partial.journal(tilt), parts.lengths())?;
        for configuration in 0..self.series.configurations() {
            self.configuration::<T>(tilt, configuration, &plan, &detectors, &parts, &mut journal)?;
        }
        let signals = parts.mean(self.series, &mut journal)?;
        let signals = self.blurred(signals)?;
        let written = self.finish_tilt(tilt, &signals, &detectors);
        if written.is_ok() {
            let path = self.partial.journal(tilt);
            drop(journal);
            std::fs::remove_file(&path).map_err(file_error("removing", &path))?;
        }
        written
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
        let context = self.context;
        let cancel = context.cancel_token();
        let place = (tilt, configuration);
        let object = {
            let mut tell = |_: f64| self.tell(place, 0.0);
            let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
            plan.object::<T>(context, configuration, &mut waiting)?
        };
        for (focus, group) in &all[finished..] {
            let range = parts.range(*group);
            let count = range.len();
            let signals = {
                let mut tell = |fraction: f64| self.tell(place, fraction * count as f64);
                let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
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

    /// Tells the observer where the run stands, `probes` probes into the present part.
    fn tell(&mut self, (tilt, configuration): (usize, usize), probes: f64) -> bool {
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

    /// Images blurred by the source, in place of \[focus\]\[position\]\[signal\].
    fn blurred(&self, mut signals: Vec<f64>) -> Result<Vec<f64>> {
        let series = self.series;
        let sigma = series.probe.source_size;
        if sigma == 0.0 {
            return Ok(signals);
        }
        let plane = Plane::new(series.rows, series.columns, series.pixel_size, series.pixel_size)?;
        let blur = source_blur(self.context.simd(), &plane, sigma, Edge::Mirror)?;
        let each = signals.len() / series.foci.len() / series.positions();
        let mut scratch = blur.scratch();
        let mut image = vec![0.0; series.positions()];
        for focus in signals.chunks_exact_mut(each * series.positions()) {
            for signal in 0..each {
                image.iter_mut().zip(focus.iter().skip(signal).step_by(each)).for_each(|(to, from)| *to = *from);
                blur.apply(&mut image, &mut scratch);
                focus.iter_mut().skip(signal).step_by(each).zip(&image).for_each(|(to, from)| *to = *from);
            }
        }
        Ok(signals)
    }

    /// Writes what a tilt has in the end: images, or patterns as they were recorded.
    fn finish_tilt(&mut self, tilt: usize, signals: &[f64], detectors: &DetectorPlan) -> Result<()> {
        let series = self.series;
        let path = self.partial.tilt(tilt);
        let keep = &mut |_: f64| true;
        match series.signal {
            SeriesSignal::Annular { .. } => {
                let shape = [series.foci.len(), series.rows, series.columns];
                npy::write(&path, &shape, signals.iter().map(|v| *v as f32), keep)
            }
            SeriesSignal::Patterns { .. } => {
                let (rows, columns) = pattern_shape(detectors);
                let count = series.foci.len() * series.positions();
                let patterns = Array3::from_shape_vec(
                    (count, rows, columns),
                    signals.iter().map(|v| *v as f32).collect(),
                )
                .map_err(|e| Error::Internal(format!("patterns of a tilt: {e}")))?;
                let patterns = self.recorded(tilt, patterns)?;
                let shape = [series.foci.len(), series.rows, series.columns, rows, columns];
                npy::write(&path, &shape, patterns.iter().copied(), keep)
            }
        }
    }

    /// Patterns as the instrument records them.
    fn recorded(&mut self, tilt: usize, patterns: Array3<f32>) -> Result<Array3<f32>> {
        let (count, rows, columns) = patterns.dim();
        let mut instrument = self.series.instrument.clone();
        if let Exposure::Dose(dose) = instrument.exposure {
            instrument.exposure = Exposure::Electrons(dose * self.series.pixel_size.powi(2));
        }
        let recorder = instrument.recorder(self.context.simd(), Plane::new(rows, columns, 1.0, 1.0)?)?;
        let cancel = self.context.cancel_token();
        let first = (tilt * count) as u64;
        let place = (tilt, self.series.configurations() - 1);
        let context = self.context;
        let mut tell = |_: f64| self.tell(place, 0.0);
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        record_images(context, &recorder, patterns.view(), first, &mut waiting)
    }

    /// Puts the tilts together and the folder into its place.
    fn finish(mut self, folder: &Path) -> Result<SeriesReport> {
        let kind = match self.series.signal {
            SeriesSignal::Annular { .. } => {
                self.write_images(folder)?;
                SeriesKind::Images
            }
            SeriesSignal::Patterns { .. } => {
                self.write_patterns(folder)?;
                SeriesKind::Patterns
            }
        };
        let path = &self.partial.folder;
        std::fs::remove_dir_all(path).map_err(file_error("removing", path))?;
        Ok(SeriesReport {
            kind,
            probes_computed: self.computed,
            probes: self.series.rotations.len() * self.probes_per_tilt(),
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    fn write_images(&mut self, folder: &Path) -> Result<()> {
        let series = self.series;
        let (foci, tilts) = (series.foci.len(), series.rotations.len());
        let mut images = Array3::<f32>::zeros((tilts * foci, series.rows, series.columns));
        for (tilt, mut images) in images.axis_chunks_iter_mut(ndarray::Axis(0), foci).enumerate() {
            let read = npy::read::<f32>(&self.partial.tilt(tilt))?;
            if read.shape() != images.shape() {
                return Err(Error::shape("images of a finished tilt", read.shape(), format!("{:?}", images.shape())));
            }
            images.iter_mut().zip(&read).for_each(|(to, from)| *to = *from);
        }
        let options = SeriesOptions {
            pixel_size: series.pixel_size,
            energy_ev: Some(series.probe.energy_ev),
            semiangle_mrad: Some(series.probe.semiangle_mrad),
            ..Default::default()
        };
        let ideal = TiltSeries::new(options, images.view(), &self.frames())?;
        for (key, value) in self.metadata()? {
            ideal.set_metadata(key, &value, "")?;
        }
        let cancel = self.context.cancel_token();
        let (context, last) = (self.context, (tilts - 1, series.configurations() - 1));
        let recorded = match series.instrument == Default::default() {
            true => ideal,
            false => {
                let mut tell = |_: f64| self.tell(last, 0.0);
                let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
                record_series(context, &series.instrument, &ideal, &mut waiting)?
            }
        };
        dataset_folder::write(&recorded, Some(self.atoms), folder, &mut |_| self.tell(last, 0.0))
    }

    fn frames(&self) -> Frames {
        let (foci, n) = (self.series.foci.len(), self.series.rotations.len() * self.series.foci.len());
        let rotations = (0..n).map(|i| self.series.rotations[i / foci]).collect();
        let mut frames = Frames::new(n).with_rotations(Rotations::Matrices(rotations));
        frames.tilt = Some((0..n).map(|i| (i / foci) as i64).collect());
        frames.section = Some((0..n).map(|i| (i % foci) as i64).collect());
        let defocus = self.series.probe.aberrations.defocus();
        frames.defocus = Some((0..n).map(|i| self.series.foci[i % foci] + defocus).collect());
        frames
    }

    fn metadata(&self) -> Result<Vec<(&'static str, String)>> {
        let text = serde_json::to_string(self.series);
        let text = text.map_err(|e| Error::Internal(format!("the series as text: {e}")))?;
        Ok(vec![("simulation", text), ("kind", "simulated multislice series".into())])
    }

    fn write_patterns(&mut self, folder: &Path) -> Result<()> {
        dataset_folder::write_diffraction(
            self.series_header()?,
            &(0..self.series.rotations.len()).map(|tilt| self.partial.tilt(tilt)).collect::<Vec<_>>(),
            self.atoms,
            folder,
        )
    }

    fn series_header(&self) -> Result<dataset_folder::DiffractionHeader> {
        let series = self.series;
        let detectors = series.tilt(self.atoms, 0)?.detectors()?;
        let window = series.tilt(self.atoms, 0)?.window()?;
        let wavelength = crate::electron::wavelength(series.probe.energy_ev)?;
        let binning = match series.signal {
            SeriesSignal::Patterns { binning, .. } => binning,
            SeriesSignal::Annular { .. } => 1,
        };
        let step = |extent: f64| 1e3 * wavelength / extent * binning as f64;
        let (extent_y, extent_x) = window.extent();
        let at = |i: usize, n: usize| (i as f64 - (n / 2) as f64) * series.pixel_size;
        let mut positions = Array3::zeros((series.rows, series.columns, 2));
        for ((row, column, axis), value) in positions.indexed_iter_mut() {
            *value = if axis == 0 { at(column, series.columns) } else { at(row, series.rows) };
        }
        let simulation = serde_json::to_value(series);
        Ok(dataset_folder::DiffractionHeader {
            probe: series.probe.clone(),
            foci: series.foci.clone(),
            rotations: series.rotations.clone(),
            positions,
            pattern: pattern_shape(&detectors),
            steps_mrad: (step(extent_y), step(extent_x)),
            counts: !matches!(series.instrument.exposure, Exposure::Unlimited),
            simulation: simulation.map_err(|e| Error::Internal(format!("the series as text: {e}")))?,
        })
    }
}

/// Rows and columns of a pixelated detector.
fn pattern_shape(detectors: &DetectorPlan) -> (usize, usize) {
    match detectors.layout().first().map(|signal| signal.shape.as_slice()) {
        Some([rows, columns]) => (*rows, *columns),
        _ => (1, detectors.len()),
    }
}

/// How a tilt is divided: records of the journal in the order configuration, focus, group of positions.
struct Parts {
    positions: usize,
    signals: usize,
    foci: usize,
    configurations: usize,
    per_group: usize,
    groups: usize,
}

impl Parts {
    fn new(series: &MultisliceSeries, signals: usize) -> Self {
        let positions = series.positions();
        let per_group = (VALUES_PER_PART / signals.max(1)).clamp(1, POSITIONS_PER_PART).min(positions);
        Self {
            positions,
            signals,
            foci: series.foci.len(),
            configurations: series.configurations(),
            per_group,
            groups: positions.div_ceil(per_group),
        }
    }

    fn range(&self, group: usize) -> std::ops::Range<usize> {
        group * self.per_group..((group + 1) * self.per_group).min(self.positions)
    }

    fn record(&self, configuration: usize, focus: usize, group: usize) -> usize {
        (configuration * self.foci + focus) * self.groups + group
    }

    fn lengths(&self) -> Vec<usize> {
        let one = (0..self.groups).map(|group| self.range(group).len() * self.signals);
        std::iter::repeat_n(one.collect::<Vec<_>>(), self.configurations * self.foci).flatten().collect()
    }

    /// Mean over the configurations: \[focus\]\[position\]\[signal\].
    fn mean(&self, series: &MultisliceSeries, journal: &mut Journal) -> Result<Vec<f64>> {
        let mut mean = Vec::with_capacity(self.foci * self.positions * self.signals);
        let weight = 1.0 / series.configurations() as f64;
        for focus in 0..self.foci {
            for group in 0..self.groups {
                let mut sum = vec![0.0; self.range(group).len() * self.signals];
                for configuration in 0..self.configurations {
                    let record = self.record(configuration, focus, group);
                    let values = journal.read(record)?;
                    let values = values.ok_or_else(|| Error::Internal(format!("record {record} went missing")))?;
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
                mean.extend(sum.into_iter().map(|v| v * weight));
            }
        }
        Ok(mean)
    }
}
