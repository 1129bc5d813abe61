//! Straight-line projections of a volume, and their exact adjoint.
//!
//! Each voxel centre p goes to p' = R p + (u, v, 0); its value is shared among the four pixels around
//! column = nx // 2 + x' / pixel_size, row = ny // 2 + y' / pixel_size, by bilinear weights:
//!
//!   I(r, c) = sum over voxels V(p) w(r - row(p)) w(c - column(p)),    w(t) = max(0, 1 - |t|).
//!
//! The weights of a voxel sum to 1, so the sum of an image is the sum of the volume, as far as it lies within the image:
//! the unit of the volume is the image's, per voxel, whatever the voxel size. The adjoint gathers with the same weights.
//! Nothing is stored per voxel and view: coordinates advance along rows of voxels. Voxels may be smaller than pixels;
//! larger ones would leave pixels between them empty and are refused.
//!
//! A view is worked on by one thread, a plane of the volume gathers from all views in their order: results do not depend
//! on the number of threads.

use crate::context::{CancelToken, Context};
use crate::error::{Error, Result};
use crate::geometry::{check_rotation, Mat3};
use crate::grid;
use crate::problem::Waiting;
use crate::simd::{gather_row, splat_row, FrameShape, SimdPath, VoxelRow};
use std::sync::Mutex;

/// From which side a volume is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// p' = R p.
    pub rotation: Mat3,
    /// Shift of the image (u along x', v along y'), in the length unit.
    pub drift: [f64; 2],
}

/// Sizes of a volume and of the images it is projected onto.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectionGeometry {
    /// Voxels along z, y and x.
    pub shape: [usize; 3],
    /// Edge of a voxel, in the length unit; at most a pixel.
    pub voxel_size: f64,
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// Edge of a pixel, in the length unit.
    pub pixel_size: f64,
}

/// Projects volumes `[z, y, x]` onto views and back. Images are frames: `[rows + 2, columns + 2]` with a margin of one
/// pixel on all sides, whose values stand for what falls beside the image.
#[derive(Debug, Clone)]
pub struct Projector {
    geometry: ProjectionGeometry,
    views: Vec<View>,
}

/// How far an image may exceed voxels, beyond rounding.
const SIZE_TOLERANCE: f64 = 1e-9;

/// Largest edge of volumes and images: coordinates are computed in single precision.
const MAX_EDGE: usize = 1 << 14;

impl Projector {
    /// A projector for `views`.
    ///
    /// # Errors
    /// `Empty` without views, voxels or pixels; `Range` for sizes that are no positive numbers, voxels larger than
    /// pixels, edges above 16384, and drifts that are no numbers; `Inconsistent` for an improper rotation.
    pub fn new(geometry: ProjectionGeometry, views: Vec<View>) -> Result<Self> {
        let edges = geometry.shape.into_iter().chain([geometry.rows, geometry.columns]);
        for (edge, name) in
            edges.zip(["volume, along z", "volume, along y", "volume, along x", "images, rows", "images, columns"])
        {
            if !(1..=MAX_EDGE).contains(&edge) {
                return Err(Error::range(format!("size of {name}"), edge, format!("1 to {MAX_EDGE}")));
            }
        }
        for (name, size) in [("voxel_size", geometry.voxel_size), ("pixel_size", geometry.pixel_size)] {
            if !(size.is_finite() && size > 0.0) {
                return Err(Error::range(name, size, "a positive number (angstrom, or pixels)"));
            }
        }
        if geometry.voxel_size > geometry.pixel_size * (1.0 + SIZE_TOLERANCE) {
            let wanted = format!("at most the pixel size, {}", geometry.pixel_size);
            return Err(Error::range("voxel_size", geometry.voxel_size, wanted));
        }
        if views.is_empty() {
            let why = "at least one view is needed";
            return Err(Error::Empty { what: "views".into(), why: why.into() });
        }
        for (i, view) in views.iter().enumerate() {
            check_rotation(&format!("rotation of view {i}"), &view.rotation)?;
            if let Some(value) = view.drift.iter().find(|v| !v.is_finite()) {
                return Err(Error::NonFinite { what: "drift".into(), value: *value, at: format!("view {i}") });
            }
        }
        Ok(Self { geometry, views })
    }

    /// Sizes of volume and images.
    pub fn geometry(&self) -> &ProjectionGeometry {
        &self.geometry
    }

    /// The views.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Number of voxels.
    pub fn voxels(&self) -> usize {
        self.geometry.shape.iter().product()
    }

    /// Rows and columns of a frame.
    pub fn frame(&self) -> FrameShape {
        FrameShape::around(self.geometry.rows, self.geometry.columns)
    }

