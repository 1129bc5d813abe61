//! Crystals of known place, blurred, noisy and on a slowly varying background.

use super::orientation::angle_between;
use super::*;
use crate::context::ContextOptions;
use crate::geometry::{multiply, AngleOrder};
use crate::specimen::structures::{generate, ParticleShape, Structure, StructureOptions};
use crate::specimen::Atoms;
use ndarray::Array3;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const VOXEL: f64 = 0.4;

fn run(threads: usize, volume: &Volume, crystal: &Crystal, options: &LatticeOptions) -> Result<LatticeTrace> {
    masked(threads, volume, crystal, None, options)
}

fn masked(
    threads: usize,
    volume: &Volume,
    crystal: &Crystal,
    mask: Option<&Volume>,
    options: &LatticeOptions,
) -> Result<LatticeTrace> {
    let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
    let cancel = context.cancel_token();
    trace_lattice(&context, volume, crystal, mask, options, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

/// One cell of a generated crystal.
fn cell_of(structure: Structure, species: [u8; 3], a: f64) -> Crystal {
    let options = StructureOptions {
        species,
        lattice_a: a,
        shape: ParticleShape::Box([1.0; 3]),
        width: 2.5 * a,
        ..StructureOptions::new(structure)
    };
    let block = generate(&options, &mut |_| true).unwrap();
    let inside = |p: &Vec3| p.iter().all(|v| (-1e-4..a - 1e-4).contains(v));
    let kept: Vec<usize> = (0..block.len()).filter(|i| inside(&block.positions()[*i])).collect();
    let cell = Atoms::new(kept.iter().map(|i| block.positions()[*i]).collect()).unwrap();
    let cell = cell.with_species(kept.iter().map(|i| block.species()[*i]).collect()).unwrap();
    Crystal::from_atoms(&cell.with_cell([a; 3]).unwrap()).unwrap()
}

/// A particle of a crystal in a volume.
struct Sample {
    crystal: Crystal,
    matrix: Mat3,
    shift: Vec3,
    /// Positions and species of the atoms that are there, at their sites or displaced from them.
    atoms: Vec<(Vec3, u8)>,
    mask: Volume,
}

impl Sample {
    /// A ball of `radius` angstrom of a crystal at F r + t in a cube of `edge` voxels.
    fn new(crystal: Crystal, matrix: Mat3, shift: Vec3, (edge, radius): (usize, f64)) -> Self {
        let values = Array3::zeros((edge, edge, edge));
        let empty = Volume::new(values, VOXEL).unwrap();
        let mut inside = empty.values().to_owned();
        for ((z, y, x), v) in inside.indexed_iter_mut() {
            let p = empty.position([z as f64, y as f64, x as f64]);
            *v = f32::from(u8::from(crystal::length(&p) < radius));
        }
        let mask = Volume::new(inside, VOXEL).unwrap();
        let reach = (radius / crystal.shortest_edge()).ceil() as i32 + 3;
        let mut atoms = Vec::new();
        for n in 0..(2 * reach + 1).pow(3) {
            let side = 2 * reach + 1;
            let cell = [n / side / side - reach, n / side % side - reach, n % side - reach];
            for (i, u) in crystal.fractions().iter().enumerate() {
                let r = crystal.point(&std::array::from_fn(|a| u[a] + f64::from(cell[a])));
                let turned = apply(&matrix, &r);
                let p: Vec3 = std::array::from_fn(|a| turned[a] + shift[a]);
                if crystal::length(&p) < radius + 1.0 {
                    atoms.push((p, crystal.basis().species()[i]));
                }
            }
        }
        Self { crystal, matrix, shift, atoms, mask }
    }

    /// Gaussians of these widths along x, y, z (angstrom) and a height by atomic number, noise of a part of the height of the
    /// heaviest, and a background that varies by several heights.
    fn volume(&self, sigma: Vec3, noise: f64) -> Volume {
        let shape = self.mask.shape();
        let mut values = Array3::<f32>::zeros((shape[0], shape[1], shape[2]));
        let heaviest = self.atoms.iter().map(|(_, z)| f64::from(*z)).fold(1.0, f64::max);
        for (p, species) in &self.atoms {
            let height = f64::from(*species) / heaviest;
            let at: [f64; 3] = std::array::from_fn(|a| p[2 - a] / VOXEL + (shape[a] / 2) as f64);
            let around = |a: usize| {
                let r = 4.0 * sigma[2 - a] / VOXEL;
                ((at[a] - r).max(0.0) as usize, ((at[a] + r).max(0.0) as usize + 1).min(shape[a]))
            };
            let ((z0, z1), (y0, y1), (x0, x1)) = (around(0), around(1), around(2));
            for (z, y) in (z0..z1).flat_map(|z| (y0..y1).map(move |y| (z, y))) {
                for x in x0..x1 {
                    let d = [x as f64 - at[2], y as f64 - at[1], z as f64 - at[0]];
                    let exponent: f64 = (0..3).map(|a| (d[a] * VOXEL / sigma[a]).powi(2)).sum();
                    values[[z, y, x]] += (height * (-0.5 * exponent).exp()) as f32;
                }
            }
        }
        let mut random = Pcg64Mcg::seed_from_u64(7);
        for ((z, y, x), v) in values.indexed_iter_mut() {
            let slow = 1.5 + (z as f64 * 0.05).sin() + 0.7 * (y as f64 * 0.04 + x as f64 * 0.03).cos();
            let white: f64 = (0..4).map(|_| random.random::<f64>() - 0.5).sum::<f64>() * 3.0_f64.sqrt();
            *v += (slow + noise * white) as f32;
        }
        Volume::new(values, VOXEL).unwrap()
    }

    /// Smallest angle between the rotation found and one that the cubic symmetry makes equal to the true one, degrees.
    fn turn(&self, found: &Registration) -> f64 {
        let truth = orientation::polar(&self.matrix).unwrap().0;
        let equal = cubic_rotations().into_iter().map(|s| angle_between(&multiply(&truth, &s), &found.rotation));
        equal.fold(f64::INFINITY, f64::min)
    }

    /// Largest distance from a site to the nearest point of the true lattice, angstrom.
    fn stray(&self, found: &LatticeTrace) -> f64 {
        let back = inverse(&self.matrix).unwrap();
        let off = |s: &LatticeSite| {
            let r = apply(&back, &std::array::from_fn(|a| s.site[a] - self.shift[a]));
            let u = self.crystal.fraction(&r);
            let candidates = self.crystal.fractions().iter().zip(self.crystal.basis().species());
            candidates
                .filter(|(_, z)| **z == s.species)
                .map(|(b, _)| {
                    crystal::length(&self.crystal.point(&std::array::from_fn(|a| {
                        let d = u[a] - b[a];
                        d - d.round()
                    })))
                })
                .fold(f64::INFINITY, f64::min)
        };
        found.sites.iter().map(off).fold(0.0, f64::max)
    }
}

/// The 24 rotations of a cube.
fn cubic_rotations() -> Vec<Mat3> {
    let permutations = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]];
    let signed = |p: [usize; 3], signs: usize| -> Mat3 {
        std::array::from_fn(|i| {
            std::array::from_fn(|j| match p[i] == j {
                true => [1.0, -1.0][signs >> i & 1],
                false => 0.0,
            })
        })
    };
    let all = permutations.iter().flat_map(|p| (0..8).map(move |signs| signed(*p, signs)));
    all.filter(|m| crate::geometry::determinant(m) > 0.0).collect()
}

