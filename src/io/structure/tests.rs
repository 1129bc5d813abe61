//! All formats on one bench: known files, round trips, and files that are cut or garbled.

use rand::{RngExt, SeedableRng};

use super::text::Text;
use super::*;

const ROCK_SALT: &str = "\
# a comment
data_NaCl
_cell_length_a    5.6402(2)
_cell_length_b    5.6402(2)
_cell_length_c    5.6402(2)
_cell_angle_alpha 90
_cell_angle_beta  90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z' '-x,-y,z' 'x,y+1/2,z+1/2' '-x,-y+1/2,z+1/2'
'x+1/2,y,z+1/2' '1/2-x,-y,1/2+z' 'x+1/2,y+1/2,z' '-x+1/2,-y+1/2,z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Na1 Na1+ 0 0 0 1.0 0.0200(5)
Cl1 Cl1- 0.5 0.5 0.5 0.75 0.015
";

const POSCAR: &str = "\
strontium titanate
2.0
 1.9525 0 0
 0 1.9525 0.0
 0 0 1.9525
Sr Ti O_h
1 1 3
Selective dynamics
Direct
0 0 0 T T T
0.5 0.5 0.5 F F F
0.5 0.5 0.0 T T T
0.5 0.0 0.5 T T T
0.0 0.5 0.5 T T T

 0.1 0.2 0.3
";

const LAMMPS: &str = "\
LAMMPS data file, metal units

3 atoms # three
2 atom types
-1.0 9.0 xlo xhi
-2.0 18.0 ylo yhi
0 30 zlo zhi
0 0 0 xy xz yz

Masses

1 196.967
2 28.0855 # Si

Pair Coeffs # lj/cut

1 0.1 2.0
2 0.1 2.0

Atoms # charge

3 2 0.5 0.0 1.0 2.0 0 0 1
1 1 0.0 -1.0 -2.0 0.0 0 0 0
2 1 -0.5 4.0 3.0 29.5 0 0 0

Velocities

1 0 0 0
2 0 0 0
3 0 0 0
";

const PDB: &str = "\
HEADER    A PARTICLE
CRYST1   30.000   40.000   50.000  90.00  90.00  90.00 P 1           1
MODEL        1
HETATM    1 AU   UNK A   1      10.000  20.000  30.500  1.00  0.55          AU
ATOM      2  CA  ALA A   2      11.000  21.500  -0.125  0.50  1.25           C
ATOM      3 SI   UNK A   3      12.000  22.500   1.125  0.50  1.25
ENDMDL
MODEL        2
HETATM    1 AU   UNK A   1      99.000  20.000  30.500  1.00  0.55          AU
ENDMDL
END
";

const XYZ: &str =
    "2\nLattice=\"4 0 0 0 5 0 0 0 6\" Properties=species:S:1:pos:R:3:debye_waller_b:R:1\nSi 0 0 0 0.5\nAu 1 2 3 0.6\n";

const SAMPLES: [(Format, &str); 5] = [
    (Format::Xyz, XYZ),
    (Format::Cif, ROCK_SALT),
    (Format::Poscar, POSCAR),
    (Format::Lammps, LAMMPS),
    (Format::Pdb, PDB),
];

fn parse(format: Format, bytes: &[u8]) -> Result<Atoms> {
    let path = Path::new("sample");
    let text = Text::of(path, format.name(), bytes);
    match format {
        Format::Xyz => xyz::parse(path, text.as_str()),
        Format::Cif => cif::parse(&text),
        Format::Poscar => poscar::parse(&text),
        Format::Lammps => lammps::parse(&text),
        Format::Pdb => pdb::parse(&text),
    }
}

fn refusal(format: Format, text: &str) -> String {
    parse(format, text.as_bytes()).unwrap_err().to_string()
}

/// The sample with one part replaced; the error that makes.
fn changed(format: Format, from: &str, to: &str) -> String {
    let (_, sample) = SAMPLES.into_iter().find(|(f, _)| *f == format).unwrap();
    assert!(sample.contains(from), "{from}");
    refusal(format, &sample.replacen(from, to, 1))
}

