use super::super::gaussians::{correlation, sample, sum, tilts, Gaussians};
use super::*;
use crate::context::ContextOptions;
use crate::geometry::{rotation_about, IDENTITY};

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

fn waiting<R>(context: &Context, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
    let cancel = context.cancel_token();
    work(&mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

/// Numbers without a pattern, about 0.
fn noise(len: usize, seed: f64) -> Vec<f32> {
    (0..len).map(|i| ((i as f64 * 12.9898 + seed).sin() * 43758.5453).fract() as f32).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn norm(a: &[f32]) -> f64 {
    dot(a, a).sqrt()
}

const SHAPES: [([usize; 3], (usize, usize)); 3] =
    [([21, 24, 20], (26, 23)), ([24, 21, 22], (24, 24)), ([22, 32, 34], (21, 22))];

const ALL: [Interpolation; 3] = [Interpolation::FourPoint, Interpolation::Trilinear, Interpolation::TrilinearCorrected];

/// Three-axis tilts, and turns by which planes of samples lie along planes of points.
fn directions() -> (Vec<Mat3>, Vec<[f64; 2]>) {
    let (mut rotations, mut shifts) = tilts(5, 70.0);
    rotations.extend([IDENTITY, rotation_about(0, 90.0), rotation_about(1, -90.0), rotation_about(2, 45.0)]);
    shifts.extend([[0.0, 0.0], [1.5, -0.25], [0.0, 3.0], [-0.5, 0.5]]);
    (rotations, shifts)
}

#[test]
fn back_projection_is_the_adjoint() {
    let context = context(2);
    let (rotations, shifts) = directions();
    for (shape, size) in SHAPES {
        let views = Gaussians::chiral().views(shape, size, rotations.clone(), shifts.clone());
        for interpolation in ALL {
            for oversampling in [1.5, 2.0] {
                let projector = FourierProjector::new(&context, &views, oversampling, interpolation).unwrap();
                let volume = noise(shape.iter().product(), 0.3);
                let images = noise(views.images.len(), 1.7);
                let (mut projected, mut back) = (vec![f32::NAN; images.len()], vec![f32::NAN; volume.len()]);
                waiting(&context, |w| projector.project_all(&context, &volume, &mut projected, w)).unwrap();
                waiting(&context, |w| projector.back_project_all(&context, &images, &mut back, w)).unwrap();
                let apart = (dot(&projected, &images) - dot(&volume, &back)).abs();
                let relative = apart / (norm(&projected) * norm(&images));
                assert!(relative < 1e-6, "{shape:?} {interpolation:?} {oversampling}: {relative:e}");
            }
        }
    }
}

#[test]
fn projections_agree_with_exact_ones() {
    let context = context(2);
    let (rotations, shifts) = directions();
    // wide enough for voxels and pixels to be fine, clear of the edges
    let gaussians = Gaussians { sigma: 1.6, ..Gaussians::chiral() };
    for (shape, size) in [([32, 34, 33], (34, 33)), ([33, 32, 36], (31, 32))] {
        let views = gaussians.views(shape, size, rotations.clone(), shifts.clone());
        let volume = gaussians.volume(shape);
        for (interpolation, oversampling, allowed) in [
            (Interpolation::FourPoint, 2.0, 1e-3),
            (Interpolation::FourPoint, 3.0, 3e-4),
            (Interpolation::TrilinearCorrected, 3.0, 0.01),
            (Interpolation::Trilinear, 3.0, 0.05),
        ] {
            let projector = FourierProjector::new(&context, &views, oversampling, interpolation).unwrap();
            let mut projected = vec![0.0; views.images.len()];
            waiting(&context, |w| projector.project_all(&context, &volume, &mut projected, w)).unwrap();
            let apart: Vec<f32> = projected.iter().zip(&views.images).map(|(a, b)| a - b).collect();
            let error = norm(&apart) / norm(&views.images);
            println!("{shape:?} {interpolation:?} {oversampling}: relative error {error:.2e}");
            assert!(error < allowed, "{shape:?} {interpolation:?} {oversampling}: {error:e}");
            let total = sum(&projected) / views.rotations.len() as f64 / sum(&volume);
            // what two points get wrong lies partly beside the view, and the correction does not fit on points themselves
            let allowed = if interpolation == Interpolation::FourPoint { 1e-3 } else { 0.02 };
            assert!((total - 1.0).abs() < allowed, "{interpolation:?}: {total}");
        }
    }
}

#[test]
fn large_volumes_do_not_wrap_into_small_views() {
    let context = context(2);
    // an atom that every view misses, in a volume much larger than the views
    let (shape, size) = ([16, 60, 64], (20, 20));
    let gaussians = Gaussians { atoms: vec![([25.0, 22.0, 1.0], 1.0)], sigma: 1.5 };
    let rotations: Vec<Mat3> = [-40.0, 0.0, 35.0].iter().map(|t| rotation_about(1, *t)).collect();
    let views = gaussians.views(shape, size, rotations, vec![[0.0; 2]; 3]);
    let projector = FourierProjector::new(&context, &views, 2.0, Interpolation::default()).unwrap();
    let mut projected = vec![0.0; views.images.len()];
    let volume = gaussians.volume(shape);
    waiting(&context, |w| projector.project_all(&context, &volume, &mut projected, w)).unwrap();
    let most = projected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(most < 1e-3 / (TAU as f32 * 2.25), "{most}");
}

#[test]
fn threads_change_nothing() {
    let (rotations, shifts) = directions();
    let (shape, size) = SHAPES[0];
    let views = Gaussians::chiral().views(shape, size, rotations, shifts);
    let both = |threads: usize| {
        let context = context(threads);
        let projector = FourierProjector::new(&context, &views, 2.0, Interpolation::default()).unwrap();
        let volume = noise(shape.iter().product(), 0.9);
        let (mut images, mut back) = (vec![0.0; views.images.len()], vec![0.0; volume.len()]);
        for _ in 0..2 {
            waiting(&context, |w| projector.project_all(&context, &volume, &mut images, w)).unwrap();
            waiting(&context, |w| projector.back_project_all(&context, &images, &mut back, w)).unwrap();
        }
        (images, back)
    };
    let one = both(1);
    assert!(one == both(2) && one == both(3));
}

#[test]
fn bad_input_is_named() {
    let context = context(1);
    let (rotations, shifts) = tilts(3, 60.0);
    let views = Gaussians::chiral().views([8, 8, 8], (8, 8), rotations, shifts);
    let new = |views: &PlainViews, oversampling| {
        FourierProjector::new(&context, views, oversampling, Interpolation::default())
    };
    assert_eq!(new(&views, f64::NAN).err().unwrap().code(), 103);
    assert_eq!(new(&views, 9.0).err().unwrap().code(), 103);
    let projector = new(&views, 2.0).unwrap();
    let project = |volume: usize, images: usize| {
        waiting(&context, |w| projector.project_all(&context, &vec![0.0; volume], &mut vec![0.0; images], w))
    };
    assert!(project(512, 192).is_ok());
    assert_eq!(project(511, 192).unwrap_err().code(), 101);
    assert_eq!(project(512, 191).unwrap_err().code(), 101);
    let empty = PlainViews { rotations: vec![], shifts: vec![], weights: vec![], ..views };
    assert_eq!(new(&empty, 2.0).err().unwrap().code(), 301);
    assert!(FourierProjector::memory_bytes(&PlainViews { shape: [64; 3], ..empty }, 2.0, 2) > 8 * 128 * 128 * 65);
}

/// V <- max(0, V - step / (K n) A*(A V - b)), from nothing.
fn resire(
    context: &Context,
    views: &PlainViews,
    projector: &FourierProjector,
    iterations: usize,
) -> (Vec<f32>, Vec<f64>) {
    let mut volume = vec![0.0f32; views.shape.iter().product()];
    let (mut residual, mut gradient) = (vec![0.0f32; views.images.len()], volume.clone());
    let thickest = views.shape.into_iter().max().unwrap_or(1);
    let step = 1.5 / (views.rotations.len() * thickest) as f32;
    let mut norms = Vec::new();
    for _ in 0..iterations {
        waiting(context, |w| projector.project_all(context, &volume, &mut residual, w)).unwrap();
        residual.iter_mut().zip(&views.images).for_each(|(a, b)| *a -= b);
        norms.push(norm(&residual) / norm(&views.images));
        waiting(context, |w| projector.back_project_all(context, &residual, &mut gradient, w)).unwrap();
        volume.iter_mut().zip(&gradient).for_each(|(v, g)| *v = (*v - step * g).max(0.0));
    }
    (volume, norms)
}

#[test]
fn descent_finds_the_right_hand() {
    let context = context(2);
    let gaussians = Gaussians::chiral();
    let (rotations, shifts) = tilts(25, 72.0);
    let (shape, size) = SHAPES[0];
    let views = gaussians.views(shape, size, rotations, shifts);
    let projector = FourierProjector::new(&context, &views, 2.0, Interpolation::default()).unwrap();
    let (volume, norms) = resire(&context, &views, &projector, 40);
    assert!(norms.is_sorted_by(|a, b| a >= b), "each step of this length descends: {norms:?}");
    let found = correlation(&volume, &gaussians.volume(shape));
    assert!(found > 0.98 && norms[39] < 0.05, "correlation {found}, residual {}", norms[39]);
    assert!((sum(&volume) / gaussians.total() - 1.0).abs() < 0.01);
}

/// Prints times: `cargo test --release --lib fourier_resire -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn time() {
    let context = context(2);
    let (rotations, _) = tilts(41, 70.0);
    let views = Gaussians::chiral().views([64; 3], (64, 64), rotations, vec![[0.0; 2]; 41]);
    for (interpolation, oversampling) in [(Interpolation::FourPoint, 2.0), (Interpolation::TrilinearCorrected, 3.0)] {
        let projector = FourierProjector::new(&context, &views, oversampling, interpolation).unwrap();
        let (mut images, mut back) = (views.images.clone(), vec![0.0; 64 * 64 * 64]);
        for _ in 0..4 {
            let began = std::time::Instant::now();
            waiting(&context, |w| projector.back_project_all(&context, &images, &mut back, w)).unwrap();
            let between = began.elapsed().as_secs_f64();
            waiting(&context, |w| projector.project_all(&context, &back, &mut images, w)).unwrap();
            let forward = began.elapsed().as_secs_f64() - between;
            println!("{interpolation:?} {oversampling}: back {between:.3} s, forward {forward:.3} s");
            images.iter_mut().for_each(|v| *v *= 1e-3);
        }
    }
}

/// Prints what RESIRE reaches: `cargo test --release --lib fourier_resire -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn published_sample() {
    let Some((views, truth)) = sample() else { return };
    let context = context(2);
    for (interpolation, oversampling) in
        [(Interpolation::FourPoint, 2.0), (Interpolation::Trilinear, 3.0), (Interpolation::TrilinearCorrected, 3.0)]
    {
        let projector = FourierProjector::new(&context, &views, oversampling, interpolation).unwrap();
        let began = std::time::Instant::now();
        let (volume, norms) = resire(&context, &views, &projector, 100);
        println!(
            "{interpolation:?} {oversampling}: correlation {:.4}, residual {:.4}, total {:.4}, {:.3} s per iteration",
            correlation(&volume, &truth),
            norms[99],
            sum(&volume) / sum(&truth),
            began.elapsed().as_secs_f64() / 100.0
        );
    }
}
