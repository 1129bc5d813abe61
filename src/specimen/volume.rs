//! A specimen as a volume of voxels.

use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::grid;
use ndarray::{Array3, ArrayView3};

/// An immutable volume `[z, y, x]` of cubic voxels. The specimen origin falls on the centre of voxel n / 2 (0-based) of
/// each axis, for odd and even sizes alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    values: Array3<f32>,
    voxel_size: f64,
}

impl Volume {
    /// A volume of `values` `[z, y, x]` (C order, or they are copied into it) with voxels of `voxel_size` (angstrom, or
    /// pixels where a data set knows no pixel size).
    ///
    /// # Errors
    /// `Empty` without voxels, `Range` for a voxel size that is no positive number, `NonFinite` with the place of a bad
    /// value.
    pub fn new(values: Array3<f32>, voxel_size: f64) -> Result<Self> {
        check_voxel_size(voxel_size)?;
        if values.is_empty() {
            let why = format!("shape {:?}, at least one voxel is needed", values.shape());
            return Err(Error::Empty { what: "volume".into(), why });
        }
        if let Some(((z, y, x), v)) = values.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let at = format!("voxel z {z}, y {y}, x {x}");
            return Err(Error::NonFinite { what: "volume".into(), value: f64::from(*v), at });
        }
        let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
        Ok(Self { values, voxel_size })
    }

    /// The values `[z, y, x]`.
    pub fn values(&self) -> ArrayView3<'_, f32> {
        self.values.view()
    }

    /// The values, x fastest, then y, then z.
    pub fn as_slice(&self) -> &[f32] {
        self.values.as_slice().unwrap_or_default() // `new` keeps them in C order
    }

    /// Edge of a voxel, angstrom (or pixels).
    pub fn voxel_size(&self) -> f64 {
        self.voxel_size
    }

    /// Voxels along z, y and x.
    pub fn shape(&self) -> [usize; 3] {
        let (z, y, x) = self.values.dim();
        [z, y, x]
    }

    /// Position (x, y, z) of the fractional voxel index (z, y, x), angstrom.
    pub fn position(&self, index: [f64; 3]) -> Vec3 {
        position(index, self.shape(), self.voxel_size)
    }

    /// Fractional voxel index (z, y, x) of a position (x, y, z), which may lie outside.
    pub fn index(&self, position: &Vec3) -> [f64; 3] {
        index(position, self.shape(), self.voxel_size)
    }

    /// Whether a position (x, y, z) lies in one of the voxels.
    pub fn contains(&self, position: &Vec3) -> bool {
        let (shape, index) = (self.shape(), self.index(position).map(f64::round));
        (0..3).all(|axis| index[axis] >= 0.0 && index[axis] < shape[axis] as f64)
    }

    /// Value of the voxel in which a position (x, y, z) lies; of the nearest one where it lies outside.
    pub fn nearest(&self, position: &Vec3) -> f32 {
        let (shape, index) = (self.shape(), self.index(position).map(f64::round));
        let voxel: [usize; 3] = std::array::from_fn(|axis| (index[axis].max(0.0) as usize).min(shape[axis] - 1));
        self.values[voxel]
    }
}

/// [`Volume::position`] in a volume of `shape` (z, y, x) that there need not be.
pub(crate) fn position(index: [f64; 3], shape: [usize; 3], voxel_size: f64) -> Vec3 {
    std::array::from_fn(|axis| (index[2 - axis] - grid::origin(shape[2 - axis]) as f64) * voxel_size)
}

/// [`Volume::index`] in a volume of `shape` (z, y, x) that there need not be.
pub(crate) fn index(position: &Vec3, shape: [usize; 3], voxel_size: f64) -> [f64; 3] {
    std::array::from_fn(|axis| position[2 - axis] / voxel_size + grid::origin(shape[axis]) as f64)
}

/// Refuses a voxel size that is no positive number.
pub(crate) fn check_voxel_size(voxel_size: f64) -> Result<()> {
    if voxel_size.is_finite() && voxel_size > 0.0 {
        return Ok(());
    }
    Err(Error::range("voxel_size", voxel_size, "a positive number (angstrom, or pixels)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_the_centre_of_voxel_n_over_2() {
        let volume = Volume::new(Array3::zeros((4, 5, 7)), 0.5).unwrap();
        assert_eq!(volume.position([2.0, 2.0, 3.0]), [0.0; 3]);
        assert_eq!(volume.position([0.0, 2.5, 6.0]), [1.5, 0.25, -1.0]); // x, y, z
        assert_eq!(volume.index(&[1.5, 0.25, -1.0]), [0.0, 2.5, 6.0]);
    }

    #[test]
    fn a_position_lies_in_the_voxel_whose_centre_is_nearest() {
        let values = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (100 * z + 10 * y + x) as f32);
        let volume = Volume::new(values, 0.5).unwrap();
        for (position, inside, value) in [
            ([0.0; 3], true, 112.0),
            ([0.24, -0.26, -0.26], true, 2.0),
            ([-1.24, 0.74, 0.24], true, 120.0),
            ([-1.26, 0.0, 0.0], false, 110.0),
            ([0.0, 0.0, 9.0], false, 112.0),
            ([9.0, -9.0, -9.0], false, 3.0),
        ] {
            assert_eq!((volume.contains(&position), volume.nearest(&position)), (inside, value), "{position:?}");
        }
        assert!(!volume.contains(&[f64::NAN, 0.0, 0.0]));
    }

    #[test]
    fn any_memory_order_is_taken() {
        let fortran = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (100 * z + 10 * y + x) as f32).reversed_axes();
        let volume = Volume::new(fortran.clone(), 1.0).unwrap();
        assert_eq!((volume.shape(), volume.values()), ([4, 3, 2], fortran.view()));
        assert_eq!(volume.as_slice()[..3], [0.0, 100.0, 10.0]);
    }

    #[test]
    fn bad_volumes_are_refused_with_their_place() {
        assert_eq!(Volume::new(Array3::zeros((0, 1, 1)), 1.0).unwrap_err().code(), 301);
        for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Volume::new(Array3::zeros((1, 1, 1)), size).unwrap_err().code(), 103);
        }
        let mut values = Array3::zeros((2, 2, 2));
        values[[1, 0, 1]] = f32::NAN;
        let error = Volume::new(values, 1.0).unwrap_err();
        assert!(error.code() == 300 && error.to_string().contains("z 1, y 0, x 1"), "{error}");
    }
}
