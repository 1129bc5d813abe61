//! Atoms from images alone: a tomogram, its peaks, a fit that a term of one's own keeps on course, error bars, and the
//! comparison with the truth. The same example exists in every host language and prints the same numbers.
//!
//! `cargo run --release --example atoms_from_images -- examples/data/small OUT_FOLDER`
//!
//! Writes `tomogram.mrc` and `atoms.xyz`, with the standard error of every coordinate, to the existing folder
//! `OUT_FOLDER`. Progress goes to stderr.

use aet::context::{Context, ContextOptions};
use aet::dataset::TiltSeries;
use aet::io::dataset_folder::{self, Which};
use aet::io::{mrc, xyz};
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::{Optimizer, RunOptions, Stopping};
use aet::problem::{Progress, Waiting};
use aet::reconstruct::{
    reconstruct_volume, ErrorMethod, ErrorOptions, LotModel, LotOptions, Precision, Reconstruction, TermFunction,
    TomographyMethod, TomographyOptions,
};
use aet::specimen::{compare, Atoms, CompareOptions, Volume};
use aet::trace::{trace, TraceOptions};
use aet::{Error, Result};
use std::path::Path;
use std::sync::Arc;

fn show(p: &Progress) -> bool {
    eprint!("\riteration {:>3}  loss {:.6e}", p.iteration, p.loss);
    true // go on
}

fn tomogram(context: &Context, series: &TiltSeries) -> Result<Volume> {
    let sirt = TomographyOptions { method: TomographyMethod::Sirt, ..Default::default() };
    let tomogram = reconstruct_volume(context, series, &sirt, (None, None), &mut show)?;
    eprintln!();
    Ok(tomogram.volume)
}

/// The peaks, the strongest first. Bonds of silicon are 2.35 A long: what is nearer than 1.6 A is one atom.
fn start_atoms(context: &Context, volume: &Volume) -> Result<Atoms> {
    let options = TraceOptions { minimum_distance: Some(1.6), species: 14, ..Default::default() };
    let cancel = context.cancel_token();
    Ok(trace(context, volume, &options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?.atoms)
}

fn probe_of(series: &TiltSeries) -> Result<Probe> {
    let version = series.version();
    let missing = |key: &str| Error::NotReady { what: "the probe".into(), why: format!("dataset.json has no {key}") };
    let energy = version.energy_ev().ok_or_else(|| missing("energy_ev"))?;
    ProbeOptions::new(energy, version.semiangle_mrad().ok_or_else(|| missing("semiangle_mrad"))?).build()
}

/// Minus the logarithm of a prior on the heights: atoms of one element are about as high as each other.
fn alike(typical: f64) -> Arc<TermFunction> {
    Arc::new(move |_, heights, gradient| {
        let deviation = |height: &f64| height / typical - 1.0;
        if let Some(gradient) = gradient {
            gradient.iter_mut().zip(heights).for_each(|(g, h)| *g = deviation(h) / typical);
        }
        Ok(0.5 * heights.iter().map(|h| deviation(h).powi(2)).sum::<f64>())
    })
}

/// First with the term, then without it: the result is that of the images alone.
fn fit(recon: &Reconstruction) -> Result<()> {
    let heights = recon.block("heights")?;
    // Peaks are sorted, so the middle one has the median height. The term keeps weak peaks from fading before they
    // have found their places; these images would do without.
    recon.add_term("heights", 3.0, alike(heights[heights.len() / 2]))?;
    recon.run(&Stopping { max_iterations: 30, ..Default::default() }, &mut show)?;
    recon.clear_terms()?;
    let finish = RunOptions { optimizer: Some(Optimizer::LevenbergMarquardt), ..Default::default() };
    let outcome = recon.run(&finish, &mut show)?;
    eprintln!("\n{outcome:?}");
    Ok(())
}

fn solve(data: &Path, out: &Path) -> Result<()> {
    let context = Context::new(&ContextOptions::default())?;
    let series = dataset_folder::read(data, None, &mut |_| true)?;
    let truth = dataset_folder::read_atoms(data, Which::Truth, None)?;

    let volume = tomogram(&context, &series)?;
    let voxels = volume.values();
    mrc::write(&out.join("tomogram.mrc"), voxels, volume.voxel_size(), mrc::MrcKind::Volume, &mut |_| true)?;
    let start = start_atoms(&context, &volume)?;
    let found = compare(&start, &truth, &CompareOptions::default())?;
    println!("peaks: {} atoms, {} of them true, RMSD {:.2} pm", start.len(), found.matched, found.rmsd_pm);

    let probe = probe_of(&series)?;
    // Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
    let options = LotOptions { model: LotModel::Rigid, precision: Precision::Double, ..Default::default() };
    let recon = Reconstruction::local_orbital(&context, &series, Some(&probe), &start, &options)?;
    fit(&recon)?;

    // Each atom with its neighbours: takes time in proportion to the number of atoms.
    let options = ErrorOptions { method: ErrorMethod::Local, ..Default::default() };
    let errors = recon.estimate_errors(&options, &mut |_| true)?;
    xyz::write(&errors.atoms, &out.join("atoms.xyz"))?;
    let (undetermined, predicted) = (errors.undetermined, errors.predicted_rmsd_pm);
    println!("error bars: {undetermined} atoms undetermined, predicted RMSD {predicted:.2} pm");

    let found = compare(&errors.atoms, &truth, &CompareOptions::default())?;
    let last = recon.history().pop().ok_or_else(|| Error::Internal("a run without history".into()))?;
    println!(
        "true={} matched={} missing={} extra={} rmsd_pm={:.12e} predicted_rmsd_pm={predicted:.12e} loss={:.12e} evaluations={}",
        found.true_count, found.matched, found.missing, found.extra, found.rmsd_pm, last.loss, last.evaluations
    );
    Ok(())
}

fn main() -> Result<()> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    match &folders[..] {
        [data, out] => solve(Path::new(data), Path::new(out)),
        _ => Err(Error::Empty {
            what: "command line".into(),
            why: "usage: atoms_from_images DATA_FOLDER OUT_FOLDER".into(),
        }),
    }
}
