//! Means, variances and spectra of what an instrument records, against theory.

use super::*;
use crate::context::{Context, ContextOptions};
use crate::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use crate::geometry::IDENTITY;
use crate::grid::{frequencies, Plane};
use crate::problem::Waiting;
use crate::simd::SimdPath;
use ndarray::{Array3, ArrayView2, ArrayView3};
use std::f64::consts::TAU;

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

fn plane(rows: usize, columns: usize) -> Plane {
    Plane::new(rows, columns, 0.5, 0.5).unwrap()
}

fn record_on(threads: usize, instrument: &Instrument, images: ArrayView3<'_, f32>, first: u64) -> Array3<f32> {
    let context = context(threads);
    let recorder = instrument.recorder(context.simd(), plane(images.dim().1, images.dim().2)).unwrap();
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    record_images(&context, &recorder, images, first, waiting).unwrap()
}

fn record(instrument: &Instrument, images: &Array3<f32>) -> Array3<f32> {
    record_on(2, instrument, images.view(), 0)
}

/// What is recorded of `count` flat images of `signal`, 64 x 64 pixels.
fn flat(instrument: &Instrument, signal: f32, count: usize) -> Array3<f32> {
    record(instrument, &Array3::from_elem((count, 64, 64), signal))
}

fn moments(values: &Array3<f32>) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    (mean, values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n)
}

