//! Delaunay tetrahedra of points in space, by insertion (Bowyer 1981, Watson 1981) with exact predicates (Shewchuk 1997).

use std::collections::HashMap;

use rand::{seq::SliceRandom, RngExt};
use robust::{insphere, orient3d, Coord3D};

use super::disorder::stream;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Points are moved by up to this part of the particle's width, so that no five lie on a sphere: crystals are full of
/// such fives, and any choice of their tetrahedra is as good as another.
const JITTER: f64 = 1e-8;
/// Vertex of the unbounded tetrahedra that stand on the facets of the convex hull.
const INFINITE: u32 = u32::MAX;
/// Marks a tetrahedron that has been replaced.
const GONE: u32 = u32::MAX - 1;

/// Corners, ordered so that the fourth lies below the plane of the first three, and the tetrahedra opposite to each.
#[derive(Clone, Copy)]
struct Tetrahedron {
    corners: [u32; 4],
    opposite: [u32; 4],
}

impl Tetrahedron {
    /// The same with another corner in place of the `i`-th.
    fn with(mut self, i: usize, corner: u32) -> Self {
        self.corners[i] = corner;
        self
    }
}

/// The tetrahedra of a set of points.
pub(in crate::specimen) struct Delaunay {
    points: Vec<Vec3>,
    tetrahedra: Vec<Tetrahedron>,
    free: Vec<u32>,
}

/// One bounded tetrahedron: its corners, its neighbours opposite to each (`None`: the outside), its circumradius.
pub(in crate::specimen) struct Cell {
    pub corners: [u32; 4],
    pub neighbours: [Option<u32>; 4],
    pub circumradius: f64,
}

impl Delaunay {
    /// Triangulates at least four points; `go_on` is told the part that is done.
    pub(in crate::specimen) fn new(points: &[Vec3], go_on: &mut dyn FnMut(f64) -> Result<()>) -> Result<Self> {
        let width = points.iter().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
        let mut rng = stream(0, 0);
        let moved = |p: &Vec3| p.map(|v| v + JITTER * width * rng.random_range(-1.0..1.0));
        let points: Vec<Vec3> = points.iter().map(moved).collect();
        let mut order: Vec<u32> = (0..points.len() as u32).collect();
        order.shuffle(&mut rng);
        let mut made = Delaunay { points, tetrahedra: Vec::new(), free: Vec::new() };
        made.begin([order[0], order[1], order[2], order[3]])?;
        let mut at = 0;
        for (done, &p) in order.iter().enumerate().skip(4) {
            if done % 1000 == 0 {
                go_on(done as f64 / order.len() as f64)?;
            }
            at = made.insert(p, at);
        }
        Ok(made)
    }

    fn point(&self, corner: u32) -> Coord3D<f64> {
        let [x, y, z] = self.points[corner as usize];
        Coord3D { x, y, z }
    }

    /// Positive where the fourth point lies below the plane of the other three.
    fn orientation(&self, c: &[u32; 4]) -> f64 {
        orient3d(self.point(c[0]), self.point(c[1]), self.point(c[2]), self.point(c[3]))
    }

    /// The first tetrahedron, and the four unbounded ones around it.
    fn begin(&mut self, mut corners: [u32; 4]) -> Result<()> {
        let turn = self.orientation(&corners);
        if turn == 0.0 {
            return Err(Error::Internal("four atoms lie in a plane although they were moved".into()));
        }
        if turn < 0.0 {
            corners.swap(0, 1);
        }
        let first = Tetrahedron { corners, opposite: [1, 2, 3, 4] };
        self.tetrahedra.push(first);
        for i in 0..4 {
            let mut outer = first.with(i, INFINITE);
            outer.corners.swap((i + 1) % 4, (i + 2) % 4); // seen from the other side
            self.tetrahedra.push(outer);
        }
        // two unbounded ones share the facet that lacks the corner by which they differ from the first
        for i in 0..4 {
            let corners_of_outer = self.tetrahedra[i + 1].corners;
            for (place, corner) in corners_of_outer.into_iter().enumerate() {
                let lacks = corners.iter().position(|c| *c == corner);
                self.tetrahedra[i + 1].opposite[place] = lacks.map_or(0, |j| j as u32 + 1);
            }
        }
        Ok(())
    }

