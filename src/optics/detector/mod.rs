//! Detectors: from diffraction patterns to signals, with the exact adjoint.
//!
//! `Detector` (description in mrad, no grid) -> `DetectorPlan` (several detectors on one sampling of patterns,
//! immutable, shared) -> signals of one pattern, or of many on the workers (`measure`). A pattern is an intensity
//! |psi(k)|^2; with the norm of this library a pattern of the empty specimen sums to 1, so that signals are fractions of
//! the beam. Angles are alpha = lambda |k|, azimuths phi = atan2(ky, kx) from 0 to 2 pi. Whole pixels count, by their
//! centres: inner <= alpha < outer.

mod frame;
mod grid;
mod integrate;
mod measure;
mod plan;
mod regions;
mod sensitivity;

pub use grid::{PatternGrid, PatternOrder};
pub use integrate::{integrate_center_of_mass, integrate_center_of_mass_adjoint};
pub use measure::measure;
pub use plan::{DetectorPlan, Signal};
pub use sensitivity::Sensitivity;

use crate::error::{Error, Result};

/// Most rings, segments and pixels along an axis of one detector.
const MOST_PARTS: usize = 1 << 16;

/// What a detector does with a pattern. Angles are in mrad; `None` for an outer angle means the whole pattern, corners
/// included.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Sum over inner <= alpha < outer: one number.
    Annular {
        /// Inner angle.
        inner_mrad: f64,
        /// Outer angle.
        outer_mrad: Option<f64>,
    },
    /// Sums over rings of equal width, ring floor((alpha - inner) / step): `[rings]`. The last one ends at the outer
    /// angle, too early where that is no multiple of the step.
    FlexibleAnnular {
        /// Inner angle of the first ring.
        inner_mrad: f64,
        /// Outer angle of the last ring.
        outer_mrad: f64,
        /// Width of a ring.
        step_mrad: f64,
    },
    /// Sums over segments of rings: `[radial, azimuthal]`, ring floor(radial (alpha - inner) / (outer - inner)), segment
    /// floor(azimuthal (phi - rotation) / 2 pi).
    Segmented {
        /// Inner angle of the first ring.
        inner_mrad: f64,
        /// Outer angle of the last ring.
        outer_mrad: f64,
        /// Number of rings.
        radial_bins: usize,
        /// Segments of a ring.
        azimuthal_bins: usize,
        /// Azimuth at which the first segment begins, from +kx towards +ky, degree.
        rotation_deg: f64,
    },
    /// The pattern itself, cropped and binned: `[row = ky, column = kx]`, zero angle at n / 2.
    Pixelated {
        /// Which part of the pattern.
        crop: Crop,
        /// Pattern pixels per pixel of the detector, along both axes. The pixels of the detector are centred on
        /// multiples of their width, so the zero angle stays in the centre of a pixel; those of an even binning share
        /// the pattern pixels on their borders half and half.
        binning: usize,
    },
    /// Centre of mass sum k I / sum I of alpha < outer: `[x, y]`, 1/angstrom; 0 where there is no intensity.
    CenterOfMass {
        /// Outer angle.
        outer_mrad: Option<f64>,
        /// Divide by sum I; without it, the signal is linear in the pattern.
        normalized: bool,
    },
}

/// Which part of a pattern a pixelated detector has.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// As many whole pixels as the pattern has.
    Whole,
    /// The pixels whose centres lie up to this angle (mrad) along each axis: an odd number.
    Angle(f64),
    /// This many pixels of the detector, after binning.
    Pixels {
        /// Along ky.
        rows: usize,
        /// Along kx.
        columns: usize,
    },
}

/// A detector: a kind, the efficiency of its pixels, and a name. Immutable.
///
/// ```
/// # fn main() -> aet::Result<()> {
/// use aet::{electron, grid::Plane, optics::{BandLimit, Detector, DetectorKind, DetectorPlan}};
/// let haadf = Detector::new(DetectorKind::Annular { inner_mrad: 40.0, outer_mrad: Some(60.0) })?.named("haadf");
/// let com = Detector::new(DetectorKind::CenterOfMass { outer_mrad: None, normalized: true })?;
/// let (plane, wavelength) = (Plane::new(64, 64, 0.1, 0.1)?, electron::wavelength(300e3)?);
/// let plan = DetectorPlan::new(&[haadf, com], &plane, wavelength, BandLimit::Circular)?;
/// let (pattern, mut signals) = (vec![1f32 / 4096.0; 4096], vec![0.0; plan.len()]);
/// plan.signals(&pattern, &mut signals)?; // [haadf, com x, com y]
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Detector {
    kind: DetectorKind,
    sensitivity: Option<Sensitivity>,
    name: Option<String>,
}

