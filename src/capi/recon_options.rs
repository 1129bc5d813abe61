//! Running a reconstruction: how, and until when

use super::enums::{host_enum, HostEnum};
use super::guard::guard;
use super::options::{chosen, CStruct};
use super::status::aet_status;
use crate::optimize::{BatchOptions, Optimizer, RunOptions, Stopping};
use crate::{Error, Result};
use std::time::Duration;

/// How a run lowers the loss. All work on parameters / scale, keep the bounds of the blocks and do not depend on the
/// number of threads; a state file holds what they remember.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_optimizer {
    /// AET_OPTIMIZER_LBFGS.
    Automatic = 0,
    /// Limited-memory BFGS with bounds (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5).
    Lbfgs = 1,
    /// Gradient descent with backtracking (the same, algorithm 3.1), constants of the MSET paper: c = 0, rho = 0.1.
    GradientDescent = 2,
    /// Adam over mini-batches of tilts, steps falling along a cosine: an iteration is a pass over all images, its loss the
    /// mean over the pass. The run ends with AET_MAX_ITERATIONS when the schedule (param adam.passes) does.
    Adam = 3,
    /// Nonlinear conjugate gradients (Polak and Ribiere, with restart).
    ConjugateGradient = 4,
    /// Damped Gauss-Newton steps by inner conjugate gradients.
    LevenbergMarquardt = 5,
}

host_enum!(aet_optimizer:
    Automatic = "AET_OPTIMIZER_AUTOMATIC",
    Lbfgs = "AET_OPTIMIZER_LBFGS",
    GradientDescent = "AET_OPTIMIZER_GRADIENT_DESCENT",
    Adam = "AET_OPTIMIZER_ADAM",
    ConjugateGradient = "AET_OPTIMIZER_CONJUGATE_GRADIENT",
    LevenbergMarquardt = "AET_OPTIMIZER_LEVENBERG_MARQUARDT",
);

impl From<aet_optimizer> for Option<Optimizer> {
    fn from(optimizer: aet_optimizer) -> Self {
        match optimizer {
            aet_optimizer::Automatic => None,
            aet_optimizer::Lbfgs => Some(Optimizer::Lbfgs),
            aet_optimizer::GradientDescent => Some(Optimizer::GradientDescent),
            aet_optimizer::Adam => Some(Optimizer::Adam),
            aet_optimizer::ConjugateGradient => Some(Optimizer::ConjugateGradient),
            aet_optimizer::LevenbergMarquardt => Some(Optimizer::LevenbergMarquardt),
        }
    }
}

impl From<Optimizer> for aet_optimizer {
    fn from(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::Lbfgs => aet_optimizer::Lbfgs,
            Optimizer::GradientDescent => aet_optimizer::GradientDescent,
            Optimizer::Adam => aet_optimizer::Adam,
            Optimizer::ConjugateGradient => aet_optimizer::ConjugateGradient,
            Optimizer::LevenbergMarquardt => aet_optimizer::LevenbergMarquardt,
        }
    }
}

/// How aet_recon_run works and when it ends. Fill with aet_run_options_init; 0 means automatic in all members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_run_options {
    /// sizeof(aet_run_options).
    pub struct_size: usize,
    /// Iterations of this run at most; 0: 200.
    pub max_iterations: i32,
    /// An aet_optimizer. A run with another than the run before begins afresh at the best point so far.
    pub optimizer: i32,
    /// Seconds of this run at most, looked at after each iteration; 0: no limit.
    pub max_seconds: f64,
    /// Converged when the loss fell by less than this part of itself over 5 iterations; 0: 1e-7. Not looked at while
    /// the schedule of Adam lowers the steps.
    pub loss_tolerance: f64,
    /// Converged when the root mean square of the scaled gradient is below this part of the square root of the loss;
    /// 0: 1e-9. Not looked at while the schedule of Adam lowers the steps.
    pub gradient_tolerance: f64,
    /// Adam: part of the tilts in one mini-batch, up to 1; all sections of a tilt stay together; 0: one tilt at a time.
    pub batch_fraction: f64,
    /// Adam: seed of the order of the tilts, which is another in each pass; any number, 0: automatic, always the same.
    pub seed: i64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand before the 8-byte members.
unsafe impl CStruct for aet_run_options {
    const NAME: &'static str = "aet_run_options";

    fn defaults() -> Self {
        aet_run_options {
            struct_size: size_of::<Self>(),
            max_iterations: 0,
            optimizer: aet_optimizer::Automatic as i32,
            max_seconds: 0.0,
            loss_tolerance: 0.0,
            gradient_tolerance: 0.0,
            batch_fraction: 0.0,
            seed: 0,
        }
    }
}

/// Longest time limit in seconds: a thousand years.
const LONGEST: f64 = 3.2e10;

impl TryFrom<aet_run_options> for RunOptions {
    type Error = Error;

