//! The pixels of a camera: a pattern cropped, binned and centred. Separable: rows, then columns.

use super::grid::{PatternGrid, ROUNDING};
use super::Crop;
use crate::error::{Error, Result};
use crate::grid::origin;
use crate::simd::Real;

/// How much of a row (column) of the pattern belongs to a row (column) of the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    from: usize,
    to: usize,
    weight: f64,
}

/// Pixels `[row, column]` of a camera.
#[derive(Debug)]
pub(super) struct Frame {
    shape: (usize, usize),
    rows: Vec<Tap>,
    columns: Vec<Tap>,
    /// Columns of the pattern.
    pitch: usize,
    /// Efficiency of all pixels of the pattern; `None`: 1.
    efficiency: Option<Vec<f64>>,
}

impl Frame {
    /// # Errors
    /// `Shape` where the pattern has too few pixels, `Range` for an angle that it does not hold.
    pub(super) fn new(
        patterns: &PatternGrid,
        crop: Crop,
        binning: usize,
        efficiency: Option<Vec<f64>>,
    ) -> Result<Self> {
        let (rows, columns) = patterns.shape();
        let (step_y, step_x) = patterns.steps_mrad();
        let most = (most_bins(rows, binning), most_bins(columns, binning));
        let shape = match crop {
            Crop::Whole => most,
            Crop::Pixels { rows, columns } => (rows, columns),
            Crop::Angle(angle) => {
                patterns.expect_angle(|| "outer angle of the pixelated detector".into(), angle)?;
                let bins = |step: f64| 2 * (angle / (step * binning as f64) + ROUNDING) as usize + 1;
                (bins(step_y).min(most.0), bins(step_x).min(most.1))
            }
        };
        if most.0 == 0 || most.1 == 0 || shape.0 > most.0 || shape.1 > most.1 {
            return Err(Error::shape(
                "pixelated detector",
                &[shape.0, shape.1],
                format!(
                    "at most [{}, {}]: patterns have {rows} x {columns} pixels, of which bins of {binning} x {binning} \
                     are made that are centred on the zero angle",
                    most.0, most.1
                ),
            ));
        }
        let taps = |n: usize, bins: usize| taps(|offset| patterns.pixel_at(offset, n), bins, binning);
        Ok(Self { shape, rows: taps(rows, shape.0), columns: taps(columns, shape.1), pitch: columns, efficiency })
    }

    /// Rows and columns.
    pub(super) fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Adds every pixel of the pattern to those of the camera.
    pub(super) fn sum<T: Real>(&self, pattern: &[T], signals: &mut [f64]) {
        self.walk(|pixel, bin, weight| signals[bin] += weight * pattern[pixel].f64());
    }

    /// Adds to every pixel of the pattern the gradients of those of the camera.
    pub(super) fn spread<T: Real>(&self, by_signal: &[f64], gradient: &mut [T]) {
        self.walk(|pixel, bin, weight| gradient[pixel] += T::of(weight * by_signal[bin]));
    }

    /// Visits (pixel of the pattern, pixel of the camera, weight), always in the same order.
    fn walk(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for row in &self.rows {
            for column in &self.columns {
                let pixel = row.from * self.pitch + column.from;
                let efficiency = self.efficiency.as_ref().map_or(1.0, |e| e[pixel]);
                visit(pixel, row.to * self.shape.1 + column.to, row.weight * column.weight * efficiency);
            }
        }
    }
}

/// The most bins, zero angle in the centre of bin count / 2, of which each lies within the `n` pixels of a pattern.
fn most_bins(n: usize, binning: usize) -> usize {
    // Bins wholly below and above the central one, which reaches half a bin to either side.
    let beside = |pixels: usize| pixels.checked_sub(binning / 2).map(|rest| rest / binning);
    match (beside(origin(n)), beside((n - 1) / 2)) {
        (Some(below), Some(above)) if below > above => 2 * above + 2,
        (Some(below), Some(_)) => 2 * below + 1,
        _ => 0,
    }
}

