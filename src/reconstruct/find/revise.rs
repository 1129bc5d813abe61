//! What changes between two fits: orbitals that are no atoms go, those that are two are parted, new ones come from the
//! residual volume.

use super::super::driver::Watch;
use super::options::FindOptions;
use super::{median, Fitted, Guess, Search, SETTLED, TRIED};
use crate::classify::{expected_strengths, upper_group};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::specimen::{Neighbours, Volume};
use crate::statistics::MAD_TO_DEVIATION;
use crate::table::Table;
use std::fmt;

/// A place that lost its atom, or where one was parted, this often is left alone.
const REFUSALS: usize = 2;

/// Two atoms that were one start this far apart, in minimum distances.
const PARTED: f64 = 1.25;

/// Orbitals without neighbours within this many times the median distance of nearest neighbours, and of the minimum
/// distance, are lonely.
const LONELY: (f64, f64) = (2.0, 2.5);

/// Deviations below the typical height at which an orbital is weak, and the range of that height.
const WEAK_DEVIATIONS: f64 = 2.65;
const WEAK: (f64, f64) = (0.4, 0.55);

/// Deviations above the typical height at which an orbital is two, and the least such height.
const SPLIT_DEVIATIONS: f64 = 3.5;
const LEAST_SPLIT: f64 = 1.6;

/// What changes from cycle to cycle.
#[derive(Debug, Default)]
pub(super) struct Course {
    refused: Vec<(Vec3, usize)>,
    parted: Vec<(Vec3, usize)>,
    /// Height of an atom of unit height in the smoothed residual volume.
    pub atom_height: Option<f64>,
    survivors: Option<usize>,
    /// Fits do not move atoms.
    pub stay: bool,
}

/// What one cycle did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub atoms: usize,
    pub dropped: usize,
    pub lonely: usize,
    pub merged: usize,
    pub split: usize,
    pub added: usize,
    pub reclassified: usize,
}

/// The orbitals that stay, and which they were.
pub(super) struct Left {
    pub orbitals: Guess,
    kept: Vec<usize>,
}

impl Left {
    /// The values of those that stay.
    pub fn of(&self, values: &[f64]) -> Vec<f64> {
        self.kept.iter().map(|i| values[*i]).collect()
    }
}

/// Heights against which orbitals are weak or too high.
#[derive(Debug, Clone, Copy)]
struct Typical {
    lightest: f64,
    heaviest: f64,
    /// Part of the lightest below which an orbital is no atom.
    weak: f64,
    /// Times the heaviest above which it is two.
    split: f64,
}

impl Typical {
    /// From the heights of the heaviest species. Noise scatters heights; how much is told by those above the median, among
    /// which there are no false atoms.
    fn new(of_heaviest: &[f64], ratio: f64, options: &FindOptions) -> Self {
        let heaviest = median(of_heaviest);
        let above: Vec<f64> = of_heaviest.iter().filter(|h| **h > heaviest).map(|h| h / heaviest - 1.0).collect();
        let deviation = if above.is_empty() { 0.0 } else { MAD_TO_DEVIATION * median(&above) };
        let weak = (1.0 - WEAK_DEVIATIONS * deviation).clamp(WEAK.0, WEAK.1);
        let split = (1.0 + SPLIT_DEVIATIONS * deviation).max(LEAST_SPLIT);
        Self {
            lightest: ratio * heaviest,
            heaviest,
            weak: options.weak.unwrap_or(weak),
            split: options.split.unwrap_or(split),
        }
    }
}

