//! How atoms are found.

use super::super::options::LotOptions;
use super::super::tomography::{TomographyMethod, TomographyOptions};
use crate::dataset::{LengthUnit, SeriesVersion};
use crate::error::{Error, Result};
use crate::specimen::{elements, Atoms, Volume};

/// Where the first guess comes from, where no atoms are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstGuess {
    /// The peaks of a volume of the images.
    #[default]
    Volume,
    /// A regular grid of orbitals, denser than atoms, which coarse fits draw to them: no volume comes in between.
    Grid,
}

/// How atoms are found; lengths are in the unit of the series, `None` means automatic.
#[derive(Debug, Clone, PartialEq)]
pub struct FindOptions {
    /// The model that is fitted. Each atom has its own height whatever is said here, and without a probe the model is
    /// direct. Probes become adaptive once the search has settled with rigid ones.
    pub fit: LotOptions,
    /// The model of `fit` is used whatever the images say. Else the first guess is fitted by the direct model, too, and the
    /// one that follows the images better goes on.
    pub keep_model: bool,
    /// The orbital of `fit` is the shape of the atoms. Else the images tell it, from the second fit on.
    pub keep_orbital: bool,
    /// The part of the tilts, 0 to 0.5, that is held out to tell whether the first guess should move; 0: none, it moves. Not
    /// for a first guess that lacks a whole species: what moves then is as wrong as what stays.
    pub hold_out: f64,
    /// Blocks of parameters to be fitted beside positions, heights, widths and backgrounds: `drift`, `scale`, ...
    pub free: Vec<String>,
    /// The defocus of every section is looked for up to so many angstrom from the recorded one in the first fit
    /// ([`Reconstruction::scan_defocus`](crate::reconstruct::Reconstruction::scan_defocus)) and fitted from there on; 0: it is
    /// as recorded. The rigid model is then kept.
    pub defocus_range: f64,
    /// The volume of the first guess; 20 iterations of SIRT without positivity if nothing is said, whose noise is alike
    /// everywhere and of either sign. Residual volumes have its shape.
    pub tomography: TomographyOptions,
    /// Where the first guess comes from.
    pub first_guess: FirstGuess,
    /// Distance of the orbitals of a grid, d_est of the papers: at least a pixel. `None`: 1 A.
    pub grid_spacing: Option<f64>,
    /// The first guess, instead of what is traced in a volume or left of a grid.
    pub start: Option<Atoms>,
    /// Atoms lie only where this volume, of the voxels of `tomography`, is above 0.5.
    pub support: Option<Volume>,
    /// Atoms nearer than this are one: below the shortest bond. `None`: 1.6 A.
    pub minimum_distance: Option<f64>,
    /// Standard deviation by which volumes are smoothed. `None`: a quarter of the minimum distance.
    pub smoothing: Option<f64>,
    /// Smallest peak of the first guess, as a part of the 99.9 % quantile of the smoothed volume. `None`: the lowest valley
    /// in the histogram of the peaks' heights.
    pub threshold: Option<f64>,
    /// Orbitals lower than this part of the typical height of the lightest species are no atoms. `None`: 2.65 standard
    /// deviations of the heights below 1, within 0.4 and 0.55.
    pub weak: Option<f64>,
    /// Orbitals higher than this many times the typical height of the heaviest species are two atoms; infinite: none are.
    /// `None`: 3.5 standard deviations of the heights above 1, at least 1.6.
    pub split: Option<f64>,
    /// Atoms further than this from all others are noise; infinite: none are. `None`: twice the median distance of nearest
    /// neighbours, at least 2.5 times the minimum distance.
    pub isolation: Option<f64>,
    /// Fits at most.
    pub max_cycles: usize,
    /// Iterations of each fit.
    pub fit_iterations: usize,
    /// Atomic numbers, the weakest scatterer first; heights tell which atom is which. Empty: those of the series, in the
    /// order of atomic numbers, where its key `elements` names them; else one species, unknown.
    pub species: Vec<u8>,
}

impl Default for FindOptions {
    fn default() -> Self {
        Self {
            fit: LotOptions::default(),
            keep_model: false,
            keep_orbital: false,
            hold_out: 0.0,
            free: vec![],
            defocus_range: 0.0,
            tomography: Self::linear_volume(),
            first_guess: FirstGuess::Volume,
            grid_spacing: None,
            start: None,
            support: None,
            minimum_distance: None,
            smoothing: None,
            threshold: None,
            weak: None,
            split: None,
            isolation: None,
            max_cycles: 12,
            fit_iterations: 40,
            species: vec![],
        }
    }
}

