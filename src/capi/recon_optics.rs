//! Probes of a local-orbital reconstruction: other models that go on from it, the defocus by a scan, how probes spread

use super::guard::guard;
use super::lot::aet_lot_options;
use super::progress::aet_progress_fn;
use super::recon::aet_recon;
use super::status::aet_status;
use super::table::aet_table;
use super::view::aet_view;
use crate::reconstruct::{DefocusScan, Reconstruct};
use crate::{Error, Result};
use ndarray::{ArrayView1, ArrayView3};
use std::ffi::c_void;

/// Creates a reconstruction with other options that goes on from the latest state of `recon`: its atoms, geometry, optics and
/// intensities, and what is frozen, as far as the new model has it. So direct, rigid and adaptive follow each other: fit the
/// defocus and other blocks of the optics with the rigid model, then the pixels of the probes. Those begin as the optics say, or
/// are those of `recon` where it has some. Iterations count from 0; terms of the host stay behind. `options` NULL: the defaults.
///
/// AET_ERROR_UNSUPPORTED for a reconstruction without orbitals; otherwise as for aet_recon_create_lot. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_continue_lot(
    recon: *const aet_recon,
    options: *const aet_lot_options,
    next: *mut *mut aet_recon,
) -> aet_status {
    guard("aet_recon_continue_lot", |host| {
        let place = host.new_handle(next, "next")?;
        let next = host.object(recon, "recon")?.continued(&host.lot_options(options)?)?;
        place.set(Box::new(next) as Box<dyn Reconstruct>);
        Ok(())
    })
}

/// Looks for the defocus of every section where nothing is known of it: images of the part `tilts` (0 to 1; 0: 0.25) of the
/// tilts are calculated with equal corrections from -range to range (angstrom; 0: 60) in steps of `step` (0: 6), and each
/// section takes the one, refined by a parabola, that leaves the least squares once scale and background of each image are
/// fitted. Sets block `defocus`; all else stays, and the optimiser starts afresh. Free the block then for the last angstroms.
/// `table` (NULL: none) has a row per section and value: `section`, `defocus` (correction, angstrom), `misfit` (squares left, as
/// a part of the variance of the images).
///
/// AET_ERROR_UNSUPPORTED unless the model is rigid, AET_ERROR_RANGE, AET_ERROR_NOT_READY without images, AET_ERROR_BUSY during a
/// run, AET_CANCELLED: nothing is changed. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_scan_defocus(
    recon: *mut aet_recon,
    range: f64,
    step: f64,
    tilts: f64,
    progress: aet_progress_fn,
    user: *mut c_void,
    table: *mut *mut aet_table,
) -> aet_status {
    guard("aet_recon_scan_defocus", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.optional_new_handle(table);
        let default = DefocusScan::default();
        let or = |given: f64, automatic: f64| if given == 0.0 { automatic } else { given };
        let scan = DefocusScan {
            range: or(range, default.range),
            step: or(step, default.step),
            tilts: or(tilts, default.tilts),
        };
        let found = recon.scan_defocus(&scan, &mut host.progress(progress, user))?;
        if let Some(place) = place {
            place.set(found);
        }
        Ok(())
    })
}

/// How the probes of the latest state spread along the beam, for the first image of every section: columns `section`, `image`,
/// `depth` (angstrom), `sum` (1: all intensity), `x`, `y` (first moment, angstrom), `half_radius` (angstrom: half of the intensity
/// lies within) and `peak` (part of the intensity in the brightest pixel). The values `focus_0`, `focus_1`, ... (angstrom) are the
/// depths of the least half radius in each section: where its crossover lies, NaN where that is not between the first and the last
/// depth. AET_ERROR_UNSUPPORTED for the direct model and for
/// reconstructions without orbitals. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_probe_table(recon: *const aet_recon, table: *mut *mut aet_table) -> aet_status {
    guard("aet_recon_probe_table", |host| {
        let place = host.new_handle(table, "table")?;
        place.set(host.object(recon, "recon")?.probe_table()?);
        Ok(())
    })
}

/// Copies the probes of image `image` at the latest state: `depths` [slices] in angstrom and `probes` [slices,side,side], the
/// intensities of pixels around the beam, any real element types that hold them. Both may be NULL: then only the numbers
/// `slices` and `side` are set. AET_ERROR_UNSUPPORTED as for aet_recon_probe_table, AET_ERROR_RANGE for an image that does not
/// exist, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_probe_images(
    recon: *const aet_recon,
    image: i64,
    slices: *mut i64,
    side: *mut i64,
    depths: *const aet_view,
    probes: *const aet_view,
) -> aet_status {
    guard("aet_recon_probe_images", |host| {
        let recon = host.object(recon, "recon")?;
        let (slices, side) = (host.out(slices, "slices")?, host.out(side, "side")?);
        let image = host.index(image, recon.image_count(), "image")?;
        let (at, edge, values) = recon.probe_images(image)?;
        if let Some(mut out) = host.optional_out_view(depths, "depths")? {
            out.expect_shape(&[at.len()])?;
            out.write(&ArrayView1::from(&at))?;
        }
        if let Some(mut out) = host.optional_out_view(probes, "probes")? {
            let shape = [at.len(), edge, edge];
            out.expect_shape(&shape)?;
            let array: Result<_> = ArrayView3::from_shape(shape, &values).map_err(|e| Error::Internal(e.to_string()));
            out.write(&array?)?;
        }
        slices.set(at.len() as i64);
        side.set(edge as i64);
        Ok(())
    })
}
