//! Which Bragg peak is which reflection: the orientation of a crystal from its peaks alone.
//!
//! Two peaks and two reflections of about their lengths and angle give a rotation. Of all that come up so, those are kept
//! under which most of the peaks' amplitude falls on reflections that the crystal has; of rotations that the crystal's
//! symmetry makes equal, all. The matrix M that takes reflections g to peaks k, k = M g, then follows by least squares,
//! sum w |k - M g|^2 = min, over the peaks that lie on a reflection, again and again within a shrinking distance. It holds
//! rotation and strain alike: positions go by F = M^-T.

use super::crystal::{dot, length, Crystal, Reflections};
use super::spectrum::BraggPeak;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::{apply, cross, determinant, inverse, multiply, transpose, Mat3, Vec3, IDENTITY};
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use nalgebra::Matrix3;

/// Peaks of which pairs are taken.
const PAIRED: usize = 16;

/// Part by which a peak's frequency may differ from that of its reflection before strain is known.
const STRAIN: f64 = 0.04;

/// Angle, in radians, by which that of two peaks may differ from that of their reflections.
const ANGLE: f64 = 0.07;

/// Peaks by which rotations are judged at first.
const JUDGING: usize = 64;

/// Rotations kept of each pair, and in all.
const MOST: usize = 64;

/// Rotations nearer than this are one, degrees.
const SAME_DEG: f64 = 4.0;

/// Largest strain that is believed.
const MOST_STRAIN: f64 = 0.15;

/// Rotations whose score is this part of the best stay in the race.
const NEARLY: f64 = 0.85;

/// The peaks' amplitude that must lie on reflections, as a part of that of the strongest peaks.
const EXPLAINED: f64 = 0.3;

/// One way in which the crystal may lie.
#[derive(Debug, Clone)]
pub(super) struct Orientation {
    /// M: reflections to peaks.
    pub matrix: Mat3,
    pub score: f64,
    /// Numbers of the peaks on a reflection, with its indices.
    pub matches: Vec<(usize, [i32; 3])>,
    /// Root mean square distance of the peaks from their reflections, 1 / angstrom.
    pub error: f64,
}

/// What orientations are judged by.
pub(super) struct Pattern<'a> {
    pub peaks: &'a [BraggPeak],
    pub reflections: &'a Reflections,
    /// Step of the transform, 1 / angstrom.
    pub step: f64,
    /// Distance of neighbouring reflections at least, 1 / angstrom.
    pub spacing: f64,
}