    /// Does the point lie in the circumsphere? That of an unbounded tetrahedron is all beyond its facet.
    fn conflicts(&self, t: &Tetrahedron, p: u32) -> bool {
        match t.corners.iter().position(|c| *c == INFINITE) {
            Some(i) => self.orientation(&t.with(i, p).corners) > 0.0,
            None => {
                let [a, b, c, d] = t.corners.map(|corner| self.point(corner));
                insphere(a, b, c, d, self.point(p)) > 0.0
            }
        }
    }

    /// Circumradius of the tetrahedron around a point; `None` outside the convex hull.
    pub(in crate::specimen) fn circumradius_around(&self, point: &Vec3) -> Option<f64> {
        let [x, y, z] = *point;
        let p = Coord3D { x, y, z };
        let mut at = self.tetrahedra.iter().position(|t| t.corners[0] != GONE && !t.corners.contains(&INFINITE))?;
        loop {
            let t = &self.tetrahedra[at];
            if t.corners.contains(&INFINITE) {
                return None;
            }
            let behind = |i: &usize| {
                let mut corners = t.corners.map(|corner| self.point(corner));
                corners[*i] = p;
                orient3d(corners[0], corners[1], corners[2], corners[3]) < 0.0
            };
            match (0..4).find(behind) {
                Some(i) => at = t.opposite[i] as usize,
                None => return Some(self.circumradius(&t.corners)),
            }
        }
    }

    /// A tetrahedron whose circumsphere holds the point: a walk that crosses every facet it has the point behind. It
    /// ends, as Delaunay tetrahedra are ordered by their distance from any point.
    fn locate(&self, p: u32, from: u32) -> u32 {
        let mut at = from;
        loop {
            let t = self.tetrahedra[at as usize];
            if let Some(i) = t.corners.iter().position(|c| *c == INFINITE) {
                if self.orientation(&t.with(i, p).corners) > 0.0 {
                    return at;
                }
                at = t.opposite[i];
                continue;
            }
            match (0..4).find(|&i| self.orientation(&t.with(i, p).corners) < 0.0) {
                Some(i) => at = t.opposite[i],
                None => return at,
            }
        }
    }

    /// Replaces all tetrahedra in conflict with the point by those between it and the surface of the hole.
    fn insert(&mut self, p: u32, from: u32) -> u32 {
        let first = self.locate(p, from);
        let (mut hole, mut known) = (vec![first], HashMap::from([(first, true)]));
        let mut surface = Vec::new();
        let mut next = 0;
        while let Some(&at) = hole.get(next) {
            next += 1;
            let t = self.tetrahedra[at as usize];
            for (i, &other) in t.opposite.iter().enumerate() {
                let conflict =
                    *known.entry(other).or_insert_with(|| self.conflicts(&self.tetrahedra[other as usize], p));
                if !conflict {
                    surface.push((t.with(i, p), i, at, other));
                } else if !hole.contains(&other) {
                    hole.push(other);
                }
            }
        }
        for &at in &hole {
            self.tetrahedra[at as usize].corners = [GONE; 4];
        }
        let mut open: HashMap<[u32; 2], (u32, usize)> = HashMap::new();
        let mut last = first;
        for (mut new, i, was, other) in surface {
            let place = self.free.pop().unwrap_or(self.tetrahedra.len() as u32);
            new.opposite[i] = other;
            if let Some(back) = self.tetrahedra[other as usize].opposite.iter_mut().find(|o| **o == was) {
                *back = place;
            }
            if place as usize == self.tetrahedra.len() {
                self.tetrahedra.push(new);
            } else {
                self.tetrahedra[place as usize] = new;
            }
            for j in (0..4).filter(|&j| j != i) {
                // the facet opposite to j: the new point and this edge
                let rest = 6 - i - j; // the sum of the two other places
                let (a, b) = match (0..4).find(|&k| k != i && k != j) {
                    Some(k) => (new.corners[k], new.corners[rest - k]),
                    None => continue,
                };
                match open.remove(&[a.min(b), a.max(b)]) {
                    Some((mate, k)) => {
                        self.tetrahedra[mate as usize].opposite[k] = place;
                        self.tetrahedra[place as usize].opposite[j] = mate;
                    }
                    None => {
                        open.insert([a.min(b), a.max(b)], (place, j));
                    }
                }
            }
            last = place;
        }
        self.free.extend(hole); // not earlier: neighbours are told by the numbers of the replaced
        last
    }