    /// A I: adds the projection of `volume` to `frame`. A cancelled call stops between planes.
    pub fn project(
        &self,
        simd: SimdPath,
        view: usize,
        volume: &[f32],
        frame: &mut [f32],
        cancel: &CancelToken<'_>,
    ) -> Result<()> {
        let [nz, ny, nx] = self.geometry.shape;
        for z in 0..nz {
            cancel.check("projecting")?;
            for y in 0..ny {
                let row = self.voxel_row(&self.views[view], z, y);
                splat_row(simd, &row, &volume[(z * ny + y) * nx..][..nx], frame, self.frame());
            }
        }
        Ok(())
    }

    /// Sets the plane `z` of A* applied to `frames`, one after the other for all views.
    pub fn back_project_plane(
        &self,
        simd: SimdPath,
        z: usize,
        frames: &[f32],
        plane: &mut [f32],
        cancel: &CancelToken<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.geometry.shape;
        plane.fill(0.0);
        for (view, frame) in self.views.iter().zip(frames.chunks_exact(self.frame().len())) {
            cancel.check("projecting back")?;
            for y in 0..ny {
                gather_row(simd, &self.voxel_row(view, z, y), frame, self.frame(), &mut plane[y * nx..][..nx]);
            }
        }
        Ok(())
    }

