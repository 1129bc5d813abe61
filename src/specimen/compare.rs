//! Comparison of a found atom list with the true one: who was found, and how well. Tracing error and total classification
//! rate are those of J. Lee, M. Lee, Y. Park, C. Ophus and Y. Yang, "Multislice Electron Tomography using 4D-STEM", II F.

use super::{superpose, Atoms, Neighbours, Superposition};
use crate::error::{Error, Result};
use crate::geometry::{apply, Vec3, IDENTITY};
use crate::units::PM_PER_ANGSTROM;

/// How to compare two atom lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareOptions {
    /// Atoms further apart than this never match, angstrom (0.9).
    pub cutoff: f64,
    /// Also remove the common rotation, where tilt angles were refined (false).
    pub remove_rotation: bool,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions { cutoff: 0.9, remove_rotation: false }
    }
}

/// What the comparison of `found` with `truth` says. Figures in pm are in 1/100 pixel where lengths are in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Number of true atoms.
    pub true_count: usize,
    /// Pairs of mutually nearest atoms within the cutoff.
    pub matched: usize,
    /// True atoms without a partner.
    pub missing: usize,
    /// Found atoms without a partner.
    pub extra: usize,
    /// sqrt(mean |found + shift - truth|^2) over the pairs, pm; NaN without pairs.
    pub rmsd_pm: f64,
    /// The same along x, y and z, pm.
    pub rmsd_axis_pm: Vec3,
    /// (missing + extra) / true atoms: the tracing error.
    pub tracing_error: f64,
    /// Fraction of the true atoms whose partner has the same species: the total classification rate.
    pub species_correct: f64,
    /// Common shift that was added to the found atoms, angstrom.
    pub shift: Vec3,
    /// Angle of the common rotation that was removed for `rmsd_rotated_pm`, degrees; NaN where not asked for, or
    /// fewer than three pairs.
    pub rotation_deg: f64,
    /// RMSD after removing the common rotation, too, pm; NaN like `rotation_deg`.
    pub rmsd_rotated_pm: f64,
    /// Pairs behind `rmsd_rotated_pm`: atoms are matched again as the rotation is found. 0 where not asked for.
    pub matched_rotated: usize,
    /// found + shift - truth for each found atom `[found]`, angstrom; `None` for extra ones.
    pub errors: Vec<Option<Vec3>>,
    /// Index of the true partner of each found atom `[found]`; `None` for extra ones.
    pub partners: Vec<Option<usize>>,
}

/// Matching and motion settle in a few rounds; the cap only stops a cycle of pairs at the edge of the cutoff.
const MAX_ROUNDS: usize = 100;

/// Compares the atoms that were found with the true ones: mutually nearest atoms within the cutoff match, after the
/// common shift was iterated out (matching and shift in turns, until the pairs no longer change). Where fewer than
/// half of the atoms match in place, the iteration starts again with the centroids on top of each other, and the
/// start that matches more atoms counts.
///
/// # Errors
/// `Range` for a cutoff that is not a positive number.
pub fn compare(found: &Atoms, truth: &Atoms, options: &CompareOptions) -> Result<Comparison> {
    if !(options.cutoff.is_finite() && options.cutoff > 0.0) {
        return Err(Error::range("cutoff", options.cutoff, "a positive number (angstrom)"));
    }
    let matcher = Matcher::new(found.positions(), truth.positions(), options.cutoff)?;
    let mut best = matcher.settle(&translation([0.0; 3]), mean_shift);
    if 2 * best.pairs.len() < found.len().min(truth.len()) {
        let other = matcher.settle(&translation(matcher.centroid_shift()), mean_shift);
        if other.pairs.len() > best.pairs.len() {
            best = other;
        }
    }
    let mut report = report(&matcher, &best, found, truth);
    if options.remove_rotation && best.pairs.len() >= 3 {
        let rotated = matcher.settle(&best.motion, superpose);
        report.rotation_deg = rotated.motion.angle_deg;
        report.rmsd_rotated_pm = rms(&matcher.errors(&rotated)).0;
        report.matched_rotated = rotated.pairs.len();
    }
    Ok(report)
}

/// Pairs (found, truth) in the order of the found atoms, and the motion under which they were found.
struct Matching {
    pairs: Vec<(usize, usize)>,
    motion: Superposition,
}

struct Matcher<'a> {
    found: &'a [Vec3],
    truth: &'a [Vec3],
    near_found: Neighbours,
    near_truth: Neighbours,
    cutoff_squared: f64,
}

impl<'a> Matcher<'a> {
    fn new(found: &'a [Vec3], truth: &'a [Vec3], cutoff: f64) -> Result<Self> {
        let cutoff_squared = cutoff * cutoff;
        let (near_found, near_truth) = (Neighbours::new(found)?, Neighbours::new(truth)?);
        Ok(Matcher { found, truth, near_found, near_truth, cutoff_squared })
    }

    fn centroid_shift(&self) -> Vec3 {
        let mean = |points: &[Vec3], i: usize| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64;
        std::array::from_fn(|i| mean(self.truth, i) - mean(self.found, i))
    }

