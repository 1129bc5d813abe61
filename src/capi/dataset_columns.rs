//! Columns of a dataset

use super::dataset::aet_dataset;
use super::elements::Number;
use super::guard::guard;
use super::status::aet_status;
use super::view::{aet_view, OutView};
use crate::dataset::{Image, SeriesVersion};
use crate::geometry::AngleOrder;
use crate::{Error, Result};
use ndarray::{Array2, ArrayD, ArrayView2};
use std::ffi::c_char;

/// Names of the columns.
const NAMES: [&str; 11] = [
    "images",
    "rotations",
    "angles_deg",
    "tilt",
    "section",
    "defocus",
    "drift",
    "excluded",
    "noise_variance",
    "counts_per_unit",
    "mask",
];

/// Copies the column `name` of the n images into `out`, of any real element type that holds its values. `images`
/// `[n,rows,columns]`, 0 where the mask leaves a pixel out; `rotations` `[n,3,3]`, p' = R p; `angles_deg` `[n,3]`, phi,
/// theta, psi of AET_ANGLE_ORDER_ZYX; `tilt` and `section` `[n]`, indices; `defocus` `[n]`, angstrom; `drift` `[n,2]`,
/// (u along x', v along y'), angstrom; `excluded` `[n]`, 0 or 1; `noise_variance` `[n]`, (image unit)^2, and
/// `counts_per_unit` `[n]`, electrons per image unit, NaN where not known; `mask` `[n,rows,columns]`, 1 = use the
/// pixel, all ones where there is none. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_DTYPE for
/// a complex `out`, AET_ERROR_RANGE for a value that it cannot hold. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_copy_column(
    dataset: *const aet_dataset,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_dataset_copy_column", |host| {
        let version = host.dataset(dataset)?.series.version();
        let name = host.text(name, "name")?;
        copy(&version, &name, &mut host.out_view(out, "out")?)
    })
}

/// Writes the axis a of the average depth into `out` `[3]`: a . p is d = 1 / M sum_j z_j of an atom at p over the M images
/// that are not excluded (nLOT, figure 2), as aet_accuracy_options.depth_axis takes it. It is the mean of the third rows of
/// their rotations. AET_ERROR_EMPTY without images in use, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_depth_axis(dataset: *const aet_dataset, out: *const aet_view) -> aet_status {
    guard("aet_dataset_depth_axis", |host| {
        let axis = host.dataset(dataset)?.series.version().depth_axis()?;
        host.out_view(out, "out")?.write(&ndarray::arr1(&axis))
    })
}

fn copy(version: &SeriesVersion, name: &str, out: &mut OutView<'_>) -> Result<()> {
    let unless_known = |value: Option<f64>| [value.unwrap_or(f64::NAN)];
    match name {
        "images" => copy_images(version, out),
        "rotations" => copy_rows(version, out, &[3, 3], |image| image.rotation.into_iter().flatten()),
        "angles_deg" => copy_rows(version, out, &[3], |image| AngleOrder::Zyx.angles(&image.rotation)),
        "tilt" => copy_rows(version, out, &[], |image| [image.tilt as i64]),
        "section" => copy_rows(version, out, &[], |image| [image.section as i64]),
        "defocus" => copy_rows(version, out, &[], |image| [image.defocus]),
        "drift" => copy_rows(version, out, &[2], |image| image.drift),
        "excluded" => copy_rows(version, out, &[], |image| [u8::from(image.excluded)]),
        "noise_variance" => copy_rows(version, out, &[], |image| unless_known(image.noise_variance)),
        "counts_per_unit" => copy_rows(version, out, &[], |image| unless_known(image.counts_per_unit)),
        "mask" => copy_masks(version, out),
        _ => {
            let known = NAMES.join(", ");
            Err(Error::UnknownOption { what: "column of a dataset".into(), got: name.into(), known })
        }
    }
}

/// A column of numbers, `[n, rest...]`; `row` gives those of one image.
fn copy_rows<A: Number, I: IntoIterator<Item = A>>(
    version: &SeriesVersion,
    out: &mut OutView<'_>,
    rest: &[usize],
    row: impl Fn(&Image) -> I,
) -> Result<()> {
    let images = version.images();
    let values: Vec<A> = images.iter().flat_map(|image| row(image)).collect();
    let shape = [&[images.len()], rest].concat();
    let column = ArrayD::from_shape_vec(shape, values);
    out.write(&column.map_err(|error| Error::Internal(format!("column of a dataset: {error}")))?)
}

/// Image by image, so that no second copy of all of them is made; before the first, all are asked whether they fit.
fn copy_images(version: &SeriesVersion, out: &mut OutView<'_>) -> Result<()> {
    expect_planes(version, out)?;
    for (index, image) in version.images().iter().enumerate() {
        out.part(index)?.expect_fits(&pixels(version, image)?)?;
    }
    for (index, image) in version.images().iter().enumerate() {
        out.part(index)?.write(&pixels(version, image)?)?;
    }
    Ok(())
}

fn pixels<'i>(version: &SeriesVersion, image: &'i Image) -> Result<ArrayView2<'i, f32>> {
    let pixels = ArrayView2::from_shape((version.rows(), version.columns()), &image.pixels);
    pixels.map_err(|error| Error::Internal(format!("pixels of an image: {error}")))
}

fn copy_masks(version: &SeriesVersion, out: &mut OutView<'_>) -> Result<()> {
    expect_planes(version, out)?;
    out.expect_holds::<u8>()?;
    let shape = (version.rows(), version.columns());
    for (index, image) in version.images().iter().enumerate() {
        let used = (0..shape.0 * shape.1).map(|pixel| u8::from(image.uses(pixel))).collect();
        let mask = Array2::from_shape_vec(shape, used);
        out.part(index)?.write(&mask.map_err(|error| Error::Internal(format!("mask of an image: {error}")))?)?;
    }
    Ok(())
}

fn expect_planes(version: &SeriesVersion, out: &OutView<'_>) -> Result<()> {
    out.expect_shape(&[Some(version.images().len()), Some(version.rows()), Some(version.columns())])
}