impl Detector {
    /// A detector of even efficiency.
    ///
    /// # Errors
    /// `Range` for angles that are not 0 <= inner < outer, a width of rings that is not positive, a rotation that is not
    /// finite, and numbers of rings, segments or pixels and binnings outside 1 to 65536.
    pub fn new(kind: DetectorKind) -> Result<Self> {
        kind.check()?;
        Ok(Self { kind, sensitivity: None, name: None })
    }

    /// The same with the efficiency of a measured map, by which patterns are multiplied first.
    pub fn with_sensitivity(mut self, sensitivity: Sensitivity) -> Self {
        self.sensitivity = Some(sensitivity);
        self
    }

    /// The same under this name instead of the automatic one.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it does.
    pub fn kind(&self) -> &DetectorKind {
        &self.kind
    }

    /// Its map of efficiencies.
    pub fn sensitivity(&self) -> Option<&Sensitivity> {
        self.sensitivity.as_ref()
    }

    /// Its name; automatic ones tell kind and angles: `annular_40_60`.
    pub fn name(&self) -> String {
        let until = |outer: Option<f64>| outer.map_or(String::new(), |outer| format!("_{outer}"));
        self.name.clone().unwrap_or_else(|| match self.kind {
            DetectorKind::Annular { inner_mrad, outer_mrad } => format!("annular_{inner_mrad}{}", until(outer_mrad)),
            DetectorKind::FlexibleAnnular { inner_mrad, outer_mrad, step_mrad } => {
                format!("flexible_{inner_mrad}_{outer_mrad}_{step_mrad}")
            }
            DetectorKind::Segmented { inner_mrad, outer_mrad, .. } => format!("segmented_{inner_mrad}_{outer_mrad}"),
            DetectorKind::Pixelated { .. } => "pixelated".into(),
            DetectorKind::CenterOfMass { outer_mrad, .. } => format!("center_of_mass{}", until(outer_mrad)),
        })
    }
}

