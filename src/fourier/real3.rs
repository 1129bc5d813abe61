//! Transform of a real volume to its half spectrum and back, on all threads.
//!
//! F(k) = sum over p of f(p) exp(-2 pi i (kz (z - oz) / nz + ky (y - oy) / ny + kx (x - ox) / nx)), with kx in 0..=nx/2,
//! ky and kz in FFT order, and the voxel (oz, oy, ox) that carries phase zero. The volume may be smaller than the
//! transform: it is padded with zeros (which wrap around its origin), and only its own voxels are computed on the way
//! back. The inverse includes the factor 1 / (nz ny nx).
//!
//! Three passes, all along lines of which a register holds several ([`crate::simd::wave`]), none over zeros:
//! 1. two planes of voxels as real and imaginary part: along x, apart, along y;
//! 2. for every ky the slab \[kz\]\[kx\]: along z, what the caller does to it, back along z;
//! 3. pass 1 backwards.
//!
//! Between the passes stand nz' x ny x (nx/2 + 1) values, nz' the planes of the volume: a filter never needs the whole
//! spectrum. Planes and slabs are worked on by one thread each, so results do not depend on the number of threads.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use crate::simd::wave::{plan_lines, sweep, ComplexPlane, LinePlan, Lines, Step, Sweep, SweepScratch};
use crate::simd::{Real, SimdPath};
use num_complex::Complex;
use std::sync::{Mutex, MutexGuard};

/// Plan for volumes `[z, y, x]` of one shape. Immutable and shared; scratch belongs to the caller.
pub struct RealTransform3<T: Real> {
    path: SimdPath,
    volume: [usize; 3],
    size: [usize; 3],
    along_z: LinePlan<T>,
    along_y: LinePlan<T>,
    along_x: LinePlan<T>,
    /// Place in the transform of every plane, row and column of the volume.
    places: [Vec<usize>; 3],
    /// Place at which each frequency along y and x stands after a transform.
    place_of_ky: Vec<usize>,
    place_of_kx: Vec<usize>,
}

/// Scratch of one call at a time: garbage between calls.
pub struct RealScratch3<T: Real> {
    /// For each plane of the volume its transform along x and y: rows in the order of the plan, kx.
    planes: Vec<Mutex<ComplexPlane<T>>>,
    workers: Mutex<Vec<Worker<T>>>,
}

struct Worker<T: Real> {
    rows: ComplexPlane<T>,
    slab: ComplexPlane<T>,
    sweep: SweepScratch<T>,
}

/// All values of a spectrum with one ky.
pub struct Slab<'a, T: Real> {
    /// ky in FFT order.
    pub ky: usize,
    /// kz (FFT order) of each row; columns are kx in 0..=nx/2.
    pub kz_of_row: &'a [usize],
    /// The values.
    pub values: &'a mut ComplexPlane<T>,
}

impl<T: Real> RealTransform3<T> {
    /// Plan for volumes of `shape`, the first voxel at phase zero.
    ///
    /// # Errors
    /// `Range` for an edge of 0 or above 16384.
    pub fn new(path: SimdPath, shape: [usize; 3]) -> Result<Self> {
        Self::padded(path, shape, shape, [0; 3])
    }

    /// Plan for volumes of shape `volume`, padded with zeros to `size` (products of 2, 3, 5 and 7 are fast), whose voxel
    /// `origin` carries phase zero. All are (z, y, x).
    ///
    /// # Errors
    /// `Range` for an edge of 0 or above 16384, a transform smaller than the volume, an origin outside of the volume.
    pub fn padded(path: SimdPath, volume: [usize; 3], size: [usize; 3], origin: [usize; 3]) -> Result<Self> {
        for (axis, name) in ["z", "y", "x"].into_iter().enumerate() {
            if !(1..=MAX_EDGE).contains(&size[axis]) {
                let what = format!("size of the 3-D transform along {name}");
                return Err(Error::range(what, size[axis], format!("1 to {MAX_EDGE}")));
            }
            if !(1..=size[axis]).contains(&volume[axis]) {
                let wanted = format!("1 to the {} points of the transform", size[axis]);
                return Err(Error::range(format!("voxels along {name}"), volume[axis], wanted));
            }
            if origin[axis] >= volume[axis] {
                let wanted = format!("one of the {} voxels", volume[axis]);
                return Err(Error::range(format!("origin along {name}"), origin[axis], wanted));
            }
        }
        let [along_z, along_y, along_x] = size.map(|n| plan_lines::<T>(path, n));
        let places = [0, 1, 2].map(|a: usize| {
            let wrapped = |i: usize| (i + size[a] - origin[a]) % size[a];
            (0..volume[a]).map(wrapped).collect()
        });
        let (place_of_ky, place_of_kx) = (inverted(along_y.frequency_at()), inverted(along_x.frequency_at()));
        Ok(Self { path, volume, size, along_z, along_y, along_x, places, place_of_ky, place_of_kx })
    }

