//! F and M of an atom and its neighbours, summed from patches of derivatives around each atom.
//!
//! Atoms are taken in chunks of space. A chunk sums the blocks of all pairs that share a cluster over all images, then
//! solves one cluster after the other: chunks are independent, so results do not depend on the number of threads.

use super::pairs::{Chunk, Pairs};
use super::solve::{Information, Noise};
use super::{AtomVariance, Estimation};
use crate::error::Result;
use crate::forward::local_orbital::{AtomPatches, AtomValues, Blocks, ImagePose};
use crate::geometry::{self, Vec3};
use crate::problem::Waiting;
use crate::reconstruct::plan::series_geometry;
use crate::specimen::Neighbours;
use nalgebra::DMatrix;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Atoms per item of work at most: neighbours of a chunk are evaluated for it once more, so it should not be small.
const CHUNK: usize = 256;

/// Items of work of small problems, for more threads than one.
const CHUNKS: usize = 8;

/// What all chunks work on.
struct Problem<'a> {
    atoms: &'a [AtomValues],
    patches: AtomPatches,
    poses: Vec<ImagePose>,
    neighbours: Neighbours,
    radius: f64,
    /// Parameters of an atom that are estimated: 0 to 4 for x, y, z, H, B.
    own: Vec<usize>,
}

