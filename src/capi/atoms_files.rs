//! Files of atoms
//!
//! Formats, by name and by what files of theirs are called: `xyz` (.xyz, .extxyz, no ending), `cif` (.cif, .mcif),
//! `poscar` (POSCAR, CONTCAR, .poscar, .vasp), `lammps` (.lmp, .lammps, .data) and `pdb` (.pdb, .ent).

use super::atoms::aet_atoms;
use super::guard::{guard, Host};
use super::status::aet_status;
use crate::io::structure::{self, Format};
use crate::Result;
use std::ffi::c_char;

/// Reads the atoms of a file, and its cell, which must be orthogonal. The ending of its name tells the format:
///
/// - extended xyz: positions in angstrom; columns `species`, `pos`, `height`, `width`, `occupancy`, `probability`,
///   `debye_waller_b`, `standard_error`, others are passed over; plain xyz is read, too.
/// - CIF: all atoms of the cell by the symmetry operations that the file lists; occupancies, and B or U, where every
///   site has them.
/// - POSCAR and CONTCAR of VASP 5.
/// - Data files of LAMMPS, styles atomic, charge, molecular and full: elements by label or mass, in the order of the
///   atoms' numbers, the corner of the box at 0.
/// - PDB: atoms of the first model as listed, occupancies and B.
///
/// `path` is UTF-8. AET_ERROR_FILE where it cannot be read, AET_ERROR_FORMAT with the line that is malformed,
/// AET_ERROR_UNKNOWN_OPTION for an ending that is none of these. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_read(path: *const c_char, atoms: *mut *mut aet_atoms) -> aet_status {
    guard("aet_atoms_read", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        place.set(structure::read(&host.path(path, "path")?, None)?);
        Ok(())
    })
}

/// aet_atoms_read for files of any name: `format` is `xyz`, `cif`, `poscar`, `lammps` or `pdb`.
/// AET_ERROR_UNKNOWN_OPTION for another format. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_read_as(
    path: *const c_char,
    format: *const c_char,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_read_as", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let format = host.atoms_format(format)?;
        place.set(structure::read(&host.path(path, "path")?, Some(format))?);
        Ok(())
    })
}

/// Writes the atoms in the format that the ending of the name tells. Extended xyz has all columns and the cell, and
/// reading gives the same numbers to the last bit. CIF (one cell without symmetry), POSCAR (Cartesian, atoms of one
/// element together) and LAMMPS (style atomic) need a cell; PDB rounds positions to 0.001 angstrom. CIF and PDB have
/// occupancies and `debye_waller_b`. The file appears when it is complete, an older one of that name is replaced.
/// `path` is UTF-8. AET_ERROR_FILE; AET_ERROR_NOT_READY without a cell; AET_ERROR_INCONSISTENT for LAMMPS atoms of
/// unknown species; AET_ERROR_RANGE for numbers that do not fit the columns of PDB; AET_ERROR_UNKNOWN_OPTION for
/// another ending. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_write(atoms: *const aet_atoms, path: *const c_char) -> aet_status {
    guard("aet_atoms_write", |host| {
        let atoms = host.object(atoms, "atoms")?;
        structure::write(atoms, &host.path(path, "path")?, None)
    })
}

/// aet_atoms_write for files of any name: `format` is `xyz`, `cif`, `poscar`, `lammps` or `pdb`.
/// AET_ERROR_UNKNOWN_OPTION for another format. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_write_as(
    atoms: *const aet_atoms,
    path: *const c_char,
    format: *const c_char,
) -> aet_status {
    guard("aet_atoms_write_as", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let format = host.atoms_format(format)?;
        structure::write(atoms, &host.path(path, "path")?, Some(format))
    })
}

impl Host {
    fn atoms_format(&self, format: *const c_char) -> Result<Format> {
        self.text(format, "format")?.parse()
    }
}
