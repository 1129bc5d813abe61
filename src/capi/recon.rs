//! Reconstruction
//!
//! One interface for all methods: what their creators return is driven, asked and stored by the functions here.

use super::arguments::OutSlice;
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::options::CStruct;
use super::status::aet_status;
use super::text::fixed_text;
use super::view::{aet_const_view, aet_dtype, aet_view, InView};
use crate::problem::{Block, Layout, Want};
use crate::reconstruct::{Reconstruct, Values};
use crate::{Error, Result};
use ndarray::{ArrayView2, ArrayViewD, IxDyn};
use std::ffi::c_char;

/// A reconstruction, of atoms or of a volume: a forward model, the images of a dataset and an optimiser or a method. What
/// a method cannot do answers AET_ERROR_UNSUPPORTED. Functions that take it as `const` may be
/// called from any thread at any time, also while aet_recon_run works and from its progress callback; they see the state
/// after the latest iteration. The others may be called one at a time (AET_ERROR_BUSY).
pub struct aet_recon {
    _opaque: [u8; 0],
}

impl Handle for aet_recon {
    const NAME: &'static str = "aet_recon";
    type Object = Box<dyn Reconstruct>;
}

/// One block of the parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_block {
    /// sizeof(aet_block), set by the caller.
    pub struct_size: usize,
    /// Name: "positions".
    pub name: [c_char; 32],
    /// Unit: "A", "A^2", "deg", "1", or "image" for the unit of the images.
    pub unit: [c_char; 16],
    /// AET_DTYPE_F64.
    pub dtype: i32,
    /// Number of axes.
    pub ndim: i32,
    /// Extent of each axis, 1 beyond `ndim`. In x the last axis is contiguous.
    pub shape: [i64; 4],
    /// Number of values.
    pub size: i64,
    /// Place of the first value in x; -1 while the block is frozen.
    pub offset: i64,
    /// Typical change of one value: optimisers do best on value / scale.
    pub scale: f64,
    /// Smallest value, or minus infinity.
    pub lower: f64,
    /// Largest value, or infinity.
    pub upper: f64,
    /// 1 while the block is frozen, else 0.
    pub frozen: i32,
    /// Zero.
    pub reserved: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; 48 characters and pairs of i32 stand before
// members of 8 bytes, and a pair of i32 at the end.
unsafe impl CStruct for aet_block {
    const NAME: &'static str = "aet_block";

    fn defaults() -> Self {
        aet_block {
            struct_size: size_of::<Self>(),
            name: [0; 32],
            unit: [0; 16],
            dtype: aet_dtype::F64 as i32,
            ndim: 0,
            shape: [1; 4],
            size: 0,
            offset: -1,
            scale: 1.0,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            frozen: 0,
            reserved: 0,
        }
    }
}

impl aet_block {
    fn of(block: &Block, layout: &Layout) -> Self {
        let mut described = aet_block {
            name: fixed_text(block.name),
            unit: fixed_text(block.unit),
            ndim: block.shape.len() as i32,
            size: block.len() as i64,
            offset: layout.offset(block.name).map_or(-1, |offset| offset as i64),
            scale: block.scale,
            lower: block.lower,
            upper: block.upper,
            frozen: block.frozen.into(),
            ..aet_block::defaults()
        };
        described.shape.iter_mut().zip(&block.shape).for_each(|(to, from)| *to = *from as i64);
        described
    }
}

impl Host {
    /// Numbers of images; NULL with 0 means those that are not excluded.
    pub(super) fn image_numbers(&self, recon: &dyn Reconstruct, images: *const i64, n: i64) -> Result<Vec<usize>> {
        Ok(self.numbers(images, n, "images", recon.image_count())?.unwrap_or_else(|| recon.used_images()))
    }

    /// Numbers below `count`; `None` for NULL with n = 0, which means all.
    pub(super) fn numbers(
        &self,
        list: *const i64,
        n: i64,
        argument: &'static str,
        count: usize,
    ) -> Result<Option<Vec<usize>>> {
        if list.is_null() && n == 0 {
            return Ok(None);
        }
        let list = self.slice(list, n, argument)?;
        if list.is_empty() {
            let wanted = format!("at least 1, or 0 with {argument} NULL for all");
            return Err(Error::range(format!("n_{argument}"), n, wanted));
        }
        list.iter().map(|&number| self.index(number, count, argument)).collect::<Result<_>>().map(Some)
    }
}

