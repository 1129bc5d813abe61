//! The examples and bad-input programs of all hosts, against the library that this test run built. Every host prints
//! the same line for the same problem: what the library computes agrees to 12 digits.
//!
//! A host whose tools are missing is skipped with a message, unless AET_REQUIRE_HOSTS (c,cpp,octave,julia,python) names it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn root(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// A folder with the library of this build under all its names: libaet.so, and its soname.
fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("this test has a path");
        let built = test.parent().expect("a folder").join("libaet.so");
        assert!(built.exists(), "{} was not built", built.display());
        let folder = scratch("lib");
        for name in ["libaet.so", "libaet.so.0"] {
            let link = folder.join(name);
            let _ = std::fs::remove_file(&link);
            std::fs::copy(&built, &link).expect("a copy of the library");
        }
        let _ = std::fs::copy(built.with_extension("a"), folder.join("libaet.a"));
        folder
    })
}

/// An empty folder of its own, with a space in its name.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hosts of aet").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// True if `host` can be tested: its tool answers. Panics where it is required but missing.
fn ready(host: &str, tool: &str, version: &str) -> bool {
    let answers = Command::new(tool).arg(version).output().is_ok_and(|o| o.status.success());
    let required = std::env::var("AET_REQUIRE_HOSTS").is_ok_and(|list| list.split(',').any(|h| h.trim() == host));
    assert!(answers || !required, "host {host} is required, but `{tool} {version}` does not run");
    if !answers {
        eprintln!("skipped: host {host}, since `{tool} {version}` does not run");
    }
    answers
}

/// Runs a program to its end and returns what it printed; its errors stand in the panic. cargo's library path is
/// cleared: it names a folder with an older library first.
fn run(command: &mut Command) -> String {
    let output = command.env_remove("LD_LIBRARY_PATH").output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// The key=value pairs of the last line.
fn pairs(text: &str) -> BTreeMap<String, f64> {
    let last = text.lines().rev().find(|l| l.contains('=')).unwrap_or_else(|| panic!("no line of results in:\n{text}"));
    last.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_string(), value.parse().unwrap_or(f64::NAN)))
        .collect()
}

/// What a Rust example prints.
fn rust_example(name: &str, arguments: &[&Path]) -> BTreeMap<String, f64> {
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.parent().and_then(Path::parent).expect("a target folder");
    let example = target.join("examples").join(name);
    assert!(
        example.exists(),
        "{} was not built: `cargo test` builds it, or `cargo build --examples`",
        example.display()
    );
    pairs(&run(Command::new(example).args(arguments)))
}

/// What the Rust example `local_orbital` prints.
fn reference() -> &'static BTreeMap<String, f64> {
    static REFERENCE: OnceLock<BTreeMap<String, f64>> = OnceLock::new();
    REFERENCE.get_or_init(|| rust_example("local_orbital", &[&root("examples/data/small")]))
}

/// What the Rust example `atoms_from_images` prints, and the folder it wrote to.
fn reference_from_images() -> &'static (BTreeMap<String, f64>, PathBuf) {
    static REFERENCE: OnceLock<(BTreeMap<String, f64>, PathBuf)> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let out = scratch("rust from images");
        (rust_example("atoms_from_images", &[&root("examples/data/small"), &out]), out)
    })
}

/// What the Rust example `volume_from_images` prints, and the folder it wrote to.
fn reference_volume() -> &'static (BTreeMap<String, f64>, PathBuf) {
    static REFERENCE: OnceLock<(BTreeMap<String, f64>, PathBuf)> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let out = scratch("rust volume");
        (rust_example("volume_from_images", &[&root("examples/data/small"), &out]), out)
    })
}

/// All numbers of `volume_from_images` agree to 12 digits, and the volume in every byte.
fn check_volume(host: &str, text: &str, out: &Path) {
    let (wanted, written) = reference_volume();
    let got = check_all_digits(host, text, wanted);
    let read = |folder: &Path| std::fs::read(folder.join("volume.mrc")).unwrap_or_else(|e| panic!("{host}: {e}"));
    assert!(read(out) == read(written), "{host}: its volume differs from that of Rust");
    println!("{host}: a volume, R factor {:.6}", got["r_factor"]);
}

