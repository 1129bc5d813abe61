//! Supports of simple shapes: where a specimen can be at all.

use super::mask::raised_cosine;
use super::planes::planes;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::problem::Waiting;
use crate::specimen::{volume, Volume};
use ndarray::Array3;

/// A support. Lengths are in the unit of the voxel size, positions (x, y, z) from the specimen origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Support {
    /// Radius of the sphere or cylinder.
    pub radius: f64,
    /// Its centre.
    pub centre: Vec3,
    /// `None`: a sphere; else the axis of a cylinder (0 x, 1 y, 2 z) and half its height (infinite: through the volume).
    pub cylinder: Option<(usize, f64)>,
    /// Width of the edge in which values fall from 1 to 0, outside: (1 + cos(pi d / width)) / 2 at distance d.
    pub soft_edge: f64,
}

impl Support {
    /// A sphere about the origin.
    pub fn sphere(radius: f64) -> Self {
        Self { radius, centre: [0.0; 3], cylinder: None, soft_edge: 0.0 }
    }

    /// A cylinder about the origin, along `axis` (0 x, 1 y, 2 z), through the whole volume.
    pub fn cylinder(radius: f64, axis: usize) -> Self {
        Self { cylinder: Some((axis, f64::INFINITY)), ..Self::sphere(radius) }
    }

    fn check(&self) -> Result<()> {
        positive("radius", self.radius)?;
        if let Some((axis, half_height)) = self.cylinder {
            positive("half_height", if half_height == f64::INFINITY { 1.0 } else { half_height })?;
            if axis > 2 {
                return Err(Error::range("axis", axis, "0 (x), 1 (y) or 2 (z)"));
            }
        }
        if !(self.soft_edge.is_finite() && self.soft_edge >= 0.0) {
            return Err(Error::range("soft_edge", self.soft_edge, "0 or a positive length"));
        }
        Error::unless_finite("centre of the support", "axis", &self.centre)
    }

    /// How far p lies outside; 0 or less inside.
    fn distance(&self, p: Vec3) -> f64 {
        let d: Vec3 = std::array::from_fn(|axis| p[axis] - self.centre[axis]);
        let across = |axis: usize| d.iter().enumerate().filter(|(a, _)| *a != axis).map(|(_, v)| v * v).sum::<f64>();
        match self.cylinder {
            None => across(usize::MAX).sqrt() - self.radius,
            Some((axis, half_height)) => {
                let (side, end) = (across(axis).sqrt() - self.radius, d[axis].abs() - half_height);
                if side > 0.0 && end > 0.0 {
                    side.hypot(end)
                } else {
                    side.max(end)
                }
            }
        }
    }
}

fn positive(what: &str, length: f64) -> Result<()> {
    match length.is_finite() && length > 0.0 {
        true => Ok(()),
        false => Err(Error::range(what, length, "a positive length (angstrom, or pixels)")),
    }
}

/// Most voxels of a support: 2^40.
const MAX_VOXELS: u128 = 1 << 40;

