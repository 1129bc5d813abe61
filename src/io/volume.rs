//! Volumes in the formats of the field: one table says which there are, by which extensions they are written, and who
//! reads and writes them. Readers go by the first bytes of a file, not by its name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ndarray::Ix3;

use super::{file_error, hdf5, matlab, mrc, npy, tiff, Monitor};
use crate::error::{Error, Result};
use crate::specimen::Volume;

pub use super::voxels::Voxels;

/// Voxel edges may differ by this part and still be called cubic.
const CUBIC_TOLERANCE: f64 = 1e-3;
/// Bytes by which a format is told: the header of an MRC file, the longest.
const HEAD_BYTES: u64 = 1024;

/// A file format of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeFormat {
    /// MRC2014: floats `[z, y, x]` and their voxel size.
    Mrc,
    /// NumPy array `[z, y, x]`, which has no voxel size.
    Npy,
    /// TIFF stack: pages along z, rows along y, columns along x; voxel size as ImageJ writes it.
    Tiff,
    /// MATLAB's level 5: `A(y, x, z)` and the scalar `voxel_size`.
    Mat5,
    /// MATLAB's level 7.3, an HDF5 file: the same.
    Mat73,
    /// HDF5 by the rules of Berkeley's EMD 0.2: `data[z, y, x]`, and its axes as `dim1`, `dim2`, `dim3`.
    Emd,
}

impl std::str::FromStr for VolumeFormat {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        FORMATS.iter().find(|f| f.name == s).map(|f| f.format).ok_or_else(|| Error::UnknownOption {
            what: "format of a file of a volume".into(),
            got: s.into(),
            known: FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(", "),
        })
    }
}

type ReadFn = fn(&Path, Option<&str>, &mut Monitor) -> Result<Voxels>;
type WriteFn = fn(&Path, &Volume, &str, &mut Monitor) -> Result<()>;

struct Format {
    format: VolumeFormat,
    name: &'static str,
    /// The extensions that ask for it; the files of level 7.3 have that of level 5.
    extensions: &'static [&'static str],
    /// Whether a file that begins so is one.
    is: fn(&Path, &[u8]) -> bool,
    read: ReadFn,
    write: WriteFn,
}

/// In the order in which they are recognised: MRC files have no mark at their beginning, and old ones none at all.
const FORMATS: [Format; 6] = [
    Format {
        format: VolumeFormat::Npy,
        name: "npy",
        extensions: &["npy"],
        is: |_, head| head.starts_with(b"\x93NUMPY"),
        read: read_npy,
        write: write_npy,
    },
    Format {
        format: VolumeFormat::Tiff,
        name: "tiff",
        extensions: &["tif", "tiff"],
        is: |_, head| tiff::is_tiff(head),
        read: read_tiff,
        write: write_tiff,
    },
    Format {
        format: VolumeFormat::Mat5,
        name: "mat5",
        extensions: &["mat"],
        is: |_, head| matlab::level5::is_level5(head),
        read: matlab::level5::read,
        write: matlab::level5::write,
    },
    Format {
        format: VolumeFormat::Mat73,
        name: "mat73",
        extensions: &[],
        is: |_, head| matlab::is_level73(head),
        read: hdf5::read,
        write: hdf5::write_mat73,
    },
    Format {
        format: VolumeFormat::Emd,
        name: "emd",
        extensions: &["emd", "h5", "hdf5"],
        is: |path, _| hdf5::is_hdf5(path),
        read: hdf5::read,
        write: hdf5::write_emd,
    },
    Format {
        format: VolumeFormat::Mrc,
        name: "mrc",
        extensions: &["mrc", "map", "rec", "st", "ali", "mrcs"],
        is: |_, head| mrc::is_mrc(head),
        read: read_mrc,
        write: write_mrc,
    },
];

fn extension_of(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn by_extension(path: &Path) -> Option<&'static Format> {
    let extension = extension_of(path);
    FORMATS.iter().find(|f| f.extensions.contains(&extension.as_str()))
}

/// The format of the file `path`, by its first bytes; an MRC file too short for its header is told by its name.
fn recognise(path: &Path) -> Result<&'static Format> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(file_error("opening", path))?;
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(file_error("reading", path))?;
    let named = by_extension(path).filter(|f| f.format == VolumeFormat::Mrc);
    FORMATS.iter().find(|f| (f.is)(path, &head)).or(named).ok_or_else(|| {
        let first: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let why = format!(
            "its first bytes ({}) are those of no MRC, npy, TIFF, HDF5 (h5, emd, mat of level 7.3) or MAT file of level 5",
            first.join(" ")
        );
        Error::Format { path: path.to_path_buf(), format: "file of a volume", why }
    })
}

/// Reads what a file holds, `[z, y, x]`. `name` is that of the variable (MAT) or the path of the data set (HDF5) where
/// there are several.
///
/// # Errors
/// `File`; `Format` where no format is recognised and for malformed or damaged files; `Truncated`; `Unsupported`,
/// `Dtype` and `Shape` for what are no real numbers along three axes; `UnknownOption`, `Inconsistent` and `Empty` where
/// the name is not there, or none is given and the file has several volumes or none; `Memory`; `Cancelled`.
pub fn read_voxels(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    (recognise(path)?.read)(path, name, monitor)
}

