//! What runs the work: a pool of threads, cancellation, the log queue, and the scheduler that walks independent
//! items in parallel while the calling thread waits and serves progress. Sums over items are taken in a fixed
//! binary tree, so that results do not depend on the number of threads.

pub mod log;
mod schedule;
mod sum;

pub use schedule::CancelToken;
pub use sum::{BufferPool, TreeSum};

use crate::error::{Error, Result};
use crate::simd::float_state::FloatState;
use crate::simd::SimdPath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// How a [`Context`] is made; `None` means automatic.
#[derive(Debug, Clone, Default)]
pub struct ContextOptions {
    /// Worker threads: given, else `AET_NUM_THREADS`, else the cores of the machine.
    pub threads: Option<usize>,
    /// Instruction-set path: given, else the best of this processor.
    pub simd: Option<SimdPath>,
}

/// Threads and settings shared by all objects made with it. Cheap to clone; lives until the last object is gone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    pool: rayon::ThreadPool,
    simd: SimdPath,
    cancel_requests: AtomicU64,
    process: u32,
}

impl Context {
    /// Starts the worker threads (they sleep while there is no work).
    pub fn new(options: &ContextOptions) -> Result<Self> {
        let threads = match options.threads {
            Some(threads) => threads,
            None => threads_of_environment()?,
        };
        if !(1..=4096).contains(&threads) {
            return Err(Error::range("threads", threads, "1 to 4096, or 0 for automatic"));
        }
        let simd = options.simd.map_or(Ok(SimdPath::detect()), SimdPath::checked)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("aet-{i}"))
            // New threads inherit the host's floating-point state (flush-to-zero): set the standard one for good.
            .start_handler(|_| std::mem::forget(FloatState::standard()))
            .build()
            .map_err(|e| Error::Internal(format!("cannot start {threads} threads: {e}")))?;
        let process = std::process::id();
        Ok(Self { inner: Arc::new(Inner { pool, simd, cancel_requests: AtomicU64::new(0), process }) })
    }

    /// Number of worker threads.
    pub fn threads(&self) -> usize {
        self.inner.pool.current_num_threads()
    }

    /// Instruction-set path in use.
    pub fn simd(&self) -> SimdPath {
        self.inner.simd
    }

    /// Ends the long calls in progress with [`Error::Cancelled`]; nothing happens if there is none. May be called
    /// from any thread and from signal handlers.
    pub fn request_cancel(&self) {
        self.inner.cancel_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A token for one long call that starts now.
    pub fn cancel_token(&self) -> CancelToken<'_> {
        CancelToken::new(&self.inner.cancel_requests)
    }

    /// An error after a fork: the worker threads exist in the parent process only.
    pub fn check_process(&self) -> Result<()> {
        let (owner, here) = (self.inner.process, std::process::id());
        if owner == here {
            Ok(())
        } else {
            Err(Error::Forked { owner, here })
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The pool's threads do not exist in a fork, and its locks may be held for ever: leave it alone.
            let empty = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            if let Ok(empty) = empty {
                std::mem::forget(std::mem::replace(&mut self.pool, empty));
            }
        }
    }
}

fn threads_of_environment() -> Result<usize> {
    match std::env::var("AET_NUM_THREADS") {
        Ok(text) if !text.is_empty() => {
            text.trim().parse().map_err(|_| Error::range("AET_NUM_THREADS", text, "a number of threads, 1 to 4096"))
        }
        _ => Ok(std::thread::available_parallelism().map_or(1, |n| n.get())),
    }
}
