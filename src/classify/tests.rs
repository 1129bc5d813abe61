//! Made-up specimens of known species.

use super::profile::Profiles;
use super::samples::Samples;
use super::*;
use crate::context::{Context, ContextOptions};
use crate::error::Result;
use crate::geometry::Vec3;
use crate::problem::Waiting;
use crate::specimen::{Atoms, Volume};
use ndarray::Array3;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

const VOXEL: f64 = 0.4;

/// Candidates on a jittered lattice; `truth` 0 for places where there is no atom.
struct Specimen {
    volume: Volume,
    atoms: Atoms,
    truth: Vec<u8>,
}

/// How a specimen is made: atomic number and height of each kind, the scatter of heights, the noise of voxels, and by
/// how much intensities rise from one side to the other.
struct Recipe {
    kinds: &'static [(u8, f64)],
    scatter: f64,
    noise: f64,
    drift: f64,
}

const TWO: Recipe = Recipe { kinds: &[(29, 1.0), (79, 2.0)], scatter: 0.08, noise: 0.1, drift: 0.0 };
const WITH_VACANCIES: Recipe = Recipe { kinds: &[(0, 0.0), (29, 1.0), (79, 2.0)], ..TWO };
const THREE: Recipe = Recipe { kinds: &[(28, 1.0), (46, 1.6), (78, 2.4)], ..TWO };

fn specimen(recipe: &Recipe, seed: u64) -> Specimen {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let normal = Normal::new(0.0, 1.0).unwrap();
    let mut values = Array3::zeros((44, 46, 48));
    let empty = Volume::new(values.clone(), VOXEL).unwrap();
    let (mut positions, mut truth) = (vec![], vec![]);
    for i in 0..216 {
        let place = [i % 6, i / 6 % 6, i / 36];
        let p: Vec3 = place.map(|n| 2.5 * (f64::from(n) - 2.5) + random.random_range(-0.2..0.2));
        let (species, height) = recipe.kinds[random.random_range(0..recipe.kinds.len())];
        let height = height * (1.0 + recipe.scatter * normal.sample(&mut random)) * (1.0 + recipe.drift * p[0] / 7.5);
        let centre = empty.index(&p).map(|v| v.round() as usize);
        for (z, y, x) in ndarray::indices((11, 11, 11)) {
            let at = [centre[0] + z - 5, centre[1] + y - 5, centre[2] + x - 5];
            let q = empty.position(at.map(|v| v as f64));
            let r2: f64 = (0..3).map(|a| (q[a] - p[a]).powi(2)).sum();
            values[at] += (height * (-0.5 * r2 / (0.5 * 0.5)).exp()) as f32;
        }
        positions.push(p);
        truth.push(species);
    }
    values.iter_mut().for_each(|v: &mut f32| *v += (recipe.noise * normal.sample(&mut random)) as f32);
    let atoms = Atoms::new(positions).unwrap();
    Specimen { volume: Volume::new(values, VOXEL).unwrap(), atoms, truth }
}

