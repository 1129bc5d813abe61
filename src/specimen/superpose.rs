//! The rigid motion that best lays one set of points on another (Horn 1987, closed form with unit quaternions:
//! the same optimum as Kabsch's, and never a reflection).

use crate::geometry::{apply, Mat3, Vec3};

/// Best rigid motion `p -> rotation p + shift` between paired points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Superposition {
    /// Proper rotation.
    pub rotation: Mat3,
    /// Shift after the rotation, unit of the points.
    pub shift: Vec3,
    /// Angle of the rotation, degrees, 0 to 180.
    pub angle_deg: f64,
}

/// Rotation and shift that minimise the summed squared distances of `rotation from + shift` to `onto`, pairwise.
/// Pairs beyond the shorter slice are ignored. Fewer than three pairs do not fix a rotation: `None`.
pub fn superpose(from: &[Vec3], onto: &[Vec3]) -> Option<Superposition> {
    let pairs = from.len().min(onto.len());
    if pairs < 3 {
        return None;
    }
    let (from, onto) = (&from[..pairs], &onto[..pairs]);
    let (centre_from, centre_onto) = (centroid(from), centroid(onto));
    let mut s = [[0.0; 3]; 3];
    for (p, q) in from.iter().zip(onto) {
        for i in 0..3 {
            for j in 0..3 {
                s[i][j] += (p[i] - centre_from[i]) * (q[j] - centre_onto[j]);
            }
        }
    }
    let q = largest_eigenvector(quaternion_form(&s));
    let rotation = rotation_of(&q);
    let turned = apply(&rotation, &centre_from);
    let vector = (q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
    Some(Superposition {
        rotation,
        shift: std::array::from_fn(|i| centre_onto[i] - turned[i]),
        angle_deg: (2.0 * vector.atan2(q[0].abs())).to_degrees(),
    })
}

fn centroid(points: &[Vec3]) -> Vec3 {
    std::array::from_fn(|i| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64)
}

/// The symmetric 4 x 4 matrix whose largest eigenvector is the optimal quaternion (w, x, y, z).
fn quaternion_form(s: &Mat3) -> [[f64; 4]; 4] {
    let (yz, zx, xy) = (s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]);
    [
        [s[0][0] + s[1][1] + s[2][2], yz, zx, xy],
        [yz, s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
        [zx, s[0][1] + s[1][0], s[1][1] - s[0][0] - s[2][2], s[1][2] + s[2][1]],
        [xy, s[2][0] + s[0][2], s[1][2] + s[2][1], s[2][2] - s[0][0] - s[1][1]],
    ]
}

/// Unit eigenvector of the largest eigenvalue, by cyclic Jacobi rotations (a 4 x 4 matrix needs 4 to 6 sweeps).
fn largest_eigenvector(mut a: [[f64; 4]; 4]) -> [f64; 4] {
    let mut vectors: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)));
    for _ in 0..50 {
        let off: f64 = (0..4).flat_map(|p| (p + 1..4).map(move |q| (p, q))).map(|(p, q)| a[p][q] * a[p][q]).sum();
        if off == 0.0 {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            rotate(&mut a, &mut vectors, (p, q), (c, t * c));
        }
    }
    let best = (1..4).fold(0, |best, i| if a[i][i] > a[best][best] { i } else { best });
    std::array::from_fn(|i| vectors[i][best])
}

/// One Jacobi rotation of `a` in the plane (p, q), accumulated into the columns of `vectors`.
fn rotate(a: &mut [[f64; 4]; 4], vectors: &mut [[f64; 4]; 4], (p, q): (usize, usize), (c, s): (f64, f64)) {
    for row in a.iter_mut().chain(vectors.iter_mut()) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    let (row_p, row_q) = (a[p], a[q]);
    a[p] = std::array::from_fn(|k| c * row_p[k] - s * row_q[k]);
    a[q] = std::array::from_fn(|k| s * row_p[k] + c * row_q[k]);
}

fn rotation_of(q: &[f64; 4]) -> Mat3 {
    let [w, x, y, z] = *q;
    [
        [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{check_rotation, AngleOrder};

    const POINTS: [Vec3; 5] = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.0, -1.0], [-2.0, 0.5, 0.25]];

    #[test]
    fn a_known_motion_is_found() {
        for angles in [[0.0, 0.0, 0.0], [10.0, -70.0, 150.0], [180.0, 0.0, 0.0], [0.0, 0.0, 179.0]] {
            let rotation = AngleOrder::Zyx.rotation(&angles);
            let moved = POINTS.map(|p| {
                let q = apply(&rotation, &p);
                [q[0] + 4.0, q[1] - 5.0, q[2] + 6.0]
            });
            let found = superpose(&POINTS, &moved).unwrap();
            for i in 0..9 {
                assert!((found.rotation[i / 3][i % 3] - rotation[i / 3][i % 3]).abs() < 1e-12, "{angles:?} {found:?}");
            }
            assert!((found.shift[0] - 4.0).abs() + (found.shift[1] + 5.0).abs() < 1e-12);
            let trace = rotation[0][0] + rotation[1][1] + rotation[2][2];
            let angle = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees();
            assert!((found.angle_deg - angle).abs() < 1e-5, "{} {angle}", found.angle_deg);
        }
    }

    #[test]
    fn a_mirror_image_is_never_mirrored_back() {
        let mirrored = POINTS.map(|p| [p[0], p[1], -p[2]]);
        let found = superpose(&POINTS, &mirrored).unwrap();
        assert!(check_rotation("rotation", &found.rotation).is_ok());
    }

    #[test]
    fn too_few_or_coincident_points() {
        assert!(superpose(&POINTS[..2], &POINTS[..2]).is_none());
        let same = [[1.0, 2.0, 3.0]; 4];
        let found = superpose(&same, &same).unwrap();
        assert!(check_rotation("rotation", &found.rotation).is_ok());
    }
}