    /// The projections of `volume` onto all views, as frames one after the other; `finish` is then called with every
    /// view and its frame, on the worker.
    pub fn project_all(
        &self,
        context: &Context,
        volume: &[f32],
        frames: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let cancel = waiting.cancel;
        let items: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(self.frame().len()).map(Mutex::new).collect();
        let count = items.len();
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "projecting");
        context.for_each(count, &mut tell, &|view| {
            let mut frame = items[view].lock().unwrap_or_else(|p| p.into_inner());
            frame.fill(0.0);
            self.project(context.simd(), view, volume, &mut frame, cancel)?;
            finish(view, &mut frame);
            Ok(())
        })
    }

    /// A* applied to the frames of all views; `finish` is then called with every plane z and its voxels, on the worker.
    pub fn back_project_all(
        &self,
        context: &Context,
        frames: &[f32],
        volume: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let [_, ny, nx] = self.geometry.shape;
        let cancel = waiting.cancel;
        let items: Vec<Mutex<&mut [f32]>> = volume.chunks_exact_mut(ny * nx).map(Mutex::new).collect();
        let count = items.len();
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "projecting back");
        context.for_each(count, &mut tell, &|z| {
            let mut plane = items[z].lock().unwrap_or_else(|p| p.into_inner());
            self.back_project_plane(context.simd(), z, frames, &mut plane, cancel)?;
            finish(z, &mut plane);
            Ok(())
        })
    }

    /// Where the voxels of row (z, y) fall in the frame of a view; computed in double, kept in single precision.
    fn voxel_row(&self, view: &View, z: usize, y: usize) -> VoxelRow {
        let g = &self.geometry;
        let scale = g.voxel_size / g.pixel_size;
        let from_origin = |index: usize, n: usize| index as f64 - grid::origin(n) as f64;
        let p = [from_origin(0, g.shape[2]), from_origin(y, g.shape[1]), from_origin(z, g.shape[0])];
        let start = |axis: usize, pixels: usize| {
            let r = &view.rotation[axis];
            let turned = r[0] * p[0] + r[1] * p[1] + r[2] * p[2];
            (1.0 + grid::origin(pixels) as f64 + scale * turned + view.drift[axis] / g.pixel_size) as f32
        };
        VoxelRow {
            start: [start(0, g.columns), start(1, g.rows)],
            step: [(scale * view.rotation[0][0]) as f32, (scale * view.rotation[1][0]) as f32],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::context::ContextOptions;
    use crate::geometry::{apply, rotation_about, AngleOrder};

    const GEOMETRY: ProjectionGeometry =
        ProjectionGeometry { shape: [17, 20, 23], voxel_size: 0.4, rows: 22, columns: 31, pixel_size: 0.5 };

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
    }

    fn views() -> Vec<View> {
        let angles = [[0.0, 0.0, 0.0], [13.0, -41.0, 71.0], [-170.0, 88.0, 5.0], [0.0, 30.0, 0.0]];
        let view = |(i, a): (usize, &[f64; 3])| View {
            rotation: AngleOrder::Zyx.rotation(a),
            drift: [0.3 * i as f64, -0.17 * i as f64],
        };
        angles.iter().enumerate().map(view).collect()
    }

    fn noise(n: usize) -> Vec<f32> {
        let value = |i: usize| ((i as f64 * 12.9898 + 4.1414).sin() * 43758.5453).fract() as f32;
        (0..n).map(value).collect()
    }

    fn forward(projector: &Projector, threads: usize, volume: &[f32]) -> Vec<f32> {
        let context = context(threads);
        let mut frames = vec![f32::NAN; projector.views().len() * projector.frame().len()];
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        projector.project_all(&context, volume, &mut frames, &mut waiting, &|_, _| {}).unwrap();
        frames
    }

    fn backward(projector: &Projector, threads: usize, frames: &[f32]) -> Vec<f32> {
        let context = context(threads);
        let mut volume = vec![f32::NAN; projector.voxels()];
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        projector.back_project_all(&context, frames, &mut volume, &mut waiting, &|_, _| {}).unwrap();
        volume
    }

    #[test]
    fn gathering_is_the_adjoint_of_splatting() {
        for voxel_size in [0.2, 0.4, 0.5] {
            let projector = Projector::new(ProjectionGeometry { voxel_size, ..GEOMETRY }, views()).unwrap();
            let x = noise(projector.voxels());
            let y = noise(projector.views().len() * projector.frame().len());
            let (ax, aty) = (forward(&projector, 2, &x), backward(&projector, 2, &y));
            let double = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
            let report = check::adjoint(&double(&x), &double(&aty), &double(&ax), &double(&y));
            assert!(report.error < 1e-5, "{report:?}");
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let projector = Projector::new(GEOMETRY, views()).unwrap();
        let x = noise(projector.voxels());
        let frames = forward(&projector, 1, &x);
        let back = backward(&projector, 1, &frames);
        for threads in [2, 3] {
            assert_eq!(frames, forward(&projector, threads, &x));
            assert_eq!(back, backward(&projector, threads, &frames));
        }
    }

    #[test]
    fn the_sum_of_the_volume_is_the_sum_of_every_image() {
        let geometry = ProjectionGeometry { rows: 60, columns: 60, ..GEOMETRY };
        let projector = Projector::new(geometry, views()).unwrap();
        let x = noise(projector.voxels());
        let total: f64 = x.iter().map(|v| f64::from(*v)).sum();
        for frame in forward(&projector, 2, &x).chunks_exact(projector.frame().len()) {
            let sum: f64 = frame.iter().map(|v| f64::from(*v)).sum();
            assert!((sum - total).abs() < 1e-3 * total.abs().max(1.0), "{sum} {total}");
        }
    }

    #[test]
    fn a_single_voxel_lands_where_the_geometry_says() {
        for (view, of) in views().iter().enumerate() {
            let projector = Projector::new(GEOMETRY, views()).unwrap();
            let (z, y, x) = (5, 13, 4);
            let mut volume = vec![0.0; projector.voxels()];
            volume[(z * 20 + y) * 23 + x] = 3.0;
            let p = [x as f64 - 11.0, y as f64 - 10.0, z as f64 - 8.0].map(|v| 0.4 * v);
            let at = apply(&of.rotation, &p);
            let (column, row) = (15.0 + (at[0] + of.drift[0]) / 0.5, 11.0 + (at[1] + of.drift[1]) / 0.5);
            let frames = forward(&projector, 1, &volume);
            let frame = &frames[view * projector.frame().len()..][..projector.frame().len()];
            let moment = |f: &dyn Fn(usize, usize) -> f64| -> f64 {
                let value = |i: usize| f64::from(frame[i]) * f(i / 33, i % 33);
                (0..frame.len()).map(value).sum::<f64>()
            };
            assert!((moment(&|_, _| 1.0) - 3.0).abs() < 1e-5);
            assert!((moment(&|_, c| c as f64 - 1.0) / 3.0 - column).abs() < 1e-4);
            assert!((moment(&|r, _| r as f64 - 1.0) / 3.0 - row).abs() < 1e-4);
        }
    }

    #[test]
    fn bad_geometry_is_refused() {
        let code = |geometry, views| Projector::new(geometry, views).unwrap_err().code();
        assert_eq!(code(GEOMETRY, vec![]), 301);
        assert_eq!(code(ProjectionGeometry { voxel_size: 0.51, ..GEOMETRY }, views()), 103);
        assert_eq!(code(ProjectionGeometry { pixel_size: f64::NAN, ..GEOMETRY }, views()), 103);
        assert_eq!(code(ProjectionGeometry { shape: [0, 3, 3], ..GEOMETRY }, views()), 103);
        assert_eq!(code(ProjectionGeometry { rows: 1 << 20, ..GEOMETRY }, views()), 103);
        let mirror = View { rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]], drift: [0.0; 2] };
        assert_eq!(code(GEOMETRY, vec![mirror]), 302);
        let drifted = View { rotation: rotation_about(0, 3.0), drift: [0.0, f64::INFINITY] };
        assert_eq!(code(GEOMETRY, vec![drifted]), 300);
    }
}
