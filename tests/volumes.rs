//! Tomography by all methods on a phantom of Gaussian balls, whose images are known exactly.

mod common;

use aet::context::Context;
use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, TiltSeries};
use aet::geometry::{self, AngleOrder, Mat3, Vec3};
use aet::io::state_file;
use aet::optimize::{RunOptions, Stopping, Termination};
use aet::problem::{Progress, Want};
use aet::reconstruct::{
    resume, tomography_memory_estimate, Background, Reconstruct, Regularization, Tomography, TomographyMethod,
    TomographyOptions, ViewSubset,
};
use aet::specimen::Volume;
use aet::Error;
use common::context;
use ndarray::Array3;
use std::f64::consts::PI;

/// Balls (x, y, z, mass) in pixels: no rotation or mirror maps them onto each other.
const BALLS: [(Vec3, f64); 5] = [
    ([6.0, 1.0, 2.0], 3.0),
    ([-5.0, 6.5, -1.0], 2.0),
    ([1.5, -7.0, 5.0], 4.0),
    ([-2.0, -3.0, -7.5], 2.5),
    ([3.0, 4.0, -4.0], 1.5),
];
const SIGMA: f64 = 1.4;

fn ball(r2: f64, dimensions: i32) -> f64 {
    (-0.5 * r2 / (SIGMA * SIGMA)).exp() / (2.0 * PI * SIGMA * SIGMA).powf(0.5 * f64::from(dimensions))
}

/// The phantom in voxels of `voxel` pixels: mass per voxel.
fn phantom(shape: [usize; 3], voxel: f64) -> Volume {
    let values = Array3::from_shape_fn((shape[0], shape[1], shape[2]), |(z, y, x)| {
        let index = [x, y, z];
        let p: Vec3 = std::array::from_fn(|a| (index[a] as f64 - (shape[2 - a] / 2) as f64) * voxel);
        let at = |(b, mass): &(Vec3, f64)| mass * ball((0..3).map(|a| (p[a] - b[a]).powi(2)).sum(), 3);
        (voxel.powi(3) * BALLS.iter().map(at).sum::<f64>()) as f32
    });
    Volume::new(values, voxel).unwrap()
}

/// Exact images, with `drift` and an `offset` of the origin that a wrong convention would have, in pixels.
fn images(rotations: &[Mat3], (rows, columns): (usize, usize), drift: &[[f64; 2]], offset: f64) -> Array3<f32> {
    Array3::from_shape_fn((rotations.len(), rows, columns), |(i, r, c)| {
        let at = |(b, mass): &(Vec3, f64)| {
            let p = geometry::apply(&rotations[i], b);
            let dx = c as f64 - (columns / 2) as f64 - p[0] - drift[i][0] - offset;
            let dy = r as f64 - (rows / 2) as f64 - p[1] - drift[i][1];
            mass * ball(dx * dx + dy * dy, 2)
        };
        BALLS.iter().map(at).sum::<f64>() as f32
    })
}

fn series_of(rotations: &[Mat3], size: (usize, usize), drift: &[[f64; 2]], offset: f64) -> TiltSeries {
    let mut frames = Frames::new(rotations.len()).with_rotations(Rotations::Matrices(rotations.to_vec()));
    frames.drift = Some(drift.to_vec());
    let options = SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() };
    TiltSeries::new(options, images(rotations, size, drift, offset).view(), &frames).unwrap()
}

fn tilts(order: AngleOrder, count: usize, refined: bool) -> Vec<Mat3> {
    let angle = |i: usize| -72.0 + 144.0 * i as f64 / (count - 1) as f64;
    let off = |i: usize, seed: f64| if refined { 3.0 * (i as f64 * seed).sin() } else { 0.0 };
    (0..count).map(|i| order.rotation(&[off(i, 12.9), angle(i), off(i, 7.3)])).collect()
}

fn options(method: TomographyMethod) -> TomographyOptions {
    TomographyOptions { method, background: Background::None, ..Default::default() }
}

fn run(recon: &Tomography, iterations: usize) -> Termination {
    let stopping = Stopping { max_iterations: iterations, loss_tolerance: 0.0, ..Default::default() };
    Reconstruct::run(recon, &RunOptions::from(&stopping), &mut |_: &Progress| true).unwrap()
}

