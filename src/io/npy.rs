//! NumPy arrays (`.npy`, versions 1 to 3): real numbers of any type and complex ones, either byte order, either memory
//! order.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use num_complex::{Complex32, Complex64};

use super::{atomic, file_error, report, Monitor};
use crate::error::{Error, Result};

const FORMAT: &str = "npy file";
/// Longer headers than any array of numbers has are not parsed.
const MAX_HEADER: u64 = 1 << 16;
/// Deeper brackets than any array of numbers has are not parsed.
const MAX_BRACKETS: usize = 4;
/// Values between two looks at the monitor.
const CHUNK: usize = 1 << 20;

/// An opened `.npy` file of real numbers whose header was checked against its length.
pub struct NpyReader {
    opened: Opened,
    kind: Kind,
}

/// An opened file of any numbers, checked.
struct Opened {
    path: PathBuf,
    file: NpyFile<BufReader<File>>,
    shape: Vec<usize>,
}

/// Element types that are read: letter and size of numpy's type string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

/// A type that arrays are read into.
pub trait Element: Copy {
    /// What a value must be, in words.
    const WANTED: &str;
    /// From the value in the file; `None` where it cannot be represented.
    fn from_real(value: f64) -> Option<Self>;
}

impl Element for f32 {
    const WANTED: &str = "a real number";
    fn from_real(value: f64) -> Option<Self> {
        Some(value as f32)
    }
}

impl Element for f64 {
    const WANTED: &str = "a real number";
    fn from_real(value: f64) -> Option<Self> {
        Some(value)
    }
}

impl Element for i64 {
    const WANTED: &str = "an integer";
    fn from_real(value: f64) -> Option<Self> {
        // all integers up to 2^53 are exact in f64
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    }
}

impl Element for u8 {
    const WANTED: &str = "an integer 0 to 255";
    fn from_real(value: f64) -> Option<Self> {
        (value.fract() == 0.0 && (0.0..=255.0).contains(&value)).then_some(value as u8)
    }
}

/// An element of a file, exact in f64 but for 64-bit integers beyond 2^53.
trait Stored: npyz::Deserialize {
    fn real(self) -> f64;
}

macro_rules! stored {
    ($($t:ty => $convert:expr),*) => {$(
        impl Stored for $t {
            fn real(self) -> f64 {
                $convert(self)
            }
        }
    )*};
}
stored!(bool => |v| f64::from(u8::from(v)), u8 => f64::from, u16 => f64::from, u32 => f64::from, u64 => |v| v as f64,
    i8 => f64::from, i16 => f64::from, i32 => f64::from, i64 => |v| v as f64, f32 => f64::from, f64 => |v| v);

impl Opened {
    fn new(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(file_error("opening", path))?;
        let length = file.metadata().map_err(file_error("reading", path))?.len();
        let header_bytes = check_header(&mut file, path, length)?;
        file.rewind().map_err(file_error("reading", path))?;
        let file = NpyFile::new(BufReader::with_capacity(1 << 20, file)).map_err(|e| format_error(path, e))?;
        let shape = file.shape().iter().map(|n| usize::try_from(*n)).collect::<std::result::Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| format_error(path, "the shape exceeds the address space"))?;
        let item_bytes = file.dtype().num_bytes().unwrap_or(1) as u64;
        let data_bytes = file.len().checked_mul(item_bytes);
        match data_bytes.and_then(|bytes| bytes.checked_add(header_bytes)) {
            Some(wanted) if wanted <= length => Ok(Self { path: path.to_path_buf(), file, shape }),
            Some(wanted) => Err(Error::Truncated { path: path.to_path_buf(), got: length, wanted }),
            None => Err(format_error(path, "the shape exceeds the address space")),
        }
    }

    fn wrong_type(&self, wanted: &str) -> Error {
        Error::Dtype { what: format!("{}", self.path.display()), got: self.file.dtype().descr(), wanted: wanted.into() }
    }

    /// All values, stored as `S`; `convert` says why one cannot be taken.
    fn read_as<S: npyz::Deserialize, V>(
        self,
        convert: impl Fn(S) -> std::result::Result<V, String>,
        monitor: &mut Monitor,
    ) -> Result<ArrayD<V>> {
        let Opened { path, file, shape } = self;
        let fortran = file.order() == Order::Fortran;
        let total = usize::try_from(file.len()).unwrap_or(usize::MAX);
        // the length of the file was checked: this is no more than 8 times its size
        let mut values = Vec::with_capacity(total);
        for (i, value) in file.data::<S>().map_err(|e| format_error(&path, e))?.enumerate() {
            if i.is_multiple_of(CHUNK) {
                report(monitor, "reading", i as f64 / total as f64)?;
            }
            let value = convert(value.map_err(file_error("reading", &path))?);
            values.push(value.map_err(|why| format_error(&path, format!("value {i} is {why}")))?);
        }
        report(monitor, "reading", 1.0)?;
        let shape = IxDyn(&shape).set_f(fortran);
        ArrayD::from_shape_vec(shape, values).map_err(|e| format_error(&path, e))
    }
}

