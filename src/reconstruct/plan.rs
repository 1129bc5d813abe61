//! The immutable part of a local-orbital reconstruction: model, data and layout for one version of the dataset.

use super::evaluator::{Compared, Evaluator};
use super::lineage::Lineage;
use super::options::{LossChoice, LotModel, LotOptions, Precision};
use super::terms::SharedTerms;
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::local_orbital::{
    resample_probes, Blocks, DepthMode, ImageGeometry, ImageOptics, Interaction, LocalOrbital, LocalOrbitalOptions,
    ProbeChange, ProbeShape, SeriesGeometry, Sharing, OPTICS,
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
    pub problem: Arc<dyn Compared>,
    pub layout: Layout,
    pub blocks: Blocks,
    pub version: Arc<SeriesVersion>,
    pub generation: u64,
    pub species: Arc<Vec<u8>>,
    pub height_groups: Arc<Vec<u32>>,
    pub width_groups: Arc<Vec<u32>>,
    /// Depths of slices or templates, A.
    pub depths: Arc<Vec<f64>>,
    /// Pixels of probes as the optics say; empty but in the adaptive model.
    pub start_probes: Arc<Vec<f64>>,
    /// `None` for the direct model.
    pub mode: Option<DepthMode>,
    pub template_error: Option<f64>,
    /// Intensities were fitted once (there were images).
    pub started: bool,
    /// Number of the loss: the floor of counts, or the threshold of Huber.
    pub loss_scale: f64,
    /// Pixels that are neither masked nor of an excluded image.
    pub used_pixels: usize,
    pub loss: LossChoice,
    /// Parameters that slices and margins were laid out for, without pixels of probes.
    pub laid_out_for: Arc<Vec<f64>>,
    /// Option `probe_smoothness`.
    pub smoothness: f64,
    pub terms: SharedTerms,
    pub lineage: Lineage,
}

impl Recipe {
    fn groups(&self) -> (Vec<u32>, Vec<u32>) {
        let heights = self.options.height_sharing.unwrap_or(Sharing::Atom);
        let widths = self.options.width_sharing.unwrap_or(Sharing::Species);
        (heights.groups(&self.species), widths.groups(&self.species))
    }

    /// Number of values of all blocks for a version, without pixels of probes.
    pub fn parameter_count(&self, version: &SeriesVersion) -> usize {
        let (height_groups, width_groups) = self.groups();
        Blocks::new(&series_geometry(version), &height_groups, &width_groups).len_without_probes()
    }

