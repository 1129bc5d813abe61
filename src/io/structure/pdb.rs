//! Files of the protein data bank: records of fixed columns (format 3.30). `CRYST1` gives the cell, `ATOM` and `HETATM`
//! positions, occupancy and Debye-Waller factor B (there called the temperature factor).

use std::fmt::Write as _;
use std::path::Path;

use super::lattice::Lattice;
use super::text::{element, excerpt, number, Fault, Text};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::specimen::{elements, Atoms};

const FORMAT: &str = "PDB file";

/// Reads the atoms that the first model of a file lists; symmetry is not applied. The cell is taken where the space
/// group is P 1 or not named, since the listed atoms do not fill that of another group; 1 x 1 x 1 angstrom stands for
/// no cell. Occupancies and Debye-Waller factors are taken where every atom has them.
///
/// # Errors
/// `File`, `Format` with the line that is malformed; the errors of [`Atoms`].
pub fn read(path: &Path) -> Result<Atoms> {
    parse(&Text::read(path, FORMAT)?)
}

pub(super) fn parse(text: &Text) -> Result<Atoms> {
    let mut cell = None;
    let (mut positions, mut species) = (Vec::new(), Vec::new());
    let (mut occupancies, mut factors) = (Vec::new(), Vec::new());
    for (i, line) in text.lines() {
        match field(line, 1, 6).unwrap_or(line).trim_end() {
            "CRYST1" => cell = cell_of(line).map_err(text.at(i))?,
            "ATOM" | "HETATM" => {
                positions.push(position_of(line).map_err(text.at(i))?);
                species.push(species_of(line).map_err(text.at(i))?);
                occupancies.push(optional(line, 55, 60).map_err(text.at(i))?);
                factors.push(optional(line, 61, 66).map_err(text.at(i))?);
            }
            "ENDMDL" | "END" => break,
            _ => {}
        }
    }
    if positions.is_empty() {
        return Err(text.error("no line begins with ATOM or HETATM"));
    }
    let mut atoms = Atoms::new(positions)?.with_species(species)?;
    if let Some(occupancies) = occupancies.into_iter().collect() {
        atoms = atoms.with_occupancies(occupancies)?;
    }
    if let Some(factors) = factors.into_iter().collect() {
        atoms = atoms.with_debye_waller(factors)?;
    }
    match cell {
        Some(cell) => atoms.with_cell(cell),
        None => Ok(atoms),
    }
}

/// Columns `from` to `to`, counted from 1; `None` where the line ends before, or within a character of several bytes.
fn field(line: &str, from: usize, to: usize) -> Option<&str> {
    line.get(from - 1..to.min(line.len()))
}

fn optional(line: &str, from: usize, to: usize) -> Fault<Option<f64>> {
    match field(line, from, to).map(str::trim) {
        None | Some("") => Ok(None),
        Some(word) => number(word).map(Some),
    }
}

fn required(line: &str, from: usize, to: usize, what: &str) -> Fault<f64> {
    let missing = || format!("`{}` has no {what} in columns {from} to {to}", excerpt(line));
    optional(line, from, to)?.ok_or_else(missing)
}

fn position_of(line: &str) -> Fault<Vec3> {
    Ok([required(line, 31, 38, "x")?, required(line, 39, 46, "y")?, required(line, 47, 54, "z")?])
}

/// The element of columns 77 and 78, else that of the name: its symbol ends in column 14.
fn species_of(line: &str) -> Fault<u8> {
    let symbol = field(line, 77, 78).map(str::trim).filter(|symbol| !symbol.is_empty());
    let name = || field(line, 13, 14).map(|name| name.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
    let Some(word) = symbol.or_else(name) else { return Err(format!("`{}` names no element", excerpt(line))) };
    element(word)
}

fn cell_of(line: &str) -> Fault<Option<Vec3>> {
    let lengths: Vec3 = [required(line, 7, 15, "a")?, required(line, 16, 24, "b")?, required(line, 25, 33, "c")?];
    let group = field(line, 56, 66).map_or("", str::trim);
    if lengths == [1.0; 3] || !matches!(group, "" | "P 1" | "P1") {
        return Ok(None);
    }
    let angles = [required(line, 34, 40, "alpha")?, required(line, 41, 47, "beta")?, required(line, 48, 54, "gamma")?];
    Lattice::from_parameters(lengths, angles)?.orthogonal().map(Some)
}

/// The text of a PDB file. Positions are rounded to 0.001, B and occupancy to 0.01: the columns hold no more.
pub(super) fn format(atoms: &Atoms) -> Result<String> {
    let mut text = String::new();
    // writing to a String cannot fail
    if let Some([x, y, z]) = atoms.cell() {
        for edge in [x, y, z] {
            fits("edge of the cell", edge, 9, 3)?;
        }
        let _ = writeln!(text, "CRYST1{x:9.3}{y:9.3}{z:9.3}  90.00  90.00  90.00 P 1           1");
    }
    for (i, (p, z)) in atoms.positions().iter().zip(atoms.species()).enumerate() {
        for value in p {
            fits(&format!("coordinate of atom {i}"), *value, 8, 3)?;
        }
        let symbol = elements::symbol(*z).unwrap_or("X").to_uppercase();
        // serial numbers have five columns: they start again, as other programs do it
        let _ = write!(text, "HETATM{:5} {symbol:>2}   UNK A   1    ", (i + 1) % 100_000);
        let _ = write!(text, "{:8.3}{:8.3}{:8.3}", p[0], p[1], p[2]);
        let _ = write!(text, "{:6.2}", atoms.occupancies().map_or(1.0, |occupancies| occupancies[i]));
        match atoms.debye_waller_b() {
            Some(factors) => {
                fits(&format!("debye_waller_b of atom {i}"), factors[i], 6, 2)?;
                let _ = write!(text, "{:6.2}", factors[i]);
            }
            None => text.push_str("      "),
        }
        let _ = writeln!(text, "          {symbol:>2}");
    }
    text.push_str("END\n");
    Ok(text)
}

fn fits(what: &str, value: f64, columns: usize, digits: usize) -> Result<()> {
    if format!("{value:.digits$}").len() <= columns {
        return Ok(());
    }
    Err(Error::range(
        what,
        value,
        format!("a number of {columns} columns with {digits} digits behind the point, for PDB"),
    ))
}
