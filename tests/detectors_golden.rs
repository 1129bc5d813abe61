//! Detectors against abTEM 1.0.11 (double precision, stored in single precision): whole patterns of two positions of a
//! scan over a gold cube give the values of its images there. Arrays are indexed [ix, iy] and [kx, ky], patterns have the
//! zero angle at n / 2. Reads the folder `abtem_reference/au_cube_stem` below AET_DATA_DIR; skips where it is absent.

use aet::grid::Plane;
use aet::optics::{BandLimit, Crop, Detector, DetectorKind, DetectorPlan};
use serde_json::Value;

#[path = "common/stored.rs"]
mod stored;
use stored::{dataset, Stored};

const POSITIONS: [(usize, usize); 2] = [(0, 0), (7, 9)];
/// Relative to the largest value of an array.
const LARGEST_ERROR: f64 = 2e-6;

/// An array of the scan.
fn of_scan(name: &str) -> Stored {
    Stored::read(&format!("au_cube_stem/multislice_{name}.npy"))
}

/// The pattern of a position as calculations give it: [row = ky, column = kx] in FFT order.
fn pattern(ix: usize, iy: usize) -> Vec<f64> {
    let stored = of_scan(&format!("pattern_full_{ix}_{iy}"));
    let n = stored.shape[0];
    let shifted = |i: usize| (i + n / 2) % n;
    (0..n * n).map(|pixel| stored.at(&[shifted(pixel % n), shifted(pixel / n)])).collect()
}

fn range(limits: &Value) -> (f64, f64) {
    (limits[0].as_f64().unwrap(), limits[1].as_f64().unwrap())
}

/// The detectors of the reference, under the names of their files.
fn detectors(scan: &Value) -> Vec<Detector> {
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    let annular = ["bf", "abf", "laadf", "haadf"].map(|name| {
        let (inner_mrad, outer) = range(&scan["annular_mrad"][name]);
        (name, DetectorKind::Annular { inner_mrad, outer_mrad: Some(outer) })
    });
    let flexible = DetectorKind::FlexibleAnnular {
        inner_mrad: number(&scan["flexible"], "inner"),
        outer_mrad: number(&scan["flexible"], "outer"),
        step_mrad: number(&scan["flexible"], "step_mrad"),
    };
    let segmented = DetectorKind::Segmented {
        inner_mrad: number(&scan["segmented"], "inner"),
        outer_mrad: number(&scan["segmented"], "outer"),
        radial_bins: number(&scan["segmented"], "nbins_radial") as usize,
        azimuthal_bins: number(&scan["segmented"], "nbins_azimuthal") as usize,
        rotation_deg: number(&scan["segmented"], "rotation").to_degrees(),
    };
    let rest = [
        ("flexible_1mrad", flexible),
        ("segmented", segmented),
        ("4dstem", DetectorKind::Pixelated { crop: Crop::Angle(25.0), binning: 1 }),
        ("com", DetectorKind::CenterOfMass { outer_mrad: None, normalized: true }),
    ];
    annular.into_iter().chain(rest).map(|(name, kind)| Detector::new(kind).unwrap().named(name)).collect()
}

#[test]
fn signals_agree_with_abtem() {
    let Some(dataset) = dataset() else { return };
    let (cube, scan) = (&dataset["au_cube"], &dataset["au_cube_stem_scan"]);
    let (n, extent) = (cube["gpts"][0].as_u64().unwrap() as usize, cube["extent_A"][0].as_f64().unwrap());
    let plane = Plane::new(n, n, extent / n as f64, extent / n as f64).unwrap();
    let wavelength = cube["wavelength_A"].as_f64().unwrap();
    let plan = DetectorPlan::new(&detectors(scan), &plane, wavelength, BandLimit::Circular).unwrap();
    let valid = BandLimit::Circular.largest_angle_mrad(&plane, wavelength);
    assert!((valid / scan["antialias_cutoff_mrad"].as_f64().unwrap() - 1.0).abs() < 1e-9);

    let patterns = POSITIONS.map(|(ix, iy)| pattern(ix, iy));
    for signal in plan.layout() {
        let stored = of_scan(&signal.name);
        let (mut worst, largest) = (0.0f64, stored.largest());
        for ((ix, iy), pattern) in POSITIONS.into_iter().zip(&patterns) {
            let mut all = vec![f64::NAN; plan.len()];
            plan.signals(pattern, &mut all).unwrap();
            for (i, value) in all[signal.range()].iter().enumerate() {
                let index = match signal.name.as_str() {
                    "com" => vec![i, ix, iy],
                    // ours is [ky, kx]
                    "4dstem" => vec![ix, iy, i % signal.shape[1], i / signal.shape[1]],
                    "segmented" => vec![ix, iy, i / signal.shape[1], i % signal.shape[1]],
                    "flexible_1mrad" => vec![ix, iy, i, 0],
                    _ => vec![ix, iy],
                };
                worst = worst.max((value - stored.at(&index)).abs() / largest);
            }
        }
        println!("{}: {:?}, worst relative error {worst:.2e}", signal.name, signal.shape);
        assert!(worst <= LARGEST_ERROR, "{}: {worst:.2e}", signal.name);
    }
}
