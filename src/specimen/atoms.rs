//! The list of atoms: positions, species, and what a reconstruction knows about each atom.

use super::elements::MAX_ATOMIC_NUMBER;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Names accepted by [`Atoms::column`].
pub const COLUMN_NAMES: [&str; 10] =
    ["positions", "x", "y", "z", "species", "height", "width", "occupancy", "probability", "standard_error"];

/// An immutable list of atoms, never empty.
///
/// Positions (angstrom, specimen frame) and species (atomic number, 0 = unknown) are always there; the other
/// columns only where they are known. The `with_` methods complete a list while it is built and check what they get.
#[derive(Debug, Clone, PartialEq)]
pub struct Atoms {
    positions: Vec<Vec3>,
    species: Vec<u8>,
    heights: Option<Vec<f64>>,
    widths: Option<Vec<f64>>,
    occupancies: Option<Vec<f64>>,
    probabilities: Option<Vec<f64>>,
    standard_errors: Option<Vec<Vec3>>,
}

/// One column of an atom list, copied: `components` values per atom, atom by atom.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// 1, or 3 for vectors.
    pub components: usize,
    /// `[atoms * components]` values; NaN where not known.
    pub values: Vec<f64>,
}

impl Atoms {
    /// Atoms of unknown species at `positions` `[atoms]` (angstrom).
    ///
    /// # Errors
    /// `Empty` without atoms, `NonFinite` for a coordinate that is NaN or infinite.
    pub fn new(positions: Vec<Vec3>) -> Result<Self> {
        if positions.is_empty() {
            return Err(Error::Empty { what: "atom list".into(), why: "at least one atom is needed".into() });
        }
        for (i, p) in positions.iter().enumerate() {
            for (axis, &value) in ["x", "y", "z"].iter().zip(p) {
                if !value.is_finite() {
                    return Err(Error::NonFinite { what: "positions".into(), value, at: format!("atom {i}, {axis}") });
                }
            }
        }
        let species = vec![0; positions.len()];
        Ok(Atoms {
            positions,
            species,
            heights: None,
            widths: None,
            occupancies: None,
            probabilities: None,
            standard_errors: None,
        })
    }

    /// Sets the atomic numbers `[atoms]`, 0 (unknown) to 103.
    pub fn with_species(mut self, species: Vec<u8>) -> Result<Self> {
        self.check_length("species", species.len())?;
        if let Some((i, z)) = species.iter().enumerate().find(|(_, z)| **z > MAX_ATOMIC_NUMBER) {
            return Err(Error::range(
                format!("species of atom {i}"),
                z,
                format!("an atomic number 0 (unknown) to {MAX_ATOMIC_NUMBER}"),
            ));
        }
        self.species = species;
        Ok(self)
    }

    /// Sets the heights H of the orbitals `[atoms]` (image unit): any finite numbers.
    pub fn with_heights(mut self, heights: Vec<f64>) -> Result<Self> {
        self.check_values("height", &heights, "a finite number", f64::is_finite)?;
        self.heights = Some(heights);
        Ok(self)
    }

    /// Sets the widths B of the orbitals exp(-r^2 / B) `[atoms]` (angstrom^2): positive numbers.
    pub fn with_widths(mut self, widths: Vec<f64>) -> Result<Self> {
        self.check_values("width", &widths, "a positive number (angstrom^2)", |v| v.is_finite() && v > 0.0)?;
        self.widths = Some(widths);
        Ok(self)
    }

    /// Sets the occupancies `[atoms]`: 0 to 1.
    pub fn with_occupancies(mut self, occupancies: Vec<f64>) -> Result<Self> {
        self.check_values("occupancy", &occupancies, "a number 0 to 1", |v| (0.0..=1.0).contains(&v))?;
        self.occupancies = Some(occupancies);
        Ok(self)
    }

    /// Sets the probabilities of the species `[atoms]`: 0 to 1, NaN where not known.
    pub fn with_probabilities(mut self, probabilities: Vec<f64>) -> Result<Self> {
        self.check_values("probability", &probabilities, "a number 0 to 1, or NaN where not known", |v| {
            v.is_nan() || (0.0..=1.0).contains(&v)
        })?;
        self.probabilities = Some(probabilities);
        Ok(self)
    }

    /// Sets the standard errors of x, y and z `[atoms]` (angstrom): 0 or above, infinite where the data do not determine
    /// a coordinate, NaN where not known.
    pub fn with_standard_errors(mut self, standard_errors: Vec<Vec3>) -> Result<Self> {
        self.check_length("standard_error", standard_errors.len())?;
        for (i, value) in standard_errors.iter().enumerate().flat_map(|(i, e)| e.map(|v| (i, v))) {
            if value < 0.0 {
                let what = format!("standard_error of atom {i}");
                return Err(Error::range(what, value, "a number 0 or above (angstrom), or NaN where not known"));
            }
        }
        self.standard_errors = Some(standard_errors);
        Ok(self)
    }

    fn check_length(&self, what: &str, got: usize) -> Result<()> {
        if got == self.len() {
            return Ok(());
        }
        Err(Error::shape(what, &[got], format!("[{}], one entry per atom", self.len())))
    }

