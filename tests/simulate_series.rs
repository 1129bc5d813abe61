//! Tilt series by multislice: where things are, and that nothing depends on threads, interruptions or kills.

mod common;

use aet::context::Context;
use aet::geometry::{apply, multiply, rotation_about, Mat3, Vec3};
use aet::grid::Plane;
use aet::io::{dataset_folder, npy};
use aet::optics::{BandLimit, Crop, Detector, DetectorKind, DetectorPlan, ProbeOptions};
use aet::pipeline::{memory_estimate, simulate_series, SeriesKind, SeriesProgress, SeriesReport, SeriesRun};
use aet::problem::Waiting;
use aet::simulate::instrument::{Exposure, Scan};
use aet::simulate::stem::{Sampling, ScanPositions, Simulation, SimulationOptions, StemPlan, WindowSize};
use aet::simulate::tilt_series::{MultisliceSeries, SeriesSignal};
use aet::simulate::FrozenPhonons;
use aet::specimen::{Atoms, Property};
use aet::{Error, Result};
use common::{atoms, context};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROWS: usize = 6;
const COLUMNS: usize = 7;
/// Tells the child process of a test what to do: mode and folder.
const CHILD: &str = "AET_TEST_SIMULATE_SERIES";

fn specimen() -> Atoms {
    let count = atoms().len();
    atoms().with_property(Property::DebyeWallerB, vec![0.6; count]).unwrap()
}

/// Two tilts, two foci, 6 x 7 positions, two configurations, noise.
fn images() -> MultisliceSeries {
    let rotations = vec![rotation_about(1, -40.0), multiply(&rotation_about(0, 25.0), &rotation_about(1, 10.0))];
    let mut series = MultisliceSeries::new(ProbeOptions::new(300e3, 20.0), rotations, vec![-6.0, 6.0]);
    (series.rows, series.columns, series.pixel_size) = (ROWS, COLUMNS, 0.7);
    series.vacuum = 2.0;
    series.simulation.sampling = Sampling::Pixel(0.2);
    series.signal = SeriesSignal::Annular { inner_mrad: 15.0, outer_mrad: None };
    series.phonons = Some(FrozenPhonons { configurations: 2, seed: 4 });
    series.instrument.exposure = Exposure::Dose(1e4);
    series.instrument.seed = 9;
    series.probe.source_size = 0.4;
    series
}

fn patterns() -> MultisliceSeries {
    let mut series = images();
    series.signal = SeriesSignal::Patterns { crop: Crop::Angle(25.0), binning: 2 };
    series
}

fn run(context: &Context, atoms: &Atoms, series: &MultisliceSeries, folder: &Path) -> Result<SeriesReport> {
    simulate_series(context, atoms, series, folder, &SeriesRun::default(), &mut |_| true)
}

/// Every file of a folder, byte for byte.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap())).collect()
}

fn partial(folder: &Path) -> PathBuf {
    folder.with_file_name("series.partial")
}

/// The folder of an uninterrupted run, the same name everywhere because the folder holds it.
fn reference(series: &MultisliceSeries) -> BTreeMap<PathBuf, Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let report = run(&context(2), &specimen(), series, &folder).unwrap();
    assert_eq!(report.probes, 2 * 2 * 2 * ROWS * COLUMNS);
    assert_eq!(report.probes_computed, report.probes);
    assert!(!partial(&folder).exists());
    files(&folder)
}

#[test]
fn threads_change_no_bit() {
    for series in [images(), patterns()] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("series");
        run(&context(1), &specimen(), &series, &folder).unwrap();
        assert_eq!(files(&folder), reference(&series));
    }
}

#[test]
fn interrupted_runs_go_on() {
    for series in [images(), patterns()] {
        let whole = reference(&series);
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("series");
        let (mut computed, mut interruptions, mut allowed) = (0, 0, ROWS * COLUMNS);
        loop {
            let mut finished = 0;
            // of the next allowance, the last part is given up after its first probes
            let outcome =
                simulate_series(&context(2), &specimen(), &series, &folder, &SeriesRun::default(), &mut |progress| {
                    assert!(progress.probes.0 <= progress.probes.1 && (0.0..=1.0).contains(&progress.fraction));
                    assert!(progress.tilt.0 < 2 && progress.configuration.0 < 2);
                    finished = finished.max(progress.probes.0);
                    progress.probes.0 < allowed + 3
                });
            match outcome {
                Ok(report) => {
                    computed += report.probes_computed;
                    break;
                }
                Err(error) => assert!(matches!(error, Error::Cancelled { .. }), "{error}"),
            }
            assert!(!folder.exists() && partial(&folder).exists());
            interruptions += 1;
            allowed = finished + ROWS * COLUMNS;
        }
        assert!(interruptions >= 3, "{interruptions}");
        assert!(computed < 2 * 2 * 2 * ROWS * COLUMNS);
        assert_eq!(files(&folder), whole);
    }
}

