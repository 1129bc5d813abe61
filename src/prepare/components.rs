//! Connected parts of a set of voxels: islands to drop, holes to fill.
//!
//! Runs of voxels along x are joined with those of the rows before by union and find, in one pass.

use crate::context::CancelToken;
use crate::error::Result;

/// Which voxels are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Connectivity {
    /// The 26 that share a corner, an edge or a face.
    #[default]
    Corners = 0,
    /// The 6 that share a face.
    Faces = 1,
}

impl Connectivity {
    /// That of the background, with which a closed surface has an inside.
    fn of_background(self) -> Self {
        match self {
            Connectivity::Corners => Connectivity::Faces,
            Connectivity::Faces => Connectivity::Corners,
        }
    }
}

/// Voxels `start..end` of one row, and the run that it is joined with (itself: a root).
struct Run {
    row: usize,
    start: usize,
    end: usize,
    parent: usize,
}

/// The runs of voxels equal to `value`, joined into connected parts.
struct Parts {
    runs: Vec<Run>,
}

impl Parts {
    fn of(
        [_, ny, nx]: [usize; 3],
        voxels: &[bool],
        value: bool,
        connectivity: Connectivity,
        cancel: &CancelToken<'_>,
    ) -> Result<Self> {
        let mut parts = Parts { runs: Vec::new() };
        let mut starts = vec![0]; // first run of each row
        for (row, line) in voxels.chunks_exact(nx).enumerate() {
            if row % ny == 0 {
                cancel.check("labelling islands")?;
            }
            let mut x = 0;
            while x < nx {
                let start = x + line[x..].iter().take_while(|v| **v != value).count();
                x = start + line[start..].iter().take_while(|v| **v == value).count();
                if x > start {
                    let parent = parts.runs.len();
                    parts.runs.push(Run { row, start, end: x, parent });
                }
            }
            starts.push(parts.runs.len());
            let (z, y) = (row / ny, row % ny);
            let reach = usize::from(connectivity == Connectivity::Corners);
            let mut join = |other: usize| {
                parts.join_rows((starts[row], starts[row + 1]), (starts[other], starts[other + 1]), reach)
            };
            if y > 0 {
                join(row - 1);
            }
            if z > 0 {
                join(row - ny);
                if reach > 0 && y > 0 {
                    join(row - ny - 1);
                }
                if reach > 0 && y + 1 < ny {
                    join(row - ny + 1);
                }
            }
        }
        Ok(parts)
    }

    /// Joins the runs of two rows that overlap when each is wider by `reach` at one side.
    fn join_rows(&mut self, (mut a, a_end): (usize, usize), (mut b, b_end): (usize, usize), reach: usize) {
        while a < a_end && b < b_end {
            let (left, right) = (&self.runs[a], &self.runs[b]);
            let (left_end, right_end) = (left.end, right.end);
            if left.start < right_end + reach && right.start < left_end + reach {
                self.join(a, b);
            }
            if left_end < right_end {
                a += 1;
            } else {
                b += 1;
            }
        }
    }

    fn root(&mut self, mut run: usize) -> usize {
        while self.runs[run].parent != run {
            let above = self.runs[self.runs[run].parent].parent;
            self.runs[run].parent = above;
            run = above;
        }
        run
    }

    /// The earlier root stands for both parts.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.runs[a.max(b)].parent = a.min(b);
    }

    /// The root of every run.
    fn roots(&mut self) -> Vec<usize> {
        (0..self.runs.len()).map(|run| self.root(run)).collect()
    }
}

/// What [`keep_islands`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Islands {
    /// Parts there were.
    pub found: usize,
    /// Voxels of the largest.
    pub largest: usize,
}

/// Takes out connected parts of less than `minimum` voxels and, where `largest_only`, all but the largest (the first of
/// equals).
pub(super) fn keep_islands(
    shape: [usize; 3],
    voxels: &mut [bool],
    connectivity: Connectivity,
    (minimum, largest_only): (usize, bool),
    cancel: &CancelToken<'_>,
) -> Result<Islands> {
    let nx = shape[2];
    let mut parts = Parts::of(shape, voxels, true, connectivity, cancel)?;
    let roots = parts.roots();
    let mut sizes = vec![0; roots.len()];
    parts.runs.iter().zip(&roots).for_each(|(run, root)| sizes[*root] += run.end - run.start);
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let first = sizes.iter().position(|size| *size == largest);
    for (run, root) in parts.runs.iter().zip(&roots) {
        if sizes[*root] < minimum || (largest_only && Some(*root) != first) {
            voxels[run.row * nx + run.start..run.row * nx + run.end].fill(false);
        }
    }
    Ok(Islands { found: sizes.iter().filter(|size| **size > 0).count(), largest })
}

