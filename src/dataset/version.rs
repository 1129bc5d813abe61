//! One immutable version of a tilt series.

use std::sync::Arc;

use ndarray::ArrayView3;

use super::doubts;
use super::frames::Frames;
use super::image::{self, Image, Places};
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::geometry::{self, Mat3, Vec3};
use crate::grid;
use crate::specimen::elements;

/// Images of one tilt may differ in their rotations by this much per matrix element.
const ROTATION_TOLERANCE: f64 = 1e-6;

/// Unit of all lengths of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthUnit {
    /// Angstrom.
    #[default]
    Angstrom,
    /// Pixels, where no pixel size is known.
    Pixel,
}

impl LengthUnit {
    /// How tables and files call it.
    pub fn symbol(self) -> &'static str {
        match self {
            LengthUnit::Angstrom => "A",
            LengthUnit::Pixel => "px",
        }
    }
}

/// What is fixed when a series is created.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesOptions {
    /// Rows of every image; `None`: from the images.
    pub rows: Option<usize>,
    /// Columns of every image; `None`: from the images.
    pub columns: Option<usize>,
    /// Size of a pixel, in the length unit.
    pub pixel_size: f64,
    /// Unit of all lengths.
    pub length_unit: LengthUnit,
    /// Energy of the beam, eV.
    pub energy_ev: Option<f64>,
    /// Convergence semi-angle, mrad.
    pub semiangle_mrad: Option<f64>,
    /// First metadata.
    pub metadata: Metadata,
}

/// One tilt: images of one orientation at different foci, or repeated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tilt {
    /// Indices of its images, rising.
    pub images: Vec<usize>,
}

/// One immutable version of a tilt series. Image, tilt and section indices never change from version to version.
#[derive(Debug, Clone)]
pub struct SeriesVersion {
    number: u64,
    rows: usize,
    columns: usize,
    pixel_size: f64,
    length_unit: LengthUnit,
    energy_ev: Option<f64>,
    semiangle_mrad: Option<f64>,
    images: Vec<Arc<Image>>,
    tilts: Vec<Tilt>,
    /// Label of each section as the host gave it.
    section_labels: Vec<i64>,
    metadata: Arc<Metadata>,
    warnings: Vec<String>,
}

impl SeriesVersion {
    /// The series as it was with its first `count` images: `self` if it has no more, else a version of number 0.
    pub fn first_images(self: Arc<Self>, count: usize) -> Arc<Self> {
        if self.images.len() <= count {
            return self;
        }
        let mut first = (*self).clone();
        first.images.truncate(count);
        first.tilts.iter_mut().for_each(|tilt| tilt.images.retain(|image| *image < count));
        first.tilts.retain(|tilt| !tilt.images.is_empty());
        first.section_labels.truncate(first.images.iter().map(|i| i.section + 1).max().unwrap_or(0));
        first.number = 0;
        Arc::new(first)
    }

    /// Number of this version; the first is 1, and each change adds 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// All images, excluded ones included.
    pub fn images(&self) -> &[Arc<Image>] {
        &self.images
    }

    /// Rows of every image.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of every image.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Size of a pixel, in the length unit.
    pub fn pixel_size(&self) -> f64 {
        self.pixel_size
    }

    /// Unit of all lengths.
    pub fn length_unit(&self) -> LengthUnit {
        self.length_unit
    }

    /// Energy of the beam, eV.
    pub fn energy_ev(&self) -> Option<f64> {
        self.energy_ev
    }

    /// Convergence semi-angle, mrad.
    pub fn semiangle_mrad(&self) -> Option<f64> {
        self.semiangle_mrad
    }

    /// Metadata of the series.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Atomic numbers, ascending and each once, of the elements that the metadata name as `elements`: `["Cu", "Au"]` or
    /// `Si`. Empty where they name none.
    pub fn elements(&self) -> Vec<u8> {
        let Some(entry) = self.metadata.get("elements") else { return vec![] };
        let symbols: Vec<String> =
            serde_json::from_str(&entry.value).unwrap_or_else(|_| vec![entry.value.trim().to_string()]);
        let mut named: Vec<u8> = symbols.iter().filter_map(|symbol| elements::atomic_number(symbol)).collect();
        named.sort_unstable();
        named.dedup();
        named
    }

