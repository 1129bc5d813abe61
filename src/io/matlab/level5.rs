//! MAT files of level 5 (`save -v6` and, compressed, `save -v7`): numeric variables in, one volume out.
//!
//! A file is a header of 128 bytes and a row of elements: a tag of type and length, then the bytes, filled up to a
//! multiple of 8. A variable is an element of elements (flags, dimensions, name, values), on its own or inside a zlib
//! stream. The one crate that reads them calls itself alpha, takes the whole file into memory, and does not write.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::ZlibDecoder;
use ndarray::Array3;

use super::super::voxels::{choose, room_for, unpacked_count, Entry, Voxels};
use super::super::{atomic, file_error, report, Monitor};
use super::{check_name, columns_to_rows, rows_to_bytes, shape_of, VOXEL_SIZE};
use crate::error::{Error, Result};
use crate::specimen::Volume;

const FORMAT: &str = "MAT file of level 5";
const HEADER_BYTES: u64 = 128;
/// Values that are converted between two looks at the monitor.
const CHUNK: usize = 1 << 16;
/// MATLAB has no arrays of more axes, and no longer names.
const MAX_AXES: u32 = 64;
const MAX_NAME: u32 = 4096;
/// From this size on MATLAB itself refuses level 5.
pub(in crate::io) const MAX_BYTES: u64 = (1 << 31) - 1;

/// Types of elements.
const MI_INT8: u32 = 1;
const MI_INT32: u32 = 5;
const MI_UINT32: u32 = 6;
const MI_SINGLE: u32 = 7;
const MI_DOUBLE: u32 = 9;
const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;
/// Classes of variables, by number.
const CLASSES: [&str; 19] = [
    "unknown", "cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16",
    "int32", "uint32", "int64", "uint64", "function", "opaque", "object",
];
const MX_DOUBLE: u8 = 6;
const MX_SINGLE: u8 = 7;
const MX_UINT64: u8 = 15;
const FLAG_COMPLEX: u32 = 0x0800;

/// Whether a file that begins with `head` is one.
pub(in crate::io) fn is_level5(head: &[u8]) -> bool {
    head.get(124..128).is_some_and(|mark| mark == [0, 1, b'I', b'M'] || mark == [1, 0, b'M', b'I'])
}

/// Reads the volume called `name`, or the only one.
///
/// # Errors
/// `File`, `Format` for malformed or damaged files with the place, `Truncated`, those of [`choose`], `Memory`,
/// `Cancelled`.
pub(in crate::io) fn read(path: &Path, name: Option<&str>, monitor: &mut Monitor) -> Result<Voxels> {
    let mut opened = Opened::new(path)?;
    let variables = opened.variables(monitor)?;
    let entries: Vec<Entry> = variables.iter().map(Variable::entry).collect();
    let chosen = &variables[choose(path, &entries, name, true)?];
    let voxel_size = variables.iter().find_map(|v| v.voxel_size);
    let shape = shape_of(&chosen.dimensions).ok_or_else(|| bad(path, chosen.at, "its dimensions are none"))?;
    let mut values = opened.values(chosen, monitor)?;
    columns_to_rows(&mut values, shape);
    let values = Array3::from_shape_vec(shape, values).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Voxels { values, voxel_size: [voxel_size; 3] })
}

struct Opened<'a> {
    path: &'a Path,
    file: BufReader<File>,
    length: u64,
    big_endian: bool,
}

/// What the head of a variable says.
struct Variable {
    name: String,
    class: u8,
    is_complex: bool,
    dimensions: Vec<u64>,
    /// Where its element begins.
    at: u64,
    /// The value of the scalar that tells the edge of a voxel.
    voxel_size: Option<f64>,
}

impl Variable {
    fn is_numeric(&self) -> bool {
        (MX_DOUBLE..=MX_UINT64).contains(&self.class)
    }

    fn entry(&self) -> Entry {
        let class = CLASSES.get(usize::from(self.class)).unwrap_or(&CLASSES[0]);
        Entry {
            name: self.name.clone(),
            shape: self.dimensions.clone(),
            kind: format!("{}{class}", if self.is_complex { "complex " } else { "" }),
            is_real: self.is_numeric() && !self.is_complex,
        }
    }
}

/// The elements inside a variable, as they come out of the file.
struct Elements<R> {
    source: R,
    big_endian: bool,
}

