//! Unbiased classification by volume profiles.
//!
//! The profile of an atom is what the volume holds at the points about it. Each class has a mean profile, each atom
//! goes to the class whose mean is nearest to its own in least squares, all at once, and the means are taken anew until
//! nothing changes (Y. Yang et al., Nature 542 (2017) 75; J. Zhou et al., MRS Bull. 45 (2020) 290). In the local form
//! the means are those of the atoms within a radius, so that intensities that drift through the volume do not matter.
//!
//! Non-atoms have a flat profile: the constant c of the fit c + a exp(-r^2 / (2 s^2)) to the mean profile of all atoms.

use super::samples::Samples;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::planes::{collected, fill_planes};
use crate::problem::Waiting;
use crate::specimen::Neighbours;

/// Most rounds.
const MOST_ROUNDS: usize = 100;
/// Rounds in a row with the same number of changes after which there is no end to be expected.
const SAME_ROUNDS: usize = 5;

/// Atoms whose profiles are compared.
pub(super) struct Profiles<'a> {
    pub samples: &'a Samples,
    pub positions: &'a [Vec3],
    /// Number of classes.
    pub classes: usize,
    /// Class 0 is that of the non-atoms.
    pub non_atoms: bool,
    /// The means are those of the atoms within this distance, angstrom; `None`: of all.
    pub radius: Option<f64>,
}

/// Classes that agree with their own mean profiles.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Agreed {
    pub class: Vec<usize>,
    /// `[atom][class]`.
    pub probabilities: Vec<Vec<f64>>,
    pub rounds: usize,
    /// Nothing changed in the last round.
    pub converged: bool,
    /// The flat profile of the non-atoms.
    pub background: Option<f64>,
}

/// The mean profile of each class, and how many atoms it was taken over.
struct Means {
    /// `[class][point]`.
    values: Vec<f32>,
    counts: Vec<usize>,
}

impl Means {
    fn of(&self, class: usize) -> &[f32] {
        let points = self.values.len() / self.counts.len();
        &self.values[class * points..][..points]
    }
}