/// 1 % wider along the crystal's z, sheared a little, and turned.
fn strained(angles: Vec3) -> Mat3 {
    multiply(&AngleOrder::Zyx.rotation(&angles), &[[1.0, 0.002, 0.0], [0.002, 0.998, 0.0], [0.0, 0.0, 1.01]])
}

fn cobalt_oxide(angles: Vec3) -> Sample {
    let crystal = cell_of(Structure::Spinel, [27, 27, 8], 8.084);
    assert_eq!(crystal.basis().len(), 56);
    Sample::new(crystal, strained(angles), [0.71, -1.3, 2.05], (96, 16.0))
}

/// Every twelfth heavy atom well inside is taken away, every fifteenth of the others moved by 1 angstrom; how many of each.
fn damage(sample: &mut Sample, species: u8, within: f64) -> (usize, usize) {
    let (mut seen, mut missing, mut displaced) = (0, 0, 0);
    let mut kept = Vec::new();
    for (mut p, z) in std::mem::take(&mut sample.atoms) {
        if z == species && crystal::length(&p) < within {
            seen += 1;
            if seen % 12 == 0 {
                missing += 1;
                continue;
            }
            if seen % 15 == 1 {
                displaced += 1;
                p[seen % 2] += 1.0;
            }
        }
        kept.push((p, z));
    }
    sample.atoms = kept;
    (missing, displaced)
}