/// All values of an array of the shape of a block or of images, last axis fastest.
pub(super) fn read_all(view: &InView<'_>, shape: &[usize]) -> Result<Vec<f64>> {
    view.expect_shape(shape)?;
    let values = match *shape {
        [n] => view.read([Some(n)])?.into_raw_vec_and_offset().0,
        [n, m] => view.read([Some(n), Some(m)])?.into_raw_vec_and_offset().0,
        [n, m, k] => view.read([Some(n), Some(m), Some(k)])?.into_raw_vec_and_offset().0,
        _ => return Err(Error::Internal(format!("{} with {} axes", view.name(), shape.len()))),
    };
    Ok(values)
}

/// Values as an array of that shape.
pub(super) fn shaped<'a, T>(shape: &[usize], values: &'a [T]) -> Result<ArrayViewD<'a, T>> {
    ArrayViewD::from_shape(IxDyn(shape), values).map_err(|e| Error::Internal(e.to_string()))
}

/// Frees the handle. Calls at work on other threads finish first; atoms and snapshots taken from it live on.
/// NULL and freed handles are ignored. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_free(recon: *mut aet_recon) {
    guard_value((), |host| host.free(recon))
}

/// Bytes that evaluations and iterations need beside the dataset, with all threads of the context at work.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_memory_estimate(recon: *const aet_recon, bytes: *mut u64) -> aet_status {
    guard("aet_recon_memory_estimate", |host| {
        let bytes = host.out(bytes, "bytes")?;
        bytes.set(host.object(recon, "recon")?.memory_estimate());
        Ok(())
    })
}

/// Generation of the parameters. It rises whenever length or meaning of x changes: a block is frozen or freed, a run
/// takes up appended images. Fetch parameters and layout again then. 0 for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_generation(recon: *const aet_recon) -> u64 {
    guard_value(0, |host| Ok(host.object(recon, "recon")?.generation()))
}

/// Number of blocks, frozen ones included; 0 for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_block_count(recon: *const aet_recon) -> i64 {
    guard_value(0, |host| Ok(host.object(recon, "recon")?.layout().blocks.len() as i64))
}

/// Describes block `index`, counted from 0. The caller sets `block->struct_size`. Blocks of
/// reconstructions of volumes are listed at aet_recon_create_tomography; those of local-orbital reconstructions, with
/// p' = R p + (u, v, w), formula (3) of the LOT paper:
///
/// - positions [atoms,3]: x, y, z in the specimen frame, A
/// - heights [atoms, species or 1]: H, unit of the images
/// - widths [atoms, species or 1]: B, A^2
/// - drift [images,2]: u, v, A
/// - depth_offset [tilts]: w, A
/// - defocus [sections]: added to the recorded defocus, A
/// - angles [tilts,3]: phi, theta, psi of the order zyx, deg
/// - scale [images]: factor of the calculated image
/// - background [images]: added to it, unit of the images
///
/// The parameter vector x holds the free blocks in this order. At the start positions, heights, widths and background
/// are free. AET_ERROR_RANGE for an index beyond the last block. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_parameter_layout(
    recon: *const aet_recon,
    index: i64,
    block: *mut aet_block,
) -> aet_status {
    guard("aet_recon_parameter_layout", |host| {
        let place = host.out_struct(block, "block")?;
        let layout = host.object(recon, "recon")?.layout();
        let index = host.index(index, layout.blocks.len(), "index")?;
        let block = layout.blocks.get(index).ok_or_else(|| Error::Internal("blocks went missing".into()))?;
        place.set(aet_block::of(block, &layout));
        Ok(())
    })
}

/// Length of the parameter vector x: the values of all free blocks. 0 for NULL or a stale handle. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_parameter_count(recon: *const aet_recon) -> i64 {
    guard_value(0, |host| Ok(host.object(recon, "recon")?.layout().free_len() as i64))
}

/// Copies the free parameters into `x` [n], n = aet_recon_parameter_count. AET_ERROR_STALE_PARAMETERS for another n.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_parameters(recon: *const aet_recon, n: i64, x: *mut f64) -> aet_status {
    guard("aet_recon_get_parameters", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.out_slice(x, n, "x")?;
        let parameters = recon.parameters();
        expect_length(recon.as_ref(), host.count(n, "n")?, parameters.len())?;
        place.set(&parameters)
    })
}

pub(super) fn expect_length(recon: &dyn Reconstruct, got: usize, wanted: usize) -> Result<()> {
    match got == wanted {
        true => Ok(()),
        false => Err(Error::StaleParameters { got, wanted, generation: recon.generation() }),
    }
}

