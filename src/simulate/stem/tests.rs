//! Scans against multislice written down plainly, windows against the whole, gradients against finite differences.

use super::*;
use crate::check;
use crate::context::ContextOptions;
use crate::forward::prism::PrismOptions;
use crate::optics::{Crop, Detector, DetectorKind, DetectorPlan, ProbeOptions};
use crate::specimen::{Property, ScatteringFactor};
use ndarray::Array3;

#[path = "../../../tests/common/plain_multislice.rs"]
mod plain_multislice;
use plain_multislice::Plain;

/// Projected scattering factor by frequency, and position of an atom.
type Factor = (Box<dyn Fn(f64) -> f64>, [f64; 3]);
/// Signals, and the gradients by positions, potential and atoms.
type All<T> = (Vec<f64>, Vec<(f64, f64)>, Array3<T>, Vec<[f64; 5]>);

const ENERGY: f64 = 200e3;
const CELL: [f64; 3] = [8.0, 6.4, 7.5];
const ROWS: usize = 40;
const COLUMNS: usize = 48;
const EDGES: [f64; 5] = [0.0, 2.0, 3.5, 5.5, 7.5];

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

/// Runs `call` with nobody watching.
fn waiting<R>(context: &Context, call: impl FnOnce(&mut Waiting<'_>) -> Result<R>) -> Result<R> {
    let token = context.cancel_token();
    call(&mut Waiting { cancel: &token, tell: &mut |_| true })
}

/// Seven atoms of two species with Debye-Waller factors and occupancies.
fn atoms() -> Atoms {
    let positions = (0..7).map(|i| {
        let i = f64::from(i);
        [(2.63 * i + 0.4) % 8.0, (1.71 * i + 0.9) % 6.4, (1.07 * i + 0.3) % 7.5]
    });
    let mut atoms = Atoms::new(positions.collect()).unwrap().with_species(vec![14, 79, 14, 79, 14, 14, 79]).unwrap();
    atoms = atoms.with_property(Property::DebyeWallerB, (0..7).map(|i| 0.3 + 0.05 * f64::from(i)).collect()).unwrap();
    atoms = atoms.with_property(Property::Occupancy, (0..7).map(|i| 0.95 - 0.07 * f64::from(i)).collect()).unwrap();
    atoms.with_cell(CELL).unwrap()
}

fn options() -> SimulationOptions {
    SimulationOptions {
        sampling: Sampling::Points { rows: ROWS, columns: COLUMNS },
        slices: SliceEdges::Edges(EDGES.to_vec()),
        absorption: 0.05,
        mistilt_mrad: (3.0, -2.0),
        ..Default::default()
    }
}

fn in_window(rows: usize, columns: usize) -> SimulationOptions {
    SimulationOptions { window: WindowSize::Pixels { rows, columns }, ..options() }
}

fn padded(rows: usize, columns: usize) -> SimulationOptions {
    SimulationOptions { patterns: PatternSampling::Padded, ..in_window(rows, columns) }
}

/// A simulation of slices of a potential.
fn given<T: Real>(
    context: &Context,
    slices: Vec<Vec<T>>,
    plane: &Plane,
    edges: &[f64],
    options: &SimulationOptions,
) -> Result<Simulation<T>> {
    waiting(context, |w| Simulation::from_potential(context, slices, plane, edges, ENERGY, options, w))
}

fn simulation<T: Real>(context: &Context, atoms: &Atoms, options: &SimulationOptions) -> Simulation<T> {
    waiting(context, |w| Simulation::new(context, atoms, ENERGY, options, w)).unwrap()
}

fn probe() -> Probe {
    ProbeOptions::new(ENERGY, 20.0).defocus(15.0).aberration("C30", 2e5).unwrap().build().unwrap()
}

fn kinds() -> [DetectorKind; 3] {
    [
        DetectorKind::Annular { inner_mrad: 20.0, outer_mrad: Some(45.0) },
        DetectorKind::CenterOfMass { outer_mrad: None, normalized: true },
        DetectorKind::Pixelated { crop: Crop::Pixels { rows: 7, columns: 9 }, binning: 1 },
    ]
}

fn detectors<T: Real>(simulation: &Simulation<T>) -> DetectorPlan {
    let detectors = kinds().map(|kind| Detector::new(kind).unwrap());
    simulation.detectors(&detectors).unwrap()
}

/// Ten positions, none near the border between two windows.
fn places() -> Vec<(f64, f64)> {
    let on = |i: i32, pixel: f64, step: f64| (f64::from(i) * step).round() * pixel + 0.3 * pixel;
    (0..10).map(|i| (on(i, CELL[0] / COLUMNS as f64, 5.3), on(i, CELL[1] / ROWS as f64, 2.9))).collect()
}

fn scan<T: Real>(context: &Context, simulation: &Simulation<T>, places: Vec<(f64, f64)>) -> Vec<f64> {
    let (plan, positions) = (StemPlan::new(simulation, &probe()).unwrap(), ScanPositions::new(places).unwrap());
    waiting(context, |w| plan.scan(context, &positions, &detectors(simulation), w)).unwrap()
}

/// Weight of signal `s` of position `i` in [`loss`], and the value it should have.
fn aim(i: usize, s: usize) -> (f64, f64) {
    let at = (7 * i + 3 * s) as f64;
    (1.0 + 0.5 * at.sin(), 0.02 * (1.7 * at).cos())
}

fn by_signal(i: usize, signals: &[f64], gradient: &mut [f64]) -> Result<()> {
    for (s, (signal, gradient)) in signals.iter().zip(gradient).enumerate() {
        let (weight, wanted) = aim(i, s);
        *gradient = weight * (signal - wanted);
    }
    Ok(())
}

fn loss<T: Real>(context: &Context, simulation: &Simulation<T>, places: Vec<(f64, f64)>) -> f64 {
    let signals = scan(context, simulation, places);
    let per_position = detectors(simulation).len();
    let of = |(n, signal): (usize, &f64)| {
        let (weight, wanted) = aim(n / per_position, n % per_position);
        0.5 * weight * (signal - wanted).powi(2)
    };
    signals.iter().enumerate().map(of).sum()
}

fn pull_back<T: Real>(
    context: &Context,
    simulation: &Simulation<T>,
    places: Vec<(f64, f64)>,
    wanted: Wanted,
) -> Result<StemGradient<T>> {
    let (plan, positions) = (StemPlan::new(simulation, &probe()).unwrap(), ScanPositions::new(places).unwrap());
    waiting(context, |w| plan.pull_back(context, &positions, &detectors(simulation), &by_signal, wanted, w))
}

const POSITIONS: Wanted = Wanted { positions: true, potential: false, atoms: false };
const POTENTIAL: Wanted = Wanted { positions: false, potential: true, atoms: false };
const ATOMS: Wanted = Wanted { positions: false, potential: false, atoms: true };

/// Exit patterns of every position behind every slice, computed plainly: \[slice\]\[position\].
fn plainly(atoms: &Atoms, places: &[(f64, f64)]) -> Vec<Vec<Array2<f64>>> {
    let wavelength = electron::wavelength(ENERGY).unwrap();
    let sigma = electron::interaction_constant(ENERGY).unwrap();
    let plain = Plain { points: (ROWS, COLUMNS), lengths: (CELL[1], CELL[0]), wavelength, sigma };
    let factors = [14, 79].map(|z| ScatteringFactor::new(crate::specimen::Parametrization::Lobato, z).unwrap());
    let factor = |z: u8| move |f: &[ScatteringFactor; 2], k: f64| f[usize::from(z == 79)].projected(k);
    let slices: Vec<Array2<Complex64>> = (0..EDGES.len() - 1)
        .map(|k| {
            let within = (0..atoms.len()).filter(|j| (EDGES[k]..EDGES[k + 1]).contains(&atoms.positions()[*j][2]));
            let functions: Vec<Factor> = within
                .map(|j| {
                    let (b, o) = (atoms.debye_waller_b().unwrap()[j], atoms.occupancies().unwrap()[j]);
                    let (f, factors) = (factor(atoms.species()[j]), factors.clone());
                    let of_k = move |k: f64| o * (-0.25 * b * k * k).exp() * f(&factors, k);
                    (Box::new(of_k) as Box<dyn Fn(f64) -> f64>, atoms.positions()[j])
                })
                .collect();
            let placed: Vec<plain_multislice::PlacedAtom<'_>> =
                functions.iter().map(|(f, p)| (f.as_ref(), p[0], p[1])).collect();
            plain.transmission(&plain.potential(&placed))
        })
        .collect();
    let chi = |alpha: f64, _: f64| -0.5 * 15.0 * alpha * alpha + 0.25 * 2e5 * alpha.powi(4);
    let mut waves: Vec<_> = places.iter().map(|at| plain.probe(20.0, chi, *at)).collect();
    let mut through = |(k, t): (usize, &Array2<Complex64>)| {
        waves.iter_mut().for_each(|psi| plain.slice(psi, t, EDGES[k + 1] - EDGES[k]));
        waves.iter().map(|psi| plain.pattern(psi)).collect()
    };
    slices.iter().enumerate().map(&mut through).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (a, b)| if (a - b).abs() > m { (a - b).abs() } else { m }) / largest
}