/// A tag; data of up to four bytes stand in the tag itself.
struct Tag {
    kind: u32,
    bytes: u32,
    within: Option<[u8; 4]>,
}

fn number(bytes: [u8; 4], big_endian: bool) -> u32 {
    if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

fn invalid(why: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}

impl<R: Read> Elements<R> {
    fn number(&mut self) -> std::io::Result<u32> {
        let mut bytes = [0; 4];
        self.source.read_exact(&mut bytes)?;
        Ok(number(bytes, self.big_endian))
    }

    fn tag(&mut self) -> std::io::Result<Tag> {
        let first = self.number()?;
        let mut rest = [0; 4];
        self.source.read_exact(&mut rest)?;
        Ok(match first >> 16 {
            0 => Tag { kind: first, bytes: number(rest, self.big_endian), within: None },
            bytes => Tag { kind: first & 0xffff, bytes, within: Some(rest) },
        })
    }

    /// An element of at most `most` bytes that must be of one of `kinds`.
    fn short(&mut self, what: &str, kinds: &[u32], most: u32) -> std::io::Result<Vec<u8>> {
        let tag = self.tag()?;
        let limit = if tag.within.is_some() { 4 } else { most };
        if !kinds.contains(&tag.kind) || tag.bytes > limit {
            return Err(invalid(format!("its {what} are an element of type {} with {} bytes", tag.kind, tag.bytes)));
        }
        let mut bytes = match tag.within {
            Some(bytes) => bytes.to_vec(),
            None => vec![0; tag.bytes.next_multiple_of(8) as usize],
        };
        if tag.within.is_none() {
            self.source.read_exact(&mut bytes)?;
        }
        bytes.truncate(tag.bytes as usize);
        Ok(bytes)
    }

    /// Flags, dimensions and name of a variable, up to its values.
    fn head(&mut self, at: u64) -> std::io::Result<Variable> {
        let flags = self.short("flags", &[MI_UINT32], 8)?;
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks_exact(4).map(|b| number([b[0], b[1], b[2], b[3]], self.big_endian)).collect()
        };
        let [flags, _] = words(&flags)[..] else { return Err(invalid("its flags are no two words".into())) };
        let class = (flags & 0xff) as u8;
        let mut variable = Variable {
            name: String::new(),
            class,
            is_complex: flags & FLAG_COMPLEX != 0,
            dimensions: vec![],
            at,
            voxel_size: None,
        };
        if class == 17 {
            return Ok(variable); // objects of new kinds have no dimensions
        }
        let big_endian = self.big_endian;
        let dimensions = self.short("dimensions", &[MI_INT32], 4 * MAX_AXES)?;
        for b in dimensions.chunks_exact(4) {
            let n = number([b[0], b[1], b[2], b[3]], big_endian) as i32;
            variable.dimensions.push(u64::try_from(n).map_err(|_| invalid(format!("one of its dimensions is {n}")))?);
        }
        let name = self.short("letters of the name", &[MI_INT8, 2, 16], MAX_NAME)?;
        variable.name = String::from_utf8_lossy(&name).into_owned();
        Ok(variable)
    }

    /// `count` real numbers of an element, handed on in pieces of up to `CHUNK`.
    fn numbers(
        &mut self,
        count: usize,
        mut take: impl FnMut(&[u8], &dyn Fn(&[u8]) -> f64) -> Result<()>,
    ) -> std::io::Result<Result<()>> {
        let tag = self.tag()?;
        let (size, convert) = conversion(tag.kind, self.big_endian)
            .ok_or_else(|| invalid(format!("its values are of the unknown type {}", tag.kind)))?;
        if u64::from(tag.bytes) != count as u64 * size as u64 {
            let wanted = count as u64 * size as u64;
            return Err(invalid(format!("{} bytes of values follow, {wanted} were announced", tag.bytes)));
        }
        if let Some(bytes) = tag.within {
            let bytes =
                bytes.get(..tag.bytes as usize).ok_or_else(|| invalid("a short element of over 4 bytes".into()))?;
            return Ok(take(bytes, &convert));
        }
        let mut buffer = vec![0; CHUNK.min(count) * size];
        let mut left = count;
        while left > 0 {
            let now = left.min(CHUNK);
            let piece = &mut buffer[..now * size];
            self.source.read_exact(piece)?;
            if let Err(error) = take(piece, &convert) {
                return Ok(Err(error));
            }
            left -= now;
        }
        Ok(Ok(()))
    }
}