/// Mean and variance are within 5 standard errors of normal numbers, and 1 % more for the variance.
fn check_moments(what: &str, values: &Array3<f32>, mean: f64, variance: f64) {
    let (got, spread) = moments(values);
    let n = values.len() as f64;
    assert!((got - mean).abs() < 5.0 * (variance / n).sqrt(), "{what}: mean {got}, wanted {mean}");
    assert!((spread / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt() + 0.01, "{what}: {spread}, wanted {variance}");
}

fn electrons(n: f64) -> Instrument {
    Instrument { seed: 5, exposure: Exposure::Electrons(n), ..Default::default() }
}

fn with_detector(n: f64, change: impl FnOnce(&mut Detector)) -> Instrument {
    let mut instrument = electrons(n);
    change(&mut instrument.detector);
    instrument
}

fn wavy(count: usize, rows: usize, columns: usize) -> Array3<f32> {
    Array3::from_shape_fn((count, rows, columns), |(i, r, c)| {
        let (y, x) = (r as f64 / rows as f64, c as f64 / columns as f64);
        (1.2 + 0.5 * (TAU * (2.0 * x + i as f64 * 0.1)).sin() * (TAU * 3.0 * y).cos() + 0.3 * (TAU * (x - y)).cos())
            as f32
    })
}

#[test]
fn nothing_changes_without_options_to_the_last_bit() {
    let mut images = wavy(3, 17, 20);
    images[[0, 0, 0]] = -0.0;
    images[[1, 2, 3]] = -1.5e-41;
    images[[1, 2, 4]] = 3.0e38;
    let recorded = record(&Instrument { seed: 9, ..Default::default() }, &images);
    assert!(recorded.iter().zip(&images).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn doses_are_poisson_counts() {
    for n in [0.05, 3.0, 400.0] {
        check_moments("electrons", &flat(&electrons(n), 1.0, 8), n, n);
    }
    // 100 e/A^2 on pixels of 0.5 A and a signal of 0.2 of the beam: 5 electrons.
    let dose = Instrument { exposure: Exposure::Dose(100.0), ..electrons(1.0) };
    let recorded = flat(&dose, 0.2, 8);
    check_moments("dose", &recorded, 5.0, 5.0);
    assert!(recorded.iter().all(|v| v.fract() == 0.0 && *v >= 0.0));
    assert_eq!(moments(&flat(&electrons(10.0), -1.0, 1)), (0.0, 0.0));
}

#[test]
fn quantum_efficiency_is_the_ratio_of_signal_to_noise() {
    for dqe in [0.3, 0.5, 0.9] {
        let counts = with_detector(200.0, |d| d.dqe = dqe);
        check_moments("thinned", &flat(&counts, 1.0, 8), 200.0 * dqe, 200.0 * dqe);
        let integrates = with_detector(200.0, |d| (d.dqe, d.counting) = (dqe, Counting::Integrates));
        check_moments("integrated", &flat(&integrates, 1.0, 8), 200.0, 200.0 / dqe);
    }
    let few = with_detector(0.5, |d| (d.dqe, d.counting) = (0.4, Counting::Integrates));
    let (mean, variance) = moments(&flat(&few, 1.0, 16));
    assert!((mean - 0.5).abs() < 0.03 && (variance / 1.25 - 1.0).abs() < 0.06, "{mean} {variance}");
}

#[test]
fn dead_time_follows_renewal_theory() {
    // A counter that is not prolonged: mean n / (1 + n t), variance n / (1 + n t)^3 for many counts. The exact mean at the
    // end of an exposure that starts open differs by (n t)^2 / (2 (1 + n t)^2) + O(1 / counts), that of the start.
    for (n, t) in [(400.0, 1e-3), (1000.0, 2e-3), (3000.0, 1e-3)] {
        let instrument = with_detector(n, |d| d.counting = Counting::Counts { dead_time: t });
        let load = 1.0 + n * t;
        let start = (n * t).powi(2) / (2.0 * load * load);
        let (mean, variance) = moments(&flat(&instrument, 1.0, 8));
        let wanted = n / load.powi(3);
        assert!((mean - n / load - start).abs() < 0.12, "{n} {t}: {mean}, wanted {}", n / load + start);
        assert!((variance / wanted - 1.0).abs() < 0.05, "{n} {t}: {variance}, wanted {wanted}");
    }
    // Blind for the rest of the exposure: at most one count, with the probability that any electron comes.
    let blind = with_detector(2.0, |d| d.counting = Counting::Counts { dead_time: 1.0 });
    let p = 1.0 - (-2.0_f64).exp();
    check_moments("one count", &flat(&blind, 1.0, 8), p, p * (1.0 - p));
    // Hardly any dead time: Poisson.
    let fast = with_detector(30.0, |d| d.counting = Counting::Counts { dead_time: 1e-9 });
    check_moments("fast", &flat(&fast, 1.0, 8), 30.0, 30.0);
    // Without statistics it is the formula.
    let mean = Instrument {
        exposure: Exposure::Unlimited,
        ..with_detector(1.0, |d| d.counting = Counting::Counts { dead_time: 0.01 })
    };
    assert_eq!(flat(&mean, 300.0, 1)[[0, 3, 4]], 75.0);
}

#[test]
fn dark_read_noise_gain_and_offset_add_up() {
    let instrument = with_detector(50.0, |d| {
        (d.dark_current, d.read_noise, d.gain, d.offset) = (7.0, 3.0, 2.5, 100.0);
    });
    check_moments("sum", &flat(&instrument, 1.0, 8), 100.0 + 2.5 * 57.0, 6.25 * (50.0 + 7.0 + 9.0));
    let rounded = with_detector(0.0001, |d| (d.read_noise, d.quantized, d.offset) = (4.0, true, 40.0));
    let recorded = flat(&rounded, 0.0, 8);
    check_moments("rounded", &recorded, 40.0, 16.0 + 1.0 / 12.0);
    assert!(recorded.iter().all(|v| v.fract() == 0.0));
    let full = with_detector(1000.0, |d| d.saturation = Some(990.0));
    let recorded = flat(&full, 1.0, 2);
    assert!(recorded.iter().all(|v| *v <= 990.0) && recorded.iter().filter(|v| **v == 990.0).count() > 4000);
    let low = with_detector(0.0001, |d| (d.read_noise, d.quantized) = (4.0, true));
    assert!(flat(&low, 0.0, 1).iter().all(|v| *v >= 0.0));
}

#[test]
fn fixed_patterns_and_defects_are_those_of_the_truth() {
    let instrument = with_detector(400.0, |d| {
        (d.gain_pattern, d.dark_current, d.dark_pattern) = (0.1, 50.0, 0.3);
        (d.dead_pixels, d.hot_pixels, d.hot_current) = (9, 6, 5000.0);
    });
    let recorder = instrument.recorder(SimdPath::Portable, plane(64, 64)).unwrap();
    let (gain, dark, defects) = (recorder.gain(), recorder.dark(), recorder.defects());
    let count = |wanted| defects.iter().filter(|d| **d == wanted).count();
    assert_eq!((count(Defect::Dead), count(Defect::Hot)), (9, 6));
    let good = defects.iter().zip(gain.iter().zip(&dark)).filter(|(d, _)| **d == Defect::None).map(|(_, v)| v);
    let spread = |of: &dyn Fn((&f64, &f64)) -> f64| {
        let values: Vec<f64> = good.clone().map(of).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    };
    let (gains, darks) = (spread(&|(g, _)| *g), spread(&|(_, d)| *d));
    assert!((gains.0 - 1.0).abs() < 0.01 && (gains.1 - 0.1).abs() < 0.006, "{gains:?}");
    assert!((darks.0 - 50.0).abs() < 1.2 && (darks.1 - 15.0).abs() < 1.0, "{darks:?}");
    // The mean of many images is gain * electrons + dark, to sqrt(variance / images).
    let mean = flat(&instrument, 1.0, 60).mean_axis(ndarray::Axis(0)).unwrap();
    for ((at, mean), defect) in mean.indexed_iter().zip(&defects) {
        let wanted = 400.0 * gain[at] + dark[at];
        let variance = 400.0 * gain[at] * gain[at] + dark[at];
        assert!(
            (f64::from(*mean) - wanted).abs() < 5.5 * (variance / 60.0).sqrt(),
            "{at:?} {defect:?}: {mean} {wanted}"
        );
    }
}

/// Power spectrum of the noise about `mean`, averaged over images and rings, and the frequencies of the rings.
fn power(images: &Array3<f32>, mean: f64, rings: usize) -> Vec<(f64, f64)> {
    let (_, rows, columns) = images.dim();
    let transform = crate::fourier::RealTransform2::<f64>::new(SimdPath::detect(), rows, columns);
    let (mut spectrum, mut scratch) =
        (vec![num_complex::Complex64::ZERO; transform.spectrum_len()], transform.scratch());
    let (ky, kx) = (frequencies(rows, 1.0), frequencies(columns, 1.0));
    let mut sums = vec![(0.0, 0.0, 0.0); rings];
    for image in images.outer_iter() {
        let image: Vec<f64> = image.iter().map(|v| f64::from(*v) - mean).collect();
        transform.forward(&image, columns, 0..rows, &mut spectrum, &mut scratch);
        for (i, value) in spectrum.iter().enumerate() {
            let f = ky[i % rows].hypot(kx[i / rows]);
            if let Some(sum) = sums.get_mut((f / 0.5 * rings as f64) as usize).filter(|_| i > 0) {
                *sum = (sum.0 + f, sum.1 + value.norm_sqr(), sum.2 + 1.0);
            }
        }
    }
    sums.iter().map(|(f, p, n)| (f / n, p / n / (rows * columns) as f64)).collect()
}

#[test]
fn noise_is_white_or_blurred_and_the_signal_follows_the_mtf() {
    let mtf = Transfer::gaussian(0.4);
    let white = with_detector(300.0, |d| d.mtf = mtf.clone());
    for (f, p) in power(&flat(&white, 1.0, 12), 300.0, 6) {
        assert!((p / 300.0 - 1.0).abs() < 0.1, "white noise at {f}: {p}");
    }
    let noise = Transfer::Samples(vec![1.0, 0.9, 0.7, 0.55, 0.5]);
    let both = with_detector(300.0, |d| (d.mtf, d.noise_mtf, d.read_noise) = (mtf.clone(), noise.clone(), 5.0));
    let both = Instrument { edge: crate::fourier::Edge::Periodic, ..both };
    for (f, p) in power(&flat(&both, 1.0, 60), 300.0, 12).into_iter().skip(1) {
        let wanted = 300.0 * noise.at(f).powi(2) + 25.0;
        assert!((p / wanted - 1.0).abs() < 0.08, "blurred noise at {f}: {p}, wanted {wanted}");
    }
    // The mean of a wave of 12 periods over 64 columns is damped by the mtf at 12 / 64.
    let wave = |c: usize| (TAU * 12.0 * c as f64 / 64.0).cos();
    let images = Array3::from_shape_fn((1, 64, 64), |(_, _, c)| (2.0 + wave(c)) as f32);
    let silent = Instrument { exposure: Exposure::Unlimited, ..both };
    let silent = Instrument { detector: Detector { read_noise: 0.0, ..silent.detector.clone() }, ..silent };
    let damped = record(&silent, &images);
    let factor = (-(12.0_f64 / 64.0 / 0.4).powi(2)).exp();
    for ((_, _, c), v) in damped.indexed_iter() {
        assert!((f64::from(*v) - 2.0 - factor * wave(c)).abs() < 1e-6);
    }
}

#[test]
fn seeds_images_and_effects_are_independent_of_each_other_and_of_threads() {
    let everything = Instrument {
        seed: 3,
        scan: Scan { walk: 0.5, row_jitter: [0.1, 0.02], drift: [0.4, -0.3], ..Default::default() },
        ..with_detector(20.0, |d| (d.dark_current, d.read_noise, d.mtf) = (2.0, 1.0, Transfer::gaussian(0.5)))
    };
    let images = wavy(9, 200, 130);
    let one = record_on(1, &everything, images.view(), 0);
    for threads in [2, 3] {
        assert_eq!(one, record_on(threads, &everything, images.view(), 0));
    }
    let tail = record_on(2, &everything, images.slice(ndarray::s![4.., .., ..]), 4);
    assert_eq!(one.slice(ndarray::s![4.., .., ..]), tail, "images do not depend on the ones before");
    let other = record_on(1, &Instrument { seed: 4, ..everything.clone() }, images.view(), 0);
    assert!(one.iter().zip(&other).filter(|(a, b)| a == b).count() < one.len() / 100);
    // Read noise adds to the same electrons.
    let (silent, noisy) = (electrons(30.0), with_detector(30.0, |d| d.read_noise = 0.1));
    assert!(record(&silent, &images).iter().zip(&record(&noisy, &images)).all(|(a, b)| (a - b).abs() < 0.7));
}

/// A wave whose spline is good to 1e-4, at any place, in pixels.
fn smooth(x: f64, y: f64) -> f64 {
    1.0 + 0.5 * (TAU * 2.0 * x / 48.0).sin() * (TAU * 3.0 * y / 48.0).cos()
}

fn check_scan(scan: Scan, place: impl Fn(f64, f64) -> (f64, f64)) {
    let instrument = Instrument { scan, edge: crate::fourier::Edge::Periodic, ..Default::default() };
    let images = Array3::from_shape_fn((1, 48, 48), |(_, r, c)| smooth(c as f64, r as f64) as f32);
    let recorded = record(&instrument, &images);
    let truth = instrument.recorder(SimdPath::Portable, plane(48, 48)).unwrap().displacements(0);
    for ((_, r, c), v) in recorded.indexed_iter() {
        let (x, y) = place(c as f64, r as f64);
        assert!((f64::from(*v) - smooth(x, y)).abs() < 3e-4, "{scan:?} at {r} {c}");
        assert!(
            (truth[[r, c, 0]] / 0.5 + c as f64 - x).abs() < 1e-9
                && (truth[[r, c, 1]] / 0.5 + r as f64 - y).abs() < 1e-9
        );
    }
}

#[test]
fn scans_visit_the_places_of_the_formula() {
    check_scan(Scan { drift: [1.5, -0.7], ..Default::default() }, |x, y| {
        let t = (y * 48.0 + x) / 2304.0;
        (x + 3.0 * t, y - 1.4 * t)
    });
    check_scan(Scan { rotation_deg: 5.0, ..Default::default() }, |x, y| {
        let ((s, c), u, v) = (5.0_f64.to_radians().sin_cos(), x - 24.0, y - 24.0);
        (24.0 + c * u - s * v, 24.0 + s * u + c * v)
    });
    check_scan(Scan { shear: 0.03, stretch: [0.02, -0.01], ..Default::default() }, |x, y| {
        let (u, v) = (x - 24.0, y - 24.0);
        (24.0 + 1.02 * u + 0.03 * v, 24.0 + 0.99 * v)
    });
    check_scan(Scan { flyback: 1.0, flyback_decay: 2.5, ..Default::default() }, |x, y| (x + 2.0 * (-x / 5.0).exp(), y));
}

#[test]
fn random_walks_and_jitter_have_their_variances() {
    let of_rows = |scan: Scan, image| -> Vec<[f64; 2]> {
        let d = scan.displacements(&plane(100, 2), 1, image);
        (0..100).map(|r| [d[[r, 1, 0]], d[[r, 1, 1]]]).collect()
    };
    let walk = Scan { walk: 0.8, ..Default::default() };
    let ends: Vec<[f64; 2]> = (0..2000).map(|i| of_rows(walk, i)[99]).collect();
    let middles: Vec<[f64; 2]> = (0..2000).map(|i| of_rows(walk, i)[49]).collect();
    let variance = |v: &[[f64; 2]], axis: usize| v.iter().map(|d| d[axis] * d[axis]).sum::<f64>() / v.len() as f64;
    for axis in 0..2 {
        assert!((variance(&ends, axis) / 0.64 - 1.0).abs() < 0.15);
        assert!((variance(&middles, axis) / 0.32 - 1.0).abs() < 0.15);
    }
    let jitter = Scan { row_jitter: [0.3, 0.0], ..Default::default() };
    let rows: Vec<[f64; 2]> = (0..50).flat_map(|i| of_rows(jitter, i)).collect();
    assert!((variance(&rows, 0) / 0.09 - 1.0).abs() < 0.1 && variance(&rows, 1) == 0.0);
    let next: f64 = rows.windows(2).map(|w| w[0][0] * w[1][0]).sum::<f64>() / rows.len() as f64;
    assert!(next.abs() < 0.09 * 4.0 / (rows.len() as f64).sqrt(), "rows are independent: {next}");
}

#[test]
fn mirrored_edges_do_not_wrap() {
    let mut images = Array3::zeros((1, 32, 32));
    images.slice_mut(ndarray::s![.., .., ..8]).fill(1.0);
    let scan = Scan { drift: [0.0, 3.0], rotation_deg: 2.0, ..Default::default() };
    let recorded = record(&Instrument { scan, ..Default::default() }, &images);
    let right: ArrayView2<'_, f32> = recorded.slice(ndarray::s![0, .., 16..]);
    assert!(right.iter().all(|v| v.abs() < 1e-3));
    assert!((recorded[[0, 16, 1]] - 1.0).abs() < 1e-2);
}

fn series(mask: bool) -> TiltSeries {
    let images = wavy(4, 24, 20);
    let mut frames = Frames::new(4).with_rotations(Rotations::Matrices(vec![IDENTITY]));
    frames.tilt = Some(vec![4, 4, 9, 9]);
    frames.section = Some(vec![1, 5, 1, 5]);
    frames.defocus = Some(vec![-3.0, 3.0, -3.0, 3.0]);
    frames.noise_variance = Some(vec![0.25; 4]);
    frames.excluded = Some(vec![false, true, false, false]);
    frames.mask = mask.then(|| Array3::from_shape_fn((4, 24, 20), |(_, r, _)| u8::from(r > 0)));
    TiltSeries::new(
        SeriesOptions { pixel_size: 0.5, energy_ev: Some(3e5), ..Default::default() },
        images.view(),
        &frames,
    )
    .unwrap()
}

fn record_dataset(instrument: &Instrument, series: &TiltSeries) -> crate::Result<TiltSeries> {
    let context = context(2);
    let cancel = context.cancel_token();
    record_series(&context, instrument, series, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

#[test]
fn series_keep_what_is_known_of_them() {
    let series = series(true);
    let recorded = record_dataset(&with_detector(100.0, |d| d.gain = 4.0), &series).unwrap().version();
    let before = series.version();
    assert_eq!((recorded.number(), recorded.energy_ev(), recorded.pixel_size()), (2, Some(3e5), 0.5));
    for (new, old) in recorded.images().iter().zip(before.images()) {
        assert_eq!(
            (new.tilt, new.section, new.defocus, new.excluded),
            (old.tilt, old.section, old.defocus, old.excluded)
        );
        assert_eq!((new.counts_per_unit, new.noise_variance, &new.mask), (Some(0.25), None, &old.mask));
        assert_eq!(new.pixels[3], 0.0);
    }
    let text = &recorded.metadata().get("instrument").unwrap().value;
    assert_eq!(serde_json::from_str::<Instrument>(text).unwrap(), with_detector(100.0, |d| d.gain = 4.0));
    let scaled = Instrument { detector: Detector { gain: 3.0, ..Default::default() }, ..Default::default() };
    let scaled = record_dataset(&scaled, &series).unwrap().version();
    assert_eq!((scaled.images()[0].noise_variance, scaled.images()[0].counts_per_unit), (Some(2.25), None));
    let moved = Instrument { scan: Scan { shear: 0.1, ..Default::default() }, ..Default::default() };
    assert_eq!(record_dataset(&moved, &series).unwrap_err().code(), 107);
    let empty = SeriesOptions { rows: Some(4), columns: Some(4), pixel_size: 1.0, ..Default::default() };
    let empty = TiltSeries::empty(empty).unwrap();
    assert_eq!(record_dataset(&electrons(1.0), &empty).unwrap_err().code(), 301);
    let pixels =
        SeriesOptions { length_unit: crate::dataset::LengthUnit::Pixel, pixel_size: 1.0, ..Default::default() };
    let frames = Frames::new(1).with_rotations(Rotations::Matrices(vec![IDENTITY]));
    let pixels = TiltSeries::new(pixels, wavy(1, 4, 4).view(), &frames).unwrap();
    let dose = Instrument { exposure: Exposure::Dose(1.0), ..Default::default() };
    assert_eq!(record_dataset(&dose, &pixels).unwrap_err().code(), 107);
}

#[test]
fn bad_options_are_named() {
    let refused = |instrument: Instrument, what: &str| {
        let error = instrument.recorder(SimdPath::Portable, plane(8, 8)).err().unwrap();
        assert!(error.to_string().contains(what), "{error}");
        error.code()
    };
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(refused(electrons(bad), "electrons_per_position"), 103);
        assert_eq!(refused(Instrument { exposure: Exposure::Dose(bad), ..Default::default() }, "dose_per_a2"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.dqe = bad), "dqe"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.counting = Counting::Counts { dead_time: bad }), "dead_time"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.dark_current = bad), "dark_current"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.dark_pattern = bad), "dark_pattern"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.read_noise = bad), "read_noise"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.gain = bad), "gain"), 103);
        assert_eq!(refused(with_detector(1.0, |d| d.saturation = Some(bad)), "saturation"), 103);
        let scan = |scan: Scan| Instrument { scan, ..Default::default() };
        assert_eq!(refused(scan(Scan { walk: bad, ..Default::default() }), "walk"), 103);
        assert_eq!(refused(scan(Scan { stretch: [bad, 0.0], ..Default::default() }), "stretch x"), 103);
        assert_eq!(refused(scan(Scan { row_jitter: [0.0, bad], ..Default::default() }), "row_jitter y"), 103);
    }
    let nan = Scan { drift: [0.0, f64::NAN], ..Default::default() };
    assert_eq!(refused(Instrument { scan: nan, ..Default::default() }, "drift y"), 103);
    let no_decay = Scan { flyback: 1.0, ..Default::default() };
    assert_eq!(refused(Instrument { scan: no_decay, ..Default::default() }, "flyback_decay"), 103);
    assert_eq!(refused(with_detector(1.0, |d| d.dead_pixels = 65), "at most the 64 pixels"), 103);
    assert_eq!(refused(with_detector(1.0, |d| d.mtf = Transfer::Samples(vec![1.0])), "mtf"), 101);
    assert_eq!(refused(with_detector(1.0, |d| d.mtf = Transfer::Samples(vec![0.9, 0.5])), "mtf at zero"), 103);
    assert_eq!(refused(with_detector(1.0, |d| d.noise_mtf = Transfer::Samples(vec![1.0, 0.0])), "noise_mtf[1]"), 103);
    let half = TransferTerm { weight: 0.5, frequency: 0.3, exponent: 1.0 };
    assert_eq!(refused(with_detector(1.0, |d| d.mtf = Transfer::Terms(vec![half])), "mtf at zero"), 103);
    for bad in [1e-7, 11.0] {
        assert_eq!(refused(with_detector(1.0, |d| d.gain_pattern = bad), "gain_pattern"), 103);
    }
    assert_eq!(refused(with_detector(1.0, |d| d.dqe = 1e-300), "dqe"), 103);
    let far = Scan { shear: 1e300, ..Default::default() };
    assert_eq!(refused(Instrument { scan: far, ..Default::default() }, "shear"), 103);
    let negative = TransferTerm { frequency: -0.3, ..half };
    assert_eq!(refused(with_detector(1.0, |d| d.mtf = Transfer::Terms(vec![negative; 2])), "frequency"), 103);
}

