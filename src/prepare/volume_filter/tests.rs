use super::*;
use crate::context::ContextOptions;
use crate::geometry::{rotation_about, IDENTITY};
use std::f64::consts::{PI, TAU};

fn run(threads: usize, volume: &Volume, options: &FilterOptions) -> Result<Volume> {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    filter(&context, volume, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

fn volume(shape: [usize; 3], value: impl Fn(usize, usize, usize) -> f64) -> Volume {
    Volume::new(Array3::from_shape_fn(shape, |(z, y, x)| value(z, y, x) as f32), 0.5).unwrap()
}

fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898 + 78.233).sin() * 43758.5453).rem_euclid(1.0) - 0.5
}

fn periodic() -> FilterOptions {
    FilterOptions { padding: Padding::Periodic, ..Default::default() }
}

/// A plane wave of (kz, ky, kx) periods in the volume, on a mean of 1.
fn wave([nz, ny, nx]: [usize; 3], k: [f64; 3]) -> Volume {
    volume([nz, ny, nx], |z, y, x| {
        let phase = k[0] * z as f64 / nz as f64 + k[1] * y as f64 / ny as f64 + k[2] * x as f64 / nx as f64;
        1.0 + (TAU * phase).cos()
    })
}

/// What a filter makes of the mean and of the wave.
fn gains(shape: [usize; 3], k: [f64; 3], options: &FilterOptions) -> [f64; 2] {
    let (before, after) = (wave(shape, k), run(2, &wave(shape, k), options).unwrap());
    let n = shape.iter().product::<usize>() as f64;
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        before.as_slice().iter().zip(after.as_slice()).map(|(b, a)| f(f64::from(*b) - 1.0, f64::from(*a))).sum()
    };
    let mean = sum(&|_, after| after) / n;
    [mean, sum(&|wave, after| wave * (after - mean)) / sum(&|wave, _| wave * wave)]
}

fn close(got: [f64; 2], wanted: [f64; 2]) {
    assert!((0..2).all(|i| (got[i] - wanted[i]).abs() < 2e-5), "{got:?} {wanted:?}");
}

const SHAPE: [usize; 3] = [10, 12, 15];

#[test]
fn cuts_are_soft_and_at_their_frequency() {
    // Voxels of 0.5: Nyquist 1; 3 of 12 periods along y are k = 0.5.
    let cut = |frequency, width| Some(SoftCut { frequency, width: Some(width) });
    let low = |frequency, width| FilterOptions { low_pass: cut(frequency, width), ..periodic() };
    let high = |frequency, width| FilterOptions { high_pass: cut(frequency, width), ..periodic() };
    let k = [0.0, 3.0, 0.0];
    close(gains(SHAPE, k, &low(0.5, 0.2)), [1.0, 0.5]);
    close(gains(SHAPE, k, &low(0.4, 0.2)), [1.0, 0.0]);
    close(gains(SHAPE, k, &low(0.55, 0.2)), [1.0, 0.5 + 0.5 * (0.25 * PI).cos()]);
    close(gains(SHAPE, k, &high(0.5, 0.2)), [0.0, 0.5]);
    close(gains(SHAPE, k, &high(0.4, 0.2)), [0.0, 1.0]);
    // A constant of 2 goes.
    close(gains(SHAPE, [0.0; 3], &FilterOptions { high_pass: Some(SoftCut::at(0.01)), ..periodic() }), [0.0; 2]);
    // An oblique wave, in a volume with odd and even edges: |k| = |(2/10, 3/12, 3/15)| / 0.5.
    let oblique = (0.04f64 + 0.0625 + 0.04).sqrt() / 0.5;
    close(gains(SHAPE, [2.0, -3.0, 3.0], &low(oblique, 0.1)), [1.0, 0.5]);
    let band = FilterOptions { low_pass: cut(0.7, 0.1), high_pass: cut(0.3, 0.1), ..periodic() };
    close(gains(SHAPE, k, &band), [0.0, 1.0]);
}

#[test]
fn gaussians_agree_with_their_formula() {
    let options = FilterOptions { gaussian: Some(0.4), ..periodic() };
    let k = 4.0 / 15.0 / 0.5;
    close(gains(SHAPE, [0.0, 0.0, 4.0], &options), [1.0, (-2.0 * PI * PI * 0.16 * k * k).exp()]);
}

