//! Masks of volumes and images

use super::context::aet_context;
use super::dataset::aet_dataset;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::view::aet_view;
use super::volume::{aet_volume, HeldVolume};
use super::volume_filter::{aet_smoothing, watched};
use crate::prepare::{
    mask, mask_images, multiply, otsu_threshold, support, Connectivity, ImageMaskOptions, MaskOptions, Support,
};
use crate::Result;
use ndarray::Array1;
use std::ffi::c_void;

/// Above which value a voxel is in a mask.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_threshold {
    /// lowest + factor (Otsu's threshold - lowest), lowest being the smallest value.
    Otsu = 0,
    /// The member `threshold`.
    Value = 1,
}

host_enum!(aet_threshold:
    Otsu = "AET_THRESHOLD_OTSU",
    Value = "AET_THRESHOLD_VALUE",
);

/// Which voxels of a mask are connected.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_connectivity {
    /// Those that share a corner, an edge or a face: 26 neighbours.
    Corners = 0,
    /// Those that share a face: 6 neighbours.
    Faces = 1,
}

host_enum!(aet_connectivity:
    Corners = "AET_CONNECTIVITY_CORNERS",
    Faces = "AET_CONNECTIVITY_FACES",
);

/// Steps of aet_volume_mask, in their order; lengths are in voxels. Fill with aet_mask_options_init, which sets the chain
/// of published reconstructions of particles a few hundred voxels wide. 0 leaves a step out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_mask_options {
    /// sizeof(aet_mask_options).
    pub struct_size: usize,
    /// Width of the smoothing before all else, as aet_smoothing says; default 9.
    pub smoothing_width: f64,
    /// The threshold, where `thresholding` is AET_THRESHOLD_VALUE.
    pub threshold: f64,
    /// Part of the way from the smallest value to Otsu's threshold, above 0; default 0.9.
    pub factor: f64,
    /// Radius of the ball by which the mask grows, for good; default 3.
    pub dilation: f64,
    /// Radius of the ball by which it grows once more, so that near parts join; default 11.
    pub closing: f64,
    /// Connected parts of fewer voxels are dropped; default 50000.
    pub minimum_island: i64,
    /// Radius of the ball by which the mask shrinks at the end, not from the faces of the volume; default 15.
    pub erosion: f64,
    /// Width w of a soft edge outside of the mask: (1 + cos(pi d / w)) / 2 at distance d; default 0.
    pub soft_edge: f64,
    /// An aet_smoothing; default AET_SMOOTHING_BOX.
    pub smoothing: i32,
    /// An aet_threshold.
    pub thresholding: i32,
    /// An aet_connectivity.
    pub connectivity: i32,
    /// 1: only the largest connected part is kept.
    pub largest_only: i32,
    /// 1: what the mask encloses on all sides is filled, after islands were dropped.
    pub fill_holes: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; six i32 stand after the 8-byte members.
unsafe impl CStruct for aet_mask_options {
    const NAME: &'static str = "aet_mask_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        let chain = MaskOptions::default();
        aet_mask_options {
            struct_size: size_of::<Self>(),
            smoothing_width: 9.0,
            threshold: 0.0,
            factor: chain.factor,
            dilation: chain.dilation,
            closing: chain.closing,
            minimum_island: chain.minimum_island as i64,
            erosion: chain.erosion,
            soft_edge: chain.soft_edge,
            smoothing: aet_smoothing::Box as i32,
            thresholding: aet_threshold::Otsu as i32,
            connectivity: aet_connectivity::Corners as i32,
            largest_only: 0,
            fill_holes: 0,
            reserved: 0,
        }
    }
}

impl aet_mask_options {
    fn checked(&self, host: &Host) -> Result<MaskOptions> {
        Ok(MaskOptions {
            smoothing: aet_smoothing::checked(self.smoothing, self.smoothing_width)?,
            threshold: match aet_threshold::from_number(self.thresholding, "thresholding")? {
                aet_threshold::Otsu => None,
                aet_threshold::Value => Some(self.threshold),
            },
            factor: self.factor,
            dilation: self.dilation,
            closing: self.closing,
            minimum_island: host.count(self.minimum_island, "minimum_island")?,
            largest_only: host.flag(self.largest_only, "largest_only")?,
            connectivity: match aet_connectivity::from_number(self.connectivity, "connectivity")? {
                aet_connectivity::Corners => Connectivity::Corners,
                aet_connectivity::Faces => Connectivity::Faces,
            },
            fill_holes: host.flag(self.fill_holes, "fill_holes")?,
            erosion: self.erosion,
            soft_edge: self.soft_edge,
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_mask_options). AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_mask_options_init(options: *mut aet_mask_options, struct_size: usize) -> aet_status {
    guard("aet_mask_options_init", |host| host.init(options, struct_size))
}

/// The mask of a volume, as a volume of 1 where the specimen is and 0 elsewhere, values between in a soft edge: smoothing,
/// threshold, growing by two balls, dropping islands, filling holes, shrinking by a ball. A mask may be the volume, too:
/// with AET_THRESHOLD_VALUE, threshold 0.5 and all other steps 0 but one, it grows, shrinks or loses its islands. `options`
/// and `progress` may be NULL.
///
/// AET_ERROR_INCONSISTENT for a constant volume, which has no threshold of Otsu's; AET_ERROR_EMPTY where a step leaves
/// nothing, with the number of voxels that the largest island has; AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION,
/// AET_ERROR_MEMORY; AET_CANCELLED, then without a mask. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_mask(
    volume: *const aet_volume,
    options: *const aet_mask_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    mask_of_volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_mask", |host| {
        let place = host.new_handle(mask_of_volume, "mask_of_volume")?;
        let held = host.object(volume, "volume")?;
        let options = host.options(options)?.checked(host)?;
        let made = watched(host, &held.context, (progress, user), |waiting| {
            mask(&held.context, &held.volume, &options, waiting)
        })?;
        place.set(HeldVolume::new(&held.context, made));
        Ok(())
    })
}

