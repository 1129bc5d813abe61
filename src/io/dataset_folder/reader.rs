//! Folder -> tilt series, atoms.

use std::path::Path;

use ndarray::{Array3, ArrayD, Ix3};

use super::header::Selection;
use crate::dataset::{Frames, LengthUnit, Metadata, Rotations, SeriesOptions, TiltAxis, TiltSeries};
use crate::error::{Error, Result};
use crate::geometry::AngleOrder;
use crate::io::npy::{self, Element, NpyReader};
use crate::io::{xyz, Monitor};
use crate::specimen::{Atoms, Volume};

/// Share of the images in the time that reading takes, for the monitor; the rest is the mask's.
const IMAGE_SHARE: f64 = 0.8;

/// Which atoms, or which volume, of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The true ones of a simulation.
    Truth,
    /// The published ones.
    Published,
}

impl std::str::FromStr for Which {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "truth" => Ok(Which::Truth),
            "published" => Ok(Which::Published),
            _ => Err(Error::UnknownOption { what: "atoms".into(), got: s.into(), known: "truth, published".into() }),
        }
    }
}

/// Reads a folder: the images of `variant` (else of the default variant) with their geometry. Integer images, and
/// those of a variant with a dose, are counts: one electron per image unit.
///
/// # Errors
/// `File` for a folder or file that is not there, `Format` and `FileVersion` for a bad `dataset.json`, `Truncated`
/// for files cut short, `UnknownOption` for a variant that does not exist (the known ones are listed), `Cancelled`,
/// `Inconsistent` where counts or shapes contradict each other, and the errors of [`TiltSeries::new`].
pub fn read(folder: &Path, variant: Option<&str>, monitor: &mut Monitor) -> Result<TiltSeries> {
    let selection = Selection::open(folder, variant)?;
    let (length_unit, pixel_size) = scale(&selection)?;
    check_defocus_reference(&selection)?;
    let (images, integer) = images(&selection, &mut |f| monitor(IMAGE_SHARE * f))?;
    let mut frames = frames(&selection, images.dim().0, integer || selection.dose_per_a2.is_some())?;
    frames.mask = mask(&selection, images.dim(), &mut |f| monitor(IMAGE_SHARE + (1.0 - IMAGE_SHARE) * f))?;
    let options = SeriesOptions {
        pixel_size,
        length_unit,
        energy_ev: selection.header.energy_ev,
        semiangle_mrad: selection.header.semiangle_mrad,
        metadata: metadata(&selection),
        ..Default::default()
    };
    TiltSeries::new(options, images.view(), &frames)
}

/// Reads the true or the published atoms of a folder, those of `variant` where it has its own.
///
/// # Errors
/// As for [`read`], `Empty` where the folder names no such atoms, and the errors of [`xyz::read`].
pub fn read_atoms(folder: &Path, which: Which, variant: Option<&str>) -> Result<Atoms> {
    let selection = Selection::open(folder, variant)?;
    let (key, name) = match which {
        Which::Truth => ("atoms_truth", &selection.files.atoms_truth),
        Which::Published => ("atoms_published", &selection.files.atoms_published),
    };
    match selection.path(key, name)? {
        Some(path) => xyz::read(&path),
        None => {
            let why = format!("{} names no such file", folder.display());
            Err(Error::Empty { what: format!("files.{key}"), why })
        }
    }
}

/// Reads the true or the published volume of a folder, `[z, y, x]` as npy, with voxels of one pixel.
///
/// # Errors
/// As for [`read`], `Empty` where the folder names no such volume, and the errors of npy files.
pub fn read_volume(folder: &Path, which: Which, variant: Option<&str>) -> Result<Volume> {
    let selection = Selection::open(folder, variant)?;
    let (key, name) = match which {
        Which::Truth => ("volume_truth", &selection.files.volume_truth),
        Which::Published => ("volume_published", &selection.files.volume_published),
    };
    let Some(path) = selection.path(key, name)? else {
        let why = format!("{} names no such file", folder.display());
        return Err(Error::Empty { what: format!("files.{key}"), why });
    };
    let values = npy::read::<f32>(&path)?;
    let shape = values.shape().to_vec();
    let values =
        values.into_dimensionality().map_err(|_| Error::shape(path.display().to_string(), &shape, "[z, y, x]"))?;
    Volume::new(values, scale(&selection)?.1)
}

