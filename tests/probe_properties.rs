//! What must hold for every probe: norm, signs of depth and defocus, directions, and the transfer function against a
//! direct transform of |psi|^2 on a fine grid.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use aet::optics::{Aperture, Probe, ProbeOptions, ProbeTransfer, TransferWorkspace};
use ndarray::Array2;
use num_complex::Complex64;
use rustfft::FftPlanner;

fn options() -> ProbeOptions {
    ProbeOptions::new(300e3, 25.0)
}

fn aberrated() -> Probe {
    let mut options = options().source_size(0.3).defocus(40.0);
    for (name, value) in [("C12", 15.0), ("phi12", 0.4), ("C21", 900.0), ("phi21", 1.0), ("C30", 5e4), ("C45", 2e6)] {
        options = options.aberration(name, value).unwrap();
    }
    options.build().unwrap()
}

fn round() -> Probe {
    options().aberration("C30", 1e5).unwrap().source_size(0.2).build().unwrap()
}

/// Forward transform of rows and columns.
fn forward(mut a: Array2<Complex64>) -> Array2<Complex64> {
    for _ in 0..2 {
        let fft = FftPlanner::new().plan_fft_forward(a.ncols());
        for mut row in a.rows_mut() {
            let mut line = row.to_vec();
            fft.process(&mut line);
            row.assign(&ndarray::Array1::from(line));
        }
        a = a.reversed_axes().as_standard_layout().into_owned();
    }
    a
}

#[test]
fn the_axis_is_dark_one_depth_of_field_from_the_crossover() {
    let probe = options().defocus(30.0).build().unwrap();
    let depth_of_field = probe.depth_of_field();
    assert!((depth_of_field - 2.0 * 0.019687 / 0.025f64.powi(2)).abs() < 0.01, "{depth_of_field}");
    let on_axis = |depth: f64| probe.wave((512, 512), 0.1, depth, (0.0, 0.0)).unwrap()[[256, 256]].norm_sqr();
    let focus = on_axis(30.0);
    for side in [-1.0, 1.0] {
        let at = |part: f64| on_axis(30.0 + side * part * depth_of_field) / focus;
        // the aperture has a soft edge on a grid: not exactly
        assert!(at(1.0) < 1e-3 && (at(0.443) - 0.5).abs() < 0.01, "{} {}", at(1.0), at(0.443));
    }
}

/// The transfer function by its definition: |wave|^2 with pixels `finer` times smaller, transformed, cropped.
fn otf_by_definition(probe: &Probe, shape: (usize, usize), pixel: f64, depth: f64, finer: usize) -> Array2<Complex64> {
    let (rows, cols) = shape;
    let (ny, nx) = (rows * finer, cols * finer);
    let corner = (-((nx / 2) as f64) * pixel / finer as f64, -((ny / 2) as f64) * pixel / finer as f64);
    let wave = probe.wave((ny, nx), pixel / finer as f64, depth, corner).unwrap();
    let intensity = wave.mapv(|v| Complex64::from(v.norm_sqr()));
    let spectrum = forward(intensity);
    let total = spectrum[[0, 0]];
    let at = |kx: isize, ky: isize| {
        let value = spectrum[[ky.rem_euclid(ny as isize) as usize, kx.rem_euclid(nx as isize) as usize]] / total;
        let k2 = (kx as f64 / (cols as f64 * pixel)).powi(2) + (ky as f64 / (rows as f64 * pixel)).powi(2);
        value * (-2.0 * PI * PI * probe.source_size().powi(2) * k2).exp()
    };
    // both signs of a Nyquist frequency are one element: the mean over signs
    let signs = |k: usize, n: usize| {
        let k = if k <= n / 2 { k as isize } else { k as isize - n as isize };
        if 2 * k == n as isize {
            [k, -k]
        } else {
            [k, k]
        }
    };
    Array2::from_shape_fn((cols / 2 + 1, rows), |(i, j)| {
        let mut mean = Complex64::ZERO;
        for kx in signs(i, cols) {
            for ky in signs(j, rows) {
                mean += at(kx, ky) / 4.0;
            }
        }
        mean
    })
}

