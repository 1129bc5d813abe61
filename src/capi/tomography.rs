//! Tomography: volumes from tilt series

use super::context::aet_context;
use super::dataset::aet_dataset;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::recon::aet_recon;
use super::snapshot::aet_snapshot;
use super::status::aet_status;
use super::volume::{aet_volume, HeldVolume};
use crate::context::Context;
use crate::optimize::Termination;
use crate::reconstruct::{
    reconstruct_volume, tomography_memory_estimate, Background, FourierOptions, Gridding, Iterate, RampWindow,
    Reconstruct, Regularization, Resolution, Tomography, TomographyMethod, TomographyOptions, ViewSubset,
};
use crate::specimen::Volume;
use crate::{Error, Result};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// How a volume is reconstructed.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_tomography_method {
    /// Gradient descent on the squared residual, with a safe step that is found, not given (RESIRE).
    Resire = 0,
    /// Simultaneous iterative reconstruction technique: steps weighted by the sums of rows and columns.
    Sirt = 1,
    /// Simultaneous algebraic reconstruction technique: an update per view, or per `subset_size` views.
    Sart = 2,
    /// Algebraic reconstruction technique: an update per ray (Kaczmarz).
    Art = 3,
    /// Conjugate gradients on the normal equations; cannot keep values to bounds.
    Cgls = 4,
    /// Filtered back-projection for one tilt axis, weighted for uneven angles.
    Fbp = 5,
    /// Back-projection with exact weights for any views.
    Wbp = 6,
    /// Iterations between volume and Fourier space, where the views have measured it (GENFIRE).
    Genfire = 7,
    /// Equally sloped tomography: the same on the lines of the views, for one tilt axis along x or y.
    Est = 8,
    /// RESIRE through the transform of the volume, as published first; the exact adjoint all the same.
    ResireFourier = 9,
}

host_enum!(aet_tomography_method:
    Resire = "AET_TOMOGRAPHY_METHOD_RESIRE",
    Sirt = "AET_TOMOGRAPHY_METHOD_SIRT",
    Sart = "AET_TOMOGRAPHY_METHOD_SART",
    Art = "AET_TOMOGRAPHY_METHOD_ART",
    Cgls = "AET_TOMOGRAPHY_METHOD_CGLS",
    Fbp = "AET_TOMOGRAPHY_METHOD_FBP",
    Wbp = "AET_TOMOGRAPHY_METHOD_WBP",
    Genfire = "AET_TOMOGRAPHY_METHOD_GENFIRE",
    Est = "AET_TOMOGRAPHY_METHOD_EST",
    ResireFourier = "AET_TOMOGRAPHY_METHOD_RESIRE_FOURIER",
);

impl From<aet_tomography_method> for TomographyMethod {
    fn from(method: aet_tomography_method) -> Self {
        match method {
            aet_tomography_method::Resire => TomographyMethod::Resire,
            aet_tomography_method::Sirt => TomographyMethod::Sirt,
            aet_tomography_method::Sart => TomographyMethod::Sart,
            aet_tomography_method::Art => TomographyMethod::Art,
            aet_tomography_method::Cgls => TomographyMethod::Cgls,
            aet_tomography_method::Fbp => TomographyMethod::Fbp,
            aet_tomography_method::Wbp => TomographyMethod::Wbp,
            aet_tomography_method::Genfire => TomographyMethod::Genfire,
            aet_tomography_method::Est => TomographyMethod::Est,
            aet_tomography_method::ResireFourier => TomographyMethod::ResireFourier,
        }
    }
}

/// What is taken off the images before a volume is reconstructed.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_background {
    /// From every image its own: the 5 % quantile of the means over squares of 8 x 8 pixels. A positive volume cannot
    /// explain an offset beside the specimen.
    Automatic = 0,
    /// Nothing.
    None = 1,
}

host_enum!(aet_background:
    Automatic = "AET_BACKGROUND_AUTOMATIC",
    None = "AET_BACKGROUND_NONE",
);

