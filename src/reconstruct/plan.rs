//! The immutable part of a local-orbital reconstruction: model, data and layout for one version of the dataset.

use super::lineage::Lineage;
use super::options::{LossChoice, LotModel, LotOptions, Precision};
use super::terms::SharedTerms;
use super::Evaluator;
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::local_orbital::{
    Blocks, DepthMode, ImageGeometry, Interaction, LocalOrbital, LocalOrbitalOptions, SeriesGeometry, Sharing,
};
use crate::forward::Loss;
use crate::geometry::{self, AngleOrder, Mat3, Vec3};
use crate::optics::Probe;
use crate::problem::{Layout, Problem};
use crate::simd::Real;
use crate::specimen::Atoms;
use std::sync::Arc;

/// Most slices, and widest probe in pixels, of the rigid model: beyond them a length is in a wrong unit, and the work
/// would never end.
const MAX_SLICES: f64 = 16384.0;
const MAX_SPREAD: f64 = 4096.0;

/// Cosine of the angle below which beams count as parallel, a degree.
const PARALLEL: f64 = 0.999_85;

/// Euler order of the refined angles.
const ANGLE_ORDER: AngleOrder = AngleOrder::Zyx;

/// What does not change with the dataset's version.
#[derive(Clone)]
pub(super) struct Recipe {
    pub context: Context,
    pub options: LotOptions,
    pub probe: Option<Probe>,
    pub species: Vec<u8>,
    pub terms: SharedTerms,
}

/// Model, data and layout for one version.
pub(super) struct Plan {
    pub problem: Arc<dyn Problem>,
    pub layout: Layout,
    pub blocks: Blocks,
    pub version: Arc<SeriesVersion>,
    pub generation: u64,
    pub species: Arc<Vec<u8>>,
    pub height_groups: Arc<Vec<u32>>,
    pub width_groups: Arc<Vec<u32>>,
    pub slices: usize,
    /// `None` for the direct model.
    pub mode: Option<DepthMode>,
    pub template_error: Option<f64>,
    /// Intensities were fitted once (there were images).
    pub started: bool,
    pub poisson_floor: f64,
    /// Pixels that are neither masked nor of an excluded image.
    pub used_pixels: usize,
    pub loss: LossChoice,
    /// Parameters that slices and margins were laid out for.
    pub laid_out_for: Arc<Vec<f64>>,
    pub terms: SharedTerms,
    pub lineage: Lineage,
}

impl Recipe {
    fn groups(&self) -> (Vec<u32>, Vec<u32>) {
        let heights = self.options.height_sharing.unwrap_or(Sharing::Atom);
        let widths = self.options.width_sharing.unwrap_or(Sharing::Species);
        (heights.groups(&self.species), widths.groups(&self.species))
    }

    /// Number of values of all blocks for a version.
    pub fn parameter_count(&self, version: &SeriesVersion) -> usize {
        let (height_groups, width_groups) = self.groups();
        Blocks::new(&series_geometry(version), &height_groups, &width_groups).background.end
    }

    /// Values of all blocks at the start; heights are relative until the intensities are fitted.
    pub fn start_parameters(&self, version: &SeriesVersion, atoms: &Atoms) -> Result<Vec<f64>> {
        let series = series_geometry(version);
        let (height_groups, width_groups) = self.groups();
        let blocks = Blocks::new(&series, &height_groups, &width_groups);
        let mut parameters = vec![0.0; blocks.background.end];
        for (i, p) in atoms.positions().iter().enumerate() {
            parameters[blocks.positions.start + 3 * i..][..3].copy_from_slice(p);
        }
        let ones = vec![1.0; atoms.len()];
        let heights = group_means(atoms.heights().unwrap_or(&ones), &height_groups);
        parameters[blocks.heights.clone()].copy_from_slice(&heights);
        let own = atoms.widths().map(<[f64]>::to_vec);
        let widths = match (self.options.width_start, own) {
            (Some(width), _) => vec![width; atoms.len()],
            (None, Some(widths)) => widths,
            (None, None) => vec![0.5; atoms.len()],
        };
        let (low, high) = self.options.width_bounds(version.pixel_size());
        if let Some(width) = widths.iter().find(|w| !(low..=high).contains(*w)) {
            let wanted = format!("{low:.4} to {high:.4} A^2 (options width_min, width_max)");
            return Err(Error::range("width of an orbital at the start", width, wanted));
        }
        parameters[blocks.widths.clone()].copy_from_slice(&group_means(&widths, &width_groups));
        fill_geometry(&mut parameters, &blocks, version, 0, 0);
        Ok(parameters)
    }

