//! Options of volume tomography; `None` means automatic.

use super::genfire::{GenfireOptions, Gridding, Iterate, Resolution};
use super::regularize::Regularization;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a volume is reconstructed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TomographyMethod {
    /// Gradient descent on the squared residual (Pham et al. 2023).
    #[default]
    Resire,
    /// Simultaneous iterative reconstruction technique: steps weighted by the sums of rows and columns.
    Sirt,
    /// Simultaneous algebraic reconstruction technique: an update per view, or per ordered subset of views.
    Sart,
    /// Algebraic reconstruction technique: an update per ray (Kaczmarz).
    Art,
    /// Conjugate gradients on the normal equations, without constraints on values.
    Cgls,
    /// Filtered back-projection for one tilt axis.
    Fbp,
    /// Back-projection weighted exactly for arbitrary views (Radermacher 1992).
    Wbp,
    /// Iterations between volume and Fourier space (Pryor et al. 2017).
    Genfire,
    /// Equally sloped tomography (Miao, Foerster & Levi 2005), for one tilt axis.
    Est,
    /// RESIRE through the transform of the volume.
    ResireFourier,
}

impl TomographyMethod {
    /// All methods with their names.
    pub const ALL: [(&'static str, TomographyMethod); 10] = [
        ("resire", TomographyMethod::Resire),
        ("sirt", TomographyMethod::Sirt),
        ("sart", TomographyMethod::Sart),
        ("art", TomographyMethod::Art),
        ("cgls", TomographyMethod::Cgls),
        ("fbp", TomographyMethod::Fbp),
        ("wbp", TomographyMethod::Wbp),
        ("genfire", TomographyMethod::Genfire),
        ("est", TomographyMethod::Est),
        ("resire_fourier", TomographyMethod::ResireFourier),
    ];

    /// The method of that name.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, method)| *method).ok_or_else(|| {
            Error::UnknownOption {
                what: "method".into(),
                got: name.into(),
                known: Self::ALL.map(|(known, _)| known).join(", "),
            }
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }

    /// Whether one step gives the result.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Fbp | Self::Wbp)
    }

    /// Whether it works in Fourier space, one pixel to a voxel.
    pub fn is_fourier(self) -> bool {
        matches!(self, Self::Genfire | Self::Est | Self::ResireFourier)
    }

    /// Whether it descends one loss by steps that a regularisation can join.
    pub fn takes_regularization(self) -> bool {
        matches!(self, Self::Resire | Self::ResireFourier)
    }

    /// Whether values can be held to bounds while it works.
    pub fn takes_bounds(self) -> bool {
        !(self.is_direct() || self == Self::Cgls)
    }
}

/// Which views take part: every second one gives a half set for Fourier shell correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewSubset {
    /// All.
    #[default]
    All,
    /// The first, third, ... tilt in use.
    Even,
    /// The second, fourth, ... tilt in use.
    Odd,
}

/// Window on the ramp of filtered back-projection, q relative to the Nyquist frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RampWindow {
    /// 1
    #[default]
    RamLak,
    /// sin(pi q / 2) / (pi q / 2)
    SheppLogan,
    /// cos(pi q / 2)
    Cosine,
    /// 0.54 + 0.46 cos(pi q)
    Hamming,
    /// 0.5 + 0.5 cos(pi q)
    Hann,
}

/// Options of GENFIRE and EST.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FourierOptions {
    /// GENFIRE: how points of the transform get their values. RESIRE in Fourier space: `Exact` interpolates among four
    /// points along each axis, with their weakening corrected; `Nearest` between two, as published.
    pub gridding: Gridding,
    /// GENFIRE: points of the transform up to which samples or slices count.
    pub cutoff: f64,
    /// GENFIRE: which frequencies are imposed when.
    pub resolution: Resolution,
    /// GENFIRE: a last stage with all frequencies.
    pub end_with_all: bool,
    /// GENFIRE: what positivity adds to the sum of the volume is taken off again.
    pub keep_total: bool,
    /// GENFIRE: part of the points that is held back for R-free.
    pub held_back: f64,
    /// Which volume is returned.
    pub iterate: Iterate,
}

impl Default for FourierOptions {
    fn default() -> Self {
        let genfire = GenfireOptions::default();
        Self {
            gridding: genfire.gridding,
            cutoff: genfire.cutoff,
            resolution: genfire.resolution,
            end_with_all: genfire.end_with_all,
            keep_total: genfire.keep_total,
            held_back: genfire.held_back,
            iterate: genfire.iterate,
        }
    }
}

/// What is taken off the images before a volume is reconstructed: a positive volume cannot explain an offset outside of
/// the specimen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(i32)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// From every view its own: the 5 % quantile of the means over squares of 8 x 8 pixels.
    #[default]
    Automatic = 0,
    /// Nothing.
    None = 1,
}

