//! Local-orbital tomography of a dataset folder, from a published or true model, a file, or the images alone: the peaks of a
//! volume (`none`) or a regular grid of orbitals (`grid`).
//!
//! ```text
//! cargo run --release --example lot -- --data FOLDER [--variant KEY] --start grid|none|published|truth|FILE.xyz
//!   [--species Si,Au] [--perturb A] [--dose E] [--seed N] [--model direct|rigid|adaptive] [--mode slices|templates|knots|auto]
//!   [--loss mse|poisson|anscombe|huber|gaussian] [--unknown-defocus] [--probe-side PX] [--smoothness W]
//!   [--energy-ev E --semiangle-mrad A] [--sections LIST] [--width-start A2] [--heights atom|species|common]
//!   [--widths atom|species|common] [--free BLOCK,BLOCK] [--orbital gaussian|slater|images|W:S,W:S,...]
//!   [--precision single|double] [--iterations N] [--threads N] [--out DIR]
//!   [--optimizer lbfgs|gradient_descent|adam|conjugate_gradient|levenberg_marquardt] [--passes N]
//! ```
//! `--dose` adds Poisson noise to images that are fractions of the beam: E electrons per A^2 over all images together.
//! `--unknown-defocus` sets all recorded foci to 0 and looks for them. The adaptive model goes on from the rigid one.
//! `--out` writes atoms, the record and, where the model has probes, their picture along the beam before and after the fit.
//! `--passes` are those of the schedule of adam.
//! `--orbital images` takes the shape of the orbitals from the images between fits.
//! The last line holds `key=value` pairs; where the folder has no truth, keys of the truth read `nan`; where it has no
//! pixel size, lengths are in pixels and keys end in `_px` instead of `_pm`.

#[path = "trace/canvas.rs"]
mod canvas;
#[path = "lot/probes.rs"]
mod probes;

use aet::context::{log, Context, ContextOptions};
use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, SeriesVersion, TiltSeries};
use aet::forward::local_orbital::{DepthMode, Orbital, OrbitalTerm, Sharing};
use aet::io::dataset_folder::{self, Which};
use aet::io::xyz;
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::{Optimizer, RunOptions, Stopping, Termination};
use aet::problem::{Progress, Waiting};
use aet::reconstruct::{
    find_atoms, DefocusScan, ErrorEstimate, ErrorOptions, FindOptions, FirstGuess, LossChoice, LotModel, LotOptions,
    Precision, Reconstruction,
};
use aet::simulate::instrument::{record_series, Exposure, Instrument};
use aet::specimen::{compare, elements, Atoms, CompareOptions, Comparison};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::path::{Path, PathBuf};
use std::time::Instant;

struct Arguments {
    data: PathBuf,
    variant: Option<String>,
    start: String,
    species: Vec<u8>,
    perturb: f64,
    dose: Option<f64>,
    seed: u64,
    sections: Vec<usize>,
    energy_ev: Option<f64>,
    semiangle_mrad: Option<f64>,
    free: Vec<String>,
    iterations: usize,
    optimizer: Option<Optimizer>,
    passes: Option<usize>,
    threads: Option<usize>,
    out: Option<PathBuf>,
    options: LotOptions,
    /// The recorded foci are put aside.
    unknown_defocus: bool,
    /// The orbital of the options is only the first: the images tell the next ones.
    orbital_of_images: bool,
}

fn parse() -> std::result::Result<Arguments, Box<dyn std::error::Error>> {
    let mut cli = pico_args::Arguments::from_env();
    let list = |text: Option<String>| -> Vec<String> {
        text.map(|t| t.split(',').map(str::to_string).collect()).unwrap_or_default()
    };
    let species = list(cli.opt_value_from_str("--species")?);
    let (options, orbital_of_images) = fit_options(&mut cli)?;
    let arguments = Arguments {
        data: cli.value_from_str("--data")?,
        variant: cli.opt_value_from_str("--variant")?,
        start: cli.value_from_str("--start")?,
        species: species.iter().map(|symbol| atomic_number(symbol)).collect::<Result<_>>()?,
        perturb: cli.opt_value_from_str("--perturb")?.unwrap_or(0.0),
        dose: cli.opt_value_from_str("--dose")?,
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
        passes: cli.opt_value_from_str("--passes")?,
        threads: cli.opt_value_from_str("--threads")?,
        out: cli.opt_value_from_str("--out")?,
        unknown_defocus: cli.contains("--unknown-defocus"),
        options,
        orbital_of_images,
    };
    if arguments.unknown_defocus && arguments.options.model == LotModel::Direct {
        return Err("--unknown-defocus: the direct model has no defocus; use --model rigid or adaptive".into());
    }
    let rest = cli.finish();
    if !rest.is_empty() {
        return Err(format!("unknown arguments {rest:?}").into());
    }
    Ok(arguments)
}