type Convert = Box<dyn Fn(&[u8]) -> f64>;

/// Bytes of a number of type `kind`, and what makes it one; the function is given just these bytes.
fn conversion(kind: u32, big_endian: bool) -> Option<(usize, Convert)> {
    macro_rules! from_bytes {
        ($t:ty) => {{
            let convert = move |bytes: &[u8]| {
                let mut b = [0; size_of::<$t>()];
                b.copy_from_slice(bytes);
                (if big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) }) as f64
            };
            (size_of::<$t>(), Box::new(convert) as Convert)
        }};
    }
    Some(match kind {
        1 => from_bytes!(i8),
        2 => from_bytes!(u8),
        3 => from_bytes!(i16),
        4 => from_bytes!(u16),
        5 => from_bytes!(i32),
        6 => from_bytes!(u32),
        7 => from_bytes!(f32),
        9 => from_bytes!(f64),
        12 => from_bytes!(i64),
        13 => from_bytes!(u64),
        _ => return None,
    })
}

fn bad(path: &Path, at: u64, why: impl std::fmt::Display) -> Error {
    let why = format!("the element at byte {at}: {why}");
    Error::Format { path: path.to_path_buf(), format: FORMAT, why }
}

/// What an error of reading inside the element at byte `at` means: the length of the file was checked before, so an
/// early end and bad data are faults of the file.
fn reading(path: &Path, at: u64, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => bad(path, at, "it ends before its values do"),
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => bad(path, at, error),
        _ => file_error("reading", path)(error),
    }
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(file_error("opening", path))?;
        let length = file.metadata().map_err(file_error("reading", path))?.len();
        if length < HEADER_BYTES {
            return Err(Error::Truncated { path: path.to_path_buf(), got: length, wanted: HEADER_BYTES });
        }
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut head = [0; HEADER_BYTES as usize];
        file.read_exact(&mut head).map_err(file_error("reading", path))?;
        if !is_level5(&head) {
            let why = "its header lacks the mark of level 5".into();
            return Err(Error::Format { path: path.to_path_buf(), format: FORMAT, why });
        }
        Ok(Self { path, file, length, big_endian: head[126] == b'M' })
    }

    /// Type and length of the element at `at`.
    fn element(&mut self, at: u64) -> Result<(u32, u32)> {
        let mut tag = [0; 8];
        self.file.seek(SeekFrom::Start(at)).map_err(file_error("reading", self.path))?;
        let wanted = at + tag.len() as u64;
        if wanted > self.length {
            return Err(Error::Truncated { path: self.path.to_path_buf(), got: self.length, wanted });
        }
        self.file.read_exact(&mut tag).map_err(file_error("reading", self.path))?;
        let [a, b, c, d, e, f, g, h] = tag;
        let (kind, bytes) = (number([a, b, c, d], self.big_endian), number([e, f, g, h], self.big_endian));
        let wanted = wanted + u64::from(bytes);
        if wanted > self.length {
            return Err(Error::Truncated { path: self.path.to_path_buf(), got: self.length, wanted });
        }
        Ok((kind, bytes))
    }

    /// The inside of the variable at `at`; `None` where another element stands there.
    fn enter(&mut self, at: u64) -> Result<Option<Elements<Box<dyn Read + '_>>>> {
        let (kind, bytes) = self.element(at)?;
        let big_endian = self.big_endian;
        let inside = (&mut self.file).take(bytes.into());
        match kind {
            MI_MATRIX => Ok(Some(Elements { source: Box::new(inside), big_endian })),
            MI_COMPRESSED => {
                let mut elements: Elements<Box<dyn Read + '_>> =
                    Elements { source: Box::new(ZlibDecoder::new(inside)), big_endian };
                match elements.tag() {
                    Ok(tag) if tag.kind == MI_MATRIX && tag.within.is_none() => Ok(Some(elements)),
                    Ok(_) => Ok(None),
                    Err(error) => Err(reading(self.path, at, error)),
                }
            }
            1..=18 => Ok(None),
            _ => Err(bad(self.path, at, format!("it is of the unknown type {kind}"))),
        }
    }

    /// The heads of all variables, and the scalar that tells the edge of a voxel.
    fn variables(&mut self, monitor: &mut Monitor) -> Result<Vec<Variable>> {
        let mut variables = Vec::new();
        let mut at = HEADER_BYTES;
        while at < self.length {
            report(monitor, "reading", 0.0)?;
            let head = self.enter(at)?.map(|mut elements| {
                let variable = elements.head(at)?;
                let is_size = variable.name == VOXEL_SIZE && variable.is_numeric() && !variable.is_complex;
                let mut voxel_size = None;
                if is_size && variable.dimensions.iter().all(|n| *n == 1) {
                    // a scalar that cannot be read tells nothing
                    let _ = elements.numbers(1, |bytes, convert| {
                        voxel_size = Some(convert(bytes)).filter(|v| v.is_finite() && *v > 0.0);
                        Ok(())
                    });
                }
                Ok(Variable { voxel_size, ..variable })
            });
            if let Some(head) = head {
                variables.push(head.map_err(|error| reading(self.path, at, error))?);
            }
            at += 8 + u64::from(self.element(at)?.1);
        }
        Ok(variables)
    }

    /// The values of `variable`, in the order of the file.
    fn values(&mut self, variable: &Variable, monitor: &mut Monitor) -> Result<Vec<f32>> {
        let (path, at) = (self.path, variable.at);
        let (_, stored) = self.element(at)?;
        let count = unpacked_count(path, FORMAT, &variable.dimensions, 1, stored.into())?;
        let mut values = room_for(path, count)?;
        let Some(mut elements) = self.enter(at)? else {
            return Err(Error::Internal(format!("the variable at byte {at} is gone")));
        };
        let read = elements.head(at).and_then(|_| {
            let read = elements.numbers(count, |bytes, convert| {
                report(monitor, "reading", values.len() as f64 / count as f64)?;
                let size = bytes.len() / CHUNK.min(count - values.len());
                values.extend(bytes.chunks_exact(size).map(|b| convert(b) as f32));
                Ok(())
            })?;
            // to the end of the stream, where its checksum stands: not further than a filling of 8 bytes
            let mut rest = [0; 16];
            while read.is_ok() && elements.source.read(&mut rest)? > 0 {}
            Ok(read)
        });
        read.map_err(|error| reading(path, at, error))??;
        report(monitor, "reading", 1.0)?;
        Ok(values)
    }
}

