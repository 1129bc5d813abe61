//! Species of traced atoms from what a volume holds about them, or from fitted heights.

use super::expected::{check_expected, expected_mixture, expected_strengths};
use super::mixture::{mixture_while, Mixture, MixtureMethod, MixtureOptions};
use super::profile::Profiles;
use super::samples::{check_inside, Region, Samples};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::planes::collected;
use crate::prepare::{mask, multiply, otsu_threshold, smooth, MaskOptions, Smoothing};
use crate::problem::Waiting;
use crate::specimen::elements::MAX_ATOMIC_NUMBER;
use crate::specimen::{Atoms, Volume};
use crate::table::Table;
use std::borrow::Cow;

/// How species are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClassifyMethod {
    /// k-means of the intensities: [`MixtureMethod::KMeans`].
    KMeans,
    /// A mixture of Gaussians of the intensities: [`MixtureMethod::Gaussian`].
    #[default]
    Gaussian,
    /// Unbiased profiles: from the classes of the mixture, each atom moves to the class whose mean profile is nearest
    /// to its own, until nothing changes.
    ProfileGlobal,
    /// From the classes of `ProfileGlobal`, the same with the mean profiles of the atoms near by.
    ProfileLocal,
    /// A mixture of Gaussians of the logarithms about what is [`ClassifyOptions::expected`]: [`expected_mixture`].
    Expected,
}

impl ClassifyMethod {
    fn of_numbers(self) -> MixtureMethod {
        match self {
            ClassifyMethod::KMeans => MixtureMethod::KMeans,
            _ => MixtureMethod::Gaussian,
        }
    }

    fn has_profiles(self) -> bool {
        matches!(self, ClassifyMethod::ProfileGlobal | ClassifyMethod::ProfileLocal)
    }
}

/// How atoms are classified.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassifyOptions {
    /// Atomic numbers in ascending order of the intensity that is expected, all different.
    pub species: Vec<u8>,
    /// Below all species there is a class of what was traced but is no atom; its members are removed.
    pub non_atoms: bool,
    /// How.
    pub method: ClassifyMethod,
    /// Standard deviation of a Gaussian by which the volume is smoothed first, in the unit of the voxel size
    /// (angstrom); 0: none.
    pub smoothing: f64,
    /// The (smoothed) volume is 0 where it is not above its Otsu threshold.
    pub otsu_mask: bool,
    /// The points about an atom that count.
    pub region: Region,
    /// Radius of [`ClassifyMethod::ProfileLocal`], in the unit of the voxel size (angstrom). `None`: 10, as published.
    pub radius: Option<f64>,
    /// Of the random starts of the mixture.
    pub seed: u64,
    /// How strongly each of the species scatters, in any unit, for [`ClassifyMethod::Expected`]: cross-sections for the
    /// detector ([`crate::forward::AdfTransfer::cross_section`]). Empty: Z^1.6 ([`expected_strengths`]).
    pub expected: Vec<f64>,
}

/// Atoms with species, and how they came by them.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// The atoms that are none of the non-atoms, in their order, with species and their probability.
    pub atoms: Atoms,
    /// One row per atom of the input. `intensity`: the sum over the region, or the height (with
    /// [`ClassifyMethod::Expected`] times the width, where each atom has its own); `inside`: the part of the
    /// region that lies in the volume; `class`: 0 for non-atoms, from 1 on the species in their order; `species`: the
    /// atomic number, 0 for non-atoms; `probability`: that of the class; `probability_1` and so on, with non-atoms
    /// `probability_0`, too.
    pub table: Table,
    /// One row per class, with the columns `class`, `species`, `count`, and of its intensities `mean`, `sigma` and
    /// `fraction` (the weight in the mixture, else the part of the atoms). Values: `iterations` (rounds of the
    /// profiles, else steps of the mixture), `converged`, and where there are such `log_likelihood`, `bic`,
    /// `otsu_threshold`, `background` (that of the flat profile).
    pub classes: Table,
}

const DEFAULT_RADIUS: f64 = 10.0;

impl ClassifyOptions {
    fn mixture(&self) -> MixtureOptions {
        let (classes, method) = (self.species.len(), self.method.of_numbers());
        MixtureOptions { classes, method, non_atoms: self.non_atoms, seed: self.seed }
    }

    fn radius(&self) -> f64 {
        self.radius.unwrap_or(DEFAULT_RADIUS)
    }

