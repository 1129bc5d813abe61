//! Crystal lattices by their conventional cells, all with right angles, and the particles cut out of them.

use super::shapes::Shape;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Atoms that a crystal may have at most: beyond, the options hold a mistake.
pub(super) const MOST_ATOMS: f64 = 1e8;

/// A crystal: the edges of its conventional cell and what stands in it.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    /// Edges along x, y and z, angstrom.
    pub cell: Vec3,
    /// Fractional coordinates, and which of the structure's elements stands there.
    pub sites: Vec<(Vec3, usize)>,
}

/// A site of a particle: where it is, and which of the structure's elements stands there.
pub(super) type Site = (Vec3, usize);

const FACES: [Vec3; 4] = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]];

/// `basis` on each of the points of a face-centred cell.
fn face_centred(basis: &[(Vec3, usize)]) -> Vec<(Vec3, usize)> {
    let at = |f: Vec3, b: &Vec3| std::array::from_fn(|k| (f[k] + b[k]).rem_euclid(1.0));
    FACES.iter().flat_map(|f| basis.iter().map(move |(b, kind)| (at(*f, b), *kind))).collect()
}

impl Lattice {
    pub(super) fn simple_cubic(a: f64) -> Self {
        Lattice { cell: [a; 3], sites: vec![([0.0; 3], 0)] }
    }

    pub(super) fn face_centred_cubic(a: f64) -> Self {
        Lattice { cell: [a; 3], sites: face_centred(&[([0.0; 3], 0)]) }
    }

    /// One element, or two: caesium chloride.
    pub(super) fn body_centred_cubic(a: f64, second: usize) -> Self {
        Lattice { cell: [a; 3], sites: vec![([0.0; 3], 0), ([0.5; 3], second)] }
    }

