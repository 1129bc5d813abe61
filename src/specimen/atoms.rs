//! The list of atoms: positions, species, the cell they live in, and what else is known about each atom.

use super::debye_waller;
use super::elements::{self, MAX_ATOMIC_NUMBER};
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Names accepted by [`Atoms::column`].
pub const COLUMN_NAMES: [&str; 13] = [
    "positions",
    "x",
    "y",
    "z",
    "species",
    "height",
    "width",
    "occupancy",
    "probability",
    "debye_waller_b",
    "debye_waller_u",
    "rms_displacement",
    "standard_error",
];

/// A quantity that atoms may have, one number each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Height H of the orbital, image unit: any finite number.
    Height,
    /// Width B of the orbital exp(-r^2 / B), angstrom^2: positive.
    Width,
    /// Share of the site that is occupied, 0 to 1.
    Occupancy,
    /// Probability of the species, 0 to 1, NaN where not known.
    Probability,
    /// Debye-Waller factor B = 8 pi^2 \<u^2\> of thermal motion, angstrom^2, 0 or above; \<u^2\> along one axis.
    DebyeWallerB,
}

impl Property {
    /// All properties, in the order in which files list them.
    pub const ALL: [Property; 5] =
        [Property::Height, Property::Width, Property::Occupancy, Property::Probability, Property::DebyeWallerB];

    /// Name of the column, in files and in [`Atoms::column`].
    pub fn name(self) -> &'static str {
        match self {
            Property::Height => "height",
            Property::Width => "width",
            Property::Occupancy => "occupancy",
            Property::Probability => "probability",
            Property::DebyeWallerB => "debye_waller_b",
        }
    }

    /// The property of that column, `None` for other columns.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.name() == name)
    }

    fn wanted(self) -> &'static str {
        match self {
            Property::Height => "a finite number",
            Property::Width => "a positive number (angstrom^2)",
            Property::Occupancy => "a number 0 to 1",
            Property::Probability => "a number 0 to 1, or NaN where not known",
            Property::DebyeWallerB => "a number 0 or above (angstrom^2)",
        }
    }

    fn accepts(self, value: f64) -> bool {
        match self {
            Property::Height => value.is_finite(),
            Property::Width => value.is_finite() && value > 0.0,
            Property::Occupancy => (0.0..=1.0).contains(&value),
            Property::Probability => value.is_nan() || (0.0..=1.0).contains(&value),
            Property::DebyeWallerB => value.is_finite() && value >= 0.0,
        }
    }
}

