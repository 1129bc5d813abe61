//! Volumes
//!
//! Immutable volumes of voxels `[z,y,x]`: made from arrays or files, or reconstructed from a dataset.

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::dataset::aet_dataset;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view};
use crate::context::Context;
use crate::optimize::Termination;
use crate::problem::{Phase, Progress, Waiting};
use crate::reconstruct::{sirt, Background, SirtOptions};
use crate::specimen::Volume;
use crate::trace::{peaks, PeakOptions};
use crate::{Error, Result};
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
    pub(super) context: Context,
    pub(super) volume: Volume,
    pub(super) residuals: Vec<f64>,
}

impl Handle for aet_volume {
    const NAME: &'static str = "aet_volume";
    const IMMUTABLE: bool = true;
    type Object = HeldVolume;
}

/// What is taken off the images before a volume is reconstructed.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_background {
    /// From every view its own: the 5 % quantile of the means over squares of 8 x 8 pixels. A positive volume cannot
    /// explain an offset beside the specimen.
    Automatic = 0,
    /// Nothing.
    None = 1,
}

host_enum!(aet_background:
    Automatic = "AET_BACKGROUND_AUTOMATIC",
    None = "AET_BACKGROUND_NONE",
);

/// Options of aet_volume_create_sirt. Fill with aet_sirt_options_init; 0 means automatic where it is said.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_sirt_options {
    /// sizeof(aet_sirt_options).
    pub struct_size: usize,
    /// Voxels along z; 0: as many as the longer side of the images has pixels. Give all three numbers or none.
    pub nz: i64,
    /// Voxels along y.
    pub ny: i64,
    /// Voxels along x.
    pub nx: i64,
    /// Edge of a voxel in the length unit, at most a pixel; 0: a pixel.
    pub voxel_size: f64,
    /// Bytes that the reconstruction may need beside the dataset; 0: no limit.
    pub memory_limit: f64,
    /// Iterations; 0: 25.
    pub iterations: i32,
    /// 1: extrapolate (Nesterov), the default; 0: plain SIRT.
    pub accelerated: i32,
    /// 1: voxels stay at 0 or above, the default; 0: not.
    pub positivity: i32,
    /// An aet_background.
    pub background: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; four i32 stand after the 8-byte members.
unsafe impl CStruct for aet_sirt_options {
    const NAME: &'static str = "aet_sirt_options";

    fn defaults() -> Self {
        aet_sirt_options {
            struct_size: size_of::<Self>(),
            nz: 0,
            ny: 0,
            nx: 0,
            voxel_size: 0.0,
            memory_limit: 0.0,
            iterations: 0,
            accelerated: 1,
            positivity: 1,
            background: aet_background::Automatic as i32,
        }
    }
}

impl aet_sirt_options {
    pub(super) fn checked(&self, host: &Host) -> Result<SirtOptions> {
        let default = SirtOptions::default();
        let edges = [host.count(self.nz, "nz")?, host.count(self.ny, "ny")?, host.count(self.nx, "nx")?];
        if self.memory_limit.is_nan() || self.memory_limit < 0.0 {
            return Err(Error::range("memory_limit", self.memory_limit, "a number of bytes, or 0 for no limit"));
        }
        let iterations = host.count(self.iterations.into(), "iterations")?;
        Ok(SirtOptions {
            shape: (edges != [0; 3]).then_some(edges),
            voxel_size: chosen(self.voxel_size),
            iterations: if iterations == 0 { default.iterations } else { iterations },
            accelerated: host.flag(self.accelerated, "accelerated")?,
            positivity: host.flag(self.positivity, "positivity")?,
            background: match aet_background::from_number(self.background, "background")? {
                aet_background::Automatic => Background::Automatic,
                aet_background::None => Background::None,
            },
            memory_limit: chosen(self.memory_limit).map(|bytes| bytes as u64),
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_sirt_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_sirt_options_init(options: *mut aet_sirt_options, struct_size: usize) -> aet_status {
    guard("aet_sirt_options_init", |host| host.init(options, struct_size))
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

/// Reconstructs a volume from the present version of `dataset` by SIRT: V <- max(0, W + C A* R (b - A W)), where A is
/// the projection, R and C are 1 / (sums of its rows, columns), b the images (the mean over those of a tilt that have
/// one drift) and W is V extrapolated along its last step where `accelerated`. Excluded images and masked pixels take no
/// part. The unit of the volume is the images', per voxel: its sum is that of an image. `options` and `progress` may be
/// NULL; progress tells the norm of b - A W relative to b as loss.
///
/// AET_CANCELLED where `progress` or aet_context_request_cancel ended it: `*volume` is then the volume of the iterations
/// done, or NULL where not one was. AET_ERROR_NOT_READY without an image in use, AET_ERROR_RANGE,
/// AET_ERROR_UNKNOWN_OPTION, AET_ERROR_MEMORY. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_create_sirt(
    context: *const aet_context,
    dataset: *const aet_dataset,
    options: *const aet_sirt_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_create_sirt", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = Context::clone(host.input(context, "context")?);
        let series = &host.input(dataset, "dataset")?.series;
        let options = host.options(options)?.checked(host)?;
        match sirt(&context, series, &options, &mut host.progress(progress, user)) {
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

/// Number of iterations that made the volume; 0 for a volume from an array or a file, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_residual_count(volume: *const aet_volume) -> i64 {
    guard_value(0, |host| Ok(host.object(volume, "volume")?.residuals.len() as i64))
}

/// Copies the norm of b - A W relative to b at the beginning of every iteration into `out` `[n]`, n as of
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
