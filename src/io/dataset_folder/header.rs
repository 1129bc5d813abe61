//! `dataset.json`: its keys, and which files a variant takes.

use std::path::{Component, Path, PathBuf};

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{HEADER_FILE, JSON_UNIT, SCHEMA};
use crate::dataset::{Entry, Metadata};
use crate::error::{Error, Result};
use crate::io::file_error;

const FORMAT: &str = "dataset of schema aet-tilt-series/1";
/// A header is a few kilobytes; what is larger than this is none.
const MAX_HEADER: u64 = 1 << 26;

/// Keys that describe the files of the folder read, not the series.
const NOT_CARRIED: [&str; 2] = ["arrays", "extra_files"];

/// The keys of `dataset.json` that the library knows; all others are in `rest`, in their order.
#[derive(Debug, Default, Serialize)]
pub(super) struct Header {
    pub schema: String,
    pub length_unit: Option<String>,
    #[serde(rename = "pixel_size_A")]
    pub pixel_size: Option<f64>,
    pub images: Option<u64>,
    pub energy_ev: Option<f64>,
    pub semiangle_mrad: Option<f64>,
    pub files: Files,
    pub variants: Option<Map<String, Value>>,
    pub default_variant: Option<String>,
    pub angle_order: Option<String>,
    pub tilt_axis: Option<String>,
    pub defocus_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// File names of a folder.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Files {
    pub projections: Option<String>,
    pub rotations: Option<String>,
    pub angles_deg: Option<String>,
    #[serde(rename = "defocus_A")]
    pub defocus: Option<String>,
    pub section: Option<String>,
    pub tilt: Option<String>,
    pub atoms_truth: Option<String>,
    pub atoms_published: Option<String>,
    pub volume_truth: Option<String>,
    pub volume_published: Option<String>,
    pub support_mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_variance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts_per_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
}

/// What a variant replaces.
#[derive(Debug, Default, Deserialize)]
struct Variant {
    projections: Option<String>,
    atoms_published: Option<String>,
    atoms_truth: Option<String>,
    dose_per_a2: Option<f64>,
}

/// A folder with the files of one variant.
#[derive(Debug)]
pub(super) struct Selection {
    folder: PathBuf,
    pub header: Header,
    pub files: Files,
    pub variant: Option<String>,
    pub dose_per_a2: Option<f64>,
}

impl Selection {
    /// Reads `dataset.json` of `folder` and takes `variant`, else the default one.
    pub fn open(folder: &Path, variant: Option<&str>) -> Result<Self> {
        let mut header = Header::read(folder)?;
        let mut files = header.files.clone();
        let variants = header.variants.take().unwrap_or_default();
        let name = variant.or(header.default_variant.as_deref()).map(str::to_owned);
        let mut dose_per_a2 = None;
        if let Some(name) = &name {
            let known = || match variants.is_empty() {
                true => "none: the folder has no variants".to_owned(),
                false => variants.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
            };
            let value = variants.get(name).ok_or_else(|| Error::UnknownOption {
                what: format!("variant of {}", folder.display()),
                got: name.clone(),
                known: known(),
            })?;
            let chosen: Variant = serde_json::from_value(value.clone())
                .map_err(|e| format_error(folder, format!("variant `{name}`: {e}")))?;
            files.projections = chosen.projections.or(files.projections);
            files.atoms_published = chosen.atoms_published.or(files.atoms_published);
            files.atoms_truth = chosen.atoms_truth.or(files.atoms_truth);
            dose_per_a2 = chosen.dose_per_a2;
        }
        Ok(Selection { folder: folder.to_path_buf(), header, files, variant: name, dose_per_a2 })
    }

    /// Path of a file of the folder; `None` for a key that is null or not there.
    pub fn path(&self, key: &str, name: &Option<String>) -> Result<Option<PathBuf>> {
        let Some(name) = name else { return Ok(None) };
        let inside = !name.is_empty() && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        if !inside {
            return Err(self.error(format!("files.{key} is `{name}`, wanted a file name inside the folder")));
        }
        Ok(Some(self.folder.join(name)))
    }

