//! Tilt and focus series of a specimen by multislice: what is computed, tilt by tilt and part by part.
//!
//! [`MultisliceSeries`] (description) -> [`SeriesFrame`] (cell, pixels and window of all tilts) -> [`TiltPlan`] (the
//! specimen in one tilt, placed in the cell) -> signals of some scan
//! positions for one configuration of thermal displacements and one focus ([`TiltObject::signals`]). Signals depend on
//! nothing else, so that a series can be computed in any pieces, in any order, and taken up again where it was left.
//!
//! Frames: the specimen turns about its origin, p' = R p. The origin falls on scan position (rows / 2, columns / 2) and on
//! the middle of the cell. A focus f puts the crossover at z' = +f, counted from the origin.

use super::coherence::Spread;
use super::instrument::Instrument;
use super::phonons::{displaced_atoms, FrozenPhonons};
use super::stem::{detectors_on, PatternSampling, Sampling, ScanPositions, Simulation, SimulationOptions, WindowSize};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::{apply, check_rotation, Mat3};
use crate::grid::Plane;
use crate::optics::{BandLimit, Crop, Detector, DetectorKind, DetectorPlan, ProbeOptions};
use crate::problem::Waiting;
use crate::simd::Real;
use crate::specimen::{Atoms, CellCentre, CellSize};

/// Most rows or columns of a scan, and most configurations: more are a slip of the units.
const MOST: usize = 1 << 16;

/// What is recorded at every scan position.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesSignal {
    /// The part of the beam on an annular detector: an image.
    Annular {
        /// Inner angle, mrad.
        inner_mrad: f64,
        /// Outer angle, mrad; `None`: to the band limit.
        outer_mrad: Option<f64>,
    },
    /// Diffraction patterns: 4D-STEM.
    Patterns {
        /// Part of the pattern.
        crop: Crop,
        /// Pattern pixels per detector pixel and axis.
        binning: usize,
    },
}

/// A tilt and focus series to be simulated.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MultisliceSeries {
    /// The illumination; its defocus is added to the foci.
    pub probe: ProbeOptions,
    /// Rotation of every tilt, p' = R p.
    pub rotations: Vec<Mat3>,
    /// Heights f of the crossover above the origin along the beam, angstrom: one image per tilt and focus.
    pub foci: Vec<f64>,
    /// Rows of scan positions.
    pub rows: usize,
    /// Columns of scan positions.
    pub columns: usize,
    /// Distance of scan positions, angstrom.
    pub pixel_size: f64,
    /// What is recorded.
    pub signal: SeriesSignal,
    /// Sampling, slices, potential, window; a whole window is replaced by an automatic one where `automatic_window` says so.
    pub simulation: SimulationOptions,
    /// Choose the window from the spread of the probe and the largest angle.
    pub automatic_window: bool,
    /// Vacuum around specimen and scan in the cell, angstrom, on every side.
    pub vacuum: f64,
    /// Frozen phonons, with the displacements of the atoms' Debye-Waller factors; without, these blur the potential.
    pub phonons: Option<FrozenPhonons>,
    /// Spread of defocus and semi-angle.
    pub spread: Spread,
    /// What records the signals.
    pub instrument: Instrument,
}

impl MultisliceSeries {
    /// A series of ADF images with sensible settings: rotations about y, pixels of 0.34 angstrom.
    pub fn new(probe: ProbeOptions, rotations: Vec<Mat3>, foci: Vec<f64>) -> Self {
        Self {
            probe,
            rotations,
            foci,
            rows: 0,
            columns: 0,
            pixel_size: 0.34,
            signal: SeriesSignal::Annular { inner_mrad: 40.0, outer_mrad: None },
            simulation: SimulationOptions::default(),
            automatic_window: true,
            vacuum: 4.0,
            phonons: None,
            spread: Spread::default(),
            instrument: Instrument::default(),
        }
    }

    /// Sets rows and columns, where they are 0, so that all atoms stay within the images in every tilt.
    pub fn fit_to(&mut self, atoms: &Atoms) {
        let farthest =
            atoms.positions().iter().map(|p| p.iter().map(|v| v * v).sum::<f64>()).fold(0.0, f64::max).sqrt();
        // a pixel size or vacuum that is refused later must not overflow here
        let points = (((farthest + self.vacuum) / self.pixel_size.max(1e-6)).ceil() as usize).saturating_mul(2);
        for n in [&mut self.rows, &mut self.columns] {
            if *n == 0 {
                *n = points.max(2);
            }
        }
    }

