//! TIFF stacks: every page an image of one channel, of integers or floats, all of one size.

use super::{atomic, file_error, report, Monitor};
use crate::error::{Error, Result};
use ndarray::{Array3, ArrayView3};
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{colortype::Gray32Float, TiffEncoder};
use tiff::{ColorType, TiffError};

const FORMAT: &str = "TIFF file";
/// Largest page, bytes: more than any camera gives, and little enough to be had.
const MAX_PAGE: usize = 1 << 30;

/// Reads all pages `[page, row, column]`; row 0 is the first stored one. `monitor` hears the pages read, as a fraction
/// that only tells that work goes on: a TIFF file does not say how many pages it has.
///
/// # Errors
/// `File` where it cannot be read, `Format` where it is malformed or cut short, `Unsupported` for colour and for
/// compressions that are not read, `Shape` for pages of several sizes, `Memory` for a page beyond 1 GiB, `Cancelled`.
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<Array3<f32>> {
    let file = File::open(path).map_err(file_error("opening", path))?;
    let failed = |error: TiffError| tiff_error(path, error);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_PAGE;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(failed)?.with_limits(limits);
    let (mut values, mut pages) = (Vec::<f32>::new(), 0usize);
    let (columns, rows) = decoder.dimensions().map_err(failed)?;
    loop {
        report(monitor, "reading", pages as f64 / (pages as f64 + 10.0))?;
        let (c, r) = decoder.dimensions().map_err(failed)?;
        if (c, r) != (columns, rows) {
            let wanted = format!("[{rows}, {columns}] as page 0 of {}", path.display());
            return Err(Error::shape(format!("page {pages}"), &[r as usize, c as usize], wanted));
        }
        match decoder.colortype().map_err(failed)? {
            ColorType::Gray(_) => {}
            other => {
                let why = "images of one channel are wanted".into();
                return Err(Error::Unsupported { what: format!("{other:?} of {}", path.display()), why });
            }
        }
        append(&mut values, decoder.read_image().map_err(failed)?);
        pages += 1;
        if values.len() != pages * rows as usize * columns as usize {
            let why = format!("page {} does not have {rows} x {columns} values", pages - 1);
            return Err(Error::Format { path: path.to_path_buf(), format: FORMAT, why });
        }
        if !decoder.more_images() {
            break;
        }
        decoder.next_image().map_err(failed)?;
    }
    report(monitor, "reading", 1.0)?;
    Array3::from_shape_vec((pages, rows as usize, columns as usize), values).map_err(|e| Error::Internal(e.to_string()))
}

fn append(values: &mut Vec<f32>, page: DecodingResult) {
    match page {
        DecodingResult::U8(v) => values.extend(v.into_iter().map(f32::from)),
        DecodingResult::U16(v) => values.extend(v.into_iter().map(f32::from)),
        DecodingResult::U32(v) => values.extend(v.into_iter().map(|v| v as f32)),
        DecodingResult::U64(v) => values.extend(v.into_iter().map(|v| v as f32)),
        DecodingResult::I8(v) => values.extend(v.into_iter().map(f32::from)),
        DecodingResult::I16(v) => values.extend(v.into_iter().map(f32::from)),
        DecodingResult::I32(v) => values.extend(v.into_iter().map(|v| v as f32)),
        DecodingResult::I64(v) => values.extend(v.into_iter().map(|v| v as f32)),
        DecodingResult::F16(v) => values.extend(v.into_iter().map(|v| v.to_f32())),
        DecodingResult::F32(v) => values.extend(v),
        DecodingResult::F64(v) => values.extend(v.into_iter().map(|v| v as f32)),
    }
}

/// Writes floats `[page, row, column]`, uncompressed. The whole file is made in memory: up to the 4 GiB of the format.
///
/// # Errors
/// `File`, `Empty` without a page, `Cancelled`: then nothing is left behind.
pub fn write(path: &Path, values: ArrayView3<'_, f32>, monitor: &mut Monitor) -> Result<()> {
    let (pages, rows, columns) = values.dim();
    if values.is_empty() {
        return Err(Error::Empty { what: "images".into(), why: "a TIFF file has at least one page".into() });
    }
    let failed = |error: TiffError| tiff_error(path, error);
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).map_err(failed)?;
    for (i, page) in values.outer_iter().enumerate() {
        report(monitor, "writing", i as f64 / pages as f64)?;
        let pixels: Vec<f32> = page.iter().copied().collect();
        encoder.write_image::<Gray32Float>(columns as u32, rows as u32, &pixels).map_err(failed)?;
    }
    atomic::write(path, |out| out.write_all(bytes.get_ref()).map_err(file_error("writing", path)))
}

fn tiff_error(path: &Path, error: TiffError) -> Error {
    match error {
        TiffError::IoError(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            let why = "it ends before its last page does".into();
            Error::Format { path: path.to_path_buf(), format: FORMAT, why }
        }
        TiffError::IoError(source) => Error::File { operation: "reading", path: path.to_path_buf(), source },
        TiffError::UnsupportedError(error) => {
            Error::Unsupported { what: format!("{}", path.display()), why: error.to_string() }
        }
        TiffError::LimitsExceeded => {
            let needed = std::fs::metadata(path).map_or(0, |m| m.len());
            Error::Memory { what: format!("a page of {}", path.display()), needed, available: MAX_PAGE as u64 }
        }
        other => Error::Format { path: path.to_path_buf(), format: FORMAT, why: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiff::encoder::colortype::{Gray16, Gray8, RGB8};

    fn keep(_: f64) -> bool {
        true
    }

    fn path_in(folder: &tempfile::TempDir) -> std::path::PathBuf {
        folder.path().join("größe 1.tif")
    }

    #[test]
    fn floats_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(&folder);
        let values = Array3::from_shape_fn((3, 4, 5), |(i, r, c)| 0.25 * (100 * i + 10 * r + c) as f32 - 3.0);
        write(&path, values.view(), &mut keep).unwrap();
        assert_eq!(read(&path, &mut keep).unwrap(), values);
        assert_eq!(read(&path, &mut |_| false).unwrap_err().code(), 1);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!([401, 403].contains(&read(&path, &mut keep).unwrap_err().code()));
    }

    #[test]
    fn integers_are_read_and_colours_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(&folder);
        let file = || File::create(&path).unwrap();
        let mut encoder = TiffEncoder::new(file()).unwrap();
        encoder.write_image::<Gray8>(3, 2, &[0, 1, 2, 253, 254, 255]).unwrap();
        encoder.write_image::<Gray16>(3, 2, &[0, 1, 2, 3, 4, 65535]).unwrap();
        drop(encoder);
        let values = read(&path, &mut keep).unwrap();
        assert_eq!((values.dim(), values[[0, 1, 2]], values[[1, 1, 2]]), ((2, 2, 3), 255.0, 65535.0));

        let mut encoder = TiffEncoder::new(file()).unwrap();
        encoder.write_image::<Gray8>(3, 2, &[0; 6]).unwrap();
        encoder.write_image::<Gray8>(2, 3, &[0; 6]).unwrap();
        drop(encoder);
        assert_eq!(read(&path, &mut keep).unwrap_err().code(), 101);

        TiffEncoder::new(file()).unwrap().write_image::<RGB8>(1, 2, &[0; 6]).unwrap();
        assert_eq!(read(&path, &mut keep).unwrap_err().code(), 107);
        std::fs::write(&path, b"no tiff at all").unwrap();
        assert_eq!(read(&path, &mut keep).unwrap_err().code(), 401);
        assert_eq!(read(Path::new("no such file.tif"), &mut keep).unwrap_err().code(), 400);
    }
}
