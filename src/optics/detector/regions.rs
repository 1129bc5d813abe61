//! Sums over regions of a pattern, and their moments. A region is kept as its runs of neighbouring pixels in a row:
//! few numbers, and contiguous sums.

use super::grid::{PatternGrid, ROUNDING};
use super::DetectorKind;
use crate::simd::Real;
use std::f64::consts::TAU;

/// Sums that run side by side, for the vector units.
const LANES: usize = 8;

/// Neighbouring pixels of one row that belong to one region.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    start: usize,
    length: u32,
    region: u32,
}

/// Regions of a pattern, each pixel weighted with the efficiency of the detector there.
#[derive(Debug)]
pub(super) struct Regions {
    runs: Vec<Run>,
    /// Efficiency of all pixels of the pattern; `None`: 1.
    efficiency: Option<Vec<f64>>,
}

impl Regions {
    /// The pixels with `region_of`(alpha, phi) = Some(region), alpha in mrad and phi in 0..2 pi, where the detector is
    /// sensitive.
    pub(super) fn new(
        patterns: &PatternGrid,
        efficiency: Option<Vec<f64>>,
        region_of: impl Fn(f64, f64) -> Option<usize>,
    ) -> Self {
        let (y, x) = patterns.angles();
        let columns = x.len();
        let nudge = ROUNDING * patterns.steps_mrad().0.min(patterns.steps_mrad().1);
        let mut runs: Vec<Run> = Vec::new();
        for (row, ay) in y.iter().enumerate() {
            let mut open = false;
            for (column, ax) in x.iter().enumerate() {
                let pixel = row * columns + column;
                let sensitive = efficiency.as_ref().is_none_or(|e| e[pixel] > 0.0);
                // A pixel that lies on a border up to rounding lies on it, in all four quadrants alike.
                let region = sensitive.then(|| region_of(ay.hypot(*ax) + nudge, azimuth(*ay, *ax))).flatten();
                match (region, runs.last_mut()) {
                    (Some(region), Some(run)) if open && run.region as usize == region => run.length += 1,
                    (Some(region), _) => runs.push(Run { start: pixel, length: 1, region: region as u32 }),
                    (None, _) => {}
                }
                open = region.is_some();
            }
        }
        Self { runs, efficiency }
    }

    /// The regions of a kind that sums over them.
    pub(super) fn of_kind(kind: &DetectorKind, patterns: &PatternGrid, efficiency: Option<Vec<f64>>) -> Self {
        match *kind {
            DetectorKind::Annular { inner_mrad: inner, outer_mrad } => {
                let outer = outer_mrad.unwrap_or(f64::INFINITY);
                Self::new(patterns, efficiency, |alpha, _| (inner <= alpha && alpha < outer).then_some(0))
            }
            DetectorKind::FlexibleAnnular { inner_mrad: inner, outer_mrad: outer, step_mrad: step } => {
                let last = DetectorKind::rings(inner, outer, step) as usize - 1;
                Self::new(patterns, efficiency, |alpha, _| {
                    (inner <= alpha && alpha < outer).then(|| (((alpha - inner) / step) as usize).min(last))
                })
            }
            DetectorKind::Segmented {
                inner_mrad: inner,
                outer_mrad: outer,
                radial_bins,
                azimuthal_bins,
                rotation_deg,
            } => Self::new(patterns, efficiency, |alpha, phi| {
                let part = (alpha - inner) / (outer - inner);
                (inner <= alpha && alpha < outer).then(|| {
                    let ring = ((radial_bins as f64 * part) as usize).min(radial_bins - 1);
                    ring * azimuthal_bins + segment(phi, rotation_deg.to_radians(), azimuthal_bins)
                })
            }),
            DetectorKind::Pixelated { .. } => Self::new(patterns, efficiency, |_, _| Some(0)),
            DetectorKind::CenterOfMass { outer_mrad, .. } => {
                let outer = outer_mrad.unwrap_or(f64::INFINITY);
                Self::new(patterns, efficiency, |alpha, _| (alpha < outer).then_some(0))
            }
        }
    }