    /// The cell with right angles: a, sqrt(3) a, c.
    pub(super) fn hexagonal_close_packed(a: f64, c: f64) -> Self {
        let (third, five_sixths) = (1.0 / 3.0, 5.0 / 6.0);
        let sites = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, five_sixths, 0.5], [0.0, third, 0.5]];
        Lattice { cell: [a, 3.0_f64.sqrt() * a, c], sites: sites.map(|s| (s, 0)).to_vec() }
    }

    /// One element, or two: zinc blende.
    pub(super) fn diamond(a: f64, second: usize) -> Self {
        Lattice { cell: [a; 3], sites: face_centred(&[([0.0; 3], 0), ([0.25; 3], second)]) }
    }

    pub(super) fn rock_salt(a: f64) -> Self {
        Lattice { cell: [a; 3], sites: face_centred(&[([0.0; 3], 0), ([0.5; 3], 1)]) }
    }

    /// Layers of two elements along z, in the cell of the face-centred lattice (twice the primitive one).
    pub(super) fn l1_0(a: f64, c: f64) -> Self {
        let sites = FACES.map(|f| (f, usize::from(f[2] > 0.0)));
        Lattice { cell: [a, a, c], sites: sites.to_vec() }
    }

    /// A3B: A on the faces, B on the corners.
    pub(super) fn l1_2(a: f64) -> Self {
        let sites = FACES.map(|f| (f, usize::from(f == [0.0; 3])));
        Lattice { cell: [a; 3], sites: sites.to_vec() }
    }

    /// A B2 X4, space group F d -3 m, second origin: A on 8a, B on 16d, X on 32e (u, u, u).
    pub(super) fn spinel(a: f64, u: f64) -> Self {
        let tetrahedral = [[0.125; 3], [0.875, 0.375, 0.375]];
        let octahedral = [[0.5; 3], [0.25, 0.75, 0.0], [0.75, 0.0, 0.25], [0.0, 0.25, 0.75]];
        let anions = [
            [u, u, u],
            [0.75 - u, 0.25 - u, 0.5 + u],
            [0.25 - u, 0.5 + u, 0.75 - u],
            [0.5 + u, 0.75 - u, 0.25 - u],
            [0.75 + u, 0.25 + u, 0.5 - u],
            [-u, -u, -u],
            [0.25 + u, 0.5 - u, 0.75 + u],
            [0.5 - u, 0.75 + u, 0.25 + u],
        ];
        let kinds = [(&tetrahedral[..], 0), (&octahedral[..], 1), (&anions[..], 2)];
        let basis: Vec<(Vec3, usize)> = kinds.iter().flat_map(|(s, kind)| s.iter().map(|s| (*s, *kind))).collect();
        Lattice { cell: [a; 3], sites: face_centred(&basis) }
    }

    /// A B X3: A on the corners, B in the centre, X on the faces.
    pub(super) fn perovskite(a: f64) -> Self {
        let mut sites = vec![([0.0; 3], 0), ([0.5; 3], 1)];
        sites.extend(FACES[1..].iter().map(|f| (*f, 2)));
        Lattice { cell: [a; 3], sites }
    }

    /// Sites of each element in one cell.
    pub(super) fn formula(&self) -> [usize; 3] {
        std::array::from_fn(|kind| self.sites.iter().filter(|(_, k)| *k == kind).count())
    }

    fn density(&self) -> f64 {
        self.sites.len() as f64 / self.cell.iter().product::<f64>()
    }

    /// All sites inside `shape` of half width `half`, with the point `origin` of the cell (fractions) at the centre, each
    /// with its gauge, in the order of (gauge, z, y, x).
    fn cut(&self, shape: &Shape, half: f64, origin: &Vec3) -> Result<Vec<(f64, Site)>> {
        let reach = shape.reach(half);
        let expected = self.density() * reach.iter().map(|r| 2.0 * r).product::<f64>();
        if expected > 8.0 * MOST_ATOMS {
            let got = format!("about {:.1e}", expected);
            return Err(Error::range("atoms of the particle", got, format!("at most {MOST_ATOMS:.0e}")));
        }
        let cells: [(i64, i64); 3] = std::array::from_fn(|k| {
            let n = reach[k] / self.cell[k];
            ((origin[k] - n).floor() as i64 - 1, (origin[k] + n).ceil() as i64 + 1)
        });
        let mut found = Vec::new();
        for z in cells[2].0..=cells[2].1 {
            for y in cells[1].0..=cells[1].1 {
                for x in cells[0].0..=cells[0].1 {
                    for (site, kind) in &self.sites {
                        let corner = [x, y, z];
                        let p = std::array::from_fn(|k| (corner[k] as f64 + site[k] - origin[k]) * self.cell[k]);
                        let gauge = shape.gauge(&p);
                        if gauge <= half + TIE {
                            found.push((gauge, (p, *kind)));
                        }
                    }
                }
            }
        }
        // equal distances differ by rounding: they count as equal, and the coordinates decide
        let key = |(gauge, (p, _)): &(f64, Site)| [*gauge, p[2], p[1], p[0]].map(|v| (v / TIE).round() as i64);
        found.sort_by_cached_key(key);
        Ok(found)
    }

    /// The sites inside `shape` of the full width `width`, innermost first.
    pub(super) fn inside(&self, shape: &Shape, width: f64, origin: &Vec3) -> Result<Vec<Site>> {
        Ok(self.cut(shape, 0.5 * width, origin)?.into_iter().map(|(_, site)| site).collect())
    }

    /// The innermost `wanted` sites of each element, or of all together, as the shape grows.
    pub(super) fn innermost(&self, shape: &Shape, wanted: Wanted, origin: &Vec3) -> Result<Vec<Site>> {
        let total = wanted.total() as f64;
        let mut half = 0.5 * (total / self.density()).cbrt() + self.cell.iter().copied().fold(0.0, f64::max);
        loop {
            let mut left = wanted;
            let sites = self.inside(shape, 2.0 * half, origin)?;
            let chosen: Vec<Site> = sites.into_iter().filter(|(_, kind)| left.take(*kind)).collect();
            if left.total() == 0 {
                return Ok(chosen);
            }
            half *= 1.2;
        }
    }
}

/// Rounding of positions and gauges, angstrom.
const TIE: f64 = 1e-7;

/// How many atoms a particle shall have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// In all.
    Total(usize),
    /// Of each element.
    Each([usize; 3]),
}

impl Wanted {
    pub(super) fn total(&self) -> usize {
        match self {
            Wanted::Total(n) => *n,
            Wanted::Each(n) => n.iter().sum(),
        }
    }

    /// Takes one of this element, where one is still wanted.
    fn take(&mut self, kind: usize) -> bool {
        let left = match self {
            Wanted::Total(n) => n,
            Wanted::Each(n) => &mut n[kind],
        };
        let taken = *left > 0;
        *left -= usize::from(taken);
        taken
    }
}

/// The most complete formula units among `sites`, which are sorted from the inside: the outermost atoms of the elements
/// in excess go.
pub(super) fn stoichiometric(sites: &[Site], formula: [usize; 3]) -> Vec<Site> {
    let smallest = formula.into_iter().filter(|n| *n > 0).min().unwrap_or(1);
    let per_unit = formula.map(|n| n / smallest); // all cells here are multiples of their rarest element
    let has = |kind: usize| sites.iter().filter(|(_, k)| *k == kind).count();
    let units = (0..3).filter(|&k| per_unit[k] > 0).map(|k| has(k) / per_unit[k]).min().unwrap_or(0);
    let mut left = Wanted::Each(per_unit.map(|n| n * units));
    sites.iter().filter(|(_, kind)| left.take(*kind)).copied().collect()
}
