use super::super::gaussians::{centre, correlation, sample, sum, tilts, Gaussians};
use super::*;
use crate::context::ContextOptions;
use crate::geometry::{rotation_about, Mat3, IDENTITY};

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

fn waiting<R>(context: &Context, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
    let cancel = context.cancel_token();
    work(&mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

fn engine(context: &Context, views: &PlainViews, options: &GenfireOptions) -> Result<Genfire> {
    waiting(context, |w| Genfire::new(context, views, options, w))
}

fn run(context: &Context, views: &PlainViews, options: &GenfireOptions) -> (Vec<f32>, Vec<f64>, Genfire) {
    let mut volume = vec![0.0; views.shape.iter().product()];
    let mut engine = engine(context, views, options).unwrap();
    let step = |_| waiting(context, |w| engine.step(context, &mut volume, w)).unwrap();
    let errors = (0..options.iterations).map(step).collect();
    engine.finish(context, &mut volume).unwrap();
    (volume, errors, engine)
}

/// `[z][y][x]` with one axis reversed around its origin voxel; what has no mirror image is 0.
fn mirrored(volume: &[f32], [nz, ny, nx]: [usize; 3]) -> Vec<f32> {
    let from = |z: usize| (2 * (nz / 2)).checked_sub(z).filter(|z| *z < nz);
    let plane = ny * nx;
    (0..nz).flat_map(|z| (0..plane).map(move |i| from(z).map_or(0.0, |z| volume[z * plane + i]))).collect()
}

const SHAPES: [([usize; 3], (usize, usize)); 3] =
    [([21, 24, 20], (26, 23)), ([24, 21, 22], (24, 24)), ([23, 23, 23], (23, 25))];

#[test]
fn the_right_hand_and_total_come_back() {
    let context = context(2);
    let gaussians = Gaussians::chiral();
    let (rotations, shifts) = tilts(31, 75.0);
    for (shape, size) in SHAPES {
        let views = gaussians.views(shape, size, rotations.clone(), shifts.clone());
        let truth = gaussians.volume(shape);
        for (gridding, wanted) in [(Gridding::Exact, 0.985), (Gridding::Nearest, 0.96)] {
            let options = GenfireOptions { gridding, iterations: 40, ..Default::default() };
            let (volume, errors, _) = run(&context, &views, &options);
            let found = correlation(&volume, &truth);
            assert!(found > wanted, "{shape:?} {gridding:?}: correlation {found}");
            let other_hand = correlation(&volume, &mirrored(&truth, shape));
            assert!(other_hand < 0.7, "{shape:?} {gridding:?}: mirror image {other_hand}");
            let total = sum(&volume) / gaussians.total();
            assert!((total - 1.0).abs() < 0.005, "{shape:?} {gridding:?}: total {total}");
            assert!(errors[0] == 1.0 && errors[39] < 0.2, "{errors:?}");
            assert!(volume.iter().all(|v| *v >= 0.0));
        }
    }
}

#[test]
fn origins_hold_to_a_thirtieth_of_a_voxel() {
    let context = context(2);
    let gaussians = Gaussians { atoms: vec![([1.3, -0.7, 0.4], 5.0)], sigma: 1.5 };
    // all directions of one tilt axis: no missing wedge that would blur
    let rotations: Vec<Mat3> = (0..36).map(|i| rotation_about(1, 5.0 * f64::from(i))).collect();
    for (shape, size) in SHAPES {
        for shift in [[0.0, 0.0], [0.5, -0.5]] {
            let views = gaussians.views(shape, size, rotations.clone(), vec![shift; 36]);
            let options = GenfireOptions { iterations: 20, ..Default::default() };
            let (volume, _, _) = run(&context, &views, &options);
            let found = centre(&volume, shape);
            let wanted = gaussians.atoms[0].0;
            assert!((0..3).all(|a| (found[a] - wanted[a]).abs() < 0.03), "{shape:?} {shift:?}: {found:?}");
        }
    }
}

/// The transform of the Gaussians at a point (gx, gy, gz) of a transform of `size`.
fn transform(gaussians: &Gaussians, g: [f64; 3], [nz, ny, nx]: [usize; 3]) -> num_complex::Complex64 {
    let tau = std::f64::consts::TAU;
    let f = [g[0] / nx as f64, g[1] / ny as f64, g[2] / nz as f64];
    let envelope = (-0.5 * (tau * gaussians.sigma).powi(2) * f.iter().map(|f| f * f).sum::<f64>()).exp();
    let term = |(p, total): &([f64; 3], f64)| {
        num_complex::Complex64::from_polar(*total, -tau * (0..3).map(|a| p[a] * f[a]).sum::<f64>())
    };
    gaussians.atoms.iter().map(term).sum::<num_complex::Complex64>() * envelope
}

#[test]
fn points_on_slices_are_exact() {
    let (context, gaussians) = (context(2), Gaussians::chiral());
    for (shape, size) in SHAPES {
        // slices that lie on points: one across each axis
        for rotation in [IDENTITY, rotation_about(1, 90.0), rotation_about(0, -90.0)] {
            for gridding in [Gridding::Exact, Gridding::Nearest] {
                let views = gaussians.views(shape, size, vec![rotation], vec![[0.4, -1.3]]);
                // near 0, so that no sample beside the point counts
                let options = GenfireOptions { gridding, cutoff: 0.02, ..Default::default() };
                let engine = engine(&context, &views, &options).unwrap();
                let size = engine.plan.size();
                let signed = |k: usize, n: usize| k as f64 - if 2 * k > n { n as f64 } else { 0.0 };
                let mut count = 0;
                for (ky, slab) in engine.measured.imposed.iter().enumerate() {
                    for (row, kz) in engine.plan.kz_of_row().iter().enumerate() {
                        for point in slab.row(row) {
                            let g = [f64::from(point.column), signed(ky, size[1]), signed(*kz, size[0])];
                            let wanted = transform(&gaussians, g, size);
                            let got = num_complex::Complex64::new(point.value.re.into(), point.value.im.into());
                            let error = (got - wanted).norm() / gaussians.total();
                            // below, what pixels alias is small enough
                            let inner = f64::from(point.radius) < 0.8 * RADIUS_UNIT;
                            assert!(!inner || error < 1e-4, "{shape:?} {gridding:?} {g:?}: {got} {wanted}");
                            count += 1;
                        }
                    }
                }
                assert!(count > 100 || gridding == Gridding::Nearest, "{shape:?}: {count} points");
            }
        }
    }
}

#[test]
fn threads_and_interruptions_change_nothing() {
    let gaussians = Gaussians::chiral();
    let (rotations, shifts) = tilts(15, 65.0);
    let (shape, size) = SHAPES[0];
    let views = gaussians.views(shape, size, rotations, shifts);
    let options = GenfireOptions { iterations: 12, held_back: 0.05, seed: 7, ..Default::default() };
    let (one, errors, engine_of_one) = run(&context(1), &views, &options);
    for threads in [2, 3] {
        let (volume, others, engine) = run(&context(threads), &views, &options);
        assert!(one == volume && errors == others);
        let plain =
            |shells: Vec<ShellError>| shells.iter().map(|s| [s.imposed, s.held].map(f64::to_bits)).collect::<Vec<_>>();
        assert_eq!(plain(engine.rfree()), plain(engine_of_one.rfree()));
    }
    // a step that is cancelled, and an engine that takes up the state of another
    let context = context(2);
    let mut volume = vec![0.0; one.len()];
    let mut first = engine(&context, &views, &options).unwrap();
    for _ in 0..7 {
        let cancel = context.cancel_token();
        let refused = first.step(&context, &mut volume, &mut Waiting { cancel: &cancel, tell: &mut |_| false });
        assert_eq!(refused.unwrap_err().code(), 1);
        waiting(&context, |w| first.step(&context, &mut volume, w)).unwrap();
    }
    let mut second = engine(&context, &views, &options).unwrap();
    second.set_state(first.state().clone()).unwrap();
    for _ in 7..12 {
        waiting(&context, |w| second.step(&context, &mut volume, w)).unwrap();
    }
    second.finish(&context, &mut volume).unwrap();
    assert!(one == volume);
}

#[test]
fn points_held_back_are_drawn_and_never_imposed() {
    let (context, gaussians) = (context(2), Gaussians::chiral());
    let (rotations, shifts) = tilts(21, 70.0);
    let (shape, size) = SHAPES[1];
    let views = gaussians.views(shape, size, rotations, shifts);
    let count = |slabs: &[SlabPoints]| slabs.iter().map(|s| s.points.len()).sum::<usize>() as f64;
    let all = count(&engine(&context, &views, &GenfireOptions::default()).unwrap().measured.imposed);
    let options = |seed| GenfireOptions { held_back: 0.05, seed, iterations: 30, ..Default::default() };
    let (_, _, first) = run(&context, &views, &options(1));
    let (imposed, held) = (count(&first.measured.imposed), count(&first.measured.held));
    assert_eq!(imposed + held, all);
    assert!((held / all - 0.05).abs() < 0.01, "{held} of {all}");
    let second = engine(&context, &views, &options(2)).unwrap();
    assert!(first.measured.held.iter().zip(&second.measured.held).any(|(a, b)| a.points != b.points));
    let shells = first.rfree();
    assert!(shells.is_sorted_by(|a, b| a.radius < b.radius));
    let inner: Vec<_> = shells.iter().filter(|s| s.imposed.is_finite() && s.held.is_finite()).take(6).collect();
    assert!(inner.len() == 6 && inner.iter().all(|s| s.held < 1.0 && s.imposed < 0.5), "{inner:?}");
}

#[test]
fn constraints_hold() {
    let (context, gaussians) = (context(2), Gaussians::chiral());
    let (rotations, shifts) = tilts(15, 65.0);
    let (shape, size) = SHAPES[2];
    let views = gaussians.views(shape, size, rotations, shifts);
    let truth = gaussians.volume(shape);
    let support: Vec<bool> = truth.iter().map(|v| *v > 1e-4).collect();
    let options = GenfireOptions { iterations: 20, support: Some(support.clone()), ..Default::default() };
    let (within, _, _) = run(&context, &views, &options);
    assert!(within.iter().zip(&support).all(|(v, inside)| *inside || *v == 0.0));
    let (free, _, _) = run(&context, &views, &GenfireOptions { iterations: 20, ..Default::default() });
    assert!(correlation(&within, &truth) > correlation(&free, &truth));

    let last = GenfireOptions { iterations: 20, iterate: Iterate::Last, keep_total: false, ..Default::default() };
    let (heavy, _, engine) = run(&context, &views, &last);
    assert!(engine.state().best.is_empty() && sum(&heavy) > 1.002 * sum(&free), "{} {}", sum(&heavy), sum(&free));
    let unbound = GenfireOptions { positivity: false, ..last };
    let (signed, _, _) = run(&context, &views, &unbound);
    assert!(signed.iter().any(|v| *v < 0.0));
}

#[test]
fn bad_input_is_named() {
    let (context, gaussians) = (context(1), Gaussians::chiral());
    let (rotations, shifts) = tilts(3, 60.0);
    let views = || gaussians.views([8, 8, 8], (8, 8), rotations.clone(), shifts.clone());
    let refused = |change: &dyn Fn(&mut PlainViews, &mut GenfireOptions), code: i32, part: &str| {
        let (mut views, mut options) = (views(), GenfireOptions::default());
        change(&mut views, &mut options);
        let error = engine(&context, &views, &options).err().unwrap();
        assert!(error.code() == code && error.to_string().contains(part), "{}: {error}", error.code());
    };
    refused(&|v, _| v.images[70] = f32::NAN, 300, "view 1, row 0, column 6");
    refused(&|v, _| v.images.truncate(100), 101, "3 views of 8 x 8");
    refused(&|v, _| v.images.fill(0.0), 301, "0 at all points");
    refused(&|v, _| v.weights.fill(0.0), 301, "weights");
    refused(&|v, _| v.weights[1] = -1.0, 103, "weight of view 1");
    refused(&|v, _| v.shifts.truncate(2), 101, "one for each of 3");
    refused(&|v, _| v.shifts[2][1] = f64::INFINITY, 300, "view 2");
    refused(&|v, _| v.rotations[0][0][0] = -2.0, 302, "rotation of view 0");
    refused(&|v, _| v.shape[1] = 0, 103, "along y");
    refused(&|_, o| o.iterations = 0, 103, "iterations");
    refused(&|_, o| o.oversampling = 0.5, 103, "oversampling");
    refused(&|_, o| o.cutoff = f64::NAN, 103, "cutoff");
    refused(&|_, o| o.held_back = 0.6, 103, "R-free");
    refused(&|_, o| o.support = Some(vec![true; 5]), 101, "support");
    refused(&|_, o| o.support = Some(vec![false; 512]), 301, "support");

    let mut engine = engine(&context, &views(), &GenfireOptions::default()).unwrap();
    let mut step = |volume: &mut [f32]| waiting(&context, |w| engine.step(&context, volume, w));
    assert_eq!(step(&mut [0.0; 7]).unwrap_err().code(), 101);
    assert_eq!(step(&mut [f32::NAN; 512]).unwrap_err().code(), 300);
    assert!(step(&mut [0.0; 512]).is_ok());
}

#[test]
fn the_memory_estimate_is_an_upper_bound() {
    let gaussians = Gaussians::chiral();
    let (rotations, shifts) = tilts(15, 65.0);
    let (shape, (rows, columns)) = SHAPES[0];
    let views = gaussians.views(shape, (rows, columns), rotations, shifts);
    for oversampling in [1.5, 2.0, 3.0] {
        let options = GenfireOptions { oversampling, ..Default::default() };
        let engine = engine(&context(1), &views, &options).unwrap();
        let points: usize = engine.measured.imposed.iter().map(|s| 12 * s.points.capacity() + 4 * s.starts.len()).sum();
        let scratch = RealTransform3::<f32>::scratch_bytes(shape, engine.plan.size(), 1);
        let held = points as u64 + scratch + 8 * engine.state.best.len() as u64;
        let told = Genfire::memory_bytes(shape, (15, rows, columns), &options, 1);
        assert!(held <= told && told < 4 * held, "{held} {told}");
    }
}

#[test]
fn the_published_sample_is_reconstructed() {
    let Some((views, truth)) = sample() else {
        println!("skipped: mg_resire_sample is not in AET_DATA_DIR or ../shared/data");
        return;
    };
    let context = context(2);
    let total = sum(&views.images) / views.rotations.len() as f64;
    for (gridding, keep_total, wanted) in
        [(Gridding::Exact, true, 0.979), (Gridding::Nearest, true, 0.975), (Gridding::Nearest, false, 0.970)]
    {
        let options = GenfireOptions { gridding, keep_total, ..Default::default() };
        let began = std::time::Instant::now();
        let (volume, errors, _) = run(&context, &views, &options);
        let (found, seconds) = (correlation(&volume, &truth), began.elapsed().as_secs_f64());
        let scale = sum(&volume) / total;
        println!(
            "{gridding:?} {keep_total}: correlation {found:.4} total {scale:.4} errK {:.4} {seconds:.2} s",
            errors[99]
        );
        assert!(found > wanted, "{gridding:?}: {found}");
        assert!(!keep_total || (scale - 1.0).abs() < 1e-3, "{scale}");
    }
}
