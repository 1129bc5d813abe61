//! Times of volume tomography: the projector pair by itself, on views that share one tilt axis and on refined, three-axis
//! ones, and every method on a folder, beside its peers.
//!
//! ```text
//! cargo bench --bench tomography -- [--case projector|large|methods] [--edge 64] [--views 41] [--threads 2] [--rounds 5]
//!   [--data FOLDER]
//! ```
//! `large` makes iterations of RESIRE on views of a cube of the given edge, three-axis ones too, and tells the memory.
//! `methods` reads FOLDER (default: mg_resire_sample below AET_DATA_DIR or ../shared/data). With AET_PEER_PYTHON naming a
//! Python that has astra-toolbox and GENFIRE, these run beside it and ratios are printed.

use aet::context::{Context, ContextOptions};
use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, TiltSeries};
use aet::forward::projection::{ProjectionGeometry, Projector, View};
use aet::geometry::AngleOrder;
use aet::io::dataset_folder;
use aet::optimize::{RunOptions, Stopping};
use aet::problem::Waiting;
use aet::reconstruct::{
    tomography_memory_estimate, Background, Reconstruct, Tomography, TomographyMethod, TomographyOptions,
};
use ndarray::Array3;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn views(count: usize, refined: bool) -> Vec<View> {
    let tilt = |i: usize| -70.0 + 140.0 * i as f64 / (count.max(2) - 1) as f64;
    let off = |i: usize, seed: f64| if refined { 3.0 * (i as f64 * seed).sin() } else { 0.0 };
    let angles = (0..count).map(|i| [off(i, 12.9), tilt(i), off(i, 7.3)]);
    angles.map(|a| View { rotation: AngleOrder::Zyx.rotation(&a), drift: [0.0; 2] }).collect()
}

fn projector(edge: usize, count: usize, threads: usize, rounds: usize) {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).expect("a context");
    let cancel = context.cancel_token();
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
    for refined in [false, true] {
        let geometry =
            ProjectionGeometry { shape: [edge; 3], voxel_size: 1.0, rows: edge, columns: edge, pixel_size: 1.0 };
        let projector = Projector::new(geometry, views(count, refined)).expect("a projector");
        let mut volume: Vec<f32> = (0..projector.voxels()).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect();
        let mut frames = vec![0.0; count * projector.frame().len()];
        let (mut forward, mut back) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..rounds {
            let clock = Instant::now();
            projector.project_all(&context, &volume, &mut frames, &mut waiting, &|_, _| {}).expect("images");
            forward = forward.min(clock.elapsed().as_secs_f64());
            let clock = Instant::now();
            projector.back_project_all(&context, &frames, &mut volume, &mut waiting, &|_, _| {}).expect("a volume");
            back = back.min(clock.elapsed().as_secs_f64());
        }
        let each = 1e9 / (edge.pow(3) * count) as f64;
        println!(
            "edge={edge} views={count} threads={threads} axes={} forward_s={forward:.5} back_s={back:.5} \
             forward_ns_per_voxel_and_view={:.3} back_ns_per_voxel_and_view={:.3}",
            if refined { 3 } else { 1 },
            forward * each,
            back * each
        );
    }
}

/// Iterations of RESIRE on images of a made-up volume, and the memory of the whole process at its peak.
fn large(edge: usize, count: usize, threads: usize) {
    const ITERATIONS: usize = 3;
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).expect("a context");
    for refined in [false, true] {
        let views = views(count, refined);
        let frames = Frames::new(count).with_rotations(Rotations::Matrices(views.iter().map(|v| v.rotation).collect()));
        let images = Array3::from_shape_fn((count, edge, edge), |(i, r, c)| ((i * 31 + r * 7 + c * 3) % 11) as f32);
        let unit = SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() };
        let series = TiltSeries::new(unit, images.view(), &frames).expect("a series");
        drop(images);
        let options = TomographyOptions { background: Background::None, ..Default::default() };
        let estimate = tomography_memory_estimate(&context, &series, &options).expect("an estimate");
        let recon = Tomography::new(&context, &series, &options, None, None).expect("a reconstruction");
        Reconstruct::step(&recon, &mut |_| true).expect("a step"); // with the bound of the step length
        let clock = Instant::now();
        for _ in 0..ITERATIONS {
            Reconstruct::step(&recon, &mut |_| true).expect("a step");
        }
        println!(
            "edge={edge} views={count} threads={threads} axes={} seconds_per_iteration={:.3} estimate_mib={:.0} \
             peak_of_process_mib={:.0}",
            if refined { 3 } else { 1 },
            clock.elapsed().as_secs_f64() / ITERATIONS as f64,
            estimate as f64 / f64::from(1 << 20),
            peak_memory()
        );
    }
}

