//! State files: a stopped reconstruction, to go on to the last bit.
//!
//! | bytes | content |
//! |-------|---------|
//! | 8     | `AETSTATE` |
//! | 4     | version of the format, little-endian as all numbers |
//! | 8     | length n of the payload in bytes |
//! | 4     | CRC-32 of the payload |
//! | n     | [`Saved`] in postcard's encoding |

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{atomic, file_error, report, Monitor};
use crate::error::{Error, Result};
use crate::reconstruct::Saved;

const FORMAT: &str = "state file";
const MAGIC: [u8; 8] = *b"AETSTATE";
const VERSION: u32 = 5;
/// Bytes before the payload.
const HEADER: usize = 24;
/// Bytes between two looks at the monitor.
const CHUNK: usize = 1 << 24;

/// Writes `state` to the file `path`; an older file of that name stays until the new one is complete.
///
/// # Errors
/// `Cancelled`, `File`.
pub fn write(path: &Path, state: &Saved, monitor: &mut Monitor) -> Result<()> {
    report(monitor, "saving", 0.0)?;
    let payload = postcard::to_allocvec(state).map_err(|e| Error::Internal(format!("encoding a state: {e}")))?;
    atomic::write(path, |file| {
        file.write_all(&header(&payload)).map_err(file_error("writing", path))?;
        for (i, chunk) in payload.chunks(CHUNK).enumerate() {
            report(monitor, "saving", (i * CHUNK) as f64 / payload.len() as f64)?;
            file.write_all(chunk).map_err(file_error("writing", path))?;
        }
        Ok(())
    })
}

/// Reads what `write` wrote.
///
/// # Errors
/// `Cancelled`, `File`; `Truncated` where the file ends too early; `FileVersion` for another version of the format;
/// `Format` for a file of another kind or a damaged one.
pub fn read(path: &Path, monitor: &mut Monitor) -> Result<Saved> {
    report(monitor, "reading", 0.0)?;
    let mut file = File::open(path).map_err(file_error("opening", path))?;
    let length = file.metadata().map_err(file_error("reading", path))?.len();
    let mut start = Vec::with_capacity(HEADER);
    file.by_ref().take(HEADER as u64).read_to_end(&mut start).map_err(file_error("reading", path))?;
    let (payload_length, checksum) = parse_header(path, &start, length)?;
    let payload = read_payload(path, &mut file, payload_length, monitor)?;
    if crc32fast::hash(&payload) != checksum {
        return Err(format_error(path, "its checksum is wrong: the file is damaged"));
    }
    let (state, rest) =
        postcard::take_from_bytes(&payload).map_err(|e| format_error(path, &format!("undecodable content: {e}")))?;
    match rest.len() {
        0 => Ok(state),
        extra => Err(format_error(path, &format!("{extra} bytes follow the state"))),
    }
}

fn header(payload: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend((payload.len() as u64).to_le_bytes());
    header.extend(crc32fast::hash(payload).to_le_bytes());
    header
}

/// Length and checksum of the payload, which the file of `length` bytes has room for.
fn parse_header(path: &Path, start: &[u8], length: u64) -> Result<(u64, u32)> {
    if !MAGIC.starts_with(&start[..start.len().min(MAGIC.len())]) {
        return Err(format_error(path, "it does not begin with AETSTATE"));
    }
    let truncated = |wanted: u64| Error::Truncated { path: path.to_path_buf(), got: length, wanted };
    if start.len() < HEADER {
        return Err(truncated(HEADER as u64));
    }
    let number = |range: std::ops::Range<usize>| {
        start[range].iter().rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte))
    };
    let version = number(8..12);
    if version != u64::from(VERSION) {
        return Err(Error::FileVersion {
            path: path.to_path_buf(),
            format: FORMAT,
            got: version.to_string(),
            wanted: VERSION.to_string(),
        });
    }
    let payload = number(12..20);
    let wanted = payload.checked_add(HEADER as u64);
    let wanted = wanted.ok_or_else(|| format_error(path, "the length in it exceeds any file"))?;
    match length {
        _ if length < wanted => Err(truncated(wanted)),
        _ if length > wanted => Err(format_error(path, &format!("{} bytes follow its end", length - wanted))),
        _ => Ok((payload, number(20..24) as u32)),
    }
}

/// The payload, whose length was compared with that of the file.
fn read_payload(path: &Path, file: &mut File, length: u64, monitor: &mut Monitor) -> Result<Vec<u8>> {
    let too_large = |_| Error::Memory { what: format!("reading {}", path.display()), needed: length, available: 0 };
    let total = usize::try_from(length).unwrap_or(usize::MAX);
    let mut payload = Vec::new();
    payload.try_reserve_exact(total).map_err(too_large)?;
    while payload.len() < total {
        report(monitor, "reading", payload.len() as f64 / total as f64)?;
        let chunk = CHUNK.min(total - payload.len()) as u64;
        let got = file.by_ref().take(chunk).read_to_end(&mut payload).map_err(file_error("reading", path))?;
        if got == 0 {
            let got = (HEADER + payload.len()) as u64;
            return Err(Error::Truncated { path: path.to_path_buf(), got, wanted: HEADER as u64 + length });
        }
    }
    Ok(payload)
}

fn format_error(path: &Path, why: &str) -> Error {
    Error::Format { path: path.to_path_buf(), format: FORMAT, why: why.into() }
}
