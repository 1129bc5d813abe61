//! Which of many points are near a place.

use crate::error::{Error, Result};
use crate::geometry::Vec3;
use kiddo::{ImmutableKdTree, SquaredEuclidean};

/// A tree of points, which go by their numbers.
pub(crate) struct Neighbours {
    tree: ImmutableKdTree<f64, 3>,
}

impl Neighbours {
    /// A tree of at least one point.
    pub fn new(points: &[Vec3]) -> Result<Self> {
        let tree = ImmutableKdTree::new_from_slice(points)
            .map_err(|e| Error::Internal(format!("neighbour tree of {} points: {e}", points.len())))?;
        Ok(Self { tree })
    }

    /// Number and squared distance of the nearest point.
    pub fn nearest(&self, point: &Vec3) -> Option<(usize, f64)> {
        let hit = self.tree.query(point).nearest_one::<SquaredEuclidean<f64>>().execute();
        Some((usize::try_from(hit.item).ok()?, hit.distance))
    }

    /// Distance from each of the points of the tree, given again, to the nearest other one; infinite for a single point.
    pub fn nearest_others(&self, points: &[Vec3]) -> Vec<f64> {
        let two = std::num::NonZeroUsize::MIN.saturating_add(1);
        let second = |point: &Vec3| {
            let hits = self.tree.query(point).nearest_n::<SquaredEuclidean<f64>>(two).execute();
            hits.get(1).map_or(f64::INFINITY, |hit| hit.distance.sqrt())
        };
        points.iter().map(second).collect()
    }

    /// Numbers of the points nearer than `distance`.
    pub fn within(&self, point: &Vec3, distance: f64) -> Vec<usize> {
        self.around(point, distance).into_iter().map(|(number, _)| number).collect()
    }

    /// Numbers and squared distances of the points nearer than `distance`.
    pub fn around(&self, point: &Vec3, distance: f64) -> Vec<(usize, f64)> {
        let hits = self.tree.query(point).within::<SquaredEuclidean<f64>>(distance * distance).execute();
        hits.iter().filter_map(|hit| Some((usize::try_from(hit.item).ok()?, hit.distance))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::random_packing;

    fn squared(a: &Vec3, b: &Vec3) -> f64 {
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum()
    }

    #[test]
    fn neighbours_are_those_of_a_plain_search() {
        let points = random_packing(300, 18.0, 2.2, 7).unwrap();
        let near = Neighbours::new(&points).unwrap();
        let others = near.nearest_others(&points);
        for (i, p) in points.iter().enumerate() {
            let plain = |q: &Vec3, radius: f64| -> Vec<usize> {
                (0..points.len()).filter(|j| squared(&points[*j], q) < radius * radius).collect()
            };
            let mut found = near.within(p, 4.0);
            found.sort_unstable();
            assert_eq!(found, plain(p, 4.0));
            assert!(near.around(p, 4.0).iter().all(|(j, d)| (d - squared(&points[*j], p)).abs() < 1e-12));
            let least =
                (0..points.len()).filter(|j| *j != i).map(|j| squared(&points[j], p)).fold(f64::INFINITY, f64::min);
            assert!((others[i] - least.sqrt()).abs() < 1e-12);
            let beside = [p[0] + 0.3, p[1] - 0.2, p[2]];
            let (nearest, distance) = near.nearest(&beside).unwrap();
            assert!(nearest == i && (distance - 0.13).abs() < 1e-12);
        }
    }

    #[test]
    fn one_point_and_equal_ones() {
        let one = [[1.0, 2.0, 3.0]];
        let near = Neighbours::new(&one).unwrap();
        assert_eq!(near.nearest_others(&one), [f64::INFINITY]);
        assert!(near.nearest(&[1.0, 2.0, 5.0]) == Some((0, 4.0)) && near.within(&[9.0; 3], 1.0).is_empty());
        let same = [[0.5; 3]; 40];
        let near = Neighbours::new(&same).unwrap();
        assert_eq!((near.nearest_others(&same), near.within(&same[0], 0.1).len()), (vec![0.0; 40], 40));
    }
}