/// Reads a volume. `voxel_size` (angstrom) replaces that of the file.
///
/// # Errors
/// As [`read_voxels`]; `Inconsistent` where voxels are no cubes, `NotReady` where neither tells their size,
/// `NonFinite`, `Range` for a voxel size that is not positive.
pub fn read(path: &Path, name: Option<&str>, voxel_size: Option<f64>, monitor: &mut Monitor) -> Result<Volume> {
    if let Some(size) = voxel_size {
        crate::specimen::check_voxel_size(size)?; // before the file is read
    }
    let voxels = read_voxels(path, name, monitor)?;
    let size = match voxel_size {
        Some(size) => size,
        None => cubic(path, voxels.voxel_size)?,
    };
    Volume::new(voxels.values, size)
}

/// The edge of a voxel, from as many axes as are known.
fn cubic(path: &Path, edges: [Option<f64>; 3]) -> Result<f64> {
    let what = path.display().to_string();
    let known: Vec<f64> = edges.into_iter().flatten().collect();
    match known[..] {
        [] => Err(Error::NotReady { what, why: "the file does not tell the size of its voxels; give one".into() }),
        [first, ref others @ ..] if others.iter().any(|v| (v - first).abs() > CUBIC_TOLERANCE * first) => {
            let edges: Vec<String> = known.iter().map(f64::to_string).collect();
            let why = format!("its voxels measure {} A, cubes are wanted; give a voxel size", edges.join(" x "));
            Err(Error::Inconsistent { what, why })
        }
        // text is exact, a ratio of integers or a single float beside it is not
        [.., last] => Ok(last),
    }
}

/// Writes a volume of floats with its voxel size, where the format has one; `format` unless the extension tells it,
/// and `name` of the array in MAT and EMD files (`volume`).
///
/// # Errors
/// `UnknownOption` for an extension that tells no format, `Range` for volumes or names that the format cannot hold,
/// `File`, `Cancelled`: then nothing is left behind.
pub fn write(
    path: &Path,
    volume: &Volume,
    format: Option<VolumeFormat>,
    name: Option<&str>,
    monitor: &mut Monitor,
) -> Result<()> {
    let chosen = match format {
        Some(format) => FORMATS.iter().find(|f| f.format == format),
        None => by_extension(path).map(|f| automatic(f, volume)),
    };
    let chosen = chosen.ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().flat_map(|f| f.extensions.iter().copied()).collect();
        Error::UnknownOption {
            what: "kind of file of a volume".into(),
            got: path.display().to_string(),
            known: format!(".{}; name the format where the file has another name", known.join(", .")),
        }
    })?;
    (chosen.write)(path, volume, name.unwrap_or(matlab::DEFAULT_NAME), monitor)
}

/// Level 7.3 takes over where MATLAB itself refuses level 5.
fn automatic(by_name: &'static Format, volume: &Volume) -> &'static Format {
    let is_large = 4 * volume.as_slice().len() as u64 > matlab::level5::MAX_BYTES;
    let large = FORMATS.iter().find(|f| f.format == VolumeFormat::Mat73);
    match large {
        Some(large) if is_large && by_name.format == VolumeFormat::Mat5 => large,
        _ => by_name,
    }
}

/// Files of one array take no name.
fn nameless(path: &Path, name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), |name| {
        let why = "its format has one array, without a name".into();
        Err(Error::Unsupported { what: format!("array `{name}` of {}", path.display()), why })
    })
}

fn read_npy(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    nameless(path, name)?;
    let reader = npy::NpyReader::open(path)?;
    let shape = reader.shape().to_vec();
    if shape.len() != 3 {
        return Err(Error::shape(path.display().to_string(), &shape, "three axes [z, y, x]"));
    }
    let values = reader.read::<f32>(monitor)?.into_dimensionality::<Ix3>();
    let values = values.map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Voxels { values, voxel_size: [None; 3] })
}

fn write_npy(path: &Path, volume: &Volume, _name: &str, monitor: &mut Monitor) -> Result<()> {
    npy::write(path, &volume.shape(), volume.as_slice().iter().copied(), monitor)
}

fn read_tiff(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    nameless(path, name)?;
    tiff::read(path, monitor)
}

fn write_tiff(path: &Path, volume: &Volume, _name: &str, monitor: &mut Monitor) -> Result<()> {
    tiff::write(path, volume.values(), Some(volume.voxel_size()), monitor)
}

fn read_mrc(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    nameless(path, name)?;
    let data = mrc::read(path, monitor)?;
    Ok(Voxels { values: data.values, voxel_size: data.voxel_size.map_or([None; 3], |edges| edges.map(Some)) })
}

fn write_mrc(path: &Path, volume: &Volume, _name: &str, monitor: &mut Monitor) -> Result<()> {
    mrc::write(path, volume.values(), volume.voxel_size(), mrc::MrcKind::Volume, monitor)
}
