//! Crystals of known place, blurred, noisy and on a slowly varying background.

use super::orientation::angle_between;
use super::*;
use crate::context::ContextOptions;
use crate::geometry::{multiply, transpose, AngleOrder};
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

#[test]
fn a_strained_spinel_is_registered_and_its_sites_are_told_apart() {
    let mut sample = cobalt_oxide([33.0, 21.0, -47.0]);
    // every twelfth cobalt atom is missing, every fifteenth of the others displaced by 1 angstrom
    let cobalt = |a: &(Vec3, u8)| a.1 == 27 && crystal::length(&a.0) < 14.5;
    let mut seen = 0;
    let (mut missing, mut displaced) = (0, 0);
    sample.atoms = std::mem::take(&mut sample.atoms)
        .into_iter()
        .filter_map(|mut atom| {
            if cobalt(&atom) {
                seen += 1;
                if seen % 12 == 0 {
                    missing += 1;
                    return None;
                }
                if seen % 15 == 1 {
                    displaced += 1;
                    atom.0[seen % 2] += 1.0;
                }
            }
            Some(atom)
        })
        .collect();
    let volume = sample.volume([0.45, 0.45, 0.65], 0.15);
    let options = LatticeOptions { species: 27, ..Default::default() };
    let found = masked(2, &volume, &sample.crystal, Some(&sample.mask), &options).unwrap();
    let r = &found.registration;
    eprintln!(
        "turn {} stray {} peaks {} error {} agreement {} strain {:?} shift {:?}",
        sample.turn(r),
        sample.stray(&found),
        r.bragg_peaks,
        r.bragg_error,
        r.phase_agreement,
        r.strain,
        r.shift
    );
    for state in [SiteState::Found, SiteState::Displaced, SiteState::Merged, SiteState::Weak, SiteState::Lost] {
        eprintln!("{state:?} {}", found.count(state));
    }
    eprintln!("missing {missing} displaced {displaced} mean {:?}", found.mean_displacement());
    assert!(sample.turn(r) < 0.2);
    assert!(sample.stray(&found) < 0.1 * VOXEL);
}