#[test]
fn a_request_between_two_parts_is_not_lost() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let context = context(1);
    let mut told = 0;
    let outcome = simulate_series(&context, &specimen(), &images(), &folder, &SeriesRun::default(), &mut |progress| {
        told += 1;
        // a part is finished, the next one has not begun
        if progress.probes.0 == ROWS * COLUMNS {
            context.request_cancel();
        }
        true
    });
    assert!(matches!(outcome, Err(Error::Cancelled { .. })), "{outcome:?}");
    assert!(told > 0 && !folder.exists() && partial(&folder).exists());
    run(&context, &specimen(), &images(), &folder).unwrap();
    assert_eq!(files(&folder), reference(&images()));
}

/// What a child process does; nothing where no test asks for it.
#[test]
#[ignore = "run by the tests that kill it"]
fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (mode, folder) = order.split_once(' ').unwrap();
    match mode {
        "slow" => {
            let slowly = &mut |_: &_| {
                std::thread::sleep(Duration::from_millis(100));
                true
            };
            simulate_series(&context(1), &specimen(), &images(), Path::new(folder), &SeriesRun::default(), slowly)
                .unwrap();
        }
        "full" => {
            #[cfg(unix)]
            full_disk(200_000);
            let error = run(&context(1), &specimen(), &patterns(), Path::new(folder)).unwrap_err();
            assert!(matches!(error, Error::File { .. }) && error.to_string().contains("journal"), "{error}");
            println!("refused");
        }
        other => panic!("{other}"),
    }
}

/// No file of this process grows beyond so many bytes: a write fails as it does where no place is left.
#[cfg(unix)]
#[allow(unsafe_code)]
fn full_disk(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: a limit of this process, and the signal that would end it is ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

fn start_child(mode: &str, folder: &Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CHILD, format!("{mode} {}", folder.display()))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_run_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let mut child = start_child("slow", &folder);
    let deadline = Instant::now() + Duration::from_secs(120);
    // the first tilt is finished, the second one begun
    while !partial(&folder).join("tilt_0001.journal").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the child ended too early");
        std::thread::sleep(Duration::from_millis(2));
    }
    let both = run(&context(1), &specimen(), &images(), &folder).unwrap_err();
    assert!(both.to_string().contains("another run is at work"), "{both}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.exists());
    let report = run(&context(2), &specimen(), &images(), &folder).unwrap();
    assert!(report.probes_computed <= report.probes / 2, "{}", report.probes_computed);
    assert_eq!(files(&folder), reference(&images()));
}

#[test]
#[cfg(unix)]
fn a_full_disk_keeps_what_is_finished() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let output = start_child("full", &folder).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("refused"), "{text}");
    let report = run(&context(2), &specimen(), &patterns(), &folder).unwrap();
    assert!(report.probes_computed < report.probes, "{}", report.probes_computed);
    assert_eq!(files(&folder), reference(&patterns()));
}

/// Ends a run when its first part is finished.
fn first_part_only(progress: &SeriesProgress) -> bool {
    progress.probes.0 < ROWS * COLUMNS
}

#[test]
fn folders_of_others_stay_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let cancelled =
        simulate_series(&context(1), &specimen(), &images(), &folder, &SeriesRun::default(), &mut first_part_only);
    assert!(matches!(cancelled, Err(Error::Cancelled { .. })));
    let before = files(&partial(&folder));
    let mut other = images();
    other.foci[0] -= 1e-9;
    let moved = common::moved(&specimen(), 1e-9).with_property(Property::DebyeWallerB, vec![0.6; 12]).unwrap();
    let double = SeriesRun { double: true, memory_cap: None };
    for refused in [
        run(&context(1), &specimen(), &other, &folder),
        run(&context(1), &moved, &images(), &folder),
        simulate_series(&context(1), &specimen(), &images(), &folder, &double, &mut |_| true),
    ] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("series.partial") && error.to_string().contains("another"), "{error}");
    }
    assert_eq!(files(&partial(&folder)), before);
    run(&context(1), &specimen(), &images(), &folder).unwrap();
    let whole = files(&folder);
    let again = run(&context(1), &specimen(), &images(), &folder).unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
    assert_eq!(files(&folder), whole);
}

