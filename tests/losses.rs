//! Losses beside mse and Poisson: Huber against pixels that are wrong, Anscombe for counts; their gradients, what they refuse,
//! and that a threshold, once settled, stays.

mod common;

use aet::check;
use aet::context::Context;
use aet::dataset::TiltSeries;
use aet::forward::local_orbital::Orbital;
use aet::geometry::{rotation_about, Vec3};
use aet::io::state_file;
use aet::optimize::Stopping;
use aet::problem::Want;
use aet::reconstruct::{ErrorMethod, ErrorOptions, LossChoice, LotModel, LotOptions, Precision, Reconstruction};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{compare, Atoms, CompareOptions};
use common::{moved, noise};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};

const TILTS: usize = 9;
const SIZE: usize = 30;
const PIXEL: f64 = 0.5;
const WIDTH: f64 = 0.8;

/// A cube of 27 atoms, 2.6 A apart and 0.3 A out of place.
fn truth() -> Atoms {
    let position = |i: usize| -> Vec3 {
        let at = [i % 3, i / 3 % 3, i / 9];
        std::array::from_fn(|a| 2.6 * (at[a] as f64 - 1.0) + 0.6 * (noise(3 * i + a) - 0.5))
    };
    Atoms::new((0..27).map(position).collect()).unwrap().with_species(vec![14; 27]).unwrap()
}

/// Counts of the direct model on a background of 2.
fn series_of_counts(context: &Context, height: f64) -> TiltSeries {
    let angle = |t: usize| -72.0 + 144.0 * t as f64 / (TILTS - 1) as f64;
    let plan = SeriesPlan {
        rows: SIZE,
        columns: SIZE,
        pixel_size: PIXEL,
        rotations: (0..TILTS).map(|t| rotation_about(1, angle(t))).collect(),
        foci: vec![0.0],
        orbital: Orbital::default(),
        width: WIDTH,
        height,
        background: 2.0,
        oversampling: 1,
        slice_thickness: 2.0,
        seed: Some(5),
    };
    local_orbital_series(context, &truth(), None, &plan).unwrap()
}

/// The same series with one pixel in a hundred dead or hot.
fn spoilt(series: &TiltSeries, hot: f32) -> TiltSeries {
    let spoilt = series_copy(series);
    let version = series.version();
    for (tilt, image) in version.images().iter().enumerate() {
        let wrong = |i: usize, v: f32| match noise(31 * (tilt * SIZE * SIZE + i)) {
            r if r < 0.005 => 0.0,
            r if r > 0.995 => hot,
            _ => v,
        };
        let pixels = image.pixels.iter().enumerate().map(|(i, v)| wrong(i, *v)).collect();
        let images = ndarray::Array3::from_shape_vec((1, SIZE, SIZE), pixels).unwrap();
        let rotation = aet::dataset::Rotations::Matrices(vec![image.rotation]);
        let mut frames = aet::dataset::Frames::new(1).with_rotations(rotation);
        frames.counts_per_unit = Some(vec![1.0]);
        spoilt.replace_tilt(tilt, images.view(), &frames).unwrap();
    }
    spoilt
}

/// A series of its own with the images of another.
fn series_copy(series: &TiltSeries) -> TiltSeries {
    let version = series.version();
    let pixels = version.images().iter().flat_map(|i| i.pixels.iter().copied()).collect();
    let images = ndarray::Array3::from_shape_vec((TILTS, SIZE, SIZE), pixels).unwrap();
    let rotations = version.images().iter().map(|i| i.rotation).collect();
    let mut frames = aet::dataset::Frames::new(TILTS).with_rotations(aet::dataset::Rotations::Matrices(rotations));
    frames.counts_per_unit = Some(vec![1.0; TILTS]);
    let options = aet::dataset::SeriesOptions { pixel_size: PIXEL, ..Default::default() };
    TiltSeries::new(options, images.view(), &frames).unwrap()
}

fn options(loss: LossChoice) -> LotOptions {
    LotOptions { model: LotModel::Direct, loss: Some(loss), width_start: Some(WIDTH), ..Default::default() }
}

fn start(context: &Context, series: &TiltSeries, options: &LotOptions) -> Reconstruction {
    Reconstruction::local_orbital(context, series, None, &moved(&truth(), 0.2), options).unwrap()
}

/// RMSD in pm of a fit.
fn fitted(context: &Context, series: &TiltSeries, loss: LossChoice) -> f64 {
    let recon = start(context, series, &options(loss));
    recon.run(&Stopping { max_iterations: 60, ..Default::default() }, &mut |_| true).unwrap();
    let found = compare(&recon.atoms().unwrap(), &truth(), &CompareOptions::default()).unwrap();
    assert_eq!(found.matched, 27, "{loss:?}");
    found.rmsd_pm
}

