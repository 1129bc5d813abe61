//! Orbitals of other shapes than one Gaussian: derivatives, adjoints and error bars of the models made of them, and what
//! the right shape is good for.

mod common;

use aet::check;
use aet::dataset::{Frames, Rotations, TiltSeries};
use aet::forward::local_orbital::{DepthMode, Orbital, OrbitalTerm, RadialTable};
use aet::io::state_file;
use aet::optimize::Stopping;
use aet::reconstruct::{
    ErrorMethod, ErrorOptions, LossChoice, LotModel, LotOptions, NoiseModel, Precision, Reconstruct, Reconstruction,
    Tomography, TomographyOptions,
};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::Atoms;
use aet::Error;
use common::{atoms, free_reconstruction, moved, noise, series};

fn options(model: LotModel, mode: DepthMode, orbital: Orbital) -> LotOptions {
    LotOptions {
        model,
        mode,
        orbital,
        loss: Some(LossChoice::Mse),
        precision: Precision::Double,
        width_start: Some(0.6),
        ..Default::default()
    }
}

/// A narrow core in a wide, weaker and partly negative surrounding: windows of different sizes.
fn three_terms() -> Orbital {
    let terms = [(1.0, 0.5), (0.4, 1.7), (-0.1, 1.0)];
    Orbital::gaussians(&terms.map(|(weight, width)| OrbitalTerm { weight, width })).unwrap()
}

const MODELS: [(LotModel, DepthMode); 3] = [
    (LotModel::Direct, DepthMode::Auto),
    (LotModel::Rigid, DepthMode::Slices),
    (LotModel::Rigid, DepthMode::Templates),
];

#[test]
fn every_block_has_the_exact_gradient() {
    let context = common::context(2);
    for (model, mode) in MODELS {
        let recon = free_reconstruction(&context, &options(model, mode, three_terms()));
        let (x, layout) = (recon.parameters(), recon.layout());
        for block in layout.blocks.iter().filter(|b| !b.frozen) {
            let offset = layout.offset(block.name).unwrap();
            let which: Vec<usize> = (offset..offset + block.len()).collect();
            let mut loss = |x: &[f64]| recon.loss_and_gradient(x);
            let report = check::gradient(&mut loss, &x, &which, &|_| 2e-4 * common::unit(block.name)).unwrap();
            println!("{model:?} {mode:?} {}: {:.1e}", block.name, report.worst);
            assert!(report.worst < 1e-6, "{model:?} {mode:?} {}: {:.3e}", block.name, report.worst);
        }
    }
}

#[test]
fn pull_back_is_the_adjoint_of_push_forward() {
    let context = common::context(2);
    for (precision, tolerance) in [(Precision::Double, 1e-12), (Precision::Single, 1e-5)] {
        for (model, mode) in MODELS {
            let options = LotOptions { precision, ..options(model, mode, three_terms()) };
            let recon = free_reconstruction(&context, &options);
            let x = recon.parameters();
            let residual: Vec<f64> = (0..6 * 41 * 38).map(|i| noise(i) - 0.5).collect();
            let direction: Vec<f64> = (0..x.len()).map(|i| noise(7000 + i) - 0.5).collect();
            let change = recon.push_forward(&x, &direction, None).unwrap();
            let back = recon.pull_back(&x, None, &residual).unwrap();
            let report = check::adjoint(&direction, &back, &change, &residual);
            println!("{precision:?} {model:?} {mode:?}: {:.1e}", report.error);
            assert!(report.error < tolerance, "{precision:?} {model:?} {mode:?}: {report:?}");
        }
    }
}

#[test]
fn one_term_in_parts_is_that_term() {
    let context = common::context(2);
    let parts = [0.25, 0.5, 0.25].map(|weight| OrbitalTerm { weight, width: 1.0 });
    for (model, mode) in MODELS {
        let one = free_reconstruction(&context, &options(model, mode, Orbital::default()));
        let three = free_reconstruction(&context, &options(model, mode, Orbital::gaussians(&parts).unwrap()));
        let x = one.parameters();
        let (images, same) = (one.predict(&x, None).unwrap(), three.predict(&x, None).unwrap());
        assert!(images.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs().max(1.0)), "{model:?} {mode:?}");
    }
}

