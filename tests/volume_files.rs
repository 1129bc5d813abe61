//! Files of volumes: those of other programs (tests/data/volumes), what is written and read again, and what is left of
//! both when bytes are missing or wrong.

use aet::io::volume::{read, read_voxels, write, VolumeFormat};
use aet::specimen::Volume;
use ndarray::Array3;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest piece of memory that was asked for: a forged size must not get as far as that.
struct Watched;
static LARGEST: AtomicUsize = AtomicUsize::new(0);
/// More than any file here needs, decoders' tables included.
const MEMORY_LIMIT: usize = 64 << 20;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout);
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        System.alloc_zeroed(layout)
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        System.realloc(pointer, layout, size)
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

const FORMATS: [(&str, &str); 7] = [
    ("mrc", "a.mrc"),
    ("npy", "a.npy"),
    ("tiff", "a.tif"),
    ("mat5", "a.mat"),
    ("mat73", "level 73.mat"),
    ("emd", "größe.emd"),
    ("emd", "a.h5"),
];

fn keep(_: f64) -> bool {
    true
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/volumes").join(name)
}

fn values() -> Array3<f32> {
    Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (100 * z + 10 * y + x) as f32 - 20.0)
}

fn volume() -> Volume {
    Volume::new(values(), 0.34).unwrap()
}

fn write_as(folder: &Path, (format, file): (&str, &str)) -> PathBuf {
    let path = folder.join(file);
    write(&path, &volume(), Some(format.parse().unwrap()), None, &mut keep).unwrap();
    path
}

#[test]
fn files_of_other_programs() {
    // file, name of the array where there are several, voxel size where it tells one
    let cases = [
        ("scipy.mat", None, Some(0.34)),
        ("scipy_packed.mat", Some("rec"), None),
        ("octave_v6.mat", None, Some(0.34)),
        ("octave_v7.mat", None, Some(0.34)),
        ("octave_v7.mat", Some("rec"), Some(0.34)),
        ("matlab73.mat", None, Some(0.34)),
        ("octave.h5", None, None),
        ("octave.h5", Some("rec"), None),
        ("berkeley.emd", None, Some(0.34)),
        ("berkeley.emd", Some("rec"), Some(0.34)),
        ("berkeley.emd", Some("/data/rec/data"), Some(0.34)),
        ("x_first.emd", None, Some(0.34)),
        ("emd1.h5", None, Some(0.34)),
        ("plain.h5", Some("entry/counts"), None),
        ("imagej.tif", None, Some(0.34)),
    ];
    for (file, name, size) in cases {
        let got = read_voxels(&data(file), name, &mut keep).unwrap_or_else(|e| panic!("{file}: {e}"));
        let offset = if file == "imagej.tif" { 20.0 } else { 0.0 };
        assert_eq!(got.values, values() + offset, "{file}");
        let error = |edge: Option<f64>| edge.zip(size).map_or(0.0, |(a, b)| (a - b).abs());
        assert!(got.voxel_size.iter().all(|e| e.is_some() == size.is_some() && error(*e) < 1e-7), "{file}: {got:?}");
    }
    let page = read_voxels(&data("octave_page.mat"), None, &mut keep).unwrap().values;
    assert_eq!(page, values().slice(ndarray::s![..1, .., ..]), "MATLAB drops axes of length 1");
}

