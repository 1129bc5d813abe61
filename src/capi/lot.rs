//! Local-orbital tomography (LOT): its options and its creator

use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::recon::aet_recon;
use super::status::aet_status;
use super::{aet_atoms, aet_context, aet_dataset, aet_orbital, aet_probe};
use crate::forward::local_orbital::{DepthMode, ProbeSharing, Sharing, Slicing};
use crate::reconstruct::{LossChoice, LotModel, LotOptions, Precision, Reconstruct, Reconstruction};
use crate::{Error, Result};
use std::ptr;

/// How probe and atoms interact in an image.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_lot_model {
    /// Independent of depth: an atom is a Gaussian spot in every image. Needs no probe and no pixel size.
    Direct = 0,
    /// The probe of the optics at the depth of every slice, formula (4) of the LOT paper. The default.
    Rigid = 1,
    /// Rigid, with the pixels of the probes as one more block of parameters, `probe` [groups, slices, side, side]: not negative,
    /// from the probes of the optics on; around the square these stay. Optics cannot be freed beside them.
    Adaptive = 2,
}

impl aet_lot_model {
    pub(super) fn of(model: LotModel) -> Self {
        match model {
            LotModel::Direct => aet_lot_model::Direct,
            LotModel::Rigid => aet_lot_model::Rigid,
            LotModel::Adaptive => aet_lot_model::Adaptive,
        }
    }
}

host_enum!(aet_lot_model:
    Direct = "AET_LOT_MODEL_DIRECT",
    Rigid = "AET_LOT_MODEL_RIGID",
    Adaptive = "AET_LOT_MODEL_ADAPTIVE",
);

/// What is minimised, as a mean over the used pixels of all images.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_loss {
    /// Poisson where the counts per unit of every image are known, else the mean square.
    Automatic = 0,
    /// (measured - calculated)^2 / 2, formula (5) of the LOT paper.
    Mse = 1,
    /// calculated - measured ln(calculated), the negative log-likelihood of counts. Pixels must not be negative. Where the
    /// calculated intensity is below a floor, 1e-3 of the mean of all images: (measured - calculated)^2 / (2 floor), joined
    /// with the same value and slope.
    Poisson = 2,
    /// 2 (sqrt(measured + e) - sqrt(calculated + e))^2 with e 3/8 of a count, least squares of counts whose root makes their
    /// noise alike. Needs counts_per_unit of every image; pixels must not be negative. Below 0: a parabola of the curvature
    /// 1 / e, joined with the same value and slope.
    Anscombe = 3,
    /// (measured - calculated)^2 / 2 up to a difference of `huber_threshold` t, t |measured - calculated| - t^2 / 2 beyond: dead
    /// and hot pixels pull no harder than t.
    Huber = 4,
    /// (measured - calculated)^2 v / (2 v_j), v_j the noise_variance of image j, which every image needs, and v the mean of them:
    /// the likelihood of noise that differs from tilt to tilt.
    Gaussian = 5,
}

impl aet_loss {
    pub(super) fn of(loss: LossChoice) -> Self {
        match loss {
            LossChoice::Mse => aet_loss::Mse,
            LossChoice::Poisson => aet_loss::Poisson,
            LossChoice::Anscombe => aet_loss::Anscombe,
            LossChoice::Huber => aet_loss::Huber,
            LossChoice::Gaussian => aet_loss::Gaussian,
        }
    }
}

host_enum!(aet_loss:
    Automatic = "AET_LOSS_AUTOMATIC",
    Mse = "AET_LOSS_MSE",
    Poisson = "AET_LOSS_POISSON",
    Anscombe = "AET_LOSS_ANSCOMBE",
    Huber = "AET_LOSS_HUBER",
    Gaussian = "AET_LOSS_GAUSSIAN",
);

/// How neighbouring slices of the rigid model share an atom.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_slicing {
    /// Linear weights between the two nearest slice centres: differentiable along the beam.
    Linear = 0,
    /// The nearest slice has the whole atom, as in the papers; no derivative along the beam.
    Hard = 1,
}

host_enum!(aet_slicing:
    Linear = "AET_SLICING_LINEAR",
    Hard = "AET_SLICING_HARD",
);

/// How the rigid model follows the probe along the beam.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_lot_mode {
    /// Templates where they take less work than slices and these are not hard, else slices.
    Automatic = 0,
    /// Slices of `slice_thickness`, as in the papers.
    Slices = 1,
    /// Every atom is shared by the probes of a few depths: all depths within an error of about 1e-4 and with fewer
    /// transforms. `slice_thickness` plays no part; AET_ERROR_UNSUPPORTED with hard slices.
    Templates = 2,
    /// As templates, with fewer depths: an error of at most 5e-3, or `depth_error`.
    Knots = 3,
}

