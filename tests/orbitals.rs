//! Orbitals of other shapes than one Gaussian: derivatives, adjoints and error bars of the models made of them, and what
//! the right shape is good for.

mod common;

use aet::check;
use aet::forward::local_orbital::{DepthMode, Orbital, OrbitalTerm, RadialTable};
use aet::io::state_file;
use aet::optimize::Stopping;
use aet::reconstruct::{
    ErrorMethod, ErrorOptions, LossChoice, LotModel, LotOptions, NoiseModel, Precision, Reconstruction,
};
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
            let report = check::gradient(&mut loss, &x, &which, &|_| 2e-4).unwrap();
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
        for name in ["drift", "depth_offset", "defocus", "angles", "scale", "background", "widths"] {
            if recon.layout().block(name).is_ok_and(|b| b.locked.is_none()) {
                recon.freeze(name, true).unwrap();
            }
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