fn reconstruct(context: &Context, series: &TiltSeries, options: &TomographyOptions) -> (Volume, f64) {
    let recon = Tomography::new(context, series, options, None, None).unwrap();
    run(&recon, options.iterations());
    let r: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
    (recon.volume().unwrap(), r.iter().sum::<f64>() / r.len() as f64)
}

fn correlation(a: &Volume, b: &Volume) -> f64 {
    let mean = |v: &Volume| v.as_slice().iter().map(|v| f64::from(*v)).sum::<f64>() / v.as_slice().len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.as_slice().iter().zip(b.as_slice()) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    ab / (aa * bb).sqrt()
}

fn sum(volume: &Volume) -> f64 {
    volume.as_slice().iter().map(|v| f64::from(*v)).sum()
}

fn all_methods() -> Vec<TomographyMethod> {
    TomographyMethod::ALL.map(|(_, method)| method).to_vec()
}

#[test]
fn every_method_gives_the_phantom_with_its_hand_and_its_mass() {
    let rotations = tilts(AngleOrder::Zyx, 36, false);
    let (size, drift) = ((28, 28), vec![[0.0; 2]; 36]);
    let (series, context) = (series_of(&rotations, size, &drift, 0.0), context(2));
    let truth = phantom([28; 3], 1.0);
    let mass: f64 = BALLS.iter().map(|(_, mass)| mass).sum();
    for method in all_methods() {
        let (volume, r1) = reconstruct(&context, &series, &options(method));
        let (c, total) = (correlation(&volume, &truth), sum(&volume));
        println!("{}: correlation {c:.4}, sum {total:.3} of {mass}, R1 {r1:.4}", method.name());
        // Back-projections know nothing of what lies in the missing wedge.
        let (wanted, off) = if method.is_direct() { (0.92, 0.25) } else { (0.96, 0.02) };
        assert!(c > wanted, "{}: {c}", method.name());
        assert!((total / mass - 1.0).abs() < off, "{}: {total} {mass}", method.name());
    }
}

#[test]
fn every_euler_order_and_three_refined_angles_are_taken_as_they_are() {
    let context = context(2);
    for order in [AngleOrder::Zyx, AngleOrder::Zyz, AngleOrder::Xyz] {
        let mut found = Vec::new();
        for refined in [false, true] {
            let rotations = tilts(order, 36, refined);
            let drift: Vec<[f64; 2]> = (0..36)
                .map(|i| if refined { [0.4 * (i as f64).sin(), 0.3 * (i as f64).cos()] } else { [0.0; 2] })
                .collect();
            for (rows, columns) in [(28, 28), (29, 27)] {
                let series = series_of(&rotations, (rows, columns), &drift, 0.0);
                let shape = Some([27, 28, 29]);
                let (volume, r1) =
                    reconstruct(&context, &series, &TomographyOptions { shape, ..options(TomographyMethod::Resire) });
                let c = correlation(&volume, &phantom([27, 28, 29], 1.0));
                assert!(c > 0.98 && r1 < 0.03, "{order:?} {rows} {columns}: {c} {r1}");
                found.push(c);
            }
        }
        let (least, most) = (found.iter().copied().fold(1.0, f64::min), found.iter().copied().fold(0.0, f64::max));
        assert!(most - least < 0.01, "{order:?}: {found:?}");
    }
}

#[test]
fn an_origin_half_a_pixel_off_is_seen() {
    let rotations = tilts(AngleOrder::Zyx, 36, false);
    let (size, drift) = ((28, 28), vec![[0.0; 2]; 36]);
    let context = context(2);
    let r1 = |offset: f64| {
        let series = series_of(&rotations, size, &drift, offset);
        reconstruct(&context, &series, &options(TomographyMethod::Resire)).1
    };
    let (right, wrong) = (r1(0.0), r1(0.5));
    assert!(right < 0.025 && wrong > 2.0 * right, "{right} {wrong}");
}