#[test]
fn bad_images_are_named() {
    let recorder = electrons(1e30).recorder(SimdPath::Portable, plane(4, 4)).unwrap();
    let mut image = vec![1.0; 16];
    assert_eq!(recorder.record(0, &mut image, &mut recorder.scratch()).unwrap_err().code(), 103);
    image = vec![0.0; 16];
    image[6] = f64::NAN;
    let error = recorder.record(3, &mut image, &mut recorder.scratch()).unwrap_err();
    assert!(error.to_string().contains("image 3, row 1, column 2"), "{error}");
    assert_eq!(recorder.record(0, &mut [0.0; 15], &mut recorder.scratch()).unwrap_err().code(), 101);
    let context = context(1);
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| false };
    let loud = with_detector(1e10, |d| d.gain = 1e36).recorder(SimdPath::Portable, plane(4, 4)).unwrap();
    let go_on = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    let overflow = record_images(&context, &loud, Array3::ones((1, 4, 4)).view(), 0, go_on).unwrap_err();
    assert!(overflow.code() == 103 && overflow.to_string().contains("image 0"), "{overflow}");
    let stop = record_images(&context, &recorder, Array3::zeros((50, 4, 4)).view(), 0, waiting).unwrap_err();
    assert_eq!(stop.code(), 1);
}
