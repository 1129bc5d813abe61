//! Bragg peaks: the maxima of a volume's spectrum that noise does not make.
//!
//! A box of the volume, under a Hann window along each axis, is transformed with its middle at phase zero. The window's
//! transform is real and positive around a peak, so that the phases next to it tell where the lattice stands. Noise gives
//! |F|^2 an exponential distribution about a mean that depends on the frequency alone; the geometric mean over a shell, which
//! peaks hardly change, is exp(-0.5772) = 0.5615 of that mean. A threshold of ln(n / p) means over n values lets noise pass
//! with the probability p.

use super::crystal::length;
use super::field::Field;
use crate::context::Context;
use crate::error::Result;
use crate::fourier::{spectrum_of, Shells};
use crate::geometry::Vec3;
use crate::grid::{fast_size, origin};
use crate::prepare::planes::{collected, planes};
use crate::problem::Waiting;
use crate::trace::peaks::{thin_out, Parabola, Peak};
use num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;

/// Edge of the box at most, voxels.
const LONGEST: usize = 320;

/// Peaks kept, the strongest.
const MOST_PEAKS: usize = 400;

/// Geometric mean of |F|^2 of noise as a part of its mean: exp(-0.5772).
const GEOMETRIC: f64 = 0.561_459_483_566_885_2;

/// Probability that noise makes a peak.
const CHANCE: f64 = 0.01;

/// A peak of the spectrum, one of each Friedel pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct BraggPeak {
    /// Its frequency (x, y, z), 1 / angstrom.
    pub frequency: Vec3,
    /// Its amplitude.
    pub height: f64,
    /// The transform at the nearest point, about the middle of the box.
    pub value: Complex64,
}

/// The box of a volume that is transformed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    /// First voxel (z, y, x).
    pub start: [usize; 3],
    /// Voxels (z, y, x): fast sizes.
    pub size: [usize; 3],
}

impl Region {
    /// The box about `centre` (x, y, z), moved to lie in the volume; `edge` in angstrom.
    pub fn new(field: &Field, centre: &Vec3, edge: Option<f64>) -> Self {
        let wanted = edge.map_or(LONGEST, |edge| (edge / field.voxel).round().max(1.0) as usize);
        let size = field.shape.map(|n| {
            let most = wanted.min(n).max(2);
            (2..=most).rev().find(|m| fast_size(*m) == *m).unwrap_or(most)
        });
        let middle = field.index(centre);
        let start = std::array::from_fn(|a| {
            let first = middle[a].round() - origin(size[a]) as f64;
            (first.max(0.0) as usize).min(field.shape[a] - size[a])
        });
        Self { start, size }
    }

    /// The voxel (z, y, x) at phase zero.
    pub fn middle(&self) -> [f64; 3] {
        std::array::from_fn(|a| (self.start[a] + origin(self.size[a])) as f64)
    }

    /// The coarsest step of the transform along an axis, 1 / angstrom.
    pub fn step(&self, voxel: f64) -> f64 {
        1.0 / (self.size.into_iter().min().unwrap_or(1) as f64 * voxel)
    }
}

/// The half spectrum of a box of the volume.
struct Spectrum {
    size: [usize; 3],
    voxel: f64,
    values: Vec<Complex32>,
}

/// The peaks above the frequency `lowest` and at least `separation` apart, 1 / angstrom, the strongest first.
///
/// # Errors
/// `Memory`, `Cancelled`.
pub(super) fn bragg_peaks(
    context: &Context,
    field: &Field,
    region: &Region,
    (lowest, separation): (f64, f64),
    waiting: &mut Waiting<'_>,
) -> Result<Vec<BraggPeak>> {
    let windowed = waiting.part(0.0, 0.2, |waiting| windowed(context, field, region, waiting))?;
    let values = waiting.part(0.2, 0.6, |waiting| spectrum_of(context, region.size, &windowed, waiting))?;
    drop(windowed);
    let spectrum = Spectrum { size: region.size, voxel: field.voxel, values };
    let shells = Shells::new(region.size);
    let sums = waiting.part(0.6, 0.8, |waiting| {
        shells.sums(context, 2, waiting, &|_, index, sums| {
            let square = f64::from(spectrum.values[index].norm_sqr());
            if square > 0.0 {
                sums[0] += 1.0;
                sums[1] += square.ln();
            }
        })
    })?;
    let counted: f64 = sums.chunks_exact(2).map(|s| s[0]).sum();
    let means = (counted.max(1.0) / CHANCE).ln() / GEOMETRIC;
    let thresholds: Vec<f64> = sums.chunks_exact(2).map(|s| means * (s[1] / s[0].max(1.0)).exp()).collect();
    let found = waiting.part(0.8, 1.0, |waiting| {
        collected(context, region.size[1], "looking for Bragg peaks", waiting, &|ky| {
            spectrum.peaks_of_slab(ky, &|k| {
                let shell = shells.shell(k)?;
                (shells.frequency(shell) / field.voxel >= lowest).then(|| thresholds[shell])
            })
        })
    })?;
    let mut kept = thin_out(found.into_iter().flatten().collect(), separation)?;
    kept.truncate(MOST_PEAKS);
    let peak = |p: Peak| BraggPeak { frequency: p.position, height: p.height, value: spectrum.nearest(&p.position) };
    Ok(kept.into_iter().map(peak).collect())
}

