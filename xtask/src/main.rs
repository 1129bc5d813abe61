//! Tasks of the repository, run as `cargo xtask TASK`. Only the standard library is used, so that this compiles in a second.

mod demo;
mod hosts;
mod report;
mod shell;
mod suite;
mod tasks;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  demo                     build the library, reconstruct the embedded tilt series from C, draw the result
  test [--require-hosts]   every check: format, lints, docs, build, tests, and the C, C++, Octave, Julia and
                           Python hosts; with --require-hosts (or CI=true) a missing host is a failure
  header                   regenerate include/aet.h, and the declarations of the Python package
  bench                    time the kernels, and the PyTorch peer where a Python with torch is found (AET_PEER_PYTHON)
  docs                     the Rust reference and, where mdbook is installed, the book
  setup-hosts              find or install the hosts that `test` uses";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let required = std::env::var("CI").is_ok_and(|v| v == "true");
    let result = match words.as_slice() {
        ["demo"] => demo::run(),
        ["test"] => suite::run(required),
        ["test", "--require-hosts"] => suite::run(true),
        ["header"] => tasks::header(),
        ["bench"] => tasks::bench(),
        ["docs"] => tasks::docs(),
        ["setup-hosts"] => suite::setup_hosts(required),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => Err(USAGE.into()),
        other => Err(format!("unknown task `{}`\n\n{USAGE}", other.join(" "))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
