//! Loss and gradient over any images, for optimisers of hosts.
//!
//! Image i is calculated as s_i A_i V + c_i, and with weights w_i and n used pixels in all
//!
//!   loss = 1 / (2 n) sum over i of w_i ||s_i A_i V + c_i - b_i||^2.

use super::measured::{zeros, Imaging, ANGLE_ORDER};
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::projection::Projector;
use crate::problem::{Evaluation, Waiting, Want};
use std::sync::Mutex;

/// Where a loss is evaluated.
pub(super) struct Model<'a> {
    pub context: &'a Context,
    pub version: &'a SeriesVersion,
    /// Sizes are taken from it.
    pub projector: &'a Projector,
    pub imaging: &'a Imaging,
    pub image_weights: Option<&'a [f64]>,
    pub volume: &'a [f32],
}

/// Which gradients are wanted beside those of scale and background, which cost nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Active {
    pub volume: bool,
    pub drift: bool,
    pub angles: bool,
}

/// Gradients with respect to all blocks; empty where none was wanted.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    pub volume: Vec<f32>,
    pub imaging: Vec<f64>,
}

/// What one image contributes.
#[derive(Debug, Clone, Copy, Default)]
struct OfImage {
    loss: f64,
    r1: f64,
    pixels: usize,
    scale: f64,
    background: f64,
}

/// The requested images by view: the projector for them, and for every view the places of its images in the request.
struct Request {
    projector: Projector,
    views: Vec<usize>,
    images: Vec<Vec<usize>>,
}