/// What the Rust example `simulate_scan` prints.
fn reference_scan() -> &'static BTreeMap<String, f64> {
    static REFERENCE: OnceLock<BTreeMap<String, f64>> = OnceLock::new();
    REFERENCE.get_or_init(|| rust_example("simulate_scan", &[]))
}

/// All numbers of `simulate_scan` agree to 12 digits.
fn check_scan(host: &str, text: &str) {
    let got = check_all_digits(host, text, reference_scan());
    println!("{host}: a scan, gradient {:.12e}", got["gradient_norm"]);
}

/// What the Rust example `trace_volume` prints.
fn reference_atoms() -> &'static BTreeMap<String, f64> {
    static REFERENCE: OnceLock<BTreeMap<String, f64>> = OnceLock::new();
    REFERENCE.get_or_init(|| rust_example("trace_volume", &[]))
}

/// All numbers of `trace_volume` agree to 12 digits.
fn check_atoms(host: &str, text: &str) {
    let got = check_all_digits(host, text, reference_atoms());
    println!("{host}: {} of {} atoms of a volume, rmsd {:.4} pm", got["matched"], got["true"], got["rmsd_pm"]);
}

/// What the Rust example `simulate_series` prints.
fn reference_series() -> &'static BTreeMap<String, f64> {
    static REFERENCE: OnceLock<BTreeMap<String, f64>> = OnceLock::new();
    REFERENCE.get_or_init(|| rust_example("simulate_series", &[&series_folder("rust")]))
}

/// The folder that `simulate_series` makes for a host; it does not exist.
fn series_folder(host: &str) -> PathBuf {
    scratch(&format!("{host} series")).join("series")
}

/// All numbers of `simulate_series` agree to 12 digits.
fn check_series(host: &str, text: &str) {
    let got = check_all_digits(host, text, reference_series());
    println!("{host}: a series of {} images, {} electrons", got["images"], got["electrons"]);
}

/// What the Rust example `fitted_probes` prints.
fn reference_probes() -> &'static BTreeMap<String, f64> {
    static REFERENCE: OnceLock<BTreeMap<String, f64>> = OnceLock::new();
    REFERENCE.get_or_init(|| rust_example("fitted_probes", &[&root("examples/data/small")]))
}

/// All numbers of `fitted_probes` agree to 12 digits.
fn check_probes(host: &str, text: &str) {
    let got = check_all_digits(host, text, reference_probes());
    println!("{host}: fitted probes, foci {:.3} and {:.3} A", got["focus_0"], got["focus_1"]);
}

/// The same names, and numbers that agree to 12 digits.
fn check_all_digits(host: &str, text: &str, wanted: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let got = pairs(text);
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{host}");
    check_digits(host, &got, wanted, &wanted.keys().map(String::as_str).collect::<Vec<_>>());
    got
}

fn check_digits(host: &str, got: &BTreeMap<String, f64>, wanted: &BTreeMap<String, f64>, keys: &[&str]) {
    for key in keys {
        let error = (got[*key] / wanted[*key] - 1.0).abs();
        assert!(error < 1e-12, "{host}: {key} is {:.15e}, Rust has {:.15e}", got[*key], wanted[*key]);
    }
}

/// The library's numbers agree to 12 digits, the host's own fit reaches the loss of `run` within 1e-6.
fn check_example(host: &str, text: &str) {
    let (got, wanted) = (pairs(text), reference());
    check_digits(host, &got, wanted, &["loss", "gradient_norm", "run_loss"]);
    assert_eq!(got["run_iterations"], wanted["run_iterations"], "{host}: iterations");
    assert_eq!(got["matched"], 60.0, "{host}: matched atoms");
    assert!((got["rmsd_pm"] - wanted["rmsd_pm"]).abs() < 2e-6, "{host}: rmsd_pm");
    let short = got["host_loss"] / got["run_loss"] - 1.0;
    assert!(short < 1e-6, "{host}: its own fit ends {short:.2e} above the loss of run");
    println!("{host}: loss={:.12e} host fit {short:+.1e} beside run, rmsd {:.3} pm", got["loss"], got["rmsd_pm"]);
}

