//! Predicted against found errors at three doses, and the local estimate against the bound of the whole problem.
//!
//! ```text
//! cargo run --release --example error_bars -- [--atoms N] [--dense yes|no] [--radius A]
//! ```
//! A self-made ball of silicon atoms in 24 tilts x 3 foci through a probe, simulated on a finer grid than the fit's, with
//! counting noise; fitted from truth + 0.1 A. One line per dose: `found_pm` is the distance from the truth,
//! `local_pm` what the Gauss-Newton blocks of atoms and their neighbours predict, `bound_pm` what the inverse of the whole
//! Fisher matrix allows. Heights are free for every atom, as in `--example lot`.

use aet::context::{Context, ContextOptions};
use aet::forward::local_orbital::Orbital;
use aet::geometry::rotation_about;
use aet::optics::ProbeOptions;
use aet::optimize::Stopping;
use aet::reconstruct::{ErrorMethod, ErrorOptions, LotOptions, NoiseModel, Reconstruction};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{compare, random_packing, Atoms, CompareOptions};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::time::Instant;

/// Counts at the centre of an atom before the probe blurs it.
const DOSES: [f64; 3] = [2400.0, 240.0, 60.0];

fn moved(atoms: &Atoms, by: f64) -> Result<Atoms> {
    let normal = Normal::new(0.0, by).map_err(|e| Error::Internal(e.to_string()))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
    let positions = atoms.positions().iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect();
    Atoms::new(positions)?.with_species(atoms.species().to_vec())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut cli = pico_args::Arguments::from_env();
    let count: usize = cli.opt_value_from_str("--atoms")?.unwrap_or(400);
    let dense = cli.opt_value_from_str::<_, String>("--dense")?.is_none_or(|v| v == "yes");
    let radius: Option<f64> = cli.opt_value_from_str("--radius")?;
    let context = Context::new(&ContextOptions { threads: None, simd: None })?;
    let diameter = 38.9 * (count as f64 / 2000.0).cbrt();
    let truth = Atoms::new(random_packing(count, diameter, 2.21, 20)?)?.with_species(vec![14; count])?;
    let size = ((diameter / 0.34 * 1.26) as usize + 12) / 2 * 2;
    let probe = ProbeOptions::new(300e3, 25.0).build()?;
    for (dose, seed) in DOSES.into_iter().zip(11..) {
        let plan = SeriesPlan {
            orbital: Orbital::default(),
            rows: size,
            columns: size,
            pixel_size: 0.34,
            rotations: (0..24).map(|t| rotation_about(0, -69.0 + 6.0 * f64::from(t))).collect(),
            foci: vec![-9.7, 0.0, 9.7],
            width: 0.35,
            height: dose,
            background: 1.0,
            oversampling: 2,
            slice_thickness: 2.0,
            seed: Some(seed),
        };
        let series = local_orbital_series(&context, &truth, Some(&probe), &plan)?;
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
