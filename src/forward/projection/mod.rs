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
//! larger ones would leave pixels between them empty and are refused. The volume may be larger than the images (films)
//! or smaller.
//!
//! Views whose tilt axis lies along x or y of volume and image share their weights between all slices across that axis
//! and go many times faster ([`slices`](self)): every view takes the course its rotation allows. Sums have a fixed
//! order: results do not depend on the number of threads.

mod norms;
mod slices;
mod slopes;

pub use slopes::ViewSlopes;

use crate::context::{BufferPool, CancelToken, Context};
use crate::error::{Error, Result};
use crate::geometry::{check_rotation, Mat3};
use crate::grid;
use crate::problem::Waiting;
use crate::simd::{gather_row, splat_row, FrameShape, SimdPath, VoxelRow};
use slices::SliceView;
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
pub struct Projector {
    geometry: ProjectionGeometry,
    views: Vec<View>,
    courses: Vec<Course>,
    /// Lines and partial images between calls.
    buffers: BufferPool<f32>,
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").field("geometry", &self.geometry).field("views", &self.views).finish()
    }
}

/// How a view is worked on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Course {
    /// Row by row of voxels.
    Rows,
    /// Many slices at a time.
    Slices(SliceView),
}

/// How far an image may exceed voxels, beyond rounding.
const SIZE_TOLERANCE: f64 = 1e-9;

/// Largest edge of volumes and images: coordinates are computed in single precision.
const MAX_EDGE: usize = 1 << 14;

/// Fewer views than these are worked on one after the other, by all workers.
const FEW: usize = 8;

/// Parts of the volume that are projected at the same time then; a fixed number, since it fixes the order of sums.
const SLABS: usize = 8;