#[test]
fn scans_and_thickness_series_are_what_the_formulas_say() {
    let context = context(2);
    let plain_options = SimulationOptions { absorption: 0.0, mistilt_mrad: (0.0, 0.0), ..options() };
    let wanted = plainly(&atoms(), &places());
    let positions = ScanPositions::new(places()).unwrap();
    fn check<T: Real>(
        context: &Context,
        options: &SimulationOptions,
        wanted: &[Vec<Array2<f64>>],
        positions: &ScanPositions,
        tolerance: f64,
    ) {
        let simulation = simulation::<T>(context, &atoms(), options);
        let (plan, detectors) = (StemPlan::new(&simulation, &probe()).unwrap(), detectors(&simulation));
        let exits = [1, 2, 4];
        let got = waiting(context, |w| plan.thickness_series(context, positions, &detectors, &exits, w)).unwrap();
        let mut expected = vec![0.0; got.len()];
        let patterns = exits.iter().flat_map(|exit| &wanted[exit - 1]);
        for (signals, pattern) in expected.chunks_mut(detectors.len()).zip(patterns) {
            detectors.signals(pattern.as_slice().unwrap(), signals).unwrap();
        }
        for signal in detectors.layout() {
            let of = |all: &[f64]| all.chunks(detectors.len()).flat_map(|s| s[signal.range()].to_vec()).collect();
            let (got, expected): (Vec<f64>, Vec<f64>) = (of(&got), of(&expected));
            let error = largest_difference(&got, &expected);
            assert!(error < tolerance, "{}: {error:e}", signal.name);
        }
        let last = waiting(context, |w| plan.scan(context, positions, &detectors, w)).unwrap();
        assert!(largest_difference(&last, &got[2 * last.len()..]) < 1e-13 + 1e-2 * tolerance);
    }
    check::<f64>(&context, &plain_options, &wanted, &positions, 1e-11);
    check::<f32>(&context, &plain_options, &wanted, &positions, 3e-5);
}

