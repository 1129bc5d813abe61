//! Norms of the rays.

use super::{lock, Projector};
use crate::context::Context;
use crate::error::Result;
use crate::problem::Waiting;
use std::sync::Mutex;

impl Projector {
    /// The sum of squares of each row of A: what the algebraic reconstruction technique divides by. Frames of all views;
    /// made once, in plain code.
    pub fn row_norms(&self, context: &Context, waiting: &mut Waiting<'_>) -> Result<Vec<f32>> {
        let ([nz, ny, nx], shape) = (self.geometry.shape, self.frame());
        let mut frames = vec![0.0; self.views.len() * shape.len()];
        let cells: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(shape.len()).map(Mutex::new).collect();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / cells.len() as f64, "norms of the rays");
        context.for_each(cells.len(), &mut tell, &|view| {
            let mut frame = lock(&cells[view]);
            for line in 0..nz * ny {
                let (z, y) = (line / ny, line % ny);
                if y == 0 {
                    cancel.check("norms of the rays")?;
                }
                let row = self.voxel_row(&self.views[view], z, y);
                for i in 0..nx {
                    let at = |axis: usize| row.start[axis] + i as f32 * row.step[axis];
                    let (c, r) = (at(0), at(1));
                    let within = |v: f32, pixels: usize| (0.0..(pixels - 1) as f32).contains(&v);
                    if !(within(c, shape.columns) && within(r, shape.rows)) {
                        continue;
                    }
                    let (ci, ri) = (c as usize, r as usize);
                    for (dr, fr) in [(0, 1.0 - (r - ri as f32)), (1, r - ri as f32)] {
                        for (dc, fc) in [(0, 1.0 - (c - ci as f32)), (1, c - ci as f32)] {
                            frame[(ri + dr) * shape.columns + ci + dc] += (fr * fc).powi(2);
                        }
                    }
                }
            }
            Ok(())
        })?;
        drop(cells);
        Ok(frames)
    }
}
