//! TIFF stacks: every page an image of one channel, of integers or floats, all of one size.
//!
//! The size of pixels and the distance of pages are kept as ImageJ keeps them: pixels per unit as the resolution, unit
//! and distance in the text that describes the first page. Resolutions without such a text are those of printers.

use super::length::angstroms_in;
use super::voxels::{most_unpacked, unpacked_count, Voxels};
use super::{atomic, file_error, report, Monitor};
use crate::error::{Error, Result};
use ndarray::{Array3, ArrayView3};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};
use tiff::tags::{CompressionMethod, PhotometricInterpretation, ResolutionUnit, SampleFormat, Tag};
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
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<Voxels> {
    let file = File::open(path).map_err(file_error("opening", path))?;
    let failed = |error: TiffError| tiff_error(path, error);
    let length = file.metadata().map_err(file_error("reading", path))?.len();
    let mut limits = Limits::default();
    let unpacked = usize::try_from(most_unpacked(length)).unwrap_or(usize::MAX).min(MAX_PAGE);
    limits.decoding_buffer_size = unpacked;
    limits.intermediate_buffer_size = unpacked;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(failed)?.with_limits(limits);
    let (mut values, mut pages) = (Vec::<f32>::new(), 0usize);
    let (columns, rows) = decoder.dimensions().map_err(failed)?;
    let described = Description::of(&mut decoder);
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
        unpacked_count(path, FORMAT, &[pages as u64 + 1, rows.into(), columns.into()], 1, length)?;
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
    if described.images.is_some_and(|images| images > 1 && pages == 1) {
        let why = "it says it has several images but lists one: ImageJ's form of files over 4 GiB; save it as BigTIFF";
        return Err(Error::Unsupported { what: format!("{}", path.display()), why: why.into() });
    }
    report(monitor, "reading", 1.0)?;
    let values = Array3::from_shape_vec((pages, rows as usize, columns as usize), values);
    Ok(Voxels { values: values.map_err(|e| Error::Internal(e.to_string()))?, voxel_size: described.voxel_size })
}

/// What ImageJ wrote about a stack.
#[derive(Default)]
struct Description {
    images: Option<usize>,
    /// Along x, y and z, angstrom.
    voxel_size: [Option<f64>; 3],
}