    /// Points of the transform along (z, y, x).
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Voxels of the volume along (z, y, x).
    pub fn volume(&self) -> [usize; 3] {
        self.volume
    }

    /// Values of kx in the half spectrum: nx / 2 + 1.
    pub fn half(&self) -> usize {
        self.size[2] / 2 + 1
    }

    /// Values in the half spectrum.
    pub fn spectrum_len(&self) -> usize {
        self.size[0] * self.size[1] * self.half()
    }

    /// kz (FFT order) of every row of a [`Slab`].
    pub fn kz_of_row(&self) -> &[usize] {
        self.along_z.frequency_at()
    }

    /// Where [`Self::forward`] puts the value of (kz, ky, kx), all in FFT order, kx in 0..=nx/2: `[ky][kz][kx]`.
    pub fn index(&self, [kz, ky, kx]: [usize; 3]) -> usize {
        (ky * self.size[0] + kz) * self.half() + kx
    }

    /// Scratch for this plan, used by up to `threads` workers.
    pub fn scratch(&self, threads: usize) -> RealScratch3<T> {
        let [nz, ny, nx] = self.size;
        let plane = || Mutex::new(ComplexPlane::new(ny, self.half()));
        let worker = || Worker {
            rows: ComplexPlane::new(self.volume[1], nx),
            slab: ComplexPlane::new(nz, self.half()),
            sweep: SweepScratch::default(),
        };
        RealScratch3 {
            planes: (0..self.volume[0]).map(|_| plane()).collect(),
            workers: Mutex::new((0..threads).map(|_| worker()).collect()),
        }
    }

    /// Bytes of [`Self::scratch`] for a padded transform of `size` of a `volume`, before any plan is made.
    pub fn scratch_bytes(volume: [usize; 3], size: [usize; 3], threads: usize) -> u64 {
        let ([nz, ny, nx], half) = (size, size[2] / 2 + 1);
        let worker = ComplexPlane::<T>::bytes(volume[1], nx)
            + ComplexPlane::<T>::bytes(nz, half)
            + SweepScratch::<T>::bytes(nz.max(ny).max(nx));
        volume[0] as u64 * ComplexPlane::<T>::bytes(ny, half) as u64 + threads as u64 * worker as u64
    }

    /// The half spectrum of `volume`, ordered as [`Self::index`] says.
    ///
    /// # Errors
    /// `Shape` for slices of another size, `Cancelled`.
    pub fn forward(
        &self,
        context: &Context,
        volume: &[T],
        spectrum: &mut [Complex<T>],
        scratch: &mut RealScratch3<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check(volume.len(), Some(spectrum.len()))?;
        let chunks: Vec<_> = spectrum.chunks_exact_mut(self.size[0] * self.half()).map(Mutex::new).collect();
        waiting.part(0.0, 0.5, |waiting| self.analyse(context, volume, scratch, waiting))?;
        waiting.part(0.5, 1.0, |waiting| {
            self.slabs(context, scratch, waiting, (true, false), &|slab| {
                let mut out = lock(&chunks[slab.ky]);
                for (row, kz) in slab.kz_of_row.iter().enumerate() {
                    let (re, im) = slab.values.row(row);
                    let out = &mut out[kz * self.half()..][..self.half()];
                    out.iter_mut().zip(re.iter().zip(im)).for_each(|(v, (re, im))| *v = Complex::new(*re, *im));
                }
                Ok(())
            })
        })
    }