/// Otsu's threshold of a volume into `threshold`: of 256 classes of values between the smallest and the largest, the
/// border that gives two groups of sizes w0, w1 and means m0, m1 the largest w0 w1 (m0 - m1)^2. `progress` may be NULL.
/// AET_ERROR_INCONSISTENT for a constant volume; AET_CANCELLED. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_otsu_threshold(
    volume: *const aet_volume,
    progress: aet_progress_fn,
    user: *mut c_void,
    threshold: *mut f64,
) -> aet_status {
    guard("aet_volume_otsu_threshold", |host| {
        let place = host.out(threshold, "threshold")?;
        let held = host.object(volume, "volume")?;
        place.set(watched(host, &held.context, (progress, user), |waiting| {
            otsu_threshold(&held.context, &held.volume, waiting)
        })?);
        Ok(())
    })
}

/// The volume times a mask, voxel by voxel, as a new one. `progress` may be NULL. AET_ERROR_SHAPE for other numbers of
/// voxels, AET_ERROR_INCONSISTENT for another voxel size, AET_ERROR_NON_FINITE for a product beyond single precision;
/// AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_multiply(
    volume: *const aet_volume,
    mask: *const aet_volume,
    progress: aet_progress_fn,
    user: *mut c_void,
    product: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_multiply", |host| {
        let place = host.new_handle(product, "product")?;
        let held = host.object(volume, "volume")?;
        let mask = &host.input(mask, "mask")?.volume;
        let made = watched(host, &held.context, (progress, user), |waiting| {
            multiply(&held.context, &held.volume, mask, waiting)
        })?;
        place.set(HeldVolume::new(&held.context, made));
        Ok(())
    })
}

/// Shape of a support.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_support_shape {
    /// A sphere.
    Sphere = 0,
    /// A cylinder along x.
    CylinderX = 1,
    /// A cylinder along y.
    CylinderY = 2,
    /// A cylinder along z.
    CylinderZ = 3,
}

host_enum!(aet_support_shape:
    Sphere = "AET_SUPPORT_SHAPE_SPHERE",
    CylinderX = "AET_SUPPORT_SHAPE_CYLINDER_X",
    CylinderY = "AET_SUPPORT_SHAPE_CYLINDER_Y",
    CylinderZ = "AET_SUPPORT_SHAPE_CYLINDER_Z",
);

/// A support for aet_volume_create_support. Fill with aet_support_options_init; voxels, voxel size and radius are
/// required. Lengths are in the unit of the voxel size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_support_options {
    /// sizeof(aet_support_options).
    pub struct_size: usize,
    /// Voxels along z.
    pub nz: i64,
    /// Voxels along y.
    pub ny: i64,
    /// Voxels along x.
    pub nx: i64,
    /// Edge of a voxel, angstrom.
    pub voxel_size: f64,
    /// Radius of the sphere or cylinder, angstrom.
    pub radius: f64,
    /// Its centre (x, y, z) from the specimen origin, angstrom.
    pub centre: [f64; 3],
    /// Half the height of a cylinder, angstrom; 0: through the whole volume.
    pub half_height: f64,
    /// Width w of a soft edge outside of it, angstrom: (1 + cos(pi d / w)) / 2 at distance d; 0: none.
    pub soft_edge: f64,
    /// An aet_support_shape.
    pub shape: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
unsafe impl CStruct for aet_support_options {
    const NAME: &'static str = "aet_support_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_support_options {
            struct_size: size_of::<Self>(),
            nz: 0,
            ny: 0,
            nx: 0,
            voxel_size: 0.0,
            radius: 0.0,
            centre: [0.0; 3],
            half_height: 0.0,
            soft_edge: 0.0,
            shape: aet_support_shape::Sphere as i32,
            reserved: 0,
        }
    }
}