fn lock<'a, T>(cell: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
    cell.lock().unwrap_or_else(|p| p.into_inner())
}

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
        let courses =
            views.iter().map(|view| SliceView::of(&geometry, view).map_or(Course::Rows, Course::Slices)).collect();
        Ok(Self { geometry, views, courses, buffers: BufferPool::default() })
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

    /// The same volume and images seen from other views.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_views(&self, views: Vec<View>) -> Result<Self> {
        Self::new(self.geometry, views)
    }

    /// Bytes that a call for `views` views at once takes beside volume and frames.
    pub fn scratch_bytes(&self, views: usize) -> u64 {
        let lines = self.courses.iter().filter_map(|course| match course {
            Course::Slices(of) => Some(of.lines_len(&self.geometry)),
            Course::Rows => None,
        });
        let partial = if views < FEW { SLABS * self.frame().len() } else { 0 };
        4 * (lines.max().unwrap_or(0) * views).max(partial) as u64
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
        let all: Vec<usize> = (0..self.views.len()).collect();
        self.project(context, &all, volume, frames, waiting, finish)
    }

    /// A: the projections of `volume` onto some `views`, as frames one after the other; `finish` is then called with the
    /// place of every view in `views` and its frame, on the worker.
    pub fn project(
        &self,
        context: &Context,
        views: &[usize],
        volume: &[f32],
        frames: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let cells: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(self.frame().len()).map(Mutex::new).collect();
        let by_rows: Vec<usize> = (0..views.len()).filter(|i| self.courses[views[*i]] == Course::Rows).collect();
        let part = by_rows.len() as f64 / views.len().max(1) as f64;
        waiting
            .part(0.0, 1.0 - part, |waiting| self.project_slices(context, views, volume, &cells, waiting, finish))?;
        waiting.part(1.0 - part, 1.0, |waiting| {
            if by_rows.len() < FEW {
                return by_rows.iter().try_for_each(|&place| {
                    self.project_slabs(context, views[place], volume, &cells[place], waiting)?;
                    finish(place, &mut lock(&cells[place]));
                    Ok(())
                });
            }
            let cancel = waiting.cancel;
            let mut tell = |done: usize| waiting.at(done as f64 / by_rows.len() as f64, "projecting");
            context.for_each(by_rows.len(), &mut tell, &|i| {
                let place = by_rows[i];
                let mut frame = lock(&cells[place]);
                frame.fill(0.0);
                self.project_rows(context.simd(), views[place], 0..self.geometry.shape[0], volume, &mut frame, cancel)?;
                finish(place, &mut frame);
                Ok(())
            })
        })
    }

    /// One view by all workers: slabs of the volume, whose images are added in their order.
    fn project_slabs(
        &self,
        context: &Context,
        view: usize,
        volume: &[f32],
        frame: &Mutex<&mut [f32]>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let (nz, len, cancel) = (self.geometry.shape[0], self.frame().len(), waiting.cancel);
        let slabs = SLABS.min(nz);
        let mut partial = self.buffers.take(slabs * len);
        let cells: Vec<Mutex<&mut [f32]>> = partial.chunks_exact_mut(len).map(Mutex::new).collect();
        let mut tell = |done: usize| waiting.at(done as f64 / slabs as f64, "projecting");
        context.for_each(slabs, &mut tell, &|slab| {
            let planes = slab * nz / slabs..(slab + 1) * nz / slabs;
            self.project_rows(context.simd(), view, planes, volume, &mut lock(&cells[slab]), cancel)
        })?;
        drop(cells);
        let mut frame = lock(frame);
        frame.copy_from_slice(&partial[..len]);
        for slab in partial[len..].chunks_exact(len) {
            frame.iter_mut().zip(slab).for_each(|(sum, part)| *sum += part);
        }
        self.buffers.give(partial);
        Ok(())
    }

    /// Adds the projection of some planes of `volume` to `frame`. A cancelled call stops between planes.
    fn project_rows(
        &self,
        simd: SimdPath,
        view: usize,
        planes: std::ops::Range<usize>,
        volume: &[f32],
        frame: &mut [f32],
        cancel: &CancelToken<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.geometry.shape;
        for z in planes {
            cancel.check("projecting")?;
            for y in 0..ny {
                let row = self.voxel_row(&self.views[view], z, y);
                splat_row(simd, &row, &volume[(z * ny + y) * nx..][..nx], frame, self.frame());
            }
        }
        Ok(())
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
        let all: Vec<usize> = (0..self.views.len()).collect();
        self.back_project(context, &all, frames, volume, waiting, finish)
    }

    /// A* applied to the frames of some `views`, one after the other; `finish` is then called with every plane z and its
    /// voxels, on the worker.
    pub fn back_project(
        &self,
        context: &Context,
        views: &[usize],
        frames: &[f32],
        volume: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let [nz, ny, nx] = self.geometry.shape;
        let (cancel, len) = (waiting.cancel, self.frame().len());
        let lines = waiting.part(0.0, 0.1, |waiting| self.lines_of(context, views, frames, waiting))?;
        let cells: Vec<Mutex<&mut [f32]>> = volume.chunks_mut(slices::PLANES * ny * nx).map(Mutex::new).collect();
        let mut tell = |done: usize| waiting.at(0.1 + 0.9 * done as f64 / cells.len() as f64, "projecting back");
        context.for_each(cells.len(), &mut tell, &|item| {
            let mut planes = lock(&cells[item]);
            let first = item * slices::PLANES;
            planes.fill(0.0);
            for lines in &lines {
                cancel.check("projecting back")?;
                self.gather_lines(context.simd(), lines, first, &mut planes);
            }
            for (z, plane) in (first..nz).zip(planes.chunks_exact_mut(ny * nx)) {
                for (&view, frame) in views.iter().zip(frames.chunks_exact(len)) {
                    if self.courses[view] == Course::Rows {
                        cancel.check("projecting back")?;
                        self.gather_plane(context.simd(), view, z, frame, plane);
                    }
                }
                finish(z, plane);
            }
            Ok(())
        })?;
        lines.into_iter().for_each(|lines| self.buffers.give(lines.values));
        Ok(())
    }

    fn gather_plane(&self, simd: SimdPath, view: usize, z: usize, frame: &[f32], plane: &mut [f32]) {
        for (y, voxels) in plane.chunks_exact_mut(self.geometry.shape[2]).enumerate() {
            gather_row(simd, &self.voxel_row(&self.views[view], z, y), frame, self.frame(), voxels);
        }
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
        let angles = [
            [0.0, 0.0, 0.0],
            [13.0, -41.0, 71.0],
            [-170.0, 88.0, 5.0],
            [0.0, 30.0, 0.0],
            [0.0, 0.0, -37.0],
            [180.0, -60.0, 0.0],
            [180.0, 0.0, 48.0],
        ];
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

    /// The same views, all of them row by row.
    fn by_rows(projector: &Projector) -> Projector {
        let mut by_rows = projector.with_views(projector.views().to_vec()).unwrap();
        by_rows.courses.fill(Course::Rows);
        by_rows
    }

    fn close(a: &[f32], b: &[f32]) {
        let most = a.iter().fold(0f32, |most, v| most.max(v.abs()));
        let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5 * most, "{worst} of {most}");
    }

    #[test]
    fn slices_and_rows_agree() {
        for (shape, rows, columns) in [([17, 20, 23], 22, 31), ([9, 40, 37], 19, 16), ([5, 33, 64], 70, 90)] {
            let projector = Projector::new(ProjectionGeometry { shape, rows, columns, ..GEOMETRY }, views()).unwrap();
            let sliced = projector.courses.iter().filter(|course| **course != Course::Rows).count();
            assert_eq!(sliced, 5, "{:?}", projector.courses);
            let (plain, x) = (by_rows(&projector), noise(projector.voxels()));
            let frames = forward(&projector, 2, &x);
            close(&frames, &forward(&plain, 2, &x));
            close(&backward(&projector, 2, &frames), &backward(&plain, 2, &frames));
        }
    }

    #[test]
    fn some_views_are_those_of_all() {
        let projector = Projector::new(GEOMETRY, views()).unwrap();
        let (len, x, context) = (projector.frame().len(), noise(projector.voxels()), context(2));
        let all = forward(&projector, 2, &x);
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        let (mut frames, chosen) = (vec![f32::NAN; 3 * len], [5, 1, 3]);
        projector.project(&context, &chosen, &x, &mut frames, &mut waiting, &|_, _| {}).unwrap();
        for (frame, view) in frames.chunks_exact(len).zip(chosen) {
            close(frame, &all[view * len..][..len]);
        }
        let mut back = vec![f32::NAN; x.len()];
        projector.back_project(&context, &chosen, &frames, &mut back, &mut waiting, &|_, _| {}).unwrap();
        let mut others = vec![0.0; all.len()];
        frames.chunks_exact(len).zip(chosen).for_each(|(f, view)| others[view * len..][..len].copy_from_slice(f));
        close(&back, &backward(&projector, 2, &others));
    }

    /// Slopes against differences of a plain sum in double precision.
    #[test]
    fn slopes_are_those_of_a_plain_sum() {
        let g = GEOMETRY;
        let projector = Projector::new(g, views()).unwrap();
        let (x, y) = (noise(projector.voxels()), noise(projector.views().len() * projector.frame().len()));
        let plain = |view: &View, frame: &[f32]| -> f64 {
            let mut sum = 0.0;
            for (i, value) in x.iter().enumerate() {
                let [nz, ny, nx] = g.shape;
                let index = [i % nx, i / nx % ny, i / nx / ny];
                let p: [f64; 3] =
                    std::array::from_fn(|a| (index[a] as f64 - grid::origin([nx, ny, nz][a]) as f64) * g.voxel_size);
                let at = apply(&view.rotation, &p);
                let c = 1.0 + grid::origin(g.columns) as f64 + (at[0] + view.drift[0]) / g.pixel_size;
                let r = 1.0 + grid::origin(g.rows) as f64 + (at[1] + view.drift[1]) / g.pixel_size;
                if c < 0.0 || r < 0.0 || c >= (g.columns + 1) as f64 || r >= (g.rows + 1) as f64 {
                    continue;
                }
                let (ci, ri) = (c as usize, r as usize);
                let (fc, fr) = (c - ci as f64, r - ri as f64);
                let v = |dr: usize, dc: usize| f64::from(frame[(ri + dr) * (g.columns + 2) + ci + dc]);
                sum += f64::from(*value)
                    * ((1.0 - fr) * ((1.0 - fc) * v(0, 0) + fc * v(0, 1)) + fr * ((1.0 - fc) * v(1, 0) + fc * v(1, 1)));
            }
            sum
        };
        let context = context(2);
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        let chosen = [1, 2]; // in the others many voxels fall on centres of pixels, where slopes are one-sided
        let len = projector.frame().len();
        let frames = [&y[len..2 * len], &y[2 * len..3 * len]].concat();
        let slopes = projector.slopes(&context, &chosen, &x, &frames, &mut waiting).unwrap();
        for ((view, frame), slopes) in chosen.iter().zip(frames.chunks_exact(len)).zip(slopes) {
            let view = projector.views()[*view];
            let difference = |change: &dyn Fn(&mut View, f64)| {
                let (mut up, mut down) = (view, view);
                change(&mut up, 1e-6);
                change(&mut down, -1e-6);
                (plain(&up, frame) - plain(&down, frame)) / 2e-6
            };
            for axis in 0..2 {
                let wanted = difference(&|v, h| v.drift[axis] += h);
                assert!((slopes.drift[axis] - wanted).abs() < 2e-3 * wanted.abs().max(1.0), "{wanted} {slopes:?}");
                for k in 0..3 {
                    let wanted = difference(&|v, h| v.rotation[axis][k] += h);
                    let got = slopes.rotation[axis][k];
                    assert!((got - wanted).abs() < 2e-3 * wanted.abs().max(10.0), "{wanted} {got}");
                }
            }
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