/// Images of Slater orbitals, fitted with Gaussians and with the shape itself: given, and from a table.
#[test]
fn the_right_shape_fits_images_exactly() {
    let context = common::context(2);
    let series = series(9, 1, 41, 38);
    let slater = Orbital::slater(None).unwrap();
    let truth = options(LotModel::Direct, DepthMode::Auto, slater.clone());
    let made = Reconstruction::local_orbital(&context, &series, None, &atoms(), &truth).unwrap();
    made.set_block("heights", &[5.0; 12]).unwrap();
    made.set_block("background", &[0.1; 9]).unwrap();
    let images: Vec<f32> = made.predict(&made.parameters(), None).unwrap().iter().map(|v| *v as f32).collect();
    let (_, frames) = common::frames(9, 1, 41, 38);
    let images = ndarray::Array3::from_shape_vec((9, 41, 38), images).unwrap();
    let options_of_series = aet::dataset::SeriesOptions { pixel_size: common::PIXEL, ..Default::default() };
    let data = aet::dataset::TiltSeries::new(options_of_series, images.view(), &frames).unwrap();

    let radii: Vec<f64> = (0..250).map(|i| 0.02 * f64::from(i)).collect();
    let in_space: Vec<f64> = radii.iter().map(|r| (-8f64.sqrt() * r).exp()).collect();
    let table = Orbital::tabulated(&radii, &in_space, RadialTable::Spatial, None).unwrap();
    let fit = |orbital: Orbital| {
        let options = options(LotModel::Direct, DepthMode::Auto, orbital);
        let recon = Reconstruction::local_orbital(&context, &data, None, &moved(&atoms(), 0.1), &options).unwrap();
        let stopping = Stopping { max_iterations: 150, ..Default::default() };
        recon.run(&stopping, &mut |_| true).unwrap();
        let (found, truth) = (recon.atoms().unwrap(), atoms());
        let squares = found
            .positions()
            .iter()
            .zip(truth.positions())
            .map(|(a, b)| (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>());
        let r_factor = recon.r_factors().iter().sum::<f64>() / 9.0;
        (r_factor, (squares.sum::<f64>() / 12.0).sqrt())
    };
    let (gauss, exact, tabulated) = (fit(Orbital::default()), fit(slater), fit(table));
    println!("R and RMSD (A): Gaussian {gauss:?}, Slater {exact:?}, table {tabulated:?}");
    assert!(exact.0 < 1e-3 && exact.1 < 1e-3, "{exact:?}");
    assert!(tabulated.0 < 5e-3 && tabulated.1 < 2e-3, "{tabulated:?}");
    assert!(gauss.0 > 5.0 * tabulated.0, "{gauss:?}");
}

#[test]
fn error_bars_know_the_shape() {
    let context = common::context(2);
    for (model, mode) in [MODELS[0], MODELS[1]] {
        let recon = free_reconstruction(&context, &options(model, mode, three_terms()));
        for block in recon.layout().blocks.iter().filter(|b| b.locked.is_none()) {
            recon.freeze(block.name, !["positions", "heights"].contains(&block.name)).unwrap();
        }
        let estimate = |method| {
            let options = ErrorOptions { method, noise: NoiseModel::Residual, radius: Some(100.0) };
            recon.estimate_errors(&options, &mut |_| true).unwrap()
        };
        let (local, dense) = (estimate(ErrorMethod::Local), estimate(ErrorMethod::Dense));
        let ratio = local.predicted_rmsd_pm / dense.predicted_rmsd_pm;
        assert!((ratio - 1.0).abs() < 2e-2, "{model:?}: {ratio}");
    }
}

#[test]
fn stored_fits_know_their_orbital() {
    let context = common::context(1);
    let recon = free_reconstruction(&context, &options(LotModel::Direct, DepthMode::Auto, three_terms()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fit.state");
    state_file::write(&file, &recon.saved_state().into(), &mut |_| true).unwrap();
    let state = state_file::read(&file, &mut |_| true).unwrap();
    let again =
        Reconstruction::resume(&context, &series(3, 2, 41, 38), Some(&common::probe()), state.local_orbital().unwrap())
            .unwrap();
    let x = recon.parameters();
    assert_eq!(again.loss_and_gradient(&x).unwrap(), recon.loss_and_gradient(&x).unwrap());
}

#[test]
fn too_wide_terms_are_refused_with_the_width_that_fits() {
    let context = common::context(1);
    let wide = Orbital::gaussians(&[OrbitalTerm { weight: 1.0, width: 30.0 }]).unwrap();
    let options = LotOptions { width_max: Some(16.0), ..options(LotModel::Direct, DepthMode::Auto, wide) };
    let message = Reconstruction::local_orbital(&context, &series(2, 1, 21, 22), None, &atoms(), &options)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("width_max is 16") && message.contains("at most"), "{message}");
}

/// A narrow core in a skirt; widths in units of [`WIDTH`].
const SKIRTED: [(f64, f64); 2] = [(0.8, 1.0), (0.2, 4.0)];

/// Width B of the atoms of [`skirted_images`], A^2.
const WIDTH: f64 = 0.5;

const SIDES: usize = 9;

fn gaussians(terms: &[(f64, f64)]) -> Orbital {
    let terms: Vec<OrbitalTerm> = terms.iter().map(|&(weight, width)| OrbitalTerm { weight, width }).collect();
    Orbital::gaussians(&terms).unwrap()
}

/// Counts of the atoms with a skirt from nine sides; with a seed, with Poisson noise.
fn skirted_images(seed: Option<u64>) -> TiltSeries {
    let plan = SeriesPlan {
        rows: 46,
        columns: 44,
        pixel_size: common::PIXEL,
        rotations: common::rotations(SIDES),
        foci: vec![0.0],
        orbital: gaussians(&SKIRTED),
        width: WIDTH,
        height: 400.0,
        background: 20.0,
        oversampling: 1,
        slice_thickness: 2.0,
        seed,
    };
    local_orbital_series(&common::context(2), &atoms(), None, &plan).unwrap()
}

/// A fit of the direct model to images with a skirt.
fn fit_of(data: &TiltSeries, start: &Atoms, orbital: Orbital, loss: LossChoice) -> Reconstruction {
    let options = LotOptions {
        loss: Some(loss),
        width_start: start.widths().is_none().then_some(0.8),
        ..options(LotModel::Direct, DepthMode::Auto, orbital)
    };
    let recon = Reconstruction::local_orbital(&common::context(2), data, None, start, &options).unwrap();
    recon.run(&Stopping { max_iterations: 60, ..Default::default() }, &mut |_| true).unwrap();
    recon
}

fn mean_r_factor(recon: &Reconstruction) -> f64 {
    recon.r_factors().iter().sum::<f64>() / SIDES as f64
}

/// The state that made the images, on so many threads; the orbital is what it would be before anything is known.
fn at_the_truth(data: &TiltSeries, threads: usize) -> Reconstruction {
    let options =
        LotOptions { width_start: Some(WIDTH), ..options(LotModel::Direct, DepthMode::Auto, Orbital::default()) };
    Reconstruction::local_orbital(&common::context(threads), data, None, &atoms(), &options).unwrap()
}

/// The weights of `widths`, where all of them are there.
fn weights(recon: &Reconstruction, widths: &[f64]) -> Vec<f64> {
    let orbital = recon.fit_orbital(Some(widths), &mut |_| true).unwrap();
    assert_eq!(orbital.terms().iter().map(|t| t.width).collect::<Vec<_>>(), widths);
    orbital.terms().iter().map(|t| t.weight).collect()
}

#[test]
fn images_tell_the_shape_of_their_atoms() {
    for (loss, seed) in [(LossChoice::Mse, None), (LossChoice::Poisson, Some(3))] {
        let data = skirted_images(seed);
        let gaussian = fit_of(&data, &moved(&atoms(), 0.1), Orbital::default(), loss);
        let mut last = (gaussian.atoms().unwrap(), gaussian.fit_orbital(None, &mut |_| true).unwrap());
        let mut r_factor = f64::NAN;
        for _ in 0..3 {
            let recon = fit_of(&data, &last.0, last.1, loss);
            r_factor = mean_r_factor(&recon);
            last = (recon.atoms().unwrap(), recon.fit_orbital(None, &mut |_| true).unwrap());
        }
        let (found, width) = (last.1, last.0.widths().unwrap()[0]);
        let truth = gaussians(&SKIRTED);
        let off = |r: f64| (found.at(r, width)[0] - truth.at(r, WIDTH)[0]).abs();
        let worst = (0..60).map(|i| off(0.05 * f64::from(i))).fold(0.0, f64::max);
        println!("{loss:?}: {worst:.4} of the peak, R {:.5} -> {r_factor:.5}, {found:?}", mean_r_factor(&gaussian));
        assert!(worst < 0.05, "{loss:?}: {worst}");
        assert!((found.at(0.0, width)[0] - 1.0).abs() < 1e-12);
        // noise alone is what is left of the counts
        let less = if seed.is_some() { 1.4 } else { 5.0 };
        assert!(less * r_factor < mean_r_factor(&gaussian), "{loss:?}: {r_factor}");
    }
}

#[test]
fn the_true_state_tells_the_exact_shape() {
    let recon = at_the_truth(&skirted_images(None), 2);
    let found = weights(&recon, &[1.0, 4.0]);
    assert!((found[0] - 0.8).abs() < 1e-3 && (found[1] - 0.2).abs() < 1e-3, "{found:?}");
    // what heights and backgrounds are makes no difference to a shape
    recon.set_block("heights", &[7.0; 2]).or_else(|_| recon.set_block("heights", &[7.0; 12])).unwrap();
    recon.set_block("background", &[1.0; SIDES]).unwrap();
    let again = weights(&recon, &[1.0, 4.0]);
    assert!(found.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3), "{again:?}");
    // ... unless the background may not follow
    recon.freeze("background", true).unwrap();
    assert_ne!(weights(&recon, &[1.0, 4.0]), again);
}

/// The images of [`skirted_images`], those of tilt 4 upside down and a corner of all others far too bright.
fn spoiled() -> TiltSeries {
    let data = skirted_images(None);
    let version = data.version();
    let spoil = |((_, row, column), value): ((usize, usize, usize), &mut f32)| {
        if row < 16 && column < 20 {
            *value += 1000.0;
        }
    };
    for tilt in 0..SIDES {
        let pixels = version.images()[tilt].pixels.to_vec();
        let mut image = ndarray::Array3::from_shape_vec((1, 46, 44), pixels).unwrap();
        match tilt {
            4 => image.mapv_inplace(|v| -v),
            _ => image.indexed_iter_mut().for_each(spoil),
        }
        let frames = Frames::new(1).with_rotations(Rotations::Matrices(vec![common::rotations(SIDES)[tilt]]));
        data.replace_tilt(tilt, image.view(), &frames).unwrap();
    }
    data
}

#[test]
fn pixels_and_tilts_that_are_not_in_use_tell_nothing() {
    let widths = [1.0, 4.0];
    let data = spoiled();
    let keep: Vec<bool> = (0..46 * 44).map(|i| i / 44 >= 16 || i % 44 >= 20).collect();
    assert!(data.mask_pixels(&data.version(), &vec![keep; SIDES], true).unwrap());
    let with_bad_tilt = at_the_truth(&data, 2).fit_orbital(Some(&widths), &mut |_| true);
    data.exclude_tilt(4, true).unwrap();
    let found = weights(&at_the_truth(&data, 2), &widths);
    assert!((found[0] - 0.8).abs() < 1e-3 && (found[1] - 0.2).abs() < 1e-3, "{found:?}");
    // those that are do
    let same = |orbital: &Orbital| orbital.terms().len() == 2 && (orbital.terms()[1].weight - 0.2).abs() < 5e-3;
    assert!(!with_bad_tilt.is_ok_and(|orbital| same(&orbital)));
    let unmasked = at_the_truth(&spoiled(), 2).fit_orbital(Some(&widths), &mut |_| true);
    assert!(!unmasked.is_ok_and(|orbital| same(&orbital)));
    (0..SIDES).for_each(|tilt| data.exclude_tilt(tilt, true).unwrap());
    let nothing = Reconstruction::local_orbital(
        &common::context(1),
        &data,
        None,
        &atoms(),
        &LotOptions { model: LotModel::Direct, ..Default::default() },
    );
    let refused = nothing.and_then(|recon| recon.fit_orbital(None, &mut |_| true));
    assert!(matches!(refused, Err(Error::NotReady { .. })), "{refused:?}");
}

#[test]
fn shapes_do_not_depend_on_the_threads() {
    let data = skirted_images(Some(1));
    let shape = |threads| at_the_truth(&data, threads).fit_orbital(None, &mut |_| true).unwrap();
    let one = shape(1);
    assert!(one.terms().len() > 1);
    assert_eq!(one, shape(2));
    assert_eq!(one, shape(3));
}

#[test]
fn shapes_that_cannot_be_fitted() {
    let recon = at_the_truth(&skirted_images(None), 1);
    let stopped = recon.fit_orbital(None, &mut |_| false);
    assert!(matches!(stopped, Err(Error::Cancelled { .. })), "{stopped:?}");
    let error = |widths: &[f64]| recon.fit_orbital(Some(widths), &mut |_| true).unwrap_err();
    for widths in [vec![], vec![1.0; 11], vec![1.0, -1.0], vec![0.0], vec![f64::NAN]] {
        assert_eq!(error(&widths).code(), 103, "{widths:?}");
    }
    assert!(error(&[]).to_string().contains("1 to 10"));
    assert!(error(&[1.0, -1.0]).to_string().contains("width of term"), "{}", error(&[1.0, -1.0]));
    let volume =
        Tomography::new(&common::context(1), &series(3, 1, 21, 22), &TomographyOptions::default(), None, None).unwrap();
    let refused = Reconstruct::fit_orbital(&volume, None, &mut |_| true).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
}
