//! Probe waves against abTEM 1.0.11 (double precision, stored as complex64, indexed [ix, iy], position from the corner).
//! Reads the folder `abtem_reference/probes` below AET_DATA_DIR; skips where it is absent.

use std::path::{Path, PathBuf};

use aet::optics::{Aberrations, Aperture, ProbeOptions};
use num_complex::{Complex32, Complex64};

const POSITIONS: [(f64, f64); 2] = [(0.0, 0.0), (8.03, 5.41)];
const LARGEST_ERROR: f64 = 1e-6;

fn reference() -> PathBuf {
    let data = std::env::var_os("AET_DATA_DIR").map(PathBuf::from);
    data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")).join("abtem_reference")
}

fn read_wave(path: &Path) -> Vec<Complex64> {
    let file = npyz::NpyFile::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
    assert_eq!((file.shape(), file.order()), (&[128u64, 128][..], npyz::Order::C));
    file.into_vec::<Complex32>().unwrap().into_iter().map(|v| Complex64::new(v.re.into(), v.im.into())).collect()
}

/// Relative L2 distance of the wave of one case from the file.
fn relative_error(options: ProbeOptions, position: (f64, f64), n: usize, extent: f64, path: &Path) -> f64 {
    let pixel_size = extent / n as f64;
    let corner = (n / 2) as f64 * pixel_size;
    let probe = options.build().unwrap();
    let wave = probe.wave((n, n), pixel_size, 0.0, (position.0 - corner, position.1 - corner)).unwrap();
    let (mut difference, mut norm) = (0.0, 0.0);
    for (i, wanted) in read_wave(path).into_iter().enumerate() {
        let (ix, iy) = (i / n, i % n);
        difference += (wave[[iy, ix]] - wanted).norm_sqr();
        norm += wanted.norm_sqr();
    }
    (difference / norm).sqrt()
}

#[test]
fn waves_agree_with_abtem() {
    let folder = reference();
    let Ok(text) = std::fs::read_to_string(folder.join("dataset.json")) else {
        println!("skipped: no {} (set AET_DATA_DIR)", folder.display());
        return;
    };
    let dataset: serde_json::Value = serde_json::from_str(&text).unwrap();
    let probes = &dataset["probes"];
    let (energy, n) = (probes["energy_eV"].as_f64().unwrap(), probes["gpts"].as_u64().unwrap() as usize);
    let extent = probes["extent_A"].as_f64().unwrap();
    let mut compared = 0;
    for (case, description) in probes["cases"].as_object().unwrap() {
        let aberrations: Aberrations = serde_json::from_value(description["aberrations"].clone()).unwrap();
        let aperture = if description["soft"] == true { Aperture::Soft } else { Aperture::Hard };
        for (index, position) in POSITIONS.into_iter().enumerate() {
            for semiangle in ["21.4", "25"] {
                let path = folder.join(format!("probes/probe_{semiangle}mrad_{case}_pos{index}.npy"));
                if !path.exists() {
                    continue;
                }
                let options = ProbeOptions::new(energy, semiangle.parse().unwrap());
                let options = options.aberrations(aberrations).aperture(aperture);
                let error = relative_error(options, position, n, extent, &path);
                println!("{semiangle} mrad, {case}, position {index}: {error:.2e}");
                assert!(error <= LARGEST_ERROR, "{}: relative error {error:.2e}", path.display());
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 16, "reference waves compared");
}