#[test]
fn a_series_of_thicknesses_equals_specimens_that_end_there() {
    let context = context(2);
    let square = SimulationOptions { band_limit: crate::optics::BandLimit::Square, ..in_window(24, 30) };
    for options in [options(), square, padded(24, 30)] {
        let whole = simulation::<f64>(&context, &atoms(), &options);
        let (plan, positions) = (StemPlan::new(&whole, &probe()).unwrap(), ScanPositions::new(places()).unwrap());
        let exits = [1, 3, 4];
        let series =
            waiting(&context, |w| plan.thickness_series(&context, &positions, &detectors(&whole), &exits, w)).unwrap();
        for (exit, signals) in exits.into_iter().zip(series.chunks(series.len() / exits.len())) {
            let slices = (0..exit).map(|k| whole.potential(k).unwrap().into_raw_vec_and_offset().0).collect();
            let edges = &EDGES[..=exit];
            let thin = given(&context, slices, whole.plane(), edges, &options).unwrap();
            assert!(largest_difference(signals, &scan(&context, &thin, places())) < 1e-12, "{exit} slices");
        }
    }
}

#[test]
fn exit_waves_make_the_patterns_of_scans() {
    let context = context(1);
    for options in [options(), in_window(30, 32)] {
        let simulation = simulation::<f64>(&context, &atoms(), &options);
        let place = places()[3];
        let (mut wave, corner) = simulation.probe_exit_wave(&probe(), place, 4, &context.cancel_token()).unwrap();
        plain_multislice::transform(&mut wave, false);
        let pattern: Vec<f64> = wave.iter().map(|v| v.norm_sqr()).collect();
        let mut signals = vec![0.0; detectors(&simulation).len()];
        detectors(&simulation).signals(&pattern, &mut signals).unwrap();
        assert!(largest_difference(&scan(&context, &simulation, vec![place]), &signals) < 1e-12);
        let (rows, columns) = (simulation.window().rows as i64, simulation.window().columns as i64);
        let whole = simulation.window() == simulation.plane();
        let of = |at: f64, pixel: f64, n: i64| if whole { 0 } else { (at / pixel).round() as i64 - n / 2 };
        let (pixel_y, pixel_x) = (simulation.plane().pixel_y, simulation.plane().pixel_x);
        assert_eq!(corner, (of(place.1, pixel_y, rows), of(place.0, pixel_x, columns)));
    }
}

#[test]
fn windows_approach_the_whole() {
    let context = context(2);
    // A wide empty frame, into which the probe spreads little.
    let cell = [24.0, 24.0, 7.5];
    let shifted: Vec<_> = atoms().positions().iter().map(|p| [p[0] + 8.0, p[1] + 8.0, p[2]]).collect();
    let atoms = Atoms::new(shifted).unwrap().with_species(atoms().species().to_vec()).unwrap().with_cell(cell).unwrap();
    let focused = ProbeOptions::new(ENERGY, 20.0).build().unwrap();
    let annular = |window, patterns| {
        let sampling = Sampling::Points { rows: 120, columns: 120 };
        let options = SimulationOptions { sampling, window, patterns, ..options() };
        let simulation = simulation::<f64>(&context, &atoms, &options);
        let plan = StemPlan::new(&simulation, &focused).unwrap();
        let detector = Detector::new(DetectorKind::Annular { inner_mrad: 25.0, outer_mrad: Some(40.0) }).unwrap();
        let detectors = simulation.detectors(&[detector]).unwrap();
        let positions = ScanPositions::raster((10.0, 9.0), (14.0, 13.0), (3, 4)).unwrap();
        waiting(&context, |w| plan.scan(&context, &positions, &detectors, w)).unwrap()
    };
    let whole = annular(WindowSize::Whole, PatternSampling::Window);
    let pixels = |n| WindowSize::Pixels { rows: n, columns: n };
    assert_eq!(annular(pixels(120), PatternSampling::Window), whole);
    let of = |patterns| [30, 60, 90].map(|n| largest_difference(&annular(pixels(n), patterns), &whole));
    let errors = of(PatternSampling::Window);
    assert!(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] < 0.02, "{errors:?}");
    // on the pixels of the whole, only what atoms make of the rings beyond the window is left
    let padded = of(PatternSampling::Padded);
    assert!(padded[1] < 0.5 * errors[1] && padded[2] < 0.01, "{padded:?} {errors:?}");
}

