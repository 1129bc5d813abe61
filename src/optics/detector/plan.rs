//! Several detectors on one sampling of patterns.

use super::frame::Frame;
use super::grid::PatternGrid;
use super::regions::{Moments, Regions};
use super::{Detector, DetectorKind, Sensitivity};
use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::Real;
use std::ops::Range;

/// What one detector gives per pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Name of the detector.
    pub name: String,
    /// Shape, last index fastest; empty for one number.
    pub shape: Vec<usize>,
    /// Unit: `pattern` (that of the patterns, in simulations the fraction of the beam), `1/A`, or `pattern/A`.
    pub unit: &'static str,
    /// Place of the first value among all signals.
    pub start: usize,
}

impl Signal {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// False: every detector gives something.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its values among all signals.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len()
    }
}

/// Detectors on patterns of one sampling: which pixels count where. Immutable; any number of threads at once.
#[derive(Debug)]
pub struct DetectorPlan {
    pixels: usize,
    parts: Vec<Part>,
    signals: Vec<Signal>,
}

/// The arithmetic of one detector.
#[derive(Debug)]
enum Part {
    Sums(Regions),
    Frame(Frame),
    Moments(Moments),
}

impl DetectorPlan {
    /// Detectors for |FFT psi|^2 in FFT order, `[row, column]` of the exit wave's `plane`, of this wavelength
    /// (angstrom), calculated with this band limit.
    ///
    /// # Errors
    /// As [`Self::on`].
    pub fn new(detectors: &[Detector], plane: &Plane, wavelength: f64, limit: BandLimit) -> Result<Self> {
        Self::on(detectors, &PatternGrid::of_wave(plane, wavelength, limit)?)
    }

    /// Detectors for any patterns.
    ///
    /// # Errors
    /// `Empty` without detectors and for a detector that covers no pixel; `Range` for an angle, or a sensitive angle of
    /// a map without an outer angle, that patterns do not hold, with the largest one that they do and the pixel size
    /// that would be needed; `Shape` for a camera larger than the pattern; `NotReady` for a centre of mass where the
    /// wavelength is unknown.
    pub fn on(detectors: &[Detector], patterns: &PatternGrid) -> Result<Self> {
        if detectors.is_empty() {
            return Err(Error::Empty { what: "list of detectors".into(), why: "at least one is needed".into() });
        }
        let (mut parts, mut signals, mut start) = (vec![], vec![], 0);
        for detector in detectors {
            let (part, shape) = Part::new(detector, patterns)?;
            let unit = match detector.kind {
                DetectorKind::CenterOfMass { normalized: true, .. } => "1/A",
                DetectorKind::CenterOfMass { normalized: false, .. } => "pattern/A",
                _ => "pattern",
            };
            let signal = Signal { name: detector.name(), shape, unit, start };
            start += signal.len();
            parts.push(part);
            signals.push(signal);
        }
        Ok(Self { pixels: patterns.pixels(), parts, signals })
    }

    /// What each detector gives, in their order.
    pub fn layout(&self) -> &[Signal] {
        &self.signals
    }

    /// Number of values of all signals of one pattern.
    pub fn len(&self) -> usize {
        self.signals.last().map_or(0, |last| last.range().end)
    }

    /// False: there is at least one detector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of a pattern.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Writes the signals of one pattern, those of the first detector first. Sums are in double precision and in a fixed
    /// order.
    ///
    /// # Errors
    /// `Shape` for a pattern or signals of another length.
    pub fn signals<T: Real>(&self, pattern: &[T], signals: &mut [f64]) -> Result<()> {
        self.expect_lengths(pattern.len(), signals.len())?;
        signals.fill(0.0);
        for (part, signal) in self.parts.iter().zip(&self.signals) {
            let signals = &mut signals[signal.range()];
            match part {
                Part::Sums(regions) => regions.sum(pattern, signals),
                Part::Frame(frame) => frame.sum(pattern, signals),
                Part::Moments(moments) => moments.measure(pattern, signals),
            }
        }
        Ok(())
    }