#[test]
fn huber_resists_wrong_pixels_where_least_squares_do_not() {
    let context = common::context(2);
    let clean = series_of_counts(&context, 400.0);
    let spoilt = spoilt(&clean, 4000.0);
    let of = |series, loss| fitted(&context, series, loss);
    let (best, huber_clean) = (of(&clean, LossChoice::Mse), of(&clean, LossChoice::Huber));
    let (squares, huber) = (of(&spoilt, LossChoice::Mse), of(&spoilt, LossChoice::Huber));
    println!("clean: mse {best:.3}, huber {huber_clean:.3} pm; spoilt: mse {squares:.3}, huber {huber:.3} pm");
    assert!(huber_clean < 1.2 * best && huber < 1.5 * best && squares > 5.0 * huber);
}

#[test]
fn roots_of_counts_find_atoms_as_well_as_their_likelihood() {
    let context = common::context(2);
    for height in [40.0, 400.0] {
        let series = series_of_counts(&context, height);
        let (likelihood, roots) =
            (fitted(&context, &series, LossChoice::Poisson), fitted(&context, &series, LossChoice::Anscombe));
        println!("{height} counts: poisson {likelihood:.3} pm, anscombe {roots:.3} pm");
        assert!((roots / likelihood - 1.0).abs() < 0.1);
    }
}

/// The series with Gaussian noise, that of every other tilt five times as large.
fn uneven(series: &TiltSeries, deviation: f64) -> TiltSeries {
    let noisy = series_copy(series);
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(8);
    for (tilt, image) in series.version().images().iter().enumerate() {
        let deviation = if tilt % 2 == 0 { deviation } else { 5.0 * deviation };
        let noise = Normal::new(0.0, deviation).unwrap();
        let pixels = image.pixels.iter().map(|v| v + noise.sample(&mut random) as f32).collect();
        let images = ndarray::Array3::from_shape_vec((1, SIZE, SIZE), pixels).unwrap();
        let rotation = aet::dataset::Rotations::Matrices(vec![image.rotation]);
        let mut frames = aet::dataset::Frames::new(1).with_rotations(rotation);
        frames.noise_variance = Some(vec![deviation * deviation]);
        noisy.replace_tilt(tilt, images.view(), &frames).unwrap();
    }
    noisy
}

#[test]
fn images_are_weighed_by_their_noise() {
    let context = common::context(2);
    let series = uneven(&series_of_counts(&context, 400.0), 30.0);
    let (squares, weighed) =
        (fitted(&context, &series, LossChoice::Mse), fitted(&context, &series, LossChoice::Gaussian));
    println!("noise of 30 and 150: mse {squares:.3} pm, gaussian {weighed:.3} pm");
    assert!(weighed < 0.6 * squares);
    // error bars know the weights: they are the bound
    let recon = start(&context, &series, &options(LossChoice::Gaussian));
    recon.run(&Stopping { max_iterations: 60, ..Default::default() }, &mut |_| true).unwrap();
    let dense = ErrorOptions { method: ErrorMethod::Dense, ..Default::default() };
    let told = recon.estimate_errors(&dense, &mut |_| true).unwrap();
    println!("told {:.3} pm", told.predicted_rmsd_pm);
    assert!((weighed / told.predicted_rmsd_pm - 1.0).abs() < 0.3);
}

#[test]
fn every_block_has_the_exact_gradient() {
    let context = common::context(2);
    let series = spoilt(&series_of_counts(&context, 40.0), 400.0);
    let weighed = uneven(&series, 2.0);
    for loss in [LossChoice::Huber, LossChoice::Anscombe, LossChoice::Gaussian] {
        let series = if loss == LossChoice::Gaussian { &weighed } else { &series };
        let recon = start(&context, series, &LotOptions { precision: Precision::Double, ..options(loss) });
        for block in ["drift", "scale", "angles"] {
            recon.freeze(block, false).unwrap();
        }
        // some pixels below 0, where counts end
        let backgrounds: Vec<f64> = (0..TILTS).map(|i| noise(i) - 0.7).collect();
        recon.set_block("background", &backgrounds).unwrap();
        let (layout, x) = (recon.layout(), recon.parameters());
        for block in layout.blocks.iter().filter(|b| !b.frozen) {
            let offset = layout.offset(block.name).unwrap();
            let which: Vec<usize> = (offset..offset + block.len()).step_by(7).collect();
            let step = |_: usize| 1e-4 * block.scale.min(1.0);
            let report = check::gradient(&mut |x| recon.loss_and_gradient(x), &x, &which, &step).unwrap();
            println!("{loss:?} {}: {:.1e}", block.name, report.worst);
            // Where a residual crosses the threshold of Huber, the slope has a kink.
            assert!(report.worst < 1e-5, "{loss:?} {}: {report:?}", block.name);
        }
    }
}

