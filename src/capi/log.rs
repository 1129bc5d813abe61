//! Log

use super::enums::{host_enum, HostEnum};
use super::guard::guard;
use super::{panics, status::aet_status};
use crate::context::log::{self, Level};
use std::cell::Cell;
use std::ffi::{c_char, c_void, CString};
use std::sync::{PoisonError, RwLock};

/// How much a log message matters; asking for one level asks for all before it, too.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_log_level {
    /// No messages: the state at the start.
    Off = 0,
    /// A defect of the library, or a result that must not be used.
    Error = 1,
    /// Something that is probably not what the user wants.
    Warning = 2,
    /// What was chosen automatically, and milestones of long calls.
    Info = 3,
    /// Details for developers.
    Debug = 4,
}

host_enum!(aet_log_level:
    Off = "AET_LOG_LEVEL_OFF",
    Error = "AET_LOG_LEVEL_ERROR",
    Warning = "AET_LOG_LEVEL_WARNING",
    Info = "AET_LOG_LEVEL_INFO",
    Debug = "AET_LOG_LEVEL_DEBUG",
);

/// Takes one log message: `level` is an aet_log_level, `message` is UTF-8 and valid only during the call.
/// It is called on a thread that is inside a call of the library, and must return normally. It may call the library.
pub type aet_log_fn = Option<unsafe extern "C" fn(user: *mut c_void, level: i32, message: *const c_char)>;

/// Where messages go.
#[derive(Clone, Copy)]
struct Sink {
    function: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    user: *mut c_void,
}

// SAFETY: `user` is only handed back to the host, who is told that this happens on any thread that calls the library.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

thread_local! {
    /// Whether this thread is handing over messages: calls made by the log function do not start again.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Sets where log messages go, for the whole process; nothing is ever printed. `level` is an aet_log_level; NULL or
/// AET_LOG_LEVEL_OFF switches the log off. Messages are delivered at the end of a call of the library, and during long
/// ones between steps, on the thread that calls. After a change, calls at work on other threads may still deliver one
/// message to the former function. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_log_set(level: i32, function: aet_log_fn, user: *mut c_void) -> aet_status {
    guard("aet_log_set", |_| {
        let level = aet_log_level::from_number(level, "level")?;
        let sink = function.filter(|_| level != aet_log_level::Off).map(|function| Sink { function, user });
        log::set_level(if sink.is_some() { to_level(level) } else { Level::Off });
        *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
        Ok(())
    })
}

fn to_level(level: aet_log_level) -> Level {
    match level {
        aet_log_level::Off => Level::Off,
        aet_log_level::Error => Level::Error,
        aet_log_level::Warning => Level::Warning,
        aet_log_level::Info => Level::Info,
        aet_log_level::Debug => Level::Debug,
    }
}

/// Hands the waiting messages to the host. No lock is held and the host's floating-point state is set.
pub(super) fn deliver() {
    if !log::enabled(Level::Error) || DELIVERING.replace(true) {
        return;
    }
    // A panic here could only come from a defect in the log itself: there is nobody left to tell.
    let _ = panics::caught(|| {
        log::drain(|level, text| {
            // Read anew for every message, since the function may have replaced itself. It is locked only while it is
            // being replaced, or for ever in the fork of a process.
            let Some(sink) = SINK.try_read().ok().and_then(|sink| *sink) else { return };
            if let Ok(text) = CString::new(text.replace('\0', " ")) {
                // SAFETY: the host promises a function that takes these arguments; `text` lives until it returns.
                unsafe { (sink.function)(sink.user, level as i32, text.as_ptr()) };
            }
        });
    });
    DELIVERING.set(false);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::guard::guard_value;
    use super::*;
    use std::ffi::CStr;
    use std::sync::Mutex;

    static SEEN: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

    unsafe extern "C" fn listen(user: *mut c_void, level: i32, message: *const c_char) {
        assert_eq!(user as usize, 42);
        let text = CStr::from_ptr(message).to_str().unwrap().to_string();
        if text == "first" {
            log::info("from the log function");
            // A call inside: it must not deliver the second message into the first.
            guard("aet_test", |_| Ok(()));
        }
        SEEN.lock().unwrap().push((level, text));
    }

    fn pass() {
        // SAFETY: no pointers are read.
        unsafe { guard("aet_test", |_| Ok(())) };
    }

    #[test]
    fn messages_arrive_at_the_end_of_a_call() {
        let _alone = log::ONE_TEST_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the function takes these arguments.
        let set = |level: i32| unsafe { aet_log_set(level, Some(listen), 42 as *mut c_void) };
        assert_eq!(set(17), aet_status::AET_ERROR_UNKNOWN_OPTION);
        assert_eq!(set(3), aet_status::AET_OK);
        log::info("first");
        log::debug("too detailed");
        // SAFETY: no pointers are read.
        unsafe { guard_value(0, |_| Ok(0)) };
        pass();
        // Tests on other threads make calls, too, and may be the ones that deliver.
        while SEEN.lock().unwrap().len() < 2 {
            pass();
        }
        let seen = SEEN.lock().unwrap().clone();
        assert_eq!(seen, [(3, "first".to_string()), (3, "from the log function".to_string())]);
        assert_eq!(set(0), aet_status::AET_OK);
        log::error("nobody listens");
        pass();
        assert_eq!(SEEN.lock().unwrap().len(), 2);
    }
}
