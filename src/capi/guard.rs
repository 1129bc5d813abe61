//! The one way in: every exported function runs its body through `guard`, `guard_value` or `guard_plain`.
//!
//! The guard catches panics, computes under IEEE 754 defaults, keeps the handles of the call alive, writes the error
//! text and delivers the log. The body sees the host only through the `Host` token.

use super::handle::Held;
use super::status::aet_status;
use super::{log, message, panics};
use crate::simd::float_state::FloatState;
use crate::{Error, Result};
use std::cell::{Cell, RefCell};
use std::ptr;

/// Handles that one call can name: more than any function has arguments.
const MOST_HANDLES: usize = 12;

/// What the body of a call knows of its host; the door for every pointer argument. Everything read through it lives as
/// long as the call: references cannot outlast the host's promise, and handles freed meanwhile stay until its end.
pub(super) struct Host {
    float: FloatState,
    /// Inline storage: taking a handle allocates nothing, so a signal handler may.
    held: RefCell<[Option<Held>; MOST_HANDLES]>,
    count: Cell<usize>,
}

thread_local! {
    /// The innermost call at work on this thread, for callbacks that an object keeps: they come without a `Host`.
    static AT_WORK: Cell<*const Host> = const { Cell::new(ptr::null()) };
}

/// As [`Host::call_back`], for the call at work on this thread.
pub(super) fn call_back<R>(callback: impl FnOnce() -> R) -> R {
    let host = AT_WORK.get();
    match host.is_null() {
        true => callback(),
        // SAFETY: `working` took the pointer from a reference that outlives the body, which is what called this.
        false => unsafe { &*host }.call_back(callback),
    }
}

impl Host {
    /// Runs the body of a call with this as the call at work.
    fn working<R>(&self, body: impl FnOnce(&Host) -> R) -> R {
        struct Outer(*const Host);
        impl Drop for Outer {
            fn drop(&mut self) {
                AT_WORK.set(self.0);
            }
        }
        let _outer = Outer(AT_WORK.replace(self));
        body(self)
    }

    fn enter() -> Self {
        Host { float: FloatState::standard(), held: RefCell::new([const { None }; MOST_HANDLES]), count: Cell::new(0) }
    }

    /// Keeps a handle until the end of the call.
    pub(super) fn keep(&self, held: Held) -> Result<()> {
        let place = self.count.replace(self.count.get() + 1);
        match self.held.borrow_mut().get_mut(place) {
            Some(free) => *free = Some(held),
            None => return Err(Error::Internal(format!("a call names more than {MOST_HANDLES} handles"))),
        }
        Ok(())
    }

    /// Runs a callback of the host under the host's own floating-point state. No lock may be held.
    pub(super) fn call_back<R>(&self, callback: impl FnOnce() -> R) -> R {
        self.float.suspended(callback)
    }

    /// After a panic: the objects that the call worked on are in an unknown state.
    fn poison(&self) {
        for held in self.held.borrow().iter().flatten() {
            held.poison();
        }
    }

    /// Lets the handles go; a destructor that panics is caught like any other code.
    fn leave(self) {
        let Host { float, held, .. } = self;
        let released = panics::caught(|| drop(held));
        if let Err(text) = released {
            crate::context::log::error(format_args!("a destructor failed: {text}"));
        }
        drop(float);
    }
}

/// Runs the body of a function that can fail: `()` becomes AET_OK, an outcome itself, an error its code and text.
///
/// # Safety
/// Every pointer that the body hands to `host` must come from the caller of `function`, who promises in the header that
/// it is NULL or valid for what the documentation of the argument says, until the call returns.
pub(super) unsafe fn guard<T: Into<aet_status>>(
    function: &'static str,
    body: impl FnOnce(&Host) -> Result<T>,
) -> aet_status {
    let host = Host::enter();
    let result = panics::caught(|| host.working(body)).unwrap_or_else(|text| {
        host.poison();
        Err(Error::Internal(text))
    });
    let status = match result {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            message::set(function, &error);
            aet_status::from(&error)
        }
    };
    host.leave();
    log::deliver();
    status
}