#[test]
fn a_strained_spinel_is_registered_and_its_sites_are_told_apart() {
    let mut sample = cobalt_oxide([33.0, 21.0, -47.0]);
    let (missing, displaced) = damage(&mut sample, 27, 14.5);
    let volume = sample.volume([0.45, 0.45, 0.65], 0.15);
    // oxygen beside a vacancy has 8 / 27 of the height of cobalt
    let options = LatticeOptions { species: 27, threshold: 0.5, ..Default::default() };
    let found = masked(2, &volume, &sample.crystal, Some(&sample.mask), &options).unwrap();
    let r = &found.registration;
    let states = [SiteState::Found, SiteState::Displaced, SiteState::Merged, SiteState::Weak, SiteState::Lost];
    let counts = states.map(|state| found.count(state));
    let (turn, stray) = (sample.turn(r), sample.stray(&found));
    let told = format!("turn {turn} stray {stray} {counts:?} of {missing} and {displaced}, {r:?}");
    assert!(turn < 0.1, "{told}");
    assert!(stray < 0.1 * VOXEL, "{told}");
    let mut stretches = [r.strain[0][0], r.strain[1][1], r.strain[2][2]];
    stretches.sort_by(f64::total_cmp);
    assert!((stretches[2] - 0.01).abs() < 1e-3 && stretches[1].abs() < 3e-3, "{told}");
    // noise tells one or two of them wrong
    assert!((counts[2] + counts[3] + counts[4]).abs_diff(missing) <= 2, "{told}");
    assert!(counts[1].abs_diff(displaced) <= 2, "{told}");
    assert!(r.phase_agreement > 0.99 && r.bragg_peaks > 50, "{told}");
    assert_eq!(counts.iter().sum::<usize>(), found.sites.len());
    assert_eq!(counts[0] + counts[1], found.atoms.len());

    // the same bits, however many threads; as text, because NaN is not equal to itself
    for threads in [1, 3] {
        let again = masked(threads, &volume, &sample.crystal, Some(&sample.mask), &options).unwrap();
        assert!(format!("{again:?}") == format!("{found:?}"), "{threads} threads");
    }
}

#[test]
fn a_given_rotation_is_refined_and_kept() {
    // the true rotation is not the smallest of its kind: a start near it decides
    let angles = [80.0, 65.0, -110.0];
    let sample =
        Sample::new(cell_of(Structure::RockSalt, [56, 8, 0], 5.54), strained(angles), [1.0, 0.4, -0.8], (80, 14.0));
    let volume = sample.volume([0.5, 0.7, 0.5], 0.2);
    let truth = orientation::polar(&sample.matrix).unwrap().0;
    let rough = multiply(&AngleOrder::Zyx.rotation(&[4.0, -3.0, 2.0]), &truth);
    let options = LatticeOptions { rotation: Some(rough), species: 56, ..Default::default() };
    let found = masked(2, &volume, &sample.crystal, Some(&sample.mask), &options).unwrap();
    assert!(angle_between(&truth, &found.registration.rotation) < 0.15);
    assert!(sample.stray(&found) < 0.1 * VOXEL);
    assert!(found.found_fraction() > 0.98, "{}", found.found_fraction());
    // far away from it there is nothing to be found
    let wrong = multiply(&AngleOrder::Zyx.rotation(&[0.0, 40.0, 15.0]), &truth);
    let options = LatticeOptions { rotation: Some(wrong), rotation_within_deg: 3.0, ..options };
    let error = run(2, &volume, &sample.crystal, &options).unwrap_err();
    assert!(error.code() == 301 && error.to_string().contains("Bragg peaks"), "{error}");
}

