//! The same problem in every language: a series from arrays, a probe, atoms to start from; loss and gradient, a fit
//! driven by the host's own optimiser, and the library's `run` with progress; comparison with the truth.
//!
//! `cargo run --release --example local_orbital -- examples/data/small`

use aet::context::{Context, ContextOptions};
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::forward::local_orbital::Sharing;
use aet::io::dataset_folder::{self, Which};
use aet::optics::ProbeOptions;
use aet::optimize::{Iterate, Lbfgs, LbfgsOptions, Objective, Outlook, Space, Stopping};
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Precision, Reconstruction};
use aet::specimen::{compare, Atoms, CompareOptions};
use aet::{Error, Result};
use std::path::Path;

/// A series made from arrays, as an acquisition program would: here they come out of the folder.
fn series_from_arrays(folder: &Path) -> Result<TiltSeries> {
    let read = dataset_folder::read(folder, None, &mut |_| true)?.version();
    let images = read.images();
    let shape = (images.len(), read.rows(), read.columns());
    let pixels = ndarray::Array3::from_shape_fn(shape, |(i, r, c)| images[i].pixels[r * read.columns() + c]);
    let rotations = images.iter().map(|i| i.rotation).collect();
    let mut frames = Frames::new(images.len()).with_rotations(Rotations::Matrices(rotations));
    frames.tilt = Some(images.iter().map(|i| i.tilt as i64).collect());
    frames.section = Some(images.iter().map(|i| i.section as i64).collect());
    frames.defocus = Some(images.iter().map(|i| i.defocus).collect());
    frames.counts_per_unit = Some(images.iter().map(|i| i.counts_per_unit.unwrap_or(f64::NAN)).collect());
    let options = SeriesOptions {
        pixel_size: read.pixel_size(),
        energy_ev: read.energy_ev(),
        semiangle_mrad: read.semiangle_mrad(),
        ..Default::default()
    };
    TiltSeries::new(options, pixels.view(), &frames)
}

/// The truth, moved a little in a way that is the same in every language.
fn start_atoms(truth: &Atoms) -> Result<Atoms> {
    let moved = |i: usize, a: usize| 0.15 * (12.9898 * (3 * i + a + 1) as f64).sin();
    Atoms::new(truth.positions().iter().enumerate().map(|(i, p)| std::array::from_fn(|a| p[a] + moved(i, a))).collect())
}

/// A host's own view of the problem.
struct HostProblem<'a>(&'a Reconstruction);

impl Objective for HostProblem<'_> {
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (loss, of_x) = self.0.loss_and_gradient(x)?;
        gradient.copy_from_slice(&of_x);
        Ok(loss)
    }
}

/// The host drives: any optimiser that takes loss and gradient.
fn host_driven_fit(recon: &Reconstruction) -> Result<f64> {
    let layout = recon.layout();
    let space = Space::new(
        layout.per_parameter(|b| b.scale),
        layout.per_parameter(|b| b.lower),
        layout.per_parameter(|b| b.upper),
    );
    let mut problem = HostProblem(recon);
    let mut at = Iterate { x: recon.parameters(), loss: 0.0, gradient: vec![0.0; layout.free_len()] };
    at.loss = problem.evaluate(&at.x, &mut at.gradient)?;
    let mut method = Lbfgs::default();
    for _ in 0..200 {
        let before = at.loss;
        let step = method.step(&LbfgsOptions::default(), &mut problem, &space, &mut at)?;
        if step.outlook == Outlook::Stalled || before - at.loss <= 1e-10 * at.loss.abs() {
            break;
        }
    }
    Ok(at.loss)
}

fn main() -> Result<()> {
    let folder = std::env::args()
        .nth(1)
        .ok_or_else(|| Error::Empty { what: "command line".into(), why: "usage: local_orbital DATA_FOLDER".into() })?;
    let folder = Path::new(&folder);
    let context = Context::new(&ContextOptions::default())?;
    let series = series_from_arrays(folder)?;
    let version = series.version();
    let missing = |key: &str| Error::NotReady { what: "the probe".into(), why: format!("dataset.json has no {key}") };
    let energy = version.energy_ev().ok_or_else(|| missing("energy_ev"))?;
    let probe =
        ProbeOptions::new(energy, version.semiangle_mrad().ok_or_else(|| missing("semiangle_mrad"))?).build()?;
    let truth = dataset_folder::read_atoms(folder, Which::Truth, None)?;
    let options = LotOptions {
        model: LotModel::Rigid,
        precision: Precision::Double,
        loss: Some(LossChoice::Mse),
        height_sharing: Some(Sharing::Common),
        width_sharing: Some(Sharing::Common),
        width_start: Some(0.5),
        ..Default::default()
    };
    let recon = Reconstruction::local_orbital(&context, &series, Some(&probe), &start_atoms(&truth)?, &options)?;
    let (loss, gradient) = recon.loss_and_gradient(&recon.parameters())?;
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let host_loss = host_driven_fit(&recon)?;
    let rules = Stopping { max_iterations: 60, loss_tolerance: 1e-12, ..Default::default() };
    recon.run(&rules, &mut |p| {
        eprint!("\riteration {:>3}  loss {:.9e}", p.iteration, p.loss);
        true
    })?;
    eprintln!();
    let found = compare(&recon.atoms()?, &truth, &CompareOptions::default())?;
    let last = recon.history().pop().ok_or_else(|| Error::Internal("a run without history".into()))?;
    println!(
        "loss={loss:.12e} gradient_norm={norm:.12e} run_loss={:.12e} run_iterations={} rmsd_pm={:.6} matched={} host_loss={host_loss:.12e}",
        last.loss, last.iteration, found.rmsd_pm, found.matched
    );
    Ok(())
}
