//! Probes that are fitted: models that follow each other, the optics and pixels that images tell, the defocus by a scan, error
//! bars with them, states, bad input.

mod common;

use aet::check;
use aet::context::Context;
use aet::dataset::{Frames, SeriesOptions, TiltSeries};
use aet::forward::local_orbital::{DepthMode, ProbeSharing, Slicing};
use aet::optimize::Stopping;
use aet::reconstruct::{DefocusScan, ErrorMethod, ErrorOptions, LotModel, LotOptions, Precision, Reconstruction};
use aet::specimen::Atoms;
use aet::Error;
use common::{context, probe, PIXEL};

const TILTS: usize = 6;
const SECTIONS: usize = 2;
const ROWS: usize = 41;
const COLUMNS: usize = 44;

fn rigid() -> LotOptions {
    LotOptions { precision: Precision::Double, width_start: Some(0.6), mode: DepthMode::Slices, ..Default::default() }
}

fn adaptive() -> LotOptions {
    LotOptions { model: LotModel::Adaptive, probe_side: Some(15), ..rigid() }
}

/// A particle that is thick enough for the focus to matter.
fn thick() -> Atoms {
    let positions = common::atoms().positions().iter().map(|p| [p[0], p[1], 3.0 * p[2]]).collect();
    Atoms::new(positions).unwrap().with_species(vec![14; 12]).unwrap()
}

fn frames() -> Frames {
    let (_, mut frames) = common::frames(TILTS, SECTIONS, ROWS, COLUMNS);
    frames.defocus = Some(vec![0.0; TILTS * SECTIONS]);
    frames
}

/// Images of the rigid model with these values in place of the blocks' own; all foci are recorded as 0.
fn images_with(context: &Context, blocks: &[(&str, Vec<f64>)]) -> TiltSeries {
    let options = || SeriesOptions {
        pixel_size: PIXEL,
        energy_ev: Some(300e3),
        semiangle_mrad: Some(25.0),
        ..Default::default()
    };
    let (images, _) = common::frames(TILTS, SECTIONS, ROWS, COLUMNS);
    let blank = TiltSeries::new(options(), images.view(), &frames()).unwrap();
    let model = Reconstruction::local_orbital(context, &blank, Some(&probe()), &thick(), &rigid()).unwrap();
    model.set_block("heights", &[3.0; 12]).unwrap();
    model.set_block("background", &[0.5; TILTS * SECTIONS]).unwrap();
    blocks.iter().for_each(|(name, values)| model.set_block(name, values).unwrap());
    let made = model.predict(&model.parameters(), None).unwrap();
    let made = ndarray::Array3::from_shape_vec((TILTS * SECTIONS, ROWS, COLUMNS), made).unwrap().mapv(|v| v as f32);
    TiltSeries::new(options(), made.view(), &frames()).unwrap()
}

fn start(context: &Context, series: &TiltSeries, options: &LotOptions) -> Reconstruction {
    let start = common::moved(&thick(), 0.1);
    Reconstruction::local_orbital(context, series, Some(&probe()), &start, options).unwrap()
}

fn run(recon: &Reconstruction, iterations: usize) {
    recon.run(&Stopping { max_iterations: iterations, ..Default::default() }, &mut |_| true).unwrap();
}

#[test]
fn optics_are_found_in_their_units() {
    let context = context(2);
    let truth: [(&str, Vec<f64>, f64); 4] = [
        ("defocus", vec![-14.0, 11.0], 0.2),
        ("astigmatism", vec![6.0, -4.0, 3.0, 8.0], 0.3),
        ("coma", vec![150.0, -100.0, 80.0, 120.0], 10.0),
        ("blur", vec![0.08, 0.03], 5e-3),
    ];
    let blocks: Vec<(&str, Vec<f64>)> = truth.iter().map(|(name, values, _)| (*name, values.clone())).collect();
    let series = images_with(&context, &blocks);
    let recon = start(&context, &series, &rigid());
    // widths and blur are one thing; the shape of the orbital is known here
    recon.freeze("widths", true).unwrap();
    // a scan is about the defocus alone: what else broadens the probe has to be known
    truth[1..].iter().for_each(|(name, values, _)| recon.set_block(name, values).unwrap());
    run(&recon, 15);
    let table = recon.scan_defocus(&DefocusScan { range: 30.0, step: 5.0, tilts: 0.5 }, &mut |_| true).unwrap();
    assert_eq!(table.rows(), 13 * SECTIONS);
    for (found, wanted) in recon.block("defocus").unwrap().iter().zip(&truth[0].1) {
        assert!((found - wanted).abs() < 3.0, "scan: {found} {wanted}");
    }
    truth[1..].iter().for_each(|(name, values, _)| recon.set_block(name, &vec![0.0; values.len()]).unwrap());
    truth.iter().for_each(|(name, ..)| recon.freeze(name, false).unwrap());
    run(&recon, 300);
    for (name, wanted, tolerance) in &truth {
        let found = recon.block(name).unwrap();
        println!("{name}: {found:.3?}, wanted {wanted:.3?}");
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < *tolerance), "{name}: {found:?}");
    }
}