#[test]
fn symmetry_fills_the_cell_of_rock_salt() {
    let atoms = parse(Format::Cif, ROCK_SALT.as_bytes()).unwrap();
    assert_eq!((atoms.len(), atoms.cell()), (8, Some([5.6402; 3])));
    assert_eq!(atoms.species(), [11, 11, 11, 11, 17, 17, 17, 17]);
    assert_eq!((atoms.occupancies().unwrap()[0], atoms.occupancies().unwrap()[7]), (1.0, 0.75));
    assert!((atoms.debye_waller_b().unwrap()[0] - 1.5791367).abs() < 1e-6);
    atoms.check_in_cell().unwrap();
    let crystal = atoms.repeated([2; 3]).unwrap();
    let pairs = crate::specimen::close_pairs(&crystal, 2.82011, [true; 3]).unwrap();
    // each of the 32 sodium atoms has six neighbours, all of chlorine
    assert_eq!(pairs.len(), 32 * 6);
    let species = crystal.species();
    assert!(pairs.iter().all(|p| (p.distance - 2.8201).abs() < 1e-9 && species[p.first] != species[p.second]));
}

#[test]
fn cif_without_symmetry_keeps_its_atoms_in_place() {
    let text =
        "data_a\n_cell_length_a 4\n_cell_length_b 5\n_cell_length_c 6\nloop_\n_atom_site_label\n_atom_site_fract_x\n\
                _atom_site_fract_y\n_atom_site_fract_z\nSi1 -0.25 1.5 0.5\n";
    let atoms = parse(Format::Cif, text.as_bytes()).unwrap();
    assert_eq!((atoms.positions()[0], atoms.species()[0]), ([-1.0, 7.5, 3.0], 14));
    assert!(atoms.occupancies().is_none() && atoms.debye_waller_b().is_none());
    let cartesian =
        "data_a\nloop_\n_atom_site.type_symbol\n_atom_site.Cartn_x\n_atom_site.Cartn_y\n_atom_site.Cartn_z\n\
                     _atom_site.B_iso_or_equiv\nC 1 2 3 10.5\nN 4 5 6 ?\n";
    let atoms = parse(Format::Cif, cartesian.as_bytes()).unwrap();
    assert_eq!((atoms.cell(), atoms.positions()[1], atoms.debye_waller_b()), (None, [4.0, 5.0, 6.0], None));
    let symmetric = format!("{cartesian}loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x,y,z'\n");
    assert!(refusal(Format::Cif, &symmetric).contains("symmetry operations but no cell"));
}

#[test]
fn faults_of_cif_are_named() {
    let message = |from: &str, to: &str| changed(Format::Cif, from, to);
    assert!(message("_angle_gamma 90", "_angle_gamma 120").contains("line 8: the cell is not orthogonal"));
    assert!(message("'x, y, z' '-x,-y,z'", "'x, y' '-x,-y,z'").contains("line 12: `x, y` is no symmetry operation"));
    assert!(message("Na1 Na1+ 0 0", "Na1 Na1+ zero 0").contains("line 22: `zero` is no number"));
    assert!(message("Na1 Na1+ 0 0", "Na1 Qq1+ 0 0").contains("line 22: `Qq1+` is no element"));
    assert!(message("Na1 Na1+ 0 0", "Na1 Na1+ ? 0").contains("line 22: an atom site has no coordinates"));
    assert!(message("Na1 Na1+ 0 0", "Na1 Na1+ 0").contains("line 14: a loop of 7 tags has 13 values"));
    assert!(message("_cell_length_b    5.6402(2)", "").contains("no _cell_length_b"));
    assert!(message("_symmetry_equiv_pos_as_xyz", "_something_else").contains("line 9: it names space group F m -3 m"));
    assert!(message("_atom_site_fract_x", "_atom_site_x").contains("none of its 1 data blocks"));
    assert!(message("data_NaCl", "").contains("line 3: it does not begin with a data block"));
    assert!(message("1.0 0.0200", "1.5 0.0200").contains("occupancy of atom 0 is 1.5"));
}

#[test]
fn poscar_of_a_perovskite() {
    let atoms = parse(Format::Poscar, POSCAR.as_bytes()).unwrap();
    assert_eq!((atoms.cell(), atoms.species()), (Some([3.905; 3]), &[38, 22, 8, 8, 8][..]));
    assert_eq!(atoms.positions()[2], [1.9525, 1.9525, 0.0]);
    let cartesian = POSCAR.replacen("Direct", "cartesian", 1).replacen("2.0", "-59.547442625", 1);
    let atoms = parse(Format::Poscar, cartesian.as_bytes()).unwrap();
    assert!((atoms.positions()[1][0] - 1.0).abs() < 1e-9 && (atoms.cell().unwrap()[2] - 3.905).abs() < 1e-9);
    let message = |from: &str, to: &str| changed(Format::Poscar, from, to);
    assert!(message("Sr Ti O_h\n", "").contains("line 6: `1 1 3`, wanted the symbols of the elements"));
    assert!(message("Sr Ti O_h", "Sr Qq O_h").contains("line 6: `Qq` is no element"));
    assert!(message("1 1 3", "1 1").contains("line 7: `1 1` has 2 numbers of atoms, wanted 3"));
    assert!(message("1 1 3", "1 1 18446744073709551615").contains("too many atoms"));
    assert!(message("1 1 3", "1 1 300").contains("line 15: `` has fewer than 3 numbers"));
    assert!(message("Direct", "Fractional").contains("line 9: `Fractional`, wanted Direct or Cartesian"));
    assert!(message("2.0", "0.0").contains("line 2: the scale of the cell is 0"));
    assert!(message("2.0", "two").contains("line 2: `two` is no scale"));
    assert!(message(" 0 1.9525 0.0", " 1 1.9525 0.0").contains("line 3: the cell is not orthogonal"));
}