/// Window on the ramp of filtered back-projection; q is the frequency relative to Nyquist's.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_ramp_window {
    /// 1
    RamLak = 0,
    /// sin(pi q / 2) / (pi q / 2)
    SheppLogan = 1,
    /// cos(pi q / 2)
    Cosine = 2,
    /// 0.54 + 0.46 cos(pi q)
    Hamming = 3,
    /// 0.5 + 0.5 cos(pi q)
    Hann = 4,
}

host_enum!(aet_ramp_window:
    RamLak = "AET_RAMP_WINDOW_RAM_LAK",
    SheppLogan = "AET_RAMP_WINDOW_SHEPP_LOGAN",
    Cosine = "AET_RAMP_WINDOW_COSINE",
    Hamming = "AET_RAMP_WINDOW_HAMMING",
    Hann = "AET_RAMP_WINDOW_HANN",
);

/// Which tilts take part.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_view_subset {
    /// All.
    All = 0,
    /// The first, third, ... tilt in use: one half set for Fourier shell correlation.
    Even = 1,
    /// The second, fourth, ...: the other half set.
    Odd = 2,
}

host_enum!(aet_view_subset:
    All = "AET_VIEW_SUBSET_ALL",
    Even = "AET_VIEW_SUBSET_EVEN",
    Odd = "AET_VIEW_SUBSET_ODD",
);

/// How views and points of the Fourier space meet in GENFIRE and RESIRE_FOURIER.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_gridding {
    /// GENFIRE: from slices nearer than the cutoff, the transform of the view at the foot of the point ("DFT").
    /// RESIRE_FOURIER: interpolation among four points along each axis, its weakening corrected.
    Exact = 0,
    /// GENFIRE: from the samples of the padded views' transforms that lie nearer than the cutoff ("FFT"). RESIRE_FOURIER:
    /// interpolation between two points along each axis, as published (oversampling 3 there).
    Nearest = 1,
}

host_enum!(aet_gridding:
    Exact = "AET_GRIDDING_EXACT",
    Nearest = "AET_GRIDDING_NEAREST",
);

/// Which frequencies GENFIRE imposes in the course of its iterations.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_resolution_schedule {
    /// From low ones to all.
    Extension = 0,
    /// All measured ones, always.
    Off = 1,
    /// From all to low ones.
    Suppression = 2,
    /// Extension, then suppression: the published default.
    Both = 3,
}

host_enum!(aet_resolution_schedule:
    Extension = "AET_RESOLUTION_SCHEDULE_EXTENSION",
    Off = "AET_RESOLUTION_SCHEDULE_OFF",
    Suppression = "AET_RESOLUTION_SCHEDULE_SUPPRESSION",
    Both = "AET_RESOLUTION_SCHEDULE_BOTH",
);

/// Which iterate GENFIRE and EST return.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_iterate {
    /// The one with the smallest error.
    Best = 0,
    /// The last one.
    Last = 1,
}

host_enum!(aet_iterate:
    Best = "AET_ITERATE_BEST",
    Last = "AET_ITERATE_LAST",
);