#[test]
fn a_settled_threshold_stays_and_is_stored() {
    let context = common::context(2);
    let series = series_of_counts(&context, 40.0);
    let recon = start(&context, &series, &options(LossChoice::Huber));
    let threshold = |recon: &Reconstruction| recon.record()["huber_threshold"].as_f64().unwrap();
    let first = threshold(&recon);
    // Residuals of atoms that are 0.2 A out of place, and the noise of some counts.
    assert!((1.0..20.0).contains(&first), "{first}");
    let rules = Stopping { max_iterations: 4, max_time: None, loss_tolerance: 0.0, gradient_tolerance: 0.0 };
    recon.run(&rules, &mut |_| true).unwrap();
    series.exclude_tilt(3, true).unwrap();
    recon.step(&mut |_| true).unwrap();
    assert_eq!(threshold(&recon).to_bits(), first.to_bits());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huber.aet");
    state_file::write(&path, &recon.saved_state().into(), &mut |_| true).unwrap();
    let saved = state_file::read(&path, &mut |_| true).unwrap().local_orbital().unwrap();
    let again = Reconstruction::resume(&context, &series, None, saved).unwrap();
    assert_eq!(threshold(&again).to_bits(), first.to_bits());
    recon.run(&rules, &mut |_| true).unwrap();
    again.run(&rules, &mut |_| true).unwrap();
    let bits = |recon: &Reconstruction| recon.parameters().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&recon), bits(&again));
    let given = LotOptions { huber_threshold: Some(2.5), ..options(LossChoice::Huber) };
    assert_eq!(threshold(&start(&context, &series, &given)), 2.5);
    assert!(start(&context, &series, &options(LossChoice::Mse)).record()["huber_threshold"].is_null());
    // A series without images settles it with its first ones.
    let empty =
        aet::dataset::SeriesOptions { rows: Some(SIZE), columns: Some(SIZE), pixel_size: PIXEL, ..Default::default() };
    let empty = TiltSeries::empty(empty).unwrap();
    let waiting = start(&context, &empty, &options(LossChoice::Huber));
    assert!(waiting.record()["huber_threshold"].is_null());
    let version = series.version();
    for image in version.images() {
        let pixels = ndarray::Array3::from_shape_vec((1, SIZE, SIZE), image.pixels.to_vec()).unwrap();
        let rotation = aet::dataset::Rotations::Matrices(vec![image.rotation]);
        empty.append_tilt(pixels.view(), &aet::dataset::Frames::new(1).with_rotations(rotation)).unwrap();
    }
    waiting.step(&mut |_| true).unwrap();
    assert!((threshold(&waiting) / first - 1.0).abs() < 0.2);
}

#[test]
fn what_losses_refuse() {
    let context = common::context(1);
    let series = series_of_counts(&context, 40.0);
    let refused = |series: &TiltSeries, options: &LotOptions| {
        let made = Reconstruction::local_orbital(&context, series, None, &truth(), options);
        let error = made.err().unwrap();
        (error.code(), error.to_string())
    };
    let (code, text) = refused(&series, &LotOptions { huber_threshold: Some(1.0), ..options(LossChoice::Mse) });
    assert!(code == 302 && text.contains("huber"), "{text}");
    for threshold in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        let given = LotOptions { huber_threshold: Some(threshold), ..options(LossChoice::Huber) };
        assert_eq!(refused(&series, &given).0, 103, "{threshold}");
    }
    // images that nobody says the counts of, and negative ones
    let (images, frames) = common::frames(2, 1, 24, 24);
    let of_series = aet::dataset::SeriesOptions { pixel_size: common::PIXEL, ..Default::default() };
    let plain = TiltSeries::new(of_series.clone(), images.view(), &frames).unwrap();
    let (code, text) = refused(&plain, &options(LossChoice::Anscombe));
    assert!(code == 302 && text.contains("image 0") && text.contains("counts_per_unit"), "{text}");
    let (code, text) = refused(&plain, &options(LossChoice::Gaussian));
    assert!(code == 302 && text.contains("image 0") && text.contains("noise_variance"), "{text}");
    let counted = aet::dataset::Frames { counts_per_unit: Some(vec![1.0; 2]), ..frames.clone() };
    let negative = TiltSeries::new(of_series, (&images - 3.0).view(), &counted).unwrap();
    let (code, text) = refused(&negative, &options(LossChoice::Anscombe));
    assert!(code == 302 && text.contains("loss anscombe") && text.contains("negative"), "{text}");
    let want = Want { gradient: true, r_factors: false };
    let huber = Reconstruction::local_orbital(&context, &negative, None, &common::atoms(), &options(LossChoice::Huber));
    let huber = huber.unwrap(); // negative pixels do not disturb it
    assert!(huber.evaluate(&huber.parameters(), None, want).unwrap().loss > 0.0);
}