impl Description {
    /// Of the first page; what is missing or malformed tells nothing.
    fn of(decoder: &mut Decoder<BufReader<File>>) -> Self {
        let text = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
        if !text.starts_with("ImageJ=") {
            return Self::default();
        }
        let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let unit = line("unit").and_then(angstroms_in);
        let length = |units: f64| Some(units * unit?).filter(|v| v.is_finite() && *v > 0.0);
        let mut pixel = |tag: Tag| match decoder.find_tag(tag) {
            Ok(Some(Value::Rational(pixels, units))) => length(f64::from(units) / f64::from(pixels)),
            _ => None,
        };
        let (x, y) = (pixel(Tag::XResolution), pixel(Tag::YResolution));
        let z = line("spacing").and_then(|v| length(v.trim().parse::<f64>().ok()?.abs()));
        Self { images: line("images").and_then(|v| v.trim().parse().ok()), voxel_size: [x, y, z] }
    }
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

/// Writes floats `[page, row, column]`, uncompressed, as BigTIFF where 4 GiB do not do; with the edge of a voxel
/// (angstrom), if there is one.
///
/// # Errors
/// `File`, `Empty` without a page, `Range` for pages too large for the format, `Cancelled`: then nothing is left behind.
pub fn write(path: &Path, values: ArrayView3<'_, f32>, voxel_size: Option<f64>, monitor: &mut Monitor) -> Result<()> {
    let (pages, rows, columns) = values.dim();
    if values.is_empty() {
        return Err(Error::Empty { what: "images".into(), why: "a TIFF file has at least one page".into() });
    }
    if rows.max(columns) > MAX_PAGE / 4 || rows.saturating_mul(columns) > MAX_PAGE / 4 {
        let wanted = format!("pages of at most {MAX_PAGE} bytes");
        return Err(Error::range("shape of a TIFF file", format!("{pages} x {rows} x {columns}"), wanted));
    }
    // each page has a list of some hundred bytes beside its values
    let bytes = 4 * values.len() as u64 + 1000 * pages as u64;
    atomic::write(path, |out| {
        let failed = |error: TiffError| tiff_error(path, error);
        match u32::try_from(bytes) {
            Ok(_) => write_pages::<TiffKindStandard>(
                path,
                TiffEncoder::new_generic(out).map_err(failed)?,
                values,
                voxel_size,
                monitor,
            ),
            Err(_) => write_pages::<TiffKindBig>(
                path,
                TiffEncoder::new_generic(out).map_err(failed)?,
                values,
                voxel_size,
                monitor,
            ),
        }
    })
}

/// All values first, then the lists of what the pages are: ImageJ, and programs that read its description, take the pages
/// of a stack from where they would follow the first one.
fn write_pages<K: TiffKind>(
    path: &Path,
    mut encoder: TiffEncoder<&mut dyn atomic::Sink, K>,
    values: ArrayView3<'_, f32>,
    voxel_size: Option<f64>,
    monitor: &mut Monitor,
) -> Result<()> {
    let failed = |error: TiffError| tiff_error(path, error);
    let (pages, rows, columns) = values.dim();
    let mut first = encoder.image_directory().map_err(failed)?;
    let mut offsets = Vec::with_capacity(pages);
    for (i, page) in values.outer_iter().enumerate() {
        report(monitor, "writing", i as f64 / pages as f64)?;
        let pixels: Vec<f32> = page.iter().copied().collect();
        offsets.push(first.write_data(pixels.as_slice()).map_err(failed)?);
    }
    if let Some(size) = voxel_size {
        let text = format!("ImageJ=1.54f\nimages={pages}\nslices={pages}\nunit=angstrom\nspacing={size}\nloop=false\n");
        first.write_tag(Tag::ImageDescription, text.as_str()).map_err(failed)?;
    }
    let size = [columns as u32, rows as u32];
    describe(&mut first, size, offsets.first().copied().unwrap_or_default(), voxel_size).map_err(failed)?;
    first.finish().map_err(failed)?;
    for offset in offsets.into_iter().skip(1) {
        let mut page = encoder.image_directory().map_err(failed)?;
        describe(&mut page, size, offset, voxel_size).map_err(failed)?;
        page.finish().map_err(failed)?;
    }
    report(monitor, "writing", 1.0)
}

/// What a page of floats is, whose values begin at `offset`.
fn describe<K: TiffKind>(
    page: &mut DirectoryEncoder<'_, &mut dyn atomic::Sink, K>,
    [columns, rows]: [u32; 2],
    offset: u64,
    voxel_size: Option<f64>,
) -> std::result::Result<(), TiffError> {
    page.write_tag(Tag::ImageWidth, columns)?;
    page.write_tag(Tag::ImageLength, rows)?;
    page.write_tag(Tag::BitsPerSample, 32u16)?;
    page.write_tag(Tag::Compression, CompressionMethod::None.to_u16())?;
    page.write_tag(Tag::PhotometricInterpretation, PhotometricInterpretation::BlackIsZero.to_u16())?;
    page.write_tag(Tag::StripOffsets, K::convert_offset(offset)?)?;
    page.write_tag(Tag::SamplesPerPixel, 1u16)?;
    page.write_tag(Tag::RowsPerStrip, rows)?;
    page.write_tag(Tag::StripByteCounts, 4 * columns * rows)?; // at most `MAX_PAGE`
    page.write_tag(Tag::SampleFormat, SampleFormat::IEEEFP.to_u16())?;
    if let Some(size) = voxel_size {
        page.write_tag(Tag::XResolution, ratio(1.0 / size))?;
        page.write_tag(Tag::YResolution, ratio(1.0 / size))?;
        page.write_tag(Tag::ResolutionUnit, ResolutionUnit::None.to_u16())?;
    }
    Ok(())
}

/// A ratio of integers near `value`, as exact as 32 bits are.
fn ratio(value: f64) -> Rational {
    let most = f64::from(u32::MAX);
    let d = (most / value.max(1.0)).floor().clamp(1.0, most);
    Rational { n: (value * d).round().clamp(1.0, most) as u32, d: d as u32 }
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

/// Whether a file that begins with `head` is one.
pub(super) fn is_tiff(head: &[u8]) -> bool {
    [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| head.starts_with(mark))
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
        write(&path, values.view(), None, &mut keep).unwrap();
        assert_eq!(read(&path, &mut keep).unwrap(), Voxels { values, voxel_size: [None; 3] });
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
        let values = read(&path, &mut keep).unwrap().values;
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

    #[test]
    fn voxel_sizes_are_kept_in_both_sizes_of_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(&folder);
        let values = Array3::from_shape_fn((2, 3, 4), |(i, r, c)| (100 * i + 10 * r + c) as f32);
        let check = || {
            let back = read(&path, &mut keep).unwrap();
            assert_eq!(back.values, values);
            let [x, y, z] = back.voxel_size.map(|edge| edge.unwrap());
            assert!(z == 0.37 && x == y && (x / z - 1.0).abs() < 1e-8, "{x} {y} {z}");
        };
        write(&path, values.view(), Some(0.37), &mut keep).unwrap();
        check();
        atomic::write(&path, |out| {
            let encoder = TiffEncoder::new_generic(out).unwrap();
            write_pages::<TiffKindBig>(&path, encoder, values.view(), Some(0.37), &mut keep)
        })
        .unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"II+\0"));
        check();
    }

    #[test]
    fn stacks_in_one_page_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(&folder);
        let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
        let mut image = encoder.new_image::<Gray8>(3, 2).unwrap();
        image.encoder().write_tag(Tag::ImageDescription, "ImageJ=1.54f\nimages=5\nslices=5\n").unwrap();
        image.write_data(&[0; 6]).unwrap();
        drop(encoder);
        let error = read(&path, &mut keep).unwrap_err();
        assert!(error.code() == 107 && error.to_string().contains("BigTIFF"), "{error}");
    }
}