#[test]
fn volumes_may_be_larger_than_the_views_or_finer() {
    let rotations = tilts(AngleOrder::Zyx, 36, true);
    let (drift, context) = (vec![[0.0; 2]; 36], context(2));
    // A film: the views show only its middle.
    let series = series_of(&rotations, (14, 12), &drift, 0.0);
    let film = TomographyOptions { shape: Some([28, 24, 28]), ..options(TomographyMethod::Resire) };
    let (_, r1) = reconstruct(&context, &series, &film);
    assert!(r1 < 0.03, "{r1}");
    let series = series_of(&rotations, (28, 28), &drift, 0.0);
    let fine = TomographyOptions { shape: Some([40; 3]), voxel_size: Some(0.7), ..options(TomographyMethod::Sirt) };
    let (volume, _) = reconstruct(&context, &series, &fine);
    let mass: f64 = BALLS.iter().map(|(_, mass)| mass).sum();
    assert!((sum(&volume) / mass - 1.0).abs() < 0.02 && correlation(&volume, &phantom([40; 3], 0.7)) > 0.95);
}

#[test]
fn threads_do_not_change_a_bit() {
    let drift = vec![[0.0; 2]; 14];
    for method in all_methods() {
        let axes = !matches!(method, TomographyMethod::Est);
        let series = series_of(&tilts(AngleOrder::Zyx, 14, axes), (20, 22), &drift, 0.0);
        let volumes: Vec<Volume> = [1, 2, 3]
            .iter()
            .map(|threads| {
                let options = TomographyOptions { iterations: Some(3), ..options(method) };
                reconstruct(&context(*threads), &series, &options).0
            })
            .collect();
        assert!(volumes[0] == volumes[1] && volumes[0] == volumes[2], "{}", method.name());
    }
}

/// Saved after some iterations, in the middle of them too, a run goes on as if it had never been stopped.
#[test]
fn stopped_runs_go_on_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (drift, context) = (vec![[0.0; 2]; 14], context(2));
    let series = series_of(&tilts(AngleOrder::Zyx, 14, false), (20, 22), &drift, 0.0);
    for method in all_methods().into_iter().filter(|m| !m.is_direct()) {
        let options = TomographyOptions { iterations: Some(8), ..options(method) };
        let whole = Tomography::new(&context, &series, &options, None, None).unwrap();
        run(&whole, 8);
        let first = Tomography::new(&context, &series, &options, None, None).unwrap();
        run(&first, 3);
        let path = folder.path().join(method.name());
        state_file::write(&path, &first.saved_state(), &mut |_| true).unwrap();
        let again = resume(&context, &series, None, state_file::read(&path, &mut |_| true).unwrap()).unwrap();
        let stopping = Stopping { max_iterations: 2, loss_tolerance: 0.0, ..Default::default() };
        // Cancelled in an iteration: it is made again.
        let mut told = 0;
        again
            .run(&RunOptions::from(&stopping), &mut |p| {
                told += 1;
                p.iteration < 4
            })
            .unwrap();
        let left = 8 - again.history().len();
        let stopping = Stopping { max_iterations: left, ..stopping };
        again.run(&RunOptions::from(&stopping), &mut |_| true).unwrap();
        assert!(told > 0 && again.history().len() == 8);
        assert_eq!(again.volume().unwrap(), Reconstruct::volume(&whole).unwrap(), "{}", method.name());
    }
}

#[test]
fn gradients_of_all_blocks_agree_with_differences() {
    let count = 5;
    let rotations: Vec<Mat3> = tilts(AngleOrder::Zyx, count, true);
    let drift: Vec<[f64; 2]> = (0..count).map(|i| [0.23 + 0.1 * i as f64, -0.31 + 0.07 * i as f64]).collect();
    let series = series_of(&rotations, (20, 22), &drift, 0.2);
    let recon = Tomography::new(&context(2), &series, &options(TomographyMethod::Resire), None, None).unwrap();
    run(&recon, 3);
    for block in ["drift", "angles", "scale", "background"] {
        recon.freeze(block, false).unwrap();
    }
    let layout = recon.layout();
    let (x, want) = (recon.parameters(), Want { gradient: true, r_factors: false });
    let all = recon.evaluate(&x, None, want).unwrap();
    let voxels = layout.blocks[0].len();
    let loss = |at: usize, h: f64| {
        let mut moved = x.clone();
        moved[at] += h;
        recon.evaluate(&moved, None, Want::default()).unwrap().loss
    };
    // The loss is a parabola in the voxels, and in scale and background: differences are exact but for single precision.
    let largest = all.gradient[..voxels].iter().fold(0.0f64, |most, g| most.max(g.abs()));
    for at in (0..voxels).step_by(571) {
        let difference = (loss(at, 0.5) - loss(at, -0.5)) / 1.0;
        assert!((difference - all.gradient[at]).abs() < 1e-4 * largest, "{at}: {difference} {}", all.gradient[at]);
    }
    // Shifts and angles move voxels over the kinks of bilinear weights: differences over small ways, a few percent.
    for block in &layout.blocks[1..] {
        let h = match block.name {
            "drift" => 2e-2,
            "angles" => 5e-2,
            _ => 1e-1,
        };
        let range = layout.offset(block.name).unwrap()..layout.offset(block.name).unwrap() + block.len();
        let scale = all.gradient[range.clone()].iter().fold(0.0f64, |most, g| most.max(g.abs()));
        let tolerance = if h < 0.1 { 0.06 } else { 1e-4 };
        for at in range {
            let difference = (loss(at, h) - loss(at, -h)) / (2.0 * h);
            let off = (difference - all.gradient[at]).abs();
            assert!(off < tolerance * scale, "{} {at}: {difference} {}", block.name, all.gradient[at]);
        }
    }
}

