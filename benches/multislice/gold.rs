//! A scan over a gold particle of 5 nm: 64 x 64 x 56 angstrom, 512 x 512 pixels, 28 slices, 300 kV, 21.4 mrad, rings of
//! 1 mrad; multislice over the whole cell, through windows of 256 pixels, and PRISM with every fourth plane wave.

use crate::clock::{ratio, show, Times};
use crate::Setting;
use aet::context::{Context, ContextOptions};
use aet::error::Result;
use aet::forward::multislice::{Diffraction, Form, MultisliceWorkspace, Pass};
use aet::forward::potential::PotentialOptions;
use aet::forward::prism::{PrismOptions, PrismPlan};
use aet::optics::{BandLimit, Detector, DetectorKind, DetectorPlan, Probe, ProbeOptions};
use aet::problem::Waiting;
use aet::simd::wave::SweepScratch;
use aet::simulate::stem::{Sampling, ScanPositions, Simulation, SimulationOptions, StemPlan, WindowSize};
use aet::specimen::{Atoms, Parametrization};
use serde_json::json;
use std::sync::Mutex;

const CELL: [f64; 3] = [64.0, 64.0, 56.0];
const PIXELS: usize = 512;
const WINDOW: usize = 256;
const ENERGY: f64 = 300e3;
const SEMIANGLE: f64 = 21.4;
/// Within the band limit of 0.125 angstrom, 52.5 mrad.
const LARGEST_ANGLE: f64 = 52.0;
const INTERPOLATION: usize = 4;
/// The scan whose time is asked for; others are scaled to it.
const SCAN: usize = 64;
/// The scan of abTEM's multislice, whose time grows as the number of positions.
const PEER_SCAN: usize = 8;

/// Face-centred cubic gold within 25 angstrom of the centre of a cube of 15^3 cells, off all zone axes.
fn particle() -> Atoms {
    const A: f64 = 4.0782;
    const CELLS: usize = 15;
    let basis = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let centre = 0.5 * (CELLS as f64 - 1.0) + 0.25; // mean of all positions in cells
    let mut positions = vec![];
    for cell in 0..CELLS * CELLS * CELLS {
        let corner = [cell / (CELLS * CELLS), cell / CELLS % CELLS, cell % CELLS];
        for place in basis {
            let [x, y, z] = [0, 1, 2].map(|axis| (corner[axis] as f64 + place[axis] - centre) * A);
            if x * x + y * y + z * z >= 25.0 * 25.0 {
                continue;
            }
            let (sine, cosine) = 0.2f64.sin_cos();
            let (y, z) = (cosine * y + sine * z, cosine * z - sine * y);
            let (sine, cosine) = 0.35f64.sin_cos();
            let (x, y) = (cosine * x + sine * y, cosine * y - sine * x);
            positions.push([x + 0.5 * CELL[0], y + 0.5 * CELL[1], z + 0.5 * CELL[2]]);
        }
    }
    let species = vec![79; positions.len()];
    Atoms::new(positions).and_then(|a| a.with_species(species)).and_then(|a| a.with_cell(CELL)).expect("atoms")
}

/// What every run needs.
struct Case {
    context: Context,
    atoms: Atoms,
    probe: Probe,
    positions: ScanPositions,
}

impl Case {
    fn simulation(&self, limit: BandLimit, window: WindowSize) -> Simulation<f32> {
        let potential = PotentialOptions {
            parametrization: Parametrization::Kirkland,
            placement: PotentialOptions::GRIDDING,
            ..Default::default()
        };
        let sampling = Sampling::Points { rows: PIXELS, columns: PIXELS };
        let options = SimulationOptions { sampling, potential, band_limit: limit, window, ..Default::default() };
        self.waiting(|waiting| Simulation::new(&self.context, &self.atoms, ENERGY, &options, waiting))
    }

