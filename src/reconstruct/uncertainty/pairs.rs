//! Sums over images of the products of derivatives, for pairs of atoms.

use super::noise::PixelWeights;
use crate::forward::local_orbital::{AtomPatch, AtomPatches, AtomValues, ImagePose, PatchWorkspace};
use crate::simd::patches::{add_products, PatchRows};
use crate::simd::SimdPath;

/// J^T W J or J^T W S W J of a pair: derivatives of the first atom by those of the second.
type Block<const D: usize, const L: usize> = [[f64; L]; D];

/// F and M of pairs of atoms, the lower number first: row by row, partners ascending.
pub(super) struct Pairs<const D: usize, const L: usize> {
    /// Where the row of each atom begins, and the end.
    begins: Vec<usize>,
    partners: Vec<u32>,
    fisher: Vec<Block<D, L>>,
    /// Empty where M is not wanted.
    noise: Vec<Block<D, L>>,
}

impl<const D: usize, const L: usize> Pairs<D, L> {
    /// All pairs that share one of the `clusters`, ascending numbers below `atoms`.
    pub fn new(clusters: &[Vec<u32>], atoms: usize, with_noise: bool) -> Self {
        let mut rows = vec![Vec::new(); atoms];
        for cluster in clusters {
            for (i, a) in cluster.iter().enumerate() {
                rows[*a as usize].extend_from_slice(&cluster[i..]);
            }
        }
        let (mut begins, mut partners) = (vec![0], Vec::new());
        for mut row in rows {
            row.sort_unstable();
            row.dedup();
            partners.append(&mut row);
            begins.push(partners.len());
        }
        let zeros = |count: usize| vec![[[0.0; L]; D]; count];
        let count = partners.len();
        Self { begins, partners, fisher: zeros(count), noise: zeros(if with_noise { count } else { 0 }) }
    }

    /// Calls `take` with the places in a cluster of two of its atoms, the lower first, and with F and M of the pair.
    pub fn of_cluster(&self, cluster: &[u32], mut take: impl FnMut(usize, usize, &Block<D, L>, Option<&Block<D, L>>)) {
        for (i, a) in cluster.iter().enumerate() {
            let row = self.begins[*a as usize]..self.begins[*a as usize + 1];
            let mut places = row.clone().zip(&self.partners[row]);
            for (j, b) in cluster.iter().enumerate().skip(i) {
                // Both ascend, and the row holds all of the cluster.
                let Some((at, _)) = places.find(|(_, partner)| *partner == b) else { return };
                take(i, j, &self.fisher[at], self.noise.get(at));
            }
        }
    }
}

/// Where the patch of an atom lies in the image; without pixels where it misses the image.
#[derive(Debug, Clone, Copy, Default)]
struct Spot {
    row: i32,
    column: i32,
    side: i32,
}

impl Spot {
    /// First row and column, and rows and columns, that two patches share.
    fn overlap(&self, other: &Self) -> Option<[i32; 4]> {
        let (row, column) = (self.row.max(other.row), self.column.max(other.column));
        let rows = (self.row + self.side).min(other.row + other.side) - row;
        let columns = (self.column + self.side).min(other.column + other.side) - column;
        (rows > 0 && columns > 0).then_some([row, column, rows, columns])
    }

    /// The pixels of a patch from a place in the image on.
    fn rows<'a, const L: usize>(&self, pixels: &'a [[f64; L]], row: i32, column: i32) -> PatchRows<'a, L> {
        let first = (row - self.row) * self.side + column - self.column;
        PatchRows { pixels: &pixels[first as usize..], pitch: self.side as usize }
    }
}

/// Patches of the atoms of one chunk in one image.
pub(super) struct Chunk<const L: usize> {
    simd: SimdPath,
    spots: Vec<Spot>,
    patches: Vec<AtomPatch<L>>,
    workspace: PatchWorkspace,
    /// One patch times W and times W S W, 0 outside the image.
    weighted: [Vec<[f64; L]>; 2],
}

impl<const L: usize> Chunk<L> {
    pub fn new(patches: &AtomPatches, members: usize, simd: SimdPath) -> Self {
        Self {
            simd,
            spots: vec![Spot::default(); members],
            patches: vec![AtomPatch::default(); members],
            workspace: patches.workspace(),
            weighted: Default::default(),
        }
    }

    /// The patches of all atoms in one image, of the derivatives `own`.
    pub fn place(
        &mut self,
        patches: &AtomPatches,
        pose: &ImagePose,
        atoms: impl Iterator<Item = AtomValues>,
        own: &[usize],
    ) {
        for ((spot, patch), atom) in self.spots.iter_mut().zip(&mut self.patches).zip(atoms) {
            *spot = match patches.derivatives(pose, &atom, own, patch, &mut self.workspace) {
                // Patches touch the image, whose numbers fit into 32 bits.
                true => Spot { row: patch.corner.0 as i32, column: patch.corner.1 as i32, side: patch.side as i32 },
                false => Spot::default(),
            };
        }
    }

