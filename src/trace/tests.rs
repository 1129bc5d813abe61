//! Tracing of volumes whose atoms are known.

use super::*;
use crate::context::{Context, ContextOptions};
use crate::error::Result;
use crate::geometry::Vec3;
use crate::problem::Waiting;
use crate::specimen::{compare, random_packing, Atoms, CompareOptions, Comparison, Volume};
use ndarray::Array3;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};

fn run(threads: usize, volume: &Volume, options: &TraceOptions<'_>) -> Result<Tracing> {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    trace(&context, volume, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

/// Gaussian atoms: position (x, y, z) in A, height, standard deviation in A.
fn volume_of(atoms: &[(Vec3, f64, f64)], shape: [usize; 3], voxel: f64, background: f64) -> Volume {
    let mut values = Array3::from_elem(shape, background as f32);
    let empty = Volume::new(values.clone(), voxel).unwrap();
    for ((z, y, x), value) in values.indexed_iter_mut() {
        let p = empty.position([z as f64, y as f64, x as f64]);
        for (at, height, sigma) in atoms {
            let r2: f64 = (0..3).map(|a| (p[a] - at[a]).powi(2)).sum::<f64>() / (sigma * sigma);
            if r2 < 40.0 {
                *value += (height * (-0.5 * r2).exp()) as f32;
            }
        }
    }
    Volume::new(values, voxel).unwrap()
}

fn noisy(volume: &Volume, deviation: f64, seed: u64) -> Volume {
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let normal = Normal::new(0.0, deviation).unwrap();
    let values = volume.values().mapv(|v| v + normal.sample(&mut random) as f32);
    Volume::new(values, volume.voxel_size()).unwrap()
}

fn compared(found: &Atoms, truth: &[Vec3]) -> Comparison {
    compare(found, &Atoms::new(truth.to_vec()).unwrap(), &CompareOptions::default()).unwrap()
}

const VOXEL: f64 = 0.34;

fn packing(seed: u64) -> (Vec<Vec3>, Volume) {
    let truth = random_packing(120, 14.0, 2.3, seed).unwrap();
    let atoms: Vec<_> = truth.iter().map(|p| (*p, 2.0, 0.5)).collect();
    let volume = volume_of(&atoms, [53, 54, 55], VOXEL, 0.1);
    (truth, volume)
}

fn with(method: Method) -> TraceOptions<'static> {
    TraceOptions { method, minimum_distance: Some(1.6), ..Default::default() }
}

#[test]
fn every_method_finds_all_atoms_the_better_ones_nearer() {
    let (truth, volume) = packing(2);
    let rmsd = [Method::Parabola, Method::Polynomial, Method::Gaussian].map(|method| {
        let traced = run(2, &volume, &with(method)).unwrap();
        let c = compared(&traced.atoms, &truth);
        println!("{method:?}: {} pm, {} missing, {} extra", c.rmsd_pm, c.missing, c.extra);
        assert_eq!((c.missing, c.extra), (0, 0), "{method:?}");
        assert!(traced.atoms.heights().unwrap().windows(2).all(|h| h[0] >= h[1]));
        for threads in [1, 3] {
            let again = run(threads, &volume, &with(method)).unwrap();
            assert_eq!((&again.atoms, again.threshold, again.noise), (&traced.atoms, traced.threshold, traced.noise));
            assert_eq!(format!("{:?}", again.candidates), format!("{:?}", traced.candidates));
        }
        c.rmsd_pm
    });
    assert!(rmsd[1] < rmsd[0] && rmsd[2] < rmsd[1] && rmsd[0] < 3.0, "{rmsd:?}");
}

#[test]
fn gaussians_tell_height_and_width() {
    let at = |x: f64| [x, 0.3 * x, -0.2];
    let atoms = [(at(-3.0), 2.0, 0.5), (at(0.1), 3.0, 0.6), (at(3.2), 1.5, 0.45)];
    let volume = volume_of(&atoms, [21, 25, 41], 0.3, 0.4);
    let options = TraceOptions { fit_radius: Some(1.2), ..with(Method::Gaussian) };
    let traced = run(1, &volume, &options).unwrap();
    let order = [1, 0, 2];
    for (k, i) in order.into_iter().enumerate() {
        let (position, height, sigma) = atoms[i];
        let candidate = traced.candidates[k];
        assert!((0..3).all(|a| (candidate.position[a] - position[a]).abs() < 0.01), "{candidate:?}");
        assert!((candidate.height / height - 1.0).abs() < 0.03, "{candidate:?}");
        assert!((candidate.widths[0] / (2.0 * sigma * sigma) - 1.0).abs() < 0.05, "{candidate:?}");
        assert!((traced.atoms.widths().unwrap()[k] - candidate.widths[1]).abs() < 1e-9);
    }
    let three = run(1, &volume, &TraceOptions { anisotropic: true, ..options }).unwrap();
    assert_eq!(three.atoms.len(), 3);
}