#[test]
fn a_lattice_of_any_angles_serves_as_well() {
    // the primitive cell of a face-centred crystal
    let h = 2.04;
    let basis = Atoms::new(vec![[0.0; 3]]).unwrap().with_species(vec![79]).unwrap();
    let primitive = Crystal::new([[0.0, h, h], [h, 0.0, h], [h, h, 0.0]], basis).unwrap();
    let conventional = cell_of(Structure::FaceCentredCubic, [79, 0, 0], 2.0 * h);
    let rotation = AngleOrder::Zyx.rotation(&[12.0, 30.0, 5.0]);
    let sample = Sample::new(conventional, rotation, [0.3, 0.9, -0.6], (64, 11.5));
    let volume = sample.volume([0.5, 0.5, 0.5], 0.1);
    let by_primitive = masked(1, &volume, &primitive, Some(&sample.mask), &LatticeOptions::default()).unwrap();
    let by_conventional = masked(1, &volume, &sample.crystal, Some(&sample.mask), &LatticeOptions::default()).unwrap();
    assert!(sample.turn(&by_primitive.registration) < 0.2 && sample.stray(&by_primitive) < 0.1 * VOXEL);
    assert_eq!(by_primitive.sites.len(), by_conventional.sites.len());
    assert_eq!(by_primitive.atoms.len(), by_conventional.atoms.len());
    assert!(by_primitive.found_fraction() == 1.0 && by_primitive.mean_displacement().1 < 0.1);
}

#[test]
fn a_crystal_without_inversion_is_not_turned_round() {
    // indium and phosphorus would change places; |F| does not tell, the phases do
    let crystal = cell_of(Structure::ZincBlende, [49, 15, 0], 5.87);
    let rotation = AngleOrder::Zyx.rotation(&[50.0, 10.0, 20.0]);
    let sample = Sample::new(crystal, rotation, [0.5, 0.1, -1.2], (72, 13.0));
    let volume = sample.volume([0.5, 0.5, 0.5], 0.05);
    let found = masked(2, &volume, &sample.crystal, Some(&sample.mask), &LatticeOptions::default()).unwrap();
    assert!(sample.stray(&found) < 0.1 * VOXEL, "{}", sample.stray(&found));
    let mean = |z: u8| {
        let heights: Vec<f64> =
            found.sites.iter().filter(|s| s.species == z && s.atom.is_some()).map(|s| s.height).collect();
        heights.iter().sum::<f64>() / heights.len() as f64
    };
    assert!(mean(49) > 2.0 * mean(15), "{} {}", mean(49), mean(15));
}

#[test]
fn the_table_has_a_row_per_site() {
    let sample = Sample::new(
        cell_of(Structure::FaceCentredCubic, [79, 0, 0], 4.08),
        strained([5.0, 8.0, 3.0]),
        [0.2; 3],
        (48, 8.0),
    );
    let volume = sample.volume([0.5; 3], 0.05);
    let found = masked(2, &volume, &sample.crystal, Some(&sample.mask), &LatticeOptions::default()).unwrap();
    let table = found.table().unwrap();
    assert_eq!(table.rows(), found.sites.len());
    for (row, site) in found.sites.iter().enumerate() {
        let column = |name: &str| table.column(name).unwrap()[row];
        assert_eq!(
            (column("state"), column("site_y"), column("z")),
            (f64::from(site.state as i32), site.site[1], site.position[2])
        );
        assert_eq!(column("dx"), site.position[0] - site.site[0]);
        assert_eq!(column("atom"), site.atom.unwrap() as f64);
    }
    assert_eq!(table.value("found").unwrap() + table.value("displaced").unwrap(), found.atoms.len() as f64);
    assert_eq!(table.value("rotation_xy").unwrap(), found.registration.rotation[0][1]);
    let longest = table.column("displacement").unwrap().iter().copied().fold(0.0, f64::max);
    assert!(longest > 0.0 && table.value("mean_displacement").unwrap() < longest);
}

