//! Terms of the host in the loss of a reconstruction

use super::guard::{call_back, guard};
use super::recon::aet_recon;
use super::status::aet_status;
use super::view::{aet_const_view, aet_dtype, aet_view};
use crate::problem::Block;
use crate::reconstruct::{Projection, TermFunction};
use crate::{Error, Result};
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

/// A differentiable function of one block of parameters, a term of the loss: gets its `values` (AET_DTYPE_F64, the shape
/// of the block) and writes its loss to `*loss` and its derivatives by the values into `gradient` (the same shape, all 0
/// before the call), which is NULL where no derivatives are wanted. Views and memory are valid only during the call.
/// Returns 0; another value ends the call of the library with AET_ERROR_CALLBACK, as a loss or derivative that is not
/// finite does.
///
/// Only ever called on the thread that called the library, with no lock held; evaluations on several threads call it on
/// all of them at once. It may use the library, but not change the reconstruction (AET_ERROR_BUSY), and must return
/// normally: no longjmp, no exception through the library.
pub type aet_term_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        values: *const aet_const_view,
        loss: *mut f64,
        gradient: *const aet_view,
    ) -> i32,
>;

/// Moves the free parameters `x` [n] (AET_DTYPE_F64) in place to where they are allowed to be. Returns 0; another value,
/// or a parameter that is not finite, ends the call of the library with AET_ERROR_CALLBACK and the state before the step
/// kept. Calls as for aet_term_fn, only from aet_recon_step and aet_recon_run.
pub type aet_projection_fn = Option<unsafe extern "C" fn(user: *mut c_void, x: *const aet_view) -> i32>;

/// A function of the host with its data.
struct Kept<F> {
    function: F,
    user: *mut c_void,
}

// SAFETY: the host promises that the function may be called with `user` on every thread that evaluates.
unsafe impl<F: Send> Send for Kept<F> {}
// SAFETY: as above.
unsafe impl<F: Sync> Sync for Kept<F> {}

/// A row-major view of doubles.
fn view_of(data: *mut f64, shape: &[usize]) -> aet_view {
    let mut view = aet_view {
        data: data.cast(),
        dtype: aet_dtype::F64 as i32,
        ndim: shape.len() as i32,
        device: 0,
        reserved: 0,
        shape: [1; 8],
        strides: [1; 8],
    };
    let mut stride = 1;
    let places = view.shape.iter_mut().zip(&mut view.strides).take(shape.len()).rev();
    for ((extent, step), &size) in places.zip(shape.iter().rev()) {
        (*extent, *step) = (size as i64, stride);
        stride *= size as i64;
    }
    view
}

type TermPointer = unsafe extern "C" fn(*mut c_void, *const aet_const_view, *mut f64, *const aet_view) -> i32;

impl Kept<TermPointer> {
    fn evaluate(&self, block: &Block, values: &[f64], gradient: Option<&mut [f64]>) -> Result<f64> {
        let aet_view { data, dtype, ndim, device, reserved, shape, strides } =
            view_of(values.as_ptr().cast_mut(), &block.shape);
        let values = aet_const_view { data: data.cast_const(), dtype, ndim, device, reserved, shape, strides };
        let gradient = gradient.map(|gradient| view_of(gradient.as_mut_ptr(), &block.shape));
        let to_gradient = gradient.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut loss = f64::NAN;
        // SAFETY: the host promises a function that takes these arguments and returns normally; views and memory live
        // until it does.
        let status = call_back(|| unsafe { (self.function)(self.user, &values, &raw mut loss, to_gradient) });
        succeeded(status, || format!("the term on block {}", block.name))?;
        Ok(loss)
    }
}

type ProjectionPointer = unsafe extern "C" fn(*mut c_void, *const aet_view) -> i32;

impl Kept<ProjectionPointer> {
    fn project(&self, x: &mut [f64]) -> Result<()> {
        let view = view_of(x.as_mut_ptr(), &[x.len()]);
        // SAFETY: as in `Kept::evaluate`.
        let status = call_back(|| unsafe { (self.function)(self.user, &view) });
        succeeded(status, || "the projection".into())
    }
}

fn succeeded(status: i32, what: impl FnOnce() -> String) -> Result<()> {
    match status {
        0 => Ok(()),
        _ => Err(Error::Callback { what: what(), why: format!("it returned {status}, wanted 0") }),
    }
}

