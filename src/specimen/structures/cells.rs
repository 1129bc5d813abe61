//! Points sorted into cells: the pairs of neighbours in linear time.

use super::region::Region;
use crate::geometry::Vec3;

/// Points sorted into cells not smaller than the range asked for: neighbours lie in the 27 cells around. Their positions
/// are kept in the order of the cells, which is what makes a walk over pairs fast, and go back with [`Cells::store`].
pub(super) struct Cells<'a> {
    region: &'a Region,
    /// Cells per axis.
    n: [usize; 3],
    size: Vec3,
    /// First entry of each cell in `members`; one more at the end.
    starts: Vec<usize>,
    /// Point numbers, cell by cell, ascending in each.
    members: Vec<u32>,
    /// Their positions, in the same order.
    positions: Vec<Vec3>,
}

/// The nearest neighbour of a point.
#[derive(Clone, Copy)]
pub(super) struct Neighbour {
    /// Its slot in the order of the cells; of no meaning where the distance is infinite.
    pub slot: usize,
    pub distance: f64,
}

impl<'a> Cells<'a> {
    pub(super) fn new(points: &[Vec3], region: &'a Region, range: f64) -> Self {
        let bounds = region.bounds();
        // no more cells than about 8 per point, however small the range
        let widest = bounds.iter().copied().fold(0.0, f64::max);
        let most = (2.0 * (points.len() as f64).cbrt()).ceil().max(1.0);
        let range = range.max(widest / most);
        let n = bounds.map(|width| (width / range).floor().clamp(1.0, most) as usize);
        let size = std::array::from_fn(|k| bounds[k] / n[k] as f64);
        let mut cells = Cells { region, n, size, starts: vec![], members: vec![], positions: vec![] };
        let places: Vec<u32> = points.iter().map(|p| cells.index(p) as u32).collect();
        let mut starts = vec![0; n[0] * n[1] * n[2] + 1];
        for &place in &places {
            starts[place as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        cells.members = vec![0; points.len()];
        cells.positions = vec![[0.0; 3]; points.len()];
        for (i, (p, &place)) in points.iter().zip(&places).enumerate() {
            let slot = &mut next[place as usize];
            cells.members[*slot] = i as u32;
            cells.positions[*slot] = *p;
            *slot += 1;
        }
        cells.starts = starts;
        cells
    }

    /// Writes the positions back to where they came from.
    pub(super) fn store(&self, points: &mut [Vec3]) {
        for (&i, p) in self.members.iter().zip(&self.positions) {
            points[i as usize] = *p;
        }
    }

    fn cell(&self, p: &Vec3) -> [usize; 3] {
        let bounds = self.region.bounds();
        // the cast saturates: points on the rim stay in the outermost cells
        std::array::from_fn(|k| (((p[k] + 0.5 * bounds[k]) / self.size[k]) as usize).min(self.n[k] - 1))
    }

    fn index(&self, p: &Vec3) -> usize {
        let [x, y, z] = self.cell(p);
        (z * self.n[1] + y) * self.n[0] + x
    }

    /// The cells up to `reach` away along one axis, ascending, each once; around the edges where the region is periodic.
    fn around(&self, axis: usize, c: usize, reach: usize) -> Vec<usize> {
        let n = self.n[axis];
        if !self.region.periodic()[axis] {
            return (c.saturating_sub(reach)..(c + reach + 1).min(n)).collect();
        }
        let mut cells: Vec<usize> = (0..2 * reach + 1).map(|k| (c + k + n * (reach / n + 1) - reach) % n).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Calls `visit(positions, i, j)` for the slots of each pair of points in touching cells, each pair once, in a fixed
    /// order.
    fn for_each_pair(&mut self, mut visit: impl FnMut(&mut [Vec3], usize, usize)) {
        let mut positions = std::mem::take(&mut self.positions);
        let [nx, ny, nz] = self.n;
        let columns: Vec<Vec<usize>> = (0..nx).map(|x| self.around(0, x, 1)).collect();
        for z in 0..nz {
            let near_z = self.around(2, z, 1);
            for y in 0..ny {
                let near_y = self.around(1, y, 1);
                for (x, near_x) in columns.iter().enumerate() {
                    let cell = (z * ny + y) * nx + x;
                    let own = self.starts[cell]..self.starts[cell + 1];
                    if own.is_empty() {
                        continue;
                    }
                    let rows = near_z.iter().flat_map(|z| near_y.iter().map(move |y| (z * ny + y) * nx));
                    for other in rows.flat_map(|row| near_x.iter().map(move |x| row + x)).filter(|&o| o >= cell) {
                        for j in self.starts[other]..self.starts[other + 1] {
                            let end = if other > cell { own.end } else { j };
                            (own.start..end).for_each(|i| visit(&mut positions, i, j));
                        }
                    }
                }
            }
        }
        self.positions = positions;
    }

    /// Moves both points of each pair nearer than `target` to that distance; least distance seen on the way.
    pub(super) fn push_apart(&mut self, target: f64) -> f64 {
        let (mut least, region) = (f64::INFINITY, self.region);
        self.for_each_pair(|points, i, j| {
            let d = region.difference(&points[i], &points[j]);
            let square = norm_squared(&d);
            if square >= target * target {
                return;
            }
            let r = square.sqrt();
            least = least.min(r);
            // coincident points part along x
            let step: Vec3 = if r > 0.0 { d.map(|v| 0.5 * (target - r) * v / r) } else { [0.5 * target, 0.0, 0.0] };
            for k in 0..3 {
                points[i][k] -= step[k];
                points[j][k] += step[k];
            }
        });
        for p in &mut self.positions {
            region.confine(p);
        }
        least
    }

    /// Least distance of any pair in touching cells.
    pub(super) fn closest(&mut self) -> f64 {
        let (mut least, region) = (f64::INFINITY, self.region);
        self.for_each_pair(|points, i, j| {
            least = least.min(norm_squared(&region.difference(&points[i], &points[j])));
        });
        least.sqrt()
    }

    /// The nearest neighbour of every slot, among the points in touching cells; infinitely far where there is none.
    fn near_neighbours(&mut self) -> Vec<Neighbour> {
        let region = self.region;
        let mut found = vec![Neighbour { slot: 0, distance: f64::INFINITY }; self.members.len()];
        self.for_each_pair(|points, i, j| {
            let square = norm_squared(&region.difference(&points[i], &points[j]));
            for (a, b) in [(i, j), (j, i)] {
                if square < found[a].distance {
                    found[a] = Neighbour { slot: b, distance: square };
                }
            }
        });
        found.iter_mut().for_each(|n| n.distance = n.distance.sqrt());
        found
    }

    /// The nearest neighbour of one slot, however far: a search in growing boxes of cells.
    fn nearest(&self, slot: usize) -> Neighbour {
        let p = self.positions[slot];
        let [x, y, z] = self.cell(&p);
        let mut best = Neighbour { slot, distance: f64::INFINITY };
        for reach in 1..=self.n.iter().copied().max().unwrap_or(1) {
            let columns = self.around(0, x, reach);
            for z in self.around(2, z, reach) {
                for y in self.around(1, y, reach) {
                    for cell in columns.iter().map(|x| (z * self.n[1] + y) * self.n[0] + x) {
                        for j in (self.starts[cell]..self.starts[cell + 1]).filter(|&j| j != slot) {
                            let distance = norm_squared(&self.region.difference(&p, &self.positions[j])).sqrt();
                            if distance < best.distance {
                                best = Neighbour { slot: j, distance };
                            }
                        }
                    }
                }
            }
            // whatever lies outside the boxes is at least `reach` cells away
            if best.distance <= reach as f64 * self.size.iter().copied().fold(f64::INFINITY, f64::min) {
                break;
            }
        }
        best
    }

    /// Moves every point that has no neighbour within `limit`, the range of these cells, to the distance `target` from its
    /// nearest; how many. No other point gets nearer to it than that.
    pub(super) fn pull_isolated(&mut self, limit: f64, target: f64) -> usize {
        let near = self.near_neighbours();
        let isolated: Vec<usize> = (0..near.len()).filter(|&i| near[i].distance > limit).collect();
        for &i in &isolated {
            // searched anew: a neighbour may have come nearer since
            let nearest = self.nearest(i);
            if nearest.distance > limit && nearest.distance.is_finite() {
                let d = self.region.difference(&self.positions[i], &self.positions[nearest.slot]);
                let part = 1.0 - target / nearest.distance;
                (0..3).for_each(|k| self.positions[i][k] += part * d[k]);
                self.region.confine(&mut self.positions[i]);
            }
        }
        isolated.len()
    }
}

pub(super) fn norm_squared(p: &Vec3) -> f64 {
    p.iter().map(|v| v * v).sum()
}