    /// The volume of a half spectrum ordered as [`Self::index`] says; of a spectrum that belongs to no real volume, the
    /// real part.
    ///
    /// # Errors
    /// As [`Self::forward`]; a cancelled call leaves `volume` as it was.
    pub fn inverse(
        &self,
        context: &Context,
        spectrum: &[Complex<T>],
        volume: &mut [T],
        scratch: &mut RealScratch3<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.check(volume.len(), Some(spectrum.len()))?;
        waiting.part(0.0, 0.5, |waiting| {
            self.slabs(context, scratch, waiting, (false, true), &|slab| {
                for (row, kz) in slab.kz_of_row.iter().enumerate() {
                    let from = &spectrum[self.index([*kz, slab.ky, 0])..][..self.half()];
                    let (re, im) = slab.values.row_mut(row);
                    re.iter_mut().zip(im).zip(from).for_each(|((re, im), v)| (*re, *im) = (v.re, v.im));
                }
                Ok(())
            })
        })?;
        self.synthesise(context, volume, scratch, waiting)
    }

    /// Transforms `volume`, lets `change` work on every slab of its spectrum, and transforms back, in place: a filter, a
    /// convolution, measured values put in place of calculated ones. `change` runs on the workers, once for every ky.
    ///
    /// # Errors
    /// As [`Self::forward`], and those of `change`. A call that fails leaves `volume` as it was.
    pub fn filter(
        &self,
        context: &Context,
        volume: &mut [T],
        scratch: &mut RealScratch3<T>,
        waiting: &mut Waiting<'_>,
        change: &(dyn Fn(Slab<'_, T>) -> Result<()> + Sync),
    ) -> Result<()> {
        self.check(volume.len(), None)?;
        self.change(context, volume, scratch, waiting, change)?;
        self.synthesise(context, volume, scratch, waiting)
    }

    /// As [`Self::filter`], from one volume to another.
    ///
    /// # Errors
    /// As [`Self::filter`].
    pub fn filter_into(
        &self,
        context: &Context,
        (from, to): (&[T], &mut [T]),
        scratch: &mut RealScratch3<T>,
        waiting: &mut Waiting<'_>,
        change: &(dyn Fn(Slab<'_, T>) -> Result<()> + Sync),
    ) -> Result<()> {
        self.check(from.len(), None)?;
        self.check(to.len(), None)?;
        self.change(context, from, scratch, waiting, change)?;
        self.synthesise(context, to, scratch, waiting)
    }

    fn change(
        &self,
        context: &Context,
        volume: &[T],
        scratch: &mut RealScratch3<T>,
        waiting: &mut Waiting<'_>,
        change: &(dyn Fn(Slab<'_, T>) -> Result<()> + Sync),
    ) -> Result<()> {
        waiting.part(0.0, 0.4, |waiting| self.analyse(context, volume, scratch, waiting))?;
        waiting.part(0.4, 1.0, |waiting| self.slabs(context, scratch, waiting, (true, true), change))
    }

    fn check(&self, volume: usize, spectrum: Option<usize>) -> Result<()> {
        if volume != self.volume.iter().product::<usize>() {
            return Err(Error::shape("volume to be transformed", &[volume], format!("{:?} (z, y, x)", self.volume)));
        }
        match spectrum {
            Some(got) if got != self.spectrum_len() => {
                Err(Error::shape("spectrum of a volume", &[got], format!("{} values", self.spectrum_len())))
            }
            _ => Ok(()),
        }
    }

    /// Pass 1: planes of the scratch from the volume.
    fn analyse(
        &self,
        context: &Context,
        volume: &[T],
        scratch: &RealScratch3<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let count = self.volume[0].div_ceil(2);
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "transforming a volume");
        context.for_each(count, &mut tell, &|pair| {
            let mut worker = scratch.worker(self);
            let Worker { rows, sweep: lines, .. } = &mut worker;
            let [_, ny, nx] = self.volume;
            let (even, odd) = volume[2 * pair * ny * nx..].split_at(ny * nx);
            for y in 0..ny {
                let (re, im) = rows.row_mut(y);
                re[..nx].copy_from_slice(&even[y * nx..][..nx]);
                match odd.get(y * nx..(y + 1) * nx) {
                    Some(row) => im[..nx].copy_from_slice(row),
                    None => im[..nx].fill(T::of(0.0)),
                }
            }
            let along_x = self.rows_sweep(&self.places[2], &self.place_of_kx);
            sweep(self.path, &along_x, rows, &mut [Step::Forward], lines);
            let mut plane = lock(&scratch.planes[2 * pair]);
            let mut second = scratch.planes.get(2 * pair + 1).map(lock);
            self.separate(rows, &mut plane, second.as_deref_mut());
            for plane in std::iter::once(&mut plane).chain(&mut second) {
                sweep(self.path, &self.columns_sweep(&self.along_y), plane, &mut [Step::Forward], lines);
            }
            scratch.give(worker);
            Ok(())
        })
    }

    /// The transforms A and B of two real rows out of that of A + iB, to the rows of the padded planes.
    fn separate(&self, rows: &ComplexPlane<T>, a: &mut ComplexPlane<T>, b: Option<&mut ComplexPlane<T>>) {
        let (half, n, scale) = (self.half(), self.size[2], T::of(0.5));
        let mut targets = [Some(a), b];
        for plane in targets.iter_mut().flatten() {
            plane.clear();
        }
        for (y, place) in self.places[1].iter().enumerate() {
            let (re, im) = rows.row(y);
            for (second, plane) in targets.iter_mut().enumerate() {
                let Some(plane) = plane else { continue };
                let (out_re, out_im) = plane.row_mut(*place);
                // with Z = A + iB and W = conj(Z(-kx)): A = (Z + W) / 2, B = (Z - W) / 2i
                if second == 0 {
                    (out_re[0], out_im[0]) = (re[0], T::of(0.0));
                    for kx in 1..half {
                        out_re[kx] = (re[kx] + re[n - kx]) * scale;
                        out_im[kx] = (im[kx] - im[n - kx]) * scale;
                    }
                } else {
                    (out_re[0], out_im[0]) = (im[0], T::of(0.0));
                    for kx in 1..half {
                        out_re[kx] = (im[kx] + im[n - kx]) * scale;
                        out_im[kx] = (re[n - kx] - re[kx]) * scale;
                    }
                }
            }
        }
    }

    /// Pass 2: every slab, transformed forward before and backward after `change` where asked for.
    fn slabs(
        &self,
        context: &Context,
        scratch: &RealScratch3<T>,
        waiting: &mut Waiting<'_>,
        (forward, backward): (bool, bool),
        change: &(dyn Fn(Slab<'_, T>) -> Result<()> + Sync),
    ) -> Result<()> {
        let count = self.size[1];
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "transforming a volume");
        let along_z = self.columns_sweep(&self.along_z);
        context.for_each(count, &mut tell, &|ky| {
            let mut worker = scratch.worker(self);
            let Worker { slab, sweep: lines, .. } = &mut worker;
            let place = self.place_of_ky[ky];
            if forward {
                if self.volume[0] < self.size[0] {
                    slab.clear();
                }
                for (plane, z) in scratch.planes.iter().zip(&self.places[0]) {
                    let plane = lock(plane);
                    let ((re, im), (to_re, to_im)) = (plane.row(place), slab.row_mut(*z));
                    to_re.copy_from_slice(re);
                    to_im.copy_from_slice(im);
                }
                sweep(self.path, &along_z, slab, &mut [Step::Forward], lines);
            }
            change(Slab { ky, kz_of_row: self.along_z.frequency_at(), values: slab })?;
            if backward {
                sweep(self.path, &along_z, slab, &mut [Step::Backward], lines);
                for (plane, z) in scratch.planes.iter().zip(&self.places[0]) {
                    let mut plane = lock(plane);
                    let ((re, im), (to_re, to_im)) = (slab.row(*z), plane.row_mut(place));
                    to_re.copy_from_slice(re);
                    to_im.copy_from_slice(im);
                }
            }
            scratch.give(worker);
            Ok(())
        })
    }

    /// Pass 3: the volume from the planes of the scratch. It ends soon and is not cancelled: the volume is the old or
    /// the new one.
    fn synthesise(
        &self,
        context: &Context,
        volume: &mut [T],
        scratch: &RealScratch3<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let [_, ny, nx] = self.volume;
        let scale = T::of(1.0 / self.size.iter().map(|n| *n as f64).product::<f64>());
        let pairs: Vec<Mutex<&mut [T]>> = volume.chunks_mut(2 * ny * nx).map(Mutex::new).collect();
        let mut tell = |_: usize| {
            (waiting.tell)(1.0);
            Ok(())
        };
        context.for_each(pairs.len(), &mut tell, &|pair| {
            let mut worker = scratch.worker(self);
            let Worker { rows, sweep: lines, .. } = &mut worker;
            let mut plane = lock(&scratch.planes[2 * pair]);
            let mut second = scratch.planes.get(2 * pair + 1).map(lock);
            for plane in std::iter::once(&mut plane).chain(&mut second) {
                sweep(self.path, &self.columns_sweep(&self.along_y), plane, &mut [Step::Backward], lines);
            }
            self.join(&plane, second.as_deref(), rows);
            let along_x = self.rows_sweep(&self.place_of_kx, &self.places[2]);
            sweep(self.path, &along_x, rows, &mut [Step::Backward], lines);
            let mut out = lock(&pairs[pair]);
            for (i, out) in out.chunks_exact_mut(nx).enumerate() {
                let (re, im) = rows.row(i % ny);
                let from = if i < ny { re } else { im };
                out.iter_mut().zip(from).for_each(|(v, from)| *v = *from * scale);
            }
            scratch.give(worker);
            Ok(())
        })
    }

    /// A + iB at all kx from the halves of two real rows. What a real row cannot have, an imaginary part at kx = 0 and
    /// at the Nyquist frequency, is dropped, so that neighbouring planes never mix.
    fn join(&self, a: &ComplexPlane<T>, b: Option<&ComplexPlane<T>>, rows: &mut ComplexPlane<T>) {
        let (half, n, zero) = (self.half(), self.size[2], T::of(0.0));
        for (y, place) in self.places[1].iter().enumerate() {
            let (re, im) = rows.row_mut(y);
            let (ar, ai) = a.row(*place);
            match b.map(|b| b.row(*place)) {
                Some((br, bi)) => {
                    for kx in 1..half {
                        // the mirrored one first: at the Nyquist frequency both are the same point
                        (re[n - kx], im[n - kx]) = (ar[kx] + bi[kx], br[kx] - ai[kx]);
                        (re[kx], im[kx]) = (ar[kx] - bi[kx], ai[kx] + br[kx]);
                    }
                    (re[0], im[0]) = (ar[0], br[0]);
                    if n.is_multiple_of(2) {
                        (re[n / 2], im[n / 2]) = (ar[n / 2], br[n / 2]);
                    }
                }
                None => {
                    for kx in 1..half {
                        (re[n - kx], im[n - kx]) = (ar[kx], -ai[kx]);
                        (re[kx], im[kx]) = (ar[kx], ai[kx]);
                    }
                    (re[0], im[0]) = (ar[0], zero);
                    if n.is_multiple_of(2) {
                        (re[n / 2], im[n / 2]) = (ar[n / 2], zero);
                    }
                }
            }
        }
    }

    fn rows_sweep<'a>(&'a self, load: &'a [usize], store: &'a [usize]) -> Sweep<'a, T> {
        Sweep { plan: &self.along_x, lines: Lines::Rows, count: self.volume[1], load: Some(load), store: Some(store) }
    }

    fn columns_sweep<'a>(&self, plan: &'a LinePlan<T>) -> Sweep<'a, T> {
        Sweep { plan, lines: Lines::Columns, count: self.half(), load: None, store: None }
    }
}

impl<T: Real> RealScratch3<T> {
    fn worker(&self, plan: &RealTransform3<T>) -> Worker<T> {
        lock(&self.workers).pop().unwrap_or_else(|| Worker {
            rows: ComplexPlane::new(plan.volume[1], plan.size[2]),
            slab: ComplexPlane::new(plan.size[0], plan.half()),
            sweep: SweepScratch::default(),
        })
    }

    fn give(&self, worker: Worker<T>) {
        lock(&self.workers).push(worker);
    }
}

/// Largest edge of a transform.
const MAX_EDGE: usize = 1 << 14;

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn inverted(frequency_at: &[usize]) -> Vec<usize> {
    let mut place = vec![0; frequency_at.len()];
    frequency_at.iter().enumerate().for_each(|(at, frequency)| place[*frequency] = at);
    place
}

#[cfg(test)]
mod tests;
