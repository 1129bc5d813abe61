//! Pairs of atoms that are nearer to each other than atoms can be: doubled files, overlapping parts.

use super::transform::wrap;
use super::Atoms;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Two atoms and their distance, `first` < `second`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosePair {
    /// Index of the one atom.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Distance, angstrom: that of the nearest periodic images.
    pub distance: f64,
}

/// Most pairs that are listed: beyond that the distance was no mistake's distance.
const MAX_PAIRS: usize = 10_000_000;

/// All pairs of atoms nearer than `distance` (angstrom), in the order of their indices. Distances count across the
/// faces of the cell along the axes that are `periodic`; without a cell no axis is. Time grows linearly with the atoms.
///
/// # Errors
/// `Range` for a distance that is not positive or beyond half an edge of a periodic cell, `NotReady` where an axis
/// should be periodic and there is no cell, `Inconsistent` for more than ten million pairs.
pub fn close_pairs(atoms: &Atoms, distance: f64, periodic: [bool; 3]) -> Result<Vec<ClosePair>> {
    if !(distance.is_finite() && distance > 0.0) {
        return Err(Error::range("distance of close pairs", distance, "a positive number (angstrom)"));
    }
    let cell = if periodic.contains(&true) { atoms.require_cell()? } else { [f64::INFINITY; 3] };
    for axis in (0..3).filter(|axis| periodic[*axis]) {
        if distance > 0.5 * cell[axis] {
            let wanted = format!("at most half an edge of the periodic cell, {} angstrom", 0.5 * cell[axis]);
            return Err(Error::range("distance of close pairs", distance, wanted));
        }
    }
    let points: Vec<Vec3> = atoms.positions().iter().map(|p| wrap(p, &cell, periodic)).collect();
    let bins = Bins::new(&points, &cell, periodic, distance);
    let mut pairs = Vec::new();
    for i in 0..points.len() {
        let begin = pairs.len();
        bins.for_each_neighbour(&points[i], |j| {
            let gap = if j > i { nearest_image(&points[i], &points[j], &cell, periodic) } else { f64::INFINITY };
            if gap < distance {
                pairs.push(ClosePair { first: i, second: j, distance: gap });
            }
            pairs.len() <= MAX_PAIRS
        });
        if pairs.len() > MAX_PAIRS {
            return Err(Error::Inconsistent {
                what: "close pairs".into(),
                why: format!(
                    "more than {MAX_PAIRS} pairs of {} atoms are nearer than {distance} angstrom, wanted fewer",
                    atoms.len()
                ),
            });
        }
        pairs[begin..].sort_unstable_by_key(|pair| pair.second);
    }
    Ok(pairs)
}

fn nearest_image(a: &Vec3, b: &Vec3, cell: &Vec3, periodic: [bool; 3]) -> f64 {
    let along = |i: usize| {
        let gap = (a[i] - b[i]).abs();
        if periodic[i] {
            gap.min(cell[i] - gap)
        } else {
            gap
        }
    };
    (along(0).powi(2) + along(1).powi(2) + along(2).powi(2)).sqrt()
}

/// Atoms sorted into boxes that are at least as wide as the distance: neighbours are in the same or the next box.
struct Bins {
    low: Vec3,
    width: Vec3,
    counts: [usize; 3],
    periodic: [bool; 3],
    /// Atoms of box b: `atoms[starts[b]..starts[b + 1]]`.
    starts: Vec<usize>,
    atoms: Vec<usize>,
}

impl Bins {
    fn new(points: &[Vec3], cell: &Vec3, periodic: [bool; 3], distance: f64) -> Self {
        let bound = |start: f64, pick: fn(f64, f64) -> f64, i: usize| points.iter().fold(start, |b, p| pick(b, p[i]));
        let low: Vec3 = std::array::from_fn(|i| if periodic[i] { 0.0 } else { bound(f64::INFINITY, f64::min, i) });
        let extent: Vec3 =
            std::array::from_fn(|i| if periodic[i] { cell[i] } else { bound(f64::NEG_INFINITY, f64::max, i) - low[i] });
        // no more boxes than atoms, whatever the distance: wider boxes where the specimen is long
        let most = (points.len() as f64).cbrt().ceil();
        let counts = extent.map(|extent| (extent / distance).floor().clamp(1.0, most) as usize);
        let width = std::array::from_fn(|i| extent[i] / counts[i] as f64);
        let mut bins = Bins { low, width, counts, periodic, starts: Vec::new(), atoms: vec![0; points.len()] };
        let boxes: Vec<usize> = points.iter().map(|p| bins.index(bins.place(p))).collect();
        bins.starts = vec![0; counts.iter().product::<usize>() + 1];
        boxes.iter().for_each(|b| bins.starts[b + 1] += 1);
        (1..bins.starts.len()).for_each(|b| bins.starts[b] += bins.starts[b - 1]);
        let mut next = bins.starts.clone();
        for (atom, b) in boxes.iter().enumerate() {
            bins.atoms[next[*b]] = atom;
            next[*b] += 1;
        }
        bins
    }

