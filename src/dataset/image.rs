//! One image of a tilt series and everything recorded with it.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayView3};

use super::frames::Frames;
use crate::error::{Error, Result};
use crate::geometry::Mat3;

/// One image `[rows, columns]`, immutable behind its `Arc`. Column grows with x', row with y'; the specimen origin falls
/// on the centre of pixel (rows / 2, columns / 2).
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Pixels, row by row; finite, and 0 where the mask leaves a pixel out.
    pub pixels: Arc<[f32]>,
    /// p' = R p.
    pub rotation: Mat3,
    /// Index into the tilts of the series.
    pub tilt: usize,
    /// Index of the section (focus), 0-based.
    pub section: usize,
    /// Height z' of the crossover above the specimen origin along the beam, angstrom.
    pub defocus: f64,
    /// Shift of the image (u along x', v along y'), angstrom.
    pub drift: [f64; 2],
    /// Which pixels count, row by row; `None` where all do.
    pub mask: Option<Arc<[bool]>>,
    /// Variance of the noise of one pixel, (image unit)^2.
    pub noise_variance: Option<f64>,
    /// Electrons per image unit; 1 where the image holds counts.
    pub counts_per_unit: Option<f64>,
    /// Kept, but not to be used.
    pub excluded: bool,
}

impl Image {
    /// Whether pixel `index` (row * columns + column) counts.
    pub fn uses(&self, index: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask.get(index).copied().unwrap_or(false))
    }

    /// Number of pixels that count.
    pub fn used_pixels(&self) -> usize {
        match &self.mask {
            Some(mask) => mask.iter().filter(|used| **used).count(),
            None => self.pixels.len(),
        }
    }
}

/// Indices of the tilt and the section of each image of a series.
pub(super) struct Places {
    pub tilts: Vec<usize>,
    pub sections: Vec<usize>,
}

/// Checks `images` `[n, rows, columns]` with what `frames` says of them and makes them images. `rotations` `[n]` were
/// checked before.
pub(super) fn build(
    images: ArrayView3<'_, f32>,
    frames: &Frames,
    rotations: &[Mat3],
    places: &Places,
) -> Result<Vec<Arc<Image>>> {
    let mut built = Vec::with_capacity(rotations.len());
    for (i, (plane, rotation)) in images.outer_iter().zip(rotations).enumerate() {
        let mask = match &frames.mask {
            Some(masks) => mask_of(i, masks.index_axis(ndarray::Axis(0), i))?,
            None => None,
        };
        let image = Image {
            pixels: pixels_of(i, plane, mask.as_deref())?,
            rotation: *rotation,
            tilt: places.tilts[i],
            section: places.sections[i],
            defocus: finite(frames.defocus.as_deref(), "defocus", i)?,
            drift: drift_of(frames, i)?,
            mask,
            noise_variance: positive(frames.noise_variance.as_deref(), "noise_variance", i)?,
            counts_per_unit: positive(frames.counts_per_unit.as_deref(), "counts_per_unit", i)?,
            excluded: frames.excluded.as_ref().is_some_and(|e| e[i]),
        };
        built.push(Arc::new(image));
    }
    Ok(built)
}

fn mask_of(image: usize, mask: ArrayView2<'_, u8>) -> Result<Option<Arc<[bool]>>> {
    let used = mask.iter().filter(|m| **m != 0).count();
    if used == 0 {
        return Err(Error::Empty { what: format!("mask of image {image}"), why: "it leaves no pixel in use".into() });
    }
    Ok((used < mask.len()).then(|| mask.iter().map(|m| *m != 0).collect()))
}

pub(super) fn pixels_of(image: usize, plane: ArrayView2<'_, f32>, mask: Option<&[bool]>) -> Result<Arc<[f32]>> {
    let used = |i: usize| mask.is_none_or(|m| m[i]);
    if let Some((i, v)) = plane.iter().enumerate().find(|(i, v)| !v.is_finite() && used(*i)) {
        let (row, column) = (i / plane.ncols(), i % plane.ncols());
        let at = format!("image {image}, row {row}, column {column}");
        return Err(Error::NonFinite { what: "images".into(), value: f64::from(*v), at });
    }
    Ok(plane.iter().enumerate().map(|(i, v)| if used(i) { *v } else { 0.0 }).collect())
}

/// The image with 0 in pixels beside `keep`, which also drop out of use where `leave_out`.
pub(super) fn masked(number: usize, image: &Image, keep: &[bool], leave_out: bool) -> Result<Image> {
    if keep.len() != image.pixels.len() {
        return Err(Error::shape(
            format!("mask of image {number}"),
            &[keep.len()],
            format!("[{}]", image.pixels.len()),
        ));
    }
    let kept = |i: usize| keep[i] && image.uses(i);
    if !(0..keep.len()).any(kept) {
        return Err(Error::Empty { what: format!("mask of image {number}"), why: "it leaves no pixel in use".into() });
    }
    let pixels = image.pixels.iter().zip(keep).map(|(v, keep)| if *keep { *v } else { 0.0 }).collect();
    let mask = if leave_out { Some((0..keep.len()).map(kept).collect()) } else { image.mask.clone() };
    Ok(Image { pixels, mask, ..image.clone() })
}

fn drift_of(frames: &Frames, image: usize) -> Result<[f64; 2]> {
    let drift = frames.drift.as_ref().map_or([0.0; 2], |d| d[image]);
    match drift.iter().find(|v| !v.is_finite()) {
        Some(&value) => Err(Error::NonFinite { what: "drift".into(), value, at: format!("image {image}") }),
        None => Ok(drift),
    }
}

fn finite(values: Option<&[f64]>, what: &str, image: usize) -> Result<f64> {
    let value = values.map_or(0.0, |v| v[image]);
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::NonFinite { what: what.into(), value, at: format!("image {image}") })
}

/// NaN means "not known".
fn positive(values: Option<&[f64]>, what: &str, image: usize) -> Result<Option<f64>> {
    match values.map(|v| v[image]) {
        Some(v) if v.is_nan() => Ok(None),
        Some(v) if v.is_finite() && v > 0.0 => Ok(Some(v)),
        Some(v) => {
            Err(Error::range(format!("{what} of image {image}"), v, "a positive number, or NaN where not known"))
        }
        None => Ok(None),
    }
}