    /// Checks all that can be wrong before any long work.
    ///
    /// # Errors
    /// `Empty` without rotations, foci or scan positions; `Range`, `Inconsistent` for impossible values.
    pub fn check(&self) -> Result<()> {
        let missing = |what: &str| Error::Empty { what: what.into(), why: "at least one is needed".into() };
        if self.rotations.is_empty() {
            return Err(missing("list of rotations"));
        }
        if self.foci.is_empty() {
            return Err(missing("list of foci"));
        }
        if ![self.rows, self.columns].iter().all(|n| (1..=MOST).contains(n)) {
            return Err(Error::shape("scan", &[self.rows, self.columns], format!("(rows, columns), 1 to {MOST} each")));
        }
        for (tilt, rotation) in self.rotations.iter().enumerate() {
            check_rotation(&format!("rotation of tilt {tilt}"), rotation)?;
        }
        Error::unless_finite("foci", "focus", &self.foci)?;
        for (what, value) in [("pixel_size", self.pixel_size), ("vacuum", self.vacuum)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::range(what, value, "a positive number (angstrom)"));
            }
        }
        self.phonons.map_or(Ok(()), |phonons| phonons.check())?;
        if matches!(self.signal, SeriesSignal::Patterns { .. }) && self.instrument.scan != Default::default() {
            let why = "distortions of the scan are made for images, not for diffraction patterns".into();
            return Err(Error::Unsupported { what: "scan of the instrument".into(), why });
        }
        self.probe.clone().build()?;
        let ensemble = self.spread.ensemble(&self.probe)?;
        self.simulation.check_prism()?;
        if let Some(prism) = self.simulation.prism {
            ensemble.iter().try_for_each(|(probe, _)| prism.check_semiangle(probe.semiangle_mrad))?;
        }
        self.instrument.check()
    }

    /// Checks that the atoms have what the series needs.
    ///
    /// # Errors
    /// `NotReady` for frozen phonons of atoms without Debye-Waller factors.
    pub fn check_atoms(&self, atoms: &Atoms) -> Result<()> {
        match (self.phonons, atoms.debye_waller_b()) {
            (Some(_), None) => {
                let why = "frozen phonons need the Debye-Waller factor of every atom (column debye_waller_b)";
                Err(Error::NotReady { what: "specimen".into(), why: why.into() })
            }
            _ => Ok(()),
        }
    }

    /// Number of configurations of every tilt.
    pub fn configurations(&self) -> usize {
        self.phonons.map_or(1, |phonons| phonons.configurations)
    }

    /// Number of scan positions of an image.
    pub fn positions(&self) -> usize {
        self.rows * self.columns
    }

    /// The cell that all tilts have in common across the beam, so that angles, windows and detectors are the same in every
    /// one, and the height of each.
    ///
    /// # Errors
    /// Those of [`Self::check`]; `Range`, `Shape` for an impossible sampling or window.
    pub fn frame(&self, atoms: &Atoms) -> Result<SeriesFrame> {
        self.check()?;
        let scan = |n: usize| 0.5 * n as f64 * self.pixel_size;
        let mut reach = [scan(self.columns), scan(self.rows)];
        let mut heights = Vec::with_capacity(self.rotations.len());
        for rotation in &self.rotations {
            let mut depth = 0.0_f64;
            for position in atoms.positions() {
                let [x, y, z] = apply(rotation, position);
                reach = [reach[0].max(x.abs()), reach[1].max(y.abs())];
                depth = depth.max(z.abs());
            }
            heights.push(2.0 * (depth + self.vacuum));
        }
        let tallest = heights.iter().copied().fold(0.0, f64::max);
        let [x, y] = reach.map(|reach| 2.0 * (reach + self.vacuum));
        let plane = self.simulation.plane([x, y, tallest])?;
        let size = match (self.automatic_window, self.simulation.prism) {
            (true, None) => {
                let farthest = self.foci.iter().map(|f| f.abs()).fold(0.0, f64::max);
                let farthest = farthest + self.probe.aberrations.defocus().abs();
                WindowSize::for_probe(&plane, &self.probe.clone().build()?, tallest, farthest)?
            }
            (true, Some(_)) => WindowSize::Whole,
            (false, _) => self.simulation.window,
        };
        let (rows, columns) = size.pixels(&plane)?.unwrap_or((plane.rows, plane.columns));
        let window = Plane::new(rows, columns, plane.pixel_y, plane.pixel_x)?;
        // images count whole pixels of rings: finer ones keep to the circles; patterns are stored as the window has them
        let sampling = match (self.signal, self.automatic_window) {
            (SeriesSignal::Annular { .. }, true) if self.simulation.prism.is_none() => PatternSampling::Padded,
            _ => self.simulation.patterns,
        };
        let patterns = match self.simulation.prism {
            Some(prism) => prism.options.exit_window(self.simulation.band_limit, &plane)?,
            None => sampling.plane(&plane, &window),
        };
        Ok(SeriesFrame { extent: (x, y), heights, plane, size, window, sampling, patterns })
    }

    /// The detector.
    ///
    /// # Errors
    /// `Range` for angles beyond the band limit, with the largest one and the pixel that would be needed.
    pub fn detectors(&self, frame: &SeriesFrame) -> Result<DetectorPlan> {
        let wavelength = crate::electron::wavelength(self.probe.energy_ev)?;
        let limit = self.simulation.band_limit;
        let kind = match self.signal {
            SeriesSignal::Annular { inner_mrad, outer_mrad } => {
                let outer = outer_mrad.unwrap_or_else(|| valid(limit, &frame.plane, wavelength));
                DetectorKind::Annular { inner_mrad, outer_mrad: Some(outer) }
            }
            SeriesSignal::Patterns { crop, binning } => DetectorKind::Pixelated { crop, binning },
        };
        detectors_on(&[Detector::new(kind)?], &frame.plane, &frame.patterns, wavelength, limit)
    }

    /// The specimen in tilt `tilt`.
    ///
    /// # Errors
    /// `Inconsistent` or `Range` where it cannot be placed.
    pub fn tilt<'a>(&'a self, atoms: &Atoms, frame: &'a SeriesFrame, tilt: usize) -> Result<TiltPlan<'a>> {
        let extent = [frame.extent.0, frame.extent.1, frame.heights[tilt]];
        let turned = atoms.rotated(&self.rotations[tilt])?;
        let atoms = turned.placed_in_cell(CellSize::Extent(extent), CellCentre::Origin)?;
        let mut options = self.simulation.clone();
        options.sampling = Sampling::Points { rows: frame.plane.rows, columns: frame.plane.columns };
        options.window = frame.size;
        options.patterns = frame.sampling;
        Ok(TiltPlan { series: self, tilt, atoms, options, extent })
    }
}