impl Model<'_> {
    fn weight(&self, image: usize) -> f64 {
        self.image_weights.map_or(1.0, |weights| weights[image])
    }

    fn request(&self, images: &[usize]) -> Result<Request> {
        if images.is_empty() {
            let why = "it has no images to evaluate; append tilts to the dataset, or include some again".into();
            return Err(Error::NotReady { what: "the reconstruction".into(), why });
        }
        let count = self.version.images().len();
        let mut seen = vec![false; count];
        for &image in images {
            let Some(seen) = seen.get_mut(image) else {
                return Err(Error::range("image number", image, format!("0 to {}", count.saturating_sub(1))));
            };
            if std::mem::replace(seen, true) {
                let why = format!("image {image} (0-based) is named twice");
                return Err(Error::Inconsistent { what: "image list".into(), why });
            }
        }
        let (views, of_views) = self.imaging.views(self.version, images);
        let projector = self.projector.with_views(views)?;
        Ok(Request { views: (0..of_views.len()).collect(), images: of_views, projector })
    }

    /// A V of the views of `request`, as frames.
    fn projections(&self, request: &Request, waiting: &mut Waiting<'_>) -> Result<Vec<f32>> {
        let mut frames = zeros(request.images.len() * request.projector.frame().len())?;
        request.projector.project_all(self.context, self.volume, &mut frames, waiting, &|_, _| {})?;
        Ok(frames)
    }

    /// Loss over `images`, gradients, and R factors.
    pub fn evaluate(
        &self,
        images: &[usize],
        want: Want,
        active: Active,
        waiting: &mut Waiting<'_>,
    ) -> Result<(Evaluation, Gradients)> {
        let request = self.request(images)?;
        let projected = waiting.part(0.0, 0.4, |waiting| self.projections(&request, waiting))?;
        let count = self.version.images().len();
        let results: Vec<Mutex<OfImage>> = (0..count).map(|_| Mutex::default()).collect();
        let residuals = |view: usize, image: usize, residual: &mut [f32]| {
            let calculated = &projected[view * residual.len()..][..residual.len()];
            let result = self.residual(image, calculated, residual);
            *results[image].lock().unwrap_or_else(|p| p.into_inner()) = result;
        };
        let mut gradients = Gradients::default();
        waiting.part(0.4, 1.0, |waiting| {
            self.gradients(&request, want.gradient.then_some(active), &residuals, &mut gradients, waiting)
        })?;
        let of = |image: usize| *results[image].lock().unwrap_or_else(|p| p.into_inner());
        let pixels: usize = images.iter().map(|image| of(*image).pixels).sum();
        let mean = 1.0 / pixels.max(1) as f64;
        let mut evaluation = Evaluation {
            loss: mean * images.iter().map(|image| of(*image).loss).sum::<f64>(),
            image_losses: images.iter().map(|image| of(*image).loss / of(*image).pixels.max(1) as f64).collect(),
            ..Default::default()
        };
        if want.r_factors {
            evaluation.r_factors = images.iter().map(|image| of(*image).r1).collect();
        }
        if want.gradient {
            gradients.volume.iter_mut().for_each(|g| *g *= mean as f32);
            for &image in images {
                let tilts = self.version.tilts().len();
                let at = 2 * count + 3 * tilts + image;
                (gradients.imaging[at], gradients.imaging[at + count]) = (of(image).scale, of(image).background);
            }
            gradients.imaging.iter_mut().for_each(|g| *g *= mean);
        }
        if !evaluation.loss.is_finite() {
            let at = "the volume given (values out of range?)".into();
            return Err(Error::NonFinite { what: "the loss".into(), value: evaluation.loss, at });
        }
        Ok((evaluation, gradients))
    }

    /// Residual of one image, w_i s_i (s_i A V + c_i - b_i), and its sums.
    fn residual(&self, image: usize, calculated: &[f32], residual: &mut [f32]) -> OfImage {
        let of = &self.version.images()[image];
        let (scale, background) = (self.imaging.scale[image], self.imaging.background[image]);
        let (weight, columns) = (self.weight(image), self.version.columns());
        let (mut sums, mut absolutes, mut total) = (OfImage::default(), 0.0, 0.0);
        residual.fill(0.0);
        for (i, measured) in of.pixels.iter().enumerate().filter(|(i, _)| of.uses(*i)) {
            let at = (i / columns + 1) * (columns + 2) + i % columns + 1;
            let projected = f64::from(calculated[at]);
            let difference = scale * projected + background - f64::from(*measured);
            sums.pixels += 1;
            sums.loss += 0.5 * weight * difference * difference;
            sums.scale += weight * difference * projected;
            sums.background += weight * difference;
            absolutes += difference.abs();
            total += (f64::from(*measured) - background).abs();
            residual[at] = (weight * scale * difference) as f32;
        }
        sums.r1 = absolutes / total;
        sums
    }

    /// Walks all images of `request` through `residuals`, and gathers the gradients wanted.
    fn gradients(
        &self,
        request: &Request,
        wanted: Option<Active>,
        residuals: &(dyn Fn(usize, usize, &mut [f32]) + Sync),
        gradients: &mut Gradients,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let len = request.projector.frame().len();
        let mut frames = zeros(request.images.len() * len)?;
        let cells: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(len).map(Mutex::new).collect();
        self.context.for_each(cells.len(), &mut |_| waiting.at(0.0, "an evaluation"), &|view| {
            let mut frame = cells[view].lock().unwrap_or_else(|p| p.into_inner());
            let mut residual = vec![0.0; len];
            for &image in &request.images[view] {
                residuals(view, image, &mut residual);
                frame.iter_mut().zip(&residual).for_each(|(sum, part)| *sum += part);
            }
            Ok(())
        })?;
        drop(cells);
        let Some(active) = wanted else { return Ok(()) };
        let (count, tilts) = (self.version.images().len(), self.version.tilts().len());
        gradients.imaging = vec![0.0; 4 * count + 3 * tilts];
        if active.drift || active.angles {
            self.geometry_gradients(request, residuals, &mut gradients.imaging, waiting)?;
        }
        if active.volume {
            gradients.volume = zeros(self.volume.len())?;
            let out = &mut gradients.volume;
            request.projector.back_project_all(self.context, &frames, out, waiting, &|_, _| {})?;
        }
        Ok(())
    }

    /// Gradients with respect to shifts and angles: image by image, since images of a view share a projection only as long
    /// as they share their shift.
    fn geometry_gradients(
        &self,
        request: &Request,
        residuals: &(dyn Fn(usize, usize, &mut [f32]) + Sync),
        gradient: &mut [f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let len = request.projector.frame().len();
        let (drift, angles) = gradient.split_at_mut(2 * self.version.images().len());
        let rounds = request.images.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            let views: Vec<usize> =
                request.views.iter().copied().filter(|v| request.images[*v].len() > round).collect();
            let mut frames = zeros(views.len() * len)?;
            for (view, frame) in views.iter().zip(frames.chunks_exact_mut(len)) {
                residuals(*view, request.images[*view][round], frame);
            }
            let slopes = request.projector.slopes(self.context, &views, self.volume, &frames, waiting)?;
            for (view, slopes) in views.iter().zip(slopes) {
                let image = request.images[*view][round];
                drift[2 * image..][..2].copy_from_slice(&slopes.drift);
                let tilt = self.version.images()[image].tilt;
                let changes = ANGLE_ORDER.rotation_gradient(&self.imaging.angles[tilt]);
                for (sum, change) in angles[3 * tilt..][..3].iter_mut().zip(&changes) {
                    *sum += slopes.along(change);
                }
            }
        }
        Ok(())
    }

    /// The calculated images, handed over with their place in the request.
    pub fn predict_each(
        &self,
        images: &[usize],
        waiting: &mut Waiting<'_>,
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        let request = self.request(images)?;
        let frames = self.projections(&request, waiting)?;
        let (rows, columns) = (self.version.rows(), self.version.columns());
        let mut pixels = vec![0.0; rows * columns];
        for (place, &image) in images.iter().enumerate() {
            let view = request.images.iter().position(|of| of.contains(&image)).unwrap_or(0);
            let frame = &frames[view * request.projector.frame().len()..];
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let value = f64::from(frame[(i / columns + 1) * (columns + 2) + i % columns + 1]);
                *pixel = self.imaging.scale[image] * value + self.imaging.background[image];
            }
            take(place, &pixels)?;
        }
        Ok(())
    }

    /// J^T `residuals`, which belong to the calculated images one after the other.
    pub fn pull_back(
        &self,
        images: &[usize],
        given: &[f64],
        active: Active,
        waiting: &mut Waiting<'_>,
    ) -> Result<Gradients> {
        let request = self.request(images)?;
        let projected = self.projections(&request, waiting)?;
        let (count, columns) = (self.version.images().len(), self.version.columns());
        let pixels = self.version.rows() * columns;
        let mut places = vec![0; count];
        images.iter().enumerate().for_each(|(place, image)| places[*image] = place);
        let sums: Vec<Mutex<[f64; 2]>> = (0..count).map(|_| Mutex::default()).collect();
        let residuals = |view: usize, image: usize, residual: &mut [f32]| {
            let calculated = &projected[view * residual.len()..][..residual.len()];
            let mut sum = [0.0; 2];
            residual.fill(0.0);
            for (i, value) in given[places[image] * pixels..][..pixels].iter().enumerate() {
                let at = (i / columns + 1) * (columns + 2) + i % columns + 1;
                residual[at] = (self.imaging.scale[image] * value) as f32;
                sum[0] += value * f64::from(calculated[at]);
                sum[1] += value;
            }
            *sums[image].lock().unwrap_or_else(|p| p.into_inner()) = sum;
        };
        let mut gradients = Gradients::default();
        self.gradients(&request, Some(active), &residuals, &mut gradients, waiting)?;
        let scales = 2 * count + 3 * self.version.tilts().len();
        for (image, sum) in sums.iter().enumerate() {
            let [scale, background] = *sum.lock().unwrap_or_else(|p| p.into_inner());
            (gradients.imaging[scales + image], gradients.imaging[scales + count + image]) = (scale, background);
        }
        Ok(gradients)
    }
}

impl Imaging {
    /// All values, in the order of the blocks: drift, angles, scale, background.
    pub fn to_values(&self) -> Vec<f64> {
        let vectors = self.drift.iter().flatten().chain(self.angles.iter().flatten());
        vectors.chain(&self.scale).chain(&self.background).copied().collect()
    }

    /// From all values of `images` images.
    pub fn from_values(values: &[f64], images: usize, tilts: usize) -> Self {
        let (drift, rest) = values.split_at(2 * images);
        let (angles, rest) = rest.split_at(3 * tilts);
        let (scale, background) = rest.split_at(images);
        Self {
            drift: drift.chunks_exact(2).map(|d| [d[0], d[1]]).collect(),
            angles: angles.chunks_exact(3).map(|a| [a[0], a[1], a[2]]).collect(),
            scale: scale.to_vec(),
            background: background.to_vec(),
        }
    }
}
