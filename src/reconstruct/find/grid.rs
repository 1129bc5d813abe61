//! The first guess of the papers: a regular grid of orbitals, denser than atoms.
//!
//! Coarse fits by the direct model move the orbitals and their heights, which are never negative, while all have one width.
//! Orbitals between atoms fade and go, those around an atom come together and are merged.

use super::super::driver::Watch;
use super::super::options::{LossChoice, LotModel, LotOptions};
use super::super::reconstruction::Reconstruction;
use super::super::tomography::Background;
use super::revise::Rules;
use super::{heights_of, mean_r_factor, Guess, Record, Search};
use crate::classify::expected_strengths;
use crate::context::log;
use crate::dataset::{Image, SeriesVersion};
use crate::error::{Error, Result};
use crate::geometry::{self, Vec3};
use crate::grid;
use crate::optimize::{Optimizer, RunOptions, Stopping, Termination};

/// Width B of the orbitals, in squares of their distance: 0.5 A^2 at 1 A, as in the papers.
const WIDTH: f64 = 0.5;

/// One coarse fit and what it leaves.
struct Stage {
    /// Passes over the images.
    passes: usize,
    /// First step of the positions, in distances of the grid.
    step: f64,
    /// Orbitals below this part of the typical height of the lightest species go.
    weak: f64,
    /// Nearer ones are one, in minimum distances.
    distance: f64,
}

/// First the heights tell where atoms are, then the positions follow.
const STAGES: [Stage; 2] = [
    Stage { passes: 6, step: 0.03, weak: 0.15, distance: 0.56 },
    Stage { passes: 6, step: 0.05, weak: 0.25, distance: 0.81 },
];

/// Part of the tilts in a batch.
const BATCH: f64 = 1.0 / 6.0;

/// Orbitals of a grid at most, whatever memory there is.
const MOST: usize = 1 << 24;

/// Bytes of an orbital in a coarse fit: four parameters in a dozen vectors of the optimiser, its place in trees and tables.
const BYTES: u64 = 640;

/// Part of the brightest square of all images, over vacuum, above which a square shows the specimen.
const BRIGHT: f64 = 0.1;

