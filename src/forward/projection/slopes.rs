//! How projections change with shifts and rotations of their views.

use super::{lock, Projector};
use crate::context::Context;
use crate::error::Result;
use crate::geometry::Mat3;
use crate::grid;
use crate::problem::Waiting;
use crate::simd::row_slopes;
use std::sync::Mutex;

/// Derivatives of a sum over the image of a view: <residual, A V>.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ViewSlopes {
    /// With respect to the shift (u, v), per unit of length.
    pub drift: [f64; 2],
    /// With respect to the first two rows of the rotation R; the third does not matter.
    pub rotation: [[f64; 3]; 2],
}

impl ViewSlopes {
    /// With respect to a parameter of the rotation whose derivative is `change`.
    pub fn along(&self, change: &Mat3) -> f64 {
        let rows = self.rotation.iter().zip(change);
        rows.map(|(slope, change)| slope.iter().zip(change).map(|(s, c)| s * c).sum::<f64>()).sum()
    }
}

impl Projector {
    /// Slopes of <frame, A V> for some `views` and their frames: with the residual images in the frames, the gradient of a
    /// loss. Bilinear weights have a kink where a voxel falls on the centre of a pixel: there, and there only, the slope is
    /// that of one side.
    pub fn slopes(
        &self,
        context: &Context,
        views: &[usize],
        volume: &[f32],
        frames: &[f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<ViewSlopes>> {
        let g = &self.geometry;
        let ([nz, ny, nx], len) = (g.shape, self.frame().len());
        let results: Vec<Mutex<ViewSlopes>> = views.iter().map(|_| Mutex::default()).collect();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / views.len() as f64, "slopes of views");
        context.for_each(views.len(), &mut tell, &|place| {
            let frame = &frames[place * len..][..len];
            let mut sum = ViewSlopes::default();
            for (line, voxels) in volume.chunks_exact(nx).enumerate() {
                let (z, y) = (line / ny, line % ny);
                if y == 0 {
                    cancel.check("slopes of views")?;
                }
                let row = self.voxel_row(&self.views[views[place]], z, y);
                let slopes = row_slopes(context.simd(), &row, voxels, frame, self.frame());
                let from_origin = |index: usize, n: usize| index as f64 - grid::origin(n) as f64;
                let (py, pz) = (from_origin(y, ny), from_origin(z, nz));
                for axis in 0..2 {
                    let (value, times_i) = (slopes[2 * axis], slopes[2 * axis + 1]);
                    sum.drift[axis] += value;
                    let [x, y, z] = &mut sum.rotation[axis];
                    *x += times_i - grid::origin(nx) as f64 * value;
                    *y += py * value;
                    *z += pz * value;
                }
            }
            let scale = g.voxel_size / g.pixel_size;
            sum.drift.iter_mut().for_each(|d| *d /= g.pixel_size);
            sum.rotation.iter_mut().flatten().for_each(|d| *d *= scale);
            *lock(&results[place]) = sum;
            Ok(())
        })?;
        Ok(results.iter().map(|sum| *lock(sum)).collect())
    }
}
