//! Error bars against what noise really does: fits to many noisy copies of a small problem, the two methods against each
//! other, directions that no image sees.

mod common;

use aet::context::Context;
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::geometry::{AngleOrder, Mat3, Vec3};
use aet::optimize::Stopping;
use aet::reconstruct::{
    ErrorMethod, ErrorOptions, LossChoice, LotModel, LotOptions, NoiseModel, Precision, Reconstruction,
};
use aet::specimen::Atoms;
use ndarray::Array3;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal, Poisson};

const PIXEL: f64 = 0.4;
const SIZE: usize = 40;

/// A slightly disordered lattice of 2 x 2 x 3 atoms.
fn truth() -> Atoms {
    let position = |i: usize| -> Vec3 {
        let at = [i % 2, i / 2 % 2, i / 4];
        std::array::from_fn(|a| {
            2.5 * (at[a] as f64 - if a == 2 { 1.0 } else { 0.5 }) + 0.5 * (common::noise(3 * i + a) - 0.5)
        })
    };
    let positions: Vec<Vec3> = (0..12).map(position).collect();
    let heights = (0..12).map(|i| 1.0 + 0.3 * common::noise(100 + i)).collect();
    Atoms::new(positions).unwrap().with_heights(heights).unwrap().with_widths(vec![0.8; 12]).unwrap()
}

#[derive(Clone, Copy)]
struct Setting {
    model: LotModel,
    loss: LossChoice,
    /// Standard deviation of Gaussian noise, or counts per unit.
    noise: Noise,
}

#[derive(Clone, Copy)]
enum Noise {
    Gaussian(f64),
    /// The same, which nobody records, and one pixel in a hundred hot.
    Spoilt(f64),
    Counts(f64),
}

fn options(setting: Setting) -> LotOptions {
    LotOptions {
        model: setting.model,
        loss: Some(setting.loss),
        precision: Precision::Double,
        slice_thickness: 2.0,
        ..Default::default()
    }
}

fn frames(setting: Setting, tilts: usize) -> Frames {
    let sections = if setting.model == LotModel::Rigid { 2 } else { 1 };
    let rotation = |t: usize| -> Mat3 {
        AngleOrder::Zyx.rotation(&[0.0, 4.0, -72.0 + 144.0 * t as f64 / (tilts - 1).max(1) as f64])
    };
    let n = tilts * sections;
    let mut frames =
        Frames::new(n).with_rotations(Rotations::Matrices((0..n).map(|i| rotation(i / sections)).collect()));
    frames.tilt = Some((0..n).map(|i| (i / sections) as i64).collect());
    frames.section = Some((0..n).map(|i| (i % sections) as i64).collect());
    frames.defocus = Some((0..n).map(|i| 30.0 * (i % sections) as f64).collect());
    match setting.noise {
        Noise::Gaussian(deviation) => frames.noise_variance = Some(vec![deviation * deviation; n]),
        Noise::Spoilt(_) => {}
        Noise::Counts(per_unit) => frames.counts_per_unit = Some(vec![per_unit; n]),
    }
    frames
}

fn series_of(images: &Array3<f32>, frames: &Frames) -> TiltSeries {
    let options =
        SeriesOptions { pixel_size: PIXEL, energy_ev: Some(300e3), semiangle_mrad: Some(25.0), ..Default::default() };
    TiltSeries::new(options, images.view(), frames).unwrap()
}

/// Images without noise, made by the model itself, with a background of 0.5.
fn clean_images(context: &Context, setting: Setting, frames: &Frames, atoms: &Atoms) -> Array3<f64> {
    let count = frames.tilt.as_ref().unwrap().len();
    let empty = series_of(&Array3::from_elem((count, SIZE, SIZE), 0.0), frames);
    let options = LotOptions { loss: Some(LossChoice::Mse), ..options(setting) };
    let recon = Reconstruction::local_orbital(context, &empty, Some(&common::probe()), atoms, &options).unwrap();
    recon.set_block("heights", atoms.heights().unwrap()).unwrap();
    recon.set_block("background", &vec![0.5; count]).unwrap();
    let images = recon.predict(&recon.parameters(), None).unwrap();
    Array3::from_shape_vec((count, SIZE, SIZE), images).unwrap()
}

