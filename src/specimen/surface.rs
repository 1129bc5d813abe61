//! The surface of a particle, and how deep points lie below it.
//!
//! The particle is the alpha shape of its atoms (Edelsbrunner and Muecke, ACM Trans. Graph. 13, 43, 1994): the Delaunay
//! tetrahedra whose circumsphere is no larger than a probe ball. Its surface passes through the centres of the atoms that
//! the ball can touch from outside, or from a void that it fits into; vacancies and the holes between atoms are smaller.

use super::structures::Delaunay;
use super::Neighbours;
use crate::error::{Error, Result};
use crate::geometry::{cross, Vec3};
use crate::statistics::median;

/// Probe radius in nearest-neighbour distances where none is given. The largest ball between the atoms of a close-packed
/// crystal has 0.7 of them, in diamond 1, in open oxides almost 2.
const PROBE: f64 = 2.0;

/// Surface of a set of atoms.
pub struct Surface {
    delaunay: Option<Delaunay>,
    probe_radius: f64,
    pieces: Vec<[Vec3; 3]>,
    /// Centroids of the pieces, and the farthest corner of any piece from its own.
    centroids: Neighbours,
    reach: f64,
}

impl Surface {
    /// The surface of `atoms` (angstrom), touched by a ball of `probe_radius`, twice the median distance of nearest
    /// neighbours where `None`. Atoms that the ball can go around, alone or in a plane, are surface. `go_on` is told the
    /// part that is done.
    ///
    /// # Errors
    /// `Empty` without atoms, `Range` for a radius that is not a positive number, what `go_on` returns.
    pub fn new(atoms: &[Vec3], probe_radius: Option<f64>, go_on: &mut dyn FnMut(f64) -> Result<()>) -> Result<Self> {
        if atoms.is_empty() {
            return Err(Error::Empty { what: "atoms of a surface".into(), why: "at least one is needed".into() });
        }
        if let Some(radius) = probe_radius.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return Err(Error::range("probe_radius", radius, "a positive number (angstrom)"));
        }
        let probe_radius = match probe_radius {
            Some(radius) => radius,
            None => PROBE * neighbour_distance(atoms)?,
        };
        let spread = atoms.iter().any(|p| *p != atoms[0]);
        let delaunay = if atoms.len() < 4 || !spread { None } else { Some(Delaunay::new(atoms, go_on)?) };
        let pieces = pieces(atoms, delaunay.as_ref(), probe_radius);
        let centroid = |t: &[Vec3; 3]| -> Vec3 { std::array::from_fn(|k| (t[0][k] + t[1][k] + t[2][k]) / 3.0) };
        let centroids: Vec<Vec3> = pieces.iter().map(centroid).collect();
        let corners = pieces.iter().zip(&centroids).flat_map(|(piece, c)| piece.iter().map(move |p| squared(p, c)));
        let reach = corners.fold(0.0, f64::max).sqrt();
        Ok(Self { delaunay, probe_radius, pieces, centroids: Neighbours::new(&centroids)?, reach })
    }

    /// The radius in use, angstrom.
    pub fn probe_radius(&self) -> f64 {
        self.probe_radius
    }

    /// Distance of a point to the surface, angstrom: 0 for its atoms.
    pub fn distance(&self, point: &Vec3) -> f64 {
        let near = self.centroids.nearest(point);
        let Some(first) = near.and_then(|(piece, _)| self.pieces.get(piece)) else { return f64::INFINITY };
        let mut best = squared_to_triangle(point, first);
        // what is nearer has its centroid within the distance found and the reach of a piece
        let radius = best.sqrt() + self.reach;
        for (piece, squared) in self.centroids.around(point, radius) {
            if squared.sqrt() - self.reach < best.sqrt() {
                best = best.min(squared_to_triangle(point, &self.pieces[piece]));
            }
        }
        best.sqrt()
    }

    /// Does the point lie inside?
    pub fn holds(&self, point: &Vec3) -> bool {
        let around = self.delaunay.as_ref().and_then(|delaunay| delaunay.circumradius_around(point));
        around.is_some_and(|radius| radius <= self.probe_radius)
    }
}