/// Sets the free parameters to `x` [n]; the optimiser starts afresh from there. AET_ERROR_STALE_PARAMETERS for another n
/// than aet_recon_parameter_count, AET_ERROR_NON_FINITE; AET_ERROR_BUSY while another call changes the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_set_parameters(recon: *mut aet_recon, n: i64, x: *const f64) -> aet_status {
    guard("aet_recon_set_parameters", |host| {
        host.object_exclusive(recon, "recon")?.set_parameters(host.slice(x, n, "x")?)
    })
}

/// Copies one block, frozen or not, into `out`, which has the shape of the block. AET_ERROR_UNKNOWN_OPTION for another
/// name, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_block(
    recon: *const aet_recon,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_recon_get_block", |host| {
        let snapshot = host.object(recon, "recon")?.snapshot();
        let mut out = host.out_view(out, "out")?;
        let (block, values) = snapshot.block(&host.text(name, "name")?)?;
        match values {
            Values::F64(values) => out.write(&shaped(&block.shape, values)?),
            Values::F32(values) => out.write(&shaped(&block.shape, values)?),
        }
    })
}

/// Sets one block, frozen or not, to `values`, which have the shape of the block; the optimiser starts afresh from
/// there. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE for a value
/// outside the bounds of the block; AET_ERROR_BUSY while another call changes the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_set_block(
    recon: *mut aet_recon,
    name: *const c_char,
    values: *const aet_const_view,
) -> aet_status {
    guard("aet_recon_set_block", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        let name = host.text(name, "name")?;
        let shape = recon.layout().block(&name)?.shape.clone();
        recon.set_block(&name, &read_all(&host.view(values, "values")?, &shape)?)
    })
}

/// Freezes (`frozen` 1) or frees (0) a block. That changes x, so the generation rises and the optimiser starts afresh;
/// scales are estimated anew. AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_UNSUPPORTED for a block that the
/// model cannot refine (defocus and depth_offset without a probe, depth_offset with hard slices); AET_ERROR_BUSY while
/// another call changes the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_freeze(recon: *mut aet_recon, name: *const c_char, frozen: i32) -> aet_status {
    guard("aet_recon_freeze", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        recon.freeze(&host.text(name, "name")?, host.flag(frozen, "frozen")?)
    })
}

/// Loss at `x` [n], a mean over the used pixels of `images` [n_images], which are numbers of images of the dataset, each
/// at most once. NULL with n_images 0: all that are not excluded. Images named are evaluated even if excluded.
///
/// `gradient` [n] gets the derivatives of the loss with respect to x; NULL saves their computation. `image_losses`
/// [n_images] gets the loss of each image by itself; it may be NULL. Where `images` is NULL it needs room for every image
/// of the dataset that is not excluded; name the images while other threads append or exclude tilts.
///
/// AET_ERROR_STALE_PARAMETERS for another n than aet_recon_parameter_count, AET_ERROR_NON_FINITE (in x, or where x gives
/// an infinite loss), AET_ERROR_RANGE (image numbers), AET_ERROR_INCONSISTENT (an image named twice),
/// AET_ERROR_NOT_READY (no images), AET_CANCELLED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_loss_and_gradient(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    loss: *mut f64,
    gradient: *mut f64,
    image_losses: *mut f64,
) -> aet_status {
    guard("aet_recon_loss_and_gradient", |host| {
        let recon = host.object(recon, "recon")?;
        let loss = host.out(loss, "loss")?;
        let x = host.slice(x, n, "x")?;
        let gradient = host.optional_out_slice(gradient, n, "gradient")?;
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        let image_losses = host.optional_out_slice(image_losses, images.len() as i64, "image_losses")?;
        let want = Want { gradient: gradient.is_some(), r_factors: false };
        let evaluation = recon.evaluate(x, Some(&images), want)?;
        loss.set(evaluation.loss);
        let set = |place: Option<OutSlice<'_, f64>>, values: &[f64]| place.map_or(Ok(()), |place| place.set(values));
        set(gradient, &evaluation.gradient)?;
        set(image_losses, &evaluation.image_losses)?;
        recon.recycle(evaluation);
        Ok(())
    })
}