#[test]
fn models_follow_each_other_without_a_jump() {
    let context = context(2);
    let series = images_with(&context, &[("defocus", vec![-10.0, 12.0])]);
    let first = start(&context, &series, &rigid());
    first.set_block("defocus", &[-9.0, 12.5]).unwrap();
    first.set_block("astigmatism", &[2.0, 0.0, 0.0, -1.0]).unwrap();
    run(&first, 5);
    let images = |recon: &Reconstruction| recon.predict(&recon.parameters(), None).unwrap();
    let worst = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let before = images(&first);
    for options in [adaptive(), LotOptions { probe_sharing: ProbeSharing::Image, ..adaptive() }] {
        let next = first.continued(&options).unwrap();
        let off = worst(&before, &images(&next));
        assert!(off < 1e-9, "{options:?}: {off:.1e}");
        let groups = if options.probe_sharing == ProbeSharing::Image { TILTS * SECTIONS } else { SECTIONS };
        assert_eq!(next.layout().block("probe").unwrap().shape[0], groups);
        let back = next.continued(&rigid()).unwrap();
        assert!(worst(&before, &images(&back)) < 1e-9);
    }
    // knots are other depths: nearly the same images
    let knots = first.continued(&LotOptions { mode: DepthMode::Knots, ..adaptive() }).unwrap();
    let largest = before.iter().copied().fold(0.0, f64::max);
    assert!(knots.record()["mode"] == "knots" && worst(&before, &images(&knots)) < 0.02 * largest);
    let slices = first.record()["slices"].as_u64().unwrap();
    assert!(knots.record()["slices"].as_u64().unwrap() < slices);
}

#[test]
fn pixels_follow_a_probe_that_optics_did_not_know() {
    let context = context(2);
    let series = images_with(&context, &[("defocus", vec![-12.0, 12.0])]);
    let rigid_fit = start(&context, &series, &rigid());
    run(&rigid_fit, 60);
    let recon = rigid_fit.continued(&adaptive()).unwrap();
    let before = recon.loss_and_gradient(&recon.parameters()).unwrap().0;
    run(&recon, 150);
    println!("loss {before:.3e} to {:.3e}", recon.loss());
    assert!(recon.loss() < 0.1 * before);
    let pixels = recon.block("probe").unwrap();
    assert!(pixels.iter().all(|v| *v >= 0.0));
    let table = recon.probe_table().unwrap();
    // the probes of the first section are narrow where the beam comes in, those of the second where it leaves
    let radii = table.column("half_radius").unwrap();
    let slices = radii.len() / SECTIONS;
    let narrow = |of: &[f64]| of[..slices / 2].iter().sum::<f64>() < of[slices - slices / 2..].iter().sum();
    println!("half radii {radii:.2?}");
    assert!(narrow(&radii[..slices]) && !narrow(&radii[slices..]));
    assert!(table.values().len() == SECTIONS);
    let (depths, side, probes) = recon.probe_images(0).unwrap();
    assert_eq!((side, probes.len()), (15, depths.len() * 225));
}

#[test]
fn local_error_bars_see_fitted_probes() {
    let context = context(2);
    let series = images_with(&context, &[("defocus", vec![-12.0, 12.0]), ("astigmatism", vec![6.0, 0.0, 0.0, 5.0])]);
    let fit = start(&context, &series, &rigid());
    fit.set_block("defocus", &[-12.0, 12.0]).unwrap();
    fit.set_block("astigmatism", &[6.0, 0.0, 0.0, 5.0]).unwrap();
    fit.freeze("background", true).unwrap();
    fit.freeze("widths", true).unwrap();
    let adapted = fit.continued(&adaptive()).unwrap();
    run(&adapted, 5);
    adapted.freeze("probe", true).unwrap();
    for recon in [fit, adapted] {
        let errors = |method| {
            let options = ErrorOptions { method, radius: Some(40.0), ..Default::default() };
            recon.estimate_errors(&options, &mut |_| true).unwrap()
        };
        let (dense, local) = (errors(ErrorMethod::Dense), errors(ErrorMethod::Local));
        println!("dense {:.4}, local {:.4}", dense.predicted_rmsd_pm, local.predicted_rmsd_pm);
        assert!((local.predicted_rmsd_pm / dense.predicted_rmsd_pm - 1.0).abs() < 0.02);
    }
}

#[test]
fn a_saved_state_goes_on_with_its_pixels() {
    let context = context(2);
    let series = images_with(&context, &[("defocus", vec![-12.0, 12.0])]);
    let recon = start(&context, &series, &adaptive());
    run(&recon, 4);
    let saved = recon.saved_state();
    let other = Reconstruction::resume(&context, &series, Some(&probe()), saved).unwrap();
    run(&recon, 3);
    run(&other, 3);
    assert_eq!(recon.loss().to_bits(), other.loss().to_bits());
    assert_eq!(recon.block("probe").unwrap(), other.block("probe").unwrap());
}

