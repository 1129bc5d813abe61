//! What the readers of text files share: numbered lines, numbers, symbols of elements, and messages.

use std::fmt::Write as _;
use std::path::Path;

use super::super::file_error;
use crate::error::{Error, Result};
use crate::specimen::elements;

/// Result of a part of a file; the text becomes an error when the line is known.
pub(in crate::io) type Fault<T> = std::result::Result<T, String>;

/// A text file that was read, and how to complain about it.
pub(super) struct Text<'a> {
    path: &'a Path,
    format: &'static str,
    text: String,
}

impl<'a> Text<'a> {
    /// Reads a file of a format whose words are ASCII: comments may be in any encoding.
    pub(super) fn read(path: &'a Path, format: &'static str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(file_error("reading", path))?;
        Ok(Self::of(path, format, &bytes))
    }

    pub(super) fn of(path: &'a Path, format: &'static str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Text { path, format, text: text.trim_start_matches('\u{feff}').to_owned() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// All lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The file as a whole is wrong.
    pub(super) fn error(&self, why: impl Into<String>) -> Error {
        Error::Format { path: self.path.to_path_buf(), format: self.format, why: why.into() }
    }

    /// A line is wrong.
    pub(super) fn error_at(&self, line: usize, why: impl std::fmt::Display) -> Error {
        self.error(format!("line {line}: {why}"))
    }

    /// For `map_err`: the fault is in that line.
    pub(super) fn at(&self, line: usize) -> impl Fn(String) -> Error + '_ {
        move |why| self.error_at(line, why)
    }
}

/// The beginning of a text, for messages.
pub(in crate::io) fn excerpt(text: &str) -> String {
    text.trim().chars().take(60).collect()
}

/// A number.
pub(in crate::io) fn number(word: &str) -> Fault<f64> {
    word.parse().map_err(|_| format!("`{}` is no number", excerpt(word)))
}

/// The first three words as numbers.
pub(super) fn three_numbers(line: &str) -> Fault<[f64; 3]> {
    let mut words = line.split_whitespace();
    let mut next = || number(words.next().ok_or_else(|| format!("`{}` has fewer than 3 numbers", excerpt(line)))?);
    Ok([next()?, next()?, next()?])
}

/// Atomic number of a symbol in any case, with anything that is no letter behind it: `Fe`, `FE1`, `Fe3+`, `O2-`. Where
/// two letters are no element, the first is taken alone (`OW`). D and T are hydrogen, X is unknown.
pub(super) fn element(word: &str) -> Fault<u8> {
    let letters: Vec<char> = word.trim().chars().take_while(char::is_ascii_alphabetic).collect();
    let symbol = |n: usize| -> Option<u8> {
        let letters = letters.get(..n)?;
        let cased = letters.iter().enumerate();
        let symbol: String =
            cased.map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        match symbol.as_str() {
            "D" | "T" => Some(1),
            _ => elements::atomic_number(&symbol),
        }
    };
    symbol(2).or_else(|| symbol(1)).ok_or_else(|| format!("`{}` is no element", excerpt(word)))
}

/// The shortest digits that give the same bits again, at least 9 behind the point for the sake of columns.
pub(in crate::io) fn push_number(text: &mut String, value: f64) {
    let start = text.len();
    // writing to a String cannot fail
    let _ = if (1e-3..1e9).contains(&value.abs()) || value == 0.0 {
        write!(text, " {value:.9}")
    } else {
        write!(text, " {value:?}")
    };
    if text[start + 1..].parse() != Ok(value) {
        text.truncate(start);
        let _ = write!(text, " {value:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_in_many_spellings() {
        for (word, z) in [("Fe", 26), ("FE1", 26), ("fe3+", 26), ("O2-", 8), ("OW", 8), ("D", 1), ("X", 0), ("C1A", 6)]
        {
            assert_eq!(element(word), Ok(z), "{word}");
        }
        for word in ["", "1Fe", "Qq", "?", "\u{e9}"] {
            assert!(element(word).is_err(), "{word}");
        }
    }
}