/// All numbers of `atoms_from_images` agree to 12 digits, and so does the tomogram, in every byte. The atoms may differ
/// in the last digits: hosts sum their term in orders of their own.
fn check_from_images(host: &str, text: &str, out: &Path) {
    let (got, (wanted, written)) = (pairs(text), reference_from_images());
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{host}");
    for key in ["true", "matched", "missing", "extra", "evaluations"] {
        assert_eq!(got[key], wanted[key], "{host}: {key}");
    }
    check_digits(host, &got, wanted, &["rmsd_pm", "predicted_rmsd_pm", "loss"]);
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{host}: {e}"));
    let (ours, theirs) = (read(out, "tomogram.mrc"), read(written, "tomogram.mrc"));
    assert!(ours == theirs, "{host}: its tomogram differs from that of Rust");
    let numbers = |folder: &Path| -> Vec<f64> {
        let text = String::from_utf8(read(folder, "atoms.xyz")).expect("text");
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let (ours, theirs) = (numbers(out), numbers(written));
    let near = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(o, t)| (o - t).abs() <= 1e-9 * t.abs());
    assert!(near && ours.len() > 60, "{host}: its atoms.xyz differs from that of Rust");
    println!("{host}: from images, rmsd {:.4} pm, predicted {:.4} pm", got["rmsd_pm"], got["predicted_rmsd_pm"]);
}

fn check_bad_input(host: &str, text: &str) {
    let last =
        text.lines().rev().find(|l| l.contains(" passed")).unwrap_or_else(|| panic!("{host}: no summary in\n{text}"));
    assert!(last.contains(" 0 failed"), "{host}: {text}");
    println!("{host} bad input: {last}");
}

/// Compiles a C or C++ program against the header and this build's library.
fn compile(compiler: &str, standard: &str, source: &str, name: &str) -> PathBuf {
    let library = library();
    let program = scratch(&format!("bin {name}")).join(name);
    let mut command = Command::new(compiler);
    command.args([standard, "-O1", "-g", "-Wall", "-Wextra", "-pedantic", "-Werror", "-pthread"]);
    command.arg("-I").arg(root("include")).arg(root(source)).arg("-o").arg(&program);
    command.arg("-L").arg(library).arg(format!("-Wl,-rpath,{}", library.display())).args(["-laet", "-lm"]);
    run(&mut command);
    program
}

#[test]
fn the_rust_example_finds_the_atoms() {
    let wanted = reference();
    assert!(wanted["rmsd_pm"] < 3.0 && wanted["matched"] == 60.0, "{wanted:?}");
    assert!(wanted["host_loss"] / wanted["run_loss"] - 1.0 < 1e-6);
}

#[test]
fn the_rust_example_finds_the_atoms_from_images_alone() {
    let (wanted, _) = reference_from_images();
    let counts = ["true", "matched", "missing", "extra"].map(|key| wanted[key]);
    assert_eq!(counts, [60.0, 60.0, 0.0, 0.0], "{wanted:?}");
    let ratio = wanted["rmsd_pm"] / wanted["predicted_rmsd_pm"];
    assert!(wanted["rmsd_pm"] < 2.0 && (0.8..1.25).contains(&ratio), "{wanted:?}");
}

