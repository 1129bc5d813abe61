//! Volumes in one call, without an object that is driven.

use super::super::driver::Watch;
use super::measured::{geometry_of, Imaging, Measured, Misfit};
use super::memory::check_memory;
use super::method::method_of;
use super::object::{initial_of, support_of};
use super::options::TomographyOptions;
use crate::context::Context;
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::optimize::Termination;
use crate::problem::{Observer, Phase, Waiting};
use crate::specimen::Volume;
use std::sync::Arc;

/// A reconstructed volume with the record of its making.
#[derive(Debug, Clone)]
pub struct Tomogram {
    /// The volume; its unit is the images', per voxel.
    pub volume: Volume,
    /// Norm of b - A V relative to b over the pixels in use, in the state from which every iteration was made.
    pub residuals: Vec<f64>,
    /// `MaxIterations`, or `Cancelled`: then the volume is that of the iterations done.
    pub termination: Termination,
}

/// Reconstructs a volume from the latest version of `series`. The observer sees the relative residual as `loss`, and may
/// end the reconstruction: the volume of the last full iteration is kept. It starts from `initial` (`None`: zeros) and stays
/// within `support` (where it is not 0; `None`: everywhere).
///
/// # Errors
/// `NotReady` without an image in use, `Range` and `Unsupported` for options without meaning, `Empty` for an image without
/// content, `Memory` above the limit, `Cancelled` before the first iteration was done.
pub fn reconstruct_volume(
    context: &Context,
    series: &TiltSeries,
    options: &TomographyOptions,
    (initial, support): (Option<&Volume>, Option<&Volume>),
    observer: &mut Observer<'_>,
) -> Result<Tomogram> {
    context.check_process()?;
    let cancel = context.cancel_token();
    let mut watch = Watch::new(&cancel, observer, 0, options.iterations());
    let quick = QuickVolume::new(context, series.version(), options, support)?;
    quick.solve(initial, &mut watch)
}

/// One version of a series, to be solved for its own images and for others on the same pixels.
pub(in super::super) struct QuickVolume {
    options: TomographyOptions,
    measured: Measured,
}

impl QuickVolume {
    pub fn new(
        context: &Context,
        version: Arc<SeriesVersion>,
        options: &TomographyOptions,
        support: Option<&Volume>,
    ) -> Result<Self> {
        options.check()?;
        check_memory(context, &version, options)?;
        let imaging = Imaging::recorded(&version, options.background);
        let support = support_of(support, geometry_of(&version, options).shape)?;
        let measured = Measured::new(context, version, options, &imaging, support)?;
        Ok(Self { options: options.clone(), measured })
    }

    /// A volume of zeros on the voxels that it solves for.
    pub fn empty(&self) -> Result<Volume> {
        self.measured.volume(vec![0.0; self.measured.projector.geometry().shape.iter().product()])
    }

    /// The volume of other `pixels` of the images, from which nothing is taken off.
    pub fn of_pixels(&self, pixels: &[Vec<f32>], options: TomographyOptions) -> Result<Self> {
        Ok(Self { measured: self.measured.of_pixels(pixels, &options)?, options })
    }

    /// Iterates from `initial`, or from nothing.
    pub fn solve(&self, initial: Option<&Volume>, watch: &mut Watch<'_, '_>) -> Result<Tomogram> {
        let mut method = watch.wait(|waiting| method_of(&self.measured, &self.options, waiting))?;
        let mut volume = initial_of(initial, self.measured.projector.geometry().shape)?;
        let (mut residuals, mut termination) = (Vec::new(), Termination::MaxIterations);
        let iterations = self.options.iterations();
        for iteration in 1..=iterations {
            let stepped = match watch.wait(|waiting| method.step(&self.measured, &mut volume, waiting)) {
                Ok(stepped) => stepped,
                Err(Error::Cancelled { .. }) if iteration > 1 => {
                    termination = Termination::Cancelled;
                    break;
                }
                Err(error) => return Err(error),
            };
            let residual = stepped.error.unwrap_or_else(|| Misfit::relative(&stepped.driving));
            residuals.push(residual);
            let done = iteration as f64;
            watch.progress.phase = Phase::Optimizing;
            (watch.progress.iteration, watch.progress.evaluations) = (iteration, done);
            (watch.progress.fraction, watch.progress.loss) = (done / iterations as f64, residual);
            watch.tell();
            if watch.cancel.is_cancelled() {
                termination = Termination::Cancelled;
                break;
            }
            if stepped.finished {
                break;
            }
        }
        let patient = self.measured.context.cancel_token();
        let mut waiting = Waiting { cancel: &patient, tell: &mut |_| true };
        method.finish(&self.measured, &mut volume, &mut waiting)?;
        Ok(Tomogram { volume: self.measured.volume(volume)?, residuals, termination })
    }
}
