//! Local-orbital tomography of a dataset folder, from a published or true model, a file, or the images alone (`peaks`).
//!
//! ```text
//! cargo run --release --example lot -- --data FOLDER [--variant KEY] --start published|truth|peaks|FILE.xyz
//!   [--perturb A] [--seed N] [--model direct|rigid] [--mode slices|templates|auto] [--loss mse|poisson]
//!   [--energy-ev E --semiangle-mrad A] [--sections LIST] [--width-start A2] [--heights atom|species|common]
//!   [--widths atom|species|common] [--free BLOCK,BLOCK] [--orbital gaussian|slater|W:S,W:S,...]
//!   [--precision single|double] [--iterations N] [--threads N] [--out DIR]
//!   [--optimizer lbfgs|gradient_descent|adam|conjugate_gradient|levenberg_marquardt]
//! ```
//! The last line holds `key=value` pairs; where the folder has no truth, keys of the truth read `nan`; where it has no
//! pixel size, lengths are in pixels and keys end in `_px` instead of `_pm`.

use aet::context::{log, Context, ContextOptions};
use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, SeriesVersion, TiltSeries};
use aet::forward::local_orbital::{DepthMode, Orbital, OrbitalTerm, Sharing};
use aet::io::dataset_folder::{self, Which};
use aet::io::xyz;
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::{Optimizer, RunOptions, Stopping};
use aet::problem::Progress;
use aet::reconstruct::{
    find_atoms, ErrorOptions, FindOptions, LossChoice, LotModel, LotOptions, Precision, Reconstruction,
};
use aet::specimen::{compare, Atoms, CompareOptions, Comparison};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::path::{Path, PathBuf};
use std::time::Instant;

struct Arguments {
    data: PathBuf,
    variant: Option<String>,
    start: String,
    perturb: f64,
    seed: u64,
    sections: Vec<usize>,
    energy_ev: Option<f64>,
    semiangle_mrad: Option<f64>,
    free: Vec<String>,
    iterations: usize,
    optimizer: Option<Optimizer>,
    threads: Option<usize>,
    out: Option<PathBuf>,
    options: LotOptions,
}

fn parse() -> std::result::Result<Arguments, Box<dyn std::error::Error>> {
    let mut cli = pico_args::Arguments::from_env();
    let list = |text: Option<String>| -> Vec<String> {
        text.map(|t| t.split(',').map(str::to_string).collect()).unwrap_or_default()
    };
    let mut options = LotOptions { model: LotModel::Direct, ..Default::default() };
    options.model = cli
        .opt_value_from_fn("--model", |v| one_of(v, &[("direct", LotModel::Direct), ("rigid", LotModel::Rigid)]))?
        .unwrap_or(LotModel::Direct);
    options.mode = cli.opt_value_from_fn("--mode", depth_mode)?.unwrap_or(DepthMode::Auto);
    options.loss =
        cli.opt_value_from_fn("--loss", |v| one_of(v, &[("mse", LossChoice::Mse), ("poisson", LossChoice::Poisson)]))?;
    options.precision = cli
        .opt_value_from_fn("--precision", |v| {
            one_of(v, &[("single", Precision::Single), ("double", Precision::Double)])
        })?
        .unwrap_or(Precision::Single);
    options.orbital = cli.opt_value_from_fn("--orbital", orbital)?.unwrap_or_default();
    options.width_start = cli.opt_value_from_str("--width-start")?;
    options.height_sharing = Some(cli.opt_value_from_fn("--heights", sharing)?.unwrap_or(Sharing::Atom));
    options.width_sharing = Some(cli.opt_value_from_fn("--widths", sharing)?.unwrap_or(Sharing::Species));
    let arguments = Arguments {
        data: cli.value_from_str("--data")?,
        variant: cli.opt_value_from_str("--variant")?,
        start: cli.value_from_str("--start")?,
        perturb: cli.opt_value_from_str("--perturb")?.unwrap_or(0.0),
        seed: cli.opt_value_from_str("--seed")?.unwrap_or(1),
        sections: list(cli.opt_value_from_str("--sections")?)
            .iter()
            .map(|s| s.parse())
            .collect::<std::result::Result<_, _>>()?,
        energy_ev: cli.opt_value_from_str("--energy-ev")?,
        semiangle_mrad: cli.opt_value_from_str("--semiangle-mrad")?,
        free: list(cli.opt_value_from_str("--free")?),
        iterations: cli.opt_value_from_str("--iterations")?.unwrap_or(200),
        optimizer: cli.opt_value_from_fn("--optimizer", Optimizer::named)?,
        threads: cli.opt_value_from_str("--threads")?,
        out: cli.opt_value_from_str("--out")?,
        options,
    };
    let rest = cli.finish();
    if !rest.is_empty() {
        return Err(format!("unknown arguments {rest:?}").into());
    }
    Ok(arguments)
}