/// The loss that a run tells at its end is the one that hosts evaluate, also where images share a view.
#[test]
fn runs_and_hosts_see_one_loss() {
    let rotations: Vec<Mat3> = tilts(AngleOrder::Zyx, 12, true).iter().flat_map(|r| [*r, *r]).collect();
    let drift = vec![[0.0; 2]; 24];
    let single = images(&rotations, (16, 18), &drift, 0.0);
    let double = Array3::from_shape_fn(single.dim(), |(i, r, c)| single[[i, r, c]] * [0.7, 1.2][i % 2]);
    let mut frames = Frames::new(24).with_rotations(Rotations::Matrices(rotations));
    frames.tilt = Some((0..24).map(|i| i / 2).collect());
    let unit = SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() };
    let series = TiltSeries::new(unit, double.view(), &frames).unwrap();
    let mut weights = vec![1.0; 24];
    (weights[3], weights[8], weights[9]) = (2.5, 0.0, 0.0);
    let weighted = TomographyOptions { image_weights: Some(weights), ..options(TomographyMethod::Resire) };
    let recon = Tomography::new(&context(2), &series, &weighted, None, None).unwrap();
    assert!(recon.used_images().len() == 22 && !recon.used_images().contains(&8));
    run(&recon, 6);
    let told = recon.snapshot().loss();
    let evaluated = recon.evaluate(&recon.parameters(), None, Want::default()).unwrap().loss;
    assert!((told / evaluated - 1.0).abs() < 1e-5, "{told} {evaluated}");
}

#[test]
fn pulling_back_is_the_adjoint_of_predicting() {
    let drift = vec![[0.3, -0.2]; 6];
    let series = series_of(&tilts(AngleOrder::Zyx, 6, true), (15, 18), &drift, 0.0);
    let recon = Tomography::new(&context(2), &series, &options(TomographyMethod::Sirt), None, None).unwrap();
    let noise = |n: usize| (0..n).map(|i| ((i as f64 * 12.9898).sin() * 43758.5453).fract()).collect::<Vec<f64>>();
    let x = noise(recon.parameters().len());
    let mut predicted = Vec::new();
    recon
        .predict_each(&x, &[0, 1, 2, 3, 4, 5], &mut |_, image| {
            predicted.extend_from_slice(image);
            Ok(())
        })
        .unwrap();
    let y = noise(predicted.len());
    let back = recon.pull_back(&x, None, &y).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (left, right, size) =
        (dot(&predicted, &y), dot(&x, &back), dot(&predicted, &predicted).sqrt() * dot(&y, &y).sqrt());
    assert!((left - right).abs() < 1e-5 * size, "{left} {right} {size}");
}

