//! Direct model: p = delta, so that an image is the sum of its orbitals, I_j = s_j sum_i D_i + b_j.
//! The drift (u, v) moves the orbitals themselves, as in formula (2).

use super::placement::{Canvas, DepthAxis, DepthBins, GeometryChange};
use super::probes::ProbeTables;
use super::{LocalOrbital, Workspace};
use crate::error::Result;
use crate::grid;
use crate::problem::{ForwardModel, Point};
use crate::simd::{self, Real};

/// One slice that holds everything.
const NO_DEPTH: DepthAxis =
    DepthAxis::Slices(DepthBins { first_centre: 0.0, thickness: 1.0, slices: 1, linear: false });

impl<T: Real> LocalOrbital<T> {
    fn direct_canvas(&self, parameters: &[f64]) -> Canvas {
        let (rows, columns) = (self.series.rows, self.series.columns);
        let origin = (grid::origin(rows) as f64, grid::origin(columns) as f64);
        Canvas::new(rows, columns, origin, self.largest_half_width(parameters), self.series.pixel_size)
    }

    fn place_direct(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        image: usize,
        canvas: &Canvas,
        workspace: &mut Workspace<T>,
    ) {
        let rotation = self.rotation(at.parameters, tilt);
        let [u, v] = self.blocks.drift_of(at.parameters, image);
        self.place(at.parameters, &rotation, [u, v, 0.0], canvas, &NO_DEPTH, &mut workspace.placement);
    }

    pub(super) fn predict_direct(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.direct_canvas(at.parameters);
        for (image, out) in images.iter().zip(out.chunks_exact_mut(self.pixels())) {
            at.cancel.check("an evaluation")?;
            self.place_direct(at, tilt, *image, &canvas, workspace);
            workspace.image.clear();
            workspace.image.resize(canvas.len(), T::zero());
            simd::splat(self.simd, &workspace.placement.stamps, &mut workspace.image, None, canvas.pitch);
            canvas.copy_out(&workspace.image, out);
        }
        Ok(())
    }

    pub(super) fn push_forward_direct(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        direction: &[f64],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.direct_canvas(at.parameters);
        let rotation = self.rotation(at.parameters, tilt);
        let rotation_change = self.rotation_change(at.parameters, direction, tilt);
        for (image, out) in images.iter().zip(out.chunks_exact_mut(self.pixels())) {
            at.cancel.check("an evaluation")?;
            self.place_direct(at, tilt, *image, &canvas, workspace);
            let [u, v] = self.blocks.drift_of(direction, *image);
            let change = GeometryChange {
                direction,
                rotation: &rotation,
                rotation_change: &rotation_change,
                shift: [u, v, 0.0],
            };
            let Workspace { placement, image: padded, .. } = &mut *workspace;
            placement.set_weights(self, at.parameters, 1.0, &change);
            padded.clear();
            padded.resize(canvas.len(), T::zero());
            simd::splat_weighted(self.simd, &placement.stamps, &placement.sums, padded, None, canvas.pitch);
            canvas.copy_out(padded, out);
        }
        Ok(())
    }

    pub(super) fn pull_back_direct(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        residual: &[T],
        gradient: &mut [f64],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.direct_canvas(at.parameters);
        let rotation = self.rotation(at.parameters, tilt);
        for (image, residual) in images.iter().zip(residual.chunks_exact(self.pixels())) {
            at.cancel.check("an evaluation")?;
            self.place_direct(at, tilt, *image, &canvas, workspace);
            workspace.image.clear();
            workspace.image.resize(canvas.len(), T::zero());
            for (row, residual) in residual.chunks_exact(canvas.columns).enumerate() {
                workspace.image[canvas.at(row)..][..canvas.columns].copy_from_slice(residual);
            }
            let placement = &mut workspace.placement;
            simd::gather(self.simd, &placement.stamps, &workspace.image, None, canvas.pitch, &mut placement.sums);
            let geometry = placement.add_to_gradient(self, at.parameters, &rotation, 1.0, gradient);
            geometry.add_angles(self, at.parameters, tilt, gradient);
            let drift = self.blocks.drift.start + 2 * image;
            gradient[drift] += geometry.shift[0];
            gradient[drift + 1] += geometry.shift[1];
        }
        Ok(())
    }
}
