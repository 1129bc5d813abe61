//! Random dense packings of atoms: amorphous particles and films.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::cells::Cells;
use super::lattices::MOST_ATOMS;
use super::region::Region;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Share of the volume that spheres of the minimum distance may fill. Random sequential addition ends at 0.38 and random
/// close packing at 0.64; the relaxation becomes slow well before.
pub(super) const MAX_FILLING: f64 = 0.55;
/// Pairs are pushed to slightly more than the minimum distance, so that the last overlaps vanish in finite time.
const MARGIN: f64 = 0.01;
const MAX_SWEEPS: usize = 5000;

/// What to pack.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    /// Number of atoms.
    pub count: usize,
    /// Where their centres may lie.
    pub region: Region,
    /// No two atoms are nearer, angstrom.
    pub minimum_distance: f64,
    /// Every atom has its nearest neighbour within this distance, angstrom; `None`: however far.
    pub maximum_distance: Option<f64>,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Seeded random dense packing of a ball about the origin: [`pack`] with a minimum distance only.
///
/// # Errors
/// Those of [`pack`].
pub fn random_packing(count: usize, diameter: f64, minimum_distance: f64, seed: u64) -> Result<Vec<Vec3>> {
    let region = Region::Ball { diameter };
    pack(&Packing { count, region, minimum_distance, maximum_distance: None, seed }, &mut |_| Ok(()))
}

/// Seeded random dense packing: positions `[count]` (angstrom). The same arguments give the same bits on every machine.
///
/// Uniform random points are pushed apart, pair by pair, until none overlap; atoms without a neighbour within the
/// maximum distance are moved to their nearest one. Time grows linearly with the count. `go_on` is told the part that is
/// done, as far as overlaps tell, once per sweep; its error ends the call.
///
/// # Errors
/// `Empty` for no atoms, `Range` for lengths that are not positive, periods of a film below two minimum distances, and a
/// maximum distance that is not above the minimum, `Inconsistent` where the atoms would fill more than 55 % of the
/// region (widened by half the minimum distance).
pub fn pack(packing: &Packing, go_on: &mut dyn FnMut(f64) -> Result<()>) -> Result<Vec<Vec3>> {
    check(packing)?;
    let Packing { count, region, minimum_distance, maximum_distance, seed } = packing;
    let (push, pull) = targets(*minimum_distance, *maximum_distance);
    let mut rng = Pcg64Mcg::seed_from_u64(*seed);
    let mut points: Vec<Vec3> = (0..*count).map(|_| region.random_point(&mut rng)).collect();
    for _ in 0..MAX_SWEEPS {
        let mut cells = Cells::new(&points, region, push);
        let nearest = cells.push_apart(push);
        cells.store(&mut points);
        go_on((nearest / minimum_distance).min(1.0))?;
        // isolated atoms are few from the start and would only be pushed away again while overlaps are deep
        let settled = nearest >= *minimum_distance;
        let mut isolated = 0;
        if let Some(limit) = maximum_distance.as_ref().filter(|_| nearest >= 0.9 * minimum_distance) {
            let mut cells = Cells::new(&points, region, *limit);
            isolated = cells.pull_isolated(*limit, pull);
            cells.store(&mut points);
        }
        if settled && isolated == 0 && Cells::new(&points, region, *minimum_distance).closest() >= *minimum_distance {
            return Ok(points);
        }
    }
    Err(Error::Internal(format!("a packing of {count} atoms did not settle in {MAX_SWEEPS} sweeps")))
}

/// Distances to which overlapping pairs are pushed and isolated atoms pulled.
fn targets(minimum: f64, maximum: Option<f64>) -> (f64, f64) {
    let room = maximum.map_or(f64::INFINITY, |maximum| maximum - minimum);
    let push = minimum * (1.0 + MARGIN);
    let push = push.min(minimum + 0.4 * room);
    (push, maximum.map_or(push, |maximum| 0.5 * (push + maximum)))
}

