//! Atoms of volumes

use super::atoms::aet_atoms;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::table::aet_table;
use super::view::aet_const_view;
use super::volume::aet_volume;
use super::volume_filter::watched;
use crate::geometry::Vec3;
use crate::trace::{trace, Flag, Method, Threshold, TraceOptions, AUTOMATIC_PART};
use crate::Result;
use std::ffi::c_void;
use std::ptr;

/// How a maximum of a volume gets its sub-voxel position, height and standard errors.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_trace_method {
    /// The maximum of the parabola V + g.d + 1/2 d.H d through the 26 neighbours in the smoothed volume, d = -H^-1 g.
    Parabola = 0,
    /// The published fit of all monomials of total degree up to 4 to the smoothed volume (cubic splines) around the
    /// position, weighted by a Gaussian; the position moves to the maximum of the quadratic part until it stands still.
    /// What has none is no maximum.
    Polynomial = 1,
    /// A Gaussian h exp(-r^2 / B) on a background, by least squares against the volume as it is, not the smoothed one.
    Gaussian = 2,
}

host_enum!(aet_trace_method:
    Parabola = "AET_TRACE_METHOD_PARABOLA",
    Polynomial = "AET_TRACE_METHOD_POLYNOMIAL",
    Gaussian = "AET_TRACE_METHOD_GAUSSIAN",
);

/// From which height on a maximum of the smoothed volume is a candidate.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_trace_threshold {
    /// The member `threshold` times the 99.9 % quantile of the smoothed volume.
    Part = 0,
    /// The member `threshold`, unit of the volume.
    Value = 1,
    /// The lowest valley between two groups in the histogram of the heights of all maxima; where there is one group only,
    /// 0.25 times the 99.9 % quantile.
    Histogram = 2,
}

host_enum!(aet_trace_threshold:
    Part = "AET_TRACE_THRESHOLD_PART",
    Value = "AET_TRACE_THRESHOLD_VALUE",
    Histogram = "AET_TRACE_THRESHOLD_HISTOGRAM",
);

/// What became of a candidate: column `flag` of the table of aet_volume_trace.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_trace_flag {
    /// An atom.
    Accepted = 0,
    /// The fitted curvature is not that of a maximum.
    NotAMaximum = 1,
    /// The fit moved too far from the voxel where it began.
    LeftItsBox = 2,
    /// Nearer than the minimum distance to a stronger atom.
    TooClose = 3,
    /// The fit did not come to rest; or what was found in a round of explaining away was too weak after the joint fit.
    NotConverged = 4,
    /// Outside of the support.
    OutOfSupport = 5,
    /// Removed by hand.
    Removed = 6,
    /// An atom added by hand.
    Added = 7,
    /// Weaker than the `max_atoms` strongest.
    Surplus = 8,
}

// The table holds the numbers of the Rust enumeration.
const _: () = {
    assert!(aet_trace_flag::Accepted as i32 == Flag::Accepted as i32);
    assert!(aet_trace_flag::NotAMaximum as i32 == Flag::NotAMaximum as i32);
    assert!(aet_trace_flag::LeftItsBox as i32 == Flag::LeftItsBox as i32);
    assert!(aet_trace_flag::TooClose as i32 == Flag::TooClose as i32);
    assert!(aet_trace_flag::NotConverged as i32 == Flag::NotConverged as i32);
    assert!(aet_trace_flag::OutOfSupport as i32 == Flag::OutOfSupport as i32);
    assert!(aet_trace_flag::Removed as i32 == Flag::Removed as i32);
    assert!(aet_trace_flag::Added as i32 == Flag::Added as i32);
    assert!(aet_trace_flag::Surplus as i32 == Flag::Surplus as i32);
};