/// Peak resident memory in MiB, where the system tells it.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

/// Seconds per iteration of a peer.
fn peer(folder: &Path, method: &str, iterations: usize) -> Option<(f64, serde_json::Value)> {
    let python = std::env::var("AET_PEER_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/tomography_bench.py");
    let iterations = iterations.to_string();
    let output =
        std::process::Command::new(python).arg(script).arg(folder).args([method, &iterations]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    let answer: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    Some((answer["seconds_per_iteration"].as_f64()?, answer["correlation"].clone()))
}

fn methods(folder: &Path, threads: usize, rounds: usize) {
    let Ok(series) = dataset_folder::read(folder, None, &mut |_| true) else {
        println!("skipped: no dataset in {} (--data FOLDER)", folder.display());
        return;
    };
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).expect("a context");
    for (method, iterations, peer_name) in [
        (TomographyMethod::Fbp, 1, Some("fbp")),
        (TomographyMethod::Sirt, 100, Some("sirt")),
        (TomographyMethod::Cgls, 20, Some("cgls")),
        (TomographyMethod::Genfire, 100, Some("genfire")),
        (TomographyMethod::Resire, 100, None),
        (TomographyMethod::ResireFourier, 20, None),
        (TomographyMethod::Est, 20, None),
        (TomographyMethod::Sart, 5, None),
        (TomographyMethod::Art, 3, None),
    ] {
        let options = TomographyOptions {
            method,
            iterations: Some(iterations),
            background: Background::None,
            ..Default::default()
        };
        let mut seconds = f64::INFINITY;
        for _ in 0..rounds {
            let clock = Instant::now();
            let recon = Tomography::new(&context, &series, &options, None, None).expect("a reconstruction");
            let stopping = Stopping { max_iterations: iterations, loss_tolerance: 0.0, ..Default::default() };
            Reconstruct::run(&recon, &RunOptions::from(&stopping), &mut |_| true).expect("a run");
            seconds = seconds.min(clock.elapsed().as_secs_f64() / iterations as f64);
        }
        let peer = peer_name.and_then(|name| peer(folder, name, iterations));
        let ratio = peer.as_ref().map_or("none".into(), |(theirs, correlation)| {
            format!("{theirs:.4} ratio={:.1} peer_correlation={correlation}", theirs / seconds)
        });
        println!(
            "method={} iterations={iterations} threads={threads} seconds_per_iteration={seconds:.5} peer={ratio}",
            method.name()
        );
    }
}

fn main() {
    let mut args = pico_args::Arguments::from_env();
    let case: Option<String> = args.opt_value_from_str("--case").expect("a name");
    let data: Option<PathBuf> = args.opt_value_from_str("--data").expect("a path");
    let mut number = |key: &'static str, default: usize| {
        args.opt_value_from_str::<_, usize>(key).expect("a number").unwrap_or(default)
    };
    let (edge, views, threads, rounds) =
        (number("--edge", 64), number("--views", 41), number("--threads", 2), number("--rounds", 5));
    let wanted = |name: &str| case.as_deref().is_none_or(|case| case == name);
    if wanted("projector") {
        projector(edge, views, threads, rounds);
    }
    if wanted("large") {
        large(edge, views, threads);
    }
    if wanted("methods") {
        let all = std::env::var_os("AET_DATA_DIR").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
        methods(&data.unwrap_or_else(|| all.join("mg_resire_sample")), threads, rounds);
    }
}