/// The defocus is near the true one, -6 and 6 A, as far as the astigmatism allows that the rigid model leaves out; the
/// pixels of the adaptive one find most of what it does not explain.
#[test]
fn the_rust_example_fits_probes() {
    let wanted = reference_probes();
    for (section, focus) in [(0, -6.0), (1, 6.0)] {
        let of = |name: &str| wanted[&format!("{name}_{section}")];
        assert!(of("scan") * focus > 0.0, "{wanted:?}");
        assert!((of("defocus") - focus).abs() < 1.0 && (of("focus") - focus).abs() < 1.5, "{wanted:?}");
    }
    assert!(wanted["adaptive_loss"] < 0.1 * wanted["rigid_loss"] && wanted["rmsd_pm"] < 0.2, "{wanted:?}");
}

#[test]
fn the_rust_example_makes_a_volume() {
    let (wanted, _) = reference_volume();
    assert!(wanted["iterations"] == 20.0 && wanted["r_factor"] < 0.1 && wanted["sirt_residual"] < 0.15, "{wanted:?}");
    assert!(wanted["resumed_loss"] < 1.01 * wanted["loss"], "{wanted:?}");
}

#[test]
fn the_rust_example_traces_a_volume() {
    let wanted = reference_atoms();
    assert!(wanted["matched"] > 280.0 && wanted["tracing_error"] < 0.1 && wanted["rmsd_pm"] < 10.0, "{wanted:?}");
    assert!(wanted["species_correct"] > 0.9 && wanted["traced"] > wanted["matched"], "{wanted:?}");
}

#[test]
fn c() {
    if !ready("c", "cc", "--version") {
        return;
    }
    let example = compile("cc", "-std=c99", "examples/c/local_orbital.c", "local_orbital_c");
    check_example("c", &run(Command::new(example).arg(root("examples/data/small"))));
    let from_images = compile("cc", "-std=c99", "examples/c/atoms_from_images.c", "atoms_from_images_c");
    let out = scratch("c from images");
    check_from_images("c", &run(Command::new(from_images).arg(root("examples/data/small")).arg(&out)), &out);
    let probes = compile("cc", "-std=c99", "examples/c/fitted_probes.c", "fitted_probes_c");
    check_probes("c", &run(Command::new(probes).arg(root("examples/data/small"))));
    let volume = compile("cc", "-std=c99", "examples/c/volume_from_images.c", "volume_from_images_c");
    let out = scratch("c volume");
    check_volume("c", &run(Command::new(volume).arg(root("examples/data/small")).arg(&out)), &out);
    let scan = compile("cc", "-std=c99", "examples/c/simulate_scan.c", "simulate_scan_c");
    check_scan("c", &run(&mut Command::new(scan)));
    let series = compile("cc", "-std=c99", "examples/c/simulate_series.c", "simulate_series_c");
    check_series("c", &run(Command::new(series).arg(series_folder("c"))));
    let trace = compile("cc", "-std=c99", "examples/c/trace_volume.c", "trace_volume_c");
    check_atoms("c", &run(&mut Command::new(trace)));
    let bad_input = compile("cc", "-std=c99", "tests/hosts/c/bad_input.c", "bad_input_c");
    check_bad_input("c", &run(Command::new(bad_input).arg(root("examples/data/small")).arg(scratch("c"))));
}

#[test]
fn the_demo_runs_and_writes_its_files() {
    if !ready("c", "cc", "--version") {
        return;
    }
    let demo = compile("cc", "-std=c99", "examples/c/demo.c", "demo_c");
    let out = scratch("demo out");
    let got = pairs(&run(Command::new(demo).arg(root("examples/data/demo")).arg(&out)));
    assert!(
        got["matched"] == 1000.0 && got["missing"] == 0.0 && got["extra"] == 0.0 && got["rmsd_pm"] < 4.0,
        "{got:?}"
    );
    for name in ["atoms.xyz", "measured.f64", "calculated.f64", "errors.csv", "summary.json"] {
        assert!(out.join(name).metadata().is_ok_and(|m| m.len() > 0), "{name} is missing");
    }
}