fn with<R>(threads: usize, run: impl FnOnce(&Context, &mut Waiting<'_>) -> R) -> R {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    run(&context, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

impl Specimen {
    fn classified(&self, options: &ClassifyOptions) -> Result<Classification> {
        with(2, |context, waiting| classify_atoms(context, &self.volume, &self.atoms, options, waiting))
    }

    /// Part of the candidates whose species is right.
    fn right(&self, found: &Classification) -> f64 {
        let species = found.table.column("species").unwrap();
        let right = species.iter().zip(&self.truth).filter(|(a, b)| **a == f64::from(**b)).count();
        right as f64 / self.truth.len() as f64
    }
}

const ALL: [ClassifyMethod; 4] =
    [ClassifyMethod::KMeans, ClassifyMethod::Gaussian, ClassifyMethod::ProfileGlobal, ClassifyMethod::ProfileLocal];

fn of(species: &[u8], non_atoms: bool, method: ClassifyMethod) -> ClassifyOptions {
    ClassifyOptions { species: species.to_vec(), non_atoms, method, ..Default::default() }
}

#[test]
fn species_and_vacancies_come_back() {
    let specimen = specimen(&WITH_VACANCIES, 1);
    for method in ALL {
        let found = specimen.classified(&of(&[29, 79], true, method)).unwrap();
        assert!(specimen.right(&found) > 0.985, "{method:?}: {}", specimen.right(&found));
        let class = found.table.column("class").unwrap();
        let kept: Vec<usize> = (0..216).filter(|i| class[*i] != 0.0).collect();
        assert_eq!(found.atoms.positions(), specimen.atoms.subset(&kept).unwrap().positions());
        let species: Vec<u8> = kept.iter().map(|i| found.table.column("species").unwrap()[*i] as u8).collect();
        assert_eq!(found.atoms.species(), species);
        let probability = found.table.column("probability").unwrap();
        assert_eq!(found.atoms.probabilities().unwrap(), kept.iter().map(|i| probability[*i]).collect::<Vec<_>>());
        let columns = ["probability_0", "probability_1", "probability_2"].map(|c| found.table.column(c).unwrap());
        for i in 0..216 {
            assert!((columns.iter().map(|c| c[i]).sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(columns[class[i] as usize][i], probability[i]);
            assert!(columns.iter().all(|c| c[i] <= probability[i]));
        }
        assert_eq!(found.classes.column("class").unwrap(), [0.0, 1.0, 2.0]);
        assert_eq!(found.classes.column("species").unwrap(), [0.0, 29.0, 79.0]);
        assert_eq!(found.classes.column("count").unwrap().iter().sum::<f64>(), 216.0);
        let mean = found.classes.column("mean").unwrap();
        assert!(mean[0] < mean[1] && (mean[2] - mean[0]) / (mean[1] - mean[0]) > 1.8, "{mean:?}");
        assert_eq!(found.classes.value("converged").unwrap(), 1.0);
        assert!(found.table.column("inside").unwrap().iter().all(|v| *v == 1.0));
    }
    let profile = specimen.classified(&of(&[29, 79], true, ClassifyMethod::ProfileGlobal)).unwrap();
    assert!(profile.classes.value("background").unwrap().abs() < 0.1);
}

#[test]
fn three_species_with_overlap() {
    let specimen = specimen(&THREE, 2);
    for method in ALL {
        let found = specimen.classified(&of(&[28, 46, 78], false, method)).unwrap();
        assert!(specimen.right(&found) > 0.96, "{method:?}: {}", specimen.right(&found));
        assert_eq!(found.atoms.len(), 216);
        assert_eq!(found.classes.column("class").unwrap(), [1.0, 2.0, 3.0]);
        assert!(found.table.column("probability_0").is_err());
    }
}

#[test]
fn profiles_see_through_noise_that_confuses_sums() {
    let noisy = Recipe { noise: 0.9, scatter: 0.0, ..TWO };
    let (mut by_sums, mut by_profiles) = (0.0, 0.0);
    for seed in 0..4 {
        let specimen = specimen(&noisy, 10 + seed);
        let rate = |method| specimen.right(&specimen.classified(&of(&[29, 79], false, method)).unwrap());
        by_sums += rate(ClassifyMethod::Gaussian) / 4.0;
        by_profiles += rate(ClassifyMethod::ProfileGlobal) / 4.0;
    }
    assert!(by_profiles > by_sums + 0.02 && by_profiles > 0.93, "sums {by_sums}, profiles {by_profiles}");
}

#[test]
fn local_profiles_follow_a_drift() {
    let drifting = Recipe { drift: 0.45, ..TWO };
    let specimen = specimen(&drifting, 3);
    let rate = |method| {
        let options = ClassifyOptions { radius: Some(4.5), ..of(&[29, 79], false, method) };
        specimen.right(&specimen.classified(&options).unwrap())
    };
    let (global, local) = (rate(ClassifyMethod::ProfileGlobal), rate(ClassifyMethod::ProfileLocal));
    assert!(global < 0.93 && local > 0.97, "global {global}, local {local}");
}

/// The published claim: the classes do not depend on where the iteration starts.
#[test]
fn profiles_agree_on_the_same_classes_from_any_start() {
    let specimen = specimen(&TWO, 4);
    let mut random = Pcg64Mcg::seed_from_u64(9);
    let first: Vec<usize> = specimen.truth.iter().map(|z| usize::from(*z == 79)).collect();
    let swapped = first.iter().map(|k| 1 - k).collect::<Vec<_>>();
    let halved = (0..216).map(|i| i / 108).collect::<Vec<_>>();
    let mut shuffled = first.clone();
    shuffled.shuffle(&mut random);
    for radius in [None, Some(10.0)] {
        with(2, |context, waiting| {
            let positions = specimen.atoms.positions();
            let samples = Samples::read(context, &specimen.volume, positions, Region::default(), waiting).unwrap();
            let profiles = Profiles { samples: &samples, positions, classes: 2, non_atoms: false, radius };
            let mut from = |start: &Vec<usize>| profiles.agree(context, start.clone(), waiting).unwrap();
            let agreed = from(&first);
            assert!(agreed.converged && agreed.class == first);
            for start in [&swapped, &halved, &shuffled] {
                assert_eq!(from(start).class, agreed.class, "{radius:?}");
            }
        });
    }
}

#[test]
fn threads_seeds_order_and_orientation_do_not_matter() {
    let specimen = specimen(&Recipe { noise: 0.4, ..WITH_VACANCIES }, 5);
    let mut order: Vec<usize> = (0..216).collect();
    order.shuffle(&mut Pcg64Mcg::seed_from_u64(1));
    // Sizes that turn by 90 degrees about z in themselves: the first 1, 1 and 3 planes along z, y and x are left out.
    let odd = Volume::new(specimen.volume.values().slice(ndarray::s![1.., 1.., 3..]).to_owned(), VOXEL).unwrap();
    let corner = specimen.volume.position([1.0, 1.0, 3.0]);
    let shift: Vec3 = std::array::from_fn(|a| odd.position([0.0; 3])[a] - corner[a]);
    let positions: Vec<Vec3> =
        specimen.atoms.positions().iter().map(|p| std::array::from_fn(|a| p[a] + shift[a])).collect();
    // (x, y) -> (-y, x): what lies at (y, -x) comes to (x, y).
    let turned_values = Array3::from_shape_fn((43, 45, 45), |(z, y, x)| odd.values()[[z, 44 - x, y]]);
    let turned = Volume::new(turned_values, VOXEL).unwrap();
    let turned_atoms = Atoms::new(positions.iter().map(|p| [-p[1], p[0], p[2]]).collect()).unwrap();
    let straight_atoms = Atoms::new(positions).unwrap();
    for method in ALL {
        let options = ClassifyOptions { smoothing: 0.3, seed: 7, ..of(&[29, 79], true, method) };
        let run = |threads, volume: &Volume, atoms: &Atoms| {
            with(threads, |context, waiting| classify_atoms(context, volume, atoms, &options, waiting)).unwrap()
        };
        let one = run(1, &specimen.volume, &specimen.atoms);
        assert!(one == run(2, &specimen.volume, &specimen.atoms) && one == run(3, &specimen.volume, &specimen.atoms));
        let class = |found: &Classification| found.table.column("class").unwrap().to_vec();
        let reordered = run(2, &specimen.volume, &specimen.atoms.subset(&order).unwrap());
        assert_eq!(class(&reordered), order.iter().map(|i| class(&one)[*i]).collect::<Vec<_>>(), "{method:?}");
        let (straight, turned) = (run(2, &odd, &straight_atoms), run(2, &turned, &turned_atoms));
        assert_eq!(class(&straight), class(&turned), "{method:?}");
        assert_eq!(class(&straight), class(&one), "{method:?}");
    }
}

#[test]
fn heights_do_without_a_volume() {
    let specimen = specimen(&WITH_VACANCIES, 6);
    let normal = Normal::new(0.0, 0.1).unwrap();
    let mut random = Pcg64Mcg::seed_from_u64(2);
    let height = |z: &u8| [(0u8, 0.1), (29, 1.0), (79, 2.0)].iter().find(|(k, _)| k == z).map_or(0.0, |(_, h)| *h);
    let heights: Vec<f64> = specimen.truth.iter().map(|z| height(z) + normal.sample(&mut random)).collect();
    let atoms = specimen.atoms.clone().with_heights(heights.clone()).unwrap();
    for method in [ClassifyMethod::KMeans, ClassifyMethod::Gaussian] {
        let found = classify_heights(&atoms, &of(&[29, 79], true, method)).unwrap();
        assert!(specimen.right(&found) > 0.99);
        assert_eq!(found.table.column("intensity").unwrap(), heights);
        assert!(found.atoms.heights().is_some() && found.atoms.len() < 216);
    }
    let fail = |atoms: &Atoms, options: &ClassifyOptions| classify_heights(atoms, options).unwrap_err().code();
    let options = of(&[29, 79], true, ClassifyMethod::Gaussian);
    assert_eq!(fail(&specimen.atoms, &options), 200);
    assert_eq!(fail(&atoms, &of(&[29, 79], true, ClassifyMethod::ProfileGlobal)), 107);
    assert_eq!(fail(&atoms, &ClassifyOptions { otsu_mask: true, ..options }), 107);
}

#[test]
fn the_mask_takes_the_background_away() {
    let specimen = specimen(&WITH_VACANCIES, 7);
    let options = ClassifyOptions { otsu_mask: true, ..of(&[29, 79], true, ClassifyMethod::Gaussian) };
    let found = specimen.classified(&options).unwrap();
    let threshold = found.classes.value("otsu_threshold").unwrap();
    assert!((0.2..1.2).contains(&threshold) && specimen.right(&found) > 0.98, "{threshold}");
    let (low, without) = (found.classes.column("sigma").unwrap()[0], specimen.classified(&of(&[29, 79], true, ALL[1])));
    assert!(low < without.unwrap().classes.column("sigma").unwrap()[0]);
}

#[test]
fn intensities_are_sums_over_the_region() {
    let specimen = specimen(&TWO, 8);
    let sums = |region| {
        with(2, |context, waiting| {
            intensities(context, &specimen.volume, specimen.atoms.positions(), region, waiting).unwrap()
        })
    };
    let found = specimen.classified(&of(&[29, 79], false, ClassifyMethod::KMeans)).unwrap();
    assert_eq!(found.table.column("intensity").unwrap(), sums(Region::Box(5)));
    assert_eq!(sums(Region::Box(5)), sums(Region::BoxLength(2.0)));
    assert!(sums(Region::Sphere(0.8)) != sums(Region::Box(5)));
}

#[test]
fn bad_input_is_named_before_any_work() {
    let specimen = specimen(&TWO, 9);
    let good = of(&[29, 79], false, ClassifyMethod::Gaussian);
    let fail = |options: ClassifyOptions| specimen.classified(&options).unwrap_err();
    let one = fail(of(&[29], false, ClassifyMethod::Gaussian));
    assert!(one.code() == 302 && one.to_string().contains("leaves nothing to tell apart"), "{one}");
    assert_eq!(fail(of(&[], true, ClassifyMethod::KMeans)).code(), 301);
    assert_eq!(fail(of(&[29, 29], true, ClassifyMethod::KMeans)).code(), 302);
    assert_eq!(fail(of(&[0, 29], true, ClassifyMethod::KMeans)).code(), 103);
    assert_eq!(fail(of(&[29, 104], true, ClassifyMethod::KMeans)).code(), 103);
    assert_eq!(fail(ClassifyOptions { smoothing: -0.1, ..good.clone() }).code(), 103);
    assert_eq!(fail(ClassifyOptions { smoothing: 100.0, ..good.clone() }).code(), 103);
    assert_eq!(fail(ClassifyOptions { radius: Some(0.0), ..good.clone() }).code(), 103);
    assert_eq!(fail(ClassifyOptions { region: Region::Box(4), ..good.clone() }).code(), 103);
    let small = ClassifyOptions { region: Region::Box(1), ..of(&[29, 79], false, ClassifyMethod::ProfileGlobal) };
    assert_eq!(fail(small).code(), 103);
    let few = specimen.atoms.subset(&[0, 1]).unwrap();
    let options = of(&[8, 29, 79], false, ClassifyMethod::Gaussian);
    let run = |volume: &Volume, atoms: &Atoms, options: &ClassifyOptions| {
        with(1, |context, waiting| classify_atoms(context, volume, atoms, options, waiting)).unwrap_err()
    };
    let error = run(&specimen.volume, &few, &options);
    assert!(error.to_string().contains("3 species want 3 distinct values, 2 values of 2 atoms"), "{error}");
    let outside = Atoms::new(vec![[0.0; 3], [0.0, 0.0, 9.0]]).unwrap();
    let error = run(&specimen.volume, &outside, &good);
    assert!(error.code() == 302 && error.to_string().contains("z of atom 1 is 9"), "{error}");
    let flat = Volume::new(Array3::from_elem((44, 46, 48), 1.0), VOXEL).unwrap();
    assert_eq!(run(&flat, &specimen.atoms, &good).code(), 302);
    assert_eq!(run(&flat, &specimen.atoms, &ClassifyOptions { otsu_mask: true, ..good.clone() }).code(), 302);
    let tiny = Volume::new(Array3::from_shape_fn((3, 3, 3), |(z, y, x)| (z + y + x) as f32), VOXEL).unwrap();
    let pair = Atoms::new(vec![[0.0; 3], [0.3, 0.0, 0.0]]).unwrap();
    let error = run(&tiny, &pair, &of(&[29, 79], false, ClassifyMethod::ProfileGlobal));
    assert!(error.to_string().contains("reaches beyond the volume"), "{error}");
    let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
    let cancel = context.cancel_token();
    let mut waiting = Waiting { cancel: &cancel, tell: &mut |done| done < 0.55 };
    let stopped = classify_atoms(&context, &specimen.volume, &specimen.atoms, &good, &mut waiting);
    assert_eq!(stopped.unwrap_err().code(), 1);
}
