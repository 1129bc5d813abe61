//! Simulations against exact values: those of abTEM in `AET_DATA_DIR`, and a folder of the same schema that is made here
//! with plain formulas, where nothing is square, round or named as there. Both are walked by the program of
//! `--example abtem_reference`.

#[path = "../examples/rust/abtem_reference/cases.rs"]
mod cases;
#[path = "../examples/rust/abtem_reference/compare.rs"]
mod compare;
#[path = "common/plain_multislice.rs"]
mod plain_multislice;
#[path = "../examples/rust/abtem_reference/reference.rs"]
mod reference;
#[path = "../examples/rust/abtem_reference/scans.rs"]
mod scans;

use aet::context::{Context, ContextOptions};
use aet::electron;
use aet::io::{npy, xyz};
use aet::simd::Real;
use aet::specimen::{Atoms, Parametrization, ScatteringFactor};
use compare::{Group, Report};
use ndarray::Array2;
use num_complex::Complex64;
use plain_multislice::Plain;
use reference::Reference;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};

fn context() -> Context {
    Context::new(&ContextOptions { threads: Some(2), simd: None }).unwrap()
}

fn walk<T: Real>(reference: &Reference) -> Report {
    let mut report = Report::talkative();
    cases::walk::<T>(&context(), reference, &mut report).unwrap();
    report
}

#[test]
fn abtem_is_met() {
    let data = std::env::var_os("AET_DATA_DIR").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = data.join("abtem_reference");
    if !folder.join("dataset.json").exists() {
        println!("skipped: no {} (set AET_DATA_DIR)", folder.display());
        return;
    }
    let few = |path: &str| {
        let atoms = ["Au_lobato", "Ba_kirkland"].iter().any(|name| path.contains(name));
        (path.starts_with("potentials/") && atoms)
            || (path.starts_with("probes/") && (path.contains("_all_") || path.contains("_hard_")))
            || path.contains("_2A")
            || path.contains("multislice_")
    };
    let all = Reference::open(&folder).unwrap();
    let (double, single) = (walk::<f64>(&all.of(few)), walk::<f32>(&all.of(|path| !path.contains("prism_f1"))));
    for group in Group::ALL {
        assert!(double.worst(group) < 2e-6 || double.worst(group).is_nan(), "{}", double.line());
        assert!(single.worst(group) < 3e-5 || single.worst(group).is_nan(), "{}", single.line());
    }
    for group in [Group::Potential, Group::Probe, Group::ExitWave, Group::Cbed, Group::Scan] {
        assert!(!double.worst(group).is_nan() && !single.worst(group).is_nan(), "{}", group.name());
    }
}

const POINTS: (usize, usize) = (30, 36);
const LENGTHS: (f64, f64) = (6.9, 7.2);
const EDGES: [f64; 4] = [0.0, 1.2, 3.0, 5.0];
const ENERGY: f64 = 120e3;
const SECOND_ENERGY: f64 = 100e3;
const SEMIANGLE: f64 = 26.0;

fn plain(energy: f64) -> Plain {
    let wavelength = electron::wavelength(energy).unwrap();
    let sigma = electron::interaction_constant(energy).unwrap();
    Plain { points: POINTS, lengths: LENGTHS, wavelength, sigma }
}

fn atoms(shift: f64) -> Atoms {
    let positions = (0..6).map(|i| {
        let i = f64::from(i);
        [(2.3 * i + 0.7 + shift) % LENGTHS.1, (3.1 * i + 0.2 - shift).abs() % LENGTHS.0, (1.9 * i + 0.1) % 5.0]
    });
    let atoms = Atoms::new(positions.collect()).unwrap().with_species(vec![8, 38, 8, 22, 8, 38]).unwrap();
    atoms.with_cell([LENGTHS.1, LENGTHS.0, 5.0]).unwrap()
}

fn slices(atoms: &Atoms, plain: &Plain, edges: &[f64]) -> Vec<Array2<f64>> {
    let of_slice = |edges: &[f64]| {
        let factors: Vec<_> = (0..atoms.len())
            .filter(|i| (edges[0]..edges[1]).contains(&atoms.positions()[*i][2]))
            .map(|i| (ScatteringFactor::new(Parametrization::Kirkland, atoms.species()[i]).unwrap(), i))
            .map(|(factor, i)| (move |k: f64| factor.projected(k), atoms.positions()[i]))
            .collect();
        let placed: Vec<plain_multislice::PlacedAtom<'_>> =
            factors.iter().map(|(f, p)| (f as &dyn Fn(f64) -> f64, p[0], p[1])).collect();
        plain.potential(&placed)
    };
    edges.windows(2).map(of_slice).collect()
}

