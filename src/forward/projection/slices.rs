//! Views whose tilt axis lies along an axis of volume and image: one geometry for all slices across it.
//!
//! With R x = ±x or R y = ±y, bilinear weights part into those along the slice, which depend on z and one axis of the
//! slice, and those across, which depend on the slice alone:
//!
//!   L(p, s) = sum over z, i of V(z, i, s) w(p - p(z, i)),    I(q, p) = sum over s of L(p, s) w(q - q(s)).
//!
//! The first sum is the work; its weights are computed once for [`SLICES`] slices, which are the lanes of the vectors.
//! Lines L are stored as [block of slices][view][pixel p][slice].

use super::{lock, Course, ProjectionGeometry, Projector, View};
use crate::context::Context;
use crate::error::Result;
use crate::grid;
use crate::problem::Waiting;
use crate::simd::{gather_line, splat_line, Line, SimdPath, SLICES};
use std::sync::Mutex;

/// Planes of the volume that are gathered together: lines are read once for all of them.
pub(super) const PLANES: usize = 4;

/// Views whose lines are made together: voxels are read once for all of them.
const VIEWS: usize = 8;

/// Largest departure of a rotation's elements from 0 and 1 that counts as none: 1e-3 pixel at the rim of the largest
/// volume, and less than rounding in all that fit into memory.
const ALIGNED: f64 = 1e-7;

type Lanes = [f32; SLICES];

/// Which axis runs across the slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Across {
    X,
    Y,
}

/// Where the voxels of slices fall, in pixels of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SliceView {
    across: Across,
    /// Of voxel 0 in plane 0, per voxel, and per plane.
    along: [f64; 3],
    /// Of slice 0, and per slice.
    slice: [f64; 2],
}

impl SliceView {
    /// The view, if its tilt axis lies along x or y.
    pub fn of(g: &ProjectionGeometry, view: &View) -> Option<Self> {
        let r = &view.rotation;
        let near = |value: f64, wanted: f64| (value.abs() - wanted).abs() < ALIGNED;
        let axis_stays = |axis: usize| (0..3).all(|k| near(r[axis][k], f64::from(u8::from(k == axis))));
        let scale = g.voxel_size / g.pixel_size;
        let [oz, oy, ox] = g.shape.map(|n| grid::origin(n) as f64);
        let centre = |axis: usize| {
            let pixels = [g.columns, g.rows][axis];
            1.0 + grid::origin(pixels) as f64 + view.drift[axis] / g.pixel_size
        };
        let along = |axis: usize, i: usize, origin: f64| {
            let (step, plane) = (scale * r[axis][i], scale * r[axis][2]);
            [centre(axis) - step * origin - plane * oz, step, plane]
        };
        let slice = |axis: usize, origin: f64| {
            let step = scale * r[axis][axis].signum();
            [centre(axis) - step * origin, step]
        };
        if axis_stays(1) {
            return Some(Self { across: Across::Y, along: along(0, 0, ox), slice: slice(1, oy) });
        }
        axis_stays(0).then(|| Self { across: Across::X, along: along(1, 1, oy), slice: slice(0, ox) })
    }

    fn line(&self, z: usize) -> Line {
        Line { start: (self.along[0] + z as f64 * self.along[2]) as f32, step: self.along[1] as f32 }
    }

    /// First pixel across and weight of the next for slice `s`, if both lie in a frame of `pixels`.
    fn place(&self, s: usize, pixels: usize) -> Option<(usize, f32)> {
        let at = (self.slice[0] + s as f64 * self.slice[1]) as f32;
        (0.0..(pixels - 1) as f32).contains(&at).then_some((at as usize, at - (at as usize) as f32))
    }

    /// Values of the lines of one view.
    pub fn lines_len(&self, g: &ProjectionGeometry) -> usize {
        let sizes = Sizes::of(g, self.across);
        sizes.blocks * sizes.pixels * SLICES
    }
}

/// Extents as a view with an axis across sees them.
#[derive(Clone, Copy)]
struct Sizes {
    across: Across,
    /// Slices.
    slices: usize,
    /// Blocks of them.
    blocks: usize,
    /// Voxels of a line.
    voxels: usize,
    /// Pixels of a line, margins included.
    pixels: usize,
    /// Pixels across, margins included.
    pixels_across: usize,
}

