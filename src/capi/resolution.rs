//! Resolution

use super::dataset::aet_dataset;
use super::guard::{guard, guard_value};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::aet_view;
use super::volume::aet_volume;
use super::volume_filter::watched;
use crate::analyze::{half_sets, shell_correlation, Cone, Crossing, ShellCorrelation, ShellOptions};
use ndarray::Array2;
use std::ffi::c_void;

/// Options of aet_volume_shell_correlation. Fill with aet_correlation_options_init; 0 means automatic.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_correlation_options {
    /// sizeof(aet_correlation_options).
    pub struct_size: usize,
    /// Only frequencies within this angle of `direction` count, at both of its ends, degrees; 0: all directions.
    pub half_angle_deg: f64,
    /// The direction (x, y, z), of any length.
    pub direction: [f64; 3],
    /// Part f of the volume that the specimen fills, at most 1; 0: 1.
    pub filling: f64,
    /// Number m of asymmetric units of the specimen; 0: 1.
    pub symmetry: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only 8-byte numbers behind it.
unsafe impl CStruct for aet_correlation_options {
    const NAME: &'static str = "aet_correlation_options";

    fn defaults() -> Self {
        aet_correlation_options {
            struct_size: size_of::<Self>(),
            half_angle_deg: 0.0,
            direction: [0.0; 3],
            filling: 0.0,
            symmetry: 0.0,
        }
    }
}

impl aet_correlation_options {
    fn checked(&self) -> ShellOptions {
        let cone = |half_angle_deg| Cone { direction: self.direction, half_angle_deg };
        ShellOptions {
            cone: chosen(self.half_angle_deg).map(cone),
            filling: chosen(self.filling).unwrap_or(1.0),
            symmetry: chosen(self.symmetry).unwrap_or(1.0),
        }
    }
}

/// Resolutions by the thresholds in use, in the unit of the voxel size. NaN: the curve stays above the threshold up to the
/// Nyquist frequency, so that not the data but the voxels are the limit. Infinity: it begins below, the volumes have nothing
/// in common.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_resolution {
    /// sizeof(aet_resolution), set by the caller.
    pub struct_size: usize,
    /// Where the correlation falls below 1/7 (0.143).
    pub one_seventh: f64,
    /// Where it falls below the half-bit threshold.
    pub half_bit: f64,
    /// Where it falls below 1/2.
    pub half: f64,
    /// That of the Nyquist frequency: two voxels.
    pub nyquist: f64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only 8-byte numbers behind it.
unsafe impl CStruct for aet_resolution {
    const NAME: &'static str = "aet_resolution";

    fn defaults() -> Self {
        let nan = f64::NAN;
        aet_resolution { struct_size: size_of::<Self>(), one_seventh: nan, half_bit: nan, half: nan, nyquist: nan }
    }
}