fn sharing(value: &str) -> std::result::Result<Sharing, String> {
    one_of(value, &[("atom", Sharing::Atom), ("species", Sharing::Species), ("common", Sharing::Common)])
}

fn depth_mode(value: &str) -> std::result::Result<DepthMode, String> {
    one_of(value, &[DepthMode::Slices, DepthMode::Templates, DepthMode::Auto].map(|mode| (mode.name(), mode)))
}

/// A shape by name, or Gaussian terms as weight:width, the widths in units of B.
fn orbital(text: &str) -> std::result::Result<Orbital, Box<dyn std::error::Error>> {
    match text {
        "gaussian" => Ok(Orbital::default()),
        "slater" => Ok(Orbital::slater(None)?),
        terms => {
            let term = |text: &str| -> std::result::Result<OrbitalTerm, Box<dyn std::error::Error>> {
                let wanted = || format!("`{text}` is no term W:S; orbitals are gaussian, slater or W:S,W:S,...");
                let (weight, width) = text.split_once(':').ok_or_else(wanted)?;
                Ok(OrbitalTerm { weight: weight.parse()?, width: width.parse()? })
            };
            Ok(Orbital::gaussians(&terms.split(',').map(term).collect::<std::result::Result<Vec<_>, _>>()?)?)
        }
    }
}

