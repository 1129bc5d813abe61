//! `cargo xtask test`: everything that must hold before a change is accepted.

use crate::hosts::HOSTS;
use crate::report::{Outcome, Report};
use crate::shell::{self, Result};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::Command;

/// Runs all steps, also after a failure, and closes with a table.
pub fn run(require_hosts: bool) -> Result<()> {
    let mut report = Report::default();
    component(&mut report, "format", "fmt", require_hosts, &["fmt", "--all", "--check"]);
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    component(&mut report, "lints", "clippy", require_hosts, &lints);
    report.step("docs", || {
        shell::run(shell::cargo(&["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings")).into()
    });
    report.step("build", || shell::run(&mut shell::cargo(&["build", "--release"])).into());

    let environment = hosts(&mut report, require_hosts);
    let mut summaries = Vec::new();
    report.step("tests", || {
        let mut tests = shell::cargo(&["test", "--workspace", "--no-fail-fast"]);
        tests.envs(environment);
        run_tests(&mut tests, &mut summaries).into()
    });
    println!("\ncargo test in short:");
    for line in &summaries {
        println!("{line}");
    }
    report.finish()
}

/// Finds or installs the hosts, without testing anything.
pub fn setup_hosts(required: bool) -> Result<()> {
    let mut report = Report::default();
    for (key, value) in hosts(&mut report, required) {
        println!("{key}={}", value.display());
    }
    report.finish()
}

/// A step by a component of the Rust toolchain, which may not be installed.
fn component(report: &mut Report, step: &str, name: &str, required: bool, arguments: &[&str]) {
    report.step(step, || {
        let missing = shell::cargo(&[name, "--version"]).output().is_ok_and(|o| !o.status.success());
        let package = if name == "fmt" { "rustfmt" } else { name };
        match missing {
            true if required => Outcome::Failed(format!("not installed: rustup component add {package}")),
            true => Outcome::Skipped(format!("not installed: rustup component add {package}")),
            false => shell::run(&mut shell::cargo(arguments)).into(),
        }
    });
}

/// One step per host language; the environment under which the tests insist on each host that was found.
fn hosts(report: &mut Report, required: bool) -> Vec<(&'static str, PathBuf)> {
    let mut environment = Vec::new();
    let mut names = Vec::new();
    for host in &HOSTS {
        report.step(&format!("host {}", host.name), || {
            let (outcome, ready) = host.prepare(required);
            if let Some(ready) = ready {
                println!("{}", ready.version);
                names.push(host.name);
                environment.extend(ready.environment);
            }
            outcome
        });
    }
    if !names.is_empty() {
        environment.push(("AET_REQUIRE_HOSTS", names.join(",").into()));
    }
    environment
}

/// Runs `cargo test` with its output streamed through, and keeps the summary line of every test program.
fn run_tests(command: &mut Command, summaries: &mut Vec<String>) -> Result<()> {
    println!("$ {}", shell::shown(command));
    let failed = |error: std::io::Error| format!("cargo test could not be run: {error}");
    // One pipe for both streams: cargo names the program on stderr, the program prints its summary on stdout.
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn().map_err(failed)?;
    // The command keeps its own copies of the writing end; with them open the reader would never see the end.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());

    let mut program = String::new();
    let mut lines = BufReader::new(reader);
    let mut bytes = Vec::new();
    while lines.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        let line = plain(&String::from_utf8_lossy(&bytes));
        bytes.clear();
        if let Some(name) =
            line.strip_prefix("Running ").or_else(|| line.strip_prefix("Doc-tests ").map(|_| line.as_str()))
        {
            program = name.split(" (").next().unwrap_or(name).to_string();
        } else if line.starts_with("test result: ") {
            summaries.push(format!("{program:32} {line}"));
        }
    }
    match child.wait().map_err(failed)? {
        status if status.success() => Ok(()),
        status => Err(format!("`{}` ended with {status}", shell::shown(command))),
    }
}

/// A line without terminal colours and surrounding white space.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => {
                let _ = characters.by_ref().find(|c| c.is_ascii_alphabetic());
            }
            c => text.push(c),
        }
    }
    text.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_removed() {
        assert_eq!(plain("\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/floors.rs\n"), "Running tests/floors.rs");
    }
}