impl aet_resolution {
    fn of(curve: &ShellCorrelation, voxel_size: f64) -> Self {
        let length = |crossing| match crossing {
            Crossing::At(resolution) => resolution,
            Crossing::BeyondNyquist => f64::NAN,
            Crossing::Nowhere => f64::INFINITY,
        };
        aet_resolution {
            struct_size: size_of::<Self>(),
            one_seventh: length(curve.below(1.0 / 7.0)),
            half_bit: length(curve.below_half_bit()),
            half: length(curve.below(0.5)),
            nyquist: 2.0 * voxel_size,
        }
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_correlation_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_correlation_options_init(
    options: *mut aet_correlation_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_correlation_options_init", |host| host.init(options, struct_size))
}

/// Number of shells of a correlation: n / 2 + 1 for n voxels along the longest edge, that of the mean included; 0 for NULL.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_shell_count(volume: *const aet_volume) -> i64 {
    guard_value(0, |host| Ok(ShellCorrelation::shells(host.object(volume, "volume")?.volume.shape()) as i64))
}

/// The Fourier shell correlation of two volumes, such as those of two half sets:
/// FSC(s) = Re sum F G* / sqrt(sum |F|^2 sum |G|^2) over the frequencies of shell s, round(n |k| voxel size) = s with n
/// voxels along the longest edge; 0 where a volume has nothing in the shell. `mask`, where not NULL, multiplies both first;
/// its edge should be soft, because a hard one correlates by itself. `curve` `[shells,4]`, shells as of
/// aet_volume_shell_count, where not NULL takes per shell the frequency in cycles per unit of the voxel size, FSC, the
/// half-bit threshold (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)) with n = f n(s) / (2 m) (van Heel and Schatz
/// 2005), and the number n(s) of Fourier coefficients of the whole shell, or of its part in the cone. `resolution`, where
/// not NULL, takes where the curve first falls below the thresholds, on the straight line between two shells; shells
/// without coefficients, and for the half-bit threshold those of one independent coefficient, are passed over. `options` and `progress` may be NULL.
///
/// AET_ERROR_SHAPE and AET_ERROR_INCONSISTENT where shapes or voxel sizes differ, AET_ERROR_EMPTY for a volume of zeros,
/// also under the mask, AET_ERROR_RANGE, AET_ERROR_NON_FINITE for the direction, AET_ERROR_MEMORY; AET_CANCELLED. Any
/// thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_shell_correlation(
    volume: *const aet_volume,
    other: *const aet_volume,
    mask: *const aet_volume,
    options: *const aet_correlation_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    curve: *const aet_view,
    resolution: *mut aet_resolution,
) -> aet_status {
    guard("aet_volume_shell_correlation", |host| {
        let held = host.object(volume, "volume")?;
        let other = &host.input(other, "other")?.volume;
        let mask = host.optional_input(mask, "mask")?.map(|mask| &mask.volume);
        let options = host.options(options)?.checked();
        let mut place = host.optional_out_view(curve, "curve")?;
        if let Some(place) = &place {
            place.expect_shape(&[Some(ShellCorrelation::shells(held.volume.shape())), Some(4)])?;
            place.expect_holds::<f64>()?;
        }
        let report = if resolution.is_null() { None } else { Some(host.out_struct(resolution, "resolution")?) };
        let found = watched(host, &held.context, (progress, user), |waiting| {
            shell_correlation(&held.context, [&held.volume, other], mask, &options, waiting)
        })?;
        if let Some(place) = &mut place {
            let fsc = found.frequencies.iter().zip(&found.correlations);
            let counted = found.half_bit.iter().zip(&found.coefficients);
            let rows: Vec<[f64; 4]> = fsc.zip(counted).map(|((k, c), (t, n))| [*k, *c, *t, *n as f64]).collect();
            place.write(&Array2::from(rows))?;
        }
        if let Some(report) = report {
            report.set(aet_resolution::of(&found, held.volume.voxel_size()));
        }
        Ok(())
    })
}

/// Parts the images of the present version into two half sets of every other tilt in use: `half` `[n]`, n images, takes 0
/// for the images of even tilts, counted over the tilts in use in their order, 1 for those of odd ones, and -1 for excluded
/// images. Reconstruct both and compare them with aet_volume_shell_correlation. AET_ERROR_NOT_READY with fewer than two
/// tilts in use, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_half_sets(dataset: *const aet_dataset, half: *mut i32, n: i64) -> aet_status {
    guard("aet_dataset_half_sets", |host| {
        let version = host.dataset(dataset)?.series.version();
        let place = host.out_slice(half, n, "half")?;
        let [even, odd] = half_sets(&version)?;
        let of = |image: &usize| match (even.binary_search(image), odd.binary_search(image)) {
            (Ok(_), _) => 0,
            (_, Ok(_)) => 1,
            _ => -1,
        };
        place.set(&(0..version.images().len()).map(|image| of(&image)).collect::<Vec<i32>>())
    })
}