impl Profiles<'_> {
    /// Starts from the classes `class` and moves atoms until nothing changes.
    ///
    /// # Errors
    /// `Inconsistent` where no atom has its whole profile in the volume, `Cancelled`.
    pub fn agree(&self, context: &Context, mut class: Vec<usize>, waiting: &mut Waiting<'_>) -> Result<Agreed> {
        let whole: Vec<bool> = (0..self.samples.len()).map(|atom| self.samples.inside(atom) == 1.0).collect();
        if !whole.contains(&true) {
            return Err(Error::Inconsistent {
                what: "profiles of atoms".into(),
                why: "the region about every atom reaches beyond the volume; take a smaller one".into(),
            });
        }
        let near = self.radius.map(|_| Neighbours::new(self.positions)).transpose()?;
        let (mut rounds, mut same, mut changes) = (0, 0, usize::MAX);
        // A class that no whole profile shows is infinitely far from all others.
        let nowhere = vec![f32::INFINITY; self.classes * self.samples.offsets.len()];
        let mut means = Means { values: nowhere, counts: vec![0; self.classes] };
        loop {
            let from = 1.0 - 0.8f64.powi(rounds as i32); // the number of rounds is not known beforehand
            let records = waiting.part(from, from + 0.2 * (1.0 - from), |waiting| {
                means = self.means(context, &class, &whole, &means, waiting)?;
                self.compare(context, &class, &whole, &means, near.as_ref(), waiting)
            })?;
            rounds += 1;
            let next: Vec<usize> = records.chunks_exact(self.record()).map(|r| nearest(&r[..self.classes])).collect();
            let now = class.iter().zip(&next).filter(|(a, b)| a != b).count();
            same = if now == changes { same + 1 } else { 1 };
            changes = now;
            if changes == 0 || same >= SAME_ROUNDS || rounds >= MOST_ROUNDS {
                // The classes that the distances were taken to; no atom changes where it is settled.
                let background = self.non_atoms.then(|| f64::from(means.of(0)[0]));
                let probabilities = self.probabilities(&records, &class);
                let agreed = Agreed { class, probabilities, rounds, converged: changes == 0, background };
                return Ok(self.ordered(agreed, &means));
            }
            class = next;
        }
    }

    /// Numbers kept per atom: its distance from each mean, and the squares of the distances of neighbouring means.
    fn record(&self) -> usize {
        2 * self.classes - 1
    }

    /// Mean profiles over all atoms whose profiles are whole; a class without any keeps what it had in `before`.
    fn means(
        &self,
        context: &Context,
        class: &[usize],
        whole: &[bool],
        before: &Means,
        waiting: &mut Waiting<'_>,
    ) -> Result<Means> {
        let points = self.samples.offsets.len();
        let found = collected(context, 1, "averaging profiles", waiting, &|_| {
            let mut sums = vec![0.0f64; self.classes * points];
            let mut counts = vec![0usize; self.classes];
            for atom in (0..class.len()).filter(|atom| whole[*atom]) {
                let sum = &mut sums[class[atom] * points..][..points];
                sum.iter_mut().zip(self.samples.of(atom)).for_each(|(s, v)| *s += f64::from(*v));
                counts[class[atom]] += 1;
            }
            let background = self.non_atoms.then(|| background(&self.samples.offsets, &sums, &counts));
            let mut values = before.values.clone();
            for (k, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let mean = &mut values[k * points..][..points];
                mean.iter_mut().zip(&sums[k * points..]).for_each(|(m, s)| *m = (*s / *count as f64) as f32);
            }
            if let Some(level) = background {
                values[..points].fill(level as f32);
            }
            Means { values, counts }
        })?;
        found.into_iter().next().ok_or_else(|| Error::Internal("no mean profiles".into()))
    }

    /// The record of every atom.
    fn compare(
        &self,
        context: &Context,
        class: &[usize],
        whole: &[bool],
        means: &Means,
        near: Option<&Neighbours>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let mut records = vec![0.0; self.record() * class.len()];
        let phase = "comparing profiles";
        fill_planes(context, &mut records, self.record(), phase, waiting, &|atom, place: &mut [f64]| {
            match near.zip(self.radius) {
                None => self.fill(atom, whole[atom], means, place),
                Some((near, radius)) => {
                    let mut others = near.within(&self.positions[atom], radius);
                    others.retain(|other| *other != atom && whole[*other]);
                    others.sort_unstable(); // the tree's order is its own affair
                    self.fill(atom, whole[atom], &self.local_means(&others, class, means), place);
                }
            }
        })?;
        Ok(records)
    }

    /// The record of one atom.
    fn fill(&self, atom: usize, whole: bool, means: &Means, record: &mut [f64]) {
        let (distances, apart) = record.split_at_mut(self.classes);
        for (k, distance) in distances.iter_mut().enumerate() {
            *distance = match whole {
                true => square(self.samples.of(atom), means.of(k)),
                false => square_inside(self.samples.of(atom), means.of(k)) / self.samples.inside(atom),
            };
        }
        for (k, apart) in apart.iter_mut().enumerate() {
            *apart = square(means.of(k), means.of(k + 1));
        }
    }

    /// Mean profiles over `others`; those of all atoms for classes that none of them has, and for the non-atoms.
    fn local_means(&self, others: &[usize], class: &[usize], all: &Means) -> Means {
        let points = self.samples.offsets.len();
        let mut values = vec![0.0f32; all.values.len()];
        let mut counts = vec![0usize; self.classes];
        for other in others {
            let k = class[*other];
            counts[k] += 1;
            values[k * points..][..points].iter_mut().zip(self.samples.of(*other)).for_each(|(s, v)| *s += v);
        }
        for (k, count) in counts.iter().enumerate() {
            let mean = &mut values[k * points..][..points];
            if *count == 0 || (k == 0 && self.non_atoms) {
                mean.copy_from_slice(all.of(k));
            } else {
                mean.iter_mut().for_each(|v| *v /= *count as f32);
            }
        }
        Means { values, counts }
    }

    /// Linear discriminants: exp(-d_k^2 / (2 v)) / sum over l of exp(-d_l^2 / (2 v)), where v is the mean square of
    /// what is left of the atoms' profiles along the differences of the mean profiles of neighbouring classes.
    fn probabilities(&self, records: &[f64], class: &[usize]) -> Vec<Vec<f64>> {
        let (mut sum, mut count) = (0.0, 0.0);
        let mut least = f64::INFINITY;
        for (record, own) in records.chunks_exact(self.record()).zip(class) {
            let (distances, apart) = record.split_at(self.classes);
            let below = own.checked_sub(1).map(|other| (other, apart[other]));
            let above = (own + 1 < self.classes).then(|| (own + 1, apart[*own]));
            for (other, apart) in below.into_iter().chain(above).filter(|(_, apart)| *apart > 0.0 && apart.is_finite())
            {
                // (p - m_own) . (m_other - m_own) = (d_own^2 - d_other^2 + |m_other - m_own|^2) / 2
                let along = distances[*own] - distances[other] + apart;
                sum += along * along / (4.0 * apart);
                count += 1.0;
                least = least.min(apart);
            }
        }
        // Profiles without noise: any width far below the distance of the classes.
        let variance = if count > 0.0 { (sum / count).max(1e-6 * least) } else { 1.0 };
        let of = |record: &[f64]| {
            let nearest = record[..self.classes].iter().copied().fold(f64::INFINITY, f64::min);
            let mut p: Vec<f64> =
                record[..self.classes].iter().map(|d| (-(d - nearest) / (2.0 * variance)).exp()).collect();
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            p
        };
        records.chunks_exact(self.record()).map(of).collect()
    }

    /// The classes of atoms in ascending order of the sums of their mean profiles.
    fn ordered(&self, agreed: Agreed, means: &Means) -> Agreed {
        let first = usize::from(self.non_atoms);
        let sum = |k: &usize| means.of(*k).iter().map(|v| f64::from(*v)).sum::<f64>();
        let mut order: Vec<usize> = (first..self.classes).collect();
        order.sort_by(|a, b| sum(a).total_cmp(&sum(b)));
        order.splice(0..0, 0..first);
        let mut rank = vec![0; self.classes];
        order.iter().enumerate().for_each(|(new, old)| rank[*old] = new);
        Agreed {
            class: agreed.class.iter().map(|k| rank[*k]).collect(),
            probabilities: agreed.probabilities.iter().map(|p| order.iter().map(|old| p[*old]).collect()).collect(),
            ..agreed
        }
    }
}

