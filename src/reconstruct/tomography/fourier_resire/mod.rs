//! Projections through Fourier space, as RESIRE computes them, with their exact adjoint (Yang et al., Nature 592, 60
//! (2021), supplementary; Pham et al., Sci. Rep. 13, 5624 (2023)).
//!
//! By the Fourier slice theorem the transform of a view is a slice through that of the volume:
//!
//!   B(k') = exp(-2 pi i k'.t) F(R^T (kx', ky', 0)).
//!
//! F is known on the points of a padded transform, and is interpolated between them; the view is the inverse transform of
//! its slice, cut to its pixels. The adjoint takes the same steps backwards with the same weights: views are padded and
//! transformed, their samples are shared among the points, and the inverse transform is cut to the volume.
//!
//! The published code interpolates linearly, and smears views back in real space, which is no adjoint. Here the
//! interpolation may be corrected for what it weakens away from the origin ([`crate::fourier::Kernel`]), or use four
//! points along each axis: then projections agree with exact ones to a thousandth.
//!
//! A view (projecting) or a slab of points (back) is worked on by one thread: results do not depend on their number.

use super::views::PlainViews;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fourier::{Kernel, RealScratch3, RealTransform2, RealTransform3, RealTransformScratch, MOST_TAPS};
use crate::geometry::Mat3;
use crate::grid::fast_size;
use crate::problem::Waiting;
use num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;
use std::sync::{Mutex, MutexGuard};

/// How the transform is interpolated between its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[repr(i32)]
pub enum Interpolation {
    /// Four points along each axis, corrected; an oversampling of 2 is enough.
    #[default]
    FourPoint = 0,
    /// Two points along each axis, as published: what lies away from the origin is projected too weakly.
    Trilinear = 1,
    /// The same, corrected.
    TrilinearCorrected = 2,
}

/// Where a view lies in the transform of the volume.
struct Slice {
    /// The point (gx, gy, gz) of sample (kx', ky'): the first times kx' plus the second times ky'.
    point: [[f64; 3]; 2],
    /// Phases per sample that put the origin on its pixel: along kx', ky'.
    turn: [f64; 2],
}

/// Projects volumes `[z][y][x]` onto views `[view][row][column]`, and back.
pub(crate) struct FourierProjector {
    rows: usize,
    columns: usize,
    /// Rows and columns of padded views.
    samples: [usize; 2],
    kernel: Kernel,
    /// Along z, y, x: what the interpolation weakens; 1 as published.
    corrections: [Vec<f32>; 3],
    slices: Vec<Slice>,
    plan: RealTransform3<f32>,
    view_plan: RealTransform2<f32>,
    buffers: Mutex<Buffers>,
}

/// What one call at a time needs; garbage between calls.
struct Buffers {
    volume: Vec<f32>,
    /// `[ky][kz][kx]`
    spectrum: Vec<Complex32>,
    /// Half spectra of all views, `[view][kx'][ky']`.
    slices: Vec<Complex32>,
    scratch: RealScratch3<f32>,
    workers: Mutex<Vec<Worker>>,
}

struct Worker {
    image: Vec<f32>,
    scratch: RealTransformScratch<f32>,
}

/// Weights of one sample: where its points begin along x, y, z, and what they weigh.
struct Taps {
    first: [i32; 3],
    weights: [[f32; MOST_TAPS]; 3],
}

impl FourierProjector {
    /// A projector for the geometry of `views` (their images are not looked at); the padded transform has
    /// `oversampling` points per voxel along each axis (RESIRE: 3).
    ///
    /// # Errors
    /// `Empty`, `Shape`, `NonFinite`, `Inconsistent` for views that do not fit together; `Range` for an oversampling
    /// outside of 1.25 to 8.
    pub fn new(context: &Context, views: &PlainViews, oversampling: f64, interpolation: Interpolation) -> Result<Self> {
        views.check_geometry()?;
        if !(1.25..=8.0).contains(&oversampling) {
            return Err(Error::range("oversampling", oversampling, "1.25 to 8 points of the transform per voxel"));
        }
        let size = padded(views.shape, oversampling);
        let samples = padded_view(views);
        let plan = RealTransform3::padded(context.simd(), views.shape, size, views.shape.map(|n| n / 2))?;
        let kernel = match interpolation {
            Interpolation::FourPoint => Kernel::semicircle(4, oversampling),
            Interpolation::Trilinear | Interpolation::TrilinearCorrected => Kernel::linear(),
        };
        let corrections = [0, 1, 2].map(|axis| match interpolation {
            Interpolation::Trilinear => vec![1.0; views.shape[axis]],
            _ => kernel.correction(views.shape[axis], size[axis]),
        });
        let placed = views.rotations.iter().zip(&views.shifts);
        let slices = placed.map(|(r, shift)| Slice::new(r, *shift, size, samples, views)).collect();
        let view_plan = RealTransform2::new(context.simd(), samples[0], samples[1]);
        let buffers = Buffers {
            volume: vec![0.0; views.shape.iter().product()],
            spectrum: vec![Complex32::ZERO; plan.spectrum_len()],
            slices: vec![Complex32::ZERO; views.rotations.len() * view_plan.spectrum_len()],
            scratch: plan.scratch(context.threads()),
            workers: Mutex::default(),
        };
        Ok(Self {
            rows: views.rows,
            columns: views.columns,
            samples,
            kernel,
            corrections,
            slices,
            plan,
            view_plan,
            buffers: Mutex::new(buffers),
        })
    }