    /// Classes of single numbers; `go_on` is asked between the steps and ends them with its error.
    fn classes_of(&self, values: &[f64], go_on: &dyn Fn() -> Result<()>) -> Result<Mixture> {
        match (self.method, self.expected.is_empty()) {
            (ClassifyMethod::Expected, true) => expected_mixture(values, &expected_strengths(&self.species)),
            (ClassifyMethod::Expected, false) => expected_mixture(values, &self.expected),
            _ => mixture_while(values, &self.mixture(), go_on),
        }
    }

    fn check_expected(&self) -> Result<()> {
        let given = self.expected.len();
        let why = match self.method {
            ClassifyMethod::Expected if self.non_atoms => {
                "the method has no class of non-atoms: nothing says how strong these are".into()
            }
            ClassifyMethod::Expected if given > 0 && given != self.species.len() => {
                format!("{given} strengths for {} species", self.species.len())
            }
            ClassifyMethod::Expected if given == 0 => return Ok(()),
            ClassifyMethod::Expected => return check_expected(&self.expected),
            _ if given > 0 => "strengths are given, but the method is another one".into(),
            _ => return Ok(()),
        };
        Err(Error::Inconsistent { what: "method expected".into(), why })
    }

    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        if self.species.is_empty() {
            return Err(Error::Empty { what: "species".into(), why: "at least one atomic number is needed".into() });
        }
        for (i, z) in self.species.iter().enumerate() {
            if !(1..=MAX_ATOMIC_NUMBER).contains(z) {
                let wanted = format!("an atomic number 1 to {MAX_ATOMIC_NUMBER}");
                return Err(Error::range(format!("species {i}"), z, wanted));
            }
            if self.species[..i].contains(z) {
                return Err(Error::Inconsistent {
                    what: "species".into(),
                    why: format!("the atomic number {z} stands there twice, wanted different ones"),
                });
            }
        }
        if self.species.len() == 1 && !self.non_atoms {
            return Err(Error::Inconsistent {
                what: "species".into(),
                why:
                    "one species without non-atoms leaves nothing to tell apart: ask for non-atoms, or set the species \
                      of the atoms"
                        .into(),
            });
        }
        if !(self.smoothing.is_finite() && self.smoothing >= 0.0) {
            return Err(Error::range("smoothing", self.smoothing, "0 or more (angstrom)"));
        }
        if let Some(radius) = self.radius.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return Err(Error::range("radius", radius, "a positive number (angstrom)"));
        }
        self.check_expected()?;
        self.mixture().check()
    }

    fn check_with(&self, volume: &Volume, positions: &[Vec3]) -> Result<()> {
        self.check()?;
        self.smoothing_of(volume).check()?;
        let points = self.region.offsets(volume.voxel_size())?.len();
        if self.method.has_profiles() && points < 7 {
            let wanted = "at least 7 points, an atom and its neighbours, for the classification by profiles";
            return Err(Error::range("points of the region", points, wanted));
        }
        check_inside(volume, positions)
    }

    fn smoothing_of(&self, volume: &Volume) -> Smoothing {
        match self.smoothing {
            0.0 => Smoothing::None,
            sigma => Smoothing::Gaussian(sigma / volume.voxel_size()),
        }
    }
}

