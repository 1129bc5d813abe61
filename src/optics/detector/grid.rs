//! Where the pixels of diffraction patterns lie: alpha = lambda |k| in mrad, without a sine.

use crate::error::{Error, Result};
use crate::grid::{self, Plane};
use crate::optics::BandLimit;

/// Part of an angle step by which rounding may move a pixel: nearer to a border than this, it lies on it.
pub(super) const ROUNDING: f64 = 1e-9;

/// Order of the pixels of a pattern along both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatternOrder {
    /// Zero angle at pixel n / 2 (0-based, rounded down).
    #[default]
    Centered,
    /// Zero angle at pixel 0, as a Fourier transform leaves it.
    Fft,
}

/// Sampling of diffraction patterns of `rows` x `columns` pixels, index \[row = ky, column = kx\].
#[derive(Debug, Clone, PartialEq)]
pub struct PatternGrid {
    rows: usize,
    columns: usize,
    /// Angles between neighbouring pixels along y and x, mrad.
    steps: (f64, f64),
    order: PatternOrder,
    wavelength: Option<f64>,
    reach: Reach,
}

/// How far out patterns hold what they should.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reach {
    /// As far as the band limit of the wave lets through.
    Wave { plane: Plane, limit: BandLimit },
    /// As far as there are pixels.
    Edges,
}

impl PatternGrid {
    /// Patterns |FFT psi|^2 of waves on `plane` of this wavelength (angstrom), calculated with a band limit; FFT order.
    ///
    /// # Errors
    /// `Range` for a wavelength that is not positive.
    pub fn of_wave(plane: &Plane, wavelength: f64, limit: BandLimit) -> Result<Self> {
        let plane = Plane::new(plane.rows, plane.columns, plane.pixel_y, plane.pixel_x)?;
        check_wavelength(wavelength)?;
        let (height, width) = plane.extent();
        let steps = (1e3 * wavelength / height, 1e3 * wavelength / width);
        let reach = Reach::Wave { plane, limit };
        let (rows, columns) = (plane.rows, plane.columns);
        Ok(Self { rows, columns, steps, order: PatternOrder::Fft, wavelength: Some(wavelength), reach })
    }

    /// Patterns of a camera, with `steps_mrad` = (along y, along x) between neighbouring pixels. The wavelength
    /// (angstrom) turns angles into frequencies; only centres of mass need it.
    ///
    /// # Errors
    /// `Shape` for patterns without pixels or more than 65536 along an axis, `Range` for steps or a wavelength that are
    /// not positive.
    pub fn measured(
        shape: (usize, usize),
        steps_mrad: (f64, f64),
        wavelength: Option<f64>,
        order: PatternOrder,
    ) -> Result<Self> {
        let (rows, columns) = shape;
        const MOST: usize = 1 << 16;
        if !(1..=MOST).contains(&rows) || !(1..=MOST).contains(&columns) {
            return Err(Error::shape("pattern", &[rows, columns], format!("(rows, columns), each 1 to {MOST}")));
        }
        for (name, step) in [("angle step between rows", steps_mrad.0), ("angle step between columns", steps_mrad.1)] {
            if !(step.is_finite() && step > 0.0) {
                return Err(Error::range(name, step, "a positive number (mrad)"));
            }
        }
        wavelength.map_or(Ok(()), check_wavelength)?;
        Ok(Self { rows, columns, steps: steps_mrad, order, wavelength, reach: Reach::Edges })
    }

    /// Rows (along ky) and columns (along kx).
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Number of pixels of a pattern.
    pub fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Angles between neighbouring pixels along y and x, mrad.
    pub fn steps_mrad(&self) -> (f64, f64) {
        self.steps
    }

    /// Wavelength, angstrom, where it is known.
    pub fn wavelength(&self) -> Option<f64> {
        self.wavelength
    }

    /// Largest angle that the patterns hold in every direction, mrad.
    pub fn largest_angle_mrad(&self) -> f64 {
        match self.reach {
            Reach::Wave { plane, limit } => limit.largest_angle_mrad(&plane, self.wavelength.unwrap_or(f64::NAN)),
            Reach::Edges => (0.5 * self.rows as f64 * self.steps.0).min(0.5 * self.columns as f64 * self.steps.1),
        }
    }

    /// Whether the patterns hold the angle (along y, along x), mrad.
    pub(super) fn holds(&self, y: f64, x: f64) -> bool {
        let slack = 1.0 + ROUNDING;
        let (limit_y, limit_x) = match self.reach {
            Reach::Wave { limit: BandLimit::Circular, .. } => return y.hypot(x) <= slack * self.largest_angle_mrad(),
            Reach::Wave { plane, limit } => {
                let (y, x) = limit.cutoffs(&plane);
                let angle = 1e3 * self.wavelength.unwrap_or(f64::NAN);
                (angle * y, angle * x)
            }
            Reach::Edges => (0.5 * self.rows as f64 * self.steps.0, 0.5 * self.columns as f64 * self.steps.1),
        };
        y.abs() <= slack * limit_y && x.abs() <= slack * limit_x
    }

    /// An error unless every direction is held up to `angle` (mrad); `what` has this angle ("outer angle of ...").
    pub(super) fn expect_angle(&self, what: impl FnOnce() -> String, angle: f64) -> Result<()> {
        match angle <= self.largest_angle_mrad() * (1.0 + ROUNDING) {
            true => Ok(()),
            false => Err(self.too_far(what(), angle)),
        }
    }