#[test]
fn windows_do_not_change_vacuum() {
    let context = context(2);
    let plane = Plane::new(60, 64, 0.16, 0.15).unwrap();
    let vacuum = |options: SimulationOptions| {
        let options = SimulationOptions { absorption: 0.0, ..options };
        let simulation = given(&context, vec![vec![0.0_f64; plane.pixels()]; 4], &plane, &EDGES, &options).unwrap();
        let (patterns, take) = (std::sync::Mutex::new(vec![]), |_: usize, pattern: &[f64]| Ok(pattern.to_vec()));
        let plan = StemPlan::new(&simulation, &probe()).unwrap();
        let positions = ScanPositions::new(vec![(3.3, 4.1)]).unwrap();
        let keep = |i: usize, pattern: &[f64]| take(i, pattern).map(|p| patterns.lock().unwrap().extend(p));
        waiting(&context, |w| plan.patterns(&context, &positions, &keep, w)).unwrap();
        patterns.into_inner().unwrap()
    };
    let whole = vacuum(options());
    assert!((whole.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(largest_difference(&vacuum(padded(30, 32)), &whole) < 1e-12);
}

#[test]
fn prism_of_all_plane_waves_is_multislice() {
    let context = context(2);
    let prism = |interpolation, downsampling| SimulationOptions {
        prism: Some(Prism { semiangle_mrad: 21.0, options: PrismOptions { interpolation, downsampling } }),
        ..options()
    };
    let exact = scan(&context, &simulation::<f64>(&context, &atoms(), &options()), places());
    for downsampling in [false, true] {
        let all = simulation::<f64>(&context, &atoms(), &prism((1, 1), downsampling));
        // the detectors of a coarser grid have other pixels at the same angles
        assert!(largest_difference(&scan(&context, &all, places()), &exact) < 1e-10, "{downsampling}");
        let (before, made) =
            (prism((1, 1), downsampling).memory_estimate::<f64>(CELL, ENERGY, 2), all.memory_estimate(2));
        assert_eq!(before.unwrap(), made);
    }
    let some = simulation::<f64>(&context, &atoms(), &prism((2, 2), false));
    assert_eq!((some.window().rows, some.window().columns), (ROWS / 2, COLUMNS / 2));
    let given = given(&context, vec![vec![0.0_f32; ROWS * COLUMNS]; 4], some.plane(), &EDGES, &prism((2, 1), false));
    assert_eq!(given.unwrap().window().columns, COLUMNS);

    let refused = |error: Error, code: i32, text: &str| {
        assert!(error.code() == code && error.to_string().contains(text), "{error}");
    };
    refused(some.probe_exit_wave(&probe(), (0.0, 0.0), 4, &context.cancel_token()).unwrap_err(), 107, "without PRISM");
    refused(pull_back(&context, &some, places(), ATOMS).err().unwrap(), 107, "without PRISM");
    let (plan, positions) = (StemPlan::new(&some, &probe()).unwrap(), ScanPositions::new(places()).unwrap());
    let series = |w: &mut Waiting<'_>| plan.thickness_series(&context, &positions, &detectors(&some), &[2, 4], w);
    refused(waiting(&context, series).unwrap_err(), 107, "without PRISM");
    let wide = ProbeOptions::new(ENERGY, 25.0).build().unwrap();
    refused(StemPlan::new(&some, &wide).err().unwrap(), 103, "at most 21 mrad, the semi-angle");
    let make = |options: SimulationOptions| {
        waiting(&context, |w| Simulation::<f32>::new(&context, &atoms(), ENERGY, &options, w)).err().unwrap()
    };
    refused(make(prism((3, 1), false)), 103, "divisor of the 40 rows");
    refused(make(SimulationOptions { window: in_window(20, 20).window, ..prism((1, 1), false) }), 107, "whole object");
    refused(make(SimulationOptions { patterns: PatternSampling::Padded, ..prism((1, 1), false) }), 107, "padded");
    let narrow = Prism { semiangle_mrad: f64::NAN, options: PrismOptions::default() };
    refused(make(SimulationOptions { prism: Some(narrow), ..options() }), 103, "NaN");
}

#[test]
fn ensembles_are_means_of_what_they_consist_of() {
    use crate::simulate::coherence::Spread;
    use crate::simulate::phonons::displaced_atoms;
    use crate::simulate::FrozenPhonons;
    let context = context(2);
    let still = simulation::<f64>(&context, &atoms(), &options());
    let positions = ScanPositions::new(places()).unwrap();
    let of = |simulation: &Simulation<f64>, ensemble: Ensemble| {
        let (detectors, probe) = (detectors(simulation), probe());
        let run = |w: &mut Waiting<'_>| {
            simulation.scan_ensemble(&context, probe.options(), &positions, &detectors, &ensemble, w)
        };
        waiting(&context, run)
    };
    let plain = of(&still, Ensemble::default()).unwrap();
    assert!(plain.standard_error.is_none() && plain.mean == scan(&context, &still, places()));

    let phonons = Some(FrozenPhonons { configurations: 3, seed: 5 });
    let got = of(&still, Ensemble { phonons, ..Default::default() }).unwrap();
    let of_configuration = |number| {
        let atoms = displaced_atoms(&atoms(), 5, number).unwrap();
        assert!(atoms.debye_waller_b().is_none() && atoms.occupancies().is_some());
        scan(&context, &simulation::<f64>(&context, &atoms, &options()), places())
    };
    let single = [0, 1, 2].map(of_configuration);
    let errors = got.standard_error.unwrap();
    for (i, (mean, error)) in got.mean.iter().zip(&errors).enumerate() {
        let values = [&single[0], &single[1], &single[2]].map(|signals| signals[i]);
        let wanted = values.iter().sum::<f64>() / 3.0;
        let squares = values.iter().map(|v| (v - wanted).powi(2)).sum::<f64>();
        assert!((mean - wanted).abs() < 1e-13 && (error - (squares / 6.0).sqrt()).abs() < 1e-13);
    }

    let spread = Spread { defocus: 20.0, defocus_nodes: 3, ..Default::default() };
    let got = of(&still, Ensemble { spread, phonons: None }).unwrap();
    let mut wanted = vec![0.0; got.mean.len()];
    for (member, weight) in spread.ensemble(probe().options()).unwrap() {
        let plan = StemPlan::new(&still, &member.build().unwrap()).unwrap();
        let signals = waiting(&context, |w| plan.scan(&context, &positions, &detectors(&still), w)).unwrap();
        wanted.iter_mut().zip(signals).for_each(|(sum, signal)| *sum += weight * signal);
    }
    assert!(largest_difference(&got.mean, &wanted) < 1e-14);

    let hard = Atoms::new(atoms().positions().to_vec()).unwrap().with_cell(CELL).unwrap();
    let hard = hard.with_species(atoms().species().to_vec()).unwrap();
    let error = of(&simulation(&context, &hard, &options()), Ensemble { phonons, ..Default::default() }).unwrap_err();
    assert!(error.to_string().contains("debye_waller_b"), "{error}");
    let slices = vec![vec![0.0; still.plane().pixels()]; 4];
    let bare = given(&context, slices, still.plane(), &EDGES, &options()).unwrap();
    assert_eq!(of(&bare, Ensemble { phonons, ..Default::default() }).unwrap_err().code(), 107);
    let none = Some(FrozenPhonons { configurations: 0, seed: 0 });
    assert_eq!(of(&still, Ensemble { phonons: none, ..Default::default() }).unwrap_err().code(), 103);
}

#[test]
fn the_error_of_a_window_is_measured() {
    let context = context(2);
    let narrow = simulation::<f64>(&context, &atoms(), &in_window(20, 20));
    let detector = Detector::new(kinds()[0]).unwrap();
    let positions = ScanPositions::new(places()).unwrap();
    let of = |simulation: &Simulation<f64>| {
        let detectors = std::slice::from_ref(&detector);
        waiting(&context, |w| simulation.window_error(&context, &probe(), detectors, &positions, w))
    };
    let small = of(&narrow).unwrap();
    let large = of(&simulation(&context, &atoms(), &in_window(36, 36))).unwrap();
    assert!(small.largest > large.largest && small.relative > large.relative && large.largest > 0.0);
    assert_eq!(of(&simulation(&context, &atoms(), &options())).unwrap_err().code(), 107);
}

#[test]
fn positions_are_periodic() {
    let context = context(1);
    for options in [options(), in_window(30, 32)] {
        let simulation = simulation::<f64>(&context, &atoms(), &options);
        let moved = places().iter().map(|(x, y)| (x - 3.0 * CELL[0], y + 2.0 * CELL[1])).collect();
        let (here, there) = (scan(&context, &simulation, places()), scan(&context, &simulation, moved));
        assert!(largest_difference(&there, &here) < 1e-11);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    fn all<T: Real>(threads: usize) -> All<T> {
        let context = context(threads);
        let simulation = simulation::<T>(&context, &atoms(), &in_window(30, 32));
        let wanted = Wanted { positions: true, potential: true, atoms: true };
        let gradient = pull_back(&context, &simulation, places(), wanted).unwrap();
        let atoms = gradient.atoms.unwrap();
        let of_atom = |i: usize| {
            let [x, y, z] = atoms.position(i);
            [x, y, z, atoms.debye_waller_b(i), atoms.occupancy(i)]
        };
        let by_atom = (0..atoms.len()).map(of_atom).collect();
        (scan(&context, &simulation, places()), gradient.positions, gradient.potential.unwrap(), by_atom)
    }
    assert!(all::<f32>(1) == all::<f32>(2) && all::<f32>(1) == all::<f32>(3));
    assert!(all::<f64>(1) == all::<f64>(2) && all::<f64>(1) == all::<f64>(3));
}

#[test]
fn gradients_by_positions_agree_with_differences() {
    let context = context(2);
    for options in [options(), in_window(30, 32), padded(18, 20)] {
        let simulation = simulation::<f64>(&context, &atoms(), &options);
        let mut of_positions = |x: &[f64]| {
            let places: Vec<_> = x.chunks(2).map(|p| (p[0], p[1])).collect();
            let gradient = pull_back(&context, &simulation, places.clone(), POSITIONS)?;
            assert!(gradient.potential.is_none() && gradient.atoms.is_none());
            let gradient = gradient.positions.iter().flat_map(|g| [g.0, g.1]).collect();
            Ok((loss(&context, &simulation, places), gradient))
        };
        let x: Vec<f64> = places().iter().flat_map(|p| [p.0, p.1]).collect();
        let all: Vec<usize> = (0..x.len()).collect();
        let report = check::gradient(&mut of_positions, &x, &all, &|_| 1e-3).unwrap();
        assert!(report.worst < 1e-6, "{report:?}");
    }
}

#[test]
fn gradients_by_the_potential_agree_with_differences() {
    let context = context(2);
    let pixels: Vec<(usize, usize)> = (0..8).map(|i| (i % 4, (i * 431 + 77) % (ROWS * COLUMNS))).collect();
    let square = SimulationOptions { band_limit: crate::optics::BandLimit::Square, ..options() };
    for options in [options(), square, in_window(30, 32), padded(18, 20)] {
        let from_atoms = simulation::<f64>(&context, &atoms(), &options);
        let slices: Vec<Vec<f64>> =
            (0..4).map(|k| from_atoms.potential(k).unwrap().into_raw_vec_and_offset().0).collect();
        let mut of_potential = |x: &[f64]| {
            let mut slices = slices.clone();
            pixels.iter().zip(x).for_each(|((k, pixel), x)| slices[*k][*pixel] = *x);
            let plane = from_atoms.plane();
            let simulation = given(&context, slices, plane, &EDGES, &options)?;
            let gradient = pull_back(&context, &simulation, places(), POTENTIAL)?;
            assert!(gradient.positions.is_empty() && gradient.atoms.is_none());
            let potential = gradient.potential.unwrap();
            let by_pixel = pixels.iter().map(|(k, p)| potential[[*k, p / COLUMNS, p % COLUMNS]]).collect();
            Ok((loss(&context, &simulation, places()), by_pixel))
        };
        let x: Vec<f64> = pixels.iter().map(|(k, pixel)| slices[*k][*pixel]).collect();
        let all: Vec<usize> = (0..x.len()).collect();
        let report = check::gradient(&mut of_potential, &x, &all, &|_| 20.0).unwrap();
        assert!(report.worst < 1e-6, "{report:?}");
    }
}

/// Which number of an atom is meant, and a step for its differences.
const NUMBERS: [(&str, f64); 4] = [("x", 1e-3), ("y", 1e-3), ("B", 1e-2), ("occupancy", 1e-2)];

#[test]
fn gradients_by_atoms_agree_with_differences() {
    let context = context(2);
    let original = atoms();
    for (number, (name, step)) in NUMBERS.into_iter().enumerate() {
        let mut of_atoms = |x: &[f64]| {
            let mut positions = original.positions().to_vec();
            let mut b = original.debye_waller_b().unwrap().to_vec();
            let mut occupancy = original.occupancies().unwrap().to_vec();
            match number {
                2 => b.copy_from_slice(x),
                3 => occupancy.copy_from_slice(x),
                axis => positions.iter_mut().zip(x).for_each(|(p, x)| p[axis] = *x),
            }
            let atoms = Atoms::new(positions)?.with_species(original.species().to_vec())?;
            let atoms =
                atoms.with_property(Property::DebyeWallerB, b)?.with_property(Property::Occupancy, occupancy)?;
            let simulation = simulation::<f64>(&context, &atoms.with_cell(CELL)?, &options());
            let gradient = pull_back(&context, &simulation, places(), ATOMS)?.atoms.unwrap();
            let of_atom = |i: usize| match number {
                2 => gradient.debye_waller_b(i),
                3 => gradient.occupancy(i),
                axis => gradient.position(i)[axis],
            };
            Ok((loss(&context, &simulation, places()), (0..7).map(of_atom).collect()))
        };
        let x: Vec<f64> = (0..7)
            .map(|i| match number {
                2 => original.debye_waller_b().unwrap()[i],
                3 => original.occupancies().unwrap()[i],
                axis => original.positions()[i][axis],
            })
            .collect();
        let all: Vec<usize> = (0..7).collect();
        let report = check::gradient(&mut of_atoms, &x, &all, &|_| step).unwrap();
        assert!(report.worst < 1e-6, "{name}: {report:?}");
    }
}

#[test]
fn what_cannot_be_simulated_is_refused_with_numbers() {
    let context = context(1);
    let refused = |atoms: &Atoms, energy: f64, options: SimulationOptions| {
        let error = waiting(&context, |w| Simulation::<f32>::new(&context, atoms, energy, &options, w)).err().unwrap();
        (error.code(), error.to_string())
    };
    let no_cell = refused(&atoms().without_cell(), ENERGY, options());
    assert!(no_cell.0 == 200 && no_cell.1.contains("no cell"), "{no_cell:?}");
    for energy in [0.0, -1.0, f64::NAN] {
        assert_eq!(refused(&atoms(), energy, options()).0, 103);
    }
    let thickness = |t| SimulationOptions { slices: SliceEdges::Thickness(t), ..options() };
    for t in [0.0, -1.0, f64::NAN, 1e-9] {
        let error = refused(&atoms(), ENERGY, thickness(t));
        assert!(error.0 == 103 && error.1.contains("slice thickness"), "{error:?}");
    }
    let edges = |edges: &[f64]| SimulationOptions { slices: SliceEdges::Edges(edges.to_vec()), ..options() };
    let error = refused(&atoms(), ENERGY, edges(&[0.0, 2.0, 2.0, 7.5]));
    assert!(error.0 == 103 && error.1.contains("thickness of slice 1 is 0"), "{error:?}");
    let error = refused(&atoms(), ENERGY, edges(&[0.0, 7.0]));
    assert!(error.0 == 302 && error.1.contains("end at 7 angstrom, the cell at 7.5"), "{error:?}");
    let error = refused(&atoms(), ENERGY, in_window(20, 49));
    assert!(error.0 == 101 && error.1.contains("[20, 49]") && error.1.contains("[40, 48]"), "{error:?}");
    assert_eq!(refused(&atoms(), ENERGY, in_window(0, 20)).0, 101);
    for pixel in [0.0, f64::NAN, 1e-9] {
        let options = SimulationOptions { sampling: Sampling::Pixel(pixel), ..options() };
        assert!([101, 103].contains(&refused(&atoms(), ENERGY, options).0));
    }
    assert_eq!(refused(&atoms(), ENERGY, SimulationOptions { absorption: 2.0, ..options() }).0, 103);
    assert_eq!(refused(&atoms(), ENERGY, SimulationOptions { mistilt_mrad: (f64::NAN, 0.0), ..options() }).0, 103);
    let below = atoms().positions().iter().map(|p| [p[0], p[1], p[2] - 1.0]).collect();
    let below = Atoms::new(below).unwrap().with_species(atoms().species().to_vec()).unwrap().with_cell(CELL).unwrap();
    assert_eq!(refused(&below, ENERGY, options()).0, 103);
    context.request_cancel();
    let token = context.cancel_token();
    token.cancel();
    let mut quiet = Waiting { cancel: &token, tell: &mut |_| true };
    let error = Simulation::<f32>::new(&context, &atoms(), ENERGY, &options(), &mut quiet).err().unwrap();
    assert_eq!(error.code(), 1);
}

#[test]
fn probes_that_do_not_fit_are_refused_with_numbers() {
    let context = context(1);
    let simulation = simulation::<f32>(&context, &atoms(), &options());
    let refused = |probe: ProbeOptions| StemPlan::new(&simulation, &probe.build().unwrap()).err().unwrap().to_string();
    let other = refused(ProbeOptions::new(300e3, 20.0));
    assert!(other.contains("300000 eV") && other.contains("200000 eV"), "{other}");
    // 2/3 of the Nyquist frequency of pixels of 1/6 A; lambda = 0.02508 A
    let wide = refused(ProbeOptions::new(ENERGY, 60.0));
    assert!(wide.contains("60") && wide.contains("at most 50.1587 mrad") && wide.contains("0.1393"), "{wide}");
    assert!(simulation.probe_exit_wave(&probe(), (f64::NAN, 0.0), 1, &context.cancel_token()).is_err());
    assert!(simulation
        .probe_exit_wave(&probe(), (1e9, 0.0), 1, &context.cancel_token())
        .unwrap_err()
        .to_string()
        .contains("1e7 angstrom"));
    for slices in [0, 5] {
        let error = simulation.probe_exit_wave(&probe(), (0.0, 0.0), slices, &context.cancel_token()).unwrap_err();
        assert!(error.code() == 103 && error.to_string().contains("1 to 4"), "{error}");
    }
}

#[test]
fn scans_that_make_no_sense_are_refused() {
    assert_eq!(ScanPositions::new(vec![]).unwrap_err().code(), 301);
    assert_eq!(ScanPositions::raster((0.0, 0.0), (1.0, 1.0), (3, 0)).unwrap_err().code(), 301);
    let error = ScanPositions::new(vec![(0.0, 1.0), (2.0, f64::NAN)]).unwrap_err();
    assert!(error.code() == 300 && error.to_string().contains("position 1"), "{error}");
    assert_eq!(ScanPositions::new(vec![(0.0, 1e300)]).unwrap_err().code(), 103);
    let raster = ScanPositions::raster((1.0, 2.0), (4.0, 4.0), (2, 3)).unwrap();
    assert_eq!(raster.as_slice(), [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (1.0, 3.0), (2.0, 3.0), (3.0, 3.0)]);
    assert!(raster.expect_within((3.5, 3.5)).is_ok());
    let error = raster.expect_within((3.0, 3.5)).unwrap_err();
    assert!(error.to_string().contains("scan position 2 is (3, 2)"), "{error}");

    let context = context(1);
    let simulation = simulation::<f32>(&context, &atoms(), &options());
    let plan = StemPlan::new(&simulation, &probe()).unwrap();
    let series = |exits: &[usize]| {
        let detectors = detectors(&simulation);
        waiting(&context, |w| plan.thickness_series(&context, &raster, &detectors, exits, w)).unwrap_err().code()
    };
    assert_eq!([series(&[]), series(&[0]), series(&[2, 2]), series(&[1, 5])], [301, 103, 103, 103]);
    let wide = Plane::new(ROWS, COLUMNS + 2, 0.16, 0.16).unwrap();
    let detector = Detector::new(kinds()[0]).unwrap();
    let other = DetectorPlan::new(&[detector], &wide, 0.025, simulation.options().band_limit).unwrap();
    assert_eq!(waiting(&context, |w| plan.scan(&context, &raster, &other, w)).unwrap_err().code(), 101);
    let pulled = waiting(&context, |w| plan.pull_back(&context, &raster, &other, &by_signal, POSITIONS, w));
    assert_eq!(pulled.unwrap_err().code(), 101);
    let failing = |_: usize, _: &[f64], _: &mut [f64]| Err(Error::Internal("no loss".into()));
    let pulled =
        waiting(&context, |w| plan.pull_back(&context, &raster, &detectors(&simulation), &failing, POSITIONS, w));
    assert!(pulled.unwrap_err().to_string().contains("no loss"));
    let strict = SimulationOptions { within_cell: true, ..options() };
    let strict = self::simulation::<f32>(&context, &atoms(), &strict);
    let plan_within = StemPlan::new(&strict, &probe()).unwrap();
    let at = |x: f64| {
        let positions = ScanPositions::new(vec![(0.0, 0.0), (x, 1.0)]).unwrap();
        waiting(&context, |w| plan_within.scan(&context, &positions, &detectors(&strict), w))
    };
    assert!(at(7.9).is_ok());
    let error = at(8.0).unwrap_err();
    assert!(error.code() == 103 && error.to_string().contains("scan position 1"), "{error}");
    let token = context.cancel_token();
    let mut stop = Waiting { cancel: &token, tell: &mut |_| false };
    assert_eq!(plan.scan(&context, &raster, &detectors(&simulation), &mut stop).unwrap_err().code(), 1);
}

#[test]
fn given_potentials_and_waves_are_checked() {
    let context = context(1);
    let plane = Plane::new(ROWS, COLUMNS, 0.16, 0.16).unwrap();
    let given = |slices: Vec<Vec<f32>>| given(&context, slices, &plane, &EDGES, &options());
    let flat = vec![1.0; plane.pixels()];
    assert_eq!(given(vec![flat.clone(); 3]).err().unwrap().code(), 101);
    assert_eq!(given(vec![vec![1.0; 7]; 4]).err().unwrap().code(), 101);
    let mut hole = vec![flat.clone(); 4];
    hole[2][COLUMNS + 5] = f32::NAN;
    let error = given(hole).err().unwrap();
    assert!(error.code() == 300 && error.to_string().contains("slice 2, row 1, column 5"), "{error}");
    let simulation = given(vec![flat; 4]).unwrap();
    assert_eq!(simulation.potential(4).unwrap_err().code(), 103);
    let error = pull_back(&context, &simulation, places(), ATOMS).unwrap_err();
    assert!(error.to_string().contains("given as a potential"), "{error}");

    let mut wave = Array2::from_elem((ROWS, COLUMNS), Complex64::ONE);
    assert_eq!(simulation.exit_wave(wave.view(), 5, &context.cancel_token()).unwrap_err().code(), 103);
    assert_eq!(simulation.exit_wave(wave.t(), 4, &context.cancel_token()).unwrap_err().code(), 101);
    wave[[3, 4]].im = f64::INFINITY;
    let error = simulation.exit_wave(wave.view(), 4, &context.cancel_token()).unwrap_err();
    assert!(error.code() == 300 && error.to_string().contains("row 3, column 4"), "{error}");
    let windowed = waiting(&context, |w| Simulation::<f32>::new(&context, &atoms(), ENERGY, &in_window(20, 20), w));
    let error = windowed.unwrap().exit_wave(wave.view(), 1, &context.cancel_token()).unwrap_err().to_string();
    assert!(error.contains("20 x 20 pixels"), "{error}");
}