    /// The bounded tetrahedra.
    pub(in crate::specimen) fn cells(&self) -> Vec<Cell> {
        let bounded = |t: &Tetrahedron| t.corners[0] != GONE && !t.corners.contains(&INFINITE);
        let mut number = vec![None; self.tetrahedra.len()];
        let mut count = 0;
        for (t, number) in self.tetrahedra.iter().zip(&mut number).filter(|(t, _)| bounded(t)) {
            *number = Some(count);
            count += u32::from(bounded(t));
        }
        let cell = |t: &Tetrahedron| Cell {
            corners: t.corners,
            neighbours: t.opposite.map(|o| number[o as usize]),
            circumradius: self.circumradius(&t.corners),
        };
        self.tetrahedra.iter().filter(|t| bounded(t)).map(cell).collect()
    }

    fn circumradius(&self, corners: &[u32; 4]) -> f64 {
        let [o, a, b, c] = corners.map(|corner| self.points[corner as usize]);
        let edge = |p: Vec3| -> Vec3 { std::array::from_fn(|k| p[k] - o[k]) };
        let (a, b, c) = (edge(a), edge(b), edge(c));
        let square = |v: &Vec3| dot(v, v);
        let (ab, bc, ca) = (cross(&a, &b), cross(&b, &c), cross(&c, &a));
        let centre: Vec3 = std::array::from_fn(|k| square(&a) * bc[k] + square(&b) * ca[k] + square(&c) * ab[k]);
        square(&centre).sqrt() / (2.0 * dot(&a, &bc)).abs()
    }
}

fn dot(a: &Vec3, b: &Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: &Vec3, b: &Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_points(count: usize) -> Vec<Vec3> {
        let mut rng = stream(7, 1);
        (0..count).map(|_| std::array::from_fn(|_| rng.random_range(-10.0..10.0))).collect()
    }

    #[test]
    fn no_circumsphere_holds_a_point() {
        let cubes: Vec<Vec3> = (0..125).map(|i| [i % 5, i / 5 % 5, i / 25].map(|v| v as f64)).collect();
        for points in [random_points(200), cubes] {
            let made = Delaunay::new(&points, &mut |_| Ok(())).unwrap();
            let cells = made.cells();
            for t in cells.iter() {
                let [a, b, c, d] = t.corners.map(|corner| made.point(corner));
                for p in 0..points.len() as u32 {
                    assert!(t.corners.contains(&p) || insphere(a, b, c, d, made.point(p)) <= 0.0);
                }
            }
            for (i, t) in cells.iter().enumerate() {
                for (j, n) in t.neighbours.iter().enumerate() {
                    let Some(n) = n.map(|n| &cells[n as usize]) else { continue };
                    assert_eq!(t.corners.iter().filter(|c| n.corners.contains(c)).count(), 3);
                    assert!(!n.corners.contains(&t.corners[j]) && n.neighbours.contains(&Some(i as u32)));
                }
            }
        }
    }

    #[test]
    fn tetrahedra_fill_the_hull() {
        let mut points = random_points(300);
        points.extend((0..8).map(|i| [i & 1, i >> 1 & 1, i >> 2 & 1].map(|v| 24.0 * v as f64 - 12.0)));
        let made = Delaunay::new(&points, &mut |_| Ok(())).unwrap();
        let volume: f64 = made.cells().iter().map(|t| made.orientation(&t.corners).abs() / 6.0).sum();
        assert!((volume - 24.0_f64.powi(3)).abs() < 1e-2, "{volume}");
    }
}
