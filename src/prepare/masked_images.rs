//! The projections of a mask, applied to the images of a tilt series: what lies beside the specimen is taken out of the
//! images, so that a support film does not have to be explained by the volume.

use super::planes::reserved;
use crate::context::Context;
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::projection::{ProjectionGeometry, Projector, View};
use crate::problem::Waiting;
use crate::specimen::Volume;
use std::sync::Mutex;

/// Views that are projected at the same time.
const VIEWS_AT_ONCE: usize = 16;

/// How a mask is applied to images.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageMaskOptions {
    /// A pixel is in the mask where the beam passes more than this length of it, in voxels.
    pub minimum_path: f64,
    /// Pixels beside the mask drop out of use (a loss does not see them); else they are 0 and still used: a volume then
    /// has to be empty there.
    pub leave_out: bool,
}

impl Default for ImageMaskOptions {
    fn default() -> Self {
        Self { minimum_path: 0.5, leave_out: false }
    }
}

/// Sets the pixels of `series` beside the projections of `mask` to 0, as a new version; returns how many pixels of each
/// image the mask keeps. Rotations and drifts are those of the images. Where the series is changed meanwhile, the new
/// version is masked instead.
///
/// # Errors
/// `NotReady` without an image, `Range` for a path without meaning and voxels larger than pixels, `Empty` for a mask that
/// leaves an image without a used pixel, `Cancelled`; the series then stays as it is.
pub fn mask_images(
    context: &Context,
    series: &TiltSeries,
    mask: &Volume,
    options: &ImageMaskOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<usize>> {
    if !(options.minimum_path.is_finite() && options.minimum_path >= 0.0) {
        return Err(Error::range("minimum_path", options.minimum_path, "0 or a positive number of voxels"));
    }
    if mask.as_slice().iter().all(|v| *v == 0.0) {
        return Err(Error::Empty { what: "mask".into(), why: "all of its voxels are 0".into() });
    }
    loop {
        let version = series.version();
        let keep = projected(context, &version, mask, options.minimum_path, waiting)?;
        if series.mask_pixels(&version, &keep, options.leave_out)? {
            return Ok(keep.iter().map(|keep| keep.iter().filter(|k| **k).count()).collect());
        }
    }
}

/// For each image its pixels in the projection of `mask`.
fn projected(
    context: &Context,
    version: &SeriesVersion,
    mask: &Volume,
    minimum_path: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<Vec<bool>>> {
    let images = version.images();
    if images.is_empty() {
        let why = "it has no image to be masked; append tilts first".into();
        return Err(Error::NotReady { what: "the dataset".into(), why });
    }
    let geometry = ProjectionGeometry {
        shape: mask.shape(),
        voxel_size: mask.voxel_size(),
        rows: version.rows(),
        columns: version.columns(),
        pixel_size: version.pixel_size(),
    };
    let views = images.iter().map(|image| View { rotation: image.rotation, drift: image.drift }).collect();
    let projector = Projector::new(geometry, views)?;
    // A pixel collects (pixel / voxel)^2 voxels per voxel of depth.
    let scale = (geometry.voxel_size / geometry.pixel_size).powi(2);
    let frame = projector.frame();
    let keep: Vec<Mutex<Vec<bool>>> = images.iter().map(|_| Mutex::default()).collect();
    // The frames of all views need not exist at once.
    let mut frames = reserved(VIEWS_AT_ONCE.min(images.len()) * frame.len(), "projections of a mask")?;
    let all: Vec<usize> = (0..images.len()).collect();
    for part in all.chunks(VIEWS_AT_ONCE) {
        let done = |view: usize| view as f64 / images.len() as f64;
        frames.resize(part.len() * frame.len(), 0.0);
        waiting.part(done(part[0]), done(part[0] + part.len()), |waiting| {
            projector.project(context, part, mask.as_slice(), &mut frames, waiting, &|place, path| {
                let rows = path.chunks_exact(frame.columns).skip(1).take(geometry.rows);
                let inside = rows.flat_map(|row| &row[1..=geometry.columns]);
                let kept = inside.map(|v| f64::from(*v) * scale > minimum_path).collect();
                *keep[part[place]].lock().unwrap_or_else(|p| p.into_inner()) = kept;
            })
        })?;
    }
    Ok(keep.into_iter().map(|k| k.into_inner().unwrap_or_else(|p| p.into_inner())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::support::{support, Support};
    use super::*;
    use crate::context::ContextOptions;
    use crate::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, TiltAxis};
    use ndarray::Array3;

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
    }

    /// Three views of 21 x 25 pixels of 0.5, the second one shifted by 2 pixels along x.
    fn series() -> TiltSeries {
        let rotations = Rotations::SingleAxis { axis: TiltAxis::Y, degrees: vec![0.0, 40.0, 75.0] };
        let mut frames = Frames::new(3).with_rotations(rotations);
        frames.drift = Some(vec![[0.0; 2], [1.0, 0.0], [0.0; 2]]);
        let options = SeriesOptions { pixel_size: 0.5, length_unit: LengthUnit::Angstrom, ..Default::default() };
        TiltSeries::new(options, Array3::from_elem((3, 21, 25), 4.0).view(), &frames).unwrap()
    }

    fn ball(radius: f64, voxel_size: f64) -> Volume {
        let context = context(2);
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        support(&context, [23; 3], voxel_size, &Support::sphere(radius), &mut waiting).unwrap()
    }

    fn run(threads: usize, series: &TiltSeries, mask: &Volume, options: &ImageMaskOptions) -> Result<Vec<usize>> {
        let context = context(threads);
        let cancel = context.cancel_token();
        mask_images(&context, series, mask, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    #[test]
    fn a_ball_leaves_disks_where_the_views_see_it() {
        for voxel_size in [0.5, 0.25] {
            let series = series();
            let kept = run(2, &series, &ball(2.5, voxel_size), &ImageMaskOptions::default()).unwrap();
            let version = series.version();
            for (image, (kept, centre)) in version.images().iter().zip(kept.into_iter().zip([12, 14, 12])) {
                // A disk of radius 5 pixels has 81; its fringe may come with it.
                assert!((60..=115).contains(&kept), "{kept}");
                assert_eq!(image.pixels.iter().filter(|v| **v == 4.0).count(), kept);
                let at = |row: usize, column: usize| image.pixels[row * 25 + column];
                assert_eq!((at(10, centre), at(10, centre + 4), at(10, centre - 4)), (4.0, 4.0, 4.0));
                assert_eq!((at(10, centre + 7), at(10, centre - 7), at(17, centre)), (0.0, 0.0, 0.0));
                assert!(image.mask.is_none());
            }
            assert_eq!(version.number(), 2);
        }
    }

    #[test]
    fn pixels_can_be_left_out_and_threads_do_not_matter() {
        let options = ImageMaskOptions { leave_out: true, minimum_path: 2.0 };
        let run = |threads| {
            let series = series();
            let kept = run(threads, &series, &ball(2.5, 0.5), &options).unwrap();
            let version = series.version();
            assert!(version.images().iter().zip(&kept).all(|(image, kept)| image.used_pixels() == *kept));
            version.images().to_vec()
        };
        assert!(run(1) == run(2) && run(1) == run(3));
    }

    #[test]
    fn masks_that_leave_nothing_change_nothing() {
        let series = series();
        let code = |mask: &Volume, options: &ImageMaskOptions| run(1, &series, mask, options).unwrap_err().code();
        let zeros = Volume::new(Array3::zeros((5, 5, 5)), 0.5).unwrap();
        assert_eq!(code(&zeros, &ImageMaskOptions::default()), 301);
        let deep = ImageMaskOptions { minimum_path: 100.0, ..Default::default() };
        assert_eq!(code(&ball(2.5, 0.5), &deep), 301);
        let bad = ImageMaskOptions { minimum_path: f64::NAN, ..Default::default() };
        assert_eq!(code(&ball(2.5, 0.5), &bad), 103);
        assert_eq!(code(&ball(2.5, 0.6), &ImageMaskOptions::default()), 103);
        assert_eq!(series.version().number(), 1);
        let options = SeriesOptions { rows: Some(4), columns: Some(4), pixel_size: 1.0, ..Default::default() };
        let empty = TiltSeries::empty(options).unwrap();
        assert_eq!(run(1, &empty, &ball(2.5, 0.5), &ImageMaskOptions::default()).unwrap_err().code(), 200);
    }
}
