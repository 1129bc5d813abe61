//! Views onto the points of the padded transform: every point takes what views say about it, weighted by 1 / distance.
//!
//! Distances count in points of the transform. Points are walked slab by slab (one ky each), views in their order, so
//! what a point gets does not depend on threads, and no more than one line of sums is held.

use super::super::views::PlainViews;
use super::{GenfireOptions, Gridding};
use crate::context::{CancelToken, Context};
use crate::error::Result;
use crate::fourier::{Kernel, RealTransform2, MOST_TAPS};
use crate::geometry::Mat3;
use crate::grid::fast_size;
use crate::problem::Waiting;
use num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;
use std::sync::Mutex;

/// Nearer samples count as being this far away, in points: a view that meets a point exactly must not silence the
/// others that pass nearby.
const NEAREST: f64 = 1e-2;

/// Radii are kept in parts of the Nyquist frequency.
pub(super) const RADIUS_UNIT: f64 = 32768.0;

/// A measured value of the spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// kx
    pub column: u16,
    /// Frequency over that of Nyquist, in parts of 1 / `RADIUS_UNIT`.
    pub radius: u16,
    /// F / weight sum.
    pub value: Complex32,
}

/// Measured values with one ky, row by row as the transform orders them.
#[derive(Debug, Clone, Default)]
pub(super) struct SlabPoints {
    /// Where each row starts, and the end.
    pub starts: Vec<u32>,
    pub points: Vec<Point>,
}

impl SlabPoints {
    /// The points of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[Point] {
        &self.points[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}

/// Measured values by ky: those that are imposed, those held back.
pub(super) struct Measured {
    pub imposed: Vec<SlabPoints>,
    pub held: Vec<SlabPoints>,
}

/// Points of the padded transforms of views: at least twice the view, so that they can be interpolated.
pub(super) fn view_size(views: (usize, usize), size: [usize; 3], oversampling: f64) -> [usize; 2] {
    let finest = size.into_iter().max().unwrap_or(1);
    [views.0, views.1].map(|n| finest.max(fast_size((n as f64 * oversampling.max(2.0)).ceil() as usize)))
}

/// A view's place in the transform of the volume. Points are g = (gx, gy, gz), signed.
struct Slice {
    /// Unit normal of the slice, and its component along x where lines run.
    normal: [f64; 3],
    /// Sample (column, row) of the view's transform at a point of the slice: rows of this times g.
    sample: [[f64; 3]; 2],
    /// The point at a sample: these times (column, row).
    point: [[f64; 3]; 2],
    /// Reach of a distance of 1 in samples, along columns and rows.
    reach: [f64; 2],
    /// Phase per point that undoes the shift.
    turn: [f64; 3],
    weight: f64,
    /// Half spectrum \[kx\]\[ky\], origin of the image at phase zero.
    spectrum: Vec<Complex32>,
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Slice {
    fn new(r: &Mat3, size: [usize; 3], [rows, columns]: [usize; 2], weight: f64, shift: [f64; 2]) -> Self {
        let points = [size[2], size[1], size[0]].map(|n| n as f64);
        let per_point =
            |row: &[f64; 3], scale: f64| -> [f64; 3] { std::array::from_fn(|a| row[a] * scale / points[a]) };
        let sample = [per_point(&r[0], columns as f64), per_point(&r[1], rows as f64)];
        let (u, v) = (per_point(&r[0], TAU * shift[0]), per_point(&r[1], TAU * shift[1]));
        let normal = per_point(&r[2], 1.0);
        let length = dot(&normal, &normal).sqrt();
        Self {
            normal: normal.map(|n| n / length),
            sample,
            point: [
                std::array::from_fn(|a| r[0][a] * points[a] / columns as f64),
                std::array::from_fn(|a| r[1][a] * points[a] / rows as f64),
            ],
            reach: sample.map(|row| dot(&row, &row).sqrt()),
            turn: std::array::from_fn(|a| u[a] + v[a]),
            weight,
            spectrum: Vec::new(),
        }
    }

    /// The gx in 0..=`last` of the line (gy, gz) that lie nearer to the slice than `cutoff`.
    fn near(&self, gy: f64, gz: f64, cutoff: f64, last: i64) -> std::ops::Range<i64> {
        let (slope, rest) = (self.normal[0], self.normal[1] * gy + self.normal[2] * gz);
        if slope.abs() < 1e-9 {
            return if rest.abs() < cutoff { 0..last + 1 } else { 0..0 };
        }
        let ends = [(-cutoff - rest) / slope, (cutoff - rest) / slope];
        let (low, high) = (ends[0].min(ends[1]).ceil(), ends[0].max(ends[1]).floor());
        (low.max(0.0) as i64)..(high.min(last as f64) as i64 + 1)
    }
}

/// The gridding of views for a transform of one size.
pub(super) struct Gridder<'a> {
    options: &'a GenfireOptions,
    size: [usize; 3],
    samples: [usize; 2],
    kernel: Kernel,
    slices: Vec<Slice>,
}

/// Sums of one line of points.
struct Line {
    weights: Vec<f64>,
    values: Vec<Complex64>,
}

impl<'a> Gridder<'a> {
    /// Transforms the padded views.
    pub fn new(
        context: &Context,
        views: &PlainViews,
        options: &'a GenfireOptions,
        size: [usize; 3],
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        let samples = view_size((views.rows, views.columns), size, options.oversampling);
        let kernel = Kernel::semicircle(6, 2.0);
        let mut gridder = Self { options, size, samples, kernel, slices: Vec::new() };
        let transform = RealTransform2::<f32>::new(context.simd(), samples[0], samples[1]);
        let pixels = views.rows * views.columns;
        let slices: Vec<Mutex<Slice>> = (0..views.rotations.len())
            .map(|k| Mutex::new(Slice::new(&views.rotations[k], size, samples, views.weights[k], views.shifts[k])))
            .collect();
        let mut tell = |done: usize| waiting.at(done as f64 / slices.len() as f64, "transforming views");
        context.for_each(slices.len(), &mut tell, &|k| {
            let mut slice = slices[k].lock().unwrap_or_else(|p| p.into_inner());
            let image = &views.images[k * pixels..][..pixels];
            slice.spectrum = gridder.spectrum(&transform, image, (views.rows, views.columns));
            Ok(())
        })?;
        gridder.slices = slices.into_iter().map(|s| s.into_inner().unwrap_or_else(|p| p.into_inner())).collect();
        Ok(gridder)
    }

