//! Views of a specimen as plain arrays: what engines take that work on whole images.

use crate::error::{Error, Result};
use crate::geometry::{check_rotation, Mat3};

/// Views as plain arrays, one pixel to a voxel.
pub(crate) struct PlainViews {
    /// Voxels along z, y, x of the volume wanted.
    pub shape: [usize; 3],
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// p' = R p
    pub rotations: Vec<Mat3>,
    /// (u, v), pixels: p' = R p + (u, v, 0)
    pub shifts: Vec<[f64; 2]>,
    /// Weight of each view, 1 = normal.
    pub weights: Vec<f64>,
    /// `[view][row][column]`, background taken off, masked pixels 0.
    pub images: Vec<f32>,
}

impl PlainViews {
    /// Checks that all parts fit together.
    ///
    /// # Errors
    /// `Range` for empty edges, `Empty` without views, `Shape` where lists differ in length, `NonFinite`, `Inconsistent`
    /// for an improper rotation, `Range` for a negative weight.
    pub fn check(&self) -> Result<()> {
        self.check_geometry()?;
        let pixels = self.rows * self.columns;
        if self.images.len() != self.rotations.len() * pixels {
            let wanted = format!("{} views of {} x {}", self.rotations.len(), self.rows, self.columns);
            return Err(Error::shape("images of the views", &[self.images.len()], wanted));
        }
        if let Some((i, value)) = self.images.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            let (view, row, column) = (i / pixels, i % pixels / self.columns, i % self.columns);
            let at = format!("view {view}, row {row}, column {column}");
            return Err(Error::NonFinite { what: "an image".into(), value: f64::from(*value), at });
        }
        Ok(())
    }

    /// The same without a look at the images.
    pub fn check_geometry(&self) -> Result<()> {
        let edges = self.shape.into_iter().chain([self.rows, self.columns]);
        for (edge, name) in
            edges.zip(["volume, along z", "volume, along y", "volume, along x", "images, rows", "images, columns"])
        {
            if edge == 0 {
                return Err(Error::range(format!("size of {name}"), edge, "at least 1"));
            }
        }
        let views = self.rotations.len();
        if views == 0 {
            let why = "at least one view is needed";
            return Err(Error::Empty { what: "views".into(), why: why.into() });
        }
        for (what, got) in [("shifts of the views", self.shifts.len()), ("weights of the views", self.weights.len())] {
            if got != views {
                return Err(Error::shape(what, &[got], format!("one for each of {views} views")));
            }
        }
        for (i, rotation) in self.rotations.iter().enumerate() {
            check_rotation(&format!("rotation of view {i}"), rotation)?;
            if let Some(value) = self.shifts[i].iter().find(|v| !v.is_finite()) {
                return Err(Error::NonFinite { what: "shift".into(), value: *value, at: format!("view {i}") });
            }
            let weight = self.weights[i];
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(Error::range(format!("weight of view {i}"), weight, "0 or a positive number"));
            }
        }
        Ok(())
    }
}