#[test]
fn cpp() {
    if !ready("cpp", "c++", "--version") {
        return;
    }
    let example = compile("c++", "-std=c++17", "examples/cpp/local_orbital.cpp", "local_orbital_cpp");
    check_example("cpp", &run(Command::new(example).arg(root("examples/data/small"))));
    let from_images = compile("c++", "-std=c++17", "examples/cpp/atoms_from_images.cpp", "atoms_from_images_cpp");
    let out = scratch("cpp from images");
    check_from_images("cpp", &run(Command::new(from_images).arg(root("examples/data/small")).arg(&out)), &out);
    let probes = compile("c++", "-std=c++17", "examples/cpp/fitted_probes.cpp", "fitted_probes_cpp");
    check_probes("cpp", &run(Command::new(probes).arg(root("examples/data/small"))));
    let volume = compile("c++", "-std=c++17", "examples/cpp/volume_from_images.cpp", "volume_from_images_cpp");
    let out = scratch("cpp volume");
    check_volume("cpp", &run(Command::new(volume).arg(root("examples/data/small")).arg(&out)), &out);
    let scan = compile("c++", "-std=c++17", "examples/cpp/simulate_scan.cpp", "simulate_scan_cpp");
    check_scan("cpp", &run(&mut Command::new(scan)));
    let series = compile("c++", "-std=c++17", "examples/cpp/simulate_series.cpp", "simulate_series_cpp");
    check_series("cpp", &run(Command::new(series).arg(series_folder("cpp"))));
    let trace = compile("c++", "-std=c++17", "examples/cpp/trace_volume.cpp", "trace_volume_cpp");
    check_atoms("cpp", &run(&mut Command::new(trace)));
    let bad_input = compile("c++", "-std=c++17", "tests/hosts/cpp/bad_input.cpp", "bad_input_cpp");
    check_bad_input("cpp", &run(Command::new(bad_input).arg(root("examples/data/small")).arg(scratch("cpp"))));
}

#[test]
fn octave() {
    if !ready("octave", "octave-cli", "--version") || !ready("octave", "mkoctfile", "--version") {
        return;
    }
    let mex = scratch("mex");
    let octave = |paths: &[&Path], code: &str| {
        let mut command = Command::new("octave-cli");
        command.args(["-q", "--no-init-file"]);
        for path in paths {
            command.arg("--path").arg(path);
        }
        run(command.arg("--eval").arg(code))
    };
    let (classes, text) = (root("bindings/matlab"), |path: &Path| path.display().to_string());
    octave(&[&classes], &format!("build_aet('{}', '{}', '{}')", text(library()), text(&root("include")), text(&mex)));
    let small = text(&root("examples/data/small"));
    let examples = root("examples/matlab");
    check_example("octave", &octave(&[&classes, &mex, &examples], &format!("local_orbital('{small}')")));
    let out = scratch("octave from images");
    let code = format!("atoms_from_images('{small}', '{}')", text(&out));
    check_from_images("octave", &octave(&[&classes, &mex, &examples], &code), &out);
    check_probes("octave", &octave(&[&classes, &mex, &examples], &format!("fitted_probes('{small}')")));
    let out = scratch("octave volume");
    let code = format!("volume_from_images('{small}', '{}')", text(&out));
    check_volume("octave", &octave(&[&classes, &mex, &examples], &code), &out);
    check_scan("octave", &octave(&[&classes, &mex, &examples], "simulate_scan()"));
    let code = format!("simulate_series('{}')", text(&series_folder("octave")));
    check_series("octave", &octave(&[&classes, &mex, &examples], &code));
    check_atoms("octave", &octave(&[&classes, &mex, &examples], "trace_volume()"));
    let tests = root("tests/hosts/octave");
    let code = format!("bad_input('{small}', '{}')", text(&scratch("octave")));
    check_bad_input("octave", &octave(&[&classes, &mex, &tests], &code));
}