/// Options of a tomographic reconstruction; `None` means automatic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TomographyOptions {
    /// How.
    pub method: TomographyMethod,
    /// Voxels along z, y and x. `None`: a cube as wide as the longer side of the images.
    pub shape: Option<[usize; 3]>,
    /// Edge of a voxel, in the length unit of the series, at most a pixel. `None`: a pixel.
    pub voxel_size: Option<f64>,
    /// Iterations of a reconstruction in one call. `None`: 50 of RESIRE (100 where not accelerated), 25 of SIRT (100), 20
    /// of CGLS, 10 of SART, 5 of ART, 100 of GENFIRE, 50 of EST. A run of an object is told its iterations itself.
    pub iterations: Option<usize>,
    /// Length of steps. `None`: 1.9 for RESIRE, relative to 1 / (bound of the largest eigenvalue of A* A), 1 for SIRT,
    /// 0.3 for SART and ART; 1 for accelerated methods. Below 2.
    pub relaxation: Option<f64>,
    /// Extrapolate along former steps: RESIRE, SIRT and EST.
    pub accelerated: bool,
    /// Keep voxels at 0 or above. `None`: yes, for methods that can.
    pub positivity: Option<bool>,
    /// Keep voxels at or below this.
    pub upper_bound: Option<f64>,
    /// Views per update of SART. `None`: 1.
    pub subset_size: Option<usize>,
    /// Window on the ramp of FBP and WBP.
    pub window: RampWindow,
    /// What is taken off the images.
    pub background: Background,
    /// Which views take part.
    pub subset: ViewSubset,
    /// Part of the views that is held out: their R factor is told beside that of the others, and a run ends when it no
    /// longer falls. 0: none.
    pub held_out: f64,
    /// Which views are held out.
    pub seed: u64,
    /// Weight of each image in the sum over images; `None`: 1.
    pub image_weights: Option<Vec<f64>>,
    /// Bytes that the reconstruction may use; `None`: no limit.
    pub memory_limit: Option<u64>,
    /// Points of the padded transform over voxels along each axis, for methods in Fourier space. `None`: 2.
    pub oversampling: Option<f64>,
    /// Of GENFIRE and EST.
    pub fourier: FourierOptions,
    /// Terms beside the data: RESIRE in real or Fourier space. They add to the sum of w_i ||A_i V - b_i||^2 / 2.
    pub regularization: Regularization,
}

impl Default for TomographyOptions {
    fn default() -> Self {
        Self {
            method: TomographyMethod::Resire,
            shape: None,
            voxel_size: None,
            iterations: None,
            relaxation: None,
            accelerated: true,
            positivity: None,
            upper_bound: None,
            subset_size: None,
            window: RampWindow::RamLak,
            background: Background::Automatic,
            subset: ViewSubset::All,
            held_out: 0.0,
            seed: 1,
            image_weights: None,
            memory_limit: None,
            oversampling: None,
            fourier: FourierOptions::default(),
            regularization: Regularization::default(),
        }
    }
}

impl TomographyOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        let method = self.method.name();
        let cannot = |what: String, why: &str| Err(Error::Unsupported { what, why: why.into() });
        if let Some(relaxation) = self.relaxation {
            if !(relaxation > 0.0 && relaxation < 2.0) {
                return Err(Error::range("relaxation", relaxation, "above 0 and below 2: beyond, iterations diverge"));
            }
            let extrapolates = self.method.takes_regularization()
                || matches!(self.method, TomographyMethod::Sirt | TomographyMethod::Est);
            if extrapolates && self.accelerated && relaxation > 1.0 {
                let wanted = "above 0, at most 1 where accelerated: beyond, iterations diverge";
                return Err(Error::range("relaxation", relaxation, wanted));
            }
        }
        if self.positivity == Some(true) && !self.method.takes_bounds() {
            return cannot(format!("positivity with the method {method}"), "its steps cannot keep to bounds");
        }
        if let Some(bound) = self.upper_bound {
            if !(bound.is_finite() && bound > 0.0) {
                return Err(Error::range("upper_bound", bound, "a positive number, in the unit of the images"));
            }
            if !self.method.takes_bounds() || matches!(self.method, TomographyMethod::Genfire | TomographyMethod::Est) {
                return cannot(format!("upper_bound with the method {method}"), "its steps cannot keep to that bound");
            }
        }
        if self.iterations == Some(0) {
            return Err(Error::range("iterations", 0, "at least 1"));
        }
        if self.subset_size == Some(0) {
            return Err(Error::range("subset_size", 0, "at least 1 view"));
        }
        if !(0.0..=0.5).contains(&self.held_out) {
            return Err(Error::range("held_out", self.held_out, "0 (none) to 0.5 of the views"));
        }
        if self.held_out > 0.0 && self.method.is_direct() {
            return cannot(format!("held_out with the method {method}"), "it has no iterations to stop");
        }
        self.regularization.check()?;
        let regularized = self.regularization.has_gradient() || self.regularization.has_prox();
        if regularized && !self.method.takes_regularization() {
            let why = "regularisation joins the steps of resire and resire_fourier only";
            return cannot(format!("regularisation with the method {method}"), why);
        }
        let weights = self.image_weights.iter().flatten().enumerate();
        if let Some((image, weight)) = weights.into_iter().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::range(format!("weight of image {image}"), weight, "a number of 0 or above"));
        }
        Ok(())
    }

    /// Iterations of a reconstruction in one call.
    pub fn iterations(&self) -> usize {
        let automatic = match (self.method, self.accelerated) {
            (TomographyMethod::Resire | TomographyMethod::ResireFourier, true) => 50,
            (TomographyMethod::Sirt, true) => 25,
            (TomographyMethod::Resire | TomographyMethod::ResireFourier | TomographyMethod::Sirt, false) => 100,
            (TomographyMethod::Genfire, _) => 100,
            (TomographyMethod::Est, _) => 50,
            (TomographyMethod::Cgls, _) => 20,
            (TomographyMethod::Sart, _) => 10,
            (TomographyMethod::Art, _) => 5,
            (TomographyMethod::Fbp | TomographyMethod::Wbp, _) => 1,
        };
        self.iterations.unwrap_or(automatic)
    }

    /// Smallest and largest value of a voxel.
    pub(super) fn bounds(&self) -> (f32, f32) {
        let lower = if self.positivity.unwrap_or(self.method.takes_bounds()) { 0.0 } else { f32::NEG_INFINITY };
        (lower, self.upper_bound.map_or(f32::INFINITY, |bound| bound as f32))
    }
}