/// Writes `volume` as the variable `name` (single), and the scalar `voxel_size` (double, angstrom).
///
/// # Errors
/// `Range` for a name that MATLAB does not take and for volumes of 2 GiB and more, `File`, `Cancelled`: then nothing
/// is left behind.
pub(in crate::io) fn write(path: &Path, volume: &Volume, name: &str, monitor: &mut Monitor) -> Result<()> {
    check_name(name)?;
    let shape = volume.shape();
    let [nz, ny, nx] = shape.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    let bytes = 4 * volume.as_slice().len() as u64;
    if bytes > MAX_BYTES {
        let wanted = format!("at most {MAX_BYTES} bytes of values; level 7.3 takes more");
        return Err(Error::range("volume for a MAT file of level 5", format!("{bytes} bytes"), wanted));
    }
    let mut head = format!("{:<124}", format!("MATLAB 5.0 MAT-file, written by libaet {}", env!("CARGO_PKG_VERSION")));
    head.replace_range(116..124, "\0\0\0\0\0\0\0\0"); // no data of subsystems
    let mut start = head.into_bytes();
    start.extend([0, 1, b'I', b'M']);
    let size = volume.voxel_size().to_le_bytes();
    start.extend(variable(VOXEL_SIZE, MX_DOUBLE, &[1, 1], MI_DOUBLE, size.len() as u32));
    start.extend(size);
    start.extend(variable(name, MX_SINGLE, &[ny, nx, nz], MI_SINGLE, bytes as u32));
    atomic::write(path, |out| {
        out.write_all(&start).map_err(file_error("writing", path))?;
        for (z, page) in volume.values().outer_iter().enumerate() {
            report(monitor, "writing", z as f64 / shape[0] as f64)?;
            out.write_all(&rows_to_bytes(page)).map_err(file_error("writing", path))?;
        }
        let filling = bytes.next_multiple_of(8) - bytes;
        out.write_all(&[0; 8][..filling as usize]).map_err(file_error("writing", path))?;
        report(monitor, "writing", 1.0)
    })
}

