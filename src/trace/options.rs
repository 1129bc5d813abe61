//! How atoms are traced.

use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::{check_alike, Smoothing};
use crate::specimen::Volume;

/// Part of the 99.9 % quantile that counts as an atom where no threshold is given.
pub const AUTOMATIC_PART: f64 = 0.25;

/// How a maximum gets its sub-voxel position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The maximum of the parabola through the 26 neighbours: fast, exact for wide atoms.
    #[default]
    Parabola,
    /// The published fit of all monomials of total degree up to 4, weighted by a Gaussian, moved until it stands still.
    Polynomial,
    /// A Gaussian on a background, by least squares against the volume as it is, not the smoothed one.
    Gaussian,
}

/// From which height on a maximum of the smoothed volume is a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// This part of the 99.9 % quantile of the smoothed volume.
    Part(f64),
    /// This value, in the unit of the volume.
    Value(f64),
    /// The lowest valley between two groups in the histogram of the heights of all maxima.
    Histogram,
}

/// How atoms are traced; lengths are in the unit of the voxel size (angstrom), `None` means automatic.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceOptions<'a> {
    /// Standard deviation of the smoothing before the search for maxima, voxels; 0: none.
    pub smoothing: f64,
    /// Smallest distance of two atoms, at least 2 voxels. `None`: 2 voxels.
    pub minimum_distance: Option<f64>,
    /// Smallest height of a candidate.
    pub threshold: Threshold,
    /// Keep at most this many atoms, the strongest.
    pub max_atoms: Option<usize>,
    /// Atomic number of all atoms, 0: unknown.
    pub species: u8,
    /// How a maximum gets its sub-voxel position.
    pub method: Method,
    /// Radius of the ball that is fitted. `None`: 3.5 / 3 voxels for polynomials, as published; for Gaussians half the
    /// minimum distance, but 2 to 6 voxels.
    pub fit_radius: Option<f64>,
    /// Gaussians have a width along each axis.
    pub anisotropic: bool,
    /// Only where this volume, of the same voxels, is above 0.5.
    pub support: Option<&'a Volume>,
    /// Atoms added by hand: places from which a fit starts, taken before all others.
    pub added: Vec<Vec3>,
    /// Candidates near one of these places are dropped by hand.
    pub removed: Vec<Vec3>,
    /// How near. `None`: half the minimum distance.
    pub removal_radius: Option<f64>,
    /// Rounds of explaining away at most: Gaussians of all atoms are fitted together and subtracted, and what is left is
    /// searched for more. 0: none.
    pub explain_rounds: usize,
    /// Smallest height of an atom in what is left, as a part of the height of the threshold above the background. `None`:
    /// 0.5. It never lies below five times the noise there.
    pub explain_part: Option<f64>,
}

impl Default for TraceOptions<'_> {
    fn default() -> Self {
        Self {
            smoothing: 1.0,
            minimum_distance: None,
            threshold: Threshold::Part(AUTOMATIC_PART),
            max_atoms: None,
            species: 0,
            method: Method::default(),
            fit_radius: None,
            anisotropic: false,
            support: None,
            added: vec![],
            removed: vec![],
            removal_radius: None,
            explain_rounds: 0,
            explain_part: None,
        }
    }
}

/// Radius of the published polynomial fit, voxels: 3.5 of voxels three times finer.
const POLYNOMIAL_RADIUS: f64 = 3.5 / 3.0;

/// Least distance of two maxima that a grid tells apart, voxels.
const LEAST_DISTANCE: f64 = 2.0;

/// Radii of fitted balls, voxels.
const POLYNOMIAL_RADII: std::ops::RangeInclusive<f64> = 1.0..=4.0;
const GAUSSIAN_RADII: std::ops::RangeInclusive<f64> = 1.75..=12.0;

impl TraceOptions<'_> {
    /// Refuses values without meaning for `volume`.
    ///
    /// # Errors
    /// `Range`; `Shape` or `Inconsistent` for a support on other voxels.
    pub fn check(&self, volume: &Volume) -> Result<()> {
        let voxel = volume.voxel_size();
        Smoothing::Gaussian(self.smoothing).check()?;
        if let Some(distance) = self.minimum_distance {
            let least = LEAST_DISTANCE * voxel;
            if !(distance.is_finite() && distance >= least * (1.0 - 1e-9)) {
                let wanted = format!("at least {least}, two voxels of {voxel}: a grid tells no nearer maxima apart");
                return Err(Error::range("minimum_distance", distance, wanted));
            }
        }
        self.check_heights()?;
        if self.max_atoms == Some(0) {
            return Err(Error::range("max_atoms", 0, "at least 1"));
        }
        if let Some(radius) = self.fit_radius {
            let allowed = match self.method {
                Method::Polynomial => POLYNOMIAL_RADII,
                _ => GAUSSIAN_RADII,
            };
            if !allowed.contains(&(radius / voxel)) {
                let (least, most) = (allowed.start() * voxel, allowed.end() * voxel);
                let wanted = format!("{least} to {most}: {} to {} voxels of {voxel}", allowed.start(), allowed.end());
                return Err(Error::range("fit_radius", radius, wanted));
            }
        }
        if let Some(radius) = self.removal_radius.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return Err(Error::range("removal_radius", radius, "a positive number (angstrom)"));
        }
        self.check_places(volume)?;
        self.support.map_or(Ok(()), |support| check_alike("support", support, volume))
    }

    fn check_heights(&self) -> Result<()> {
        match self.threshold {
            Threshold::Part(part) if !(0.0..=100.0).contains(&part) => {
                return Err(Error::range("threshold", part, "0 to 100 (parts of the 99.9 % quantile)"));
            }
            Threshold::Value(value) if !value.is_finite() => {
                return Err(Error::range("threshold", value, "a finite number (unit of the volume)"));
            }
            _ => {}
        }
        match self.explain_part {
            Some(part) if !(part > 0.0 && part <= 100.0) => {
                Err(Error::range("explain_part", part, "above 0, up to 100 (parts of the threshold)"))
            }
            _ => Ok(()),
        }
    }

    /// Places of edits lie inside of the volume, or a slip of units would pass unseen.
    fn check_places(&self, volume: &Volume) -> Result<()> {
        let last = volume.shape().map(|n| n as f64 - 1.0);
        let (low, high) = (volume.position([0.0; 3]), volume.position(last));
        for (name, places) in [("added", &self.added), ("removed", &self.removed)] {
            for (i, place) in places.iter().enumerate() {
                if let Some(axis) = (0..3).find(|a| !(low[*a]..=high[*a]).contains(&place[*a])) {
                    let what = format!("{} of {name} position {i}", ["x", "y", "z"][axis]);
                    let wanted = format!("{} to {} (angstrom), inside of the volume", low[axis], high[axis]);
                    return Err(Error::range(what, place[axis], wanted));
                }
            }
        }
        Ok(())
    }

    pub(super) fn distance(&self, voxel: f64) -> f64 {
        self.minimum_distance.unwrap_or(LEAST_DISTANCE * voxel)
    }

    pub(super) fn removal(&self, voxel: f64) -> f64 {
        self.removal_radius.unwrap_or(0.5 * self.distance(voxel))
    }

    /// Radius of the fitted ball, voxels.
    pub(super) fn radius(&self, voxel: f64) -> f64 {
        match (self.fit_radius, self.method) {
            (Some(radius), _) => radius / voxel,
            (None, Method::Polynomial) => POLYNOMIAL_RADIUS,
            (None, _) => (0.5 * self.distance(voxel) / voxel).clamp(2.0, 6.0),
        }
    }
}
