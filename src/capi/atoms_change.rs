//! Specimens
//!
//! New lists of atoms from old ones: with a cell or another column, turned, cut, repeated, joined. The list itself
//! never changes. Columns that are not named here go along.

use super::atoms::aet_atoms;
use super::guard::{guard, Host};
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::geometry::Vec3;
use crate::specimen::{close_pairs, elements, CellCentre, CellSize};
use crate::{Error, Result};
use ndarray::{arr1, Array1, Array2};
use std::ffi::c_char;

/// The atoms with the column `name` set: `positions` and `standard_error` `[n,3]` or `x`, `y`, `z` `[n]`, angstrom;
/// `species` `[n]`; `height`, `width`, `occupancy`, `probability` `[n]`; thermal motion `[n]` as `debye_waller_b`
/// (B = 8 pi^2 <u^2>, angstrom^2), `debye_waller_u` (<u^2> along one axis, angstrom^2) or `rms_displacement` (along one
/// axis, angstrom): one of the three sets all. Any real element type. AET_ERROR_UNKNOWN_OPTION for another name,
/// AET_ERROR_SHAPE, AET_ERROR_RANGE and AET_ERROR_NON_FINITE with the atom that is wrong. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_with_column(
    atoms: *const aet_atoms,
    name: *const c_char,
    values: *const aet_const_view,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_with_column", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let name = host.text(name, "name")?;
        let values = host.view(values, "values")?;
        // an unknown name is told before a wrong shape
        let values = match atoms.column(&name)?.components {
            1 => values.read::<f64, 1>([Some(atoms.len())])?.to_vec(),
            n => values.read::<f64, 2>([Some(atoms.len()), Some(n)])?.iter().copied().collect(),
        };
        place.set(atoms.clone().with_column(&name, &values)?);
        Ok(())
    })
}

/// As aet_atoms_with_column, for a column of one number per atom, from one `value` per element: `species` `[k]` are the
/// atomic numbers of the `values` `[k]`. AET_ERROR_INCONSISTENT where an element of the list has no value. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_with_element_values(
    atoms: *const aet_atoms,
    name: *const c_char,
    species: *const aet_const_view,
    values: *const aet_const_view,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_with_element_values", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let name = host.text(name, "name")?;
        let values = host.view(values, "values")?.read::<f64, 1>([None])?;
        let species = host.view(species, "species")?.read::<f64, 1>([Some(values.len())])?;
        let wanted = || format!("an atomic number 0 (unknown) to {}", elements::MAX_ATOMIC_NUMBER);
        let number = |z: &f64| elements::from_number(*z).ok_or_else(|| Error::range("species", z, wanted()));
        let pairs = species.iter().zip(&values).map(|(z, value)| Ok((number(z)?, *value)));
        place.set(atoms.clone().with_element_values(&name, &pairs.collect::<Result<Vec<_>>>()?)?);
        Ok(())
    })
}

/// The atoms in an orthogonal cell: `cell` `[3]`, its edges along x, y and z, angstrom, with a corner at 0; NULL:
/// without cell. Atoms may lie outside until a simulation wants them inside. AET_ERROR_SHAPE, AET_ERROR_RANGE for an
/// edge that is not positive. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_with_cell(
    atoms: *const aet_atoms,
    cell: *const aet_const_view,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_with_cell", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let atoms = atoms.clone();
        place.set(match host.optional_vector(cell, "cell")? {
            Some(cell) => atoms.with_cell(cell)?,
            None => atoms.without_cell(),
        });
        Ok(())
    })
}

/// Copies the edges of the cell along x, y and z, angstrom, into `out` `[3]`, of any real element type; NaN where there
/// is no cell. AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_copy_cell(atoms: *const aet_atoms, out: *const aet_view) -> aet_status {
    guard("aet_atoms_copy_cell", |host| {
        let atoms = host.object(atoms, "atoms")?;
        host.out_view(out, "out")?.write(&arr1(&atoms.cell().unwrap_or([f64::NAN; 3])))
    })
}

