//! Times of volume tomography: the projector pair by itself, on views that share one tilt axis and on refined, three-axis
//! ones, and every method on a folder, beside its peers.
//!
//! `cargo bench --bench tomography -- [--case projector] [--edge 64] [--views 41] [--threads 2] [--rounds 5]`

use aet::context::{Context, ContextOptions};
use aet::forward::projection::{ProjectionGeometry, Projector, View};
use aet::geometry::AngleOrder;
use aet::problem::Waiting;
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

fn main() {
    let mut args = pico_args::Arguments::from_env();
    let mut number = |key: &'static str, default: usize| {
        args.opt_value_from_str::<_, usize>(key).expect("a number").unwrap_or(default)
    };
    let (edge, views, threads, rounds) =
        (number("--edge", 64), number("--views", 41), number("--threads", 2), number("--rounds", 5));
    projector(edge, views, threads, rounds);
}
