//! Rotations of the specimen: p' = R p + t, right-handed axes, the beam travels towards +z'.
//!
//! Elementary rotations, rows first: `Rx = [[1,0,0],[0,c,-s],[0,s,c]]`,
//! `Ry = [[c,0,s],[0,1,0],[-s,0,c]]`, `Rz = [[c,-s,0],[s,c,0],[0,0,1]]`.

use crate::error::{Error, Result};

/// A vector or point (x, y, z).
pub type Vec3 = [f64; 3];
/// A 3 x 3 matrix, rows first.
pub type Mat3 = [[f64; 3]; 3];

/// The identity.
pub const IDENTITY: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Order in which three Euler angles (phi, theta, psi), stored in this column order, make a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum AngleOrder {
    /// R = transpose(Rz(phi) Ry(theta) Rx(psi)): the published AET codes (default).
    #[default]
    Zyx,
    /// R = transpose(Rz(phi) Ry(theta) Rz(psi)): GENFIRE files.
    Zyz,
    /// R = Rz(phi) Ry(theta) Rx(psi): the local-orbital papers, formula (3).
    Xyz,
}

/// a b
pub fn multiply(a: &Mat3, b: &Mat3) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// Transpose, for rotations the inverse.
pub fn transpose(a: &Mat3) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// a p
pub fn apply(a: &Mat3, p: &Vec3) -> Vec3 {
    std::array::from_fn(|i| a[i][0] * p[0] + a[i][1] * p[1] + a[i][2] * p[2])
}

/// a x b
pub fn cross(a: &Vec3, b: &Vec3) -> Vec3 {
    std::array::from_fn(|i| a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3])
}

/// Determinant.
pub fn determinant(a: &Mat3) -> f64 {
    a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0])
        + a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0])
}

/// Inverse; `None` where there is none.
pub fn inverse(a: &Mat3) -> Option<Mat3> {
    let det = determinant(a);
    if det == 0.0 || !det.is_finite() {
        return None;
    }
    let rows = [cross(&a[1], &a[2]), cross(&a[2], &a[0]), cross(&a[0], &a[1])];
    Some(transpose(&rows.map(|row| row.map(|v| v / det))))
}

/// Rotation by `degrees` about axis 0 (x), 1 (y) or 2 (z).
pub fn rotation_about(axis: usize, degrees: f64) -> Mat3 {
    rotation_from(axis, degrees.to_radians().sin_cos())
}

/// Derivative of `rotation_about` with respect to the angle, per degree.
fn rotation_derivative(axis: usize, degrees: f64) -> Mat3 {
    let (s, c) = degrees.to_radians().sin_cos();
    let mut d = rotation_from(axis, (c, -s));
    d[axis][axis] = 0.0;
    d.map(|row| row.map(|v| v.to_radians()))
}

fn rotation_from(axis: usize, (s, c): (f64, f64)) -> Mat3 {
    let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut r = [[0.0; 3]; 3];
    r[axis][axis] = 1.0;
    (r[i][i], r[i][j], r[j][i], r[j][j]) = (c, -s, s, c);
    r
}

impl AngleOrder {
    /// The three factors in the order of multiplication, and whether their product is transposed.
    fn axes(self) -> ([usize; 3], bool) {
        match self {
            AngleOrder::Zyx => ([2, 1, 0], true),
            AngleOrder::Zyz => ([2, 1, 2], true),
            AngleOrder::Xyz => ([2, 1, 0], false),
        }
    }

    /// Rotation of (phi, theta, psi) in degrees.
    pub fn rotation(self, angles_deg: &Vec3) -> Mat3 {
        let (axes, transposed) = self.axes();
        let [a, b, c]: [Mat3; 3] = std::array::from_fn(|i| rotation_about(axes[i], angles_deg[i]));
        let product = multiply(&multiply(&a, &b), &c);
        if transposed {
            transpose(&product)
        } else {
            product
        }
    }

    /// Derivatives of `rotation` with respect to phi, theta and psi, per degree.
    pub fn rotation_gradient(self, angles_deg: &Vec3) -> [Mat3; 3] {
        let (axes, transposed) = self.axes();
        std::array::from_fn(|d| {
            let [a, b, c]: [Mat3; 3] = std::array::from_fn(|i| {
                if i == d {
                    rotation_derivative(axes[i], angles_deg[i])
                } else {
                    rotation_about(axes[i], angles_deg[i])
                }
            });
            let product = multiply(&multiply(&a, &b), &c);
            if transposed {
                transpose(&product)
            } else {
                product
            }
        })
    }

    /// Angles (phi, theta, psi) in degrees whose `rotation` is `r`. At the gimbal (theta = 90 for zyx and xyz,
    /// 0 or 180 for zyz) psi is set to 0 and phi carries the whole turn.
    pub fn angles(self, r: &Mat3) -> Vec3 {
        let (_, transposed) = self.axes();
        let m = if transposed { transpose(r) } else { *r };
        let deg = |radians: f64| radians.to_degrees();
        if self == AngleOrder::Zyz {
            let s = m[0][2].hypot(m[1][2]);
            if s < 1e-12 {
                let theta = if m[2][2] > 0.0 { 0.0 } else { 180.0 };
                return [deg((-m[0][1]).atan2(m[1][1])), theta, 0.0];
            }
            return [deg(m[1][2].atan2(m[0][2])), deg(s.atan2(m[2][2])), deg(m[2][1].atan2(-m[2][0]))];
        }
        let c = m[0][0].hypot(m[1][0]);
        if c < 1e-12 {
            return [deg((-m[0][1]).atan2(m[1][1])), deg((-m[2][0]).atan2(c)), 0.0];
        }
        [deg(m[1][0].atan2(m[0][0])), deg((-m[2][0]).atan2(c)), deg(m[2][1].atan2(m[2][2]))]
    }
}

