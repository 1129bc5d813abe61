//! Recording stacks and series of images.

use super::detector::Detector;
use super::{Exposure, Instrument, Recorder};
use crate::context::Context;
use crate::dataset::{Image, LengthUnit, SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::problem::Waiting;
use ndarray::{s, Array3, ArrayView3};
use std::sync::Mutex;

/// Pixels that a worker takes at once: small patterns go in groups.
const PIXELS_AT_ONCE: usize = 1 << 17;

/// What `instrument` records of a stack of images or diffraction patterns `[image, row, column]` of `plane`. Image i of
/// the stack is number `first + i` of the seed, and depends neither on the others nor on the number of threads.
///
/// # Errors
/// `Shape` where the images are not of `plane`; the errors of [`Instrument::recorder`] and [`Recorder::record`];
/// `Cancelled`.
pub fn record_images(
    context: &Context,
    recorder: &Recorder,
    images: ArrayView3<'_, f32>,
    first: u64,
    waiting: &mut Waiting<'_>,
) -> Result<Array3<f32>> {
    let (count, rows, columns) = images.dim();
    let plane = recorder.plane();
    if (rows, columns) != (plane.rows, plane.columns) {
        let wanted = format!("[n, {}, {}] as planned", plane.rows, plane.columns);
        return Err(Error::shape("images", images.shape(), wanted));
    }
    let group = (PIXELS_AT_ONCE / plane.pixels()).max(1);
    let recorded = Mutex::new(Array3::zeros(images.dim()));
    let cancel = waiting.cancel;
    let groups = count.div_ceil(group);
    let mut tell = |done: usize| waiting.at(done as f64 / groups.max(1) as f64, "recording");
    context.for_each(groups, &mut tell, &|number| {
        let range = number * group..((number + 1) * group).min(count);
        let mut out = Array3::<f32>::zeros((range.len(), rows, columns));
        let (mut image, mut scratch) = (Vec::with_capacity(plane.pixels()), recorder.scratch());
        for (i, mut out) in range.clone().zip(out.outer_iter_mut()) {
            cancel.check("recording")?;
            image.clear();
            image.extend(images.index_axis(ndarray::Axis(0), i).iter().map(|v| f64::from(*v)));
            recorder.record(first.wrapping_add(i as u64), &mut image, &mut scratch)?;
            out.iter_mut().zip(&image).for_each(|(out, v)| *out = *v as f32);
            if let Some((at, _)) = out.indexed_iter().find(|(_, v)| !v.is_finite()) {
                let (what, wanted) = (format!("recorded value of image {i} at {at:?}"), "within single precision");
                return Err(Error::range(what, image[at.0 * columns + at.1], wanted));
            }
        }
        recorded.lock().unwrap_or_else(|p| p.into_inner()).slice_mut(s![range, .., ..]).assign(&out);
        Ok(())
    })?;
    Ok(recorded.into_inner().unwrap_or_else(|p| p.into_inner()))
}

/// What `instrument` records of the present version of `series`: a new series with the same geometry, labels, exclusions
/// and metadata, to which the description of the instrument is added (`instrument`, JSON). Image numbers of the seed are
/// those of the series. Electrons per image unit become 1 / gain where the exposure is limited, else they are divided by
/// the gain; the variance of the noise is known no more where the instrument does more than multiply and add.
///
/// # Errors
/// `Unsupported` for a series in pixels where the dose is one per A^2, and for masks where images are resampled or
/// blurred; `Empty` without images; the errors of [`Instrument::recorder`] and [`record_images`].
pub fn record_series(
    context: &Context,
    instrument: &Instrument,
    series: &TiltSeries,
    waiting: &mut Waiting<'_>,
) -> Result<TiltSeries> {
    let version = series.version();
    let (rows, columns) = (version.rows(), version.columns());
    let plane = Plane::new(rows, columns, version.pixel_size(), version.pixel_size())?;
    let recorder = instrument.recorder(context.simd(), plane)?;
    check_series(&recorder, &version)?;
    let mut images = Array3::zeros((version.images().len(), rows, columns));
    for (mut to, image) in images.outer_iter_mut().zip(version.images()) {
        to.iter_mut().zip(image.pixels.iter()).for_each(|(to, from)| *to = *from);
    }
    let recorded = record_images(context, &recorder, images.view(), 0, waiting)?;
    let recorded = TiltSeries::with_other_pixels(&version, recorded.view(), |image| statistics(instrument, image))?;
    let text = serde_json::to_string(instrument).map_err(|e| Error::Internal(format!("instrument as text: {e}")))?;
    recorded.set_metadata("instrument", &text, "")?;
    Ok(recorded)
}

fn check_series(recorder: &Recorder, version: &SeriesVersion) -> Result<()> {
    if version.images().is_empty() {
        return Err(Error::Empty { what: "dataset".into(), why: "there is no image to record".into() });
    }
    let instrument = recorder.instrument();
    if version.length_unit() == LengthUnit::Pixel && matches!(instrument.exposure, Exposure::Dose(_)) {
        let why = "the dataset is in pixels; give electrons per position instead".into();
        return Err(Error::Unsupported { what: "a dose per angstrom^2".into(), why });
    }
    match version.images().iter().position(|image| image.mask.is_some()) {
        Some(i) if recorder.mixes_pixels() => {
            let why = format!("image {i} has a mask, and pixels that are left out would spoil their neighbours");
            Err(Error::Unsupported { what: "a scan distortion or a blur".into(), why })
        }
        _ => Ok(()),
    }
}

/// Noise variance and electrons per image unit of a recorded image.
fn statistics(instrument: &Instrument, image: &Image) -> (Option<f64>, Option<f64>) {
    let Detector { gain, offset, .. } = instrument.detector;
    let only_scales = *instrument
        == Instrument {
            seed: instrument.seed,
            detector: Detector { gain, offset, ..Detector::default() },
            ..Default::default()
        };
    let variance = image.noise_variance.filter(|_| only_scales).map(|v| v * gain * gain);
    let counts = match instrument.exposure {
        Exposure::Unlimited => image.counts_per_unit.map(|counts| counts / gain),
        _ => Some(1.0 / gain),
    };
    (variance, counts)
}
