use super::*;
use crate::context::ContextOptions;
use crate::specimen::random_packing;

fn with<R>(threads: usize, work: impl FnOnce(&Context, &mut Waiting<'_>) -> R) -> R {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    work(&context, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

fn told(found: &Atoms, truth: &Atoms, options: &AccuracyOptions) -> Accuracy {
    with(2, |context, waiting| accuracy(context, found, truth, options, waiting)).unwrap()
}

/// A cube of 9^3 atoms, 3 angstrom apart and centred, species 29 below z = 0 and 79 else.
fn truth() -> Atoms {
    let at = |i: usize| [i % 9, i / 9 % 9, i / 81].map(|v| 3.0 * v as f64 - 12.0);
    let positions: Vec<Vec3> = (0..729).map(at).collect();
    let species = positions.iter().map(|p| if p[2] < 0.0 { 29 } else { 79 }).collect();
    Atoms::new(positions).unwrap().with_species(species).unwrap()
}

/// Two atoms lost (the corner, the centre), one of them another species, two extra, all moved by 0.2 along x. Errors of
/// 10 pm along z, alternating.
fn found(truth: &Atoms) -> Atoms {
    let keep = |i: &usize| *i != 0 && *i != 364;
    let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let place = |i: usize| {
        let p = truth.positions()[i];
        [p[0] + 0.2, p[1], p[2] + 0.1 * sign(i)]
    };
    let mut positions: Vec<Vec3> = (0..729).filter(keep).map(place).collect();
    let mut species: Vec<u8> = (0..729).filter(keep).map(|i| truth.species()[i]).collect();
    species[0] = 79;
    positions.extend([[1.5, 1.5, 1.5], [0.0, 0.0, 16.5]]);
    species.extend([79, 0]);
    Atoms::new(positions).unwrap().with_species(species).unwrap()
}

#[test]
fn every_atom_has_its_row() {
    let (truth, report) = (truth(), told(&found(&truth()), &truth(), &AccuracyOptions::default()));
    let c = &report.comparison;
    assert_eq!((c.matched, c.missing, c.extra, c.tracing_error), (727, 2, 2, 4.0 / 729.0));
    let column = |name| report.atoms.column(name).unwrap().to_vec();
    assert_eq!(report.atoms.rows(), 731);
    let state = column("state");
    assert_eq!([state[0], state[1], state[727], state[728], state[729], state[730]], [1.0, 0.0, 2.0, 2.0, 3.0, 3.0]);
    let index = column("true_index");
    assert!(index[0] == 1.0 && index[727].is_nan() && index[729] == 0.0 && index[730] == 364.0);
    // missing atoms are shown where they are missing: in the frame of the found atoms
    assert!((column("x")[730] - 0.2).abs() < 1e-4, "{}", column("x")[730]);
    assert!((column("error_z")[0] + 10.0).abs() < 0.1 && column("error")[727].is_nan());
    let (depth, surface) = (column("depth"), column("surface_distance"));
    assert!(depth[0] == -12.0 && depth[730] == 0.0 && surface[0] < 1e-6 && (surface[730] - 12.0).abs() < 1e-6);
    assert!((surface[727] - 10.5).abs() < 0.01 && (surface[728] + 4.5).abs() < 0.01, "{:?}", &surface[727..]);
    assert_eq!(column("true_species")[730], f64::from(truth.species()[364]));
    assert!((report.atoms.value("rmsd").unwrap() - 10.0).abs() < 0.05);
    assert_eq!(report.atoms.value("species_correct").unwrap(), 726.0 / 729.0);
}

#[test]
fn the_confusion_matrix_counts_every_atom_once() {
    let report = told(&found(&truth()), &truth(), &AccuracyOptions::default());
    let matrix = report.confusion().unwrap();
    let names: Vec<&str> = matrix.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["true_species", "X", "Cu", "Au", "missing", "rate"]);
    let column = |name| matrix.column(name).unwrap().to_vec();
    assert_eq!(column("Cu"), [322.0, 0.0, 0.0]);
    assert_eq!(column("Au"), [1.0, 404.0, 1.0]);
    assert_eq!((column("X"), column("missing")), (vec![0.0, 0.0, 1.0], vec![1.0, 1.0, 0.0]));
    assert_eq!(column("rate")[..2], [322.0 / 324.0, 404.0 / 405.0]);
    assert!(column("true_species")[2].is_nan() && column("rate")[2].is_nan());
}

#[test]
fn errors_against_depth_and_surface() {
    let report = told(&found(&truth()), &truth(), &AccuracyOptions::default());
    let depth = report.by_depth(4.0).unwrap();
    assert_eq!(depth.column("lower").unwrap(), [-12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0, 16.0]);
    assert_eq!(depth.column("true_count").unwrap(), [162.0, 81.0, 81.0, 162.0, 81.0, 81.0, 81.0, 0.0]);
    assert_eq!(depth.column("missing").unwrap(), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(depth.column("extra").unwrap(), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(depth.column("wrong_species").unwrap()[0], 1.0);
    for name in ["rmsd", "rmsd_z", "median", "quartile_1", "largest"] {
        let column = depth.column(name).unwrap();
        assert!((column[0] - 10.0).abs() < 0.1 && column[7].is_nan(), "{name}: {column:?}");
    }
    let surface = report.by_surface(2.0).unwrap();
    assert_eq!(surface.column("lower").unwrap()[..4], [-6.0, -4.0, -2.0, 0.0]);
    assert_eq!(surface.column("true_count").unwrap()[3], 9.0f64.powi(3) - 7.0f64.powi(3));
    // any column will do, and an axis of one's own
    assert_eq!(error_profile(&report.atoms, "found_species", 1.0).unwrap().rows(), 80);
    let tilted = AccuracyOptions { depth_axis: Some([0.5, 0.0, 0.0]), ..Default::default() };
    assert_eq!(
        told(&truth(), &truth(), &tilted).by_depth(4.0).unwrap().column("lower").unwrap(),
        [-8.0, -4.0, 0.0, 4.0]
    );
}

#[test]
fn quartiles_lie_between_neighbours() {
    let table = errors_at(vec![1.0; 4], vec![4.0, 1.0, 3.0, 2.0]);
    let profile = error_profile(&table, "depth", 4.0).unwrap();
    let at = |name| profile.column(name).unwrap()[0];
    assert_eq!([at("quartile_1"), at("median"), at("quartile_3"), at("largest")], [1.75, 2.5, 3.25, 4.0]);
    assert_eq!([at("mean"), at("smallest"), at("whisker_low"), at("whisker_high")], [2.5, 1.0, 1.0, 4.0]);
    assert_eq!(at("outliers"), 0.0);
    assert_eq!((at("rmsd"), at("rmsd_x"), at("rmsd_y")), (7.5f64.sqrt(), 7.5f64.sqrt(), 0.0));
}

/// A table as the profiles read it: matched atoms with errors along x only.
fn errors_at(depths: Vec<f64>, errors: Vec<f64>) -> Table {
    let n = errors.len();
    Table::new(n)
        .with_column("state", "", vec![0.0; n])
        .and_then(|t| t.with_column("depth", "A", depths))
        .and_then(|t| t.with_column("error", "pm", errors.clone()))
        .and_then(|t| t.with_column("error_x", "pm", errors))
        .and_then(|t| t.with_column("error_y", "pm", vec![0.0; n]))
        .and_then(|t| t.with_column("error_z", "pm", vec![0.0; n]))
        .unwrap()
}

#[test]
fn whiskers_end_at_the_last_values_near_the_box() {
    // Quartiles of 1 to 8 and 30: 3, 5, 7; whiskers reach to 13 at most.
    let errors = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 30.0];
    let profile = error_profile(&errors_at(vec![1.0; 9], errors.to_vec()), "depth", DEPTH_INTERVAL).unwrap();
    let at = |name| profile.column(name).unwrap()[0];
    assert_eq!([at("quartile_1"), at("median"), at("quartile_3")], [3.0, 5.0, 7.0]);
    assert_eq!([at("smallest"), at("whisker_low"), at("whisker_high"), at("largest")], [1.0, 1.0, 8.0, 30.0]);
    assert_eq!((at("outliers"), at("mean")), (1.0, 66.0 / 9.0));
}

#[test]
fn histograms_of_depth_intervals_share_their_bins() {
    let table = errors_at(vec![-80.0, -79.0, -77.0, -45.0, 0.5, 1.0], vec![1.0, 2.0, 3.0, 2.0, 5.0, f64::NAN]);
    let counts = error_histogram(&table, "depth", 4.0, Some(4)).unwrap();
    let names: Vec<&str> = counts.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["lower", "upper", "count", "count_-80", "count_-48", "count_0"]);
    assert_eq!(counts.column("lower").unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(counts.column("count_-80").unwrap(), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(counts.column("count").unwrap(), [1.0, 2.0, 1.0, 1.0]);
    assert_eq!(error_histogram(&table, "depth", 0.0, None).unwrap_err().code(), 103);
    assert_eq!(error_histogram(&table, "depth", 4.0, Some(0)).unwrap_err().code(), 103);
    let unmatched = errors_at(vec![1.0], vec![f64::NAN]);
    assert_eq!(error_histogram(&unmatched, "depth", 4.0, None).unwrap_err().code(), 301);
}

#[test]
fn threads_do_not_matter() {
    let truth = Atoms::new(random_packing(700, 24.0, 2.2, 3).unwrap()).unwrap();
    let found = Atoms::new(random_packing(700, 24.0, 2.2, 4).unwrap()).unwrap();
    let options = AccuracyOptions::default();
    let run = |threads| {
        let report = with(threads, |context, waiting| accuracy(context, &found, &truth, &options, waiting)).unwrap();
        let columns = report.atoms.columns().iter();
        columns.flat_map(|c| c.content.iter().map(|v| v.to_bits())).collect::<Vec<u64>>()
    };
    assert!(run(1) == run(2) && run(1) == run(3));
}

#[test]
fn bad_input_is_refused_and_waiting_ends() {
    let atoms = truth();
    let refused = |options: AccuracyOptions| {
        with(1, |context, waiting| accuracy(context, &atoms, &atoms, &options, waiting)).unwrap_err().code()
    };
    for axis in [[0.0; 3], [f64::NAN, 0.0, 1.0]] {
        assert_eq!(refused(AccuracyOptions { depth_axis: Some(axis), ..Default::default() }), 103);
    }
    assert_eq!(refused(AccuracyOptions { probe_radius: Some(-1.0), ..Default::default() }), 103);
    let cutoff = CompareOptions { cutoff: -1.0, ..Default::default() };
    assert_eq!(refused(AccuracyOptions { compare: cutoff, ..Default::default() }), 103);
    let report = told(&atoms, &atoms, &AccuracyOptions::default());
    for width in [0.0, -4.0, f64::NAN, 1e-9] {
        assert_eq!(report.by_depth(width).unwrap_err().code(), 103);
    }
    assert_eq!(error_profile(&report.atoms, "height", 1.0).unwrap_err().code(), 104);
    let other = Table::new(1).with_column("depth", "A", vec![0.0]).unwrap();
    assert_eq!(error_profile(&other, "depth", 1.0).unwrap_err().code(), 104);
    assert_eq!(confusion(&other).unwrap_err().code(), 104);
    let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
    let cancel = context.cancel_token();
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| false };
    let ended = accuracy(&context, &atoms, &atoms, &AccuracyOptions::default(), &mut waiting);
    assert_eq!(ended.unwrap_err().code(), 1);
}