/// All of a variable that stands before its `bytes` of values of type `kind`.
fn variable(name: &str, class: u8, dimensions: &[i32], kind: u32, bytes: u32) -> Vec<u8> {
    let mut inside = Vec::new();
    let mut element = |kind: u32, data: &[u8]| {
        inside.extend(kind.to_le_bytes());
        inside.extend((data.len() as u32).to_le_bytes());
        inside.extend(data);
        inside.resize(inside.len().next_multiple_of(8), 0);
    };
    element(MI_UINT32, &[class, 0, 0, 0, 0, 0, 0, 0]);
    element(MI_INT32, &dimensions.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>());
    element(MI_INT8, name.as_bytes());
    inside.extend(kind.to_le_bytes());
    inside.extend(bytes.to_le_bytes());
    let mut all = MI_MATRIX.to_le_bytes().to_vec();
    all.extend((inside.len() as u32 + bytes.next_multiple_of(8)).to_le_bytes());
    all.extend(inside);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{write::ZlibEncoder, Compression};
    use std::io::Write;

    fn keep(_: f64) -> bool {
        true
    }

    /// A file of one variable of big-endian numbers; `short`: its name stands in the tag.
    fn big_endian(short: bool) -> Vec<u8> {
        let mut file = vec![b' '; 124];
        file.extend([1, 0, b'M', b'I']);
        let mut inside: Vec<u8> = vec![];
        let mut put = |words: &[u32]| inside.extend(words.iter().flat_map(|w| w.to_be_bytes()));
        put(&[MI_UINT32, 8, u32::from(MX_DOUBLE), 0, MI_INT32, 12, 2, 1, 3, 0]);
        match short {
            true => put(&[(2 << 16) | MI_INT8, 0x6162_0000]),
            false => put(&[MI_INT8, 2, 0x6162_0000, 0]),
        }
        put(&[3, 12, 0x0001_fffe, 0x0003_0004, 0x0005_0006, 0]); // 16-bit integers
        file.extend([MI_MATRIX, inside.len() as u32].iter().flat_map(|w| w.to_be_bytes()));
        file.extend(inside);
        file
    }

    fn read_bytes(bytes: &[u8]) -> Result<Voxels> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mat");
        std::fs::write(&path, bytes).unwrap();
        read(&path, Some("ab"), &mut keep)
    }

    #[test]
    fn big_endian_files_and_short_elements() {
        let wanted = Array3::from_shape_vec((3, 2, 1), vec![1.0, -2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        for short in [true, false] {
            assert_eq!(read_bytes(&big_endian(short)).unwrap().values, wanted);
        }
    }

    #[test]
    fn packed_values_are_held_to_their_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mat");
        let values = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (z * y * x) as f32);
        write(&path, &Volume::new(values.clone(), 1.0).unwrap(), "ab", &mut keep).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let (head, variables) = whole.split_at(HEADER_BYTES as usize);
        let mut packed = head.to_vec();
        let size_of_first = 8 + u32::from_le_bytes([variables[4], variables[5], variables[6], variables[7]]) as usize;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&variables[size_of_first..]).unwrap();
        let stream = encoder.finish().unwrap();
        packed.extend(MI_COMPRESSED.to_le_bytes());
        packed.extend((stream.len() as u32).to_le_bytes());
        packed.extend(&stream);
        assert_eq!(read_bytes(&packed).unwrap().values, values);
        *packed.last_mut().unwrap() ^= 1;
        let error = read_bytes(&packed).unwrap_err();
        assert!(error.code() == 401 && error.to_string().contains("byte 128"), "{error}");
    }

    #[test]
    fn malformed_elements_are_named_with_their_place() {
        let good = big_endian(false);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let error = read_bytes(&bytes).unwrap_err();
            (error.code(), error.to_string())
        };
        for (at, byte, wanted, part) in [
            (131, 99, 401, "unknown type 99"),
            (134, 255, 403, "cut short"),
            (139, 5, 401, "flags are an element of type 5"),
            (160, 255, 401, "one of its dimensions is"),
            (163, 9, 401, "12 bytes of values follow, 54 were announced"),
            (195, 77, 401, "unknown type 77"),
        ] {
            let (code, text) = with(at, byte);
            assert!(code == wanted && text.contains(part), "byte {at}: {code} {text}");
        }
        assert_eq!(read_bytes(&good[..good.len() - 1]).unwrap_err().code(), 403);
        assert_eq!(read_bytes(&good[..100]).unwrap_err().code(), 403);
    }
}
