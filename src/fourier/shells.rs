//! Shells of equal frequency in the transform of a volume.

use super::RealTransform3;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::grid::frequencies;
use crate::problem::Waiting;
use num_complex::Complex;
use std::sync::Mutex;

/// Shells about the origin of the half spectrum of a volume `[z, y, x]`: shell s holds the frequencies k with
/// round(n |k|) = s, |k| in cycles per voxel and n the voxels of the longest edge, up to the Nyquist frequency.
#[derive(Debug, Clone)]
pub struct Shells {
    /// Along z, y and x, cycles per voxel in FFT order.
    frequencies: [Vec<f64>; 3],
    edge: usize,
}

/// Adds what the frequency (kz, ky, kx) has at an index of the half spectrum to the sums of its shell.
pub(crate) type AddToShell<'a> = dyn Fn([usize; 3], usize, &mut [f64]) + Sync + 'a;

impl Shells {
    /// The shells of volumes of `shape` (z, y, x).
    pub fn new(shape: [usize; 3]) -> Self {
        let edge = shape.into_iter().max().unwrap_or(1);
        Self { frequencies: shape.map(|n| frequencies(n, 1.0)), edge }
    }

    /// Number of shells, that of the mean included: n / 2 + 1.
    pub fn count(&self) -> usize {
        self.edge / 2 + 1
    }

    /// Frequency of a shell, cycles per voxel.
    pub fn frequency(&self, shell: usize) -> f64 {
        shell as f64 / self.edge as f64
    }

    /// Shell of (kz, ky, kx) in FFT order; `None` beyond the last one, in the corners of the spectrum.
    pub fn shell(&self, k: [usize; 3]) -> Option<usize> {
        let square: f64 = self.vector(k).iter().map(|f| f * f).sum();
        let shell = (square.sqrt() * self.edge as f64).round() as usize;
        (shell < self.count()).then_some(shell)
    }

    /// The frequency (z, y, x) of (kz, ky, kx), cycles per voxel.
    pub fn vector(&self, k: [usize; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| self.frequencies[axis][k[axis]])
    }

    /// How many values of the whole spectrum one of the half spectrum stands for: its mirror image is not stored.
    pub fn multiplicity(&self, kx: usize) -> usize {
        let nx = self.frequencies[2].len();
        if kx == 0 || 2 * kx == nx {
            1
        } else {
            2
        }
    }

    /// For every shell the sums over its frequencies of what `add(k, index, sums)` adds for the half spectrum's value
    /// `index`, as [`RealTransform3::index`] counts, of k. `width` sums per shell; in a fixed order, so that results do
    /// not depend on the number of threads.
    pub(crate) fn sums(
        &self,
        context: &Context,
        width: usize,
        waiting: &mut Waiting<'_>,
        add: &AddToShell<'_>,
    ) -> Result<Vec<f64>> {
        let [nz, ny, nx] = [0, 1, 2].map(|axis: usize| self.frequencies[axis].len());
        let (half, cancel) = (nx / 2 + 1, waiting.cancel);
        let slabs: Vec<Mutex<Vec<f64>>> = (0..ny).map(|_| Mutex::default()).collect();
        let mut tell = |done: usize| waiting.at(done as f64 / ny as f64, "summing over shells");
        context.for_each(ny, &mut tell, &|ky| {
            cancel.check("summing over shells")?;
            let mut sums = vec![0.0; width * self.count()];
            for (kz, kx) in (0..nz).flat_map(|kz| (0..half).map(move |kx| (kz, kx))) {
                if let Some(shell) = self.shell([kz, ky, kx]) {
                    add([kz, ky, kx], (ky * nz + kz) * half + kx, &mut sums[width * shell..][..width]);
                }
            }
            *slabs[ky].lock().unwrap_or_else(|p| p.into_inner()) = sums;
            Ok(())
        })?;
        let mut total = vec![0.0; width * self.count()];
        for slab in slabs {
            let slab = slab.into_inner().unwrap_or_else(|p| p.into_inner());
            total.iter_mut().zip(slab).for_each(|(sum, v)| *sum += v);
        }
        Ok(total)
    }
}

/// The half spectrum of a volume of `shape`, ordered as [`RealTransform3::index`] says.
pub(crate) fn spectrum_of(
    context: &Context,
    shape: [usize; 3],
    values: &[f32],
    waiting: &mut Waiting<'_>,
) -> Result<Vec<Complex<f32>>> {
    let plan = RealTransform3::new(context.simd(), shape)?;
    let mut spectrum = Vec::new();
    let needed = (plan.spectrum_len() * size_of::<Complex<f32>>()) as u64;
    spectrum.try_reserve_exact(plan.spectrum_len()).map_err(|_| Error::Memory {
        what: "the spectrum of a volume".into(),
        needed,
        available: 0,
    })?;
    spectrum.resize(plan.spectrum_len(), Complex::new(0.0, 0.0));
    plan.forward(context, values, &mut spectrum, &mut plan.scratch(context.threads()), waiting)?;
    Ok(spectrum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    #[test]
    fn shells_hold_every_frequency_below_nyquist_once() {
        let context = Context::new(&ContextOptions { threads: Some(2), simd: None }).unwrap();
        let cancel = context.cancel_token();
        for shape in [[8, 8, 8], [7, 9, 9], [6, 5, 12], [1, 10, 7]] {
            let shells = Shells::new(shape);
            let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
            let counts = shells
                .sums(&context, 1, &mut waiting, &|k, _, sum| sum[0] += shells.multiplicity(k[2]) as f64)
                .unwrap();
            let edge = shape.into_iter().max().unwrap();
            let mut wanted = vec![0.0; edge / 2 + 1];
            let signed = |i: usize, n: usize| if i < n.div_ceil(2) { i as f64 } else { i as f64 - n as f64 } / n as f64;
            for i in 0..shape.iter().product::<usize>() {
                let k = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
                let square: f64 = (0..3).map(|a| signed(k[a], shape[a]).powi(2)).sum();
                let shell = (square.sqrt() * edge as f64).round() as usize;
                if shell < wanted.len() {
                    wanted[shell] += 1.0;
                }
            }
            assert_eq!(counts, wanted, "{shape:?}");
            assert_eq!(shells.frequency(1), 1.0 / edge as f64);
        }
    }
}