/// The atoms at R p, `rotation` `[3,3]` = R. Standard errors turn as those of independent coordinates; the cell does
/// not turn: the new list has none. AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_INCONSISTENT for a matrix that is
/// no proper rotation (within 1e-6). Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_rotate(
    atoms: *const aet_atoms,
    rotation: *const aet_const_view,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_rotate", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let matrix = host.view(rotation, "rotation")?.read::<f64, 2>([Some(3), Some(3)])?;
        let mut rotation = [[0.0; 3]; 3];
        rotation.as_flattened_mut().iter_mut().zip(&matrix).for_each(|(r, m)| *r = *m);
        place.set(atoms.rotated(&rotation)?);
        Ok(())
    })
}

/// The atoms at p + `shift` `[3]` (angstrom), in the same cell. AET_ERROR_SHAPE, AET_ERROR_NON_FINITE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_shift(
    atoms: *const aet_atoms,
    shift: *const aet_const_view,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_shift", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        place.set(atoms.shifted(&host.vector(shift, "shift")?)?);
        Ok(())
    })
}

/// The atoms shifted into a cell of their own. Exactly one of `extent` `[3]`, the edges of the cell, and `vacuum`
/// `[3]`, the distance of the outermost atoms from its faces, is given; the other is NULL; along x, y and z, angstrom,
/// above 0. `center_atoms` 0: the origin of the specimen frame, about which tilt series turn, goes to the middle of the
/// cell, which is pixel n/2 of an even number n; vacuum counts from the atoms farthest from it, on both sides. 1: the
/// middle between the outermost atoms goes there. AET_ERROR_INCONSISTENT where atoms would lie outside, or for both or
/// none of `extent` and `vacuum`; AET_ERROR_RANGE, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_place_in_cell(
    atoms: *const aet_atoms,
    extent: *const aet_const_view,
    vacuum: *const aet_const_view,
    center_atoms: i32,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_place_in_cell", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let size = match (host.optional_vector(extent, "extent")?, host.optional_vector(vacuum, "vacuum")?) {
            (Some(extent), None) => CellSize::Extent(extent),
            (None, Some(vacuum)) => CellSize::Vacuum(vacuum),
            (extent, _) => {
                let got = if extent.is_some() { "both" } else { "none" };
                let why = format!("{got} of extent and vacuum are given, wanted exactly one");
                return Err(Error::Inconsistent { what: "size of the cell".into(), why });
            }
        };
        let center_atoms = host.flag(center_atoms, "center_atoms")?;
        let centre = if center_atoms { CellCentre::Atoms } else { CellCentre::Origin };
        place.set(atoms.placed_in_cell(size, centre)?);
        Ok(())
    })
}

/// The atoms folded into their cell along x and y, and along z, too, where `periodic_z` is 1: 0 <= p < L.
/// AET_ERROR_NOT_READY without a cell, AET_ERROR_RANGE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_wrap(
    atoms: *const aet_atoms,
    periodic_z: i32,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_wrap", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        place.set(atoms.wrapped([true, true, host.flag(periodic_z, "periodic_z")?])?);
        Ok(())
    })
}

/// The atoms with `from` <= p < `to` (angstrom) along `axis`, 0 for x, 1 for y, 2 for z; in place and in the same cell.
/// AET_ERROR_RANGE for another axis and for limits that are no interval, AET_ERROR_EMPTY where no atom is left. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_cut_slab(
    atoms: *const aet_atoms,
    axis: i32,
    from: f64,
    to: f64,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_cut_slab", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        place.set(atoms.slab(host.index(i64::from(axis), 3, "axis")?, from, to)?);
        Ok(())
    })
}

/// The atoms of the n `indices` (counted from 0), in that order, in the same cell. AET_ERROR_EMPTY without indices,
/// AET_ERROR_RANGE for one that is no atom. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_subset(
    atoms: *const aet_atoms,
    indices: *const i64,
    n: i64,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_subset", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let indices = host.slice(indices, n, "indices")?;
        let index = |(at, i): (usize, &i64)| {
            let wanted = || format!("an atom, 0 to {}", atoms.len() - 1);
            usize::try_from(*i).map_err(|_| Error::range(format!("indices[{at}]"), i, wanted()))
        };
        place.set(atoms.subset(&indices.iter().enumerate().map(index).collect::<Result<Vec<_>>>()?)?);
        Ok(())
    })
}

