//! Options of local-orbital reconstructions; `None` means automatic.

use crate::dataset::Image;
use crate::error::{Error, Result};
use crate::forward::local_orbital::{DepthMode, Orbital, ProbePixels, ProbeSharing, Sharing, Slicing};
use crate::forward::Loss;
use serde::{Deserialize, Serialize};

/// How probe and atoms interact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotModel {
    /// Independent of depth: no probe.
    Direct,
    /// Probes of the optics in every slice.
    Rigid,
    /// Rigid with pixels of probes that are fitted.
    Adaptive,
}

impl LotModel {
    /// Name as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            LotModel::Direct => "direct",
            LotModel::Rigid => "rigid",
            LotModel::Adaptive => "adaptive",
        }
    }
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossChoice {
    /// Mean square difference, formula (5).
    Mse,
    /// Poisson log-likelihood, for counts.
    Poisson,
    /// Least squares of the roots of counts.
    Anscombe,
    /// Mean square difference, absolute beyond a threshold: for images with pixels that are wrong.
    Huber,
    /// Mean square difference over the variance of each image's noise: for tilts whose noise differs.
    Gaussian,
}

/// Anscombe's offset: counts that are added before the root is taken.
const ANSCOMBE: f64 = 0.375;

impl LossChoice {
    /// The loss of an image; `scale` is the floor of counts, the threshold of Huber or the variance of weight 1.
    pub(super) fn of_image(self, scale: f64, image: &Image) -> Loss {
        match self {
            LossChoice::Mse => Loss::Mse,
            LossChoice::Poisson => Loss::Poisson { floor: scale },
            LossChoice::Anscombe => Loss::Anscombe { offset: ANSCOMBE / image.counts_per_unit.unwrap_or(1.0) },
            LossChoice::Huber => Loss::Huber { threshold: scale },
            LossChoice::Gaussian => Loss::Gaussian { weight: scale / image.noise_variance.unwrap_or(scale) },
        }
    }

    /// Whether it is one of counts, which cannot be negative.
    pub(super) fn is_of_counts(self) -> bool {
        matches!(self, LossChoice::Poisson | LossChoice::Anscombe)
    }
}

/// Type of numbers in the kernels; sums and parameters are double in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32: fast.
    Single,
    /// f64: for verification.
    Double,
}

/// Options of a local-orbital reconstruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LotOptions {
    /// Direct, rigid or adaptive.
    pub model: LotModel,
    /// `None`: Poisson if every image has counts per unit, else mean square.
    pub loss: Option<LossChoice>,
    /// Linear (default) or hard slices.
    pub slicing: Slicing,
    /// Single (default) or double.
    pub precision: Precision,
    /// Which atoms share a height; `None`: each its own.
    pub height_sharing: Option<Sharing>,
    /// Which atoms share a width; `None`: one per species.
    pub width_sharing: Option<Sharing>,
    /// Thickness of slices in A.
    pub slice_thickness: f64,
    /// Width B at the start in A^2; `None`: the atoms' own, else 0.5 (Supplementary Table 1).
    pub width_start: Option<f64>,
    /// Smallest width in A^2; `None`: 0.1 pixel^2.
    pub width_min: Option<f64>,
    /// Largest width in A^2; `None`: 100 pixel^2, over the largest s of the orbital's terms where that is above 1.
    pub width_max: Option<f64>,
    /// Window half width in sqrt(B); `None`: 3.4 in single, 6.2 in double precision.
    pub cutoff: Option<f64>,
    /// Bytes an evaluation may use; `None`: no limit.
    pub memory_limit: Option<u64>,
    /// Slices or templates of the rigid model.
    pub mode: DepthMode,
    /// Largest error of the images that templates and knots may have, relative to an atom in focus; `None`: 2e-4, of knots
    /// 5e-3. Mode auto takes the fastest that keeps it.
    pub depth_error: Option<f64>,
    /// Shape of the orbitals.
    pub orbital: Orbital,
    /// Which images share the probes of the adaptive model.
    pub probe_sharing: ProbeSharing,
    /// Edge of these probes in pixels, odd; `None`: automatic.
    pub probe_side: Option<usize>,
    /// Weight of differences between neighbouring pixels of these probes, in units of what the images say of a pixel; 0: none.
    pub probe_smoothness: f64,
    /// Difference beyond which a pixel pulls no harder with [`LossChoice::Huber`], in the unit of the images; `None`: 1.345
    /// times the robust standard deviation of the residuals at the start, kept from there on.
    pub huber_threshold: Option<f64>,
}

