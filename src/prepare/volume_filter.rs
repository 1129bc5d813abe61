//! Fourier filters of volumes: the spectrum times a product of real factors, each 1 where nothing is said.
//!
//! | factor | formula, k in cycles per length |
//! |---|---|
//! | low pass | L(k; c, w) = 1 up to c - w/2, 0 from c + w/2 on, (1 + cos(pi (k - c + w/2) / w)) / 2 between |
//! | high pass | 1 - L(k; c, w) |
//! | Gaussian | exp(-2 pi^2 sigma^2 k^2), a convolution with a Gaussian of standard deviation sigma |
//! | Wiener, from a number | max(0, P(k) - N) / P(k), P the mean of \|F\|^2 over the shell of k and N = mean \|F\|^2 / (1 + SNR), white, the mean over all shells but that of 0 |
//! | Wiener, from a curve | FSC(k) for one half set, 2 FSC(k) / (1 + FSC(k)) for the volume of all data (Rosenthal and Henderson 2003); 0 from the first shell on where FSC <= 0, and beyond the curve |
//! | seen | see [`SeenWeights`] |
//!
//! A filter wraps around the faces of the transform: padding keeps one face from leaking into the opposite one.

use super::mask::raised_cosine;
use super::planes::planes;
use super::seen::SeenWeights;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fourier::{spectrum_of, Edge, RealTransform3, Shells, Slab};
use crate::grid::{fast_size, frequencies};
use crate::problem::Waiting;
use crate::specimen::Volume;
use ndarray::Array3;

/// A cut with a soft edge, in cycles per length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftCut {
    /// Where the factor is 1/2; at most the Nyquist frequency.
    pub frequency: f64,
    /// Width of the edge, at most twice the frequency; `None`: a tenth of the Nyquist frequency, or the cut itself where
    /// that is less.
    pub width: Option<f64>,
}

impl SoftCut {
    /// A cut of automatic width.
    pub fn at(frequency: f64) -> Self {
        Self { frequency, width: None }
    }

    fn check(&self, what: &str, nyquist: f64) -> Result<()> {
        if !(self.frequency > 0.0 && self.frequency <= nyquist * (1.0 + 1e-9)) {
            let wanted = format!("above 0, at most the Nyquist frequency of the voxels, {nyquist} cycles per length");
            return Err(Error::range(what, self.frequency, wanted));
        }
        match self.width.filter(|width| !(*width > 0.0 && *width <= 2.0 * self.frequency * (1.0 + 1e-9))) {
            Some(width) => {
                let wanted = format!("above 0, at most twice the cut, {}", 2.0 * self.frequency);
                Err(Error::range(format!("width of {what}"), width, wanted))
            }
            None => Ok(()),
        }
    }

    /// L(k; c, w)
    fn low_pass(&self, k: f64, nyquist: f64) -> f64 {
        let width = self.width.unwrap_or((0.1 * nyquist).min(self.frequency));
        raised_cosine((k - self.frequency) / width + 0.5)
    }
}

/// What a Wiener filter knows of the noise.
#[derive(Debug, Clone, PartialEq)]
pub enum Wiener {
    /// The variance of the signal over that of white noise, in the volume itself.
    SignalToNoise(f64),
    /// A Fourier shell correlation: (frequency, correlation) with rising frequencies.
    Correlation {
        /// The curve.
        curve: Vec<[f64; 2]>,
        /// Whether the volume is one of the two that were compared; else it is made of the data of both.
        half: bool,
    },
}

/// What lies beyond the faces of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// So many voxels of 0 per axis at least; `None`: a quarter of the edge, at least 8.
    Zeros(Option<usize>),
    /// Mirror images of the volume, as many voxels: for films, which leave the volume at its sides.
    Mirror(Option<usize>),
    /// The volume again.
    Periodic,
}

/// The factors of a filter; the default changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterOptions {
    /// Frequencies above it go.
    pub low_pass: Option<SoftCut>,
    /// Frequencies below it go, the mean with them.
    pub high_pass: Option<SoftCut>,
    /// Standard deviation of a Gaussian, in the unit of the voxel size.
    pub gaussian: Option<f64>,
    /// Signal over signal plus noise.
    pub wiener: Option<Wiener>,
    /// How much of each frequency was seen.
    pub seen: Option<SeenWeights>,
    /// What lies beyond the faces.
    pub padding: Padding,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self {
            low_pass: None,
            high_pass: None,
            gaussian: None,
            wiener: None,
            seen: None,
            padding: Padding::Zeros(None),
        }
    }
}

