//! What changes between two fits: orbitals that are no atoms go, those that are two are parted, new ones come from the
//! residual volume.

use super::super::driver::Watch;
use super::journal::{Decision, Journal, Kind};
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

/// A peak of the residual is tried from this part on of the height that its orbital must then have to stay: the atoms around,
/// fitted without it, have taken up some of its intensity. Noise has many such peaks: those below that height are doubtful,
/// the highest of them are tried, up to so many of the atoms, and no more once fewer than so many of them stay.
const TRIED_FROM: f64 = 0.7;
const DOUBTFUL: f64 = 0.05;
const PAYING: f64 = 0.25;

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
    /// Places of the doubtful peaks that the present fit has tried, and whether such tries have ceased to pay.
    doubtful: Vec<Vec3>,
    certain_only: bool,
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

/// What an orbital must be to stay.
pub(super) struct Rules {
    /// Lower ones are weak.
    pub lowest: f64,
    /// Nearer ones are one.
    pub distance: f64,
    /// Whether those far from all others go.
    pub isolated_go: bool,
}

/// The orbitals that stay, and which they were.
pub(super) struct Left {
    pub orbitals: Guess,
    kept: Vec<usize>,
    /// Where those were that went.
    pub lost: Vec<Vec3>,
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
    /// What orbitals of a cycle must be.
    pub(super) fn rules(&self, fitted: &Guess) -> Rules {
        let typical = self.typical(fitted);
        Rules { lowest: typical.weak * typical.lightest, distance: self.distance, isolated_go: true }
    }

    /// Without weak orbitals, lonely ones, those outside of every image or of the support, and the weaker of near ones,
    /// which moves the stronger to the mean of both weighted by height.
    pub(super) fn pruned(&self, fitted: &Guess, rules: &Rules, journal: &mut Journal) -> Result<(Left, Counts)> {
        let mut counts = Counts { atoms: fitted.positions.len(), ..Default::default() };
        let mut gone = vec![false; counts.atoms];
        counts.dropped = self.drop_false(fitted, rules, &mut gone, journal);
        if counts.dropped == counts.atoms {
            let why = "no orbital is left after weak ones were dropped".into();
            return Err(Error::Empty { what: "atoms".into(), why });
        }
        counts.lonely = if rules.isolated_go { self.drop_lonely(fitted, &mut gone, journal)? } else { 0 };
        let left = merged(fitted, rules.distance, &mut gone, journal)?;
        counts.merged = counts.atoms - counts.dropped - counts.lonely - left.kept.len();
        Ok((left, counts))
    }

    /// Closes orbitals that are weak, in no image or outside of the support; their number.
    fn drop_false(&self, fitted: &Guess, rules: &Rules, gone: &mut [bool], journal: &mut Journal) -> usize {
        let mut count = 0;
        for (orbital, (&place, &height)) in fitted.positions.iter().zip(&fitted.heights).enumerate() {
            let (kind, ratio) = if height <= rules.lowest.max(0.0) {
                (Kind::Weak, height / rules.lowest)
            } else if !self.is_seen(&place) || !self.is_supported(&place) {
                (Kind::Outside, f64::NAN)
            } else {
                continue;
            };
            gone[orbital] = true;
            count += 1;
            journal.note(Decision { kind, orbital, place, height, partner: None, ratio });
        }
        count
    }

    /// Closes orbitals without neighbours; their number.
    fn drop_lonely(&self, fitted: &Guess, gone: &mut [bool], journal: &mut Journal) -> Result<usize> {
        let alive: Vec<usize> = (0..gone.len()).filter(|i| !gone[*i]).collect();
        if alive.len() < 3 {
            return Ok(0); // there is no typical distance
        }
        let points: Vec<Vec3> = alive.iter().map(|i| fitted.positions[*i]).collect();
        let nearest = Neighbours::new(&points)?.nearest_others(&points);
        let (times_median, times_least) = LONELY;
        let automatic = (times_median * median(&nearest)).max(times_least * self.distance);
        let isolation = self.options.isolation.unwrap_or(automatic);
        let mut count = 0;
        for (&orbital, distance) in alive.iter().zip(&nearest).filter(|(_, distance)| **distance > isolation) {
            gone[orbital] = true;
            count += 1;
            journal.note(Decision {
                kind: Kind::Lonely,
                orbital,
                place: fitted.positions[orbital],
                height: fitted.heights[orbital],
                partner: None,
                ratio: distance / isolation,
            });
        }
        Ok(count)
    }