/// The options of the fits, and whether the images tell the orbital.
fn fit_options(cli: &mut pico_args::Arguments) -> std::result::Result<(LotOptions, bool), Box<dyn std::error::Error>> {
    let model = cli.opt_value_from_fn("--model", lot_model)?.unwrap_or(LotModel::Direct);
    let mut options = LotOptions { model, ..Default::default() };
    options.mode = cli.opt_value_from_fn("--mode", depth_mode)?.unwrap_or(DepthMode::Auto);
    options.loss = cli.opt_value_from_fn("--loss", loss)?;
    options.probe_smoothness = cli.opt_value_from_str("--smoothness")?.unwrap_or(0.0);
    options.probe_side = cli.opt_value_from_str("--probe-side")?;
    options.precision = cli
        .opt_value_from_fn("--precision", |v| {
            one_of(v, &[("single", Precision::Single), ("double", Precision::Double)])
        })?
        .unwrap_or(Precision::Single);
    let shape: Option<String> = cli.opt_value_from_str("--orbital")?;
    let of_images = shape.as_deref() == Some("images");
    options.orbital = shape.filter(|_| !of_images).map(|text| orbital(&text)).transpose()?.unwrap_or_default();
    options.width_start = cli.opt_value_from_str("--width-start")?;
    options.height_sharing = Some(cli.opt_value_from_fn("--heights", sharing)?.unwrap_or(Sharing::Atom));
    options.width_sharing = Some(cli.opt_value_from_fn("--widths", sharing)?.unwrap_or(Sharing::Species));
    Ok((options, of_images))
}

fn atomic_number(symbol: &str) -> Result<u8> {
    elements::atomic_number(symbol).ok_or_else(|| Error::range("--species", symbol, "symbols of elements, as Cu,Au"))
}

fn sharing(value: &str) -> std::result::Result<Sharing, String> {
    one_of(value, &[("atom", Sharing::Atom), ("species", Sharing::Species), ("common", Sharing::Common)])
}

fn lot_model(value: &str) -> std::result::Result<LotModel, String> {
    one_of(value, &[LotModel::Direct, LotModel::Rigid, LotModel::Adaptive].map(|model| (model.name(), model)))
}

fn depth_mode(value: &str) -> std::result::Result<DepthMode, String> {
    let modes = [DepthMode::Slices, DepthMode::Templates, DepthMode::Knots, DepthMode::Auto];
    one_of(value, &modes.map(|mode| (mode.name(), mode)))
}

fn loss(value: &str) -> std::result::Result<LossChoice, String> {
    use LossChoice::{Anscombe, Gaussian, Huber, Mse, Poisson};
    let all = [("mse", Mse), ("poisson", Poisson), ("anscombe", Anscombe), ("huber", Huber), ("gaussian", Gaussian)];
    one_of(value, &all)
}

