//! HDF5 files: Berkeley's EMD, MATLAB's level 7.3, Octave's `save -hdf5`, and any other with one array of three axes.
//!
//! HDF5 stores the last axis fastest. EMD and plain arrays are `[z, y, x]`; EMD files that name their axes x, y and z
//! are put in that order. MATLAB and Octave write A(y, x, z) with its axes reversed, `[z, x, y]`, and mark their arrays,
//! by which they are told here. An array that a MATLAB program wrote with `h5write` has no mark, and is `[z, y, x]` here
//! where the program had A(x, y, z).

mod write;

use std::path::Path;

use half::f16;
use hdf5_pure::{Dataset, Datatype, DatatypeByteOrder, File, FloatingPointLayout, FormatError, Group};
use ndarray::Array3;

use super::length::angstroms_in;
use super::voxels::{choose, room_for, unpacked_count, Entry, Voxels};
use super::{file_error, matlab, report, Monitor};
use crate::error::{Error, Result};

pub(super) use write::{write_emd, write_mat73};

const FORMAT: &str = "HDF5 file";
/// Groups within groups, and objects, that are looked at; links may form circles.
const MAX_DEPTH: usize = 16;
const MAX_OBJECTS: usize = 2000;
/// Bytes that are read between two looks at the monitor, in whole chunks.
const WINDOW: u64 = 1 << 24;
/// Longest axis vector of an EMD file that is read.
const MAX_AXIS: u64 = 1 << 20;

/// Whether `path` holds HDF5's signature, at its beginning or behind a block of another program's.
pub(super) fn is_hdf5(path: &Path) -> bool {
    hdf5_pure::is_hdf5(path).unwrap_or(false)
}

/// How the axes of an array lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `[z, y, x]`.
    Plain,
    /// `[z, y, x]` or as `dim1` to `dim3` beside it say.
    Emd,
    /// `[z, x, y]`: A(y, x, z), reversed.
    Matlab,
}

/// An array of the file.
struct Found {
    entry: Entry,
    dataset: Dataset,
    layout: Layout,
}

/// Reads the volume called `name` (a path, or the name of an EMD group or of a variable), or the only one.
///
/// # Errors
/// `File`, `Format` for damaged files, `Unsupported` for filters that are not read and for stacks of Velox, those of
/// [`choose`], `Memory`, `Cancelled`.
pub(super) fn read(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    report(monitor, "reading", 0.0)?;
    let file = File::open_streaming(path).map_err(|e| failed(path, "its head", e))?;
    let mut walk = Walk { path, objects: 0, found: Vec::new(), is_matlab: is_level73(path), unlisted: None };
    if let Some(name) = name {
        walk.by_name(&file, name);
    }
    if walk.found.is_empty() {
        walk.group(&file.root(), "", 0, monitor)?;
    }
    let Walk { mut found, unlisted, .. } = walk;
    if let (None, Some(error)) = (name, unlisted) {
        return Err(error); // there might be another volume
    }
    if name.is_none() && found.iter().any(|f| f.layout == Layout::Emd) {
        found.retain(|f| f.layout == Layout::Emd);
    }
    let full_name = name.map(|name| full_name(&found, name));
    let entries: Vec<Entry> = found.iter().map(|f| f.entry.clone()).collect();
    let drops_axes = found.iter().all(|f| f.layout == Layout::Matlab);
    let chosen = &found[choose(path, &entries, full_name.as_deref(), drops_axes)?];
    refuse_velox(path, &chosen.entry.name)?;
    let axes = Axes::of(&file, chosen);
    let mut values = array(path, &file, chosen, monitor)?;
    if axes.order != [0, 1, 2] {
        values = values.permuted_axes(axes.order).as_standard_layout().into_owned();
    }
    report(monitor, "reading", 1.0)?;
    Ok(Voxels { values, voxel_size: axes.voxel_size })
}

fn is_level73(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(128).read_to_end(&mut head)).is_ok()
        && matlab::is_level73(&head)
}

/// What a short name may stand for: an array, the `data` of an EMD group, the `value` of a variable of Octave's.
fn full_names(name: &str) -> [String; 4] {
    let name = name.trim_matches('/');
    [name.to_string(), format!("{name}/data"), format!("data/{name}/data"), format!("{name}/value")]
}

fn full_name(found: &[Found], name: &str) -> String {
    let known = full_names(name).into_iter().find(|full| found.iter().any(|f| f.entry.name == *full));
    known.unwrap_or_else(|| name.to_string())
}

/// Files of Velox are called .emd, too, and hold images `[row, column, frame]` that belong to no volume.
fn refuse_velox(path: &Path, name: &str) -> Result<()> {
    if !name.starts_with("Data/Image/") {
        return Ok(());
    }
    let why = "it holds images of Velox [row, column, frame]; export them as TIFF or MRC".into();
    Err(Error::Unsupported { what: format!("`{name}` of {}", path.display()), why })
}

