//! Files that are either the old one or the new one, never a part: written beside their place, synced, renamed.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use super::file_error;
use crate::error::Result;

/// Where `fill` writes to.
pub trait Sink: Write + Seek {}
impl<T: Write + Seek> Sink for T {}

/// Writes the file `path` by `fill`. Only when all is on the disk does it take the place of an older file of that
/// name; on any error, that of `fill` included, the older file stays and nothing is left beside it.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Sink) -> Result<()>) -> Result<()> {
    let folder = folder_of(path);
    let temporary = builder(".aet-file-").tempfile_in(folder).map_err(file_error("writing into", folder))?;
    let mut writer = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut writer)?;
    let temporary = writer.into_inner().map_err(|e| file_error("writing", path)(e.into_error()))?;
    temporary.as_file().sync_all().map_err(file_error("writing", path))?;
    temporary.persist(path).map_err(|e| file_error("replacing", path)(e.error))?;
    sync_folder(folder)
}

/// Folder that holds `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Temporary files would be private to the user; results have the permissions of any other file.
fn builder(prefix: &str) -> tempfile::Builder<'_, '_> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// Makes a rename in `folder` durable, where the system can sync folders.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let handle = File::open(folder).map_err(file_error("opening", folder))?;
        handle.sync_all().map_err(file_error("writing into", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_old_file_survives_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("größe 1.txt");
        write(&path, |w| w.write_all(b"old").map_err(file_error("writing", Path::new("x")))).unwrap();
        let result = write(&path, |w| {
            w.write_all(b"new").map_err(file_error("writing", Path::new("x")))?;
            Err(Error::Cancelled { phase: "writing" })
        });
        assert_eq!(result.unwrap_err().code(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, |w| w.write_all(b"new").map_err(file_error("writing", Path::new("x")))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("no such folder/file"), |_| Ok(())).unwrap_err();
        assert_eq!(error.code(), 400);
        assert!(error.to_string().contains("no such folder"), "{error}");
    }
}