    /// Matches and fits in turns from the motion `start` until the pairs stay the same.
    fn settle(&self, start: &Superposition, fit: fn(&[Vec3], &[Vec3]) -> Option<Superposition>) -> Matching {
        let mut motion = *start;
        let mut pairs = self.pairs(&motion);
        for _ in 0..MAX_ROUNDS {
            let from: Vec<Vec3> = pairs.iter().map(|(f, _)| self.found[*f]).collect();
            let onto: Vec<Vec3> = pairs.iter().map(|(_, t)| self.truth[*t]).collect();
            let Some(fitted) = fit(&from, &onto) else { break };
            motion = fitted;
            let again = self.pairs(&motion);
            if again == pairs {
                break;
            }
            pairs = again;
        }
        Matching { pairs, motion }
    }

    /// Mutually nearest atoms within the cutoff, with the found atoms moved.
    fn pairs(&self, motion: &Superposition) -> Vec<(usize, usize)> {
        let pair = |(f, p): (usize, &Vec3)| {
            let moved = moved(p, motion);
            let (t, distance) = self.near_truth.nearest(&moved)?;
            if distance > self.cutoff_squared {
                return None;
            }
            // the partner's question in the frame of the found atoms: the motion keeps distances
            let back: Vec3 = std::array::from_fn(|i| self.truth[t][i] - motion.shift[i]);
            let r = &motion.rotation;
            let back = std::array::from_fn(|i| r[0][i] * back[0] + r[1][i] * back[1] + r[2][i] * back[2]);
            let (nearest_found, _) = self.near_found.nearest(&back)?;
            (nearest_found == f).then_some((f, t))
        };
        self.found.iter().enumerate().filter_map(pair).collect()
    }

    /// moved found - truth, pair by pair.
    fn errors(&self, matching: &Matching) -> Vec<Vec3> {
        let error = |&(f, t): &(usize, usize)| {
            let moved = moved(&self.found[f], &matching.motion);
            std::array::from_fn(|i| moved[i] - self.truth[t][i])
        };
        matching.pairs.iter().map(error).collect()
    }
}

fn report(matcher: &Matcher, matching: &Matching, found: &Atoms, truth: &Atoms) -> Comparison {
    let matched = matching.pairs.len();
    let pair_errors = matcher.errors(matching);
    let (rmsd_pm, rmsd_axis_pm) = rms(&pair_errors);
    let mut errors = vec![None; found.len()];
    let mut partners = vec![None; found.len()];
    for (&(f, t), error) in matching.pairs.iter().zip(pair_errors) {
        errors[f] = Some(error);
        partners[f] = Some(t);
    }
    let same_species = matching.pairs.iter().filter(|(f, t)| found.species()[*f] == truth.species()[*t]).count();
    Comparison {
        true_count: truth.len(),
        matched,
        missing: truth.len() - matched,
        extra: found.len() - matched,
        rmsd_pm,
        rmsd_axis_pm,
        tracing_error: (truth.len() + found.len() - 2 * matched) as f64 / truth.len() as f64,
        species_correct: same_species as f64 / truth.len() as f64,
        shift: matching.motion.shift,
        rotation_deg: f64::NAN,
        rmsd_rotated_pm: f64::NAN,
        matched_rotated: 0,
        errors,
        partners,
    }
}

/// Root mean square of the lengths, and of the components, pm.
fn rms(errors: &[Vec3]) -> (f64, Vec3) {
    let mean: Vec3 = std::array::from_fn(|i| errors.iter().map(|e| e[i] * e[i]).sum::<f64>() / errors.len() as f64);
    let pm = |square: f64| square.sqrt() * PM_PER_ANGSTROM;
    (pm(mean.iter().sum()), mean.map(pm))
}

fn translation(shift: Vec3) -> Superposition {
    Superposition { rotation: IDENTITY, shift, angle_deg: 0.0 }
}

/// The shift that minimises the summed squared distances of pairs.
fn mean_shift(from: &[Vec3], onto: &[Vec3]) -> Option<Superposition> {
    if from.is_empty() {
        return None;
    }
    let mean = |i: usize| from.iter().zip(onto).map(|(p, q)| q[i] - p[i]).sum::<f64>() / from.len() as f64;
    Some(translation(std::array::from_fn(mean)))
}

