//! Random dense packing of atoms in a ball: a stand-in for an amorphous particle in tests, benches and the demo.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Share of the volume that spheres of the minimum distance may fill. Random close packing ends at 0.64; the
/// relaxation becomes slow well before.
const MAX_FILLING: f64 = 0.55;
/// Pairs are pushed to slightly more than the minimum distance, so that the last overlaps vanish in finite time.
const TARGET: f64 = 1.01;
const MAX_SWEEPS: usize = 5000;

/// Seeded random dense packing: `count` positions (angstrom) in a ball of `diameter` about the origin, no two
/// nearer than `minimum_distance`. The same arguments give the same bits on every machine.
///
/// Uniform random points are pushed apart, pair by pair, until none overlap; time grows linearly with the count.
///
/// # Errors
/// `Empty` for no atoms, `Range` for lengths that are not positive, `Inconsistent` where the atoms would fill more
/// than 55 % of the ball (widened by half the minimum distance).
pub fn random_packing(count: usize, diameter: f64, minimum_distance: f64, seed: u64) -> Result<Vec<Vec3>> {
    check(count, diameter, minimum_distance)?;
    let radius = 0.5 * diameter;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut points: Vec<Vec3> = (0..count).map(|_| point_in_ball(&mut rng, radius)).collect();
    for _ in 0..MAX_SWEEPS {
        let cells = Cells::new(&points, radius, TARGET * minimum_distance);
        let nearest = cells.push_apart(&mut points, TARGET * minimum_distance);
        points.iter_mut().for_each(|p| pull_into_ball(p, radius));
        if nearest >= minimum_distance
            && Cells::new(&points, radius, minimum_distance).closest(&points) >= minimum_distance
        {
            return Ok(points);
        }
    }
    Err(Error::Internal(format!("a packing of {count} atoms did not settle in {MAX_SWEEPS} sweeps")))
}

fn check(count: usize, diameter: f64, minimum_distance: f64) -> Result<()> {
    if count == 0 {
        return Err(Error::Empty { what: "packing".into(), why: "at least one atom is needed".into() });
    }
    for (what, value) in [("diameter", diameter), ("minimum distance", minimum_distance)] {
        if !(value.is_finite() && value > 0.0) {
            return Err(Error::range(what, value, "a positive number (angstrom)"));
        }
    }
    // atoms at the surface reach half a distance beyond the ball of their centres
    let filling = count as f64 * (minimum_distance / (diameter + minimum_distance)).powi(3);
    if filling > MAX_FILLING {
        let why = format!(
            "{count} atoms at least {minimum_distance} angstrom apart would fill {filling:.3} of a ball of \
             {diameter} angstrom, at most {MAX_FILLING} is possible"
        );
        return Err(Error::Inconsistent { what: "packing".into(), why });
    }
    Ok(())
}

fn point_in_ball(rng: &mut Pcg64Mcg, radius: f64) -> Vec3 {
    loop {
        let p: Vec3 = std::array::from_fn(|_| rng.random_range(-radius..radius));
        if norm_squared(&p) <= radius * radius {
            return p;
        }
    }
}

fn pull_into_ball(p: &mut Vec3, radius: f64) {
    let r = norm_squared(p).sqrt();
    if r > radius {
        p.iter_mut().for_each(|v| *v *= radius / r);
    }
}

fn norm_squared(p: &Vec3) -> f64 {
    p.iter().map(|v| v * v).sum()
}

/// Points sorted into cubic cells not smaller than the range asked for: neighbours lie in the 27 cells around.
struct Cells {
    /// Cells per axis.
    n: usize,
    origin: f64,
    size: f64,
    /// First entry of each cell in `members`; one more at the end.
    starts: Vec<usize>,
    members: Vec<usize>,
}

