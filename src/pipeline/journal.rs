//! What a long computation has finished, on the disk: records of known lengths, appended, each with its checksum.
//!
//! A process that is killed leaves a last record that is cut or wrong; opening the journal again drops it and tells how many
//! whole ones there are. What the journal belongs to is told by the folder that it lies in.

use crate::error::{Error, Result};
use crate::io::file_error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a checksum.
const CHECKSUM: usize = 4;

/// An append-only file of records of f64 values.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Length of each record, in values.
    lengths: Vec<usize>,
    /// Whole records.
    finished: usize,
}

impl Journal {
    /// Opens or creates the journal `path` with records of these lengths (values) in this order.
    ///
    /// # Errors
    /// `File` where the system refuses.
    pub fn open(path: &Path, lengths: Vec<usize>) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut journal = Journal {
            path: path.to_path_buf(),
            file: file.map_err(file_error("opening", path))?,
            lengths,
            finished: 0,
        };
        while journal.finished < journal.lengths.len() && journal.read_next()?.is_some() {
            journal.finished += 1;
        }
        // what was cut by a kill goes away
        let end = journal.offset(journal.finished);
        journal.file.set_len(end).map_err(file_error("writing", path))?;
        Ok(journal)
    }

    /// Whole records.
    pub fn finished(&self) -> usize {
        self.finished
    }

    fn bytes(&self, record: usize) -> usize {
        8 * self.lengths[record] + CHECKSUM
    }

    fn offset(&self, record: usize) -> u64 {
        (0..record).map(|r| self.bytes(r) as u64).sum()
    }

    fn read_next(&mut self) -> Result<Option<Vec<f64>>> {
        let record = self.finished;
        self.read(record)
    }

    /// The values of a record; `None` where it is not whole.
    ///
    /// # Errors
    /// `File` where the system refuses.
    pub fn read(&mut self, record: usize) -> Result<Option<Vec<f64>>> {
        let (offset, mut bytes) = (self.offset(record), vec![0; self.bytes(record)]);
        self.file.seek(SeekFrom::Start(offset)).map_err(file_error("reading", &self.path))?;
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(file_error("reading", &self.path)(e)),
        }
        let (values, checksum) = bytes.split_at(8 * self.lengths[record]);
        if crc32fast::hash(values).to_le_bytes() != checksum {
            return Ok(None);
        }
        let values = values.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
        Ok(Some(values))
    }

    /// Appends the next record; it is on the disk when this returns.
    ///
    /// # Errors
    /// `File` where the system refuses, a full disk among the reasons; what was finished before stays.
    pub fn append(&mut self, values: &[f64]) -> Result<()> {
        let wanted = self.lengths.get(self.finished).copied();
        if Some(values.len()) != wanted {
            return Err(Error::Internal(format!(
                "a record of {} values in a journal, wanted {wanted:?}",
                values.len()
            )));
        }
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let checksum = crc32fast::hash(&bytes).to_le_bytes();
        bytes.extend(checksum);
        let offset = self.offset(self.finished);
        self.file.seek(SeekFrom::Start(offset)).map_err(file_error("writing", &self.path))?;
        self.file.write_all(&bytes).map_err(file_error("writing", &self.path))?;
        self.file.sync_data().map_err(file_error("writing", &self.path))?;
        self.finished += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_survive_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let lengths = vec![3, 2, 4];
        let mut journal = Journal::open(&path, lengths.clone()).unwrap();
        assert_eq!(journal.finished(), 0);
        journal.append(&[1.0, f64::MIN_POSITIVE, -0.1]).unwrap();
        journal.append(&[4.0, 5.0]).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 5, 27, 28, 29, 47, 48] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path, lengths.clone()).unwrap();
            assert_eq!(journal.finished(), usize::from(cut >= 28) + usize::from(cut >= 48));
            if cut >= 28 {
                assert_eq!(journal.read(0).unwrap().unwrap(), [1.0, f64::MIN_POSITIVE, -0.1]);
            }
        }
        let mut garbled = whole.clone();
        garbled[30] ^= 1;
        std::fs::write(&path, &garbled).unwrap();
        let mut journal = Journal::open(&path, lengths.clone()).unwrap();
        assert_eq!(journal.finished(), 1);
        journal.append(&[4.0, 5.0]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(journal.append(&[1.0]).unwrap_err().code(), 900);
    }
}
