//! The exact k-means of numbers.
//!
//! On a line, classes of least squares are intervals, so the best of all partitions comes from dynamic programming:
//! with cost(i, j) the sum of squares of the values i..j about their mean, D_k(j) = min over i of D_(k-1)(i) + cost(i,
//! j) (H. Wang and M. Song, The R Journal 3 (2011) 29). The best i rises with j, which halves the search at each level:
//! O(k n log n). There is no start to choose and nothing is random.

/// Distinct values, ascending, with the number of times each occurs.
pub(super) struct Sorted {
    values: Vec<f64>,
    /// Number, sum and sum of squares of all values before each place.
    before: Vec<[f64; 3]>,
}

/// A class: its mean, standard deviation (over n) and number of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Group {
    pub mean: f64,
    pub sigma: f64,
    pub count: f64,
}

impl Sorted {
    /// `values` are finite.
    pub fn new(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut distinct: Vec<f64> = Vec::new();
        let mut before = vec![[0.0; 3]];
        let mut sums = [0.0; 3];
        for value in sorted {
            sums = [sums[0] + 1.0, sums[1] + value, sums[2] + value * value];
            if distinct.last() == Some(&value) {
                before.pop();
            } else {
                distinct.push(value);
            }
            before.push(sums);
        }
        Self { values: distinct, before }
    }

    /// Number of distinct values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    fn group(&self, from: usize, to: usize) -> Group {
        let (a, b) = (self.before[from], self.before[to]);
        let count = b[0] - a[0];
        let mean = (b[1] - a[1]) / count;
        Group { mean, sigma: (self.cost(from, to) / count).sqrt(), count }
    }

    /// Sum of the squares of the values from..to about their mean.
    fn cost(&self, from: usize, to: usize) -> f64 {
        if to - from < 2 {
            return 0.0; // one value, however often
        }
        let (a, b) = (self.before[from], self.before[to]);
        let sum = b[1] - a[1];
        (b[2] - a[2] - sum * sum / (b[0] - a[0])).max(0.0)
    }

    /// The partition into `classes` (1 to the number of distinct values) of least squares, ascending.
    pub fn k_means(&self, classes: usize) -> Vec<Group> {
        let n = self.len();
        let mut least: Vec<f64> = (0..=n).map(|to| self.cost(0, to)).collect();
        let mut starts = Vec::with_capacity(classes - 1); // of the last class, for each end
        for k in 1..classes {
            let mut layer = Layer { least: vec![f64::INFINITY; n + 1], start: vec![k; n + 1] };
            layer.fill(self, &least, (k + 1, n), (k, n - 1));
            least = layer.least;
            starts.push(layer.start);
        }
        let (mut groups, mut to) = (Vec::with_capacity(classes), n);
        for start in starts.iter().rev() {
            groups.push(self.group(start[to], to));
            to = start[to];
        }
        groups.push(self.group(0, to));
        groups.reverse();
        groups
    }
}

/// The best partitions with one class more than those known, by their ends.
struct Layer {
    least: Vec<f64>,
    start: Vec<usize>,
}

impl Layer {
    /// For all ends of the range `ends` (both included), whose last classes start within `starts`.
    fn fill(&mut self, sorted: &Sorted, known: &[f64], ends: (usize, usize), starts: (usize, usize)) {
        if ends.0 > ends.1 {
            return;
        }
        let middle = ends.0 + (ends.1 - ends.0) / 2;
        let mut best = (f64::INFINITY, starts.0);
        for (start, known) in known.iter().enumerate().take(starts.1.min(middle - 1) + 1).skip(starts.0) {
            let cost = known + sorted.cost(start, middle);
            if cost < best.0 {
                best = (cost, start);
            }
        }
        (self.least[middle], self.start[middle]) = best;
        self.fill(sorted, known, (ends.0, middle - 1), (starts.0, best.1));
        self.fill(sorted, known, (middle + 1, ends.1), (best.1, starts.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Least cost over all partitions, by trying them all.
    fn plain(values: &[f64], classes: usize) -> f64 {
        let cost = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            v.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
        };
        if classes == 1 {
            return cost(values);
        }
        (classes - 1..values.len())
            .map(|start| plain(&values[..start], classes - 1) + cost(&values[start..]))
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn no_partition_is_better() {
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
        for n in [4, 9, 14] {
            let mut values: Vec<f64> = (0..n).map(|_| (random.random_range(0.0..4.0f64) * 8.0).round() / 8.0).collect();
            values.sort_by(f64::total_cmp);
            let sorted = Sorted::new(&values);
            for classes in 1..=sorted.len().min(4) {
                let groups = sorted.k_means(classes);
                let cost: f64 = groups.iter().map(|g| g.count * g.sigma * g.sigma).sum();
                let wanted = plain(&values, classes);
                assert!((cost - wanted).abs() < 1e-9, "{n} values, {classes} classes: {cost}, least {wanted}");
                assert_eq!(groups.iter().map(|g| g.count).sum::<f64>(), n as f64);
                assert!(groups.windows(2).all(|g| g[0].mean < g[1].mean));
            }
        }
    }

    #[test]
    fn every_distinct_value_can_be_a_class() {
        let sorted = Sorted::new(&[3.0, 1.0, 2.0, 1.0, 3.0, 3.0]);
        let groups = sorted.k_means(3);
        assert_eq!(
            groups.iter().map(|g| (g.mean, g.sigma, g.count)).collect::<Vec<_>>(),
            [(1.0, 0.0, 2.0), (2.0, 0.0, 1.0), (3.0, 0.0, 3.0)]
        );
    }
}