impl FilterOptions {
    fn check(&self, nyquist: f64) -> Result<()> {
        if let Some(cut) = &self.low_pass {
            cut.check("low_pass", nyquist)?;
        }
        if let Some(cut) = &self.high_pass {
            cut.check("high_pass", nyquist)?;
        }
        if let (Some(low), Some(high)) = (&self.low_pass, &self.high_pass) {
            if high.frequency >= low.frequency {
                let why = format!("high_pass {} leaves nothing below low_pass {}", high.frequency, low.frequency);
                return Err(Error::Inconsistent { what: "band".into(), why });
            }
        }
        if let Some(sigma) = self.gaussian.filter(|sigma| !(sigma.is_finite() && *sigma >= 0.0)) {
            return Err(Error::range("gaussian", sigma, "0 or a positive length (angstrom, or pixels)"));
        }
        match &self.wiener {
            Some(Wiener::SignalToNoise(ratio)) if !(ratio.is_finite() && *ratio > 0.0) => {
                return Err(Error::range("signal_to_noise", ratio, "a positive number"));
            }
            Some(Wiener::Correlation { curve, .. }) => check_curve(curve)?,
            _ => {}
        }
        self.seen.as_ref().map_or(Ok(()), SeenWeights::check)
    }
}

/// The volume with its spectrum times all factors of `options`.
///
/// # Errors
/// `Range` for cuts beyond the Nyquist frequency and other numbers without meaning, `Inconsistent` for a band without
/// frequencies and a curve that does not rise along its frequencies, `NonFinite` in a curve, `Empty` for one without
/// points, `Memory`, `Cancelled`.
pub fn filter(
    context: &Context,
    volume: &Volume,
    options: &FilterOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Volume> {
    let nyquist = 0.5 / volume.voxel_size();
    options.check(nyquist)?;
    let wiener = match &options.wiener {
        None => None,
        Some(Wiener::Correlation { curve, half }) => Some(of_correlation(curve, *half)),
        Some(Wiener::SignalToNoise(ratio)) => {
            Some(waiting.part(0.0, 0.3, |waiting| of_power(context, volume, *ratio, waiting))?)
        }
    };
    let edge = *volume.shape().iter().max().unwrap_or(&1);
    let longest = edge as f64 * volume.voxel_size();
    let factor = |k: [f64; 3]| {
        let length = k.iter().map(|v| v * v).sum::<f64>().sqrt();
        let mut factor = options.low_pass.map_or(1.0, |cut| cut.low_pass(length, nyquist));
        factor *= options.high_pass.map_or(1.0, |cut| 1.0 - cut.low_pass(length, nyquist));
        if factor == 0.0 {
            return 0.0;
        }
        if let Some(sigma) = options.gaussian {
            factor *= (-2.0 * (std::f64::consts::PI * sigma * length).powi(2)).exp();
        }
        factor *= wiener.as_ref().map_or(1.0, |table| table.at(length));
        factor * options.seen.as_ref().map_or(1.0, |seen| seen.weight(k, seen.object_size.unwrap_or(longest)))
    };
    waiting.part(0.3, 1.0, |waiting| apply(context, volume, options.padding, &factor, waiting))
}

/// Multiplies the spectrum by `factor((x, y, z))`, which must be even.
fn apply(
    context: &Context,
    volume: &Volume,
    padding: Padding,
    factor: &(dyn Fn([f64; 3]) -> f64 + Sync),
    waiting: &mut Waiting<'_>,
) -> Result<Volume> {
    let shape = volume.shape();
    let size = padding.sizes(shape);
    let extended = match padding {
        Padding::Mirror(_) => size,
        _ => shape,
    };
    let plan = RealTransform3::padded(context.simd(), extended, size, [0; 3])?;
    let before: [usize; 3] = std::array::from_fn(|axis| (extended[axis] - shape[axis]) / 2);
    let mut values = waiting.part(0.0, 0.1, |waiting| {
        cut_out(context, (volume.as_slice(), shape), (extended, before.map(|n| -(n as i64))), waiting)
    })?;
    let k = size.map(|n| frequencies(n, volume.voxel_size()));
    let mut scratch = plan.scratch(context.threads());
    let weigh = |slab: Slab<'_, f32>| {
        let ky = k[1][slab.ky];
        for (row, kz) in slab.kz_of_row.iter().enumerate() {
            let (re, im) = slab.values.row_mut(row);
            for ((re, im), kx) in re.iter_mut().zip(im).zip(&k[2][..plan.half()]) {
                let factor = factor([*kx, ky, k[0][*kz]]) as f32;
                (*re, *im) = (*re * factor, *im * factor);
            }
        }
        Ok(())
    };
    waiting.part(0.1, 0.9, |waiting| plan.filter(context, &mut values, &mut scratch, waiting, &weigh))?;
    let values = waiting
        .part(0.9, 1.0, |waiting| cut_out(context, (&values, extended), (shape, before.map(|n| n as i64)), waiting))?;
    let values = Array3::from_shape_vec(shape, values).map_err(|e| Error::Internal(e.to_string()))?;
    Volume::new(values, volume.voxel_size())
}

impl Padding {
    /// Points of the transform along each axis; an axis of one voxel has no other frequencies and stays so.
    fn sizes(self, shape: [usize; 3]) -> [usize; 3] {
        let added = |n: usize, asked: Option<usize>| asked.unwrap_or((n / 4).max(8));
        shape.map(|n| match self {
            Padding::Zeros(asked) | Padding::Mirror(asked) if n > 1 && added(n, asked) > 0 => {
                fast_size(n.saturating_add(added(n, asked)))
            }
            _ => n,
        })
    }
}

