//! What is known of the images of a dataset

use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::CStruct;
use super::status::aet_status;
use super::view::{aet_const_view, aet_dtype, InView};
use crate::dataset::{Frames, Rotations, TiltAxis};
use crate::geometry::AngleOrder;
use crate::{Error, Result};
use ndarray::{CowArray, Ix3};
use std::ptr;

/// Order in which three angles (phi, theta, psi), degrees, make the rotation R of p' = R p.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_angle_order {
    /// R = transpose(Rz(phi) Ry(theta) Rx(psi)), as the published codes of atomic electron tomography have it.
    Zyx = 0,
    /// R = transpose(Rz(phi) Ry(theta) Rz(psi)), as files of GENFIRE have it.
    Zyz = 1,
    /// R = Rz(phi) Ry(theta) Rx(psi).
    Xyz = 2,
}

host_enum!(aet_angle_order:
    Zyx = "AET_ANGLE_ORDER_ZYX",
    Zyz = "AET_ANGLE_ORDER_ZYZ",
    Xyz = "AET_ANGLE_ORDER_XYZ",
);

impl From<aet_angle_order> for AngleOrder {
    fn from(order: aet_angle_order) -> Self {
        match order {
            aet_angle_order::Zyx => AngleOrder::Zyx,
            aet_angle_order::Zyz => AngleOrder::Zyz,
            aet_angle_order::Xyz => AngleOrder::Xyz,
        }
    }
}

/// Axis of a single-axis tilt: R = transpose(R_axis(angle)), so that the angle is theta (y) or psi (x) of the order
/// zyx.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_tilt_axis {
    /// Three angles are given per image.
    None = 0,
    /// The x axis.
    X = 1,
    /// The y axis.
    Y = 2,
}

host_enum!(aet_tilt_axis:
    None = "AET_TILT_AXIS_NONE",
    X = "AET_TILT_AXIS_X",
    Y = "AET_TILT_AXIS_Y",
);

impl aet_tilt_axis {
    fn axis(self) -> Option<TiltAxis> {
        match self {
            aet_tilt_axis::None => None,
            aet_tilt_axis::X => Some(TiltAxis::X),
            aet_tilt_axis::Y => Some(TiltAxis::Y),
        }
    }
}

/// What is known of n images beside their pixels. Exactly one of `rotations` and `angles_deg` is required; all other
/// views may be NULL. Element types: any real one that holds the values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_frames {
    /// sizeof(aet_frames).
    pub struct_size: usize,
    /// `[n,3,3]`, or `[3,3]` for all images: proper rotations (within 1e-6), p' = R p.
    pub rotations: *const aet_const_view,
    /// `[n,3]`: phi, theta, psi in `angle_order`; or `[n,1]` or `[n]`: one angle about `tilt_axis`. Degrees.
    pub angles_deg: *const aet_const_view,
    /// An aet_angle_order.
    pub angle_order: i32,
    /// An aet_tilt_axis.
    pub tilt_axis: i32,
    /// `[n]` whole numbers: images of one number make one tilt, and tilts count in rising order of their numbers. NULL:
    /// every image its own tilt (aet_dataset_create), all one tilt (aet_dataset_append_tilt, aet_dataset_replace_tilt).
    pub tilt: *const aet_const_view,
    /// `[n]` whole numbers: images of one focus have one number, and sections count in rising order of their numbers.
    /// NULL: counted within the tilt; a replaced tilt keeps its own.
    pub section: *const aet_const_view,
    /// `[n]` angstrom: the crossover lies at z' = +defocus. NULL: 0.
    pub defocus: *const aet_const_view,
    /// `[n,2]` (u along x', v along y'), angstrom: the shift of the image. NULL: 0.
    pub drift: *const aet_const_view,
    /// `[n,rows,columns]`: non-zero = use the pixel. NULL: all.
    pub mask: *const aet_const_view,
    /// `[n]` variance of the noise of one pixel, (image unit)^2; NaN where not known. NULL: not known.
    pub noise_variance: *const aet_const_view,
    /// `[n]` electrons per image unit, 1 where images are counts; NaN where not known. NULL: not known.
    pub counts_per_unit: *const aet_const_view,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, raw pointers and two i32, no padding.
unsafe impl CStruct for aet_frames {
    const NAME: &'static str = "aet_frames";

    fn defaults() -> Self {
        aet_frames {
            struct_size: size_of::<Self>(),
            rotations: ptr::null(),
            angles_deg: ptr::null(),
            angle_order: aet_angle_order::Zyx as i32,
            tilt_axis: aet_tilt_axis::None as i32,
            tilt: ptr::null(),
            section: ptr::null(),
            defocus: ptr::null(),
            drift: ptr::null(),
            mask: ptr::null(),
            noise_variance: ptr::null(),
            counts_per_unit: ptr::null(),
        }
    }
}

/// Sets `struct_size` and all views to NULL. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_frames_init(frames: *mut aet_frames, struct_size: usize) -> aet_status {
    guard("aet_frames_init", |host| host.init(frames, struct_size))
}

/// Images `[n, rows, columns]` of the host with what is known of them.
pub(super) struct Images<'c> {
    /// The pixels: the host's own memory where they are floats, which are copied image by image as they are taken in.
    pub(super) pixels: CowArray<'c, f32, Ix3>,
    /// What is known of them.
    pub(super) frames: Frames,
}

