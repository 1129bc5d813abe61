//! Tilt and focus series of a particle by multislice, or by local orbitals, into a folder that other programs read.
//!
//! ```text
//! cargo run --release --example simulate_tilt_series -- --model m0|m1|..|m8|cuau|bao|disc:DIAMETER:THICKNESS|FILE.xyz --out FOLDER
//!   [--kind images|4dstem|linear] [--atoms N] [--tilts 24] [--tilt-range 72] [--foci 1] [--focus-step A]
//!   [--dose E_PER_A2] [--rows N --columns N | --probes N] [--pixel 0.34] [--sampling 0.1] [--slice 2]
//!   [--inner 40] [--outer MRAD] [--max-angle MRAD] [--binning 1] [--window PX|whole|prism]
//!   [--interpolation 1] [--energy-ev 300e3] [--semiangle-mrad 25] [--phonons N --b A2] [--seed 1] [--threads N] [--memory-cap BYTES]
//!   [--double] [--atom-counts N --background N]
//! ```
//! Tilts are equally spaced rotations about y from -RANGE to RANGE degrees, the dose is that of every image. With `--atoms`
//! the particle of a preset becomes a smaller or larger one of its kind. `--rows` and `--columns` are scan positions; without,
//! images hold the whole particle in every tilt. A disc is of amorphous silicon about the tilt axis: few atoms, seen through the
//! whole depth of a thick particle in every tilt. `--window prism` puts probes together of plane waves (with every
//! `--interpolation`-th of them). `linear` takes one Gaussian orbital per atom on a grid twice as fine,
//! for particles of a million atoms; `--atom-counts` are the electrons that each of them sends to the detector per image
//! (which then has counting noise), `--background` those of every pixel beside them.
//!
//! A run that was stopped goes on where it was when it is started again with the same arguments. The last line holds
//! `key=value` pairs.

use aet::context::{log, Context, ContextOptions};
use aet::forward::local_orbital::Orbital;
use aet::forward::prism::PrismOptions;
use aet::geometry::{rotation_about, Mat3};
use aet::io::{dataset_folder, xyz};
use aet::optics::{Crop, ProbeOptions};
use aet::pipeline::{memory_estimate, simulate_series, SeriesProgress, SeriesRun};
use aet::simulate::instrument::Exposure;
use aet::simulate::stem::{Prism, Sampling, SliceEdges, WindowSize};
use aet::simulate::tilt_series::{MultisliceSeries, SeriesSignal};
use aet::simulate::FrozenPhonons;
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::structures::{generate, ParticleShape, StructureOptions, PRESETS};
use aet::specimen::{Atoms, Property};
use aet::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Width B of the orbitals of `linear`, A^2.
const LINEAR_WIDTH: f64 = 0.35;

/// Debye-Waller factor of frozen phonons where none is given, A^2.
const DEBYE_WALLER_B: f64 = 0.5;

struct Arguments {
    model: String,
    atoms: usize,
    b: Option<f64>,
    atom_counts: Option<f64>,
    background: f64,
    kind: String,
    out: PathBuf,
    seed: u64,
    threads: Option<usize>,
    run: SeriesRun,
    series: MultisliceSeries,
}

type Parsed<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn parse() -> Parsed<Arguments> {
    let mut cli = pico_args::Arguments::from_env();
    let kind = cli.opt_value_from_str("--kind")?.unwrap_or_else(|| "images".to_string());
    let mut series = illumination(&mut cli)?;
    scan(&mut cli, &mut series)?;
    specimen_options(&mut cli, &mut series)?;
    let inner_mrad = cli.opt_value_from_str("--inner")?.unwrap_or(40.0);
    let outer_mrad = cli.opt_value_from_str("--outer")?;
    let crop = cli.opt_value_from_str("--max-angle")?.map_or(Crop::Whole, Crop::Angle);
    let binning = cli.opt_value_from_str("--binning")?.unwrap_or(1);
    series.signal = match kind.as_str() {
        "images" | "linear" => SeriesSignal::Annular { inner_mrad, outer_mrad },
        "4dstem" => SeriesSignal::Patterns { crop, binning },
        other => return Err(format!("--kind `{other}` is none of images, 4dstem, linear").into()),
    };
    let seed = cli.opt_value_from_str("--seed")?.unwrap_or(1);
    series.instrument.seed = seed;
    series.phonons = series.phonons.map(|phonons| FrozenPhonons { seed, ..phonons });
    let arguments = Arguments {
        model: cli.value_from_str("--model")?,
        atoms: cli.opt_value_from_str("--atoms")?.unwrap_or(0),
        b: cli.opt_value_from_str("--b")?,
        atom_counts: cli.opt_value_from_str("--atom-counts")?,
        background: cli.opt_value_from_str("--background")?.unwrap_or(0.0),
        kind,
        out: cli.value_from_str("--out")?,
        seed,
        threads: cli.opt_value_from_str("--threads")?,
        run: SeriesRun { double: cli.contains("--double"), memory_cap: cli.opt_value_from_str("--memory-cap")? },
        series,
    };
    match cli.finish() {
        rest if rest.is_empty() => Ok(arguments),
        rest => Err(format!("unknown arguments {rest:?}").into()),
    }
}

