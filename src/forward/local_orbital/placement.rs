//! From atoms to stamps on a padded image, and the chain rule back from window sums to parameters.

use super::orbital::OrbitalTerm;
use super::LocalOrbital;
use crate::geometry::{self, Mat3, Vec3};
use crate::simd::{OrbitalStamp, OrbitalSums, Real};
use std::ops::Range;

/// Rows of a strip: stamps are sorted by strips so that their rows stay in the first cache level.
const STRIP: usize = 4;

/// Columns of a tile: where many images are filled at once, strips are sorted by tiles too.
const TILE: usize = 32;

/// A padded image: the image proper starts at (margin, margin); windows of atoms that touch it always fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub rows: usize,
    pub columns: usize,
    /// Pixel (row, column) of the specimen origin in the image proper.
    pub origin: (f64, f64),
    pub margin: usize,
    pub pitch: usize,
    pub pixel_size: f64,
}

impl Canvas {
    /// A canvas for windows of at most `half_width` pixels.
    pub fn new(rows: usize, columns: usize, origin: (f64, f64), half_width: usize, pixel_size: f64) -> Self {
        let lanes = (2 * half_width + 1).next_power_of_two().max(16);
        let margin = 2 * half_width + 1;
        Self { rows, columns, origin, margin, pitch: columns + margin + lanes, pixel_size }
    }

    pub fn len(&self) -> usize {
        (self.rows + 2 * self.margin) * self.pitch
    }

    /// Index of pixel (row, 0) of the image proper.
    pub fn at(&self, row: usize) -> usize {
        (row + self.margin) * self.pitch + self.margin
    }

    /// The image proper out of the padded one.
    pub fn copy_out<T: Copy>(&self, padded: &[T], image: &mut [T]) {
        for (row, out) in image.chunks_exact_mut(self.columns).enumerate() {
            out.copy_from_slice(&padded[self.at(row)..][..self.columns]);
        }
    }
}

/// Slices along the beam: bin k lies between the centres of slices k and k + 1 (linear) or belongs to slice k (hard).
#[derive(Debug, Clone, Copy)]
pub(super) struct DepthBins {
    pub first_centre: f64,
    pub thickness: f64,
    pub slices: usize,
    pub linear: bool,
}

impl DepthBins {
    /// Bin, weight of the upper slice, and whether the weight depends on depth there.
    pub fn of(&self, depth: f64) -> (usize, f64, bool) {
        let s = (depth - self.first_centre) / self.thickness;
        if !self.linear {
            return ((s + 0.5).floor().clamp(0.0, (self.slices - 1) as f64) as usize, 0.0, false);
        }
        let last = self.slices.max(2) - 2;
        let bin = s.floor().clamp(0.0, last as f64);
        let weight = (s - bin).clamp(0.0, 1.0);
        (bin as usize, weight, s >= 0.0 && s <= (last + 1) as f64)
    }
}

/// Depth as the place on a line of knots: one bin, and the fraction `second` of a stamp is that place.
#[derive(Debug, Clone, Copy)]
pub(super) struct DepthLine {
    pub first: f64,
    pub step: f64,
    pub knots: usize,
}

/// How depth enters the stamps.
#[derive(Debug, Clone, Copy)]
pub(super) enum DepthAxis {
    Slices(DepthBins),
    Templates(DepthLine),
}

impl DepthAxis {
    fn bins(&self) -> usize {
        match self {
            DepthAxis::Slices(bins) => bins.slices,
            DepthAxis::Templates(_) => 1,
        }
    }

    /// Tiles of a strip.
    fn tiles(&self, canvas: &Canvas) -> usize {
        match self {
            DepthAxis::Slices(_) => 1,
            DepthAxis::Templates(_) => canvas.pitch.div_ceil(TILE),
        }
    }

