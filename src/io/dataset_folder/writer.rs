//! Tilt series -> folder.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::header::{Files, Header};
use super::{HEADER_FILE, JSON_UNIT, SCHEMA};
use crate::dataset::{Entry, Image, SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::geometry::AngleOrder;
use crate::io::{atomic, file_error, npy, report, xyz, Monitor};
use crate::specimen::{elements, Atoms};

const ATOMS_TRUTH: &str = "atoms_truth.xyz";
/// All files that a dataset written here may have: a folder with others is not replaced.
const WRITTEN: [&str; 13] = [
    HEADER_FILE,
    ATOMS_TRUTH,
    "projections.npy",
    "rotations.npy",
    "angles_deg.npy",
    "defocus_A.npy",
    "section.npy",
    "tilt.npy",
    "mask.npy",
    "noise_variance.npy",
    "counts_per_unit.npy",
    "drift.npy",
    "excluded.npy",
];
/// Share of the pixels in the time that writing takes, for the monitor.
const PIXEL_SHARE: f64 = 0.8;

/// Writes the present version of a series, with the true atoms where they are given. All is written to a folder
/// beside `folder`, which takes its name at the end; on any error, and where `monitor` wants no more, nothing of it
/// stays. An older dataset of that name is replaced if it holds nothing that this function does not write.
///
/// # Errors
/// `Inconsistent` where `folder` holds anything else than a dataset written here, `Empty` for a series without
/// images, `File`, `Cancelled`.
pub fn write(series: &TiltSeries, truth: Option<&Atoms>, folder: &Path, monitor: &mut Monitor) -> Result<()> {
    let version = series.version();
    if version.images().is_empty() {
        let why = "a dataset folder needs at least one image".into();
        return Err(Error::Empty { what: "tilt series".into(), why });
    }
    let name = folder.file_name().ok_or_else(|| Error::Inconsistent {
        what: format!("{}", folder.display()),
        why: "it ends in no name that a new folder could have".into(),
    })?;
    check_replaceable(folder)?;
    let parent = atomic::folder_of(folder);
    let staging = tempfile::Builder::new().prefix(".aet-dataset-").tempdir_in(parent);
    let staging = staging.map_err(file_error("writing into", parent))?;
    // the staging folder is private to the user, the one inside has the permissions of any other folder
    let fresh = staging.path().join(name);
    std::fs::create_dir(&fresh).map_err(file_error("creating", &fresh))?;
    fill(&version, truth, &fresh, monitor)?;
    report(monitor, "writing", 1.0)?;
    atomic::sync_folder(&fresh)?;
    take_place(staging, &fresh, folder)?;
    atomic::sync_folder(parent)
}

/// Whether `folder` may be written: it does not exist, is empty, or holds a dataset with known files only.
fn check_replaceable(folder: &Path) -> Result<()> {
    let refuse = |why: String| Err(Error::Inconsistent { what: format!("{} is not replaced", folder.display()), why });
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(file_error("opening", folder)(e)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(file_error("reading", folder))?;
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    if !names.contains(HEADER_FILE) {
        return refuse(format!("it is no dataset: it has no {HEADER_FILE}"));
    }
    match names.iter().find(|name| !WRITTEN.contains(&name.as_str())) {
        Some(foreign) => refuse(format!("`{foreign}` in it would be lost")),
        None => Ok(()),
    }
}

/// Renames `fresh` to `folder`. An older folder waits in `staging`, and comes back if that fails.
fn take_place(staging: TempDir, fresh: &Path, folder: &Path) -> Result<()> {
    let old = staging.path().join("replaced dataset");
    let replaced = folder.exists();
    if replaced {
        std::fs::rename(folder, &old).map_err(file_error("replacing", folder))?;
    }
    std::fs::rename(fresh, folder).map_err(|error| {
        if replaced && std::fs::rename(&old, folder).is_err() {
            // the older data stay where they are rather than being removed with the staging folder
            let _ = staging.keep();
        }
        file_error("creating", folder)(error)
    })
}

fn fill(version: &SeriesVersion, truth: Option<&Atoms>, folder: &Path, monitor: &mut Monitor) -> Result<()> {
    let writer = Arrays { folder, images: version.images() };
    let n = version.images().len();
    let shape = [n, version.rows(), version.columns()];
    let mut files = Files { projections: Some("projections.npy".into()), ..Default::default() };
    write_pixels(version, &folder.join("projections.npy"), &mut |f| monitor(PIXEL_SHARE * f))?;
    let rotation = |i: &Image| i.rotation.into_iter().flatten();
    files.rotations = writer.column("rotations", &[3, 3], rotation)?;
    files.angles_deg = writer.column("angles_deg", &[3], |i| AngleOrder::Zyx.angles(&i.rotation))?;
    files.tilt = writer.column("tilt", &[], |i| [i.tilt as i64])?;
    files.section = writer.column("section", &[], |i| [i.section as i64])?;
    if writer.any(|i| i.defocus != 0.0) {
        files.defocus = writer.column("defocus_A", &[], |i| [i.defocus])?;
    }
    if writer.any(|i| i.drift != [0.0; 2]) {
        files.drift = writer.column("drift", &[2], |i| i.drift)?;
    }
    if writer.any(|i| i.noise_variance.is_some()) {
        files.noise_variance = writer.column("noise_variance", &[], |i| [i.noise_variance.unwrap_or(f64::NAN)])?;
    }
    if writer.any(|i| i.counts_per_unit.is_some()) {
        files.counts_per_unit = writer.column("counts_per_unit", &[], |i| [i.counts_per_unit.unwrap_or(f64::NAN)])?;
    }
    if writer.any(|i| i.excluded) {
        files.excluded = writer.column("excluded", &[], |i| [u8::from(i.excluded)])?;
    }
    if writer.any(|i| i.mask.is_some()) {
        let size = version.rows() * version.columns();
        let mask = version.images().iter().flat_map(|i| (0..size).map(|p| u8::from(i.uses(p))));
        let mut monitor = |f| monitor(PIXEL_SHARE + (1.0 - PIXEL_SHARE) * f);
        npy::write(&folder.join("mask.npy"), &shape, mask, &mut monitor)?;
        files.mask = Some("mask.npy".into());
    }
    if let Some(atoms) = truth {
        xyz::write(atoms, &folder.join(ATOMS_TRUTH))?;
        files.atoms_truth = Some(ATOMS_TRUTH.into());
    }
    write_header(&header(version, files, truth)?, &folder.join(HEADER_FILE))
}

/// Writes the images in the smallest type that holds them exactly: counts are small integers.
fn write_pixels(version: &SeriesVersion, path: &Path, monitor: &mut Monitor) -> Result<()> {
    let shape = [version.images().len(), version.rows(), version.columns()];
    let pixels = || version.images().iter().flat_map(|image| image.pixels.iter().copied());
    let counts = version.counts_per_unit_all().is_some_and(|all| all.iter().all(|c| *c == 1.0));
    let fits = |largest: f32| counts && pixels().all(|v| v >= 0.0 && v <= largest && v.fract() == 0.0);
    if fits(f32::from(u8::MAX)) {
        npy::write(path, &shape, pixels().map(|v| v as u8), monitor)
    } else if fits(f32::from(u16::MAX)) {
        npy::write(path, &shape, pixels().map(|v| v as u16), monitor)
    } else {
        npy::write(path, &shape, pixels(), monitor)
    }
}

/// Writes arrays with one row per image.
struct Arrays<'a> {
    folder: &'a Path,
    images: &'a [std::sync::Arc<Image>],
}

impl Arrays<'_> {
    fn any(&self, test: impl Fn(&Image) -> bool) -> bool {
        self.images.iter().any(|image| test(image))
    }

    /// Writes `[images, rest...]` and gives the name of the file.
    fn column<T: npyz::AutoSerialize, R: IntoIterator<Item = T>>(
        &self,
        key: &str,
        rest: &[usize],
        row: impl Fn(&Image) -> R,
    ) -> Result<Option<String>> {
        let name = format!("{key}.npy");
        let mut shape = vec![self.images.len()];
        shape.extend(rest);
        let values = self.images.iter().flat_map(|image| row(image));
        npy::write(&self.folder.join(&name), &shape, values, &mut |_| true)?;
        Ok(Some(name))
    }
}