    /// Values for a version with more images than `former`, which keep theirs.
    pub fn grown_parameters(&self, former: &Plan, parameters: &[f64], version: &SeriesVersion) -> Vec<f64> {
        let blocks = Blocks::new(&series_geometry(version), &former.height_groups, &former.width_groups);
        let mut grown = vec![0.0; blocks.background.end];
        let tilts = former.blocks.depth_offset.len().min(version.tilts().len());
        let images = former.blocks.scale.len().min(version.images().len());
        fill_geometry(&mut grown, &blocks, version, tilts, images);
        let old = &parameters[former.blocks.background.clone()];
        let mean = old.iter().sum::<f64>() / old.len().max(1) as f64;
        grown[blocks.background.clone()].fill(mean);
        let pairs = |b: &Blocks| {
            [
                &b.positions,
                &b.heights,
                &b.widths,
                &b.drift,
                &b.depth_offset,
                &b.defocus,
                &b.angles,
                &b.scale,
                &b.background,
            ]
            .map(Clone::clone)
        };
        for (new, old) in pairs(&blocks).into_iter().zip(pairs(&former.blocks)) {
            let len = new.len().min(old.len());
            grown[new.start..new.start + len].copy_from_slice(&parameters[old.start..old.start + len]);
        }
        grown
    }

    /// Plans model and data for `version`.
    pub fn plan(
        &self,
        version: Arc<SeriesVersion>,
        parameters: &[f64],
        generation: u64,
        poisson_floor: Option<f64>,
    ) -> Result<Plan> {
        match self.options.precision {
            Precision::Single => self.plan_in::<f32>(version, parameters, generation, poisson_floor),
            Precision::Double => self.plan_in::<f64>(version, parameters, generation, poisson_floor),
        }
    }

    fn plan_in<T: Real>(
        &self,
        version: Arc<SeriesVersion>,
        parameters: &[f64],
        generation: u64,
        poisson_floor: Option<f64>,
    ) -> Result<Plan> {
        let series = series_geometry(&version);
        let (height_groups, width_groups) = self.groups();
        let blocks = Blocks::new(&series, &height_groups, &width_groups);
        let positions: Vec<Vec3> = (0..self.species.len()).map(|i| blocks.position_of(parameters, i)).collect();
        let rotations: Vec<Mat3> =
            (0..series.tilts).map(|t| series.angle_order.rotation(&blocks.angles_of(parameters, t))).collect();
        self.check_depth(&version, &positions, &rotations)?;
        let (width_min, width_max) = self.options.width_bounds(series.pixel_size);
        let narrowest = parameters[blocks.widths.clone()].iter().copied().fold(width_max, f64::min);
        let model_options = LocalOrbitalOptions {
            interaction: self.interaction(&version)?,
            height_groups: height_groups.clone(),
            width_groups: width_groups.clone(),
            orbital: self.options.orbital.clone(),
            cutoff: self.options.cutoff,
            width_max,
            narrowest: narrowest.max(width_min),
        };
        let simd = self.context.simd();
        let model = LocalOrbital::<T>::new(series, &positions, &rotations, &model_options, simd)?;
        let mut layout = model.layout();
        (layout.blocks[Blocks::WIDTHS].lower, layout.blocks[Blocks::WIDTHS].upper) = (width_min, width_max);
        let (choice, floor) = self.loss(&version, poisson_floor)?;
        let loss = choice.with_floor(floor);
        let (slices, mode, template_error) = (model.slice_count(), model.depth_mode(), model.template_error());
        let problem = Arc::new(Evaluator::new(self.context.clone(), model, version.images().to_vec(), loss));
        self.check_memory(problem.memory_estimate())?;
        let used_pixels = problem.images().iter().map(|i| version.images()[*i].used_pixels()).sum();
        Ok(Plan {
            problem,
            layout,
            blocks,
            version,
            generation,
            species: Arc::new(self.species.clone()),
            height_groups: Arc::new(height_groups),
            width_groups: Arc::new(width_groups),
            slices,
            mode,
            template_error,
            started: false,
            poisson_floor: floor,
            used_pixels,
            loss: choice,
            laid_out_for: Arc::new(parameters.to_vec()),
            terms: self.terms.clone(),
            lineage: Lineage::default(),
        })
    }