/// All orientations that explain the peaks about as well as the best; only those within an angle (degrees) of a rotation,
/// where one is given.
///
/// # Errors
/// `Empty` where the peaks are no Bragg peaks of this crystal, `Inconsistent` where they lie in a plane.
pub(super) fn orientations(
    context: &Context,
    pattern: &Pattern<'_>,
    near: Option<(Mat3, f64)>,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<Orientation>> {
    let paired = pattern.peaks.len().min(PAIRED);
    let pairs: Vec<(usize, usize)> = (1..paired).flat_map(|j| (0..j).map(move |i| (i, j))).collect();
    let found = waiting.part(0.0, 0.8, |waiting| {
        collected(context, pairs.len(), "matching Bragg peaks", waiting, &|pair| pattern.candidates(pairs[pair], near))
    })?;
    let mut candidates: Vec<(f64, Mat3)> = found.into_iter().flatten().collect();
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut distinct: Vec<Mat3> = Vec::new();
    for (_, rotation) in &candidates {
        if distinct.len() < MOST && distinct.iter().all(|kept| angle_between(kept, rotation) > SAME_DEG) {
            distinct.push(*rotation);
        }
    }
    let refined = waiting.part(0.8, 1.0, |waiting| {
        collected(context, distinct.len(), "matching Bragg peaks", waiting, &|i| pattern.refined(&distinct[i]))
    })?;
    let mut refined: Vec<Orientation> = refined.into_iter().flatten().collect();
    refined.sort_by(|a, b| b.score.total_cmp(&a.score));
    let Some(best) = refined.first() else { return Err(pattern.unmatched(near.is_some(), candidates.is_empty())) };
    let explained = |o: &Orientation| -> f64 {
        let strongest = pattern.peaks.iter().take(PAIRED).map(|p| p.height).sum::<f64>();
        o.matches.iter().filter(|(i, _)| *i < PAIRED).map(|(i, _)| pattern.peaks[*i].height).sum::<f64>() / strongest
    };
    if explained(best) < EXPLAINED {
        return Err(pattern.unmatched(near.is_some(), false));
    }
    let least = NEARLY * best.score;
    refined.retain(|o| o.score >= least);
    Ok(refined)
}

impl Pattern<'_> {
    /// How far a peak may lie from its reflection before strain is known.
    fn tolerance(&self, peak: &BraggPeak) -> f64 {
        (1.5 * self.step + STRAIN * length(&peak.frequency)).min(0.45 * self.spacing)
    }

    /// Rotations that take two reflections to two peaks, by their score.
    fn candidates(&self, (i, j): (usize, usize), near: Option<(Mat3, f64)>) -> Vec<(f64, Mat3)> {
        let [k1, k2] = [i, j].map(|n| self.peaks[n].frequency);
        let angle = angle_of(&k1, &k2);
        // nearly parallel peaks fix no rotation
        if !(0.3..std::f64::consts::PI - 0.3).contains(&angle) {
            return vec![];
        }
        let alike = |k: &Vec3, n: usize| -> Vec<Vec3> {
            let (wanted, tolerance) = (length(k), self.tolerance(&self.peaks[n]));
            let strong = self.reflections.strong(2.0 * Reflections::WEAK).map(|r| r.vector);
            strong.filter(|g| (length(g) - wanted).abs() <= tolerance).collect()
        };
        let (first, second) = (alike(&k1, i), alike(&k2, j));
        let onto = frame(&k1, &k2);
        let mut found = Vec::new();
        for (g1, g2) in first.iter().flat_map(|g1| second.iter().map(move |g2| (g1, g2))) {
            if (angle_of(g1, g2) - angle).abs() > ANGLE {
                continue;
            }
            let rotation = multiply(&transpose(&onto), &frame(g1, g2));
            if near.is_none_or(|(start, within)| angle_between(&start, &rotation) <= within) {
                found.push((self.score(&rotation, JUDGING), rotation));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(MOST);
        found
    }

    /// Sum over the first `count` peaks of amplitude^(1/2), the strength of the nearest reflection, and 1 - (distance / tolerance)^2.
    fn score(&self, matrix: &Mat3, count: usize) -> f64 {
        let Some(back) = inverse(matrix) else { return 0.0 };
        let of = |peak: &BraggPeak| {
            let (reflection, strength) =
                self.reflections.get(self.reflections.indices(&apply(&back, &peak.frequency)))?;
            let off = distance(&apply(matrix, &reflection.vector), &peak.frequency) / self.tolerance(peak);
            (off < 1.0).then(|| peak.height.sqrt() * strength * (1.0 - off * off))
        };
        self.peaks.iter().take(count).filter_map(of).sum()
    }

    /// Peaks nearer to a reflection than `part` of their tolerance, or one step.
    fn matches(&self, matrix: &Mat3, part: f64) -> Vec<(usize, [i32; 3])> {
        let Some(back) = inverse(matrix) else { return vec![] };
        let of = |(i, peak): (usize, &BraggPeak)| {
            let index = self.reflections.indices(&apply(&back, &peak.frequency));
            let (reflection, _) = self.reflections.get(index)?;
            let off = distance(&apply(matrix, &reflection.vector), &peak.frequency);
            (off <= self.step.max(part * self.tolerance(peak))).then_some((i, index))
        };
        self.peaks.iter().enumerate().filter_map(of).collect()
    }

    /// The least-squares matrix from a rotation on; `None` where too few peaks fit, or the result is no small strain.
    fn refined(&self, rotation: &Mat3) -> Option<Orientation> {
        let mut matrix = *rotation;
        for round in 0..8 {
            let matches = self.matches(&matrix, 0.6_f64.powi(round));
            matrix = self.least_squares(&matches)?;
            let stretch = polar(&matrix)?.1;
            let strain = (0..9).map(|i| (stretch[i / 3][i % 3] - IDENTITY[i / 3][i % 3]).abs()).fold(0.0, f64::max);
            if strain > MOST_STRAIN {
                return None;
            }
        }
        let matches = self.matches(&matrix, 0.0);
        let squares = |(i, index): &(usize, [i32; 3])| {
            let reflection = self.reflections.get(*index)?.0;
            Some(distance(&apply(&matrix, &reflection.vector), &self.peaks[*i].frequency).powi(2))
        };
        let error = (matches.iter().filter_map(squares).sum::<f64>() / matches.len().max(1) as f64).sqrt();
        self.least_squares(&matches)?;
        Some(Orientation { matrix, score: self.score(&matrix, usize::MAX), matches, error })
    }

    /// M = (sum w k g^T) (sum w g g^T)^-1, w the peaks' amplitudes; `None` where the reflections lie in a plane.
    fn least_squares(&self, matches: &[(usize, [i32; 3])]) -> Option<Mat3> {
        let (mut left, mut right) = (Matrix3::zeros(), Matrix3::zeros());
        for (i, index) in matches {
            let (k, g) = (self.peaks[*i].frequency, self.reflections.get(*index)?.0.vector);
            let weight = self.peaks[*i].height;
            let (k, g) = (nalgebra::Vector3::from(k), nalgebra::Vector3::from(g));
            left += weight * k * g.transpose();
            right += weight * g * g.transpose();
        }
        let spread = right.symmetric_eigenvalues();
        if matches.len() < 3 || spread.min() < 1e-2 * spread.max() {
            return None;
        }
        Some(rows_of(&(left * right.try_inverse()?)))
    }

    fn unmatched(&self, near: bool, none: bool) -> Error {
        let why = match (self.peaks.len(), none) {
            (count, _) if count < 3 => {
                format!("{count} rise above the noise, wanted 3 or more in different directions")
            }
            (count, true) if near => {
                format!("no two of {count} fit this crystal within the given angle of the rotation")
            }
            (count, true) => format!("no two of {count} fit this crystal: is its cell right, and the voxel size?"),
            (count, false) => format!("of {count} too few fit this crystal, or those that fit lie in a plane"),
        };
        Error::Empty { what: "Bragg peaks of the volume".into(), why }
    }
}

/// The angle of the rotation between two rotations (or nearly so), degrees.
pub(super) fn angle_between(a: &Mat3, b: &Mat3) -> f64 {
    let trace: f64 = (0..3).map(|i| dot(&a[i], &b[i])).sum();
    (0.5 * (trace - 1.0)).clamp(-1.0, 1.0).acos().to_degrees()
}

/// R and U of m = R U: a rotation, and a symmetric stretch before it. `None` for matrices that mirror or flatten.
pub(super) fn polar(m: &Mat3) -> Option<(Mat3, Mat3)> {
    if determinant(m) <= 0.0 {
        return None;
    }
    let svd = Matrix3::from_fn(|i, j| m[i][j]).svd(true, true);
    let (u, v) = (svd.u?, svd.v_t?);
    let stretch = v.transpose() * Matrix3::from_diagonal(&svd.singular_values) * v;
    Some((rows_of(&(u * v)), rows_of(&stretch)))
}

fn rows_of(m: &Matrix3<f64>) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| m[(i, j)]))
}