fn scale(selection: &Selection) -> Result<(LengthUnit, f64)> {
    let header = &selection.header;
    match (header.length_unit.as_deref().unwrap_or("A"), header.pixel_size) {
        ("A", Some(size)) => Ok((LengthUnit::Angstrom, size)),
        ("A", None) => Err(selection.error("pixel_size_A is null, wanted a number where length_unit is `A`".into())),
        ("px", size) => Ok((LengthUnit::Pixel, size.unwrap_or(1.0))),
        (other, _) => Err(selection.error(format!("length_unit is `{other}`, wanted `A` or `px`"))),
    }
}

fn check_defocus_reference(selection: &Selection) -> Result<()> {
    match selection.header.defocus_reference.as_deref() {
        None | Some("specimen_origin") => Ok(()),
        Some(other) => Err(Error::Unsupported {
            what: format!("defocus_reference `{other}`"),
            why: "a tilt series counts its defocus from `specimen_origin`".into(),
        }),
    }
}

/// Images `[n, rows, columns]`, and whether they are stored as integers.
fn images(selection: &Selection, monitor: &mut Monitor) -> Result<(Array3<f32>, bool)> {
    let path = selection.path("projections", &selection.files.projections)?;
    let path = path.ok_or_else(|| selection.error("files.projections is null: there are no images".into()))?;
    let reader = NpyReader::open(&path)?;
    let shape = reader.shape().to_vec();
    let [n, _, _] = shape[..] else {
        return Err(Error::shape(path.display().to_string(), &shape, "[images, rows, columns]"));
    };
    if let Some(images) = selection.header.images.filter(|images| *images != n as u64) {
        let why = format!("it holds {n} images, dataset.json says {images}");
        return Err(Error::Inconsistent { what: path.display().to_string(), why });
    }
    let integer = reader.is_integer();
    let images = reader.read::<f32>(monitor)?.into_dimensionality::<Ix3>();
    Ok((images.map_err(|e| Error::Internal(format!("array of 3 axes: {e}")))?, integer))
}

/// What the folder says of its images, but for the mask.
fn frames(selection: &Selection, n: usize, counts: bool) -> Result<Frames> {
    let files = &selection.files;
    let column = Columns { selection, n };
    let mut frames = Frames::new(n);
    frames.rotations = Some(rotations(selection, &column)?);
    frames.tilt = column.scalars("tilt", &files.tilt)?;
    frames.section = column.scalars("section", &files.section)?;
    frames.defocus = column.scalars("defocus_A", &files.defocus)?;
    frames.noise_variance = column.scalars("noise_variance", &files.noise_variance)?;
    frames.counts_per_unit = column.scalars("counts_per_unit", &files.counts_per_unit)?;
    if frames.counts_per_unit.is_none() && counts {
        frames.counts_per_unit = Some(vec![1.0; n]);
    }
    let excluded: Option<Vec<u8>> = column.scalars("excluded", &files.excluded)?;
    frames.excluded = excluded.map(|e| e.iter().map(|flag| *flag != 0).collect());
    if let Some(drift) = column.read::<f64>("drift", &files.drift, &[2])? {
        frames.drift = Some(drift.as_chunks::<2>().0.to_vec());
    }
    Ok(frames)
}

