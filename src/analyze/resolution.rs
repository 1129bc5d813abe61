//! Resolution of volumes: Fourier shell correlation.
//!
//! With the transforms F and G of two volumes, over the frequencies k of shell s,
//!
//!   FSC(s) = Re sum F(k) G*(k) / sqrt(sum |F(k)|^2 sum |G(k)|^2)
//!
//! (Harauz and van Heel 1986); 0 where one of the volumes has nothing in the shell. Shells are one step of the longest
//! edge's frequency wide and end at the Nyquist frequency. The resolution is 1 / frequency where the curve first falls
//! below a threshold, on the straight line between two shells.
//!
//! The half-bit threshold (van Heel and Schatz 2005) asks for half a bit of information per Fourier coefficient, an SNR of
//! (sqrt(2) - 1) / 2 = 0.2071 in each half set:
//!
//!   T(s) = (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)),    n = f n(s) / (2 m),
//!
//! n(s) being the coefficients of the whole shell, of which Friedel pairs are one measurement, f the part of the volume
//! that the specimen fills (a small specimen makes neighbouring coefficients alike) and m the number of asymmetric units.

use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::fourier::{spectrum_of, Shells};
use crate::geometry::Vec3;
use crate::prepare::{check_alike, multiply};
use crate::problem::Waiting;
use crate::specimen::Volume;
use std::borrow::Cow;

/// Frequencies within an angle of a direction, at both ends of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cone {
    /// The direction (x, y, z), of any length.
    pub direction: Vec3,
    /// Largest angle to it, degrees: above 0, at most 90.
    pub half_angle_deg: f64,
}

/// Options of [`shell_correlation`].
#[derive(Debug, Clone, PartialEq)]
pub struct ShellOptions {
    /// Only frequencies in this cone count; `None`: all.
    pub cone: Option<Cone>,
    /// Part f of the volume that the specimen fills, above 0, at most 1.
    pub filling: f64,
    /// Asymmetric units m of the specimen, 1 or more.
    pub symmetry: f64,
}

impl Default for ShellOptions {
    fn default() -> Self {
        Self { cone: None, filling: 1.0, symmetry: 1.0 }
    }
}

/// Where a curve first falls below its threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crossing {
    /// At this resolution, in the unit of the voxel size.
    At(f64),
    /// Nowhere up to the Nyquist frequency: the voxels, not the data, are the limit.
    BeyondNyquist,
    /// In the first shell that counts: the volumes have nothing in common.
    Nowhere,
}

/// A Fourier shell correlation; one value per shell, the mean (frequency 0) first.
#[derive(Debug, Clone, PartialEq)]
pub struct ShellCorrelation {
    /// Cycles per length.
    pub frequencies: Vec<f64>,
    /// FSC(s).
    pub correlations: Vec<f64>,
    /// n(s): Fourier coefficients of the whole shell, or its part in the cone.
    pub coefficients: Vec<u64>,
    /// T(s).
    pub half_bit: Vec<f64>,
}

impl ShellCorrelation {
    /// Number of shells for volumes of `shape`.
    pub fn shells(shape: [usize; 3]) -> usize {
        Shells::new(shape).count()
    }

    /// Where the curve falls below a fixed value: 1/7 for half sets (Rosenthal and Henderson 2003 round to 0.143), or 0.5.
    pub fn below(&self, threshold: f64) -> Crossing {
        self.crossing(|_| threshold)
    }

    /// Where the curve falls below the half-bit threshold.
    pub fn below_half_bit(&self) -> Crossing {
        self.crossing(|shell| self.half_bit[shell])
    }

    /// The mean does not count, nor do shells without coefficients and those of a single independent one, whose threshold is
    /// 1: they can tell nothing.
    fn crossing(&self, threshold: impl Fn(usize) -> f64) -> Crossing {
        let mut last: Option<(f64, f64)> = None;
        let counts = |shell: &usize| self.coefficients[*shell] > 0 && threshold(*shell) < 1.0;
        for shell in (1..self.correlations.len()).filter(counts) {
            let (frequency, above) = (self.frequencies[shell], self.correlations[shell] - threshold(shell));
            match last {
                _ if above >= 0.0 => last = Some((frequency, above)),
                None => return Crossing::Nowhere,
                Some((before, was)) => {
                    return Crossing::At(1.0 / (before + (frequency - before) * was / (was - above)));
                }
            }
        }
        if last.is_some() {
            Crossing::BeyondNyquist
        } else {
            Crossing::Nowhere
        }
    }
}

/// T for a shell of n independent coefficients; 1 for none.
pub fn half_bit(n: f64) -> f64 {
    let root = 1.0 / n.max(0.0).sqrt();
    // No coefficient tells anything: the limit of few.
    if root.is_finite() {
        ((0.2071 + 1.9102 * root) / (1.2071 + 0.9102 * root)).min(1.0)
    } else {
        1.0
    }
}

