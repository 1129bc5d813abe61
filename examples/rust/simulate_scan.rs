//! A scan of a small gold particle and the gradient of its misfit with respect to the atoms. The same example exists in
//! every host language and prints the same numbers.
//!
//! `cargo run --release --example simulate_scan`

use aet::context::{Context, ContextOptions};
use aet::optics::{Detector, DetectorKind, DetectorPlan, Probe, ProbeOptions};
use aet::problem::Waiting;
use aet::simulate::stem::{Sampling, ScanPositions, Simulation, SimulationOptions, StemPlan, Wanted};
use aet::specimen::Atoms;
use aet::Result;

/// Edge of the cubic cell, angstrom.
const CELL: f64 = 16.0;

/// 43 atoms of a face-centred crystal around the middle of the cell, the first one moved by `shift` angstrom along x.
fn particle(shift: f64) -> Result<Atoms> {
    let mut positions = vec![];
    for (i, j, k) in (0..125).map(|n| (n / 25 - 2, n / 5 % 5 - 2, n % 5 - 2)) {
        if (i + j + k) % 2 == 0 && i * i + j * j + k * k <= 6 {
            positions.push([i, j, k].map(|n| 0.5 * CELL + 2.039 * f64::from(n)));
        }
    }
    positions[0][0] += shift;
    let count = positions.len();
    Atoms::new(positions)?.with_species(vec![79; count])?.with_debye_waller(vec![0.6; count])?.with_cell([CELL; 3])
}

fn show(fraction: f64) -> bool {
    eprint!("\rsimulating {:3.0} %", 100.0 * fraction);
    true // go on
}

/// Signals [position][haadf, com x, com y] of the particle.
fn scan(
    context: &Context,
    simulation: &Simulation<f64>,
    probe: &Probe,
    positions: &ScanPositions,
    detectors: &DetectorPlan,
) -> Result<Vec<f64>> {
    let token = context.cancel_token();
    let waiting = &mut Waiting { cancel: &token, tell: &mut show };
    StemPlan::new(simulation, probe)?.scan(context, positions, detectors, waiting)
}

fn main() -> Result<()> {
    let context = Context::new(&ContextOptions::default())?;
    let probe = ProbeOptions::new(300e3, 20.0).defocus(4.0).build()?;
    let options =
        SimulationOptions { sampling: Sampling::Points { rows: 128, columns: 128 }, ..SimulationOptions::default() };
    let token = context.cancel_token();
    let waiting = &mut Waiting { cancel: &token, tell: &mut show };
    // Single precision is faster and as good here; in double all hosts agree to 12 digits.
    let truth = Simulation::<f64>::new(&context, &particle(0.1)?, 300e3, &options, waiting)?;
    let guess = Simulation::<f64>::new(&context, &particle(0.0)?, 300e3, &options, waiting)?;

    let haadf = Detector::new(DetectorKind::Annular { inner_mrad: 30.0, outer_mrad: Some(50.0) })?;
    let center = Detector::new(DetectorKind::CenterOfMass { outer_mrad: None, normalized: true })?;
    let detectors = DetectorPlan::new(&[haadf, center], guess.window(), guess.wavelength(), options.band_limit)?;
    let positions = ScanPositions::raster((4.0, 4.0), (12.0, 12.0), (8, 8))?;

    let measured = scan(&context, &truth, &probe, &positions, &detectors)?;
    let signals = scan(&context, &guess, &probe, &positions, &detectors)?;
    // L = 1/2 sum (signal - measured)^2
    let residuals: Vec<f64> = signals.iter().zip(&measured).map(|(s, m)| s - m).collect();
    let loss = 0.5 * residuals.iter().map(|r| r * r).sum::<f64>();
    let by_signal = |position: usize, _: &[f64], by: &mut [f64]| {
        by.copy_from_slice(&residuals[3 * position..3 * position + 3]);
        Ok(())
    };
    let wanted = Wanted { atoms: true, ..Wanted::default() };
    let plan = StemPlan::new(&guess, &probe)?;
    let gradient = plan.pull_back(&context, &positions, &detectors, &by_signal, wanted, waiting)?;
    let atoms = gradient.atoms.into_iter().flat_map(|g| (0..g.len()).map(move |i| g.position(i)));
    let (mut count, mut square, mut first) = (0, 0.0, f64::NAN);
    for by_position in atoms {
        if count == 0 {
            first = by_position[0];
        }
        count += 1;
        square += by_position.iter().map(|g| g * g).sum::<f64>();
    }
    eprintln!();
    let haadf: f64 = signals.chunks(3).map(|s| s[0]).sum();
    let center: f64 = signals.chunks(3).map(|s| s[1] * s[1] + s[2] * s[2]).sum();
    println!(
        "atoms={count} positions={} haadf={haadf:.12e} center_of_mass={:.12e} loss={loss:.12e} \
         gradient_norm={:.12e} first={first:.12e}",
        positions.as_slice().len(),
        center.sqrt(),
        square.sqrt()
    );
    Ok(())
}
