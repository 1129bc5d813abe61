//! Data files of LAMMPS in units of angstrom (metal, real): a header of `number keyword` lines, then sections.
//!
//! Elements come from the labels of `Masses` (`1 28.085 # Si`) or `Atom Type Labels`, else from the nearest standard
//! atomic mass; types without either are unknown. Image flags and velocities are passed over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::lattice::Lattice;
use super::species_in_order;
use super::text::{excerpt, number, push_number, Fault, Text};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::specimen::{elements, Atoms};

const FORMAT: &str = "LAMMPS data file";
/// Masses this near to a standard one (u) are that element: half of the distance between cobalt and nickel is less.
const MASS_TOLERANCE: f64 = 0.3;

/// Reads the atoms, in the order of their numbers, and shifts the corner of the box to the origin of the cell.
///
/// # Errors
/// `File`, `Format` with the line that is malformed; the errors of [`Atoms`].
pub fn read(path: &Path) -> Result<Atoms> {
    parse(&Text::read(path, FORMAT)?)
}

/// What the file has said so far.
#[derive(Default)]
struct Contents {
    count: Option<usize>,
    /// Line that gives them, and lower and upper limit, along x, y and z.
    limits: [Option<(usize, [f64; 2])>; 3],
    labels: BTreeMap<String, i64>,
    elements: BTreeMap<i64, u8>,
    style: Option<Style>,
    /// Number, type and position.
    atoms: Vec<(i64, i64, Vec3)>,
}

/// Where a line of atoms has its type and its position: words counted from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Style {
    kind: usize,
    position: usize,
}

pub(super) fn parse(text: &Text) -> Result<Atoms> {
    let mut contents = Contents::default();
    let mut section = String::new();
    // the first line is a title
    for (i, line) in text.lines().skip(1) {
        let (words, comment) = line.split_once('#').unwrap_or((line, ""));
        let (words, comment) = (words.trim(), comment.trim());
        if words.is_empty() {
            continue;
        }
        let fault = if words.starts_with(|c: char| c.is_ascii_alphabetic()) {
            section = words.to_owned();
            if section == "Atoms" {
                contents.set_style(comment)
            } else {
                Ok(())
            }
        } else {
            contents.push(&section, i, words, comment)
        };
        fault.map_err(text.at(i))?;
    }
    contents.finish(text)
}

impl Contents {
    fn set_style(&mut self, comment: &str) -> Fault<()> {
        self.style = match comment {
            "" => None,
            "atomic" => Some(Style { kind: 1, position: 2 }),
            "charge" => Some(Style { kind: 1, position: 3 }),
            "bond" | "angle" | "molecular" => Some(Style { kind: 2, position: 3 }),
            "full" => Some(Style { kind: 2, position: 4 }),
            other => {
                return Err(format!(
                    "atom style `{}`, wanted atomic, charge, bond, angle, molecular or full",
                    excerpt(other)
                ))
            }
        };
        Ok(())
    }