#[test]
fn lammps_data_in_the_order_of_their_numbers() {
    let atoms = parse(Format::Lammps, LAMMPS.as_bytes()).unwrap();
    assert_eq!((atoms.cell(), atoms.species()), (Some([10.0, 20.0, 30.0]), &[79, 79, 14][..]));
    assert_eq!(atoms.positions(), [[0.0; 3], [5.0, 5.0, 29.5], [1.0, 3.0, 2.0]]);
    let labels =
        LAMMPS.replacen("Masses", "Atom Type Labels\n\n1 Pt\n2 Cu\n\nMasses", 1).replacen("3 2 0.5", "3 Cu 0.5", 1);
    assert_eq!(parse(Format::Lammps, labels.as_bytes()).unwrap().species(), [78, 78, 14]);
    let unnamed = LAMMPS.replacen("196.967", "12345", 1).replacen("# charge", "", 1);
    assert_eq!(parse(Format::Lammps, unnamed.as_bytes()).unwrap().species(), [0, 0, 14]);
    let message = |from: &str, to: &str| changed(Format::Lammps, from, to);
    assert!(message("3 atoms", "4 atoms").contains("section Atoms has 3 lines, the header says 4"));
    assert!(message("3 atoms # three", "").contains("`N atoms`"));
    assert!(message("-2.0 18.0 ylo yhi", "").contains("`ylo yhi`"));
    assert!(message("-2.0 18.0", "-2.0 -3.0").contains("line 6: the box reaches from -2 to -3"));
    assert!(message("0 0 0 xy", "0 1.5 0 xy").contains("line 8: the cell is not orthogonal: a tilt is `1.5`"));
    assert!(message("# charge", "# sphere").contains("line 20: atom style `sphere`"));
    assert!(message("3 2 0.5", "1 2 0.5").contains("two atoms have the number 1"));
    assert!(message("3 2 0.5", "3 two 0.5").contains("line 22: `two` is no type of atom"));
    assert!(message("3 2 0.5 0.0 1.0 2.0 0 0 1", "3 2 0.5 0.0").contains("line 22"));
}

#[test]
fn pdb_takes_the_first_model() {
    let atoms = parse(Format::Pdb, PDB.as_bytes()).unwrap();
    assert_eq!((atoms.cell(), atoms.species()), (Some([30.0, 40.0, 50.0]), &[79, 6, 14][..]));
    assert_eq!(atoms.positions()[1], [11.0, 21.5, -0.125]);
    assert_eq!(atoms.occupancies().unwrap(), [1.0, 0.5, 0.5]);
    assert_eq!(atoms.debye_waller_b().unwrap(), [0.55, 1.25, 1.25]);
    let other_group = PDB.replacen(" P 1 ", " P 21", 1);
    assert_eq!(parse(Format::Pdb, other_group.as_bytes()).unwrap().cell(), None);
    let bare = "ATOM      1 FE   UNK A   1       1.000   2.000   3.000\n";
    let atoms = parse(Format::Pdb, bare.as_bytes()).unwrap();
    assert_eq!((atoms.species(), atoms.occupancies(), atoms.debye_waller_b()), (&[26][..], None, None));
    let message = |from: &str, to: &str| changed(Format::Pdb, from, to);
    assert!(message("  10.000  20.000", "  10.000  20.0o0").contains("line 4: `20.0o0` is no number"));
    assert!(message("  90.00 P 1 ", "  91.00 P 1 ").contains("line 2: the cell is not orthogonal"));
    assert!(message("          AU\n", "          Q1\n").contains("line 4: `Q1` is no element"));
    assert!(refusal(Format::Pdb, "END\n").contains("no line begins with ATOM"));
    assert!(refusal(Format::Pdb, "ATOM      1 AU   UNK A   1      10.000\n").contains("line 1"));
    assert!(refusal(Format::Pdb, "ATOM  \u{e9}\u{e9}\u{e9}\n").contains("line 1"));
}