    /// Half spectrum of a padded image, its origin pixel at phase zero.
    fn spectrum(
        &self,
        transform: &RealTransform2<f32>,
        image: &[f32],
        (rows, columns): (usize, usize),
    ) -> Vec<Complex32> {
        let [height, width] = self.samples;
        let (mut padded, mut scratch) = (vec![0.0f32; rows * width], transform.scratch());
        for (row, from) in padded.chunks_exact_mut(width).zip(image.chunks_exact(columns)) {
            row[..columns].copy_from_slice(from);
        }
        if self.options.gridding == Gridding::Exact {
            let (by_row, by_column) = (self.kernel.correction(rows, height), self.kernel.correction(columns, width));
            for (row, factor) in padded.chunks_exact_mut(width).zip(by_row) {
                row.iter_mut().zip(&by_column).for_each(|(v, f)| *v *= factor * f);
            }
        }
        let mut spectrum = vec![Complex32::ZERO; transform.spectrum_len()];
        transform.forward(&padded, width, 0..rows, &mut spectrum, &mut scratch);
        let turn = |i: usize, origin: usize, n: usize| Complex64::cis(TAU * ((i * origin) % n) as f64 / n as f64);
        let by_row: Vec<_> = (0..height).map(|i| turn(i, rows / 2, height)).collect();
        for (kx, column) in spectrum.chunks_exact_mut(height).enumerate() {
            let along_x = turn(kx, columns / 2, width);
            for (value, along_y) in column.iter_mut().zip(&by_row) {
                let turn = along_x * along_y;
                *value *= Complex32::new(turn.re as f32, turn.im as f32);
            }
        }
        spectrum
    }