/// Shortest bond that is told apart where nothing is said, A. Bonds of the solids seen by ADF imaging are longer.
const MINIMUM_DISTANCE: f64 = 1.6;

/// Distance of the orbitals of a grid where nothing is said, A: d_est of the papers.
const GRID_SPACING: f64 = 1.0;

/// Blocks that can be freed beside those that always are.
const BLOCKS: [&str; 5] = ["drift", "depth_offset", "defocus", "angles", "scale"];

impl FindOptions {
    /// The volume of the first guess where nothing is said.
    pub fn linear_volume() -> TomographyOptions {
        TomographyOptions {
            method: TomographyMethod::Sirt,
            iterations: Some(20),
            positivity: Some(false),
            ..Default::default()
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(weak) = self.weak.filter(|weak| !(0.0..1.0).contains(weak)) {
            return Err(Error::range("weak", weak, "0 up to below 1 (part of the typical height)"));
        }
        if let Some(split) = self.split.filter(|split| split.is_nan() || *split <= 1.0) {
            return Err(Error::range("split", split, "above 1 (times the typical height)"));
        }
        if self.start.is_some() && self.first_guess == FirstGuess::Grid {
            let why = "`start` is a first guess, too: give either".into();
            return Err(Error::Inconsistent { what: "first_guess grid".into(), why });
        }
        let lengths = [
            ("minimum_distance", self.minimum_distance),
            ("smoothing", self.smoothing),
            ("grid_spacing", self.grid_spacing),
        ];
        for (name, value) in lengths {
            if let Some(v) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(Error::range(name, v, "a positive number (length unit of the series)"));
            }
        }
        if let Some(v) = self.isolation.filter(|v| v.is_nan() || *v <= 0.0) {
            return Err(Error::range("isolation", v, "a positive number (length unit of the series), or infinity"));
        }
        if let Some(v) = self.threshold.filter(|v| !(0.0..=100.0).contains(v)) {
            return Err(Error::range("threshold", v, "0 to 100 (parts of the 99.9 % quantile)"));
        }
        if !(self.defocus_range.is_finite() && self.defocus_range >= 0.0) {
            return Err(Error::range("defocus_range", self.defocus_range, "0 or more (A)"));
        }
        if !(0.0..=0.5).contains(&self.hold_out) {
            return Err(Error::range("hold_out", self.hold_out, "0 to 0.5 (part of the tilts)"));
        }
        for (name, count) in [("max_cycles", self.max_cycles), ("fit_iterations", self.fit_iterations)] {
            if count == 0 {
                return Err(Error::range(name, count, "at least 1"));
            }
        }
        if let Some(block) = self.free.iter().find(|block| !BLOCKS.contains(&block.as_str())) {
            let known = BLOCKS.join(", ");
            return Err(Error::UnknownOption { what: "block in `free`".into(), got: block.clone(), known });
        }
        if let Some(z) = self.species.iter().find(|z| **z > elements::MAX_ATOMIC_NUMBER) {
            return Err(Error::range("species", z, format!("an atomic number 0 to {}", elements::MAX_ATOMIC_NUMBER)));
        }
        let twice = (0..self.species.len()).find(|i| self.species[..*i].contains(&self.species[*i]));
        match twice {
            Some(i) => Err(Error::range("species", self.species[i], "each atomic number once")),
            None => Ok(()),
        }
    }

    pub(super) fn minimum_distance(&self, version: &SeriesVersion) -> Result<f64> {
        length(version, "minimum_distance", self.minimum_distance, MINIMUM_DISTANCE)
    }

    pub(super) fn grid_spacing(&self, version: &SeriesVersion) -> Result<f64> {
        let spacing = length(version, "grid_spacing", self.grid_spacing, GRID_SPACING)?;
        let pixel = version.pixel_size();
        match spacing < pixel {
            true => Err(Error::range("grid_spacing", spacing, format!("at least the size of a pixel, {pixel}"))),
            false => Ok(spacing),
        }
    }

    /// The species to look for, at least one.
    pub(super) fn species_of(&self, version: &SeriesVersion) -> Vec<u8> {
        let species = if self.species.is_empty() { version.elements() } else { self.species.clone() };
        if species.is_empty() {
            vec![0]
        } else {
            species
        }
    }
}

/// A length that was given, else so many angstrom.
fn length(version: &SeriesVersion, name: &str, given: Option<f64>, automatic: f64) -> Result<f64> {
    match (given, version.length_unit()) {
        (Some(length), _) => Ok(length),
        (None, LengthUnit::Angstrom) => Ok(automatic),
        (None, LengthUnit::Pixel) => Err(Error::NotReady {
            what: name.into(),
            why: "the series is in pixels, so that there is no automatic value; give it in pixels".into(),
        }),
    }
}
