//! What the readers of volumes have in common: the array that they return, the choice among several arrays of a file,
//! and memory that is asked for only after the length of the file was looked at.

use std::path::Path;

use ndarray::Array3;

use crate::error::{Error, Result};

/// No packed array unfolds to more than this multiple of its file: deflate reaches 1032, LZW 2730.
const MOST_PACKING: u64 = 4096;
/// Names in a message beyond which it says that there are more.
const NAMED: usize = 8;

/// What a file of a volume or of images holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Voxels {
    /// `[z, y, x]`, or `[image, row, column]`.
    pub values: Array3<f32>,
    /// Edges of a voxel along x, y and z, angstrom, as far as the file tells them.
    pub voxel_size: [Option<f64>; 3],
}

/// An array of a file with several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    /// Edges, in the order of the file's own program.
    pub shape: Vec<u64>,
    /// Its type, as that program calls it.
    pub kind: String,
    /// Whether it holds real numbers that can be read.
    pub is_real: bool,
}

impl Entry {
    fn has_axes(&self, n: usize) -> bool {
        self.is_real && self.shape.len() == n && self.shape.iter().all(|edge| *edge > 0)
    }

    fn told(&self) -> String {
        let edges: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        let size = if edges.is_empty() { String::new() } else { format!(" {}", edges.join(" x ")) };
        format!("`{}` ({}{size})", self.name, self.kind)
    }
}

/// Which of `entries` is the volume: the one called `name`, else the only one of three axes, else, where a program
/// drops axes of length 1 (`drops_axes`), the only one of two that is more than a row or a column.
///
/// # Errors
/// `UnknownOption` for a name that is not there, `Dtype` and `Shape` where it names no volume, `Empty` and
/// `Inconsistent` where none or several could be meant: with what the file holds.
pub(super) fn choose(path: &Path, entries: &[Entry], name: Option<&str>, drops_axes: bool) -> Result<usize> {
    let told = |all: &mut dyn Iterator<Item = &Entry>| {
        let told: Vec<String> = all.take(NAMED + 1).map(Entry::told).collect();
        let more = if told.len() > NAMED { " and more" } else { "" };
        format!("{}{more}", told[..told.len().min(NAMED)].join(", "))
    };
    let is_volume = |e: &Entry| e.has_axes(3) || (drops_axes && e.has_axes(2));
    if let Some(name) = name {
        let Some(at) = entries.iter().position(|e| e.name.trim_start_matches('/') == name.trim_start_matches('/'))
        else {
            let (what, known) = (format!("array of {}", path.display()), told(&mut entries.iter()));
            return Err(Error::UnknownOption { what, got: name.into(), known });
        };
        let what = format!("`{name}` of {}", path.display());
        return match &entries[at] {
            e if is_volume(e) => Ok(at),
            e if !e.is_real => Err(Error::Dtype { what, got: e.kind.clone(), wanted: "real numbers".into() }),
            e => Err(Error::Shape { what, got: lengths(&e.shape), wanted: "three axes".into() }),
        };
    }
    let matches = |wanted: &dyn Fn(&Entry) -> bool| (0..entries.len()).filter(|i| wanted(&entries[*i])).collect();
    let mut found: Vec<usize> = matches(&|e| e.has_axes(3));
    if found.is_empty() && drops_axes {
        found = matches(&|e| e.has_axes(2) && e.shape.iter().all(|edge| *edge > 1));
    }
    let what = path.display().to_string();
    match found[..] {
        [only] => Ok(only),
        [] if entries.is_empty() => Err(Error::Empty { what, why: "it holds no array".into() }),
        [] => {
            let why = format!("none of its arrays holds real numbers along three axes: {}", told(&mut entries.iter()));
            Err(Error::Empty { what, why })
        }
        _ => {
            let all = told(&mut found.iter().map(|i| &entries[*i]));
            Err(Error::Inconsistent { what, why: format!("it holds several volumes, name one: {all}") })
        }
    }
}

fn lengths(shape: &[u64]) -> Vec<usize> {
    shape.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect()
}

/// Most bytes that can come out of `stored` bytes of a file.
pub(super) fn most_unpacked(stored: u64) -> u64 {
    stored.saturating_mul(MOST_PACKING)
}

/// Number of values of an array of `shape` with `bytes` each, packed into `stored` bytes of a file: refused before
/// memory is taken where no packing could do that.
pub(super) fn unpacked_count(
    path: &Path,
    format: &'static str,
    shape: &[u64],
    bytes: u64,
    stored: u64,
) -> Result<usize> {
    let refuse = |why: String| Error::Format { path: path.to_path_buf(), format, why };
    let count = shape.iter().try_fold(1u64, |product, n| product.checked_mul(*n));
    let total = count.and_then(|n| n.checked_mul(bytes.max(4)));
    match (count.and_then(|n| usize::try_from(n).ok()), total) {
        (Some(count), Some(total)) if total <= most_unpacked(stored) => Ok(count),
        (_, Some(total)) => Err(refuse(format!(
            "an array of shape {shape:?} with {total} bytes cannot be packed into the {stored} bytes that are there"
        ))),
        _ => Err(refuse(format!("the shape {shape:?} exceeds the address space"))),
    }
}

/// An empty vector with room for `count` values; `Memory` where the system has none, instead of its end.
pub(super) fn room_for(path: &Path, count: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| {
        let needed = (count as u64).saturating_mul(size_of::<f32>() as u64);
        Error::Memory { what: format!("the array of {}", path.display()), needed, available: 0 }
    })?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, shape: &[u64], is_real: bool) -> Entry {
        Entry { name: name.into(), shape: shape.to_vec(), kind: "double".into(), is_real }
    }

    #[test]
    fn the_only_volume_or_the_named_one() {
        let path = Path::new("a.mat");
        let all = [
            entry("angles", &[5, 3], true),
            entry("a", &[2, 3, 4], true),
            entry("b", &[2, 3, 4], true),
            entry("c", &[2, 3, 4], false),
            entry("empty", &[0, 3, 4], true),
        ];
        let code = |entries: &[Entry], name, drops| choose(path, entries, name, drops).map_err(|e| e.code());
        assert_eq!(code(&all[..2], None, false), Ok(1));
        assert_eq!(code(&all, Some("/b"), false), Ok(2));
        assert_eq!(code(&all, Some("angles"), true), Ok(0));
        assert_eq!(code(&all[..1], None, true), Ok(0));
        assert_eq!(code(&all[..1], None, false), Err(301));
        assert_eq!(code(&[], None, false), Err(301));
        assert_eq!(code(&all, Some("c"), false), Err(102));
        assert_eq!(code(&all, Some("empty"), false), Err(101));
        assert_eq!(code(&all, Some("none"), false), Err(104));
        let error = choose(path, &all, None, false).unwrap_err();
        assert!(error.code() == 302 && error.to_string().contains("`a` (double 2 x 3 x 4), `b`"), "{error}");
    }

    #[test]
    fn sizes_are_held_to_the_file() {
        let count = |shape: &[u64]| unpacked_count(Path::new("a"), "file", shape, 8, 1000).map_err(|e| e.code());
        assert_eq!(count(&[10, 20, 30]), Ok(6000));
        assert_eq!(count(&[1000, 1000, 1000]), Err(401));
        assert_eq!(count(&[u64::MAX, 2]), Err(401));
        assert_eq!(room_for(Path::new("a"), usize::MAX / 8).unwrap_err().code(), 500);
    }
}
