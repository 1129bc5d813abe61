//! Detectors
//!
//! What makes signals of diffraction patterns: immutable, described in mrad without a grid, applied to measured patterns
//! here and to calculated ones by simulations.

use super::context::aet_context;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view, InView};
use crate::electron;
use crate::optics::detector::{integrate_center_of_mass, measure};
use crate::optics::{Crop, Detector, DetectorKind, DetectorPlan, PatternGrid, PatternOrder, Sensitivity};
use crate::problem::{Phase, Progress, Waiting};
use crate::{Error, Result};
use ndarray::{ArrayD, IxDyn};
use std::ffi::c_void;
use std::slice;
use std::time::Instant;

/// What a detector does with a pattern. Angles are alpha = lambda |k|, azimuths phi = atan2(ky, kx) from 0 to 2 pi; whole
/// pixels count, by their centres.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_detector_kind {
    /// Sum over inner <= alpha < outer: one number, shape [].
    Annular = 0,
    /// Sums over rings of equal width, ring floor((alpha - inner) / step): [rings]. The last one ends at the outer angle.
    FlexibleAnnular = 1,
    /// Sums over rings of equal width cut in segments, segment floor(n (phi - rotation) / 2 pi): [radial, azimuthal].
    Segmented = 2,
    /// The pattern, cropped and binned: [row = ky, column = kx] with the zero angle at n / 2.
    Pixelated = 3,
    /// Centre of mass, sum k I / sum I in 1/angstrom: [2], x and y; 0 where there is no intensity.
    CenterOfMass = 4,
}

host_enum!(aet_detector_kind:
    Annular = "AET_DETECTOR_KIND_ANNULAR",
    FlexibleAnnular = "AET_DETECTOR_KIND_FLEXIBLE_ANNULAR",
    Segmented = "AET_DETECTOR_KIND_SEGMENTED",
    Pixelated = "AET_DETECTOR_KIND_PIXELATED",
    CenterOfMass = "AET_DETECTOR_KIND_CENTER_OF_MASS",
);

/// Order of the pixels of diffraction patterns along both axes.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_pattern_order {
    /// Zero angle at pixel n / 2 (0-based, rounded down).
    Centered = 0,
    /// Zero angle at pixel 0, as a Fourier transform leaves it.
    Fft = 1,
}

host_enum!(aet_pattern_order:
    Centered = "AET_PATTERN_ORDER_CENTERED",
    Fft = "AET_PATTERN_ORDER_FFT",
);

/// A detector of diffraction patterns. Immutable.
pub struct aet_detector {
    _opaque: [u8; 0],
}

impl Handle for aet_detector {
    const NAME: &'static str = "aet_detector";
    const IMMUTABLE: bool = true;
    type Object = Detector;
}

/// Description of a detector. Fill with aet_detector_options_init, set `kind` and what it needs; a member that the kind
/// has no use for must be 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_detector_options {
    /// sizeof(aet_detector_options).
    pub struct_size: usize,
    /// Inner angle of annular, flexible and segmented detectors, mrad.
    pub inner_mrad: f64,
    /// Outer angle, mrad. Annular and centre of mass: 0 is the whole pattern with its corners. Pixelated: the pixels up to
    /// this angle along each axis; 0: the whole pattern, or `rows` and `columns`. Flexible and segmented: required.
    pub outer_mrad: f64,
    /// Width of the rings of a flexible detector, mrad; 0: 1.
    pub step_mrad: f64,
    /// Azimuth at which the first segment begins, from +kx towards +ky, degree.
    pub rotation_deg: f64,
    /// Angle from row to row of the sensitivity map, mrad; required with one.
    pub sensitivity_row_step_mrad: f64,
    /// Angle from column to column of the sensitivity map, mrad; 0: as from row to row.
    pub sensitivity_column_step_mrad: f64,
    /// Rows of a pixelated detector, after binning; 0: as many as there are.
    pub rows: i64,
    /// Columns of a pixelated detector, after binning; give both or none.
    pub columns: i64,
    /// An aet_detector_kind.
    pub kind: i32,
    /// Rings of a segmented detector; 0: 1.
    pub radial_bins: i32,
    /// Segments of a ring; 0: 4.
    pub azimuthal_bins: i32,
    /// Pattern pixels per pixel of a pixelated detector, along both axes; 0: 1. The pixels of the detector are centred on
    /// multiples of their width, so that the zero angle stays in the centre of one; those of an even binning share the
    /// pattern pixels on their borders half and half.
    pub binning: i32,
    /// Centre of mass: 1: sum k I without the division by sum I; 0, the default: with it.
    pub unnormalized: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; six i32 stand after the 8-byte members.