    /// Bin, the stamp's fraction in it, and whether that depends on depth there.
    fn of(&self, depth: f64) -> (usize, f64, bool) {
        match self {
            DepthAxis::Slices(bins) => bins.of(depth),
            DepthAxis::Templates(line) => {
                let (place, last) = ((depth - line.first) / line.step, (line.knots - 1) as f64);
                (0, place.clamp(0.0, last), (0.0..=last).contains(&place))
            }
        }
    }
}

/// Stamps of the atoms of one tilt, sorted by bin and strip.
pub(super) struct Placement<T> {
    pub stamps: Vec<OrbitalStamp<T>>,
    pub sums: Vec<OrbitalSums<T>>,
    /// Stamps of each bin.
    pub bins: Vec<Range<usize>>,
    /// Rows of the padded canvas touched by each bin's windows.
    pub rows: Vec<Range<usize>>,
    unsorted: Vec<(u32, OrbitalStamp<T>)>,
    counts: Vec<u32>,
    /// Atoms at whose place the slice weights do not change with depth.
    flat: Vec<bool>,
}

impl<T> Default for Placement<T> {
    fn default() -> Self {
        Self {
            stamps: Vec::new(),
            sums: Vec::new(),
            bins: Vec::new(),
            rows: Vec::new(),
            unsorted: Vec::new(),
            counts: Vec::new(),
            flat: Vec::new(),
        }
    }
}

impl<T: Real> Placement<T> {
    /// Bytes of an atom with so many terms.
    pub const fn bytes_per_atom(terms: usize) -> usize {
        terms * (2 * size_of::<OrbitalStamp<T>>() + size_of::<OrbitalSums<T>>() + 8) + 1
    }
}

/// Window half width in pixels of a Gaussian of width B.
pub(super) fn half_width(cutoff: f64, width: f64, pixel_size: f64) -> usize {
    (cutoff * width.max(0.0).sqrt() / pixel_size).ceil() as usize
}

impl<T: Real> LocalOrbital<T> {
    /// Largest window half width for the widths in `parameters`.
    pub(super) fn largest_half_width(&self, parameters: &[f64]) -> usize {
        let width = parameters[self.blocks.widths.clone()].iter().copied().fold(0.0, f64::max);
        half_width(self.cutoff, width * self.orbital.widest(), self.series.pixel_size).min(crate::simd::MAX_HALF_WIDTH)
    }

    /// Places all atoms, p' = rotation p + shift, on the canvas; atoms whose window misses it are left out.
    pub(super) fn place(
        &self,
        parameters: &[f64],
        rotation: &Mat3,
        shift: Vec3,
        canvas: &Canvas,
        depth: &DepthAxis,
        placement: &mut Placement<T>,
    ) {
        let (bins, tiles) = (depth.bins(), depth.tiles(canvas));
        let cells = (canvas.rows + 2 * canvas.margin).div_ceil(STRIP) * tiles;
        placement.unsorted.clear();
        placement.flat.clear();
        placement.flat.resize(self.height_groups.len(), true);
        placement.counts.clear();
        placement.counts.resize(bins * cells + 1, 0);
        placement.rows.clear();
        placement.rows.resize(bins, Range { start: usize::MAX, end: 0 });
        for atom in 0..self.height_groups.len() {
            let p = geometry::apply(rotation, &self.blocks.position_of(parameters, atom));
            let (bin, second, slope) = depth.of(p[2] + shift[2]);
            let place = (p[0] + shift[0], p[1] + shift[1]);
            placement.flat[atom] = !slope;
            for term in 0..self.orbital.terms().len() {
                let Some(stamp) = self.stamp(parameters, (atom, term), place, second, canvas) else { continue };
                let first_row = stamp.corner.0 as usize;
                let rows = &mut placement.rows[bin];
                *rows = rows.start.min(first_row)..rows.end.max(first_row + 2 * stamp.half_width as usize + 1);
                let tile = if tiles == 1 { 0 } else { stamp.corner.1 as usize / TILE };
                let key = bin * cells + first_row / STRIP * tiles + tile;
                placement.counts[key + 1] += 1;
                placement.unsorted.push((key as u32, stamp));
            }
        }
        placement.sort(bins, cells);
    }

