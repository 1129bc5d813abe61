//! Panics are defects of the library: they end here, silently, as text.
//!
//! A panic hook prints to stderr before anything can catch the panic, so one hook is installed once which keeps quiet
//! about the library's own panics and forwards all others to the hook before it. In the shared library the hook belongs
//! to that library's own copy of the standard library and is no state of the host.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once};

/// Names of the library's own threads begin so; panics on them come back to the calling thread.
const OWN_THREADS: &str = "aet-";

thread_local! {
    /// Calls of the library on this thread, callbacks counted.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Place of the latest panic of the library, which the payload does not tell.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs `body`; a panic in it becomes its text and place.
pub(super) fn caught<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    DEPTH.set(DEPTH.get() + 1);
    // Nothing that `body` touched is looked at after a panic: its handle is poisoned.
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(text)
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    // The hook cannot be changed by a thread that panics (a destructor that calls the library).
    if INSTALLED.is_completed() || std::thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| if is_own() { remember(info) } else { previous(info) }));
    });
}

fn is_own() -> bool {
    DEPTH.get() > 0 || std::thread::current().name().is_some_and(|name| name.starts_with(OWN_THREADS))
}

fn remember(info: &PanicHookInfo<'_>) {
    if let (Some(place), Ok(mut latest)) = (info.location(), PLACE.try_lock()) {
        *latest = Some(format!("{}:{}", place.file(), place.line()));
    }
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let what = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_string(),
        (None, None) => "panic without text".to_string(),
    };
    // Dropping an unknown payload may panic again; a leak is the lesser evil.
    std::mem::forget(payload);
    match PLACE.try_lock().ok().and_then(|mut place| place.take()) {
        Some(place) => format!("{what} at {place}"),
        None => what,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_text_with_its_place() {
        assert_eq!(caught(|| 7), Ok(7));
        let text = caught(|| panic!("pixel {}", 3)).unwrap_err();
        assert!(text.starts_with("pixel 3"), "{text}");
        assert_eq!(caught(|| panic::panic_any(5)).unwrap_err().split(" at ").next(), Some("panic without text"));
        let nested = caught(|| caught(|| panic!("inner")).is_err());
        assert_eq!(nested, Ok(true));
    }
}