/// Options of aet_recon_create_tomography and aet_volume_reconstruct. Fill with aet_tomography_options_init; 0 and NULL
/// mean automatic where it is said.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_tomography_options {
    /// sizeof(aet_tomography_options).
    pub struct_size: usize,
    /// Volume to start from, in the unit of the images per voxel; NULL: zeros.
    pub initial: *const aet_volume,
    /// Where this volume is 0 the result is 0; NULL: everywhere is allowed.
    pub support: *const aet_volume,
    /// Weight of each image in the sum over images, `[n_image_weights]`, 0 or above; NULL: 1 each.
    pub image_weights: *const f64,
    /// 0, or the number of images of the dataset.
    pub n_image_weights: i64,
    /// Voxels along z; 0: as many as the longer side of the images has pixels. Give all three numbers or none. The volume
    /// may be larger than the images (films) or smaller.
    pub nz: i64,
    /// Voxels along y.
    pub ny: i64,
    /// Voxels along x.
    pub nx: i64,
    /// Views per update of SART; 0: 1.
    pub subset_size: i64,
    /// Which views are held out: another number draws others.
    pub seed: i64,
    /// Edge of a voxel in the length unit of the dataset, at most a pixel; 0: a pixel.
    pub voxel_size: f64,
    /// Length of steps, below 2. 0: of RESIRE 1.9 relative to 1 / (largest eigenvalue of A* A), of SIRT 1, of both 1 where
    /// accelerated; of SART and ART 0.3.
    pub relaxation: f64,
    /// Largest value of a voxel, not with GENFIRE and EST; 0: none.
    pub upper_bound: f64,
    /// Part of the views, up to 0.5, that is held out: their R factor is told beside that of the others (column r_free of
    /// the history), and a run ends with the best volume when it has not fallen for 5 iterations. 0: none.
    pub held_out: f64,
    /// Bytes that the reconstruction may need beside the dataset; 0: no limit.
    pub memory_limit: f64,
    /// Points of the padded transform over voxels along each axis: GENFIRE (0: 2), EST (0: 2), RESIRE_FOURIER (0: 2).
    pub oversampling: f64,
    /// GENFIRE: points of the transform up to which samples or slices count; 0: 0.5.
    pub gridding_cutoff: f64,
    /// GENFIRE: part of the points of the transform, up to 0.5, that is held back for R-free; 0: none.
    pub held_back: f64,
    /// lambda of total variation, sum |(D V)_i|, isotropic: RESIRE and RESIRE_FOURIER. This and the terms below add to
    /// the loss in its unit: to the sum of w_i ||A_i V - b_i||^2 / 2 over the views. 0: none, as for all terms.
    pub total_variation: f64,
    /// lambda of 1/2 sum V_i^2 (Tikhonov).
    pub tikhonov: f64,
    /// lambda of 1/2 sum |(D V)_i|^2.
    pub tikhonov_gradient: f64,
    /// lambda of sum |V_i|.
    pub soft_threshold: f64,
    /// lambda of sum w_i |V_i| with w_i = (sqrt(y^2 + k z^2 + x^2) / (ny / 2))^p in voxels from the origin.
    pub edge: f64,
    /// p of the edge penalty; 0: 5.
    pub edge_power: f64,
    /// k of the edge penalty; 0: 1.
    pub edge_squeeze: f64,
    /// Standard deviation of a Gaussian blur after every iteration, voxels; 0: none.
    pub blur: f64,
    /// An aet_tomography_method.
    pub method: i32,
    /// Iterations of aet_volume_reconstruct; 0: 50 of RESIRE, 25 of SIRT (100 where not accelerated), 20 of CGLS, 10 of SART,
    /// 5 of ART, 100 of GENFIRE (whose schedule is spread over them, so that its runs need it, too), 50 of EST. Runs of an
    /// aet_recon are told theirs by aet_run_options.
    pub iterations: i32,
    /// 1: extrapolate along former steps, the default; 0: plain steps. RESIRE, RESIRE_FOURIER, SIRT and EST.
    pub accelerated: i32,
    /// 1: voxels stay at 0 or above in methods that can, the default; 0: not.
    pub positivity: i32,
    /// An aet_ramp_window: FBP and WBP.
    pub window: i32,
    /// An aet_background.
    pub background: i32,
    /// An aet_view_subset.
    pub subset: i32,
    /// An aet_gridding: GENFIRE, RESIRE_FOURIER.
    pub gridding: i32,
    /// An aet_resolution_schedule: GENFIRE.
    pub resolution: i32,
    /// GENFIRE: 1: a last stage with all frequencies, the default; 0: the schedule's last.
    pub end_with_all: i32,
    /// GENFIRE: 1: what positivity adds to the sum of the volume is taken off again, the default; 0: not, as published.
    pub keep_total: i32,
    /// An aet_iterate: GENFIRE, EST.
    pub iterate: i32,
    /// Iterations of total variation within one step; 0: 20.
    pub inner_iterations: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, raw pointers and numbers; fourteen i32 stand after the 8-byte
