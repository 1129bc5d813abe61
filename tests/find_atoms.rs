//! The search for atoms on images made here: species, starts, supports, what comes and goes between fits.

mod common;

use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, TiltSeries};
use aet::forward::local_orbital::{Orbital, OrbitalTerm};
use aet::geometry::{self, rotation_about, Mat3, Vec3};
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::Termination;
use aet::problem::Progress;
use aet::reconstruct::{find_atoms, FindOptions, FirstGuess, Found, LotModel, LotOptions, TomographyOptions};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{compare, random_packing, Atoms, CompareOptions, Comparison, Volume};
use aet::Error;
use common::context;
use ndarray::Array3;

const PIXEL: f64 = 0.5;
const EDGE: usize = 52;
const TILTS: usize = 16;

/// Places and heights of the atoms that the images show.
type Specimen = Vec<(Vec3, f64)>;

/// Tilts about y.
fn rotations() -> Vec<Mat3> {
    let angle = |i: usize| -75.0 + 150.0 * i as f64 / (TILTS - 1) as f64;
    (0..TILTS).map(|i| rotation_about(1, angle(i))).collect()
}

/// Images of Gaussian atoms h exp(-r^2 / `width`), tilted about y.
fn series(specimen: &Specimen, width: f64) -> TiltSeries {
    let rotations = rotations();
    let mut images = Array3::zeros((TILTS, EDGE, EDGE));
    for ((i, r, c), pixel) in images.indexed_iter_mut() {
        let at = |index: usize| (index as f64 - (EDGE / 2) as f64) * PIXEL;
        let value = |(place, height): &(Vec3, f64)| {
            let p = geometry::apply(&rotations[i], place);
            height * (-((at(c) - p[0]).powi(2) + (at(r) - p[1]).powi(2)) / width).exp()
        };
        *pixel = (2.0 + specimen.iter().map(value).sum::<f64>()) as f32;
    }
    let frames = Frames::new(TILTS).with_rotations(Rotations::Matrices(rotations));
    let options = SeriesOptions { pixel_size: PIXEL, length_unit: LengthUnit::Angstrom, ..Default::default() };
    TiltSeries::new(options, images.view(), &frames).unwrap()
}

/// Sixty atoms of height 10.
fn alike() -> Specimen {
    random_packing(60, 10.0, 2.3, 6).unwrap().into_iter().map(|p| (p, 10.0)).collect()
}

/// The same, every third four times as high.
fn copper_and_gold() -> Specimen {
    alike().into_iter().enumerate().map(|(i, (p, h))| (p, if i % 3 == 0 { 4.0 * h } else { h })).collect()
}

fn atoms_of(specimen: &Specimen) -> Atoms {
    let species = specimen.iter().map(|(_, h)| if *h > 20.0 { 79 } else { 29 }).collect();
    Atoms::new(specimen.iter().map(|(p, _)| *p).collect()).unwrap().with_species(species).unwrap()
}

fn find(series: &TiltSeries, options: &FindOptions) -> Found {
    find_atoms(&context(2), series, None, options, &mut |_| true).unwrap()
}

fn against(found: &Found, specimen: &Specimen) -> Comparison {
    let c = compare(&found.atoms, &atoms_of(specimen), &CompareOptions::default()).unwrap();
    println!("{} matched, {} missing, {} extra, {} pm", c.matched, c.missing, c.extra, c.rmsd_pm);
    c
}

fn total(found: &Found, column: &str) -> f64 {
    found.cycles.column(column).unwrap().iter().sum()
}

/// Nine tenths of the atoms, a little beside their places, and four where there are none.
fn poor_start(specimen: &Specimen) -> Atoms {
    let known = specimen.iter().enumerate().filter(|(i, _)| i % 10 != 4).map(|(i, (p, _))| {
        let by = 0.2 * if i % 2 == 0 { 1.0 } else { -1.0 };
        [p[0] + by, p[1] - by, p[2] + by]
    });
    let empty = [[11.7, 0.0, 1.0], [-11.7, 1.0, 0.0], [0.0, 11.7, 0.5], [0.5, -11.7, 0.0]];
    let empty = empty
        .into_iter()
        .filter(|e| specimen.iter().all(|(p, _)| (0..3).map(|a| (p[a] - e[a]).powi(2)).sum::<f64>().sqrt() > 1.7));
    let start = Atoms::new(known.chain(empty).collect()).unwrap();
    assert_eq!(start.len(), 54 + 4);
    start
}