impl Counts {
    pub const COLUMNS: [&'static str; 9] =
        ["atoms", "dropped", "lonely", "merged", "split", "added", "reclassified", "loss", "r_factor"];

    /// Orbitals that came or went.
    fn changes(&self) -> usize {
        self.dropped + self.lonely + self.merged + self.split + self.added
    }

    pub fn row(&self, loss: f64, r_factor: f64) -> [f64; Self::COLUMNS.len()] {
        let counts = [self.atoms, self.dropped, self.lonely, self.merged, self.split, self.added, self.reclassified];
        let [a, b, c, d, e, f, g] = counts.map(|count| count as f64);
        [a, b, c, d, e, f, g, loss, r_factor]
    }

    pub fn table(rows: &[[f64; Self::COLUMNS.len()]]) -> Result<Table> {
        Self::COLUMNS.iter().enumerate().try_fold(Table::new(rows.len()), |table, (i, name)| {
            table.with_column(name, "", rows.iter().map(|row| row[i]).collect())
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { atoms, dropped, lonely, merged, split, added, reclassified } = self;
        write!(
            f,
            "{atoms} atoms fitted, {dropped} dropped, {lonely} lonely, {merged} merged, {split} split, {added} added, \
             {reclassified} reclassified"
        )
    }
}

impl Search<'_> {
    /// Without weak orbitals, lonely ones, those outside of every image or of the support, and the weaker of near ones,
    /// which moves the stronger to the mean of both weighted by height.
    pub(super) fn pruned(&self, fitted: &Guess, course: &mut Course) -> Result<(Left, Counts)> {
        let positions = &fitted.positions;
        let typical = self.typical(fitted);
        let lowest = typical.weak * typical.lightest;
        let mut gone: Vec<bool> = positions
            .iter()
            .zip(&fitted.heights)
            .map(|(p, h)| *h <= lowest.max(0.0) || !self.is_seen(p) || !self.is_supported(p))
            .collect();
        let mut counts = Counts { atoms: positions.len(), ..Default::default() };
        counts.dropped = gone.iter().filter(|gone| **gone).count();
        if counts.dropped == positions.len() {
            let why = "no orbital is left after weak ones were dropped".into();
            return Err(Error::Empty { what: "atoms".into(), why });
        }
        counts.lonely = self.drop_lonely(positions, &mut gone)?;
        let mut order: Vec<usize> = (0..positions.len()).filter(|i| !gone[*i]).collect();
        order.sort_by(|a, b| fitted.heights[*b].total_cmp(&fitted.heights[*a]));
        let near = Neighbours::new(positions)?;
        let mut left = Left { orbitals: fitted.with(vec![], vec![], vec![]), kept: vec![] };
        for i in order {
            if gone[i] {
                continue;
            }
            let (mut sum, mut weight) = (positions[i].map(|v| v * fitted.heights[i]), fitted.heights[i]);
            for j in near.within(&positions[i], self.distance).into_iter().filter(|j| *j != i) {
                if std::mem::replace(&mut gone[j], true) {
                    continue;
                }
                counts.merged += 1;
                (0..3).for_each(|a| sum[a] += fitted.heights[j] * positions[j][a]);
                weight += fitted.heights[j];
            }
            left.kept.push(i);
            left.orbitals.push(sum.map(|v| v / weight), weight, fitted.classes[i]);
        }
        let stays: std::collections::HashSet<usize> = left.kept.iter().copied().collect();
        let lost = (0..positions.len()).filter(|i| !stays.contains(i));
        lost.for_each(|i| Course::count(&mut course.refused, &positions[i], 0.5 * self.distance));
        Ok((left, counts))
    }

    /// Closes orbitals without neighbours; their number.
    fn drop_lonely(&self, positions: &[Vec3], gone: &mut [bool]) -> Result<usize> {
        let alive: Vec<usize> = (0..positions.len()).filter(|i| !gone[*i]).collect();
        if alive.len() < 3 {
            return Ok(0); // there is no typical distance
        }
        let points: Vec<Vec3> = alive.iter().map(|i| positions[*i]).collect();
        let nearest = Neighbours::new(&points)?.nearest_others(&points);
        let (times_median, times_least) = LONELY;
        let automatic = (times_median * median(&nearest)).max(times_least * self.distance);
        let isolation = self.options.isolation.unwrap_or(automatic);
        let lonely = alive.iter().zip(&nearest).filter(|(_, distance)| **distance > isolation);
        Ok(lonely.map(|(i, _)| gone[*i] = true).count())
    }

    /// What the next fit should start from: the orbitals that are left, high ones parted, and new ones.
    pub(super) fn revised(
        &self,
        fitted: &Fitted,
        mut left: Guess,
        counts: &mut Counts,
        course: &mut Course,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Guess> {
        let typical = self.typical(&left);
        let residual = self.residual(fitted, typical.heaviest, course, watch)?;
        let lightest = typical.lightest;
        let lowest = typical.weak * lightest / typical.heaviest * residual.of_atom;
        let free = |place: &Vec3| {
            self.is_seen(place)
                && self.is_supported(place)
                && !course.refused.iter().any(|(at, n)| *n >= REFUSALS && near(at, place, 0.5 * self.distance))
        };
        let new = self.new_places(&residual, lowest, &left.positions, &free, watch)?;
        counts.split = self.part(&mut left, typical.split * typical.heaviest, &residual.smoothed, course);
        counts.added = new.len();
        for peak in new {
            let height = peak.height / residual.of_atom * typical.heaviest;
            let class = if height < (lightest * typical.heaviest).sqrt() { 0 } else { self.species.len() - 1 };
            // a peak of one species is an atom of that species, however low noise has made it
            let height = if self.species.len() == 1 { typical.heaviest } else { height };
            left.push(peak.position, height, class);
        }
        Ok(left)
    }

    /// Typical heights of the lightest and of the heaviest species. Before atoms of several species are all found, their
    /// heights tell that of the heaviest only; the lightest ones are then as high as expected, or as they are if that is higher:
    /// noise among them is lower.
    fn typical(&self, orbitals: &Guess) -> Typical {
        if self.species.len() == 1 {
            return Typical::new(&orbitals.heights, 1.0, self.options);
        }
        let strengths = expected_strengths(&self.species);
        let expected = strengths.first().zip(strengths.last()).map_or(1.0, |(lightest, heaviest)| lightest / heaviest);
        let heaviest = upper_group(&orbitals.heights);
        let members = orbitals.heights.iter().zip(&orbitals.classes).filter(|(_, class)| **class == 0);
        let lightest = median(&members.map(|(height, _)| *height).collect::<Vec<_>>()) / median(&heaviest);
        // median of none is NaN, which max passes over, and min would, too
        Typical::new(&heaviest, expected.max(lightest).min(1.0), self.options)
    }

    /// Parts orbitals higher than `highest` along the direction in which the residual is largest on both sides.
    fn part(&self, orbitals: &mut Guess, highest: f64, residual: &Volume, course: &mut Course) -> usize {
        let radius = 0.5 * self.distance;
        let mut count = 0;
        for i in 0..orbitals.positions.len() {
            let (place, height) = (orbitals.positions[i], orbitals.heights[i]);
            let often = course.parted.iter().any(|(at, n)| *n >= REFUSALS && near(at, &place, radius));
            if height <= highest || often {
                continue;
            }
            let half = 0.5 * PARTED * self.distance;
            let ends = |d: &Vec3| {
                let length = d.iter().map(|v| v * v).sum::<f64>().sqrt();
                [1.0, -1.0].map(|side| std::array::from_fn(|a| place[a] + side * half * d[a] / length))
            };
            let sum = |d: &Vec3| ends(d).iter().map(|p| value_near(residual, p)).sum::<f64>();
            let best = directions().into_iter().max_by(|a, b| sum(a).total_cmp(&sum(b)));
            let Some([one, other]) = best.as_ref().map(ends) else { continue };
            Course::count(&mut course.parted, &place, radius);
            (orbitals.positions[i], orbitals.heights[i]) = (one, 0.5 * height);
            orbitals.push(other, 0.5 * height, orbitals.classes[i]);
            count += 1;
        }
        count
    }

    /// Whether a point lies in any image in use.
    fn is_seen(&self, point: &Vec3) -> bool {
        self.version.used_images().into_iter().any(|image| self.version.sees(image, point))
    }

    fn is_supported(&self, point: &Vec3) -> bool {
        self.options.support.as_ref().is_none_or(|support| value_near(support, point) > 0.5)
    }
}

impl Guess {
    fn with(&self, positions: Vec<Vec3>, heights: Vec<f64>, classes: Vec<usize>) -> Self {
        Self { positions, heights, classes, widths: self.widths.clone() }
    }

    fn push(&mut self, position: Vec3, height: f64, class: usize) {
        self.positions.push(position);
        self.heights.push(height);
        self.classes.push(class);
    }
}

impl Course {
    /// Whether a cycle that left so many atoms is the last.
    pub fn settles(&mut self, survivors: usize, counts: &Counts) -> bool {
        let Some(before) = self.survivors.replace(survivors) else {
            // what the first cycle tries must be seen through
            return counts.changes() == 0;
        };
        let atoms = survivors as f64;
        let change = survivors.abs_diff(before) as f64;
        change <= SETTLED * atoms && (counts.added + counts.split) as f64 <= TRIED * atoms + 1.0
    }

    fn count(places: &mut Vec<(Vec3, usize)>, point: &Vec3, radius: f64) {
        match places.iter_mut().find(|(at, _)| near(at, point, radius)) {
            Some((_, count)) => *count += 1,
            None => places.push((*point, 1)),
        }
    }
}

fn near(a: &Vec3, b: &Vec3, radius: f64) -> bool {
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>() < radius * radius
}

/// The 13 lines through a voxel and its neighbours.
fn directions() -> Vec<Vec3> {
    let of = |k: i32| [k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1].map(f64::from);
    (14..27).map(of).collect()
}

/// The value of the voxel in which a position (x, y, z) lies; 0 outside.
pub(super) fn value_near(volume: &Volume, position: &Vec3) -> f64 {
    match volume.contains(position) {
        true => f64::from(volume.nearest(position)),
        false => 0.0,
    }
}
