//! Small problems behind handles, shared by the unit tests of reconstructions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../tests/common/mod.rs"]
pub(super) mod common;

use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::options::CStruct;
use super::status::aet_status;
use super::*;
use crate::context::Context;
use crate::dataset::TiltSeries;
use std::ffi::{c_void, CStr};
use std::ptr;
use std::sync::Arc;

/// A handle of an object.
pub(super) fn handle<H: Handle>(object: impl Into<Arc<H::Object>>) -> *mut H {
    let (mut handle, object) = (ptr::null_mut(), object.into());
    // SAFETY: a local.
    let status = unsafe {
        guard("aet_test", |host| {
            host.new_handle(&raw mut handle, "handle")?.set(object);
            Ok(())
        })
    };
    assert_eq!(status, aet_status::AET_OK);
    handle
}

pub(super) fn free<H: Handle>(handle: *mut H) {
    // SAFETY: a handle, live or freed.
    unsafe { guard_value((), |host| host.free(handle)) }
}

/// The text of the last failure on this thread.
pub(super) fn message() -> String {
    // SAFETY: the text of this thread is closed by NUL.
    unsafe { CStr::from_ptr(aet_last_error_message()) }.to_str().unwrap().to_string()
}

/// Passes progress on to the closure behind `user`.
pub(super) unsafe extern "C" fn observe(user: *mut c_void, progress: *const aet_progress) -> i32 {
    let closure = &mut *user.cast::<&mut dyn FnMut(&aet_progress) -> i32>();
    closure(&*progress)
}

/// Everything that a reconstruction is made of, and one.
pub(super) struct Scene {
    pub inner: Context,
    pub series: TiltSeries,
    pub context: *mut aet_context,
    pub dataset: *mut aet_dataset,
    pub probe: *mut aet_probe,
    pub start: *mut aet_atoms,
    pub recon: *mut aet_recon,
}

// SAFETY: handles may be used by any thread.
unsafe impl Send for Scene {}
// SAFETY: as above.
unsafe impl Sync for Scene {}

impl Scene {
    /// Inputs without a reconstruction.
    pub(super) fn inputs(series: TiltSeries, start: crate::specimen::Atoms) -> Self {
        let inner = common::context(2);
        Scene {
            context: handle(inner.clone()),
            dataset: handle(Dataset { context: inner.clone(), series: series.clone() }),
            probe: handle(common::probe()),
            start: handle(start),
            recon: ptr::null_mut(),
            inner,
            series,
        }
    }

    /// 3 tilts of 2 foci, 41 x 38 pixels, 12 atoms.
    pub(super) fn small(model: aet_lot_model) -> Self {
        let mut scene = Self::inputs(common::series(3, 2, 41, 38), common::moved(&common::atoms(), 0.3));
        let options = aet_lot_options { model: model as i32, width_start: 0.6, ..aet_lot_options::defaults() };
        assert_eq!(scene.create(&options), aet_status::AET_OK, "{}", message());
        scene
    }

    pub(super) fn create(&mut self, options: &aet_lot_options) -> aet_status {
        let Scene { context, dataset, probe, start, .. } = *self;
        // SAFETY: handles and locals.
        unsafe { aet_recon_create_lot(context, dataset, probe, start, options, &raw mut self.recon) }
    }

    pub(super) fn parameters(&self) -> Vec<f64> {
        // SAFETY: handles and locals.
        unsafe {
            let n = aet_recon_parameter_count(self.recon);
            let mut x = vec![0.0; n as usize];
            assert_eq!(aet_recon_get_parameters(self.recon, n, x.as_mut_ptr()), aet_status::AET_OK);
            x
        }
    }

    /// The handle, for closures on other threads, which would capture the bare pointer.
    pub(super) fn recon(&self) -> *const aet_recon {
        self.recon
    }

    /// Loss over all images.
    pub(super) fn loss(&self, x: &[f64]) -> f64 {
        let (mut loss, n, null) = (f64::NAN, x.len() as i64, ptr::null_mut());
        // SAFETY: a handle and locals of the sizes told.
        let status = unsafe {
            aet_recon_loss_and_gradient(self.recon, n, x.as_ptr(), ptr::null(), 0, &raw mut loss, null, null)
        };
        assert_eq!(status, aet_status::AET_OK, "{}", message());
        loss
    }

    /// A run of so many iterations that nothing else ends.
    pub(super) fn run(&self, iterations: i32, progress: &mut dyn FnMut(&aet_progress) -> i32) -> aet_status {
        let never = 1e-300;
        let options = aet_run_options {
            max_iterations: iterations,
            loss_tolerance: never,
            gradient_tolerance: never,
            ..aet_run_options::defaults()
        };
        let mut closure = progress;
        // SAFETY: handles, and locals that outlive the call.
        unsafe { aet_recon_run(self.recon, &options, Some(observe), (&raw mut closure).cast()) }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        free(self.recon);
        free(self.start);
        free(self.probe);
        free(self.dataset);
        free(self.context);
    }
}

/// A row-major view of doubles.
pub(super) fn view(data: &mut [f64], shape: &[usize]) -> aet_view {
    let mut view = aet_view {
        data: data.as_mut_ptr().cast(),
        dtype: aet_dtype::F64 as i32,
        ndim: shape.len() as i32,
        device: 0,
        reserved: 0,
        shape: [1; 8],
        strides: [1; 8],
    };
    for axis in (0..shape.len()).rev() {
        view.shape[axis] = shape[axis] as i64;
        view.strides[axis] = shape[axis + 1..].iter().product::<usize>() as i64;
    }
    assert_eq!(data.len(), shape.iter().product::<usize>());
    view
}

/// The same for reading.
pub(super) fn const_view(data: &[f64], shape: &[usize]) -> aet_const_view {
    let mut copy = data.to_vec();
    let aet_view { dtype, ndim, device, reserved, shape, strides, .. } = view(&mut copy, shape);
    aet_const_view { data: data.as_ptr().cast(), dtype, ndim, device, reserved, shape, strides }
}
