//! F and M of an atom and its neighbours, summed from patches of derivatives around each atom.
//!
//! Atoms are taken in chunks of space. A chunk sums the blocks of all pairs that share a cluster over all images, then
//! solves one cluster after the other: chunks are independent, so results do not depend on the number of threads.

use super::noise::PixelWeights;
use super::solve::{Information, Noise};
use super::{AtomVariance, Estimation};
use crate::error::Result;
use crate::forward::local_orbital::{AtomPatch, AtomPatches, AtomValues, Blocks, ImagePose, PatchWorkspace};
use crate::geometry::{self, Vec3};
use crate::problem::Waiting;
use crate::reconstruct::plan::series_geometry;
use nalgebra::DMatrix;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Atoms per item of work: neighbours of a chunk are evaluated for it once more, so it should not be small.
const CHUNK: usize = 128;

/// Derivatives of a patch, F or M of a pair of atoms.
const COUNT: usize = AtomPatches::COUNT;

type PairBlock = [[f64; COUNT]; COUNT];

/// F and M of the pairs of one chunk, atoms numbered within it, the lower number first.
type PairBlocks = BTreeMap<(usize, usize), (PairBlock, PairBlock)>;

impl Estimation<'_> {
    /// Variances of all atoms, each fitted together with its neighbours within `radius`.
    pub(super) fn local(&self, radius: Option<f64>, waiting: &mut Waiting<'_>) -> Result<Vec<AtomVariance>> {
        let atoms: Vec<AtomValues> = (0..self.plan.species.len()).map(|i| self.atom(i)).collect();
        let width = atoms.iter().map(|a| a.width).fold(0.0, f64::max);
        let depth = self.depth(&atoms);
        let interaction = self.recipe.interaction(&self.plan.version)?;
        let orbital = &self.recipe.options.orbital;
        let patches = AtomPatches::new(series_geometry(&self.plan.version), &interaction, orbital, (width, depth))?;
        let blur = self.recipe.probe.as_ref().map_or(0.0, |p| p.semiangle_mrad() * 1e-3 * depth).min(2.0);
        let radius = radius.unwrap_or(4.0 * (width * orbital.widest()).sqrt() + blur);
        let neighbours = Neighbours::new(&atoms, radius);
        let chunks: Vec<&[usize]> = neighbours.order.chunks(CHUNK).collect();
        let poses = self.poses();
        let results: Vec<Mutex<Vec<AtomVariance>>> = chunks.iter().map(|_| Mutex::default()).collect();
        let (count, cancel) = (chunks.len(), waiting.cancel);
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "an error estimate");
        self.context.for_each(count, &mut tell, &|at| {
            let clusters: Vec<Vec<usize>> = chunks[at].iter().map(|i| neighbours.of(&atoms, *i)).collect();
            let members: Vec<usize> = clusters.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
            let mut pairs = pairs_of(&clusters, &members);
            let mut chunk = Chunk::new(&patches, members.len());
            for ((image, pose), weights) in self.weights.images.iter().zip(&poses).zip(&self.weights.pixels) {
                cancel.check("an error estimate")?;
                let values = members.iter().map(|i| atoms[*i]);
                chunk.place(&patches, pose, values);
                chunk.add(weights, self.plan.version.images()[*image].pixels.len(), self.columns(), &mut pairs);
            }
            let solved = chunks[at].iter().zip(&clusters).map(|(i, c)| self.solve(*i, c, &members, &pairs));
            *results[at].lock().unwrap_or_else(|p| p.into_inner()) = solved.collect();
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

    fn columns(&self) -> usize {
        self.plan.version.columns()
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

    fn poses(&self) -> Vec<ImagePose> {
        let (blocks, parameters) = (&self.plan.blocks, self.parameters);
        let pose = |number: &usize| {
            let image = &self.plan.version.images()[*number];
            let [u, v] = blocks.drift_of(parameters, *number);
            ImagePose {
                rotation: self.plan.rotation(parameters, image.tilt),
                shift: [u, v, parameters[blocks.depth_offset.start + image.tilt]],
                scale: parameters[blocks.scale.start + number],
                defocus: image.defocus + parameters[blocks.defocus.start + image.section],
            }
        };
        self.weights.images.iter().map(pose).collect()
    }

    /// Variance of one atom from the blocks of its cluster.
    fn solve(&self, atom: usize, cluster: &[usize], members: &[usize], pairs: &PairBlocks) -> AtomVariance {
        let heights = self.plan.free_per_atom(Blocks::HEIGHTS);
        let own: Vec<usize> = [0, 1, 2]
            .into_iter()
            .chain(heights.then_some(3))
            .chain(self.plan.free_per_atom(Blocks::WIDTHS).then_some(4))
            .collect();
        let numbers: Vec<usize> = cluster.iter().filter_map(|i| members.binary_search(i).ok()).collect();
        let n = own.len() * numbers.len();
        let (mut fisher, mut noise) = (DMatrix::zeros(n, n), DMatrix::zeros(n, n));
        for (i, a) in numbers.iter().enumerate() {
            for (j, b) in numbers.iter().enumerate().filter(|(_, b)| *b >= a) {
                let Some((f, m)) = pairs.get(&(*a, *b)) else { continue };
                for (p, row) in own.iter().enumerate() {
                    for (q, column) in own.iter().enumerate() {
                        let (r, c) = (i * own.len() + p, j * own.len() + q);
                        (fisher[(r, c)], fisher[(c, r)]) = (f[*row][*column], f[*row][*column]);
                        (noise[(r, c)], noise[(c, r)]) = (m[*row][*column], m[*row][*column]);
                    }
                }
            }
        }
        let noise = self.weights.proportion.map_or(Noise::Matrix(noise), Noise::Proportional);
        let place = cluster.iter().position(|i| *i == atom).unwrap_or(0) * own.len();
        let wanted: Vec<usize> = (place..place + 3 + usize::from(heights)).collect();
        let variances = Information { fisher, noise }.variances(&wanted, &wanted[..3]);
        AtomVariance {
            position: std::array::from_fn(|a| variances[a]),
            height: variances.get(3).copied().unwrap_or(f64::NAN),
        }
    }
}

/// Pairs of atoms that share a cluster, numbered within `members`.
fn pairs_of(clusters: &[Vec<usize>], members: &[usize]) -> PairBlocks {
    let mut pairs = PairBlocks::new();
    for cluster in clusters {
        let numbers: Vec<usize> = cluster.iter().filter_map(|i| members.binary_search(i).ok()).collect();
        for a in &numbers {
            numbers.iter().filter(|b| *b >= a).for_each(|b| {
                pairs.entry((*a, *b)).or_default();
            });
        }
    }
    pairs
}

/// Patches of the atoms of one chunk in one image.
struct Chunk {
    size: usize,
    patches: Vec<(bool, AtomPatch)>,
    workspace: PatchWorkspace,
    /// Derivatives of one atom times W and times W S W, where these differ between pixels.
    weighted: [Vec<f64>; 2],
}

impl Chunk {
    fn new(patches: &AtomPatches, members: usize) -> Self {
        Self {
            size: patches.size(),
            patches: (0..members).map(|_| (false, AtomPatch::default())).collect(),
            workspace: patches.workspace(),
            weighted: Default::default(),
        }
    }

    fn place(&mut self, patches: &AtomPatches, pose: &ImagePose, atoms: impl Iterator<Item = AtomValues>) {
        for ((touches, patch), atom) in self.patches.iter_mut().zip(atoms) {
            *touches = patches.derivatives(pose, &atom, patch, &mut self.workspace);
        }
    }

    /// Adds the sums over one image to all pairs.
    fn add(&mut self, weights: &PixelWeights, pixels: usize, columns: usize, pairs: &mut PairBlocks) {
        let (rows, mut prepared) = ((pixels / columns.max(1)) as i64, None);
        let shape = (rows, columns as i64);
        for ((a, b), (fisher, noise)) in pairs {
            let ((true, first), (true, second)) = (&self.patches[*a], &self.patches[*b]) else { continue };
            let overlap = Overlap::of(first.corner, second.corner, self.size as i64, shape);
            if overlap.rows <= 0 || overlap.columns <= 0 {
                continue;
            }
            match weights {
                PixelWeights::Uniform { fisher: w, noise: m } => {
                    overlap.products(self.size, &first.values, &second.values, |p, q, sum| {
                        fisher[p][q] += w * sum;
                        noise[p][q] += m * sum;
                    });
                }
                PixelWeights::Each { fisher: w, noise: m } => {
                    if prepared.replace(*a) != Some(*a) {
                        for (out, by) in self.weighted.iter_mut().zip([w, m]) {
                            weigh(first, self.size, shape, by, out);
                        }
                    }
                    let [by_w, by_m] = &self.weighted;
                    overlap.products(self.size, by_w, &second.values, |p, q, sum| fisher[p][q] += sum);
                    overlap.products(self.size, by_m, &second.values, |p, q, sum| noise[p][q] += sum);
                }
            }
        }
    }
}

/// Derivatives of one atom times the weights of the image's pixels; what lies outside stays as it is.
fn weigh(patch: &AtomPatch, size: usize, (rows, columns): (i64, i64), weights: &[f32], out: &mut Vec<f64>) {
    out.clear();
    out.extend_from_slice(&patch.values);
    for (at, value) in out.iter_mut().enumerate() {
        let within = at % (size * size);
        let (row, column) = (patch.corner.0 + (within / size) as i64, patch.corner.1 + (within % size) as i64);
        if (0..rows).contains(&row) && (0..columns).contains(&column) {
            *value *= f64::from(weights[(row * columns + column) as usize]);
        }
    }
}

/// Where two patches and the image overlap.
struct Overlap {
    /// First row and column within each patch.
    first: (i64, i64),
    second: (i64, i64),
    rows: i64,
    columns: i64,
}

impl Overlap {
    fn of(first: (i64, i64), second: (i64, i64), size: i64, (rows, columns): (i64, i64)) -> Self {
        let begin = (first.0.max(second.0).max(0), first.1.max(second.1).max(0));
        let end = ((first.0.min(second.0) + size).min(rows), (first.1.min(second.1) + size).min(columns));
        Self {
            first: (begin.0 - first.0, begin.1 - first.1),
            second: (begin.0 - second.0, begin.1 - second.1),
            rows: end.0 - begin.0,
            columns: end.1 - begin.1,
        }
    }

    /// Gives the sum over the overlap of derivative p of one atom times derivative q of the other, for all p and q.
    fn products(&self, size: usize, first: &[f64], second: &[f64], mut take: impl FnMut(usize, usize, f64)) {
        let columns = self.columns as usize;
        for p in 0..COUNT {
            for q in 0..COUNT {
                let mut sum = 0.0;
                for r in 0..self.rows as usize {
                    let a = p * size * size + (self.first.0 as usize + r) * size + self.first.1 as usize;
                    let b = q * size * size + (self.second.0 as usize + r) * size + self.second.1 as usize;
                    sum += dot(&first[a..a + columns], &second[b..b + columns]);
                }
                take(p, q, sum);
            }
        }
    }
}

/// Sum of products in eight lanes, which the compiler turns into vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (whole_a, rest_a) = a.as_chunks::<8>();
    let (whole_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for k in 0..8 {
            lanes[k] += a[k] * b[k];
        }
    }
    lanes.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

/// Atoms in cells of the edge `radius`.
struct Neighbours {
    radius: f64,
    cells: BTreeMap<[i64; 3], Vec<usize>>,
    /// All atoms, cell by cell.
    order: Vec<usize>,
}

impl Neighbours {
    fn new(atoms: &[AtomValues], radius: f64) -> Self {
        let mut cells = BTreeMap::<[i64; 3], Vec<usize>>::new();
        for (i, atom) in atoms.iter().enumerate() {
            cells.entry(Self::cell(&atom.position, radius)).or_default().push(i);
        }
        let order = cells.values().flatten().copied().collect();
        Self { radius, cells, order }
    }

    fn cell(position: &Vec3, radius: f64) -> [i64; 3] {
        position.map(|x| (x / radius).floor() as i64)
    }

    /// The atom and all within the radius, in the order of their numbers.
    fn of(&self, atoms: &[AtomValues], atom: usize) -> Vec<usize> {
        let at = atoms[atom].position;
        let centre = Self::cell(&at, self.radius);
        let mut near = Vec::new();
        for step in 0..27 {
            let cell = [centre[0] + step / 9 - 1, centre[1] + step / 3 % 3 - 1, centre[2] + step % 3 - 1];
            let inside = |i: &&usize| {
                let p = atoms[**i].position;
                (0..3).map(|a| (p[a] - at[a]).powi(2)).sum::<f64>() <= self.radius * self.radius
            };
            near.extend(self.cells.get(&cell).into_iter().flatten().filter(inside).copied());
        }
        near.sort_unstable();
        near
    }
}
