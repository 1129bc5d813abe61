//! From the parts to the result: signals of a tilt, and the folder.

use super::parts::Parts;
use super::{Driver, SeriesKind, SeriesReport};
use crate::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use crate::error::{Error, Result};
use crate::fourier::{Edge, RealFilter};
use crate::grid::Plane;
use crate::io::{dataset_folder, npy};
use crate::optics::DetectorPlan;
use crate::pipeline::journal::Journal;
use crate::problem::Waiting;
use crate::simulate::coherence::source_blur;
use crate::simulate::instrument::{record_images, record_series, Exposure, Recorder};
use crate::simulate::tilt_series::SeriesSignal;
use ndarray::Array3;
use std::ops::Range;
use std::path::Path;

impl Driver<'_, '_> {
    /// Writes the signals of a tilt: ideal images, or patterns as they were recorded. Piece by piece, so that patterns need
    /// not fit into memory.
    pub fn finish_tilt(
        &mut self,
        tilt: usize,
        parts: &Parts,
        journal: &mut Journal,
        detectors: &DetectorPlan,
    ) -> Result<()> {
        let series = self.series;
        let mut shape = vec![series.foci.len(), series.rows, series.columns];
        let recorder = match series.signal {
            SeriesSignal::Annular { .. } => None,
            SeriesSignal::Patterns { .. } => {
                let (rows, columns) = pattern_shape(detectors);
                shape.extend([rows, columns]);
                Some(self.pattern_recorder(rows, columns)?)
            }
        };
        let blur = match series.probe.source_size {
            0.0 => None,
            sigma => {
                let plane = Plane::new(series.rows, series.columns, series.pixel_size, series.pixel_size)?;
                Some(source_blur(self.context.simd(), &plane, sigma, Edge::Mirror)?)
            }
        };
        let path = self.partial.tilt(tilt);
        let pieces = pieces(parts, series.foci.len(), blur.is_some());
        let mut failure = None;
        let values = pieces.into_iter().flat_map(|(focus, groups)| {
            if failure.is_some() {
                return vec![];
            }
            let first = tilt * series.foci.len() * series.positions()
                + focus * series.positions()
                + parts.range(groups.start).start;
            let piece = parts.mean(focus, groups, journal).map(|mut signals| {
                blur.as_ref().inspect(|blur| blurred(blur, &mut signals, detectors.len()));
                signals.into_iter().map(|v| v as f32).collect::<Vec<f32>>()
            });
            let piece = piece.and_then(|signals| match &recorder {
                Some(recorder) => self.recorded(recorder, tilt, first as u64, signals),
                None => Ok(signals),
            });
            piece.unwrap_or_else(|error| {
                failure.get_or_insert(error);
                vec![]
            })
        });
        let written = npy::write(&path, &shape, values, &mut |_| true);
        match failure {
            Some(error) => Err(error),
            None => written,
        }
    }

    /// What records diffraction patterns of this size.
    fn pattern_recorder(&self, rows: usize, columns: usize) -> Result<Recorder> {
        let mut instrument = self.series.instrument.clone();
        if let Exposure::Dose(dose) = instrument.exposure {
            instrument.exposure = Exposure::Electrons(dose * self.series.pixel_size.powi(2));
        }
        instrument.recorder(self.context.simd(), Plane::new(rows, columns, 1.0, 1.0)?)
    }

    /// Patterns, of which the first has number `first` in the series, as the instrument records them.
    fn recorded(&mut self, recorder: &Recorder, tilt: usize, first: u64, patterns: Vec<f32>) -> Result<Vec<f32>> {
        let plane = recorder.plane();
        let shape = (patterns.len() / plane.pixels(), plane.rows, plane.columns);
        let patterns = Array3::from_shape_vec(shape, patterns);
        let patterns = patterns.map_err(|e| Error::Internal(format!("patterns of a tilt: {e}")))?;
        let (context, cancel, place) = (self.context, self.cancel, (tilt, self.series.configurations() - 1));
        let mut tell = |_: f64| self.tell(place, 0.0);
        let mut waiting = Waiting { cancel, tell: &mut tell };
        Ok(record_images(context, recorder, patterns.view(), first, &mut waiting)?.into_raw_vec_and_offset().0)
    }

    /// Puts the tilts together and the folder into its place.
    pub fn finish(&mut self, folder: &Path) -> Result<SeriesReport> {
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
        let (context, cancel, last) = (self.context, self.cancel, self.last());
        let recorded = match series.instrument == Default::default() {
            true => ideal,
            false => {
                let mut tell = |_: f64| self.tell(last, 0.0);
                let mut waiting = Waiting { cancel, tell: &mut tell };
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
        let (header, atoms, last) = (self.series_header()?, self.atoms, self.last());
        let tilts: Vec<_> = (0..self.series.rotations.len()).map(|tilt| self.partial.tilt(tilt)).collect();
        dataset_folder::write_diffraction(header, &tilts, atoms, folder, &mut |_| self.tell(last, 0.0))
    }

    /// Where the run stands when all is computed: last tilt, last configuration.
    fn last(&self) -> (usize, usize) {
        (self.series.rotations.len() - 1, self.series.configurations() - 1)
    }

    fn series_header(&self) -> Result<dataset_folder::DiffractionHeader> {
        let series = self.series;
        let (detectors, window) = (series.detectors(self.frame)?, self.frame.patterns());
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

/// Focus and groups of positions that are finished together: all positions where the source blurs across them.
fn pieces(parts: &Parts, foci: usize, whole: bool) -> Vec<(usize, Range<usize>)> {
    let groups = parts.groups;
    match whole {
        true => (0..foci).map(|focus| (focus, 0..groups)).collect(),
        false => (0..foci).flat_map(|focus| (0..groups).map(move |g| (focus, g..g + 1))).collect(),
    }
}

/// Signals \[position\]\[signal\] of a whole image, blurred in place across the positions.
fn blurred(blur: &RealFilter, signals: &mut [f64], each: usize) {
    let mut scratch = blur.scratch();
    for signal in 0..each {
        let mut image: Vec<f64> = signals.iter().skip(signal).step_by(each).copied().collect();
        blur.apply(&mut image, &mut scratch);
        signals.iter_mut().skip(signal).step_by(each).zip(&image).for_each(|(to, from)| *to = *from);
    }
}