unsafe impl CStruct for aet_detector_options {
    const NAME: &'static str = "aet_detector_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_detector_options {
            struct_size: size_of::<Self>(),
            inner_mrad: 0.0,
            outer_mrad: 0.0,
            step_mrad: 0.0,
            rotation_deg: 0.0,
            sensitivity_row_step_mrad: 0.0,
            sensitivity_column_step_mrad: 0.0,
            rows: 0,
            columns: 0,
            kind: aet_detector_kind::Annular as i32,
            radial_bins: 0,
            azimuthal_bins: 0,
            binning: 0,
            unnormalized: 0,
            reserved: 0,
        }
    }
}

impl aet_detector_options {
    /// Members that only some kinds use, with their values and those kinds.
    fn of_some_kinds(&self) -> [(&'static str, f64, &'static [aet_detector_kind]); 9] {
        use aet_detector_kind::{Annular, CenterOfMass, FlexibleAnnular, Pixelated, Segmented};
        [
            ("inner_mrad", self.inner_mrad, &[Annular, FlexibleAnnular, Segmented]),
            ("step_mrad", self.step_mrad, &[FlexibleAnnular]),
            ("rotation_deg", self.rotation_deg, &[Segmented]),
            ("radial_bins", self.radial_bins.into(), &[Segmented]),
            ("azimuthal_bins", self.azimuthal_bins.into(), &[Segmented]),
            ("rows", self.rows as f64, &[Pixelated]),
            ("columns", self.columns as f64, &[Pixelated]),
            ("binning", self.binning.into(), &[Pixelated]),
            ("unnormalized", self.unnormalized.into(), &[CenterOfMass]),
        ]
    }

    fn checked(&self, host: &Host) -> Result<DetectorKind> {
        let kind = aet_detector_kind::from_number(self.kind, "kind")?;
        let stray = self.of_some_kinds().into_iter().find(|(_, value, kinds)| *value != 0.0 && !kinds.contains(&kind));
        if let Some((name, value, _)) = stray {
            return Err(Error::range(name, value, "0: detectors of this kind have no use for it"));
        }
        let count = |n: i32, name, automatic| match host.count(n.into(), name)? {
            0 => Ok::<usize, Error>(automatic),
            n => Ok(n),
        };
        let (inner_mrad, outer) = (self.inner_mrad, chosen(self.outer_mrad));
        Ok(match kind {
            aet_detector_kind::Annular => DetectorKind::Annular { inner_mrad, outer_mrad: outer },
            aet_detector_kind::FlexibleAnnular => DetectorKind::FlexibleAnnular {
                inner_mrad,
                outer_mrad: self.outer_mrad,
                step_mrad: chosen(self.step_mrad).unwrap_or(1.0),
            },
            aet_detector_kind::Segmented => DetectorKind::Segmented {
                inner_mrad,
                outer_mrad: self.outer_mrad,
                radial_bins: count(self.radial_bins, "radial_bins", 1)?,
                azimuthal_bins: count(self.azimuthal_bins, "azimuthal_bins", 4)?,
                rotation_deg: self.rotation_deg,
            },
            aet_detector_kind::Pixelated => {
                DetectorKind::Pixelated { crop: self.crop(host)?, binning: count(self.binning, "binning", 1)? }
            }
            aet_detector_kind::CenterOfMass => DetectorKind::CenterOfMass {
                outer_mrad: outer,
                normalized: !host.flag(self.unnormalized, "unnormalized")?,
            },
        })
    }