    fn waiting<R>(&self, work: impl FnOnce(&mut Waiting<'_>) -> Result<R>) -> R {
        let cancel = self.context.cancel_token();
        work(&mut Waiting { cancel: &cancel, tell: &mut |_| true }).expect("a run of the case")
    }

    /// Rings of 1 mrad on patterns of `plane`.
    fn rings(&self, plane: &aet::grid::Plane, limit: BandLimit) -> DetectorPlan {
        let kind = DetectorKind::FlexibleAnnular { inner_mrad: 0.0, outer_mrad: LARGEST_ANGLE, step_mrad: 1.0 };
        let detector = Detector::new(kind).expect("a detector");
        DetectorPlan::new(&[detector], plane, self.probe.wavelength(), limit).expect("rings within the band limit")
    }

    /// Multislice over the whole cell.
    fn whole(&self, simulation: &Simulation<f32>) -> Vec<f64> {
        let plan = StemPlan::new(simulation, &self.probe).expect("a probe on the plane");
        let rings = self.rings(simulation.plane(), simulation.options().band_limit);
        self.waiting(|waiting| plan.scan(&self.context, &self.positions, &rings, waiting))
    }

    /// Multislice through windows, patterns on the sampling of the whole cell.
    fn windowed(&self, simulation: &Simulation<f32>) -> Vec<f64> {
        let (engine, plane, window) = (simulation.engine(), simulation.plane(), simulation.window());
        let limit = simulation.options().band_limit;
        let (pupil, rings) = (engine.pupil(self.probe.pupil_on(window)), self.rings(plane, limit));
        let diffraction = Diffraction::<f32>::new(self.context.simd(), window, plane, limit);
        let pass = Pass { slices: 0..simulation.slices(), start: Form::Coefficients, finish: Form::Wave };
        let mut signals = vec![0.0; self.positions.as_slice().len() * rings.len()];
        let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(rings.len()).map(Mutex::new).collect();
        let pool = Mutex::new(vec![]);
        let scan = |i: usize| {
            let taken = pool.lock().expect("no panic").pop();
            let (mut wave, mut spectrum, mut pattern, mut workspace, mut scratch) = taken.unwrap_or_else(|| {
                let pattern = vec![0.0f32; plane.pixels()];
                let workspace = MultisliceWorkspace::default();
                (engine.wave(), diffraction.wave(), pattern, workspace, SweepScratch::default())
            });
            let (x, y) = self.positions.as_slice()[i];
            let first = |at: f64, pixel: f64, n: usize| (at / pixel).round() as i64 - (n / 2) as i64;
            let (row, column) = (first(y, plane.pixel_y, window.rows), first(x, plane.pixel_x, window.columns));
            let local = (x - column as f64 * plane.pixel_x, y - row as f64 * plane.pixel_y);
            pupil.place(local, &mut wave);
            engine.propagate(simulation.object(), (row, column), &pass, &mut wave, None, &mut workspace);
            diffraction.pattern(&wave, &mut spectrum, &mut pattern, &mut scratch);
            rings.signals(&pattern, &mut places[i].lock().expect("no panic"))?;
            pool.lock().expect("no panic").push((wave, spectrum, pattern, workspace, scratch));
            Ok(())
        };
        self.context.for_each(places.len(), &mut |_| Ok(()), &scan).expect("a scan");
        drop(places);
        signals
    }

    /// PRISM with every fourth plane wave along both axes: scattering matrix and all probes.
    fn prism(&self, simulation: &Simulation<f32>) -> Vec<f64> {
        let options = PrismOptions { interpolation: (INTERPOLATION, INTERPOLATION), ..Default::default() };
        let (engine, pupil) = (simulation.engine(), self.probe.pupil_on(simulation.plane()));
        let plan = PrismPlan::new(engine, &options, &pupil).expect("a plan");
        let probe = plan.probe(&pupil).expect("a probe on the plane waves");
        let rings = self.rings(plan.window(), simulation.options().band_limit);
        let mut signals = vec![0.0; self.positions.as_slice().len() * rings.len()];
        let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(rings.len()).map(Mutex::new).collect();
        let take = |i: usize, pattern: &[f32]| rings.signals(pattern, &mut places[i].lock().expect("no panic"));
        self.waiting(|waiting| {
            let mut matrix = plan.matrix()?;
            plan.scatter(&self.context, engine, simulation.object(), &mut matrix, waiting)?;
            plan.patterns(&self.context, &matrix, &probe, self.positions.as_slice(), &take, waiting)
        });
        drop(places);
        signals
    }
}

/// Largest difference of two sets of signals, and the largest signal.
fn compare(signals: &[f64], exact: &[f64]) -> (f64, f64) {
    let error = signals.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    (error, exact.iter().copied().fold(0.0, f64::max))
}

/// Times of one band limit.
struct Limit {
    name: &'static str,
    whole: Simulation<f32>,
    window: Simulation<f32>,
    times: [Times; 3],
    error: (f64, f64),
}

impl Limit {
    fn new(case: &Case, limit: BandLimit, name: &'static str) -> Self {
        let window = WindowSize::Pixels { rows: WINDOW, columns: WINDOW };
        let (whole, window) = (case.simulation(limit, WindowSize::Whole), case.simulation(limit, window));
        Self { name, whole, window, times: Default::default(), error: (0.0, 0.0) }
    }

