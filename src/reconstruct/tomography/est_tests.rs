use super::*;
use crate::context::ContextOptions;
use crate::geometry::{apply, rotation_about, transpose, Mat3, Vec3};
use crate::grid;
use std::f64::consts::PI;

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

fn wait<R>(context: &Context, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
    let cancel = context.cancel_token();
    work(&mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

/// Gaussian atoms without any symmetry: place, height; and their width in voxels.
const ATOMS: [(Vec3, f64); 5] = [
    ([5.0, 3.0, -4.0], 2.0),
    ([-4.5, 2.0, 5.5], 1.0),
    ([1.0, -5.0, 2.0], 1.5),
    ([-3.0, -2.5, -6.0], 1.0),
    ([0.0, 6.0, 3.0], 0.7),
];
const SIGMA: f64 = 1.3;

fn gaussian(square: f64) -> f64 {
    (-square / (2.0 * SIGMA * SIGMA)).exp()
}

fn truth([nz, ny, nx]: [usize; 3]) -> Vec<f32> {
    let from = |i: usize, n: usize| i as f64 - grid::origin(n) as f64;
    let value = |i: usize| {
        let p = [from(i % nx, nx), from(i / nx % ny, ny), from(i / (nx * ny), nz)];
        let square = |q: &Vec3| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>();
        ATOMS.iter().map(|(q, height)| height * gaussian(square(q))).sum::<f64>() as f32
    };
    (0..nz * ny * nx).map(value).collect()
}

/// The projections of the atoms by formula: a Gaussian of the same width, sqrt(2 pi) sigma times as high.
fn views(shape: [usize; 3], size: [usize; 2], rotations: Vec<Mat3>, shifts: Vec<[f64; 2]>) -> PlainViews {
    let [rows, columns] = size;
    let mut images = Vec::new();
    for (rotation, shift) in rotations.iter().zip(&shifts) {
        let placed = ATOMS.map(|(q, height)| (apply(rotation, &q), height * (2.0 * PI).sqrt() * SIGMA));
        images.extend((0..rows * columns).map(|i| {
            let x = (i % columns) as f64 - grid::origin(columns) as f64 - shift[0];
            let y = (i / columns) as f64 - grid::origin(rows) as f64 - shift[1];
            placed.iter().map(|(q, h)| h * gaussian((x - q[0]).powi(2) + (y - q[1]).powi(2))).sum::<f64>() as f32
        }));
    }
    let weights = vec![1.0; rotations.len()];
    PlainViews { shape, rows, columns, rotations, shifts, weights, images }
}

fn about(axis: usize, degrees: &[f64]) -> Vec<Mat3> {
    degrees.iter().map(|d| transpose(&rotation_about(axis, *d))).collect()
}

fn unshifted(views: usize) -> Vec<[f64; 2]> {
    vec![[0.0; 2]; views]
}

fn new(context: &Context, views: &PlainViews, options: &EstOptions) -> Result<Est> {
    wait(context, |w| Est::new(context, views, options, w))
}

/// The volume and the R factors after `iterations`.
fn run(context: &Context, views: &PlainViews, options: &EstOptions, iterations: usize) -> (Vec<f32>, Vec<f64>) {
    let mut est = new(context, views, options).unwrap();
    let mut volume = vec![0.0; views.shape.iter().product()];
    (0..iterations).for_each(|_| {
        wait(context, |w| est.step(context, &mut volume, w)).unwrap();
    });
    let r_factor = wait(context, |w| est.r_factor(context, &volume, w)).unwrap();
    let mut r_factors = est.state.r_factors.clone();
    r_factors.push(r_factor);
    (volume, r_factors)
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|v| f64::from(*v)).sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let centred = || a.iter().zip(b).map(|(x, y)| (f64::from(*x) - ma, f64::from(*y) - mb));
    let sum = |of: &dyn Fn((f64, f64)) -> f64| centred().map(of).sum::<f64>();
    sum(&|(x, y)| x * y) / (sum(&|(x, _)| x * x) * sum(&|(_, y)| y * y)).sqrt()
}

fn sum(v: &[f32]) -> f64 {
    v.iter().map(|v| f64::from(*v)).sum()
}

#[test]
fn equal_slopes_are_equal() {
    for count in [1, 2, 8, 9, 40] {
        let angles = equal_slope_angles(count);
        assert_eq!(angles.len(), count);
        assert!(angles.contains(&0.0) && angles.windows(2).all(|w| w[0] < w[1]));
        assert!(angles.iter().all(|a| *a > -90.0 && *a <= 90.0));
    }
    assert!(equal_slope_angles(0).is_empty());
    let angles = equal_slope_angles(16);
    let slope = |degrees: f64| degrees.to_radians().tan();
    for pair in angles.windows(2) {
        let step = if pair[0].abs().max(pair[1].abs()) <= 45.0 + 1e-9 {
            slope(pair[1]) - slope(pair[0])
        } else {
            (slope(90.0 - pair[1]) - slope(90.0 - pair[0])).abs()
        };
        assert!((step - 0.25).abs() < 1e-9, "{pair:?}");
    }
}

#[test]
fn atoms_come_back_from_either_axis_with_the_right_hand() {
    let context = context(2);
    for (axis, shape, size) in [
        (1, [24, 24, 24], [24, 24]),
        (0, [24, 24, 24], [24, 24]),
        (1, [25, 23, 26], [23, 27]),
        (0, [26, 25, 23], [26, 23]),
    ] {
        let truth = truth(shape);
        for angles in [equal_slope_angles(40), (0..37).map(|i| -90.0 + 5.0 * i as f64).collect()] {
            let views = views(shape, size, about(axis, &angles), unshifted(angles.len()));
            let (volume, r) = run(&context, &views, &EstOptions::default(), 20);
            let found = correlation(&volume, &truth);
            assert!(found > 0.999 && r[20] < 0.01, "axis {axis} {shape:?}: {found} {r:?}");
            assert!((sum(&volume) / sum(&truth) - 1.0).abs() < 2e-3, "{}", sum(&volume) / sum(&truth));
            // The mirror image is another specimen.
            let slice = shape[1] * shape[2];
            let flipped: Vec<f32> = volume.chunks(slice).rev().flatten().copied().collect();
            assert!(correlation(&flipped, &truth) < 0.5);
        }
    }
}

#[test]
fn the_published_iteration_lowers_the_r_factor_every_time() {
    let context = context(2);
    let angles: Vec<f64> = (0..29).map(|i| -70.0 + 5.0 * i as f64).collect();
    let views = views([24; 3], [24; 2], about(1, &angles), unshifted(29));
    let truth = truth([24; 3]);
    for relaxation in [0.5, 1.0, 1.9] {
        let options = EstOptions { accelerated: false, relaxation, ..Default::default() };
        let (volume, r) = run(&context, &views, &options, 30);
        assert!(r.windows(2).skip(1).all(|w| w[1] < w[0]), "{relaxation} {r:?}");
        assert!(r[30] < 0.1 && correlation(&volume, &truth) > 0.97, "{r:?}");
    }
    let (_, slow) = run(&context, &views, &EstOptions { accelerated: false, ..Default::default() }, 40);
    let (_, fast) = run(&context, &views, &EstOptions::default(), 20);
    assert!(fast[20] < slow[40], "{} {}", fast[20], slow[40]);
}

#[test]
fn shifts_of_views_are_taken_out() {
    let context = context(2);
    let angles = equal_slope_angles(40);
    for axis in [0, 1] {
        let shift = |i: usize| [1.3 * (i as f64).sin(), if i.is_multiple_of(2) { 1.0 } else { 0.4 - 0.02 * i as f64 }];
        let shifts = (0..40).map(shift).collect();
        let views = views([24; 3], [30; 2], about(axis, &angles), shifts);
        let (volume, r) = run(&context, &views, &EstOptions::default(), 20);
        let found = correlation(&volume, &truth([24; 3]));
        assert!(found > 0.999 && r[20] < 0.01, "axis {axis}: {found} {r:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let angles = equal_slope_angles(12);
    for axis in [0, 1] {
        let views = views([20, 35, 37], [35, 37], about(axis, &angles), vec![[0.25, -0.5]; 12]);
        let run = |threads| run(&context(threads), &views, &EstOptions::default(), 4);
        let one = run(1);
        assert!(one == run(2) && one == run(3));
    }
}

#[test]
fn a_stored_state_goes_on_as_if_never_stopped() {
    let context = context(2);
    let angles = equal_slope_angles(12);
    let views = views([20; 3], [20; 2], about(1, &angles), unshifted(12));
    let (whole, r) = run(&context, &views, &EstOptions::default(), 6);
    let mut est = new(&context, &views, &EstOptions::default()).unwrap();
    let mut volume = vec![0.0; 8000];
    for _ in 0..3 {
        wait(&context, |w| est.step(&context, &mut volume, w)).unwrap();
    }
    let stored = postcard::to_allocvec(&est.state).unwrap();
    let mut est = new(&context, &views, &EstOptions::default()).unwrap();
    est.state = postcard::from_bytes(&stored).unwrap();
    for _ in 0..3 {
        wait(&context, |w| est.step(&context, &mut volume, w)).unwrap();
    }
    assert!(volume == whole && est.state.r_factors == r[..6]);
    // The best volume has the lowest R factor, whatever came after.
    let best = r[..6].iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(est.state.best_r_factor, Some(best));
    let mut worse = vec![0.0; 8000];
    est.restore_best(&mut worse, 1.0);
    assert_eq!(worse, est.state.best);
    est.restore_best(&mut volume, 0.5 * best);
    assert_eq!(volume, whole);
}

#[test]
fn support_and_weights_act() {
    let context = context(2);
    let angles = equal_slope_angles(24);
    let mut views = views([20; 3], [20; 2], about(1, &angles), unshifted(24));
    let support: Vec<bool> = (0..8000).map(|i| i % 20 > 3).collect();
    let mut est = new(&context, &views, &EstOptions::default()).unwrap();
    assert_eq!(est.set_support(Some(vec![true; 7])).unwrap_err().code(), 101);
    assert!(est.set_support(Some(vec![false; 8000])).unwrap_err().to_string().contains("support"));
    est.set_support(Some(support.clone())).unwrap();
    let mut volume = vec![0.0; 8000];
    for _ in 0..3 {
        wait(&context, |w| est.step(&context, &mut volume, w)).unwrap();
    }
    assert!(volume.iter().zip(&support).all(|(v, inside)| *inside || *v == 0.0));
    assert!(volume.iter().any(|v| *v > 0.0) && volume.iter().all(|v| *v >= 0.0));
    // A ruined view of weight 0 does no harm.
    let clean = run(&context, &views, &EstOptions::default(), 15).0;
    views.images[3 * 400..4 * 400].fill(7.0);
    views.weights[3] = 0.0;
    let without = run(&context, &views, &EstOptions::default(), 15).0;
    assert!(correlation(&clean, &without) > 0.995);
}

#[test]
fn empty_views_give_an_empty_volume() {
    let mut views = views([8; 3], [8; 2], about(1, &[0.0, 40.0]), unshifted(2));
    views.images.fill(0.0);
    let (volume, r) = run(&context(1), &views, &EstOptions::default(), 2);
    assert!(volume.iter().all(|v| *v == 0.0) && r.iter().all(|r| *r == 0.0));
}

#[test]
fn the_smallest_volumes_have_a_mean() {
    for shape in [[1, 1, 1], [1, 8, 8], [8, 1, 8], [8, 8, 1]] {
        for axis in [0, 1] {
            let mut views = views(shape, [shape[1], shape[2]], about(axis, &[0.0, 40.0]), unshifted(2));
            views.images.fill(1.0);
            let (volume, r) = run(&context(2), &views, &EstOptions::default(), 10);
            assert!(volume.iter().all(|v| v.is_finite()) && r[10] < r[0], "{shape:?}: {r:?}");
        }
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let context = context(1);
    let good = || views([8; 3], [8; 2], about(1, &[0.0, 40.0, -20.0]), unshifted(3));
    let refused = |change: &dyn Fn(&mut PlainViews)| {
        let mut views = good();
        change(&mut views);
        new(&context, &views, &EstOptions::default()).err().unwrap().to_string()
    };
    let turned = |v: &mut PlainViews| v.rotations[2] = rotation_about(2, 1.0);
    assert!(refused(&turned).contains("view 2 is 1.745e-2 rad off a rotation about"));
    assert!(refused(&|v| v.images[64 + 17] = f32::NAN).contains("view 1, row 2, column 1"));
    assert!(refused(&|v| v.weights[1] = -1.0).contains("weight of view 1 is -1"));
    assert!(refused(&|v| v.weights.fill(0.0)).contains("at least one"));
    assert!(refused(&|v| v.shifts.truncate(2)).contains("shifts of views"));
    assert!(refused(&|v| v.shifts[0][1] = f64::INFINITY).contains("view 0"));
    assert!(refused(&|v| v.images.truncate(9)).contains("3 views of 8 x 8"));
    assert!(refused(&|v| v.shape[1] = 0).contains("empty"));
    assert!(refused(&|v| *v = views([8; 3], [8; 2], vec![], vec![])).contains("at least one"));
    let optioned = |options: EstOptions| new(&context, &good(), &options).err().unwrap();
    let default = EstOptions::default;
    assert!(optioned(EstOptions { oversampling: 1.0, ..default() }).to_string().contains("oversampling is 1"));
    assert!(optioned(EstOptions { relaxation: 1.5, ..default() }).to_string().contains("relaxation is 1.5"));
    assert!(optioned(EstOptions { relaxation: f64::NAN, ..default() }).to_string().contains("relaxation"));
    let limited = optioned(EstOptions { memory_limit: Some(1000), ..default() });
    assert!(matches!(limited, Error::Memory { needed, .. } if needed > 1000));
    let mut est = new(&context, &good(), &default()).unwrap();
    assert!(wait(&context, |w| est.step(&context, &mut [0.0; 9], w)).is_err());
    let estimate = wait(&context, |_| Est::memory_estimate(&context, &good(), &default())).unwrap();
    assert!(estimate > 4 * 3 * good().shape.iter().product::<usize>() as u64);
}

#[test]
fn a_cancelled_step_leaves_volume_and_state_alone() {
    let context = context(2);
    let views = views([20; 3], [20; 2], about(1, &equal_slope_angles(12)), unshifted(12));
    let mut est = new(&context, &views, &EstOptions::default()).unwrap();
    let mut volume = vec![0.0; 8000];
    wait(&context, |w| est.step(&context, &mut volume, w)).unwrap();
    let (before, state) = (volume.clone(), est.state.clone());
    let cancel = context.cancel_token();
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| false };
    let error = est.step(&context, &mut volume, &mut waiting).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }));
    assert!(volume == before && est.state == state);
}

