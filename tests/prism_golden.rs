//! PRISM against abTEM 1.0.11 (stored in single precision): a whole pattern and annular detectors of a scan over a gold
//! cube. Arrays are indexed [x, y] and [kx, ky], patterns have the zero angle at n / 2. Reads the folder `abtem_reference`
//! below AET_DATA_DIR; skips where it is absent.
//!
//! With interpolation 1 PRISM is multislice, and is held to the reference's multislice. The reference's own PRISM is
//! 6.4e-6 (pattern) and 3.3e-6 (images) of the maximum away from that, as much as single precision leaves; so
//! comparisons with it allow for this.

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

#[path = "common/stored.rs"]
mod stored;
use stored::{dataset, Stored};

/// The position of which the whole pattern is stored.
const WHOLE: (usize, usize) = (7, 9);
/// Errors relative to the largest value of an array: of this library,
const DOUBLE: f64 = 2e-6;
const SINGLE: f64 = 3e-5;
/// and what the reference's PRISM is away from its multislice, patterns and images alike.
const OF_REFERENCE: f64 = 6.5e-6;

/// Rings of the reference: pixels with inner <= alpha < outer.
fn rings(scan: &Value) -> Vec<(&'static str, f64, f64)> {
    let of = |name: &'static str| {
        let limits = &scan["annular_mrad"][name];
        (name, limits[0].as_f64().unwrap(), limits[1].as_f64().unwrap())
    };
    ["bf", "abf", "laadf", "haadf"].map(of).to_vec()
}

