//! The volume of what the fit leaves of the images, and what one atom would be in it.

use super::super::driver::Watch;
use super::super::tomography::TomographyOptions;
use super::revise::{value_near, Course};
use super::{median, Fitted, Search};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare;
use crate::specimen::{Neighbours, Volume};
use crate::trace::{self, Peak};

/// SIRT iterations of a residual volume.
const ITERATIONS: usize = 10;

/// Atoms that measure what one atom is in a residual volume.
const SAMPLES: usize = 24;

/// A residual volume.
pub(super) struct Residual {
    /// Smoothed by the search's smoothing.
    pub smoothed: Volume,
    /// Height in it of an atom of the reference height that the model lacks.
    pub of_atom: f64,
}

impl Search<'_> {
    /// The residual volume of a fit; `reference` is the height of the atom that measures it.
    pub(super) fn residual(
        &self,
        fitted: &Fitted,
        reference: f64,
        course: &mut Course,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Residual> {
        let x = fitted.recon.parameters();
        let per_height = match course.atom_height {
            Some(height) => height,
            None => *course.atom_height.insert(self.height_of_one(fitted, reference, &x, watch)? / reference),
        };
        let calculated = fitted.recon.predict(&x, None)?;
        let images = self.version.images();
        let pixels = self.version.rows() * self.version.columns();
        let mut residuals = vec![Vec::new(); images.len()];
        for (of_image, image) in calculated.chunks_exact(pixels).zip(fitted.recon.used_images()) {
            let observed = images[image].pixels.iter();
            residuals[image] = observed.zip(of_image).map(|(o, c)| o - *c as f32).collect();
        }
        Ok(Residual { smoothed: self.residual_volume(&residuals, watch)?, of_atom: per_height * reference })
    }

    /// Peaks of the residual above `lowest` that are `free`, not near known atoms and not far from all of them.
    pub(super) fn new_places(
        &self,
        residual: &Residual,
        lowest: f64,
        known: &[Vec3],
        free: &dyn Fn(&Vec3) -> bool,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Vec<Peak>> {
        let volume = &residual.smoothed;
        let maxima = watch.wait(|w| trace::maxima(self.context, volume.values(), volume, lowest, w))?;
        let known = Neighbours::new(known)?;
        let isolated = |place: &Vec3| self.options.isolation.is_some_and(|far| known.within(place, far).is_empty());
        let candidates = maxima.into_iter().filter(|peak| {
            known.within(&peak.position, self.distance).is_empty() && !isolated(&peak.position) && free(&peak.position)
        });
        trace::thin_out(candidates.collect(), self.distance)
    }

    fn residual_volume(&self, images: &[Vec<f32>], watch: &mut Watch<'_, '_>) -> Result<Volume> {
        let options = TomographyOptions {
            iterations: Some(ITERATIONS),
            accelerated: true,
            shape: self.options.tomography.shape,
            voxel_size: self.options.tomography.voxel_size,
            memory_limit: self.options.tomography.memory_limit,
            ..super::FindOptions::linear_volume()
        };
        let before = watch.progress;
        let volume = self.solver.of_pixels(images, options)?.solve(None, watch)?.volume;
        watch.progress = before;
        self.cancel.check("reconstructing the residual volume")?;
        let sigma = self.smoothing_voxels();
        watch.wait(|waiting| prepare::gaussian_smooth(self.context, &volume, sigma, waiting))
    }

    /// Height in the smoothed residual volume of an atom of the reference height that the model lacks.
    fn height_of_one(&self, fitted: &Fitted, reference: f64, x: &[f64], watch: &mut Watch<'_, '_>) -> Result<f64> {
        let (recon, positions) = (&fitted.recon, &fitted.orbitals.positions);
        let layout = recon.layout();
        let samples = spread(positions, 4.0 * self.distance);
        let mut alone = x.to_vec();
        let heights = layout.offset("heights").ok_or_else(|| Error::Internal("heights are frozen".into()))?;
        alone[heights..heights + positions.len()].fill(0.0);
        samples.iter().for_each(|i| alone[heights + i] = reference);
        if let Some(background) = layout.offset("background") {
            alone[background..background + layout.block("background")?.len()].fill(0.0);
        }
        let pixels = self.version.rows() * self.version.columns();
        let calculated = recon.predict(&alone, None)?;
        let mut images = vec![Vec::new(); self.version.images().len()];
        for (of_image, image) in calculated.chunks_exact(pixels).zip(recon.used_images()) {
            images[image] = of_image.iter().map(|v| *v as f32).collect();
        }
        let smoothed = self.residual_volume(&images, watch)?;
        let values: Vec<f64> = samples.iter().filter_map(|i| highest_near(&smoothed, &positions[*i])).collect();
        Ok(if values.is_empty() { f64::INFINITY } else { median(&values) })
    }
}

/// Some atoms that are `distance` apart, in their order.
fn spread(positions: &[Vec3], distance: f64) -> Vec<usize> {
    let apart = |a: &Vec3, b: &Vec3| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>() >= distance * distance;
    let mut chosen: Vec<usize> = Vec::new();
    for (i, p) in positions.iter().enumerate() {
        if chosen.len() < SAMPLES && chosen.iter().all(|j| apart(&positions[*j], p)) {
            chosen.push(i);
        }
    }
    chosen
}

/// The highest value of the voxels around a position; `None` where they are not above 0, as outside.
fn highest_near(volume: &Volume, position: &Vec3) -> Option<f64> {
    let step = |k: usize| k as f64 - 1.0;
    let around = (0..27).map(|k| [step(k % 3), step(k / 3 % 3), step(k / 9)]);
    let places = around.map(|d| std::array::from_fn(|a| position[a] + d[a] * volume.voxel_size()));
    places.map(|place| value_near(volume, &place)).reduce(f64::max).filter(|v| *v > 0.0)
}
