//! Progress and cancellation

use super::enums::host_enum;
use super::guard::Host;
use super::log;
use super::options::CStruct;
use crate::problem::Progress;
use std::ffi::c_void;

/// What a long call is doing.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_phase {
    /// Data are read.
    Reading = 0,
    /// Tables and work space are prepared.
    Planning = 1,
    /// One loss and gradient is computed.
    Evaluating = 2,
    /// Iterations of the optimiser.
    Optimizing = 3,
    /// Results are written.
    Saving = 4,
    /// Waves travel through a specimen.
    Simulating = 5,
}

host_enum!(aet_phase:
    Reading = "AET_PHASE_READING",
    Planning = "AET_PHASE_PLANNING",
    Evaluating = "AET_PHASE_EVALUATING",
    Optimizing = "AET_PHASE_OPTIMIZING",
    Saving = "AET_PHASE_SAVING",
    Simulating = "AET_PHASE_SIMULATING",
);

/// State of a long call, filled by the library. What is not known yet is NaN.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_progress {
    /// Size of the structure in the library.
    pub struct_size: usize,
    /// An aet_phase.
    pub phase: i32,
    /// Iterations completed.
    pub iteration: i32,
    /// Iterations allowed; 0 where iterations do not count.
    pub max_iterations: i32,
    /// Zero.
    pub reserved: i32,
    /// Losses and gradients computed so far; a subset of the images counts as its fraction, rounded down in the sum.
    pub evaluations: i64,
    /// Part of the phase that is done, 0 to 1.
    pub fraction: f64,
    /// Present loss.
    pub loss: f64,
    /// Present norm of the scaled gradient.
    pub gradient_norm: f64,
    /// Mean over the images of sum |measured - calculated| / sum |measured|.
    pub r_factor: f64,
    /// Seconds since the call began.
    pub seconds: f64,
    /// Series: tilt at work, counted from 0.
    pub tilt: i64,
    /// Number of tilts; 0 in other calls.
    pub tilts: i64,
    /// Series: configuration of thermal displacements at work, counted from 0.
    pub configuration: i64,
    /// Number of configurations of each tilt.
    pub configurations: i64,
    /// Series: probes finished in all tilts, configurations and foci, those of earlier calls among them.
    pub probe: i64,
    /// Number of probes.
    pub probes: i64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; four i32 stand before the 8-byte members.
unsafe impl CStruct for aet_progress {
    const NAME: &'static str = "aet_progress";

    fn defaults() -> Self {
        aet_progress {
            struct_size: size_of::<Self>(),
            phase: 0,
            iteration: 0,
            max_iterations: 0,
            reserved: 0,
            evaluations: 0,
            fraction: 0.0,
            loss: f64::NAN,
            gradient_norm: f64::NAN,
            r_factor: f64::NAN,
            seconds: 0.0,
            tilt: 0,
            tilts: 0,
            configuration: 0,
            configurations: 0,
            probe: 0,
            probes: 0,
        }
    }
}

/// Is told the progress of a long call; returning anything but 0 ends that call with AET_CANCELLED and the best state
/// kept. Only ever called on the calling thread, with no lock held, at most about ten times per second and once per
/// step. `progress` is valid only during the call. It may use the library, but not change the object at work
/// (AET_ERROR_BUSY), and must return normally: no longjmp, no exception through the library.
pub type aet_progress_fn = Option<unsafe extern "C" fn(user: *mut c_void, progress: *const aet_progress) -> i32>;

impl From<&Progress> for aet_progress {
    fn from(p: &Progress) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        aet_progress {
            phase: p.phase as i32,
            iteration: count(p.iteration),
            max_iterations: count(p.max_iterations),
            evaluations: p.evaluations as i64,
            fraction: p.fraction,
            loss: p.loss,
            gradient_norm: p.gradient_norm,
            r_factor: p.r_factor,
            seconds: p.seconds,
            ..aet_progress::defaults()
        }
    }
}

impl Host {
    /// The host's callback as an observer that answers whether to go on. It also delivers the log of a long call. For
    /// the calling thread only; without a callback it always goes on.
    pub(super) fn progress(&self, function: aet_progress_fn, user: *mut c_void) -> impl FnMut(&Progress) -> bool + '_ {
        move |progress| {
            self.call_back(|| {
                log::deliver();
                let Some(function) = function else { return true };
                let progress = aet_progress::from(progress);
                // SAFETY: the host promises a function that takes these arguments and returns normally; the structure
                // lives until it does.
                unsafe { function(user, &progress) == 0 }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::with_host;
    use super::*;
    use crate::problem::Phase;

    unsafe extern "C" fn stop_at_two(user: *mut c_void, progress: *const aet_progress) -> i32 {
        let progress = *progress;
        assert_eq!((progress.struct_size, progress.phase), (size_of::<aet_progress>(), 3));
        *user.cast::<f64>() = progress.loss;
        i32::from(progress.iteration == 2)
    }

    #[test]
    fn the_callback_sees_the_state_and_may_stop() {
        let mut progress = Progress {
            phase: Phase::Optimizing,
            iteration: 1,
            max_iterations: 10,
            evaluations: 1.5,
            fraction: 0.1,
            loss: 4.0,
            gradient_norm: f64::NAN,
            r_factor: f64::NAN,
            seconds: 0.5,
        };
        let mut loss = 0.0_f64;
        with_host(|host| {
            let mut go_on = host.progress(Some(stop_at_two), (&raw mut loss).cast());
            assert!(go_on(&progress));
            progress.iteration = 2;
            assert!(!go_on(&progress));
            assert!(host.progress(None, std::ptr::null_mut())(&progress));
        });
        assert_eq!(loss, 4.0);
    }
}