    /// Whether not one pixel counts.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds the sum of each region to its signal.
    pub(super) fn sum<T: Real>(&self, pattern: &[T], signals: &mut [f64]) {
        for run in &self.runs {
            let [sum] = self.run_sums(run, pattern, |_, value| [value]);
            signals[run.region as usize] += sum;
        }
    }

    /// Adds to each pixel the gradient of its region.
    pub(super) fn spread<T: Real>(&self, by_signal: &[f64], gradient: &mut [T]) {
        self.spread_by(gradient, |run, _| by_signal[run.region as usize]);
    }

    /// Sums over `run` of terms(pixel within the run, intensity seen), in an order that depends on the run alone.
    fn run_sums<T: Real, const K: usize>(
        &self,
        run: &Run,
        pattern: &[T],
        terms: impl Fn(usize, f64) -> [f64; K],
    ) -> [f64; K] {
        let pixels = run.start..run.start + run.length as usize;
        match &self.efficiency {
            None => lane_sums(&pattern[pixels], terms),
            Some(efficiency) => {
                let efficiency = &efficiency[pixels.clone()];
                lane_sums(&pattern[pixels], |i, value| terms(i, efficiency[i] * value))
            }
        }
    }

    /// Adds efficiency times change(run, pixel within it) to every pixel that counts.
    fn spread_by<T: Real>(&self, gradient: &mut [T], change: impl Fn(&Run, usize) -> f64) {
        for run in &self.runs {
            let pixels = run.start..run.start + run.length as usize;
            let efficiency = self.efficiency.as_ref().map(|e| &e[pixels.clone()]);
            for (i, value) in gradient[pixels].iter_mut().enumerate() {
                let seen = efficiency.map_or(1.0, |e| e[i]);
                *value += T::of(seen * change(run, i));
            }
        }
    }
}

/// The moments sum I, sum kx I, sum ky I of a region, or the centre of mass (sum kx I, sum ky I) / sum I.
#[derive(Debug)]
pub(super) struct Moments {
    region: Regions,
    /// Frequencies of rows and columns, 1/angstrom.
    ky: Vec<f64>,
    kx: Vec<f64>,
    normalized: bool,
}

impl Moments {
    pub(super) fn new(region: Regions, patterns: &PatternGrid, wavelength: f64, normalized: bool) -> Self {
        let (y, x) = patterns.angles();
        let frequencies = |angles: Vec<f64>| angles.into_iter().map(|a| 1e-3 * a / wavelength).collect();
        Self { region, ky: frequencies(y), kx: frequencies(x), normalized }
    }

    /// Writes [x, y] into `signals`.
    pub(super) fn measure<T: Real>(&self, pattern: &[T], signals: &mut [f64]) {
        let [sum, x, y] = self.sums(pattern);
        signals.copy_from_slice(&if self.normalized { self.center(sum, x, y) } else { [x, y] });
    }

    /// d (sum k I / sum I) / d I = (k - centre) / sum I.
    pub(super) fn spread<T: Real>(&self, by_signal: &[f64], pattern: &[T], gradient: &mut [T]) {
        let columns = self.kx.len();
        let (factor, [x, y]) = if self.normalized {
            let [sum, x, y] = self.sums(pattern);
            (if sum == 0.0 { 0.0 } else { 1.0 / sum }, self.center(sum, x, y))
        } else {
            (1.0, [0.0; 2])
        };
        let (by_x, by_y) = (factor * by_signal[0], factor * by_signal[1]);
        self.region.spread_by(gradient, |run, i| {
            by_x * (self.kx[run.start % columns + i] - x) + by_y * (self.ky[run.start / columns] - y)
        });
    }

    fn center(&self, sum: f64, x: f64, y: f64) -> [f64; 2] {
        if sum == 0.0 {
            [0.0; 2]
        } else {
            [x / sum, y / sum]
        }
    }

    fn sums<T: Real>(&self, pattern: &[T]) -> [f64; 3] {
        let columns = self.kx.len();
        let mut total = [0.0; 3];
        for run in &self.region.runs {
            let (ky, kx) = (self.ky[run.start / columns], &self.kx[run.start % columns..]);
            let [sum, x] = self.region.run_sums(run, pattern, |i, value| [value, kx[i] * value]);
            total.iter_mut().zip([sum, x, ky * sum]).for_each(|(total, part)| *total += part);
        }
        total
    }
}