/// Adds `weight` times a function of the host of one block, frozen or not, to the loss: aet_recon_loss_and_gradient,
/// aet_recon_step and aet_recon_run minimise and return the sum. Over a subset of the images the term counts in full,
/// and losses of single images are without it. Gauss-Newton products, predictions and error estimates know nothing of
/// it. The optimiser starts afresh.
///
/// `user` is handed to `fn` and must stay valid until aet_recon_clear_terms or aet_recon_free has returned and no call
/// on the reconstruction is at work. Functions are not saved: add them again after aet_recon_load, which then starts the
/// optimiser afresh.
///
/// AET_ERROR_NULL (fn), AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_RANGE for a weight that is not finite;
/// AET_ERROR_BUSY while another call changes the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_add_term(
    recon: *mut aet_recon,
    block: *const c_char,
    weight: f64,
    r#fn: aet_term_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_recon_add_term", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        let name = host.text(block, "block")?;
        let function: TermPointer = r#fn.ok_or(Error::Null { argument: "fn", wanted: "a function" })?;
        let kept = Kept { function, user };
        let term: Arc<TermFunction> = Arc::new(move |block, values, gradient| kept.evaluate(block, values, gradient));
        recon.add_term(&name, weight, term)
    })
}

/// Sets the function that moves the free parameters after every iteration of aet_recon_step and aet_recon_run: the step
/// of the optimiser, then the projection, then, where it moved anything, the loss again; that state is published.
/// Parameters are also kept within the bounds of their blocks. NULL: no projection. Everything else as for
/// aet_recon_add_term.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_set_projection(
    recon: *mut aet_recon,
    r#fn: aet_projection_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_recon_set_projection", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        let projection = r#fn.map(|function| {
            let kept: Kept<ProjectionPointer> = Kept { function, user };
            let projection: Arc<Projection> = Arc::new(move |x| kept.project(x));
            projection
        });
        recon.set_projection(projection)
    })
}