#[test]
fn heights_tell_two_species() {
    let specimen = copper_and_gold();
    let series = series(&specimen, 0.5);
    let options = FindOptions { species: vec![29, 79], ..Default::default() };
    let shaped = find(&series, &options);
    let found = find(&series, &FindOptions { keep_orbital: true, ..options });
    for (found, rmsd_pm) in [(&shaped, 0.3), (&found, 0.1)] {
        let c = against(found, &specimen);
        assert_eq!((c.matched, c.missing, c.extra, c.species_correct), (60, 0, 0, 1.0));
        assert!(c.rmsd_pm < rmsd_pm && found.termination == Termination::Stalled, "{} pm", c.rmsd_pm);
        let probabilities = found.atoms.probabilities().unwrap();
        assert!(probabilities.iter().all(|p| *p > 0.99));
        assert!(found.r_factor < 0.2 * found.r_factor_traced, "{} {}", found.r_factor, found.r_factor_traced);
    }
}

#[test]
fn a_start_is_completed_and_cleared_of_false_atoms() {
    let specimen = alike();
    let start = poor_start(&specimen);
    let options = FindOptions { start: Some(start.clone()), species: vec![29], ..Default::default() };
    let found = find(&series(&specimen, 0.5), &options);
    let c = against(&found, &specimen);
    assert_eq!((c.matched, c.missing, c.extra, c.species_correct), (60, 0, 0, 1.0));
    assert!(c.rmsd_pm < 0.1 && found.termination == Termination::Stalled, "{} pm", c.rmsd_pm);
    assert_eq!(found.traced.positions(), start.positions());
    decisions_add_up(&found);
    let gone = total(&found, "dropped") + total(&found, "lonely") + total(&found, "merged");
    assert!(total(&found, "added") >= 6.0 && gone >= 4.0);
}

#[test]
fn threads_do_not_change_a_bit() {
    let series = series(&copper_and_gold(), 0.5);
    for (first_guess, max_cycles) in [(FirstGuess::Volume, 2), (FirstGuess::Grid, 1)] {
        let options =
            FindOptions { first_guess, species: vec![29, 79], max_cycles, fit_iterations: 8, ..Default::default() };
        let run = |threads| {
            let found = find_atoms(&context(threads), &series, None, &options, &mut |_| true).unwrap();
            // what does not apply is NaN, which equals nothing
            (found.atoms, found.traced, found.cycles, format!("{:?}", found.decisions))
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(3));
    }
}

/// Columns of the table of fits that count decisions, with their kinds.
const COUNTED: [(&str, &[f64]); 6] = [
    ("dropped", &[1.0, 2.0]),
    ("lonely", &[3.0]),
    ("merged", &[4.0]),
    ("split", &[5.0]),
    ("added", &[6.0]),
    ("reclassified", &[7.0]),
];

/// Every orbital that came or went is told, in the fit in which it did.
fn decisions_add_up(found: &Found) {
    let column = |name: &str| found.decisions.column(name).unwrap();
    let of_fit = |name: &str, fit: usize| found.cycles.column(name).unwrap()[fit];
    for fit in 0..found.cycles.rows() {
        let kinds = || column("cycle").iter().zip(column("kind")).filter(|(c, _)| **c == fit as f64 + 1.0);
        for (name, codes) in COUNTED {
            let told = kinds().filter(|(_, kind)| codes.contains(kind)).count();
            assert_eq!(told as f64, of_fit(name, fit), "{name} in fit {fit}");
        }
        if fit + 1 < found.cycles.rows() {
            let gone = of_fit("dropped", fit) + of_fit("lonely", fit) + of_fit("merged", fit);
            let left = of_fit("atoms", fit) - gone + of_fit("split", fit) + of_fit("added", fit);
            assert_eq!(left, of_fit("atoms", fit + 1), "after fit {fit}");
        }
    }
    for (kind, ratio) in column("kind").iter().zip(column("ratio")) {
        let below = [1.0, 4.0, 7.0].contains(kind);
        // doubtful peaks are tried, too
        let limit = if *kind == 6.0 { 0.7 } else { 1.0 };
        assert!(*kind == 2.0 || (*ratio <= limit) == below, "kind {kind}, ratio {ratio}");
    }
}

