//! The values of a volume about each atom, on points that follow its sub-voxel position.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::planes::{collected, fill_planes, reserved};
use crate::problem::Waiting;
use crate::specimen::Volume;

/// Longest edge of a region, voxels.
const MAX_EDGE: usize = 21;

/// Rounding of positions, voxels.
const SLACK: f64 = 1e-6;

/// The points about an atom at which the volume is read, one voxel apart. The atom is the central one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Region {
    /// A cube of this odd number of points along each edge, at most 21. The published region is 5.
    Box(usize),
    /// The cube whose edge is nearest to this length, in the unit of the voxel size (angstrom).
    BoxLength(f64),
    /// All points within this radius, in the unit of the voxel size (angstrom).
    Sphere(f64),
}

impl Default for Region {
    fn default() -> Self {
        Region::Box(5)
    }
}

impl Region {
    /// The points from the atom, voxels along z, y and x.
    ///
    /// # Errors
    /// `Range` for a size that the region cannot have.
    pub(super) fn offsets(self, voxel_size: f64) -> Result<Vec<[i32; 3]>> {
        let largest = MAX_EDGE as f64 * voxel_size;
        let (half, radius) = match self {
            Region::Box(edge) if edge.is_multiple_of(2) || edge > MAX_EDGE => {
                let wanted = format!("an odd number of voxels, 1 to {MAX_EDGE}");
                return Err(Error::range("edge of the box", edge, wanted));
            }
            Region::Box(edge) => (edge as i32 / 2, f64::INFINITY),
            Region::BoxLength(length) if !(length > 0.0 && length <= largest) => {
                let wanted = format!("above 0, at most {largest} angstrom ({MAX_EDGE} voxels)");
                return Err(Error::range("edge of the box", length, wanted));
            }
            Region::BoxLength(length) => ((0.5 * (length / voxel_size - 1.0)).round().max(0.0) as i32, f64::INFINITY),
            Region::Sphere(radius) if !(radius > 0.0 && 2.0 * radius <= largest) => {
                let wanted = format!("above 0, at most {} angstrom ({} voxels)", 0.5 * largest, 0.5 * MAX_EDGE as f64);
                return Err(Error::range("radius of the sphere", radius, wanted));
            }
            Region::Sphere(radius) => ((radius / voxel_size + SLACK) as i32, radius / voxel_size + SLACK),
        };
        let edge = 2 * half + 1;
        let all = (0..edge.pow(3)).map(|i| [i / (edge * edge) - half, i / edge % edge - half, i % edge - half]);
        let within = |o: &[i32; 3]| f64::from(o.iter().map(|v| v * v).sum::<i32>()) <= radius * radius;
        Ok(all.filter(within).collect())
    }
}

/// What the volume holds about each atom, by trilinear interpolation; NaN where a point lies outside of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Samples {
    /// Points from the atom, voxels along z, y and x.
    pub offsets: Vec<[i32; 3]>,
    /// `[atom][point]`.
    values: Vec<f32>,
    /// Sum over the points that lie in the volume, and their number, of each atom.
    sums: Vec<(f64, usize)>,
}