    /// `Format`, naming `dataset.json`.
    pub fn error(&self, why: String) -> Error {
        format_error(&self.folder, why)
    }

    /// All metadata: keys the library does not know, then those of the key `metadata`.
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::default();
        for (key, value) in self.header.rest.iter().filter(|(key, _)| !NOT_CARRIED.contains(&key.as_str())) {
            set(&mut metadata, key, value);
        }
        match &self.header.metadata {
            Some(Value::Object(entries)) => entries.iter().for_each(|(key, value)| set(&mut metadata, key, value)),
            Some(other) => set(&mut metadata, "metadata", other),
            None => {}
        }
        metadata
    }
}

/// Texts as they are, objects of value and unit as such, anything else as JSON text.
fn set(metadata: &mut Metadata, key: &str, value: &Value) {
    match value {
        Value::String(text) => metadata.set(key, text, ""),
        Value::Object(_) => match serde_json::from_value(value.clone()) {
            Ok(Entry { value, unit }) => metadata.set(key, value, unit),
            Err(_) => metadata.set(key, value.to_string(), JSON_UNIT),
        },
        _ => metadata.set(key, value.to_string(), JSON_UNIT),
    }
}

impl Header {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(HEADER_FILE);
        let length = std::fs::metadata(&path).map_err(file_error("opening", &path))?.len();
        if length > MAX_HEADER {
            return Err(format_error(folder, format!("it has {length} bytes, at most {MAX_HEADER} are read")));
        }
        let text = std::fs::read(&path).map_err(file_error("reading", &path))?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| format_error(folder, e.to_string()))?;
        check_schema(folder, &path, &value)?;
        match value {
            Value::Object(keys) => Header::from_keys(folder, keys),
            _ => Err(format_error(folder, "it holds no JSON object".into())),
        }
    }

    fn from_keys(folder: &Path, mut keys: Map<String, Value>) -> Result<Self> {
        let files: Option<Files> = take(folder, &mut keys, "files")?;
        Ok(Header {
            schema: take(folder, &mut keys, "schema")?.unwrap_or_default(),
            length_unit: take(folder, &mut keys, "length_unit")?,
            pixel_size: take(folder, &mut keys, "pixel_size_A")?,
            images: take(folder, &mut keys, "images")?,
            energy_ev: take(folder, &mut keys, "energy_ev")?,
            semiangle_mrad: take(folder, &mut keys, "semiangle_mrad")?,
            files: files.ok_or_else(|| format_error(folder, "it has no key `files`".into()))?,
            variants: take(folder, &mut keys, "variants")?,
            default_variant: take(folder, &mut keys, "default_variant")?,
            angle_order: take(folder, &mut keys, "angle_order")?,
            tilt_axis: take(folder, &mut keys, "tilt_axis")?,
            defocus_reference: take(folder, &mut keys, "defocus_reference")?,
            metadata: take(folder, &mut keys, "metadata")?,
            rest: keys,
        })
    }
}

/// Takes a key out of the header; `None` where it is null or not there.
fn take<T: DeserializeOwned>(folder: &Path, keys: &mut Map<String, Value>, key: &str) -> Result<Option<T>> {
    // shift_remove keeps the order of the keys that stay
    let value = keys.shift_remove(key).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|e| format_error(folder, format!("key `{key}`: {e}")))
}

fn check_schema(folder: &Path, path: &Path, header: &Value) -> Result<()> {
    let Some(schema) = header.get("schema").and_then(Value::as_str) else {
        return Err(format_error(folder, format!("it has no key `schema`, wanted `{SCHEMA}`")));
    };
    if schema == SCHEMA {
        return Ok(());
    }
    match schema.rsplit_once('/') {
        Some(("aet-tilt-series", version)) => Err(Error::FileVersion {
            path: path.to_path_buf(),
            format: "aet-tilt-series",
            got: version.into(),
            wanted: "1".into(),
        }),
        _ => Err(format_error(folder, format!("its schema is `{schema}`, wanted `{SCHEMA}`"))),
    }
}

fn format_error(folder: &Path, why: String) -> Error {
    Error::Format { path: folder.join(HEADER_FILE), format: FORMAT, why }
}