#[test]
fn a_grid_of_orbitals_becomes_the_atoms() {
    let specimen = alike();
    let options = FindOptions { first_guess: FirstGuess::Grid, ..Default::default() };
    let found = find(&series(&specimen, 0.5), &options);
    let c = against(&found, &specimen);
    assert_eq!((c.matched, c.missing, c.extra), (60, 0, 0));
    assert!(c.rmsd_pm < 0.1 && found.termination == Termination::Stalled, "{} pm", c.rmsd_pm);
    let orbitals = found.cycles.column("atoms").unwrap();
    assert!(orbitals[0] > 600.0 && orbitals[2] < 120.0, "{orbitals:?}");
    assert_eq!(orbitals[2], found.traced.len() as f64);
    decisions_add_up(&found);
}

#[test]
fn a_grid_fills_its_support() {
    let specimen: Specimen = alike().into_iter().filter(|(p, _)| p[0] > 1.0).collect();
    let inside = Array3::from_shape_fn([EDGE; 3], |(_, _, x)| if x > EDGE / 2 { 1.0 } else { 0.0 });
    let support = Some(Volume::new(inside, PIXEL).unwrap());
    let options = FindOptions { first_guess: FirstGuess::Grid, grid_spacing: Some(1.2), support, ..Default::default() };
    let found = find(&series(&specimen, 0.5), &options);
    let c = against(&found, &specimen);
    assert_eq!((c.missing, c.extra), (0, 0));
    // the box is 26 A wide, 10 by 21 by 21 places to the right, most of which are in vacuum
    assert!(found.cycles.column("atoms").unwrap()[0] < 0.5 * 10.0 * 21.0 * 21.0);
}

#[test]
fn a_grid_tells_two_species() {
    let specimen = copper_and_gold();
    let options = FindOptions { first_guess: FirstGuess::Grid, species: vec![29, 79], ..Default::default() };
    let found = find(&series(&specimen, 0.5), &options);
    let c = against(&found, &specimen);
    assert_eq!((c.matched, c.missing, c.extra, c.species_correct), (60, 0, 0, 1.0));
    decisions_add_up(&found);
}

#[test]
fn atoms_far_from_all_others_are_noise_unless_told_otherwise() {
    let specimen: Specimen = alike().into_iter().filter(|(p, _)| p[0] < 2.0).collect();
    let mut dirty = specimen.clone();
    dirty.push(([9.5, 0.0, 0.0], 10.0));
    let series = series(&dirty, 0.5);
    let search = |isolation, support| find(&series, &FindOptions { isolation, support, ..Default::default() });
    let there = |found: &Found| found.atoms.positions().iter().any(|p| p[0] > 7.0);
    let automatic = search(None, None);
    assert!(!there(&automatic) && total(&automatic, "lonely") >= 1.0);
    let c = against(&automatic, &specimen);
    assert_eq!((c.missing, c.extra), (0, 0));
    assert!(!there(&search(Some(4.5), None)));
    let all = search(Some(f64::INFINITY), None);
    assert!(there(&all) && total(&all, "lonely") == 0.0);
    assert_eq!(against(&all, &dirty).missing, 0);
    // where it may not be it is not, though it counts as no noise
    let inside = Array3::from_shape_fn([EDGE; 3], |(_, _, x)| if (x as f64) < 26.0 + 5.0 / PIXEL { 1.0 } else { 0.0 });
    let supported = search(Some(f64::INFINITY), Some(Volume::new(inside, PIXEL).unwrap()));
    assert!(!there(&supported));
    assert_eq!(against(&supported, &specimen).missing, 0);
}

