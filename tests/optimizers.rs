//! The optimisers on reconstructions: same minimum, same bits whatever the threads, resuming, cancelling, bad input.

mod common;

use aet::context::Context;
use aet::dataset::TiltSeries;
use aet::io::{dataset_folder, state_file, xyz};
use aet::optimize::{BatchOptions, Optimizer, RunOptions, Stopping, Termination};
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Reconstruction};
use common::{atoms, moved, series};
use std::path::Path;

const ALL: [Optimizer; 5] = [
    Optimizer::Lbfgs,
    Optimizer::GradientDescent,
    Optimizer::Adam,
    Optimizer::ConjugateGradient,
    Optimizer::LevenbergMarquardt,
];

fn options(optimizer: Optimizer, iterations: usize) -> RunOptions {
    let stopping =
        Stopping { max_iterations: iterations, max_time: None, loss_tolerance: 0.0, gradient_tolerance: 0.0 };
    RunOptions { stopping, optimizer: Some(optimizer), batch: BatchOptions { fraction: Some(0.4), seed: 3 } }
}

fn run(recon: &Reconstruction, optimizer: Optimizer, iterations: usize) -> Termination {
    recon.run(options(optimizer, iterations), &mut |_| true).unwrap()
}

fn new(context: &Context, series: &TiltSeries) -> Reconstruction {
    let options = LotOptions { loss: Some(LossChoice::Mse), width_start: Some(0.6), ..Default::default() };
    let recon = Reconstruction::local_orbital(context, series, Some(&common::probe()), &moved(&atoms(), 0.5), &options);
    let recon = recon.unwrap();
    recon.freeze("drift", false).unwrap();
    recon
}

fn bits(recon: &Reconstruction) -> Vec<u64> {
    let history = recon.history();
    let numbers = recon.parameters().into_iter().chain([recon.loss()]).chain(recon.r_factors());
    let of_history = history.iter().flat_map(|r| [r.loss, r.step, r.gradient_norm, r.evaluations]);
    numbers.chain(of_history).map(f64::to_bits).collect()
}

fn loss(recon: &Reconstruction) -> f64 {
    recon.loss_and_gradient(&recon.parameters()).unwrap().0
}

fn small(context: &Context) -> Reconstruction {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/small");
    let series = dataset_folder::read(&folder, None, &mut |_| true).unwrap();
    let start = xyz::read(&folder.join("start.xyz")).unwrap();
    let options = LotOptions { model: LotModel::Direct, width_start: Some(0.5), ..Default::default() };
    Reconstruction::local_orbital(context, &series, None, &start, &options).unwrap()
}

#[test]
fn every_method_reaches_the_loss_of_lbfgs() {
    let context = common::context(2);
    let reference = small(&context);
    let start = loss(&reference);
    run(&reference, Optimizer::Lbfgs, 100);
    let lowest = loss(&reference);
    // Relative to the fall of the loss; Adam stops where its last steps are, the others near the minimum.
    let cases = [
        (Optimizer::GradientDescent, 200, 1e-4),
        (Optimizer::Adam, 20, 1e-2),
        (Optimizer::ConjugateGradient, 100, 1e-6),
        (Optimizer::LevenbergMarquardt, 30, 1e-6),
    ];
    for (optimizer, iterations, tolerance) in cases {
        let recon = small(&context);
        run(&recon, optimizer, iterations);
        let excess = (loss(&recon) - lowest) / (start - lowest);
        assert!(excess < tolerance, "{optimizer:?}: {excess:e}");
    }
}

#[test]
fn a_finish_by_lbfgs_goes_on_from_the_best_pass() {
    let context = common::context(2);
    let (recon, reference) = (small(&context), small(&context));
    let start = loss(&recon);
    assert_eq!(run(&recon, Optimizer::Adam, 200), Termination::MaxIterations, "the schedule has ended");
    assert_eq!(recon.history().len(), 20);
    let after = loss(&recon);
    run(&recon, Optimizer::Lbfgs, 60);
    run(&reference, Optimizer::Lbfgs, 100);
    let fall = start - loss(&reference);
    assert!(loss(&recon) < after && (loss(&recon) - loss(&reference)).abs() < 1e-6 * fall);
    let history = recon.history();
    assert_eq!((history[19].optimizer, history[20].optimizer), (Some(Optimizer::Adam), Some(Optimizer::Lbfgs)));
    assert!(history[20].loss <= after, "the first loss of the finish is that of a point, not of a pass");
}

#[test]
fn bits_do_not_depend_on_threads() {
    let series = series(5, 2, 41, 38);
    for optimizer in ALL {
        let of = |threads| {
            let recon = new(&common::context(threads), &series);
            run(&recon, optimizer, 4);
            bits(&recon)
        };
        let one = of(1);
        assert_eq!(one, of(2), "{optimizer:?}");
        assert_eq!(one, of(3), "{optimizer:?}");
    }
}