    /// Which part of a pattern: one of three ways to say it.
    fn crop(&self, host: &Host) -> Result<Crop> {
        match (chosen(self.outer_mrad), host.count(self.rows, "rows")?, host.count(self.columns, "columns")?) {
            (None, 0, 0) => Ok(Crop::Whole),
            (Some(angle), 0, 0) => Ok(Crop::Angle(angle)),
            (None, rows, columns) => Ok(Crop::Pixels { rows, columns }),
            (Some(angle), ..) => {
                Err(Error::range("outer_mrad", angle, "0 beside `rows` and `columns`, which say the same"))
            }
        }
    }
}

/// Sampling of diffraction patterns. Fill with aet_pattern_options_init and set the angle steps.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_pattern_options {
    /// sizeof(aet_pattern_options).
    pub struct_size: usize,
    /// Angle from row to row, mrad; required.
    pub row_step_mrad: f64,
    /// Angle from column to column, mrad; 0: as from row to row.
    pub column_step_mrad: f64,
    /// Energy of the beam, eV; 0: unknown. Centres of mass need it.
    pub energy_ev: f64,
    /// An aet_pattern_order.
    pub order: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
unsafe impl CStruct for aet_pattern_options {
    const NAME: &'static str = "aet_pattern_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_pattern_options {
            struct_size: size_of::<Self>(),
            row_step_mrad: 0.0,
            column_step_mrad: 0.0,
            energy_ev: 0.0,
            order: aet_pattern_order::Centered as i32,
            reserved: 0,
        }
    }
}

impl aet_pattern_options {
    /// Patterns of `rows` x `columns` so sampled.
    fn on(&self, rows: usize, columns: usize) -> Result<PatternGrid> {
        let order = match aet_pattern_order::from_number(self.order, "order")? {
            aet_pattern_order::Centered => PatternOrder::Centered,
            aet_pattern_order::Fft => PatternOrder::Fft,
        };
        let steps = (self.row_step_mrad, chosen(self.column_step_mrad).unwrap_or(self.row_step_mrad));
        let wavelength = chosen(self.energy_ev).map(electron::wavelength).transpose()?;
        PatternGrid::measured((rows, columns), steps, wavelength, order)
    }
}

/// Sets `struct_size` and all defaults: an annular detector of the whole pattern. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_options_init(
    options: *mut aet_detector_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_detector_options_init", |host| host.init(options, struct_size))
}

/// Sets `struct_size` and all defaults: centred patterns, to which the angle steps must be added. AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_pattern_options_init(options: *mut aet_pattern_options, struct_size: usize) -> aet_status {
    guard("aet_pattern_options_init", |host| host.init(options, struct_size))
}

/// Creates a detector. `sensitivity` `[rows,columns]` of any real type is a measured map of efficiencies by which
/// patterns are multiplied first: 0 or more, zero angle at n / 2, bilinear between its points and 0 outside; NULL: 1
/// everywhere. `options` must not be NULL. AET_ERROR_RANGE for angles that are not 0 <= inner < outer, numbers of bins and
/// steps that are not positive, members that the kind has no use for, and negative efficiencies;
/// AET_ERROR_UNKNOWN_OPTION for an unknown aet_detector_kind; AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE, and
/// AET_ERROR_EMPTY without an efficiency above 0, for the map. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_create(
    options: *const aet_detector_options,
    sensitivity: *const aet_const_view,
    detector: *mut *mut aet_detector,
) -> aet_status {
    guard("aet_detector_create", |host| {
        let place = host.new_handle(detector, "detector")?;
        let options = host.required_options(options, "options")?;
        let mut made = Detector::new(options.checked(host)?)?;
        if let Some(map) = host.optional_view(sensitivity, "sensitivity")? {
            let row_step = options.sensitivity_row_step_mrad;
            let steps = (row_step, chosen(options.sensitivity_column_step_mrad).unwrap_or(row_step));
            made = made.with_sensitivity(Sensitivity::new(map.read::<f64, 2>([None; 2])?.view(), steps)?);
        }
        place.set(made);
        Ok(())
    })
}

/// Frees a detector. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_free(detector: *mut aet_detector) {
    guard_value((), |host| host.free(detector))
}