/// Triangles between inside and outside, and atoms that no tetrahedron holds, as triangles of one point.
fn pieces(atoms: &[Vec3], delaunay: Option<&Delaunay>, probe_radius: f64) -> Vec<[Vec3; 3]> {
    let cells = delaunay.map(Delaunay::cells).unwrap_or_default();
    let inside = |t: u32| cells[t as usize].circumradius <= probe_radius;
    let mut alone = vec![true; atoms.len()];
    let mut pieces = Vec::new();
    for cell in cells.iter().filter(|cell| cell.circumradius <= probe_radius) {
        cell.corners.iter().for_each(|c| alone[*c as usize] = false);
        for (i, _) in cell.neighbours.iter().enumerate().filter(|(_, n)| !n.is_some_and(inside)) {
            pieces.push([1, 2, 3].map(|k| atoms[cell.corners[(i + k) % 4] as usize]));
        }
    }
    pieces.extend(atoms.iter().zip(alone).filter(|(_, alone)| *alone).map(|(p, _)| [*p; 3]));
    pieces
}

/// Median distance of nearest neighbours; 0 for a single atom.
fn neighbour_distance(atoms: &[Vec3]) -> Result<f64> {
    match atoms.len() {
        1 => Ok(0.0),
        _ => Ok(median(&Neighbours::new(atoms)?.nearest_others(atoms))),
    }
}

