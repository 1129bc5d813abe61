//! Holds the source tree to its own plan: arrows between rooms point upwards only, ARCHITECTURE.md names the rooms
//! that exist and no others, and no file grows beyond 600 lines of code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms in the order in which data walks down: a room uses only rooms that stand before it.
/// `simd` stands early because every floor below the constants may use its kernels.
const FLOORS: [&str; 26] = [
    "error",
    "units",
    "electron",
    "grid",
    "geometry",
    "statistics",
    "table",
    "simd",
    "context",
    "problem",
    "check",
    "fourier",
    "optics",
    "specimen",
    "dataset",
    "forward",
    "simulate",
    "prepare",
    "trace",
    "classify",
    "optimize",
    "reconstruct",
    "analyze",
    "io",
    "pipeline",
    "capi",
];

const LINES_ALLOWED: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`, sorted.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The source with comments, strings and `#[cfg(test)]` items blanked out; line breaks stay.
fn code_of(source: &str) -> String {
    without_tests(&without_text(source))
}

/// Blanks comments, string and character literals.
fn without_text(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut i = 0;
    while i < bytes.len() {
        let end = literal_or_comment_end(bytes, i);
        for byte in &mut out[i..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        i = end.max(i + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// End of the comment or literal that starts at `i`, or `i` where none does.
fn literal_or_comment_end(bytes: &[u8], i: usize) -> usize {
    let rest = &bytes[i..];
    let find = |from: usize, what: &[u8]| {
        (i + from..bytes.len()).find(|&j| bytes[j..].starts_with(what)).map_or(bytes.len(), |j| j + what.len())
    };
    if rest.starts_with(b"//") {
        return find(2, b"\n").saturating_sub(1).max(i + 2);
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, i);
    }
    let word_before = i > 0 && (bytes[i - 1].is_ascii_alphanumeric() || bytes[i - 1] == b'_');
    let raw = rest.iter().take_while(|b| matches!(b, b'b' | b'c' | b'r')).count();
    if !word_before && (1..=2).contains(&raw) && rest[raw - 1] == b'r' {
        let hashes = rest[raw..].iter().take_while(|&&b| b == b'#').count();
        if rest.get(raw + hashes) == Some(&b'"') {
            let mut close = vec![b'"'];
            close.extend(std::iter::repeat_n(b'#', hashes));
            return find(raw + hashes + 1, &close);
        }
    }
    match rest[0] {
        b'"' => quoted_end(bytes, i, b'"'),
        // 'a' and '\n' are characters, 'a without a closing quote is a lifetime.
        b'\'' if rest.get(1) == Some(&b'\\') => quoted_end(bytes, i, b'\''),
        b'\'' => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
                .or_else(|e| std::str::from_utf8(&rest[1..1 + e.valid_up_to()]))
                .ok()
                .and_then(|s| s.chars().next())
                .map_or(1, char::len_utf8);
            if rest.get(1 + width) == Some(&b'\'') {
                i + width + 2
            } else {
                i
            }
        }
        _ => i,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != quote {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            (depth, i) = (depth + 1, i + 2);
        } else if bytes[i..].starts_with(b"*/") {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

/// Blanks every item under `#[cfg(test)]`, up to its closing brace or semicolon. `code` holds no literals any more.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(at) = code[from..].find(MARK).map(|p| p + from) {
        let mut end = at + MARK.len();
        let mut depth = 0;
        for (offset, c) in code[end..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == '}' && depth <= 0) || (c == ';' && depth == 0) {
                end += offset + 1;
                break;
            }
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Name of the room a file belongs to, and how many `super::` lead from its top to the crate root.
fn room_and_depth(file: &Path) -> (String, usize) {
    let relative = file.strip_prefix(root().join("src")).unwrap();
    let parts: Vec<String> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let room = parts[0].trim_end_matches(".rs").to_string();
    let depth = if parts.last().is_some_and(|p| p == "mod.rs") { parts.len() - 1 } else { parts.len() };
    (room, depth)
}

/// First names of the paths that start at the crate root, with their line: `crate::a::b` and `use crate::{a, b::c}`
/// both give `a`; `super::` counts where it leads up to the root.
fn paths_from_root(code: &str, depth: usize) -> Vec<(usize, String)> {
    let climb = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", climb.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(first_names(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The names right after `crate::`, one or a braced list of them.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    if !rest.starts_with('{') {
        return vec![name(rest)];
    }
    let (mut depth, mut start, mut names) = (0, 1, Vec::new());
    for (i, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            names.push(name(&rest[start..i]));
            start = i + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

/// Names that lib.rs offers at the root, each with the room it comes from.
fn names_at_root() -> BTreeMap<String, String> {
    let lib = code_of(&std::fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let mut names = BTreeMap::new();
    for statement in lib.split(';') {
        let Some(path) = statement.trim().strip_prefix("pub use ") else { continue };
        let path = path.trim_start_matches("crate::").trim_start_matches("self::");
        let room: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        for word in path.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()) {
            names.insert(word.to_string(), room.clone());
        }
    }
    names
}

/// The rooms that exist: folders and files in src/.
fn rooms() -> BTreeMap<String, bool> {
    let entries = std::fs::read_dir(root().join("src")).unwrap().map(|e| e.unwrap().path());
    entries
        .filter(|path| !path.ends_with("lib.rs") && (!path.is_dir() || !rust_files(path).is_empty()))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path.is_dir()))
        .collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|f| *f == room)
}

#[test]
fn arrows_between_rooms_point_upwards() {
    let at_root = names_at_root();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let (room, depth) = room_and_depth(&file);
        if room == "lib" {
            continue;
        }
        let shown = file.strip_prefix(root()).unwrap().display();
        let Some(here) = floor(&room) else {
            wrong.push(format!("{shown}: room `{room}` has no floor in tests/floors.rs"));
            continue;
        };
        let code = code_of(&std::fs::read_to_string(&file).unwrap());
        for (line, name) in paths_from_root(&code, depth) {
            let target = floor(&name).is_some().then_some(&name).or_else(|| at_root.get(&name));
            match target.and_then(|t| floor(t)) {
                None => wrong.push(format!("{shown}:{line}: `crate::{name}` is no room and no name of lib.rs")),
                Some(there) if there > here => {
                    wrong.push(format!("{shown}:{line}: `{room}` uses `{}`, which stands below it", FLOORS[there]))
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn architecture_names_the_rooms_that_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let rooms = rooms();
    let mentions = |entry: &str| {
        text.match_indices(entry).any(|(at, _)| {
            let before = text[..at].strip_suffix("src/").unwrap_or(&text[..at]);
            !before.ends_with(|c: char| c.is_alphanumeric() || "_-./".contains(c))
        })
    };
    let mut wrong = BTreeSet::new();
    for room in FLOORS {
        let (folder, file) = (mentions(&format!("{room}/")), mentions(&format!("{room}.rs")));
        match rooms.get(room) {
            Some(true) if !folder => wrong.insert(format!("does not mention `{room}/`")),
            Some(false) if !file => wrong.insert(format!("does not mention `{room}.rs`")),
            None if folder || file => wrong.insert(format!("mentions `{room}`, which does not exist")),
            _ => false,
        };
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "ARCHITECTURE.md {}", wrong.join("; "));
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for file in rust_files(&root().join("src")) {
        let source = std::fs::read_to_string(&file).unwrap();
        let lines = code_of(&source).lines().filter(|line| !line.trim().is_empty()).count();
        if lines > LINES_ALLOWED {
            long.push(format!("{}: {lines} lines of code", file.strip_prefix(root()).unwrap().display()));
        }
    }
    assert!(long.is_empty(), "more than {LINES_ALLOWED}, which room or type is missing?\n{}", long.join("\n"));
}

#[test]
fn the_reader_of_sources_sees_only_code() {
    let source = r##"
use crate::{error::{Error, Result}, grid}; // crate::comment
/* crate::block /* nested */ */
fn f<'a>(x: &'a str) -> char { let _ = "crate::string \" {"; let _ = r#"crate::raw "{"#; '{' }
fn g() { crate::units::f(); super::super::fourier::plan(); mycrate::x() }
#[cfg(test)]
mod tests { use crate::capi; }
fn h() { crate::geometry::f() }
"##;
    let mut names: Vec<String> = paths_from_root(&code_of(source), 2).into_iter().map(|(_, name)| name).collect();
    names.sort();
    assert_eq!(names, ["error", "fourier", "geometry", "grid", "units"]);
}