fn through(plain: &Plain, potentials: &[Array2<f64>], edges: &[f64], mut psi: Array2<Complex64>) -> Array2<Complex64> {
    for (v, edges) in potentials.iter().zip(edges.windows(2)) {
        plain.slice(&mut psi, &plain.transmission(v), edges[1] - edges[0]);
    }
    psi
}

fn aberrations() -> Value {
    json!({"C10": -40.0, "C12": 15.0, "phi12": 0.4, "C21": 400.0, "phi21": -0.8})
}

fn chi(alpha: f64, phi: f64) -> f64 {
    let second = 0.5 * alpha * alpha * (-40.0 + 15.0 * (2.0 * (phi - 0.4)).cos());
    second + alpha.powi(3) / 3.0 * 400.0 * (phi + 0.8).cos()
}

/// The folder while it is made: arrays are stored x first, patterns with the zero angle at n / 2.
struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write<V: npyz::AutoSerialize>(&self, name: &str, shape: &[usize], values: impl IntoIterator<Item = V>) {
        npy::write(&self.path(name), shape, values, &mut |_| true).unwrap();
    }

    fn transposed<V: npyz::AutoSerialize + Copy>(&self, name: &str, array: &Array2<V>) {
        self.write(name, &[array.ncols(), array.nrows()], array.t().iter().copied());
    }
}

/// One scan: the signals of `DETECTORS`, told by hand.
fn make_scan(folder: &Folder, name: &str, (nx, ny): (usize, usize), patterns: &[Array2<f64>], plain: &Plain) {
    let (rows, columns) = POINTS;
    let offset = |i: usize, n: usize| i as f64 - if 2 * i >= n { n as f64 } else { 0.0 };
    // what each pixel of a pattern adds to which number of a signal
    type Rule<'a> = &'a dyn Fn(f64, f64) -> Option<(usize, f64)>;
    let signals = |length: usize, rule: Rule<'_>| -> Vec<f64> {
        let mut all = vec![];
        for (ix, iy) in (0..nx).flat_map(|ix| (0..ny).map(move |iy| (ix, iy))) {
            let mut signal = vec![0.0; length];
            for ((row, column), intensity) in patterns[iy * nx + ix].indexed_iter() {
                let (ky, kx) = (offset(row, rows) / LENGTHS.0, offset(column, columns) / LENGTHS.1);
                if let Some((place, weight)) = rule(kx, ky) {
                    signal[place] += weight * intensity;
                }
            }
            all.extend(signal);
        }
        all
    };
    let mrad = |kx: f64, ky: f64| 1e3 * plain.wavelength * kx.hypot(ky);
    let within = |a: f64, inner: f64, outer: f64| a >= inner && a < outer;
    let ring = signals(1, &|kx, ky| within(mrad(kx, ky), 20.0, 41.0).then_some((0, 1.0)));
    folder.write(&format!("{name}/multislice_ring.npy"), &[nx, ny], ring);
    let rings = signals(5, &|kx, ky| {
        within(mrad(kx, ky), 2.0, 42.0).then(|| (((mrad(kx, ky) - 2.0) / 8.0).floor() as usize, 1.0))
    });
    folder.write(&format!("{name}/multislice_flexible_8mrad.npy"), &[nx, ny, 5, 1], rings);
    let segments = signals(6, &|kx, ky| {
        let turn = (ky.atan2(kx) - 0.4).rem_euclid(std::f64::consts::TAU) / std::f64::consts::TAU;
        let ring = usize::from(mrad(kx, ky) >= 20.0);
        within(mrad(kx, ky), 0.0, 40.0).then_some((3 * ring + (3.0 * turn).floor() as usize, 1.0))
    });
    folder.write(&format!("{name}/multislice_segmented.npy"), &[nx, ny, 2, 3], segments);
    let total = signals(1, &|_, _| Some((0, 1.0)));
    let moments = [signals(1, &|kx, _| Some((0, kx))), signals(1, &|_, ky| Some((0, ky)))].concat();
    let com = moments.iter().enumerate().map(|(i, m)| m / total[i % (nx * ny)]);
    folder.write(&format!("{name}/multislice_com.npy"), &[2, nx, ny], com);
    let pixel = |k: f64, length: f64, n: usize| {
        usize::try_from((k * length).round() as i64 + n as i64 / 2).ok().filter(|i| *i < n)
    };
    let crop = signals(7 * 5, &|kx, ky| Some((pixel(kx, LENGTHS.1, 7)? * 5 + pixel(ky, LENGTHS.0, 5)?, 1.0)));
    folder.write(&format!("{name}/multislice_4dstem.npy"), &[nx, ny, 7, 5], crop);
    folder.transposed(&format!("{name}/multislice_pattern_1_0.npy"), &centred(&patterns[1]));
    folder.write(&format!("{name}/multislice_of_nothing_known.npy"), &[1], [0.0]);
}

