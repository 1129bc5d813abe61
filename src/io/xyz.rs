//! Atom lists as extended xyz: a count, a comment line with `Properties=species:S:1:pos:R:3...`, one line per atom.
//! Plain xyz (symbol x y z) is read, too. Lengths in angstrom, or in pixels where a data set has no pixel size.
//! `Lattice="Lx 0 0 0 Ly 0 0 0 Lz"` in the comment is the cell.

use std::path::Path;

use super::structure::lattice::Lattice;
use super::structure::text::{excerpt, number, push_number, Fault};
use super::{atomic, file_error};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::specimen::{elements, Atoms, Property};

const FORMAT: &str = "extended xyz file";

/// Reads the atoms of a file. Columns that atoms do not have are passed over.
///
/// # Errors
/// `File` where it cannot be read, `Format` with the line number where it is malformed or cut short; the errors of
/// [`Atoms`] for values that atoms cannot have.
pub fn read(path: &Path) -> Result<Atoms> {
    let bytes = std::fs::read(path).map_err(file_error("reading", path))?;
    let text = String::from_utf8(bytes).map_err(|_| format_error(path, "it is no UTF-8 text".into()))?;
    parse(path, &text)
}

/// Writes atoms with all columns they have; reading gives the same numbers to the last bit.
///
/// # Errors
/// `File` where it cannot be written; an older file of that name then stays.
pub fn write(atoms: &Atoms, path: &Path) -> Result<()> {
    let text = format(atoms);
    atomic::write(path, |file| file.write_all(text.as_bytes()).map_err(file_error("writing", path)))
}

/// What one column of the file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Species,
    Position,
    Property(Property),
    StandardError,
    Other,
}

/// A field with its number of columns.
type Layout = Vec<(Field, usize)>;

/// Optional columns while they fill.
#[derive(Default)]
struct Columns {
    positions: Vec<Vec3>,
    species: Vec<u8>,
    /// In the order of [`Property::ALL`].
    properties: [Vec<f64>; Property::ALL.len()],
    standard_errors: Vec<Vec3>,
}

fn format_error(path: &Path, why: String) -> Error {
    Error::Format { path: path.to_path_buf(), format: FORMAT, why }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Atoms> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let first = lines.next().map_or("", |(_, line)| line.trim());
    let count: usize =
        first.parse().map_err(|_| format_error(path, format!("line 1: `{}` is no number of atoms", excerpt(first))))?;
    let comment = lines.next().map_or("", |(_, line)| line);
    let of_comment = |why: String| format_error(path, format!("line 2: {why}"));
    let layout = layout_of(comment).map_err(of_comment)?;
    let cell = cell_of(comment).map_err(of_comment)?;
    let mut columns = Columns::default();
    for (i, line) in lines.by_ref().take(count) {
        columns.push(line, &layout).map_err(|why| format_error(path, format!("line {}: {why}", i + 1)))?;
    }
    let found = columns.positions.len();
    if found < count {
        return Err(format_error(path, format!("it ends after {found} atoms, line 1 says {count}")));
    }
    if let Some((i, line)) = lines.find(|(_, line)| !line.trim().is_empty()) {
        let why = format!("line {}: `{}` follows the last of {count} atoms", i + 1, excerpt(line));
        return Err(format_error(path, why));
    }
    let atoms = columns.into_atoms()?;
    match cell {
        Some(cell) => atoms.with_cell(cell),
        None => Ok(atoms),
    }
}

/// The comment's orthogonal `Lattice`, where it has one.
fn cell_of(comment: &str) -> Fault<Option<Vec3>> {
    let Some(value) = value_of(comment, "Lattice") else { return Ok(None) };
    let numbers = value.split_whitespace().map(number).collect::<Fault<Vec<f64>>>()?;
    let &[ax, ay, az, bx, by, bz, cx, cy, cz] = numbers.as_slice() else {
        return Err(format!("Lattice has {} numbers, wanted the 9 of three vectors", numbers.len()));
    };
    Lattice([[ax, ay, az], [bx, by, bz], [cx, cy, cz]]).orthogonal().map(Some)
}