impl Estimation<'_> {
    /// Variances of all atoms, each fitted together with its neighbours within `radius`.
    pub(super) fn local(&self, radius: Option<f64>, waiting: &mut Waiting<'_>) -> Result<Vec<AtomVariance>> {
        let atoms: Vec<AtomValues> = (0..self.plan.species.len()).map(|i| self.atom(i)).collect();
        let problem = self.problem(&atoms, radius, waiting)?;
        let chunks = chunks_of(&atoms);
        let results: Vec<Mutex<Vec<AtomVariance>>> = chunks.iter().map(|_| Mutex::default()).collect();
        let (count, cancel) = (chunks.len(), waiting.cancel);
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "an error estimate");
        self.context.for_each(count, &mut tell, &|at| {
            let check = || cancel.check("an error estimate");
            let solved = match problem.own.len() {
                ..=4 => self.chunk::<4, 4>(&problem, &chunks[at], &check)?,
                _ => self.chunk::<5, 8>(&problem, &chunks[at], &check)?,
            };
            *results[at].lock().unwrap_or_else(|p| p.into_inner()) = solved;
            Ok(())
        })?;
        let unknown = AtomVariance { position: [f64::NAN; 3], height: f64::NAN };
        let mut variances = vec![unknown; atoms.len()];
        for (chunk, result) in chunks.iter().zip(results) {
            let result = result.into_inner().unwrap_or_else(|p| p.into_inner());
            chunk.iter().zip(result).for_each(|(i, v)| variances[*i] = v);
        }
        Ok(variances)
    }

    /// Patches of the model at the parameters, neighbours, chunks.
    fn problem<'a>(
        &self,
        atoms: &'a [AtomValues],
        radius: Option<f64>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Problem<'a>> {
        let mut widths: Vec<f64> = atoms.iter().map(|a| a.width).collect();
        widths.sort_unstable_by(f64::total_cmp);
        widths.dedup();
        let width = widths.last().copied().unwrap_or(0.0);
        let (optics, probes) = self.plan.different_optics(self.recipe.probe.as_ref(), self.parameters);
        let poses = self.poses(&probes);
        let depth = self.depth(atoms);
        let interaction = self.recipe.interaction(&self.plan.version)?;
        let orbital = &self.recipe.options.orbital;
        let free = [(3, Blocks::HEIGHTS), (4, Blocks::WIDTHS)].into_iter().filter(|(_, b)| self.plan.free_per_atom(*b));
        let own: Vec<usize> = (0..3).chain(free.map(|(parameter, _)| parameter)).collect();
        let series = series_geometry(&self.plan.version);
        let (with_widths, simd) = (own.contains(&4), self.context.simd());
        let patches = AtomPatches::new(series, (&interaction, optics), orbital, (width, depth), with_widths, simd)?
            .with_tables(&widths, atoms.len() * poses.len(), self.context, waiting)?;
        let blur = self.recipe.probe.as_ref().map_or(0.0, |p| p.semiangle_mrad() * 1e-3 * depth).min(2.0);
        let radius = radius.unwrap_or(4.0 * (width * orbital.widest()).sqrt() + blur);
        let positions: Vec<Vec3> = atoms.iter().map(|a| a.position).collect();
        Ok(Problem { atoms, patches, poses, neighbours: Neighbours::new(&positions)?, radius, own })
    }

    fn atom(&self, i: usize) -> AtomValues {
        let (blocks, parameters) = (&self.plan.blocks, self.parameters);
        AtomValues {
            position: blocks.position_of(parameters, i),
            height: parameters[blocks.heights.start + self.plan.height_groups[i] as usize],
            width: parameters[blocks.widths.start + self.plan.width_groups[i] as usize],
        }
    }

    /// Largest distance from the specimen origin along the beam.
    fn depth(&self, atoms: &[AtomValues]) -> f64 {
        let tilts = 0..self.plan.version.tilts().len();
        let rotations: Vec<_> = tilts.map(|t| self.plan.rotation(self.parameters, t)).collect();
        let depths = rotations.iter().flat_map(|r| atoms.iter().map(|a| geometry::apply(r, &a.position)[2].abs()));
        depths.fold(0.0, f64::max)
    }

    fn poses(&self, probes: &[usize]) -> Vec<ImagePose> {
        let (blocks, parameters) = (&self.plan.blocks, self.parameters);
        let pose = |number: &usize| {
            let image = &self.plan.version.images()[*number];
            let [u, v] = blocks.drift_of(parameters, *number);
            ImagePose {
                rotation: self.plan.rotation(parameters, image.tilt),
                shift: [u, v, parameters[blocks.depth_offset.start + image.tilt]],
                scale: parameters[blocks.scale.start + number],
                probe: probes[*number],
            }
        };
        self.weights.images.iter().map(pose).collect()
    }

    /// Variances of the atoms of one chunk, from blocks of `D` x `L` numbers.
    fn chunk<const D: usize, const L: usize>(
        &self,
        problem: &Problem<'_>,
        chunk: &[usize],
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<AtomVariance>> {
        let near = |i: &usize| problem.neighbours.within(&problem.atoms[*i].position, problem.radius);
        let clusters: Vec<Vec<usize>> = chunk.iter().map(near).collect();
        let (members, clusters) = numbered(&clusters);
        let mut pairs = Pairs::<D, L>::new(&clusters, members.len(), self.weights.proportion.is_none());
        let mut sums = Chunk::<L>::new(&problem.patches, members.len(), self.context.simd());
        let shape = (self.plan.version.rows(), self.plan.version.columns());
        for (pose, weights) in problem.poses.iter().zip(&self.weights.pixels) {
            check()?;
            sums.place(&problem.patches, pose, members.iter().map(|i| problem.atoms[*i]), &problem.own);
            sums.add(weights, shape, &mut pairs);
        }
        let solved = chunk.iter().zip(&clusters).map(|(atom, cluster)| {
            check()?;
            let place = cluster.iter().position(|number| members[*number as usize] == *atom).unwrap_or(0);
            Ok(self.solve(place, cluster, &problem.own, &pairs))
        });
        solved.collect()
    }

    /// Variance of the atom at `place` of a cluster.
    fn solve<const D: usize, const L: usize>(
        &self,
        place: usize,
        cluster: &[u32],
        own: &[usize],
        pairs: &Pairs<D, L>,
    ) -> AtomVariance {
        let (count, n) = (own.len(), own.len() * cluster.len());
        let mut fisher = DMatrix::zeros(n, n);
        let mut noise = DMatrix::zeros(0, 0);
        if self.weights.proportion.is_none() {
            noise = DMatrix::zeros(n, n);
        }
        pairs.of_cluster(cluster, |i, j, f, m| {
            for (p, q) in (0..count).flat_map(|p| (0..count).map(move |q| (p, q))) {
                let (r, c) = (i * count + p, j * count + q);
                (fisher[(r, c)], fisher[(c, r)]) = (f[p][q], f[p][q]);
                if let Some(m) = m {
                    (noise[(r, c)], noise[(c, r)]) = (m[p][q], m[p][q]);
                }
            }
        });
        let noise = self.weights.proportion.map_or(Noise::Matrix(noise), Noise::Proportional);
        let heights = own.get(3) == Some(&3);
        let wanted: Vec<usize> = (place * count..place * count + 3 + usize::from(heights)).collect();
        let variances = Information { fisher, noise }.variances(&wanted, &wanted[..3]);
        AtomVariance {
            position: std::array::from_fn(|a| variances[a]),
            height: variances.get(3).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Atoms in compact chunks: halved across the longest edge until they are small enough.
fn chunks_of(atoms: &[AtomValues]) -> Vec<Vec<usize>> {
    let most = CHUNK.min(atoms.len().div_ceil(CHUNKS));
    let (mut open, mut chunks) = (vec![(0..atoms.len()).collect::<Vec<usize>>()], Vec::new());
    while let Some(mut part) = open.pop() {
        if part.len() <= most {
            chunks.push(part);
            continue;
        }
        let axis = longest_axis(atoms, &part);
        let along = |i: &usize| atoms[*i].position[axis];
        part.sort_unstable_by(|a, b| along(a).total_cmp(&along(b)).then(a.cmp(b)));
        let rest = part.split_off(part.len() / 2);
        open.extend([rest, part]);
    }
    chunks
}

fn longest_axis(atoms: &[AtomValues], part: &[usize]) -> usize {
    let edge = |axis: usize| {
        let along = part.iter().map(|i| atoms[*i].position[axis]);
        along.clone().fold(f64::NEG_INFINITY, f64::max) - along.fold(f64::INFINITY, f64::min)
    };
    (0..3).max_by(|a, b| edge(*a).total_cmp(&edge(*b))).unwrap_or(0)
}

/// All atoms of some clusters, ascending, and the clusters by their places among them, ascending.
fn numbered(clusters: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<u32>>) {
    let members: BTreeSet<usize> = clusters.iter().flatten().copied().collect();
    let members: Vec<usize> = members.into_iter().collect();
    let place = |i: &usize| members.binary_search(i).unwrap_or(0) as u32;
    let mut clusters: Vec<Vec<u32>> = clusters.iter().map(|cluster| cluster.iter().map(place).collect()).collect();
    clusters.iter_mut().for_each(|cluster| cluster.sort_unstable());
    (members, clusters)
}