/// An immutable list of atoms, never empty.
///
/// Positions (angstrom) and species (atomic number, 0 = unknown) are always there; the other columns and the cell only
/// where they are known. The `with_` methods complete a list while it is built and check what they get.
///
/// Positions are in the specimen frame, whose origin is the centre of a tilt series; atoms with a cell are in
/// `[0, Lx) x [0, Ly) x [0, Lz)` instead, as simulations and crystals want them ([`Atoms::check_in_cell`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Atoms {
    positions: Vec<Vec3>,
    species: Vec<u8>,
    /// In the order of [`Property::ALL`].
    properties: [Option<Vec<f64>>; 5],
    standard_errors: Option<Vec<Vec3>>,
    cell: Option<Vec3>,
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
        check_positions(&positions)?;
        let species = vec![0; positions.len()];
        Ok(Atoms { positions, species, properties: Default::default(), standard_errors: None, cell: None })
    }

    /// Sets the atomic numbers `[atoms]`, 0 (unknown) to 103.
    pub fn with_species(mut self, species: Vec<u8>) -> Result<Self> {
        self.check_length("species", species.len())?;
        if let Some((i, z)) = species.iter().enumerate().find(|(_, z)| **z > MAX_ATOMIC_NUMBER) {
            return Err(species_range(i, z));
        }
        self.species = species;
        Ok(self)
    }

    /// Sets a property `[atoms]`.
    ///
    /// # Errors
    /// `Shape` unless there is one value per atom, `Range` for a value the property cannot have, with its atom.
    pub fn with_property(mut self, property: Property, values: Vec<f64>) -> Result<Self> {
        let name = property.name();
        self.check_length(name, values.len())?;
        if let Some((i, v)) = values.iter().enumerate().find(|(_, v)| !property.accepts(**v)) {
            return Err(Error::range(format!("{name} of atom {i}"), v, property.wanted()));
        }
        self.properties[property as usize] = Some(values);
        Ok(self)
    }

    /// The atoms without a property.
    pub fn without_property(mut self, property: Property) -> Self {
        self.properties[property as usize] = None;
        self
    }

    /// The atoms at other positions `[atoms]`, angstrom; all else stays.
    ///
    /// # Errors
    /// `Shape` unless there is one position per atom, `NonFinite`.
    pub fn moved_to(mut self, positions: Vec<Vec3>) -> Result<Self> {
        self.check_length("positions", positions.len())?;
        check_positions(&positions)?;
        self.positions = positions;
        Ok(self)
    }

    /// Sets the heights H of the orbitals `[atoms]` (image unit): any finite numbers.
    pub fn with_heights(self, heights: Vec<f64>) -> Result<Self> {
        self.with_property(Property::Height, heights)
    }

    /// Sets the widths B of the orbitals exp(-r^2 / B) `[atoms]` (angstrom^2): positive numbers.
    pub fn with_widths(self, widths: Vec<f64>) -> Result<Self> {
        self.with_property(Property::Width, widths)
    }

    /// Sets the occupancies `[atoms]`: 0 to 1.
    pub fn with_occupancies(self, occupancies: Vec<f64>) -> Result<Self> {
        self.with_property(Property::Occupancy, occupancies)
    }

    /// Sets the probabilities of the species `[atoms]`: 0 to 1, NaN where not known.
    pub fn with_probabilities(self, probabilities: Vec<f64>) -> Result<Self> {
        self.with_property(Property::Probability, probabilities)
    }

    /// Sets the Debye-Waller factors B = 8 pi^2 \<u^2\> `[atoms]` (angstrom^2): 0 or above. The functions of
    /// [`debye_waller`] make them from \<u^2\> or an rms displacement.
    pub fn with_debye_waller(self, debye_waller_b: Vec<f64>) -> Result<Self> {
        self.with_property(Property::DebyeWallerB, debye_waller_b)
    }

    /// Sets the standard errors of x, y and z `[atoms]` (angstrom): 0 or above, infinite where the data do not
    /// determine a coordinate, NaN where not known.
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

    /// Sets the orthogonal cell (Lx, Ly, Lz), angstrom; its corner is the origin. Atoms may lie outside of it until a
    /// simulation asks ([`Atoms::check_in_cell`]); [`Atoms::wrapped`] folds them in.
    ///
    /// # Errors
    /// `Range` for an edge that is not positive.
    pub fn with_cell(mut self, cell: Vec3) -> Result<Self> {
        for (axis, edge) in AXES.iter().zip(cell) {
            if !(edge.is_finite() && edge > 0.0) {
                return Err(Error::range(
                    format!("edge of the cell along {axis}"),
                    edge,
                    "a positive number (angstrom)",
                ));
            }
        }
        self.cell = Some(cell);
        Ok(self)
    }

    /// Takes the cell away.
    pub fn without_cell(mut self) -> Self {
        self.cell = None;
        self
    }

    /// Sets a column by its name, one of [`COLUMN_NAMES`]: `values` hold all its components, atom by atom.
    /// `debye_waller_u` (\<u^2\> along one axis, angstrom^2) and `rms_displacement` (its root, angstrom) are kept as
    /// `debye_waller_b`.
    ///
    /// # Errors
    /// `UnknownOption` for another name, `Shape`, and `Range` or `NonFinite` for values that the column cannot have.
    pub fn with_column(mut self, name: &str, values: &[f64]) -> Result<Self> {
        let components = components_of(name)?;
        if values.len() != components * self.len() {
            let wanted = format!("{components} for each of {} atoms", self.len());
            return Err(Error::shape(name, &[values.len()], wanted));
        }
        if let Some(axis) = AXES.iter().position(|axis| *axis == name) {
            self.positions.iter_mut().zip(values).for_each(|(p, v)| p[axis] = *v);
            return check_positions(&self.positions).map(|()| self);
        }
        match name {
            "positions" => self.moved_to(values.as_chunks::<3>().0.to_vec()),
            "species" => {
                let whole = |(i, v): (usize, &f64)| elements::from_number(*v).ok_or_else(|| species_range(i, v));
                let species = values.iter().enumerate().map(whole).collect::<Result<_>>()?;
                self.with_species(species)
            }
            "standard_error" => self.with_standard_errors(values.as_chunks::<3>().0.to_vec()),
            _ => {
                let (property, to_own) = property_of(name)?;
                // before the conversion: the square of a negative displacement would pass
                if let Some((i, v)) = values.iter().enumerate().find(|(_, v)| !property.accepts(**v)) {
                    return Err(Error::range(format!("{name} of atom {i}"), v, property.wanted()));
                }
                self.with_property(property, values.iter().map(|v| to_own(*v)).collect())
            }
        }
    }

    /// Sets a scalar column from one value per element, `(atomic number, value)`; the last of an element counts.
    ///
    /// # Errors
    /// Those of [`Atoms::with_column`]; `Inconsistent` where an element of the list has no value.
    pub fn with_element_values(self, name: &str, values: &[(u8, f64)]) -> Result<Self> {
        let mut of_element = [None; MAX_ATOMIC_NUMBER as usize + 1];
        for (z, value) in values {
            let place = of_element.get_mut(usize::from(*z));
            *place.ok_or_else(|| species_range_of(format!("atomic number of a {name}"), z))? = Some(*value);
        }
        let missing = |i: usize, z: u8| Error::Inconsistent {
            what: format!("{name} per element"),
            why: format!("no value for {} (Z = {z}), which atom {i} is", elements::symbol(z).unwrap_or("?")),
        };
        let value = |(i, z): (usize, &u8)| of_element[usize::from(*z)].ok_or_else(|| missing(i, *z));
        let values: Vec<f64> = self.species.iter().enumerate().map(value).collect::<Result<_>>()?;
        self.with_column(name, &values)
    }

    fn check_length(&self, what: &str, got: usize) -> Result<()> {
        if got == self.len() {
            return Ok(());
        }
        Err(Error::shape(what, &[got], format!("[{}], one entry per atom", self.len())))
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

    /// A property `[atoms]`, where it is known.
    pub fn property(&self, property: Property) -> Option<&[f64]> {
        self.properties[property as usize].as_deref()
    }

    /// Heights H of the orbitals `[atoms]`, image unit.
    pub fn heights(&self) -> Option<&[f64]> {
        self.property(Property::Height)
    }

    /// Widths B of the orbitals exp(-r^2 / B) `[atoms]`, angstrom^2.
    pub fn widths(&self) -> Option<&[f64]> {
        self.property(Property::Width)
    }

    /// Occupancies `[atoms]`, 0 to 1.
    pub fn occupancies(&self) -> Option<&[f64]> {
        self.property(Property::Occupancy)
    }

    /// Probabilities of the species `[atoms]`, 0 to 1 or NaN.
    pub fn probabilities(&self) -> Option<&[f64]> {
        self.property(Property::Probability)
    }

    /// Debye-Waller factors B = 8 pi^2 \<u^2\> `[atoms]`, angstrom^2.
    pub fn debye_waller_b(&self) -> Option<&[f64]> {
        self.property(Property::DebyeWallerB)
    }

    /// Standard errors of x, y and z `[atoms]`, angstrom or NaN.
    pub fn standard_errors(&self) -> Option<&[Vec3]> {
        self.standard_errors.as_deref()
    }

    /// The orthogonal cell (Lx, Ly, Lz), angstrom, where there is one.
    pub fn cell(&self) -> Option<Vec3> {
        self.cell
    }

    /// The cell, or `NotReady` where there is none.
    pub fn require_cell(&self) -> Result<Vec3> {
        self.cell.ok_or_else(|| Error::NotReady {
            what: "atom list".into(),
            why: "it has no cell; set one, or place the atoms in one".into(),
        })
    }

    /// Checks that every atom lies in the cell, 0 <= p < L along each axis.
    ///
    /// # Errors
    /// `NotReady` without a cell; `Inconsistent` with the number of atoms outside and the first of them.
    pub fn check_in_cell(&self) -> Result<()> {
        let cell = self.require_cell()?;
        let outside = |p: &Vec3| p.iter().zip(cell).position(|(p, edge)| !(0.0..edge).contains(p));
        let mut strays = self.positions.iter().enumerate().filter_map(|(i, p)| Some((i, p, outside(p)?)));
        let Some((i, p, axis)) = strays.next() else { return Ok(()) };
        let (name, value, edge, others) = (AXES[axis], p[axis], cell[axis], strays.count());
        Err(Error::Inconsistent {
            what: "atoms outside of the cell".into(),
            why: format!(
                "{name} of atom {i} is {value}, wanted 0 to below {edge} angstrom; {others} others are outside"
            ),
        })
    }

    /// A column by its name, one of [`COLUMN_NAMES`]: `positions` and `standard_error` have three components,
    /// the others one; NaN where the column is not known.
    ///
    /// # Errors
    /// `UnknownOption` for another name.
    pub fn column(&self, name: &str) -> Result<Column> {
        let components = components_of(name)?;
        if let Some(axis) = AXES.iter().position(|axis| *axis == name) {
            return Ok(Column { components, values: self.positions.iter().map(|p| p[axis]).collect() });
        }
        let b = |from_b: fn(f64) -> f64| self.debye_waller_b().map(|b| b.iter().map(|b| from_b(*b)).collect());
        let values = match name {
            "positions" => Some(self.positions.as_flattened().to_vec()),
            "species" => Some(self.species.iter().map(|z| f64::from(*z)).collect()),
            "standard_error" => self.standard_errors().map(|errors| errors.as_flattened().to_vec()),
            "debye_waller_u" => b(debye_waller::mean_square),
            "rms_displacement" => b(debye_waller::rms),
            _ => Property::from_name(name).and_then(|property| self.property(property)).map(<[f64]>::to_vec),
        };
        Ok(Column { components, values: values.unwrap_or_else(|| vec![f64::NAN; components * self.len()]) })
    }

    /// The same atoms elsewhere, one position per atom: the other columns and the cell stay.
    pub(super) fn moved(&self, positions: Vec<Vec3>) -> Result<Self> {
        self.check_length("positions", positions.len())?;
        check_positions(&positions)?;
        Ok(Atoms { positions, ..self.clone() })
    }

    /// The atoms of `indices`, which exist and are at least one, with all their columns; the cell stays.
    pub(super) fn picked(&self, indices: &[usize]) -> Self {
        fn pick<T: Copy>(values: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().map(|i| values[*i]).collect()
        }
        Atoms {
            positions: pick(&self.positions, indices),
            species: pick(&self.species, indices),
            properties: self.properties.each_ref().map(|values| values.as_ref().map(|v| pick(v, indices))),
            standard_errors: self.standard_errors.as_ref().map(|v| pick(v, indices)),
            cell: self.cell,
        }
    }
}