/// Atoms in a cell whose numbers have all their digits.
fn alloy() -> Atoms {
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(3);
    let cell = [10.0 / 3.0, 200.0 / 7.0, 31.0];
    let positions = (0..40).map(|_| std::array::from_fn(|i| cell[i] * rng.random::<f64>())).collect();
    Atoms::new(positions)
        .and_then(|a| a.with_species((0..40).map(|i| [79, 29, 28][i % 3]).collect()))
        .and_then(|a| a.with_occupancies((0..40).map(|i| f64::from(100 - i) / 100.0).collect()))
        .and_then(|a| a.with_debye_waller((0..40).map(|i| f64::from(i) / 100.0).collect()))
        .and_then(|a| a.with_cell(cell))
        .unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let atoms = alloy();
    for (name, digits) in [("a.xyz", 0.0), ("a.cif", 1e-14), ("POSCAR", 0.0), ("a.lmp", 0.0), ("a.pdb", 6e-4)] {
        let path = folder.path().join(name);
        write(&atoms, &path, None).unwrap();
        let again = read(&path, None).unwrap();
        // VASP wants the atoms of an element together
        let order: Vec<usize> = match name {
            "POSCAR" => (0..3).flat_map(|z| (0..40).filter(move |i| i % 3 == z)).collect(),
            _ => (0..40).collect(),
        };
        let wanted = atoms.subset(&order).unwrap();
        assert_eq!(again.species(), wanted.species(), "{name}");
        for (a, b) in again.positions().as_flattened().iter().zip(wanted.positions().as_flattened()) {
            assert!((a - b).abs() <= digits * (1.0 + b.abs()), "{name} {a} {b}");
        }
        let edges = again.cell().unwrap();
        assert!(edges.iter().zip(atoms.cell().unwrap()).all(|(a, b)| (a - b).abs() <= digits), "{name} {edges:?}");
        if matches!(name, "a.xyz" | "a.cif" | "a.pdb") {
            assert_eq!(again.occupancies(), atoms.occupancies(), "{name}");
            assert_eq!(again.debye_waller_b(), atoms.debye_waller_b(), "{name}");
        }
    }
    let path = folder.path().join("any.name");
    write(&atoms, &path, Some(Format::Cif)).unwrap();
    assert_eq!(read(&path, Some(Format::Cif)).unwrap().len(), 40);
    let error = read(&path, None).unwrap_err();
    assert!(error.code() == 104 && error.to_string().contains("any.name"), "{error}");
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let bare = Atoms::new(vec![[12345.0, 0.0, 0.0]]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let code = |atoms: &Atoms, format: Format| {
        let error = write(atoms, &folder.path().join("a"), Some(format)).unwrap_err();
        error.code()
    };
    for format in [Format::Cif, Format::Poscar, Format::Lammps] {
        assert_eq!(code(&bare, format), 200, "{format:?}");
    }
    assert_eq!(code(&bare, Format::Pdb), 103);
    assert_eq!(code(&bare.with_cell([1e5; 3]).unwrap(), Format::Lammps), 302);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!("cube".parse::<Format>().unwrap_err().code(), 104);
    for (name, format) in
        [("A.CIF", Format::Cif), ("CONTCAR.old", Format::Poscar), ("x.Data", Format::Lammps), ("x", Format::Xyz)]
    {
        assert_eq!(Format::of_path(Path::new(name)).unwrap(), format);
    }
}

/// Cut anywhere, or with bytes replaced, doubled or dropped, a file is an error or a list of atoms: never a panic.
#[test]
fn cut_and_garbled_files_are_errors_or_atoms() {
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(11);
    let pool = b"0123456789.-+eE /*,'\"#;_()\n\t\0\xff\xc3xyzXYZ";
    for (format, sample) in SAMPLES {
        let bytes = sample.as_bytes();
        for end in 0..bytes.len() {
            let _ = parse(format, &bytes[..end]);
        }
        let mut refused = 0;
        for _ in 0..3000 {
            let mut garbled = bytes.to_vec();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..garbled.len());
                match rng.random_range(0..4) {
                    0 => drop(garbled.remove(at)),
                    1 => garbled.insert(at, pool[rng.random_range(0..pool.len())]),
                    2 => garbled[at] = rng.random(),
                    _ => garbled[at] = pool[rng.random_range(0..pool.len())],
                }
            }
            match parse(format, &garbled) {
                Ok(atoms) => assert!(atoms.positions().as_flattened().iter().all(|p| p.is_finite())),
                Err(error) => {
                    assert!(error.code() != 900, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 300, "{format:?}: only {refused} of 3000 garbled files were refused");
    }
}
