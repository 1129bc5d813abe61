//! Scans against multislice written down plainly, windows against the whole, gradients against finite differences.

use super::*;
use crate::check;
use crate::context::ContextOptions;
use crate::optics::{Crop, Detector, DetectorKind, DetectorPlan, ProbeOptions};
use crate::specimen::{Property, ScatteringFactor};
use ndarray::Array3;

#[path = "../../../../tests/common/plain_multislice.rs"]
mod plain_multislice;
use plain_multislice::Plain;

/// Projected scattering factor by frequency, and position of an atom.
type Factor = (Box<dyn Fn(f64) -> f64>, [f64; 3]);
/// Signals, and the gradients by positions, potential and atoms.
type All<T> = (Vec<f64>, Vec<(f64, f64)>, Array3<T>, Vec<[f64; 5]>);

mod methods;

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
