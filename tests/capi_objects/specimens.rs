use super::support::*;
use aet::capi::*;
use ndarray::{array, Array1, Array2};
use std::ptr;

/// Two atoms, caesium and chlorine, in a cell of 4 x 4 x 4 angstrom.
fn unit() -> *mut aet_atoms {
    let (positions, species, cell) =
        (array![[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], array![55_u8, 17], array![4.0_f32, 4.0, 4.0]);
    let (mut bare, mut atoms) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: local views and places.
    unsafe {
        ok(aet_atoms_create(&view(&positions), &view(&species), ptr::null(), ptr::null(), &mut bare));
        ok(aet_atoms_with_cell(bare, &view(&cell), &mut atoms));
        aet_atoms_free(bare);
    }
    atoms
}

#[test]
fn changes_make_new_lists_and_leave_the_old() {
    let unit = unit();
    let (mut crystal, mut set) = (ptr::null_mut(), ptr::null_mut());
    // the rotation is read by its strides: this is the transpose of a column-major quarter turn
    let turn = array![[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]].reversed_axes();
    let mut x = Array1::<f64>::zeros(2);
    let mut cell = Array1::<f32>::zeros(3);
    // SAFETY: live handles, local views and places.
    unsafe {
        ok(aet_atoms_repeat(unit, 1, 2, 1, &mut crystal));
        ok(aet_atoms_copy_cell(crystal, &out(&mut cell)));
        assert_eq!((aet_atoms_count(crystal), aet_atoms_count(unit), cell.to_vec()), (4, 2, vec![4.0, 8.0, 4.0]));
        aet_atoms_free(crystal);
        ok(aet_atoms_rotate(unit, &view(&turn), &mut crystal));
        ok(aet_atoms_copy_column(crystal, c"x".as_ptr(), &out(&mut x)));
        assert_eq!(x.to_vec(), [0.0, -2.0]);
        ok(aet_atoms_copy_cell(crystal, &out(&mut cell)));
        assert!(cell.iter().all(|edge| edge.is_nan()));
        let occupancy = array![1.0_f32, 0.5];
        ok(aet_atoms_with_column(unit, c"occupancy".as_ptr(), &view(&occupancy), &mut set));
        ok(aet_atoms_copy_column(set, c"occupancy".as_ptr(), &out(&mut x)));
        assert_eq!(x.to_vec(), [1.0, 0.5]);
        ok(aet_atoms_copy_column(unit, c"occupancy".as_ptr(), &out(&mut x)));
        assert!(x.iter().all(|v| v.is_nan()));
        for atoms in [unit, crystal, set] {
            aet_atoms_free(atoms);
        }
    }
}

#[test]
fn close_pairs_fill_the_views_or_nothing() {
    let unit = unit();
    let shift = array![3.9, 0.0, 0.0];
    let (mut moved, mut both) = (ptr::null_mut(), ptr::null_mut());
    let mut count = -1;
    let (mut pairs, mut few) = (Array2::<u16>::zeros((2, 2)), Array1::<f64>::zeros(1));
    // SAFETY: live handles, local views and places.
    unsafe {
        ok(aet_atoms_shift(unit, &view(&shift), &mut moved));
        ok(aet_atoms_merge(unit, moved, &mut both));
        let status = aet_atoms_close_pairs(both, 0.2, 0, &out(&mut pairs), &out(&mut few), &mut count);
        fails(status, 101, &["distances has shape [1], wanted [2]"]);
        assert_eq!((count, pairs.sum()), (-1, 0));
        ok(aet_atoms_close_pairs(both, 0.2, 0, &out(&mut pairs), ptr::null(), &mut count));
        assert_eq!((count, pairs), (2, array![[0, 2], [1, 3]]));
        fails(aet_atoms_close_pairs(both, f64::NAN, 0, ptr::null(), ptr::null(), &mut count), 103, &["NaN"]);
        fails(aet_atoms_close_pairs(both, 0.2, 2, ptr::null(), ptr::null(), &mut count), 103, &["periodic_z"]);
        for atoms in [unit, moved, both] {
            aet_atoms_free(atoms);
        }
    }
}

#[test]
fn bad_arguments_make_no_list() {
    let unit = unit();
    let mut none = ptr::null_mut();
    let (two, element) = (array![1.0, 1.0], array![14.5, 17.0]);
    // SAFETY: live handles, local views and places, or NULL.
    unsafe {
        let column = |name: &std::ffi::CStr, none: &mut *mut aet_atoms| {
            aet_atoms_with_column(unit, name.as_ptr(), &view(&array![1.0, f64::NAN]), none)
        };
        fails(column(c"colour", &mut none), 104, &["colour", "debye_waller_b"]);
        fails(column(c"rms_displacement", &mut none), 103, &["rms_displacement of atom 1 is NaN"]);
        fails(column(c"positions", &mut none), 101, &["values", "[2, 3]"]);
        let status =
            aet_atoms_with_element_values(unit, c"occupancy".as_ptr(), &view(&element), &view(&two), &mut none);
        fails(status, 103, &["species is 14.5"]);
        fails(aet_atoms_with_cell(unit, &view(&two), &mut none), 101, &["cell has shape [2], wanted [3]"]);
        fails(aet_atoms_cut_slab(unit, -1, 0.0, 1.0, &mut none), 103, &["axis is -1, wanted 0 to 2"]);
        fails(aet_atoms_place_in_cell(unit, ptr::null(), ptr::null(), 0, &mut none), 302, &["extent", "vacuum"]);
        fails(aet_atoms_subset(unit, ptr::null(), 1, &mut none), 100, &["indices"]);
        fails(aet_atoms_read_as(c"a".as_ptr(), c"cube".as_ptr(), &mut none), 104, &["cube", "poscar"]);
        fails(aet_atoms_wrap(unit, 0, ptr::null_mut()), 100, &["changed"]);
        assert!(none.is_null());
        aet_atoms_free(unit);
    }
}
