//! A small tilt and focus series of a gold particle with frozen phonons and a limited dose, simulated into a folder and read
//! back. The same example exists in every host language and prints the same numbers.
//!
//! `cargo run --release --example simulate_series -- FOLDER`
//!
//! A run that was stopped goes on when it is started again. `simulate_tilt_series` is the tool for large series.

use aet::context::{Context, ContextOptions};
use aet::io::dataset_folder;
use aet::optics::ProbeOptions;
use aet::pipeline::{memory_estimate, simulate_series, SeriesProgress, SeriesRun};
use aet::simulate::instrument::Exposure;
use aet::simulate::stem::Sampling;
use aet::simulate::tilt_series::{MultisliceSeries, SeriesSignal};
use aet::simulate::FrozenPhonons;
use aet::specimen::Atoms;
use aet::Result;
use std::path::Path;

/// 43 atoms of a face-centred crystal around the origin.
fn particle() -> Result<Atoms> {
    let mut positions = vec![];
    for (i, j, k) in (0..125).map(|n| (n / 25 - 2, n / 5 % 5 - 2, n % 5 - 2)) {
        if (i + j + k) % 2 == 0 && i * i + j * j + k * k <= 6 {
            positions.push([i, j, k].map(|n| 2.039 * f64::from(n)));
        }
    }
    let count = positions.len();
    Atoms::new(positions)?.with_species(vec![79; count])?.with_debye_waller(vec![0.6; count])
}

/// Three tilts about y whose matrices are exact in decimals, so that all languages have the same ones.
fn description() -> MultisliceSeries {
    let about_y = |cosine: f64, sine: f64| [[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]];
    let rotations = vec![about_y(0.8, -0.6), about_y(1.0, 0.0), about_y(0.8, 0.6)];
    let mut series = MultisliceSeries::new(ProbeOptions::new(300e3, 20.0), rotations, vec![-4.0, 4.0]);
    (series.rows, series.columns, series.pixel_size, series.vacuum) = (8, 8, 1.0, 2.0);
    series.signal = SeriesSignal::Annular { inner_mrad: 30.0, outer_mrad: Some(50.0) };
    series.simulation.sampling = Sampling::Pixel(0.12);
    series.phonons = Some(FrozenPhonons { configurations: 2, seed: 1 });
    series.instrument.exposure = Exposure::Dose(1e5); // electrons per A^2 and image
    series.instrument.seed = 2;
    series
}

fn show(progress: &SeriesProgress) -> bool {
    let ((tilt, tilts), (probe, probes)) = (progress.tilt, progress.probes);
    eprint!("\rtilt {} of {tilts}, probe {probe} of {probes}", tilt + 1);
    true // go on
}

fn main() -> Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: simulate_series FOLDER");
        std::process::exit(2);
    };
    let folder = Path::new(&folder);
    let context = Context::new(&ContextOptions::default())?;
    let (atoms, series) = (particle()?, description());
    // Single precision is faster and as good here; in double all hosts agree to 12 digits.
    let run = SeriesRun { double: true, memory_cap: None };
    let memory = memory_estimate(&series, &atoms, context.threads(), run.double)?;
    let report = simulate_series(&context, &atoms, &series, folder, &run, &mut show)?;
    eprintln!();

    let read = dataset_folder::read(folder, None, &mut |_| true)?;
    let version = read.version();
    let counts = || version.images().iter().flat_map(|image| image.pixels.iter().map(|n| f64::from(*n)));
    println!(
        "atoms={} images={} rows={} columns={} probes={} memory={memory} electrons={:.12e} squares={:.12e} \
         brightest={:.12e}",
        atoms.len(),
        version.images().len(),
        version.rows(),
        version.columns(),
        report.probes,
        counts().sum::<f64>(),
        counts().map(|n| n * n).sum::<f64>(),
        counts().fold(0.0, f64::max)
    );
    Ok(())
}
