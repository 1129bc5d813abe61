//! Derivatives of images along directions and Gauss-Newton products: against differences of predictions, adjoints,
//! symmetry, the matrix made column by column, threads.

mod common;

use aet::check;
use aet::forward::local_orbital::{DepthMode, Sharing, Slicing};
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Precision};
use common::{free_reconstruction, noise, unit};

type Model = (LotModel, Slicing, DepthMode);

const MODELS: [Model; 6] = [
    (LotModel::Direct, Slicing::Linear, DepthMode::Auto),
    (LotModel::Rigid, Slicing::Linear, DepthMode::Slices),
    (LotModel::Rigid, Slicing::Hard, DepthMode::Slices),
    (LotModel::Rigid, Slicing::Linear, DepthMode::Templates),
    (LotModel::Adaptive, Slicing::Linear, DepthMode::Slices),
    (LotModel::Adaptive, Slicing::Linear, DepthMode::Knots),
];

fn options((model, slicing, mode): Model, loss: LossChoice, precision: Precision) -> LotOptions {
    let height_sharing = Some(Sharing::Atom);
    let (loss, width_start) = (Some(loss), Some(0.6));
    let probe_side = Some(7);
    LotOptions { model, slicing, mode, loss, precision, height_sharing, width_start, probe_side, ..Default::default() }
}

fn random(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|i| noise(1000 * seed + i) - 0.5).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn the_change_of_images_is_the_exact_derivative_of_every_block() {
    let context = common::context(2);
    for model in MODELS {
        let recon = free_reconstruction(&context, &options(model, LossChoice::Mse, Precision::Double));
        let (x, layout) = (recon.parameters(), recon.layout());
        let at = |direction: &[f64], h: f64| {
            recon.predict(&x.iter().zip(direction).map(|(x, d)| x + h * d).collect::<Vec<_>>(), None).unwrap()
        };
        for block in layout.blocks.iter().filter(|b| !b.frozen) {
            let offset = layout.offset(block.name).unwrap();
            let mut direction = vec![0.0; x.len()];
            let along = random(block.len(), 3).iter().map(|d| d * unit(block.name)).collect::<Vec<_>>();
            direction[offset..offset + block.len()].copy_from_slice(&along);
            let exact = recon.push_forward(&x, &direction, None).unwrap();
            // Central differences of h and h / 2: the error of second order drops out.
            let h = 1e-3;
            let far: Vec<f64> = at(&direction, h).iter().zip(at(&direction, -h)).map(|(a, b)| a - b).collect();
            let near: Vec<f64> =
                at(&direction, 0.5 * h).iter().zip(at(&direction, -0.5 * h)).map(|(a, b)| a - b).collect();
            let differences = near.iter().zip(&far).map(|(n, f)| (8.0 * n - f) / (6.0 * h));
            let largest = exact.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
            let worst = differences.zip(&exact).map(|(d, e)| (d - e).abs()).fold(0.0, f64::max) / largest;
            println!("{model:?} {}: {worst:.1e}", block.name);
            assert!(worst < 1e-6, "{model:?} {}: {worst:.3e}", block.name);
        }
    }
}

#[test]
fn pull_back_is_the_adjoint_of_push_forward() {
    let context = common::context(2);
    for (precision, tolerance) in [(Precision::Double, 1e-12), (Precision::Single, 1e-5)] {
        for model in MODELS {
            let recon = free_reconstruction(&context, &options(model, LossChoice::Mse, precision));
            let x = recon.parameters();
            let residual = random(6 * 41 * 38, 5);
            let back = recon.pull_back(&x, None, &residual).unwrap();
            let layout = recon.layout();
            for block in layout.blocks.iter().filter(|b| !b.frozen) {
                let range = layout.offset(block.name).map(|at| at..at + block.len()).unwrap();
                let mut direction = vec![0.0; x.len()];
                direction[range.clone()].copy_from_slice(&random(range.len(), 4));
                let change = recon.push_forward(&x, &direction, None).unwrap();
                let report = check::adjoint(&direction, &back, &change, &residual);
                println!("{precision:?} {model:?} {}: {:.1e}", block.name, report.error);
                assert!(report.error < tolerance, "{precision:?} {model:?} {}: {report:?}", block.name);
            }
        }
    }
}