    /// Bytes that a projector holds, before it is made.
    pub fn memory_bytes(views: &PlainViews, oversampling: f64, threads: usize) -> u64 {
        let size = padded(views.shape, oversampling);
        let [height, width] = padded_view(views).map(|n| n as u64);
        let [nz, ny, nx] = size.map(|n| n as u64);
        let volume = 4 * views.shape.iter().map(|n| *n as u64).product::<u64>();
        let slices = views.rotations.len() as u64 * 8 * height * (width / 2 + 1);
        let spectrum = 8 * nz * ny * (nx / 2 + 1);
        let workers = threads as u64 * (4 * views.rows as u64 * width + 16 * 16 * width);
        volume + slices + spectrum + workers + RealTransform3::<f32>::scratch_bytes(views.shape, size, threads)
    }

    /// A V: the views of `volume`. Without shifts beyond the edges, and where nothing projects beside the view, the sum
    /// of a view is that of the volume.
    ///
    /// # Errors
    /// `Shape` for arrays of another size; `Cancelled`, some views being written.
    pub fn project_all(
        &self,
        context: &Context,
        volume: &[f32],
        images: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check(volume.len(), images.len())?;
        let mut buffers = lock(&self.buffers);
        let Buffers { volume: corrected, spectrum, slices, scratch, workers } = &mut *buffers;
        corrected.copy_from_slice(volume);
        self.correct(context, corrected, 1.0)?;
        waiting.part(0.0, 0.5, |w| self.plan.forward(context, corrected, spectrum, scratch, w))?;
        let pixels = self.rows * self.columns;
        let views = images.chunks_exact_mut(pixels).zip(slices.chunks_exact_mut(self.view_plan.spectrum_len()));
        let views: Vec<_> = views.map(Mutex::new).collect();
        waiting.part(0.5, 1.0, |waiting| {
            let mut tell = |done: usize| waiting.at(done as f64 / views.len() as f64, "projecting");
            context.for_each(views.len(), &mut tell, &|view| {
                let mut worker = self.worker(workers);
                let mut item = lock(&views[view]);
                let (image, slice) = &mut *item;
                self.slice(&self.slices[view], spectrum, slice);
                let width = self.samples[1];
                self.view_plan.inverse(slice, 1.0, &mut worker.image, width, 0..self.rows, &mut worker.scratch);
                for (row, from) in image.chunks_exact_mut(self.columns).zip(worker.image.chunks_exact(width)) {
                    row.copy_from_slice(&from[..self.columns]);
                }
                lock(workers).push(worker);
                Ok(())
            })
        })
    }