    /// The stamp of one term of an atom at (x', y'), `None` if its window misses the canvas.
    fn stamp(
        &self,
        parameters: &[f64],
        (atom, term): (usize, usize),
        (x, y): (f64, f64),
        second: f64,
        canvas: &Canvas,
    ) -> Option<OrbitalStamp<T>> {
        let OrbitalTerm { weight, width: part } = self.orbital.terms()[term];
        let height = weight * parameters[self.blocks.heights.start + self.height_groups[atom] as usize];
        let width = part * parameters[self.blocks.widths.start + self.width_groups[atom] as usize];
        let h = half_width(self.cutoff, width, canvas.pixel_size).min(crate::simd::MAX_HALF_WIDTH) as f64;
        let (row, column) = (canvas.origin.0 + y / canvas.pixel_size, canvas.origin.1 + x / canvas.pixel_size);
        let (near_row, near_column) = (row.round(), column.round());
        let inside = |near: f64, n: usize| near >= -h && near < n as f64 + h;
        if !(inside(near_row, canvas.rows) && inside(near_column, canvas.columns)) {
            return None;
        }
        let margin = canvas.margin as f64;
        Some(OrbitalStamp {
            corner: ((near_row - h + margin) as u32, (near_column - h + margin) as u32),
            half_width: h as u16,
            term: term as u16,
            atom: atom as u32,
            centre: (T::of(column - near_column + h), T::of(row - near_row + h)),
            height: T::of(height),
            decay: T::of(canvas.pixel_size * canvas.pixel_size / width),
            second: T::of(second),
        })
    }
}

/// Derivatives with respect to one tilt's geometry, collected over its atoms.
#[derive(Default)]
pub(super) struct GeometryGradient {
    /// dL/dR
    pub rotation: Mat3,
    /// dL/d(u, v, w)
    pub shift: Vec3,
}

impl<T: Real> Placement<T> {
    fn sort(&mut self, bins: usize, cells: usize) {
        for i in 1..self.counts.len() {
            self.counts[i] += self.counts[i - 1];
        }
        self.bins.clear();
        self.bins.extend((0..bins).map(|b| self.counts[b * cells] as usize..self.counts[(b + 1) * cells] as usize));
        self.stamps.clear();
        self.stamps.resize(self.unsorted.len(), OrbitalStamp::default());
        for (key, stamp) in &self.unsorted {
            let place = &mut self.counts[*key as usize];
            self.stamps[*place as usize] = *stamp;
            *place += 1;
        }
        self.sums.clear();
        self.sums.resize(self.stamps.len(), OrbitalSums::default());
    }

    /// Chain rule from the sums at each stamp to positions, heights, widths and geometry. With
    /// g = w exp(-rho^2 c), c = px^2 / (s B): dg/dx = 2 c (k - x) g per pixel, dg/dB = rho^2 c / B g. `depth_unit` is the
    /// length in A in which a stamp's fraction counts depth.
    pub fn add_to_gradient(
        &self,
        model: &LocalOrbital<T>,
        parameters: &[f64],
        rotation: &Mat3,
        depth_unit: f64,
        gradient: &mut [f64],
    ) -> GeometryGradient {
        let mut geometry = GeometryGradient::default();
        let (blocks, pixel) = (&model.blocks, model.series.pixel_size);
        for (stamp, sums) in self.stamps.iter().zip(&self.sums) {
            let atom = stamp.atom as usize;
            let (height, decay) = (stamp.height.f64(), stamp.decay.f64());
            let width = blocks.widths.start + model.width_groups[atom] as usize;
            let weight = model.orbital.terms()[stamp.term as usize].weight;
            gradient[blocks.heights.start + model.height_groups[atom] as usize] += weight * sums.value.f64();
            gradient[width] += height * sums.radius2.f64() * decay / parameters[width];
            let in_plane = 2.0 * decay * height / pixel;
            let along = if self.flat[atom] { 0.0 } else { height * sums.depth.f64() / depth_unit };
            let g = [in_plane * sums.dx.f64(), in_plane * sums.dy.f64(), along];
            let p = blocks.position_of(parameters, atom);
            let at = blocks.positions.start + 3 * atom;
            for a in 0..3 {
                gradient[at + a] += rotation[0][a] * g[0] + rotation[1][a] * g[1] + rotation[2][a] * g[2];
                geometry.shift[a] += g[a];
                geometry.rotation[a].iter_mut().zip(&p).for_each(|(r, p)| *r += g[a] * p);
            }
        }
        geometry
    }
}