    /// Values of all blocks but the pixels of probes at the start; heights are relative until the intensities are fitted.
    pub fn start_parameters(&self, version: &SeriesVersion, atoms: &Atoms) -> Result<Vec<f64>> {
        let series = series_geometry(version);
        let (height_groups, width_groups) = self.groups();
        let blocks = Blocks::new(&series, &height_groups, &width_groups);
        let mut parameters = vec![0.0; blocks.len_without_probes()];
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

    /// Values for a version with more images than `former`, which keep theirs; without pixels of probes.
    pub fn grown_parameters(&self, former: &Plan, parameters: &[f64], version: &SeriesVersion) -> Vec<f64> {
        let blocks = Blocks::new(&series_geometry(version), &former.height_groups, &former.width_groups);
        let mut grown = vec![0.0; blocks.len_without_probes()];
        let tilts = former.blocks.depth_offset.len().min(version.tilts().len());
        let images = former.blocks.scale.len().min(version.images().len());
        fill_geometry(&mut grown, &blocks, version, tilts, images);
        let old = &parameters[former.blocks.background.clone()];
        let mean = old.iter().sum::<f64>() / old.len().max(1) as f64;
        grown[blocks.background.clone()].fill(mean);
        let of_atoms = |b: &Blocks| [b.positions.clone(), b.heights.clone(), b.widths.clone()];
        for (new, old) in of_atoms(&blocks).into_iter().zip(of_atoms(&former.blocks)) {
            grown[new].copy_from_slice(&parameters[old]);
        }
        former.copy_beside_atoms(parameters, &blocks, &mut grown);
        grown
    }

    /// Values of the first plan of a model that goes on from another: atoms of this recipe's groups, all else as it was.
    pub fn continued_parameters(&self, former: &Plan, parameters: &[f64]) -> Result<Vec<f64>> {
        let mut continued = self.start_parameters(&former.version, &former.atoms(parameters)?)?;
        let (height_groups, width_groups) = self.groups();
        let blocks = Blocks::new(&series_geometry(&former.version), &height_groups, &width_groups);
        former.copy_beside_atoms(parameters, &blocks, &mut continued);
        Ok(continued)
    }

    /// Plans model and data for `version`.
    pub fn plan(
        &self,
        version: Arc<SeriesVersion>,
        parameters: &[f64],
        generation: u64,
        loss_scale: Option<f64>,
    ) -> Result<Plan> {
        match self.options.precision {
            Precision::Single => self.plan_in::<f32>(version, parameters, generation, loss_scale),
            Precision::Double => self.plan_in::<f64>(version, parameters, generation, loss_scale),
        }
    }

    fn plan_in<T: Real>(
        &self,
        version: Arc<SeriesVersion>,
        parameters: &[f64],
        generation: u64,
        loss_scale: Option<f64>,
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
        let (choice, scale) = self.loss(&version, loss_scale)?;
        let losses = version.images().iter().map(|i| choice.of_image(scale, i)).collect();
        let (mode, template_error) = (model.depth_mode(), model.template_error());
        let (blocks, depths) = (model.blocks().clone(), Arc::new(model.depths()));
        let problem = Evaluator::new(self.context.clone(), model, version.images().to_vec(), losses);
        self.check_memory(problem.memory_estimate())?;
        let start_probes = Arc::new(problem.model().start_probes(parameters, &self.context, &mut |_| Ok(()))?);
        let laid_out = blocks.len_without_probes();
        let used_pixels = problem.images().iter().map(|i| version.images()[*i].used_pixels()).sum();
        Ok(Plan {
            problem: Arc::new(problem),
            layout,
            blocks,
            version,
            generation,
            species: Arc::new(self.species.clone()),
            height_groups: Arc::new(height_groups),
            width_groups: Arc::new(width_groups),
            depths,
            start_probes,
            mode,
            template_error,
            started: false,
            loss_scale: scale,
            used_pixels,
            loss: choice,
            laid_out_for: Arc::new(parameters[..laid_out].to_vec()),
            smoothness: self.options.probe_smoothness,
            terms: self.terms.clone(),
            lineage: Lineage::default(),
        })
    }

    /// Refuses atoms and crossovers that lie absurdly far from the origin along the beam.
    fn check_depth(&self, version: &SeriesVersion, positions: &[Vec3], rotations: &[Mat3]) -> Result<()> {
        let (LotModel::Rigid | LotModel::Adaptive, Some(probe)) = (self.options.model, &self.probe) else {
            return Ok(());
        };
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
            return Err(Error::Null { argument: "probe", wanted: "aet_probe (the model is rigid or adaptive)" });
        };
        if version.length_unit() == crate::dataset::LengthUnit::Pixel {
            return Err(Error::Unsupported {
                what: format!("model {} on a dataset in pixels", self.options.model.name()),
                why: "a probe needs the pixel size in angstrom; use model direct".into(),
            });
        }
        Ok(Interaction::Rigid {
            probe: Box::new(probe.clone()),
            slice_thickness: self.options.slice_thickness,
            slicing: self.options.slicing,
            mode: self.options.mode,
            tolerance: self.options.depth_error,
            pixels: self.options.probe_pixels(),
        })
    }

    /// The loss to use, and its number: the floor of counts (0.001 of the mean intensity), the threshold of Huber, infinite
    /// until the start tells it, or the mean variance of the noise.
    fn loss(&self, version: &SeriesVersion, scale: Option<f64>) -> Result<(LossChoice, f64)> {
        let counts = !version.images().is_empty() && version.counts_per_unit_all().is_some();
        let choice = self.options.loss.unwrap_or(if counts { LossChoice::Poisson } else { LossChoice::Mse });
        if choice == LossChoice::Huber {
            return Ok((choice, scale.or(self.options.huber_threshold).unwrap_or(f64::INFINITY)));
        }
        if choice == LossChoice::Mse || version.images().is_empty() {
            return Ok((choice, scale.unwrap_or(1e-3)));
        }
        if choice == LossChoice::Gaussian {
            let mean = mean_variance(version)?;
            return Ok((choice, scale.unwrap_or(mean)));
        }
        let mean = mean_counts(choice, version)?;
        Ok((choice, scale.unwrap_or(1e-3 * mean)))
    }
}

/// The mean variance of the noise of all used images.
fn mean_variance(version: &SeriesVersion) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for (i, image) in version.images().iter().enumerate().filter(|(_, image)| !image.excluded) {
        let variance = image.noise_variance.ok_or_else(|| Error::Inconsistent {
            what: "loss gaussian".into(),
            why: format!(
                "image {i} has no noise_variance, which its weight is taken from; give it with the images, or use mse"
            ),
        })?;
        (sum, count) = (sum + variance, count + 1);
    }
    Ok(sum / count.max(1) as f64)
}

