//! Volumes as EMD 0.2 and as MATLAB's level 7.3, both in the format of HDF5 1.8, which every reader of today knows.

use std::io::{BufWriter, Write};
use std::path::Path;

use hdf5_pure::{make_f32_type, AttrValue, FileBuilder, LibVer};

use super::super::{atomic, file_error, matlab, report, Monitor};
use crate::error::{Error, Result};
use crate::grid;
use crate::specimen::Volume;

/// Angstroms in the unit that EMD files are written in, the one that their readers expect.
const NANOMETER: f64 = 10.0;
/// Bytes before the HDF5 part of a file of MATLAB's.
const MATLAB_BLOCK: u64 = 512;

/// Writes `/data/NAME/data` `[z, y, x]` with the positions of its voxels along `dim1` (z), `dim2` (y) and `dim3` (x) in
/// nm; the specimen origin, voxel n / 2, lies at 0.
///
/// # Errors
/// `Range` for a name that no path can hold, `File`, `Cancelled`: then nothing is left behind.
pub(in crate::io) fn write_emd(path: &Path, volume: &Volume, name: &str, monitor: &mut Monitor) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::range("name of an EMD group", format!("`{name}`"), "text without /, neither . nor .."));
    }
    let shape = volume.shape();
    let mut file = FileBuilder::new();
    file.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    file.set_attr("version_major", AttrValue::I32(0));
    file.set_attr("version_minor", AttrValue::I32(2));
    let mut group = file.create_group("data");
    let mut array = group.create_group(name);
    array.set_attr("emd_group_type", AttrValue::I32(1));
    let bytes: Vec<u8> = volume.as_slice().iter().flat_map(|v| v.to_le_bytes()).collect();
    let count = volume.as_slice().len() as u64;
    array.create_dataset("data").with_raw_data(make_f32_type(), bytes, count).with_shape(&shape.map(|n| n as u64));
    for (axis, (label, n)) in ["z", "y", "x"].into_iter().zip(shape).enumerate() {
        let step = volume.voxel_size() / NANOMETER;
        let positions: Vec<f64> = (0..n).map(|i| (i as f64 - grid::origin(n) as f64) * step).collect();
        array
            .create_dataset(&format!("dim{}", axis + 1))
            .with_f64_data(&positions)
            .set_attr("name", AttrValue::AsciiString(label.into()))
            .set_attr("units", AttrValue::AsciiString("[n_m]".into()));
    }
    group.add_group(array.finish());
    file.add_group(group.finish());
    finish(path, file, count, monitor)
}

/// Writes the variable `name` (single, A(y, x, z)) and the scalar `voxel_size` (double, angstrom).
///
/// # Errors
/// `Range` for a name that MATLAB does not take, `File`, `Cancelled`: then nothing is left behind.
pub(in crate::io) fn write_mat73(path: &Path, volume: &Volume, name: &str, monitor: &mut Monitor) -> Result<()> {
    matlab::check_name(name)?;
    let [nz, ny, nx] = volume.shape().map(|n| n as u64);
    let mut file = FileBuilder::new();
    file.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    let text = format!("MATLAB 7.3 MAT-file, written by libaet {} HDF5 schema 1.00 .", env!("CARGO_PKG_VERSION"));
    let mut block = format!("{text:<124}").into_bytes();
    block[116..124].fill(0); // no data of subsystems
    block.extend([0, 2, b'I', b'M']);
    file.with_userblock(MATLAB_BLOCK);
    file.with_userblock_content(&block);
    let pages = volume.values();
    let bytes: Vec<u8> = pages.outer_iter().flat_map(matlab::rows_to_bytes).collect();
    let count = volume.as_slice().len() as u64;
    let class = |name: &str| AttrValue::AsciiString(name.into());
    file.create_dataset(name)
        .with_raw_data(make_f32_type(), bytes, count)
        .with_shape(&[nz, nx, ny])
        .set_attr("MATLAB_class", class("single"));
    file.create_dataset(matlab::VOXEL_SIZE)
        .with_f64_data(&[volume.voxel_size()])
        .with_shape(&[1, 1])
        .set_attr("MATLAB_class", class("double"));
    finish(path, file, count, monitor)
}

/// Writes the file, of which `count` floats are the most.
fn finish(path: &Path, file: FileBuilder, count: u64, monitor: &mut Monitor) -> Result<()> {
    report(monitor, "writing", 0.0)?;
    let total = 4 * count + 4096;
    atomic::write(path, |out| {
        let mut watched = Watched { out, monitor, written: 0, total, stopped: false };
        let result = file.finish_to(BufWriter::with_capacity(1 << 20, &mut watched));
        match result {
            _ if watched.stopped => Err(Error::Cancelled { phase: "writing" }),
            Ok(()) => report(watched.monitor, "writing", 1.0),
            Err(hdf5_pure::Error::Io(error)) => Err(file_error("writing", path)(error)),
            Err(other) => Err(Error::Internal(other.to_string())),
        }
    })
}

/// A file that asks the monitor as it grows.
struct Watched<'a> {
    out: &'a mut dyn Write,
    monitor: &'a mut Monitor<'a>,
    written: u64,
    total: u64,
    stopped: bool,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.stopped || !(self.monitor)((self.written as f64 / self.total as f64).min(1.0)) {
            self.stopped = true;
            return Err(std::io::Error::other("cancelled"));
        }
        let piece = &bytes[..bytes.len().min(1 << 24)];
        let written = self.out.write(piece)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