// members.
unsafe impl CStruct for aet_tomography_options {
    const NAME: &'static str = "aet_tomography_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_tomography_options {
            struct_size: size_of::<Self>(),
            initial: ptr::null(),
            support: ptr::null(),
            image_weights: ptr::null(),
            n_image_weights: 0,
            nz: 0,
            ny: 0,
            nx: 0,
            subset_size: 0,
            seed: 1,
            voxel_size: 0.0,
            relaxation: 0.0,
            upper_bound: 0.0,
            held_out: 0.0,
            memory_limit: 0.0,
            oversampling: 0.0,
            gridding_cutoff: 0.0,
            held_back: 0.0,
            total_variation: 0.0,
            tikhonov: 0.0,
            tikhonov_gradient: 0.0,
            soft_threshold: 0.0,
            edge: 0.0,
            edge_power: 0.0,
            edge_squeeze: 0.0,
            blur: 0.0,
            method: aet_tomography_method::Resire as i32,
            iterations: 0,
            accelerated: 1,
            positivity: 1,
            window: aet_ramp_window::RamLak as i32,
            background: aet_background::Automatic as i32,
            subset: aet_view_subset::All as i32,
            gridding: aet_gridding::Exact as i32,
            resolution: aet_resolution_schedule::Extension as i32,
            end_with_all: 1,
            keep_total: 1,
            iterate: aet_iterate::Best as i32,
            inner_iterations: 0,
            reserved: 0,
        }
    }
}

/// Options with the volumes that they point to.
pub(super) struct TomographyInput {
    pub options: TomographyOptions,
    initial: Option<Arc<HeldVolume>>,
    support: Option<Arc<HeldVolume>>,
}

impl TomographyInput {
    /// The options for a function that takes no volumes.
    pub fn alone(self, function: &str) -> Result<TomographyOptions> {
        match (&self.initial, &self.support) {
            (None, None) => Ok(self.options),
            _ => Err(Error::Unsupported {
                what: "initial or support".into(),
                why: format!("{function} reconstructs its volumes from nothing, everywhere"),
            }),
        }
    }

    fn initial(&self) -> Option<&Volume> {
        self.initial.as_ref().map(|held| &held.volume)
    }

    fn support(&self) -> Option<&Volume> {
        self.support.as_ref().map(|held| &held.volume)
    }
}

impl Host {
    pub(super) fn tomography_options(&self, options: *const aet_tomography_options) -> Result<TomographyInput> {
        let given = self.options(options)?;
        let edges = [self.count(given.nz, "nz")?, self.count(given.ny, "ny")?, self.count(given.nx, "nx")?];
        if given.memory_limit.is_nan() || given.memory_limit < 0.0 {
            return Err(Error::range("memory_limit", given.memory_limit, "a number of bytes, or 0 for no limit"));
        }
        let optional = |n: i64, argument: &'static str| self.count(n, argument).map(|n| (n > 0).then_some(n));
        let weights = self.slice(given.image_weights, given.n_image_weights, "image_weights")?;
        let options = TomographyOptions {
            method: aet_tomography_method::from_number(given.method, "method")?.into(),
            shape: (edges != [0; 3]).then_some(edges),
            voxel_size: chosen(given.voxel_size),
            iterations: optional(given.iterations.into(), "iterations")?,
            relaxation: chosen(given.relaxation),
            accelerated: self.flag(given.accelerated, "accelerated")?,
            positivity: (!self.flag(given.positivity, "positivity")?).then_some(false),
            upper_bound: chosen(given.upper_bound),
            subset_size: optional(given.subset_size, "subset_size")?,
            window: match aet_ramp_window::from_number(given.window, "window")? {
                aet_ramp_window::RamLak => RampWindow::RamLak,
                aet_ramp_window::SheppLogan => RampWindow::SheppLogan,
                aet_ramp_window::Cosine => RampWindow::Cosine,
                aet_ramp_window::Hamming => RampWindow::Hamming,
                aet_ramp_window::Hann => RampWindow::Hann,
            },
            background: match aet_background::from_number(given.background, "background")? {
                aet_background::Automatic => Background::Automatic,
                aet_background::None => Background::None,
            },
            subset: match aet_view_subset::from_number(given.subset, "subset")? {
                aet_view_subset::All => ViewSubset::All,
                aet_view_subset::Even => ViewSubset::Even,
                aet_view_subset::Odd => ViewSubset::Odd,
            },
            held_out: given.held_out,
            seed: given.seed as u64,
            image_weights: (!weights.is_empty()).then(|| weights.to_vec()),
            memory_limit: chosen(given.memory_limit).map(|bytes| bytes as u64),
            oversampling: chosen(given.oversampling),
            fourier: self.fourier_options(&given)?,
            regularization: self.regularization(&given)?,
        };
        let initial = self.optional_input(given.initial, "initial")?;
        let support = self.optional_input(given.support, "support")?;
        Ok(TomographyInput { options, initial: initial.cloned(), support: support.cloned() })
    }
}

