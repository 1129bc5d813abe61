use super::*;
use crate::context::ContextOptions;

const SHAPE: [usize; 3] = [5, 6, 7];

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

/// Calls `work` with a waiting that nobody interrupts.
fn wait<R>(context: &Context, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
    let cancel = context.cancel_token();
    work(&mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

/// Looks random, a multiple of 1 / 64 between -1 and 1: differences and steps of tests are exact in single precision.
fn volume(len: usize, seed: usize) -> Vec<f32> {
    let noise = |i: usize| ((i as f64 * 12.9898 + 78.233 * seed as f64).sin() * 43758.5453).fract();
    (0..len).map(|i| (64.0 * noise(i)).round() as f32 / 64.0).collect()
}

fn voxels([z, y, x]: [usize; 3]) -> usize {
    z * y * x
}

fn value(regularizer: &Regularizer, v: &[f32]) -> f64 {
    let context = context(2);
    wait(&context, |w| regularizer.value(&context, v, w)).unwrap()
}

fn prox(options: &Regularization, shape: [usize; 3], v: &[f32], step: f64, bounds: &Bounds<'_>) -> Vec<f32> {
    let context = context(2);
    let mut out = v.to_vec();
    let mut regularizer = Regularizer::new(options, shape).unwrap();
    wait(&context, |w| regularizer.apply_prox(&context, &mut out, step, bounds, w)).unwrap();
    out
}

/// What the proximal step shall minimise.
fn objective(options: &Regularization, shape: [usize; 3], v: &[f32], from: &[f32], step: f64) -> f64 {
    let distance: f64 = v.iter().zip(from).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    0.5 * distance + step * value(&Regularizer::new(options, shape).unwrap(), v)
}

#[test]
fn nothing_is_on_by_default_and_off_means_untouched() {
    let options = Regularization::default();
    assert!(!options.has_gradient() && !options.has_prox());
    assert_eq!(options.memory_bytes(SHAPE), 0);
    let v = volume(voxels(SHAPE), 1);
    assert_eq!(prox(&options, SHAPE, &v, 0.7, &Bounds::NONE), v);
    assert_eq!(value(&Regularizer::new(&options, SHAPE).unwrap(), &v), 0.0);
    // Records of older programs lack newer fields.
    assert_eq!(serde_json::from_str::<Regularization>(r#"{"tikhonov": 0.5}"#).unwrap().edge_power, 5.0);
}

#[test]
fn the_gradient_of_the_smooth_terms_agrees_with_differences() {
    let context = context(2);
    for (tikhonov, tikhonov_gradient) in [(0.75, 0.0), (0.0, 0.5), (0.25, 1.5)] {
        let options = Regularization { tikhonov, tikhonov_gradient, ..Default::default() };
        let regularizer = Regularizer::new(&options, SHAPE).unwrap();
        let v = volume(voxels(SHAPE), 2);
        let mut gradient = vec![0.0f32; v.len()];
        wait(&context, |w| regularizer.add_gradient(&context, &v, &mut gradient, w)).unwrap();
        let largest = gradient.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        for i in 0..v.len() {
            let mut moved = v.clone();
            moved[i] = v[i] + 0.125;
            let up = value(&regularizer, &moved);
            moved[i] = v[i] - 0.125;
            let difference = (up - value(&regularizer, &moved)) / 0.25;
            let error = (difference - f64::from(gradient[i])).abs();
            assert!(error <= 1e-6 * f64::from(largest), "voxel {i}: {difference} {}", gradient[i]);
        }
        // It is added, and no curvature is above the bound.
        let twice: Vec<f32> = gradient.iter().map(|g| 2.0 * g).collect();
        wait(&context, |w| regularizer.add_gradient(&context, &v, &mut gradient, w)).unwrap();
        assert_eq!(gradient, twice);
        let checkered: Vec<f32> = (0..v.len()).map(|i| [1.0, -1.0][(i / 42 + i / 7 % 6 + i % 7) % 2]).collect();
        assert!(value(&regularizer, &checkered) <= 0.5 * regularizer.curvature() * v.len() as f64);
    }
}

#[test]
fn the_values_are_those_of_the_formulas() {
    // One voxel of 2 in the middle of 3 x 3 x 3: three differences of -2 at it, one of 2 at each lower neighbour.
    let mut v = vec![0.0f32; 27];
    v[13] = 2.0;
    let of = |options: Regularization| value(&Regularizer::new(&options, [3, 3, 3]).unwrap(), &v);
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    near(of(Regularization { total_variation: 0.5, ..Default::default() }), 0.5 * (12f64.sqrt() + 6.0));
    near(of(Regularization { tikhonov: 0.5, ..Default::default() }), 0.5 * 0.5 * 4.0);
    near(of(Regularization { tikhonov_gradient: 0.5, ..Default::default() }), 0.5 * 0.5 * 6.0 * 4.0);
    near(of(Regularization { soft_threshold: 0.5, ..Default::default() }), 0.5 * 2.0);
}

#[test]
fn the_edge_weight_is_one_in_the_faces_across_y_and_squeezed_along_the_beam() {
    let options = Regularization { edge: 1.0, edge_power: 3.0, edge_squeeze: 4.0, ..Default::default() };
    let [nz, ny, nx] = [8, 10, 7];
    let weights = edge_weights(&options, [nz, ny, nx]);
    let at = |z: usize, y: usize, x: usize| f64::from(weights[(z * ny + y) * nx + x]);
    assert_eq!(at(nz / 2, ny / 2, nx / 2), 0.0);
    assert!((at(nz / 2, 0, nx / 2) - 1.0).abs() < 1e-6);
    assert!((at(nz / 2 + 2, ny / 2, nx / 2) - (4.0f64 / 5.0).powi(3)).abs() < 1e-6);
    assert!((at(nz / 2, ny / 2 + 1, nx / 2 - 2) - (5f64.sqrt() / 5.0).powi(3)).abs() < 1e-6);
}

#[test]
fn without_total_variation_the_prox_is_the_closed_threshold() {
    let options = Regularization { soft_threshold: 0.25, edge: 0.125, edge_power: 2.0, ..Default::default() };
    let v = volume(voxels(SHAPE), 3);
    let weights = edge_weights(&options, SHAPE);
    let out = prox(&options, SHAPE, &v, 2.0, &Bounds { lower: -0.125, upper: 0.25, support: None });
    for ((out, v), w) in out.iter().zip(&v).zip(&weights) {
        let threshold = 0.5 + 0.25 * w;
        let wanted = if v.abs() <= threshold { 0.0 } else { v - threshold * v.signum() };
        assert!((out - wanted.clamp(-0.125, 0.25)).abs() < 1e-6);
    }
}

#[test]
fn total_variation_of_a_step_lowers_its_edges_by_the_weight() {
    // Known minimum of a step between two halves along z: each side moves by mu / (its planes) towards the other.
    let shape = [8, 4, 4];
    let v: Vec<f32> = (0..128).map(|i| if i < 64 { 0.0 } else { 1.0 }).collect();
    let options = Regularization { total_variation: 0.4, inner_iterations: 400, ..Default::default() };
    let out = prox(&options, shape, &v, 0.5, &Bounds::NONE);
    for (i, value) in out.iter().enumerate() {
        let wanted = if i < 64 { 0.2 / 4.0 } else { 1.0 - 0.2 / 4.0 };
        assert!((value - wanted).abs() < 1e-4, "voxel {i}: {value} {wanted}");
    }
}

#[test]
fn the_prox_of_all_terms_together_is_a_minimum() {
    let (step, n) = (0.5, voxels(SHAPE));
    let (v, support): (Vec<f32>, Vec<bool>) = (volume(n, 4), (0..n).map(|i| i % 11 != 3).collect());
    let options = Regularization {
        total_variation: 0.3,
        soft_threshold: 0.1,
        edge: 0.05,
        inner_iterations: 2000,
        ..Default::default()
    };
    let bounds = Bounds { lower: 0.0, upper: 0.3, support: Some(&support) };
    let out = prox(&options, SHAPE, &v, step, &bounds);
    let lowest = objective(&options, SHAPE, &out, &v, step);
    for (i, value) in out.iter().enumerate() {
        assert!((0.0..=0.3).contains(value) && (support[i] || *value == 0.0));
    }
    // No allowed change of one voxel, or of all towards another volume, is lower.
    for i in 0..n {
        for change in [-0.02, 0.02] {
            let mut moved = out.clone();
            moved[i] = (moved[i] + change).clamp(0.0, 0.3);
            if support[i] {
                assert!(objective(&options, SHAPE, &moved, &v, step) >= lowest - 1e-6, "voxel {i}");
            }
        }
    }
    for seed in 5..15 {
        let other = volume(n, seed).into_iter().zip(&support).map(|(v, s)| if *s { v.clamp(0.0, 0.3) } else { 0.0 });
        let moved: Vec<f32> = other.zip(&out).map(|(o, v)| v + 0.05 * (o - v)).collect();
        assert!(objective(&options, SHAPE, &moved, &v, step) >= lowest - 1e-6);
    }
}

#[test]
fn the_dual_of_the_last_step_is_a_better_start() {
    let context = context(2);
    let shape = [12, 12, 12];
    let v = volume(voxels(shape), 6);
    let options = Regularization { total_variation: 0.5, inner_iterations: 5, ..Default::default() };
    let mut regularizer = Regularizer::new(&options, shape).unwrap();
    let after = |regularizer: &mut Regularizer| {
        let mut out = v.clone();
        wait(&context, |w| regularizer.apply_prox(&context, &mut out, 1.0, &Bounds::POSITIVE, w)).unwrap();
        (objective(&options, shape, &out, &v, 1.0), out)
    };
    let (cold, first) = after(&mut regularizer);
    let (warm, _) = after(&mut regularizer);
    assert!(warm < cold);
    regularizer.restart();
    assert_eq!(after(&mut regularizer).1, first);
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let shape = [40, 41, 43];
    let v = volume(voxels(shape), 7);
    let options = Regularization {
        total_variation: 0.2,
        inner_iterations: 4,
        tikhonov: 0.1,
        tikhonov_gradient: 0.3,
        soft_threshold: 0.05,
        edge: 0.1,
        blur: 0.7,
        ..Default::default()
    };
    let results: Vec<_> = (1..=3)
        .map(|threads| {
            let context = context(threads);
            let mut regularizer = Regularizer::new(&options, shape).unwrap();
            let (mut out, mut gradient) = (v.clone(), v.clone());
            wait(&context, |w| {
                regularizer.apply_prox(&context, &mut out, 0.5, &Bounds::POSITIVE, w).unwrap();
                regularizer.add_gradient(&context, &out, &mut gradient, w).unwrap();
                (regularizer.value(&context, &out, w).unwrap().to_bits(), out.clone(), gradient.clone())
            })
        })
        .collect();
    assert!(results.iter().all(|r| *r == results[0]));
}

#[test]
fn bad_input_is_refused_by_name() {
    let refused = |options: Regularization| Regularizer::new(&options, SHAPE).err().unwrap().to_string();
    let default = Regularization::default;
    assert!(refused(Regularization { total_variation: -1.0, ..default() }).contains("total_variation is -1"));
    assert!(refused(Regularization { tikhonov: f64::NAN, ..default() }).contains("tikhonov is NaN"));
    assert!(refused(Regularization { inner_iterations: 0, ..default() }).contains("inner_iterations is 0"));
    assert!(refused(Regularization { edge_power: 0.0, ..default() }).contains("edge_power is 0"));
    assert!(refused(Regularization { blur: 1e3, ..default() }).contains("blur is 1000"));
    assert!(Regularizer::new(&default(), [3, 0, 3]).is_err());
    let context = context(1);
    let mut regularizer = Regularizer::new(&default(), SHAPE).unwrap();
    let mut v = volume(voxels(SHAPE), 8);
    wait(&context, |w| {
        let short = [true; 3];
        let bad = Bounds { lower: 1.0, upper: 0.0, support: None };
        let outside = Bounds { lower: 0.5, upper: 1.0, support: Some(&[true; 210]) };
        assert!(regularizer.apply_prox(&context, &mut v[1..], 1.0, &Bounds::NONE, w).is_err());
        assert!(regularizer.apply_prox(&context, &mut v, f64::NAN, &Bounds::NONE, w).is_err());
        assert!(regularizer.apply_prox(&context, &mut v, 1.0, &bad, w).is_err());
        assert!(regularizer.apply_prox(&context, &mut v, 1.0, &outside, w).is_err());
        let shape = Bounds { support: Some(&short), ..Bounds::NONE };
        assert!(regularizer.apply_prox(&context, &mut v, 1.0, &shape, w).is_err());
        assert!(regularizer.value(&context, &v[1..], w).is_err());
        assert!(regularizer.add_gradient(&context, &v.clone(), &mut v[1..], w).is_err());
    });
}

#[test]
fn a_cancelled_step_ends() {
    let context = context(2);
    let cancel = context.cancel_token();
    let options = Regularization { total_variation: 0.5, inner_iterations: 10_000, ..Default::default() };
    let mut regularizer = Regularizer::new(&options, [32, 32, 32]).unwrap();
    let mut v = volume(32 * 32 * 32, 9);
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |fraction| fraction < 0.001 };
    let error = regularizer.apply_prox(&context, &mut v, 1.0, &Bounds::NONE, &mut waiting).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
}