/// A mask of `shape` (z, y, x): 1 in voxels whose centres lie in the support or on its surface, 0 elsewhere, values
/// between in a soft edge.
///
/// # Errors
/// `Range` for lengths without meaning and an empty or impossible shape, `NonFinite` for the centre, `Empty` for a support
/// that holds no voxel, `Memory`, `Cancelled`.
pub fn support(
    context: &Context,
    shape: [usize; 3],
    voxel_size: f64,
    of: &Support,
    waiting: &mut Waiting<'_>,
) -> Result<Volume> {
    positive("voxel_size", voxel_size)?;
    of.check()?;
    let voxels: u128 = shape.iter().map(|n| *n as u128).product();
    if !(1..=MAX_VOXELS).contains(&voxels) {
        return Err(Error::range("shape", format!("{shape:?}"), "at least 1 voxel along z, y and x, 2^40 in all"));
    }
    let [_, _, nx] = shape;
    let values = planes(context, shape, "making a support", waiting, &|z, plane: &mut [f32]| {
        for (i, value) in plane.iter_mut().enumerate() {
            let voxel = [z, i / nx, i % nx].map(|index| index as f64);
            let distance = of.distance(volume::position(voxel, shape, voxel_size));
            // A voxel of rounding beyond the surface is still on it.
            let outside = distance > 1e-9 * voxel_size;
            *value = match outside && of.soft_edge == 0.0 {
                true => 0.0,
                false => raised_cosine(if outside { distance / of.soft_edge } else { 0.0 }) as f32,
            };
        }
    })?;
    if values.iter().all(|v| *v == 0.0) {
        let why = format!("no voxel centre lies in a support of radius {} about {:?}", of.radius, of.centre);
        return Err(Error::Empty { what: "support".into(), why });
    }
    let values = Array3::from_shape_vec(shape, values).map_err(|e| Error::Internal(e.to_string()))?;
    Volume::new(values, voxel_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    fn run(shape: [usize; 3], of: Support) -> Result<Volume> {
        let context = Context::new(&ContextOptions { threads: Some(2), simd: None }).unwrap();
        let cancel = context.cancel_token();
        support(&context, shape, 0.5, &of, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    fn count(volume: &Volume) -> usize {
        volume.as_slice().iter().filter(|v| **v == 1.0).count()
    }

    #[test]
    fn spheres_and_cylinders_have_their_voxels() {
        let ball = run([11, 12, 13], Support::sphere(1.5)).unwrap();
        assert_eq!((count(&ball), ball.values()[[5, 6, 9]], ball.values()[[5, 6, 10]]), (123, 1.0, 0.0));
        let moved = run([11, 12, 13], Support { centre: [0.5, -0.5, 0.0], ..Support::sphere(0.6) }).unwrap();
        assert_eq!((count(&moved), moved.values()[[5, 5, 8]]), (7, 1.0)); // x up, y down
                                                                          // A disk of radius 3 voxels has 29.
        for (axis, height) in [(0, 13), (1, 12), (2, 11)] {
            assert_eq!(count(&run([11, 12, 13], Support::cylinder(1.5, axis)).unwrap()), 29 * height);
        }
        let short = Support { cylinder: Some((2, 1.0)), ..Support::sphere(1.5) };
        assert_eq!(count(&run([11, 12, 13], short).unwrap()), 29 * 5);
        let soft = run([11, 12, 13], Support { soft_edge: 2.0, ..Support::sphere(1.5) }).unwrap();
        assert!((soft.values()[[5, 6, 11]] - 0.5).abs() < 1e-6 && soft.values()[[5, 6, 12]] > 0.1);
    }

    #[test]
    fn supports_without_meaning_are_refused() {
        let code = |shape, of| run(shape, of).unwrap_err().code();
        let shape = [4, 4, 4];
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(code(shape, Support::sphere(radius)), 103);
        }
        assert_eq!(code(shape, Support::cylinder(1.0, 3)), 103);
        assert_eq!(code(shape, Support { cylinder: Some((1, 0.0)), ..Support::sphere(1.0) }), 103);
        assert_eq!(code(shape, Support { cylinder: Some((1, f64::NAN)), ..Support::sphere(1.0) }), 103);
        assert_eq!(code(shape, Support { soft_edge: -1.0, ..Support::sphere(1.0) }), 103);
        assert_eq!(code(shape, Support { centre: [0.0, f64::NAN, 0.0], ..Support::sphere(1.0) }), 300);
        assert_eq!(code(shape, Support { centre: [9.0; 3], ..Support::sphere(1.0) }), 301);
        assert_eq!(code([0, 4, 4], Support::sphere(1.0)), 103);
        assert_eq!(code([1 << 30, 1 << 30, 1 << 30], Support::sphere(1.0)), 103);
    }
}