#[test]
fn pixels_do_not_depend_on_the_number_of_threads() {
    let series = images_with(&context(2), &[]);
    let gradient = |threads| {
        let recon = start(&context(threads), &series, &adaptive());
        recon.loss_and_gradient(&recon.parameters()).unwrap()
    };
    assert_eq!(gradient(1), gradient(3));
}

#[test]
fn smooth_pixels_are_smooth() {
    let context = context(2);
    let series = images_with(&context, &[("defocus", vec![-4.0, 4.0]), ("blur", vec![0.1, 0.1])]);
    let roughness = |recon: &Reconstruction| {
        let (_, side, probes) = recon.probe_images(0).unwrap();
        let rows = probes.chunks_exact(side).map(|row| row.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f64>());
        rows.sum::<f64>()
    };
    let fitted = |smoothness: f64| {
        let recon = start(&context, &series, &LotOptions { probe_smoothness: smoothness, ..adaptive() });
        run(&recon, 40);
        recon
    };
    let (free, smooth) = (fitted(0.0), fitted(10.0));
    println!("loss {:.3e} {:.3e}", free.loss(), smooth.loss());
    assert!(smooth.loss() > free.loss());
    let before = roughness(&start(&context, &series, &adaptive()));
    let (of_free, of_smooth) = ((roughness(&free) - before).abs(), (roughness(&smooth) - before).abs());
    println!("roughness {before:.3e}, changed by {of_free:.3e}, smooth {of_smooth:.3e}");
    assert!(of_smooth < 0.7 * of_free);

    let (layout, x) = (smooth.layout(), smooth.parameters());
    let offset = layout.offset("probe").unwrap();
    let which: Vec<usize> = (offset..x.len()).step_by(97).collect();
    let report = check::gradient(&mut |x| smooth.loss_and_gradient(x), &x, &which, &|_| 1e-5).unwrap();
    assert!(report.worst < 1e-5, "{report:?}");
}

#[test]
fn bad_input_is_named() {
    let context = context(1);
    let series = images_with(&context, &[]);
    let fails = |options: LotOptions, code: i32, text: &str| {
        let made = Reconstruction::local_orbital(&context, &series, Some(&probe()), &thick(), &options);
        let error = made.err().unwrap_or_else(|| Error::Internal("accepted".into()));
        assert!(error.code() == code && error.to_string().contains(text), "{error}");
    };
    fails(LotOptions { probe_side: Some(8), ..adaptive() }, 103, "probe_side");
    fails(LotOptions { probe_side: Some(1001), ..adaptive() }, 103, "probe_side");
    fails(LotOptions { probe_smoothness: f64::NAN, ..adaptive() }, 103, "probe_smoothness");
    fails(LotOptions { probe_smoothness: 1.0, ..rigid() }, 302, "model rigid");
    fails(LotOptions { depth_error: Some(-1.0), ..rigid() }, 103, "depth_error");
    fails(LotOptions { mode: DepthMode::Knots, slicing: Slicing::Hard, ..rigid() }, 107, "mode knots with hard slices");

    let recon = start(&context, &series, &adaptive());
    let error = recon.freeze("defocus", false).unwrap_err();
    assert!(error.to_string().contains("block probe"), "{error}");
    let error = recon.scan_defocus(&DefocusScan::default(), &mut |_| true).unwrap_err();
    assert!(error.code() == 107, "{error}");
    let recon = recon.continued(&rigid()).unwrap();
    assert!(recon.freeze("probe", false).unwrap_err().to_string().contains("model adaptive"));
    for scan in [DefocusScan { step: 0.0, ..Default::default() }, DefocusScan { tilts: 2.0, ..Default::default() }] {
        assert_eq!(recon.scan_defocus(&scan, &mut |_| true).unwrap_err().code(), 103);
    }
    let before = recon.block("defocus").unwrap();
    assert_eq!(recon.scan_defocus(&DefocusScan::default(), &mut |_| false).unwrap_err().code(), 1);
    assert_eq!(recon.block("defocus").unwrap(), before);
    assert_eq!(recon.probe_images(99).unwrap_err().code(), 103);
    let direct = recon.continued(&LotOptions { model: LotModel::Direct, ..rigid() }).unwrap();
    assert_eq!(direct.probe_table().unwrap_err().code(), 107);

    // sections in another order in one tilt
    let (images, mut frames) = common::frames(TILTS, SECTIONS, ROWS, COLUMNS);
    frames.defocus.as_mut().unwrap().swap(2, 3);
    let options = SeriesOptions { pixel_size: PIXEL, energy_ev: Some(300e3), ..Default::default() };
    let mixed = TiltSeries::new(options, images.view(), &frames).unwrap();
    let made = Reconstruction::local_orbital(&context, &mixed, Some(&probe()), &thick(), &adaptive());
    let error = made.err().unwrap().to_string();
    assert!(error.contains("images 0 and 2 of section 0") && error.contains("probe_sharing"), "{error}");
}