impl NpyReader {
    /// Opens a file and checks its header and its length.
    ///
    /// # Errors
    /// `File` where it cannot be opened, `Format` for a bad header, `Dtype` for elements that are no real numbers,
    /// `Truncated` where fewer values follow than the header says.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = Opened::new(path)?;
        match kind_of(&opened.file.dtype()) {
            Some(kind) => Ok(Self { opened, kind }),
            None => Err(opened.wrong_type("bool, u8 to u64, i8 to i64, f32 or f64")),
        }
    }

    /// Shape of the array.
    pub fn shape(&self) -> &[usize] {
        &self.opened.shape
    }

    /// Whether the elements are integers: images of counts.
    pub fn is_integer(&self) -> bool {
        !matches!(self.kind, Kind::F32 | Kind::F64)
    }

    /// Reads all values; `monitor` hears the fraction of the file that was read.
    ///
    /// # Errors
    /// `Cancelled`, `File`, `Truncated`; `Format` for a value that the element type cannot hold.
    pub fn read<T: Element>(self, monitor: &mut Monitor) -> Result<ArrayD<T>> {
        match self.kind {
            Kind::Bool => self.read_as::<bool, T>(monitor),
            Kind::U8 => self.read_as::<u8, T>(monitor),
            Kind::U16 => self.read_as::<u16, T>(monitor),
            Kind::U32 => self.read_as::<u32, T>(monitor),
            Kind::U64 => self.read_as::<u64, T>(monitor),
            Kind::I8 => self.read_as::<i8, T>(monitor),
            Kind::I16 => self.read_as::<i16, T>(monitor),
            Kind::I32 => self.read_as::<i32, T>(monitor),
            Kind::I64 => self.read_as::<i64, T>(monitor),
            Kind::F32 => self.read_as::<f32, T>(monitor),
            Kind::F64 => self.read_as::<f64, T>(monitor),
        }
    }

    fn read_as<S: Stored, T: Element>(self, monitor: &mut Monitor) -> Result<ArrayD<T>> {
        let convert = |value: S| {
            let value = value.real();
            T::from_real(value).ok_or_else(|| format!("{value}, wanted {}", T::WANTED))
        };
        self.opened.read_as(convert, monitor)
    }
}

/// Reads a whole file of complex numbers, without watching.
///
/// # Errors
/// As [`NpyReader::open`] and [`NpyReader::read`]; `Dtype` for elements that are no complex numbers.
pub fn read_complex(path: &Path) -> Result<ArrayD<Complex64>> {
    let opened = Opened::new(path)?;
    let wide = |v: Complex32| Ok(Complex64::new(v.re.into(), v.im.into()));
    match opened.file.dtype() {
        DType::Plain(t) if (t.type_char(), t.size_field()) == (TypeChar::Complex, 8) => {
            opened.read_as(wide, &mut |_| true)
        }
        DType::Plain(t) if (t.type_char(), t.size_field()) == (TypeChar::Complex, 16) => {
            opened.read_as(Ok, &mut |_| true)
        }
        _ => Err(opened.wrong_type("complex64 or complex128")),
    }
}

/// Reads a whole file, without watching.
pub fn read<T: Element>(path: &Path) -> Result<ArrayD<T>> {
    NpyReader::open(path)?.read(&mut |_| true)
}

fn format_error(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Format { path: path.to_path_buf(), format: FORMAT, why: why.to_string() }
}

/// Length of the whole header and of its text.
fn read_prefix(file: &mut File, path: &Path) -> Result<(u64, u64)> {
    let mut prefix = [0u8; 12];
    let mut got = 0;
    while got < prefix.len() {
        match file.read(&mut prefix[got..]).map_err(file_error("reading", path))? {
            0 => break,
            n => got += n,
        }
    }
    if !prefix.starts_with(b"\x93NUMPY") {
        return Err(format_error(path, "it does not begin with the signature of numpy"));
    }
    if got < prefix.len() {
        return Err(Error::Truncated { path: path.to_path_buf(), got: got as u64, wanted: prefix.len() as u64 });
    }
    let [.., a, b, c, d] = prefix;
    Ok(match prefix[6] {
        1 => (10 + u64::from(u16::from_le_bytes([a, b])), u64::from(u16::from_le_bytes([a, b]))),
        _ => (12 + u64::from(u32::from_le_bytes([a, b, c, d])), u64::from(u32::from_le_bytes([a, b, c, d]))),
    })
}