/// Options of aet_volume_trace. Fill with aet_trace_options_init; lengths are in the unit of the voxel size (angstrom).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_trace_options {
    /// sizeof(aet_trace_options).
    pub struct_size: usize,
    /// Standard deviation of the Gaussian smoothing before the search for maxima, voxels; default 1; 0: none.
    pub smoothing: f64,
    /// Smallest distance of two atoms, at least two voxels; 0: two voxels.
    pub minimum_distance: f64,
    /// Smallest height of a candidate, as `thresholding` says; with AET_TRACE_THRESHOLD_PART 0 is 0.25, and with
    /// AET_TRACE_THRESHOLD_HISTOGRAM it is not used.
    pub threshold: f64,
    /// Most atoms, the strongest are kept; 0: all.
    pub max_atoms: i64,
    /// Atomic number of all atoms; 0: unknown.
    pub species: i32,
    /// Zero.
    pub reserved: i32,
    /// Only atoms where this volume, of the same voxels, is above 0.5, as aet_volume_mask makes it; NULL: everywhere.
    pub support: *const aet_volume,
    /// Atoms added by hand, `[n,3]` (x, y, z): each is fitted from the place given, where it stays if there is no maximum, and
    /// taken before all others, which may not come nearer than the minimum distance. NULL: none.
    pub added: *const aet_const_view,
    /// Places `[n,3]` near which candidates are dropped by hand, before near ones are compared. NULL: none.
    pub removed: *const aet_const_view,
    /// How near; 0: half the minimum distance.
    pub removal_radius: f64,
    /// Radius of the ball that is fitted; 0: 3.5 / 3 voxels for AET_TRACE_METHOD_POLYNOMIAL as published, and half the
    /// minimum distance, but 2 to 6 voxels, for AET_TRACE_METHOD_GAUSSIAN.
    pub fit_radius: f64,
    /// Smallest height of an atom in what is left, as a part of the height of the threshold above the background; 0: 0.5.
    /// It never lies below five times the white noise there.
    pub explain_part: f64,
    /// An aet_trace_method.
    pub method: i32,
    /// An aet_trace_threshold.
    pub thresholding: i32,
    /// 1: fitted Gaussians have a width along each axis.
    pub anisotropic: i32,
    /// Rounds of explaining away at most: Gaussians of all atoms are fitted together and subtracted, and what is left is
    /// searched for more; 0: none.
    pub explain_rounds: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, raw pointers and numbers; two and four i32 stand after 8-byte
// members.
unsafe impl CStruct for aet_trace_options {
    const NAME: &'static str = "aet_trace_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_trace_options {
            struct_size: size_of::<Self>(),
            smoothing: 1.0,
            minimum_distance: 0.0,
            threshold: 0.0,
            max_atoms: 0,
            species: 0,
            reserved: 0,
            support: ptr::null(),
            added: ptr::null(),
            removed: ptr::null(),
            removal_radius: 0.0,
            fit_radius: 0.0,
            explain_part: 0.0,
            method: aet_trace_method::Parabola as i32,
            thresholding: aet_trace_threshold::Part as i32,
            anisotropic: 0,
            explain_rounds: 0,
        }
    }
}