    /// Adds J^T `by_signal` to `gradient`: from the derivative of a loss with respect to the signals of `pattern` to that
    /// with respect to its pixels. Only normalised centres of mass look at the pattern; all else is linear.
    ///
    /// # Errors
    /// `Shape` for arrays of other lengths.
    pub fn pull_back<T: Real>(&self, by_signal: &[f64], pattern: &[T], gradient: &mut [T]) -> Result<()> {
        self.expect_lengths(pattern.len(), by_signal.len())?;
        self.expect_lengths(gradient.len(), by_signal.len())?;
        for (part, signal) in self.parts.iter().zip(&self.signals) {
            let by_signal = &by_signal[signal.range()];
            match part {
                Part::Sums(regions) => regions.spread(by_signal, gradient),
                Part::Frame(frame) => frame.spread(by_signal, gradient),
                Part::Moments(moments) => moments.spread(by_signal, pattern, gradient),
            }
        }
        Ok(())
    }

    fn expect_lengths(&self, pixels: usize, signals: usize) -> Result<()> {
        if pixels != self.pixels {
            return Err(Error::shape("pattern", &[pixels], format!("[{}]", self.pixels)));
        }
        if signals != self.len() {
            return Err(Error::shape("signals", &[signals], format!("[{}]", self.len())));
        }
        Ok(())
    }
}

impl Part {
    /// The arithmetic of a detector and the shape of its signal.
    fn new(detector: &Detector, patterns: &PatternGrid) -> Result<(Self, Vec<usize>)> {
        let kind = &detector.kind;
        kind.check()?;
        if let Some(outer) = kind.outer_mrad() {
            patterns.expect_angle(|| format!("outer angle of the {}", kind.words()), outer)?;
        }
        let efficiency = detector.sensitivity.as_ref().map(|map| on_patterns(map, patterns));
        if let DetectorKind::Pixelated { crop, binning } = *kind {
            let frame = Frame::new(patterns, crop, binning, efficiency)?;
            let (rows, columns) = frame.shape();
            return Ok((Part::Frame(frame), vec![rows, columns]));
        }
        // Without an outer angle the map alone says what is collected: patterns must hold all of it.
        if let (None, Some(map)) = (kind.outer_mrad(), &detector.sensitivity) {
            if let Some((y, x)) = map.sensitive_angles().find(|(y, x)| !patterns.holds(*y, *x)) {
                let what = format!("a sensitive angle of the {} (cut it with an outer angle)", kind.words());
                return Err(patterns.too_far(what, y.hypot(x)));
            }
        }
        let regions = Regions::of_kind(kind, patterns, efficiency);
        if regions.is_empty() {
            let (y, x) = patterns.steps_mrad();
            let why = format!("no pixel of the patterns, {y:.6} x {x:.6} mrad apart, lies on it");
            return Err(Error::Empty { what: detector.name(), why });
        }
        Ok(match *kind {
            DetectorKind::Annular { .. } | DetectorKind::Pixelated { .. } => (Part::Sums(regions), vec![]),
            DetectorKind::FlexibleAnnular { inner_mrad, outer_mrad, step_mrad } => {
                let rings = DetectorKind::rings(inner_mrad, outer_mrad, step_mrad) as usize;
                (Part::Sums(regions), vec![rings])
            }
            DetectorKind::Segmented { radial_bins, azimuthal_bins, .. } => {
                (Part::Sums(regions), vec![radial_bins, azimuthal_bins])
            }
            DetectorKind::CenterOfMass { normalized, .. } => {
                let wavelength = patterns.wavelength().ok_or_else(|| Error::NotReady {
                    what: "centre of mass".into(),
                    why: "it is in 1/angstrom, for which the energy (wavelength) of the patterns must be known".into(),
                })?;
                (Part::Moments(Moments::new(regions, patterns, wavelength, normalized)), vec![2])
            }
        })
    }
}