/// phi = atan2(y, x) in 0..2 pi.
fn azimuth(y: f64, x: f64) -> f64 {
    let phi = y.atan2(x);
    if phi < 0.0 {
        phi + TAU
    } else {
        phi
    }
}

/// Which of `count` segments the azimuth belongs to; the first begins at `rotation` (rad).
fn segment(phi: f64, rotation: f64, count: usize) -> usize {
    let turn = ((phi - rotation) / TAU).rem_euclid(1.0);
    (count as f64 * turn + ROUNDING) as usize % count
}

/// Sums of terms(i, values\[i\]) over i, in [`LANES`] interleaved partial sums.
fn lane_sums<T: Real, const K: usize>(values: &[T], terms: impl Fn(usize, f64) -> [f64; K]) -> [f64; K] {
    let mut lanes = [[0.0; LANES]; K];
    for (block, values) in values.chunks(LANES).enumerate() {
        for (lane, value) in values.iter().enumerate() {
            let of_value = terms(block * LANES + lane, value.f64());
            lanes.iter_mut().zip(of_value).for_each(|(sums, term)| sums[lane] += term);
        }
    }
    lanes.map(|sums| sums.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::super::grid::PatternOrder;
    use super::*;

    #[test]
    fn azimuths_and_segments_on_the_borders() {
        let phi = |y: f64, x: f64| azimuth(y, x);
        assert_eq!([phi(0.0, 1.0), phi(1.0, 0.0), phi(0.0, 0.0)], [0.0, 0.25 * TAU, 0.0]);
        // Every border belongs to the segment that begins there, however the azimuth was rounded.
        for count in [1, 2, 3, 4, 6, 8, 12, 16] {
            for rotation in [0.0, 30.0, 45.0, -22.5, 270.0, 720.0] {
                let rotation = f64::to_radians(rotation);
                for i in 0..count {
                    let border = (rotation + TAU * i as f64 / count as f64).rem_euclid(TAU);
                    let (y, x) = border.sin_cos();
                    assert_eq!(segment(azimuth(y, x), rotation, count), i, "{count} {rotation}");
                    let within = azimuth((border + 1e-6).sin(), (border + 1e-6).cos());
                    assert_eq!(segment(within, rotation, count), i);
                    let before = azimuth((border - 1e-6).sin(), (border - 1e-6).cos());
                    assert_eq!(segment(before, rotation, count), (i + count - 1) % count);
                }
            }
        }
    }

    #[test]
    fn rings_meet_without_gap_or_overlap_where_pixels_lie_on_the_border() {
        // 0.1 is no binary number: 3 * 0.1 and hypot(0.3, 0.4) are rounded differently.
        let patterns = PatternGrid::measured((41, 41), (0.1, 0.1), None, PatternOrder::Fft).unwrap();
        let count = |inner_mrad, outer_mrad: f64| {
            let kind = DetectorKind::Annular { inner_mrad, outer_mrad: Some(outer_mrad) };
            let mut sum = [0.0];
            Regions::of_kind(&kind, &patterns, None).sum(&vec![1.0f64; 41 * 41], &mut sum);
            sum[0]
        };
        for limit in 1..20 {
            let border = 0.1 * f64::from(limit);
            assert_eq!(count(0.0, border) + count(border, 2.01), count(0.0, 2.01));
            let within = (-20..=20).flat_map(|y| (-20..=20).map(move |x| y * y + x * x));
            assert_eq!(count(0.0, border), within.filter(|r| *r < limit * limit).count() as f64);
        }
    }

    #[test]
    fn runs_do_not_cross_rows() {
        let patterns = PatternGrid::measured((3, 4), (1.0, 1.0), None, PatternOrder::Centered).unwrap();
        let whole = Regions::new(&patterns, None, |_, _| Some(0));
        assert_eq!(whole.runs.iter().map(|r| (r.start, r.length)).collect::<Vec<_>>(), [(0, 4), (4, 4), (8, 4)]);
    }
}