/// Fills the parts of the background that touch no face of the volume. They are connected by faces where the voxels of
/// the set are connected by corners, and the other way round.
pub(super) fn fill_holes(
    shape: [usize; 3],
    voxels: &mut [bool],
    connectivity: Connectivity,
    cancel: &CancelToken<'_>,
) -> Result<()> {
    let [nz, ny, nx] = shape;
    let mut parts = Parts::of(shape, voxels, false, connectivity.of_background(), cancel)?;
    let roots = parts.roots();
    let mut open = vec![false; roots.len()];
    for (run, root) in parts.runs.iter().zip(&roots) {
        let (z, y) = (run.row / ny, run.row % ny);
        open[*root] |= z == 0 || z + 1 == nz || y == 0 || y + 1 == ny || run.start == 0 || run.end == nx;
    }
    for (run, _) in parts.runs.iter().zip(&roots).filter(|(_, root)| !open[**root]) {
        voxels[run.row * nx + run.start..run.row * nx + run.end].fill(true);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Context, ContextOptions};
    use std::collections::VecDeque;

    fn context() -> Context {
        Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap()
    }

    /// Parts by flooding from voxel to voxel.
    fn flooded(shape: [usize; 3], voxels: &[bool], connectivity: Connectivity) -> Vec<usize> {
        let at = |p: [i64; 3]| -> Option<usize> {
            let inside = (0..3).all(|a| (0..shape[a] as i64).contains(&p[a]));
            inside.then(|| (p[0] as usize * shape[1] + p[1] as usize) * shape[2] + p[2] as usize)
        };
        let mut label = vec![usize::MAX; voxels.len()];
        for seed in 0..voxels.len() {
            if !voxels[seed] || label[seed] != usize::MAX {
                continue;
            }
            label[seed] = seed;
            let mut queue = VecDeque::from([seed]);
            while let Some(i) = queue.pop_front() {
                let p = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]].map(|v| v as i64);
                for d in 0..27 {
                    let step = [d / 9 - 1, d / 3 % 3 - 1, d % 3 - 1];
                    if connectivity == Connectivity::Faces && step.iter().map(|s: &i64| s.abs()).sum::<i64>() > 1 {
                        continue;
                    }
                    if let Some(j) = at([p[0] + step[0], p[1] + step[1], p[2] + step[2]]) {
                        if voxels[j] && label[j] == usize::MAX {
                            label[j] = seed;
                            queue.push_back(j);
                        }
                    }
                }
            }
        }
        label
    }

    fn noise(shape: [usize; 3], percent: u64) -> Vec<bool> {
        let hash = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % 100 < percent;
        (0..shape.iter().product::<usize>() as u64).map(hash).collect()
    }

    #[test]
    fn islands_are_those_of_flooding() {
        let context = context();
        let cancel = context.cancel_token();
        for (shape, percent) in [([7, 8, 9], 12), ([7, 8, 9], 30), ([1, 20, 20], 45), ([5, 1, 30], 50), ([9, 9, 9], 60)]
        {
            let voxels = noise(shape, percent);
            for connectivity in [Connectivity::Corners, Connectivity::Faces] {
                let labels = flooded(shape, &voxels, connectivity);
                let size = |i: usize| labels.iter().filter(|l| **l == labels[i]).count();
                for minimum in [0, 2, 5] {
                    let mut kept = voxels.clone();
                    keep_islands(shape, &mut kept, connectivity, (minimum, false), &cancel).unwrap();
                    for i in 0..voxels.len() {
                        assert_eq!(
                            kept[i],
                            voxels[i] && size(i) >= minimum,
                            "{shape:?} {connectivity:?} {minimum} {i}"
                        );
                    }
                }
                let mut largest = voxels.clone();
                let islands = keep_islands(shape, &mut largest, connectivity, (0, true), &cancel).unwrap();
                assert_eq!(largest.iter().filter(|v| **v).count(), islands.largest);
                let roots = (0..labels.len()).filter(|i| labels[*i] == *i).count();
                assert_eq!(islands.found, roots);
            }
        }
    }

    #[test]
    fn holes_are_filled_and_bays_are_not() {
        let (context, shape) = (context(), [7, 7, 7]);
        let cancel = context.cancel_token();
        let inside = |i: usize| [i / 49, i / 7 % 7, i % 7];
        // A shell of a cube around one hole.
        let shell = |i: usize| inside(i).iter().all(|v| (1..6).contains(v)) && inside(i) != [3, 3, 3];
        let mut voxels: Vec<bool> = (0..343).map(shell).collect();
        fill_holes(shape, &mut voxels, Connectivity::Corners, &cancel).unwrap();
        assert_eq!(voxels.iter().filter(|v| **v).count(), 125);
        let mut open: Vec<bool> = (0..343).map(|i| shell(i) && inside(i)[1..] != [3, 3]).collect();
        let before = open.clone();
        fill_holes(shape, &mut open, Connectivity::Corners, &cancel).unwrap();
        assert_eq!(open, before);
    }
}