#[test]
fn products_are_those_of_the_matrix_made_of_changes() {
    let context = common::context(2);
    for loss in [LossChoice::Mse, LossChoice::Poisson] {
        for model in MODELS {
            let recon = free_reconstruction(&context, &options(model, loss, Precision::Double));
            let x = recon.parameters();
            let (a, b) = (random(x.len(), 7), random(x.len(), 8));
            let images = [4_usize, 1];
            let product = |d: &[f64]| recon.gauss_newton_product(&x, d, Some(&images)).unwrap();
            let (of_a, of_b) = (product(&a), product(&b));
            assert!((dot(&of_a, &b) - dot(&of_b, &a)).abs() < 1e-12 * dot(&of_a, &a).max(dot(&of_b, &b)));
            assert!(dot(&of_a, &a) > 0.0 && dot(&of_b, &b) > 0.0);
            // <a, J^T W J b> from the images themselves.
            let (ja, jb) = (
                recon.push_forward(&x, &a, Some(&images)).unwrap(),
                recon.push_forward(&x, &b, Some(&images)).unwrap(),
            );
            let calculated = recon.predict(&x, Some(&images)).unwrap();
            let weight = |c: f64| if loss == LossChoice::Mse { 1.0 } else { 1.0 / c };
            let wanted: f64 =
                (0..ja.len()).map(|i| ja[i] * jb[i] * weight(calculated[i])).sum::<f64>() / ja.len() as f64;
            assert!((dot(&of_b, &a) / wanted - 1.0).abs() < 1e-11, "{model:?} {loss:?} {} {wanted}", dot(&of_b, &a));
        }
    }
}

#[test]
fn without_residuals_the_product_is_the_second_derivative_of_the_loss() {
    // Images that the model itself made: the gradient vanishes and its change is the Gauss-Newton product.
    let context = common::context(2);
    let options = options(MODELS[1], LossChoice::Mse, Precision::Double);
    let recon = free_reconstruction(&context, &options);
    let x = recon.parameters();
    let direction: Vec<f64> = random(x.len(), 2).iter().map(|d| 0.1 * d).collect();
    let images = recon.predict(&x, None).unwrap();
    let gradient = |h: f64| {
        let x: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
        let calculated = recon.predict(&x, None).unwrap();
        let n = images.len() as f64;
        let residual: Vec<f64> = calculated.iter().zip(&images).map(|(c, o)| (c - o) / n).collect();
        recon.pull_back(&x, None, &residual).unwrap()
    };
    let h = 1e-3;
    let difference: Vec<f64> = gradient(h).iter().zip(gradient(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
    let product = recon.gauss_newton_product(&x, &direction, None).unwrap();
    let largest = product.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let worst = difference.iter().zip(&product).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest;
    assert!(worst < 1e-5, "{worst:.3e}");
}

#[test]
fn the_diagonal_is_estimated_without_bias() {
    let context = common::context(2);
    for loss in [LossChoice::Mse, LossChoice::Poisson] {
        let recon = free_reconstruction(&context, &options(MODELS[1], loss, Precision::Double));
        let x = recon.parameters();
        let probes = 400;
        let estimate = recon.gauss_newton_diagonal(&x, None, probes).unwrap();
        let mut mean = 0.0;
        for i in 0..x.len() {
            let mut unit = vec![0.0; x.len()];
            unit[i] = 1.0;
            let exact = recon.gauss_newton_product(&x, &unit, None).unwrap()[i];
            let deviation = (estimate[i] / exact - 1.0) / (2.0 / probes as f64).sqrt();
            assert!(deviation.abs() < 5.0, "{i}: {} {exact}", estimate[i]);
            mean += deviation / x.len() as f64;
        }
        println!("{loss:?}: mean deviation {mean:.2} standard errors");
        assert!(mean.abs() < 1.0);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for precision in [Precision::Single, Precision::Double] {
        let options = options(MODELS[1], LossChoice::Poisson, precision);
        let of_threads = |threads: usize| {
            let recon = free_reconstruction(&common::context(threads), &options);
            let x = recon.parameters();
            let direction = random(x.len(), 6);
            let all = || {
                (
                    recon.push_forward(&x, &direction, None).unwrap(),
                    recon.gauss_newton_product(&x, &direction, None).unwrap(),
                    recon.gauss_newton_diagonal(&x, None, 3).unwrap(),
                )
            };
            let first = all();
            recon.loss_and_gradient(&x).unwrap();
            assert!(first == all(), "dirty workspaces");
            first
        };
        let one = of_threads(1);
        assert!(one == of_threads(2) && one == of_threads(3));
    }
}

#[test]
fn bad_directions_are_refused() {
    let recon = free_reconstruction(&common::context(1), &options(MODELS[0], LossChoice::Mse, Precision::Single));
    let x = recon.parameters();
    let direction = vec![0.0; x.len()];
    assert!(recon.push_forward(&x, &direction, None).unwrap().iter().all(|v| *v == 0.0));
    assert_eq!(recon.push_forward(&x, &direction[1..], None).unwrap_err().code(), 101);
    assert_eq!(recon.gauss_newton_product(&x[1..], &direction, None).unwrap_err().code(), 108);
    assert_eq!(recon.gauss_newton_product(&x, &direction, Some(&[6])).unwrap_err().code(), 103);
    let nan = vec![f64::NAN; x.len()];
    assert_eq!(recon.gauss_newton_product(&x, &nan, None).unwrap_err().code(), 300);
    assert_eq!(recon.gauss_newton_diagonal(&x, None, 0).unwrap_err().code(), 103);
    assert_eq!(recon.gauss_newton_diagonal(&x, Some(&[1, 1]), 2).unwrap_err().code(), 302);
}
