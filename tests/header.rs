//! include/aet.h is generated from src/capi, committed, and compared here. `cargo xtask header` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Order of the files of src/capi in the header; those not named here follow by name.
const FIRST: &[&str] = &[
    "status",
    "message",
    "version",
    "log",
    "view",
    "progress",
    "context",
    "table",
    "atoms",
    "atoms_files",
    "atoms_change",
    "atoms_compare",
    "atoms_accuracy",
    "frames",
    "atoms_generate",
    "dataset",
    "dataset_folder",
    "dataset_columns",
    "dataset_metadata",
    "probe",
    "detector",
    "recon",
    "orbital",
    "lot",
    "recon_options",
    "recon_run",
    "recon_second_order",
    "recon_terms",
    "recon_errors",
    "recon_orbital",
    "recon_store",
    "snapshot",
    "volume",
    "volume_filter",
    "volume_mask",
    "volume_trace",
    "atoms_classify",
    "volume_lattice",
    "resolution",
    "tomography",
    "find",
    "instrument",
    "simulation_options",
    "simulation",
    "simulation_scan",
    "simulation_gradient",
    "adf_transfer",
    "simulate_series",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of src/capi in the order of the header.
fn sources() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("src").join("capi")).expect("src/capi can be listed");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("src/capi can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let place = |path: &PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        (FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len()), name)
    };
    files.sort_by_key(place);
    files
}

/// Types that a file declares: those that no function names, such as enumerations, belong to the header too.
fn declared_types(source: &str) -> Vec<String> {
    let names = source.lines().filter_map(|line| {
        let rest = ["pub enum ", "pub struct ", "pub type "].iter().find_map(|kind| line.strip_prefix(kind))?;
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
    });
    names.filter(|name| name.starts_with("aet_")).map(str::to_string).collect()
}

/// Enumerations as the same C and C++: their values, and `int32_t` as their type.
fn plain_enumerations(text: &str) -> String {
    let mut plain = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.strip_prefix("enum aet_") {
            Some(name) => {
                plain.push_str("enum {\n");
                let body = lines.by_ref().skip_while(|line| *line != " {").skip(1).take_while(|line| *line != "};");
                body.for_each(|line| plain.extend([line, "\n"]));
                lines.by_ref().find(|line| line.starts_with("#endif")).expect("the type of an enumeration");
                plain.push_str(&format!("}};\ntypedef int32_t aet_{name};\n"));
            }
            None => plain.extend([line, "\n"]),
        }
    }
    plain
}

/// Structures by their type name everywhere: cbindgen writes the tag where it saw the declaration in the same file.
fn one_name(text: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with("typedef struct ") {
        true => line.to_string() + "\n",
        false => line.replace("struct aet_", "aet_") + "\n",
    });
    lines.collect()
}