#[test]
fn standard_errors_are_those_of_repeated_noise() {
    let truth: Vec<Vec3> = (0..8)
        .map(|i| [0, 1, 2].map(|a| if i >> a & 1 == 1 { 2.0 } else { -2.1 } + 0.07 * f64::from(i * (a + 1) % 5)))
        .collect();
    let atoms: Vec<_> = truth.iter().map(|p| (*p, 2.0, 0.5)).collect();
    let clean = volume_of(&atoms, [36, 36, 36], VOXEL, 0.2);
    for method in [Method::Parabola, Method::Polynomial, Method::Gaussian] {
        let options = TraceOptions { fit_radius: None, ..with(method) };
        let reference = run(2, &clean, &options).unwrap();
        let (mut squares, mut predicted, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..24 {
            let traced = run(2, &noisy(&clean, 0.08, seed), &options).unwrap();
            assert!((traced.noise / 0.08 - 1.0).abs() < 0.1, "{}", traced.noise);
            for (position, error) in traced.atoms.positions().iter().zip(traced.atoms.standard_errors().unwrap()) {
                let near = |p: &&Vec3| (0..3).map(|a| (p[a] - position[a]).powi(2)).sum::<f64>() < 0.3;
                let Some(wanted) = reference.atoms.positions().iter().find(near) else { panic!("{position:?}") };
                squares += (0..3).map(|a| (position[a] - wanted[a]).powi(2)).sum::<f64>();
                predicted += error.iter().map(|e| e * e).sum::<f64>();
                count += 3.0;
            }
        }
        let (seen, told) = ((squares / count).sqrt(), (predicted / count).sqrt());
        println!("{method:?}: {seen} A seen, {told} A told, {count} coordinates");
        assert!(count >= 24.0 * 24.0 && (told / seen - 1.0).abs() < 0.25, "{method:?}: {told} {seen}");
    }
}

#[test]
fn the_histogram_finds_the_threshold() {
    let (truth, volume) = packing(3);
    for (deviation, species) in [(0.3, 1), (0.1, 1), (0.15, 2)] {
        let weak = truth.iter().enumerate().map(|(i, p)| (*p, if i % species == 1 { 1.0 } else { 2.5 }, 0.5));
        let clean =
            if species == 1 { volume.clone() } else { volume_of(&weak.collect::<Vec<_>>(), [53, 54, 55], VOXEL, 0.1) };
        let options = TraceOptions { threshold: Threshold::Histogram, ..with(Method::Parabola) };
        let traced = run(2, &noisy(&clean, deviation, 5), &options).unwrap();
        let c = compared(&traced.atoms, &truth);
        assert!(c.missing + c.extra <= 1, "noise {deviation}: {} missing, {} extra", c.missing, c.extra);
        let few = TraceOptions { threshold: Threshold::Value(traced.threshold), ..options };
        assert_eq!(run(1, &noisy(&clean, deviation, 5), &few).unwrap().atoms, traced.atoms);
    }
}

#[test]
fn every_candidate_has_its_flag() {
    let atoms = [
        ([-4.0, 0.0, 0.0], 3.0, 0.5),
        ([0.1, 0.1, 0.0], 2.0, 0.5),
        ([1.7, 0.2, 0.0], 1.5, 0.5),
        ([5.0, 0.0, 0.2], 1.0, 0.5),
    ];
    let volume = volume_of(&atoms, [25, 26, 49], 0.3, 0.0);
    let base = TraceOptions { minimum_distance: Some(1.2), ..Default::default() };
    let flags = |options: &TraceOptions| {
        let traced = run(2, &volume, options).unwrap();
        traced.candidates.iter().map(|c| c.flag).collect::<Vec<_>>()
    };
    use Flag::*;
    assert_eq!(flags(&base), [Accepted; 4]);
    let apart = TraceOptions { minimum_distance: Some(2.0), ..base.clone() };
    assert_eq!(flags(&apart), [Accepted, Accepted, TooClose, Accepted]);
    // What was removed closes no ball: its neighbour comes back.
    let removed = TraceOptions { removed: vec![[0.2, 0.0, 0.3]], ..apart.clone() };
    assert_eq!(flags(&removed), [Accepted, Removed, Accepted, Accepted]);
    assert_eq!(flags(&TraceOptions { max_atoms: Some(2), ..base.clone() }), [Accepted, Accepted, Surplus, Surplus]);
    let support = Array3::from_shape_fn((25, 26, 49), |(_, _, x)| if x < 35 { 1.0 } else { 0.0 });
    let support = Volume::new(support, 0.3).unwrap();
    assert_eq!(
        flags(&TraceOptions { support: Some(&support), ..base.clone() }),
        [Accepted, Accepted, Accepted, OutOfSupport]
    );
    // An atom by hand takes the place of a maximum nearby, and stands alone where there is none.
    let added = TraceOptions { added: vec![[4.8, 0.0, 0.0], [-1.9, 2.0, 2.0]], ..base.clone() };
    let traced = run(2, &volume, &added).unwrap();
    assert_eq!(
        traced.candidates.iter().map(|c| c.flag).collect::<Vec<_>>(),
        [Added, Added, Accepted, Accepted, Accepted, TooClose]
    );
    assert_eq!(traced.atoms.len(), 5);
    let near = |p: &Vec3, q: Vec3| (0..3).all(|a| (p[a] - q[a]).abs() < 0.1);
    assert!(near(&traced.candidates[0].position, [5.0, 0.0, 0.2]), "{:?}", traced.candidates[0]);
    assert!(near(&traced.candidates[1].position, [-1.9, 2.0, 2.0]));
}

/// Strong and weak atoms like barium and oxygen, 2.77 A apart, on a grid of which the resolution makes shoulders.
fn oxide() -> (Vec<Vec3>, Vec<Vec3>, Volume) {
    let (mut strong, mut weak) = (Vec::new(), Vec::new());
    for i in 0..64 {
        let site = [i / 16, i / 4 % 4, i % 4];
        let jitter = |a: usize| 0.05 * ((i * (a + 3) + a) as f64 * 1.7).sin();
        let at = std::array::from_fn(|a| 2.77 * (site[a] as f64 - 1.5) + jitter(a));
        let of = if site.iter().sum::<usize>() % 2 == 0 { &mut strong } else { &mut weak };
        of.push(at);
    }
    let atoms = strong.iter().map(|p| (*p, 10.0, 0.75)).chain(weak.iter().map(|p| (*p, 0.7, 0.75)));
    let volume = volume_of(&atoms.collect::<Vec<_>>(), [44, 44, 44], 0.35, 0.0);
    (strong, weak, volume)
}

#[test]
fn weak_neighbours_are_explained_out_of_the_tails() {
    let (strong, weak, volume) = oxide();
    let volume = noisy(&volume, 0.05, 1);
    let all: Vec<Vec3> = strong.iter().chain(&weak).copied().collect();
    let plain = TraceOptions { minimum_distance: Some(1.6), threshold: Threshold::Part(0.05), ..Default::default() };
    let before = compared(&run(2, &volume, &plain).unwrap().atoms, &all);
    assert!(before.missing >= weak.len() / 2, "{} missing, {} extra", before.missing, before.extra);
    let options = TraceOptions { explain_rounds: 6, explain_part: Some(0.7), ..plain };
    let traced = run(2, &volume, &options).unwrap();
    let after = compared(&traced.atoms, &all);
    println!("oxide: {} -> {} missing, {} extra, {} pm", before.missing, after.missing, after.extra, after.rmsd_pm);
    assert_eq!((after.missing, after.extra), (0, 0), "rmsd {}", after.rmsd_pm);
    assert!(after.rmsd_pm < 10.0, "{}", after.rmsd_pm);
    assert!(traced.candidates.iter().any(|c| c.round > 0 && c.flag == Flag::Accepted));
    for threads in [1, 3] {
        assert_eq!(run(threads, &volume, &options).unwrap().atoms, traced.atoms);
    }
}

#[test]
fn two_atoms_of_one_maximum_are_told_apart() {
    let pair = [[-0.42, 0.1, 0.0], [0.45, 0.1, 0.05]]; // 1.75 standard deviations
    let alone = [[-4.0, 2.0, 1.0], [4.0, -2.0, 0.0], [0.0, 4.0, -2.0]];
    let truth: Vec<Vec3> = pair.iter().chain(&alone).copied().collect();
    let atoms: Vec<_> = truth.iter().map(|p| (*p, 2.0, 0.5)).collect();
    let clean = volume_of(&atoms, [30, 44, 46], 0.25, 0.0);
    for (deviation, tolerance) in [(0.0, 1.0), (0.02, 6.0)] {
        let volume = if deviation > 0.0 { noisy(&clean, deviation, 2) } else { clean.clone() };
        let plain = TraceOptions { minimum_distance: Some(0.6), ..Default::default() };
        assert_eq!(run(1, &volume, &plain).unwrap().atoms.len(), 4);
        let traced = run(2, &volume, &TraceOptions { explain_rounds: 4, ..plain }).unwrap();
        let c = compared(&traced.atoms, &truth);
        assert_eq!((c.missing, c.extra), (0, 0), "{:#?}", traced.candidates);
        assert!(c.rmsd_pm < tolerance, "{} pm at noise {deviation}", c.rmsd_pm);
    }
}

#[test]
fn clean_atoms_need_no_explaining() {
    let (truth, volume) = packing(4);
    let options = TraceOptions { explain_rounds: 3, ..with(Method::Parabola) };
    let traced = run(2, &volume, &options).unwrap();
    let c = compared(&traced.atoms, &truth);
    println!("explained packing: {} pm", c.rmsd_pm);
    assert_eq!((c.missing, c.extra), (0, 0));
    assert!(c.rmsd_pm < 0.5 && traced.candidates.iter().all(|c| c.round == 0));
    assert!(traced.atoms.widths().unwrap().iter().all(|b| (b / 0.5 - 1.0).abs() < 0.05));
}

#[test]
fn bad_input_is_named() {
    let (_, volume) = packing(5);
    let fail = |options: TraceOptions<'_>, wanted: i32, text: &str| {
        let error = run(1, &volume, &options).unwrap_err();
        assert!(error.code() == wanted && error.to_string().contains(text), "{error}");
    };
    let base = TraceOptions::default;
    fail(TraceOptions { minimum_distance: Some(0.5), ..base() }, 103, "0.68, two voxels of 0.34");
    fail(TraceOptions { minimum_distance: Some(f64::NAN), ..base() }, 103, "minimum_distance");
    fail(TraceOptions { smoothing: -1.0, ..base() }, 103, "smoothing");
    fail(TraceOptions { threshold: Threshold::Part(-0.1), ..base() }, 103, "threshold");
    fail(TraceOptions { threshold: Threshold::Value(f64::INFINITY), ..base() }, 103, "threshold");
    fail(TraceOptions { threshold: Threshold::Value(50.0), ..base() }, 301, "above 5.0000e1");
    fail(TraceOptions { threshold: Threshold::Part(3.0), ..base() }, 301, "highest smoothed value");
    fail(TraceOptions { max_atoms: Some(0), ..base() }, 103, "max_atoms");
    fail(TraceOptions { fit_radius: Some(0.1), ..base() }, 103, "fit_radius");
    fail(TraceOptions { removal_radius: Some(0.0), ..base() }, 103, "removal_radius");
    fail(TraceOptions { explain_part: Some(0.0), ..base() }, 103, "explain_part");
    fail(TraceOptions { added: vec![[0.0, 0.0, 99.0]], ..base() }, 103, "z of added position 0 is 99");
    fail(TraceOptions { removed: vec![[f64::NAN, 0.0, 0.0]], ..base() }, 103, "x of removed position 0");
    let other = |shape: (usize, usize, usize), voxel: f64| Volume::new(Array3::ones(shape), voxel).unwrap();
    fail(TraceOptions { support: Some(&other((53, 54, 54), VOXEL)), ..base() }, 101, "support");
    fail(TraceOptions { support: Some(&other((53, 54, 55), 0.4)), ..base() }, 302, "support");
    let nowhere = Volume::new(Array3::zeros((53, 54, 55)), VOXEL).unwrap();
    fail(TraceOptions { support: Some(&nowhere), ..base() }, 301, "maxima above");
    let flat = Volume::new(Array3::from_elem((9, 8, 7), 2.5), 1.0).unwrap();
    let error = run(1, &flat, &base()).unwrap_err();
    assert!(error.code() == 301 && error.to_string().contains("all voxels are 2.5"), "{error}");
    let thin = Volume::new(Array3::from_shape_fn((2, 8, 8), |(z, y, x)| (z + y * x) as f32), 1.0).unwrap();
    assert_eq!(run(1, &thin, &base()).unwrap_err().code(), 301);
    let edited = TraceOptions { added: vec![[0.0; 3]], ..base() };
    assert_eq!(run(1, &thin, &edited).unwrap_err().code(), 301);
}

#[test]
fn cancelling_ends_every_phase() {
    let (_, volume) = packing(6);
    let options = TraceOptions { explain_rounds: 2, ..with(Method::Gaussian) };
    for until in [0.05, 0.25, 0.4, 0.55, 0.68] {
        let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |done| done < until };
        assert_eq!(trace(&context, &volume, &options, &mut waiting).unwrap_err().code(), 1, "{until}");
    }
}