    /// Refuses atoms and crossovers that lie absurdly far from the origin along the beam.
    fn check_depth(&self, version: &SeriesVersion, positions: &[Vec3], rotations: &[Mat3]) -> Result<()> {
        let (LotModel::Rigid, Some(probe)) = (self.options.model, &self.probe) else { return Ok(()) };
        let depths = rotations.iter().flat_map(|r| positions.iter().map(|p| geometry::apply(r, p)[2].abs()));
        let depth = depths.fold(0.0, f64::max);
        let deepest = 0.5 * MAX_SLICES * self.options.slice_thickness;
        if depth > deepest {
            let wanted = format!("at most {deepest} A ({MAX_SLICES} slices); check the unit of the positions");
            return Err(Error::range("distance of a start atom from the origin along the beam (A)", depth, wanted));
        }
        let defocus = version.images().iter().map(|i| i.defocus.abs()).fold(0.0, f64::max) + probe.defocus().abs();
        let to_spread = probe.semiangle_mrad() * 1e-3 / version.pixel_size();
        if (defocus + depth) * to_spread > MAX_SPREAD {
            let limit = MAX_SPREAD / to_spread;
            let wanted = format!("at most {limit:.0} A, where the probe is {MAX_SPREAD} pixels wide; check units");
            return Err(Error::range("distance from crossover to atoms (A)", defocus + depth, wanted));
        }
        Ok(())
    }