#[test]
fn held_out_views_end_a_run_and_the_best_volume_is_kept() {
    let rotations = tilts(AngleOrder::Zyx, 30, false);
    let drift = vec![[0.0; 2]; 30];
    let clean = images(&rotations, (24, 24), &drift, 0.0);
    let noisy = Array3::from_shape_fn(clean.dim(), |(i, r, c)| {
        let noise = (((i * 577 + r * 31 + c) as f64 * 12.9898).sin() * 43758.5453).fract();
        clean[[i, r, c]] + 0.3 * noise as f32
    });
    let frames = Frames::new(30).with_rotations(Rotations::Matrices(rotations));
    let unit = SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() };
    let series = TiltSeries::new(unit, noisy.view(), &frames).unwrap();
    let held = TomographyOptions { held_out: 0.2, ..options(TomographyMethod::Resire) };
    let recon = Tomography::new(&context(2), &series, &held, None, None).unwrap();
    assert_eq!(run(&recon, 200), Termination::LossTolerance);
    let history = recon.history();
    let lowest = history.iter().map(|r| r.r_free).fold(f64::INFINITY, f64::min);
    assert!(history.len() < 100 && history.iter().all(|r| r.r_free.is_finite()), "{}", history.len());
    let record = recon.record();
    let held: Vec<usize> = serde_json::from_value(record["held_out"].clone()).unwrap();
    let r = recon.r_factors();
    let r_free = held.iter().map(|image| r[*image]).sum::<f64>() / held.len() as f64;
    assert!(held.len() == 6 && (r_free - lowest).abs() < 1e-9, "{r_free} {lowest}");
}

#[test]
fn supports_bounds_starts_and_half_sets_are_kept() {
    let (drift, context) = (vec![[0.0; 2]; 20], context(2));
    let series = series_of(&tilts(AngleOrder::Zyx, 20, false), (24, 24), &drift, 0.0);
    let mut inside = phantom([24; 3], 1.0).values().mapv(|v| f32::from(u8::from(v > 1e-3)));
    inside[[0, 0, 0]] = 0.0;
    let support = Volume::new(inside, 1.0).unwrap();
    for method in all_methods() {
        let (low, high) = (0.0, 0.05);
        let mut bounded = TomographyOptions { iterations: Some(4), ..options(method) };
        if method.takes_bounds() && !method.is_fourier() {
            bounded.upper_bound = Some(high);
        }
        let recon = Tomography::new(&context, &series, &bounded, None, Some(&support)).unwrap();
        run(&recon, 4);
        let volume = recon.volume().unwrap();
        let outside = volume.as_slice().iter().zip(support.as_slice()).filter(|(_, s)| **s == 0.0);
        assert!(outside.into_iter().all(|(v, _)| *v == 0.0), "{}", method.name());
        if bounded.upper_bound.is_some() {
            assert!(volume.as_slice().iter().all(|v| (low..=high as f32).contains(v)), "{}", method.name());
        }
    }
    // From the truth itself, a step changes little.
    let truth = phantom([24; 3], 1.0);
    let recon = Tomography::new(&context, &series, &options(TomographyMethod::Sirt), Some(&truth), None).unwrap();
    run(&recon, 1);
    assert!(correlation(&recon.volume().unwrap(), &truth) > 0.995);
    let half = |subset| {
        let options = TomographyOptions { subset, ..options(TomographyMethod::Resire) };
        let recon = Tomography::new(&context, &series, &options, None, None).unwrap();
        run(&recon, 10);
        (recon.used_images(), recon.volume().unwrap())
    };
    let ((even, a), (odd, b)) = (half(ViewSubset::Even), half(ViewSubset::Odd));
    assert_eq!((even.len(), odd.len()), (10, 10));
    assert!(even.iter().all(|i| i % 2 == 0) && odd.iter().all(|i| i % 2 == 1));
    let c = correlation(&a, &b);
    assert!(c > 0.9 && c < 0.9999, "{c}");
}