#[test]
fn an_orbital_of_two_atoms_is_split() {
    let mut specimen: Specimen = alike().into_iter().filter(|(p, _)| p[0].hypot(p[1]).hypot(p[2]) > 3.4).collect();
    let pair = [[-0.4, 0.0, 0.45], [0.4, 0.0, -0.45]];
    let mut start: Vec<Vec3> = specimen.iter().map(|(p, _)| *p).collect();
    start.push([0.0; 3]);
    specimen.extend(pair.map(|p| (p, 10.0)));
    let options = FindOptions {
        start: Some(Atoms::new(start).unwrap()),
        minimum_distance: Some(1.0),
        isolation: Some(f64::INFINITY),
        ..Default::default()
    };
    let series = series(&specimen, 1.2);
    let found = find(&series, &options);
    let c = against(&found, &specimen);
    assert!(total(&found, "split") >= 1.0);
    assert_eq!((c.missing, c.extra), (0, 0));
    let never = find(&series, &FindOptions { split: Some(f64::INFINITY), ..options });
    assert_eq!(total(&never, "split"), 0.0);
}

#[test]
fn stopping_keeps_the_last_fit() {
    let specimen = alike();
    let series = series(&specimen, 0.5);
    let options = FindOptions { start: Some(poor_start(&specimen)), ..Default::default() };
    let stopped_in = |cycle| {
        let mut observer = |p: &Progress| p.iteration < cycle;
        find_atoms(&context(2), &series, None, &options, &mut observer)
    };
    let kept = stopped_in(2).unwrap();
    assert_eq!((kept.termination, kept.cycles.rows()), (Termination::Cancelled, 1));
    let whole = find(&series, &FindOptions { max_cycles: 1, ..options.clone() });
    assert_eq!((whole.termination, &whole.atoms), (Termination::MaxIterations, &kept.atoms));
    assert!(matches!(stopped_in(1).unwrap_err(), Error::Cancelled { .. }));
}

#[test]
fn parameters_beside_the_atoms_may_be_fitted() {
    let specimen: Specimen = alike().into_iter().take(20).collect();
    let start = Some(atoms_of(&specimen));
    let few = FindOptions { start, max_cycles: 1, fit_iterations: 5, ..Default::default() };
    let series = series(&specimen, 0.5);
    let plain = find(&series, &few);
    let freer = find(&series, &FindOptions { free: vec!["drift".into(), "scale".into()], ..few });
    assert_ne!(plain.atoms, freer.atoms);
}

/// Atoms with a skirt: a quarter of their peak is four times as wide.
fn skirted() -> Orbital {
    let term = |weight, width| OrbitalTerm { weight, width };
    Orbital::gaussians(&[term(0.75, 1.0), term(0.25, 4.0)]).unwrap()
}

/// Width B of atoms with a skirt, A^2.
const CORE: f64 = 0.5;

/// Images of atoms of this shape, all of one height, in focus or through a probe.
fn images_of(specimen: &Specimen, orbital: Orbital, probe: Option<&Probe>) -> TiltSeries {
    let plan = SeriesPlan {
        rows: EDGE,
        columns: EDGE,
        pixel_size: PIXEL,
        rotations: rotations(),
        foci: vec![0.0],
        orbital,
        width: CORE,
        height: 10.0,
        background: 2.0,
        oversampling: 1,
        slice_thickness: 2.0,
        seed: None,
    };
    local_orbital_series(&context(2), &atoms_of(specimen), probe, &plan).unwrap()
}

/// Atoms a little beside their places.
fn beside(specimen: &Specimen) -> Atoms {
    let by = |i: usize| [0.1, -0.1][i % 2];
    let places = specimen.iter().enumerate().map(|(i, (p, _))| [p[0] + by(i), p[1] - by(i), p[2] + by(i)]);
    Atoms::new(places.collect()).unwrap()
}

#[test]
fn the_images_tell_the_shape_of_the_atoms() {
    let specimen: Specimen = alike().into_iter().take(40).collect();
    let series = images_of(&specimen, skirted(), None);
    let start = Some(beside(&specimen));
    let options = FindOptions { start, max_cycles: 4, hold_out: 0.0, ..Default::default() };
    let kept = find(&series, &FindOptions { keep_orbital: true, ..options.clone() });
    let found = find(&series, &options);
    let (with_gaussians, with_shape) = (against(&kept, &specimen), against(&found, &specimen));
    assert_eq!(kept.fit.orbital, Orbital::default());
    assert!(found.fit.orbital.terms().len() > 1, "{:?}", found.fit.orbital);
    let width = found.atoms.widths().unwrap()[0];
    let off = |r: f64| (found.fit.orbital.at(r, width)[0] - skirted().at(r, CORE)[0]).abs();
    let worst = (0..60).map(|i| off(0.05 * f64::from(i))).fold(0.0, f64::max);
    println!("shape off by {worst:.4} of its peak; R {:.5} and {:.5}", kept.r_factor, found.r_factor);
    assert!(worst < 0.05 && found.r_factor < 0.3 * kept.r_factor);
    assert_eq!((with_shape.missing, with_shape.extra), (0, 0));
    assert!(with_shape.rmsd_pm < 0.5 * with_gaussians.rmsd_pm);
    assert!(found.moved && kept.moved && found.fit.model == LotModel::Direct);
}