    /// The measured values of all slabs; `kz_of_row` as the transform orders them.
    pub fn measured(&self, context: &Context, kz_of_row: &[usize], waiting: &mut Waiting<'_>) -> Result<Measured> {
        let count = self.size[1];
        let slabs: Vec<Mutex<[SlabPoints; 2]>> = (0..count).map(|_| Mutex::default()).collect();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "gridding views");
        context.for_each(count, &mut tell, &|ky| {
            *slabs[ky].lock().unwrap_or_else(|p| p.into_inner()) = self.slab(ky, kz_of_row, cancel)?;
            Ok(())
        })?;
        let slabs = slabs.into_iter().map(|s| s.into_inner().unwrap_or_else(|p| p.into_inner()));
        let (imposed, held) = slabs.map(|[imposed, held]| (imposed, held)).unzip();
        Ok(Measured { imposed, held })
    }

    fn slab(&self, ky: usize, kz_of_row: &[usize], cancel: &CancelToken<'_>) -> Result<[SlabPoints; 2]> {
        cancel.check("gridding views")?;
        let [nz, ny, nx] = self.size;
        let last = ((nx - 1) / 2) as i64;
        let mut line = Line { weights: vec![0.0; last as usize + 1], values: vec![Complex64::ZERO; last as usize + 1] };
        let mut lists = [SlabPoints::default(), SlabPoints::default()];
        lists.iter_mut().for_each(|list| list.starts.push(0));
        for kz in kz_of_row {
            if let (Some(gy), Some(gz)) = (signed(ky, ny), signed(*kz, nz)) {
                self.gather(gy, gz, &mut line);
                self.collect(gy, gz, &mut line, &mut lists);
            }
            lists.iter_mut().for_each(|list| list.starts.push(list.points.len() as u32));
        }
        lists.iter_mut().for_each(|list| list.points.shrink_to_fit());
        Ok(lists)
    }

    /// Adds what all views say about the line (gy, gz).
    fn gather(&self, gy: i64, gz: i64, line: &mut Line) {
        let last = line.weights.len() as i64 - 1;
        for slice in self.slices.iter().filter(|s| s.weight > 0.0) {
            for gx in slice.near(gy as f64, gz as f64, self.options.cutoff, last) {
                let at = [gx as f64, gy as f64, gz as f64];
                if self.radius(&at) <= self.furthest() {
                    let (weight, value) = match self.options.gridding {
                        Gridding::Nearest => self.nearest(slice, &at),
                        Gridding::Exact => self.exact(slice, &at),
                    };
                    line.weights[gx as usize] += weight;
                    line.values[gx as usize] += value;
                }
            }
        }
    }

    /// |f| over the Nyquist frequency.
    fn radius(&self, at: &[f64; 3]) -> f64 {
        let [nz, ny, nx] = self.size.map(|n| n as f64);
        let f = [2.0 * at[0] / nx, 2.0 * at[1] / ny, 2.0 * at[2] / nz];
        dot(&f, &f).sqrt()
    }

    fn furthest(&self) -> f64 {
        if self.options.resolution_circle {
            1.0
        } else {
            2.0
        }
    }

    /// Sums of w and w F over the samples nearer than the cutoff.
    fn nearest(&self, slice: &Slice, at: &[f64; 3]) -> (f64, Complex64) {
        let foot = slice.sample.map(|row| dot(&row, at));
        let bounds: [_; 2] = std::array::from_fn(|i| {
            let reach = self.options.cutoff * slice.reach[i];
            ((foot[i] - reach).ceil() as i64, (foot[i] + reach).floor() as i64)
        });
        let (mut weight, mut sum) = (0.0, Complex64::ZERO);
        for i in bounds[1].0..=bounds[1].1 {
            for j in bounds[0].0..=bounds[0].1 {
                let there: [f64; 3] =
                    std::array::from_fn(|a| slice.point[0][a] * j as f64 + slice.point[1][a] * i as f64);
                let apart: [f64; 3] = std::array::from_fn(|a| there[a] - at[a]);
                let distance = dot(&apart, &apart).sqrt();
                if distance < self.options.cutoff {
                    if let Some(value) = self.value(&slice.spectrum, j, i) {
                        let w = slice.weight / distance.max(NEAREST);
                        weight += w;
                        sum += value * Complex64::cis(dot(&slice.turn, &there)) * w;
                    }
                }
            }
        }
        (weight, sum)
    }

