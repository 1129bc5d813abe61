//! The plain twin of the fast model: every orbital summed over the whole image and every convolution as a direct
//! sum, in double precision. Slow; the fast paths are compared with it for every option.

use super::{Blocks, Interaction, Orbital, SeriesGeometry, Slicing};
use crate::error::Result;
use crate::geometry;
use crate::grid;
use ndarray::Array2;

/// Everything the twin needs.
pub struct Reference<'a> {
    /// The series without pixels.
    pub series: &'a SeriesGeometry,
    /// Places of the blocks.
    pub blocks: &'a Blocks,
    /// Groups of heights.
    pub height_groups: &'a [u32],
    /// Groups of widths.
    pub width_groups: &'a [u32],
    /// Shape of the orbitals.
    pub orbital: &'a Orbital,
    /// Direct or rigid.
    pub interaction: &'a Interaction,
    /// Slices (1 for direct).
    pub slices: usize,
}

impl Reference<'_> {
    /// Image `image` by formulas (1)-(4): I = s sum_k p_k (x) O_k + b. The probes are those of the image plane
    /// itself, so drift must be 0 and the specimen must stay away from the border by more than a probe's width.
    pub fn image(&self, parameters: &[f64], image: usize) -> Result<Array2<f64>> {
        let geometry = &self.series.images[image];
        let mut sum = Array2::zeros((self.series.rows, self.series.columns));
        match self.interaction {
            Interaction::Direct => sum += &self.slice(parameters, image, |_| 1.0),
            Interaction::Rigid { probe, slice_thickness, slicing, .. } => {
                for k in 0..self.slices {
                    let centre = (k as f64 - 0.5 * (self.slices - 1) as f64) * slice_thickness;
                    let weight = |depth: f64| {
                        let distance = ((depth - centre) / slice_thickness).abs();
                        match slicing {
                            Slicing::Linear => (1.0 - distance).max(0.0),
                            Slicing::Hard => f64::from(distance <= 0.5),
                        }
                    };
                    let defocus = geometry.defocus + parameters[self.blocks.defocus.start + geometry.section];
                    let p = probe.intensity(sum.dim(), self.series.pixel_size, centre - defocus)?;
                    sum += &convolve(&self.slice(parameters, image, weight), &p);
                }
            }
        }
        Ok(sum * parameters[self.blocks.scale.start + image] + parameters[self.blocks.background.start + image])
    }

    /// O_k, formulas (1) and (2), with the weight of the slice at each atom's depth.
    fn slice(&self, parameters: &[f64], image: usize, weight: impl Fn(f64) -> f64) -> Array2<f64> {
        let (rows, columns, pixel) = (self.series.rows, self.series.columns, self.series.pixel_size);
        let tilt = self.series.images[image].tilt;
        let rotation = self.series.angle_order.rotation(&self.blocks.angles_of(parameters, tilt));
        let [u, v] = self.blocks.drift_of(parameters, image);
        let mut slice = Array2::zeros((rows, columns));
        for atom in 0..self.height_groups.len() {
            let p = geometry::apply(&rotation, &self.blocks.position_of(parameters, atom));
            let height = parameters[self.blocks.heights.start + self.height_groups[atom] as usize]
                * weight(p[2] + parameters[self.blocks.depth_offset.start + tilt]);
            let width = parameters[self.blocks.widths.start + self.width_groups[atom] as usize];
            for ((r, c), value) in slice.indexed_iter_mut() {
                let x = (c as f64 - grid::origin(columns) as f64) * pixel - p[0] - u;
                let y = (r as f64 - grid::origin(rows) as f64) * pixel - p[1] - v;
                *value += height * self.orbital.at(x.hypot(y), width)[0];
            }
        }
        slice
    }
}

/// Direct convolution with a kernel whose origin lies on pixel n//2; what falls outside is dropped.
fn convolve(image: &Array2<f64>, kernel: &Array2<f64>) -> Array2<f64> {
    let (rows, columns) = image.dim();
    let (r0, c0) = (grid::origin(rows) as i64, grid::origin(columns) as i64);
    Array2::from_shape_fn(image.dim(), |(r, c)| {
        let mut sum = 0.0;
        for ((kr, kc), p) in kernel.indexed_iter() {
            let (y, x) = (r as i64 - (kr as i64 - r0), c as i64 - (kc as i64 - c0));
            if (0..rows as i64).contains(&y) && (0..columns as i64).contains(&x) {
                sum += p * image[[y as usize, x as usize]];
            }
        }
        sum
    })
}