impl Search<'_> {
    /// What coarse fits leave of the grid.
    pub(super) fn grid_guess(&self, fit: &LotOptions, record: &mut Record, watch: &mut Watch<'_, '_>) -> Result<Guess> {
        let spacing = self.options.grid_spacing(self.version)?;
        let positions = self.grid(spacing)?;
        log::info(format!("a grid of {} orbitals", positions.len()));
        let (low, high) = fit.width_bounds(self.version.pixel_size());
        let width = (WIDTH * spacing * spacing).clamp(low, high);
        let coarse = LotOptions {
            model: LotModel::Direct,
            loss: Some(LossChoice::Mse),
            width_start: Some(width),
            ..fit.clone()
        };
        let heaviest = self.species.len() - 1;
        let mut guess = Guess {
            heights: vec![1.0; positions.len()],
            classes: vec![heaviest; positions.len()],
            widths: vec![None; self.species.len()],
            defocus: vec![],
            positions,
        };
        for stage in &STAGES {
            guess = self.coarse_fit(guess, &coarse, (stage, spacing), record, watch)?;
        }
        guess.widths = vec![self.options.fit.width_start; self.species.len()];
        if self.species.len() == 1 {
            guess.heights.fill(1.0);
        }
        Ok(guess)
    }

    fn coarse_fit(
        &self,
        guess: Guess,
        fit: &LotOptions,
        (stage, spacing): (&Stage, f64),
        record: &mut Record,
        watch: &mut Watch<'_, '_>,
    ) -> Result<Guess> {
        record.begin_cycle();
        let recon = Reconstruction::local_orbital(self.context, self.series, None, &self.atoms(&guess, None)?, fit)?;
        recon.freeze("widths", true)?;
        recon.set_param("adam.step", stage.step * spacing)?;
        recon.set_param("adam.passes", stage.passes as f64)?;
        let mut options = RunOptions { optimizer: Some(Optimizer::Adam), ..Default::default() };
        options.stopping = Stopping { max_iterations: stage.passes, loss_tolerance: 0.0, ..Default::default() };
        options.batch.fraction = Some(BATCH);
        let ended = recon.run(&options, &mut |_| {
            watch.tell();
            !watch.cancel.is_cancelled()
        })?;
        if ended == Termination::Cancelled {
            return Err(Error::Cancelled { phase: "fitting the grid" });
        }
        let atoms = recon.atoms()?;
        let fitted = Guess { positions: atoms.positions().to_vec(), heights: heights_of(&atoms), ..guess };
        let strengths = expected_strengths(&self.species);
        let lightest = strengths.first().zip(strengths.last()).map_or(1.0, |(first, last)| first / last);
        let rules = Rules {
            lowest: stage.weak * lightest * middle_of_the_sum(&fitted.heights),
            distance: stage.distance * self.distance,
            isolated_go: false,
        };
        let (left, counts) = self.pruned(&fitted, &rules, &mut record.journal)?;
        record.end_cycle(&counts, recon.loss(), mean_r_factor(&recon));
        Ok(left.orbitals)
    }

    /// Places at multiples of `spacing`, within volume and support, where the images show the specimen.
    fn grid(&self, spacing: f64) -> Result<Vec<Vec3>> {
        let volume = self.solver.empty()?;
        let counts = volume.shape().map(|n| (0.5 * n as f64 * volume.voxel_size() / spacing).floor() as usize);
        let all = counts.iter().map(|n| 2.0 * *n as f64 + 1.0).product::<f64>();
        if all > MOST as f64 {
            let wanted = format!("so much that there are at most {MOST} orbitals, not {all:.3e}");
            return Err(Error::range("grid_spacing", spacing, wanted));
        }
        let hull = Hull::new(self);
        let [depth, rows, columns] = counts.map(|n| n as i64);
        let mut places = Vec::new();
        for z in -depth..=depth {
            self.cancel.check("laying out the grid")?;
            for y in -rows..=rows {
                let line = (-columns..=columns).map(|x| [x, y, z].map(|i| i as f64 * spacing));
                places.extend(line.filter(|place| self.is_supported(place) && hull.holds(place)));
            }
        }
        let needed = BYTES * places.len() as u64;
        let limits = [self.options.fit.memory_limit, self.options.tomography.memory_limit];
        if let Some(available) = limits.into_iter().flatten().min().filter(|limit| needed > *limit) {
            let what = format!("a grid of {} orbitals (option memory_limit)", places.len());
            return Err(Error::Memory { what, needed, available });
        }
        match places.is_empty() {
            true => Err(Error::Empty {
                what: "the grid of orbitals".into(),
                why: "no place is both in the support and where the images show the specimen".into(),
            }),
            false => Ok(places),
        }
    }
}

/// The height above which orbitals have half of the sum of all: a typical one of the atoms, however many orbitals there are
/// in vacuum, whose heights are next to nothing.
fn middle_of_the_sum(heights: &[f64]) -> f64 {
    let mut sorted = heights.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let half = 0.5 * sorted.iter().sum::<f64>();
    let mut sum = 0.0;
    let middle = sorted.into_iter().find(|height| {
        sum += height;
        sum >= half
    });
    middle.unwrap_or(0.0)
}

/// Where every image that sees a place shows more than vacuum.
struct Hull<'a> {
    version: &'a SeriesVersion,
    /// Of every image in use, with its number: which pixels do.
    bright: Vec<(usize, Vec<bool>)>,
}