/// Guards the parser of the header against forged files: length, depth of brackets, product of the dimensions.
/// Bytes before the first value.
fn check_header(file: &mut File, path: &Path, length: u64) -> Result<u64> {
    let (end, text_length) = read_prefix(file, path)?;
    if text_length > MAX_HEADER {
        return Err(format_error(path, format!("its header has {text_length} bytes, at most {MAX_HEADER} are read")));
    }
    if end > length {
        return Err(Error::Truncated { path: path.to_path_buf(), got: length, wanted: end });
    }
    file.rewind().map_err(file_error("reading", path))?;
    let mut text = vec![0; end as usize];
    file.read_exact(&mut text).map_err(file_error("reading", path))?;
    let text = &text[(end - text_length) as usize..];
    let mut depth = 0usize;
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(format_error(path, "its header is nested too deeply"));
        }
    }
    let numbers = text.split(|b| !b.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product = numbers
        .filter(|digits| digits.iter().any(|d| *d != b'0'))
        .try_fold(1u64, |product, digits| product.checked_mul(std::str::from_utf8(digits).ok()?.parse().ok()?));
    match product {
        Some(_) => Ok(end),
        None => Err(format_error(path, "the shape exceeds the address space")),
    }
}

fn kind_of(dtype: &DType) -> Option<Kind> {
    let DType::Plain(t) = dtype else { return None };
    Some(match (t.type_char(), t.size_field()) {
        (TypeChar::Bool, 1) => Kind::Bool,
        (TypeChar::Uint, 1) => Kind::U8,
        (TypeChar::Uint, 2) => Kind::U16,
        (TypeChar::Uint, 4) => Kind::U32,
        (TypeChar::Uint, 8) => Kind::U64,
        (TypeChar::Int, 1) => Kind::I8,
        (TypeChar::Int, 2) => Kind::I16,
        (TypeChar::Int, 4) => Kind::I32,
        (TypeChar::Int, 8) => Kind::I64,
        (TypeChar::Float, 4) => Kind::F32,
        (TypeChar::Float, 8) => Kind::F64,
        _ => return None,
    })
}

/// The f32 values of a file of this library, one by one, in C order.
///
/// # Errors
/// Those of [`NpyReader::open`]; `Shape` for an array of another shape, `Format` for another memory order or element type.
pub(super) fn stream(path: &Path, shape: &[usize]) -> Result<impl Iterator<Item = Result<f32>>> {
    let Opened { path, file, shape: got } = NpyReader::open(path)?.opened;
    if got != shape {
        return Err(Error::shape(path.display().to_string(), &got, format!("{shape:?}")));
    }
    if file.order() == Order::Fortran {
        return Err(format_error(&path, "it is in Fortran order, wanted C order"));
    }
    let values = file.data::<f32>().map_err(|e| format_error(&path, e))?;
    Ok(values.map(move |value| value.map_err(file_error("reading", &path))))
}

