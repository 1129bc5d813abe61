//! The short tasks: header, benchmarks, documentation.

use crate::shell::{self, Result};

/// Regenerates include/aet.h; the same test compares it on every other run.
pub fn header() -> Result<()> {
    shell::run(shell::cargo(&["test", "--test", "header"]).env("AET_UPDATE_HEADER", "1"))
}

/// Kernels of the library, then the same work by PyTorch; multislice beside abTEM and FFTW where AET_PEER_PYTHON names a
/// Python that has them.
pub fn bench() -> Result<()> {
    shell::run(&mut shell::cargo(&["bench", "--bench", "multislice"]))?;
    shell::run(&mut shell::cargo(&["bench", "--bench", "local_orbital"]))?;
    let script = shell::root().join("benches").join("peers").join("lot_torch_bench.py");
    let chosen = std::env::var("AET_PEER_PYTHON").ok().filter(|v| !v.is_empty());
    let candidates = chosen.into_iter().chain(["python3".into(), "python".into()]);
    match candidates.into_iter().find(|python| shell::first_line(python, &["-c", "import torch; print(1)"]).is_some()) {
        None => println!("no Python with torch: the peer is not timed (name one in AET_PEER_PYTHON)"),
        Some(_) if !script.exists() => println!("{} is missing: the peer is not timed", script.display()),
        Some(python) => {
            let work = ["--atoms", "2000", "10000", "50000", "--tilts", "3", "--sections", "3", "--modes", "rigid"];
            println!("one pass of the library is 24 tilts: compare it with 24 times `s_per_tilt`");
            shell::run(shell::command(python).arg(script).args(work))?;
        }
    }
    Ok(())
}

/// The Rust reference and the book.
pub fn docs() -> Result<()> {
    shell::run(shell::cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    println!("Rust reference: {}", shell::target().join("doc").join("aet").join("index.html").display());
    if shell::first_line("mdbook", &["--version"]).is_none() {
        println!("mdbook is not installed: the book is not built (cargo install mdbook); its sources are docs/src");
        return Ok(());
    }
    let book = shell::target().join("book");
    shell::run(shell::command("mdbook").args(["build", "docs", "--dest-dir"]).arg(&book))?;
    println!("book: {}", book.join("index.html").display());
    Ok(())
}