/// A direction of the parameters as one tilt sees it.
pub(super) struct GeometryChange<'a> {
    /// All values.
    pub direction: &'a [f64],
    /// R and its change, by [`LocalOrbital::rotation_change`].
    pub rotation: &'a Mat3,
    pub rotation_change: &'a Mat3,
    /// Change of (u, v, w) where it moves the orbitals themselves.
    pub shift: Vec3,
}

impl<T: Real> LocalOrbital<T> {
    /// dR of `tilt`: the sum over its angles of dR/dangle times their direction.
    pub(super) fn rotation_change(&self, parameters: &[f64], direction: &[f64], tilt: usize) -> Mat3 {
        let along = self.blocks.angles_of(direction, tilt);
        let derivatives = self.series.angle_order.rotation_gradient(&self.blocks.angles_of(parameters, tilt));
        let mut change = Mat3::default();
        for (derivative, along) in derivatives.iter().zip(along) {
            let values = change.iter_mut().flatten().zip(derivative.iter().flatten());
            values.for_each(|(c, d)| *c += along * d);
        }
        change
    }
}

impl<T: Real> Placement<T> {
    /// The exact adjoint of [`Self::add_to_gradient`]: weights of every stamp's window functions, for
    /// `simd::splat_weighted`, from a direction of the parameters. With p' = R p + shift: dp' = R dp + dR p + dshift.
    pub fn set_weights(
        &mut self,
        model: &LocalOrbital<T>,
        parameters: &[f64],
        depth_unit: f64,
        change: &GeometryChange<'_>,
    ) {
        let (blocks, pixel, direction) = (&model.blocks, model.series.pixel_size, change.direction);
        for (stamp, weights) in self.stamps.iter().zip(&mut self.sums) {
            let atom = stamp.atom as usize;
            let (height, decay) = (stamp.height.f64(), stamp.decay.f64());
            let width = blocks.widths.start + model.width_groups[atom] as usize;
            let weight = model.orbital.terms()[stamp.term as usize].weight;
            let moved = geometry::apply(change.rotation, &blocks.position_of(direction, atom));
            let turned = geometry::apply(change.rotation_change, &blocks.position_of(parameters, atom));
            let step: Vec3 = std::array::from_fn(|a| moved[a] + turned[a] + change.shift[a]);
            let in_plane = 2.0 * decay * height / pixel;
            let along = if self.flat[atom] { 0.0 } else { height / depth_unit };
            *weights = OrbitalSums {
                value: T::of(weight * direction[blocks.heights.start + model.height_groups[atom] as usize]),
                dx: T::of(in_plane * step[0]),
                dy: T::of(in_plane * step[1]),
                radius2: T::of(height * decay / parameters[width] * direction[width]),
                depth: T::of(along * step[2]),
            };
        }
    }
}

impl GeometryGradient {
    /// Adds the derivatives with respect to the three angles of `tilt` (<dL/dR, dR/dangle>).
    pub fn add_angles<T: Real>(&self, model: &LocalOrbital<T>, parameters: &[f64], tilt: usize, gradient: &mut [f64]) {
        let angles = model.blocks.angles_of(parameters, tilt);
        let derivatives = model.series.angle_order.rotation_gradient(&angles);
        for (a, derivative) in derivatives.iter().enumerate() {
            let product: f64 =
                self.rotation.iter().flatten().zip(derivative.iter().flatten()).map(|(x, y)| x * y).sum();
            gradient[model.blocks.angles.start + 3 * tilt + a] += product;
        }
    }
}