    fn measure(&mut self, case: &Case, setting: &Setting) {
        let (threads, mut exact, mut cut) = (case.context.threads(), vec![], vec![]);
        let time = |work: &mut dyn FnMut()| setting.clock.time(threads, work);
        self.times[0].push(time(&mut || exact = case.whole(&self.whole)));
        self.times[1].push(time(&mut || cut = case.windowed(&self.window)));
        self.times[2].push(time(&mut || drop(case.prism(&self.whole))));
        self.error = compare(&cut, &exact);
    }
}

/// Prints the table for one number of threads.
pub fn run(setting: &mut Setting, threads: usize, scan: usize) {
    let options = ContextOptions { threads: Some(threads), simd: None };
    let case = Case {
        context: Context::new(&options).expect("a context"),
        atoms: particle(),
        probe: ProbeOptions::new(ENERGY, SEMIANGLE).build().expect("a probe"),
        positions: ScanPositions::raster((5.0, 5.0), (59.0, 59.0), (scan, scan)).expect("a scan"),
    };
    let mut limits = vec![];
    let potential = setting.clock.time(threads, || limits.push(Limit::new(&case, BandLimit::Square, "square")));
    limits.push(Limit::new(&case, BandLimit::Circular, "circular"));
    println!(
        "\n{} atoms of gold, {PIXELS} pixels, {} slices, {scan} x {scan} positions, {threads} threads, path {}; potentials \
         of two simulations {potential:.2} s",
        case.atoms.positions().len(),
        limits[0].whole.slices(),
        case.context.simd().name()
    );
    let positions: Vec<f64> = case.atoms.positions().iter().flatten().copied().collect();
    let ask = |prism: usize, scan: usize| json!({"what": "gold", "positions": positions, "prism": prism, "scan": scan, "threads": threads});
    let mut multislice = Times::default();
    for _ in 0..setting.rounds {
        limits.iter_mut().for_each(|limit| limit.measure(&case, setting));
        multislice.push(setting.peer.ask(ask(0, PEER_SCAN)));
    }
    let share = |scan: usize| (SCAN * SCAN) as f64 / (scan * scan) as f64;
    let multislice = multislice.second_best().map(|s| s * share(PEER_SCAN));
    println!("seconds, multislice scaled to {SCAN} x {SCAN} positions; in brackets abTEM / libaet");
    println!("  abTEM     multislice {:>8}", show(multislice, 1));
    for limit in &limits {
        let [whole, window] = [0, 1].map(|i| limit.times[i].second_best().map(|s| s * share(scan)));
        println!(
            "  {:<9} multislice {:>8} ({})   windows of {WINDOW} {:>8} ({})",
            limit.name,
            show(whole, 1),
            show(ratio(multislice, whole), 1),
            show(window, 1),
            show(ratio(multislice, window), 1)
        );
        let (error, largest) = limit.error;
        println!(
            "            windows: largest error of a ring {error:.2e} of the beam, {:.2e} of the largest signal",
            error / largest
        );
    }
    // once and at the end: it takes minutes
    let prism = setting.peer.ask(ask(INTERPOLATION, scan));
    println!("seconds of PRISM with f = {INTERPOLATION}, {scan} x {scan} positions");
    println!("  abTEM     {:>8}", show(prism, 1));
    for limit in &limits {
        let own = limit.times[2].second_best();
        println!("  {:<9} {:>8} ({})", limit.name, show(own, 1), show(ratio(prism, own), 1));
    }
}