/// The images, each moved by up to `pixels` along rows and columns: what a fit finds in some, others do not bear out.
fn misaligned(series: &TiltSeries, pixels: i64) -> TiltSeries {
    let (moved, version) = (series.fork(), series.version());
    for (tilt, rotation) in rotations().into_iter().enumerate() {
        let by = |i: usize| ((common::noise(i) - 0.5) * 2.0 * pixels as f64).round() as i64;
        let (down, right) = (by(2 * tilt), by(2 * tilt + 1));
        let from = |i: usize, by: i64| (i as i64 - by).rem_euclid(EDGE as i64) as usize;
        let pixels = &version.images()[tilt].pixels;
        let image = Array3::from_shape_fn((1, EDGE, EDGE), |(_, r, c)| pixels[from(r, down) * EDGE + from(c, right)]);
        let frames = Frames::new(1).with_rotations(Rotations::Matrices(vec![rotation]));
        moved.replace_tilt(tilt, image.view(), &frames).unwrap();
    }
    moved
}

#[test]
fn atoms_move_where_held_out_images_bear_it_out() {
    let specimen: Specimen = alike().into_iter().take(40).collect();
    let aligned = images_of(&specimen, Orbital::default(), None);
    let start = beside(&specimen);
    let options = FindOptions { start: Some(start.clone()), max_cycles: 1, hold_out: 0.125, ..Default::default() };
    let clean = find(&aligned, &options);
    assert!(clean.moved && against(&clean, &specimen).rmsd_pm < 1.0);
    let astray = misaligned(&aligned, 6);
    let still = find(&astray, &options);
    assert!(!still.moved);
    let off = |p: &Vec3, q: &Vec3| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>().sqrt();
    let stayed = |p: &&Vec3| start.positions().iter().any(|q| off(p, q) < 1e-9);
    assert!(still.atoms.len() > 5 && still.atoms.positions().iter().all(|p| stayed(&p)));
    // all images are fitted where none are held out
    let anyhow = find(&astray, &FindOptions { hold_out: 0.0, ..options.clone() });
    assert!(anyhow.moved && !anyhow.atoms.positions().iter().any(|p| stayed(&p)));
}

#[test]
fn the_images_tell_the_model() {
    let specimen: Specimen = alike().into_iter().take(25).collect();
    let series = images_of(&specimen, Orbital::default(), None);
    let probe = common::probe();
    let options = FindOptions {
        fit: LotOptions { model: LotModel::Rigid, ..Default::default() },
        start: Some(atoms_of(&specimen)),
        max_cycles: 1,
        fit_iterations: 10,
        hold_out: 0.0,
        ..Default::default()
    };
    let model = |options: &FindOptions| {
        let found = find_atoms(&context(2), &series, Some(&probe), options, &mut |_| true).unwrap();
        found.fit.model
    };
    assert_eq!(model(&options), LotModel::Direct);
    assert_eq!(model(&FindOptions { keep_model: true, ..options }), LotModel::Rigid);
}

