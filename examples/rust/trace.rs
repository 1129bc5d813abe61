//! From projections to atoms: a volume, its maxima, their species, and the refinement of the atoms against the projections.
//!
//! ```text
//! cargo run --release --example trace -- --data FOLDER [--variant KEY] [--species K] [--min-distance A] [--cutoff A]
//!   [--tilts FIRST:STEP] [--dose E_PER_A2 --seed N] [--method sirt|resire|genfire --iterations N] [--free drift,scale|none]
//!   [--model direct|rigid] [--loss mse|poisson] [--cycles N] [--threads N] [--out DIR]
//! ```
//! The same defaults serve every folder. `--species` is the number of species (those that the folder names, else one);
//! `--tilts` takes every STEP-th tilt from FIRST on; `--dose` adds counting noise to images in units of the beam, as of so
//! many electrons per square angstrom and image. Where the folder knows energy and aperture, the model is rigid, else direct. Shifts of
//! the images are fitted, too, unless `--free` says otherwise.
//!
//! Two lines of `key=value` pairs: `stage=traced` for what the volume shows, and last `stage=refined`. They compare with the
//! truth or, where there is none, with the published atoms; `published_...` compare these with the truth, `..._in_all_images`
//! count atoms that lie in every image. Atoms are matched within `--cutoff` (0.9). Images that are bright up to their edges
//! show a part of a film: the volume is then wider than they are. `--out` takes atoms (xyz), tables (csv) and pictures.

#[path = "trace/pictures.rs"]
mod pictures;
#[path = "trace/plots.rs"]
mod plots;

use aet::analyze::{accuracy, AccuracyOptions, DEPTH_INTERVAL};
use aet::classify::{classify_atoms, ClassifyOptions};
use aet::context::{log, Context, ContextOptions};
use aet::dataset::{SeriesVersion, TiltSeries};
use aet::io::dataset_folder::{self, Which};
use aet::io::{table, xyz};
use aet::optics::{Probe, ProbeOptions};
use aet::optimize::Stopping;
use aet::problem::{Progress, Waiting};
use aet::reconstruct::{
    find_atoms, reconstruct_volume, ErrorOptions, FindOptions, Found, LossChoice, LotModel, LotOptions, Reconstruction,
    TomographyMethod,
};
use aet::specimen::{compare, elements, Atoms, CompareOptions, Comparison, Volume};
use aet::table::Table;
use aet::trace::{trace, Threshold, TraceOptions};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Poisson};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Smoothing of the volume before its maxima are sought, as a part of the minimum distance.
const SMOOTHING: f64 = 0.25;

/// Methods with which the volume stays positive.
const METHODS: [(&str, TomographyMethod); 3] =
    [("sirt", TomographyMethod::Sirt), ("resire", TomographyMethod::Resire), ("genfire", TomographyMethod::Genfire)];

struct Arguments {
    data: PathBuf,
    variant: Option<String>,
    species: Option<usize>,
    min_distance: f64,
    cutoff: f64,
    tilts: (usize, usize),
    dose: Option<f64>,
    seed: u64,
    threads: Option<usize>,
    out: Option<PathBuf>,
    model: Option<LotModel>,
    loss: Option<LossChoice>,
    options: FindOptions,
}