fn dot(a: &Vec3, b: &Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn minus(a: &Vec3, b: &Vec3) -> Vec3 {
    std::array::from_fn(|k| a[k] - b[k])
}

fn squared(a: &Vec3, b: &Vec3) -> f64 {
    let d = minus(a, b);
    dot(&d, &d)
}

/// Squared distance of a point to a triangle, which may be a line or a point.
fn squared_to_triangle(p: &Vec3, corners: &[Vec3; 3]) -> f64 {
    let edge = |i: usize| minus(&corners[(i + 1) % 3], &corners[i]);
    let normal = cross(&edge(0), &edge(1));
    let area = dot(&normal, &normal);
    let above = |i: usize| dot(&cross(&edge(i), &minus(p, &corners[i])), &normal) >= 0.0;
    if area > 0.0 && (0..3).all(above) {
        let height = dot(&minus(p, &corners[0]), &normal);
        return height * height / area;
    }
    (0..3).map(|i| squared_to_segment(p, &corners[i], &edge(i))).fold(f64::INFINITY, f64::min)
}

fn squared_to_segment(p: &Vec3, from: &Vec3, along: &Vec3) -> f64 {
    let (to, length) = (minus(p, from), dot(along, along));
    let part = if length > 0.0 { (dot(&to, along) / length).clamp(0.0, 1.0) } else { 0.0 };
    squared(&to, &along.map(|v| part * v))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::random_packing;

    fn surface(atoms: &[Vec3], probe: Option<f64>) -> Surface {
        Surface::new(atoms, probe, &mut |_| Ok(())).unwrap()
    }

    fn cube(n: usize, step: f64) -> Vec<Vec3> {
        (0..n * n * n).map(|i| [i % n, i / n % n, i / n / n].map(|v| v as f64 * step)).collect()
    }

    #[test]
    fn layers_of_a_crystal_lie_at_multiples_of_its_step() {
        let atoms = cube(9, 2.5);
        let made = surface(&atoms, None);
        assert_eq!(made.probe_radius(), 5.0);
        for (i, p) in atoms.iter().enumerate() {
            let layer = [i % 9, i / 9 % 9, i / 81].map(|v| v.min(8 - v)).into_iter().min().unwrap();
            assert!((made.distance(p) - 2.5 * layer as f64).abs() < 1e-6, "atom {i}: {}", made.distance(p));
        }
        let beside = [10.2, 9.0, -1.0];
        assert!((made.distance(&beside) - 1.0).abs() < 1e-6 && !made.holds(&beside));
        assert!(made.holds(&[10.2, 9.0, 1.0]));
        let corner = made.distance(&[-3.0, -4.0, 20.0 + 12.0]);
        assert!((corner - 13.0).abs() < 1e-6, "{corner}");
    }

    #[test]
    fn a_vacancy_is_no_surface_but_a_void_is() {
        let centre = [10.0; 3];
        let without = |radius: f64| -> Vec<Vec3> {
            cube(9, 2.5).into_iter().filter(|p| squared(p, &centre) > radius * radius).collect()
        };
        assert!((surface(&without(1.0), None).distance(&centre) - 10.0).abs() < 1e-6);
        let void = surface(&without(6.0), None);
        assert!(!void.holds(&centre) && void.distance(&centre) > 4.0 && void.distance(&centre) < 6.5);
        let beside = [2.5, 10.0, 10.0]; // between the outer face and the void
        assert!((void.distance(&beside) - 2.5).abs() < 1e-6);
    }

    #[test]
    fn distances_are_those_of_a_plain_search() {
        let atoms = random_packing(600, 24.0, 2.2, 5).unwrap();
        let made = surface(&atoms, None);
        for p in atoms.iter().chain(&[[0.0; 3], [30.0, 1.0, 2.0], [0.1, 12.0, -13.0]]) {
            let plain = made.pieces.iter().map(|t| squared_to_triangle(p, t)).fold(f64::INFINITY, f64::min).sqrt();
            assert!((made.distance(p) - plain).abs() < 1e-12);
        }
        let deepest = atoms.iter().map(|p| made.distance(p)).fold(0.0, f64::max);
        assert!(deepest > 8.0 && deepest < 12.0, "{deepest}");
    }

    #[test]
    fn the_distance_to_a_triangle() {
        let t = [[0.0; 3], [4.0, 0.0, 0.0], [0.0, 4.0, 0.0]];
        for (p, wanted) in [
            ([1.0, 1.0, 3.0], 3.0),
            ([2.0, -2.0, 0.0], 2.0),
            ([4.0, 4.0, 0.0], 8f64.sqrt()),
            ([7.0, 0.0, 4.0], 5.0),
            ([-3.0, -4.0, 0.0], 5.0),
        ] {
            assert!((squared_to_triangle(&p, &t).sqrt() - wanted).abs() < 1e-12, "{p:?}");
        }
        let line = [[0.0; 3], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0]];
        assert_eq!(squared_to_triangle(&[2.0, 3.0, 0.0], &line), 9.0);
        assert_eq!(squared_to_triangle(&[2.0, 3.0, 0.0], &[[2.0, 1.0, 0.0]; 3]), 4.0);
    }

    #[test]
    fn few_flat_and_equal_atoms_are_all_surface() {
        let plane: Vec<Vec3> = (0..100).map(|i| [(i % 10) as f64 * 2.0, (i / 10) as f64 * 2.0, 1.0]).collect();
        for atoms in [vec![[1.0, 2.0, 3.0]], vec![[0.0; 3]; 50], plane, vec![[0.0; 3], [1.0, 0.0, 0.0], [5.0; 3]]] {
            let made = surface(&atoms, None);
            assert!(atoms.iter().all(|p| made.distance(p) < 1e-6));
        }
        assert_eq!(surface(&[[0.0; 3]], None).distance(&[3.0, 4.0, 0.0]), 5.0);
        for probe in [0.0, -1.0, f64::NAN] {
            let refused = Surface::new(&[[0.0; 3]], Some(probe), &mut |_| Ok(()));
            assert_eq!(refused.err().map(|e| e.code()), Some(103));
        }
    }
}
