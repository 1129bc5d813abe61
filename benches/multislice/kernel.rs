//! Milliseconds per probe and slice on square planes of 0.1 angstrom pixels: a probe is placed, travels through 16 slices
//! and leaves its diffraction pattern. Each thread has a wave of its own; times are divided by the number of waves.

use crate::clock::{ratio, show, Clock, Times};
use crate::rust_fft::Pair;
use crate::Setting;
use aet::electron;
use aet::forward::multislice::{Form, Kept, Multislice, MultisliceOptions, MultisliceWorkspace, Object, Pass, Pupil};
use aet::grid::Plane;
use aet::optics::{BandLimit, ProbeOptions};
use aet::simd::wave::ComplexPlane;
use aet::simd::SimdPath;
use num_complex::Complex;
use serde_json::json;

const PIXEL: f64 = 0.1;
const THICKNESS: f64 = 2.0;
const SLICES: usize = 16;
const ENERGY: f64 = 300e3;
const SEMIANGLE: f64 = 21.4;
/// What a measurement lasts at least, about: long against starting threads.
const PIXELS_PER_MEASUREMENT: usize = 16 * 512 * 512;
const LIMITS: [(BandLimit, &str); 2] = [(BandLimit::Square, "square"), (BandLimit::Circular, "circular")];

/// What a thread works on.
struct Worker {
    wave: ComplexPlane<f32>,
    pattern: Vec<f32>,
    kept: Kept<f32>,
    gradient: Object<f32>,
    workspace: MultisliceWorkspace<f32>,
    position_gradient: (f64, f64),
}

/// One path and band limit.
struct Engine {
    engine: Multislice<f32>,
    pupil: Pupil<f32>,
    forward: Times,
    both: Times,
}

impl Engine {
    fn new(path: SimdPath, plane: &Plane, limit: BandLimit) -> Self {
        let wavelength = electron::wavelength(ENERGY).expect("an energy");
        let options = MultisliceOptions { band_limit: limit, ..Default::default() };
        let engine = Multislice::new(path, plane, wavelength, &[THICKNESS; SLICES], &options).expect("a plan");
        let probe = ProbeOptions::new(ENERGY, SEMIANGLE).build().expect("a probe");
        let pupil = engine.pupil(probe.pupil_on(plane));
        Self { engine, pupil, forward: Times::default(), both: Times::default() }
    }

    fn worker(&self) -> Worker {
        Worker {
            wave: self.engine.wave(),
            pattern: vec![0.0; self.engine.window().pixels()],
            kept: self.engine.kept(),
            gradient: self.engine.object(),
            workspace: MultisliceWorkspace::default(),
            position_gradient: (0.0, 0.0),
        }
    }

    /// From the probe to its pattern.
    fn forward(&self, object: &Object<f32>, keep: bool, worker: &mut Worker) {
        let pass = Pass { slices: 0..SLICES, start: Form::Coefficients, finish: Form::Coefficients };
        self.pupil.place(POSITION, &mut worker.wave);
        let kept = keep.then_some(&mut worker.kept);
        self.engine.propagate(object, (0, 0), &pass, &mut worker.wave, kept, &mut worker.workspace);
        self.engine.pattern(&worker.wave, &mut worker.pattern);
    }

    /// The loss sum (I - I0)^2 and its gradients with respect to the object and the position of the probe.
    fn loss_and_adjoint(&self, object: &Object<f32>, worker: &mut Worker) {
        self.forward(object, true, worker);
        let measured = 1.0 / worker.pattern.len() as f32;
        worker.pattern.iter_mut().for_each(|value| *value = 2.0 * (*value - measured));
        self.engine.pattern_pull_back(&worker.pattern, &mut worker.wave);
        let pass = Pass { slices: 0..SLICES, start: Form::Coefficients, finish: Form::Coefficients };
        let Worker { wave, kept, gradient, workspace, position_gradient, .. } = worker;
        self.engine.pull_back(object, (0, 0), &pass, kept, wave, Some(gradient), workspace);
        *position_gradient = self.pupil.position_gradient(POSITION, wave);
    }
}

const POSITION: (f64, f64) = (3.21, 4.32);

/// One band limit: engines of all paths, which share the object.
struct Group {
    name: &'static str,
    object: Object<f32>,
    workers: Vec<Worker>,
    engines: Vec<(SimdPath, Engine)>,
}