type Parsed<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn parse() -> Parsed<Arguments> {
    let mut cli = pico_args::Arguments::from_env();
    let mut options = FindOptions::default();
    if let Some(method) = cli.opt_value_from_fn("--method", |v| one_of(v, &METHODS))? {
        (options.tomography.method, options.tomography.positivity) = (method, Some(true));
    }
    if let Some(iterations) = cli.opt_value_from_str("--iterations")? {
        options.tomography.iterations = Some(iterations);
    }
    let free: String = cli.opt_value_from_str("--free")?.unwrap_or_else(|| "drift".into());
    options.keep_orbital = cli.contains("--keep-orbital");
    options.free = free.split(',').filter(|block| *block != "none").map(str::to_string).collect();
    options.max_cycles = cli.opt_value_from_str("--cycles")?.unwrap_or(options.max_cycles);
    let every = |text: &str| -> Parsed<(usize, usize)> {
        let (first, step) = text.split_once(':').ok_or("--tilts wants FIRST:STEP")?;
        Ok((first.parse()?, step.parse::<usize>()?.max(1)))
    };
    let arguments = Arguments {
        data: cli.value_from_str("--data")?,
        variant: cli.opt_value_from_str("--variant")?,
        species: cli.opt_value_from_str("--species")?,
        min_distance: cli.opt_value_from_str("--min-distance")?.unwrap_or(1.6),
        cutoff: cli.opt_value_from_str("--cutoff")?.unwrap_or(0.9),
        tilts: cli.opt_value_from_fn("--tilts", every)?.unwrap_or((0, 1)),
        dose: cli.opt_value_from_str("--dose")?,
        seed: cli.opt_value_from_str("--seed")?.unwrap_or(1),
        threads: cli.opt_value_from_str("--threads")?,
        out: cli.opt_value_from_str("--out")?,
        model: cli
            .opt_value_from_fn("--model", |v| one_of(v, &[("direct", LotModel::Direct), ("rigid", LotModel::Rigid)]))?,
        loss: cli.opt_value_from_fn("--loss", |v| {
            one_of(v, &[("mse", LossChoice::Mse), ("poisson", LossChoice::Poisson)])
        })?,
        options,
    };
    let rest = cli.finish();
    if !rest.is_empty() {
        return Err(format!("unknown arguments {rest:?}").into());
    }
    Ok(arguments)
}

fn one_of<T: Copy>(value: &str, known: &[(&str, T)]) -> std::result::Result<T, String> {
    let wanted = || format!("`{value}` is none of {}", known.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", "));
    known.iter().find(|(name, _)| *name == value).map(|(_, v)| *v).ok_or_else(wanted)
}

/// The series with the noise that was asked for, and only the tilts that were.
fn series(arguments: &Arguments) -> Result<TiltSeries> {
    let mut series = dataset_folder::read(&arguments.data, arguments.variant.as_deref(), &mut |_| true)?;
    let version = series.version();
    if let Some(dose) = arguments.dose {
        let electrons = dose * version.pixel_size().powi(2);
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(arguments.seed);
        let mut counts = |value: f32| {
            let mean = electrons * f64::from(value.max(0.0));
            Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut random)) as f32
        };
        let (images, columns) = (version.images(), version.columns());
        let noisy = ndarray::Array3::from_shape_fn((images.len(), version.rows(), columns), |(i, r, c)| {
            counts(images[i].pixels[r * columns + c])
        });
        series = TiltSeries::with_other_pixels(&version, noisy.view(), |_| (None, Some(1.0)))?;
    }
    let (first, step) = arguments.tilts;
    let unwanted = (0..version.tilts().len()).filter(|tilt| *tilt < first || (tilt - first) % step != 0);
    unwanted.into_iter().try_for_each(|tilt| series.exclude_tilt(tilt, true))?;
    Ok(series)
}

/// Images that are half as bright along their edges as all over show a part of something larger, such as a film: what
/// tilted images see of it lies in a volume wider than they are. `None`: as wide as the images.
fn film_shape(version: &SeriesVersion) -> Option<[usize; 3]> {
    let (rows, columns) = (version.rows(), version.columns());
    let block = 8.min(columns);
    let (mut edges, mut middles) = (0.0, 0.0);
    for image in version.images().iter().filter(|image| !image.excluded) {
        let mean_of = |from: usize, to: usize| -> f64 {
            let of_row = |row: &[f32]| row[from..to].iter().map(|v| f64::from(*v)).sum::<f64>();
            image.pixels.chunks_exact(columns).map(of_row).sum::<f64>() / ((to - from) * rows) as f64
        };
        let blocks: Vec<f64> = (0..columns / block).map(|i| mean_of(i * block, (i + 1) * block)).collect();
        let lowest = blocks.iter().copied().fold(f64::INFINITY, f64::min);
        let edge = 0.5 * (blocks.first()? + blocks.last()?);
        (edges, middles) = (edges + edge - lowest, middles + mean_of(0, columns) - lowest);
    }
    let steepest = version.images().iter().map(|image| image.rotation[2][2].abs()).fold(1.0, f64::min);
    let about_y =
        version.images().iter().map(|image| image.rotation[2][0].abs() - image.rotation[2][1].abs()).sum::<f64>() > 0.0;
    let widened = |n: usize| (n as f64 / steepest.max(0.3)).ceil() as usize;
    let margin = 6;
    (edges > 0.5 * middles).then(|| match about_y {
        true => [columns, rows + margin, widened(columns)],
        false => [rows, widened(rows), columns + margin],
    })
}