/// Intensities of atoms: the sum of the volume over the points of `region` about each sub-voxel position `[atom]`, by
/// trilinear interpolation. Where a part of the region lies beyond the faces, the sum over the rest, in proportion.
///
/// # Errors
/// `Range` for the region, `Inconsistent` for a position outside of the volume, `Memory`, `Cancelled`.
pub fn intensities(
    context: &Context,
    volume: &Volume,
    positions: &[Vec3],
    region: Region,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<f64>> {
    let samples = Samples::read(context, volume, positions, region, waiting)?;
    Ok((0..samples.len()).map(|atom| samples.sum(atom)).collect())
}

/// Gives the atoms species by what `volume` holds about them: smoothing, mask, intensities, classes.
///
/// # Errors
/// Before any work: `Range`, `Empty` and `Inconsistent` for options without meaning (one species without non-atoms
/// among them) and for atoms outside of the volume. `Inconsistent` for a constant volume and for more classes than
/// distinct intensities, `Empty` where all are non-atoms, `Memory`, `Cancelled`.
pub fn classify_atoms(
    context: &Context,
    volume: &Volume,
    atoms: &Atoms,
    options: &ClassifyOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Classification> {
    options.check_with(volume, atoms.positions())?;
    let (prepared, threshold) = waiting.part(0.0, 0.5, |waiting| prepared(context, volume, options, waiting))?;
    let samples = waiting
        .part(0.5, 0.6, |waiting| Samples::read(context, &prepared, atoms.positions(), options.region, waiting))?;
    let values: Vec<f64> = (0..samples.len()).map(|atom| samples.sum(atom)).collect();
    refuse_equal(&values)?;
    let cancel = waiting.cancel;
    let found = waiting.part(0.6, 0.7, |waiting| {
        collected(context, 1, "classifying", waiting, &|_| options.classes_of(&values, &|| cancel.check("classifying")))
    })?;
    let start = found.into_iter().next().ok_or_else(|| Error::Internal("no classes".into()))??;
    let inside: Vec<f64> = (0..samples.len()).map(|atom| samples.inside(atom)).collect();
    let classes = if options.method.has_profiles() {
        let positions = atoms.positions();
        waiting
            .part(0.7, 1.0, |waiting| by_profiles(context, (&samples, positions), &values, start, options, waiting))?
    } else {
        Classes::of_mixture(start)
    };
    let mut result = classes.told(atoms, &values, &inside, options)?;
    if let Some(threshold) = threshold {
        result.classes = result.classes.with_value("otsu_threshold", "", threshold)?;
    }
    Ok(result)
}

/// Gives the atoms species by their heights, where there is no volume. Smoothing, mask and region have no part in it.
///
/// # Errors
/// `NotReady` for atoms without heights, `Unsupported` for methods of profiles and for a mask, else as
/// [`classify_atoms`].
pub fn classify_heights(atoms: &Atoms, options: &ClassifyOptions) -> Result<Classification> {
    options.check()?;
    let what = match () {
        _ if options.method.has_profiles() => Some("a classification by profiles"),
        _ if options.otsu_mask => Some("a mask"),
        _ => None,
    };
    if let Some(what) = what {
        let why = "heights are single numbers; give the volume, too".into();
        return Err(Error::Unsupported { what: format!("{what} of heights"), why });
    }
    let heights = atoms.heights().ok_or_else(|| Error::NotReady {
        what: "atom list".into(),
        why: "its atoms have no heights to classify them by; give the volume, too".into(),
    })?;
    let values = match options.method {
        ClassifyMethod::Expected => strengths(atoms, heights, options.species.len()),
        _ => heights.to_vec(),
    };
    let found = options.classes_of(&values, &|| Ok(()))?;
    Classes::of_mixture(found).told(atoms, &values, &vec![1.0; atoms.len()], options)
}

/// What atoms scatter: an orbital H exp(-rho^2 / B) integrates to pi B H. Where each atom has a width of its own, height and
/// width are products of H B; where widths are shared, they are those of classes of before, and heights tell more.
fn strengths(atoms: &Atoms, heights: &[f64], species: usize) -> Vec<f64> {
    let mut distinct = atoms.widths().unwrap_or_default().to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    match atoms.widths() {
        Some(widths) if distinct.len() > species => heights.iter().zip(widths).map(|(h, b)| h * b).collect(),
        _ => heights.to_vec(),
    }
}

/// Refuses intensities that differ by no more than the rounding of sums in single precision: those of a constant
/// volume.
fn refuse_equal(values: &[f64]) -> Result<()> {
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if values.len() < 2 || high - low > 1e-6 * low.abs().max(high.abs()) {
        return Ok(());
    }
    let why = format!("all {} are {low}: nothing tells species apart", values.len());
    Err(Error::Inconsistent { what: "intensities of the atoms".into(), why })
}

/// The volume as intensities are read from it, and the threshold of its mask.
fn prepared<'v>(
    context: &Context,
    volume: &'v Volume,
    options: &ClassifyOptions,
    waiting: &mut Waiting<'_>,
) -> Result<(Cow<'v, Volume>, Option<f64>)> {
    let smoothed = match options.smoothing_of(volume) {
        Smoothing::None => Cow::Borrowed(volume),
        by => Cow::Owned(waiting.part(0.0, 0.5, |waiting| smooth(context, volume, by, waiting))?),
    };
    if !options.otsu_mask {
        return Ok((smoothed, None));
    }
    let threshold = waiting.part(0.5, 0.6, |waiting| otsu_threshold(context, &smoothed, waiting))?;
    let inside = waiting.part(0.6, 0.9, |waiting| mask(context, &smoothed, &MaskOptions::plain(threshold), waiting))?;
    let masked = waiting.part(0.9, 1.0, |waiting| multiply(context, &smoothed, &inside, waiting))?;
    Ok((Cow::Owned(masked), Some(threshold)))
}

/// Classes of atoms, from 0 on.
struct Classes {
    class: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    /// Mean, deviation and fraction of the values of each class.
    shapes: Vec<[f64; 3]>,
    values: Vec<(&'static str, f64)>,
}

fn by_profiles(
    context: &Context,
    (samples, positions): (&Samples, &[Vec3]),
    values: &[f64],
    start: Mixture,
    options: &ClassifyOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Classes> {
    let (classes, non_atoms) = (start.means.len(), options.non_atoms);
    let profiles = Profiles { samples, positions, classes, non_atoms, radius: None };
    let mut agreed = waiting.part(0.0, 0.3, |waiting| profiles.agree(context, start.class, waiting))?;
    if options.method == ClassifyMethod::ProfileLocal {
        let profiles = Profiles { radius: Some(options.radius()), ..profiles };
        agreed = waiting.part(0.3, 1.0, |waiting| profiles.agree(context, agreed.class, waiting))?;
    }
    let shapes = (0..classes).map(|k| shape(values, &agreed.class, k)).collect();
    let mut told = vec![("iterations", agreed.rounds as f64), ("converged", f64::from(u8::from(agreed.converged)))];
    told.extend(agreed.background.map(|level| ("background", level)));
    Ok(Classes { class: agreed.class, probabilities: agreed.probabilities, shapes, values: told })
}

/// Mean, deviation and fraction of the values of class `k`; NaN for mean and deviation where it has none.
fn shape(values: &[f64], class: &[usize], k: usize) -> [f64; 3] {
    let of = || values.iter().zip(class).filter(|(_, c)| **c == k).map(|(v, _)| *v);
    let count = of().count() as f64;
    let mean = of().sum::<f64>() / count;
    let variance = of().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    [mean, variance.sqrt(), count / values.len() as f64]
}

impl Classes {
    fn of_mixture(mixture: Mixture) -> Self {
        let shapes = (0..mixture.means.len()).map(|k| [mixture.means[k], mixture.sigmas[k], mixture.fractions[k]]);
        Self {
            shapes: shapes.collect(),
            values: vec![
                ("iterations", mixture.iterations as f64),
                ("converged", f64::from(u8::from(mixture.converged))),
                ("log_likelihood", mixture.log_likelihood),
                ("bic", mixture.bic),
            ],
            class: mixture.class,
            probabilities: mixture.probabilities,
        }
    }

    /// The answer to the user, whose classes are 0 for non-atoms and count the species from 1 on.
    fn told(self, atoms: &Atoms, values: &[f64], inside: &[f64], options: &ClassifyOptions) -> Result<Classification> {
        let first = usize::from(!options.non_atoms);
        let species_of = |class: usize| (class + first).checked_sub(1).map_or(0, |k| options.species[k]);
        let column = |of: &dyn Fn(usize) -> f64| (0..atoms.len()).map(of).collect::<Vec<f64>>();
        let own = column(&|atom| self.probabilities[atom][self.class[atom]]);
        let mut table = Table::new(atoms.len())
            .with_column("intensity", "", values.to_vec())?
            .with_column("inside", "", inside.to_vec())?
            .with_column("class", "", column(&|atom| (self.class[atom] + first) as f64))?
            .with_column("species", "", column(&|atom| f64::from(species_of(self.class[atom]))))?
            .with_column("probability", "", own.clone())?;
        for k in 0..self.shapes.len() {
            let name = format!("probability_{}", k + first);
            table = table.with_column(&name, "", column(&|atom| self.probabilities[atom][k]))?;
        }
        let kept: Vec<usize> = (0..atoms.len()).filter(|atom| species_of(self.class[*atom]) != 0).collect();
        if kept.is_empty() {
            let why = format!("all {} candidates are in the class of non-atoms", atoms.len());
            return Err(Error::Empty { what: "classified atoms".into(), why });
        }
        let classified = atoms
            .subset(&kept)?
            .with_species(kept.iter().map(|atom| species_of(self.class[*atom])).collect())?
            .with_probabilities(kept.iter().map(|atom| own[*atom]).collect())?;
        Ok(Classification { atoms: classified, table, classes: self.table_of_classes(first, &species_of)? })
    }

    fn table_of_classes(&self, first: usize, species_of: &dyn Fn(usize) -> u8) -> Result<Table> {
        let classes = self.shapes.len();
        let column = |of: &dyn Fn(usize) -> f64| (0..classes).map(of).collect::<Vec<f64>>();
        let count = |k: usize| self.class.iter().filter(|c| **c == k).count() as f64;
        let table = Table::new(classes)
            .with_column("class", "", column(&|k| (k + first) as f64))?
            .with_column("species", "", column(&|k| f64::from(species_of(k))))?
            .with_column("count", "", column(&count))?
            .with_column("mean", "", column(&|k| self.shapes[k][0]))?
            .with_column("sigma", "", column(&|k| self.shapes[k][1]))?
            .with_column("fraction", "", column(&|k| self.shapes[k][2]))?;
        self.values.iter().try_fold(table, |table, (name, value)| table.with_value(name, "", *value))
    }
}