impl aet_support_options {
    fn checked(&self) -> Result<Support> {
        let half_height = chosen(self.half_height).unwrap_or(f64::INFINITY);
        let axis = match aet_support_shape::from_number(self.shape, "shape")? {
            aet_support_shape::Sphere => None,
            aet_support_shape::CylinderX => Some(0),
            aet_support_shape::CylinderY => Some(1),
            aet_support_shape::CylinderZ => Some(2),
        };
        Ok(Support {
            radius: self.radius,
            centre: self.centre,
            cylinder: axis.map(|axis| (axis, half_height)),
            soft_edge: self.soft_edge,
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_support_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_support_options_init(options: *mut aet_support_options, struct_size: usize) -> aet_status {
    guard("aet_support_options_init", |host| host.init(options, struct_size))
}

/// A mask of a simple shape: 1 in voxels whose centres lie in it or on its surface, 0 elsewhere, values between in a soft
/// edge. `progress` may be NULL. AET_ERROR_RANGE for lengths that are not positive and volumes without voxels,
/// AET_ERROR_NON_FINITE for the centre, AET_ERROR_EMPTY where no voxel lies inside, AET_ERROR_UNKNOWN_OPTION,
/// AET_ERROR_MEMORY; AET_CANCELLED, then without a volume. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_create_support(
    context: *const aet_context,
    options: *const aet_support_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    volume: *mut *mut aet_volume,
) -> aet_status {
    guard("aet_volume_create_support", |host| {
        let place = host.new_handle(volume, "volume")?;
        let context = host.input(context, "context")?;
        let options = host.required_options(options, "options")?;
        let edges = [host.count(options.nz, "nz")?, host.count(options.ny, "ny")?, host.count(options.nx, "nx")?];
        let of = options.checked()?;
        let made = watched(host, context, (progress, user), |waiting| {
            support(context, edges, options.voxel_size, &of, waiting)
        })?;
        place.set(HeldVolume::new(context, made));
        Ok(())
    })
}

/// How a mask is applied to images. Fill with aet_image_mask_options_init.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_image_mask_options {
    /// sizeof(aet_image_mask_options).
    pub struct_size: usize,
    /// A pixel is in the mask where the beam passes more than this length of it, voxels; 0: 0.5.
    pub minimum_path: f64,
    /// 1: pixels beside the mask drop out of use, no loss sees them; 0: they are 0, and the volume has to be empty there.
    pub leave_out: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers, no padding.
unsafe impl CStruct for aet_image_mask_options {
    const NAME: &'static str = "aet_image_mask_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_image_mask_options { struct_size: size_of::<Self>(), minimum_path: 0.0, leave_out: 0, reserved: 0 }
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_image_mask_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_image_mask_options_init(
    options: *mut aet_image_mask_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_image_mask_options_init", |host| host.init(options, struct_size))
}

/// Sets the pixels of all n images beside the projections of `mask` to 0, as the next version of the dataset: substrate
/// and support film need not be explained by the volume then. Rotations and drifts are those of the images, the mask lies
/// about the specimen origin. `kept` `[n]`, where not NULL, takes the number of pixels that the mask keeps of each image.
/// `options` and `progress` may be NULL.
///
/// AET_ERROR_EMPTY for a mask of zeros and one that leaves an image without a used pixel, AET_ERROR_NOT_READY without an
/// image, AET_ERROR_RANGE for voxels larger than pixels and a path without meaning, AET_ERROR_SHAPE; AET_CANCELLED. The
/// dataset then stays as it is. Any thread, also while a reconstruction runs on the dataset; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_mask_images(
    dataset: *const aet_dataset,
    mask: *const aet_volume,
    options: *const aet_image_mask_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    kept: *const aet_view,
) -> aet_status {
    guard("aet_dataset_mask_images", |host| {
        let dataset = host.dataset(dataset)?;
        let mask = &host.input(mask, "mask")?.volume;
        let options = host.options(options)?;
        let options = ImageMaskOptions {
            minimum_path: chosen(options.minimum_path).unwrap_or(ImageMaskOptions::default().minimum_path),
            leave_out: host.flag(options.leave_out, "leave_out")?,
        };
        let mut place = host.optional_out_view(kept, "kept")?;
        if let Some(place) = &place {
            place.expect_shape(&[Some(dataset.series.version().images().len())])?;
            place.expect_holds::<i64>()?;
        }
        let kept = watched(host, &dataset.context, (progress, user), |waiting| {
            mask_images(&dataset.context, &dataset.series, mask, &options, waiting)
        })?;
        if let Some(place) = &mut place {
            place.write(&Array1::from_iter(kept.iter().map(|n| *n as i64)))?;
        }
        Ok(())
    })
}
