//! What is done with the probes of a reconstruction beside fitting them: another model that goes on from this one, the defocus
//! by a scan where nothing is known of it, and tables of how probes spread along the beam.

use super::driver::Watch;
use super::lineage::Lineage;
use super::plan::{Plan, Recipe};
use super::reconstruction::Reconstruction;
use super::state::Memory;
use super::terms::SharedTerms;
use super::{LotModel, LotOptions};
use crate::context::log;
use crate::error::{Error, Result};
use crate::forward::local_orbital::{probe_images, Blocks};
use crate::problem::{Observer, Phase, Waiting};
use crate::table::Table;

/// How the defocus is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DefocusScan {
    /// Largest correction to the recorded defocus, A.
    pub range: f64,
    /// Distance of neighbouring values, A: the least of them is refined by a parabola.
    pub step: f64,
    /// Part of the tilts that are looked at.
    pub tilts: f64,
}

impl Default for DefocusScan {
    fn default() -> Self {
        Self { range: 60.0, step: 6.0, tilts: 0.25 }
    }
}

/// Most values of a scan.
const MOST_VALUES: f64 = 1000.0;

impl DefocusScan {
    fn check(&self) -> Result<()> {
        for (name, value) in [("range", self.range), ("step", self.step)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::range(name, value, "a positive number (A)"));
            }
        }
        if self.range / self.step > 0.5 * MOST_VALUES {
            return Err(Error::range("step", self.step, format!("at least range / {}", 0.5 * MOST_VALUES)));
        }
        if !(self.tilts > 0.0 && self.tilts <= 1.0) {
            return Err(Error::range("tilts", self.tilts, "above 0, up to 1 (part of the tilts)"));
        }
        Ok(())
    }

    /// Corrections from -range to range.
    fn values(&self) -> Vec<f64> {
        let steps = (self.range / self.step).ceil() as i64;
        (-steps..=steps).map(|i| (i as f64 * self.step).clamp(-self.range, self.range)).collect()
    }
}

