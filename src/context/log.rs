//! The log: numerics push messages on any thread, the boundary hands them to the host on the host's own thread.
//!
//! One bounded queue for the process, silent by default. Below the level that was asked for nothing is formatted:
//! `log::debug(format_args!("step {step}"))` costs one atomic read.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Messages kept until the host takes them; when more come, the oldest are given up and counted.
const CAPACITY: usize = 1024;

/// How much a message matters; a host that asks for one level gets all above it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// No messages.
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

#[derive(Default)]
struct Queue {
    messages: VecDeque<(Level, String)>,
    given_up: u64,
}

static LEVEL: AtomicI32 = AtomicI32::new(Level::Off as i32);
static PENDING: AtomicBool = AtomicBool::new(false);
static QUEUE: Mutex<Queue> = Mutex::new(Queue { messages: VecDeque::new(), given_up: 0 });

/// Sets the level up to which messages are kept; `Off` also forgets those that wait.
pub fn set_level(level: Level) {
    LEVEL.store(level as i32, Ordering::Relaxed);
    if level == Level::Off {
        *lock() = Queue::default();
        PENDING.store(false, Ordering::Release);
    }
}

/// Whether messages of this level are kept.
pub fn enabled(level: Level) -> bool {
    level != Level::Off && level as i32 <= LEVEL.load(Ordering::Relaxed)
}

/// A defect of the library, or a result that must not be used.
pub fn error(text: impl Display) {
    push(Level::Error, text);
}

/// Something that is probably not what the user wants.
pub fn warning(text: impl Display) {
    push(Level::Warning, text);
}

/// What was chosen automatically, and milestones of long calls.
pub fn info(text: impl Display) {
    push(Level::Info, text);
}

/// Details for developers.
pub fn debug(text: impl Display) {
    push(Level::Debug, text);
}

/// Hands the waiting messages to `sink`, oldest first. No lock is held while `sink` runs, so it may log or drain itself.
pub fn drain(mut sink: impl FnMut(Level, &str)) {
    while PENDING.load(Ordering::Acquire) {
        match pop() {
            Some((level, text)) => sink(level, &text),
            None => return,
        }
    }
}

fn push(level: Level, text: impl Display) {
    if !enabled(level) {
        return;
    }
    let text = text.to_string();
    let mut queue = lock();
    if queue.messages.len() == CAPACITY {
        queue.messages.pop_front();
        queue.given_up += 1;
    }
    queue.messages.push_back((level, text));
    PENDING.store(true, Ordering::Release);
}

/// The oldest message. None also while another thread keeps the queue locked for long: after a fork that thread may
/// not exist, and waiting for it would never end.
fn pop() -> Option<(Level, String)> {
    let mut queue = (0..1000).find_map(|_| match QUEUE.try_lock() {
        Ok(queue) => Some(queue),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            std::thread::yield_now();
            None
        }
    })?;
    if queue.given_up > 0 {
        let count = std::mem::take(&mut queue.given_up);
        return Some((Level::Warning, format!("{count} older log messages were given up, {CAPACITY} are kept")));
    }
    let message = queue.messages.pop_front();
    PENDING.store(!queue.messages.is_empty(), Ordering::Release);
    message
}

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tests that use the queue take this lock: there is one queue in the process.
#[cfg(test)]
pub(crate) static ONE_TEST_AT_A_TIME: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    fn drained() -> Vec<(Level, String)> {
        let mut all = Vec::new();
        drain(|level, text| all.push((level, text.to_string())));
        all
    }

    #[test]
    fn levels_order_and_bound() {
        let _alone = ONE_TEST_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        set_level(Level::Off);
        error("never seen");
        assert!(drained().is_empty(), "silent by default");

        set_level(Level::Info);
        warning("one");
        debug("too detailed");
        info(format_args!("two {}", 2));
        assert_eq!(drained(), [(Level::Warning, "one".into()), (Level::Info, "two 2".into())]);

        for i in 0..CAPACITY + 3 {
            info(i);
        }
        let all = drained();
        assert_eq!(all.len(), CAPACITY + 1);
        assert!(all[0].1.starts_with("3 older"), "{}", all[0].1);
        assert_eq!(all[1].1, "3");

        info("forgotten");
        set_level(Level::Off);
        assert!(drained().is_empty());
    }

    #[test]
    fn a_sink_may_log() {
        let _alone = ONE_TEST_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        set_level(Level::Info);
        info("first");
        let mut seen = Vec::new();
        drain(|_, text| {
            if seen.is_empty() {
                info("second");
            }
            seen.push(text.to_string());
        });
        set_level(Level::Off);
        assert_eq!(seen, ["first", "second"]);
    }
}
