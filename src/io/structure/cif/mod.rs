//! Crystallographic information files (CIF 1.1, and mmCIF as far as it says the same): cell, symmetry operations and
//! atom sites of the first data block that has sites.
//!
//! A reader of its own: the crates at hand either leave out symmetry, or are made for proteins.

mod symmetry;
mod tokens;

use std::fmt::Write as _;
use std::path::Path;

use super::lattice::Lattice;
use super::text::{element, number, Text};
use crate::error::Result;
use crate::geometry::Vec3;
use crate::specimen::{debye_waller, elements, Atoms};
use symmetry::Operation;
use tokens::{blocks, Block, Value};

const FORMAT: &str = "CIF file";
/// Images of a site nearer than this (angstrom) are one atom on a special position: coordinates have few digits.
const SAME_ATOM: f64 = 0.05;
/// The largest groups have 192 operations in their usual settings.
const MAX_OPERATIONS: usize = 192;
/// Sites times operations: no crystal's unit cell has as many, and comparing them would take minutes.
const MAX_IMAGES: usize = 20_000_000;

/// Reads all atoms of an orthogonal cell: the images of each site under the symmetry operations that the file lists,
/// those of one site together. Occupancies, and B or U (one per site), are taken where the file has them for every
/// site.
///
/// # Errors
/// `File`; `Format` with the line that is malformed, for a cell that is not orthogonal, and for a space group that is
/// named without its operations; the errors of [`Atoms`].
pub fn read(path: &Path) -> Result<Atoms> {
    parse(&Text::read(path, FORMAT)?)
}

pub(super) fn parse(text: &Text) -> Result<Atoms> {
    let blocks = blocks(text.as_str()).map_err(|(line, why)| text.error_at(line, why))?;
    let has_sites = |block: &&Block| block.column(&FRACT[0]).or(block.column(&CARTN[0])).is_some();
    let Some(block) = blocks.iter().find(has_sites) else {
        return Err(text.error(format!("none of its {} data blocks has _atom_site_fract_x", blocks.len())));
    };
    let operations = operations(text, block)?;
    let cell = cell(text, block)?;
    let sites = Sites::read(text, block, cell)?;
    if cell.is_none() && operations.as_slice() != [Operation::IDENTITY] {
        return Err(text.error("it lists symmetry operations but no cell"));
    }
    let (count, images) = (sites.fractions.len(), sites.fractions.len().saturating_mul(operations.len()));
    if images > MAX_IMAGES {
        let wanted = format!("at most {MAX_IMAGES} images of sites");
        return Err(text.error(format!("{count} sites under {} operations, wanted {wanted}", operations.len())));
    }
    let mut indices = Vec::new();
    let mut positions = Vec::new();
    for (site, f) in sites.fractions.iter().enumerate() {
        let before = positions.len();
        if operations.as_slice() == [Operation::IDENTITY] {
            // a file that lists all atoms says where it wants them
            positions.push(*f);
        } else {
            for image in operations.iter().map(|operation| operation.image(f)) {
                if !positions[before..].iter().any(|other| distance(&image, other, &sites.scale) < SAME_ATOM) {
                    positions.push(image);
                }
            }
        }
        indices.resize(positions.len(), site);
    }
    let positions = positions.iter().map(|f| std::array::from_fn(|i| f[i] * sites.scale[i])).collect();
    let atoms = sites.into_atoms(&indices, positions)?;
    match cell {
        Some(cell) => atoms.with_cell(cell),
        None => Ok(atoms),
    }
}

const FRACT: [[&str; 1]; 3] = [["_atom_site_fract_x"], ["_atom_site_fract_y"], ["_atom_site_fract_z"]];
const CARTN: [[&str; 1]; 3] = [["_atom_site_cartn_x"], ["_atom_site_cartn_y"], ["_atom_site_cartn_z"]];

/// Distance of two points of the cell, across its faces where that is nearer, angstrom.
fn distance(a: &Vec3, b: &Vec3, cell: &Vec3) -> f64 {
    let along = |i: usize| {
        let gap = a[i] - b[i];
        (gap - gap.round()) * cell[i]
    };
    along(0).hypot(along(1)).hypot(along(2))
}