    /// A* I: what the views give to every voxel.
    ///
    /// # Errors
    /// `Shape` for arrays of another size; `Cancelled`, `volume` left as it was.
    pub fn back_project_all(
        &self,
        context: &Context,
        images: &[f32],
        volume: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check(volume.len(), images.len())?;
        let mut buffers = lock(&self.buffers);
        let Buffers { spectrum, slices, scratch, workers, .. } = &mut *buffers;
        let (pixels, width) = (self.rows * self.columns, self.samples[1]);
        let views: Vec<_> = slices.chunks_exact_mut(self.view_plan.spectrum_len()).map(Mutex::new).collect();
        let mut tell = |done: usize| waiting.at(0.2 * done as f64 / views.len() as f64, "projecting back");
        context.for_each(views.len(), &mut tell, &|view| {
            let mut worker = self.worker(workers);
            worker.image.fill(0.0);
            let rows = images[view * pixels..][..pixels].chunks_exact(self.columns);
            for (row, to) in rows.zip(worker.image.chunks_exact_mut(width)) {
                to[..self.columns].copy_from_slice(row);
            }
            let mut slice = lock(&views[view]);
            self.view_plan.forward(&worker.image, width, 0..self.rows, &mut slice, &mut worker.scratch);
            self.turn(&self.slices[view], &mut slice, true);
            lock(workers).push(worker);
            Ok(())
        })?;
        drop(views);
        let [nz, ny, _] = self.plan.size();
        let slabs: Vec<_> = spectrum.chunks_exact_mut(nz * self.plan.half()).map(Mutex::new).collect();
        waiting.part(0.2, 0.7, |waiting| {
            let mut tell = |done: usize| waiting.at(done as f64 / ny as f64, "projecting back");
            context.for_each(ny, &mut tell, &|ky| {
                let mut slab = lock(&slabs[ky]);
                slab.fill(Complex32::ZERO);
                for (slice, values) in self.slices.iter().zip(slices.chunks_exact(self.view_plan.spectrum_len())) {
                    self.share(slice, values, ky, &mut slab);
                }
                Ok(())
            })
        })?;
        drop(slabs);
        waiting.part(0.7, 1.0, |w| self.plan.inverse(context, spectrum, volume, scratch, w))?;
        // the inverses of both transforms are normalised; their adjoints are not
        let points: f64 = self.plan.size().iter().map(|n| *n as f64).product();
        self.correct(context, volume, (points / (self.samples[0] * width) as f64) as f32)
    }

    fn check(&self, volume: usize, images: usize) -> Result<()> {
        let shape = self.plan.volume();
        if volume != shape.iter().product::<usize>() {
            return Err(Error::shape("volume to be projected", &[volume], format!("{shape:?} (z, y, x)")));
        }
        if images != self.slices.len() * self.rows * self.columns {
            let wanted = format!("{} views of {} x {}", self.slices.len(), self.rows, self.columns);
            return Err(Error::shape("images to be projected back", &[images], wanted));
        }
        Ok(())
    }

    fn worker(&self, workers: &Mutex<Vec<Worker>>) -> Worker {
        let new = || Worker { image: vec![0.0; self.rows * self.samples[1]], scratch: self.view_plan.scratch() };
        lock(workers).pop().unwrap_or_else(new)
    }

    /// Multiplies every voxel by its correction and by `scale`.
    fn correct(&self, context: &Context, volume: &mut [f32], scale: f32) -> Result<()> {
        let [_, ny, nx] = self.plan.volume();
        let planes: Vec<_> = volume.chunks_exact_mut(ny * nx).map(Mutex::new).collect();
        let [along_z, along_y, along_x] = &self.corrections;
        context.for_each(planes.len(), &mut |_| Ok(()), &|z| {
            let mut plane = lock(&planes[z]);
            for (row, y) in plane.chunks_exact_mut(nx).zip(along_y) {
                let factor = scale * along_z[z] * y;
                row.iter_mut().zip(along_x).for_each(|(v, x)| *v *= factor * x);
            }
            Ok(())
        })
    }

    /// Samples of a view's half plane: for each kx' its column of the half spectrum; ky' of a place in it. The Nyquist
    /// frequencies, whose sign is unknown, have none.
    fn signed(place: usize, n: usize) -> Option<f64> {
        match 2 * place {
            twice if twice < n => Some(place as f64),
            twice if twice == n => None,
            _ => Some(place as f64 - n as f64),
        }
    }

    fn within(&self, at: &[f64; 3]) -> bool {
        let [nz, ny, nx] = self.plan.size();
        [nx, ny, nz].iter().zip(at).all(|(n, g)| 2.0 * g.abs() <= *n as f64)
    }

    fn taps(&self, at: &[f64; 3]) -> Taps {
        let mut weights = [[0.0; MOST_TAPS]; 3];
        let first = std::array::from_fn(|a| self.kernel.weights(at[a], &mut weights[a]));
        Taps { first, weights }
    }