/// `nx` x `ny` x `nz` copies of the cell and its atoms side by side, in one cell that holds them all; copies along x
/// come first. AET_ERROR_NOT_READY without a cell, AET_ERROR_RANGE for a number below 1 or more than 2^31 - 1 atoms.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_repeat(
    atoms: *const aet_atoms,
    nx: i64,
    ny: i64,
    nz: i64,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_repeat", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.new_handle(changed, "changed")?;
        let counts = [host.count(nx, "nx")?, host.count(ny, "ny")?, host.count(nz, "nz")?];
        place.set(atoms.repeated(counts)?);
        Ok(())
    })
}

/// The atoms of both lists, first those of `atoms`, in the cell that either has. Where one list has no occupancies,
/// they are 1; probabilities and standard errors are NaN. AET_ERROR_INCONSISTENT for two different cells, and where
/// only one list has heights, widths or Debye-Waller factors. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_merge(
    atoms: *const aet_atoms,
    other: *const aet_atoms,
    changed: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_merge", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let other = host.input(other, "other")?;
        let place = host.new_handle(changed, "changed")?;
        place.set(atoms.merged(other)?);
        Ok(())
    })
}

/// Finds pairs of atoms nearer than `distance` (angstrom): doubled atoms, parts that overlap. In a cell, distances
/// count across its faces along x and y, and along z, too, where `periodic_z` is 1. `count` takes the number of pairs.
/// `pairs` `[count,2]` takes the indices of both atoms (from 0), `distances` `[count]` their distances, angstrom;
/// either may be NULL, as in a first call that asks for the count. AET_ERROR_RANGE for a distance that is not positive
/// or beyond half of a periodic edge, AET_ERROR_SHAPE, AET_ERROR_INCONSISTENT for more than ten million pairs. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_close_pairs(
    atoms: *const aet_atoms,
    distance: f64,
    periodic_z: i32,
    pairs: *const aet_view,
    distances: *const aet_view,
    count: *mut i64,
) -> aet_status {
    guard("aet_atoms_close_pairs", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let place = host.out(count, "count")?;
        let in_cell = atoms.cell().is_some();
        let periodic = [in_cell, in_cell, in_cell && host.flag(periodic_z, "periodic_z")?];
        let mut pairs = host.optional_out_view(pairs, "pairs")?;
        let mut distances = host.optional_out_view(distances, "distances")?;
        let found = close_pairs(atoms, distance, periodic)?;
        let indices: Vec<[f64; 2]> = found.iter().map(|pair| [pair.first as f64, pair.second as f64]).collect();
        // both are checked before either is written
        if let Some(distances) = &distances {
            distances.expect_shape(&[Some(found.len())])?;
            distances.expect_holds::<f64>()?;
        }
        if let Some(pairs) = &mut pairs {
            pairs.write(&Array2::from(indices))?;
        }
        if let Some(distances) = &mut distances {
            distances.write(&found.iter().map(|pair| pair.distance).collect::<Array1<f64>>())?;
        }
        place.set(found.len() as i64);
        Ok(())
    })
}

impl Host {
    /// A vector (x, y, z).
    fn vector(&self, view: *const aet_const_view, argument: &'static str) -> Result<Vec3> {
        let values = self.view(view, argument)?.read::<f64, 1>([Some(3)])?;
        let mut vector = [0.0; 3];
        vector.iter_mut().zip(&values).for_each(|(v, value)| *v = *value);
        Ok(vector)
    }

    fn optional_vector(&self, view: *const aet_const_view, argument: &'static str) -> Result<Option<Vec3>> {
        (!view.is_null()).then(|| self.vector(view, argument)).transpose()
    }
}
