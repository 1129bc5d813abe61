//! Windows, PRISM and ensembles against what they stand for.

use super::*;
use crate::forward::prism::PrismOptions;

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