fn noisy(clean: &Array3<f64>, setting: Setting, seed: u64) -> Array3<f32> {
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    clean.mapv(|v| match setting.noise {
        Noise::Gaussian(deviation) => Normal::new(v, deviation).unwrap().sample(&mut random) as f32,
        Noise::Spoilt(deviation) => {
            let hot = if Normal::new(0.0, 1.0).unwrap().sample(&mut random) > 2.326 { 3.0 } else { 0.0 };
            (hot + Normal::new(v, deviation).unwrap().sample(&mut random)) as f32
        }
        Noise::Counts(per_unit) => (Poisson::new(v * per_unit).unwrap().sample(&mut random) / per_unit) as f32,
    })
}

fn fitted(context: &Context, setting: Setting, series: &TiltSeries) -> Reconstruction {
    let recon =
        Reconstruction::local_orbital(context, series, Some(&common::probe()), &truth(), &options(setting)).unwrap();
    let rules = Stopping { max_iterations: 150, loss_tolerance: 1e-10, ..Default::default() };
    recon.run(&rules, &mut |_| true).unwrap();
    recon
}

fn estimate(recon: &Reconstruction, method: ErrorMethod, noise: NoiseModel) -> aet::reconstruct::ErrorEstimate {
    recon.estimate_errors(&ErrorOptions { method, noise, radius: None }, &mut |_| true).unwrap()
}

/// Mean squares over all atoms, per axis.
fn mean_squares<'a>(values: impl Iterator<Item = &'a Vec3>) -> Vec3 {
    let (mut sum, mut n) = ([0.0; 3], 0.0);
    for value in values {
        (0..3).for_each(|a| sum[a] += value[a] * value[a]);
        n += 1.0;
    }
    sum.map(|s| s / n)
}

fn check_spread(setting: Setting, noise: NoiseModel) {
    let context = common::context(2);
    let frames = frames(setting, 9);
    let clean = clean_images(&context, setting, &frames, &truth());
    let (mut errors, mut ratios, mut height_ratio, repeats) = (Vec::new(), Vec::new(), 0.0, 50);
    let mut bars: Option<(Vec<Vec3>, Vec<f64>, f64)> = None;
    for seed in 0..repeats {
        let recon = fitted(&context, setting, &series_of(&noisy(&clean, setting, seed), &frames));
        let (bar, of_height, _) = bars.get_or_insert_with(|| {
            let dense = estimate(&recon, ErrorMethod::Automatic, noise);
            assert_eq!((dense.method, dense.undetermined), (ErrorMethod::Dense, 0));
            let local = estimate(&recon, ErrorMethod::Local, noise);
            let ratio = local.predicted_rmsd_pm / dense.predicted_rmsd_pm;
            println!("dense {:.3} pm, local {:.3} pm", dense.predicted_rmsd_pm, local.predicted_rmsd_pm);
            assert!((0.9..=1.02).contains(&ratio), "local {ratio} of dense");
            (dense.atoms.standard_errors().unwrap().to_vec(), dense.height_errors, dense.predicted_rmsd_pm)
        });
        let found = recon.atoms().unwrap();
        for (i, (p, t)) in found.positions().iter().zip(truth().positions()).enumerate() {
            let d: Vec3 = std::array::from_fn(|a| p[a] - t[a]);
            ratios.push(std::array::from_fn::<f64, 3, _>(|a| d[a] / bar[i][a]));
            errors.push(d);
            let of_truth = found.heights().unwrap()[i] - truth().heights().unwrap()[i];
            height_ratio += (of_truth / of_height[i]).powi(2) / (12 * repeats) as f64;
        }
    }
    let (bar, _, predicted) = bars.unwrap();
    let (found, told, ratio) = (mean_squares(errors.iter()), mean_squares(bar.iter()), mean_squares(ratios.iter()));
    let rmsd = 100.0 * found.iter().sum::<f64>().sqrt();
    println!("found {rmsd:.3} pm, predicted {predicted:.3} pm; spread / error {:?}", ratio.map(f64::sqrt));
    println!("heights: {:.3}", height_ratio.sqrt());
    assert!((rmsd / predicted - 1.0).abs() < 0.1);
    for a in 0..3 {
        assert!(((found[a] / told[a]).sqrt() - 1.0).abs() < 0.1, "axis {a}");
        assert!((ratio[a].sqrt() - 1.0).abs() < 0.1, "axis {a}");
    }
    assert!((height_ratio.sqrt() - 1.0).abs() < 0.1);
}