impl Host {
    fn fourier_options(&self, given: &aet_tomography_options) -> Result<FourierOptions> {
        let default = FourierOptions::default();
        Ok(FourierOptions {
            cutoff: chosen(given.gridding_cutoff).unwrap_or(default.cutoff),
            held_back: given.held_back,
            gridding: match aet_gridding::from_number(given.gridding, "gridding")? {
                aet_gridding::Exact => Gridding::Exact,
                aet_gridding::Nearest => Gridding::Nearest,
            },
            resolution: match aet_resolution_schedule::from_number(given.resolution, "resolution")? {
                aet_resolution_schedule::Extension => Resolution::Extension,
                aet_resolution_schedule::Off => Resolution::Off,
                aet_resolution_schedule::Suppression => Resolution::Suppression,
                aet_resolution_schedule::Both => Resolution::Both,
            },
            end_with_all: self.flag(given.end_with_all, "end_with_all")?,
            keep_total: self.flag(given.keep_total, "keep_total")?,
            iterate: match aet_iterate::from_number(given.iterate, "iterate")? {
                aet_iterate::Best => Iterate::Best,
                aet_iterate::Last => Iterate::Last,
            },
        })
    }

    fn regularization(&self, given: &aet_tomography_options) -> Result<Regularization> {
        let default = Regularization::default();
        let inner = self.count(given.inner_iterations.into(), "inner_iterations")?;
        Ok(Regularization {
            total_variation: given.total_variation,
            inner_iterations: if inner == 0 { default.inner_iterations } else { inner },
            tikhonov: given.tikhonov,
            tikhonov_gradient: given.tikhonov_gradient,
            soft_threshold: given.soft_threshold,
            edge: given.edge,
            edge_power: chosen(given.edge_power).unwrap_or(default.edge_power),
            edge_squeeze: chosen(given.edge_squeeze).unwrap_or(default.edge_squeeze),
            blur: given.blur,
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_tomography_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_tomography_options_init(
    options: *mut aet_tomography_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_tomography_options_init", |host| host.init(options, struct_size))
}

/// Bytes that a reconstruction of the present version of `dataset` with `options` (NULL: defaults) needs at most beside the
/// dataset. The errors of the options. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_tomography_estimate_memory(
    dataset: *const aet_dataset,
    options: *const aet_tomography_options,
    bytes: *mut u64,
) -> aet_status {
    guard("aet_tomography_estimate_memory", |host| {
        let bytes = host.out(bytes, "bytes")?;
        let dataset = host.dataset(dataset)?;
        let options = host.tomography_options(options)?.options;
        bytes.set(tomography_memory_estimate(&dataset.context, &dataset.series, &options)?);
        Ok(())
    })
}

/// Creates a reconstruction of a volume from `dataset`. Image i is s_i A_i V + c_i: every voxel of V is shared among the four
/// pixels around its projection, so that the sum of the volume is the sum of every complete image, whatever the voxel
/// size; s_i is 1 and c_i the background at the start. Excluded images and masked pixels take no part; images of a tilt
/// that share their drift are one view. `options` may be NULL. The dataset may be empty: evaluations and runs answer
/// AET_ERROR_NOT_READY until tilts are appended.
///
/// Blocks of the parameters:
///
/// - volume [nz,ny,nx]: V, unit of the images per voxel; kept in single precision, free at the start
/// - drift [images,2]: u, v, A
/// - angles [tilts,3]: phi, theta, psi of the order zyx, deg
/// - scale [images]: s
/// - background [images]: c
///
/// The loss of aet_recon_loss_and_gradient is the sum over images of w_i ||s_i A_i V + c_i - b_i||^2 / (2 n), n used pixels in
/// all, whatever the method, without regularisation; images NULL means those in use that are not held out. Hosts may free
/// the other blocks and drive all of them. aet_recon_step and aet_recon_run
/// iterate the method, on the volume alone; AET_ERROR_UNSUPPORTED while another block is free, and for an optimiser in the
/// options of the run. Every iteration records loss and R factor of the volume from which it was made,
/// extrapolated where it is; when a run has
/// ended, those of its result are known. Get the volume by aet_recon_get_volume, or from a snapshot while it runs.
///
/// AET_ERROR_UNKNOWN_OPTION, AET_ERROR_RANGE (options), AET_ERROR_UNSUPPORTED (bounds or views held out with methods that
/// cannot), AET_ERROR_SHAPE (volumes, weights), AET_ERROR_EMPTY (a support of zeros, an image whose used pixels are all the
/// same), AET_ERROR_MEMORY, AET_ERROR_FORKED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_create_tomography(
    context: *const aet_context,
    dataset: *const aet_dataset,
    options: *const aet_tomography_options,
    recon: *mut *mut aet_recon,
) -> aet_status {
    guard("aet_recon_create_tomography", |host| {
        let place = host.new_handle(recon, "recon")?;
        let context = host.input(context, "context")?;
        let series = &host.input(dataset, "dataset")?.series;
        let input = host.tomography_options(options)?;
        let recon = Tomography::new(context, series, &input.options, input.initial(), input.support())?;
        place.set(Box::new(recon) as Box<dyn Reconstruct>);
        Ok(())
    })
}

/// The volume of the latest state as a new handle. AET_ERROR_UNSUPPORTED for a reconstruction of atoms,
/// AET_ERROR_NON_FINITE where iterations diverged. Any thread, also while a run works.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_volume(recon: *const aet_recon, volume: *mut *mut aet_volume) -> aet_status {
    guard("aet_recon_get_volume", |host| {
        let place = host.new_handle(volume, "volume")?;
        let recon = host.object(recon, "recon")?;
        let volume = recon.volume()?;
        place.set(HeldVolume { context: Context::clone(recon.context()), volume, residuals: vec![] });
        Ok(())
    })
}

/// The volume when the snapshot was taken, as a new handle; `context` is whose threads work on it. AET_ERROR_UNSUPPORTED for
/// a reconstruction of atoms. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_snapshot_get_volume(
    context: *const aet_context,
    snapshot: *const aet_snapshot,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_snapshot_get_volume", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let volume = host.object(snapshot, "snapshot")?.volume()?;
        place.set(HeldVolume { context, volume, residuals: vec![] });
        Ok(())
    })
}