host_enum!(aet_lot_mode:
    Automatic = "AET_LOT_MODE_AUTOMATIC",
    Slices = "AET_LOT_MODE_SLICES",
    Templates = "AET_LOT_MODE_TEMPLATES",
    Knots = "AET_LOT_MODE_KNOTS",
);

/// Type of numbers in the kernels; parameters and sums are double in both.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_precision {
    /// float: fast.
    Single = 0,
    /// double: for verification.
    Double = 1,
}

host_enum!(aet_precision:
    Single = "AET_PRECISION_SINGLE",
    Double = "AET_PRECISION_DOUBLE",
);

/// Which atoms have one value in common.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_sharing {
    /// Heights: each atom its own. Widths: one per species.
    Automatic = 0,
    /// Each atom its own.
    Atom = 1,
    /// One per species.
    Species = 2,
    /// One for all.
    Common = 3,
}

host_enum!(aet_sharing:
    Automatic = "AET_SHARING_AUTOMATIC",
    Atom = "AET_SHARING_ATOM",
    Species = "AET_SHARING_SPECIES",
    Common = "AET_SHARING_COMMON",
);

/// Which images share the pixels of probes.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_probe_sharing {
    /// All images of a section, which then need the same recorded defocus.
    Section = 0,
    /// None: each image has probes of its own.
    Image = 1,
}

host_enum!(aet_probe_sharing:
    Section = "AET_PROBE_SHARING_SECTION",
    Image = "AET_PROBE_SHARING_IMAGE",
);

/// Options of aet_recon_create_lot. Fill with aet_lot_options_init; 0 means automatic in all members but `model`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_lot_options {
    /// sizeof(aet_lot_options).
    pub struct_size: usize,
    /// An aet_lot_model.
    pub model: i32,
    /// An aet_loss.
    pub loss: i32,
    /// An aet_slicing.
    pub slicing: i32,
    /// An aet_precision.
    pub precision: i32,
    /// An aet_sharing: which atoms share a height H.
    pub height_sharing: i32,
    /// An aet_sharing: which atoms share a width B.
    pub width_sharing: i32,
    /// Thickness of slices, angstrom; 0: 4.
    pub slice_thickness: f64,
    /// Width B of the orbitals H exp(-r^2 / B) at the start, angstrom^2; 0: those of the start atoms, else 0.5.
    pub width_start: f64,
    /// Smallest width B, angstrom^2; 0: 0.1 pixel^2.
    pub width_min: f64,
    /// Largest width B, angstrom^2; 0: 100 pixel^2.
    pub width_max: f64,
    /// Half width of the window in which an orbital is computed, in sqrt(B); 0: 3.4 in single, 6.2 in double precision.
    pub cutoff: f64,
    /// Bytes that an evaluation may need beside the dataset; 0: no limit.
    pub memory_limit: f64,
    /// An aet_lot_mode.
    pub mode: i32,
    /// 0.
    pub reserved: i32,
    /// Shape of the orbitals; NULL: the Gaussian exp(-q^2). Kept by what is created with these options.
    pub orbital: *const aet_orbital,
    /// Largest error of the images that templates and knots may have, relative to an atom in focus; 0: 2e-4, of knots 5e-3.
    pub depth_error: f64,
    /// An aet_probe_sharing, of the adaptive model.
    pub probe_sharing: i32,
    /// Edge of the adaptive model's probes in pixels, an odd number; 0: what the rays of the aperture need.
    pub probe_side: i32,
    /// Difference beyond which a pixel pulls no harder with AET_LOSS_HUBER, in the unit of the images; 0: 1.345 robust standard
    /// deviations of the residuals at the start (the median over images of 1.4826 median absolute deviations), kept by runs and
    /// state files. AET_ERROR_INCONSISTENT with another loss.
    pub huber_threshold: f64,
    /// Weight w of smooth probes, of the adaptive model: w / 2 sum (d_i - d_j)^2 over neighbouring pixels of a slice and of
    /// neighbouring slices, d what the pixels add to the probe of the optics, in units of the mean curvature of the loss by a
    /// pixel when the fit starts; 0: none. AET_ERROR_INCONSISTENT with another model.
    pub probe_smoothness: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers and a pointer; i32 members stand in pairs.