/// Comments of one line on one line.
fn short_comments(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut rest = lines;
    while let [line, after @ ..] = rest {
        let comment = match rest {
            [open, words, close, ..] if open.trim() == "/**" && close.trim() == "*/" => words.trim().strip_prefix("* "),
            _ => None,
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let short = comment.map(|words| format!("{indent}/** {words} */")).filter(|short| short.len() <= 120);
        // An empty last line of a comment is left behind by notes to cbindgen.
        let left_behind = line.trim() == "*" && after.first().is_some_and(|next| next.trim() == "*/");
        rest = if short.is_some() { &rest[3..] } else { after };
        if !left_behind {
            text.push_str(short.as_deref().unwrap_or(line));
            text.push('\n');
        }
    }
    text
}

/// The part of the header that one file makes; None where it exports nothing.
fn section(path: &Path, config: &cbindgen::Config) -> Option<String> {
    let source = fs::read_to_string(path).expect("sources are readable");
    if !source.contains("#[unsafe(no_mangle)]") && declared_types(&source).is_empty() {
        return None;
    }
    let mut config = config.clone();
    config.export.include.extend(declared_types(&source));
    let builder = cbindgen::Builder::new().with_config(config).with_src(path);
    let mut text = Vec::new();
    builder.generate().expect("cbindgen understands src/capi").write(&mut text);
    let text = one_name(&plain_enumerations(&String::from_utf8(text).expect("the header is UTF-8")));
    let title = source.lines().next().and_then(|line| line.strip_prefix("//! ")).expect("a first line with the title");
    let title = title.split([':', '.']).next().unwrap_or(title);
    Some(format!("/* ---- {title} ---- */\n\n{}\n", text.trim()))
}

fn generated() -> String {
    let path = root().join("cbindgen.toml");
    let mut config = cbindgen::Config::from_file(path.to_str().expect("a UTF-8 path")).expect("cbindgen.toml is valid");
    let header = config.header.take().expect("cbindgen.toml has a header");
    let trailer = config.trailer.take().expect("cbindgen.toml has a trailer");
    let number = ["MAJOR", "MINOR", "PATCH"].map(|part| {
        let value = env::var(format!("CARGO_PKG_VERSION_{part}")).expect("set by cargo");
        value.parse::<u32>().expect("a number")
    });
    let header = header
        .replace("{version_number}", &(number[0] * 10_000 + number[1] * 100 + number[2]).to_string())
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{abi}", env!("AET_ABI_VERSION"));
    let sections: Vec<String> = sources().iter().filter_map(|path| section(path, &config)).collect();
    let whole = format!("{}\n\n{}\n{}\n", header.trim(), sections.join("\n"), trailer.trim());
    let mut lines: Vec<&str> = whole.lines().map(str::trim_end).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    short_comments(&lines)
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = root().join("include").join("aet.h");
    let wanted = generated();
    if env::var_os("AET_UPDATE_HEADER").is_some_and(|value| value == "1") {
        let temporary = path.with_extension("h.new");
        fs::create_dir_all(root().join("include")).expect("include/ can be made");
        fs::write(&temporary, &wanted).expect("include/ is writable");
        fs::rename(&temporary, &path).expect("include/aet.h is writable");
        python_declarations(&[]);
        return;
    }
    // A checkout on Windows may have other line ends.
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let differs = committed.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(committed.lines().count().min(wanted.lines().count())) + 1;
    assert!(committed == wanted, "include/aet.h is not what src/capi makes (line {line}): run `cargo xtask header`");
}

/// Runs the generator of what the Python package knows of the header, where there is a Python.
fn python_declarations(arguments: &[&str]) {
    let generator = root().join("bindings").join("python").join("generate.py");
    match Command::new("python3").arg(generator).args(arguments).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("no python3 here: bindings/python/aet/_declarations.py is left alone"),
    }
}

#[test]
fn the_python_declarations_are_those_of_the_header() {
    python_declarations(&["--check"]);
}

/// The text without comments, string literals and preprocessor lines.
fn code(header: &str) -> String {
    let mut text = String::new();
    let mut rest = header;
    while let Some(start) = rest.find("/*") {
        text.push_str(&rest[..start]);
        let end = rest[start..].find("*/").expect("comments are closed");
        rest = &rest[start + end + 2..];
    }
    text.push_str(rest);
    // What is meant for C++ alone is the bracket around everything.
    let mut for_cpp = false;
    let mut kept = Vec::new();
    for line in text.lines() {
        match line.trim() {
            "#ifdef __cplusplus" => for_cpp = true,
            "#endif" => for_cpp = false,
            directive if directive.starts_with('#') => {}
            _ if for_cpp => {}
            line => kept.push(line.split("//").next().unwrap_or(line)),
        }
    }
    kept.join("\n")
}

/// Words and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let is_sign = |c: char| !(c.is_alphanumeric() || c == '_');
    let pieces = code.split_inclusive(is_sign).flat_map(|piece| {
        let end = piece.find(is_sign).unwrap_or(piece.len());
        [&piece[..end], piece[end..].trim()]
    });
    pieces.filter(|token| !token.is_empty()).collect()
}