    /// w and w F with the transform of the view at the foot of the point on the slice.
    fn exact(&self, slice: &Slice, at: &[f64; 3]) -> (f64, Complex64) {
        let distance = dot(&slice.normal, at);
        let foot: [f64; 3] = std::array::from_fn(|a| at[a] - distance * slice.normal[a]);
        let taps = self.kernel.taps();
        let mut weights = [[0.0f32; MOST_TAPS]; 2];
        let mut first = [0i32; 2];
        for i in 0..2 {
            first[i] = self.kernel.weights(dot(&slice.sample[i], &foot), &mut weights[i]);
        }
        let mut sum = Complex64::ZERO;
        for (i, by_row) in weights[1][..taps].iter().enumerate() {
            let mut row = Complex64::ZERO;
            for (j, by_column) in weights[0][..taps].iter().enumerate() {
                let (j, i) = (i64::from(first[0]) + j as i64, i64::from(first[1]) + i as i64);
                row += self.wrapped(&slice.spectrum, j, i) * f64::from(*by_column);
            }
            sum += row * f64::from(*by_row);
        }
        let weight = slice.weight / distance.abs().max(NEAREST);
        (weight, sum * Complex64::cis(dot(&slice.turn, &foot)) * weight)
    }

    /// The transform of a view at sample (j, i), which repeats; the half with negative j is the conjugate.
    fn wrapped(&self, spectrum: &[Complex32], j: i64, i: i64) -> Complex64 {
        let [height, width] = self.samples.map(|n| n as i64);
        let mut j = j.rem_euclid(width);
        let mut i = i.rem_euclid(height);
        let mirrored = j > width / 2;
        if mirrored {
            (j, i) = (width - j, (height - i) % height);
        }
        let value = spectrum[(j * height + i) as usize];
        Complex64::new(f64::from(value.re), f64::from(if mirrored { -value.im } else { value.im }))
    }

    /// The same below the Nyquist frequencies only.
    fn value(&self, spectrum: &[Complex32], j: i64, i: i64) -> Option<Complex64> {
        let [height, width] = self.samples.map(|n| (n as i64 - 1) / 2);
        (j.abs() <= width && i.abs() <= height).then(|| self.wrapped(spectrum, j, i))
    }

    /// Moves the sums of a line to the lists, and clears it.
    fn collect(&self, gy: i64, gz: i64, line: &mut Line, lists: &mut [SlabPoints; 2]) {
        let sums = line.weights.iter_mut().zip(&mut line.values).enumerate();
        for (gx, (weight, value)) in sums.filter(|(_, (w, _))| **w > 0.0) {
            let mean = *value / *weight;
            (*weight, *value) = (0.0, Complex64::ZERO);
            let radius = self.radius(&[gx as f64, gy as f64, gz as f64]);
            let point = Point {
                column: gx as u16,
                radius: (radius * RADIUS_UNIT).round() as u16,
                value: Complex32::new(mean.re as f32, mean.im as f32),
            };
            lists[usize::from(self.is_held(gx as i64, gy, gz))].points.push(point);
        }
    }

    /// Whether a point is held back: drawn by itself, together with its mirror image. The sum of the views is never.
    fn is_held(&self, gx: i64, gy: i64, gz: i64) -> bool {
        if self.options.held_back == 0.0 || (gx, gy, gz) == (0, 0, 0) {
            return false;
        }
        let [nz, ny, nx] = self.size.map(|n| n as i64);
        let place = |x: i64, y: i64, z: i64| (z.rem_euclid(nz) * ny + y.rem_euclid(ny)) * nx + x.rem_euclid(nx);
        let point = place(gx, gy, gz).min(place(-gx, -gy, -gz)) as u64;
        let drawn = crate::simulate::scattered(self.options.seed ^ crate::simulate::scattered(point));
        ((drawn >> 11) as f64) < self.options.held_back * (1u64 << 53) as f64
    }
}

/// The signed frequency of index `i`; none at the Nyquist frequency, whose sign is unknown.
fn signed(i: usize, n: usize) -> Option<i64> {
    match 2 * i {
        twice if twice < n => Some(i as i64),
        twice if twice == n => None,
        _ => Some(i as i64 - n as i64),
    }
}