#[test]
fn what_cannot_be_registered_is_refused() {
    let sample = Sample::new(
        cell_of(Structure::FaceCentredCubic, [79, 0, 0], 4.08),
        strained([5.0, 8.0, 3.0]),
        [0.2; 3],
        (32, 6.0),
    );
    let volume = sample.volume([0.5; 3], 0.05);
    let gold = &sample.crystal;
    let fault = |options: LatticeOptions| {
        let error = run(1, &volume, gold, &options).unwrap_err();
        (error.code(), error.to_string())
    };
    let plain = LatticeOptions::default();
    for (options, code, mention) in [
        (
            LatticeOptions { rotation: Some([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), ..plain },
            302,
            "rotation",
        ),
        (LatticeOptions { rotation: Some([[f64::NAN; 3]; 3]), ..plain }, 300, "rotation"),
        (LatticeOptions { rotation_within_deg: 0.0, ..plain }, 103, "rotation_within_deg"),
        (LatticeOptions { region_edge: Some(-1.0), ..plain }, 103, "region_edge"),
        (LatticeOptions { region_centre: Some([f64::NAN; 3]), ..plain }, 300, "region_centre"),
        (LatticeOptions { smoothing: 11.0, ..plain }, 103, "smoothing"),
        (LatticeOptions { background: Some(f64::NAN), ..plain }, 103, "background"),
        (LatticeOptions { reach: Some(0.0), ..plain }, 103, "reach"),
        (LatticeOptions { displaced: Some(f64::INFINITY), ..plain }, 103, "displaced"),
        (LatticeOptions { threshold: 1.5, ..plain }, 103, "threshold"),
        (LatticeOptions { species: 200, ..plain }, 103, "species"),
        (LatticeOptions { species: 8, ..plain }, 103, "[79]"),
    ] {
        let (got, text) = fault(options);
        assert!(got == code && text.contains(mention), "{options:?}: {got} {text}");
    }
    let constant = |edge: usize, value: f32| Volume::new(Array3::from_elem((edge, edge, edge), value), VOXEL).unwrap();
    let code = |volume: &Volume, crystal: &Crystal, mask: Option<&Volume>| {
        masked(1, volume, crystal, mask, &plain).unwrap_err().code()
    };
    assert_eq!(code(&constant(32, 2.5), gold, None), 302);
    assert_eq!(code(&constant(15, 2.5), gold, None), 101);
    assert_eq!(code(&volume, gold, Some(&constant(31, 1.0))), 101);
    assert_eq!(code(&volume, gold, Some(&constant(32, 0.0))), 301);
    let coarse = Volume::new(volume.values().to_owned(), 2.5).unwrap();
    assert_eq!(code(&coarse, gold, None), 103);
    // noise alone, and another crystal
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let noise = Array3::from_shape_fn((32, 32, 32), |_| random.random::<f32>());
    let error = run(2, &Volume::new(noise, VOXEL).unwrap(), gold, &plain).unwrap_err();
    assert!(error.code() == 301 && error.to_string().contains("rise above the noise"), "{error}");
}

#[test]
fn crystals_without_meaning_are_refused() {
    let atom = |p: Vec<Vec3>| Atoms::new(p).unwrap();
    assert_eq!(Crystal::from_atoms(&atom(vec![[0.0; 3]])).unwrap_err().code(), 200);
    let code = |vectors: Mat3, p: Vec<Vec3>| Crystal::new(vectors, atom(p)).unwrap_err().code();
    let cube = [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]];
    assert_eq!(code([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [4.0, 4.0, 0.0]], vec![[0.0; 3]]), 103);
    assert_eq!(code([cube[1], cube[0], cube[2]], vec![[0.0; 3]]), 103);
    assert_eq!(code([[f64::NAN; 3]; 3], vec![[0.0; 3]]), 300);
    assert_eq!(code(cube, vec![[0.0; 3], [4.0, 0.0, 0.02]]), 302);
    assert_eq!(code(cube, vec![[0.0; 3]; 2049]), 103);
}

#[test]
fn a_call_can_be_cancelled() {
    let sample = Sample::new(
        cell_of(Structure::FaceCentredCubic, [79, 0, 0], 4.08),
        strained([5.0, 8.0, 3.0]),
        [0.2; 3],
        (32, 6.0),
    );
    let volume = sample.volume([0.5; 3], 0.05);
    let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
    let cancel = context.cancel_token();
    for end in [0.0, 0.2, 0.5, 0.9] {
        let mut tell = |done: f64| done < end;
        let mut waiting = Waiting { cancel: &cancel, tell: &mut tell };
        let error = trace_lattice(&context, &volume, &sample.crystal, None, &LatticeOptions::default(), &mut waiting);
        assert_eq!(error.unwrap_err().code(), 1);
    }
}