/// Patterns of a calculation, of some positions of the scan.
struct Calculated {
    window: Plane,
    wavelength: f64,
    patterns: Vec<((usize, usize), Vec<f64>)>,
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn calculate<T: Real>(dataset: &Value, f: usize, chosen: &[(usize, usize)]) -> Calculated {
    let (cube, scan) = (&dataset["au_cube"], &dataset["au_cube_stem_scan"]);
    let (n, extent) = (cube["gpts"][0].as_u64().unwrap() as usize, number(&cube["extent_A"][0]));
    let plane = Plane::new(n, n, extent / n as f64, extent / n as f64).unwrap();
    let (wavelength, sigma) = (number(&cube["wavelength_A"]), number(&cube["sigma_per_VA"]));
    let slices = Stored::read("au_cube/potential_exact_2A.npy");
    let context = Context::new(&ContextOptions::default()).unwrap();
    let thicknesses = vec![number(&scan["slice_thickness_A"]); slices.shape[0]];
    let options = MultisliceOptions::default();
    let engine = Multislice::<T>::new(context.simd(), &plane, wavelength, &thicknesses, &options).unwrap();
    let transmission = Transmission::new(context.simd(), &plane, sigma, 0.0, BandLimit::Circular).unwrap();
    let (mut object, mut workspace) = (engine.object(), transmission.workspace());
    for slice in 0..slices.shape[0] {
        let potential: Vec<T> = (0..n * n).map(|p| T::of(slices.at(&[slice, p % n, p / n]))).collect();
        let values = transmission.of_potential(&potential, &mut workspace);
        object.set_slice(slice, |row, column| values.get(row, column));
    }

    // the soft edge is one frequency step of the window wide
    let (alpha_max, step) = (1e-3 * number(&scan["semiangle_mrad"]), wavelength * f as f64 / extent);
    let pupil = |kx: f64, ky: f64| {
        let (alpha, phi) = (wavelength * kx.hypot(ky), ky.atan2(kx));
        Complex64::from(Aperture::Soft.amplitude(alpha, phi, alpha_max, (step, step)))
    };
    let options = PrismOptions { interpolation: (f, f), downsampling: false };
    let plan = PrismPlan::new(&engine, &options, pupil).unwrap();
    assert_eq!(plan.waves() as u64, scan[format!("prism_f{f}")]["plane_waves"].as_u64().unwrap());

    // positions as the reference had them, in double precision
    let positions: Vec<(f64, f64)> = chosen.iter().map(|(ix, iy)| (at(scan, 0, *ix), at(scan, 1, *iy))).collect();
    let mut tell = |_: f64| true;
    let mut waiting = Waiting { cancel: &context.cancel_token(), tell: &mut tell };
    let mut matrix = plan.matrix().unwrap();
    plan.scatter(&context, &engine, &object, &mut matrix, &mut waiting).unwrap();
    let patterns = Mutex::new(vec![vec![]; positions.len()]);
    let take = |position: usize, pattern: &[T]| {
        patterns.lock().unwrap()[position] = pattern.iter().map(|v| v.f64()).collect();
        Ok(())
    };
    let probe = plan.probe(pupil).unwrap();
    plan.patterns(&context, &matrix, &probe, &positions, &take, &mut waiting).unwrap();
    let patterns = chosen.iter().copied().zip(patterns.into_inner().unwrap()).collect();
    Calculated { window: *plan.window(), wavelength, patterns }
}

/// Coordinate of a position of the scan, whose end is left out.
fn at(scan: &Value, axis: usize, index: usize) -> f64 {
    let scan = &scan["scan"];
    let (start, end, n) = (number(&scan["start"][axis]), number(&scan["end"][axis]), number(&scan["gpts"][axis]));
    start + (end - start) * index as f64 / n
}

impl Calculated {
    /// Largest errors against the files of that name, relative to the largest value of each.
    fn compare(&self, name: &str, pattern: &str, rings: &[(&'static str, f64, f64)], tolerance: f64) {
        let wanted = Stored::read(&format!("au_cube_stem/{name}_{pattern}.npy"));
        assert_eq!(wanted.shape, [self.window.columns, self.window.rows]);
        let (_, got) = self.patterns.iter().find(|(position, _)| *position == WHOLE).unwrap();
        let shifted = |i: usize, n: usize| (i + n / 2) % n;
        let error = |(p, got): (usize, &f64)| {
            let (column, row) = (p % self.window.columns, p / self.window.columns);
            let index = [shifted(column, self.window.columns), shifted(row, self.window.rows)];
            (got - wanted.at(&index)).abs() / wanted.largest()
        };
        let worst = got.iter().enumerate().map(error).fold(0.0, f64::max);
        println!("{name}: pattern, worst relative error {worst:.2e}");
        assert!(worst <= tolerance, "{name}, pattern: {worst:.2e}");
        for (ring, inner, outer) in rings {
            let wanted = Stored::read(&format!("au_cube_stem/{name}_{ring}.npy"));
            let error = |((ix, iy), pattern): &((usize, usize), Vec<f64>)| {
                (self.ring(pattern, *inner, *outer) - wanted.at(&[*ix, *iy])).abs() / wanted.largest()
            };
            let worst = self.patterns.iter().map(error).fold(0.0, f64::max);
            println!("{name}: {ring}, worst relative error {worst:.2e}");
            assert!(worst <= tolerance, "{name}, {ring}: {worst:.2e}");
        }
    }

    fn ring(&self, pattern: &[f64], inner: f64, outer: f64) -> f64 {
        let (ky, kx) = (self.window.frequencies_y(), self.window.frequencies_x());
        let mrad = |p: usize| 1e3 * self.wavelength * kx[p % kx.len()].hypot(ky[p / kx.len()]);
        pattern.iter().enumerate().filter(|(p, _)| (inner..outer).contains(&mrad(*p))).map(|(_, v)| v).sum()
    }
}

/// All plane waves, whole windows: five positions are work enough.
fn check_all_waves<T: Real>(tolerance: f64) {
    let Some(dataset) = dataset() else { return };
    let rings = rings(&dataset["au_cube_stem_scan"]);
    let calculated = calculate::<T>(&dataset, 1, &[WHOLE, (0, 0), (3, 12), (15, 15), (8, 8)]);
    calculated.compare("multislice", "pattern_full_7_9", &rings, tolerance);
    calculated.compare("prism_f1", "pattern_7_9", &rings, tolerance + OF_REFERENCE);
}

/// Every second one, the whole scan.
fn check_interpolation<T: Real>(tolerance: f64) {
    let Some(dataset) = dataset() else { return };
    let all: Vec<_> = (0..16).flat_map(|ix| (0..16).map(move |iy| (ix, iy))).collect();
    let calculated = calculate::<T>(&dataset, 2, &all);
    calculated.compare("prism_f2", "pattern_7_9", &rings(&dataset["au_cube_stem_scan"]), tolerance + OF_REFERENCE);
}

#[test]
fn all_waves_agree_with_abtem() {
    check_all_waves::<f64>(DOUBLE);
}

#[test]
fn interpolation_agrees_with_abtem() {
    check_interpolation::<f32>(SINGLE);
    check_interpolation::<f64>(DOUBLE);
}
