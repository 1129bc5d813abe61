//! Time, and what is made of several measurements.

use std::time::Instant;

#[derive(Clone, Copy, PartialEq)]
pub enum Clock {
    Wall,
    /// Time of the processor that this process has had, shared out among its busy threads.
    Processor,
}

impl Clock {
    /// Seconds that `work` takes, which keeps `threads` threads busy.
    pub fn time(self, threads: usize, work: impl FnOnce()) -> f64 {
        let (wall, processor) = (Instant::now(), processor_seconds());
        work();
        match self {
            Clock::Wall => wall.elapsed().as_secs_f64(),
            Clock::Processor => (processor_seconds() - processor) / threads as f64,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Clock::Wall => "wall",
            Clock::Processor => "cpu",
        }
    }
}

#[cfg(unix)]
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for one timespec.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "the clock of the process");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn processor_seconds() -> f64 {
    panic!("--clock cpu needs Linux or macOS")
}

/// Measurements of one thing. The second best stands for them: the best may be luck.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn push(&mut self, seconds: impl Into<Option<f64>>) {
        self.0.extend(seconds.into());
        self.0.sort_by(f64::total_cmp);
    }

    pub fn second_best(&self) -> Option<f64> {
        self.0.get(1).or(self.0.first()).copied()
    }
}

/// A number with `digits` behind the point, or a dash where nothing was measured.
pub fn show(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |value| format!("{value:.digits$}"))
}

/// `a / b` where both were measured.
pub fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}