    /// Takes in one line without its comment.
    fn push(&mut self, section: &str, i: usize, line: &str, comment: &str) -> Fault<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match section {
            "" => self.header(i, &words),
            "Masses" => {
                let &[kind, mass] = words.as_slice() else {
                    return Err(format!("`{}`, wanted a type of atom and its mass", excerpt(line)));
                };
                let (kind, mass) = (self.kind(kind)?, number(mass)?);
                let label = comment.split_whitespace().next().and_then(elements::atomic_number);
                // a label of `Atom Type Labels` says more than a mass
                if let Some(z) = label.or_else(|| self.elements.get(&kind).copied()).or_else(|| nearest_element(mass)) {
                    self.elements.insert(kind, z);
                }
                Ok(())
            }
            "Atom Type Labels" => {
                let &[kind, label] = words.as_slice() else {
                    return Err(format!("`{}`, wanted a type of atom and its label", excerpt(line)));
                };
                let kind = self.kind(kind)?;
                self.labels.insert(label.to_owned(), kind);
                if let Some(z) = elements::atomic_number(label) {
                    self.elements.insert(kind, z);
                }
                Ok(())
            }
            "Atoms" => self.atom(line, &words),
            _ => Ok(()),
        }
    }

    fn header(&mut self, i: usize, words: &[&str]) -> Fault<()> {
        match words {
            [count, "atoms"] => {
                self.count = Some(count.parse().map_err(|_| format!("`{}` is no number of atoms", excerpt(count)))?);
                Ok(())
            }
            [low, high, "xlo", "xhi"] => self.limit(0, i, low, high),
            [low, high, "ylo", "yhi"] => self.limit(1, i, low, high),
            [low, high, "zlo", "zhi"] => self.limit(2, i, low, high),
            [tilts @ .., "xy", "xz", "yz"] => match tilts.iter().find(|tilt| number(tilt) != Ok(0.0)) {
                Some(tilt) => Err(format!("the cell is not orthogonal: a tilt is `{}`, wanted 0", excerpt(tilt))),
                None => Ok(()),
            },
            [.., "avec" | "bvec" | "cvec"] => {
                Err("the cell is given by three vectors, wanted xlo xhi, ylo yhi, zlo zhi".into())
            }
            _ => Ok(()),
        }
    }

    fn limit(&mut self, axis: usize, i: usize, low: &str, high: &str) -> Fault<()> {
        let limits = [number(low)?, number(high)?];
        self.limits[axis] = Some((i, limits));
        Ok(())
    }

    fn kind(&self, word: &str) -> Fault<i64> {
        let label = || self.labels.get(word).copied();
        word.parse().ok().or_else(label).ok_or_else(|| format!("`{}` is no type of atom", excerpt(word)))
    }

    fn atom(&mut self, line: &str, words: &[&str]) -> Fault<()> {
        // three image flags may follow
        let style = self.style.or(match words.len() {
            5 | 8 => Some(Style { kind: 1, position: 2 }),
            6 | 9 => Some(Style { kind: 1, position: 3 }),
            7 | 10 => Some(Style { kind: 2, position: 4 }),
            _ => None,
        });
        let unclear =
            || format!("`{}` has {} columns, wanted those of style atomic, charge or full", excerpt(line), words.len());
        let style = style.ok_or_else(unclear)?;
        let word = |n: usize| words.get(n).copied().ok_or_else(|| format!("`{}` has too few columns", excerpt(line)));
        let id = word(0)?.parse().map_err(|_| format!("`{}` is no number of an atom", excerpt(line)))?;
        let at = |axis: usize| number(word(style.position + axis)?);
        self.atoms.push((id, self.kind(word(style.kind)?)?, [at(0)?, at(1)?, at(2)?]));
        Ok(())
    }

    fn finish(mut self, text: &Text) -> Result<Atoms> {
        let count = self.count.ok_or_else(|| text.error("no line of the header says `N atoms`"))?;
        if self.atoms.len() != count {
            return Err(text.error(format!("section Atoms has {} lines, the header says {count}", self.atoms.len())));
        }
        self.atoms.sort_by_key(|(id, ..)| *id);
        if let Some(pair) = self.atoms.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(text.error(format!("two atoms have the number {}", pair[0].0)));
        }
        let (mut low, mut vectors) = ([0.0; 3], [[0.0; 3]; 3]);
        for (axis, name) in ["x", "y", "z"].iter().enumerate() {
            let missing = || text.error(format!("no line of the header says `{name}lo {name}hi`"));
            let (i, [from, to]) = self.limits[axis].ok_or_else(missing)?;
            if !(from.is_finite() && to.is_finite() && to > from) {
                return Err(text.error_at(i, format!("the box reaches from {from} to {to}, wanted a positive length")));
            }
            low[axis] = from;
            vectors[axis][axis] = to - from;
        }
        let cell = Lattice(vectors).orthogonal().map_err(|why| text.error(why))?;
        let position = |p: &Vec3| std::array::from_fn(|i| p[i] - low[i]);
        let species = self.atoms.iter().map(|(_, kind, _)| self.elements.get(kind).copied().unwrap_or(0)).collect();
        let positions = self.atoms.iter().map(|(_, _, p)| position(p)).collect();
        Atoms::new(positions)?.with_species(species)?.with_cell(cell)
    }
}

/// The element whose standard mass (u) is nearest, where it is near.
fn nearest_element(mass: f64) -> Option<u8> {
    let distance = |z: &u8| elements::mass(*z).map_or(f64::INFINITY, |m| (m - mass).abs());
    let nearest = (1..=elements::MAX_ATOMIC_NUMBER).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(&nearest) <= MASS_TOLERANCE).then_some(nearest)
}

/// The text of a data file of style atomic, types in the order in which elements first appear.
pub(super) fn format(atoms: &Atoms) -> Result<String> {
    let cell = atoms.require_cell()?;
    let species = species_in_order(atoms);
    if let Some(i) = atoms.species().iter().position(|z| *z == 0) {
        return Err(Error::Inconsistent {
            what: "species for a LAMMPS data file".into(),
            why: format!("that of atom {i} is unknown (0), so it has no mass"),
        });
    }
    let mut text = format!("LAMMPS data\n\n{} atoms\n{} atom types\n\n", atoms.len(), species.len());
    // writing to a String cannot fail
    for (edge, name) in cell.iter().zip(["x", "y", "z"]) {
        let _ = writeln!(text, "0.0 {edge:?} {name}lo {name}hi");
    }
    text.push_str("\nMasses\n\n");
    for (kind, z) in species.iter().enumerate() {
        let (mass, symbol) = (elements::mass(*z).unwrap_or(1.0), elements::symbol(*z).unwrap_or("X"));
        let _ = writeln!(text, "{} {mass} # {symbol}", kind + 1);
    }
    text.push_str("\nAtoms # atomic\n\n");
    for (i, (position, z)) in atoms.positions().iter().zip(atoms.species()).enumerate() {
        let kind = species.iter().position(|s| s == z).map_or(0, |kind| kind + 1);
        let _ = write!(text, "{} {kind}", i + 1);
        position.iter().for_each(|value| push_number(&mut text, *value));
        text.push('\n');
    }
    Ok(text)
}