/// The number of the smallest distance, of equal ones the first.
fn nearest(distances: &[f64]) -> usize {
    let mut best = 0;
    for (k, d) in distances.iter().enumerate().skip(1) {
        if *d < distances[best] {
            best = k;
        }
    }
    best
}

fn square(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>())
}

/// Over the points of `a` that lie in the volume.
fn square_inside(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).filter(|(a, _)| !a.is_nan()).map(|(a, b)| f64::from((a - b) * (a - b))).sum()
}

/// The constant of c + a exp(-r^2 / (2 s^2)), a >= 0, fitted to the mean profile of all atoms: for each width s a
/// linear problem, the best s within half the region by golden section.
fn background(offsets: &[[i32; 3]], sums: &[f64], counts: &[usize]) -> f64 {
    let points = offsets.len();
    let atoms: usize = counts[1..].iter().sum();
    // Where all are non-atoms, they are what there is.
    let taken = if atoms > 0 { 1..counts.len() } else { 0..1 };
    let count = taken.clone().map(|k| counts[k]).sum::<usize>().max(1) as f64;
    let mean: Vec<f64> =
        (0..points).map(|i| taken.clone().map(|k| sums[k * points + i]).sum::<f64>() / count).collect();
    let squares: Vec<f64> = offsets.iter().map(|o| f64::from(o.iter().map(|v| v * v).sum::<i32>())).collect();
    let level = mean.iter().sum::<f64>() / points as f64;
    let fit = |s: f64| {
        let g: Vec<f64> = squares.iter().map(|r2| (-0.5 * r2 / (s * s)).exp()).collect();
        let of_g = g.iter().sum::<f64>() / points as f64;
        let covariance: f64 = g.iter().zip(&mean).map(|(g, m)| (g - of_g) * (m - level)).sum();
        let variance: f64 = g.iter().map(|g| (g - of_g) * (g - of_g)).sum();
        let height = if variance > 0.0 { (covariance / variance).max(0.0) } else { 0.0 };
        let constant = level - height * of_g;
        let misfit: f64 = g.iter().zip(&mean).map(|(g, m)| (constant + height * g - m).powi(2)).sum();
        (misfit, constant)
    };
    let widest = squares.iter().copied().fold(0.0, f64::max).sqrt().max(1.0);
    let (mut low, mut high) = (0.3f64, 0.5 * widest);
    let ratio = 0.5 * (5.0f64.sqrt() - 1.0);
    for _ in 0..40 {
        let step = ratio * (high - low);
        if fit(high - step).0 <= fit(low + step).0 {
            high = low + step;
        } else {
            low = high - step;
        }
    }
    fit(0.5 * (low + high)).1
}