#[test]
fn what_is_missing_or_ambiguous_is_said() {
    let code = |file: &str, name: Option<&str>, wanted: i32, part: &str| {
        let error = read(&data(file), name, None, &mut keep).unwrap_err();
        assert!(
            error.code() == wanted && error.to_string().contains(part),
            "{file} {name:?}: {} {error}",
            error.code()
        );
    };
    code("scipy_packed.mat", None, 302, "`rec` (int16 4 x 5 x 3), `other` (double 4 x 5 x 3)");
    code("scipy_packed.mat", Some("none"), 104, "`rec`");
    code("scipy_packed.mat", Some("rec"), 200, "voxel");
    code("scipy.mat", Some("phases"), 102, "complex double");
    code("scipy.mat", Some("title"), 102, "char");
    code("scipy.mat", Some("options"), 102, "struct");
    code("matlab73.mat", Some("#refs#/b"), 104, "`rec`");
    code("plain.h5", None, 401, "name the array");
    code("plain.h5", Some("entry/angles"), 101, "three axes");
    code("plain.h5", Some("entry/phases"), 102, "compound");
    code("circles.h5", None, 401, "circle of links");
    assert_eq!(read_voxels(&data("circles.h5"), Some("volume"), &mut keep).unwrap().values, values());
    code("velox.emd", None, 107, "Velox");
    code("imagej.tif", Some("rec"), 107, "one array");
    code("make.py", None, 401, "22 22 22 4d");
    code("none.mat", None, 400, "none.mat");
    let known = read(&data("plain.h5"), Some("entry/counts"), Some(0.5), &mut keep).unwrap();
    assert_eq!(known.voxel_size(), 0.5);
    assert_eq!(read(&data("plain.h5"), Some("entry/counts"), Some(-1.0), &mut keep).unwrap_err().code(), 103);
}

#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for case in FORMATS {
        let path = write_as(folder.path(), case);
        let got = read_voxels(&path, None, &mut keep).unwrap();
        assert_eq!(got.values, values(), "{case:?}");
        let size = if case.0 == "npy" { Some(0.34) } else { None };
        let back = read(&path, None, size, &mut keep).unwrap();
        assert!((back.voxel_size() / 0.34 - 1.0).abs() < 1e-7, "{case:?}: {}", back.voxel_size());
        assert_eq!(read(&path, None, Some(0.5), &mut keep).unwrap().voxel_size(), 0.5);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), FORMATS.len(), "no temporary files");
    for (format, file) in [("mat5", "b.mat"), ("mat73", "c.mat"), ("emd", "b.emd")] {
        let path = folder.path().join(file);
        write(&path, &volume(), Some(format.parse().unwrap()), Some("rec_1"), &mut keep).unwrap();
        assert_eq!(read(&path, Some("rec_1"), None, &mut keep).unwrap().values(), values(), "{file}");
        assert_eq!(read(&path, Some("volume"), None, &mut keep).unwrap_err().code(), 104);
    }
}

#[test]
fn any_shape_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [(1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 5), (2, 1, 1), (1, 1, 1), (7, 3, 5)] {
        let values = Array3::from_shape_fn(shape, |(z, y, x)| (100 * z + 10 * y + x) as f32);
        for (format, file) in FORMATS {
            let path = folder.path().join(file);
            let volume = Volume::new(values.clone(), 0.5).unwrap();
            write(&path, &volume, Some(format.parse().unwrap()), None, &mut keep).unwrap();
            let back = read_voxels(&path, None, &mut keep).unwrap_or_else(|e| panic!("{shape:?} {file}: {e}"));
            assert_eq!(back.values, values, "{shape:?} {file}");
        }
    }
}

#[test]
fn the_name_tells_the_format_and_errors_say_which_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for (file, start) in
        [("a.MRC", &b"\x05\0\0\0"[..]), ("a.npy", b"\x93NUMPY"), ("a.tiff", b"II*\0"), ("a.mat", b"MATLAB 5.0")]
    {
        let path = folder.path().join(file);
        write(&path, &volume(), None, None, &mut keep).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(start), "{file}");
        let renamed = folder.path().join("renamed.bin");
        std::fs::rename(&path, &renamed).unwrap();
        assert_eq!(read_voxels(&renamed, None, &mut keep).unwrap().values, values(), "{file} by its first bytes");
    }
    let error = write(&folder.path().join("a.xyz"), &volume(), None, None, &mut keep).unwrap_err();
    assert!(error.code() == 104 && error.to_string().contains(".npy, .tif, .tiff, .mat, .emd"), "{error}");
    let error = "raw".parse::<VolumeFormat>().unwrap_err();
    assert!(error.code() == 104 && error.to_string().contains("mat5, mat73, emd, mrc"), "{error}");
    for (format, name) in [("mat5", "a b"), ("mat73", "1a"), ("emd", "a/b"), ("mat5", "voxel_size")] {
        let path = folder.path().join("bad name");
        let result = write(&path, &volume(), Some(format.parse().unwrap()), Some(name), &mut keep);
        assert_eq!(result.unwrap_err().code(), 103, "{format} {name}");
    }
    std::fs::write(folder.path().join("cut.mrc"), [5, 0, 0, 0]).unwrap();
    assert_eq!(read_voxels(&folder.path().join("cut.mrc"), None, &mut keep).unwrap_err().code(), 403);
    std::fs::write(folder.path().join("empty.mat"), []).unwrap();
    assert_eq!(read_voxels(&folder.path().join("empty.mat"), None, &mut keep).unwrap_err().code(), 401);
}