impl Cells {
    fn new(points: &[Vec3], radius: f64, range: f64) -> Self {
        // no more cells than about 8 per point, however small the range
        let most = (2.0 * (points.len() as f64).cbrt()).ceil().max(1.0);
        let n = (2.0 * radius / range).floor().clamp(1.0, most) as usize;
        let mut cells = Cells { n, origin: -radius, size: 2.0 * radius / n as f64, starts: vec![], members: vec![] };
        let mut starts = vec![0; n * n * n + 1];
        for p in points {
            starts[cells.index(p) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        cells.members = vec![0; points.len()];
        for (i, p) in points.iter().enumerate() {
            let slot = &mut next[cells.index(p)];
            cells.members[*slot] = i;
            *slot += 1;
        }
        cells.starts = starts;
        cells
    }

    fn cell(&self, p: &Vec3) -> [usize; 3] {
        // the cast saturates: points on the rim stay in the outermost cells
        p.map(|v| (((v - self.origin) / self.size) as usize).min(self.n - 1))
    }

    fn index(&self, p: &Vec3) -> usize {
        let [x, y, z] = self.cell(p);
        (z * self.n + y) * self.n + x
    }

    /// Calls `visit` for each pair of points in touching cells, each pair once, in a fixed order.
    fn for_each_pair(&self, mut visit: impl FnMut(usize, usize)) {
        let around = |c: usize| c.saturating_sub(1)..(c + 2).min(self.n);
        for cell in 0..self.n * self.n * self.n {
            let own = &self.members[self.starts[cell]..self.starts[cell + 1]];
            if own.is_empty() {
                continue;
            }
            let (x, y, z) = (cell % self.n, cell / self.n % self.n, cell / self.n / self.n);
            for other in around(z).flat_map(|z| around(y).map(move |y| (z * self.n + y) * self.n)) {
                for other in around(x).map(|x| other + x).filter(|&other| other >= cell) {
                    for &j in &self.members[self.starts[other]..self.starts[other + 1]] {
                        own.iter().filter(|&&i| other > cell || i < j).for_each(|&i| visit(i, j));
                    }
                }
            }
        }
    }

    /// Moves both points of each pair nearer than `target` to that distance; least distance seen on the way.
    fn push_apart(&self, points: &mut [Vec3], target: f64) -> f64 {
        let mut least = f64::INFINITY;
        self.for_each_pair(|i, j| {
            let d: Vec3 = std::array::from_fn(|k| points[j][k] - points[i][k]);
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
        least
    }

    /// Least distance of any pair in touching cells.
    fn closest(&self, points: &[Vec3]) -> f64 {
        let mut least = f64::INFINITY;
        self.for_each_pair(|i, j| {
            let d: Vec3 = std::array::from_fn(|k| points[j][k] - points[i][k]);
            least = least.min(norm_squared(&d));
        });
        least.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_packing(points: &[Vec3], diameter: f64, distance: f64) {
        for (i, p) in points.iter().enumerate() {
            assert!(norm_squared(p).sqrt() <= 0.5 * diameter + 1e-9);
            for q in &points[..i] {
                let d: Vec3 = std::array::from_fn(|k| p[k] - q[k]);
                assert!(norm_squared(&d).sqrt() >= distance);
            }
        }
    }

    #[test]
    fn packings_keep_their_distance_and_their_bits() {
        for (count, diameter, distance) in [(1, 1.0, 2.0), (2, 2.5, 2.0), (500, 27.0, 2.2), (1000, 33.0, 2.4)] {
            let points = random_packing(count, diameter, distance, 7).unwrap();
            assert_eq!(points.len(), count);
            check_packing(&points, diameter, distance);
            assert_eq!(points, random_packing(count, diameter, distance, 7).unwrap());
        }
        assert_ne!(random_packing(50, 30.0, 2.0, 1).unwrap(), random_packing(50, 30.0, 2.0, 2).unwrap());
    }

    #[test]
    fn dense_as_a_metallic_glass() {
        // 0.55 of the ball is filled at most; 0.5 is denser than any random sequential addition (0.38)
        let count = 2000;
        let distance = 2.5;
        let diameter = distance * ((count as f64 / 0.5).cbrt() - 1.0);
        check_packing(&random_packing(count, diameter, distance, 11).unwrap(), diameter, distance);
    }

    #[test]
    fn impossible_packings_are_refused() {
        assert_eq!(random_packing(0, 30.0, 2.0, 0).unwrap_err().code(), 301);
        assert_eq!(random_packing(10, -1.0, 2.0, 0).unwrap_err().code(), 103);
        assert_eq!(random_packing(10, 10.0, f64::NAN, 0).unwrap_err().code(), 103);
        assert_eq!(random_packing(10_000, 20.0, 2.0, 0).unwrap_err().code(), 302);
    }
}
