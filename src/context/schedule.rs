//! The scheduler: independent items walked by the workers, while the calling thread never computes.

use super::Context;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Mutex;
use std::time::Duration;

/// How often the waiting thread looks at cancellation and serves the host.
const WAIT: Duration = Duration::from_millis(50);

/// Tells the parts of one long call that its end was asked for.
pub struct CancelToken<'a> {
    requests: &'a AtomicU64,
    at_start: u64,
    by_host: AtomicBool,
}

impl<'a> CancelToken<'a> {
    pub(super) fn new(requests: &'a AtomicU64) -> Self {
        Self { requests, at_start: requests.load(Ordering::Relaxed), by_host: AtomicBool::new(false) }
    }

    /// Asks for the end of this call (an observer said stop).
    pub fn cancel(&self) {
        self.by_host.store(true, Ordering::Relaxed);
    }

    /// Was the end asked for?
    pub fn is_cancelled(&self) -> bool {
        self.by_host.load(Ordering::Relaxed) || self.requests.load(Ordering::Relaxed) != self.at_start
    }

    /// An error if the end was asked for; `phase` stands in its text.
    pub fn check(&self, phase: &'static str) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::Cancelled { phase })
        } else {
            Ok(())
        }
    }
}

impl Context {
    /// Runs `task(i)` for every i in 0..count on the workers. The calling thread waits and calls `waiting(done)`
    /// several times per second and whenever items are done; an error from either side ends the call, the lowest
    /// failing item's error first. Items are taken in order.
    pub fn for_each(
        &self,
        count: usize,
        waiting: &mut dyn FnMut(usize) -> Result<()>,
        task: &(dyn Fn(usize) -> Result<()> + Sync),
    ) -> Result<()> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let work = |done: std::sync::mpsc::Sender<()>| loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= count || stop.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = task(item) {
                stop.store(true, Ordering::Relaxed);
                let mut first = failure.lock().unwrap_or_else(|p| p.into_inner());
                if first.as_ref().is_none_or(|(at, _)| item < *at) {
                    *first = Some((item, error));
                }
            }
            let _ = done.send(()); // the receiver outlives the scope
        };
        let waited = self.inner.pool.in_place_scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..self.threads().min(count) {
                let sender = sender.clone();
                scope.spawn(|_| work(sender));
            }
            drop(sender);
            let (mut done, mut outcome) = (0, Ok(()));
            loop {
                match receiver.recv_timeout(WAIT) {
                    Ok(()) => done += 1 + receiver.try_iter().count(),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return outcome,
                }
                if outcome.is_ok() {
                    outcome = waiting(done);
                    if outcome.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
        });
        match failure.into_inner().unwrap_or_else(|p| p.into_inner()) {
            Some((_, error)) => Err(error),
            None => waited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
    }

    #[test]
    fn every_item_runs_once_and_never_on_the_caller() {
        let caller = std::thread::current().id();
        let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        let mut last = 0;
        context(3)
            .for_each(
                100,
                &mut |done| {
                    last = done;
                    Ok(())
                },
                &|i| {
                    assert_ne!(std::thread::current().id(), caller);
                    counts[i].fetch_add(1, Ordering::Relaxed);
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(last, 100);
        assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_failing_item_ends_the_call() {
        let ran = AtomicUsize::new(0);
        let error = context(2)
            .for_each(1000, &mut |_| Ok(()), &|i| {
                ran.fetch_add(1, Ordering::Relaxed);
                if i == 5 {
                    Err(Error::Internal("five".into()))
                } else {
                    Ok(())
                }
            })
            .unwrap_err();
        assert!(error.to_string().contains("five"));
        assert!(ran.load(Ordering::Relaxed) < 1000);
    }

    #[test]
    fn cancel_ends_calls_in_progress_only() {
        let context = context(1);
        context.request_cancel();
        let token = context.cancel_token();
        assert!(!token.is_cancelled());
        context.request_cancel();
        assert_eq!(token.check("testing").unwrap_err().code(), 1);
    }

    #[test]
    fn a_panic_in_an_item_reaches_the_caller() {
        let outcome = std::panic::catch_unwind(|| {
            context(2).for_each(4, &mut |_| Ok(()), &|i| {
                assert_ne!(i, 2);
                Ok(())
            })
        });
        assert!(outcome.is_err());
    }
}