/// Names that a translation unit gets by including the header: macros, tags, types, functions, enumeration values.
fn introduced(header: &str) -> BTreeSet<String> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split([' ', '(']).next());
    let mut names: BTreeSet<String> = defined.map(str::to_string).collect();
    let code = code(header);
    let (mut depth, mut in_enum) = (0, false);
    let mut before = ("", "");
    let tokens = tokens(&code);
    for (i, &token) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1).copied().unwrap_or_default();
        match token {
            "{" => {
                depth += 1;
                in_enum = before.1 == "enum" || before.0 == "enum";
            }
            "}" => {
                depth -= 1;
                in_enum = false;
            }
            _ => {}
        }
        let is_name = token.starts_with(char::is_alphabetic);
        let tag = ["struct", "enum", "union"].contains(&before.1);
        let function = depth == 0 && next == "(" && !["void", "int32_t"].contains(&token);
        let function_type = depth == 0 && before == ("(", "*") && next == ")";
        let other_type = depth == 0 && next == ";";
        if is_name && (tag || function || function_type || other_type || (in_enum && depth == 1)) {
            names.insert(token.to_string());
        }
        before = (before.1, token);
    }
    names
}

#[test]
fn only_names_of_the_library_are_introduced() {
    let names = introduced(&generated());
    for wanted in
        ["AET_H", "AET_ERROR_SHAPE", "AET_DTYPE_C128", "aet_view", "aet_view_f", "aet_abi_version", "aet_log_fn"]
    {
        assert!(names.contains(wanted), "{wanted} was not found in {names:?}");
    }
    let foreign: Vec<_> = names.iter().filter(|n| !n.starts_with("aet_") && !n.starts_with("AET_")).collect();
    assert!(foreign.is_empty(), "the header introduces {foreign:?}");
}

/// Compiles a program that includes the header twice; false if there is no such compiler.
fn compiles(compiler: &str, arguments: &[&str], name: &str, program: &str) -> bool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header");
    fs::create_dir_all(&folder).expect("the test folder can be made");
    fs::write(folder.join("aet.h"), generated()).expect("the test folder is writable");
    let source = folder.join(name);
    fs::write(&source, program).expect("the test folder is writable");
    let mut command = Command::new(compiler);
    command.args(arguments).arg("-fsyntax-only").arg("-I").arg(&folder).arg(&source);
    let Ok(output) = command.output() else {
        println!("no {compiler} here: the header is not compiled with it");
        return false;
    };
    assert!(output.status.success(), "{compiler} {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    true
}

const C_PROGRAM: &str = r#"
#include "aet.h"
#include "aet.h"
static int32_t progress(void *user, const aet_progress *p) { (void)user; return p->fraction > 1.0; }
int main(void)
{
  int64_t shape[3] = {2, 3, 4};
  double data[24] = {0};
  aet_view rows = aet_view_c(data, AET_DTYPE_F64, 3, shape);
  aet_const_view columns = aet_const_view_f(data, AET_DTYPE_F64, 3, shape);
  aet_view columns_out = aet_view_f(data, AET_DTYPE_F64, 3, shape);
  aet_const_view rows_in = aet_const_view_c(data, AET_DTYPE_F64, 3, shape);
  aet_progress_fn fn = progress;
  aet_status status = AET_OK;
  return fn == NULL || rows.ndim + columns.ndim + columns_out.ndim + rows_in.ndim != 12 || status != AET_OK;
}
"#;

#[test]
fn the_header_compiles_as_c_and_cpp() {
    // -Wpadded: a structure with a hole could not be compared or grown byte by byte.
    let c = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wpadded", "-Wstrict-prototypes", "-Werror"];
    let cpp = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror"];
    for compiler in ["gcc", "clang"] {
        compiles(compiler, &c, "header.c", C_PROGRAM);
    }
    for compiler in ["g++", "clang++"] {
        compiles(compiler, &cpp, "header.cpp", C_PROGRAM);
    }
}