    fn check_values(&self, what: &str, values: &[f64], wanted: &str, accepts: impl Fn(f64) -> bool) -> Result<()> {
        self.check_length(what, values.len())?;
        match values.iter().enumerate().find(|(_, v)| !accepts(**v)) {
            Some((i, v)) => Err(Error::range(format!("{what} of atom {i}"), v, wanted)),
            None => Ok(()),
        }
    }

    /// Number of atoms, at least 1.
    #[allow(clippy::len_without_is_empty)] // an atom list is never empty
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Positions `[atoms]`, angstrom.
    pub fn positions(&self) -> &[Vec3] {
        &self.positions
    }

    /// Atomic numbers `[atoms]`, 0 where unknown.
    pub fn species(&self) -> &[u8] {
        &self.species
    }

    /// Heights H of the orbitals `[atoms]`, image unit.
    pub fn heights(&self) -> Option<&[f64]> {
        self.heights.as_deref()
    }

    /// Widths B of the orbitals exp(-r^2 / B) `[atoms]`, angstrom^2.
    pub fn widths(&self) -> Option<&[f64]> {
        self.widths.as_deref()
    }

    /// Occupancies `[atoms]`, 0 to 1.
    pub fn occupancies(&self) -> Option<&[f64]> {
        self.occupancies.as_deref()
    }

    /// Probabilities of the species `[atoms]`, 0 to 1 or NaN.
    pub fn probabilities(&self) -> Option<&[f64]> {
        self.probabilities.as_deref()
    }

    /// Standard errors of x, y and z `[atoms]`, angstrom or NaN.
    pub fn standard_errors(&self) -> Option<&[Vec3]> {
        self.standard_errors.as_deref()
    }

    /// A column by its name, one of [`COLUMN_NAMES`]: `positions` and `standard_error` have three components,
    /// the others one; NaN where the column is not known.
    ///
    /// # Errors
    /// `UnknownOption` for another name.
    pub fn column(&self, name: &str) -> Result<Column> {
        let axis = |a: usize| self.positions.iter().map(|p| p[a]).collect();
        let scalars = |values: Option<&[f64]>| match values {
            Some(values) => values.to_vec(),
            None => vec![f64::NAN; self.len()],
        };
        let (components, values) = match name {
            "positions" => (3, self.positions.as_flattened().to_vec()),
            "x" => (1, axis(0)),
            "y" => (1, axis(1)),
            "z" => (1, axis(2)),
            "species" => (1, self.species.iter().map(|z| f64::from(*z)).collect()),
            "height" => (1, scalars(self.heights())),
            "width" => (1, scalars(self.widths())),
            "occupancy" => (1, scalars(self.occupancies())),
            "probability" => (1, scalars(self.probabilities())),
            "standard_error" => match self.standard_errors() {
                Some(errors) => (3, errors.as_flattened().to_vec()),
                None => (3, vec![f64::NAN; 3 * self.len()]),
            },
            _ => {
                let known = COLUMN_NAMES.join(", ");
                return Err(Error::UnknownOption { what: "column of atoms".into(), got: name.into(), known });
            }
        };
        Ok(Column { components, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Atoms {
        Atoms::new(vec![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]).unwrap()
    }

    #[test]
    fn bad_lists_are_refused_with_their_place() {
        assert_eq!(Atoms::new(vec![]).unwrap_err().code(), 301);
        let error = Atoms::new(vec![[0.0; 3], [0.0, f64::NAN, 0.0]]).unwrap_err();
        assert_eq!(error.code(), 300);
        assert!(error.to_string().contains("atom 1, y"), "{error}");
        assert_eq!(two().with_species(vec![14]).unwrap_err().code(), 101);
        assert_eq!(two().with_species(vec![14, 104]).unwrap_err().code(), 103);
        assert_eq!(two().with_widths(vec![1.0, 0.0]).unwrap_err().code(), 103);
        assert_eq!(two().with_heights(vec![1.0, f64::INFINITY]).unwrap_err().code(), 103);
        assert_eq!(two().with_occupancies(vec![1.0, 1.5]).unwrap_err().code(), 103);
        assert_eq!(two().with_standard_errors(vec![[0.0; 3], [-1.0; 3]]).unwrap_err().code(), 103);
    }

    #[test]
    fn columns_by_name() {
        let atoms = two().with_species(vec![14, 79]).unwrap().with_heights(vec![1.5, 2.5]).unwrap();
        assert_eq!(atoms.column("y").unwrap(), Column { components: 1, values: vec![1.0, 4.0] });
        assert_eq!(atoms.column("positions").unwrap().values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(atoms.column("species").unwrap().values, [14.0, 79.0]);
        assert_eq!(atoms.column("height").unwrap().values, [1.5, 2.5]);
        assert!(atoms.column("width").unwrap().values.iter().all(|v| v.is_nan()));
        for name in COLUMN_NAMES {
            let column = atoms.column(name).unwrap();
            assert_eq!(column.values.len(), 2 * column.components);
        }
        assert_eq!(atoms.column("colour").unwrap_err().code(), 104);
    }
}
