//! The crystal that a volume is compared with: its lattice and what stands in a cell.

use crate::error::{Error, Result};
use crate::geometry::{apply, cross, determinant, inverse, transpose, Mat3, Vec3};
use crate::specimen::Atoms;
use num_complex::Complex64;
use std::f64::consts::TAU;

/// Most atoms of one cell.
const MOST_ATOMS: usize = 2048;

/// Most reflections that are looked at: those of the lowest frequencies.
const MOST_REFLECTIONS: f64 = 20_000.0;

/// Nearer atoms of a cell are a mistake, angstrom.
const COINCIDENT: f64 = 0.1;

/// A crystal: three lattice vectors and the atoms of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Crystal {
    vectors: Mat3,
    basis: Atoms,
    /// Coordinates of the atoms in parts of the lattice vectors, 0 to below 1.
    fractions: Vec<Vec3>,
}

/// A reflection: h a* + k b* + l c*.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reflection {
    /// 1 / angstrom, in the frame of the crystal.
    pub vector: Vec3,
    /// Sum over the atoms of Z exp(-2 pi i (h u + k v + l w)).
    pub factor: Complex64,
}

/// All reflections up to a frequency, by their indices.
pub(super) struct Reflections {
    limits: [i32; 3],
    all: Vec<Reflection>,
    strongest: f64,
    /// Columns a, b and c: a frequency's indices are its products with them.
    vectors: Mat3,
}

impl Crystal {
    /// A crystal with the lattice vectors a, b and c (rows, angstrom) whose cell holds `basis` (x, y, z in angstrom); a cell
    /// that the atoms themselves may have is not looked at.
    ///
    /// # Errors
    /// `NonFinite`, `Range` for vectors in one plane or left-handed ones, `Inconsistent` for atoms that coincide, `Range` for
    /// more than 2048 atoms.
    pub fn new(vectors: Mat3, basis: Atoms) -> Result<Self> {
        Error::unless_finite("lattice vectors of the crystal", "component", vectors.as_flattened())?;
        let volume = determinant(&vectors);
        let edges: f64 = vectors.iter().map(length).product();
        if volume.is_nan() || volume <= 1e-3 * edges {
            let what = "volume of the crystal's cell";
            return Err(Error::range(what, format!("{volume:.3e}"), "a positive one: three right-handed vectors"));
        }
        if basis.len() > MOST_ATOMS {
            let wanted = format!("at most {MOST_ATOMS}: one cell, not a particle");
            return Err(Error::range("atoms in the crystal's cell", basis.len(), wanted));
        }
        let to_fractions = inverse(&transpose(&vectors)).ok_or_else(|| Error::Internal("flat cell".into()))?;
        let wrapped = |v: f64| if v.rem_euclid(1.0) < 1.0 { v.rem_euclid(1.0) } else { 0.0 };
        let fractions = basis.positions().iter().map(|p| apply(&to_fractions, p).map(wrapped)).collect();
        let crystal = Self { vectors, basis, fractions };
        let all: Vec<usize> = (0..crystal.basis.len()).collect();
        match crystal.nearest_distance(&all) {
            near if near < COINCIDENT => Err(Error::Inconsistent {
                what: "crystal".into(),
                why: format!("two of its atoms are {near:.3} angstrom apart, wanted {COINCIDENT} or more"),
            }),
            _ => Ok(crystal),
        }
    }

    /// The crystal of atoms with a cell, as structure files and generators give them.
    ///
    /// # Errors
    /// `NotReady` for atoms without a cell, and those of [`Self::new`].
    pub fn from_atoms(atoms: &Atoms) -> Result<Self> {
        let [a, b, c] = atoms.require_cell()?;
        Self::new([[a, 0.0, 0.0], [0.0, b, 0.0], [0.0, 0.0, c]], atoms.clone())
    }

    /// a, b and c, angstrom.
    pub fn vectors(&self) -> &Mat3 {
        &self.vectors
    }

    /// The atoms of one cell.
    pub fn basis(&self) -> &Atoms {
        &self.basis
    }

    pub(super) fn fractions(&self) -> &[Vec3] {
        &self.fractions
    }

    /// The point of these coordinates in parts of the lattice vectors, angstrom.
    pub(super) fn point(&self, fractions: &Vec3) -> Vec3 {
        apply(&transpose(&self.vectors), fractions)
    }

    /// Coordinates of a point in parts of the lattice vectors.
    pub(super) fn fraction(&self, point: &Vec3) -> Vec3 {
        apply(&self.reciprocal(), point)
    }

    /// Shortest edge of the cell, angstrom.
    pub(super) fn shortest_edge(&self) -> f64 {
        self.vectors.iter().map(length).fold(f64::INFINITY, f64::min)
    }

