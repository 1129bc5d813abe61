use super::*;
use crate::context::ContextOptions;
use crate::dataset::{Frames, Rotations, SeriesOptions, TiltAxis, TiltSeries};
use crate::prepare::{filter, FilterOptions, Padding, SoftCut};
use ndarray::Array3;

fn with<R>(threads: usize, run: impl FnOnce(&Context, &mut Waiting<'_>) -> R) -> R {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    run(&context, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

fn run(a: &Volume, b: &Volume, mask: Option<&Volume>, options: &ShellOptions) -> Result<ShellCorrelation> {
    with(2, |context, waiting| shell_correlation(context, [a, b], mask, options, waiting))
}

fn plain(a: &Volume, b: &Volume) -> ShellCorrelation {
    run(a, b, None, &ShellOptions::default()).unwrap()
}

fn noise(shape: [usize; 3], seed: f64) -> Volume {
    let value = |i: usize| (((i as f64 * 12.9898 + seed).sin() * 43758.5453).rem_euclid(1.0) - 0.5) as f32;
    let [_, ny, nx] = shape;
    Volume::new(Array3::from_shape_fn(shape, |(z, y, x)| value((z * ny + y) * nx + x)), 0.5).unwrap()
}

fn sum(a: &Volume, b: &Volume, factor: f32) -> Volume {
    Volume::new(&a.values() + &(&b.values() * factor), a.voxel_size()).unwrap()
}

#[test]
fn a_volume_agrees_with_itself_and_not_with_another() {
    let (a, b) = (noise([15, 16, 17], 1.0), noise([15, 16, 17], 2.0));
    let same = plain(&a, &a);
    assert_eq!((same.correlations.len(), ShellCorrelation::shells([15, 16, 17])), (9, 9));
    assert!(same.correlations.iter().all(|c| (c - 1.0).abs() < 1e-9));
    assert_eq!(same.frequencies[3], 3.0 / 17.0 / 0.5);
    assert_eq!((same.below(1.0 / 7.0), same.below_half_bit()), (Crossing::BeyondNyquist, Crossing::BeyondNyquist));
    let turned = Volume::new(a.values().mapv(|v| -3.0 * v), 0.5).unwrap();
    assert!(plain(&a, &turned).correlations.iter().all(|c| (c + 1.0).abs() < 1e-9));
    // Independent noise: about 1 / sqrt(n / 2) in a shell of n coefficients.
    let other = plain(&a, &b);
    for (c, n) in other.correlations.iter().zip(&other.coefficients).skip(1) {
        assert!(c.abs() < 4.0 / (0.5 * *n as f64).sqrt(), "{c} {n}");
    }
}

#[test]
fn the_curve_is_that_of_the_direct_sum() {
    let shape = [4, 5, 6];
    let (a, b) = (noise(shape, 1.0), sum(&noise(shape, 1.0), &noise(shape, 2.0), 0.7));
    let transform = |v: &Volume, k: [f64; 3]| {
        v.values().indexed_iter().fold([0.0, 0.0], |[re, im], ((z, y, x), v)| {
            let phase = k[0] * z as f64 / 4.0 + k[1] * y as f64 / 5.0 + k[2] * x as f64 / 6.0;
            let (s, c) = (-std::f64::consts::TAU * phase).sin_cos();
            [re + f64::from(*v) * c, im + f64::from(*v) * s]
        })
    };
    let mut sums = [[0.0; 4]; 4];
    for (z, y, x) in (-2..2).flat_map(|z| (-2..3).flat_map(move |y| (-3..3).map(move |x| (z, y, x)))) {
        let k = [f64::from(z), f64::from(y), f64::from(x)];
        let square = (k[0] / 4.0).powi(2) + (k[1] / 5.0).powi(2) + (k[2] / 6.0).powi(2);
        let shell = (6.0 * square.sqrt()).round() as usize;
        if shell > 3 {
            continue;
        }
        let (f, g) = (transform(&a, k), transform(&b, k));
        sums[shell][0] += f[0] * g[0] + f[1] * g[1];
        sums[shell][1] += f[0] * f[0] + f[1] * f[1];
        sums[shell][2] += g[0] * g[0] + g[1] * g[1];
        sums[shell][3] += 1.0;
    }
    let curve = plain(&a, &b);
    for (shell, s) in sums.iter().enumerate() {
        let wanted = s[0] / (s[1] * s[2]).sqrt();
        assert!((curve.correlations[shell] - wanted).abs() < 1e-5, "{shell}");
        assert_eq!(curve.coefficients[shell], s[3] as u64);
        let n = 1.0 / (0.5 * s[3]).sqrt();
        let half_bit = ((0.2071 + 1.9102 * n) / (1.2071 + 0.9102 * n)).min(1.0);
        assert!((curve.half_bit[shell] - half_bit).abs() < 1e-12);
    }
}

#[test]
fn the_resolution_is_that_of_a_low_pass() {
    let (a, b) = (noise([32; 3], 1.0), noise([32; 3], 2.0));
    // A common part up to k = 0.5, half of Nyquist, and weak noise of their own.
    let options = FilterOptions {
        low_pass: Some(SoftCut { frequency: 0.5, width: Some(0.1) }),
        padding: Padding::Periodic,
        ..Default::default()
    };
    let common = with(2, |context, waiting| filter(context, &noise([32; 3], 3.0), &options, waiting)).unwrap();
    let curve = plain(&sum(&common, &a, 0.05), &sum(&common, &b, 0.05));
    for crossing in [curve.below(0.5), curve.below(1.0 / 7.0), curve.below_half_bit()] {
        let Crossing::At(resolution) = crossing else { panic!("{crossing:?}") };
        assert!((1.0 / resolution - 0.55).abs() < 0.05, "{resolution}");
    }
}

#[test]
fn crossings_are_interpolated_and_told_plainly() {
    let curve = |correlations: &[f64]| ShellCorrelation {
        frequencies: (0..correlations.len()).map(|i| 0.1 * i as f64).collect(),
        correlations: correlations.to_vec(),
        coefficients: vec![1, 6, 18, 30, 60][..correlations.len()].to_vec(),
        half_bit: vec![1.0, 0.9, 0.7, 0.6, 0.5][..correlations.len()].to_vec(),
    };
    let falling = curve(&[1.0, 1.0, 0.8, 0.4, 0.9]);
    assert_eq!(falling.below(0.5), Crossing::At(1.0 / (0.2 + 0.1 * 0.75)));
    let Crossing::At(crossed) = falling.below_half_bit() else { panic!() };
    assert!((1.0 / crossed - (0.2 + 0.1 * 0.1 / 0.3)).abs() < 1e-9);
    assert_eq!(falling.below(0.1), Crossing::BeyondNyquist);
    assert_eq!(curve(&[1.0, 0.3, 0.9, 0.9, 0.9]).below(0.5), Crossing::Nowhere);
    // Shells without coefficients are passed over.
    let mut gap = curve(&[1.0, 0.0, 0.8, 0.4, 0.9]);
    gap.coefficients[1] = 0;
    assert_eq!(gap.below(0.5), falling.below(0.5));
    // So are those of one independent coefficient in the half-bit curve.
    let mut single = falling.clone();
    (single.correlations[1], single.half_bit[1]) = (0.99, 1.0);
    assert_eq!(single.below_half_bit(), falling.below_half_bit());
    assert_eq!(curve(&[1.0]).below(0.5), Crossing::Nowhere);
    assert!((half_bit(1e12) - 0.2071 / 1.2071).abs() < 1e-5 && half_bit(0.0) == 1.0);
}

#[test]
fn cones_see_one_direction() {
    // Equal along z, different elsewhere.
    let along_z = Volume::new(Array3::from_shape_fn((16, 16, 16), |(z, _, _)| (z as f32 * 1.7).sin()), 0.5).unwrap();
    let other = noise([16; 3], 2.0);
    let (a, b) = (sum(&along_z, &noise([16; 3], 1.0), 0.02), sum(&along_z, &other, 0.02));
    let cone = |direction| ShellOptions { cone: Some(Cone { direction, half_angle_deg: 8.0 }), ..Default::default() };
    let z = run(&a, &b, None, &cone([0.0, 0.0, -2.0])).unwrap();
    let x = run(&a, &b, None, &cone([1.0, 0.0, 0.0])).unwrap();
    assert!(z.correlations[1..8].iter().all(|c| *c > 0.9), "{:?}", z.correlations);
    assert!(x.correlations[1..8].iter().sum::<f64>() < 4.0 && x.coefficients[3] == 2, "{:?}", x.correlations);
    let all =
        ShellOptions { cone: Some(Cone { direction: [1.0, 2.0, 3.0], half_angle_deg: 90.0 }), ..Default::default() };
    assert_eq!(run(&a, &b, None, &all).unwrap(), plain(&a, &b));
}

#[test]
fn masks_and_threads() {
    let (a, b) = (noise([12; 3], 1.0), noise([12; 3], 2.0));
    let mask = Volume::new(Array3::from_shape_fn((12, 12, 12), |(z, _, _)| f32::from(u8::from(z < 6))), 0.5).unwrap();
    // Equal where the mask is.
    let mixed =
        Volume::new(Array3::from_shape_fn((12, 12, 12), |i| if i.0 < 6 { a.values()[i] } else { b.values()[i] }), 0.5);
    let curve = run(&a, &mixed.unwrap(), Some(&mask), &ShellOptions::default()).unwrap();
    assert!(curve.correlations.iter().all(|c| (c - 1.0).abs() < 1e-9));
    let of = |threads| {
        with(threads, |context, waiting| {
            shell_correlation(context, [&a, &b], Some(&mask), &ShellOptions::default(), waiting)
        })
        .unwrap()
    };
    assert!(of(1) == of(2) && of(1) == of(3));
    let few = run(&a, &b, None, &ShellOptions { filling: 0.1, symmetry: 4.0, ..Default::default() }).unwrap();
    assert!(few.half_bit[3] > plain(&a, &b).half_bit[3]);
}

#[test]
fn volumes_that_cannot_be_compared_are_refused() {
    let a = noise([6; 3], 1.0);
    let code =
        |b: &Volume, mask: Option<&Volume>, options: ShellOptions| run(&a, b, mask, &options).unwrap_err().code();
    assert_eq!(code(&noise([6, 6, 7], 1.0), None, ShellOptions::default()), 101);
    assert_eq!(code(&a, Some(&noise([6, 6, 7], 1.0)), ShellOptions::default()), 101);
    let larger = Volume::new(a.values().to_owned(), 0.6).unwrap();
    assert_eq!(code(&larger, None, ShellOptions::default()), 302);
    let zeros = Volume::new(Array3::zeros((6, 6, 6)), 0.5).unwrap();
    assert_eq!(code(&zeros, None, ShellOptions::default()), 301);
    assert_eq!(code(&a, Some(&zeros), ShellOptions::default()), 301);
    for (filling, symmetry) in [(0.0, 1.0), (1.1, 1.0), (f64::NAN, 1.0), (1.0, 0.5), (1.0, f64::NAN)] {
        assert_eq!(code(&a, None, ShellOptions { filling, symmetry, cone: None }), 103);
    }
    let cone = |direction, half_angle_deg| ShellOptions {
        cone: Some(Cone { direction, half_angle_deg }),
        ..Default::default()
    };
    assert_eq!(code(&a, None, cone([0.0; 3], 20.0)), 103);
    assert_eq!(code(&a, None, cone([1.0, 0.0, 0.0], 0.0)), 103);
    assert_eq!(code(&a, None, cone([1.0, 0.0, 0.0], f64::NAN)), 103);
    assert_eq!(code(&a, None, cone([1.0, f64::NAN, 0.0], 20.0)), 300);
}

#[test]
fn half_sets_take_every_other_tilt_in_use() {
    let rotations = Rotations::SingleAxis { axis: TiltAxis::Y, degrees: vec![0.0, 0.0, 10.0, 20.0, 20.0, 30.0, 40.0] };
    let mut frames = Frames::new(7).with_rotations(rotations);
    frames.tilt = Some(vec![0, 0, 1, 2, 2, 3, 4]);
    let options = SeriesOptions { pixel_size: 0.5, ..Default::default() };
    let series = TiltSeries::new(options, Array3::zeros((7, 2, 2)).view(), &frames).unwrap();
    assert_eq!(half_sets(&series.version()).unwrap(), [vec![0, 1, 3, 4, 6], vec![2, 5]]);
    series.exclude_tilt(1, true).unwrap();
    assert_eq!(half_sets(&series.version()).unwrap(), [vec![0, 1, 5], vec![3, 4, 6]]);
    (2..5).for_each(|tilt| series.exclude_tilt(tilt, true).unwrap());
    assert_eq!(half_sets(&series.version()).unwrap_err().code(), 200);
}
