//! Metadata of a dataset

use super::dataset::aet_dataset;
use super::guard::{guard, guard_value};
use super::status::aet_status;
use crate::dataset::{Entry, Metadata};
use crate::{Error, Result};
use std::ffi::c_char;

/// Sets one key of the metadata, which travel through to every output: in its old place where it exists, else at the
/// end. All texts are UTF-8; `unit` may be NULL: none. The version number rises by 1. AET_ERROR_EMPTY for an empty key,
/// AET_ERROR_TEXT. Any thread, also while a reconstruction runs on the dataset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_set_metadata(
    dataset: *const aet_dataset,
    key: *const c_char,
    value: *const c_char,
    unit: *const c_char,
) -> aet_status {
    guard("aet_dataset_set_metadata", |host| {
        let dataset = host.dataset(dataset)?;
        let (key, value) = (host.text(key, "key")?, host.text(value, "value")?);
        let unit = host.optional_text(unit, "unit")?.unwrap_or_default();
        dataset.series.set_metadata(&key, &value, &unit)
    })
}

/// Number of keys of the metadata; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_metadata_count(dataset: *const aet_dataset) -> i64 {
    guard_value(0, |host| Ok(host.object(dataset, "dataset")?.series.version().metadata().len() as i64))
}

/// The key at `index`, in the order of setting, as UTF-8 into `buffer` of `capacity` bytes. `needed` takes the bytes
/// needed with the closing NUL; `buffer` NULL only asks for them, else `needed` may be NULL. AET_ERROR_RANGE for an
/// index that does not exist or too small a buffer. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_metadata_key(
    dataset: *const aet_dataset,
    index: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_dataset_metadata_key", |host| {
        let version = host.dataset(dataset)?.series.version();
        let out = host.out_text(buffer, capacity, needed)?;
        let index = host.index(index, version.metadata().len(), "index")?;
        out.set(version.metadata().at(index).map_or("", |(key, _)| key))
    })
}

/// The value of `key`, written as by aet_dataset_metadata_key. AET_ERROR_UNKNOWN_OPTION for a key that does not exist,
/// AET_ERROR_RANGE for too small a buffer. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_metadata_value(
    dataset: *const aet_dataset,
    key: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_dataset_metadata_value", |host| {
        let version = host.dataset(dataset)?.series.version();
        let out = host.out_text(buffer, capacity, needed)?;
        out.set(&entry(version.metadata(), &host.text(key, "key")?)?.value)
    })
}

/// The unit of `key`, empty where it has none, written as by aet_dataset_metadata_key. AET_ERROR_UNKNOWN_OPTION for a
/// key that does not exist, AET_ERROR_RANGE for too small a buffer. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_dataset_metadata_unit(
    dataset: *const aet_dataset,
    key: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_dataset_metadata_unit", |host| {
        let version = host.dataset(dataset)?.series.version();
        let out = host.out_text(buffer, capacity, needed)?;
        out.set(&entry(version.metadata(), &host.text(key, "key")?)?.unit)
    })
}

fn entry<'m>(metadata: &'m Metadata, key: &str) -> Result<&'m Entry> {
    metadata.get(key).ok_or_else(|| {
        let keys: Vec<&str> = metadata.iter().map(|(key, _)| key).collect();
        let known = if keys.is_empty() { "none".into() } else { keys.join(", ") };
        Error::UnknownOption { what: "metadata key".into(), got: key.into(), known }
    })
}
