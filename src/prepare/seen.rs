//! How much of Fourier space a tilt series has seen.
//!
//! The projection along the beam of an object of size D tells its transform on the plane through the origin across the
//! beam, and within about 1/D of it, where the transform cannot have changed much (Crowther, DeRosier and Klug 1970).
//! With the part of k along the beam of view j, k'_z = (R_j k)_z,
//!
//!   seen(k) = 1 - product over j of (1 - w_j(k)),    w_j(k) = cos^2(pi/2 D k'_z) where D |k'_z| < 1, else 0:
//!
//! 1 on every measured plane and between planes closer than 1/D, falling to 0 in the missing wedge, and between the planes
//! where they have spread apart by more than 2/D.

use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::geometry::{check_rotation, Mat3, Vec3};

/// The views of a series and how soft they end.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenWeights {
    /// p' = R p of each view, the beam along z'.
    pub rotations: Vec<Mat3>,
    /// Size D of the object, in the unit of the voxel size; `None`: the longest edge of the volume.
    pub object_size: Option<f64>,
    /// Weight of what no view has seen, 0 to 1: the filter is floor + (1 - floor) seen(k).
    pub floor: f64,
}

impl SeenWeights {
    /// The weights of the tilts of `version` that have an image in use.
    ///
    /// # Errors
    /// `NotReady` where there is none.
    pub fn of(version: &SeriesVersion) -> Result<Self> {
        let images = version.images();
        let used = version.tilts().iter().filter_map(|tilt| tilt.images.iter().find(|i| !images[**i].excluded));
        let rotations: Vec<Mat3> = used.map(|i| images[*i].rotation).collect();
        if rotations.is_empty() {
            let why = "it has no image in use, whose view would tell what was seen".into();
            return Err(Error::NotReady { what: "the dataset".into(), why });
        }
        Ok(Self { rotations, object_size: None, floor: 0.0 })
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.rotations.is_empty() {
            let why = "at least one view is needed".into();
            return Err(Error::Empty { what: "views".into(), why });
        }
        for (i, rotation) in self.rotations.iter().enumerate() {
            check_rotation(&format!("rotation of view {i}"), rotation)?;
        }
        if let Some(size) = self.object_size.filter(|size| !(size.is_finite() && *size > 0.0)) {
            return Err(Error::range("object_size", size, "a positive length (angstrom, or pixels)"));
        }
        match (0.0..=1.0).contains(&self.floor) {
            true => Ok(()),
            false => Err(Error::range("floor", self.floor, "0 to 1")),
        }
    }

    /// The filter at k = (x, y, z), cycles per length, for an object of `size`.
    pub(super) fn weight(&self, k: Vec3, size: f64) -> f64 {
        let mut unseen = 1.0;
        for rotation in &self.rotations {
            let [x, y, z] = rotation[2];
            let along = (x * k[0] + y * k[1] + z * k[2]).abs() * size;
            if along < 1.0 {
                unseen *= (0.5 * std::f64::consts::PI * along).sin().powi(2);
            }
        }
        self.floor + (1.0 - self.floor) * (1.0 - unseen)
    }
}