/// The search for arrays, from group to group.
struct Walk<'a> {
    path: &'a Path,
    /// Groups and arrays so far.
    objects: usize,
    found: Vec<Found>,
    is_matlab: bool,
    /// Why a group could not be listed: it is damaged, or holds soft links in the manner of HDF5 before 1.8.
    unlisted: Option<Error>,
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, name: &str, depth: usize, monitor: &mut Monitor) -> Result<()> {
        report(monitor, "reading", 0.0)?;
        self.count()?;
        let told = if name.is_empty() { "its root group".into() } else { format!("group `{name}`") };
        let within = |child: &str| if name.is_empty() { child.to_string() } else { format!("{name}/{child}") };
        let (datasets, groups) = match (group.iter_datasets(), group.iter_groups()) {
            (Ok(datasets), Ok(groups)) => (datasets, groups),
            (Err(error), _) | (_, Err(error)) => {
                let place = format!("{told} cannot be listed, name the array");
                self.unlisted.get_or_insert(failed(self.path, &place, error));
                return Ok(());
            }
        };
        for (child, dataset) in datasets {
            self.count()?;
            self.take(group, within(&child), dataset);
        }
        for (child, inner) in groups.filter(|_| depth < MAX_DEPTH) {
            if !child.starts_with('#') {
                self.group(&inner, &within(&child), depth + 1, monitor)?; // '#' begins what MATLAB hides
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.objects += 1;
        if self.objects <= MAX_OBJECTS {
            return Ok(());
        }
        let why = format!("it has more than {MAX_OBJECTS} groups and arrays, or a circle of links; name the array");
        Err(Error::Format { path: self.path.to_path_buf(), format: FORMAT, why })
    }

    /// An array of `group`, with the marks that tell the order of its axes.
    fn take(&mut self, group: &Group, name: String, dataset: Dataset) {
        let child = name.rsplit('/').next().unwrap_or_default();
        let marks = group.attrs().unwrap_or_default();
        let is_octave = marks.contains_key("OCTAVE_NEW_FORMAT") && child == "value";
        let layout = if marks.contains_key("emd_group_type") && child == "data" {
            Layout::Emd
        } else if self.is_matlab || is_octave || dataset.attrs().is_ok_and(|a| a.contains_key("MATLAB_class")) {
            Layout::Matlab
        } else {
            Layout::Plain
        };
        self.found.push(Found { entry: entry(name, &dataset, layout), dataset, layout });
    }

    /// The array that was named: no search, and it may stand in a group that cannot be listed.
    fn by_name(&mut self, file: &File, name: &str) {
        for full in full_names(name) {
            let parent = full.rsplit_once('/').map_or("", |(parent, _)| parent);
            let group = if parent.is_empty() { Ok(file.root()) } else { file.group(parent) };
            if let (Ok(group), Ok(dataset)) = (group, file.dataset(&full)) {
                return self.take(&group, full, dataset);
            }
        }
    }
}

fn entry(name: String, dataset: &Dataset, layout: Layout) -> Entry {
    let mut shape = dataset.shape().unwrap_or_default();
    if layout == Layout::Matlab {
        shape.reverse(); // as MATLAB would say it
    }
    let is_real = dataset.datatype().is_ok_and(|kind| numbers_of(&kind).is_some())
        && dataset.attrs().is_ok_and(|marks| !marks.contains_key("MATLAB_empty"));
    let kind = dataset.dtype().map_or_else(|_| "unknown type".into(), |kind| kind.to_string());
    Entry { name, shape, kind, is_real }
}

/// How the elements of a real type are read.
#[derive(Debug, Clone, Copy)]
enum Numbers {
    /// By the crate.
    Known,
    /// Floats of 16 bits, which it leaves to its callers; the bytes of each.
    Half(fn([u8; 2]) -> f16),
}

fn numbers_of(kind: &Datatype) -> Option<Numbers> {
    match kind {
        Datatype::FixedPoint { size: 1 | 2 | 4 | 8, .. } => Some(Numbers::Known),
        Datatype::FloatingPoint { size: 4, layout, .. } if *layout == FloatingPointLayout::IEEE754_BINARY32 => {
            Some(Numbers::Known)
        }
        Datatype::FloatingPoint { size: 8, layout, .. } if *layout == FloatingPointLayout::IEEE754_BINARY64 => {
            Some(Numbers::Known)
        }
        Datatype::FloatingPoint { size: 2, layout, byte_order } if layout.exponent_size == 5 => match byte_order {
            DatatypeByteOrder::LittleEndian => Some(Numbers::Half(f16::from_le_bytes)),
            DatatypeByteOrder::BigEndian => Some(Numbers::Half(f16::from_be_bytes)),
            _ => None,
        },
        _ => None,
    }
}

/// All values as `[z, y, x]`, or in the order of an EMD file.
fn array(path: &Path, file: &File, found: &Found, monitor: &mut Monitor) -> Result<Array3<f32>> {
    let (dataset, name) = (&found.dataset, found.entry.name.as_str());
    let told = format!("array `{name}`");
    let stored = dataset.shape().map_err(|e| failed(path, &told, e))?;
    let element = dataset.element_size().map_err(|e| failed(path, &told, e))?;
    let chunk = dataset.chunk_shape().map_err(|e| failed(path, &told, e))?;
    let count = unpacked_count(path, FORMAT, &stored, element, file.file_size())?;
    if let Some(chunk) = &chunk {
        unpacked_count(path, FORMAT, chunk, element, file.file_size())?;
    }
    let numbers = dataset.datatype().ok().and_then(|kind| numbers_of(&kind));
    let mut values = room_for(path, count)?;
    let rows = stored.first().copied().unwrap_or(0);
    let row_bytes = (count as u64 * element / rows.max(1)).max(1);
    let chunk_rows = chunk.and_then(|c| c.first().copied()).unwrap_or(1).max(1);
    let step = (WINDOW / row_bytes).max(1).div_ceil(chunk_rows).saturating_mul(chunk_rows);
    let mut row = 0;
    while row < rows {
        report(monitor, "reading", row as f64 / rows as f64)?;
        let count = step.min(rows - row);
        if let Some(Numbers::Half(number)) = numbers {
            let bytes = dataset.read_raw_rows(row, count).map_err(|e| failed(path, &told, e))?;
            values.extend(bytes.chunks_exact(2).map(|b| number([b[0], b[1]]).to_f32()));
        } else {
            values.extend(dataset.read_f32_rows(row, count).map_err(|e| failed(path, &told, e))?);
        }
        row = row.saturating_add(step);
    }
    let shape = match (found.layout, &found.entry.shape[..]) {
        (Layout::Matlab, dimensions) => matlab::shape_of(dimensions),
        (_, [z, y, x]) => Some([*z as usize, *y as usize, *x as usize]), // `unpacked_count` saw that they fit
        _ => None,
    };
    let shape = shape.filter(|shape| shape.iter().product::<usize>() == values.len()).ok_or_else(|| {
        let why = format!("{told} of shape {stored:?} has {} values", values.len());
        Error::Format { path: path.to_path_buf(), format: FORMAT, why }
    })?;
    if found.layout == Layout::Matlab {
        matlab::columns_to_rows(&mut values, shape);
    }
    Array3::from_shape_vec(shape, values).map_err(|e| Error::Internal(e.to_string()))
}

/// What stands beside an array.
struct Axes {
    /// Which axes of the array are z, y and x.
    order: [usize; 3],
    /// Along x, y and z, angstrom.
    voxel_size: [Option<f64>; 3],
}

impl Axes {
    /// What is missing or cannot be read tells nothing: the caller has a default for it.
    fn of(file: &File, found: &Found) -> Self {
        let group = found.entry.name.rsplit_once('/').map_or("", |(group, _)| group);
        let beside = |name: &str| file.dataset(&format!("{group}/{name}"));
        if found.layout == Layout::Emd {
            // EMD 1.0 counts its axes from 0, older ones from 1
            let first = usize::from(beside("dim0").is_err());
            return Self::of_emd([0, 1, 2].map(|i| beside(&format!("dim{}", first + i)).ok()));
        }
        let scalar = beside(matlab::VOXEL_SIZE).or_else(|_| file.dataset(matlab::VOXEL_SIZE)).ok();
        let size = scalar.filter(|d| d.shape().is_ok_and(|s| s.iter().all(|n| *n == 1)));
        let size = size.and_then(|d| d.read_f64().ok()?.first().copied()).filter(|v| v.is_finite() && *v > 0.0);
        Self { order: [0, 1, 2], voxel_size: [size; 3] }
    }

    fn of_emd(vectors: [Option<Dataset>; 3]) -> Self {
        let text = |vector: &Option<Dataset>, mark: &str| -> Option<String> {
            let marks = vector.as_ref()?.attrs().ok()?;
            Some(marks.get(mark)?.as_str()?.trim().trim_matches(['\0', '\'']).to_lowercase())
        };
        let names = [0, 1, 2].map(|i| text(&vectors[i], "name").unwrap_or_default());
        let place = |axis: &str| names.iter().position(|name| name == axis);
        let order = match (place("z"), place("y"), place("x")) {
            (Some(z), Some(y), Some(x)) => [z, y, x],
            _ => [0, 1, 2],
        };
        let step = |i: usize| {
            let vector = vectors[i].as_ref()?;
            let unit = angstroms_in(&text(&vectors[i], "units")?)?;
            let positions =
                Some(vector).filter(|v| v.shape().is_ok_and(|s| s.iter().all(|n| *n <= MAX_AXIS)))?.read_f64().ok()?;
            let [first, .., last] = positions[..] else { return None };
            let step = (last - first).abs() / (positions.len() - 1) as f64 * unit;
            (step.is_finite() && step > 0.0).then_some(step)
        };
        Self { order, voxel_size: [order[2], order[1], order[0]].map(step) }
    }
}

/// An error of the format, with the place.
fn failed(path: &Path, place: &str, error: hdf5_pure::Error) -> Error {
    let why = format!("{place}: {error}");
    match error {
        hdf5_pure::Error::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            file_error("reading", path)(source)
        }
        hdf5_pure::Error::Format(FormatError::UnsupportedFilter(_)) => {
            Error::Unsupported { what: format!("{place} of {}", path.display()), why }
        }
        _ => Error::Format { path: path.to_path_buf(), format: FORMAT, why },
    }
}