    /// The tilts with the indices of their images.
    pub fn tilts(&self) -> &[Tilt] {
        &self.tilts
    }

    /// Number of sections (foci).
    pub fn section_count(&self) -> usize {
        self.section_labels.len()
    }

    /// Doubts that came up while the data were taken in, for the host to read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Electrons per image unit of all images, if it is known of each: then Poisson statistics apply.
    pub fn counts_per_unit_all(&self) -> Option<Vec<f64>> {
        if self.images.is_empty() {
            return None;
        }
        self.images.iter().map(|i| i.counts_per_unit).collect()
    }

    /// Noise variances of all images, if known of each.
    pub fn noise_variance_all(&self) -> Option<Vec<f64>> {
        if self.images.is_empty() {
            return None;
        }
        self.images.iter().map(|i| i.noise_variance).collect()
    }

    /// The a with which a . p is the average depth of an atom at p, d = 1 / M sum_j z_j over the M images that are not
    /// excluded (nLOT, figure 2): the mean of the third rows of their rotations. For angles that lie alike on both sides of
    /// 0 about one axis it is z times the mean cosine. Refined angles move it by next to nothing.
    ///
    /// # Errors
    /// `Empty` where no image is in use.
    pub fn depth_axis(&self) -> Result<Vec3> {
        let used = self.used_images();
        if used.is_empty() {
            return Err(Error::Empty { what: "average depth".into(), why: "the series has no image in use".into() });
        }
        let mean = |k: usize| used.iter().map(|i| self.images[*i].rotation[2][k]).sum::<f64>() / used.len() as f64;
        Ok(std::array::from_fn(mean))
    }

    /// Indices of the images that are not excluded, rising.
    pub fn used_images(&self) -> Vec<usize> {
        (0..self.images.len()).filter(|i| !self.images[*i].excluded).collect()
    }

    /// Whether `point` (length unit) falls on image `image`, on or between the centres of its outermost pixels; `false` for
    /// an image that there is not. An excluded image sees, too.
    pub fn sees(&self, image: usize, point: &Vec3) -> bool {
        let inside = |at: f64, n: usize| {
            let index = grid::origin(n) as f64 + at / self.pixel_size;
            (0.0..=(n - 1) as f64).contains(&index)
        };
        self.images.get(image).is_some_and(|image| {
            let p = geometry::apply(&image.rotation, point);
            inside(p[0] + image.drift[0], self.columns) && inside(p[1] + image.drift[1], self.rows)
        })
    }

    /// The first version, without images.
    pub(super) fn empty(options: SeriesOptions, rows: usize, columns: usize) -> Result<Self> {
        let SeriesOptions { pixel_size, length_unit, energy_ev, semiangle_mrad, metadata, .. } = options;
        positive("pixel_size", Some(pixel_size), "a positive number (angstrom, or pixels)")?;
        positive("energy_ev", energy_ev, "a positive number (eV)")?;
        positive("semiangle_mrad", semiangle_mrad, "a positive number (mrad)")?;
        for (what, value) in [("rows", rows), ("columns", columns)] {
            if value == 0 {
                return Err(Error::range(what, value, "at least 1"));
            }
        }
        Ok(SeriesVersion {
            number: 1,
            rows,
            columns,
            pixel_size,
            length_unit,
            energy_ev,
            semiangle_mrad,
            images: vec![],
            tilts: vec![],
            section_labels: vec![],
            metadata: Arc::new(metadata),
            warnings: vec![],
        })
    }

    /// A first version that differs from this one only in the pixels, `[n, rows, columns]`, and in the (noise variance,
    /// electrons per image unit) that `statistics` gives each image.
    pub(super) fn with_other_pixels(
        &self,
        images: ArrayView3<'_, f32>,
        statistics: impl Fn(&Image) -> (Option<f64>, Option<f64>),
    ) -> Result<Self> {
        let wanted = (self.images.len(), self.rows, self.columns);
        if images.dim() != wanted {
            return Err(Error::shape("images", images.shape(), format!("{wanted:?} as the series has it")));
        }
        let mut next = SeriesVersion { number: 1, ..self.clone() };
        for (i, (image, pixels)) in next.images.iter_mut().zip(images.outer_iter()).enumerate() {
            let (noise_variance, counts_per_unit) = statistics(image);
            let pixels = image::pixels_of(i, pixels, image.mask.as_deref())?;
            *image = Arc::new(Image { pixels, noise_variance, counts_per_unit, ..(**image).clone() });
        }
        Ok(next)
    }