#[test]
fn regularisation_smooths_noise() {
    let rotations = tilts(AngleOrder::Zyx, 20, false);
    let drift = vec![[0.0; 2]; 20];
    let clean = images(&rotations, (24, 24), &drift, 0.0);
    let noisy = Array3::from_shape_fn(clean.dim(), |(i, r, c)| {
        let noise = (((i * 577 + r * 31 + c) as f64 * 12.9898).sin() * 43758.5453).fract();
        clean[[i, r, c]] + 0.2 * noise as f32
    });
    let frames = Frames::new(20).with_rotations(Rotations::Matrices(rotations));
    let unit = SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() };
    let series = TiltSeries::new(unit, noisy.view(), &frames).unwrap();
    let truth = phantom([24; 3], 1.0);
    let with = |regularization: Regularization| {
        let options = TomographyOptions { regularization, ..options(TomographyMethod::Resire) };
        correlation(&reconstruct(&context(2), &series, &options).0, &truth)
    };
    let plain = with(Regularization::default());
    for better in [
        Regularization { total_variation: 0.5, ..Default::default() },
        Regularization { tikhonov_gradient: 20.0, ..Default::default() },
        Regularization { soft_threshold: 1.0, ..Default::default() },
        Regularization { blur: 0.5, ..Default::default() },
    ] {
        let c = with(better.clone());
        println!("{c:.4} for {plain:.4}: {better:?}");
        assert!(c > plain, "{c} {plain} {better:?}");
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let drift = vec![[0.0; 2]; 6];
    let series = series_of(&tilts(AngleOrder::Zyx, 6, false), (12, 14), &drift, 0.0);
    let context = context(1);
    let error = |options: TomographyOptions, initial: Option<&Volume>, support: Option<&Volume>| -> Error {
        Tomography::new(&context, &series, &options, initial, support).err().expect("an error")
    };
    let plain = || options(TomographyMethod::Resire);
    let check = |error: Error, code: i32, text: &str| {
        assert!(error.code() == code && error.to_string().contains(text), "{error}");
    };
    check(error(TomographyOptions { relaxation: Some(2.5), ..plain() }, None, None), 103, "relaxation");
    check(error(TomographyOptions { relaxation: Some(1.5), ..plain() }, None, None), 103, "accelerated");
    check(error(TomographyOptions { held_out: 0.9, ..plain() }, None, None), 103, "held_out");
    check(error(TomographyOptions { shape: Some([0, 3, 3]), ..plain() }, None, None), 103, "along z");
    check(error(TomographyOptions { voxel_size: Some(1.5), ..plain() }, None, None), 103, "voxel_size");
    check(error(TomographyOptions { memory_limit: Some(1000), ..plain() }, None, None), 500, "memory_limit");
    check(error(TomographyOptions { image_weights: Some(vec![1.0]), ..plain() }, None, None), 101, "image_weights");
    let cgls = TomographyOptions { positivity: Some(true), ..options(TomographyMethod::Cgls) };
    check(error(cgls, None, None), 107, "positivity");
    let bounded = TomographyOptions { upper_bound: Some(1.0), ..options(TomographyMethod::Genfire) };
    check(error(bounded, None, None), 107, "upper_bound");
    let tv = Regularization { total_variation: 1.0, ..Default::default() };
    check(error(TomographyOptions { regularization: tv, ..options(TomographyMethod::Sirt) }, None, None), 107, "sirt");
    let fine = TomographyOptions { voxel_size: Some(0.5), ..options(TomographyMethod::Genfire) };
    check(error(fine, None, None), 103, "Fourier space");
    let zeros = Volume::new(Array3::zeros((14, 14, 14)), 1.0).unwrap();
    check(error(plain(), None, Some(&zeros)), 301, "support");
    let other = Volume::new(Array3::ones((14, 14, 13)), 1.0).unwrap();
    check(error(plain(), Some(&other), None), 101, "initial");
    check(error(plain(), None, Some(&other)), 101, "support");
    let flat = TiltSeries::new(
        SeriesOptions { pixel_size: 1.0, length_unit: LengthUnit::Pixel, ..Default::default() },
        Array3::from_elem((2, 8, 8), 3.0f32).view(),
        &Frames::new(2).with_rotations(Rotations::Matrices(tilts(AngleOrder::Zyx, 2, false))),
    )
    .unwrap();
    let error = Tomography::new(&context, &flat, &plain(), None, None).err().expect("an error");
    check(error, 301, "all its pixels in use are 3");

    let recon = Tomography::new(&context, &series, &plain(), None, None).unwrap();
    recon.freeze("drift", false).unwrap();
    let stopping = RunOptions::from(&Stopping::default());
    let error = Reconstruct::run(&recon, &stopping, &mut |_| true).unwrap_err();
    check(error, 107, "drift");
    assert!(tomography_memory_estimate(&context, &series, &plain()).unwrap() > 4 * 14u64.pow(3));
    let est = options(TomographyMethod::Est);
    let three = series_of(&tilts(AngleOrder::Zyx, 6, true), (12, 14), &drift, 0.0);
    check(Tomography::new(&context, &three, &est, None, None).err().expect("an error"), 107, "view");
}
