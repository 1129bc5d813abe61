//! What a volume says of itself before atoms are traced: background, noise, and the height that parts atoms from noise.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use ndarray::ArrayView3;

/// Quantiles of the voxels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub median: f64,
    /// 99.9 % quantile.
    pub high: f64,
    pub highest: f64,
}

impl Levels {
    pub fn of(context: &Context, values: ArrayView3<'_, f32>, waiting: &mut Waiting<'_>) -> Result<Self> {
        let of_all = collected(context, 1, "looking for the threshold", waiting, &|_| {
            let mut sorted: Vec<f32> = values.iter().copied().collect();
            let last = sorted.len() - 1;
            let mut quantile = |part: f64| {
                let at = ((part * sorted.len() as f64) as usize).min(last);
                f64::from(*sorted.select_nth_unstable_by(at, f32::total_cmp).1)
            };
            Self { median: quantile(0.5), high: quantile(0.999), highest: quantile(1.0) }
        })?;
        of_all.first().copied().ok_or_else(|| Error::Internal("no quantiles".into()))
    }
}

/// Median of absolute deviations of a normal distribution of standard deviation 1.
const MAD: f64 = 0.674_489_750_196_081_7;

/// Voxels that the noise is estimated from, at most about.
const SAMPLES: usize = 2_000_000;

/// Standard deviation of white noise in the voxels: median of |second differences along z, y and x in turn|, which take
/// smooth atoms away (Immerkaer's operator in three dimensions, of norm 6^(3/2)). Where nothing changes, as in masked parts,
/// there is no noise to be seen, and such voxels do not count.
pub(super) fn noise(context: &Context, values: ArrayView3<'_, f32>, waiting: &mut Waiting<'_>) -> Result<f64> {
    let (nz, ny, nx) = values.dim();
    if nz < 3 || ny < 3 || nx < 3 {
        return Ok(0.0);
    }
    let stride = ((nz - 2) * (ny - 2) * (nx - 2)).div_ceil(SAMPLES);
    let second = [1.0, -2.0, 1.0];
    let of_planes = collected(context, nz - 2, "estimating the noise", waiting, &|plane| {
        let inner = (ny - 2) * (nx - 2);
        let first = (stride - plane * inner % stride) % stride;
        let at = (first..inner).step_by(stride).map(|i| [plane, i / (nx - 2), i % (nx - 2)]);
        let difference = |at: [usize; 3]| {
            let tap = |k: usize| second[k / 9] * second[k / 3 % 3] * second[k % 3];
            let value = |k: usize| f64::from(values[[at[0] + k / 9, at[1] + k / 3 % 3, at[2] + k % 3]]);
            (0..27).map(|k| tap(k) * value(k)).sum::<f64>().abs() as f32
        };
        at.map(difference).filter(|d| *d > 0.0).collect::<Vec<f32>>()
    })?;
    let mut all = of_planes.concat();
    if all.is_empty() {
        return Ok(0.0);
    }
    let middle = all.len() / 2;
    let median = f64::from(*all.select_nth_unstable_by(middle, f32::total_cmp).1);
    Ok(median / MAD / 6f64.powf(1.5))
}

/// Heights below this part of the 99.9 % quantile are not looked at: ripples of clean volumes.
pub(super) const LEAST_PART: f64 = 0.01;

/// Width of a class of logarithms of heights.
const CLASS: f64 = 0.01;
/// Bandwidths of the density, as logarithms of heights.
const BANDWIDTHS: (f64, f64) = (0.04, 0.2);
/// A valley lies this much lower than the lower of its hills ...
const DEPTH: f64 = 1.5;
/// ... and by this many standard deviations of the counts.
const SIGNIFICANT: f64 = 4.0;

/// The lowest valley in the density of the logarithms of `heights` (above the background, positive), `None` where there
/// is one hill only. Logarithms, since atoms of one species scatter by a part of their height, so that every species and
/// the noise are hills of like width; a valley and not Otsu's border, which in volumes of far more noise than atoms parts
/// the noise; the lowest one, since others part species.
pub(super) fn valley(heights: &[f64]) -> Option<f64> {
    let logs: Vec<f64> = heights.iter().filter(|h| **h > 0.0).map(|h| h.ln()).collect();
    let bandwidth = bandwidth(&logs)?;
    let low = logs.iter().copied().fold(f64::INFINITY, f64::min) - 3.0 * bandwidth;
    let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 3.0 * bandwidth;
    let mut counts = vec![0.0; ((high - low) / CLASS) as usize + 1];
    logs.iter().for_each(|l| counts[((l - low) / CLASS) as usize] += 1.0);
    let reach = (4.0 * bandwidth / CLASS).ceil() as usize;
    let weight = |d: usize| (-0.5 * (d as f64 * CLASS / bandwidth).powi(2)).exp();
    let near = |i: usize| i.saturating_sub(reach)..(i + reach + 1).min(counts.len());
    // about the number of heights within 1.25 bandwidths on each side
    let density: Vec<f64> =
        (0..counts.len()).map(|i| near(i).map(|j| counts[j] * weight(i.abs_diff(j))).sum()).collect();
    let valleys = significant(&density);
    valleys.first().map(|at| (low + (*at as f64 + 0.5) * CLASS).exp())
}

