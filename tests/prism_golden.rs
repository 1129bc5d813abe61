//! PRISM against abTEM 1.0.11 (double precision, stored in single precision): whole patterns and detectors of a scan over
//! a gold cube, interpolation 1 and 2. Arrays are indexed [x, y] and [kx, ky], patterns have the zero angle at n / 2. Reads
//! the folder `abtem_reference` below AET_DATA_DIR; skips where it is absent.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aet::context::{Context, ContextOptions};
use aet::forward::multislice::{Multislice, MultisliceOptions, Transmission};
use aet::forward::prism::{PrismOptions, PrismPlan};
use aet::grid::Plane;
use aet::optics::{Aperture, BandLimit};
use aet::problem::Waiting;
use aet::simd::Real;
use num_complex::Complex64;
use serde_json::Value;

/// The position of which the whole pattern is stored.
const WHOLE: (usize, usize) = (7, 9);

fn reference() -> PathBuf {
    let data = std::env::var_os("AET_DATA_DIR").map(PathBuf::from);
    data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")).join("abtem_reference")
}

/// An array as the simulator stored it.
struct Stored {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Stored {
    fn read(name: &str) -> Self {
        let path = reference().join(name);
        let file = npyz::NpyFile::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
        assert_eq!(file.order(), npyz::Order::C);
        let shape = file.shape().iter().map(|n| *n as usize).collect();
        Stored { shape, values: file.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect() }
    }

    fn at(&self, index: &[usize]) -> f64 {
        assert_eq!(index.len(), self.shape.len());
        self.values[index.iter().zip(&self.shape).fold(0, |place, (i, n)| place * n + i)]
    }

    fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, v| v.abs().max(largest))
    }
}

/// Rings of the reference: pixels with inner <= alpha < outer.
fn rings(scan: &Value) -> Vec<(&'static str, f64, f64)> {
    let of = |name: &'static str| {
        let limits = &scan["annular_mrad"][name];
        (name, limits[0].as_f64().unwrap(), limits[1].as_f64().unwrap())
    };
    ["bf", "abf", "laadf", "haadf"].map(of).to_vec()
}

