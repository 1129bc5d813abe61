//! A volume from images, in Rust: RESIRE with progress, loss and gradient at the result as an optimiser of one's own would
//! ask for them, a state that is saved and goes on, and SIRT in one call. The same example exists in every host language and
//! prints the same numbers.
//!
//! `cargo run --release --example volume_from_images -- examples/data/small OUT_FOLDER`
//!
//! Writes `volume.mrc` and the state `recon.aet` to the existing folder `OUT_FOLDER`. Progress goes to stderr.

use aet::context::{Context, ContextOptions};
use aet::dataset::TiltSeries;
use aet::io::{dataset_folder, mrc, state_file};
use aet::optimize::{RunOptions, Stopping};
use aet::problem::{Progress, Want};
use aet::reconstruct::{
    reconstruct_volume, resume, Reconstruct, Tomogram, Tomography, TomographyMethod, TomographyOptions,
};
use aet::{Error, Result};
use std::path::Path;

fn show(p: &Progress) -> bool {
    eprint!("\riteration {:>3}  loss {:.6e}", p.iteration, p.loss);
    true // go on
}

/// Iterations that nothing ends early.
fn run(recon: &dyn Reconstruct, iterations: usize) -> Result<()> {
    let stopping = Stopping { max_iterations: iterations, loss_tolerance: 0.0, ..Default::default() };
    let outcome = recon.run(&RunOptions::from(&stopping), &mut show)?;
    eprintln!("\n{outcome:?}");
    Ok(())
}

/// Loss, and the length of its gradient, where the reconstruction stands.
fn loss_and_gradient_norm(recon: &dyn Reconstruct) -> Result<(f64, f64)> {
    let evaluation = recon.evaluate(&recon.parameters(), None, Want { gradient: true, ..Default::default() })?;
    Ok((evaluation.loss, evaluation.gradient.iter().map(|g| g * g).sum::<f64>().sqrt()))
}

/// Mean over the images that take part.
fn mean_r_factor(recon: &dyn Reconstruct) -> f64 {
    let used: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
    used.iter().sum::<f64>() / used.len() as f64
}

/// Saves the reconstruction, goes on from the file, and tells the loss that its last iteration saw.
fn resumed_loss(context: &Context, series: &TiltSeries, recon: &dyn Reconstruct, file: &Path) -> Result<f64> {
    state_file::write(file, &recon.saved_state(), &mut |_| true)?;
    let resumed = resume(context, series, None, state_file::read(file, &mut |_| true)?)?;
    run(resumed.as_ref(), 2)?;
    resumed.history().last().map(|record| record.loss).ok_or_else(|| Error::Internal("a run without history".into()))
}

fn sirt(context: &Context, series: &TiltSeries) -> Result<Tomogram> {
    let options = TomographyOptions { method: TomographyMethod::Sirt, iterations: Some(10), ..Default::default() };
    let tomogram = reconstruct_volume(context, series, &options, (None, None), &mut show)?;
    eprintln!();
    Ok(tomogram)
}

fn solve(data: &Path, out: &Path) -> Result<()> {
    let context = Context::new(&ContextOptions::default())?;
    let series = dataset_folder::read(data, None, &mut |_| true)?;

    // A cube as wide as the images, voxels as large as pixels, started from nothing, kept positive.
    let recon = Tomography::new(&context, &series, &TomographyOptions::default(), None, None)?;
    run(&recon, 20)?;
    let (loss, gradient_norm) = loss_and_gradient_norm(&recon)?;

    let volume = recon.volume()?;
    let (voxels, edge) = (volume.values(), volume.voxel_size());
    mrc::write(&out.join("volume.mrc"), voxels, edge, mrc::MrcKind::Volume, &mut |_| true)?;
    let sum: f64 = volume.as_slice().iter().map(|v| f64::from(*v)).sum();
    let maximum = volume.as_slice().iter().copied().fold(f32::NEG_INFINITY, f32::max);

    let resumed_loss = resumed_loss(&context, &series, &recon, &out.join("recon.aet"))?;
    let tomogram = sirt(&context, &series)?;
    let residual = tomogram.residuals.last().copied().unwrap_or(f64::NAN);
    println!(
        "iterations={} loss={loss:.12e} gradient_norm={gradient_norm:.12e} r_factor={:.12e} sum={sum:.12e} \
         maximum={maximum:.12e} resumed_loss={resumed_loss:.12e} sirt_residual={residual:.12e}",
        recon.history().len(),
        mean_r_factor(&recon),
    );
    Ok(())
}

fn main() -> Result<()> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    match &folders[..] {
        [data, out] => solve(Path::new(data), Path::new(out)),
        _ => Err(Error::Empty {
            what: "command line".into(),
            why: "usage: volume_from_images DATA_FOLDER OUT_FOLDER".into(),
        }),
    }
}
