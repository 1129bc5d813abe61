//! Predicted against found errors at three doses, and the local estimate against the bound of the whole problem.
//!
//! ```text
//! cargo run --release --example error_bars -- [--atoms N] [--dense yes|no] [--radius A]
//! ```
//! A self-made ball of silicon atoms in 24 tilts x 3 foci through a probe, simulated on a finer grid than the fit's, with
//! counting noise; fitted from truth + 0.1 A. One line per dose: `found_pm` is the distance from the truth,
//! `local_pm` what the Gauss-Newton blocks of atoms and their neighbours predict, `bound_pm` what the inverse of the whole
//! Fisher matrix allows. Heights are free for every atom, as in `--example lot`.

#[path = "ball.rs"]
mod ball;

use aet::context::{Context, ContextOptions};
use aet::optimize::Stopping;
use aet::reconstruct::{ErrorMethod, ErrorOptions, LotOptions, NoiseModel, Reconstruction};
use aet::specimen::{compare, CompareOptions};
use aet::Result;
use ball::{moved, Ball};
use std::time::Instant;

/// Counts at the centre of an atom before the probe blurs it.
const DOSES: [f64; 3] = [2400.0, 240.0, 60.0];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut cli = pico_args::Arguments::from_env();
    let count: usize = cli.opt_value_from_str("--atoms")?.unwrap_or(400);
    let dense = cli.opt_value_from_str::<_, String>("--dense")?.is_none_or(|v| v == "yes");
    let radius: Option<f64> = cli.opt_value_from_str("--radius")?;
    let context = Context::new(&ContextOptions { threads: None, simd: None })?;
    for (dose, seed) in DOSES.into_iter().zip(11..) {
        let Ball { series, probe, truth } = Ball::new(&context, count, dose, Some(seed))?;
        let options = LotOptions { width_start: Some(0.4), ..Default::default() };
        let recon = Reconstruction::local_orbital(&context, &series, Some(&probe), &moved(&truth, 0.1)?, &options)?;
        recon.run(&Stopping { max_iterations: 600, loss_tolerance: 1e-12, ..Default::default() }, &mut |_| true)?;
        let found = compare(&recon.atoms()?, &truth, &CompareOptions::default())?;
        let predicted = |method| -> Result<(f64, f64)> {
            let clock = Instant::now();
            let options = ErrorOptions { method, noise: NoiseModel::Counts, radius };
            let estimate = recon.estimate_errors(&options, &mut |_| true)?;
            Ok((estimate.predicted_rmsd_pm, clock.elapsed().as_secs_f64()))
        };
        let local = predicted(ErrorMethod::Local)?;
        let bound = if dense { predicted(ErrorMethod::Dense)? } else { (f64::NAN, f64::NAN) };
        println!(
            "counts={dose} atoms={count} matched={} found_pm={:.3} local_pm={:.3} bound_pm={:.3} found/local={:.3} \
             found/bound={:.3} local_seconds={:.1} bound_seconds={:.1}",
            found.matched,
            found.rmsd_pm,
            local.0,
            bound.0,
            found.rmsd_pm / local.0,
            found.rmsd_pm / bound.0,
            local.1,
            bound.1
        );
    }
    Ok(())
}