fn windowed(context: &Context, field: &Field, region: &Region, waiting: &mut Waiting<'_>) -> Result<Vec<f32>> {
    let hann = region.size.map(|n| {
        let at = |i: usize| 0.5 + 0.5 * (TAU * (i as f64 - origin(n) as f64) / n as f64).cos();
        (0..n).map(|i| at(i) as f32).collect::<Vec<f32>>()
    });
    let ([_, ny, nx], [z0, y0, x0]) = (region.size, region.start);
    planes(context, region.size, "windowing a volume", waiting, &|z, plane: &mut [f32]| {
        for (y, row) in plane.chunks_exact_mut(nx).enumerate().take(ny) {
            let from = field.place([z0 + z, y0 + y, x0]);
            let across = hann[0][z] * hann[1][y];
            for ((out, v), w) in row.iter_mut().zip(&field.values[from..]).zip(&hann[2]) {
                *out = v * w * across;
            }
        }
    })
}

impl Spectrum {
    /// The value at signed frequencies (kz, ky, kx) in steps of the transform.
    fn at(&self, k: [i64; 3]) -> Complex32 {
        let [nz, ny, nx] = self.size;
        let wrapped = |sign: i64| -> [usize; 3] {
            std::array::from_fn(|a| (sign * k[a]).rem_euclid(self.size[a] as i64) as usize)
        };
        let half = nx / 2 + 1;
        let place = |[z, y, x]: [usize; 3]| (y * nz + z) * half + x;
        let direct = wrapped(1);
        debug_assert!(direct[1] < ny);
        match direct[2] < half {
            true => self.values[place(direct)],
            false => self.values[place(wrapped(-1))].conj(),
        }
    }

    /// The value at the point nearest to a frequency (x, y, z), 1 / angstrom, the middle of the box at phase zero.
    fn nearest(&self, frequency: &Vec3) -> Complex64 {
        let k: [i64; 3] = std::array::from_fn(|a| (frequency[2 - a] * self.size[a] as f64 * self.voxel).round() as i64);
        // the transform has its first voxel there
        let turns: f64 = (0..3).map(|a| k[a] as f64 * origin(self.size[a]) as f64 / self.size[a] as f64).sum();
        let value = self.at(k);
        Complex64::new(value.re.into(), value.im.into()) * Complex64::from_polar(1.0, TAU * turns)
    }

    /// The maxima of |F| with one ky that rise above the threshold of |F|^2 at their frequency.
    fn peaks_of_slab(&self, ky: usize, threshold: &dyn Fn([usize; 3]) -> Option<f64>) -> Vec<Peak> {
        let [nz, ny, nx] = self.size;
        let half = nx / 2 + 1;
        let signed = |k: usize, n: usize| if k < n.div_ceil(2) { k as i64 } else { k as i64 - n as i64 };
        let mut found = Vec::new();
        for kz in 0..nz {
            // beyond, neighbours are the mirror images of others; the frequencies there are no peaks of interest
            for kx in 0..half - 1 {
                let square = f64::from(self.values[(ky * nz + kz) * half + kx].norm_sqr());
                let Some(threshold) = threshold([kz, ky, kx]) else { continue };
                let k = [signed(kz, nz), signed(ky, ny), kx as i64];
                // of a Friedel pair at kx = 0 the one with the larger ky, then kz
                if square <= threshold || (kx == 0 && (k[1], k[0]) < (0, 0)) {
                    continue;
                }
                let around =
                    |d: [i32; 3]| f64::from(self.at(std::array::from_fn(|a| k[a] + i64::from(d[a]))).norm_sqr());
                let mut neighbours = (0..27).filter(|n| *n != 13).map(|n| [n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1]);
                if neighbours.all(|d| around(d) <= square) {
                    // a Gaussian is a parabola in the logarithm
                    let parabola = Parabola::of(|d| 0.5 * around(d).max(1e-12 * square).ln());
                    let offset = parabola.offset();
                    let position = std::array::from_fn(|a| {
                        (k[2 - a] as f64 + offset[2 - a]) / (self.size[2 - a] as f64 * self.voxel)
                    });
                    found.push(Peak { position, height: parabola.height(&offset).exp() });
                }
            }
        }
        found.retain(|p| length(&p.position) > 0.0);
        found
    }
}