/// The Fourier shell correlation of `a` and `b`, both times `mask` where there is one. A mask with a hard edge correlates
/// by itself: give it a soft one, and the same to both.
///
/// # Errors
/// `Shape` and `Inconsistent` for volumes or a mask that differ in shape or voxel size, `Range` for options without
/// meaning, `Empty` for a volume (times its mask) that is 0, `Memory`, `Cancelled`.
pub fn shell_correlation(
    context: &Context,
    [a, b]: [&Volume; 2],
    mask: Option<&Volume>,
    options: &ShellOptions,
    waiting: &mut Waiting<'_>,
) -> Result<ShellCorrelation> {
    check_alike("the second volume", b, a)?;
    if let Some(mask) = mask {
        check_alike("mask", mask, a)?;
    }
    options.check()?;
    let shells = Shells::new(a.shape());
    let f = waiting.part(0.0, 0.4, |waiting| masked_spectrum(context, ("the first volume", a), mask, waiting))?;
    let g = waiting.part(0.4, 0.8, |waiting| masked_spectrum(context, ("the second volume", b), mask, waiting))?;
    let cone = options.cone.map(|cone| (cone.direction, cone.half_angle_deg.to_radians().cos()));
    let sums = waiting.part(0.8, 1.0, |waiting| {
        shells.sums(context, 4, waiting, &|k, index, sums| {
            if cone.is_some_and(|cone| !in_cone(shells.vector(k), cone)) {
                return;
            }
            let times = shells.multiplicity(k[2]) as f64;
            let (f, g) = (f[index], g[index]);
            let [fr, fi, gr, gi] = [f.re, f.im, g.re, g.im].map(f64::from);
            sums[0] += times * (fr * gr + fi * gi);
            sums[1] += times * (fr * fr + fi * fi);
            sums[2] += times * (gr * gr + gi * gi);
            sums[3] += times;
        })
    })?;
    let of = |sums: &[f64]| match sums[1].sqrt() * sums[2].sqrt() {
        norm if norm > 0.0 => (sums[0] / norm).clamp(-1.0, 1.0),
        _ => 0.0,
    };
    let independent = options.filling / (2.0 * options.symmetry);
    Ok(ShellCorrelation {
        frequencies: (0..shells.count()).map(|s| shells.frequency(s) / a.voxel_size()).collect(),
        correlations: sums.chunks_exact(4).map(of).collect(),
        coefficients: sums.chunks_exact(4).map(|sums| sums[3] as u64).collect(),
        half_bit: sums.chunks_exact(4).map(|sums| half_bit(independent * sums[3])).collect(),
    })
}

impl ShellOptions {
    fn check(&self) -> Result<()> {
        if !(self.filling > 0.0 && self.filling <= 1.0) {
            return Err(Error::range("filling", self.filling, "above 0, at most 1"));
        }
        if !(self.symmetry.is_finite() && self.symmetry >= 1.0) {
            return Err(Error::range("symmetry", self.symmetry, "1 or more asymmetric units"));
        }
        let Some(cone) = self.cone else { return Ok(()) };
        Error::unless_finite("direction of the cone", "axis", &cone.direction)?;
        if cone.direction.iter().all(|v| *v == 0.0) {
            return Err(Error::range("direction of the cone", "(0, 0, 0)", "a vector (x, y, z) of some length"));
        }
        match cone.half_angle_deg > 0.0 && cone.half_angle_deg <= 90.0 {
            true => Ok(()),
            false => Err(Error::range("half_angle_deg", cone.half_angle_deg, "above 0, at most 90 degrees")),
        }
    }
}

/// Whether k (z, y, x) lies within the angle of this cosine about a direction (x, y, z).
fn in_cone(k: [f64; 3], (direction, cosine): (Vec3, f64)) -> bool {
    let dot = k[2] * direction[0] + k[1] * direction[1] + k[0] * direction[2];
    let length = |v: [f64; 3]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    dot.abs() >= length(k) * length(direction) * (cosine - 1e-12)
}

fn masked_spectrum(
    context: &Context,
    (name, volume): (&str, &Volume),
    mask: Option<&Volume>,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<num_complex::Complex32>> {
    let volume = match mask {
        Some(mask) => Cow::Owned(waiting.part(0.0, 0.2, |waiting| multiply(context, volume, mask, waiting))?),
        None => Cow::Borrowed(volume),
    };
    if volume.as_slice().iter().all(|v| *v == 0.0) {
        let why = if mask.is_some() { "it is 0 wherever the mask is not" } else { "all of its voxels are 0" };
        return Err(Error::Empty { what: name.into(), why: why.into() });
    }
    waiting.part(0.2, 1.0, |waiting| spectrum_of(context, volume.shape(), volume.as_slice(), waiting))
}

/// The images in use of the even and of the odd tilts, counted over the tilts in use in their order: two half sets, to be
/// reconstructed apart and compared.
///
/// # Errors
/// `NotReady` with fewer than two tilts in use.
pub fn half_sets(version: &SeriesVersion) -> Result<[Vec<usize>; 2]> {
    let used = |tilt: &crate::dataset::Tilt| -> Vec<usize> {
        tilt.images.iter().copied().filter(|i| !version.images()[*i].excluded).collect()
    };
    let tilts: Vec<Vec<usize>> = version.tilts().iter().map(used).filter(|images| !images.is_empty()).collect();
    if tilts.len() < 2 {
        let why = format!("two half sets need two tilts in use, it has {}", tilts.len());
        return Err(Error::NotReady { what: "the dataset".into(), why });
    }
    let half = |parity: usize| {
        let mut images: Vec<usize> = tilts.iter().skip(parity).step_by(2).flatten().copied().collect();
        images.sort_unstable();
        images
    };
    Ok([half(0), half(1)])
}

#[cfg(test)]
mod tests;