/// The layout of the comment's `Properties`, else species and position.
fn layout_of(comment: &str) -> Fault<Layout> {
    let Some(properties) = value_of(comment, "Properties") else {
        return Ok(vec![(Field::Species, 1), (Field::Position, 3)]);
    };
    let parts: Vec<&str> = properties.split(':').collect();
    if !parts.len().is_multiple_of(3) {
        return Err(format!("Properties has {} parts, wanted name:type:columns in turn", parts.len()));
    }
    let mut layout = Layout::new();
    for part in parts.chunks_exact(3) {
        let (name, columns) = (part[0], part[2]);
        let columns: usize = columns
            .parse()
            .ok()
            .filter(|n| (1..=1000).contains(n))
            .ok_or_else(|| format!("property `{name}` has `{columns}` columns, wanted a number 1 to 1000"))?;
        let (field, wanted) = match name {
            "species" | "element" | "Z" | "atomic_number" | "atomic_numbers" | "numbers" => (Field::Species, 1),
            "pos" | "positions" => (Field::Position, 3),
            "standard_error" => (Field::StandardError, 3),
            _ => Property::from_name(name).map_or((Field::Other, columns), |p| (Field::Property(p), 1)),
        };
        if columns != wanted {
            return Err(format!("property `{name}` has {columns} columns, wanted {wanted}"));
        }
        // a list with symbols and numbers names its species twice: the first counts
        let twice = field != Field::Other && layout.iter().any(|(f, _)| *f == field);
        layout.push((if twice { Field::Other } else { field }, columns));
    }
    if !layout.iter().any(|(f, _)| *f == Field::Position) {
        return Err("Properties names no `pos`".into());
    }
    Ok(layout)
}

/// Value of `key=value` or `key="value"` in a comment line.
fn value_of<'a>(comment: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = comment.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            rest = after.trim_start();
            continue;
        };
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        if name.eq_ignore_ascii_case(key) {
            return Some(value);
        }
        rest = after.trim_start();
    }
    None
}

impl Columns {
    /// Takes in the line of one atom.
    fn push(&mut self, line: &str, layout: &Layout) -> Fault<()> {
        let wanted: usize = layout.iter().map(|(_, n)| n).sum();
        let mut words = line.split_whitespace();
        let mut next = || words.next().ok_or_else(|| format!("`{}` has fewer than {wanted} columns", excerpt(line)));
        for (field, columns) in layout {
            match field {
                Field::Species => self.species.push(species(next()?)?),
                Field::Position => self.positions.push(vector(&mut next)?),
                Field::Property(property) => self.properties[*property as usize].push(number(next()?)?),
                Field::StandardError => self.standard_errors.push(vector(&mut next)?),
                Field::Other => (0..*columns).try_for_each(|_| next().map(drop))?,
            }
        }
        Ok(())
    }

    fn into_atoms(self) -> Result<Atoms> {
        let mut atoms = Atoms::new(self.positions)?;
        if !self.species.is_empty() {
            atoms = atoms.with_species(self.species)?;
        }
        for (property, values) in Property::ALL.into_iter().zip(self.properties) {
            if !values.is_empty() {
                atoms = atoms.with_property(property, values)?;
            }
        }
        if !self.standard_errors.is_empty() {
            atoms = atoms.with_standard_errors(self.standard_errors)?;
        }
        Ok(atoms)
    }
}

/// Atomic number of a symbol or of a number.
fn species(word: &str) -> Fault<u8> {
    let number = || word.parse().ok().filter(|z| *z <= elements::MAX_ATOMIC_NUMBER);
    elements::atomic_number(word).or_else(number).ok_or_else(|| format!("`{}` is no element", excerpt(word)))
}

fn vector<'a>(next: &mut impl FnMut() -> Fault<&'a str>) -> Fault<Vec3> {
    Ok([number(next()?)?, number(next()?)?, number(next()?)?])
}

