//! Files of atoms in the formats of the field, chosen by the name of the file or named by the caller.
//!
//! | format | files | what is read | what is written |
//! |---|---|---|---|
//! | `xyz` | `.xyz`, `.extxyz`, no ending | [`super::xyz`]: all columns and the cell | the same, to the last bit |
//! | `cif` | `.cif`, `.mcif` | [`cif`]: all atoms of the cell, by the listed symmetry | one cell without symmetry |
//! | `poscar` | `POSCAR*`, `CONTCAR*`, `.poscar`, `.vasp` | [`poscar`]: VASP 5 | Cartesian, elements together |
//! | `lammps` | `.lmp`, `.lammps`, `.data` | [`lammps`]: styles atomic, charge, molecular, full | style atomic |
//! | `pdb` | `.pdb`, `.ent` | [`pdb`]: the first model | three digits behind the point |
//!
//! Cells must be orthogonal, with edges along x, y and z; another one is an error that says so.

pub mod cif;
pub mod lammps;
pub(super) mod lattice;
pub mod pdb;
pub mod poscar;
pub(super) mod text;

use std::path::Path;

use super::{atomic, file_error, xyz};
use crate::error::{Error, Result};
use crate::specimen::Atoms;

/// A format of files of atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Extended xyz.
    Xyz,
    /// Crystallographic information file.
    Cif,
    /// POSCAR and CONTCAR of VASP.
    Poscar,
    /// Data file of LAMMPS.
    Lammps,
    /// Protein data bank.
    Pdb,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 5] = [Format::Xyz, Format::Cif, Format::Poscar, Format::Lammps, Format::Pdb];

    /// Its name in calls.
    pub fn name(self) -> &'static str {
        match self {
            Format::Xyz => "xyz",
            Format::Cif => "cif",
            Format::Poscar => "poscar",
            Format::Lammps => "lammps",
            Format::Pdb => "pdb",
        }
    }

    /// The format that the name of a file stands for.
    ///
    /// # Errors
    /// `UnknownOption` for a name that stands for none.
    pub fn of_path(path: &Path) -> Result<Self> {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (name, extension) = (part(path.file_name()), part(path.extension()));
        match extension.as_str() {
            "xyz" | "extxyz" => Ok(Format::Xyz),
            "cif" | "mcif" => Ok(Format::Cif),
            "poscar" | "vasp" => Ok(Format::Poscar),
            "lmp" | "lammps" | "data" => Ok(Format::Lammps),
            "pdb" | "ent" => Ok(Format::Pdb),
            _ if name.starts_with("poscar") || name.starts_with("contcar") => Ok(Format::Poscar),
            "" => Ok(Format::Xyz),
            _ => Err(Error::UnknownOption {
                what: "kind of file of atoms".into(),
                got: path.display().to_string(),
                known:
                    ".xyz, .extxyz, .cif, .mcif, .poscar, .vasp, POSCAR, CONTCAR, .lmp, .lammps, .data, .pdb and .ent; \
                        name the format where the file has another name"
                        .into(),
            }),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == s).ok_or_else(|| Error::UnknownOption {
            what: "format of a file of atoms".into(),
            got: s.into(),
            known: Self::ALL.map(Format::name).join(", "),
        })
    }
}

/// Reads atoms; `None`: the name of the file tells the format.
///
/// # Errors
/// `UnknownOption` for a name that tells no format, `File` where the file cannot be read, `Format` with the line that
/// is malformed; the errors of [`Atoms`] for values that atoms cannot have.
pub fn read(path: &Path, format: Option<Format>) -> Result<Atoms> {
    match format.map_or_else(|| Format::of_path(path), Ok)? {
        Format::Xyz => xyz::read(path),
        Format::Cif => cif::read(path),
        Format::Poscar => poscar::read(path),
        Format::Lammps => lammps::read(path),
        Format::Pdb => pdb::read(path),
    }
}

/// Writes atoms; `None`: the name of the file tells the format. An older file of that name is replaced when the new one
/// is complete.
///
/// # Errors
/// `UnknownOption` for a name that tells no format; `NotReady` without a cell for cif, poscar and lammps;
/// `Inconsistent` or `Range` for atoms that the format cannot hold; `File`.
pub fn write(atoms: &Atoms, path: &Path, format: Option<Format>) -> Result<()> {
    let text = match format.map_or_else(|| Format::of_path(path), Ok)? {
        Format::Xyz => return xyz::write(atoms, path),
        Format::Cif => cif::format(atoms)?,
        Format::Poscar => poscar::format(atoms)?,
        Format::Lammps => lammps::format(atoms)?,
        Format::Pdb => pdb::format(atoms)?,
    };
    atomic::write(path, |file| file.write_all(text.as_bytes()).map_err(file_error("writing", path)))
}

/// The species of a list in the order in which they appear.
fn species_in_order(atoms: &Atoms) -> Vec<u8> {
    let mut species = Vec::new();
    for z in atoms.species() {
        if !species.contains(z) {
            species.push(*z);
        }
    }
    species
}

#[cfg(test)]
mod tests;
