use super::support::*;
use aet::capi::*;
use ndarray::{array, Array1, Array2, Array3, ShapeBuilder};
use std::ptr;

/// Atoms at `positions` with nothing else known.
fn at(positions: &Array2<f64>) -> *mut aet_atoms {
    create(&view(positions), None).expect("good positions")
}

fn create(positions: &aet_const_view, species: Option<&aet_const_view>) -> Result<*mut aet_atoms, aet_status> {
    let mut atoms = ptr::null_mut();
    let species = species.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: local views and place.
    match unsafe { aet_atoms_create(positions, species, ptr::null(), ptr::null(), &mut atoms) } {
        aet_status::AET_OK => Ok(atoms),
        status => Err(status),
    }
}

fn column<A: Element>(atoms: *const aet_atoms, name: &str, values: &mut Array1<A>) -> aet_status {
    let name = text(name);
    // SAFETY: live handles, a local array.
    unsafe { aet_atoms_copy_column(atoms, name.as_ptr(), &out(values)) }
}

#[test]
fn columns_come_back() {
    // Column-major positions, as MATLAB and Julia have them.
    let positions = Array2::from_shape_fn((2, 3).f(), |(i, k)| (3 * i + k) as f32);
    let species = array![14_i16, 79];
    let (heights, widths) = (array![1.5, -2.5], array![0.5, 0.75]);
    let mut atoms = ptr::null_mut();
    // SAFETY: local views; the handle is live until it is freed.
    unsafe {
        let (species, heights, widths) = (view(&species), view(&heights), view(&widths));
        ok(aet_atoms_create(&view(&positions), &species, &heights, &widths, &mut atoms));
        assert_eq!(aet_atoms_count(atoms), 2);
        let mut all = Array2::<f64>::zeros((2, 3));
        ok(aet_atoms_copy_column(atoms, c"positions".as_ptr(), &out(&mut all)));
        assert_eq!(all, positions.mapv(f64::from));
        let mut errors = Array2::<f32>::zeros((2, 3));
        ok(aet_atoms_copy_column(atoms, c"standard_error".as_ptr(), &out(&mut errors)));
        assert!(errors.iter().all(|v| v.is_nan()));
        fails(aet_atoms_copy_column(atoms, c"x".as_ptr(), &out(&mut all)), 101, &["out has shape [2, 3], wanted [2]"]);
    }
    let mut values = Array1::<f64>::zeros(2);
    for (name, wanted) in
        [("y", [1.0, 4.0]), ("species", [14.0, 79.0]), ("height", [1.5, -2.5]), ("width", [0.5, 0.75])]
    {
        ok(column(atoms, name, &mut values));
        assert_eq!(values.to_vec(), wanted, "{name}");
    }
    ok(column(atoms, "occupancy", &mut values));
    assert!(values.iter().all(|v| v.is_nan()));
    let mut bytes = Array1::<u8>::zeros(2);
    ok(column(atoms, "species", &mut bytes));
    assert_eq!(bytes, array![14, 79]);
    fails(column(atoms, "height", &mut bytes), 103, &["out[0] is 1.5", "0 to 255"]);
    fails(column(atoms, "probability", &mut bytes), 103, &["NaN"]);
    fails(column(atoms, "colour", &mut bytes), 104, &["colour", "standard_error"]);
    fails(column(atoms, "x", &mut Array1::<num_complex::Complex64>::zeros(2)), 102, &["AET_DTYPE_C128"]);
    // SAFETY: as above, and stale.
    unsafe {
        aet_atoms_free(atoms);
        assert_eq!(aet_atoms_count(atoms), 0);
    }
    fails(column(atoms, "x", &mut bytes), 105, &["aet_atoms"]);
}

#[test]
fn bad_lists() {
    let good = array![[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]];
    let refused =
        |positions: &aet_const_view, species: Option<&aet_const_view>| create(positions, species).unwrap_err();
    fails(refused(&view(&Array2::<f64>::zeros((0, 3))), None), 301, &["at least one atom"]);
    fails(refused(&view(&Array2::<f64>::zeros((2, 2))), None), 101, &["positions has shape [2, 2], wanted [any, 3]"]);
    fails(refused(&view(&Array3::<f64>::zeros((2, 3, 1))), None), 101, &[]);
    fails(refused(&view(&array![[0.0, f64::NAN, 0.0]]), None), 300, &["atom 0, y"]);
    let species = array![14_i32, -1];
    fails(refused(&view(&good), Some(&view(&species))), 103, &["species of atom 1 is -1", "103"]);
    let species = array![14_u16, 300];
    fails(refused(&view(&good), Some(&view(&species))), 103, &["species of atom 1 is 300", "103"]);
    let species = array![104_u8, 1];
    fails(refused(&view(&good), Some(&view(&species))), 103, &["species of atom 0 is 104"]);
    let species = array![14_u8];
    fails(refused(&view(&good), Some(&view(&species))), 101, &["species has shape [1], wanted [2]"]);
    let widths = array![1.0, 0.0];
    let mut atoms = ptr::null_mut();
    // SAFETY: local views and place, or NULL.
    unsafe {
        let status = aet_atoms_create(&view(&good), ptr::null(), ptr::null(), &view(&widths), &mut atoms);
        fails(status, 103, &["width of atom 1 is 0"]);
        fails(aet_atoms_create(ptr::null(), ptr::null(), ptr::null(), ptr::null(), &mut atoms), 100, &["positions"]);
        assert!(atoms.is_null());
        let nowhere = ptr::null_mut();
        fails(aet_atoms_create(&view(&good), ptr::null(), ptr::null(), ptr::null(), nowhere), 100, &["atoms"]);
        aet_atoms_free(ptr::null_mut());
        assert_eq!(aet_atoms_count(ptr::null()), 0);
    }
}