/// A number that may carry its standard uncertainty, `3.1416(5)`.
fn measured(text: &Text, value: &Value) -> Result<Option<f64>> {
    let Some(word) = value.known() else { return Ok(None) };
    let digits = word.split_once('(').map_or(word, |(digits, _)| digits);
    number(digits).map(Some).map_err(text.at(value.line))
}

fn cell(text: &Text, block: &Block) -> Result<Option<Vec3>> {
    let tags = ["length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"];
    let mut values = [0.0; 6];
    let mut line = 0;
    for (value, tag) in values.iter_mut().zip(tags) {
        let tag = format!("_cell_{tag}");
        let Some(item) = block.item(&[&tag]) else {
            // Cartesian sites need no cell, and right angles may go unsaid
            match (tag.contains("angle"), block.column(&FRACT[0])) {
                (true, _) => *value = 90.0,
                (false, None) => return Ok(None),
                (false, Some(_)) => return Err(text.error(format!("it has no {tag}"))),
            }
            continue;
        };
        line = item.line;
        *value = measured(text, item)?.unwrap_or(f64::NAN);
    }
    let [a, b, c, alpha, beta, gamma] = values;
    if [a, b, c] == [1.0; 3] && block.column(&FRACT[0]).is_none() {
        return Ok(None); // what mmCIF writes for a particle
    }
    let lattice = Lattice::from_parameters([a, b, c], [alpha, beta, gamma]).map_err(text.at(line))?;
    lattice.orthogonal().map(Some).map_err(text.at(line))
}

/// The operations that the file lists; the identity where it names no other group than P 1.
fn operations(text: &Text, block: &Block) -> Result<Vec<Operation>> {
    let listed = ["_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz"];
    if let Some(column) = block.column(&listed).filter(|column| !column.is_empty()) {
        if column.len() > MAX_OPERATIONS {
            return Err(
                text.error(format!("it lists {} symmetry operations, wanted at most {MAX_OPERATIONS}", column.len()))
            );
        }
        let parse = |value: &Value| Operation::parse(&value.text).map_err(text.at(value.line));
        return column.iter().map(parse).collect();
    }
    let names = [
        "_space_group_name_h-m_alt",
        "_symmetry_space_group_name_h-m",
        "_space_group_name_hall",
        "_symmetry_space_group_name_hall",
    ];
    let numbers = ["_space_group_it_number", "_symmetry_int_tables_number"];
    let group = block.item(&numbers).or_else(|| block.item(&names));
    match group {
        Some(group) if !matches!(group.text.replace([' ', '_'], "").to_lowercase().as_str(), "1" | "p1") => {
            let why = format!(
                "it names space group {} but lists no symmetry operations (_space_group_symop_operation_xyz)",
                group.text
            );
            Err(text.error_at(group.line, why))
        }
        _ => Ok(vec![Operation::IDENTITY]),
    }
}

/// The atom sites of the file: one entry per site.
struct Sites {
    fractions: Vec<Vec3>,
    /// Length that the fraction 1 stands for, angstrom: the cell, or 1 for Cartesian sites without one.
    scale: Vec3,
    species: Vec<u8>,
    occupancies: Option<Vec<f64>>,
    debye_waller_b: Option<Vec<f64>>,
}

