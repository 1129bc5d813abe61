//! The methods in Fourier space as the object drives them.

use super::est::{Est, EstOptions, EstState};
use super::fourier_resire::{FourierProjector, Interpolation};
use super::genfire::{Genfire, GenfireOptions, GenfireState, Gridding, Iterate};
use super::measured::{geometry_of, zeros, Measured};
use super::method::{Method, MethodMemory, Stepped};
use super::options::{TomographyMethod, TomographyOptions};
use super::simultaneous::distance;
use super::views::PlainViews;
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::projection::ProjectionGeometry;
use crate::problem::Waiting;

/// Points of the padded transform per voxel if nothing is said.
pub(super) const OVERSAMPLING: f64 = 2.0;

/// Methods in Fourier space have one pixel to a voxel.
pub(super) fn check_voxels(geometry: &ProjectionGeometry) -> Result<()> {
    if (geometry.voxel_size - geometry.pixel_size).abs() > 1e-9 * geometry.pixel_size {
        let wanted = format!("that of a pixel, {}, for methods in Fourier space", geometry.pixel_size);
        return Err(Error::range("voxel_size", geometry.voxel_size, wanted));
    }
    Ok(())
}

/// The driving views as plain images, one pixel to a voxel.
fn plain_views(measured: &Measured) -> Result<PlainViews> {
    let geometry = measured.projector.geometry();
    let (rows, columns, len) = (geometry.rows, geometry.columns, measured.frame_len());
    let mut images = zeros(measured.driving.len() * rows * columns)?;
    let views = measured.driving.iter().map(|view| &measured.projector.views()[*view]);
    for (image, view) in images.chunks_exact_mut(rows * columns).zip(&measured.driving) {
        to_image(&measured.data[view * len..][..len], columns, image);
    }
    // The weight of a view is that of its pixels in use, which differ only where images of one view have other masks.
    let weight = |view: &usize| {
        let used = measured.weights[view * len..][..len].iter().filter(|w| **w > 0.0);
        let (sum, count) = used.fold((0.0, 0usize), |(sum, n), w| (sum + f64::from(*w), n + 1));
        sum / count.max(1) as f64
    };
    Ok(PlainViews {
        shape: geometry.shape,
        rows,
        columns,
        rotations: views.clone().map(|view| view.rotation).collect(),
        shifts: views.map(|view| view.drift.map(|d| d / geometry.pixel_size)).collect(),
        weights: measured.driving.iter().map(weight).collect(),
        images,
    })
}

/// The pixels of a frame without its margins.
pub(super) fn to_image(frame: &[f32], columns: usize, image: &mut [f32]) {
    for (row, pixels) in image.chunks_exact_mut(columns).enumerate() {
        pixels.copy_from_slice(&frame[(row + 1) * (columns + 2) + 1..][..columns]);
    }
}

/// A frame of an image: its margins are 0.
pub(super) fn to_frame(image: &[f32], columns: usize, frame: &mut [f32]) {
    frame.fill(0.0);
    for (row, pixels) in image.chunks_exact(columns).enumerate() {
        frame[(row + 1) * (columns + 2) + 1..][..columns].copy_from_slice(pixels);
    }
}

/// The projector of RESIRE in Fourier space for the driving views.
pub(super) fn fourier_projector(measured: &Measured, options: &TomographyOptions) -> Result<FourierProjector> {
    let mut views = plain_views(measured)?;
    views.images.clear();
    let oversampling = options.oversampling.unwrap_or(OVERSAMPLING);
    let interpolation = match options.fourier.gridding {
        Gridding::Exact => Interpolation::FourPoint,
        Gridding::Nearest => Interpolation::Trilinear,
    };
    FourierProjector::new(&measured.context, &views, oversampling, interpolation)
}

/// Bytes that the engine of a method in Fourier space needs for the images in use of a version.
///
/// # Errors
/// `Unsupported` for views that EST cannot take.
pub(super) fn engine_bytes(context: &Context, version: &SeriesVersion, options: &TomographyOptions) -> Result<u64> {
    let geometry = geometry_of(version, options);
    let (rows, columns, shape) = (geometry.rows, geometry.columns, geometry.shape);
    let used = version.used_images();
    let of_views = (used.len(), rows, columns);
    let views = PlainViews {
        shape,
        rows,
        columns,
        rotations: used.iter().map(|image| version.images()[*image].rotation).collect(),
        shifts: vec![[0.0; 2]; used.len()],
        weights: vec![1.0; used.len()],
        images: vec![],
    };
    let images = 4 * (used.len() * rows * columns) as u64;
    let oversampling = options.oversampling.unwrap_or(OVERSAMPLING);
    Ok(match options.method {
        _ if used.is_empty() => 0,
        TomographyMethod::Genfire => {
            let options = genfire_options(options, geometry, None);
            images + Genfire::memory_bytes(shape, of_views, &options, context.threads())
        }
        TomographyMethod::ResireFourier => {
            images + FourierProjector::memory_bytes(&views, oversampling, context.threads())
        }
        TomographyMethod::Est => images + Est::memory_estimate(context, &views, &est_options(options))?,
        _ => 0,
    })
}