/// Calculates `images` [n_images] at `x` [n] into `out` [n_images,rows,columns], any real element type that holds them.
/// NULL with n_images 0: all that are not excluded. The images are written one by one: after AET_CANCELLED some may be
/// there. Errors as for aet_recon_loss_and_gradient, and AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_predict(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_recon_predict", |host| {
        let recon = host.object(recon, "recon")?;
        let x = host.slice(x, n, "x")?;
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        let mut out = host.out_view(out, "out")?;
        let (rows, columns) = recon.image_shape();
        out.expect_shape(&[images.len(), rows, columns])?;
        out.expect_holds::<f64>()?;
        recon.predict_each(x, &images, &mut |place, pixels| {
            let image = ArrayView2::from_shape((rows, columns), pixels).map_err(|e| Error::Internal(e.to_string()))?;
            out.part(place)?.write(&image)
        })
    })
}

/// Gradient with respect to x of a loss of the host: J^T r at `x` [n], where `residuals` [n_images,rows,columns] are the
/// derivatives r of that loss with respect to the calculated images and J those of the images with respect to x. It is
/// the exact adjoint of the derivative of aet_recon_predict. `gradient` has n values. Images and errors as for
/// aet_recon_loss_and_gradient, and AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_pull_back(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    residuals: *const aet_const_view,
    gradient: *mut f64,
) -> aet_status {
    guard("aet_recon_pull_back", |host| {
        let recon = host.object(recon, "recon")?;
        let x = host.slice(x, n, "x")?;
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        let gradient = host.out_slice(gradient, n, "gradient")?;
        let (rows, columns) = recon.image_shape();
        let residuals = read_all(&host.view(residuals, "residuals")?, &[images.len(), rows, columns])?;
        gradient.set(&recon.pull_back(x, Some(&images), &residuals)?)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{const_view, message, view, Scene};
    use super::super::*;
    use super::*;
    use std::ffi::CStr;
    use std::ptr;

    /// Loss and gradient over all images or some.
    fn evaluate(scene: &Scene, x: &[f64], images: Option<&[i64]>) -> (aet_status, f64, Vec<f64>, Vec<f64>) {
        let (mut loss, mut gradient) = (f64::NAN, vec![f64::NAN; x.len()]);
        let mut each = vec![f64::NAN; images.map_or(6, <[i64]>::len)];
        let (data, count) = images.map_or((ptr::null(), 0), |images| (images.as_ptr(), images.len() as i64));
        // SAFETY: a handle and locals of the sizes told.
        let status = unsafe {
            aet_recon_loss_and_gradient(
                scene.recon,
                x.len() as i64,
                x.as_ptr(),
                data,
                count,
                &raw mut loss,
                gradient.as_mut_ptr(),
                each.as_mut_ptr(),
            )
        };
        (status, loss, gradient, each)
    }

    fn block(scene: &Scene, index: i64) -> aet_block {
        let mut block = aet_block::defaults();
        // SAFETY: a handle and a local.
        assert_eq!(unsafe { aet_recon_parameter_layout(scene.recon, index, &raw mut block) } as i32, 0);
        block
    }

    fn text(chars: &[c_char]) -> &str {
        // SAFETY: closed by NUL.
        unsafe { CStr::from_ptr(chars.as_ptr()) }.to_str().unwrap()
    }

    #[test]
    fn the_layout_is_told() {
        let scene = Scene::small(aet_lot_model::Rigid);
        // SAFETY: a handle.
        let count = unsafe { aet_recon_block_count(scene.recon) };
        let blocks: Vec<aet_block> = (0..count).map(|i| block(&scene, i)).collect();
        let names: Vec<&str> = blocks.iter().map(|b| text(&b.name)).collect();
        let of_images =
            ["positions", "heights", "widths", "drift", "depth_offset", "defocus", "angles", "scale", "background"];
        let of_probes = ["astigmatism", "coma", "spherical", "blur", "broadening", "attenuation", "probe"];
        assert_eq!(names, [&of_images[..], &of_probes[..]].concat());
        assert_eq!((text(&blocks[0].unit), text(&blocks[2].unit), text(&blocks[6].unit)), ("A", "A^2", "deg"));
        assert_eq!((blocks[0].ndim, &blocks[0].shape[..3], blocks[0].size), (2, &[12, 3, 1][..], 36));
        let offsets: Vec<i64> = blocks.iter().map(|b| b.offset).collect();
        assert_eq!(offsets, [0, 36, 48, -1, -1, -1, -1, -1, 50, -1, -1, -1, -1, -1, -1, -1]);
        assert!(blocks.iter().all(|b| (b.frozen == 1) == (b.offset == -1) && b.dtype == 1 && b.scale > 0.0));
        assert!(blocks[2].lower > 0.0 && blocks[2].upper < f64::INFINITY);
        assert_eq!(scene.parameters().len(), 56);
        let mut block = aet_block::defaults();
        // SAFETY: a handle and a local.
        let status = unsafe { aet_recon_parameter_layout(scene.recon, 16, &raw mut block) };
        assert_eq!((status as i32, message().contains("index is 16, wanted 0 to 15")), (103, true));
    }

    #[test]
    fn parameters_go_out_and_in() {
        let scene = Scene::small(aet_lot_model::Direct);
        let mut x = scene.parameters();
        x[0] += 0.25;
        let n = x.len() as i64;
        // SAFETY: a handle and locals of the sizes told.
        unsafe {
            assert_eq!(aet_recon_set_parameters(scene.recon, n, x.as_ptr()) as i32, 0);
            assert_eq!(scene.parameters(), x);
            assert_eq!(aet_recon_set_parameters(scene.recon, n - 1, x.as_ptr()) as i32, 108);
            assert!(message().contains(&format!("has {} values", n - 1)), "{}", message());
            assert_eq!(aet_recon_get_parameters(scene.recon, n - 1, x.as_mut_ptr()) as i32, 108);
            x[3] = f64::INFINITY;
            assert_eq!(aet_recon_set_parameters(scene.recon, n, x.as_ptr()) as i32, 300);
            assert_eq!(aet_recon_set_parameters(scene.recon, n, ptr::null()) as i32, 100);
            assert_eq!(aet_recon_parameter_count(ptr::null()), 0);
        }
    }

    #[test]
    fn blocks_go_out_and_in() {
        let scene = Scene::small(aet_lot_model::Direct);
        let x = scene.parameters();
        let recon = scene.recon;
        let mut values = [0.0_f32; 36];
        // Column-major singles.
        let mut raw = view(&mut [0.0; 36], &[12, 3]);
        (raw.data, raw.dtype) = (values.as_mut_ptr().cast(), aet_dtype::F32 as i32);
        (raw.strides[0], raw.strides[1]) = (1, 12);
        // SAFETY: a handle, strings, and views of locals.
        unsafe {
            assert_eq!(aet_recon_get_block(recon, c"positions".as_ptr(), &raw) as i32, 0, "{}", message());
            assert_eq!((values[12], values[13]), (x[1] as f32, x[4] as f32));
            assert_eq!(aet_recon_get_block(recon, c"colours".as_ptr(), &raw) as i32, 104);
            assert!(message().contains("known are positions, heights, widths, drift"), "{}", message());
            assert_eq!(aet_recon_get_block(recon, c"heights".as_ptr(), &raw) as i32, 101);

            let shifts: Vec<f64> = (0..12).map(f64::from).collect();
            let shifts_view = const_view(&shifts, &[6, 2]);
            assert_eq!(aet_recon_set_block(recon, c"drift".as_ptr(), &shifts_view) as i32, 0, "{}", message());
            let mut back = [0.0; 12];
            assert_eq!(aet_recon_get_block(recon, c"drift".as_ptr(), &view(&mut back, &[6, 2])) as i32, 0);
            assert_eq!(back[..], shifts[..]);
            let flat = const_view(&shifts, &[12]);
            assert_eq!(aet_recon_set_block(recon, c"drift".as_ptr(), &flat) as i32, 101);
            let too_small = const_view(&[1e-9, 1e-9], &[2]);
            assert_eq!(aet_recon_set_block(recon, c"widths".as_ptr(), &too_small) as i32, 103);
            let nan = const_view(&[1.0, f64::NAN], &[2]);
            assert_eq!(aet_recon_set_block(recon, c"widths".as_ptr(), &nan) as i32, 300);
        }
    }

    #[test]
    fn freezing_makes_old_parameters_stale() {
        let scene = Scene::small(aet_lot_model::Direct);
        let x = scene.parameters();
        // SAFETY: a handle and strings.
        unsafe {
            let before = aet_recon_generation(scene.recon);
            assert_eq!(aet_recon_freeze(scene.recon, c"widths".as_ptr(), 1) as i32, 0);
            assert_eq!(aet_recon_generation(scene.recon), before + 1);
            let (status, loss, gradient, _) = evaluate(&scene, &x, None);
            assert_eq!(status, aet_status::AET_ERROR_STALE_PARAMETERS);
            assert!(loss.is_nan() && gradient.iter().all(|g| g.is_nan()), "nothing was written");
            assert_eq!(block(&scene, 2).offset, -1);
            assert_eq!(aet_recon_freeze(scene.recon, c"defocus".as_ptr(), 0) as i32, 107);
            assert_eq!(aet_recon_freeze(scene.recon, c"widths".as_ptr(), 2) as i32, 103);
            assert_eq!(aet_recon_freeze(scene.recon, c"shapes".as_ptr(), 0) as i32, 104);
        }
        assert_eq!(evaluate(&scene, &scene.parameters(), None).0, aet_status::AET_OK);
    }

    #[test]
    fn loss_and_gradient_over_subsets() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let x = scene.parameters();
        let (status, loss, gradient, each) = evaluate(&scene, &x, None);
        assert_eq!(status, aet_status::AET_OK, "{}", message());
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|g| *g != 0.0));
        // All images have as many pixels: the loss is the mean of theirs.
        assert!((each.iter().sum::<f64>() / 6.0 / loss - 1.0).abs() < 1e-12);
        let (_, some, _, two) = evaluate(&scene, &x, Some(&[4, 1]));
        assert_eq!(two, [each[4], each[1]]);
        assert!((0.5 * (two[0] + two[1]) / some - 1.0).abs() < 1e-12);
        let mut only = 0.0;
        let n = x.len() as i64;
        let null = ptr::null_mut();
        // SAFETY: a handle and locals; NULL where allowed.
        let status = unsafe {
            aet_recon_loss_and_gradient(scene.recon, n, x.as_ptr(), ptr::null(), 0, &raw mut only, null, null)
        };
        assert_eq!((status as i32, only), (0, loss));

        assert_eq!(evaluate(&scene, &x, Some(&[6])).0 as i32, 103);
        assert!(message().contains("images is 6, wanted 0 to 5"), "{}", message());
        assert_eq!(evaluate(&scene, &x, Some(&[-1])).0 as i32, 103);
        assert_eq!(evaluate(&scene, &x, Some(&[1, 1])).0 as i32, 302);
        assert_eq!(evaluate(&scene, &x, Some(&[])).0 as i32, 103);
        let mut bad = x.clone();
        bad[7] = f64::NAN;
        let (status, loss, ..) = evaluate(&scene, &bad, None);
        assert_eq!((status as i32, loss.is_nan()), (300, true));
        assert!(message().contains("index 7"), "{}", message());
        assert_eq!(evaluate(&scene, &x[1..], None).0 as i32, 108);
    }

    #[test]
    fn images_out_and_residuals_back() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let (x, shape, images) = (scene.parameters(), [2, 41, 38], [5_i64, 2]);
        let n = x.len() as i64;
        let mut calculated = vec![0.0; 2 * 41 * 38];
        let raw = view(&mut calculated, &shape);
        let (_, _, gradient, _) = evaluate(&scene, &x, Some(&images));
        // SAFETY: a handle, and views and arrays of the sizes told.
        unsafe {
            let predict = |raw: &aet_view| aet_recon_predict(scene.recon, n, x.as_ptr(), images.as_ptr(), 2, raw);
            assert_eq!(predict(&raw) as i32, 0, "{}", message());
            assert_eq!(predict(&aet_view { ndim: 2, ..raw }) as i32, 101);
            assert_eq!(predict(&aet_view { dtype: aet_dtype::C64 as i32, ..raw }) as i32, 102);
            // The residual of the mean square loss leads to its gradient.
            let version = scene.series.version();
            let observed = images.iter().flat_map(|i| version.images()[*i as usize].pixels.iter());
            let pixels = calculated.len() as f64;
            let residuals: Vec<f64> =
                calculated.iter().zip(observed).map(|(c, o)| (c - f64::from(*o)) / pixels).collect();
            let mut back = vec![0.0; x.len()];
            let raw = const_view(&residuals, &shape);
            let pull = |raw: &aet_const_view, back: &mut [f64]| {
                aet_recon_pull_back(scene.recon, n, x.as_ptr(), images.as_ptr(), 2, raw, back.as_mut_ptr())
            };
            assert_eq!(pull(&raw, &mut back) as i32, 0, "{}", message());
            let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            let worst = gradient.iter().zip(&back).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst < 1e-5 * largest, "{worst} of {largest}");
            assert_eq!(pull(&aet_const_view { ndim: 1, ..raw }, &mut back) as i32, 101);
            let mut bytes = 0;
            assert_eq!(aet_recon_memory_estimate(scene.recon, &raw mut bytes) as i32, 0);
            assert!(bytes > 10_000);
        }
    }
}
