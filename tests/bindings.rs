//! A function of include/aet.h that a host cannot call is only half a function: every one must be called from the
//! C++ header, from the MATLAB / Octave gateway and from the Julia and Python packages, or stand in the list below with
//! a reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One host: its name, where its sources are, what marks the rest of a line as a comment.
struct Host {
    name: &'static str,
    sources: &'static str,
    extensions: &'static [&'static str],
    line_comment: &'static str,
    /// Starts a line that only declares a function.
    declaration: Option<&'static str>,
}

const HOSTS: [Host; 4] = [
    Host { name: "cpp", sources: "include", extensions: &["hpp"], line_comment: "//", declaration: None },
    Host {
        name: "matlab",
        sources: "bindings/matlab",
        extensions: &["cpp", "hpp", "h"],
        line_comment: "//",
        declaration: None,
    },
    Host {
        name: "julia",
        sources: "bindings/julia",
        extensions: &["jl"],
        line_comment: "#",
        declaration: Some("@declare "),
    },
    Host {
        name: "python",
        sources: "bindings/python",
        extensions: &["py"],
        line_comment: "#",
        declaration: Some("\"aet_"),
    },
];

/// Functions that a host need not call: (host, function, reason).
const NOT_NEEDED: &[(&str, &str, &str)] =
    &[("python", "aet_last_error_copy", "ctypes copies the text of aet_last_error_message as it returns")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    std::fs::read_to_string(root().join("include/aet.h")).expect("include/aet.h")
}

/// C source without comments and preprocessor lines.
fn c_code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        code.push(' ');
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    code.push_str(rest);
    let mut continued = false;
    let lines = code.lines().filter(|line| {
        let directive = continued || line.trim_start().starts_with('#');
        continued = directive && line.ends_with('\\');
        !directive
    });
    lines.map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Names of the functions that the header declares; the inline helpers, which need no library, are left out.
fn declared_functions(header: &str) -> BTreeSet<String> {
    let code = c_code(header);
    code.split([';', '{', '}']).filter_map(declared_function).collect()
}

/// `aet_status aet_thing_do(int x)` gives `aet_thing_do`; a call, a typedef or an inline helper gives nothing.
fn declared_function(statement: &str) -> Option<String> {
    let statement = statement.trim();
    let (head, _) = statement.split_once('(')?;
    let words: Vec<&str> = head.split(|c: char| c.is_whitespace() || c == '*').filter(|w| !w.is_empty()).collect();
    let not_a_declaration = ["typedef", "static", "inline", "return", "else", "if", "for"];
    if words.len() < 2 || head.contains('=') || words.iter().any(|w| not_a_declaration.contains(w)) {
        return None;
    }
    words.last().filter(|w| w.starts_with("aet_")).map(|w| w.to_string())
}

/// The words of a host's sources that have the form of the library's names, comments and declarations left out;
/// each with whether it is called right there (`name(`) or only named, as a template argument or a callback is.
fn words_of(host: &Host) -> BTreeSet<(String, bool)> {
    let mut words = BTreeSet::new();
    for file in files(&root().join(host.sources), host.extensions) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().map(|line| line.split(host.line_comment).next().unwrap_or(line));
        for line in code.filter(|line| host.declaration.is_none_or(|mark| !line.trim_start().starts_with(mark))) {
            for (at, _) in line.match_indices("aet_") {
                let is_inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                let end = line[at..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(line.len(), |n| at + n);
                if !is_inside {
                    words.insert((line[at..end].to_string(), line[end..].starts_with('(')));
                }
            }
        }
    }
    words
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|e| extensions.contains(&&*e.to_string_lossy())) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_function_is_called_from_every_host() {
    let functions = declared_functions(&header());
    let mut missing = Vec::new();
    for host in &HOSTS {
        let words: BTreeSet<String> = words_of(host).into_iter().map(|(word, _)| word).collect();
        let excused = |f: &str| NOT_NEEDED.iter().any(|(h, name, _)| *h == host.name && *name == f);
        let uncalled = functions.iter().filter(|f| !words.contains(*f) && !excused(f));
        missing.extend(uncalled.map(|f| format!("{}: {f} is not called from {}", host.name, host.sources)));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn exceptions_are_still_needed() {
    let functions = declared_functions(&header());
    for (name, function, reason) in NOT_NEEDED {
        let host = HOSTS.iter().find(|h| h.name == *name).unwrap_or_else(|| panic!("no host `{name}`"));
        let is_called = words_of(host).iter().any(|(word, _)| word == function);
        let needed = functions.contains(*function) && !is_called;
        assert!(needed, "{name}: the exception for `{function}` ({reason}) is stale");
    }
}

#[test]
fn hosts_call_only_functions_that_exist() {
    let header = header();
    let known: BTreeSet<&str> = header.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let mut unknown = Vec::new();
    for host in &HOSTS {
        let called = words_of(host).into_iter().filter(|(_, is_called)| *is_called).map(|(word, _)| word);
        // The gateway's own name is the only other function of this form.
        let words = called.filter(|w| !known.contains(w.as_str()) && w != "aet_mex");
        unknown.extend(words.map(|w| format!("{}: {w} is not in include/aet.h", host.name)));
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn declarations_are_told_from_calls() {
    let header = "
#define AET_H \\
  aet_macro(int)
typedef int32_t (*aet_progress_fn)(void *user, const aet_progress *progress);
static inline aet_view aet_view_c(void *data) { aet_view v = aet_fill(data); aet_call(v); return aet_other(v); }
/* aet_status aet_in_comment(void); */
extern \"C\" {
// aet_status aet_in_line_comment(void);
const char *aet_status_name(aet_status status);
aet_status aet_long_one(const aet_context *context,
                        aet_progress_fn progress);
}";
    let names: Vec<String> = declared_functions(header).into_iter().collect();
    assert_eq!(names, ["aet_long_one", "aet_status_name"]);
}