fn moved(p: &Vec3, motion: &Superposition) -> Vec3 {
    let q = apply(&motion.rotation, p);
    std::array::from_fn(|i| q[i] + motion.shift[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rotation_about;
    use crate::specimen::random_packing;

    fn lattice(n: usize, step: f64) -> Vec<Vec3> {
        let at = |i: usize| [(i % n) as f64 * step, (i / n % n) as f64 * step, (i / n / n) as f64 * step];
        (0..n * n * n).map(at).collect()
    }

    fn atoms(positions: Vec<Vec3>) -> Atoms {
        Atoms::new(positions).unwrap()
    }

    #[test]
    fn a_list_equals_itself_up_to_a_shift() {
        let truth = atoms(lattice(12, 2.5));
        for shift in [0.0, 0.3, 40.0] {
            let found = atoms(truth.positions().iter().map(|p| [p[0] + shift, p[1] - shift, p[2]]).collect());
            let c = compare(&found, &truth, &CompareOptions::default()).unwrap();
            assert_eq!((c.true_count, c.matched, c.missing, c.extra), (1728, 1728, 0, 0));
            assert!(c.rmsd_pm < 1e-10 && (c.shift[0] + shift).abs() < 1e-12 && c.species_correct == 1.0, "{c:?}");
            assert!(c.rotation_deg.is_nan() && c.rmsd_rotated_pm.is_nan());
        }
    }

    #[test]
    fn points_on_a_plane_or_on_one_another_do_not_break_the_tree() {
        let plane = atoms((0..1000).map(|i| [1.0, (i % 40) as f64 * 2.0, (i / 40) as f64 * 2.0]).collect());
        assert_eq!(compare(&plane, &plane, &CompareOptions::default()).unwrap().matched, 1000);
        let line = atoms((0..1000).map(|i| [1.0, 2.0, i as f64]).collect());
        assert_eq!(compare(&line, &line, &CompareOptions::default()).unwrap().matched, 1000);
        let heap = atoms(vec![[1.0, 2.0, 3.0]; 1000]);
        let c = compare(&heap, &heap, &CompareOptions::default()).unwrap();
        assert!(c.matched <= 1000 && c.matched + c.missing == 1000 && c.matched + c.extra == 1000);
        let single = atoms(vec![[0.0; 3]]);
        assert_eq!(compare(&single, &heap, &CompareOptions::default()).unwrap().matched, 1);
    }

    #[test]
    fn missing_extra_and_wrong_species_are_counted() {
        let truth = atoms(lattice(4, 3.0)).with_species(vec![14; 64]).unwrap();
        let mut positions = truth.positions()[3..].to_vec();
        positions.push([50.0, 0.0, 0.0]);
        let mut species = vec![14; 62];
        species[0] = 79;
        let found = atoms(positions).with_species(species).unwrap();
        let c = compare(&found, &truth, &CompareOptions::default()).unwrap();
        assert_eq!((c.matched, c.missing, c.extra), (61, 3, 1));
        assert_eq!((c.species_correct, c.tracing_error), (60.0 / 64.0, 4.0 / 64.0));
        assert!(c.errors[61].is_none() && c.partners[0] == Some(3));
    }

    #[test]
    fn two_found_atoms_at_one_true_atom_match_once() {
        let truth = atoms(vec![[0.0; 3], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]);
        let found = atoms(vec![[0.0; 3], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.3, 0.0, 0.0]]);
        let c = compare(&found, &truth, &CompareOptions::default()).unwrap();
        assert_eq!((c.matched, c.missing, c.extra), (3, 0, 1));
    }

    #[test]
    fn rmsd_is_the_length_of_the_error() {
        let truth = atoms(lattice(6, 3.0));
        // errors (+-0.03, +-0.04, 0) that sum to zero
        let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let off = |(i, p): (usize, &Vec3)| [p[0] + 0.03 * sign(i), p[1] - 0.04 * sign(i), p[2]];
        let found = atoms(truth.positions().iter().enumerate().map(off).collect());
        let c = compare(&found, &truth, &CompareOptions::default()).unwrap();
        assert!(
            (c.rmsd_pm - 5.0).abs() < 1e-10 && (c.rmsd_axis_pm[1] - 4.0).abs() < 1e-10 && c.rmsd_axis_pm[2] < 1e-10
        );
        let error = c.errors[0].unwrap();
        assert!((error[0] - 0.03).abs() < 1e-12 && (error[1] + 0.04).abs() < 1e-12);
    }

    #[test]
    fn a_common_rotation_is_removed_where_asked_for() {
        let truth = atoms(random_packing(800, 30.0, 2.2, 3).unwrap());
        let turn = rotation_about(1, 1.5);
        let found = atoms(truth.positions().iter().map(|p| apply(&turn, p)).collect());
        let options = CompareOptions { remove_rotation: true, ..Default::default() };
        let c = compare(&found, &truth, &options).unwrap();
        assert!((c.rotation_deg - 1.5).abs() < 1e-6 && c.rmsd_rotated_pm < 1e-6 && c.rmsd_pm > 10.0, "{c:?}");
        assert_eq!(c.matched_rotated, 800);
    }

    #[test]
    fn the_cutoff_is_checked() {
        let one = atoms(vec![[0.0; 3]]);
        for cutoff in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = CompareOptions { cutoff, ..Default::default() };
            assert_eq!(compare(&one, &one, &options).unwrap_err().code(), 103);
        }
        let far = atoms(vec![[0.0; 3], [9.0, 0.0, 0.0], [1e9, 0.0, 0.0]]);
        let c = compare(&far, &atoms(vec![[4.0, 0.0, 0.0]]), &CompareOptions::default()).unwrap();
        assert!(c.matched <= 1);
    }
}