fn format(atoms: &Atoms) -> String {
    let known = Property::ALL.into_iter().filter_map(|property| Some((property, atoms.property(property)?)));
    let known: Vec<(Property, &[f64])> = known.collect();
    let mut text = format!("{}\n", atoms.len());
    let periodic = match atoms.cell() {
        Some([x, y, z]) => {
            // `{:?}` has the digits that give the same bits again
            text.push_str(&format!("Lattice=\"{x:?} 0.0 0.0 0.0 {y:?} 0.0 0.0 0.0 {z:?}\" "));
            "T T T"
        }
        None => "F F F",
    };
    text.push_str("Properties=species:S:1:pos:R:3");
    for (property, _) in &known {
        text.push_str(&format!(":{}:R:1", property.name()));
    }
    if atoms.standard_errors().is_some() {
        text.push_str(":standard_error:R:3");
    }
    text.push_str(&format!(" pbc=\"{periodic}\"\n"));
    for (i, position) in atoms.positions().iter().enumerate() {
        text.push_str(elements::symbol(atoms.species()[i]).unwrap_or("X"));
        let columns = known.iter().map(|(_, values)| values[i]);
        let errors = atoms.standard_errors().map(|e| e[i]).into_iter().flatten();
        for value in position.iter().copied().chain(columns).chain(errors) {
            push_number(&mut text, value);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Atoms> {
        super::parse(Path::new("a.xyz"), text)
    }

    fn full() -> Atoms {
        Atoms::new(vec![[0.1, -1.0 / 3.0, 1e-17], [12345678.0 / 7.0, -0.0, 5e300], [1.5, 2.5, -3.25]])
            .and_then(|a| a.with_species(vec![14, 0, 79]))
            .and_then(|a| a.with_heights(vec![1.0 / 7.0, -2.0, 3e-8]))
            .and_then(|a| a.with_widths(vec![0.5, f64::MIN_POSITIVE, 2.0]))
            .and_then(|a| a.with_occupancies(vec![0.0, 0.25, 1.0]))
            .and_then(|a| a.with_probabilities(vec![0.9, 0.1, 1.0]))
            .and_then(|a| a.with_debye_waller(vec![0.0, 1.0 / 3.0, 1e-9]))
            .and_then(|a| a.with_standard_errors(vec![[0.01; 3], [0.02; 3], [0.03; 3]]))
            .and_then(|a| a.with_cell([1.0 / 3.0, 1e-7, 2e10]))
            .unwrap()
    }

    #[test]
    fn all_columns_come_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("größe 1.xyz");
        for atoms in [full(), Atoms::new(vec![[1.0, 2.0, 3.0]]).unwrap()] {
            write(&atoms, &path).unwrap();
            let again = read(&path).unwrap();
            assert_eq!(again, atoms);
            for (p, q) in again.positions().iter().flatten().zip(atoms.positions().iter().flatten()) {
                assert_eq!(p.to_bits(), q.to_bits());
            }
        }
        let unknown = full().with_probabilities(vec![f64::NAN; 3]).unwrap();
        write(&unknown, &path).unwrap();
        assert!(read(&path).unwrap().probabilities().unwrap()[1].is_nan());
    }

    #[test]
    fn plain_and_foreign_files() {
        let plain = parse("2\r\nanything = here\r\nSi 1 2 3\r\nAu  4.5 5e0 -6 extra\r\n\r\n").unwrap();
        assert_eq!((plain.species(), plain.positions()[1]), (&[14, 79][..], [4.5, 5.0, -6.0]));
        let foreign =
            "1\nLattice=\"1 0 0 0 1 0 0 0 1\" Properties=id:I:1:species:S:1:force:R:3:pos:R:3 note\n7 Ta 9 9 9 1 2 3\n";
        let atoms = parse(foreign).unwrap();
        assert_eq!((atoms.species()[0], atoms.positions()[0]), (73, [1.0, 2.0, 3.0]));
        assert_eq!(atoms.cell(), Some([1.0; 3]));
        assert_eq!(parse("1\nproperties=\"Z:I:1:pos:R:3\"\n29 0 0 1\n").unwrap().species(), [29]);
        assert_eq!(parse("1\nProperties=pos:R:3\n0 0 1\n").unwrap().species(), [0]);
    }

    #[test]
    fn malformed_lines_are_numbered() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("").contains("line 1"));
        assert!(message("many\n\n").contains("line 1: `many`"));
        assert!(message("2\n\nSi 0 0 0\nSi 0 zero 0\n").contains("line 4: `zero` is no number"));
        assert!(message("1\n\nSi 0 0\n").contains("line 3: `Si 0 0` has fewer than 4 columns"));
        assert!(message("1\n\nQq 0 0 0\n").contains("line 3: `Qq` is no element"));
        assert!(message("3\n\nSi 0 0 0\n").contains("ends after 1 atoms, line 1 says 3"));
        assert!(message("1\n\nSi 0 0 0\nSi 1 1 1\n").contains("line 4: `Si 1 1 1` follows"));
        assert!(message("1\nProperties=species:S:1:pos:R\nSi 0 0 0\n").contains("line 2"));
        assert!(message("1\nProperties=species:S:1:pos:R:2\nSi 0 0 0\n").contains("line 2"));
        assert!(message("1\nProperties=species:S:1\nSi\n").contains("names no `pos`"));
        assert!(message("1\nProperties=x:S:99999999999:pos:R:3\nSi\n").contains("line 2"));
        let message = |lattice: &str| message(&format!("1\nLattice=\"{lattice}\"\nSi 0 0 0\n"));
        assert!(message("1 0 0 0 1 0 0 1").contains("line 2: Lattice has 8 numbers"));
        assert!(message("1 0 0 0 1 0 0 0 c").contains("line 2: `c` is no number"));
        assert!(message("3 0 0 -1.5 2.6 0 0 0 5").contains("line 2: the cell is not orthogonal"));
        assert!(message("3 0 0 0 2.6 0 0 0 -5").contains("line 2: the cell is not orthogonal"));
    }

    #[test]
    fn numbers_of_atoms_and_values_are_checked() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("18446744073709551615\n\nSi 0 0 0\n").contains("ends after 1"));
        assert_eq!(parse("1\n\nSi 0 NaN 0\n").unwrap_err().code(), 300);
        assert_eq!(parse("0\n\n").unwrap_err().code(), 301);
        assert_eq!(read(Path::new("no such file")).unwrap_err().code(), 400);
    }
}