/// The aet_detector_kind; -1 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_get_kind(detector: *const aet_detector) -> i32 {
    guard_value(-1, |host| {
        Ok(match host.object(detector, "detector")?.kind() {
            DetectorKind::Annular { .. } => aet_detector_kind::Annular,
            DetectorKind::FlexibleAnnular { .. } => aet_detector_kind::FlexibleAnnular,
            DetectorKind::Segmented { .. } => aet_detector_kind::Segmented,
            DetectorKind::Pixelated { .. } => aet_detector_kind::Pixelated,
            DetectorKind::CenterOfMass { .. } => aet_detector_kind::CenterOfMass,
        }
        .number())
    })
}

/// Shape of the signal of one pattern of `rows` x `columns` pixels: its number of axes, 0 to 2, into `ndim` and their
/// extents into `shape` [2], of which unused ones are 1. Errors are those of aet_detector_measure. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_shape(
    detector: *const aet_detector,
    options: *const aet_pattern_options,
    rows: i64,
    columns: i64,
    ndim: *mut i32,
    shape: *mut i64,
) -> aet_status {
    guard("aet_detector_shape", |host| {
        let detector = host.object(detector, "detector")?;
        let (ndim, place) = (host.out(ndim, "ndim")?, host.out_slice(shape, 2, "shape")?);
        let (rows, columns) = (host.count(rows, "rows")?, host.count(columns, "columns")?);
        let patterns = host.required_options(options, "options")?.on(rows, columns)?;
        let plan = DetectorPlan::on(slice::from_ref(detector), &patterns)?;
        let of_pattern = signal_shape(&plan);
        let mut extents = [1; 2];
        extents.iter_mut().zip(of_pattern).for_each(|(to, from)| *to = *from as i64);
        ndim.set(of_pattern.len() as i32);
        place.set(&extents)
    })
}

/// Applies the detector to measured diffraction patterns `[...,rows,columns]` of any real type, row = ky and column = kx,
/// with any number of scan axes before (up to six). `out` `[...,signal]`, f32 or f64, has the scan axes of the patterns
/// and then those of aet_detector_shape. Signals are sums in double precision in the unit of the patterns, centres of mass
/// are in 1/angstrom. The results need 8 bytes per value beside `out`. `progress` may be NULL.
///
/// AET_ERROR_RANGE for steps that are not positive and for an angle beyond the patterns, with the largest one that they
/// hold (rows / 2 or columns / 2 steps); where a sensitivity map alone tells the outer angle, patterns must hold all of
/// it. AET_ERROR_EMPTY where no pixel lies on the detector, AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE with
/// the number of the pattern, AET_ERROR_NOT_READY for a centre of mass without an energy, AET_ERROR_UNKNOWN_OPTION,
/// AET_ERROR_MEMORY; AET_CANCELLED, then `out` is untouched. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_detector_measure(
    detector: *const aet_detector,
    context: *const aet_context,
    patterns: *const aet_const_view,
    options: *const aet_pattern_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    out: *const aet_view,
) -> aet_status {
    guard("aet_detector_measure", |host| {
        let (detector, context) = (host.object(detector, "detector")?, host.input(context, "context")?);
        context.check_process()?;
        let (patterns, options) = (host.view(patterns, "patterns")?, host.required_options(options, "options")?);
        let (scan, rows, columns) = axes_of(&patterns)?;
        let plan = DetectorPlan::on(slice::from_ref(detector), &options.on(rows, columns)?)?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        let shape = [scan, signal_shape(&plan)].concat();
        out.expect_shape(&shape)?;

        let (cancel, clock) = (context.cancel_token(), Instant::now());
        let mut observer = host.progress(progress, user);
        let mut tell = |done| observer(&Progress::of_phase(Phase::Evaluating, done, clock.elapsed().as_secs_f64()));
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        let signals = patterns.with_planes(|copy| {
            let fetch = |number: usize, place: &mut [f64]| {
                copy(number, place);
                Ok(())
            };
            measure(context, &plan, scan.iter().product(), &fetch, &mut waiting)
        })??;
        let signals = ArrayD::from_shape_vec(IxDyn(&shape), signals);
        out.write(&signals.map_err(|error| Error::Internal(format!("signals: {error}")))?)
    })
}