    /// What the next fit should start from: the orbitals that are left, high ones parted, and new ones.
    pub(super) fn revised(
        &self,
        fitted: &Fitted,
        mut left: Guess,
        counts: &mut Counts,
        (course, journal): (&mut Course, &mut Journal),
        watch: &mut Watch<'_, '_>,
    ) -> Result<Guess> {
        let typical = self.typical(&left);
        let residual = self.residual(fitted, typical.heaviest, course, watch)?;
        let lightest = typical.lightest;
        let certain = typical.weak * lightest / typical.heaviest * residual.of_atom;
        course.weigh_doubts(&left.positions, 0.5 * self.distance)?;
        let lowest = if course.certain_only { certain } else { TRIED_FROM * certain };
        let free = |place: &Vec3| {
            self.is_seen(place)
                && self.is_supported(place)
                && !course.refused.iter().any(|(at, n)| *n >= REFUSALS && near(at, place, 0.5 * self.distance))
        };
        let mut new = self.new_places(&residual, lowest, &left.positions, &free, watch)?;
        let of_doubt = new.iter().position(|peak| peak.height < certain).unwrap_or(new.len());
        new.truncate(of_doubt + (DOUBTFUL * left.positions.len() as f64).ceil() as usize);
        course.doubtful = new[of_doubt..].iter().map(|peak| peak.position).collect();
        counts.split = self.part(&mut left, typical.split * typical.heaviest, &residual.smoothed, (course, journal));
        counts.added = new.len();
        for peak in new {
            let height = peak.height / residual.of_atom * typical.heaviest;
            let class = if height < (lightest * typical.heaviest).sqrt() { 0 } else { self.species.len() - 1 };
            // a peak of one species is an atom of that species, however low noise has made it
            let height = if self.species.len() == 1 { typical.heaviest } else { height };
            journal.note(Decision {
                kind: Kind::Added,
                orbital: left.positions.len(),
                place: peak.position,
                height,
                partner: None,
                ratio: peak.height / certain,
            });
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
    fn part(
        &self,
        orbitals: &mut Guess,
        highest: f64,
        residual: &Volume,
        (course, journal): (&mut Course, &mut Journal),
    ) -> usize {
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
            let (partner, ratio) = (Some(orbitals.positions.len()), height / highest);
            journal.note(Decision { kind: Kind::Split, orbital: i, place, height, partner, ratio });
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

    pub(super) fn is_supported(&self, point: &Vec3) -> bool {
        self.options.support.as_ref().is_none_or(|support| value_near(support, point) > 0.5)
    }
}

impl Guess {
    fn with(&self, positions: Vec<Vec3>, heights: Vec<f64>, classes: Vec<usize>) -> Self {
        Self { positions, heights, classes, widths: self.widths.clone(), defocus: self.defocus.clone() }
    }

    fn push(&mut self, position: Vec3, height: f64, class: usize) {
        self.positions.push(position);
        self.heights.push(height);
        self.classes.push(class);
    }
}

impl Course {
    /// Remembers places that lost their atoms.
    pub fn refuse(&mut self, lost: &[Vec3], distance: f64) {
        lost.iter().for_each(|place| Self::count(&mut self.refused, place, 0.5 * distance));
    }

    /// Another model begins: places that lost their atoms, or where one was parted, are open again, and what its first cycle
    /// tries is to be seen through.
    pub fn begin_anew(&mut self) {
        (self.refused, self.parted, self.survivors) = (vec![], vec![], None);
        (self.doubtful, self.certain_only) = (vec![], false);
    }

    /// Whether doubtful peaks have become orbitals that stayed, within `radius` of their places.
    fn weigh_doubts(&mut self, survivors: &[Vec3], radius: f64) -> Result<()> {
        let near = Neighbours::new(survivors)?;
        let stayed = self.doubtful.iter().filter(|place| !near.within(place, radius).is_empty()).count();
        self.certain_only |= (stayed as f64) < PAYING * self.doubtful.len() as f64;
        Ok(())
    }

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

/// The orbitals that are not gone, the highest first; each takes up all others within `distance`.
fn merged(fitted: &Guess, distance: f64, gone: &mut [bool], journal: &mut Journal) -> Result<Left> {
    let Guess { positions, heights, classes, .. } = fitted;
    let mut order: Vec<usize> = (0..positions.len()).filter(|i| !gone[*i]).collect();
    order.sort_by(|a, b| heights[*b].total_cmp(&heights[*a]));
    let near = Neighbours::new(positions)?;
    let mut left = Left { orbitals: fitted.with(vec![], vec![], vec![]), kept: vec![], lost: vec![] };
    for i in order {
        if gone[i] {
            continue;
        }
        let (mut sum, mut weight) = (positions[i].map(|v| v * heights[i]), heights[i]);
        for (j, away) in near.around(&positions[i], distance).into_iter().filter(|(j, _)| *j != i) {
            if std::mem::replace(&mut gone[j], true) {
                continue;
            }
            (0..3).for_each(|a| sum[a] += heights[j] * positions[j][a]);
            weight += heights[j];
            journal.note(Decision {
                kind: Kind::Merged,
                orbital: j,
                place: positions[j],
                height: heights[j],
                partner: Some(i),
                ratio: away.sqrt() / distance,
            });
        }
        left.kept.push(i);
        left.orbitals.push(sum.map(|v| v / weight), weight, classes[i]);
    }
    let stays: std::collections::HashSet<usize> = left.kept.iter().copied().collect();
    left.lost = (0..positions.len()).filter(|i| !stays.contains(i)).map(|i| positions[i]).collect();
    Ok(left)
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
