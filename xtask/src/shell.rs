//! Running other programs: where the repository is, how cargo is called, what a failure reads like.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A failure is a sentence for the person at the terminal.
pub type Result<T> = std::result::Result<T, String>;

/// Root of the repository.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// Cargo's target folder, absolute.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
        None => root().join("target"),
    }
}

/// A command that works in the root of the repository.
///
/// `cargo run` puts its own folders on the library path; they are taken off again, or a host could load a stale
/// library from there instead of the one that its rpath names.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for key in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(key) {
            let own = target();
            let kept: Vec<PathBuf> = std::env::split_paths(&value).filter(|p| !p.starts_with(&own)).collect();
            match std::env::join_paths(&kept) {
                Ok(paths) if !kept.is_empty() => command.env(key, paths),
                _ => command.env_remove(key),
            };
        }
    }
    command
}

/// The cargo that runs this task, with the same target folder.
pub fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env("CARGO_TARGET_DIR", target());
    // Set for xtask by `cargo run`; build scripts of the children would see the wrong package.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(key);
        }
    }
    command
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let word = |w: &OsStr| {
        let text = w.to_string_lossy().into_owned();
        if text.contains(' ') {
            format!("'{text}'")
        } else {
            text
        }
    };
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(word(program)).chain(command.get_args().map(word)).collect::<Vec<_>>().join(" ")
}

/// Runs to the end with the terminal's own input and output.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", shown(command))),
        Err(error) => Err(format!("`{}` could not be started: {error}", shown(command))),
    }
}

/// First line that the command prints, or `None` when it is missing or fails.
pub fn first_line(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = command(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_string())
}

/// The first of `names` that answers to `--version`; an environment variable, where set, goes before them.
pub fn find_tool(variable: &str, names: &[&str]) -> Option<(String, String)> {
    let chosen = std::env::var(variable).ok().filter(|v| !v.is_empty());
    let candidates: Vec<String> = chosen.into_iter().chain(names.iter().map(|n| n.to_string())).collect();
    candidates.into_iter().find_map(|tool| first_line(&tool, &["--version"]).map(|version| (tool, version)))
}