#[test]
fn pixels_of_probes_come_once_the_search_has_settled() {
    let specimen: Specimen = alike().into_iter().take(25).collect();
    let coma = ProbeOptions::new(300e3, 25.0).aberration("C21", 1500.0).unwrap().build().unwrap();
    let series = images_of(&specimen, Orbital::default(), Some(&coma));
    let options = FindOptions {
        fit: LotOptions { model: LotModel::Adaptive, ..Default::default() },
        start: Some(beside(&specimen)),
        keep_model: true,
        keep_orbital: true,
        fit_iterations: 25,
        ..Default::default()
    };
    let search = |options: &FindOptions| {
        find_atoms(&context(2), &series, Some(&common::probe()), options, &mut |_| true).unwrap()
    };
    let found = search(&options);
    let rigid = search(&FindOptions { fit: LotOptions::default(), ..options.clone() });
    assert_eq!((found.fit.model, rigid.fit.model), (LotModel::Adaptive, LotModel::Rigid));
    assert_eq!(found.termination, Termination::Stalled);
    assert!(found.cycles.rows() > rigid.cycles.rows(), "{} {}", found.cycles.rows(), rigid.cycles.rows());
    let adaptive = against(&found, &specimen);
    println!("R {:.5} rigid, {:.5} adaptive", rigid.r_factor, found.r_factor);
    assert_eq!((adaptive.matched, adaptive.extra), (25, 0));
    assert!(found.r_factor < 0.7 * rigid.r_factor && adaptive.rmsd_pm < 5.0, "{} pm", adaptive.rmsd_pm);
    // where no cycle is left for them they stay away
    let short = search(&FindOptions { max_cycles: rigid.cycles.rows(), ..options });
    assert_eq!((short.fit.model, short.cycles), (LotModel::Rigid, rigid.cycles));
}

#[test]
fn bad_input_is_refused() {
    let specimen: Specimen = alike().into_iter().take(3).collect();
    let series = series(&specimen, 0.5);
    let usual = FindOptions { start: Some(atoms_of(&specimen)), fit_iterations: 2, ..Default::default() };
    let error = |options: FindOptions| find_atoms(&context(1), &series, None, &options, &mut |_| true).unwrap_err();
    let refused = |options: FindOptions, code: i32, mention: &str| {
        let error = error(options);
        assert!(error.code() == code && error.to_string().contains(mention), "{} {error}", error.code());
    };
    refused(FindOptions { species: vec![29, 104], ..usual.clone() }, 103, "104");
    refused(FindOptions { species: vec![29, 29], ..usual.clone() }, 103, "once");
    for split in [0.5, 1.0, f64::NAN] {
        refused(FindOptions { split: Some(split), ..usual.clone() }, 103, "split");
    }
    for isolation in [0.0, -1.0, f64::NAN] {
        refused(FindOptions { isolation: Some(isolation), ..usual.clone() }, 103, "isolation");
    }
    for part in [-0.1, 0.6, f64::NAN] {
        refused(FindOptions { hold_out: part, ..usual.clone() }, 103, "hold_out");
    }
    refused(FindOptions { free: vec!["nonsense".into()], ..usual.clone() }, 104, "nonsense");
    let support = |edge: usize, size: f64| Some(Volume::new(Array3::ones([edge; 3]), size).unwrap());
    refused(FindOptions { support: support(3, PIXEL), ..usual.clone() }, 101, "support");
    let cube = TomographyOptions { shape: Some([EDGE; 3]), ..FindOptions::linear_volume() };
    let finer = FindOptions { support: support(EDGE, 0.4), tomography: cube, ..usual.clone() };
    refused(finer, 302, "support");
    refused(FindOptions { species: vec![1, 2, 3, 4], ..usual.clone() }, 302, "4 species");
    refused(FindOptions { first_guess: FirstGuess::Grid, ..usual.clone() }, 302, "`start`");
    let grid = FindOptions { first_guess: FirstGuess::Grid, start: None, ..usual };
    for spacing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(FindOptions { grid_spacing: Some(spacing), ..grid.clone() }, 103, "grid_spacing");
    }
    let finer = FindOptions { grid_spacing: Some(0.49), ..grid.clone() };
    refused(finer, 103, "grid_spacing is 0.49, wanted at least the size of a pixel, 0.5");
    let small = LotOptions { memory_limit: Some(1000), ..grid.fit.clone() };
    refused(FindOptions { fit: small, ..grid.clone() }, 500, "orbitals (option memory_limit)");
    let huge = TomographyOptions { shape: Some([260; 3]), ..FindOptions::linear_volume() };
    refused(FindOptions { tomography: huge, grid_spacing: Some(0.5), ..grid.clone() }, 103, "16777216 orbitals");
    let nowhere = Some(Volume::new(Array3::zeros([EDGE; 3]), PIXEL).unwrap());
    refused(FindOptions { support: nowhere, ..grid }, 301, "grid");
}