    /// a*, b* and c* (rows): a* . a = 1, a* . b = 0, ...
    pub(super) fn reciprocal(&self) -> Mat3 {
        let [a, b, c] = &self.vectors;
        let volume = determinant(&self.vectors);
        [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|v| v / volume))
    }

    /// How strongly each atom scatters, as far as it matters here: its atomic number (1 where unknown) times occupancy.
    pub(super) fn weights(&self) -> Vec<f64> {
        let occupancy = |i: usize| self.basis.occupancies().map_or(1.0, |all| all[i]);
        self.basis.species().iter().enumerate().map(|(i, z)| f64::from((*z).max(1)) * occupancy(i)).collect()
    }

    /// Shortest distance between two of these atoms or their images in neighbouring cells, angstrom.
    pub(super) fn nearest_distance(&self, atoms: &[usize]) -> f64 {
        let mut nearest = f64::INFINITY;
        for (n, i) in atoms.iter().enumerate() {
            for j in &atoms[..=n] {
                for image in 0..27 {
                    if i == j && image == 13 {
                        continue;
                    }
                    let cell = [image / 9 - 1, image / 3 % 3 - 1, image % 3 - 1];
                    let u: Vec3 =
                        std::array::from_fn(|a| self.fractions[*i][a] - self.fractions[*j][a] + f64::from(cell[a]));
                    nearest = nearest.min(length(&self.point(&u)));
                }
            }
        }
        nearest
    }

    /// The reflections up to `highest` (1 / angstrom), or as many of the lowest as are looked at.
    pub(super) fn reflections(&self, highest: f64) -> Reflections {
        let volume = determinant(&self.vectors);
        let highest = highest.min((3.0 * MOST_REFLECTIONS / (4.0 * std::f64::consts::PI * volume)).cbrt());
        let limits = self.vectors.map(|edge| ((highest * length(&edge)).floor() as i32).max(1));
        let (reciprocal, weights) = (transpose(&self.reciprocal()), self.weights());
        let mut all = Vec::new();
        for h in -limits[0]..=limits[0] {
            for k in -limits[1]..=limits[1] {
                for l in -limits[2]..=limits[2] {
                    let index = [h, k, l].map(f64::from);
                    let vector = apply(&reciprocal, &index);
                    let within = length(&vector) <= highest && [h, k, l] != [0; 3];
                    let factor = if within { self.factor(&index, &weights) } else { Complex64::default() };
                    all.push(Reflection { vector, factor });
                }
            }
        }
        let strongest = all.iter().map(|r| r.factor.norm()).fold(0.0, f64::max);
        Reflections { limits, all, strongest, vectors: self.vectors }
    }

    fn factor(&self, index: &Vec3, weights: &[f64]) -> Complex64 {
        let terms = self.fractions.iter().zip(weights);
        terms.map(|(u, w)| Complex64::from_polar(*w, -TAU * dot(index, u))).sum()
    }
}

impl Reflections {
    /// Weaker ones, as a part of the strongest, are roundoff or lost in noise.
    pub(super) const WEAK: f64 = 0.05;

    /// Indices of the reflection nearest to a frequency of the crystal's frame.
    pub(super) fn indices(&self, frequency: &Vec3) -> [i32; 3] {
        self.vectors.map(|edge| dot(&edge, frequency).round() as i32)
    }

    /// A reflection by its indices, and its strength as a part of the strongest; `None` for those that are not looked at.
    pub(super) fn get(&self, index: [i32; 3]) -> Option<(&Reflection, f64)> {
        if index.iter().zip(self.limits).any(|(i, limit)| i.unsigned_abs() > limit.unsigned_abs()) {
            return None;
        }
        let [h, k, l] = std::array::from_fn(|a| (index[a] + self.limits[a]) as usize);
        let edge = |a: usize| (2 * self.limits[a] + 1) as usize;
        let reflection = self.all.get((h * edge(1) + k) * edge(2) + l)?;
        let strength = reflection.factor.norm() / self.strongest;
        (strength >= Self::WEAK).then_some((reflection, strength))
    }

    /// Those that are strong enough to be looked for.
    pub(super) fn strong(&self, part: f64) -> impl Iterator<Item = &Reflection> {
        self.all.iter().filter(move |r| r.factor.norm() >= part * self.strongest && self.strongest > 0.0)
    }

    /// The lowest frequency of a strong reflection, 1 / angstrom.
    pub(super) fn lowest(&self) -> f64 {
        self.strong(2.0 * Self::WEAK).map(|r| length(&r.vector)).fold(f64::INFINITY, f64::min)
    }
}

pub(super) fn dot(a: &Vec3, b: &Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn length(a: &Vec3) -> f64 {
    dot(a, a).sqrt()
}