fn one_of<T: Copy>(value: &str, known: &[(&str, T)]) -> std::result::Result<T, String> {
    known
        .iter()
        .find(|(name, _)| *name == value)
        .map(|(_, v)| *v)
        .ok_or_else(|| format!("`{value}` is none of {}", known.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")))
}

/// The series with only the images of some sections.
fn select_sections(version: &SeriesVersion, sections: &[usize]) -> Result<TiltSeries> {
    let chosen: Vec<_> = version.images().iter().filter(|i| sections.contains(&i.section)).collect();
    if chosen.is_empty() {
        let wanted = format!("sections 0 to {}", version.section_count().saturating_sub(1));
        return Err(Error::range("--sections", format!("{sections:?}"), wanted));
    }
    let (rows, columns) = (version.rows(), version.columns());
    let images =
        ndarray::Array3::from_shape_fn((chosen.len(), rows, columns), |(i, r, c)| chosen[i].pixels[r * columns + c]);
    let mut frames =
        Frames::new(chosen.len()).with_rotations(Rotations::Matrices(chosen.iter().map(|i| i.rotation).collect()));
    frames.tilt = Some(chosen.iter().map(|i| i.tilt as i64).collect());
    frames.section = Some(chosen.iter().map(|i| i.section as i64).collect());
    frames.defocus = Some(chosen.iter().map(|i| i.defocus).collect());
    frames.counts_per_unit = Some(chosen.iter().map(|i| i.counts_per_unit.unwrap_or(f64::NAN)).collect());
    let options = SeriesOptions {
        pixel_size: version.pixel_size(),
        length_unit: version.length_unit(),
        energy_ev: version.energy_ev(),
        semiangle_mrad: version.semiangle_mrad(),
        ..Default::default()
    };
    TiltSeries::new(options, images.view(), &frames)
}

fn start_atoms(arguments: &Arguments, context: &Context, series: &TiltSeries, probe: Option<&Probe>) -> Result<Atoms> {
    let variant = arguments.variant.as_deref();
    let atoms = match arguments.start.as_str() {
        "peaks" => found_atoms(arguments, context, series, probe)?,
        "published" => dataset_folder::read_atoms(&arguments.data, Which::Published, variant)?,
        "truth" => dataset_folder::read_atoms(&arguments.data, Which::Truth, variant)?,
        file => xyz::read(Path::new(file))?,
    };
    let normal = Normal::new(0.0, arguments.perturb)
        .map_err(|_| Error::range("--perturb", arguments.perturb, "0 or more (A)"))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(arguments.seed);
    let positions = atoms.positions().iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect();
    if arguments.perturb > 0.0 {
        println!("start moved by {} A rms per axis, seed {}", arguments.perturb, arguments.seed);
    }
    // Only positions and species: heights and widths of the file may be of another model.
    Atoms::new(positions)?.with_species(atoms.species().to_vec())
}

/// The atoms that the images show, without any model to start from.
fn found_atoms(arguments: &Arguments, context: &Context, series: &TiltSeries, probe: Option<&Probe>) -> Result<Atoms> {
    let clock = Instant::now();
    // the fit that follows is that of the arguments, to which heights and widths must belong
    let fit = arguments.options.clone();
    let options = FindOptions { fit, keep_model: true, keep_orbital: true, ..Default::default() };
    let found = find_atoms(context, series, probe, &options, &mut |_| true)?;
    log::drain(|level, text| println!("{level:?}: {text}"));
    println!(
        "found {} atoms from {} peaks in {} cycles ({:?}), R {:.5}, {:.1} s",
        found.atoms.len(),
        found.traced.len(),
        found.cycles.rows(),
        found.termination,
        found.r_factor,
        clock.elapsed().as_secs_f64()
    );
    Ok(found.atoms)
}

/// The probe from the folder's keys or the command line; an error names what is missing.
fn make_probe(arguments: &Arguments, version: &SeriesVersion) -> Result<Option<Probe>> {
    if arguments.options.model == LotModel::Direct {
        return Ok(None);
    }
    let energy = arguments.energy_ev.or(version.energy_ev());
    let semiangle = arguments.semiangle_mrad.or(version.semiangle_mrad());
    match (energy, semiangle) {
        (Some(energy), Some(semiangle)) => ProbeOptions::new(energy, semiangle).build().map(Some),
        _ => {
            let missing: Vec<&str> =
                [("energy_ev (--energy-ev)", energy), ("semiangle_mrad (--semiangle-mrad)", semiangle)]
                    .iter()
                    .filter(|(_, v)| v.is_none())
                    .map(|(n, _)| *n)
                    .collect();
            let why = format!("the folder does not say {}; give them or use --model direct", missing.join(" and "));
            Err(Error::NotReady { what: "model rigid".into(), why })
        }
    }
}

fn report(name: &str, c: Option<&Comparison>) -> String {
    let get = |f: fn(&Comparison) -> f64| c.map_or(f64::NAN, f);
    format!(
        "{name}: rmsd {:.3} (x {:.3}, y {:.3}, z {:.3}), matched {}, missing {}, extra {}",
        get(|c| c.rmsd_pm),
        get(|c| c.rmsd_axis_pm[0]),
        get(|c| c.rmsd_axis_pm[1]),
        get(|c| c.rmsd_axis_pm[2]),
        get(|c| c.matched as f64),
        get(|c| c.missing as f64),
        get(|c| c.extra as f64)
    )
}

fn run(arguments: &Arguments) -> Result<()> {
    log::set_level(log::Level::Info);
    let clock = Instant::now();
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    let mut series = dataset_folder::read(&arguments.data, arguments.variant.as_deref(), &mut |_| true)?;
    if !arguments.sections.is_empty() {
        series = select_sections(&series.version(), &arguments.sections)?;
    }
    let version = series.version();
    let probe = make_probe(arguments, &version)?;
    let start = start_atoms(arguments, &context, &series, probe.as_ref())?;
    println!(
        "{} images of {} x {} pixels, {} tilts, {} sections, {} atoms, {} threads, {}",
        version.images().len(),
        version.rows(),
        version.columns(),
        version.tilts().len(),
        version.section_count(),
        start.len(),
        context.threads(),
        context.simd().name()
    );
    let recon = Reconstruction::local_orbital(&context, &series, probe.as_ref(), &start, &arguments.options)?;
    arguments.free.iter().try_for_each(|block| recon.freeze(block, false))?;
    let stopping = Stopping { max_iterations: arguments.iterations, ..Default::default() };
    let options = RunOptions { stopping, optimizer: arguments.optimizer, ..Default::default() };
    let mut last = 0;
    let termination = recon.run(options, &mut |p: &Progress| {
        if p.iteration > last {
            last = p.iteration;
            println!("{:>4}  loss {:.9e}  R {:.5}  {:.2} s", p.iteration, p.loss, p.r_factor, p.seconds);
        }
        true
    })?;
    log::drain(|level, text| println!("{level:?}: {text}"));
    let seconds = clock.elapsed().as_secs_f64();
    let atoms = recon.atoms()?;
    let against = |which| match dataset_folder::read_atoms(&arguments.data, which, arguments.variant.as_deref()) {
        Ok(other) => compare(&atoms, &other, &CompareOptions::default()).map(|c| Some((c, other))),
        Err(_) => Ok(None), // the folder has no such model
    };
    let (truth, published) = (against(Which::Truth)?, against(Which::Published)?);
    if let (Some((_, truth)), Some((_, published))) = (&truth, &published) {
        println!(
            "{}",
            report("published against truth", Some(&compare(published, truth, &CompareOptions::default())?))
        );
    }
    println!("{}", report("result against truth", truth.as_ref().map(|(c, _)| c)));
    println!("{}", report("result against published", published.as_ref().map(|(c, _)| c)));
    let history = recon.history();
    let (evaluations, r_factor) = history.last().map_or((0.0, f64::NAN), |r| (r.evaluations, r.r_factor));
    let (height, width) = (recon.block("heights")?, recon.block("widths")?);
    println!(
        "{termination:?} after {} iterations; first height {:.6e}, first width {:.4}",
        history.len(),
        height[0],
        width[0]
    );
    let errors = recon.estimate_errors(&ErrorOptions::default(), &mut |_| true)?;
    println!("{:?} errors, noise {:?}: {} atoms undetermined", errors.method, errors.noise, errors.undetermined);
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|source| Error::File {
            operation: "creating",
            path: folder.clone(),
            source,
        })?;
        xyz::write(&errors.atoms, &folder.join("atoms.xyz"))?;
        let record = folder.join("record.json");
        std::fs::write(&record, format!("{:#}\n", recon.record())).map_err(|source| Error::File {
            operation: "writing",
            path: record.clone(),
            source,
        })?;
        println!("wrote {} and {}", folder.join("atoms.xyz").display(), record.display());
    }
    let pixels = version.length_unit() == LengthUnit::Pixel;
    let (unit, factor) = if pixels { ("px", 0.01) } else { ("pm", 1.0) };
    let of = |f: fn(&Comparison) -> f64| truth.as_ref().map_or(f64::NAN, |(c, _)| f(c));
    let rmsd = |f: fn(&Comparison) -> f64| number(factor * of(f), 4);
    let published = factor * published.as_ref().map_or(f64::NAN, |(c, _)| c.rmsd_pm);
    let pairs = [
        ("mode".into(), recon.record()["mode"].as_str().unwrap_or("direct").into()),
        ("true".into(), number(of(|c| c.true_count as f64), 0)),
        ("matched".into(), number(of(|c| c.matched as f64), 0)),
        ("missing".into(), number(of(|c| c.missing as f64), 0)),
        ("extra".into(), number(of(|c| c.extra as f64), 0)),
        (format!("rmsd_{unit}"), rmsd(|c| c.rmsd_pm)),
        (format!("rmsd_x_{unit}"), rmsd(|c| c.rmsd_axis_pm[0])),
        (format!("rmsd_y_{unit}"), rmsd(|c| c.rmsd_axis_pm[1])),
        (format!("rmsd_z_{unit}"), rmsd(|c| c.rmsd_axis_pm[2])),
        (format!("rmsd_published_{unit}"), number(published, 4)),
        (format!("predicted_rmsd_{unit}"), number(factor * errors.predicted_rmsd_pm, 4)),
        ("r_factor".into(), number(r_factor, 6)),
        ("loss".into(), format!("{:.9e}", recon.loss())),
        ("evaluations".into(), evaluations.to_string()),
        ("seconds".into(), number(seconds, 3)),
    ];
    println!("{}", pairs.map(|(key, value): (String, String)| format!("{key}={value}")).join(" "));
    Ok(())
}

/// `nan` where it is not known.
fn number(value: f64, digits: usize) -> String {
    match value.is_nan() {
        true => "nan".into(),
        false => format!("{value:.digits$}"),
    }
}

fn main() -> std::process::ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("lot: {error}");
            return std::process::ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lot: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
