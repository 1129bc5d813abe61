//! What a local-orbital reconstruction warns of, and images that it refuses. One process, one log: one test.

mod common;

use aet::context::log;
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::geometry::{rotation_about, Mat3};
use aet::optimize::Stopping;
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Reconstruction};
use common::context;
use ndarray::Array3;
use std::sync::Arc;

const EDGE: usize = 40;

/// Images of two spots.
fn series(rotations: Vec<Mat3>, change: impl Fn(&mut Array3<f32>)) -> TiltSeries {
    let spot = |r: usize, c: usize, at: f64| (-((r as f64 - 20.0).powi(2) + (c as f64 - at).powi(2)) / 8.0).exp();
    let mut images = Array3::from_shape_fn((rotations.len(), EDGE, EDGE), |(i, r, c)| {
        (1.0 + 1e-3 * i as f64 + 10.0 * (spot(r, c, 12.0) + spot(r, c, 28.0))) as f32
    });
    change(&mut images);
    let frames = Frames::new(rotations.len()).with_rotations(Rotations::Matrices(rotations));
    TiltSeries::new(SeriesOptions { pixel_size: 0.4, ..Default::default() }, images.view(), &frames).unwrap()
}

fn fit(series: &TiltSeries, options: &LotOptions) -> aet::Result<Reconstruction> {
    let start = aet::specimen::Atoms::new(vec![[-3.1, 0.1, 0.0], [3.2, -0.1, 0.0]]).unwrap();
    Reconstruction::local_orbital(&context(2), series, None, &start, options)
}

fn told() -> Vec<String> {
    let mut texts = Vec::new();
    log::drain(|level, text| texts.extend((level == log::Level::Warning).then(|| text.to_string())));
    texts
}

#[test]
fn what_cannot_be_known_is_told() {
    log::set_level(log::Level::Warning);
    let direct = LotOptions { model: LotModel::Direct, ..Default::default() };
    let tilts = |degrees: &[f64]| degrees.iter().map(|angle| rotation_about(1, *angle)).collect::<Vec<_>>();

    // one direction does not tell depths; a second does
    fit(&series(tilts(&[10.0, 10.2]), |_| {}), &direct).unwrap();
    let texts = told();
    assert!(
        texts.len() == 1 && texts[0].starts_with("2 image(s) of 2 tilt(s) all look along one direction"),
        "{texts:?}"
    );
    assert!(texts[0].contains("the depth of 2 atoms"), "{texts:?}");
    let two = series(tilts(&[0.0, 5.0]), |_| {});
    let recon = fit(&two, &direct).unwrap();
    assert!(told().is_empty());

    // an orbital that leaves all images
    let stopping = Stopping { max_iterations: 1, ..Default::default() };
    recon.run(&stopping, &mut |_| true).unwrap();
    assert!(told().is_empty());
    let out = |x: &mut [f64]| {
        x[0] = 50.0;
        Ok(())
    };
    recon.set_projection(Some(Arc::new(out))).unwrap();
    recon.run(&stopping, &mut |_| true).unwrap();
    assert_eq!(told(), ["1 of 2 atoms left the field of view of every image"]);
    recon.run(&stopping, &mut |_| true).unwrap();
    assert!(told().is_empty(), "it is told once");

    // negative counts
    let negative = series(tilts(&[0.0, 5.0]), |images| images[[1, 2, 3]] = -4.0);
    let counts = LotOptions { loss: Some(LossChoice::Poisson), ..direct };
    let error = fit(&negative, &counts).map(|_| ()).unwrap_err();
    let wanted = "image 1 has the negative value -4 at pixel 83";
    assert!(error.code() == 302 && error.to_string().contains(wanted), "{error}");
}