pub(super) const AXES: [&str; 3] = ["x", "y", "z"];

fn check_positions(positions: &[Vec3]) -> Result<()> {
    for (i, p) in positions.iter().enumerate() {
        for (axis, &value) in AXES.iter().zip(p) {
            if !value.is_finite() {
                return Err(Error::NonFinite { what: "positions".into(), value, at: format!("atom {i}, {axis}") });
            }
        }
    }
    Ok(())
}

fn species_range(atom: usize, got: impl std::fmt::Display) -> Error {
    species_range_of(format!("species of atom {atom}"), got)
}

fn species_range_of(what: String, got: impl std::fmt::Display) -> Error {
    Error::range(what, got, format!("an atomic number 0 (unknown) to {MAX_ATOMIC_NUMBER}"))
}

/// Values per atom of a column, 1 or 3.
fn components_of(name: &str) -> Result<usize> {
    match name {
        "positions" | "standard_error" => Ok(3),
        _ if COLUMN_NAMES.contains(&name) => Ok(1),
        _ => Err(Error::UnknownOption {
            what: "column of atoms".into(),
            got: name.into(),
            known: COLUMN_NAMES.join(", "),
        }),
    }
}

/// Turns a value of a column into that of the property in which it is kept.
type Conversion = fn(f64) -> f64;

