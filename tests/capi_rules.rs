//! Rules of the C boundary that the compiler does not check, read from src/capi.

use std::ffi::CString;
use std::fs;
use std::path::Path;

/// A file of src/capi without its unit tests.
struct Source {
    name: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join("capi");
    let entries = fs::read_dir(folder).expect("src/capi can be listed").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    // What the unit tests share.
    let files = files.filter(|path| path.file_stem().is_some_and(|stem| stem != "fixture"));
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).expect("sources are readable");
        let text = text.split("#[cfg(test)]\n#[allow").next().unwrap_or_default();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_string();
        Source { name: path.file_name().expect("a file").to_string_lossy().into_owned(), text }
    };
    files.map(read).collect()
}

/// An exported function: the lines before it (attributes and documentation), its name and its body.
struct Function<'a> {
    before: Vec<&'a str>,
    name: &'a str,
    signature: &'a str,
    body: &'a str,
}

/// All functions with C linkage in a file. They stand at the left margin, and so do their closing braces.
fn functions(text: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("extern \"C\" fn ") {
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &text[start..at];
        let rest = &text[at + "extern \"C\" fn ".len()..];
        // Types of callbacks: `unsafe extern "C" fn(...)` has no name.
        let name = rest.split('(').next().unwrap_or_default();
        if !line.trim_start().starts_with("pub") && line.contains(['<', '=', ':']) {
            continue;
        }
        let end = rest.find("\n}\n").map_or(rest.len(), |end| end + 2);
        let open = rest.find('{').unwrap_or(rest.len());
        let before: Vec<&str> =
            text[..start].lines().rev().take_while(|l| l.starts_with("///") || l.starts_with("#[")).collect();
        found.push(Function { before, name, signature: &rest[..open], body: &rest[open..end] });
    }
    found
}

#[test]
fn every_export_is_guarded_named_and_documented() {
    let mut faults = Vec::new();
    let mut count = 0;
    for source in sources() {
        for function in functions(&source.text) {
            count += 1;
            let mut fault = |what: &str| faults.push(format!("{}: {}: {what}", source.name, function.name));
            if !function.name.starts_with("aet_") {
                fault("its name does not begin with aet_");
            }
            if !function.before.contains(&"#[unsafe(no_mangle)]") {
                fault("it lacks #[unsafe(no_mangle)]");
            }
            if !function.before.iter().any(|line| line.starts_with("/// ")) {
                fault("it has no documentation");
            }
            let fallible = function.signature.contains("-> aet_status");
            // The whole body is one call: only constants may stand before it.
            let statements: Vec<&str> = function.body[1..].trim_start().lines().collect();
            let first = statements
                .iter()
                .map(|line| line.trim())
                .find(|line| !line.starts_with("let ") && !line.starts_with("const ") && !line.starts_with("//"))
                .unwrap_or_default();
            let named = format!("guard(\"{}\", ", function.name);
            if fallible && !first.starts_with(&named) {
                fault(&format!("its body is not {named}...)"));
            }
            if !fallible && !first.starts_with("guard_value(") && !first.starts_with("guard_plain(") {
                fault("its body is not guard_value(...) or guard_plain(...)");
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(count >= 8, "only {count} exported functions were found: the search is out of date");
}

#[test]
fn exports_stand_only_in_capi() {
    fn walk(folder: &Path, faults: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("src can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "capi") {
                walk(&path, faults);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are readable");
                if text.contains("no_mangle") || text.contains("crate::capi") {
                    faults.push(path.display().to_string());
                }
            }
        }
    }
    let mut faults = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut faults);
    assert!(faults.is_empty(), "these files export C functions or use the boundary: {faults:?}");
}

/// Names of the `#[repr(C)]` structures of the header.
fn structures() -> Vec<String> {
    let mut names = Vec::new();
    for source in sources() {
        for (at, _) in source.text.match_indices("\n#[repr(C)]\n") {
            let declaration =
                source.text[at..].lines().find(|line| line.starts_with("pub struct ")).unwrap_or_default();
            let name = declaration.trim_start_matches("pub struct ").split([' ', '<', '(']).next().unwrap_or_default();
            names.push(name.to_string());
        }
    }
    names
}

#[test]
fn every_structure_tells_its_size() {
    let structures = structures();
    assert!(structures.iter().any(|name| name == "aet_view"), "{structures:?}");
    for name in structures {
        let text = CString::new(name.clone()).expect("no NUL in a name");
        // SAFETY: a string closed by NUL.
        let size = unsafe { aet::capi::aet_struct_size(text.as_ptr()) };
        assert_ne!(size, 0, "{name} is missing in STRUCTURES of src/capi/options.rs");
    }
}

#[test]
fn types_of_bindings_are_fixed() {
    let mut faults = Vec::new();
    for source in sources() {
        for function in functions(&source.text) {
            for forbidden in [": bool", "-> bool", ": isize", "-> isize", "c_long", "c_int", ": char", "&str"] {
                if function.signature.contains(forbidden) {
                    faults.push(format!("{}: `{forbidden}` in {}", source.name, function.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
