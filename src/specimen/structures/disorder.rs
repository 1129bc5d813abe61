//! Departures from the perfect structure: displaced atoms, vacancies, foreign atoms.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// A stream of random numbers of its own for each use of one seed, so that asking for vacancies does not change the
/// displacements.
pub(super) fn stream(seed: u64, use_of_it: u64) -> Pcg64Mcg {
    // splitmix64: neighbouring seeds give unrelated streams
    let mut z = seed.wrapping_add(use_of_it.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Pcg64Mcg::seed_from_u64(z ^ (z >> 31))
}

/// Moves every atom by a Gaussian random vector of `rms` per axis (angstrom).
pub(super) fn displace(positions: &mut [Vec3], rms: f64, mut rng: Pcg64Mcg) -> Result<()> {
    if !(rms.is_finite() && rms >= 0.0) {
        return Err(Error::range("displacement", rms, "a number 0 or above (angstrom, rms per axis)"));
    }
    let normal = Normal::new(0.0, rms).map_err(|e| Error::Internal(e.to_string()))?;
    for value in positions.iter_mut().flatten() {
        *value += normal.sample(&mut rng);
    }
    Ok(())
}

/// `round(part * count)` of the indices 0..count, drawn without repetition, ascending.
pub(super) fn sample(count: usize, part: f64, what: &str, mut rng: Pcg64Mcg) -> Result<Vec<usize>> {
    if !(0.0..1.0).contains(&part) {
        return Err(Error::range(what, part, "0 or above and below 1, a part of the atoms"));
    }
    let chosen = (part * count as f64).round() as usize;
    // selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S)
    let mut left = chosen;
    Ok((0..count)
        .filter(|&i| {
            let take = rng.random_range(0..count - i) < left;
            left -= usize::from(take);
            take
        })
        .collect())
}
