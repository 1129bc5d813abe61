//! What a host says of the images it brings.

use ndarray::Array3;

use crate::error::{Error, Result};
use crate::geometry::{check_rotation, rotation_about, transpose, AngleOrder, Mat3, Vec3, IDENTITY};

/// Largest |angle| of a series that is probably in radians: just above pi.
const RADIANS_LIMIT: f64 = 3.2;

/// Axis of a single-axis tilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TiltAxis {
    /// Tilt about x: psi of the order zyx.
    X,
    /// Tilt about y: theta of the order zyx.
    Y,
}

/// Orientation of the images, p' = R p.
#[derive(Debug, Clone, PartialEq)]
pub enum Rotations {
    /// Matrices `[n]`, or one for all.
    Matrices(Vec<Mat3>),
    /// Angles (phi, theta, psi) `[n]`, degrees.
    Angles {
        /// Which rotation the three angles make.
        order: AngleOrder,
        /// `[n]` of (phi, theta, psi).
        degrees: Vec<Vec3>,
    },
    /// One angle per image `[n]`, degrees: R = transpose(R_axis(angle)), as the order zyx has it.
    SingleAxis {
        /// The tilt axis.
        axis: TiltAxis,
        /// `[n]`
        degrees: Vec<f64>,
    },
}

/// What is known of `count` images beside their pixels. `None` leaves a column to its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// Number of images n.
    pub count: usize,
    /// Orientation; the only column without a default.
    pub rotations: Option<Rotations>,
    /// Tilt labels `[n]`: images with one label make one tilt; tilts are numbered in rising order of their labels.
    /// Default: every image its own tilt where a series is created, all one tilt where one is appended or replaced.
    pub tilt: Option<Vec<i64>>,
    /// Section (focus) labels `[n]`, numbered in rising order. Default: counted within the tilt.
    pub section: Option<Vec<i64>>,
    /// Height of the crossover `[n]`, angstrom (0).
    pub defocus: Option<Vec<f64>>,
    /// (u along x', v along y') `[n]`, angstrom (0).
    pub drift: Option<Vec<[f64; 2]>>,
    /// `[n, rows, columns]`, non-zero = use the pixel (all).
    pub mask: Option<Array3<u8>>,
    /// Variance of the noise of one pixel `[n]`, (image unit)^2; NaN where not known.
    pub noise_variance: Option<Vec<f64>>,
    /// Electrons per image unit `[n]`; 1 where images are counts, NaN where not known.
    pub counts_per_unit: Option<Vec<f64>>,
    /// Images to keep but not to use `[n]` (none; a replaced tilt keeps its flags).
    pub excluded: Option<Vec<bool>>,
}

impl Frames {
    /// Defaults for `count` images; set `rotations` before use.
    pub fn new(count: usize) -> Self {
        Frames {
            count,
            rotations: None,
            tilt: None,
            section: None,
            defocus: None,
            drift: None,
            mask: None,
            noise_variance: None,
            counts_per_unit: None,
            excluded: None,
        }
    }

    /// The same with the orientation set.
    pub fn with_rotations(mut self, rotations: Rotations) -> Self {
        self.rotations = Some(rotations);
        self
    }

    /// Checks the lengths of all columns against images `[n, rows, columns]`.
    pub(super) fn check_shapes(&self, (n, rows, columns): (usize, usize, usize)) -> Result<()> {
        if self.count != n {
            return Err(Error::shape(
                "images",
                &[n, rows, columns],
                format!("[{}, ...] as the frames say", self.count),
            ));
        }
        let lengths = [
            ("tilt", self.tilt.as_ref().map(Vec::len)),
            ("section", self.section.as_ref().map(Vec::len)),
            ("defocus", self.defocus.as_ref().map(Vec::len)),
            ("drift", self.drift.as_ref().map(Vec::len)),
            ("noise_variance", self.noise_variance.as_ref().map(Vec::len)),
            ("counts_per_unit", self.counts_per_unit.as_ref().map(Vec::len)),
            ("excluded", self.excluded.as_ref().map(Vec::len)),
        ];
        for (what, length) in lengths {
            if length.is_some_and(|l| l != n) {
                let got: Vec<usize> = length.into_iter().collect();
                return Err(Error::shape(what, &got, format!("[{n}], one entry per image")));
            }
        }
        match &self.mask {
            Some(mask) if mask.dim() != (n, rows, columns) => {
                Err(Error::shape("mask", mask.shape(), format!("[{n}, {rows}, {columns}] like the images")))
            }
            _ => Ok(()),
        }
    }