#[test]
fn gaussian_noise_spreads_fits_of_the_direct_model_as_told() {
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Mse, noise: Noise::Gaussian(0.05) };
    check_spread(setting, NoiseModel::Automatic);
}

#[test]
fn residuals_stand_in_for_unknown_noise_in_the_rigid_model() {
    let setting = Setting { model: LotModel::Rigid, loss: LossChoice::Mse, noise: Noise::Gaussian(0.03) };
    check_spread(setting, NoiseModel::Residual);
}

#[test]
fn counts_spread_poisson_fits_as_told() {
    let setting = Setting { model: LotModel::Rigid, loss: LossChoice::Poisson, noise: Noise::Counts(400.0) };
    check_spread(setting, NoiseModel::Automatic);
}

#[test]
fn counts_spread_least_squares_fits_as_the_sandwich_tells() {
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Mse, noise: Noise::Counts(300.0) };
    check_spread(setting, NoiseModel::Automatic);
}

#[test]
fn counts_spread_fits_of_their_roots_as_told() {
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Anscombe, noise: Noise::Counts(300.0) };
    check_spread(setting, NoiseModel::Automatic);
}

#[test]
fn gaussian_noise_spreads_huber_fits_as_the_sandwich_tells() {
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Huber, noise: Noise::Gaussian(0.05) };
    check_spread(setting, NoiseModel::Automatic);
}

#[test]
fn wrong_pixels_spread_huber_fits_as_their_residuals_tell() {
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Huber, noise: Noise::Spoilt(0.05) };
    check_spread(setting, NoiseModel::Residual);
}

#[test]
fn both_methods_agree_where_they_fit_the_same_parameters() {
    let context = common::context(2);
    let noises = [(LossChoice::Mse, Noise::Gaussian(0.05)), (LossChoice::Mse, Noise::Counts(300.0))];
    for model in [LotModel::Direct, LotModel::Rigid] {
        for (loss, noise) in noises {
            let setting = Setting { model, loss, noise };
            let frames = frames(setting, 5);
            let clean = clean_images(&context, setting, &frames, &truth());
            let recon = fitted(&context, setting, &series_of(&noisy(&clean, setting, 7), &frames));
            recon.freeze("widths", true).unwrap();
            recon.freeze("background", true).unwrap();
            let dense = estimate(&recon, ErrorMethod::Dense, NoiseModel::Automatic);
            let all = ErrorOptions { method: ErrorMethod::Local, radius: Some(100.0), ..Default::default() };
            let local = recon.estimate_errors(&all, &mut |_| true).unwrap();
            let (a, b) = (dense.atoms.standard_errors().unwrap(), local.atoms.standard_errors().unwrap());
            let worst =
                a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max);
            let of_heights = dense.height_errors.iter().zip(&local.height_errors);
            let worst_height = of_heights.map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max);
            println!("{model:?} {loss:?}: {worst:.1e}, heights {worst_height:.1e}");
            // The patch of a probe is sampled on a grid of its own.
            let tolerance = if model == LotModel::Direct { 1e-3 } else { 1e-2 };
            assert!(worst < tolerance && worst_height < tolerance);
        }
    }
}