/// Atomic numbers, ascending: those that the folder names, as many as were asked for.
fn species(arguments: &Arguments, version: &SeriesVersion) -> Result<Vec<u8>> {
    let known = version.elements();
    match arguments.species {
        None if known.is_empty() => Ok(vec![0]),
        None => Ok(known),
        Some(count) if count == known.len() => Ok(known),
        Some(1) => Ok(vec![0]),
        Some(count) => {
            let why = format!("the folder names {} elements", known.len());
            Err(Error::Inconsistent { what: format!("--species {count}"), why })
        }
    }
}

fn probe_of(arguments: &Arguments, version: &SeriesVersion) -> Result<Option<Probe>> {
    match (arguments.model, version.energy_ev(), version.semiangle_mrad()) {
        (None | Some(LotModel::Rigid), Some(energy), Some(semiangle)) => {
            ProbeOptions::new(energy, semiangle).build().map(Some)
        }
        (Some(LotModel::Rigid), ..) => {
            let why = "the folder does not say energy and semi-angle".into();
            Err(Error::NotReady { what: "--model rigid".into(), why })
        }
        _ => Ok(None),
    }
}

/// What the atoms are compared with.
struct Known {
    /// The truth, else the published atoms.
    reference: Option<Atoms>,
    /// Those of them that lie in all images.
    seen: Vec<bool>,
    published: Option<Comparison>,
}

impl Known {
    fn read(arguments: &Arguments, version: &SeriesVersion) -> Result<Self> {
        let read = |which| dataset_folder::read_atoms(&arguments.data, which, arguments.variant.as_deref()).ok();
        let (truth, published) = (read(Which::Truth), read(Which::Published));
        let options = CompareOptions { cutoff: arguments.cutoff, ..Default::default() };
        let compared = match (&truth, &published) {
            (Some(truth), Some(published)) => Some(compare(published, truth, &options)?),
            _ => None,
        };
        let reference = truth.or(published);
        let places = reference.as_ref().map_or(&[][..], |reference| reference.positions());
        let used = version.used_images();
        let seen = places.iter().map(|place| used.iter().all(|image| version.sees(*image, place))).collect();
        Ok(Self { reference, seen, published: compared })
    }

    fn compare(&self, atoms: &Atoms, cutoff: f64) -> Result<Option<Comparison>> {
        let options = CompareOptions { cutoff, ..Default::default() };
        self.reference.as_ref().map(|reference| compare(atoms, reference, &options)).transpose()
    }