    fn check_memory(&self, needed: u64) -> Result<()> {
        match self.options.memory_limit {
            Some(available) if needed > available => {
                Err(Error::Memory { what: "an evaluation (option memory_limit)".into(), needed, available })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn interaction(&self, version: &SeriesVersion) -> Result<Interaction> {
        if self.options.model == LotModel::Direct {
            return Ok(Interaction::Direct);
        }
        let Some(probe) = &self.probe else {
            return Err(Error::Null { argument: "probe", wanted: "aet_probe (the model is rigid)" });
        };
        if version.length_unit() == crate::dataset::LengthUnit::Pixel {
            return Err(Error::Unsupported {
                what: "model rigid on a dataset in pixels".into(),
                why: "a probe needs the pixel size in angstrom; use model direct".into(),
            });
        }
        Ok(Interaction::Rigid {
            probe: Box::new(probe.clone()),
            slice_thickness: self.options.slice_thickness,
            slicing: self.options.slicing,
            mode: self.options.mode,
        })
    }

    /// The loss to use, and the floor of the Poisson loss (0.001 of the mean intensity).
    fn loss(&self, version: &SeriesVersion, floor: Option<f64>) -> Result<(LossChoice, f64)> {
        let counts = !version.images().is_empty() && version.counts_per_unit_all().is_some();
        let choice = self.options.loss.unwrap_or(if counts { LossChoice::Poisson } else { LossChoice::Mse });
        if choice == LossChoice::Mse || version.images().is_empty() {
            return Ok((choice, floor.unwrap_or(1e-3)));
        }
        let (mut sum, mut count) = (0.0, 0usize);
        for (i, image) in version.images().iter().enumerate().filter(|(_, image)| !image.excluded) {
            if let Some(at) = image.pixels.iter().position(|v| *v < 0.0) {
                return Err(Error::Inconsistent {
                    what: "loss poisson".into(),
                    why: format!(
                        "image {i} has the negative value {} at pixel {at}; counts cannot be negative, use loss mse",
                        image.pixels[at]
                    ),
                });
            }
            sum += image.pixels.iter().map(|v| f64::from(*v)).sum::<f64>();
            count += image.pixels.len();
        }
        let mean = sum / count.max(1) as f64;
        if mean <= 0.0 {
            return Err(Error::Empty { what: "loss poisson: the images".into(), why: "every pixel is 0".into() });
        }
        Ok((choice, floor.unwrap_or(1e-3 * mean)))
    }
}

impl Plan {
    /// What images are compared by.
    pub fn compared_by(&self) -> Loss {
        self.loss.with_floor(self.poisson_floor)
    }

    /// The atoms of `parameters`, with height and width of each.
    pub fn atoms(&self, parameters: &[f64]) -> Result<Atoms> {
        let n = self.species.len();
        let of_group = |start: usize, groups: &[u32]| groups.iter().map(|g| parameters[start + *g as usize]).collect();
        Atoms::new((0..n).map(|i| self.blocks.position_of(parameters, i)).collect())?
            .with_species(self.species.to_vec())?
            .with_heights(of_group(self.blocks.heights.start, &self.height_groups))?
            .with_widths(of_group(self.blocks.widths.start, &self.width_groups))
    }

    /// Which blocks are free, by number.
    pub fn active(&self) -> Vec<bool> {
        self.layout.blocks.iter().map(|b| !b.frozen).collect()
    }

    /// Refuses a fit whose parameters outnumber the pixels, unless a term of the host says what the images do not.
    pub fn check_determined(&self) -> Result<()> {
        let free = self.layout.free_len();
        if free <= self.used_pixels || !self.terms.load().is_empty() || self.problem.images().is_empty() {
            return Ok(());
        }
        Err(Error::Inconsistent {
            what: "the fit".into(),
            why: format!(
                "{free} free parameters, but only {} used pixels in {} image(s); append tilts, freeze blocks, share heights \
                 and widths, or add a term",
                self.used_pixels,
                self.problem.images().len()
            ),
        })
    }

    /// Rotation of a tilt.
    pub fn rotation(&self, parameters: &[f64], tilt: usize) -> Mat3 {
        ANGLE_ORDER.rotation(&self.blocks.angles_of(parameters, tilt))
    }

    /// An error if no atom appears in any image; else the number of atoms that appear in none.
    pub fn check_visible(&self, parameters: &[f64]) -> Result<usize> {
        let (hidden, n) = (self.hidden(parameters), self.species.len());
        if hidden == n {
            let (rows, columns, pixel) = (self.version.rows(), self.version.columns(), self.version.pixel_size());
            return Err(Error::Inconsistent {
                what: "start atoms".into(),
                why: format!(
                    "all {n} atoms lie outside every image ({rows} x {columns} pixels of {pixel} reach {:.1} by {:.1} from the origin); check units and origin",
                    0.5 * rows as f64 * pixel, 0.5 * columns as f64 * pixel
                ),
            });
        }
        Ok(hidden)
    }

    /// The number of atoms that appear in no image.
    pub fn hidden(&self, parameters: &[f64]) -> usize {
        let (rows, columns, pixel) =
            (self.version.rows() as f64, self.version.columns() as f64, self.version.pixel_size());
        let rotations: Vec<Mat3> =
            (0..self.version.tilts().len()).map(|tilt| self.rotation(parameters, tilt)).collect();
        let seen = |p: &Vec3| {
            rotations.iter().any(|r| {
                let p = geometry::apply(r, p);
                (p[0] / pixel).abs() <= 0.5 * columns + 1.0 && (p[1] / pixel).abs() <= 0.5 * rows + 1.0
            })
        };
        match rotations.is_empty() {
            true => 0,
            false => (0..self.species.len()).filter(|i| !seen(&self.blocks.position_of(parameters, *i))).count(),
        }
    }

    /// A text where the images do not tell how far atoms are along the beam: all look the same way, and no probe differs.
    pub fn depth_doubt(&self, parameters: &[f64]) -> Option<String> {
        let images = self.problem.images();
        let of = |image: &usize| &self.version.images()[*image];
        let tilts: std::collections::BTreeSet<usize> = images.iter().map(|i| of(i).tilt).collect();
        let beams: Vec<Vec3> = tilts.iter().map(|tilt| self.rotation(parameters, *tilt)[2]).collect();
        let first = beams.first()?;
        let parallel = |beam: &Vec3| (0..3).map(|a| beam[a] * first[a]).sum::<f64>().abs() > PARALLEL;
        let refocused = self.mode.is_some() && images.iter().any(|i| of(i).defocus != of(&images[0]).defocus);
        (beams.iter().all(parallel) && !refocused).then(|| {
            format!(
                "{} image(s) of {} tilt(s) all look along one direction: they do not tell the depth of {} atoms; append tilts",
                images.len(),
                tilts.len(),
                self.species.len()
            )
        })
    }
}

pub(super) fn series_geometry(version: &SeriesVersion) -> SeriesGeometry {
    SeriesGeometry {
        rows: version.rows(),
        columns: version.columns(),
        pixel_size: version.pixel_size(),
        images: version
            .images()
            .iter()
            .map(|i| ImageGeometry { tilt: i.tilt, section: i.section, defocus: i.defocus })
            .collect(),
        tilts: version.tilts().len(),
        sections: version.section_count(),
        angle_order: ANGLE_ORDER,
    }
}

/// Recorded geometry of the tilts from `tilt` on and the images from `image` on.
fn fill_geometry(parameters: &mut [f64], blocks: &Blocks, version: &SeriesVersion, tilt: usize, image: usize) {
    for (t, of_tilt) in version.tilts().iter().enumerate().skip(tilt) {
        if let Some(first) = of_tilt.images.first() {
            let angles = ANGLE_ORDER.angles(&version.images()[*first].rotation);
            parameters[blocks.angles.start + 3 * t..][..3].copy_from_slice(&angles);
        }
    }
    for (i, of_image) in version.images().iter().enumerate().skip(image) {
        parameters[blocks.drift.start + 2 * i..][..2].copy_from_slice(&of_image.drift);
        parameters[blocks.scale.start + i] = 1.0;
    }
}

/// Mean of the values of each group.
fn group_means(values: &[f64], groups: &[u32]) -> Vec<f64> {
    let count = groups.iter().max().map_or(0, |m| *m as usize + 1);
    let mut sums = vec![(0.0, 0usize); count];
    for (value, group) in values.iter().zip(groups) {
        let sum = &mut sums[*group as usize];
        *sum = (sum.0 + value, sum.1 + 1);
    }
    sums.into_iter().map(|(sum, n)| sum / n.max(1) as f64).collect()
}