impl std::str::FromStr for AngleOrder {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "zyx" => Ok(AngleOrder::Zyx),
            "zyz" => Ok(AngleOrder::Zyz),
            "xyz" => Ok(AngleOrder::Xyz),
            _ => Err(Error::UnknownOption { what: "angle order".into(), got: s.into(), known: "zyx, zyz, xyz".into() }),
        }
    }
}

/// Checks that `r` is a proper rotation (r r^T = 1 within 1e-6, determinant +1); `what` names it in the error.
pub fn check_rotation(what: &str, r: &Mat3) -> Result<()> {
    if let Some((i, &value)) = r.iter().flatten().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NonFinite { what: what.into(), value, at: format!("row {}, column {}", i / 3, i % 3) });
    }
    let product = multiply(r, &transpose(r));
    let worst = (0..9).map(|i| (product[i / 3][i % 3] - IDENTITY[i / 3][i % 3]).abs()).fold(0.0, f64::max);
    let det = determinant(r);
    if worst > 1e-6 || det < 0.0 {
        return Err(Error::Inconsistent {
            what: what.into(),
            why: format!(
                "not a rotation matrix: R R^T deviates from 1 by {worst:.3e} (allowed 1e-6), determinant {det:.6} (wanted +1)"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // A chiral triple of points: any wrong order, sign or transposition moves at least one of them.
    const POINTS: [Vec3; 3] = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]];

    #[test]
    fn single_axis_tilts_have_the_documented_signs() {
        // zyx with psi only: R = transpose(Rx(psi)) = Rx(-psi)
        let r = AngleOrder::Zyx.rotation(&[0.0, 0.0, 30.0]);
        let (s, c) = 30f64.to_radians().sin_cos();
        assert!(
            (apply(&r, &POINTS[1])[2] + 2.0 * s).abs() < 1e-15 && (apply(&r, &POINTS[2])[1] - 3.0 * s).abs() < 1e-15
        );
        assert!((apply(&r, &POINTS[1])[1] - 2.0 * c).abs() < 1e-15);
        let r = AngleOrder::Xyz.rotation(&[0.0, 30.0, 0.0]);
        assert!((apply(&r, &POINTS[2])[0] - 3.0 * s).abs() < 1e-15 && (apply(&r, &POINTS[0])[2] + s).abs() < 1e-15);
    }

    #[test]
    fn orders_differ_on_a_chiral_triple() {
        let angles = [10.0, 20.0, 30.0];
        let zyx = AngleOrder::Zyx.rotation(&angles);
        let xyz = AngleOrder::Xyz.rotation(&angles);
        assert_eq!(zyx, transpose(&xyz));
        let by_hand = multiply(&multiply(&rotation_about(2, 10.0), &rotation_about(1, 20.0)), &rotation_about(0, 30.0));
        assert_eq!(xyz, by_hand);
        let zyz = multiply(&multiply(&rotation_about(2, 10.0), &rotation_about(1, 20.0)), &rotation_about(2, 30.0));
        assert_eq!(AngleOrder::Zyz.rotation(&angles), transpose(&zyz));
    }

    #[test]
    fn angles_invert_rotation_for_all_orders_and_at_the_gimbal() {
        for order in [AngleOrder::Zyx, AngleOrder::Zyz, AngleOrder::Xyz] {
            for angles in
                [[10.0, 20.0, 30.0], [-170.0, 75.0, 12.0], [5.0, 90.0, 7.0], [5.0, 0.0, 7.0], [0.0, 180.0, 3.0]]
            {
                let r = order.rotation(&angles);
                let again = order.rotation(&order.angles(&r));
                for i in 0..9 {
                    assert!((r[i / 3][i % 3] - again[i / 3][i % 3]).abs() < 1e-12, "{order:?} {angles:?}");
                }
            }
        }
    }

    #[test]
    fn rotation_gradient_agrees_with_differences() {
        for order in [AngleOrder::Zyx, AngleOrder::Zyz, AngleOrder::Xyz] {
            let angles = [12.0, -33.0, 71.0];
            let gradient = order.rotation_gradient(&angles);
            for d in 0..3 {
                let (mut up, mut down) = (angles, angles);
                up[d] += 1e-4;
                down[d] -= 1e-4;
                let (up, down) = (order.rotation(&up), order.rotation(&down));
                for i in 0..9 {
                    let difference = (up[i / 3][i % 3] - down[i / 3][i % 3]) / 2e-4;
                    assert!((difference - gradient[d][i / 3][i % 3]).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn improper_matrices_are_refused() {
        let mut mirror = IDENTITY;
        mirror[2][2] = -1.0;
        assert_eq!(check_rotation("rotation", &mirror).unwrap_err().code(), 302);
        let mut bent = IDENTITY;
        bent[0][1] = 1e-3;
        assert!(check_rotation("rotation", &bent).is_err());
        assert!(check_rotation("rotation", &rotation_about(1, 33.0)).is_ok());
    }
}
