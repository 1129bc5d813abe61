//! Volumes
//!
//! Immutable volumes of voxels `[z,y,x]`: made from arrays or files, or reconstructed from a dataset.

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::context::Context;
use crate::problem::{Phase, Progress, Waiting};
use crate::specimen::Volume;
use crate::trace::{peaks, PeakOptions};
use crate::Result;
use ndarray::Array1;
use std::ffi::c_void;
use std::time::Instant;

/// An immutable volume of cubic voxels, logically `[z,y,x]`; the specimen origin is the centre of voxel n / 2 (0-based,
/// rounded down) of each axis.
pub struct aet_volume {
    _opaque: [u8; 0],
}

/// A volume with the threads that work on it and the record of its making.
pub(super) struct HeldVolume {
    pub context: Context,
    pub volume: Volume,
    pub residuals: Vec<f64>,
}

impl HeldVolume {
    /// A volume that no iterations made.
    pub(super) fn new(context: &Context, volume: Volume) -> Self {
        HeldVolume { context: Context::clone(context), volume, residuals: vec![] }
    }
}

impl Handle for aet_volume {
    const NAME: &'static str = "aet_volume";
    const IMMUTABLE: bool = true;
    type Object = HeldVolume;
}

/// Options of aet_volume_trace. Fill with aet_trace_options_init.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_trace_options {
    /// sizeof(aet_trace_options).
    pub struct_size: usize,
    /// Standard deviation of the Gaussian smoothing, voxels; default 1; 0: none.
    pub smoothing: f64,
    /// Smallest distance of two atoms, in the unit of the voxel size (angstrom); 0: two voxels.
    pub minimum_distance: f64,
    /// Smallest height of a peak as a part of the 99.9 % quantile of the smoothed volume; 0: 0.25.
    pub threshold: f64,
    /// Most atoms, the strongest are kept; 0: all.
    pub max_atoms: i64,
    /// Atomic number of all atoms; 0: unknown.
    pub species: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
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
        }
    }
}

impl aet_trace_options {
    fn checked(&self, host: &Host) -> Result<PeakOptions> {
        let max_atoms = host.count(self.max_atoms, "max_atoms")?;
        Ok(PeakOptions {
            smoothing: self.smoothing,
            minimum_distance: chosen(self.minimum_distance),
            threshold: chosen(self.threshold),
            max_atoms: (max_atoms > 0).then_some(max_atoms),
            species: host.atomic_number(self.species, "species")?.unwrap_or(0),
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_trace_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_trace_options_init(options: *mut aet_trace_options, struct_size: usize) -> aet_status {
    guard("aet_trace_options_init", |host| host.init(options, struct_size))
}

/// Creates a volume from `values` `[z,y,x]`, of any real element type (kept in single precision), with voxels of edge
/// `voxel_size`, angstrom. AET_ERROR_SHAPE, AET_ERROR_EMPTY without voxels, AET_ERROR_RANGE for a voxel size that is not
/// positive, AET_ERROR_NON_FINITE with the place of a bad value. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_create(
    context: *const aet_context,
    values: *const aet_const_view,
    voxel_size: f64,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_create", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let values = host.view(values, "values")?.read::<f32, 3>([None; 3])?;
        place.set(HeldVolume { context, volume: Volume::new(values, voxel_size)?, residuals: vec![] });
        Ok(())
    })
}

/// Frees a volume. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_free(volume: *mut aet_volume) {
    guard_value((), |host| host.free(volume))
}

/// Number of voxels along z, y and x, into `shape` [3]. AET_ERROR_NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_shape(volume: *const aet_volume, shape: *mut i64) -> aet_status {
    guard("aet_volume_shape", |host| {
        let shape_of = host.object(volume, "volume")?.volume.shape();
        host.out_slice(shape, 3, "shape")?.set(&shape_of.map(|n| n as i64))
    })
}

/// Edge of a voxel, angstrom (or pixels); NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_voxel_size(volume: *const aet_volume) -> f64 {
    guard_value(f64::NAN, |host| Ok(host.object(volume, "volume")?.volume.voxel_size()))
}

/// Copies the values into `out` `[z,y,x]`, of any real element type that holds them. AET_ERROR_SHAPE, AET_ERROR_DTYPE,
/// AET_ERROR_RANGE for a value that it cannot hold. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_copy_to(volume: *const aet_volume, out: *const aet_view) -> aet_status {
    guard("aet_volume_copy_to", |host| {
        let held = host.object(volume, "volume")?;
        host.out_view(out, "out")?.write(&held.volume.values())
    })
}

/// Number of iterations that made the volume; 0 for one that aet_volume_reconstruct did not make, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_residual_count(volume: *const aet_volume) -> i64 {
    guard_value(0, |host| Ok(host.object(volume, "volume")?.residuals.len() as i64))
}

/// Copies the norm of b - A V relative to b, in the state from which every iteration was made, into `out` `[n]`, n as of
/// aet_volume_residual_count. AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_copy_residuals(volume: *const aet_volume, out: *const aet_view) -> aet_status {
    guard("aet_volume_copy_residuals", |host| {
        let residuals = host.object(volume, "volume")?.residuals.clone();
        host.out_view(out, "out")?.write(&Array1::from(residuals))
    })
}

/// Finds the peaks of the volume: Gaussian smoothing, local maxima among 26 neighbours, the maximum of the parabola
/// through the neighbourhood, and the strongest of peaks nearer than the minimum distance. The atoms come with heights
/// (the smoothed values), the strongest first; the outermost voxels hold none. `options` and `progress` may be NULL.
/// AET_ERROR_EMPTY where no voxel rises above the threshold, AET_ERROR_RANGE; AET_CANCELLED, then without atoms. Any
/// thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_trace(
    volume: *const aet_volume,
    options: *const aet_trace_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_volume_trace", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let held = host.object(volume, "volume")?;
        held.context.check_process()?;
        let options = host.options(options)?.checked(host)?;
        let (cancel, clock) = (held.context.cancel_token(), Instant::now());
        let mut observer = host.progress(progress, user);
        let mut tell = |done| observer(&Progress::of_phase(Phase::Evaluating, done, clock.elapsed().as_secs_f64()));
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        place.set(peaks(&held.context, &held.volume, &options, &mut waiting)?);
        Ok(())
    })
}