#[test]
fn wiener_filters_follow_a_curve() {
    let curve = vec![[0.0, 1.0], [0.4, 0.8], [0.6, 0.2], [0.8, -0.1], [1.0, 0.3]];
    let options =
        |half| FilterOptions { wiener: Some(Wiener::Correlation { curve: curve.clone(), half }), ..periodic() };
    let k = [0.0, 3.0, 0.0];
    close(gains(SHAPE, k, &options(true)), [1.0, 0.5]);
    // Between 2 0.8 / 1.8 and 2 0.2 / 1.2.
    close(gains(SHAPE, k, &options(false)), [1.0, 0.5 * (1.6 / 1.8 + 0.4 / 1.2)]);
    close(gains(SHAPE, [0.0, 5.0, 0.0], &options(false)), [1.0, 0.0]); // k = 0.83, after the first zero
}

#[test]
fn wiener_filters_from_a_number_lessen_white_noise() {
    let blob = |z: usize, y: usize, x: usize| {
        let d = [z as f64 - 12.0, y as f64 - 12.0, x as f64 - 12.0];
        (-d.iter().map(|v| v * v).sum::<f64>() / 18.0).exp()
    };
    let clean = volume([24; 3], blob);
    let noisy = volume([24; 3], |z, y, x| blob(z, y, x) + 0.2 * noise((z * 24 + y) * 24 + x));
    let mean = |v: &Volume| v.as_slice().iter().map(|v| f64::from(*v)).sum::<f64>() / 13824.0;
    let m = mean(&clean);
    let signal: f64 = clean.as_slice().iter().map(|v| (f64::from(*v) - m).powi(2)).sum::<f64>() / 13824.0;
    let options = FilterOptions { wiener: Some(Wiener::SignalToNoise(signal / (0.04 / 12.0))), ..Default::default() };
    let filtered = run(2, &noisy, &options).unwrap();
    let error = |v: &Volume| -> f64 {
        v.as_slice().iter().zip(clean.as_slice()).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    assert!(error(&filtered) < 0.1 * error(&noisy), "{} {}", error(&filtered), error(&noisy));
    let certain = FilterOptions { wiener: Some(Wiener::SignalToNoise(1e12)), ..Default::default() };
    assert!(error(&run(2, &clean, &certain).unwrap()) < 1e-6);
}

#[test]
fn what_was_not_seen_goes() {
    // Views about y, beam along z: -60 to 60 degrees, 3 degrees apart.
    let rotations: Vec<_> = (-20..=20).map(|i| rotation_about(1, 3.0 * f64::from(i))).collect();
    let seen = |object_size, floor| FilterOptions {
        seen: Some(SeenWeights { rotations: rotations.clone(), object_size: Some(object_size), floor }),
        ..periodic()
    };
    let shape = [20, 20, 20];
    close(gains(shape, [0.0, 4.0, 3.0], &seen(10.0, 0.0)), [1.0, 1.0]); // along y and x: the untilted view
    close(gains(shape, [5.0, 0.0, 0.0], &seen(10.0, 0.0)), [1.0, 0.0]); // along the beam: in the wedge
    close(gains(shape, [5.0, 0.0, 0.0], &seen(10.0, 0.25)), [1.0, 0.25]);
    // Between one view and the next, where planes are 2 k sin(1.5 degrees) apart.
    let one = SeenWeights { rotations: vec![IDENTITY], object_size: Some(2.0), floor: 0.0 };
    let options = FilterOptions { seen: Some(one), ..periodic() };
    // kz = 2 periods of 10 A: D kz = 0.4
    close(gains(shape, [2.0, 3.0, 0.0], &options), [1.0, (0.2 * PI).cos().powi(2)]);
}

#[test]
fn rotated_views_are_turned_the_right_way() {
    // A view whose beam runs along x of the specimen sees ky and kz.
    let beam_along_x = rotation_about(1, -90.0);
    assert!((beam_along_x[2][0].abs() - 1.0).abs() < 1e-12);
    let options = FilterOptions {
        seen: Some(SeenWeights { rotations: vec![beam_along_x], object_size: Some(5.0), floor: 0.0 }),
        ..periodic()
    };
    close(gains([16; 3], [3.0, 2.0, 0.0], &options), [1.0, 1.0]);
    close(gains([16; 3], [0.0, 0.0, 3.0], &options), [1.0, 0.0]);
}

#[test]
fn padding_keeps_faces_apart() {
    let near_a_face = volume([1, 1, 16], |_, _, x| f64::from(u8::from(x == 15)));
    let blurred = |padding| {
        run(2, &near_a_face, &FilterOptions { gaussian: Some(0.75), padding, ..Default::default() })
            .unwrap()
            .as_slice()
            .to_vec()
    };
    let gauss = |x: f64| (-x * x / 4.5).exp() / (TAU * 2.25).sqrt();
    let (wrapped, padded) = (blurred(Padding::Periodic), blurred(Padding::Zeros(None)));
    let mirrored = blurred(Padding::Mirror(None));
    assert!((f64::from(wrapped[0]) - gauss(1.0)).abs() < 1e-3 && padded[0].abs() < 1e-3 && mirrored[0].abs() < 1e-3);
    assert!((f64::from(padded[15]) - gauss(0.0)).abs() < 1e-3);
    assert!((f64::from(mirrored[15]) - gauss(0.0) - gauss(1.0)).abs() < 1e-3);
}

#[test]
fn nothing_changes_without_factors_and_threads_do_not_matter() {
    let start = volume([9, 10, 11], |z, y, x| noise((z * 10 + y) * 11 + x));
    for padding in [Padding::Periodic, Padding::Zeros(Some(3)), Padding::Mirror(None)] {
        let same = run(2, &start, &FilterOptions { padding, ..Default::default() }).unwrap();
        assert!(same.as_slice().iter().zip(start.as_slice()).all(|(a, b)| (a - b).abs() < 1e-6));
        let options = FilterOptions {
            low_pass: Some(SoftCut::at(0.5)),
            wiener: Some(Wiener::SignalToNoise(2.0)),
            seen: Some(SeenWeights { rotations: vec![IDENTITY], object_size: None, floor: 0.1 }),
            padding,
            ..Default::default()
        };
        let one = run(1, &start, &options).unwrap();
        assert!([2, 3].iter().all(|threads| run(*threads, &start, &options).unwrap() == one));
    }
}

#[test]
fn factors_without_meaning_are_refused() {
    let start = volume([4, 5, 6], |z, _, _| z as f64);
    let fail = |options: FilterOptions| run(1, &start, &options).unwrap_err();
    let low = |frequency, width| FilterOptions { low_pass: Some(SoftCut { frequency, width }), ..Default::default() };
    let beyond = fail(low(1.1, None));
    assert!(
        beyond.code() == 103 && beyond.to_string().contains("Nyquist frequency of the voxels, 1 cycles"),
        "{beyond}"
    );
    for options in
        [low(0.0, None), low(f64::NAN, None), low(0.5, Some(1.1)), low(0.5, Some(-0.1)), low(0.5, Some(f64::NAN))]
    {
        assert_eq!(fail(options).code(), 103);
    }
    let band = FilterOptions { high_pass: Some(SoftCut::at(0.6)), ..low(0.5, None) };
    assert_eq!(fail(band).code(), 302);
    assert_eq!(fail(FilterOptions { gaussian: Some(f64::NAN), ..Default::default() }).code(), 103);
    let wiener = |wiener| fail(FilterOptions { wiener: Some(wiener), ..Default::default() }).code();
    assert_eq!(wiener(Wiener::SignalToNoise(0.0)), 103);
    let curve = |curve: &[[f64; 2]]| wiener(Wiener::Correlation { curve: curve.to_vec(), half: true });
    assert_eq!(curve(&[]), 301);
    assert_eq!(curve(&[[0.0, f64::NAN]]), 300);
    assert_eq!(curve(&[[0.2, 1.0], [0.1, 0.5]]), 302);
    assert_eq!(curve(&[[0.2, 1.5]]), 103);
    let seen = |rotations, object_size, floor| {
        fail(FilterOptions { seen: Some(SeenWeights { rotations, object_size, floor }), ..Default::default() }).code()
    };
    assert_eq!(seen(vec![], None, 0.0), 301);
    assert_eq!(seen(vec![IDENTITY], Some(0.0), 0.0), 103);
    assert_eq!(seen(vec![IDENTITY], None, 1.5), 103);
    assert_eq!(seen(vec![[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]], None, 0.0), 302);
}

#[test]
fn cancelling_ends_a_filter() {
    let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
    let cancel = context.cancel_token();
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| false };
    let start = volume([16; 3], |z, _, _| z as f64);
    assert_eq!(filter(&context, &start, &FilterOptions::default(), &mut waiting).unwrap_err().code(), 1);
}