fn est_options(options: &TomographyOptions) -> EstOptions {
    let default = EstOptions::default();
    EstOptions {
        oversampling: options.oversampling.unwrap_or(OVERSAMPLING),
        relaxation: options.relaxation.unwrap_or(default.relaxation),
        positivity: options.positivity.unwrap_or(true),
        accelerated: options.accelerated,
        memory_limit: options.memory_limit,
    }
}

fn genfire_options(
    options: &TomographyOptions,
    geometry: ProjectionGeometry,
    support: Option<Vec<bool>>,
) -> GenfireOptions {
    let fourier = &options.fourier;
    // Views that show only a part of the volume (films) do not tell its total.
    let [_, ny, nx] = geometry.shape;
    let complete = ny <= geometry.rows && nx <= geometry.columns;
    GenfireOptions {
        iterations: options.iterations(),
        oversampling: options.oversampling.unwrap_or(OVERSAMPLING),
        gridding: fourier.gridding,
        cutoff: fourier.cutoff,
        resolution: fourier.resolution,
        end_with_all: fourier.end_with_all,
        keep_total: fourier.keep_total && complete,
        held_back: fourier.held_back,
        iterate: fourier.iterate,
        positivity: options.positivity.unwrap_or(true),
        seed: options.seed,
        support,
        ..GenfireOptions::default()
    }
}

/// GENFIRE.
pub(super) struct GenfireMethod {
    engine: Genfire,
    iterations: usize,
}

impl GenfireMethod {
    pub fn new(measured: &Measured, options: &TomographyOptions, waiting: &mut Waiting<'_>) -> Result<Self> {
        let support = measured.support.as_ref().map(|support| support.to_vec());
        let views = plain_views(measured)?;
        let chosen = genfire_options(options, *measured.projector.geometry(), support);
        let engine = Genfire::new(&measured.context, &views, &chosen, waiting)?;
        Ok(Self { engine, iterations: options.iterations() })
    }
}

impl Method for GenfireMethod {
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped> {
        let former = volume.clone();
        let error = self.engine.step(&measured.context, volume, waiting)?;
        let finished = self.engine.state().iteration >= self.iterations;
        let length = distance(measured, volume, &former, waiting)?;
        Ok(Stepped { driving: vec![], error: Some(error), length, finished })
    }

    fn finish(&mut self, measured: &Measured, volume: &mut Vec<f32>, _waiting: &mut Waiting<'_>) -> Result<()> {
        self.engine.finish(&measured.context, volume)
    }

    fn shells(&self) -> Vec<[f64; 3]> {
        self.engine.rfree().iter().map(|shell| [shell.radius, shell.imposed, shell.held]).collect()
    }

    fn memory(&self) -> MethodMemory {
        let GenfireState { iteration, best_error, best } = self.engine.state().clone();
        MethodMemory { numbers: vec![iteration as f64, best_error], arrays: vec![best] }
    }

    fn recall(&mut self, memory: &MethodMemory) -> Result<()> {
        let ([iteration, best_error], [best]) = memory.taken([self.engine.state().best.len()])?;
        self.engine.set_state(GenfireState { iteration: iteration as usize, best_error, best })
    }
}

/// EST.
pub(super) struct EstMethod {
    engine: Est,
    best: bool,
}

impl EstMethod {
    pub fn new(measured: &Measured, options: &TomographyOptions, waiting: &mut Waiting<'_>) -> Result<Self> {
        let views = plain_views(measured)?;
        let mut engine = Est::new(&measured.context, &views, &est_options(options), waiting)?;
        engine.set_support(measured.support.as_ref().map(|support| support.to_vec()))?;
        Ok(Self { engine, best: options.fourier.iterate == Iterate::Best })
    }
}

impl Method for EstMethod {
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped> {
        let former = volume.clone();
        let error = self.engine.step(&measured.context, volume, waiting)?;
        let length = distance(measured, volume, &former, waiting)?;
        Ok(Stepped { driving: vec![], error: Some(error), length, finished: false })
    }

    fn finish(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.best {
            let r_factor = self.engine.r_factor(&measured.context, volume, waiting)?;
            self.engine.restore_best(volume, r_factor);
        }
        Ok(())
    }

    fn memory(&self) -> MethodMemory {
        let EstState { r_factors, best_r_factor, best, previous, t } = self.engine.state.clone();
        let mut numbers = vec![t, best_r_factor.unwrap_or(f64::NAN)];
        numbers.extend(r_factors);
        MethodMemory { numbers, arrays: vec![best, previous] }
    }

    fn recall(&mut self, memory: &MethodMemory) -> Result<()> {
        let ([t, best_r_factor, r_factors @ ..], [best, previous]) =
            (memory.numbers.as_slice(), memory.arrays.as_slice())
        else {
            let why = "the memory of EST has other parts than wanted".into();
            return Err(Error::Inconsistent { what: "state file".into(), why });
        };
        self.engine.state = EstState {
            r_factors: r_factors.to_vec(),
            best_r_factor: (!best_r_factor.is_nan()).then_some(*best_r_factor),
            best: best.clone(),
            previous: previous.clone(),
            t: *t,
        };
        Ok(())
    }
}