fn property_of(name: &str) -> Result<(Property, Conversion)> {
    match name {
        "debye_waller_u" => Ok((Property::DebyeWallerB, debye_waller::from_mean_square)),
        "rms_displacement" => Ok((Property::DebyeWallerB, debye_waller::from_rms)),
        _ => match Property::from_name(name) {
            Some(property) => Ok((property, |value| value)),
            None => Err(Error::Internal(format!("column {name} has no property"))),
        },
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

    #[test]
    fn columns_are_set_by_name_and_read_back() {
        let atoms = two()
            .with_column("species", &[14.0, 0.0])
            .and_then(|a| a.with_column("y", &[7.0, 8.0]))
            .and_then(|a| a.with_column("standard_error", &[0.1, 0.2, 0.3, 0.4, 0.5, f64::NAN]))
            .and_then(|a| a.with_column("occupancy", &[1.0, 0.5]))
            .and_then(|a| a.with_column("rms_displacement", &[0.1, 0.0]))
            .unwrap();
        assert_eq!((atoms.species(), atoms.positions()[1]), (&[14, 0][..], [3.0, 8.0, 5.0]));
        let b = atoms.debye_waller_b().unwrap();
        assert!((b[0] - 0.789568352087149).abs() < 1e-12 && b[1] == 0.0, "{b:?}");
        assert!((atoms.column("debye_waller_u").unwrap().values[0] - 0.01).abs() < 1e-15);
        assert!((atoms.column("rms_displacement").unwrap().values[0] - 0.1).abs() < 1e-15);
        for name in ["x", "positions", "species", "occupancy", "debye_waller_b", "debye_waller_u", "height"] {
            let column = atoms.column(name).unwrap();
            if column.values[0].is_finite() {
                assert_eq!(two().with_column(name, &column.values).unwrap().column(name).unwrap(), column, "{name}");
            }
        }
        assert_eq!(two().with_column("colour", &[1.0, 2.0]).unwrap_err().code(), 104);
        assert_eq!(two().with_column("positions", &[1.0, 2.0]).unwrap_err().code(), 101);
        assert_eq!(two().with_column("x", &[1.0, f64::NAN]).unwrap_err().code(), 300);
        for (name, value) in
            [("species", 14.5), ("species", -1.0), ("rms_displacement", -0.1), ("debye_waller_b", -1.0)]
        {
            let error = two().with_column(name, &[1.0, value]).unwrap_err();
            assert_eq!(error.code(), 103, "{name}");
            assert!(error.to_string().contains(&format!("{name} of atom 1 is {value}")), "{error}");
        }
    }

    #[test]
    fn values_per_element_need_every_element() {
        let atoms = two().with_species(vec![79, 14]).unwrap();
        let set = atoms.clone().with_element_values("debye_waller_b", &[(14, 0.5), (79, 0.6), (6, 1.0)]).unwrap();
        assert_eq!(set.debye_waller_b().unwrap(), [0.6, 0.5]);
        let error = atoms.clone().with_element_values("debye_waller_b", &[(79, 0.6)]).unwrap_err();
        assert!(error.to_string().contains("Si (Z = 14), which atom 1 is"), "{error}");
        assert_eq!(atoms.with_element_values("occupancy", &[(104, 0.6)]).unwrap_err().code(), 103);
    }

    #[test]
    fn the_cell_is_checked() {
        assert_eq!(two().check_in_cell().unwrap_err().code(), 200);
        for edge in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(two().with_cell([1.0, edge, 1.0]).unwrap_err().code(), 103);
        }
        assert_eq!(two().with_cell([3.5, 4.5, 5.5]).unwrap().check_in_cell().ok(), Some(()));
        let error = two().with_cell([3.5, 4.0, 5.5]).unwrap().check_in_cell().unwrap_err();
        assert!(error.to_string().contains("y of atom 1 is 4, wanted 0 to below 4 angstrom; 0 others"), "{error}");
        assert_eq!(two().with_cell([3.0; 3]).unwrap().without_cell().cell(), None);
    }
}