#[test]
fn bad_input_is_refused_before_any_work() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let refused = |change: &dyn Fn(&mut MultisliceSeries), wanted: &str| {
        let mut series = images();
        change(&mut series);
        let error = run(&context(1), &specimen(), &series, &folder).unwrap_err();
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
        assert!(!folder.exists() && !partial(&folder).exists(), "{wanted}");
    };
    refused(&|s| s.signal = SeriesSignal::Annular { inner_mrad: 15.0, outer_mrad: Some(400.0) }, "400");
    refused(&|s| s.signal = SeriesSignal::Patterns { crop: Crop::Angle(300.0), binning: 1 }, "300");
    refused(&|s| s.rotations.clear(), "rotations");
    refused(&|s| s.rotations[1] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]], "rotation");
    refused(&|s| s.foci.clear(), "foci");
    refused(&|s| s.foci[1] = f64::NAN, "foci");
    refused(&|s| s.rows = 0, "scan");
    refused(&|s| s.pixel_size = -0.3, "pixel_size");
    refused(&|s| s.vacuum = 0.0, "vacuum");
    refused(&|s| s.simulation.sampling = Sampling::Pixel(0.0), "pixel size");
    refused(&|s| s.phonons = Some(FrozenPhonons { configurations: 0, seed: 0 }), "configurations");
    refused(&|s| s.instrument.exposure = Exposure::Dose(-1.0), "dose_per_a2");
    refused(&|s| s.probe.energy_ev = 0.0, "energy");
    refused(&|s| s.spread.defocus = f64::NAN, "defocus spread");
    refused(
        &|s| {
            s.automatic_window = false;
            s.simulation.window = WindowSize::Pixels { rows: 4000, columns: 4000 };
        },
        "4000",
    );
    refused(
        &|s| {
            s.signal = patterns().signal;
            s.instrument.scan = Scan { shear: 0.01, ..Default::default() };
        },
        "scan of the instrument",
    );
    refused(&|s| (s.rows, s.columns) = (usize::MAX, 2), "scan");
    refused(&|s| s.phonons = Some(FrozenPhonons { configurations: 1 << 40, seed: 0 }), "configurations");
    // found where the first tilt begins: nothing may be left that a corrected call would stumble on
    refused(&|s| s.simulation.absorption = 2.0, "absorption");
    let still = run(&context(1), &atoms(), &images(), &folder).unwrap_err();
    assert!(still.to_string().contains("debye_waller_b"), "{still}");
    let none = run(&context(1), &specimen(), &images(), Path::new("/")).unwrap_err();
    assert!(matches!(none, Error::Inconsistent { .. }), "{none}");
    let nowhere = run(&context(1), &specimen(), &images(), &place.path().join("none").join("series"));
    nowhere.unwrap(); // folders on the way are made
}

#[test]
fn the_memory_cap_names_what_is_needed() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let needed = memory_estimate(&images(), &specimen(), 2, false).unwrap();
    assert!((1 << 16..1 << 30).contains(&needed), "{needed}");
    assert!(memory_estimate(&images(), &specimen(), 2, true).unwrap() > needed);
    let capped = SeriesRun { double: false, memory_cap: Some(needed - 1) };
    let error = simulate_series(&context(2), &specimen(), &images(), &folder, &capped, &mut |_| true).unwrap_err();
    assert_eq!(error.code(), 500);
    assert!(error.to_string().contains(&needed.to_string()), "{error}");
    assert!(!partial(&folder).exists());
    let enough = SeriesRun { double: false, memory_cap: Some(needed) };
    simulate_series(&context(2), &specimen(), &images(), &folder, &enough, &mut |_| true).unwrap();
}

/// An ideal series of still atoms.
fn ideal(rotations: Vec<Mat3>, foci: Vec<f64>) -> MultisliceSeries {
    let mut series = images();
    (series.phonons, series.instrument) = (None, Default::default());
    series.probe.source_size = 0.0;
    MultisliceSeries { rotations, foci, ..series }
}

fn simulated(atoms: &Atoms, series: &MultisliceSeries) -> aet::dataset::TiltSeries {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let report = run(&context(2), atoms, series, &folder).unwrap();
    assert_eq!(report.kind, SeriesKind::Images);
    dataset_folder::read(&folder, None, &mut |_| true).unwrap()
}