/// The box of `shape` at `start` of values of shape `from`, mirrored where it goes beyond them.
fn cut_out(
    context: &Context,
    (values, from): (&[f32], [usize; 3]),
    (shape, start): ([usize; 3], [i64; 3]),
    waiting: &mut Waiting<'_>,
) -> Result<Vec<f32>> {
    let source = |axis: usize, i: usize| Edge::Mirror.pixel(start[axis] + i as i64, from[axis]);
    let columns: Vec<usize> = (0..shape[2]).map(|x| source(2, x)).collect();
    planes(context, shape, "padding a volume", waiting, &|z, plane: &mut [f32]| {
        for (y, out) in plane.chunks_exact_mut(shape[2]).enumerate() {
            let row = &values[(source(0, z) * from[1] + source(1, y)) * from[2]..][..from[2]];
            out.iter_mut().zip(&columns).for_each(|(v, x)| *v = row[*x]);
        }
    })
}

/// Factors at rising frequencies, linear between them.
struct Table {
    points: Vec<[f64; 2]>,
    /// Beyond the last point.
    beyond: f64,
}

impl Table {
    fn at(&self, k: f64) -> f64 {
        let above = self.points.partition_point(|[frequency, _]| *frequency < k);
        match (above.checked_sub(1).and_then(|below| self.points.get(below)), self.points.get(above)) {
            (None, Some([_, value])) => *value, // at or before the first
            (Some([k0, v0]), Some([k1, v1])) => v0 + (v1 - v0) * (k - k0) / (k1 - k0),
            (_, None) => self.beyond,
        }
    }
}

fn check_curve(curve: &[[f64; 2]]) -> Result<()> {
    if curve.is_empty() {
        let why = "a curve of (frequency, correlation) has at least one point".into();
        return Err(Error::Empty { what: "curve".into(), why });
    }
    Error::unless_finite("curve (frequency, correlation)", "value", curve.as_flattened())?;
    for (i, pair) in curve.windows(2).enumerate() {
        if pair[1][0] <= pair[0][0] || pair[0][0] < 0.0 {
            let why = format!(
                "point {} has frequency {}, after {}; rising ones from 0 on are wanted",
                i + 1,
                pair[1][0],
                pair[0][0]
            );
            return Err(Error::Inconsistent { what: "curve".into(), why });
        }
    }
    match curve.iter().position(|[_, correlation]| correlation.abs() > 1.0 + 1e-6) {
        Some(at) => Err(Error::range(format!("correlation {at} of the curve"), curve[at][1], "-1 to 1")),
        None => Ok(()),
    }
}

/// FSC or 2 FSC / (1 + FSC), nothing from the first value on that is not positive.
fn of_correlation(curve: &[[f64; 2]], half: bool) -> Table {
    let trusted = curve.iter().position(|[_, c]| *c <= 0.0).unwrap_or(curve.len());
    let factor = |c: f64| if half { c } else { 2.0 * c / (1.0 + c) };
    let mut points: Vec<[f64; 2]> = curve[..trusted].iter().map(|[k, c]| [*k, factor(c.min(1.0))]).collect();
    points.extend(curve.get(trusted).map(|[k, _]| [*k, 0.0]));
    Table { points, beyond: 0.0 }
}

/// max(0, P - N) / P per shell.
fn of_power(context: &Context, volume: &Volume, ratio: f64, waiting: &mut Waiting<'_>) -> Result<Table> {
    let (shape, size) = (volume.shape(), volume.voxel_size());
    let spectrum = waiting.part(0.0, 0.7, |waiting| spectrum_of(context, shape, volume.as_slice(), waiting))?;
    let shells = Shells::new(shape);
    let sums = waiting.part(0.7, 1.0, |waiting| {
        shells.sums(context, 2, waiting, &|k, index, sums| {
            let times = shells.multiplicity(k[2]) as f64;
            let (re, im) = (f64::from(spectrum[index].re), f64::from(spectrum[index].im));
            sums[0] += times * (re * re + im * im);
            sums[1] += times;
        })
    })?;
    let all = sums.chunks_exact(2).skip(1).fold([0.0, 0.0], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
    let noise = all[0] / all[1].max(1.0) / (1.0 + ratio);
    let factor = |(shell, of): (usize, &[f64])| {
        let power = of[0] / of[1].max(1.0);
        let kept = if shell == 0 {
            1.0
        } else if power > noise {
            (power - noise) / power
        } else {
            0.0
        };
        [shells.frequency(shell) / size, kept]
    };
    let points: Vec<[f64; 2]> = sums.chunks_exact(2).enumerate().map(factor).collect();
    // The corners of the spectrum are like the last shell.
    let beyond = points.last().map_or(1.0, |[_, factor]| *factor);
    Ok(Table { points, beyond })
}

#[cfg(test)]
mod tests;