/// The mean of images that a loss of counts is for.
fn mean_counts(choice: LossChoice, version: &SeriesVersion) -> Result<f64> {
    let name = if choice == LossChoice::Anscombe { "loss anscombe" } else { "loss poisson" };
    let (mut sum, mut count) = (0.0, 0usize);
    for (i, image) in version.images().iter().enumerate().filter(|(_, image)| !image.excluded) {
        if choice == LossChoice::Anscombe && image.counts_per_unit.is_none() {
            let why = format!("image {i} has no counts_per_unit, which says what a count is; give it with the images");
            return Err(Error::Inconsistent { what: name.into(), why });
        }
        if let Some(at) = image.pixels.iter().position(|v| *v < 0.0) {
            return Err(Error::Inconsistent {
                what: name.into(),
                why: format!(
                    "image {i} has the negative value {} at pixel {at}; counts cannot be negative, use loss mse or huber",
                    image.pixels[at]
                ),
            });
        }
        sum += image.pixels.iter().map(|v| f64::from(*v)).sum::<f64>();
        count += image.pixels.len();
    }
    let mean = sum / count.max(1) as f64;
    if mean <= 0.0 {
        return Err(Error::Empty { what: format!("{name}: the images"), why: "every pixel is 0".into() });
    }
    Ok(mean)
}

impl Plan {
    /// What an image is compared by.
    pub fn compared_by(&self, image: usize) -> Loss {
        self.loss.of_image(self.loss_scale, &self.version.images()[image])
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

    /// Copies all values that are not of atoms to their places in `blocks`, as far as both have them; not pixels of probes.
    fn copy_beside_atoms(&self, parameters: &[f64], blocks: &Blocks, to: &mut [f64]) {
        for (new, old) in blocks.beside_atoms().into_iter().zip(self.blocks.beside_atoms()) {
            let len = new.len().min(old.len());
            to[new.start..new.start + len].copy_from_slice(&parameters[old.start..old.start + len]);
        }
    }

    /// Completes `parameters` by pixels of probes: those of `former` on the depths of this plan where it has some, else what
    /// the optics say.
    pub fn complete(&self, parameters: &mut Vec<f64>, former: Option<(&Plan, &[f64])>) {
        parameters.truncate(self.blocks.len_without_probes());
        let shape = |plan: &Plan| plan.layout.blocks[Blocks::PROBE].shape.clone();
        let own = shape(self);
        match former {
            Some((plan, values))
                if !plan.blocks.probe.is_empty() && (shape(plan)[0], shape(plan)[3]) == (own[0], own[3]) =>
            {
                let old = ProbeShape { groups: own[0], slices: shape(plan)[1], side: own[3] };
                let values = &values[plan.blocks.probe.clone()];
                parameters.extend(resample_probes(values, &old, &plan.depths, &self.depths));
            }
            _ => parameters.extend_from_slice(&self.start_probes),
        }
    }

    /// The different probes of the images, and which of them each image has.
    pub fn different_optics(&self, probe: Option<&Probe>, parameters: &[f64]) -> (Vec<ImageOptics>, Vec<usize>) {
        let (mut optics, own) = (Vec::<ImageOptics>::new(), probe.map_or(0.0, Probe::defocus));
        let changes = self.probe_changes(parameters);
        let images = self.version.images().iter().enumerate();
        let which = images.map(|(number, image)| {
            let mut numbers = self.blocks.optics_of(image.section).map(|at| parameters[at]);
            numbers[0] += own + image.defocus;
            let group = if changes.len() == self.version.images().len() { number } else { image.section };
            let of_image = ImageOptics { numbers, pixels: changes.get(group).cloned() };
            optics.iter().position(|known| *known == of_image).unwrap_or_else(|| {
                optics.push(of_image);
                optics.len() - 1
            })
        });
        let which = which.collect();
        (optics, which)
    }

    /// What fitted pixels add to the probes of each group; empty where none are fitted.
    fn probe_changes(&self, parameters: &[f64]) -> Vec<Arc<ProbeChange>> {
        let shape = &self.layout.blocks[Blocks::PROBE].shape;
        let (groups, side) = (shape[0], shape[3]);
        if groups == 0 {
            return vec![];
        }
        let change: Vec<f64> =
            parameters[self.blocks.probe.clone()].iter().zip(self.start_probes.iter()).map(|(p, s)| p - s).collect();
        // the sum of a probe of the optics is exp(-attenuation z)
        let attenuation = |section: usize| parameters[self.blocks.optics_of(section)[OPTICS - 1]];
        let of_section = |s: usize| self.depths.iter().map(|z| (-attenuation(s) * z).exp()).sum::<f64>();
        let of_group = |g: usize| match groups == self.version.images().len() {
            true => of_section(self.version.images()[g].section),
            false => of_section(g),
        };
        let sum = (0..groups).map(of_group).sum::<f64>() + change.iter().sum::<f64>();
        let factor = (groups * self.depths.len()) as f64 / sum;
        let of_change = |values: &[f64]| {
            Arc::new(ProbeChange { factor, side, depths: self.depths.to_vec(), values: values.to_vec() })
        };
        change.chunks_exact(self.depths.len() * side * side).map(of_change).collect()
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
