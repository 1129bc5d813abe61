//! Probes that images tell: the foci of a series that recorded none, by a scan and a fit, then the pixels of the probes,
//! which find an astigmatism that the fit was not told of. The same example exists in every host language and prints the
//! same numbers.
//!
//! `cargo run --release --example fitted_probes -- examples/data/small`
//!
//! The folder is a dataset folder of two foci per tilt with true atoms and, as `start.xyz`, atoms to start from. Its
//! particle is thin for a focus to matter, so a longer one is imaged in the same way, by the rigid model. Progress goes to
//! stderr.

use aet::context::{Context, ContextOptions};
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::io::dataset_folder::{self, Which};
use aet::io::xyz;
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::Stopping;
use aet::problem::Progress;
use aet::reconstruct::{DefocusScan, LotModel, LotOptions, NoiseModel, Precision, Reconstruction};
use aet::specimen::{compare, Atoms, CompareOptions};
use aet::{Error, Result};
use std::path::Path;

/// Of the particle along z.
const STRETCH: f64 = 1.5;
/// C12 cos and C12 sin of each section, A.
const ASTIGMATISM: [f64; 4] = [6.0, 0.0, 6.0, 0.0];

fn show(p: &Progress) -> bool {
    eprint!("\riteration {:>3}  loss {:.6e}", p.iteration, p.loss);
    true // go on
}

fn stretched(atoms: &Atoms) -> Result<Atoms> {
    Atoms::new(atoms.positions().iter().map(|[x, y, z]| [*x, *y, STRETCH * z]).collect())
}

fn probe_of(series: &TiltSeries) -> Result<Probe> {
    let version = series.version();
    let missing = |key: &str| Error::NotReady { what: "the probe".into(), why: format!("dataset.json has no {key}") };
    let energy = version.energy_ev().ok_or_else(|| missing("energy_ev"))?;
    ProbeOptions::new(energy, version.semiangle_mrad().ok_or_else(|| missing("semiangle_mrad"))?).build()
}

/// Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
fn options(model: LotModel) -> LotOptions {
    LotOptions { model, precision: Precision::Double, ..Default::default() }
}

/// Images of the longer particle at the foci recorded, with heights and backgrounds as the recorded images have them; as a
/// series that knows the sections but not their foci, which are then 0.
fn series_without_foci(context: &Context, recorded: &TiltSeries, probe: &Probe, truth: &Atoms) -> Result<TiltSeries> {
    let model = Reconstruction::local_orbital(context, recorded, Some(probe), truth, &options(LotModel::Rigid))?;
    model.set_block("astigmatism", &ASTIGMATISM)?;
    let (version, pixels) = (recorded.version(), model.predict(&model.parameters(), None)?);
    let (images, columns) = (version.images(), version.columns());
    let at = |(i, r, c)| pixels[(i * version.rows() + r) * columns + c] as f32;
    let stack = ndarray::Array3::from_shape_fn((images.len(), version.rows(), columns), at);
    let rotations = images.iter().map(|i| i.rotation).collect();
    let mut frames = Frames::new(images.len()).with_rotations(Rotations::Matrices(rotations));
    frames.tilt = Some(images.iter().map(|i| i.tilt as i64).collect());
    frames.section = Some(images.iter().map(|i| i.section as i64).collect());
    TiltSeries::new(SeriesOptions { pixel_size: version.pixel_size(), ..Default::default() }, stack.view(), &frames)
}

/// Runs, and returns the loss reached.
fn reach(recon: &Reconstruction, max_iterations: usize) -> Result<f64> {
    let outcome = recon.run(&Stopping { max_iterations, ..Default::default() }, &mut show)?;
    eprintln!("\n{outcome:?}");
    Ok(recon.history().pop().ok_or_else(|| Error::Internal("a run without history".into()))?.loss)
}

fn solve(data: &Path) -> Result<()> {
    let context = Context::new(&ContextOptions::default())?;
    let recorded = dataset_folder::read(data, None, &mut |_| true)?;
    let truth = stretched(&dataset_folder::read_atoms(data, Which::Truth, None)?)?;
    let start = stretched(&xyz::read(&data.join("start.xyz"))?)?;
    let probe = probe_of(&recorded)?;
    let series = series_without_foci(&context, &recorded, &probe, &truth)?;

    // Atoms far out of place tell little of a focus: a few iterations first.
    let recon = Reconstruction::local_orbital(&context, &series, Some(&probe), &start, &options(LotModel::Rigid))?;
    reach(&recon, 10)?;
    recon.scan_defocus(&DefocusScan { range: 30.0, step: 5.0, ..Default::default() }, &mut |_| true)?;
    let scan = recon.block("defocus")?;
    println!("scan: defocus {:.2} and {:.2} A", scan[0], scan[1]);

    // The widths had taken up a part of the blur; now both find their values.
    recon.freeze("defocus", false)?;
    let rigid_loss = reach(&recon, 60)?;
    let defocus = recon.block("defocus")?;
    // What the fit leaves, which is the astigmatism here, counts as noise.
    let errors = recon.block_errors("defocus", None, NoiseModel::Residual, &mut |_| true)?;
    println!("fit: defocus {:.2} +- {:.2} and {:.2} +- {:.2} A", defocus[0], errors[0], defocus[1], errors[1]);

    let pixels = recon.continued(&LotOptions { probe_side: Some(15), ..options(LotModel::Adaptive) })?;
    let adaptive_loss = reach(&pixels, 30)?;
    let (probes, found) = (pixels.probe_table()?, compare(&pixels.atoms()?, &truth, &CompareOptions::default())?);
    println!(
        "scan_0={:.12e} scan_1={:.12e} defocus_0={:.12e} defocus_1={:.12e} error_0={:.12e} error_1={:.12e} rigid_loss={rigid_loss:.12e} \
         adaptive_loss={adaptive_loss:.12e} focus_0={:.12e} focus_1={:.12e} rmsd_pm={:.12e}",
        scan[0],
        scan[1],
        defocus[0],
        defocus[1],
        errors[0],
        errors[1],
        probes.value("focus_0")?,
        probes.value("focus_1")?,
        found.rmsd_pm
    );
    Ok(())
}

fn main() -> Result<()> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    match &folders[..] {
        [data] => solve(Path::new(data)),
        _ => Err(Error::Empty { what: "command line".into(), why: "usage: fitted_probes DATA_FOLDER".into() }),
    }
}
