//! The languages that call the library: are their tools here, and can they be had?

use crate::report::Outcome;
use crate::shell::{self, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest Julia that the package supports.
const JULIA_MINIMUM: (u32, u32) = (1, 5);

/// Oldest Python that the package supports.
const PYTHON_MINIMUM: (u32, u32) = (3, 9);

/// Tools of one host language, ready to be used.
pub struct Ready {
    /// What was found, with its version.
    pub version: String,
    /// Environment that tells the tests where it is.
    pub environment: Option<(&'static str, PathBuf)>,
}

/// A host language: the name that `AET_REQUIRE_HOSTS` knows, and how its tools are found or installed.
pub struct Host {
    pub name: &'static str,
    prepare: fn() -> Result<Ready>,
}

/// Hosts whose examples and tests run in `cargo xtask test`.
pub const HOSTS: [Host; 5] = [
    Host { name: "c", prepare: prepare_c },
    Host { name: "cpp", prepare: prepare_cpp },
    Host { name: "octave", prepare: prepare_octave },
    Host { name: "julia", prepare: prepare_julia },
    Host { name: "python", prepare: prepare_python },
];

impl Host {
    /// Makes the host usable; where that cannot be, a failure if it is required, else skipped with the reason.
    pub fn prepare(&self, required: bool) -> (Outcome, Option<Ready>) {
        match (self.prepare)() {
            Ok(ready) => (Outcome::Passed(ready.version.clone()), Some(ready)),
            Err(reason) if required => (Outcome::Failed(reason), None),
            Err(reason) => (Outcome::Skipped(reason), None),
        }
    }
}

fn tool(variable: &str, names: &[&str], advice: &str) -> Result<Ready> {
    let (_, version) = shell::find_tool(variable, names).ok_or_else(|| format!("not found; {advice}"))?;
    Ok(Ready { version, environment: None })
}

fn prepare_c() -> Result<Ready> {
    tool("CC", &["cc", "gcc", "clang"], "install a C compiler (Debian: apt-get install gcc) or name it in CC")
}

fn prepare_cpp() -> Result<Ready> {
    tool("CXX", &["c++", "g++", "clang++"], "install a C++17 compiler (Debian: apt-get install g++) or name it in CXX")
}

/// Octave runs the scripts, mkoctfile compiles the gateway; Debian ships them in two packages.
fn find_octave() -> Option<String> {
    let version =
        shell::first_line("octave-cli", &["--version"]).or_else(|| shell::first_line("octave", &["--version"]))?;
    shell::first_line("mkoctfile", &["--version"]).map(|_| version)
}

fn prepare_octave() -> Result<Ready> {
    let advice = "install Octave with mkoctfile (Debian and Ubuntu: apt-get install octave octave-dev)";
    if let Some(version) = find_octave() {
        return Ok(Ready { version, environment: None });
    }
    let apt = Apt::find().ok_or_else(|| format!("not found, and apt-get cannot be used here; {advice}"))?;
    apt.update();
    // Up to version 5 the headers and mkoctfile were packaged as liboctave-dev.
    let headers = if shell::first_line("apt-cache", &["show", "octave-dev"]).is_some_and(|line| !line.is_empty()) {
        "octave-dev"
    } else {
        "liboctave-dev"
    };
    apt.install(&["octave", headers]).map_err(|reason| format!("{reason}; {advice}"))?;
    let version = find_octave().ok_or_else(|| format!("installed, but it does not start; {advice}"))?;
    Ok(Ready { version, environment: None })
}

/// `julia version 1.5.3` -> (1, 5)
fn julia_version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.strip_prefix("julia version ")?.split(['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn julia_at(program: &Path) -> Option<String> {
    let line = shell::first_line(program, &["--version"])?;
    (julia_version(&line)? >= JULIA_MINIMUM).then_some(line)
}

fn prepare_julia() -> Result<Ready> {
    let advice = "install Julia 1.5 or newer and put it on PATH, or name it in AET_JULIA";
    let private = shell::target().join("julia").join("julia");
    if let Some(chosen) = std::env::var_os("AET_JULIA").map(PathBuf::from) {
        let version = julia_at(&chosen).ok_or_else(|| format!("AET_JULIA names no Julia 1.5 or newer; {advice}"))?;
        return Ok(Ready { version, environment: Some(("AET_JULIA", chosen)) });
    }
    for program in [Path::new("julia"), &private] {
        if let Some(version) = julia_at(program) {
            return Ok(Ready { version, environment: Some(("AET_JULIA", program.into())) });
        }
    }
    if shell::first_line("apt-get", &["--version"]).is_none() || shell::first_line("bash", &["--version"]).is_none() {
        return Err(format!("not found; {advice}"));
    }
    let folder = private.parent().unwrap_or(&private);
    // What is left of an attempt that was interrupted.
    let _ = std::fs::remove_dir_all(folder);
    let script = shell::root().join("xtask").join("hosts").join("unpack_julia.sh");
    shell::run(shell::command("bash").arg(script).arg(folder))
        .map_err(|_| format!("could not be unpacked from the Debian archive; {advice}"))?;
    let version = julia_at(&private).ok_or_else(|| format!("unpacked, but it does not start; {advice}"))?;
    Ok(Ready { version, environment: Some(("AET_JULIA", private)) })
}

/// `Python 3.11.2` -> (3, 11)
fn python_version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.strip_prefix("Python ")?.split(['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Version line of a Python that can run the tests: new enough, with NumPy and SciPy.
fn python_at(program: &Path) -> Option<String> {
    let line = shell::first_line(program, &["--version"])?;
    let packages = ["-c", "import numpy, scipy; print(f'NumPy {numpy.__version__}, SciPy {scipy.__version__}')"];
    let with = shell::first_line(program, &packages)?;
    (python_version(&line)? >= PYTHON_MINIMUM).then(|| format!("{line}, {with}"))
}

fn prepare_python() -> Result<Ready> {
    let advice = "install Python 3.9 or newer with NumPy and SciPy, or name it in AET_PYTHON";
    let ready = |version: String, program: PathBuf| Ready { version, environment: Some(("AET_PYTHON", program)) };
    if let Some(chosen) = std::env::var_os("AET_PYTHON").filter(|v| !v.is_empty()).map(PathBuf::from) {
        let version = python_at(&chosen)
            .ok_or_else(|| format!("AET_PYTHON names no Python 3.9 or newer with NumPy and SciPy; {advice}"))?;
        return Ok(ready(version, chosen));
    }
    let folder = shell::target().join("python");
    let private = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let find = || {
        let names = [Path::new("python3"), Path::new("python"), &private, Path::new("/usr/bin/python3")];
        names.into_iter().find_map(|program| python_at(program).map(|version| ready(version, program.into())))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    println!("no Python with NumPy and SciPy: making one in {}", folder.display());
    let venv = make_python(&folder, &private);
    if let Some(found) = venv.as_ref().ok().and_then(|()| find()) {
        return Ok(found);
    }
    let reason = venv.err().unwrap_or_else(|| "the virtual environment does not work".into());
    let apt = Apt::find().ok_or_else(|| format!("{reason}, and apt-get cannot be used here; {advice}"))?;
    apt.update();
    apt.install(&["python3-numpy", "python3-scipy"])
        .map_err(|apt_reason| format!("{reason}; {apt_reason}; {advice}"))?;
    find().ok_or_else(|| format!("installed, but it does not start; {advice}"))
}

/// A virtual environment with what the tests need; nothing is left of one that could not be completed.
fn make_python(folder: &Path, private: &Path) -> Result<()> {
    let make = || {
        let program = ["python3", "python"].into_iter().find(|name| shell::first_line(name, &["--version"]).is_some());
        let program = program.ok_or("Python is not found")?;
        shell::run(shell::command(program).args(["-m", "venv", "--clear"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "numpy", "scipy"];
        shell::run(shell::command(private).args(pip))
    };
    make().inspect_err(|_| {
        let _ = std::fs::remove_dir_all(folder);
    })
}

/// apt-get with the rights to install.
struct Apt {
    prefix: &'static [&'static str],
}

impl Apt {
    /// Usable as root, or through sudo where that asks for no password.
    fn find() -> Option<Self> {
        shell::first_line("apt-get", &["--version"])?;
        if shell::first_line("id", &["-u"])? == "0" {
            return Some(Apt { prefix: &[] });
        }
        shell::first_line("sudo", &["-n", "true"]).map(|_| Apt { prefix: &["sudo", "-n"] })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let fixed = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
        let words: Vec<&str> = self.prefix.iter().chain(&fixed).chain(arguments).copied().collect();
        let mut command = shell::command(words[0]);
        command.args(&words[1..]);
        command
    }

    /// A source that cannot be reached does not matter as long as the packages can be installed afterwards.
    fn update(&self) {
        if let Err(reason) = shell::run(&mut self.command(&["update"])) {
            println!("{reason}; going on with the package lists at hand");
        }
    }

    fn install(&self, packages: &[&str]) -> Result<()> {
        let arguments: Vec<&str> =
            ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
        shell::run(&mut self.command(&arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn julia_versions_are_read() {
        assert_eq!(julia_version("julia version 1.5.3"), Some((1, 5)));
        assert_eq!(julia_version("julia version 1.12.0-rc1"), Some((1, 12)));
        assert_eq!(julia_version("julia: command not found"), None);
    }

    #[test]
    fn python_versions_are_read() {
        assert_eq!(python_version("Python 3.11.2"), Some((3, 11)));
        assert_eq!(python_version("Python 3.14.0rc1"), Some((3, 14)));
        assert_eq!(python_version("pyenv: python: command not found"), None);
    }
}