impl Sites {
    fn read(text: &Text, block: &Block, cell: Option<Vec3>) -> Result<Self> {
        let cartesian = block.column(&FRACT[0]).is_none();
        let scale = cell.unwrap_or([1.0; 3]);
        let tags = if cartesian { CARTN } else { FRACT };
        let mut axes: [&[Value]; 3] = [&[]; 3];
        for (axis, tag) in axes.iter_mut().zip(&tags) {
            *axis = block.column(tag).ok_or_else(|| text.error(format!("it has no {}", tag[0])))?;
        }
        let count = axes[0].len();
        let mut fractions = Vec::with_capacity(count);
        for i in 0..count {
            let mut f = [0.0; 3];
            for ((f, column), edge) in f.iter_mut().zip(axes).zip(scale) {
                let Some(value) = column.get(i) else {
                    return Err(text.error("its atom sites have more x than y or z"));
                };
                let known = measured(text, value)?;
                let known = known.ok_or_else(|| text.error_at(value.line, "an atom site has no coordinates"))?;
                *f = if cartesian { known / edge } else { known };
            }
            fractions.push(f);
        }
        let species = block.column(&["_atom_site_type_symbol", "_atom_site_label", "_atom_site_label_atom_id"]);
        let species =
            species.ok_or_else(|| text.error("it has neither _atom_site_type_symbol nor _atom_site_label"))?;
        let species = species.iter().map(|value| element(&value.text).map_err(text.at(value.line)));
        let species: Vec<u8> = species.collect::<Result<_>>()?;
        if species.len() != count {
            return Err(text.error(format!("it has {count} atom sites and {} symbols", species.len())));
        }
        let occupancies = optional(text, block, "_atom_site_occupancy", count)?;
        let b = optional(text, block, "_atom_site_b_iso_or_equiv", count)?;
        let debye_waller_b = match b {
            Some(b) => Some(b),
            None => optional(text, block, "_atom_site_u_iso_or_equiv", count)?
                .map(|u| u.into_iter().map(debye_waller::from_mean_square).collect()),
        };
        Ok(Sites { fractions, scale, species, occupancies, debye_waller_b })
    }

    fn into_atoms(self, indices: &[usize], positions: Vec<Vec3>) -> Result<Atoms> {
        let of_site = |values: &[f64]| indices.iter().map(|i| values[*i]).collect();
        let mut atoms = Atoms::new(positions)?.with_species(indices.iter().map(|i| self.species[*i]).collect())?;
        if let Some(values) = &self.occupancies {
            atoms = atoms.with_occupancies(of_site(values))?;
        }
        if let Some(values) = &self.debye_waller_b {
            atoms = atoms.with_debye_waller(of_site(values))?;
        }
        Ok(atoms)
    }
}

/// A column of the sites, where every site has it.
fn optional(text: &Text, block: &Block, tag: &str, count: usize) -> Result<Option<Vec<f64>>> {
    let Some(column) = block.column(&[tag]).filter(|column| column.len() == count) else { return Ok(None) };
    column.iter().map(|value| measured(text, value)).collect()
}

/// The text of a CIF file: one cell in P 1, fractional coordinates.
pub(super) fn format(atoms: &Atoms) -> Result<String> {
    let cell = atoms.require_cell()?;
    let mut text = String::from("data_atoms\n");
    // writing to a String cannot fail
    for (edge, name) in cell.iter().zip(["a", "b", "c"]) {
        let _ = writeln!(text, "_cell_length_{name} {edge:?}");
    }
    text.push_str("_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n");
    text.push_str("_space_group_name_H-M_alt 'P 1'\n_space_group_IT_number 1\n");
    text.push_str("loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n");
    text.push_str("loop_\n_atom_site_label\n_atom_site_type_symbol\n");
    text.push_str("_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n");
    let columns = [("occupancy", atoms.occupancies()), ("B_iso_or_equiv", atoms.debye_waller_b())];
    for (name, _) in columns.iter().filter(|(_, values)| values.is_some()) {
        let _ = writeln!(text, "_atom_site_{name}");
    }
    for (i, (p, z)) in atoms.positions().iter().zip(atoms.species()).enumerate() {
        let symbol = elements::symbol(*z).unwrap_or("X");
        let _ = write!(text, "{symbol}{} {symbol}", i + 1);
        let values = columns.iter().filter_map(|(_, values)| values.map(|v| v[i]));
        for value in (0..3).map(|axis| p[axis] / cell[axis]).chain(values) {
            let _ = write!(text, " {value:?}");
        }
        text.push('\n');
    }
    Ok(text)
}
