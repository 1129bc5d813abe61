//! MRC files (MRC2014 and older): volumes and stacks of images, either byte order, any extended header.
//!
//! Modes 0 (bytes), 1 (16 bit), 2 (floats), 6 (unsigned 16 bit) and 12 (half floats) are read, floats are written. The
//! header has a fixed 1024 bytes, so this is a reader of its own: it compares the sizes that the header tells with the
//! length of the file before it allocates anything.

use super::{atomic, file_error, report, Monitor};
use crate::error::{Error, Result};
use crate::grid;
use half::f16;
use ndarray::{Array3, ArrayView3};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const FORMAT: &str = "MRC file";
const HEADER_BYTES: u64 = 1024;
/// Edges beyond this belong to no array of numbers, but to files of another kind.
const MAX_EDGE: i32 = 1 << 24;
/// IMOD's mark (word 38) of files whose bytes may be unsigned, and the flag (word 39) that they are signed.
const IMOD_STAMP: i32 = 1_146_047_817;
const IMOD_SIGNED: i32 = 1;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct MrcData {
    /// `[section, row, column]`, or `[z, y, x]`: axes that the file stores in another order were exchanged.
    pub values: Array3<f32>,
    /// Edges of a voxel along x, y and z, angstrom; `None` where the header does not tell.
    pub voxel_size: Option<[f64; 3]>,
}

/// What is written: marked in the header for programs that care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MrcKind {
    /// Images of a series.
    Stack,
    /// Voxels.
    Volume,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    I8,
    U8,
    I16,
    F32,
    U16,
    F16,
}

struct Header {
    big_endian: bool,
    /// Columns, rows, sections as stored.
    shape: [usize; 3],
    mode: Mode,
    /// Which of x, y, z (0, 1, 2) columns, rows and sections run along.
    axes: [usize; 3],
    voxel_size: Option<[f64; 3]>,
    data_offset: u64,
}

impl Mode {
    fn bytes(self) -> usize {
        match self {
            Mode::I8 | Mode::U8 => 1,
            Mode::I16 | Mode::U16 | Mode::F16 => 2,
            Mode::F32 => 4,
        }
    }

    fn value(self, bytes: &[u8], big_endian: bool) -> f32 {
        let pair = |b: &[u8]| {
            let b = [b[0], b[1]];
            if big_endian {
                u16::from_be_bytes(b)
            } else {
                u16::from_le_bytes(b)
            }
        };
        match self {
            Mode::I8 => f32::from(bytes[0] as i8),
            Mode::U8 => f32::from(bytes[0]),
            Mode::I16 => f32::from(pair(bytes) as i16),
            Mode::U16 => f32::from(pair(bytes)),
            Mode::F16 => f16::from_bits(pair(bytes)).to_f32(),
            Mode::F32 => f32::from_bits(word(bytes, 0, big_endian) as u32),
        }
    }
}

/// Reads a file; `monitor` hears the fraction read.
///
/// # Errors
/// `File` where it cannot be read, `Format` for a header that is none, `Unsupported` for modes that are not real numbers,
/// `Truncated` where fewer values follow than the header says, `Cancelled`.
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<MrcData> {
    let file = File::open(path).map_err(file_error("opening", path))?;
    let length = file.metadata().map_err(file_error("reading", path))?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let header = read_header(&mut file, path, length)?;
    file.seek(SeekFrom::Start(header.data_offset)).map_err(file_error("reading", path))?;
    let [nx, ny, nz] = header.shape;
    let mut values = Vec::with_capacity(nx * ny * nz); // no more than four times the length of the file
    let mut row = vec![0u8; nx * header.mode.bytes()];
    for section in 0..nz {
        report(monitor, "reading", section as f64 / nz as f64)?;
        for _ in 0..ny {
            file.read_exact(&mut row).map_err(file_error("reading", path))?;
            let stored = row.chunks_exact(header.mode.bytes());
            values.extend(stored.map(|bytes| header.mode.value(bytes, header.big_endian)));
        }
    }
    let stored = Array3::from_shape_vec((nz, ny, nx), values).map_err(|e| Error::Internal(e.to_string()))?;
    // Axis k of the result, z, y, x, is the stored axis (sections, rows, columns) that runs along it.
    let along = |axis: usize| 2 - header.axes.iter().position(|a| *a == axis).unwrap_or(axis);
    let values = stored.permuted_axes([along(2), along(1), along(0)]).as_standard_layout().into_owned();
    report(monitor, "reading", 1.0)?;
    Ok(MrcData { values, voxel_size: header.voxel_size })
}