/// Runs the body of a function that cannot report failure, a getter or a `_free`: `neutral` stands in for an error or a
/// panic. The error text stays untouched, no log is delivered and nothing waits: it may be used in a signal handler.
///
/// # Safety
/// As for `guard`.
pub(super) unsafe fn guard_value<V: Copy>(neutral: V, body: impl FnOnce(&Host) -> Result<V>) -> V {
    let host = Host::enter();
    let value = panics::caught(|| body(&host)).unwrap_or(Ok(neutral)).unwrap_or(neutral);
    host.leave();
    value
}

/// Runs the body of a function without pointer arguments that cannot fail.
pub(super) fn guard_plain<V: Copy>(neutral: V, body: impl FnOnce() -> V) -> V {
    panics::caught(body).unwrap_or(neutral)
}

/// Gives a test what the body of a call gets.
#[cfg(test)]
pub(super) fn with_host<R>(test: impl FnOnce(&Host) -> R) -> R {
    let host = Host::enter();
    let result = test(&host);
    host.leave();
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::super::message::aet_last_error_message;
    use super::*;
    use std::ffi::CStr;

    fn message() -> String {
        // SAFETY: the text of this thread is closed by NUL.
        unsafe { CStr::from_ptr(aet_last_error_message()) }.to_str().unwrap().to_string()
    }

    fn call<T: Into<aet_status>>(body: impl FnOnce(&Host) -> Result<T>) -> aet_status {
        // SAFETY: no pointers are read.
        unsafe { guard("aet_test", body) }
    }

    #[test]
    fn results_become_codes_and_text() {
        assert_eq!(call(|_| Ok(())), aet_status::AET_OK);
        assert_eq!(message(), "");
        assert_eq!(call(|_| Ok(aet_status::AET_CONVERGED)), aet_status::AET_CONVERGED);
        let failed = call(|_| -> Result<()> { Err(Error::range("pixel_size", -1, "a positive number (angstrom)")) });
        assert_eq!(failed, aet_status::AET_ERROR_RANGE);
        assert_eq!(message(), "aet_test: pixel_size is -1, wanted a positive number (angstrom)");
        assert_eq!(call(|_| Ok(())), aet_status::AET_OK);
        assert!(message().contains("pixel_size"), "success leaves the text");
    }

    #[test]
    fn panics_become_internal_errors() {
        let failed = call(|_| -> Result<()> { panic!("index {} out of bounds", 7) });
        assert_eq!(failed as i32, 900);
        let text = message();
        assert!(text.starts_with("aet_test: internal error: index 7 out of bounds"), "{text}");
        // SAFETY: no pointers are read.
        let value = unsafe { guard_value(-1, |_| -> Result<i32> { panic!("defect") }) };
        assert_eq!((value, message()), (-1, text));
        assert_eq!(guard_plain(5, || panic!("defect")), 5);
    }

    #[test]
    fn a_panic_in_a_destructor_is_caught() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        let status = call(|_| {
            let _bad = Bad;
            Ok(())
        });
        assert_eq!(status as i32, 900);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn flush_to_zero_of_the_host_is_not_seen_and_comes_back() {
        use crate::simd::float_state::control;
        const FLUSH: u32 = 0x8040;
        let before = control::read();
        control::write(before | FLUSH);
        let mut inside = 0;
        let mut in_callback = 0;
        let mut in_kept_callback = 0;
        let status = call(|host| -> Result<()> {
            inside = control::read();
            in_callback = host.call_back(control::read);
            in_kept_callback = call_back(|| {
                call(|_| Ok(())); // a call from within a callback
                control::read()
            });
            assert_eq!(control::read(), inside);
            panic!("also after a panic");
        });
        let after = control::read();
        control::write(before);
        assert_eq!(status as i32, 900);
        assert_eq!((inside & FLUSH, in_callback & FLUSH, after), (0, FLUSH, before | FLUSH));
        assert_eq!((in_kept_callback & FLUSH, AT_WORK.get().is_null()), (FLUSH, true));
    }
}