#[test]
fn julia() {
    let private = root("target/julia/julia");
    let tool = match std::env::var("AET_JULIA") {
        Ok(tool) => tool,
        Err(_) if private.exists() => private.display().to_string(),
        Err(_) => "julia".into(),
    };
    if !ready("julia", &tool, "--version") {
        return;
    }
    let julia = |flags: &[&str], script: &str, arguments: &[&Path]| {
        let mut command = Command::new(&tool);
        command.arg("--startup-file=no").arg(format!("--project={}", root("bindings/julia").display()));
        command.args(flags).arg(root(script)).args(arguments);
        run(command.env("AET_LIBRARY", library().join("libaet.so")).env("JULIA_NUM_THREADS", "2"))
    };
    let small = root("examples/data/small");
    check_bad_input("julia declarations", &julia(&[], "tests/hosts/julia/declarations.jl", &[&root("include/aet.h")]));
    check_example("julia", &julia(&[], "examples/julia/local_orbital.jl", &[&small]));
    // Julia 1.5 cannot throw from compiled code on this kind of system: tests of errors are interpreted. So is what
    // would take longer to compile than to run.
    let flags = ["--compile=min"];
    let out = scratch("julia from images");
    check_from_images("julia", &julia(&flags, "examples/julia/atoms_from_images.jl", &[&small, &out]), &out);
    check_probes("julia", &julia(&flags, "examples/julia/fitted_probes.jl", &[&small]));
    let out = scratch("julia volume");
    check_volume("julia", &julia(&flags, "examples/julia/volume_from_images.jl", &[&small, &out]), &out);
    check_scan("julia", &julia(&flags, "examples/julia/simulate_scan.jl", &[]));
    check_series("julia", &julia(&flags, "examples/julia/simulate_series.jl", &[&series_folder("julia")]));
    check_atoms("julia", &julia(&flags, "examples/julia/trace_volume.jl", &[]));
    check_bad_input("julia", &julia(&flags, "tests/hosts/julia/bad_input.jl", &[&small, &scratch("julia")]));
}

#[test]
fn python() {
    let private = root("target/python/bin/python");
    let tool = match std::env::var("AET_PYTHON") {
        Ok(tool) => tool,
        Err(_) if private.exists() => private.display().to_string(),
        Err(_) => "python3".into(),
    };
    if !ready("python", &tool, "-cimport numpy, scipy") {
        return;
    }
    let python = |script: &str, arguments: &[&Path]| {
        let mut command = Command::new(&tool);
        command.arg(root(script)).args(arguments).env("PYTHONPATH", root("bindings/python"));
        run(command.env("AET_LIBRARY", library().join("libaet.so")).env("PYTHONDONTWRITEBYTECODE", "1"))
    };
    let small = root("examples/data/small");
    check_bad_input("python declarations", &python("tests/hosts/python/declarations.py", &[]));
    check_example("python", &python("examples/python/local_orbital.py", &[&small]));
    let out = scratch("python from images");
    check_from_images("python", &python("examples/python/atoms_from_images.py", &[&small, &out]), &out);
    check_probes("python", &python("examples/python/fitted_probes.py", &[&small]));
    let out = scratch("python volume");
    check_volume("python", &python("examples/python/volume_from_images.py", &[&small, &out]), &out);
    check_scan("python", &python("examples/python/simulate_scan.py", &[]));
    check_series("python", &python("examples/python/simulate_series.py", &[&series_folder("python")]));
    check_atoms("python", &python("examples/python/trace_volume.py", &[]));
    check_bad_input("python use", &python("tests/hosts/python/use.py", &[&small, &scratch("python use")]));
    check_bad_input("python", &python("tests/hosts/python/bad_input.py", &[&small, &scratch("python")]));
    let ended = python("tests/hosts/python/interruptions.py", &[&small, &scratch("python interruptions")]);
    check_bad_input("python interruptions", &ended);
}

#[test]
fn an_installed_library_is_found_by_cmake_and_pkg_config() {
    if !ready("cmake", "cmake", "--version")
        || !ready("cmake", "pkg-config", "--version")
        || !ready("c", "cc", "--version")
    {
        return;
    }
    let script = root("tests/hosts/cmake-project/run.sh");
    run(Command::new("sh").arg(script).arg(scratch("cmake")).arg(library()));
}