/// Writes floats (mode 2, little endian, MRC2014) `[section, row, column]` or `[z, y, x]` of `voxel_size` angstrom. The
/// origin of a volume is written so that the specimen origin, voxel n / 2, lies at 0.
///
/// # Errors
/// `File`, `Range` for arrays too large for the format, `Cancelled`: then nothing is left behind.
pub fn write(
    path: &Path,
    values: ArrayView3<'_, f32>,
    voxel_size: f64,
    kind: MrcKind,
    monitor: &mut Monitor,
) -> Result<()> {
    let header = header_of(values, voxel_size, kind)?;
    atomic::write(path, |out| {
        out.write_all(&header).map_err(file_error("writing", path))?;
        let sections = values.dim().0;
        for (i, section) in values.outer_iter().enumerate() {
            report(monitor, "writing", i as f64 / sections as f64)?;
            let bytes: Vec<u8> = section.iter().flat_map(|v| v.to_le_bytes()).collect();
            out.write_all(&bytes).map_err(file_error("writing", path))?;
        }
        report(monitor, "writing", 1.0)
    })
}

fn header_of(values: ArrayView3<'_, f32>, voxel_size: f64, kind: MrcKind) -> Result<Vec<u8>> {
    let (nz, ny, nx) = values.dim();
    let mut header = vec![0u8; HEADER_BYTES as usize];
    let mut put = |word: usize, bytes: [u8; 4]| header[4 * word..4 * word + 4].copy_from_slice(&bytes);
    let mut lengths = [0i32; 3];
    for (axis, n) in [nx, ny, nz].into_iter().enumerate() {
        let n = i32::try_from(n).ok().filter(|n| (1..=MAX_EDGE).contains(n));
        lengths[axis] = n.ok_or_else(|| {
            Error::range("shape of an MRC file", format!("{nz} x {ny} x {nx}"), format!("edges of 1 to {MAX_EDGE}"))
        })?;
        put(axis, lengths[axis].to_le_bytes());
        let samples = if kind == MrcKind::Stack && axis == 2 { 1 } else { lengths[axis] };
        put(7 + axis, samples.to_le_bytes());
        put(10 + axis, ((f64::from(samples) * voxel_size) as f32).to_le_bytes());
        put(13 + axis, 90f32.to_le_bytes());
        put(16 + axis, (axis as i32 + 1).to_le_bytes());
        let origin =
            if kind == MrcKind::Volume { -(grid::origin(n_of(lengths[axis])) as f64) * voxel_size } else { 0.0 };
        put(49 + axis, (origin as f32).to_le_bytes());
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    put(3, 2i32.to_le_bytes());
    put(19, low.to_le_bytes());
    put(20, high.to_le_bytes());
    put(21, (mean as f32).to_le_bytes());
    put(22, i32::from(kind == MrcKind::Volume).to_le_bytes());
    put(27, 20141i32.to_le_bytes());
    put(52, *b"MAP ");
    put(53, [0x44, 0x44, 0, 0]);
    put(54, (variance.sqrt() as f32).to_le_bytes());
    put(55, 1i32.to_le_bytes());
    let label = format!("libaet {}", env!("CARGO_PKG_VERSION"));
    header[224..224 + label.len()].copy_from_slice(label.as_bytes());
    Ok(header)
}

fn n_of(length: i32) -> usize {
    usize::try_from(length).unwrap_or(0)
}

fn word(bytes: &[u8], index: usize, big_endian: bool) -> i32 {
    let at = 4 * index;
    let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian {
        i32::from_be_bytes(word)
    } else {
        i32::from_le_bytes(word)
    }
}

fn read_header(file: &mut impl Read, path: &Path, length: u64) -> Result<Header> {
    if length < HEADER_BYTES {
        return Err(Error::Truncated { path: path.to_path_buf(), got: length, wanted: HEADER_BYTES });
    }
    let mut bytes = vec![0u8; HEADER_BYTES as usize];
    file.read_exact(&mut bytes).map_err(file_error("reading", path))?;
    let format = |why: String| Error::Format { path: path.to_path_buf(), format: FORMAT, why };
    let big_endian = byte_order(&bytes).ok_or_else(|| {
        let got: Vec<i32> = (0..4).map(|i| word(&bytes, i, false)).collect();
        format(format!("columns, rows, sections and mode would be {got:?}, in neither byte order possible"))
    })?;
    let of = |index: usize| word(&bytes, index, big_endian);
    let shape = [n_of(of(0)), n_of(of(1)), n_of(of(2))];
    let mode = match of(3) {
        0 if of(38) == IMOD_STAMP && of(39) & IMOD_SIGNED == 0 => Mode::U8,
        0 => Mode::I8,
        1 => Mode::I16,
        2 => Mode::F32,
        6 => Mode::U16,
        12 => Mode::F16,
        other => {
            return Err(Error::Unsupported {
                what: format!("mode {other} of {}", path.display()),
                why: "real numbers are read: modes 0, 1, 2, 6 and 12".into(),
            })
        }
    };
    let axes = axes_of([of(16), of(17), of(18)]).ok_or_else(|| {
        format(format!(
            "its axes (mapc, mapr, maps) are {}, {}, {}, wanted 1, 2, 3 in any order",
            of(16),
            of(17),
            of(18)
        ))
    })?;
    let extended = u64::try_from(of(23)).map_err(|_| format(format!("its extended header has {} bytes", of(23))))?;
    let data_offset = HEADER_BYTES + extended;
    let values = shape.iter().try_fold(mode.bytes() as u64, |product, n| product.checked_mul(*n as u64));
    match values.and_then(|bytes| bytes.checked_add(data_offset)) {
        Some(wanted) if wanted <= length => {}
        Some(wanted) => return Err(Error::Truncated { path: path.to_path_buf(), got: length, wanted }),
        None => return Err(format(format!("its shape {shape:?} exceeds the address space"))),
    }
    let edge = |axis: usize| {
        let cell = f64::from(f32::from_bits(of(10 + axis) as u32));
        let size = cell / f64::from(of(7 + axis));
        (size.is_finite() && size > 0.0).then_some(size)
    };
    let voxel_size = match (edge(0), edge(1), edge(2)) {
        (Some(x), Some(y), Some(z)) => Some([x, y, z]),
        _ => None,
    };
    Ok(Header { big_endian, shape, mode, axes, voxel_size, data_offset })
}

/// Whether a file that begins with `head` may be one: it carries the mark, or its first words make sense.
pub(super) fn is_mrc(head: &[u8]) -> bool {
    head.get(208..212).is_some_and(|mark| mark == b"MAP ")
        || (head.len() as u64 >= HEADER_BYTES && byte_order(head).is_some())
}

/// Whether the file is big endian: by its machine stamp, or, where that is missing or wrong, by what makes sense.
fn byte_order(bytes: &[u8]) -> Option<bool> {
    let possible = |big: bool| {
        (0..3).all(|i| (1..=MAX_EDGE).contains(&word(bytes, i, big))) && (0..=127).contains(&word(bytes, 3, big))
    };
    let stamped = bytes[212] == 0x11;
    [stamped, !stamped].into_iter().find(|big| possible(*big))
}

/// 0-based axes of columns, rows and sections; old files leave them 0.
fn axes_of(stored: [i32; 3]) -> Option<[usize; 3]> {
    if stored == [0; 3] {
        return Some([0, 1, 2]);
    }
    let mut sorted = stored;
    sorted.sort_unstable();
    (sorted == [1, 2, 3]).then(|| stored.map(|axis| n_of(axis) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(_: f64) -> bool {
        true
    }

    fn values() -> Array3<f32> {
        Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (100 * z + 10 * y + x) as f32 - 20.0)
    }

    /// A file of some mode with an extended header, word by word.
    fn file(mode: i32, big: bool, axes: [i32; 3], extended: usize, encode: &dyn Fn(f32) -> Vec<u8>) -> Vec<u8> {
        let mut bytes = vec![0u8; 1024 + extended];
        let mut put = |at: usize, v: i32| {
            let word = if big { v.to_be_bytes() } else { v.to_le_bytes() };
            bytes[4 * at..4 * at + 4].copy_from_slice(&word);
        };
        for (at, v) in [(0, 5), (1, 4), (2, 3), (3, mode), (7, 5), (8, 4), (9, 3), (23, extended as i32)] {
            put(at, v);
        }
        (0..3).for_each(|a| put(16 + a, axes[a]));
        (0..3).for_each(|a| put(10 + a, (0.5f32 * [5.0, 4.0, 3.0][a]).to_bits() as i32));
        bytes[212] = if big { 0x11 } else { 0x44 };
        bytes.extend(values().iter().flat_map(|v| encode(*v)));
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<MrcData> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wörk 1.mrc");
        std::fs::write(&path, bytes).unwrap();
        read(&path, &mut keep)
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mrc");
        for kind in [MrcKind::Stack, MrcKind::Volume] {
            write(&path, values().view(), 0.34, kind, &mut keep).unwrap();
            let back = read(&path, &mut keep).unwrap();
            assert_eq!(back.values, values());
            assert!(back.voxel_size.unwrap().iter().all(|v| (v - 0.34).abs() < 1e-6));
        }
        let error = write(&path, values().view(), 1.0, MrcKind::Volume, &mut |_| false).unwrap_err();
        assert_eq!((error.code(), read(&path, &mut keep).unwrap().values), (1, values()));
    }

    #[test]
    fn modes_byte_orders_and_extended_headers() {
        for big in [false, true] {
            let two = |v: u16| if big { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() };
            let four = |v: u32| if big { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() };
            type Encode<'a> = &'a dyn Fn(f32) -> Vec<u8>;
            let cases: [(i32, Encode<'_>); 4] = [
                (1, &|v| two(v as i16 as u16)),
                (2, &|v| four(v.to_bits())),
                (12, &|v| two(f16::from_f32(v).to_bits())),
                (6, &|v| two((v + 20.0) as u16)),
            ];
            for (mode, encode) in cases {
                let wanted = values() + if mode == 6 { 20.0 } else { 0.0 };
                let data = read_bytes(&file(mode, big, [1, 2, 3], 160, encode)).unwrap();
                assert_eq!(data.values, wanted, "mode {mode}, big {big}");
                assert_eq!(data.voxel_size, Some([0.5; 3]));
            }
            let mut bytes = file(0, big, [0, 0, 0], 0, &|v| vec![(v as i32 % 100) as i8 as u8]);
            assert_eq!(read_bytes(&bytes).unwrap().values[[0, 0, 0]], -20.0);
            let stamp = if big { IMOD_STAMP.to_be_bytes() } else { IMOD_STAMP.to_le_bytes() };
            bytes[152..156].copy_from_slice(&stamp);
            assert_eq!(read_bytes(&bytes).unwrap().values[[0, 0, 0]], 236.0, "IMOD's unsigned bytes");
        }
    }

    #[test]
    fn axes_are_put_in_order() {
        // Columns along z, rows along x, sections along y.
        let data = read_bytes(&file(2, false, [3, 1, 2], 0, &|v| v.to_le_bytes().to_vec())).unwrap();
        assert_eq!(data.values.shape(), [5, 3, 4]);
        assert_eq!(data.values[[4, 2, 3]], values()[[2, 3, 4]]);
        assert_eq!(data.values[[1, 2, 0]], values()[[2, 0, 1]]);
    }

    #[test]
    fn bad_files_are_named_before_memory_is_taken() {
        let good = file(2, false, [1, 2, 3], 0, &|v| v.to_le_bytes().to_vec());
        let with = |word: usize, v: i32| {
            let mut bytes = good.clone();
            bytes[4 * word..4 * word + 4].copy_from_slice(&v.to_le_bytes());
            read_bytes(&bytes).unwrap_err().code()
        };
        assert_eq!(read_bytes(&good[..100]).unwrap_err().code(), 403);
        assert_eq!(read_bytes(&good[..good.len() - 1]).unwrap_err().code(), 403);
        assert_eq!(with(2, 1 << 24), 403, "a huge stack is refused by the length of the file");
        assert_eq!(with(0, -1), 401);
        assert_eq!(with(3, 4), 107);
        assert_eq!(with(3, 99), 107);
        assert_eq!(with(3, 1000), 401);
        assert_eq!(with(16, 2), 401);
        assert_eq!(with(23, -5), 401);
        assert_eq!(with(23, i32::MAX), 403);
        assert_eq!(read_bytes(&[7u8; 2000]).unwrap_err().code(), 401);
        assert_eq!(read(Path::new("no such file.mrc"), &mut keep).unwrap_err().code(), 400);
    }
}