impl DetectorKind {
    /// Words for messages.
    fn words(&self) -> &'static str {
        match self {
            DetectorKind::Annular { .. } => "annular detector",
            DetectorKind::FlexibleAnnular { .. } => "flexible annular detector",
            DetectorKind::Segmented { .. } => "segmented detector",
            DetectorKind::Pixelated { .. } => "pixelated detector",
            DetectorKind::CenterOfMass { .. } => "centre-of-mass detector",
        }
    }

    /// The outer angle, if there is one.
    fn outer_mrad(&self) -> Option<f64> {
        match *self {
            DetectorKind::Annular { outer_mrad, .. } | DetectorKind::CenterOfMass { outer_mrad, .. } => outer_mrad,
            DetectorKind::FlexibleAnnular { outer_mrad, .. } | DetectorKind::Segmented { outer_mrad, .. } => {
                Some(outer_mrad)
            }
            DetectorKind::Pixelated { crop: Crop::Angle(angle), .. } => Some(angle),
            DetectorKind::Pixelated { .. } => None,
        }
    }

    /// Rings of a flexible annular detector.
    fn rings(inner: f64, outer: f64, step: f64) -> f64 {
        ((outer - inner) / step - grid::ROUNDING).ceil()
    }

    fn check(&self) -> Result<()> {
        let inner = match *self {
            DetectorKind::Annular { inner_mrad, .. }
            | DetectorKind::FlexibleAnnular { inner_mrad, .. }
            | DetectorKind::Segmented { inner_mrad, .. } => inner_mrad,
            DetectorKind::Pixelated { .. } | DetectorKind::CenterOfMass { .. } => 0.0,
        };
        let of = |what: &str| format!("{what} of the {}", self.words());
        if !(inner.is_finite() && inner >= 0.0) {
            return Err(Error::range(of("inner angle"), inner, "0 or a positive number (mrad)"));
        }
        if let Some(outer) = self.outer_mrad().filter(|outer| !(outer.is_finite() && *outer > inner)) {
            return Err(Error::range(of("outer angle"), outer, format!("more than the inner angle, {inner} mrad")));
        }
        let count = |what: &str, n: usize| match (1..=MOST_PARTS).contains(&n) {
            true => Ok(()),
            false => Err(Error::range(of(what), n, format!("1 to {MOST_PARTS}"))),
        };
        match *self {
            DetectorKind::FlexibleAnnular { inner_mrad, outer_mrad, step_mrad } => {
                if !(step_mrad.is_finite() && step_mrad > 0.0) {
                    return Err(Error::range(of("step"), step_mrad, "a positive number (mrad)"));
                }
                let rings = Self::rings(inner_mrad, outer_mrad, step_mrad);
                if rings > MOST_PARTS as f64 {
                    let wanted = format!("one with which there are at most {MOST_PARTS} rings, not {rings}");
                    return Err(Error::range(of("step"), step_mrad, wanted));
                }
            }
            DetectorKind::Segmented { radial_bins, azimuthal_bins, rotation_deg, .. } => {
                count("number of rings", radial_bins)?;
                count("number of segments per ring", azimuthal_bins)?;
                count("number of segments", radial_bins * azimuthal_bins)?;
                if !rotation_deg.is_finite() {
                    return Err(Error::range(of("rotation"), rotation_deg, "a finite number (degree)"));
                }
            }
            DetectorKind::Pixelated { crop, binning } => {
                count("binning", binning)?;
                if let Crop::Pixels { rows, columns } = crop {
                    count("number of rows", rows)?;
                    count("number of columns", columns)?;
                }
            }
            DetectorKind::Annular { .. } | DetectorKind::CenterOfMass { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kind_and_angles() {
        let annular = Detector::new(DetectorKind::Annular { inner_mrad: 40.0, outer_mrad: Some(60.5) }).unwrap();
        assert_eq!((annular.name(), annular.named("haadf").name()), ("annular_40_60.5".into(), "haadf".into()));
        let com = Detector::new(DetectorKind::CenterOfMass { outer_mrad: None, normalized: true }).unwrap();
        assert_eq!(com.name(), "center_of_mass");
    }

    #[test]
    fn descriptions_are_checked() {
        let message = |kind| Detector::new(kind).unwrap_err().to_string();
        let annular = |inner_mrad, outer_mrad| DetectorKind::Annular { inner_mrad, outer_mrad };
        assert!(message(annular(-1.0, None)).contains("inner angle of the annular detector is -1"));
        assert!(message(annular(f64::NAN, None)).contains("NaN"));
        assert!(message(annular(40.0, Some(40.0))).contains("more than the inner angle, 40 mrad"));
        let flexible = |step_mrad| DetectorKind::FlexibleAnnular { inner_mrad: 0.0, outer_mrad: 60.0, step_mrad };
        assert!(message(flexible(0.0)).contains("step of the flexible annular detector is 0"));
        assert!(message(flexible(1e-6)).contains("at most 65536 rings, not 60000000"));
        let segmented = |radial_bins, azimuthal_bins, rotation_deg| DetectorKind::Segmented {
            inner_mrad: 0.0,
            outer_mrad: 60.0,
            radial_bins,
            azimuthal_bins,
            rotation_deg,
        };
        assert!(message(segmented(0, 4, 0.0)).contains("number of rings of the segmented detector is 0"));
        assert!(message(segmented(1000, 1000, 0.0)).contains("number of segments of the segmented detector is 1000000"));
        assert!(message(segmented(1, 4, f64::INFINITY)).contains("rotation"));
        let pixelated = |crop, binning| DetectorKind::Pixelated { crop, binning };
        assert!(message(pixelated(Crop::Whole, 0)).contains("binning of the pixelated detector is 0"));
        assert!(message(pixelated(Crop::Angle(-3.0), 1)).contains("outer angle of the pixelated detector is -3"));
        assert!(message(pixelated(Crop::Pixels { rows: 0, columns: 1 }, 1)).contains("number of rows"));
    }

    #[test]
    fn descriptions_survive_being_stored() {
        let kind = DetectorKind::Pixelated { crop: Crop::Pixels { rows: 3, columns: 4 }, binning: 2 };
        let map = Sensitivity::new(ndarray::arr2(&[[0.5, 1.0]]).view(), (1.0, 2.0)).unwrap();
        let detector = Detector::new(kind).unwrap().with_sensitivity(map).named("camera");
        let text = serde_json::to_string(&detector).unwrap();
        assert_eq!(serde_json::from_str::<Detector>(&text).unwrap(), detector);
    }
}