#[test]
fn files_with_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = text(folder.path().join("Gr\u{f6}\u{df}e 1.xyz").to_str().unwrap());
    let atoms = at(&array![[0.1, 0.2, 1.0 / 3.0]]);
    let mut again = ptr::null_mut();
    let mut values = Array1::<f64>::zeros(1);
    // SAFETY: live handles, strings closed by NUL.
    unsafe {
        ok(aet_atoms_write(atoms, path.as_ptr()));
        ok(aet_atoms_read(path.as_ptr(), &mut again));
        ok(column(again, "z", &mut values));
        assert_eq!(values[0].to_bits(), (1.0_f64 / 3.0).to_bits());
        aet_atoms_free(again);
        fails(aet_atoms_read(c"no such file.xyz".as_ptr(), &mut again), 400, &["no such file.xyz"]);
        fails(aet_atoms_read(c"\xff".as_ptr(), &mut again), 110, &["path"]);
        fails(aet_atoms_write(atoms, c"".as_ptr()), 103, &["path"]);
        fails(aet_atoms_write(atoms, ptr::null()), 100, &["path"]);
        aet_atoms_free(atoms);
    }
}

#[test]
fn comparison_of_found_with_true() {
    let truth = at(&array![[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]);
    let found = at(&array![[0.1, 0.0, 0.0], [3.1, 0.0, 0.0], [0.1, 3.0, 0.0], [20.0, 0.0, 0.0], [0.1, 0.0, 3.0]]);
    let mut errors = Array2::<f64>::zeros((5, 3));
    let mut options = aet_compare_options { struct_size: 0, cutoff: 1.0, remove_rotation: 1, reserved: 0 };
    // SAFETY: the structure holds numbers only.
    let mut report: aet_comparison = unsafe { std::mem::zeroed() };
    // SAFETY: live handles, local structures.
    unsafe {
        fails(aet_atoms_compare(found, truth, ptr::null(), &mut report, ptr::null()), 106, &["aet_comparison"]);
        report.struct_size = size_of::<aet_comparison>();
        ok(aet_atoms_compare(found, truth, ptr::null(), &mut report, &out(&mut errors)));
        assert_eq!((report.true_count, report.matched, report.missing, report.extra), (4, 4, 0, 1));
        assert!(report.rmsd_pm < 1e-9 && (report.shift[0] + 0.1).abs() < 1e-12 && report.rotation_deg.is_nan());
        assert!(errors.row(3).iter().all(|v| v.is_nan()) && errors[[0, 0]].abs() < 1e-12);

        ok(aet_compare_options_init(&mut options, size_of::<aet_compare_options>()));
        assert_eq!((options.cutoff, options.remove_rotation), (0.0, 0));
        options.remove_rotation = 1;
        ok(aet_atoms_compare(found, truth, &options, &mut report, ptr::null()));
        assert!(report.rotation_deg.abs() < 1e-3 && report.rmsd_rotated_pm < 1e-6);
        options.remove_rotation = 2;
        fails(aet_atoms_compare(found, truth, &options, &mut report, ptr::null()), 103, &["remove_rotation"]);
        options.remove_rotation = 0;
        options.cutoff = -1.0;
        fails(aet_atoms_compare(found, truth, &options, &mut report, ptr::null()), 103, &["cutoff is -1"]);
        let mut short = Array2::<f64>::zeros((4, 3));
        let status = aet_atoms_compare(found, truth, ptr::null(), &mut report, &out(&mut short));
        fails(status, 101, &["errors has shape [4, 3], wanted [5, 3]"]);
        fails(aet_atoms_compare(found, truth, ptr::null(), ptr::null_mut(), ptr::null()), 100, &["comparison"]);
        aet_atoms_free(truth);
        fails(aet_atoms_compare(found, truth, ptr::null(), &mut report, ptr::null()), 105, &[]);
        aet_atoms_free(found);
    }
}