/// Weights of the pixels in `bins` bins: bin j covers the offsets within half a bin of (j - bins / 2) binning.
fn taps(pixel_at: impl Fn(i64) -> Option<usize>, bins: usize, binning: usize) -> Vec<Tap> {
    let half = (binning / 2) as i64;
    let weight = |d: i64| if binning.is_multiple_of(2) && d.abs() == half { 0.5 } else { 1.0 };
    let of_bin = |to: usize| {
        let center = (to as i64 - origin(bins) as i64) * binning as i64;
        (-half..=half).map(move |d| (center + d, to, weight(d)))
    };
    let all = (0..bins).flat_map(of_bin);
    all.filter_map(|(offset, to, weight)| pixel_at(offset).map(|from| Tap { from, to, weight })).collect()
}

#[cfg(test)]
mod tests {
    use super::super::grid::PatternOrder;
    use super::*;

    fn frame(n: usize, order: PatternOrder, crop: Crop, binning: usize) -> Result<Frame> {
        Frame::new(&PatternGrid::measured((n, n), (1.0, 1.0), None, order).unwrap(), crop, binning, None)
    }

    #[test]
    fn as_many_bins_as_fit_around_the_zero_angle() {
        let most = |n: usize| [1, 2, 3, 4].map(|binning| most_bins(n, binning));
        assert_eq!(most(256), [256, 127, 85, 63]);
        assert_eq!(most(255), [255, 127, 85, 63]);
        assert_eq!(most(9), [9, 3, 3, 1]);
        assert_eq!((most(1), most(2)), ([1, 0, 0, 0], [2, 0, 0, 0]));
        for n in 1..40 {
            for binning in 1..9 {
                let bins = most_bins(n, binning);
                let within = |offset: i64| (-(origin(n) as i64)..n.div_ceil(2) as i64).contains(&offset);
                let whole =
                    |bins| taps(|o| within(o).then_some(0), bins, binning).iter().map(|t| t.weight).sum::<f64>();
                assert_eq!(whole(bins), (bins * binning) as f64, "{n} {binning}");
                assert!(whole(bins + 1) < ((bins + 1) * binning) as f64, "{n} {binning}");
            }
        }
    }

    #[test]
    fn the_zero_angle_stays_in_the_centre() {
        for order in [PatternOrder::Centered, PatternOrder::Fft] {
            for binning in 1..5 {
                let frame = frame(20, order, Crop::Whole, binning).unwrap();
                let (rows, columns) = frame.shape();
                let patterns = PatternGrid::measured((20, 20), (1.0, 1.0), None, order).unwrap();
                let (y, _) = patterns.angles();
                let mut bin_angles = vec![0.0; rows];
                frame.rows.iter().for_each(|tap| bin_angles[tap.to] += tap.weight * y[tap.from]);
                for (j, angle) in bin_angles.iter().enumerate() {
                    let wanted = (j as f64 - origin(rows) as f64) * binning as f64;
                    assert!((angle / binning as f64 - wanted).abs() < 1e-12);
                }
                assert_eq!(rows, columns);
            }
        }
    }

    #[test]
    fn crops_count_pixels_of_the_camera() {
        let shape = |crop, binning| frame(20, PatternOrder::Fft, crop, binning).map(|f| f.shape());
        assert_eq!(shape(Crop::Angle(4.5), 1).unwrap(), (9, 9));
        assert_eq!(shape(Crop::Angle(4.0), 2).unwrap(), (5, 5));
        assert_eq!(shape(Crop::Angle(10.0), 1).unwrap(), (20, 20));
        assert_eq!(shape(Crop::Pixels { rows: 3, columns: 4 }, 3).unwrap(), (3, 4));
        assert!(shape(Crop::Angle(10.5), 1).unwrap_err().to_string().contains("at most 10.0"));
        let error = shape(Crop::Pixels { rows: 3, columns: 10 }, 2).unwrap_err();
        assert!(error.code() == 101 && error.to_string().contains("at most [9, 9]"), "{error}");
        assert_eq!(shape(Crop::Whole, 30).unwrap_err().code(), 101);
    }
}