    /// Rotation of each image `[n]`, checked.
    pub(super) fn matrices(&self) -> Result<Vec<Mat3>> {
        let rotations = self.rotations.as_ref().ok_or_else(|| Error::Empty {
            what: "orientation of the images".into(),
            why: "either rotations or angles are needed".into(),
        })?;
        rotations.matrices(self.count)
    }
}

impl Rotations {
    fn matrices(&self, n: usize) -> Result<Vec<Mat3>> {
        match self {
            Rotations::Matrices(matrices) => {
                if matrices.len() != n && matrices.len() != 1 {
                    return Err(Error::shape("rotations", &[matrices.len(), 3, 3], format!("[{n}, 3, 3] or [3, 3]")));
                }
                for (i, r) in matrices.iter().enumerate() {
                    check_rotation(&format!("rotation of image {i}"), r)?;
                }
                Ok((0..n).map(|i| matrices[i % matrices.len()]).collect())
            }
            Rotations::Angles { order, degrees } => {
                check_angles(degrees.iter().map(|a| a.as_slice()), (degrees.len(), 3), n)?;
                Ok(degrees.iter().map(|a| order.rotation(a)).collect())
            }
            Rotations::SingleAxis { axis, degrees } => {
                check_angles(degrees.chunks(1), (degrees.len(), 1), n)?;
                let axis = match axis {
                    TiltAxis::X => 0,
                    TiltAxis::Y => 1,
                };
                Ok(degrees
                    .iter()
                    .map(|a| if *a == 0.0 { IDENTITY } else { transpose(&rotation_about(axis, *a)) })
                    .collect())
            }
        }
    }

    /// A text where the angles look like radians: all below 3.2, not all equal, not all zero.
    pub(super) fn radians_warning(&self) -> Option<String> {
        let rows: Vec<&[f64]> = match self {
            Rotations::Matrices(_) => return None,
            Rotations::Angles { degrees, .. } => degrees.iter().map(|a| a.as_slice()).collect(),
            Rotations::SingleAxis { degrees, .. } => degrees.chunks(1).collect(),
        };
        let largest = rows.iter().flat_map(|r| r.iter()).fold(0.0, |m: f64, v| m.max(v.abs()));
        let differ = rows.iter().any(|r| *r != rows[0]);
        (differ && largest < RADIANS_LIMIT)
            .then(|| format!("all tilt angles lie within +-{largest:.4}: are they in radians? Degrees are wanted"))
    }
}

fn check_angles<'a>(rows: impl Iterator<Item = &'a [f64]>, got: (usize, usize), n: usize) -> Result<()> {
    if got.0 != n {
        return Err(Error::shape("angles_deg", &[got.0, got.1], format!("[{n}, {}], one row per image", got.1)));
    }
    for (i, row) in rows.enumerate() {
        if let Some(&value) = row.iter().find(|v| !v.is_finite()) {
            return Err(Error::NonFinite { what: "angles_deg".into(), value, at: format!("image {i}") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_axes_agree_with_zyx() {
        let single = |axis, a| Rotations::SingleAxis { axis, degrees: vec![a] }.matrices(1).unwrap()[0];
        for a in [0.0, 30.0, -71.5] {
            let zyx = |angles: Vec3| AngleOrder::Zyx.rotation(&angles);
            let close = |p: Mat3, q: Mat3| (0..9).all(|i| (p[i / 3][i % 3] - q[i / 3][i % 3]).abs() < 1e-15);
            assert!(close(single(TiltAxis::X, a), zyx([0.0, 0.0, a])));
            assert!(close(single(TiltAxis::Y, a), zyx([0.0, a, 0.0])));
        }
    }

    #[test]
    fn radians_are_noticed() {
        let tilts = |degrees: Vec<f64>| Rotations::SingleAxis { axis: TiltAxis::Y, degrees }.radians_warning();
        assert!(tilts(vec![-1.2, 0.0, 1.2]).is_some());
        assert!(tilts(vec![-60.0, 0.0, 60.0]).is_none());
        assert!(tilts(vec![0.0, 0.0]).is_none() && tilts(vec![2.0, 2.0]).is_none() && tilts(vec![]).is_none());
        assert!(Rotations::Matrices(vec![IDENTITY; 2]).radians_warning().is_none());
    }
}