    /// The next version, in which pixels beside `keep` `[image][row * columns + column]` are 0 and, where `leave_out`, no
    /// longer used.
    pub(super) fn with_pixels_masked(&self, keep: &[Vec<bool>], leave_out: bool) -> Result<Self> {
        if keep.len() != self.images.len() {
            return Err(Error::shape("masks of images", &[keep.len()], format!("[{}]", self.images.len())));
        }
        let mut next = self.next();
        for (i, (image, keep)) in next.images.iter_mut().zip(keep).enumerate() {
            *image = Arc::new(image::masked(i, image, keep, leave_out)?);
        }
        Ok(next)
    }

    /// A copy that shares all images, one number further.
    fn next(&self) -> Self {
        SeriesVersion { number: self.number + 1, ..self.clone() }
    }

    /// Takes images into this version, without a new number: `tilt_labels` `[n]` in rising order become new tilts.
    pub(super) fn add(&mut self, images: ArrayView3<'_, f32>, frames: &Frames, tilt_labels: &[i64]) -> Result<()> {
        let rotations = self.check(images, frames)?;
        let mut distinct = tilt_labels.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let first = self.tilts.len();
        let tilts: Vec<usize> = tilt_labels.iter().map(|l| first + distinct.partition_point(|d| d < l)).collect();
        check_common_rotations(&tilts, &rotations)?;
        let sections = self.sections(frames, &tilts);
        let built = image::build(images, frames, &rotations, &Places { tilts, sections })?;
        self.tilts.resize(first + distinct.len(), Tilt::default());
        let old = self.images.len();
        for image in built {
            self.tilts[image.tilt].images.push(self.images.len());
            self.images.push(image);
        }
        self.warn(frames, &(old..self.images.len()).collect::<Vec<_>>());
        Ok(())
    }