/// What all tilts of a series have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesFrame {
    /// Lengths of the cell along x and y, angstrom.
    extent: (f64, f64),
    /// Height of the cell in every tilt, angstrom.
    heights: Vec<f64>,
    plane: Plane,
    size: WindowSize,
    window: Plane,
    sampling: PatternSampling,
    patterns: Plane,
}

impl SeriesFrame {
    /// Pixels of the object.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Pixels that a probe sees.
    pub fn window(&self) -> &Plane {
        &self.window
    }

    /// Sampling of diffraction patterns.
    pub fn patterns(&self) -> &Plane {
        &self.patterns
    }

    /// Heights of the cell in every tilt, angstrom.
    pub fn heights(&self) -> &[f64] {
        &self.heights
    }
}

/// The specimen in one tilt.
pub struct TiltPlan<'a> {
    series: &'a MultisliceSeries,
    tilt: usize,
    atoms: Atoms,
    options: SimulationOptions,
    extent: [f64; 3],
}

impl TiltPlan<'_> {
    /// The atoms in their cell.
    pub fn atoms(&self) -> &Atoms {
        &self.atoms
    }

    /// How it is simulated.
    pub fn options(&self) -> &SimulationOptions {
        &self.options
    }

    /// Positions `range` of the scan, row after row, in the cell.
    ///
    /// # Errors
    /// `Empty` for none.
    pub fn positions(&self, range: std::ops::Range<usize>) -> Result<ScanPositions> {
        let series = self.series;
        let at = |i: usize, n: usize, extent: f64| 0.5 * extent + (i as f64 - (n / 2) as f64) * series.pixel_size;
        let position = |i: usize| {
            let (row, column) = (i / series.columns, i % series.columns);
            (at(column, series.columns, self.extent[0]), at(row, series.rows, self.extent[1]))
        };
        ScanPositions::new(range.map(position).collect())
    }

    /// The object of one configuration of thermal displacements.
    ///
    /// # Errors
    /// As [`Simulation::new`].
    pub fn object<T: Real>(
        &self,
        context: &Context,
        configuration: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<TiltObject<'_, T>> {
        let atoms = match self.series.phonons {
            // every tilt has displacements of its own, as every exposure has
            Some(FrozenPhonons { configurations, seed }) => {
                displaced_atoms(&self.atoms, seed, (self.tilt * configurations + configuration) as u64)?
            }
            None => self.atoms.clone(),
        };
        let simulation = Simulation::new(context, &atoms, self.series.probe.energy_ev, &self.options, waiting)?;
        Ok(TiltObject { plan: self, simulation })
    }

    /// The series this belongs to.
    pub fn series(&self) -> &MultisliceSeries {
        self.series
    }
}

/// Largest outer angle of an annular detector: a little within the limit, so that rounding never puts it beyond.
fn valid(limit: BandLimit, window: &Plane, wavelength: f64) -> f64 {
    limit.largest_angle_mrad(window, wavelength) * (1.0 - 1e-9)
}

/// The specimen in one tilt, displaced by thermal motion, ready to be scanned.
pub struct TiltObject<'a, T: Real> {
    plan: &'a TiltPlan<'a>,
    simulation: Simulation<T>,
}

impl<T: Real> TiltObject<'_, T> {
    /// Signals of the positions `range` at focus number `focus`, one position after the other, the mean over the spread
    /// of the illumination.
    ///
    /// # Errors
    /// As [`Simulation::scan_spread`].
    pub fn signals(
        &self,
        context: &Context,
        focus: usize,
        range: std::ops::Range<usize>,
        detectors: &DetectorPlan,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let series = self.plan.series;
        let positions = self.plan.positions(range)?;
        // the defocus counts from the entrance face here
        let defocus = series.probe.aberrations.defocus() + series.foci[focus] + 0.5 * self.plan.extent[2];
        let probe = series.probe.clone().defocus(defocus);
        self.simulation.scan_spread(context, &probe, &series.spread, &positions, detectors, waiting)
    }

    /// The simulation of this configuration.
    pub fn simulation(&self) -> &Simulation<T> {
        &self.simulation
    }
}
