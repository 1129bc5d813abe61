//! Cells as files give them: three vectors, or lengths and angles.

use super::text::Fault;
use crate::geometry::Vec3;

/// Components that are smaller than this part of an edge are roundoff: files have five digits or more.
const TOLERANCE: f64 = 1e-5;

/// The vectors a, b and c of a cell, angstrom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::io) struct Lattice(pub(in crate::io) [Vec3; 3]);

impl Lattice {
    /// From the lengths a, b, c (angstrom) and the angles alpha, beta, gamma (degree): a along x, b in the plane of x
    /// and y.
    pub(super) fn from_parameters(lengths: Vec3, angles_deg: Vec3) -> Fault<Self> {
        check_edges(&lengths)?;
        for (name, angle) in ["alpha", "beta", "gamma"].iter().zip(angles_deg) {
            if !(angle > 0.0 && angle < 180.0) {
                return Err(format!("angle {name} of the cell is {angle}, wanted 0 to 180 degrees"));
            }
        }
        // exact zeros for right angles
        let cos = angles_deg.map(|angle| if angle == 90.0 { 0.0 } else { angle.to_radians().cos() });
        let sin = (1.0 - cos[2] * cos[2]).sqrt();
        let [a, b, c] = lengths;
        let cy = (cos[0] - cos[1] * cos[2]) / sin;
        let cz = 1.0 - cos[1] * cos[1] - cy * cy;
        if cz.is_nan() || cz <= 0.0 {
            let [alpha, beta, gamma] = angles_deg;
            return Err(format!("no cell has the angles {alpha}, {beta} and {gamma} degrees"));
        }
        Ok(Lattice([[a, 0.0, 0.0], [b * cos[2], b * sin, 0.0], [c * cos[1], c * cy, c * cz.sqrt()]]))
    }

    /// The edges of a cell along x, y and z.
    pub(in crate::io) fn orthogonal(&self) -> Fault<Vec3> {
        let Lattice(vectors) = self;
        if let Some(value) = vectors.as_flattened().iter().find(|v| !v.is_finite()) {
            return Err(format!("a vector of the cell has the component {value}, wanted finite numbers"));
        }
        let lengths = vectors.map(|v| v[0].hypot(v[1]).hypot(v[2]));
        check_edges(&lengths)?;
        let stray = (0..9).any(|i| i / 3 != i % 3 && vectors[i / 3][i % 3].abs() > TOLERANCE * lengths[i / 3]);
        let edges: Vec3 = std::array::from_fn(|i| vectors[i][i]);
        if stray || edges.iter().any(|edge| *edge < 0.0) {
            let [a, b, c] = vectors;
            return Err(format!(
                "the cell is not orthogonal along x, y and z: a = {a:?}, b = {b:?}, c = {c:?} angstrom; \
                 make an orthogonal supercell of it"
            ));
        }
        Ok(edges)
    }
}

fn check_edges(lengths: &Vec3) -> Fault<()> {
    match ["a", "b", "c"].iter().zip(lengths).find(|(_, l)| !(l.is_finite() && **l > 0.0)) {
        Some((name, length)) => {
            Err(format!("edge {name} of the cell is {length}, wanted a positive length (angstrom)"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_angles_are_exact_and_others_are_named() {
        let cell = Lattice::from_parameters([3.0, 4.0, 5.0], [90.0; 3]).unwrap();
        assert_eq!(cell.orthogonal(), Ok([3.0, 4.0, 5.0]));
        let hexagonal = Lattice::from_parameters([2.0, 2.0, 5.0], [90.0, 90.0, 120.0]).unwrap();
        assert!((hexagonal.0[1][0] + 1.0).abs() < 1e-15 && (hexagonal.0[1][1] - 3f64.sqrt()).abs() < 1e-15);
        assert!(hexagonal.orthogonal().unwrap_err().contains("not orthogonal"));
        let cubic = Lattice::from_parameters([2.0; 3], [60.0; 3]).unwrap();
        assert!((cubic.0[2][2] - 2.0 * (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!(Lattice::from_parameters([2.0; 3], [30.0, 30.0, 100.0]).unwrap_err().contains("no cell"));
        assert!(Lattice::from_parameters([2.0; 3], [30.0, 190.0, 100.0]).unwrap_err().contains("beta"));
        assert!(Lattice([[0.0; 3]; 3]).orthogonal().unwrap_err().contains("edge a"));
        assert!(Lattice([[-3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]).orthogonal().is_err());
        assert!(Lattice([[f64::NAN; 3]; 3]).orthogonal().is_err());
    }
}