    /// The error for an angle that the patterns do not hold.
    pub(super) fn too_far(&self, what: String, angle: f64) -> Error {
        let largest = self.largest_angle_mrad();
        let wanted = match self.reach {
            Reach::Wave { plane, limit } => {
                let pixel = limit.pixel_for(angle, self.wavelength.unwrap_or(f64::NAN));
                let coarser = plane.pixel_y.max(plane.pixel_x);
                let kind = match limit {
                    BandLimit::Circular => "circular band limit",
                    BandLimit::Square => "square band limit",
                    BandLimit::None => "Nyquist limit",
                };
                format!(
                    "at most {largest:.6} mrad, the {kind} of pixels of {coarser:.6} angstrom; it would need pixels of \
                     {pixel:.6} angstrom or less"
                )
            }
            Reach::Edges => format!(
                "at most {largest:.6} mrad, the edge of patterns of {} x {} pixels of {:.6} x {:.6} mrad",
                self.rows, self.columns, self.steps.0, self.steps.1
            ),
        };
        Error::range(what, format!("{angle:.6} mrad"), wanted)
    }

    /// Angles of the rows and of the columns in the order of the patterns, mrad.
    pub(super) fn angles(&self) -> (Vec<f64>, Vec<f64>) {
        let along = |n: usize, step: f64| (0..n).map(|i| self.offset(i, n) as f64 * step).collect();
        (along(self.rows, self.steps.0), along(self.columns, self.steps.1))
    }

    /// How many pixels beyond the zero angle pixel `i` of `n` lies.
    fn offset(&self, i: usize, n: usize) -> i64 {
        match self.order {
            PatternOrder::Centered => i as i64 - grid::origin(n) as i64,
            PatternOrder::Fft if i < n.div_ceil(2) => i as i64,
            PatternOrder::Fft => i as i64 - n as i64,
        }
    }

    /// The pixel of `n` that lies `offset` pixels beyond the zero angle, if there is one.
    pub(super) fn pixel_at(&self, offset: i64, n: usize) -> Option<usize> {
        let (below, above) = (grid::origin(n) as i64, n.div_ceil(2) as i64);
        if !(-below..above).contains(&offset) {
            return None;
        }
        let index = match self.order {
            PatternOrder::Centered => offset + below,
            PatternOrder::Fft if offset < 0 => offset + n as i64,
            PatternOrder::Fft => offset,
        };
        usize::try_from(index).ok()
    }
}

fn check_wavelength(wavelength: f64) -> Result<()> {
    match wavelength.is_finite() && wavelength > 0.0 {
        true => Ok(()),
        false => Err(Error::range("wavelength", wavelength, "a positive number (angstrom)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_those_of_the_frequencies() {
        let plane = Plane::new(5, 4, 0.2, 0.25).unwrap();
        let patterns = PatternGrid::of_wave(&plane, 0.02, BandLimit::None).unwrap();
        let (y, x) = patterns.angles();
        for (angle, k) in y.iter().zip(plane.frequencies_y()).chain(x.iter().zip(plane.frequencies_x())) {
            assert!((angle - 20.0 * k).abs() < 1e-12);
        }
        assert!((patterns.largest_angle_mrad() - 40.0).abs() < 1e-12);
        let measured = PatternGrid::measured((5, 4), (2.0, 3.0), None, PatternOrder::Centered).unwrap();
        assert_eq!(measured.angles(), (vec![-4.0, -2.0, 0.0, 2.0, 4.0], vec![-6.0, -3.0, 0.0, 3.0]));
        assert_eq!(measured.largest_angle_mrad(), 5.0);
    }

    #[test]
    fn pixels_and_offsets_are_each_others_inverse() {
        for order in [PatternOrder::Centered, PatternOrder::Fft] {
            for n in [1, 2, 5, 8] {
                let patterns = PatternGrid::measured((n, n), (1.0, 1.0), None, order).unwrap();
                assert!((0..n).all(|i| patterns.pixel_at(patterns.offset(i, n), n) == Some(i)));
                let ends = [-(n as i64 / 2) - 1, n.div_ceil(2) as i64];
                assert!(ends.iter().all(|end| patterns.pixel_at(*end, n).is_none()));
            }
        }
    }

    #[test]
    fn what_is_held_depends_on_the_limit() {
        let plane = Plane::new(40, 40, 0.1, 0.2).unwrap();
        let holds = |limit, y, x| PatternGrid::of_wave(&plane, 0.02, limit).unwrap().holds(y, x);
        assert!(holds(BandLimit::None, 100.0, 50.0) && !holds(BandLimit::None, 100.0, 51.0));
        assert!(holds(BandLimit::Square, 66.6, 33.3) && !holds(BandLimit::Square, 66.6, 34.0));
        assert!(holds(BandLimit::Circular, 33.3, 0.0) && !holds(BandLimit::Circular, 33.0, 6.0));
    }

    #[test]
    fn bad_samplings_are_refused() {
        let measured = |shape, steps, wavelength| {
            PatternGrid::measured(shape, steps, wavelength, PatternOrder::Centered).unwrap_err().code()
        };
        assert_eq!(measured((0, 4), (1.0, 1.0), None), 101);
        assert_eq!(measured((4, 4), (1.0, f64::NAN), None), 103);
        assert_eq!(measured((4, 4), (1.0, 1.0), Some(0.0)), 103);
        let plane = Plane::new(4, 4, 0.1, 0.1).unwrap();
        assert_eq!(PatternGrid::of_wave(&plane, -1.0, BandLimit::None).unwrap_err().code(), 103);
    }
}