    fn tell(&self, stage: &str, c: Option<&Comparison>, r_factor: f64, seconds: f64) {
        let number = |value: f64, digits: usize| match value.is_nan() {
            true => "nan".into(),
            false => format!("{value:.digits$}"),
        };
        let of = |f: fn(&Comparison) -> f64, digits| number(c.map_or(f64::NAN, f), digits);
        let found = c.map_or(0, |c| c.partners.iter().flatten().filter(|partner| self.seen[**partner]).count());
        let seen = self.seen.iter().filter(|seen| **seen).count();
        let published = |f: fn(&Comparison) -> f64, digits| number(self.published.as_ref().map_or(f64::NAN, f), digits);
        let pairs = [
            ("stage", stage.to_string()),
            ("true", of(|c| c.true_count as f64, 0)),
            ("matched", of(|c| c.matched as f64, 0)),
            ("missing", of(|c| c.missing as f64, 0)),
            ("extra", of(|c| c.extra as f64, 0)),
            ("rmsd_pm", of(|c| c.rmsd_pm, 3)),
            ("rmsd_x_pm", of(|c| c.rmsd_axis_pm[0], 3)),
            ("rmsd_y_pm", of(|c| c.rmsd_axis_pm[1], 3)),
            ("rmsd_z_pm", of(|c| c.rmsd_axis_pm[2], 3)),
            ("tracing_error", of(|c| (c.missing + c.extra) as f64 / c.true_count as f64, 5)),
            ("species_correct", of(|c| c.species_correct, 5)),
            ("r_factor", number(r_factor, 5)),
            ("in_all_images", seen.to_string()),
            ("matched_in_all_images", found.to_string()),
            ("published_matched", published(|c| c.matched as f64, 0)),
            ("published_extra", published(|c| c.extra as f64, 0)),
            ("rmsd_published_pm", published(|c| c.rmsd_pm, 3)),
            ("seconds", number(seconds, 2)),
        ];
        println!("{}", pairs.map(|(key, value)| format!("{key}={value}")).join(" "));
    }
}

/// Volume, tracing, species.
fn traced(context: &Context, series: &TiltSeries, arguments: &Arguments) -> Result<(Volume, Atoms)> {
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    let volume =
        reconstruct_volume(context, series, &arguments.options.tomography, (None, None), &mut |_| true)?.volume;
    let options = TraceOptions {
        smoothing: SMOOTHING * arguments.min_distance / volume.voxel_size(),
        minimum_distance: Some(arguments.min_distance),
        threshold: arguments.options.threshold.map_or(Threshold::Histogram, Threshold::Part),
        ..Default::default()
    };
    let tracing = trace(context, &volume, &options, waiting)?;
    println!("{} maxima, {} atoms above {:.4e}", tracing.candidates.len(), tracing.atoms.len(), tracing.threshold);
    let species = &arguments.options.species;
    if species.len() == 1 {
        let count = tracing.atoms.len();
        return Ok((volume, tracing.atoms.with_species(vec![species[0]; count])?));
    }
    let options = ClassifyOptions { species: species.clone(), ..Default::default() };
    let classified = classify_atoms(context, &volume, &tracing.atoms, &options, waiting)?;
    Ok((volume, classified.atoms))
}

/// The final fit: positions, heights, one width per species, and what was freed; with error bars.
fn refined(
    context: &Context,
    series: &TiltSeries,
    probe: Option<&Probe>,
    found: &Found,
    arguments: &Arguments,
) -> Result<(Atoms, f64)> {
    let recon = Reconstruction::local_orbital(context, series, probe, &found.atoms, &arguments.options.fit)?;
    recon.freeze("positions", !found.moved)?;
    arguments.options.free.iter().try_for_each(|block| recon.freeze(block, false))?;
    let stopping = Stopping { max_iterations: 200, ..Default::default() };
    recon.run(&stopping, &mut |_: &Progress| true)?;
    let r_factors: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
    recon.freeze("positions", false)?;
    let errors = recon.estimate_errors(&ErrorOptions::default(), &mut |_| true)?;
    println!("predicted rmsd {:.2} pm, {} atoms undetermined", errors.predicted_rmsd_pm, errors.undetermined);
    Ok((errors.atoms, r_factors.iter().sum::<f64>() / r_factors.len() as f64))
}