fn check<T: Real>(dataset: &Value, f: usize, tolerance: f64) {
    let (cube, scan) = (&dataset["au_cube"], &dataset["au_cube_stem_scan"]);
    let number = |of: &Value| of.as_f64().unwrap();
    let (n, extent) = (cube["gpts"][0].as_u64().unwrap() as usize, number(&cube["extent_A"][0]));
    let plane = Plane::new(n, n, extent / n as f64, extent / n as f64).unwrap();
    let (wavelength, sigma) = (number(&cube["wavelength_A"]), number(&cube["sigma_per_VA"]));
    let slices = Stored::read("au_cube/potential_exact_2A.npy");
    let context = Context::new(&ContextOptions::default()).unwrap();
    let thicknesses = vec![number(&scan["slice_thickness_A"]); slices.shape[0]];
    let engine =
        Multislice::<T>::new(context.simd(), &plane, wavelength, &thicknesses, &MultisliceOptions::default()).unwrap();
    let transmission = Transmission::new(context.simd(), &plane, sigma, 0.0, BandLimit::Circular).unwrap();
    let (mut object, mut workspace) = (engine.object(), transmission.workspace());
    for slice in 0..slices.shape[0] {
        let potential: Vec<T> = (0..n * n).map(|p| T::of(slices.at(&[slice, p % n, p / n]))).collect();
        let values = transmission.of_potential(&potential, &mut workspace);
        object.set_slice(slice, |row, column| values.get(row, column));
    }

    let alpha_max = 1e-3 * number(&scan["semiangle_mrad"]);
    let step = wavelength / extent;
    let pupil = |kx: f64, ky: f64| {
        let (alpha, phi) = (wavelength * kx.hypot(ky), ky.atan2(kx));
        Complex64::from(Aperture::Soft.amplitude(alpha, phi, alpha_max, (step, step)))
    };
    let options = PrismOptions { interpolation: (f, f), downsampling: false };
    let plan = PrismPlan::new(&engine, &options, pupil).unwrap();
    let case = format!("prism_f{f}");
    assert_eq!(plan.waves(), scan[&case]["plane_waves"].as_u64().unwrap() as usize, "{case}");

    let stored = Stored::read("au_cube_stem/scan_positions.npy");
    let (nx, ny) = (stored.shape[0], stored.shape[1]);
    let positions: Vec<(f64, f64)> = (0..nx * ny)
        .map(|i| {
            let at = |axis: &str, index: usize, n: usize| {
                let axis = usize::from(axis == "y");
                let (start, end) = (number(&scan["scan"]["start"][axis]), number(&scan["scan"]["end"][axis]));
                start + (end - start) * index as f64 / n as f64
            };
            let (x, y) = (at("x", i / ny, nx), at("y", i % ny, ny));
            assert!((x - stored.at(&[i / ny, i % ny, 0])).abs() < 1e-5, "{x} {}", stored.at(&[i / ny, i % ny, 0]));
            (x, y)
        })
        .collect();
    let mut tell = |_: f64| true;
    let mut waiting = Waiting { cancel: &context.cancel_token(), tell: &mut tell };
    let mut matrix = plan.matrix().unwrap();
    plan.scatter(&context, &engine, &object, &mut matrix, &mut waiting).unwrap();
    let probe = plan.probe(pupil).unwrap();
    let (window, rings) = (*plan.window(), rings(scan));
    let (whole, images) = (Mutex::new(vec![]), Mutex::new(vec![vec![0.0; positions.len()]; rings.len()]));
    let (ky, kx) = (window.frequencies_y(), window.frequencies_x());
    let take = |position: usize, pattern: &[T]| {
        for (ring, (_, inner, outer)) in rings.iter().enumerate() {
            let within = |p: &usize| {
                let mrad = 1e3 * wavelength * kx[p % window.columns].hypot(ky[p / window.columns]);
                mrad >= *inner && mrad < *outer
            };
            let sum = (0..pattern.len()).filter(within).map(|p| pattern[p].f64()).sum();
            images.lock().unwrap()[ring][position] = sum;
        }
        if position == WHOLE.0 * ny + WHOLE.1 {
            *whole.lock().unwrap() = pattern.iter().map(|v| v.f64()).collect();
        }
        Ok(())
    };
    plan.patterns(&context, &matrix, &probe, &positions, &take, &mut waiting).unwrap();

    let wanted = Stored::read(&format!("au_cube_stem/{case}_pattern_{}_{}.npy", WHOLE.0, WHOLE.1));
    assert_eq!(wanted.shape, [window.columns, window.rows]);
    let shifted = |i: usize, n: usize| (i + n / 2) % n;
    let error = |(p, got): (usize, &f64)| {
        let index = [shifted(p % window.columns, window.columns), shifted(p / window.columns, window.rows)];
        (got - wanted.at(&index)).abs() / wanted.largest()
    };
    let worst = whole.lock().unwrap().iter().enumerate().map(error).fold(0.0, f64::max);
    println!("{case} {}: pattern, worst relative error {worst:.2e}", T::NAME);
    assert!(worst <= tolerance, "{case}: {worst:.2e}");
    for (image, (name, _, _)) in images.lock().unwrap().iter().zip(&rings) {
        let wanted = Stored::read(&format!("au_cube_stem/{case}_{name}.npy"));
        let errors = image.iter().zip(&wanted.values).map(|(a, b)| (a - b).abs() / wanted.largest());
        let worst = errors.fold(0.0, f64::max);
        println!("{case} {}: {name}, worst relative error {worst:.2e}", T::NAME);
        assert!(worst <= tolerance, "{case} {name}: {worst:.2e}");
    }
}

#[test]
fn patterns_and_images_agree_with_abtem() {
    let Ok(text) = std::fs::read_to_string(reference().join("dataset.json")) else {
        println!("skipped: no {} (set AET_DATA_DIR)", reference().display());
        return;
    };
    let dataset: Value = serde_json::from_str(&text).unwrap();
    for f in [1, 2] {
        check::<f64>(&dataset, f, 2e-6);
        check::<f32>(&dataset, f, 3e-5);
    }
}