impl Sizes {
    fn of(g: &ProjectionGeometry, across: Across) -> Self {
        let [_, ny, nx] = g.shape;
        let (slices, voxels, pixels, pixels_across) = match across {
            Across::X => (nx, ny, g.rows + 2, g.columns + 2),
            Across::Y => (ny, nx, g.columns + 2, g.rows + 2),
        };
        Self { across, slices, blocks: slices.div_ceil(SLICES), voxels, pixels, pixels_across }
    }

    /// Place of pixel `p` of a line and pixel `q` across in a frame.
    fn in_frame(&self, p: usize, q: usize) -> usize {
        match self.across {
            Across::X => p * self.pixels_across + q,
            Across::Y => q * self.pixels + p,
        }
    }

    /// Slices of a block.
    fn slices_of(&self, block: usize) -> std::ops::Range<usize> {
        block * SLICES..((block + 1) * SLICES).min(self.slices)
    }

    /// Place of voxel `i` of slice `s` in a plane.
    fn in_plane(&self, i: usize, s: usize) -> usize {
        match self.across {
            Across::X => i * self.slices + s,
            Across::Y => s * self.voxels + i,
        }
    }

    /// The block's part of a plane, slices as lanes.
    fn load(&self, block: usize, plane: &[f32], tile: &mut [Lanes]) {
        for (k, s) in self.slices_of(block).enumerate() {
            (0..self.voxels).for_each(|i| tile[i][k] = plane[self.in_plane(i, s)]);
        }
    }

    /// Adds `tile` to the block's part of a plane.
    fn add(&self, block: usize, tile: &[Lanes], plane: &mut [f32]) {
        for (k, s) in self.slices_of(block).enumerate() {
            (0..self.voxels).for_each(|i| plane[self.in_plane(i, s)] += tile[i][k]);
        }
    }
}

/// Lines of the views with one axis across.
pub(super) struct Lines {
    sizes: Sizes,
    views: Vec<SliceView>,
    pub values: Vec<f32>,
}

impl Projector {
    /// Places in `views` of those with `across` across their slices.
    fn slice_views(&self, views: &[usize], across: Across) -> (Vec<usize>, Vec<SliceView>) {
        let of = |(place, view): (usize, &usize)| match self.courses[*view] {
            Course::Slices(view) if view.across == across => Some((place, view)),
            _ => None,
        };
        views.iter().enumerate().filter_map(of).unzip()
    }

    /// Projects onto those of `views` that go by slices.
    pub(super) fn project_slices(
        &self,
        context: &Context,
        views: &[usize],
        volume: &[f32],
        frames: &[Mutex<&mut [f32]>],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        for across in [Across::X, Across::Y] {
            let (places, of_views) = self.slice_views(views, across);
            if places.is_empty() {
                continue;
            }
            let sizes = Sizes::of(&self.geometry, across);
            let mut values = self.buffers.take(sizes.blocks * places.len() * sizes.pixels * SLICES);
            self.splat_lines(context, sizes, &of_views, volume, &mut values, waiting)?;
            let of_line = sizes.pixels * SLICES;
            context.for_each(places.len(), &mut |_| waiting.at(1.0, "projecting"), &|i| {
                let mut frame = lock(&frames[places[i]]);
                frame.fill(0.0);
                for block in 0..sizes.blocks {
                    let lines = &values[(block * places.len() + i) * of_line..][..of_line];
                    spread_across(sizes, &of_views[i], block, lines.as_chunks().0, &mut frame);
                }
                finish(places[i], &mut frame);
                Ok(())
            })?;
            self.buffers.give(values);
        }
        Ok(())
    }