/// The sample of the published RESIRE code, of which that code makes 0.9732 in 100 iterations.
#[test]
fn the_resire_sample_is_reconstructed_better_than_published() {
    let beside = || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("AET_DATA_DIR").map_or_else(beside, Into::into).join("mg_resire_sample");
    if !folder.join("dataset.json").is_file() {
        eprintln!("skipped: no data set mg_resire_sample (set AET_DATA_DIR)");
        return;
    }
    let read = |name: &str| aet::io::npy::read::<f32>(&folder.join(name)).unwrap().into_raw_vec_and_offset().0;
    let rotations = aet::io::npy::read::<f64>(&folder.join("rotations.npy")).unwrap().into_raw_vec_and_offset().0;
    let rotation = |r: &[f64]| std::array::from_fn(|i| std::array::from_fn(|j| r[3 * i + j]));
    let rotations: Vec<Mat3> = rotations.chunks_exact(9).map(rotation).collect();
    let (shifts, weights) = (unshifted(rotations.len()), vec![1.0; rotations.len()]);
    let (images, truth) = (read("projections.npy"), read("volume_truth_zyx.npy"));
    let views = PlainViews { shape: [64; 3], rows: 64, columns: 64, rotations, shifts, weights, images };
    let context = context(2);
    for (accelerated, iterations, wanted) in [(true, 20, 0.98), (false, 100, 0.98), (true, 100, 0.987)] {
        let options = EstOptions { accelerated, ..Default::default() };
        let start = std::time::Instant::now();
        let (volume, r) = run(&context, &views, &options, iterations);
        let found = correlation(&volume, &truth);
        let seconds = start.elapsed().as_secs_f64() / iterations as f64;
        eprintln!(
            "accelerated {accelerated}, {iterations} iterations: correlation {found:.4}, R {:.4}, {seconds:.4} s each",
            r[iterations]
        );
        assert!(found > wanted && (sum(&volume) / sum(&truth) - 1.0).abs() < 0.015, "{found}");
    }
}