unsafe impl CStruct for aet_lot_options {
    const NAME: &'static str = "aet_lot_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_lot_options {
            struct_size: size_of::<Self>(),
            model: aet_lot_model::Rigid as i32,
            loss: 0,
            slicing: 0,
            precision: 0,
            height_sharing: 0,
            width_sharing: 0,
            slice_thickness: 0.0,
            width_start: 0.0,
            width_min: 0.0,
            width_max: 0.0,
            cutoff: 0.0,
            memory_limit: 0.0,
            mode: 0,
            reserved: 0,
            orbital: ptr::null(),
            depth_error: 0.0,
            probe_sharing: 0,
            probe_side: 0,
            huber_threshold: 0.0,
            probe_smoothness: 0.0,
        }
    }
}

impl aet_sharing {
    fn chosen(self) -> Option<Sharing> {
        match self {
            aet_sharing::Automatic => None,
            aet_sharing::Atom => Some(Sharing::Atom),
            aet_sharing::Species => Some(Sharing::Species),
            aet_sharing::Common => Some(Sharing::Common),
        }
    }
}

impl Host {
    /// What the options mean; NULL: the defaults.
    pub(super) fn lot_options(&self, options: *const aet_lot_options) -> Result<LotOptions> {
        let options = self.options(options)?;
        let default = LotOptions::default();
        let limit = options.memory_limit;
        if limit.is_nan() || limit < 0.0 {
            return Err(Error::range("memory_limit", limit, "a number of bytes, or 0 for no limit"));
        }
        Ok(LotOptions {
            model: match aet_lot_model::from_number(options.model, "model")? {
                aet_lot_model::Direct => LotModel::Direct,
                aet_lot_model::Rigid => LotModel::Rigid,
                aet_lot_model::Adaptive => LotModel::Adaptive,
            },
            loss: match aet_loss::from_number(options.loss, "loss")? {
                aet_loss::Automatic => None,
                aet_loss::Mse => Some(LossChoice::Mse),
                aet_loss::Poisson => Some(LossChoice::Poisson),
                aet_loss::Anscombe => Some(LossChoice::Anscombe),
                aet_loss::Huber => Some(LossChoice::Huber),
                aet_loss::Gaussian => Some(LossChoice::Gaussian),
            },
            slicing: match aet_slicing::from_number(options.slicing, "slicing")? {
                aet_slicing::Linear => Slicing::Linear,
                aet_slicing::Hard => Slicing::Hard,
            },
            precision: match aet_precision::from_number(options.precision, "precision")? {
                aet_precision::Single => Precision::Single,
                aet_precision::Double => Precision::Double,
            },
            height_sharing: aet_sharing::from_number(options.height_sharing, "height_sharing")?.chosen(),
            width_sharing: aet_sharing::from_number(options.width_sharing, "width_sharing")?.chosen(),
            slice_thickness: chosen(options.slice_thickness).unwrap_or(default.slice_thickness),
            width_start: chosen(options.width_start),
            width_min: chosen(options.width_min),
            width_max: chosen(options.width_max),
            cutoff: chosen(options.cutoff),
            memory_limit: chosen(limit).map(|bytes| bytes as u64),
            mode: match aet_lot_mode::from_number(options.mode, "mode")? {
                aet_lot_mode::Automatic => DepthMode::Auto,
                aet_lot_mode::Slices => DepthMode::Slices,
                aet_lot_mode::Templates => DepthMode::Templates,
                aet_lot_mode::Knots => DepthMode::Knots,
            },
            depth_error: chosen(options.depth_error),
            probe_sharing: match aet_probe_sharing::from_number(options.probe_sharing, "probe_sharing")? {
                aet_probe_sharing::Section => ProbeSharing::Section,
                aet_probe_sharing::Image => ProbeSharing::Image,
            },
            probe_side: match options.probe_side {
                0 => None,
                side => Some(
                    usize::try_from(side).map_err(|_| Error::range("probe_side", side, "an odd number of pixels"))?,
                ),
            },
            orbital: match self.optional_input(options.orbital, "orbital")? {
                Some(orbital) => orbital.as_ref().clone(),
                None => default.orbital,
            },
            huber_threshold: chosen(options.huber_threshold),
            probe_smoothness: options.probe_smoothness,
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_lot_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_lot_options_init(options: *mut aet_lot_options, struct_size: usize) -> aet_status {
    guard("aet_lot_options_init", |host| host.init(options, struct_size))
}

/// Creates a local-orbital reconstruction of `dataset` that starts from the atoms `start`. An image is the sum over
/// slices of the orbitals H exp(-r^2 / B) of their atoms (or of another shape: member `orbital`), seen through the probe
/// of the slice, times a scale, plus a background (formulas (1) to (4) of the LOT paper; of the nLOT paper where a tilt
/// has several foci).
///
/// `probe` may be NULL for AET_LOT_MODEL_DIRECT; its own defocus is added to that of the images. Heights and widths of
/// `start` are used where it has them. All heights are then multiplied by one factor, and the backgrounds set, by least
/// squares over all images. `options` may be NULL. The dataset may be empty: evaluations and runs answer
/// AET_ERROR_NOT_READY until tilts are appended.
///
/// AET_ERROR_UNKNOWN_OPTION, AET_ERROR_RANGE (options, widths of the start atoms), AET_ERROR_NULL (also for a probe that
/// the model needs), AET_ERROR_UNSUPPORTED (rigid or adaptive model on a dataset in pixels;
/// templates with hard slices, or for a specimen too thick for them), AET_ERROR_INCONSISTENT
/// (all atoms outside every image, negative pixels with a loss of counts, no counts_per_unit with Anscombe's, residuals that
/// tell no threshold, images of one section with several values of defocus in the adaptive model), AET_ERROR_MEMORY
/// (`memory_limit`),
/// AET_ERROR_FORKED, AET_CANCELLED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_create_lot(
    context: *const aet_context,
    dataset: *const aet_dataset,
    probe: *const aet_probe,
    start: *const aet_atoms,
    options: *const aet_lot_options,
    recon: *mut *mut aet_recon,
) -> aet_status {
    guard("aet_recon_create_lot", |host| {
        let place = host.new_handle(recon, "recon")?;
        let context = host.input(context, "context")?;
        let series = &host.input(dataset, "dataset")?.series;
        let probe = host.optional_input(probe, "probe")?;
        let start = host.input(start, "start")?;
        let options = host.lot_options(options)?;
        let recon = Reconstruction::local_orbital(context, series, probe.map(AsRef::as_ref), start, &options)?;
        place.set(Box::new(recon) as Box<dyn Reconstruct>);
        Ok(())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{common, free, handle, message, Scene};
    use super::super::*;
    use super::*;
    use crate::specimen::Atoms;

    fn fails(scene: &mut Scene, options: aet_lot_options, code: i32, text: &str) {
        assert_eq!(scene.create(&options) as i32, code, "{}", message());
        assert!(message().starts_with("aet_recon_create_lot: "), "{}", message());
        assert!(message().contains(text), "{}", message());
        assert!(scene.recon.is_null());
    }

    #[test]
    fn defaults() {
        let mut options = aet_lot_options { model: 9, ..aet_lot_options::defaults() };
        // SAFETY: a local.
        let status = unsafe { aet_lot_options_init(&raw mut options, size_of::<aet_lot_options>()) };
        assert_eq!((status, options.model, options.struct_size), (aet_status::AET_OK, 1, 128));
        // SAFETY: NULL is allowed to come.
        assert_eq!(unsafe { aet_lot_options_init(ptr::null_mut(), 128) } as i32, 100);
    }

    #[test]
    fn bad_options_are_named() {
        let mut scene = Scene::inputs(common::series(2, 1, 21, 22), common::atoms());
        let good = aet_lot_options::defaults();
        fails(&mut scene, aet_lot_options { model: 7, ..good }, 104, "AET_LOT_MODEL_RIGID = 1");
        fails(&mut scene, aet_lot_options { model: 2, probe_side: 8, ..good }, 103, "probe_side is 8");
        fails(&mut scene, aet_lot_options { probe_side: -3, ..good }, 103, "probe_side is -3");
        fails(&mut scene, aet_lot_options { probe_sharing: 2, ..good }, 104, "AET_PROBE_SHARING_IMAGE = 1");
        fails(&mut scene, aet_lot_options { depth_error: -1.0, ..good }, 103, "depth_error is -1");
        fails(&mut scene, aet_lot_options { loss: 6, ..good }, 104, "AET_LOSS_GAUSSIAN = 5");
        fails(&mut scene, aet_lot_options { model: 2, probe_smoothness: -1.0, ..good }, 103, "probe_smoothness is -1");
        fails(&mut scene, aet_lot_options { probe_smoothness: 1.0, ..good }, 302, "model rigid");
        fails(&mut scene, aet_lot_options { slicing: -1, ..good }, 104, "AET_SLICING_HARD = 1");
        fails(&mut scene, aet_lot_options { precision: 2, ..good }, 104, "AET_PRECISION_DOUBLE = 1");
        fails(&mut scene, aet_lot_options { width_sharing: 4, ..good }, 104, "unknown width_sharing `4`");
        fails(&mut scene, aet_lot_options { slice_thickness: f64::NAN, ..good }, 103, "slice_thickness is NaN");
        fails(&mut scene, aet_lot_options { width_start: -1.0, ..good }, 103, "width_start is -1");
        fails(&mut scene, aet_lot_options { cutoff: f64::INFINITY, ..good }, 103, "cutoff is inf");
        fails(&mut scene, aet_lot_options { memory_limit: -1.0, ..good }, 103, "memory_limit is -1");
        fails(&mut scene, aet_lot_options { memory_limit: 1000.0, ..good }, 500, "1000 are allowed");
        fails(&mut scene, aet_lot_options { mode: 4, ..good }, 104, "AET_LOT_MODE_KNOTS = 3");
        fails(&mut scene, aet_lot_options { mode: 2, slicing: 1, ..good }, 107, "mode templates with hard slices");
        fails(&mut scene, aet_lot_options { reserved: 1, ..good }, 103, "reserved of aet_lot_options is 1");
        fails(&mut scene, aet_lot_options { struct_size: 12, ..good }, 106, "aet_lot_options");
    }

    #[test]
    fn bad_inputs_are_named() {
        let mut scene = Scene::inputs(common::series(2, 1, 21, 22), common::atoms());
        let good = aet_lot_options::defaults();
        let probe = std::mem::replace(&mut scene.probe, ptr::null_mut());
        fails(&mut scene, good, 100, "`probe` is NULL");
        assert_eq!(scene.create(&aet_lot_options { model: 0, ..good }), aet_status::AET_OK, "direct needs no probe");
        free(std::mem::replace(&mut scene.recon, ptr::null_mut()));
        scene.probe = probe;

        let start = std::mem::replace(&mut scene.start, ptr::null_mut());
        fails(&mut scene, good, 100, "`start` is NULL");
        scene.start = handle(Atoms::new(vec![[900.0, 0.0, 0.0], [0.0, 950.0, 0.0]]).unwrap());
        fails(&mut scene, good, 302, "all 2 atoms lie outside every image");
        free(scene.start);
        fails(&mut scene, good, 105, "aet_atoms is no live handle");
        // Nanometres or picometres for angstrom: an error, not work without end.
        scene.start = handle(Atoms::new(vec![[0.0; 3], [0.0, 0.0, 1e9]]).unwrap());
        fails(&mut scene, good, 103, "check the unit of the positions");
        free(scene.start);
        scene.start = start;
        let Scene { context, dataset, probe, start, .. } = scene;
        // SAFETY: handles and NULL.
        let status = unsafe { aet_recon_create_lot(context, dataset, probe, start, ptr::null(), ptr::null_mut()) };
        assert_eq!((status as i32, message().contains("`recon` is NULL")), (100, true));
    }

    #[test]
    fn inputs_may_be_freed_first() {
        let mut scene = Scene::small(aet_lot_model::Rigid);
        free(std::mem::replace(&mut scene.start, ptr::null_mut()));
        free(std::mem::replace(&mut scene.probe, ptr::null_mut()));
        free(std::mem::replace(&mut scene.dataset, ptr::null_mut()));
        free(std::mem::replace(&mut scene.context, ptr::null_mut()));
        assert_eq!(scene.run(2, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
    }

    #[test]
    fn an_empty_dataset_waits_for_tilts() {
        let (images, mut frames) = common::frames(1, 2, 21, 22);
        let options = crate::dataset::SeriesOptions {
            rows: Some(21),
            columns: Some(22),
            pixel_size: common::PIXEL,
            ..Default::default()
        };
        let series = crate::dataset::TiltSeries::empty(options).unwrap();
        let mut scene = Scene::inputs(series.clone(), common::atoms());
        assert_eq!(scene.create(&aet_lot_options { width_start: 0.6, ..aet_lot_options::defaults() }) as i32, 0);
        assert_eq!(scene.run(2, &mut |_| 0), aet_status::AET_ERROR_NOT_READY, "{}", message());
        frames.tilt = None;
        series.append_tilt(images.view(), &frames).unwrap();
        assert_eq!(scene.run(2, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
    }
}