/// The map at every pixel of the patterns.
fn on_patterns(map: &Sensitivity, patterns: &PatternGrid) -> Vec<f64> {
    let (y, x) = patterns.angles();
    y.iter().flat_map(|y| x.iter().map(|x| map.at(*y, *x))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::grid::PatternOrder;
    use super::super::Crop;
    use super::*;
    use crate::check;
    use ndarray::Array2;

    const KINDS: [DetectorKind; 8] = [
        DetectorKind::Annular { inner_mrad: 10.0, outer_mrad: Some(20.0) },
        DetectorKind::Annular { inner_mrad: 0.0, outer_mrad: None },
        DetectorKind::FlexibleAnnular { inner_mrad: 2.5, outer_mrad: 30.0, step_mrad: 4.0 },
        DetectorKind::Segmented {
            inner_mrad: 4.0,
            outer_mrad: 30.0,
            radial_bins: 2,
            azimuthal_bins: 3,
            rotation_deg: 17.0,
        },
        DetectorKind::Pixelated { crop: Crop::Angle(20.0), binning: 1 },
        DetectorKind::Pixelated { crop: Crop::Whole, binning: 2 },
        DetectorKind::CenterOfMass { outer_mrad: Some(24.0), normalized: false },
        DetectorKind::CenterOfMass { outer_mrad: None, normalized: true },
    ];

    /// 24 x 22 pixels of 4.1 x 3.8 mrad in FFT order; the Nyquist limit is 41.7 mrad.
    fn patterns() -> PatternGrid {
        let plane = Plane::new(24, 22, 0.2, 0.24).unwrap();
        PatternGrid::of_wave(&plane, 0.02, BandLimit::None).unwrap()
    }

    fn map() -> Sensitivity {
        let values = Array2::from_shape_fn((9, 7), |(r, c)| 0.5 + 0.05 * ((3 * r + 5 * c) % 11) as f64);
        Sensitivity::new(values.view(), (8.0, 11.0)).unwrap()
    }

    /// All kinds, each with even and measured efficiency.
    fn detectors() -> Vec<Detector> {
        let even = KINDS.iter().map(|kind| Detector::new(*kind).unwrap());
        even.clone().chain(even.map(|d| d.with_sensitivity(map()))).collect()
    }

    /// Positive numbers that look random.
    fn noise(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| ((i as f64 * 12.9898 + seed).sin() * 43758.5453).rem_euclid(1.0)).collect()
    }

    #[test]
    fn signals_follow_their_definitions_pixel_by_pixel() {
        let (grid, detectors) = (patterns(), detectors());
        let plan = DetectorPlan::on(&detectors, &grid).unwrap();
        let pattern = noise(plan.pixels(), 1.0);
        let mut signals = vec![f64::NAN; plan.len()];
        plan.signals(&pattern, &mut signals).unwrap();
        let (y, x) = grid.angles();
        for (detector, signal) in detectors.iter().zip(plan.layout()) {
            let mut wanted = vec![0.0; signal.len()];
            let (mut total, mut moment) = (0.0, [0.0; 2]);
            for (i, intensity) in pattern.iter().enumerate() {
                let (y, x) = (y[i / 22], x[i % 22]);
                let seen = intensity * detector.sensitivity().map_or(1.0, |map| map.at(y, x));
                let (alpha, phi) = (y.hypot(x), y.atan2(x).to_degrees().rem_euclid(360.0));
                let within = |outer: Option<f64>| outer.is_none_or(|outer| alpha < outer);
                match *detector.kind() {
                    DetectorKind::Annular { inner_mrad, outer_mrad } => {
                        wanted[0] += if alpha >= inner_mrad && within(outer_mrad) { seen } else { 0.0 }
                    }
                    DetectorKind::FlexibleAnnular { inner_mrad, outer_mrad, step_mrad } => {
                        if alpha >= inner_mrad && alpha < outer_mrad {
                            wanted[((alpha - inner_mrad) / step_mrad).floor() as usize] += seen;
                        }
                    }
                    DetectorKind::Segmented { inner_mrad, outer_mrad, rotation_deg, .. } => {
                        if alpha >= inner_mrad && alpha < outer_mrad {
                            let ring = usize::from(alpha >= 0.5 * (inner_mrad + outer_mrad));
                            wanted[3 * ring + ((phi - rotation_deg).rem_euclid(360.0) / 120.0) as usize] += seen;
                        }
                    }
                    DetectorKind::Pixelated { .. } => {}
                    DetectorKind::CenterOfMass { outer_mrad, .. } => {
                        if within(outer_mrad) {
                            total += seen;
                            moment[0] += seen * x / 20.0;
                            moment[1] += seen * y / 20.0;
                        }
                    }
                }
            }
            match detector.kind() {
                DetectorKind::Pixelated { .. } => continue, // below
                DetectorKind::CenterOfMass { normalized: true, .. } => {
                    wanted.copy_from_slice(&moment.map(|m| m / total))
                }
                DetectorKind::CenterOfMass { .. } => wanted.copy_from_slice(&moment),
                _ => {}
            }
            for (got, wanted) in signals[signal.range()].iter().zip(&wanted) {
                assert!((got - wanted).abs() <= 1e-12 * wanted.abs().max(1.0), "{} {got} {wanted}", signal.name);
            }
        }
    }

    #[test]
    fn cameras_show_the_pattern_centred() {
        let (plan, pattern) = (DetectorPlan::on(&detectors()[4..6], &patterns()).unwrap(), noise(24 * 22, 2.0));
        let mut signals = vec![0.0; plan.len()];
        plan.signals(&pattern, &mut signals).unwrap();
        let at = |y: i64, x: i64| pattern[(y.rem_euclid(24) * 22 + x.rem_euclid(22)) as usize];
        let [cropped, binned] = [0, 1].map(|i| &plan.layout()[i]);
        assert_eq!((&cropped.shape, &binned.shape), (&vec![9, 11], &vec![11, 10]));
        for (i, value) in signals[cropped.range()].iter().enumerate() {
            assert_eq!(*value, at(i as i64 / 11 - 4, i as i64 % 11 - 5));
        }
        for (i, value) in signals[binned.range()].iter().enumerate() {
            let (y, x) = (2 * (i as i64 / 10 - 5), 2 * (i as i64 % 10 - 5));
            let row = |y: i64| 0.5 * at(y, x - 1) + at(y, x) + 0.5 * at(y, x + 1);
            assert!((value - 0.5 * row(y - 1) - row(y) - 0.5 * row(y + 1)).abs() < 1e-14);
        }
    }

    #[test]
    fn centred_patterns_give_the_same_as_fft_order() {
        let (fft, pattern) = (patterns(), noise(24 * 22, 3.0));
        let centered =
            PatternGrid::measured((24, 22), fft.steps_mrad(), fft.wavelength(), PatternOrder::Centered).unwrap();
        let shifted: Vec<f64> = (0..24 * 22).map(|i| pattern[(i / 22 + 12) % 24 * 22 + (i % 22 + 11) % 22]).collect();
        let signals = |grid: &PatternGrid, pattern: &[f64]| {
            let plan = DetectorPlan::on(&detectors(), grid).unwrap();
            let mut signals = vec![0.0; plan.len()];
            plan.signals(pattern, &mut signals).unwrap();
            signals
        };
        for (a, b) in signals(&fft, &pattern).iter().zip(signals(&centered, &shifted)) {
            assert!((a - b).abs() < 1e-12 * a.abs().max(1.0));
        }
    }

    #[test]
    fn pull_back_is_the_adjoint_of_what_is_linear() {
        let linear: Vec<Detector> = detectors()
            .into_iter()
            .filter(|d| !matches!(d.kind(), DetectorKind::CenterOfMass { normalized: true, .. }))
            .collect();
        let plan = DetectorPlan::on(&linear, &patterns()).unwrap();
        let (x, y) = (noise(plan.pixels(), 4.0), noise(plan.len(), 5.0));
        let (mut applied, mut pulled) = (vec![f64::NAN; plan.len()], vec![0.0; plan.pixels()]);
        plan.signals(&x, &mut applied).unwrap();
        plan.pull_back(&y, &vec![f64::NAN; plan.pixels()], &mut pulled).unwrap();
        let report = check::adjoint(&x, &pulled, &applied, &y);
        assert!(report.error < 1e-14, "{report:?}");

        let (x, mut pulled): (Vec<f32>, _) = (x.iter().map(|v| *v as f32).collect(), vec![0.0f32; x.len()]);
        plan.signals(&x, &mut applied).unwrap();
        plan.pull_back(&y, &x, &mut pulled).unwrap();
        let [x, pulled] = [x, pulled].map(|v| v.into_iter().map(f64::from).collect::<Vec<_>>());
        let report = check::adjoint(&x, &pulled, &applied, &y);
        assert!(report.error < 1e-7, "{report:?}");
    }

    #[test]
    fn gradients_of_a_loss_agree_with_differences() {
        let plan = DetectorPlan::on(&detectors(), &patterns()).unwrap();
        let weights = noise(plan.len(), 6.0);
        let mut loss = |pattern: &[f64]| {
            let mut signals = vec![0.0; plan.len()];
            plan.signals(pattern, &mut signals)?;
            let value = signals.iter().zip(&weights).map(|(s, w)| 0.5 * w * s * s).sum();
            let by_signal: Vec<f64> = signals.iter().zip(&weights).map(|(s, w)| w * s).collect();
            let mut gradient = vec![0.0; plan.pixels()];
            plan.pull_back(&by_signal, pattern, &mut gradient)?;
            Ok((value, gradient))
        };
        let which: Vec<usize> = (0..plan.pixels()).step_by(13).collect();
        let report = check::gradient(&mut loss, &noise(plan.pixels(), 7.0), &which, &|_| 1e-3).unwrap();
        assert!(report.worst < 1e-9, "{report:?}");
    }

    #[test]
    fn a_dark_pattern_has_its_centre_at_zero() {
        let plan = DetectorPlan::on(&[Detector::new(KINDS[7]).unwrap()], &patterns()).unwrap();
        let (dark, mut signals, mut gradient) = (vec![0.0; plan.pixels()], [9.0; 2], vec![1.0; plan.pixels()]);
        plan.signals(&dark, &mut signals).unwrap();
        plan.pull_back(&[1.0, 1.0], &dark, &mut gradient).unwrap();
        assert!(signals == [0.0; 2] && gradient.iter().all(|v| *v == 1.0));
    }

    #[test]
    fn angles_beyond_the_band_limit_are_refused_with_what_would_do() {
        let plane = Plane::new(256, 256, 0.1, 0.08).unwrap();
        let plan = |kind, limit| DetectorPlan::new(&[Detector::new(kind).unwrap()], &plane, 0.02, limit);
        let annular = |outer| DetectorKind::Annular { inner_mrad: 0.0, outer_mrad: Some(outer) };
        assert!(plan(annular(66.66666), BandLimit::Circular).is_ok());
        let error = plan(annular(80.0), BandLimit::Circular).unwrap_err();
        assert_eq!(
            error.to_string(),
            "outer angle of the annular detector is 80.000000 mrad, wanted at most 66.666660 mrad, the circular band \
             limit of pixels of 0.100000 angstrom; it would need pixels of 0.083333 angstrom or less"
        );
        assert!(plan(annular(100.0), BandLimit::None).is_ok());
        assert_eq!(plan(annular(101.0), BandLimit::None).unwrap_err().code(), 103);
        assert_eq!(plan(annular(70.0), BandLimit::Square).unwrap_err().code(), 103);
        let narrow = DetectorKind::Annular { inner_mrad: 0.1, outer_mrad: Some(0.2) };
        let error = plan(narrow, BandLimit::Circular).unwrap_err();
        assert!(error.code() == 301 && error.to_string().contains("annular_0.1_0.2 is empty"), "{error}");
    }

    #[test]
    fn maps_must_be_held_or_cut() {
        let wide = Sensitivity::new(Array2::ones((21, 21)).view(), (10.0, 10.0)).unwrap();
        let plan = |outer_mrad| {
            let detector = Detector::new(DetectorKind::Annular { inner_mrad: 0.0, outer_mrad }).unwrap();
            DetectorPlan::on(&[detector.with_sensitivity(wide.clone())], &patterns())
        };
        let error = plan(None).unwrap_err().to_string();
        assert!(error.contains("cut it with an outer angle") && error.contains("141.421356 mrad"), "{error}");
        assert!(plan(Some(40.0)).is_ok());
        assert_eq!(plan(Some(50.0)).unwrap_err().code(), 103);
    }

    #[test]
    fn wrong_lengths_and_missing_wavelengths_are_named() {
        let plan = DetectorPlan::on(&detectors()[..1], &patterns()).unwrap();
        assert_eq!(plan.signals(&[0.0f32; 3], &mut [0.0]).unwrap_err().code(), 101);
        assert_eq!(plan.signals(&[0.0f32; 528], &mut [0.0; 2]).unwrap_err().code(), 101);
        assert_eq!(plan.pull_back(&[0.0], &[0.0f32; 528], &mut [0.0; 527]).unwrap_err().code(), 101);
        assert_eq!(DetectorPlan::on(&[], &patterns()).unwrap_err().code(), 301);
        let measured = PatternGrid::measured((24, 22), (4.0, 4.0), None, PatternOrder::Centered).unwrap();
        assert_eq!(DetectorPlan::on(&[Detector::new(KINDS[7]).unwrap()], &measured).unwrap_err().code(), 200);
    }
}