fn header(version: &SeriesVersion, files: Files, truth: Option<&Atoms>) -> Result<Header> {
    let mut rest = Map::new();
    let mut metadata = Map::new();
    for (key, entry) in version.metadata().iter() {
        match top_level(key, entry) {
            Some(value) => rest.insert(key.to_owned(), value),
            None => metadata.insert(key.to_owned(), to_value(entry)?),
        };
    }
    if let (Some(atoms), false) = (truth, rest.contains_key("elements")) {
        let numbers: BTreeSet<u8> = atoms.species().iter().copied().filter(|z| *z > 0).collect();
        let symbols: Vec<&str> = numbers.into_iter().filter_map(elements::symbol).collect();
        rest.insert("elements".into(), to_value(&symbols)?);
    }
    Ok(Header {
        schema: SCHEMA.into(),
        length_unit: Some(version.length_unit().symbol().into()),
        pixel_size: Some(version.pixel_size()),
        images: Some(version.images().len() as u64),
        energy_ev: version.energy_ev(),
        semiangle_mrad: version.semiangle_mrad(),
        files,
        variants: Some(Map::new()),
        default_variant: None,
        angle_order: Some("zyx: R = transpose(Rz(phi) Ry(theta) Rx(psi)); rotations are authoritative".into()),
        tilt_axis: None,
        defocus_reference: Some("specimen_origin".into()),
        metadata: (!metadata.is_empty()).then_some(Value::Object(metadata)),
        rest,
    })
}

/// Value of a metadata entry as a key of its own: a text without unit, or the JSON it was read from. Keys that the
/// schema uses itself are none.
fn top_level(key: &str, entry: &Entry) -> Option<Value> {
    const OWN: [&str; 13] = [
        "schema",
        "length_unit",
        "pixel_size_A",
        "images",
        "energy_ev",
        "semiangle_mrad",
        "files",
        "variants",
        "default_variant",
        "angle_order",
        "tilt_axis",
        "defocus_reference",
        "metadata",
    ];
    match entry.unit.as_str() {
        _ if OWN.contains(&key) => None,
        "" => Some(Value::String(entry.value.clone())),
        JSON_UNIT => serde_json::from_str(&entry.value).ok(),
        _ => None,
    }
}

fn to_value(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::Internal(format!("metadata to JSON: {e}")))
}

fn write_header(header: &Header, path: &Path) -> Result<()> {
    let mut text = serde_json::to_string_pretty(header).map_err(|e| Error::Internal(format!("dataset.json: {e}")))?;
    text.push('\n');
    atomic::write(path, |file| file.write_all(text.as_bytes()).map_err(file_error("writing", path)))
}
