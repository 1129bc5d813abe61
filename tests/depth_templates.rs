//! Depth templates against slices that become thinner, the choice between both, and what is refused.

mod common;

use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::forward::local_orbital::{DepthMode, Slicing};
use aet::optics::{Aperture, Probe, ProbeOptions};
use aet::reconstruct::{LossChoice, LotOptions, Precision, Reconstruction};
use aet::specimen::Atoms;
use common::{noise, PIXEL};
use ndarray::Array3;

/// Atoms within `radius` A.
fn ball(count: usize, radius: f64) -> Atoms {
    let point = |i: usize| std::array::from_fn(|a| 1.15 * radius * (noise(3 * i + a) - 0.5));
    Atoms::new((0..count).map(point).collect()).unwrap()
}

/// Constant images of a few tilts; what is compared are predictions.
fn series(n: (usize, usize), foci: &[f64]) -> TiltSeries {
    let images = 3 * foci.len();
    let rotations = common::rotations(3);
    let matrices = (0..images).map(|i| rotations[i / foci.len()]).collect();
    let mut frames = Frames::new(images).with_rotations(Rotations::Matrices(matrices));
    frames.tilt = Some((0..images).map(|i| (i / foci.len()) as i64).collect());
    frames.section = Some((0..images).map(|i| (i % foci.len()) as i64).collect());
    frames.defocus = Some((0..images).map(|i| foci[i % foci.len()]).collect());
    let pixels = Array3::from_shape_fn((images, n.0, n.1), |(i, r, c)| 1.0 + 0.1 * ((i + r + c) % 3) as f32);
    TiltSeries::new(SeriesOptions { pixel_size: PIXEL, ..Default::default() }, pixels.view(), &frames).unwrap()
}

fn options(mode: DepthMode, slice_thickness: f64, width: f64) -> LotOptions {
    LotOptions {
        mode,
        slice_thickness,
        precision: Precision::Double,
        loss: Some(LossChoice::Mse),
        width_start: Some(width),
        ..Default::default()
    }
}

struct Case {
    name: &'static str,
    probe: Probe,
    diameter: f64,
    shape: (usize, usize),
    foci: Vec<f64>,
    width: f64,
}

fn cases() -> Vec<Case> {
    let probe = |mrad: f64| ProbeOptions::new(300e3, mrad);
    let plain = |name, diameter, n, foci: &[f64]| Case {
        name,
        probe: probe(25.0).build().unwrap(),
        diameter,
        shape: (n, n),
        foci: foci.to_vec(),
        width: 0.35,
    };
    vec![
        plain("small", 20.0, 72, &[-10.0, 0.0, 10.0]),
        plain("thick", 60.0, 160, &[-20.0, 20.0]),
        plain("far from focus", 30.0, 112, &[-90.0, 90.0]),
        Case { width: 0.1, ..plain("sharp", 30.0, 96, &[0.0]) },
        Case { probe: probe(12.0).build().unwrap(), ..plain("narrow beam", 40.0, 112, &[0.0, 15.0]) },
        Case {
            probe: probe(25.0)
                .aperture(Aperture::Hard)
                .aberration("C30", 2e5)
                .unwrap()
                .aberration("C12", 15.0)
                .unwrap()
                .aberration("C21", 300.0)
                .unwrap()
                .source_size(0.3)
                .build()
                .unwrap(),
            shape: (90, 121),
            ..plain("aberrations", 25.0, 96, &[0.0, 20.0])
        },
    ]
}

/// Largest difference and largest value.
fn compare(a: &[f64], b: &[f64]) -> f64 {
    let largest = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn images_are_those_of_thin_slices() {
    let context = common::context(2);
    for case in cases() {
        let (series, atoms) = (series(case.shape, &case.foci), ball(40, 0.5 * case.diameter));
        let images = |mode, thickness| {
            let options = options(mode, thickness, case.width);
            let recon = Reconstruction::local_orbital(&context, &series, Some(&case.probe), &atoms, &options).unwrap();
            recon.set_block("heights", &vec![1.0; atoms.len()]).unwrap();
            let backgrounds = recon.block("background").unwrap().len();
            recon.set_block("background", &vec![0.0; backgrounds]).unwrap();
            (recon.predict(&recon.parameters(), None).unwrap(), recon.record())
        };
        let (templates, record) = images(DepthMode::Templates, 4.0);
        // The error of linear slices falls with the square of their thickness: two of them give that of none.
        let (thin, _) = images(DepthMode::Slices, 0.5);
        let (half, _) = images(DepthMode::Slices, 0.25);
        let limit: Vec<f64> = thin.iter().zip(&half).map(|(t, h)| h + (h - t) / 3.0).collect();
        let (default, of_default) = images(DepthMode::Slices, 4.0);
        let (error, of_slices) = (compare(&limit, &templates), compare(&limit, &default));
        println!(
            "{}: {} templates {error:.1e} (estimate {}), {} slices of 4 A {of_slices:.1e}, thin slices {:.1e}",
            case.name,
            record["slices"],
            record["template_error"],
            of_default["slices"],
            compare(&limit, &half)
        );
        assert!(error < 1e-4, "{}: {error:.3e}", case.name);
        assert!(compare(&half, &templates) < 1e-4, "{}", case.name);
    }
}

#[test]
fn the_mode_is_chosen_by_work_and_told() {
    let context = common::context(1);
    let series = series((72, 72), &[0.0]);
    let mode_of = |options: &LotOptions| {
        let recon = Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &ball(10, 10.0), options);
        recon.unwrap().record()["mode"].as_str().map(str::to_string)
    };
    let auto = |thickness| options(DepthMode::Auto, thickness, 0.5);
    assert_eq!(mode_of(&auto(1.0)).as_deref(), Some("templates"));
    assert_eq!(mode_of(&auto(12.0)).as_deref(), Some("slices"));
    assert_eq!(mode_of(&LotOptions { slicing: Slicing::Hard, ..auto(1.0) }).as_deref(), Some("slices"));
    let direct = LotOptions { model: aet::reconstruct::LotModel::Direct, ..auto(1.0) };
    assert_eq!(mode_of(&direct), None);
    let hard = LotOptions { slicing: Slicing::Hard, ..options(DepthMode::Templates, 4.0, 0.5) };
    let refused = Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &ball(10, 10.0), &hard);
    assert_eq!(refused.err().unwrap().code(), 107);
}

#[test]
fn a_specimen_too_thick_for_templates_is_refused_or_gets_slices() {
    let context = common::context(1);
    let series = series((64, 64), &[0.0]);
    let atoms = Atoms::new(vec![[0.0; 3], [0.0, 0.0, -2000.0], [0.0, 0.0, 2000.0]]).unwrap();
    let make = |mode| {
        let options = LotOptions { precision: Precision::Single, ..options(mode, 200.0, 0.5) };
        Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &atoms, &options)
    };
    let error = make(DepthMode::Templates).err().unwrap();
    assert_eq!(error.code(), 107);
    assert!(error.to_string().contains("use mode slices"), "{error}");
    assert_eq!(make(DepthMode::Auto).unwrap().record()["mode"], "slices");
}