fn largest(a: &Array2<Complex64>) -> f64 {
    a.iter().map(|v| v.norm()).fold(0.0, f64::max)
}

/// Mean squares of x and of y of an intensity centred at n / 2, in pixels, within 3 A of the centre.
fn widths(intensity: &Array2<f64>, pixel: f64) -> (f64, f64) {
    let (cy, cx) = (intensity.nrows() as f64 / 2.0, intensity.ncols() as f64 / 2.0);
    let (mut sum, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for ((i, j), v) in intensity.indexed_iter() {
        let (x, y) = ((j as f64 - cx) * pixel, (i as f64 - cy) * pixel);
        if x.hypot(y) < 3.0 {
            (sum, xx, yy) = (sum + v, xx + v * x * x, yy + v * y * y);
        }
    }
    (xx / sum, yy / sum)
}

#[test]
fn norms_are_those_of_the_conventions() {
    for (rows, cols) in [(64, 80), (75, 64)] {
        let wave = aberrated().wave((rows, cols), 0.15, 12.0, (0.3, -0.7)).unwrap();
        let in_pixels: f64 = wave.iter().map(|v| v.norm_sqr()).sum();
        assert!((in_pixels * (rows * cols) as f64 - 1.0).abs() < 1e-12);
        let in_frequencies: f64 = forward(wave).iter().map(|v| v.norm_sqr()).sum();
        assert!((in_frequencies - 1.0).abs() < 1e-12);
        for pixel in [0.15, 0.34, 0.7] {
            assert!((aberrated().intensity((rows, cols), pixel, 12.0).unwrap().sum() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn positive_defocus_crosses_over_at_plus_defocus() {
    let probe = options().defocus(60.0).build().unwrap();
    let at = |depth| probe.intensity((128, 128), 0.125, depth).unwrap();
    let peak = |depth| at(depth).iter().copied().fold(0.0, f64::max);
    let width = |depth| widths(&at(depth), 0.125).0;
    for depth in [-60.0, 0.0, 30.0, 55.0, 65.0, 90.0] {
        assert!(peak(depth) < peak(60.0) && width(depth) > width(60.0), "depth {depth}");
    }
    assert!((peak(50.0) - peak(70.0)).abs() < 1e-12, "symmetric about the crossover");
}

#[test]
fn going_deeper_is_lowering_the_defocus() {
    let (near, far) = (options().defocus(25.0).build().unwrap(), options().defocus(-5.0).build().unwrap());
    let a = near.wave((90, 81), 0.14, 50.0, (1.0, 2.0)).unwrap();
    let b = far.wave((90, 81), 0.14, 20.0, (1.0, 2.0)).unwrap();
    assert!(largest(&(&a - &b)) < 1e-12 * largest(&a));
    let plan = ProbeTransfer::new(&aberrated(), 40, 40, 0.34).unwrap();
    assert!(largest(&(plan.otf(25.0, 50.0) - plan.otf(-5.0, 20.0))) < 1e-14);
}

#[test]
fn position_counts_from_the_origin_pixel_x_along_columns() {
    for (rows, cols) in [(64, 80), (75, 91)] {
        let (pixel, probe) = (0.15, options().build().unwrap());
        let wave = probe.wave((rows, cols), pixel, 0.0, (4.0 * pixel, -7.0 * pixel)).unwrap();
        let brightest = wave.indexed_iter().max_by(|a, b| a.1.norm().total_cmp(&b.1.norm())).unwrap().0;
        assert_eq!(brightest, (rows / 2 - 7, cols / 2 + 4));
    }
}

#[test]
fn line_foci_of_an_astigmatic_probe() {
    // along phi12 the curvature is that of C10 + C12: focus at -C12; across, at +C12
    for (angle, x_first) in [(0.0, true), (FRAC_PI_2, false)] {
        let probe = options().aberration("C12", 80.0).unwrap().aberration("phi12", angle).unwrap().build().unwrap();
        let (xx, yy) = widths(&probe.intensity((160, 160), 0.125, -80.0).unwrap(), 0.125);
        assert_eq!(xx < 0.5 * yy, x_first, "{xx} {yy}");
        assert_eq!(yy > 2.0 * xx, x_first, "{xx} {yy}");
        let (xx, yy) = widths(&probe.intensity((160, 160), 0.125, 80.0).unwrap(), 0.125);
        assert_eq!(yy < 0.5 * xx, x_first, "{xx} {yy}");
    }
}

#[test]
fn transfer_function_is_the_transform_of_the_intensity() {
    // pixels finer than the probe needs, about right, and too coarse, even and odd, long and short
    for (shape, pixel, finer) in [
        ((60, 64), 0.15, 1),
        ((48, 40), 0.34, 3),
        ((45, 33), 0.34, 3),
        ((30, 47), 0.5, 4),
        ((16, 64), 0.7, 6),
        ((2, 3), 6.0, 40),
    ] {
        for probe in [aberrated(), round(), options().aperture(Aperture::Hard).build().unwrap()] {
            let plan = ProbeTransfer::new(&probe, shape.0, shape.1, pixel).unwrap();
            let otf = plan.otf(probe.defocus(), 17.0);
            let wanted = otf_by_definition(&probe, shape, pixel, 17.0, 2 * finer);
            assert!((otf[[0, 0]] - 1.0).norm() < 1e-13);
            assert!(largest(&(&otf - &wanted)) < 1e-12, "{shape:?} {pixel}: {}", largest(&(&otf - &wanted)));
            assert_eq!(plan.is_centrosymmetric(), probe.aberrations().is_centrosymmetric());
            assert_eq!(plan.is_centrosymmetric(), otf.iter().all(|v| v.im == 0.0));
        }
    }
}

#[test]
fn transfer_function_and_intensity_agree() {
    for (rows, cols) in [(48, 40), (45, 33)] {
        let (probe, pixel) = (aberrated(), 0.34);
        let intensity = probe.intensity((rows, cols), pixel, 9.0).unwrap();
        let centred = Array2::from_shape_fn((rows, cols), |(i, j)| {
            Complex64::from(intensity[[(i + rows / 2) % rows, (j + cols / 2) % cols]])
        });
        let spectrum = forward(centred);
        let otf = ProbeTransfer::new(&probe, rows, cols, pixel).unwrap().otf(probe.defocus(), 9.0);
        for ((i, j), v) in otf.indexed_iter() {
            assert!((v - spectrum[[j, i]]).norm() < 1e-13);
        }
    }
}

#[test]
fn depth_derivative_agrees_with_differences() {
    for probe in [aberrated(), round()] {
        let plan = ProbeTransfer::new(&probe, 48, 45, 0.34).unwrap();
        for depth in [-30.0, 0.0, 55.0] {
            let (otf, derivative) = plan.otf_with_derivative(10.0, depth);
            assert!(largest(&(otf - plan.otf(10.0, depth))) < 1e-15);
            let h = 0.02;
            // five points: the error is of fourth order in h
            let near = plan.otf(10.0, depth + h) - plan.otf(10.0, depth - h);
            let far = plan.otf(10.0, depth + 2.0 * h) - plan.otf(10.0, depth - 2.0 * h);
            let difference = (near * Complex64::from(8.0) - far) / Complex64::from(12.0 * h);
            let error = largest(&(&difference - &derivative));
            assert!(error < 1e-7 * largest(&derivative), "{error} of {}", largest(&derivative));
        }
    }
}

#[test]
fn source_size_multiplies_by_its_gaussian() {
    let point = options().build().unwrap();
    let broad = options().source_size(0.5).build().unwrap();
    let (rows, cols, pixel) = (50, 60, 0.2);
    let [point, broad] = [point, broad].map(|p| ProbeTransfer::new(&p, rows, cols, pixel).unwrap().otf(0.0, 20.0));
    for (kx, ky) in [(0usize, 0usize), (3, 0), (0, 5), (7, 4)] {
        let k2 = (kx as f64 / (cols as f64 * pixel)).powi(2) + (ky as f64 / (rows as f64 * pixel)).powi(2);
        let factor = (-0.5 * (TAU * 0.5).powi(2) * k2).exp();
        assert!((broad[[kx, ky]] - point[[kx, ky]] * factor).norm() < 1e-15);
    }
}

#[test]
fn workspace_is_reused_whatever_it_holds() {
    let mut workspace = TransferWorkspace::default();
    let odd = ProbeTransfer::new(&aberrated(), 45, 33, 0.34).unwrap();
    let even = ProbeTransfer::new(&round(), 64, 40, 0.25).unwrap();
    for plan in [&odd, &even, &odd] {
        let size = plan.shape().0 * plan.shape().1;
        let (mut otf, mut derivative) = (vec![Complex64::from(f64::NAN); size], vec![Complex64::from(f64::NAN); size]);
        // a distance that is not finite leaves its marks everywhere
        plan.otf_with_derivative_into(f64::NAN, 0.0, &mut workspace, &mut otf, &mut derivative).unwrap();
        plan.otf_with_derivative_into(3.0, 8.0, &mut workspace, &mut otf, &mut derivative).unwrap();
        let (fresh, fresh_derivative) = plan.otf_with_derivative(3.0, 8.0);
        assert!(otf.iter().eq(fresh.iter()) && derivative.iter().eq(fresh_derivative.iter()));
        assert_eq!(workspace.bytes(), plan.workspace_bytes(true));
        plan.otf_into(3.0, 8.0, &mut workspace, &mut otf).unwrap();
        assert!(otf.iter().eq(plan.otf(3.0, 8.0).iter()));
        assert_eq!(plan.otf_into(3.0, 8.0, &mut workspace, &mut otf[1..]).unwrap_err().code(), 101);
    }
    let mut workspace = TransferWorkspace::default();
    odd.otf_into(0.0, 0.0, &mut workspace, &mut vec![Complex64::ZERO; 17 * 45]).unwrap();
    assert_eq!(workspace.bytes(), odd.workspace_bytes(false));
}

#[test]
fn plans_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Probe>();
    shared::<ProbeTransfer>();
}

#[test]
fn bad_input_is_refused() {
    let bad = |options: ProbeOptions| options.build().unwrap_err().code();
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 501.0] {
        assert_eq!(bad(ProbeOptions::new(300e3, value)), 103);
    }
    assert_eq!(bad(ProbeOptions::new(f64::NAN, 25.0)), 103);
    assert_eq!(bad(options().source_size(-0.1)), 103);
    assert_eq!(bad(options().defocus(f64::NAN)), 103);
    assert_eq!(options().aberration("C60", 1.0).unwrap_err().code(), 104);
    let probe = options().build().unwrap();
    for pixel in [0.0, -0.1, f64::NAN] {
        assert_eq!(probe.wave((8, 8), pixel, 0.0, (0.0, 0.0)).unwrap_err().code(), 103);
        assert_eq!(probe.intensity((8, 8), pixel, 0.0).unwrap_err().code(), 103);
    }
    assert_eq!(probe.wave((0, 8), 0.1, 0.0, (0.0, 0.0)).unwrap_err().code(), 101);
    assert_eq!(probe.intensity((8, 0), 0.1, 0.0).unwrap_err().code(), 101);
    assert_eq!(probe.wave((8, 8), 0.1, f64::NAN, (0.0, 0.0)).unwrap_err().code(), 103);
    assert_eq!(probe.wave((8, 8), 0.1, 0.0, (0.0, f64::INFINITY)).unwrap_err().code(), 103);
    assert_eq!(probe.intensity((8, 8), 1e9, 0.0).unwrap_err().code(), 103);
}

#[test]
fn an_aperture_beyond_nyquist_is_refused_with_the_limits_that_work() {
    let (energy, shape, pixel) = (300e3, (64, 50), 0.4);
    let error = options().build().unwrap().wave(shape, pixel, 0.0, (0.0, 0.0)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code(), 103);
    let number = |after: &str| -> f64 {
        let tail = &text[text.find(after).unwrap() + after.len()..];
        tail.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (largest, finest) = (number("less than "), number("pixels below "));
    let wave =
        |semiangle, pixel| ProbeOptions::new(energy, semiangle).build().unwrap().wave(shape, pixel, 0.0, (0.0, 0.0));
    assert!(wave(largest, pixel).is_ok() && wave(largest + 1e-3, pixel).is_err(), "{text}");
    assert!(wave(25.0, finest).is_ok() && wave(25.0, finest + 1e-3).is_err(), "{text}");
}