impl Group {
    fn new(plane: &Plane, limit: BandLimit, name: &'static str, threads: usize) -> Self {
        let paths = [SimdPath::Avx512, SimdPath::Avx2, SimdPath::Portable].into_iter().filter(|p| p.checked().is_ok());
        let engines: Vec<_> = paths.map(|path| (path, Engine::new(path, plane, limit))).collect();
        let first = &engines[0].1;
        let mut object = first.engine.object();
        for k in 0..SLICES {
            let phase = |row: usize, column: usize| 0.1 * ((row * 7 + column * 3 + k) % 11) as f32;
            object.set_slice(k, |row, column| Complex::from_polar(1.0, phase(row, column)));
        }
        let workers = (0..threads).map(|_| first.worker()).collect();
        Self { name, object, workers, engines }
    }

    fn measure(&mut self, clock: Clock, repeats: usize) {
        let Group { object, workers, engines, .. } = self;
        for (_, engine) in engines {
            let seconds = each(clock, workers, repeats, |worker| engine.forward(object, false, worker));
            engine.forward.push(seconds / SLICES as f64);
            let repeats = repeats.div_ceil(3);
            let seconds = each(clock, workers, repeats, |worker| engine.loss_and_adjoint(object, worker));
            engine.both.push(seconds / SLICES as f64);
        }
    }
}

/// Seconds per wave of `work`, done `repeats` times by each worker on a thread of its own.
fn each<W: Send>(clock: Clock, workers: &mut [W], repeats: usize, work: impl Fn(&mut W) + Sync) -> f64 {
    let (threads, work) = (workers.len(), &work);
    let seconds = clock.time(threads, || {
        std::thread::scope(|scope| {
            for worker in workers {
                scope.spawn(move || (0..repeats).for_each(|_| work(worker)));
            }
        });
    });
    seconds / (repeats * threads) as f64
}

/// Prints a table for one number of threads.
pub fn run(setting: &mut Setting, sizes: &[usize], threads: usize) {
    println!(
        "\nms per probe and slice, {threads} threads, one wave each; x: as a multiple of FFTW's pair of transforms"
    );
    println!(
        "{:>6} {:>8} {:>9} {:>12} {:>8} {:>5}  {:<9} {:<9} {:>9} {:>6} {:>15}",
        "pixels", "FFTW", "rustfft", "x", "abTEM", "x", "path", "limit", "libaet", "x", "loss + adjoint"
    );
    for n in sizes {
        size(setting, *n, threads);
    }
}

fn size(setting: &mut Setting, n: usize, threads: usize) {
    let plane = Plane::new(n, n, PIXEL, PIXEL).expect("a plane");
    let mut groups: Vec<Group> = LIMITS.iter().map(|(limit, name)| Group::new(&plane, *limit, name, threads)).collect();
    let mut pairs: Vec<Pair> = (0..threads).map(|_| Pair::new(n)).collect();
    let (mut fftw, mut rustfft, mut abtem) = (Times::default(), Times::default(), Times::default());
    let pair_repeats = (PIXELS_PER_MEASUREMENT / (n * n)).max(1);
    let pass_repeats = (pair_repeats / SLICES).max(1);
    for _ in 0..setting.rounds {
        fftw.push(setting.peer.ask(json!({"what": "fftw", "pixels": n, "threads": threads, "repeats": pair_repeats})));
        rustfft.push(each(setting.clock, &mut pairs, pair_repeats, Pair::run));
        groups.iter_mut().for_each(|group| group.measure(setting.clock, pass_repeats));
        abtem.push(setting.peer.ask(json!({"what": "abtem", "pixels": n, "threads": threads})));
    }
    let (fftw, rustfft, abtem) = (fftw.second_best(), rustfft.second_best(), abtem.second_best());
    let mut peers = format!(
        "{n:>6} {:>8} {:>9} {:>12} {:>8} {:>5}",
        show(fftw.map(|s| s * 1e3), 4),
        show(rustfft.map(|s| s * 1e3), 4),
        show(ratio(rustfft, fftw), 2),
        show(abtem.map(|s| s * 1e3), 3),
        show(ratio(abtem, fftw), 2)
    );
    for group in &groups {
        for (path, engine) in &group.engines {
            let (forward, both) = (engine.forward.second_best(), engine.both.second_best());
            println!(
                "{peers}  {:<9} {:<9} {:>9} {:>6} {:>8} forward",
                path.name(),
                group.name,
                show(forward.map(|s| s * 1e3), 4),
                show(ratio(forward, fftw), 2),
                show(ratio(both, forward), 2)
            );
            peers = " ".repeat(peers.len());
        }
    }
}