/// Probe, tilts and foci.
fn illumination(cli: &mut pico_args::Arguments) -> Parsed<MultisliceSeries> {
    let energy = cli.opt_value_from_str("--energy-ev")?.unwrap_or(300e3);
    let semiangle = cli.opt_value_from_str("--semiangle-mrad")?.unwrap_or(25.0);
    let tilts: usize = cli.opt_value_from_str("--tilts")?.unwrap_or(24);
    let range: f64 = cli.opt_value_from_str("--tilt-range")?.unwrap_or(72.0);
    let count: usize = cli.opt_value_from_str("--foci")?.unwrap_or(1);
    // over half of wavelength / angle^2 the peak of a probe loses a fifth: neighbouring foci overlap
    let depth = 0.5 * aet::electron::wavelength(energy)? / f64::powi(1e-3 * semiangle, 2);
    let step = cli.opt_value_from_str("--focus-step")?.unwrap_or(depth);
    let equally = |i: usize, n: usize| if n < 2 { 0.0 } else { 2.0 * i as f64 / (n - 1) as f64 - 1.0 };
    let rotations: Vec<Mat3> = (0..tilts).map(|i| rotation_about(1, range * equally(i, tilts))).collect();
    let foci = (0..count).map(|i| 0.5 * step * (count - 1) as f64 * equally(i, count)).collect();
    Ok(MultisliceSeries::new(ProbeOptions::new(energy, semiangle), rotations, foci))
}

/// Scan positions and dose.
fn scan(cli: &mut pico_args::Arguments, series: &mut MultisliceSeries) -> Parsed<()> {
    let probes = cli.opt_value_from_str("--probes")?;
    series.rows = cli.opt_value_from_str("--rows")?.or(probes).unwrap_or(0);
    series.columns = cli.opt_value_from_str("--columns")?.or(probes).unwrap_or(0);
    series.pixel_size = cli.opt_value_from_str("--pixel")?.unwrap_or(0.34);
    series.instrument.exposure = cli.opt_value_from_str("--dose")?.map_or(Exposure::Unlimited, Exposure::Dose);
    Ok(())
}

/// Sampling, slices, window, thermal motion.
fn specimen_options(cli: &mut pico_args::Arguments, series: &mut MultisliceSeries) -> Parsed<()> {
    series.simulation.sampling = Sampling::Pixel(cli.opt_value_from_str("--sampling")?.unwrap_or(0.1));
    series.simulation.slices = SliceEdges::Thickness(cli.opt_value_from_str("--slice")?.unwrap_or(2.0));
    let window: Option<String> = cli.opt_value_from_str("--window")?;
    if let Some(window) = window {
        series.automatic_window = false;
        series.simulation.window = match window.as_str() {
            "whole" => WindowSize::Whole,
            "prism" => {
                let f = cli.opt_value_from_str("--interpolation")?.unwrap_or(1);
                let options = PrismOptions { interpolation: (f, f), ..Default::default() };
                series.simulation.prism = Some(Prism { semiangle_mrad: series.probe.semiangle_mrad, options });
                WindowSize::Whole
            }
            pixels => WindowSize::Pixels { rows: pixels.parse()?, columns: pixels.parse()? },
        };
    }
    let configurations: Option<usize> = cli.opt_value_from_str("--phonons")?;
    series.phonons = configurations.map(|configurations| FrozenPhonons { configurations, seed: 0 });
    Ok(())
}

/// A preset of the papers, or a file.
fn specimen(arguments: &Arguments) -> Result<Atoms> {
    let model = arguments.model.as_str();
    let atoms = match PRESETS.contains(&model) {
        true => {
            let mut options = StructureOptions::preset(model)?;
            if arguments.atoms > 0 {
                resize(&mut options, arguments.atoms);
            }
            generate(&options, &mut |_| true)?
        }
        false => match model.strip_prefix("disc:") {
            Some(size) => disc(size, arguments.seed)?,
            None => xyz::read(Path::new(model))?,
        },
    };
    let b = arguments
        .b
        .or((arguments.series.phonons.is_some() && atoms.debye_waller_b().is_none()).then_some(DEBYE_WALLER_B));
    match b {
        Some(b) => {
            let count = atoms.len();
            atoms.with_property(Property::DebyeWallerB, vec![b; count])
        }
        None => Ok(atoms),
    }
}

/// A disc of the amorphous silicon of the papers' particles, its axis along y: `size` is its diameter and thickness in A.
fn disc(size: &str, seed: u64) -> Result<Atoms> {
    let numbers: Vec<f64> = size.split(':').filter_map(|text| text.parse().ok()).collect();
    let [diameter, thickness] = numbers[..] else {
        return Err(Error::range("--model disc", size, "disc:DIAMETER:THICKNESS (A)"));
    };
    let silicon = StructureOptions::preset("m1")?;
    let shape = ParticleShape::Box([diameter, thickness, diameter]);
    let slab = generate(&StructureOptions { shape, count: 0, width: 0.0, seed, ..silicon }, &mut |_| true)?;
    let inside = |p: &[f64; 3]| p[0].hypot(p[2]) <= 0.5 * diameter;
    let chosen: Vec<usize> = (0..slab.len()).filter(|i| inside(&slab.positions()[*i])).collect();
    slab.subset(&chosen)
}