/// Half of Silverman's rule, which is meant for one hill.
fn bandwidth(logs: &[f64]) -> Option<f64> {
    if logs.len() < 8 {
        return None;
    }
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let deviation = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n).sqrt();
    Some((0.5 * 0.9 * deviation * n.powf(-0.2)).clamp(BANDWIDTHS.0, BANDWIDTHS.1))
}

/// Places of the valleys that count: hills that are not parted from a neighbour join it, the shallowest valley first.
fn significant(density: &[f64]) -> Vec<usize> {
    let at = |i: usize| density[i];
    // Hills and the valleys between them, in turns.
    let mut hills: Vec<usize> = Vec::new();
    for i in 0..density.len() {
        let before = i == 0 || at(i) > at(i - 1);
        let after = i + 1 == density.len() || at(i) >= at(i + 1);
        if before && after && at(i) > 0.0 {
            hills.push(i);
        }
    }
    let lowest = |from: usize, to: usize| {
        let least = (from..=to).map(at).fold(f64::INFINITY, f64::min);
        let places: Vec<usize> = (from..=to).filter(|i| at(*i) <= least).collect();
        places[places.len() / 2] // the middle of an empty stretch
    };
    loop {
        let valleys: Vec<usize> = hills.windows(2).map(|pair| lowest(pair[0], pair[1])).collect();
        let margin = |k: usize| {
            let (hill, valley) = (at(hills[k]).min(at(hills[k + 1])), at(valleys[k]));
            let ratio = hill / (DEPTH * valley.max(f64::MIN_POSITIVE));
            ratio.min((hill - valley) / (SIGNIFICANT * (hill + valley).sqrt()))
        };
        let Some(worst) = (0..valleys.len()).min_by(|a, b| margin(*a).total_cmp(&margin(*b))) else { return valleys };
        if margin(worst) >= 1.0 {
            return valleys;
        }
        let lower = if at(hills[worst]) < at(hills[worst + 1]) { worst } else { worst + 1 };
        hills.remove(lower);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use ndarray::Array3;
    use rand::SeedableRng;
    use rand_distr::{Distribution, Normal};

    fn normal(seed: u64, count: usize, mean: f64, deviation: f64) -> Vec<f64> {
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
        let normal = Normal::new(mean, deviation).unwrap();
        (0..count).map(|_| normal.sample(&mut random)).collect()
    }

    #[test]
    fn the_noise_is_seen_between_atoms() {
        let context = Context::new(&ContextOptions { threads: Some(2), simd: None }).unwrap();
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        let values = normal(1, 40 * 40 * 40, 0.0, 0.2);
        let wave = |v: usize| (v as f64 * 0.7).cos();
        let mut values = Array3::from_shape_fn((40, 40, 40), |(z, y, x)| {
            (wave(z) * wave(y) * wave(x) + values[(z * 40 + y) * 40 + x]) as f32
        });
        let found = noise(&context, values.view(), &mut waiting).unwrap();
        assert!((found / 0.2 - 1.0).abs() < 0.05, "{found}");
        values.slice_mut(ndarray::s![.., .., 12..]).fill(0.0); // masked: most voxels do not count
        let found = noise(&context, values.view(), &mut waiting).unwrap();
        assert!((found / 0.2 - 1.0).abs() < 0.15, "{found}");
        let flat = Array3::from_elem((5, 5, 5), 3.0);
        assert_eq!(noise(&context, flat.view(), &mut waiting).unwrap(), 0.0);
        let levels = Levels::of(&context, values.view(), &mut waiting).unwrap();
        assert!(levels.median == 0.0 && levels.high > 0.4 && levels.highest > levels.high, "{levels:?}");
    }

    #[test]
    fn the_valley_parts_noise_from_atoms() {
        let part = |noise: usize, atoms: &[(usize, f64)]| {
            let mut heights: Vec<f64> = normal(3, noise, 0.0, 0.35).iter().map(|l| 0.2 * l.exp()).collect();
            for (count, height) in atoms {
                heights.extend(normal(4, *count, *height, 0.1 * height));
            }
            valley(&heights)
        };
        let border = part(40_000, &[(500, 3.0)]).unwrap(); // far more noise than atoms
        assert!((0.7..2.3).contains(&border), "{border}");
        let border = part(300, &[(5000, 2.0)]).unwrap();
        assert!((0.4..1.6).contains(&border), "{border}");
        let border = part(2000, &[(1000, 2.0), (1000, 8.0)]).unwrap(); // the lowest one
        assert!((0.5..1.7).contains(&border), "{border}");
        assert_eq!(part(0, &[(5000, 2.0)]), None);
        assert_eq!(part(5000, &[]), None);
        assert_eq!(valley(&[1.0, 2.0]), None);
    }
}