/// Writes `values` in C order as an array of `shape`; `monitor` hears the fraction that is written.
///
/// # Errors
/// `Shape` where the number of values is not the product of the shape, `File`, `Cancelled`.
pub fn write<T: npyz::AutoSerialize>(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
    monitor: &mut Monitor,
) -> Result<()> {
    let total: usize = shape.iter().product();
    let wide: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
    atomic::write(path, |file| {
        let options = npyz::WriteOptions::new().default_dtype().shape(&wide);
        let mut writer = options.writer(file as &mut dyn Write).begin_nd().map_err(file_error("writing", path))?;
        let mut written = 0usize;
        for value in values {
            if written.is_multiple_of(CHUNK) {
                report(monitor, "writing", written as f64 / total as f64)?;
            }
            if written == total {
                return Err(Error::shape("values", &[written + 1], format!("{total} for the shape {shape:?}")));
            }
            writer.push(&value).map_err(file_error("writing", path))?;
            written += 1;
        }
        if written < total {
            return Err(Error::shape("values", &[written], format!("{total} for the shape {shape:?}")));
        }
        writer.finish().map_err(file_error("writing", path))?;
        report(monitor, "writing", 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, Array};

    fn keep(_: f64) -> bool {
        true
    }

    /// An npy file of version 1 with this header and these bytes.
    fn forge(folder: &Path, header: &str, data: &[u8]) -> PathBuf {
        let path = folder.join("forged.npy");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn arrays_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("größe 1.npy");
        let values = [0.1, -2.5, f64::MAX, 1e-300, 5.0, 6.0];
        write(&path, &[2, 3], values, &mut keep).unwrap();
        assert_eq!(
            read::<f64>(&path).unwrap(),
            Array::from_vec(values.to_vec()).into_shape_with_order((2, 3)).unwrap().into_dyn()
        );
        write(&path, &[4], [0u16, 1, 65535, 7], &mut keep).unwrap();
        let reader = NpyReader::open(&path).unwrap();
        assert!(reader.is_integer() && reader.shape() == [4]);
        assert_eq!(reader.read::<f32>(&mut keep).unwrap(), array![0f32, 1.0, 65535.0, 7.0].into_dyn());
        assert_eq!(read::<i64>(&path).unwrap(), array![0i64, 1, 65535, 7].into_dyn());
        assert_eq!(read::<u8>(&path).unwrap_err().code(), 401);
        write(&path, &[0], [0f32; 0], &mut keep).unwrap();
        assert_eq!(read::<f64>(&path).unwrap().len(), 0);
        write(&path, &[], [3u8], &mut keep).unwrap();
        assert_eq!(read::<f64>(&path).unwrap()[IxDyn(&[])], 3.0);
    }

    #[test]
    fn byte_and_memory_orders() {
        let folder = tempfile::tempdir().unwrap();
        let big: Vec<u8> = [1i16, -2, 3, 4, 5, 6].iter().flat_map(|v| v.to_be_bytes()).collect();
        let path = forge(folder.path(), "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", &big);
        assert_eq!(read::<f64>(&path).unwrap(), array![[1.0, 3.0, 5.0], [-2.0, 4.0, 6.0]].into_dyn());
        let path = forge(folder.path(), "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", &[1, 0]);
        assert_eq!(read::<u8>(&path).unwrap(), array![1u8, 0].into_dyn());
    }

    #[test]
    fn complex_numbers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = [1.5f32, -2.0, 0.25, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = forge(folder.path(), "{'descr': '<c8', 'fortran_order': True, 'shape': (1, 2), }\n", &bytes);
        let wanted = array![[Complex64::new(1.5, -2.0), Complex64::new(0.25, 3.0)]].into_dyn();
        assert_eq!(read_complex(&path).unwrap(), wanted);
        let path = folder.path().join("a.npy");
        write(&path, &[1, 2], wanted.iter().copied(), &mut keep).unwrap();
        assert_eq!(read_complex(&path).unwrap(), wanted);
        assert_eq!(read::<f64>(&path).unwrap_err().code(), 102);
        write(&path, &[2], [1.0, 2.0], &mut keep).unwrap();
        let error = read_complex(&path).unwrap_err();
        assert!(error.code() == 102 && error.to_string().contains("complex64 or complex128"), "{error}");
        let whole = forge(folder.path(), "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }\n", &bytes);
        assert_eq!(read_complex(&whole).unwrap_err().code(), 403);
    }

    #[test]
    fn truncated_and_forged_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[100], (0..100).map(f64::from), &mut keep).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 3, 8, 11, 40, 127, 128, 200, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let code = read::<f64>(&path).unwrap_err().code();
            assert!(code == 401 || code == 403, "length {length}: {code}");
        }
        let code = |header: &str| read::<f64>(&forge(folder.path(), header, &[0; 16])).unwrap_err().code();
        assert_eq!(code("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"), 403);
        assert_eq!(code("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 16), }\n"), 401);
        assert_eq!(code("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,), }\n"), 401);
        assert_eq!(code("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n"), 401);
        assert_eq!(code("{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }\n"), 102);
        assert_eq!(code("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"), 102);
        assert_eq!(code("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }\n"), 102);
        assert_eq!(code(&"(".repeat(60_000)), 401);
        assert_eq!(code("nonsense"), 401);
        for sign in ["-", "1+", "'", "{'a':", "u'a'"] {
            assert_eq!(code(&sign.repeat(12_000)), 401, "{sign}");
        }
        std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap();
        assert_eq!(read::<f64>(&path).unwrap_err().code(), 401);
        assert_eq!(read::<f64>(&folder.path().join("none.npy")).unwrap_err().code(), 400);
    }

    #[test]
    fn wrong_numbers_of_values_and_cancelling_leave_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[2], [1.0, 2.0], &mut keep).unwrap();
        assert_eq!(write(&path, &[3], [1.0, 2.0], &mut keep).unwrap_err().code(), 101);
        assert_eq!(write(&path, &[1], [1.0, 2.0], &mut keep).unwrap_err().code(), 101);
        assert_eq!(write(&path, &[1], [1.0], &mut |_| false).unwrap_err().code(), 1);
        assert_eq!(read::<f64>(&path).unwrap(), array![1.0, 2.0].into_dyn());
        assert_eq!(NpyReader::open(&path).unwrap().read::<f64>(&mut |_| false).unwrap_err().code(), 1);
    }
}