    /// Half spectrum of a view out of that of the volume.
    fn slice(&self, slice: &Slice, spectrum: &[Complex32], out: &mut [Complex32]) {
        let [height, width] = self.samples;
        for (kx, column) in out.chunks_exact_mut(height).enumerate() {
            for (place, value) in column.iter_mut().enumerate() {
                *value = Complex32::ZERO;
                let (Some(x), Some(y)) = (Self::signed(kx, width), Self::signed(place, height)) else { continue };
                let at = slice.at(x, y);
                if self.within(&at) {
                    // the stored half has kx >= 0
                    let mirrored = at[0] < 0.0;
                    let found = self.interpolated(spectrum, &if mirrored { at.map(|g| -g) } else { at });
                    *value = if mirrored { found.conj() } else { found };
                }
            }
        }
        self.turn(slice, out, false);
    }

    /// The transform at a point with gx >= 0.
    fn interpolated(&self, spectrum: &[Complex32], at: &[f64; 3]) -> Complex32 {
        let ([nz, ny, nx], half, taps) = (self.plan.size().map(|n| n as i32), self.plan.half(), self.kernel.taps());
        let Taps { first, weights } = self.taps(at);
        let along_x = &weights[0][..taps];
        let inside = first[0] >= 0 && first[0] as usize + taps <= half;
        let mut sum = Complex32::ZERO;
        for (i, wy) in weights[1][..taps].iter().enumerate() {
            let ky = (first[1] + i as i32).rem_euclid(ny);
            for (j, wz) in weights[2][..taps].iter().enumerate() {
                let kz = (first[2] + j as i32).rem_euclid(nz);
                let row = |ky: i32, kz: i32| (ky * nz + kz) as usize * half;
                let mut along = Complex32::ZERO;
                if inside {
                    let values = &spectrum[row(ky, kz) + first[0] as usize..][..taps];
                    values.iter().zip(along_x).for_each(|(v, w)| along += *v * *w);
                } else {
                    for (l, wx) in along_x.iter().enumerate() {
                        let kx = (first[0] + l as i32).rem_euclid(nx);
                        along += *wx
                            * match (kx as usize) < half {
                                true => spectrum[row(ky, kz) + kx as usize],
                                false => spectrum[row((ny - ky) % ny, (nz - kz) % nz) + (nx - kx) as usize].conj(),
                            };
                    }
                }
                sum += along * (wy * wz);
            }
        }
        sum
    }

    /// Multiplies a half spectrum by the phases that put the origin on its pixel, or by their conjugates.
    fn turn(&self, slice: &Slice, values: &mut [Complex32], conjugate: bool) {
        let [height, width] = self.samples;
        let sign = if conjugate { -1.0 } else { 1.0 };
        let phase =
            |turn: f64, place: usize, n: usize| Complex64::cis(sign * turn * Self::signed(place, n).unwrap_or(0.0));
        let along_y: Vec<Complex64> = (0..height).map(|place| phase(slice.turn[1], place, height)).collect();
        for (kx, column) in values.chunks_exact_mut(height).enumerate() {
            let along_x = phase(slice.turn[0], kx, width);
            for (value, y) in column.iter_mut().zip(&along_y) {
                let turn = along_x * y;
                *value *= Complex32::new(turn.re as f32, turn.im as f32);
            }
        }
    }

    /// Adds what all samples of a view, those with kx' < 0 too, give to the points of a slab with kx >= 0: the adjoint of
    /// [`Self::slice`] for the full plane.
    fn share(&self, slice: &Slice, values: &[Complex32], ky: usize, slab: &mut [Complex32]) {
        let ny = self.plan.size()[1] as f64;
        let reach = 0.5 * self.kernel.taps() as f64;
        let near = if 2 * ky <= self.plan.size()[1] { ky as f64 } else { ky as f64 - ny };
        for plane in [near - ny, near, near + ny] {
            if plane.abs() < 0.5 * ny + reach {
                self.share_plane(slice, values, plane, slab);
            }
        }
    }

    /// The same from the samples whose distance to the plane gy = `plane` is below the reach of the kernel. Along one of
    /// their directions these are intervals.
    fn share_plane(&self, slice: &Slice, values: &[Complex32], plane: f64, slab: &mut [Complex32]) {
        let reach = 0.5 * self.kernel.taps() as f64;
        let most = [(self.samples[1] as i64 - 1) / 2, (self.samples[0] as i64 - 1) / 2];
        let slopes = [slice.point[0][1], slice.point[1][1]];
        let inner = usize::from(slopes[1].abs() >= slopes[0].abs());
        let outer = 1 - inner;
        for line in -most[outer]..=most[outer] {
            let rest = plane - slopes[outer] * line as f64;
            let (mut low, mut high) = (-most[inner], most[inner]);
            if slopes[inner].abs() > 1e-9 {
                let ends = [(rest - reach) / slopes[inner], (rest + reach) / slopes[inner]];
                low = low.max(ends[0].min(ends[1]).ceil() as i64);
                high = high.min(ends[0].max(ends[1]).floor() as i64);
            } else if rest.abs() > reach {
                continue;
            }
            for along in low..=high {
                let (x, y) = if inner == 1 { (line, along) } else { (along, line) };
                self.share_sample(slice, values, (x, y), plane, slab);
            }
        }
    }

