//! From a volume to atoms, in Rust: tracing, classification, and how right they are. The volume is made here: a core-shell
//! particle of copper and gold, its atoms spread over the nearest voxels, noise, and a blur. The same example exists in every
//! host language and prints the same numbers.
//!
//! `cargo run --release --example trace_volume -- [OUT_FOLDER]`
//!
//! With an existing `OUT_FOLDER`, pictures go there: a slice of the volume with the atoms in it, the histogram of intensities,
//! and the errors against depth and distance to the surface.

#[path = "trace/pictures.rs"]
mod pictures;
#[path = "trace/plots.rs"]
mod plots;

use aet::analyze::{accuracy, Accuracy, AccuracyOptions, DEPTH_INTERVAL};
use aet::classify::{classify_atoms, Classification, ClassifyOptions};
use aet::context::{Context, ContextOptions};
use aet::prepare::{filter, FilterOptions};
use aet::problem::Waiting;
use aet::specimen::structures::{generate, StructureOptions};
use aet::specimen::{Atoms, Volume};
use aet::trace::{trace, Threshold, TraceOptions};
use ndarray::Array3;
use std::error::Error;
use std::path::Path;

/// Voxels along each axis, and their size in angstrom.
const EDGE: usize = 56;
const VOXEL: f64 = 0.5;
/// Width of the noise of a voxel, in electrons of an atom.
const NOISE: f64 = 5.0;
/// Blur, standard deviation in angstrom.
const BLUR: f64 = 0.5;

/// Each atom as its atomic number, shared among the eight voxels around it so that their centroid is its position; and
/// uniform noise from a linear congruential generator, which every language computes alike.
fn raw_volume(atoms: &Atoms) -> aet::Result<Volume> {
    let mut values = Array3::<f64>::zeros([EDGE; 3]);
    for (position, species) in atoms.positions().iter().zip(atoms.species()) {
        let at = position.map(|p| p / VOXEL + (EDGE / 2) as f64);
        let part = |k: usize, upper: usize| {
            let above = at[k] - at[k].floor();
            if upper == 1 {
                above
            } else {
                1.0 - above
            }
        };
        for corner in 0..8 {
            let [x, y, z] = [corner % 2, corner / 2 % 2, corner / 4];
            let voxel = [at[2] as usize + z, at[1] as usize + y, at[0] as usize + x];
            values[voxel] += part(2, z) * part(1, y) * part(0, x) * f64::from(*species);
        }
    }
    let mut state: u64 = 1;
    for value in &mut values {
        state = (1_664_525 * state + 1_013_904_223) % (1 << 32);
        *value += NOISE * (state as f64 / 4_294_967_296.0 - 0.5);
    }
    Volume::new(values.mapv(|v| v as f32), VOXEL)
}

struct Run {
    volume: Volume,
    traced: usize,
    classified: Classification,
    report: Accuracy,
    truth: Atoms,
}

fn run() -> aet::Result<Run> {
    let context = Context::new(&ContextOptions::default())?;
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    let truth = generate(&StructureOptions { count: 300, ..StructureOptions::preset("cuau")? }, &mut |_| true)?;
    let blur = FilterOptions { gaussian: Some(BLUR), ..Default::default() };
    let volume = filter(&context, &raw_volume(&truth)?, &blur, waiting)?;

    let options = TraceOptions {
        smoothing: 0.0,
        minimum_distance: Some(1.6),
        threshold: Threshold::Part(0.2),
        ..Default::default()
    };
    let traced = trace(&context, &volume, &options, waiting)?.atoms;
    let options = ClassifyOptions { species: vec![29, 79], non_atoms: true, ..Default::default() };
    let classified = classify_atoms(&context, &volume, &traced, &options, waiting)?;
    let report = accuracy(&context, &classified.atoms, &truth, &AccuracyOptions::default(), waiting)?;
    Ok(Run { volume, traced: traced.len(), classified, report, truth })
}

fn tell(run: &Run) -> aet::Result<()> {
    let value = |name: &str| run.report.atoms.value(name);
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max); // of those that are known
    let histogram = run.classified.table.histogram("intensity", Some("class"), None)?;
    println!(
        "traced={} true={} matched={} missing={} extra={} tracing_error={:.12e} species_correct={:.12e} rmsd_pm={:.12e} \
         worst_shell_rmsd_pm={:.12e} copper_rate={:.12e} gold_mean={:.12e} bins={} highest_bin={}",
        run.traced,
        value("true_count")?,
        value("matched")?,
        value("missing")?,
        value("extra")?,
        value("tracing_error")?,
        value("species_correct")?,
        value("rmsd")?,
        largest(run.report.by_surface(2.0)?.column("rmsd")?),
        run.report.confusion()?.column("rate")?.first().copied().unwrap_or(f64::NAN),
        run.classified.classes.column("mean")?.last().copied().unwrap_or(f64::NAN),
        histogram.rows(),
        largest(histogram.column("count")?),
    );
    Ok(())
}

fn draw(run: &Run, out: &Path) -> Result<(), Box<dyn Error>> {
    let (atoms, comparison) = (&run.classified.atoms, &run.report.comparison);
    pictures::draw_slice(&out.join("slice.png"), &run.volume, atoms, Some(&run.truth), Some(comparison), 2.0)?;
    let histogram = run.classified.table.histogram("intensity", Some("class"), Some(60))?;
    let quantity = "intensity in 5 x 5 x 5 voxels";
    plots::draw_histogram(&out.join("histogram.png"), &histogram, quantity, &["no atom", "Cu", "Au"], &[])?;
    plots::draw_profile(&out.join("depth.png"), &run.report.by_depth(DEPTH_INTERVAL)?, "depth, Å")?;
    plots::draw_profile(&out.join("surface.png"), &run.report.by_surface(2.0)?, "distance to the surface, Å")
}

fn main() -> Result<(), Box<dyn Error>> {
    let run = run()?;
    if let Some(folder) = std::env::args().nth(1) {
        draw(&run, Path::new(&folder))?;
    }
    Ok(tell(&run)?)
}
