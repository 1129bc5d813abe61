//! The multislice engine against exact values of another simulator.
//!
//! ```text
//! cargo run --release --example abtem_reference -- --data FOLDER [--precision double|single] [--threads N]
//! ```
//! FOLDER holds a dataset.json of the schema `aet-simulation-reference/1`, whose `cases` are computed one after the other
//! from nothing but their atoms and parameters. A line per array tells its error, the largest absolute difference over
//! the largest absolute value of the array; the last line has the worst of each group, `nan` for groups that the folder
//! lacks. With abTEM 1.0.11 as reference, stored in single precision, errors are below 2e-6 in double precision and below
//! 3e-5 in single precision.

#[path = "abtem_reference/cases.rs"]
mod cases;
#[path = "abtem_reference/compare.rs"]
mod compare;
#[path = "abtem_reference/reference.rs"]
mod reference;
#[path = "abtem_reference/scans.rs"]
mod scans;

use aet::context::{Context, ContextOptions};
use compare::Report;
use reference::{Reference, Result};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("abtem_reference: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String> {
    let mut cli = pico_args::Arguments::from_env();
    let folder: PathBuf = cli.value_from_str("--data")?;
    let precision: Option<String> = cli.opt_value_from_str("--precision")?;
    let threads: Option<usize> = cli.opt_value_from_str("--threads")?;
    if let Some(rest) = cli.finish().first() {
        return Err(format!("unknown argument `{}`, known are --data, --precision, --threads", rest.display()).into());
    }
    let context = Context::new(&ContextOptions { threads, simd: None })?;
    let reference = Reference::open(&folder)?;
    let mut report = Report::talkative();
    match precision.as_deref().unwrap_or("double") {
        "double" => cases::walk::<f64>(&context, &reference, &mut report)?,
        "single" => cases::walk::<f32>(&context, &reference, &mut report)?,
        other => return Err(format!("unknown precision `{other}`, known are double, single").into()),
    }
    Ok(report.line())
}