    fn share_sample(
        &self,
        slice: &Slice,
        values: &[Complex32],
        (x, y): (i64, i64),
        plane: f64,
        slab: &mut [Complex32],
    ) {
        let ([nz, _, nx], half, taps) = (self.plan.size().map(|n| n as i32), self.plan.half(), self.kernel.taps());
        let at = slice.at(x as f64, y as f64);
        // all points of the kernel on the side that is not stored
        let unseen = at[0] < -(taps as f64) && 2.0 * (at[0] - taps as f64) > -f64::from(nx);
        if unseen || !self.within(&at) {
            return;
        }
        let Taps { first, weights } = self.taps(&at);
        let Some(wy) = usize::try_from(plane as i32 - first[1]).ok().filter(|i| *i < taps) else { return };
        let value = self.sample(values, x, y) * weights[1][wy];
        let along_x = &weights[0][..taps];
        let inside = first[0] >= 0 && first[0] as usize + taps <= half;
        for (j, wz) in weights[2][..taps].iter().enumerate() {
            let row = &mut slab[(first[2] + j as i32).rem_euclid(nz) as usize * half..][..half];
            let value = value * *wz;
            if inside {
                let row = &mut row[first[0] as usize..][..taps];
                row.iter_mut().zip(along_x).for_each(|(v, w)| *v += value * *w);
            } else {
                for (l, w) in along_x.iter().enumerate() {
                    let kx = (first[0] + l as i32).rem_euclid(nx) as usize;
                    if let Some(v) = row.get_mut(kx) {
                        *v += value * *w;
                    }
                }
            }
        }
    }

    /// The value of a sample of the full plane.
    fn sample(&self, values: &[Complex32], x: i64, y: i64) -> Complex32 {
        let height = self.samples[0] as i64;
        if x >= 0 {
            values[(x * height + y.rem_euclid(height)) as usize]
        } else {
            values[(-x * height + (-y).rem_euclid(height)) as usize].conj()
        }
    }
}

impl Slice {
    fn new(r: &Mat3, shift: [f64; 2], size: [usize; 3], samples: [usize; 2], views: &PlainViews) -> Self {
        let [height, width] = samples.map(|n| n as f64);
        let points = [size[2], size[1], size[0]].map(|n| n as f64);
        let origin = [(views.columns / 2) as f64 + shift[0], (views.rows / 2) as f64 + shift[1]];
        Self {
            point: [
                std::array::from_fn(|a| r[0][a] * points[a] / width),
                std::array::from_fn(|a| r[1][a] * points[a] / height),
            ],
            turn: [-TAU * origin[0] / width, -TAU * origin[1] / height],
        }
    }

    fn at(&self, x: f64, y: f64) -> [f64; 3] {
        std::array::from_fn(|a| self.point[0][a] * x + self.point[1][a] * y)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Points of the padded transform of the volume.
fn padded(shape: [usize; 3], oversampling: f64) -> [usize; 3] {
    shape.map(|n| fast_size((n as f64 * oversampling).ceil() as usize))
}

/// Pixels of padded views: what a corner of the volume throws beside the view must not come back on its other side.
fn padded_view(views: &PlainViews) -> [usize; 2] {
    let [nz, ny, nx] = views.shape.map(|n| n as f64);
    let side = |row: usize, pixels: usize| {
        let thrown = |(r, shift): (&Mat3, &[f64; 2])| {
            let r = r[row];
            0.5 * (r[0].abs() * nx + r[1].abs() * ny + r[2].abs() * nz) + shift[row].abs()
        };
        let furthest = views.rotations.iter().zip(&views.shifts).map(thrown).fold(0.0, f64::max);
        fast_size((furthest.max(0.5 * pixels as f64) + 0.5 * pixels as f64).ceil() as usize + MARGIN)
    };
    [side(1, views.rows), side(0, views.columns)]
}

/// Pixels between what repeats beside a view and the view.
const MARGIN: usize = 4;

#[cfg(test)]
mod tests;