/// Takes all terms and the projection away; the optimiser starts afresh. AET_ERROR_BUSY while another call changes the
/// reconstruction; evaluations at work on other threads may still call a term until they return.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_clear_terms(recon: *mut aet_recon) -> aet_status {
    guard("aet_recon_clear_terms", |host| host.object_exclusive(recon, "recon")?.clear_terms())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{free, message, Scene};
    use super::super::*;
    use super::*;
    use std::cell::Cell;
    use std::slice;
    use std::thread::{self, ThreadId};

    /// 1/2 sum (value - 2)^2, and what goes wrong in it.
    struct Pull {
        answer: Cell<i32>,
        factor: Cell<f64>,
        calls: Cell<usize>,
        thread: ThreadId,
        /// A reconstruction that is being driven.
        busy: Cell<*mut aet_recon>,
    }

    impl Pull {
        fn new() -> Self {
            let (answer, factor, calls) = (0.into(), 1.0.into(), 0.into());
            Pull { answer, factor, calls, thread: thread::current().id(), busy: Cell::new(ptr::null_mut()) }
        }

        fn set(&self, answer: i32, factor: f64) {
            self.answer.set(answer);
            self.factor.set(factor);
        }

        fn add(&self, scene: &Scene, weight: f64) -> i32 {
            let user = ptr::from_ref(self).cast_mut().cast();
            // SAFETY: a handle, a string, and data that outlive the calls made with them.
            unsafe { aet_recon_add_term(scene.recon, c"heights".as_ptr(), weight, Some(pull), user) as i32 }
        }
    }

    unsafe extern "C" fn pull(
        user: *mut c_void,
        values: *const aet_const_view,
        loss: *mut f64,
        gradient: *const aet_view,
    ) -> i32 {
        let (user, values) = (&*user.cast::<Pull>(), &*values);
        assert_eq!((values.ndim, values.shape[0], values.strides[0], values.dtype), (1, 12, 1, 1));
        assert_eq!(thread::current().id(), user.thread);
        user.calls.set(user.calls.get() + 1);
        if !user.busy.get().is_null() {
            assert_eq!(aet_recon_clear_terms(user.busy.get()), aet_status::AET_ERROR_BUSY);
        }
        let (values, factor) = (slice::from_raw_parts(values.data.cast::<f64>(), 12), user.factor.get());
        *loss = factor * values.iter().map(|v| 0.5 * (v - 2.0).powi(2)).sum::<f64>();
        if let Some(gradient) = gradient.as_ref() {
            let gradient = slice::from_raw_parts_mut(gradient.data.cast::<f64>(), 12);
            gradient.iter_mut().zip(values).for_each(|(g, v)| *g = factor * (v - 2.0));
        }
        user.answer.get()
    }

    #[test]
    fn terms_enter_loss_gradient_and_runs() {
        let scene = Scene::small(aet_lot_model::Direct);
        let x = scene.parameters();
        let plain = scene.loss(&x);
        let user = Pull::new();
        assert_eq!(user.add(&scene, 1e3), 0, "{}", message());
        let own: f64 = x[36..48].iter().map(|v| 0.5 * (v - 2.0).powi(2)).sum();
        assert!((scene.loss(&x) - plain - 1e3 * own).abs() < 1e-9 * 1e3 * own);
        user.busy.set(scene.recon);
        assert_eq!(scene.run(40, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
        assert!(user.calls.get() > 40);
        let pulled = scene.parameters();
        assert!(pulled[36..48].iter().all(|v| (v - 2.0).abs() < 0.05), "{:?}", &pulled[36..48]);
        // SAFETY: a handle.
        assert_eq!(unsafe { aet_recon_clear_terms(scene.recon) } as i32, 0);
        assert_eq!(scene.loss(&x), plain);
    }

    #[test]
    fn a_failing_term_ends_the_call_and_nothing_is_lost() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let x = scene.parameters();
        let user = Pull::new();
        assert_eq!(user.add(&scene, 1.0), 0);
        let before = scene.loss(&x);
        for (answer, factor, text) in [(7, 1.0, "it returned 7"), (0, f64::NAN, "its loss is NaN")] {
            user.set(answer, factor);
            let mut loss = -1.0;
            let (n, null) = (x.len() as i64, ptr::null_mut());
            // SAFETY: a handle and locals of the sizes told.
            let status = unsafe {
                aet_recon_loss_and_gradient(scene.recon, n, x.as_ptr(), ptr::null(), 0, &raw mut loss, null, null)
            };
            assert_eq!((status as i32, loss), (204, -1.0));
            assert!(message().contains(text) && message().contains("term on block heights"), "{}", message());
            assert_eq!(scene.run(3, &mut |_| 0) as i32, 204);
            assert_eq!(scene.parameters(), x);
        }
        user.set(0, 1.0);
        assert_eq!(scene.loss(&x), before);
        assert_eq!(scene.run(3, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "it goes on");
    }

    unsafe extern "C" fn flatten(user: *mut c_void, x: *const aet_view) -> i32 {
        let (answer, x) = ((*user.cast::<Cell<i32>>()).get(), &*x);
        let x = slice::from_raw_parts_mut(x.data.cast::<f64>(), x.shape[0] as usize);
        let depth = if answer == 5 { f64::NAN } else { 0.25 };
        x[..36].iter_mut().skip(2).step_by(3).for_each(|z| *z = depth);
        answer % 5
    }

    #[test]
    fn a_projection_acts_after_every_step() {
        let scene = Scene::small(aet_lot_model::Direct);
        let answer = Cell::new(0_i32);
        let user = ptr::from_ref(&answer).cast_mut().cast();
        // SAFETY: a handle, and data that outlive the calls.
        unsafe {
            assert_eq!(aet_recon_set_projection(scene.recon, Some(flatten), user) as i32, 0);
            assert_eq!(scene.run(4, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
            let x = scene.parameters();
            assert!(x[..36].iter().skip(2).step_by(3).all(|z| *z == 0.25));
            let mut snapshot = ptr::null_mut();
            assert_eq!(aet_recon_snapshot(scene.recon, &raw mut snapshot) as i32, 0);
            assert_eq!(aet_snapshot_loss(snapshot), scene.loss(&x), "the loss is that of the projected state");
            free(snapshot);
            for (bad, text) in [(3, "it returned 3"), (5, "parameter 2 of x became NaN")] {
                answer.set(bad);
                assert_eq!(aet_recon_step(scene.recon, None, ptr::null_mut()) as i32, 204);
                assert!(message().contains(text), "{}", message());
                assert_eq!(scene.parameters(), x);
            }
            answer.set(0);
            assert_eq!(aet_recon_set_projection(scene.recon, None, ptr::null_mut()) as i32, 0);
            assert_eq!(scene.run(4, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
            assert_ne!(scene.parameters()[2], 0.25);
        }
    }

    #[test]
    fn bad_terms_are_refused() {
        let scene = Scene::small(aet_lot_model::Direct);
        let user = Pull::new();
        assert_eq!(user.add(&scene, f64::INFINITY), 103);
        let data = ptr::from_ref(&user).cast_mut().cast();
        // SAFETY: handles, live or NULL, strings, and data that outlive the calls.
        unsafe {
            assert_eq!(aet_recon_add_term(scene.recon, c"colours".as_ptr(), 1.0, Some(pull), data) as i32, 104);
            assert_eq!(aet_recon_add_term(scene.recon, c"heights".as_ptr(), 1.0, None, data) as i32, 100);
            assert_eq!(aet_recon_add_term(ptr::null_mut(), c"heights".as_ptr(), 1.0, Some(pull), data) as i32, 100);
            assert_eq!(aet_recon_set_projection(ptr::null_mut(), None, data) as i32, 100);
        }
    }
}