#[test]
fn cancelled_calls_leave_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    for case in FORMATS {
        let path = write_as(folder.path(), case);
        let old = std::fs::read(&path).unwrap();
        let other = Volume::new(values() + 1.0, 0.5).unwrap();
        let format = Some(case.0.parse().unwrap());
        assert_eq!(write(&path, &other, format, None, &mut |_| false).unwrap_err().code(), 1, "{case:?}");
        assert_eq!(write(&path, &other, format, None, &mut |done| done < 0.3).unwrap_err().code(), 1, "{case:?}");
        assert!(std::fs::read(&path).unwrap() == old, "{case:?}");
        assert_eq!(read_voxels(&path, None, &mut |_| false).unwrap_err().code(), 1, "{case:?}");
        let mut last = 0.0;
        let mut grows = |done: f64| {
            let ordered = done >= last && done <= 1.0;
            last = done;
            ordered
        };
        read_voxels(&path, None, &mut grows).unwrap();
        assert_eq!(last, 1.0, "{case:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), FORMATS.len(), "no temporary files");
}

/// What a damaged file may be: an error of data or files, or values that were wrong without a trace.
fn check_damaged(path: &Path, bytes: &[u8], what: &str) {
    std::fs::write(path, bytes).unwrap();
    let known = [101, 102, 104, 107, 200, 300, 301, 302, 400, 401, 402, 403, 500];
    if let Err(error) = read_voxels(path, None, &mut keep) {
        assert!(known.contains(&error.code()), "{what}: {} {error}", error.code());
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < MEMORY_LIMIT, "{what}: {largest} bytes at once");
}

#[test]
fn damaged_files_are_refused_without_panic_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = FORMATS.iter().map(|case| write_as(folder.path(), *case)).collect();
    files.extend(std::fs::read_dir(data("")).unwrap().map(|entry| entry.unwrap().path()));
    files.retain(|file| !file.ends_with("circles.h5")); // every search goes to its limit
    files.sort();
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let path = folder.path().join("damaged").with_extension(file.extension().unwrap());
        let step = whole.len().div_ceil(100);
        for length in (0..whole.len()).step_by(step) {
            check_damaged(&path, &whole[..length], &format!("{} cut at {length}", file.display()));
        }
        let mut bytes = whole.clone();
        let step = if std::env::var_os("AET_TEST_ALL").is_some() { 1 } else { whole.len().div_ceil(300) };
        for at in (0..whole.len()).step_by(step) {
            let flip = [0xff, 0x01, 0x80][at % 3];
            bytes[at] ^= flip;
            check_damaged(&path, &bytes, &format!("{} byte {at} ^ {flip}", file.display()));
            bytes[at] ^= flip;
        }
    }
}

#[test]
fn cut_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for case in FORMATS {
        let path = write_as(folder.path(), case);
        let whole = std::fs::read(&path).unwrap();
        for part in [0.2, 0.6, 0.9] {
            std::fs::write(&path, &whole[..(whole.len() as f64 * part) as usize]).unwrap();
            let error = read_voxels(&path, None, &mut keep).unwrap_err();
            assert!([401, 403].contains(&error.code()), "{case:?} {part}: {error}");
        }
    }
}