fn centred(pattern: &Array2<f64>) -> Array2<f64> {
    let (rows, columns) = POINTS;
    Array2::from_shape_fn(POINTS, |(i, j)| {
        pattern[[(i + rows - rows / 2) % rows, (j + columns - columns / 2) % columns]]
    })
}

fn scan_parameters(energy: f64, (nx, ny): (usize, usize)) -> Value {
    json!({
        "energy_eV": energy, "semiangle_mrad": SEMIANGLE, "aberrations": aberrations(), "slice_thickness_A": 2.0,
        "scan": {"start": [1.0, 0.5], "end": [5.0, 3.5], "gpts": [nx, ny]},
        "annular_mrad": {"ring": [20, 41]},
        "flexible": {"inner": 2, "outer": 42.0, "step_mrad": 8.0},
        "segmented": {"inner": 0, "outer": 40.0, "nbins_radial": 2, "nbins_azimuthal": 3, "rotation": 0.4},
    })
}

fn scan_patterns(energy: f64, shift: f64, (nx, ny): (usize, usize)) -> Vec<Array2<f64>> {
    // ceil(5 / 2) = 3 equal slices
    let (plain, edges) = (plain(energy), [0.0, 5.0 / 3.0, 10.0 / 3.0, 5.0]);
    let potentials = slices(&atoms(shift), &plain, &edges);
    let pattern = |i: usize| {
        let at = (1.0 + 4.0 * (i % nx) as f64 / nx as f64, 0.5 + 3.0 * (i / nx) as f64 / ny as f64);
        plain.pattern(&through(&plain, &potentials, &edges, plain.probe(SEMIANGLE, chi, at)))
    };
    (0..nx * ny).map(pattern).collect()
}

fn make_scans(folder: &Folder) {
    make_scan(folder, "a", (3, 2), &scan_patterns(ENERGY, 0.0, (3, 2)), &plain(ENERGY));
    make_scan(folder, "b", (2, 2), &scan_patterns(SECOND_ENERGY, 0.0, (2, 2)), &plain(SECOND_ENERGY));
    let still = 0.21;
    let moved: Vec<Vec<f64>> = [still, -0.13]
        .into_iter()
        .enumerate()
        .map(|(i, shift)| {
            xyz::write(&atoms(shift), &folder.path(&format!("b/moved/{i}.xyz"))).unwrap();
            make_scan(folder, "scratch", (2, 2), &scan_patterns(SECOND_ENERGY, shift, (2, 2)), &plain(SECOND_ENERGY));
            npy::read::<f64>(&folder.path("scratch/multislice_ring.npy")).unwrap().iter().copied().collect()
        })
        .collect();
    folder.write("b/moved/ring_per_config.npy", &[2, 2, 2], moved.concat());
    folder.write("b/moved/ring_mean.npy", &[2, 2], (0..4).map(|i| 0.5 * (moved[0][i] + moved[1][i])));
}