/// A shape by name, or Gaussian terms as weight:width, the widths in units of B.
fn orbital(text: &str) -> std::result::Result<Orbital, Box<dyn std::error::Error>> {
    match text {
        "gaussian" => Ok(Orbital::default()),
        "slater" => Ok(Orbital::slater(None)?),
        terms => {
            let term = |text: &str| -> std::result::Result<OrbitalTerm, Box<dyn std::error::Error>> {
                let wanted =
                    || format!("`{text}` is no term W:S; orbitals are gaussian, slater, images or W:S,W:S,...");
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

/// The series with only the images of some sections, their foci 0 where they are not to be known.
fn select_sections(version: &SeriesVersion, sections: &[usize], unknown_defocus: bool) -> Result<TiltSeries> {
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
    frames.defocus = Some(chosen.iter().map(|i| if unknown_defocus { 0.0 } else { i.defocus }).collect());
    frames.counts_per_unit = Some(chosen.iter().map(|i| i.counts_per_unit.unwrap_or(f64::NAN)).collect());
    let options = SeriesOptions {
        pixel_size: version.pixel_size(),
        length_unit: version.length_unit(),
        energy_ev: version.energy_ev(),
        semiangle_mrad: version.semiangle_mrad(),
        ..Default::default()
    };
    let series = TiltSeries::new(options, images.view(), &frames)?;
    if let Some(named) = version.metadata().get("elements") {
        series.set_metadata("elements", &named.value, &named.unit)?;
    }
    Ok(series)
}

/// What a fit starts from.
struct Start {
    atoms: Atoms,
    /// Orbitals of the first fit, here or in the search for atoms.
    orbitals: usize,
    /// Those of the arguments, with the orbital that the search ended with and, where they leave it open, its loss.
    options: LotOptions,
}

fn start(arguments: &Arguments, context: &Context, series: &TiltSeries, probe: Option<&Probe>) -> Result<Start> {
    let variant = arguments.variant.as_deref();
    let search = |first_guess| found(arguments, context, series, probe, first_guess);
    let given = |atoms: Atoms| Start { orbitals: atoms.len(), atoms, options: arguments.options.clone() };
    let mut start = match arguments.start.as_str() {
        "none" => search(FirstGuess::Volume)?,
        "grid" => search(FirstGuess::Grid)?,
        "published" => given(dataset_folder::read_atoms(&arguments.data, Which::Published, variant)?),
        "truth" => given(dataset_folder::read_atoms(&arguments.data, Which::Truth, variant)?),
        file => given(xyz::read(Path::new(file))?),
    };
    let normal = Normal::new(0.0, arguments.perturb)
        .map_err(|_| Error::range("--perturb", arguments.perturb, "0 or more (A)"))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(arguments.seed);
    let positions = start.atoms.positions().iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect();
    if arguments.perturb > 0.0 {
        println!("start moved by {} A rms per axis, seed {}", arguments.perturb, arguments.seed);
    }
    // Only positions and species: heights and widths of the file may be of another model.
    start.atoms = Atoms::new(positions)?.with_species(start.atoms.species().to_vec())?;
    Ok(start)
}

/// The atoms that the images show, without any model to start from.
fn found(
    arguments: &Arguments,
    context: &Context,
    series: &TiltSeries,
    probe: Option<&Probe>,
    first_guess: FirstGuess,
) -> Result<Start> {
    let clock = Instant::now();
    // the fit that follows is that of the arguments, to which heights and widths must belong
    let options = FindOptions {
        fit: arguments.options.clone(),
        first_guess,
        keep_model: true,
        keep_orbital: !arguments.orbital_of_images,
        species: arguments.species.clone(),
        defocus_range: if arguments.unknown_defocus { DefocusScan::default().range } else { 0.0 },
        ..Default::default()
    };
    let found = find_atoms(context, series, probe, &options, &mut |_| true)?;
    log::drain(|level, text| println!("{level:?}: {text}"));
    println!(
        "found {} atoms from {} of the first guess in {} fits with {} decisions ({:?}), R {:.5}, {:.1} s",
        found.atoms.len(),
        found.traced.len(),
        found.cycles.rows(),
        found.decisions.rows(),
        found.termination,
        found.r_factor,
        clock.elapsed().as_secs_f64()
    );
    let orbitals = found.cycles.column("atoms")?.first().map_or(0, |count| *count as usize);
    let loss = arguments.options.loss.or(found.fit.loss);
    let options = LotOptions { orbital: found.fit.orbital, loss, ..arguments.options.clone() };
    Ok(Start { atoms: found.atoms, orbitals, options })
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

/// The images of the arguments, with noise where they ask for it, and their recorded foci.
fn read_series(arguments: &Arguments, context: &Context) -> Result<(TiltSeries, Vec<f64>)> {
    let mut series = dataset_folder::read(&arguments.data, arguments.variant.as_deref(), &mut |_| true)?;
    if let Some(dose) = arguments.dose {
        let version = series.version();
        if version.counts_per_unit_all().is_some() {
            let why = "the images are counts, which have their noise already".into();
            return Err(Error::Inconsistent { what: "--dose".into(), why });
        }
        let exposure = Exposure::Dose(dose / version.images().len() as f64);
        let instrument = Instrument { seed: arguments.seed, exposure, ..Default::default() };
        let cancel = context.cancel_token();
        series = record_series(context, &instrument, &series, &mut Waiting { cancel: &cancel, tell: &mut |_| true })?;
        println!("Poisson noise of {dose} e/A^2 over all images, seed {}", arguments.seed);
    }
    let foci = |series: &TiltSeries| series.version().images().iter().map(|i| i.defocus).collect::<Vec<f64>>();
    if !arguments.sections.is_empty() {
        series = select_sections(&series.version(), &arguments.sections, false)?;
    }
    let recorded = foci(&series);
    if arguments.unknown_defocus {
        let all: Vec<usize> = (0..series.version().section_count()).collect();
        series = select_sections(&series.version(), &all, true)?;
    }
    Ok((series, recorded))
}

/// Fits between which the images tell the shape of the orbitals.
const SHAPE_ROUNDS: usize = 3;

/// The fit from the start; of several, with shapes from the images, the last.
fn fit(
    arguments: &Arguments,
    context: &Context,
    series: &TiltSeries,
    probe: Option<&Probe>,
    start: &Start,
) -> Result<(Reconstruction, Termination)> {
    let stopping = Stopping { max_iterations: arguments.iterations, ..Default::default() };
    let run_options = RunOptions { stopping, optimizer: arguments.optimizer, ..Default::default() };
    let (mut options, mut atoms) = (start.options.before_pixels(), start.atoms.clone());
    let mut last = 0;
    let mut run = |recon: &Reconstruction| {
        recon.run(&run_options, &mut |p: &Progress| {
            if p.iteration != last {
                last = p.iteration;
                println!("{:>4}  loss {:.9e}  R {:.5}  {:.2} s", p.iteration, p.loss, p.r_factor, p.seconds);
            }
            true
        })
    };
    let mut defocus: Option<Vec<f64>> = None;
    let mut round = 1;
    loop {
        let recon = Reconstruction::local_orbital(context, series, probe, &atoms, &options)?;
        arguments.free.iter().try_for_each(|block| recon.freeze(block, false))?;
        arguments.passes.map_or(Ok(()), |passes| recon.set_param("adam.passes", passes as f64))?;
        if arguments.unknown_defocus {
            look_for_defocus(&recon, defocus.as_deref())?;
        }
        let mut termination = run(&recon)?;
        log::drain(|level, text| println!("{level:?}: {text}"));
        if !arguments.orbital_of_images || round == SHAPE_ROUNDS {
            if start.options.model == LotModel::Adaptive {
                let adaptive = recon.continued(&LotOptions { orbital: options.orbital, ..start.options.clone() })?;
                termination = run(&adaptive)?;
                return Ok((adaptive, termination));
            }
            return Ok((recon, termination));
        }
        options.orbital = recon.fit_orbital(None, &mut |_| true)?;
        options.width_start = None; // that of the fit
        atoms = recon.atoms()?;
        defocus = Some(recon.block("defocus")?);
        println!("the images tell {} terms", options.orbital.terms().len());
        round += 1;
    }
}

/// Frees the defocus, from what is known of it or from a scan after a few iterations.
fn look_for_defocus(recon: &Reconstruction, known: Option<&[f64]>) -> Result<()> {
    const BEFORE: usize = 10;
    match known {
        Some(known) => recon.set_block("defocus", known)?,
        None => {
            recon.run(&Stopping { max_iterations: BEFORE, ..Default::default() }, &mut |_| true)?;
            recon.scan_defocus(&DefocusScan::default(), &mut |_| true)?;
        }
    }
    recon.freeze("defocus", false)
}

/// Atoms compared with the true and the published ones, where the folder has them.
struct Judged {
    truth: Option<Comparison>,
    published: Option<Comparison>,
    published_against_truth: Option<Comparison>,
    /// Largest difference between the defocus of an image and the recorded one, A.
    defocus_error: f64,
}

impl Judged {
    fn new(arguments: &Arguments, recon: &Reconstruction, recorded: &[f64]) -> Result<Self> {
        let atoms = recon.atoms()?;
        let off = |(found, recorded): (&f64, &f64)| (found - recorded).abs();
        let defocus_error = recon.geometry().defocus.iter().zip(recorded).map(off).fold(0.0, f64::max);
        let read = |which| dataset_folder::read_atoms(&arguments.data, which, arguments.variant.as_deref()).ok();
        let (truth, published) = (read(Which::Truth), read(Which::Published));
        let against = |one: &Option<Atoms>, other: &Option<Atoms>| match (one, other) {
            (Some(one), Some(other)) => compare(one, other, &CompareOptions::default()).map(Some),
            _ => Ok(None),
        };
        let atoms = Some(atoms);
        Ok(Self {
            defocus_error,
            truth: against(&atoms, &truth)?,
            published: against(&atoms, &published)?,
            published_against_truth: against(&published, &truth)?,
        })
    }

    fn print(&self) {
        if self.published_against_truth.is_some() {
            println!("{}", report("published against truth", self.published_against_truth.as_ref()));
        }
        println!("{}", report("result against truth", self.truth.as_ref()));
        println!("{}", report("result against published", self.published.as_ref()));
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    log::set_level(log::Level::Info);
    let clock = Instant::now();
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    let (series, recorded) = read_series(arguments, &context)?;
    let version = series.version();
    let probe = make_probe(arguments, &version)?;
    let start = start(arguments, &context, &series, probe.as_ref())?;
    println!(
        "{} images of {} x {} pixels, {} tilts, {} sections, {} atoms, {} threads, {}",
        version.images().len(),
        version.rows(),
        version.columns(),
        version.tilts().len(),
        version.section_count(),
        start.atoms.len(),
        context.threads(),
        context.simd().name()
    );
    let first_probes = match &probe {
        Some(probe) if start.options.model != LotModel::Direct && arguments.out.is_some() => {
            let options = start.options.before_pixels();
            let first = Reconstruction::local_orbital(&context, &series, Some(probe), &start.atoms, &options)?;
            probes::of_sections(&first, &version)?
        }
        _ => vec![],
    };
    let (recon, termination) = fit(arguments, &context, &series, probe.as_ref(), &start)?;
    let seconds = clock.elapsed().as_secs_f64();
    let atoms = recon.atoms()?;
    let judged = Judged::new(arguments, &recon, &recorded)?;
    judged.print();
    let (height, width) = (recon.block("heights")?, recon.block("widths")?);
    println!(
        "{termination:?} after {} iterations; first height {:.6e}, first width {:.4}",
        recon.history().len(),
        height[0],
        width[0]
    );
    let errors = recon.estimate_errors(&ErrorOptions::default(), &mut |_| true)?;
    println!("{:?} errors, noise {:?}: {} atoms undetermined", errors.method, errors.noise, errors.undetermined);
    if let Some(folder) = &arguments.out {
        write(folder, &recon, &errors)?;
        if !first_probes.is_empty() {
            let (path, fitted) = (folder.join("probes.png"), probes::of_sections(&recon, &version)?);
            probes::draw(&path, &first_probes, &fitted, version.pixel_size())
                .map_err(|e| Error::Internal(e.to_string()))?;
            println!("wrote {}", path.display());
        }
    }
    let counts = (start.orbitals, atoms.len());
    let pixels = version.length_unit() == LengthUnit::Pixel;
    println!("{}", last_line(&recon, &judged, &errors, counts, pixels, seconds).join(" "));
    Ok(())
}

fn write(folder: &Path, recon: &Reconstruction, errors: &ErrorEstimate) -> Result<()> {
    let failed = |operation, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::File { operation, path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed("creating", folder))?;
    let (atoms, record) = (folder.join("atoms.xyz"), folder.join("record.json"));
    xyz::write(&errors.atoms, &atoms)?;
    std::fs::write(&record, format!("{:#}\n", recon.record())).map_err(failed("writing", &record))?;
    println!("wrote {} and {}", atoms.display(), record.display());
    Ok(())
}

/// Pairs key=value; errors are in hundredths of the unit of the series where that is a pixel, in pm else.
fn last_line(
    recon: &Reconstruction,
    judged: &Judged,
    errors: &ErrorEstimate,
    (orbitals_start, orbitals_end): (usize, usize),
    pixels: bool,
    seconds: f64,
) -> Vec<String> {
    let defocus_error = judged.defocus_error;
    let (unit, factor) = if pixels { ("px", 0.01) } else { ("pm", 1.0) };
    let of = |f: fn(&Comparison) -> f64| judged.truth.as_ref().map_or(f64::NAN, f);
    let rmsd = |f: fn(&Comparison) -> f64| number(factor * of(f), 4);
    let published = factor * judged.published.as_ref().map_or(f64::NAN, |c| c.rmsd_pm);
    let chain = judged.published_against_truth.as_ref().map_or(f64::NAN, |c| c.rmsd_pm);
    let (evaluations, r_factor) = recon.history().last().map_or((0.0, f64::NAN), |r| (r.evaluations, r.r_factor));
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
        ("rmsd_published_ratio".into(), number(of(|c| c.rmsd_pm) / chain, 4)),
        (format!("predicted_rmsd_{unit}"), number(factor * errors.predicted_rmsd_pm, 4)),
        ("defocus_error".into(), number(defocus_error, 3)),
        ("species_correct".into(), number(of(|c| c.species_correct), 4)),
        ("orbitals_start".into(), orbitals_start.to_string()),
        ("orbitals_end".into(), orbitals_end.to_string()),
        ("r_factor".into(), number(r_factor, 6)),
        ("loss".into(), format!("{:.9e}", recon.loss())),
        ("evaluations".into(), evaluations.to_string()),
        ("seconds".into(), number(seconds, 3)),
    ];
    pairs.map(|(key, value): (String, String)| format!("{key}={value}")).to_vec()
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
