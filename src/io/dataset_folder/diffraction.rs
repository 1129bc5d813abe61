//! 4D-STEM tilt series -> folder of schema `aet-4dstem-series/1`.

use std::path::{Path, PathBuf};

use ndarray::Array3;
use serde_json::{json, Map, Value};

use super::HEADER_FILE;
use crate::error::{Error, Result};
use crate::geometry::Mat3;
use crate::io::{atomic, file_error, npy, xyz, Monitor};
use crate::optics::{Aperture, ProbeOptions};
use crate::specimen::{elements, Atoms};

/// The schema that is written.
pub const DIFFRACTION_SCHEMA: &str = "aet-4dstem-series/1";

/// What the header of a 4D-STEM series says.
#[derive(Debug, Clone)]
pub struct DiffractionHeader {
    /// The illumination; its defocus is added to the foci.
    pub probe: ProbeOptions,
    /// Heights of the crossover above the specimen origin, angstrom.
    pub foci: Vec<f64>,
    /// Rotations of the tilts, p' = R p.
    pub rotations: Vec<Mat3>,
    /// Scan positions `[row, column, (x, y)]` from the specimen origin, angstrom.
    pub positions: Array3<f64>,
    /// Rows and columns of a pattern.
    pub pattern: (usize, usize),
    /// Angle between neighbouring pixels along (ky, kx), mrad.
    pub steps_mrad: (f64, f64),
    /// Patterns hold counts; else fractions of the beam.
    pub counts: bool,
    /// How the patterns were made.
    pub simulation: Value,
}

/// Joins the patterns of all tilts, one file `[focus, scan_row, scan_column, ky, kx]` each, and writes the folder. It takes
/// its name when it is complete.
///
/// # Errors
/// `Shape` for a tilt of another shape, `File` where the system refuses, `Cancelled` where `monitor` ends it.
pub fn write_diffraction(
    header: DiffractionHeader,
    tilts: &[PathBuf],
    atoms: &Atoms,
    folder: &Path,
    monitor: &mut Monitor,
) -> Result<()> {
    let parent = atomic::folder_of(folder);
    let staging = tempfile::Builder::new().prefix(".aet-dataset-").tempdir_in(parent);
    let staging = staging.map_err(file_error("writing into", parent))?;
    let fresh = staging.path().join("series");
    std::fs::create_dir(&fresh).map_err(file_error("creating", &fresh))?;
    write_patterns(&header, tilts, &fresh.join("patterns.npy"), monitor)?;
    let keep = &mut |_: f64| true;
    let rotations = header.rotations.iter().flatten().flatten().copied();
    npy::write(&fresh.join("rotations.npy"), &[tilts.len(), 3, 3], rotations, keep)?;
    let shape = header.positions.shape().to_vec();
    npy::write(&fresh.join("scan_positions.npy"), &shape, header.positions.iter().copied(), keep)?;
    xyz::write(atoms, &fresh.join("atoms_truth.xyz"))?;
    let path = fresh.join(HEADER_FILE);
    let text = serde_json::to_string_pretty(&description(&header, atoms, folder));
    let text = text.map_err(|e| Error::Internal(format!("header of a series: {e}")))?;
    atomic::write(&path, |file| file.write_all(text.as_bytes()).map_err(file_error("writing", &path)))?;
    atomic::sync_folder(&fresh)?;
    std::fs::rename(&fresh, folder).map_err(file_error("creating", folder))?;
    atomic::sync_folder(parent)
}

/// Values pass one by one: patterns of a tilt need not fit into memory.
fn write_patterns(header: &DiffractionHeader, tilts: &[PathBuf], path: &Path, monitor: &mut Monitor) -> Result<()> {
    let (rows, columns) = header.pattern;
    let scan = header.positions.shape();
    let of_tilt = [header.foci.len(), scan[0], scan[1], rows, columns];
    // the axis of foci is there only where there are several
    let mut shape = vec![tilts.len()];
    shape.extend(&of_tilt[usize::from(header.foci.len() == 1)..]);
    let values = tilts.iter().flat_map(|tilt| {
        let (values, error) = match npy::stream(tilt, &of_tilt) {
            Ok(values) => (Some(values), None),
            Err(error) => (None, Some(Err(error))),
        };
        values.into_iter().flatten().chain(error)
    });
    let mut failure = None;
    let values = values.map_while(|value| value.map_err(|e| failure = Some(e)).ok());
    let written = npy::write(path, &shape, values, monitor);
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

fn description(header: &DiffractionHeader, atoms: &Atoms, folder: &Path) -> Value {
    let probe = &header.probe;
    let mut aberrations: Map<String, Value> = match serde_json::to_value(probe.aberrations) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    if let [focus] = header.foci.as_slice() {
        aberrations.insert("C10".into(), json!(-(probe.aberrations.defocus() + focus)));
    }
    let mut species: Vec<u8> = atoms.species().to_vec();
    species.sort_unstable();
    species.dedup();
    let symbols: Vec<_> = species.iter().filter_map(|z| elements::symbol(*z)).collect();
    let mut axes = vec!["tilt", "scan_row", "scan_column", "detector_row", "detector_column"];
    if header.foci.len() > 1 {
        axes.insert(1, "focus");
    }
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    json!({
        "schema": DIFFRACTION_SCHEMA,
        "name": name,
        "kind": "simulated 4D-STEM tilt series",
        "elements": symbols,
        "energy_ev": probe.energy_ev,
        "semiangle_mrad": probe.semiangle_mrad,
        "aperture": match probe.aperture { Aperture::Soft => "soft", Aperture::Hard => "hard" },
        "aberrations_A": aberrations,
        "foci_A": header.foci,
        "defocus_reference": "specimen_origin",
        "tilts": header.rotations.len(),
        "patterns_axes": axes,
        "pattern_unit": if header.counts { "counts" } else { "fraction of the incident beam" },
        "detector_step_mrad": header.steps_mrad.1,
        "detector_step_mrad_yx": [header.steps_mrad.0, header.steps_mrad.1],
        "zero_angle_pixel": [header.pattern.0 / 2, header.pattern.1 / 2],
        "scan_positions_axes": ["scan_row", "scan_column", "(x, y)"],
        "scan_positions_origin": "specimen_origin",
        "simulation": header.simulation,
        "files": {
            "patterns": "patterns.npy",
            "rotations": "rotations.npy",
            "scan_positions": "scan_positions.npy",
            "scan_positions_true": null,
            "atoms_truth": "atoms_truth.xyz",
            "atoms_published": null,
            "volume_truth": null,
            "volume_published": null,
            "object_phase_truth": null,
            "probe_truth": null,
        },
    })
}