fn mask(selection: &Selection, dim: (usize, usize, usize), monitor: &mut Monitor) -> Result<Option<Array3<u8>>> {
    let Some(path) = selection.path("mask", &selection.files.mask)? else { return Ok(None) };
    let reader = NpyReader::open(&path)?;
    let (n, rows, columns) = dim;
    if reader.shape() != [n, rows, columns] {
        let wanted = format!("[{n}, {rows}, {columns}] like the images");
        return Err(Error::shape(path.display().to_string(), reader.shape(), wanted));
    }
    let mask = reader.read::<u8>(monitor)?.into_dimensionality::<Ix3>();
    Ok(Some(mask.map_err(|e| Error::Internal(format!("array of 3 axes: {e}")))?))
}

/// Reads the arrays with one row per image.
struct Columns<'a> {
    selection: &'a Selection,
    n: usize,
}

impl Columns<'_> {
    /// Values of an array `[n, rest...]` in C order; `None` without a file.
    fn read<T: Element>(&self, key: &str, name: &Option<String>, rest: &[usize]) -> Result<Option<Vec<T>>> {
        let Some(path) = self.selection.path(key, name)? else { return Ok(None) };
        let reader = NpyReader::open(&path)?;
        let mut wanted = vec![self.n];
        wanted.extend(rest);
        if reader.shape() != wanted {
            let wanted = format!("{wanted:?} for {} images", self.n);
            return Err(Error::shape(path.display().to_string(), reader.shape(), wanted));
        }
        let array: ArrayD<T> = reader.read(&mut |_| true)?;
        Ok(Some(array.iter().copied().collect()))
    }

    fn scalars<T: Element>(&self, key: &str, name: &Option<String>) -> Result<Option<Vec<T>>> {
        self.read(key, name, &[])
    }
}

/// Orientation: matrices where there are some, else angles.
fn rotations(selection: &Selection, column: &Columns) -> Result<Rotations> {
    let files = &selection.files;
    if let Some(values) = column.read::<f64>("rotations", &files.rotations, &[3, 3])? {
        let rows = values.as_chunks::<3>().0;
        return Ok(Rotations::Matrices(rows.as_chunks::<3>().0.to_vec()));
    }
    let path = selection.path("angles_deg", &files.angles_deg)?;
    let path = path.ok_or_else(|| selection.error("files has neither rotations nor angles_deg".into()))?;
    let angles = npy::read::<f64>(&path)?;
    let n = column.n;
    let values: Vec<f64> = angles.iter().copied().collect();
    match *angles.shape() {
        [m, 3] if m == n => {
            let order = angle_order(selection)?;
            Ok(Rotations::Angles { order, degrees: values.as_chunks::<3>().0.to_vec() })
        }
        [m] | [m, 1] if m == n => Ok(Rotations::SingleAxis { axis: tilt_axis(selection)?, degrees: values }),
        _ => Err(Error::shape(path.display().to_string(), angles.shape(), format!("[{n}, 3], [{n}, 1] or [{n}]"))),
    }
}

/// The word before the colon: "zyx: R = ..." is zyx.
fn angle_order(selection: &Selection) -> Result<AngleOrder> {
    let text = selection.header.angle_order.as_deref().unwrap_or("zyx");
    text.split(':').next().unwrap_or_default().trim().parse()
}

fn tilt_axis(selection: &Selection) -> Result<TiltAxis> {
    match selection.header.tilt_axis.as_deref() {
        Some("x") => Ok(TiltAxis::X),
        Some("y") => Ok(TiltAxis::Y),
        other => Err(selection.error(format!(
            "angles_deg has one column and tilt_axis is `{}`, wanted `x` or `y`",
            other.unwrap_or("null")
        ))),
    }
}

fn metadata(selection: &Selection) -> Metadata {
    let mut metadata = selection.metadata();
    if let Some(variant) = &selection.variant {
        metadata.set("variant", variant, "");
    }
    if let Some(dose) = selection.dose_per_a2 {
        metadata.set("dose_per_a2", dose.to_string(), "e/A^2");
    }
    metadata
}
