//! The folder beside the result that holds what is finished.

use super::SeriesRun;
use crate::error::{Error, Result};
use crate::io::{atomic, file_error};
use crate::simulate::tilt_series::MultisliceSeries;
use crate::specimen::Atoms;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The folder of what is finished.
pub(super) struct Partial {
    pub folder: PathBuf,
    /// Made by this call.
    pub fresh: bool,
    /// Held as long as this process works on the folder.
    lock: File,
}

impl Partial {
    /// Creates it, or checks that it belongs to the same series.
    pub fn open(result: &Path, atoms: &Atoms, series: &MultisliceSeries, run: &SeriesRun) -> Result<Self> {
        let name = result.file_name().ok_or_else(|| Error::Inconsistent {
            what: format!("{}", result.display()),
            why: "it ends in no name that a new folder could have".into(),
        })?;
        let mut partial = name.to_os_string();
        partial.push(".partial");
        let folder = result.with_file_name(partial);
        std::fs::create_dir_all(&folder).map_err(file_error("creating", &folder))?;
        let lock = locked(&folder)?;
        let plan = folder.join("plan.json");
        let text = description(atoms, series, run)?;
        let fresh = match std::fs::read_to_string(&plan) {
            Ok(older) if older == text => false,
            Ok(_) => {
                let why = "it holds the parts of another series; remove it or name another folder".into();
                return Err(Error::Inconsistent { what: format!("{}", folder.display()), why });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                atomic::write(&plan, |file| file.write_all(text.as_bytes()).map_err(file_error("writing", &plan)))?;
                true
            }
            Err(e) => return Err(file_error("reading", &plan)(e)),
        };
        Ok(Self { folder, fresh, lock })
    }

    /// Removes the folder, when its parts have become the result, or there are none.
    pub fn remove(self) -> Result<()> {
        drop(self.lock); // some systems remove no file that is open
        std::fs::remove_dir_all(&self.folder).map_err(file_error("removing", &self.folder))
    }

    /// The finished signals of a tilt.
    pub fn tilt(&self, tilt: usize) -> PathBuf {
        self.folder.join(format!("tilt_{tilt:04}.npy"))
    }

    /// The finished parts of a tilt.
    pub fn journal(&self, tilt: usize) -> PathBuf {
        self.folder.join(format!("tilt_{tilt:04}.journal"))
    }
}

/// Two processes that wrote the same parts would spoil both. The system gives the lock back when a process ends, however it
/// ends. File systems without locks have none.
fn locked(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(file_error("opening", &path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let why = "another run is at work on it".into();
            Err(Error::Inconsistent { what: format!("{}", folder.display()), why })
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// What the parts belong to: the series, the atoms to the last bit, and what else changes bits.
fn description(atoms: &Atoms, series: &MultisliceSeries, run: &SeriesRun) -> Result<String> {
    let mut hash = crc32fast::Hasher::new();
    for name in ["positions", "species", "occupancy", "debye_waller_b"] {
        atoms.column(name)?.values.iter().for_each(|v| hash.update(&v.to_le_bytes()));
    }
    let plan = serde_json::json!({
        "library": env!("CARGO_PKG_VERSION"),
        "atoms": atoms.len(),
        "atoms_crc32": hash.finalize(),
        "double": run.double,
        "series": series,
    });
    serde_json::to_string_pretty(&plan).map_err(|e| Error::Internal(format!("the series as text: {e}")))
}