impl Default for LotOptions {
    fn default() -> Self {
        Self {
            model: LotModel::Rigid,
            loss: None,
            slicing: Slicing::Linear,
            precision: Precision::Single,
            height_sharing: None,
            width_sharing: None,
            slice_thickness: 4.0,
            width_start: None,
            width_min: None,
            width_max: None,
            cutoff: None,
            memory_limit: None,
            mode: DepthMode::Auto,
            depth_error: None,
            orbital: Orbital::default(),
            probe_sharing: ProbeSharing::Section,
            probe_side: None,
            probe_smoothness: 0.0,
            huber_threshold: None,
        }
    }
}

impl LotOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: f64, unit: &str| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(Error::range(name, value, format!("a positive number ({unit})")))
        };
        positive("slice_thickness", self.slice_thickness, "A")?;
        if !(self.probe_smoothness.is_finite() && self.probe_smoothness >= 0.0) {
            return Err(Error::range("probe_smoothness", self.probe_smoothness, "0 or a positive number"));
        }
        if self.probe_smoothness > 0.0 && self.model != LotModel::Adaptive {
            let why =
                format!("it is {}, but model {} has no pixels of probes", self.probe_smoothness, self.model.name());
            return Err(Error::Inconsistent { what: "probe_smoothness".into(), why });
        }
        self.depth_error.map_or(Ok(()), |v| positive("depth_error", v, "part of an atom in focus"))?;
        let widths = [("width_start", self.width_start), ("width_min", self.width_min), ("width_max", self.width_max)];
        for (name, value) in widths {
            value.map_or(Ok(()), |v| positive(name, v, "A^2"))?;
        }
        if let (Some(low), Some(high)) = (self.width_min, self.width_max) {
            if low >= high {
                return Err(Error::range("width_min", low, format!("below width_max ({high} A^2)")));
            }
        }
        if let (Some(threshold), true) = (self.huber_threshold, self.loss != Some(LossChoice::Huber)) {
            let why = format!("it is {threshold}, but the loss is not huber; choose that loss, or leave it out");
            return Err(Error::Inconsistent { what: "huber_threshold".into(), why });
        }
        self.huber_threshold.map_or(Ok(()), |v| positive("huber_threshold", v, "image unit"))?;
        self.cutoff.map_or(Ok(()), |v| positive("cutoff", v, "sqrt(B)"))
    }

    /// The same, with the rigid model in place of the adaptive one, which goes on from it.
    pub fn before_pixels(&self) -> Self {
        match self.model {
            LotModel::Adaptive => Self { model: LotModel::Rigid, probe_smoothness: 0.0, ..self.clone() },
            _ => self.clone(),
        }
    }

    /// Pixels of probes to be fitted, if the model has them.
    pub(super) fn probe_pixels(&self) -> Option<ProbePixels> {
        let pixels = ProbePixels { sharing: self.probe_sharing, side: self.probe_side };
        (self.model == LotModel::Adaptive).then_some(pixels)
    }

    /// Bounds of the widths for a pixel size.
    pub(super) fn width_bounds(&self, pixel_size: f64) -> (f64, f64) {
        let pixel = pixel_size * pixel_size;
        let largest = 100.0 * pixel / self.orbital.widest().max(1.0);
        (self.width_min.unwrap_or(0.1 * pixel), self.width_max.unwrap_or(largest))
    }
}