    fn try_from(options: aet_run_options) -> Result<Self> {
        let (default, batch) = (Stopping::default(), BatchOptions::default());
        let iterations = usize::try_from(options.max_iterations).map_err(|_| {
            Error::range("max_iterations", options.max_iterations, "a positive number, 0 for automatic")
        })?;
        let seconds = options.max_seconds;
        if seconds.is_nan() || seconds < 0.0 {
            return Err(Error::range("max_seconds", seconds, "a positive number (seconds), 0 for no limit"));
        }
        let or = |value: f64, automatic: f64| if value == 0.0 { automatic } else { value };
        let stopping = Stopping {
            max_iterations: if iterations == 0 { default.max_iterations } else { iterations },
            max_time: (seconds > 0.0 && seconds < LONGEST).then(|| Duration::from_secs_f64(seconds)),
            loss_tolerance: or(options.loss_tolerance, default.loss_tolerance),
            gradient_tolerance: or(options.gradient_tolerance, default.gradient_tolerance),
        };
        let run = RunOptions {
            stopping,
            optimizer: aet_optimizer::from_number(options.optimizer, "optimizer")?.into(),
            batch: BatchOptions {
                fraction: chosen(options.batch_fraction),
                seed: if options.seed == 0 { batch.seed } else { options.seed as u64 },
            },
        };
        run.check()?;
        Ok(run)
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_run_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_run_options_init(options: *mut aet_run_options, struct_size: usize) -> aet_status {
    guard("aet_run_options_init", |host| host.init(options, struct_size))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{message, Scene};
    use super::super::*;
    use super::*;
    use std::ptr;

    #[test]
    fn options() {
        let mut options = aet_run_options::defaults();
        assert_eq!(RunOptions::try_from(options).unwrap(), RunOptions::default());
        (options.max_iterations, options.max_seconds, options.loss_tolerance) = (7, 0.5, 1e-3);
        (options.optimizer, options.batch_fraction, options.seed) = (3, 0.25, 9);
        let run = RunOptions::try_from(options).unwrap();
        assert_eq!((run.stopping.max_iterations, run.stopping.loss_tolerance), (7, 1e-3));
        assert_eq!(run.stopping.max_time, Some(Duration::from_millis(500)));
        assert_eq!((run.optimizer, run.batch), (Some(Optimizer::Adam), BatchOptions { fraction: Some(0.25), seed: 9 }));
        let good = aet_run_options::defaults();
        for (code, bad) in [
            (103, aet_run_options { max_iterations: -1, ..good }),
            (103, aet_run_options { max_seconds: f64::NAN, ..good }),
            (103, aet_run_options { max_seconds: -1.0, ..good }),
            (103, aet_run_options { loss_tolerance: -1e-3, ..good }),
            (103, aet_run_options { gradient_tolerance: f64::NAN, ..good }),
            (103, aet_run_options { batch_fraction: 1.5, ..good }),
            (103, aet_run_options { batch_fraction: -0.1, ..good }),
            (103, aet_run_options { batch_fraction: f64::NAN, ..good }),
            (104, aet_run_options { optimizer: 6, ..good }),
            (104, aet_run_options { optimizer: -1, ..good }),
        ] {
            assert_eq!(RunOptions::try_from(bad).unwrap_err().code(), code, "{bad:?}");
        }
        let endless = aet_run_options { max_seconds: f64::INFINITY, ..good };
        assert_eq!(RunOptions::try_from(endless).unwrap().stopping.max_time, None);
    }

    #[test]
    fn a_host_of_the_shorter_structure() {
        let mut options = aet_run_options { seed: 77, ..aet_run_options::defaults() };
        // SAFETY: a local.
        assert_eq!(unsafe { aet_run_options_init(&raw mut options, 40) } as i32, 0);
        assert_eq!((options.max_iterations, options.struct_size, options.seed), (0, 40, 77));
        options.max_iterations = 1;
        let scene = Scene::small(aet_lot_model::Direct);
        // SAFETY: a handle and a structure of the size told.
        let status = unsafe { aet_recon_run(scene.recon, &options, None, ptr::null_mut()) };
        assert_eq!(status, aet_status::AET_MAX_ITERATIONS, "{}", message());
    }

    #[test]
    fn every_optimizer_lowers_the_loss() {
        for optimizer in 1..=5 {
            let scene = Scene::small(aet_lot_model::Rigid);
            let before = scene.loss(&scene.parameters());
            let options = aet_run_options { max_iterations: 20, optimizer, ..aet_run_options::defaults() };
            // SAFETY: handles, and locals that live through the call.
            unsafe {
                let status = aet_recon_run(scene.recon, &options, None, ptr::null_mut());
                assert!((2..=3).contains(&(status as i32)), "{}", message());
                let count = aet_recon_history_count(scene.recon()) as usize;
                let mut used = vec![0.0; count];
                let out = super::super::fixture::view(&mut used, &[count]);
                assert_eq!(aet_recon_copy_history(scene.recon(), c"optimizer".as_ptr(), &out) as i32, 0);
                assert!(count > 0 && used.iter().all(|v| *v == f64::from(optimizer)));
            }
            let after = scene.loss(&scene.parameters());
            assert!(after < before, "optimizer {optimizer}: {before} to {after}");
        }
    }
}
