//! POSCAR and CONTCAR files of VASP 5: comment, scale, three vectors, elements, numbers, `Direct` or `Cartesian`,
//! atoms. What follows the atoms (flags of selective dynamics, velocities) is passed over.

use std::path::Path;

use super::lattice::Lattice;
use super::species_in_order;
use super::text::{excerpt, number, push_number, three_numbers, Fault, Text};
use crate::error::Result;
use crate::geometry::{determinant, Vec3};
use crate::specimen::{elements, Atoms};

const FORMAT: &str = "POSCAR file of VASP 5";

/// Reads a POSCAR or CONTCAR file with an orthogonal cell. Atoms keep their places, in the cell or not.
///
/// # Errors
/// `File`, `Format` with the line that is malformed; the errors of [`Atoms`].
pub fn read(path: &Path) -> Result<Atoms> {
    parse(&Text::read(path, FORMAT)?)
}

pub(super) fn parse(text: &Text) -> Result<Atoms> {
    let mut lines = text.lines();
    let mut next = |what: &str| lines.next().ok_or_else(|| text.error(format!("it ends before {what}")));
    next("the comment of line 1")?;
    let (scale_line, scale) = next("the scale of line 2")?;
    let mut vectors = [[0.0; 3]; 3];
    for vector in &mut vectors {
        let (i, line) = next("the three vectors of the cell")?;
        *vector = three_numbers(line).map_err(text.at(i))?;
    }
    let scale = scale_of(scale, &vectors).map_err(text.at(scale_line))?;
    let vectors = vectors.map(|v| -> Vec3 { std::array::from_fn(|i| scale[i] * v[i]) });
    let cell = Lattice(vectors).orthogonal().map_err(text.at(3))?;
    let (i, symbols) = next("the elements of line 6")?;
    let symbols = species_of(symbols).map_err(text.at(i))?;
    let (i, counts) = next("the numbers of atoms of line 7")?;
    let species = species_list(&symbols, counts).map_err(text.at(i))?;
    let (mut i, mut mode) = next("`Direct` or `Cartesian`")?;
    if mode.trim_start().starts_with(['S', 's']) {
        (i, mode) = next("`Direct` or `Cartesian`")?;
    }
    let factor = match mode.trim_start().chars().next() {
        Some('C' | 'c' | 'K' | 'k') => scale,
        Some('D' | 'd') => cell,
        _ => return Err(text.error_at(i, format!("`{}`, wanted Direct or Cartesian", excerpt(mode)))),
    };
    let (total, mut positions, mut numbers) = (species.iter().map(|(_, n)| n).sum::<usize>(), Vec::new(), Vec::new());
    for (z, count) in species {
        for _ in 0..count {
            let wanted = format!("atom {} of {total}", positions.len() + 1);
            let (i, line) = next(&wanted)?;
            let p = three_numbers(line).map_err(text.at(i))?;
            positions.push(std::array::from_fn(|axis| factor[axis] * p[axis]));
            numbers.push(z);
        }
    }
    Atoms::new(positions)?.with_species(numbers)?.with_cell(cell)
}

/// Factors along x, y and z: one number for all, three, or minus the volume of the cell.
fn scale_of(line: &str, vectors: &[Vec3; 3]) -> Fault<Vec3> {
    // words that are no numbers are a comment
    let numbers: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let scale = match numbers.as_slice() {
        [x, y, z, ..] => [*x, *y, *z],
        [volume, ..] if *volume < 0.0 => [(-volume / determinant(vectors).abs()).cbrt(); 3],
        [scale, ..] => [*scale; 3],
        [] => return Err(format!("`{}` is no scale of the cell", excerpt(line))),
    };
    match scale.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        Some(s) => Err(format!("the scale of the cell is {s}, wanted a positive number")),
        None => Ok(scale),
    }
}

/// Elements of line 6; potentials of VASP may carry a suffix, as in `Ga_d`.
fn species_of(line: &str) -> Fault<Vec<u8>> {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with(['!', '#'])).collect();
    match words.first() {
        None => Err("it is empty, wanted the symbols of the elements".into()),
        Some(word) if number(word).is_ok() => {
            Err(format!("`{}`, wanted the symbols of the elements: the file is older than VASP 5", excerpt(line)))
        }
        Some(_) => words
            .iter()
            .map(|word| {
                let symbol = word.split(['_', '/']).next().unwrap_or(word);
                elements::atomic_number(symbol).ok_or_else(|| format!("`{}` is no element", excerpt(word)))
            })
            .collect(),
    }
}

fn species_list(symbols: &[u8], line: &str) -> Fault<Vec<(u8, usize)>> {
    let counts: Vec<usize> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    if counts.len() != symbols.len() {
        let wanted = symbols.len();
        return Err(format!("`{}` has {} numbers of atoms, wanted {wanted}", excerpt(line), counts.len()));
    }
    if counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n)).is_none() {
        return Err(format!("`{}` are too many atoms", excerpt(line)));
    }
    Ok(symbols.iter().copied().zip(counts).collect())
}

/// The text of a POSCAR file: Cartesian, atoms of one element together, in the order in which elements first appear.
pub(super) fn format(atoms: &Atoms) -> Result<String> {
    let [x, y, z] = atoms.require_cell()?;
    let species = species_in_order(atoms);
    let count = |z: &u8| atoms.species().iter().filter(|s| *s == z).count().to_string();
    let symbols: Vec<&str> = species.iter().map(|z| elements::symbol(*z).unwrap_or("X")).collect();
    let counts: Vec<String> = species.iter().map(count).collect();
    let mut text = format!(
        "{}\n1.0\n{x:?} 0.0 0.0\n0.0 {y:?} 0.0\n0.0 0.0 {z:?}\n{}\n{}\nCartesian\n",
        symbols.join(" "),
        symbols.join(" "),
        counts.join(" ")
    );
    for z in species {
        for (position, _) in atoms.positions().iter().zip(atoms.species()).filter(|(_, s)| **s == z) {
            position.iter().for_each(|value| push_number(&mut text, *value));
            text.push('\n');
        }
    }
    Ok(text)
}