    /// Adds the sums over one image of this shape to all pairs.
    pub fn add<const D: usize>(&mut self, weights: &PixelWeights, shape: (usize, usize), pairs: &mut Pairs<D, L>) {
        let Pairs { begins, partners, fisher, noise } = pairs;
        for (a, spot) in self.spots.iter().enumerate().filter(|(_, spot)| spot.side > 0) {
            let row = begins[a]..begins[a + 1];
            if row.is_empty() {
                continue;
            }
            let [by_w, by_m] = &mut self.weighted;
            let pixels = &self.patches[a].pixels;
            match weights {
                PixelWeights::Uniform { .. } => weigh(pixels, spot, shape, None, by_w),
                PixelWeights::Each { fisher, noise: of_noise } => {
                    weigh(pixels, spot, shape, Some(fisher), by_w);
                    if !noise.is_empty() {
                        weigh(pixels, spot, shape, Some(of_noise), by_m);
                    }
                }
            }
            for at in row {
                let other = partners[at] as usize;
                let Some([r, c, rows, columns]) = spot.overlap(&self.spots[other]) else { continue };
                let (second, shared) =
                    (self.spots[other].rows(&self.patches[other].pixels, r, c), (rows as usize, columns as usize));
                match weights {
                    PixelWeights::Uniform { fisher: w, noise: m } => {
                        let mut sums = [[0.0; L]; D];
                        add_products(self.simd, spot.rows(by_w, r, c), second, shared, &mut sums);
                        add_scaled(*w, &sums, &mut fisher[at]);
                        noise.get_mut(at).into_iter().for_each(|noise| add_scaled(*m, &sums, noise));
                    }
                    PixelWeights::Each { .. } => {
                        add_products(self.simd, spot.rows(by_w, r, c), second, shared, &mut fisher[at]);
                        if let Some(noise) = noise.get_mut(at) {
                            add_products(self.simd, spot.rows(by_m, r, c), second, shared, noise);
                        }
                    }
                }
            }
        }
    }
}

fn add_scaled<const D: usize, const L: usize>(factor: f64, from: &Block<D, L>, to: &mut Block<D, L>) {
    to.iter_mut().flatten().zip(from.iter().flatten()).for_each(|(to, from)| *to += factor * from);
}

/// A patch times the weights of the image's pixels, 1 without them; 0 outside.
fn weigh<const L: usize>(
    pixels: &[[f64; L]],
    spot: &Spot,
    (rows, columns): (usize, usize),
    weights: Option<&[f32]>,
    to: &mut Vec<[f64; L]>,
) {
    let side = spot.side as usize;
    to.clear();
    to.resize(side * side, [0.0; L]);
    let inside = |at: i32, n: usize| (-at).clamp(0, spot.side) as usize..(n as i32 - at).clamp(0, spot.side) as usize;
    let of_columns = inside(spot.column, columns);
    for r in inside(spot.row, rows) {
        let part = r * side + of_columns.start..r * side + of_columns.end;
        let (to, pixels) = (&mut to[part.clone()], &pixels[part]);
        let Some(weights) = weights else {
            to.copy_from_slice(pixels);
            continue;
        };
        let first = (spot.row + r as i32) as usize * columns + (spot.column + of_columns.start as i32) as usize;
        for ((to, pixel), weight) in to.iter_mut().zip(pixels).zip(&weights[first..]) {
            *to = pixel.map(|value| value * f64::from(*weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_those_that_share_a_cluster() {
        let clusters = vec![vec![0, 1, 3], vec![1, 2], vec![0, 1]];
        let mut pairs = Pairs::<1, 1>::new(&clusters, 4, true);
        pairs.fisher.iter_mut().enumerate().for_each(|(at, block)| block[0][0] = at as f64);
        assert_eq!(pairs.partners, [0, 1, 3, 1, 2, 3, 2, 3]);
        let mut seen = Vec::new();
        pairs.of_cluster(&[0, 1, 3], |i, j, f, m| seen.push((i, j, f[0][0] as usize, m.is_some())));
        let wanted = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 5), (2, 2, 7)];
        assert_eq!(seen, wanted.map(|(i, j, at)| (i, j, at, true)));
    }

    #[test]
    fn what_lies_outside_the_image_weighs_nothing() {
        let spot = Spot { row: -1, column: 1, side: 3 };
        let mut weighted = Vec::new();
        let weights = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        weigh(&[[2.0]; 9], &spot, (2, 3), Some(&weights), &mut weighted);
        assert_eq!(weighted.concat(), [0.0, 0.0, 0.0, 2.0, 4.0, 0.0, 8.0, 10.0, 0.0]);
        weigh(&[[2.0]; 9], &spot, (2, 3), None, &mut weighted);
        assert_eq!(weighted.concat(), [0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0]);
        let other = Spot { row: 1, column: 3, side: 5 };
        assert_eq!(spot.overlap(&other), Some([1, 3, 1, 1]));
        assert_eq!(spot.overlap(&Spot { row: 2, ..other }), None);
        assert_eq!(spot.overlap(&Spot::default()), None);
    }
}
