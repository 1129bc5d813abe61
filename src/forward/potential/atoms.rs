//! What scatters: positions in the cell, species, Debye-Waller factors, occupancies; and the derivatives by them.

use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// An atom this near below an edge belongs to the slice above it: rounding must not move atoms out of their slice.
const EDGE_TOLERANCE: f64 = 1e-12;

/// Atoms of a cell, for one configuration.
#[derive(Debug, Clone, Default)]
pub struct Scatterers {
    /// Positions in the cell, angstrom; x and y are periodic.
    pub positions: Vec<Vec3>,
    /// Atomic numbers.
    pub species: Vec<u8>,
    /// Debye-Waller factors B = 8 pi^2 <u^2>, A^2 (u along one axis); none at rest.
    pub debye_waller_b: Option<Vec<f64>>,
    /// Share of the configurations of the crystal in which the atom is there; none means 1.
    pub occupancy: Option<Vec<f64>>,
}

/// [`Scatterers`] that were checked, in the order in which the beam meets them.
#[derive(Debug, Clone)]
pub struct PlacedAtoms {
    pub(super) atoms: Vec<Placed>,
    /// Largest Debye-Waller factor.
    pub(super) largest_b: f64,
}

/// One atom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Number in the list of the caller.
    pub index: usize,
    pub position: Vec3,
    /// Place of the species in the list of the plan.
    pub slot: usize,
    pub debye_waller_b: f64,
    pub occupancy: f64,
}

impl PlacedAtoms {
    pub(super) fn new(scatterers: &Scatterers, species: &[u8], edges: &[f64]) -> Result<Self> {
        let count = scatterers.positions.len();
        check_column("species", scatterers.species.len(), count)?;
        let column = |what: &str, values: &Option<Vec<f64>>| {
            values.as_ref().map_or(Ok(()), |values| {
                check_column(what, values.len(), count)?;
                Error::unless_finite(what, "atom", values)
            })
        };
        column("Debye-Waller factors", &scatterers.debye_waller_b)?;
        column("occupancies", &scatterers.occupancy)?;
        let mut atoms = (0..count).map(|i| place(scatterers, i, species, edges)).collect::<Result<Vec<_>>>()?;
        atoms.sort_by(|a, b| a.position[2].total_cmp(&b.position[2])); // stable: atoms at one depth keep their order
        let largest_b = atoms.iter().map(|a| a.debye_waller_b).fold(0.0, f64::max);
        Ok(Self { atoms, largest_b })
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.atoms.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// Numbers, in the order of this list, of the atoms from `from` to below `to` along the beam.
    pub(super) fn between(&self, from: f64, to: f64) -> std::ops::Range<usize> {
        let first = |z: f64| self.atoms.partition_point(|a| a.position[2] < z - EDGE_TOLERANCE);
        first(from)..first(to)
    }
}

fn check_column(what: &str, got: usize, count: usize) -> Result<()> {
    if got == count {
        return Ok(());
    }
    Err(Error::shape(what, &[got], format!("({count}), one per position")))
}

fn place(scatterers: &Scatterers, i: usize, species: &[u8], edges: &[f64]) -> Result<Placed> {
    let (position, z) = (scatterers.positions[i], scatterers.species[i]);
    if let Some(value) = position.iter().find(|v| !v.is_finite()) {
        return Err(Error::NonFinite { what: "positions".into(), value: *value, at: format!("atom {i}") });
    }
    let thickness = edges[edges.len() - 1];
    if !(-EDGE_TOLERANCE..thickness - EDGE_TOLERANCE).contains(&position[2]) {
        let wanted = format!("0 to below {thickness} angstrom, the thickness of the cell");
        return Err(Error::range(format!("z of atom {i} (counted from 0)"), position[2], wanted));
    }
    let slot = species.binary_search(&z).map_err(|_| {
        Error::range(format!("species of atom {i} (counted from 0)"), z, format!("one of the plan's, {species:?}"))
    })?;
    let debye_waller_b = scatterers.debye_waller_b.as_ref().map_or(0.0, |b| b[i]);
    if debye_waller_b < 0.0 {
        let what = format!("Debye-Waller factor of atom {i} (counted from 0)");
        return Err(Error::range(what, debye_waller_b, "0 or a positive number (8 pi^2 <u^2>, square angstrom)"));
    }
    let occupancy = scatterers.occupancy.as_ref().map_or(1.0, |o| o[i]);
    Ok(Placed { index: i, position, slot, debye_waller_b, occupancy })
}

/// Derivatives of a number L by the atoms of a cell, in the order of the caller's list.
#[derive(Debug, Clone, PartialEq)]
pub struct AtomGradient {
    values: Vec<f64>,
}

impl AtomGradient {
    /// Values per atom: x, y, z, Debye-Waller factor, occupancy.
    pub(super) const VALUES: usize = 5;

    /// Zeros for `count` atoms.
    pub fn zeros(count: usize) -> Self {
        Self { values: vec![0.0; Self::VALUES * count] }
    }

    pub(super) fn from_flat(values: Vec<f64>) -> Self {
        Self { values }
    }

    pub(super) fn into_flat(self) -> Vec<f64> {
        self.values
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.values.len() / Self::VALUES
    }

    /// For no atoms?
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// dL/d(x, y, z) of an atom, per angstrom.
    pub fn position(&self, atom: usize) -> Vec3 {
        let v = &self.values[Self::VALUES * atom..];
        [v[0], v[1], v[2]]
    }

    /// dL/dB of an atom, per square angstrom.
    pub fn debye_waller_b(&self, atom: usize) -> f64 {
        self.values[Self::VALUES * atom + 3]
    }

    /// dL/d(occupancy) of an atom.
    pub fn occupancy(&self, atom: usize) -> f64 {
        self.values[Self::VALUES * atom + 4]
    }

    pub(super) fn add(&mut self, atom: usize, position: Vec3, debye_waller_b: f64, occupancy: f64) {
        let [x, y, z] = position;
        let all = &mut self.values[Self::VALUES * atom..][..Self::VALUES];
        all.iter_mut().zip([x, y, z, debye_waller_b, occupancy]).for_each(|(sum, v)| *sum += v);
    }
}