    /// The next version, with one more tilt at the end; its index, too.
    pub(super) fn with_tilt(&self, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<(Self, usize)> {
        check_one_tilt(frames)?;
        if images.is_empty() {
            return Err(Error::Empty { what: "images".into(), why: "a tilt has at least one image".into() });
        }
        let mut next = self.next();
        next.add(images, frames, &vec![0; images.dim().0])?;
        Ok((next, self.tilts.len()))
    }

    /// The next version, with other images in the place of those of one tilt.
    pub(super) fn with_tilt_replaced(&self, tilt: usize, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<Self> {
        let places = self.tilt(tilt)?.images.clone();
        check_one_tilt(frames)?;
        if images.dim().0 != places.len() {
            let wanted = format!("[{}, ...]: a tilt keeps its number of images", places.len());
            return Err(Error::shape("images", images.shape(), wanted));
        }
        let mut next = self.next();
        let rotations = next.check(images, frames)?;
        let tilts = vec![tilt; places.len()];
        check_common_rotations(&tilts, &rotations)?;
        let sections = match &frames.section {
            Some(_) => next.sections(frames, &tilts),
            None => places.iter().map(|i| self.images[*i].section).collect(),
        };
        let built = image::build(images, frames, &rotations, &Places { tilts, sections })?;
        for (place, mut image) in places.iter().zip(built) {
            if frames.excluded.is_none() {
                Arc::make_mut(&mut image).excluded = self.images[*place].excluded;
            }
            next.images[*place] = image;
        }
        next.warn(frames, &places);
        Ok(next)
    }

    /// The next version, with the images of one tilt excluded or taken back in.
    pub(super) fn with_tilt_excluded(&self, tilt: usize, excluded: bool) -> Result<Self> {
        let mut next = self.next();
        for &i in &self.tilt(tilt)?.images {
            if self.images[i].excluded != excluded {
                Arc::make_mut(&mut next.images[i]).excluded = excluded;
            }
        }
        Ok(next)
    }

    /// The next version, with one metadata key set.
    pub(super) fn with_metadata(&self, key: &str, value: &str, unit: &str) -> Self {
        let mut next = self.next();
        Arc::make_mut(&mut next.metadata).set(key, value, unit);
        next
    }

    fn tilt(&self, tilt: usize) -> Result<&Tilt> {
        self.tilts.get(tilt).ok_or_else(|| {
            Error::range("tilt", tilt, format!("an index below the number of tilts, {}", self.tilts.len()))
        })
    }

    /// Checks shapes and orientations; the rotation of each image.
    fn check(&self, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<Vec<Mat3>> {
        let (n, rows, columns) = images.dim();
        if (rows, columns) != (self.rows, self.columns) {
            let wanted = format!("[n, {}, {}] as the series has it", self.rows, self.columns);
            return Err(Error::shape("images", &[n, rows, columns], wanted));
        }
        frames.check_shapes(images.dim())?;
        frames.matrices()
    }

    /// Section index of each new image: the place of its label, new labels at the end in rising order. Without
    /// labels, images count 0, 1, ... within their tilt.
    fn sections(&mut self, frames: &Frames, tilts: &[usize]) -> Vec<usize> {
        let labels = match &frames.section {
            Some(labels) => labels.clone(),
            None => counted_within(tilts),
        };
        let mut new: Vec<i64> = labels.iter().copied().filter(|l| !self.section_labels.contains(l)).collect();
        new.sort_unstable();
        new.dedup();
        self.section_labels.extend(new);
        let place = |label: &i64| self.section_labels.iter().position(|l| l == label).unwrap_or(0);
        labels.iter().map(place).collect()
    }

    /// Doubts about the images with these numbers, as which `frames` came in.
    fn warn(&mut self, frames: &Frames, images: &[usize]) {
        let mut tilts: Vec<usize> = images.iter().map(|i| self.images[*i].tilt).collect();
        tilts.dedup();
        self.warnings.extend(frames.rotations.as_ref().and_then(|r| r.radians_warning()));
        self.warnings.extend(doubts::of_twins(&self.images, images));
        self.warnings.extend(images.iter().filter_map(|i| doubts::of_saturation(&self.images, *i)));
        self.warnings.extend(doubts::of_sections(&self.images, &self.tilts, &tilts));
    }
}

fn counted_within(tilts: &[usize]) -> Vec<i64> {
    let mut seen = std::collections::HashMap::new();
    let mut next = |tilt: usize| {
        let count = seen.entry(tilt).or_insert(-1);
        *count += 1;
        *count
    };
    tilts.iter().map(|tilt| next(*tilt)).collect()
}

fn positive(what: &str, value: Option<f64>, wanted: &str) -> Result<()> {
    match value {
        Some(v) if !(v.is_finite() && v > 0.0) => Err(Error::range(what, v, wanted)),
        _ => Ok(()),
    }
}

fn check_one_tilt(frames: &Frames) -> Result<()> {
    let labels = frames.tilt.as_deref().unwrap_or_default();
    match labels.iter().find(|l| **l != labels[0]) {
        Some(other) => Err(Error::Inconsistent {
            what: "tilt".into(),
            why: format!("the images of one tilt are wanted, got tilt indices {} and {other}", labels[0]),
        }),
        None => Ok(()),
    }
}

fn check_common_rotations(tilts: &[usize], rotations: &[Mat3]) -> Result<()> {
    let mut first = std::collections::HashMap::new();
    for (i, (tilt, rotation)) in tilts.iter().zip(rotations).enumerate() {
        let (j, reference): &(usize, &Mat3) = first.entry(tilt).or_insert((i, rotation));
        let pairs = rotation.as_flattened().iter().zip(reference.as_flattened());
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if worst > ROTATION_TOLERANCE {
            return Err(Error::Inconsistent {
                what: format!("images {j} and {i} of tilt {tilt}"),
                why: format!("their rotations differ by {worst:.3e} (allowed {ROTATION_TOLERANCE:e})"),
            });
        }
    }
    Ok(())
}
