//! Slices of projected potential against abTEM 1.0.11's `exact` files (computed in double, stored in single precision,
//! indexed [x, y]). Reads the folder `abtem_reference` below AET_DATA_DIR; skips where it is absent.

use std::path::{Path, PathBuf};

use aet::forward::potential::{Placement, Potential, PotentialOptions, Scatterers};
use aet::grid::Plane;
use aet::io::{npy, xyz};
use aet::simd::{Real, SimdPath};
use aet::specimen::{elements, Parametrization};
use serde_json::Value;

#[allow(dead_code)] // the arrays here have three axes, and a reader of the library
#[path = "common/stored.rs"]
mod stored;

const DOUBLE: f64 = 2e-6;
const SINGLE: f64 = 3e-5;

fn reference() -> Option<(PathBuf, Value)> {
    Some((stored::folder(), stored::dataset()?))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Largest difference of all slices from the file, relative to its largest value.
fn error<T: Real>(
    plane: Plane,
    edges: &[f64],
    atoms: &Scatterers,
    options: PotentialOptions,
    file: &ndarray::Array3<f32>,
) -> f64 {
    let plan = Potential::<T>::new(SimdPath::detect(), plane, edges, &atoms.species, options).unwrap();
    let atoms = plan.place(atoms).unwrap();
    let mut workspace = plan.workspace();
    let mut out = vec![T::zero(); plane.pixels()];
    let largest = file.iter().fold(0.0, |m: f64, v| m.max(v.abs().into()));
    assert_eq!(file.dim(), (plan.slice_count(), plane.columns, plane.rows));
    let mut worst = 0.0f64;
    for (index, wanted) in file.outer_iter().enumerate() {
        plan.slice(&atoms, index, &mut workspace, &mut out);
        for (i, value) in out.iter().enumerate() {
            let wanted = f64::from(wanted[[i % plane.columns, i / plane.columns]]);
            worst = worst.max((value.f64() - wanted).abs() / largest);
        }
    }
    worst
}

fn check(name: &str, plane: Plane, edges: &[f64], atoms: &Scatterers, p: Parametrization, file: &ndarray::Array3<f32>) {
    for placement in [Placement::Exact, PotentialOptions::GRIDDING] {
        let options = PotentialOptions { parametrization: p, placement, ..Default::default() };
        let double = error::<f64>(plane, edges, atoms, options, file);
        let single = error::<f32>(plane, edges, atoms, options, file);
        println!("{name} {placement:?}: {double:.1e} in double, {single:.1e} in single precision");
        assert!(double <= DOUBLE, "{name} {placement:?} in double precision: {double}");
        assert!(single <= SINGLE, "{name} {placement:?} in single precision: {single}");
    }
}

fn read(path: &Path) -> ndarray::Array3<f32> {
    let array = npy::read::<f32>(path).unwrap();
    let array = if array.ndim() == 2 { array.insert_axis(ndarray::Axis(0)) } else { array };
    array.into_dimensionality().unwrap()
}

#[test]
fn single_atoms_agree_with_abtem() {
    let Some((folder, dataset)) = reference() else { return };
    let potentials = &dataset["potentials"];
    let (length, n) = (potentials["box_A"].as_f64().unwrap(), potentials["gpts"].as_u64().unwrap() as usize);
    let plane = Plane::new(n, n, length / n as f64, length / n as f64).unwrap();
    let mut compared = 0;
    for (symbol, p, place) in ["Si", "Cu", "Au", "O", "Ba"]
        .into_iter()
        .flat_map(|s| Parametrization::ALL.map(|p| (s, p)))
        .flat_map(|(s, p)| ["on", "off"].map(|place| (s, p, place)))
    {
        let name = format!("{symbol}_{}_infinite_exact_{place}.npy", p.name());
        let path = folder.join("potentials").join(&name);
        if !path.exists() {
            continue;
        }
        let position = numbers(&potentials["atom_position_A"][place]).try_into().unwrap();
        let species = vec![elements::atomic_number(symbol).unwrap()];
        let atom = Scatterers { positions: vec![position], species, ..Default::default() };
        check(&name, plane, &[0.0, length], &atom, p, &read(&path));
        compared += 1;
    }
    assert!(compared >= 14, "{compared} files");
}

#[test]
fn slices_of_structures_agree_with_abtem() {
    let Some((folder, dataset)) = reference() else { return };
    for (case, file, slicing) in [
        ("au_cube", "potential_exact_2A.npy", "slice_edges_2A"),
        ("srtio3_slab", "potential_exact_1A.npy", "slice_edges_1A"),
    ] {
        let description = &dataset[case];
        let (gpts, extent) = (numbers(&description["gpts"]), numbers(&description["extent_A"]));
        let plane = Plane::new(gpts[1] as usize, gpts[0] as usize, extent[1] / gpts[1], extent[0] / gpts[0]).unwrap();
        let structure = xyz::read(&folder.join(case).join("structure.xyz")).unwrap();
        let atoms = Scatterers {
            positions: structure.positions().to_vec(),
            species: structure.species().to_vec(),
            ..Default::default()
        };
        let p = description["parametrization"].as_str().unwrap().parse().unwrap();
        let edges = numbers(&description[slicing]);
        check(case, plane, &edges, &atoms, p, &read(&folder.join(case).join(file)));
    }
}

/// Seconds for all slices on one thread: run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings, checks nothing"]
fn timings() {
    for (count, n, slices, pixel) in [(3832usize, 512usize, 28usize, 0.125), (80_000, 1024, 50, 0.125)] {
        let plane = Plane::new(n, n, pixel, pixel).unwrap();
        let (width, depth) = (pixel * n as f64, 2.0 * slices as f64);
        let noise = |i: usize| ((i as f64 * 0.754_877_666_246_693).fract(), (i as f64 * 0.569_840_290_998_053).fract());
        let place = |i: usize| {
            let (a, b) = noise(i);
            [width * a, width * b, depth * i as f64 / count as f64]
        };
        let positions = (0..count).map(place).collect();
        let atoms = Scatterers { positions, species: vec![79; count], ..Default::default() };
        let edges: Vec<f64> = (0..=slices).map(|i| 2.0 * i as f64).collect();
        for (placement, projection, part) in [
            (Placement::Exact, aet::forward::potential::Projection::Infinite, 1),
            (PotentialOptions::GRIDDING, aet::forward::potential::Projection::Infinite, 1),
            (Placement::Exact, PotentialOptions::FINITE, 10),
            (PotentialOptions::GRIDDING, PotentialOptions::FINITE, 10),
        ] {
            let options = PotentialOptions { placement, projection, ..Default::default() };
            let start = std::time::Instant::now();
            let plan = Potential::<f32>::new(SimdPath::detect(), plane, &edges, &[79], options).unwrap();
            let placed = plan.place(&atoms).unwrap();
            let (mut workspace, mut out) = (plan.workspace(), vec![0.0; plane.pixels()]);
            let made = start.elapsed().as_secs_f64();
            let start = std::time::Instant::now();
            let run = slices / part;
            for index in 0..run {
                plan.slice(&placed, index, &mut workspace, &mut out);
            }
            let forward = start.elapsed().as_secs_f64() * slices as f64 / run as f64;
            let mut gradient = aet::forward::potential::AtomGradient::zeros(count);
            let start = std::time::Instant::now();
            for index in 0..run {
                plan.pull_back(&placed, index, &out, &mut workspace, &mut gradient);
            }
            let back = start.elapsed().as_secs_f64() * slices as f64 / run as f64;
            println!("{count} atoms, {n}^2 x {slices}: {placement:?} {projection:?}: plan {made:.2} s, slices {forward:.2} s, pull back {back:.2} s");
        }
    }
}
