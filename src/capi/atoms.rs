//! Atoms
//!
//! Immutable lists of atoms: made from arrays or files, read out column by column.

use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::specimen::{elements, Atoms};
use crate::{Error, Result};
use ndarray::ArrayView;
use std::ffi::c_char;

/// An immutable list of atoms, never empty: positions and species, per atom what else is known of it, and the cell, if
/// any, that makes a specimen for simulations of it.
pub struct aet_atoms {
    _opaque: [u8; 0],
}

impl Handle for aet_atoms {
    const NAME: &'static str = "aet_atoms";
    const IMMUTABLE: bool = true;
    type Object = Atoms;
}

/// Creates a list of n atoms. `positions` `[n,3]`: (x, y, z) in the specimen frame, angstrom. `species` `[n]`: atomic
/// numbers, 1 to 103, or 0 for unknown; NULL: all unknown. `heights` `[n]` of the orbitals (image unit) and `widths`
/// `[n]`, B of exp(-r^2 / B), angstrom^2, above 0; NULL: not known. Element types: any real one that holds the values.
/// AET_ERROR_EMPTY without atoms, AET_ERROR_SHAPE, AET_ERROR_RANGE and AET_ERROR_NON_FINITE with the atom that is
/// wrong. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_create(
    positions: *const aet_const_view,
    species: *const aet_const_view,
    heights: *const aet_const_view,
    widths: *const aet_const_view,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_create", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let positions = host.view(positions, "positions")?.read::<f64, 2>([None, Some(3)])?;
        let (positions, _) = positions.into_raw_vec_and_offset();
        let mut list = Atoms::new(positions.as_chunks::<3>().0.to_vec())?;
        let name = |atom: usize| format!("species of atom {atom}");
        if let Some(species) = host.atomic_numbers(species, "species", Some(list.len()), &name)? {
            list = list.with_species(species)?;
        }
        if let Some(heights) = numbers(host, heights, "heights", list.len())? {
            list = list.with_heights(heights)?;
        }
        if let Some(widths) = numbers(host, widths, "widths", list.len())? {
            list = list.with_widths(widths)?;
        }
        place.set(list);
        Ok(())
    })
}

/// One number per atom.
fn numbers(host: &Host, view: *const aet_const_view, argument: &'static str, count: usize) -> Result<Option<Vec<f64>>> {
    let Some(view) = host.optional_view(view, argument)? else { return Ok(None) };
    Ok(Some(view.read::<f64, 1>([Some(count)])?.to_vec()))
}

impl Host {
    /// An atomic number, 0 is None.
    pub(super) fn atomic_number(&self, number: i32, argument: &'static str) -> Result<Option<u8>> {
        let known = u8::try_from(number).ok().filter(|z| *z <= elements::MAX_ATOMIC_NUMBER);
        let known = known.ok_or_else(|| Error::range(argument, number, atomic_numbers_wanted()))?;
        Ok((known > 0).then_some(known))
    }

    /// Atomic numbers `[count]`, any number of them where that is `None`; `name` is what errors call each. Whoever takes
    /// them knows which elements there are.
    pub(super) fn atomic_numbers(
        &self,
        view: *const aet_const_view,
        argument: &'static str,
        count: Option<usize>,
        name: &dyn Fn(usize) -> String,
    ) -> Result<Option<Vec<u8>>> {
        let Some(view) = self.optional_view(view, argument)? else { return Ok(None) };
        let numbers = view.read::<i64, 1>([count])?;
        let number = |(i, number): (usize, &i64)| {
            u8::try_from(*number).map_err(|_| Error::range(name(i), number, atomic_numbers_wanted()))
        };
        numbers.iter().enumerate().map(number).collect::<Result<_>>().map(Some)
    }
}

fn atomic_numbers_wanted() -> String {
    format!("an atomic number 0 (unknown) to {}", elements::MAX_ATOMIC_NUMBER)
}

/// Frees a list of atoms. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_free(atoms: *mut aet_atoms) {
    guard_value((), |host| host.free(atoms))
}

/// Number of atoms; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_count(atoms: *const aet_atoms) -> i64 {
    guard_value(0, |host| Ok(host.object(atoms, "atoms")?.len() as i64))
}

/// Copies the column `name` of n atoms into `out`, of any real element type that holds its values; NaN where it is not
/// known. `positions` `[n,3]` or `x`, `y`, `z` `[n]`, angstrom; `species` `[n]`, atomic number, 0 where unknown;
/// `height` `[n]`, image unit; `width` `[n]`, angstrom^2; `occupancy` and `probability` (of the species) `[n]`, 0 to 1;
/// thermal motion `[n]` as `debye_waller_b` (B = 8 pi^2 <u^2>, angstrom^2), `debye_waller_u` (<u^2> along one axis,
/// angstrom^2) or `rms_displacement` (along one axis, angstrom); `standard_error` `[n,3]` of the positions, angstrom.
/// AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_DTYPE for a complex `out`, AET_ERROR_RANGE for
/// a value that it cannot hold. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_copy_column(
    atoms: *const aet_atoms,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_atoms_copy_column", |host| {
        let atoms = host.object(atoms, "atoms")?;
        let column = atoms.column(&host.text(name, "name")?)?;
        let mut out = host.out_view(out, "out")?;
        let shape = [atoms.len(), column.components];
        let shape = if column.components == 1 { &shape[..1] } else { &shape[..] };
        let values = ArrayView::from_shape(shape, &column.values);
        out.write(&values.map_err(|error| Error::Internal(format!("column of atoms: {error}")))?)
    })
}