impl Samples {
    /// Reads `volume` about `positions`.
    ///
    /// # Errors
    /// `Range` for the region, `Inconsistent` for a position outside of the volume, `Memory`, `Cancelled`.
    pub fn read(
        context: &Context,
        volume: &Volume,
        positions: &[Vec3],
        region: Region,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        let offsets = region.offsets(volume.voxel_size())?;
        check_inside(volume, positions)?;
        let points = offsets.len();
        let mut values = reserved(points * positions.len(), "values about the atoms")?;
        values.resize(points * positions.len(), 0.0f32);
        let phase = "reading intensities";
        waiting.part(0.0, 0.8, |waiting| {
            fill_planes(context, &mut values, points, phase, waiting, &|atom, place: &mut [f32]| {
                read_about(volume, &positions[atom], &offsets, place);
            })
        })?;
        let sum = |atom: usize| {
            let inside = values[atom * points..][..points].iter().filter(|v| !v.is_nan());
            inside.fold((0.0, 0), |(sum, count), v| (sum + f64::from(*v), count + 1))
        };
        let sums = waiting.part(0.8, 1.0, |waiting| collected(context, positions.len(), phase, waiting, &sum))?;
        Ok(Self { offsets, values, sums })
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// The values about an atom.
    pub fn of(&self, atom: usize) -> &[f32] {
        &self.values[atom * self.offsets.len()..][..self.offsets.len()]
    }

    /// The part of the points about an atom that lie in the volume.
    pub fn inside(&self, atom: usize) -> f64 {
        self.sums[atom].1 as f64 / self.offsets.len() as f64
    }

    /// The sum over the points; where some lie outside, the sum over the others, in proportion.
    pub fn sum(&self, atom: usize) -> f64 {
        self.sums[atom].0 / self.inside(atom)
    }
}

/// Refuses positions that lie outside of the voxels.
pub(super) fn check_inside(volume: &Volume, positions: &[Vec3]) -> Result<()> {
    let shape = volume.shape();
    for (atom, position) in positions.iter().enumerate() {
        let index = volume.index(position);
        if let Some(axis) = (0..3).find(|a| !(-SLACK..=shape[*a] as f64 - 1.0 + SLACK).contains(&index[*a])) {
            let (low, high) = (volume.position([0.0; 3]), volume.position(shape.map(|n| n as f64 - 1.0)));
            let (name, axis) = (["x", "y", "z"][2 - axis], 2 - axis);
            return Err(Error::Inconsistent {
                what: "atoms outside of the volume".into(),
                why: format!(
                    "{name} of atom {atom} is {}, the voxels lie from {} to {}",
                    position[axis], low[axis], high[axis]
                ),
            });
        }
    }
    Ok(())
}

/// The volume at `offsets` from `position`. They are whole voxels, so that all points have the same eight weights.
fn read_about(volume: &Volume, position: &Vec3, offsets: &[[i32; 3]], place: &mut [f32]) {
    let (shape, values, index) = (volume.shape(), volume.as_slice(), volume.index(position));
    let base = index.map(f64::floor);
    let part: [f64; 3] = std::array::from_fn(|a| index[a] - base[a]);
    let weights: [f32; 8] = std::array::from_fn(|corner| {
        (0..3).map(|a| if corner >> (2 - a) & 1 == 1 { part[a] } else { 1.0 - part[a] }).product::<f64>() as f32
    });
    for (offset, value) in offsets.iter().zip(place) {
        let at = |a: usize| base[a] + f64::from(offset[a]);
        if (0..3).any(|a| !(-SLACK..=shape[a] as f64 - 1.0 + SLACK).contains(&(at(a) + part[a]))) {
            *value = f32::NAN;
            continue;
        }
        // A corner outside has a weight of rounding only: the voxel at the face stands for it.
        let corner = |a: usize, upper: usize| ((at(a) + upper as f64).max(0.0) as usize).min(shape[a] - 1);
        *value = (0..8)
            .map(|c| {
                let [z, y, x] = [corner(0, c >> 2 & 1), corner(1, c >> 1 & 1), corner(2, c & 1)];
                weights[c] * values[(z * shape[1] + y) * shape[2] + x]
            })
            .sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use ndarray::Array3;

    fn read(threads: usize, volume: &Volume, positions: &[Vec3], region: Region) -> Result<Samples> {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let cancel = context.cancel_token();
        Samples::read(&context, volume, positions, region, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    /// A function that trilinear interpolation reproduces.
    fn trilinear(p: &Vec3) -> f64 {
        2.0 + 0.3 * p[0] - 0.7 * p[1] + 0.2 * p[2] + 0.1 * p[0] * p[1] - 0.05 * p[0] * p[1] * p[2]
    }

    fn volume() -> Volume {
        let empty = Volume::new(Array3::zeros((9, 10, 11)), 0.5).unwrap();
        let value = |(z, y, x)| trilinear(&empty.position([z as f64, y as f64, x as f64])) as f32;
        Volume::new(Array3::from_shape_fn((9, 10, 11), value), 0.5).unwrap()
    }

    #[test]
    fn points_follow_the_atom_between_voxels() {
        let (volume, atom) = (volume(), [0.13, -0.21, 0.07]);
        let samples = read(2, &volume, &[atom], Region::Box(3)).unwrap();
        for (offset, value) in samples.offsets.iter().zip(samples.of(0)) {
            let p = std::array::from_fn(|a| atom[a] + 0.5 * f64::from(offset[2 - a]));
            assert!((f64::from(*value) - trilinear(&p)).abs() < 1e-5, "{offset:?}");
        }
        assert!(samples.inside(0) == 1.0 && samples.len() == 1);
    }

    #[test]
    fn regions_have_the_sizes_they_say() {
        let count = |region: Region| region.offsets(0.5).unwrap().len();
        assert_eq!([1, 5, 21].map(|edge| count(Region::Box(edge))), [1, 125, 9261]);
        assert_eq!([0.1, 0.9, 1.1, 2.5, 3.5].map(|l| count(Region::BoxLength(l))), [1, 1, 27, 125, 343]);
        assert_eq!([0.4, 0.5, 0.75, 1.0].map(|r| count(Region::Sphere(r))), [1, 7, 19, 33]);
        assert_eq!(Region::default(), Region::Box(5));
        for region in [
            Region::Box(0),
            Region::Box(4),
            Region::Box(23),
            Region::BoxLength(0.0),
            Region::BoxLength(f64::NAN),
            Region::BoxLength(11.0),
            Region::Sphere(-1.0),
            Region::Sphere(5.5),
        ] {
            assert_eq!(region.offsets(0.5).unwrap_err().code(), 103, "{region:?}");
        }
    }

    #[test]
    fn what_lies_beyond_the_faces_counts_in_proportion() {
        let flat = Volume::new(Array3::from_elem((6, 6, 6), 2.0), 0.5).unwrap();
        let corner = flat.position([0.0, 5.0, 2.5]);
        let samples = read(1, &flat, &[corner, [0.0; 3]], Region::Box(5)).unwrap();
        assert!((samples.inside(0) - 0.36).abs() < 1e-12, "{}", samples.inside(0)); // 3/5 3/5 5/5
        assert!((samples.sum(0) - 250.0).abs() < 1e-3 && (samples.sum(1) - 250.0).abs() < 1e-3);
        // On the last voxel, but for rounding.
        let samples = read(1, &flat, &[flat.position([5.0 + 1e-9, -1e-9, 0.0])], Region::Box(1)).unwrap();
        assert!((samples.sum(0) - 2.0).abs() < 1e-6);
        let error = read(1, &flat, &[[0.0; 3], [1.3, 0.0, 0.0]], Region::Box(5)).unwrap_err();
        assert!(error.code() == 302 && error.to_string().contains("x of atom 1 is 1.3"), "{error}");
        assert!(error.to_string().contains("from -1.5 to 1"), "{error}");
    }

    #[test]
    fn threads_do_not_matter() {
        let atoms: Vec<Vec3> = (0..40).map(|i| [0.05 * f64::from(i) - 1.0, 0.3, -0.02 * f64::from(i)]).collect();
        let run = |threads| {
            let samples = read(threads, &volume(), &atoms, Region::Sphere(1.2)).unwrap();
            (0..40).map(|i| samples.sum(i).to_bits()).collect::<Vec<_>>()
        };
        assert!(run(1) == run(2) && run(1) == run(3));
    }
}