impl Host {
    /// The arguments `images` and `frames` of a call, neither of which may be NULL.
    pub(super) fn images(&self, images: *const aet_const_view, frames: *const aet_frames) -> Result<Images<'_>> {
        let pixels = pixels(&self.view(images, "images")?)?;
        let frames = self.frames(frames, pixels.dim())?;
        Ok(Images { pixels, frames })
    }

    /// What is known of images of `shape` [n, rows, columns].
    pub(super) fn frames(&self, frames: *const aet_frames, shape: (usize, usize, usize)) -> Result<Frames> {
        let frames = self.required_options(frames, "frames")?;
        Reader { host: self, frames, shape }.read()
    }
}

pub(super) fn pixels<'c>(view: &InView<'c>) -> Result<CowArray<'c, f32, Ix3>> {
    view.expect_shape(&[None; 3])?;
    if view.dtype() != aet_dtype::F32 {
        return Ok(CowArray::from(view.read::<f32, 3>([None; 3])?));
    }
    let pixels = view.elements::<f32>().into_dimensionality::<Ix3>();
    Ok(CowArray::from(pixels.map_err(|error| Error::Internal(format!("images: {error}")))?))
}

/// Reads the columns of images of one shape.
struct Reader<'c> {
    host: &'c Host,
    frames: aet_frames,
    shape: (usize, usize, usize),
}

impl Reader<'_> {
    fn read(&self) -> Result<Frames> {
        let (frames, (n, rows, columns)) = (&self.frames, self.shape);
        let mut read = Frames::new(n).with_rotations(self.rotations()?);
        read.tilt = self.labels(frames.tilt, "tilt")?;
        read.section = self.labels(frames.section, "section")?;
        read.defocus = self.numbers(frames.defocus, "defocus")?;
        read.drift = self.drift()?;
        if let Some(mask) = self.host.optional_view(frames.mask, "mask")? {
            read.mask = Some(mask.read::<u8, 3>([Some(n), Some(rows), Some(columns)])?);
        }
        read.noise_variance = self.numbers(frames.noise_variance, "noise_variance")?;
        read.counts_per_unit = self.numbers(frames.counts_per_unit, "counts_per_unit")?;
        Ok(read)
    }

    fn rotations(&self) -> Result<Rotations> {
        let order = aet_angle_order::from_number(self.frames.angle_order, "angle_order")?;
        let axis = aet_tilt_axis::from_number(self.frames.tilt_axis, "tilt_axis")?;
        let matrices = self.host.optional_view(self.frames.rotations, "rotations")?;
        let angles = self.host.optional_view(self.frames.angles_deg, "angles_deg")?;
        match (matrices, angles) {
            (Some(matrices), None) => self.matrices(&matrices),
            (None, Some(angles)) => self.angles(&angles, order, axis.axis()),
            (None, None) => Err(Error::Null { argument: "rotations", wanted: "one of rotations and angles_deg" }),
            (Some(_), Some(_)) => Err(Error::Inconsistent {
                what: "frames".into(),
                why: "both rotations and angles_deg are given, wanted one of the two".into(),
            }),
        }
    }

    fn matrices(&self, view: &InView<'_>) -> Result<Rotations> {
        let values: Vec<f64> = match *view.shape() {
            [3, 3] => view.read::<f64, 2>([Some(3), Some(3)])?.into_iter().collect(),
            [n, 3, 3] if n == self.shape.0 => view.read::<f64, 3>([None; 3])?.into_iter().collect(),
            _ => return Err(Error::shape("rotations", view.shape(), format!("[{}, 3, 3] or [3, 3]", self.shape.0))),
        };
        Ok(Rotations::Matrices(values.as_chunks::<3>().0.as_chunks::<3>().0.to_vec()))
    }

    fn angles(&self, view: &InView<'_>, order: aet_angle_order, axis: Option<TiltAxis>) -> Result<Rotations> {
        let n = self.shape.0;
        let wanted = match axis {
            Some(_) => format!("[{n}] or [{n}, 1] about the tilt axis; three angles have AET_TILT_AXIS_NONE"),
            None => format!("[{n}, 3]; for one angle per image set tilt_axis"),
        };
        let degrees: Vec<f64> = match (view.shape(), axis) {
            ([m], Some(_)) if *m == n => view.read::<f64, 1>([None])?.to_vec(),
            ([m, 1], Some(_)) | ([m, 3], None) if *m == n => view.read::<f64, 2>([None; 2])?.into_iter().collect(),
            _ => return Err(Error::shape("angles_deg", view.shape(), wanted)),
        };
        Ok(match axis {
            Some(axis) => Rotations::SingleAxis { axis, degrees },
            None => Rotations::Angles { order: order.into(), degrees: degrees.as_chunks::<3>().0.to_vec() },
        })
    }

    fn drift(&self) -> Result<Option<Vec<[f64; 2]>>> {
        let Some(view) = self.host.optional_view(self.frames.drift, "drift")? else { return Ok(None) };
        let values: Vec<f64> = view.read::<f64, 2>([Some(self.shape.0), Some(2)])?.into_iter().collect();
        Ok(Some(values.as_chunks::<2>().0.to_vec()))
    }

    fn labels(&self, view: *const aet_const_view, argument: &'static str) -> Result<Option<Vec<i64>>> {
        let Some(view) = self.host.optional_view(view, argument)? else { return Ok(None) };
        Ok(Some(view.read::<i64, 1>([Some(self.shape.0)])?.to_vec()))
    }

    fn numbers(&self, view: *const aet_const_view, argument: &'static str) -> Result<Option<Vec<f64>>> {
        let Some(view) = self.host.optional_view(view, argument)? else { return Ok(None) };
        Ok(Some(view.read::<f64, 1>([Some(self.shape.0)])?.to_vec()))
    }
}