#[test]
fn images_are_scans_of_the_turned_specimen() {
    let series = ideal(images().rotations, vec![-6.0, 6.0]);
    let read = simulated(&atoms(), &series);
    let version = read.version();
    assert_eq!(version.metadata().get("kind").map(|e| e.value.clone()), Some("simulated multislice series".into()));
    assert_eq!((version.rows(), version.columns(), version.pixel_size()), (ROWS, COLUMNS, 0.7));
    assert_eq!((version.energy_ev(), version.semiangle_mrad()), (Some(300e3), Some(20.0)));
    let context = context(1);
    let cancel = context.cancel_token();
    let frame = series.frame(&atoms()).unwrap();
    let plane = frame.plane();
    let (ly, lx) = plane.extent();
    for (tilt, rotation) in series.rotations.iter().enumerate() {
        let turned: Vec<Vec3> = atoms().positions().iter().map(|p| apply(rotation, p)).collect();
        let height = 2.0 * (turned.iter().map(|p| p[2].abs()).fold(0.0, f64::max) + series.vacuum);
        let placed = turned.iter().map(|p| [p[0] + lx / 2.0, p[1] + ly / 2.0, p[2] + height / 2.0]).collect();
        let cell = Atoms::new(placed).unwrap().with_species(atoms().species().to_vec()).unwrap();
        let cell = cell.with_cell([lx, ly, height]).unwrap();
        let options = SimulationOptions {
            sampling: Sampling::Points { rows: plane.rows, columns: plane.columns },
            window: match frame.window() == plane {
                true => WindowSize::Whole,
                false => WindowSize::Pixels { rows: frame.window().rows, columns: frame.window().columns },
            },
            ..Default::default()
        };
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
        let simulation = Simulation::<f32>::new(&context, &cell, 300e3, &options, &mut waiting).unwrap();
        let limit = BandLimit::Circular.largest_angle_mrad(frame.window(), simulation.wavelength()) * (1.0 - 1e-9);
        let annular = DetectorKind::Annular { inner_mrad: 15.0, outer_mrad: Some(limit) };
        let detectors = [Detector::new(annular).unwrap()];
        let window: &Plane = frame.window();
        let detectors = DetectorPlan::new(&detectors, window, simulation.wavelength(), BandLimit::Circular).unwrap();
        for (section, focus) in series.foci.iter().enumerate() {
            let image = &version.images()[2 * tilt + section];
            assert_eq!((image.tilt, image.section, image.defocus), (tilt, section, *focus));
            let same = image.rotation.iter().flatten().zip(rotation.iter().flatten());
            assert!(same.clone().all(|(a, b)| (a - b).abs() < 1e-15));
            assert_eq!(image.counts_per_unit, None);
            let probe = ProbeOptions::new(300e3, 20.0).defocus(focus + height / 2.0).build().unwrap();
            let at = |i: usize| {
                let (row, column) = (i / COLUMNS, i % COLUMNS);
                (lx / 2.0 + 0.7 * (column as f64 - 3.0), ly / 2.0 + 0.7 * (row as f64 - 3.0))
            };
            let positions = ScanPositions::new((0..ROWS * COLUMNS).map(at).collect()).unwrap();
            let plan = StemPlan::new(&simulation, &probe).unwrap();
            let signals = plan.scan(&context, &positions, &detectors, &mut waiting).unwrap();
            let largest = signals.iter().copied().fold(0.0, f64::max);
            for (got, wanted) in image.pixels.iter().zip(&signals) {
                assert!((f64::from(*got) - wanted).abs() < 1e-5 * largest, "{got} {wanted}");
            }
        }
    }
}

#[test]
fn atoms_show_where_the_convention_says() {
    // three elements, so that neither a mirror image nor an exchange of axes looks the same
    let positions = vec![[2.6, 0.4, -1.2], [-1.7, 2.1, 0.8], [-0.5, -2.4, 1.9]];
    let atoms = Atoms::new(positions.clone()).unwrap().with_species(vec![79, 47, 29]).unwrap();
    let rotations = vec![
        rotation_about(0, 35.0),
        rotation_about(1, 35.0),
        multiply(&rotation_about(0, 20.0), &rotation_about(1, -30.0)),
    ];
    let mut series = ideal(rotations, vec![0.0]);
    series.signal = SeriesSignal::Annular { inner_mrad: 24.0, outer_mrad: None };
    series.simulation.sampling = Sampling::Pixel(0.15);
    (series.rows, series.columns, series.pixel_size) = (28, 31, 0.35);
    let read = simulated(&atoms, &series);
    for (image, rotation) in read.version().images().iter().zip(&series.rotations) {
        let mut brightness = vec![];
        for position in &positions {
            let [x, y, _] = apply(rotation, position);
            let (row, column) = (14.0 + y / 0.35, 15.0 + x / 0.35);
            let (mut sum, mut rows, mut columns) = (0.0, 0.0, 0.0);
            for r in (row - 2.0).round() as usize..=(row + 2.0).round() as usize {
                for c in (column - 2.0).round() as usize..=(column + 2.0).round() as usize {
                    let value = f64::from(image.pixels[r * 31 + c]);
                    sum += value;
                    rows += value * r as f64;
                    columns += value * c as f64;
                }
            }
            let (dr, dc) = (rows / sum - row, columns / sum - column);
            assert!(dr.abs() < 0.45 && dc.abs() < 0.45, "atom at ({row:.2}, {column:.2}) is off by ({dr:.2}, {dc:.2})");
            brightness.push(sum);
        }
        assert!(brightness[0] > brightness[1] && brightness[1] > brightness[2], "{brightness:?}");
    }
}

