//! Time of one pass (loss and gradient over all images) of local-orbital models with probes: balls of random atoms, 24
//! tilts x 3 foci, pixel 0.34 A, slices 4 A, 300 kV, 25 mrad, B 0.35 A^2.
//!
//! `cargo bench --bench local_orbital [-- --atoms 2000 10000 50000] [--threads 2] [--mode auto slices templates knots]
//! [--model rigid adaptive] [--errors]`; several modes and models run in turn, the last times local error bars, too. With
//! AET_PEER_PYTHON naming a Python that has torch, numpy and scipy, the PyTorch twin (rigid, slices) runs beside it and ratios
//! are printed.

use aet::context::{Context, ContextOptions};
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::forward::local_orbital::DepthMode;
use aet::geometry::rotation_about;
use aet::optics::ProbeOptions;
use aet::reconstruct::{ErrorMethod, ErrorOptions, LossChoice, LotModel, LotOptions, Reconstruction};
use aet::specimen::{random_packing, Atoms};
use ndarray::Array3;
use std::time::Instant;

const TILTS: usize = 24;
const SECTIONS: usize = 3;
const PIXEL: f64 = 0.34;

/// Diameter of the ball in A and size of the images for a number of atoms, as the PyTorch twin has them.
fn size(atoms: usize) -> (f64, usize) {
    match atoms {
        2_000 => (39.0, 144),
        10_000 => (66.5, 224),
        50_000 => (120.0, 384),
        200_000 => (190.0, 576),
        _ => {
            let diameter = 2.0 * (atoms as f64 / 65e-3 * 0.75 / std::f64::consts::PI).cbrt();
            (diameter, (diameter / PIXEL * 1.1) as usize / 2 * 2)
        }
    }
}

fn problem(context: &Context, atoms: usize, model: LotModel, mode: DepthMode) -> Reconstruction {
    let (diameter, n) = size(atoms);
    // The minimum distance does not matter for the time; a loose one is quick to pack.
    let positions = random_packing(atoms, diameter, 1.5, 1).expect("a packing exists");
    let images = TILTS * SECTIONS;
    let rotations =
        (0..images).map(|i| rotation_about(0, -69.0 + 138.0 * (i / SECTIONS) as f64 / (TILTS - 1) as f64)).collect();
    let mut frames = Frames::new(images).with_rotations(Rotations::Matrices(rotations));
    frames.tilt = Some((0..images).map(|i| (i / SECTIONS) as i64).collect());
    frames.defocus = Some((0..images).map(|i| 10.0 * (i % SECTIONS) as f64 - 10.0).collect());
    let options = SeriesOptions { pixel_size: PIXEL, ..Default::default() };
    let pixels = Array3::from_shape_fn((images, n, n), |(i, r, c)| 0.1 + 0.01 * ((i + r * 7 + c * 3) % 11) as f32);
    let series = TiltSeries::new(options, pixels.view(), &frames).expect("a valid series");
    let probe = ProbeOptions::new(300e3, 25.0).build().expect("a valid probe");
    let atoms = Atoms::new(positions).expect("finite positions");
    let options =
        LotOptions { model, width_start: Some(0.35), loss: Some(LossChoice::Mse), mode, ..Default::default() };
    Reconstruction::local_orbital(context, &series, Some(&probe), &atoms, &options).expect("a reconstruction")
}

/// Best and median seconds of a pass.
fn time_pass(recon: &Reconstruction) -> (f64, f64) {
    let x = recon.parameters();
    recon.loss_and_gradient(&x).expect("an evaluation");
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let clock = Instant::now();
            recon.loss_and_gradient(&x).expect("an evaluation");
            clock.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

/// Seconds of an estimate of local errors.
fn time_errors(recon: &Reconstruction) -> f64 {
    let clock = Instant::now();
    let options = ErrorOptions { method: ErrorMethod::Local, ..Default::default() };
    recon.estimate_errors(&options, &mut |_| true).expect("an estimate");
    clock.elapsed().as_secs_f64()
}

/// Seconds per pass of the PyTorch twin, if there is a Python for it.
fn peer(atoms: usize, threads: usize) -> Option<f64> {
    let python = std::env::var("AET_PEER_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/lot_torch_bench.py");
    let output = std::process::Command::new(python)
        .args([script, "--tilts", "3", "--sections", "3", "--modes", "rigid"])
        .args(["--atoms", &atoms.to_string(), "--threads", &threads.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    let answer: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    Some(answer["s_per_tilt"].as_f64()? * TILTS as f64)
}

/// The words after a flag.
fn after(flag: &str) -> Vec<String> {
    std::env::args().skip_while(|a| a != flag).skip(1).take_while(|a| !a.starts_with("--")).collect()
}

/// What the words after a flag name; the first of those known where there is none.
fn named<T: Copy>(flag: &str, known: &[T], name: fn(T) -> &'static str) -> Vec<T> {
    let of = |word: String| match known.iter().find(|value| name(**value) == word) {
        Some(value) => *value,
        None => panic!("{flag} {word}: {}", known.iter().map(|value| name(*value)).collect::<Vec<_>>().join(", ")),
    };
    let found: Vec<T> = after(flag).into_iter().map(of).collect();
    if found.is_empty() {
        return vec![known[0]];
    }
    found
}

fn numbers(flag: &str) -> Vec<usize> {
    after(flag).iter().map(|word| word.parse().unwrap_or_else(|_| panic!("{flag} {word}: a number"))).collect()
}

fn main() {
    let models = named("--model", &[LotModel::Rigid, LotModel::Adaptive], LotModel::name);
    let modes = [DepthMode::Auto, DepthMode::Slices, DepthMode::Templates, DepthMode::Knots];
    let modes = named("--mode", &modes, DepthMode::name);
    let mut sizes = numbers("--atoms");
    if sizes.is_empty() {
        sizes = vec![2_000, 10_000, 50_000];
    }
    let threads = numbers("--threads").first().copied().unwrap_or(2);
    let errors = std::env::args().any(|a| a == "--errors");
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).expect("a context");
    println!("{TILTS} tilts x {SECTIONS} foci, {threads} threads, path {}", context.simd().name());
    println!(
        "{:>8} {:>7} {:>9} {:>10} {:>7} {:>9} {:>9} {:>9} {:>10} {:>7} {:>9}",
        "atoms", "pixels", "model", "mode", "depths", "error", "best s", "median s", "PyTorch s", "ratio", "errors s"
    );
    for atoms in sizes {
        let peer = peer(atoms, threads);
        for (model, mode) in models.iter().flat_map(|model| modes.iter().map(move |mode| (*model, *mode))) {
            let recon = problem(&context, atoms, model, mode);
            let (best, median) = time_pass(&recon);
            let (of_peer, ratio) =
                peer.map_or(("-".into(), "-".into()), |p| (format!("{p:.3}"), format!("{:.2}", p / median)));
            let of_errors = if errors { format!("{:.1}", time_errors(&recon)) } else { "-".into() };
            let record = recon.record();
            let (mode, depths) = (record["mode"].as_str().unwrap_or_default(), &record["slices"]);
            let error = record["template_error"].as_f64().map_or("-".into(), |e| format!("{e:.1e}"));
            println!(
                "{atoms:>8} {:>7} {:>9} {mode:>10} {depths:>7} {error:>9} {best:>9.4} {median:>9.4} {of_peer:>10} {ratio:>7} \
                 {of_errors:>9}",
                size(atoms).1,
                model.name()
            );
        }
    }
}