impl Host {
    fn trace_options(&self, options: *const aet_trace_options) -> Result<TraceOptions<'_>> {
        let given = self.options(options)?;
        let max_atoms = self.count(given.max_atoms, "max_atoms")?;
        let support = self.optional_input(given.support, "support")?.map(|held| &held.volume);
        Ok(TraceOptions {
            smoothing: given.smoothing,
            minimum_distance: chosen(given.minimum_distance),
            threshold: match aet_trace_threshold::from_number(given.thresholding, "thresholding")? {
                aet_trace_threshold::Part => Threshold::Part(chosen(given.threshold).unwrap_or(AUTOMATIC_PART)),
                aet_trace_threshold::Value => Threshold::Value(given.threshold),
                aet_trace_threshold::Histogram => Threshold::Histogram,
            },
            max_atoms: (max_atoms > 0).then_some(max_atoms),
            species: self.atomic_number(given.species, "species")?.unwrap_or(0),
            method: match aet_trace_method::from_number(given.method, "method")? {
                aet_trace_method::Parabola => Method::Parabola,
                aet_trace_method::Polynomial => Method::Polynomial,
                aet_trace_method::Gaussian => Method::Gaussian,
            },
            fit_radius: chosen(given.fit_radius),
            anisotropic: self.flag(given.anisotropic, "anisotropic")?,
            support,
            added: self.places(given.added, "added")?,
            removed: self.places(given.removed, "removed")?,
            removal_radius: chosen(given.removal_radius),
            explain_rounds: self.count(given.explain_rounds.into(), "explain_rounds")?,
            explain_part: chosen(given.explain_part),
        })
    }

    /// Positions `[n,3]`; none for NULL.
    fn places(&self, view: *const aet_const_view, argument: &'static str) -> Result<Vec<Vec3>> {
        let Some(view) = self.optional_view(view, argument)? else { return Ok(vec![]) };
        let values: Vec<f64> = view.read::<f64, 2>([None, Some(3)])?.into_iter().collect();
        Ok(values.as_chunks::<3>().0.to_vec())
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_trace_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_trace_options_init(options: *mut aet_trace_options, struct_size: usize) -> aet_status {
    guard("aet_trace_options_init", |host| host.init(options, struct_size))
}

/// Traces the atoms of the volume: Gaussian smoothing; voxels above the threshold that are not below any of their 26
/// neighbours are candidates; each gets a sub-voxel position; the strongest is accepted and closes the ball of the minimum
/// distance to all others, and so on. `*atoms` has the accepted ones, the strongest first (those added by hand before
/// them), with heights (values of the smoothed volume; of Gaussians the height above the background), standard errors for
/// white noise and, where Gaussians were fitted, widths B. The outermost voxels hold none. The result does not depend on
/// the number of threads. `options` and `progress` may be NULL.
///
/// With `explain_rounds`, Gaussians of all atoms are fitted together and subtracted, what is left is smoothed and searched
/// for more, and so on until nothing is found: weak atoms in the tails of strong ones, and two atoms with a single maximum.
/// Positions, heights and widths are then those of the joint fit.
///
/// `*candidates` (NULL: not wanted) has a row per candidate: `x`, `y`, `z` (A), `curvature_1`, `_2`, `_3` (eigenvalues, the
/// lowest first; unit of the volume per A^2; NaN for Gaussians), `width_x`, `_y`, `_z` (B in A^2, NaN where no Gaussian was
/// fitted), `standard_error_x`, `_y`, `_z` (A), `height`, `flag` (an aet_trace_flag), `round` (of explaining away, 0: a
/// maximum of the volume), `residual` (root mean square of what the fit does not follow), `iterations`; and the values
/// `threshold`, `background` (median of the smoothed volume) and `noise` (standard deviation of white noise per voxel).
///
/// AET_ERROR_EMPTY for a constant volume, and where no voxel rises above the threshold or no candidate is accepted,
/// AET_ERROR_SHAPE for a support of another shape or places that are not `[n,3]`, AET_ERROR_INCONSISTENT for a support with
/// other voxels, AET_ERROR_RANGE (a minimum distance below two voxels, places outside of the volume),
/// AET_ERROR_UNKNOWN_OPTION; AET_CANCELLED, then without results. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_trace(
    volume: *const aet_volume,
    options: *const aet_trace_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
    candidates: *mut *mut aet_table,
) -> aet_status {
    guard("aet_volume_trace", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let table = host.optional_new_handle(candidates);
        let held = host.object(volume, "volume")?;
        let options = host.trace_options(options)?;
        let traced = watched(host, &held.context, (progress, user), |waiting| {
            trace(&held.context, &held.volume, &options, waiting)
        })?;
        if let Some(table) = table {
            table.set(traced.table()?);
        }
        place.set(traced.atoms);
        Ok(())
    })
}