#[test]
fn a_positive_focus_is_sharp_where_z_is_positive() {
    let atoms = Atoms::new(vec![[0.0, 0.0, 20.0]]).unwrap().with_species(vec![79]).unwrap();
    let mut series = ideal(vec![rotation_about(0, 0.0), rotation_about(0, 180.0)], vec![-20.0, 0.0, 20.0]);
    series.probe.semiangle_mrad = 28.0;
    series.signal = SeriesSignal::Annular { inner_mrad: 35.0, outer_mrad: None };
    series.simulation.sampling = Sampling::Pixel(0.12);
    let read = simulated(&atoms, &series);
    let middle = (ROWS / 2) * COLUMNS + COLUMNS / 2;
    let peak: Vec<f32> = read.version().images().iter().map(|image| image.pixels[middle]).collect();
    assert!(peak[2] > 1.2 * peak[1] && peak[1] > 1.2 * peak[0], "{peak:?}");
    assert!(peak[3] > 1.2 * peak[4] && peak[4] > 1.2 * peak[5], "{peak:?}");
    assert!((peak[2] / peak[3] - 1.0).abs() < 0.01, "{peak:?}");
}

#[test]
fn patterns_are_recorded_with_their_geometry() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("series");
    let mut series = patterns();
    series.instrument.exposure = Exposure::Unlimited;
    let report = run(&context(2), &specimen(), &series, &folder).unwrap();
    assert_eq!(report.kind, SeriesKind::Patterns);
    let header: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(header["schema"], "aet-4dstem-series/1");
    assert_eq!(header["foci_A"], serde_json::json!([-6.0, 6.0]));
    let values = npy::read::<f32>(&folder.join("patterns.npy")).unwrap();
    let &[tilts, foci, rows, columns, ky, kx] = values.shape() else { panic!("{:?}", values.shape()) };
    assert_eq!((tilts, foci, rows, columns), (2, 2, ROWS, COLUMNS));
    assert_eq!(header["zero_angle_pixel"], serde_json::json!([ky / 2, kx / 2]));
    let step = header["detector_step_mrad"].as_f64().unwrap();
    assert!(((kx / 2) as f64 * step) <= 25.0 && ((kx / 2 + 1) as f64 * step) > 25.0, "{step} {kx}");
    // nearly all of the beam lies within the detector; band-limited transmission functions are not quite unitary
    for pattern in values.as_slice().unwrap().chunks_exact(ky * kx) {
        let sum: f64 = pattern.iter().map(|v| f64::from(*v)).sum();
        assert!((0.7..=1.005).contains(&sum), "{sum}");
    }
    let positions = npy::read::<f64>(&folder.join("scan_positions.npy")).unwrap();
    assert_eq!(positions.shape(), [ROWS, COLUMNS, 2]);
    assert!((positions[[0, 6, 0]] - 2.1).abs() < 1e-12 && (positions[[0, 6, 1]] + 2.1).abs() < 1e-12);
    // counts have the mean that the dose tells
    let counted = reference(&patterns());
    std::fs::write(place.path().join("counts.npy"), &counted[Path::new("patterns.npy")]).unwrap();
    let counts = npy::read::<f32>(&place.path().join("counts.npy")).unwrap();
    assert!(counts.iter().all(|v| *v >= 0.0 && v.fract() == 0.0));
    let electrons = 1e4 * 0.7 * 0.7;
    let (got, wanted) = (f64::from(counts.sum()), electrons * f64::from(values.sum()));
    assert!((got - wanted).abs() < 6.0 * wanted.sqrt() + 1e-3 * wanted, "{got} {wanted}");
}
