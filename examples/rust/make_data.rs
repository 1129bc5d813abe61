//! Makes the dataset folders that the repository ships: `examples/data/demo` (the demo) and `examples/data/small` (the
//! examples and tests of all hosts). Deterministic: running it again writes the same bytes.
//!
//! `cargo run --release --example make_data [-- FOLDER]`

use aet::context::{Context, ContextOptions};
use aet::forward::local_orbital::Orbital;
use aet::geometry::{rotation_about, Mat3};
use aet::io::{dataset_folder, xyz};
use aet::optics::{BandLimit, ProbeOptions};
use aet::pipeline::{simulate_series, SeriesProgress, SeriesRun};
use aet::simulate::instrument::Exposure;
use aet::simulate::stem::{PatternSampling, Sampling, WindowSize};
use aet::simulate::tilt_series::{MultisliceSeries, SeriesSignal};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{random_packing, Atoms};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::path::{Path, PathBuf};

/// Rotations about x from -69 to 69 degrees.
fn rotations(tilts: usize) -> Vec<Mat3> {
    let step = 138.0 / (tilts - 1) as f64;
    (0..tilts).map(|t| rotation_about(0, -69.0 + step * t as f64)).collect()
}

/// A ball of silicon, and what a first tracing would give of it: every atom found, 0.3 A rms per axis away.
fn silicon(atoms: usize, diameter: f64) -> Result<(Atoms, Atoms)> {
    let of = |positions: Vec<[f64; 3]>| Atoms::new(positions)?.with_species(vec![14; atoms]);
    let positions = random_packing(atoms, diameter, 2.21, 20)?;
    let normal = Normal::new(0.0, 0.3).map_err(|e| Error::Internal(e.to_string()))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
    let start = positions.iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect();
    Ok((of(positions)?, of(start)?))
}

/// The demo: ADF images of 1000 atoms by multislice, 100000 electrons per A^2 and image. Takes some minutes; goes on where
/// it was after an interruption.
fn demo(context: &Context, folder: &Path) -> Result<()> {
    let (truth, start) = silicon(1000, 31.0)?;
    let probe = ProbeOptions::new(300e3, 25.0);
    let mut series = MultisliceSeries::new(probe, rotations(24), vec![-8.0, 0.0, 8.0]);
    (series.rows, series.columns) = (112, 112);
    series.signal = SeriesSignal::Annular { inner_mrad: 40.0, outer_mrad: None };
    series.simulation.band_limit = BandLimit::Square;
    series.simulation.sampling = Sampling::Pixel(0.125);
    series.simulation.window = WindowSize::Pixels { rows: 128, columns: 128 };
    series.simulation.patterns = PatternSampling::Padded;
    series.automatic_window = false;
    series.instrument.exposure = Exposure::Dose(1e5);
    series.instrument.seed = 11;
    let mut observe = |progress: &SeriesProgress| {
        eprint!("\rdemo: {:.1} %, {:.0} s ", 100.0 * progress.fraction, progress.seconds);
        true
    };
    replace(folder)?;
    simulate_series(context, &truth, &series, folder, &SeriesRun::default(), &mut observe)?;
    eprintln!();
    xyz::write(&start, &folder.join("start.xyz"))
}

/// The examples and tests of all hosts: 60 atoms as local orbitals on a grid and slices twice as fine as a fit's.
fn small(context: &Context, folder: &Path) -> Result<()> {
    let (truth, start) = silicon(60, 12.5)?;
    let plan = SeriesPlan {
        orbital: Orbital::default(),
        rows: 56,
        columns: 56,
        pixel_size: 0.34,
        rotations: rotations(8),
        foci: vec![-6.0, 6.0],
        width: 0.35,
        height: 200.0,
        background: 1.0,
        oversampling: 2,
        slice_thickness: 2.0,
        seed: Some(11),
    };
    let probe = ProbeOptions::new(300e3, 25.0).build()?;
    let series = local_orbital_series(context, &truth, Some(&probe), &plan)?;
    series.set_metadata("name", "small", "")?;
    series.set_metadata(
        "made_by",
        "simulated by this library on a grid and slices twice as fine as a fit's; Poisson counts",
        "",
    )?;
    let _ = std::fs::remove_file(folder.join("start.xyz")); // else the folder would not be replaced
    dataset_folder::write(&series, Some(&truth), folder, &mut |_| true)?;
    xyz::write(&start, &folder.join("start.xyz"))
}

/// Makes room for a folder that is made anew.
fn replace(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { operation: "removing", path: folder.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}

fn main() -> Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| default.into()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::File {
        operation: "creating",
        path: folder.clone(),
        source,
    })?;
    let context = Context::new(&ContextOptions::default())?;
    small(&context, &folder.join("small"))?;
    demo(&context, &folder.join("demo"))
}