/// About `atoms` atoms: the nearest that a particle of this kind can have.
fn resize(options: &mut StructureOptions, atoms: usize) {
    let elements: usize = options.species_counts.iter().sum();
    if elements > 0 {
        // the same composition
        let part = |n: usize| (n * atoms + elements / 2) / elements;
        options.species_counts = options.species_counts.map(part);
    } else if options.count > 0 {
        options.count = atoms;
    } else {
        // twinned particles: edges as the cube root
        let grown = (atoms as f64 / 25_790.0).cbrt();
        options.shells = options.shells.map(|n| ((n as f64 * grown).round() as usize).max(2));
    }
}

fn linear(arguments: &Arguments, context: &Context, atoms: &Atoms) -> Result<()> {
    let series = &arguments.series;
    if arguments.out.exists() {
        let why = "it exists already; name another folder or remove it".into();
        return Err(Error::Inconsistent { what: format!("{}", arguments.out.display()), why });
    }
    // an atom of height h has h pi B / pixel^2 counts; without, the brightest pixel of one gets the part of the dose that
    // such an atom scatters: about a percent
    let height = match (arguments.atom_counts, series.instrument.exposure) {
        (Some(counts), _) => counts * series.pixel_size.powi(2) / (std::f64::consts::PI * LINEAR_WIDTH),
        (None, Exposure::Dose(dose)) => 0.01 * dose * series.pixel_size.powi(2),
        _ => 1.0,
    };
    let noisy = arguments.atom_counts.is_some() || matches!(series.instrument.exposure, Exposure::Dose(_));
    let plan = SeriesPlan {
        orbital: Orbital::default(),
        rows: series.rows,
        columns: series.columns,
        pixel_size: series.pixel_size,
        rotations: series.rotations.clone(),
        foci: series.foci.clone(),
        width: LINEAR_WIDTH,
        height,
        background: arguments.background,
        oversampling: 2,
        slice_thickness: 2.0,
        seed: noisy.then_some(arguments.seed),
    };
    let probe = series.probe.clone().build()?;
    let images = local_orbital_series(context, atoms, Some(&probe), &plan)?;
    images.set_metadata("kind", "simulated local-orbital series", "")?;
    dataset_folder::write(&images, Some(atoms), &arguments.out, &mut |_| true)
}

fn show(progress: &SeriesProgress) -> bool {
    eprint!(
        "\rtilt {}/{}  configuration {}/{}  probes {}/{}  {:.1} %  {:.0} s ",
        progress.tilt.0 + 1,
        progress.tilt.1,
        progress.configuration.0 + 1,
        progress.configuration.1,
        progress.probes.0,
        progress.probes.1,
        100.0 * progress.fraction,
        progress.seconds
    );
    true
}

fn run(arguments: &mut Arguments) -> Result<()> {
    log::set_level(log::Level::Info);
    let clock = Instant::now();
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    let atoms = specimen(arguments)?;
    arguments.series.fit_to(&atoms);
    let series = &arguments.series;
    println!(
        "{} atoms, {} tilts, {} foci, images of {} x {} pixels of {} angstrom, {} threads, {}",
        atoms.len(),
        series.rotations.len(),
        series.foci.len(),
        series.rows,
        series.columns,
        series.pixel_size,
        context.threads(),
        context.simd().name()
    );
    let (probes, computed, memory) = match arguments.kind.as_str() {
        "linear" => {
            linear(arguments, &context, &atoms)?;
            (0, 0, f64::NAN)
        }
        _ => {
            let frame = series.frame(&atoms)?;
            let (plane, window) = (frame.plane(), frame.window());
            println!(
                "object of {} x {} pixels of {:.4} angstrom, window of {} x {}",
                plane.rows, plane.columns, plane.pixel_x, window.rows, window.columns
            );
            let memory = memory_estimate(series, &atoms, context.threads(), arguments.run.double)?;
            let report = simulate_series(&context, &atoms, series, &arguments.out, &arguments.run, &mut show)?;
            eprintln!();
            (report.probes, report.probes_computed, memory as f64 / (1 << 20) as f64)
        }
    };
    log::drain(|level, text| println!("{level:?}: {text}"));
    println!(
        "tilts={} images={} rows={} columns={} probes={probes} probes_computed={computed} seconds={:.3} memory_mib={}",
        series.rotations.len(),
        series.rotations.len() * series.foci.len(),
        series.rows,
        series.columns,
        clock.elapsed().as_secs_f64(),
        if memory.is_nan() { "nan".into() } else { format!("{memory:.1}") }
    );
    Ok(())
}

fn main() -> std::process::ExitCode {
    let mut arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("simulate_tilt_series: {error}");
            return std::process::ExitCode::from(2);
        }
    };
    match run(&mut arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulate_tilt_series: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