/// Integrates a field of centres of mass (iCOM). `field` `[rows,columns,2]` of any real type, x and y in 1/angstrom, as
/// aet_detector_measure gives it for a scan; scan rows along y and columns along x, `row_step` and `column_step` apart
/// (angstrom). `out` `[rows,columns]`, f32 or f64, is the image I of mean 0 whose gradient fits the field best on the
/// periodic scan, I(q) = q . C(q) / (2 pi i q^2). For a thin specimen 2 pi I is the phase of the transmitted wave, blurred
/// by the intensity of the probe. AET_ERROR_SHAPE, AET_ERROR_DTYPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE for steps that
/// are not positive. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_integrate_center_of_mass(
    field: *const aet_const_view,
    row_step: f64,
    column_step: f64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_integrate_center_of_mass", |host| {
        let field = host.view(field, "field")?.read::<f64, 3>([None, None, Some(2)])?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        let (rows, columns, _) = field.dim();
        out.expect_shape(&[rows, columns])?;
        out.write(&integrate_center_of_mass(field.view().permuted_axes([2, 0, 1]), (row_step, column_step))?)
    })
}

/// The scan axes, rows and columns of patterns.
fn axes_of<'v>(patterns: &'v InView<'_>) -> Result<(&'v [usize], usize, usize)> {
    match patterns.shape() {
        [scan @ .., rows, columns] if scan.len() <= 6 => Ok((scan, *rows, *columns)),
        other => Err(Error::shape(patterns.name(), other, "[..., rows, columns] with at most six axes before")),
    }
}

/// Shape of the signal of the only detector of a plan.
fn signal_shape(plan: &DetectorPlan) -> &[usize] {
    plan.layout().first().map_or(&[], |signal| signal.shape.as_slice())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::message;
    use super::super::options::CStruct;
    use super::*;
    use std::ptr;

    fn created(options: aet_detector_options) -> (i32, String) {
        let mut made: *mut aet_detector = ptr::null_mut();
        // SAFETY: local structures.
        unsafe {
            let status = aet_detector_create(&options, ptr::null(), &raw mut made) as i32;
            aet_detector_free(made);
            (status, message())
        }
    }

    #[test]
    fn members_that_a_kind_has_no_use_for_are_refused() {
        let defaults = aet_detector_options::defaults();
        assert_eq!(created(defaults).0, 0);
        let com = aet_detector_options { kind: 4, inner_mrad: 3.0, ..defaults };
        let (status, text) = created(com);
        assert!(status == 103 && text.contains("inner_mrad is 3, wanted 0"), "{text}");
        let (status, text) = created(aet_detector_options { binning: 2, ..defaults });
        assert!(status == 103 && text.contains("binning"), "{text}");
        let (status, text) =
            created(aet_detector_options { kind: 3, outer_mrad: 9.0, rows: 4, columns: 4, ..defaults });
        assert!(status == 103 && text.contains("outer_mrad is 9"), "{text}");
        let (status, text) = created(aet_detector_options { kind: 3, rows: 4, ..defaults });
        assert!(status == 103 && text.contains("number of columns of the pixelated detector is 0"), "{text}");
        assert_eq!(created(aet_detector_options { kind: 3, rows: -4, ..defaults }).0, 103);
        assert_eq!(created(aet_detector_options { kind: 2, ..defaults }).0, 103); // no outer angle
        assert_eq!(created(aet_detector_options { kind: 9, ..defaults }).0, 104);
        assert_eq!(created(aet_detector_options { kind: 4, unnormalized: 2, ..defaults }).0, 103);
        assert_eq!(created(aet_detector_options { kind: 2, outer_mrad: 9.0, radial_bins: -1, ..defaults }).0, 103);
    }

    #[test]
    fn neutral_values_and_null() {
        // SAFETY: NULL.
        unsafe {
            assert_eq!(aet_detector_get_kind(ptr::null()), -1);
            aet_detector_free(ptr::null_mut());
            assert_eq!(aet_detector_create(ptr::null(), ptr::null(), ptr::null_mut()) as i32, 100);
        }
    }
}