#[test]
fn what_no_image_sees_has_an_infinite_error() {
    let context = common::context(2);
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Mse, noise: Noise::Gaussian(0.05) };
    let mut frames = frames(setting, 1);
    // One layer, so that atoms do not hide each other.
    let layer = Atoms::new(truth().positions()[..4].to_vec()).unwrap().with_heights(vec![1.0; 4]).unwrap();
    let layer = layer.with_widths(vec![0.8; 4]).unwrap();
    // Along the beam, and askew: then x and z are seen only as one sum.
    for (angles, seen) in [([0.0, 0.0, 0.0], [true, true, false]), ([0.0, 30.0, 0.0], [false, true, false])] {
        frames.rotations = Some(Rotations::Matrices(vec![AngleOrder::Zyx.rotation(&angles)]));
        let clean = clean_images(&context, setting, &frames, &layer);
        let series = series_of(&noisy(&clean, setting, 1), &frames);
        let recon = Reconstruction::local_orbital(&context, &series, None, &layer, &options(setting)).unwrap();
        for method in [ErrorMethod::Dense, ErrorMethod::Local] {
            let estimate = estimate(&recon, method, NoiseModel::Automatic);
            assert_eq!(estimate.undetermined, 4);
            assert!(estimate.predicted_rmsd_pm.is_nan());
            for error in estimate.atoms.standard_errors().unwrap() {
                for a in 0..3 {
                    assert_eq!(error[a].is_finite(), seen[a], "{method:?} {angles:?}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn an_atom_outside_all_images_is_flagged_and_spoils_no_other() {
    let context = common::context(2);
    let setting = Setting { model: LotModel::Rigid, loss: LossChoice::Mse, noise: Noise::Gaussian(0.05) };
    let frames = frames(setting, 5);
    let clean = clean_images(&context, setting, &frames, &truth());
    let series = series_of(&noisy(&clean, setting, 1), &frames);
    let mut positions = truth().positions().to_vec();
    positions.push([0.0, 60.0, 0.0]);
    let start = Atoms::new(positions).unwrap();
    let recon =
        Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &start, &options(setting)).unwrap();
    for method in [ErrorMethod::Dense, ErrorMethod::Local] {
        let estimate = estimate(&recon, method, NoiseModel::Automatic);
        let errors = estimate.atoms.standard_errors().unwrap();
        assert_eq!(estimate.undetermined, 1, "{method:?} {errors:?}");
        assert!(errors[12].iter().all(|e| e.is_infinite()) && errors[..12].iter().flatten().all(|e| *e < 0.2));
        assert!(estimate.predicted_rmsd_pm > 0.0);
    }
}

#[test]
fn estimates_do_not_depend_on_the_number_of_threads_and_can_be_cancelled() {
    let setting = Setting { model: LotModel::Rigid, loss: LossChoice::Poisson, noise: Noise::Counts(400.0) };
    let frames = frames(setting, 3);
    let of_threads = |threads: usize| {
        let context = common::context(threads);
        let clean = clean_images(&context, setting, &frames, &truth());
        let series = series_of(&noisy(&clean, setting, 3), &frames);
        let recon =
            Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &truth(), &options(setting))
                .unwrap();
        let cancelled = recon.estimate_errors(&ErrorOptions::default(), &mut |_| false).unwrap_err();
        assert_eq!(cancelled.code(), 1);
        [ErrorMethod::Dense, ErrorMethod::Local]
            .map(|m| estimate(&recon, m, NoiseModel::Automatic).atoms.standard_errors().unwrap().to_vec())
    };
    let one = of_threads(1);
    assert!(one == of_threads(2) && one == of_threads(3));
}

#[test]
fn requests_that_cannot_be_met_are_refused() {
    let context = common::context(2);
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Mse, noise: Noise::Gaussian(0.05) };
    let frames = frames(setting, 2);
    let clean = clean_images(&context, setting, &frames, &truth());
    let series = series_of(&noisy(&clean, setting, 1), &frames);
    let recon = Reconstruction::local_orbital(&context, &series, None, &truth(), &options(setting)).unwrap();
    let code = |options: ErrorOptions| recon.estimate_errors(&options, &mut |_| true).unwrap_err().code();
    assert_eq!(code(ErrorOptions { radius: Some(-1.0), ..Default::default() }), 103);
    assert_eq!(code(ErrorOptions { noise: NoiseModel::Counts, ..Default::default() }), 200);
    recon.freeze("positions", true).unwrap();
    assert_eq!(code(ErrorOptions::default()), 200);
}

/// Dense errors of the same parameters.
#[test]
fn errors_of_a_block_are_those_of_the_whole_problem() {
    for (loss, noise) in [(LossChoice::Mse, Noise::Gaussian(0.03)), (LossChoice::Mse, Noise::Counts(400.0))] {
        let context = common::context(2);
        let setting = Setting { model: LotModel::Rigid, loss, noise };
        let frames = frames(setting, 9);
        let clean = clean_images(&context, setting, &frames, &truth());
        let recon = fitted(&context, setting, &series_of(&noisy(&clean, setting, 3), &frames));
        let dense = estimate(&recon, ErrorMethod::Dense, NoiseModel::Automatic);
        let positions = recon.block_errors("positions", None, NoiseModel::Automatic, &mut |_| true).unwrap();
        let heights = recon.block_errors("heights", None, NoiseModel::Automatic, &mut |_| true).unwrap();
        let some = recon.block_errors("positions", Some(&[7, 2]), NoiseModel::Automatic, &mut |_| true).unwrap();
        assert_eq!(some, [&positions[21..24], &positions[6..9]].concat());
        let wanted = dense.atoms.standard_errors().unwrap().as_flattened().iter().chain(&dense.height_errors);
        for (got, wanted) in positions.iter().chain(&heights).zip(wanted) {
            assert!((got / wanted - 1.0).abs() < 2e-3, "{got} {wanted}");
        }
    }
}

#[test]
fn a_fitted_defocus_spreads_as_told() {
    let context = common::context(2);
    let setting = Setting { model: LotModel::Rigid, loss: LossChoice::Poisson, noise: Noise::Counts(400.0) };
    let mut frames = frames(setting, 9);
    // at a focus of 0 images hardly tell the sign of a change, and no linear estimate holds
    frames.defocus = Some((0..18).map(|i| if i % 2 == 0 { -25.0 } else { 30.0 }).collect());
    let clean = clean_images(&context, setting, &frames, &truth());
    let (mut told, mut squares, repeats) = (Vec::new(), [0.0; 2], 40);
    for seed in 0..repeats {
        let series = series_of(&noisy(&clean, setting, seed), &frames);
        let recon =
            Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &truth(), &options(setting))
                .unwrap();
        recon.freeze("defocus", false).unwrap();
        let rules = Stopping { max_iterations: 150, loss_tolerance: 1e-10, ..Default::default() };
        recon.run(&rules, &mut |_| true).unwrap();
        if told.is_empty() {
            told = recon.block_errors("defocus", None, NoiseModel::Automatic, &mut |_| true).unwrap();
        }
        let found = recon.block("defocus").unwrap();
        (0..2).for_each(|s| squares[s] += found[s] * found[s] / repeats as f64);
    }
    println!("defocus: told {told:.4?}, spread {:.4?}", squares.map(f64::sqrt));
    // a standard deviation from 40 samples is known to 11 %
    assert!((0..2).all(|s| (squares[s].sqrt() / told[s] - 1.0).abs() < 0.3));
}

#[test]
fn errors_of_blocks_that_have_none() {
    let context = common::context(1);
    let setting = Setting { model: LotModel::Direct, loss: LossChoice::Mse, noise: Noise::Gaussian(0.05) };
    let frames = frames(setting, 9);
    let clean = clean_images(&context, setting, &frames, &truth());
    let recon = fitted(&context, setting, &series_of(&noisy(&clean, setting, 1), &frames));
    let errors = |name: &str| recon.block_errors(name, None, NoiseModel::Automatic, &mut |_| true);
    assert!(errors("colours").unwrap_err().to_string().contains("colours"));
    assert!(errors("scale").unwrap_err().to_string().contains("frozen"));
    assert!(recon.block_errors("background", None, NoiseModel::Counts, &mut |_| true).is_err());
    let stopped = recon.block_errors("background", None, NoiseModel::Automatic, &mut |_| false);
    assert!(stopped.unwrap_err().to_string().contains("cancel"));
    // all angles and all positions turned together look the same
    recon.freeze("angles", false).unwrap();
    let angles = recon.block_errors("angles", None, NoiseModel::Automatic, &mut |_| true).unwrap();
    assert!(angles.iter().all(|e| e.is_infinite()), "{angles:?}");
}