    fn splat_lines(
        &self,
        context: &Context,
        sizes: Sizes,
        views: &[SliceView],
        volume: &[f32],
        values: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.geometry.shape;
        let cancel = waiting.cancel;
        let of_view = sizes.pixels * SLICES;
        let of_block = values.chunks_exact_mut(views.len() * of_view).enumerate();
        let items: Vec<(usize, usize, Mutex<&mut [f32]>)> = of_block
            .flat_map(|(block, lines)| {
                let parts = lines.chunks_mut(VIEWS * of_view).enumerate();
                parts.map(move |(part, lines)| (block, part * VIEWS, Mutex::new(lines)))
            })
            .collect();
        let mut tell = |done: usize| waiting.at(done as f64 / items.len() as f64, "projecting");
        context.for_each(items.len(), &mut tell, &|item| {
            let (block, first, lines) = &items[item];
            let mut lines = lock(lines);
            let mut tile = vec![[0.0; SLICES]; sizes.voxels];
            for (z, plane) in volume.chunks_exact(ny * nx).enumerate() {
                cancel.check("projecting")?;
                sizes.load(*block, plane, &mut tile);
                for (view, lines) in views[*first..].iter().zip(lines.chunks_exact_mut(of_view)) {
                    splat_line(context.simd(), view.line(z), &tile, lines.as_chunks_mut().0);
                }
            }
            Ok(())
        })
    }

    /// Lines of the frames of those of `views` that go by slices: the adjoint of spreading lines across frames.
    pub(super) fn lines_of(
        &self,
        context: &Context,
        views: &[usize],
        frames: &[f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<Lines>> {
        let mut all = Vec::new();
        for across in [Across::X, Across::Y] {
            let (places, views) = self.slice_views(views, across);
            if places.is_empty() {
                continue;
            }
            let sizes = Sizes::of(&self.geometry, across);
            let of_view = sizes.pixels * SLICES;
            let mut values = self.buffers.take(sizes.blocks * places.len() * of_view);
            let cells: Vec<Mutex<&mut [f32]>> = values.chunks_exact_mut(of_view).map(Mutex::new).collect();
            context.for_each(cells.len(), &mut |_| waiting.at(0.0, "projecting back"), &|item| {
                let (block, i) = (item / places.len(), item % places.len());
                let frame = &frames[places[i] * self.frame().len()..][..self.frame().len()];
                collect_across(sizes, &views[i], block, frame, lock(&cells[item]).as_chunks_mut().0);
                Ok(())
            })?;
            drop(cells);
            all.push(Lines { sizes, views, values });
        }
        Ok(all)
    }

    /// Adds what the lines give to [`PLANES`] planes of the volume, the first of which is `first`.
    pub(super) fn gather_lines(&self, simd: SimdPath, lines: &Lines, first: usize, planes: &mut [f32]) {
        let [_, ny, nx] = self.geometry.shape;
        let sizes = lines.sizes;
        let of_view = sizes.pixels * SLICES;
        let mut tiles = vec![vec![[0.0; SLICES]; sizes.voxels]; planes.len() / (ny * nx)];
        for (block, lines_of) in lines.values.chunks_exact(lines.views.len() * of_view).enumerate() {
            tiles.iter_mut().for_each(|tile| tile.fill([0.0; SLICES]));
            for (view, lines) in lines.views.iter().zip(lines_of.chunks_exact(of_view)) {
                for (k, tile) in tiles.iter_mut().enumerate() {
                    gather_line(simd, view.line(first + k), lines.as_chunks().0, tile);
                }
            }
            for (tile, plane) in tiles.iter().zip(planes.chunks_exact_mut(ny * nx)) {
                sizes.add(block, tile, plane);
            }
        }
    }
}

/// Adds the lines of a block to a frame.
fn spread_across(sizes: Sizes, view: &SliceView, block: usize, lines: &[Lanes], frame: &mut [f32]) {
    for (k, s) in sizes.slices_of(block).enumerate() {
        let Some((q, after)) = view.place(s, sizes.pixels_across) else { continue };
        for (p, pixel) in lines.iter().enumerate() {
            frame[sizes.in_frame(p, q)] += (1.0 - after) * pixel[k];
            frame[sizes.in_frame(p, q + 1)] += after * pixel[k];
        }
    }
}

/// Sets the lines of a block from a frame, by the same weights.
fn collect_across(sizes: Sizes, view: &SliceView, block: usize, frame: &[f32], lines: &mut [Lanes]) {
    for (k, s) in sizes.slices_of(block).enumerate() {
        let Some((q, after)) = view.place(s, sizes.pixels_across) else { continue };
        for (p, pixel) in lines.iter_mut().enumerate() {
            pixel[k] = (1.0 - after) * frame[sizes.in_frame(p, q)] + after * frame[sizes.in_frame(p, q + 1)];
        }
    }
}