impl<'a> Hull<'a> {
    /// Squares of twice the minimum distance are compared: single atoms and noise play no part in their means.
    fn new(search: &Search<'a>) -> Self {
        let version = search.version;
        let half = (search.distance / version.pixel_size()).round().max(1.0) as usize;
        let level = search.options.tomography.background;
        let squares: Vec<(usize, Vec<f64>)> = version
            .used_images()
            .into_iter()
            .map(|image| (image, over_vacuum(square_means(&version.images()[image], version, half), level)))
            .collect();
        let brightest =
            squares.iter().flat_map(|(_, means)| means).copied().filter(|m| m.is_finite()).fold(0.0, f64::max);
        // a square without a used pixel, NaN, may show anything
        let bright =
            |means: Vec<f64>| means.into_iter().map(|mean| mean.is_nan() || mean > BRIGHT * brightest).collect();
        Self { version, bright: squares.into_iter().map(|(image, means)| (image, bright(means))).collect() }
    }

    fn holds(&self, place: &Vec3) -> bool {
        let mut seen = false;
        for (image, bright) in &self.bright {
            let Some(pixel) = pixel_of(self.version, *image, place) else { continue };
            if !bright[pixel] {
                return false;
            }
            seen = true;
        }
        seen
    }
}

/// The pixel on which a place falls, row by row.
fn pixel_of(version: &SeriesVersion, image: usize, place: &Vec3) -> Option<usize> {
    let of = &version.images()[image];
    let p = geometry::apply(&of.rotation, place);
    let index = |at: f64, n: usize| {
        let index = (grid::origin(n) as f64 + at / version.pixel_size()).round();
        (0.0..n as f64).contains(&index).then_some(index as usize)
    };
    let (column, row) = (index(p[0] + of.drift[0], version.columns())?, index(p[1] + of.drift[1], version.rows())?);
    Some(row * version.columns() + column)
}

/// Mean of the used pixels within `half` of each pixel along rows and columns, NaN where there are none.
fn square_means(image: &Image, version: &SeriesVersion, half: usize) -> Vec<f64> {
    let (rows, columns) = (version.rows(), version.columns());
    // sums and numbers of all pixels above and to the left
    let mut sums = vec![(0.0, 0.0); (rows + 1) * (columns + 1)];
    for row in 0..rows {
        let mut line = (0.0, 0.0);
        for column in 0..columns {
            let pixel = row * columns + column;
            if image.uses(pixel) {
                line = (line.0 + f64::from(image.pixels[pixel]), line.1 + 1.0);
            }
            let above = sums[row * (columns + 1) + column + 1];
            sums[(row + 1) * (columns + 1) + column + 1] = (above.0 + line.0, above.1 + line.1);
        }
    }
    let range = |at: usize, n: usize| (at.saturating_sub(half), (at + half + 1).min(n));
    let mean = |pixel: usize| {
        let ((top, bottom), (left, right)) = (range(pixel / columns, rows), range(pixel % columns, columns));
        let at = |row: usize, column: usize| sums[row * (columns + 1) + column];
        let ends = [at(bottom, right), at(top, left), at(top, right), at(bottom, left)];
        let of = |part: fn(&(f64, f64)) -> f64| part(&ends[0]) + part(&ends[1]) - part(&ends[2]) - part(&ends[3]);
        of(|s| s.0) / of(|s| s.1)
    };
    (0..rows * columns).map(mean).collect()
}

/// Less their 5 % quantile, which volumes take for vacuum, too.
fn over_vacuum(means: Vec<f64>, background: Background) -> Vec<f64> {
    let mut sorted: Vec<f64> = means.iter().copied().filter(|mean| mean.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let vacuum = match background {
        Background::Automatic => sorted.get(sorted.len() / 20).copied().unwrap_or(0.0),
        Background::None => 0.0,
    };
    means.into_iter().map(|mean| mean - vacuum).collect()
}

#[cfg(test)]
mod tests {
    use super::middle_of_the_sum;

    #[test]
    fn a_typical_height_does_not_depend_on_vacuum() {
        let atoms = [3.0, 4.0, 5.0, 4.0, 4.5];
        assert_eq!(middle_of_the_sum(&atoms), 4.0);
        let in_vacuum = [atoms.to_vec(), vec![1e-3; 1000]].concat();
        assert_eq!(middle_of_the_sum(&in_vacuum), 4.0);
        assert_eq!(middle_of_the_sum(&[]), 0.0);
    }
}
