//! Volumes
//!
//! Immutable volumes of voxels `[z,y,x]`: made from arrays or files, or reconstructed from a dataset.

use super::context::aet_context;
use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::context::Context;
use crate::specimen::Volume;
use ndarray::Array1;

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