impl Reconstruction {
    /// A reconstruction with other options that goes on from the latest state of this one: its atoms, geometry, optics and
    /// intensities, and what is frozen, as far as the model has it. Direct, rigid and adaptive can follow each other; the pixels
    /// of adaptive probes begin as the optics say, or are those of this one where it has some. Terms of the host stay behind.
    pub fn continued(&self, options: &LotOptions) -> Result<Self> {
        self.context().check_process()?;
        options.check()?;
        let (snapshot, former) = (self.snapshot(), self.recipe());
        let (plan, values) = (&snapshot.state.plan, &snapshot.state.parameters);
        let recipe = Recipe {
            options: LotOptions { width_start: None, ..options.clone() },
            terms: SharedTerms::default(),
            ..former.clone()
        };
        let mut parameters = recipe.continued_parameters(plan, values)?;
        let mut next = recipe.plan(plan.version.clone(), &parameters, 1, None)?;
        next.complete(&mut parameters, Some((plan, values)));
        for (block, known) in next.layout.blocks.iter_mut().zip(&plan.layout.blocks).take(Blocks::PROBE) {
            block.frozen = block.locked.is_some() || known.frozen;
        }
        next.started = plan.started;
        next.lineage = Lineage::default();
        if next.started {
            let cancel = self.context().cancel_token();
            next.estimate_scales(&parameters, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?;
        }
        Ok(Self::assemble(recipe, self.series().clone(), next, parameters, Memory::default()))
    }

    /// Looks for the defocus of every section: the images of a part of the tilts are calculated with equal corrections from
    /// -range to range, and each section takes the one (refined by a parabola) with the least squares that are left once scale
    /// and background of each image are fitted. Sets block `defocus`; all else stays. The table has a row per section and
    /// value, `section`, `defocus` (the correction, A) and `misfit` (squares left, as part of the variance of the images).
    ///
    /// # Errors
    /// `Unsupported` unless the model is rigid, `Range`, `NotReady` without images, `Cancelled`.
    pub fn scan_defocus(&self, scan: &DefocusScan, observer: &mut Observer<'_>) -> Result<Table> {
        scan.check()?;
        let snapshot = self.snapshot();
        let (plan, mut parameters) = (snapshot.state.plan.clone(), snapshot.state.parameters.to_vec());
        let block = &plan.layout.blocks[Blocks::DEFOCUS];
        if let Some(why) = block.locked {
            return Err(Error::Unsupported { what: "a scan of the defocus".into(), why: why.into() });
        }
        let tilts = plan.version.tilts();
        let every = (1.0 / scan.tilts).round().max(1.0) as usize;
        let used = |image: &usize| !plan.version.images()[*image].excluded;
        let images: Vec<usize> =
            tilts.iter().step_by(every).flat_map(|t| t.images.iter().copied().filter(used)).collect();
        if images.is_empty() {
            let why = "the dataset has no images yet; append tilts".into();
            return Err(Error::NotReady { what: "a scan of the defocus".into(), why });
        }
        let cancel = self.context().cancel_token();
        let mut watch = Watch::new(&cancel, observer, 0, 0);
        watch.progress.phase = Phase::Evaluating;
        let values = scan.values();
        let mut misfits: Vec<Vec<f64>> = Vec::with_capacity(values.len());
        for (done, value) in values.iter().enumerate() {
            watch.progress.fraction = done as f64 / values.len() as f64;
            watch.tell();
            parameters[block.range()].fill(*value);
            misfits.push(watch.wait(|waiting| plan.misfits(&parameters, &images, waiting))?);
        }
        let mut found = self.block("defocus")?;
        for (section, found) in found.iter_mut().enumerate() {
            let of_section: Vec<f64> = misfits.iter().map(|m| m[section]).collect();
            if let Some((best, inside)) = lowest(&values, &of_section) {
                *found = best;
                log::info(format!("section {section}: defocus corrected by {best:.2} A"));
                if !inside {
                    log::warning(format!(
                        "section {section}: the best defocus is the last that was tried, {best:.1} A; scan a larger range"
                    ));
                }
            }
        }
        self.set_block("defocus", &found)?;
        let rows: Vec<(f64, f64, f64)> = (0..found.len())
            .flat_map(|s| values.iter().zip(&misfits).map(move |(v, m)| (s as f64, *v, m[s])))
            .collect();
        Table::new(rows.len())
            .with_column("section", "index", rows.iter().map(|r| r.0).collect())?
            .with_column("defocus", "A", rows.iter().map(|r| r.1).collect())?
            .with_column("misfit", "", rows.iter().map(|r| r.2).collect())
    }

    /// How the probes of the latest state spread along the beam, for every image of the first tilt that has all sections:
    /// `section`, `image`, `depth` (A), `sum` (1: all intensity), `x`, `y` (first moment, A), `half_radius` (A: half of the
    /// intensity lies within) and `peak` (part of the intensity in the brightest pixel). The values `focus_0`, `focus_1`, ...
    /// (A) are the depths of the least half radius in each section: where the crossover lies, NaN where that is not between the
    /// first and the last depth.
    ///
    /// # Errors
    /// `Unsupported` for the direct model.
    pub fn probe_table(&self) -> Result<Table> {
        let snapshot = self.snapshot();
        let plan = &snapshot.state.plan;
        let mut rows: Vec<[f64; 8]> = vec![];
        let mut foci: Vec<(usize, f64)> = vec![];
        for section in 0..plan.version.section_count() {
            let Some(image) = plan.version.images().iter().position(|i| i.section == section) else { continue };
            let (depths, side, probes) = self.probe_images(image)?;
            let first = rows.len();
            for (depth, probe) in depths.iter().zip(probes.chunks_exact(side * side)) {
                let [sum, x, y, radius, peak] = moments(probe, side, plan.version.pixel_size());
                rows.push([section as f64, image as f64, *depth, sum, x, y, radius, peak]);
            }
            let radii: Vec<f64> = rows[first..].iter().map(|row| row[6]).collect();
            let focus = lowest(&depths, &radii).filter(|(_, inside)| *inside).map_or(f64::NAN, |(focus, _)| focus);
            foci.push((section, focus));
        }
        let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
        let names = [
            ("section", "index"),
            ("image", "index"),
            ("depth", "A"),
            ("sum", ""),
            ("x", "A"),
            ("y", "A"),
            ("half_radius", "A"),
            ("peak", ""),
        ];
        let table = Table::new(rows.len());
        let table =
            names.iter().enumerate().try_fold(table, |t, (at, (name, unit))| t.with_column(name, unit, column(at)))?;
        foci.iter().try_fold(table, |t, (section, focus)| t.with_value(&format!("focus_{section}"), "A", *focus))
    }

    /// Probes of one image: depths (A), edge of the squares in pixels, and intensities [depths, side, side] of pixels around the
    /// beam, whose sum over the plane is 1 without attenuation.
    ///
    /// # Errors
    /// `Unsupported` for the direct model, `Range` for an image that does not exist.
    pub fn probe_images(&self, image: usize) -> Result<(Vec<f64>, usize, Vec<f64>)> {
        let snapshot = self.snapshot();
        let (plan, parameters) = (&snapshot.state.plan, &snapshot.state.parameters);
        let options = &self.recipe().options;
        let (Some(probe), true) = (&self.recipe().probe, options.model != LotModel::Direct) else {
            let why = "the direct model has no probe; use model rigid or adaptive".into();
            return Err(Error::Unsupported { what: "probes of the direct model".into(), why });
        };
        let (optics, which) = plan.different_optics(Some(probe), parameters);
        let Some(of_image) = which.get(image) else {
            return Err(Error::range("image", image, format!("a number below {}", which.len())));
        };
        let edge = (plan.version.rows(), plan.version.columns());
        let side = plan.layout.blocks[Blocks::PROBE].shape[3];
        let grid = (edge, plan.version.pixel_size());
        let (side, images) = probe_images(probe, &optics[*of_image], &plan.depths, grid, (side > 0).then_some(side))?;
        Ok((plan.depths.to_vec(), side, images))
    }
}

impl Plan {
    /// Squares left, as part of the variance, of the images of each section once scale and background are fitted; NaN for a
    /// section without images.
    fn misfits(&self, parameters: &[f64], images: &[usize], waiting: &mut Waiting<'_>) -> Result<Vec<f64>> {
        let (pixels, buffers) = (self.problem.pixels(), self.problem.buffers());
        let mut sums = vec![(0.0, 0.0); self.version.section_count()];
        for places in self.tilts_at_once(images)? {
            let part: Vec<usize> = places.iter().map(|place| images[*place]).collect();
            let mut calculated = buffers.take(part.len() * pixels);
            self.problem.predict(parameters, &part, &mut calculated, waiting)?;
            for (image, calculated) in part.iter().zip(calculated.chunks_exact(pixels)) {
                let (left, all) = self.left_over(*image, calculated);
                let sum = &mut sums[self.version.images()[*image].section];
                *sum = (sum.0 + left, sum.1 + all);
            }
            buffers.give(calculated);
        }
        Ok(sums.into_iter().map(|(left, all)| left / all).collect())
    }
}

/// Place of the least value between equally spaced ones, and whether it lies between them.
fn lowest(at: &[f64], values: &[f64]) -> Option<(f64, bool)> {
    let best = (0..values.len()).filter(|i| values[*i].is_finite()).min_by(|a, b| values[*a].total_cmp(&values[*b]))?;
    if best == 0 || best + 1 == values.len() {
        return Some((at[best], false));
    }
    let [a, b, c] = [values[best - 1], values[best], values[best + 1]];
    let (left, right) = (at[best] - at[best - 1], at[best + 1] - at[best]);
    // least of the parabola through three points, whatever their distances
    let (down, up) = ((b - a) / left, (c - b) / right);
    let curvature = up - down;
    let slope = (down * right + up * left) / (left + right);
    let shift = if curvature > 0.0 { -0.5 * slope * (left + right) / curvature } else { 0.0 };
    Some((at[best] + shift.clamp(-left, right), true))
}

/// Sum, first moment (A), radius of half the sum (A) and largest value as part of the sum of a probe around the middle.
fn moments(probe: &[f64], side: usize, pixel: f64) -> [f64; 5] {
    let middle = (side / 2) as f64;
    let sum: f64 = probe.iter().sum();
    let place = |i: usize| (((i % side) as f64 - middle) * pixel, ((i / side) as f64 - middle) * pixel);
    let (x, y) = probe.iter().enumerate().fold((0.0, 0.0), |m, (i, v)| {
        let (x, y) = place(i);
        (m.0 + v * x / sum, m.1 + v * y / sum)
    });
    let mut by_radius: Vec<(f64, f64)> =
        probe.iter().enumerate().map(|(i, v)| ((place(i).0 - x).hypot(place(i).1 - y), *v)).collect();
    by_radius.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut within, mut before, mut half) = (0.0, 0.0, 0.0);
    for (radius, value) in by_radius {
        if within + value >= 0.5 * sum {
            half = before + (radius - before) * ((0.5 * sum - within) / value).clamp(0.0, 1.0);
            break;
        }
        (within, before) = (within + value, radius);
    }
    let peak = probe.iter().copied().fold(0.0, f64::max);
    [sum, x, y, half, peak / sum]
}