fn check(packing: &Packing) -> Result<()> {
    let Packing { count, region, minimum_distance: minimum, .. } = packing;
    if *count == 0 {
        return Err(Error::Empty { what: "packing".into(), why: "at least one atom is needed".into() });
    }
    if *count as f64 > MOST_ATOMS {
        return Err(Error::range("atoms of a packing", count, format!("at most {MOST_ATOMS:.0e}")));
    }
    if !(minimum.is_finite() && *minimum > 0.0) {
        return Err(Error::range("minimum distance", minimum, "a positive number (angstrom)"));
    }
    region.check(*minimum)?;
    if let Some(maximum) = packing.maximum_distance {
        // below this the window is a rounding error of the relaxation, not a specimen
        let least = minimum * (1.0 + 0.5 * MARGIN);
        if !(maximum.is_finite() && maximum >= least) {
            let wanted = format!("at least {least} angstrom, 0.5 % above the minimum distance {minimum}");
            return Err(Error::range("maximum distance", maximum, wanted));
        }
        if *count == 1 {
            return Err(Error::range("atoms of a packing", count, "2 or more where a maximum distance is given"));
        }
    }
    // atoms at a free surface reach half a distance beyond it
    let sphere = std::f64::consts::PI / 6.0 * minimum.powi(3);
    let volume = region.volume(*minimum);
    let filling = *count as f64 * sphere / volume;
    if filling > MAX_FILLING {
        let most = (MAX_FILLING * volume / sphere) as usize;
        let why = format!(
            "{count} atoms at least {minimum} angstrom apart would fill {filling:.3} of {region}, at most \
             {MAX_FILLING} is possible: {most} atoms, or {:.1} per nm^3",
            1000.0 * MAX_FILLING / sphere
        );
        return Err(Error::Inconsistent { what: "packing".into(), why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::cells::norm_squared;
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

    #[test]
    fn largest_atoms_of_a_region_are_named() {
        let text = random_packing(10_000, 20.0, 2.0, 0).unwrap_err().to_string();
        assert!(text.contains("732 atoms, or 131.3 per nm^3"), "{text}");
        assert!(random_packing(732, 20.0, 2.0, 0).is_ok());
    }

    fn window(count: usize, region: Region, minimum: f64, maximum: f64) -> Vec<Vec3> {
        let packing = Packing { count, region, minimum_distance: minimum, maximum_distance: Some(maximum), seed: 3 };
        pack(&packing, &mut |_| Ok(())).unwrap()
    }

    /// Distance of each point to its nearest, by comparing all.
    fn nearest(points: &[Vec3], region: &Region) -> Vec<f64> {
        let distance = |p: &Vec3, q: &Vec3| norm_squared(&region.difference(p, q)).sqrt();
        let of = |i: usize| (0..points.len()).filter(move |&j| j != i).map(move |j| distance(&points[i], &points[j]));
        (0..points.len()).map(|i| of(i).fold(f64::INFINITY, f64::min)).collect()
    }

    #[test]
    fn distance_windows_of_the_papers() {
        // 65 and 52 atoms / nm^3: the densest and the loosest particle of the papers; 20: mostly isolated at first
        for (density, minimum, maximum) in
            [(0.0655, 2.32, 2.36), (0.052, 2.32, 2.36), (0.0655, 2.32, 2.53), (0.02, 2.32, 2.36)]
        {
            let diameter = (2000.0 / density * 6.0 / std::f64::consts::PI).cbrt();
            let region = Region::Ball { diameter };
            let points = window(2000, region.clone(), minimum, maximum);
            for d in nearest(&points, &region) {
                assert!((minimum..=maximum).contains(&d), "{d} at {density}");
            }
            assert!(points.iter().all(|p| norm_squared(p).sqrt() <= 0.5 * diameter + 1e-9));
        }
    }

    #[test]
    fn packings_settle_soon_whatever_the_seed() {
        // cells as narrow as the pushing distance hid neighbours that stand between it and the maximum
        for seed in 0..40 {
            let mut sweeps = 0;
            let region = Region::Ball { diameter: 2.35 * 14.0 };
            let packing = Packing { count: 1000, region, minimum_distance: 2.32, maximum_distance: Some(2.36), seed };
            let settled = pack(&packing, &mut |_| {
                sweeps += 1;
                Ok(())
            });
            assert!(settled.is_ok() && sweeps < 120, "{sweeps} sweeps with seed {seed}");
        }
    }

    #[test]
    fn boxes_and_films() {
        // 100 atoms / nm^3 at 1.35 angstrom: amorphous carbon of 2 g/cm^3
        let block = Region::Box { extent: [12.0, 15.0, 20.0] };
        let film = Region::Film { extent: [20.0, 24.0, 10.0] };
        let narrow = Region::Film { extent: [2.8, 3.9, 30.0] };
        for (region, count) in [(block, 361), (film, 480), (narrow, 30)] {
            let points = window(count, region.clone(), 1.35, 1.42);
            for d in nearest(&points, &region) {
                assert!((1.35..=1.42).contains(&d), "{d} in {region:?}");
            }
            let half = region.bounds().map(|v| 0.5 * v + 1e-9);
            assert!(points.iter().all(|p| (0..3).all(|k| p[k].abs() <= half[k])));
        }
    }

    #[test]
    fn windows_and_films_that_make_no_sense() {
        let packing =
            |region, maximum| Packing { count: 10, region, minimum_distance: 2.0, maximum_distance: maximum, seed: 0 };
        let code = |p: &Packing| pack(p, &mut |_| Ok(())).unwrap_err().code();
        assert_eq!(code(&packing(Region::Ball { diameter: 20.0 }, Some(1.9))), 103);
        assert_eq!(code(&packing(Region::Ball { diameter: 20.0 }, Some(2.001))), 103);
        assert_eq!(code(&packing(Region::Ball { diameter: 20.0 }, Some(f64::NAN))), 103);
        assert_eq!(code(&packing(Region::Film { extent: [3.0, 30.0, 30.0] }, None)), 103);
        assert_eq!(code(&packing(Region::Box { extent: [30.0, 0.0, 30.0] }, None)), 103);
        assert_eq!(code(&Packing { count: 1, ..packing(Region::Ball { diameter: 20.0 }, Some(2.2)) }), 103);
        let cancelled =
            pack(&packing(Region::Ball { diameter: 20.0 }, None), &mut |_| Err(Error::Cancelled { phase: "packing" }));
        assert_eq!(cancelled.unwrap_err().code(), 1);
    }

    /// `cargo test --release --lib million -- --ignored --nocapture`: the largest particle of the papers.
    #[test]
    #[ignore = "takes the better part of a minute"]
    fn a_million_atoms() {
        let start = std::time::Instant::now();
        let mut sweeps = 0;
        let region = Region::Ball { diameter: 320.0 };
        let packing =
            Packing { count: 1_000_000, region, minimum_distance: 2.32, maximum_distance: Some(2.36), seed: 1 };
        pack(&packing, &mut |_| {
            sweeps += 1;
            Ok(())
        })
        .unwrap();
        println!("1,000,000 atoms: {sweeps} sweeps, {:.1} s", start.elapsed().as_secs_f64());
    }
}