fn make_folder() -> Folder {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (own, slab) = (plain(ENERGY), atoms(0.0));
    let strontium = ScatteringFactor::new(Parametrization::Lobato, 38).unwrap();
    let atom = own.potential(&[(&|k| strontium.projected(k), 2.11, 4.07)]);
    folder.transposed("one/Sr_lobato_infinite_exact_beside.npy", &atom);
    let beam = own.probe(SEMIANGLE, chi, (2.3, 1.9));
    folder.transposed("beams/probe_of_mine.npy", &beam);
    xyz::write(&slab, &folder.path("slab.xyz")).unwrap();
    let potentials = slices(&slab, &own, &EDGES);
    let (rows, columns) = POINTS;
    let stacked = potentials.iter().flat_map(|v| v.t().iter().copied().collect::<Vec<_>>());
    folder.write("slab/potential_exact_uneven.npy", &[3, columns, rows], stacked);
    let plane = Array2::from_elem(POINTS, Complex64::ONE);
    folder.transposed("slab/exit_plane_exact_uneven.npy", &through(&own, &potentials, &EDGES, plane));
    let exit = through(&own, &potentials, &EDGES, beam);
    folder.transposed("slab/exit_probe_exact_uneven.npy", &exit);
    folder.transposed("slab/cbed_exact_uneven.npy", &centred(&own.pattern(&exit)));
    make_scans(&folder);
    let extent = [LENGTHS.1, LENGTHS.0];
    let about = json!({"semiangle_mrad": SEMIANGLE, "aberrations": aberrations(), "soft_aperture": true, "position_A": [2.3, 1.9]});
    let cell = json!({
        "energy_eV": ENERGY, "gpts": [columns, rows], "extent_A": extent, "height_A": 5.0, "semiangle_mrad": SEMIANGLE,
        "aberrations": aberrations(), "parametrization": "kirkland", "probe_position_A": [2.3, 1.9],
        "slice_edges_uneven": EDGES,
    });
    let dataset = json!({
        "schema": "aet-simulation-reference/1",
        "cases": [
            {"name": "one", "kind": "potentials", "folder": "one"},
            {"name": "beams", "kind": "probes", "folder": "beams"},
            {"name": "slab", "kind": "exit_waves", "folder": "slab", "structure": "slab.xyz", "slicings": ["uneven"]},
            {"name": "first scan", "kind": "scan", "folder": "a", "structure": "slab.xyz", "cell_of": "slab"},
            {"name": "second scan", "kind": "scan", "folder": "b", "structure": "slab.xyz", "cell_of": "slab",
             "phonon_configurations": ["b/moved/0.xyz", "b/moved/1.xyz"]},
        ],
        "one": {"box_A": [LENGTHS.1, LENGTHS.0, 3.0], "atom_position_A": {"beside": [2.11, 4.07, 1.0]}},
        "beams": {"energy_eV": ENERGY, "extent_A": extent},
        "slab": cell,
        "first scan": scan_parameters(ENERGY, (3, 2)),
        "second scan": scan_parameters(SECOND_ENERGY, (2, 2)),
        "files": {"beams/probe_of_mine.npy": about},
    });
    std::fs::write(folder.path("dataset.json"), dataset.to_string()).unwrap();
    folder
}

#[test]
fn a_folder_of_other_shapes_and_names_is_met() {
    let folder = make_folder();
    let reference = Reference::open(folder.0.path()).unwrap();
    let (double, single) = (walk::<f64>(&reference), walk::<f32>(&reference));
    for group in Group::ALL {
        if group == Group::Prism {
            assert!(double.line().contains("prism_err=nan"), "{}", double.line());
        } else {
            assert!(double.worst(group) < 1e-10, "{}", double.line());
            assert!(single.worst(group) < 3e-5 && single.worst(group) > 1e-9, "{}", single.line());
        }
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let folder = make_folder();
    let said = |change: &dyn Fn(&mut Value)| {
        let path = folder.path("dataset.json");
        let before = std::fs::read_to_string(&path).unwrap();
        let mut json: Value = serde_json::from_str(&before).unwrap();
        change(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
        let mut report = Report::default();
        let outcome = Reference::open(folder.0.path())
            .and_then(|reference| cases::walk::<f32>(&context(), &reference, &mut report));
        std::fs::write(&path, before).unwrap();
        outcome.unwrap_err().to_string()
    };
    let has = |text: String, words: &[&str]| assert!(words.iter().all(|word| text.contains(word)), "{text}");
    has(said(&|j| j["schema"] = json!("other/1")), &["`other/1`", "wanted `aet-simulation-reference/1`"]);
    has(said(&|j| j["slab"]["height_A"] = json!("tall")), &["dataset.json/slab/height_A is \"tall\"", "a number"]);
    has(said(&|j| j["cases"][2]["structure"] = json!("none.xyz")), &["case `slab`", "none.xyz", "No such file"]);
    has(said(&|j| j["cases"][0]["kind"] = json!("dreams")), &["case `one`", "`dreams`", "exit_waves"]);
    has(
        said(&|j| j["files"]["beams/probe_gone.npy"] = j["files"]["beams/probe_of_mine.npy"].clone()),
        &["probe_gone.npy"],
    );
    has(said(&|j| j["slab"]["gpts"] = json!([20, 30])), &["case `slab`"]);
    has(said(&|j| j["beams"] = Value::Null), &["dataset.json", "`beams`"]);
    has(said(&|j| j["first scan"]["scan"]["gpts"] = json!([3, 4])), &["shape is [3, 2", "computed was [3, 4"]);
    let error = Reference::open(&folder.path("nowhere")).err().unwrap().to_string();
    has(error, &["nowhere", "dataset.json"]);
}