#[test]
fn going_on_gives_the_same_bits() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for optimizer in ALL {
        let (whole, first) = (new(&context, &series), new(&context, &series));
        [&whole, &first].iter().for_each(|recon| recon.set_param("step.heights", 0.5).unwrap());
        run(&whole, optimizer, 6);
        run(&first, optimizer, 3);
        state_file::write(&path, &first.saved_state().into(), &mut |_| true).unwrap();
        let state = state_file::read(&path, &mut |_| true).unwrap().local_orbital().unwrap();
        let second = Reconstruction::resume(&context, &series, Some(&common::probe()), state).unwrap();
        assert_eq!(second.param("step.heights").unwrap(), 0.5);
        assert_eq!(bits(&first), bits(&second), "{optimizer:?}: before going on");
        // Steps one by one go on with the method and the batches of the run before.
        (0..3).for_each(|_| assert_eq!(second.step(&mut |_| true).unwrap(), None));
        assert_eq!(bits(&whole), bits(&second), "{optimizer:?}");
    }
}

#[test]
fn a_pass_over_mini_batches_is_one_evaluation() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let recon = new(&context, &series);
    run(&recon, Optimizer::Adam, 3);
    let evaluations: Vec<f64> = recon.history().iter().map(|r| r.evaluations).collect();
    assert_eq!(evaluations, [1.0, 2.0, 3.0]);
    assert!(recon.r_factors().iter().all(|r| r.is_finite()), "each image is met in a pass");
    series.exclude_tilt(2, true).unwrap();
    run(&recon, Optimizer::Adam, 1);
    assert!(recon.r_factors()[4].is_nan() && recon.r_factors()[6].is_finite());
}

#[test]
fn one_batch_of_all_images_has_the_loss_of_an_evaluation() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let recon = new(&context, &series);
    let start = loss(&recon);
    let batch = BatchOptions { fraction: Some(1.0), seed: 1 };
    recon.run(RunOptions { batch, ..options(Optimizer::Adam, 1) }, &mut |_| true).unwrap();
    assert_eq!(recon.history()[0].loss.to_bits(), start.to_bits());
}

#[test]
fn a_cancelled_pass_leaves_the_former_state() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let (recon, reference) = (new(&context, &series), new(&context, &series));
    let outcome = recon.run(options(Optimizer::Adam, 10), &mut |p| p.iteration < 2).unwrap();
    assert_eq!(outcome, Termination::Cancelled);
    run(&reference, Optimizer::Adam, 2);
    assert_eq!(bits(&recon), bits(&reference));
    run(&recon, Optimizer::Adam, 2);
    run(&reference, Optimizer::Adam, 2);
    assert_eq!(bits(&recon), bits(&reference), "the schedule goes on");
}

#[test]
fn steps_that_are_too_long_do_no_harm() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let recon = new(&context, &series);
    run(&recon, Optimizer::Lbfgs, 3);
    let (before, x) = (recon.loss(), recon.parameters());
    recon.set_param("adam.step", 50.0).unwrap();
    run(&recon, Optimizer::Adam, 3);
    assert_eq!((recon.loss(), recon.parameters()), (before, x), "no pass was better than the state before");
    assert!(recon.history().last().unwrap().loss > before, "the history tells what was tried");
}

#[test]
fn projections_reach_mini_batches() {
    let (context, series) = (common::context(2), series(5, 2, 41, 38));
    let recon = new(&context, &series);
    let pin: std::sync::Arc<aet::reconstruct::Projection> = std::sync::Arc::new(|x: &mut [f64]| {
        x[0] = 1.25;
        Ok(())
    });
    recon.set_projection(Some(pin)).unwrap();
    for optimizer in ALL {
        run(&recon, optimizer, 2);
        assert_eq!(recon.parameters()[0], 1.25, "{optimizer:?}");
    }
}

#[test]
fn bad_input() {
    let recon = new(&common::context(1), &series(2, 1, 21, 22));
    for fraction in [0.0, -1.0, 1.01, f64::NAN] {
        let batch = BatchOptions { fraction: Some(fraction), seed: 1 };
        let error = recon.run(RunOptions { batch, ..options(Optimizer::Adam, 1) }, &mut |_| true).unwrap_err();
        assert!(error.code() == 103 && error.to_string().contains("batch_fraction"), "{error}");
    }
    for (name, value) in [
        ("adam.step", f64::NAN),
        ("adam.step", 0.0),
        ("adam.passes", 0.0),
        ("adam.beta1", 1.0),
        ("gradient_descent.rho", 1.0),
        ("levenberg_marquardt.damping", -1.0),
        ("step.positions", 0.0),
        ("step.positions", f64::INFINITY),
    ] {
        let error = recon.set_param(name, value).unwrap_err();
        assert!(error.code() == 103 && error.to_string().contains(name), "{error}");
    }
    assert_eq!(recon.set_param("step.colour", 1.0).unwrap_err().code(), 104);
}

#[test]
fn more_parameters_than_pixels_are_refused_with_both_counts() {
    let recon = new(&common::context(1), &series(2, 1, 5, 5));
    let message = |outcome: aet::Result<Termination>| {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), 302, "{error}");
        error.to_string()
    };
    let free = recon.layout().free_len();
    let refused = message(recon.run(options(Optimizer::Lbfgs, 3), &mut |_| true));
    assert!(refused.contains(&format!("{free} free parameters, but only 50 used pixels in 2 image(s)")), "{refused}");
    assert_eq!(message(recon.step(&mut |_| true).map(|outcome| outcome.unwrap())), refused);
    assert!(recon.history().is_empty());
    for name in ["heights", "drift"] {
        recon.freeze(name, true).unwrap();
    }
    run(&recon, Optimizer::Lbfgs, 2);
}