fn run(mut arguments: Arguments) -> std::result::Result<(), Box<dyn std::error::Error>> {
    log::set_level(log::Level::Info);
    let clock = Instant::now();
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    let series = series(&arguments)?;
    let version = series.version();
    let probe = probe_of(&arguments, &version)?;
    let known = Known::read(&arguments, &version)?;
    let options = &mut arguments.options;
    options.minimum_distance = Some(arguments.min_distance);
    options.keep_model = arguments.model.is_some();
    options.fit = LotOptions {
        model: if probe.is_some() { LotModel::Rigid } else { LotModel::Direct },
        loss: arguments.loss,
        ..Default::default()
    };
    options.tomography.shape = film_shape(&version);
    arguments.options.species = species(&arguments, &version)?;
    let (volume, start) = traced(&context, &series, &arguments)?;
    let seconds = clock.elapsed().as_secs_f64();

    let options = FindOptions { start: Some(start.clone()), ..arguments.options.clone() };
    let found = find_atoms(&context, &series, probe.as_ref(), &options, &mut |_| true)?;
    log::drain(|level, text| println!("{level:?}: {text}"));
    let of_start = known.compare(&start, arguments.cutoff)?;
    known.tell("traced", of_start.as_ref(), found.r_factor_traced, seconds);

    println!("{:?} model, loss {:?}, atoms {}, terms of an atom:", found.fit.model, found.fit.loss, moved(&found));
    found.fit.orbital.terms().iter().for_each(|term| println!("  {:.4} exp(-q^2 / {})", term.weight, term.width));
    arguments.options.fit = found.fit.clone();
    let (atoms, r_factor) = refined(&context, &series, probe.as_ref(), &found, &arguments)?;
    let seconds = clock.elapsed().as_secs_f64();
    let compared = known.compare(&atoms, arguments.cutoff)?;
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        xyz::write(&atoms, &out.join("atoms.xyz"))?;
        table::write(&found.cycles, &out.join("cycles.csv"))?;
        draw(&context, out, (&volume, &atoms), &known, compared.as_ref(), arguments.cutoff)?;
    }
    known.tell("refined", compared.as_ref(), r_factor, seconds);
    Ok(())
}

fn moved(found: &Found) -> &'static str {
    if found.moved {
        "refined"
    } else {
        "left where they were traced"
    }
}

/// Pictures of a slice, of the histogram of heights and of the errors; tables beside them.
fn draw(
    context: &Context,
    out: &Path,
    (volume, atoms): (&Volume, &Atoms),
    known: &Known,
    compared: Option<&Comparison>,
    cutoff: f64,
) -> Parsed<()> {
    let reference = known.reference.as_ref();
    pictures::draw_slice(&out.join("slice.png"), volume, atoms, reference, compared, 2.0)?;
    if let Some(heights) = atoms.heights() {
        let mut species = atoms.species().to_vec();
        species.sort_unstable();
        species.dedup();
        let class = |z: &u8| species.iter().position(|known| known == z).map_or(0.0, |at| at as f64 + 1.0);
        let histogram = Table::new(atoms.len())
            .with_column("height", "image unit", heights.to_vec())?
            .with_column("class", "", atoms.species().iter().map(class).collect())?
            .histogram("height", Some("class"), None)?;
        let symbols = species.iter().map(|z| elements::symbol(*z).unwrap_or("unknown"));
        let names: Vec<&str> = std::iter::once("no atom").chain(symbols).collect();
        plots::draw_histogram(&out.join("histogram.png"), &histogram, "fitted height", &names, &[])?;
        table::write(&histogram, &out.join("histogram.csv"))?;
    }
    let Some(reference) = reference else { return Ok(()) };
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    let options = AccuracyOptions { compare: CompareOptions { cutoff, ..Default::default() }, ..Default::default() };
    let report = accuracy(context, atoms, reference, &options, waiting)?;
    for (name, profile, axis) in [
        ("depth", report.by_depth(DEPTH_INTERVAL)?, "depth, Å"),
        ("surface", report.by_surface(2.0)?, "distance to the surface, Å"),
    ] {
        plots::draw_profile(&out.join(format!("{name}.png")), &profile, axis)?;
        table::write(&profile, &out.join(format!("{name}.csv")))?;
    }
    table::write(&report.atoms, &out.join("accuracy.csv"))?;
    Ok(table::write(&report.confusion()?, &out.join("confusion.csv"))?)
}

fn main() -> std::process::ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("trace: {error}");
            return std::process::ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trace: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
