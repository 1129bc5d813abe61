//! `cargo xtask demo`: from a tilt series to atoms, through the C ABI, with nothing but Rust and a C compiler.

use crate::shell::{self, Result};
use std::path::Path;

/// Builds the library and the C example, runs it on the embedded tilt series and draws what it found.
pub fn run() -> Result<()> {
    if cfg!(windows) {
        return Err("the demo needs a Unix C compiler; on Windows link examples/c/demo.c with aet.dll.lib".into());
    }
    let (compiler, _) = shell::find_tool("CC", &["cc", "gcc", "clang"])
        .ok_or("no C compiler found: install one (Debian: apt-get install gcc) or name it in CC")?;
    shell::run(&mut shell::cargo(&["build", "--release", "--lib", "--example", "demo_pictures"]))?;

    let libraries = shell::target().join("release");
    link_soname(&libraries)?;
    let program = libraries.join("demo_c");
    let mut compile = shell::command(compiler);
    compile.args(["-std=c99", "-O2", "-Wall", "-Iinclude", "examples/c/demo.c", "-o"]).arg(&program);
    compile.arg("-L").arg(&libraries).args(["-laet", "-lm"]).arg(format!("-Wl,-rpath,{}", libraries.display()));
    shell::run(&mut compile)?;

    let results = shell::target().join("demo");
    std::fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    let data = Path::new("examples").join("data").join("demo");
    shell::run(shell::command(&program).arg(data).arg(&results))?;
    shell::run(shell::cargo(&["run", "--quiet", "--release", "--example", "demo_pictures", "--"]).arg(&results))?;
    println!("\nresults in {}:", results.display());
    for name in listing(&results)? {
        println!("  {name}");
    }
    Ok(())
}

/// The library carries the name libaet.so.ABI, under which the loader looks for it; cargo writes libaet.so.
fn link_soname(folder: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        let link = folder.join("libaet.so.0");
        if std::fs::symlink_metadata(&link).is_ok() {
            std::fs::remove_file(&link).map_err(|error| format!("{}: {error}", link.display()))?;
        }
        std::os::unix::fs::symlink("libaet.so", &link).map_err(|error| format!("{}: {error}", link.display()))?;
    }
    let _ = folder;
    Ok(())
}

fn listing(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