/// Three orthogonal unit vectors (rows): the middle direction of a and b, across it in their plane, and normal to both.
fn frame(a: &Vec3, b: &Vec3) -> Mat3 {
    let unit = |v: &Vec3| v.map(|c| c / length(v));
    let (ua, ub) = (unit(a), unit(b));
    let first = unit(&std::array::from_fn(|i| ua[i] + ub[i]));
    let third = unit(&cross(a, b));
    [first, cross(&third, &first), third]
}

fn angle_of(a: &Vec3, b: &Vec3) -> f64 {
    length(&cross(a, b)).atan2(dot(a, b))
}

pub(super) fn distance(a: &Vec3, b: &Vec3) -> f64 {
    length(&std::array::from_fn(|i| a[i] - b[i]))
}

/// The distance of neighbouring points of the reciprocal lattice, 1 / angstrom, not less than that of reflections.
pub(super) fn spacing(crystal: &Crystal) -> f64 {
    crystal.reciprocal().iter().map(length).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{check_rotation, AngleOrder};

    #[test]
    fn polar_parts_multiply_to_the_matrix() {
        let rotation = AngleOrder::Zyx.rotation(&[20.0, 130.0, -70.0]);
        let stretch = [[1.02, 0.003, 0.0], [0.003, 0.99, -0.004], [0.0, -0.004, 1.01]];
        let (r, u) = polar(&multiply(&rotation, &stretch)).unwrap();
        check_rotation("rotation", &r).unwrap();
        let off = |a: &Mat3, b: &Mat3| (0..9).map(|i| (a[i / 3][i % 3] - b[i / 3][i % 3]).abs()).fold(0.0, f64::max);
        assert!(off(&r, &rotation) < 1e-12 && off(&u, &stretch) < 1e-12);
        assert!(polar(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]).is_none());
    }

    #[test]
    fn frames_of_turned_pairs_differ_by_the_turn() {
        let rotation = AngleOrder::Xyz.rotation(&[31.0, -12.0, 77.0]);
        let (a, b) = ([1.0, 0.5, -0.2], [0.1, 2.0, 0.7]);
        let onto = frame(&apply(&rotation, &a), &apply(&rotation, &b));
        let found = multiply(&transpose(&onto), &frame(&a, &b));
        assert!(angle_between(&found, &rotation) < 1e-5);
    }
}