/// Reconstructs a volume from the present version of `dataset` in one call: aet_recon_create_tomography, `iterations` and
/// aet_recon_get_volume, without the object. `options` and `progress` may be NULL; progress tells the norm of b - A V
/// relative to b as loss. Members `initial` and `support` of the options are heeded.
///
/// AET_CANCELLED where `progress` or aet_context_request_cancel ended it: `*volume` is then the volume of the iterations
/// done, or NULL where not one was. Errors as for aet_recon_create_tomography, and AET_ERROR_NOT_READY without an image in
/// use. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_reconstruct(
    context: *const aet_context,
    dataset: *const aet_dataset,
    options: *const aet_tomography_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_reconstruct", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let series = &host.input(dataset, "dataset")?.series;
        let input = host.tomography_options(options)?;
        let volumes = (input.initial(), input.support());
        match reconstruct_volume(&context, series, &input.options, volumes, &mut host.progress(progress, user)) {
            Ok(tomogram) => {
                place.set(HeldVolume { context, volume: tomogram.volume, residuals: tomogram.residuals });
                Ok(match tomogram.termination {
                    Termination::Cancelled => aet_status::AET_CANCELLED,
                    _ => aet_status::AET_OK,
                })
            }
            Err(error) => {
                if matches!(error, Error::Cancelled { .. }) {
                    place.clear();
                }
                Err(error)
            }
        }
    })
}
