//! Time, memory and accuracy of tracing: Gaussian atoms (standard deviation 0.5 A) packed at random into a ball that
//! fills a cube of voxels, 2.3 A apart or more, with white noise.
//!
//! `cargo bench --bench tracing [-- --atoms 20000] [--edge 300] [--threads 2] [--noise 0.05] [--explain 2]
//!   [--methods parabola,polynomial,gaussian,explained]`. With AET_PEER_PYTHON naming a Python that has numpy and scipy, the
//! published polynomial tracing (oversampled volume, peak by peak) runs beside it on a cube of at most 100 voxels.

use aet::context::{Context, ContextOptions};
use aet::problem::Waiting;
use aet::specimen::{compare, random_packing, Atoms, CompareOptions, Volume};
use aet::trace::{trace, Method, TraceOptions};
use ndarray::Array3;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::time::Instant;

const SIGMA: f64 = 0.5;
const APART: f64 = 2.3;
/// Atoms per A^3: well below the densest random packing.
const DENSITY: f64 = 0.04;

/// The ball of atoms fills 0.97 of the cube; the voxel size follows.
fn problem(count: usize, edge: usize, noise: f64) -> (Vec<[f64; 3]>, Volume) {
    let diameter = 2.0 * (count as f64 / DENSITY * 0.75 / std::f64::consts::PI).cbrt();
    let voxel = diameter / (0.97 * edge as f64 - 8.0);
    let atoms = random_packing(count, diameter, APART, 1).expect("a packing exists");
    let mut values = Array3::<f32>::zeros((edge, edge, edge));
    let reach = (5.0 * SIGMA / voxel).ceil() as usize;
    for atom in &atoms {
        let at: [f64; 3] = std::array::from_fn(|a| atom[2 - a] / voxel + (edge / 2) as f64);
        let range = |a: usize| {
            let middle = at[a].round() as usize;
            middle.saturating_sub(reach)..(middle + reach + 1).min(edge)
        };
        let along = |a: usize| -> Vec<(usize, f64)> {
            range(a).map(|i| (i, (-0.5 * ((i as f64 - at[a]) * voxel / SIGMA).powi(2)).exp())).collect()
        };
        let (zs, ys, xs) = (along(0), along(1), along(2));
        for (z, gz) in &zs {
            for (y, gy) in &ys {
                xs.iter().for_each(|(x, gx)| values[[*z, *y, *x]] += (gz * gy * gx) as f32);
            }
        }
    }
    let normal = Normal::new(0.0, noise).expect("a deviation");
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(2);
    values.iter_mut().for_each(|v| *v += normal.sample(&mut random) as f32);
    (atoms, Volume::new(values, voxel).expect("a volume"))
}

/// Largest memory of this process since the last call, MiB; NaN where the system does not tell.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    kib.map_or(f64::NAN, |k| k / 1024.0)
}

fn run(context: &Context, truth: &Atoms, volume: &Volume, name: &str, options: &TraceOptions<'_>) {
    let cancel = context.cancel_token();
    peak_mib();
    let clock = Instant::now();
    let traced = trace(context, volume, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true });
    let seconds = clock.elapsed().as_secs_f64();
    let traced = traced.expect("atoms");
    let found = compare(&traced.atoms, truth, &CompareOptions::default()).expect("a comparison");
    println!(
        "method={name} atoms={} edge={} threads={} seconds={seconds:.2} peak_mib={:.0} matched={} missing={} extra={} \
         rmsd_pm={:.3} candidates={} noise={:.4}",
        truth.len(),
        volume.shape()[0],
        context.threads(),
        peak_mib(),
        found.matched,
        found.missing,
        found.extra,
        found.rmsd_pm,
        traced.candidates.len(),
        traced.noise
    );
}

/// The twin reads the volume and prints its seconds and atoms.
fn peer(python: &str, count: usize, noise: f64) {
    let (truth, volume) = problem(count.min(700), 100, noise);
    let folder = std::env::temp_dir().join(format!("aet_tracing_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let raw: Vec<u8> = volume.as_slice().iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.join("volume.f32"), raw).expect("a file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/tracing_bench.py");
    let told = std::process::Command::new(python)
        .args([script, &folder.join("volume.f32").to_string_lossy(), "100", &volume.voxel_size().to_string()])
        .output();
    let Ok(told) = told else { return eprintln!("{python} does not start") };
    if !told.status.success() {
        return eprintln!("{}", String::from_utf8_lossy(&told.stderr));
    }
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let mut lines = text.lines();
    let seconds = lines.next().unwrap_or("nan").to_string();
    let position = |line: &str| {
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        <[f64; 3]>::try_from(numbers).ok()
    };
    let found = Atoms::new(lines.filter_map(position).collect()).expect("atoms of the peer");
    let truth = Atoms::new(truth).expect("finite positions");
    let c = compare(&found, &truth, &CompareOptions::default()).expect("a comparison");
    println!(
        "peer=published_polynomial atoms={} edge=100 seconds={seconds} matched={} missing={} extra={} rmsd_pm={:.3}",
        truth.len(),
        c.matched,
        c.missing,
        c.extra,
        c.rmsd_pm
    );
    let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).expect("a context");
    let options = TraceOptions { method: Method::Polynomial, minimum_distance: Some(1.6), ..Default::default() };
    run(&context, &truth, &volume, "polynomial", &options);
    let _ = std::fs::remove_dir_all(folder);
}

fn main() {
    let mut arguments = pico_args::Arguments::from_env();
    let _ = arguments.contains("--bench");
    let mut number = |name: &'static str, default: f64| -> f64 {
        arguments.opt_value_from_str(name).expect("a number").unwrap_or(default)
    };
    let (count, edge) = (number("--atoms", 20_000.0) as usize, number("--edge", 300.0) as usize);
    let (threads, noise) = (number("--threads", 2.0) as usize, number("--noise", 0.05));
    let rounds = number("--explain", 2.0) as usize;
    let chosen: Option<String> = arguments.opt_value_from_str("--methods").expect("names");
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).expect("a context");
    let (truth, volume) = problem(count, edge, noise);
    let truth = Atoms::new(truth).expect("finite positions");
    let base = TraceOptions { minimum_distance: Some(1.6), ..Default::default() };
    for (name, method, explain_rounds) in [
        ("parabola", Method::Parabola, 0),
        ("polynomial", Method::Polynomial, 0),
        ("gaussian", Method::Gaussian, 0),
        ("explained", Method::Parabola, rounds),
    ] {
        if chosen.as_ref().is_none_or(|c| c.split(',').any(|c| c == name)) {
            run(&context, &truth, &volume, name, &TraceOptions { method, explain_rounds, ..base.clone() });
        }
    }
    if let Ok(python) = std::env::var("AET_PEER_PYTHON") {
        peer(&python, count, noise);
    }
}