    fn place(&self, p: &Vec3) -> [usize; 3] {
        std::array::from_fn(|i| {
            // the width is 0 where all atoms lie in one plane
            let place = if self.width[i] > 0.0 { (p[i] - self.low[i]) / self.width[i] } else { 0.0 };
            (place as usize).min(self.counts[i] - 1)
        })
    }

    fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        (z * self.counts[1] + y) * self.counts[0] + x
    }

    /// Calls `visit` for every atom in the box of `p` and in those around it, each once, until it answers false.
    fn for_each_neighbour(&self, p: &Vec3, mut visit: impl FnMut(usize) -> bool) {
        let place = self.place(p);
        let around: [Vec<usize>; 3] = std::array::from_fn(|i| self.around(place[i], i));
        for &z in &around[2] {
            for &y in &around[1] {
                for &x in &around[0] {
                    let b = self.index([x, y, z]);
                    if !self.atoms[self.starts[b]..self.starts[b + 1]].iter().all(|atom| visit(*atom)) {
                        return;
                    }
                }
            }
        }
    }

    /// A box and its neighbours along one axis, without repeats.
    fn around(&self, place: usize, axis: usize) -> Vec<usize> {
        let n = self.counts[axis];
        if !self.periodic[axis] {
            return (place.saturating_sub(1)..(place + 2).min(n)).collect();
        }
        let mut boxes = vec![(place + n - 1) % n, place, (place + 1) % n];
        boxes.sort_unstable();
        boxes.dedup();
        boxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn cloud(n: usize, extent: Vec3) -> Atoms {
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(7);
        let mut point = || std::array::from_fn(|i| extent[i] * (1.2 * rng.random::<f64>() - 0.1));
        Atoms::new((0..n).map(|_| point()).collect()).unwrap().with_cell(extent).unwrap()
    }

    fn by_hand(atoms: &Atoms, distance: f64, periodic: [bool; 3]) -> Vec<ClosePair> {
        let cell = atoms.cell().unwrap();
        let p: Vec<Vec3> = atoms.positions().iter().map(|p| wrap(p, &cell, periodic)).collect();
        let all = (0..p.len()).flat_map(|i| (i + 1..p.len()).map(move |j| (i, j)));
        let pairs = all.map(|(first, second)| ClosePair {
            first,
            second,
            distance: nearest_image(&p[first], &p[second], &cell, periodic),
        });
        pairs.filter(|pair| pair.distance < distance).collect()
    }

    #[test]
    fn the_same_pairs_as_by_hand() {
        for extent in [[10.0, 10.0, 10.0], [30.0, 4.0, 2.0], [3.0, 50.0, 3.0]] {
            let atoms = cloud(300, extent);
            for periodic in [[false; 3], [true, true, false], [true; 3]] {
                for distance in [0.01, 0.5, 1.0] {
                    let found = close_pairs(&atoms, distance, periodic).unwrap();
                    assert_eq!(found, by_hand(&atoms, distance, periodic), "{extent:?} {periodic:?} {distance}");
                }
            }
        }
        assert!(!close_pairs(&cloud(300, [10.0; 3]), 1.0, [true; 3]).unwrap().is_empty());
    }

    #[test]
    fn across_the_face_and_in_one_place() {
        let atoms = Atoms::new(vec![[0.05, 1.0, 0.1], [3.95, 1.0, 0.1], [2.0, 2.0, 3.9], [2.0, 2.0, 0.0]]).unwrap();
        let atoms = atoms.with_cell([4.0; 3]).unwrap();
        let pairs = close_pairs(&atoms, 0.3, [true, true, false]).unwrap();
        assert_eq!((pairs.len(), pairs[0].first, pairs[0].second), (1, 0, 1));
        assert!((pairs[0].distance - 0.1).abs() < 1e-12);
        assert_eq!(close_pairs(&atoms, 0.3, [true; 3]).unwrap().len(), 2);
        assert!(close_pairs(&atoms, 0.3, [false; 3]).unwrap().is_empty());
        let same = Atoms::new(vec![[1.0; 3]; 50]).unwrap();
        assert_eq!(close_pairs(&same, 0.3, [false; 3]).unwrap().len(), 50 * 49 / 2);
        let crowd = Atoms::new(vec![[1.0; 3]; 5000]).unwrap();
        assert_eq!(close_pairs(&crowd, 0.3, [false; 3]).unwrap_err().code(), 302);
    }

    #[test]
    fn bad_distances_are_refused() {
        let atoms = cloud(5, [4.0, 5.0, 6.0]);
        for distance in [0.0, -1.0, f64::NAN, f64::INFINITY, 2.1] {
            assert_eq!(close_pairs(&atoms, distance, [true, true, false]).unwrap_err().code(), 103, "{distance}");
        }
        assert_eq!(close_pairs(&atoms.without_cell(), 1.0, [true; 3]).unwrap_err().code(), 200);
    }
}
